// Replacing the lists of an index in use by new ones, made of its own refinement rows. README.md, "Generations", says
// why each step may be the last one before a crash.
#include "pg/ivf/maintain.h"

extern "C" {
#include "access/tableam.h"
#include "access/transam.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "commands/vacuum.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "postmaster/autovacuum.h"
#include "utils/guc.h"
#include "utils/tuplesort.h"
}

#include <algorithm>
#include <cmath>

#include "annex/list_builder.h"
#include "annex/random.h"
#include "pg/guard.h"
#include "pg/index/inspect.h"
#include "pg/index/stop_point.h"
#include "pg/ivf/build.h"
#include "pg/ivf/writer.h"

namespace annex::pg::ivf {

struct Relisting {
    Relation index;
    MetaPage meta;  // as it was at the beginning
    RowLayout layout;
    ListBuilder* builder;
    Writer writer;
    BufferAccessStrategy strategy;
    uint64 pending;
    uint32 lists;
    uint32 wanted;  // lists that were asked for
    bool spill;
    ListId* ids;           // of the new lists
    ListDescriptor* made;  // their descriptors
    Tuplesortstate* sort;
    TupleTableSlot* slot;
    bytea* record;  // scratch for what is sorted
    Page page;      // copy of a row page
    Page tail_page;
    float* y;     // a decoded row
    int8* codes;  // of a row on two pages
};

// ---- Rows, decoded ----

// Calls visit(place, heap TID, values of the filter columns, y) for the rows of a page of the table's rows that
// `pending` has not been served with.
template <typename Visit>
static void ForEachRow(Relisting* relisting, BlockNumber block, Visit visit) {
    const RowLayout& layout = relisting->layout;
    const uint32 padded = relisting->meta.padded;
    const uint16 served = PendingMark(relisting->pending);
    CopyPage(relisting->index, block, relisting->strategy, relisting->page);
    if (!PageIsOurs(relisting->page) || KindOf(relisting->page) != PageKind::kRows) return;
    const RowPage rows = RowPage::Open(relisting->index, block, relisting->page, layout);
    if (rows.header->owner != RowOwner::kHeap) return;
    for (uint16 slot = 0; slot < rows.header->used; slot++) {
        const RowHeader& row = *rows.row(layout, slot);
        if (!row.heap_tid.valid() || (served != 0 && row.pending == served)) continue;
        if (!(row.factors.scale >= 0 && row.factors.scale < 1e38F))
            ReportCorrupted(relisting->index, block, "the factors of a row are impossible");
        const int8* codes = rows.codes(layout, slot);
        if (layout.TwoPages(padded)) {
            const BlockNumber tail = NextOf(relisting->page);
            if (tail == 0 || tail >= RelationGetNumberOfBlocks(relisting->index))
                ReportCorrupted(relisting->index, block, "a row has no second part");
            CopyPage(relisting->index, tail, relisting->strategy, relisting->tail_page);
            CheckPage(relisting->index, tail, relisting->tail_page, PageKind::kRowTail);
            memcpy(relisting->codes, codes, layout.head_codes);
            memcpy(relisting->codes + layout.head_codes, RowTailCodes(relisting->tail_page),
                   padded - layout.head_codes);
            codes = relisting->codes;
        }
        DecodeRow(relisting->builder->space(), codes, row.factors.scale, relisting->y);
        visit(layout.At(block, slot), row.heap_tid, rows.values(layout, slot), relisting->y);
    }
}

// ---- Training ----

static int MemoryForMaintenance() {
    return ANNEX_IS_AUTOVACUUM_WORKER() && autovacuum_work_mem != -1 ? autovacuum_work_mem : maintenance_work_mem;
}

static Size SampleThatFits(uint32 lists, uint32 padded) {
    const double budget = static_cast<double>(MemoryForMaintenance()) * 1024;
    const auto fixed = static_cast<double>(ListBuilder::TrainingMemory(0, lists, padded));
    const auto scratch = static_cast<double>(ListBuilder::TrainingMemory(0, 0, padded));
    const double each = static_cast<double>(ListBuilder::TrainingMemory(1, lists, padded)) - fixed;
    const double room = budget - (fixed - scratch);
    return room > 0 ? static_cast<Size>(room / each) : 0;
}

// Lists trained on fewer rows than this are bad ones; an explicit number is content with less, as it is when built.
static constexpr double kFewestSampleRows = 32;
static constexpr double kFewestSampleRowsAsked = 4;

uint32 ListsThatFit(const MetaPage& meta, uint32 wanted, double rows) {
    const double each = meta.list_option > 0 ? kFewestSampleRowsAsked : kFewestSampleRows;
    uint32 lists = wanted;
    while (lists > 1 && SampleThatFits(lists, meta.padded) < static_cast<Size>(std::min(rows, each * lists)))
        lists -= (lists + 7) / 8;
    return lists;
}

// Every n-th row page, from a random one on, until the sample is full.
static void TakeSample(Relisting* relisting, Size capacity, double rows) {
    ListBuilder* builder = relisting->builder;
    Guard([&] { builder->BeginSample(capacity); });
    const BlockNumber blocks = RelationGetNumberOfBlocks(relisting->index);
    const double pages = rows / relisting->layout.rows_per_page + 1;
    // Row pages lie in the order of the lists they were made for: all parts of the index have to be in the sample.
    const double share = std::min(1.0, 1.2 * static_cast<double>(capacity) / std::max(rows, 1.0) + 64 / pages);
    Random random(relisting->pending);
    for (BlockNumber block = relisting->meta.rows; block < blocks; block++) {
        ANNEX_VACUUM_DELAY_POINT();
        if (share < 1 && static_cast<double>(random.Below(1U << 20)) >= share * (1U << 20)) continue;
        ForEachRow(relisting, block, [&](Place, HeapTid, const uint8*, const float* y) {
            Guard([&] { builder->AddTransformedToSample(y); });
        });
    }
}

static void Train(Relisting* relisting, SpillOption spill) {
    ListBuilder* builder = relisting->builder;
    Guard([&] { builder->BeginTraining(relisting->lists, TrainingOf(relisting->index, relisting->lists)); });
    bool more = true;
    while (more) {
        ANNEX_VACUUM_DELAY_POINT();
        Guard([&] { more = builder->TrainStep(); });
    }
    relisting->wanted = relisting->lists;
    relisting->lists = static_cast<uint32>(builder->lists());
    const bool decide = spill == kSpillAuto && relisting->meta.metric != Metric::kInnerProduct && relisting->lists > 1;
    more = decide;
    while (more) {
        ANNEX_VACUUM_DELAY_POINT();
        Guard([&] { more = builder->TrialStep(); });
    }
    Guard([&] { builder->FinishTraining(decide ? builder->SpillPays() : spill != kSpillOff, RecordKind::kEntries); });
    relisting->spill = builder->spill();
}

// ---- Describing ----

// Unused slots of the descriptor pages there are, by number.
static uint32 UnusedSlots(const Relisting& relisting, uint32* numbers) {
    uint32 found = 0;
    for (uint32 first = 0; first < DescriptorSlots(relisting.meta); first += kDescriptorsPerPage) {
        const BlockNumber block = ListAt(relisting.meta, first).block;
        Buffer buffer = ReadBuffer(relisting.index, block);
        LockBuffer(buffer, BUFFER_LOCK_SHARE);
        const DescriptorPage page = DescriptorPage::Open(relisting.index, block, BufferGetPage(buffer));
        for (uint16 slot = 0; slot < kDescriptorsPerPage && found < relisting.lists; slot++)
            if (slot >= page.header->count || page.descriptors()[slot].state == ListState::kUnused)
                numbers[found++] = first + slot;
        UnlockReleaseBuffer(buffer);
    }
    return found;
}

// Descriptor pages for at least `lists` more lists, one after the other at the end of the index, and at least as many
// as there are already, so that there are never many extents.
static void AddExtent(Relisting* relisting, uint32 lists) {
    Relation index = relisting->index;
    MetaPage* meta = &relisting->meta;
    if (meta->extent_count == kMostExtents)
        ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                        errmsg("index \"%s\" has no room for more lists", RelationGetRelationName(index)),
                        errhint("REINDEX it.")));
    uint32 pages = (lists + kDescriptorsPerPage - 1) / kDescriptorsPerPage;
    pages = std::max(pages, DescriptorSlots(*meta) / kDescriptorsPerPage);
    DescriptorExtent extent{InvalidBlockNumber, pages};
    const bool lock = !RELATION_IS_LOCAL(index);
    if (lock) LockRelationForExtension(index, ExclusiveLock);
    for (uint32 i = 0; i < pages; i++) {
        Buffer buffer = ReadBuffer(index, P_NEW);
        LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
        if (i == 0) extent.first = BufferGetBlockNumber(buffer);
        DescriptorPage::Init(BufferGetPage(buffer));
        ReleaseNewPage(relisting->writer, buffer);
    }
    if (lock) UnlockRelationForExtension(index, ExclusiveLock);
    ANNEX_STOP_POINT("relist-extent-written");

    ChangeMeta(index, [&](MetaPage* to) { to->extents[to->extent_count++] = extent; });
    meta->extents[meta->extent_count++] = extent;
}

static void ChooseSlots(Relisting* relisting) {
    auto* numbers = static_cast<uint32*>(palloc(relisting->lists * sizeof(uint32)));
    uint32 found = UnusedSlots(*relisting, numbers);
    if (found < relisting->lists) {
        AddExtent(relisting, relisting->lists - found);
        found = UnusedSlots(*relisting, numbers);
    }
    if (found < relisting->lists)
        elog(ERROR, "index \"%s\" has too few descriptors", RelationGetRelationName(relisting->index));
    for (uint32 list = 0; list < relisting->lists; list++)
        relisting->ids[list] = ListAt(relisting->meta, numbers[list]);
    pfree(numbers);
}

// A root for `generation`, with the entries of the new lists.
static ListDescriptor WriteRoot(Relisting* relisting, uint64 generation) {
    ListDescriptor root{};
    root.state = ListState::kUsed;
    root.level = 1;
    root.generation = generation;
    auto* entry = static_cast<uint8*>(palloc0(relisting->writer.sketches.entry_bytes()));
    ListWriter writer(relisting->writer);
    writer.Begin(kRootList, &root);
    for (uint32 list = 0; list < relisting->lists; list++) {
        const HeapTid target = ListTarget(relisting->ids[list]);
        Guard([&] { relisting->builder->EncodeCentroidEntry(list, target, relisting->made[list].centroid, entry); });
        writer.Add(entry);
    }
    writer.Finish();
    pfree(entry);
    return root;
}

static void WriteCentroidRows(Relisting* relisting) {
    const ListBuilder* builder = relisting->builder;
    RowWriter rows(relisting->writer, RowOwner::kCentroids);
    for (uint32 list = 0; list < relisting->lists; list++)
        relisting->made[list].centroid =
            rows.Add(ListTarget(relisting->ids[list]), RowFactors{builder->centroid_scale(list), 0}, nullptr,
                     reinterpret_cast<const uint8*>(builder->centroid_codes(list)));
    rows.Finish();
}

// Descriptors of the new lists, in one record a page. ids[] ascend.
static void WriteNewDescriptors(Relisting* relisting) {
    for (uint32 list = 0; list < relisting->lists;) {
        ANNEX_VACUUM_DELAY_POINT();
        const BlockNumber block = relisting->ids[list].block;
        Buffer buffer = ReadBuffer(relisting->index, block);
        LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
        GenericXLogState* state = GenericXLogStart(relisting->index);
        const DescriptorPage page = DescriptorPage::At(GenericXLogRegisterBuffer(state, buffer, 0));
        for (; list < relisting->lists && relisting->ids[list].block == block; list++) {
            const uint16 slot = relisting->ids[list].slot;
            for (; page.header->count <= slot; page.header->count++)
                page.descriptors()[page.header->count] = ListDescriptor{};
            page.descriptors()[slot] = relisting->made[list];
        }
        page.SetLower();
        GenericXLogFinish(state);
        UnlockReleaseBuffer(buffer);
    }
}

// All living lists are to die.
static void CondemnLists(const Relisting& relisting) {
    for (uint32 first = 0; first < DescriptorSlots(relisting.meta); first += kDescriptorsPerPage) {
        ANNEX_VACUUM_DELAY_POINT();
        const BlockNumber block = ListAt(relisting.meta, first).block;
        Buffer buffer = ReadBuffer(relisting.index, block);
        LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
        GenericXLogState* state = GenericXLogStart(relisting.index);
        const DescriptorPage page = DescriptorPage::At(GenericXLogRegisterBuffer(state, buffer, 0));
        for (uint16 slot = 0; slot < page.header->count; slot++)
            if (page.descriptors()[slot].LivesAt(relisting.meta.generation))
                page.descriptors()[slot].died = relisting.pending;
        GenericXLogFinish(state);
        UnlockReleaseBuffer(buffer);
    }
}

// ---- Changes of the meta page ----

// A generation for the lists that inserts serve, and one more, which scans will use.
static void TakeGenerations(Relisting* relisting) {
    ChangeMeta(relisting->index, [&](MetaPage* meta) {
        relisting->pending = std::max(meta->generation, meta->newest) + 1;
        meta->newest = relisting->pending + 1;
        meta->leftovers = 1;
    });
}

static void Announce(const Relisting& relisting, const ListDescriptor& root) {
    ChangeMeta(relisting.index, [&](MetaPage* meta) {
        meta->pending = relisting.pending;
        meta->pending_root = root;
        meta->pending_lists = relisting.lists;
        meta->pending_spill = relisting.spill ? 1 : 0;
    });
}

static void Switch(const Relisting& relisting, const ListDescriptor& root, double rows) {
    ChangeMeta(relisting.index, [&](MetaPage* meta) {
        meta->generation = relisting.pending + 1;
        meta->root = root;
        meta->lists = relisting.lists;
        meta->wanted_lists = relisting.wanted;
        meta->spill = relisting.spill ? 1 : 0;
        meta->list_option = static_cast<uint32>(ListsOption(relisting.index));
        meta->pending = 0;
        meta->attempts = meta->put_off = 0;
        meta->listed_rows = rows;
        meta->listed_imbalance = meta->listed_residual = 0;
    });
}

// ---- Copying ----

static int MemoryForSort() {
    return std::max(MemoryForMaintenance() * 3 / 4, 64);
}

bool SortIsAllowed(const MetaPage& meta, double rows, SpillOption spill, double* kilobytes) {
    // Beside the entry a tuple has a header, list, place and lengths; in memory a sort's own part as well.
    constexpr Size kTuple = 48;
    constexpr Size kTupleInMemory = 96;
    const bool two = spill == kSpillOn || (spill == kSpillAuto && meta.spill != 0);
    const double tuples = rows * (two ? 2 : 1);
    *kilobytes = std::ceil(tuples * static_cast<double>(SketchLayoutOf(meta).entry_bytes() + kTuple) / 1024);
    return temp_file_limit < 0 || *kilobytes <= temp_file_limit ||
           tuples * static_cast<double>(SketchLayoutOf(meta).entry_bytes() + kTupleInMemory) / 1024 <= MemoryForSort();
}

// Sort tuples are (list, place, entry).
static void BeginCopy(Relisting* relisting) {
    TupleDesc desc = CreateTemplateTupleDesc(3);
    TupleDescInitEntry(desc, 1, "list", INT4OID, -1, 0);
    TupleDescInitEntry(desc, 2, "place", INT8OID, -1, 0);
    TupleDescInitEntry(desc, 3, "entry", BYTEAOID, -1, 0);
    AttrNumber keys[] = {1, 2};
    Oid operators[] = {Int4LessOperator, Int8LessOperator};
    Oid collations[] = {InvalidOid, InvalidOid};
    bool nulls_first[] = {false, false};
    relisting->sort = tuplesort_begin_heap(desc, 2, keys, operators, collations, nulls_first, MemoryForSort(), nullptr,
                                           TUPLESORT_NONE);
    relisting->slot = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
    relisting->record = static_cast<bytea*>(palloc(VARHDRSZ + relisting->writer.sketches.entry_bytes()));
}

static void PutEntry(Relisting* relisting, uint32 list, const uint8* entry) {
    const Size bytes = relisting->writer.sketches.entry_bytes();
    Place place;
    memcpy(&place, entry + CodeBytes(relisting->meta.padded) + offsetof(SketchTrailer, place), sizeof place);
    memcpy(VARDATA(relisting->record), entry, bytes);
    SET_VARSIZE(relisting->record, VARHDRSZ + bytes);
    TupleTableSlot* slot = relisting->slot;
    ExecClearTuple(slot);
    slot->tts_values[0] = Int32GetDatum(static_cast<int32>(list));
    slot->tts_values[1] = Int64GetDatum(static_cast<int64>(place));
    slot->tts_values[2] = PointerGetDatum(relisting->record);
    memset(slot->tts_isnull, 0, 3 * sizeof(bool));
    ExecStoreVirtualTuple(slot);
    tuplesort_puttupleslot(relisting->sort, slot);
}

static void EncodeBatch(Relisting* relisting) {
    ListBuilder* builder = relisting->builder;
    const Size bytes = relisting->writer.sketches.entry_bytes();
    ANNEX_VACUUM_DELAY_POINT();
    Size rows = 0;
    Guard([&] { rows = builder->EncodeBatch(); });
    for (Size i = 0; i < rows; i++) {
        const Assignment assignment = builder->assignment(i);
        const uint8* entries = builder->record(i).data();
        PutEntry(relisting, assignment.primary, entries);
        if (relisting->spill && assignment.secondary != kNoList)
            PutEntry(relisting, assignment.secondary, entries + bytes);
        builder->CountRow(assignment.primary, builder->squared_residual(i));
    }
}

// Assigns every row that inserts do not bring themselves; returns how many there were.
static double AssignRows(Relisting* relisting) {
    ListBuilder* builder = relisting->builder;
    // Row pages that are added from now on hold nothing else.
    const BlockNumber blocks = RelationGetNumberOfBlocks(relisting->index);
    double rows = 0;
    for (BlockNumber block = relisting->meta.rows; block < blocks; block++) {
        ANNEX_VACUUM_DELAY_POINT();
        ForEachRow(relisting, block, [&](Place place, HeapTid tid, const uint8* values, const float* y) {
            bool full = false;
            Guard([&] {
                builder->AddTransformedRow(y, tid, place, values);
                full = builder->BatchFull();
            });
            rows++;
            if (full) EncodeBatch(relisting);
        });
    }
    EncodeBatch(relisting);
    tuplesort_performsort(relisting->sort);
    return rows;
}

// Puts the pages that were written for a list in front of those that inserts have added.
static void LinkPages(Relisting* relisting, uint32 list) {
    Relation index = relisting->index;
    const ListId id = relisting->ids[list];
    const ListDescriptor& written = relisting->made[list];
    Buffer descriptor_buffer = ReadBuffer(index, id.block);
    LockBuffer(descriptor_buffer, BUFFER_LOCK_EXCLUSIVE);
    GenericXLogState* state = GenericXLogStart(index);
    Page descriptor_page = GenericXLogRegisterBuffer(state, descriptor_buffer, 0);
    ListDescriptor* descriptor = DescriptorPage::At(descriptor_page).descriptors() + id.slot;
    descriptor->rho = relisting->builder->Rho(list);
    Buffer last_buffer = InvalidBuffer;
    if (written.first != InvalidBlockNumber) {
        if (descriptor->first != InvalidBlockNumber) {
            last_buffer = ReadBuffer(index, written.last);
            LockBuffer(last_buffer, BUFFER_LOCK_EXCLUSIVE);
            OpaqueOf(GenericXLogRegisterBuffer(state, last_buffer, 0))->next = descriptor->first;
        } else {
            descriptor->last = written.last;
        }
        descriptor->first = written.first;
        descriptor->insert = written.last;
        descriptor->contiguous = written.contiguous;
        descriptor->pages += written.pages;
        descriptor->entries += written.entries;
    }
    GenericXLogFinish(state);
    if (BufferIsValid(last_buffer)) UnlockReleaseBuffer(last_buffer);
    UnlockReleaseBuffer(descriptor_buffer);
}

static void WriteLists(Relisting* relisting) {
    ListWriter writer(relisting->writer);
    uint32 next = 0;  // the first list that is not linked
    bool open = false;
    const auto link_until = [&](uint32 end) {
        if (open) writer.Finish();
        open = false;
        for (; next < end; next++) {
            ANNEX_VACUUM_DELAY_POINT();
            LinkPages(relisting, next);
        }
    };
    while (tuplesort_gettupleslot(relisting->sort, true, false, relisting->slot, nullptr)) {
        slot_getallattrs(relisting->slot);
        const auto list = static_cast<uint32>(DatumGetInt32(relisting->slot->tts_values[0]));
        if (!open || list != next) {
            link_until(list);
            writer.Begin(relisting->ids[list], &relisting->made[list]);
            next = list;
            open = true;
        }
        writer.Add(reinterpret_cast<const uint8*>(VARDATA_ANY(DatumGetPointer(relisting->slot->tts_values[2]))));
    }
    if (open) {
        writer.Finish();
        open = false;
    }
    link_until(relisting->lists);
    tuplesort_end(relisting->sort);
    ExecDropSingleTupleTableSlot(relisting->slot);
}

// Now that the spread of each list is known, its centroid's row says it.
static void WriteSpreads(Relisting* relisting) {
    const RowLayout& layout = relisting->layout;
    for (uint32 list = 0; list < relisting->lists;) {
        ANNEX_VACUUM_DELAY_POINT();
        const BlockNumber block = layout.Block(relisting->made[list].centroid);
        Buffer buffer = ReadBuffer(relisting->index, block);
        LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
        GenericXLogState* state = GenericXLogStart(relisting->index);
        const RowPage page = RowPage::At(GenericXLogRegisterBuffer(state, buffer, 0));
        for (; list < relisting->lists && layout.Block(relisting->made[list].centroid) == block; list++)
            page.row(layout, layout.Slot(relisting->made[list].centroid))->factors.error =
                relisting->builder->Rho(list);
        GenericXLogFinish(state);
        UnlockReleaseBuffer(buffer);
    }
}

// ---- All of it ----

static Relisting BeginRelisting(Relation index, uint32 lists, int threads, BufferAccessStrategy strategy) {
    MetaPage meta;
    ReadMeta(index, &meta);
    Relisting relisting{.index = index,
                        .meta = meta,
                        .layout = RowLayoutOf(meta),
                        .builder = nullptr,
                        .writer = WriterOf(index, MAIN_FORKNUM, meta, true),
                        .strategy = strategy,
                        .pending = 0,
                        .lists = lists,
                        .spill = false,
                        .ids = nullptr,
                        .made = nullptr,
                        .sort = nullptr,
                        .slot = nullptr,
                        .record = nullptr,
                        .page = static_cast<Page>(palloc(BLCKSZ)),
                        .tail_page = static_cast<Page>(palloc(BLCKSZ)),
                        .y = static_cast<float*>(palloc(meta.padded * sizeof(float))),
                        .codes = static_cast<int8*>(palloc(meta.padded))};
    relisting.builder = *NewBuilder(index, meta.metric, static_cast<int>(meta.dimensions), threads);
    auto* mean = static_cast<float*>(palloc(meta.dimensions * sizeof(float)));
    ReadMean(index, meta, mean);
    Guard([&] { relisting.builder->SetMean(mean); });
    pfree(mean);
    return relisting;
}

static void AllocateLists(Relisting* relisting) {
    relisting->ids =
        static_cast<ListId*>(MemoryContextAllocHuge(CurrentMemoryContext, relisting->lists * sizeof(ListId)));
    relisting->made = static_cast<ListDescriptor*>(MemoryContextAllocExtended(
        CurrentMemoryContext, relisting->lists * sizeof(ListDescriptor), MCXT_ALLOC_ZERO | MCXT_ALLOC_HUGE));
    for (uint32 list = 0; list < relisting->lists; list++) {
        ListDescriptor* descriptor = &relisting->made[list];
        descriptor->state = ListState::kUsed;
        descriptor->generation = relisting->pending;
        descriptor->first = descriptor->last = descriptor->insert = InvalidBlockNumber;
    }
}

void Relist(Relation index, uint32 lists, double rows, int threads, BufferAccessStrategy strategy) {
    MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "ivf relist", ALLOCSET_DEFAULT_SIZES);
    MemoryContext old_context = MemoryContextSwitchTo(context);
    Relisting relisting = BeginRelisting(index, lists, threads, strategy);

    const Size wanted = relisting.lists * TrainingOf(index, relisting.lists).sample_rows_per_list;
    const Size capacity = std::min(wanted, SampleThatFits(relisting.lists, relisting.meta.padded));
    TakeSample(&relisting, relisting.lists > 1 ? capacity : 0, rows);
    Train(&relisting, SpillOptionOf(index));

    TakeGenerations(&relisting);
    ANNEX_STOP_POINT("relist-generations-taken");
    AllocateLists(&relisting);
    ChooseSlots(&relisting);
    WriteCentroidRows(&relisting);
    ANNEX_STOP_POINT("relist-centroids-written");
    const ListDescriptor pending_root = WriteRoot(&relisting, relisting.pending);
    WriteNewDescriptors(&relisting);
    ANNEX_STOP_POINT("relist-descriptors-written");
    CondemnLists(relisting);
    ANNEX_STOP_POINT("relist-before-announcement");
    Announce(relisting, pending_root);
    ANNEX_STOP_POINT("relist-announced");

    BeginCopy(&relisting);
    const double copied = AssignRows(&relisting);
    WriteLists(&relisting);
    ANNEX_STOP_POINT("relist-lists-linked");
    WriteSpreads(&relisting);
    const ListDescriptor root = WriteRoot(&relisting, relisting.pending + 1);
    ANNEX_STOP_POINT("relist-before-switch");
    Switch(relisting, root, copied);
    ANNEX_STOP_POINT("relist-switched");
    MemoryContextSwitchTo(old_context);
    MemoryContextDelete(context);
}

}  // namespace annex::pg::ivf

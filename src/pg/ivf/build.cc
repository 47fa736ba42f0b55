// ambuild: sample the table, train the lists, assign and encode every row, sort by list, write.
//
// Two external sorts share maintenance_work_mem with the training's result: the first brings the refinement rows into
// the order of their primary lists, so that they can be written and get their places; the second brings the entries,
// which name these places, into the order of all lists.
#include "pg/ivf/build.h"

extern "C" {
#include "access/xloginsert.h"
#include "catalog/index.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "commands/progress.h"
#include "executor/tuptable.h"
#include "optimizer/optimizer.h"
#include "pgstat.h"
#include "utils/tuplesort.h"
}

#include <unistd.h>

#include "pg/guard.h"
#include "pg/index/opclass.h"
#include "pg/index/stop_point.h"
#include "pg/ivf/ivf.h"
#include "pg/ivf/maintain.h"
#include "pg/ivf/writer.h"

namespace annex::pg::ivf {

static constexpr uint64 kSeed = 0x616e6e6578ULL;  // any constant: builds of the same data are the same

// What the assigning scan and the writer share.
struct Build {
    Relation heap;
    Relation index;
    IndexInfo* index_info;
    int dimensions;
    ListBuilder* builder;
    MetaPage meta;
    Writer writer;
    MemoryContext tuple_context;  // reset for each heap tuple
    Tuplesortstate* row_sort;
    Tuplesortstate* entry_sort;
    TupleTableSlot* row_slot;
    TupleTableSlot* entry_slot;
    bytea* record;  // scratch for what is sorted
    double heap_tuples;
    double index_tuples;
    int64 assigned;
};

// ---- The engine's object, tied to a memory context ----

extern "C" {
static void DeleteBuilder(void* arg) noexcept {
    auto** builder = static_cast<ListBuilder**>(arg);
    delete *builder;
    *builder = nullptr;
    StopThreads();
}
}

ListBuilder** NewBuilder(Metric metric, int dimensions, int threads) {
    auto** holder = static_cast<ListBuilder**>(palloc0(sizeof(ListBuilder*)));
    auto* callback = static_cast<MemoryContextCallback*>(palloc0(sizeof(MemoryContextCallback)));
    callback->func = DeleteBuilder;
    callback->arg = holder;
    MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
    Guard([&] {
        if (threads > 1) StartThreads(threads);
        *holder = new ListBuilder(metric, static_cast<size_t>(dimensions), kSeed, threads);
    });
    return holder;
}

// Tables of fewer blocks are built sooner than threads have started.
static constexpr BlockNumber kFewBlocks = 1000;

int BuildThreads(Relation heap) {
    if (RelationGetNumberOfBlocks(heap) < kFewBlocks) return 1;
    const long processors = sysconf(_SC_NPROCESSORS_ONLN);
    const int wanted = max_parallel_maintenance_workers + 1;
    return processors > 0 && processors < wanted ? static_cast<int>(processors) : wanted;
}

// ---- Training ----

static void Train(Build* build, uint32 lists, bool decide_spill, bool spill) {
    pgstat_progress_update_param(PROGRESS_CREATEIDX_SUBPHASE, kPhaseTraining);
    ListBuilder* builder = build->builder;
    Guard([&] { builder->BeginTraining(lists); });
    bool more = true;
    while (more) {
        CHECK_FOR_INTERRUPTS();
        Guard([&] { more = builder->TrainStep(); });
    }
    more = decide_spill;
    while (more) {
        CHECK_FOR_INTERRUPTS();
        Guard([&] { more = builder->TrialStep(); });
    }
    Guard([&] { builder->FinishTraining(decide_spill ? builder->SpillPays() : spill); });
}

// ---- Sorting ----

// Sort tuples are (list, position, bytes): position makes the order, and so the index, independent of the sort's whims.
static TupleDesc SortTupleDesc() {
    TupleDesc desc = CreateTemplateTupleDesc(3);
    TupleDescInitEntry(desc, 1, "list", INT4OID, -1, 0);
    TupleDescInitEntry(desc, 2, "position", INT8OID, -1, 0);
    TupleDescInitEntry(desc, 3, "bytes", BYTEAOID, -1, 0);
    return desc;
}

static Tuplesortstate* BeginSort(TupleDesc desc, int kilobytes) {
    AttrNumber keys[] = {1, 2};
    Oid operators[] = {Int4LessOperator, Int8LessOperator};
    Oid collations[] = {InvalidOid, InvalidOid};
    bool nulls_first[] = {false, false};
    return tuplesort_begin_heap(desc, 2, keys, operators, collations, nulls_first, kilobytes, nullptr, TUPLESORT_NONE);
}

static void PutSorted(Tuplesortstate* sort, TupleTableSlot* slot, uint32 list, int64 position, bytea* bytes) {
    ExecClearTuple(slot);
    slot->tts_values[0] = Int32GetDatum(static_cast<int32>(list));
    slot->tts_values[1] = Int64GetDatum(position);
    slot->tts_values[2] = PointerGetDatum(bytes);
    memset(slot->tts_isnull, 0, 3 * sizeof(bool));
    ExecStoreVirtualTuple(slot);
    tuplesort_puttupleslot(sort, slot);
}

static bool GetSorted(Tuplesortstate* sort, TupleTableSlot* slot, uint32* list, int64* position, const uint8** bytes) {
    if (!tuplesort_gettupleslot(sort, true, false, slot, nullptr)) return false;
    slot_getallattrs(slot);
    *list = static_cast<uint32>(DatumGetInt32(slot->tts_values[0]));
    *position = DatumGetInt64(slot->tts_values[1]);
    *bytes = reinterpret_cast<const uint8*>(VARDATA_ANY(DatumGetPointer(slot->tts_values[2])));
    return true;
}

static int64 Position(HeapTid tid) {
    return (static_cast<int64>(tid.block_high) << 16 | tid.block_low) << 16 | tid.offset;
}

// ---- Assigning ----

// The first sort's records: secondary list (4) | heap TID (6) | padding (2) | what ListBuilder encoded.
static constexpr Size kRecordHead = 12;

static void PutEncoded(Build* build, size_t rows) {
    ListBuilder& builder = *build->builder;
    auto* out = reinterpret_cast<uint8*>(VARDATA(build->record));
    for (size_t i = 0; i < rows; i++) {
        const Assignment assignment = builder.assignment(i);
        builder.CountRow(assignment.primary, builder.squared_residual(i));
        const HeapTid tid = builder.heap_tid(i);
        memcpy(out, &assignment.secondary, sizeof assignment.secondary);
        memcpy(out + 4, &tid, sizeof tid);
        memset(out + 10, 0, 2);
        memcpy(out + kRecordHead, builder.record(i).data(), builder.record_bytes());
        SET_VARSIZE(build->record, VARHDRSZ + kRecordHead + builder.record_bytes());
        PutSorted(build->row_sort, build->row_slot, assignment.primary, Position(tid), build->record);
    }
    build->assigned += static_cast<int64>(rows);
    pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_DONE, build->assigned);
}

static void EncodeBatch(Build* build) {
    CHECK_FOR_INTERRUPTS();
    size_t rows = 0;
    Guard([&] { rows = build->builder->EncodeBatch(); });
    PutEncoded(build, rows);
}

// A row without codes sorts after all lists.
static void PutSide(Build* build, SideChain chain, HeapTid tid) {
    memcpy(VARDATA(build->record), &tid, sizeof tid);
    SET_VARSIZE(build->record, VARHDRSZ + sizeof tid);
    PutSorted(build->row_sort, build->row_slot, build->meta.lists + static_cast<uint32>(chain), Position(tid),
              build->record);
}

extern "C" {
static void AssignTuple(Relation, ItemPointer heap_tid, Datum* values, bool* isnull, bool, void* arg) noexcept {
    auto* build = static_cast<Build*>(arg);
    const HeapTid tid = FromItemPointer(*heap_tid);
    build->index_tuples += 1;
    if (isnull[0]) {
        PutSide(build, SideChain::kNull, tid);
        return;
    }
    MemoryContext old_context = MemoryContextSwitchTo(build->tuple_context);
    const float* x = IndexedFloats(values[0], build->dimensions);
    RowClass row_class = RowClass::kNormal;
    bool full = false;
    Guard([&] {
        row_class = build->builder->AddRow(x, tid);
        full = build->builder->BatchFull();
    });
    MemoryContextSwitchTo(old_context);
    MemoryContextReset(build->tuple_context);

    if (row_class != RowClass::kNormal)
        PutSide(build, row_class == RowClass::kNaN ? SideChain::kNaN : SideChain::kFirst, tid);
    if (full) EncodeBatch(build);
}
}

static void AssignRows(Build* build, double rows) {
    pgstat_progress_update_param(PROGRESS_CREATEIDX_SUBPHASE, kPhaseAssigning);
    pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_TOTAL, static_cast<int64>(rows));
    build->heap_tuples =
        table_index_build_scan(build->heap, build->index, build->index_info, true, true, AssignTuple, build, nullptr);
    EncodeBatch(build);
    pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_TOTAL, build->assigned);
    pgstat_progress_update_param(PROGRESS_CREATEIDX_SUBPHASE, kPhaseSorting);
    tuplesort_performsort(build->row_sort);
}

// ---- Writing ----

static void PutEntry(Build* build, uint32 list, Place place, const uint8* entry) {
    const Size bytes = EntryBytes(build->meta.padded);
    auto* out = reinterpret_cast<uint8*>(VARDATA(build->record));
    memcpy(out, entry, bytes);
    memcpy(out + CodeBytes(build->meta.padded) + offsetof(SketchTrailer, place), &place, sizeof place);
    SET_VARSIZE(build->record, VARHDRSZ + bytes);
    PutSorted(build->entry_sort, build->entry_slot, list, place, build->record);
}

// Rows in the order of their primary lists; their entries, now that they have places, go to the second sort.
static void WriteRowsAndSides(Build* build) {
    pgstat_progress_update_param(PROGRESS_CREATEIDX_SUBPHASE, kPhaseWritingRows);
    const uint32 padded = build->meta.padded;
    RowWriter rows(build->writer, RowOwner::kHeap);
    SideWriter side{build->writer, SideChain::kFirst, nullptr, InvalidBuffer};
    uint32 list;
    int64 position;
    int64 done = 0;
    const uint8* bytes;
    while (GetSorted(build->row_sort, build->row_slot, &list, &position, &bytes)) {
        if (list >= build->meta.lists) {
            const auto chain = static_cast<SideChain>(list - build->meta.lists);
            HeapTid tid;
            memcpy(&tid, bytes, sizeof tid);
            if (side.chain != chain) side.Finish();
            side.chain = chain;
            side.ends = &build->meta.side[static_cast<int>(chain)];
            side.Add(tid);
            continue;
        }
        uint32 secondary;
        HeapTid tid;
        RowFactors factors;
        memcpy(&secondary, bytes, sizeof secondary);
        memcpy(&tid, bytes + 4, sizeof tid);
        memcpy(&factors, bytes + kRecordHead, sizeof factors);
        const uint8* codes = bytes + kRecordHead + sizeof factors;
        const Place place = rows.Add(tid, factors, codes);
        PutEntry(build, list, place, codes + padded);
        if (secondary != kNoList) PutEntry(build, secondary, place, codes + padded + EntryBytes(padded));
        if (++done % 1024 == 0) pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_DONE, done);
    }
    if (BufferIsValid(rows.buffer)) build->meta.row_insert = BufferGetBlockNumber(rows.buffer);
    rows.Finish();
    side.Finish();
    pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_DONE, done);
    tuplesort_end(build->row_sort);
}

static void WriteLists(Build* build, ListDescriptor* descriptors) {
    pgstat_progress_update_param(PROGRESS_CREATEIDX_SUBPHASE, kPhaseWritingLists);
    tuplesort_performsort(build->entry_sort);
    ListWriter writer(build->writer);
    uint32 current = kNoList;
    uint32 list;
    int64 position;
    const uint8* entry;
    while (GetSorted(build->entry_sort, build->entry_slot, &list, &position, &entry)) {
        if (list != current) {
            if (current != kNoList) writer.Finish();
            writer.Begin(ListAt(build->meta, list), &descriptors[list]);
            current = list;
        }
        writer.Add(entry);
    }
    if (current != kNoList) writer.Finish();
    tuplesort_end(build->entry_sort);
}

// The root: a refinement row and an entry for each centroid, whose errors are the lists' rho.
static void WriteCentroids(Build* build, ListDescriptor* descriptors) {
    const ListBuilder* builder = build->builder;
    auto* entry = static_cast<uint8*>(palloc(EntryBytes(build->meta.padded)));
    RowWriter rows(build->writer, RowOwner::kCentroids);
    for (uint32 list = 0; list < build->meta.lists; list++) {
        const HeapTid target = ListTarget(ListAt(build->meta, list));
        descriptors[list].rho = builder->Rho(list);
        descriptors[list].centroid = rows.Add(target, RowFactors{builder->centroid_scale(list), descriptors[list].rho},
                                              reinterpret_cast<const uint8*>(builder->centroid_codes(list)));
    }
    rows.Finish();

    ListWriter root(build->writer);
    root.Begin(kRootList, &build->meta.root);
    for (uint32 list = 0; list < build->meta.lists; list++) {
        const HeapTid target = ListTarget(ListAt(build->meta, list));
        Guard([&] { builder->EncodeCentroidEntry(list, target, descriptors[list].centroid, entry); });
        root.Add(entry);
    }
    root.Finish();
}

static ListDescriptor* NewDescriptors(Build* build) {
    auto* descriptors = static_cast<ListDescriptor*>(MemoryContextAllocExtended(
        CurrentMemoryContext, build->meta.lists * sizeof(ListDescriptor), MCXT_ALLOC_ZERO | MCXT_ALLOC_HUGE));
    for (uint32 list = 0; list < build->meta.lists; list++) {
        descriptors[list].state = ListState::kUsed;
        descriptors[list].generation = build->meta.generation;
        descriptors[list].first = descriptors[list].last = descriptors[list].insert = InvalidBlockNumber;
    }
    return descriptors;
}

// Everything but the meta page's place is known only at the end, so block 0 is reserved first and filled last.
static void WriteHead(Build* build) {
    ReleaseNewPage(build->writer, AppendPage(build->writer));
    const float* mean = build->builder->space().mean().data();
    build->meta.mean = WriteMean(build->writer, mean, build->meta.dimensions);
    build->meta.extent_count = 1;
    build->meta.extents[0] = ReserveDescriptors(build->writer, build->meta.lists);
    build->meta.rows = build->meta.extents[0].first + build->meta.extents[0].pages;
}

static void WriteMetaPage(Build* build) {
    Buffer buffer = ReopenPage(build->writer, 0);
    Page page = BufferGetPage(buffer);
    InitPage(page, PageKind::kMeta);
    *MetaOf(page) = build->meta;
    ReleaseNewPage(build->writer, buffer);
}

static void InitMeta(Build* build, const OpclassInfo& info) {
    MetaPage* meta = &build->meta;
    meta->magic = kMagic;
    meta->version = kFormatVersion;
    meta->dimensions = static_cast<uint32>(build->dimensions);
    meta->padded = static_cast<uint32>(PaddedDimensions(meta->dimensions));
    meta->metric = info.metric;
    meta->element_type = static_cast<uint8>(info.element);
    meta->height = 1;
    meta->lists = 1;
    meta->seed = kSeed;
    meta->list_option = static_cast<uint32>(ListsOption(build->index));
    meta->generation = meta->newest = meta->switched_to = 1;
    meta->root.state = ListState::kUsed;
    meta->root.level = 1;
    meta->root.generation = meta->generation;
    meta->row_insert = InvalidBlockNumber;
    for (ChainEnds& chain : meta->side) chain = {InvalidBlockNumber, InvalidBlockNumber, InvalidBlockNumber};
}

static Build BeginBuild(Relation heap, Relation index, IndexInfo* index_info, ForkNumber fork) {
    const OpclassInfo& info = OpclassOf(index);
    Build build{};
    build.heap = heap;
    build.index = index;
    build.index_info = index_info;
    build.dimensions = IndexDimensions(index, kMaxDimensions);
    InitMeta(&build, info);
    build.writer = Writer{index, fork, build.meta.padded, false};
    return build;
}

static void LogPages(const Build& build, ForkNumber fork) {
    if (!RelationNeedsWAL(build.index) && fork != INIT_FORKNUM) return;
    pgstat_progress_update_param(PROGRESS_CREATEIDX_SUBPHASE, kPhaseLogging);
    ANNEX_STOP_POINT("build-written");
    log_newpage_range(build.index, fork, 0, RelationGetNumberOfBlocksInFork(build.index, fork), true);
}

// One list around the origin and no rows.
static void BuildEmpty(Relation index, ForkNumber fork) {
    Build build = BeginBuild(nullptr, index, nullptr, fork);
    ListBuilder** holder = NewBuilder(build.meta.metric, build.dimensions, 1);
    build.builder = *holder;
    Guard([&] {
        build.builder->FinishMean();
        build.builder->BeginSample(0);
    });
    Train(&build, 1, false, false);
    build.meta.spill = SpillOptionOf(index) == kSpillOn ? 1 : 0;
    ListDescriptor* descriptors = NewDescriptors(&build);
    WriteHead(&build);
    WriteCentroids(&build, descriptors);
    WriteDescriptors(build.writer, build.meta.extents[0], descriptors, build.meta.lists);
    WriteMetaPage(&build);
    LogPages(build, fork);
    DeleteBuilder(holder);
}

static void BuildFromHeap(Build* build) {
    ListBuilder** holder = NewBuilder(build->meta.metric, build->dimensions, BuildThreads(build->heap));
    build->builder = *holder;

    pgstat_progress_update_param(PROGRESS_CREATEIDX_SUBPHASE, kPhaseSampling);
    const SamplePlan plan = SampleHeap(build->heap, build->index, build->index_info, build->builder, build->dimensions);
    build->meta.lists = plan.lists;
    build->meta.build_sample = static_cast<uint32>(build->builder->sample_size());
    ANNEX_STOP_POINT("build-sampled");
    // For inner product second copies always pay: its neighbours are not those that training knows.
    SpillOption spill = SpillOptionOf(build->index);
    if (spill == kSpillAuto && build->meta.metric == Metric::kInnerProduct) spill = kSpillOn;
    Train(build, plan.lists, spill == kSpillAuto && plan.lists > 1, spill == kSpillOn);
    build->meta.spill = build->builder->spill() ? 1 : 0;
    ANNEX_STOP_POINT("build-trained");

    // What is left of the memory is for the sorts, the larger part for the rows.
    const int64 lists_memory = static_cast<int64>(plan.lists) * build->meta.padded * 5 / 1024;
    const int64 sort_memory = maintenance_work_mem - lists_memory;
    const auto row_memory = static_cast<int>(sort_memory * 3 / 5 > 64 ? sort_memory * 3 / 5 : 64);
    const auto entry_memory = static_cast<int>(sort_memory * 2 / 5 > 64 ? sort_memory * 2 / 5 : 64);
    TupleDesc desc = SortTupleDesc();
    build->tuple_context = AllocSetContextCreate(CurrentMemoryContext, "ivf build tuple", ALLOCSET_DEFAULT_SIZES);
    build->row_slot = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
    build->entry_slot = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
    build->record = static_cast<bytea*>(palloc(VARHDRSZ + kRecordHead + build->builder->record_bytes()));
    build->row_sort = BeginSort(desc, row_memory);
    build->entry_sort = BeginSort(desc, entry_memory);

    AssignRows(build, plan.rows);
    ANNEX_STOP_POINT("build-assigned");
    ListDescriptor* descriptors = NewDescriptors(build);
    WriteHead(build);
    WriteCentroids(build, descriptors);
    DeleteBuilder(holder);
    build->builder = nullptr;

    WriteRowsAndSides(build);
    ANNEX_STOP_POINT("build-rows-written");
    WriteLists(build, descriptors);
    ANNEX_STOP_POINT("build-lists-written");
    WriteDescriptors(build->writer, build->meta.extents[0], descriptors, build->meta.lists);
    build->meta.build_rows = build->meta.listed_rows = build->index_tuples;
    WriteMetaPage(build);
    LogPages(*build, MAIN_FORKNUM);
    ANNEX_STOP_POINT("build-logged");
    ExecDropSingleTupleTableSlot(build->row_slot);
    ExecDropSingleTupleTableSlot(build->entry_slot);
    MemoryContextDelete(build->tuple_context);
}

}  // namespace annex::pg::ivf

extern "C" IndexBuildResult* ivfbuild(Relation heap, Relation index, IndexInfo* index_info) noexcept {
    using namespace annex::pg::ivf;
    if (RelationGetNumberOfBlocks(index) != 0)
        elog(ERROR, "index \"%s\" already contains data", RelationGetRelationName(index));

    // A context of its own, so that whatever ends the build frees the engine's memory as well.
    MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "ivf build", ALLOCSET_DEFAULT_SIZES);
    MemoryContext old_context = MemoryContextSwitchTo(context);
    Build build = BeginBuild(heap, index, index_info, MAIN_FORKNUM);
    BuildFromHeap(&build);
    NoteListing(index, GetAccessStrategy(BAS_BULKREAD));
    MemoryContextSwitchTo(old_context);
    MemoryContextDelete(context);

    auto* result = static_cast<IndexBuildResult*>(palloc(sizeof(IndexBuildResult)));
    result->heap_tuples = build.heap_tuples;
    result->index_tuples = build.index_tuples;
    return result;
}

extern "C" void ivfbuildempty(Relation index) noexcept {
    using namespace annex::pg::ivf;
    MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "ivf build", ALLOCSET_DEFAULT_SIZES);
    MemoryContext old_context = MemoryContextSwitchTo(context);
    BuildEmpty(index, INIT_FORKNUM);
    MemoryContextSwitchTo(old_context);
    MemoryContextDelete(context);
}

extern "C" char* ivfbuildphasename(int64 phase) noexcept {
    using namespace annex::pg::ivf;
    static const char* const names[] = {
        "initializing", "sampling the table", "training lists", "assigning rows to lists",
        "sorting rows", "writing rows",       "writing lists",  "writing WAL"};
    return phase >= 1 && phase <= static_cast<int64>(lengthof(names)) ? const_cast<char*>(names[phase - 1]) : nullptr;
}

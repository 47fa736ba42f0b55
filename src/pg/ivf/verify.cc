// annex_verify(index, heapallindexed): walks every page of an ivf index and checks everything that can be checked.
//
// 1. Chains, from the meta page: the mean, the descriptors, the root's list, every list, the side chains. Each page is
//    reached once; it names its list and generation; blocks go on where the page before cut them; ends, counts and the
//    contiguous run are as the descriptor says.
// 2. All other pages, from front to back: rows, their tail pages, pages of zeros. Nothing else may be left over. (Tail
//    pages that no row refers to are what an insert leaves that failed half-way, pages of zeros what an interrupted
//    extension leaves: both are fine.)
// 3. Rows against entries, heap TIDs against each other, and, if asked for, against the table (inventory.cc).
//
// Locks. Steps 1 to 3 compare pages with each other, so nobody may write: ShareLock on table and index, as
// bt_index_parent_check takes; inserts and vacuum wait, queries go on. During recovery no such lock can be had: under
// AccessShareLock each page is checked by itself, and heapallindexed still works, because rows that a snapshot sees
// stay on their pages.
//
// Memory: one byte a block, 64 bytes a list, and sorts within maintenance_work_mem.
#include "pg/ivf/verify.h"

#include <cmath>

extern "C" {
#include "access/htup_details.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_am_d.h"
#include "utils/snapmgr.h"
}

#include "annex/kernels.h"
#include "pg/function.h"
#include "pg/ivf/inspect.h"

namespace annex::pg::ivf {
namespace {

struct ListMarks {
    bool entry;  // the root has its centroid's entry
    bool row;    // there is its centroid's row
};

struct Verifier {
    Relation index;
    BlockNumber blocks;
    BlockNumber table_blocks;  // InvalidBlockNumber: TIDs of this table may be anything
    bool strict;               // pages are compared with each other
    bool with_tids;
    BufferAccessStrategy strategy;
    Page page;  // a copy of the page at hand

    MetaPage meta;
    RowLayout layout;
    Mark* marks;  // one a block
    ListDescriptor* lists;
    ListMarks* list_marks;
    uint32 list_slots;  // of descriptor pages, used or not

    Inventory inventory;
    uint64 rows;
    uint64 side_rows;
    BlockNumber lost_tails;

    void Read(BlockNumber block) { CopyPage(index, block, strategy, page); }
    [[noreturn]] void Report(BlockNumber block, const char* reason) { ReportCorrupted(index, block, reason); }

    // Each page by itself; `page` holds it.
    void CheckMetaPage();
    void CheckMeanPage(BlockNumber block, uint32* values);
    void CheckDescriptorPage(BlockNumber block);
    void CheckListPage(BlockNumber block);
    void CheckRowPage(BlockNumber block);
    void CheckTailPage(BlockNumber block);
    void CheckSidePage(BlockNumber block);
    void CheckAnyPage(BlockNumber block);

    // Chains.
    void Reach(BlockNumber from, BlockNumber block);
    void WalkMean();
    void WalkDescriptors();
    void WalkList(const ListDescriptor& list, ListId id);
    void WalkLists();
    void WalkSideChain(int chain);

    // The rest.
    void WalkOtherPages();
    void CheckLinks();

  private:
    void CheckUsed(BlockNumber block, LocationIndex stored);
    void CheckTid(BlockNumber block, HeapTid tid);
    void CheckDescriptor(BlockNumber block, const ListDescriptor& list);
    void CheckEntry(BlockNumber block, ListId list, const SketchTrailer& entry);
    void CheckCentroidEntry(BlockNumber block, const SketchTrailer& entry);
    void CheckCodes(BlockNumber block, const int8* codes, uint32 count);
    void CheckRow(BlockNumber block, const RowPage& rows_page, uint16 slot);
    void CheckCentroidRow(BlockNumber block, Place place, HeapTid target);
    void CheckTailLink(BlockNumber block, bool needed);
    // Number of a list, or list_slots if there is none of that address.
    [[nodiscard]] uint32 ListNumber(ListId id) const;
    [[nodiscard]] ListId IdOf(uint32 list) const {
        return {meta.descriptors + list / kDescriptorsPerPage, static_cast<uint16>(list % kDescriptorsPerPage)};
    }
};

bool IsFinite(float value) {
    return std::isfinite(value);
}

// ---- Each page by itself ----

// What is used of a page must end where its header says so, at least: WAL leaves out what follows. `stored` is what
// the header said before the view's SetLower() put there what it must say.
void Verifier::CheckUsed(BlockNumber block, LocationIndex stored) {
    const auto* header = reinterpret_cast<PageHeader>(page);
    if (stored < header->pd_lower || stored > header->pd_upper || header->pd_upper > header->pd_special)
        Report(block, "the page's header and its contents disagree about what is used of it");
}

LocationIndex LowerOf(Page page) {
    return reinterpret_cast<PageHeader>(page)->pd_lower;
}

void Verifier::CheckMetaPage() {
    Read(0);
    const LocationIndex lower = LowerOf(page);
    InitPage(page, PageKind::kMeta);
    CheckUsed(0, lower);
    Read(0);
    if (NextOf(page) != InvalidBlockNumber) Report(0, "the meta page links to another page");
    if (!std::isfinite(meta.build_rows) || meta.build_rows < 0)
        Report(0, "the number of rows at the build is impossible");
    CheckDescriptor(0, meta.root);
    if (meta.root.state != ListState::kLive || meta.root.level != 1) Report(0, "the root is no list of centroids");
    for (const auto& recalls : meta.calibration)
        for (const CalibrationEntry& entry : recalls)
            if (!IsFinite(entry.recall) || !IsFinite(entry.epsilon) || entry.epsilon < 0)
                Report(0, "the calibration is impossible");
}

void Verifier::CheckMeanPage(BlockNumber block, uint32* values) {
    const MeanPage mean = MeanPage::Open(index, block, page);
    const LocationIndex lower = LowerOf(page);
    mean.SetLower();
    CheckUsed(block, lower);
    for (uint32 i = 0; i < mean.header->count; i++)
        if (!IsFinite(mean.values()[i])) Report(block, "the mean is not finite");
    *values = mean.header->count;
}

void Verifier::CheckDescriptor(BlockNumber block, const ListDescriptor& list) {
    if (list.state != ListState::kUnused && list.state != ListState::kLive)
        Report(block, "the state of a list is unknown");
    if (list.state == ListState::kUnused) return;
    if (!IsFinite(list.rho) || list.rho < 0) Report(block, "the spread of a list is impossible");
    if ((list.first == InvalidBlockNumber) != (list.last == InvalidBlockNumber))
        Report(block, "a list has one end only");
    if (list.first == InvalidBlockNumber && list.contiguous != 0)
        Report(block, "a list without pages has a contiguous run");
}

void Verifier::CheckDescriptorPage(BlockNumber block) {
    const DescriptorPage descriptors = DescriptorPage::Open(index, block, page);
    const LocationIndex lower = LowerOf(page);
    descriptors.SetLower();
    CheckUsed(block, lower);
    for (uint16 i = 0; i < descriptors.header->count; i++) {
        const ListDescriptor& list = descriptors.descriptors()[i];
        CheckDescriptor(block, list);
        if (list.state == ListState::kLive && list.level != 0) Report(block, "a list has an impossible level");
    }
}

void Verifier::CheckTid(BlockNumber block, HeapTid tid) {
    if (table_blocks == InvalidBlockNumber) return;
    const ItemPointerData pointer = ToItemPointer(tid);
    if (ItemPointerGetBlockNumberNoCheck(&pointer) >= table_blocks || tid.offset > MaxHeapTuplesPerPage)
        Report(block, "a heap TID lies outside of the table");
}

void Verifier::CheckEntry(BlockNumber block, ListId list, const SketchTrailer& entry) {
    const float f_add = Bf16ToFloat(entry.factors.f_add);
    const float f_rescale = Bf16ToFloat(entry.factors.f_rescale);
    const float f_error = Bf16ToFloat(entry.factors.f_error);
    if (!IsFinite(f_add) || !IsFinite(f_rescale) || f_rescale > 0 || !IsFinite(f_error) || f_error < 0)
        Report(block, "the factors of a sketch are impossible");
    if (list == kRootList) {
        CheckCentroidEntry(block, entry);
        return;
    }
    CheckTid(block, entry.heap_tid);
    if (strict) NoteEntry(&inventory, entry.place, entry.heap_tid, ListNumber(list));
}

void Verifier::CheckCentroidEntry(BlockNumber block, const SketchTrailer& entry) {
    if (!strict) return;
    const uint32 list = ListNumber(TargetList(entry.heap_tid));
    if (list >= list_slots || lists[list].state != ListState::kLive)
        Report(block, "a centroid's entry refers to no list");
    if (list_marks[list].entry) Report(block, "a list's centroid has two entries");
    if (lists[list].centroid != entry.place) Report(block, "a centroid's entry and its list name different rows");
    list_marks[list].entry = true;
}

void Verifier::CheckListPage(BlockNumber block) {
    const uint32 padded = meta.padded;
    const ListPage list = ListPage::Open(index, block, page, padded);
    const LocationIndex lower = LowerOf(page);
    list.SetLower(padded);
    CheckUsed(block, lower);
    if (list.header->generation > meta.generation) Report(block, "the page's list is younger than the index");

    uint32 live = 0;
    list.ForEachTrailer(padded, [&](const BlockTrailer* trailer) {
        for (Size v = 0; v < kBlockSize; v++) {
            if (!trailer->heap_tid[v].valid()) continue;
            live++;
            CheckEntry(block, list.list(),
                       {{trailer->f_add[v], trailer->f_rescale[v], trailer->f_error[v]},
                        trailer->heap_tid[v],
                        trailer->place[v]});
        }
    });
    for (uint32 i = 0; i < list.header->entries; i++) {
        SketchTrailer entry;
        memcpy(&entry, list.entry(i, padded) + CodeBytes(padded), sizeof entry);
        if (!entry.heap_tid.valid()) continue;
        live++;
        CheckEntry(block, list.list(), entry);
    }
    if (live != list.header->live) Report(block, "the page's live entries are not as many as it says");
}

void Verifier::CheckCodes(BlockNumber block, const int8* codes, uint32 count) {
    if (memchr(codes, 0x80, count) != nullptr) Report(block, "a code of a row is out of range");
}

void Verifier::CheckCentroidRow(BlockNumber block, Place place, HeapTid target) {
    if (!strict) return;
    const uint32 list = ListNumber(TargetList(target));
    if (list >= list_slots || lists[list].state != ListState::kLive || lists[list].centroid != place)
        Report(block, "a centroid's row belongs to no list");
    list_marks[list].row = true;
}

void Verifier::CheckRow(BlockNumber block, const RowPage& rows_page, uint16 slot) {
    const RowHeader& row = *rows_page.row(layout, slot);
    if (!IsFinite(row.factors.scale) || row.factors.scale < 0 || !IsFinite(row.factors.error) || row.factors.error < 0)
        Report(block, "the factors of a row are impossible");
    CheckCodes(block, rows_page.codes(layout, slot), layout.head_codes);

    const Place place = layout.At(block, slot);
    if (rows_page.header->owner == RowOwner::kCentroids) {
        CheckCentroidRow(block, place, row.heap_tid);
        return;
    }
    CheckTid(block, row.heap_tid);
    rows++;
    if (strict) NoteRow(&inventory, place, row.heap_tid);
    if (with_tids) NoteTid(&inventory, row.heap_tid, block);
}

void Verifier::CheckTailLink(BlockNumber block, bool needed) {
    const BlockNumber tail = NextOf(page);
    if (!layout.TwoPages(meta.padded)) {
        if (tail != InvalidBlockNumber) Report(block, "a row page of whole rows links to another page");
        return;
    }
    if (tail == InvalidBlockNumber) {
        if (needed) Report(block, "a row's second part is missing");
        return;
    }
    if (!strict) return;
    if (tail >= blocks) Report(block, "a row's second part lies outside of the index");
    if (marks[tail] == Mark::kTail)
        marks[tail] = Mark::kLinkedTail;
    else if (marks[tail] == Mark::kUnknown)
        marks[tail] = Mark::kLinked;
    else
        Report(block, psprintf("a row's second part should be in block %u, but something else is there", tail));
}

void Verifier::CheckRowPage(BlockNumber block) {
    const RowPage rows_page = RowPage::Open(index, block, page, layout);
    const LocationIndex lower = LowerOf(page);
    rows_page.SetLower(layout);
    CheckUsed(block, lower);

    uint16 live = 0;
    for (uint16 slot = 0; slot < rows_page.header->used; slot++) {
        if (!rows_page.row(layout, slot)->heap_tid.valid()) continue;
        live++;
        CheckRow(block, rows_page, slot);
    }
    if (live != rows_page.header->live) Report(block, "the page's rows are not as many as it says");
    CheckTailLink(block, live > 0);
    if (strict) marks[block] = rows_page.header->owner == RowOwner::kCentroids ? Mark::kCentroidRows : Mark::kHeapRows;
}

void Verifier::CheckTailPage(BlockNumber block) {
    if (!layout.TwoPages(meta.padded)) Report(block, "the page holds a row's second part, but rows have none");
    if (NextOf(page) != InvalidBlockNumber) Report(block, "a row's second part links to another page");
    CheckCodes(block, reinterpret_cast<const int8*>(PageGetContents(page)), meta.padded - layout.head_codes);
    const LocationIndex lower = LowerOf(page);
    InitPage(page, PageKind::kRowTail);
    CheckUsed(block, lower);
    if (strict) marks[block] = marks[block] == Mark::kLinked ? Mark::kLinkedTail : Mark::kTail;
}

void Verifier::CheckSidePage(BlockNumber block) {
    const SidePage side = SidePage::Open(index, block, page);
    const LocationIndex lower = LowerOf(page);
    side.SetLower();
    CheckUsed(block, lower);
    for (uint16 i = 0; i < side.header->count; i++) {
        const HeapTid tid = side.tids()[i];
        if (!tid.valid()) Report(block, "a heap TID of the side chain is invalid");
        CheckTid(block, tid);
        side_rows++;
        if (with_tids) NoteTid(&inventory, tid, block);
    }
}

// Where chains cannot be followed.
void Verifier::CheckAnyPage(BlockNumber block) {
    if (PageIsNew(page)) return;
    const PageKind kind = CheckedKind(index, block, page);
    if (NextOf(page) == 0) Report(block, "the page links to the meta page");
    uint32 values = 0;
    switch (kind) {
        case PageKind::kMeta:
            return Report(block, "there is a second meta page");
        case PageKind::kMean:
            return CheckMeanPage(block, &values);
        case PageKind::kDescriptors:
            return CheckDescriptorPage(block);
        case PageKind::kList:
            return CheckListPage(block);
        case PageKind::kRows:
            return CheckRowPage(block);
        case PageKind::kRowTail:
            return CheckTailPage(block);
        case PageKind::kSide:
            return CheckSidePage(block);
    }
    Report(block, "the page is of an unknown kind");
}

// ---- Chains ----

// Notes that the page `from` leads to `block`, and reads it. No page is reached twice, so no chain can be endless.
void Verifier::Reach(BlockNumber from, BlockNumber block) {
    if (block >= blocks) Report(from, "the page links to a block outside of the index");
    if (marks[block] != Mark::kUnknown) Report(block, "two pages link to this one");
    marks[block] = Mark::kChained;
    Read(block);
}

void Verifier::WalkMean() {
    uint32 total = 0;
    BlockNumber from = 0;
    for (BlockNumber block = meta.mean; block != InvalidBlockNumber; from = block, block = NextOf(page)) {
        Reach(from, block);
        uint32 values = 0;
        CheckMeanPage(block, &values);
        total += values;
        if (total > meta.dimensions) break;
    }
    if (total != meta.dimensions) Report(from, "the mean has not as many dimensions as the index");
}

uint32 Verifier::ListNumber(ListId id) const {
    if (id.block < meta.descriptors || id.block - meta.descriptors >= meta.descriptor_pages ||
        id.slot >= kDescriptorsPerPage)
        return list_slots;
    return (id.block - meta.descriptors) * kDescriptorsPerPage + id.slot;
}

void Verifier::WalkDescriptors() {
    uint32 live = 0;
    for (uint32 i = 0; i < meta.descriptor_pages; i++) {
        const BlockNumber block = meta.descriptors + i;
        Reach(0, block);
        CheckDescriptorPage(block);
        const DescriptorPage descriptors = DescriptorPage::Open(index, block, page);
        const uint16 count = descriptors.header->count;

        list_slots += kDescriptorsPerPage;
        const Size bytes = list_slots * sizeof(ListDescriptor);
        lists = static_cast<ListDescriptor*>(lists == nullptr ? MemoryContextAllocHuge(CurrentMemoryContext, bytes)
                                                              : repalloc_huge(lists, bytes));
        ListDescriptor* to = lists + list_slots - kDescriptorsPerPage;
        memset(to, 0, kDescriptorsPerPage * sizeof(ListDescriptor));
        memcpy(to, descriptors.descriptors(), count * sizeof(ListDescriptor));
        for (uint16 slot = 0; slot < count; slot++) live += to[slot].state == ListState::kLive ? 1 : 0;
    }
    if (live != meta.lists) Report(0, "there are not as many lists as the meta page says");
    list_marks = static_cast<ListMarks*>(palloc0(list_slots * sizeof(ListMarks)));
}

void Verifier::WalkList(const ListDescriptor& list, ListId id) {
    BlockNumber from = id.block;
    uint32 pages = 0;
    uint16 start_row = 0;
    for (BlockNumber block = list.first; block != InvalidBlockNumber; from = block, block = NextOf(page), pages++) {
        Reach(from, block);
        if (pages < list.contiguous && block != list.first + pages)
            Report(block, "the list's pages are not contiguous as its descriptor says");
        const ListPage list_page = ListPage::Open(index, block, page, meta.padded);
        if (!list_page.BelongsTo(id, list.generation)) Report(block, "the page belongs to another list than its chain");
        if (list_page.header->start_row != start_row)
            Report(block, "a block does not go on where the page before cut it");
        start_row = list_page.EndRow(meta.padded);
        CheckListPage(block);
    }
    if (pages == 0) return;
    if (from != list.last) Report(from, "the list ends here, but its descriptor says elsewhere");
    if (start_row != 0) Report(from, "the list ends in the middle of a block");
    if (pages < list.contiguous) Report(from, "the list ends before its contiguous run does");
}

void Verifier::WalkLists() {
    WalkList(meta.root, kRootList);
    for (uint32 i = 0; i < list_slots; i++) {
        if (lists[i].state != ListState::kLive) continue;
        const ListId id = IdOf(i);
        if (!list_marks[i].entry) Report(id.block, psprintf("the list in slot %u has no entry in the root", id.slot));
        if (lists[i].generation > meta.generation)
            Report(id.block, psprintf("the list in slot %u is younger than the index", id.slot));
        WalkList(lists[i], id);
    }
}

void Verifier::WalkSideChain(int chain) {
    BlockNumber from = 0;
    for (BlockNumber block = meta.side[chain].first; block != InvalidBlockNumber; from = block, block = NextOf(page)) {
        Reach(from, block);
        CheckSidePage(block);
        const SidePage side = SidePage::Open(index, block, page);
        if (side.header->chain != static_cast<SideChain>(chain))
            Report(block, "the page belongs to another side chain");
    }
    if (from != 0 && from != meta.side[chain].last)
        Report(from, "a side chain ends here, but the meta page says elsewhere");
}

// ---- The rest ----

void Verifier::WalkOtherPages() {
    for (BlockNumber block = 1; block < blocks; block++) {
        if (marks[block] == Mark::kChained) continue;
        Read(block);
        if (PageIsNew(page)) {
            if (marks[block] == Mark::kLinked)
                Report(block, "a row's second part should be here, but the page is empty");
            marks[block] = Mark::kNew;
            continue;
        }
        const PageKind kind = CheckedKind(index, block, page);
        if (kind == PageKind::kRows) {
            if (marks[block] == Mark::kLinked) Report(block, "a row's second part should be here, but there are rows");
            CheckRowPage(block);
        } else if (kind == PageKind::kRowTail) {
            CheckTailPage(block);
        } else {
            Report(block, "no chain leads to this page");
        }
    }
}

void Verifier::CheckLinks() {
    for (BlockNumber block = 1; block < blocks; block++) lost_tails += marks[block] == Mark::kTail ? 1 : 0;
    for (uint32 i = 0; i < list_slots; i++)
        if (lists[i].state == ListState::kLive && !list_marks[i].row)
            Report(IdOf(i).block, psprintf("the centroid of the list in slot %u has no row", IdOf(i).slot));
}

// ---- The function ----

Verifier BeginVerification(const InspectedIndex& inspected, bool strict, bool with_tids) {
    Relation index = inspected.index;
    MetaPage meta;
    if (RelationGetNumberOfBlocks(index) == 0) ReportCorrupted(index, 0, "the index has no pages");
    ReadMeta(index, &meta);
    const RowLayout layout(meta.padded);

    Verifier verifier{.index = index,
                      .blocks = RelationGetNumberOfBlocks(index),
                      .table_blocks = InvalidBlockNumber,
                      .strict = strict,
                      .with_tids = with_tids,
                      .strategy = GetAccessStrategy(BAS_BULKREAD),
                      .page = static_cast<Page>(palloc(BLCKSZ)),
                      .meta = meta,
                      .layout = layout,
                      .marks = nullptr,
                      .lists = nullptr,
                      .list_marks = nullptr,
                      .list_slots = 0,
                      .inventory = {.index = index,
                                    .table = inspected.table,
                                    .layout = layout,
                                    .entries_per_row = meta.spill != 0 && meta.lists > 1 ? 2U : 1U,
                                    .entries = nullptr,
                                    .tids = nullptr,
                                    .stale_entries = 0,
                                    .leftover_rows = 0},
                      .rows = 0,
                      .side_rows = 0,
                      .lost_tails = 0};
    // Only a heap's TIDs are known to be blocks and offsets; and while others write, the table may grow.
    if (strict && inspected.table->rd_rel->relam == HEAP_TABLE_AM_OID)
        verifier.table_blocks = RelationGetNumberOfBlocks(inspected.table);
    if (strict)
        verifier.marks = static_cast<Mark*>(MemoryContextAllocExtended(
            CurrentMemoryContext, verifier.blocks * sizeof(Mark), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO));
    if (with_tids) BeginInventory(&verifier.inventory, strict);
    return verifier;
}

void VerifyPages(Verifier* verifier) {
    verifier->CheckMetaPage();
    for (BlockNumber block = 1; block < verifier->blocks; block++) {
        verifier->Read(block);
        verifier->CheckAnyPage(block);
    }
}

void VerifyStructure(Verifier* verifier) {
    verifier->marks[0] = Mark::kChained;
    verifier->CheckMetaPage();
    verifier->WalkMean();
    verifier->WalkDescriptors();
    verifier->WalkLists();
    for (int chain = 0; chain < kSideChains; chain++) verifier->WalkSideChain(chain);
    verifier->WalkOtherPages();
    verifier->CheckLinks();
}

// A snapshot that is older than the index may see tuples of HOT chains that the index need not have.
void CheckSnapshotFits(Relation index, Snapshot snapshot) {
    if (IsolationUsesXactSnapshot() && index->rd_index->indcheckxmin &&
        !TransactionIdPrecedes(HeapTupleHeaderGetXmin(index->rd_indextuple->t_data), snapshot->xmin))
        ereport(ERROR,
                (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
                 errmsg("cannot verify index \"%s\" with this transaction's snapshot", RelationGetRelationName(index)),
                 errdetail("The snapshot is older than the index.")));
}

void Verify(const InspectedIndex& inspected, bool heapallindexed, bool strict) {
    // Before the index is read: what it sees cannot have been inserted later than that.
    Snapshot snapshot = nullptr;
    if (heapallindexed) {
        snapshot = RegisterSnapshot(GetTransactionSnapshot());
        CheckSnapshotFits(inspected.index, snapshot);
    }
    Verifier verifier = BeginVerification(inspected, strict, strict || heapallindexed);
    Inventory* inventory = &verifier.inventory;
    if (strict)
        VerifyStructure(&verifier);
    else
        VerifyPages(&verifier);

    if (verifier.with_tids) SortInventory(inventory);
    if (strict) {
        CheckEntriesOfRows(inventory, verifier.marks, verifier.blocks);
        CheckTidsDiffer(inventory);
    }
    if (heapallindexed) {
        CheckTableIsIndexed(inventory, snapshot);
        UnregisterSnapshot(snapshot);
    }
    EndInventory(inventory);
    ereport(DEBUG1,
            (errmsg_internal("index \"%s\": %llu rows, %llu rows without codes, %llu stale entries, %llu rows left "
                             "over by an interrupted vacuum, %u tail pages left over by failed inserts",
                             RelationGetRelationName(inspected.index), static_cast<unsigned long long>(verifier.rows),
                             static_cast<unsigned long long>(verifier.side_rows),
                             static_cast<unsigned long long>(inventory->stale_entries),
                             static_cast<unsigned long long>(inventory->leftover_rows), verifier.lost_tails)));
}

}  // namespace
}  // namespace annex::pg::ivf

ANNEX_FUNCTION(annex_verify) {
    using namespace annex::pg::ivf;
    const bool strict = !RecoveryInProgress();
    const InspectedIndex inspected =
        OpenInspected(PG_GETARG_OID(0), strict ? ShareLock : AccessShareLock, Privilege::kOwner, "verify");
    MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "annex_verify", ALLOCSET_DEFAULT_SIZES);
    MemoryContext caller = MemoryContextSwitchTo(context);
    Verify(inspected, PG_GETARG_BOOL(1), strict);
    MemoryContextSwitchTo(caller);
    MemoryContextDelete(context);
    CloseInspected(inspected);
    PG_RETURN_VOID();
}

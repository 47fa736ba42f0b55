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
// Steps 1 to 3 compare pages with each other, so that nobody may write; else each page is checked by itself.
//
// Memory: one byte a block, 64 bytes a list, and sorts within maintenance_work_mem.
#include "pg/ivf/verify.h"

extern "C" {
#include "access/htup_details.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_am_d.h"
#include "utils/snapmgr.h"
}

#include "pg/ivf/dialect.h"

namespace annex::pg::ivf {

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

void Verifier::WalkDescriptors() {
    uint32 live = 0;
    const uint32 slots = DescriptorSlots(meta);
    for (uint32 first = 0; first < slots; first += kDescriptorsPerPage) {
        const BlockNumber block = ListAt(meta, first).block;
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
        for (uint16 slot = 0; slot < count; slot++) live += to[slot].LivesAt(meta.generation) ? 1 : 0;
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
        const ListPage list_page = ListPage::Open(index, block, page, sketches);
        if (!list_page.BelongsTo(id, list.generation)) Report(block, "the page belongs to another list than its chain");
        if (list_page.header->start_row != start_row)
            Report(block, "a block does not go on where the page before cut it");
        start_row = list_page.EndRow(sketches);
        CheckListPage(block, true);
    }
    if (pages == 0) return;
    if (from != list.last) Report(from, "the list ends here, but its descriptor says elsewhere");
    if (start_row != 0) Report(from, "the list ends in the middle of a block");
    if (pages < list.contiguous) Report(from, "the list ends before its contiguous run does");
}

void Verifier::WalkLists() {
    WalkList(meta.root, kRootList);
    for (uint32 i = 0; i < list_slots; i++) {
        if (!lists[i].LivesAt(meta.generation)) continue;
        const ListId id = IdOf(i);
        if (!list_marks[i].entry) Report(id.block, psprintf("the list in slot %u has no entry in the root", id.slot));
        WalkList(lists[i], id);
    }
}

void Verifier::WalkSideChain(int chain) {
    BlockNumber from = 0;
    for (BlockNumber block = meta.side[chain].first; block != InvalidBlockNumber; from = block, block = NextOf(page)) {
        Reach(from, block);
        CheckSidePage(block);
        const SidePage side = SidePage::Open(index, block, page, sides);
        if (side.header->chain != static_cast<SideChain>(chain))
            Report(block, "the page belongs to another side chain");
    }
    if (from != 0 && from != meta.side[chain].last)
        Report(from, "a side chain ends here, but the meta page says elsewhere");
}

// ---- The rest ----

void Verifier::WalkOtherPages() {
    for (BlockNumber block = 1; block < blocks; block++) {
        if (marks[block] != Mark::kUnknown) continue;
        Read(block);
        if (PageIsNew(page)) {
            marks[block] = Mark::kNew;
            continue;
        }
        const auto kind = static_cast<PageKind>(CheckedKind(index, block, page, kFormat));
        if (kind == PageKind::kRows) {
            CheckRowPage(block);
        } else if (kind == PageKind::kRowTail) {
            marks[block] = Mark::kTail;
            CheckTailPage(block, page);
        } else if (kind == PageKind::kFree) {
            marks[block] = Mark::kFree;
        } else if (kind == PageKind::kList) {
            // Lists that are being built, or have died, leave pages until maintenance takes them.
            if (OfLivingList(ListPage::Open(index, block, page, sketches)))
                Report(block, "no chain leads to this page");
            marks[block] = Mark::kLeftover;
            leftovers++;
            CheckListPage(block, false);
        } else if (kind == PageKind::kDescriptors && DescriptorPage::Open(index, block, page).header->count == 0) {
            // A maintenance that was interrupted had not named it yet.
            marks[block] = Mark::kLeftover;
            leftovers++;
        } else {
            Report(block, "no chain leads to this page");
        }
    }
}

void Verifier::CheckLinks() {
    for (BlockNumber block = 1; block < blocks; block++) lost_tails += marks[block] == Mark::kTail ? 1 : 0;
    for (uint32 i = 0; i < list_slots; i++)
        if (lists[i].LivesAt(meta.generation) && !list_marks[i].row)
            Report(IdOf(i).block, psprintf("the centroid of the list in slot %u has no row", IdOf(i).slot));
}

// ---- The function ----

static Verifier BeginVerification(const InspectedIndex& inspected, bool strict, bool with_tids) {
    Relation index = inspected.index;
    MetaPage meta;
    ReadMeta(index, &meta);
    const RowLayout layout = RowLayoutOf(meta);

    Verifier verifier{.index = index,
                      .blocks = RelationGetNumberOfBlocks(index),
                      .table_blocks = InvalidBlockNumber,
                      .strict = strict,
                      .with_tids = with_tids,
                      .strategy = GetAccessStrategy(BAS_BULKREAD),
                      .page = static_cast<Page>(palloc(BLCKSZ)),
                      .tail_page = static_cast<Page>(palloc(BLCKSZ)),
                      .meta = meta,
                      .layout = layout,
                      .sketches = SketchLayoutOf(meta),
                      .sides = SideLayoutOf(meta),
                      .marks = nullptr,
                      .lists = nullptr,
                      .list_marks = nullptr,
                      .list_slots = 0,
                      .inventory = {.layout = layout,
                                    .entries_per_row = meta.spill != 0 && meta.lists > 1 ? 2U : 1U,
                                    .entries = nullptr,
                                    .tids = {index, inspected.table, layout.value_bytes, nullptr},
                                    .stale_entries = 0,
                                    .leftover_rows = 0},
                      .rows = 0,
                      .side_rows = 0,
                      .lost_tails = 0,
                      .leftovers = 0};
    // Only a heap's TIDs are known to be blocks and offsets; and while others write, the table may grow.
    if (strict && inspected.table->rd_rel->relam == HEAP_TABLE_AM_OID)
        verifier.table_blocks = RelationGetNumberOfBlocks(inspected.table);
    if (strict)
        verifier.marks = static_cast<Mark*>(MemoryContextAllocExtended(
            CurrentMemoryContext, verifier.blocks * sizeof(Mark), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO));
    if (with_tids) BeginInventory(&verifier.inventory, strict);
    return verifier;
}

static void VerifyPages(Verifier* verifier) {
    verifier->CheckMetaPage();
    for (BlockNumber block = 1; block < verifier->blocks; block++) {
        verifier->Read(block);
        verifier->CheckAnyPage(block);
    }
}

static void VerifyStructure(Verifier* verifier) {
    verifier->marks[0] = Mark::kChained;
    verifier->CheckMetaPage();
    verifier->WalkMean();
    verifier->WalkDescriptors();
    verifier->WalkLists();
    for (int chain = 0; chain < kSideChains; chain++) verifier->WalkSideChain(chain);
    verifier->WalkOtherPages();
    verifier->CheckLinks();
}

void VerifyIndex(const InspectedIndex& inspected, bool heapallindexed, bool strict) {
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
        CheckTidsDiffer(&inventory->tids);
    }
    if (heapallindexed) {
        CheckTableIsIndexed(&inventory->tids, snapshot,
                            {static_cast<int>(verifier.meta.dimensions), DialectOf(inspected.index) == nullptr});
        UnregisterSnapshot(snapshot);
    }
    EndInventory(inventory);
    ereport(DEBUG1,
            (errmsg_internal(
                "index \"%s\": %llu rows, %llu rows without codes, %llu stale entries, %llu rows left "
                "over by an interrupted vacuum, %u tail pages left over by failed inserts, %u pages of lists "
                "that do not live",
                RelationGetRelationName(inspected.index), static_cast<unsigned long long>(verifier.rows),
                static_cast<unsigned long long>(verifier.side_rows),
                static_cast<unsigned long long>(inventory->stale_entries),
                static_cast<unsigned long long>(inventory->leftover_rows), verifier.lost_tails, verifier.leftovers)));
}

}  // namespace annex::pg::ivf

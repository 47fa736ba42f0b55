// annex_verify of an hnsw index: walks every page and checks everything that can be checked.
//
// 1. Chains, from the meta page: the mean, the entries, the side rows. Each page is reached once.
// 2. All other pages, from front to back: nodes. Nothing else may be left over but free pages and pages of zeros (what
// an
//    interrupted extension leaves).
// 3. What nodes say of each other: edges of live nodes lead to live or dead ones, never to a place that is free or
//    holds heap TIDs; codes of edges are those of the neighbours' rows (of some nodes); chains of heap TIDs belong to
//    the nodes that name them, and no record of TIDs is in none, unless its node is dead and it is empty.
// 4. Heap TIDs against each other, and, if asked for, against the table (pg/index/tid_inventory.h).
// 5. Edges lead from the entries to every live node. That is what inserts and vacuum aim at, but an edge that another
//    one replaces may have been the last to lead somewhere: a few nodes that are not reached are told of by a WARNING.
//
// Steps 1 to 3 and 5 compare pages with each other, so that nobody may write; else each page is checked by itself.
//
// Memory: one byte a block, six bits a node, and a sort within half of maintenance_work_mem.
#include "pg/hnsw/verify.h"

extern "C" {
#include "access/xact.h"
#include "catalog/pg_am_d.h"
#include "utils/snapmgr.h"
}

#include <bit>

#include "pg/guard.h"
#include "pg/hnsw/inspect.h"
#include "pg/hnsw/reach.h"

namespace annex::pg::hnsw {

// The codes of one in so many nodes' edges are computed anew.
static constexpr NodeId kEdgeSample = 16;
// Of the bits of an edge's code, one in so many may differ: sums are not the same on every CPU.
static constexpr Size kDifferingBits = 16;
// Of the nodes of an index, one in so many may not be reached before it is called corrupted.
static constexpr uint64 kUnreachedShare = 100;

// ---- Chains of pages ----

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

void Verifier::WalkEntries() {
    BlockNumber from = 0;
    for (BlockNumber block = meta.entries.first; block != InvalidBlockNumber; from = block, block = NextOf(page)) {
        Reach(from, block);
        CheckEntriesPage(block);
    }
    if (from != 0 && from != meta.entries.last) Report(from, "the entries end here, but the meta page says elsewhere");
    if (entries != meta.entry_count) Report(0, "the entries are not as many as the meta page says");
}

void Verifier::WalkSide() {
    BlockNumber from = 0;
    for (BlockNumber block = meta.side.first; block != InvalidBlockNumber; from = block, block = NextOf(page)) {
        Reach(from, block);
        CheckSidePage(block);
    }
    if (from != 0 && from != meta.side.last) Report(from, "the side chain ends here, but the meta page says elsewhere");
}

void Verifier::WalkOtherPages() {
    for (BlockNumber block = 1; block < blocks; block++) {
        if (marks[block] != Mark::kUnknown) continue;
        Read(block);
        if (PageIsNew(page)) {
            marks[block] = Mark::kNew;
            continue;
        }
        const auto kind = static_cast<PageKind>(CheckedKind(index, block, page, kFormat));
        if (kind == PageKind::kNodes) {
            marks[block] = Mark::kNodes;
            CheckNodePage(block);
        } else if (kind == PageKind::kFree) {
            marks[block] = Mark::kFree;
        } else {
            Report(block, "no chain leads to this page");
        }
    }
}

// ---- What nodes say of each other ----

// An edge's code is that of the neighbour's row, as far as its bits do not depend on the CPU.
void Verifier::CheckEdgeBytes(BlockNumber block, uint16 slot, const GraphNode& node, uint32 i) {
    const NodeId neighbour = node.edge(i).neighbour;
    CopyPage(index, places.Block(neighbour), nullptr, other);
    const GraphNode target = NodePage::At(other).node(places, places.Slot(neighbour));
    Guard([&] { maker->EdgeTo(neighbour, target.header().row, target.row(), edge); });
    const Size bytes = EdgeCodeBytes(places.node.code_bits());
    const uint8* expected = edge + places.node.code_offset();
    Size differing = 0;
    for (Size at = 0; at < bytes; at++)
        differing += static_cast<Size>(std::popcount(static_cast<uint8>(expected[at] ^ node.code(i)[at])));
    if (differing > places.node.code_bits() / kDifferingBits)
        Report(block, psprintf("an edge of the node in slot %u has not the code of the node in block %u, slot %u", slot,
                               places.Block(neighbour), places.Slot(neighbour)));
}

void Verifier::CheckNeighbours(BlockNumber block, uint16 slot, const GraphNode& node) {
    const bool sampled = places.At(block, slot) % kEdgeSample == 0;
    if (sampled) Guard([&] { maker->SetRow(node.header().row, node.row()); });
    for (uint32 i = 0; i < node.header().edges; i++) {
        const NodeId neighbour = node.edge(i).neighbour;
        if (!live.Has(neighbour) && !dead.Has(neighbour))
            Report(block, psprintf("an edge of the node in slot %u leads to block %u, slot %u, where there is no node",
                                   slot, places.Block(neighbour), places.Slot(neighbour)));
        if (sampled) CheckEdgeBytes(block, slot, node, i);
    }
}

void Verifier::CheckChain(BlockNumber block, uint16 slot, const GraphNode& node) {
    const NodeId id = places.At(block, slot);
    for (NodeId next = node.header().more; next != kNoNode;) {
        if (!tids.Has(next))
            Report(block, psprintf("the chain of the node in slot %u leads to block %u, slot %u, where there are no "
                                   "heap TIDs",
                                   slot, places.Block(next), places.Slot(next)));
        if (chained.Has(next)) Report(places.Block(next), "two chains lead to the same heap TIDs");
        chained.Add(next);
        CopyPage(index, places.Block(next), strategy, other);
        const TidsView view(places, value_bytes(), NodePage::At(other).record(places.Slot(next)));
        if (view.owner() != id)
            Report(places.Block(next), "heap TIDs belong to another node than the one whose chain they are in");
        next = view.header().more;
    }
}

// A vacuum that did not come to its end may have left those of a node that is to be freed.
void Verifier::CheckUnchained(BlockNumber block, const NodePage& nodes, uint16 slot) {
    const NodeId id = places.At(block, slot);
    if (!tids.Has(id) || chained.Has(id)) return;
    const TidsView view(places, value_bytes(), nodes.record(slot));
    if (view.header().edges > 0 || !dead.Has(view.owner()))
        Report(block, psprintf("the heap TIDs in slot %u belong to no node", slot));
}

void Verifier::CheckLinks() {
    for (const bool unchained : {false, true}) {
        for (BlockNumber block = 1; block < blocks; block++) {
            if (marks[block] != Mark::kNodes) continue;
            Read(block);
            const NodePage nodes = NodePage::At(page);
            for (uint16 slot = 0; slot < nodes.header->slots; slot++) {
                if (unchained) {
                    CheckUnchained(block, nodes, slot);
                } else if (live.Has(places.At(block, slot))) {
                    CheckNeighbours(block, slot, nodes.node(places, slot));
                    CheckChain(block, slot, nodes.node(places, slot));
                }
            }
        }
    }
}

void Verifier::CheckEntriesLive() {
    if (live_nodes > 0 && entries == 0) Report(0, "there are nodes, but none that searches could start from");
    for (BlockNumber block = meta.entries.first; block != InvalidBlockNumber; block = NextOf(page)) {
        Read(block);
        const EntriesPage at = EntriesPage::At(page);
        for (uint32 i = 0; i < at.header->count; i++)
            if (!live.Has(at.nodes()[i]) && !dead.Has(at.nodes()[i]))
                Report(block, psprintf("an entry names block %u, slot %u, where there is no node",
                                       places.Block(at.nodes()[i]), places.Slot(at.nodes()[i])));
    }
}

// ---- Reachability ----

namespace {
struct Unreached {
    Verifier* verifier;
    uint64 count;
    NodeId first;
};
}  // namespace

// What is left of an insert that failed leads nowhere and is nobody's row.
static void CountUnreached(const UnreachedNode& node, void* arg) {
    auto* unreached = static_cast<Unreached*>(arg);
    const NodeHeader& header = node.node.header();
    if (header.heap_tid.valid() && TupleIsGone(unreached->verifier->table, TidNumber(header.heap_tid))) return;
    if (unreached->count++ == 0) unreached->first = node.id;
}

void Verifier::CheckReachable() {
    const NodeBits reached = ReachedNodes(index, meta, blocks, strategy);
    Unreached unreached{this, 0, kNoNode};
    ForEachUnreached(index, meta, reached, blocks, strategy, CountUnreached, &unreached);
    reached.Free();
    if (unreached.count == 0) return;
    const auto count = static_cast<unsigned long long>(unreached.count);
    const auto all = static_cast<unsigned long long>(live_nodes);
    if (unreached.count * kUnreachedShare > live_nodes)
        Report(places.Block(unreached.first), psprintf("no edges lead to %llu of %llu nodes, as to that in slot %u",
                                                       count, all, places.Slot(unreached.first)));
    ereport(WARNING, (errmsg("searches of index \"%s\" do not come to %llu of its %llu nodes",
                             RelationGetRelationName(index), count, all),
                      errdetail("No edges lead to them, as to the node in block %u, slot %u.",
                                places.Block(unreached.first), places.Slot(unreached.first)),
                      errhint("annex_maintain() links them again.")));
}

// ---- All of it ----

extern "C" {
static void DeleteMaker(void* arg) noexcept {
    delete static_cast<EdgeMaker*>(arg);
}
}

// What comparing pages with each other needs.
static void PrepareStrict(Verifier* verifier, const InspectedIndex& inspected) {
    // Only a heap's TIDs are known to be blocks and offsets; and while others write, the table may grow.
    if (inspected.table->rd_rel->relam == HEAP_TABLE_AM_OID)
        verifier->table_blocks = RelationGetNumberOfBlocks(inspected.table);
    verifier->marks = static_cast<Mark*>(MemoryContextAllocExtended(
        CurrentMemoryContext, verifier->blocks * sizeof(Mark), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO));
    for (NodeBits* bits : {&verifier->live, &verifier->dead, &verifier->tids, &verifier->chained})
        *bits = NewNodeBits(verifier->places, verifier->blocks);
    verifier->edge = static_cast<uint8*>(palloc(verifier->places.node.edge_bytes()));
    const CachedIndex* cached = AcquireIndex(inspected.index, verifier->meta, CurrentMemoryContext);
    auto* callback = static_cast<MemoryContextCallback*>(palloc0(sizeof(MemoryContextCallback)));
    Guard([&] { verifier->maker = new EdgeMaker(SpaceOf(*cached), verifier->places.node); });
    callback->func = DeleteMaker;
    callback->arg = verifier->maker;
    MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
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
    verifier->WalkEntries();
    verifier->WalkSide();
    verifier->WalkOtherPages();
    verifier->CheckLinks();
    verifier->CheckEntriesLive();
}

void VerifyIndex(const InspectedIndex& inspected, bool heapallindexed, bool strict) {
    // Before the index is read: what it sees cannot have been inserted later than that.
    Snapshot snapshot = nullptr;
    if (heapallindexed) {
        snapshot = RegisterSnapshot(GetTransactionSnapshot());
        CheckSnapshotFits(inspected.index, snapshot);
    }
    auto* verifier = static_cast<Verifier*>(palloc0(sizeof(Verifier)));
    verifier->index = inspected.index;
    verifier->table = inspected.table;
    verifier->table_blocks = InvalidBlockNumber;
    verifier->strict = strict;
    verifier->strategy = GetAccessStrategy(BAS_BULKREAD);
    verifier->page = static_cast<Page>(palloc(BLCKSZ));
    verifier->other = static_cast<Page>(palloc(BLCKSZ));
    ReadMeta(inspected.index, &verifier->meta);
    verifier->blocks = RelationGetNumberOfBlocks(inspected.index);
    verifier->places = PlacesOf(verifier->meta);
    verifier->columns = ColumnsOf(verifier->meta);
    verifier->sides = {verifier->columns.value_bytes()};
    verifier->inventory = {inspected.index, inspected.table, verifier->value_bytes(), nullptr};
    if (strict) PrepareStrict(verifier, inspected);
    if (strict || heapallindexed) BeginTids(&verifier->inventory);

    if (strict)
        VerifyStructure(verifier);
    else
        VerifyPages(verifier);
    SortTids(&verifier->inventory);
    if (strict) CheckTidsDiffer(&verifier->inventory);
    if (heapallindexed) {
        CheckTableIsIndexed(&verifier->inventory, snapshot, {static_cast<int>(verifier->meta.dimensions), false});
        UnregisterSnapshot(snapshot);
    }
    EndTids(&verifier->inventory);
    if (strict) verifier->CheckReachable();
    ereport(
        DEBUG1,
        (errmsg_internal(
            "index \"%s\": %llu rows, %llu side rows, %llu live and %llu dead nodes, "
            "%llu edges",
            RelationGetRelationName(inspected.index), static_cast<unsigned long long>(verifier->rows),
            static_cast<unsigned long long>(verifier->side_rows), static_cast<unsigned long long>(verifier->live_nodes),
            static_cast<unsigned long long>(verifier->dead_nodes), static_cast<unsigned long long>(verifier->edges))));
}

}  // namespace annex::pg::hnsw

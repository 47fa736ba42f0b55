// Reachability, in passes over the pages.
#include "pg/hnsw/reach.h"

#include "pg/hnsw/hnsw.h"
#include "pg/index/inspect.h"

namespace annex::pg::hnsw {

namespace {

struct Reach {
    Relation index;
    NodePlaces places;
    Size value_bytes;
    BufferAccessStrategy strategy;
    Ways ways;
    NodeBits reached;
    NodeBits followed;  // reached, and their edges have been followed
    Page page;          // a copy of the page at hand
};

// Reads a page; false if it is none of nodes.
bool ReadNodePage(Reach* reach, BlockNumber block, NodePage* nodes) {
    CopyPage(reach->index, block, reach->strategy, reach->page);
    if (PageIsNew(reach->page) || (PageIsOurs(reach->page) && KindOf(reach->page) != PageKind::kNodes)) return false;
    *nodes = NodePage::Open(reach->index, block, reach->page, reach->places);
    return true;
}

bool IsNode(const Reach& reach, const NodePage& nodes, BlockNumber block, uint16 slot) {
    const RecordKind kind = nodes.Find(reach.places, reach.value_bytes, slot);
    if (kind == RecordKind::kDamaged) ReportCorrupted(reach.index, block, "a node's numbers are impossible");
    return kind == RecordKind::kNode;
}

void ReachEntries(Reach* reach, const MetaPage& meta, BlockNumber blocks) {
    BlockNumber pages = 0;
    for (BlockNumber block = meta.entries.first; block != InvalidBlockNumber;) {
        // The chain may have grown by now.
        if (block == 0 || block >= RelationGetNumberOfBlocks(reach->index) || pages++ > blocks)
            ReportCorrupted(reach->index, block, "the chain of entries names an impossible page");
        CopyPage(reach->index, block, reach->strategy, reach->page);
        const EntriesPage entries = EntriesPage::Open(reach->index, block, reach->page);
        for (uint32 i = 0; i < entries.header->count; i++) reach->reached.Add(entries.nodes()[i]);
        block = NextOf(reach->page);
    }
}

// Whether a page has nodes that are reached and whose edges have not been followed.
bool HasPending(const Reach& reach, BlockNumber block) {
    const NodeId first = reach.places.At(block, 0);
    for (NodeId id = first; id < first + reach.places.slots_per_page; id++)
        if (reach.reached.Has(id) && !reach.followed.Has(id)) return true;
    return false;
}

// Follows the edges of a page's nodes that are reached, those that are reached from the page itself included.
void FollowPage(Reach* reach, BlockNumber block) {
    NodePage nodes{};
    const bool is_nodes = ReadNodePage(reach, block, &nodes);
    const NodeId first = reach->places.At(block, 0);
    do {
        for (NodeId id = first; id < first + reach->places.slots_per_page; id++) {
            if (!reach->reached.Has(id) || reach->followed.Has(id)) continue;
            reach->followed.Add(id);
            const uint16 slot = reach->places.Slot(id);
            if (!is_nodes || !IsNode(*reach, nodes, block, slot)) continue;
            const GraphNode node = nodes.node(reach->places, slot);
            if (reach->ways == Ways::kLive && node.header().state != NodeState::kLive) continue;
            for (uint32 i = 0; i < node.header().edges; i++) reach->reached.Add(node.edge(i).neighbour);
        }
    } while (is_nodes && HasPending(*reach, block));
}

Reach BeginReach(Relation index, const MetaPage& meta, BufferAccessStrategy strategy, Ways ways) {
    return {index,        PlacesOf(meta), ColumnsOf(meta).value_bytes(),    strategy, ways,
            {nullptr, 0}, {nullptr, 0},   static_cast<Page>(palloc(BLCKSZ))};
}

}  // namespace

NodeBits ReachedNodes(Relation index, const MetaPage& meta, BlockNumber blocks, BufferAccessStrategy strategy,
                      Ways ways) {
    Reach reach = BeginReach(index, meta, strategy, ways);
    reach.reached = NewNodeBits(reach.places, blocks);
    reach.followed = NewNodeBits(reach.places, blocks);
    ReachEntries(&reach, meta, blocks);
    for (bool more = true; more;) {
        more = false;
        for (BlockNumber block = 1; block < blocks; block++) {
            if (!HasPending(reach, block)) continue;
            FollowPage(&reach, block);
            more = true;
        }
    }
    reach.followed.Free();
    pfree(reach.page);
    return reach.reached;
}

void ForEachUnreached(Relation index, const MetaPage& meta, const NodeBits& reached, BlockNumber blocks,
                      BufferAccessStrategy strategy, VisitUnreached visit, void* arg) {
    Reach reach = BeginReach(index, meta, strategy, Ways::kAll);
    for (BlockNumber block = 1; block < blocks; block++) {
        NodePage nodes{};
        if (!ReadNodePage(&reach, block, &nodes)) continue;
        for (uint16 slot = 0; slot < nodes.header->slots; slot++) {
            const NodeId id = reach.places.At(block, slot);
            if (reached.Has(id) || !IsNode(reach, nodes, block, slot)) continue;
            const GraphNode node = nodes.node(reach.places, slot);
            if (node.header().state == NodeState::kLive) visit({id, node}, arg);
        }
    }
    pfree(reach.page);
}

// A node that is linked may itself lose its edge to the next one, though hardly ever twice.
static constexpr int kMostPasses = 5;

namespace {
struct Relinking {
    Inserter* inserter;
    NodeBits reached;
    int64 linked;
};
}  // namespace

static void Relink(const UnreachedNode& node, void* arg) {
    auto* relinking = static_cast<Relinking*>(arg);
    CHECK_FOR_INTERRUPTS();
    // Through one that was linked before.
    if (relinking->reached.Has(node.id)) return;
    RelinkNode(relinking->inserter, node.id, node.node, relinking->reached);
    relinking->linked++;
    relinking->reached.Add(node.id);
    for (uint32 i = 0; i < node.node.header().edges; i++) relinking->reached.Add(node.node.edge(i).neighbour);
}

int64 RelinkUnreached(Relation index, BufferAccessStrategy strategy, Ways ways) {
    Relinking relinking{NewInserter(index, CurrentMemoryContext, true), {nullptr, 0}, 0};
    for (int pass = 0; pass < kMostPasses; pass++) {
        MetaPage meta;
        ReadMeta(index, &meta);
        const int64 before = relinking.linked;
        const BlockNumber blocks = RelationGetNumberOfBlocks(index);
        relinking.reached = ReachedNodes(index, meta, blocks, strategy, ways);
        ForEachUnreached(index, meta, relinking.reached, blocks, strategy, Relink, &relinking);
        relinking.reached.Free();
        if (relinking.linked == before) break;
    }
    return relinking.linked;
}

}  // namespace annex::pg::hnsw

// annex_maintain of an hnsw index: what vacuum does, and links to nodes that no search comes to any more.
#include "pg/hnsw/inspect.h"
#include "pg/hnsw/reach.h"
#include "pg/hnsw/repair.h"

namespace annex::pg::hnsw {

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
    RelinkNode(relinking->inserter, node.id, node.node);
    relinking->linked++;
    for (uint32 i = 0; i < node.node.header().edges; i++) relinking->reached.Add(node.node.edge(i).neighbour);
}

// Returns how many nodes were linked.
static int64 RelinkUnreached(Relation index, BufferAccessStrategy strategy) {
    Relinking relinking{NewInserter(index, CurrentMemoryContext, true), {nullptr, 0}, 0};
    for (int pass = 0; pass < kMostPasses; pass++) {
        MetaPage meta;
        ReadMeta(index, &meta);
        const int64 before = relinking.linked;
        const BlockNumber blocks = RelationGetNumberOfBlocks(index);
        relinking.reached = ReachedNodes(index, meta, blocks, strategy);
        ForEachUnreached(index, meta, relinking.reached, blocks, strategy, Relink, &relinking);
        relinking.reached.Free();
        if (relinking.linked == before) break;
    }
    return relinking.linked;
}

void MaintainInspected(const InspectedIndex& inspected, bool force, ResultRow* row) {
    Relation index = inspected.index;
    BufferAccessStrategy strategy = GetAccessStrategy(BAS_VACUUM);
    const RepairResult result = RepairGraph(index, strategy);
    row->Set("nodes_linked", RelinkUnreached(index, strategy));
    if (force)
        CalibrateIndex(index, true);
    else
        CalibrateIfDue(index, result.live_nodes);
}

}  // namespace annex::pg::hnsw

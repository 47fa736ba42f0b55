// Entries where searches do not come: rows that lie in clusters far from each other are found only by a search that
// starts in theirs, and entries drawn at random leave small clusters out.
//
// For a sample of the index's own rows it is tried whether a search finds them. Those that it does not find become
// entries at once, so that what lies near them is found from then on.
#include "pg/hnsw/hnsw.h"

extern "C" {
#include "commands/vacuum.h"
}

#include "annex/node_row.h"
#include "pg/guard.h"
#include "pg/hnsw/walk.h"

namespace annex::pg::hnsw {

static constexpr double kNodesPerSearch = 40;
static constexpr double kMostSearches = 50000;
static constexpr Size kEf = 40;
static constexpr Size kMostKnown = 1 << 16;

namespace {
struct Cover {
    Relation index;
    Walker walker;
    uint8* copy;  // of a node's record
    float* row;
};
}  // namespace

// Whether a search for a live node's row comes to it; true as well if there is none. The node's record is in copy.
static bool Finds(Cover* cover, NodeId node) {
    Walker* walker = &cover->walker;
    if (!CopyNode(walker, node, cover->copy)) return true;
    const ConstGraphNode record(walker->places.node, cover->copy);
    if (record.header().state != NodeState::kLive) return true;
    const Space& space = SpaceOf(*walker->cached);
    Guard([&] {
        NodeRows(space, walker->places.node).Decode(record.row(), record.header().row, cover->row);
        walker->search->BeginRow(space, cover->row, kMostKnown);
    });
    RunRound(walker, kEf, true, nullptr, 0);
    return walker->search->Visited(node);
}

void CoverNodes(Relation index, double nodes, bool logged) {
    MetaPage meta;
    ReadMeta(index, &meta);
    Cover cover{index, NewWalker(index, meta, CurrentMemoryContext), nullptr, nullptr};
    cover.copy = static_cast<uint8*>(palloc(BLCKSZ));
    cover.row = static_cast<float*>(palloc(meta.padded * sizeof(float)));
    const NodePlaces& places = cover.walker.places;
    const BlockNumber blocks = RelationGetNumberOfBlocks(index);
    const auto draws =
        static_cast<uint32>(DrawsFor(places, blocks, nodes, std::min(nodes / kNodesPerSearch, kMostSearches)));
    uint32 entries = meta.entry_count;
    for (uint32 i = 0; i < draws && entries < kMostEntries; i++) {
        ANNEX_VACUUM_DELAY_POINT();
        const NodeId node = DrawnPlace(places, blocks, i, draws);
        if (Finds(&cover, node)) continue;
        AddEntry(index, node, logged);
        AddToEntries(cover.walker.cached, node, ConstGraphNode(places.node, cover.copy));
        entries++;
    }
}

}  // namespace annex::pg::hnsw

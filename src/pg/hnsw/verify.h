// The parts of annex_verify for hnsw: verify.cc walks the pages and compares them with each other, verify_pages.cc
// checks each of them by itself.
#pragma once

#include "annex/graph_link.h"
#include "pg/hnsw/cache.h"
#include "pg/hnsw/node_bits.h"
#include "pg/index/inspect.h"
#include "pg/index/tid_inventory.h"

namespace annex::pg::hnsw {

// What a block has turned out to be.
enum class Mark : uint8 {
    kUnknown = 0,  // not looked at yet
    kChained,      // reached from the meta page
    kNodes,
    kFree,  // free to become anything
    kNew    // zeros: the relation was extended, and then nothing was written
};

// A verification under way.
struct Verifier {
    Relation index;
    Relation table;
    BlockNumber blocks;
    BlockNumber table_blocks;  // InvalidBlockNumber: TIDs of this table may be anything
    bool strict;               // pages are compared with each other
    BufferAccessStrategy strategy;
    Page page;   // a copy of the page at hand
    Page other;  // and of another one

    MetaPage meta;
    NodePlaces places;
    ColumnLayout columns;
    SideLayout sides;
    Mark* marks;  // one a block
    NodeBits live;
    NodeBits dead;
    NodeBits tids;     // records of further TIDs
    NodeBits chained;  // of these, those that a live node's chain has led to
    EdgeMaker* maker;  // for what edges should be
    uint8* edge;       // scratch for one
    TidInventory inventory;

    // Counts.
    uint64 live_nodes;
    uint64 dead_nodes;
    uint64 edges;
    uint64 rows;
    uint64 side_rows;
    uint64 entries;

    void Read(BlockNumber block) { CopyPage(index, block, strategy, page); }
    [[noreturn]] void Report(BlockNumber block, const char* reason) { ReportCorrupted(index, block, reason); }
    [[nodiscard]] Size value_bytes() const { return sides.value_bytes; }

    // Each page by itself; `page` holds it.
    void CheckMetaPage();
    void CheckMeanPage(BlockNumber block, uint32* values);
    void CheckNodePage(BlockNumber block);
    void CheckEntriesPage(BlockNumber block);
    void CheckSidePage(BlockNumber block);
    void CheckAnyPage(BlockNumber block);

    // Chains of pages.
    void Reach(BlockNumber from, BlockNumber block);
    void WalkMean();
    void WalkEntries();
    void WalkSide();
    void WalkOtherPages();

    // What nodes say of each other.
    void CheckLinks();
    void CheckEntriesLive();
    void CheckReachable();

  private:
    void CheckTid(BlockNumber block, HeapTid tid, const uint8* values);
    void CheckCodes(BlockNumber block, const GraphNode& node);
    void CheckEdges(BlockNumber block, uint16 slot, const GraphNode& node);
    void CheckNode(BlockNumber block, const NodePage& nodes, uint16 slot);
    void CheckTids(BlockNumber block, const NodePage& nodes, uint16 slot);
    void CheckNeighbours(BlockNumber block, uint16 slot, const GraphNode& node);
    void CheckEdgeBytes(BlockNumber block, uint16 slot, const GraphNode& node, uint32 i);
    void CheckChain(BlockNumber block, uint16 slot, const GraphNode& node);
    void CheckUnchained(BlockNumber block, const NodePage& nodes, uint16 slot);
};

}  // namespace annex::pg::hnsw

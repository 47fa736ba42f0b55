// The WAL records of an insert: a new node, edges to it, and further rows of a node. Each function holds the locks of
// one record, and none when it returns.
#pragma once

#include <vector>

#include "annex/graph_link.h"
#include "pg/hnsw/hnsw.h"
#include "pg/hnsw/walk.h"

namespace annex::pg::hnsw {

// A row to be put into the graph.
struct NewRow {
    HeapTid heap_tid;
    RowFactors factors;
    const int8* codes;
    const uint8* values;  // of the filter columns
};

// A neighbour that was chosen for it.
struct Neighbour {
    NodeId node;
    float squared_distance;
    RowFactors factors;
    const int8* codes;
};

// What linking works with.
struct Linker {
    Walker* walker;
    EdgeMaker* maker;  // its row is the new one
    uint32 m;
    bool logged;
    uint8* edge;             // scratch for one edge
    BlockNumber left_block;  // a page that was found full; InvalidBlockNumber: none
    BlockNumber last_block;  // of the node written last
};

// Writes a node with edges[*count * edge_bytes], or as many of them as the place that it takes has room for, which is
// then *count; returns its number.
[[nodiscard]] NodeId WriteNode(Linker* linker, const MetaPage& meta, const NewRow& row, const uint8* edges,
                               uint32* count);

// Gives neighbours[count] an edge to a node, in order of their pages, up to four pages a record; returns how many have
// one then. `force`: none of them refuses. The neighbours are sorted by this.
[[nodiscard]] uint32 LinkBack(Linker* linker, NodeId node, Neighbour* neighbours, Size count, bool force);

// Adds the row to a node whose row has the same codes. False: it is not such a node any more.
[[nodiscard]] bool AddToNode(Linker* linker, const MetaPage& meta, NodeId node, const NewRow& row);

}  // namespace annex::pg::hnsw

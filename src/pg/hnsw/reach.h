// Which nodes a search can come to at all.
//
// An insert takes no way to a node from anybody. The death of nodes can cut a corner of the graph off, which vacuum
// links again. What is cut off is found by scans that go through everything only.
#pragma once

#include "pg/hnsw/node_bits.h"

namespace annex::pg::hnsw {

// The nodes of the first `blocks` blocks that edges lead to from the entries, dead ones in between included. Memory:
// two bits for each node; page after page is read, those with anything new again and again, until there is nothing new.
// While others write, a few nodes that they link may be missing. Can be cancelled.
[[nodiscard]] NodeBits ReachedNodes(Relation index, const MetaPage& meta, BlockNumber blocks,
                                    BufferAccessStrategy strategy);

struct UnreachedNode {
    NodeId id;
    GraphNode node;  // a copy
};
using VisitUnreached = void (*)(const UnreachedNode& node, void* arg);
// For each live node of the first `blocks` blocks that is not in the set. No lock is held meanwhile.
void ForEachUnreached(Relation index, const MetaPage& meta, const NodeBits& reached, BlockNumber blocks,
                      BufferAccessStrategy strategy, VisitUnreached visit, void* arg);

// Gives the live nodes that no edges lead to edges as an insert does; returns how many it gave some.
int64 RelinkUnreached(Relation index, BufferAccessStrategy strategy);

}  // namespace annex::pg::hnsw

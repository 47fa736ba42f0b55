// Which nodes a search can come to at all.
//
// An insert takes no way to a node from anybody. The death of nodes can cut a corner of the graph off, which vacuum
// links again. What is cut off is found by scans that go through everything only.
#pragma once

#include "pg/hnsw/node_bits.h"

namespace annex::pg::hnsw {

// What edges are followed of.
enum class Ways : uint8 {
    kAll,  // dead nodes, too, as searches do
    kLive  // live nodes alone: what is left when the dead ones have gone
};

// The nodes of the first `blocks` blocks that edges lead to from the entries. Memory: two bits for each node; page
// after page is read, those with anything new again and again, until there is nothing new. While others write, a few
// nodes that they link may be missing. Can be cancelled.
[[nodiscard]] NodeBits ReachedNodes(Relation index, const MetaPage& meta, BlockNumber blocks,
                                    BufferAccessStrategy strategy, Ways ways = Ways::kAll);

struct UnreachedNode {
    NodeId id;
    GraphNode node;  // a copy
};
using VisitUnreached = void (*)(const UnreachedNode& node, void* arg);
// For each live node of the first `blocks` blocks that is not in the set. No lock is held meanwhile.
void ForEachUnreached(Relation index, const MetaPage& meta, const NodeBits& reached, BlockNumber blocks,
                      BufferAccessStrategy strategy, VisitUnreached visit, void* arg);

// Gives the live nodes to which no such way leads edges from nodes to which one does; returns how many it gave some.
int64 RelinkUnreached(Relation index, BufferAccessStrategy strategy, Ways ways = Ways::kAll);

}  // namespace annex::pg::hnsw

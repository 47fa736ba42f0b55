// A set of nodes, one bit each.
#pragma once

#include "pg/hnsw/page.h"

namespace annex::pg::hnsw {

struct NodeBits {
    uint64* words;
    uint64 count;

    [[nodiscard]] bool Has(NodeId node) const { return node < count && (words[node / 64] >> node % 64 & 1) != 0; }
    // Nodes beyond the set's end are left out.
    void Add(NodeId node) const {
        if (node < count) words[node / 64] |= uint64{1} << node % 64;
    }
    void Free() const { pfree(words); }
};

// An empty set for the nodes of so many blocks, in the current memory context.
[[nodiscard]] inline NodeBits NewNodeBits(const NodePlaces& places, BlockNumber blocks) {
    const uint64 count = static_cast<uint64>(blocks) * places.slots_per_page;
    auto* words = static_cast<uint64*>(MemoryContextAllocExtended(
        CurrentMemoryContext, (count / 64 + 1) * sizeof(uint64), MCXT_ALLOC_ZERO | MCXT_ALLOC_HUGE));
    return {words, count};
}

}  // namespace annex::pg::hnsw

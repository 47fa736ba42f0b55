// How a node's record is laid out, and how many edges it has.
#include "annex/graph_node.h"

#include <algorithm>

namespace annex {
namespace {

// Records begin at multiples of it.
constexpr size_t kAlignment = 8;

size_t RoundUp(size_t bytes) noexcept {
    return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

// The most edges of a node, if so many nodes share a page.
size_t DegreeFor(size_t nodes, size_t most, size_t padded, size_t value_bytes, bool with_norms,
                 size_t page_bytes) noexcept {
    for (size_t degree = most; degree > 0; --degree)
        if (nodes * NodeLayout(padded, degree, value_bytes, with_norms).bytes() <= page_bytes) return degree;
    return 0;
}

}  // namespace

NodeLayout::NodeLayout(size_t padded, size_t degree, size_t value_bytes, bool with_norms) noexcept
    : padded_(padded),
      degree_(degree),
      neighbours_(RoundUp(sizeof(NodeHeader) + value_bytes)),
      with_norms_(with_norms) {
    const size_t norms_end = norms_offset() + (with_norms ? degree * sizeof(uint16_t) : 0);
    row_ = RoundUp(norms_end);
    edge_codes_ = row_ + padded;
}

size_t ChooseDegree(size_t m, size_t padded, size_t value_bytes, bool with_norms, size_t page_bytes) noexcept {
    constexpr size_t kFewest = 4;
    const size_t most = 2 * m;
    const auto degree_for = [&](size_t nodes) {
        return DegreeFor(nodes, most, padded, value_bytes, with_norms, page_bytes);
    };
    const size_t alone = degree_for(1);
    if (alone < std::min(kFewest, most)) return 0;
    size_t nodes = 1;
    while (10 * degree_for(nodes + 1) >= 9 * m) ++nodes;
    if (nodes == 1 && 2 * degree_for(2) >= m) nodes = 2;
    return degree_for(nodes);
}

}  // namespace annex

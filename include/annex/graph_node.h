// A node of a graph over vectors: what is known of a row, and its edges, in one record, so that a search that visits
// the node touches nothing else.
//
//   NodeHeader (24) | values of the filter columns | neighbours: NodeId[degree] | factors: EdgeFactors[degree] |
//   norms: uint16[degree], for inner product alone | codes of the row: int8[padded] | codes of the edges:
//   degree * padded / 8 bytes
//
// The row is a refinement row (annex/refinement.h): it gives true bounds of the row's distance. The codes of the edges
// (annex/edge.h) estimate the neighbours' distances, by which a search tells which of them to visit. Edges are kept
// without gaps and in no order. All records of a graph have one size, so that a NodeId tells where a node lies.
#pragma once

#include <cstddef>
#include <cstdint>

#include "annex/edge.h"
#include "annex/refinement.h"
#include "annex/sketch.h"

namespace annex {

using NodeId = uint32_t;
inline constexpr NodeId kNoNode = UINT32_MAX;

enum class NodeState : uint8_t {
    kFree = 0,  // nobody refers to it, but for searches that are under way
    kLive = 1,
    kDead = 2,  // of a row that is gone; searches still go through it
    kTids = 3,  // no node: further heap TIDs of one
};

struct NodeHeader {
    HeapTid heap_tid;  // invalid, and the node live: its rows are all in the chain
    NodeState state;
    uint8_t unused;
    uint16_t edges;
    uint16_t reserved;
    NodeId more;  // the chain of further rows with the very same codes; kNoNode: there are none
    RowFactors row;
};
static_assert(sizeof(NodeHeader) == 24);

class NodeLayout {
  public:
    NodeLayout() = default;
    NodeLayout(size_t padded, size_t degree, size_t value_bytes, bool with_norms) noexcept;

    [[nodiscard]] size_t padded() const noexcept { return padded_; }
    // The most edges that a node has.
    [[nodiscard]] size_t degree() const noexcept { return degree_; }
    [[nodiscard]] size_t code_bytes() const noexcept { return EdgeCodeBytes(padded_); }  // of an edge
    [[nodiscard]] bool with_norms() const noexcept { return with_norms_; }
    [[nodiscard]] size_t bytes() const noexcept { return edge_codes_ + degree_ * code_bytes(); }

    [[nodiscard]] size_t values_offset() const noexcept { return sizeof(NodeHeader); }
    [[nodiscard]] size_t neighbours_offset() const noexcept { return neighbours_; }
    [[nodiscard]] size_t factors_offset() const noexcept { return neighbours_ + degree_ * sizeof(NodeId); }
    [[nodiscard]] size_t norms_offset() const noexcept { return factors_offset() + degree_ * sizeof(EdgeFactors); }
    [[nodiscard]] size_t row_offset() const noexcept { return row_; }
    [[nodiscard]] size_t edge_codes_offset() const noexcept { return edge_codes_; }

  private:
    size_t padded_ = 0;
    size_t degree_ = 0;
    size_t neighbours_ = 0;
    size_t row_ = 0;
    size_t edge_codes_ = 0;
    bool with_norms_ = false;
};

// The most bytes that one edge adds to a node.
[[nodiscard]] constexpr size_t EdgeBytes(size_t padded, bool with_norms) noexcept {
    return sizeof(NodeId) + sizeof(EdgeFactors) + (with_norms ? sizeof(uint16_t) : 0) + EdgeCodeBytes(padded);
}

// How many edges a node has, at most, of a graph that is asked for m connections (2 m of them, as in HNSW's base
// layer), where nodes lie on pages of so many bytes. Whole nodes fill a page, so this is a choice of how many these
// are: as many as leave each about m edges (at least nine tenths; half, if that lets two nodes share a page), and then
// as many edges as there is room for. 0: not even one node with a few edges fits.
[[nodiscard]] size_t ChooseDegree(size_t m, size_t padded, size_t value_bytes, bool with_norms,
                                  size_t page_bytes) noexcept;

// A node's record: `Byte` is uint8_t or const uint8_t. Nothing is checked.
template <typename Byte>
class NodeView {
  public:
    NodeView(const NodeLayout& layout, Byte* bytes) noexcept : layout_(&layout), bytes_(bytes) {}

    template <typename T>
    using Like = std::conditional_t<std::is_const_v<Byte>, const T, T>;

    [[nodiscard]] Byte* bytes() const noexcept { return bytes_; }
    [[nodiscard]] Like<NodeHeader>& header() const noexcept { return *At<NodeHeader>(0); }
    [[nodiscard]] Byte* values() const noexcept { return bytes_ + layout_->values_offset(); }
    [[nodiscard]] Like<NodeId>* neighbours() const noexcept { return At<NodeId>(layout_->neighbours_offset()); }
    [[nodiscard]] Like<EdgeFactors>* factors() const noexcept { return At<EdgeFactors>(layout_->factors_offset()); }
    [[nodiscard]] Like<uint16_t>* norms() const noexcept { return At<uint16_t>(layout_->norms_offset()); }
    [[nodiscard]] Like<int8_t>* row() const noexcept { return At<int8_t>(layout_->row_offset()); }
    [[nodiscard]] Byte* edge_codes() const noexcept { return bytes_ + layout_->edge_codes_offset(); }
    [[nodiscard]] Byte* edge_code(size_t edge) const noexcept { return edge_codes() + edge * layout_->code_bytes(); }

  private:
    template <typename T>
    [[nodiscard]] Like<T>* At(size_t offset) const noexcept {
        return reinterpret_cast<Like<T>*>(bytes_ + offset);
    }

    const NodeLayout* layout_;
    Byte* bytes_;
};
using Node = NodeView<uint8_t>;
using ConstNode = NodeView<const uint8_t>;

}  // namespace annex

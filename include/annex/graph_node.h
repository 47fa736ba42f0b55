// A node of a graph over vectors: what is known of a row, and its edges, in one record, so that a search that visits
// the node touches nothing else.
//
//   NodeHeader (24) | values of the filter columns | codes of the row: int8[padded] | edges
//   edge: EdgeHeader (8, or 12 for inner product), then the code of the neighbour relative to this node
//
// Of bit strings the row is the bits, and an edge is the neighbour (4), then the first bits of its row: of so many as
// differ there the others have about their share.
//
// The row is a refinement row (annex/refinement.h): it gives true bounds of the row's distance. The codes of the edges
// (annex/edge.h) estimate the neighbours' distances, by which a search tells which of them to visit. Nodes have as many
// edges as they need, and some room for more; edges lie without gaps and in no order, so that one is added, or another
// put in its place, by writing its bytes alone.
//
// Measured, visits for a recall of .95 and .99 at about equal bytes a row: as many edges as needed, up to 2 m, 64 and
// 146 (SIFT) or 36 and 181 (MiniLM); m edges for each node 75 and 201, 38 and 211; shorter codes and more edges 85 and
// 185, 35 and 197, with a third more bytes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "annex/edge.h"
#include "annex/refinement.h"
#include "annex/sketch.h"
#include "annex/space.h"

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
    uint16_t capacity;  // edges that there is room for
    NodeId more;        // the chain of further rows with the very same codes; kNoNode: there are none
    RowFactors row;
};
static_assert(sizeof(NodeHeader) == 24);

struct EdgeHeader {
    NodeId neighbour;
    EdgeFactors factors;
};
static_assert(sizeof(EdgeHeader) == 8);

// The coordinates that codes of edges take signs of. Above 512 dimensions two thirds of them do: the error is that of
// codes of fewer dimensions, which suffice there. No code takes more than 256 bytes.
[[nodiscard]] constexpr size_t EdgeCodeBits(size_t padded) noexcept {
    constexpr size_t kAll = 512;
    constexpr size_t kMost = 2048;
    return padded <= kAll ? padded : std::clamp((padded * 2 / 3 + 63) / 64 * 64, kAll, kMost);
}

// What edges have beside the neighbour and a code.
enum class EdgeKind : uint8_t {
    kFactors,  // of the code
    kNorms,    // and the neighbour's squared norm, as inner product wants it
    kBits      // nothing: rows are bits, and a code is the first ones of the neighbour's
};

[[nodiscard]] constexpr EdgeKind EdgeKindOf(Metric metric) noexcept {
    if (IsOfBits(metric)) return EdgeKind::kBits;
    return metric == Metric::kInnerProduct ? EdgeKind::kNorms : EdgeKind::kFactors;
}

// The bits of a string that the code of an edge has. Measured with 384 bits, for a recall of .958: 256 of them take 1.7
// times as long as all do and .7 of the bytes, 128 take 15 times as long.
[[nodiscard]] constexpr size_t EdgeBitsOfBits(size_t padded) noexcept {
    constexpr size_t kFewest = 256;
    constexpr size_t kMost = 512;
    return std::min(padded, std::clamp(padded * 2 / 3 / 64 * 64, kFewest, kMost));
}

class NodeLayout {
  public:
    NodeLayout() = default;
    NodeLayout(size_t padded, size_t value_bytes, EdgeKind kind) noexcept
        : padded_(padded),
          row_((sizeof(NodeHeader) + value_bytes + kAlignment - 1) / kAlignment * kAlignment),
          edge_header_(EdgeHeaderBytes(kind)),
          kind_(kind) {}

    [[nodiscard]] size_t padded() const noexcept { return padded_; }
    [[nodiscard]] bool with_norms() const noexcept { return kind_ == EdgeKind::kNorms; }
    [[nodiscard]] bool of_bits() const noexcept { return kind_ == EdgeKind::kBits; }
    [[nodiscard]] size_t code_bits() const noexcept {  // of an edge
        return of_bits() ? EdgeBitsOfBits(padded_) : EdgeCodeBits(padded_);
    }
    [[nodiscard]] size_t edge_bytes() const noexcept { return edge_header_ + EdgeCodeBytes(code_bits()); }
    // Of a node with room for so many edges.
    [[nodiscard]] size_t bytes(size_t capacity) const noexcept { return edges_offset() + capacity * edge_bytes(); }
    // The most edges that a record of so many bytes has room for.
    [[nodiscard]] size_t Capacity(size_t bytes) const noexcept {
        return bytes < edges_offset() ? 0 : (bytes - edges_offset()) / edge_bytes();
    }

    [[nodiscard]] size_t values_offset() const noexcept { return sizeof(NodeHeader); }
    [[nodiscard]] size_t row_offset() const noexcept { return row_; }
    [[nodiscard]] size_t row_bytes() const noexcept { return of_bits() ? padded_ / 8 : padded_; }  // of the row's codes
    [[nodiscard]] size_t edges_offset() const noexcept { return row_ + row_bytes(); }
    [[nodiscard]] size_t code_offset() const noexcept { return edge_header_; }  // in an edge

  private:
    static constexpr size_t kAlignment = 4;

    static size_t EdgeHeaderBytes(EdgeKind kind) noexcept {
        if (kind == EdgeKind::kBits) return sizeof(NodeId);
        return sizeof(EdgeHeader) + (kind == EdgeKind::kNorms ? sizeof(uint32_t) : 0);
    }

    size_t padded_ = 0;
    size_t row_ = 0;
    size_t edge_header_ = 0;
    EdgeKind kind_ = EdgeKind::kFactors;
};

// A node's record, at a multiple of four bytes: `Byte` is uint8_t or const uint8_t. Nothing is checked.
template <typename Byte>
class NodeView {
  public:
    NodeView(const NodeLayout& layout, Byte* bytes) noexcept : layout_(&layout), bytes_(bytes) {}

    template <typename T>
    using Like = std::conditional_t<std::is_const_v<Byte>, const T, T>;

    [[nodiscard]] Byte* bytes() const noexcept { return bytes_; }
    [[nodiscard]] Like<NodeHeader>& header() const noexcept { return *At<NodeHeader>(0); }
    [[nodiscard]] Byte* values() const noexcept { return bytes_ + layout_->values_offset(); }
    [[nodiscard]] Like<int8_t>* row() const noexcept { return At<int8_t>(layout_->row_offset()); }
    [[nodiscard]] Byte* edges() const noexcept { return bytes_ + layout_->edges_offset(); }
    [[nodiscard]] Like<EdgeHeader>& edge(size_t i) const noexcept { return *At<EdgeHeader>(Offset(i)); }
    // bfloat16, of a layout with norms
    [[nodiscard]] Like<uint16_t>& norm(size_t i) const noexcept {
        return *At<uint16_t>(Offset(i) + sizeof(EdgeHeader));
    }
    [[nodiscard]] Byte* code(size_t i) const noexcept { return bytes_ + Offset(i) + layout_->code_offset(); }

  private:
    template <typename T>
    [[nodiscard]] Like<T>* At(size_t offset) const noexcept {
        return reinterpret_cast<Like<T>*>(bytes_ + offset);
    }
    [[nodiscard]] size_t Offset(size_t i) const noexcept { return layout_->edges_offset() + i * layout_->edge_bytes(); }

    const NodeLayout* layout_;
    Byte* bytes_;
};
using GraphNode = NodeView<uint8_t>;
using ConstGraphNode = NodeView<const uint8_t>;

}  // namespace annex

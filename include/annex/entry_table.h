// The rows that searches of a graph may start from, in memory: their nodes, their rows, and codes of these as of edges
// that leave the origin, so that one call estimates all of their distances.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "annex/edge.h"
#include "annex/graph_node.h"
#include "annex/node_row.h"
#include "annex/space.h"

namespace annex {

class EntryTable {
  public:
    // space must outlive the table, whose rows are those of nodes of this layout.
    EntryTable(const Space& space, const NodeLayout& layout);

    // Adds a node with its row.
    void Add(NodeId node, const int8_t* codes, const RowFactors& factors);

    [[nodiscard]] size_t size() const noexcept { return nodes_.size(); }
    [[nodiscard]] NodeId node(size_t i) const noexcept { return nodes_[i]; }
    [[nodiscard]] const int8_t* codes(size_t i) const noexcept { return &row_codes_[i * row_bytes_]; }
    [[nodiscard]] float scale(size_t i) const noexcept { return scales_[i]; }
    [[nodiscard]] float squared_norm(size_t i) const noexcept { return squared_norms_[i]; }
    [[nodiscard]] size_t code_bytes() const noexcept { return code_bytes_; }
    [[nodiscard]] const uint8_t* code(size_t i) const noexcept { return &edge_codes_[i * code_bytes_]; }
    [[nodiscard]] const EdgeFactors& factors(size_t i) const noexcept { return factors_[i]; }

    [[nodiscard]] static size_t BytesPerEntry(size_t padded) noexcept {
        return padded + EdgeCodeBytes(EdgeCodeBits(padded)) + sizeof(NodeId) + 2 * sizeof(float) + sizeof(EdgeFactors);
    }

  private:
    NodeRows rows_;
    size_t padded_;
    size_t row_bytes_;
    size_t code_bytes_;  // 0: of bits, where rows tell at once
    std::vector<NodeId> nodes_;
    std::vector<int8_t> row_codes_;
    std::vector<float> scales_;
    std::vector<float> squared_norms_;
    std::vector<uint8_t> edge_codes_;
    std::vector<EdgeFactors> factors_;
    std::vector<float> origin_;
    std::vector<float> decoded_;
};

}  // namespace annex

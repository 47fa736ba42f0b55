// Rows as nodes of a graph keep them: refinement rows (annex/refinement.h); of bit strings the bits themselves.
#pragma once

#include <cstdint>
#include <vector>

#include "annex/graph_node.h"
#include "annex/refinement.h"
#include "annex/space.h"

namespace annex {

class NodeRows {
  public:
    // space must outlive it.
    NodeRows(const Space& space, const NodeLayout& layout);

    // y[padded] as Space::TransformRow gives it; row[layout.row_bytes()].
    RowFactors Encode(const float* y, int8_t* row);
    // y[padded], in the index's space.
    void Decode(const int8_t* row, const RowFactors& factors, float* y) const noexcept;

    // ||a - b||^2.
    [[nodiscard]] float SquaredDistance(const int8_t* a, const RowFactors& a_factors, const int8_t* b,
                                        const RowFactors& b_factors) const noexcept;
    // Whether two rows are the very same: then one node is enough for both.
    [[nodiscard]] bool Same(const int8_t* a, const RowFactors& a_factors, const int8_t* b,
                            const RowFactors& b_factors) const noexcept;

  private:
    const Space* space_;
    NodeLayout layout_;
    RowEncoder encoder_;
    std::vector<int8_t> codes_;  // of bits, one a byte
};

}  // namespace annex

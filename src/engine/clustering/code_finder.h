// The nearest of many coded points, for many rows at once: the loop that training and assignment share.
#pragma once

#include <cstddef>
#include <vector>

#include "engine/clustering/code_product.h"
#include "engine/clustering/nearest.h"
#include "engine/clustering/product.h"

namespace annex {

// Scratch memory to find the nearest points of a tile of rows. One for each thread.
class CodeFinder {
  public:
    CodeFinder(size_t rows, size_t padded);

    // The tile: rows to be filled in before Find.
    [[nodiscard]] CodeRows& rows() noexcept { return rows_; }

    // The k <= kMaxNearest nearest points of the tile's first n rows; fewer where there are fewer, or where distances
    // overflow.
    void Find(const CodePoints& points, size_t n, size_t k) noexcept;

    [[nodiscard]] const Nearest& nearest(size_t i) const noexcept { return nearest_[i]; }

  private:
    CodeRows rows_;
    AlignedFloats values_;
    std::vector<Nearest> nearest_;
};

}  // namespace annex

// The nearest of many points, for many rows at once: the loop that training and assignment share.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/clustering/product.h"

namespace annex {

inline constexpr size_t kMaxNearest = 16;

// The nearest points of one row so far, nearest first; of equal ones the one that came first.
struct Nearest {
    std::array<float, kMaxNearest> value;  // half squared distance - half squared norm of the row
    std::array<uint32_t, kMaxNearest> point;
    uint32_t count = 0;

    // From which value on a point is not among the k nearest.
    [[nodiscard]] float Limit(size_t k) const noexcept;
    // value < Limit(k)
    void Insert(float candidate, uint32_t number, size_t k) noexcept;
};

// Scratch memory to find the nearest points of a tile of rows. One for each thread.
class NearestFinder {
  public:
    NearestFinder(size_t rows, size_t padded);

    // Row i of the tile, to be filled in before Find.
    [[nodiscard]] float* row(size_t i) noexcept { return rows_.get() + i * row_stride_; }

    // The k <= kMaxNearest nearest points of the tile's first n rows; fewer where there are fewer, or where distances
    // overflow.
    void Find(const PackedPoints& points, size_t n, size_t k) noexcept;

    [[nodiscard]] const Nearest& nearest(size_t i) const noexcept { return nearest_[i]; }

  private:
    size_t row_stride_;
    AlignedFloats rows_;
    AlignedFloats values_;
    std::vector<Nearest> nearest_;
};

// Rows in a tile for `points` points: at most 1 MB, and some milliseconds of work. Depends on nothing but its
// arguments: results must not depend on the number of threads.
[[nodiscard]] size_t TileRows(size_t points, size_t padded) noexcept;

// Tiles that make up some 20 ms of a thread's work.
[[nodiscard]] size_t TilesPerStep(size_t tile_rows, size_t points, size_t padded) noexcept;

}  // namespace annex

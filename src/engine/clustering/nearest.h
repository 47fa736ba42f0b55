// The nearest points of a row, taken from tiles of distances.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

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

// Offers values[n], n a multiple of 32 and at most 512, to the k nearest: those of the points from `first` on.
void SelectNearest(const float* values, size_t n, uint32_t first, size_t k, Nearest* nearest) noexcept;

// Rows in a tile for `points` points: at most 1 MB, and some milliseconds of work. Depends on nothing but its
// arguments: results must not depend on the number of threads.
[[nodiscard]] size_t TileRows(size_t points, size_t padded) noexcept;

// Tiles that make up some 20 ms of a thread's work.
[[nodiscard]] size_t TilesPerStep(size_t tile_rows, size_t points, size_t padded) noexcept;

}  // namespace annex

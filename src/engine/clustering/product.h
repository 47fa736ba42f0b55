// The matrix product that clustering spends its time on: half squared distances of many rows to many points.
//
// For ranking, ||x - p||^2 / 2 - ||x||^2 / 2 = ||p||^2 / 2 - <x, p> will do. Points are packed once and used for many
// rows: panels of 32 points, in which the 32 values of a dimension lie side by side. A product of our own rather than a
// BLAS: the serial builds of OpenBLAS that distributions ship hand one buffer to two threads now and then, and the
// threaded ones start threads when they are loaded.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>

namespace annex {

// Uninitialised floats, aligned to cache lines.
class AlignedFloats {
  public:
    AlignedFloats() = default;
    explicit AlignedFloats(size_t n)
        : floats_(static_cast<float*>(::operator new (n * sizeof(float), std::align_val_t{kAlignment}))) {}

    [[nodiscard]] float* get() noexcept { return floats_.get(); }
    [[nodiscard]] const float* get() const noexcept { return floats_.get(); }

  private:
    static constexpr size_t kAlignment = 64;
    struct Delete {
        void operator()(float* floats) const noexcept { ::operator delete (floats, std::align_val_t{kAlignment}); }
    };
    std::unique_ptr<float, Delete> floats_;
};

class PackedPoints {
  public:
    static constexpr size_t kPanel = 32;

    // Memory for n points: (padded + 1) * 4 bytes each, n rounded up to whole panels.
    PackedPoints(size_t n, size_t padded);

    // points[n * padded].
    void Pack(const float* points, int threads) noexcept;

    [[nodiscard]] size_t size() const noexcept { return size_; }
    [[nodiscard]] size_t padded() const noexcept { return padded_; }

    // out[i * out_stride + j] = ||p||^2 / 2 - <row i, p> for the points p = first + j, j < n; row i starts at rows + i
    // * row_stride. `first` is a multiple of kPanel, and out's rows have room for n rounded up to whole panels. An
    // element depends on its row and its point alone. Infinite or NaN where squares overflow, and for what
    // fills up the last panel.
    void HalfDistances(const float* rows, size_t row_stride, size_t row_count, size_t first, size_t n, float* out,
                       size_t out_stride) const noexcept;

  private:
    size_t size_;
    size_t padded_;
    AlignedFloats panels_;      // [panel][dimension][kPanel]
    AlignedFloats half_norms_;  // infinite for what fills up the last panel
};

// The distance at which rows should lie: at a power of two, the same dimension of several rows would compete for one
// set of the cache.
[[nodiscard]] constexpr size_t RowStride(size_t padded) noexcept {
    return padded + 16;
}

// ||x||^2 / 2.
[[nodiscard]] float HalfSquaredNorm(const float* x, size_t n) noexcept;

}  // namespace annex

// The product of 8-bit codes: half squared distances of coded rows to many coded points, some four times as fast as
// that of floats (engine/clustering/product.h).
//
// A row x = s * a and a point p = t * b are codes in [-127, 127] and a scale each (annex::Sample). ||p||^2 / 2 - <x, p>
// is then half_norm - s * t * <a, b>, with an exact integer product, so that every level gives the same, bit for bit.
// The norm is that of the decoded point: the result is the distance to the decoded point, and what coding costs depends
// on the residual and not on how far from the origin row and point lie.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/clustering/code_dots.h"

namespace annex {

namespace internal {

// One panel of 32 points: out[i * out_stride + j] = half_norms[j] - scales[i] * <row i, point j> * point_scales[j].
// The panel holds, for every four dimensions, those of all points: byte 4 * j + d % 4 of 128 at panel + d / 4 * 128.
// `sums` are those of the rows' codes. padded is a multiple of 64.
using CodeProduct = void (*)(const int8_t* rows, size_t row_stride, const float* scales, const int32_t* sums,
                             size_t row_count, const int8_t* panel, const float* point_scales, const float* half_norms,
                             size_t padded, float* out, size_t out_stride);

// That of the level in use.
[[nodiscard]] CodeProduct ActiveCodeProduct() noexcept;

}  // namespace internal

// Rows of codes, one after the other: the left side of the product, of which each thread has one.
class CodeRows {
  public:
    CodeRows(size_t capacity, size_t padded);

    [[nodiscard]] const int8_t* codes(size_t i) const noexcept { return codes_.data() + i * padded_; }
    [[nodiscard]] const float* scales() const noexcept { return scales_.data(); }
    [[nodiscard]] const int32_t* sums() const noexcept { return sums_.data(); }

    void Set(size_t i, const int8_t* codes, float scale) noexcept;
    void Encode(size_t i, const float* row) noexcept;

  private:
    size_t padded_;
    std::vector<int8_t> codes_;
    std::vector<float> scales_;
    std::vector<int32_t> sums_;
};

// Points, coded and packed once and used for many rows.
class CodePoints {
  public:
    static constexpr size_t kPanel = 32;

    // Memory for n points: padded + 8 bytes each, n rounded up to whole panels.
    CodePoints(size_t n, size_t padded);

    [[nodiscard]] size_t size() const noexcept { return size_; }
    [[nodiscard]] size_t padded() const noexcept { return padded_; }
    // size(), rounded up to whole panels.
    [[nodiscard]] size_t width() const noexcept { return half_norms_.size(); }

    // points[size() * padded].
    void Pack(const float* points, int threads);

    [[nodiscard]] float scale(size_t i) const noexcept { return scales_[i]; }
    [[nodiscard]] float half_norm(size_t i) const noexcept { return half_norms_[i]; }
    // Writes the codes of point i to codes[padded].
    void Unpack(size_t i, int8_t* codes) const noexcept;

    // out[i * out_stride + j] = ||p||^2 / 2 - <row i, p> for the points p = first + j, j < n; `first` and n are
    // multiples of kPanel. Infinite or NaN where squares overflow; infinite for what fills up a panel.
    void HalfDistances(const CodeRows& rows, size_t row_first, size_t row_count, size_t first, size_t n, float* out,
                       size_t out_stride) const noexcept;

  private:
    void PackPoint(const float* point, size_t i, int8_t* codes) noexcept;

    size_t size_;
    size_t padded_;
    std::vector<int8_t> panels_;
    std::vector<float> scales_;
    std::vector<float> half_norms_;
};

}  // namespace annex

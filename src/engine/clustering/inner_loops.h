// The inner loops of clustering, one set for every level of annex/kernels.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

namespace annex::internal {

struct InnerLoops {
    // Products of rows with one panel of 32 points (PackedPoints), over `depth` dimensions:
    // out[i * out_stride + j] = start - sum_d rows[i * row_stride + d] * panel[32 * d + j],
    // where start is starts[j], or what out holds if starts is null.
    void (*product)(const float* rows, size_t row_stride, size_t row_count, const float* panel, size_t depth,
                    const float* starts, float* out, size_t out_stride);

    // A value that at least k of values[n] do not exceed, and few more, if k of them are finite; otherwise infinity. n
    // is a multiple of 32, 1 <= k <= 32. NaNs count as infinite.
    float (*threshold)(const float* values, size_t n, size_t k);

    // Writes the indices of the values < limit to indices[n], ascending, and returns their number. n is a multiple of
    // 32.
    size_t (*below)(const float* values, size_t n, float limit, uint32_t* indices);

    // Codes of a row of finite values and their scale (Sample); the others multiply them out. n is a multiple of 64.
    // All levels round alike, to the nearest code and to even ones.
    float (*encode)(const float* row, size_t n, int8_t* codes);
    // out[i] = scale * codes[i]
    void (*decode)(const int8_t* codes, float scale, size_t n, float* out);
    // sums[i] += scale * codes[i]
    void (*add_decoded)(const int8_t* codes, float scale, size_t n, float* sums);
};

// The scale for a row whose largest magnitude is `largest`: zero, and all codes zero, where its inverse would overflow.
[[nodiscard]] inline float CodeScale(float largest) noexcept {
    const float scale = largest / 127;
    return scale >= std::numeric_limits<float>::min() ? scale : 0;
}

// Those of the level in use.
[[nodiscard]] const InnerLoops& ActiveInnerLoops() noexcept;

}  // namespace annex::internal

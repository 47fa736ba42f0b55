// Packs points and cuts products into pieces that fit the caches.
#include "engine/clustering/product.h"

#include <algorithm>
#include <limits>

#include "engine/clustering/inner_loops.h"
#include "engine/clustering/threads.h"

namespace annex {

namespace {

// Dimensions taken at a time: a panel's part is 32 kB.
constexpr size_t kDepth = 256;

size_t Panels(size_t n) noexcept {
    return (n + PackedPoints::kPanel - 1) / PackedPoints::kPanel;
}

}  // namespace

float HalfSquaredNorm(const float* x, size_t n) noexcept {
    double sum = 0;
    for (size_t d = 0; d < n; d++) sum += static_cast<double>(x[d]) * static_cast<double>(x[d]);
    return static_cast<float>(sum / 2);
}

PackedPoints::PackedPoints(size_t n, size_t padded)
    : size_(n), padded_(padded), panels_(Panels(n) * kPanel * padded), half_norms_(Panels(n) * kPanel) {}

void PackedPoints::Pack(const float* points, int threads) noexcept {
    ParallelFor(threads, Panels(size_), [&](size_t panel, size_t) {
        const size_t first = panel * kPanel;
        const size_t count = std::min(kPanel, size_ - first);
        float* out = panels_.get() + first * padded_;
        if (count < kPanel) std::fill_n(out, kPanel * padded_, 0.0F);
        for (size_t d = 0; d < padded_; d++)
            for (size_t j = 0; j < count; j++) out[d * kPanel + j] = points[(first + j) * padded_ + d];
        for (size_t j = 0; j < kPanel; j++)
            half_norms_.get()[first + j] = j < count ? HalfSquaredNorm(points + (first + j) * padded_, padded_)
                                                     : std::numeric_limits<float>::infinity();
    });
}

void PackedPoints::HalfDistances(const float* rows, size_t row_stride, size_t row_count, size_t first, size_t n,
                                 float* out, size_t out_stride) const noexcept {
    const auto product = internal::ActiveInnerLoops().product;
    for (size_t j = 0; j < n; j += kPanel) {
        const float* panel = panels_.get() + (first + j) * padded_;
        const float* starts = half_norms_.get() + first + j;
        for (size_t d = 0; d < padded_; d += kDepth) {
            product(rows + d, row_stride, row_count, panel + d * kPanel, std::min(kDepth, padded_ - d), starts, out + j,
                    out_stride);
            starts = nullptr;  // go on from what the first dimensions gave
        }
    }
}

}  // namespace annex

// The inner loop of the matrix product, for every level that annex/kernels.h knows.
//
// A block of rows times a few vectors of the panel is held in registers: in every dimension, the panel's vectors are
// loaded once and multiplied with one broadcast value for each row. Block sizes fill the 16 or 32 registers.
#include <cstring>
#include <string_view>

#include "annex/kernels.h"
#include "engine/clustering/product.h"

#if defined(__aarch64__)
#define HWY_DISABLED_TARGETS (~(HWY_NEON | HWY_NEON_WITHOUT_AES | HWY_SCALAR | HWY_EMU128))
#else
#define HWY_DISABLED_TARGETS (~(HWY_SSE4 | HWY_AVX2 | HWY_AVX3 | HWY_SCALAR | HWY_EMU128))
#endif
#include "hwy/detect_targets.h"
#ifndef HWY_NEON_WITHOUT_AES  // newer than 1.0.3
#define HWY_NEON_WITHOUT_AES 0
#endif

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/clustering/panel_product.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

// The baseline has no vectors of use; the plain loop serves there.
#if HWY_TARGET != HWY_SCALAR && HWY_TARGET != HWY_EMU128

HWY_BEFORE_NAMESPACE();
namespace annex::internal {
namespace HWY_NAMESPACE {

namespace {

namespace hn = hwy::HWY_NAMESPACE;

constexpr hn::ScalableTag<float> kFloats;
constexpr size_t kLanes = HWY_LANES(float);
constexpr size_t kVectors = 2;                // of a panel, at a time
constexpr size_t kWidth = kVectors * kLanes;  // columns
#if HWY_TARGET == HWY_AVX3
constexpr size_t kRows = 12;
#elif defined(__aarch64__)
constexpr size_t kRows = 8;
#else
constexpr size_t kRows = 6;
#endif

template <size_t kCount>
HWY_INLINE void Block(const float* HWY_RESTRICT rows, size_t row_stride, const float* HWY_RESTRICT panel, size_t depth,
                      const float* starts, float* out, size_t out_stride) {
    hn::Vec<hn::ScalableTag<float>> sums0[kCount];
    hn::Vec<hn::ScalableTag<float>> sums1[kCount];
    HWY_UNROLL(16)
    for (size_t i = 0; i < kCount; i++) {
        const float* start = starts != nullptr ? starts : out + i * out_stride;
        sums0[i] = hn::LoadU(kFloats, start);
        sums1[i] = hn::LoadU(kFloats, start + kLanes);
    }
    for (size_t d = 0; d < depth; d++) {
        const auto panel0 = hn::LoadU(kFloats, panel + d * PackedPoints::kPanel);
        const auto panel1 = hn::LoadU(kFloats, panel + d * PackedPoints::kPanel + kLanes);
        HWY_UNROLL(16)
        for (size_t i = 0; i < kCount; i++) {
            const auto value = hn::Set(kFloats, rows[i * row_stride + d]);
            sums0[i] = hn::NegMulAdd(value, panel0, sums0[i]);
            sums1[i] = hn::NegMulAdd(value, panel1, sums1[i]);
        }
    }
    HWY_UNROLL(16)
    for (size_t i = 0; i < kCount; i++) {
        hn::StoreU(sums0[i], kFloats, out + i * out_stride);
        hn::StoreU(sums1[i], kFloats, out + i * out_stride + kLanes);
    }
}

void Product(const float* rows, size_t row_stride, size_t row_count, const float* panel, size_t depth,
             const float* starts, float* out, size_t out_stride) {
    for (size_t column = 0; column < PackedPoints::kPanel; column += kWidth) {
        const float* column_starts = starts != nullptr ? starts + column : nullptr;
        size_t i = 0;
        for (; i + kRows <= row_count; i += kRows)
            Block<kRows>(rows + i * row_stride, row_stride, panel + column, depth, column_starts,
                         out + i * out_stride + column, out_stride);
        for (; i + 4 <= row_count; i += 4)
            Block<4>(rows + i * row_stride, row_stride, panel + column, depth, column_starts,
                     out + i * out_stride + column, out_stride);
        for (; i < row_count; i++)
            Block<1>(rows + i * row_stride, row_stride, panel + column, depth, column_starts,
                     out + i * out_stride + column, out_stride);
    }
}

}  // namespace

PanelProduct GetProduct() noexcept {
    return Product;
}

}  // namespace HWY_NAMESPACE
}  // namespace annex::internal
HWY_AFTER_NAMESPACE();

#endif  // a target with vectors

#if HWY_ONCE

namespace annex::internal {

namespace {

void PlainProduct(const float* rows, size_t row_stride, size_t row_count, const float* panel, size_t depth,
                  const float* starts, float* out, size_t out_stride) {
    constexpr size_t kPanel = PackedPoints::kPanel;
    for (size_t i = 0; i < row_count; i++) {
        float sums[kPanel];
        std::memcpy(sums, starts != nullptr ? starts : out + i * out_stride, sizeof(sums));
        for (size_t d = 0; d < depth; d++) {
            const float value = rows[i * row_stride + d];
            for (size_t j = 0; j < kPanel; j++) sums[j] -= value * panel[d * kPanel + j];
        }
        std::memcpy(out + i * out_stride, sums, sizeof(sums));
    }
}

}  // namespace

PanelProduct ActivePanelProduct() noexcept {
    // That a level has a table means that this CPU can run it.
    const std::string_view level = ActiveKernels().name;
#if defined(__x86_64__)
    if (level == "avx512") return N_AVX3::GetProduct();
    if (level == "avx2") return N_AVX2::GetProduct();
    if (level == "sse4") return N_SSE4::GetProduct();
#elif HWY_STATIC_TARGET == HWY_NEON || HWY_STATIC_TARGET == HWY_NEON_WITHOUT_AES
    if (level == "neon") return HWY_NAMESPACE::GetProduct();
#endif
    return PlainProduct;
}

}  // namespace annex::internal

#endif  // HWY_ONCE

// The inner loops of clustering, in one source for all levels: Google Highway compiles this file once for each.
//
// The product holds a block of rows times two vectors of the panel in registers: in every dimension, the panel's
// vectors are loaded once and multiplied with one broadcast value for each row. Block sizes fill the 16 or 32
// registers.
//
// The threshold comes from the smallest value of every residue class of the index modulo 32. The k-th smallest of these
// minima is no less than the k-th smallest value, and few values lie at or below it: for k = 8, some 9 of any number.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>

#include "annex/kernels.h"
#include "engine/clustering/inner_loops.h"
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
#define HWY_TARGET_INCLUDE "engine/clustering/inner_loops.cc"
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

constexpr size_t kClasses = 32;
constexpr size_t kClassVectors = kClasses / kLanes;

using Vector = hn::Vec<hn::ScalableTag<float>>;

// The smallest value that at least k of the 32 do not exceed, by counting for each: 32 * 32 comparisons without a
// branch are faster than a selection by partitions.
HWY_INLINE float KthSmallest(const Vector* values, size_t k) {
    constexpr hn::RebindToSigned<hn::ScalableTag<float>> kInts;
    HWY_ALIGN float stored[kClasses];
    hn::Vec<hn::RebindToSigned<hn::ScalableTag<float>>> counts[kClassVectors];
    HWY_UNROLL(8)
    for (size_t v = 0; v < kClassVectors; v++) {
        hn::Store(values[v], kFloats, stored + v * kLanes);
        counts[v] = hn::Zero(kInts);
    }
    for (size_t c = 0; c < kClasses; c++) {
        const Vector value = hn::Set(kFloats, stored[c]);
        HWY_UNROLL(8)
        for (size_t v = 0; v < kClassVectors; v++)
            counts[v] = hn::Sub(counts[v], hn::VecFromMask(kInts, hn::RebindMask(kInts, hn::Le(value, values[v]))));
    }
    Vector least = hn::Set(kFloats, std::numeric_limits<float>::infinity());
    const auto enough = hn::Set(kInts, static_cast<int32_t>(k) - 1);
    HWY_UNROLL(8)
    for (size_t v = 0; v < kClassVectors; v++)
        least = hn::Min(least, hn::IfThenElse(hn::RebindMask(kFloats, hn::Gt(counts[v], enough)), values[v], least));
    return hn::GetLane(hn::MinOfLanes(kFloats, least));
}

float Threshold(const float* values, size_t n, size_t k) {
    Vector least[kClassVectors];
    HWY_UNROLL(8)
    for (size_t v = 0; v < kClassVectors; v++) least[v] = hn::Set(kFloats, std::numeric_limits<float>::infinity());
    for (size_t i = 0; i < n; i += kClasses) {
        HWY_UNROLL(8)
        for (size_t v = 0; v < kClassVectors; v++) {
            const Vector value = hn::LoadU(kFloats, values + i + v * kLanes);
            least[v] = hn::IfThenElse(hn::Lt(value, least[v]), value, least[v]);  // a NaN is never less
        }
    }
    if (k > 1) return KthSmallest(least, k);
    HWY_UNROLL(8)
    for (size_t v = 1; v < kClassVectors; v++) least[0] = hn::Min(least[0], least[v]);
    return hn::GetLane(hn::MinOfLanes(kFloats, least[0]));
}

size_t Below(const float* values, size_t n, float limit, uint32_t* indices) {
    const Vector limits = hn::Set(kFloats, limit);
    size_t count = 0;
    for (size_t i = 0; i < n; i += kLanes) {
        const auto below = hn::Lt(hn::LoadU(kFloats, values + i), limits);
        if (hn::AllFalse(kFloats, below)) continue;
        uint8_t bytes[8] = {};
        hn::StoreMaskBits(kFloats, below, bytes);
        uint64_t bits;
        std::memcpy(&bits, bytes, sizeof(bits));
        for (; bits != 0; bits &= bits - 1)
            indices[count++] = static_cast<uint32_t>(i + static_cast<size_t>(__builtin_ctzll(bits)));
    }
    return count;
}

float Encode(const float* row, size_t n, int8_t* codes) {
    constexpr hn::Rebind<int8_t, hn::ScalableTag<float>> kBytes;
    Vector magnitude = hn::Zero(kFloats);
    for (size_t i = 0; i < n; i += kLanes) magnitude = hn::Max(magnitude, hn::Abs(hn::LoadU(kFloats, row + i)));
    const float scale = CodeScale(hn::GetLane(hn::MaxOfLanes(kFloats, magnitude)));
    const Vector inverse = hn::Set(kFloats, scale > 0 ? 1 / scale : 0);
    for (size_t i = 0; i < n; i += kLanes) {
        const auto code = hn::NearestInt(hn::Mul(hn::LoadU(kFloats, row + i), inverse));
        hn::StoreU(hn::DemoteTo(kBytes, code), kBytes, codes + i);
    }
    return scale;
}

HWY_INLINE Vector Decoded(const int8_t* codes, Vector scale) {
    constexpr hn::Rebind<int8_t, hn::ScalableTag<float>> kBytes;
    constexpr hn::RebindToSigned<hn::ScalableTag<float>> kInts;
    return hn::Mul(scale, hn::ConvertTo(kFloats, hn::PromoteTo(kInts, hn::LoadU(kBytes, codes))));
}

void Decode(const int8_t* codes, float scale, size_t n, float* out) {
    const Vector scales = hn::Set(kFloats, scale);
    for (size_t i = 0; i < n; i += kLanes) hn::StoreU(Decoded(codes + i, scales), kFloats, out + i);
}

void AddDecoded(const int8_t* codes, float scale, size_t n, float* sums) {
    const Vector scales = hn::Set(kFloats, scale);
    for (size_t i = 0; i < n; i += kLanes)
        hn::StoreU(hn::Add(hn::LoadU(kFloats, sums + i), Decoded(codes + i, scales)), kFloats, sums + i);
}

constinit const InnerLoops kInnerLoops = {.product = Product,
                                          .threshold = Threshold,
                                          .below = Below,
                                          .encode = Encode,
                                          .decode = Decode,
                                          .add_decoded = AddDecoded};

}  // namespace

const InnerLoops& GetInnerLoops() noexcept {
    return kInnerLoops;
}

}  // namespace HWY_NAMESPACE
}  // namespace annex::internal
HWY_AFTER_NAMESPACE();

#endif  // a target with vectors

#if HWY_ONCE

namespace annex::internal {

namespace {

constexpr size_t kPanel = PackedPoints::kPanel;

void PlainProduct(const float* rows, size_t row_stride, size_t row_count, const float* panel, size_t depth,
                  const float* starts, float* out, size_t out_stride) {
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

float PlainThreshold(const float* values, size_t n, size_t k) {
    std::array<float, kPanel> least;
    least.fill(std::numeric_limits<float>::infinity());
    for (size_t i = 0; i < n; i += kPanel)
        for (size_t c = 0; c < kPanel; c++) least[c] = values[i + c] < least[c] ? values[i + c] : least[c];
    std::nth_element(least.begin(), least.begin() + static_cast<ptrdiff_t>(k - 1), least.end());
    return least[k - 1];
}

size_t PlainBelow(const float* values, size_t n, float limit, uint32_t* indices) {
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        if (values[i] < limit) indices[count++] = static_cast<uint32_t>(i);
    return count;
}

float PlainEncode(const float* row, size_t n, int8_t* codes) {
    float largest = 0;
    for (size_t i = 0; i < n; i++) largest = std::max(largest, std::fabs(row[i]));
    const float scale = CodeScale(largest);
    const float inverse = scale > 0 ? 1 / scale : 0;
    for (size_t i = 0; i < n; i++) codes[i] = static_cast<int8_t>(std::lrint(row[i] * inverse));
    return scale;
}

void PlainDecode(const int8_t* codes, float scale, size_t n, float* out) {
    for (size_t i = 0; i < n; i++) out[i] = scale * static_cast<float>(codes[i]);
}

void PlainAddDecoded(const int8_t* codes, float scale, size_t n, float* sums) {
    for (size_t i = 0; i < n; i++) sums[i] += scale * static_cast<float>(codes[i]);
}

constinit const InnerLoops kPlainLoops = {.product = PlainProduct,
                                          .threshold = PlainThreshold,
                                          .below = PlainBelow,
                                          .encode = PlainEncode,
                                          .decode = PlainDecode,
                                          .add_decoded = PlainAddDecoded};

}  // namespace

const InnerLoops& ActiveInnerLoops() noexcept {
    // That a level has a table means that this CPU can run it.
    const InstructionSet set = ActiveKernels().instructions;
#if defined(__x86_64__)
    if (set == InstructionSet::kAvx512) return N_AVX3::GetInnerLoops();
    if (set == InstructionSet::kAvx2) return N_AVX2::GetInnerLoops();
    if (set == InstructionSet::kSse4) return N_SSE4::GetInnerLoops();
#elif HWY_STATIC_TARGET == HWY_NEON || HWY_STATIC_TARGET == HWY_NEON_WITHOUT_AES
    if (set == InstructionSet::kNeon) return HWY_NAMESPACE::GetInnerLoops();
#endif
    return kPlainLoops;
}

}  // namespace annex::internal

#endif  // HWY_ONCE

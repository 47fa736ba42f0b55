// A part of simd.cc: the kernels of a graph's edges. Products of rows choose them, sums of planes estimate along them.

// Included once for each level, as Highway's own headers are.
#if defined(ANNEX_KERNELS_EDGES_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef ANNEX_KERNELS_EDGES_INL_H
#undef ANNEX_KERNELS_EDGES_INL_H
#else
#define ANNEX_KERNELS_EDGES_INL_H
#endif

#include "engine/kernels/bits-inl.h"
#include "engine/kernels/words.h"
#include "hwy/highway.h"

#if HWY_TARGET != HWY_SCALAR && HWY_TARGET != HWY_EMU128

HWY_BEFORE_NAMESPACE();
namespace annex::internal {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

using CodeShorts = hn::ScalableTag<int16_t>;
using CodeProducts = hn::ScalableTag<int32_t>;

// Products of two bytes fit into 16 bits, and of two pairs of them into 32.
int32_t CodeProduct(const int8_t* a, const int8_t* b, size_t n) {
    constexpr CodeShorts kShorts;
    constexpr CodeProducts kProducts;
    const hn::Rebind<int8_t, CodeShorts> bytes;
    constexpr size_t kShortLanes = HWY_LANES(int16_t);
    auto sum0 = hn::Zero(kProducts);
    auto sum1 = sum0;
    auto sum2 = sum0;
    auto sum3 = sum0;
    for (size_t i = 0; i < n; i += 2 * kShortLanes) {
        const auto a0 = hn::PromoteTo(kShorts, hn::LoadU(bytes, a + i));
        const auto b0 = hn::PromoteTo(kShorts, hn::LoadU(bytes, b + i));
        const auto a1 = hn::PromoteTo(kShorts, hn::LoadU(bytes, a + i + kShortLanes));
        const auto b1 = hn::PromoteTo(kShorts, hn::LoadU(bytes, b + i + kShortLanes));
        sum0 = hn::ReorderWidenMulAccumulate(kProducts, a0, b0, sum0, sum1);
        sum2 = hn::ReorderWidenMulAccumulate(kProducts, a1, b1, sum2, sum3);
    }
    return hn::GetLane(hn::SumOfLanes(kProducts, hn::Add(hn::Add(sum0, sum1), hn::Add(sum2, sum3))));
}

constexpr size_t kPlanes = 8;

void PlaneSums(const uint8_t* codes, size_t count, size_t code_bytes, const uint8_t* planes, int32_t* sums) {
    for (size_t v = 0; v < count; ++v, codes += code_bytes) {
        uint64_t sum = 0;  // modulo 2^64
        size_t i = 0;
        for (; i + kByteLanes <= code_bytes; i += kByteLanes) {
            const ByteVector code = hn::LoadU(kBytes, codes + i);
            const ByteVector signs = hn::LoadU(kBytes, planes + (kPlanes - 1) * code_bytes + i);
            CountVector counts = hn::Sub(hn::Zero(kCounts), CountBits(hn::And(code, signs)));
            for (size_t j = kPlanes - 1; j-- > 0;) {
                const CountVector plane = CountBits(hn::And(code, hn::LoadU(kBytes, planes + j * code_bytes + i)));
                counts = hn::Add(hn::Add(counts, counts), plane);
            }
            sum += Sum(counts);
        }
        for (; i < code_bytes; i += 8) {
            const uint64_t code = LoadWord(codes + i, 8);
            uint64_t word = 0 - CountWord(code & LoadWord(planes + (kPlanes - 1) * code_bytes + i, 8));
            for (size_t j = kPlanes - 1; j-- > 0;)
                word = 2 * word + CountWord(code & LoadWord(planes + j * code_bytes + i, 8));
            sum += word;
        }
        sums[v] = static_cast<int32_t>(static_cast<uint32_t>(sum));
    }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace annex::internal
HWY_AFTER_NAMESPACE();

#endif  // a target with vectors

#endif

// A part of simd.cc: the kernels of a graph's edges. Products of rows choose them, sums over the bits of codes estimate
// along them.

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

// The numbers whose bits are set, eight at a time. A word of the code is taken as a mask where it fills a vector, and
// as several masks where it does not.
void BitSums(const uint8_t* codes, size_t stride, size_t count, size_t code_bytes, const uint8_t* numbers,
             int32_t* sums) {
    constexpr size_t kMaskBytes = kByteLanes / 8;
    for (size_t v = 0; v < count; ++v, codes += stride) {
        CountVector sum0 = hn::Zero(kCounts);
        CountVector sum1 = sum0;
        uint64_t bits = 0;
        for (size_t i = 0; i < code_bytes; i += 8) {
            bits += CountWord(LoadWord(codes + i, 8));
            for (size_t j = i; j < i + 8; j += 2 * kMaskBytes) {
                const auto mask0 = hn::LoadMaskBits(kBytes, codes + j);
                sum0 = hn::Add(sum0, hn::SumsOf8(hn::IfThenElseZero(mask0, hn::LoadU(kBytes, numbers + 8 * j))));
                if (kMaskBytes == 8) continue;
                const size_t next = j + kMaskBytes;
                const auto mask1 = hn::LoadMaskBits(kBytes, codes + next);
                sum1 = hn::Add(sum1, hn::SumsOf8(hn::IfThenElseZero(mask1, hn::LoadU(kBytes, numbers + 8 * next))));
            }
        }
        const uint64_t sum = Sum(hn::Add(sum0, sum1));
        sums[v] = static_cast<int32_t>(sum) - 128 * static_cast<int32_t>(bits);
    }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace annex::internal
HWY_AFTER_NAMESPACE();

#endif  // a target with vectors

#endif

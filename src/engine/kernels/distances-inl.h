// A part of simd.cc: distances between vectors of floats and of binary16.
//
// One code serves both: halfs are converted as they are loaded, and all arithmetic is that of floats. Where the CPU has
// no conversion (SSE4), the steps of annex/half.h on vectors take its place. Arithmetic in binary16, which some CPUs
// have, would lose what the sums need: it has 11 bits.

// Included once for each level, as Highway's own headers are.
#if defined(ANNEX_KERNELS_DISTANCES_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef ANNEX_KERNELS_DISTANCES_INL_H
#undef ANNEX_KERNELS_DISTANCES_INL_H
#else
#define ANNEX_KERNELS_DISTANCES_INL_H
#endif

#include <cstring>

#include "annex/half.h"
#include "engine/kernels/levels.h"
#include "engine/kernels/words.h"
#include "hwy/highway.h"

#if HWY_TARGET != HWY_SCALAR && HWY_TARGET != HWY_EMU128

HWY_BEFORE_NAMESPACE();
namespace annex::internal {
namespace HWY_NAMESPACE {
// Structs below spell their constructors out: those that the compiler generates lack this level's instructions.
namespace {

namespace hn = hwy::HWY_NAMESPACE;

using Floats = hn::ScalableTag<float>;
using FloatVector = hn::Vec<Floats>;
using Shorts = hn::Rebind<uint16_t, Floats>;  // as many as a vector has floats
using ShortVector = hn::Vec<Shorts>;

constexpr Floats kFloats;
constexpr Shorts kShorts;
constexpr size_t kLanes = HWY_LANES(float);

// ---- Conversions

#if HWY_TARGET == HWY_SSE4

// As HalfToFloat.
HWY_INLINE FloatVector ToFloats(ShortVector shorts) {
    const hn::RebindToUnsigned<Floats> words;
    const auto half = hn::PromoteTo(words, shorts);
    const auto sign = hn::ShiftLeft<16>(hn::And(half, hn::Set(words, kHalfSign)));
    const auto magnitude = hn::ShiftLeft<13>(hn::AndNot(hn::Set(words, kHalfSign), half));
    const auto smallest_normal = hn::Set(words, uint32_t{113} << 23);
    const auto subnormal = hn::BitCast(words, hn::Sub(hn::BitCast(kFloats, hn::Add(magnitude, smallest_normal)),
                                                      hn::BitCast(kFloats, smallest_normal)));
    const auto infinity = hn::Set(words, uint32_t{kHalfInfinity} << 13);
    const auto quiet = hn::IfThenElseZero(hn::Gt(magnitude, infinity), hn::Set(words, 0x00400000));
    const auto special = hn::Or(hn::Or(magnitude, hn::Set(words, 0x7f800000)), quiet);
    const auto normal = hn::Add(magnitude, hn::Set(words, uint32_t{127 - 15} << 23));
    const auto finite = hn::IfThenElse(hn::Lt(magnitude, hn::Set(words, uint32_t{1} << 23)), subnormal, normal);
    const auto bits = hn::IfThenElse(hn::Lt(magnitude, infinity), finite, special);
    return hn::BitCast(kFloats, hn::Or(sign, bits));
}

// As FloatToHalf.
HWY_INLINE ShortVector ToHalfs(FloatVector floats) {
    const hn::RebindToUnsigned<Floats> words;
    const hn::RebindToSigned<Floats> ints;
    const auto bits = hn::BitCast(words, floats);
    const auto sign = hn::And(hn::ShiftRight<16>(bits), hn::Set(words, kHalfSign));
    const auto magnitude = hn::And(bits, hn::Set(words, 0x7fffffff));
    const auto shifted = hn::ShiftRight<13>(magnitude);
    const auto ties = hn::Add(hn::And(shifted, hn::Set(words, 1)), hn::Set(words, 0xfff - (uint32_t{127 - 15} << 23)));
    const auto normal = hn::ShiftRight<13>(hn::Add(magnitude, ties));
    const auto one_half = hn::Set(kFloats, 0.5F);
    const auto subnormal =
        hn::Sub(hn::BitCast(words, hn::Add(hn::BitCast(kFloats, magnitude), one_half)), hn::BitCast(words, one_half));
    const auto infinity = hn::Set(words, kHalfInfinity);
    const auto nan = hn::Or(hn::And(shifted, hn::Set(words, 0x1ff)), hn::Or(infinity, hn::Set(words, 0x200)));
    auto half = hn::IfThenElse(hn::Lt(magnitude, hn::Set(words, uint32_t{113} << 23)), subnormal, normal);
    const auto overflow = hn::BitCast(words, hn::Set(kFloats, kHalfOverflow));
    half = hn::IfThenElse(hn::Lt(magnitude, overflow), half, infinity);
    half = hn::IfThenElse(hn::Gt(magnitude, hn::Set(words, 0x7f800000)), nan, half);
    return hn::DemoteTo(kShorts, hn::BitCast(ints, hn::Or(sign, half)));
}

#else

using Halfs = hn::Rebind<hwy::float16_t, Floats>;

HWY_INLINE FloatVector ToFloats(ShortVector shorts) {
    return hn::PromoteTo(kFloats, hn::BitCast(Halfs(), shorts));
}

HWY_INLINE ShortVector ToHalfs(FloatVector floats) {
    return hn::BitCast(kShorts, hn::DemoteTo(Halfs(), floats));
}

#endif

// ---- Loads

HWY_INLINE FloatVector Load(const float* p) {
    return hn::LoadU(kFloats, p);
}

HWY_INLINE FloatVector Load(const uint16_t* halfs) {
    return ToFloats(hn::LoadU(kShorts, halfs));
}

// The first `count` < kLanes values, then zeros; reads nothing beyond them.
HWY_INLINE FloatVector LoadFirst(const float* p, size_t count) {
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
    return hn::MaskedLoad(hn::FirstN(kFloats, count), kFloats, p);
#else
    // In registers: a vector read from just written floats would wait for them.
    static_assert(kLanes == 4);
    const hn::Full64<uint64_t> pair;
    uint64_t low = 0;
    uint64_t high = 0;
    std::memcpy(&low, p, count >= 2 ? 8 : 4);
    if (count == 3) std::memcpy(&high, p + 2, 4);
    return hn::BitCast(kFloats, hn::Combine(hn::Full128<uint64_t>(), hn::Set(pair, high), hn::Set(pair, low)));
#endif
}

// The same of halfs.
HWY_INLINE FloatVector LoadFirst(const uint16_t* halfs, size_t count) {
#if HWY_TARGET == HWY_AVX3
    return ToFloats(hn::MaskedLoad(hn::FirstN(kShorts, count), kShorts, halfs));
#else
    HWY_ALIGN uint16_t padded[kLanes] = {};
    std::memcpy(padded, halfs, count * sizeof *halfs);
    return Load(padded);
#endif
}

// The last `rest` < kLanes of n values, among zeros; reads nothing before or behind the n. Where there are enough, a
// whole vector is read, and what was counted already set to zero: a read in part takes many times as long when what it
// leaves out lies on a page that is not there, and a constant beside which it happens has it at every row.
template <class Number>
HWY_INLINE FloatVector LoadRest(const Number* p, size_t n, size_t rest) {
    if (n < kLanes) return LoadFirst(p, rest);
    return hn::IfThenZeroElse(hn::FirstN(kFloats, kLanes - rest), Load(p + n - kLanes));
}

HWY_INLINE float Sum(FloatVector v) {
    return hn::GetLane(hn::SumOfLanes(kFloats, v));
}

// ---- Distances

struct AddSquaredDifference {
    static HWY_INLINE FloatVector Do(FloatVector a, FloatVector b, FloatVector sum) {
        const FloatVector difference = hn::Sub(a, b);
        return hn::MulAdd(difference, difference, sum);
    }
};

struct AddProduct {
    static HWY_INLINE FloatVector Do(FloatVector a, FloatVector b, FloatVector sum) { return hn::MulAdd(a, b, sum); }
};

struct AddDistance {
    static HWY_INLINE FloatVector Do(FloatVector a, FloatVector b, FloatVector sum) {
        return hn::Add(sum, hn::Abs(hn::Sub(a, b)));
    }
};

// Four sums, since one addition must not wait for the one before it.
template <class Step, class Number>
HWY_INLINE float SumOverPairs(const Number* a, const Number* b, size_t n) {
    FloatVector sum0 = hn::Zero(kFloats);
    FloatVector sum1 = sum0;
    FloatVector sum2 = sum0;
    FloatVector sum3 = sum0;
    size_t i = 0;
    for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
        sum0 = Step::Do(Load(a + i), Load(b + i), sum0);
        sum1 = Step::Do(Load(a + i + kLanes), Load(b + i + kLanes), sum1);
        sum2 = Step::Do(Load(a + i + 2 * kLanes), Load(b + i + 2 * kLanes), sum2);
        sum3 = Step::Do(Load(a + i + 3 * kLanes), Load(b + i + 3 * kLanes), sum3);
    }
    for (; i + kLanes <= n; i += kLanes) sum0 = Step::Do(Load(a + i), Load(b + i), sum0);
    if (i < n) sum1 = Step::Do(LoadRest(a, n, n - i), LoadRest(b, n, n - i), sum1);
    return Sum(hn::Add(hn::Add(sum0, sum1), hn::Add(sum2, sum3)));
}

struct CosineAccumulator {
    FloatVector product = hn::Zero(kFloats);
    FloatVector norm_a = hn::Zero(kFloats);
    FloatVector norm_b = hn::Zero(kFloats);

    HWY_INLINE CosineAccumulator() {}

    HWY_INLINE void Add(FloatVector a, FloatVector b) {
        product = hn::MulAdd(a, b, product);
        norm_a = hn::MulAdd(a, a, norm_a);
        norm_b = hn::MulAdd(b, b, norm_b);
    }
};

template <class Number>
HWY_INLINE CosineSums CosineOf(const Number* a, const Number* b, size_t n) {
    CosineAccumulator even;
    CosineAccumulator odd;
    size_t i = 0;
    for (; i + 2 * kLanes <= n; i += 2 * kLanes) {
        even.Add(Load(a + i), Load(b + i));
        odd.Add(Load(a + i + kLanes), Load(b + i + kLanes));
    }
    for (; i + kLanes <= n; i += kLanes) even.Add(Load(a + i), Load(b + i));
    if (i < n) odd.Add(LoadRest(a, n, n - i), LoadRest(b, n, n - i));
    return {Sum(hn::Add(even.product, odd.product)), Sum(hn::Add(even.norm_a, odd.norm_a)),
            Sum(hn::Add(even.norm_b, odd.norm_b))};
}

float L2Squared(const float* a, const float* b, size_t n) {
    return SumOverPairs<AddSquaredDifference>(a, b, n);
}

float InnerProduct(const float* a, const float* b, size_t n) {
    return SumOverPairs<AddProduct>(a, b, n);
}

CosineSums Cosine(const float* a, const float* b, size_t n) {
    return CosineOf(a, b, n);
}

float L1(const float* a, const float* b, size_t n) {
    return SumOverPairs<AddDistance>(a, b, n);
}

float HalfL2Squared(const uint16_t* a, const uint16_t* b, size_t n) {
    return SumOverPairs<AddSquaredDifference>(a, b, n);
}

float HalfInnerProduct(const uint16_t* a, const uint16_t* b, size_t n) {
    return SumOverPairs<AddProduct>(a, b, n);
}

CosineSums HalfCosine(const uint16_t* a, const uint16_t* b, size_t n) {
    return CosineOf(a, b, n);
}

float HalfL1(const uint16_t* a, const uint16_t* b, size_t n) {
    return SumOverPairs<AddDistance>(a, b, n);
}

void HalfsToFloats(const uint16_t* halfs, float* floats, size_t n) {
    size_t i = 0;
    for (; i + kLanes <= n; i += kLanes) hn::StoreU(Load(halfs + i), kFloats, floats + i);
    for (; i < n; ++i) floats[i] = HalfToFloat(At(halfs + i));
}

void FloatsToHalfs(const float* floats, uint16_t* halfs, size_t n) {
    size_t i = 0;
    for (; i + kLanes <= n; i += kLanes) hn::StoreU(ToHalfs(Load(floats + i)), kShorts, halfs + i);
    for (; i < n; ++i) halfs[i] = FloatToHalf(At(floats + i));
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace annex::internal
HWY_AFTER_NAMESPACE();

#endif  // a target with vectors

#endif

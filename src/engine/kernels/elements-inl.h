// A part of simd.cc: arithmetic of float vectors, element by element, and what is said of their elements.

// Included once for each level, as Highway's own headers are.
#if defined(ANNEX_KERNELS_ELEMENTS_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef ANNEX_KERNELS_ELEMENTS_INL_H
#undef ANNEX_KERNELS_ELEMENTS_INL_H
#else
#define ANNEX_KERNELS_ELEMENTS_INL_H
#endif

#include <cmath>

#include "engine/kernels/distances-inl.h"
#include "engine/kernels/levels.h"
#include "engine/kernels/words.h"
#include "hwy/highway.h"

#if HWY_TARGET != HWY_SCALAR && HWY_TARGET != HWY_EMU128

HWY_BEFORE_NAMESPACE();
namespace annex::internal {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

using Magnitudes = hn::RebindToSigned<Floats>;
using MagnitudeVector = hn::Vec<Magnitudes>;
constexpr Magnitudes kMagnitudes;
// Without their sign, the bits of floats are in the order of the magnitudes; NaN is above infinity.
constexpr int32_t kInfiniteMagnitude = 0x7f800000;

// For floats and vectors of floats.
struct AddOf {
    static HWY_INLINE FloatVector Do(FloatVector a, FloatVector b) { return hn::Add(a, b); }
    static HWY_INLINE float Do(float a, float b) { return a + b; }
};
struct SubtractOf {
    static HWY_INLINE FloatVector Do(FloatVector a, FloatVector b) { return hn::Sub(a, b); }
    static HWY_INLINE float Do(float a, float b) { return a - b; }
};
struct MultiplyOf {
    static HWY_INLINE FloatVector Do(FloatVector a, FloatVector b) { return hn::Mul(a, b); }
    static HWY_INLINE float Do(float a, float b) { return a * b; }
};

// The extremes of the magnitudes seen so far.
struct Extremes {
    MagnitudeVector least = hn::Set(kMagnitudes, kInfiniteMagnitude);
    MagnitudeVector greatest = hn::Zero(kMagnitudes);

    HWY_INLINE Extremes() {}

    HWY_INLINE void See(FloatVector value) {
        const auto magnitude = hn::And(hn::BitCast(kMagnitudes, value), hn::Set(kMagnitudes, 0x7fffffff));
        least = hn::Min(least, magnitude);
        greatest = hn::Max(greatest, magnitude);
    }

    [[nodiscard]] HWY_INLINE ElementCheck Result() const {
        return {hn::AllTrue(kMagnitudes, hn::Lt(greatest, hn::Set(kMagnitudes, kInfiniteMagnitude))),
                !hn::AllTrue(kMagnitudes, hn::Gt(least, hn::Zero(kMagnitudes)))};
    }
};

// The last vector may lie over the one before it.
template <class Operation>
HWY_INLINE ElementCheck ElementWise(const float* a, const float* b, float* result, size_t n) {
    Extremes extremes;
    const auto compute = [&](size_t i) HWY_ATTR {
        const FloatVector value = Operation::Do(Load(a + i), Load(b + i));
        hn::StoreU(value, kFloats, result + i);
        extremes.See(value);
    };
    if (n >= kLanes) {
        for (size_t i = 0; i + kLanes <= n; i += kLanes) compute(i);
        if (n % kLanes != 0) compute(n - kLanes);
        return extremes.Result();
    }
    ElementCheck check{true, false};
    for (size_t i = 0; i < n; ++i) {
        result[i] = Operation::Do(At(a + i), At(b + i));
        check.finite &= std::isfinite(result[i]);
        check.zero |= result[i] == 0;
    }
    return check;
}

ElementCheck Add(const float* a, const float* b, float* sum, size_t n) {
    return ElementWise<AddOf>(a, b, sum, n);
}

ElementCheck Subtract(const float* a, const float* b, float* difference, size_t n) {
    return ElementWise<SubtractOf>(a, b, difference, n);
}

ElementCheck Multiply(const float* a, const float* b, float* product, size_t n) {
    return ElementWise<MultiplyOf>(a, b, product, n);
}

double SumOfSquares(const float* x, size_t n) {
    const hn::ScalableTag<double> doubles;
    const hn::Rebind<float, decltype(doubles)> floats;
    constexpr size_t kDoubles = HWY_LANES(double);
    const auto load = [&](size_t i) HWY_ATTR { return hn::PromoteTo(doubles, hn::LoadU(floats, x + i)); };
    auto sum0 = hn::Zero(doubles);
    auto sum1 = sum0;
    size_t i = 0;
    for (; i + 2 * kDoubles <= n; i += 2 * kDoubles) {
        const auto x0 = load(i);
        const auto x1 = load(i + kDoubles);
        sum0 = hn::MulAdd(x0, x0, sum0);
        sum1 = hn::MulAdd(x1, x1, sum1);
    }
    double rest = 0;
    for (; i < n; ++i) rest += static_cast<double>(At(x + i)) * static_cast<double>(At(x + i));
    return hn::GetLane(hn::SumOfLanes(doubles, hn::Add(sum0, sum1))) + rest;
}

// Bit i: lane i > 0.
HWY_INLINE uint64_t PositiveLanes(FloatVector v) {
    uint8_t bits[8] = {};
    hn::StoreMaskBits(kFloats, hn::Gt(v, hn::Zero(kFloats)), bits);
    return bits[0] | uint64_t{bits[1]} << 8;
}

HWY_INLINE void StoreSigns(uint64_t word, uint8_t* bits, size_t bytes) {
    word = ReverseBitsOfBytes(word);
    for (size_t byte = 0; byte < bytes; ++byte) bits[byte] = static_cast<uint8_t>(word >> (8 * byte));
}

void Signs(const float* x, uint8_t* bits, size_t n) {
    size_t i = 0;
    for (; i + 64 <= n; i += 64) {
        uint64_t word = 0;
        for (size_t j = 0; j < 64; j += kLanes) word |= PositiveLanes(Load(x + i + j)) << j;
        StoreSigns(word, bits + i / 8, 8);
    }
    if (i == n) return;
    uint64_t word = 0;
    size_t j = i;
    for (; j + kLanes <= n; j += kLanes) word |= PositiveLanes(Load(x + j)) << (j - i);
    if (j < n) word |= PositiveLanes(LoadFirst(x + j, n - j)) << (j - i);
    StoreSigns(word, bits + i / 8, (n - i + 7) / 8);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace annex::internal
HWY_AFTER_NAMESPACE();

#endif  // a target with vectors

#endif

// A part of simd.cc: the kernels of sparse vectors.
//
// A distance walks two ascending lists of indices together. Element by element that takes a branch which no CPU can
// foresee, or a chain of loads and comparisons of some 7 cycles an element. So four indices of one list are compared
// with four of the other, each with each, by three rotations; then the group whose last index is not the greater is
// passed, or both groups (Inoue, Ohara, Taura: Faster Set Intersection with SIMD Instructions by Reducing Branch
// Mispredictions, VLDB 2014). Wider groups would compare more pairs for each element that they pass.
//
// Where one list is much longer, the elements of the shorter one are looked up in it instead, by steps that double from
// where the last one stood.

// Included once for each level, as Highway's own headers are.
#if defined(ANNEX_KERNELS_SPARSE_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef ANNEX_KERNELS_SPARSE_INL_H
#undef ANNEX_KERNELS_SPARSE_INL_H
#else
#define ANNEX_KERNELS_SPARSE_INL_H
#endif

#include <cmath>

#include "engine/kernels/levels.h"
#include "hwy/highway.h"

#if HWY_TARGET != HWY_SCALAR && HWY_TARGET != HWY_EMU128

HWY_BEFORE_NAMESPACE();
namespace annex::internal {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

using SparseFloats = hn::Full128<float>;
using SparseInts = hn::Full128<int32_t>;
using SparseMask = hn::Mask<SparseFloats>;
constexpr SparseFloats kSparseFloats;
constexpr SparseInts kSparseInts;
constexpr size_t kGroup = 4;
// Indices that a search passes at once.
constexpr size_t kStride = 16;

// The ratio of the lengths from which looking up is faster than walking.
constexpr size_t kLookupRatio = 32;

// What an index adds to a sum: that only one of the vectors has, and that both have. For floats and vectors of floats.
struct SparseSquaredDifference {
    static constexpr bool kAlone = true;
    template <class V>
    static HWY_INLINE V Alone(V a) {
        return hn::Mul(a, a);
    }
    template <class V>
    static HWY_INLINE V Both(V a, V b) {
        const V difference = hn::Sub(a, b);
        return hn::Mul(difference, difference);
    }
    static HWY_INLINE float Alone(float a) { return a * a; }
    static HWY_INLINE float Both(float a, float b) { return (a - b) * (a - b); }
};

struct SparseDistance {
    static constexpr bool kAlone = true;
    template <class V>
    static HWY_INLINE V Alone(V a) {
        return hn::Abs(a);
    }
    template <class V>
    static HWY_INLINE V Both(V a, V b) {
        return hn::Abs(hn::Sub(a, b));
    }
    static HWY_INLINE float Alone(float a) { return std::fabs(a); }
    static HWY_INLINE float Both(float a, float b) { return std::fabs(a - b); }
};

struct SparseProduct {
    static constexpr bool kAlone = false;
    template <class V>
    static HWY_INLINE V Alone(V a) {
        return a;
    }
    template <class V>
    static HWY_INLINE V Both(V a, V b) {
        return hn::Mul(a, b);
    }
    static HWY_INLINE float Alone(float) { return 0; }
    static HWY_INLINE float Both(float a, float b) { return a * b; }
};

// The sum over elements that the other vector does not have.
template <class Term>
HWY_INLINE float SumAlone(const float* values, size_t count) {
    if (!Term::kAlone) return 0;
    auto sum0 = hn::Zero(kSparseFloats);
    auto sum1 = sum0;
    size_t i = 0;
    for (; i + 2 * kGroup <= count; i += 2 * kGroup) {
        sum0 = hn::Add(sum0, Term::Alone(hn::LoadU(kSparseFloats, values + i)));
        sum1 = hn::Add(sum1, Term::Alone(hn::LoadU(kSparseFloats, values + i + kGroup)));
    }
    float sum = hn::GetLane(hn::SumOfLanes(kSparseFloats, hn::Add(sum0, sum1)));
    for (; i < count; ++i) sum += Term::Alone(values[i]);
    return sum;
}

// How many of the first `count` <= kStride of these indices are below `index`.
HWY_INLINE size_t CountBelow(const int32_t* indices, size_t count, int32_t index) {
    size_t below = 0;
    if (count == kStride) {
        const auto limit = hn::Set(kSparseInts, index);
        auto found = hn::Zero(kSparseInts);
        for (size_t i = 0; i < kStride; i += kGroup) {
            const auto is_below = hn::Lt(hn::LoadU(kSparseInts, indices + i), limit);
            found = hn::Sub(found, hn::VecFromMask(kSparseInts, is_below));
        }
        below = static_cast<size_t>(hn::GetLane(hn::SumOfLanes(kSparseInts, found)));
    } else {
        for (size_t i = 0; i < count; ++i) below += indices[i] < index ? 1 : 0;
    }
    return below;
}

// The first position from `begin` on whose index is not below `index`.
HWY_INLINE size_t LookUp(const SparseVector& v, size_t begin, int32_t index) {
    const auto is_below = [&](size_t position) { return position < v.count && v.indices[position] < index; };
    // Steps of one stride first: where the lists are less than a hundred times as long they are enough, and the branch
    // at their end is the only one not foreseen.
    size_t step = kStride;
    for (size_t steps = 0; is_below(begin + step - 1); ++steps) {
        begin += step;
        if (steps >= 8) step *= 2;
    }
    // What is sought is less than a step away.
    while (step > kStride) {
        step /= 2;
        begin += is_below(begin + step - 1) ? step : 0;
    }
    return begin + CountBelow(v.indices + begin, HWY_MIN(kStride, v.count - begin), index);
}

template <class Term>
HWY_INLINE float SumByLookup(const SparseVector& few, const SparseVector& many) {
    float sum = 0;
    size_t j = 0;
    for (size_t i = 0; i < few.count; ++i) {
        const size_t found = LookUp(many, j, few.indices[i]);
        sum += SumAlone<Term>(many.values + j, found - j);
        j = found;
        if (j < many.count && many.indices[j] == few.indices[i]) {
            sum += Term::Both(few.values[i], many.values[j++]);
        } else {
            sum += Term::Alone(few.values[i]);
        }
    }
    return sum + SumAlone<Term>(many.values + j, many.count - j);
}

// Vectors without their first elements.
HWY_INLINE SparseVector From(const SparseVector& v, size_t begin) {
    return {v.indices + begin, v.values + begin, v.count - begin};
}

// Elements of the group at `begin` up to the index `limit` are decided: those without a partner stand alone. Adds these
// and returns where the undecided ones begin. Bit i of `matched` says that element begin + i had a partner.
template <class Term>
HWY_INLINE size_t SettleGroup(const SparseVector& v, size_t begin, int32_t limit, uint32_t matched, float* sum) {
    for (; begin < v.count && v.indices[begin] <= limit; ++begin, matched >>= 1)
        if ((matched & 1) == 0) *sum += Term::Alone(v.values[begin]);
    return begin;
}

HWY_INLINE uint32_t MaskBits(SparseMask mask) {
    uint8_t bits[8] = {};
    hn::StoreMaskBits(kSparseFloats, mask, bits);
    return bits[0];
}

template <class Term>
HWY_INLINE float SumByGroups(const SparseVector& a, const SparseVector& b) {
    auto sums = hn::Zero(kSparseFloats);
    // Elements of the two groups that have met their partner.
    SparseMask a_matched = hn::FirstN(kSparseFloats, 0);
    SparseMask b_matched = a_matched;
    size_t i = 0;
    size_t j = 0;
    while (i + kGroup <= a.count && j + kGroup <= b.count) {
        const auto a_index = hn::LoadU(kSparseInts, a.indices + i);
        const auto b_index = hn::LoadU(kSparseInts, b.indices + j);
        const auto a_value = hn::LoadU(kSparseFloats, a.values + i);
        const auto b_value = hn::LoadU(kSparseFloats, b.values + j);
        const auto meets = [&](auto rotated) { return hn::RebindMask(kSparseFloats, hn::Eq(a_index, rotated)); };

        const auto met0 = meets(b_index);
        const auto met1 = meets(hn::Shuffle0321(b_index));
        const auto met2 = meets(hn::Shuffle1032(b_index));
        const auto met3 = meets(hn::Shuffle2103(b_index));
        const auto met = hn::Or(hn::Or(met0, met1), hn::Or(met2, met3));
        // Few groups have an index in common, so that a branch around the matches pays; a product takes less than it.
        if (!Term::kAlone || HWY_UNLIKELY(!hn::AllFalse(kSparseFloats, met))) {
            const auto partner =
                hn::Or(hn::Or(hn::IfThenElseZero(met0, b_value), hn::IfThenElseZero(met1, hn::Shuffle0321(b_value))),
                       hn::Or(hn::IfThenElseZero(met2, hn::Shuffle1032(b_value)),
                              hn::IfThenElseZero(met3, hn::Shuffle2103(b_value))));
            sums = hn::Add(sums, hn::IfThenElseZero(met, Term::Both(a_value, partner)));
            if (Term::kAlone) {
                const auto meets_b = [&](auto rotated) {
                    return hn::RebindMask(kSparseFloats, hn::Eq(b_index, rotated));
                };
                const auto b_met = hn::Or(hn::Or(met0, meets_b(hn::Shuffle0321(a_index))),
                                          hn::Or(meets_b(hn::Shuffle1032(a_index)), meets_b(hn::Shuffle2103(a_index))));
                a_matched = hn::Or(a_matched, met);
                b_matched = hn::Or(b_matched, b_met);
            }
        }
        const bool a_passed = a.indices[i + kGroup - 1] <= b.indices[j + kGroup - 1];
        const bool b_passed = b.indices[j + kGroup - 1] <= a.indices[i + kGroup - 1];
        if (Term::kAlone) {
            const auto a_last = hn::Broadcast<3>(a_index);
            const auto b_last = hn::Broadcast<3>(b_index);
            const auto a_stays = hn::RebindMask(kSparseFloats, hn::Gt(a_last, b_last));
            const auto b_stays = hn::RebindMask(kSparseFloats, hn::Gt(b_last, a_last));
            sums = hn::Add(sums, hn::IfThenZeroElse(hn::Or(a_matched, a_stays), Term::Alone(a_value)));
            sums = hn::Add(sums, hn::IfThenZeroElse(hn::Or(b_matched, b_stays), Term::Alone(b_value)));
            a_matched = hn::And(a_matched, a_stays);
            b_matched = hn::And(b_matched, b_stays);
        }
        i += kGroup * static_cast<size_t>(a_passed);
        j += kGroup * static_cast<size_t>(b_passed);
    }

    float sum = hn::GetLane(hn::SumOfLanes(kSparseFloats, sums));
    // The group that stays has met all of the other list that has been passed.
    const int32_t a_limit = j > 0 ? b.indices[j - 1] : -1;
    const int32_t b_limit = i > 0 ? a.indices[i - 1] : -1;
    const size_t a_begin = SettleGroup<Term>(a, i, a_limit, MaskBits(a_matched), &sum);
    const size_t b_begin = SettleGroup<Term>(b, j, b_limit, MaskBits(b_matched), &sum);
    const SparseVector a_rest = From(a, a_begin);
    const SparseVector b_rest = From(b, b_begin);
    return sum + (a_rest.count < b_rest.count ? SumByLookup<Term>(a_rest, b_rest) : SumByLookup<Term>(b_rest, a_rest));
}

template <class Term>
HWY_INLINE float SparseSum(const SparseVector& a, const SparseVector& b) {
    if (a.count >= kLookupRatio * b.count) return SumByLookup<Term>(b, a);
    if (b.count >= kLookupRatio * a.count) return SumByLookup<Term>(a, b);
    return SumByGroups<Term>(a, b);
}

float SparseL2Squared(const SparseVector& a, const SparseVector& b) {
    return SparseSum<SparseSquaredDifference>(a, b);
}

float SparseInnerProduct(const SparseVector& a, const SparseVector& b) {
    return SparseSum<SparseProduct>(a, b);
}

float SparseL1(const SparseVector& a, const SparseVector& b) {
    return SparseSum<SparseDistance>(a, b);
}

// ---- Validity

using CheckedInts = hn::CappedTag<int32_t, 8>;
constexpr CheckedInts kCheckedInts;
constexpr size_t kCheckedAtOnce = HWY_MIN(HWY_LANES(int32_t), 8);

HWY_INLINE bool IsElementValue(float value) {
    return value != 0 && std::isfinite(value);
}

// What is wrong with any of the elements checked so far.
struct ElementChecks {
    hn::Vec<CheckedInts> bad_values = hn::Zero(kCheckedInts);  // by their sign
    hn::Mask<CheckedInts> ascending = hn::FirstN(kCheckedInts, kCheckedAtOnce);

    HWY_INLINE ElementChecks() {}

    // Elements i .. i + kCheckedAtOnce - 1, each of which has a next one.
    HWY_INLINE void Check(const SparseVector& v, size_t i) {
        const auto index = hn::LoadU(kCheckedInts, v.indices + i);
        const auto next = hn::LoadU(kCheckedInts, v.indices + i + 1);
        ascending = hn::And(ascending, hn::Lt(index, next));
        // Without their sign, the bits of a float that is neither zero nor special lie between those of the least and
        // of the largest.
        const auto value = hn::LoadU(kCheckedInts, reinterpret_cast<const int32_t*>(v.values + i));
        const auto bits = hn::And(value, hn::Set(kCheckedInts, 0x7fffffff));
        const auto too_small = hn::Sub(bits, hn::Set(kCheckedInts, 1));
        const auto too_large = hn::Sub(hn::Set(kCheckedInts, 0x7f7fffff), bits);
        bad_values = hn::Or(bad_values, hn::Or(too_small, too_large));
    }

    [[nodiscard]] HWY_INLINE bool Valid() const {
        const auto bad = hn::Lt(bad_values, hn::Zero(kCheckedInts));
        return hn::AllTrue(kCheckedInts, hn::AndNot(bad, ascending));
    }
};

bool SparseIsValid(const SparseVector& v, int32_t dimensions) {
    if (v.count == 0) return true;
    if (v.indices[0] < 0 || v.indices[v.count - 1] >= dimensions) return false;

    if (v.count <= kCheckedAtOnce) {
        bool valid = IsElementValue(v.values[v.count - 1]);
        for (size_t i = 0; i + 1 < v.count; ++i)
            valid &= v.indices[i] < v.indices[i + 1] && IsElementValue(v.values[i]);
        return valid;
    }
    // The last ones may be checked twice.
    ElementChecks checks;
    for (size_t i = 0; i + kCheckedAtOnce < v.count; i += kCheckedAtOnce) checks.Check(v, i);
    checks.Check(v, v.count - 1 - kCheckedAtOnce);
    return checks.Valid() && IsElementValue(v.values[v.count - 1]);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace annex::internal
HWY_AFTER_NAMESPACE();

#endif  // a target with vectors

#endif

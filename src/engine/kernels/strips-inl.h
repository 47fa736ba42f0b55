// A part of simd.cc: the kernels of filter columns, which test a strip of 32 integers at a time.

// Included once for each level, as Highway's own headers are.
#if defined(ANNEX_KERNELS_STRIPS_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef ANNEX_KERNELS_STRIPS_INL_H
#undef ANNEX_KERNELS_STRIPS_INL_H
#else
#define ANNEX_KERNELS_STRIPS_INL_H
#endif

#include <cstring>

#include "engine/kernels/levels.h"
#include "hwy/highway.h"

#if HWY_TARGET != HWY_SCALAR && HWY_TARGET != HWY_EMU128

HWY_BEFORE_NAMESPACE();
namespace annex::internal {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

// Calls test with each vector of the 32 integers for a mask, and gives the masks' bits in the order of the integers.
template <class Integer, class Test>
HWY_INLINE uint32_t TestStrip(const uint8_t* strip, const Test& test) {
    const hn::CappedTag<Integer, kBlockSize> integers;
    constexpr size_t kIntegers = HWY_MIN(HWY_LANES(Integer), kBlockSize);
    uint32_t passed = 0;
    for (size_t v = 0; v < kBlockSize; v += kIntegers) {
        const auto values = hn::LoadU(integers, reinterpret_cast<const Integer*>(strip) + v);
        uint8_t bits[8] = {};
        hn::StoreMaskBits(integers, test.Passes(integers, values), bits);
        uint32_t word;
        std::memcpy(&word, bits, sizeof word);
        passed |= word << v;
    }
    return passed;
}

// The complement of the range, since vectors compare by < and > on every level.
struct Outside {
    int64_t low;
    int64_t high;

    template <class Tag, class Vector>
    HWY_INLINE auto Passes(Tag tag, Vector values) const {
        using Integer = hn::TFromD<Tag>;
        const auto below = hn::Lt(values, hn::Set(tag, static_cast<Integer>(low)));
        return hn::Or(below, hn::Gt(values, hn::Set(tag, static_cast<Integer>(high))));
    }
};

struct AnyOf {
    const int64_t* members;
    size_t count;

    template <class Tag, class Vector>
    HWY_INLINE auto Passes(Tag tag, Vector values) const {
        using Integer = hn::TFromD<Tag>;
        auto any = hn::Eq(values, hn::Set(tag, static_cast<Integer>(members[0])));
        for (size_t i = 1; i < count; ++i)
            any = hn::Or(any, hn::Eq(values, hn::Set(tag, static_cast<Integer>(members[i]))));
        return any;
    }
};

template <class Test>
HWY_INLINE uint32_t TestStrip(const uint8_t* strip, size_t width, const Test& test) {
    switch (width) {
        case 1:
            return TestStrip<int8_t>(strip, test);
        case 2:
            return TestStrip<int16_t>(strip, test);
        case 4:
            return TestStrip<int32_t>(strip, test);
        default:
            return TestStrip<int64_t>(strip, test);
    }
}

uint32_t StripBetween(const uint8_t* strip, size_t width, int64_t low, int64_t high) {
    return ~TestStrip(strip, width, Outside{low, high});
}

uint32_t StripAnyOf(const uint8_t* strip, size_t width, const int64_t* members, size_t count) {
    return TestStrip(strip, width, AnyOf{members, count});
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace annex::internal
HWY_AFTER_NAMESPACE();

#endif  // a target with vectors

#endif

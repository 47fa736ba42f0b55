// binary16, the IEEE 754 half precision number: a sign, 5 bits of exponent, 10 of mantissa, kept as its 16 bits.
//
//     largest 65504, smallest normal 2^-14, smallest subnormal 2^-24; every value is exactly a float
//
// Bit for bit what the CPU's conversions (F16C, AVX-512, NEON) give in their usual rounding mode, NaNs included, on any
// CPU. Without a branch that the compiler could not turn into a selection, so that loops over them vectorise.
#pragma once

#include <bit>
#include <cstdint>

namespace annex {

// The least float that becomes infinite: half way between the largest half and the next power of two.
inline constexpr float kHalfOverflow = 65520.0F;
inline constexpr uint16_t kHalfInfinity = 0x7c00;
inline constexpr uint16_t kHalfSign = 0x8000;

// NaN and infinity have the highest exponent.
[[nodiscard]] constexpr bool HalfIsFinite(uint16_t half) noexcept {
    return (half & kHalfInfinity) != kHalfInfinity;
}
[[nodiscard]] constexpr bool HalfIsInfinite(uint16_t half) noexcept {
    return (half & ~kHalfSign & 0xffff) == kHalfInfinity;
}
[[nodiscard]] constexpr bool HalfIsNan(uint16_t half) noexcept {
    return (half & ~kHalfSign & 0xffff) > kHalfInfinity;
}
[[nodiscard]] constexpr bool HalfIsZero(uint16_t half) noexcept {
    return (half & ~kHalfSign & 0xffff) == 0;
}

// Exact. A NaN becomes quiet.
[[nodiscard]] constexpr float HalfToFloat(uint16_t half) noexcept {
    constexpr uint32_t kMantissaShift = 13;                    // from a half's mantissa to a float's
    constexpr uint32_t kRebias = uint32_t{127 - 15} << 23;     // from a half's exponent to a float's
    constexpr uint32_t kSmallestNormal = uint32_t{113} << 23;  // 2^-14
    const uint32_t sign = (uint32_t{half} & kHalfSign) << 16;
    const uint32_t magnitude = (uint32_t{half} & 0x7fffU) << kMantissaShift;
    // A subnormal is its mantissa in units of 2^-24: put behind a leading 1 of 2^-14, which is taken off again.
    const uint32_t subnormal = std::bit_cast<uint32_t>(std::bit_cast<float>(kSmallestNormal + magnitude) -
                                                       std::bit_cast<float>(kSmallestNormal));
    const uint32_t special = magnitude | 0x7f800000U | (HalfIsNan(half) ? 0x00400000U : 0U);
    uint32_t bits = magnitude + kRebias;
    bits = magnitude < (uint32_t{1} << 23) ? subnormal : bits;
    bits = HalfIsFinite(half) ? bits : special;
    return std::bit_cast<float>(sign | bits);
}

// To nearest, ties to even; what lies at or beyond kHalfOverflow becomes infinite. A NaN becomes quiet and keeps the
// upper bits of its payload.
[[nodiscard]] constexpr uint16_t FloatToHalf(float value) noexcept {
    constexpr uint32_t kInfinity = 0x7f800000;
    constexpr uint32_t kOverflow = std::bit_cast<uint32_t>(kHalfOverflow);
    constexpr uint32_t kSmallestNormal = uint32_t{113} << 23;  // 2^-14
    constexpr uint32_t kRebias = uint32_t{127 - 15} << 23;
    const auto bits = std::bit_cast<uint32_t>(value);
    const uint32_t sign = (bits >> 16) & kHalfSign;
    const uint32_t magnitude = bits & 0x7fffffffU;
    // Half of the last place that stays, less one where that place is even already: ties go to even.
    const uint32_t normal = (magnitude - kRebias + 0xfff + ((magnitude >> 13) & 1)) >> 13;
    // In [0.5, 1) a float's last place is 2^-24, a half's smallest: the addition rounds.
    const uint32_t subnormal =
        std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) + 0.5F) - std::bit_cast<uint32_t>(0.5F);
    const uint32_t nan = uint32_t{kHalfInfinity} | 0x200U | ((magnitude >> 13) & 0x1ffU);
    uint32_t half = magnitude < kSmallestNormal ? subnormal : normal;
    half = magnitude >= kOverflow ? uint32_t{kHalfInfinity} : half;
    half = magnitude > kInfinity ? nan : half;
    return static_cast<uint16_t>(sign | half);
}

}  // namespace annex

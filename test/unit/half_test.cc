// binary16 conversions: every half, every boundary between two, and the CPU's own instructions where it has them.
#include "annex/half.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "annex/random.h"

namespace annex {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// The value that the bits mean, from the definition.
double Meaning(uint16_t half) {
    const int exponent = (half >> 10) & 31;
    const int mantissa = half & 1023;
    const double sign = (half & 0x8000) != 0 ? -1 : 1;
    return sign * (exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25));
}

TEST(HalfTest, EveryFiniteHalfIsExactlyItsFloat) {
    for (uint32_t bits = 0; bits < 65536; ++bits) {
        const auto half = static_cast<uint16_t>(bits);
        if (!HalfIsFinite(half)) continue;
        ASSERT_EQ(static_cast<double>(HalfToFloat(half)), Meaning(half)) << bits;
        ASSERT_EQ(std::signbit(HalfToFloat(half)), (bits & 0x8000) != 0) << bits;
        ASSERT_EQ(FloatToHalf(HalfToFloat(half)), half) << bits;
        ASSERT_EQ(HalfIsZero(half), Meaning(half) == 0) << bits;
    }
}

TEST(HalfTest, InfinitiesAndNans) {
    EXPECT_EQ(HalfToFloat(0x7c00), kInfinity);
    EXPECT_EQ(HalfToFloat(0xfc00), -kInfinity);
    EXPECT_EQ(FloatToHalf(kInfinity), 0x7c00);
    EXPECT_EQ(FloatToHalf(-kInfinity), 0xfc00);
    EXPECT_TRUE(HalfIsInfinite(0x7c00) && HalfIsInfinite(0xfc00) && !HalfIsInfinite(0x7bff) && !HalfIsInfinite(0x7c01));
    for (uint32_t payload = 1; payload < 1024; ++payload) {
        const auto half = static_cast<uint16_t>(0x7c00 | payload);
        ASSERT_TRUE(HalfIsNan(half) && !HalfIsInfinite(half) && !HalfIsFinite(half)) << payload;
        ASSERT_TRUE(std::isnan(HalfToFloat(half))) << payload;
        ASSERT_TRUE(HalfIsNan(FloatToHalf(HalfToFloat(half)))) << payload;
    }
    // A payload in the lower bits alone must not become an infinity.
    EXPECT_TRUE(HalfIsNan(FloatToHalf(std::bit_cast<float>(0x7f800001U))));
}

// Between two neighbours, the nearer wins, and half way the even one.
TEST(HalfTest, RoundsToNearestAndTiesToEven) {
    for (uint32_t bits = 0; bits < 0x7c00; ++bits) {
        const auto below = static_cast<uint16_t>(bits);
        const auto above = static_cast<uint16_t>(bits + 1);
        // Beyond the largest half the next step would be 65536.
        const double next = above == kHalfInfinity ? 65536.0 : Meaning(above);
        const auto middle = static_cast<float>((Meaning(below) + next) / 2);  // exact
        const uint16_t even = (bits & 1) == 0 ? below : above;
        ASSERT_EQ(FloatToHalf(middle), even) << bits;
        ASSERT_EQ(FloatToHalf(-middle), even | 0x8000) << bits;
        ASSERT_EQ(FloatToHalf(std::nextafterf(middle, 0)), below) << bits;
        ASSERT_EQ(FloatToHalf(std::nextafterf(middle, kInfinity)), above) << bits;
    }
    EXPECT_EQ(FloatToHalf(kHalfOverflow), kHalfInfinity);
    EXPECT_EQ(FloatToHalf(std::nextafterf(kHalfOverflow, 0)), 0x7bff);
    EXPECT_EQ(FloatToHalf(std::numeric_limits<float>::max()), kHalfInfinity);
    EXPECT_EQ(FloatToHalf(std::numeric_limits<float>::denorm_min()), 0);
    EXPECT_EQ(FloatToHalf(-std::numeric_limits<float>::denorm_min()), 0x8000);
}

#if defined(__x86_64__)

__attribute__((target("avx,f16c"))) float HardwareToFloat(uint16_t half) {
    return _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(half)));
}

__attribute__((target("avx,f16c"))) uint16_t HardwareToHalf(float value) {
    return static_cast<uint16_t>(_mm_extract_epi16(_mm_cvtps_ph(_mm_set_ss(value), _MM_FROUND_TO_NEAREST_INT), 0));
}

TEST(HalfTest, AgreesWithTheCpuBitForBit) {
    if (!__builtin_cpu_supports("avx") || !__builtin_cpu_supports("f16c")) GTEST_SKIP() << "no F16C";
    for (uint32_t bits = 0; bits < 65536; ++bits) {
        const auto half = static_cast<uint16_t>(bits);
        ASSERT_EQ(std::bit_cast<uint32_t>(HalfToFloat(half)), std::bit_cast<uint32_t>(HardwareToFloat(half))) << bits;
    }
    Random random(1);
    for (int i = 0; i < 4'000'000; ++i) {
        // Half of them with an exponent that halfs have.
        auto bits = static_cast<uint32_t>(random.Next());
        if (i % 2 == 0) bits = (bits & 0x807fffffU) | (100 + bits / 4096 % 48) << 23;
        const auto value = std::bit_cast<float>(bits);
        ASSERT_EQ(FloatToHalf(value), HardwareToHalf(value)) << bits;
    }
}

#endif

}  // namespace
}  // namespace annex

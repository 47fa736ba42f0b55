// bfloat16 and its directed roundings.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cfloat>
#include <cmath>
#include <cstdint>
#include <vector>

#include "annex/kernels.h"
#include "annex/random.h"
#include "kernel_testing.h"

namespace annex {
namespace {

TEST(Bfloat16Test, EveryValueSurvivesEveryRounding) {
    for (uint32_t value = 0; value <= 0xffff; ++value) {
        const auto bf16 = static_cast<uint16_t>(value);
        const float number = Bf16ToFloat(bf16);
        if (std::isnan(number)) {
            EXPECT_TRUE(std::isnan(Bf16ToFloat(FloatToBf16Down(number))));
            EXPECT_TRUE(std::isnan(Bf16ToFloat(FloatToBf16Up(number))));
            EXPECT_TRUE(std::isnan(Bf16ToFloat(FloatToBf16Nearest(number))));
        } else {
            EXPECT_EQ(FloatToBf16Down(number), bf16);
            EXPECT_EQ(FloatToBf16Up(number), bf16);
            EXPECT_EQ(FloatToBf16Nearest(number), bf16);
        }
    }
}

// The neighbours of a finite number among the bfloat16 values, or the number itself; infinities count as 2^128.
double Bf16Value(uint16_t bf16) {
    const float number = Bf16ToFloat(bf16);
    return std::isinf(number) ? std::copysign(0x1.0p128, number) : number;
}

TEST(Bfloat16Test, DirectedRoundingKeepsTheInequalityAndIsTight) {
    Random random(13);
    std::vector<uint32_t> patterns = {0x00000001, 0x80000001, 0x0000ffff, 0x007fffff, 0x807fffff, 0x00800000,
                                      0x7f7fffff, 0xff7fffff, 0x7f7f0000, 0x7f7f0001, 0x3f808000, 0x3f818000,
                                      0x3f807fff, 0x3f808001, 0xbf808000, 0xbf818000};
    for (int i = 0; i < 1000000; ++i) patterns.push_back(static_cast<uint32_t>(random.Next()));
    for (const uint32_t pattern : patterns) {
        const auto value = std::bit_cast<float>(pattern);
        if (std::isnan(value) || std::isinf(value)) continue;
        const uint16_t down = FloatToBf16Down(value);
        const uint16_t up = FloatToBf16Up(value);
        const uint16_t nearest = FloatToBf16Nearest(value);
        ASSERT_LE(Bf16ToFloat(down), value);
        ASSERT_GE(Bf16ToFloat(up), value);
        if ((pattern & 0xffff) == 0) {
            ASSERT_EQ(down, up);
        } else {
            ASSERT_EQ(std::abs(static_cast<int>(up) - static_cast<int>(down)), 1) << value;
        }
        const double below = value - Bf16Value(down);
        const double above = Bf16Value(up) - value;
        if (below < above) {
            ASSERT_EQ(nearest, down) << value;
        } else if (above < below) {
            ASSERT_EQ(nearest, up) << value;
        } else {
            ASSERT_EQ(nearest, down % 2 == 0 ? down : up) << value;
        }
    }
}

TEST(Bfloat16Test, BeyondTheRange) {
    EXPECT_EQ(FloatToBf16Down(FLT_MAX), 0x7f7f);
    EXPECT_EQ(Bf16ToFloat(FloatToBf16Up(FLT_MAX)), kInfinity);
    EXPECT_EQ(Bf16ToFloat(FloatToBf16Nearest(FLT_MAX)), kInfinity);
    EXPECT_EQ(Bf16ToFloat(FloatToBf16Down(-FLT_MAX)), -kInfinity);
    EXPECT_EQ(FloatToBf16Up(-FLT_MAX), 0xff7f);
    EXPECT_EQ(Bf16ToFloat(FloatToBf16Down(kInfinity)), kInfinity);
    EXPECT_EQ(Bf16ToFloat(FloatToBf16Up(-kInfinity)), -kInfinity);
}

TEST(Bfloat16Test, NoNanBecomesANumber) {
    for (const uint32_t pattern : {0x7f800001U, 0xff800001U, 0x7fc00000U, 0x7fffffffU, 0xffffffffU}) {
        const auto value = std::bit_cast<float>(pattern);
        EXPECT_TRUE(std::isnan(Bf16ToFloat(FloatToBf16Down(value))));
        EXPECT_TRUE(std::isnan(Bf16ToFloat(FloatToBf16Up(value))));
        EXPECT_TRUE(std::isnan(Bf16ToFloat(FloatToBf16Nearest(value))));
    }
}

}  // namespace
}  // namespace annex

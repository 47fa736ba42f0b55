// The kernels that a rotation is made of, on every level.
#include <gtest/gtest.h>

#include <bit>
#include <cstdint>
#include <vector>

#include "annex/kernels.h"
#include "annex/random.h"
#include "kernel_testing.h"

namespace annex {
namespace {

INSTANTIATE_TEST_SUITE_P(Levels, KernelsTest, testing::Range(size_t{0}, KernelLevelCount()), LevelName);

// The definition: entry (i, j) of the matrix is -1 to the number of bits that i and j share.
TEST_P(KernelsTest, HadamardFollowsItsDefinition) {
    Random random(8);
    for (size_t n = 1; n <= 512; n *= 2) {
        Unaligned<float> x(RandomFloats(random, n), n % 3);
        std::vector<double> expected(n, 0);
        for (size_t i = 0; i < n; ++i) {
            for (size_t j = 0; j < n; ++j) expected[i] += std::popcount(i & j) % 2 == 0 ? x.data()[j] : -x.data()[j];
        }
        kernels().hadamard(x.data(), n);
        const double tolerance = 10 * kFloatUnit * static_cast<double>(n);
        for (size_t i = 0; i < n; ++i) ASSERT_NEAR(x.data()[i], expected[i], tolerance) << n << " " << i;
    }
}

TEST_P(KernelsTest, HadamardIsTheSameOnEveryLevel) {
    Random random(9);
    for (size_t n = 1; n <= 16384; n *= 2) {
        for (const double scale : {1e-42, 1.0, 1e30}) {
            std::vector<float> expected = RandomFloats(random, n, scale);
            for (size_t i = 0; i < n; i += 3) expected[i] *= 1e-5F;  // coordinates of unequal size, some of them zero
            for (size_t i = 1; i < n; i += 5) expected[i] = i % 2 == 0 ? 0.0F : -0.0F;
            Unaligned<float> x(expected, 1);
            kernels().hadamard(x.data(), n);
            KernelLevel(0).hadamard(expected.data(), n);
            ExpectSameBits(x.data(), expected.data(), n);
        }
    }
}

TEST_P(KernelsTest, FlipSignsFollowsTheBits) {
    Random random(10);
    for (size_t n = 0; n <= 400; n += 8) {
        std::vector<float> expected = RandomFloats(random, n);
        if (n > 0) expected[n - 1] = 0;
        if (n > 0) expected[n / 2] = kInfinity;
        Unaligned<float> x(expected, n % 3);
        Unaligned<uint8_t> signs(RandomIntegers<uint8_t>(random, n / 8), n % 5);
        kernels().flip_signs(x.data(), signs.data(), n);
        for (size_t i = 0; i < n; ++i) {
            if ((signs.data()[i / 8] & (1 << i % 8)) != 0) expected[i] = -expected[i];
        }
        ExpectSameBits(x.data(), expected.data(), n);
    }
}

TEST_P(KernelsTest, KacStepCombinesTheHalves) {
    Random random(11);
    for (size_t n = 0; n <= 400; n += 2) {
        const std::vector<float> before = RandomFloats(random, n);
        Unaligned<float> x(before, n % 3);
        kernels().kac_step(x.data(), n);
        std::vector<float> expected(n);
        for (size_t i = 0; i < n / 2; ++i) {
            expected[i] = before[i] + before[i + n / 2];
            expected[i + n / 2] = before[i] - before[i + n / 2];
        }
        ExpectSameBits(x.data(), expected.data(), n);
    }
}

TEST_P(KernelsTest, ScaleMultipliesEveryCoordinate) {
    Random random(12);
    for (size_t n = 0; n <= 200; ++n) {
        std::vector<float> expected = RandomFloats(random, n);
        Unaligned<float> x(expected, n % 3);
        kernels().scale(x.data(), 0.3F, n);
        for (float& value : expected) value *= 0.3F;
        ExpectSameBits(x.data(), expected.data(), n);
    }
}

}  // namespace
}  // namespace annex

// The kernels of vectors of binary16, on every level. Their values are exactly floats, so the sums differ from those of
// the floats by order alone.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <vector>

#include "annex/half.h"
#include "annex/kernels.h"
#include "annex/random.h"
#include "kernel_testing.h"

namespace annex {
namespace {

INSTANTIATE_TEST_SUITE_P(Levels, KernelsTest, testing::Range(size_t{0}, KernelLevelCount()), LevelName);

std::vector<uint16_t> RandomHalfs(Random& random, size_t n) {
    std::vector<uint16_t> halfs(n);
    for (uint16_t& half : halfs) half = FloatToHalf(static_cast<float>((2 * random.Uniform() - 1) * 4));
    return halfs;
}

std::vector<float> FloatsOf(const uint16_t* halfs, size_t n) {
    std::vector<float> floats(n);
    for (size_t i = 0; i < n; ++i) floats[i] = HalfToFloat(halfs[i]);
    return floats;
}

TEST_P(KernelsTest, DistancesOfHalfsAgreeWithDoublePrecision) {
    Random random(21);
    for (const size_t n : Sizes()) {
        for (const size_t offset : {size_t{0}, 1 + n % 3}) {
            Unaligned<uint16_t> a(RandomHalfs(random, n), offset);
            Unaligned<uint16_t> b(RandomHalfs(random, n), 2 * offset);
            Reference l2;
            Reference inner_product;
            Reference norm_a;
            Reference norm_b;
            Reference l1;
            for (size_t i = 0; i < n; ++i) {
                const double x = HalfToFloat(a.data()[i]);
                const double y = HalfToFloat(b.data()[i]);
                l2.Add((x - y) * (x - y));
                inner_product.Add(x * y);
                norm_a.Add(x * x);
                norm_b.Add(y * y);
                l1.Add(std::fabs(x - y));
            }
            EXPECT_NEAR(kernels().half_l2_squared(a.data(), b.data(), n), l2.value, 2 * l2.Tolerance(n)) << n;
            EXPECT_NEAR(kernels().half_inner_product(a.data(), b.data(), n), inner_product.value,
                        inner_product.Tolerance(n))
                << n;
            EXPECT_NEAR(kernels().half_l1(a.data(), b.data(), n), l1.value, 2 * l1.Tolerance(n)) << n;
            const CosineSums cosine = kernels().half_cosine(a.data(), b.data(), n);
            EXPECT_NEAR(cosine.inner_product, inner_product.value, inner_product.Tolerance(n)) << n;
            EXPECT_NEAR(cosine.norm_a_squared, norm_a.value, norm_a.Tolerance(n)) << n;
            EXPECT_NEAR(cosine.norm_b_squared, norm_b.value, norm_b.Tolerance(n)) << n;
        }
    }
}

TEST_P(KernelsTest, AlignmentOfHalfsMakesNoDifference) {
    const Kernels& level = kernels();
    Random random(24);
    for (const size_t n : Sizes()) {
        const std::vector<uint16_t> a = RandomHalfs(random, n);
        const std::vector<uint16_t> b = RandomHalfs(random, n);
        const Misaligned<uint16_t> x(a);
        const Misaligned<uint16_t> y(b);
        EXPECT_EQ(level.half_l2_squared(x.data(), y.data(), n), level.half_l2_squared(a.data(), b.data(), n)) << n;
        EXPECT_EQ(level.half_inner_product(x.data(), y.data(), n), level.half_inner_product(a.data(), b.data(), n))
            << n;
        EXPECT_EQ(level.half_l1(x.data(), y.data(), n), level.half_l1(a.data(), b.data(), n)) << n;
        const CosineSums actual = level.half_cosine(x.data(), y.data(), n);
        const CosineSums expected = level.half_cosine(a.data(), b.data(), n);
        EXPECT_EQ(actual.inner_product, expected.inner_product) << n;
        EXPECT_EQ(actual.norm_a_squared, expected.norm_a_squared) << n;
        EXPECT_EQ(actual.norm_b_squared, expected.norm_b_squared) << n;

        std::vector<float> floats(n);
        std::vector<float> expected_floats(n);
        level.halfs_to_floats(x.data(), floats.data(), n);
        level.halfs_to_floats(a.data(), expected_floats.data(), n);
        EXPECT_EQ(floats, expected_floats) << n;
    }
}

TEST_P(KernelsTest, DistancesOfHalfsSeeEveryCoordinateOnce) {
    const uint16_t one = FloatToHalf(1);
    for (const size_t n : Sizes()) {
        Unaligned<uint16_t> a(std::vector<uint16_t>(n, one), 0);
        Unaligned<uint16_t> b(std::vector<uint16_t>(n, one), 0);
        for (size_t i = 0; i<n; i += n> 1000 ? 97 : 1) {
            a.data()[i] = FloatToHalf(4);
            EXPECT_EQ(kernels().half_l2_squared(a.data(), b.data(), n), 9) << n << " " << i;
            EXPECT_EQ(kernels().half_l1(a.data(), b.data(), n), 3) << n << " " << i;
            EXPECT_EQ(kernels().half_inner_product(a.data(), b.data(), n), static_cast<float>(n + 3)) << n << " " << i;
            const CosineSums cosine = kernels().half_cosine(a.data(), b.data(), n);
            EXPECT_EQ(cosine.inner_product, static_cast<float>(n + 3));
            EXPECT_EQ(cosine.norm_a_squared, static_cast<float>(n + 15));
            EXPECT_EQ(cosine.norm_b_squared, static_cast<float>(n));
            a.data()[i] = one;
        }
    }
}

// Every half, at every place of a register and of what is left over: subnormals, infinities and NaNs too.
TEST_P(KernelsTest, DistancesOfHalfsReadEveryHalf) {
    for (const size_t n : {size_t{3}, size_t{21}, size_t{67}}) {
        std::vector<uint16_t> a(n, 0);
        const std::vector<uint16_t> zeros(n, 0);
        const std::vector<uint16_t> b(n, FloatToHalf(-2));
        for (uint32_t bits = 0; bits < 65536; bits += 5) {
            const size_t place = bits % n;
            const float x = HalfToFloat(static_cast<uint16_t>(bits));
            a[place] = static_cast<uint16_t>(bits);
            ExpectSameValue(kernels().half_inner_product(a.data(), b.data(), n), x * -2, "inner product");
            ExpectSameValue(kernels().half_cosine(a.data(), b.data(), n).norm_a_squared, x * x, "norm of a");
            ExpectSameValue(kernels().half_cosine(b.data(), a.data(), n).norm_b_squared, x * x, "norm of b");
            ExpectSameValue(kernels().half_l2_squared(a.data(), zeros.data(), n), x * x, "l2");
            ExpectSameValue(kernels().half_l1(a.data(), zeros.data(), n), std::fabs(x), "l1");
            a[place] = 0;
        }
    }
}

TEST_P(KernelsTest, HalfsBecomeTheSameFloatsOnEveryLevel) {
    std::vector<uint16_t> every(65536);
    for (size_t i = 0; i < every.size(); ++i) every[i] = static_cast<uint16_t>(i * 40503);
    for (size_t n = 0; n <= 70; ++n) {
        for (size_t first = 0; first + n <= every.size(); first += n < 70 ? 4099 : 64) {
            const std::vector<uint16_t> part(every.begin() + static_cast<ptrdiff_t>(first),
                                             every.begin() + static_cast<ptrdiff_t>(first + n));
            Unaligned<uint16_t> halfs(part, n % 3);
            Unaligned<float> floats(std::vector<float>(n), n % 2);
            kernels().halfs_to_floats(halfs.data(), floats.data(), n);
            ExpectSameBits(floats.data(), FloatsOf(halfs.data(), n).data(), n);
        }
    }
}

TEST_P(KernelsTest, FloatsBecomeTheSameHalfsOnEveryLevel) {
    Random random(22);
    for (int repeat = 0; repeat < 5000; ++repeat) {
        const auto n = static_cast<size_t>(random.Below(71));
        std::vector<float> values(n);
        for (float& value : values) {
            // Bits of any float; those of one around the range of halfs; one half way between two halfs.
            auto bits = static_cast<uint32_t>(random.Next());
            if (random.Below(3) > 0) bits = (bits & 0x807fffffU) | static_cast<uint32_t>(100 + random.Below(46)) << 23;
            if (random.Below(3) == 0) bits = (bits & ~0x1fffU) | 0x1000U;
            value = std::bit_cast<float>(bits);
        }
        Unaligned<float> floats(values, n % 3);
        Unaligned<uint16_t> halfs(std::vector<uint16_t>(n), n % 2);
        kernels().floats_to_halfs(floats.data(), halfs.data(), n);
        for (size_t i = 0; i < n; ++i) {
            ASSERT_EQ(halfs.data()[i], FloatToHalf(values[i])) << std::bit_cast<uint32_t>(values[i]);
        }
    }
}

}  // namespace
}  // namespace annex

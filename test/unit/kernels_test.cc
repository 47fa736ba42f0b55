// The kernels of float vectors and bit strings, on every level, against references written here from the contracts of
// annex/kernels.h.
#include "annex/kernels.h"

#include <gtest/gtest.h>

#include <cfloat>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "annex/random.h"
#include "kernel_testing.h"

namespace annex {
namespace {

INSTANTIATE_TEST_SUITE_P(Levels, KernelsTest, testing::Range(size_t{0}, KernelLevelCount()), LevelName);

TEST_P(KernelsTest, DistancesAgreeWithDoublePrecision) {
    Random random(1);
    for (const size_t n : Sizes()) {
        for (const size_t offset : {size_t{0}, 1 + n % 3}) {
            Unaligned<float> a(RandomFloats(random, n), offset);
            Unaligned<float> b(RandomFloats(random, n), 2 * offset);
            Reference l2;
            Reference inner_product;
            Reference norm_a;
            Reference norm_b;
            Reference l1;
            for (size_t i = 0; i < n; ++i) {
                const double x = a.data()[i];
                const double y = b.data()[i];
                l2.Add((x - y) * (x - y));
                inner_product.Add(x * y);
                norm_a.Add(x * x);
                norm_b.Add(y * y);
                l1.Add(std::fabs(x - y));
            }
            // The difference is rounded before it is squared.
            EXPECT_NEAR(kernels().l2_squared(a.data(), b.data(), n), l2.value, 2 * l2.Tolerance(n)) << n;
            EXPECT_NEAR(kernels().inner_product(a.data(), b.data(), n), inner_product.value, inner_product.Tolerance(n))
                << n;
            EXPECT_NEAR(kernels().l1(a.data(), b.data(), n), l1.value, 2 * l1.Tolerance(n)) << n;
            const CosineSums cosine = kernels().cosine(a.data(), b.data(), n);
            EXPECT_NEAR(cosine.inner_product, inner_product.value, inner_product.Tolerance(n)) << n;
            EXPECT_NEAR(cosine.norm_a_squared, norm_a.value, norm_a.Tolerance(n)) << n;
            EXPECT_NEAR(cosine.norm_b_squared, norm_b.value, norm_b.Tolerance(n)) << n;
        }
    }
}

// Element by element, bit for bit, at every position; zeros and what overflows are noticed wherever they stand.
TEST_P(KernelsTest, ArithmeticIsThatOfEachElement) {
    using Kernel = ElementCheck (*)(const float*, const float*, float*, size_t);
    struct Operation {
        Kernel kernel;
        float (*expected)(float, float);
    };
    const Operation operations[] = {
        {kernels().add, [](float x, float y) { return x + y; }},
        {kernels().subtract, [](float x, float y) { return x - y; }},
        {kernels().multiply, [](float x, float y) { return x * y; }},
    };
    Random random(31);
    for (const size_t n : Sizes()) {
        Unaligned<float> a(RandomFloats(random, n), n % 3);
        Unaligned<float> b(RandomFloats(random, n), n % 2);
        for (const Operation& operation : operations) {
            std::vector<float> expected(n);
            for (size_t i = 0; i < n; ++i) expected[i] = operation.expected(a.data()[i], b.data()[i]);
            Unaligned<float> result(std::vector<float>(n, -7), n % 5);
            const ElementCheck check = operation.kernel(a.data(), b.data(), result.data(), n);
            ExpectSameBits(result.data(), expected.data(), n);
            EXPECT_TRUE(check.finite) << n;
            EXPECT_EQ(check.zero, std::count(expected.begin(), expected.end(), 0.0F) > 0) << n;
        }
    }
}

TEST_P(KernelsTest, ArithmeticTellsOfZerosAndOverflow) {
    const Kernels& level = kernels();  // which asks the CPU
    for (const size_t n : Sizes()) {
        Unaligned<float> a(std::vector<float>(n, 2), 0);
        Unaligned<float> b(std::vector<float>(n, -3), 1);
        Unaligned<float> result(std::vector<float>(n), 2);
        for (size_t i = 0; i<n; i += n> 200 ? 97 : 1) {
            struct Case {
                float a;
                float b;
                ElementCheck sum;
                ElementCheck difference;
                ElementCheck product;
            };
            constexpr ElementCheck kPlain{true, false};
            constexpr ElementCheck kZero{true, true};
            constexpr ElementCheck kOver{false, false};
            for (const Case& each : {Case{FLT_MAX, FLT_MAX, kOver, kZero, kOver},
                                     {-FLT_MAX, FLT_MAX, kZero, kOver, kOver},
                                     {0, -0.0F, kZero, kZero, kZero},
                                     {1e-30F, -1e-30F, kZero, kPlain, kZero},
                                     {kNan, 1, kOver, kOver, kOver}}) {
                a.data()[i] = each.a;
                b.data()[i] = each.b;
                const auto expect = [&](const ElementCheck& check, const ElementCheck& expected, const char* what) {
                    ASSERT_EQ(check.finite, expected.finite) << what << " " << n << " " << i << " " << each.a;
                    ASSERT_EQ(check.zero, expected.zero) << what << " " << n << " " << i << " " << each.a;
                };
                expect(level.add(a.data(), b.data(), result.data(), n), each.sum, "add");
                expect(level.subtract(a.data(), b.data(), result.data(), n), each.difference, "subtract");
                expect(level.multiply(a.data(), b.data(), result.data(), n), each.product, "multiply");
            }
            a.data()[i] = 2;
            b.data()[i] = -3;
        }
    }
}

// Elements of packed values lie at any address.
TEST_P(KernelsTest, AlignmentMakesNoDifference) {
    const Kernels& level = kernels();
    Random random(33);
    for (const size_t n : Sizes()) {
        const std::vector<float> a = RandomFloats(random, n);
        const std::vector<float> b = RandomFloats(random, n);
        const Misaligned<float> x(a);
        const Misaligned<float> y(b);
        EXPECT_EQ(level.l2_squared(x.data(), y.data(), n), level.l2_squared(a.data(), b.data(), n)) << n;
        EXPECT_EQ(level.inner_product(x.data(), y.data(), n), level.inner_product(a.data(), b.data(), n)) << n;
        EXPECT_EQ(level.l1(x.data(), y.data(), n), level.l1(a.data(), b.data(), n)) << n;
        const CosineSums actual = level.cosine(x.data(), y.data(), n);
        const CosineSums expected = level.cosine(a.data(), b.data(), n);
        EXPECT_EQ(actual.inner_product, expected.inner_product) << n;
        EXPECT_EQ(actual.norm_a_squared, expected.norm_a_squared) << n;
        EXPECT_EQ(actual.norm_b_squared, expected.norm_b_squared) << n;
        EXPECT_EQ(level.sum_of_squares(x.data(), n), level.sum_of_squares(a.data(), n)) << n;

        std::vector<uint8_t> bits((n + 7) / 8);
        std::vector<uint8_t> expected_bits((n + 7) / 8);
        level.signs(x.data(), bits.data(), n);
        level.signs(a.data(), expected_bits.data(), n);
        EXPECT_EQ(bits, expected_bits) << n;

        std::vector<uint16_t> halfs(n);
        std::vector<uint16_t> expected_halfs(n);
        level.floats_to_halfs(x.data(), halfs.data(), n);
        level.floats_to_halfs(a.data(), expected_halfs.data(), n);
        EXPECT_EQ(halfs, expected_halfs) << n;
        for (const auto operation : {level.add, level.subtract, level.multiply}) {
            std::vector<float> result(n);
            std::vector<float> expected_result(n);
            operation(x.data(), y.data(), result.data(), n);
            operation(a.data(), b.data(), expected_result.data(), n);
            EXPECT_EQ(result, expected_result) << n;
        }
    }
}

TEST_P(KernelsTest, SumOfSquaresHasDoublePrecision) {
    const Kernels& level = kernels();
    Random random(32);
    for (const size_t n : Sizes()) {
        Unaligned<float> x(RandomFloats(random, n), n % 3);
        double expected = 0;
        for (size_t i = 0; i < n; ++i) expected += static_cast<double>(x.data()[i]) * static_cast<double>(x.data()[i]);
        EXPECT_NEAR(level.sum_of_squares(x.data(), n), expected, 1e-15 * static_cast<double>(n + 1) * expected) << n;
        // squares that a float could not hold
        Unaligned<float> large(std::vector<float>(n, FLT_MAX), 1);
        EXPECT_NEAR(level.sum_of_squares(large.data(), n) / (double{FLT_MAX} * double{FLT_MAX}), static_cast<double>(n),
                    1e-9 * static_cast<double>(n));
        // each counts once
        for (size_t i = 0; i<n; i += n> 200 ? 97 : 1) {
            Unaligned<float> one(std::vector<float>(n, 0), 0);
            one.data()[i] = 3;
            ASSERT_EQ(level.sum_of_squares(one.data(), n), 9) << n << " " << i;
        }
    }
}

TEST_P(KernelsTest, SignsAreBitsFromTheMostSignificantOne) {
    Random random(33);
    for (const size_t n : Sizes()) {
        std::vector<float> values = RandomFloats(random, n);
        const float special[] = {0, -0.0F, FLT_TRUE_MIN, -FLT_TRUE_MIN, FLT_MAX, -FLT_MAX};
        for (size_t i = 0; i < n; i += 5) values[i] = special[random.Next() % 6];
        Unaligned<float> x(values, n % 3);
        std::vector<uint8_t> expected((n + 7) / 8, 0);
        for (size_t i = 0; i < n; ++i)
            if (values[i] > 0) expected[i / 8] = static_cast<uint8_t>(expected[i / 8] + (128 >> i % 8));
        Unaligned<uint8_t> bits(std::vector<uint8_t>((n + 7) / 8, 0xa5), n % 2);
        kernels().signs(x.data(), bits.data(), n);
        for (size_t i = 0; i < expected.size(); ++i) ASSERT_EQ(bits.data()[i], expected[i]) << n << " " << i;
    }
}

// Each coordinate counts, exactly once, wherever it stands.
TEST_P(KernelsTest, DistancesSeeEveryCoordinateOnce) {
    for (const size_t n : Sizes()) {
        const std::vector<float> ones(n, 1);
        Unaligned<float> a(ones, 0);
        Unaligned<float> b(ones, 0);
        for (size_t i = 0; i<n; i += n> 1000 ? 97 : 1) {
            a.data()[i] = 4;
            EXPECT_EQ(kernels().l2_squared(a.data(), b.data(), n), 9) << n << " " << i;
            EXPECT_EQ(kernels().l1(a.data(), b.data(), n), 3) << n << " " << i;
            EXPECT_EQ(kernels().inner_product(a.data(), b.data(), n), static_cast<float>(n + 3)) << n << " " << i;
            const CosineSums cosine = kernels().cosine(a.data(), b.data(), n);
            EXPECT_EQ(cosine.inner_product, static_cast<float>(n + 3));
            EXPECT_EQ(cosine.norm_a_squared, static_cast<float>(n + 15));
            EXPECT_EQ(cosine.norm_b_squared, static_cast<float>(n));
            a.data()[i] = 1;
        }
    }
}

TEST_P(KernelsTest, DistancesOfExtremeValues) {
    const float tiny = std::numeric_limits<float>::denorm_min();
    const float values[] = {0.0F,  -0.0F,  1.0F,    tiny,      -tiny,      FLT_MIN,
                            3e38F, -3e38F, FLT_MAX, kInfinity, -kInfinity, kNan};
    for (const size_t n : {size_t{1}, size_t{5}, size_t{16}, size_t{67}, size_t{128}}) {
        for (const float x : values) {
            for (const float y : values) {
                // One pair alone, so that no order of adding can matter.
                std::vector<float> a(n, 0);
                std::vector<float> b(n, 0);
                a[n / 2] = x;
                b[n / 2] = y;
                ExpectSameValue(kernels().l2_squared(a.data(), b.data(), n), (x - y) * (x - y), "l2");
                ExpectSameValue(kernels().inner_product(a.data(), b.data(), n), x * y, "inner product");
                ExpectSameValue(kernels().l1(a.data(), b.data(), n), std::fabs(x - y), "l1");
                const CosineSums cosine = kernels().cosine(a.data(), b.data(), n);
                ExpectSameValue(cosine.inner_product, x * y, "inner product");
                ExpectSameValue(cosine.norm_a_squared, x * x, "norm of a");
                ExpectSameValue(cosine.norm_b_squared, y * y, "norm of b");
            }
        }
    }
}

// Each bit by itself, however long the strings are and wherever they lie.
TEST_P(KernelsTest, BitsAreCountedOnceEach) {
    Random random(12);
    std::vector<size_t> sizes = Sizes();
    sizes.push_back(0);
    for (const size_t n : sizes) {
        for (const size_t offset : {size_t{0}, 1 + n % 7}) {
            const std::vector<uint8_t> bytes_a = RandomIntegers<uint8_t>(random, n);
            const std::vector<uint8_t> bytes_b = RandomIntegers<uint8_t>(random, n);
            Unaligned<uint8_t> a(bytes_a, offset);
            Unaligned<uint8_t> b(bytes_b, 2 * offset);
            uint64_t differing = 0;
            uint64_t both = 0;
            uint64_t either = 0;
            for (size_t bit = 0; bit < 8 * n; ++bit) {
                const bool in_a = ((bytes_a[bit / 8] >> (bit % 8)) & 1) != 0;
                const bool in_b = ((bytes_b[bit / 8] >> (bit % 8)) & 1) != 0;
                differing += in_a != in_b;
                both += in_a && in_b;
                either += in_a || in_b;
            }
            ASSERT_EQ(kernels().hamming(a.data(), b.data(), n), differing) << n << " bytes";
            const BitCounts counts = kernels().jaccard(a.data(), b.data(), n);
            ASSERT_EQ(counts.both, both) << n << " bytes";
            ASSERT_EQ(counts.either, either) << n << " bytes";
        }
    }
}

// No sum of counts overflows where all bits are set.
TEST_P(KernelsTest, AllBitsOfALongString) {
    constexpr size_t kBytes = 1000003;
    Unaligned<uint8_t> ones(std::vector<uint8_t>(kBytes, 0xff), 1);
    Unaligned<uint8_t> zeros(std::vector<uint8_t>(kBytes, 0), 0);
    EXPECT_EQ(kernels().hamming(ones.data(), zeros.data(), kBytes), 8 * kBytes);
    EXPECT_EQ(kernels().hamming(ones.data(), ones.data(), kBytes), 0U);
    const BitCounts counts = kernels().jaccard(ones.data(), ones.data(), kBytes);
    EXPECT_EQ(counts.both, 8 * kBytes);
    EXPECT_EQ(counts.either, 8 * kBytes);
    EXPECT_EQ(kernels().jaccard(ones.data(), zeros.data(), kBytes).both, 0U);
}

}  // namespace
}  // namespace annex

// The kernels of codes, on every level: distances to 8-bit codes, sums over sketches and their bounds.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "annex/kernels.h"
#include "annex/random.h"
#include "kernel_testing.h"

namespace annex {
namespace {

INSTANTIATE_TEST_SUITE_P(Levels, KernelsTest, testing::Range(size_t{0}, KernelLevelCount()), LevelName);

TEST_P(KernelsTest, RowDistancesAgreeWithDoublePrecision) {
    Random random(2);
    for (size_t n = 64; n <= 16000; n += n < 1024 ? 64 : 1856) {
        for (const float scale : {0.0F, 0.0078F, 3.5F}) {
            for (const size_t offset : {size_t{0}, size_t{1}, size_t{3}}) {
                Unaligned<float> query(RandomFloats(random, n), offset);
                Unaligned<int8_t> codes(RandomIntegers<int8_t>(random, n), 5 * offset);
                Reference l2;
                Reference inner_product;
                Reference l1;
                double largest = 0;
                for (size_t i = 0; i < n; ++i) {
                    const double decoded = static_cast<double>(scale) * codes.data()[i];
                    const double difference = query.data()[i] - decoded;
                    l2.Add(difference * difference);
                    l1.Add(std::fabs(difference));
                    inner_product.Add(static_cast<double>(query.data()[i]) * codes.data()[i]);
                    largest = std::max({largest, std::fabs(decoded), 1.0});
                }
                // Without a fused operation the decoded value is rounded too, and cancellation shows it.
                const double decoding = 8 * static_cast<double>(n) * kFloatUnit * largest * largest;
                EXPECT_NEAR(kernels().row_l2_squared(query.data(), codes.data(), scale, n), l2.value,
                            2 * l2.Tolerance(n) + decoding);
                EXPECT_NEAR(kernels().row_inner_product(query.data(), codes.data(), n), inner_product.value,
                            inner_product.Tolerance(n));
                const NormSums norms = kernels().row_norms(query.data(), codes.data(), scale, n);
                EXPECT_NEAR(norms.l2_squared, l2.value, 2 * l2.Tolerance(n) + decoding);
                EXPECT_NEAR(norms.l1, l1.value, 2 * l1.Tolerance(n) + decoding);
            }
        }
    }
}

TEST_P(KernelsTest, RowDistancesKnowEveryCode) {
    std::vector<int8_t> codes(256);
    std::vector<float> query(256);
    for (size_t i = 0; i < 256; ++i) {
        codes[i] = static_cast<int8_t>(i);
        query[i] = 2.0F * codes[i];
    }
    EXPECT_EQ(kernels().row_l2_squared(query.data(), codes.data(), 2, 256), 0);
    query[200] += 3;
    EXPECT_EQ(kernels().row_l2_squared(query.data(), codes.data(), 2, 256), 9);
    query[100] -= 4;
    const NormSums norms = kernels().row_norms(query.data(), codes.data(), 2, 256);
    EXPECT_EQ(norms.l1, 7);
    EXPECT_EQ(norms.l2_squared, 25);
    for (size_t i = 0; i < 256; ++i) {
        std::fill(query.begin(), query.end(), 0.0F);
        query[i] = 3;
        EXPECT_EQ(kernels().row_inner_product(query.data(), codes.data(), 256), 3.0F * codes[i]);
    }
    query[7] = kNan;
    EXPECT_TRUE(std::isnan(kernels().row_l2_squared(query.data(), codes.data(), 2, 256)));
    EXPECT_TRUE(std::isnan(kernels().row_inner_product(query.data(), codes.data(), 256)));
    EXPECT_TRUE(std::isnan(kernels().row_norms(query.data(), codes.data(), 2, 256).l1));
    query[7] = kInfinity;
    EXPECT_EQ(kernels().row_l2_squared(query.data(), codes.data(), 2, 256), kInfinity);
    EXPECT_EQ(kernels().row_inner_product(query.data(), codes.data(), 256), kInfinity);
}

std::vector<uint32_t> ReferenceSums(const std::vector<uint8_t>& codes, const std::vector<uint8_t>& table, size_t rows,
                                    std::vector<uint32_t> sums) {
    for (size_t v = 0; v < kBlockSize; ++v) {
        for (size_t row = 0; row < rows; ++row) {
            const uint8_t code = codes[32 * row + v];
            sums[v] += table[32 * row + code % 16] + table[32 * row + 16 + code / 16];
        }
    }
    return sums;
}

TEST_P(KernelsTest, SketchSumsAreExactForAnyNumberOfRows) {
    Random random(3);
    std::vector<size_t> numbers_of_rows = {384, 511, 512, 513, 2000};
    for (size_t rows = 0; rows <= 300; ++rows) numbers_of_rows.push_back(rows);
    for (const size_t rows : numbers_of_rows) {
        const std::vector<uint8_t> codes = RandomIntegers<uint8_t>(random, 32 * rows);
        const std::vector<uint8_t> largest(32 * rows, 255);  // fills 16 bits as fast as can be
        for (const std::vector<uint8_t>& table : {RandomIntegers<uint8_t>(random, 32 * rows), largest}) {
            const std::vector<uint32_t> before = RandomIntegers<uint32_t>(random, kBlockSize);
            Unaligned<uint8_t> codes_copy(codes, rows % 7);
            Unaligned<uint8_t> table_copy(table, rows % 5);
            Unaligned<uint32_t> sums(before, rows % 3);
            kernels().sketch_accumulate(codes_copy.data(), rows, table_copy.data(), sums.data());
            const std::vector<uint32_t> expected = ReferenceSums(codes, table, rows, before);
            ASSERT_EQ(std::vector<uint32_t>(sums.data(), sums.data() + kBlockSize), expected) << rows << " rows";
        }
    }
}

// A page cut may fall anywhere: two calls add up to one.
TEST_P(KernelsTest, SketchSumsContinueAcrossCalls) {
    Random random(4);
    const size_t rows = 150;
    const std::vector<uint8_t> codes = RandomIntegers<uint8_t>(random, 32 * rows);
    const std::vector<uint8_t> table = RandomIntegers<uint8_t>(random, 32 * rows);
    const std::vector<uint32_t> expected = ReferenceSums(codes, table, rows, std::vector<uint32_t>(kBlockSize, 0));
    for (size_t cut = 0; cut <= rows; ++cut) {
        std::vector<uint32_t> sums(kBlockSize, 0);
        kernels().sketch_accumulate(codes.data(), cut, table.data(), sums.data());
        kernels().sketch_accumulate(codes.data() + 32 * cut, rows - cut, table.data() + 32 * cut, sums.data());
        ASSERT_EQ(sums, expected) << cut;
    }
}

struct BoundInput {
    std::vector<uint32_t> sums;
    std::vector<uint16_t> f_add, f_rescale, f_error;
    BoundTerms terms;
};

BoundInput RandomBoundInput(Random& random) {
    BoundInput input;
    const auto factors = [&random](double scale) {
        std::vector<uint16_t> values(kBlockSize);
        for (uint16_t& value : values) {
            value = FloatToBf16Nearest(static_cast<float>((2 * random.Uniform() - 1) * scale));
        }
        return values;
    };
    for (size_t v = 0; v < kBlockSize; ++v) input.sums.push_back(static_cast<uint32_t>(random.Below(1000000)));
    input.f_add = factors(10);
    input.f_rescale = factors(2);
    input.f_error = factors(1);
    input.terms = {.base = 3.25F, .add_scale = 1.5F, .sum_scale = 0.0625F, .sum_offset = -77.5F, .error_scale = 1.9F};
    return input;
}

uint32_t Bounds(const Kernels& kernels, const BoundInput& input, float threshold, float* bounds) {
    return kernels.sketch_bounds(input.sums.data(), input.f_add.data(), input.f_rescale.data(), input.f_error.data(),
                                 input.terms, threshold, bounds);
}

TEST_P(KernelsTest, BoundsAgreeWithDoublePrecision) {
    Random random(5);
    for (int repeat = 0; repeat < 200; ++repeat) {
        const BoundInput input = RandomBoundInput(random);
        const BoundTerms& terms = input.terms;
        float bounds[kBlockSize];
        Bounds(kernels(), input, 0, bounds);
        for (size_t v = 0; v < kBlockSize; ++v) {
            Reference bound;
            bound.Add(terms.base);
            bound.Add(static_cast<double>(terms.add_scale) * Bf16ToFloat(input.f_add[v]));
            bound.Add(static_cast<double>(Bf16ToFloat(input.f_rescale[v])) * terms.sum_scale * input.sums[v]);
            bound.Add(static_cast<double>(Bf16ToFloat(input.f_rescale[v])) * terms.sum_offset);
            bound.Add(-static_cast<double>(terms.error_scale) * Bf16ToFloat(input.f_error[v]));
            ASSERT_NEAR(bounds[v], bound.value, bound.Tolerance(6)) << v;
        }
    }
}

TEST_P(KernelsTest, BoundsBelowTheThresholdAreMarked) {
    Random random(6);
    for (int repeat = 0; repeat < 200; ++repeat) {
        const BoundInput input = RandomBoundInput(random);
        float bounds[kBlockSize];
        Bounds(kernels(), input, 0, bounds);
        const float one_of_them = bounds[random.Below(kBlockSize)];  // equal is not below
        for (const float threshold : {one_of_them, 0.0F, kInfinity, -kInfinity, kNan}) {
            const uint32_t below = Bounds(kernels(), input, threshold, bounds);
            for (size_t v = 0; v < kBlockSize; ++v) ASSERT_EQ((below >> v) & 1, bounds[v] < threshold ? 1U : 0U);
        }
    }
}

TEST_P(KernelsTest, BoundsThatAreNoNumberAreNeverMarked) {
    Random random(7);
    BoundInput input = RandomBoundInput(random);
    input.f_add[3] = FloatToBf16Nearest(kNan);
    input.f_add[17] = FloatToBf16Nearest(kInfinity);
    input.f_add[30] = FloatToBf16Nearest(-kInfinity);
    input.f_add[31] = FloatToBf16Nearest(kInfinity);
    input.f_error[31] = FloatToBf16Nearest(kInfinity);
    float bounds[kBlockSize];
    const uint32_t below = Bounds(kernels(), input, kInfinity, bounds);
    EXPECT_TRUE(std::isnan(bounds[3]));
    EXPECT_EQ(bounds[17], kInfinity);
    EXPECT_EQ(bounds[30], -kInfinity);
    EXPECT_TRUE(std::isnan(bounds[31]));
    EXPECT_EQ(below, ~((1U << 3) | (1U << 17) | (1U << 31)));
}

}  // namespace
}  // namespace annex

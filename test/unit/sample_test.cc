// The sample: rows in 8 bits a coordinate.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "annex/clustering.h"
#include "clustering_data.h"
#include "engine/clustering/code_product.h"
#include "engine/clustering/inner_loops.h"

namespace annex {
namespace {

float Largest(const float* row, size_t n) {
    float largest = 0;
    for (size_t d = 0; d < n; d++) largest = std::max(largest, std::fabs(row[d]));
    return largest;
}

TEST(Sample, DecodesWithinHalfAStepAtEveryLevel) {
    for (size_t level = 0; level < KernelLevelCount(); level++) {
        SCOPED_TRACE(KernelLevel(level).name);
        const ForcedLevel forced(KernelLevel(level).name);
        for (const size_t padded : {64, 320, 16000}) {
            for (const float magnitude : {1e-30F, 1e-3F, 1.0F, 1e18F}) {
                Vectors rows = RandomVectors(20, padded, 1);
                for (size_t i = 0; i < 20 * padded; i++) rows.data()[i] *= magnitude;
                const Sample sample = SampleOf(rows);
                std::vector<float> decoded(padded);
                for (size_t i = 0; i < 20; i++) {
                    sample.Decode(i, decoded.data());
                    const float step = Largest(rows[i], padded) / 127;
                    EXPECT_NEAR(sample.scale(i), step, 1e-6F * step);
                    for (size_t d = 0; d < padded; d++) {
                        ASSERT_NEAR(decoded[d], rows[i][d], 0.50001F * step) << i << " " << d;
                        ASSERT_EQ(decoded[d], sample.scale(i) * static_cast<float>(sample.codes(i)[d]));
                    }
                }
            }
        }
    }
}

TEST(Sample, AllLevelsGiveTheSameCodes) {
    const Vectors rows = RandomVectors(100, 192, 2);
    const ForcedLevel scalar("scalar");
    const Sample expected = SampleOf(rows);
    for (size_t level = 1; level < KernelLevelCount(); level++) {
        const ForcedLevel forced(KernelLevel(level).name);
        const Sample sample = SampleOf(rows);
        for (size_t i = 0; i < rows.size(); i++) {
            ASSERT_EQ(sample.scale(i), expected.scale(i));
            ASSERT_TRUE(std::equal(sample.codes(i), sample.codes(i) + 192, expected.codes(i))) << i;
        }
    }
}

TEST(Sample, TiniestAndZeroRowsBecomeZero) {
    Vectors rows(3, 64);
    rows[1][5] = std::numeric_limits<float>::denorm_min();
    rows[2][7] = -std::numeric_limits<float>::min();
    const Sample sample = SampleOf(rows);
    std::vector<float> decoded(64, 1.0F);
    for (size_t i = 0; i < 3; i++) {
        sample.Decode(i, decoded.data());
        for (const float value : decoded) EXPECT_EQ(value, 0.0F);
    }
}

TEST(Sample, HugeRowsStayFinite) {
    Vectors rows(1, 64);
    rows[0][0] = 3e38F;
    rows[0][1] = -3e38F;
    const Sample sample = SampleOf(rows);
    std::vector<float> decoded(64);
    sample.Decode(0, decoded.data());
    EXPECT_EQ(sample.codes(0)[0], 127);
    EXPECT_EQ(sample.codes(0)[1], -127);
    for (const float value : decoded) EXPECT_TRUE(std::isfinite(value));
}

TEST(Sample, ReplaceChangesOneRowAlone) {
    const Vectors rows = RandomVectors(1000, 64, 3);  // several chunks, the last one not full
    const Vectors others = RandomVectors(1000, 64, 4);
    Sample sample = SampleOf(rows);
    EXPECT_EQ(sample.size(), 1000U);
    EXPECT_EQ(sample.capacity(), 1000U);
    const std::vector<size_t> replaced = {0, 255, 256, 511, 700, 768, 999};
    for (const size_t i : replaced) sample.Replace(i, others[i]);
    EXPECT_EQ(sample.size(), 1000U);
    const Sample before = SampleOf(rows);
    const Sample after = SampleOf(others);
    for (size_t i = 0; i < 1000; i++) {
        const bool changed = std::find(replaced.begin(), replaced.end(), i) != replaced.end();
        const Sample& expected = changed ? after : before;
        EXPECT_EQ(sample.scale(i), expected.scale(i)) << i;
        EXPECT_TRUE(std::equal(sample.codes(i), sample.codes(i) + 64, expected.codes(i))) << i;
    }
}

TEST(InnerLoops, AddDecodedAddsAtEveryLevel) {
    const Vectors rows = RandomVectors(1, 128, 5);
    const Sample sample = SampleOf(rows);
    for (size_t level = 0; level < KernelLevelCount(); level++) {
        const ForcedLevel forced(KernelLevel(level).name);
        std::vector<float> sums(128, 10.0F);
        std::vector<float> decoded(128);
        internal::ActiveInnerLoops().add_decoded(sample.codes(0), sample.scale(0), 128, sums.data());
        sample.Decode(0, decoded.data());
        for (size_t d = 0; d < 128; d++) EXPECT_FLOAT_EQ(sums[d], 10.0F + decoded[d]);
    }
}

TEST(InnerLoops, ThresholdIsReachedByKAndFewMore) {
    Random random(6);
    for (size_t level = 0; level < KernelLevelCount(); level++) {
        SCOPED_TRACE(KernelLevel(level).name);
        const ForcedLevel forced(KernelLevel(level).name);
        const internal::InnerLoops& loops = internal::ActiveInnerLoops();
        size_t passed = 0;
        for (int round = 0; round < 200; round++) {
            const size_t n = 32 * (1 + random.Below(20));
            const size_t k = 1 + random.Below(16);
            std::vector<float> values(n);
            for (float& value : values) value = Gaussian(random);
            values[random.Below(n)] = std::numeric_limits<float>::quiet_NaN();
            values[random.Below(n)] = std::numeric_limits<float>::infinity();
            const float threshold = loops.threshold(values.data(), n, k);
            const auto reached = static_cast<size_t>(
                std::count_if(values.begin(), values.end(), [&](float value) { return value <= threshold; }));
            ASSERT_GE(reached, k);
            passed += reached - k;

            std::vector<uint32_t> indices(n);
            const size_t count = loops.below(values.data(), n, threshold, indices.data());
            std::vector<uint32_t> expected;
            for (size_t i = 0; i < n; i++)
                if (values[i] < threshold) expected.push_back(static_cast<uint32_t>(i));
            ASSERT_EQ(std::vector<uint32_t>(indices.begin(), indices.begin() + static_cast<ptrdiff_t>(count)),
                      expected);
        }
        EXPECT_LT(passed, 200U * 10);
    }
}

TEST(InnerLoops, ThresholdIsInfiniteWithoutEnoughValues) {
    const std::vector<float> values(64, std::numeric_limits<float>::quiet_NaN());
    for (size_t level = 0; level < KernelLevelCount(); level++) {
        const ForcedLevel forced(KernelLevel(level).name);
        const internal::InnerLoops& loops = internal::ActiveInnerLoops();
        for (const size_t k : {1, 8}) EXPECT_EQ(loops.threshold(values.data(), 64, k), INFINITY);
        std::vector<uint32_t> indices(64);
        EXPECT_EQ(loops.below(values.data(), 64, INFINITY, indices.data()), 0U);
    }
}

// A new level must not leave these loops to the plain ones, which give the same results many times more slowly.
TEST(InnerLoops, EveryVectorLevelHasItsOwn) {
    SetKernelLevel("scalar");
    const internal::InnerLoops* const plain = &internal::ActiveInnerLoops();
    [[maybe_unused]] const internal::CodeProduct product = internal::ActiveCodeProduct();
    [[maybe_unused]] const internal::CodeDots dots = internal::ActiveCodeDots();
    for (size_t level = 1; level < KernelLevelCount(); level++) {
        SetKernelLevel(KernelLevel(level).name);
        EXPECT_NE(&internal::ActiveInnerLoops(), plain) << KernelLevel(level).name;
#if defined(__x86_64__)
        EXPECT_NE(internal::ActiveCodeProduct(), product) << KernelLevel(level).name;
        EXPECT_NE(internal::ActiveCodeDots(), dots) << KernelLevel(level).name;
#endif
    }
    SetKernelLevel("auto");
}

}  // namespace
}  // namespace annex

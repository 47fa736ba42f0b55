// Indexes of bit strings: entries that are the rows themselves, and distances that are exact.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <vector>

#include "annex/memory_index.h"
#include "annex/refinement.h"
#include "annex/row_placer.h"
#include "codec_testing.h"

namespace annex {
namespace {

using testing::ForEachKernelLevel;

constexpr Metric kBitMetrics[] = {Metric::kHamming, Metric::kJaccard};

// Bit strings around some centres, as floats: `share` of the bits of a centre are set, a tenth of a row's are flipped.
std::vector<float> MakeBits(size_t bits, size_t rows, double share, uint64_t seed) {
    constexpr size_t kCentres = 20;
    Random random(seed);
    std::vector<float> centres(kCentres * bits);
    for (float& bit : centres) bit = random.Uniform() < share ? 1 : 0;
    std::vector<float> x(rows * bits);
    for (size_t row = 0; row < rows; ++row) {
        const float* centre = &centres[static_cast<size_t>(random.Uniform() * kCentres) * bits];
        for (size_t i = 0; i < bits; ++i) x[row * bits + i] = random.Uniform() < 0.1 ? 1 - centre[i] : centre[i];
    }
    return x;
}

Space MakeSpace(Metric metric, size_t bits, const std::vector<float>& x) {
    std::vector<float> mean(bits);
    const size_t rows = x.size() / bits;
    for (size_t i = 0; i < x.size(); ++i) mean[i % bits] += x[i] / static_cast<float>(rows);
    return {metric, bits, 5, mean};
}

// A row's codes are its bits, and come back from the space exactly: new lists are made of them.
TEST(BitsTest, RowsAreCodedExactly) {
    for (const size_t bits : {1U, 63U, 64U, 200U, 384U, 2048U, 16000U}) {
        const std::vector<float> x = MakeBits(bits, 6, 0.4, bits);
        const Space space = MakeSpace(Metric::kHamming, bits, x);
        for (size_t row = 0; row < 6; ++row) {
            std::vector<float> y(space.padded());
            ASSERT_EQ(space.TransformRow(&x[row * bits], y.data()), RowClass::kNormal);
            std::vector<int8_t> codes(space.padded());
            const RowFactors factors = RowEncoder(space).Encode(y.data(), codes.data());
            EXPECT_EQ(factors.scale, 1);
            EXPECT_EQ(factors.error, 0);
            for (size_t i = 0; i < space.padded(); ++i)
                ASSERT_EQ(codes[i], i < bits ? x[row * bits + i] : 0) << bits << " bits, bit " << i;
            std::vector<float> decoded(space.padded());
            DecodeRow(space, codes.data(), factors.scale, decoded.data());
            std::vector<uint8_t> code(space.padded() / 8);
            const SketchFactors entry = EncodeEntry(space, decoded.data(), nullptr, code.data());
            EXPECT_EQ(entry.f_error, std::count(codes.begin(), codes.end(), 1)) << "bits that are set";
            for (size_t i = 0; i < space.padded(); ++i) ASSERT_EQ(code[i / 8] >> i % 8 & 1, codes[i]);
        }
    }
}

TEST(BitsTest, RowsThatEqualTheMeanAreNormal) {
    const std::vector<float> x(64, 1);
    const Space space(Metric::kJaccard, 64, 5, x);
    EXPECT_EQ(space.Classify(x.data()), RowClass::kNormal);
    std::vector<float> y(space.padded());
    EXPECT_EQ(space.TransformQuery(x.data(), y.data()), RowClass::kNormal);
}

// With all lists probed nothing is missed, ties or not, at every kernel level.
TEST(BitsTest, AllListsGiveTheExactAnswer) {
    for (const Metric metric : kBitMetrics) {
        for (const double share : {0.05, 0.5}) {
            constexpr size_t kBits = 100;
            const std::vector<float> x = MakeBits(kBits, 1500, share, 3);
            const VectorView rows{x.data(), 1500, kBits};
            const MemoryIndex index(rows, {.metric = metric});
            ForEachKernelLevel([&](const Kernels& kernels) {
                MemorySearcher searcher(index);
                for (size_t q = 0; q < 20; ++q) {
                    const float* query = rows.row(q * 70);
                    const std::vector<Neighbour> expected = ExactSearch(rows, metric, query, 25);
                    const auto found = searcher.Search(query, {.k = 25, .probes = index.lists()});
                    ASSERT_EQ(found.size(), expected.size());
                    for (size_t i = 0; i < found.size(); ++i)
                        ASSERT_EQ(found[i].distance, expected[i].distance)
                            << testing::MetricName(metric) << " " << kernels.name << " row " << i;
                }
            });
        }
    }
}

// Entries alone tell how far a row is: of rows without any order few are read.
TEST(BitsTest, EntriesTellWhatIsNear) {
    constexpr size_t kBits = 128;
    Random random(9);
    std::vector<float> x(4000 * kBits);
    for (float& bit : x) bit = random.Uniform() < 0.4 ? 1 : 0;
    const VectorView rows{x.data(), 4000, kBits};
    for (const Metric metric : kBitMetrics) {
        const MemoryIndex index(rows, {.metric = metric});
        MemorySearcher searcher(index);
        for (size_t q = 0; q < 20; ++q) {
            (void)searcher.Search(rows.row(q * 190), {.k = 10, .probes = index.lists()});
            EXPECT_LT(searcher.counters().refined, 300U) << testing::MetricName(metric);
        }
    }
}

TEST(BitsTest, FewListsFindNearlyAll) {
    for (const Metric metric : kBitMetrics) {
        for (const SpillChoice spill : {SpillChoice::kOff, SpillChoice::kOn}) {
            constexpr size_t kBits = 256;
            const std::vector<float> x = MakeBits(kBits, 4000, 0.3, 4);
            const VectorView rows{x.data(), 4000, kBits};
            const MemoryIndex index(rows, {.metric = metric, .spill = spill});
            MemorySearcher searcher(index);
            size_t found = 0;
            for (size_t q = 0; q < 50; ++q) {
                const float* query = rows.row(q * 80);
                const std::vector<Neighbour> expected = ExactSearch(rows, metric, query, 10);
                for (const Neighbour& neighbour : searcher.Search(query, {.probes = index.lists() / 3}))
                    found += neighbour.distance <= expected.back().distance ? 1 : 0;
                EXPECT_LT(searcher.rechecked(), 60U);
            }
            EXPECT_GE(found, 475U) << testing::MetricName(metric);
        }
    }
}

TEST(BitsTest, AllRowsWithinARadius) {
    for (const Metric metric : kBitMetrics) {
        constexpr size_t kBits = 90;
        const std::vector<float> x = MakeBits(kBits, 1200, 0.3, 6);
        const VectorView rows{x.data(), 1200, kBits};
        const MemoryIndex index(rows, {.metric = metric});
        MemorySearcher searcher(index);
        for (const double radius : {0.0, 0.25, 0.5, 1.0, 15.0, 16.0, 90.0}) {
            const float* query = rows.row(17);
            size_t within = 0;
            for (size_t i = 0; i < rows.count; ++i)
                within += ExactDistance(metric, query, rows.row(i), kBits) <= radius ? 1 : 0;
            EXPECT_EQ(searcher.SearchRange(query, radius).size(), within) << testing::MetricName(metric) << radius;
        }
    }
}

// Strings without a bit are at Jaccard's greatest distance from all, and nothing is lost.
TEST(BitsTest, EmptyStrings) {
    constexpr size_t kBits = 70;
    std::vector<float> x = MakeBits(kBits, 300, 0.2, 8);
    std::fill(x.begin(), x.begin() + 3 * kBits, 0.0F);
    const VectorView rows{x.data(), 300, kBits};
    for (const Metric metric : kBitMetrics) {
        const MemoryIndex index(rows, {.metric = metric});
        MemorySearcher searcher(index);
        for (const size_t query : {0U, 100U}) {
            const auto found = searcher.Search(rows.row(query), {.k = 300, .probes = index.lists()});
            ASSERT_EQ(found.size(), 300U);
            std::set<uint32_t> numbers;
            for (const Neighbour& neighbour : found) numbers.insert(neighbour.row);
            EXPECT_EQ(numbers.size(), 300U);
            if (metric == Metric::kJaccard && query == 0) {
                EXPECT_EQ(found.front().distance, 1);
            }
        }
    }
}

}  // namespace
}  // namespace annex

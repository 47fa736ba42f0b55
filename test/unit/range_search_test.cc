// Searches for all rows within a radius: they miss none, whatever the sketches' estimates are.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <set>
#include <vector>

#include "annex/centroid_table.h"
#include "annex/memory_index.h"
#include "annex/range_estimate.h"
#include "annex/true_bounds.h"
#include "codec_testing.h"

namespace annex {
namespace {

using testing::GaussianVector;
using testing::kMetrics;
using testing::MetricName;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

struct Data {
    size_t dimensions;
    std::vector<float> values;

    void Add(const std::vector<float>& x) { values.insert(values.end(), x.begin(), x.end()); }
    [[nodiscard]] VectorView view() const { return {values.data(), values.size() / dimensions, dimensions}; }
};

Data GaussianData(size_t count, size_t dimensions, uint64_t seed, double deviation = 1, double centre = 0) {
    Random random(seed);
    Data data{dimensions, {}};
    for (size_t i = 0; i < count; ++i) data.Add(GaussianVector(&random, dimensions, deviation, centre));
    return data;
}

// Points at a distance of 1 from `centre`: a radius that takes in all of them leaves no bound any room.
Data Shell(size_t count, const std::vector<float>& centre, uint64_t seed) {
    Random random(seed);
    Data data{centre.size(), {}};
    for (size_t i = 0; i < count; ++i) {
        std::vector<float> x = GaussianVector(&random, centre.size(), 1);
        double norm = 0;
        for (const float value : x) norm += static_cast<double>(value) * static_cast<double>(value);
        for (size_t d = 0; d < x.size(); ++d)
            x[d] = static_cast<float>(static_cast<double>(centre[d]) + static_cast<double>(x[d]) / std::sqrt(norm));
        data.Add(x);
    }
    return data;
}

std::set<uint32_t> Rows(std::span<const Neighbour> found) {
    std::set<uint32_t> rows;
    for (const Neighbour& neighbour : found) rows.insert(neighbour.row);
    EXPECT_EQ(rows.size(), found.size()) << "a row came twice";
    return rows;
}

class RangeSearchTest : public ::testing::TestWithParam<Metric> {
  protected:
    // That every radius at a row, and just below it, gives the rows that it should.
    void ExpectAllWithin(const Data& data, const float* query, MemorySearcher* searcher, size_t radii) {
        const std::vector<Neighbour> all = ExactSearch(data.view(), GetParam(), query, data.view().count);
        for (size_t i = 0; i < radii; ++i) {
            const double at = all[(all.size() - 1) * i / std::max<size_t>(radii - 1, 1)].distance;
            for (const double radius : {at, std::nextafter(at, -kInfinity)}) {
                std::set<uint32_t> expected;
                for (const Neighbour& neighbour : all)
                    if (neighbour.distance <= radius) expected.insert(neighbour.row);
                EXPECT_EQ(Rows(searcher->SearchRange(query, radius)), expected) << "radius " << radius;
            }
        }
    }
};

TEST_P(RangeSearchTest, MissesNoRow) {
    for (const size_t dimensions : {2, 64, 200}) {
        const Data data = GaussianData(3000, dimensions, 1, 1, 0.3);
        const Data queries = GaussianData(5, dimensions, 2, 1, 0.3);
        const MemoryIndex index(data.view(), {GetParam(), 30, SpillChoice::kOn, 1, 1});
        MemorySearcher searcher(index);
        for (size_t q = 0; q < queries.view().count; ++q) ExpectAllWithin(data, queries.view().row(q), &searcher, 9);
    }
}

// Of these a bound of three standard deviations misses dozens.
TEST_P(RangeSearchTest, MissesNoneOfManyThatAreNearlyTooFarAway) {
    Random random(7);
    for (const size_t dimensions : {3, 64}) {
        const std::vector<float> query = GaussianVector(&random, dimensions, 2);
        const Data data = Shell(8000, query, 8);
        const MemoryIndex index(data.view(), {GetParam(), 60, SpillChoice::kOff, 1, 1});
        MemorySearcher searcher(index);
        ExpectAllWithin(data, query.data(), &searcher, 12);
    }
}

TEST_P(RangeSearchTest, MissesNoRowFarFromTheOriginOrNearIt) {
    for (const double scale : {1e-15, 1e-6, 1e6, 1e15}) {
        const Data data = GaussianData(1000, 20, 3, scale, 5 * scale);
        const Data queries = GaussianData(3, 20, 4, scale, 5 * scale);
        const MemoryIndex index(data.view(), {GetParam(), 20, SpillChoice::kOn, 1, 1});
        MemorySearcher searcher(index);
        for (size_t q = 0; q < queries.view().count; ++q) ExpectAllWithin(data, queries.view().row(q), &searcher, 5);
        // The query is a row; a row is the query's opposite.
        ExpectAllWithin(data, data.view().row(17), &searcher, 5);
    }
}

TEST_P(RangeSearchTest, LooksAtFewRowsThatAreTooFarAway) {
    // In a hundred groups far apart.
    Random random(5);
    Data data{64, {}};
    std::vector<std::vector<float>> centres;
    for (size_t i = 0; i < 100; ++i) centres.push_back(GaussianVector(&random, 64, 3));
    for (size_t i = 0; i < 5000; ++i) {
        std::vector<float> x = GaussianVector(&random, 64, 0.3);
        for (size_t d = 0; d < 64; ++d) x[d] += centres[i % 100][d];
        data.Add(x);
    }
    const MemoryIndex index(data.view(), {GetParam(), 100, SpillChoice::kOff, 1, 1});
    MemorySearcher searcher(index);
    const float* query = centres[0].data();
    const std::vector<Neighbour> all = ExactSearch(data.view(), GetParam(), query, 50);
    EXPECT_EQ(searcher.SearchRange(query, all.back().distance).size(), 50U);
    EXPECT_LE(searcher.rechecked(), 60U);
    EXPECT_LE(searcher.counters().refined, 1000U);
    EXPECT_EQ(searcher.counters().lists, 100U);
}

TEST_P(RangeSearchTest, KeepsToItsMemoryAndItsFilter) {
    const Data data = GaussianData(4000, 32, 9);
    const Data queries = GaussianData(1, 32, 10);
    const MemoryIndex index(data.view(), {GetParam(), 4, SpillChoice::kOn, 1, 1});
    MemorySearcher searcher(index);
    const float* query = queries.view().row(0);
    const std::vector<Neighbour> all = ExactSearch(data.view(), GetParam(), query, 4000);
    TidSet third;
    std::vector<uint16_t> offsets;
    for (uint32_t row = 0; row < 4000; ++row) {
        const HeapTid tid = MemoryTid(row);
        if (row % 3 == 0) offsets.push_back(tid.offset);
        const HeapTid next = MemoryTid(row + 1);
        if (row + 1 < 4000 && next.block_low == tid.block_low) continue;
        third.AddPage(uint32_t{tid.block_high} << 16 | tid.block_low, offsets.data(), offsets.size());
        offsets.clear();
    }
    const RowFilter filter{&third};
    for (const size_t inside : {100, 2000, 4000}) {
        std::set<uint32_t> expected;
        for (size_t i = 0; i < inside; ++i) expected.insert(all[i].row);
        const double radius = all[inside - 1].distance;
        EXPECT_EQ(Rows(searcher.SearchRange(query, radius, nullptr, 100)), expected);
        EXPECT_GT(searcher.counters().rounds, inside / 200);
        std::erase_if(expected, [](uint32_t row) { return row % 3 != 0; });
        EXPECT_EQ(Rows(searcher.SearchRange(query, radius, &filter)), expected);
    }
}

TEST_P(RangeSearchTest, TakesAnyNumberForARadius) {
    const Data data = GaussianData(500, 16, 11);
    const Data queries = GaussianData(1, 16, 12);
    const MemoryIndex index(data.view(), {GetParam(), 5, SpillChoice::kOn, 1, 1});
    MemorySearcher searcher(index);
    const float* query = queries.view().row(0);
    EXPECT_EQ(searcher.SearchRange(query, kInfinity).size(), 500U);
    EXPECT_EQ(searcher.SearchRange(query, 1e300).size(), 500U);
    EXPECT_EQ(searcher.SearchRange(query, -1e300).size(), 0U);
    EXPECT_EQ(searcher.SearchRange(query, -kInfinity).size(), 0U);
    EXPECT_EQ(searcher.SearchRange(query, std::nan("")).size(), 500U);
}

// Not more than a planner needs.
TEST_P(RangeSearchTest, EstimatesHowManyRowsThereAre) {
    constexpr size_t kDimensions = 96;
    Random random(15);
    Data data{kDimensions, {}};
    const std::vector<float> mean(kDimensions, 0.1F);
    const Space space(GetParam(), kDimensions, 1, mean);
    CentroidTable lists(space.padded(), 50);
    // Lists are as far apart as their rows.
    for (size_t list = 0; list < 50; ++list) {
        const std::vector<float> centre = GaussianVector(&random, kDimensions, 1);
        std::vector<std::vector<float>> rows;
        std::vector<float> y(space.padded());
        for (size_t i = 0; i < 60; ++i) {
            std::vector<float> x = GaussianVector(&random, kDimensions, 1);
            for (size_t d = 0; d < kDimensions; ++d) x[d] += centre[d];
            data.Add(x);
            rows.emplace_back(space.padded());
            ASSERT_EQ(space.TransformRow(x.data(), rows.back().data()), RowClass::kNormal);
            for (size_t d = 0; d < y.size(); ++d) y[d] += rows.back()[d] / 60;
        }
        double squares = 0;
        for (const std::vector<float>& row : rows)
            for (size_t d = 0; d < y.size(); ++d) squares += std::pow(static_cast<double>(row[d] - y[d]), 2);
        std::vector<int8_t> codes(space.padded());
        const float scale = EncodeCodes(y.data(), y.size(), codes.data());
        lists.Add(MemoryTid(static_cast<uint32_t>(list)), codes.data(), scale,
                  static_cast<float>(std::sqrt(squares / 60)));
    }
    lists.Finish();
    const std::vector<float> query = GaussianVector(&random, kDimensions, 1.4);
    const std::vector<Neighbour> all = ExactSearch(data.view(), GetParam(), query.data(), 3000);
    for (const size_t inside : {150, 300, 1500, 2700}) {
        const double share = static_cast<double>(inside) / 3000;
        const RangeShares shares = EstimateRange(space, lists, query.data(), all[inside - 1].distance);
        EXPECT_GE(shares.within, share / 4);
        EXPECT_LE(shares.within, share * 4);
        EXPECT_GE(shares.passed, shares.within);
        EXPECT_LE(shares.passed, 1);
    }
    const bool bounded = GetParam() != Metric::kInnerProduct;
    EXPECT_LE(EstimateRange(space, lists, query.data(), bounded ? 0 : -1e9).within, 1e-3);
    EXPECT_GE(EstimateRange(space, lists, query.data(), 1e9).within, 0.999);
    const std::vector<float> zero(kDimensions, 0.0F);
    // A query without a distance has every row read under cosine.
    EXPECT_EQ(EstimateRange(space, lists, zero.data(), 1e9).passed, 1);
}

// A list that was made again, from rows of 8 bits: its sketches are those of other vectors.
TEST_P(RangeSearchTest, BoundsRowsWhoseSketchesWereMadeFromCodes) {
    constexpr size_t kDimensions = 64;
    Random random(13);
    const std::vector<float> mean(kDimensions, 0.5F);
    const Space space(GetParam(), kDimensions, 1, mean);
    std::vector<float> y_query(kDimensions), y(kDimensions), decoded(kDimensions), centroid(kDimensions);
    std::vector<int8_t> codes(kDimensions);
    for (int i = 0; i < 2000; ++i) {
        const std::vector<float> query = GaussianVector(&random, kDimensions, 1);
        // Near the query, where an error of the row's is all that is left of the distance.
        std::vector<float> x = GaussianVector(&random, kDimensions, i % 2 == 0 ? 0.01 : 1);
        for (size_t d = 0; d < kDimensions; ++d) x[d] += query[d];
        ASSERT_EQ(space.TransformQuery(query.data(), y_query.data()), RowClass::kNormal);
        ASSERT_EQ(space.TransformRow(x.data(), y.data()), RowClass::kNormal);
        const RowFactors row = RowEncoder(space).Encode(y.data(), codes.data());
        DecodeCodes(codes.data(), row.scale, kDimensions, decoded.data());
        // As much again as rounding has taken away, to the limit of what it may.
        space.ToRowSpace(y_query.data());
        space.ToRowSpace(y.data());
        for (size_t d = 0; d < kDimensions; ++d) {
            const float off = decoded[d] > y_query[d] ? 0.49F : -0.49F;
            decoded[d] = y[d] + off * row.scale;
        }
        space.FromRowSpace(decoded.data());
        const double spread = i % 4 < 2 ? 0 : 0.3;
        for (size_t d = 0; d < kDimensions; ++d)
            centroid[d] = decoded[d] + static_cast<float>(spread * testing::Gaussian(&random));
        std::vector<int8_t> centroid_codes(kDimensions);
        const float centroid_scale = EncodeCodes(centroid.data(), kDimensions, centroid_codes.data());
        DecodeCodes(centroid_codes.data(), centroid_scale, kDimensions, centroid.data());

        const SketchLayout layout{kDimensions};
        std::vector<uint8_t> entry(layout.entry_bytes());
        const SketchTrailer trailer{EncodeSketch(decoded.data(), centroid.data(), kDimensions,
                                                 GetParam() == Metric::kInnerProduct, entry.data()),
                                    {0, 1, 1},
                                    0};
        std::memcpy(entry.data() + CodeBytes(kDimensions), &trailer, sizeof trailer);

        const double value = testing::OperatorValue(ActiveKernels(), GetParam(), query, x);
        ListSearch search;
        ASSERT_EQ(search.Begin(space, query.data(), 0, 100), RowClass::kNormal);
        search.SearchRange(value);
        search.BeginRound(10);
        search.Rank({0, 0, {0, 1, 1}}, centroid_codes.data(), centroid_scale, 0);
        search.BeginList(search.ranked()[0], SketchSource::kCodes);
        search.FeedEntries(entry.data(), 1);
        EXPECT_EQ(search.EndList().size(), 1U) << "row " << i;
    }
}

INSTANTIATE_TEST_SUITE_P(Metrics, RangeSearchTest, ::testing::ValuesIn(kMetrics), [](const auto& parameter) {
    return std::string(parameter.param == Metric::kInnerProduct ? "InnerProduct" : MetricName(parameter.param));
});

}  // namespace
}  // namespace annex

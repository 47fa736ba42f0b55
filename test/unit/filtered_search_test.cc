// Searches for the rows that a filter lets through, and for those within a radius.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

#include "annex/memory_index.h"
#include "codec_testing.h"

namespace annex {
namespace {

using testing::GaussianVector;
using testing::kMetrics;
using testing::MetricName;

struct Data {
    size_t dimensions;
    std::vector<float> values;

    [[nodiscard]] VectorView view() const { return {values.data(), values.size() / dimensions, dimensions}; }
};

// Points around `clusters` centres; point i belongs to centre i % clusters.
Data ClusteredData(size_t count, size_t dimensions, size_t clusters, uint64_t seed) {
    Random shape(5);
    std::vector<std::vector<float>> centres;
    for (size_t c = 0; c < clusters; ++c) centres.push_back(GaussianVector(&shape, dimensions, 1));
    Random random(seed);
    Data data{dimensions, {}};
    for (size_t n = 0; n < count; ++n) {
        std::vector<float> x = GaussianVector(&random, dimensions, 0.5);
        for (size_t i = 0; i < dimensions; ++i) x[i] += centres[n % clusters][i];
        data.values.insert(data.values.end(), x.begin(), x.end());
    }
    return data;
}

using Rule = std::function<bool(uint32_t row)>;

// The rows for which the rule holds.
TidSet SetOf(size_t count, const Rule& passes) {
    TidSet set;
    std::vector<uint16_t> offsets;
    for (uint32_t row = 0; row < count; ++row) {
        const HeapTid tid = MemoryTid(row);
        if (passes(row)) offsets.push_back(tid.offset);
        if (row + 1 == count || BlockOf(MemoryTid(row + 1)) != BlockOf(tid)) {
            set.AddPage(BlockOf(tid), offsets.data(), offsets.size());
            offsets.clear();
        }
    }
    return set;
}

std::vector<Neighbour> ExactFiltered(const Data& data, Metric metric, const float* query, const Rule& passes) {
    std::vector<Neighbour> all = ExactSearch(data.view(), metric, query, data.view().count);
    all.erase(std::remove_if(all.begin(), all.end(), [&](const Neighbour& n) { return !passes(n.row); }), all.end());
    return all;
}

class FilteredSearchTest : public ::testing::TestWithParam<Metric> {};

TEST_P(FilteredSearchTest, FindsTheNearestOfThoseThatPass) {
    const Metric metric = GetParam();
    const Data data = ClusteredData(4000, 32, 10, 1);
    const Data queries = ClusteredData(20, 32, 10, 2);
    const MemoryIndex index(data.view(), {metric, 40, SpillChoice::kOn, 1, 1});
    MemorySearcher searcher(index);
    const std::vector<Rule> rules = {[](uint32_t row) { return row % 2 == 0; },
                                     [](uint32_t row) { return row % 97 == 5; },
                                     [](uint32_t row) { return row % 10 == 3; },  // one cluster
                                     [](uint32_t row) { return row < 12; }, [](uint32_t) { return false; }};
    for (size_t r = 0; r < rules.size(); ++r) {
        const TidSet rows = SetOf(4000, rules[r]);
        const RowFilter filter{&rows};
        for (size_t q = 0; q < queries.view().count; ++q) {
            const float* query = queries.view().row(q);
            const std::vector<Neighbour> truth = ExactFiltered(data, metric, query, rules[r]);
            MemorySearchOptions options{10, 40, 5};
            options.filter = &filter;
            const std::span<const Neighbour> found = searcher.Search(query, options);
            ASSERT_EQ(found.size(), std::min<size_t>(10, truth.size()));
            for (size_t i = 0; i < found.size(); ++i) ASSERT_EQ(found[i].row, truth[i].row) << "rule " << r;
            EXPECT_LE(searcher.counters().refined, searcher.counters().passed);
        }
    }
}

TEST_P(FilteredSearchTest, GivesAllThatPassWhenAskedForMore) {
    const Metric metric = GetParam();
    const Data data = ClusteredData(3000, 16, 10, 3);
    const Data queries = ClusteredData(3, 16, 10, 4);
    const MemoryIndex index(data.view(), {metric, 30, SpillChoice::kOff, 1, 1});
    MemorySearcher searcher(index);
    const Rule rule = [](uint32_t row) { return row % 31 == 7; };
    const TidSet rows = SetOf(3000, rule);
    const RowFilter filter{&rows};
    for (size_t q = 0; q < queries.view().count; ++q) {
        MemorySearchOptions options{500, 2, 1.9F, 0};
        options.filter = &filter;
        EXPECT_EQ(searcher.Search(queries.view().row(q), options).size(), rows.exact_rows());
    }
}

TEST_P(FilteredSearchTest, TakesAFilterThatComesBetweenTwoRounds) {
    const Metric metric = GetParam();
    const Data data = ClusteredData(4000, 32, 10, 1);
    const Data queries = ClusteredData(20, 32, 10, 2);
    const MemoryIndex index(data.view(), {metric, 40, SpillChoice::kOn, 1, 1});
    MemorySearcher searcher(index);
    const Rule rule = [](uint32_t row) { return row % 50 == 5; };
    const TidSet rows = SetOf(4000, rule);
    const RowFilter filter{&rows};
    for (size_t q = 0; q < queries.view().count; ++q) {
        const float* query = queries.view().row(q);
        const std::vector<Neighbour> truth = ExactFiltered(data, metric, query, rule);
        MemorySearchOptions options{10, 20, 5};
        options.filter = &filter;
        options.filter_from_round = 1;
        const std::span<const Neighbour> found = searcher.Search(query, options);
        ASSERT_EQ(found.size(), 10U);
        for (size_t i = 0; i < found.size(); ++i) ASSERT_EQ(found[i].row, truth[i].row);
        EXPECT_EQ(searcher.counters().rounds, 2U);
    }
}

TEST_P(FilteredSearchTest, AnswersQueriesThatHaveNoBounds) {
    const Metric metric = GetParam();
    const Data data = ClusteredData(300, 10, 5, 9);
    const MemoryIndex index(data.view(), {metric, 4, SpillChoice::kOff, 1, 1});
    MemorySearcher searcher(index);
    const TidSet rows = SetOf(300, [](uint32_t row) { return row % 3 == 0; });
    const RowFilter filter{&rows};
    MemorySearchOptions options{10, 4, 3};
    options.filter = &filter;
    const std::vector<float> query(10, 1e30F);
    const std::span<const Neighbour> found = searcher.Search(query.data(), options);
    ASSERT_EQ(found.size(), 10U);
    for (const Neighbour& neighbour : found) EXPECT_EQ(neighbour.row % 3, 0U);
}

// Rows of some clusters or of one, far from most queries, and those that are far from the query itself: many lists
// without any of them come first, or many with a few.
TEST_P(FilteredSearchTest, DoesNotLosePatienceWhereFewRowsPass) {
    const Metric metric = GetParam();
    const Data data = ClusteredData(12000, 32, 40, 5);
    const Data queries = ClusteredData(30, 32, 40, 6);
    const MemoryIndex index(data.view(), {metric, 200, SpillChoice::kOff, 1, 1});
    MemorySearcher searcher(index);
    const auto recall = [&](const std::function<bool(size_t query, uint32_t row)>& passes, double* lists) {
        size_t hits = 0;
        *lists = 0;
        for (size_t q = 0; q < queries.view().count; ++q) {
            const Rule rule = [&](uint32_t row) { return passes(q, row); };
            const std::vector<Neighbour> truth = ExactFiltered(data, metric, queries.view().row(q), rule);
            const TidSet rows = SetOf(12000, rule);
            const RowFilter filter{&rows};
            MemorySearchOptions options{10, index.lists(), 3, 1.6F};
            options.filter = &filter;
            for (const Neighbour& found : searcher.Search(queries.view().row(q), options))
                hits += found.distance <= truth[9].distance ? 1 : 0;
            *lists += static_cast<double>(searcher.counters().lists) / static_cast<double>(queries.view().count);
        }
        return static_cast<double>(hits) / static_cast<double>(10 * queries.view().count);
    };
    double lists = 0;
    EXPECT_GE(recall([](size_t, uint32_t row) { return row % 10 == 3; }, &lists), 0.95);
    EXPECT_LT(lists, 120);
    EXPECT_GE(recall([](size_t q, uint32_t row) { return row % 40 == (q + 7) % 40; }, &lists), 0.95);
    std::vector<double> median;
    for (size_t q = 0; q < queries.view().count; ++q)
        median.push_back(ExactSearch(data.view(), metric, queries.view().row(q), 6000).back().distance);
    const auto far = [&](size_t q, uint32_t row) {
        return ExactDistance(metric, data.view().row(row), queries.view().row(q), 32) > median[q];
    };
    // Half of all rows lie at nearly this distance by L1, and by L2 at many: of few dimensions a threshold tells less.
    EXPECT_GE(recall(far, &lists), metric == Metric::kL1 ? 0.9 : 0.95);
}

// Reading on would find nothing: the set says how many rows there are.
TEST_P(FilteredSearchTest, EndsWhenAllThatPassHaveBeenFound) {
    const Metric metric = GetParam();
    const Data data = ClusteredData(3000, 16, 10, 3);
    const MemoryIndex index(data.view(), {metric, 60, SpillChoice::kOff, 1, 1});
    MemorySearcher searcher(index);
    const std::vector<Neighbour> nearest = ExactSearch(data.view(), metric, data.view().row(7), 5);
    std::vector<uint32_t> near;
    for (const Neighbour& neighbour : nearest) near.push_back(neighbour.row);
    const TidSet rows =
        SetOf(3000, [&](uint32_t row) { return std::find(near.begin(), near.end(), row) != near.end(); });
    const TidSet none;
    MemorySearchOptions options{10, 60, 1.9F};
    RowFilter filter{&rows};
    options.filter = &filter;
    options.patience = 1;
    EXPECT_EQ(searcher.Search(data.view().row(7), options).size(), 5U);
    EXPECT_LT(searcher.counters().lists, 60U);
    filter.rows = &none;
    EXPECT_EQ(searcher.Search(data.view().row(7), options).size(), 0U);
    EXPECT_EQ(searcher.counters().lists, 0U);
}

TEST_P(FilteredSearchTest, FindsAllWithinARadiusAndLooksAtFewBeyond) {
    const Metric metric = GetParam();
    const Data data = ClusteredData(4000, 32, 10, 7);
    const Data queries = ClusteredData(10, 32, 10, 8);
    const MemoryIndex index(data.view(), {metric, 40, SpillChoice::kOn, 1, 1});
    MemorySearcher searcher(index);
    const Rule third = [](uint32_t row) { return row % 3 == 0; };
    const TidSet rows = SetOf(4000, third);
    const RowFilter filter{&rows};
    for (size_t q = 0; q < queries.view().count; ++q) {
        const float* query = queries.view().row(q);
        const std::vector<Neighbour> all = ExactFiltered(data, metric, query, [](uint32_t) { return true; });
        for (const size_t inside : {0, 1, 30, 700}) {
            const double radius =
                inside == 0 ? all[0].distance - 0.01 * std::fabs(all[0].distance) : all[inside - 1].distance;
            // More than there are, so that all lists are looked into, then fewer.
            MemorySearchOptions options{2000, 4, 5, 1};
            options.radius = radius;
            EXPECT_EQ(searcher.Search(query, options).size(), inside);
            EXPECT_LE(searcher.rechecked(), inside + inside / 2 + 5);
            options.filter = &filter;
            const std::span<const Neighbour> found = searcher.Search(query, options);
            EXPECT_EQ(found.size(),
                      static_cast<size_t>(std::count_if(all.begin(), all.begin() + inside,
                                                        [&](const Neighbour& n) { return third(n.row); })));
            options = MemorySearchOptions{10, 40, 5};
            options.radius = radius;
            EXPECT_EQ(searcher.Search(query, options).size(), std::min<size_t>(inside, 10));
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Metrics, FilteredSearchTest, ::testing::ValuesIn(kMetrics), [](const auto& parameter) {
    return std::string(parameter.param == Metric::kInnerProduct ? "InnerProduct" : MetricName(parameter.param));
});

}  // namespace
}  // namespace annex

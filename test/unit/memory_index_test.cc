// The engine put together: what a search over an index in memory finds, beside a scan of all rows.
#include "annex/memory_index.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <set>
#include <vector>

#include "codec_testing.h"

namespace annex {
namespace {

using testing::ForEachKernelLevel;
using testing::GaussianVector;
using testing::kMetrics;
using testing::MetricName;

struct Data {
    size_t dimensions;
    std::vector<float> values;

    [[nodiscard]] VectorView view() const { return {values.data(), values.size() / dimensions, dimensions}; }
    void Add(const std::vector<float>& x) { values.insert(values.end(), x.begin(), x.end()); }
};

// Points around `clusters` centres of unequal weight, which lie in a subspace of `intrinsic` dimensions, as embeddings
// do. `lengths`: each point is multiplied by a factor between 1 and it.
Data ClusteredData(size_t count, size_t dimensions, size_t clusters, double spread, double lengths, uint64_t seed) {
    constexpr size_t kIntrinsic = 12;
    Random shape(99);  // the same centres for rows and queries
    std::vector<std::vector<float>> directions;
    for (size_t i = 0; i < kIntrinsic; ++i) directions.push_back(GaussianVector(&shape, dimensions, 0.3));
    std::vector<std::vector<float>> centres;
    for (size_t c = 0; c < clusters; ++c) {
        std::vector<float> centre(dimensions, 0.2F);
        for (const std::vector<float>& direction : directions) {
            const auto along = static_cast<float>(testing::Gaussian(&shape));
            for (size_t i = 0; i < dimensions; ++i) centre[i] += along * direction[i];
        }
        centres.push_back(centre);
    }
    Random random(seed);
    Data data{dimensions, {}};
    for (size_t n = 0; n < count; ++n) {
        const std::vector<float>& centre = centres[std::min(random.Below(clusters), random.Below(clusters))];
        std::vector<float> x = GaussianVector(&random, dimensions, spread * (0.5 + random.Uniform()));
        const auto length = static_cast<float>(1 + (lengths - 1) * random.Uniform());
        for (size_t i = 0; i < dimensions; ++i) x[i] = length * (x[i] + centre[i]);
        data.Add(x);
    }
    return data;
}

// Share of the k nearest rows that the index finds.
double Recall(const MemoryIndex& index, const Data& data, const Data& queries, Metric metric,
              const MemorySearchOptions& options, double* entries = nullptr) {
    MemorySearcher searcher(index);
    size_t hits = 0;
    double scanned = 0;
    const size_t count = queries.view().count;
    for (size_t q = 0; q < count; ++q) {
        const float* query = queries.view().row(q);
        const std::vector<Neighbour> truth = ExactSearch(data.view(), metric, query, options.k);
        const std::span<const Neighbour> found = searcher.Search(query, options);
        EXPECT_EQ(found.size(), truth.size());
        std::set<uint32_t> rows;
        for (size_t i = 0; i < found.size(); ++i) {
            rows.insert(found[i].row);
            EXPECT_EQ(found[i].distance, ExactDistance(metric, data.view().row(found[i].row), query, data.dimensions));
            if (i > 0) {
                EXPECT_LE(found[i - 1].distance, found[i].distance);
            }
        }
        EXPECT_EQ(rows.size(), found.size()) << "a row was returned twice";
        for (const Neighbour& neighbour : truth) hits += rows.count(neighbour.row);
        scanned += static_cast<double>(searcher.counters().entries);
    }
    if (entries != nullptr) *entries = scanned / static_cast<double>(count);
    return static_cast<double>(hits) / static_cast<double>(count * options.k);
}

class MemoryIndexTest : public ::testing::TestWithParam<Metric> {};

TEST_P(MemoryIndexTest, FindsNearlyAllNeighboursInFewLists) {
    const Metric metric = GetParam();
    const double lengths = metric == Metric::kInnerProduct ? 3 : 1;
    const Data data = ClusteredData(8000, 96, 60, 0.15, lengths, 1);
    const Data queries = ClusteredData(100, 96, 60, 0.15, lengths, 2);
    for (const SpillChoice spill : {SpillChoice::kOff, SpillChoice::kOn}) {
        const MemoryIndex index(data.view(), {metric, 64, spill, 1, 1});
        EXPECT_EQ(index.lists(), 64U);
        EXPECT_EQ(index.spill(), spill == SpillChoice::kOn);
        double entries = 0;
        EXPECT_GE(Recall(index, data, queries, metric, {10, 16, 1.9F}, &entries), 0.95);
        EXPECT_LT(entries, 8000);
        // All lists: nothing but the sketches' error bound can lose a row.
        EXPECT_GE(Recall(index, data, queries, metric, {10, 64, 1.9F}), 0.99);
        EXPECT_GE(Recall(index, data, queries, metric, {10, 64, 4}), 0.9999);
    }
}

// Half of the queries lie in the clusters, half between two of them, where many lists are equally far.
TEST_P(MemoryIndexTest, SpendsItsProbesOnHardQueries) {
    const Metric metric = GetParam();
    const Data data = ClusteredData(12000, 64, 60, 0.35, 1, 12);
    const Data easy = ClusteredData(100, 64, 60, 0.3, 1, 13);
    Data hard{64, {}};
    for (size_t i = 0; i < 100; ++i) {
        std::vector<float> x(64);
        for (size_t j = 0; j < 64; ++j) x[j] = 0.5F * (easy.view().row(i)[j] + easy.view().row((i + 1) % 100)[j]);
        hard.Add(x);
    }
    const MemoryIndex index(data.view(), {metric, 120, SpillChoice::kOn, 1, 1});
    const auto both = [&](const MemorySearchOptions& options, double* easy_entries, double* hard_entries) {
        return (Recall(index, data, easy, metric, options, easy_entries) +
                Recall(index, data, hard, metric, options, hard_entries)) /
               2;
    };
    double easy_entries = 0;
    double hard_entries = 0;
    const double recall = both({10, 120, 1.9F, 1.2F}, &easy_entries, &hard_entries);
    if (metric != Metric::kInnerProduct) {
        EXPECT_LT(1.2 * easy_entries, hard_entries);
    }
    // A fixed number of probes finds no more, though it reads more.
    double fixed_recall = 0;
    for (size_t probes = 1; probes < 120; ++probes) {
        double entries[2] = {};
        fixed_recall = both({10, probes, 1.9F}, &entries[0], &entries[1]);
        if (entries[0] + entries[1] > easy_entries + hard_entries) break;
    }
    EXPECT_GT(recall, fixed_recall);
}

TEST_P(MemoryIndexTest, StopsSoonerWithLessPatience) {
    const Metric metric = GetParam();
    const Data data = ClusteredData(8000, 64, 40, 0.2, 2, 15);
    const Data queries = ClusteredData(50, 64, 40, 0.2, 2, 16);
    const MemoryIndex index(data.view(), {metric, 100, SpillChoice::kOff, 1, 1});
    for (const size_t k : {1, 10, 100}) {
        double last_recall = 0;
        double last_entries = 0;
        for (const float patience : {1.0F, 1.5F, 3.0F, 100.0F}) {
            double entries = 0;
            const double recall = Recall(index, data, queries, metric, {k, 100, 3, patience}, &entries);
            EXPECT_GE(recall, last_recall) << "k " << k << ", patience " << patience;
            EXPECT_GE(entries, last_entries) << "k " << k << ", patience " << patience;
            last_recall = recall;
            last_entries = entries;
        }
        EXPECT_GE(last_recall, 0.999) << k;
    }
}

TEST_P(MemoryIndexTest, FindsAsManyRowsAsAreAskedForWithoutAnyPatience) {
    const Metric metric = GetParam();
    const Data data = ClusteredData(3000, 32, 20, 0.2, 2, 17);
    const Data queries = ClusteredData(10, 32, 20, 0.2, 2, 18);
    const MemoryIndex index(data.view(), {metric, 60, SpillChoice::kOn, 1, 1});
    MemorySearcher searcher(index);
    for (size_t q = 0; q < queries.view().count; ++q) {
        for (const size_t k : {1, 50, 1000, 3000}) {
            const std::span<const Neighbour> found = searcher.Search(queries.view().row(q), {k, 60, 1.9F, 0});
            EXPECT_EQ(found.size(), k);
        }
    }
}

TEST_P(MemoryIndexTest, GivesTheSameAnswersAtEveryKernelLevel) {
    const Metric metric = GetParam();
    const Data data = ClusteredData(2000, 70, 20, 0.2, 1, 3);
    const Data queries = ClusteredData(30, 70, 20, 0.2, 1, 4);
    ForEachKernelLevel([&](const Kernels& kernels) {
        const MemoryIndex index(data.view(), {metric, 16, SpillChoice::kOn, 1, 1});
        EXPECT_GE(Recall(index, data, queries, metric, {10, 12, 2.5F}), 0.97) << kernels.name;
    });
}

TEST_P(MemoryIndexTest, FindsEveryRowWhenAskedForAll) {
    const Metric metric = GetParam();
    Data data = ClusteredData(700, 20, 5, 0.3, 2, 5);
    data.Add(std::vector<float>(20, 0.0F));     // NaN under cosine
    data.Add(std::vector<float>(20, 1e-25F));   // no bound under cosine
    data.Add(std::vector<float>(20, 3e19F));    // no bound at all
    data.Add(std::vector<float>(20, FLT_MAX));  // infinite sums
    const Data queries = ClusteredData(5, 20, 5, 0.3, 2, 6);
    const MemoryIndex index(data.view(), {metric, 7, SpillChoice::kOn, 1, 1});
    MemorySearcher searcher(index);
    for (size_t q = 0; q < queries.view().count; ++q) {
        const float* query = queries.view().row(q);
        const std::vector<Neighbour> truth = ExactSearch(data.view(), metric, query, data.view().count);
        const std::span<const Neighbour> found = searcher.Search(query, {data.view().count, 1, 1.9F});
        ASSERT_EQ(found.size(), truth.size());
        for (size_t i = 0; i < found.size(); ++i) {
            EXPECT_EQ(found[i].row, truth[i].row) << i;
        }
    }
}

// Lists that are narrower than the rounding of table and rows, which then decides nothing.
TEST_P(MemoryIndexTest, FindsNeighboursInNarrowClusters) {
    const Metric metric = GetParam();
    const Data data = ClusteredData(4000, 64, 40, 0.003, 1, 7);
    const Data queries = ClusteredData(100, 64, 40, 0.003, 1, 8);
    const MemoryIndex index(data.view(), {metric, 40, SpillChoice::kOff, 1, 1});
    EXPECT_GE(Recall(index, data, queries, metric, {10, 20, 1.9F}), 0.95);
}

TEST_P(MemoryIndexTest, AnswersQueriesThatHaveNoBounds) {
    const Metric metric = GetParam();
    const Data data = ClusteredData(300, 10, 5, 0.3, 2, 9);
    const MemoryIndex index(data.view(), {metric, 4, SpillChoice::kOff, 1, 1});
    MemorySearcher searcher(index);
    for (const float value : {0.0F, 1e-30F, 1e-22F, 1e18F, FLT_MAX}) {
        const std::vector<float> query(10, value);
        const std::vector<Neighbour> truth = ExactSearch(data.view(), metric, query.data(), 10);
        const std::span<const Neighbour> found = searcher.Search(query.data(), {10, 4, 3});
        ASSERT_EQ(found.size(), truth.size());
        for (size_t i = 0; i < found.size(); ++i) {
            // Equal distances may come in any order.
            if (std::isnan(truth[i].distance)) {
                EXPECT_TRUE(std::isnan(found[i].distance));
            } else {
                EXPECT_EQ(found[i].distance, truth[i].distance) << value;
            }
        }
    }
}

TEST_P(MemoryIndexTest, TakesTablesOfAnySize) {
    const Metric metric = GetParam();
    for (const size_t count : {0, 1, 2, 33, 100}) {
        Data data = ClusteredData(count, 3, 5, 0.3, 2, 10);
        for (const size_t lists : {0, 1, 5, 50}) {
            const MemoryIndex index(data.view(), {metric, lists, SpillChoice::kAuto, 1, 1});
            MemorySearcher searcher(index);
            const Data queries = ClusteredData(1, 3, 5, 0.3, 2, 11);
            const std::span<const Neighbour> found = searcher.Search(queries.view().row(0), {10, 1, 1.9F});
            EXPECT_EQ(found.size(), std::min<size_t>(count, 10)) << count << " rows, " << lists << " lists";
        }
    }
}

TEST_P(MemoryIndexTest, TakesRowsThatAreAllEqual) {
    const Metric metric = GetParam();
    Data data{24, {}};
    for (int i = 0; i < 500; ++i) data.Add(std::vector<float>(24, 0.5F));
    const MemoryIndex index(data.view(), {metric, 8, SpillChoice::kOn, 1, 1});
    MemorySearcher searcher(index);
    const std::vector<float> query(24, 0.5F);
    EXPECT_EQ(searcher.Search(query.data(), {400, 8, 1.9F}).size(), 400U);
}

INSTANTIATE_TEST_SUITE_P(Metrics, MemoryIndexTest, ::testing::ValuesIn(kMetrics), [](const auto& parameter) {
    return std::string(parameter.param == Metric::kInnerProduct ? "InnerProduct" : MetricName(parameter.param));
});

}  // namespace
}  // namespace annex

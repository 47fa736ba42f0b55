// A calibration must say what searches with the settings it recommends will find.
#include "annex/calibration.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "annex/memory_index.h"
#include "codec_testing.h"

namespace annex {
namespace {

using testing::GaussianVector;
using testing::kMetrics;
using testing::MetricName;

TEST(CalibrationTest, CountsWhatEachPatienceFinds) {
    Calibration calibration(1.5F);
    EXPECT_EQ(calibration.EffortFor(0.95).patience, 0) << "no queries";
    calibration.BeginQuery();
    for (const float demand : {0.0F, 0.5F, 2.0F, 1.0F, 3.0F}) EXPECT_TRUE(calibration.AddList(demand));
    calibration.AddFound(0);
    calibration.AddFound(1);
    calibration.AddFound(3);  // behind a list that demands 2
    calibration.EndQuery(4);  // one was not found
    calibration.BeginQuery();
    EXPECT_TRUE(calibration.AddList(0));
    EXPECT_FALSE(calibration.AddList(Calibration::kMostPatience + 1));
    calibration.AddFound(0);
    calibration.EndQuery(1);

    EXPECT_EQ(calibration.queries(), 2U);
    EXPECT_DOUBLE_EQ(calibration.RecallAt(0), 0.4);
    EXPECT_DOUBLE_EQ(calibration.RecallAt(0.4F), 0.4);
    EXPECT_DOUBLE_EQ(calibration.RecallAt(0.5F), 0.6);
    EXPECT_DOUBLE_EQ(calibration.RecallAt(1.9F), 0.6);
    EXPECT_DOUBLE_EQ(calibration.RecallAt(2), 0.8);
    EXPECT_DOUBLE_EQ(calibration.ListsAt(0), 1);
    EXPECT_DOUBLE_EQ(calibration.ListsAt(2), 2.5);
    EXPECT_DOUBLE_EQ(calibration.ListsAt(3), 3);

    EXPECT_FLOAT_EQ(calibration.EffortFor(0.6).patience, 0.5F);
    EXPECT_FLOAT_EQ(calibration.EffortFor(0.61).patience, 2);
    EXPECT_DOUBLE_EQ(calibration.EffortFor(0.61).recall, 0.8);
    EXPECT_DOUBLE_EQ(calibration.EffortFor(0.61).lists, 2.5);
    EXPECT_FLOAT_EQ(calibration.EffortFor(0.61).epsilon, 1.5F);
    EXPECT_GE(calibration.EffortFor(0.61).most, 10U);
    EXPECT_FLOAT_EQ(calibration.EffortFor(0.9).patience, Calibration::kMostPatience);
    EXPECT_DOUBLE_EQ(calibration.EffortFor(0.9).recall, 0.8) << "what was asked for cannot be had";
}

TEST(CalibrationTest, TakesDemandsThatAreNoNumbers) {
    Calibration calibration(1.5F);
    calibration.BeginQuery();
    EXPECT_FALSE(calibration.AddList(std::numeric_limits<float>::infinity()));
    EXPECT_FALSE(calibration.AddList(std::numeric_limits<float>::quiet_NaN()));
    calibration.AddFound(0);  // there is no such list
    calibration.EndQuery(1);
    EXPECT_EQ(calibration.RecallAt(Calibration::kMostPatience), 0);
}

class CalibratedSearchTest : public ::testing::TestWithParam<Metric> {};

TEST_P(CalibratedSearchTest, FindsWhatTheCalibrationSays) {
    const Metric metric = GetParam();
    constexpr size_t kDimensions = 48;
    Random random(21);
    std::vector<float> centres;
    for (size_t c = 0; c < 50; ++c) {
        const std::vector<float> centre = GaussianVector(&random, kDimensions, 0.5);
        centres.insert(centres.end(), centre.begin(), centre.end());
    }
    const auto points = [&](size_t count) {
        std::vector<float> values;
        for (size_t i = 0; i < count; ++i) {
            const float* centre = &centres[random.Below(50) * kDimensions];
            std::vector<float> x = GaussianVector(&random, kDimensions, 0.6);
            for (size_t j = 0; j < kDimensions; ++j) values.push_back(x[j] + centre[j]);
        }
        return values;
    };
    const std::vector<float> rows = points(10000);
    const std::vector<float> queries = points(100);
    const VectorView view{rows.data(), 10000, kDimensions};
    const MemoryIndex index(view, {metric, 100, SpillChoice::kOn, 1, 1});
    MemorySearcher searcher(index);
    for (const size_t k : {1, 10, 100}) {
        Calibration calibration(1.5F);
        std::vector<std::vector<uint32_t>> truth;
        for (size_t q = 0; q < 100; ++q) {
            truth.emplace_back();
            for (const Neighbour& nearest : ExactSearch(view, metric, &queries[q * kDimensions], k))
                truth[q].push_back(nearest.row);
            searcher.Calibrate(&queries[q * kDimensions], truth[q], 1.5F, 100, &calibration);
        }
        EXPECT_EQ(calibration.queries(), 100U);
        for (const double target : {0.5, 0.905, 0.985}) {
            const Effort effort = calibration.EffortFor(target);
            EXPECT_GE(effort.recall, target);
            size_t hits = 0;
            uint64_t lists = 0;
            for (size_t q = 0; q < 100; ++q) {
                const MemorySearchOptions options{k, 100, effort.epsilon, effort.patience};
                for (const Neighbour& found : searcher.Search(&queries[q * kDimensions], options))
                    hits += static_cast<size_t>(std::count(truth[q].begin(), truth[q].end(), found.row));
                lists += searcher.counters().lists;
            }
            EXPECT_NEAR(static_cast<double>(hits) / static_cast<double>(100 * k), effort.recall, 1e-6);
            EXPECT_NEAR(static_cast<double>(lists) / 100, effort.lists, 1e-4);
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Metrics, CalibratedSearchTest, ::testing::ValuesIn(kMetrics), [](const auto& parameter) {
    return std::string(parameter.param == Metric::kInnerProduct ? "InnerProduct" : MetricName(parameter.param));
});

}  // namespace
}  // namespace annex

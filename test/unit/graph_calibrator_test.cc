// What deep searches of a graph tell of those with less ef.
#include "annex/graph_calibrator.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "graph_testing.h"

namespace annex {
namespace {

using testing::Data;
using testing::Graph;
using testing::MakeClusters;

constexpr float kNone = std::numeric_limits<float>::infinity();

TEST(GraphCalibratorTest, AVisitTakesTheEfOfWhatIsNearer) {
    // The third visit has two rows nearer than its estimate, the fourth all three; the fifth takes no more than the
    // one before.
    const std::vector<TracedVisit> trace{{-kNone, 5, 1}, {4, 2, 2}, {6, 1, 3}, {7, 9, 4}, {0.5F, 8, 5}};
    GraphCalibrator calibrator;
    calibrator.Add(trace, 1);
    EXPECT_EQ(calibrator.queries(0), 1U);
    EXPECT_EQ(calibrator.queries(1), 1U);
    EXPECT_EQ(calibrator.queries(2), 0U);
    // The nearest is the third visit.
    EXPECT_EQ(calibrator.Choose(0, 0.5).ef, 3U);
    EXPECT_EQ(calibrator.Choose(0, 0.5).visits, 3.0);
    // Of all five, two are found with an ef of 1, one more with 3, the others with 4.
    EXPECT_EQ(calibrator.Choose(1, 0.4).ef, 1U);
    EXPECT_EQ(calibrator.Choose(1, 0.4).visits, 2.0);
    EXPECT_EQ(calibrator.Choose(1, 0.6).ef, 3U);
    EXPECT_EQ(calibrator.Choose(1, 0.61).ef, 4U);
    EXPECT_EQ(calibrator.Choose(1, 1).ef, 4U);
    EXPECT_EQ(calibrator.Choose(1, 1).visits, 5.0);
}

TEST(GraphCalibratorTest, RowsThatDoNotCountAreVisitsOnly) {
    const std::vector<TracedVisit> trace{{-kNone, kNone, 1}, {4, kNone, 2}, {6, 1, 3}};
    GraphCalibrator calibrator;
    calibrator.Add(trace, 0);
    EXPECT_EQ(calibrator.Choose(0, 1).ef, 1U);
    EXPECT_EQ(calibrator.Choose(0, 1).visits, 3.0);
}

TEST(GraphCalibratorTest, NothingFound) {
    GraphCalibrator calibrator;
    calibrator.Add({}, 2);
    EXPECT_EQ(calibrator.Choose(2, 0.9).ef, 1U);
    EXPECT_EQ(calibrator.Choose(2, 0.9).visits, 0.0);
}

TEST(GraphCalibratorTest, WhatWasNotFoundCounts) {
    const std::vector<TracedVisit> trace{{-kNone, 5, 1}, {4, 2, 2}, {6, 1, 3}, {7, 9, 4}, {0.5F, 8, 5}};
    // The nearest is one that the search has not found, or the third visit.
    GraphCalibrator calibrator;
    calibrator.AddExact(trace, std::vector<float>{0.5F, 1, 2, 7});
    EXPECT_EQ(calibrator.Reached(0), 0.0);
    EXPECT_EQ(calibrator.Reached(1), 0.75);
    calibrator.AddExact(trace, std::vector<float>{1, 2, 5, 8});
    EXPECT_EQ(calibrator.queries(0), 2U);
    EXPECT_EQ(calibrator.Reached(0), 0.5);
    EXPECT_EQ(calibrator.Reached(1), 0.875);
    EXPECT_EQ(calibrator.Choose(0, 0.5).ef, 3U);
    EXPECT_EQ(calibrator.Choose(1, 0.75).ef, 3U);
    EXPECT_EQ(calibrator.Choose(1, 0.99).ef, 4U);
    // The others count for the share that those have found with as much: of the ten nearest .75 with an ef of 3.
    for (int i = 0; i < 4; ++i)
        calibrator.Add(std::vector<TracedVisit>{{-kNone, 5, 1}, {4, 2, 2}, {6, 1, 3}, {4.5F, 9, 4}}, 1);
    EXPECT_EQ(calibrator.queries(1), 6U);
    EXPECT_EQ(calibrator.Choose(1, 0.3).ef, 1U);
    EXPECT_EQ(calibrator.Choose(1, 0.75).ef, 3U);
    EXPECT_EQ(calibrator.Choose(1, 0.75).visits, 4.0);
    EXPECT_EQ(calibrator.Choose(1, 0.8).ef, 4U);
    EXPECT_EQ(calibrator.Choose(1, 0.8).visits, 5.0);
}

// The visits of a graph's searches for rows of its own, which are left out.
class Searches {
  public:
    explicit Searches(Metric metric) : data_(MakeClusters(40, 3000, 20, 0)), graph_(data_, metric, {}) {
        graph_.UseTable(100);
    }

    const std::vector<TracedVisit>& Run(NodeId self, size_t ef) {
        const ConstGraphNode record = graph_.Record(self);
        std::vector<float> y(graph_.space().padded());
        DecodeRow(graph_.space(), record.row(), record.header().row.scale, y.data());
        trace_.clear();
        graph_.search().TraceInto(&trace_);
        graph_.search().BeginStoredRow(graph_.space(), y.data(), 100000);
        graph_.search().LeaveOut(self);
        graph_.Round(ef, [](size_t row) { return row % 7 != 0; });
        return trace_;
    }
    [[nodiscard]] size_t nodes() const { return graph_.nodes(); }

  private:
    Data data_;
    Graph graph_;
    std::vector<TracedVisit> trace_;
};

TEST(GraphCalibratorTest, SearchesWithLessEfEndWhereItSays) {
    constexpr size_t kQueries = 30;
    for (const Metric metric : testing::kMetrics) {
        Searches searches(metric);
        GraphCalibrator calibrator;
        std::vector<std::vector<TracedVisit>> deep;
        for (size_t query = 0; query < kQueries; ++query) {
            deep.push_back(searches.Run(static_cast<NodeId>(query * 31), 400));
            calibrator.Add(deep.back(), 2);
        }
        for (size_t which = 0; which < GraphCalibrator::kKCount; ++which) {
            const size_t k = GraphCalibrator::kKs[which];
            for (const double recall : {0.5, 0.9, 0.99}) {
                const GraphEffort effort = calibrator.Choose(which, recall);
                size_t visits = 0;
                size_t found = 0;
                for (size_t query = 0; query < kQueries; ++query) {
                    std::vector<float> nearest;
                    for (const TracedVisit& visit : deep[query]) nearest.push_back(visit.distance);
                    std::nth_element(nearest.begin(), nearest.begin() + static_cast<ptrdiff_t>(k - 1), nearest.end());
                    for (const TracedVisit& visit : searches.Run(static_cast<NodeId>(query * 31), effort.ef)) {
                        ++visits;
                        found += visit.distance <= nearest[k - 1] ? 1 : 0;
                    }
                }
                EXPECT_NEAR(effort.visits, static_cast<double>(visits) / kQueries, 1e-6) << recall;
                EXPECT_GE(static_cast<double>(found), recall * static_cast<double>(k * kQueries));
                // With less it would be less.
                if (effort.ef > 1) {
                    EXPECT_LT(calibrator.Choose(which, recall - 0.3).ef, effort.ef);
                }
            }
        }
    }
}

TEST(GraphCalibratorTest, ASearchLeavesItsOwnRowOut) {
    Searches searches(Metric::kL2);
    const std::vector<TracedVisit>& trace = searches.Run(5, 3000);
    EXPECT_GT(trace.size(), searches.nodes() / 2);
    EXPECT_TRUE(std::none_of(trace.begin(), trace.end(), [](const TracedVisit& visit) { return visit.node == 5; }));
}

// By distances of all rows, as many as are wanted, without the query's own.
TEST(NearestNodesTest, AreTheNearestOfAll) {
    const Data data = MakeClusters(24, 700, 20, 3);
    for (const Metric metric : testing::kMetrics) {
        Graph graph(data, metric, {});
        NearestNodes nearest(10);
        std::vector<std::vector<float>> expected(3);
        std::vector<float> y(graph.space().padded());
        for (NodeId own = 0; own < 3; ++own) {
            const ConstGraphNode record = graph.Record(own * 100);
            DecodeRow(graph.space(), record.row(), record.header().row.scale, y.data());
            nearest.AddQuery(graph.space(), graph.search().layout(), y.data(), own * 100);
            GraphSearch search;
            search.SetLayout(graph.search().layout());
            search.BeginStoredRow(graph.space(), y.data(), 0);
            for (NodeId node = 0; node < graph.nodes(); ++node)
                if (node != own * 100) expected[own].push_back(search.DistanceOf(graph.Record(node)));
            std::sort(expected[own].begin(), expected[own].end());
            expected[own].resize(10);
        }
        for (NodeId node = 0; node < graph.nodes(); ++node) nearest.Look(node, graph.Record(node));
        ASSERT_EQ(nearest.queries(), 3U);
        for (size_t i = 0; i < 3; ++i) {
            EXPECT_EQ(nearest.own(i), i * 100);
            // Asked for again it is the same.
            for (int again = 0; again < 2; ++again) {
                const std::span<const float> found = nearest.Nearest(i);
                EXPECT_TRUE(std::equal(found.begin(), found.end(), expected[i].begin(), expected[i].end()));
            }
        }
    }
}

}  // namespace
}  // namespace annex

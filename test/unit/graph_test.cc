// Graphs: how nodes are laid out, built, and searched, all in memory.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <set>
#include <vector>

#include "annex/clustering.h"
#include "graph_testing.h"

namespace annex {
namespace {

using testing::Data;
using testing::Graph;
using testing::kNodesPerPage;
using testing::MakeClusters;
using testing::RowOf;

// ---- Layout

TEST(NodeLayoutTest, PartsLieOneAfterTheOther) {
    for (const bool with_norms : {false, true}) {
        for (const size_t value_bytes : {0U, 5U, 16U}) {
            const NodeLayout layout(128, value_bytes, with_norms ? EdgeKind::kNorms : EdgeKind::kFactors);
            EXPECT_GE(layout.row_offset(), layout.values_offset() + value_bytes);
            EXPECT_EQ(layout.row_offset() % 4, 0U);
            EXPECT_EQ(layout.edges_offset(), layout.row_offset() + 128);
            EXPECT_EQ(layout.edge_bytes(), with_norms ? 28U : 24U);
            EXPECT_EQ(layout.bytes(10), layout.edges_offset() + 10 * layout.edge_bytes());
            EXPECT_EQ(layout.Capacity(layout.bytes(10)), 10U);
            EXPECT_EQ(layout.Capacity(layout.bytes(10) - 1), 9U);
            EXPECT_EQ(layout.Capacity(10), 0U);
        }
    }
}

TEST(NodeLayoutTest, RowsOfBitsAreBits) {
    const NodeLayout layout(384, 0, EdgeKind::kBits);
    EXPECT_EQ(layout.row_bytes(), 48U);
    EXPECT_EQ(layout.edge_bytes(), 4U + 32U);
    EXPECT_EQ(NodeLayout(64, 0, EdgeKind::kBits).edge_bytes(), 4U + 8U);
}

TEST(NodeLayoutTest, CodesOfEdgesAreShorterInManyDimensions) {
    EXPECT_EQ(EdgeCodeBits(64), 64U);
    EXPECT_EQ(EdgeCodeBits(512), 512U);
    EXPECT_EQ(EdgeCodeBits(768), 512U);
    EXPECT_EQ(EdgeCodeBits(1536), 1024U);
    EXPECT_EQ(EdgeCodeBits(16000) % 64, 0U);
}

// ---- Searches of graphs in memory

TEST(GraphTest, FindsTheNearestRows) {
    const Data data = MakeClusters(40, 3000, 20, 40);
    for (const Metric metric : testing::kMetrics) {
        Graph graph(data, metric, {});
        const bool by_l2 = metric == Metric::kL2 || metric == Metric::kCosine;
        EXPECT_GE(graph.Recall(10, 40), by_l2 ? 0.97 : 0.9) << testing::MetricName(metric);
        EXPECT_GE(graph.Recall(10, 300), by_l2 ? 0.995 : 0.97) << testing::MetricName(metric);
    }
}

TEST(GraphTest, BitsAreFoundByTheirExactDistances) {
    for (const size_t dimensions : {40U, 300U}) {
        const Data data = MakeBits(MakeClusters(dimensions, 3000, 20, 40));
        for (const Metric metric : {Metric::kHamming, Metric::kJaccard}) {
            Graph graph(data, metric, {});
            EXPECT_GE(graph.Recall(10, 60), 0.93) << testing::MetricName(metric) << dimensions;
            graph.UseTable(100);
            EXPECT_GE(graph.Recall(10, 200), 0.97) << testing::MetricName(metric) << dimensions;
            graph.Begin(data.queries[0]);
            graph.Round(20, [](size_t) { return true; });
            for (FoundNode node; graph.search().Next(&node);)
                EXPECT_FLOAT_EQ(node.lower, static_cast<float>(graph.Distance(data.queries[0], RowOf(node.heap_tid))));
        }
    }
}

TEST(GraphTest, StartsFromTheNearestEntries) {
    const Data data = MakeClusters(40, 3000, 20, 40);
    for (const Metric metric : testing::kMetrics) {
        Graph graph(data, metric, {});
        graph.UseTable(200);
        EXPECT_GE(graph.Recall(10, 150), 0.95) << testing::MetricName(metric);
    }
}

TEST(GraphTest, AllEntriesLeadToWhatNothingElseLeadsTo) {
    const Data data = MakeClusters(16, 400, 4, 1);
    Graph graph(data, Metric::kL2, {});
    for (size_t node = 0; node < graph.nodes(); ++node) graph.At(node).header().edges = 0;
    graph.UseTable(data.rows.size());
    graph.Begin(data.queries[0]);
    graph.Round(10, [](size_t) { return true; });
    EXPECT_TRUE(graph.search().Exhausted());
    EXPECT_EQ(graph.search().counters().visits, 2U);
    graph.search().BeginRound(data.rows.size());
    graph.search().StartFromAll(graph.table());
    size_t visits = 0;
    for (NodeId node; (node = graph.search().NextToVisit()) != kNoNode; ++visits)
        graph.search().Visit(node, graph.Record(node));
    EXPECT_EQ(visits, data.rows.size() - 2);
}

// A search that never ends visits every row, each once: the graph hangs together.
TEST(GraphTest, EveryNodeIsReached) {
    const Data data = MakeClusters(16, 4000, 100, 3);
    for (const size_t degree : {6U, 16U}) {
        Graph graph(data, Metric::kL2, {}, degree);
        for (const std::vector<float>& query : data.queries) {
            graph.Begin(query);
            graph.Round(data.rows.size(), [](size_t) { return true; });
            EXPECT_TRUE(graph.search().Exhausted());
            std::set<size_t> rows;
            float last = 0;
            for (FoundNode node; graph.search().Next(&node);) {
                EXPECT_TRUE(rows.insert(RowOf(node.heap_tid)).second);
                EXPECT_GE(node.lower, last);
                last = node.lower;
            }
            EXPECT_EQ(rows.size(), data.rows.size()) << degree;
        }
    }
}

TEST(GraphTest, RoundsGoOn) {
    const Data data = MakeClusters(32, 2000, 10, 5);
    Graph graph(data, Metric::kL2, {});
    for (const std::vector<float>& query : data.queries) {
        graph.Begin(query);
        std::set<size_t> rows;
        for (size_t ef = 10; rows.size() < data.rows.size(); ef *= 2) {
            ASSERT_LT(ef, 100000U);
            graph.Round(ef, [](size_t) { return true; });
            float last = 0;
            for (FoundNode node; graph.search().Next(&node);) {
                EXPECT_TRUE(rows.insert(RowOf(node.heap_tid)).second);
                EXPECT_GE(node.lower, last);
                last = node.lower;
            }
            EXPECT_GE(rows.size(), std::min(ef, data.rows.size()));
        }
    }
}

TEST(GraphTest, RowsThatDoNotPassAreGoneThrough) {
    const Data data = MakeClusters(32, 2000, 10, 10);
    Graph graph(data, Metric::kL2, {});
    const auto passes = [](size_t row) { return row % 10 == 0; };
    for (const std::vector<float>& query : data.queries) {
        double nearest = std::numeric_limits<double>::infinity();
        for (size_t i = 0; i < data.rows.size(); i += 10) nearest = std::min(nearest, graph.Distance(query, i));
        graph.Begin(query);
        graph.Round(20, passes);
        size_t count = 0;
        bool found = false;
        for (FoundNode node; graph.search().Next(&node); ++count) {
            EXPECT_EQ(RowOf(node.heap_tid) % 10, 0U);
            found = found || graph.Distance(query, RowOf(node.heap_tid)) == nearest;
        }
        EXPECT_GE(count, 20U);
        EXPECT_TRUE(found);
        EXPECT_GT(graph.search().counters().skipped, 0U);
    }
}

TEST(GraphTest, DeadNodesAreGoneThroughAndNotReturned) {
    const Data data = MakeClusters(32, 1000, 10, 5);
    Graph graph(data, Metric::kL2, {});
    for (size_t i = 0; i < graph.nodes(); ++i)
        if (i % 2 == 0) graph.At(i).header().state = NodeState::kDead;
    for (const std::vector<float>& query : data.queries) {
        graph.Begin(query);
        graph.Round(data.rows.size(), [](size_t) { return true; });
        size_t count = 0;
        for (FoundNode node; graph.search().Next(&node); ++count) EXPECT_EQ(node.node % 2, 1U);
        EXPECT_EQ(count, graph.nodes() / 2);
    }
}

TEST(GraphTest, LittleMemoryForgetsTheFarthest) {
    const Data data = MakeClusters(32, 2000, 10, 5);
    Graph graph(data, Metric::kL2, {});
    for (const std::vector<float>& query : data.queries) {
        Space space(Metric::kL2, data.dimensions, 11, std::vector<float>(data.dimensions, 0.3F));
        ASSERT_EQ(graph.search().Begin(space, query.data(), 0), RowClass::kNormal);
        graph.Round(1500, [](size_t) { return true; });
        EXPECT_FALSE(graph.search().Exhausted());
        size_t count = 0;
        for (FoundNode node; graph.search().Next(&node);) ++count;
        EXPECT_GE(count, 100U);
    }
}

// A pass over all nodes.
static void Sweep(Graph* graph) {
    graph->search().BeginSweep();
    for (size_t node = 0; node < graph->nodes(); ++node) {
        const ConstGraphNode record = graph->Record(node);
        graph->search().Look(static_cast<NodeId>(node), record, RowOf(record.header().heap_tid) % 3 != 0);
    }
    graph->search().EndRound();
}

TEST(GraphTest, SweepsGiveWhatRoundsHaveNotTheNearestFirst) {
    const Data data = MakeClusters(32, 2000, 10, 5);
    Graph graph(data, Metric::kL2, {});
    for (const std::vector<float>& query : data.queries) {
        for (const size_t memory : {256U, 100000U}) {
            ASSERT_EQ(graph.search().Begin(graph.space(), query.data(), memory), RowClass::kNormal);
            graph.Round(20, [](size_t row) { return row % 3 != 0; });
            std::set<size_t> rows;
            FoundNode node;
            for (int i = 0; i < 20 && graph.search().Next(&node); ++i) rows.insert(RowOf(node.heap_tid));
            EXPECT_EQ(rows.size(), 20U);
            size_t passes = 0;
            float last = 0;
            do {
                Sweep(&graph);
                ++passes;
                while (graph.search().Next(&node)) {
                    EXPECT_TRUE(rows.insert(RowOf(node.heap_tid)).second);
                    EXPECT_NE(RowOf(node.heap_tid) % 3, 0U);
                    EXPECT_GE(node.lower, last);
                    last = node.lower;
                }
            } while (graph.search().SweepsAgain());
            EXPECT_EQ(rows.size(), 1333U);
            EXPECT_EQ(passes > 1, memory == 256);
        }
    }
}

TEST(GraphTest, ASearchThatStartsOverReturnsNothingTwice) {
    const Data data = MakeClusters(32, 2000, 10, 5);
    Graph graph(data, Metric::kL2, {});
    for (const std::vector<float>& query : data.queries) {
        graph.Begin(query);
        std::set<size_t> rows;
        for (const size_t ef : {20U, 40U, 4000U}) {
            graph.Round(ef, [](size_t) { return true; });
            FoundNode node;
            for (size_t i = 0; (ef == 4000 || i < ef) && graph.search().Next(&node); ++i)
                EXPECT_TRUE(rows.insert(RowOf(node.heap_tid)).second);
            const uint64_t visits = graph.search().counters().visits;
            graph.search().StartOver();
            graph.Round(1, [](size_t) { return true; });
            EXPECT_GT(graph.search().counters().visits, visits);
            while (ef < 4000 && graph.search().Next(&node)) EXPECT_TRUE(rows.insert(RowOf(node.heap_tid)).second);
        }
        EXPECT_EQ(rows.size(), data.rows.size());
    }
}

TEST(GraphTest, AnotherFilterCountsRowsFromThenOn) {
    const Data data = MakeClusters(32, 2000, 10, 5);
    Graph graph(data, Metric::kL2, {});
    for (const std::vector<float>& query : data.queries) {
        graph.Begin(query);
        graph.Round(100, [](size_t) { return true; });
        FoundNode node;
        while (graph.search().Next(&node)) {
        }
        graph.search().ForgetDistances();
        graph.Round(20, [](size_t row) { return row % 10 == 0; });
        size_t count = 0;
        for (; graph.search().Next(&node); ++count) EXPECT_EQ(RowOf(node.heap_tid) % 10, 0U);
        EXPECT_GE(count, 20U);
    }
}

// ---- What a build promises of its graph

TEST(GraphBuilderTest, EdgesAreWithinBoundsAndLeadToNodes) {
    const Data data = MakeClusters(24, 2500, 30, 0);
    Graph graph(data, Metric::kL2, {.m = 8}, 16);
    std::vector<size_t> edges_to(graph.nodes());
    for (size_t i = 0; i < graph.nodes(); ++i) {
        const ConstGraphNode record = graph.Record(i);
        ASSERT_LE(record.header().edges, 16U);
        std::set<NodeId> neighbours;
        for (size_t edge = 0; edge < record.header().edges; ++edge) {
            const NodeId neighbour = record.edge(edge).neighbour;
            ASSERT_LT(neighbour, graph.nodes());
            EXPECT_NE(neighbour, i);
            EXPECT_TRUE(neighbours.insert(neighbour).second);
            ++edges_to[neighbour];
        }
    }
    EXPECT_EQ(std::count(edges_to.begin(), edges_to.end(), 0U), 0);
}

// Also where nodes have few edges and rows lie in clusters.
TEST(GraphBuilderTest, PathsLeadToEveryNode) {
    for (const size_t m : {2U, 4U, 16U}) {
        for (const size_t centres : {3U, 500U}) {
            Data data = MakeClusters(24, 4000, centres, 0);
            for (size_t i = 0; i < 100; ++i) data.rows.push_back(data.rows[i]);
            Graph graph(data, Metric::kL2, {.m = m}, 2 * m);
            std::vector<bool> reached(graph.nodes());
            std::vector<NodeId> to_follow{graph.ids()[0]};
            reached[to_follow[0]] = true;
            size_t count = 0;
            for (; !to_follow.empty(); ++count) {
                const ConstGraphNode record = graph.Record(to_follow.back());
                to_follow.pop_back();
                for (size_t edge = 0; edge < record.header().edges; ++edge) {
                    const NodeId neighbour = record.edge(edge).neighbour;
                    if (!reached[neighbour]) to_follow.push_back(neighbour);
                    reached[neighbour] = true;
                }
            }
            EXPECT_EQ(count, graph.nodes()) << "m = " << m << ", centres = " << centres;
        }
    }
}

TEST(GraphBuilderTest, EqualRowsShareANode) {
    Data data = MakeClusters(24, 500, 5, 0);
    for (size_t i = 0; i < 1000; ++i) data.rows.push_back(data.rows[i % 3]);
    Graph graph(data, Metric::kL2, {});
    EXPECT_EQ(graph.nodes(), 500U);
    for (size_t i = 500; i < data.rows.size(); ++i)
        EXPECT_EQ(graph.builder().SharedWith(static_cast<uint32_t>(i)), (i - 500) % 3);
}

TEST(GraphBuilderTest, FewRows) {
    for (const size_t rows : {1U, 2U, 3U, 17U}) {
        const Data data = MakeClusters(24, rows, 1, 2);
        Graph graph(data, Metric::kL2, {});
        EXPECT_EQ(graph.nodes(), rows);
        EXPECT_EQ(graph.Recall(1, 10), 1.0);
    }
}

TEST(GraphBuilderTest, OneThreadAlwaysMakesTheSameGraph) {
    const Data data = MakeClusters(24, 1500, 10, 0);
    Graph a(data, Metric::kL2, {});
    Graph b(data, Metric::kL2, {});
    ASSERT_EQ(a.nodes(), b.nodes());
    for (size_t i = 0; i < a.nodes(); ++i)
        ASSERT_EQ(std::memcmp(a.Record(i).bytes(), b.Record(i).bytes(), a.record_bytes()), 0);
}

TEST(GraphBuilderTest, SeveralThreadsMakeAsGoodAGraph) {
    StartThreads(4);
    const Data data = MakeClusters(40, 6000, 20, 40);
    Graph graph(data, Metric::kL2, {.threads = 4});
    StopThreads();
    EXPECT_GE(graph.Recall(10, 40), 0.97);
    EXPECT_EQ(graph.nodes(), data.rows.size());
}

// Rows that come one cluster after the other are found as well.
TEST(GraphBuilderTest, SortedRows) {
    Data data = MakeClusters(32, 3000, 1, 30);
    std::sort(data.rows.begin(), data.rows.end());
    Graph graph(data, Metric::kL2, {});
    EXPECT_GE(graph.Recall(10, 60), 0.95);
}

// A page's nodes are each other's neighbours more often than chance has it.
TEST(GraphBuilderTest, NeighboursShareAPage) {
    const Data data = MakeClusters(40, 3000, 20, 0);
    Graph graph(data, Metric::kL2, {});
    size_t near = 0;
    size_t edges = 0;
    for (size_t i = 0; i < graph.nodes(); ++i) {
        const ConstGraphNode record = graph.Record(i);
        edges += record.header().edges;
        for (size_t edge = 0; edge < record.header().edges; ++edge)
            near += record.edge(edge).neighbour / kNodesPerPage == i / kNodesPerPage ? 1 : 0;
    }
    EXPECT_GT(near * 10, edges);
}

}  // namespace
}  // namespace annex

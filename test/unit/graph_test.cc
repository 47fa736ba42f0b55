// Graphs: how nodes are laid out, built, and searched, all in memory.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <set>
#include <vector>

#include "annex/clustering.h"
#include "annex/graph_builder.h"
#include "annex/graph_search.h"
#include "codec_testing.h"

namespace annex {
namespace {

using testing::GaussianVector;
using testing::OperatorValue;

constexpr size_t kNodesPerPage = 15;

// ---- Layout

TEST(NodeLayoutTest, PartsLieOneAfterTheOther) {
    for (const bool with_norms : {false, true}) {
        for (const size_t value_bytes : {0U, 5U, 16U}) {
            const NodeLayout layout(128, value_bytes, with_norms);
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

TEST(NodeLayoutTest, CodesOfEdgesAreShorterInManyDimensions) {
    EXPECT_EQ(EdgeCodeBits(64), 64U);
    EXPECT_EQ(EdgeCodeBits(512), 512U);
    EXPECT_EQ(EdgeCodeBits(768), 512U);
    EXPECT_EQ(EdgeCodeBits(1536), 1024U);
    EXPECT_EQ(EdgeCodeBits(16000) % 64, 0U);
}

// ---- Graphs in memory

struct Data {
    size_t dimensions;
    std::vector<std::vector<float>> rows;
    std::vector<std::vector<float>> queries;
};

// Rows around some centres, and queries likewise.
Data MakeClusters(size_t dimensions, size_t rows, size_t centres, size_t queries) {
    Random random(7);
    std::vector<std::vector<float>> centre(centres);
    for (auto& c : centre) c = GaussianVector(&random, dimensions, 1, 0.3);
    const auto around = [&] {
        std::vector<float> x = GaussianVector(&random, dimensions, 0.6);
        const auto& c = centre[static_cast<size_t>(random.Uniform() * static_cast<double>(centres))];
        for (size_t i = 0; i < dimensions; ++i) x[i] += c[i];
        return x;
    };
    Data data{dimensions, {}, {}};
    for (size_t i = 0; i < rows; ++i) data.rows.push_back(around());
    for (size_t i = 0; i < queries; ++i) data.queries.push_back(around());
    return data;
}

HeapTid TidOf(size_t row) {
    return {static_cast<uint16_t>(row >> 16), static_cast<uint16_t>(row), 1};
}
size_t RowOf(HeapTid tid) {
    return static_cast<size_t>(tid.block_high) << 16 | tid.block_low;
}

// A graph whose records lie in an array, as many after each other as there are.
class Graph {
  public:
    Graph(const Data& data, Metric metric, const GraphBuildOptions& options, size_t degree = 32)
        : data_(data),
          space_(metric, data.dimensions, 11, std::vector<float>(data.dimensions, 0.3F)),
          builder_(space_, options),
          table_(space_, 64) {
        std::vector<float> y(space_.padded());
        for (size_t i = 0; i < data.rows.size(); ++i) {
            EXPECT_EQ(space_.TransformRow(data.rows[i].data(), y.data()), RowClass::kNormal);
            builder_.Add(y.data(), TidOf(i));
        }
        while (builder_.Step()) {
        }
        const bool with_norms = metric == Metric::kInnerProduct;
        layout_ = NodeLayout(space_.padded(), 0, with_norms);
        degree_ = degree;
        while (builder_.StepFinish(degree)) {
        }
        order_ = builder_.Order(kNodesPerPage);
        ids_.assign(builder_.size(), kNoNode);
        for (size_t i = 0; i < order_.size(); ++i) ids_[order_[i]] = static_cast<NodeId>(i);
        words_.resize(order_.size() * (layout_.bytes(degree) + 7) / sizeof(uint64_t));
        for (size_t i = 0; i < order_.size(); ++i) builder_.Encode(order_[i], layout_, degree, ids_, At(i));
        search_.SetLayout(layout_);
    }

    [[nodiscard]] GraphNode At(size_t node) {
        return {layout_, reinterpret_cast<uint8_t*>(words_.data()) + node * layout_.bytes(degree_)};
    }
    [[nodiscard]] ConstGraphNode Record(size_t node) const {
        return {layout_, reinterpret_cast<const uint8_t*>(words_.data()) + node * layout_.bytes(degree_)};
    }
    [[nodiscard]] size_t nodes() const { return order_.size(); }
    [[nodiscard]] const GraphBuilder& builder() const { return builder_; }
    [[nodiscard]] size_t record_bytes() const { return layout_.bytes(degree_); }
    [[nodiscard]] GraphSearch& search() { return search_; }
    [[nodiscard]] const std::vector<NodeId>& ids() const { return ids_; }

    void Begin(const std::vector<float>& query) {
        ASSERT_EQ(search_.Begin(space_, query.data(), 100000), RowClass::kNormal);
    }
    // Rounds start from the nearest of so many rows.
    void UseTable(size_t count) {
        table_ = EntryTable(space_, layout_.code_bits());
        for (const uint32_t entry : builder_.Entries(count)) {
            const ConstGraphNode record = Record(ids_[entry]);
            table_.Add(ids_[entry], record.row(), record.header().row.scale);
        }
    }
    [[nodiscard]] const EntryTable& table() const { return table_; }

    template <typename Passes>
    void Round(size_t ef, Passes passes) {
        search_.BeginRound(ef);
        if (table_.size() > 0) {
            search_.StartFromNearest(table_, 2);
        } else {
            for (const uint32_t entry : builder_.Entries(8))
                search_.Start(ids_[entry], -std::numeric_limits<float>::infinity());
        }
        for (NodeId node; (node = search_.NextToVisit()) != kNoNode;) {
            const ConstGraphNode record = Record(node);
            search_.Visit(node, record, passes(RowOf(record.header().heap_tid)));
        }
        search_.EndRound();
    }

    // The share of the k nearest rows that are among the first 2 k of a round.
    [[nodiscard]] double Recall(size_t k, size_t ef) {
        size_t found = 0;
        for (const std::vector<float>& query : data_.queries) {
            std::vector<std::pair<double, size_t>> exact;
            for (size_t i = 0; i < data_.rows.size(); ++i) exact.emplace_back(Distance(query, i), i);
            std::sort(exact.begin(), exact.end());
            Begin(query);
            Round(ef, [](size_t) { return true; });
            FoundNode node;
            for (size_t i = 0; i < 2 * k && search_.Next(&node); ++i) {
                const double distance = Distance(query, RowOf(node.heap_tid));
                EXPECT_LE(static_cast<double>(node.lower), distance);
                found += distance <= exact[k - 1].first ? 1 : 0;
            }
        }
        return static_cast<double>(found) / static_cast<double>(k * data_.queries.size());
    }
    [[nodiscard]] double Distance(const std::vector<float>& query, size_t row) const {
        return OperatorValue(ActiveKernels(), space_.metric(), query, data_.rows[row]);
    }

  private:
    const Data& data_;
    Space space_;
    GraphBuilder builder_;
    EntryTable table_;
    NodeLayout layout_;
    size_t degree_ = 0;
    std::vector<uint32_t> order_;
    std::vector<NodeId> ids_;
    std::vector<uint64_t> words_;
    GraphSearch search_;
};

TEST(GraphTest, FindsTheNearestRows) {
    const Data data = MakeClusters(40, 3000, 20, 40);
    for (const Metric metric : testing::kMetrics) {
        Graph graph(data, metric, {});
        const bool by_l2 = metric == Metric::kL2 || metric == Metric::kCosine;
        EXPECT_GE(graph.Recall(10, 40), by_l2 ? 0.97 : 0.9) << testing::MetricName(metric);
        EXPECT_GE(graph.Recall(10, 300), by_l2 ? 0.995 : 0.97) << testing::MetricName(metric);
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

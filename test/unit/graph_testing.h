// Graphs in memory for tests: data in clusters, a graph over it, and searches of that.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <utility>
#include <vector>

#include "annex/graph_builder.h"
#include "annex/graph_search.h"
#include "codec_testing.h"

namespace annex::testing {

inline constexpr size_t kNodesPerPage = 15;
inline constexpr size_t kEntries = 8;

struct Data {
    size_t dimensions;
    std::vector<std::vector<float>> rows;
    std::vector<std::vector<float>> queries;
};

// Rows around some centres, and queries likewise.
inline Data MakeClusters(size_t dimensions, size_t rows, size_t centres, size_t queries) {
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

// Their signs, as strings of bits.
inline Data MakeBits(Data data) {
    for (std::vector<std::vector<float>>* rows : {&data.rows, &data.queries})
        for (std::vector<float>& row : *rows)
            for (float& x : row) x = x > 0 ? 1 : 0;
    return data;
}

inline HeapTid TidOf(size_t row) {
    return {static_cast<uint16_t>(row >> 16), static_cast<uint16_t>(row), 1};
}
inline size_t RowOf(HeapTid tid) {
    return static_cast<size_t>(tid.block_high) << 16 | tid.block_low;
}

// A graph whose records lie in an array, as many after each other as there are.
class Graph {
  public:
    Graph(const Data& data, Metric metric, const GraphBuildOptions& options, size_t degree = 32)
        : data_(data),
          space_(metric, data.dimensions, 11, std::vector<float>(data.dimensions, 0.3F)),
          builder_(space_, options),
          layout_(space_.padded(), 0, EdgeKindOf(metric)),
          table_(space_, layout_) {
        std::vector<float> y(space_.padded());
        for (size_t i = 0; i < data.rows.size(); ++i) {
            EXPECT_EQ(space_.TransformRow(data.rows[i].data(), y.data()), RowClass::kNormal);
            builder_.Add(y.data(), TidOf(i));
        }
        while (builder_.Step()) {
        }
        degree_ = degree;
        while (builder_.StepFinish(degree)) {
        }
        while (builder_.StepOrder(kNodesPerPage)) {
        }
        order_ = builder_.order();
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
    [[nodiscard]] const Space& space() const { return space_; }

    void Begin(const std::vector<float>& query) {
        ASSERT_EQ(search_.Begin(space_, query.data(), 100000), RowClass::kNormal);
    }
    // Rounds start from the nearest of so many rows.
    void UseTable(size_t count) {
        table_ = EntryTable(space_, layout_);
        for (const uint32_t entry : builder_.Entries(count)) {
            const ConstGraphNode record = Record(ids_[entry]);
            table_.Add(ids_[entry], record.row(), record.header().row);
        }
    }
    [[nodiscard]] const EntryTable& table() const { return table_; }

    template <typename Passes>
    void Round(size_t ef, Passes passes) {
        search_.BeginRound(ef);
        if (table_.size() > 0) {
            search_.StartFromNearest(table_, 2);
        } else {
            for (const uint32_t entry : builder_.Entries(kEntries))
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
    NodeLayout layout_;
    EntryTable table_;
    size_t degree_ = 0;
    std::vector<uint32_t> order_;
    std::vector<NodeId> ids_;
    std::vector<uint64_t> words_;
    GraphSearch search_;
};

}  // namespace annex::testing

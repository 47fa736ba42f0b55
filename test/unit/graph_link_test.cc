// Edges between nodes that are known by their records alone.
#include "annex/graph_link.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "codec_testing.h"

namespace annex {
namespace {

using testing::GaussianVector;

class GraphLinkTest : public ::testing::Test {
  protected:
    struct Row {
        std::vector<float> y;
        std::vector<int8_t> codes;
        RowFactors factors;
    };

    // y as it is in the index's space.
    Row MakeRow(std::vector<float> y) const {
        Row row{std::move(y), std::vector<int8_t>(space_.padded()), {}};
        row.y.resize(space_.padded());
        row.factors = NodeRows(space_, layout_).Encode(row.y.data(), row.codes.data());
        return row;
    }
    Row RandomRow() { return MakeRow(GaussianVector(&random_, kPadded, 1)); }
    // At this share of the way from a to b.
    static std::vector<float> Between(const Row& a, const Row& b, float share) {
        std::vector<float> y(a.y.size());
        for (size_t i = 0; i < y.size(); ++i) y[i] = a.y[i] + share * (b.y[i] - a.y[i]);
        return y;
    }
    static double SquaredDistance(const Row& a, const Row& b) {
        double sum = 0;
        for (size_t i = 0; i < a.y.size(); ++i) sum += std::pow(static_cast<double>(a.y[i] - b.y[i]), 2);
        return sum;
    }

    // A record with room for so many edges, and those to some rows, numbered from 1 on.
    GraphNode MakeNode(const Row& row, const std::vector<Row>& neighbours, size_t capacity) {
        bytes_.assign(layout_.bytes(capacity) / sizeof(uint64_t) + 1, 0);
        const GraphNode node(layout_, reinterpret_cast<uint8_t*>(bytes_.data()));
        node.header() = {
            {0, 0, 1}, NodeState::kLive, 0, static_cast<uint16_t>(neighbours.size()), static_cast<uint16_t>(capacity),
            kNoNode,   row.factors};
        std::memcpy(node.row(), row.codes.data(), row.codes.size());
        EdgeMaker maker(space_, layout_);
        maker.SetRow(row.factors, row.codes.data());
        for (size_t i = 0; i < neighbours.size(); ++i)
            maker.EdgeTo(static_cast<NodeId>(i + 1), neighbours[i].factors, neighbours[i].codes.data(),
                         node.edges() + i * layout_.edge_bytes());
        return node;
    }
    // The newcomer's own edges lead to the neighbours of these numbers.
    EdgeDecision Decide(const Row& row, const std::vector<Row>& neighbours, size_t capacity, const Row& newcomer,
                        const std::vector<NodeId>& links, bool force = false) {
        const GraphNode node = MakeNode(row, neighbours, capacity);
        EdgeMaker maker(space_, layout_);
        maker.SetRow(newcomer.factors, newcomer.codes.data());
        maker.SetLinks(links);
        return maker.Decide(ConstGraphNode(layout_, node.bytes()), kNewcomer,
                            maker.SquaredDistance(row.factors, row.codes.data()), force);
    }

    static constexpr size_t kPadded = 256;
    static constexpr NodeId kNewcomer = 77;
    Random random_{5};
    Space space_{Metric::kL2, kPadded, 3, std::vector<float>(kPadded)};
    NodeLayout layout_{kPadded, 0, EdgeKind::kFactors};
    NodeRows rows_{space_, layout_};
    std::vector<uint64_t> bytes_;
};

TEST_F(GraphLinkTest, DistancesAreThoseOfTheRows) {
    const Row a = RandomRow();
    const Row b = RandomRow();
    const double exact = SquaredDistance(a, b);
    EXPECT_NEAR(static_cast<double>(rows_.SquaredDistance(a.codes.data(), a.factors, b.codes.data(), b.factors)), exact,
                0.02 * exact);
    EXPECT_EQ(rows_.SquaredDistance(a.codes.data(), a.factors, a.codes.data(), a.factors), 0.0F);
    EXPECT_TRUE(rows_.Same(a.codes.data(), a.factors, a.codes.data(), a.factors));
    EXPECT_FALSE(rows_.Same(a.codes.data(), a.factors, b.codes.data(), b.factors));
}

TEST_F(GraphLinkTest, NeighboursThatOthersCoverAreNotChosen) {
    const Row row = RandomRow();
    const Row far = RandomRow();
    const std::vector<Row> rows = {MakeRow(Between(row, far, 0.5F)), MakeRow(Between(row, far, -0.6F)),
                                   MakeRow(Between(row, far, 0.9F))};
    std::vector<VisitedNode> candidates;
    for (const Row& r : rows)
        candidates.push_back({static_cast<float>(SquaredDistance(row, r)), 1, r.factors, r.codes.data()});
    std::vector<uint32_t> chosen;
    ChooseNeighbours(rows_, candidates, {10, 0, 1}, &chosen);
    EXPECT_EQ(chosen, (std::vector<uint32_t>{0, 1}));
    ChooseNeighbours(rows_, candidates, {1, 0, 1}, &chosen);
    EXPECT_EQ(chosen, (std::vector<uint32_t>{0}));
    ChooseNeighbours(rows_, candidates, {10, 3, 1}, &chosen);
    EXPECT_EQ(chosen, (std::vector<uint32_t>{0, 1, 2}));
    ChooseNeighbours(rows_, candidates, {2, 3, 1}, &chosen);
    EXPECT_EQ(chosen, (std::vector<uint32_t>{0, 1}));
}

TEST_F(GraphLinkTest, EstimatesAreNearTheDistances) {
    const Row row = RandomRow();
    std::vector<Row> neighbours;
    for (int i = 0; i < 20; ++i) neighbours.push_back(MakeRow(Between(row, RandomRow(), 0.5F)));
    const Row newcomer = MakeRow(Between(row, RandomRow(), 0.4F));
    const GraphNode node = MakeNode(row, neighbours, 20);
    EdgeMaker maker(space_, layout_);
    maker.SetRow(newcomer.factors, newcomer.codes.data());
    const float* estimates =
        maker.Estimates(ConstGraphNode(layout_, node.bytes()), static_cast<float>(SquaredDistance(row, newcomer)));
    for (size_t i = 0; i < neighbours.size(); ++i) {
        const double exact = SquaredDistance(newcomer, neighbours[i]);
        EXPECT_NEAR(static_cast<double>(estimates[i]), exact, 0.25 * exact);
    }
}

TEST_F(GraphLinkTest, EdgesBothWaysNameTheirEnds) {
    const Row a = RandomRow();
    const Row b = RandomRow();
    for (const bool with_norms : {false, true}) {
        const NodeLayout layout(kPadded, 0, with_norms ? EdgeKind::kNorms : EdgeKind::kFactors);
        EdgeMaker maker(space_, layout);
        maker.SetRow(a.factors, a.codes.data());
        std::vector<uint8_t> to(layout.edge_bytes());
        std::vector<uint8_t> from(layout.edge_bytes());
        maker.EdgeTo(5, b.factors, b.codes.data(), to.data());
        maker.EdgeFrom(b.factors, b.codes.data(), 6, from.data());
        EdgeHeader header;
        std::memcpy(&header, to.data(), sizeof header);
        EXPECT_EQ(header.neighbour, 5U);
        std::memcpy(&header, from.data(), sizeof header);
        EXPECT_EQ(header.neighbour, 6U);
        EXPECT_NEAR(static_cast<double>(SquaredLength(header.factors, kPadded, layout.code_bits())),
                    SquaredDistance(a, b), 0.3 * SquaredDistance(a, b));
    }
}

TEST_F(GraphLinkTest, NodesWithRoomTakeEveryEdgeOnce) {
    const Row row = RandomRow();
    const std::vector<Row> neighbours = {RandomRow(), RandomRow()};
    const EdgeDecision decision = Decide(row, neighbours, 3, RandomRow(), {});
    EXPECT_EQ(decision.kind, EdgeDecision::Kind::kAppend);
    EXPECT_EQ(decision.edge, 2);
    const GraphNode node = MakeNode(row, neighbours, 3);
    EdgeMaker maker(space_, layout_);
    maker.SetRow(neighbours[1].factors, neighbours[1].codes.data());
    EXPECT_EQ(maker.Decide(ConstGraphNode(layout_, node.bytes()), 2, 1, false).kind, EdgeDecision::Kind::kLinked);
}

TEST_F(GraphLinkTest, FullNodesDropWhatTheNewcomerCovers) {
    const Row row = RandomRow();
    const Row far = RandomRow();
    const std::vector<Row> neighbours = {RandomRow(), far, RandomRow()};
    const EdgeDecision decision = Decide(row, neighbours, 3, MakeRow(Between(row, far, 0.6F)), {1, 2, 3});
    EXPECT_EQ(decision.kind, EdgeDecision::Kind::kReplace);
    EXPECT_EQ(decision.edge, 1);
}

TEST_F(GraphLinkTest, FullNodesDropWhatTheNewcomerLeadsToAlone) {
    const Row row = RandomRow();
    const Row far = RandomRow();
    const std::vector<Row> neighbours = {RandomRow(), far, RandomRow()};
    const Row newcomer = MakeRow(Between(row, far, 0.6F));
    EXPECT_EQ(Decide(row, neighbours, 3, newcomer, {}, true).kind, EdgeDecision::Kind::kRefuse);
    const EdgeDecision decision = Decide(row, neighbours, 3, newcomer, {3, 9}, true);
    EXPECT_EQ(decision.kind, EdgeDecision::Kind::kReplace);
    EXPECT_EQ(decision.edge, 2);
}

TEST_F(GraphLinkTest, FullNodesRefuseWhatIsCovered) {
    const Row row = RandomRow();
    const Row far = RandomRow();
    const std::vector<Row> neighbours = {MakeRow(Between(row, far, 0.5F)), RandomRow(), RandomRow()};
    EXPECT_EQ(Decide(row, neighbours, 3, far, {1, 2, 3}).kind, EdgeDecision::Kind::kRefuse);
    EXPECT_EQ(Decide(row, neighbours, 3, far, {1, 2, 3}, true).kind, EdgeDecision::Kind::kReplace);
}

}  // namespace
}  // namespace annex

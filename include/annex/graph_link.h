// Links between nodes on pages, where a node is known by its record alone: which neighbours a new row gets, what a
// neighbour does with an edge back, and the bytes of an edge. The rules are those of GraphBuilder; of rows that are not
// at hand, distances are what edges estimate.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "annex/edge.h"
#include "annex/graph_node.h"
#include "annex/graph_search.h"
#include "annex/node_row.h"
#include "annex/refinement.h"
#include "annex/space.h"

namespace annex {

// A refinement row and its place in the index's space.
struct LinkRow {
    NodeId node;
    RowFactors factors;
    const int8_t* codes;  // [layout.row_bytes()]
};

// How many of a row's candidates become its neighbours.
struct NeighbourChoice {
    size_t most;
    size_t fewest;  // these, the nearest that are left, even if they are covered
    float slack;    // factor on the lengths by which one is covered
};
// Of candidates, the nearest first, the numbers of those that no other chosen one is nearer to than the row is; those
// that are covered, if any, come last.
void ChooseNeighbours(const NodeRows& rows, std::span<const VisitedNode> candidates, const NeighbourChoice& choice,
                      std::vector<uint32_t>* chosen);

// What a node does about an edge to a row.
struct EdgeDecision {
    enum class Kind : uint8_t {
        kAppend,   // it has room
        kReplace,  // edge `edge` goes
        kRefuse,   // a nearer neighbour covers the row, or the row is farther than all of a full node's neighbours
        kLinked    // there is one already
    };
    Kind kind;
    uint16_t edge;
};

// Makes edges of one row and decides on edges to it. Memory is kept from row to row.
class EdgeMaker {
  public:
    // space and layout must outlive it.
    EdgeMaker(const Space& space, const NodeLayout& layout);

    // The row that edges lead to, or from, until the next call: codes[layout.row_bytes()].
    void SetRow(const RowFactors& factors, const int8_t* codes);

    // Where the row's own edges lead: only edges to these nodes are replaced by edges to the row, so that whatever
    // could be reached before still can, through the row. None after SetRow.
    void SetLinks(std::span<const NodeId> links);

    // The bytes of an edge from the row to a neighbour, and from a neighbour to the row, which is `node`.
    // edge[layout.edge_bytes()].
    void EdgeTo(NodeId neighbour, const RowFactors& factors, const int8_t* codes, uint8_t* edge);
    void EdgeFrom(const RowFactors& factors, const int8_t* codes, NodeId node, uint8_t* edge);

    // What the node of `record`, at this distance, does about an edge to the row, which is `node`. A full node
    // replaces, of its edges to nodes that the row has edges to, the longest that the row covers, or the longest;
    // `force`: one of these even where the row is covered or farther away.
    [[nodiscard]] EdgeDecision Decide(ConstGraphNode record, NodeId node, float squared_distance, bool force);

    // Whether a neighbour of the record's node is nearer to the node than this distance, and nearer than that to the
    // row, as edges estimate it: then no edge to the row is needed.
    [[nodiscard]] bool Covered(ConstGraphNode record, float squared_distance);

    // Squared distances from the row to the ends of a node's edges, as these estimate them: [record's edges], valid
    // until the next call.
    [[nodiscard]] const float* Estimates(ConstGraphNode record, float squared_distance);
    [[nodiscard]] NodeRows& rows() noexcept { return rows_; }
    // ||row - record's row||^2.
    [[nodiscard]] float SquaredDistance(const RowFactors& factors, const int8_t* codes) const noexcept;

  private:
    void Encode(const int8_t* to_row, const float* from, const float* to, NodeId node, uint8_t* edge) const noexcept;
    [[nodiscard]] float Length(ConstGraphNode record, size_t edge) const noexcept;
    [[nodiscard]] float BitsApart(const int8_t* row, const uint8_t* code) const noexcept;

    const NodeLayout* layout_;
    double bit_share_;  // of a row that a code has
    NodeRows rows_;
    RowFactors factors_{};
    std::vector<int8_t> codes_;
    std::vector<NodeId> links_;
    std::vector<float> row_;  // decoded
    std::vector<float> other_;
    EdgeQuery query_;
    std::vector<float> estimates_;
};

}  // namespace annex

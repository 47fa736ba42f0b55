// Links between nodes on pages.
#include "annex/graph_link.h"

#include <algorithm>
#include <cstring>

#include "engine/sums.h"

namespace annex {

void ChooseNeighbours(const NodeRows& rows, std::span<const VisitedNode> candidates, const NeighbourChoice& choice,
                      std::vector<uint32_t>* chosen) {
    const float factor = choice.slack * choice.slack;
    chosen->clear();
    for (uint32_t i = 0; i < candidates.size() && chosen->size() < choice.most; ++i) {
        const VisitedNode& candidate = candidates[i];
        const bool covered = std::any_of(chosen->begin(), chosen->end(), [&](uint32_t c) {
            const VisitedNode& other = candidates[c];
            return factor * rows.SquaredDistance(other.codes, other.factors, candidate.codes, candidate.factors) <
                   candidate.squared_distance;
        });
        if (!covered) chosen->push_back(i);
    }
    const auto uncovered = static_cast<ptrdiff_t>(chosen->size());
    for (uint32_t i = 0; i < candidates.size() && chosen->size() < std::min(choice.fewest, choice.most); ++i)
        if (!std::binary_search(chosen->begin(), chosen->begin() + uncovered, i)) chosen->push_back(i);
}

EdgeMaker::EdgeMaker(const Space& space, const NodeLayout& layout)
    : layout_(&layout),
      bit_share_(static_cast<double>(std::min(layout.code_bits(), space.dimensions())) /
                 static_cast<double>(space.dimensions())),
      rows_(space, layout),
      codes_(layout.row_bytes()),
      row_(space.padded()),
      other_(space.padded()) {}

void EdgeMaker::SetRow(const RowFactors& factors, const int8_t* codes) {
    factors_ = factors;
    std::copy(codes, codes + layout_->row_bytes(), codes_.begin());
    links_.clear();
    if (layout_->of_bits()) return;
    rows_.Decode(codes, factors, row_.data());
    query_.Reset(row_.data(), layout_->code_bits());
}

void EdgeMaker::Encode(const int8_t* to_row, const float* from, const float* to, NodeId node,
                       uint8_t* edge) const noexcept {
    if (layout_->of_bits()) {
        std::memcpy(edge, &node, sizeof node);
        std::memcpy(edge + layout_->code_offset(), to_row, EdgeCodeBytes(layout_->code_bits()));
        return;
    }
    EdgeHeader header{node, {}};
    header.factors = EncodeEdge(from, to, layout_->padded(), layout_->code_bits(), edge + layout_->code_offset());
    std::memcpy(edge, &header, sizeof header);
    if (!layout_->with_norms()) return;
    const uint16_t norm = FloatToBf16Nearest(static_cast<float>(SquaredNorm(to, layout_->padded())));
    std::memset(edge + sizeof header, 0, layout_->code_offset() - sizeof header);
    std::memcpy(edge + sizeof header, &norm, sizeof norm);
}

void EdgeMaker::EdgeTo(NodeId neighbour, const RowFactors& factors, const int8_t* codes, uint8_t* edge) {
    if (!layout_->of_bits()) rows_.Decode(codes, factors, other_.data());
    Encode(codes, row_.data(), other_.data(), neighbour, edge);
}

void EdgeMaker::EdgeFrom(const RowFactors& factors, const int8_t* codes, NodeId node, uint8_t* edge) {
    if (!layout_->of_bits()) rows_.Decode(codes, factors, other_.data());
    Encode(codes_.data(), other_.data(), row_.data(), node, edge);
}

float EdgeMaker::SquaredDistance(const RowFactors& factors, const int8_t* codes) const noexcept {
    return rows_.SquaredDistance(codes_.data(), factors_, codes, factors);
}

// Of a row and one of which a code has the first bits.
float EdgeMaker::BitsApart(const int8_t* row, const uint8_t* code) const noexcept {
    const uint64_t apart =
        ActiveKernels().hamming(reinterpret_cast<const uint8_t*>(row), code, EdgeCodeBytes(layout_->code_bits()));
    return static_cast<float>(static_cast<double>(apart) / bit_share_);
}

// The squared length of an edge, as its code remembers it.
float EdgeMaker::Length(ConstGraphNode record, size_t edge) const noexcept {
    if (layout_->of_bits()) return BitsApart(record.row(), record.code(edge));
    return SquaredLength(record.edge(edge).factors, layout_->padded(), layout_->code_bits());
}

void EdgeMaker::SetLinks(std::span<const NodeId> links) {
    links_.assign(links.begin(), links.end());
}

const float* EdgeMaker::Estimates(ConstGraphNode record, float squared_distance) {
    const size_t edges = record.header().edges;
    estimates_.resize(edges);
    if (edges == 0) return estimates_.data();
    if (layout_->of_bits()) {
        for (size_t i = 0; i < edges; ++i) estimates_[i] = BitsApart(codes_.data(), record.code(i));
        return estimates_.data();
    }
    const float* products = query_.SignProducts(record.code(0), layout_->edge_bytes(), edges);
    for (size_t i = 0; i < edges; ++i)
        estimates_[i] = EstimateAlong(record.edge(i).factors, squared_distance, products[i]);
    return estimates_.data();
}

bool EdgeMaker::Covered(ConstGraphNode record, float squared_distance) {
    const float* apart = Estimates(record, squared_distance);
    for (size_t i = 0; i < record.header().edges; ++i)
        if (apart[i] < squared_distance && Length(record, i) < squared_distance) return true;
    return false;
}

EdgeDecision EdgeMaker::Decide(ConstGraphNode record, NodeId node, float squared_distance, bool force) {
    using Kind = EdgeDecision::Kind;
    const size_t edges = record.header().edges;
    for (size_t i = 0; i < edges; ++i)
        if (record.edge(i).neighbour == node) return {Kind::kLinked, static_cast<uint16_t>(i)};
    if (edges < record.header().capacity) return {Kind::kAppend, static_cast<uint16_t>(edges)};
    if (edges == 0) return {Kind::kRefuse, 0};
    const float* apart = Estimates(record, squared_distance);
    size_t longest = 0;
    float longest_length = -1;
    size_t dropped = edges;
    float dropped_length = -1;
    for (size_t i = 0; i < edges; ++i) {
        const float length = Length(record, i);
        if (!force && length < squared_distance && apart[i] < squared_distance) return {Kind::kRefuse, 0};
        if (std::find(links_.begin(), links_.end(), record.edge(i).neighbour) == links_.end()) continue;
        if (length > longest_length) {
            longest = i;
            longest_length = length;
        }
        if (apart[i] < length && length > dropped_length) {
            dropped = i;
            dropped_length = length;
        }
    }
    if (dropped < edges) return {Kind::kReplace, static_cast<uint16_t>(dropped)};
    if (longest_length >= 0 && (force || squared_distance < longest_length))
        return {Kind::kReplace, static_cast<uint16_t>(longest)};
    return {Kind::kRefuse, 0};
}

}  // namespace annex

// The graph in memory once all rows are inserted: the cut, the order of nodes, and their records.
#include <algorithm>
#include <cstring>
#include <limits>

#include "annex/graph_builder.h"
#include "engine/clustering/threads.h"
#include "engine/graph_rows.h"

namespace annex {
namespace {

// An edge is left out at the end where another neighbour is nearer to its end by this factor.
constexpr float kSlack = 1.05F;
// Rows that are gone through without products in some milliseconds.
constexpr size_t kRowsOfStep = size_t{1} << 15;

}  // namespace

// Leaves the edges that no kept one covers, nearest first, and at least a few.
void GraphBuilder::Cut(uint32_t row, size_t degree, Worker* worker) noexcept {
    constexpr size_t kFewest = 6;
    Chunk& chunk = ChunkOf(row);
    const size_t i = row % Chunk::kRows;
    if (chunk.link_counts[i] == kSharedNode) return;
    uint32_t* links = chunk.links.get() + i * most_links_;
    std::vector<Near>& nearest = worker->nearest;
    nearest.clear();
    SquaredDistances(row, links, chunk.link_counts[i], worker, worker->distances.data());
    for (size_t j = 0; j < chunk.link_counts[i]; ++j) nearest.push_back({worker->distances[j], links[j]});
    std::sort(nearest.begin(), nearest.end());
    Choose(degree, kSlack * kSlack, worker);
    std::vector<Near>& chosen = worker->chosen;
    const auto kept = static_cast<ptrdiff_t>(chosen.size());
    for (const Near& near : nearest) {
        if (chosen.size() >= std::min(kFewest, degree)) break;
        if (std::find(chosen.begin(), chosen.begin() + kept, near) == chosen.begin() + kept) chosen.push_back(near);
    }
    for (size_t j = 0; j < chosen.size(); ++j) links[j] = chosen[j].row;
    chunk.link_counts[i] = static_cast<uint16_t>(chosen.size());
}

// Rows a thread cuts in some 20 ms.
size_t GraphBuilder::CutRows() const noexcept {
    constexpr size_t kWork = size_t{32} * 32 * 256 * 1024;
    return std::clamp<size_t>(kWork / (most_links_ * most_links_ * (row_bytes_ + 128)), 8, 1024);
}

bool GraphBuilder::StepFinish(size_t degree) {
    if (size_ == 0) return false;
    if (cut_ < size_) {
        const size_t count = std::min(size_ - cut_, CutRows() * static_cast<size_t>(options_.threads));
        ParallelFor(options_.threads, count, [this, degree](size_t task, size_t worker) {
            Cut(static_cast<uint32_t>(cut_ + task), degree, workers_[worker].get());
        });
        cut_ += count;
        return true;
    }
    if (counted_ < size_) {
        CountEdges();
        return true;
    }
    if (ways_ == 0) BeginWays();
    return StepWays(degree);
}

void GraphBuilder::CountEdges() {
    if (edges_to_.empty()) edges_to_.resize(size_);
    const size_t end = std::min(size_, counted_ + kRowsOfStep);
    for (; counted_ < end; ++counted_)
        for (const uint32_t link : Links(static_cast<uint32_t>(counted_))) ++edges_to_[link];
}

// ---- Ways from row 0 to all nodes ----

// They make a tree, and no edge of it is given up for another.
void GraphBuilder::BeginWays() {
    ways_ = 1;
    reached_from_.resize(size_, kNoNode);
    ChooseEntries();
    Reach(0, 0);
}

void GraphBuilder::Reach(uint32_t row, uint32_t from) {
    if (reached_from_[row] != kNoNode) return;
    reached_from_[row] = from;
    to_follow_.push_back(row);
}

// Follows all edges that lead on from row 0. A node that none leads to gets an edge from a neighbour that has
// been reached; in a last pass, where there is none, from the nearest entry that has been.
bool GraphBuilder::StepWays(size_t degree) {
    constexpr int kLastPass = 3;
    for (size_t work = 0; work < kRowsOfStep; ++work) {
        if (!to_follow_.empty()) {
            const uint32_t row = to_follow_.back();
            to_follow_.pop_back();
            for (const uint32_t link : Links(row)) Reach(link, row);
        } else if (adopted_ < size_) {
            const auto row = static_cast<uint32_t>(adopted_++);
            if (SharedWith(row) != kNoNode || (reached_from_[row] != kNoNode && edges_to_[row] > 0)) continue;
            if (!AdoptByNeighbour(row, degree) && ways_ == kLastPass) AdoptByEntry(row, degree);
        } else if (ways_ < kLastPass) {
            ++ways_;
            adopted_ = 0;
        } else {
            edges_to_ = {};
            reached_from_ = {};
            to_follow_ = {};
            return false;
        }
    }
    return true;
}

bool GraphBuilder::AdoptByNeighbour(uint32_t row, size_t degree) {
    for (const uint32_t neighbour : Links(row)) {
        if (reached_from_[neighbour] == kNoNode || SpareEdge(neighbour, degree) == degree) continue;
        LinkTo(neighbour, row, degree);
        return true;
    }
    return false;
}

void GraphBuilder::AdoptByEntry(uint32_t row, size_t degree) {
    Near nearest{std::numeric_limits<float>::infinity(), kNoNode};
    bool spares = false;
    for (const uint32_t entry : entries_) {
        const bool spare = SpareEdge(entry, degree) < degree;
        if (reached_from_[entry] == kNoNode || entry == row || (spares && !spare)) continue;
        Near near{0, entry};
        SquaredDistances(row, &entry, 1, workers_.front().get(), &near.squared_distance);
        if (spare == spares && !(near < nearest)) continue;
        nearest = near;
        spares = spare;
    }
    if (nearest.row == kNoNode) return;
    if (!spares) GoThrough(row, nearest.row, degree);
    LinkTo(nearest.row, row, degree);
}

// Makes room for an edge to a row that has not been reached: where the node's last edge leads, the row leads from now
// on.
void GraphBuilder::GoThrough(uint32_t row, uint32_t node, size_t degree) {
    Chunk& node_chunk = ChunkOf(node);
    const uint32_t end = Links(node).back();
    --node_chunk.link_counts[node % Chunk::kRows];
    --edges_to_[end];
    const std::span<const uint32_t> links = Links(row);
    if (std::find(links.begin(), links.end(), end) == links.end()) {
        Chunk& chunk = ChunkOf(row);
        const size_t i = row % Chunk::kRows;
        if (links.size() == degree) --edges_to_[links.back()];
        const size_t place = std::min(links.size(), degree - 1);
        chunk.links[i * most_links_ + place] = end;
        chunk.link_counts[i] = static_cast<uint16_t>(place + 1);
        ++edges_to_[end];
    }
    reached_from_[end] = row;
}

// Where an edge of the row can be put: in its room, or in the place of one by which nothing is reached. The last ones
// are the least needed. `degree` if there is no such place.
size_t GraphBuilder::SpareEdge(uint32_t row, size_t degree) const noexcept {
    const std::span<const uint32_t> links = Links(row);
    if (links.size() < degree) return links.size();
    size_t j = links.size();
    while (j > 0 && (edges_to_[links[j - 1]] < 2 || reached_from_[links[j - 1]] == row)) --j;
    return j > 0 ? j - 1 : degree;
}

void GraphBuilder::LinkTo(uint32_t row, uint32_t to, size_t degree) {
    Chunk& chunk = ChunkOf(row);
    const size_t i = row % Chunk::kRows;
    uint32_t* links = chunk.links.get() + i * most_links_;
    const size_t place = SpareEdge(row, degree);
    if (place == chunk.link_counts[i]) {
        ++chunk.link_counts[i];
    } else {
        --edges_to_[links[place]];
    }
    links[place] = to;
    ++edges_to_[to];
    Reach(to, row);
}

uint32_t GraphBuilder::SharedWith(uint32_t row) const noexcept {
    const Chunk& chunk = ChunkOf(row);
    const size_t i = row % Chunk::kRows;
    return chunk.link_counts[i] == kSharedNode ? chunk.links[i * most_links_] : kNoNode;
}

HeapTid GraphBuilder::heap_tid(uint32_t row) const noexcept {
    return ChunkOf(row).heap_tids[row % Chunk::kRows];
}

std::span<const uint32_t> GraphBuilder::Links(uint32_t row) const noexcept {
    const Chunk& chunk = ChunkOf(row);
    const size_t i = row % Chunk::kRows;
    const size_t count = chunk.link_counts[i] == kSharedNode ? 0 : chunk.link_counts[i];
    return {chunk.links.get() + i * most_links_, count};
}

// A page takes a row that has no place yet, then neighbours of the rows that it has taken, in the order of these.
bool GraphBuilder::StepOrder(size_t nodes_per_page) {
    if (placed_rows_.empty()) {
        placed_rows_.resize(size_);
        order_.reserve(size_);
    }
    const auto place = [&](uint32_t row) {
        if (placed_rows_[row]) return;
        placed_rows_[row] = true;
        order_.push_back(row);
    };
    const size_t end = std::min(size_, looked_at_ + kRowsOfStep);
    for (; looked_at_ < end; ++looked_at_) {
        const auto row = static_cast<uint32_t>(looked_at_);
        if (placed_rows_[row] || SharedWith(row) != kNoNode) continue;
        size_t member = order_.size();
        place(row);
        for (; member < order_.size() && order_.size() % nodes_per_page != 0; ++member)
            for (const uint32_t link : Links(order_[member]))
                if (order_.size() % nodes_per_page != 0) place(link);
    }
    return looked_at_ < size_;
}

void GraphBuilder::Encode(uint32_t row, const NodeLayout& layout, size_t capacity, const std::vector<NodeId>& ids,
                          GraphNode record) {
    const Chunk& chunk = ChunkOf(row);
    const size_t i = row % Chunk::kRows;
    const std::span<const uint32_t> links = Links(row);
    const size_t edges = std::min(links.size(), capacity);
    record.header() = {chunk.heap_tids[i],
                       NodeState::kLive,
                       0,
                       static_cast<uint16_t>(edges),
                       static_cast<uint16_t>(capacity),
                       kNoNode,
                       chunk.facts[i].factors};
    std::memcpy(record.row(), Codes(row), row_bytes_);
    float* from = decoded_.data();
    float* to = decoded_.data() + padded_;
    if (layout.of_bits()) {
        for (size_t edge = 0; edge < edges; ++edge) {
            std::memcpy(record.edges() + edge * layout.edge_bytes(), &ids[links[edge]], sizeof(NodeId));
            std::memcpy(record.code(edge), Codes(links[edge]), EdgeCodeBytes(layout.code_bits()));
        }
        return;
    }
    rows_.Decode(Codes(row), chunk.facts[i].factors, from);
    for (size_t edge = 0; edge < edges; ++edge) {
        const Facts& other = FactsOf(links[edge]);
        rows_.Decode(Codes(links[edge]), other.factors, to);
        const EdgeFactors factors = EncodeEdge(from, to, padded_, layout.code_bits(), record.code(edge));
        record.edge(edge) = {ids[links[edge]], factors};
        if (layout.with_norms()) record.norm(edge) = FloatToBf16Nearest(other.squared_norm);
    }
}

}  // namespace annex

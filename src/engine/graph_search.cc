// The search over a graph: what to visit next, and what was found.
#include "annex/graph_search.h"

#include <algorithm>
#include <cmath>

#include "annex/node_row.h"
#include "engine/sums.h"

namespace annex {

static constexpr float kInfinity = std::numeric_limits<float>::infinity();

// The float nearest below a double, so that a bound stays one.
static float RoundDown(double value) noexcept {
    const float rounded = static_cast<float>(value);
    return static_cast<double>(rounded) > value ? std::nextafterf(rounded, -kInfinity) : rounded;
}

static bool Before(const FoundNode& a, const FoundNode& b) noexcept {
    return a.lower < b.lower || (a.lower == b.lower && a.node < b.node);
}

void GraphSearch::Reset(const Space& space, size_t max_entries) {
    space_ = &space;
    max_entries_ = std::clamp<size_t>(max_entries, 256, UINT32_MAX / 4);
    y_.resize(space.padded());
    frontier_.clear();
    beyond_.clear();
    forgotten_ = false;
    visited_.Clear();
    returned_.Clear();
    started_over_ = left_out_ = false;
    best_.clear();
    distances_.clear();
    found_.clear();
    next_ = ready_ = sorted_ = 0;
    nodes_.clear();
    rows_.clear();
    counters_ = GraphCounters{};
}

void GraphSearch::UseRowSpace() {
    if (!HasRowSpace(space_->metric())) {
        row_query_.UseRowSpace(y_.data());
        return;
    }
    z_ = y_;
    space_->ToRowSpace(z_.data());
    row_query_.UseRowSpace(z_.data());
}

// What distances of nodes and along edges need of y_.
void GraphSearch::UseQuery() {
    if (layout_.of_bits()) {
        query_bits_.resize(layout_.row_bytes());
        (void)NodeRows(*space_, layout_).Encode(y_.data(), query_bits_.data());
        const size_t of_code = std::min(layout_.code_bits(), space_->dimensions());
        bits_of_code_ = static_cast<float>(space_->dimensions()) / static_cast<float>(of_code);
        return;
    }
    UseRowSpace();
    edge_query_.Reset(y_.data(), layout_.code_bits());
    query_squared_norm_ = static_cast<float>(SquaredNorm(y_.data(), space_->padded()));
}

float GraphSearch::RowDistance(const int8_t* codes, float scale) const noexcept {
    if (!layout_.of_bits()) return row_query_.RowSquaredDistance(codes, scale);
    return static_cast<float>(ActiveKernels().hamming(reinterpret_cast<const uint8_t*>(query_bits_.data()),
                                                      reinterpret_cast<const uint8_t*>(codes), layout_.row_bytes()));
}

RowClass GraphSearch::Begin(const Space& space, const float* query, size_t max_entries) {
    Reset(space, max_entries);
    keep_rows_ = false;
    by_product_ = space.metric() == Metric::kInnerProduct;
    const RowClass row_class = space.TransformQuery(query, y_.data());
    if (row_class != RowClass::kNormal) return row_class;
    row_query_ = RowQuery(space, query, y_.data());
    UseQuery();
    return RowClass::kNormal;
}

void GraphSearch::BeginStoredRow(const Space& space, const float* y, size_t max_entries) {
    Reset(space, max_entries);
    keep_rows_ = false;
    by_product_ = space.metric() == Metric::kInnerProduct;
    std::fill(y_.begin(), y_.end(), 0.0F);
    // A query is not centred for inner product.
    if (by_product_ && space.TransformQuery(space.mean().data(), y_.data()) != RowClass::kNormal)
        std::fill(y_.begin(), y_.end(), 0.0F);
    for (size_t i = 0; i < space.padded(); ++i) y_[i] += y[i];
    row_query_ = RowQuery(space, y_.data());
    UseQuery();
}

void GraphSearch::BeginRow(const Space& space, const float* y, size_t max_entries) {
    Reset(space, max_entries);
    keep_rows_ = true;
    by_product_ = false;
    std::copy(y, y + space.padded(), y_.begin());
    row_query_ = RowQuery(space, y_.data());
    UseQuery();
}

// ---- A round ----

void GraphSearch::BeginRound(size_t ef) {
    ef_ = std::max<size_t>(ef, 1);
    PutAway();
    // Of more rows distances are not kept: the round is over when its caller ends it.
    if (ef_ >= max_entries_) {
        ef_ = SIZE_MAX;
        distances_.clear();
    }
    // What was beyond the last round's threshold may be worth a visit now.
    frontier_.insert(frontier_.end(), beyond_.begin(), beyond_.end());
    beyond_.clear();
    std::make_heap(frontier_.begin(), frontier_.end(), After{});
    best_ = distances_;
    if (best_.size() > ef_) {
        std::nth_element(best_.begin(), best_.begin() + static_cast<ptrdiff_t>(ef_), best_.end());
        best_.resize(ef_);
    }
    std::make_heap(best_.begin(), best_.end());
    counters_.rounds++;
}

void GraphSearch::Push(Entry entry) {
    if (frontier_.size() + beyond_.size() >= max_entries_) Forget();
    frontier_.push_back(entry);
    std::push_heap(frontier_.begin(), frontier_.end(), After{});
}

// Of entries of the same node keeps the least.
void GraphSearch::KeepLeast() {
    constexpr uint64_t kSpread = 0x9E3779B97F4A7C15;
    constexpr uint32_t kEmpty = UINT32_MAX;
    const int bits = std::max(static_cast<int>(std::bit_width(2 * frontier_.size())), 1);
    const size_t mask = (size_t{1} << bits) - 1;
    slots_.assign(mask + 1, kEmpty);
    uint32_t kept = 0;
    for (const Entry entry : frontier_) {
        size_t slot = (entry.node() * kSpread) >> (64 - bits);
        while (slots_[slot] != kEmpty && frontier_[slots_[slot]].node() != entry.node()) slot = (slot + 1) & mask;
        if (slots_[slot] == kEmpty) {
            slots_[slot] = kept;
            frontier_[kept++] = entry;
        } else {
            Entry& other = frontier_[slots_[slot]];
            other = std::min(other, entry);
        }
    }
    frontier_.erase(frontier_.begin() + kept, frontier_.end());
}

// Takes out what is there twice and what has been visited; if that is not half of all, gives up the farther half.
void GraphSearch::Forget() {
    frontier_.insert(frontier_.end(), beyond_.begin(), beyond_.end());
    beyond_.clear();
    std::erase_if(frontier_, [this](Entry entry) { return visited_.Contains(entry.node()); });
    KeepLeast();
    if (frontier_.size() > max_entries_ / 2) {
        const auto half = frontier_.begin() + static_cast<ptrdiff_t>(max_entries_ / 2);
        std::nth_element(frontier_.begin(), half, frontier_.end());
        frontier_.erase(half, frontier_.end());
        forgotten_ = true;
    }
    std::make_heap(frontier_.begin(), frontier_.end(), After{});
}

void GraphSearch::Start(NodeId node, float estimate) {
    Push({estimate, node});
}

// All entries' estimates, as edges from the origin, into starts_.
void GraphSearch::EstimateEntries(const EntryTable& entries) {
    starts_.clear();
    if (entries.size() == 0) return;
    if (layout_.of_bits()) {
        for (size_t i = 0; i < entries.size(); ++i)
            starts_.emplace_back(RowDistance(entries.codes(i), 1), static_cast<NodeId>(i));
        return;
    }
    const float* products = edge_query_.SignProducts(entries.code(0), entries.code_bytes(), entries.size());
    for (size_t i = 0; i < entries.size(); ++i) {
        const float squared_distance = EstimateAlong(entries.factors(i), query_squared_norm_, products[i]);
        starts_.emplace_back(Value(squared_distance, entries.squared_norm(i)), static_cast<NodeId>(i));
    }
}

void GraphSearch::StartFromNearest(const EntryTable& entries, size_t count) {
    // The estimates choose so many times more, of which the rows' codes choose the nearest.
    constexpr size_t kChoice = 4;
    EstimateEntries(entries);
    const auto keep = [&](size_t most) {
        if (starts_.size() <= most) return;
        std::nth_element(starts_.begin(), starts_.begin() + static_cast<ptrdiff_t>(most), starts_.end());
        starts_.erase(starts_.begin() + static_cast<ptrdiff_t>(most), starts_.end());
    };
    keep(kChoice * count);
    for (Entry& start : starts_) {
        const size_t i = start.node();
        const float distance = RowDistance(entries.codes(i), entries.scale(i));
        start = Entry(by_product_ ? Value(distance, entries.squared_norm(i)) : distance, start.node());
    }
    keep(count);
    for (const Entry start : starts_) Start(entries.node(start.node()), start.estimate());
}

void GraphSearch::StartFromAll(const EntryTable& entries) {
    EstimateEntries(entries);
    for (const Entry start : starts_)
        if (!visited_.Contains(entries.node(start.node()))) Start(entries.node(start.node()), start.estimate());
}

NodeId GraphSearch::NextToVisit() {
    while (!frontier_.empty()) {
        const Entry entry = frontier_.front();
        if (entry.estimate() > Threshold()) return kNoNode;
        std::pop_heap(frontier_.begin(), frontier_.end(), After{});
        frontier_.pop_back();
        if (!visited_.Insert(entry.node())) continue;
        if (trace_ != nullptr) trace_->push_back({entry.estimate(), kInfinity, entry.node()});
        return entry.node();
    }
    return kNoNode;
}

size_t GraphSearch::Upcoming(NodeId* nodes, size_t count) const noexcept {
    // The top of the heap and its children are among the least.
    const size_t known = std::min(count, frontier_.size());
    for (size_t i = 0; i < known; ++i) nodes[i] = frontier_[i].node();
    return known;
}

void GraphSearch::Consider(float distance) {
    if (ef_ == SIZE_MAX) return;
    distances_.push_back(distance);
    if (trace_ != nullptr && !trace_->empty()) trace_->back().distance = distance;
    if (best_.size() >= ef_) {
        if (!(distance < best_.front())) return;
        std::pop_heap(best_.begin(), best_.end());
        best_.pop_back();
    }
    best_.push_back(distance);
    std::push_heap(best_.begin(), best_.end());
}

// The operator's value itself: it divides the same numbers.
double GraphSearch::BoundOfBits(const int8_t* row) const noexcept {
    const auto* bits = reinterpret_cast<const uint8_t*>(row);
    const auto* query = reinterpret_cast<const uint8_t*>(query_bits_.data());
    const BitCounts counts = ActiveKernels().jaccard(query, bits, layout_.row_bytes());
    return counts.both == 0 ? 1 : 1 - static_cast<double>(counts.both) / static_cast<double>(counts.either);
}

double GraphSearch::LowerBound(const int8_t* codes, const RowFactors& factors, float squared_distance) const noexcept {
    const Metric metric = space_->metric();
    if (metric == Metric::kHamming) return static_cast<double>(squared_distance);
    if (metric == Metric::kJaccard) return BoundOfBits(codes);
    const bool follows = metric == Metric::kL2 || metric == Metric::kCosine;
    return (follows ? row_query_.BoundAt(squared_distance, factors) : row_query_.Bound(codes, factors)).lower;
}

void GraphSearch::AddFound(ConstGraphNode record, NodeId node, float squared_distance) {
    const NodeHeader& header = record.header();
    const double lower = LowerBound(record.row(), header.row, squared_distance);
    found_.push_back({RoundDown(lower), node, header.more, header.heap_tid});
}

float GraphSearch::DistanceOf(ConstGraphNode record) const noexcept {
    const float scale = record.header().row.scale;
    return by_product_ ? -row_query_.InnerProduct(record.row(), scale) : RowDistance(record.row(), scale);
}

void GraphSearch::Visit(NodeId node, ConstGraphNode record, bool passes) {
    counters_.visits++;
    const NodeHeader& header = record.header();
    const float squared_distance = RowDistance(record.row(), header.row.scale);
    if (header.state == NodeState::kLive) {
        if (!passes) {
            counters_.skipped++;
        } else if (keep_rows_) {
            nodes_.push_back({squared_distance, node, header.row, nullptr});
            rows_.insert(rows_.end(), record.row(), record.row() + layout_.row_bytes());
            Consider(squared_distance);
        } else {
            counters_.passed++;
            if (!started_over_ || !returned_.Contains(node)) AddFound(record, node, squared_distance);
            Consider(by_product_ ? DistanceOf(record) : squared_distance);
        }
    }
    AddNeighbours(record, squared_distance);
}

// Squared distances of a node's neighbours.
const float* GraphSearch::EstimateNeighbours(ConstGraphNode record, float squared_distance) {
    const size_t edges = record.header().edges;
    if (estimates_.size() < edges) estimates_.resize(edges);
    if (layout_.of_bits()) {
        const Kernels& kernels = ActiveKernels();
        const auto* query = reinterpret_cast<const uint8_t*>(query_bits_.data());
        for (size_t i = 0; i < edges; ++i)
            estimates_[i] = bits_of_code_ * static_cast<float>(kernels.hamming(query, record.code(i),
                                                                               EdgeCodeBytes(layout_.code_bits())));
        return estimates_.data();
    }
    const float* products = edge_query_.SignProducts(record.code(0), layout_.edge_bytes(), edges);
    for (size_t i = 0; i < edges; ++i)
        estimates_[i] = EstimateAlong(record.edge(i).factors, squared_distance, products[i]);
    return estimates_.data();
}

void GraphSearch::AddNeighbours(ConstGraphNode record, float squared_distance) {
    const size_t edges = record.header().edges;
    if (edges == 0) return;
    const float* estimates = EstimateNeighbours(record, squared_distance);
    counters_.edges += edges;
    const float threshold = Threshold();
    for (size_t i = 0; i < edges; ++i) {
        const EdgeHeader& edge = record.edge(i);
        if (visited_.Contains(edge.neighbour)) continue;
        const float estimate = by_product_ ? Value(estimates[i], Bf16ToFloat(record.norm(i))) : estimates[i];
        if (estimate < threshold) {
            Push({estimate, edge.neighbour});
        } else {
            if (frontier_.size() + beyond_.size() >= max_entries_) Forget();
            beyond_.emplace_back(estimate, edge.neighbour);
        }
    }
}

void GraphSearch::EndRound() {
    if (left_out_) std::erase_if(found_, [this](const FoundNode& row) { return !Before(row, first_left_out_); });
    ready_ = found_.size();
}

// Most of what a round finds is never asked for.
void GraphSearch::SortMore() {
    constexpr size_t kFirst = 32;
    const auto end = found_.begin() + static_cast<ptrdiff_t>(ready_);
    const auto from = found_.begin() + static_cast<ptrdiff_t>(sorted_);
    const size_t count = std::min(std::max(kFirst, 2 * sorted_), ready_ - sorted_);
    const auto to = from + static_cast<ptrdiff_t>(count);
    if (to != end) std::nth_element(from, to, end, Before);
    std::sort(from, to, Before);
    sorted_ += count;
}

bool GraphSearch::Exhausted() {
    const auto visited = [this](Entry entry) { return visited_.Contains(entry.node()); };
    std::erase_if(frontier_, visited);
    std::make_heap(frontier_.begin(), frontier_.end(), After{});
    std::erase_if(beyond_, visited);
    return frontier_.empty() && beyond_.empty() && !forgotten_;
}

bool GraphSearch::Next(FoundNode* out) {
    if (next_ == ready_) return false;
    if (next_ == sorted_) SortMore();
    *out = found_[next_++];
    return true;
}

// Notes what the round has returned.
void GraphSearch::PutAway() {
    for (size_t i = 0; i < next_; ++i) returned_.Insert(found_[i].node);
    found_.erase(found_.begin(), found_.begin() + static_cast<ptrdiff_t>(next_));
    next_ = ready_ = sorted_ = 0;
}

void GraphSearch::ForgetDistances() {
    distances_.clear();
}

void GraphSearch::StartOver() {
    PutAway();
    frontier_.clear();
    beyond_.clear();
    visited_.Clear();
    found_.clear();
    distances_.clear();
    forgotten_ = false;
    started_over_ = true;
}

// ---- A sweep ----

void GraphSearch::BeginSweep() {
    StartOver();
    ef_ = SIZE_MAX;
    left_out_ = false;
    counters_.rounds++;
}

void GraphSearch::Look(NodeId node, ConstGraphNode record, bool passes) {
    const NodeHeader& header = record.header();
    if (header.state != NodeState::kLive || returned_.Contains(node)) return;
    if (!passes) {
        counters_.skipped++;
        return;
    }
    counters_.passed++;
    if (found_.size() >= 2 * max_entries_) KeepNearest();
    AddFound(record, node, RowDistance(record.row(), header.row.scale));
}

void GraphSearch::KeepNearest() {
    const auto half = found_.begin() + static_cast<ptrdiff_t>(found_.size() / 2);
    std::nth_element(found_.begin(), half, found_.end(), Before);
    if (!left_out_ || Before(*half, first_left_out_)) first_left_out_ = *half;
    left_out_ = true;
    found_.erase(half, found_.end());
}

std::span<const VisitedNode> GraphSearch::Nearest() {
    for (size_t i = 0; i < nodes_.size(); ++i) nodes_[i].codes = rows_.data() + i * layout_.row_bytes();
    std::sort(nodes_.begin(), nodes_.end(), [](const VisitedNode& a, const VisitedNode& b) {
        return a.squared_distance < b.squared_distance || (a.squared_distance == b.squared_distance && a.node < b.node);
    });
    return nodes_;
}

}  // namespace annex

// Replays deep searches of a graph with less ef.
#include "annex/graph_calibrator.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

namespace annex {

static void Count(std::vector<uint64_t>* counts, size_t at) {
    if (counts->size() <= at) counts->resize(at + 1);
    ++(*counts)[at];
}

void GraphCalibrator::Play(std::span<const TracedVisit> trace) {
    reach_.clear();
    near_.clear();
    far_.clear();
    size_t ef = 1;
    for (const TracedVisit& visit : trace) {
        while (near_.size() >= ef && visit.estimate > near_.front()) {
            ++ef;
            if (far_.empty()) continue;
            std::pop_heap(far_.begin(), far_.end(), std::greater<>());
            near_.push_back(far_.back());
            std::push_heap(near_.begin(), near_.end());
            far_.pop_back();
        }
        reach_.push_back(static_cast<uint32_t>(ef));
        if (!std::isfinite(visit.distance)) continue;
        near_.push_back(visit.distance);
        std::push_heap(near_.begin(), near_.end());
        if (near_.size() <= ef) continue;
        std::pop_heap(near_.begin(), near_.end());
        far_.push_back(near_.back());
        std::push_heap(far_.begin(), far_.end(), std::greater<>());
        near_.pop_back();
    }
}

// Of the visits that count the nearest into order_, the nearest first.
void GraphCalibrator::SortNearest(std::span<const TracedVisit> trace, size_t count) {
    order_.clear();
    for (size_t i = 0; i < trace.size(); ++i)
        if (std::isfinite(trace[i].distance)) order_.push_back(static_cast<uint32_t>(i));
    const size_t most = std::min(order_.size(), count);
    std::partial_sort(order_.begin(), order_.begin() + static_cast<ptrdiff_t>(most), order_.end(),
                      [&](uint32_t a, uint32_t b) { return trace[a].distance < trace[b].distance; });
    order_.resize(most);
}

void GraphCalibrator::AddVisits(Tally* tally) const {
    for (const uint32_t ef : reach_) Count(&tally->visits, ef);
    ++tally->queries;
}

void GraphCalibrator::AddExact(std::span<const TracedVisit> trace, std::span<const float> nearest) {
    Play(trace);
    SortNearest(trace, kKs[kKCount - 1]);
    for (size_t which = 0; which < kKCount; ++which) {
        Tally& tally = exact_[which];
        const size_t k = std::min(kKs[which], nearest.size());
        // Rows as near as the farthest of them are as good.
        for (size_t i = 0; i < std::min(k, order_.size()) && trace[order_[i]].distance <= nearest[k - 1]; ++i)
            Count(&tally.found, reach_[order_[i]]);
        tally.wanted += k;
        AddVisits(&tally);
    }
}

void GraphCalibrator::Add(std::span<const TracedVisit> trace, size_t deepest) {
    Play(trace);
    SortNearest(trace, kKs[deepest]);
    for (size_t which = 0; which <= deepest; ++which) {
        Tally& tally = relative_[which];
        const size_t k = std::min(kKs[which], order_.size());
        for (size_t i = 0; i < k; ++i) Count(&tally.found, reach_[order_[i]]);
        tally.wanted += k;
        AddVisits(&tally);
    }
}

double GraphCalibrator::Tally::ShareAt(size_t ef) const noexcept {
    if (wanted == 0) return 1;
    const auto end = found.begin() + static_cast<ptrdiff_t>(ef < found.size() ? ef + 1 : found.size());
    return static_cast<double>(std::accumulate(found.begin(), end, uint64_t{0})) / static_cast<double>(wanted);
}

GraphEffort GraphCalibrator::Tally::Choose(double recall) const {
    const double enough = recall * static_cast<double>(wanted);
    uint64_t so_far = 0;
    size_t ef = 0;
    while (ef + 1 < found.size() && (ef == 0 || static_cast<double>(so_far) < enough)) so_far += found[++ef];
    const auto end = visits.begin() + static_cast<ptrdiff_t>(std::min(ef + 1, visits.size()));
    const auto all = static_cast<double>(std::accumulate(visits.begin(), end, uint64_t{0}));
    return {std::max<size_t>(ef, 1), all / static_cast<double>(std::max<size_t>(queries, 1))};
}

GraphEffort GraphCalibrator::Choose(size_t which, double recall) const {
    const Tally& exact = exact_[which];
    const Tally& relative = relative_[which];
    if (relative.queries == 0) return exact.Choose(recall);
    const double share = exact.ShareAt(std::max<size_t>(relative.found.size(), 1) - 1);
    return exact.queries == 0 || recall <= share ? relative.Choose(recall / share) : exact.Choose(recall);
}

void NearestNodes::AddQuery(const Space& space, const NodeLayout& layout, const float* y, NodeId own) {
    Query& query = queries_.emplace_back();
    query.own = own;
    query.search.SetLayout(layout);
    query.search.BeginStoredRow(space, y, 0);
}

void NearestNodes::Look(NodeId node, ConstGraphNode record) {
    for (Query& query : queries_) {
        if (node == query.own) continue;
        const float distance = query.search.DistanceOf(record);
        std::vector<float>& nearest = query.nearest;
        if (nearest.size() == k_) {
            if (!(distance < nearest.front())) continue;
            std::pop_heap(nearest.begin(), nearest.end());
            nearest.pop_back();
        }
        nearest.push_back(distance);
        std::push_heap(nearest.begin(), nearest.end());
    }
}

std::span<const float> NearestNodes::Nearest(size_t query) {
    std::vector<float>& nearest = queries_[query].nearest;
    std::sort(nearest.begin(), nearest.end());
    return nearest;
}

}  // namespace annex

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

void GraphCalibrator::Add(std::span<const TracedVisit> trace, size_t deepest) {
    Play(trace);
    order_.clear();
    for (size_t i = 0; i < trace.size(); ++i)
        if (std::isfinite(trace[i].distance)) order_.push_back(static_cast<uint32_t>(i));
    const size_t most = std::min(order_.size(), kKs[deepest]);
    std::partial_sort(order_.begin(), order_.begin() + static_cast<ptrdiff_t>(most), order_.end(),
                      [&](uint32_t a, uint32_t b) { return trace[a].distance < trace[b].distance; });
    for (size_t which = 0; which <= deepest; ++which) {
        PerK& at = ks_[which];
        for (size_t i = 0; i < std::min(most, kKs[which]); ++i) Count(&at.found, reach_[order_[i]]);
        for (const uint32_t ef : reach_) Count(&at.visits, ef);
        ++at.queries;
    }
}

GraphEffort GraphCalibrator::Choose(size_t which, double recall) const {
    const PerK& at = ks_[which];
    const auto all = static_cast<double>(std::accumulate(at.found.begin(), at.found.end(), uint64_t{0}));
    uint64_t found = 0;
    size_t ef = 0;
    while (ef + 1 < at.found.size() && (ef == 0 || static_cast<double>(found) < recall * all)) found += at.found[++ef];
    const auto end = at.visits.begin() + static_cast<ptrdiff_t>(std::min(ef + 1, at.visits.size()));
    const auto visits = static_cast<double>(std::accumulate(at.visits.begin(), end, uint64_t{0}));
    return {std::max<size_t>(ef, 1), visits / static_cast<double>(std::max<size_t>(at.queries, 1))};
}

}  // namespace annex

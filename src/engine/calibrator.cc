// Replays deep searches with narrower settings.
#include "annex/calibrator.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace annex {

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// One query in so many, and of its rows one in so many, are enough to tell what settings cost.
constexpr size_t kCostQueries = 4;
constexpr uint32_t kCostRows = 16;
// One in so many of a query's 100 nearest.
constexpr size_t kFarNeighbours = 4;
constexpr size_t kSlots = 256;
// No patience is greater.
constexpr float kReached = 1e30F;

uint32_t Hash(Place place) noexcept {
    return (place * 0x9e3779b1U) >> 16;
}

// What a search costs, in nanoseconds on some machine: only ratios matter. A list is mostly memory to be read, a row
// a cache miss and a page to be locked.
double ListCost(size_t padded, double entries) noexcept {
    return 100 + 0.085 * entries * static_cast<double>(SketchLayout{padded}.entry_bytes());
}
double RowCost(size_t padded) noexcept {
    return 150 + 0.25 * static_cast<double>(padded);
}

// The least multiple of its error with which a sketch's bound passes the threshold.
float EpsilonNeeded(const TracedSketch& sketch, float epsilon, float threshold) noexcept {
    if (!(sketch.estimate >= threshold)) return 0;
    const float error = (sketch.estimate - sketch.bound) / epsilon;
    return error > 0 ? (sketch.estimate - threshold) / error : kInfinity;
}

}  // namespace

Calibrator::Calibrator(Metric metric, size_t padded, double entries)
    : metric_(metric), list_cost_(ListCost(padded, entries)), row_cost_(RowCost(padded)), slots_(kSlots) {}

// ---- One query ----

void Calibrator::Add(const SearchTrace& trace, Place self, float epsilon, size_t deepest, size_t spare) {
    FindNeighbours(trace, self, kKs[deepest]);
    for (size_t which = 0; which <= deepest; ++which) Play(trace, self, kKs[which] + spare, &replays_[which]);
    NoteFound(trace, epsilon, deepest);
    for (size_t which = 0; which <= deepest; ++which)
        if (ks_[which].queries++ % kCostQueries == 0) NoteCosts(trace, epsilon, which);
    ++queries_;
    sorted_ = false;
}

void Calibrator::FindNeighbours(const SearchTrace& trace, Place self, size_t most) {
    rows_.clear();
    for (const TracedRow& row : trace.rows)
        if (row.place != self) rows_.push_back(row);
    const size_t count = std::min(rows_.size(), most);
    std::partial_sort(rows_.begin(), rows_.begin() + static_cast<ptrdiff_t>(count), rows_.end(),
                      [](const TracedRow& a, const TracedRow& b) { return a.upper < b.upper; });
    neighbours_.clear();
    std::fill(slots_.begin(), slots_.end(), 0);
    for (size_t i = 0; i < count; ++i) {
        neighbours_.push_back(rows_[i].place);
        size_t slot = Hash(rows_[i].place) % kSlots;
        while (slots_[slot] != 0) slot = (slot + 1) % kSlots;
        slots_[slot] = static_cast<uint32_t>(i + 1);
    }
}

// The same as ListSearch does with a threshold of k rows.
void Calibrator::Play(const SearchTrace& trace, Place self, size_t k, Replay* replay) {
    replay->reach.clear();
    replay->threshold.clear();
    heap_.clear();
    // A patience below is no different: a search goes on until it has k rows.
    float reach = metric_ == Metric::kInnerProduct ? -4 : 0;
    size_t last_gain = 0;
    size_t row = 0;
    for (size_t list = 0; list < trace.keys.size(); ++list) {
        if (heap_.size() == k)
            reach = std::max(reach, ListSearch::Demand(metric_, trace.keys[list], trace.keys[0], heap_.front(),
                                                       static_cast<double>(list - last_gain)));
        for (; row < trace.rows.size() && trace.rows[row].list == list; ++row) {
            const float upper = trace.rows[row].upper;
            if (trace.rows[row].place == self) continue;
            if (heap_.size() == k) {
                if (!(upper < heap_.front())) continue;
                std::pop_heap(heap_.begin(), heap_.end());
                heap_.back() = upper;
            } else {
                heap_.push_back(upper);
            }
            std::push_heap(heap_.begin(), heap_.end());
            last_gain = list + 1;
        }
        replay->reach.push_back(std::min(reach, kReached));
        replay->threshold.push_back(heap_.size() == k ? heap_.front() : kInfinity);
    }
}

// A neighbour is found in the first of its lists where its sketch passes.
void Calibrator::NoteFound(const SearchTrace& trace, float epsilon, size_t deepest) {
    best_.assign(neighbours_.size() * kKCount * kEpsilonCount, kInfinity);
    for (const TracedSketch& sketch : trace.sketches) {
        size_t slot = Hash(sketch.place) % kSlots;
        while (slots_[slot] != 0 && neighbours_[slots_[slot] - 1] != sketch.place) slot = (slot + 1) % kSlots;
        if (slots_[slot] == 0) continue;
        const size_t neighbour = slots_[slot] - 1;
        for (size_t which = 0; which <= deepest; ++which) {
            if (neighbour >= kKs[which]) continue;
            const float needed = EpsilonNeeded(sketch, epsilon, replays_[which].threshold[sketch.list]);
            float* best = &best_[(neighbour * kKCount + which) * kEpsilonCount];
            for (size_t e = 0; e < kEpsilonCount; ++e)
                if (needed <= kEpsilons[e]) best[e] = std::min(best[e], replays_[which].reach[sketch.list]);
        }
    }
    for (size_t which = 0; which <= deepest; ++which) {
        const size_t step = kKs[which] > 10 ? kFarNeighbours : 1;
        for (size_t neighbour = 0; neighbour < std::min(neighbours_.size(), kKs[which]); neighbour += step)
            for (size_t e = 0; e < kEpsilonCount; ++e)
                ks_[which].found[e].push_back(best_[(neighbour * kKCount + which) * kEpsilonCount + e]);
    }
}

void Calibrator::NoteCosts(const SearchTrace& trace, float epsilon, size_t which) {
    const Replay& replay = replays_[which];
    PerK& at = ks_[which];
    at.reach.insert(at.reach.end(), replay.reach.begin(), replay.reach.end());
    at.reach_end.push_back(at.reach.size());
    for (const TracedSketch& sketch : trace.sketches) {
        if (Hash(sketch.place) % kCostRows != 0) continue;
        const float needed = EpsilonNeeded(sketch, epsilon, replay.threshold[sketch.list]);
        for (size_t e = 0; e < kEpsilonCount; ++e)
            if (needed <= kEpsilons[e]) at.refined[e].push_back(replay.reach[sketch.list]);
    }
}

// ---- All queries ----

void Calibrator::Sort() {
    if (sorted_) return;
    sorted_ = true;
    for (PerK& at : ks_) {
        for (std::vector<float>& found : at.found) std::sort(found.begin(), found.end());
        for (std::vector<float>& refined : at.refined) std::sort(refined.begin(), refined.end());
    }
}

static size_t CountUpTo(const float* begin, const float* end, float value) noexcept {
    return static_cast<size_t>(std::upper_bound(begin, end, value) - begin);
}

// Of a query; notes how many lists it takes as well.
double Calibrator::Cost(const PerK& at, size_t epsilon, float patience, SearchSettings* settings) const {
    size_t lists = 0;
    size_t most = 0;
    size_t begin = 0;
    for (const size_t end : at.reach_end) {
        const size_t reached = CountUpTo(at.reach.data() + begin, at.reach.data() + end, patience);
        lists += reached;
        most = std::max(most, reached);
        begin = end;
    }
    const auto queries = static_cast<double>(at.reach_end.size());
    const std::vector<float>& refined = at.refined[epsilon];
    const size_t rows = kCostRows * CountUpTo(refined.data(), refined.data() + refined.size(), patience);
    settings->lists = static_cast<float>(static_cast<double>(lists) / queries);
    settings->probes = static_cast<uint32_t>(std::max<size_t>(16, 2 * most));
    return static_cast<double>(lists) / queries * list_cost_ + static_cast<double>(rows) / queries * row_cost_;
}

SearchSettings Calibrator::Choose(size_t which, double recall, float least) {
    Sort();
    const PerK& at = ks_[which];
    SearchSettings best{kDeepestEpsilon, 0, 0, 0};
    double best_cost = HUGE_VAL;
    for (size_t e = 0; e < kEpsilonCount; ++e) {
        const std::vector<float>& found = at.found[e];
        if (found.empty()) continue;
        auto needed = static_cast<size_t>(std::ceil(recall * static_cast<double>(found.size())));
        needed = std::clamp<size_t>(needed, 1, found.size());
        if (found[needed - 1] == kInfinity) continue;
        const float patience = std::max(found[needed - 1], least);
        SearchSettings settings{kEpsilons[e], patience, 0, 0};
        const double cost = Cost(at, e, patience, &settings);
        if (cost >= best_cost) continue;
        best = settings;
        best_cost = cost;
    }
    if (best_cost < HUGE_VAL) return best;
    best.patience = std::max(DeepEnoughPatience(which), least);
    static_cast<void>(Cost(at, kEpsilonCount - 1, best.patience, &best));
    return best;
}

// Of what is found at all, all but so little.
static size_t AllBut(size_t count) noexcept {
    return count - count / 2000;
}

float Calibrator::DeepEnoughEpsilon(size_t which) {
    Sort();
    const auto found = [this, which](size_t e) {
        const std::vector<float>& at = ks_[which].found[e];
        return CountUpTo(at.data(), at.data() + at.size(), kReached);
    };
    size_t e = 0;
    while (e + 1 < kEpsilonCount && found(e) < AllBut(found(kEpsilonCount - 1))) ++e;
    return kEpsilons[e];
}

float Calibrator::DeepEnoughPatience(size_t which) {
    Sort();
    const std::vector<float>& found = ks_[which].found[kEpsilonCount - 1];
    const size_t count = CountUpTo(found.data(), found.data() + found.size(), kReached);
    return count > 0 ? found[AllBut(count) - 1] : kReached;
}

}  // namespace annex

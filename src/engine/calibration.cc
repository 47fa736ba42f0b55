// Recall as a function of patience.
#include "annex/calibration.h"

#include <algorithm>
#include <cmath>

namespace annex {
namespace {

// With as many probes at most as this times their mean, no recall is lost that could be measured (three times costs
// nothing either; twice makes the mean grow by up to a tenth at .99).
constexpr double kMostLists = 4;
constexpr double kLeastMost = 16;

size_t CountUpTo(const std::vector<float>& sorted, float value) {
    return static_cast<size_t>(std::upper_bound(sorted.begin(), sorted.end(), value) - sorted.begin());
}

}  // namespace

// Against 1.9, an epsilon of 1.2 loses 0.0003 to 0.0015 of the recall and makes searches 6 to 16 % faster, one of 1.5
// loses 0.0002 to 0.0006 and makes them 3 to 9 % faster; beyond .99 more patience costs more than that.
float EpsilonFor(double recall) noexcept {
    if (recall <= 0.97) return 1.2F;
    if (recall <= 0.994) return 1.5F;
    return recall <= 0.997 ? 1.9F : 2.5F;
}

void Calibration::BeginQuery() {
    demands_.clear();
}

bool Calibration::AddList(float demand) {
    if (!(demand <= kMostPatience)) return false;
    demands_.push_back(demands_.empty() ? demand : std::max(demand, demands_.back()));
    return true;
}

void Calibration::AddFound(size_t probe) {
    if (probe < demands_.size()) found_.push_back(demands_[probe]);
}

void Calibration::EndQuery(size_t k) {
    lists_.insert(lists_.end(), demands_.begin(), demands_.end());
    neighbours_ += k;
    queries_++;
    sorted_ = false;
}

void Calibration::Sort() const {
    if (sorted_) return;
    std::sort(found_.begin(), found_.end());
    std::sort(lists_.begin(), lists_.end());
    sorted_ = true;
}

double Calibration::RecallAt(float patience) const {
    Sort();
    if (neighbours_ == 0) return 1;
    return static_cast<double>(CountUpTo(found_, patience)) / static_cast<double>(neighbours_);
}

double Calibration::ListsAt(float patience) const {
    Sort();
    if (queries_ == 0) return 0;
    return static_cast<double>(CountUpTo(lists_, patience)) / static_cast<double>(queries_);
}

Effort Calibration::EffortFor(double recall) const {
    Sort();
    Effort effort;
    effort.epsilon = epsilon_;
    const auto needed = static_cast<size_t>(std::ceil(recall * static_cast<double>(neighbours_)));
    if (needed > found_.size()) {
        effort.patience = kMostPatience;
    } else if (needed > 0) {
        effort.patience = found_[needed - 1];
    }
    effort.recall = RecallAt(effort.patience);
    effort.lists = ListsAt(effort.patience);
    effort.most = static_cast<uint32_t>(std::ceil(std::max(kLeastMost, kMostLists * effort.lists)));
    return effort;
}

}  // namespace annex

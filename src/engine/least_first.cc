// Selection of the least numbers by a guessed limit.
#include "annex/least_first.h"

#include <algorithm>
#include <limits>

namespace annex {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr size_t kSample = 128;
// Fewer are ordered at once sooner than they are sampled.
constexpr size_t kFew = 2 * kSample;
// Values looked at together: most of such groups have none below the limit.
constexpr size_t kGroup = 16;

// The rank, in a sample of the values, of a limit that some more than `wanted` of all are likely to pass.
size_t RankInSample(size_t wanted, size_t sample, size_t values) noexcept {
    return std::min(wanted * sample / values * 5 / 4 + sample * 3 / kSample, sample - 1);
}

}  // namespace

std::span<float> LeastFirst::Reset(size_t count) {
    values_.resize(count);
    collected_.clear();
    limit_ = -kInfinity;
    given_ = 0;
    return values_;
}

float LeastFirst::Expect(size_t wanted, std::span<float> sample) {
    if (sample.empty() || wanted > values_.size() / 4) return limit_;
    const auto nth = sample.begin() + static_cast<ptrdiff_t>(RankInSample(wanted, sample.size(), values_.size()));
    std::nth_element(sample.begin(), nth, sample.end());
    limit_ = std::min(*nth, std::numeric_limits<float>::max());
    return limit_;
}

// A limit that some more than `wanted` of all values are likely to pass.
float LeastFirst::Limit(size_t wanted) {
    if (values_.size() < kFew || wanted > values_.size() / 4) return kInfinity;
    const size_t step = values_.size() / kSample;
    sample_.clear();
    for (size_t i = 0; i < kSample; ++i) sample_.push_back(values_[i * step]);
    const auto nth = sample_.begin() + static_cast<ptrdiff_t>(RankInSample(wanted, kSample, values_.size()));
    std::nth_element(sample_.begin(), nth, sample_.end());
    return *nth;
}

// Adds those above limit_ and up to `limit`; with no limit, all that are left.
void LeastFirst::Collect(float limit) {
    const bool first = collected_.empty();
    for (size_t begin = 0; begin < values_.size(); begin += kGroup) {
        const size_t end = std::min(begin + kGroup, values_.size());
        bool any = false;
        for (size_t i = begin; i < end; ++i) any |= values_[i] <= limit;
        if (!any) continue;
        for (size_t i = begin; i < end; ++i) {
            if (values_[i] <= limit && (first || values_[i] > limit_)) collected_.push_back(Ordered(i));
        }
    }
    limit_ = limit;
}

std::span<const uint32_t> LeastFirst::Next(size_t count) {
    const size_t end = given_ + std::min(count, values_.size() - given_);
    // Another sample may have set a limit that is higher already, though too few pass it.
    for (size_t aim = end; collected_.size() < end; aim *= 2) {
        const float limit = Limit(aim);
        if (limit > limit_ || collected_.empty()) Collect(limit);
    }
    const auto begin = collected_.begin() + static_cast<ptrdiff_t>(given_);
    if (end < collected_.size())
        std::nth_element(begin, collected_.begin() + static_cast<ptrdiff_t>(end), collected_.end());
    taken_.clear();
    for (size_t i = given_; i < end; ++i) taken_.push_back(static_cast<uint32_t>(collected_[i]));
    given_ = end;
    return taken_;
}

}  // namespace annex

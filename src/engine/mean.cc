// The mean of rows.
#include "annex/mean.h"

#include <algorithm>
#include <cmath>

namespace annex {

// A row beyond this is one that gets no codes (annex/space.h); it would carry the mean with it.
static constexpr double kMostRowNormSquared = 0x1p116;

void MeanOfRows::Add(const float* x) noexcept {
    double norm_squared = 0;
    for (size_t i = 0; i < sum_.size(); i++) norm_squared += static_cast<double>(x[i]) * static_cast<double>(x[i]);
    if (norm_squared > kMostRowNormSquared || (metric_ == Metric::kCosine && norm_squared == 0)) return;
    const double scale = metric_ == Metric::kCosine ? 1 / std::sqrt(norm_squared) : 1;
    for (size_t i = 0; i < sum_.size(); i++) sum_[i] += static_cast<double>(x[i]) * scale;
    rows_++;
}

std::vector<float> MeanOfRows::Finish() const {
    std::vector<float> mean(sum_.size());
    double norm_squared = 0;
    for (size_t i = 0; i < sum_.size() && rows_ > 0; i++) {
        mean[i] = static_cast<float>(sum_[i] / static_cast<double>(rows_));
        norm_squared += static_cast<double>(mean[i]) * static_cast<double>(mean[i]);
    }
    // Any centre is right. One that outliers have carried to the end of the range would cost every row its codes.
    if (!(norm_squared < 1e36)) std::fill(mean.begin(), mean.end(), 0.0F);
    return mean;
}

}  // namespace annex

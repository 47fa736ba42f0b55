// Centring, padding and rotation, and the classes of rows whose distances no bound can tell.
//
// The limits. Everything after this file computes in float; a vector is normal when nothing there can overflow, and
// when what underflows can be covered by a small absolute slack (refinement.cc):
//
//   - ||x||^2 and ||x - mean||^2 are at most kMaxSquaredNorm = 2^116. With L^2 = 2^116, no norm of a transformed vector
//     is above L (1 + 2^-16), of a decoded row above 2 L, of a residual to a decoded centroid above 3 L. The largest
//     values that the sketch forms are then f_add <= 9 L^2 + 2 * 3 L * sqrt(P) * 2 L, f_rescale * <s, q> <= 2 * 3 L *
//     sqrt(P) * L and error_scale * f_error <= 180 L^2 (10 standard deviations); with P <= 16,000 all of it together
//     stays below 2,600 L^2 < 2^128. The operators' float sums are at most (2 L)^2; of L1, 2 L sqrt(P).
//   - Under cosine, ||x||^2 is at least kMinCosineSquaredNorm = 2^-96: float sums of up to 16,000 products lose at most
//     16,000 * 2^-150 to underflow, 2^-40 of such a norm. Below it the operator's norm^2 may be wrong by any factor, or
//     zero.
//   - Under inner product, a query that is not zero has ||q||^2 of at least kMinProductSquaredNorm = 2^-200, so that
//     what the rotation loses to underflow (below 2^-128) is nothing beside ||q||, however large the rows are. Rows
//     need no such limit, and neither do L2 and L1: the loss is covered by an absolute slack.
#include "annex/space.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "annex/error.h"
#include "engine/sums.h"

namespace annex {
namespace {

constexpr double kMaxSquaredNorm = 0x1p116;
constexpr double kMinCosineSquaredNorm = 0x1p-96;
constexpr double kMinProductSquaredNorm = 0x1p-200;

double CentredSquaredNorm(const float* x, const std::vector<float>& mean) noexcept {
    const float* m = mean.data();
    return SumInDouble(mean.size(), [x, m](size_t i) {
        const double difference = static_cast<double>(x[i]) - static_cast<double>(m[i]);
        return difference * difference;
    });
}

RowClass ClassifyForCosine(double squared_norm) noexcept {
    if (squared_norm == 0) return RowClass::kNaN;
    const bool in_range = squared_norm >= kMinCosineSquaredNorm && squared_norm <= kMaxSquaredNorm;
    return in_range ? RowClass::kNormal : RowClass::kUnbounded;
}

// For L2 and L1, and for the rows of an inner product.
RowClass ClassifyForL2(const float* x, const std::vector<float>& mean) noexcept {
    const bool in_range =
        SquaredNorm(x, mean.size()) <= kMaxSquaredNorm && CentredSquaredNorm(x, mean) <= kMaxSquaredNorm;
    return in_range ? RowClass::kNormal : RowClass::kUnbounded;
}

RowClass ClassifyProductQuery(double squared_norm) noexcept {
    const bool in_range =
        squared_norm == 0 || (squared_norm >= kMinProductSquaredNorm && squared_norm <= kMaxSquaredNorm);
    return in_range ? RowClass::kNormal : RowClass::kUnbounded;
}

}  // namespace

Space::Space(Metric metric, size_t dimensions, uint64_t seed, std::vector<float> mean)
    : metric_(metric), rotation_(dimensions, seed), mean_(std::move(mean)), mean_norm_(0) {
    if (dimensions > kMostDimensions)
        throw Error(ErrorKind::kInvalidArgument,
                    "a space has at most " + std::to_string(kMostDimensions) + " dimensions");
    if (mean_.size() != dimensions) {
        throw Error(ErrorKind::kInvalidArgument,
                    "mean has " + std::to_string(mean_.size()) + " dimensions, expected " + std::to_string(dimensions));
    }
    // A mean that is out of range would make every row unbounded.
    if (!(SquaredNorm(mean_.data(), dimensions) <= kMaxSquaredNorm)) std::fill(mean_.begin(), mean_.end(), 0.0F);
    mean_norm_ = std::sqrt(SquaredNorm(mean_.data(), dimensions));
}

RowClass Space::Classify(const float* x) const noexcept {
    if (metric_ == Metric::kCosine) return ClassifyForCosine(SquaredNorm(x, dimensions()));
    if (IsOfBits(metric_)) return RowClass::kNormal;
    return ClassifyForL2(x, mean_);
}

RowClass Space::TransformRow(const float* x, float* y) const noexcept {
    const size_t n = dimensions();
    if (metric_ == Metric::kCosine) {
        const double squared_norm = SquaredNorm(x, n);
        const RowClass row_class = ClassifyForCosine(squared_norm);
        if (row_class != RowClass::kNormal) return row_class;
        const double inverse_norm = 1 / std::sqrt(squared_norm);
        for (size_t i = 0; i < n; ++i) {
            y[i] = static_cast<float>(static_cast<double>(x[i]) * inverse_norm - static_cast<double>(mean_[i]));
        }
    } else {
        const RowClass row_class = Classify(x);
        if (row_class != RowClass::kNormal) return row_class;
        for (size_t i = 0; i < n; ++i) y[i] = x[i] - mean_[i];
    }
    std::fill(y + n, y + padded(), 0.0F);
    rotation_.Apply(y);
    return RowClass::kNormal;
}

std::vector<float> Space::Origin() const {
    std::vector<float> y(padded());
    for (size_t i = 0; i < dimensions(); ++i) y[i] = -mean_[i];
    rotation_.Apply(y.data());
    return y;
}

RowClass Space::TransformQuery(const float* q, float* y) const noexcept {
    if (metric_ != Metric::kInnerProduct) return TransformRow(q, y);
    const size_t n = dimensions();
    const RowClass query_class = ClassifyProductQuery(SquaredNorm(q, n));
    if (query_class != RowClass::kNormal) return query_class;
    std::copy(q, q + n, y);
    std::fill(y + n, y + padded(), 0.0F);
    rotation_.Apply(y);
    return RowClass::kNormal;
}

void Space::ToRowSpace(float* y) const noexcept {
    const bool bits = IsOfBits(metric_);
    if (metric_ != Metric::kL1 && !bits) return;
    rotation_.ApplyInverse(y);
    if (bits)
        for (size_t i = 0; i < dimensions(); ++i) y[i] = std::round(y[i] + mean_[i]);  // 0 or 1 but for rounding
    std::fill(y + dimensions(), y + padded(), 0.0F);                                   // but for rounding they were
}

void Space::FromRowSpace(float* z) const noexcept {
    const bool bits = IsOfBits(metric_);
    if (metric_ != Metric::kL1 && !bits) return;
    if (bits)
        for (size_t i = 0; i < dimensions(); ++i) z[i] -= mean_[i];
    rotation_.Apply(z);
}

}  // namespace annex

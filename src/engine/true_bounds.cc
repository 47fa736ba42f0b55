// The terms of bounds that hold without exception; annex/true_bounds.h derives them.
#include "annex/true_bounds.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace annex {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kRoundoff = 0x1p-24;
// tau, with second-order terms.
constexpr double kTransformError = (Rotation::kRelativeError + kRoundoff) * 1.01;
// Rounding half to even leaves 2^-9, of what is stored 0.001957.
constexpr double kBf16Error = 0.002;
constexpr double kTableError = 0.55 / 2 / 4;  // of sum_scale, for each dimension
// A few operations in float.
constexpr double kFloatError = 0x1p-18;
// Beyond the first, products overflow; beyond the second, sums of them.
constexpr double kLongest = 0x1p50;
constexpr double kGreatest = 0x1p120;
// Above what underflow can take away from a squared length, and from a length.
constexpr double kTinySquare = 0x1p-120;
constexpr double kTiny = 0x1p-60;

// Of a float sum of n products: gamma(n).
double SumError(double n) noexcept {
    return n * kRoundoff * 1.01;
}

// alpha.
double CodeError(double padded) noexcept {
    const double share = std::sqrt(padded) / 254 * (1 + 0x1p-18);
    return share / (1 - share);
}

float RoundDown(double value) noexcept {
    const float rounded = static_cast<float>(value);
    return static_cast<double>(rounded) > value ? std::nextafterf(rounded, -std::numeric_limits<float>::infinity())
                                                : rounded;
}

float RoundUp(double value) noexcept {
    return -RoundDown(-value);
}

}  // namespace

TrueBounds::TrueBounds(const Space& space, const SketchQuery& query, double norm, double mean_product) noexcept
    : metric_(space.metric()),
      padded_(static_cast<double>(space.padded())),
      norm_(norm),
      mean_product_(mean_product),
      mean_norm_(space.mean_norm()),
      operator_slack_(SumError(static_cast<double>(space.dimensions() + 4))),
      kernel_slack_(SumError(padded_ + 4)),
      sum_scale_(static_cast<double>(query.sum_scale())),
      sum_offset_(static_cast<double>(query.sum_offset())) {
    sum_slack_ = kTableError * padded_ * sum_scale_ + kBf16Error * std::fabs(sum_offset_) +
                 std::sqrt(padded_) * kFloatError * norm_ + padded_ * 0x1p-112;
}

// What the squared distance in the index's space, or the inner product, may be of a row at the radius, if a row's
// length is known but for a share.
double TrueBounds::Widened(double radius, double relative_error) const noexcept {
    if (metric_ == Metric::kInnerProduct) {
        const double value = radius + mean_product_;
        return value + norm_ * operator_slack_ * mean_norm_ + kFloatError * std::fabs(value) + kTinySquare;
    }
    const double at = std::max(radius, 0.0);
    // A distance of L2 is at most that of L1.
    const double distance =
        metric_ == Metric::kCosine ? std::sqrt(2 * (at + 2.01 * operator_slack_)) : at * (1 + operator_slack_);
    const double error = 2 * kTransformError + relative_error;
    const double widened = (distance + error * norm_ + kTiny) / (1 - error);
    return widened * widened * (1 + kFloatError) + kTinySquare;
}

float TrueBounds::Threshold(double radius) const noexcept {
    if (radius == -kInfinity && metric_ == Metric::kInnerProduct) return -std::numeric_limits<float>::infinity();
    const double value = Widened(radius, 0);
    if (!(std::fabs(value) < kGreatest)) return std::numeric_limits<float>::infinity();
    return std::nextafterf(RoundUp(value), std::numeric_limits<float>::infinity());
}

BoundTerms TrueBounds::Terms(const ListTerms& list, SketchSource source, double radius) const noexcept {
    const double base = static_cast<double>(list.base);
    const double length = static_cast<double>(list.length);
    double reach = static_cast<double>(list.reach);
    if (!(norm_ + length + reach < kLongest)) return {-std::numeric_limits<float>::infinity(), 0, 0, 0, 0};
    const double code_error = source == SketchSource::kCodes ? CodeError(padded_) + 2 * kTransformError : 0;
    double base_slack;
    double row_slack = std::sqrt(padded_) * kFloatError * (norm_ + reach);
    if (metric_ == Metric::kInnerProduct) {
        const double along = std::fabs(static_cast<double>(list.add_scale)) * length;
        const double row_error = norm_ * (2 * kTransformError + operator_slack_ + code_error);
        base_slack = length * (row_error + norm_ * (kernel_slack_ + kFloatError));
        row_slack += 1.02 * std::sqrt(padded_) * row_error;
        // A difference of products, which may cancel out.
        reach = std::hypot(reach, norm_ * std::sqrt(4 * (kernel_slack_ + kFloatError))) + kBf16Error * along;
    } else {
        base_slack = base * (kernel_slack_ + kFloatError) + kFloatError * length * reach;
        if (code_error > 0) base_slack += Widened(radius, code_error) - Widened(radius, 0);
        reach = reach * (1 + kernel_slack_) + kFloatError * norm_;
    }
    const double error_scale = std::sqrt(padded_) * (1 + kFloatError) * reach;
    return {RoundDown(base - base_slack - kTinySquare), list.add_scale, static_cast<float>(sum_scale_),
            RoundUp(sum_offset_ + sum_slack_ + row_slack), RoundUp(error_scale)};
}

}  // namespace annex

// Rows of 8 bits a dimension, and why their bounds are true.
//
// Notation: u = 2^-24, the unit roundoff of float; gamma(n) = n u / (1 - n u), which bounds the relative error of any
// product of n factors (1 + d), |d| <= u, hence of a float sum of n products of the same sign in any order of
// summation, fused or not; D dimensions, P padded. x, q are raw vectors, m the mean, R the exact rotation.
//
// 1. The transform. t = fl(x - m), or under cosine fl(x / ||x|| - m), is rounded once to float; the rotation adds
//    Rotation::kRelativeError. With tau = kTransformError = (Rotation::kRelativeError + u) * 1.001, the factor covering
//    second-order terms and the change from ||x - m|| to ||y||,
//        y = R(x - m) + e,   ||e|| <= tau ||y|| + kTiny
//    kTiny = 2^-45 stands for the double arithmetic of a normalisation under cosine; otherwise 2^-128, above what the
//    rotation can lose to underflow. The same holds for the query.
// 2. Quantisation. y^ = scale * codes, exactly; the error ||y - y^|| is computed in double (its own error, below 2^-40
//    of it, is part of the factor 1 + gamma(P + 2) below).
// 3. The kernels. row_l2_squared rounds scale * code (u |y^_i|), the difference (u), and the sum of squares
//    (gamma(P + 1)), and loses at most P 2^-150 to underflow:
//        |sqrt(S) - ||y_q - y^|| | <= u ||y^|| + (u + gamma(P + 1) / 2) sqrt(S) + sqrt(P) 2^-75
//    row_inner_product has an error of at most gamma(P) ||y_q|| ||codes||. It cannot underflow, the codes being
//    integers.
// 4. The operators, from float sums of any kernel level; halfs are exactly floats, and the same is done with them:
//        L2       sqrt(fl(sum (q_i - x_i)^2)):        within (u + gamma(D + 1) / 2) of ||q - x||, and sqrt(D) 2^-75
//        product  -fl(sum q_i x_i):                   within gamma(D) ||q|| ||x|| + D 2^-150 of -<q, x>
//        cosine   1 - fl(<q, x>) / sqrt(fl(||q||^2) fl(||x||^2)): the numerator is off by gamma(D) ||q|| ||x||, the
//        root
//                 by a factor of 1 +- gamma(D), |cos| <= 1: within (1 + gamma) / (1 - gamma) - 1 < 2.01 gamma(D + 4)
//
// Together, with E = ||y - y^|| and d = sqrt(S):
//
//   L2:  | ||q - x|| - d | <= E + tau ||y|| + u ||y^||                          the row's error
//                             + (2 u + gamma(P + 1) / 2 + gamma(D + 1) / 2) d   the query's relative slack
//                             + tau ||y_q|| + kTiny + sqrt(P) 2^-73             the query's absolute slack
//   cosine: the same without the operator's part of the slack bounds ||x/||x|| - q/||q|| ||, half of whose square is
//        1 - cos; the operator's 2.01 gamma(D + 4) is taken off at the end.
//   inner product: <q, x> = <q, m> + <q, x - m>, the first computed in double, and
//        |<q, x - m> - <y_q, y^>| <= ||y_q|| (E + tau ||y||) + tau ||y_q|| ||y||; with the kernel's error, the
//        operator's, and ||x|| <= ||y|| + ||m||, all of it is in proportion to ||y_q||, so the row carries it:
//          error = E (1 + gamma(P + 2)) + (2 tau + gamma(D + 2) + gamma(P + 2)) ||y|| + gamma(D + 2) ||m|| + kTiny
//        D 2^-149 remains for the query's absolute slack.
//   L1: rows and queries are rotated back, z = fl(R^-1 y), whose rounding is that of another rotation. With
//        tau_1 = sqrt(D) (2 Rotation::kRelativeError + u) * 1.002, since an L1 norm is at most sqrt(D) times L2's,
//          |z - (x - m)|_1 <= tau_1 ||y|| + sqrt(D) 2^-126
//        and the same for the query. Padding is zero on both sides. With E_1 = |z - z^|_1 and the sum S_1 of the
//        kernel, which rounds scale * code (u |z^_i|, or 2^-150), the difference (u) and the sum (gamma(P)),
//          | |q - x|_1 - S_1 | <= E_1 + tau_1 ||y|| + u |z^|_1 + sqrt(D) 2^-126        the row's error
//                                 + 1.01 (gamma(P + 1) + gamma(D + 1)) S_1             the query's relative slack
//                                 + tau_1 ||y_q|| + sqrt(D) 2^-126 + P 2^-149          the query's absolute slack
//        the operator's float sum of D differences being within gamma(D) of |q - x|_1; a difference cannot underflow.
//        |z^|_1 is at most E_1 + sqrt(D) ||z||.
//
// For 384 dimensions of Gaussian data, E is 0.7 % of ||y||; the relative slacks together are 0.003 %. For L1, E_1 is
// 1 % of |z|_1, and all slacks together are 0.01 %.
#include "annex/refinement.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "annex/kernels.h"
#include "engine/sums.h"

namespace annex {
namespace {

constexpr double kRoundoff = 0x1p-24;
constexpr double kTransformError = (Rotation::kRelativeError + kRoundoff) * 1.001;
constexpr float kMaxCode = 127;
constexpr size_t kMostPadded = PaddedDimensions(kMostDimensions);
// Rows whose largest coordinate is below this are coded as zeros: the inverse of a smaller scale would overflow.
constexpr float kMinCodedMaximum = 0x1p-100F;

double Gamma(size_t n) noexcept {
    const double nu = static_cast<double>(n) * kRoundoff;
    return nu / (1 - nu);
}

// tau_1.
double TransformErrorL1(size_t dimensions) noexcept {
    return std::sqrt(static_cast<double>(dimensions)) * (2 * Rotation::kRelativeError + kRoundoff) * 1.002;
}

double TinySlackL1(size_t dimensions) noexcept {
    return std::sqrt(static_cast<double>(dimensions)) * 0x1p-126;
}

double TinySlack(Metric metric) noexcept {
    return metric == Metric::kCosine ? 0x1p-45 : 0x1p-128;
}

float RoundUp(double value) noexcept {
    const float rounded = static_cast<float>(value);
    if (static_cast<double>(rounded) >= value) return rounded;
    return std::nextafter(rounded, std::numeric_limits<float>::infinity());
}

float LargestMagnitude(const float* y, size_t n) noexcept {
    float largest = 0;
    for (size_t i = 0; i < n; ++i) largest = std::max(largest, std::fabs(y[i]));
    return largest;
}

// Nearest integers, ties to even, for |value| < 2^22: adding 1.5 * 2^23 leaves them in the low bits of the sum. In
// plain arithmetic, so that every compiler vectorises it.
float NearestInteger(float value) noexcept {
    constexpr float kShift = 0x1.8p23F;
    return (value + kShift) - kShift;
}

}  // namespace

RowEncoder::RowEncoder(const Space& space) noexcept
    : space_(&space),
      padded_(space.padded()),
      relative_slack_(kTransformError + kRoundoff),
      absolute_slack_(TinySlack(space.metric())) {
    const size_t dimensions = space.dimensions();
    if (space.metric() == Metric::kInnerProduct) {
        const double operator_slack = Gamma(dimensions + 2);
        relative_slack_ = 2 * kTransformError + operator_slack + Gamma(padded_ + 2);
        absolute_slack_ += operator_slack * space.mean_norm();
    } else if (space.metric() == Metric::kL1) {
        relative_slack_ = TransformErrorL1(dimensions) + std::sqrt(static_cast<double>(dimensions)) * kRoundoff * 1.001;
        absolute_slack_ = TinySlackL1(dimensions);
    }
}

RowFactors RowEncoder::Encode(const float* y, int8_t* codes) const noexcept {
    if (space_->metric() == Metric::kL1) return EncodeForL1(y, codes);
    if (IsOfBits(space_->metric())) return EncodeBits(y, codes);
    const float scale = EncodeCodes(y, padded_, codes);
    const double exact_scale = static_cast<double>(scale);
    const double squared_error = SumInDouble(padded_, [y, codes, exact_scale](size_t i) {
        const double difference = static_cast<double>(y[i]) - exact_scale * codes[i];
        return difference * difference;
    });
    const double error = std::sqrt(squared_error) * (1 + Gamma(padded_ + 2)) +
                         std::sqrt(SquaredNorm(y, padded_)) * relative_slack_ + absolute_slack_;
    return {scale, RoundUp(error)};
}

RowFactors RowEncoder::EncodeForL1(const float* y, int8_t* codes) const noexcept {
    float z[kMostPadded];
    std::copy(y, y + padded_, z);
    space_->ToRowSpace(z);
    const float scale = EncodeCodes(z, padded_, codes);
    const double exact_scale = static_cast<double>(scale);
    const double coding_error = SumInDouble(padded_, [&z, codes, exact_scale](size_t i) {
        return std::fabs(static_cast<double>(z[i]) - exact_scale * codes[i]);
    });
    const double error = coding_error * (1 + Gamma(padded_ + 2)) +
                         std::sqrt(SquaredNorm(y, padded_)) * relative_slack_ + absolute_slack_;
    return {scale, RoundUp(error)};
}

// Exact: a code is a bit.
RowFactors RowEncoder::EncodeBits(const float* y, int8_t* codes) const noexcept {
    float z[kMostPadded];
    std::copy(y, y + padded_, z);
    space_->ToRowSpace(z);
    for (size_t i = 0; i < padded_; ++i) codes[i] = z[i] > 0 ? 1 : 0;
    return {1, 0};
}

float EncodeCodes(const float* y, size_t padded, int8_t* codes) noexcept {
    const float largest = LargestMagnitude(y, padded);
    const float scale = largest < kMinCodedMaximum ? 0.0F : largest / kMaxCode;
    const float inverse = scale == 0.0F ? 0.0F : 1.0F / scale;
    for (size_t i = 0; i < padded; ++i) {
        codes[i] = static_cast<int8_t>(static_cast<int>(NearestInteger(y[i] * inverse)));
    }
    return scale;
}

void DecodeCodes(const int8_t* codes, float scale, size_t padded, float* y) noexcept {
    for (size_t i = 0; i < padded; ++i) y[i] = scale * static_cast<float>(codes[i]);
}

void DecodeRow(const Space& space, const int8_t* codes, float scale, float* y) noexcept {
    DecodeCodes(codes, scale, space.padded(), y);
    space.FromRowSpace(y);
}

RowQuery::RowQuery(const Space& space, const float* q, const float* y) noexcept : RowQuery(space, y) {
    if (metric_ == Metric::kInnerProduct)
        mean_product_ = InnerProductInDouble(q, space.mean().data(), space.dimensions());
}

RowQuery::RowQuery(const Space& space, const float* y) noexcept
    : kernels_(&ActiveKernels()), y_(y), padded_(space.padded()), metric_(space.metric()) {
    const size_t dimensions = space.dimensions();
    norm_ = std::sqrt(SquaredNorm(y, padded_));
    const double kernel_slack = kRoundoff + Gamma(padded_ + 1) / 2;
    switch (metric_) {
        case Metric::kL2:
            relative_slack_ = kernel_slack + kRoundoff + Gamma(dimensions + 1) / 2;
            absolute_slack_ =
                kTransformError * norm_ + TinySlack(metric_) + std::sqrt(static_cast<double>(padded_)) * 0x1p-73;
            break;
        case Metric::kCosine:
            relative_slack_ = kernel_slack;
            absolute_slack_ = kTransformError * norm_ + TinySlack(metric_);
            operator_slack_ = 2.01 * Gamma(dimensions + 4);
            break;
        case Metric::kInnerProduct:
            absolute_slack_ = static_cast<double>(dimensions) * 0x1p-149;
            break;
        case Metric::kL1:
            relative_slack_ = 1.01 * (Gamma(padded_ + 1) + Gamma(dimensions + 1));
            absolute_slack_ = TransformErrorL1(dimensions) * norm_ + TinySlackL1(dimensions) +
                              static_cast<double>(padded_) * 0x1p-149;
            break;
        case Metric::kHamming:
        case Metric::kJaccard:
            break;
    }
}

void RowQuery::UseRowSpace(const float* z) noexcept {
    z_ = z;
    if (IsOfBits(metric_)) bits_ = static_cast<double>(std::count(z, z + padded_, 1.0F));
}

// Sums of zeros and ones are exact in float, and the operator divides the same numbers.
Bounds RowQuery::BoundBits(const int8_t* codes) const noexcept {
    const auto differing = static_cast<double>(kernels_->row_l2_squared(z_, codes, 1, padded_));
    if (metric_ == Metric::kHamming) return {differing, differing};
    const auto row_bits = static_cast<double>(kernels_->code_product(codes, codes, padded_));
    const double both = (row_bits + bits_ - differing) / 2;
    const double either = (row_bits + bits_ + differing) / 2;
    const double distance = both == 0 ? 1 : 1 - both / either;
    return {distance, distance};
}

Bounds RowQuery::BoundL1(const int8_t* codes, const RowFactors& row) const noexcept {
    const NormSums sums = kernels_->row_norms(z_, codes, row.scale, padded_);
    const double distance = static_cast<double>(sums.l1);
    const double slack = static_cast<double>(row.error) + relative_slack_ * distance + absolute_slack_;
    const double spread = distance * distance / static_cast<double>(sums.l2_squared);
    return {std::max(0.0, distance - slack), (distance + slack) * (1 + relative_slack_),
            std::isfinite(spread) ? spread : 0};
}

Bounds RowQuery::Bound(const int8_t* codes, const RowFactors& row) const noexcept {
    if (metric_ == Metric::kL1) return BoundL1(codes, row);
    if (IsOfBits(metric_)) return BoundBits(codes);
    if (metric_ == Metric::kInnerProduct) {
        const double row_error = static_cast<double>(row.error);
        const double product = static_cast<double>(kernels_->row_inner_product(y_, codes, padded_));
        const double value = -mean_product_ - static_cast<double>(row.scale) * product;
        const double slack = norm_ * row_error + absolute_slack_;
        return {value - slack, value + slack};
    }
    return BoundAt(kernels_->row_l2_squared(y_, codes, row.scale, padded_), row);
}

Bounds RowQuery::BoundAt(float squared_distance, const RowFactors& row) const noexcept {
    const double row_error = static_cast<double>(row.error);
    const double distance = std::sqrt(static_cast<double>(squared_distance));
    const double slack = row_error + relative_slack_ * distance + absolute_slack_;
    const double lower = std::max(0.0, distance - slack);
    const double upper = distance + slack;
    if (metric_ == Metric::kL2) return {lower, upper * (1 + relative_slack_)};
    return {std::max(0.0, lower * lower / 2 - operator_slack_), std::min(2.0, upper * upper / 2 + operator_slack_)};
}

float RowQuery::RowSquaredDistance(const int8_t* codes, float scale) const noexcept {
    return kernels_->row_l2_squared(z_, codes, scale, padded_);
}

float RowQuery::SquaredDistance(const int8_t* codes, float scale) const noexcept {
    return kernels_->row_l2_squared(y_, codes, scale, padded_);
}

float RowQuery::InnerProduct(const int8_t* codes, float scale) const noexcept {
    return scale * kernels_->row_inner_product(y_, codes, padded_);
}

}  // namespace annex

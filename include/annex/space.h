// The space in which an index works: centred on the data's mean, padded to a multiple of 64 dimensions, rotated.
//
//   L2:            y = R(x - mean)
//   cosine:        y = R(x / ||x|| - mean), so that 1 - cos = ||y_q - y_x||^2 / 2
//   inner product: y = R(x - mean) for rows, y = R(q) for queries, so that <q, x> = <q, mean> + <y_q, y_x>
//   L1:            y = R(x - mean); z, which is y rotated back, is what rows are coded from: |q - x|_1 = |z_q - z_x|_1
//   bits:          as for L2, so that the Hamming distance is ||y_q - y_x||^2; z = x
//
// Centring matters: the rounding error of a query's look-up table grows with ||y_q||, the bound with the distance to a
// list.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "annex/rotation.h"

namespace annex {

enum class Metric : uint8_t { kL2 = 1, kInnerProduct = 2, kCosine = 3, kL1 = 4, kHamming = 5, kJaccard = 6 };

// Distances of bit strings, whose bits are coordinates of 0 and 1.
[[nodiscard]] constexpr bool IsOfBits(Metric metric) noexcept {
    return metric == Metric::kHamming || metric == Metric::kJaccard;
}

// Whether refinement rows are coded in another space than that of the index (Space::ToRowSpace).
[[nodiscard]] constexpr bool HasRowSpace(Metric metric) noexcept {
    return metric == Metric::kL1 || IsOfBits(metric);
}

// What can be said about the distances of a row before looking at a query.
enum class RowClass : uint8_t {
    kNormal,     // has codes and a true lower bound
    kUnbounded,  // ||x||^2 is zero by underflow, denormal, or beyond the range: no bound holds, it must come first
    kNaN,        // the zero vector under cosine: its distance is NaN, it comes last
};

// Bounds are derived for no more than that.
inline constexpr size_t kMostDimensions = 16000;

class Space {
  public:
    // mean[dimensions]; all zero when nothing is known about the data. Throws kInvalidArgument unless dimensions are
    // from 1 to kMostDimensions.
    Space(Metric metric, size_t dimensions, uint64_t seed, std::vector<float> mean);

    [[nodiscard]] Metric metric() const noexcept { return metric_; }
    [[nodiscard]] size_t dimensions() const noexcept { return rotation_.dimensions(); }
    [[nodiscard]] size_t padded() const noexcept { return rotation_.padded(); }
    [[nodiscard]] const std::vector<float>& mean() const noexcept { return mean_; }
    [[nodiscard]] double mean_norm() const noexcept { return mean_norm_; }

    // Classifies x[dimensions] and, when it is normal, writes y[padded].
    [[nodiscard]] RowClass TransformRow(const float* x, float* y) const noexcept;
    // The same for a query. kUnbounded: every bound is -infinity; kNaN: every distance is NaN. Under
    // cosine alone a query of zeros is not normal.
    [[nodiscard]] RowClass TransformQuery(const float* q, float* y) const noexcept;
    // Where y[padded] is for x = 0: the length of rows is measured from there.
    [[nodiscard]] std::vector<float> Origin() const;
    // The class alone.
    [[nodiscard]] RowClass Classify(const float* x) const noexcept;

    // From y[padded()], in place, to the space in which refinement rows are coded, and back. It is the same, but for
    // L1, which no rotation preserves: there the rotation is undone; and for bits, which are coded as they are.
    void ToRowSpace(float* y) const noexcept;
    void FromRowSpace(float* z) const noexcept;

  private:
    Metric metric_;
    Rotation rotation_;
    std::vector<float> mean_;
    double mean_norm_;
};

}  // namespace annex

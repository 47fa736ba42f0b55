// Bounds from sketches that hold without exception, for searches that must miss no row.
//
// annex/sketch.h gives a row's estimate an error in standard deviations, and a search for the nearest rows takes a few
// of them off. A search for all rows within a radius takes off all that there can be. With r, s, k as there, v = q - c
// (or q - b c) and P dimensions:
//   <k s, r> = ||r||^2, so k s - r is orthogonal to r and ||k s - r||^2 = ||r||^2 (P ||r||^2 / ||r||_1^2 - 1), which is
//   P - 1 times the square of the stored deviation. By Cauchy and Schwarz
//     |k <s, v> - <r, v>| <= ||k s - r|| ||v|| = sqrt(P - 1) deviation ||v||
// For Gaussian residuals this is 0.76 ||r|| ||v||: beyond a list whose centroid is far from the query few rows are
// left.
//
// What else separates a bound from the operator's value (notation of src/engine/refinement.cc):
//   the look-up table    each of P / 4 groups is off by at most 0.55 units, 2 units being sum_scale
//   bfloat16             f_rescale, and for inner product f_add, are off by at most 0.002 of themselves; <s, q> is at
//                        most ||q||_1, and |k <s, c> - <c, r>| <= ||k s - r|| ||c||
//   float                kernels, residuals, factors: in proportion to products of lengths
//   the transform        ||y - R(x - m)|| <= tau ||y||, the same for the query
//   codes                lists that were made from rows of 8 bits: ||y - y^|| <= alpha ||y^||, where a coordinate is
//   off
//                        by at most max |y_i| / 254, so that alpha = sqrt(P) / 254 / (1 - sqrt(P) / 254); for
//                        L1 rows are rotated back before they are coded, and again afterwards, which adds 2 tau
// A distance of L2 is at most that of L1, which stands for it: few sketches are ruled out.
// Errors in proportion to ||r|| are put into the look-up table's offset, since f_rescale is negative and -f_rescale
// sqrt(P) >= ||r||; those in proportion to ||r||^2 matter only where ||r|| > 4 ||v||, and there they are in proportion
// to the bound. An error of a length in proportion to ||y|| <= ||y_q|| + ||y_q - y|| widens the radius.
#pragma once

#include <cstddef>

#include "annex/kernels.h"
#include "annex/sketch.h"
#include "annex/space.h"

namespace annex {

// What a list's sketches were computed from.
enum class SketchSource : uint8_t { kVectors, kCodes };

// The side of a list that bounds need; see RankedList.
struct ListTerms {
    float base;
    float add_scale;
    float reach;
    float length;
};

class TrueBounds {
  public:
    TrueBounds() = default;
    // norm: ||y_q||; mean_product: <q, mean>, 0 unless the metric is inner product.
    TrueBounds(const Space& space, const SketchQuery& query, double norm, double mean_product) noexcept;

    // No row within the radius, in the operator's units, has a bound at or above this; +infinity where floats end.
    [[nodiscard]] float Threshold(double radius) const noexcept;
    // For the rows of a list, whose bounds are to be compared with Threshold(radius). A bound may be NaN, which says
    // nothing.
    [[nodiscard]] BoundTerms Terms(const ListTerms& list, SketchSource source, double radius) const noexcept;

  private:
    [[nodiscard]] double Widened(double radius, double relative_error) const noexcept;

    Metric metric_ = Metric::kL2;
    double padded_ = 0;
    double norm_ = 0;
    double mean_product_ = 0;
    double mean_norm_ = 0;
    double operator_slack_ = 0;  // relative, of the operator's own sums
    double kernel_slack_ = 0;
    double sum_slack_ = 0;  // of <s, q>
    double sum_scale_ = 0;
    double sum_offset_ = 0;
};

}  // namespace annex

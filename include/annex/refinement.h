// The refinement: 8 bits a dimension and a true lower bound of the distance.
//
// A row is y ~ scale * codes, codes in [-127, 127], and `error` >= ||y - scale * codes|| plus every rounding that can
// come between the bound and the value which PostgreSQL computes from the heap tuple (see refinement.cc for the
// derivation):
//   L2:            ||q - x||   >= ||y_q - y^|| - error - slack(q)
//   cosine:        1 - cos     >= (the same)^2 / 2 - slack
//   inner product: -<q, x>     >= -<q, mean> - <y_q, y^> - ||y_q|| (error + slack)
//   L1:            |q - x|_1   >= |z_q - z^|_1 - error - slack(q), z being y rotated back, and all norms of errors L1
//   bits:          exact, a code being a bit and so are the distances
// It is coded relative to the data's mean, not to a list: one row serves both copies, and a list can be split without
// the heap.
#pragma once

#include <cstddef>
#include <cstdint>

#include "annex/kernels.h"
#include "annex/space.h"

namespace annex {

struct RowFactors {
    float scale;
    float error;
};

// lower <= the operator's value <= upper; `upper` need not be exact to the last bit, it only sets a search's threshold.
struct Bounds {
    double lower;
    double upper;
    double spread = 0;  // for L1: its square as a multiple of that of L2, from 1 to P, by the codes; 0 if both are zero
};

class RowEncoder {
  public:
    explicit RowEncoder(const Space& space) noexcept;
    // y[padded] as TransformRow gives it; codes[padded].
    [[nodiscard]] RowFactors Encode(const float* y, int8_t* codes) const noexcept;

  private:
    [[nodiscard]] RowFactors EncodeForL1(const float* y, int8_t* codes) const noexcept;
    [[nodiscard]] RowFactors EncodeBits(const float* y, int8_t* codes) const noexcept;

    const Space* space_;
    size_t padded_;
    double relative_slack_;  // of ||y||
    double absolute_slack_;
};

// The codes of y[padded] as it is, whatever the metric; returns their scale.
float EncodeCodes(const float* y, size_t padded, int8_t* codes) noexcept;
// y[i] = scale * codes[i].
void DecodeCodes(const int8_t* codes, float scale, size_t padded, float* y) noexcept;
// A row that a RowEncoder has coded, in the index's space.
void DecodeRow(const Space& space, const int8_t* codes, float scale, float* y) noexcept;

// The query's side. Holds no memory of its own.
class RowQuery {
  public:
    RowQuery() = default;
    // q[dimensions] raw, y[padded] as TransformQuery gives it; y must outlive this object.
    RowQuery(const Space& space, const float* q, const float* y) noexcept;

    // The same from y alone. For inner product the part of its value that the mean makes is left out.
    RowQuery(const Space& space, const float* y) noexcept;

    // z[padded], which is y brought to the space of rows and must outlive this object. Bound needs it for L1 and bits;
    // for other metrics it is y.
    void UseRowSpace(const float* z) noexcept;
    // For bits: how many of the query are set.
    [[nodiscard]] double bits() const noexcept { return bits_; }

    // Bounds of the operator's value (distance for L2, cosine and L1, negative inner product) for a row.
    [[nodiscard]] Bounds Bound(const int8_t* codes, const RowFactors& row) const noexcept;
    // The same for L2 and cosine of a row at this RowSquaredDistance.
    [[nodiscard]] Bounds BoundAt(float squared_distance, const RowFactors& row) const noexcept;
    // ||z_q - z^||^2, which is that of y, of a row; after UseRowSpace.
    [[nodiscard]] float RowSquaredDistance(const int8_t* codes, float scale) const noexcept;

    // ||y_q - y^||^2 and <y_q, y^> of a decoded centroid, whose codes are those of y.
    [[nodiscard]] float SquaredDistance(const int8_t* codes, float scale) const noexcept;
    [[nodiscard]] float InnerProduct(const int8_t* codes, float scale) const noexcept;

    [[nodiscard]] double norm() const noexcept { return norm_; }  // ||y_q||

  private:
    [[nodiscard]] Bounds BoundBits(const int8_t* codes) const noexcept;
    [[nodiscard]] Bounds BoundL1(const int8_t* codes, const RowFactors& row) const noexcept;

    const Kernels* kernels_ = nullptr;
    const float* y_ = nullptr;
    const float* z_ = nullptr;
    size_t padded_ = 0;
    Metric metric_ = Metric::kL2;
    double norm_ = 0;
    double bits_ = 0;
    double mean_product_ = 0;    // <q, mean>, inner product only
    double relative_slack_ = 0;  // of the distance
    double absolute_slack_ = 0;
    double operator_slack_ = 0;  // of the operator's own value, cosine only
};

}  // namespace annex

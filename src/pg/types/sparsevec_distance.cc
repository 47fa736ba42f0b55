// Distances between sparse vectors, and their norm.
//
// The kernels walk both lists of indices together. Sums accumulate in float, as pgvector's do: what overflows becomes
// infinite and is returned as such. l2_norm alone accumulates in double.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "annex/kernels.h"
#include "pg/function.h"
#include "pg/types/dense_norm.h"
#include "pg/types/sparsevec.h"

extern "C" {
#include "utils/float.h"
}

using namespace annex::pg;
using annex::ActiveKernels;
using annex::SparseVector;

namespace {

// The two arguments of a function, of equal dimensions.
class Operands {
  public:
    explicit Operands(FunctionCallInfo fcinfo)
        : a_(DatumGetSparsevec(PG_GETARG_DATUM(0), &copy_a_)), b_(DatumGetSparsevec(PG_GETARG_DATUM(1), &copy_b_)) {
        CheckSameDimensions(kSparsevecType, a_->dim, b_->dim);
    }
    Operands(const Operands&) = delete;
    Operands& operator=(const Operands&) = delete;

    [[nodiscard]] SparseVector a() const { return ViewOf(a_); }
    [[nodiscard]] SparseVector b() const { return ViewOf(b_); }

  private:
    ShortCopy copy_a_;
    ShortCopy copy_b_;
    const Sparsevec* a_;
    const Sparsevec* b_;
};

template <class Kernel>
inline double Distance(FunctionCallInfo fcinfo, Kernel kernel) {
    const Operands operands(fcinfo);
    return static_cast<double>(kernel(operands.a(), operands.b()));
}

// In double precision.
inline double Norm(const SparseVector& vector) {
    return std::sqrt(SumOfSquares(vector.values, static_cast<int>(vector.count)));
}

// In float. Few values are summed here: in the copy of a short value a kernel's wide loads would wait for the stores.
inline double SquaredNorm(const SparseVector& vector) {
    constexpr size_t kFew = 16;
    const float* x = vector.values;
    const size_t n = vector.count;
    if (n >= kFew) return static_cast<double>(ActiveKernels().inner_product(x, x, n));
    float even = 0;
    float odd = 0;
    for (size_t i = 0; i + 1 < n; i += 2) {
        even += x[i] * x[i];
        odd += x[i + 1] * x[i + 1];
    }
    if (n % 2 != 0) even += x[n - 1] * x[n - 1];
    return static_cast<double>(even + odd);
}

Sparsevec* WithoutZeros(const Sparsevec* vector) {
    const SparseVector view = ViewOf(vector);
    const auto zeros = std::count(view.values, view.values + view.count, 0.0F);
    Sparsevec* result = NewSparsevec(vector->dim, vector->nnz - static_cast<int>(zeros));
    float* values = SparsevecValues(result);
    for (size_t i = 0, element = 0; i < view.count; i++) {
        if (view.values[i] == 0) continue;
        result->indices[element] = view.indices[i];
        values[element++] = view.values[i];
    }
    return result;
}

}  // namespace

ANNEX_FUNCTION(annex_sparsevec_l2_distance) {
    PG_RETURN_FLOAT8(std::sqrt(Distance(fcinfo, ActiveKernels().sparse_l2_squared)));
}

ANNEX_FUNCTION(annex_sparsevec_l2_squared_distance) {
    PG_RETURN_FLOAT8(Distance(fcinfo, ActiveKernels().sparse_l2_squared));
}

ANNEX_FUNCTION(annex_sparsevec_inner_product) {
    PG_RETURN_FLOAT8(Distance(fcinfo, ActiveKernels().sparse_inner_product));
}

ANNEX_FUNCTION(annex_sparsevec_negative_inner_product) {
    PG_RETURN_FLOAT8(-Distance(fcinfo, ActiveKernels().sparse_inner_product));
}

// 1 - cos(a, b). NaN where a vector is zero, or where the float sums overflow.
ANNEX_FUNCTION(annex_sparsevec_cosine_distance) {
    const Operands operands(fcinfo);
    const SparseVector a = operands.a();
    const SparseVector b = operands.b();
    const auto product = static_cast<double>(ActiveKernels().sparse_inner_product(a, b));
    // The product of the norms under one root loses less than the product of two roots.
    const double similarity = product / std::sqrt(SquaredNorm(a) * SquaredNorm(b));
    // Rounding may carry it past 1. std::clamp returns a NaN unchanged.
    PG_RETURN_FLOAT8(1.0 - std::clamp(similarity, -1.0, 1.0));
}

ANNEX_FUNCTION(annex_sparsevec_l1_distance) {
    PG_RETURN_FLOAT8(Distance(fcinfo, ActiveKernels().sparse_l1));
}

ANNEX_FUNCTION(annex_sparsevec_l2_norm) {
    ShortCopy copy;
    PG_RETURN_FLOAT8(Norm(ViewOf(DatumGetSparsevec(PG_GETARG_DATUM(0), &copy))));
}

// A vector of norm 1 in the same direction; the zero vector stays zero. What becomes too small for a float is zero, and
// zeros are no elements.
ANNEX_FUNCTION(annex_sparsevec_l2_normalize) {
    ShortCopy copy;
    const Sparsevec* vector = DatumGetSparsevec(PG_GETARG_DATUM(0), &copy);
    const SparseVector view = ViewOf(vector);
    const double norm = Norm(view);
    Sparsevec* result = NewSparsevec(vector->dim, vector->nnz);
    float* values = SparsevecValues(result);
    bool zero = false;
    for (size_t i = 0; i < view.count; i++) {
        values[i] = static_cast<float>(view.values[i] / norm);
        zero |= values[i] == 0;
    }
    if (unlikely(!AllFinite(values, vector->nnz))) float_overflow_error();
    memcpy(result->indices, view.indices, sizeof(int32) * view.count);
    PG_RETURN_POINTER(zero ? WithoutZeros(result) : result);
}

// Distances between sparse vectors, and their norm.
//
// The kernels walk both lists of indices together. Sums accumulate in float, as pgvector's do: what overflows becomes
// infinite and is returned as such. l2_norm alone accumulates in double.
#include <algorithm>
#include <cmath>

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
struct Operands {
    SparseVector a;
    SparseVector b;
};

inline Operands GetOperands(FunctionCallInfo fcinfo) {
    const Sparsevec* a = DatumGetSparsevec(PG_GETARG_DATUM(0));
    const Sparsevec* b = DatumGetSparsevec(PG_GETARG_DATUM(1));
    CheckSameDimensions(kSparsevecType, a->dim, b->dim);
    return {ViewOf(a), ViewOf(b)};
}

// In double precision.
inline double Norm(const SparseVector& vector) {
    return std::sqrt(SumOfSquares(vector.values, static_cast<int>(vector.count)));
}

// In float.
inline double SquaredNorm(const SparseVector& vector) {
    return static_cast<double>(ActiveKernels().inner_product(vector.values, vector.values, vector.count));
}

}  // namespace

ANNEX_FUNCTION(annex_sparsevec_l2_distance) {
    const auto [a, b] = GetOperands(fcinfo);
    PG_RETURN_FLOAT8(std::sqrt(static_cast<double>(ActiveKernels().sparse_l2_squared(a, b))));
}

ANNEX_FUNCTION(annex_sparsevec_l2_squared_distance) {
    const auto [a, b] = GetOperands(fcinfo);
    PG_RETURN_FLOAT8(static_cast<double>(ActiveKernels().sparse_l2_squared(a, b)));
}

ANNEX_FUNCTION(annex_sparsevec_inner_product) {
    const auto [a, b] = GetOperands(fcinfo);
    PG_RETURN_FLOAT8(static_cast<double>(ActiveKernels().sparse_inner_product(a, b)));
}

ANNEX_FUNCTION(annex_sparsevec_negative_inner_product) {
    const auto [a, b] = GetOperands(fcinfo);
    PG_RETURN_FLOAT8(-static_cast<double>(ActiveKernels().sparse_inner_product(a, b)));
}

// 1 - cos(a, b). NaN where a vector is zero, or where the float sums overflow.
ANNEX_FUNCTION(annex_sparsevec_cosine_distance) {
    const auto [a, b] = GetOperands(fcinfo);
    const auto product = static_cast<double>(ActiveKernels().sparse_inner_product(a, b));
    // The product of the norms under one root loses less than the product of two roots.
    const double similarity = product / std::sqrt(SquaredNorm(a) * SquaredNorm(b));
    // Rounding may carry it past 1. std::clamp returns a NaN unchanged.
    PG_RETURN_FLOAT8(1.0 - std::clamp(similarity, -1.0, 1.0));
}

ANNEX_FUNCTION(annex_sparsevec_l1_distance) {
    const auto [a, b] = GetOperands(fcinfo);
    PG_RETURN_FLOAT8(static_cast<double>(ActiveKernels().sparse_l1(a, b)));
}

ANNEX_FUNCTION(annex_sparsevec_l2_norm) {
    PG_RETURN_FLOAT8(Norm(ViewOf(DatumGetSparsevec(PG_GETARG_DATUM(0)))));
}

// A vector of norm 1 in the same direction; the zero vector stays zero. What becomes too small for a float is zero, and
// zeros are no elements.
ANNEX_FUNCTION(annex_sparsevec_l2_normalize) {
    const Sparsevec* vector = DatumGetSparsevec(PG_GETARG_DATUM(0));
    const SparseVector view = ViewOf(vector);
    const double norm = Norm(view);
    const auto normalized = [&](size_t i) { return static_cast<float>(view.values[i] / norm); };

    int elements = 0;
    for (size_t i = 0; i < view.count; i++) elements += normalized(i) != 0 ? 1 : 0;
    Sparsevec* result = NewSparsevec(vector->dim, elements);
    float* values = SparsevecValues(result);
    for (size_t i = 0, element = 0; i < view.count; i++) {
        const float value = normalized(i);
        if (value == 0) continue;
        if (unlikely(std::isinf(value))) float_overflow_error();
        result->indices[element] = view.indices[i];
        values[element++] = value;
    }
    PG_RETURN_POINTER(result);
}

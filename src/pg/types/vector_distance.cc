// Distances between vectors.
//
// Sums accumulate in float, in the engine's kernels, as pgvector's do: what overflows becomes infinite and is returned
// as such. vector_norm alone accumulates in double.
//
// These functions are what the executor calls to put an index's rows in their exact order, once for each row it
// fetches, so the way from the call to the kernel is kept short.
#include <algorithm>
#include <cmath>

#include "annex/kernels.h"
#include "pg/function.h"
#include "pg/types/vector.h"
#include "pg/types/vector_norm.h"

extern "C" {
#include "utils/float.h"
}

using namespace annex::pg;
using annex::ActiveKernels;

namespace {

// The two arguments of a function, of equal dimensions.
struct Operands {
    const float* a;
    const float* b;
    size_t n;
};

inline Operands GetOperands(FunctionCallInfo fcinfo) {
    const Vector* a = DatumGetVector(PG_GETARG_DATUM(0));
    const Vector* b = DatumGetVector(PG_GETARG_DATUM(1));
    CheckSameDimensions(kVectorType, a->dim, b->dim);
    return {a->x, b->x, static_cast<size_t>(a->dim)};
}

}  // namespace

ANNEX_FUNCTION(annex_l2_distance) {
    const auto [a, b, n] = GetOperands(fcinfo);
    PG_RETURN_FLOAT8(std::sqrt(static_cast<double>(ActiveKernels().l2_squared(a, b, n))));
}

ANNEX_FUNCTION(annex_vector_l2_squared_distance) {
    const auto [a, b, n] = GetOperands(fcinfo);
    PG_RETURN_FLOAT8(static_cast<double>(ActiveKernels().l2_squared(a, b, n)));
}

ANNEX_FUNCTION(annex_inner_product) {
    const auto [a, b, n] = GetOperands(fcinfo);
    PG_RETURN_FLOAT8(static_cast<double>(ActiveKernels().inner_product(a, b, n)));
}

ANNEX_FUNCTION(annex_vector_negative_inner_product) {
    const auto [a, b, n] = GetOperands(fcinfo);
    PG_RETURN_FLOAT8(-static_cast<double>(ActiveKernels().inner_product(a, b, n)));
}

// 1 - cos(a, b). NaN where a vector is zero, or where the float sums overflow.
ANNEX_FUNCTION(annex_cosine_distance) {
    const auto [a, b, n] = GetOperands(fcinfo);
    const annex::CosineSums sums = ActiveKernels().cosine(a, b, n);
    // The product of the norms under one root loses less than the product of two roots.
    const double norms = std::sqrt(static_cast<double>(sums.norm_a_squared) * static_cast<double>(sums.norm_b_squared));
    const double similarity = static_cast<double>(sums.inner_product) / norms;
    // Rounding may carry it past 1. std::clamp returns a NaN unchanged.
    PG_RETURN_FLOAT8(1.0 - std::clamp(similarity, -1.0, 1.0));
}

ANNEX_FUNCTION(annex_l1_distance) {
    const auto [a, b, n] = GetOperands(fcinfo);
    PG_RETURN_FLOAT8(static_cast<double>(ActiveKernels().l1(a, b, n)));
}

// The angle between two unit vectors, as a fraction of a half turn.
ANNEX_FUNCTION(annex_vector_spherical_distance) {
    const auto [a, b, n] = GetOperands(fcinfo);
    const double product = static_cast<double>(ActiveKernels().inner_product(a, b, n));
    PG_RETURN_FLOAT8(std::acos(std::clamp(product, -1.0, 1.0)) / M_PI);
}

ANNEX_FUNCTION(annex_vector_norm) {
    const Vector* vector = DatumGetVector(PG_GETARG_DATUM(0));
    PG_RETURN_FLOAT8(Norm(vector->x, vector->dim));
}

// Distances between dense values.
//
// Sums accumulate in float, in the engine's kernels, as pgvector's do: what overflows becomes infinite and is returned
// as such. The norm alone accumulates in double.
//
// These functions are what the executor calls to put an index's rows in their exact order, once for each row it
// fetches, so the way from the call to the kernel is kept short.
#include <algorithm>
#include <cmath>

#include "annex/kernels.h"
#include "pg/function.h"
#include "pg/types/dense_norm.h"
#include "pg/types/halfvec.h"
#include "pg/types/vector.h"

extern "C" {
#include "utils/float.h"
}

using namespace annex::pg;
using annex::ActiveKernels;
using annex::CosineSums;

namespace {

// The kernels, by the elements.
float L2Squared(const float* a, const float* b, size_t n) {
    return ActiveKernels().l2_squared(a, b, n);
}
float L2Squared(const uint16* a, const uint16* b, size_t n) {
    return ActiveKernels().half_l2_squared(a, b, n);
}
float InnerProduct(const float* a, const float* b, size_t n) {
    return ActiveKernels().inner_product(a, b, n);
}
float InnerProduct(const uint16* a, const uint16* b, size_t n) {
    return ActiveKernels().half_inner_product(a, b, n);
}
CosineSums Cosine(const float* a, const float* b, size_t n) {
    return ActiveKernels().cosine(a, b, n);
}
CosineSums Cosine(const uint16* a, const uint16* b, size_t n) {
    return ActiveKernels().half_cosine(a, b, n);
}
float L1(const float* a, const float* b, size_t n) {
    return ActiveKernels().l1(a, b, n);
}
float L1(const uint16* a, const uint16* b, size_t n) {
    return ActiveKernels().half_l1(a, b, n);
}

// The two arguments of a function, of equal dimensions.
template <class Value>
struct Operands {
    const typename Value::Element* a;
    const typename Value::Element* b;
    size_t n;
};

template <class Value>
inline Operands<Value> GetOperands(FunctionCallInfo fcinfo) {
    const auto* a = DatumGetDense<Value>(PG_GETARG_DATUM(0));
    const auto* b = DatumGetDense<Value>(PG_GETARG_DATUM(1));
    CheckSameDimensions(Value::kType, a->dim, b->dim);
    return {a->x, b->x, static_cast<size_t>(a->dim)};
}

template <class Value>
double SquareOfL2(FunctionCallInfo fcinfo) {
    const auto [a, b, n] = GetOperands<Value>(fcinfo);
    return static_cast<double>(L2Squared(a, b, n));
}

template <class Value>
double Product(FunctionCallInfo fcinfo) {
    const auto [a, b, n] = GetOperands<Value>(fcinfo);
    return static_cast<double>(InnerProduct(a, b, n));
}

// 1 - cos(a, b). NaN where a value is zero, or where the float sums overflow.
template <class Value>
double CosineDistance(FunctionCallInfo fcinfo) {
    const auto [a, b, n] = GetOperands<Value>(fcinfo);
    const CosineSums sums = Cosine(a, b, n);
    // The product of the norms under one root loses less than the product of two roots.
    const double norms = std::sqrt(static_cast<double>(sums.norm_a_squared) * static_cast<double>(sums.norm_b_squared));
    const double similarity = static_cast<double>(sums.inner_product) / norms;
    // Rounding may carry it past 1. std::clamp returns a NaN unchanged.
    return 1.0 - std::clamp(similarity, -1.0, 1.0);
}

template <class Value>
double Taxicab(FunctionCallInfo fcinfo) {
    const auto [a, b, n] = GetOperands<Value>(fcinfo);
    return static_cast<double>(L1(a, b, n));
}

// The angle between two values of norm 1, as a fraction of a half turn.
double Angle(double product) {
    return std::acos(std::clamp(product, -1.0, 1.0)) / M_PI;
}

}  // namespace

ANNEX_FUNCTION(annex_l2_distance) {
    PG_RETURN_FLOAT8(std::sqrt(SquareOfL2<Vector>(fcinfo)));
}
ANNEX_FUNCTION(annex_halfvec_l2_distance) {
    PG_RETURN_FLOAT8(std::sqrt(SquareOfL2<HalfVector>(fcinfo)));
}

ANNEX_FUNCTION(annex_vector_l2_squared_distance) {
    PG_RETURN_FLOAT8(SquareOfL2<Vector>(fcinfo));
}
ANNEX_FUNCTION(annex_halfvec_l2_squared_distance) {
    PG_RETURN_FLOAT8(SquareOfL2<HalfVector>(fcinfo));
}

ANNEX_FUNCTION(annex_inner_product) {
    PG_RETURN_FLOAT8(Product<Vector>(fcinfo));
}
ANNEX_FUNCTION(annex_halfvec_inner_product) {
    PG_RETURN_FLOAT8(Product<HalfVector>(fcinfo));
}

ANNEX_FUNCTION(annex_vector_negative_inner_product) {
    PG_RETURN_FLOAT8(-Product<Vector>(fcinfo));
}
ANNEX_FUNCTION(annex_halfvec_negative_inner_product) {
    PG_RETURN_FLOAT8(-Product<HalfVector>(fcinfo));
}

ANNEX_FUNCTION(annex_cosine_distance) {
    PG_RETURN_FLOAT8(CosineDistance<Vector>(fcinfo));
}
ANNEX_FUNCTION(annex_halfvec_cosine_distance) {
    PG_RETURN_FLOAT8(CosineDistance<HalfVector>(fcinfo));
}

ANNEX_FUNCTION(annex_l1_distance) {
    PG_RETURN_FLOAT8(Taxicab<Vector>(fcinfo));
}
ANNEX_FUNCTION(annex_halfvec_l1_distance) {
    PG_RETURN_FLOAT8(Taxicab<HalfVector>(fcinfo));
}

ANNEX_FUNCTION(annex_vector_spherical_distance) {
    PG_RETURN_FLOAT8(Angle(Product<Vector>(fcinfo)));
}
ANNEX_FUNCTION(annex_halfvec_spherical_distance) {
    PG_RETURN_FLOAT8(Angle(Product<HalfVector>(fcinfo)));
}

ANNEX_FUNCTION(annex_vector_norm) {
    PG_RETURN_FLOAT8(Norm(DatumGetDense<Vector>(PG_GETARG_DATUM(0))));
}
ANNEX_FUNCTION(annex_halfvec_l2_norm) {
    PG_RETURN_FLOAT8(Norm(DatumGetDense<HalfVector>(PG_GETARG_DATUM(0))));
}

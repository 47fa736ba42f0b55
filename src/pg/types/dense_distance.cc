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

// Vectors of so few elements take longer to get into the registers of a kernel than to go through one by one.
constexpr size_t kFew = 8;

// The kernels, by the elements.
struct L2Squared {
    static float Of(const float* a, const float* b, size_t n) { return ActiveKernels().l2_squared(a, b, n); }
    static float Of(const uint16* a, const uint16* b, size_t n) { return ActiveKernels().half_l2_squared(a, b, n); }
    static float Of(float a, float b) { return (a - b) * (a - b); }
};
struct InnerProduct {
    static float Of(const float* a, const float* b, size_t n) { return ActiveKernels().inner_product(a, b, n); }
    static float Of(const uint16* a, const uint16* b, size_t n) { return ActiveKernels().half_inner_product(a, b, n); }
    static float Of(float a, float b) { return a * b; }
};
struct L1 {
    static float Of(const float* a, const float* b, size_t n) { return ActiveKernels().l1(a, b, n); }
    static float Of(const uint16* a, const uint16* b, size_t n) { return ActiveKernels().half_l1(a, b, n); }
    static float Of(float a, float b) { return std::fabs(a - b); }
};

template <class Element>
inline float FloatAt(const Element* x, size_t i) {
    return ToFloat(ElementAt(x, static_cast<int>(i)));
}

template <class Term, class Element>
inline float SumOf(const Element* a, const Element* b, size_t n) {
    if (n >= kFew) return Term::Of(a, b, n);
    float sum = 0;
    for (size_t i = 0; i < n; i++) sum += Term::Of(FloatAt(a, i), FloatAt(b, i));
    return sum;
}

CosineSums CosineOf(const float* a, const float* b, size_t n) {
    return ActiveKernels().cosine(a, b, n);
}
CosineSums CosineOf(const uint16* a, const uint16* b, size_t n) {
    return ActiveKernels().half_cosine(a, b, n);
}

template <class Element>
inline CosineSums Cosine(const Element* a, const Element* b, size_t n) {
    if (n >= kFew) return CosineOf(a, b, n);
    CosineSums sums{0, 0, 0};
    for (size_t i = 0; i < n; i++) {
        const float x = FloatAt(a, i);
        const float y = FloatAt(b, i);
        sums.inner_product += x * y;
        sums.norm_a_squared += x * x;
        sums.norm_b_squared += y * y;
    }
    return sums;
}

// The two arguments of a function, of equal dimensions.
template <class Value>
class Operands {
  public:
    explicit Operands(FunctionCallInfo fcinfo)
        : a_(ViewDense<Value>(PG_GETARG_DATUM(0))), b_(ViewDense<Value>(PG_GETARG_DATUM(1))) {
        CheckSameDimensions(Value::kType, a_.dim, b_.dim);
    }

    [[nodiscard]] auto a() const { return a_.x; }
    [[nodiscard]] auto b() const { return b_.x; }
    [[nodiscard]] size_t n() const { return static_cast<size_t>(a_.dim); }

  private:
    DenseView<Value> a_;
    DenseView<Value> b_;
};

template <class Term, class Value>
double SumOf(FunctionCallInfo fcinfo) {
    const Operands<Value> operands(fcinfo);
    return static_cast<double>(SumOf<Term>(operands.a(), operands.b(), operands.n()));
}

template <class Value>
double SquareOfL2(FunctionCallInfo fcinfo) {
    return SumOf<L2Squared, Value>(fcinfo);
}

template <class Value>
double Product(FunctionCallInfo fcinfo) {
    return SumOf<InnerProduct, Value>(fcinfo);
}

// 1 - cos(a, b). NaN where a value is zero, or where the float sums overflow.
template <class Value>
double CosineDistance(FunctionCallInfo fcinfo) {
    const Operands<Value> operands(fcinfo);
    const CosineSums sums = Cosine(operands.a(), operands.b(), operands.n());
    // The product of the norms under one root loses less than the product of two roots.
    const double norms = std::sqrt(static_cast<double>(sums.norm_a_squared) * static_cast<double>(sums.norm_b_squared));
    const double similarity = static_cast<double>(sums.inner_product) / norms;
    // Rounding may carry it past 1. std::clamp returns a NaN unchanged.
    return 1.0 - std::clamp(similarity, -1.0, 1.0);
}

template <class Value>
double Taxicab(FunctionCallInfo fcinfo) {
    return SumOf<L1, Value>(fcinfo);
}

template <class Value>
double NormOf(FunctionCallInfo fcinfo) {
    const auto [x, n] = ViewDense<Value>(PG_GETARG_DATUM(0));
    return Norm(x, n);
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
    PG_RETURN_FLOAT8(NormOf<Vector>(fcinfo));
}
ANNEX_FUNCTION(annex_halfvec_l2_norm) {
    PG_RETURN_FLOAT8(NormOf<HalfVector>(fcinfo));
}

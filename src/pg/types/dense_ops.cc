// Dense values in, dense values out: arithmetic element by element, concatenation, parts, normalisation, signs.
//
// Arithmetic on halfs is that of floats, rounded to a half after each operation; what went out of range is looked for
// afterwards.
#include <algorithm>
#include <cstring>

#include "pg/function.h"
#include "pg/types/dense_floats.h"
#include "pg/types/dense_norm.h"
#include "pg/types/halfvec.h"
#include "pg/types/vector.h"

extern "C" {
#include "utils/float.h"
#include "utils/varbit.h"
}

using namespace annex::pg;
using annex::ActiveKernels;
using annex::ElementCheck;

namespace {

// Of finite operands, what is not finite has overflowed.
template <class Value>
void CheckOverflow(const Value* result) {
    if (unlikely(!AllFinite(result->x, result->dim))) float_overflow_error();
}

// A kernel, as annex/kernels.h has them.
using Operation = ElementCheck(const float* a, const float* b, float* result, size_t n);

// A result and whether it may have zeros.
template <class Value>
struct Computed {
    Value* value;
    bool zero;
};

// The two arguments of a function.
template <class Value>
struct Operands {
    DenseView<Value> a;
    DenseView<Value> b;
};

template <class Value>
inline Operands<Value> GetOperands(FunctionCallInfo fcinfo) {
    return {ViewDense<Value>(PG_GETARG_DATUM(0)), ViewDense<Value>(PG_GETARG_DATUM(1))};
}

inline Computed<Vector> ElementWise(const Operands<Vector>& operands, Operation operation) {
    const DenseView<Vector>& a = operands.a;
    const DenseView<Vector>& b = operands.b;
    CheckSameDimensions(Vector::kType, a.dim, b.dim);
    auto* result = NewDenseToFill<Vector>(a.dim);
    const ElementCheck check = operation(a.x, b.x, result->x, static_cast<size_t>(a.dim));
    if (unlikely(!check.finite)) float_overflow_error();
    return {result, check.zero};
}

inline Computed<HalfVector> ElementWise(const Operands<HalfVector>& operands, Operation operation) {
    const DenseView<HalfVector>& a = operands.a;
    const DenseView<HalfVector>& b = operands.b;
    CheckSameDimensions(HalfVector::kType, a.dim, b.dim);
    auto* result = NewDenseToFill<HalfVector>(a.dim);
    ForEachChunk(a.dim, [&](int first, int count) {
        float buffers[3][kChunk];
        const float* x = AsFloats(a.x + first, count, buffers[0]);
        const float* y = AsFloats(b.x + first, count, buffers[1]);
        operation(x, y, buffers[2], static_cast<size_t>(count));
        StoreFloats(buffers[2], result->x + first, count);
    });
    CheckOverflow(result);
    // it may have become zero when it was rounded
    return {result, true};
}

template <class Value>
Datum Dimensions(FunctionCallInfo fcinfo) {
    PG_RETURN_INT32(ViewDense<Value>(PG_GETARG_DATUM(0)).dim);
}

template <class Value>
Datum Add(FunctionCallInfo fcinfo) {
    PG_RETURN_POINTER(ElementWise(GetOperands<Value>(fcinfo), *ActiveKernels().add).value);
}

template <class Value>
Datum Subtract(FunctionCallInfo fcinfo) {
    PG_RETURN_POINTER(ElementWise(GetOperands<Value>(fcinfo), *ActiveKernels().subtract).value);
}

// Of operands that are not zero, a product that is zero has underflowed.
template <class Value>
void CheckUnderflow(const Operands<Value>& operands, const Value* product) {
    const auto* a = operands.a.x;
    const auto* b = operands.b.x;
    bool underflow = false;
    for (int i = 0; i < product->dim; i++)
        underflow |= IsZero(product->x[i]) && !IsZero(ElementAt(a, i)) && !IsZero(ElementAt(b, i));
    if (unlikely(underflow)) float_underflow_error();
}

template <class Value>
Datum Multiply(FunctionCallInfo fcinfo) {
    const auto operands = GetOperands<Value>(fcinfo);
    const auto [product, zero] = ElementWise(operands, *ActiveKernels().multiply);
    if (zero) CheckUnderflow(operands, product);
    PG_RETURN_POINTER(product);
}

template <class Value>
Datum Concatenate(FunctionCallInfo fcinfo) {
    const auto [a, b] = GetOperands<Value>(fcinfo);
    const int dimensions = a.dim + b.dim;
    CheckDimensions(Value::kType, dimensions);

    auto* result = NewDenseToFill<Value>(dimensions);
    memcpy(result->x, a.x, sizeof(*a.x) * static_cast<size_t>(a.dim));
    memcpy(result->x + a.dim, b.x, sizeof(*b.x) * static_cast<size_t>(b.dim));
    PG_RETURN_POINTER(result);
}

// subvector(v, start, count): counted from 1 and clipped at both ends, as substring() is; what is left must not be
// empty.
template <class Value>
Datum Part(FunctionCallInfo fcinfo) {
    const auto value = ViewDense<Value>(PG_GETARG_DATUM(0));
    const int64 start = PG_GETARG_INT32(1);
    const int64 count = PG_GETARG_INT32(2);
    const int64 first = std::max<int64>(start, 1);
    const int64 end = std::min<int64>(start + count, value.dim + 1);
    const int dimensions = static_cast<int>(std::max<int64>(end - first, 0));
    CheckDimensions(Value::kType, dimensions);

    auto* result = NewDenseToFill<Value>(dimensions);
    memcpy(result->x, value.x + (first - 1), sizeof(*value.x) * static_cast<size_t>(dimensions));
    PG_RETURN_POINTER(result);
}

// A value of norm 1 in the same direction; zero stays zero.
template <class Value>
Datum Normalize(FunctionCallInfo fcinfo) {
    ShortCopy copy;
    const auto* value = DatumGetDense<Value>(PG_GETARG_DATUM(0), &copy);
    auto* result = NewDense<Value>(value->dim);
    const double norm = Norm(value->x, value->dim);
    if (norm > 0) {
        ForEachChunk(value->dim, [&](int first, int count) {
            float buffers[2][kChunk];
            const float* x = AsFloats(value->x + first, count, buffers[0]);
            float* y = PlaceFor(result->x + first, buffers[1]);
            for (int i = 0; i < count; i++) y[i] = static_cast<float>(x[i] / norm);
            StoreFloats(y, result->x + first, count);
        });
        CheckOverflow(result);
    }
    PG_RETURN_POINTER(result);
}

// bit(n) with a 1 where the element is positive, the first element in the most significant bit.
template <class Value>
Datum Signs(FunctionCallInfo fcinfo) {
    const auto value = ViewDense<Value>(PG_GETARG_DATUM(0));
    const size_t size = VARBITTOTALLEN(value.dim);
    auto* bits = static_cast<VarBit*>(palloc(size));
    SET_VARSIZE(bits, size);
    VARBITLEN(bits) = value.dim;

    static_assert(kChunk % BITS_PER_BYTE == 0);
    ForEachChunk(value.dim, [&](int first, int count) {
        float buffer[kChunk];
        const float* x = AsFloats(value.x + first, count, buffer);
        ActiveKernels().signs(x, VARBITS(bits) + first / BITS_PER_BYTE, static_cast<size_t>(count));
    });
    PG_RETURN_VARBIT_P(bits);
}

}  // namespace

ANNEX_FUNCTION(annex_vector_dims) {
    return Dimensions<Vector>(fcinfo);
}
ANNEX_FUNCTION(annex_halfvec_vector_dims) {
    return Dimensions<HalfVector>(fcinfo);
}

ANNEX_FUNCTION(annex_vector_add) {
    return Add<Vector>(fcinfo);
}
ANNEX_FUNCTION(annex_halfvec_add) {
    return Add<HalfVector>(fcinfo);
}

ANNEX_FUNCTION(annex_vector_sub) {
    return Subtract<Vector>(fcinfo);
}
ANNEX_FUNCTION(annex_halfvec_sub) {
    return Subtract<HalfVector>(fcinfo);
}

ANNEX_FUNCTION(annex_vector_mul) {
    return Multiply<Vector>(fcinfo);
}
ANNEX_FUNCTION(annex_halfvec_mul) {
    return Multiply<HalfVector>(fcinfo);
}

ANNEX_FUNCTION(annex_vector_concat) {
    return Concatenate<Vector>(fcinfo);
}
ANNEX_FUNCTION(annex_halfvec_concat) {
    return Concatenate<HalfVector>(fcinfo);
}

ANNEX_FUNCTION(annex_subvector) {
    return Part<Vector>(fcinfo);
}
ANNEX_FUNCTION(annex_halfvec_subvector) {
    return Part<HalfVector>(fcinfo);
}

ANNEX_FUNCTION(annex_l2_normalize) {
    return Normalize<Vector>(fcinfo);
}
ANNEX_FUNCTION(annex_halfvec_l2_normalize) {
    return Normalize<HalfVector>(fcinfo);
}

ANNEX_FUNCTION(annex_binary_quantize) {
    return Signs<Vector>(fcinfo);
}
ANNEX_FUNCTION(annex_halfvec_binary_quantize) {
    return Signs<HalfVector>(fcinfo);
}

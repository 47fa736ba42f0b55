// Vector in, vector out: arithmetic element by element, concatenation, parts, normalisation, signs.
//
// The loops have no branch, so that the compiler may vectorise them; what went out of range is looked for afterwards.
#include <algorithm>
#include <cstring>

#include "pg/function.h"
#include "pg/types/vector.h"
#include "pg/types/vector_norm.h"

extern "C" {
#include "utils/float.h"
#include "utils/varbit.h"
}

using namespace annex::pg;

namespace {

// Of finite operands, what is not finite has overflowed.
void CheckOverflow(const Vector* result) {
    if (unlikely(!AllFinite(result->x, result->dim))) float_overflow_error();
}

// result[i] = operation(a[i], b[i]) of the function's two arguments.
template <typename Operation>
Vector* ElementWise(const Vector* a, const Vector* b, Operation operation) {
    CheckSameDimensions(kVectorType, a->dim, b->dim);
    Vector* result = NewVector(a->dim);
    for (int i = 0; i < a->dim; i++) result->x[i] = operation(a->x[i], b->x[i]);
    CheckOverflow(result);
    return result;
}

}  // namespace

ANNEX_FUNCTION(annex_vector_dims) {
    PG_RETURN_INT32(DatumGetVector(PG_GETARG_DATUM(0))->dim);
}

ANNEX_FUNCTION(annex_vector_add) {
    PG_RETURN_POINTER(ElementWise(DatumGetVector(PG_GETARG_DATUM(0)), DatumGetVector(PG_GETARG_DATUM(1)),
                                  [](float x, float y) { return x + y; }));
}

ANNEX_FUNCTION(annex_vector_sub) {
    PG_RETURN_POINTER(ElementWise(DatumGetVector(PG_GETARG_DATUM(0)), DatumGetVector(PG_GETARG_DATUM(1)),
                                  [](float x, float y) { return x - y; }));
}

ANNEX_FUNCTION(annex_vector_mul) {
    const Vector* a = DatumGetVector(PG_GETARG_DATUM(0));
    const Vector* b = DatumGetVector(PG_GETARG_DATUM(1));
    const Vector* product = ElementWise(a, b, [](float x, float y) { return x * y; });

    uint32 underflow = 0;
    for (int i = 0; i < a->dim; i++) underflow |= (product->x[i] == 0) & (a->x[i] != 0) & (b->x[i] != 0) ? 1U : 0U;
    if (unlikely(underflow != 0)) float_underflow_error();
    PG_RETURN_POINTER(product);
}

ANNEX_FUNCTION(annex_vector_concat) {
    const Vector* a = DatumGetVector(PG_GETARG_DATUM(0));
    const Vector* b = DatumGetVector(PG_GETARG_DATUM(1));
    const int dimensions = a->dim + b->dim;
    CheckDimensions(kVectorType, dimensions);

    Vector* result = NewVector(dimensions);
    memcpy(result->x, a->x, sizeof(float) * static_cast<size_t>(a->dim));
    memcpy(result->x + a->dim, b->x, sizeof(float) * static_cast<size_t>(b->dim));
    PG_RETURN_POINTER(result);
}

// subvector(v, start, count): counted from 1 and clipped at both ends, as substring() is; what is left must not be
// empty.
ANNEX_FUNCTION(annex_subvector) {
    const Vector* vector = DatumGetVector(PG_GETARG_DATUM(0));
    const int64 start = PG_GETARG_INT32(1);
    const int64 count = PG_GETARG_INT32(2);
    const int64 first = std::max<int64>(start, 1);
    const int64 end = std::min<int64>(start + count, vector->dim + 1);
    const int dimensions = static_cast<int>(std::max<int64>(end - first, 0));
    CheckDimensions(kVectorType, dimensions);

    Vector* result = NewVector(dimensions);
    memcpy(result->x, vector->x + (first - 1), sizeof(float) * static_cast<size_t>(dimensions));
    PG_RETURN_POINTER(result);
}

// A vector of norm 1 in the same direction; the zero vector stays zero.
ANNEX_FUNCTION(annex_l2_normalize) {
    const Vector* vector = DatumGetVector(PG_GETARG_DATUM(0));
    Vector* result = NewVector(vector->dim);
    const double norm = Norm(vector->x, vector->dim);
    if (norm > 0) {
        for (int i = 0; i < vector->dim; i++) result->x[i] = static_cast<float>(vector->x[i] / norm);
        CheckOverflow(result);
    }
    PG_RETURN_POINTER(result);
}

// bit(n) with a 1 where the element is positive, the first element in the most significant bit.
ANNEX_FUNCTION(annex_binary_quantize) {
    const Vector* vector = DatumGetVector(PG_GETARG_DATUM(0));
    const size_t size = VARBITTOTALLEN(vector->dim);
    auto* bits = static_cast<VarBit*>(palloc0(size));
    SET_VARSIZE(bits, size);
    VARBITLEN(bits) = vector->dim;

    bits8* bytes = VARBITS(bits);
    for (int i = 0; i < vector->dim; i++)
        bytes[i / 8] = static_cast<bits8>(bytes[i / 8] | ((vector->x[i] > 0 ? 1 : 0) << (7 - i % 8)));
    PG_RETURN_VARBIT_P(bits);
}

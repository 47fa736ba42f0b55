// Casts of the dense types: to a column's dimensions, from arrays of numbers, to real[], and between the two.
#include <cstring>

#include "pg/function.h"
#include "pg/types/dense_floats.h"
#include "pg/types/halfvec.h"
#include "pg/types/vector.h"

using namespace annex::pg;

namespace {

// type -> type(n) checks and never pads or cuts. The value itself is returned, so that a TOASTed one stays so.
template <class Value>
Datum CheckTypmod(FunctionCallInfo fcinfo) {
    const Datum datum = PG_GETARG_DATUM(0);
    const int32 typmod = PG_GETARG_INT32(1);
    ShortCopy copy;
    if (typmod != -1) CheckExpectedDimensions(typmod, DatumGetDense<Value>(datum, &copy)->dim);
    PG_RETURN_DATUM(datum);
}

// Room for the floats that become these elements, all at once.
float* RoomFor(float* elements, int) {
    return elements;
}
float* RoomFor(uint16*, int n) {
    return static_cast<float*>(palloc(sizeof(float) * static_cast<size_t>(n)));
}

template <class Value>
Datum FromArray(FunctionCallInfo fcinfo) {
    ArrayType* array = PG_GETARG_ARRAYTYPE_P(0);
    const int dimensions = ArrayDimensions(Value::kType, array, PG_GETARG_INT32(1));
    auto* result = NewDenseToFill<Value>(dimensions);
    float* floats = RoomFor(result->x, dimensions);
    ArrayToFloats(array, floats, dimensions);
    StoreInRange(Value::kType, floats, result->x, dimensions);
    CheckElements(Value::kType, result->x, dimensions);
    PG_RETURN_POINTER(result);
}

}  // namespace

ANNEX_FUNCTION(annex_vector) {
    return CheckTypmod<Vector>(fcinfo);
}
ANNEX_FUNCTION(annex_halfvec) {
    return CheckTypmod<HalfVector>(fcinfo);
}

ANNEX_FUNCTION(annex_array_to_vector) {
    return FromArray<Vector>(fcinfo);
}
ANNEX_FUNCTION(annex_array_to_halfvec) {
    return FromArray<HalfVector>(fcinfo);
}

ANNEX_FUNCTION(annex_vector_to_float4) {
    ShortCopy copy;
    const auto* vector = DatumGetDense<Vector>(PG_GETARG_DATUM(0), &copy);
    ArrayType* array = NewFloatArray(vector->dim);
    memcpy(ARR_DATA_PTR(array), vector->x, sizeof(float4) * static_cast<size_t>(vector->dim));
    PG_RETURN_POINTER(array);
}

ANNEX_FUNCTION(annex_halfvec_to_float4) {
    ShortCopy copy;
    const auto* halfvec = DatumGetDense<HalfVector>(PG_GETARG_DATUM(0), &copy);
    ArrayType* array = NewFloatArray(halfvec->dim);
    (void)AsFloats(halfvec->x, halfvec->dim, reinterpret_cast<float4*>(ARR_DATA_PTR(array)));
    PG_RETURN_POINTER(array);
}

ANNEX_FUNCTION(annex_halfvec_to_vector) {
    ShortCopy copy;
    const auto* halfvec = DatumGetDense<HalfVector>(PG_GETARG_DATUM(0), &copy);
    CheckExpectedDimensions(PG_GETARG_INT32(1), halfvec->dim);
    auto* result = NewDenseToFill<Vector>(halfvec->dim);
    (void)AsFloats(halfvec->x, halfvec->dim, result->x);
    PG_RETURN_POINTER(result);
}

ANNEX_FUNCTION(annex_vector_to_halfvec) {
    ShortCopy copy;
    const auto* vector = DatumGetDense<Vector>(PG_GETARG_DATUM(0), &copy);
    CheckExpectedDimensions(PG_GETARG_INT32(1), vector->dim);
    auto* result = NewDenseToFill<HalfVector>(vector->dim);
    StoreInRange(HalfVector::kType, vector->x, result->x, vector->dim);
    PG_RETURN_POINTER(result);
}

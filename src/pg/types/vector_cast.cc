// Casts of vector: to a column's dimensions, from arrays of numbers, to real[].
#include "pg/function.h"
#include "pg/types/vector.h"

using namespace annex::pg;

// vector -> vector(n) checks and never pads or cuts. The value itself is returned, so that a TOASTed one stays so.
ANNEX_FUNCTION(annex_vector) {
    const Datum datum = PG_GETARG_DATUM(0);
    const int32 typmod = PG_GETARG_INT32(1);
    if (typmod != -1) CheckExpectedDimensions(typmod, DatumGetVector(datum)->dim);
    PG_RETURN_DATUM(datum);
}

ANNEX_FUNCTION(annex_array_to_vector) {
    ArrayType* array = PG_GETARG_ARRAYTYPE_P(0);
    const int dimensions = ArrayDimensions(kVectorType, array, PG_GETARG_INT32(1));
    Vector* result = NewVector(dimensions);
    ArrayToFloats(array, result->x, dimensions);
    CheckElements(kVectorType, result->x, dimensions);
    PG_RETURN_POINTER(result);
}

ANNEX_FUNCTION(annex_vector_to_float4) {
    const Vector* vector = DatumGetVector(PG_GETARG_DATUM(0));
    PG_RETURN_POINTER(FloatsToArray(vector->x, vector->dim));
}

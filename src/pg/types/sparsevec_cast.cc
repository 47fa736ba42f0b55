// Casts of sparsevec: to a column's dimensions, from arrays of numbers, from and to the dense types.
#include "pg/function.h"
#include "pg/types/dense_floats.h"
#include "pg/types/halfvec.h"
#include "pg/types/sparsevec.h"
#include "pg/types/vector.h"

using namespace annex::pg;

// sparsevec -> sparsevec(n) checks and never pads or cuts. The value itself is returned, so that a TOASTed one stays
// so.
ANNEX_FUNCTION(annex_sparsevec) {
    const Datum datum = PG_GETARG_DATUM(0);
    const int32 typmod = PG_GETARG_INT32(1);
    ShortCopy copy;
    if (typmod != -1) CheckExpectedDimensions(typmod, DatumGetSparsevec(datum, &copy)->dim);
    PG_RETURN_DATUM(datum);
}

ANNEX_FUNCTION(annex_array_to_sparsevec) {
    ArrayType* array = PG_GETARG_ARRAYTYPE_P(0);
    const int dimensions = ArrayDimensions(kSparsevecType, array, PG_GETARG_INT32(1));
    auto* x = static_cast<float*>(palloc(sizeof(float) * static_cast<size_t>(dimensions)));
    ArrayToFloats(array, x, dimensions);
    Sparsevec* result = SparsevecOfFloats(x, dimensions);
    CheckElements(kSparsevecType, SparsevecValues(result), result->nnz);
    pfree(x);
    PG_RETURN_POINTER(result);
}

ANNEX_FUNCTION(annex_vector_to_sparsevec) {
    ShortCopy copy;
    const auto* vector = DatumGetDense<Vector>(PG_GETARG_DATUM(0), &copy);
    CheckExpectedDimensions(PG_GETARG_INT32(1), vector->dim);
    Sparsevec* result = SparsevecOfFloats(vector->x, vector->dim);
    PG_RETURN_POINTER(result);
}

ANNEX_FUNCTION(annex_halfvec_to_sparsevec) {
    ShortCopy copy;
    const auto* vector = DatumGetDense<HalfVector>(PG_GETARG_DATUM(0), &copy);
    CheckExpectedDimensions(PG_GETARG_INT32(1), vector->dim);
    auto* x = static_cast<float*>(palloc(sizeof(float) * static_cast<size_t>(vector->dim)));
    Sparsevec* result = SparsevecOfFloats(AsFloats(vector->x, vector->dim, x), vector->dim);
    pfree(x);
    PG_RETURN_POINTER(result);
}

ANNEX_FUNCTION(annex_sparsevec_to_vector) {
    ShortCopy copy;
    const Sparsevec* vector = DatumGetSparsevec(PG_GETARG_DATUM(0), &copy);
    CheckDimensions(kVectorType, vector->dim);
    CheckExpectedDimensions(PG_GETARG_INT32(1), vector->dim);
    Vector* result = NewVector(vector->dim);
    ScatterSparsevec(vector, result->x);
    PG_RETURN_POINTER(result);
}

ANNEX_FUNCTION(annex_sparsevec_to_halfvec) {
    ShortCopy copy;
    const Sparsevec* vector = DatumGetSparsevec(PG_GETARG_DATUM(0), &copy);
    CheckDimensions(HalfVector::kType, vector->dim);
    CheckExpectedDimensions(PG_GETARG_INT32(1), vector->dim);
    auto* x = static_cast<float*>(palloc0(sizeof(float) * static_cast<size_t>(vector->dim)));
    ScatterSparsevec(vector, x);
    HalfVector* result = NewHalfVector(vector->dim);
    StoreInRange(HalfVector::kType, x, result->x, vector->dim);
    pfree(x);
    PG_RETURN_POINTER(result);
}

// avg of vector and of halfvec. sum needs nothing but the addition.
//
// The state is a double precision[] of {count, sum of x[1], ..., sum of x[n]}; {0} before the first row. It is the
// same array as pgvector's, so that states of partial aggregates mean the same.
#include <cmath>
#include <cstring>

#include "pg/function.h"
#include "pg/types/dense_floats.h"
#include "pg/types/halfvec.h"
#include "pg/types/vector.h"

extern "C" {
#include "catalog/pg_type.h"
#include "utils/float.h"
}

using namespace annex::pg;

namespace {

// A view of a state array.
struct AverageState {
    double* count;
    double* sums;
    int dimensions;  // 0 before the first row
};

AverageState ViewState(ArrayType* array, const char* caller) {
    if (ARR_NDIM(array) != 1 || ARR_DIMS(array)[0] < 1 || ARR_HASNULL(array) || ARR_ELEMTYPE(array) != FLOAT8OID)
        elog(ERROR, "%s: expected state array", caller);
    auto* values = reinterpret_cast<double*>(ARR_DATA_PTR(array));
    return {values, values + 1, ARR_DIMS(array)[0] - 1};
}

// A state array whose values are left to the caller to fill.
ArrayType* NewState(int dimensions) {
    const size_t size = ARR_OVERHEAD_NONULLS(1) + sizeof(double) * (static_cast<size_t>(dimensions) + 1);
    auto* array = static_cast<ArrayType*>(palloc(size));
    SET_VARSIZE(array, size);
    array->ndim = 1;
    array->dataoffset = 0;
    array->elemtype = FLOAT8OID;
    ARR_DIMS(array)[0] = dimensions + 1;
    ARR_LBOUND(array)[0] = 1;
    return array;
}

void CheckSums(const double* sums, int n) {
    bool overflow = false;
    for (int i = 0; i < n; i++) overflow |= std::isinf(sums[i]);
    if (unlikely(overflow)) float_overflow_error();
}

template <class Value>
Datum Accumulate(FunctionCallInfo fcinfo, const char* caller) {
    ArrayType* array = PG_GETARG_ARRAYTYPE_P(0);
    const AverageState state = ViewState(array, caller);
    const auto* value = DatumGetDense<Value>(PG_GETARG_DATUM(1));
    const bool first_row = state.dimensions == 0;
    if (!first_row) CheckExpectedDimensions(state.dimensions, value->dim);

    // An aggregate's own state may be changed where it lies; called otherwise, the argument belongs to the caller.
    ArrayType* result = array;
    if (first_row || !AggCheckCallContext(fcinfo, nullptr)) result = NewState(value->dim);
    const AverageState next = ViewState(result, caller);
    *next.count = *state.count + 1.0;
    ForEachChunk(value->dim, [&](int first, int count) {
        float buffer[kChunk];
        const float* x = AsFloats(value->x + first, count, buffer);
        for (int i = 0; i < count; i++) next.sums[first + i] = (first_row ? 0.0 : state.sums[first + i]) + x[i];
    });
    CheckSums(next.sums, next.dimensions);
    PG_RETURN_ARRAYTYPE_P(result);
}

// NULL for no rows, as SQL has it.
template <class Value>
Datum Average(FunctionCallInfo fcinfo, const char* caller) {
    const AverageState state = ViewState(PG_GETARG_ARRAYTYPE_P(0), caller);
    if (*state.count == 0.0) PG_RETURN_NULL();
    CheckDimensions(Value::kType, state.dimensions);

    auto* result = NewDenseToFill<Value>(state.dimensions);
    ForEachChunk(state.dimensions, [&](int first, int count) {
        float buffer[kChunk];
        float* x = PlaceFor(result->x + first, buffer);
        for (int i = 0; i < count; i++) x[i] = static_cast<float>(state.sums[first + i] / *state.count);
        StoreInRange(Value::kType, x, result->x + first, count);
        CheckElements(Value::kType, result->x + first, count);
    });
    PG_RETURN_POINTER(result);
}

}  // namespace

ANNEX_FUNCTION(annex_vector_accum) {
    return Accumulate<Vector>(fcinfo, "vector_accum");
}

ANNEX_FUNCTION(annex_halfvec_accum) {
    return Accumulate<HalfVector>(fcinfo, "halfvec_accum");
}

// Of both types: their states are alike.
ANNEX_FUNCTION(annex_vector_combine) {
    ArrayType* a_array = PG_GETARG_ARRAYTYPE_P(0);
    ArrayType* b_array = PG_GETARG_ARRAYTYPE_P(1);
    const AverageState a = ViewState(a_array, "vector_combine");
    const AverageState b = ViewState(b_array, "vector_combine");
    if (*a.count == 0.0) PG_RETURN_ARRAYTYPE_P(b_array);
    if (*b.count == 0.0) PG_RETURN_ARRAYTYPE_P(a_array);
    CheckExpectedDimensions(a.dimensions, b.dimensions);

    ArrayType* result = NewState(a.dimensions);
    const AverageState sum = ViewState(result, "vector_combine");
    *sum.count = *a.count + *b.count;
    for (int i = 0; i < a.dimensions; i++) sum.sums[i] = a.sums[i] + b.sums[i];
    CheckSums(sum.sums, sum.dimensions);
    PG_RETURN_ARRAYTYPE_P(result);
}

ANNEX_FUNCTION(annex_vector_avg) {
    return Average<Vector>(fcinfo, "vector_avg");
}

ANNEX_FUNCTION(annex_halfvec_avg) {
    return Average<HalfVector>(fcinfo, "halfvec_avg");
}

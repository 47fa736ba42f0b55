// avg(vector). sum(vector) needs nothing but vector_add.
//
// The state is a double precision[] of {count, sum of x[1], ..., sum of x[n]}; {0} before the first row. It is the
// same array as pgvector's, so that states of partial aggregates mean the same.
#include <cmath>
#include <cstring>

#include "pg/function.h"
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

}  // namespace

ANNEX_FUNCTION(annex_vector_accum) {
    ArrayType* array = PG_GETARG_ARRAYTYPE_P(0);
    const AverageState state = ViewState(array, "vector_accum");
    const Vector* vector = DatumGetVector(PG_GETARG_DATUM(1));
    const bool first = state.dimensions == 0;
    if (!first) CheckExpectedDimensions(state.dimensions, vector->dim);

    // An aggregate's own state may be changed where it lies; called otherwise, the argument belongs to the caller.
    ArrayType* result = array;
    if (first || !AggCheckCallContext(fcinfo, nullptr)) result = NewState(vector->dim);
    const AverageState next = ViewState(result, "vector_accum");
    *next.count = *state.count + 1.0;
    for (int i = 0; i < vector->dim; i++) next.sums[i] = (first ? 0.0 : state.sums[i]) + vector->x[i];
    CheckSums(next.sums, next.dimensions);
    PG_RETURN_ARRAYTYPE_P(result);
}

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

// NULL for no rows, as SQL has it.
ANNEX_FUNCTION(annex_vector_avg) {
    const AverageState state = ViewState(PG_GETARG_ARRAYTYPE_P(0), "vector_avg");
    if (*state.count == 0.0) PG_RETURN_NULL();
    CheckDimensions(kVectorType, state.dimensions);

    Vector* result = NewVector(state.dimensions);
    for (int i = 0; i < state.dimensions; i++) result->x[i] = static_cast<float>(state.sums[i] / *state.count);
    CheckElements(kVectorType, result->x, state.dimensions);
    PG_RETURN_POINTER(result);
}

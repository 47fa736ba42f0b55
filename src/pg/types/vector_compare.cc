// The order of vectors, for btree indexes, sorting and equality: element by element, then by dimensions, as
// PostgreSQL's arrays compare.
#include <algorithm>

#include "pg/function.h"
#include "pg/types/vector.h"

using namespace annex::pg;

namespace {

int Compare(const Vector* a, const Vector* b) {
    const int common = std::min(a->dim, b->dim);
    for (int i = 0; i < common; i++)
        if (a->x[i] != b->x[i]) return a->x[i] < b->x[i] ? -1 : 1;
    return a->dim < b->dim ? -1 : a->dim > b->dim;
}

// Compares the function's two arguments. A sort calls this in one memory context, so copies are freed.
int CompareArguments(FunctionCallInfo fcinfo) {
    const Vector* a = DatumGetVector(PG_GETARG_DATUM(0));
    const Vector* b = DatumGetVector(PG_GETARG_DATUM(1));
    const int order = Compare(a, b);
    FreeVectorIfCopy(a, PG_GETARG_DATUM(0));
    FreeVectorIfCopy(b, PG_GETARG_DATUM(1));
    return order;
}

}  // namespace

ANNEX_FUNCTION(annex_vector_lt) {
    PG_RETURN_BOOL(CompareArguments(fcinfo) < 0);
}

ANNEX_FUNCTION(annex_vector_le) {
    PG_RETURN_BOOL(CompareArguments(fcinfo) <= 0);
}

ANNEX_FUNCTION(annex_vector_eq) {
    PG_RETURN_BOOL(CompareArguments(fcinfo) == 0);
}

ANNEX_FUNCTION(annex_vector_ne) {
    PG_RETURN_BOOL(CompareArguments(fcinfo) != 0);
}

ANNEX_FUNCTION(annex_vector_ge) {
    PG_RETURN_BOOL(CompareArguments(fcinfo) >= 0);
}

ANNEX_FUNCTION(annex_vector_gt) {
    PG_RETURN_BOOL(CompareArguments(fcinfo) > 0);
}

ANNEX_FUNCTION(annex_vector_cmp) {
    PG_RETURN_INT32(CompareArguments(fcinfo));
}

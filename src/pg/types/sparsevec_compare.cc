// The order of sparse vectors, for btree indexes, sorting and equality: that of the same vectors written out with their
// zeros, coordinate by coordinate, then by dimensions.
#include <algorithm>

#include "pg/function.h"
#include "pg/types/sparsevec.h"

using namespace annex::pg;
using annex::SparseVector;

namespace {

constexpr int32 kBehindAll = PG_INT32_MAX;

int Compare(const Sparsevec* a, const Sparsevec* b) {
    const SparseVector x = ViewOf(a);
    const SparseVector y = ViewOf(b);
    const size_t common = std::min(x.count, y.count);
    size_t i = 0;
    while (i < common && x.indices[i] == y.indices[i] && x.values[i] == y.values[i]) i++;

    // The first coordinate at which they may differ: where one has nothing it has a zero, if it goes that far.
    const int32 x_index = i < x.count ? x.indices[i] : kBehindAll;
    const int32 y_index = i < y.count ? y.indices[i] : kBehindAll;
    if (std::min(x_index, y_index) < std::min(a->dim, b->dim)) {
        const float x_value = x_index <= y_index ? x.values[i] : 0;
        const float y_value = y_index <= x_index ? y.values[i] : 0;
        return x_value < y_value ? -1 : 1;
    }
    return a->dim < b->dim ? -1 : a->dim > b->dim;
}

// Compares the function's two arguments. A sort calls this in one memory context, so copies are freed.
int CompareArguments(FunctionCallInfo fcinfo) {
    ShortCopy copies[2];
    const Sparsevec* a = DatumGetSparsevec(PG_GETARG_DATUM(0), &copies[0]);
    const Sparsevec* b = DatumGetSparsevec(PG_GETARG_DATUM(1), &copies[1]);
    const int order = Compare(a, b);
    FreeIfCopy(a, PG_GETARG_DATUM(0), &copies[0]);
    FreeIfCopy(b, PG_GETARG_DATUM(1), &copies[1]);
    return order;
}

}  // namespace

ANNEX_FUNCTION(annex_sparsevec_lt) {
    PG_RETURN_BOOL(CompareArguments(fcinfo) < 0);
}

ANNEX_FUNCTION(annex_sparsevec_le) {
    PG_RETURN_BOOL(CompareArguments(fcinfo) <= 0);
}

ANNEX_FUNCTION(annex_sparsevec_eq) {
    PG_RETURN_BOOL(CompareArguments(fcinfo) == 0);
}

ANNEX_FUNCTION(annex_sparsevec_ne) {
    PG_RETURN_BOOL(CompareArguments(fcinfo) != 0);
}

ANNEX_FUNCTION(annex_sparsevec_ge) {
    PG_RETURN_BOOL(CompareArguments(fcinfo) >= 0);
}

ANNEX_FUNCTION(annex_sparsevec_gt) {
    PG_RETURN_BOOL(CompareArguments(fcinfo) > 0);
}

ANNEX_FUNCTION(annex_sparsevec_cmp) {
    PG_RETURN_INT32(CompareArguments(fcinfo));
}

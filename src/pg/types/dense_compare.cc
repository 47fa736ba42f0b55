// The order of dense values, for btree indexes, sorting and equality: element by element, then by dimensions, as
// PostgreSQL's arrays compare.
#include <algorithm>
#include <cstring>

#include "pg/function.h"
#include "pg/types/dense_floats.h"
#include "pg/types/halfvec.h"
#include "pg/types/vector.h"

using namespace annex::pg;

namespace {

// How many of n elements are the same bit by bit, in whole blocks from the first on.
template <class Element>
int CountSameBlocks(const Element* a, const Element* b, int n) {
    constexpr int kWords = 8;
    constexpr int kBlock = kWords * (sizeof(uint64) / sizeof(Element));
    uint64 x[kWords];
    uint64 y[kWords];
    int same = 0;
    for (; same + kBlock <= n; same += kBlock) {
        memcpy(x, a + same, sizeof(x));
        memcpy(y, b + same, sizeof(y));
        uint64 difference = 0;
        for (int i = 0; i < kWords; i++) difference |= x[i] ^ y[i];
        if (difference != 0) break;
    }
    return same;
}

template <class Value>
int Compare(const Value* a, const Value* b) {
    const int common = std::min<int>(a->dim, b->dim);
    // Most values differ at once.
    for (int i = a->x[0] == b->x[0] ? CountSameBlocks(a->x, b->x, common) : 0; i < common; i++) {
        if (a->x[i] == b->x[i]) continue;
        const float x = ToFloat(a->x[i]);
        const float y = ToFloat(b->x[i]);
        if (x != y) return x < y ? -1 : 1;
    }
    return a->dim < b->dim ? -1 : a->dim > b->dim;
}

// Compares the function's two arguments. A sort calls this in one memory context, so copies are freed.
template <class Value>
int CompareArguments(FunctionCallInfo fcinfo) {
    ShortCopy copies[2];
    const auto* a = DatumGetDense<Value>(PG_GETARG_DATUM(0), &copies[0]);
    const auto* b = DatumGetDense<Value>(PG_GETARG_DATUM(1), &copies[1]);
    const int order = Compare(a, b);
    FreeIfCopy(a, PG_GETARG_DATUM(0), &copies[0]);
    FreeIfCopy(b, PG_GETARG_DATUM(1), &copies[1]);
    return order;
}

}  // namespace

ANNEX_FUNCTION(annex_vector_lt) {
    PG_RETURN_BOOL(CompareArguments<Vector>(fcinfo) < 0);
}

ANNEX_FUNCTION(annex_vector_le) {
    PG_RETURN_BOOL(CompareArguments<Vector>(fcinfo) <= 0);
}

ANNEX_FUNCTION(annex_vector_eq) {
    PG_RETURN_BOOL(CompareArguments<Vector>(fcinfo) == 0);
}

ANNEX_FUNCTION(annex_vector_ne) {
    PG_RETURN_BOOL(CompareArguments<Vector>(fcinfo) != 0);
}

ANNEX_FUNCTION(annex_vector_ge) {
    PG_RETURN_BOOL(CompareArguments<Vector>(fcinfo) >= 0);
}

ANNEX_FUNCTION(annex_vector_gt) {
    PG_RETURN_BOOL(CompareArguments<Vector>(fcinfo) > 0);
}

ANNEX_FUNCTION(annex_vector_cmp) {
    PG_RETURN_INT32(CompareArguments<Vector>(fcinfo));
}

ANNEX_FUNCTION(annex_halfvec_lt) {
    PG_RETURN_BOOL(CompareArguments<HalfVector>(fcinfo) < 0);
}

ANNEX_FUNCTION(annex_halfvec_le) {
    PG_RETURN_BOOL(CompareArguments<HalfVector>(fcinfo) <= 0);
}

ANNEX_FUNCTION(annex_halfvec_eq) {
    PG_RETURN_BOOL(CompareArguments<HalfVector>(fcinfo) == 0);
}

ANNEX_FUNCTION(annex_halfvec_ne) {
    PG_RETURN_BOOL(CompareArguments<HalfVector>(fcinfo) != 0);
}

ANNEX_FUNCTION(annex_halfvec_ge) {
    PG_RETURN_BOOL(CompareArguments<HalfVector>(fcinfo) >= 0);
}

ANNEX_FUNCTION(annex_halfvec_gt) {
    PG_RETURN_BOOL(CompareArguments<HalfVector>(fcinfo) > 0);
}

ANNEX_FUNCTION(annex_halfvec_cmp) {
    PG_RETURN_INT32(CompareArguments<HalfVector>(fcinfo));
}

// Making sparse vectors, and refusing what is none.
#include "pg/types/sparsevec.h"

#include <cstring>

namespace annex::pg {

Sparsevec* NewSparsevec(int dimensions, int elements) {
    const size_t size = SparsevecSize(elements);
    auto* vector = static_cast<Sparsevec*>(palloc(size));
    SET_VARSIZE(vector, size);
    vector->dim = dimensions;
    vector->nnz = elements;
    vector->unused = 0;
    return vector;
}

Sparsevec* SparsevecOfFloats(const float* x, int dimensions) {
    int elements = 0;
    for (int i = 0; i < dimensions; i++) elements += x[i] != 0 ? 1 : 0;
    CheckElementCount(elements);

    Sparsevec* result = NewSparsevec(dimensions, elements);
    float* values = SparsevecValues(result);
    if (elements == dimensions) {
        for (int i = 0; i < elements; i++) result->indices[i] = i;
        memcpy(values, x, sizeof(float) * static_cast<size_t>(elements));
        return result;
    }
    for (int i = 0, element = 0; element < elements; i++)
        if (x[i] != 0) {
            result->indices[element] = i;
            values[element++] = x[i];
        }
    return result;
}

void ScatterSparsevec(const Sparsevec* vector, float* x) {
    const SparseVector view = ViewOf(vector);
    const auto dimensions = static_cast<uint32>(vector->dim);
    for (size_t i = 0; i < view.count; i++) {
        const auto index = static_cast<uint32>(view.indices[i]);
        if (unlikely(index >= dimensions)) ReportMalformedSparsevec(vector);
        x[index] = view.values[i];
    }
}

void CheckSparsevecIndices(const Sparsevec* vector) {
    const auto dimensions = static_cast<uint32>(vector->dim);
    bool within = true;
    for (int i = 0; i < vector->nnz; i++) within &= static_cast<uint32>(vector->indices[i]) < dimensions;
    if (unlikely(!within)) ReportMalformedSparsevec(vector);
}

void CheckElementCount(int64 elements) {
    if (elements > kMaxSparsevecElements)
        ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                        errmsg("sparsevec cannot have more than %d non-zero elements", kMaxSparsevecElements)));
}

static void ReportMalformedElements(const Sparsevec* vector) {
    const SparseVector view = ViewOf(vector);
    int64 previous = -1;
    for (size_t i = 0; i < view.count; i++) {
        const int32 index = view.indices[i];
        if (index <= previous || index >= vector->dim)
            ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("malformed sparsevec"),
                            errdetail("Index %d is out of order, or out of the %d dimensions.", index, vector->dim)));
        if (view.values[i] == 0 || !std::isfinite(view.values[i]))
            ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("malformed sparsevec"),
                            errdetail("The value at index %d is zero or not finite.", index)));
        previous = index;
    }
}

void ReportMalformedSparsevec(const Sparsevec* vector) {
    const size_t size = VARSIZE(vector);
    if (size < SparsevecSize(0))
        ereport(ERROR,
                (errcode(ERRCODE_DATA_CORRUPTED), errmsg("malformed sparsevec"), errdetail("It has %zu bytes.", size)));
    if (vector->nnz < 0 || size != SparsevecSize(vector->nnz))
        ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("malformed sparsevec"),
                        errdetail("It has %zu bytes and claims %d elements.", size, vector->nnz)));
    if (vector->dim < 1 || vector->dim > kSparsevecType.max_dimensions)
        ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("malformed sparsevec"),
                        errdetail("It claims %d dimensions.", vector->dim)));
    ReportMalformedElements(vector);
    pg_unreachable();
}

}  // namespace annex::pg

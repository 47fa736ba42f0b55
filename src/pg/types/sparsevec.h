// The sparsevec type: its bytes, and how code of this library gets at them.
//
// On disk and in memory, the same bytes as pgvector's:
//
//     int32 varlena header | int32 dimensions | int32 elements | int32 zero | int32 indices[elements]
//     | float4 values[elements]
//
// Indices count from 0 and ascend strictly; values are finite and not zero. In text they count from 1. In a heap tuple
// a value of up to 13 elements may have a one-byte header, and one that does not fit the page is TOASTed uncompressed
// (STORAGE external); DatumGetSparsevec undoes both.
#pragma once

#include <cmath>
#include <cstddef>

#include "annex/kernels.h"
#include "pg/types/dense_value.h"

namespace annex::pg {

struct Sparsevec {
    int32 vl_len_;  // not to be touched directly
    int32 dim;
    int32 nnz;     // elements, those that are not zero
    int32 unused;  // always 0
    int32 indices[FLEXIBLE_ARRAY_MEMBER];
    // float values[nnz] follow
};
static_assert(offsetof(Sparsevec, indices) == 16, "the format on disk");

// For the checks of dimensions, type modifiers and elements, which are those of the dense types.
inline constexpr DenseType kSparsevecType = {"sparsevec", 1000000000, HUGE_VALF};
// As many as input takes.
inline constexpr int kMaxSparsevecElements = 16000;

[[nodiscard]] constexpr size_t SparsevecSize(int elements) {
    return offsetof(Sparsevec, indices) + (sizeof(int32) + sizeof(float)) * static_cast<size_t>(elements);
}

[[nodiscard]] inline float* SparsevecValues(Sparsevec* vector) {
    return reinterpret_cast<float*>(vector->indices + vector->nnz);
}
[[nodiscard]] inline SparseVector ViewOf(const Sparsevec* vector) {
    return {vector->indices, reinterpret_cast<const float*>(vector->indices + vector->nnz),
            static_cast<size_t>(vector->nnz)};
}

// Says what of a value contradicts the format, which only damaged data or a foreign cast can bring about.
[[noreturn]] void ReportMalformedSparsevec(const Sparsevec* vector);

[[nodiscard]] inline const Sparsevec* SparsevecOfBytes(const struct varlena* value) {
    const auto* vector = reinterpret_cast<const Sparsevec*>(value);
    const size_t size = VARSIZE(value);
    if (unlikely(size < SparsevecSize(0) || vector->nnz < 0 || size != SparsevecSize(vector->nnz) || vector->dim < 1 ||
                 vector->dim > kSparsevecType.max_dimensions))
        ReportMalformedSparsevec(vector);
    return vector;
}

// The vector behind a datum. Its size fits its elements, whose indices and values are as they lie there: nobody but
// damaged data makes them contradict the format, and to look at each of them takes as long as most of what is done with
// them. A plain value is used where it lies; a short or TOASTed one is copied into the current memory context.
[[nodiscard]] inline const Sparsevec* DatumGetSparsevec(Datum datum) {
    auto* value = reinterpret_cast<struct varlena*>(DatumGetPointer(datum));
    if (unlikely(!VARATT_IS_4B_U(value))) value = pg_detoast_datum(value);
    return SparsevecOfBytes(value);
}
// The same, for as long as the copy lives: of a short value it is that.
[[nodiscard]] inline const Sparsevec* DatumGetSparsevec(Datum datum, ShortCopy* copy) {
    return SparsevecOfBytes(DetoastInto(datum, copy));
}

// The same, with elements that have been checked: for forms that leave the database.
[[nodiscard]] inline const Sparsevec* DatumGetCheckedSparsevec(Datum datum) {
    const Sparsevec* vector = DatumGetSparsevec(datum);
    if (unlikely(!ActiveKernels().sparse_is_valid(ViewOf(vector), vector->dim))) ReportMalformedSparsevec(vector);
    return vector;
}

// A new vector in the current memory context, whose elements are left to the caller to fill. The caller has checked
// both numbers.
[[nodiscard]] Sparsevec* NewSparsevec(int dimensions, int elements);

// A new vector of those of x[dimensions] that are not zero; refuses more elements than the type has.
[[nodiscard]] Sparsevec* SparsevecOfFloats(const float* x, int dimensions);

// Writes a vector's values to where they belong in x[dimensions], which holds zeros. ERROR for an index beyond them.
void ScatterSparsevec(const Sparsevec* vector, float* x);

// ERROR for an index beyond the dimensions: for those who write where indices say.
void CheckSparsevecIndices(const Sparsevec* vector);

// Refuses a number of elements above the type's limit.
void CheckElementCount(int64 elements);

}  // namespace annex::pg

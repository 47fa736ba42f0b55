// The vector type: its bytes, and how code of this library gets at them.
//
// On disk and in memory, the same bytes as pgvector's:
//
//     int32 varlena header | int16 dimensions | int16 zero | float4 x[dimensions]
//
// Values are finite; -0 and subnormals are kept. In a heap tuple a vector of up to 30 dimensions may have a one-byte
// header, and one that does not fit the page is TOASTed uncompressed (STORAGE external); DatumGetVector undoes both.
#pragma once

#include <cmath>
#include <cstddef>

#include "pg/types/dense.h"

namespace annex::pg {

struct Vector {
    int32 vl_len_;  // not to be touched directly
    int16 dim;
    int16 unused;  // always 0
    float x[FLEXIBLE_ARRAY_MEMBER];
};
static_assert(offsetof(Vector, x) == 8, "the format on disk");

inline constexpr DenseType kVectorType = {"vector", 16000, HUGE_VALF};
inline constexpr int kMaxVectorDimensions = kVectorType.max_dimensions;

[[nodiscard]] constexpr size_t VectorSize(int dimensions) {
    return offsetof(Vector, x) + sizeof(float) * static_cast<size_t>(dimensions);
}

// Reports that a value's size and its dimensions disagree, which only damaged data or a foreign cast can bring about.
[[noreturn]] void ReportMalformedVector(const Vector* vector);

// The vector behind a datum. A plain value is used where it lies; a short or TOASTed one is copied into the current
// memory context.
[[nodiscard]] inline const Vector* DatumGetVector(Datum datum) {
    auto* value = reinterpret_cast<struct varlena*>(DatumGetPointer(datum));
    if (unlikely(!VARATT_IS_4B_U(value))) value = pg_detoast_datum(value);

    const auto* vector = reinterpret_cast<const Vector*>(value);
    const size_t size = VARSIZE(value);
    if (unlikely(size < VectorSize(1) || vector->dim < 1 || size != VectorSize(vector->dim)))
        ReportMalformedVector(vector);
    return vector;
}

// Frees what DatumGetVector copied. Needed only in functions that may run many times in one memory context, as a
// comparison does in a sort.
inline void FreeVectorIfCopy(const Vector* vector, Datum datum) {
    if (reinterpret_cast<const char*>(vector) != DatumGetPointer(datum)) pfree(const_cast<Vector*>(vector));
}

// A new vector of zeros in the current memory context. The caller has checked the dimensions.
[[nodiscard]] Vector* NewVector(int dimensions);

}  // namespace annex::pg

// The type vector: a dense value of 32-bit floating-point numbers.
#pragma once

#include <cmath>

#include "pg/types/dense_value.h"

namespace annex::pg {

struct Vector {
    using Element = float;
    static constexpr DenseType kType = {"vector", 16000, HUGE_VALF};

    int32 vl_len_;
    int16 dim;
    int16 unused;
    float x[FLEXIBLE_ARRAY_MEMBER];
};

inline constexpr DenseType kVectorType = Vector::kType;
inline constexpr int kMaxVectorDimensions = kVectorType.max_dimensions;

[[nodiscard]] constexpr size_t VectorSize(int dimensions) {
    return DenseSize<Vector>(dimensions);
}
[[nodiscard]] inline const Vector* DatumGetVector(Datum datum) {
    return DatumGetDense<Vector>(datum);
}
[[nodiscard]] inline Vector* NewVector(int dimensions) {
    return NewDense<Vector>(dimensions);
}

}  // namespace annex::pg

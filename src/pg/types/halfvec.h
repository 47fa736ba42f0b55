// The type halfvec: a dense value of 16-bit floating-point numbers (annex/half.h).
#pragma once

#include "annex/half.h"
#include "pg/types/dense_value.h"

namespace annex::pg {

struct HalfVector {
    using Element = uint16;
    static constexpr DenseType kType = {"halfvec", 16000, kHalfOverflow};

    int32 vl_len_;
    int16 dim;
    int16 unused;
    uint16 x[FLEXIBLE_ARRAY_MEMBER];
};

[[nodiscard]] inline const HalfVector* DatumGetHalfVector(Datum datum) {
    return DatumGetDense<HalfVector>(datum);
}
[[nodiscard]] inline HalfVector* NewHalfVector(int dimensions) {
    return NewDense<HalfVector>(dimensions);
}

}  // namespace annex::pg

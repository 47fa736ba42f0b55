// The Euclidean norm in double precision: no vector of floats overflows or vanishes in it.
#pragma once

#include <cmath>

#include "pg/types/dense_floats.h"

namespace annex::pg {

inline double SumOfSquares(const float* x, int n) {
    // Independent sums, so that the additions overlap without leave to reorder them.
    constexpr int kLanes = 8;
    double sums[kLanes] = {};
    int i = 0;
    for (; i + kLanes <= n; i += kLanes)
        for (int lane = 0; lane < kLanes; lane++) {
            const double value = x[i + lane];
            sums[lane] += value * value;
        }
    double sum = 0;
    for (; i < n; i++) sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
    for (double lane_sum : sums) sum += lane_sum;
    return sum;
}

template <class Value>
double Norm(const Value* value) {
    float buffer[kChunk];
    double sum = 0;
    ForEachChunk(value->dim,
                 [&](int first, int count) { sum += SumOfSquares(AsFloats(value->x + first, count, buffer), count); });
    return std::sqrt(sum);
}

}  // namespace annex::pg

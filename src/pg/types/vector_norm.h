// The Euclidean norm in double precision: no vector of floats overflows or vanishes in it.
#pragma once

#include <cmath>

namespace annex::pg {

inline double Norm(const float* x, int dimensions) {
    // Independent sums, so that the additions overlap without leave to reorder them.
    constexpr int kLanes = 8;
    double sums[kLanes] = {};
    int i = 0;
    for (; i + kLanes <= dimensions; i += kLanes)
        for (int lane = 0; lane < kLanes; lane++) {
            const double value = x[i + lane];
            sums[lane] += value * value;
        }
    double sum = 0;
    for (; i < dimensions; i++) sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
    for (double lane_sum : sums) sum += lane_sum;
    return std::sqrt(sum);
}

}  // namespace annex::pg

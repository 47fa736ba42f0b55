// The Euclidean norm in double precision: no vector of floats overflows or vanishes in it.
#pragma once

#include <cmath>

#include "pg/types/dense_floats.h"

namespace annex::pg {

inline double SumOfSquares(const float* x, int n) {
    return ActiveKernels().sum_of_squares(x, static_cast<size_t>(n));
}

// Of n elements at any address.
template <class Element>
double Norm(const Element* x, int n) {
    float buffer[kChunk];
    double sum = 0;
    ForEachChunk(n, [&](int first, int count) { sum += SumOfSquares(AsFloats(x + first, count, buffer), count); });
    return std::sqrt(sum);
}

}  // namespace annex::pg

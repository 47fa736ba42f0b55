// Sums in double over float arrays, for what is computed once a row or once a query and must be exact in comparison
// with float sums. Eight partial sums let the compiler keep several additions in flight.
#pragma once

#include <cstddef>

namespace annex {

// Adds up term(i) for i in [0, n).
template <typename Term>
[[nodiscard]] inline double SumInDouble(size_t n, Term term) noexcept {
    double lanes[8] = {};
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        for (size_t lane = 0; lane < 8; ++lane) lanes[lane] += term(i + lane);
    }
    for (; i < n; ++i) lanes[0] += term(i);
    return ((lanes[0] + lanes[4]) + (lanes[1] + lanes[5])) + ((lanes[2] + lanes[6]) + (lanes[3] + lanes[7]));
}

[[nodiscard]] inline double SquaredNorm(const float* x, size_t n) noexcept {
    return SumInDouble(n, [x](size_t i) { return static_cast<double>(x[i]) * static_cast<double>(x[i]); });
}

[[nodiscard]] inline double InnerProductInDouble(const float* a, const float* b, size_t n) noexcept {
    return SumInDouble(n, [a, b](size_t i) { return static_cast<double>(a[i]) * static_cast<double>(b[i]); });
}

}  // namespace annex

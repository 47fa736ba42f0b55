// What the tests of the codecs share: deterministic data, the SQL operators' values, and a loop over kernel levels.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <vector>

#include "annex/kernels.h"
#include "annex/memory_index.h"
#include "annex/random.h"
#include "annex/space.h"

namespace annex::testing {

inline double Gaussian(Random* random) {
    const double radius = std::sqrt(-2 * std::log(1 - random->Uniform()));
    return radius * std::cos(2 * std::numbers::pi * random->Uniform());
}

inline std::vector<float> GaussianVector(Random* random, size_t n, double deviation = 1, double centre = 0) {
    std::vector<float> x(n);
    for (float& value : x) value = static_cast<float>(centre + deviation * Gaussian(random));
    return x;
}

// What PostgreSQL computes from two heap tuples with the kernels of one level: see src/pg/types.
inline double OperatorValue(const Kernels& kernels, Metric metric, const std::vector<float>& a,
                            const std::vector<float>& b) {
    const size_t n = a.size();
    switch (metric) {
        case Metric::kL2:
            return std::sqrt(static_cast<double>(kernels.l2_squared(a.data(), b.data(), n)));
        case Metric::kInnerProduct:
            return -static_cast<double>(kernels.inner_product(a.data(), b.data(), n));
        case Metric::kCosine: {
            const CosineSums sums = kernels.cosine(a.data(), b.data(), n);
            const double norms = static_cast<double>(sums.norm_a_squared) * static_cast<double>(sums.norm_b_squared);
            const double similarity = static_cast<double>(sums.inner_product) / std::sqrt(norms);
            if (std::isnan(similarity)) return similarity;
            return 1 - std::clamp(similarity, -1.0, 1.0);
        }
        case Metric::kL1:
            return static_cast<double>(kernels.l1(a.data(), b.data(), n));
        case Metric::kHamming:
        case Metric::kJaccard:
            return ExactDistance(metric, a.data(), b.data(), n);
    }
    return 0;
}

// Runs body(kernels) with each level that this CPU has forced, then restores the choice.
template <typename Body>
void ForEachKernelLevel(Body body) {
    for (size_t i = 0; i < KernelLevelCount(); ++i) {
        const Kernels& kernels = KernelLevel(i);
        SetKernelLevel(kernels.name);
        body(kernels);
    }
    SetKernelLevel("auto");
}

inline constexpr Metric kMetrics[] = {Metric::kL2, Metric::kInnerProduct, Metric::kCosine, Metric::kL1};

inline const char* MetricName(Metric metric) {
    switch (metric) {
        case Metric::kL2:
            return "L2";
        case Metric::kInnerProduct:
            return "inner product";
        case Metric::kCosine:
            return "cosine";
        case Metric::kL1:
            return "L1";
        case Metric::kHamming:
            return "hamming";
        case Metric::kJaccard:
            return "jaccard";
    }
    return "?";
}

}  // namespace annex::testing

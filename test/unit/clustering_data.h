// Rows for the tests of training and assignment.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>
#include <string_view>
#include <vector>

#include "annex/clustering.h"
#include "annex/kernels.h"
#include "annex/random.h"

namespace annex {

// Rows of `padded` floats, one after the other.
class Vectors {
  public:
    Vectors(size_t rows, size_t padded) : rows_(rows), padded_(padded), floats_(rows * padded) {}

    [[nodiscard]] size_t size() const { return rows_; }
    [[nodiscard]] size_t padded() const { return padded_; }
    [[nodiscard]] float* data() { return floats_.data(); }
    [[nodiscard]] const float* data() const { return floats_.data(); }
    float* operator[](size_t i) { return floats_.data() + i * padded_; }
    const float* operator[](size_t i) const { return floats_.data() + i * padded_; }

  private:
    size_t rows_;
    size_t padded_;
    std::vector<float> floats_;
};

inline float Gaussian(Random& random) {
    const double radius = std::sqrt(-2 * std::log(1 - random.Uniform()));
    return static_cast<float>(radius * std::cos(2 * std::numbers::pi * random.Uniform()));
}

inline Vectors RandomVectors(size_t rows, size_t padded, uint64_t seed) {
    Random random(seed);
    Vectors vectors(rows, padded);
    for (size_t i = 0; i < rows * padded; i++) vectors.data()[i] = Gaussian(random);
    return vectors;
}

inline Sample SampleOf(const Vectors& vectors) {
    Sample sample(vectors.padded(), vectors.size());
    for (size_t i = 0; i < vectors.size(); i++) sample.Add(vectors[i]);
    return sample;
}

// Forces a level of the kernels while it lives.
class ForcedLevel {
  public:
    explicit ForcedLevel(std::string_view name) { SetKernelLevel(name); }
    ~ForcedLevel() { SetKernelLevel("auto"); }
    ForcedLevel(const ForcedLevel&) = delete;
    ForcedLevel& operator=(const ForcedLevel&) = delete;
};

}  // namespace annex

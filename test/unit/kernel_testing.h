// What the tests of the kernels share: inputs, the levels as a parameter, and the error that sums may have. Inputs are
// copied into heap blocks of exactly their size, so that the address sanitizer sees any byte read beyond them.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "annex/kernels.h"
#include "annex/random.h"

namespace annex {

inline constexpr float kInfinity = std::numeric_limits<float>::infinity();
inline constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
inline constexpr double kFloatUnit = 0x1.0p-24;  // half a unit in the last place of 1

inline std::vector<float> RandomFloats(Random& random, size_t n, double scale = 1.0) {
    std::vector<float> values(n);
    for (float& value : values) value = static_cast<float>((2 * random.Uniform() - 1) * scale);
    return values;
}

template <class T>
std::vector<T> RandomIntegers(Random& random, size_t n) {
    std::vector<T> values(n);
    for (T& value : values) value = static_cast<T>(random.Next());
    return values;
}

// A copy that ends where its heap block ends and begins `offset` elements behind the block's beginning.
template <class T>
class Unaligned {
  public:
    Unaligned(const std::vector<T>& values, size_t offset) : block_(new T[values.size() + offset]), offset_(offset) {
        std::copy(values.begin(), values.end(), data());
    }
    T* data() { return block_.get() + offset_; }

  private:
    std::unique_ptr<T[]> block_;
    size_t offset_;
};

// A copy that begins at an address that is no multiple of anything and ends where its heap block ends.
template <class T>
class Misaligned {
  public:
    explicit Misaligned(const std::vector<T>& values) : block_(new char[values.size() * sizeof(T) + 1]) {
        if (!values.empty()) std::memcpy(block_.get() + 1, values.data(), values.size() * sizeof(T));
    }
    const T* data() const { return reinterpret_cast<const T*>(block_.get() + 1); }

  private:
    std::unique_ptr<char[]> block_;
};

// Equal as numbers or both NaN; the same infinity counts as equal.
inline void ExpectSameValue(float actual, float expected, const char* what) {
    if (std::isnan(expected)) {
        EXPECT_TRUE(std::isnan(actual)) << what << " is " << actual;
    } else {
        EXPECT_EQ(actual, expected) << what;
    }
}

inline void ExpectSameBits(const float* actual, const float* expected, size_t n) {
    for (size_t i = 0; i < n; ++i) {
        ASSERT_EQ(std::bit_cast<uint32_t>(actual[i]), std::bit_cast<uint32_t>(expected[i]))
            << "at " << i << ": " << actual[i] << " and " << expected[i];
    }
}

class KernelsTest : public testing::TestWithParam<size_t> {
  protected:
    const Kernels& kernels() const { return KernelLevel(GetParam()); }
};

inline std::string LevelName(const testing::TestParamInfo<size_t>& info) {
    return KernelLevel(info.param).name;
}

// Sizes around every multiple of a vector, an unrolled step and more.
inline std::vector<size_t> Sizes() {
    std::vector<size_t> sizes;
    for (size_t n = 1; n <= 150; ++n) sizes.push_back(n);
    for (const size_t n : {255, 256, 257, 383, 384, 1000, 1023, 1536, 4099, 15999, 16000}) sizes.push_back(n);
    return sizes;
}

// The sums in double, and the sum of the magnitudes that were added: it scales the rounding error of any order.
struct Reference {
    double value = 0;
    double magnitude = 0;

    void Add(double term) {
        value += term;
        magnitude += std::fabs(term);
    }
    [[nodiscard]] double Tolerance(size_t n) const {
        return 1.01 * static_cast<double>(n + 2) * kFloatUnit * magnitude;
    }
};

}  // namespace annex

// The kernels of sparse vectors on every level, against the vectors written out with their zeros. Lists lie in heap
// blocks of exactly their size, so that the address sanitizer sees any byte read beyond them.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "annex/kernels.h"
#include "annex/random.h"

namespace annex {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

class Sparse {
  public:
    Sparse(const std::vector<int32_t>& indices, const std::vector<float>& values)
        : count_(indices.size()), indices_(new int32_t[count_]), values_(new float[count_]) {
        std::copy(indices.begin(), indices.end(), indices_.get());
        std::copy(values.begin(), values.end(), values_.get());
    }
    [[nodiscard]] SparseVector view() const { return {indices_.get(), values_.get(), count_}; }
    [[nodiscard]] std::vector<double> Dense(int dimensions) const {
        std::vector<double> x(static_cast<size_t>(dimensions));
        for (size_t i = 0; i < count_; ++i) x[static_cast<size_t>(indices_[i])] = values_[i];
        return x;
    }
    int32_t* indices() { return indices_.get(); }
    float* values() { return values_.get(); }
    [[nodiscard]] size_t count() const { return count_; }

  private:
    size_t count_;
    std::unique_ptr<int32_t[]> indices_;
    std::unique_ptr<float[]> values_;
};

// Small integers, whose sums are exact in any order.
Sparse RandomSparse(Random& random, size_t count, int dimensions) {
    std::set<int32_t> chosen;
    while (chosen.size() < count)
        chosen.insert(static_cast<int32_t>(random.Next() % static_cast<uint64_t>(dimensions)));
    std::vector<float> values(count);
    for (float& value : values) {
        const auto magnitude = static_cast<float>(1 + random.Next() % 9);
        value = random.Next() % 2 == 0 ? magnitude : -magnitude;
    }
    return {{chosen.begin(), chosen.end()}, values};
}

class SparseKernelsTest : public testing::TestWithParam<size_t> {
  protected:
    const Kernels& kernels() const { return KernelLevel(GetParam()); }

    void ExpectExact(const Sparse& a, const Sparse& b, int dimensions) const {
        const std::vector<double> x = a.Dense(dimensions);
        const std::vector<double> y = b.Dense(dimensions);
        double l2_squared = 0;
        double inner_product = 0;
        double l1 = 0;
        for (size_t i = 0; i < x.size(); ++i) {
            l2_squared += (x[i] - y[i]) * (x[i] - y[i]);
            inner_product += x[i] * y[i];
            l1 += std::fabs(x[i] - y[i]);
        }
        const std::string counts =
            std::to_string(a.count()) + " and " + std::to_string(b.count()) + " of " + std::to_string(dimensions);
        ASSERT_EQ(kernels().sparse_l2_squared(a.view(), b.view()), l2_squared) << counts;
        ASSERT_EQ(kernels().sparse_inner_product(a.view(), b.view()), inner_product) << counts;
        ASSERT_EQ(kernels().sparse_l1(a.view(), b.view()), l1) << counts;
    }
};

std::string LevelName(const testing::TestParamInfo<size_t>& info) {
    return KernelLevel(info.param).name;
}

INSTANTIATE_TEST_SUITE_P(Levels, SparseKernelsTest, testing::Range(size_t{0}, KernelLevelCount()), LevelName);

// From no element in common to nearly all, with lengths around those of groups.
TEST_P(SparseKernelsTest, DistancesAreThoseOfVectorsWithTheirZeros) {
    Random random(1);
    for (size_t a_count = 0; a_count <= 24; ++a_count)
        for (size_t b_count = 0; b_count <= 24; ++b_count)
            for (const int dimensions : {24, 30, 60, 5000}) {
                const Sparse a = RandomSparse(random, a_count, dimensions);
                const Sparse b = RandomSparse(random, b_count, dimensions);
                ASSERT_NO_FATAL_FAILURE(ExpectExact(a, b, dimensions));
            }
}

TEST_P(SparseKernelsTest, OneVectorMayBeMuchLonger) {
    Random random(2);
    for (const size_t few : {0, 1, 2, 3, 4, 5, 9, 33})
        for (const size_t many : {31, 32, 33, 100, 257, 1000, 4000})
            for (const int dimensions : {4000, 100000}) {
                const Sparse a = RandomSparse(random, few, dimensions);
                const Sparse b = RandomSparse(random, many, dimensions);
                ASSERT_NO_FATAL_FAILURE(ExpectExact(a, b, dimensions));
                ASSERT_NO_FATAL_FAILURE(ExpectExact(b, a, dimensions));
            }
}

// The elements of the short vector before, behind and at both ends of those of the long one.
TEST_P(SparseKernelsTest, ShortVectorMayLieAnywhere) {
    for (const int count : {1, 4, 5, 40, 2000}) {
        std::vector<int32_t> indices;
        for (int i = 0; i < count; ++i) indices.push_back(10 + 2 * i);
        const Sparse many(indices, std::vector<float>(indices.size(), 2.0F));
        const int end = 20 + 2 * count;
        for (int first = 0; first < end - 2; ++first) {
            const Sparse few({first, first + 1, end - 1}, {3, 4, 5});
            ASSERT_NO_FATAL_FAILURE(ExpectExact(few, many, end));
        }
    }
}

TEST_P(SparseKernelsTest, DistanceToItselfIsZero) {
    Random random(3);
    for (const size_t count : {1, 3, 4, 7, 8, 100, 1001}) {
        Sparse a = RandomSparse(random, count, 2000);
        for (size_t i = 0; i < count; ++i) a.values()[i] *= 0.1F;
        EXPECT_EQ(kernels().sparse_l2_squared(a.view(), a.view()), 0) << count;
        EXPECT_EQ(kernels().sparse_l1(a.view(), a.view()), 0) << count;
    }
}

TEST_P(SparseKernelsTest, OverflowIsInfinite) {
    const std::vector<int32_t> indices = {0, 3, 5, 7, 8};
    const Sparse a(indices, std::vector<float>(5, 3e38F));
    const Sparse b(indices, std::vector<float>(5, -3e38F));
    EXPECT_EQ(kernels().sparse_l2_squared(a.view(), b.view()), kInfinity);
    EXPECT_EQ(kernels().sparse_inner_product(a.view(), b.view()), -kInfinity);
    EXPECT_EQ(kernels().sparse_l1(a.view(), b.view()), kInfinity);
}

TEST_P(SparseKernelsTest, ValidityIsThatOfEveryElement) {
    Random random(4);
    constexpr int kDimensions = 1000;
    for (const size_t count : {1, 2, 3, 7, 8, 9, 10, 15, 16, 17, 18, 33, 100}) {
        Sparse v = RandomSparse(random, count, kDimensions - 1);
        ASSERT_TRUE(kernels().sparse_is_valid(v.view(), kDimensions)) << count;
        ASSERT_FALSE(kernels().sparse_is_valid(v.view(), v.indices()[count - 1])) << count;
        for (size_t i = 0; i < count; ++i) {
            for (const float value : {0.0F, -0.0F, kInfinity, -kInfinity, kNan, -kNan}) {
                const float kept = std::exchange(v.values()[i], value);
                ASSERT_FALSE(kernels().sparse_is_valid(v.view(), kDimensions))
                    << value << " at " << i << " of " << count;
                v.values()[i] = kept;
            }
            for (const float value : {1e-45F, -1e-45F, 3.4028235e38F, -3.4028235e38F}) {
                const float kept = std::exchange(v.values()[i], value);
                ASSERT_TRUE(kernels().sparse_is_valid(v.view(), kDimensions))
                    << value << " at " << i << " of " << count;
                v.values()[i] = kept;
            }
            const int32_t next = i + 1 < count ? v.indices()[i + 1] : kDimensions;
            const int32_t previous = i > 0 ? v.indices()[i - 1] : -1;
            for (const int32_t index :
                 {next, previous, std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max()}) {
                const int32_t kept = std::exchange(v.indices()[i], index);
                ASSERT_FALSE(kernels().sparse_is_valid(v.view(), kDimensions))
                    << index << " at " << i << " of " << count;
                v.indices()[i] = kept;
            }
        }
    }
    EXPECT_TRUE(kernels().sparse_is_valid({nullptr, nullptr, 0}, 1));
}

// Whatever the indices are, nothing beyond them is read; the sanitizer watches.
TEST_P(SparseKernelsTest, DisorderReadsNothingElse) {
    Random random(5);
    for (int round = 0; round < 2000; ++round) {
        const auto any = [&] {
            std::vector<int32_t> indices(random.Next() % 70);
            for (int32_t& index : indices) index = static_cast<int32_t>(random.Next() >> (random.Next() % 32));
            const std::vector<float> values(indices.size(), 1.0F);
            return Sparse(indices, values);
        };
        const Sparse a = any();
        const Sparse b = any();
        EXPECT_FALSE(std::isnan(kernels().sparse_l2_squared(a.view(), b.view())));
        EXPECT_FALSE(std::isnan(kernels().sparse_inner_product(a.view(), b.view())));
        EXPECT_FALSE(std::isnan(kernels().sparse_l1(a.view(), b.view())));
    }
}

}  // namespace
}  // namespace annex

// The kernels of a graph's edges, on every level.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "annex/kernels.h"
#include "annex/random.h"

namespace annex {
namespace {

class EdgeKernelsTest : public testing::TestWithParam<size_t> {
  protected:
    const Kernels& kernels() const { return KernelLevel(GetParam()); }
};

// In a heap block of exactly its size, so that the address sanitizer sees what is read beyond it.
template <class T>
std::unique_ptr<T[]> Exact(const std::vector<T>& values) {
    std::unique_ptr<T[]> block(new T[values.size()]);
    std::copy(values.begin(), values.end(), block.get());
    return block;
}

template <class T>
std::vector<T> RandomBytes(Random& random, size_t n) {
    std::vector<T> bytes(n);
    for (T& byte : bytes) byte = static_cast<T>(random.Next());
    return bytes;
}

TEST_P(EdgeKernelsTest, ProductOfCodes) {
    Random random(1);
    for (const size_t n : {64U, 128U, 192U, 384U, 1536U, 16000U}) {
        const std::vector<int8_t> a = RandomBytes<int8_t>(random, n);
        const std::vector<int8_t> b = RandomBytes<int8_t>(random, n);
        int64_t expected = 0;
        for (size_t i = 0; i < n; ++i) expected += int64_t{a[i]} * b[i];
        EXPECT_EQ(kernels().code_product(Exact(a).get(), Exact(b).get(), n), expected) << n;
    }
}

TEST_P(EdgeKernelsTest, GreatestProductOfCodes) {
    constexpr size_t kCodes = 1 << 17;
    const std::vector<int8_t> a(kCodes, 127);
    const std::vector<int8_t> b(kCodes, -127);
    EXPECT_EQ(kernels().code_product(a.data(), a.data(), kCodes), 127 * 127 * int32_t{kCodes});
    EXPECT_EQ(kernels().code_product(a.data(), b.data(), kCodes), -127 * 127 * int32_t{kCodes});
}

TEST_P(EdgeKernelsTest, SumsOverBits) {
    Random random(2);
    for (const size_t code_bytes : {8U, 16U, 24U, 32U, 40U, 48U, 64U, 72U, 128U, 192U, 2000U}) {
        for (const size_t count : {1U, 2U, 3U, 4U, 5U, 15U, 16U, 33U}) {
            const size_t stride = code_bytes + count % 3 * 4;
            const std::vector<uint8_t> codes = RandomBytes<uint8_t>(random, (count - 1) * stride + code_bytes);
            const std::vector<uint8_t> numbers = RandomBytes<uint8_t>(random, 8 * code_bytes);
            std::vector<int32_t> sums(count);
            kernels().bit_sums(Exact(codes).get(), stride, count, code_bytes, Exact(numbers).get(), sums.data());
            for (size_t v = 0; v < count; ++v) {
                int32_t expected = 0;
                for (size_t bit = 0; bit < numbers.size(); ++bit)
                    if ((codes[v * stride + bit / 8] >> bit % 8 & 1) != 0) expected += numbers[bit] - 128;
                ASSERT_EQ(sums[v], expected) << code_bytes << " bytes, code " << v << " of " << count;
            }
        }
    }
}

TEST_P(EdgeKernelsTest, GreatestSumsOverBits) {
    constexpr size_t kCodeBytes = 1 << 17;
    const std::vector<uint8_t> codes(kCodeBytes, 0xff);
    for (const int number : {0, 128, 255}) {
        const std::vector<uint8_t> numbers(8 * kCodeBytes, static_cast<uint8_t>(number));
        int32_t sum = 0;
        kernels().bit_sums(codes.data(), kCodeBytes, 1, kCodeBytes, numbers.data(), &sum);
        EXPECT_EQ(sum, 8 * int32_t{kCodeBytes} * (number - 128));
    }
}

std::string LevelName(const testing::TestParamInfo<size_t>& info) {
    return KernelLevel(info.param).name;
}

INSTANTIATE_TEST_SUITE_P(Levels, EdgeKernelsTest, testing::Range(size_t{0}, KernelLevelCount()), LevelName);

}  // namespace
}  // namespace annex

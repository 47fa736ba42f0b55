// Every level of the kernels against references written here from the contracts of annex/kernels.h. Inputs are copied
// into heap blocks of exactly their size, so that the address sanitizer sees any byte read beyond them.
#include "annex/kernels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cfloat>
#include <cmath>
#include <fstream>
#include <iterator>
#include <limits>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "annex/half.h"
#include "annex/random.h"

namespace annex {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr double kFloatUnit = 0x1.0p-24;  // half a unit in the last place of 1

std::vector<float> RandomFloats(Random& random, size_t n, double scale = 1.0) {
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

// Equal as numbers or both NaN; the same infinity counts as equal.
void ExpectSameValue(float actual, float expected, const char* what) {
    if (std::isnan(expected)) {
        EXPECT_TRUE(std::isnan(actual)) << what << " is " << actual;
    } else {
        EXPECT_EQ(actual, expected) << what;
    }
}

void ExpectSameBits(const float* actual, const float* expected, size_t n) {
    for (size_t i = 0; i < n; ++i) {
        ASSERT_EQ(std::bit_cast<uint32_t>(actual[i]), std::bit_cast<uint32_t>(expected[i]))
            << "at " << i << ": " << actual[i] << " and " << expected[i];
    }
}

class KernelsTest : public testing::TestWithParam<size_t> {
  protected:
    const Kernels& kernels() const { return KernelLevel(GetParam()); }
};

std::string LevelName(const testing::TestParamInfo<size_t>& info) {
    return KernelLevel(info.param).name;
}

INSTANTIATE_TEST_SUITE_P(Levels, KernelsTest, testing::Range(size_t{0}, KernelLevelCount()), LevelName);

// Sizes around every multiple of a vector, an unrolled step and more.
std::vector<size_t> Sizes() {
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

TEST_P(KernelsTest, DistancesAgreeWithDoublePrecision) {
    Random random(1);
    for (const size_t n : Sizes()) {
        for (const size_t offset : {size_t{0}, 1 + n % 3}) {
            Unaligned<float> a(RandomFloats(random, n), offset);
            Unaligned<float> b(RandomFloats(random, n), 2 * offset);
            Reference l2;
            Reference inner_product;
            Reference norm_a;
            Reference norm_b;
            Reference l1;
            for (size_t i = 0; i < n; ++i) {
                const double x = a.data()[i];
                const double y = b.data()[i];
                l2.Add((x - y) * (x - y));
                inner_product.Add(x * y);
                norm_a.Add(x * x);
                norm_b.Add(y * y);
                l1.Add(std::fabs(x - y));
            }
            // The difference is rounded before it is squared.
            EXPECT_NEAR(kernels().l2_squared(a.data(), b.data(), n), l2.value, 2 * l2.Tolerance(n)) << n;
            EXPECT_NEAR(kernels().inner_product(a.data(), b.data(), n), inner_product.value, inner_product.Tolerance(n))
                << n;
            EXPECT_NEAR(kernels().l1(a.data(), b.data(), n), l1.value, 2 * l1.Tolerance(n)) << n;
            const CosineSums cosine = kernels().cosine(a.data(), b.data(), n);
            EXPECT_NEAR(cosine.inner_product, inner_product.value, inner_product.Tolerance(n)) << n;
            EXPECT_NEAR(cosine.norm_a_squared, norm_a.value, norm_a.Tolerance(n)) << n;
            EXPECT_NEAR(cosine.norm_b_squared, norm_b.value, norm_b.Tolerance(n)) << n;
        }
    }
}

// Element by element, bit for bit, at every position; zeros and what overflows are noticed wherever they stand.
TEST_P(KernelsTest, ArithmeticIsThatOfEachElement) {
    using Kernel = ElementCheck (*)(const float*, const float*, float*, size_t);
    struct Operation {
        Kernel kernel;
        float (*expected)(float, float);
    };
    const Operation operations[] = {
        {kernels().add, [](float x, float y) { return x + y; }},
        {kernels().subtract, [](float x, float y) { return x - y; }},
        {kernels().multiply, [](float x, float y) { return x * y; }},
    };
    Random random(31);
    for (const size_t n : Sizes()) {
        Unaligned<float> a(RandomFloats(random, n), n % 3);
        Unaligned<float> b(RandomFloats(random, n), n % 2);
        for (const Operation& operation : operations) {
            std::vector<float> expected(n);
            for (size_t i = 0; i < n; ++i) expected[i] = operation.expected(a.data()[i], b.data()[i]);
            Unaligned<float> result(std::vector<float>(n, -7), n % 5);
            const ElementCheck check = operation.kernel(a.data(), b.data(), result.data(), n);
            ExpectSameBits(result.data(), expected.data(), n);
            EXPECT_TRUE(check.finite) << n;
            EXPECT_EQ(check.zero, std::count(expected.begin(), expected.end(), 0.0F) > 0) << n;
        }
    }
}

TEST_P(KernelsTest, ArithmeticTellsOfZerosAndOverflow) {
    const Kernels& level = kernels();  // which asks the CPU
    for (const size_t n : Sizes()) {
        Unaligned<float> a(std::vector<float>(n, 2), 0);
        Unaligned<float> b(std::vector<float>(n, -3), 1);
        Unaligned<float> result(std::vector<float>(n), 2);
        for (size_t i = 0; i<n; i += n> 200 ? 97 : 1) {
            struct Case {
                float a;
                float b;
                ElementCheck sum;
                ElementCheck difference;
                ElementCheck product;
            };
            constexpr ElementCheck kPlain{true, false};
            constexpr ElementCheck kZero{true, true};
            constexpr ElementCheck kOver{false, false};
            for (const Case& each : {Case{FLT_MAX, FLT_MAX, kOver, kZero, kOver},
                                     {-FLT_MAX, FLT_MAX, kZero, kOver, kOver},
                                     {0, -0.0F, kZero, kZero, kZero},
                                     {1e-30F, -1e-30F, kZero, kPlain, kZero},
                                     {kNan, 1, kOver, kOver, kOver}}) {
                a.data()[i] = each.a;
                b.data()[i] = each.b;
                const auto expect = [&](const ElementCheck& check, const ElementCheck& expected, const char* what) {
                    ASSERT_EQ(check.finite, expected.finite) << what << " " << n << " " << i << " " << each.a;
                    ASSERT_EQ(check.zero, expected.zero) << what << " " << n << " " << i << " " << each.a;
                };
                expect(level.add(a.data(), b.data(), result.data(), n), each.sum, "add");
                expect(level.subtract(a.data(), b.data(), result.data(), n), each.difference, "subtract");
                expect(level.multiply(a.data(), b.data(), result.data(), n), each.product, "multiply");
            }
            a.data()[i] = 2;
            b.data()[i] = -3;
        }
    }
}

TEST_P(KernelsTest, SumOfSquaresHasDoublePrecision) {
    const Kernels& level = kernels();
    Random random(32);
    for (const size_t n : Sizes()) {
        Unaligned<float> x(RandomFloats(random, n), n % 3);
        double expected = 0;
        for (size_t i = 0; i < n; ++i) expected += static_cast<double>(x.data()[i]) * static_cast<double>(x.data()[i]);
        EXPECT_NEAR(level.sum_of_squares(x.data(), n), expected, 1e-15 * static_cast<double>(n + 1) * expected) << n;
        // squares that a float could not hold
        Unaligned<float> large(std::vector<float>(n, FLT_MAX), 1);
        EXPECT_NEAR(level.sum_of_squares(large.data(), n) / (double{FLT_MAX} * double{FLT_MAX}), static_cast<double>(n),
                    1e-9 * static_cast<double>(n));
        // each counts once
        for (size_t i = 0; i<n; i += n> 200 ? 97 : 1) {
            Unaligned<float> one(std::vector<float>(n, 0), 0);
            one.data()[i] = 3;
            ASSERT_EQ(level.sum_of_squares(one.data(), n), 9) << n << " " << i;
        }
    }
}

TEST_P(KernelsTest, SignsAreBitsFromTheMostSignificantOne) {
    Random random(33);
    for (const size_t n : Sizes()) {
        std::vector<float> values = RandomFloats(random, n);
        const float special[] = {0, -0.0F, FLT_TRUE_MIN, -FLT_TRUE_MIN, FLT_MAX, -FLT_MAX};
        for (size_t i = 0; i < n; i += 5) values[i] = special[random.Next() % 6];
        Unaligned<float> x(values, n % 3);
        std::vector<uint8_t> expected((n + 7) / 8, 0);
        for (size_t i = 0; i < n; ++i)
            if (values[i] > 0) expected[i / 8] = static_cast<uint8_t>(expected[i / 8] + (128 >> i % 8));
        Unaligned<uint8_t> bits(std::vector<uint8_t>((n + 7) / 8, 0xa5), n % 2);
        kernels().signs(x.data(), bits.data(), n);
        for (size_t i = 0; i < expected.size(); ++i) ASSERT_EQ(bits.data()[i], expected[i]) << n << " " << i;
    }
}

// Each coordinate counts, exactly once, wherever it stands.
TEST_P(KernelsTest, DistancesSeeEveryCoordinateOnce) {
    for (const size_t n : Sizes()) {
        const std::vector<float> ones(n, 1);
        Unaligned<float> a(ones, 0);
        Unaligned<float> b(ones, 0);
        for (size_t i = 0; i<n; i += n> 1000 ? 97 : 1) {
            a.data()[i] = 4;
            EXPECT_EQ(kernels().l2_squared(a.data(), b.data(), n), 9) << n << " " << i;
            EXPECT_EQ(kernels().l1(a.data(), b.data(), n), 3) << n << " " << i;
            EXPECT_EQ(kernels().inner_product(a.data(), b.data(), n), static_cast<float>(n + 3)) << n << " " << i;
            const CosineSums cosine = kernels().cosine(a.data(), b.data(), n);
            EXPECT_EQ(cosine.inner_product, static_cast<float>(n + 3));
            EXPECT_EQ(cosine.norm_a_squared, static_cast<float>(n + 15));
            EXPECT_EQ(cosine.norm_b_squared, static_cast<float>(n));
            a.data()[i] = 1;
        }
    }
}

TEST_P(KernelsTest, DistancesOfExtremeValues) {
    const float tiny = std::numeric_limits<float>::denorm_min();
    const float values[] = {0.0F,  -0.0F,  1.0F,    tiny,      -tiny,      FLT_MIN,
                            3e38F, -3e38F, FLT_MAX, kInfinity, -kInfinity, kNan};
    for (const size_t n : {size_t{1}, size_t{5}, size_t{16}, size_t{67}, size_t{128}}) {
        for (const float x : values) {
            for (const float y : values) {
                // One pair alone, so that no order of adding can matter.
                std::vector<float> a(n, 0);
                std::vector<float> b(n, 0);
                a[n / 2] = x;
                b[n / 2] = y;
                ExpectSameValue(kernels().l2_squared(a.data(), b.data(), n), (x - y) * (x - y), "l2");
                ExpectSameValue(kernels().inner_product(a.data(), b.data(), n), x * y, "inner product");
                ExpectSameValue(kernels().l1(a.data(), b.data(), n), std::fabs(x - y), "l1");
                const CosineSums cosine = kernels().cosine(a.data(), b.data(), n);
                ExpectSameValue(cosine.inner_product, x * y, "inner product");
                ExpectSameValue(cosine.norm_a_squared, x * x, "norm of a");
                ExpectSameValue(cosine.norm_b_squared, y * y, "norm of b");
            }
        }
    }
}

// Each bit by itself, however long the strings are and wherever they lie.
TEST_P(KernelsTest, BitsAreCountedOnceEach) {
    Random random(12);
    std::vector<size_t> sizes = Sizes();
    sizes.push_back(0);
    for (const size_t n : sizes) {
        for (const size_t offset : {size_t{0}, 1 + n % 7}) {
            const std::vector<uint8_t> bytes_a = RandomIntegers<uint8_t>(random, n);
            const std::vector<uint8_t> bytes_b = RandomIntegers<uint8_t>(random, n);
            Unaligned<uint8_t> a(bytes_a, offset);
            Unaligned<uint8_t> b(bytes_b, 2 * offset);
            uint64_t differing = 0;
            uint64_t both = 0;
            uint64_t either = 0;
            for (size_t bit = 0; bit < 8 * n; ++bit) {
                const bool in_a = ((bytes_a[bit / 8] >> (bit % 8)) & 1) != 0;
                const bool in_b = ((bytes_b[bit / 8] >> (bit % 8)) & 1) != 0;
                differing += in_a != in_b;
                both += in_a && in_b;
                either += in_a || in_b;
            }
            ASSERT_EQ(kernels().hamming(a.data(), b.data(), n), differing) << n << " bytes";
            const BitCounts counts = kernels().jaccard(a.data(), b.data(), n);
            ASSERT_EQ(counts.both, both) << n << " bytes";
            ASSERT_EQ(counts.either, either) << n << " bytes";
        }
    }
}

// No sum of counts overflows where all bits are set.
TEST_P(KernelsTest, AllBitsOfALongString) {
    constexpr size_t kBytes = 1000003;
    Unaligned<uint8_t> ones(std::vector<uint8_t>(kBytes, 0xff), 1);
    Unaligned<uint8_t> zeros(std::vector<uint8_t>(kBytes, 0), 0);
    EXPECT_EQ(kernels().hamming(ones.data(), zeros.data(), kBytes), 8 * kBytes);
    EXPECT_EQ(kernels().hamming(ones.data(), ones.data(), kBytes), 0U);
    const BitCounts counts = kernels().jaccard(ones.data(), ones.data(), kBytes);
    EXPECT_EQ(counts.both, 8 * kBytes);
    EXPECT_EQ(counts.either, 8 * kBytes);
    EXPECT_EQ(kernels().jaccard(ones.data(), zeros.data(), kBytes).both, 0U);
}

// ---- Vectors of binary16: their values are exactly floats, so the sums differ from those of the floats by order alone

std::vector<uint16_t> RandomHalfs(Random& random, size_t n) {
    std::vector<uint16_t> halfs(n);
    for (uint16_t& half : halfs) half = FloatToHalf(static_cast<float>((2 * random.Uniform() - 1) * 4));
    return halfs;
}

std::vector<float> FloatsOf(const uint16_t* halfs, size_t n) {
    std::vector<float> floats(n);
    for (size_t i = 0; i < n; ++i) floats[i] = HalfToFloat(halfs[i]);
    return floats;
}

TEST_P(KernelsTest, DistancesOfHalfsAgreeWithDoublePrecision) {
    Random random(21);
    for (const size_t n : Sizes()) {
        for (const size_t offset : {size_t{0}, 1 + n % 3}) {
            Unaligned<uint16_t> a(RandomHalfs(random, n), offset);
            Unaligned<uint16_t> b(RandomHalfs(random, n), 2 * offset);
            Reference l2;
            Reference inner_product;
            Reference norm_a;
            Reference norm_b;
            Reference l1;
            for (size_t i = 0; i < n; ++i) {
                const double x = HalfToFloat(a.data()[i]);
                const double y = HalfToFloat(b.data()[i]);
                l2.Add((x - y) * (x - y));
                inner_product.Add(x * y);
                norm_a.Add(x * x);
                norm_b.Add(y * y);
                l1.Add(std::fabs(x - y));
            }
            EXPECT_NEAR(kernels().half_l2_squared(a.data(), b.data(), n), l2.value, 2 * l2.Tolerance(n)) << n;
            EXPECT_NEAR(kernels().half_inner_product(a.data(), b.data(), n), inner_product.value,
                        inner_product.Tolerance(n))
                << n;
            EXPECT_NEAR(kernels().half_l1(a.data(), b.data(), n), l1.value, 2 * l1.Tolerance(n)) << n;
            const CosineSums cosine = kernels().half_cosine(a.data(), b.data(), n);
            EXPECT_NEAR(cosine.inner_product, inner_product.value, inner_product.Tolerance(n)) << n;
            EXPECT_NEAR(cosine.norm_a_squared, norm_a.value, norm_a.Tolerance(n)) << n;
            EXPECT_NEAR(cosine.norm_b_squared, norm_b.value, norm_b.Tolerance(n)) << n;
        }
    }
}

TEST_P(KernelsTest, DistancesOfHalfsSeeEveryCoordinateOnce) {
    const uint16_t one = FloatToHalf(1);
    for (const size_t n : Sizes()) {
        Unaligned<uint16_t> a(std::vector<uint16_t>(n, one), 0);
        Unaligned<uint16_t> b(std::vector<uint16_t>(n, one), 0);
        for (size_t i = 0; i<n; i += n> 1000 ? 97 : 1) {
            a.data()[i] = FloatToHalf(4);
            EXPECT_EQ(kernels().half_l2_squared(a.data(), b.data(), n), 9) << n << " " << i;
            EXPECT_EQ(kernels().half_l1(a.data(), b.data(), n), 3) << n << " " << i;
            EXPECT_EQ(kernels().half_inner_product(a.data(), b.data(), n), static_cast<float>(n + 3)) << n << " " << i;
            const CosineSums cosine = kernels().half_cosine(a.data(), b.data(), n);
            EXPECT_EQ(cosine.inner_product, static_cast<float>(n + 3));
            EXPECT_EQ(cosine.norm_a_squared, static_cast<float>(n + 15));
            EXPECT_EQ(cosine.norm_b_squared, static_cast<float>(n));
            a.data()[i] = one;
        }
    }
}

// Every half, at every place of a register and of what is left over: subnormals, infinities and NaNs too.
TEST_P(KernelsTest, DistancesOfHalfsReadEveryHalf) {
    for (const size_t n : {size_t{3}, size_t{21}, size_t{67}}) {
        std::vector<uint16_t> a(n, 0);
        const std::vector<uint16_t> zeros(n, 0);
        const std::vector<uint16_t> b(n, FloatToHalf(-2));
        for (uint32_t bits = 0; bits < 65536; bits += 5) {
            const size_t place = bits % n;
            const float x = HalfToFloat(static_cast<uint16_t>(bits));
            a[place] = static_cast<uint16_t>(bits);
            ExpectSameValue(kernels().half_inner_product(a.data(), b.data(), n), x * -2, "inner product");
            ExpectSameValue(kernels().half_cosine(a.data(), b.data(), n).norm_a_squared, x * x, "norm of a");
            ExpectSameValue(kernels().half_cosine(b.data(), a.data(), n).norm_b_squared, x * x, "norm of b");
            ExpectSameValue(kernels().half_l2_squared(a.data(), zeros.data(), n), x * x, "l2");
            ExpectSameValue(kernels().half_l1(a.data(), zeros.data(), n), std::fabs(x), "l1");
            a[place] = 0;
        }
    }
}

TEST_P(KernelsTest, HalfsBecomeTheSameFloatsOnEveryLevel) {
    std::vector<uint16_t> every(65536);
    for (size_t i = 0; i < every.size(); ++i) every[i] = static_cast<uint16_t>(i * 40503);
    for (size_t n = 0; n <= 70; ++n) {
        for (size_t first = 0; first + n <= every.size(); first += n < 70 ? 4099 : 64) {
            const std::vector<uint16_t> part(every.begin() + static_cast<ptrdiff_t>(first),
                                             every.begin() + static_cast<ptrdiff_t>(first + n));
            Unaligned<uint16_t> halfs(part, n % 3);
            Unaligned<float> floats(std::vector<float>(n), n % 2);
            kernels().halfs_to_floats(halfs.data(), floats.data(), n);
            ExpectSameBits(floats.data(), FloatsOf(halfs.data(), n).data(), n);
        }
    }
}

TEST_P(KernelsTest, FloatsBecomeTheSameHalfsOnEveryLevel) {
    Random random(22);
    for (int repeat = 0; repeat < 5000; ++repeat) {
        const auto n = static_cast<size_t>(random.Below(71));
        std::vector<float> values(n);
        for (float& value : values) {
            // Bits of any float; those of one around the range of halfs; one half way between two halfs.
            auto bits = static_cast<uint32_t>(random.Next());
            if (random.Below(3) > 0) bits = (bits & 0x807fffffU) | static_cast<uint32_t>(100 + random.Below(46)) << 23;
            if (random.Below(3) == 0) bits = (bits & ~0x1fffU) | 0x1000U;
            value = std::bit_cast<float>(bits);
        }
        Unaligned<float> floats(values, n % 3);
        Unaligned<uint16_t> halfs(std::vector<uint16_t>(n), n % 2);
        kernels().floats_to_halfs(floats.data(), halfs.data(), n);
        for (size_t i = 0; i < n; ++i) {
            ASSERT_EQ(halfs.data()[i], FloatToHalf(values[i])) << std::bit_cast<uint32_t>(values[i]);
        }
    }
}

TEST_P(KernelsTest, RowDistancesAgreeWithDoublePrecision) {
    Random random(2);
    for (size_t n = 64; n <= 16000; n += n < 1024 ? 64 : 1856) {
        for (const float scale : {0.0F, 0.0078F, 3.5F}) {
            for (const size_t offset : {size_t{0}, size_t{1}, size_t{3}}) {
                Unaligned<float> query(RandomFloats(random, n), offset);
                Unaligned<int8_t> codes(RandomIntegers<int8_t>(random, n), 5 * offset);
                Reference l2;
                Reference inner_product;
                double largest = 0;
                for (size_t i = 0; i < n; ++i) {
                    const double decoded = static_cast<double>(scale) * codes.data()[i];
                    const double difference = query.data()[i] - decoded;
                    l2.Add(difference * difference);
                    inner_product.Add(static_cast<double>(query.data()[i]) * codes.data()[i]);
                    largest = std::max({largest, std::fabs(decoded), 1.0});
                }
                // Without a fused operation the decoded value is rounded too, and cancellation shows it.
                const double decoding = 8 * static_cast<double>(n) * kFloatUnit * largest * largest;
                EXPECT_NEAR(kernels().row_l2_squared(query.data(), codes.data(), scale, n), l2.value,
                            2 * l2.Tolerance(n) + decoding);
                EXPECT_NEAR(kernels().row_inner_product(query.data(), codes.data(), n), inner_product.value,
                            inner_product.Tolerance(n));
            }
        }
    }
}

TEST_P(KernelsTest, RowDistancesKnowEveryCode) {
    std::vector<int8_t> codes(256);
    std::vector<float> query(256);
    for (size_t i = 0; i < 256; ++i) {
        codes[i] = static_cast<int8_t>(i);
        query[i] = 2.0F * codes[i];
    }
    EXPECT_EQ(kernels().row_l2_squared(query.data(), codes.data(), 2, 256), 0);
    query[200] += 3;
    EXPECT_EQ(kernels().row_l2_squared(query.data(), codes.data(), 2, 256), 9);
    for (size_t i = 0; i < 256; ++i) {
        std::fill(query.begin(), query.end(), 0.0F);
        query[i] = 3;
        EXPECT_EQ(kernels().row_inner_product(query.data(), codes.data(), 256), 3.0F * codes[i]);
    }
    query[7] = kNan;
    EXPECT_TRUE(std::isnan(kernels().row_l2_squared(query.data(), codes.data(), 2, 256)));
    EXPECT_TRUE(std::isnan(kernels().row_inner_product(query.data(), codes.data(), 256)));
    query[7] = kInfinity;
    EXPECT_EQ(kernels().row_l2_squared(query.data(), codes.data(), 2, 256), kInfinity);
    EXPECT_EQ(kernels().row_inner_product(query.data(), codes.data(), 256), kInfinity);
}

std::vector<uint32_t> ReferenceSums(const std::vector<uint8_t>& codes, const std::vector<uint8_t>& table, size_t rows,
                                    std::vector<uint32_t> sums) {
    for (size_t v = 0; v < kBlockSize; ++v) {
        for (size_t row = 0; row < rows; ++row) {
            const uint8_t code = codes[32 * row + v];
            sums[v] += table[32 * row + code % 16] + table[32 * row + 16 + code / 16];
        }
    }
    return sums;
}

TEST_P(KernelsTest, SketchSumsAreExactForAnyNumberOfRows) {
    Random random(3);
    std::vector<size_t> numbers_of_rows = {384, 511, 512, 513, 2000};
    for (size_t rows = 0; rows <= 300; ++rows) numbers_of_rows.push_back(rows);
    for (const size_t rows : numbers_of_rows) {
        const std::vector<uint8_t> codes = RandomIntegers<uint8_t>(random, 32 * rows);
        const std::vector<uint8_t> largest(32 * rows, 255);  // fills 16 bits as fast as can be
        for (const std::vector<uint8_t>& table : {RandomIntegers<uint8_t>(random, 32 * rows), largest}) {
            const std::vector<uint32_t> before = RandomIntegers<uint32_t>(random, kBlockSize);
            Unaligned<uint8_t> codes_copy(codes, rows % 7);
            Unaligned<uint8_t> table_copy(table, rows % 5);
            Unaligned<uint32_t> sums(before, rows % 3);
            kernels().sketch_accumulate(codes_copy.data(), rows, table_copy.data(), sums.data());
            const std::vector<uint32_t> expected = ReferenceSums(codes, table, rows, before);
            ASSERT_EQ(std::vector<uint32_t>(sums.data(), sums.data() + kBlockSize), expected) << rows << " rows";
        }
    }
}

// A page cut may fall anywhere: two calls add up to one.
TEST_P(KernelsTest, SketchSumsContinueAcrossCalls) {
    Random random(4);
    const size_t rows = 150;
    const std::vector<uint8_t> codes = RandomIntegers<uint8_t>(random, 32 * rows);
    const std::vector<uint8_t> table = RandomIntegers<uint8_t>(random, 32 * rows);
    const std::vector<uint32_t> expected = ReferenceSums(codes, table, rows, std::vector<uint32_t>(kBlockSize, 0));
    for (size_t cut = 0; cut <= rows; ++cut) {
        std::vector<uint32_t> sums(kBlockSize, 0);
        kernels().sketch_accumulate(codes.data(), cut, table.data(), sums.data());
        kernels().sketch_accumulate(codes.data() + 32 * cut, rows - cut, table.data() + 32 * cut, sums.data());
        ASSERT_EQ(sums, expected) << cut;
    }
}

struct BoundInput {
    std::vector<uint32_t> sums;
    std::vector<uint16_t> f_add, f_rescale, f_error;
    BoundTerms terms;
};

BoundInput RandomBoundInput(Random& random) {
    BoundInput input;
    const auto factors = [&random](double scale) {
        std::vector<uint16_t> values(kBlockSize);
        for (uint16_t& value : values) {
            value = FloatToBf16Nearest(static_cast<float>((2 * random.Uniform() - 1) * scale));
        }
        return values;
    };
    for (size_t v = 0; v < kBlockSize; ++v) input.sums.push_back(static_cast<uint32_t>(random.Below(1000000)));
    input.f_add = factors(10);
    input.f_rescale = factors(2);
    input.f_error = factors(1);
    input.terms = {.base = 3.25F, .add_scale = 1.5F, .sum_scale = 0.0625F, .sum_offset = -77.5F, .error_scale = 1.9F};
    return input;
}

uint32_t Bounds(const Kernels& kernels, const BoundInput& input, float threshold, float* bounds) {
    return kernels.sketch_bounds(input.sums.data(), input.f_add.data(), input.f_rescale.data(), input.f_error.data(),
                                 input.terms, threshold, bounds);
}

TEST_P(KernelsTest, BoundsAgreeWithDoublePrecision) {
    Random random(5);
    for (int repeat = 0; repeat < 200; ++repeat) {
        const BoundInput input = RandomBoundInput(random);
        const BoundTerms& terms = input.terms;
        float bounds[kBlockSize];
        Bounds(kernels(), input, 0, bounds);
        for (size_t v = 0; v < kBlockSize; ++v) {
            Reference bound;
            bound.Add(terms.base);
            bound.Add(static_cast<double>(terms.add_scale) * Bf16ToFloat(input.f_add[v]));
            bound.Add(static_cast<double>(Bf16ToFloat(input.f_rescale[v])) * terms.sum_scale * input.sums[v]);
            bound.Add(static_cast<double>(Bf16ToFloat(input.f_rescale[v])) * terms.sum_offset);
            bound.Add(-static_cast<double>(terms.error_scale) * Bf16ToFloat(input.f_error[v]));
            ASSERT_NEAR(bounds[v], bound.value, bound.Tolerance(6)) << v;
        }
    }
}

TEST_P(KernelsTest, BoundsBelowTheThresholdAreMarked) {
    Random random(6);
    for (int repeat = 0; repeat < 200; ++repeat) {
        const BoundInput input = RandomBoundInput(random);
        float bounds[kBlockSize];
        Bounds(kernels(), input, 0, bounds);
        const float one_of_them = bounds[random.Below(kBlockSize)];  // equal is not below
        for (const float threshold : {one_of_them, 0.0F, kInfinity, -kInfinity, kNan}) {
            const uint32_t below = Bounds(kernels(), input, threshold, bounds);
            for (size_t v = 0; v < kBlockSize; ++v) ASSERT_EQ((below >> v) & 1, bounds[v] < threshold ? 1U : 0U);
        }
    }
}

TEST_P(KernelsTest, BoundsThatAreNoNumberAreNeverMarked) {
    Random random(7);
    BoundInput input = RandomBoundInput(random);
    input.f_add[3] = FloatToBf16Nearest(kNan);
    input.f_add[17] = FloatToBf16Nearest(kInfinity);
    input.f_add[30] = FloatToBf16Nearest(-kInfinity);
    input.f_add[31] = FloatToBf16Nearest(kInfinity);
    input.f_error[31] = FloatToBf16Nearest(kInfinity);
    float bounds[kBlockSize];
    const uint32_t below = Bounds(kernels(), input, kInfinity, bounds);
    EXPECT_TRUE(std::isnan(bounds[3]));
    EXPECT_EQ(bounds[17], kInfinity);
    EXPECT_EQ(bounds[30], -kInfinity);
    EXPECT_TRUE(std::isnan(bounds[31]));
    EXPECT_EQ(below, ~((1U << 3) | (1U << 17) | (1U << 31)));
}

// The definition: entry (i, j) of the matrix is -1 to the number of bits that i and j share.
TEST_P(KernelsTest, HadamardFollowsItsDefinition) {
    Random random(8);
    for (size_t n = 1; n <= 512; n *= 2) {
        Unaligned<float> x(RandomFloats(random, n), n % 3);
        std::vector<double> expected(n, 0);
        for (size_t i = 0; i < n; ++i) {
            for (size_t j = 0; j < n; ++j) expected[i] += std::popcount(i & j) % 2 == 0 ? x.data()[j] : -x.data()[j];
        }
        kernels().hadamard(x.data(), n);
        const double tolerance = 10 * kFloatUnit * static_cast<double>(n);
        for (size_t i = 0; i < n; ++i) ASSERT_NEAR(x.data()[i], expected[i], tolerance) << n << " " << i;
    }
}

TEST_P(KernelsTest, HadamardIsTheSameOnEveryLevel) {
    Random random(9);
    for (size_t n = 1; n <= 16384; n *= 2) {
        for (const double scale : {1e-42, 1.0, 1e30}) {
            std::vector<float> expected = RandomFloats(random, n, scale);
            for (size_t i = 0; i < n; i += 3) expected[i] *= 1e-5F;  // coordinates of unequal size, some of them zero
            for (size_t i = 1; i < n; i += 5) expected[i] = i % 2 == 0 ? 0.0F : -0.0F;
            Unaligned<float> x(expected, 1);
            kernels().hadamard(x.data(), n);
            KernelLevel(0).hadamard(expected.data(), n);
            ExpectSameBits(x.data(), expected.data(), n);
        }
    }
}

TEST_P(KernelsTest, FlipSignsFollowsTheBits) {
    Random random(10);
    for (size_t n = 0; n <= 400; n += 8) {
        std::vector<float> expected = RandomFloats(random, n);
        if (n > 0) expected[n - 1] = 0;
        if (n > 0) expected[n / 2] = kInfinity;
        Unaligned<float> x(expected, n % 3);
        Unaligned<uint8_t> signs(RandomIntegers<uint8_t>(random, n / 8), n % 5);
        kernels().flip_signs(x.data(), signs.data(), n);
        for (size_t i = 0; i < n; ++i) {
            if ((signs.data()[i / 8] & (1 << i % 8)) != 0) expected[i] = -expected[i];
        }
        ExpectSameBits(x.data(), expected.data(), n);
    }
}

TEST_P(KernelsTest, KacStepCombinesTheHalves) {
    Random random(11);
    for (size_t n = 0; n <= 400; n += 2) {
        const std::vector<float> before = RandomFloats(random, n);
        Unaligned<float> x(before, n % 3);
        kernels().kac_step(x.data(), n);
        std::vector<float> expected(n);
        for (size_t i = 0; i < n / 2; ++i) {
            expected[i] = before[i] + before[i + n / 2];
            expected[i + n / 2] = before[i] - before[i + n / 2];
        }
        ExpectSameBits(x.data(), expected.data(), n);
    }
}

TEST_P(KernelsTest, ScaleMultipliesEveryCoordinate) {
    Random random(12);
    for (size_t n = 0; n <= 200; ++n) {
        std::vector<float> expected = RandomFloats(random, n);
        Unaligned<float> x(expected, n % 3);
        kernels().scale(x.data(), 0.3F, n);
        for (float& value : expected) value *= 0.3F;
        ExpectSameBits(x.data(), expected.data(), n);
    }
}

TEST(KernelLevelsTest, TheScalarLevelComesFirstAndNamesAreUnique) {
    ASSERT_GE(KernelLevelCount(), 1U);
    EXPECT_STREQ(KernelLevel(0).name, "scalar");
    for (size_t i = 0; i < KernelLevelCount(); ++i) {
        for (size_t j = 0; j < i; ++j) EXPECT_STRNE(KernelLevel(i).name, KernelLevel(j).name);
    }
}

TEST(KernelLevelsTest, TheBestLevelIsActiveUntilAnotherIsForced) {
    const Kernels& best = KernelLevel(KernelLevelCount() - 1);
    EXPECT_EQ(&ActiveKernels(), &best);
    for (size_t i = 0; i < KernelLevelCount(); ++i) {
        EXPECT_TRUE(SetKernelLevel(KernelLevel(i).name));
        EXPECT_EQ(&ActiveKernels(), &KernelLevel(i));
    }
    EXPECT_TRUE(SetKernelLevel("scalar"));
    for (const char* name : {"", "avx", "AVX2", "avx1024"}) EXPECT_FALSE(SetKernelLevel(name)) << name;
    EXPECT_STREQ(ActiveKernels().name, "scalar");
    EXPECT_TRUE(SetKernelLevel("auto"));
    EXPECT_EQ(&ActiveKernels(), &best);
}

// The levels that this CPU should have, told from the kernel's list of its features.
#if defined(__x86_64__)
std::set<std::string> CpuFlags() {
    std::ifstream file("/proc/cpuinfo");
    for (std::string line; std::getline(file, line);) {
        if (!line.starts_with("flags")) continue;
        std::istringstream words(line.substr(line.find(':') + 1));
        return {std::istream_iterator<std::string>(words), {}};
    }
    return {};
}

TEST(KernelLevelsTest, TheCpuGetsTheLevelsThatItCanRun) {
    const std::set<std::string> flags = CpuFlags();
    ASSERT_FALSE(flags.empty());
    const auto has = [&flags](const std::vector<std::string>& wanted) {
        return std::all_of(wanted.begin(), wanted.end(), [&flags](const auto& flag) { return flags.contains(flag); });
    };
    std::vector<std::string> expected = {"scalar"};
    if (has({"ssse3", "sse4_1", "sse4_2"})) {
        expected.emplace_back("sse4");
        if (has({"avx2", "fma", "bmi1", "bmi2"})) {
            expected.emplace_back("avx2");
            if (has({"avx512f", "avx512cd", "avx512vl", "avx512dq", "avx512bw"})) {
                expected.emplace_back("avx512");
                if (has({"avx512_vpopcntdq"})) expected.emplace_back("avx512_popcnt");
            }
        }
    }
    std::vector<std::string> actual;
    for (size_t i = 0; i < KernelLevelCount(); ++i) actual.emplace_back(KernelLevel(i).name);
    EXPECT_EQ(actual, expected);
}
#elif defined(__aarch64__)
TEST(KernelLevelsTest, TheCpuGetsTheLevelsThatItCanRun) {
    ASSERT_EQ(KernelLevelCount(), 2U);
    EXPECT_STREQ(KernelLevel(1).name, "neon");
}
#endif

TEST(Bfloat16Test, EveryValueSurvivesEveryRounding) {
    for (uint32_t value = 0; value <= 0xffff; ++value) {
        const auto bf16 = static_cast<uint16_t>(value);
        const float number = Bf16ToFloat(bf16);
        if (std::isnan(number)) {
            EXPECT_TRUE(std::isnan(Bf16ToFloat(FloatToBf16Down(number))));
            EXPECT_TRUE(std::isnan(Bf16ToFloat(FloatToBf16Up(number))));
            EXPECT_TRUE(std::isnan(Bf16ToFloat(FloatToBf16Nearest(number))));
        } else {
            EXPECT_EQ(FloatToBf16Down(number), bf16);
            EXPECT_EQ(FloatToBf16Up(number), bf16);
            EXPECT_EQ(FloatToBf16Nearest(number), bf16);
        }
    }
}

// The neighbours of a finite number among the bfloat16 values, or the number itself; infinities count as 2^128.
double Bf16Value(uint16_t bf16) {
    const float number = Bf16ToFloat(bf16);
    return std::isinf(number) ? std::copysign(0x1.0p128, number) : number;
}

TEST(Bfloat16Test, DirectedRoundingKeepsTheInequalityAndIsTight) {
    Random random(13);
    std::vector<uint32_t> patterns = {0x00000001, 0x80000001, 0x0000ffff, 0x007fffff, 0x807fffff, 0x00800000,
                                      0x7f7fffff, 0xff7fffff, 0x7f7f0000, 0x7f7f0001, 0x3f808000, 0x3f818000,
                                      0x3f807fff, 0x3f808001, 0xbf808000, 0xbf818000};
    for (int i = 0; i < 1000000; ++i) patterns.push_back(static_cast<uint32_t>(random.Next()));
    for (const uint32_t pattern : patterns) {
        const auto value = std::bit_cast<float>(pattern);
        if (std::isnan(value) || std::isinf(value)) continue;
        const uint16_t down = FloatToBf16Down(value);
        const uint16_t up = FloatToBf16Up(value);
        const uint16_t nearest = FloatToBf16Nearest(value);
        ASSERT_LE(Bf16ToFloat(down), value);
        ASSERT_GE(Bf16ToFloat(up), value);
        if ((pattern & 0xffff) == 0) {
            ASSERT_EQ(down, up);
        } else {
            ASSERT_EQ(std::abs(static_cast<int>(up) - static_cast<int>(down)), 1) << value;
        }
        const double below = value - Bf16Value(down);
        const double above = Bf16Value(up) - value;
        if (below < above) {
            ASSERT_EQ(nearest, down) << value;
        } else if (above < below) {
            ASSERT_EQ(nearest, up) << value;
        } else {
            ASSERT_EQ(nearest, down % 2 == 0 ? down : up) << value;
        }
    }
}

TEST(Bfloat16Test, BeyondTheRange) {
    EXPECT_EQ(FloatToBf16Down(FLT_MAX), 0x7f7f);
    EXPECT_EQ(Bf16ToFloat(FloatToBf16Up(FLT_MAX)), kInfinity);
    EXPECT_EQ(Bf16ToFloat(FloatToBf16Nearest(FLT_MAX)), kInfinity);
    EXPECT_EQ(Bf16ToFloat(FloatToBf16Down(-FLT_MAX)), -kInfinity);
    EXPECT_EQ(FloatToBf16Up(-FLT_MAX), 0xff7f);
    EXPECT_EQ(Bf16ToFloat(FloatToBf16Down(kInfinity)), kInfinity);
    EXPECT_EQ(Bf16ToFloat(FloatToBf16Up(-kInfinity)), -kInfinity);
}

TEST(Bfloat16Test, NoNanBecomesANumber) {
    for (const uint32_t pattern : {0x7f800001U, 0xff800001U, 0x7fc00000U, 0x7fffffffU, 0xffffffffU}) {
        const auto value = std::bit_cast<float>(pattern);
        EXPECT_TRUE(std::isnan(Bf16ToFloat(FloatToBf16Down(value))));
        EXPECT_TRUE(std::isnan(Bf16ToFloat(FloatToBf16Up(value))));
        EXPECT_TRUE(std::isnan(Bf16ToFloat(FloatToBf16Nearest(value))));
    }
}

}  // namespace
}  // namespace annex

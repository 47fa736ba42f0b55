// The rotation: what an orthogonal matrix keeps, its inverse, and that nothing but dimensions and seed determines it.
#include "annex/rotation.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "annex/error.h"
#include "annex/kernels.h"
#include "annex/random.h"

namespace annex {
namespace {

const std::vector<size_t>& SomeDimensions() {
    static const std::vector<size_t> dimensions = {1,   2,   3,    63,   64,   65,   100,  128,  192,  300,   320,
                                                   384, 768, 1000, 1024, 1536, 2048, 3072, 4096, 8192, 12288, 16000};
    return dimensions;
}

// Random coordinates, followed by the zeros of the padding.
std::vector<float> RandomVector(Random& random, size_t dimensions, double scale = 1.0) {
    std::vector<float> x(PaddedDimensions(dimensions), 0);
    for (size_t i = 0; i < dimensions; ++i) x[i] = static_cast<float>((2 * random.Uniform() - 1) * scale);
    return x;
}

double Dot(const std::vector<float>& a, const std::vector<float>& b) {
    double sum = 0;
    for (size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * b[i];
    return sum;
}

double Norm(const std::vector<float>& x) {
    return std::sqrt(Dot(x, x));
}

double Distance(const std::vector<float>& a, const std::vector<double>& b) {
    double sum = 0;
    for (size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
    return std::sqrt(sum);
}

std::vector<float> Rotated(const Rotation& rotation, std::vector<float> x) {
    rotation.Apply(x.data());
    return x;
}

// The transform of annex/rotation.h in double precision, written as its comment says it.
std::vector<double> ExactRotation(size_t dimensions, uint64_t seed, const std::vector<float>& input) {
    const size_t padded = PaddedDimensions(dimensions);
    const size_t transform = std::bit_floor(padded);
    std::vector<double> x(input.begin(), input.end());
    Random random(seed);
    for (size_t round = 0; round < 4; ++round) {
        for (size_t i = 0; i < padded; i += 64) {
            const uint64_t bits = random.Next();
            for (size_t j = 0; j < 64; ++j) {
                if (((bits >> j) & 1) != 0) x[i + j] = -x[i + j];
            }
        }
        double* part = x.data() + (round % 2 == 0 ? 0 : padded - transform);
        for (size_t half = 1; half < transform; half *= 2) {
            for (size_t i = 0; i < transform; ++i) {
                if ((i & half) != 0) continue;
                const double sum = part[i] + part[i + half];
                const double difference = part[i] - part[i + half];
                part[i] = sum * std::sqrt(0.5);
                part[i + half] = difference * std::sqrt(0.5);
            }
        }
        if (transform == padded || round % 2 == 0) continue;
        for (size_t i = 0; i < padded / 2; ++i) {
            const double sum = x[i] + x[i + padded / 2];
            const double difference = x[i] - x[i + padded / 2];
            x[i] = sum * std::sqrt(0.5);
            x[i + padded / 2] = difference * std::sqrt(0.5);
        }
    }
    return x;
}

TEST(RotationTest, PadsToAMultipleOf64) {
    for (size_t dimensions = 1; dimensions <= 16000; dimensions += 61) {
        const Rotation rotation(dimensions, 1);
        EXPECT_EQ(rotation.dimensions(), dimensions);
        EXPECT_EQ(rotation.padded() % 64, 0U);
        EXPECT_GE(rotation.padded(), dimensions);
        EXPECT_LT(rotation.padded(), dimensions + 64);
    }
}

TEST(RotationTest, RefusesNoDimensions) {
    EXPECT_THROW(Rotation(0, 1), Error);
}

TEST(RotationTest, StaysWithinItsErrorBound) {
    Random random(1);
    for (const size_t dimensions : SomeDimensions()) {
        const Rotation rotation(dimensions, dimensions + 7);
        for (int repeat = 0; repeat < 3; ++repeat) {
            std::vector<float> x = RandomVector(random, dimensions);
            if (repeat == 1) x[dimensions / 2] = 1000;  // one coordinate that outweighs the others
            const double error = Distance(Rotated(rotation, x), ExactRotation(dimensions, dimensions + 7, x));
            EXPECT_LE(error, Rotation::kRelativeError * Norm(x)) << dimensions;
        }
    }
}

TEST(RotationTest, KeepsNormsAndInnerProductsAtEveryPaddedSize) {
    Random random(2);
    for (size_t dimensions = 64; dimensions <= 16000; dimensions += 64) {
        const Rotation rotation(dimensions, 5);
        const std::vector<float> a = RandomVector(random, dimensions);
        const std::vector<float> b = RandomVector(random, dimensions);
        const std::vector<float> rotated_a = Rotated(rotation, a);
        const std::vector<float> rotated_b = Rotated(rotation, b);
        const double tolerance = 2.1 * Rotation::kRelativeError * Norm(a) * Norm(b);
        ASSERT_NEAR(Norm(rotated_a), Norm(a), 1.1 * Rotation::kRelativeError * Norm(a)) << dimensions;
        ASSERT_NEAR(Dot(rotated_a, rotated_b), Dot(a, b), tolerance) << dimensions;
    }
}

TEST(RotationTest, ItsMatrixIsOrthogonal) {
    for (const size_t dimensions : {size_t{64}, size_t{128}, size_t{192}, size_t{320}}) {
        const Rotation rotation(dimensions, 9);
        std::vector<std::vector<float>> columns;
        for (size_t i = 0; i < dimensions; ++i) {
            std::vector<float> unit(dimensions, 0);
            unit[i] = 1;
            columns.push_back(Rotated(rotation, unit));
        }
        for (size_t i = 0; i < dimensions; ++i) {
            for (size_t j = 0; j <= i; ++j) ASSERT_NEAR(Dot(columns[i], columns[j]), i == j ? 1 : 0, 1e-5);
        }
    }
}

TEST(RotationTest, InverseComesBack) {
    Random random(3);
    for (const size_t dimensions : SomeDimensions()) {
        const Rotation rotation(dimensions, 11);
        const std::vector<float> x = RandomVector(random, dimensions);
        std::vector<float> there_and_back = Rotated(rotation, x);
        rotation.ApplyInverse(there_and_back.data());
        const std::vector<double> exact(x.begin(), x.end());
        EXPECT_LE(Distance(there_and_back, exact), 2.1 * Rotation::kRelativeError * Norm(x)) << dimensions;
    }
}

// What the sketch needs: no axis stays an axis. The coordinates of a rotated axis are like those of a Gaussian of
// variance 1/P, whose fourth moment is 3/P^2. A transform that an axis could get around would show in single ones.
TEST(RotationTest, SpreadsEveryAxis) {
    for (const size_t dimensions : {64, 192, 384, 448, 768, 960, 1024, 1536, 1984}) {
        const Rotation rotation(dimensions, 13);
        const auto size = static_cast<double>(dimensions);
        double sum = 0;
        for (size_t i = 0; i < dimensions; ++i) {
            std::vector<float> unit(dimensions, 0);
            unit[i] = 1;
            double fourth_moment = 0;
            for (const float coordinate : Rotated(rotation, unit)) {
                ASSERT_LT(std::fabs(coordinate), 6.5 / std::sqrt(size)) << dimensions << " " << i;
                fourth_moment += size * std::pow(coordinate, 4);
            }
            ASSERT_LT(fourth_moment, 6.5) << dimensions << " " << i;
            sum += fourth_moment;
        }
        EXPECT_NEAR(sum / size, 3, 0.3) << dimensions;
    }
}

TEST(RotationTest, NormsFarBeyondAnySquareSurvive) {
    Random random(4);
    for (const size_t dimensions : {size_t{1}, size_t{100}, size_t{384}, size_t{1024}, size_t{8192}, size_t{16000}}) {
        const Rotation rotation(dimensions, 17);
        const std::vector<float> x = RandomVector(random, dimensions);
        const std::vector<float> expected = Rotated(rotation, x);
        const double norm = Norm(x);
        for (const int exponent : {-90, -60, 60, 90}) {
            std::vector<float> scaled = x;
            for (float& coordinate : scaled) coordinate = std::ldexp(coordinate, exponent);
            scaled = Rotated(rotation, scaled);
            std::vector<double> back(scaled.size());
            for (size_t i = 0; i < back.size(); ++i) back[i] = std::ldexp(static_cast<double>(scaled[i]), -exponent);
            EXPECT_LE(Distance(expected, back), 1e-7 * norm) << dimensions << " " << exponent;
        }
        std::vector<float> zero(rotation.padded(), 0);
        rotation.Apply(zero.data());
        EXPECT_EQ(Norm(zero), 0);
    }
}

TEST(RotationTest, IsTheSameOnEveryLevel) {
    Random random(5);
    for (const size_t dimensions : SomeDimensions()) {
        const Rotation rotation(dimensions, 19);
        const std::vector<float> x = RandomVector(random, dimensions);
        ASSERT_TRUE(SetKernelLevel("scalar"));
        const std::vector<float> expected = Rotated(rotation, x);
        std::vector<float> expected_inverse = expected;
        rotation.ApplyInverse(expected_inverse.data());
        for (size_t level = 1; level < KernelLevelCount(); ++level) {
            ASSERT_TRUE(SetKernelLevel(KernelLevel(level).name));
            std::vector<float> actual = Rotated(rotation, x);
            EXPECT_EQ(actual, expected) << dimensions << " " << KernelLevel(level).name;
            rotation.ApplyInverse(actual.data());
            EXPECT_EQ(actual, expected_inverse) << dimensions << " " << KernelLevel(level).name;
        }
        SetKernelLevel("auto");
    }
}

// FNV-1a over the bits of the rotated vector (1, 2, ..., dimensions).
uint64_t Fingerprint(size_t dimensions, uint64_t seed) {
    std::vector<float> x(PaddedDimensions(dimensions), 0);
    for (size_t i = 0; i < dimensions; ++i) x[i] = static_cast<float>(i + 1);
    Rotation(dimensions, seed).Apply(x.data());
    uint64_t hash = 0xcbf29ce484222325ULL;
    for (const float coordinate : x) {
        for (int shift = 0; shift < 32; shift += 8) {
            hash = (hash ^ ((std::bit_cast<uint32_t>(coordinate) >> shift) & 0xff)) * 0x100000001b3ULL;
        }
    }
    return hash;
}

// Indexes on disk depend on it: a change of these values makes every index that exists unreadable.
TEST(RotationTest, NeverChanges) {
    EXPECT_EQ(Fingerprint(3, 42), 0xb6f286dae5d11a51ULL);
    EXPECT_EQ(Fingerprint(100, 42), 0xcf6d91bfee6cf211ULL);
    EXPECT_EQ(Fingerprint(384, 42), 0x4b38b8490abf1888ULL);
    EXPECT_EQ(Fingerprint(768, 1), 0xea09f2c4ac7f5172ULL);
    EXPECT_EQ(Fingerprint(1024, 42), 0x8362754595b7748cULL);
    EXPECT_EQ(Fingerprint(16000, 7), 0x980f11faa761e598ULL);
}

TEST(RotationTest, DependsOnTheSeed) {
    std::set<uint64_t> fingerprints;
    for (uint64_t seed = 0; seed < 100; ++seed) fingerprints.insert(Fingerprint(128, seed));
    EXPECT_EQ(fingerprints.size(), 100U);
}

}  // namespace
}  // namespace annex

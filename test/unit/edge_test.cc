// Codes of edges: estimates with the error that annex/edge.h states.
#include "annex/edge.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "codec_testing.h"

namespace annex {
namespace {

using testing::ForEachKernelLevel;
using testing::GaussianVector;

double SquaredDistance(const std::vector<float>& a, const std::vector<float>& b) {
    double sum = 0;
    for (size_t i = 0; i < a.size(); ++i) {
        const double difference = static_cast<double>(a[i]) - static_cast<double>(b[i]);
        sum += difference * difference;
    }
    return sum;
}

// Mean and root mean square of (estimate - truth) / (2 ||r|| ||q - c||), in units of 1 / sqrt(code_bits).
struct Errors {
    double mean;
    double deviation;
};

Errors MeasureErrors(size_t padded, size_t code_bits, double offset) {
    constexpr size_t kEdges = 24;
    constexpr size_t kNodes = 60;
    Random random(3);
    double sum = 0;
    double squares = 0;
    for (size_t node = 0; node < kNodes; ++node) {
        const std::vector<float> c = GaussianVector(&random, padded, 1, offset);
        std::vector<float> q = GaussianVector(&random, padded, 0.7);
        for (size_t i = 0; i < padded; ++i) q[i] += c[i];
        const double base = SquaredDistance(q, c);
        std::vector<uint8_t> codes(kEdges * EdgeCodeBytes(code_bits));
        std::vector<EdgeFactors> factors(kEdges);
        std::vector<std::vector<float>> neighbours;
        for (size_t edge = 0; edge < kEdges; ++edge) {
            std::vector<float> y = GaussianVector(&random, padded, 0.5);
            for (size_t i = 0; i < padded; ++i) y[i] += c[i];
            factors[edge] = EncodeEdge(c.data(), y.data(), padded, code_bits, &codes[edge * EdgeCodeBytes(code_bits)]);
            neighbours.push_back(std::move(y));
        }
        EdgeQuery query;
        query.Reset(q.data(), code_bits);
        const float* products = query.SignProducts(codes.data(), EdgeCodeBytes(code_bits), kEdges);
        for (size_t edge = 0; edge < kEdges; ++edge) {
            const double length = std::sqrt(SquaredDistance(neighbours[edge], c));
            const double error =
                (static_cast<double>(EstimateAlong(factors[edge], static_cast<float>(base), products[edge])) -
                 SquaredDistance(q, neighbours[edge])) /
                (2 * length * std::sqrt(base)) * std::sqrt(static_cast<double>(code_bits));
            sum += error;
            squares += error * error;
        }
    }
    constexpr double kCount = kEdges * kNodes;
    return {sum / kCount, std::sqrt(squares / kCount)};
}

TEST(EdgeTest, EstimatesAreUnbiasedAndAsFineAsStated) {
    ForEachKernelLevel([](const Kernels& kernels) {
        for (const size_t padded : {128U, 384U, 1536U}) {
            const Errors errors = MeasureErrors(padded, padded, 0);
            // Three standard deviations of a mean of 1,440.
            EXPECT_LT(std::fabs(errors.mean), 0.07) << padded << " " << kernels.name;
            EXPECT_NEAR(errors.deviation, 0.76, 0.06) << padded << " " << kernels.name;
        }
    });
}

// Far from the origin the query's rounding counts, and no more than it should.
TEST(EdgeTest, RoundingOfTheQueryCountsFarFromTheOrigin) {
    const Errors errors = MeasureErrors(128, 128, 4);
    EXPECT_LT(std::fabs(errors.mean), 0.1);
    EXPECT_LT(errors.deviation, 1.1);
}

TEST(EdgeTest, ShorterCodesAreCoarserAndUnbiased) {
    const Errors errors = MeasureErrors(384, 192, 0);
    EXPECT_LT(std::fabs(errors.mean), 0.1);
    EXPECT_GT(errors.deviation, 0.9);
    EXPECT_LT(errors.deviation, 1.2);
}

TEST(EdgeTest, AnEdgeToTheSamePlaceIsAtTheNodesDistance) {
    Random random(4);
    const std::vector<float> c = GaussianVector(&random, 64);
    const std::vector<float> q = GaussianVector(&random, 64);
    std::vector<uint8_t> code(EdgeCodeBytes(64));
    const EdgeFactors factors = EncodeEdge(c.data(), c.data(), 64, 64, code.data());
    EdgeQuery query;
    query.Reset(q.data(), 64);
    EXPECT_EQ(EstimateAlong(factors, 12.5F, query.SignProducts(code.data(), code.size(), 1)[0]), 12.5F);
    EXPECT_EQ(SquaredLength(factors, 64, 64), 0);
}

TEST(EdgeTest, AQueryOfZerosSeesLengths) {
    const std::vector<float> c(64);
    const std::vector<float> y(64, 0.5F);
    std::vector<uint8_t> code(EdgeCodeBytes(64));
    const EdgeFactors factors = EncodeEdge(c.data(), y.data(), 64, 64, code.data());
    EdgeQuery query;
    query.Reset(c.data(), 64);
    EXPECT_EQ(EstimateAlong(factors, 0, query.SignProducts(code.data(), code.size(), 1)[0]), 16);
}

TEST(EdgeTest, FactorsRememberLengths) {
    Random random(5);
    for (const size_t padded : {128U, 384U}) {
        const std::vector<float> c = GaussianVector(&random, padded);
        const std::vector<float> y = GaussianVector(&random, padded);
        std::vector<uint8_t> code(EdgeCodeBytes(padded));
        const EdgeFactors factors = EncodeEdge(c.data(), y.data(), padded, padded, code.data());
        const double length = SquaredDistance(c, y);
        EXPECT_NEAR(static_cast<double>(SquaredLength(factors, padded, padded)) / length, 1, 0.2);
    }
}

}  // namespace
}  // namespace annex

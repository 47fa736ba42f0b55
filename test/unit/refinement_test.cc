// The refinement's bounds must hold against what the operators compute, whatever the data, at every kernel level.
#include "annex/refinement.h"

#include <gtest/gtest.h>

#include <cfloat>
#include <cmath>
#include <string>
#include <vector>

#include "codec_testing.h"

namespace annex {
namespace {

using testing::ForEachKernelLevel;
using testing::GaussianVector;
using testing::kMetrics;
using testing::MetricName;
using testing::OperatorValue;

struct EncodedRow {
    std::vector<int8_t> codes;
    RowFactors factors;
};

// A query with all that bounds need.
class Query {
  public:
    Query(const Space& space, const float* q, const float* y) : z_(y, y + space.padded()), query_(space, q, y) {
        space.ToRowSpace(z_.data());
        query_.UseRowSpace(z_.data());
    }
    const RowQuery* operator->() const { return &query_; }

  private:
    std::vector<float> z_;
    RowQuery query_;
};

EncodedRow Encode(const Space& space, const float* y) {
    EncodedRow row{std::vector<int8_t>(space.padded()), {}};
    row.factors = RowEncoder(space).Encode(y, row.codes.data());
    return row;
}

// The length of the difference by which bounds of this metric measure errors.
double Norm(Metric metric, const std::vector<float>& a, const std::vector<float>& b) {
    double sum = 0;
    for (size_t i = 0; i < a.size(); ++i) {
        const double difference = static_cast<double>(a[i]) - static_cast<double>(b[i]);
        sum += metric == Metric::kL1 ? std::fabs(difference) : difference * difference;
    }
    return metric == Metric::kL1 ? sum : std::sqrt(sum);
}

// Vectors at the edges of what a vector may be. `centre` is where the data lies.
std::vector<std::vector<float>> AdversarialVectors(size_t n, float centre, uint64_t seed) {
    Random random(seed);
    std::vector<std::vector<float>> vectors;
    const auto scaled = [&](double factor) { vectors.push_back(GaussianVector(&random, n, factor)); };

    vectors.emplace_back(n, centre);  // zero residual
    vectors.emplace_back(n, 0.0F);
    vectors.emplace_back(n, 0.1F);  // all coordinates equal
    for (int i = 0; i < 4; ++i) vectors.push_back(GaussianVector(&random, n, 1, static_cast<double>(centre)));
    for (int i = 0; i < 4; ++i) vectors.push_back(GaussianVector(&random, n, 1e-3, static_cast<double>(centre)));
    for (const double magnitude : {1e-44, 1e-38, 1e-30, 1e-22, 1e-20, 1e-16, 1e-12, 1e-6, 1e4, 1e9, 1e14}) {
        scaled(magnitude);
        scaled(magnitude);
    }
    scaled(1e17 / std::sqrt(static_cast<double>(n)));
    scaled(2e18 / std::sqrt(static_cast<double>(n)));  // beyond the range
    vectors.emplace_back(n, FLT_MAX);
    for (const float huge : {1e3F, 1e6F, 1e15F}) {  // one huge coordinate
        vectors.push_back(GaussianVector(&random, n, 1, static_cast<double>(centre)));
        vectors.back()[n / 2] = huge;
        vectors.push_back(vectors.back());
        vectors.back()[0] += 1;
    }
    vectors.emplace_back(n, 0.0F);
    vectors.back()[0] = 1;
    vectors.emplace_back(n, 0.0F);
    vectors.back()[n - 1] = FLT_TRUE_MIN;
    vectors.emplace_back(n, 0.0F);
    for (float& value : vectors.back()) value = random.Below(2) == 0 ? -1.0F : 1.0F;

    // Neighbours: the same, its opposite, its double, and the same but for the last bit of some coordinates.
    for (const size_t original : {size_t{2}, size_t{3}, vectors.size() - 1}) {
        vectors.push_back(vectors[original]);
        vectors.push_back(vectors[original]);
        for (float& value : vectors.back()) value = -value;
        vectors.push_back(vectors[original]);
        for (float& value : vectors.back()) value *= 2;
        vectors.push_back(vectors[original]);
        for (float& value : vectors.back()) {
            if (random.Below(3) == 0) value = std::nextafter(value, random.Below(2) == 0 ? -FLT_MAX : FLT_MAX);
        }
    }
    return vectors;
}

// Checks the bounds of all pairs; `values` are computed at the level in use.
void CheckAllPairs(const Kernels& kernels, const Space& space, const std::vector<std::vector<float>>& rows,
                   const std::vector<std::vector<float>>& queries) {
    std::vector<float> y_q(space.padded());
    std::vector<float> y(space.padded());
    std::vector<EncodedRow> encoded(rows.size());
    std::vector<RowClass> classes(rows.size());
    for (size_t i = 0; i < rows.size(); ++i) {
        classes[i] = space.TransformRow(rows[i].data(), y.data());
        if (classes[i] == RowClass::kNormal) encoded[i] = Encode(space, y.data());
    }
    size_t normal_pairs = 0;
    for (size_t j = 0; j < queries.size(); ++j) {
        const RowClass query_class = space.TransformQuery(queries[j].data(), y_q.data());
        const Query query(space, queries[j].data(), y_q.data());
        for (size_t i = 0; i < rows.size(); ++i) {
            const double value = OperatorValue(kernels, space.metric(), queries[j], rows[i]);
            if (query_class == RowClass::kNaN || classes[i] == RowClass::kNaN) {
                ASSERT_TRUE(std::isnan(value)) << "query " << j << ", row " << i;
            }
            if (query_class != RowClass::kNormal || classes[i] != RowClass::kNormal) continue;
            const Bounds bounds = query->Bound(encoded[i].codes.data(), encoded[i].factors);
            ASSERT_TRUE(std::isfinite(value)) << "query " << j << ", row " << i;
            ASSERT_LE(bounds.lower, value) << "query " << j << ", row " << i;
            ASSERT_GE(bounds.upper, value) << "query " << j << ", row " << i;
            ASSERT_TRUE(std::isfinite(bounds.lower) && std::isfinite(bounds.upper));
            ++normal_pairs;
        }
    }
    EXPECT_GT(normal_pairs, rows.size());
}

class RefinementBoundTest : public ::testing::TestWithParam<size_t> {};

TEST_P(RefinementBoundTest, HoldsForAdversarialVectors) {
    const size_t n = GetParam();
    for (const float centre : {0.0F, 1e3F}) {
        const std::vector<std::vector<float>> rows = AdversarialVectors(n, centre, 11 + n);
        std::vector<std::vector<float>> queries = AdversarialVectors(n, centre, 12 + n);
        queries.insert(queries.end(), rows.begin(), rows.end());
        if (n > 1000) {  // every fifth, and those that equal a row or nearly
            std::vector<std::vector<float>> some;
            for (size_t i = 0; i < queries.size(); i += 5) some.push_back(queries[i]);
            some.insert(some.end(), rows.end() - 8, rows.end());
            queries = some;
        }
        for (const float mean : {0.0F, centre == 0.0F ? 1e15F : centre}) {
            for (const Metric metric : kMetrics) {
                const Space space(metric, n, 99, std::vector<float>(n, mean));
                ForEachKernelLevel([&](const Kernels& kernels) {
                    SCOPED_TRACE(std::string(MetricName(metric)) + ", " + kernels.name + ", centre " +
                                 std::to_string(centre) + ", mean " + std::to_string(mean));
                    CheckAllPairs(kernels, space, rows, queries);
                });
            }
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Dimensions, RefinementBoundTest, ::testing::Values(1, 2, 3, 63, 64, 65, 384, 16000));

// Rows of other dimensions in the style of real embeddings, many pairs, to meet the unlucky roundings.
TEST(RefinementTest, HoldsForManyOrdinaryPairs) {
    for (const size_t n : {8, 64, 100, 128}) {
        Random random(n);
        std::vector<std::vector<float>> rows;
        const std::vector<float> mean = GaussianVector(&random, n, 0.3);
        for (int i = 0; i < 150; ++i) {
            rows.push_back(GaussianVector(&random, n, 1e-4 * std::pow(2, i % 20)));
            for (size_t d = 0; d < n; ++d) rows.back()[d] += mean[d];
        }
        for (const Metric metric : kMetrics) {
            const Space space(metric, n, 5, mean);
            ForEachKernelLevel([&](const Kernels& kernels) {
                SCOPED_TRACE(std::string(MetricName(metric)) + ", " + kernels.name);
                CheckAllPairs(kernels, space, rows, rows);
            });
        }
    }
}

// A vector and its copy quantise without any error when the rotation makes all coordinates equal, so nothing but the
// slack for rounding keeps the bound below the operator's zero.
TEST(RefinementTest, SlackAloneCoversEqualVectors) {
    for (const size_t n : {1, 64, 128, 1024}) {
        for (const float value : {0.3F, 1.0F / 3, 1e-5F, 12345.678F}) {
            std::vector<float> x(n, 0.0F);
            x[0] = value;
            const Space space(Metric::kL2, n, 3, std::vector<float>(n, 0.0F));
            std::vector<float> y(space.padded());
            ASSERT_EQ(space.TransformRow(x.data(), y.data()), RowClass::kNormal);
            const EncodedRow row = Encode(space, y.data());
            ForEachKernelLevel([&](const Kernels& kernels) {
                const Query query(space, x.data(), y.data());
                EXPECT_EQ(query->Bound(row.codes.data(), row.factors).lower, 0) << kernels.name << " " << value;
            });
        }
    }
}

// No data at hand brings the rotation's rounding near its bound, so what is allowed for it is checked as such.
TEST(RefinementTest, AllowsForTheRotationOfRowAndQuery) {
    Random random(5);
    for (const Metric metric : kMetrics) {
        SCOPED_TRACE(MetricName(metric));
        const Space space(metric, 100, 3, std::vector<float>(100, 0.0F));
        const std::vector<float> x = GaussianVector(&random, 100);
        std::vector<float> y(space.padded());
        ASSERT_EQ(space.TransformRow(x.data(), y.data()), RowClass::kNormal);
        const EncodedRow row = Encode(space, y.data());
        std::vector<float> decoded(space.padded());
        DecodeCodes(row.codes.data(), row.factors.scale, space.padded(), decoded.data());
        std::vector<float> z = y;
        space.ToRowSpace(z.data());
        const Query query(space, x.data(), y.data());
        // Of L1 there are two rotations, whose errors may lie anywhere.
        const bool l1 = metric == Metric::kL1;
        const double rotation = l1 ? 2 * std::sqrt(100.0) * Rotation::kRelativeError : Rotation::kRelativeError;
        EXPECT_GT(row.factors.error, Norm(metric, z, decoded) + rotation * query->norm());

        // Against the origin, whose own error is zero, what is left is the query's.
        const std::vector<int8_t> origin(space.padded(), 0);
        const Bounds bounds = query->Bound(origin.data(), {0, 0});
        if (metric == Metric::kL2) {
            EXPECT_LT(bounds.lower, query->norm() * (1 - Rotation::kRelativeError));
            EXPECT_GT(bounds.upper, query->norm() * (1 + Rotation::kRelativeError));
        } else if (metric == Metric::kCosine) {
            const double operators = 2 * 100 * 0x1p-24;
            EXPECT_LT(bounds.lower, query->norm() * query->norm() / 2 * (1 - 2 * Rotation::kRelativeError) - operators);
        } else if (l1) {
            const double length = Norm(metric, z, std::vector<float>(z.size()));
            EXPECT_LT(bounds.lower, length - rotation * query->norm());
            EXPECT_GT(bounds.upper, length + rotation * query->norm());
        }
    }
}

// The slack must stay small beside the quantisation error, or the executor fetches more rows than it needs.
TEST(RefinementTest, IsNearlyAsTightAsTheQuantisationAllows) {
    for (const size_t n : {128, 384}) {
        Random random(n);
        const std::vector<float> mean = GaussianVector(&random, n, 0.5);
        for (const Metric metric : kMetrics) {
            SCOPED_TRACE(std::string(MetricName(metric)) + ", dimensions " + std::to_string(n));
            const Space space(metric, n, 5, mean);
            std::vector<float> y(space.padded());
            std::vector<float> y_q(space.padded());
            std::vector<float> decoded(space.padded());
            for (int pair = 0; pair < 100; ++pair) {
                const std::vector<float> x = GaussianVector(&random, n);
                const std::vector<float> q = GaussianVector(&random, n);
                ASSERT_EQ(space.TransformRow(x.data(), y.data()), RowClass::kNormal);
                ASSERT_EQ(space.TransformQuery(q.data(), y_q.data()), RowClass::kNormal);
                const EncodedRow row = Encode(space, y.data());
                DecodeCodes(row.codes.data(), row.factors.scale, space.padded(), decoded.data());
                std::vector<float> z = y;
                space.ToRowSpace(z.data());
                const double error = Norm(metric, z, decoded);
                EXPECT_LT(error, 0.013 * Norm(metric, z, std::vector<float>(z.size())));

                const Query query(space, q.data(), y_q.data());
                const Bounds bounds = query->Bound(row.codes.data(), row.factors);
                const double value = OperatorValue(ActiveKernels(), metric, q, x);
                // How far an error of the row's vector moves the value.
                double slope = 1;
                if (metric == Metric::kCosine) slope = std::sqrt(2 * value);
                if (metric == Metric::kInnerProduct) slope = query->norm();
                EXPECT_LT(value - bounds.lower, 2.1 * slope * error);
                EXPECT_LT(bounds.upper - value, 2.1 * slope * error + error * error);
            }
        }
    }
}

TEST(RefinementTest, DecodesWithinHalfAStep) {
    Random random(4);
    const Space space(Metric::kL2, 200, 1, std::vector<float>(200, 0.0F));
    for (const double magnitude : {1e-20, 1.0, 1e15}) {
        const std::vector<float> y = GaussianVector(&random, space.padded(), magnitude);
        const EncodedRow row = Encode(space, y.data());
        std::vector<float> decoded(space.padded());
        DecodeCodes(row.codes.data(), row.factors.scale, space.padded(), decoded.data());
        int largest = 0;
        for (size_t i = 0; i < y.size(); ++i) {
            EXPECT_LE(std::fabs(y[i] - decoded[i]), row.factors.scale * 0.50001F);
            largest = std::max(largest, std::abs(static_cast<int>(row.codes[i])));
        }
        EXPECT_EQ(largest, 127);
    }
}

TEST(RefinementTest, CodesAreTheSameAtEveryKernelLevel) {
    Random random(6);
    const std::vector<float> x = GaussianVector(&random, 300);
    const Space space(Metric::kCosine, 300, 1, GaussianVector(&random, 300, 0.1));
    std::vector<EncodedRow> rows;
    ForEachKernelLevel([&](const Kernels&) {
        std::vector<float> y(space.padded());
        ASSERT_EQ(space.TransformRow(x.data(), y.data()), RowClass::kNormal);
        rows.push_back(Encode(space, y.data()));
    });
    for (const EncodedRow& row : rows) {
        EXPECT_EQ(row.codes, rows[0].codes);
        EXPECT_EQ(row.factors.scale, rows[0].factors.scale);
        EXPECT_EQ(row.factors.error, rows[0].factors.error);
    }
}

// What annex/norm_ratio.h is told of a row.
TEST(RefinementTest, SpreadTellsHowManyCoordinatesDiffer) {
    for (const size_t n : {64, 100, 384}) {
        const Space space(Metric::kL1, n, 1, std::vector<float>(n, 0.0F));
        std::vector<float> y(space.padded());
        const auto spread = [&](const std::vector<float>& x) {
            EXPECT_EQ(space.TransformRow(x.data(), y.data()), RowClass::kNormal);
            const EncodedRow row = Encode(space, y.data());
            const std::vector<float> origin(n, 0.0F);
            std::vector<float> y_q(space.padded());
            EXPECT_EQ(space.TransformQuery(origin.data(), y_q.data()), RowClass::kNormal);
            return Query(space, origin.data(), y_q.data())->Bound(row.codes.data(), row.factors).spread;
        };
        std::vector<float> one(n, 0.0F);
        EXPECT_EQ(spread(one), 0);
        one[n / 2] = 3;
        EXPECT_NEAR(spread(one), 1, 1e-3);
        EXPECT_NEAR(spread(std::vector<float>(n, 0.5F)), static_cast<double>(n), 1e-3 * static_cast<double>(n));
    }
}

TEST(RefinementTest, DecodedRowsComeBackToTheIndexsSpace) {
    Random random(9);
    for (const Metric metric : kMetrics) {
        SCOPED_TRACE(MetricName(metric));
        const Space space(metric, 200, 1, GaussianVector(&random, 200));
        const std::vector<float> x = GaussianVector(&random, 200);
        std::vector<float> y(space.padded());
        ASSERT_EQ(space.TransformRow(x.data(), y.data()), RowClass::kNormal);
        const EncodedRow row = Encode(space, y.data());
        std::vector<float> decoded(space.padded());
        DecodeRow(space, row.codes.data(), row.factors.scale, decoded.data());
        EXPECT_LT(Norm(Metric::kL2, y, decoded), 0.01 * Norm(Metric::kL2, y, std::vector<float>(y.size())));
    }
}

TEST(RefinementTest, ZeroRowsAndDenormalRowsHaveNoCodes) {
    const Space space(Metric::kL2, 64, 1, std::vector<float>(64, 0.0F));
    for (const float value : {0.0F, FLT_TRUE_MIN, 1e-35F}) {
        const std::vector<float> y(64, value);
        const EncodedRow row = Encode(space, y.data());
        EXPECT_EQ(row.factors.scale, 0);
        EXPECT_EQ(row.codes, std::vector<int8_t>(64, 0));
        EXPECT_GE(row.factors.error, 8 * value);
    }
}

TEST(RefinementTest, DistancesToCentroidsUseTheDecodedRow) {
    Random random(8);
    const Space space(Metric::kInnerProduct, 128, 1, std::vector<float>(128, 0.0F));
    const std::vector<float> q = GaussianVector(&random, 128);
    std::vector<float> y_q(128);
    ASSERT_EQ(space.TransformQuery(q.data(), y_q.data()), RowClass::kNormal);
    const std::vector<float> centroid = GaussianVector(&random, 128);
    const EncodedRow row = Encode(space, centroid.data());
    std::vector<float> decoded(128);
    DecodeCodes(row.codes.data(), row.factors.scale, 128, decoded.data());
    const Query query(space, q.data(), y_q.data());
    double product = 0;
    double distance = 0;
    for (size_t i = 0; i < 128; ++i) {
        product += static_cast<double>(y_q[i]) * static_cast<double>(decoded[i]);
        distance += std::pow(static_cast<double>(y_q[i]) - static_cast<double>(decoded[i]), 2);
    }
    EXPECT_NEAR(query->InnerProduct(row.codes.data(), row.factors.scale), product, 1e-4);
    EXPECT_NEAR(query->SquaredDistance(row.codes.data(), row.factors.scale), distance, 1e-3);
}

}  // namespace
}  // namespace annex

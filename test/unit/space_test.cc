// The index's space: what it preserves, and which vectors it refuses to bound.
#include "annex/space.h"

#include <gtest/gtest.h>

#include <cfloat>
#include <cmath>
#include <vector>

#include "annex/error.h"
#include "codec_testing.h"

namespace annex {
namespace {

using testing::GaussianVector;
using testing::kMetrics;
using testing::MetricName;

double Dot(const std::vector<float>& a, const std::vector<float>& b) {
    double sum = 0;
    for (size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
    return sum;
}

double SquaredDistance(const std::vector<float>& a, const std::vector<float>& b) {
    return Dot(a, a) + Dot(b, b) - 2 * Dot(a, b);
}

std::vector<float> Row(const Space& space, const std::vector<float>& x) {
    std::vector<float> y(space.padded(), NAN);
    EXPECT_EQ(space.TransformRow(x.data(), y.data()), RowClass::kNormal);
    return y;
}

std::vector<float> Query(const Space& space, const std::vector<float>& q) {
    std::vector<float> y(space.padded(), NAN);
    EXPECT_EQ(space.TransformQuery(q.data(), y.data()), RowClass::kNormal);
    return y;
}

TEST(SpaceTest, KeepsWhatEachMetricMeasures) {
    Random random(1);
    for (const size_t n : {1, 2, 63, 64, 65, 384, 1000}) {
        const std::vector<float> mean = GaussianVector(&random, n);
        for (const Metric metric : kMetrics) {
            SCOPED_TRACE(std::string(MetricName(metric)) + ", dimensions " + std::to_string(n));
            const Space space(metric, n, 7, mean);
            for (int pair = 0; pair < 20; ++pair) {
                const std::vector<float> x = GaussianVector(&random, n, 1, 0.5);
                const std::vector<float> q = GaussianVector(&random, n, 2, 0.5);
                const std::vector<float> y_x = Row(space, x);
                const std::vector<float> y_q = Query(space, q);
                const double tolerance = 1e-5 * (Dot(x, x) + Dot(q, q) + Dot(mean, mean) + 1);
                switch (metric) {
                    case Metric::kL1:  // of L2 the sketches make use
                    case Metric::kL2:
                    case Metric::kHamming:
                    case Metric::kJaccard:
                        EXPECT_NEAR(SquaredDistance(y_q, y_x), SquaredDistance(q, x), tolerance);
                        break;
                    case Metric::kCosine:
                        EXPECT_NEAR(SquaredDistance(y_q, y_x) / 2, 1 - Dot(q, x) / std::sqrt(Dot(q, q) * Dot(x, x)),
                                    1e-5 * (Dot(mean, mean) + 1));
                        break;
                    case Metric::kInnerProduct:
                        EXPECT_NEAR(Dot(q, mean) + Dot(y_q, y_x), Dot(q, x), tolerance);
                        break;
                }
            }
        }
    }
}

TEST(SpaceTest, RowsAndL2QueriesLandOnTheSamePoint) {
    Random random(2);
    const std::vector<float> mean = GaussianVector(&random, 100);
    const std::vector<float> x = GaussianVector(&random, 100);
    for (const Metric metric : {Metric::kL2, Metric::kCosine, Metric::kL1}) {
        const Space space(metric, 100, 3, mean);
        EXPECT_EQ(Row(space, x), Query(space, x));
    }
}

TEST(SpaceTest, CosineIgnoresLength) {
    Random random(3);
    const Space space(Metric::kCosine, 70, 3, GaussianVector(&random, 70, 0.1));
    const std::vector<float> x = GaussianVector(&random, 70);
    std::vector<float> longer = x;
    for (float& value : longer) value *= 0x1p40F;
    EXPECT_EQ(Row(space, x), Row(space, longer));
}

TEST(SpaceTest, ZeroVectors) {
    for (const Metric metric : kMetrics) {
        const Space space(metric, 5, 1, std::vector<float>(5, 0.25F));
        const std::vector<float> zero = {0, -0.0F, 0, 0, 0};
        std::vector<float> y(space.padded());
        const RowClass expected = metric == Metric::kCosine ? RowClass::kNaN : RowClass::kNormal;
        EXPECT_EQ(space.Classify(zero.data()), expected) << MetricName(metric);
        EXPECT_EQ(space.TransformRow(zero.data(), y.data()), expected) << MetricName(metric);
        EXPECT_EQ(space.TransformQuery(zero.data(), y.data()), expected) << MetricName(metric);
    }
}

TEST(SpaceTest, ClassesFollowTheNorm) {
    struct Case {
        float value;
        RowClass l2;
        RowClass product_row;
        RowClass product_query;
        RowClass cosine;
    };
    constexpr RowClass kNormal = RowClass::kNormal;
    constexpr RowClass kUnbounded = RowClass::kUnbounded;
    const Case cases[] = {
        {FLT_TRUE_MIN, kNormal, kNormal, kUnbounded, kUnbounded},
        {1e-35F, kNormal, kNormal, kUnbounded, kUnbounded},
        {1e-23F, kNormal, kNormal, kNormal, kUnbounded},  // a float norm^2 of zero
        {1e-20F, kNormal, kNormal, kNormal, kUnbounded},  // a denormal one
        {1e-12F, kNormal, kNormal, kNormal, kNormal},
        {1, kNormal, kNormal, kNormal, kNormal},
        {1e17F, kNormal, kNormal, kNormal, kNormal},
        {1e18F, kUnbounded, kUnbounded, kUnbounded, kUnbounded},
        {FLT_MAX, kUnbounded, kUnbounded, kUnbounded, kUnbounded},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.value);
        const std::vector<float> x = {c.value, 0, -c.value};
        std::vector<float> y(64);
        const Space l2(Metric::kL2, 3, 1, {0, 0, 0});
        const Space l1(Metric::kL1, 3, 1, {0, 0, 0});
        const Space product(Metric::kInnerProduct, 3, 1, {0, 0, 0});
        const Space cosine(Metric::kCosine, 3, 1, {0, 0, 0});
        EXPECT_EQ(l2.TransformRow(x.data(), y.data()), c.l2);
        EXPECT_EQ(l2.TransformQuery(x.data(), y.data()), c.l2);
        EXPECT_EQ(l2.Classify(x.data()), c.l2);
        EXPECT_EQ(l1.TransformRow(x.data(), y.data()), c.l2);
        EXPECT_EQ(l1.TransformQuery(x.data(), y.data()), c.l2);
        EXPECT_EQ(l1.Classify(x.data()), c.l2);
        EXPECT_EQ(product.TransformRow(x.data(), y.data()), c.product_row);
        EXPECT_EQ(product.TransformQuery(x.data(), y.data()), c.product_query);
        EXPECT_EQ(product.Classify(x.data()), c.product_row);
        EXPECT_EQ(cosine.TransformRow(x.data(), y.data()), c.cosine);
        EXPECT_EQ(cosine.TransformQuery(x.data(), y.data()), c.cosine);
        EXPECT_EQ(cosine.Classify(x.data()), c.cosine);
    }
}

TEST(SpaceTest, ARowFarFromAHugeMeanIsUnbounded) {
    const Space space(Metric::kL2, 2, 1, {2e17F, 0});
    const float near[] = {2e17F, 1e16F};
    const float far[] = {-2e17F, 0};
    EXPECT_EQ(space.Classify(near), RowClass::kNormal);
    EXPECT_EQ(space.Classify(far), RowClass::kUnbounded);
}

TEST(SpaceTest, AMeanOutOfRangeCountsAsUnknown) {
    const Space space(Metric::kL2, 2, 1, {1e30F, 1});
    EXPECT_EQ(space.mean(), std::vector<float>({0, 0}));
    EXPECT_EQ(space.mean_norm(), 0);
    const float x[] = {1, 2};
    EXPECT_EQ(space.Classify(x), RowClass::kNormal);
}

TEST(SpaceTest, AMeanOfOtherDimensionsIsAnError) {
    EXPECT_THROW(Space(Metric::kL2, 3, 1, {1, 2}), Error);
}

TEST(SpaceTest, MoreDimensionsThanBoundsAreMadeForAreAnError) {
    EXPECT_NO_THROW(Space(Metric::kL1, kMostDimensions, 1, std::vector<float>(kMostDimensions)));
    EXPECT_THROW(Space(Metric::kL1, kMostDimensions + 1, 1, std::vector<float>(kMostDimensions + 1)), Error);
}

TEST(SpaceTest, RowsOfL1AreCodedAsTheyLie) {
    Random random(4);
    for (const size_t n : {1, 64, 100, 384}) {
        const std::vector<float> mean = GaussianVector(&random, n);
        const std::vector<float> x = GaussianVector(&random, n);
        for (const Metric metric : kMetrics) {
            SCOPED_TRACE(MetricName(metric));
            const Space space(metric, n, 3, mean);
            const std::vector<float> y = Row(space, x);
            std::vector<float> z = y;
            space.ToRowSpace(z.data());
            if (metric == Metric::kL1) {
                for (size_t i = 0; i < n; ++i) EXPECT_NEAR(z[i], x[i] - mean[i], 1e-5 * std::sqrt(Dot(y, y)));
                for (size_t i = n; i < z.size(); ++i) EXPECT_EQ(z[i], 0);
            } else {
                EXPECT_EQ(z, y);
            }
            space.FromRowSpace(z.data());
            EXPECT_NEAR(SquaredDistance(z, y), 0, 1e-9 * Dot(y, y));
        }
    }
}

}  // namespace
}  // namespace annex

// The product of codes: the same on every level, and the distances that its definition names.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "annex/clustering.h"
#include "annex/kernels.h"
#include "clustering_data.h"
#include "engine/clustering/code_product.h"

namespace annex {
namespace {

std::vector<float> HalfDistances(const Vectors& rows, const Vectors& points) {
    CodeRows coded(rows.size(), rows.padded());
    for (size_t i = 0; i < rows.size(); i++) coded.Encode(i, rows[i]);
    CodePoints packed(points.size(), points.padded());
    packed.Pack(points.data(), 1);
    std::vector<float> values(rows.size() * packed.width());
    packed.HalfDistances(coded, 0, rows.size(), 0, packed.width(), values.data(), packed.width());
    return values;
}

TEST(CodeProduct, GivesHalfDistancesOfTheDecodedOnEveryLevel) {
    for (const size_t padded : {64, 192, 1024, 16000})
        for (const size_t count : {1, 3, 4, 11, 12, 29}) {
            const Vectors rows = RandomVectors(count, padded, 1);
            Vectors points = RandomVectors(count + 40, padded, 2);
            points[1][0] = 50;  // scales differ
            const size_t width = (points.size() + 31) / 32 * 32;
            const Sample row_codes = SampleOf(rows);
            const Sample point_codes = SampleOf(points);
            const ForcedLevel scalar("scalar");
            const std::vector<float> expected = HalfDistances(rows, points);
            std::vector<float> x(padded);
            std::vector<float> p(padded);
            for (size_t i = 0; i < count; i++)
                for (size_t j = 0; j < width; j++) {
                    if (j >= points.size()) {
                        EXPECT_EQ(expected[i * width + j], INFINITY);
                        continue;
                    }
                    row_codes.Decode(i, x.data());
                    point_codes.Decode(j, p.data());
                    double value = 0;
                    for (size_t d = 0; d < padded; d++) value += double{p[d]} * p[d] / 2 - double{x[d]} * p[d];
                    ASSERT_NEAR(expected[i * width + j], value, 1e-5 * static_cast<double>(padded)) << i << " " << j;
                }
            for (size_t level = 1; level < KernelLevelCount(); level++) {
                const ForcedLevel forced(KernelLevel(level).name);
                EXPECT_EQ(HalfDistances(rows, points), expected) << KernelLevel(level).name;
            }
        }
}

TEST(CodeDots, AreThoseOfTheCodesOnEveryLevel) {
    for (const size_t padded : {64, 192, 16000}) {
        Vectors points = RandomVectors(20, padded, 3);
        std::fill_n(points[0], padded, 1.0F);
        std::fill_n(points[1], padded, -1.0F);
        CodeRows rows(20, padded);
        for (size_t i = 0; i < 20; i++) rows.Encode(i, points[i]);
        const std::vector<uint32_t> which = {7, 19, 0, 0, 1, 3, 12};
        for (size_t level = 0; level < KernelLevelCount(); level++) {
            SCOPED_TRACE(KernelLevel(level).name);
            const ForcedLevel forced(KernelLevel(level).name);
            for (size_t i = 0; i < 20; i++) {
                std::vector<const int8_t*> codes;
                for (const uint32_t j : which) codes.push_back(rows.codes(j));
                std::vector<int32_t> products(which.size());
                internal::ActiveCodeDots()(rows.codes(i), rows.sums()[i], codes.data(), which.size(), padded,
                                           products.data());
                for (size_t j = 0; j < which.size(); j++) {
                    int32_t product = 0;
                    for (size_t d = 0; d < padded; d++) product += rows.codes(i)[d] * rows.codes(which[j])[d];
                    ASSERT_EQ(products[j], product) << i << " " << j;
                }
            }
        }
    }
}

TEST(CodePoints, UnpackWhatWasPacked) {
    const Vectors points = RandomVectors(70, 192, 4);
    CodePoints packed(70, 192);
    packed.Pack(points.data(), 1);
    CodeRows rows(1, 192);
    std::vector<int8_t> codes(192);
    for (size_t i = 0; i < 70; i++) {
        packed.Unpack(i, codes.data());
        rows.Encode(0, points[i]);
        EXPECT_TRUE(std::equal(codes.begin(), codes.end(), rows.codes(0))) << i;
        EXPECT_EQ(packed.scale(i), rows.scales()[0]);
    }
}

TEST(CodeProduct, IsExactForTheLargestCodes) {
    // All codes -127 and 127: no pair of products may saturate.
    for (const float sign : {-1.0F, 1.0F}) {
        Vectors rows(13, 16000);
        Vectors points(33, 16000);
        std::fill_n(rows.data(), 13 * 16000, 127.0F);
        std::fill_n(points.data(), 33 * 16000, sign * 127);
        for (size_t level = 0; level < KernelLevelCount(); level++) {
            const ForcedLevel forced(KernelLevel(level).name);
            const std::vector<float> values = HalfDistances(rows, points);
            for (size_t i = 0; i < 13; i++)
                for (size_t j = 0; j < 33; j++)
                    ASSERT_EQ(values[i * 64 + j], 16000 * (127.0F * 127 / 2 - sign * 127 * 127));
        }
    }
}

}  // namespace
}  // namespace annex

// Assignment: the nearest list of every row, and the list of its second copy.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "annex/clustering.h"
#include "annex/kernels.h"
#include "annex/random.h"
#include "clustering_data.h"

namespace annex {
namespace {

double SquaredDistance(const float* a, const float* b, size_t n) {
    double sum = 0;
    for (size_t d = 0; d < n; d++) sum += (double{a[d]} - double{b[d]}) * (double{a[d]} - double{b[d]});
    return sum;
}

double SoarLoss(const float* row, const float* first, const float* second, size_t n) {
    const double r = SquaredDistance(row, first, n);
    double product = 0;
    for (size_t d = 0; d < n; d++)
        product += (double{row[d]} - double{first[d]}) * (double{row[d]} - double{second[d]});
    return SquaredDistance(row, second, n) + (r > 0 ? product * product / r : 0);
}

std::vector<Assignment> Assign(const Vectors& rows, const Vectors& centroids, bool spill, int threads) {
    std::vector<Assignment> result(rows.size());
    Assigner assigner(centroids.data(), centroids.size(), centroids.padded(), threads);
    EXPECT_GE(assigner.batch(), 1U);
    for (size_t start = 0; start < rows.size(); start += assigner.batch())
        assigner.Assign(rows[start], std::min(assigner.batch(), rows.size() - start), spill, &result[start]);
    return result;
}

// Second lists are chosen by codes.
constexpr double kCodes = 1.05;

// Whether the lists are those that the definitions name, ties within rounding allowed.
void ExpectAsDefined(const Vectors& rows, const Vectors& centroids, const std::vector<Assignment>& result, bool spill) {
    const size_t padded = rows.padded();
    const size_t lists = centroids.size();
    size_t failures = 0;
    for (size_t i = 0; i < rows.size() && failures < 5; i++) {
        std::vector<double> distance(lists);
        double scale = 0;
        for (size_t c = 0; c < lists; c++) {
            distance[c] = SquaredDistance(rows[i], centroids[c], padded);
            scale = std::max(scale, distance[c]);
        }
        const double slack = 1e-5 * scale;
        ASSERT_LT(result[i].primary, lists);
        const double least = *std::min_element(distance.begin(), distance.end());
        EXPECT_LE(distance[result[i].primary], least + slack) << "row " << i << (failures++, "");
        if (!spill || lists == 1) {
            EXPECT_EQ(result[i].secondary, kNoList) << "row " << i << (failures++, "");
            continue;
        }
        ASSERT_LT(result[i].secondary, lists);
        EXPECT_NE(result[i].secondary, result[i].primary) << "row " << i << (failures++, "");
        std::vector<size_t> order(lists);
        std::iota(order.begin(), order.end(), size_t{0});
        std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return distance[a] < distance[b]; });
        order.resize(std::min<size_t>(lists, 8));
        double least_loss = INFINITY;
        for (const size_t c : order)
            if (c != result[i].primary)
                least_loss =
                    std::min(least_loss, SoarLoss(rows[i], centroids[result[i].primary], centroids[c], padded));
        const double loss = SoarLoss(rows[i], centroids[result[i].primary], centroids[result[i].secondary], padded);
        EXPECT_LE(loss, kCodes * least_loss + slack) << "row " << i << (failures++, "");
        EXPECT_LE(distance[result[i].secondary], kCodes * distance[order.back()] + slack)
            << "row " << i << (failures++, "");
    }
}

struct Shape {
    size_t rows;
    size_t lists;
    size_t padded;
};

class AssignerShapes : public testing::TestWithParam<Shape> {};

TEST_P(AssignerShapes, EqualsTheDefinitionAtEveryLevel) {
    const auto [rows, lists, padded] = GetParam();
    const Vectors x = RandomVectors(rows, padded, 1);
    const Vectors c = RandomVectors(lists, padded, 2);
    for (size_t level = 0; level < KernelLevelCount(); level++) {
        SCOPED_TRACE(KernelLevel(level).name);
        const ForcedLevel forced(KernelLevel(level).name);
        ExpectAsDefined(x, c, Assign(x, c, true, 1), true);
        ExpectAsDefined(x, c, Assign(x, c, false, 1), false);
    }
}

INSTANTIATE_TEST_SUITE_P(Sizes, AssignerShapes,
                         testing::Values(Shape{1, 1, 64}, Shape{7, 2, 64}, Shape{1000, 7, 64}, Shape{13, 8, 128},
                                         Shape{200, 9, 64}, Shape{193, 31, 64}, Shape{191, 32, 64}, Shape{385, 33, 192},
                                         Shape{100, 511, 64}, Shape{100, 513, 128}, Shape{50, 1055, 320},
                                         Shape{29, 100, 1088}, Shape{3, 40, 16000}));

TEST(Assigner, ChoosesTheSecondListInAPlaneToo) {
    // Of few dimensions, where the losses of the candidates differ most.
    for (const size_t dimensions : {1, 2, 3}) {
        Vectors x = RandomVectors(2000, 64, 20);
        Vectors c = RandomVectors(60, 64, 21);
        for (size_t i = 0; i < x.size(); i++) std::fill(x[i] + dimensions, x[i] + 64, 0.0F);
        for (size_t i = 0; i < c.size(); i++) std::fill(c[i] + dimensions, c[i] + 64, 0.0F);
        ExpectAsDefined(x, c, Assign(x, c, true, 1), true);
    }
}

TEST(Assigner, DoesNotDependOnTheNumberOfThreadsOrOnBatches) {
    const Vectors x = RandomVectors(5000, 192, 3);
    const Vectors c = RandomVectors(600, 192, 4);
    const auto one = Assign(x, c, true, 1);
    StartThreads(2);
    const auto two = Assign(x, c, true, 2);
    std::vector<Assignment> odd(x.size());
    Assigner assigner(c.data(), c.size(), c.padded(), 2);
    for (size_t start = 0; start < x.size(); start += 77)
        assigner.Assign(x[start], std::min<size_t>(77, x.size() - start), true, &odd[start]);
    StopThreads();
    for (size_t i = 0; i < x.size(); i++) {
        ASSERT_EQ(one[i].primary, two[i].primary) << i;
        ASSERT_EQ(one[i].secondary, two[i].secondary) << i;
        ASSERT_EQ(one[i].primary, odd[i].primary) << i;
        ASSERT_EQ(one[i].secondary, odd[i].secondary) << i;
    }
}

TEST(Assigner, ThreadsNeverDisturbEachOther) {
    StartThreads(4);
    const Vectors x = RandomVectors(3000, 64, 5);
    const Vectors c = RandomVectors(70, 64, 6);
    Assigner assigner(c.data(), c.size(), c.padded(), 4);
    std::vector<Assignment> first(x.size());
    std::vector<Assignment> again(x.size());
    assigner.Assign(x.data(), x.size(), true, first.data());
    ExpectAsDefined(x, c, first, true);
    for (int round = 0; round < 200; round++) {
        assigner.Assign(x.data(), x.size(), true, again.data());
        for (size_t i = 0; i < x.size(); i++) {
            ASSERT_EQ(first[i].primary, again[i].primary) << i;
            ASSERT_EQ(first[i].secondary, again[i].secondary) << i;
        }
    }
    StopThreads();
}

TEST(Assigner, OfEqualListsTakesTheFirst) {
    const Vectors x = RandomVectors(50, 64, 7);
    Vectors c(40, 64);  // all zero
    for (const Assignment& lists : Assign(x, c, true, 1)) {
        EXPECT_EQ(lists.primary, 0U);
        EXPECT_EQ(lists.secondary, 1U);
    }
}

TEST(Assigner, ScalesToTheEndsOfTheRange) {
    for (const float scale : {1e-15F, 1e15F, 1e16F}) {
        SCOPED_TRACE(scale);
        Vectors x = RandomVectors(300, 64, 8);
        Vectors c = RandomVectors(50, 64, 9);
        const auto expected = Assign(x, c, true, 1);
        for (size_t i = 0; i < x.size() * 64; i++) x.data()[i] *= scale;
        for (size_t i = 0; i < c.size() * 64; i++) c.data()[i] *= scale;
        const auto scaled = Assign(x, c, true, 1);
        ExpectAsDefined(x, c, scaled, true);
        size_t differing = 0;
        for (size_t i = 0; i < x.size(); i++) differing += expected[i].primary != scaled[i].primary;
        EXPECT_LE(differing, 1U);
    }
}

TEST(Assigner, GivesAListEvenWhenDistancesOverflow) {
    Vectors x(3, 64);
    Vectors c(10, 64);
    for (size_t i = 0; i < 3 * 64; i++) x.data()[i] = 3e38F;
    for (size_t i = 0; i < 10 * 64; i++) c.data()[i] = i % 2 == 0 ? 3e38F : -3e38F;
    for (const Assignment& lists : Assign(x, c, true, 1)) {
        EXPECT_LT(lists.primary, 10U);
        EXPECT_TRUE(lists.secondary == kNoList || lists.secondary < 10U);
    }
}

TEST(Assigner, StaysWithinItsBatchBounds) {
    for (const size_t lists : {1, 16, 1024, 8192})
        for (const size_t padded : {64, 1024}) {
            const Vectors c = RandomVectors(lists, padded, 10);
            const size_t batch = Assigner(c.data(), lists, padded, 1).batch();
            EXPECT_GE(batch, 1U);
            // 50 multiplications a nanosecond, twice the time that is aimed at; eight rows are always allowed.
            EXPECT_LE(batch * lists * padded, std::max<size_t>(1U << 30, 8 * lists * padded)) << lists << " " << padded;
        }
}

}  // namespace
}  // namespace annex

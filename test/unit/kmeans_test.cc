// Training: what k-means finds, and what it does with awkward samples.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <vector>

#include "annex/clustering.h"
#include "annex/kernels.h"
#include "clustering_data.h"

namespace annex {
namespace {

std::vector<float> Train(const Sample& sample, const KMeansOptions& options) {
    KMeans kmeans(sample, options);
    double progress = 0;
    while (kmeans.Step()) {
        EXPECT_GE(kmeans.progress(), progress);
        EXPECT_LE(kmeans.progress(), 1.0);
        progress = kmeans.progress();
    }
    EXPECT_EQ(kmeans.progress(), 1.0);
    EXPECT_FALSE(kmeans.Step());
    std::vector<float> centroids = kmeans.TakeCentroids();
    EXPECT_LE(centroids.size(), options.lists * sample.padded());
    EXPECT_EQ(centroids.size() % sample.padded(), 0U);
    for (const float value : centroids)
        if (!std::isfinite(value)) {
            ADD_FAILURE() << "a centroid is not finite";
            break;
        }
    return centroids;
}

double SquaredDistance(const float* a, const float* b, size_t n) {
    double sum = 0;
    for (size_t d = 0; d < n; d++) sum += (double{a[d]} - double{b[d]}) * (double{a[d]} - double{b[d]});
    return sum;
}

struct Fit {
    double mean_squared_distance;  // to the nearest centroid
    double largest_squared_distance;
    size_t lists_in_use;
};

Fit Measure(const Vectors& rows, const std::vector<float>& centroids) {
    Fit fit{};
    std::set<size_t> used;
    for (size_t i = 0; i < rows.size(); i++) {
        double least = INFINITY;
        size_t nearest = 0;
        for (size_t c = 0; c < centroids.size() / rows.padded(); c++) {
            const double distance = SquaredDistance(rows[i], &centroids[c * rows.padded()], rows.padded());
            if (distance < least) {
                least = distance;
                nearest = c;
            }
        }
        used.insert(nearest);
        fit.mean_squared_distance += least / static_cast<double>(rows.size());
        fit.largest_squared_distance = std::max(fit.largest_squared_distance, least);
    }
    fit.lists_in_use = used.size();
    return fit;
}

// Clusters of standard deviation 1 in every dimension around centres that are some 100 * sqrt(2 * padded) apart.
Vectors Mixture(size_t clusters, size_t rows_each, size_t padded) {
    const Vectors centres = RandomVectors(clusters, padded, 11);
    Vectors rows = RandomVectors(clusters * rows_each, padded, 12);
    for (size_t i = 0; i < rows.size(); i++)
        for (size_t d = 0; d < padded; d++) rows[i][d] += 100 * centres[i % clusters][d];
    return rows;
}

TEST(KMeans, RecoversSeparatedClusters) {
    const Vectors rows = Mixture(10, 200, 64);
    const Sample sample = SampleOf(rows);
    // So many lists that random rows meet every cluster: then no row may be further from its centroid than from the
    // rows of its own cluster.
    const Fit fit = Measure(rows, Train(sample, {.lists = 80, .iterations = 10, .seed = 5, .threads = 1}));
    EXPECT_LT(fit.mean_squared_distance, 64.0);
    EXPECT_LT(fit.largest_squared_distance, 200.0);
    EXPECT_EQ(fit.lists_in_use, 80U);
}

TEST(KMeans, TwoClustersEndAtTheirMeansFromAnyStart) {
    const Vectors rows = Mixture(2, 300, 64);
    std::vector<double> means(2 * 64);
    for (size_t i = 0; i < rows.size(); i++)
        for (size_t d = 0; d < 64; d++) means[i % 2 * 64 + d] += double{rows[i][d]} / 300;
    for (uint64_t seed = 0; seed < 20; seed++) {
        const auto centroids = Train(SampleOf(rows), {.lists = 2, .iterations = 10, .seed = seed, .threads = 1});
        const size_t first = std::abs(centroids[0] - means[0]) < std::abs(centroids[0] - means[64]) ? 0 : 1;
        for (size_t c = 0; c < 2; c++)
            for (size_t d = 0; d < 64; d++)
                EXPECT_NEAR(centroids[c * 64 + d], means[(c == 0 ? first : 1 - first) * 64 + d], 0.2) << seed;
    }
}

TEST(KMeans, OneListIsTheMean) {
    const Vectors rows = RandomVectors(5000, 192, 1);
    const auto centroids = Train(SampleOf(rows), {.lists = 1, .iterations = 5, .seed = 1, .threads = 1});
    for (size_t d = 0; d < 192; d++) {
        double mean = 0;
        for (size_t i = 0; i < rows.size(); i++) mean += double{rows[i][d]} / static_cast<double>(rows.size());
        EXPECT_NEAR(centroids[d], mean, 1e-3);
    }
}

TEST(KMeans, IterationsImproveTheFit) {
    const Vectors rows = RandomVectors(4000, 64, 2);
    const Sample sample = SampleOf(rows);
    double before = INFINITY;
    for (const size_t iterations : {0, 1, 2, 5}) {
        const auto centroids = Train(sample, {.lists = 50, .iterations = iterations, .seed = 3, .threads = 1});
        const double after = Measure(rows, centroids).mean_squared_distance;
        EXPECT_LT(after, before) << iterations;
        before = after;
    }
}

TEST(KMeans, LaterPassesImproveTheFitOfManyListsToo) {
    const Vectors rows = RandomVectors(6000, 64, 2);
    const Sample sample = SampleOf(rows);
    const auto fit = [&](size_t iterations) {
        const auto centroids = Train(sample, {.lists = 1100, .iterations = iterations, .seed = 3, .threads = 1});
        return Measure(rows, centroids).mean_squared_distance;
    };
    const double two = fit(2);
    const double three = fit(3);
    EXPECT_LT(three, 0.998 * two);
    EXPECT_LT(fit(5), 0.998 * three);
}

TEST(KMeans, DoesNotDependOnTheNumberOfThreads) {
    for (const size_t padded : {64, 192, 1088}) {
        // Some rows repeat, so that clusters run empty and are refilled.
        Vectors rows = RandomVectors(3000, padded, 4);
        for (size_t i = 0; i < 1500; i++) std::copy_n(rows[0], padded, rows[2 * i]);
        const Sample sample = SampleOf(rows);
        const auto one = Train(sample, {.lists = 100, .iterations = 4, .seed = 7, .threads = 1});
        for (const int threads : {2, 3, 4}) {
            StartThreads(threads);
            EXPECT_EQ(one, Train(sample, {.lists = 100, .iterations = 4, .seed = 7, .threads = threads})) << padded;
            StopThreads();
        }
        EXPECT_NE(one, Train(sample, {.lists = 100, .iterations = 4, .seed = 8, .threads = 1}));
    }
}

TEST(KMeans, DoesNotDependOnTheNumberOfThreadsWithManyLists) {
    const Vectors rows = RandomVectors(6000, 64, 4);
    const Sample sample = SampleOf(rows);
    const auto one = Train(sample, {.lists = 1100, .iterations = 4, .seed = 7, .threads = 1});
    StartThreads(3);
    EXPECT_EQ(one, Train(sample, {.lists = 1100, .iterations = 4, .seed = 7, .threads = 3}));
    StopThreads();
}

TEST(KMeans, AllLevelsFindTheSameClusters) {
    const Vectors rows = Mixture(5, 400, 128);
    const Sample sample = SampleOf(rows);
    for (const size_t lists : {40, 1100}) {
        const KMeansOptions options{.lists = lists, .iterations = 4, .seed = 1, .threads = 1};
        std::vector<float> expected;
        for (size_t level = 0; level < KernelLevelCount(); level++) {
            SCOPED_TRACE(KernelLevel(level).name);
            const ForcedLevel forced(KernelLevel(level).name);
            const auto centroids = Train(sample, options);
            if (level == 0) expected = centroids;
            EXPECT_EQ(centroids, expected);
        }
        EXPECT_LT(Measure(rows, expected).mean_squared_distance, 128.0);
    }
}

TEST(KMeans, RefillsEmptyClusters) {
    // Half of the rows are one and the same, so that about half of the lists start there, and all but one of these run
    // empty. Refilled, most of them move to the other half.
    Vectors rows = RandomVectors(4000, 64, 9);
    for (size_t i = 0; i < 2000; i++) std::fill_n(rows[2 * i], 64, 3.0F);
    const auto start = Train(SampleOf(rows), {.lists = 64, .iterations = 0, .seed = 3, .threads = 1});
    const auto end = Train(SampleOf(rows), {.lists = 64, .iterations = 10, .seed = 3, .threads = 1});
    EXPECT_LT(Measure(rows, start).lists_in_use, 45U);
    EXPECT_GT(Measure(rows, end).lists_in_use, 60U);
}

TEST(KMeans, DuplicatesAloneLoseNoValue) {
    // 5 values, 200 times each, for 64 lists.
    const Vectors values = RandomVectors(5, 64, 10);
    Vectors rows(1000, 64);
    for (size_t i = 0; i < 1000; i++) std::copy_n(values[i % 5], 64, rows[i]);
    const auto centroids = Train(SampleOf(rows), {.lists = 64, .iterations = 6, .seed = 1, .threads = 1});
    // Splitting moves a centroid by some thousandths; the next iteration brings it back.
    EXPECT_LT(Measure(rows, centroids).largest_squared_distance, 0.01 * 64);
    // None is left that a search would probe in vain.
    EXPECT_EQ(Measure(rows, centroids).lists_in_use, centroids.size() / 64);
}

TEST(KMeans, EqualRowsGiveFiniteCentroids) {
    for (const float value : {0.0F, 1.0F, -2.5F}) {
        Vectors rows(500, 64);
        std::fill_n(rows.data(), 500 * 64, value);
        const auto centroids = Train(SampleOf(rows), {.lists = 100, .iterations = 4, .seed = 1, .threads = 1});
        EXPECT_LT(Measure(rows, centroids).largest_squared_distance, 0.01 * 64 * value * value + 1e-12);
    }
}

TEST(KMeans, ManyListsOfEqualRowsTakeNoLongTime) {
    Vectors rows(20000, 64);
    const Sample sample = SampleOf(rows);
    KMeans kmeans(sample, {.lists = 8192, .iterations = 2, .seed = 1, .threads = 1});
    size_t steps = 0;
    while (kmeans.Step()) steps++;
    EXPECT_LT(steps, 1000U);
}

TEST(KMeans, NoRowsGiveOneList) {
    const Sample sample(64, 100);
    const auto centroids = Train(sample, {.lists = 7, .iterations = 4, .seed = 1, .threads = 1});
    EXPECT_EQ(centroids, std::vector<float>(64));
}

TEST(KMeans, FewerRowsThanListsAreUsedThemselves) {
    for (const size_t count : {1, 2, 31, 99, 100}) {
        const Vectors rows = RandomVectors(count, 64, 13);
        const Sample sample = SampleOf(rows);
        const auto centroids = Train(sample, {.lists = 100, .iterations = 4, .seed = 1, .threads = 1});
        std::vector<float> decoded(64);
        for (size_t i = 0; i < count; i++) {
            sample.Decode(i, decoded.data());
            EXPECT_TRUE(std::equal(decoded.begin(), decoded.end(), &centroids[i * 64])) << i;
        }
        EXPECT_EQ(centroids.size(), count * 64);
    }
}

TEST(KMeans, FewEqualRowsAreOneList) {
    Vectors rows = RandomVectors(30, 64, 13);
    for (size_t i = 0; i < 30; i += 3) std::copy_n(rows[3], 64, rows[i]);
    const auto centroids = Train(SampleOf(rows), {.lists = 40, .iterations = 4, .seed = 1, .threads = 1});
    EXPECT_EQ(centroids.size(), 21U * 64);
    EXPECT_EQ(Measure(rows, centroids).lists_in_use, 21U);
}

TEST(KMeans, FitsDataOfAnyScaleAlike) {
    const Vectors rows = RandomVectors(2000, 64, 14);
    const double expected =
        Measure(rows, Train(SampleOf(rows), {.lists = 30, .iterations = 5, .seed = 1, .threads = 1}))
            .mean_squared_distance;
    // Norms from 1e-15 to 1e18.
    for (const double scale : {1.25e-16, 1e-10, 1e10, 1.25e17}) {
        Vectors scaled(2000, 64);
        for (size_t i = 0; i < 2000 * 64; i++) scaled.data()[i] = static_cast<float>(rows.data()[i] * scale);
        const auto centroids = Train(SampleOf(scaled), {.lists = 30, .iterations = 5, .seed = 1, .threads = 1});
        EXPECT_NEAR(Measure(scaled, centroids).mean_squared_distance / (scale * scale), expected, 0.01 * expected)
            << scale;
    }
}

TEST(KMeans, OverflowingSquaresGiveFiniteCentroids) {
    Vectors rows = RandomVectors(500, 64, 15);
    for (size_t i = 0; i < 500 * 64; i++) rows.data()[i] *= 1e30F;
    Train(SampleOf(rows), {.lists = 20, .iterations = 4, .seed = 1, .threads = 1});
}

TEST(KMeans, StepsAreBounded) {
    const Vectors rows = RandomVectors(16384, 512, 16);
    const Sample sample = SampleOf(rows);
    KMeans kmeans(sample, {.lists = 256, .iterations = 2, .seed = 1, .threads = 1});
    const double multiplications = 2.0 * 16384 * 256 * 512;
    double before = 0;
    while (kmeans.Step()) {
        EXPECT_LE((kmeans.progress() - before) * multiplications, 1.1e9);
        before = kmeans.progress();
    }
}

TEST(KMeans, MayBeLeftAtAnyStep) {
    const Vectors rows = RandomVectors(6000, 512, 17);
    const Sample sample = SampleOf(rows);
    StartThreads(2);
    bool finished = false;
    for (int steps = 0; !finished; steps++) {
        KMeans kmeans(sample, {.lists = 200, .iterations = 2, .seed = 1, .threads = 2});
        for (int i = 0; i < steps && !finished; i++) finished = !kmeans.Step();
    }
    StopThreads();
}

// Rows at distance 1 from a centre that is not the origin: each list has its centroid there too, and its rows are those
// of the nearest angle.
TEST(KMeans, KeepsCentroidsOnASphere) {
    constexpr size_t kPadded = 64;
    const std::vector<float> centre(kPadded, 0.5F);
    Vectors rows = RandomVectors(3000, kPadded, 23);
    for (size_t i = 0; i < rows.size(); i++) {
        rows[i][0] += static_cast<float>(i % 3) * 8;
        double squared_length = 0;
        for (size_t d = 0; d < kPadded; d++) squared_length += double{rows[i][d]} * double{rows[i][d]};
        for (size_t d = 0; d < kPadded; d++)
            rows[i][d] = centre[d] + rows[i][d] / static_cast<float>(std::sqrt(squared_length));
    }
    const Sample sample = SampleOf(rows);
    const KMeansOptions options{.lists = 30, .iterations = 10, .seed = 1, .threads = 1};
    KMeansOptions spherical = options;
    spherical.centre = centre;
    const std::vector<float> means = Train(sample, options);
    const std::vector<float> centroids = Train(sample, spherical);
    const auto distance = [&](const std::vector<float>& all, size_t c) {
        return std::sqrt(SquaredDistance(&all[c * kPadded], centre.data(), kPadded));
    };
    for (size_t c = 0; c < options.lists; c++) {
        EXPECT_NEAR(distance(centroids, c), 1, 1e-3);
        EXPECT_LT(distance(means, c), 0.98);
    }
    EXPECT_EQ(Measure(rows, centroids).lists_in_use, options.lists);
}

TEST(Training, IsLessForMoreLists) {
    Training usual = UsualTraining(1);
    Training thorough = ThoroughTraining(1);
    EXPECT_LE(usual.iterations, 10U);
    for (size_t lists = 2; lists < 100000; lists *= 2) {
        const Training more_usual = UsualTraining(lists);
        const Training more_thorough = ThoroughTraining(lists);
        EXPECT_LE(more_usual.iterations, usual.iterations);
        EXPECT_LE(more_thorough.sample_rows_per_list, thorough.sample_rows_per_list);
        EXPECT_GE(more_thorough.iterations, more_usual.iterations);
        EXPECT_GE(more_thorough.sample_rows_per_list, more_usual.sample_rows_per_list);
        usual = more_usual;
        thorough = more_thorough;
    }
    EXPECT_GE(usual.iterations, 2U);
}

}  // namespace
}  // namespace annex

// The trial that decides whether second copies pay.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "annex/clustering.h"
#include "clustering_data.h"

namespace annex {
namespace {

struct Outcome {
    double single;
    double spill;
    bool pays;
};

Outcome Try(const Sample& sample, const std::vector<float>& centroids, uint64_t seed, int threads) {
    SpillTrial trial(sample, centroids.data(), centroids.size() / sample.padded(), seed, threads);
    while (trial.Step()) {
    }
    EXPECT_FALSE(trial.Step());
    return {trial.scanned_single(), trial.scanned_spill(), trial.Pays()};
}

std::vector<float> Train(const Sample& sample, size_t lists) {
    KMeans kmeans(sample, {.lists = lists, .iterations = 6, .seed = 1, .threads = 1});
    while (kmeans.Step()) {
    }
    return kmeans.TakeCentroids();
}

// Rows that belong to two topics each, as texts do: neighbours share one of them, and lie in lists of either.
Vectors TwoTopics(size_t rows, size_t padded, uint64_t seed) {
    const Vectors topics = RandomVectors(400, padded, seed);
    Vectors texts = RandomVectors(rows, padded, seed + 1);
    Random random(seed + 2);
    for (size_t i = 0; i < rows; i++) {
        const float* one = topics[random.Below(topics.size())];
        const float* other = topics[random.Below(topics.size())];
        for (size_t d = 0; d < padded; d++) texts[i][d] = 0.5F * texts[i][d] + one[d] + other[d];
    }
    return texts;
}

// Rows on a curved surface of four dimensions.
Vectors Surface(size_t rows, size_t padded, uint64_t seed) {
    constexpr size_t kIntrinsic = 4;
    const Vectors places = RandomVectors(rows, kIntrinsic, seed);
    const Vectors waves = RandomVectors(padded, kIntrinsic, seed + 1);
    Vectors surface(rows, padded);
    for (size_t i = 0; i < rows; i++)
        for (size_t d = 0; d < padded; d++) {
            float phase = static_cast<float>(d);
            for (size_t j = 0; j < kIntrinsic; j++) phase += 0.3F * places[i][j] * waves[d][j];
            surface[i][d] = std::sin(phase);
        }
    return surface;
}

TEST(SpillTrial, CountsWhatIsScanned) {
    // Two lists far from each other: one probe finds everything, and the second copies double what it scans.
    Vectors rows = RandomVectors(2000, 64, 1);
    std::vector<float> centroids(2 * 64);
    centroids[0] = 100;
    centroids[64] = -100;
    for (size_t i = 0; i < 2000; i++) rows[i][0] += i % 2 == 0 ? 100.0F : -100.0F;
    const Outcome outcome = Try(SampleOf(rows), centroids, 1, 1);
    EXPECT_NEAR(outcome.single, 1000, 1e-6);
    EXPECT_NEAR(outcome.spill, 2000, 1e-6);
    EXPECT_FALSE(outcome.pays);
}

TEST(SpillTrial, PaysWhereNeighboursSpreadOverManyLists) {
    const Sample sample = SampleOf(TwoTopics(16000, 128, 2));
    const Outcome outcome = Try(sample, Train(sample, 250), 1, 1);
    EXPECT_LT(outcome.spill, 0.7 * outcome.single);
    EXPECT_TRUE(outcome.pays);
}

TEST(SpillTrial, DoesNotPayWhereTheyDoNot) {
    const Sample sample = SampleOf(Surface(16000, 128, 3));
    const Outcome outcome = Try(sample, Train(sample, 250), 1, 1);
    EXPECT_GT(outcome.spill, outcome.single);
    EXPECT_FALSE(outcome.pays);
}

TEST(SpillTrial, EstimatesSizesFromAPartOfALargeSample) {
    // 60,000 rows, of which 8,192 are counted.
    const Vectors rows = RandomVectors(60000, 64, 4);
    const Sample sample = SampleOf(rows);
    const std::vector<float> centroids = Train(sample, 4);
    const Outcome outcome = Try(sample, centroids, 1, 1);
    // Rows without structure: all four lists must be probed, or three of them.
    EXPECT_GT(outcome.single, 30000);
    EXPECT_LE(outcome.single, 60001);
    EXPECT_LE(outcome.spill, 120001);
}

TEST(SpillTrial, DoesNotDependOnTheNumberOfThreads) {
    Vectors rows = RandomVectors(9000, 64, 5);
    for (size_t i = 0; i < 3000; i++) std::copy_n(rows[0], 64, rows[3 * i]);  // ties
    const Sample sample = SampleOf(rows);
    const std::vector<float> centroids = Train(sample, 150);
    const Outcome one = Try(sample, centroids, 9, 1);
    EXPECT_GT(one.single, 0);
    for (const int threads : {2, 4}) {
        StartThreads(threads);
        const Outcome many = Try(sample, centroids, 9, threads);
        StopThreads();
        EXPECT_EQ(one.single, many.single);
        EXPECT_EQ(one.spill, many.spill);
    }
}

TEST(SpillTrial, DoesNotPayWithoutAChoice) {
    const std::vector<float> centroids(10 * 64);
    for (const size_t count : {0, 1, 2, 20}) {
        EXPECT_FALSE(Try(SampleOf(RandomVectors(count, 64, 6)), centroids, 1, 1).pays) << count;
    }
    const Sample sample = SampleOf(RandomVectors(1000, 64, 7));
    EXPECT_FALSE(Try(sample, std::vector<float>(64), 1, 1).pays);
}

TEST(SpillTrial, EqualRowsAndOverflowingSquaresAreHarmless) {
    Vectors equal(1000, 64);
    EXPECT_FALSE(Try(SampleOf(equal), Train(SampleOf(equal), 20), 1, 1).pays);
    Vectors huge = RandomVectors(1000, 64, 8);
    for (size_t i = 0; i < 1000 * 64; i++) huge.data()[i] *= 1e30F;
    const Outcome outcome = Try(SampleOf(huge), Train(SampleOf(huge), 20), 1, 1);
    EXPECT_TRUE(std::isfinite(outcome.single));
    EXPECT_TRUE(std::isfinite(outcome.spill));
}

TEST(SpillTrial, MayBeLeftAtAnyStep) {
    const Sample sample = SampleOf(RandomVectors(8000, 512, 9));
    StartThreads(2);
    const Vectors lists = RandomVectors(64, 512, 10);
    bool finished = false;
    for (int steps = 0; !finished; steps++) {
        SpillTrial trial(sample, lists.data(), 64, 1, 2);
        for (int i = 0; i < steps && !finished; i++) finished = !trial.Step();
    }
    StopThreads();
}

}  // namespace
}  // namespace annex

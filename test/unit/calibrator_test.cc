// What a calibrator concludes: from traces made by hand, whose answers follow from the rule of annex/search.h, and from
// an index in memory, whose searches must find what the settings are said to find.
#include "annex/calibrator.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "annex/memory_index.h"
#include "codec_testing.h"

namespace annex {
namespace {

using testing::GaussianVector;
using testing::kMetrics;
using testing::MetricName;

constexpr Place kSelf = 1000;
constexpr Place kNeighbour = 2000;
constexpr Place kOther = 3000;
constexpr float kDeepest = Calibrator::kDeepestEpsilon;
constexpr size_t kPadded = 64;
// One query in four, and one row in sixteen, are looked at for the costs.
constexpr size_t kCostQueries = 4;
constexpr Place kCostRows = 16;

// What one deep search has seen, list by list. Nearest of all is the query itself, as for a row of the index.
class Trace {
  public:
    Trace& List(float key) {
        trace_.keys.push_back(key);
        if (trace_.keys.size() == 1) Row(kSelf, 0);
        return *this;
    }
    // A row whose sketch passes with any epsilon.
    Trace& Row(Place place, float upper) { return Row(place, upper, upper - 1, 0); }
    Trace& Row(Place place, float upper, float estimate, float error) {
        Sketch(place, estimate, error);
        trace_.rows.push_back({last(), place, upper});
        return *this;
    }
    // That was not refined, or not again.
    Trace& Sketch(Place place, float estimate, float error) {
        trace_.sketches.push_back({last(), place, estimate, estimate - kDeepest * error});
        return *this;
    }
    void AddTo(Calibrator* calibrator, size_t times, size_t deepest = 0, size_t spare = 0) const {
        for (size_t i = 0; i < times * kCostQueries; ++i) calibrator->Add(trace_, kSelf, kDeepest, deepest, spare);
    }

  private:
    [[nodiscard]] uint32_t last() const { return static_cast<uint32_t>(trace_.keys.size() - 1); }

    SearchTrace trace_;
};

// Three lists at the squared distances 1, 4 and 9. The first holds a row with the upper bound 2, one of them the
// nearest row, with the upper bound 0.5.
Trace NeighbourInList(size_t list) {
    Trace trace;
    for (size_t i = 0; i < 3; ++i) {
        trace.List(static_cast<float>((i + 1) * (i + 1)));
        if (i == 0) trace.Row(kOther, 2);
        if (i == list) trace.Row(kNeighbour, 0.5F);
    }
    return trace;
}

// Of ten queries, six have their nearest row in the first list, three in the second and one in the third.
Calibrator ThreeKindsOfQueries() {
    Calibrator calibrator(Metric::kL2, kPadded, 100);
    NeighbourInList(0).AddTo(&calibrator, 6);
    NeighbourInList(1).AddTo(&calibrator, 3);
    NeighbourInList(2).AddTo(&calibrator, 1);
    return calibrator;
}
// The second list comes when the first has brought a row, the third after one in vain.
constexpr float kSecondList = 4 / 2.0F;
const float kThirdList = 9 / 2.0F * (1 + 0.3F * std::log1p(1.0F));

TEST(CalibratorTest, ChoosesThePatienceThatComesToTheNeighbours) {
    Calibrator calibrator = ThreeKindsOfQueries();
    EXPECT_EQ(calibrator.queries(), 40U);
    EXPECT_FLOAT_EQ(calibrator.Choose(0, 0.6, 0).patience, 0);
    EXPECT_FLOAT_EQ(calibrator.Choose(0, 0.61, 0).patience, kSecondList);
    EXPECT_FLOAT_EQ(calibrator.Choose(0, 0.9, 0).patience, kSecondList);
    EXPECT_FLOAT_EQ(calibrator.Choose(0, 0.91, 0).patience, kThirdList);
    EXPECT_FLOAT_EQ(calibrator.Choose(0, 1, 0).patience, kThirdList);
    EXPECT_FLOAT_EQ(calibrator.Choose(0, 0.6, 1).patience, 1) << "no less than is asked for";
    EXPECT_FLOAT_EQ(calibrator.DeepEnoughPatience(0), kThirdList);
}

TEST(CalibratorTest, CountsTheListsThatAPatienceProbes) {
    Calibrator calibrator = ThreeKindsOfQueries();
    EXPECT_FLOAT_EQ(calibrator.Choose(0, 0.6, 0).lists, 1);
    // Those who have found their nearest row in the first list do not go on.
    EXPECT_FLOAT_EQ(calibrator.Choose(0, 0.9, 0).lists, (6 * 1 + 3 * 2 + 1 * 2) / 10.0F);
    EXPECT_FLOAT_EQ(calibrator.Choose(0, 1, 0).lists, (6 * 1 + 3 * 2 + 1 * 3) / 10.0F);
    EXPECT_GE(calibrator.Choose(0, 1, 0).probes, 3U);

    Calibrator many(Metric::kL2, kPadded, 100);
    Trace trace;
    trace.List(1).Row(kOther, 2);
    for (size_t i = 1; i < 50; ++i) trace.List(1);
    trace.Row(kNeighbour, 0.5F);
    trace.AddTo(&many, 1);
    EXPECT_FLOAT_EQ(many.Choose(0, 1, 0).lists, 50);
    EXPECT_GT(many.Choose(0, 1, 0).probes, 50U) << "the most must not end a search";
}

TEST(CalibratorTest, KnowsTheRuleOfInnerProducts) {
    Calibrator calibrator(Metric::kInnerProduct, kPadded, 100);
    Trace().List(-10).Row(kOther, -8).List(-4).Row(kNeighbour, -9).AddTo(&calibrator, 1);
    EXPECT_FLOAT_EQ(calibrator.Choose(0, 1, 0).patience, 1 + (-4 + 8) / 10.0F);
}

TEST(CalibratorTest, NeedsNoPatienceBeforeThereAreEnoughRows) {
    for (const size_t spare : {1, 2}) {
        Calibrator calibrator(Metric::kL2, kPadded, 100);
        // A bound is known when one row and the spare ones have been found: after the first list or never.
        NeighbourInList(2).Row(kOther + 1, 3).AddTo(&calibrator, 1, 0, spare);
        NeighbourInList(1).AddTo(&calibrator, 1, 0, spare);
        EXPECT_EQ(calibrator.Choose(0, 1, 0).patience, 0);
        EXPECT_EQ(calibrator.Choose(0, 1, 0).epsilon, 0.4F);
        EXPECT_EQ(calibrator.DeepEnoughEpsilon(0), 0.4F);
    }
}

TEST(CalibratorTest, LearnsOnlyForTheRowsThatWereSearchedFor) {
    Calibrator calibrator(Metric::kL2, kPadded, 100);
    // Ten rows with the bounds 2 to 11, of which the last comes with the second list. It is the tenth nearest.
    Trace trace;
    trace.List(1);
    for (Place i = 0; i < 11; ++i)
        if (i != 9) trace.Row(kOther + i, static_cast<float>(2 + i));
    trace.List(24).Row(kOther + 9, 11);
    trace.AddTo(&calibrator, 1, 1);
    EXPECT_EQ(calibrator.Choose(0, 1, 0).patience, 0);
    EXPECT_EQ(calibrator.Choose(1, 0.9, 0).patience, 0);
    EXPECT_FLOAT_EQ(calibrator.Choose(1, 1, 0).patience, 24 / 12.0F);
}

TEST(CalibratorTest, ChoosesTheEpsilonWithWhichSketchesPass) {
    Calibrator calibrator(Metric::kL2, kPadded, 100);
    // The bound is that of the row itself in the end; its estimate is beyond by so many errors.
    for (const float errors : {0.0F, 0.9F, 1.8F, 2.2F})
        Trace().List(1).Row(kNeighbour, 2, 2 + errors * 0.125F, 0.125F).AddTo(&calibrator, 1);
    EXPECT_EQ(calibrator.Choose(0, 0.25, 0).epsilon, 0.4F);
    EXPECT_EQ(calibrator.Choose(0, 0.5, 0).epsilon, 1);
    EXPECT_EQ(calibrator.Choose(0, 0.75, 0).epsilon, 2);
    EXPECT_EQ(calibrator.Choose(0, 1, 0).epsilon, 2.5F);
    EXPECT_EQ(calibrator.DeepEnoughEpsilon(0), 2.5F);
}

// What a wide bound finds in the first list, a narrow one finds in the second, which a copy of the row lies in.
TEST(CalibratorTest, ChoosesTheCheaperOfEpsilonAndPatience) {
    const auto choice = [](double entries, Place rows) {
        Calibrator calibrator(Metric::kL2, kPadded, entries);
        Trace trace;
        trace.List(1).Row(kNeighbour, 2, 2.25F, 0.125F);
        for (Place i = 0; i < rows * kCostRows; ++i) trace.Sketch(kOther + i, 2.25F, 0.125F);
        trace.List(4).Sketch(kNeighbour, 1, 0.125F);
        trace.AddTo(&calibrator, 1);
        return calibrator.Choose(0, 1, 0);
    };
    const SearchSettings long_lists = choice(100000, 1);
    EXPECT_EQ(long_lists.epsilon, 2);
    EXPECT_EQ(long_lists.patience, 0);
    const SearchSettings many_rows = choice(10, 100);
    EXPECT_EQ(many_rows.epsilon, 0.4F);
    EXPECT_FLOAT_EQ(many_rows.patience, 2);
}

TEST(CalibratorTest, GivesAllItHasForWhatCannotBeReached) {
    Calibrator calibrator = ThreeKindsOfQueries();
    Trace().List(1).Row(kNeighbour, 2, 3, 0.125F).AddTo(&calibrator, 1);  // eight errors beyond
    EXPECT_FLOAT_EQ(calibrator.Choose(0, 0.9, 0).patience, kThirdList);
    const SearchSettings settings = calibrator.Choose(0, 1, 0);
    EXPECT_EQ(settings.epsilon, kDeepest);
    EXPECT_FLOAT_EQ(settings.patience, kThirdList);
    EXPECT_EQ(calibrator.DeepEnoughEpsilon(0), 0.4F) << "more finds nothing";

    Calibrator empty(Metric::kL2, kPadded, 100);
    Trace().List(1).AddTo(&empty, 1, 2, 4);
    EXPECT_EQ(empty.Choose(2, 0.5, 0).epsilon, kDeepest);
    EXPECT_GT(empty.Choose(2, 0.5, 0).patience, 1e6F);
}

// ---- An index in memory ----

constexpr size_t kDimensions = 48;
constexpr size_t kRows = 10000;

// Clusters that overlap, so that the neighbours of a point lie in many lists.
std::vector<float> ClusteredPoints(size_t count, uint64_t seed) {
    Random shape(21);
    std::vector<std::vector<float>> centres;
    for (size_t c = 0; c < 50; ++c) centres.push_back(GaussianVector(&shape, kDimensions, 0.5));
    Random random(seed);
    std::vector<float> points;
    for (size_t i = 0; i < count; ++i) {
        const std::vector<float>& centre = centres[random.Below(centres.size())];
        const std::vector<float> x = GaussianVector(&random, kDimensions, 0.6);
        for (size_t j = 0; j < kDimensions; ++j) points.push_back(x[j] + centre[j]);
    }
    return points;
}

struct Found {
    double recall;
    double lists;
};

class CalibratedIndexTest : public ::testing::TestWithParam<Metric> {
  protected:
    static constexpr size_t kEvery = 20;  // of the rows, one is a query
    static constexpr uint32_t kNobody = UINT32_MAX;

    CalibratedIndexTest()
        : rows_(ClusteredPoints(kRows, 1)),
          view_{rows_.data(), kRows, kDimensions},
          index_(view_, {GetParam(), 100, SpillChoice::kOn, 1, 1}),
          searcher_(index_) {}

    // As an index of PostgreSQL does it.
    void Calibrate(Calibrator* calibrator) {
        constexpr size_t kStrides = 8;
        const size_t last = Calibrator::kKCount - 1;
        const size_t step = kEvery * kStrides;
        for (size_t place = 0; place < index_.places(); place += step)
            searcher_.Calibrate(static_cast<Place>(place), {}, calibrator);
        const MemoryDepth enough{last, calibrator->DeepEnoughEpsilon(last), calibrator->DeepEnoughPatience(last)};
        for (size_t stride = 1; stride < kStrides; ++stride)
            for (size_t place = stride * kEvery; place < index_.places(); place += step)
                searcher_.Calibrate(static_cast<Place>(place), enough, calibrator);
    }

    // Searches for the k nearest rows of a query that is the row `self`, or none.
    size_t Hits(const float* query, size_t k, uint32_t self, const SearchSettings& settings) {
        const size_t wanted = k + (self == kNobody ? 0 : 1);
        std::vector<uint32_t> truth;
        for (const Neighbour& nearest : ExactSearch(view_, GetParam(), query, wanted))
            if (nearest.row != self && truth.size() < k) truth.push_back(nearest.row);
        size_t hits = 0;
        const MemorySearchOptions options{wanted, index_.lists(), settings.epsilon, settings.patience};
        for (const Neighbour& found : searcher_.Search(query, options))
            hits += static_cast<size_t>(std::count(truth.begin(), truth.end(), found.row));
        return hits;
    }

    Found SearchFor(const std::vector<float>& queries, size_t step, size_t k, bool rows,
                    const SearchSettings& settings) {
        size_t count = 0;
        size_t hits = 0;
        uint64_t lists = 0;
        for (size_t i = 0; i < queries.size() / kDimensions; i += step, ++count) {
            hits += Hits(&queries[i * kDimensions], k, rows ? static_cast<uint32_t>(i) : kNobody, settings);
            lists += searcher_.counters().lists;
        }
        return {static_cast<double>(hits) / static_cast<double>(count * k),
                static_cast<double>(lists) / static_cast<double>(count)};
    }

    std::vector<float> rows_;
    VectorView view_;
    MemoryIndex index_;
    MemorySearcher searcher_;
};

TEST_P(CalibratedIndexTest, FindsWhatIsAskedForAndLittleMore) {
    Calibrator calibrator = index_.NewCalibrator();
    Calibrate(&calibrator);
    const std::vector<float> others = ClusteredPoints(kRows / kEvery, 2);
    for (size_t which = 0; which < Calibrator::kKCount; ++which) {
        for (const double recall : {0.5, 0.9, 0.98}) {
            const SearchSettings settings = calibrator.Choose(which, recall, 0);
            const size_t k = Calibrator::kKs[which];
            const Found rows = SearchFor(rows_, kEvery, k, true, settings);
            const Found points = SearchFor(others, 1, k, false, settings);
            const ::testing::ScopedTrace where(__FILE__, __LINE__,
                                               std::to_string(recall) + " for " + std::to_string(k));
            EXPECT_GE(rows.recall, recall - 0.025);
            // For L1 that is harder to foresee, as lists and sketches are those of L2.
            EXPECT_GE(points.recall, recall - (GetParam() == Metric::kL1 ? 0.05 : 0.035))
                << "of points that are no rows";
            // With no patience at all some recalls are exceeded.
            if (settings.patience > 0) {
                EXPECT_LE(rows.recall, recall + 0.035);
            }
            EXPECT_NEAR(rows.lists, settings.lists, 0.2 + 0.2 * static_cast<double>(settings.lists));
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Metrics, CalibratedIndexTest, ::testing::ValuesIn(kMetrics), [](const auto& parameter) {
    return std::string(parameter.param == Metric::kInnerProduct ? "InnerProduct" : MetricName(parameter.param));
});

}  // namespace
}  // namespace annex

// Lists ranked from a table in memory must be those that the centroids' list, fed as pages are, gives; so must the
// lists of a new row.
#include "annex/centroid_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "annex/random.h"
#include "annex/refinement.h"
#include "annex/row_placer.h"
#include "annex/search.h"

namespace annex {
namespace {

constexpr size_t kDimensions = 64;
constexpr uint16_t kOffset = 1;

HeapTid TidOf(size_t number) {
    return {0, static_cast<uint16_t>(number), kOffset};
}

// Centroids of unequal norms, some of them twice, and on request one that no sketch can estimate.
class Centroids {
  public:
    Centroids(Metric metric, size_t lists, bool with_huge)
        : space_(metric, kDimensions, 1, std::vector<float>(kDimensions)),
          lists_(lists),
          codes_(lists * space_.padded()) {
        for (size_t list = 0; list < lists; ++list) {
            const bool again = list % 50 == 1;
            int8_t* codes = &codes_[list * space_.padded()];
            for (size_t i = 0; i < space_.padded(); ++i) {
                codes[i] = again ? codes[i - space_.padded()] : static_cast<int8_t>(random_.Below(255) - 127);
            }
            scales_.push_back(again ? scales_.back() : 0.001F + 0.02F * static_cast<float>(random_.Uniform()));
            rhos_.push_back(again ? rhos_.back() : static_cast<float>(random_.Uniform()));
        }
        if (with_huge) scales_[lists / 2] = 1e37F;
    }

    [[nodiscard]] const Space& space() const { return space_; }
    [[nodiscard]] size_t lists() const { return lists_; }
    [[nodiscard]] const int8_t* codes(size_t list) const { return &codes_[list * space_.padded()]; }
    [[nodiscard]] float scale(size_t list) const { return scales_[list]; }
    [[nodiscard]] float rho(size_t list) const { return rhos_[list]; }

    [[nodiscard]] CentroidTable Table() const {
        CentroidTable table(space_.padded(), lists_);
        for (size_t list = 0; list < lists_; ++list) table.Add(TidOf(list), codes(list), scale(list), rho(list));
        table.Finish();
        return table;
    }

    // The list of centroids, entry by entry.
    void Feed(ListSearch* search) const {
        const size_t padded = space_.padded();
        std::vector<float> decoded(padded);
        const std::vector<float> origin(padded);
        std::vector<uint8_t> entry(SketchLayout{padded}.entry_bytes());
        search->BeginRanking();
        for (size_t list = 0; list < lists_; ++list) {
            DecodeCodes(codes(list), scale(list), padded, decoded.data());
            EncodeCentroid(decoded.data(), origin.data(), rho(list), TidOf(list), static_cast<Place>(list), padded,
                           entry.data());
            search->FeedEntries(entry.data(), 1);
        }
        search->EndRanking();
    }

    void RankFed(ListSearch* search, size_t wanted) const {
        const size_t goal = ListSearch::RankedFor(wanted);
        if (search->ranked().size() >= goal) return;
        for (const Survivor& centroid : search->NextCentroids(goal - search->ranked().size()))
            search->Rank(centroid, codes(centroid.place), scale(centroid.place), rho(centroid.place));
        search->SortRanked();
    }

    [[nodiscard]] std::vector<float> Query() {
        std::vector<float> query(kDimensions);
        for (float& value : query) value = static_cast<float>(random_.Uniform() - 0.5);
        return query;
    }

  private:
    Space space_;
    Random random_{41};
    size_t lists_;
    std::vector<int8_t> codes_;
    std::vector<float> scales_;
    std::vector<float> rhos_;
};

std::vector<uint16_t> Targets(const ListSearch& search) {
    std::vector<uint16_t> targets;
    for (const RankedList& list : search.ranked()) targets.push_back(list.target.block_low);
    std::sort(targets.begin(), targets.end());
    return targets;
}

std::vector<float> Keys(const ListSearch& search) {
    std::vector<float> keys;
    for (const RankedList& list : search.ranked()) keys.push_back(list.key);
    return keys;
}

void ExpectSameRanking(Centroids* centroids) {
    const CentroidTable table = centroids->Table();
    ListSearch from_table;
    ListSearch fed;
    for (int i = 0; i < 10; ++i) {
        const std::vector<float> query = centroids->Query();
        ASSERT_EQ(from_table.Begin(centroids->space(), query.data(), 1.9F, 1000), RowClass::kNormal);
        ASSERT_EQ(fed.Begin(centroids->space(), query.data(), 1.9F, 1000), RowClass::kNormal);
        centroids->Feed(&fed);
        for (const size_t wanted : {1UL, 16UL, 32UL, 64UL, 1000UL, centroids->lists()}) {
            from_table.RankTable(table, wanted);
            centroids->RankFed(&fed, wanted);
            ASSERT_EQ(Targets(from_table), Targets(fed)) << centroids->lists() << " lists, " << wanted << " wanted";
            ASSERT_EQ(Keys(from_table), Keys(fed));
        }
        const std::vector<uint16_t> targets = Targets(from_table);
        ASSERT_EQ(targets.size(), centroids->lists());
        EXPECT_EQ(std::adjacent_find(targets.begin(), targets.end()), targets.end()) << "a list was ranked twice";
    }
}

TEST(CentroidTableTest, RanksAsTheListOfCentroidsDoes) {
    for (const Metric metric : {Metric::kL2, Metric::kCosine, Metric::kInnerProduct}) {
        for (const size_t lists : {2, 32, 100, 511, 512, 1041, 5000}) {
            Centroids centroids(metric, lists, false);
            ExpectSameRanking(&centroids);
        }
    }
}

TEST(CentroidTableTest, LosesNoListThatHasNoEstimate) {
    for (const size_t lists : {100, 5000}) {
        Centroids centroids(Metric::kL2, lists, true);
        ExpectSameRanking(&centroids);
    }
}

TEST(CentroidTableTest, PlacesRowsAsTheListOfCentroidsDoes) {
    for (const size_t lists : {2, 100, 5000}) {
        Centroids centroids(Metric::kInnerProduct, lists, false);
        const CentroidTable table = centroids.Table();
        RowPlacer from_table;
        RowPlacer fed;
        for (int i = 0; i < 20; ++i) {
            const std::vector<float> row = centroids.Query();
            ASSERT_EQ(from_table.Begin(centroids.space(), row.data()), RowClass::kNormal);
            ASSERT_EQ(fed.Begin(centroids.space(), row.data()), RowClass::kNormal);
            from_table.ConsiderTable(table);
            centroids.Feed(&fed.search());
            for (const Survivor& centroid : fed.NextCentroids())
                fed.Consider(centroid, centroids.codes(centroid.place), centroids.scale(centroid.place));
            from_table.Place(TidOf(7), true);
            fed.Place(TidOf(7), true);
            ASSERT_EQ(from_table.placements().size(), 2U);
            for (size_t p = 0; p < 2; ++p) {
                const Placement& placement = from_table.placements()[p];
                EXPECT_EQ(placement.list, fed.placements()[p].list);
                EXPECT_EQ(std::memcmp(placement.entry, fed.placements()[p].entry,
                                      SketchLayout{centroids.space().padded()}.entry_bytes()),
                          0);
            }
        }
    }
}

// A row may be placed in two generations: the second table has nothing to do with the first, be it of the same size.
TEST(CentroidTableTest, PlacesARowAmongTheListsOfTwoTables) {
    Centroids centroids(Metric::kL2, 1000, false);
    const CentroidTable first = centroids.Table();
    CentroidTable second(centroids.space().padded(), centroids.lists());
    for (size_t list = centroids.lists(); list-- > 0;)
        second.Add(TidOf(list), centroids.codes(list), centroids.scale(list), centroids.rho(list));
    second.Finish();
    RowPlacer placer;
    const std::vector<float> row = centroids.Query();
    ASSERT_EQ(placer.Begin(centroids.space(), row.data()), RowClass::kNormal);
    placer.ConsiderTable(first);
    placer.Place(TidOf(7), false);
    placer.BeginLists();
    placer.ConsiderTable(second);
    placer.Place(TidOf(7), false);
    EXPECT_EQ(placer.placements().size(), 1U);
}

}  // namespace
}  // namespace annex

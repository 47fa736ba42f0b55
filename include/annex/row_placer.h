// Finds the lists of one new row and encodes it for them.
//
//   Begin -> search().BeginRanking, Feed*, EndRanking -> NextCentroids, Consider* -> Place
//         -> BeginLists -> the same again, among other lists
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "annex/search.h"

namespace annex {

// A list that is to have the row, and the row's entry for it.
struct Placement {
    HeapTid list;  // heap TID of the centroid's entry: the address of the list's descriptor
    uint8_t* entry;
};

class RowPlacer {
  public:
    // x[space.dimensions()]; space must outlive the placer. Forgets all placements.
    RowClass Begin(const Space& space, const float* x);
    // Keeps the placements and starts again among other lists, whose centroids live in the same space. At most once a
    // row.
    void BeginLists();

    // The filter columns of the index; none unless this is called, before Begin.
    void SetColumns(const ColumnLayout& columns) noexcept { search_.SetColumns(columns); }
    [[nodiscard]] ListSearch& search() noexcept { return search_; }
    // Centroids whose rows are to be considered, after the ranking.
    [[nodiscard]] std::span<const Survivor> NextCentroids() { return search_.NextCentroids(kConsidered); }
    void Consider(const Survivor& centroid, const int8_t* codes, float scale);
    // Ranking and considering from a table in memory.
    void ConsiderTable(const CentroidTable& table);
    // Chooses the nearest list and, with `spill`, a second one, and encodes the row for those that it is not placed in
    // yet; heap_tid and the values of the filter columns, if there are any, go into the entries, whose places are the
    // caller's to fill in. Throws kCorrupted if two centroids stand for one list.
    void Place(HeapTid heap_tid, bool spill, const uint8_t* values = nullptr);

    [[nodiscard]] std::span<const Placement> placements() const noexcept { return placements_; }
    [[nodiscard]] const RowFactors& factors() const noexcept { return factors_; }
    [[nodiscard]] const int8_t* codes() const noexcept { return codes_.data(); }

    static constexpr size_t kMostPlacements = 4;  // twice two

  private:
    // By sketches alone the nearest centroid is among the best 24 nearly always; eight of them are what a build looks
    // at.
    static constexpr size_t kConsidered = 24;
    static constexpr size_t kNearest = 8;

    struct Near {
        float squared_distance;
        HeapTid target;
        size_t row;  // in centroids_
    };

    void Add(const Near& list, HeapTid heap_tid, const uint8_t* values);
    [[nodiscard]] const Near& Second() const;

    const Space* space_ = nullptr;
    ListSearch search_;
    std::vector<Near> near_;
    std::vector<float> centroids_;  // decoded
    RowFactors factors_{};
    std::vector<int8_t> codes_;
    std::vector<Placement> placements_;
    std::vector<uint8_t> entries_;  // kMostPlacements of them
};

}  // namespace annex

// Finds the lists of one new row and encodes it for them.
//
//   Begin -> search().BeginRanking, Feed*, EndRanking -> NextCentroids, Consider* -> Place
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "annex/search.h"

namespace annex {

class RowPlacer {
  public:
    // x[space.dimensions()]; space must outlive the placer.
    RowClass Begin(const Space& space, const float* x);
    [[nodiscard]] ListSearch& search() noexcept { return search_; }
    // Centroids whose rows are to be considered, after the ranking.
    [[nodiscard]] std::span<const Survivor> NextCentroids() { return search_.NextCentroids(kConsidered); }
    void Consider(const Survivor& centroid, const int8_t* codes, float scale);
    // Ranking and considering from a table in memory.
    void ConsiderTable(const CentroidTable& table);
    // Chooses the lists and encodes; heap_tid goes into the entries, whose places are the caller's to fill in.
    void Place(HeapTid heap_tid, bool spill);

    [[nodiscard]] HeapTid primary() const noexcept { return primary_; }
    [[nodiscard]] HeapTid secondary() const noexcept { return secondary_; }  // invalid: there is none
    [[nodiscard]] const RowFactors& factors() const noexcept { return factors_; }
    [[nodiscard]] const int8_t* codes() const noexcept { return codes_.data(); }
    [[nodiscard]] uint8_t* primary_entry() noexcept { return entries_.data(); }
    [[nodiscard]] uint8_t* secondary_entry() noexcept { return entries_.data() + EntryBytes(space_->padded()); }

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

    void Encode(const Near& list, HeapTid heap_tid, uint8_t* entry);

    const Space* space_ = nullptr;
    ListSearch search_;
    std::vector<Near> near_;
    std::vector<float> centroids_;  // decoded
    HeapTid primary_{};
    HeapTid secondary_{};
    RowFactors factors_{};
    std::vector<int8_t> codes_;
    std::vector<uint8_t> entries_;
};

}  // namespace annex

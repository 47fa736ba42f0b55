// Lists and codes of one new row.
#include "annex/row_placer.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

#include "annex/error.h"

namespace annex {

RowClass RowPlacer::Begin(const Space& space, const float* x) {
    space_ = &space;
    codes_.resize(space.padded());
    entries_.resize(kMostPlacements * SketchLayout{space.padded(), search_.layout().columns}.entry_bytes());
    placements_.clear();
    BeginLists();
    return search_.BeginRow(space, x);
}

void RowPlacer::BeginLists() {
    near_.clear();
    centroids_.clear();
}

void RowPlacer::Consider(const Survivor& centroid, const int8_t* codes, float scale) {
    const size_t padded = space_->padded();
    const size_t row = near_.size();
    centroids_.resize((row + 1) * padded);
    DecodeCodes(codes, scale, padded, &centroids_[row * padded]);
    near_.push_back(
        {ActiveKernels().l2_squared(search_.y(), &centroids_[row * padded], padded), centroid.heap_tid, row});
}

void RowPlacer::ConsiderTable(const CentroidTable& table) {
    search_.RankAgain();
    std::array<uint32_t, kConsidered> lists{};
    const std::span<const uint32_t> nearest = search_.NearestLists(table, lists.size());
    const auto end = std::copy(nearest.begin(), nearest.end(), lists.begin());
    std::sort(lists.begin(), end);  // of equally near ones the first is chosen
    for (const uint32_t list : std::span(lists.begin(), end))
        Consider({0, list, table.target(list)}, table.codes(list), table.scale(list));
}

void RowPlacer::Add(const Near& list, HeapTid heap_tid, const uint8_t* values) {
    for (const Placement& placement : placements_)
        if (placement.list == list.target) return;
    if (placements_.size() == kMostPlacements) throw Error(ErrorKind::kCorrupted, "a row has too many lists");
    const size_t padded = space_->padded();
    const SketchLayout& layout = search_.layout();
    uint8_t* entry = &entries_[placements_.size() * layout.entry_bytes()];
    const SketchTrailer trailer{EncodeEntry(*space_, search_.y(), &centroids_[list.row * padded], entry), heap_tid, 0};
    std::memcpy(entry + CodeBytes(padded), &trailer, sizeof trailer);
    if (layout.columns.columns() > 0) std::memcpy(entry + layout.values_offset(), values, layout.columns.value_bytes());
    placements_.push_back({list.target, entry});
}

// By SOAR's loss: ||r'||^2 + <r', r>^2 / ||r||^2, where 2 <r', r> = ||r'||^2 + ||r||^2 - ||c' - c||^2.
const RowPlacer::Near& RowPlacer::Second() const {
    const size_t padded = space_->padded();
    const float* c = &centroids_[near_[0].row * padded];
    const auto squared = static_cast<double>(near_[0].squared_distance);
    double least = std::numeric_limits<double>::infinity();
    size_t best = 1;
    for (size_t i = 1; i < std::min(near_.size(), kNearest); i++) {
        const auto other = static_cast<double>(near_[i].squared_distance);
        const float between = ActiveKernels().l2_squared(c, &centroids_[near_[i].row * padded], padded);
        const double dot = (other + squared - static_cast<double>(between)) / 2;
        const double loss = other + (squared > 0 ? dot * dot / squared : 0);
        if (loss < least) {
            least = loss;
            best = i;
        }
    }
    return near_[best];
}

void RowPlacer::Place(HeapTid heap_tid, bool spill, const uint8_t* values) {
    if (near_.empty()) throw Error(ErrorKind::kCorrupted, "an index without lists");
    std::sort(near_.begin(), near_.end(), [](const Near& a, const Near& b) {
        return a.squared_distance != b.squared_distance ? a.squared_distance < b.squared_distance : a.row < b.row;
    });
    // The codes are the same wherever the row is placed.
    if (placements_.empty()) factors_ = RowEncoder(*space_).Encode(search_.y(), codes_.data());
    Add(near_[0], heap_tid, values);
    if (!spill || near_.size() < 2) return;
    const Near& second = Second();
    if (second.target == near_[0].target) throw Error(ErrorKind::kCorrupted, "two centroids stand for one list");
    Add(second, heap_tid, values);
}

}  // namespace annex

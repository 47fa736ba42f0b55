// The set of rows that a search has met, by place: a hash table while it is small, a bitmap when it grows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "annex/sketch.h"

namespace annex {

class PlaceSet {
  public:
    // False when the place was there already.
    bool Insert(Place place);
    void Erase(Place place);
    [[nodiscard]] bool Contains(Place place) const noexcept;
    [[nodiscard]] size_t size() const noexcept { return size_; }
    void Clear() noexcept;

  private:
    // Entries beyond which a bit for each row costs less than a hash slot for each entry.
    static constexpr size_t kMostHashed = 1 << 14;
    static constexpr uint64_t kEmpty = UINT64_MAX;

    [[nodiscard]] size_t Slot(Place place) const noexcept;
    void Grow();
    void SetBit(Place place);
    void BecomeBitmap();

    std::vector<uint64_t> slots_;  // open addressing, at most half full; kEmpty or the place
    std::vector<uint64_t> bits_;   // used instead of slots_ once it is not empty
    size_t size_ = 0;
};

}  // namespace annex

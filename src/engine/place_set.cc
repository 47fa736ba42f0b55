// Membership of places: open addressing with linear probing, then a bitmap.
#include "annex/place_set.h"

#include <algorithm>

namespace annex {

size_t PlaceSet::Slot(Place place) const noexcept {
    const size_t mask = slots_.size() - 1;
    size_t slot = (place * 0x9e3779b97f4a7c15ULL >> 32) & mask;
    while (slots_[slot] != kEmpty && slots_[slot] != place) slot = (slot + 1) & mask;
    return slot;
}

bool PlaceSet::Insert(Place place) {
    if (!bits_.empty()) {
        if (Contains(place)) return false;
        SetBit(place);
        size_++;
        return true;
    }
    if (2 * (size_ + 1) > slots_.size()) Grow();
    const size_t slot = Slot(place);
    if (slots_[slot] == place) return false;
    slots_[slot] = place;
    size_++;
    if (size_ > kMostHashed) BecomeBitmap();
    return true;
}

void PlaceSet::Erase(Place place) {
    if (!Contains(place)) return;
    // A hash table with linear probing cannot simply empty a slot; erasing is rare and belongs to large sets.
    if (bits_.empty()) BecomeBitmap();
    bits_[place / 64] &= ~(uint64_t{1} << place % 64);
    size_--;
}

bool PlaceSet::Contains(Place place) const noexcept {
    if (!bits_.empty()) return place / 64 < bits_.size() && (bits_[place / 64] >> place % 64 & 1) != 0;
    return !slots_.empty() && slots_[Slot(place)] == place;
}

void PlaceSet::Clear() noexcept {
    bits_.clear();
    // A table that one large search left behind would make clearing slow for the small ones that follow.
    if (slots_.size() > 4096) slots_.clear();
    std::fill(slots_.begin(), slots_.end(), kEmpty);
    size_ = 0;
}

void PlaceSet::Grow() {
    std::vector<uint64_t> old(std::max<size_t>(1024, 2 * slots_.size()), kEmpty);
    old.swap(slots_);
    for (const uint64_t place : old)
        if (place != kEmpty) slots_[Slot(static_cast<Place>(place))] = place;
}

void PlaceSet::SetBit(Place place) {
    if (place / 64 >= bits_.size()) bits_.resize(std::max<size_t>(place / 64 + 1, bits_.size() * 5 / 4));
    bits_[place / 64] |= uint64_t{1} << place % 64;
}

void PlaceSet::BecomeBitmap() {
    bits_.resize(1);
    for (const uint64_t place : slots_)
        if (place != kEmpty) SetBit(static_cast<Place>(place));
    slots_.clear();
}

}  // namespace annex

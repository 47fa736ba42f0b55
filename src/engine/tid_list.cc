// Sorting heap TIDs into pages.
#include "annex/tid_list.h"

#include <algorithm>
#include <array>
#include <bit>

namespace annex {
namespace {

constexpr int kOffsetBits = 16;
constexpr int kDigitBits = 11;
constexpr size_t kDigits = size_t{1} << kDigitBits;
// Up to so many rows a sort by comparisons is no slower than clearing and summing up the counters.
constexpr size_t kFew = 512;

uint64_t KeyOf(HeapTid tid) noexcept {
    return uint64_t{BlockOf(tid)} << kOffsetBits | tid.offset;
}

uint32_t BlockOfKey(uint64_t key) noexcept {
    return static_cast<uint32_t>(key >> kOffsetBits);
}

// Stable, by kDigitBits bits from `shift` on.
void SortByDigit(const std::vector<uint64_t>& from, std::vector<uint64_t>* to, int shift) {
    std::array<uint32_t, kDigits> starts{};
    for (const uint64_t key : from) starts[key >> shift & (kDigits - 1)]++;
    uint32_t start = 0;
    for (uint32_t& each : starts) {
        const uint32_t count = each;
        each = start;
        start += count;
    }
    to->resize(from.size());
    for (const uint64_t key : from) (*to)[starts[key >> shift & (kDigits - 1)]++] = key;
}

}  // namespace

void TidList::Clear() noexcept {
    keys_.clear();
    greatest_ = 0;
    ascending_ = true;
}

void TidList::Add(const HeapTid* tids, size_t count) {
    uint64_t last = keys_.empty() ? 0 : keys_.back();
    for (size_t i = 0; i < count; i++) {
        const uint64_t key = KeyOf(tids[i]);
        ascending_ &= key >= last;
        greatest_ = std::max(greatest_, key);
        last = key;
        keys_.push_back(key);
    }
}

HeapTid TidList::tid(size_t i) const noexcept {
    const uint64_t key = keys_[i];
    return {static_cast<uint16_t>(key >> 32), static_cast<uint16_t>(key >> kOffsetBits), static_cast<uint16_t>(key)};
}

size_t TidList::bytes() const noexcept {
    return (keys_.capacity() + other_.capacity()) * sizeof(uint64_t);
}

// Within a page the order does not matter.
void TidList::Sort() {
    if (ascending_) return;
    if (keys_.size() <= kFew) {
        std::sort(keys_.begin(), keys_.end());
    } else {
        const auto bits = static_cast<int>(std::bit_width(greatest_));
        for (int shift = kOffsetBits; shift < bits; shift += kDigitBits) {
            SortByDigit(keys_, &other_, shift);
            keys_.swap(other_);
        }
    }
    ascending_ = keys_.size() <= kFew;
}

void TidList::MakeSet(TidSet* set) {
    set->Clear();
    Sort();
    std::vector<uint16_t> offsets;
    for (size_t i = 0; i < keys_.size();) {
        const uint32_t block = BlockOfKey(keys_[i]);
        offsets.clear();
        for (; i < keys_.size() && BlockOfKey(keys_[i]) == block; i++)
            offsets.push_back(static_cast<uint16_t>(keys_[i]));
        set->AddPage(block, offsets.data(), offsets.size());
    }
    set->Finish();
}

}  // namespace annex

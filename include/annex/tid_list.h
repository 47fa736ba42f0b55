// Heap TIDs in the order in which an index gives them, on their way into a set.
//
// An index tells its rows in the order of its keys, a TidSet takes them page by page. Between the two lies a sort, by
// digits of the block number: a few nanoseconds a row, where a hash table of pages, as a bitmap is, takes a miss of the
// cache for each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "annex/sketch.h"
#include "annex/tid_set.h"

namespace annex {

class TidList {
  public:
    // Of a row, while the list is sorted.
    static constexpr size_t kRowBytes = 2 * sizeof(uint64_t);

    // Empty again; the memory is kept.
    void Clear() noexcept;
    // Any order, and a TID may come more than once; each must be valid.
    void Add(const HeapTid* tids, size_t count);

    [[nodiscard]] size_t size() const noexcept { return keys_.size(); }
    [[nodiscard]] HeapTid tid(size_t i) const noexcept;
    [[nodiscard]] size_t bytes() const noexcept;

    // Sorts the list by block, so that tid(i) is another one afterwards, and makes the set of its TIDs.
    void MakeSet(TidSet* set);

  private:
    void Sort();

    std::vector<uint64_t> keys_;   // block << 16 | offset
    std::vector<uint64_t> other_;  // the same, while a digit is sorted by
    uint64_t greatest_ = 0;
    bool ascending_ = true;  // as an index gives the rows of one key
};

}  // namespace annex

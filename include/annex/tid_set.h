// The rows that a search may return, by heap TID: what a bitmap of matching rows becomes, so that an index can ask
// about one row at a time in any order.
//
//   groups   for each 4,096 blocks of the heap: which 64 chunks are theirs, the first 64 being empty ones
//   chunks   for each 64 blocks: which of them have matching rows, and the number of the first of these pages
//   pages    for each block that has some, and before them an empty one: a bit for each offset, in as many 64-bit words
//            as the greatest offset takes
//
// A question touches two cache lines, besides the groups, which are few: a chunk and a word. 4 bytes a group, 16 bytes
// a chunk of groups with matching rows and 8 to 40 bytes a page with matching rows are less than the bitmap itself
// took. Of a lossy page nothing is known, so that all of its rows are taken for matching ones; bit 0, which belongs to
// no offset, tells these pages from others.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "annex/kernels.h"
#include "annex/sketch.h"

namespace annex {

[[nodiscard]] constexpr uint32_t BlockOf(HeapTid tid) noexcept {
    return static_cast<uint32_t>(tid.block_high) << 16 | tid.block_low;
}

class TidSet {
  public:
    TidSet() { Clear(); }

    // Pages come in ascending order of their blocks; else, and for an offset of 0, throws kInvalidArgument. After any
    // exception nothing but Clear may be called. A page of no offsets is none.
    void AddPage(uint32_t block, const uint16_t* offsets, size_t count);
    // A page of which any row may match.
    void AddLossyPage(uint32_t block);
    // Empty again; the memory is kept.
    void Clear();

    // Whether the row may match; the TID must be valid.
    [[nodiscard]] bool Contains(HeapTid tid) const noexcept {
        const size_t page = PageOf(BlockOf(tid));
        const size_t word = tid.offset / kWordBits;
        if (word >= words_per_page_) return (words_[page] & kLossy) != 0;
        return (words_[page + word] >> tid.offset % kWordBits & 1) != 0;
    }
    // The same for the rows of a block of sketches: those of `among` that may match. The others' TIDs may be invalid.
    [[nodiscard]] uint32_t Matching(const HeapTid tids[kBlockSize], uint32_t among) const noexcept;

    // Whether one of them may match.
    [[nodiscard]] bool ContainsAny(const HeapTid tids[kBlockSize], uint32_t among) const noexcept;

    [[nodiscard]] uint64_t exact_rows() const noexcept { return exact_rows_; }
    [[nodiscard]] uint64_t exact_pages() const noexcept { return exact_pages_; }
    [[nodiscard]] uint64_t lossy_pages() const noexcept { return lossy_pages_; }
    [[nodiscard]] size_t bytes() const noexcept;

  private:
    struct Chunk {
        uint64_t present;  // bit i: block i of the chunk has a page
        uint32_t first;    // number of the first of its pages
    };
    static constexpr size_t kWordBits = 64;
    static constexpr size_t kChunkBlocks = 64;
    static constexpr size_t kGroupChunks = 64;
    static constexpr size_t kGroupBlocks = kChunkBlocks * kGroupChunks;
    static constexpr uint64_t kLossy = 1;

    // Where the words of a block's page begin; 0, those of the empty page, if it has none.
    [[nodiscard]] size_t PageOf(uint32_t block) const noexcept {
        const size_t group = block / kGroupBlocks;
        if (group >= groups_.size()) return 0;
        const Chunk& chunk = chunks_[groups_[group] * kGroupChunks + block / kChunkBlocks % kGroupChunks];
        const size_t bit = block % kChunkBlocks;
        const uint64_t page = chunk.first + Ones(chunk.present & ((uint64_t{1} << bit) - 1));
        return (chunk.present >> bit & 1) != 0 ? page * words_per_page_ : 0;
    }
    // Without an instruction that not every CPU has.
    [[nodiscard]] static uint64_t Ones(uint64_t bits) noexcept {
        bits -= bits >> 1 & 0x5555555555555555U;
        bits = (bits & 0x3333333333333333U) + (bits >> 2 & 0x3333333333333333U);
        bits = (bits + (bits >> 4)) & 0x0F0F0F0F0F0F0F0FU;
        return bits * 0x0101010101010101U >> 56;
    }
    uint64_t* NewPage(uint32_t block);
    void Widen(size_t words);

    std::vector<uint32_t> groups_;  // numbers of 64 chunks each
    std::vector<Chunk> chunks_;
    std::vector<uint64_t> words_;
    size_t words_per_page_ = 1;
    uint64_t next_block_ = 0;  // no page below it may come any more
    uint64_t exact_rows_ = 0;
    uint64_t exact_pages_ = 0;
    uint64_t lossy_pages_ = 0;
};

}  // namespace annex

// The rows that a search may return, by heap TID: what a bitmap of matching rows becomes, so that an index can ask
// about one row at a time in any order.
//
//   groups   for each 4,096 blocks of the heap: which 64 chunks are theirs, the first 64 being empty ones
//   chunks   for each 64 blocks: which have matching rows, the number of the first of these pages, which are lossy
//   pages    for each block with matching rows: a bit for each offset, in as many 64-bit words as the greatest takes
//
//   marks    a bit for each block, whether it has a page, or several blocks to a bit: asked first, for 32 TIDs at once
//
// A question touches two cache lines, besides the groups, which are few: a chunk and a word. 8 to 40 bytes a page with
// matching rows, 24 bytes a chunk of groups with any and 4 bytes a group are about what the bitmap itself took, or
// less. Of a lossy page nothing is known, so that all of its rows are taken for matching ones; it costs no words.
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
    // Once all pages are there: what questions by the block ask first. Without it they take longer.
    void Finish();
    // Empty again; the memory is kept.
    void Clear();

    // Whether the row may match; the TID must be valid.
    [[nodiscard]] bool Contains(HeapTid tid) const noexcept {
        const uint32_t block = BlockOf(tid);
        const size_t group = block / kGroupBlocks;
        if (group >= groups_.size()) return false;
        const Chunk& chunk = chunks_[ChunkNumber(block)];
        const size_t bit = block % kChunkBlocks;
        if ((chunk.lossy >> bit & 1) != 0) return true;
        const size_t word = tid.offset / kWordBits;
        if ((chunk.present >> bit & 1) == 0 || word >= words_per_page_) return false;
        const size_t page = chunk.first + Ones(chunk.present & ((uint64_t{1} << bit) - 1));
        return (words_[page * words_per_page_ + word] >> tid.offset % kWordBits & 1) != 0;
    }
    // The same for the rows of a block of sketches: those of `among` that may match, of which none has an invalid TID.
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
        uint64_t lossy;    // bit i: any row of block i may match
        uint32_t first;    // number of the first of its pages
    };
    static constexpr size_t kWordBits = 64;
    static constexpr size_t kChunkBlocks = 64;
    static constexpr size_t kGroupChunks = 64;
    static constexpr size_t kGroupBlocks = kChunkBlocks * kGroupChunks;

    // Of a block in one of groups_.
    [[nodiscard]] size_t ChunkNumber(uint32_t block) const noexcept {
        return groups_[block / kGroupBlocks] * kGroupChunks + block / kChunkBlocks % kGroupChunks;
    }
    // Without an instruction that not every CPU has.
    [[nodiscard]] static uint64_t Ones(uint64_t bits) noexcept {
        bits -= bits >> 1 & 0x5555555555555555U;
        bits = (bits & 0x3333333333333333U) + (bits >> 2 & 0x3333333333333333U);
        bits = (bits + (bits >> 4)) & 0x0F0F0F0F0F0F0F0FU;
        return bits * 0x0101010101010101U >> 56;
    }
    Chunk& NextChunk(uint32_t block);
    void Widen(size_t words);
    [[nodiscard]] uint32_t MayMatch(const HeapTid tids[kBlockSize], uint32_t among) const noexcept;

    std::vector<uint32_t> groups_;  // numbers of 64 chunks each
    std::vector<Chunk> chunks_;
    std::vector<uint64_t> words_;
    std::vector<uint32_t> marks_;  // a power of two of them; bit block % 32 of number block / 32, modulo their number
    size_t words_per_page_ = 1;
    uint64_t next_block_ = 0;  // no page below it may come any more
    uint64_t exact_rows_ = 0;
    uint64_t exact_pages_ = 0;
    uint64_t lossy_pages_ = 0;
};

}  // namespace annex

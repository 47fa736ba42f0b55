// Building the set of matching rows, and asking about a block of them.
#include "annex/tid_set.h"

#include <algorithm>
#include <bit>

#include "annex/error.h"

namespace annex {

void TidSet::Clear() {
    groups_.clear();
    chunks_.assign(kGroupChunks, Chunk{0, 0, 0});
    words_.clear();
    marks_.assign(1, UINT32_MAX);
    words_per_page_ = 1;
    next_block_ = 0;
    exact_rows_ = exact_pages_ = lossy_pages_ = 0;
}

void TidSet::AddPage(uint32_t block, const uint16_t* offsets, size_t count) {
    if (count == 0) return;
    const auto [least, greatest] = std::minmax_element(offsets, offsets + count);
    if (*least == 0) throw Error(ErrorKind::kInvalidArgument, "a heap TID of a set has no offset");
    Widen(*greatest / kWordBits + 1);
    Chunk& chunk = NextChunk(block);
    const size_t at = words_.size();
    words_.resize(at + words_per_page_, 0);
    if (chunk.present == 0) chunk.first = static_cast<uint32_t>(at / words_per_page_);
    chunk.present |= uint64_t{1} << block % kChunkBlocks;
    uint64_t* page = &words_[at];
    for (size_t i = 0; i < count; i++) page[offsets[i] / kWordBits] |= uint64_t{1} << offsets[i] % kWordBits;
    for (size_t i = 0; i < words_per_page_; i++) exact_rows_ += Ones(page[i]);
    exact_pages_++;
}

void TidSet::AddLossyPage(uint32_t block) {
    NextChunk(block).lossy |= uint64_t{1} << block % kChunkBlocks;
    lossy_pages_++;
}

// The chunk of a block that comes after all others.
TidSet::Chunk& TidSet::NextChunk(uint32_t block) {
    if (block < next_block_)
        throw Error(ErrorKind::kInvalidArgument, "the pages of a set of heap TIDs are out of order");
    const size_t group = block / kGroupBlocks;
    if (group >= groups_.size()) {
        groups_.resize(group + 1, 0);
        groups_[group] = static_cast<uint32_t>(chunks_.size() / kGroupChunks);
        chunks_.resize(chunks_.size() + kGroupChunks, Chunk{0, 0, 0});
    }
    next_block_ = uint64_t{block} + 1;
    return chunks_[ChunkNumber(block)];
}

// Makes room for greater offsets on every page.
void TidSet::Widen(size_t words) {
    if (words <= words_per_page_) return;
    std::vector<uint64_t> wider(words_.size() / words_per_page_ * words, 0);
    for (size_t from = 0, to = 0; from < words_.size(); from += words_per_page_, to += words)
        std::copy_n(&words_[from], words_per_page_, &wider[to]);
    words_.swap(wider);
    words_per_page_ = words;
}

// Where not every block can have a bit of its own, sixteen bits a page with rows leave out most blocks that have none,
// and what is asked all the time stays small enough for the processor's nearer caches.
void TidSet::Finish() {
    constexpr size_t kMarkBits = 32;
    constexpr size_t kBitsPerPage = 16;
    constexpr size_t kLeastMarks = 4096;
    const size_t blocks = groups_.size() * kGroupBlocks;
    const size_t wanted = std::max(kLeastMarks, kBitsPerPage * (exact_pages_ + lossy_pages_) / kMarkBits);
    marks_.assign(std::bit_ceil(std::min(wanted, blocks / kMarkBits + 1)), 0);
    const size_t mask = marks_.size() - 1;
    for (size_t group = 0; group < groups_.size(); group++) {
        if (groups_[group] == 0) continue;
        for (size_t i = 0; i < kGroupChunks; i++) {
            const Chunk& chunk = chunks_[groups_[group] * kGroupChunks + i];
            const uint64_t pages = chunk.present | chunk.lossy;
            const size_t first = (group * kGroupChunks + i) * (kChunkBlocks / kMarkBits);
            marks_[first & mask] |= static_cast<uint32_t>(pages);
            marks_[(first + 1) & mask] |= static_cast<uint32_t>(pages >> kMarkBits);
        }
    }
}

// Those of `among` that have a TID on a page of the set, and a few more.
uint32_t TidSet::MayMatch(const HeapTid tids[kBlockSize], uint32_t among) const noexcept {
    if (among == 0) return 0;
    const auto mask = static_cast<uint32_t>(marks_.size() - 1);
    return among & ActiveKernels().tid_pages(&tids[0].block_high, marks_.data(), mask);
}

uint32_t TidSet::Matching(const HeapTid tids[kBlockSize], uint32_t among) const noexcept {
    among = MayMatch(tids, among);
    uint32_t matching = 0;
    for (; among != 0; among &= among - 1) {
        const auto v = static_cast<size_t>(__builtin_ctz(among));
        matching |= (Contains(tids[v]) ? 1U : 0U) << v;
    }
    return matching;
}

bool TidSet::ContainsAny(const HeapTid tids[kBlockSize], uint32_t among) const noexcept {
    for (among = MayMatch(tids, among); among != 0; among &= among - 1)
        if (Contains(tids[static_cast<size_t>(__builtin_ctz(among))])) return true;
    return false;
}

size_t TidSet::bytes() const noexcept {
    return groups_.capacity() * sizeof(uint32_t) + chunks_.capacity() * sizeof(Chunk) +
           words_.capacity() * sizeof(uint64_t) + marks_.capacity() * sizeof(uint32_t);
}

}  // namespace annex

// Pages to search.
#include "pg/ivf/feed.h"

#include "pg/guard.h"

namespace annex::pg::ivf {

static constexpr Size kCacheLine = 64;
// The processor goes on by itself once it has seen some lines in a row, but not beyond 4 kB.
static constexpr Size kRowLinesAhead = 8;
static constexpr Size kPageLinesAhead = 6;
static constexpr Size kProcessorPage = 4096;

void RowReader::Prefetch(Place place) const {
    const char* page = PageHint(file_->cached, layout_.Block(place));
    if (page == nullptr) return;
    const Size begin = kRowAreaOffset + static_cast<Size>(layout_.Slot(place)) * layout_.row_bytes;
    const Size end = begin + layout_.row_bytes < BLCKSZ ? begin + layout_.row_bytes : BLCKSZ;
    __builtin_prefetch(page);
    for (Size at = begin; at < end && at < begin + kRowLinesAhead * kCacheLine; at += kCacheLine)
        __builtin_prefetch(page + at);
}

void PrefetchPage(const CachedIndex* cached, BlockNumber block) {
    const char* page = PageHint(cached, block);
    if (page == nullptr) return;
    for (Size half = 0; half < BLCKSZ; half += kProcessorPage)
        for (Size line = 0; line < kPageLinesAhead; line++) __builtin_prefetch(page + half + line * kCacheLine);
}

const int8* RowReader::Read(Place place, HeapTid heap_tid, RowOwner owner, RowFactors* factors) {
    const BlockNumber block = layout_.Block(place);
    if (block != block_ || !BufferIsValid(buffer_)) {
        Finish();
        if (!file_->Holds(block)) ReportCorrupted(index_, block, "an entry names a row outside of the index");
        CHECK_FOR_INTERRUPTS();
        buffer_ = PinPage(file_->cached, index_, block);
        block_ = block;
        LockBuffer(buffer_, BUFFER_LOCK_SHARE);
    }
    const RowPage page = RowPage::Open(index_, block, BufferGetPage(buffer_), layout_);
    const uint16 slot = layout_.Slot(place);
    if (slot >= page.header->used || page.header->owner != owner) return nullptr;
    const RowHeader* row = page.row(layout_, slot);
    if (row->heap_tid != heap_tid) return nullptr;
    *factors = row->factors;
    if (!layout_.TwoPages(padded_)) return page.codes(layout_, slot);

    memcpy(scratch_, page.codes(layout_, slot), layout_.head_codes);
    const BlockNumber tail = NextOf(page.page);
    Finish();
    if (tail == InvalidBlockNumber || !file_->Holds(tail)) ReportCorrupted(index_, block, "a row has no second part");
    Buffer tail_buffer = ReadBuffer(index_, tail);
    LockBuffer(tail_buffer, BUFFER_LOCK_SHARE);
    CheckPage(index_, tail, BufferGetPage(tail_buffer), PageKind::kRowTail);
    if (OpaqueOf(BufferGetPage(tail_buffer))->head != block)
        ReportCorrupted(index_, tail, "the second part of a row belongs to another row");
    memcpy(scratch_ + layout_.head_codes, RowTailCodes(BufferGetPage(tail_buffer)), padded_ - layout_.head_codes);
    UnlockReleaseBuffer(tail_buffer);
    return scratch_;
}

void RowReader::Finish() {
    if (BufferIsValid(buffer_)) UnlockReleaseBuffer(buffer_);
    buffer_ = InvalidBuffer;
    block_ = InvalidBlockNumber;
}

BlockNumber FeedPage(IndexFile* file, const MetaPage& meta, ListSearch* search, ListId id,
                     const ListDescriptor& descriptor, BlockNumber block) {
    Relation index = file->index;
    if (block == 0 || !file->Holds(block)) ReportCorrupted(index, block, "a list names a page outside of the index");
    Buffer buffer = PinPage(file->cached, index, block);
    LockBuffer(buffer, BUFFER_LOCK_SHARE);
    const ListPage page = ListPage::Open(index, block, BufferGetPage(buffer), meta.padded);
    if (!page.BelongsTo(id, descriptor.generation) || page.header->level != descriptor.level)
        ReportCorrupted(index, block, "the page belongs to another list");
    Guard([&] {
        search->FeedRows(page.area(), page.header->rows, page.header->start_row);
        search->FeedEntries(page.entry(0, meta.padded), page.header->entries);
    });
    const BlockNumber next = NextOf(page.page);
    UnlockReleaseBuffer(buffer);
    return next;
}

void FeedRoot(IndexFile* file, const MetaPage& meta, ListSearch* search) {
    Guard([&] { search->BeginRanking(); });
    FeedList(file, meta, search, kRootList, meta.root, [] {});
    Guard([&] { search->EndRanking(); });
}

}  // namespace annex::pg::ivf

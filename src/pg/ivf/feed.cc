// Pages to search.
#include "pg/ivf/feed.h"

#include "pg/guard.h"

extern "C" {
#include "utils/spccache.h"
}

#include <algorithm>

namespace annex::pg::ivf {

static constexpr Size kCacheLine = 64;
// The processor goes on by itself once it has seen some lines in a row, but not beyond 4 kB.
static constexpr Size kRowLinesAhead = 8;
static constexpr Size kPageLinesAhead = 6;
static constexpr Size kProcessorPage = 4096;

void RowReader::Prefetch(Place place) const {
    const char* page = PrefetchPin(file_->cached, layout_.Block(place));
    if (page == nullptr) return;
    const Size begin = kRowAreaOffset + static_cast<Size>(layout_.Slot(place)) * layout_.row_bytes;
    const Size end = begin + layout_.row_bytes < BLCKSZ ? begin + layout_.row_bytes : BLCKSZ;
    __builtin_prefetch(page);
    for (Size at = begin; at < end && at < begin + kRowLinesAhead * kCacheLine; at += kCacheLine)
        __builtin_prefetch(page + at);
}

// As far ahead as at least this, where anything is to be read ahead at all: the default of effective_io_concurrency
// before PostgreSQL 18 is meant for disks that turn.
static constexpr int kPagesAhead = 16;

void ReadAhead::Begin(Relation index) {
    const int concurrency = get_tablespace_io_concurrency(index->rd_rel->reltablespace);
    reads_ = static_cast<int64>(pgBufferUsage.shared_blks_read);
    pages_ = concurrency == 0 || RelationUsesLocalBuffers(index)
                 ? 0
                 : static_cast<uint32>(std::max(concurrency, kPagesAhead));
}

void ReadAhead::Ask(Relation index, BlockNumber first, uint32 count) const {
    for (uint32 i = 0; i < count; i++) (void)PrefetchBuffer(index, MAIN_FORKNUM, first + i);
}

void RowReader::ReadAheadOf(std::span<const Survivor> rows, const ReadAhead& read_ahead) const {
    BlockNumber last = InvalidBlockNumber;
    for (const Survivor& row : rows) {
        const BlockNumber block = layout_.Block(row.place);
        if (block != last && file_->Holds(block)) read_ahead.Ask(index_, block, 1);
        last = block;
    }
}

// Asks for what is read first of the blocks of a list's page that goes on at this row of a block.
static void PrefetchHeads(const char* page, const SketchLayout& layout, ListSearch::HeadPart part, Size start_row) {
    __builtin_prefetch(page);
    for (Size row = (layout.block_rows() - start_row) % layout.block_rows(); row < kListAreaRows;
         row += layout.block_rows()) {
        const char* head = page + kListAreaOffset + row * kRowBytes;
        for (Size at = part.begin / kCacheLine * kCacheLine; at < part.end; at += kCacheLine)
            __builtin_prefetch(head + at);
    }
}

void PrefetchPage(const CachedIndex* cached, const ListSearch& search, BlockNumber block, Size start_row) {
    const char* page = PrefetchPin(cached, block);
    if (page == nullptr) return;
    const ListSearch::HeadPart part = search.AskedFirst();
    if (part.end > 0) {
        PrefetchHeads(page, search.layout(), part, start_row);
        return;
    }
    for (Size half = 0; half < BLCKSZ; half += kProcessorPage)
        for (Size line = 0; line < kPageLinesAhead; line++) __builtin_prefetch(page + half + line * kCacheLine);
}

// The rest of the codes of a row whose first page is `head`; false if the page is not its second one.
bool RowReader::ReadTail(BlockNumber head, BlockNumber tail) {
    if (tail == InvalidBlockNumber || !file_->Holds(tail)) ReportCorrupted(index_, head, "a row has no second part");
    Buffer buffer = ReadBuffer(index_, tail);
    LockBuffer(buffer, BUFFER_LOCK_SHARE);
    Page page = BufferGetPage(buffer);
    const bool ours = PageIsOurs(page) && KindOf(page) == PageKind::kRowTail && OpaqueOf(page)->head == head;
    if (ours) {
        CheckPage(index_, tail, page, PageKind::kRowTail);
        memcpy(scratch_ + layout_.head_codes, RowTailCodes(page), padded_ - layout_.head_codes);
    }
    UnlockReleaseBuffer(buffer);
    return ours;
}

// Whether a page still holds the row of this heap TID and names `tail` as its second page.
bool RowReader::Names(BlockNumber block, uint16 slot, HeapTid heap_tid, BlockNumber tail) {
    Buffer buffer = ReadBuffer(index_, block);
    LockBuffer(buffer, BUFFER_LOCK_SHARE);
    Page page = BufferGetPage(buffer);
    const bool names = PageIsOurs(page) && KindOf(page) == PageKind::kRows && NextOf(page) == tail &&
                       RowPage::At(page).row(layout_, slot)->heap_tid == heap_tid;
    UnlockReleaseBuffer(buffer);
    return names;
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
    // Where nothing lives any more, a page of another kind may have come.
    Page bytes = BufferGetPage(buffer_);
    if (PageIsOurs(bytes) && KindOf(bytes) != PageKind::kRows) return nullptr;
    const RowPage page = RowPage::Open(index_, block, bytes, layout_);
    const uint16 slot = layout_.Slot(place);
    if (slot >= page.header->used || page.header->owner != owner) return nullptr;
    const RowHeader* row = page.row(layout_, slot);
    if (row->heap_tid != heap_tid) return nullptr;
    *factors = row->factors;
    if (!layout_.TwoPages(padded_)) return page.codes(layout_, slot);

    memcpy(scratch_, page.codes(layout_, slot), layout_.head_codes);
    const BlockNumber tail = NextOf(page.page);
    Finish();
    if (!ReadTail(block, tail)) {
        // On a standby, and where lists were given up, both pages may have gone since.
        if (!Names(block, slot, heap_tid, tail)) return nullptr;
        ReportCorrupted(index_, tail, "the second part of a row belongs to another row");
    }
    return scratch_;
}

void RowReader::Finish() {
    if (BufferIsValid(buffer_)) UnlockReleaseBuffer(buffer_);
    buffer_ = InvalidBuffer;
    block_ = InvalidBlockNumber;
}

// Whether a page is, as far as one can tell, of this list. What is no page of ours at all is for Open() to report.
static bool MayBeOf(Page page, ListId id, const ListDescriptor& descriptor) {
    if (!PageIsOurs(page)) return true;
    if (KindOf(page) != PageKind::kList) return false;
    const ListPage list = ListPage::At(page);
    return list.BelongsTo(id, descriptor.generation) && list.header->level == descriptor.level;
}

bool FeedPage(IndexFile* file, const MetaPage& meta, ListSearch* search, ListId id, const ListDescriptor& descriptor,
              BlockNumber* block) {
    Relation index = file->index;
    if (*block == 0 || !file->Holds(*block)) ReportCorrupted(index, *block, "a list names a page outside of the index");
    Buffer buffer = PinPage(file->cached, index, *block);
    LockBuffer(buffer, BUFFER_LOCK_SHARE);
    Page bytes = BufferGetPage(buffer);
    if (!MayBeOf(bytes, id, descriptor)) {
        UnlockReleaseBuffer(buffer);
        CheckMoved(index, meta, *block, "the page belongs to another list");
        return false;
    }
    const ListPage page = ListPage::Open(index, *block, bytes, search->layout());
    PrefetchPage(file->cached, *search, NextOf(page.page), page.EndRow(search->layout()));
    Guard([&] {
        search->FeedRows(page.area(), page.header->rows, page.header->start_row);
        search->FeedEntries(page.entry(0, search->layout()), page.header->entries);
    });
    *block = NextOf(page.page);
    UnlockReleaseBuffer(buffer);
    return true;
}

bool FeedRoot(IndexFile* file, const MetaPage& meta, ListSearch* search) {
    Guard([&] { search->BeginRanking(); });
    if (!FeedList(file, meta, search, kRootList, meta.root, [] {})) return false;
    Guard([&] { search->EndRanking(); });
    return true;
}

}  // namespace annex::pg::ivf

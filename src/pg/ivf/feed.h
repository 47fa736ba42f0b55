// Feeds what lies on pages to the engine's search: lists, and refinement rows.
//
// Every function holds at most one content lock at a time and none when it returns.
#pragma once

#include "pg/pg.h"

extern "C" {
#include "executor/instrument.h"
}

#include "annex/search.h"
#include "pg/ivf/cache.h"
#include "pg/ivf/ivf.h"

namespace annex::pg::ivf {

// An index as readers see it. The number of blocks is asked for again only when what is known no longer explains what
// is seen.
struct IndexFile {
    Relation index;
    BlockNumber blocks;
    CachedIndex* cached = nullptr;  // where pages were found before, if that is known

    [[nodiscard]] bool Holds(BlockNumber block) {
        if (block >= blocks) blocks = RelationGetNumberOfBlocks(index);
        return block < blocks;
    }
};

// Asks the system for pages that are not in shared buffers, while those that are read now still come. A scan starts to
// ask when the first page has to be read: where everything is in memory, it would cost and find nothing.
class ReadAhead {
  public:
    void Begin(Relation index);
    // Whether pages have been read from disk since Begin.
    [[nodiscard]] bool Wanted() const { return pages_ > 0 && pgBufferUsage.shared_blks_read != reads_; }
    // How many pages to be ahead.
    [[nodiscard]] uint32 pages() const { return pages_; }
    void Ask(Relation index, BlockNumber first, uint32 count) const;

  private:
    int64 reads_ = 0;
    uint32 pages_ = 0;
};

// Reads refinement rows one after the other, keeping the page of the last one locked for those that follow on it.
class RowReader {
  public:
    RowReader(IndexFile* file, const MetaPage& meta, int8* scratch)
        : file_(file), index_(file->index), layout_(RowLayoutOf(meta)), padded_(meta.padded), scratch_(scratch) {}

    // Asks for the memory of the row at a place, so that it is on its way when Read needs it.
    void Prefetch(Place place) const;
    // Asks the system for the pages of rows, in order of places or not.
    void ReadAheadOf(std::span<const Survivor> rows, const ReadAhead& read_ahead) const;

    // The row at a place, or nullptr if that is not (or no longer) the row of this heap TID. What it returns stays
    // valid until the next call.
    const int8* Read(Place place, HeapTid heap_tid, RowOwner owner, RowFactors* factors);
    void Finish();

  private:
    bool ReadTail(BlockNumber head, BlockNumber tail);
    bool Names(BlockNumber block, uint16 slot, HeapTid heap_tid, BlockNumber tail);

    IndexFile* file_;
    Relation index_;
    RowLayout layout_;
    uint32 padded_;
    int8* scratch_;  // padded bytes, for rows on two pages
    Buffer buffer_ = InvalidBuffer;
    BlockNumber block_ = InvalidBlockNumber;
};

// Asks for the memory of a list's page, which goes on at this row of a block: of what will be read first.
void PrefetchPage(const CachedIndex* cached, const ListSearch& search, BlockNumber block, Size start_row);

// Feeds one page and sets `block` to the next one's number. False when the list has moved (CheckMoved).
[[nodiscard]] bool FeedPage(IndexFile* file, const MetaPage& meta, ListSearch* search, ListId id,
                            const ListDescriptor& descriptor, BlockNumber* block);

// Feeds the centroids' list; false when it has moved.
[[nodiscard]] bool FeedRoot(IndexFile* file, const MetaPage& meta, ListSearch* search);

// Calls after_page() after each page of the list, when nothing is locked. False when the list has moved.
template <typename AfterPage>
[[nodiscard]] bool FeedList(IndexFile* file, const MetaPage& meta, ListSearch* search, ListId id,
                            const ListDescriptor& descriptor, AfterPage after_page) {
    BlockNumber visited = 0;
    for (BlockNumber block = descriptor.first; block != InvalidBlockNumber;) {
        CHECK_FOR_INTERRUPTS();
        if (!file->Holds(visited++)) ReportCorrupted(file->index, block, "the pages of a list form a circle");
        if (!FeedPage(file, meta, search, id, descriptor, &block)) return false;
        after_page();
    }
    return true;
}

}  // namespace annex::pg::ivf

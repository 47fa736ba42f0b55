// aminsert: one row and its entries, in one WAL record; in two or more where maintenance is under way.
//
// The row's lists are planned first (insert_plan.h) and pages with room found. The record is written under the meta
// page's share lock, if generation and pending generation are still those that were planned for, and under the pages'
// exclusive locks, if they are still what they were chosen for. These are only waited for with no other lock held, so
// that the meta page is never locked for long.
#include "pg/guard.h"
#include "pg/index/opclass.h"
#include "pg/index/stop_point.h"
#include "pg/ivf/extend.h"
#include "pg/ivf/feed.h"
#include "pg/ivf/insert_plan.h"

extern "C" {
#include "storage/freespace.h"
}

namespace annex::pg::ivf {

// ---- Choosing pages ----

// Finds a page of the list that seems to have room, extending the list when there is none. False: it has moved.
static bool FindListPage(Inserter* inserter, Target* target) {
    Relation index = inserter->index;
    const MetaPage& meta = *target->meta;
    IndexFile file{index, 0, inserter->cached};
    BlockNumber visited = 0;
    for (BlockNumber block = target->hint; block != InvalidBlockNumber;) {
        CHECK_FOR_INTERRUPTS();
        if (block == 0 || !file.Holds(block) || !file.Holds(visited++))
            ReportCorrupted(index, block, "a list names an impossible page");
        Buffer buffer = PinPage(inserter->cached, index, block);
        LockBuffer(buffer, BUFFER_LOCK_SHARE);
        Page bytes = BufferGetPage(buffer);
        bool ours = false;
        bool room = false;
        if (!PageIsOurs(bytes) || KindOf(bytes) == PageKind::kList) {
            const ListPage page = ListPage::Open(index, block, bytes, meta.padded);
            ours = page.BelongsTo(target->id, target->generation);
            room = page.HasRoom(meta.padded);
        }
        const BlockNumber next = NextOf(bytes);
        UnlockReleaseBuffer(buffer);
        if (!ours) {
            CheckMoved(index, meta, block, "the page belongs to another list");
            return false;
        }
        if (room) {
            target->block = target->hint = block;
            return true;
        }
        block = next;
    }
    target->block = target->hint = ExtendList(index, meta, target->id, target->generation);
    if (target->block != InvalidBlockNumber) return true;
    CheckMoved(index, meta, target->id.block, "the list is not used");
    return false;
}

// A row page that may have a free slot. `full`: the one tried last, which had none.
static BlockNumber FindRowPage(Relation index, const MetaPage& meta, BlockNumber full) {
    const RowLayout layout(meta.padded);
    BlockNumber block = InvalidBlockNumber;
    if (full == InvalidBlockNumber) {
        block = RelationGetTargetBlock(index);
        if (block == InvalidBlockNumber) block = meta.row_insert;
    }
    if (block == InvalidBlockNumber) {
        block = full != InvalidBlockNumber ? RecordAndGetPageWithFreeSpace(index, full, 0, FreeSpaceForRow(layout))
                                           : GetPageWithFreeSpace(index, FreeSpaceForRow(layout));
        if (block != InvalidBlockNumber && PromisesFreePage(GetRecordedFreeSpace(index, block)))
            return AddRowPage(index, meta);
    }
    if (block == InvalidBlockNumber || block == 0 || block > layout.MaxBlock() ||
        block >= RelationGetNumberOfBlocks(index))
        block = AddRowPage(index, meta);
    return block;
}

// The second page of a row page's rows, which never changes once it is linked; InvalidBlockNumber where rows take one
// page or the block is not a row page.
static BlockNumber TailOf(Relation index, const MetaPage& meta, BlockNumber row_block) {
    if (!RowLayout(meta.padded).TwoPages(meta.padded)) return InvalidBlockNumber;
    Buffer buffer = ReadBuffer(index, row_block);
    LockBuffer(buffer, BUFFER_LOCK_SHARE);
    Page page = BufferGetPage(buffer);
    BlockNumber tail = InvalidBlockNumber;
    if (PageIsOurs(page) && KindOf(page) == PageKind::kRows) {
        tail = NextOf(page);
        if (tail == 0 || tail == row_block || tail >= RelationGetNumberOfBlocks(index))
            ReportCorrupted(index, row_block, "a row page has no second page");
    }
    UnlockReleaseBuffer(buffer);
    return tail;
}

// ---- The pages of a record ----

// Pages that one record changes, in ascending order of blocks.
class PageSet {
  public:
    static constexpr int kMost = MAX_GENERIC_XLOG_PAGES;

    // Once each: a hint may name a page that is in the set already, and no page can be locked twice.
    void Add(BlockNumber block) {
        if (Contains(block)) return;
        int i = count_++;
        for (; i > 0 && blocks_[i - 1] > block; i--) blocks_[i] = blocks_[i - 1];
        blocks_[i] = block;
    }
    [[nodiscard]] bool Contains(BlockNumber block) const {
        for (int i = 0; i < count_; i++)
            if (blocks_[i] == block) return true;
        return false;
    }
    [[nodiscard]] bool Full() const { return count_ == kMost; }

    void Pin(Inserter* inserter) {
        meta_ = PinPage(inserter->cached, inserter->index, 0);
        for (int i = 0; i < count_; i++) buffers_[i] = PinPage(inserter->cached, inserter->index, blocks_[i]);
    }
    // Locks the meta page and all others; without waiting for the others. False: one of them is locked by someone else,
    // and everything is unlocked, still pinned.
    bool Lock(int* busy) {
        LockBuffer(meta_, BUFFER_LOCK_SHARE);
        for (int i = 0; i < count_; i++) {
            if (ConditionalLockBuffer(buffers_[i])) continue;
            *busy = i;
            while (--i >= 0) LockBuffer(buffers_[i], BUFFER_LOCK_UNLOCK);
            LockBuffer(meta_, BUFFER_LOCK_UNLOCK);
            return false;
        }
        return true;
    }
    // Waits until a page is no longer locked.
    void WaitFor(int busy) {
        LockBuffer(buffers_[busy], BUFFER_LOCK_EXCLUSIVE);
        LockBuffer(buffers_[busy], BUFFER_LOCK_UNLOCK);
    }
    void Register(GenericXLogState* state) {
        for (int i = 0; i < count_; i++) pages_[i] = GenericXLogRegisterBuffer(state, buffers_[i], 0);
    }
    [[nodiscard]] Page MetaPageBytes() const { return BufferGetPage(meta_); }
    [[nodiscard]] Page Of(BlockNumber block) const {
        for (int i = 0; i < count_; i++)
            if (blocks_[i] == block) return pages_[i];
        return nullptr;
    }
    void Unlock() {
        for (int i = count_ - 1; i >= 0; i--) LockBuffer(buffers_[i], BUFFER_LOCK_UNLOCK);
        LockBuffer(meta_, BUFFER_LOCK_UNLOCK);
    }
    void Unpin() {
        for (int i = count_ - 1; i >= 0; i--) ReleaseBuffer(buffers_[i]);
        ReleaseBuffer(meta_);
    }

  private:
    Buffer meta_ = InvalidBuffer;
    BlockNumber blocks_[kMost];
    Buffer buffers_[kMost];
    Page pages_[kMost];
    int count_ = 0;
};

// ---- The record ----

// What came of a record.
enum class Outcome : uint8 {
    kWritten,
    kRowPageFull,   // or no row page at all
    kListPageFull,  // or no page of the list any more
    kMoved,         // the index has gone on: its lists are no longer those that were planned for
};

// A record: the row itself, or a mark on it, and entries in the first `targets` lists that are to get one.
struct Record {
    BlockNumber row_block;   // InvalidBlockNumber: nothing is to be done to the row
    BlockNumber tail_block;  // InvalidBlockNumber: none
    int targets;
    PageSet set;
};

// Appends an entry; 32 of them become a block in the place where they lie.
static void AppendEntry(const ListPage& page, const uint8* entry, uint32 padded, uint8* pack_scratch) {
    ListPageHeader* header = page.header;
    memcpy(page.entry(header->entries, padded), entry, EntryBytes(padded));
    header->entries++;
    header->live++;
    if (header->entries == kBlockSize) {
        memcpy(pack_scratch, page.entry(0, padded), kBlockSize * EntryBytes(padded));
        uint8* rows = page.area() + header->rows * kRowBytes;
        PackBlock(pack_scratch, kBlockSize, padded, rows,
                  reinterpret_cast<BlockTrailer*>(rows + CodeRows(padded) * kRowBytes));
        header->rows = static_cast<uint16>(header->rows + CodeRows(padded) + kTrailerRows);
        header->entries = 0;
    }
    page.SetLower(padded);
}

static bool StillPlanned(const Inserter& inserter, Page page) {
    CheckPage(inserter.index, 0, page, PageKind::kMeta);
    const MetaPage* meta = MetaOf(page);
    return meta->generation == inserter.meta.generation && meta->pending == inserter.meta.pending;
}

// A free slot for the row on its page, if it is still one of rows.
static bool FindSlot(Inserter* inserter, const Record& record, uint16* slot) {
    const RowLayout layout(inserter->meta.padded);
    Page bytes = record.set.Of(record.row_block);
    if (!PageIsOurs(bytes) || KindOf(bytes) != PageKind::kRows) return false;
    const RowPage rows = RowPage::Open(inserter->index, record.row_block, bytes, layout);
    const uint32 free = rows.FreeSlot(layout);
    if (rows.header->owner != RowOwner::kHeap || free >= layout.rows_per_page) return false;
    *slot = static_cast<uint16>(free);
    if (!layout.TwoPages(inserter->meta.padded)) return true;
    if (NextOf(bytes) != record.tail_block) return false;
    Page tail = record.set.Of(record.tail_block);
    CheckPage(inserter->index, record.tail_block, tail, PageKind::kRowTail);
    if (OpaqueOf(tail)->head != record.row_block)
        ReportCorrupted(inserter->index, record.tail_block, "the second part of a row belongs to another row");
    return true;
}

static bool HasRoomFor(Inserter* inserter, const Record& record, const Target& target) {
    Page bytes = record.set.Of(target.block);
    if (PageIsOurs(bytes) && KindOf(bytes) != PageKind::kList) return false;
    const ListPage page = ListPage::Open(inserter->index, target.block, bytes, inserter->meta.padded);
    return page.BelongsTo(target.id, target.generation) && page.HasRoom(inserter->meta.padded);
}

static void PutRow(Inserter* inserter, NewRow* row, const Record& record, uint16 slot) {
    const RowLayout layout(inserter->meta.padded);
    const RowPage rows = RowPage::At(record.set.Of(record.row_block));
    row->place = layout.At(record.row_block, slot);
    if (slot == rows.header->used) rows.header->used++;
    rows.header->live++;
    *rows.row(layout, slot) = RowHeader{row->heap_tid, row->mark, inserter->placer->factors()};
    memcpy(rows.codes(layout, slot), inserter->placer->codes(), layout.head_codes);
    rows.SetLower(layout);
    if (record.tail_block != InvalidBlockNumber)
        memcpy(RowTailCodes(record.set.Of(record.tail_block)), inserter->placer->codes() + layout.head_codes,
               inserter->meta.padded - layout.head_codes);
}

static void PutMark(Inserter* inserter, const NewRow& row, const Record& record) {
    const RowLayout layout(inserter->meta.padded);
    const RowPage rows = RowPage::Open(inserter->index, record.row_block, record.set.Of(record.row_block), layout);
    RowHeader* header = rows.row(layout, layout.Slot(row.place));
    if (layout.Slot(row.place) >= rows.header->used || header->heap_tid != row.heap_tid)
        ReportCorrupted(inserter->index, record.row_block, "a row has gone while it was inserted");
    header->pending = row.mark;
}

// Fills the record in; everything that it changes is locked.
static Outcome Fill(Inserter* inserter, NewRow* row, const Record& record) {
    if (!StillPlanned(*inserter, record.set.MetaPageBytes())) return Outcome::kMoved;
    uint16 slot = 0;
    if (!row->written && !FindSlot(inserter, record, &slot)) return Outcome::kRowPageFull;
    for (int i = 0; i < record.targets; i++)
        if (!HasRoomFor(inserter, record, row->targets[i])) return Outcome::kListPageFull;

    const uint32 padded = inserter->meta.padded;
    if (!row->written)
        PutRow(inserter, row, record, slot);
    else if (record.row_block != InvalidBlockNumber)
        PutMark(inserter, *row, record);
    for (int i = 0; i < record.targets; i++) {
        const Target& target = row->targets[i];
        memcpy(target.entry + CodeBytes(padded) + offsetof(SketchTrailer, place), &row->place, sizeof row->place);
        AppendEntry(ListPage::At(record.set.Of(target.block)), target.entry, padded, inserter->pack_scratch);
    }
    return Outcome::kWritten;
}

static Outcome Write(Inserter* inserter, NewRow* row, Record* record) {
    ANNEX_STOP_POINT("insert-pages-chosen");
    PageSet& set = record->set;
    set.Pin(inserter);
    for (int busy; !set.Lock(&busy);) {
        set.WaitFor(busy);
        CHECK_FOR_INTERRUPTS();
    }
    GenericXLogState* state = GenericXLogStart(inserter->index);
    set.Register(state);
    const Outcome outcome = Fill(inserter, row, *record);
    if (outcome == Outcome::kWritten) {
        ANNEX_STOP_POINT("insert-before-record");
        GenericXLogFinish(state);
    } else {
        GenericXLogAbort(state);
    }
    set.Unlock();
    set.Unpin();
    if (outcome == Outcome::kWritten) ANNEX_STOP_POINT("insert-after-record");
    return outcome;
}

// ---- The row ----

// The first targets are done.
static void NoteDone(Inserter* inserter, NewRow* row, int targets) {
    const Size bytes = (static_cast<Size>(row->done_count) + targets) * sizeof(ListKey);
    row->done = static_cast<ListKey*>(row->done == nullptr ? MemoryContextAlloc(inserter->row_context, bytes)
                                                           : repalloc(row->done, bytes));
    for (int i = 0; i < targets; i++) row->done[row->done_count++] = {row->targets[i].id, row->targets[i].generation};
    for (int i = targets; i < row->target_count; i++) row->targets[i - targets] = row->targets[i];
    row->target_count -= targets;
    row->written = true;
    row->written_mark = row->mark;
}

// Writes the row as it is planned: with as many entries as one record can take, then the other ones. False: the index
// has gone on meanwhile.
static bool WriteRow(Inserter* inserter, NewRow* row) {
    Relation index = inserter->index;
    const MetaPage& meta = inserter->meta;
    const RowLayout layout(meta.padded);
    BlockNumber row_block = InvalidBlockNumber;
    while (!row->written || row->target_count > 0) {
        CHECK_FOR_INTERRUPTS();
        Record record{InvalidBlockNumber, InvalidBlockNumber, 0, {}};
        if (!row->written) {
            if (row_block == InvalidBlockNumber) row_block = FindRowPage(index, meta, InvalidBlockNumber);
            record.row_block = row_block;
            record.tail_block = TailOf(index, meta, row_block);
        } else if (row->mark != row->written_mark) {
            record.row_block = layout.Block(row->place);
        }
        if (record.row_block != InvalidBlockNumber) record.set.Add(record.row_block);
        if (record.tail_block != InvalidBlockNumber) record.set.Add(record.tail_block);
        for (; record.targets < row->target_count && !record.set.Full(); record.targets++) {
            Target* target = &row->targets[record.targets];
            if (!FindListPage(inserter, target)) return false;
            record.set.Add(target->block);
        }
        switch (Write(inserter, row, &record)) {
            case Outcome::kWritten:
                if (!row->written) RelationSetTargetBlock(index, row_block);
                NoteDone(inserter, row, record.targets);
                break;
            case Outcome::kRowPageFull:
                row_block = FindRowPage(index, meta, row_block);
                break;
            case Outcome::kListPageFull:
                break;
            case Outcome::kMoved:
                return false;
        }
    }
    return true;
}

// ---- Rows without codes ----

static void InsertSide(Relation index, SideChain chain, HeapTid heap_tid) {
    MetaPage meta;
    ReadMeta(index, &meta);
    IndexFile file{index, 0};
    BlockNumber visited = 0;
    BlockNumber block = meta.side[static_cast<int>(chain)].insert;
    for (;;) {
        CHECK_FOR_INTERRUPTS();
        if (block == InvalidBlockNumber) block = ExtendSideChain(index, chain);
        if (block == 0 || !file.Holds(block) || !file.Holds(visited++))
            ReportCorrupted(index, block, "a side chain names an impossible page");
        Buffer buffer = ReadBuffer(index, block);
        LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
        const SidePage page = SidePage::Open(index, block, BufferGetPage(buffer));
        if (page.header->chain != chain) ReportCorrupted(index, block, "the page belongs to another side chain");
        const BlockNumber next = NextOf(page.page);
        if (page.header->count < kSideTidsPerPage) {
            GenericXLogState* state = GenericXLogStart(index);
            Page bytes = GenericXLogRegisterBuffer(state, buffer, 0);
            const SidePage to = SidePage::At(bytes);
            to.tids()[to.header->count++] = heap_tid;
            to.SetLower();
            ANNEX_STOP_POINT("insert-side-before-record");
            GenericXLogFinish(state);
            UnlockReleaseBuffer(buffer);
            return;
        }
        UnlockReleaseBuffer(buffer);
        block = next;
    }
}

// ---- The callback ----

static void InsertRow(Inserter* inserter, const float* x, HeapTid heap_tid) {
    NewRow row{};
    row.heap_tid = heap_tid;
    for (;;) {
        CHECK_FOR_INTERRUPTS();
        switch (BeginRow(inserter, x)) {
            case RowClass::kNormal:
                if (PlanTargets(inserter, &row) && WriteRow(inserter, &row)) return;
                break;
            case RowClass::kUnbounded:
                InsertSide(inserter->index, SideChain::kFirst, heap_tid);
                return;
            case RowClass::kNaN:
                InsertSide(inserter->index, SideChain::kNaN, heap_tid);
                return;
        }
        Refresh(inserter);
    }
}

}  // namespace annex::pg::ivf

extern "C" bool ivfinsert(Relation index, Datum* values, bool* isnull, ItemPointer heap_tid, Relation, IndexUniqueCheck,
                          bool, IndexInfo* index_info) noexcept {
    using namespace annex::pg::ivf;
    const annex::HeapTid tid = FromItemPointer(*heap_tid);
    if (isnull[0]) {
        InsertSide(index, SideChain::kNull, tid);
        return false;
    }
    Inserter* inserter = GetInserter(index, index_info);
    MemoryContext old_context = MemoryContextSwitchTo(inserter->row_context);
    InsertRow(inserter, annex::pg::IndexedFloats(values[0], static_cast<int>(inserter->meta.dimensions)), tid);
    MemoryContextSwitchTo(old_context);
    MemoryContextReset(inserter->row_context);
    return false;
}

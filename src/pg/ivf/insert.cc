// aminsert: one row and its entries, in one WAL record; in two or more where maintenance is under way.
//
// The row's lists are planned first (insert_plan.h) and pages with room found. The record is written under the meta
// page's share lock, if generation and pending generation are still those that were planned for, and under the pages'
// exclusive locks, if they are still what they were chosen for. These are only waited for with no other lock held, so
// that the meta page is never locked for long.
#include "pg/guard.h"
#include "pg/index/delta.h"
#include "pg/index/filter_column.h"
#include "pg/index/opclass.h"
#include "pg/index/stop_point.h"
#include "pg/ivf/dialect.h"
#include "pg/ivf/extend.h"
#include "pg/ivf/feed.h"
#include "pg/ivf/insert_plan.h"

extern "C" {
#include "storage/freespace.h"
}

namespace annex::pg::ivf {

// ---- Choosing pages ----

// Several inserters may fill one list: so many of its pages may have room at the same time.
static constexpr int kMostOpenPages = 4;
// A page was found locked, waited for, found locked again and given up: so often for two pages.
static constexpr int kBusyTwice = 4;

// Looks at a page of the list; false: it is not one. `next`: the page after it.
static bool LookAt(Inserter* inserter, const Target& target, BlockNumber block, bool* room, BlockNumber* next) {
    Buffer buffer = PinPage(target.cached, inserter->index, block);
    LockBuffer(buffer, BUFFER_LOCK_SHARE);
    Page bytes = BufferGetPage(buffer);
    bool ours = false;
    if (!PageIsOurs(bytes) || KindOf(bytes) == PageKind::kList) {
        const ListPage page = ListPage::Open(inserter->index, block, bytes, SketchLayoutOf(inserter->meta));
        ours = page.BelongsTo(target.id, target.generation);
        *room = page.HasRoom(SketchLayoutOf(inserter->meta));
        *next = NextOf(bytes);
    }
    UnlockReleaseBuffer(buffer);
    return ours;
}

// Finds another page of the list that seems to have room, extending the list if there is none; `avoid` is locked by
// others all the time. False: the list has moved.
static bool FindListPage(Inserter* inserter, Target* target, BlockNumber avoid) {
    Relation index = inserter->index;
    ListDescriptor list;
    if (!ReadDescriptor(index, *target->meta, target->id, &list) || list.generation != target->generation) {
        CheckMoved(index, *target->meta, target->id.block, "a centroid names a list that is not live");
        return false;
    }
    IndexFile file{index, 0};
    BlockNumber visited = 0;
    BlockNumber open[kMostOpenPages];
    int count = 0;
    for (BlockNumber block = list.insert; block != InvalidBlockNumber && count < kMostOpenPages;) {
        CHECK_FOR_INTERRUPTS();
        if (block == 0 || !file.Holds(block) || !file.Holds(visited++))
            ReportCorrupted(index, block, "a list names an impossible page");
        bool room = false;
        BlockNumber next = InvalidBlockNumber;
        if (!LookAt(inserter, *target, block, &room, &next)) {
            CheckMoved(index, *target->meta, block, "the page belongs to another list");
            return false;
        }
        if (room) open[count++] = block;
        block = next;
    }
    const bool only_avoided = count == 0 || (count == 1 && open[0] == avoid);
    if (only_avoided || (count < kMostOpenPages && target->found_busy > kBusyTwice)) {
        ListRoom room{InvalidBlockNumber, InvalidBlockNumber};
        if (count > 0) room = {open[0], open[count - 1]};
        target->block = ExtendList(index, *target->meta, target->id, target->generation, room);
    } else {
        // Different backends begin at different pages.
        int chosen = MyProcPid % count;
        if (open[chosen] == avoid) chosen = (chosen + 1) % count;
        target->block = open[chosen];
    }
    if (target->block == InvalidBlockNumber) {
        CheckMoved(index, *target->meta, target->id.block, "the list is not used");
        return false;
    }
    RememberInsertPage(target->cached, *target->meta, target->id, target->block);
    return true;
}

// What made the inserter leave a row page.
enum class LeftBecause : uint8 { kNothing, kFull, kBusy };

// A row page that may have a free slot, other than the one that is left.
static BlockNumber FindRowPage(Inserter* inserter, BlockNumber left, LeftBecause because) {
    Relation index = inserter->index;
    const RowLayout layout = RowLayoutOf(inserter->meta);
    BlockNumber block = InvalidBlockNumber;
    if (because == LeftBecause::kFull) inserter->left_row_page = left;
    if (because == LeftBecause::kNothing) {
        block = RelationGetTargetBlock(index);
        if (block == InvalidBlockNumber && inserter->meta.row_insert != inserter->left_row_page)
            block = inserter->meta.row_insert;
    }
    if (block == InvalidBlockNumber) {
        const Size space = FreeSpaceForRow(layout);
        block = because == LeftBecause::kFull ? RecordAndGetPageWithFreeSpace(index, left, 0, space)
                                              : GetPageWithFreeSpace(index, space);
        if (block != InvalidBlockNumber && PromisesFreePage(GetRecordedFreeSpace(index, block)))
            block = InvalidBlockNumber;
    }
    if (block == InvalidBlockNumber || block == left || block == 0 || block > layout.MaxBlock() ||
        block >= RelationGetNumberOfBlocks(index))
        block = AddRowPage(index, inserter->meta, inserter->left_row_page);
    return block;
}

// The second page of a row page's rows, which never changes once it is linked; InvalidBlockNumber where rows take one
// page or the block is not a row page.
static BlockNumber TailOf(Relation index, const MetaPage& meta, BlockNumber row_block) {
    if (!RowLayoutOf(meta).TwoPages(meta.padded)) return InvalidBlockNumber;
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
    static constexpr int kMost = DeltaRecord::kMostPages;

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
    // Locks the meta page and all others; without waiting for the others. Else nothing is locked, and `busy` is a page
    // that someone else has locked.
    [[nodiscard]] bool Lock(BlockNumber* busy) {
        LockBuffer(meta_, BUFFER_LOCK_SHARE);
        for (int i = 0; i < count_; i++) {
            if (ConditionalLockBuffer(buffers_[i])) continue;
            *busy = blocks_[i];
            while (--i >= 0) LockBuffer(buffers_[i], BUFFER_LOCK_UNLOCK);
            LockBuffer(meta_, BUFFER_LOCK_UNLOCK);
            return false;
        }
        return true;
    }
    [[nodiscard]] Page MetaPageBytes() const { return BufferGetPage(meta_); }
    [[nodiscard]] Buffer Of(BlockNumber block) const {
        for (int i = 0; i < count_; i++)
            if (blocks_[i] == block) return buffers_[i];
        return InvalidBuffer;
    }
    [[nodiscard]] Page PageOf(BlockNumber block) const { return BufferGetPage(Of(block)); }
    void Unlock() {
        for (int i = count_ - 1; i >= 0; i--) LockBuffer(buffers_[i], BUFFER_LOCK_UNLOCK);
        LockBuffer(meta_, BUFFER_LOCK_UNLOCK);
    }
    void Release() {
        for (int i = count_ - 1; i >= 0; i--) ReleaseBuffer(buffers_[i]);
        ReleaseBuffer(meta_);
    }

  private:
    Buffer meta_ = InvalidBuffer;
    BlockNumber blocks_[kMost];
    Buffer buffers_[kMost];
    int count_ = 0;
};

// ---- The record ----

// What came of a record.
enum class Outcome : uint8 {
    kWritten,
    kRowPageFull,   // or no row page at all
    kListPageFull,  // or no page of the list any more
    kBusy,          // a page is locked by someone else
    kMoved,         // the index has gone on: its lists are no longer those that were planned for
};

// A record: the row itself, unless it is in the index, and entries in the first `targets` lists that are to get one.
struct Record {
    BlockNumber row_block;   // InvalidBlockNumber: the row is in the index
    BlockNumber tail_block;  // InvalidBlockNumber: none
    int targets;
    BlockNumber busy;  // the page that is locked by someone else
    int full;          // the target whose page has no room
    PageSet set;
};

static constexpr Size kLowerOffset = offsetof(PageHeaderData, pd_lower);
static_assert(sizeof(PageHeaderData::pd_lower) == sizeof(uint16));

static Size OffsetOn(Page page, const void* at) {
    return static_cast<Size>(static_cast<const char*>(at) - static_cast<const char*>(page));
}

// Appends an entry; 32 of them become a block in the place where they lie.
static void AppendEntry(Inserter* inserter, DeltaRecord* delta, Buffer buffer, const uint8* entry) {
    const SketchLayout layout = SketchLayoutOf(inserter->meta);
    const Size entry_bytes = layout.entry_bytes();
    Page bytes = BufferGetPage(buffer);
    const ListPage page = ListPage::At(bytes);
    const int to = delta->Add(buffer);
    ListPageHeader header = *page.header;
    header.live++;
    header.entries++;
    if (header.entries < kBlockSize) {
        delta->Put(to, OffsetOn(bytes, page.entry(header.entries - 1U, layout)), entry, entry_bytes);
    } else {
        memcpy(inserter->pack_scratch, page.entry(0, layout), (kBlockSize - 1) * entry_bytes);
        memcpy(inserter->pack_scratch + (kBlockSize - 1) * entry_bytes, entry, entry_bytes);
        char* block = delta->Reserve(to, OffsetOn(bytes, page.entry(0, layout)), layout.block_bytes());
        PackBlock(inserter->pack_scratch, kBlockSize, layout, reinterpret_cast<uint8*>(block));
        header.rows = static_cast<uint16>(header.rows + layout.block_rows());
        header.entries = 0;
    }
    // What is changed of it lies side by side.
    const Size from =
        header.rows != page.header->rows ? offsetof(ListPageHeader, rows) : offsetof(ListPageHeader, entries);
    const Size end = offsetof(ListPageHeader, level);
    delta->Put(to, OffsetOn(bytes, page.header) + from, reinterpret_cast<const char*>(&header) + from, end - from);
    const uint16 lower = ListPage::Lower(header, layout);
    delta->Put(to, kLowerOffset, &lower, sizeof lower);
}

static bool StillPlanned(const Inserter& inserter, Page page) {
    CheckPage(inserter.index, 0, page, PageKind::kMeta);
    const MetaPage* meta = MetaOf(page);
    return meta->generation == inserter.meta.generation && meta->pending == inserter.meta.pending;
}

// A free slot for the row on its page, if it is still one of rows.
static bool FindSlot(Inserter* inserter, const Record& record, uint16* slot) {
    const RowLayout layout = RowLayoutOf(inserter->meta);
    Page bytes = record.set.PageOf(record.row_block);
    if (!PageIsOurs(bytes) || KindOf(bytes) != PageKind::kRows) return false;
    const RowPage rows = RowPage::Open(inserter->index, record.row_block, bytes, layout);
    const uint32 free = rows.FreeSlot(layout);
    if (rows.header->owner != RowOwner::kHeap || free >= layout.rows_per_page) return false;
    *slot = static_cast<uint16>(free);
    if (!layout.TwoPages(inserter->meta.padded)) return true;
    if (NextOf(bytes) != record.tail_block) return false;
    Page tail = record.set.PageOf(record.tail_block);
    CheckPage(inserter->index, record.tail_block, tail, PageKind::kRowTail);
    if (OpaqueOf(tail)->head != record.row_block)
        ReportCorrupted(inserter->index, record.tail_block, "the second part of a row belongs to another row");
    return true;
}

static bool HasRoomFor(Inserter* inserter, const Record& record, const Target& target) {
    Page bytes = record.set.PageOf(target.block);
    if (PageIsOurs(bytes) && KindOf(bytes) != PageKind::kList) return false;
    const ListPage page = ListPage::Open(inserter->index, target.block, bytes, SketchLayoutOf(inserter->meta));
    return page.BelongsTo(target.id, target.generation) && page.HasRoom(SketchLayoutOf(inserter->meta));
}

static void PutRow(Inserter* inserter, NewRow* row, const Record& record, uint16 slot, DeltaRecord* delta) {
    const RowLayout layout = RowLayoutOf(inserter->meta);
    const int8* codes = inserter->placer->codes();
    Buffer buffer = record.set.Of(record.row_block);
    Page bytes = BufferGetPage(buffer);
    const RowPage page = RowPage::At(bytes);
    const int to = delta->Add(buffer);
    row->place = layout.At(record.row_block, slot);

    RowPageHeader header = *page.header;
    header.live++;
    if (slot == header.used) header.used++;
    delta->Put(to, OffsetOn(bytes, page.header), &header, offsetof(RowPageHeader, owner));
    const uint16 lower = RowPage::Lower(header, layout);
    delta->Put(to, kLowerOffset, &lower, sizeof lower);
    const RowHeader row_header{row->heap_tid, row->mark, inserter->placer->factors()};
    char* row_bytes = delta->Reserve(to, OffsetOn(bytes, page.row(layout, slot)),
                                     sizeof row_header + layout.value_bytes + layout.head_codes);
    memcpy(row_bytes, &row_header, sizeof row_header);
    memcpy(row_bytes + sizeof row_header, row->values, layout.value_bytes);
    memcpy(row_bytes + sizeof row_header + layout.value_bytes, codes, layout.head_codes);
    row->filled = header.live == layout.rows_per_page;

    if (record.tail_block == InvalidBlockNumber) return;
    Buffer tail = record.set.Of(record.tail_block);
    delta->Put(delta->Add(tail), OffsetOn(BufferGetPage(tail), RowTailCodes(BufferGetPage(tail))),
               codes + layout.head_codes, inserter->meta.padded - layout.head_codes);
}

// Puts the record together; everything that it changes is locked.
static Outcome Fill(Inserter* inserter, NewRow* row, Record* to, DeltaRecord* delta) {
    const Record& record = *to;
    if (!StillPlanned(*inserter, record.set.MetaPageBytes())) return Outcome::kMoved;
    uint16 slot = 0;
    if (!row->written && !FindSlot(inserter, record, &slot)) return Outcome::kRowPageFull;
    for (to->full = 0; to->full < record.targets; to->full++)
        if (!HasRoomFor(inserter, record, row->targets[to->full])) return Outcome::kListPageFull;

    if (!row->written) PutRow(inserter, row, record, slot, delta);
    for (int i = 0; i < record.targets; i++) {
        const Target& target = row->targets[i];
        memcpy(target.entry + CodeBytes(inserter->meta.padded) + offsetof(SketchTrailer, place), &row->place,
               sizeof row->place);
        AppendEntry(inserter, delta, record.set.Of(target.block), target.entry);
    }
    return Outcome::kWritten;
}

static Outcome Write(Inserter* inserter, NewRow* row, Record* record) {
    ANNEX_STOP_POINT("insert-pages-chosen");
    PageSet& set = record->set;
    set.Pin(inserter);
    if (!set.Lock(&record->busy)) {
        set.Release();
        return Outcome::kBusy;
    }
    DeltaRecord delta;
    const Outcome outcome = Fill(inserter, row, record, &delta);
    if (outcome == Outcome::kWritten) {
        ANNEX_STOP_POINT("insert-before-record");
        delta.Finish(inserter->index);
    }
    set.Unlock();
    set.Release();
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
    if (!row->written) row->written_at = inserter->meta.generation;
    row->written = true;
}

// Chooses the pages of the next record. False: a list has moved.
static bool ChoosePages(Inserter* inserter, NewRow* row, BlockNumber row_block, Record* record) {
    const MetaPage& meta = inserter->meta;
    if (!row->written) {
        record->row_block = row_block;
        record->tail_block = TailOf(inserter->index, meta, row_block);
    }
    if (record->row_block != InvalidBlockNumber) record->set.Add(record->row_block);
    if (record->tail_block != InvalidBlockNumber) record->set.Add(record->tail_block);
    for (; record->targets < row->target_count && !record->set.Full(); record->targets++) {
        Target* target = &row->targets[record->targets];
        if (target->block == InvalidBlockNumber && !FindListPage(inserter, target, InvalidBlockNumber)) return false;
        record->set.Add(target->block);
    }
    return true;
}

static void WaitFor(Inserter* inserter, BlockNumber block) {
    Buffer buffer = PinPage(inserter->cached, inserter->index, block);
    LockBuffer(buffer, BUFFER_LOCK_SHARE);
    UnlockReleaseBuffer(buffer);
}

// A list's page was locked by someone else: waits for it the first time, then goes to another one, and so on by turns.
// False: the list has moved.
static bool AvoidBusyPage(Inserter* inserter, NewRow* row, const Record& record) {
    for (int i = 0; i < record.targets; i++) {
        Target* target = &row->targets[i];
        if (target->block == record.busy && target->found_busy++ % 2 == 1)
            return FindListPage(inserter, target, record.busy);
    }
    WaitFor(inserter, record.busy);
    return true;
}

// The row is in: its page is tried first for the next one, unless it is full.
static void KeepRowPage(Inserter* inserter, const NewRow& row, BlockNumber row_block) {
    RelationSetTargetBlock(inserter->index, row.filled ? InvalidBlockNumber : row_block);
    if (!row.filled) return;
    inserter->left_row_page = row_block;
    if (RowLayoutOf(inserter->meta).rows_per_page > 1) RecordPageWithFreeSpace(inserter->index, row_block, 0);
}

// Writes the row as it is planned: with as many entries as one record can take, then the other ones. False: the index
// has gone on meanwhile.
static bool WriteRow(Inserter* inserter, NewRow* row) {
    BlockNumber row_block = InvalidBlockNumber;
    if (!row->written) row_block = FindRowPage(inserter, InvalidBlockNumber, LeftBecause::kNothing);
    while (!row->written || row->target_count > 0) {
        CHECK_FOR_INTERRUPTS();
        Record record{InvalidBlockNumber, InvalidBlockNumber, 0, InvalidBlockNumber, 0, {}};
        if (!ChoosePages(inserter, row, row_block, &record)) return false;
        switch (Write(inserter, row, &record)) {
            case Outcome::kWritten:
                if (!row->written) KeepRowPage(inserter, *row, row_block);
                NoteDone(inserter, row, record.targets);
                break;
            case Outcome::kRowPageFull:
                row_block = FindRowPage(inserter, row_block, LeftBecause::kFull);
                break;
            case Outcome::kListPageFull:
                if (!FindListPage(inserter, &row->targets[record.full], InvalidBlockNumber)) return false;
                break;
            case Outcome::kBusy:
                if (!row->written && record.busy == row_block)
                    row_block = FindRowPage(inserter, row_block, LeftBecause::kBusy);
                else if (!AvoidBusyPage(inserter, row, record))
                    return false;
                break;
            case Outcome::kMoved:
                return false;
        }
    }
    return true;
}

// ---- Rows without codes ----

static void InsertSide(Relation index, SideChain chain, HeapTid heap_tid, const uint8* values) {
    MetaPage meta;
    ReadMeta(index, &meta);
    const SideLayout layout = SideLayoutOf(meta);
    IndexFile file{index, 0};
    BlockNumber visited = 0;
    BlockNumber block = meta.side[static_cast<int>(chain)].insert;
    for (;;) {
        CHECK_FOR_INTERRUPTS();
        if (block == InvalidBlockNumber) block = ExtendSideChain(index, meta, chain);
        if (block == 0 || !file.Holds(block) || !file.Holds(visited++))
            ReportCorrupted(index, block, "a side chain names an impossible page");
        Buffer buffer = ReadBuffer(index, block);
        LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
        const SidePage page = SidePage::Open(index, block, BufferGetPage(buffer), layout);
        if (page.header->chain != chain) ReportCorrupted(index, block, "the page belongs to another side chain");
        const BlockNumber next = NextOf(page.page);
        if (page.header->count < layout.rows_per_page) {
            GenericXLogState* state = GenericXLogStart(index);
            Page bytes = GenericXLogRegisterBuffer(state, buffer, 0);
            SidePage::At(bytes).Append(layout, heap_tid, values);
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

static void InsertRow(Inserter* inserter, const float* x, HeapTid heap_tid, const uint8* values) {
    NewRow row{};
    row.heap_tid = heap_tid;
    row.values = values;
    for (;;) {
        CHECK_FOR_INTERRUPTS();
        switch (BeginRow(inserter, x)) {
            case RowClass::kNormal:
                if (PlanTargets(inserter, &row) && WriteRow(inserter, &row)) return;
                break;
            case RowClass::kUnbounded:
                InsertSide(inserter->index, SideChain::kFirst, heap_tid, values);
                return;
            case RowClass::kNaN:
                if (DialectOf(inserter->index) != nullptr) return;
                InsertSide(inserter->index, SideChain::kNaN, heap_tid, values);
                return;
        }
        Refresh(inserter);
    }
}

}  // namespace annex::pg::ivf

extern "C" bool ivfinsert(Relation index, Datum* values, bool* isnull, ItemPointer heap_tid, Relation, IndexUniqueCheck,
                          bool, IndexInfo* index_info) noexcept {
    using namespace annex::pg::ivf;
    const annex::HeapTid tid = annex::pg::FromItemPointer(*heap_tid);
    uint8 column_values[annex::kMostValueBytes];
    if (isnull[0]) {
        if (DialectOf(index) != nullptr) return false;
        annex::pg::FilterValues(annex::pg::FilterColumnsOf(index), values, isnull, column_values);
        InsertSide(index, SideChain::kNull, tid, column_values);
        return false;
    }
    Inserter* inserter = GetInserter(index, index_info);
    MemoryContext old_context = MemoryContextSwitchTo(inserter->row_context);
    annex::pg::FilterValues(inserter->columns, values, isnull, column_values);
    const float* x = annex::pg::IndexedFloats(inserter->reader, values[0]);
    InsertRow(inserter, x, tid, column_values);
    MemoryContextSwitchTo(old_context);
    MemoryContextReset(inserter->row_context);
    return false;
}

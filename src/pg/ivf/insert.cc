// aminsert: one row, its one or two entries, one WAL record.
#include "pg/guard.h"
#include "pg/index/opclass.h"
#include "pg/index/stop_point.h"
#include "pg/ivf/extend.h"
#include "pg/ivf/feed.h"
#include "pg/ivf/ivf.h"

extern "C" {
#include "storage/freespace.h"
}

#include "annex/row_placer.h"

namespace annex::pg::ivf {

// What the rows of one statement share.
struct Inserter {
    MemoryContext context;      // as long as the statement
    MemoryContext row_context;  // reset after each row
    CachedIndex* cached;
    RowPlacer* placer;
    uint8* pack_scratch;  // 32 entries
    int8* row_scratch;
};

extern "C" {
static void DeletePlacer(void* arg) noexcept {
    delete static_cast<RowPlacer*>(arg);
}
}

static Inserter* GetInserter(Relation index, MetaPage* meta, IndexInfo* index_info) {
    if (index_info->ii_AmCache != nullptr) {
        auto* inserter = static_cast<Inserter*>(index_info->ii_AmCache);
        if (GenerationOf(*inserter->cached) != meta->generation)
            inserter->cached = AcquireIndex(index, meta, inserter->context);
        return inserter;
    }
    MemoryContext old_context = MemoryContextSwitchTo(index_info->ii_Context);
    auto* inserter = static_cast<Inserter*>(palloc0(sizeof(Inserter)));
    inserter->context = index_info->ii_Context;
    inserter->row_context = AllocSetContextCreate(inserter->context, "ivf insert row", ALLOCSET_DEFAULT_SIZES);
    inserter->cached = AcquireIndex(index, meta, inserter->context);
    inserter->pack_scratch = static_cast<uint8*>(palloc(kBlockSize * EntryBytes(meta->padded)));
    inserter->row_scratch = static_cast<int8*>(palloc(meta->padded));
    auto* callback = static_cast<MemoryContextCallback*>(palloc0(sizeof(MemoryContextCallback)));
    Guard([&] { inserter->placer = new RowPlacer(); });
    callback->func = DeletePlacer;
    callback->arg = inserter->placer;
    MemoryContextRegisterResetCallback(inserter->context, callback);
    MemoryContextSwitchTo(old_context);
    index_info->ii_AmCache = inserter;
    return inserter;
}

// ---- Choosing pages ----

// Ranks the centroids from their pages.
static void ConsiderPages(Relation index, const MetaPage& meta, Inserter* inserter) {
    RowPlacer* placer = inserter->placer;
    IndexFile file{index, 0, inserter->cached};
    if (!FeedRoot(&file, meta, &placer->search())) ReportCorrupted(index, meta.root.first, "the root has moved");
    std::span<const Survivor> centroids;
    Guard([&] { centroids = placer->NextCentroids(); });
    RowReader reader(&file, meta, inserter->row_scratch);
    for (const Survivor& centroid : centroids) {
        RowFactors factors;
        const int8* codes = reader.Read(centroid.place, centroid.heap_tid, RowOwner::kCentroids, &factors);
        if (codes == nullptr) ReportCorrupted(index, meta.root.first, "a centroid has no row");
        Guard([&] { placer->Consider(centroid, codes, factors.scale); });
    }
    reader.Finish();
}

// Finds the lists of a row and encodes it for them; false when the row has no codes.
static RowClass PlaceRow(Relation index, const MetaPage& meta, Inserter* inserter, const float* x, HeapTid heap_tid) {
    RowPlacer* placer = inserter->placer;
    RowClass row_class = RowClass::kNormal;
    Guard([&] { row_class = placer->Begin(SpaceOf(*inserter->cached), x); });
    if (row_class != RowClass::kNormal) return row_class;

    if (const CentroidTable* centroids = CentroidsOf(*inserter->cached)) {
        Guard([&] { placer->ConsiderTable(*centroids); });
    } else {
        ConsiderPages(index, meta, inserter);
    }
    Guard([&] { placer->Place(heap_tid, meta.spill != 0); });
    return row_class;
}

// A page of the list that seems to have room, extending the list when there is none.
static BlockNumber FindListPage(Relation index, const MetaPage& meta, ListId id, uint64* generation) {
    ListDescriptor descriptor;
    if (!ReadDescriptor(index, meta, id, &descriptor)) ReportCorrupted(index, id.block, "the list has moved");
    *generation = descriptor.generation;
    IndexFile file{index, 0};
    BlockNumber visited = 0;
    for (BlockNumber block = descriptor.insert; block != InvalidBlockNumber;) {
        CHECK_FOR_INTERRUPTS();
        if (block == 0 || !file.Holds(block) || !file.Holds(visited++))
            ReportCorrupted(index, block, "a list names an impossible page");
        Buffer buffer = ReadBuffer(index, block);
        LockBuffer(buffer, BUFFER_LOCK_SHARE);
        const ListPage page = ListPage::Open(index, block, BufferGetPage(buffer), meta.padded);
        const bool ours = page.BelongsTo(id, descriptor.generation);
        const bool room = page.HasRoom(meta.padded);
        const BlockNumber next = NextOf(page.page);
        UnlockReleaseBuffer(buffer);
        if (!ours) ReportCorrupted(index, block, "the page belongs to another list");
        if (room) return block;
        block = next;
    }
    return ExtendList(index, meta, id);
}

// A row page that may have a free slot. `full`: the one tried last, which had none.
static BlockNumber FindRowPage(Relation index, const MetaPage& meta, BlockNumber full) {
    const RowLayout layout(meta.padded);
    BlockNumber block;
    if (full != InvalidBlockNumber) {
        block = RecordAndGetPageWithFreeSpace(index, full, 0, FreeSpaceForRow(layout));
    } else {
        block = RelationGetTargetBlock(index);
        if (block == InvalidBlockNumber) block = meta.row_insert;
        if (block == InvalidBlockNumber) block = GetPageWithFreeSpace(index, FreeSpaceForRow(layout));
    }
    if (block == InvalidBlockNumber || block == 0 || block > layout.MaxBlock() ||
        block >= RelationGetNumberOfBlocks(index))
        block = AddRowPage(index, meta);
    return block;
}

// ---- The record ----

// Pages that one insert changes, locked in ascending order of blocks.
struct PageSet {
    static constexpr int kMost = 4;
    BlockNumber blocks[kMost];
    Buffer buffers[kMost];
    Page pages[kMost];
    int count = 0;

    // Once each: a hint may name a page that is in the set already, and no page can be locked twice.
    void Add(BlockNumber block) {
        if (Contains(block)) return;
        int i = count++;
        for (; i > 0 && blocks[i - 1] > block; i--) blocks[i] = blocks[i - 1];
        blocks[i] = block;
    }
    void Lock(Relation index) {
        for (int i = 0; i < count; i++) {
            buffers[i] = ReadBuffer(index, blocks[i]);
            LockBuffer(buffers[i], BUFFER_LOCK_EXCLUSIVE);
        }
    }
    void Register(GenericXLogState* state) {
        for (int i = 0; i < count; i++) pages[i] = GenericXLogRegisterBuffer(state, buffers[i], 0);
    }
    [[nodiscard]] bool Contains(BlockNumber block) const {
        for (int i = 0; i < count; i++)
            if (blocks[i] == block) return true;
        return false;
    }
    [[nodiscard]] Page Of(BlockNumber block) const {
        for (int i = 0; i < count; i++)
            if (blocks[i] == block) return pages[i];
        return nullptr;
    }
    void Unlock() {
        for (int i = count - 1; i >= 0; i--) UnlockReleaseBuffer(buffers[i]);
    }
};

struct ListTargetPage {
    ListId id;
    uint64 generation;
    BlockNumber block;
    uint8* entry;
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

enum class TryResult : uint8 { kDone, kRowPageFull, kListPageFull };

// Puts the row on these pages if they are still what they were chosen for.
static TryResult TryInsert(Relation index, const MetaPage& meta, Inserter* inserter, HeapTid heap_tid,
                           BlockNumber row_block, BlockNumber tail_block, ListTargetPage* lists, int list_count) {
    const RowLayout layout(meta.padded);
    PageSet set;
    set.Add(row_block);
    if (tail_block != InvalidBlockNumber) set.Add(tail_block);
    for (int i = 0; i < list_count; i++) set.Add(lists[i].block);
    ANNEX_STOP_POINT("insert-pages-chosen");
    set.Lock(index);
    GenericXLogState* state = GenericXLogStart(index);
    set.Register(state);

    TryResult result = TryResult::kDone;
    Page row_bytes = set.Of(row_block);
    uint32 slot = 0;
    if (!PageIsOurs(row_bytes) || KindOf(row_bytes) != PageKind::kRows) {
        result = TryResult::kRowPageFull;
    } else {
        const RowPage rows = RowPage::Open(index, row_block, row_bytes, layout);
        slot = rows.FreeSlot(layout);
        if (rows.header->owner != RowOwner::kHeap || slot >= layout.rows_per_page ||
            (layout.TwoPages(meta.padded) && NextOf(row_bytes) != tail_block))
            result = TryResult::kRowPageFull;
    }
    if (tail_block != InvalidBlockNumber && result == TryResult::kDone) {
        CheckPage(index, tail_block, set.Of(tail_block), PageKind::kRowTail);
        if (OpaqueOf(set.Of(tail_block))->head != row_block)
            ReportCorrupted(index, tail_block, "the second part of a row belongs to another row");
    }
    for (int i = 0; i < list_count && result == TryResult::kDone; i++) {
        const ListPage page = ListPage::Open(index, lists[i].block, set.Of(lists[i].block), meta.padded);
        if (!page.BelongsTo(lists[i].id, lists[i].generation) || !page.HasRoom(meta.padded))
            result = TryResult::kListPageFull;
    }
    if (result != TryResult::kDone) {
        GenericXLogAbort(state);
        set.Unlock();
        return result;
    }

    const RowPage rows = RowPage::At(row_bytes);
    const auto row_slot = static_cast<uint16>(slot);
    const Place place = layout.At(row_block, row_slot);
    if (row_slot == rows.header->used) rows.header->used++;
    rows.header->live++;
    *rows.row(layout, row_slot) = RowHeader{heap_tid, 0, inserter->placer->factors()};
    memcpy(rows.codes(layout, row_slot), inserter->placer->codes(), layout.head_codes);
    rows.SetLower(layout);
    if (tail_block != InvalidBlockNumber)
        memcpy(RowTailCodes(set.Of(tail_block)), inserter->placer->codes() + layout.head_codes,
               meta.padded - layout.head_codes);
    for (int i = 0; i < list_count; i++) {
        memcpy(lists[i].entry + CodeBytes(meta.padded) + offsetof(SketchTrailer, place), &place, sizeof place);
        Page bytes = set.Of(lists[i].block);
        AppendEntry(ListPage::At(bytes), lists[i].entry, meta.padded, inserter->pack_scratch);
    }
    ANNEX_STOP_POINT("insert-before-record");
    GenericXLogFinish(state);
    set.Unlock();
    ANNEX_STOP_POINT("insert-after-record");
    return TryResult::kDone;
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

static void InsertRow(Relation index, const MetaPage& meta, Inserter* inserter, HeapTid heap_tid) {
    RowPlacer* placer = inserter->placer;
    ListTargetPage lists[2];
    const int list_count = placer->secondary().valid() ? 2 : 1;
    lists[0] = {TargetList(placer->primary()), 0, InvalidBlockNumber, placer->primary_entry()};
    if (list_count == 2) lists[1] = {TargetList(placer->secondary()), 0, InvalidBlockNumber, placer->secondary_entry()};

    if (list_count == 2 && lists[0].id == lists[1].id)
        ReportCorrupted(index, meta.root.first, "two centroids stand for one list");

    BlockNumber full = InvalidBlockNumber;
    BlockNumber row_block = FindRowPage(index, meta, full);
    for (;;) {
        CHECK_FOR_INTERRUPTS();
        for (int i = 0; i < list_count; i++)
            lists[i].block = FindListPage(index, meta, lists[i].id, &lists[i].generation);
        const BlockNumber tail_block = TailOf(index, meta, row_block);
        switch (TryInsert(index, meta, inserter, heap_tid, row_block, tail_block, lists, list_count)) {
            case TryResult::kDone:
                RelationSetTargetBlock(index, row_block);
                return;
            case TryResult::kRowPageFull:
                full = row_block;
                row_block = FindRowPage(index, meta, full);
                break;
            case TryResult::kListPageFull:
                break;
        }
    }
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

}  // namespace annex::pg::ivf

extern "C" bool ivfinsert(Relation index, Datum* values, bool* isnull, ItemPointer heap_tid, Relation, IndexUniqueCheck,
                          bool, IndexInfo* index_info) noexcept {
    using namespace annex::pg::ivf;
    using annex::RowClass;
    const annex::HeapTid tid = FromItemPointer(*heap_tid);
    if (isnull[0]) {
        InsertSide(index, SideChain::kNull, tid);
        return false;
    }

    MetaPage meta;
    ReadMeta(index, &meta);
    Inserter* inserter = GetInserter(index, &meta, index_info);
    MemoryContext old_context = MemoryContextSwitchTo(inserter->row_context);
    const float* x = annex::pg::IndexedFloats(values[0], static_cast<int>(meta.dimensions));
    switch (PlaceRow(index, meta, inserter, x, tid)) {
        case RowClass::kNormal:
            InsertRow(index, meta, inserter, tid);
            break;
        case RowClass::kUnbounded:
            InsertSide(index, SideChain::kFirst, tid);
            break;
        case RowClass::kNaN:
            InsertSide(index, SideChain::kNaN, tid);
            break;
    }
    MemoryContextSwitchTo(old_context);
    MemoryContextReset(inserter->row_context);
    return false;
}

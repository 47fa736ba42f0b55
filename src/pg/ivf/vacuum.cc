// Bulk delete and cleanup. Every page is judged by the heap TIDs that lie on it, in the order of the file, under one
// exclusive lock and in one WAL record each; no page's change depends on another's.
#include "pg/index/build_support.h"
#include "pg/index/stop_point.h"
#include "pg/ivf/build.h"
#include "pg/ivf/extend.h"
#include "pg/ivf/maintain.h"

extern "C" {
#include "commands/vacuum.h"
#include "miscadmin.h"
#include "postmaster/autovacuum.h"
#include "storage/freespace.h"
}

namespace annex::pg::ivf {

// Most slots that one list page can hold: those of 64 dimensions.
static constexpr uint32 kMostSlots = kListAreaBytes / (CodeBytes(64) + sizeof(SketchTrailer)) + kBlockSize;
// A page is packed again when this share of its slots is dead.
static constexpr uint32 kRepackShare = 4;

// What is learnt about a list on the way. Its slot may have pages of an earlier generation, left behind.
struct ListNews {
    uint64 generation;  // the latest of which there is a page
    uint32 entries;
    BlockNumber room;  // its first page with room
};

struct Vacuum {
    IndexVacuumInfo* info;
    Relation index;
    MetaPage meta;
    RowLayout layout;
    SketchLayout sketches;
    SideLayout sides;
    IndexBulkDeleteResult* stats;
    IndexBulkDeleteCallback callback;
    void* callback_state;
    ListNews* lists;
    BlockNumber side_room[kSideChains];
    uint8* scratch;  // the entries of one page: in blocks they take hardly less

    [[nodiscard]] bool Dead(HeapTid tid) const {
        ItemPointerData pointer = ToItemPointer(tid);
        return callback(&pointer, callback_state);
    }
    [[nodiscard]] ListNews* NewsOf(ListId id) const {
        uint32 list;
        return ListNumber(meta, id, &list) ? &lists[list] : nullptr;
    }
};

// ---- List pages ----

// Which live slots of a page are dead, blocks first, then entries; returns how many.
static uint32 MarkDeadSlots(const Vacuum& vacuum, const ListPage& page, bool* dead, uint32* live) {
    uint32 slot = 0;
    uint32 found = 0;
    *live = 0;
    const auto judge = [&](HeapTid tid) {
        dead[slot] = tid.valid() && vacuum.Dead(tid);
        if (dead[slot]) found++;
        if (tid.valid() && !dead[slot]) (*live)++;
        slot++;
    };
    page.ForEachTrailer(vacuum.sketches, [&](const BlockTrailer* trailer) {
        for (HeapTid tid : trailer->heap_tid) judge(tid);
    });
    for (uint32 i = 0; i < page.header->entries; i++) {
        SketchTrailer trailer;
        memcpy(&trailer, page.entry(i, vacuum.sketches) + CodeBytes(vacuum.meta.padded), sizeof trailer);
        judge(trailer.heap_tid);
    }
    return found;
}

// Kills dead slots in their trailers and squeezes dead entries out.
static void RemoveDeadSlots(const ListPage& page, const SketchLayout& layout, const bool* dead) {
    uint32 slot = 0;
    page.ForEachTrailer(layout, [&](BlockTrailer* trailer) {
        for (uint32 v = 0; v < kBlockSize; v++)
            if (dead[slot++]) KillSlot(trailer, v);
    });
    uint16 kept = 0;
    for (uint32 i = 0; i < page.header->entries; i++) {
        if (dead[slot++]) continue;
        if (kept != i) memcpy(page.entry(kept, layout), page.entry(i, layout), layout.entry_bytes());
        kept++;
    }
    page.header->entries = kept;
}

// Packs the live entries of a page's whole blocks again. Rows at its beginning that belong to a block begun on the page
// before, and rows at its end of one that goes on, stay as they are.
static void Repack(const ListPage& page, const SketchLayout& layout, uint8* scratch) {
    ListPageHeader* header = page.header;
    const auto block_rows = static_cast<uint32>(layout.block_rows());
    const Size block_bytes = layout.block_bytes();
    const Size entry_bytes = layout.entry_bytes();
    const uint32 begun = page.FirstHead(layout);
    if (begun >= header->rows) return;
    const uint32 blocks = (header->rows - begun) / block_rows;
    const uint32 rest = (header->rows - begun) % block_rows;
    if (blocks == 0) return;

    uint8* first = page.area() + begun * kRowBytes;
    uint32 count = 0;
    for (uint32 b = 0; b < blocks; b++) {
        const uint8* block = first + b * block_bytes;
        for (uint32 v = 0; v < kBlockSize; v++)
            if (TrailerOf(block)->heap_tid[v].valid()) UnpackEntry(block, v, layout, scratch + count++ * entry_bytes);
    }
    memcpy(scratch + count * entry_bytes, page.entry(0, layout), header->entries * entry_bytes);
    count += header->entries;

    // Entries may not stand before the rows of a block that goes on.
    const uint32 full = rest > 0 ? (count + kBlockSize - 1) / kBlockSize : count / kBlockSize;
    if (full >= blocks && rest > 0) return;
    if (rest > 0) memmove(first + full * block_bytes, first + blocks * block_bytes, rest * kRowBytes);
    for (uint32 b = 0; b < full; b++) {
        const uint32 taken = count - b * kBlockSize < kBlockSize ? count - b * kBlockSize : kBlockSize;
        PackBlock(scratch + b * kBlockSize * entry_bytes, taken, layout, first + b * block_bytes);
    }
    header->rows = static_cast<uint16>(begun + full * block_rows + rest);
    header->entries = static_cast<uint16>(count > full * kBlockSize ? count - full * kBlockSize : 0);
    memcpy(page.entry(0, layout), scratch + full * kBlockSize * entry_bytes, header->entries * entry_bytes);
}

static void VacuumListPage(Vacuum* vacuum, Buffer buffer, BlockNumber block) {
    const SketchLayout& layout = vacuum->sketches;
    ListPage page = ListPage::Open(vacuum->index, block, BufferGetPage(buffer), layout);
    if (page.header->level > 0) return;  // centroids: their TIDs are no heap TIDs
    bool dead[kMostSlots];
    uint32 live;
    const uint32 found = MarkDeadSlots(*vacuum, page, dead, &live);
    if (found > 0) {
        GenericXLogState* state = GenericXLogStart(vacuum->index);
        Page bytes = GenericXLogRegisterBuffer(state, buffer, 0);
        const ListPage to = ListPage::At(bytes);
        RemoveDeadSlots(to, layout, dead);
        to.header->live = live;
        const uint32 slots = to.header->rows / static_cast<uint32>(layout.block_rows()) * kBlockSize;
        if ((slots + to.header->entries - live) * kRepackShare >= slots && slots > live)
            Repack(to, layout, vacuum->scratch);
        to.SetLower(layout);
        ANNEX_STOP_POINT("vacuum-list-before-record");
        GenericXLogFinish(state);
    }
    ListNews* news = vacuum->NewsOf(page.list());
    if (news == nullptr || page.header->generation < news->generation) return;
    if (page.header->generation > news->generation) *news = {page.header->generation, 0, InvalidBlockNumber};
    news->entries += live;
    page = ListPage::Open(vacuum->index, block, BufferGetPage(buffer), layout);
    if (page.HasRoom(layout) && (news->room == InvalidBlockNumber || block < news->room)) news->room = block;
}

// ---- Row and side pages ----

static void VacuumRowPage(Vacuum* vacuum, Buffer buffer, BlockNumber block) {
    const RowLayout& layout = vacuum->layout;
    const RowPage page = RowPage::Open(vacuum->index, block, BufferGetPage(buffer), layout);
    if (page.header->owner != RowOwner::kHeap) return;
    bool dead[kRowAreaBytes / (sizeof(RowHeader) + 64) + 1];
    uint16 found = 0;
    for (uint16 slot = 0; slot < page.header->used; slot++) {
        const HeapTid tid = page.row(layout, slot)->heap_tid;
        dead[slot] = tid.valid() && vacuum->Dead(tid);
        if (dead[slot]) found++;
        if (tid.valid() && !dead[slot]) vacuum->stats->num_index_tuples += 1;
    }
    if (found > 0) {
        GenericXLogState* state = GenericXLogStart(vacuum->index);
        Page bytes = GenericXLogRegisterBuffer(state, buffer, 0);
        const RowPage to = RowPage::At(bytes);
        for (uint16 slot = 0; slot < to.header->used; slot++)
            if (dead[slot]) to.row(layout, slot)->heap_tid = HeapTid{};
        to.header->live = static_cast<uint16>(to.header->live - found);
        ANNEX_STOP_POINT("vacuum-rows-before-record");
        GenericXLogFinish(state);
        vacuum->stats->tuples_removed += found;
    }
    const RowPage after = RowPage::Open(vacuum->index, block, BufferGetPage(buffer), layout);
    if (after.header->live < layout.rows_per_page)
        RecordPageWithFreeSpace(vacuum->index, block,
                                FreeSpaceOnPage(layout, layout.rows_per_page - after.header->live));
}

static void VacuumSidePage(Vacuum* vacuum, Buffer buffer, BlockNumber block) {
    const SideLayout& layout = vacuum->sides;
    const SidePage page = SidePage::Open(vacuum->index, block, BufferGetPage(buffer), layout);
    bool dead[BLCKSZ / sizeof(HeapTid)];
    uint16 count = 0;
    for (uint16 i = 0; i < page.header->count; i++) {
        dead[i] = vacuum->Dead(*page.tid(layout, i));
        if (!dead[i]) count++;
    }
    vacuum->stats->num_index_tuples += count;
    const uint16 found = static_cast<uint16>(page.header->count - count);
    if (found > 0) {
        GenericXLogState* state = GenericXLogStart(vacuum->index);
        Page bytes = GenericXLogRegisterBuffer(state, buffer, 0);
        const SidePage to = SidePage::At(bytes);
        to.header->count = 0;
        for (uint16 i = 0; i < page.header->count; i++)
            if (!dead[i]) to.Append(layout, *page.tid(layout, i), page.values(layout, i));
        to.SetLower(layout);
        ANNEX_STOP_POINT("vacuum-side-before-record");
        GenericXLogFinish(state);
        vacuum->stats->tuples_removed += found;
    }
    BlockNumber* room = &vacuum->side_room[static_cast<int>(page.header->chain)];
    if (count < layout.rows_per_page && block < *room) *room = block;
}

static void VacuumPage(Vacuum* vacuum, BlockNumber block) {
    ANNEX_VACUUM_DELAY_POINT();
    ANNEX_STOP_POINT("vacuum-next-page");
    Buffer buffer = ReadBufferExtended(vacuum->index, MAIN_FORKNUM, block, RBM_NORMAL, vacuum->info->strategy);
    LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
    Page page = BufferGetPage(buffer);
    // An extension that did not come to its record leaves an empty page.
    if (PageIsNew(page)) {
        FreeEmptyPage(vacuum->index, buffer);
    } else {
        if (!PageIsOurs(page)) ReportCorrupted(vacuum->index, block, "the page does not belong to an ivf index");
        switch (KindOf(page)) {
            case PageKind::kList:
                VacuumListPage(vacuum, buffer, block);
                break;
            case PageKind::kRows:
                VacuumRowPage(vacuum, buffer, block);
                break;
            case PageKind::kSide:
                VacuumSidePage(vacuum, buffer, block);
                break;
            case PageKind::kMeta:
            case PageKind::kMean:
            case PageKind::kDescriptors:
            case PageKind::kRowTail:
                break;
            case PageKind::kFree:
                // The map is not logged: after a crash or on a standby that was promoted, it may not know of it.
                RecordPageWithFreeSpace(vacuum->index, block, kFreePageSpace);
                break;
            default:
                ReportCorrupted(vacuum->index, block, "the page is of an unknown kind");
        }
    }
    UnlockReleaseBuffer(buffer);
}

// ---- Estimates and hints ----

static void UpdateDescriptors(const Vacuum& vacuum) {
    const uint32 slots = DescriptorSlots(vacuum.meta);
    for (uint32 done = 0; done < slots; done += kDescriptorsPerPage) {
        ANNEX_VACUUM_DELAY_POINT();
        const BlockNumber block = ListAt(vacuum.meta, done).block;
        Buffer buffer = ReadBuffer(vacuum.index, block);
        LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
        const DescriptorPage page = DescriptorPage::Open(vacuum.index, block, BufferGetPage(buffer));
        GenericXLogState* state = nullptr;
        ListDescriptor* descriptors = page.descriptors();
        for (uint32 slot = 0; slot < page.header->count; slot++) {
            if (descriptors[slot].state != ListState::kUsed) continue;
            const ListNews& news = vacuum.lists[done + slot];
            if (news.generation != descriptors[slot].generation) continue;
            const BlockNumber insert = news.room != InvalidBlockNumber ? news.room : descriptors[slot].insert;
            if (descriptors[slot].entries == news.entries && descriptors[slot].insert == insert) continue;
            if (state == nullptr) {
                state = GenericXLogStart(vacuum.index);
                Page bytes = GenericXLogRegisterBuffer(state, buffer, 0);
                descriptors = DescriptorPage::At(bytes).descriptors();
            }
            descriptors[slot].entries = news.entries;
            descriptors[slot].insert = insert;
        }
        if (state != nullptr) GenericXLogFinish(state);
        UnlockReleaseBuffer(buffer);
    }
}

static void UpdateSideHints(const Vacuum& vacuum) {
    Buffer buffer = ReadBuffer(vacuum.index, 0);
    LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
    CheckPage(vacuum.index, 0, BufferGetPage(buffer), PageKind::kMeta);
    bool changed = false;
    for (int i = 0; i < kSideChains; i++)
        changed = changed || (vacuum.side_room[i] != InvalidBlockNumber &&
                              MetaOf(BufferGetPage(buffer))->side[i].insert != vacuum.side_room[i]);
    if (changed) {
        GenericXLogState* state = GenericXLogStart(vacuum.index);
        MetaPage* meta = MetaOf(GenericXLogRegisterBuffer(state, buffer, 0));
        for (int i = 0; i < kSideChains; i++)
            if (vacuum.side_room[i] != InvalidBlockNumber) meta->side[i].insert = vacuum.side_room[i];
        GenericXLogFinish(state);
    }
    UnlockReleaseBuffer(buffer);
}

static void RunVacuum(Vacuum* vacuum) {
    vacuum->scratch = static_cast<uint8*>(palloc(2 * kListAreaBytes));
    vacuum->lists = static_cast<ListNews*>(MemoryContextAllocExtended(
        CurrentMemoryContext, DescriptorSlots(vacuum->meta) * sizeof(ListNews), MCXT_ALLOC_ZERO | MCXT_ALLOC_HUGE));
    for (uint32 i = 0; i < DescriptorSlots(vacuum->meta); i++) vacuum->lists[i].room = InvalidBlockNumber;
    for (BlockNumber& room : vacuum->side_room) room = InvalidBlockNumber;

    // Pages that are added from now on hold nothing that is to be deleted.
    const BlockNumber blocks = AddedBlocks(vacuum->index);
    vacuum->stats->num_index_tuples = 0;
    vacuum->stats->estimated_count = false;
    for (BlockNumber block = 1; block < blocks; block++) VacuumPage(vacuum, block);
    ANNEX_STOP_POINT("vacuum-pages-done");
    UpdateDescriptors(*vacuum);
    ANNEX_STOP_POINT("vacuum-descriptors-done");
    UpdateSideHints(*vacuum);
    ANNEX_STOP_POINT("vacuum-done");
    pfree(vacuum->lists);
    pfree(vacuum->scratch);
}

}  // namespace annex::pg::ivf

extern "C" IndexBulkDeleteResult* ivfbulkdelete(IndexVacuumInfo* info, IndexBulkDeleteResult* stats,
                                                IndexBulkDeleteCallback callback, void* callback_state) noexcept {
    using namespace annex::pg::ivf;
    if (stats == nullptr) stats = static_cast<IndexBulkDeleteResult*>(palloc0(sizeof(IndexBulkDeleteResult)));
    MetaPage meta;
    ReadMeta(info->index, &meta);
    if (meta.pending != 0) {
        // Nobody builds it any more. Some pages of its lists may not be linked: no insert must come to them by a hint.
        AbandonPending(info->index);
        ReadMeta(info->index, &meta);
    }
    Vacuum vacuum{.info = info,
                  .index = info->index,
                  .meta = meta,
                  .layout = RowLayoutOf(meta),
                  .sketches = SketchLayoutOf(meta),
                  .sides = SideLayoutOf(meta),
                  .stats = stats,
                  .callback = callback,
                  .callback_state = callback_state,
                  .lists = nullptr,
                  .side_room = {},
                  .scratch = nullptr};
    RunVacuum(&vacuum);
    return stats;
}

namespace annex::pg::ivf {

// Whether there is anything for list maintenance to look at.
static bool RowsHaveChanged(const IndexVacuumInfo* info, const IndexBulkDeleteResult* stats) {
    if (stats != nullptr && stats->tuples_removed > 0)
        ChangeMeta(info->index, [&](MetaPage* meta) { meta->removed_rows += stats->tuples_removed; });
    MetaPage meta;
    ReadMeta(info->index, &meta);
    const double seen = meta.seen_heap_rows > 0 ? meta.seen_heap_rows : meta.listed_rows;
    return meta.leftovers != 0 || meta.attempts != 0 || meta.removed_rows > 0.1 * meta.listed_rows ||
           info->num_heap_tuples > 1.1 * seen || info->num_heap_tuples < 0.7 * seen;
}

}  // namespace annex::pg::ivf

extern "C" IndexBulkDeleteResult* ivfvacuumcleanup(IndexVacuumInfo* info, IndexBulkDeleteResult* stats) noexcept {
    using namespace annex::pg::ivf;
    if (info->analyze_only) return stats;
    if (RowsHaveChanged(info, stats)) {
        const int threads = ANNEX_IS_AUTOVACUUM_WORKER() ? 1 : annex::pg::BuildThreads(info->index);
        (void)MaintainIndex(info->index, MaintenanceCall::kVacuum, threads, info->strategy);
        ChangeMeta(info->index, [&](MetaPage* meta) { meta->seen_heap_rows = info->num_heap_tuples; });
    }
    if (stats == nullptr) return stats;
    stats->num_pages = RelationGetNumberOfBlocks(info->index);
    IndexFreeSpaceMapVacuum(info->index);
    return stats;
}

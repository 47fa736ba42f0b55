// ambulkdelete: takes heap TIDs out; a node without any becomes dead. amvacuumcleanup: repair.h.
#include "pg/hnsw/repair.h"

#include <algorithm>

#include "pg/guard.h"
#include "pg/hnsw/walk.h"
#include "pg/index/new_page.h"
#include "pg/index/stop_point.h"

extern "C" {
#include "commands/vacuum.h"
#include "storage/freespace.h"
}

namespace annex::pg::hnsw {

struct Vacuum {
    Relation index;
    BufferAccessStrategy strategy;
    MetaPage meta;
    NodePlaces places;
    Size value_bytes;
    IndexBulkDeleteResult* stats;
    IndexBulkDeleteCallback callback;
    void* callback_state;
    // Nodes with a chain: whose own TID has gone, or some of the chain's.
    NodeId* chained;
    Size chained_count;
    Size chained_room;

    [[nodiscard]] bool Dead(HeapTid tid) const {
        ItemPointerData pointer = ToItemPointer(tid);
        return tid.valid() && callback(&pointer, callback_state);
    }
};

// The same node may come more than once.
static void NoteChained(Vacuum* vacuum, NodeId node) {
    if (vacuum->chained_count == vacuum->chained_room) {
        vacuum->chained_room = vacuum->chained_room == 0 ? 1024 : 2 * vacuum->chained_room;
        const Size bytes = vacuum->chained_room * sizeof(NodeId);
        vacuum->chained =
            static_cast<NodeId*>(vacuum->chained == nullptr ? MemoryContextAllocHuge(CurrentMemoryContext, bytes)
                                                            : repalloc_huge(vacuum->chained, bytes));
    }
    vacuum->chained[vacuum->chained_count++] = node;
}

// ---- Node pages ----

// Finds a record, whose numbers must be possible.
static RecordKind Find(const Vacuum& vacuum, const NodePage& page, BlockNumber block, uint16 slot) {
    const RecordKind kind = page.Find(vacuum.places, vacuum.value_bytes, slot);
    if (kind == RecordKind::kDamaged) ReportCorrupted(vacuum.index, block, "a node's numbers are impossible");
    return kind;
}

// Dead TIDs of a record; the others are counted.
static uint32 CountDead(Vacuum* vacuum, const NodePage& page, RecordKind kind, uint16 slot) {
    uint32 dead = 0;
    const auto judge = [&](HeapTid tid) {
        if (vacuum->Dead(tid))
            dead++;
        else if (tid.valid())
            vacuum->stats->num_index_tuples += 1;
    };
    if (kind == RecordKind::kNode) {
        judge(page.node(vacuum->places, slot).header().heap_tid);
    } else if (kind == RecordKind::kTids) {
        const TidsView tids(vacuum->places, vacuum->value_bytes, page.record(slot));
        for (uint32 i = 0; i < tids.header().capacity; i++) judge(*tids.tid(i));
    }
    return dead;
}

// Takes the dead TIDs out of a record.
static void RemoveDead(const Vacuum& vacuum, const NodePage& page, RecordKind kind, uint16 slot) {
    if (kind == RecordKind::kNode) {
        NodeHeader& header = page.node(vacuum.places, slot).header();
        if (!vacuum.Dead(header.heap_tid)) return;
        header.heap_tid = HeapTid{};
        if (header.more == kNoNode) header.state = NodeState::kDead;
    } else if (kind == RecordKind::kTids) {
        const TidsView tids(vacuum.places, vacuum.value_bytes, page.record(slot));
        for (uint32 i = 0; i < tids.header().capacity; i++) {
            if (!vacuum.Dead(*tids.tid(i))) continue;
            *tids.tid(i) = HeapTid{};
            tids.header().edges--;
        }
    }
}

static void VacuumNodePage(Vacuum* vacuum, Buffer buffer, BlockNumber block) {
    const NodePage page = NodePage::Open(vacuum->index, block, BufferGetPage(buffer), vacuum->places);
    uint32 dead = 0;
    for (uint16 slot = 0; slot < page.header->slots; slot++) {
        const RecordKind kind = Find(*vacuum, page, block, slot);
        const uint32 of_record = CountDead(vacuum, page, kind, slot);
        if (of_record > 0 && kind == RecordKind::kTids)
            NoteChained(vacuum, TidsView(vacuum->places, vacuum->value_bytes, page.record(slot)).owner());
        dead += of_record;
    }
    if (dead > 0) {
        GenericXLogState* state = GenericXLogStart(vacuum->index);
        const NodePage to = NodePage::At(GenericXLogRegisterBuffer(state, buffer, 0));
        for (uint16 slot = 0; slot < to.header->slots; slot++)
            RemoveDead(*vacuum, to, Find(*vacuum, to, block, slot), slot);
        ANNEX_STOP_POINT("hnsw-vacuum-before-record");
        GenericXLogFinish(state);
        vacuum->stats->tuples_removed += dead;
    }
    for (uint16 slot = 0; slot < page.header->slots; slot++) {
        if (Find(*vacuum, page, block, slot) != RecordKind::kNode) continue;
        const NodeHeader& header = page.node(vacuum->places, slot).header();
        if (header.state == NodeState::kLive && !header.heap_tid.valid())
            NoteChained(vacuum, vacuum->places.At(block, slot));
    }
}

// ---- Nodes with chains ----

// Whether a chain has no TID left. False as well if a page of it is locked by someone else, with *busy set: whoever
// adds a row locks two pages in the order of their blocks, so this must not wait.
static bool ChainIsEmpty(const Vacuum& vacuum, const NodePage& node_page, BlockNumber node_block, NodeId id,
                         NodeId first, bool* busy) {
    const BlockNumber blocks = RelationGetNumberOfBlocks(vacuum.index);
    NodeId next = first;
    bool empty = true;
    for (uint64 records = 0; next != kNoNode && empty && !*busy; records++) {
        const BlockNumber block = vacuum.places.Block(next);
        if (block == 0 || block >= blocks || records > static_cast<uint64>(blocks) * vacuum.places.slots_per_page)
            ReportCorrupted(vacuum.index, node_block, "a chain of rows that share a node leads elsewhere");
        Buffer buffer = InvalidBuffer;
        NodePage page = node_page;
        if (block != node_block) {
            buffer = ReadBuffer(vacuum.index, block);
            if (!ConditionalLockBuffer(buffer)) {
                ReleaseBuffer(buffer);
                *busy = true;
                return false;
            }
            page = NodePage::Open(vacuum.index, block, BufferGetPage(buffer), vacuum.places);
        }
        const uint16 slot = vacuum.places.Slot(next);
        if (Find(vacuum, page, block, slot) != RecordKind::kTids)
            ReportCorrupted(vacuum.index, block, "a chain of rows that share a node leads elsewhere");
        const TidsView tids(vacuum.places, vacuum.value_bytes, page.record(slot));
        if (tids.owner() != id) ReportCorrupted(vacuum.index, block, "a chain of rows belongs to another node");
        empty = tids.header().edges == 0;
        next = tids.header().more;
        if (BufferIsValid(buffer)) UnlockReleaseBuffer(buffer);
    }
    return empty;
}

// The records of a chain from which TIDs have gone have room for others, and their first one says so. False: its page
// is locked by someone else.
static bool OfferRoom(const Vacuum& vacuum, const NodePage& node_page, BlockNumber node_block, Buffer node_buffer,
                      NodeId first) {
    const BlockNumber block = vacuum.places.Block(first);
    const uint16 slot = vacuum.places.Slot(first);
    const Buffer buffer = block == node_block ? node_buffer : ReadBuffer(vacuum.index, block);
    if (block != node_block && !ConditionalLockBuffer(buffer)) {
        ReleaseBuffer(buffer);
        return false;
    }
    const NodePage page =
        block == node_block ? node_page : NodePage::Open(vacuum.index, block, BufferGetPage(buffer), vacuum.places);
    if (Find(vacuum, page, block, slot) == RecordKind::kTids) {
        const TidsView tids(vacuum.places, vacuum.value_bytes, page.record(slot));
        const NodeId second = tids.header().more;
        if (second != kNoNode && tids.room() != second) {
            GenericXLogState* state = GenericXLogStart(vacuum.index);
            const NodePage to = NodePage::At(GenericXLogRegisterBuffer(state, buffer, 0));
            TidsView(vacuum.places, vacuum.value_bytes, to.record(slot)).set_room(second);
            GenericXLogFinish(state);
        }
    }
    if (block != node_block) UnlockReleaseBuffer(buffer);
    return true;
}

// A node that has no TID left is dead. False: a page of its chain was locked.
static bool TryDecide(const Vacuum& vacuum, NodeId id) {
    const BlockNumber block = vacuum.places.Block(id);
    const uint16 slot = vacuum.places.Slot(id);
    Buffer buffer = ReadBuffer(vacuum.index, block);
    LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
    const NodePage page = NodePage::Open(vacuum.index, block, BufferGetPage(buffer), vacuum.places);
    bool busy = false;
    const NodeHeader& header = page.node(vacuum.places, slot).header();
    if (Find(vacuum, page, block, slot) == RecordKind::kNode && header.state == NodeState::kLive &&
        header.more != kNoNode) {
        if (!header.heap_tid.valid() && ChainIsEmpty(vacuum, page, block, id, header.more, &busy)) {
            GenericXLogState* state = GenericXLogStart(vacuum.index);
            const NodePage to = NodePage::At(GenericXLogRegisterBuffer(state, buffer, 0));
            to.node(vacuum.places, slot).header().state = NodeState::kDead;
            ANNEX_STOP_POINT("hnsw-vacuum-before-death");
            GenericXLogFinish(state);
        } else if (!busy) {
            busy = !OfferRoom(vacuum, page, block, buffer, header.more);
        }
    }
    UnlockReleaseBuffer(buffer);
    return !busy;
}

static void DecideChained(const Vacuum& vacuum) {
    std::sort(vacuum.chained, vacuum.chained + vacuum.chained_count);
    for (Size i = 0; i < vacuum.chained_count; i++) {
        if (i > 0 && vacuum.chained[i] == vacuum.chained[i - 1]) continue;
        ANNEX_VACUUM_DELAY_POINT();
        while (!TryDecide(vacuum, vacuum.chained[i])) {
            CHECK_FOR_INTERRUPTS();
            pg_usleep(100);
        }
    }
}

// ---- Side pages ----

static void VacuumSidePage(Vacuum* vacuum, Buffer buffer, BlockNumber block) {
    const SideLayout layout{vacuum->value_bytes};
    const SidePage page = SidePage::Open(vacuum->index, block, BufferGetPage(buffer), layout);
    uint32 dead = 0;
    for (uint32 i = 0; i < page.header->count; i++) dead += vacuum->Dead(*page.tid(layout, i)) ? 1 : 0;
    vacuum->stats->num_index_tuples += page.header->count - dead;
    if (dead == 0) return;
    GenericXLogState* state = GenericXLogStart(vacuum->index);
    Page bytes = GenericXLogRegisterBuffer(state, buffer, 0);
    const SidePage to = SidePage::At(bytes);
    uint16 kept = 0;
    for (uint32 i = 0; i < to.header->count; i++) {
        if (vacuum->Dead(*to.tid(layout, i))) continue;
        if (kept != i) memcpy(to.tid(layout, kept), to.tid(layout, i), layout.stride());
        kept++;
    }
    to.header->count = kept;
    SetPageLower(bytes, SidePage::Lower(layout, kept));
    ANNEX_STOP_POINT("hnsw-vacuum-before-side");
    GenericXLogFinish(state);
    vacuum->stats->tuples_removed += dead;
}

// ---- All pages ----

// An extension that did not come to its record leaves an empty page.
static void FreeEmptyPage(Relation index, Buffer buffer) {
    GenericXLogState* state = GenericXLogStart(index);
    InitPage(GenericXLogRegisterBuffer(state, buffer, GENERIC_XLOG_FULL_IMAGE), PageKind::kFree);
    GenericXLogFinish(state);
    RecordPageWithFreeSpace(index, BufferGetBlockNumber(buffer), kFreePageSpace);
}

static void VacuumPage(Vacuum* vacuum, BlockNumber block) {
    ANNEX_VACUUM_DELAY_POINT();
    ANNEX_STOP_POINT("hnsw-vacuum-next-page");
    Buffer buffer = ReadBufferExtended(vacuum->index, MAIN_FORKNUM, block, RBM_NORMAL, vacuum->strategy);
    LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
    Page page = BufferGetPage(buffer);
    if (PageIsNew(page)) {
        FreeEmptyPage(vacuum->index, buffer);
    } else {
        if (!PageIsOurs(page)) ReportCorrupted(vacuum->index, block, "the page does not belong to an hnsw index");
        switch (KindOf(page)) {
            case PageKind::kNodes:
                VacuumNodePage(vacuum, buffer, block);
                break;
            case PageKind::kSide:
                VacuumSidePage(vacuum, buffer, block);
                break;
            case PageKind::kMeta:
            case PageKind::kMean:
            case PageKind::kEntries:
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

}  // namespace annex::pg::hnsw

extern "C" IndexBulkDeleteResult* hnswbulkdelete(IndexVacuumInfo* info, IndexBulkDeleteResult* stats,
                                                 IndexBulkDeleteCallback callback, void* callback_state) noexcept {
    using namespace annex::pg::hnsw;
    if (stats == nullptr) stats = static_cast<IndexBulkDeleteResult*>(palloc0(sizeof(IndexBulkDeleteResult)));
    Vacuum vacuum{};
    vacuum.index = info->index;
    vacuum.strategy = info->strategy;
    ReadMeta(info->index, &vacuum.meta);
    vacuum.places = PlacesOf(vacuum.meta);
    vacuum.value_bytes = ColumnsOf(vacuum.meta).value_bytes();
    vacuum.stats = stats;
    vacuum.callback = callback;
    vacuum.callback_state = callback_state;
    stats->num_index_tuples = 0;
    stats->estimated_count = false;
    // Pages that are added from now on hold nothing that is to be deleted.
    const BlockNumber blocks = annex::pg::AddedBlocks(info->index);
    for (BlockNumber block = 1; block < blocks; block++) VacuumPage(&vacuum, block);
    ANNEX_STOP_POINT("hnsw-vacuum-pages-done");
    DecideChained(vacuum);
    if (vacuum.chained != nullptr) pfree(vacuum.chained);
    ANNEX_STOP_POINT("hnsw-vacuum-done");
    return stats;
}

extern "C" IndexBulkDeleteResult* hnswvacuumcleanup(IndexVacuumInfo* info, IndexBulkDeleteResult* stats) noexcept {
    using namespace annex::pg::hnsw;
    if (info->analyze_only) return stats;
    MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "hnsw repair", ALLOCSET_DEFAULT_SIZES);
    MemoryContext old_context = MemoryContextSwitchTo(context);
    // Without a row that was deleted there is nothing to repair, or not much, unless a vacuum was stopped at it: the
    // table remembers no more what it deleted.
    MetaPage meta;
    ReadMeta(info->index, &meta);
    const bool repair = stats != nullptr || meta.repairing != 0;
    const double nodes = repair ? RepairGraph(info->index, info->strategy).live_nodes : info->num_heap_tuples;
    CalibrateIfDue(info->index, nodes);
    MemoryContextSwitchTo(old_context);
    MemoryContextDelete(context);
    if (stats == nullptr) return nullptr;
    stats->num_pages = RelationGetNumberOfBlocks(info->index);
    IndexFreeSpaceMapVacuum(info->index);
    return stats;
}

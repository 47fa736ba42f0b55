// Leftovers: descriptors and pages of lists that have died, or of an interrupted maintenance that never came to live.
#include "pg/ivf/extend.h"
#include "pg/ivf/maintain.h"

extern "C" {
#include "access/transam.h"
#include "commands/vacuum.h"
#include "storage/freespace.h"
#include "storage/indexfsm.h"
#include "utils/snapmgr.h"
}

#include "pg/index/stop_point.h"

namespace annex::pg::ivf {

// Changes the descriptors of one page in one record, if there is anything to change. change(number, descriptor) says
// whether it changed it.
template <typename Change>
static void ChangeDescriptors(Relation index, const MetaPage& meta, uint32 first, Change change) {
    const BlockNumber block = ListAt(meta, first).block;
    Buffer buffer = ReadBuffer(index, block);
    LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
    const DescriptorPage page = DescriptorPage::Open(index, block, BufferGetPage(buffer));
    const uint16 count = page.header->count;
    GenericXLogState* state = GenericXLogStart(index);
    ListDescriptor* descriptors = DescriptorPage::At(GenericXLogRegisterBuffer(state, buffer, 0)).descriptors();
    bool changed = false;
    for (uint16 slot = 0; slot < count; slot++)
        if (change(first + slot, &descriptors[slot])) changed = true;
    if (changed)
        GenericXLogFinish(state);
    else
        GenericXLogAbort(state);
    UnlockReleaseBuffer(buffer);
}

template <typename Change>
static void ChangeAllDescriptors(Relation index, const MetaPage& meta, Change change) {
    const uint32 slots = DescriptorSlots(meta);
    for (uint32 first = 0; first < slots; first += kDescriptorsPerPage) {
        ANNEX_VACUUM_DELAY_POINT();
        ChangeDescriptors(index, meta, first, change);
    }
}

void AbandonPending(Relation index) {
    MetaPage meta;
    ReadMeta(index, &meta);
    // Inserts stop serving the pending generation before its lists go.
    if (meta.pending != 0) ChangeMeta(index, [](MetaPage* to) { to->pending = 0; });
    ANNEX_STOP_POINT("maintain-pending-forgotten");
    const uint64 next_xid = U64FromFullTransactionId(ReadNextFullTransactionId());
    if (meta.switched_to != meta.generation)
        ChangeMeta(index, [&](MetaPage* to) {
            to->switched_at = next_xid;
            to->switched_to = meta.generation;
        });
    ChangeAllDescriptors(index, meta, [&](uint32, ListDescriptor* list) {
        if (list->state != ListState::kUsed) return false;
        if (list->generation > meta.generation) {
            *list = ListDescriptor{};
            return true;
        }
        if (list->died > meta.generation) {
            list->died = 0;
            return true;
        }
        if (list->died != 0) {
            list->state = ListState::kRetired;
            list->retired_at = next_xid;
            return true;
        }
        return false;
    });
    ANNEX_STOP_POINT("maintain-descriptors-cleaned");
}

// ---- Freeing ----

static bool NobodyNeeds(uint64 xid) {
    return GlobalVisCheckRemovableFullXid(nullptr, FullTransactionIdFromU64(xid));
}

enum class Fate : uint8 { kNone, kKept, kFree };

struct Reclaimer {
    Relation index;
    MetaPage meta;
    RowLayout layout;
    bool old_roots;          // nobody needs the roots of earlier generations
    uint64* generations;     // by list number; 0: unused
    BlockNumber* centroids;  // places
    bool* free;              // retired, and nobody needs it
    BlockNumber freed;
    bool kept;  // something will be free only later
};

static void ReadFates(Reclaimer* reclaimer) {
    const MetaPage& meta = reclaimer->meta;
    const uint32 slots = DescriptorSlots(meta);
    const int flags = MCXT_ALLOC_ZERO | MCXT_ALLOC_HUGE;
    reclaimer->generations =
        static_cast<uint64*>(MemoryContextAllocExtended(CurrentMemoryContext, slots * sizeof(uint64), flags));
    reclaimer->centroids =
        static_cast<Place*>(MemoryContextAllocExtended(CurrentMemoryContext, slots * sizeof(Place), flags));
    reclaimer->free = static_cast<bool*>(MemoryContextAllocExtended(CurrentMemoryContext, slots, flags));
    for (uint32 first = 0; first < slots; first += kDescriptorsPerPage) {
        const BlockNumber block = ListAt(meta, first).block;
        Buffer buffer = ReadBuffer(reclaimer->index, block);
        LockBuffer(buffer, BUFFER_LOCK_SHARE);
        const DescriptorPage page = DescriptorPage::Open(reclaimer->index, block, BufferGetPage(buffer));
        for (uint16 slot = 0; slot < page.header->count; slot++) {
            const ListDescriptor& list = page.descriptors()[slot];
            if (list.state == ListState::kUnused) continue;
            reclaimer->generations[first + slot] = list.generation;
            reclaimer->centroids[first + slot] = list.centroid;
            reclaimer->free[first + slot] = list.state == ListState::kRetired && NobodyNeeds(list.retired_at);
            reclaimer->kept |= list.state == ListState::kRetired && !reclaimer->free[first + slot];
        }
        UnlockReleaseBuffer(buffer);
    }
}

// A root has no descriptor but the current one's: those before it are free when the last switch is long past, those of
// generations that never came at once.
static Fate FateOfRoot(const Reclaimer& reclaimer, uint64 generation) {
    const MetaPage& meta = reclaimer.meta;
    if (generation == meta.root.generation) return Fate::kNone;
    return generation > meta.generation || reclaimer.old_roots ? Fate::kFree : Fate::kKept;
}

static Fate FateOfListPage(const Reclaimer& reclaimer, const ListPage& page) {
    if (page.list() == kRootList) return FateOfRoot(reclaimer, page.header->generation);
    uint32 list;
    if (!ListNumber(reclaimer.meta, page.list(), &list)) return Fate::kNone;  // damaged: for annex_verify to tell
    if (reclaimer.generations[list] != page.header->generation) return Fate::kFree;
    return reclaimer.free[list] ? Fate::kFree : Fate::kNone;
}

// Pages of descriptors that maintenance was interrupted before it had named them.
static Fate FateOfDescriptorPage(const Reclaimer& reclaimer, BlockNumber block) {
    uint32 list;
    return ListNumber(reclaimer.meta, ListId{block, 0}, &list) ? Fate::kNone : Fate::kFree;
}

// Frees the centroids of lists that are gone; says whether the page is empty then.
static bool FreeCentroids(const Reclaimer& reclaimer, BlockNumber block, const RowPage& page) {
    const RowLayout& layout = reclaimer.layout;
    for (uint16 slot = 0; slot < page.header->used; slot++) {
        RowHeader* row = page.row(layout, slot);
        uint32 list;
        if (!row->heap_tid.valid() || !ListNumber(reclaimer.meta, TargetList(row->heap_tid), &list)) continue;
        const bool needed = reclaimer.generations[list] != 0 && reclaimer.centroids[list] == layout.At(block, slot);
        if (needed && !reclaimer.free[list]) continue;
        row->heap_tid = HeapTid{};
        page.header->live--;
    }
    return page.header->live == 0;
}

// Whether a second page of rows has a first one that names it. Both are linked in one record, but for those of
// centroids, which only maintenance writes: what is alone now stays alone.
static bool HasHead(Relation index, BlockNumber head, BlockNumber tail) {
    if (head == tail || head >= RelationGetNumberOfBlocks(index)) return false;
    Buffer buffer = ReadBuffer(index, head);
    LockBuffer(buffer, BUFFER_LOCK_SHARE);
    Page page = BufferGetPage(buffer);
    const bool has = PageIsOurs(page) && KindOf(page) == PageKind::kRows && NextOf(page) == tail;
    UnlockReleaseBuffer(buffer);
    return has;
}

// The fate of such a page, which is locked, and in between is not: its first one may come before it.
static Fate FateOfTail(const Reclaimer& reclaimer, Buffer buffer, BlockNumber block) {
    const BlockNumber head = OpaqueOf(BufferGetPage(buffer))->head;
    LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
    const bool needed = HasHead(reclaimer.index, head, block);
    LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
    return needed ? Fate::kNone : Fate::kFree;
}

// What is to become of a page, which is exclusively locked; the centroids that are no longer needed go at once.
static Fate Judge(const Reclaimer& reclaimer, Buffer buffer, BlockNumber block) {
    Relation index = reclaimer.index;
    Page page = BufferGetPage(buffer);
    if (PageIsNew(page)) return Fate::kFree;
    if (!PageIsOurs(page)) return Fate::kNone;
    if (KindOf(page) == PageKind::kList)
        return FateOfListPage(reclaimer, ListPage::Open(index, block, page, SketchLayoutOf(reclaimer.meta)));
    if (KindOf(page) == PageKind::kDescriptors) return FateOfDescriptorPage(reclaimer, block);
    if (KindOf(page) == PageKind::kRowTail) return FateOfTail(reclaimer, buffer, block);
    if (KindOf(page) != PageKind::kRows) return Fate::kNone;
    const RowPage rows = RowPage::Open(index, block, page, reclaimer.layout);
    if (rows.header->owner != RowOwner::kCentroids) return Fate::kNone;
    GenericXLogState* state = GenericXLogStart(index);
    const RowPage copy = RowPage::At(GenericXLogRegisterBuffer(state, buffer, 0));
    const bool empty = FreeCentroids(reclaimer, block, copy);
    if (empty || copy.header->live == rows.header->live)
        GenericXLogAbort(state);
    else
        GenericXLogFinish(state);
    return empty ? Fate::kFree : Fate::kNone;
}

static void ReclaimPage(Reclaimer* reclaimer, BlockNumber block, BufferAccessStrategy strategy) {
    Relation index = reclaimer->index;
    Buffer buffer = ReadBufferExtended(index, MAIN_FORKNUM, block, RBM_NORMAL, strategy);
    LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
    const Fate fate = Judge(*reclaimer, buffer, block);
    if (fate == Fate::kKept) reclaimer->kept = true;
    if (fate != Fate::kFree) {
        UnlockReleaseBuffer(buffer);
        return;
    }

    // The second page of a centroid on two pages goes with the first.
    Page page = BufferGetPage(buffer);
    const bool two = KindOf(page) == PageKind::kRows && reclaimer->layout.TwoPages(reclaimer->meta.padded);
    const BlockNumber tail = two ? NextOf(page) : InvalidBlockNumber;
    Buffer tail_buffer = InvalidBuffer;
    if (tail != InvalidBlockNumber) {
        if (tail == 0 || tail == block || tail >= RelationGetNumberOfBlocks(index))
            ReportCorrupted(index, block, "a row page has no second page");
        tail_buffer = ReadBuffer(index, tail);
        LockBuffer(tail_buffer, BUFFER_LOCK_EXCLUSIVE);
        CheckPage(index, tail, BufferGetPage(tail_buffer), PageKind::kRowTail);
    }
    GenericXLogState* state = GenericXLogStart(index);
    InitPage(GenericXLogRegisterBuffer(state, buffer, GENERIC_XLOG_FULL_IMAGE), PageKind::kFree);
    if (BufferIsValid(tail_buffer))
        InitPage(GenericXLogRegisterBuffer(state, tail_buffer, GENERIC_XLOG_FULL_IMAGE), PageKind::kFree);
    GenericXLogFinish(state);
    if (BufferIsValid(tail_buffer)) UnlockReleaseBuffer(tail_buffer);
    UnlockReleaseBuffer(buffer);

    RecordPageWithFreeSpace(index, block, kFreePageSpace);
    reclaimer->freed++;
    if (tail == InvalidBlockNumber) return;
    RecordPageWithFreeSpace(index, tail, kFreePageSpace);
    reclaimer->freed++;
}

BlockNumber FreeLeftovers(Relation index, BufferAccessStrategy strategy) {
    MetaPage meta;
    ReadMeta(index, &meta);
    Reclaimer reclaimer{index, meta, RowLayoutOf(meta), NobodyNeeds(meta.switched_at), nullptr, nullptr, nullptr,
                        0,     false};
    ReadFates(&reclaimer);
    // What is added from now on is in use.
    const BlockNumber blocks = AddedBlocks(index);
    for (BlockNumber block = 1; block < blocks; block++) {
        ANNEX_VACUUM_DELAY_POINT();
        ReclaimPage(&reclaimer, block, strategy);
    }
    ANNEX_STOP_POINT("maintain-pages-freed");
    ChangeAllDescriptors(index, meta, [&](uint32 number, ListDescriptor* list) {
        if (!reclaimer.free[number] || list->state != ListState::kRetired) return false;
        *list = ListDescriptor{};
        return true;
    });
    if (!reclaimer.kept) ChangeMeta(index, [](MetaPage* to) { to->leftovers = 0; });
    if (reclaimer.freed > 0) IndexFreeSpaceMapVacuum(index);
    return reclaimer.freed;
}

}  // namespace annex::pg::ivf

// New pages. They are locked last: after the meta page or a descriptor's page, and the page that will link to them.
#include "pg/ivf/extend.h"

#include "pg/index/new_page.h"
#include "pg/index/stop_point.h"

extern "C" {
#include "storage/freespace.h"
}

namespace annex::pg::ivf {

Size FreeSpaceForRow(const RowLayout& layout) {
    return layout.row_bytes < BLCKSZ / 2 ? layout.row_bytes : BLCKSZ / 2;
}

Size FreeSpaceOnPage(const RowLayout& layout, uint32 free_slots) {
    // Less than a free page's category.
    const Size most = BLCKSZ - 64;
    const Size space = free_slots * FreeSpaceForRow(layout);
    return space < most ? space : most;
}

Buffer NewPage(Relation index) {
    return annex::pg::NewPage(index, kFormat, static_cast<uint8>(PageKind::kFree));
}

void FreeEmptyPage(Relation index, Buffer buffer) {
    GenericXLogState* state = GenericXLogStart(index);
    InitPage(GenericXLogRegisterBuffer(state, buffer, GENERIC_XLOG_FULL_IMAGE), PageKind::kFree);
    GenericXLogFinish(state);
    RecordPageWithFreeSpace(index, BufferGetBlockNumber(buffer), kFreePageSpace);
}

static Buffer LockPage(Relation index, BlockNumber block) {
    Buffer buffer = ReadBuffer(index, block);
    LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
    return buffer;
}

BlockNumber ExtendList(Relation index, const MetaPage& meta, ListId id, uint64 generation, const ListRoom& room) {
    Buffer descriptor_buffer = LockPage(index, id.block);
    const DescriptorPage seen = DescriptorPage::Open(index, id.block, BufferGetPage(descriptor_buffer));
    if (id.slot >= seen.header->count) ReportCorrupted(index, id.block, "a list has no descriptor");
    const ListDescriptor before = seen.descriptors()[id.slot];
    if (before.state != ListState::kUsed || before.generation != generation) {
        UnlockReleaseBuffer(descriptor_buffer);
        return InvalidBlockNumber;
    }
    Buffer last_buffer = InvalidBuffer;
    if (before.first != InvalidBlockNumber) {
        if (before.last == 0 || before.last >= RelationGetNumberOfBlocks(index))
            ReportCorrupted(index, id.block, "a list ends at an impossible page");
        last_buffer = LockPage(index, before.last);
        const ListPage last = ListPage::Open(index, before.last, BufferGetPage(last_buffer), SketchLayoutOf(meta));
        if (!last.BelongsTo(id, before.generation) || NextOf(last.page) != InvalidBlockNumber)
            ReportCorrupted(index, before.last, "the page is not the end of its list");
        if (last.HasRoom(SketchLayoutOf(meta)) && before.last != room.last) {
            UnlockReleaseBuffer(last_buffer);
            UnlockReleaseBuffer(descriptor_buffer);
            return before.last;
        }
    }

    Buffer new_buffer = NewPage(index);
    const BlockNumber new_block = BufferGetBlockNumber(new_buffer);
    GenericXLogState* state = GenericXLogStart(index);
    Page descriptor_page = GenericXLogRegisterBuffer(state, descriptor_buffer, 0);
    auto* descriptor = DescriptorPage::At(descriptor_page).descriptors() + id.slot;
    uint16 start_row = 0;
    if (BufferIsValid(last_buffer)) {
        Page last_page = GenericXLogRegisterBuffer(state, last_buffer, 0);
        start_row = ListPage::At(last_page).EndRow(SketchLayoutOf(meta));
        OpaqueOf(last_page)->next = new_block;
    } else {
        descriptor->first = new_block;
        descriptor->contiguous = 1;
    }
    descriptor->last = new_block;
    descriptor->insert = room.first != InvalidBlockNumber ? room.first : new_block;
    descriptor->pages++;
    Page new_page = GenericXLogRegisterBuffer(state, new_buffer, GENERIC_XLOG_FULL_IMAGE);
    ListPage::Init(new_page, id, before);
    ListPage::At(new_page).header->start_row = start_row;
    ANNEX_STOP_POINT("extend-list-before-record");
    GenericXLogFinish(state);
    UnlockReleaseBuffer(new_buffer);
    if (BufferIsValid(last_buffer)) UnlockReleaseBuffer(last_buffer);
    UnlockReleaseBuffer(descriptor_buffer);
    ANNEX_STOP_POINT("extend-list-after-record");
    return new_block;
}

// Names a row page on the meta page, where a backend that has none looks first; once for all backends that need pages
// at the same time, and not while the one that stands there has room.
static void NoteRowPage(Relation index, BlockNumber left, BlockNumber block) {
    Buffer buffer = ReadBuffer(index, 0);
    LockBuffer(buffer, BUFFER_LOCK_SHARE);
    CheckPage(index, 0, BufferGetPage(buffer), PageKind::kMeta);
    const BlockNumber named = MetaOf(BufferGetPage(buffer))->row_insert;
    LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
    if (named == InvalidBlockNumber || named == left) {
        LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
        GenericXLogState* state = GenericXLogStart(index);
        MetaOf(GenericXLogRegisterBuffer(state, buffer, 0))->row_insert = block;
        GenericXLogFinish(state);
        LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
    }
    ReleaseBuffer(buffer);
}

BlockNumber AddRowPage(Relation index, const MetaPage& meta, BlockNumber left) {
    const RowLayout layout = RowLayoutOf(meta);
    if (RelationGetNumberOfBlocks(index) >= layout.MaxBlock())
        ereport(ERROR,
                (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("index \"%s\" cannot have more than %u blocks",
                                                                 RelationGetRelationName(index), layout.MaxBlock())));
    Buffer head_buffer = NewPage(index);
    const BlockNumber head_block = BufferGetBlockNumber(head_buffer);
    Buffer tail_buffer = layout.TwoPages(meta.padded) ? NewPage(index) : InvalidBuffer;

    GenericXLogState* state = GenericXLogStart(index);
    Page head = GenericXLogRegisterBuffer(state, head_buffer, GENERIC_XLOG_FULL_IMAGE);
    RowPage::Init(head, RowOwner::kHeap);
    if (BufferIsValid(tail_buffer)) {
        Page tail = GenericXLogRegisterBuffer(state, tail_buffer, GENERIC_XLOG_FULL_IMAGE);
        InitPage(tail, PageKind::kRowTail);
        OpaqueOf(tail)->head = head_block;
        OpaqueOf(head)->next = BufferGetBlockNumber(tail_buffer);
    }
    ANNEX_STOP_POINT("extend-rows-before-record");
    GenericXLogFinish(state);
    if (BufferIsValid(tail_buffer)) UnlockReleaseBuffer(tail_buffer);
    UnlockReleaseBuffer(head_buffer);
    ANNEX_STOP_POINT("extend-rows-after-record");
    // A page of one row is full as soon as anybody could look for it.
    if (layout.rows_per_page == 1) return head_block;
    NoteRowPage(index, left, head_block);
    ANNEX_STOP_POINT("extend-rows-named");

    // So that another backend finds the page: the map is searched from its root.
    RecordPageWithFreeSpace(index, head_block, FreeSpaceOnPage(layout, layout.rows_per_page));
    FreeSpaceMapVacuumRange(index, head_block, head_block + 1);
    ANNEX_STOP_POINT("extend-rows-recorded");
    return head_block;
}

BlockNumber ExtendSideChain(Relation index, const MetaPage& meta, SideChain chain) {
    const SideLayout layout = SideLayoutOf(meta);
    Buffer meta_buffer = LockPage(index, 0);
    CheckPage(index, 0, BufferGetPage(meta_buffer), PageKind::kMeta);
    const ChainEnds before = MetaOf(BufferGetPage(meta_buffer))->side[static_cast<int>(chain)];
    Buffer last_buffer = InvalidBuffer;
    if (before.first != InvalidBlockNumber) {
        if (before.last == 0 || before.last >= RelationGetNumberOfBlocks(index))
            ReportCorrupted(index, 0, "a side chain ends at an impossible page");
        last_buffer = LockPage(index, before.last);
        const SidePage last = SidePage::Open(index, before.last, BufferGetPage(last_buffer), layout);
        if (last.header->chain != chain || NextOf(last.page) != InvalidBlockNumber)
            ReportCorrupted(index, before.last, "the page is not the end of its side chain");
        if (last.header->count < layout.rows_per_page) {
            UnlockReleaseBuffer(last_buffer);
            UnlockReleaseBuffer(meta_buffer);
            return before.last;
        }
    }

    Buffer new_buffer = NewPage(index);
    const BlockNumber new_block = BufferGetBlockNumber(new_buffer);
    GenericXLogState* state = GenericXLogStart(index);
    Page meta_page = GenericXLogRegisterBuffer(state, meta_buffer, 0);
    ChainEnds* ends = &MetaOf(meta_page)->side[static_cast<int>(chain)];
    if (BufferIsValid(last_buffer))
        OpaqueOf(GenericXLogRegisterBuffer(state, last_buffer, 0))->next = new_block;
    else
        ends->first = new_block;
    ends->last = ends->insert = new_block;
    SidePage::Init(GenericXLogRegisterBuffer(state, new_buffer, GENERIC_XLOG_FULL_IMAGE), chain);
    ANNEX_STOP_POINT("extend-side-before-record");
    GenericXLogFinish(state);
    UnlockReleaseBuffer(new_buffer);
    if (BufferIsValid(last_buffer)) UnlockReleaseBuffer(last_buffer);
    UnlockReleaseBuffer(meta_buffer);
    ANNEX_STOP_POINT("extend-side-after-record");
    return new_block;
}

}  // namespace annex::pg::ivf

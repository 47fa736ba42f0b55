// New pages. They are locked last: after the meta page, and the page that will link to them.
#include "pg/hnsw/hnsw.h"
#include "pg/index/new_page.h"
#include "pg/index/stop_point.h"

extern "C" {
#include "storage/freespace.h"
}

namespace annex::pg::hnsw {

Buffer NewPage(Relation index) {
    return annex::pg::NewPage(index, kFormat, static_cast<uint8>(PageKind::kFree));
}

Size FreeSpaceFor(Size bytes) {
    // Less than a free page's category.
    constexpr Size kMost = BLCKSZ - 64;
    return bytes < kMost ? bytes : kMost;
}

static Buffer LockedPage(Relation index, BlockNumber block) {
    Buffer buffer = ReadBuffer(index, block);
    LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
    return buffer;
}

static Buffer LockedMetaPage(Relation index) {
    Buffer buffer = LockedPage(index, 0);
    CheckPage(index, 0, BufferGetPage(buffer), PageKind::kMeta);
    return buffer;
}

namespace {

// A record of changes to pages, or these alone: a build logs all pages at its end, and replay must not meet changes of
// pages that it has not seen.
class PageRecord {
  public:
    PageRecord(Relation index, bool logged) : state_(logged ? GenericXLogStart(index) : nullptr) {}

    // A page that is to be changed, exclusively locked until after Finish().
    [[nodiscard]] Page Change(Buffer buffer, int flags = 0) {
        if (state_ != nullptr) return GenericXLogRegisterBuffer(state_, buffer, flags);
        MarkBufferDirty(buffer);
        return BufferGetPage(buffer);
    }
    void Finish() {
        if (state_ != nullptr) GenericXLogFinish(state_);
    }

  private:
    GenericXLogState* state_;
};

}  // namespace

// ---- Node pages ----

// Names a node page on the meta page, where a backend that has none looks first.
static void NoteNodePage(Relation index, BlockNumber block, bool logged) {
    Buffer buffer = LockedMetaPage(index);
    PageRecord record(index, logged);
    MetaOf(record.Change(buffer))->insert = block;
    record.Finish();
    UnlockReleaseBuffer(buffer);
}

BlockNumber AddNodePage(Relation index, const NodePlaces& places, bool logged) {
    if (RelationGetNumberOfBlocks(index) >= places.MaxBlock())
        ereport(ERROR,
                (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("index \"%s\" cannot have more than %u blocks",
                                                                 RelationGetRelationName(index), places.MaxBlock())));
    Buffer buffer = NewPage(index);
    const BlockNumber block = BufferGetBlockNumber(buffer);
    PageRecord record(index, logged);
    NodePage::Init(record.Change(buffer, GENERIC_XLOG_FULL_IMAGE), places);
    ANNEX_STOP_POINT("hnsw-extend-nodes-before-record");
    record.Finish();
    UnlockReleaseBuffer(buffer);
    ANNEX_STOP_POINT("hnsw-extend-nodes-after-record");
    // A page of one node is full as soon as anybody could look for it.
    if (places.area() / places.LeastRecordBytes() == 1) return block;
    NoteNodePage(index, block, logged);
    // So that another backend finds the page: the map is searched from its root.
    RecordPageWithFreeSpace(index, block, FreeSpaceFor(places.area()));
    FreeSpaceMapVacuumRange(index, block, block + 1);
    ANNEX_STOP_POINT("hnsw-extend-nodes-recorded");
    return block;
}

// ---- Chains ----

// The last page of a chain, exclusively locked and checked by `open`; InvalidBuffer if there is none.
template <typename Open>
static Buffer LockLast(Relation index, const ChainEnds& chain, Open open) {
    if (chain.last == InvalidBlockNumber) return InvalidBuffer;
    if (chain.last == 0 || chain.last >= RelationGetNumberOfBlocks(index))
        ReportCorrupted(index, 0, "a chain ends at an impossible page");
    Buffer buffer = LockedPage(index, chain.last);
    open(chain.last, BufferGetPage(buffer));
    if (NextOf(BufferGetPage(buffer)) != InvalidBlockNumber)
        ReportCorrupted(index, chain.last, "the page is not the end of its chain");
    return buffer;
}

// A record that puts something at the end of a chain: on its last page or, without room there, on a new one.
// open(block, page) checks a page; has_room(page), append(page) and, to make a page, init(page).
template <typename Open, typename HasRoom, typename Init, typename Append>
static void AppendToChain(Relation index, bool logged, ChainEnds MetaPage::*chain, uint32 entries, Open open,
                          HasRoom has_room, Init init, Append append) {
    Buffer meta_buffer = LockedMetaPage(index);
    const ChainEnds ends = MetaOf(BufferGetPage(meta_buffer))->*chain;
    Buffer last_buffer = LockLast(index, ends, open);
    const bool extend = !BufferIsValid(last_buffer) || !has_room(BufferGetPage(last_buffer));
    Buffer new_buffer = extend ? NewPage(index) : InvalidBuffer;

    PageRecord record(index, logged);
    MetaPage* meta = MetaOf(record.Change(meta_buffer));
    meta->entry_count += entries;
    Page last = BufferIsValid(last_buffer) ? record.Change(last_buffer) : nullptr;
    if (extend) {
        const BlockNumber block = BufferGetBlockNumber(new_buffer);
        Page page = record.Change(new_buffer, GENERIC_XLOG_FULL_IMAGE);
        init(page);
        append(page);
        if (last != nullptr)
            OpaqueOf(last)->next = block;
        else
            (meta->*chain).first = block;
        (meta->*chain).last = block;
    } else {
        append(last);
    }
    ANNEX_STOP_POINT("hnsw-chain-before-record");
    record.Finish();
    if (extend) UnlockReleaseBuffer(new_buffer);
    if (BufferIsValid(last_buffer)) UnlockReleaseBuffer(last_buffer);
    UnlockReleaseBuffer(meta_buffer);
    ANNEX_STOP_POINT("hnsw-chain-after-record");
}

void AddEntry(Relation index, NodeId node, bool logged) {
    AppendToChain(
        index, logged, &MetaPage::entries, 1,
        [=](BlockNumber block, Page page) { (void)EntriesPage::Open(index, block, page); },
        [](Page page) { return EntriesPage::At(page).header->count < kEntriesPerPage; },
        [](Page page) { InitPage(page, PageKind::kEntries); },
        [=](Page page) {
            const EntriesPage to = EntriesPage::At(page);
            to.nodes()[to.header->count++] = node;
            SetPageLower(page, EntriesPage::Lower(to.header->count));
        });
}

void AddSideRow(Relation index, HeapTid heap_tid, const uint8* values, Size value_bytes, bool logged) {
    const SideLayout layout{value_bytes};
    AppendToChain(
        index, logged, &MetaPage::side, 0,
        [=](BlockNumber block, Page page) { (void)SidePage::Open(index, block, page, layout); },
        [=](Page page) { return SidePage::At(page).header->count < layout.rows_per_page(); },
        [](Page page) { InitPage(page, PageKind::kSide); },
        [=](Page page) {
            const SidePage to = SidePage::At(page);
            const uint32 i = to.header->count++;
            *to.tid(layout, i) = heap_tid;
            memcpy(to.values(layout, i), values, layout.value_bytes);
            SetPageLower(page, SidePage::Lower(layout, to.header->count));
        });
}

}  // namespace annex::pg::hnsw

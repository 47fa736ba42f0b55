// The walk: pins, locks, checks, and what is asked of memory beforehand.
#include "pg/hnsw/walk.h"

#include <algorithm>

#include "pg/guard.h"

namespace annex::pg::hnsw {

// Nodes whose memory is asked for before they are visited.
static constexpr size_t kAhead = 3;
static constexpr Size kCacheLine = 64;

extern "C" {
static void DeleteSearch(void* arg) noexcept {
    delete static_cast<GraphSearch*>(arg);
}
}

Walker NewWalker(Relation index, const MetaPage& meta, MemoryContext context) {
    Walker walker{index, PlacesOf(meta), ColumnsOf(meta).value_bytes(), nullptr, nullptr, 0};
    auto* callback =
        static_cast<MemoryContextCallback*>(MemoryContextAllocZero(context, sizeof(MemoryContextCallback)));
    Guard([&] {
        walker.search = new GraphSearch();
        walker.search->SetLayout(walker.places.node);
    });
    callback->func = DeleteSearch;
    callback->arg = walker.search;
    MemoryContextRegisterResetCallback(context, callback);
    walker.cached = AcquireIndex(index, meta, context);
    RefreshEntries(walker.cached, index, meta);
    return walker;
}

LockedNodePage LockNodePage(Walker* walker, BlockNumber block, int mode) {
    if (block >= walker->blocks) walker->blocks = RelationGetNumberOfBlocks(walker->index);
    if (block == 0 || block >= walker->blocks) return {InvalidBuffer, {}};
    Buffer buffer = PinPage(walker->cached, walker->index, block);
    LockBuffer(buffer, mode);
    Page page = BufferGetPage(buffer);
    // Its page may have become something else since the node was named.
    if (PageIsNew(page) || (PageIsOurs(page) && KindOf(page) != PageKind::kNodes)) {
        UnlockReleaseBuffer(buffer);
        return {InvalidBuffer, {}};
    }
    return {buffer, NodePage::Open(walker->index, block, page, walker->places)};
}

RecordKind FindRecord(const Walker& walker, const LockedNodePage& page, NodeId id) {
    const RecordKind kind = page.nodes.Find(walker.places, walker.value_bytes, walker.places.Slot(id));
    if (kind == RecordKind::kDamaged)
        ReportCorrupted(walker.index, walker.places.Block(id), "a node's numbers are impossible");
    return kind;
}

bool CopyNode(Walker* walker, NodeId id, uint8* copy) {
    const LockedNodePage page = LockNodePage(walker, walker->places.Block(id), BUFFER_LOCK_SHARE);
    if (!page.valid()) return false;
    const bool found = FindRecord(*walker, page, id) == RecordKind::kNode;
    const uint16 slot = walker->places.Slot(id);
    if (found) memcpy(copy, page.nodes.record(slot), page.nodes.record_bytes(slot));
    page.Release();
    return found;
}

// Where a record begins is not known before its page is read; records are about equally long.
static void PrefetchUpcoming(const Walker& walker) {
    NodeId upcoming[kAhead];
    const size_t count = walker.search->Upcoming(upcoming, kAhead);
    for (size_t i = 0; i < count; i++) {
        const char* page = PrefetchPin(walker.cached, walker.places.Block(upcoming[i]));
        if (page == nullptr) continue;
        __builtin_prefetch(page);
        __builtin_prefetch(page + kCacheLine);
    }
}

static void Visit(Walker* walker, NodeId id, const NodeFilter* filter) {
    const LockedNodePage page = LockNodePage(walker, walker->places.Block(id), BUFFER_LOCK_SHARE);
    if (!page.valid()) return;
    if (FindRecord(*walker, page, id) == RecordKind::kNode) {
        const ConstGraphNode node(walker->places.node,
                                  reinterpret_cast<const uint8*>(page.nodes.record(walker->places.Slot(id))));
        const bool passes = filter == nullptr || filter->passes(filter->arg, node.header(), node.values());
        Guard([&] { walker->search->Visit(id, node, passes); });
    }
    page.Release();
}

static void Walk(Walker* walker, const NodeFilter* filter, uint64 most_visits) {
    GraphSearch* search = walker->search;
    for (uint64 visits = 0; most_visits == 0 || visits < most_visits; visits++) {
        CHECK_FOR_INTERRUPTS();
        NodeId next = kNoNode;
        Guard([&] { next = search->NextToVisit(); });
        if (next == kNoNode) break;
        PrefetchUpcoming(*walker);
        Visit(walker, next, filter);
    }
    Guard([&] { search->EndRound(); });
}

void RunRound(Walker* walker, size_t ef, bool from_entries, const NodeFilter* filter, uint64 most_visits) {
    constexpr size_t kStarts = 2;
    Guard([&] {
        walker->search->BeginRound(ef);
        if (from_entries) walker->search->StartFromNearest(EntriesOf(*walker->cached), kStarts);
    });
    Walk(walker, filter, most_visits);
}

void RunRoundFromAll(Walker* walker, size_t ef, const NodeFilter* filter, uint64 most_visits) {
    Guard([&] {
        walker->search->BeginRound(ef);
        walker->search->StartFromAll(EntriesOf(*walker->cached));
    });
    Walk(walker, filter, most_visits);
}

}  // namespace annex::pg::hnsw

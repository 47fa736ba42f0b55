// The walk: pins, locks, checks, and what is asked of memory beforehand.
#include "pg/hnsw/walk.h"

#include <algorithm>

#include "annex/random.h"
#include "pg/guard.h"

namespace annex::pg::hnsw {

// Nodes whose memory is asked for before they are chosen to be visited, and nodes that are chosen at once.
static constexpr size_t kAhead = 3;
static constexpr size_t kAtOnce = 3;
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

static double PlacesIn(const NodePlaces& places, BlockNumber blocks) {
    return static_cast<double>(blocks - 1) * places.slots_per_page;
}

NodeId DrawnPlace(const NodePlaces& places, BlockNumber blocks, uint32 i, uint32 draws) {
    Random random(i);
    return static_cast<NodeId>((i + random.Uniform()) / draws * PlacesIn(places, blocks)) + places.At(1, 0);
}

uint32 DrawsFor(const NodePlaces& places, BlockNumber blocks, double nodes, double wanted) {
    constexpr double kMost = 1000000;
    return static_cast<uint32>(std::min(wanted * PlacesIn(places, blocks) / nodes, kMost));
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

// Asks for the memory of nodes that are likely to be visited soon. Where a record begins stands in its page's
// directory, which has to come first: the first time that a node is likely its page is asked for, the second time its
// record.
class Ahead {
  public:
    void AskForUpcoming(const Walker& walker) {
        NodeId upcoming[kAhead];
        const size_t count = walker.search->Upcoming(upcoming, kAhead);
        for (size_t i = 0; i < count; i++) AskFor(walker, upcoming[i]);
    }

    void AskFor(const Walker& walker, NodeId id) {
        for (Asked& asked : asked_) {
            if (asked.node != id) continue;
            if (asked.page != nullptr) AskForRecord(asked.page, walker.places.Slot(id));
            asked.page = nullptr;
            return;
        }
        const char* page = PrefetchPin(walker.cached, walker.places.Block(id));
        asked_[next_++ % kRemembered] = {id, page};
        if (page == nullptr) return;
        __builtin_prefetch(page);
        __builtin_prefetch(page + kCacheLine);
    }

  private:
    struct Asked {
        NodeId node = kNoNode;
        const char* page;  // nullptr: nothing more to ask for
    };

    // The page is neither pinned nor locked and may be any other by now: what is read there is good for nothing else.
    static void AskForRecord(const char* page, uint16 slot) {
        const NodePage nodes = NodePage::At(const_cast<char*>(page));
        const Size begin = nodes.directory()[slot];
        const Size end = std::min<Size>(begin + kMostAsked, BLCKSZ);
        for (Size at = begin; at < end; at += kCacheLine) __builtin_prefetch(page + at);
    }

    static constexpr size_t kRemembered = 8;
    // Of a record: of what lies beyond the processor takes notice by itself.
    static constexpr Size kMostAsked = 768;

    Asked asked_[kRemembered];
    size_t next_ = 0;
};

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

// Once the rows found are enough, the nodes that are best now are visited whatever the first of them leads to: hardly
// one of them would not be in the end, and their memory comes meanwhile. Before, a visit often shows a far better one.
static size_t NodesAtOnce(const GraphSearch& search) {
    return search.FoundEnough() && !search.traced() ? kAtOnce : 1;
}

static void Walk(Walker* walker, const NodeFilter* filter, uint64 most_visits) {
    GraphSearch* search = walker->search;
    Ahead ahead;
    NodeId nodes[kAtOnce];
    size_t count = 0;
    uint64 chosen = 0;
    for (;;) {
        CHECK_FOR_INTERRUPTS();
        Guard([&] {
            const size_t at_once = NodesAtOnce(*search);
            while (count < at_once && (most_visits == 0 || chosen < most_visits)) {
                const NodeId next = search->NextToVisit();
                if (next == kNoNode) break;
                nodes[count++] = next;
                chosen++;
            }
        });
        if (count == 0) break;
        for (size_t i = 1; i < count; i++) ahead.AskFor(*walker, nodes[i]);
        ahead.AskForUpcoming(*walker);
        Visit(walker, nodes[0], filter);
        std::copy(nodes + 1, nodes + count, nodes);
        count--;
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

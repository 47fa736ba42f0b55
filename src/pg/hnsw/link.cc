// Records of an insert.
//
// Pages are locked in ascending order of blocks, and what was known of them before is checked again under the lock: a
// record has changed its state, or its place is another's by now.
#include "pg/hnsw/link.h"

#include <algorithm>

#include "pg/guard.h"
#include "pg/index/delta.h"
#include "pg/index/new_page.h"
#include "pg/index/stop_point.h"

extern "C" {
#include "storage/freespace.h"
}

namespace annex::pg::hnsw {

static constexpr Size kLowerOffset = offsetof(PageHeaderData, pd_lower);
static_assert(sizeof(PageHeaderData::pd_lower) == sizeof(uint16));

static Size OffsetOn(const NodePage& page, const void* at) {
    return static_cast<Size>(static_cast<const char*>(at) - static_cast<const char*>(page.page));
}

// ---- A record on a page ----

// Where a new record goes on a page, as far as that is decided.
struct Place {
    uint16 slot;
    Size bytes;     // of the record
    bool appended;  // behind all others; else in the place of a free one
};

// A place for a record of at least `least` bytes, or `least_free` where another record has been; one that is appended
// has `wanted` bytes. False: there is none.
static bool FindPlace(const NodePlaces& places, const NodePage& page, Size least_free, Size least, Size wanted,
                      Place* place) {
    const uint16 slot = page.FindFree(places, least_free);
    if (slot < page.header->slots) {
        *place = {slot, page.record_bytes(slot), false};
        return true;
    }
    if (page.header->slots == places.slots_per_page || page.room() < least) return false;
    *place = {page.header->slots, std::min(wanted, page.room() / kRecordAlignment * kRecordAlignment), true};
    return true;
}

// Room for the record's bytes, in a record of WAL that also changes what tells of it. `to` is the page's number there.
static char* ReserveRecord(const NodePage& page, const Place& place, int to, DeltaRecord* delta, Size bytes) {
    NodePageHeader header = *page.header;
    header.live++;
    Size offset = page.directory()[place.slot];
    if (place.appended) {
        header.slots++;
        offset = reinterpret_cast<PageHeader>(page.page)->pd_lower;
        const auto begin = static_cast<uint16>(offset);
        delta->Put(to, OffsetOn(page, page.directory() + place.slot), &begin, sizeof begin);
        const auto lower = static_cast<uint16>(offset + place.bytes);
        delta->Put(to, kLowerOffset, &lower, sizeof lower);
    }
    delta->Put(to, OffsetOn(page, page.header), &header, offsetof(NodePageHeader, unused));
    return delta->Reserve(to, offset, bytes);
}

// ---- A new node ----

// A node page on which a record of so many bytes might be made, other than one that was found full.
static BlockNumber FindNodePage(Linker* linker, const MetaPage& meta, BlockNumber full, Size bytes) {
    Relation index = linker->walker->index;
    BlockNumber block = InvalidBlockNumber;
    if (full == InvalidBlockNumber) {
        block = RelationGetTargetBlock(index);
        if (block == InvalidBlockNumber && meta.insert != linker->left_block) block = meta.insert;
        if (block == InvalidBlockNumber) block = GetPageWithFreeSpace(index, FreeSpaceFor(bytes));
    } else {
        linker->left_block = full;
        block = RecordAndGetPageWithFreeSpace(index, full, 0, FreeSpaceFor(bytes));
    }
    const bool possible = block != InvalidBlockNumber && block != full && block != 0 &&
                          block < linker->walker->places.MaxBlock() && block < RelationGetNumberOfBlocks(index) &&
                          !PromisesFreePage(GetRecordedFreeSpace(index, block));
    if (!possible) block = AddNodePage(index, linker->walker->places, linker->logged);
    RelationSetTargetBlock(index, block);
    return block;
}

static void FillNode(const Walker& walker, const NewRow& row, const uint8* edges, uint32 count, uint32 capacity,
                     char* record) {
    const GraphNode node(walker.places.node, reinterpret_cast<uint8*>(record));
    node.header() = {row.heap_tid, NodeState::kLive, 0, static_cast<uint16>(count), static_cast<uint16>(capacity),
                     kNoNode,      row.factors};
    memcpy(node.values(), row.values, walker.value_bytes);
    memcpy(node.row(), row.codes, walker.places.node.row_bytes());
    memcpy(node.edges(), edges, count * walker.places.node.edge_bytes());
}

// Nodes of a build have few edges more than they need. Where one of them has been, a new node does with as many of its
// edges, the first ones, or its place would never be taken again.
static Size LeastForNode(const NodePlaces& places, uint32 count) {
    constexpr uint32 kEnough = 3 * kFewestEdges;
    return places.RecordBytes(std::clamp(count, kFewestEdges, kEnough));
}

// kNoNode: the page has no room, or is none of nodes any more.
static NodeId TryWriteNode(Linker* linker, BlockNumber block, const NewRow& row, const uint8* edges,
                           uint32* wanted_edges) {
    uint32 count = *wanted_edges;
    Walker* walker = linker->walker;
    const NodePlaces& places = walker->places;
    const LockedNodePage locked = LockNodePage(walker, block, BUFFER_LOCK_EXCLUSIVE);
    if (!locked.valid()) return kNoNode;
    const NodePage& page = locked.nodes;
    const uint32 capacity = page.CapacityForNew(places, EdgesOfNewNode(linker->m), MostEdges(linker->m));
    const Size least = places.RecordBytes(std::max(count, kFewestEdges));
    const Size wanted = places.RecordBytes(std::max({capacity, count, kFewestEdges}));
    Place place{};
    const bool found = FindPlace(places, page, LeastForNode(places, count), least, wanted, &place) &&
                       (!place.appended || capacity > 0);
    if (!found) {
        locked.Release();
        return kNoNode;
    }
    const auto room = static_cast<uint32>(std::min<Size>(places.node.Capacity(place.bytes), MostEdges(linker->m)));
    count = std::min(count, room);
    DeltaRecord delta;
    const int to = delta.Add(locked.buffer);
    // Of a place that was another record's, the rest is room for edges, whatever stands there.
    char* record = ReserveRecord(page, place, to, &delta, places.node.bytes(count));
    FillNode(*walker, row, edges, count, room, record);
    ANNEX_STOP_POINT("hnsw-insert-before-node");
    delta.Finish(walker->index, linker->logged);
    locked.Release();
    *wanted_edges = count;
    ANNEX_STOP_POINT("hnsw-insert-after-node");
    return places.At(block, place.slot);
}

NodeId WriteNode(Linker* linker, const MetaPage& meta, const NewRow& row, const uint8* edges, uint32* count) {
    const Size bytes = LeastForNode(linker->walker->places, *count);
    BlockNumber full = InvalidBlockNumber;
    for (;;) {
        CHECK_FOR_INTERRUPTS();
        const BlockNumber block = FindNodePage(linker, meta, full, bytes);
        const NodeId node = TryWriteNode(linker, block, row, edges, count);
        if (node != kNoNode) return node;
        full = block;
    }
}

// ---- Edges back ----

// The neighbours on one page that take the edge go into the record; returns how many have one.
static uint32 LinkOnPage(Linker* linker, const LockedNodePage& locked, NodeId node,
                         std::span<const Neighbour> neighbours, bool force, DeltaRecord* delta) {
    const Walker& walker = *linker->walker;
    const NodeLayout& layout = walker.places.node;
    uint32 linked = 0;
    int to = -1;
    for (const Neighbour& neighbour : neighbours) {
        if (FindRecord(walker, locked, neighbour.node) != RecordKind::kNode) continue;
        const GraphNode record = locked.nodes.node(walker.places, walker.places.Slot(neighbour.node));
        if (record.header().state != NodeState::kLive) continue;
        EdgeDecision decision{};
        Guard([&] {
            decision =
                linker->maker->Decide(ConstGraphNode(layout, record.bytes()), node, neighbour.squared_distance, force);
        });
        if (decision.kind == EdgeDecision::Kind::kRefuse) continue;
        linked++;
        if (decision.kind == EdgeDecision::Kind::kLinked) continue;
        Guard([&] { linker->maker->EdgeFrom(neighbour.factors, neighbour.codes, node, linker->edge); });
        if (to < 0) to = delta->Add(locked.buffer);
        delta->Put(to, OffsetOn(locked.nodes, record.edges() + decision.edge * layout.edge_bytes()), linker->edge,
                   layout.edge_bytes());
        if (decision.kind != EdgeDecision::Kind::kAppend) continue;
        const auto edges = static_cast<uint16>(record.header().edges + 1);
        delta->Put(to, OffsetOn(locked.nodes, &record.header().edges), &edges, sizeof edges);
    }
    return linked;
}

uint32 LinkBack(Linker* linker, NodeId node, Neighbour* neighbours, Size count, bool force) {
    Walker* walker = linker->walker;
    std::sort(neighbours, neighbours + count, [](const Neighbour& a, const Neighbour& b) { return a.node < b.node; });
    uint32 linked = 0;
    for (Size done = 0; done < count;) {
        CHECK_FOR_INTERRUPTS();
        ANNEX_STOP_POINT("hnsw-insert-before-edges");
        LockedNodePage pages[DeltaRecord::kMostPages];
        int page_count = 0;
        DeltaRecord delta;
        while (done < count && page_count < DeltaRecord::kMostPages) {
            const BlockNumber block = walker->places.Block(neighbours[done].node);
            Size end = done + 1;
            while (end < count && walker->places.Block(neighbours[end].node) == block) end++;
            const LockedNodePage locked = LockNodePage(walker, block, BUFFER_LOCK_EXCLUSIVE);
            if (locked.valid()) {
                linked += LinkOnPage(linker, locked, node, {neighbours + done, end - done}, force, &delta);
                pages[page_count++] = locked;
            }
            done = end;
        }
        if (delta.pages() > 0) delta.Finish(walker->index, linker->logged);
        for (int i = page_count - 1; i >= 0; i--) pages[i].Release();
        ANNEX_STOP_POINT("hnsw-insert-after-edges");
    }
    return linked;
}

// ---- Further rows of a node ----

// What came of an attempt.
enum class Added : uint8 {
    kDone,
    kNoNode,  // it is no such node any more
    kNoRoom,  // on the page that was to take the record of TIDs
    kMoved    // it is to be tried elsewhere in the chain
};

static void PutTid(const NodePage& page, int to, const TidsView& tids, uint32 i, const NewRow& row,
                   DeltaRecord* delta) {
    delta->Put(to, OffsetOn(page, tids.tid(i)), &row.heap_tid, sizeof row.heap_tid);
    if (tids.value_bytes() > 0) delta->Put(to, OffsetOn(page, tids.values(i)), row.values, tids.value_bytes());
    const auto count = static_cast<uint16>(tids.header().edges + 1);
    delta->Put(to, OffsetOn(page, &tids.header().edges), &count, sizeof count);
}

// The way along a node's chain to a record with a free place: the first one; then, where vacuum has left room in
// others, these. New records come first in their chain, so it has one way for all who read it.
struct ChainWalk {
    NodeId first;           // as the node names it
    NodeId at;              // the record to be tried; kNoNode: none is left
    NodeId room;            // where the first one says that there is room
    BlockNumber new_block;  // the page for a new record; InvalidBlockNumber: none was needed so far
};

static TidsView ChainRecord(const Walker& walker, const LockedNodePage& locked, NodeId record, NodeId owner) {
    const char* damaged = "a chain of rows that share a node leads elsewhere";
    const BlockNumber block = walker.places.Block(record);
    if (!locked.valid() || FindRecord(walker, locked, record) != RecordKind::kTids)
        ReportCorrupted(walker.index, block, damaged);
    const TidsView tids(walker.places, walker.value_bytes, locked.nodes.record(walker.places.Slot(record)));
    if (tids.owner() != owner) ReportCorrupted(walker.index, block, damaged);
    return tids;
}

// Puts the row into a free place of the record at hand. False: there is no free place; the walk goes on to the next.
static bool PutIntoChain(const Walker& walker, const LockedNodePage& locked, ChainWalk* walk, NodeId owner,
                         const NewRow& row, DeltaRecord* delta) {
    const TidsView tids = ChainRecord(walker, locked, walk->at, owner);
    for (uint32 i = 0; i < tids.header().capacity && tids.header().edges < tids.header().capacity; i++) {
        if (tids.tid(i)->valid()) continue;
        PutTid(locked.nodes, delta->Add(locked.buffer), tids, i, row, delta);
        return true;
    }
    if (walk->at == walk->first)
        walk->at = walk->room = tids.room();
    else
        walk->at = tids.header().more;
    return false;
}

// Has whoever comes next look for room from the record on in which it was found.
static void NoteRoom(const Linker& linker, NodeId owner, const ChainWalk& walk) {
    const NodePlaces& places = linker.walker->places;
    const LockedNodePage locked = LockNodePage(linker.walker, places.Block(walk.first), BUFFER_LOCK_EXCLUSIVE);
    const TidsView tids = ChainRecord(*linker.walker, locked, walk.first, owner);
    DeltaRecord delta;
    delta.Put(delta.Add(locked.buffer), OffsetOn(locked.nodes, tids.room_address()), &walk.at, sizeof walk.at);
    delta.Finish(linker.walker->index, linker.logged);
    locked.Release();
}

// Makes a record with the row in it, which the node names from then on. False: no room.
static bool PutNewChain(const Walker& walker, const LockedNodePage& locked, const LockedNodePage& node_page,
                        const GraphNode& node, NodeId owner, const NewRow& row, DeltaRecord* delta) {
    const NodePlaces& places = walker.places;
    // As large as a node, so that either can take the other's place.
    const Size least =
        std::max(places.LeastRecordBytes(),
                 TYPEALIGN(kRecordAlignment, sizeof(NodeHeader) + sizeof(HeapTid) + walker.value_bytes + 2));
    Place place{};
    if (!FindPlace(places, locked.nodes, least, least, places.RecordBytes(2 * kFewestEdges), &place)) return false;
    const int to = delta->Add(locked.buffer);
    char* record = ReserveRecord(locked.nodes, place, to, delta, place.bytes);
    memset(record, 0, place.bytes);
    const TidsView tids(places, walker.value_bytes, record);
    tids.header() = {};
    tids.header().state = NodeState::kTids;
    tids.header().edges = 1;
    tids.header().capacity = static_cast<uint16>(TidsView::Capacity(walker.value_bytes, place.bytes));
    tids.header().more = node.header().more;
    tids.set_owner(owner);
    *tids.tid(0) = row.heap_tid;
    memcpy(tids.values(0), row.values, walker.value_bytes);

    const NodeId first = places.At(BufferGetBlockNumber(locked.buffer), place.slot);
    const int node_to = locked.buffer == node_page.buffer ? to : delta->Add(node_page.buffer);
    delta->Put(node_to, OffsetOn(node_page.nodes, &node.header().more), &first, sizeof first);
    return true;
}

// Two pages, in the order of their blocks; one if they are the same.
struct TwoPages {
    LockedNodePage node;
    LockedNodePage other;
    bool same;

    void Release() const {
        if (other.valid() && !same) other.Release();
        if (node.valid()) node.Release();
    }
};

static TwoPages LockTwo(Walker* walker, BlockNumber node_block, BlockNumber other_block) {
    TwoPages pages{{InvalidBuffer, {}}, {InvalidBuffer, {}}, node_block == other_block};
    const bool other_first = other_block != InvalidBlockNumber && other_block < node_block;
    if (other_first) pages.other = LockNodePage(walker, other_block, BUFFER_LOCK_EXCLUSIVE);
    pages.node = LockNodePage(walker, node_block, BUFFER_LOCK_EXCLUSIVE);
    if (pages.same)
        pages.other = pages.node;
    else if (!other_first && other_block != InvalidBlockNumber)
        pages.other = LockNodePage(walker, other_block, BUFFER_LOCK_EXCLUSIVE);
    return pages;
}

// Sets the walk to what should be tried next.
static Added TryAddToNode(Linker* linker, NodeId id, const NewRow& row, ChainWalk* walk) {
    Walker* walker = linker->walker;
    const NodePlaces& places = walker->places;
    BlockNumber other = walk->new_block;
    if (other == InvalidBlockNumber && walk->at != kNoNode) other = places.Block(walk->at);
    const TwoPages pages = LockTwo(walker, places.Block(id), other);
    Added added = Added::kNoNode;
    if (pages.node.valid() && FindRecord(*walker, pages.node, id) == RecordKind::kNode) {
        const GraphNode node = pages.node.nodes.node(places, places.Slot(id));
        const NodeHeader& header = node.header();
        DeltaRecord delta;
        if (header.state != NodeState::kLive ||
            !linker->maker->rows().Same(node.row(), header.row, row.codes, row.factors)) {
            added = Added::kNoNode;
        } else if (!header.heap_tid.valid()) {
            const int to = delta.Add(pages.node.buffer);
            delta.Put(to, OffsetOn(pages.node.nodes, &header.heap_tid), &row.heap_tid, sizeof row.heap_tid);
            if (walker->value_bytes > 0)
                delta.Put(to, OffsetOn(pages.node.nodes, node.values()), row.values, walker->value_bytes);
            added = Added::kDone;
        } else if (header.more != walk->first) {
            *walk = {header.more, header.more, kNoNode, InvalidBlockNumber};
            added = Added::kMoved;
        } else if (walk->at != kNoNode) {
            const bool put = PutIntoChain(*walker, pages.other, walk, id, row, &delta);
            added = put ? Added::kDone : walk->at != kNoNode ? Added::kMoved : Added::kNoRoom;
        } else if (walk->new_block == InvalidBlockNumber) {
            // The first further row: on the node's own page if there is room.
            added = PutNewChain(*walker, pages.node, pages.node, node, id, row, &delta) ? Added::kDone : Added::kNoRoom;
        } else {
            added = pages.other.valid() && PutNewChain(*walker, pages.other, pages.node, node, id, row, &delta)
                        ? Added::kDone
                        : Added::kNoRoom;
        }
        if (added == Added::kDone) {
            ANNEX_STOP_POINT("hnsw-insert-before-tid");
            delta.Finish(walker->index, linker->logged);
        }
    }
    pages.Release();
    if (added == Added::kDone) ANNEX_STOP_POINT("hnsw-insert-after-tid");
    return added;
}

bool AddToNode(Linker* linker, const MetaPage& meta, NodeId node, const NewRow& row) {
    ChainWalk walk{kNoNode, kNoNode, kNoNode, InvalidBlockNumber};
    BlockNumber full = InvalidBlockNumber;
    const NodePlaces& places = linker->walker->places;
    const Size bytes = places.LeastRecordBytes();
    for (uint64 steps = 0;; steps++) {
        CHECK_FOR_INTERRUPTS();
        const NodeId at = walk.at;
        switch (TryAddToNode(linker, node, row, &walk)) {
            case Added::kDone:
                if (at != walk.first && at != walk.room && at != kNoNode) NoteRoom(*linker, node, walk);
                return true;
            case Added::kNoNode:
                return false;
            case Added::kMoved:
                if (steps >
                    static_cast<uint64>(RelationGetNumberOfBlocks(linker->walker->index)) * places.slots_per_page)
                    ReportCorrupted(linker->walker->index, places.Block(node), "a chain of heap TIDs has no end");
                break;
            case Added::kNoRoom:
                walk.new_block = FindNodePage(linker, meta, full, bytes);
                full = walk.new_block;
                break;
        }
    }
}

}  // namespace annex::pg::hnsw

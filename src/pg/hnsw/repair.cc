// Repair: edges to dead nodes are replaced or taken out, nodes that nothing leads to are linked anew, dead ones leave
// the entries and become free.
//
// What is written to a page is decided on a copy of it, and checked again under its lock. A node that is in the bitmap
// of the dead stays dead until it is freed here, and no insert makes an edge to it any more; all other nodes stay as
// live as they are, for only vacuum ends them. Inserts may give any live node further edges meanwhile.
#include "pg/hnsw/repair.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "annex/graph_link.h"
#include "annex/random.h"
#include "pg/guard.h"
#include "pg/hnsw/node_bits.h"
#include "pg/hnsw/reach.h"
#include "pg/hnsw/walk.h"
#include "pg/index/new_page.h"
#include "pg/index/stop_point.h"

extern "C" {
#include "commands/vacuum.h"
#include "storage/freespace.h"
}

namespace annex::pg::hnsw {

// Of fewer dead nodes than one in so many, searches notice nothing.
static constexpr double kFewDead = 50;
// Dead nodes that one repair goes through, and hops among them.
static constexpr Size kMostDeadVisited = 64;
// Rows that are read to replace a node's edges. The nearest of them cover each other: the edges that a search needs to
// get ahead come from those behind.
static constexpr Size kMostRead = 64;
// A node with fewer edges gets one that others cover as well.
static constexpr uint32 kFewEdges = 6;

// A new edge in the place of one to a dead node.
struct NewEdge {
    NodeId node;         // whose edge it is
    NodeId neighbour;    // that it leads to
    uint32 bytes_begin;  // in Repair::edge_bytes
};

struct Candidate {
    float squared_distance;
    NodeId node;
    friend auto operator<=>(const Candidate&, const Candidate&) = default;
};

// The engine's objects.
struct RepairEngine {
    RepairEngine(const Space& space, const NodeLayout& layout) : of_node(space, layout), of_candidate(space, layout) {}

    EdgeMaker of_node;
    EdgeMaker of_candidate;
    std::vector<NodeId> queue;  // dead nodes to be gone through
    std::vector<Candidate> candidates;
    std::vector<NewEdge> edges;  // of the nodes of one page
    std::vector<uint8> edge_bytes;
};

struct Repair {
    Relation index;
    BufferAccessStrategy strategy;
    MetaPage meta;
    BlockNumber blocks;
    Walker walker;
    RepairEngine* engine;
    NodeBits dead;
    NodeBits entries;
    double live_count;
    double dead_count;
    bool dead_chains;
    NodeId* sample;  // of live nodes, from which entries are taken
    uint32 sample_size;
    char* page;   // copy of the page at hand
    uint8* copy;  // of another node
};

static NodeBits NewBits(const Repair& repair) {
    return NewNodeBits(repair.walker.places, repair.blocks);
}

// ---- Pages ----

static RecordKind Find(const Repair& repair, const NodePage& page, BlockNumber block, uint16 slot) {
    const RecordKind kind = page.Find(repair.walker.places, repair.walker.value_bytes, slot);
    if (kind == RecordKind::kDamaged) ReportCorrupted(repair.index, block, "a node's numbers are impossible");
    return kind;
}

// Copies a page; false if it is none of nodes.
static bool CopyNodePage(Repair* repair, BlockNumber block, NodePage* page) {
    ANNEX_VACUUM_DELAY_POINT();
    Buffer buffer = ReadBufferExtended(repair->index, MAIN_FORKNUM, block, RBM_NORMAL, repair->strategy);
    LockBuffer(buffer, BUFFER_LOCK_SHARE);
    memcpy(repair->page, BufferGetPage(buffer), BLCKSZ);
    UnlockReleaseBuffer(buffer);
    if (!PageIsOurs(repair->page) || KindOf(repair->page) != PageKind::kNodes) return false;
    *page = NodePage::Open(repair->index, block, repair->page, repair->walker.places);
    return true;
}

// Calls visit(id, slot, node) for each live or dead node of all pages, on copies of them.
template <typename Visit>
static void ForEachNode(Repair* repair, Visit visit) {
    for (BlockNumber block = 1; block < repair->blocks; block++) {
        NodePage page{};
        if (!CopyNodePage(repair, block, &page)) continue;
        for (uint16 slot = 0; slot < page.header->slots; slot++) {
            if (Find(*repair, page, block, slot) != RecordKind::kNode) continue;
            visit(repair->walker.places.At(block, slot), page.node(repair->walker.places, slot));
        }
    }
}

// ---- 1. Which nodes are dead ----

static void NoteStates(Repair* repair) {
    Random random(repair->blocks);
    ForEachNode(repair, [&](NodeId id, const GraphNode& node) {
        if (node.header().state == NodeState::kDead) {
            repair->dead.Add(id);
            repair->dead_count++;
            repair->dead_chains = repair->dead_chains || node.header().more != kNoNode;
            return;
        }
        repair->live_count++;
        // Each live node with the same probability.
        if (repair->sample_size < kMostSampledEntries) {
            repair->sample[repair->sample_size++] = id;
        } else {
            const auto at = static_cast<Size>(random.Uniform() * repair->live_count);
            if (at < kMostSampledEntries) repair->sample[at] = id;
        }
    });
}

// ---- 2. Edges to dead nodes ----

static uint32 DeadEdges(const Repair& repair, const GraphNode& node) {
    uint32 count = 0;
    for (uint32 i = 0; i < node.header().edges; i++) count += repair.dead.Has(node.edge(i).neighbour) ? 1 : 0;
    return count;
}

static bool HasEdgeTo(const GraphNode& node, NodeId neighbour) {
    for (uint32 i = 0; i < node.header().edges; i++)
        if (node.edge(i).neighbour == neighbour) return true;
    return false;
}

static void Queue(RepairEngine* engine, NodeId node) {
    std::vector<NodeId>& queue = engine->queue;
    if (queue.size() < kMostDeadVisited && std::find(queue.begin(), queue.end(), node) == queue.end())
        queue.push_back(node);
}

// Live nodes to which dead neighbours lead, and dead ones behind these, as their edges estimate them.
static void FindCandidates(Repair* repair, NodeId id, const GraphNode& node) {
    RepairEngine* engine = repair->engine;
    const NodeLayout& layout = repair->walker.places.node;
    Guard([&] {
        engine->queue.clear();
        engine->candidates.clear();
        for (uint32 i = 0; i < node.header().edges; i++)
            if (repair->dead.Has(node.edge(i).neighbour)) Queue(engine, node.edge(i).neighbour);
    });
    for (Size next = 0; next < engine->queue.size(); next++) {
        if (!CopyNode(&repair->walker, engine->queue[next], repair->copy)) continue;
        const ConstGraphNode dead(layout, repair->copy);
        Guard([&] {
            const float* estimates =
                engine->of_node.Estimates(dead, engine->of_node.SquaredDistance(dead.header().row, dead.row()));
            for (uint32 i = 0; i < dead.header().edges; i++) {
                const NodeId neighbour = dead.edge(i).neighbour;
                if (repair->dead.Has(neighbour))
                    Queue(engine, neighbour);
                else if (neighbour != id && !HasEdgeTo(node, neighbour))
                    engine->candidates.push_back({estimates[i], neighbour});
            }
        });
    }
    // Of several estimates of a node the least.
    std::vector<Candidate>& candidates = engine->candidates;
    std::sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
        return a.node < b.node || (a.node == b.node && a.squared_distance < b.squared_distance);
    });
    candidates.erase(std::unique(candidates.begin(), candidates.end(),
                                 [](const Candidate& a, const Candidate& b) { return a.node == b.node; }),
                     candidates.end());
    std::sort(candidates.begin(), candidates.end());
}

// Decides on new edges of a node of the copied page, whose edges to dead nodes are taken out there.
static void RepairNode(Repair* repair, NodeId id, const GraphNode& node) {
    RepairEngine* engine = repair->engine;
    const NodeLayout& layout = repair->walker.places.node;
    const uint32 dead_edges = DeadEdges(*repair, node);
    if (dead_edges == 0) return;
    // A node may have had no need of others as long as these lived.
    const uint32 wanted = node.header().capacity - (node.header().edges - dead_edges);
    Guard([&] { engine->of_node.SetRow(node.header().row, node.row()); });
    FindCandidates(repair, id, node);
    // From here on the copy has live edges alone, by which candidates are covered or not, and those that are added.
    NodeHeader& header = node.header();
    for (uint16 i = 0; i < header.edges;) {
        if (!repair->dead.Has(node.edge(i).neighbour)) {
            i++;
            continue;
        }
        header.edges--;
        memmove(node.edges() + i * layout.edge_bytes(), node.edges() + header.edges * layout.edge_bytes(),
                layout.edge_bytes());
    }
    const Size read = std::min(engine->candidates.size(), kMostRead);
    uint32 added = 0;
    for (Size i = 0; i < read && added < wanted; i++) {
        const NodeId neighbour = engine->candidates[i].node;
        if (!CopyNode(&repair->walker, neighbour, repair->copy)) continue;
        const ConstGraphNode other(layout, repair->copy);
        if (other.header().state != NodeState::kLive) continue;
        Guard([&] {
            const float distance = engine->of_node.SquaredDistance(other.header().row, other.row());
            engine->of_candidate.SetRow(other.header().row, other.row());
            if (header.edges >= kFewEdges &&
                engine->of_candidate.Covered(ConstGraphNode(layout, node.bytes()), distance))
                return;
            uint8* edge = node.edges() + header.edges * layout.edge_bytes();
            engine->of_node.EdgeTo(neighbour, other.header().row, other.row(), edge);
            engine->edges.push_back({id, neighbour, static_cast<uint32>(engine->edge_bytes.size())});
            engine->edge_bytes.insert(engine->edge_bytes.end(), edge, edge + layout.edge_bytes());
            header.edges++;
            added++;
        });
    }
}

// Takes edges to dead nodes out of a node on its page, and puts in the new ones that were decided on.
static void ApplyToNode(const Repair& repair, NodeId id, const GraphNode& node) {
    const NodeLayout& layout = repair.walker.places.node;
    NodeHeader& header = node.header();
    const auto put = [&](uint32 i, const uint8* bytes) {
        memcpy(node.edges() + i * layout.edge_bytes(), bytes, layout.edge_bytes());
    };
    Size next = 0;
    const std::vector<NewEdge>& edges = repair.engine->edges;
    // The next of this node's that it does not have by now.
    const auto take = [&]() -> const uint8* {
        for (; next < edges.size(); next++)
            if (edges[next].node == id && !HasEdgeTo(node, edges[next].neighbour))
                return repair.engine->edge_bytes.data() + edges[next++].bytes_begin;
        return nullptr;
    };
    for (uint16 i = 0; i < header.edges;) {
        if (!repair.dead.Has(node.edge(i).neighbour)) {
            i++;
        } else if (const uint8* bytes = take()) {
            put(i++, bytes);
        } else {
            header.edges--;
            memmove(node.edges() + i * layout.edge_bytes(), node.edges() + header.edges * layout.edge_bytes(),
                    layout.edge_bytes());
        }
    }
    while (header.edges < header.capacity) {
        const uint8* bytes = take();
        if (bytes == nullptr) break;
        put(header.edges++, bytes);
    }
}

static void ApplyToPage(Repair* repair, BlockNumber block) {
    Buffer buffer = ReadBufferExtended(repair->index, MAIN_FORKNUM, block, RBM_NORMAL, repair->strategy);
    LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
    (void)NodePage::Open(repair->index, block, BufferGetPage(buffer), repair->walker.places);
    GenericXLogState* state = GenericXLogStart(repair->index);
    const NodePage page = NodePage::At(GenericXLogRegisterBuffer(state, buffer, 0));
    for (uint16 slot = 0; slot < page.header->slots; slot++) {
        if (Find(*repair, page, block, slot) != RecordKind::kNode) continue;
        const GraphNode node = page.node(repair->walker.places, slot);
        if (node.header().state == NodeState::kLive) ApplyToNode(*repair, repair->walker.places.At(block, slot), node);
    }
    ANNEX_STOP_POINT("hnsw-repair-before-record");
    GenericXLogFinish(state);
    UnlockReleaseBuffer(buffer);
}

static void RepairEdges(Repair* repair) {
    RepairEngine* engine = repair->engine;
    for (BlockNumber block = 1; block < repair->blocks; block++) {
        NodePage page{};
        if (!CopyNodePage(repair, block, &page)) continue;
        engine->edges.clear();
        engine->edge_bytes.clear();
        bool changed = false;
        for (uint16 slot = 0; slot < page.header->slots; slot++) {
            if (Find(*repair, page, block, slot) != RecordKind::kNode) continue;
            const GraphNode node = page.node(repair->walker.places, slot);
            if (node.header().state != NodeState::kLive || DeadEdges(*repair, node) == 0) continue;
            CHECK_FOR_INTERRUPTS();
            RepairNode(repair, repair->walker.places.At(block, slot), node);
            changed = true;
        }
        if (changed) ApplyToPage(repair, block);
    }
    ANNEX_STOP_POINT("hnsw-repair-edges-done");
}

// ---- 3. Entries ----

// Notes the entries, and returns how many of them live.
static uint32 NoteEntries(Repair* repair) {
    uint32 live = 0;
    BlockNumber pages = 0;
    for (BlockNumber block = repair->meta.entries.first; block != InvalidBlockNumber;) {
        const BlockNumber blocks = RelationGetNumberOfBlocks(repair->index);
        if (block == 0 || block >= blocks || pages++ >= blocks)
            ReportCorrupted(repair->index, block, "the chain of entries names an impossible page");
        Buffer buffer = ReadBuffer(repair->index, block);
        LockBuffer(buffer, BUFFER_LOCK_SHARE);
        const EntriesPage page = EntriesPage::Open(repair->index, block, BufferGetPage(buffer));
        for (uint32 i = 0; i < page.header->count; i++) {
            repair->entries.Add(page.nodes()[i]);
            live += repair->dead.Has(page.nodes()[i]) ? 0 : 1;
        }
        block = NextOf(page.page);
        UnlockReleaseBuffer(buffer);
    }
    return live;
}

static void RemoveDeadEntries(Repair* repair, BlockNumber block, BlockNumber* next) {
    Buffer meta_buffer = ReadBuffer(repair->index, 0);
    LockBuffer(meta_buffer, BUFFER_LOCK_EXCLUSIVE);
    Buffer buffer = ReadBuffer(repair->index, block);
    LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
    const EntriesPage page = EntriesPage::Open(repair->index, block, BufferGetPage(buffer));
    *next = NextOf(page.page);
    uint32 dead = 0;
    for (uint32 i = 0; i < page.header->count; i++) dead += repair->dead.Has(page.nodes()[i]) ? 1 : 0;
    if (dead > 0) {
        GenericXLogState* state = GenericXLogStart(repair->index);
        MetaPage* meta = MetaOf(GenericXLogRegisterBuffer(state, meta_buffer, 0));
        Page bytes = GenericXLogRegisterBuffer(state, buffer, 0);
        const EntriesPage to = EntriesPage::At(bytes);
        uint32 kept = 0;
        for (uint32 i = 0; i < to.header->count; i++)
            if (!repair->dead.Has(to.nodes()[i])) to.nodes()[kept++] = to.nodes()[i];
        to.header->count = kept;
        SetPageLower(bytes, EntriesPage::Lower(kept));
        meta->entry_count -= std::min(meta->entry_count, dead);
        meta->entries_version++;
        ANNEX_STOP_POINT("hnsw-repair-before-entries");
        GenericXLogFinish(state);
    }
    UnlockReleaseBuffer(buffer);
    UnlockReleaseBuffer(meta_buffer);
}

// Where few of the entries live, others join.
static void AddEntries(Repair* repair) {
    ReadMeta(repair->index, &repair->meta);
    repair->entries = NewBits(*repair);
    uint32 live = NoteEntries(repair);
    const auto enough = static_cast<uint32>(std::sqrt(repair->live_count));
    if (live == 0 || live <= enough / 2) {
        const uint32 wanted = std::min(EntriesFor(repair->live_count), repair->sample_size);
        for (uint32 i = 0; i < repair->sample_size && live < wanted; i++) {
            if (repair->entries.Has(repair->sample[i])) continue;
            AddEntry(repair->index, repair->sample[i], true);
            live++;
        }
    }
    pfree(repair->entries.words);
}

// The dead ones leave.
static void RemoveEntries(Repair* repair) {
    ReadMeta(repair->index, &repair->meta);
    BlockNumber pages = 0;
    for (BlockNumber block = repair->meta.entries.first; block != InvalidBlockNumber;) {
        const BlockNumber blocks = RelationGetNumberOfBlocks(repair->index);
        if (block == 0 || block >= blocks || pages++ >= blocks)
            ReportCorrupted(repair->index, block, "the chain of entries names an impossible page");
        RemoveDeadEntries(repair, block, &block);
    }
}

// ---- The meta page ----

template <typename Change>
static void ChangeMeta(Relation index, Change change) {
    Buffer buffer = ReadBuffer(index, 0);
    LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
    CheckPage(index, 0, BufferGetPage(buffer), PageKind::kMeta);
    GenericXLogState* state = GenericXLogStart(index);
    change(MetaOf(GenericXLogRegisterBuffer(state, buffer, 0)));
    GenericXLogFinish(state);
    UnlockReleaseBuffer(buffer);
}

static void SetRepairing(Relation index, bool repairing) {
    ChangeMeta(index, [=](MetaPage* meta) { meta->repairing = repairing ? 1 : 0; });
}

// ---- 4. Freeing ----

static void RaiseFreed(Repair* repair) {
    ANNEX_STOP_POINT("hnsw-repair-before-freed");
    ChangeMeta(repair->index, [](MetaPage* meta) { meta->freed++; });
    ANNEX_STOP_POINT("hnsw-repair-after-freed");
}

// Whether a record of this kind is one of those to be freed.
static bool ToBeFreed(const Repair& repair, const NodePage& page, BlockNumber block, uint16 slot, RecordKind kind) {
    if (Find(repair, page, block, slot) != kind) return false;
    if (kind == RecordKind::kNode)
        return repair.dead.Has(repair.walker.places.At(block, slot)) &&
               page.node(repair.walker.places, slot).header().state == NodeState::kDead;
    return repair.dead.Has(TidsView(repair.walker.places, repair.walker.value_bytes, page.record(slot)).owner());
}

static void TellMap(const Repair& repair, const NodePage& page, BlockNumber block) {
    Size most = page.header->slots < repair.walker.places.slots_per_page ? page.room() : 0;
    for (uint16 slot = 0; slot < page.header->slots; slot++)
        if (Find(repair, page, block, slot) == RecordKind::kNone) most = std::max(most, page.record_bytes(slot));
    if (most >= repair.walker.places.LeastRecordBytes())
        RecordPageWithFreeSpace(repair.index, block, FreeSpaceFor(most));
}

static void FreeOnPage(Repair* repair, BlockNumber block, RecordKind kind) {
    ANNEX_VACUUM_DELAY_POINT();
    Buffer buffer = ReadBufferExtended(repair->index, MAIN_FORKNUM, block, RBM_NORMAL, repair->strategy);
    LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
    Page bytes = BufferGetPage(buffer);
    if (PageIsOurs(bytes) && KindOf(bytes) == PageKind::kNodes) {
        const NodePage page = NodePage::Open(repair->index, block, bytes, repair->walker.places);
        uint16 count = 0;
        for (uint16 slot = 0; slot < page.header->slots; slot++)
            count += ToBeFreed(*repair, page, block, slot, kind) ? 1 : 0;
        const bool all = count > 0 && count == page.header->live;
        if (count > 0) {
            GenericXLogState* state = GenericXLogStart(repair->index);
            Page image = GenericXLogRegisterBuffer(state, buffer, all ? GENERIC_XLOG_FULL_IMAGE : 0);
            const NodePage to = NodePage::At(image);
            for (uint16 slot = 0; slot < to.header->slots && !all; slot++) {
                if (!ToBeFreed(*repair, to, block, slot, kind)) continue;
                auto* header = reinterpret_cast<NodeHeader*>(to.record(slot));
                header->state = NodeState::kFree;
                header->edges = 0;
                header->heap_tid = HeapTid{};
                header->more = kNoNode;
                to.header->live--;
            }
            // A page of which nothing is left may become any other.
            if (all) InitPage(image, PageKind::kFree);
            ANNEX_STOP_POINT("hnsw-repair-before-free");
            GenericXLogFinish(state);
        }
        if (all)
            RecordPageWithFreeSpace(repair->index, block, annex::pg::kFreePageSpace);
        else
            TellMap(*repair, NodePage::At(BufferGetPage(buffer)), block);
    }
    UnlockReleaseBuffer(buffer);
}

// ---- All of it ----

extern "C" {
static void DeleteEngine(void* arg) noexcept {
    delete static_cast<RepairEngine*>(arg);
}
}

static void Begin(Repair* repair, Relation index, BufferAccessStrategy strategy) {
    repair->index = index;
    repair->strategy = strategy;
    ReadMeta(index, &repair->meta);
    repair->blocks = annex::pg::AddedBlocks(index);
    repair->walker = NewWalker(index, repair->meta, CurrentMemoryContext);
    repair->dead = NewBits(*repair);
    repair->sample = static_cast<NodeId*>(palloc(kMostSampledEntries * sizeof(NodeId)));
    repair->page = static_cast<char*>(palloc(BLCKSZ));
    repair->copy = static_cast<uint8*>(palloc(BLCKSZ));
    auto* callback = static_cast<MemoryContextCallback*>(palloc0(sizeof(MemoryContextCallback)));
    Guard([&] { repair->engine = new RepairEngine(SpaceOf(*repair->walker.cached), repair->walker.search->layout()); });
    callback->func = DeleteEngine;
    callback->arg = repair->engine;
    MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
}

// Whoever inserts and has seen a node live that is dead by now has finished when this returns.
static void WaitForInserts(Relation index) {
    LockPage(index, 0, ExclusiveLock);
    UnlockPage(index, 0, ExclusiveLock);
}

RepairResult RepairGraph(Relation index, BufferAccessStrategy strategy) {
    Repair repair{};
    Begin(&repair, index, strategy);
    NoteStates(&repair);
    const double all = repair.live_count + repair.dead_count;
    const bool few = repair.dead_count * kFewDead < all || repair.dead_count == 0;
    if (few && repair.meta.repairing == 0) return {repair.live_count, repair.dead_count, false};
    ANNEX_STOP_POINT("hnsw-repair-noted");
    WaitForInserts(index);
    // With what they have added.
    repair.blocks = annex::pg::AddedBlocks(index);
    SetRepairing(index, true);
    AddEntries(&repair);
    // Ways to all live nodes that need none of the dead: from here on each record leaves these as they are.
    RelinkUnreached(index, strategy, Ways::kLive);
    ANNEX_STOP_POINT("hnsw-repair-relinked");
    RemoveEntries(&repair);
    RepairEdges(&repair);
    RelinkUnreached(index, strategy);
    RaiseFreed(&repair);
    // Chains before their nodes: the place of a node that is free may have become another one, with a chain of its own.
    for (BlockNumber block = 1; block < repair.blocks && repair.dead_chains; block++)
        FreeOnPage(&repair, block, RecordKind::kTids);
    for (BlockNumber block = 1; block < repair.blocks; block++) FreeOnPage(&repair, block, RecordKind::kNode);
    ANNEX_STOP_POINT("hnsw-repair-done");
    SetRepairing(index, false);
    return {repair.live_count, repair.dead_count, true};
}

}  // namespace annex::pg::hnsw

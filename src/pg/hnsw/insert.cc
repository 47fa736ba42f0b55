// aminsert: one row; see README.md for the steps and why every prefix of their records is a graph.
#include "pg/guard.h"
#include "pg/hnsw/link.h"
#include "pg/hnsw/node_bits.h"
#include "pg/index/filter_column.h"
#include "pg/index/opclass.h"
#include "pg/index/stop_point.h"

extern "C" {
#include "common/pg_prng.h"
}

#include <algorithm>
#include <cmath>

namespace annex::pg::hnsw {

// A search keeps so much of what it has not visited.
static constexpr Size kMostEntriesOfSearch = 1 << 16;
// Searches for one row before it becomes an entry, if nobody takes an edge to it or what it shares a node with is gone.
static constexpr int kMostSearches = 4;

// A new node's edges are chosen as those that a build leaves in the end: a row that others come near to, such as an
// earlier version of itself, would have next to none when these go.
static constexpr Size kFewestNeighbours = 6;
static constexpr float kSlack = 1.05F;

// The engine's objects.
struct InsertEngine {
    InsertEngine(const Space& space, const NodeLayout& layout)
        : rows(space, layout), maker(space, layout), y(space.padded()), codes(layout.row_bytes()) {}

    NodeRows rows;
    EdgeMaker maker;
    std::vector<float> y;
    std::vector<int8_t> codes;
    std::vector<uint32_t> chosen;
};

struct Inserter {
    Relation index;
    MemoryContext row_context;
    bool logged;
    MetaPage meta;
    FilterColumns columns;
    FloatReader reader;
    uint8 values[kMostValueBytes];
    Walker walker;
    InsertEngine* engine;
    Linker linker;
    uint8* edges;  // of a new node
    Neighbour* neighbours;
};

extern "C" {
static void DeleteEngine(void* arg) noexcept {
    delete static_cast<InsertEngine*>(arg);
}
}

Inserter* NewInserter(Relation index, MemoryContext context, bool logged) {
    MemoryContext old_context = MemoryContextSwitchTo(context);
    auto* inserter = static_cast<Inserter*>(palloc0(sizeof(Inserter)));
    inserter->index = index;
    inserter->row_context = AllocSetContextCreate(context, "hnsw insert", ALLOCSET_SMALL_SIZES);
    inserter->logged = logged;
    ReadMeta(index, &inserter->meta);
    const MetaPage& meta = inserter->meta;
    inserter->columns = FilterColumnsOf(index);
    inserter->reader = NewFloatReader(index, static_cast<int>(meta.dimensions));
    inserter->walker = NewWalker(index, meta, context);
    const NodeLayout& layout = inserter->walker.places.node;

    auto* callback = static_cast<MemoryContextCallback*>(palloc0(sizeof(MemoryContextCallback)));
    Guard([&] {
        inserter->engine = new InsertEngine(SpaceOf(*inserter->walker.cached), inserter->walker.search->layout());
    });
    callback->func = DeleteEngine;
    callback->arg = inserter->engine;
    MemoryContextRegisterResetCallback(context, callback);

    inserter->edges = static_cast<uint8*>(palloc(MostEdges(meta.m) * layout.edge_bytes()));
    inserter->neighbours = static_cast<Neighbour*>(palloc(MostEdges(meta.m) * sizeof(Neighbour)));
    inserter->linker = {
        &inserter->walker,  &inserter->engine->maker, meta.m, logged, static_cast<uint8*>(palloc(layout.edge_bytes())),
        InvalidBlockNumber, InvalidBlockNumber};
    MemoryContextSwitchTo(old_context);
    return inserter;
}

// ---- One row ----

static std::span<const VisitedNode> FindNearest(Inserter* inserter) {
    Walker* walker = &inserter->walker;
    RefreshEntries(walker->cached, inserter->index, inserter->meta);
    const Space& space = SpaceOf(*walker->cached);
    Guard([&] { walker->search->BeginRow(space, inserter->engine->y.data(), kMostEntriesOfSearch); });
    RunRound(walker, inserter->meta.ef_construction, true, nullptr, 0);
    std::span<const VisitedNode> nearest;
    Guard([&] { nearest = walker->search->Nearest(); });
    return nearest;
}

// A node that has the row's very codes, or kNoNode: rounding can put it behind others that are as near.
static NodeId FindSame(const Inserter& inserter, std::span<const VisitedNode> nearest, const NewRow& row) {
    constexpr Size kLook = 4;
    for (const VisitedNode& node : nearest.first(std::min(nearest.size(), kLook)))
        if (inserter.engine->rows.Same(node.codes, node.factors, row.codes, row.factors)) return node.node;
    return kNoNode;
}

// The neighbours of the new row, into inserter->neighbours and, as edges, inserter->edges; returns how many.
static uint32 ChooseEdges(Inserter* inserter, std::span<const VisitedNode> nearest) {
    InsertEngine* engine = inserter->engine;
    const NodePlaces& places = inserter->walker.places;
    const NodeLayout& layout = places.node;
    const NeighbourChoice choice{std::min<Size>(EdgesOfNewNode(inserter->meta.m), layout.Capacity(places.area())),
                                 kFewestNeighbours, kSlack};
    nearest = nearest.first(std::min<Size>(nearest.size(), inserter->meta.ef_construction));
    Guard([&] {
        ChooseNeighbours(engine->rows, nearest, choice, &engine->chosen);
        for (Size i = 0; i < engine->chosen.size(); i++) {
            const VisitedNode& node = nearest[engine->chosen[i]];
            inserter->neighbours[i] = {node.node, node.squared_distance, node.factors, node.codes};
            engine->maker.EdgeTo(node.node, node.factors, node.codes, inserter->edges + i * layout.edge_bytes());
        }
    });
    return static_cast<uint32>(engine->chosen.size());
}

// Rows that the index has, roughly.
static double RowsOf(const Inserter& inserter) {
    const NodePlaces& places = inserter.walker.places;
    const Size bytes = places.RecordBytes(EdgesOfNewNode(inserter.meta.m));
    return static_cast<double>(RelationGetNumberOfBlocks(inserter.index)) *
           static_cast<double>(std::max<Size>(places.area() / bytes, 1));
}

static bool BecomesEntry(const Inserter& inserter) {
    if (inserter.meta.entry_count >= kMostSampledEntries) return false;
    return pg_prng_double(&pg_global_prng_state) < 1 / std::sqrt(RowsOf(inserter));
}

// Gives a node whose neighbours all refuse it an edge from one of them. False: none of them is left.
static bool ForceLink(Inserter* inserter, NodeId node, uint32 count) {
    Neighbour* begin = inserter->neighbours;
    std::sort(begin, begin + count,
              [](const Neighbour& a, const Neighbour& b) { return a.squared_distance < b.squared_distance; });
    for (uint32 i = 0; i < count; i++)
        if (LinkBack(&inserter->linker, node, begin + i, 1, true) > 0) return true;
    return false;
}

static void LinkNode(Inserter* inserter, NodeId node, uint32 count) {
    const bool linked =
        LinkBack(&inserter->linker, node, inserter->neighbours, count, false) > 0 || ForceLink(inserter, node, count);
    if (!linked || BecomesEntry(*inserter)) {
        ANNEX_STOP_POINT("hnsw-insert-before-entry");
        AddEntry(inserter->index, node, inserter->logged);
        ANNEX_STOP_POINT("hnsw-insert-after-entry");
    }
}

// Puts a row that has codes into the graph.
static void PutRow(Inserter* inserter, const NewRow& row) {
    for (int search = 0;; search++) {
        const std::span<const VisitedNode> nearest = FindNearest(inserter);
        const NodeId same = FindSame(*inserter, nearest, row);
        if (same != kNoNode && search < kMostSearches) {
            if (AddToNode(&inserter->linker, inserter->meta, same, row)) return;
            // Its last row has gone meanwhile.
            ReadMeta(inserter->index, &inserter->meta);
            continue;
        }
        const uint32 count = ChooseEdges(inserter, nearest);
        uint32 written = count;
        const NodeId node = WriteNode(&inserter->linker, inserter->meta, row, inserter->edges, &written);
        NodeId links[2 * kMostM];
        for (uint32 i = 0; i < written; i++) links[i] = inserter->neighbours[i].node;
        Guard([&] { inserter->engine->maker.SetLinks({links, written}); });
        LinkNode(inserter, node, count);
        return;
    }
}

// What is searched for and linked is the row as others will see it: inserter->engine->codes.
static void UseRow(Inserter* inserter, const RowFactors& factors) {
    InsertEngine* engine = inserter->engine;
    engine->rows.Decode(engine->codes.data(), factors, engine->y.data());
    engine->maker.SetRow(factors, engine->codes.data());
}

void RelinkNode(Inserter* inserter, NodeId node, const GraphNode& copy, const NodeBits& among) {
    InsertEngine* engine = inserter->engine;
    ReadMeta(inserter->index, &inserter->meta);
    memcpy(engine->codes.data(), copy.row(), engine->codes.size());
    NodeId links[2 * kMostM];
    const uint32 link_count = std::min<uint32>(copy.header().edges, lengthof(links));
    for (uint32 i = 0; i < link_count; i++) links[i] = copy.edge(i).neighbour;
    Guard([&] {
        UseRow(inserter, copy.header().row);
        engine->maker.SetLinks({links, link_count});
    });
    std::span<const VisitedNode> nearest = FindNearest(inserter);
    Neighbour* neighbours = inserter->neighbours;
    uint32 count = 0;
    for (const VisitedNode& other : nearest) {
        if (count == inserter->meta.m) break;
        if (other.node == node || !among.Has(other.node)) continue;
        neighbours[count++] = {other.node, other.squared_distance, other.factors, other.codes};
    }
    LinkNode(inserter, node, count);
}

RowClass InsertRow(Inserter* inserter, const Datum* values, const bool* isnull, ItemPointer heap_tid) {
    MemoryContext old_context = MemoryContextSwitchTo(inserter->row_context);
    ReadMeta(inserter->index, &inserter->meta);
    FilterValues(inserter->columns, values, isnull, inserter->values);
    const float* x = IndexedFloats(inserter->reader, values[0]);
    const Space& space = SpaceOf(*inserter->walker.cached);
    InsertEngine* engine = inserter->engine;
    RowClass row_class = RowClass::kNormal;
    RowFactors factors{};
    Guard([&] {
        row_class = space.TransformRow(x, engine->y.data());
        if (row_class != RowClass::kNormal) return;
        factors = engine->rows.Encode(engine->y.data(), engine->codes.data());
        UseRow(inserter, factors);
    });
    const HeapTid tid = FromItemPointer(*heap_tid);
    if (row_class == RowClass::kNormal) {
        PutRow(inserter, {tid, factors, engine->codes.data(), inserter->values});
    } else if (row_class == RowClass::kUnbounded) {
        AddSideRow(inserter->index, tid, inserter->values, inserter->walker.value_bytes, inserter->logged);
    }
    MemoryContextSwitchTo(old_context);
    MemoryContextReset(inserter->row_context);
    return row_class;
}

// ---- The callback ----

static Inserter* InserterOf(Relation index, IndexInfo* index_info) {
    if (index_info->ii_AmCache == nullptr) index_info->ii_AmCache = NewInserter(index, index_info->ii_Context, true);
    return static_cast<Inserter*>(index_info->ii_AmCache);
}

}  // namespace annex::pg::hnsw

extern "C" bool hnswinsert(Relation index, Datum* values, bool* isnull, ItemPointer heap_tid, Relation,
                           IndexUniqueCheck, bool, IndexInfo* index_info) noexcept {
    using namespace annex::pg::hnsw;
    if (isnull[0]) return false;
    Inserter* inserter = InserterOf(index, index_info);
    // Vacuum waits for this lock before it frees nodes that an insert might be about to link to.
    LockPage(index, 0, ShareLock);
    (void)InsertRow(inserter, values, isnull, heap_tid);
    UnlockPage(index, 0, ShareLock);
    return false;
}

// An ordered scan: the nearest rows, and then the next nearest, until the executor stops asking or the index ends.
//
// hnswgettuple goes through stages:
//   side rows    those of which no bound is known, with bound -infinity
//   rounds       a walk through the graph (annex/graph_search.h); when its rows have been returned, a longer one
//   sweep        all nodes that were not returned, in the order of the pages: when walking on would take as long
// In all of them rows that do not pass the scan's filter are left out. With a radius, rounds end when they have come to
// rows beyond it. A query for which no distance can be bounded returns every row in the order of the pages instead:
// with distance NaN for a zero vector under cosine, NULL for a NULL, and bound -infinity for one beyond the range.
//
// The executor computes exact distances from the heap tuples and sorts by them; the bounds returned here are true lower
// bounds. Where the index knows images of the values alone there are no bounds: what rounds and sweeps find is put into
// exact order here (pg/index/rerank.h), and a radius does not end a scan.
//
// Where one of pgvector's settings is set, a scan ends where pgvector's would: after hnsw.ef_search nodes, or, with
// hnsw.iterative_scan, hnsw.max_scan_tuples visits; there is no sweep.
#include "pg/guard.h"
#include "pg/hnsw/hnsw.h"
#include "pg/hnsw/tid_reader.h"
#include "pg/hnsw/walk.h"
#include "pg/index/heap_ahead.h"
#include "pg/index/opclass.h"
#include "pg/index/ordered_scan.h"
#include "pg/index/rerank.h"
#include "pg/index/scan_filter.h"
#include "pg/index/scan_statistics.h"
#include "pg/index/wanted_rows.h"

extern "C" {
#include "pgstat.h"
#include "utils/float.h"
#include "utils/snapmgr.h"
}

#include <algorithm>
#include <cmath>

namespace annex::pg::hnsw {

// Rows of the first round where LIMIT is not known.
static constexpr double kFirstRound = 40;
// More than a round can want.
static constexpr double kMostRows = 1e9;
// Memory of a node that is known: an estimate, a row found, places in sets, half of it again for growth.
static constexpr Size kEntryBytes = 64;
// Rows with the same vector that pgvector keeps in one node.
static constexpr int kRowsPerElement = 10;

enum class Stage : uint8 { kStart, kSideRows, kRounds, kSweep, kAllRows, kEnd };

struct HnswScan {
    OrderedScan ordered;
    MemoryContext context;
    MetaPage meta;
    bool ready;  // what follows is there
    Walker walker;
    TidReader* reader;
    FloatReader floats;  // of the query
    ScanFilter columns;
    ScanRowFilter filter;
    NodeFilter node_filter;

    Settings settings;
    bool bounded;           // by a radius
    size_t memory;          // nodes that a search may know of
    GraphCounters counted;  // what ordered.counters have of this start's search
    Stage stage;
    size_t ef;           // of the round
    bool from_all;       // the search has begun from all entries, too
    bool beyond_radius;  // the round has found rows beyond it
    uint64 sweep_after;  // visits
    HeapAhead heap_ahead;
    double heap_rows;  // that may still be asked for
    Reranker reranker;
    double batch;           // candidates of the next one
    double last_distance;   // the greatest that the reranker gave
    float last_bound;       // greatest bound returned so far
    bool in_node;           // the reader has rows of the node found last
    NodeId node;            // that one
    float bound;            // of it
    int elements;           // that may still be begun, of pgvector's
    NodeId element;         // the one begun last
    int element_rows;       // that it may still have
    bool by_pages;          // the order of the pages instead of rounds
    double by_pages_bound;  // what every row is then returned with
    bool by_pages_null;
};

static HnswScan* ScanOf(IndexScanDesc scan) {
    return static_cast<HnswScan*>(scan->opaque);
}

static GraphSearch* SearchOf(HnswScan* scan) {
    return scan->walker.search;
}

// ---- Preparation ----

extern "C" {
// A node with further rows has other values for each of them: they are tested one by one when it is returned.
static bool NodePasses(const void* arg, const NodeHeader& header, const uint8* values) noexcept {
    const auto* filter = static_cast<const ScanRowFilter*>(arg);
    return header.more != kNoNode || filter->Passes(header.heap_tid, values);
}
}

// Once for a scan, however often it is restarted.
static void Prepare(IndexScanDesc desc) {
    HnswScan* scan = ScanOf(desc);
    if (scan->ready) return;
    MemoryContext old_context = MemoryContextSwitchTo(scan->context);
    scan->walker = NewWalker(desc->indexRelation, scan->meta, scan->context);
    scan->reader = TidReader::New(&scan->walker, &scan->filter, &scan->ordered.counters);
    scan->floats = NewFloatReader(desc->indexRelation, static_cast<int>(scan->meta.dimensions));
    scan->node_filter = NodeFilter{NodePasses, &scan->filter};
    if (HasImages(desc->indexRelation, static_cast<int>(scan->meta.dimensions)))
        InitReranker(&scan->reranker, scan->context);
    scan->ready = true;
    MemoryContextSwitchTo(old_context);
}

static bool Reranks(const HnswScan* scan) {
    return scan->reranker.context != nullptr;
}

static bool Bounded(double radius) {
    return !std::isnan(radius) && radius < get_float8_infinity();
}

static void GoByPages(HnswScan* scan, double bound, bool null) {
    // A distance that is NaN or NULL is within no radius.
    if (scan->bounded && (null || std::isnan(bound))) scan->stage = Stage::kEnd;
    scan->by_pages = true;
    scan->by_pages_bound = bound;
    scan->by_pages_null = null;
}

// False when the conditions on filter columns leave nothing; rows whose vector is NULL are not in the index.
static bool UseConditions(IndexScanDesc desc) {
    HnswScan* scan = ScanOf(desc);
    StartScanFilter(&scan->columns, desc, scan->ordered, scan->context);
    scan->filter = ScanRowFilter{scan->columns.filter(), scan->ordered.rows};
    const ScanConditions& conditions = scan->columns.conditions;
    return !conditions.nothing && !conditions.vector_null;
}

static bool Iterates(const HnswScan* scan) {
    return !scan->settings.set || scan->settings.iterative_scan != IterativeScan::kOff;
}

static bool StrictOrder(const HnswScan* scan) {
    return scan->settings.set && scan->settings.iterative_scan == IterativeScan::kStrictOrder;
}

static void UseSettings(IndexScanDesc desc) {
    HnswScan* scan = ScanOf(desc);
    scan->settings = SettingsNow();
    scan->elements = Iterates(scan) ? PG_INT32_MAX : scan->settings.ef_search;
    const double multiplier = scan->settings.set ? scan->settings.scan_mem_multiplier : 1;
    scan->memory = static_cast<size_t>(multiplier * work_mem * 1024.0 / kEntryBytes);
    scan->sweep_after = static_cast<uint64>(kVisitsPerPage * RelationGetNumberOfBlocks(desc->indexRelation));
}

static void CountStart(IndexScanDesc desc) {
    ANNEX_COUNT_SEARCH(desc);
    PrepareToCountScans();
    HnswScan* scan = ScanOf(desc);
    ScanCounters* counters = &scan->ordered.counters;
    counters->scans++;
    counters->set_scans += scan->ordered.rows != nullptr ? 1 : 0;
    counters->column_scans += desc->numberOfKeys > 0 ? 1 : 0;
}

static void Reset(HnswScan* scan) {
    scan->counted = GraphCounters{};
    scan->bounded = Bounded(scan->ordered.radius) && !Reranks(scan);
    scan->from_all = scan->beyond_radius = scan->in_node = scan->by_pages = false;
    scan->last_bound = -get_float4_infinity();
    scan->element = kNoNode;
    ForgetRows(&scan->reranker);
    scan->last_distance = -get_float8_infinity();
}

// The query decides the stages.
static void Start(IndexScanDesc desc) {
    if (desc->numberOfOrderBys != 1) elog(ERROR, "cannot scan hnsw index without order");
    if (!IsMVCCSnapshot(desc->xs_snapshot)) elog(ERROR, "non-MVCC snapshots are not supported with hnsw");
    HnswScan* scan = ScanOf(desc);
    ReadMeta(desc->indexRelation, &scan->meta);
    Prepare(desc);
    CountStart(desc);
    Reset(scan);
    UseSettings(desc);
    if (!UseConditions(desc)) {
        scan->stage = Stage::kEnd;
        return;
    }
    scan->stage = Stage::kSideRows;
    scan->reader->BeginSideRows(scan->meta.side.first);
    const ScanKeyData* key = &desc->orderByData[0];
    if (key->sk_flags & SK_ISNULL) {
        GoByPages(scan, 0, true);
        return;
    }
    const float* query = QueryFloats(scan->floats, key->sk_argument);
    RowClass row_class = RowClass::kNormal;
    Guard([&] { row_class = SearchOf(scan)->Begin(SpaceOf(*scan->walker.cached), query, scan->memory); });
    if (row_class == RowClass::kNaN)
        GoByPages(scan, get_float8_nan(), false);
    else if (row_class == RowClass::kUnbounded)
        GoByPages(scan, -get_float8_infinity(), false);
}

// ---- Rounds ----

static void CountSearch(HnswScan* scan) {
    const GraphCounters& now = SearchOf(scan)->counters();
    const GraphCounters& before = scan->counted;
    ScanCounters* total = &scan->ordered.counters;
    total->refined += now.visits - before.visits;
    total->entries += now.edges - before.edges;
    total->rounds += now.rounds - before.rounds;
    if (scan->filter.filters()) {
        total->passed += now.passed - before.passed;
        total->skipped += now.skipped - before.skipped;
    }
    scan->counted = now;
}

// Of the index's rows, those that are in a set.
static double ShareOf(Relation index, const TidSet& rows) {
    constexpr double kRowsOfLossyPage = 50;
    const double passing =
        static_cast<double>(rows.exact_rows()) + kRowsOfLossyPage * static_cast<double>(rows.lossy_pages());
    const double all = static_cast<double>(index->rd_rel->reltuples);
    return all > 0 ? std::clamp(passing / all, 1 / all, 1.0) : 1;
}

// Estimates along edges miss a row now and then that exact distances do not, and a search visits a node at the cost of
// pgvector's visiting a few: measured on 60,000 to 100,000 rows, 1 to 1.7 times ef_search finds as many of the ten
// nearest at 40, twice at 100, and beyond 200 two and a half times.
uint32 EfFor(int ef_search) {
    return static_cast<uint32>(std::ceil(std::min(1.5 + ef_search / 200.0, 2.5) * ef_search));
}

// Rows that are to be found; 0: not known.
static double WantedRows(IndexScanDesc desc) {
    const double rows = RowsToFind(desc->indexRelation, ScanOf(desc)->ordered);
    return Reranks(ScanOf(desc)) ? RerankedFor(rows > 0 ? rows : kFirstRound) : rows;
}

// What finding k rows takes; 0: it is not known how many are wanted.
static SearchEffort EffortOf(IndexScanDesc desc, double k) {
    const HnswScan* scan = ScanOf(desc);
    if (scan->settings.set) return {EfFor(scan->settings.ef_search), 0};
    const OrderedScan& ordered = scan->ordered;
    SearchEffort effort{};
    if (scan->filter.rows != nullptr)
        effort = FilteredEffortFor(scan->meta, k, ShareOf(desc->indexRelation, *scan->filter.rows));
    else if (scan->filter.columns != nullptr)
        effort = FilteredEffortFor(scan->meta, k, ordered.column_share);
    else
        effort = EffortFor(scan->meta, k);
    effort.ef = std::max(effort.ef, static_cast<uint32>(k > 0 ? std::min(k, kMostRows) + kSpareRows : kFirstRound));
    return effort;
}

static size_t Doubled(size_t ef) {
    return std::min(2 * ef, static_cast<size_t>(kMostRows));
}

// Visits that the next round may make: what its rows have memory for, and what is left to the scan. The first round of
// a scan by pgvector's settings has no limit.
static uint64 MostVisits(const HnswScan* scan) {
    const uint64 done = scan->counted.visits;
    uint64 most = scan->memory;
    if (scan->settings.set && Iterates(scan) && done > 0) {
        const auto allowed = static_cast<uint64>(scan->settings.max_scan_tuples);
        most = std::min(most, allowed > done ? allowed - done : 1);
    }
    if (!scan->settings.set) most = std::min(most, std::max(scan->sweep_after, done + 1) - done);
    return most;
}

static const NodeFilter* FilterOf(const HnswScan* scan) {
    return scan->filter.filters() ? &scan->node_filter : nullptr;
}

static bool Exhausted(HnswScan* scan) {
    bool exhausted = false;
    Guard([&] { exhausted = SearchOf(scan)->Exhausted(); });
    return exhausted;
}

static void WalkFromAll(HnswScan* scan) {
    scan->from_all = true;
    RunRoundFromAll(&scan->walker, scan->ef, FilterOf(scan), MostVisits(scan));
    CountSearch(scan);
}

// A round. What it does not reach from the entries nearest to the query is looked for from all of them before anything
// is returned, for it may be nearer.
static void Walk(HnswScan* scan, bool from_entries) {
    scan->beyond_radius = false;
    RunRound(&scan->walker, scan->ef, from_entries, FilterOf(scan), MostVisits(scan));
    CountSearch(scan);
    if (!scan->from_all && !SearchOf(scan)->FoundEnough() && Exhausted(scan)) WalkFromAll(scan);
}

// Before a round, a node above may change its mind about what it wants, or have enough.
static bool AskForMore(IndexScanDesc desc) {
    HnswScan* scan = ScanOf(desc);
    OrderedScan* ordered = &scan->ordered;
    if (ordered->next_round != nullptr) ordered->next_round(ordered->next_round_arg);
    if (ordered->stop) return false;
    const bool told = ordered->next_round != nullptr && ordered->wanted > 0;
    const double missing = told ? WantedRows(desc) + kSpareRows : 0;
    scan->ef = std::max(Doubled(scan->ef), static_cast<size_t>(std::min(missing, kMostRows)));
    return true;
}

// The set of rows has come, or gone: what is near enough is to be found anew among those that pass now.
static void UseOtherRows(IndexScanDesc desc) {
    HnswScan* scan = ScanOf(desc);
    if (scan->filter.rows == scan->ordered.rows) return;
    scan->filter.rows = scan->ordered.rows;
    SearchOf(scan)->ForgetDistances();
    scan->ef = EffortOf(desc, WantedRows(desc)).ef;
}

// Nodes that the search remembers have been freed since it began.
static bool NodesWereFreed(IndexScanDesc desc) {
    HnswScan* scan = ScanOf(desc);
    const uint32 freed = scan->meta.freed;
    ReadMeta(desc->indexRelation, &scan->meta);
    return scan->meta.freed != freed;
}

static void StartOver(IndexScanDesc desc) {
    HnswScan* scan = ScanOf(desc);
    SearchOf(scan)->StartOver();
    RefreshEntries(scan->walker.cached, desc->indexRelation, scan->meta);
    scan->from_all = false;
    Walk(scan, true);
}

static bool EndsByRadius(const HnswScan* scan) {
    return scan->bounded && scan->beyond_radius;
}

// pgvector's settings allow no more. Where nodes cannot be reached from the nearest entries, one round may be two.
static bool EndsBySettings(const HnswScan* scan, bool exhausted) {
    if (!scan->settings.set) return false;
    if (!Iterates(scan)) return !exhausted || scan->from_all;
    return scan->counted.visits >= static_cast<uint64>(scan->settings.max_scan_tuples);
}

// False when walking is over.
static bool NextRound(IndexScanDesc desc) {
    HnswScan* scan = ScanOf(desc);
    const bool exhausted = Exhausted(scan);
    if (EndsByRadius(scan) || EndsBySettings(scan, exhausted)) return false;
    if (!AskForMore(desc)) return false;
    UseOtherRows(desc);
    if (NodesWereFreed(desc)) {
        StartOver(desc);
        return true;
    }
    if (exhausted && scan->from_all) return false;
    if (!scan->settings.set && scan->counted.visits >= scan->sweep_after) return false;
    if (exhausted)
        WalkFromAll(scan);
    else
        Walk(scan, false);
    return true;
}

// ---- The sweep ----

static void LookAtPage(HnswScan* scan, BlockNumber block) {
    Walker* walker = &scan->walker;
    const LockedNodePage page = LockNodePage(walker, block, BUFFER_LOCK_SHARE);
    if (!page.valid()) return;
    for (uint16 slot = 0; slot < page.nodes.header->slots; slot++) {
        const NodeId id = walker->places.At(block, slot);
        if (FindRecord(*walker, page, id) != RecordKind::kNode) continue;
        const ConstGraphNode node(walker->places.node, reinterpret_cast<const uint8*>(page.nodes.record(slot)));
        const bool passes = !scan->filter.filters() || NodePasses(&scan->filter, node.header(), node.values());
        Guard([&] { walker->search->Look(id, node, passes); });
    }
    page.Release();
}

static void Sweep(IndexScanDesc desc) {
    HnswScan* scan = ScanOf(desc);
    Guard([&] { SearchOf(scan)->BeginSweep(); });
    const BlockNumber blocks = RelationGetNumberOfBlocks(desc->indexRelation);
    for (BlockNumber block = 1; block < blocks; block++) {
        CHECK_FOR_INTERRUPTS();
        LookAtPage(scan, block);
    }
    Guard([&] { SearchOf(scan)->EndRound(); });
    CountSearch(scan);
    scan->beyond_radius = false;
}

static void StartSweep(IndexScanDesc desc) {
    ScanOf(desc)->stage = Stage::kSweep;
    Sweep(desc);
}

static void StartRounds(IndexScanDesc desc) {
    HnswScan* scan = ScanOf(desc);
    scan->heap_ahead.Begin(desc->heapRelation);
    const double limit = WantedRows(desc);
    scan->heap_rows = limit > 0 ? limit + kRowsBeyondLimit : get_float8_infinity();
    if (Reranks(scan)) scan->heap_rows = 0;
    scan->batch = scan->settings.set ? kMostRows : limit;
    const SearchEffort effort = EffortOf(desc, limit);
    if (!scan->settings.set && effort.visits >= static_cast<double>(scan->sweep_after)) {
        StartSweep(desc);
        return;
    }
    scan->stage = Stage::kRounds;
    scan->ef = effort.ef;
    RefreshEntries(scan->walker.cached, desc->indexRelation, scan->meta);
    Walk(scan, true);
}

static void EndRounds(IndexScanDesc desc) {
    HnswScan* scan = ScanOf(desc);
    scan->stage = Stage::kEnd;
    if (scan->settings.set || scan->ordered.stop || EndsByRadius(scan)) return;
    StartSweep(desc);
}

static bool SweepAgain(IndexScanDesc desc) {
    HnswScan* scan = ScanOf(desc);
    if (EndsByRadius(scan) || !SearchOf(scan)->SweepsAgain()) return false;
    Sweep(desc);
    return true;
}

// ---- Returning ----

static bool Return(IndexScanDesc desc, HeapTid tid, double bound, bool null) {
    desc->xs_heaptid = ToItemPointer(tid);
    desc->xs_recheck = ScanOf(desc)->columns.conditions.recheck;
    desc->xs_recheckorderby = true;
    desc->xs_orderbyvals[0] = Float8GetDatum(bound);
    desc->xs_orderbynulls[0] = null;
    ScanOf(desc)->ordered.counters.returned++;
    return true;
}

// Asks for the heap tuples of the rows that come next.
static void AskForHeapTuples(HnswScan* scan) {
    HeapAhead* ahead = &scan->heap_ahead;
    const std::span<const FoundNode> upcoming = SearchOf(scan)->upcoming();
    ahead->AskForTuples();
    uint32 asked = 0;
    for (; ahead->Wants() && ahead->rows() < upcoming.size() && scan->heap_rows > 0; asked++) {
        const HeapTid tid = upcoming[ahead->rows()].heap_tid;
        if (!tid.valid()) break;
        ahead->Ask(ToItemPointer(tid));
        scan->heap_rows--;
    }
    if (asked > 1) ahead->AskForTuples();
}

// The next node that may be returned.
static bool NextNode(HnswScan* scan, FoundNode* node) {
    for (;;) {
        AskForHeapTuples(scan);
        bool found = false;
        Guard([&] { found = SearchOf(scan)->Next(node); });
        if (!found) return false;
        scan->heap_ahead.Returned();
        if (scan->bounded && static_cast<double>(node->lower) > scan->ordered.radius) {
            scan->beyond_radius = true;
            continue;
        }
        if (node->lower >= scan->last_bound) {
            scan->last_bound = node->lower;
            return true;
        }
        // Found too late for its place in the order.
        if (Reranks(scan) || !StrictOrder(scan)) return true;
    }
}

// Whether pgvector's settings allow one more row, which is one of this node's.
static bool MayReturn(HnswScan* scan, NodeId node) {
    if (scan->element_rows == 0 || scan->element != node) {
        if (scan->elements == 0) return false;
        scan->elements--;
        scan->element = node;
        scan->element_rows = kRowsPerElement;
    }
    scan->element_rows--;
    return true;
}

// The next row of what has been found, with its bound.
static bool NextFound(HnswScan* scan, HeapTid* tid) {
    for (;;) {
        if (scan->in_node && scan->reader->Next(tid)) return true;
        scan->in_node = false;
        FoundNode node;
        if (!NextNode(scan, &node)) return false;
        scan->bound = node.lower;
        scan->node = node.node;
        if (node.more == kNoNode) {
            *tid = node.heap_tid;
            return true;
        }
        scan->reader->BeginNode(node.node);
        scan->in_node = true;
    }
}

// ---- Images ----

// The nearest of what has been found: a batch, or until there is no more of it, or in memory. To find the nearest a
// round has to find more.
static void CollectCandidates(HnswScan* scan) {
    HeapTid tid;
    for (double count = 0; count < scan->batch && NextFound(scan, &tid); count++) {
        CHECK_FOR_INTERRUPTS();
        if (!AddCandidate(&scan->reranker, tid, scan->node)) break;
    }
    scan->batch = std::min(2 * scan->batch, kMostRows);
}

// A further round or sweep.
static bool FindMore(IndexScanDesc desc) {
    HnswScan* scan = ScanOf(desc);
    if (scan->stage == Stage::kRounds) {
        if (NextRound(desc)) return true;
        EndRounds(desc);
        return scan->stage == Stage::kSweep;
    }
    return scan->stage == Stage::kSweep && SweepAgain(desc);
}

// The next row of rounds and sweeps by the values' distances. Equal rows, which share a node, come one behind the
// other.
static bool NextRerankedRow(IndexScanDesc desc, RerankedRow* row) {
    HnswScan* scan = ScanOf(desc);
    Reranker* reranker = &scan->reranker;
    for (;;) {
        while (NextReranked(reranker, row)) {
            // The set may have come since the row was held back.
            const TidSet* rows = scan->ordered.rows;
            if (rows != nullptr && !rows->Contains(row->heap_tid)) continue;
            if (row->distance < scan->last_distance && StrictOrder(scan)) continue;
            scan->last_distance = std::max(scan->last_distance, row->distance);
            return MayReturn(scan, row->group);
        }
        CollectCandidates(scan);
        const bool found = reranker->count > reranker->ordered;
        const bool more = found || FindMore(desc);
        if (scan->ordered.stop || (!more && reranker->count == reranker->next)) return false;
        if (found || !more) OrderCandidates(reranker, desc, !more);
    }
}

// The next row, once those without a bound have been returned.
static bool ReturnReranked(IndexScanDesc desc) {
    RerankedRow row;
    if (!NextRerankedRow(desc, &row)) {
        ScanOf(desc)->stage = Stage::kEnd;
        return false;
    }
    (void)Return(desc, row.heap_tid, row.distance, false);
    desc->xs_recheckorderby = false;
    return true;
}

static bool NextRow(IndexScanDesc desc) {
    HnswScan* scan = ScanOf(desc);
    HeapTid tid;
    for (;;) {
        switch (scan->stage) {
            case Stage::kStart:
                Start(desc);
                break;
            case Stage::kSideRows:
                if (scan->reader->Next(&tid))
                    return scan->by_pages ? Return(desc, tid, scan->by_pages_bound, scan->by_pages_null)
                                          : Return(desc, tid, -get_float8_infinity(), false);
                if (scan->by_pages) {
                    scan->stage = Stage::kAllRows;
                    scan->reader->BeginNodes();
                } else {
                    StartRounds(desc);
                }
                break;
            case Stage::kRounds:
                if (Reranks(scan)) return ReturnReranked(desc);
                if (NextFound(scan, &tid)) {
                    if (MayReturn(scan, scan->node)) return Return(desc, tid, static_cast<double>(scan->bound), false);
                    scan->stage = Stage::kEnd;
                } else if (!NextRound(desc)) {
                    EndRounds(desc);
                }
                break;
            case Stage::kSweep:
                if (Reranks(scan)) return ReturnReranked(desc);
                if (NextFound(scan, &tid)) return Return(desc, tid, static_cast<double>(scan->bound), false);
                if (!SweepAgain(desc)) scan->stage = Stage::kEnd;
                break;
            case Stage::kAllRows:
                if (scan->reader->Next(&tid)) return Return(desc, tid, scan->by_pages_bound, scan->by_pages_null);
                scan->stage = Stage::kEnd;
                break;
            case Stage::kEnd:
                return false;
        }
    }
}

}  // namespace annex::pg::hnsw

extern "C" IndexScanDesc hnswbeginscan(Relation index, int keys, int orderbys) noexcept {
    using namespace annex::pg::hnsw;
    IndexScanDesc desc = RelationGetIndexScan(index, keys, orderbys);
    MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "hnsw scan", ALLOCSET_SMALL_SIZES);
    auto* scan = static_cast<HnswScan*>(MemoryContextAllocZero(context, sizeof(HnswScan)));
    annex::pg::InitOrderedScan(&scan->ordered);
    scan->ordered.graph = true;
    scan->context = context;
    scan->stage = Stage::kStart;
    desc->opaque = scan;
    if (orderbys > 0) {
        desc->xs_orderbyvals = static_cast<Datum*>(palloc0(sizeof(Datum) * static_cast<Size>(orderbys)));
        desc->xs_orderbynulls = static_cast<bool*>(palloc(sizeof(bool) * static_cast<Size>(orderbys)));
        memset(desc->xs_orderbynulls, true, sizeof(bool) * static_cast<Size>(orderbys));
    }
    return desc;
}

extern "C" void hnswrescan(IndexScanDesc desc, ScanKey keys, int, ScanKey orderbys, int) noexcept {
    using namespace annex::pg::hnsw;
    if (keys != nullptr && desc->numberOfKeys > 0)
        memmove(desc->keyData, keys, static_cast<Size>(desc->numberOfKeys) * sizeof(ScanKeyData));
    if (orderbys != nullptr && desc->numberOfOrderBys > 0)
        memmove(desc->orderByData, orderbys, static_cast<Size>(desc->numberOfOrderBys) * sizeof(ScanKeyData));
    ScanOf(desc)->stage = Stage::kStart;
}

extern "C" bool hnswgettuple(IndexScanDesc desc, ScanDirection direction) noexcept {
    Assert(ScanDirectionIsForward(direction));
    (void)direction;
    return annex::pg::hnsw::NextRow(desc);
}

extern "C" void hnswendscan(IndexScanDesc desc) noexcept {
    using namespace annex::pg::hnsw;
    annex::pg::CountScans(RelationGetRelid(desc->indexRelation), ScanOf(desc)->ordered.counters);
    MemoryContextDelete(ScanOf(desc)->context);
    desc->opaque = nullptr;
}

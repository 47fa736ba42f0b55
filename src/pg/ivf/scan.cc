// An ordered scan: the nearest rows, and then the next nearest, until the executor stops asking or the index ends.
//
// ivfgettuple goes through stages:
//   first rows   those without a bound, with bound -infinity
//   rounds       search as annex/search.h describes it: rank the centroids, probe lists, refine, return; when a round
//   runs dry,
//                a wider one: twice the lists, four times the rows
//   last rows    NaN, then NULL
// In all of them rows that OrderedScan::rows does not hold are left out. With a radius, rounds end when no list has
// anything more within it, and there are no last rows. An unordered scan looks into each list once, a round being as
// many of them as it takes to find some rows.
// A query for which no distance can be bounded returns every row in the order of the pages instead: with distance NaN
// for a zero vector under cosine, NULL for a NULL, and bound -infinity for one beyond the range.
//
// The executor computes exact distances from the heap tuples and sorts by them; the bounds returned here are true lower
// bounds. Those of an unordered scan are all the same, so that it returns rows at once. Where the index knows images of
// the values alone there are no bounds: what a round finds is put into exact order here (rerank.h), a radius does not
// end a scan, and none is unordered.
#include "pg/guard.h"
#include "pg/index/heap_ahead.h"
#include "pg/index/opclass.h"
#include "pg/index/ordered_scan.h"
#include "pg/index/rerank.h"
#include "pg/index/scan_filter.h"
#include "pg/index/scan_statistics.h"
#include "pg/index/wanted_rows.h"
#include "pg/ivf/dialect.h"
#include "pg/ivf/ivf.h"
#include "pg/ivf/probe.h"

extern "C" {
#include "pgstat.h"
#include "utils/float.h"
#include "utils/snapmgr.h"
}

#include <algorithm>
#include <cmath>

namespace annex::pg::ivf {

// The first round where LIMIT is not known.
static constexpr double kFirstRound = 40;
// More than a round can want.
static constexpr double kMostRows = 1e9;
// Memory of a candidate: itself, its place in the set of rows seen, and half of it again for growth.
static constexpr Size kCandidateBytes = 64;

// Standard deviations of a sketch's error that a row within the radius may be off without being missed.
static constexpr float kRadiusEpsilon = 3;

enum class Stage : uint8 { kStart, kFirstRows, kRounds, kAllRows, kNaNRows, kNullRows, kEnd };

struct IvfScan {
    OrderedScan ordered;
    MemoryContext context;
    MetaPage meta;
    bool ready;  // meta, cached and search are there
    Prober prober;

    ScanSettings settings;
    uint32 least;        // lists of the first round
    uint32 allowed;      // lists of all rounds, at most
    FloatReader reader;  // of the query
    ScanFilter columns;
    RowFilter filter;
    SearchCounters counted;  // what ordered.counters have of this start's search
    bool bounded;            // by a radius
    bool swept;              // the last round looked into all lists for rows within the radius
    Stage stage;
    double k;       // rows that the current round wants
    bool widened;   // it is not the first
    uint32 probed;  // lists probed by now
    uint32 most;    // lists that the round might probe
    uint32 from;    // the first list of the round
    HeapAhead heap_ahead;
    double heap_rows;  // that may still be asked for
    float last_bound;  // greatest bound returned so far, for ivf.ordering = strict
    Reranker reranker;
    double last_distance;   // the same of rows that it has ordered
    bool by_pages;          // the order of the pages instead of rounds
    double by_pages_bound;  // what every row is then returned with
    bool by_pages_null;

    // Heap TIDs copied from one page at a time, in the stages that go through pages.
    BlockNumber next_block;
    BlockNumber visited;
    HeapTid* tids;
    uint32 tid_count;
    uint32 tid_next;
};

static IvfScan* ScanOf(IndexScanDesc scan) {
    return static_cast<IvfScan*>(scan->opaque);
}

// ---- Preparation ----

extern "C" {
static void DeleteSearch(void* arg) noexcept {
    delete static_cast<ListSearch*>(arg);
}
}

// The lists of the generation that scan->meta names.
static void UseGeneration(IndexScanDesc desc) {
    IvfScan* scan = ScanOf(desc);
    if (scan->prober.cached != nullptr && GenerationOf(*scan->prober.cached) == scan->meta.generation) return;
    Prober* prober = &scan->prober;
    prober->index = desc->indexRelation;
    prober->meta = &scan->meta;
    prober->cached = AcquireIndex(desc->indexRelation, &scan->meta, scan->context);
    prober->file = IndexFile{desc->indexRelation, 0, prober->cached};
}

// Once for a scan, however often it is restarted.
static void Prepare(IndexScanDesc desc) {
    IvfScan* scan = ScanOf(desc);
    if (scan->ready) return;
    MemoryContext old_context = MemoryContextSwitchTo(scan->context);
    auto* callback = static_cast<MemoryContextCallback*>(palloc0(sizeof(MemoryContextCallback)));
    const ColumnLayout columns = ColumnsOf(scan->meta);
    Guard([&] {
        scan->prober.search = new ListSearch();
        scan->prober.search->SetColumns(columns);
    });
    callback->func = DeleteSearch;
    callback->arg = scan->prober.search;
    MemoryContextRegisterResetCallback(scan->context, callback);
    scan->prober.row_scratch = static_cast<int8*>(palloc(scan->meta.padded));
    scan->reader = NewFloatReader(desc->indexRelation, static_cast<int>(scan->meta.dimensions));
    scan->tids = static_cast<HeapTid*>(palloc(BLCKSZ));
    if (HasImages(desc->indexRelation)) InitReranker(&scan->reranker, scan->context);
    scan->ready = true;
    MemoryContextSwitchTo(old_context);
}

static void GoByPages(IvfScan* scan, double bound, bool null) {
    // A distance that is NaN or NULL is within no radius.
    if (scan->bounded && (null || std::isnan(bound))) scan->stage = Stage::kEnd;
    scan->by_pages = true;
    scan->by_pages_bound = bound;
    scan->by_pages_null = null;
}

static bool Bounded(double radius) {
    return !std::isnan(radius) && radius < get_float8_infinity();
}

static bool Reranks(const IvfScan* scan) {
    return scan->reranker.context != nullptr;
}

// Rows that the index is to find; 0: not known.
static double WantedRows(IndexScanDesc desc) {
    const IvfScan* scan = ScanOf(desc);
    const double rows = RowsToFind(desc->indexRelation, scan->ordered);
    return Reranks(scan) && rows > 0 ? RerankedFor(rows) : rows;
}

static void StartSide(IvfScan* scan, Stage stage, SideChain chain) {
    scan->stage = stage;
    scan->next_block = scan->meta.side[static_cast<int>(chain)].first;
    scan->visited = 0;
}

// False when the conditions on filter columns leave nothing, or only rows that are in no list: the stage says which.
static bool UseConditions(IndexScanDesc desc) {
    IvfScan* scan = ScanOf(desc);
    StartScanFilter(&scan->columns, desc, scan->ordered, scan->context);
    scan->filter.columns = scan->columns.filter();
    const ScanConditions& conditions = scan->columns.conditions;
    if (conditions.nothing || (conditions.vector_null && scan->bounded)) {
        scan->stage = Stage::kEnd;
        return false;
    }
    if (conditions.vector_null) StartSide(scan, Stage::kNullRows, SideChain::kNull);
    return !conditions.vector_null;
}

static ScanSettings SettingsOf(IndexScanDesc desc) {
    const IvfScan* scan = ScanOf(desc);
    const OrderedScan& ordered = scan->ordered;
    Relation index = desc->indexRelation;
    const double wanted = WantedRows(desc);
    if (ordered.rows != nullptr)
        return FilteredSettingsOf(index, scan->meta, wanted, ShareOf(scan->meta, *ordered.rows));
    if (scan->filter.columns != nullptr) return FilteredSettingsOf(index, scan->meta, wanted, ordered.column_share);
    // The query's own filter comes behind the index: a row that it lets through is as hard to find as it is under one
    // that the index knows, and its rank is that among all.
    if (ordered.kept > 0) return FilteredSettingsOf(index, scan->meta, wanted, 1);
    return SettingsOf(index, scan->meta, wanted);
}

// The node of the filtered scan asks for rows by one of these.
static bool Filtered(const OrderedScan& ordered) {
    return ordered.rows != nullptr || ordered.kept > 0 || ordered.more_key_count > 0;
}

// Settings of a dialect bound the lists of a scan.
static void UseLimits(IndexScanDesc desc) {
    IvfScan* scan = ScanOf(desc);
    scan->least = 0;
    scan->allowed = kMaxLists;
    const Dialect* dialect = DialectOf(desc->indexRelation);
    if (dialect == nullptr) return;
    const ProbeLimits limits = dialect->limits();
    scan->least = static_cast<uint32>(limits.first);
    scan->allowed = static_cast<uint32>(Filtered(scan->ordered) ? limits.filtered : limits.most);
}

// Lists that rounds may go on to.
static uint32 Lists(const IvfScan* scan) {
    return std::min(scan->allowed, scan->meta.lists);
}

// The query decides the stages.
static void Start(IndexScanDesc desc) {
    if (desc->numberOfOrderBys != 1) elog(ERROR, "cannot scan ivf index without order");
    if (!IsMVCCSnapshot(desc->xs_snapshot)) elog(ERROR, "non-MVCC snapshots are not supported with ivf");
    IvfScan* scan = ScanOf(desc);
    // Side chains and places of rows may have changed since an earlier start of this scan.
    ReadMeta(desc->indexRelation, &scan->meta);
    Prepare(desc);
    UseGeneration(desc);
    ANNEX_COUNT_SEARCH(desc);
    PrepareToCountScans();
    ScanCounters* counters = &scan->ordered.counters;
    counters->scans++;
    counters->set_scans += scan->ordered.rows != nullptr ? 1 : 0;
    counters->column_scans += desc->numberOfKeys > 0 ? 1 : 0;

    const ScanKeyData* key = &desc->orderByData[0];
    scan->tid_count = scan->tid_next = 0;
    scan->visited = 0;
    scan->probed = 0;
    scan->last_bound = -get_float4_infinity();
    scan->by_pages = false;
    scan->counted = SearchCounters{};
    scan->bounded = Bounded(scan->ordered.radius) && !Reranks(scan);
    scan->last_distance = -get_float8_infinity();
    ForgetRows(&scan->reranker);
    scan->swept = false;
    scan->prober.read_ahead.Begin(desc->indexRelation);
    scan->stage = Stage::kFirstRows;
    scan->next_block = scan->meta.side[static_cast<int>(SideChain::kFirst)].first;
    if (!UseConditions(desc)) return;
    if (key->sk_flags & SK_ISNULL) {
        GoByPages(scan, 0, true);
        return;
    }

    const float* query = QueryFloats(scan->reader, key->sk_argument);
    RowClass row_class = RowClass::kNormal;
    const Size candidates = static_cast<Size>(work_mem) * 1024 / kCandidateBytes;
    scan->settings = SettingsOf(desc);
    UseLimits(desc);
    scan->filter.rows = scan->ordered.rows;
    const Space& space = SpaceOf(*scan->prober.cached);
    Guard([&] {
        ListSearch* search = scan->prober.search;
        row_class = search->Begin(space, query, scan->settings.epsilon, candidates);
        if (row_class == RowClass::kNormal && scan->ordered.unordered)
            search->SearchRange(scan->ordered.radius);
        else if (scan->bounded)
            search->SetRadius(scan->ordered.radius);
    });
    if (row_class == RowClass::kNaN) {
        GoByPages(scan, get_float8_nan(), false);
    } else if (row_class == RowClass::kUnbounded) {
        GoByPages(scan, -get_float8_infinity(), false);
    } else if (scan->ordered.unordered && !scan->bounded) {
        GoByPages(scan, -get_float8_infinity(), false);
    }
}

// ---- Rounds ----

static void CountSearch(IvfScan* scan) {
    const SearchCounters& now = scan->prober.search->counters();
    const SearchCounters& before = scan->counted;
    ScanCounters* total = &scan->ordered.counters;
    total->lists += now.lists - before.lists;
    total->entries += now.entries - before.entries;
    total->passed += now.passed - before.passed;
    total->skipped += now.skipped - before.skipped;
    total->refined += now.refined - before.refined;
    total->rounds += now.rounds - before.rounds;
    scan->counted = now;
}

static void RunRound(IndexScanDesc desc, Round round) {
    IvfScan* scan = ScanOf(desc);
    scan->most = round.most;
    scan->from = round.from;
    scan->filter.rows = scan->ordered.rows;
    const bool filtered = scan->filter.rows != nullptr || scan->filter.columns != nullptr;
    scan->prober.search->SetFilter(filtered ? &scan->filter : nullptr);
    while (!ProbeLists(&scan->prober, round, &scan->probed)) {
        // On a standby the lists may give way to others under a scan: it goes on with those, from the nearest on, and
        // returns no row twice.
        ReadMeta(desc->indexRelation, &scan->meta);
        UseGeneration(desc);
        Guard([&] { scan->prober.search->RankAgain(); });
        scan->from = round.from = 0;
    }
    CountSearch(scan);
}

static void RunFirstRound(IndexScanDesc desc) {
    IvfScan* scan = ScanOf(desc);
    RunRound(desc, {0, std::min(scan->least, scan->settings.probes), scan->settings.probes, scan->k,
                    scan->settings.patience});
}

// The set of rows has come, or gone: the nearest are looked for from the nearest list on, as at the start.
static void StartAgain(IndexScanDesc desc) {
    IvfScan* scan = ScanOf(desc);
    scan->settings = SettingsOf(desc);
    UseLimits(desc);
    scan->prober.search->SetEpsilon(scan->settings.epsilon);
    scan->swept = false;
    RunFirstRound(desc);
}

// The next lists of an unordered scan; of those of the round before where memory did not suffice for what they have.
static bool NextRange(IndexScanDesc desc) {
    IvfScan* scan = ScanOf(desc);
    const uint32 lists = scan->meta.lists;
    const bool exhausted = scan->prober.search->Exhausted();
    if (exhausted && scan->probed >= lists) return false;
    const uint32 from = exhausted ? scan->probed : scan->from;
    scan->k = std::min(4 * scan->k, kMostRows);
    RunRound(desc, {from, from, lists, scan->k, 0});
    return true;
}

static void StartRange(IndexScanDesc desc) {
    IvfScan* scan = ScanOf(desc);
    scan->k = kFirstRound;
    scan->heap_rows = get_float8_infinity();
    RunRound(desc, {0, 0, scan->meta.lists, scan->k, 0});
}

// A scan that must end with the lists of its first round gives all of their rows in order.
static double RowsWithoutLimit(const IvfScan* scan) {
    if (Reranks(scan)) return RerankedFor(kFirstRound);
    return scan->least > 0 && scan->allowed <= scan->least ? kMostRows : kFirstRound;
}

static void StartRounds(IndexScanDesc desc) {
    IvfScan* scan = ScanOf(desc);
    scan->stage = Stage::kRounds;
    scan->heap_ahead.Begin(desc->heapRelation);
    if (scan->ordered.unordered) {
        StartRange(desc);
        return;
    }
    const double limit = WantedRows(desc);
    scan->k = limit > 0 ? limit + kSpareRows : RowsWithoutLimit(scan);
    scan->widened = false;
    scan->heap_rows = limit > 0 ? limit + kRowsBeyondLimit : get_float8_infinity();
    if (scan->ordered.rows == scan->filter.rows)
        RunFirstRound(desc);
    else
        StartAgain(desc);
}

static uint32 Doubled(uint32 probes, uint32 lists) {
    return probes > lists / 2 ? lists : 2 * probes;
}

// Fewer rows than wanted lie within the radius in the nearest lists. Those in the others are few, but none may be
// missed: from now on all lists are looked into, the ones of before too, with bounds that hardly ever miss a row.
static void Sweep(IndexScanDesc desc) {
    IvfScan* scan = ScanOf(desc);
    scan->swept = true;
    scan->prober.search->SetEpsilon(std::max(scan->settings.epsilon, kRadiusEpsilon));
    const uint32 lists = Lists(scan);
    RunRound(desc, {0, lists, lists, scan->k, ListSearch::kEndlessPatience});
}

// How many rows beyond those returned the next round wants. Before it, a node above may change its mind about what it
// wants, or have enough. Where it knows what is missing, that is what the second round is for; else, and from the third
// on, rounds grow.
static bool WidenRound(IndexScanDesc desc) {
    IvfScan* scan = ScanOf(desc);
    OrderedScan* ordered = &scan->ordered;
    if (ordered->next_round != nullptr) ordered->next_round(ordered->next_round_arg);
    if (ordered->stop) return false;
    const bool another_set = ordered->rows != scan->filter.rows;
    const bool told = ordered->next_round != nullptr && ordered->wanted > 0;
    const double grown = scan->k < kMostRows ? 4 * scan->k : scan->k;
    const double needed = told ? WantedRows(desc) + kSpareRows : grown;
    scan->k = another_set || !scan->widened ? needed : std::max(needed, grown);
    scan->widened = !another_set;
    return true;
}

// False when the lists have nothing more. A round probes at least twice the lists of the one before, so that rounds
// come to an end.
static bool NextRound(IndexScanDesc desc) {
    IvfScan* scan = ScanOf(desc);
    if (scan->ordered.unordered) return NextRange(desc);
    const uint32 lists = Lists(scan);
    const bool exhausted = scan->prober.search->Exhausted();
    const bool sweep = scan->bounded && exhausted && !scan->swept;
    if (!sweep && (scan->prober.search->Complete() || (exhausted && scan->probed >= lists))) return false;
    if (!WidenRound(desc)) return false;
    if (scan->ordered.rows != scan->filter.rows) {
        StartAgain(desc);
        return true;
    }
    if (sweep) {
        Sweep(desc);
        return true;
    }
    // Lists of which nothing is left need not be read again.
    const uint32 from = exhausted ? scan->probed : 0;
    RunRound(desc, {from, Doubled(scan->probed, lists), Doubled(scan->most, lists), scan->k, scan->settings.patience});
    return true;
}

// ---- Stages that go through pages ----

static void KeepTid(IvfScan* scan, HeapTid tid, const uint8* values) {
    if (!tid.valid()) return;
    const TidSet* rows = scan->ordered.rows;
    const ColumnFilter* columns = scan->filter.columns;
    if (rows != nullptr || columns != nullptr) {
        const bool passes =
            (columns == nullptr || columns->Matches(values)) && (rows == nullptr || rows->Contains(tid));
        (passes ? scan->ordered.counters.passed : scan->ordered.counters.skipped)++;
        if (!passes) return;
    }
    scan->tids[scan->tid_count++] = tid;
}

// Copies the live heap TIDs of the next page of a side chain; false at its end.
static bool ReadSidePage(IndexScanDesc desc, SideChain chain) {
    IvfScan* scan = ScanOf(desc);
    Relation index = desc->indexRelation;
    const BlockNumber block = scan->next_block;
    if (block == InvalidBlockNumber) return false;
    IndexFile* file = &scan->prober.file;
    if (block == 0 || !file->Holds(block) || !file->Holds(scan->visited++))
        ReportCorrupted(index, block, "a side chain names an impossible page");
    Buffer buffer = ReadBuffer(index, block);
    LockBuffer(buffer, BUFFER_LOCK_SHARE);
    const SideLayout layout = SideLayoutOf(scan->meta);
    const SidePage page = SidePage::Open(index, block, BufferGetPage(buffer), layout);
    if (page.header->chain != chain) ReportCorrupted(index, block, "the page belongs to another side chain");
    for (uint16 i = 0; i < page.header->count; i++) KeepTid(scan, *page.tid(layout, i), page.values(layout, i));
    scan->next_block = NextOf(page.page);
    UnlockReleaseBuffer(buffer);
    return true;
}

// The same for the next row page of the file.
static bool ReadRowPage(IndexScanDesc desc) {
    IvfScan* scan = ScanOf(desc);
    Relation index = desc->indexRelation;
    const RowLayout layout = RowLayoutOf(scan->meta);
    if (scan->next_block >= RelationGetNumberOfBlocks(index)) return false;
    const BlockNumber block = scan->next_block++;
    Buffer buffer = ReadBuffer(index, block);
    LockBuffer(buffer, BUFFER_LOCK_SHARE);
    Page page = BufferGetPage(buffer);
    if (PageIsOurs(page) && KindOf(page) == PageKind::kRows) {
        const RowPage rows = RowPage::Open(index, block, page, layout);
        for (uint16 slot = 0; slot < rows.header->used && rows.header->owner == RowOwner::kHeap; slot++)
            KeepTid(scan, rows.row(layout, slot)->heap_tid, rows.values(layout, slot));
    }
    UnlockReleaseBuffer(buffer);
    return true;
}

// The next heap TID, reading pages as long as there are any.
template <typename ReadPage>
static bool NextTid(IvfScan* scan, HeapTid* tid, ReadPage read_page) {
    while (scan->tid_next >= scan->tid_count) {
        CHECK_FOR_INTERRUPTS();
        scan->tid_count = scan->tid_next = 0;
        if (!read_page()) return false;
    }
    *tid = scan->tids[scan->tid_next++];
    return true;
}

static void StartAllRows(IvfScan* scan) {
    scan->stage = Stage::kAllRows;
    scan->next_block = scan->meta.rows;
}

static void StartLastRows(IvfScan* scan) {
    if (scan->bounded)
        scan->stage = Stage::kEnd;
    else
        StartSide(scan, Stage::kNaNRows, SideChain::kNaN);
}

// ---- Returning ----

static bool Return(IndexScanDesc desc, HeapTid tid, double bound, bool null) {
    desc->xs_heaptid = ToItemPointer(tid);
    desc->xs_recheck = ScanOf(desc)->columns.conditions.recheck;
    const bool unordered = ScanOf(desc)->ordered.unordered;
    desc->xs_recheckorderby = !unordered;
    desc->xs_orderbyvals[0] = Float8GetDatum(unordered ? 0 : bound);
    desc->xs_orderbynulls[0] = null && !unordered;
    ScanOf(desc)->ordered.counters.returned++;
    return true;
}

// Asks for the heap tuples of the rows that come next.
static void AskForHeapTuples(IvfScan* scan) {
    HeapAhead* ahead = &scan->heap_ahead;
    const std::span<const Candidate> upcoming = scan->prober.search->upcoming();
    ahead->AskForTuples();
    uint32 asked = 0;
    for (; ahead->Wants() && ahead->rows() < upcoming.size() && scan->heap_rows > 0; asked++) {
        ahead->Ask(ToItemPointer(upcoming[ahead->rows()].heap_tid));
        scan->heap_rows--;
    }
    if (asked > 1) ahead->AskForTuples();
}

// The next row of the rounds in the wanted order.
static bool NextCandidate(IndexScanDesc desc, Candidate* candidate) {
    IvfScan* scan = ScanOf(desc);
    for (;;) {
        for (;;) {
            AskForHeapTuples(scan);
            if (!scan->prober.search->Next(candidate)) break;
            scan->heap_ahead.Returned();
            if (candidate->lower >= scan->last_bound) {
                scan->last_bound = candidate->lower;
                return true;
            }
            // Found too late for its place in the order.
            if (!StrictOrder() || scan->ordered.unordered) return true;
        }
        if (!NextRound(desc)) return false;
    }
}

// What the rounds have found until there is no more of this one, or in memory.
static void CollectCandidates(IvfScan* scan) {
    Candidate candidate;
    while (scan->prober.search->Next(&candidate))
        if (!AddCandidate(&scan->reranker, candidate.heap_tid)) break;
}

// The next row of the rounds by the values' distances.
static bool NextRerankedRow(IndexScanDesc desc, RerankedRow* row) {
    IvfScan* scan = ScanOf(desc);
    Reranker* reranker = &scan->reranker;
    for (;;) {
        while (NextReranked(reranker, row)) {
            // The set may have come since the row was held back.
            const TidSet* rows = scan->ordered.rows;
            if (rows != nullptr && !rows->Contains(row->heap_tid)) continue;
            if (row->distance < scan->last_distance && StrictOrder()) continue;
            scan->last_distance = std::max(scan->last_distance, row->distance);
            return true;
        }
        CollectCandidates(scan);
        const bool found = reranker->count > reranker->ordered;
        const bool more = found || NextRound(desc);
        if (scan->ordered.stop || (!more && reranker->count == reranker->next)) return false;
        if (found || !more) OrderCandidates(reranker, desc, !more);
    }
}

static bool ReturnReranked(IndexScanDesc desc, const RerankedRow& row) {
    (void)Return(desc, row.heap_tid, row.distance, false);
    desc->xs_recheckorderby = false;
    return true;
}

static bool NextRow(IndexScanDesc desc) {
    IvfScan* scan = ScanOf(desc);
    HeapTid tid;
    for (;;) {
        switch (scan->stage) {
            case Stage::kStart:
                Start(desc);
                break;
            case Stage::kFirstRows:
                if (NextTid(scan, &tid, [&] { return ReadSidePage(desc, SideChain::kFirst); }))
                    return scan->by_pages ? Return(desc, tid, scan->by_pages_bound, scan->by_pages_null)
                                          : Return(desc, tid, -get_float8_infinity(), false);
                if (scan->by_pages)
                    StartAllRows(scan);
                else
                    StartRounds(desc);
                break;
            case Stage::kRounds: {
                Candidate candidate;
                RerankedRow reranked;
                if (Reranks(scan)) {
                    if (NextRerankedRow(desc, &reranked)) return ReturnReranked(desc, reranked);
                } else if (NextCandidate(desc, &candidate))
                    return Return(desc, candidate.heap_tid, static_cast<double>(candidate.lower), false);
                if (scan->ordered.stop) {
                    scan->stage = Stage::kEnd;
                    break;
                }
                StartLastRows(scan);
                break;
            }
            case Stage::kAllRows:
                if (NextTid(scan, &tid, [&] { return ReadRowPage(desc); }))
                    return Return(desc, tid, scan->by_pages_bound, scan->by_pages_null);
                StartLastRows(scan);
                break;
            case Stage::kNaNRows:
                if (NextTid(scan, &tid, [&] { return ReadSidePage(desc, SideChain::kNaN); }))
                    return Return(desc, tid, get_float8_nan(), scan->by_pages && scan->by_pages_null);
                if (scan->columns.conditions.vector_not_null)
                    scan->stage = Stage::kEnd;
                else
                    StartSide(scan, Stage::kNullRows, SideChain::kNull);
                break;
            case Stage::kNullRows:
                if (NextTid(scan, &tid, [&] { return ReadSidePage(desc, SideChain::kNull); }))
                    return Return(desc, tid, 0, true);
                scan->stage = Stage::kEnd;
                break;
            case Stage::kEnd:
                return false;
        }
    }
}

}  // namespace annex::pg::ivf

extern "C" IndexScanDesc ivfbeginscan(Relation index, int keys, int orderbys) noexcept {
    using namespace annex::pg::ivf;
    IndexScanDesc desc = RelationGetIndexScan(index, keys, orderbys);
    MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "ivf scan", ALLOCSET_SMALL_SIZES);
    auto* scan = static_cast<IvfScan*>(MemoryContextAllocZero(context, sizeof(IvfScan)));
    InitOrderedScan(&scan->ordered);
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

extern "C" void ivfrescan(IndexScanDesc desc, ScanKey keys, int, ScanKey orderbys, int) noexcept {
    using namespace annex::pg::ivf;
    if (keys != nullptr && desc->numberOfKeys > 0)
        memmove(desc->keyData, keys, static_cast<Size>(desc->numberOfKeys) * sizeof(ScanKeyData));
    if (orderbys != nullptr && desc->numberOfOrderBys > 0)
        memmove(desc->orderByData, orderbys, static_cast<Size>(desc->numberOfOrderBys) * sizeof(ScanKeyData));
    ScanOf(desc)->stage = Stage::kStart;
}

extern "C" bool ivfgettuple(IndexScanDesc desc, ScanDirection direction) noexcept {
    Assert(ScanDirectionIsForward(direction));
    (void)direction;
    return annex::pg::ivf::NextRow(desc);
}

extern "C" void ivfendscan(IndexScanDesc desc) noexcept {
    using namespace annex::pg::ivf;
    annex::pg::CountScans(RelationGetRelid(desc->indexRelation), ScanOf(desc)->ordered.counters);
    MemoryContextDelete(ScanOf(desc)->context);
    desc->opaque = nullptr;
}

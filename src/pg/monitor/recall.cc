// annex_recall(index, k, queries, query_table, query_column): which share of the true nearest rows a scan of the index
// finds with the settings of the session.
//
// For a batch of queries that fits into work_mem: the index's answers, by an ordinary ordered scan whose rows are put
// into exact order as the executor does it; then one pass over the table that keeps the k least distances of each
// query. Both see the statement's snapshot. A row of the answer is right when it is not farther than the k-th of the
// true nearest, so that ties cost nothing. A query that was taken from the table does not count as its own neighbour:
// it finds itself always.
#include "pg/monitor/recall.h"

extern "C" {
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "catalog/index.h"
#include "executor/executor.h"
#include "portability/instr_time.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"
}

#include <algorithm>
#include <cmath>

#include "pg/function.h"
#include "pg/index/opclass.h"
#include "pg/index/scan_hints.h"

namespace annex::pg {

static constexpr int kMostNeighbours = 10000;
static constexpr int kMostQueries = 1000000;
// Distances that are computed between two looks for a cancellation.
static constexpr int64 kDistancesAtOnce = 256;

// ---- The run ----

void BeginOwner(RecallRun* run) {
    GetUserIdAndSecContext(&run->user, &run->security_context);
    SetUserIdAndSecContext(run->inspected.table->rd_rel->relowner,
                           run->security_context | SECURITY_RESTRICTED_OPERATION);
    run->settings_level = NewGUCNestLevel();
    ANNEX_RESTRICT_SEARCH_PATH();
}

void EndOwner(RecallRun* run) {
    AtEOXact_GUC(false, run->settings_level);
    SetUserIdAndSecContext(run->user, run->security_context);
}

bool IndexedValue(RecallRun* run, Datum* value) {
    ExprContext* econtext = GetPerTupleExprContext(run->estate);
    ResetExprContext(econtext);
    econtext->ecxt_scantuple = run->slot;
    if (!ExecQual(run->predicate, econtext)) return false;
    Datum values[INDEX_MAX_KEYS];
    bool nulls[INDEX_MAX_KEYS];
    MemoryContext old_context = MemoryContextSwitchTo(econtext->ecxt_per_tuple_memory);
    FormIndexDatum(run->index_info, run->slot, run->estate, values, nulls);
    if (!nulls[0]) *value = PointerGetDatum(PG_DETOAST_DATUM(values[0]));
    MemoryContextSwitchTo(old_context);
    return !nulls[0];
}

// The answers would be those to a part of the table.
static void CheckRowSecurity(Relation table) {
    if (check_enable_rls(RelationGetRelid(table), InvalidOid, true) != RLS_ENABLED) return;
    ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
                    errmsg("cannot measure the recall of an index on table \"%s\"", RelationGetRelationName(table)),
                    errdetail("Row-level security hides some of its rows from this user.")));
}

// An index may lack what a snapshot this old sees (src/backend/access/heap/README.HOT).
static void CheckUsable(Relation index) {
    if (!index->rd_index->indcheckxmin ||
        TransactionIdPrecedes(HeapTupleHeaderGetXmin(index->rd_indextuple->t_data), TransactionXmin))
        return;
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("index \"%s\" cannot be used by this transaction yet", RelationGetRelationName(index)),
                    errdetail("The table was changed while older transactions were running."),
                    errhint("Try again in another transaction.")));
}

static void Open(RecallRun* run, Oid index_oid, int64 k) {
    run->inspected = OpenInspected(index_oid, AccessShareLock, Privilege::kReader, "measure");
    Relation index = run->inspected.index;
    CheckRowSecurity(run->inspected.table);
    CheckUsable(index);
    run->snapshot = GetActiveSnapshot();
    run->k = k;
    run->context = CurrentMemoryContext;

    const Oid family = index->rd_opfamily[0];
    run->value_type = index->rd_opcintype[0];
    run->collation = index->rd_indcollation[0];
    run->distance_proc = get_opcode(get_opfamily_member(family, run->value_type, run->value_type, kDistanceStrategy));
    fmgr_info(run->distance_proc, &run->distance);

    run->slot = table_slot_create(run->inspected.table, nullptr);
    run->estate = CreateExecutorState();
    BeginOwner(run);
    run->index_info = BuildIndexInfo(index);
    run->predicate = ExecPrepareQual(run->index_info->ii_Predicate, run->estate);
    EndOwner(run);
}

static void Close(RecallRun* run) {
    ExecDropSingleTupleTableSlot(run->slot);
    FreeExecutorState(run->estate);
    CloseInspected(run->inspected);
}

static double Distance(RecallRun* run, Datum row, Datum query) {
    return DatumGetFloat8(FunctionCall2Coll(&run->distance, run->collation, row, query));
}

// Whether a row of the table is the query; one that comes from elsewhere has no TID.
static bool IsItself(const RecallQuery* query, const ItemPointerData& tid) {
    return ItemPointerIsValid(&query->self) &&
           ItemPointerEquals(const_cast<ItemPointer>(&query->self), const_cast<ItemPointer>(&tid));
}

// ---- Exact answers ----

// A max-heap of the k least.
static void Consider(RecallQuery* query, int64 k, double distance) {
    if (query->nearest_count < k) {
        query->nearest[query->nearest_count++] = distance;
        std::push_heap(query->nearest, query->nearest + query->nearest_count);
    } else if (distance < query->nearest[0]) {
        std::pop_heap(query->nearest, query->nearest + k);
        query->nearest[k - 1] = distance;
        std::push_heap(query->nearest, query->nearest + k);
    }
}

// One pass over the table for all queries of the batch; returns how many rows it has.
static int64 FindNearest(RecallRun* run, RecallQuery* queries, int64 count) {
    int64 rows = 0;
    BeginOwner(run);
    TableScanDesc scan = table_beginscan_strat(run->inspected.table, run->snapshot, 0, nullptr, true, true);
    while (table_scan_getnextslot(scan, ForwardScanDirection, run->slot)) {
        CHECK_FOR_INTERRUPTS();
        Datum value;
        if (!IndexedValue(run, &value)) continue;
        rows++;
        for (int64 i = 0; i < count; i++) {
            if (i % kDistancesAtOnce == kDistancesAtOnce - 1) CHECK_FOR_INTERRUPTS();
            RecallQuery* query = &queries[i];
            if (IsItself(query, run->slot->tts_tid)) continue;
            const double distance = Distance(run, value, query->value);
            if (!std::isnan(distance)) Consider(query, run->k, distance);
        }
    }
    table_endscan(scan);
    EndOwner(run);
    return rows;
}

// ---- The index's answers ----

struct Fetched {
    double distance;  // infinity where there is none
    bool nothing;     // NULL or NaN: such rows come last and are nobody's neighbours
    ItemPointerData tid;
};

static bool IsFarther(const Fetched& a, const Fetched& b) {
    return a.distance > b.distance;
}

// Rows that the index gave before their turn by exact distance: a min-heap.
struct Waiting {
    Fetched* rows;
    Size count;
    Size capacity;
};

static void Push(Waiting* waiting, const Fetched& row) {
    if (waiting->count == waiting->capacity) {
        waiting->capacity *= 2;
        waiting->rows = static_cast<Fetched*>(repalloc_huge(waiting->rows, waiting->capacity * sizeof(Fetched)));
    }
    waiting->rows[waiting->count++] = row;
    std::push_heap(waiting->rows, waiting->rows + waiting->count, IsFarther);
}

static Fetched Pop(Waiting* waiting) {
    std::pop_heap(waiting->rows, waiting->rows + waiting->count, IsFarther);
    return waiting->rows[--waiting->count];
}

// The next row of the index with its exact distance and the bound it came with.
static bool Fetch(RecallRun* run, IndexScanDesc scan, Datum query, Fetched* row, double* bound) {
    CHECK_FOR_INTERRUPTS();
    if (!index_getnext_slot(scan, ForwardScanDirection, run->slot)) return false;
    Datum value;
    row->tid = run->slot->tts_tid;
    row->distance = IndexedValue(run, &value) ? Distance(run, value, query) : NAN;
    row->nothing = std::isnan(row->distance);
    if (row->nothing) row->distance = HUGE_VAL;
    *bound = scan->xs_orderbynulls[0] ? HUGE_VAL : DatumGetFloat8(scan->xs_orderbyvals[0]);
    if (std::isnan(*bound)) *bound = HUGE_VAL;
    return true;
}

static bool IsBefore(const Fetched& a, const Fetched& b) {
    return ItemPointerCompare(const_cast<ItemPointer>(&a.tid), const_cast<ItemPointer>(&b.tid)) < 0;
}

// No row counts twice, should the index give it twice.
static void KeepDistances(Fetched* rows, int64 count, RecallQuery* query) {
    std::sort(rows, rows + count, IsBefore);
    query->answer_count = 0;
    for (int64 i = 0; i < count; i++)
        if (i == 0 || IsBefore(rows[i - 1], rows[i])) query->answer[query->answer_count++] = rows[i].distance;
}

// What ORDER BY ... LIMIT k returns: a row is returned when its exact distance is not beyond the bound of the last one
// fetched.
static void AskIndex(RecallRun* run, IndexScanDesc scan, Waiting* waiting, RecallQuery* query) {
    ScanKeyData key;
    ScanKeyEntryInitialize(&key, SK_ORDER_BY, 1, kDistanceStrategy, run->value_type, run->collation, run->distance_proc,
                           query->value);
    index_rescan(scan, nullptr, 0, &key, 1);
    auto* kept = static_cast<Fetched*>(palloc(static_cast<Size>(run->k) * sizeof(Fetched)));
    int64 count = 0;
    waiting->count = 0;
    bool more = true;
    double bound = -HUGE_VAL;
    while (count < run->k) {
        if (waiting->count > 0 && (!more || waiting->rows[0].distance <= bound)) {
            const Fetched row = Pop(waiting);
            if (!IsItself(query, row.tid) && !row.nothing) kept[count++] = row;
            continue;
        }
        if (!more) break;
        Fetched row;
        more = Fetch(run, scan, query->value, &row, &bound);
        if (more) Push(waiting, row);
    }
    KeepDistances(kept, count, query);
    pfree(kept);
}

static void AskIndexAll(RecallRun* run, RecallQuery* queries, int64 count) {
    Waiting waiting{static_cast<Fetched*>(palloc(64 * sizeof(Fetched))), 0, 64};
    BeginOwner(run);
    IndexScanDesc scan = ANNEX_BEGIN_INDEX_SCAN(run->inspected.table, run->inspected.index, run->snapshot, 0, 1);
    for (int64 i = 0; i < count; i++) AskIndex(run, scan, &waiting, &queries[i]);
    index_endscan(scan);
    EndOwner(run);
    pfree(waiting.rows);
}

// ---- Adding up ----

struct Measured {
    double* recalls;  // one a query that has a neighbour at all
    int64 count;
    int64 asked;
    int64 rows;
    instr_time in_index;
    instr_time in_table;
};

static void Score(const RecallQuery& query, Measured* measured) {
    measured->asked++;
    if (query.nearest_count == 0) return;
    int64 found = 0;
    for (int64 i = 0; i < query.answer_count; i++) found += query.answer[i] <= query.nearest[0] ? 1 : 0;
    if (found > query.nearest_count) found = query.nearest_count;
    measured->recalls[measured->count++] = static_cast<double>(found) / static_cast<double>(query.nearest_count);
}

// As many queries as fit into work_mem, at least one; returns how many.
static int64 NextBatch(RecallRun* run, RecallQueries* source, RecallQuery* queries, int64 most) {
    const Size budget = static_cast<Size>(work_mem) * 1024;
    const Size distances = static_cast<Size>(run->k) * sizeof(double);
    Size used = 0;
    int64 count = 0;
    while (count < most && (count == 0 || used < budget)) {
        RecallQuery* query = &queries[count];
        if (!NextQuery(run, source, query)) break;
        query->nearest = static_cast<double*>(palloc(distances));
        query->answer = static_cast<double*>(palloc(distances));
        query->nearest_count = query->answer_count = 0;
        used += sizeof(RecallQuery) + 2 * distances + VARSIZE(DatumGetPointer(query->value));
        count++;
    }
    return count;
}

static void MeasureBatch(RecallRun* run, RecallQuery* queries, int64 count, Measured* measured) {
    instr_time begin;
    instr_time middle;
    instr_time end;
    INSTR_TIME_SET_CURRENT(begin);
    AskIndexAll(run, queries, count);
    INSTR_TIME_SET_CURRENT(middle);
    measured->rows = FindNearest(run, queries, count);
    INSTR_TIME_SET_CURRENT(end);
    INSTR_TIME_ACCUM_DIFF(measured->in_index, middle, begin);
    INSTR_TIME_ACCUM_DIFF(measured->in_table, end, middle);
    for (int64 i = 0; i < count; i++) Score(queries[i], measured);
}

static void Measure(RecallRun* run, RecallQueries* source, Measured* measured) {
    MemoryContext batch = AllocSetContextCreate(run->context, "annex_recall batch", ALLOCSET_DEFAULT_SIZES);
    const int64 most = std::min(source->wanted, static_cast<int64>(work_mem) * 1024 / 64);
    measured->recalls = static_cast<double*>(
        MemoryContextAllocExtended(run->context, static_cast<Size>(source->wanted) * sizeof(double), MCXT_ALLOC_HUGE));
    for (;;) {
        MemoryContext old_context = MemoryContextSwitchTo(batch);
        auto* queries = static_cast<RecallQuery*>(palloc(static_cast<Size>(most) * sizeof(RecallQuery)));
        const int64 count = NextBatch(run, source, queries, most);
        if (count > 0) MeasureBatch(run, queries, count, measured);
        MemoryContextSwitchTo(old_context);
        MemoryContextReset(batch);
        if (count == 0) break;
    }
    std::sort(measured->recalls, measured->recalls + measured->count);
}

// ---- The result ----

static double MillisecondsEach(instr_time time, int64 count) {
    return count > 0 ? INSTR_TIME_GET_MILLISEC(time) / static_cast<double>(count) : NAN;
}

static void Summarize(const RecallRun& run, const Measured& measured, ResultRow* row) {
    double sum = 0;
    int64 perfect = 0;
    for (int64 i = 0; i < measured.count; i++) {
        sum += measured.recalls[i];
        perfect += measured.recalls[i] == 1 ? 1 : 0;
    }
    const auto count = static_cast<double>(measured.count);
    if (measured.count > 0) {
        row->Set("recall", sum / count);
        row->Set("recall_min", measured.recalls[0]);
        row->Set("recall_p05", measured.recalls[(measured.count - 1) / 20]);
        row->Set("perfect", static_cast<double>(perfect) / count);
    }
    row->Set("measured", measured.count);
    row->Set("rows", measured.rows);
    run.inspected.method->describe_search(run.inspected.index, static_cast<double>(run.k), row);
    row->Set("query_ms", MillisecondsEach(measured.in_index, measured.asked));
    row->Set("exact_ms", MillisecondsEach(measured.in_table, measured.asked));
}

static void CheckRange(const char* name, int value, int most) {
    if (value >= 1 && value <= most) return;
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("%s must be between 1 and %d", name, most),
                    errdetail("It is %d.", value)));
}

}  // namespace annex::pg

ANNEX_FUNCTION(annex_recall) {
    using namespace annex::pg;
    ResultRow row(fcinfo);
    if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2)) PG_RETURN_NULL();
    const int k = PG_GETARG_INT32(1);
    const int queries = PG_GETARG_INT32(2);
    CheckRange("k", k, kMostNeighbours);
    CheckRange("queries", queries, kMostQueries);
    if (PG_ARGISNULL(3) && !PG_ARGISNULL(4))
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("query_column needs a query_table")));

    // What is allocated here goes with it, the hint of the LIMIT included, also after an error.
    MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "annex_recall", ALLOCSET_DEFAULT_SIZES);
    MemoryContext old_context = MemoryContextSwitchTo(context);
    RecallRun run{};
    Open(&run, PG_GETARG_OID(0), k);
    RecallQueries source{queries};
    NoteLimit(run.inspected.index, PG_ARGISNULL(3) ? k + 1 : k);
    if (PG_ARGISNULL(3))
        SampleTable(&run, &source);
    else
        BeginQueryTable(&run, &source, PG_GETARG_OID(3), PG_ARGISNULL(4) ? nullptr : NameStr(*PG_GETARG_NAME(4)));
    Measured measured{};
    Measure(&run, &source, &measured);
    if (source.cursor != nullptr) EndQueryTable(&source);
    Summarize(run, measured, &row);
    Close(&run);
    MemoryContextSwitchTo(old_context);
    MemoryContextDelete(context);
    PG_RETURN_DATUM(row.Finish());
}

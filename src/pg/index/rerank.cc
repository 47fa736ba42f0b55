// Ordering candidates by the values in the table.
#include "pg/index/rerank.h"

extern "C" {
#include "access/tableam.h"
#include "executor/executor.h"
#include "nodes/pg_list.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "utils/guc.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/spccache.h"
}

#include <algorithm>
#include <cmath>

#include "pg/index/heap_ahead.h"
#include "pg/index/page.h"

namespace annex::pg {

// Candidates for each row that is wanted, and for the first; measured in doc/sparsevec.md.
static constexpr double kCandidatesPerRow = 6;
static constexpr double kFirstCandidates = 60;
static constexpr Size kFirstCapacity = 128;
// So many are sorted in a fraction of the time in which an interrupt is to be served.
static constexpr Size kMostCapacity = 1 << 20;

static int rerank_setting = 0;

void DefineRerank() {
    DefineCustomIntVariable("annex.rerank",
                            "Sets the number of rows that a scan of images compares by their values at first.",
                            "Indexes on sparsevec of many dimensions, and hnsw indexes on wide vectors, are such. 0 "
                            "chooses it.",
                            &rerank_setting, 0, 0, 1000000, PGC_USERSET, 0, nullptr, nullptr, nullptr);
}

double RerankedFor(double k) {
    if (rerank_setting > 0) return std::max(static_cast<double>(rerank_setting), k);
    return kFirstCandidates + kCandidatesPerRow * k;
}

// Their values lie anywhere in the table.
Cost RerankCost(const IndexOptInfo* index, double candidates) {
    double random_page;
    get_tablespace_page_costs(index->rel->reltablespace, &random_page, nullptr);
    return std::min(candidates, static_cast<double>(index->rel->pages)) * random_page +
           candidates * (cpu_tuple_cost + cpu_operator_cost);
}

void InitReranker(Reranker* reranker, MemoryContext context) {
    reranker->context = context;
    reranker->scratch = AllocSetContextCreate(context, "reranking", ALLOCSET_DEFAULT_SIZES);
    reranker->capacity = kFirstCapacity;
    reranker->rows = static_cast<RerankedRow*>(MemoryContextAlloc(context, kFirstCapacity * sizeof(RerankedRow)));
    ForgetRows(reranker);
}

void ForgetRows(Reranker* reranker) {
    reranker->count = reranker->ordered = reranker->ready = reranker->next = 0;
}

// Takes what has been returned out of the rows.
static void Compact(Reranker* reranker) {
    const Size returned = reranker->next;
    if (returned == 0) return;
    std::copy(reranker->rows + returned, reranker->rows + reranker->count, reranker->rows);
    reranker->count -= returned;
    reranker->ordered -= returned;
    reranker->ready -= returned;
    reranker->next = 0;
}

static bool Grow(Reranker* reranker) {
    const Size most =
        std::clamp(static_cast<Size>(work_mem) * 1024 / sizeof(RerankedRow), kFirstCapacity, kMostCapacity);
    if (reranker->capacity >= most) return false;
    reranker->capacity = std::min(2 * reranker->capacity, most);
    reranker->rows = static_cast<RerankedRow*>(repalloc_huge(reranker->rows, reranker->capacity * sizeof(RerankedRow)));
    return true;
}

bool AddCandidate(Reranker* reranker, HeapTid heap_tid, uint32 group) {
    Compact(reranker);
    reranker->rows[reranker->count++] = {0, heap_tid, group};
    return reranker->count < reranker->capacity || Grow(reranker);
}

// ---- Values ----

// All of it lives for a batch, so that nothing is left open while the scan is idle.
struct ValueReader {
    IndexScanDesc desc;
    IndexFetchTableData* fetch;
    Datum query;
    TupleTableSlot* slot;
    AttrNumber attribute;  // of the table, or 0:
    ExprState* expression;
    EState* estate;
    ExprContext* econtext;
};

static void OpenValues(ValueReader* values, IndexScanDesc desc) {
    Relation index = desc->indexRelation;
    values->desc = desc;
    // It may lie out of line, and is needed for each row.
    values->query = PointerGetDatum(PG_DETOAST_DATUM(desc->orderByData[0].sk_argument));
    values->fetch = table_index_fetch_begin(desc->heapRelation);
    values->slot = table_slot_create(desc->heapRelation, nullptr);
    values->estate = CreateExecutorState();
    values->econtext = GetPerTupleExprContext(values->estate);
    values->econtext->ecxt_scantuple = values->slot;
    values->attribute = index->rd_index->indkey.values[0];
    values->expression = nullptr;
    if (values->attribute == 0) {
        auto* expression = static_cast<Expr*>(linitial(RelationGetIndexExpressions(index)));
        values->expression = ExecPrepareExpr(expression, values->estate);
    }
}

static void CloseValues(ValueReader* values) {
    table_index_fetch_end(values->fetch);
    ExecDropSingleTupleTableSlot(values->slot);
    FreeExecutorState(values->estate);
}

// False for a row that the scan's snapshot does not see.
static bool FetchDistance(ValueReader* values, HeapTid heap_tid, double* distance) {
    IndexScanDesc desc = values->desc;
    ItemPointerData tid = ToItemPointer(heap_tid);
    bool call_again = false;
    if (!table_index_fetch_tuple(values->fetch, &tid, desc->xs_snapshot, values->slot, &call_again, nullptr))
        return false;
    ExprContext* econtext = values->econtext;
    MemoryContext old_context = MemoryContextSwitchTo(econtext->ecxt_per_tuple_memory);
    bool is_null = false;
    const Datum value = values->expression != nullptr ? ExecEvalExpr(values->expression, econtext, &is_null)
                                                      : slot_getattr(values->slot, values->attribute, &is_null);
    ScanKeyData* key = &desc->orderByData[0];
    *distance =
        is_null ? NAN : DatumGetFloat8(FunctionCall2Coll(&key->sk_func, key->sk_collation, value, values->query));
    MemoryContextSwitchTo(old_context);
    ResetExprContext(econtext);
    return true;
}

// ---- Order ----

static bool LiesBefore(const RerankedRow& a, const RerankedRow& b) {
    ItemPointerData tid_a = ToItemPointer(a.heap_tid);
    ItemPointerData tid_b = ToItemPointer(b.heap_tid);
    return ItemPointerCompare(&tid_a, &tid_b) < 0;
}

// NaN comes last, as PostgreSQL sorts it.
static bool IsNearer(const RerankedRow& a, const RerankedRow& b) {
    if (std::isnan(a.distance) || std::isnan(b.distance)) return !std::isnan(a.distance);
    return a.distance < b.distance || (a.distance == b.distance && a.group < b.group);
}

// From page to page, in the table's order.
static Size FetchDistances(RerankedRow* rows, Size count, IndexScanDesc desc) {
    std::sort(rows, rows + count, LiesBefore);
    ValueReader values;
    OpenValues(&values, desc);
    HeapAhead ahead;
    ahead.Begin(desc->heapRelation);
    Size visible = 0;
    for (Size i = 0; i < count; i++) {
        CHECK_FOR_INTERRUPTS();
        ahead.AskForTuples();
        while (ahead.Wants() && i + ahead.rows() < count) ahead.Ask(ToItemPointer(rows[i + ahead.rows()].heap_tid));
        RerankedRow row = rows[i];
        if (FetchDistance(&values, row.heap_tid, &row.distance)) rows[visible++] = row;
        ahead.Returned();
    }
    CloseValues(&values);
    return visible;
}

void OrderCandidates(Reranker* reranker, IndexScanDesc desc, bool last) {
    Compact(reranker);
    RerankedRow* added = reranker->rows + reranker->ordered;
    if (reranker->count > reranker->ordered) {
        MemoryContext old_context = MemoryContextSwitchTo(reranker->scratch);
        reranker->ordered += FetchDistances(added, reranker->count - reranker->ordered, desc);
        MemoryContextSwitchTo(old_context);
        MemoryContextReset(reranker->scratch);
    }
    reranker->count = reranker->ordered;
    std::sort(reranker->rows, reranker->rows + reranker->count, IsNearer);
    reranker->ready = last ? reranker->count : (reranker->count + 1) / 2;
}

bool NextReranked(Reranker* reranker, RerankedRow* row) {
    if (reranker->next >= reranker->ready) return false;
    *row = reranker->rows[reranker->next++];
    return true;
}

}  // namespace annex::pg

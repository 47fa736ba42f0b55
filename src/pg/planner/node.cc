// The executor's part of a filtered scan: which way it goes, and what it hands to the index scan.
//
// The way is settled when the first row is asked for. Where the planner expects most rows to pass, the index gives rows
// and the filter rejects some (plain). Else the bitmap of the WHERE clause runs, and its true size decides between
// sorting its rows (exact) and searching for them (set). A plain scan that finds too few rows in its first round gets a
// set for the next one; if it has found none at all and there are few, they are sorted. A plan without an order goes by
// range, whatever it finds.
#include "pg/planner/node.h"

extern "C" {
#include "executor/nodeSubplan.h"
#include "utils/float.h"
}

#include <algorithm>

#include "pg/index/filter_clause.h"
#include "pg/index/scan_statistics.h"
#include "pg/planner/settings.h"

namespace annex::pg {

static FilteredState* StateOf(CustomScanState* node) {
    return reinterpret_cast<FilteredState*>(node);
}

// The scan itself, which may have a one-time filter above it.
static PlanState* BelowResult(PlanState* state) {
    return IsA(state, ResultState) ? outerPlanState(state) : state;
}

// ---- The index scan ----

static bool InsideEvalPlanQual(const FilteredState* state) {
    return state->custom.ss.ps.state->es_epq_active != nullptr;
}

// Begins the index scan as its own node would, so that its scan is there to be told what it is for. Where rows are
// sorted nothing begins it.
static void BeginIndexScan(FilteredState* state) {
    IndexScanState* node = state->index_scan;
    if (node->iss_ScanDesc == nullptr) {
        node->iss_ScanDesc = ANNEX_BEGIN_NODE_INDEX_SCAN(node, state->custom.ss.ps.state->es_snapshot);
        if (node->iss_NumRuntimeKeys == 0 || node->iss_RuntimeKeysReady)
            index_rescan(node->iss_ScanDesc, node->iss_ScanKeys, node->iss_NumScanKeys, node->iss_OrderByKeys,
                         node->iss_NumOrderByKeys);
    }
    state->scan = OrderedScanOf(node->iss_ScanDesc);
}

// The least of the upper bounds that the WHERE clause sets to the distance. None passes one that is NULL.
static double Radius(FilteredState* state) {
    double radius = get_float8_infinity();
    ExprContext* context = state->custom.ss.ps.ps_ExprContext;
    ListCell* cell;
    foreach (cell, state->bounds) {
        bool is_null;
        const Datum value = ExecEvalExprSwitchContext(static_cast<ExprState*>(lfirst(cell)), context, &is_null);
        const double bound = is_null ? -get_float8_infinity() : DatumGetFloat8(value);
        if (bound < radius) radius = bound;  // false for NaN, which is beyond everything
    }
    ResetExprContext(context);
    return radius;
}

// The constants live in memory that is kept until a row has come, and with it the scan's start.
static void GiveKeys(FilteredState* state) {
    ExprContext* context = state->custom.ss.ps.ps_ExprContext;
    for (int i = 0; i < list_length(state->keys); i++) {
        bool is_null;
        const Datum value =
            ExecEvalExprSwitchContext(static_cast<ExprState*>(list_nth(state->constants, i)), context, &is_null);
        FilterClauseKey(static_cast<List*>(list_nth(state->keys, i)), value, is_null, &state->more_keys[i]);
    }
    state->scan->more_keys = state->more_keys;
    state->scan->more_key_count = list_length(state->keys);
    state->scan->column_share = state->plan.column_share;
}

// How many rows the query still takes, and the share of those that come out of the scan.
static void SayWhatIsWanted(FilteredState* state, double share) {
    const double missing = state->limit.rows - static_cast<double>(state->passed);
    state->scan->wanted = missing > 0 ? missing : 0;
    state->scan->kept = share;
}

extern "C" {
static void BeforeNextRound(void* arg) noexcept;
}

// What the scan is told once in each start.
static void PrepareIndexScan(FilteredState* state) {
    if (state->prepared) return;
    state->prepared = true;
    BeginIndexScan(state);
    OrderedScan* scan = state->scan;
    scan->radius = Radius(state);
    GiveKeys(state);
    scan->stop = false;
    scan->next_round = BeforeNextRound;
    scan->next_round_arg = state;
}

// ---- Ways ----

static void GoSearching(FilteredState* state, Way way, const TidSet* rows, double share) {
    PrepareIndexScan(state);
    state->way = way;
    state->source = state->ordered;
    state->scan->rows = rows;
    SayWhatIsWanted(state, share);
    state->returned_at = state->scan->counters.returned;
    state->passed_at = state->passed;
}

static void GoPlain(FilteredState* state) {
    GoSearching(state, Way::kPlain, nullptr, state->plan.plain_share);
}

static void GoByRange(FilteredState* state) {
    GoSearching(state, Way::kRange, nullptr, 1);
    state->scan->unordered = true;
}

static void GoBySet(FilteredState* state) {
    MakeSet(state);
    GoSearching(state, Way::kSet, state->set, state->plan.set_share);
}

// Over a restart that leaves its parameters alone a Sort may keep its rows; whether it has is settled by then.
static bool SortHasRows(const FilteredState* state) {
    return castNode(SortState, state->exact)->sort_Done;
}

// The heap scan reads the rows that the set was made from.
static void GoExact(FilteredState* state) {
    state->way = Way::kExact;
    state->source = state->exact;
    CountExactScan(RelationGetRelid(state->index_scan->iss_RelationDesc));
    if (SortHasRows(state)) return;
    TIDBitmap* bitmap = TakeBitmap(state);
    // Parameters that the condition has no part in may have changed: a restart still due would throw the bitmap away,
    // and one that was skipped has left the bitmap of before.
    PlanState* heap_scan = &state->heap_scan->ss.ps;
    if (heap_scan->chgParam != nullptr || state->heap_scan->tbm != nullptr) ExecReScan(heap_scan);
    ANNEX_BEGIN_BITMAP_HEAP_SCAN(state->heap_scan, bitmap);
    state->keeps_nearest = CanKeepNearest(state);
    if (state->keeps_nearest) return;
    auto* sort = reinterpret_cast<SortState*>(state->exact);
    // A greater bound is none to the Sort.
    sort->bounded = state->limit.exact && state->limit.rows > 0 && state->limit.rows < INT_MAX / 2;
    if (sort->bounded) sort->bound = static_cast<int64>(state->limit.rows);
}

// Whether all rows of the set had better be sorted.
static bool FewRows(const FilteredState* state) {
    const double rows = RowsFound(state);
    return rows <= state->plan.exact_rows || rows <= state->limit.rows;
}

// Whether the set is to be sorted, in so far as that is up to its size.
static bool SortsSet(const FilteredState* state) {
    return forced_way == kAutomaticWay ? FewRows(state) : forced_way == static_cast<int>(Way::kExact);
}

static void GoByRows(FilteredState* state) {
    if (SortHasRows(state)) {
        GoExact(state);
        return;
    }
    // A set of a start before is as good; a bitmap is gone once it has been read.
    if (!state->rows_found || (SortsSet(state) && !HasBitmap(state))) FindRows(state);
    if (SortsSet(state))
        GoExact(state);
    else
        GoBySet(state);
}

// Of the rows that the scan has returned in this way, the share that has passed, were there one more that does.
static double ShareSeen(const FilteredState* state) {
    const double returned = static_cast<double>(state->scan->counters.returned - state->returned_at);
    return std::min((static_cast<double>(state->passed - state->passed_at) + 1) / (returned + 1), 1.0);
}

// What the rounds so far have found decides whether the filter goes on taking rows away one by one.
static bool WorthASet(const FilteredState* state) {
    const double missing = std::max(state->limit.rows - static_cast<double>(state->passed), 1.0);
    return missing / ShareSeen(state) * state->plan.row_cost > state->plan.set_cost;
}

static bool MayTakeASet(const FilteredState* state) {
    return state->way == Way::kPlain && state->plan.has_exact && forced_way == kAutomaticWay && WorthASet(state);
}

extern "C" {

// The index scan has no more rows in this round.
static void BeforeNextRound(void* arg) noexcept {
    auto* state = static_cast<FilteredState*>(arg);
    if (!MayTakeASet(state)) {
        SayWhatIsWanted(state, ShareSeen(state));
        return;
    }
    FindRows(state);
    if (state->passed == 0 && FewRows(state)) {
        GoExact(state);
        state->scan->stop = true;
        return;
    }
    GoBySet(state);
}

}  // extern "C"

static Way FirstWay(const FilteredState* state) {
    if (!state->plan.has_exact) return Way::kPlain;
    return forced_way == kAutomaticWay ? state->plan.way : static_cast<Way>(forced_way);
}

static void Start(FilteredState* state) {
    state->started = true;
    state->prepared = state->keeps_nearest = false;
    state->passed = 0;
    if (InsideEvalPlanQual(state)) {
        // The child gives the row that is to be tested, or is a subquery's.
        state->way = Way::kPlain;
        state->source = state->ordered;
        return;
    }
    if (state->plan.way == Way::kRange)
        GoByRange(state);
    else if (FirstWay(state) == Way::kPlain)
        GoPlain(state);
    else
        GoByRows(state);
}

// ---- Rows ----

// Some releases of PostgreSQL forget a slot's TID where a row has waited for its place in the order, but not the
// tuple's.
static ItemPointerData ScannedTid(const FilteredState* state) {
    const TupleTableSlot* slot = state->index_scan->ss.ss_ScanTupleSlot;
    if (!TTS_IS_BUFFERTUPLE(slot)) return slot->tts_tid;
    const HeapTupleData* tuple = reinterpret_cast<const BufferHeapTupleTableSlot*>(slot)->base.tuple;
    return tuple != nullptr ? tuple->t_self : slot->tts_tid;
}

// The last column (AddTid).
static ItemPointerData SortedTid(TupleTableSlot* row) {
    bool is_null;
    const Datum tid = slot_getattr(row, row->tts_tupleDescriptor->natts, &is_null);
    return *reinterpret_cast<ItemPointer>(DatumGetPointer(tid));
}

// The child's row in this node's own slot, whose kind is what expressions above were compiled for; a sorted row has a
// column more. The values stay the child's.
static TupleTableSlot* Present(FilteredState* state, TupleTableSlot* row) {
    TupleTableSlot* slot = state->custom.ss.ss_ScanTupleSlot;
    const int columns = slot->tts_tupleDescriptor->natts;
    slot_getsomeattrs(row, columns);
    ExecClearTuple(slot);
    memcpy(slot->tts_values, row->tts_values, static_cast<Size>(columns) * sizeof(Datum));
    memcpy(slot->tts_isnull, row->tts_isnull, static_cast<Size>(columns) * sizeof(bool));
    ExecStoreVirtualTuple(slot);
    slot->tts_tid = state->source == state->ordered ? ScannedTid(state) : SortedTid(row);
    slot->tts_tableOid = RelationGetRelid(state->custom.ss.ss_currentRelation);
    ProjectionInfo* projection = state->custom.ss.ps.ps_ProjInfo;
    if (projection == nullptr) return slot;
    ExprContext* context = state->custom.ss.ps.ps_ExprContext;
    ResetExprContext(context);
    context->ecxt_scantuple = slot;
    return ExecProject(projection);
}

static TupleTableSlot* NoRow(FilteredState* state) {
    ProjectionInfo* projection = state->custom.ss.ps.ps_ProjInfo;
    return ExecClearTuple(projection == nullptr ? state->custom.ss.ss_ScanTupleSlot : projection->pi_state.resultslot);
}

static TupleTableSlot* ChildRow(FilteredState* state) {
    return state->keeps_nearest ? NextNearest(state) : ExecProcNode(state->source);
}

static TupleTableSlot* NextRow(FilteredState* state) {
    if (!state->started) Start(state);
    const PlanState* source = state->source;
    TupleTableSlot* row = ChildRow(state);
    // The index scan may have been given up for the other child, which has this row too.
    if (state->source != source) row = ChildRow(state);
    if (TupIsNull(row)) return NoRow(state);
    state->passed++;
    return Present(state, row);
}

// ---- Callbacks ----

extern "C" {

static void BeginFilteredScan(CustomScanState* node, EState* estate, int eflags) noexcept {
    FilteredState* state = StateOf(node);
    const auto* plan = reinterpret_cast<const CustomScan*>(node->ss.ps.plan);
    state->plan = UnpackPlan(plan);
    state->ordered = ExecInitNode(static_cast<Plan*>(linitial(plan->custom_plans)), estate, eflags);
    state->index_scan = castNode(IndexScanState, BelowResult(state->ordered));
    node->custom_ps = list_make1(state->ordered);
    if (state->plan.has_exact) {
        state->exact = ExecInitNode(static_cast<Plan*>(lsecond(plan->custom_plans)), estate, eflags);
        state->heap_scan = castNode(BitmapHeapScanState, BelowResult(outerPlanState(state->exact)));
        state->bitmap = outerPlanState(state->heap_scan);
        node->custom_ps = lappend(node->custom_ps, state->exact);
    }
    state->keys = KeysOf(plan);
    const int bounds = list_length(plan->custom_exprs) - list_length(state->keys);
    state->bounds = ExecInitExprList(list_copy_head(plan->custom_exprs, bounds), &node->ss.ps);
    state->constants = ExecInitExprList(list_copy_tail(plan->custom_exprs, bounds), &node->ss.ps);
    state->more_keys = static_cast<ScanKeyData*>(palloc0(sizeof(ScanKeyData) * (list_length(state->keys) + 1)));
}

static TupleTableSlot* ExecFilteredScan(CustomScanState* node) noexcept {
    return NextRow(StateOf(node));
}

static void EndFilteredScan(CustomScanState* node) noexcept {
    FilteredState* state = StateOf(node);
    ExecEndNode(state->ordered);
    if (state->exact != nullptr) ExecEndNode(state->exact);
}

static void Restart(PlanState* child, Bitmapset* changed) {
    if (changed != nullptr) UpdateChangedParamSet(child, changed);
    ExecReScan(child);
}

// PostgreSQL does not look into the children of a custom scan.
static void ReScanFilteredScan(CustomScanState* node) noexcept {
    FilteredState* state = StateOf(node);
    Bitmapset* changed = node->ss.ps.chgParam;
    if (state->started) state->totals.starts[static_cast<int>(state->way)]++;
    state->started = false;
    if (state->scan != nullptr) state->scan->next_round = nullptr;
    Restart(state->ordered, changed);
    if (state->exact == nullptr) return;
    if (bms_overlap(changed, state->bitmap->plan->allParam)) state->rows_found = false;
    if (changed != nullptr) UpdateChangedParamSet(&state->heap_scan->ss.ps, changed);
    Restart(state->exact, changed);
    // A Sort that has not run leaves its child alone.
    if (state->keeps_nearest) ExecReScan(outerPlanState(state->exact));
    ForgetNearest(state);
}

static void ExplainCustomNode(CustomScanState* node, List*, ExplainState* es) noexcept {
    ExplainFilteredScan(StateOf(node), es);
}

static const CustomExecMethods exec_methods{
    .CustomName = kNodeName,
    .BeginCustomScan = BeginFilteredScan,
    .ExecCustomScan = ExecFilteredScan,
    .EndCustomScan = EndFilteredScan,
    .ReScanCustomScan = ReScanFilteredScan,
    .ExplainCustomScan = ExplainCustomNode,
};

}  // extern "C"

Node* MakeFilteredState() {
    auto* state = static_cast<FilteredState*>(palloc0(sizeof(FilteredState)));
    state->custom.ss.ps.type = T_CustomScanState;
    state->custom.methods = &exec_methods;
    return reinterpret_cast<Node*>(state);
}

const IndexScanState* TakeLimit(PlanState* node, PlanLimit limit) {
    auto* custom = reinterpret_cast<CustomScanState*>(node);
    if (custom->methods != &exec_methods) return nullptr;
    FilteredState* state = StateOf(custom);
    state->limit = limit;
    return state->index_scan;
}

}  // namespace annex::pg

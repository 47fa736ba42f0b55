// Finds the LIMIT above each of our index scans when the executor starts.
#include "pg/index/scan_hints.h"

extern "C" {
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "nodes/nodeFuncs.h"
}

#include "pg/index/access_method.h"

namespace annex::pg {

static LimitTaker limit_taker = nullptr;
static ExecutorStart_hook_type previous_executor_start = nullptr;

struct Hint {
    Oid index;
    double limit;
    Hint* next;
};

// The hints of one running query. They live in its memory context and leave the list when that goes.
struct Frame {
    Hint* hints;
    Frame* older;
    Frame* newer;
};
static Frame* newest = nullptr;

extern "C" {
static void RemoveFrame(void* arg) noexcept {
    auto* frame = static_cast<Frame*>(arg);
    if (frame->newer != nullptr)
        frame->newer->older = frame->older;
    else
        newest = frame->older;
    if (frame->older != nullptr) frame->older->newer = frame->newer;
}
}

// Both frame and hints live in the current memory context.
static void PushFrame(Hint* hints) {
    auto* frame = static_cast<Frame*>(palloc0(sizeof(Frame)));
    auto* callback = static_cast<MemoryContextCallback*>(palloc0(sizeof(MemoryContextCallback)));
    callback->func = RemoveFrame;
    callback->arg = frame;
    frame->hints = hints;
    frame->older = newest;
    if (newest != nullptr) newest->newer = frame;
    newest = frame;
    MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
}

void NoteLimit(Relation index, double limit) {
    auto* hint = static_cast<Hint*>(palloc(sizeof(Hint)));
    *hint = Hint{RelationGetRelid(index), limit, nullptr};
    PushFrame(hint);
}

struct Walk {
    Hint* hints;
    ParamListInfo params;
    const PlanState* parent;      // of the node being visited
    PlanLimit limit;              // that the parent passes on
    const IndexScanState* taken;  // the scan of a node above, which needs no hint
};

// The value of a LIMIT or OFFSET expression that is known now; 0 if it is not.
static double KnownCount(const Node* expression, ParamListInfo params, bool* known) {
    *known = true;
    if (expression == nullptr) return 0;
    if (IsA(expression, Const)) {
        const auto* value = reinterpret_cast<const Const*>(expression);
        if (!value->constisnull && value->consttype == INT8OID)
            return static_cast<double>(DatumGetInt64(value->constvalue));
    }
    if (IsA(expression, Param) && params != nullptr && params->paramFetch == nullptr) {
        const auto* param = reinterpret_cast<const Param*>(expression);
        if (param->paramkind == PARAM_EXTERN && param->paramtype == INT8OID && param->paramid >= 1 &&
            param->paramid <= params->numParams) {
            const ParamExternData& value = params->params[param->paramid - 1];
            if (!value.isnull && value.ptype == INT8OID) return static_cast<double>(DatumGetInt64(value.value));
        }
    }
    *known = false;
    return 0;
}

static PlanLimit LimitOf(const LimitState* state, ParamListInfo params) {
    const auto* plan = reinterpret_cast<const Limit*>(state->ps.plan);
    bool count_known;
    bool offset_known;
    const double count = KnownCount(plan->limitCount, params, &count_known);
    const double offset = KnownCount(plan->limitOffset, params, &offset_known);
    if (plan->limitCount == nullptr || !count_known || !offset_known || count <= 0) return {0, false};
    return {count + (offset > 0 ? offset : 0), plan->limitOption == LIMIT_OPTION_COUNT};
}

// What a node asks its child for when it is asked for so many rows.
static PlanLimit PassedOn(const PlanState* state, PlanLimit limit) {
    switch (nodeTag(state)) {
        case T_ResultState:
        case T_SubqueryScanState:
        case T_AppendState:
        case T_MergeAppendState:
            return state->qual == nullptr ? limit : PlanLimit{0, false};
        case T_LockRowsState:
            // rows that have changed may drop out
            return {limit.rows, false};
        default:
            return {0, false};
    }
}

// Rows that a scan has to return so that `wanted` of them pass its filter.
static double BeforeFilter(const IndexScanState* state, double wanted) {
    const double returned = static_cast<double>(state->iss_RelationDesc->rd_rel->reltuples);
    const double passed = state->ss.ps.plan->plan_rows;
    return state->ss.ps.qual == nullptr || returned <= passed ? wanted : wanted * returned / passed;
}

static bool AmongSubplans(const PlanState* state, const List* subplans) {
    ListCell* cell;
    foreach (cell, subplans) {
        if (lfirst_node(SubPlanState, cell)->planstate == state) return true;
    }
    return false;
}

// What the node being visited is asked for. Subqueries that hang on a node (expressions, CTEs) have no part in what it
// asks its children for.
static PlanLimit LimitFromAbove(const Walk* walk, const PlanState* state) {
    const PlanState* parent = walk->parent;
    const bool subplan =
        parent != nullptr && (AmongSubplans(state, parent->initPlan) || AmongSubplans(state, parent->subPlan));
    return subplan ? PlanLimit{0, false} : walk->limit;
}

extern "C" {
static bool Visit(PlanState* state, void* arg) noexcept {
    auto* walk = static_cast<Walk*>(arg);
    const Walk above = *walk;
    const PlanLimit limit = LimitFromAbove(walk, state);
    const IndexScanState* taken = walk->taken;
    auto* scan = reinterpret_cast<IndexScanState*>(state);
    if (IsA(state, IndexScanState) && scan != taken && IsOrderedIndexScan(scan)) {
        auto* hint = static_cast<Hint*>(palloc(sizeof(Hint)));
        hint->index = RelationGetRelid(scan->iss_RelationDesc);
        hint->limit = BeforeFilter(scan, limit.rows);
        hint->next = walk->hints;
        walk->hints = hint;
    }
    if (IsA(state, CustomScanState) && limit_taker != nullptr) walk->taken = limit_taker(state, limit);
    walk->limit =
        IsA(state, LimitState) ? LimitOf(reinterpret_cast<LimitState*>(state), walk->params) : PassedOn(state, limit);
    walk->parent = state;
    ANNEX_WALK_PLANSTATE(state, Visit, walk);
    walk->parent = above.parent;
    walk->limit = above.limit;
    walk->taken = above.taken;
    return false;
}

static void HintsAtExecutorStart(QueryDesc* query, int eflags) noexcept {
    if (previous_executor_start != nullptr)
        previous_executor_start(query, eflags);
    else
        standard_ExecutorStart(query, eflags);
    if ((eflags & EXEC_FLAG_EXPLAIN_ONLY) || query->planstate == nullptr) return;

    MemoryContext old_context = MemoryContextSwitchTo(query->estate->es_query_cxt);
    Walk walk{nullptr, query->params, nullptr, {0, false}, nullptr};
    Visit(query->planstate, &walk);
    if (walk.hints != nullptr) PushFrame(walk.hints);
    MemoryContextSwitchTo(old_context);
}
}

void InstallScanHints() {
    previous_executor_start = ExecutorStart_hook;
    ExecutorStart_hook = HintsAtExecutorStart;
}

void SetLimitTaker(LimitTaker taker) {
    limit_taker = taker;
}

// Of several scans of one index in one query the greatest LIMIT counts, and an unknown one most.
double LimitHint(Relation index) {
    for (const Frame* frame = newest; frame != nullptr; frame = frame->older) {
        double limit = -1;
        for (const Hint* hint = frame->hints; hint != nullptr; hint = hint->next) {
            if (hint->index != RelationGetRelid(index)) continue;
            if (hint->limit == 0) return 0;
            if (hint->limit > limit) limit = hint->limit;
        }
        if (limit > 0) return limit;
    }
    return 0;
}

}  // namespace annex::pg

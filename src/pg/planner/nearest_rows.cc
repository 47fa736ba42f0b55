// The first rows of a Sort, when it is certain how many will be asked for.
//
// A Sort copies each row before it knows whether the row is among the first, and rows with vectors are wide. Of n rows
// in any order only about k (1 + ln(n / k)) ever get among the first k, so that looking at the distance first leaves
// hardly any copying: rows are taken from the Sort's own child and kept in a heap, the last of them on top.
#include "pg/planner/node.h"

extern "C" {
#include "executor/instrument.h"
#include "utils/sortsupport.h"
}

#include <algorithm>

namespace annex::pg {

struct NearestRow {
    Datum distance;
    bool is_null;
    MinimalTuple tuple;
};

struct NearestRows {
    MemoryContext context;  // of the tuples
    SortSupportData order;
    AttrNumber column;  // of the distance
    NearestRow* rows;
    int most;
    int count;
    int next;    // to be returned
    bool found;  // all rows have been looked at
    TupleTableSlot* slot;
};

// More rows take their time in being sorted, not in being copied.
static constexpr double kMostRows = 10000;

static const Sort* SortOf(const FilteredState* state) {
    return reinterpret_cast<const Sort*>(state->exact->plan);
}

bool CanKeepNearest(const FilteredState* state) {
    const Sort* sort = SortOf(state);
    const PlanLimit& limit = state->limit;
    if (!limit.exact || limit.rows < 1 || limit.rows > kMostRows || sort->numCols != 1) return false;
    if (limit.rows * sort->plan.plan_width > static_cast<double>(work_mem) * 1024) return false;
    TupleDesc columns = ExecGetResultType(outerPlanState(state->exact));
    return TupleDescAttr(columns, sort->sortColIdx[0] - 1)->attbyval;
}

static NearestRows* NewNearestRows(const FilteredState* state) {
    const Sort* sort = SortOf(state);
    auto* nearest = static_cast<NearestRows*>(palloc0(sizeof(NearestRows)));
    nearest->context = AllocSetContextCreate(CurrentMemoryContext, "annex nearest rows", ALLOCSET_DEFAULT_SIZES);
    nearest->column = sort->sortColIdx[0];
    nearest->order.ssup_cxt = CurrentMemoryContext;
    nearest->order.ssup_collation = sort->collations[0];
    nearest->order.ssup_nulls_first = sort->nullsFirst[0];
    nearest->order.ssup_attno = nearest->column;
    PrepareSortSupportFromOrderingOp(sort->sortOperators[0], &nearest->order);
    nearest->most = static_cast<int>(state->limit.rows);
    nearest->rows = static_cast<NearestRow*>(palloc(static_cast<Size>(nearest->most) * sizeof(NearestRow)));
    TupleDesc columns = ExecGetResultType(outerPlanState(state->exact));
    nearest->slot = MakeSingleTupleTableSlot(columns, &TTSOpsMinimalTuple);
    return nearest;
}

static int Compare(const NearestRow& a, const NearestRow& b, SortSupport order) {
    return ApplySortComparator(a.distance, a.is_null, b.distance, b.is_null, order);
}

static void Keep(NearestRows* nearest, TupleTableSlot* slot) {
    SortSupport order = &nearest->order;
    const auto before = [order](const NearestRow& a, const NearestRow& b) { return Compare(a, b, order) < 0; };
    NearestRow row;
    row.distance = slot_getattr(slot, nearest->column, &row.is_null);
    NearestRow* end = nearest->rows + nearest->count;
    if (nearest->count == nearest->most) {
        if (!before(row, nearest->rows[0])) return;
        std::pop_heap(nearest->rows, end, before);
        nearest->count--;
        pfree((--end)->tuple);
    }
    MemoryContext old_context = MemoryContextSwitchTo(nearest->context);
    row.tuple = ExecCopySlotMinimalTuple(slot);
    MemoryContextSwitchTo(old_context);
    *end = row;
    nearest->count++;
    std::push_heap(nearest->rows, end + 1, before);
}

static void FindNearest(FilteredState* state) {
    MemoryContext old_context = MemoryContextSwitchTo(state->custom.ss.ps.state->es_query_cxt);
    if (state->nearest == nullptr) state->nearest = NewNearestRows(state);
    MemoryContextSwitchTo(old_context);
    NearestRows* nearest = state->nearest;
    Instrumentation* instrument = state->exact->instrument;
    if (instrument != nullptr) InstrStartNode(instrument);
    for (TupleTableSlot* slot; slot = ExecProcNode(outerPlanState(state->exact)), !TupIsNull(slot);)
        Keep(nearest, slot);
    SortSupport order = &nearest->order;
    std::sort_heap(nearest->rows, nearest->rows + nearest->count,
                   [order](const NearestRow& a, const NearestRow& b) { return Compare(a, b, order) < 0; });
    nearest->found = true;
    if (instrument != nullptr) InstrStopNode(instrument, nearest->count);
}

TupleTableSlot* NextNearest(FilteredState* state) {
    if (state->nearest == nullptr || !state->nearest->found) FindNearest(state);
    NearestRows* nearest = state->nearest;
    if (nearest->next >= nearest->count) return ExecClearTuple(nearest->slot);
    return ExecStoreMinimalTuple(nearest->rows[nearest->next++].tuple, nearest->slot, false);
}

void ForgetNearest(FilteredState* state) {
    NearestRows* nearest = state->nearest;
    if (nearest == nullptr) return;
    ExecClearTuple(nearest->slot);
    MemoryContextReset(nearest->context);
    nearest->count = nearest->next = 0;
    nearest->found = false;
}

}  // namespace annex::pg

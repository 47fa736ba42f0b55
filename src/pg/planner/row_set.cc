// From the rows that the indexes of a WHERE clause find to the set that an index scan asks about each of its rows.
//
// A bitmap can only be read from front to back, a list not even that. The set answers for one row at a time and takes
// about as much memory as the bitmap or less. That obeys work_mem: a bitmap that would be too large forgets which rows
// of a page match and keeps the page, and so does the set. What it lets through on such a page, the scan's Filter
// rejects.
#include "pg/guard.h"
#include "pg/planner/node.h"

namespace annex::pg {

extern "C" {
static void DeleteRows(void* arg) noexcept {
    auto* state = static_cast<FilteredState*>(arg);
    delete state->set;
    delete state->list;
    state->set = nullptr;
    state->list = nullptr;
}
}

static void ClearRows(FilteredState* state) {
    if (state->set == nullptr) {
        MemoryContext context = state->custom.ss.ps.state->es_query_cxt;
        auto* callback =
            static_cast<MemoryContextCallback*>(MemoryContextAllocZero(context, sizeof(MemoryContextCallback)));
        callback->func = DeleteRows;
        callback->arg = state;
        MemoryContextRegisterResetCallback(context, callback);
        Guard([&] { state->set = new TidSet(); });
        Guard([&] { state->list = new TidList(); });
    }
    state->list->Clear();
    state->list_recheck = false;
    state->found = nullptr;
    state->set_ready = false;
}

static TIDBitmap* RunBitmap(PlanState* node) {
    auto* bitmap = reinterpret_cast<TIDBitmap*>(MultiExecProcNode(node));
    if (bitmap == nullptr || !IsA(bitmap, TIDBitmap)) elog(ERROR, "unrecognized result from subplan");
    return bitmap;
}

// Leaves the rows in the list or in a bitmap.
static void FindRows(FilteredState* state) {
    // Parameters may have changed as well, which the heap scan passes down.
    if (state->condition_spent || state->heap_scan->ss.ps.chgParam != nullptr) ExecReScan(&state->heap_scan->ss.ps);
    state->condition_spent = true;
    state->found = CanListRows(state->bitmap) ? ListRows(state) : RunBitmap(state->bitmap);
}

static void FillFromBitmap(TidSet* set, TIDBitmap* bitmap) {
    Guard([&] { set->Clear(); });
    BitmapPages pages;
    BeginBitmapPages(&pages, bitmap);
    while (NextBitmapPage(&pages)) {
        CHECK_FOR_INTERRUPTS();
        Guard([&] {
            if (pages.lossy)
                set->AddLossyPage(pages.block);
            else
                set->AddPage(pages.block, pages.offsets, static_cast<size_t>(pages.count));
        });
    }
    EndBitmapPages(&pages);
    Guard([&] { set->Finish(); });
}

static void CountSet(NodeTotals* totals, const FilteredState* state) {
    const TidSet* set = state->set;
    totals->sets++;
    totals->set_rows += static_cast<uint64>(SetRows(state));
    totals->exact_pages += set->exact_pages();
    totals->lossy_pages += set->lossy_pages();
    const Size bytes = set->bytes() + state->list->bytes();
    if (bytes > totals->set_bytes) totals->set_bytes = bytes;
}

void MakeSet(FilteredState* state) {
    // A filter's subquery may run in memory of a shorter life.
    MemoryContext old_context = MemoryContextSwitchTo(state->custom.ss.ps.state->es_query_cxt);
    ClearRows(state);
    FindRows(state);
    if (state->found != nullptr)
        FillFromBitmap(state->set, state->found);
    else
        Guard([&] { state->list->MakeSet(state->set); });
    state->set_ready = true;
    CountSet(&state->totals, state);
    MemoryContextSwitchTo(old_context);
}

double SetRows(const FilteredState* state) {
    return static_cast<double>(state->set->exact_rows()) +
           static_cast<double>(state->set->lossy_pages()) * state->plan.rows_per_page;
}

TIDBitmap* TakeBitmap(FilteredState* state) {
    MemoryContext old_context = MemoryContextSwitchTo(state->custom.ss.ps.state->es_query_cxt);
    TIDBitmap* bitmap = state->found != nullptr ? state->found : BitmapOfList(state);
    state->found = nullptr;
    MemoryContextSwitchTo(old_context);
    return bitmap;
}

void ForgetBitmap(FilteredState* state) {
    if (state->found != nullptr) tbm_free(state->found);
    state->found = nullptr;
}

}  // namespace annex::pg

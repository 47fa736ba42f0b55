// From the bitmap of a WHERE clause to the set of rows that an index scan asks about each of its rows.
//
// A bitmap can only be read from front to back. The set answers for one row at a time and takes about as much memory or
// less. The bitmap obeys work_mem: one that would be too large forgets which rows of a page match and keeps the page,
// and so does the set. What it lets through on such a page, the scan's Filter rejects.
#include "pg/guard.h"
#include "pg/planner/node.h"

namespace annex::pg {

extern "C" {
static void DeleteSet(void* arg) noexcept {
    auto* state = static_cast<FilteredState*>(arg);
    delete state->set;
    state->set = nullptr;
}
}

static void ClearSet(FilteredState* state) {
    if (state->set != nullptr) {
        Guard([&] { state->set->Clear(); });
        return;
    }
    MemoryContext context = state->custom.ss.ps.state->es_query_cxt;
    auto* callback =
        static_cast<MemoryContextCallback*>(MemoryContextAllocZero(context, sizeof(MemoryContextCallback)));
    Guard([&] { state->set = new TidSet(); });
    callback->func = DeleteSet;
    callback->arg = state;
    MemoryContextRegisterResetCallback(context, callback);
}

static TIDBitmap* RunBitmap(FilteredState* state) {
    // Their parameters may have changed as well, which the heap scan passes down.
    if (state->bitmap_spent || state->heap_scan->ss.ps.chgParam != nullptr) ExecReScan(&state->heap_scan->ss.ps);
    state->bitmap_spent = true;
    auto* bitmap = reinterpret_cast<TIDBitmap*>(MultiExecProcNode(state->bitmap));
    if (bitmap == nullptr || !IsA(bitmap, TIDBitmap)) elog(ERROR, "unrecognized result from subplan");
    return bitmap;
}

TIDBitmap* MakeSet(FilteredState* state) {
    // A filter's subquery may run in memory of a shorter life.
    MemoryContext old_context = MemoryContextSwitchTo(state->custom.ss.ps.state->es_query_cxt);
    state->set_ready = false;
    ClearSet(state);
    TIDBitmap* bitmap = RunBitmap(state);
    TidSet* set = state->set;
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
    state->set_ready = true;
    NodeTotals* totals = &state->totals;
    totals->sets++;
    totals->set_rows += static_cast<uint64>(SetRows(state));
    totals->exact_pages += set->exact_pages();
    totals->lossy_pages += set->lossy_pages();
    if (set->bytes() > totals->set_bytes) totals->set_bytes = set->bytes();
    MemoryContextSwitchTo(old_context);
    return bitmap;
}

double SetRows(const FilteredState* state) {
    return static_cast<double>(state->set->exact_rows()) +
           static_cast<double>(state->set->lossy_pages()) * state->plan.rows_per_page;
}

}  // namespace annex::pg

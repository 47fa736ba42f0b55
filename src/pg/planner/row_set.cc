// From the rows that the indexes of a WHERE clause find to the set that an index scan asks about each of its rows.
//
// A bitmap can only be read from front to back, a list not even that. The set answers for one row at a time and takes
// about as much memory as the bitmap or less. That obeys work_mem: a bitmap that would be too large forgets which rows
// of a page match and keeps the page, and so does the set. What it lets through on such a page, the scan's Filter
// rejects.
#include "pg/guard.h"
#include "pg/planner/node.h"

extern "C" {
#include "miscadmin.h"
}

namespace annex::pg {

// Of a query before, so that a session of many small queries does not get its memory from the system and give it back
// for each of them.
static TidSet* spare_set = nullptr;
static TidList* spare_list = nullptr;
static constexpr Size kMostSpareBytes = Size{512} * 1024;

// Keeps it for later if it is small and there is none.
template <typename Rows>
static void GiveBack(Rows** rows, Rows** spare) {
    if (*rows != nullptr && *spare == nullptr && (*rows)->bytes() <= kMostSpareBytes)
        *spare = *rows;
    else
        delete *rows;
    *rows = nullptr;
}

template <typename Rows>
static void Take(Rows** rows, Rows** spare) {
    *rows = *spare;
    *spare = nullptr;
    if (*rows != nullptr && (*rows)->bytes() <= static_cast<Size>(work_mem) * 1024 / 4) return;
    delete *rows;
    *rows = nullptr;
    Guard([&] { *rows = new Rows(); });
}

extern "C" {
static void ReleaseRows(void* arg) noexcept {
    auto* state = static_cast<FilteredState*>(arg);
    GiveBack(&state->set, &spare_set);
    GiveBack(&state->list, &spare_list);
}
}

static void ClearRows(FilteredState* state) {
    if (state->set == nullptr) {
        MemoryContext context = state->custom.ss.ps.state->es_query_cxt;
        auto* callback =
            static_cast<MemoryContextCallback*>(MemoryContextAllocZero(context, sizeof(MemoryContextCallback)));
        callback->func = ReleaseRows;
        callback->arg = state;
        MemoryContextRegisterResetCallback(context, callback);
        Take(&state->set, &spare_set);
        Take(&state->list, &spare_list);
    }
    state->list->Clear();
    state->list_recheck = false;
    if (state->found != nullptr) tbm_free(state->found);
    state->found = nullptr;
    state->rows_found = state->set_made = false;
}

static TIDBitmap* RunBitmap(PlanState* node) {
    auto* bitmap = reinterpret_cast<TIDBitmap*>(MultiExecProcNode(node));
    if (bitmap == nullptr || !IsA(bitmap, TIDBitmap)) elog(ERROR, "unrecognized result from subplan");
    return bitmap;
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

static void CountSet(FilteredState* state) {
    NodeTotals* totals = &state->totals;
    const TidSet* set = state->set;
    state->set_made = true;
    totals->exact_pages += set->exact_pages();
    totals->lossy_pages += set->lossy_pages();
    const Size bytes = set->bytes() + state->list->bytes();
    if (bytes > totals->set_bytes) totals->set_bytes = bytes;
}

// How many rows a bitmap has, only its set tells.
void FindRows(FilteredState* state) {
    // A filter's subquery may run in memory of a shorter life.
    MemoryContext old_context = MemoryContextSwitchTo(state->custom.ss.ps.state->es_query_cxt);
    ClearRows(state);
    // Parameters may have changed as well, which the heap scan passes down.
    if (state->condition_spent || state->heap_scan->ss.ps.chgParam != nullptr) ExecReScan(&state->heap_scan->ss.ps);
    state->condition_spent = true;
    state->found = CanListRows(state->bitmap) ? ListRows(state) : RunBitmap(state->bitmap);
    state->listed = state->found == nullptr;
    if (!state->listed) {
        FillFromBitmap(state->set, state->found);
        CountSet(state);
    }
    state->rows_found = true;
    state->totals.sets++;
    state->totals.set_rows += static_cast<uint64>(RowsFound(state));
    MemoryContextSwitchTo(old_context);
}

double RowsFound(const FilteredState* state) {
    if (!state->set_made) return static_cast<double>(state->list->size());
    return static_cast<double>(state->set->exact_rows()) +
           static_cast<double>(state->set->lossy_pages()) * state->plan.rows_per_page;
}

void MakeSet(FilteredState* state) {
    if (state->found != nullptr) tbm_free(state->found);
    state->found = nullptr;
    if (state->set_made) return;
    Guard([&] { state->list->MakeSet(state->set); });
    CountSet(state);
}

TIDBitmap* TakeBitmap(FilteredState* state) {
    MemoryContext old_context = MemoryContextSwitchTo(state->custom.ss.ps.state->es_query_cxt);
    TIDBitmap* bitmap = state->listed ? BitmapOfList(state) : state->found;
    state->found = nullptr;
    MemoryContextSwitchTo(old_context);
    return bitmap;
}

bool HasBitmap(const FilteredState* state) {
    return state->rows_found && (state->listed || state->found != nullptr);
}

}  // namespace annex::pg

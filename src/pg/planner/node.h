// The node of a filtered scan while it runs.
#pragma once

#include "pg/pg.h"

extern "C" {
#include "executor/executor.h"
#include "nodes/execnodes.h"
#include "nodes/tidbitmap.h"
}

#include "annex/tid_list.h"
#include "pg/index/ordered_scan.h"
#include "pg/index/scan_hints.h"
#include "pg/planner/plan.h"

namespace annex::pg {

struct NearestRows;

// Sums over all starts of the node.
struct NodeTotals {
    uint64 starts[kWays];  // by the way that was taken at last
    uint64 sets;           // made
    uint64 set_rows;       // in them
    uint64 exact_pages;
    uint64 lossy_pages;
    Size set_bytes;  // of the largest
};

struct FilteredState {
    CustomScanState custom;  // must be first
    FilteredPlan plan;

    // The children, and what of them this node reaches into.
    PlanState* ordered;
    IndexScanState* index_scan;  // the ordered child's
    PlanState* exact;            // a SortState; nullptr if there is none, as are the next two
    BitmapHeapScanState* heap_scan;
    PlanState* bitmap;  // below heap_scan
    List* bounds;       // ExprStates: upper bounds of the distance
    List* constants;    // ExprStates: of the conditions that the node hands to the index scan
    List* keys;         // of those (FilterClauseKey)
    ScanKeyData* more_keys;

    PlanLimit limit;

    // This start.
    bool started;
    bool prepared;  // the index scan knows what it is for
    Way way;
    PlanState* source;   // the child that rows come from
    OrderedScan* scan;   // of index_scan, once it has begun
    uint64 passed;       // rows that came out of the ordered child
    uint64 returned_at;  // scan->counters.returned when it went this way
    uint64 passed_at;    // and `passed`

    // The rows of the condition, kept over a restart that leaves its parameters alone.
    TidList* list;
    TIDBitmap* found;   // rows that could not be listed, until it is used up
    TidSet* set;        // of either
    bool rows_found;    // of the current parameters
    bool listed;        // they are all in the list
    bool list_recheck;  // the index is not certain of them
    bool set_made;
    NearestRows* nearest;  // of the exact way; nullptr: not used so far
    bool keeps_nearest;    // this start takes its rows from there, not from the Sort
    bool condition_spent;  // the condition's nodes have run and must be restarted before they run again

    NodeTotals totals;
};

[[nodiscard]] Node* MakeFilteredState();
// A LimitTaker.
const IndexScanState* TakeLimit(PlanState* node, PlanLimit limit);

// Runs the indexes of the WHERE clause.
void FindRows(FilteredState* state);
// How many rows they have found: of pages that a bitmap has forgotten the rows of, an estimate.
[[nodiscard]] double RowsFound(const FilteredState* state);
// Makes the set of them, if there is none yet.
void MakeSet(FilteredState* state);
// Whether TakeBitmap can be called without finding the rows again.
[[nodiscard]] bool HasBitmap(const FilteredState* state);
// The rows as a bitmap, which is the caller's.
[[nodiscard]] TIDBitmap* TakeBitmap(FilteredState* state);

// Whether the rows of the exact way may be found without its Sort.
[[nodiscard]] bool CanKeepNearest(const FilteredState* state);
// The next row in the Sort's order. The first call runs what is below the Sort, and keeps as many rows as the limit
// says.
[[nodiscard]] TupleTableSlot* NextNearest(FilteredState* state);
void ForgetNearest(FilteredState* state);

// Whether the rows of a node below a bitmap heap scan can be listed one by one.
[[nodiscard]] bool CanListRows(const PlanState* node);
// Fills state->list with them. Returns nullptr, or, where they are too many for a list within work_mem, their bitmap.
[[nodiscard]] TIDBitmap* ListRows(FilteredState* state);
[[nodiscard]] TIDBitmap* BitmapOfList(const FilteredState* state);

void ExplainFilteredScan(FilteredState* state, ExplainState* es);

}  // namespace annex::pg

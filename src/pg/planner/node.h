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

    // The set, in memory of the query, and what it was made from: a list of rows, or else a bitmap.
    TidSet* set;
    TidList* list;
    TIDBitmap* found;      // nullptr: all rows are in the list
    bool list_recheck;     // the index is not certain of its rows
    bool set_ready;        // it holds the rows of the current parameters
    bool condition_spent;  // the condition's nodes have run and must be restarted before they run again

    NodeTotals totals;
};

[[nodiscard]] Node* MakeFilteredState();
// A LimitTaker.
const IndexScanState* TakeLimit(PlanState* node, PlanLimit limit);

// Runs the indexes of the WHERE clause and makes the set of the rows that they find.
void MakeSet(FilteredState* state);
// Rows that the set stands for.
[[nodiscard]] double SetRows(const FilteredState* state);
// The rows of a set just made as a bitmap, which is the caller's.
[[nodiscard]] TIDBitmap* TakeBitmap(FilteredState* state);
// Frees what a set just made does not need any more.
void ForgetBitmap(FilteredState* state);

// Whether the rows of a node below a bitmap heap scan can be listed one by one.
[[nodiscard]] bool CanListRows(const PlanState* node);
// Fills state->list with them. Returns nullptr, or, where they are too many for a list within work_mem, their bitmap.
[[nodiscard]] TIDBitmap* ListRows(FilteredState* state);
[[nodiscard]] TIDBitmap* BitmapOfList(const FilteredState* state);

void ExplainFilteredScan(FilteredState* state, ExplainState* es);

}  // namespace annex::pg

// The node of a filtered scan while it runs.
#pragma once

#include "pg/pg.h"

extern "C" {
#include "executor/executor.h"
#include "nodes/execnodes.h"
#include "nodes/tidbitmap.h"
}

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

    // The set, in memory of the query.
    TidSet* set;
    bool set_ready;     // it holds the rows of the current parameters
    bool bitmap_spent;  // the bitmap's nodes have run and must be restarted before they run again

    NodeTotals totals;
};

[[nodiscard]] Node* MakeFilteredState();
// A LimitTaker.
const IndexScanState* TakeLimit(PlanState* node, PlanLimit limit);

// Makes the set from the bitmap of the WHERE clause. Returns the bitmap, which the caller frees or passes on.
[[nodiscard]] TIDBitmap* MakeSet(FilteredState* state);
// Rows that the set stands for.
[[nodiscard]] double SetRows(const FilteredState* state);

void ExplainFilteredScan(FilteredState* state, ExplainState* es);

}  // namespace annex::pg

// What each way of a filtered scan is expected to cost.
#pragma once

#include "pg/pg.h"

extern "C" {
#include "nodes/pathnodes.h"
}

#include "pg/index/filter_clause.h"
#include "pg/planner/plan.h"

namespace annex::pg {

// What is known of a filtered scan while it is planned.
struct FilteredScan {
    PlannerInfo* root;
    RelOptInfo* table;
    IndexPath* ordered;
    BitmapHeapPath* bitmap;  // nullptr: none is possible
    SortPath* exact;         // over bitmap
    List* bounds;            // of the distance (DistanceBounds)
    List* others;            // clauses that are none of these
    FilterClauses left;      // of these, what filter columns of the index can test beside the path's own conditions
};

struct PathCost {
    Cost startup;
    Cost total;
};

// What the node is to know, and what the path costs: both in one go, since they rest on the same estimates.
void EstimateWays(const FilteredScan& scan, FilteredPlan* plan, PathCost* cost);

// The same of a scan for the rows within the bounds, in no order.
void EstimateRangeScan(const FilteredScan& scan, FilteredPlan* plan, PathCost* cost);

}  // namespace annex::pg

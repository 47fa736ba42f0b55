// Paths of filtered scans.
#pragma once

#include "pg/pg.h"

extern "C" {
#include "nodes/pathnodes.h"
}

namespace annex::pg {

void InstallPathHook();

// The bitmap heap scan that PostgreSQL would choose for the whole WHERE clause of a table; nullptr if its indexes are
// of no use for it.
[[nodiscard]] BitmapHeapPath* BitmapForWhere(PlannerInfo* root, RelOptInfo* table);

// Upper bounds that the WHERE clause sets to the distance by which an index scan orders: their expressions. `others`
// gets the clauses that are none.
[[nodiscard]] List* DistanceBounds(Node* distance, List* clauses, List** others);

// What the clause sets an upper bound to that depends on no row; nullptr if it does no such thing.
[[nodiscard]] Node* BoundedDistance(Node* clause);

// Adds scans of our indexes for the rows within a distance to the table's paths.
void AddRangePaths(PlannerInfo* root, RelOptInfo* table);

}  // namespace annex::pg

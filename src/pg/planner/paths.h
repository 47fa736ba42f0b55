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

}  // namespace annex::pg

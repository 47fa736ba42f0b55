// What the cost functions of our access methods decide alike: what a scan in order of distance is asked for, and
// whether the query may have it.
#pragma once

#include "pg/pg.h"

extern "C" {
#include "nodes/pathnodes.h"
}

namespace annex::pg {

// What filter columns will be asked about: by PostgreSQL itself, and by the filtered scan.
[[nodiscard]] List* TestedConditions(const IndexPath* path);

// Whether the query can do with the scan's rows: they come in order of distance, more or less so unless `strict`.
[[nodiscard]] bool QueryTakesOrder(const PlannerInfo* root, const IndexPath* path, bool strict);

// Rows that the scan should find first: what the LIMIT wants, and more where a filter takes some away; 0: not known.
// `selectivity` is that of the index's own conditions.
[[nodiscard]] double RowsForLimit(const PlannerInfo* root, const IndexPath* path, Selectivity selectivity);

void ForbidPath(IndexPath* path, Cost* startup, Cost* total);

}  // namespace annex::pg

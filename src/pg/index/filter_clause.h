// Conditions on filter columns that PostgreSQL does not give to an ordered scan, although the index could test them:
//   column = ANY (array)     15 and 16 take it for the first column of an ordered scan alone
//   column, NOT column       of booleans; 15 knows them for its own operator classes alone
// A node above the scan may hand them over as further scan keys (OrderedScan::more_keys). They stay in the plan's
// filter.
#pragma once

#include "pg/pg.h"

extern "C" {
#include "nodes/pathnodes.h"
}

namespace annex::pg {

// Conditions in a form that a plan can carry: for each an OID list, to be read by FilterClauseKey alone, and the
// expression of the constant, without variables, to be evaluated when the scan starts.
struct FilterClauses {
    List* keys;
    List* constants;
    List* restrictions;  // the conditions themselves, for the planner
};

// Of the restrictions of the path's table (and of the path's parameters) those that are not among its index clauses and
// that a filter column of its index could test.
[[nodiscard]] FilterClauses LeftFilterClauses(const IndexPath* path);

// The scan key of one of them.
void FilterClauseKey(const List* key, Datum constant, bool isnull, ScanKeyData* out);

}  // namespace annex::pg

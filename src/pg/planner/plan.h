// The plan node of a filtered scan: what planning hands to execution.
//
// Its children, in this order:
//   ordered   an Index Scan of a vector index in order of distance, whose Filter is all of the WHERE clause but what
//             the index itself promises
//   exact     a Sort over a Bitmap Heap Scan of the whole WHERE clause; only where the table has indexes for it
// Either may have a Result with a one-time filter over its scan. Both give the same columns, the Sort the distance and,
// last, the TID beside them.
#pragma once

#include "pg/pg.h"

extern "C" {
#include "nodes/extensible.h"
#include "nodes/pathnodes.h"
#include "nodes/plannodes.h"
}

namespace annex::pg {

// How the rows are found.
enum class Way : int {
    kSet,    // the index is searched for rows of a set, which the bitmap of the WHERE clause becomes
    kExact,  // the rows of the bitmap are sorted by their distances
    kPlain,  // the index gives rows, of which the filter lets some through; a set comes later when those are too few
    kRange,  // the index gives all rows within a distance, in no order: a plan of its own, which has no other way
};
inline constexpr int kWays = 4;
[[nodiscard]] const char* WayName(Way way);

// What the node knows of the planner's estimates.
struct FilteredPlan {
    Way way;               // that looked best
    bool has_exact;        // there is a second child, and so a bitmap
    double set_rows;       // rows in the set
    double exact_rows;     // up to so many rows in the set, sorting them costs less than searching for them
    double set_share;      // of the rows of the set, how many pass the filter
    double plain_share;    // of the rows that the index gives, how many do
    double row_cost;       // of a row that the index gives and the filter is asked about
    double set_cost;       // of making the set and searching under it
    double rows_per_page;  // of the table
    double column_share;   // of the index's rows, how many its filter columns let through
};

// To and from lists that can be copied, and sent to parallel workers.
[[nodiscard]] List* PackPlan(const FilteredPlan& plan);
[[nodiscard]] FilteredPlan UnpackPlan(const CustomScan* scan);

// The keys of conditions that the node hands to the index scan (FilterClauses).
[[nodiscard]] List* KeysOf(const CustomScan* scan);

// The path's methods, whose custom_private is {PackPlan(), expressions of upper bounds of the distance, constants of
// conditions on filter columns, their keys}. The plan has first the bounds and then the constants for its custom_exprs.
extern const CustomPathMethods filtered_path_methods;
extern const CustomScanMethods filtered_scan_methods;

inline constexpr const char* kNodeName = "annex filtered scan";

}  // namespace annex::pg

// How many rows an ordered scan should find in one go: what the query wants, and what the executor reads beyond it.
#pragma once

#include "pg/pg.h"

#include <algorithm>
#include <cmath>

#include "pg/index/ordered_scan.h"
#include "pg/index/scan_hints.h"

namespace annex::pg {

// Rows beyond LIMIT that a round must be sure of: the executor returns row k only when it has seen a bound beyond it.
// (With none to spare, 15 to 31 % of queries need a second round; with four fewer than 0.3 %.)
inline constexpr double kSpareRows = 4;
// Rows beyond LIMIT that the executor reads on the average.
inline constexpr double kRowsBeyondLimit = 2;

// Rows to be returned so that nearly always the rows that are wanted are among those that are kept of them: where each
// is kept with probability p, the number that it takes for k has a standard deviation of sqrt(k (1 - p)) / p.
[[nodiscard]] inline double RowsForWanted(const OrderedScan& ordered) {
    // Standard deviations.
    constexpr double kSureness = 0.7;
    if (ordered.kept <= 0) return ordered.wanted;
    const double spread = std::sqrt(ordered.wanted * std::max(1 - ordered.kept, 0.0));
    return (ordered.wanted + kSureness * spread) / ordered.kept;
}

// Rows that the scan is to find; 0: not known.
[[nodiscard]] inline double RowsToFind(Relation index, const OrderedScan& ordered) {
    return ordered.wanted > 0 ? RowsForWanted(ordered) : LimitHint(index);
}

}  // namespace annex::pg

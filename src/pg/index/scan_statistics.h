// What ordered scans have done, by index, added up over scans and sessions: the view annex_stat_indexes.
//
// The counters lie in shared memory: from PostgreSQL 17 on always, in 15 and 16 when annex is in
// shared_preload_libraries. Else they are of this session alone. They are lost when the server stops, and like
// PostgreSQL's own they are not kept while track_counts is off.
#pragma once

#include "pg/index/ordered_scan.h"

namespace annex::pg {

// Asks for shared memory where that has to be done when the server starts. Called once, when the library is loaded.
void InitStatistics();

// Makes the counters ready, when a scan starts: nothing is to go wrong at its end. Those of the session alone serve
// where the shared ones cannot be had.
void PrepareToCountScans();

// Adds what a scan did, when it ends: a few atomic additions.
void CountScans(Oid index, const ScanCounters& counters);

// A query that could have scanned the index and sorted the matching rows instead, as the filtered scan does with few.
void CountExactScan(Oid index);

}  // namespace annex::pg

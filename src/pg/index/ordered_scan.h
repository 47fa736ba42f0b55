// What the opaque of every ordered index scan of ours begins with, whatever the access method: what a node above it
// knows of the query, and what the scan has done so far. The executor's own index scans leave it as it is made.
//
// Between index_beginscan, which makes it, and index_endscan anyone may read the counters. `rows`, `wanted`, `kept` and
// `radius` are read when the scan starts, which is at the first row after index_beginscan or index_rescan; a set of
// rows that arrives while the scan runs counts from its next round on, and so do `wanted` and `kept`. They stay as they
// are until they are set again.
#pragma once

#include "pg/pg.h"

#include <limits>

#include "annex/tid_set.h"

namespace annex::pg {

struct ScanCounters {
    uint64 scans;         // starts
    uint64 set_scans;     // those with OrderedScan::rows
    uint64 column_scans;  // those with conditions on the index's columns
    uint64 lists;         // probed, those that a later round probes again as well
    uint64 entries;       // whose distance was estimated
    uint64 passed;        // entries and other rows that the filter was asked about and let through
    uint64 skipped;       // and that it did not
    uint64 refined;       // rows
    uint64 rounds;        // of probes
    uint64 returned;      // rows
};

struct OrderedScan {
    static constexpr uint32 kMagic = 0x6F736361;

    uint32 magic;
    // Rows that may be returned, which must outlive the scan or be taken back; nullptr: every row.
    const TidSet* rows;
    // Rows that the query will still take; 0: not known.
    double wanted;
    // Of the rows that the scan returns, the share that the query takes, as estimated, because it tests a condition on
    // each; 0: there is none.
    double kept;
    // Rows whose distance is greater need not be returned, NaN and NULL included. Infinity or NaN: all are wanted.
    double radius;
    // Conditions on filter columns beside those of the scan's own keys (filter_clause.h); read when the scan starts.
    const ScanKeyData* more_keys;
    int more_key_count;
    // Of all rows, the share that conditions on filter columns let through, as estimated; 0: not known.
    double column_share;
    // Called, unless it is nullptr, before each round of probes but the first, without any lock or pin held: it may set
    // rows, wanted and kept, run other plan nodes, and fail.
    void (*next_round)(void* arg);
    void* next_round_arg;
    // No more rows are wanted. Looked at after next_round; whoever sets it takes it back.
    bool stop;
    // The index is a graph, and the counters tell of it: `refined` are the nodes visited, `entries` their edges.
    bool graph;
    // All rows within the radius are wanted, in no order, and none of them may be missed. They come without a distance.
    bool unordered;
    // Over all starts of the scan; whoever wants to, sets them to 0.
    ScanCounters counters;
};

inline void InitOrderedScan(OrderedScan* scan) {
    *scan = OrderedScan{};
    scan->magic = OrderedScan::kMagic;
    scan->radius = std::numeric_limits<double>::infinity();
}

// Of a scan of an index whose access method is ours.
[[nodiscard]] inline OrderedScan* OrderedScanOf(IndexScanDesc desc) {
    auto* scan = static_cast<OrderedScan*>(desc->opaque);
    if (scan->magic != OrderedScan::kMagic)
        elog(ERROR, "index \"%s\" has no ordered scan of annex", RelationGetRelationName(desc->indexRelation));
    return scan;
}

}  // namespace annex::pg

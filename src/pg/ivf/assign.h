// What every process of a build does with the rows that it scans: assign them to lists, encode them, put them into
// spools (spool.h).
#pragma once

#include "pg/pg.h"

extern "C" {
#include "nodes/execnodes.h"
#include "port/atomics.h"
}

#include "annex/list_builder.h"
#include "pg/index/filter_column.h"
#include "pg/index/opclass.h"
#include "pg/ivf/page.h"
#include "pg/ivf/spool.h"

namespace annex::pg::ivf {

// ---- Keys: list (16 bits) and heap TID (48), so that the order of rows depends on the data alone ----

static_assert(kMaxLists <= 1 << 16 && kSideChains <= 1 << 16);

[[nodiscard]] inline uint64 RowKey(uint32 list, HeapTid tid) {
    return static_cast<uint64>(list) << 48 | static_cast<uint64>(tid.block_high) << 32 |
           static_cast<uint64>(tid.block_low) << 16 | tid.offset;
}
[[nodiscard]] inline uint32 KeyList(uint64 key) {
    return static_cast<uint32>(key >> 48);
}
[[nodiscard]] inline HeapTid KeyTid(uint64 key) {
    return {static_cast<uint16>(key >> 32), static_cast<uint16>(key >> 16), static_cast<uint16>(key)};
}
// The greatest key of `lists` lists.
[[nodiscard]] inline uint64 LastKey(uint32 lists) {
    return (static_cast<uint64>(lists) << 48) - 1;
}

// A row's payload: this, then the record that ListBuilder encoded. That of a row without codes is the values of its
// filter columns; the list of its key is a SideChain.
struct AssignedHead {
    uint32 secondary;  // list of the second copy, or kNoList
    float squared_residual;
};

struct AssignPlan {
    SpoolPlan rows;
    SpoolPlan sides;
};

// rows: estimated
[[nodiscard]] AssignPlan PlanAssigning(const ListBuilder& builder, double rows, int processes);

// Where rows go: names of the spools' files in a shared file set.
inline constexpr const char* kRowSpool = "rows";
inline constexpr const char* kSideSpool = "sides";

struct Assigning {
    ListBuilder* builder;
    FloatReader reader;
    FilterColumns columns;
    Spool rows;
    Spool sides;
    MemoryContext tuple_context;  // reset for each heap tuple
    double index_tuples;          // by this process
    pg_atomic_uint64* assigned;   // rows by all processes
    bool report;                  // progress
};

// Scans the table, or what `scan` leaves to this process of a parallel scan; returns its tuples.
double AssignRows(Assigning* assigning, Relation heap, Relation index, IndexInfo* index_info, TableScanDesc scan);

}  // namespace annex::pg::ivf

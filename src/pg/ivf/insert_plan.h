// Which lists a new row is put into.
//
// A row belongs into the nearest list of the current generation, and with `spill` into a second one. While maintenance
// builds another generation (README.md, "Generations"), a row that is put into a list that will have died by then is
// put into the nearest lists of that generation as well.
//
// All this is found out without a lock that lasts, from a copy of the meta page. Whether the index is still what the
// copy says is looked at when the row is written; if not, everything is planned again.
#pragma once

#include "annex/row_placer.h"
#include "pg/index/filter_column.h"
#include "pg/index/opclass.h"
#include "pg/ivf/cache.h"
#include "pg/ivf/ivf.h"

namespace annex::pg::ivf {

// What the rows of one statement share.
struct Inserter {
    Relation index;
    MemoryContext context;      // as long as the statement
    MemoryContext row_context;  // reset after each row
    MetaPage meta;              // as read last
    MetaPage pending_meta;      // PendingMeta(meta), once it was needed

    // Cache entries of both, each pinned by a context of its own.
    CachedIndex* cached;
    CachedIndex* pending_cached;  // nullptr: not needed yet
    MemoryContext cached_context;
    MemoryContext pending_context;
    uint32 pending_rows;  // that were put into pending lists

    BlockNumber left_row_page;  // a row page that is full, as the inserter knows, or InvalidBlockNumber
    FloatReader reader;
    FilterColumns columns;
    RowPlacer* placer;
    uint8* pack_scratch;  // 32 entries
    int8* row_scratch;
};

// A list that is to get the row's entry.
struct Target {
    ListId id;
    uint64 generation;     // of the list
    const MetaPage* meta;  // the generation in which it was chosen, and its cache entry
    CachedIndex* cached;
    uint8* entry;
    BlockNumber block;  // the page to try, or InvalidBlockNumber: none is known
    int found_busy;     // how often a page was locked by someone else
};

struct ListKey {
    ListId id;
    uint64 generation;
};

// One row on its way into the index.
struct NewRow {
    HeapTid heap_tid;
    const uint8* values;  // of its filter columns

    Target targets[RowPlacer::kMostPlacements];  // lists that are to get an entry yet
    int target_count;
    uint16 mark;  // PendingMark() of the pending generation that the row was first planned for; 0: none

    bool written;       // the row is in the index, at `place`, and has entries in the lists `done`
    uint64 written_at;  // the index's generation then
    Place place;
    bool filled;  // its page
    ListKey* done;
    int done_count;
};

// The statement's inserter, made for its first row.
[[nodiscard]] Inserter* GetInserter(Relation index, IndexInfo* index_info);

// Reads the meta page again, because the index has gone on.
void Refresh(Inserter* inserter);

// The row's class; nothing below may be called unless it is kNormal.
[[nodiscard]] RowClass BeginRow(Inserter* inserter, const float* x);

// Finds the lists that are to get an entry of the row yet, and encodes it for them. False: the index has gone on.
[[nodiscard]] bool PlanTargets(Inserter* inserter, NewRow* row);

}  // namespace annex::pg::ivf

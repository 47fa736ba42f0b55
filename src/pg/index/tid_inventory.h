// The heap TIDs that an index holds, noted while its pages are walked, and compared with each other and with the table.
#pragma once

#include "pg/pg.h"

extern "C" {
#include "utils/snapshot.h"
#include "utils/tuplesort.h"
}

#include "annex/sketch.h"

namespace annex::pg {

struct TidInventory {
    Relation index;
    Relation table;
    Size value_bytes;       // of the filter columns
    Tuplesortstate* notes;  // null: none are taken
};

// A heap TID as a number that sorts like it.
[[nodiscard]] uint64 TidNumber(HeapTid tid);
[[nodiscard]] BlockNumber BlockOfTid(uint64 tid);
[[nodiscard]] OffsetNumber OffsetOfTid(uint64 tid);
// Of the values of a row's filter columns, which are compared by it; 0: there are none.
[[nodiscard]] uint64 HashOfValues(const uint8* values, Size value_bytes);

// True when a heap tuple is gone or its transaction has failed: what is left of it in the index needs not be whole, and
// vacuum will not let its TID be used again before it has gone through the index.
[[nodiscard]] bool TupleIsGone(Relation table, uint64 tid);

// Within half of maintenance_work_mem.
void BeginTids(TidInventory* inventory);
void EndTids(TidInventory* inventory);
// `block`: where it stands, for messages.
void NoteTid(TidInventory* inventory, HeapTid tid, BlockNumber block, const uint8* values);
// To be called once, after the last note.
void SortTids(TidInventory* inventory);

// No heap TID stands in two places.
void CheckTidsDiffer(TidInventory* inventory);

// Which tuples an index should hold.
struct ExpectedRows {
    int dimensions;  // of the index
    bool all;        // without it: not those that have no distance to anything: NULLs and, under cosine, zero vectors
};
// Every tuple of the table that the snapshot sees and the index should hold is there, with the values of its filter
// columns.
void CheckTableIsIndexed(TidInventory* inventory, Snapshot snapshot, const ExpectedRows& expected);

}  // namespace annex::pg

// The parts of annex_verify: verify.cc walks the pages and checks each by itself and against those that refer to it;
// inventory.cc compares what the pages hold with each other and with the table.
#pragma once

#include "pg/ivf/page.h"

extern "C" {
#include "utils/snapshot.h"
#include "utils/tuplesort.h"
}

namespace annex::pg::ivf {

// What a block has turned out to be.
enum class Mark : uint8 {
    kUnknown = 0,  // not looked at yet
    kChained,      // reached from the meta page
    kHeapRows,     // rows of the table
    kCentroidRows,
    kTail,        // holds the second part of a row, not linked to yet
    kLinked,      // a row page refers to it, not looked at yet
    kLinkedTail,  // both
    kNew          // zeros: the relation was extended, and then nothing was written
};

// What the pages of an index hold, noted while they are walked and sorted within maintenance_work_mem.
struct Inventory {
    Relation index;
    Relation table;
    RowLayout layout;
    uint32 entries_per_row;   // how many lists hold a row
    Tuplesortstate* entries;  // rows and entries by place; null: not asked for
    Tuplesortstate* tids;     // heap TIDs of rows and side pages; null: not asked for

    // Results.
    uint64 stale_entries;  // whose place is free or holds another row
    uint64 leftover_rows;  // whose entries a vacuum removed before it was interrupted
};

// Starts to take notes; `with_entries`: rows and entries will be compared, not only the rows with the table.
void BeginInventory(Inventory* inventory, bool with_entries);
void EndInventory(Inventory* inventory);

void NoteRow(Inventory* inventory, Place place, HeapTid tid);
void NoteEntry(Inventory* inventory, Place place, HeapTid tid, uint32 list);
// `block`: where it stands, for messages.
void NoteTid(Inventory* inventory, HeapTid tid, BlockNumber block);
// To be called once, after the last note.
void SortInventory(Inventory* inventory);

// Every row has its entries, in different lists, unless its tuple is gone; entries refer to pages of rows.
// marks[blocks]
void CheckEntriesOfRows(Inventory* inventory, const Mark* marks, BlockNumber blocks);
// No heap TID stands in two places.
void CheckTidsDiffer(Inventory* inventory);
// Every tuple of the table that the snapshot sees and the index should hold is there.
void CheckTableIsIndexed(Inventory* inventory, Snapshot snapshot);

}  // namespace annex::pg::ivf

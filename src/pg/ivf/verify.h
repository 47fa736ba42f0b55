// The parts of annex_verify: verify.cc walks the pages, verify_pages.cc checks each of them, inventory.cc compares what
// they hold.
#pragma once

#include "pg/index/tid_inventory.h"
#include "pg/ivf/inspect.h"
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
    kTail,        // the second part of a row, to which no row page is known to link
    kLinkedTail,  // the same, linked to
    kFree,        // free to become anything
    kLeftover,    // of a list that lives no more, or not yet
    kNew          // zeros: the relation was extended, and then nothing was written
};

// What the pages of an index hold, noted while they are walked and sorted within maintenance_work_mem.
struct Inventory {
    RowLayout layout;
    uint32 entries_per_row;   // how many lists hold a row, at least
    Tuplesortstate* entries;  // rows and entries by place; null: not asked for
    TidInventory tids;        // of rows and side pages

    // Results.
    uint64 stale_entries;  // whose place is free or holds another row
    uint64 leftover_rows;  // whose entries a vacuum removed before it was interrupted
};

// Starts to take notes; `with_entries`: rows and entries will be compared, not only the rows with the table.
void BeginInventory(Inventory* inventory, bool with_entries);
void EndInventory(Inventory* inventory);

// values: of the filter columns; compared by a hash of 64 bits
void NoteRow(Inventory* inventory, Place place, HeapTid tid, const uint8* values);
void NoteEntry(Inventory* inventory, Place place, HeapTid tid, uint32 list, const uint8* values);
// To be called once, after the last note.
void SortInventory(Inventory* inventory);

// Every row has its entries, in different lists and with the values of its filter columns, unless its tuple is gone;
// entries refer to pages of rows.
// marks[blocks]
void CheckEntriesOfRows(Inventory* inventory, const Mark* marks, BlockNumber blocks);
struct ListMarks {
    bool entry;  // the root has its centroid's entry
    bool row;    // there is its centroid's row
};

// A verification under way. The Check functions of a page are in verify_pages.cc.
struct Verifier {
    Relation index;
    BlockNumber blocks;
    BlockNumber table_blocks;  // InvalidBlockNumber: TIDs of this table may be anything
    bool strict;               // pages are compared with each other
    bool with_tids;
    BufferAccessStrategy strategy;
    Page page;       // a copy of the page at hand
    Page tail_page;  // and of its row's second part

    MetaPage meta;
    RowLayout layout;
    SketchLayout sketches;
    SideLayout sides;
    Mark* marks;  // one a block
    ListDescriptor* lists;
    ListMarks* list_marks;
    uint32 list_slots;  // of descriptor pages, used or not

    Inventory inventory;
    uint64 rows;
    uint64 side_rows;
    BlockNumber lost_tails;
    BlockNumber leftovers;

    void Read(BlockNumber block) { CopyPage(index, block, strategy, page); }
    [[noreturn]] void Report(BlockNumber block, const char* reason) { ReportCorrupted(index, block, reason); }

    // Each page by itself; `page` holds it.
    void CheckMetaPage();
    void CheckMeanPage(BlockNumber block, uint32* values);
    void CheckDescriptorPage(BlockNumber block);
    // entries: compare them with the rows
    void CheckListPage(BlockNumber block, bool entries);
    void CheckRowPage(BlockNumber block);
    void CheckTailPage(BlockNumber block, Page tail);
    void CheckSidePage(BlockNumber block);
    void CheckAnyPage(BlockNumber block);

    // Chains.
    void Reach(BlockNumber from, BlockNumber block);
    void WalkMean();
    void WalkDescriptors();
    void WalkList(const ListDescriptor& list, ListId id);
    void WalkLists();
    void WalkSideChain(int chain);

    // The rest.
    void WalkOtherPages();
    void CheckLinks();

  private:
    void CheckUsed(BlockNumber block, Page checked, LocationIndex stored);
    void CheckTid(BlockNumber block, HeapTid tid);
    void CheckDescriptor(BlockNumber block, const ListDescriptor& list);
    void CheckValues(BlockNumber block, const uint8* values);
    void CheckEntry(BlockNumber block, ListId list, const SketchTrailer& entry, const uint8* values);
    void CheckCentroidEntry(BlockNumber block, const SketchTrailer& entry);
    void CheckBits(BlockNumber block, const RowHeader& row, const int8* codes, uint32 count);
    void CheckCodes(BlockNumber block, const int8* codes, uint32 count);
    void CheckRow(BlockNumber block, const RowPage& rows_page, uint16 slot);
    void CheckCentroidRow(BlockNumber block, Place place, HeapTid target);
    void CheckTailLink(BlockNumber block, bool needed);
    // Number of a list, or list_slots if there is none of that address.
    [[nodiscard]] uint32 NumberOf(ListId id) const;
    // Whether a page is of a list that scans read.
    [[nodiscard]] bool OfLivingList(const ListPage& list) const;
    [[nodiscard]] ListId IdOf(uint32 list) const { return ListAt(meta, list); }
};

}  // namespace annex::pg::ivf

// What annex_verify, annex_index_info, annex_recall and annex_maintain share: who may look at an index, what its access
// method has for them, and reading its pages one by one.
#pragma once

#include "pg/index/page.h"
#include "pg/result_row.h"

namespace annex::pg {

struct Inspection;

struct InspectedIndex {
    Relation table;
    Relation index;
    LOCKMODE lock;  // held on both
    const Inspection* method;
};

// What an access method has for those who look into its indexes.
struct Inspection {
    const char* method;
    bool (*owns)(Relation index);
    // annex_verify. strict: nobody writes meanwhile (ShareLock). Otherwise, during recovery, each page is checked by
    // itself.
    void (*verify)(const InspectedIndex& inspected, bool heapallindexed, bool strict);
    // annex_index_info: its columns.
    void (*describe)(Relation index, ResultRow* row);
    // annex_recall: columns that say what a search for k rows is set to.
    void (*describe_search)(Relation index, double k, ResultRow* row);
    // annex_maintain: does what is due, or all of it by force, and fills in what it has done.
    void (*maintain)(const InspectedIndex& inspected, bool force, ResultRow* row);
};

// `inspection` must live as long as the library. Once for each, when the library is loaded.
void RegisterInspection(const Inspection* inspection);

enum class Privilege {
    kOwner,  // of the table, directly or through a role
    kReader  // SELECT on the table
};

// Opens an index of ours and its table for `purpose` (a verb, for messages). ERROR for anything that is not a complete
// index of ours within this session's reach, and for callers without the privilege; they are refused before a lock is
// taken.
[[nodiscard]] InspectedIndex OpenInspected(Oid index_oid, LOCKMODE lock, Privilege privilege, const char* purpose);
void CloseInspected(const InspectedIndex& inspected);

// Copies a page under a share lock, so that none is held while it is looked at. copy[BLCKSZ]. Can be cancelled.
void CopyPage(Relation index, BlockNumber block, BufferAccessStrategy strategy, Page copy);

// The kind of a page that may be of any; ERROR if the page is not of this format.
[[nodiscard]] uint8 CheckedKind(Relation index, BlockNumber block, Page page, const PageFormat& format);

// What is used of a page must end where its header says so, at least: WAL leaves out what follows. `lower`: where the
// page's contents say that they end.
void CheckUsed(Relation index, BlockNumber block, Page page, Size lower);

// ERROR where a transaction's snapshot is older than the index: it may see tuples of HOT chains that the index need not
// have.
void CheckSnapshotFits(Relation index, Snapshot snapshot);

}  // namespace annex::pg

// What annex_verify and annex_index_info share: who may look at an index, and reading its pages one by one.
#pragma once

#include "pg/ivf/page.h"

namespace annex::pg::ivf {

struct InspectedIndex {
    Relation table;
    Relation index;
    LOCKMODE lock;  // held on both
};

enum class Privilege {
    kOwner,  // of the table, directly or through a role
    kReader  // SELECT on the table
};

// Opens an ivf index and its table for `purpose` (a verb, for messages). ERROR for anything that is not a complete ivf
// index within this session's reach, and for callers without the privilege; they are refused before a lock is taken.
[[nodiscard]] InspectedIndex OpenInspected(Oid index_oid, LOCKMODE lock, Privilege privilege, const char* purpose);
void CloseInspected(const InspectedIndex& inspected);

// Copies a page under a share lock, so that none is held while it is looked at. copy[BLCKSZ]. Can be cancelled.
void CopyPage(Relation index, BlockNumber block, BufferAccessStrategy strategy, Page copy);

// The kind of a page that may be of any; ERROR if the page is not one of ours.
[[nodiscard]] PageKind CheckedKind(Relation index, BlockNumber block, Page page);

}  // namespace annex::pg::ivf

// Growing an index: new pages for lists, rows and side chains. Each is linked by one WAL record before anything is put
// on it.
#pragma once

#include "pg/ivf/ivf.h"

namespace annex::pg::ivf {

// Bytes that the free space map must promise for one row; the map knows row pages only.
[[nodiscard]] Size FreeSpaceForRow(const RowLayout& layout);
[[nodiscard]] Size FreeSpaceOnPage(const RowLayout& layout, uint32 free_slots);

// An empty page at the list's end, or its last page if that has room (someone else has just made it, or the hint where
// to look was wrong).
[[nodiscard]] BlockNumber ExtendList(Relation index, const MetaPage& meta, ListId id);

// An empty row page, with its second page where rows take two; noted on the meta page and in the free space map.
[[nodiscard]] BlockNumber AddRowPage(Relation index, const MetaPage& meta);

// The same for a side chain.
[[nodiscard]] BlockNumber ExtendSideChain(Relation index, SideChain chain);

}  // namespace annex::pg::ivf

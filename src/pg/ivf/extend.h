// Growing an index: new pages for lists, rows and side chains. Each is linked by one WAL record before anything is put
// on it.
//
// The free space map knows pages of two kinds: row pages by the rows that fit, and free pages (PageKind::kFree), which
// promise kFreePageSpace, more than any row page. What it says is a hint: pages are looked at under their lock.
#pragma once

#include "pg/index/new_page.h"
#include "pg/ivf/ivf.h"

namespace annex::pg::ivf {

// A page to be made something by the caller: exclusively locked, and either free or one by which the relation was just
// extended. No lock is waited for, so that it may be called under any others.
[[nodiscard]] Buffer NewPage(Relation index);

// Makes a page of zeros, exclusively locked, a free one, in the map as well.
void FreeEmptyPage(Relation index, Buffer buffer);

// Bytes that the map must promise for one row, and those that a row page promises.
[[nodiscard]] Size FreeSpaceForRow(const RowLayout& layout);
[[nodiscard]] Size FreeSpaceOnPage(const RowLayout& layout, uint32 free_slots);

// Pages of a list that have room, as far as someone knows who wants another one; InvalidBlockNumber: there are none.
struct ListRoom {
    BlockNumber first;
    BlockNumber last;
};

// An empty page at the list's end, or its last page if that has room (someone else has just made it, or the hint where
// to look was wrong). InvalidBlockNumber: the list of that generation is no longer used.
[[nodiscard]] BlockNumber ExtendList(Relation index, const MetaPage& meta, ListId id, uint64 generation,
                                     const ListRoom& room);

// An empty row page, with its second page where rows take two. `left`: a row page that is full, or InvalidBlockNumber;
// where the meta page names that one or none, it names the new one.
[[nodiscard]] BlockNumber AddRowPage(Relation index, const MetaPage& meta, BlockNumber left);

// The same for a side chain, if its last page has no room.
[[nodiscard]] BlockNumber ExtendSideChain(Relation index, const MetaPage& meta, SideChain chain);

}  // namespace annex::pg::ivf

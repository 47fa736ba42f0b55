// What a backend keeps of the hnsw indexes it uses: the space, the rows that searches start from, and where pages were
// last found in shared buffers.
//
// An entry belongs to a relfilenumber and goes stale with every relcache invalidation of the index. Users pin entries:
// a stale one is freed when its last user lets go. The rows to start from are read again when the meta page says that
// they have changed.
#pragma once

#include "annex/entry_table.h"
#include "pg/hnsw/page.h"

namespace annex::pg::hnsw {

struct CachedIndex;

// The entry of an index, made if need be and pinned until the memory context goes. `meta` was read just now.
[[nodiscard]] CachedIndex* AcquireIndex(Relation index, const MetaPage& meta, MemoryContext owner);
// Reads the rows to start from again if they are others by now. To be called before a search; a search that runs keeps
// nothing of them.
void RefreshEntries(CachedIndex* cached, Relation index, const MetaPage& meta);

// Adds one that the caller has just made an entry of the index.
void AddToEntries(CachedIndex* cached, NodeId node, ConstGraphNode record);

[[nodiscard]] const Space& SpaceOf(const CachedIndex& cached);
[[nodiscard]] const EntryTable& EntriesOf(const CachedIndex& cached);

// Pins a page, trying the buffer where it was found before.
[[nodiscard]] Buffer PinPage(CachedIndex* cached, Relation index, BlockNumber block);
// Asks for the memory that pinning a page takes, and tells where the page was found last, so that its own memory can be
// asked for; nullptr: not known. Nothing may be read there.
[[nodiscard]] const char* PrefetchPin(const CachedIndex* cached, BlockNumber block);
void PrefetchHint(const CachedIndex* cached, BlockNumber block);

}  // namespace annex::pg::hnsw

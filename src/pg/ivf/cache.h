// What a backend keeps of the indexes it uses: the space, the centroids, and where their pages were last found in
// shared buffers. Bounded by ivf.cache_size.
//
// An entry belongs to a relfilenumber and to the index's generation, and goes stale with every relcache invalidation of
// the index. Users pin entries: a stale one is freed when its last user lets go.
#pragma once

#include "annex/centroid_table.h"
#include "pg/ivf/ivf.h"

namespace annex::pg::ivf {

struct CachedIndex;

// The entry of an index, made if need be and pinned until the memory context goes. `meta` was read under the caller's
// snapshot. Where the index has gone on to another generation meanwhile, which a snapshot of the primary prevents,
// `meta` is read again.
[[nodiscard]] CachedIndex* AcquireIndex(Relation index, MetaPage* meta, MemoryContext owner);
// The entry of a PendingMeta(), kept apart from those of the generations that have come: where its lists begin is not
// settled yet. nullptr: it is no longer pending.
[[nodiscard]] CachedIndex* AcquirePendingIndex(Relation index, const MetaPage& meta, MemoryContext owner);

[[nodiscard]] uint64 GenerationOf(const CachedIndex& cached);
[[nodiscard]] const Space& SpaceOf(const CachedIndex& cached);
// nullptr: the centroids do not fit into ivf.cache_size and are read from their pages.
[[nodiscard]] const CentroidTable* CentroidsOf(const CachedIndex& cached);
// The descriptor of a list whose first page and generation never change once it has a page; false: it has moved
// (CheckMoved).
[[nodiscard]] bool DescriptorOf(CachedIndex* cached, Relation index, const MetaPage& meta, ListId id,
                                ListDescriptor* descriptor);
// Where the backend has put a row into a list last: the cached descriptor's `insert` from now on. A hint.
void RememberInsertPage(CachedIndex* cached, const MetaPage& meta, ListId id, BlockNumber block);
// Pins a page, trying the buffer where it was found before.
[[nodiscard]] Buffer PinPage(CachedIndex* cached, Relation index, BlockNumber block);

// Asks for the memory of a list's descriptor, which is soon to be looked at.
void PrefetchDescriptor(const CachedIndex* cached, const MetaPage& meta, ListId id);
// Asks for the memory in which it stands where the list's first page was found last.
void PrefetchHint(const CachedIndex* cached, const MetaPage& meta, ListId id);
// The first page of a list as far as the cache knows, or InvalidBlockNumber.
[[nodiscard]] BlockNumber FirstPageHint(const CachedIndex* cached, const MetaPage& meta, ListId id);
// Asks for the memory that pinning a page takes, and tells where the page was found last, so that its own memory can be
// asked for; nullptr: not known. Nothing may be read there: the buffer is not pinned and may hold another page by now.
const char* PrefetchPin(const CachedIndex* cached, BlockNumber block);

}  // namespace annex::pg::ivf

// Assign hook of ivf.cache_size.
extern "C" void AssignCacheSize(int kilobytes, void* extra) noexcept;

// Walks a graph on pages: shows the nodes that a search asks for, one page at a time. What scans, inserts, repair and
// calibration share.
//
// Every function holds at most one content lock at a time and none when it returns. Interrupts are served between
// visits.
#pragma once

#include "annex/graph_search.h"
#include "pg/hnsw/cache.h"
#include "pg/hnsw/page.h"

namespace annex::pg::hnsw {

struct Walker {
    Relation index;
    NodePlaces places;
    Size value_bytes;  // of the filter columns
    CachedIndex* cached;
    GraphSearch* search;
    BlockNumber blocks;  // of the index, as known; pages may have been added since
};

// A walker for an index, whose search belongs to the memory context. `meta` was read just now.
[[nodiscard]] Walker NewWalker(Relation index, const MetaPage& meta, MemoryContext context);

// Whether a row passes; `values` are those of its filter columns. nullptr instead of it: every row does.
struct NodeFilter {
    // of a node that has further rows (`more`) it is enough if it might pass: whoever takes it out of the search tests
    // each of them
    bool (*passes)(const void* arg, const NodeHeader& header, const uint8* values);
    const void* arg;
};

// Begins a round with ef, starting from the entries nearest to the query where `from_entries`, and runs it to its end.
// Nodes that are gone are passed over. most_visits: the round ends there in any case; 0: it does not.
void RunRound(Walker* walker, size_t ef, bool from_entries, const NodeFilter* filter, uint64 most_visits);
// Lets the search start from all the entries that it has not visited: what no other node leads to is found so.
// To be called when it is exhausted.
void RunRoundFromAll(Walker* walker, size_t ef, const NodeFilter* filter, uint64 most_visits = 0);

// Places of nodes that lie evenly spread over the pages, one after the other: the i-th of `draws`. There may be no
// node.
[[nodiscard]] NodeId DrawnPlace(const NodePlaces& places, BlockNumber blocks, uint32 i, uint32 draws);
// How many places hold so many of an index's nodes.
[[nodiscard]] uint32 DrawsFor(const NodePlaces& places, BlockNumber blocks, double nodes, double wanted);

// A node's record copied under its page's lock; copy[BLCKSZ], 8-byte aligned. False: it is none (any more).
[[nodiscard]] bool CopyNode(Walker* walker, NodeId id, uint8* copy);

// Pins and locks the page of a node, which is checked; nullptr page if it is no page of nodes any more, with nothing
// held. The caller finds the record (NodePage::Find).
struct LockedNodePage {
    Buffer buffer;
    NodePage nodes;

    [[nodiscard]] bool valid() const { return BufferIsValid(buffer); }
    void Release() const { UnlockReleaseBuffer(buffer); }
};
[[nodiscard]] LockedNodePage LockNodePage(Walker* walker, BlockNumber block, int mode);
// Finds a node's record on its locked page; ERROR if it is damaged.
[[nodiscard]] RecordKind FindRecord(const Walker& walker, const LockedNodePage& page, NodeId id);

}  // namespace annex::pg::hnsw

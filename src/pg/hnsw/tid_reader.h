// Heap TIDs of rows that pass a scan's filter, copied from one page at a time: all of the index's, those of side rows,
// or those of one node.
#pragma once

#include "annex/columns.h"
#include "annex/tid_set.h"
#include "pg/hnsw/walk.h"
#include "pg/index/ordered_scan.h"

namespace annex::pg::hnsw {

// nullptr: any values, any row.
struct ScanRowFilter {
    const ColumnFilter* columns;
    const TidSet* rows;

    [[nodiscard]] bool filters() const { return columns != nullptr || rows != nullptr; }
    [[nodiscard]] bool Passes(HeapTid tid, const uint8* values) const {
        return (columns == nullptr || columns->Matches(values)) && (rows == nullptr || rows->Contains(tid));
    }
};

class TidReader {
  public:
    // What the reader uses must outlive it. `counters` learn what the filter was asked about.
    static TidReader* New(Walker* walker, const ScanRowFilter* filter, ScanCounters* counters);

    // The side rows, from the first page of their chain on.
    void BeginSideRows(BlockNumber first);
    // Every row of every node, in the order of the pages.
    void BeginNodes();
    // The rows of a node, as they are by now.
    void BeginNode(NodeId node);
    // False when there is no further one.
    [[nodiscard]] bool Next(HeapTid* tid);

  private:
    enum class Source : uint8 { kSideRows, kNodes, kNode };

    void Begin(Source source);
    [[nodiscard]] bool ReadMore();
    [[nodiscard]] bool ReadSidePage();
    [[nodiscard]] bool ReadNodePage();
    [[nodiscard]] bool ReadRecord();
    void KeepRecord(const LockedNodePage& page, uint16 slot, RecordKind kind);
    void Keep(HeapTid tid, const uint8* values);

    Walker* walker_;
    const ScanRowFilter* filter_;
    ScanCounters* counters_;
    Source source_;
    BlockNumber block_;  // to be read next
    NodeId node_;        // whose rows are read
    NodeId record_;      // to be read next: the node, or one of its chain
    uint64 steps_;       // along a chain
    uint32 count_;
    uint32 next_;
    HeapTid tids_[BLCKSZ / sizeof(HeapTid)];
};

}  // namespace annex::pg::hnsw

// Reading heap TIDs from pages. A row that another transaction puts in or takes out meanwhile may be met or not: it is
// invisible to the scan's snapshot, or dead to it.
#include "pg/hnsw/tid_reader.h"

extern "C" {
#include "miscadmin.h"
}

#include "pg/hnsw/hnsw.h"

namespace annex::pg::hnsw {

TidReader* TidReader::New(Walker* walker, const ScanRowFilter* filter, ScanCounters* counters) {
    auto* reader = static_cast<TidReader*>(palloc(sizeof(TidReader)));
    reader->walker_ = walker;
    reader->filter_ = filter;
    reader->counters_ = counters;
    reader->count_ = reader->next_ = 0;
    return reader;
}

void TidReader::Begin(Source source) {
    source_ = source;
    steps_ = 0;
    count_ = next_ = 0;
}

void TidReader::BeginSideRows(BlockNumber first) {
    Begin(Source::kSideRows);
    block_ = first;
}

void TidReader::BeginNodes() {
    Begin(Source::kNodes);
    block_ = 1;
}

void TidReader::BeginNode(NodeId node) {
    Begin(Source::kNode);
    node_ = record_ = node;
}

bool TidReader::Next(HeapTid* tid) {
    while (next_ == count_) {
        CHECK_FOR_INTERRUPTS();
        count_ = next_ = 0;
        if (!ReadMore()) return false;
    }
    *tid = tids_[next_++];
    return true;
}

bool TidReader::ReadMore() {
    switch (source_) {
        case Source::kSideRows:
            return ReadSidePage();
        case Source::kNodes:
            return ReadNodePage();
        case Source::kNode:
            return ReadRecord();
    }
    return false;
}

void TidReader::Keep(HeapTid tid, const uint8* values) {
    if (!tid.valid()) return;
    if (filter_->filters()) {
        const bool passes = filter_->Passes(tid, values);
        (passes ? counters_->passed : counters_->skipped)++;
        if (!passes) return;
    }
    tids_[count_++] = tid;
}

void TidReader::KeepRecord(const LockedNodePage& page, uint16 slot, RecordKind kind) {
    if (kind == RecordKind::kNode) {
        const GraphNode node = page.nodes.node(walker_->places, slot);
        if (node.header().state == NodeState::kLive) Keep(node.header().heap_tid, node.values());
    } else if (kind == RecordKind::kTids) {
        const TidsView tids(walker_->places, walker_->value_bytes, page.nodes.record(slot));
        for (uint32 i = 0; i < tids.header().capacity; i++) Keep(*tids.tid(i), tids.values(i));
    }
}

bool TidReader::ReadSidePage() {
    if (block_ == InvalidBlockNumber) return false;
    Relation index = walker_->index;
    const BlockNumber blocks = RelationGetNumberOfBlocks(index);
    if (block_ == 0 || block_ >= blocks || steps_++ >= blocks)
        ReportCorrupted(index, block_, "the chain of side rows names an impossible page");
    Buffer buffer = ReadBuffer(index, block_);
    LockBuffer(buffer, BUFFER_LOCK_SHARE);
    const SideLayout layout{walker_->value_bytes};
    const SidePage page = SidePage::Open(index, block_, BufferGetPage(buffer), layout);
    for (uint32 i = 0; i < page.header->count; i++) Keep(*page.tid(layout, i), page.values(layout, i));
    block_ = NextOf(page.page);
    UnlockReleaseBuffer(buffer);
    return true;
}

bool TidReader::ReadNodePage() {
    if (block_ >= RelationGetNumberOfBlocks(walker_->index)) return false;
    const BlockNumber block = block_++;
    const LockedNodePage page = LockNodePage(walker_, block, BUFFER_LOCK_SHARE);
    if (!page.valid()) return true;
    for (uint16 slot = 0; slot < page.nodes.header->slots; slot++)
        KeepRecord(page, slot, FindRecord(*walker_, page, walker_->places.At(block, slot)));
    page.Release();
    return true;
}

// The node may be gone, and its records another's: then there is nothing that anybody may see.
bool TidReader::ReadRecord() {
    if (record_ == kNoNode) return false;
    const NodePlaces& places = walker_->places;
    const BlockNumber block = places.Block(record_);
    const uint64 most = static_cast<uint64>(RelationGetNumberOfBlocks(walker_->index)) * places.slots_per_page;
    if (steps_++ > most) ReportCorrupted(walker_->index, block, "a chain of heap TIDs has no end");
    const LockedNodePage page = LockNodePage(walker_, block, BUFFER_LOCK_SHARE);
    if (!page.valid()) return false;
    const uint16 slot = places.Slot(record_);
    const RecordKind kind = FindRecord(*walker_, page, record_);
    const bool node = kind == RecordKind::kNode && record_ == node_;
    const bool further = kind == RecordKind::kTids && record_ != node_ &&
                         TidsView(places, walker_->value_bytes, page.nodes.record(slot)).owner() == node_;
    if (node || further) KeepRecord(page, slot, kind);
    record_ = node || further ? page.nodes.node(places, slot).header().more : kNoNode;
    page.Release();
    return true;
}

}  // namespace annex::pg::hnsw

// annex_index_info and annex_recall of an hnsw index: what it consists of, counted page by page, and what searches
// take.
#include "pg/hnsw/hnsw.h"
#include "pg/hnsw/inspect.h"
#include "pg/index/rerank.h"

namespace annex::pg::hnsw {
namespace {

constexpr int kPageKinds = static_cast<int>(PageKind::kFree) + 1;  // the first one stands for pages of zeros

struct Counts {
    int64 pages[kPageKinds];
    int64 rows;  // of live nodes
    int64 side_rows;
    int64 nodes;  // live
    int64 dead_nodes;
    int64 free_slots;
    int64 edges;      // of live nodes
    int64 edge_room;  // that they have room for
    int64 entries;
};

void CountNode(const NodeHeader& header, Counts* counts) {
    if (header.state == NodeState::kDead) {
        counts->dead_nodes++;
        return;
    }
    counts->nodes++;
    counts->rows += header.heap_tid.valid() ? 1 : 0;
    counts->edges += header.edges;
    counts->edge_room += header.capacity;
}

void CountNodePage(Relation index, BlockNumber block, const NodePlaces& places, Size value_bytes, Page page,
                   Counts* counts) {
    const NodePage nodes = NodePage::Open(index, block, page, places);
    for (uint16 slot = 0; slot < nodes.header->slots; slot++) {
        switch (nodes.Find(places, value_bytes, slot)) {
            case RecordKind::kNone:
                counts->free_slots++;
                break;
            case RecordKind::kNode:
                CountNode(nodes.node(places, slot).header(), counts);
                break;
            case RecordKind::kTids:
                counts->rows += TidsView(places, value_bytes, nodes.record(slot)).header().edges;
                break;
            case RecordKind::kDamaged:
                ReportCorrupted(index, block, "a node's numbers are impossible");
        }
    }
}

void CountPage(Relation index, const MetaPage& meta, BlockNumber block, Page page, Counts* counts) {
    if (PageIsNew(page)) {
        counts->pages[0]++;
        return;
    }
    const auto kind = static_cast<PageKind>(CheckedKind(index, block, page, kFormat));
    if (static_cast<int>(kind) < 1 || static_cast<int>(kind) >= kPageKinds)
        ReportCorrupted(index, block, "the page is of an unknown kind");
    counts->pages[static_cast<int>(kind)]++;
    const Size value_bytes = ColumnsOf(meta).value_bytes();
    if (kind == PageKind::kNodes)
        CountNodePage(index, block, PlacesOf(meta), value_bytes, page, counts);
    else if (kind == PageKind::kEntries)
        counts->entries += EntriesPage::Open(index, block, page).header->count;
    else if (kind == PageKind::kSide)
        counts->side_rows += SidePage::Open(index, block, page, {value_bytes}).header->count;
}

Counts CountPages(Relation index, const MetaPage& meta) {
    Counts counts{};
    BufferAccessStrategy strategy = GetAccessStrategy(BAS_BULKREAD);
    auto page = static_cast<Page>(palloc(BLCKSZ));
    const BlockNumber blocks = RelationGetNumberOfBlocks(index);
    for (BlockNumber block = 0; block < blocks; block++) {
        CopyPage(index, block, strategy, page);
        CountPage(index, meta, block, page, &counts);
    }
    return counts;
}

// Rows that the search for k rows is to find, of which a scan of images returns some.
double RowsToSearch(Relation index, const MetaPage& meta, double k) {
    return HasImages(index, static_cast<int>(meta.dimensions)) ? RerankedFor(k) : k;
}

// What scans take from the calibration, as a JSON array; finite numbers, as far as the meta page is sound.
const char* CalibrationJson(const MetaPage& meta) {
    StringInfoData json;
    initStringInfo(&json);
    for (int k = 0; k < kCalibratedKs; k++)
        for (const CalibrationEntry& entry : meta.calibration[k])
            appendStringInfo(&json, "%c{\"k\": %g, \"recall\": %g, \"ef\": %.0f, \"visits\": %.0f}",
                             json.len == 0 ? '[' : ',', kCalibratedK[k], static_cast<double>(entry.recall),
                             static_cast<double>(entry.ef), static_cast<double>(entry.visits));
    appendStringInfoChar(&json, ']');
    return json.data;
}

}  // namespace

void DescribeIndex(Relation index, ResultRow* row) {
    MetaPage meta;
    ReadMeta(index, &meta);
    const Counts counts = CountPages(index, meta);
    const auto pages = [&counts](PageKind kind) { return counts.pages[static_cast<int>(kind)]; };
    int64 all_pages = 0;
    for (const int64 of_kind : counts.pages) all_pages += of_kind;
    const int64 bytes = all_pages * BLCKSZ;
    const int64 rows = counts.rows + counts.side_rows;
    row->Set("dimensions", meta.dimensions);
    row->Set("padded_dimensions", meta.padded);
    row->Set("rows", counts.rows);
    row->Set("first_rows", counts.side_rows);
    row->Set("free_row_slots", counts.free_slots);
    row->Set("meta_pages", pages(PageKind::kMeta));
    row->Set("mean_pages", pages(PageKind::kMean));
    row->Set("side_pages", pages(PageKind::kSide));
    row->Set("other_pages", counts.pages[0]);
    row->Set("free_pages", pages(PageKind::kFree));
    row->Set("bytes", bytes);
    if (rows > 0) row->Set("bytes_per_row", static_cast<double>(bytes) / static_cast<double>(rows));
    row->Set("m", static_cast<uint32>(meta.m));
    row->Set("ef_construction", static_cast<uint32>(meta.ef_construction));
    row->Set("nodes", counts.nodes);
    row->Set("dead_nodes", counts.dead_nodes);
    if (counts.nodes > 0) {
        row->Set("edges_avg", static_cast<double>(counts.edges) / static_cast<double>(counts.nodes));
        row->Set("edges_most_avg", static_cast<double>(counts.edge_room) / static_cast<double>(counts.nodes));
    }
    row->Set("entry_nodes", counts.entries);
    row->Set("node_pages", pages(PageKind::kNodes));
    row->Set("entry_pages", pages(PageKind::kEntries));
    row->Set("ef", static_cast<double>(EffortFor(meta, RowsToSearch(index, meta, 0)).ef));
    if (!(meta.calibrated_nodes > 0)) return;
    row->Set("calibrated_rows", meta.calibrated_nodes);
    row->SetJson("calibration", CalibrationJson(meta));
}

void DescribeSearch(Relation index, double k, ResultRow* row) {
    MetaPage meta;
    ReadMeta(index, &meta);
    row->Set("ef", static_cast<double>(EffortFor(meta, RowsToSearch(index, meta, k)).ef));
}

}  // namespace annex::pg::hnsw

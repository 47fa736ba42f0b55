// annex_index_info of an ivf index: what it consists of, counted page by page.
#include "pg/ivf/inspect.h"

extern "C" {
#include "storage/bufmgr.h"
}

#include <cmath>

#include "pg/index/opclass.h"
#include "pg/ivf/maintain.h"

namespace annex::pg::ivf {
namespace {

constexpr int kPageKinds = static_cast<int>(PageKind::kFree) + 1;  // the first one stands for pages of zeros

constexpr const char* kSideColumns[kSideChains] = {"first_rows", "nan_rows", "null_rows"};

struct IndexInfoCounts {
    int64 pages[kPageKinds];
    int64 rows;        // with codes
    int64 free_slots;  // of row pages, that a row had
    int64 side_rows[kSideChains];
    int64 entries;          // live
    int64 dead_entries;     // whose place in a block is not used again before the page is packed anew
    int64* list_sizes;      // one a descriptor
    uint64* generations;    // of the lists that live, else 0
    double squared_errors;  // of the sketches in them
};

struct ListSizes {
    int64 smallest;
    int64 largest;
    int64 total;
    double sum_of_squares;
};

void CountListPage(const MetaPage& meta, const ListPage& page, IndexInfoCounts* counts) {
    uint32 list;
    if (!LivingListOf(meta, page, counts->generations, &list)) return;
    // A slot of a block that never held an entry has place 0, which is the meta page's.
    page.ForEachTrailer(SketchLayoutOf(meta), [counts](const BlockTrailer* trailer) {
        for (Size v = 0; v < kBlockSize; v++)
            if (!trailer->heap_tid[v].valid() && trailer->place[v] != 0) counts->dead_entries++;
    });
    counts->squared_errors += SquaredSketchErrors(meta, page);
    counts->entries += page.header->live;
    counts->list_sizes[list] += page.header->live;
}

void CountPage(Relation index, const MetaPage& meta, BlockNumber block, Page page, IndexInfoCounts* counts) {
    if (PageIsNew(page)) {
        counts->pages[0]++;
        return;
    }
    const auto kind = static_cast<PageKind>(CheckedKind(index, block, page, kFormat));
    if (static_cast<int>(kind) < 1 || static_cast<int>(kind) >= kPageKinds)
        ReportCorrupted(index, block, "the page is of an unknown kind");
    counts->pages[static_cast<int>(kind)]++;
    if (kind == PageKind::kList) {
        CountListPage(meta, ListPage::Open(index, block, page, SketchLayoutOf(meta)), counts);
    } else if (kind == PageKind::kRows) {
        const RowPage rows = RowPage::Open(index, block, page, RowLayoutOf(meta));
        if (rows.header->owner == RowOwner::kCentroids) return;
        counts->rows += rows.header->live;
        counts->free_slots += rows.header->used - rows.header->live;
    } else if (kind == PageKind::kSide) {
        const SidePage side = SidePage::Open(index, block, page, SideLayoutOf(meta));
        counts->side_rows[static_cast<int>(side.header->chain)] += side.header->count;
    }
}

template <typename T>
T* ZeroedArray(Size count) {
    return static_cast<T*>(
        MemoryContextAllocExtended(CurrentMemoryContext, count * sizeof(T), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO));
}

void CountPages(Relation index, const MetaPage& meta, IndexInfoCounts* counts) {
    BufferAccessStrategy strategy = GetAccessStrategy(BAS_BULKREAD);
    auto page = static_cast<Page>(palloc(BLCKSZ));
    const BlockNumber blocks = RelationGetNumberOfBlocks(index);
    for (BlockNumber block = 0; block < blocks; block++) {
        CopyPage(index, block, strategy, page);
        CountPage(index, meta, block, page, counts);
    }
}

ListSizes MeasureLists(const MetaPage& meta, const IndexInfoCounts& counts) {
    ListSizes sizes{INT64_MAX, 0, 0, 0};
    for (uint32 list = 0; list < DescriptorSlots(meta); list++) {
        if (counts.generations[list] == 0) continue;
        const int64 size = counts.list_sizes[list];
        if (size < sizes.smallest) sizes.smallest = size;
        if (size > sizes.largest) sizes.largest = size;
        sizes.total += size;
        sizes.sum_of_squares += static_cast<double>(size) * static_cast<double>(size);
    }
    return sizes;
}

Census CensusOf(const MetaPage& meta, const IndexInfoCounts& counts) {
    const uint32 slots = DescriptorSlots(meta);
    Census census{};
    census.rows = static_cast<double>(counts.rows);
    census.list_sizes = ZeroedArray<uint32>(slots);
    for (uint32 list = 0; list < slots; list++)
        if (counts.generations[list] != 0) census.list_sizes[list] = static_cast<uint32>(counts.list_sizes[list]);
    SumUp(meta, slots, counts.squared_errors, &census);
    return census;
}

// What scans take from the calibration, as a JSON array; the meta page's numbers are finite.
const char* CalibrationJson(const MetaPage& meta) {
    StringInfoData json;
    initStringInfo(&json);
    for (int k = 0; k < kCalibratedKs; k++)
        for (const CalibrationEntry& entry : meta.calibration[k])
            appendStringInfo(
                &json,
                "%c{\"k\": %d, \"recall\": %g, \"probes\": %.1f, \"most\": %u, \"epsilon\": %.2f, \"patience\": %.3f}",
                json.len == 0 ? '[' : ',', kCalibratedK[k], static_cast<double>(entry.recall),
                static_cast<double>(entry.lists), entry.probes, static_cast<double>(entry.epsilon),
                static_cast<double>(entry.patience));
    appendStringInfoChar(&json, ']');
    return json.data;
}

// The lists, what they were made for and what has become of it, and what scans do with them.
void DescribeLists(Relation index, const MetaPage& meta, const IndexInfoCounts& counts, ResultRow* row) {
    const Census census = CensusOf(meta, counts);
    uint32 lists;
    const bool due = ListsAreDue(meta, census, &lists) || meta.pending != 0;
    const ScanSettings settings = SettingsOf(index, meta, 0);
    row->Set("free_pages", counts.pages[static_cast<int>(PageKind::kFree)]);
    row->Set("list_option", meta.list_option);
    row->Set("recommended_lists", lists);
    row->Set("generation", static_cast<int64>(meta.generation));
    row->Set("being_replaced", meta.pending != 0);
    row->Set("listed_rows", meta.listed_rows);
    if (meta.listed_residual > 0) row->Set("drift", census.residual / meta.listed_residual);
    row->Set("maintenance_due", due);
    row->Set("probes", static_cast<double>(settings.lists));
    row->Set("epsilon", static_cast<double>(settings.epsilon));
    if (!(meta.calibrated_rows > 0)) return;
    row->Set("calibrated_rows", meta.calibrated_rows);
    row->SetJson("calibration", CalibrationJson(meta));
}

void Describe(const MetaPage& meta, const IndexInfoCounts& counts, ResultRow* row) {
    const int64 copies = meta.spill != 0 && meta.lists > 1 ? 2 : 1;
    const int64 stale = counts.entries > counts.rows * copies ? counts.entries - counts.rows * copies : 0;
    int64 all_rows = counts.rows;
    for (const int64 side_rows : counts.side_rows) all_rows += side_rows;
    int64 all_pages = 0;
    for (const int64 pages : counts.pages) all_pages += pages;
    const int64 bytes = all_pages * BLCKSZ;
    const ListSizes sizes = MeasureLists(meta, counts);
    const auto total = static_cast<double>(sizes.total);
    const auto pages = [&counts](PageKind kind) { return counts.pages[static_cast<int>(kind)]; };

    row->Set("dimensions", meta.dimensions);
    row->Set("padded_dimensions", meta.padded);
    row->Set("lists", meta.lists);
    row->Set("spill", meta.spill != 0);
    row->Set("height", static_cast<uint32>(meta.height));
    row->Set("build_rows", meta.build_rows);
    row->Set("rows", counts.rows);
    for (int chain = 0; chain < kSideChains; chain++) row->Set(kSideColumns[chain], counts.side_rows[chain]);
    row->Set("entries", counts.entries);
    row->Set("stale_entries", stale);
    row->Set("dead_entries", counts.dead_entries);
    row->Set("free_row_slots", counts.free_slots);
    row->Set("list_size_min", sizes.total > 0 ? sizes.smallest : int64{0});
    row->Set("list_size_avg", total / meta.lists);
    row->Set("list_size_max", sizes.largest);
    row->Set("imbalance", sizes.sum_of_squares * meta.lists / (total * total));
    row->Set("meta_pages", pages(PageKind::kMeta));
    row->Set("mean_pages", pages(PageKind::kMean));
    row->Set("descriptor_pages", pages(PageKind::kDescriptors));
    row->Set("list_pages", pages(PageKind::kList));
    row->Set("row_pages", pages(PageKind::kRows) + pages(PageKind::kRowTail));
    row->Set("side_pages", pages(PageKind::kSide));
    row->Set("other_pages", counts.pages[0]);
    row->Set("bytes", bytes);
    if (all_rows > 0) row->Set("bytes_per_row", static_cast<double>(bytes) / static_cast<double>(all_rows));
}

}  // namespace

void DescribeIndex(Relation index, ResultRow* row) {
    MetaPage meta;
    ReadMeta(index, &meta);
    IndexInfoCounts counts{};
    counts.list_sizes = ZeroedArray<int64>(DescriptorSlots(meta));
    counts.generations = ZeroedArray<uint64>(DescriptorSlots(meta));
    ReadGenerations(index, meta, counts.generations);
    CountPages(index, meta, &counts);
    Describe(meta, counts, row);
    DescribeLists(index, meta, counts, row);
}

void DescribeSearch(Relation index, double k, ResultRow* row) {
    MetaPage meta;
    ReadMeta(index, &meta);
    const ScanSettings settings = SettingsOf(index, meta, k);
    row->Set("probes", static_cast<double>(settings.lists));
    row->Set("epsilon", static_cast<double>(settings.epsilon));
}

}  // namespace annex::pg::ivf

// annex_index_info(index): what an ivf index consists of, counted page by page.
//
// For anybody who may read the table. It holds AccessShareLock, so inserts and vacuum go on and the counts are of no
// one moment; in an index at rest they are exact. It reads every page of the index once, in the order of the file.
#include "pg/pg.h"

extern "C" {
#include "commands/defrem.h"
#include "funcapi.h"
}

#include <cmath>

#include "pg/function.h"
#include "pg/index/opclass.h"
#include "pg/ivf/inspect.h"
#include "pg/ivf/maintain.h"

namespace annex::pg::ivf {
namespace {

constexpr int kPageKinds = static_cast<int>(PageKind::kFree) + 1;  // the first one stands for pages of zeros

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
    const PageKind kind = CheckedKind(index, block, page);
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

// The row that is returned, filled from left to right.
struct ResultRow {
    static constexpr int kColumns = 42;
    int filled;
    Datum values[kColumns];
    bool nulls[kColumns];

    void Add(Datum value, bool is_null = false) {
        Assert(filled < kColumns);
        nulls[filled] = is_null;
        values[filled++] = value;
    }
    void Add(const char* value) { Add(CStringGetTextDatum(value)); }
    void Add(bool value) { Add(BoolGetDatum(value)); }
    void Add(uint32 value) { Add(Int32GetDatum(static_cast<int32>(value))); }
    void Add(int64 value) { Add(Int64GetDatum(value)); }
    // NaN and infinity stand for unknown.
    void Add(double value) { Add(Float8GetDatum(value), !std::isfinite(value)); }
};

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
Datum CalibrationJson(const MetaPage& meta) {
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
    return DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data));
}

// The lists, what they were made for and what has become of it, and what scans do with them.
void DescribeLists(Relation index, const MetaPage& meta, const IndexInfoCounts& counts, ResultRow* row) {
    const Census census = CensusOf(meta, counts);
    uint32 lists;
    const bool due = ListsAreDue(meta, census, &lists) || meta.pending != 0;
    const bool calibrated = meta.calibrated_rows > 0;
    const ScanSettings settings = SettingsOf(index, meta, 0);
    row->Add(counts.pages[static_cast<int>(PageKind::kFree)]);
    row->Add(meta.list_option);
    row->Add(lists);
    row->Add(static_cast<int64>(meta.generation));
    row->Add(meta.pending != 0);
    row->Add(meta.listed_rows);
    row->Add(meta.listed_residual > 0 ? census.residual / meta.listed_residual : NAN);
    row->Add(due);
    row->Add(calibrated ? meta.calibrated_rows : NAN);
    row->Add(static_cast<double>(settings.lists));
    row->Add(static_cast<double>(settings.epsilon));
    row->Add(calibrated ? CalibrationJson(meta) : Datum{0}, !calibrated);
}

void Describe(Relation index, const MetaPage& meta, const IndexInfoCounts& counts, ResultRow* row) {
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

    row->Add(get_am_name(index->rd_rel->relam));
    row->Add(OpclassOf(index).metric_name);
    row->Add(meta.dimensions);
    row->Add(meta.padded);
    row->Add(meta.lists);
    row->Add(meta.spill != 0);
    row->Add(static_cast<uint32>(meta.height));
    row->Add(meta.build_rows);
    row->Add(counts.rows);
    for (const int64 side_rows : counts.side_rows) row->Add(side_rows);
    row->Add(counts.entries);
    row->Add(stale);
    row->Add(counts.dead_entries);
    row->Add(counts.free_slots);
    row->Add(sizes.total > 0 ? sizes.smallest : 0);
    row->Add(total / meta.lists);
    row->Add(sizes.largest);
    row->Add(sizes.sum_of_squares * meta.lists / (total * total));
    row->Add(pages(PageKind::kMeta));
    row->Add(pages(PageKind::kMean));
    row->Add(pages(PageKind::kDescriptors));
    row->Add(pages(PageKind::kList));
    row->Add(pages(PageKind::kRows) + pages(PageKind::kRowTail));
    row->Add(pages(PageKind::kSide));
    row->Add(counts.pages[0]);
    row->Add(bytes);
    row->Add(all_rows > 0 ? static_cast<double>(bytes) / static_cast<double>(all_rows) : NAN);
}

}  // namespace
}  // namespace annex::pg::ivf

ANNEX_FUNCTION(annex_index_info) {
    using namespace annex::pg::ivf;
    TupleDesc desc = nullptr;
    if (get_call_result_type(fcinfo, nullptr, &desc) != TYPEFUNC_COMPOSITE)
        elog(ERROR, "annex_index_info must return a row");
    desc = BlessTupleDesc(desc);

    const InspectedIndex inspected = OpenInspected(PG_GETARG_OID(0), AccessShareLock, Privilege::kReader, "inspect");
    MetaPage meta;
    ReadMeta(inspected.index, &meta);
    IndexInfoCounts counts{};
    counts.list_sizes = ZeroedArray<int64>(DescriptorSlots(meta));
    counts.generations = ZeroedArray<uint64>(DescriptorSlots(meta));
    ReadGenerations(inspected.index, meta, counts.generations);
    CountPages(inspected.index, meta, &counts);
    ResultRow row{};
    Describe(inspected.index, meta, counts, &row);
    DescribeLists(inspected.index, meta, counts, &row);
    CloseInspected(inspected);
    if (row.filled != desc->natts) elog(ERROR, "annex_index_info is declared with %d columns", desc->natts);
    PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, row.values, row.nulls)));
}

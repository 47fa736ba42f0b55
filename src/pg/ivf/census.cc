// Taking stock of an index, and whether its lists still suit its rows.
#include "pg/ivf/maintain.h"

extern "C" {
#include "commands/vacuum.h"
}

#include <algorithm>
#include <cmath>

#include "annex/kernels.h"
#include "annex/list_builder.h"

namespace annex::pg::ivf {

// ---- Counting ----

struct Counting {
    Relation index;
    const MetaPage* meta;
    Census* census;
    uint64* generations;  // of the living lists, by number; else 0
    double squared_errors;
};

void ReadGenerations(Relation index, const MetaPage& meta, uint64* generations) {
    const uint32 slots = DescriptorSlots(meta);
    memset(generations, 0, slots * sizeof(uint64));
    for (uint32 first = 0; first < slots; first += kDescriptorsPerPage) {
        CHECK_FOR_INTERRUPTS();
        const BlockNumber block = ListAt(meta, first).block;
        Buffer buffer = ReadBuffer(index, block);
        LockBuffer(buffer, BUFFER_LOCK_SHARE);
        const DescriptorPage page = DescriptorPage::Open(index, block, BufferGetPage(buffer));
        for (uint16 slot = 0; slot < page.header->count; slot++)
            if (page.descriptors()[slot].LivesAt(meta.generation))
                generations[first + slot] = page.descriptors()[slot].generation;
        UnlockReleaseBuffer(buffer);
    }
}

bool LivingListOf(const MetaPage& meta, const ListPage& page, const uint64* generations, uint32* list) {
    return page.header->level == 0 && ListNumber(meta, page.list(), list) &&
           generations[*list] == page.header->generation;
}

double SquaredSketchErrors(const MetaPage& meta, const ListPage& page) {
    const SketchLayout layout = SketchLayoutOf(meta);
    double sum = 0;
    page.ForEachTrailer(layout, [&](const BlockTrailer* trailer) {
        for (Size v = 0; v < kBlockSize; v++)
            if (trailer->heap_tid[v].valid()) sum += SquaredSketchError(meta, trailer->f_error[v]);
    });
    for (uint32 i = 0; i < page.header->entries; i++) {
        SketchTrailer trailer;
        memcpy(&trailer, page.entry(i, layout) + CodeBytes(layout.padded), sizeof trailer);
        if (trailer.heap_tid.valid()) sum += SquaredSketchError(meta, trailer.factors.f_error);
    }
    return sum;
}

static void CountListPage(Counting* counting, const ListPage& page) {
    uint32 list;
    if (!LivingListOf(*counting->meta, page, counting->generations, &list)) return;
    counting->census->list_sizes[list] += page.header->live;
    counting->squared_errors += SquaredSketchErrors(*counting->meta, page);
}

static void CountPage(Counting* counting, BlockNumber block, BufferAccessStrategy strategy) {
    Relation index = counting->index;
    Buffer buffer = ReadBufferExtended(index, MAIN_FORKNUM, block, RBM_NORMAL, strategy);
    LockBuffer(buffer, BUFFER_LOCK_SHARE);
    Page page = BufferGetPage(buffer);
    if (PageIsOurs(page) && KindOf(page) == PageKind::kList) {
        CountListPage(counting, ListPage::Open(index, block, page, SketchLayoutOf(*counting->meta)));
    } else if (PageIsOurs(page) && KindOf(page) == PageKind::kRows) {
        const RowPage rows = RowPage::Open(index, block, page, RowLayoutOf(*counting->meta));
        if (rows.header->owner == RowOwner::kHeap) counting->census->rows += rows.header->live;
    }
    UnlockReleaseBuffer(buffer);
}

double SquaredSketchError(const MetaPage& meta, uint16 f_error) {
    if (IsOfBits(meta.metric)) return 0;
    const auto error = static_cast<double>(Bf16ToFloat(f_error));
    return std::isfinite(error) ? error * error : 0;
}

// The error of a sketch is the residual's length times sqrt((P ||r||^2 / ||r||_1^2 - 1) / (P - 1)), twice that but for
// inner product; after a random rotation P ||r||^2 / ||r||_1^2 is near pi / 2.
static double SquaredResidual(const MetaPage& meta, double squared_error) {
    const double length = meta.metric == Metric::kInnerProduct ? 1 : 4;
    return squared_error / length * (meta.padded - 1) / (3.14159265358979 / 2 - 1);
}

Census TakeCensus(Relation index, const MetaPage& meta, BufferAccessStrategy strategy) {
    const uint32 slots = DescriptorSlots(meta);
    const int flags = MCXT_ALLOC_ZERO | MCXT_ALLOC_HUGE;
    Census census{};
    census.list_sizes =
        static_cast<uint32*>(MemoryContextAllocExtended(CurrentMemoryContext, slots * sizeof(uint32), flags));
    Counting counting{
        index, &meta, &census,
        static_cast<uint64*>(MemoryContextAllocExtended(CurrentMemoryContext, slots * sizeof(uint64), flags)), 0};
    ReadGenerations(index, meta, counting.generations);
    const BlockNumber blocks = RelationGetNumberOfBlocks(index);
    for (BlockNumber block = 1; block < blocks; block++) {
        ANNEX_VACUUM_DELAY_POINT();
        CountPage(&counting, block, strategy);
    }
    SumUp(meta, slots, counting.squared_errors, &census);
    pfree(counting.generations);
    return census;
}

void SumUp(const MetaPage& meta, uint32 slots, double squared_errors, Census* census) {
    double squares = 0;
    for (uint32 list = 0; list < slots; list++) {
        const double size = census->list_sizes[list];
        census->entries += size;
        squares += size * size;
    }
    if (census->entries > 0) {
        census->imbalance = squares * meta.lists / (census->entries * census->entries);
        census->residual = SquaredResidual(meta, squared_errors / census->entries);
    }
}

// ---- Judging ----

// Growth by half, shrinking by as much: what a search then loses is less than a quarter, and what the work of making
// lists costs is spread over as many changes as there are rows.
static constexpr double kGrown = 1.5;
static constexpr double kShrunk = 0.6;
// A search scans in proportion to the imbalance.
static constexpr double kUneven = 1.25;
// Rows that lie this much farther (squared) from their centroids than when the lists were made.
static constexpr double kDrifted = 1.1;
static constexpr double kFewestRows = 1000;

bool ListsAreDue(const MetaPage& meta, const Census& census, uint32* lists) {
    const auto recommended = static_cast<uint32>(
        RecommendedLists(census.rows, SketchLayoutOf(meta), kListAreaBytes, static_cast<Size>(kMaxLists)));
    // An explicit number of lists holds as soon as the rows suffice for it.
    *lists = meta.list_option > 0 ? std::min(meta.list_option, std::max(recommended, 1U)) : recommended;
    if (meta.list_option > 0 && census.rows >= 4.0 * meta.list_option) *lists = meta.list_option;
    const uint32 wanted = *lists;
    *lists = ListsThatFit(meta, wanted, census.rows);
    if (census.rows < kFewestRows && *lists <= meta.lists) return false;
    // As many as there may be now, or made with more memory than there is now: neither is a reason.
    const bool as_before =
        meta.lists < meta.wanted_lists && *lists <= meta.wanted_lists && census.rows < kGrown * meta.listed_rows;
    if ((*lists >= kGrown * meta.lists && !as_before) || (wanted <= kShrunk * meta.lists && meta.lists > 1))
        return true;
    if (meta.lists == 1) return false;
    const double changed = std::fabs(census.rows - meta.listed_rows) / std::max(meta.listed_rows, 1.0);
    // Lists that nothing has been put into are as good as new ones would be.
    if (changed < 0.02 && meta.listed_imbalance == 0) return false;
    return (meta.listed_imbalance > 0 && census.imbalance > kUneven * meta.listed_imbalance) ||
           (meta.listed_residual > 0 && census.residual > kDrifted * meta.listed_residual);
}

}  // namespace annex::pg::ivf

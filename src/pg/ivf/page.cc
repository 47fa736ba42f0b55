// Checks of pages and their initialisation.
#include "pg/ivf/page.h"

#include <cmath>

#include "pg/guard.h"
#include "pg/index/filter_column.h"
#include "pg/index/opclass.h"

namespace annex::pg::ivf {

void CheckPage(Relation index, BlockNumber block, Page page, PageKind kind) {
    CheckPageFormat(index, block, page, kFormat, static_cast<uint8>(kind));
}

static Size HeaderEnd(PageKind kind) {
    switch (kind) {
        case PageKind::kMeta:
            return kHeaderOffset + sizeof(MetaPage);
        case PageKind::kMean:
            return kMeanOffset;
        case PageKind::kDescriptors:
            return kDescriptorOffset;
        case PageKind::kList:
            return kListAreaOffset;
        case PageKind::kRows:
            return kRowAreaOffset;
        case PageKind::kRowTail:
            return BLCKSZ;
        case PageKind::kSide:
            return kSideOffset;
        case PageKind::kFree:
            return kHeaderOffset;
    }
    return kHeaderOffset;
}

void InitPage(Page page, PageKind kind) {
    InitPageFormat(page, kFormat, static_cast<uint8>(kind), HeaderEnd(kind));
}

MetaPage* MetaOf(Page page) {
    return HeaderOf<MetaPage>(page);
}

// ---- Layouts ----

ColumnLayout ColumnsOf(const MetaPage& meta) {
    ColumnLayout columns;
    if (meta.column_count > 0) Guard([&] { columns = ColumnLayout({meta.column_widths, meta.column_count}); });
    return columns;
}

SketchLayout SketchLayoutOf(const MetaPage& meta) {
    return {meta.padded, ColumnsOf(meta)};
}

RowLayout RowLayoutOf(const MetaPage& meta) {
    return {meta.padded, ColumnsOf(meta).value_bytes()};
}

SideLayout SideLayoutOf(const MetaPage& meta) {
    return SideLayout(ColumnsOf(meta).value_bytes());
}

// What the index is defined with says what its filter columns are.
static void CheckColumns(Relation index, const MetaPage& meta) {
    const int count = IndexRelationGetNumberOfKeyAttributes(index) - 1;
    bool same = meta.column_count == count;
    if (same && count > 0) {
        const ColumnLayout columns = FilterColumnsOf(index).layout;
        for (int i = 0; i < count && same; i++) same = columns.width(static_cast<Size>(i)) == meta.column_widths[i];
    }
    if (!same) ReportCorrupted(index, 0, "the filter columns are not those of the index");
}

// ---- The meta page ----

static void CheckChainEnds(Relation index, const ChainEnds& chain, BlockNumber blocks) {
    const bool empty = chain.first == InvalidBlockNumber && chain.last == InvalidBlockNumber;
    if (!empty && (chain.first == 0 || chain.first >= blocks || chain.last == 0 || chain.last >= blocks))
        ReportCorrupted(index, 0, "a side chain lies outside of the index");
}

// No NaN or infinity comes out of a damaged page into a search.
static void CheckCalibration(Relation index, const MetaPage& meta) {
    for (const auto& recalls : meta.calibration)
        for (const CalibrationEntry& entry : recalls)
            if (!std::isfinite(entry.recall) || !std::isfinite(entry.epsilon) || entry.epsilon < 0 ||
                !std::isfinite(entry.patience) || !std::isfinite(entry.lists) || entry.lists < 0)
                ReportCorrupted(index, 0, "the calibration is impossible");
}

void ReadMeta(Relation index, MetaPage* meta) {
    Buffer buffer = ReadBuffer(index, 0);
    LockBuffer(buffer, BUFFER_LOCK_SHARE);
    Page page = BufferGetPage(buffer);
    CheckPage(index, 0, page, PageKind::kMeta);
    *meta = *MetaOf(page);
    UnlockReleaseBuffer(buffer);

    if (meta->magic != kMagic || meta->version != kFormatVersion)
        ReportCorrupted(index, 0, "the meta page has an unknown format version");
    if (meta->dimensions < 1 || meta->dimensions > kMaxDimensions || meta->padded != PaddedDimensions(meta->dimensions))
        ReportCorrupted(index, 0, "the number of dimensions is impossible");
    if (meta->metric < Metric::kL2 || meta->metric > Metric::kJaccard)
        ReportCorrupted(index, 0, "the metric is unknown");
    if (meta->element != OpclassOf(index).element)
        ReportCorrupted(index, 0, "the element type is not that of the operator class");
    if (meta->spill > 1 || meta->height != 1) ReportCorrupted(index, 0, "an option is unknown to this version");
    if (meta->generation == 0 || (meta->pending != 0 && meta->pending <= meta->generation))
        ReportCorrupted(index, 0, "the generation is impossible");
    const BlockNumber blocks = RelationGetNumberOfBlocks(index);
    if (meta->mean == 0 || meta->mean >= blocks || meta->rows > blocks)
        ReportCorrupted(index, 0, "a structure lies outside of the index");
    if (meta->extent_count < 1 || meta->extent_count > kMostExtents)
        ReportCorrupted(index, 0, "the number of descriptor extents is impossible");
    for (uint32 i = 0; i < meta->extent_count; i++) {
        const DescriptorExtent& extent = meta->extents[i];
        if (extent.first == 0 || extent.pages == 0 || extent.first >= blocks || extent.pages > blocks - extent.first)
            ReportCorrupted(index, 0, "descriptors lie outside of the index");
    }
    if (meta->lists < 1 || meta->lists > DescriptorSlots(*meta))
        ReportCorrupted(index, 0, "the number of lists is impossible");
    for (const ChainEnds& chain : meta->side) CheckChainEnds(index, chain, blocks);
    CheckCalibration(index, *meta);
    CheckColumns(index, *meta);
}

// ---- List pages ----

void ListPage::Init(Page page, ListId list, const ListDescriptor& descriptor) {
    InitPage(page, PageKind::kList);
    auto* header = HeaderOf<ListPageHeader>(page);
    memset(header, 0, sizeof *header);
    header->list_block = list.block;
    header->list_slot = list.slot;
    header->generation = descriptor.generation;
    header->level = descriptor.level;
}

ListPage ListPage::Open(Relation index, BlockNumber block, Page page, const SketchLayout& layout) {
    CheckPage(index, block, page, PageKind::kList);
    ListPage result = ListPage::At(page);
    const ListPageHeader& header = *result.header;
    if (header.rows > kListAreaRows || header.start_row >= layout.block_rows() ||
        header.rows * kRowBytes + header.entries * layout.entry_bytes() > kListAreaBytes)
        ReportCorrupted(index, block, "the counts of a sketch page are impossible");
    // Neither may a head be cut, nor may entries follow a block that goes on elsewhere.
    const auto in_head = [&layout](uint16 row) { return row > 0 && row < layout.head_rows(); };
    const uint16 end = result.EndRow(layout);
    if (in_head(header.start_row) || in_head(end) || (header.entries > 0 && end != 0))
        ReportCorrupted(index, block, "a sketch page is cut where it must not be");
    return result;
}

uint16 ListPage::Lower(const ListPageHeader& header, const SketchLayout& layout) {
    return static_cast<uint16>(kListAreaOffset + header.rows * kRowBytes + header.entries * layout.entry_bytes());
}

void ListPage::SetLower(const SketchLayout& layout) const {
    SetPageLower(page, Lower(*header, layout));
}

// ---- Row pages ----

void RowPage::Init(Page page, RowOwner owner) {
    InitPage(page, PageKind::kRows);
    auto* header = HeaderOf<RowPageHeader>(page);
    memset(header, 0, sizeof *header);
    header->owner = owner;
}

RowPage RowPage::Open(Relation index, BlockNumber block, Page page, const RowLayout& layout) {
    CheckPage(index, block, page, PageKind::kRows);
    RowPage result = RowPage::At(page);
    if (result.header->used > layout.rows_per_page || result.header->live > result.header->used ||
        (result.header->owner != RowOwner::kHeap && result.header->owner != RowOwner::kCentroids))
        ReportCorrupted(index, block, "the counts of a row page are impossible");
    return result;
}

uint32 RowPage::FreeSlot(const RowLayout& layout) const {
    if (header->live < header->used)
        for (uint16 slot = 0; slot < header->used; slot++)
            if (!row(layout, slot)->heap_tid.valid()) return slot;
    return header->used;
}

uint16 RowPage::Lower(const RowPageHeader& header, const RowLayout& layout) {
    const Size used = kRowAreaOffset + static_cast<Size>(header.used) * layout.row_bytes;
    return static_cast<uint16>(used < BLCKSZ ? used : BLCKSZ);
}

void RowPage::SetLower(const RowLayout& layout) const {
    SetPageLower(page, Lower(*header, layout));
}

// ---- Side and descriptor pages ----

void SidePage::Init(Page page, SideChain chain) {
    InitPage(page, PageKind::kSide);
    auto* header = HeaderOf<SidePageHeader>(page);
    memset(header, 0, sizeof *header);
    header->chain = chain;
}

SidePage SidePage::Open(Relation index, BlockNumber block, Page page, const SideLayout& layout) {
    CheckPage(index, block, page, PageKind::kSide);
    SidePage result = SidePage::At(page);
    if (result.header->count > layout.rows_per_page || static_cast<int>(result.header->chain) >= kSideChains)
        ReportCorrupted(index, block, "the counts of a side page are impossible");
    return result;
}

void SidePage::Append(const SideLayout& layout, HeapTid heap_tid, const uint8* row_values) const {
    const uint16 i = header->count++;
    *tid(layout, i) = heap_tid;
    if (layout.row_bytes > sizeof heap_tid) memcpy(values(layout, i), row_values, layout.row_bytes - sizeof heap_tid);
    SetLower(layout);
}

void SidePage::SetLower(const SideLayout& layout) const {
    SetPageLower(page, kSideOffset + static_cast<Size>(header->count) * layout.row_bytes);
}

void DescriptorPage::Init(Page page) {
    InitPage(page, PageKind::kDescriptors);
    memset(HeaderOf<DescriptorPageHeader>(page), 0, sizeof(DescriptorPageHeader));
}

DescriptorPage DescriptorPage::Open(Relation index, BlockNumber block, Page page) {
    CheckPage(index, block, page, PageKind::kDescriptors);
    DescriptorPage result = DescriptorPage::At(page);
    if (result.header->count > kDescriptorsPerPage)
        ReportCorrupted(index, block, "the count of a descriptor page is impossible");
    return result;
}

void DescriptorPage::SetLower() const {
    SetPageLower(page, kDescriptorOffset + header->count * sizeof(ListDescriptor));
}

}  // namespace annex::pg::ivf

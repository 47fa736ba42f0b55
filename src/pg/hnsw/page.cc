// Checks of pages and their initialisation.
#include "pg/hnsw/page.h"

#include <algorithm>
#include <cmath>

#include "pg/guard.h"
#include "pg/index/filter_column.h"

namespace annex::pg::hnsw {

void CheckPage(Relation index, BlockNumber block, Page page, PageKind kind) {
    CheckPageFormat(index, block, page, kFormat, static_cast<uint8>(kind));
}

static Size HeaderEnd(PageKind kind) {
    switch (kind) {
        case PageKind::kMeta:
            return kHeaderOffset + sizeof(MetaPage);
        case PageKind::kMean:
            return kMeanOffset;
        case PageKind::kNodes:
            return kDirectoryOffset;
        case PageKind::kEntries:
            return kEntriesOffset;
        case PageKind::kSide:
            return kSideOffset;
        case PageKind::kFree:
            return kHeaderOffset;
    }
    return kHeaderOffset;
}

void InitPage(Page page, PageKind kind) {
    InitPageFormat(page, kFormat, static_cast<uint8>(kind), HeaderEnd(kind));
    memset(reinterpret_cast<char*>(page) + kHeaderOffset, 0, HeaderEnd(kind) - kHeaderOffset);
}

// ---- Layouts ----

ColumnLayout ColumnsOf(const MetaPage& meta) {
    ColumnLayout columns;
    if (meta.column_count > 0) Guard([&] { columns = ColumnLayout({meta.column_widths, meta.column_count}); });
    return columns;
}

NodeLayout NodeLayoutFor(uint32 padded, Metric metric, Size value_bytes) {
    return {padded, value_bytes, EdgeKindOf(metric)};
}

uint32 SlotsPerPage(const NodeLayout& node) {
    const Size record = TYPEALIGN(kRecordAlignment, node.bytes(kFewestEdges));
    auto slots = static_cast<uint32>((BLCKSZ - kDirectoryOffset) / (record + sizeof(uint16)));
    while (slots > 0 && NodePlaces::RecordsOffset(slots) + slots * record > BLCKSZ) slots--;
    return slots;
}

bool NodesFit(uint32 padded, Metric metric, Size value_bytes, uint32 m) {
    // Edges that a node of the greatest dimensions must have room for, unless 2 m are fewer.
    constexpr uint32 kFewestEdgesOfLargeNodes = 12;
    const NodeLayout node = NodeLayoutFor(padded, metric, value_bytes);
    const NodePlaces places{node, SlotsPerPage(node)};
    const uint32 edges = std::min(MostEdges(m), kFewestEdgesOfLargeNodes);
    return places.slots_per_page > 0 && places.RecordBytes(edges) <= places.area();
}

uint32 SpaceDimensions(Relation index, uint32 m, Size value_bytes, bool advise) {
    const OpclassInfo& info = OpclassOf(index);
    const auto dimensions = static_cast<uint32>(IndexDimensions(index, PG_INT32_MAX, advise));
    const bool dense = info.element == ElementType::kVector || info.element == ElementType::kHalfvec;
    const auto padded = static_cast<uint32>(PaddedDimensions(dimensions));
    return dense && !NodesFit(padded, info.metric, value_bytes, m) ? kWideImageDimensions : dimensions;
}

NodePlaces PlacesOf(const MetaPage& meta) {
    return {NodeLayoutFor(meta.padded, meta.metric, ColumnsOf(meta).value_bytes()), meta.slots_per_page};
}

uint32 EntriesFor(double nodes) {
    return std::clamp(static_cast<uint32>(std::sqrt(std::max(nodes, 0.0))), kFewestEntries, kMostSampledEntries);
}

// ---- The meta page ----

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

static bool PossibleChain(const ChainEnds& ends, BlockNumber blocks) {
    if (ends.first == InvalidBlockNumber) return ends.last == InvalidBlockNumber;
    return ends.first != 0 && ends.first < blocks && ends.last != 0 && ends.last < blocks;
}

void CheckMeta(Relation index, const MetaPage& meta) {
    if (meta.magic != kMagic || meta.version != kFormatVersion)
        ReportCorrupted(index, 0, "the meta page is not that of an hnsw index");
    const OpclassInfo& info = OpclassOf(index);
    if (meta.metric != info.metric || meta.element != info.element)
        ReportCorrupted(index, 0, "the metric is not that of the index");
    CheckColumns(index, meta);
    if (meta.dimensions == 0 ||
        meta.dimensions != SpaceDimensions(index, meta.m, ColumnsOf(meta).value_bytes(), true) ||
        meta.padded != PaddedDimensions(meta.dimensions))
        ReportCorrupted(index, 0, "the dimensions are not those of the index");
    if (meta.slots_per_page == 0 || meta.slots_per_page != SlotsPerPage(PlacesOf(meta).node))
        ReportCorrupted(index, 0, "the size of nodes is impossible");
    if (meta.m < 2 || meta.m > 100 || meta.ef_construction < 4 || meta.ef_construction > 1000)
        ReportCorrupted(index, 0, "the options are impossible");
}

static void CheckBlocks(Relation index, const MetaPage& meta) {
    const BlockNumber blocks = RelationGetNumberOfBlocks(index);
    if (meta.mean == 0 || meta.mean >= blocks || !PossibleChain(meta.entries, blocks) ||
        !PossibleChain(meta.side, blocks))
        ReportCorrupted(index, 0, "the meta page names pages outside of the index");
}

void ReadMeta(Relation index, MetaPage* meta) {
    Buffer buffer = ReadBuffer(index, 0);
    LockBuffer(buffer, BUFFER_LOCK_SHARE);
    Page page = BufferGetPage(buffer);
    CheckPage(index, 0, page, PageKind::kMeta);
    *meta = *MetaOf(page);
    UnlockReleaseBuffer(buffer);
    CheckMeta(index, *meta);
    CheckBlocks(index, *meta);
}

// ---- Nodes ----

NodePage NodePage::Open(Relation index, BlockNumber block, Page page, const NodePlaces& places) {
    CheckPage(index, block, page, PageKind::kNodes);
    const NodePage result = NodePage::At(page);
    const uint16 lower = reinterpret_cast<PageHeader>(page)->pd_lower;
    if (result.header->slots > places.slots_per_page || result.header->live > result.header->slots ||
        lower < places.records_offset() || lower > BLCKSZ)
        ReportCorrupted(index, block, "the counts of a node page are impossible");
    return result;
}

void NodePage::Init(Page page, const NodePlaces& places) {
    InitPage(page, PageKind::kNodes);
    memset(reinterpret_cast<char*>(page) + kDirectoryOffset, 0, places.records_offset() - kDirectoryOffset);
    SetPageLower(page, places.records_offset());
}

static bool PossibleFactors(const RowFactors& row) {
    return row.scale >= 0 && row.scale < 1e38F && row.error >= 0 && row.error < 1e38F;
}

bool NodePage::PossiblePlace(const NodePlaces& places, uint16 slot) const {
    const Size begin = directory()[slot];
    const Size end = End(slot);
    return begin >= places.records_offset() && begin % kRecordAlignment == 0 && end <= BLCKSZ &&
           end >= begin + places.LeastRecordBytes();
}

RecordKind NodePage::Find(const NodePlaces& places, Size value_bytes, uint16 slot) const {
    if (slot >= header->slots) return RecordKind::kNone;
    if (!PossiblePlace(places, slot)) return RecordKind::kDamaged;
    const Size bytes = record_bytes(slot);
    const NodeHeader& node = *reinterpret_cast<const NodeHeader*>(record(slot));
    switch (node.state) {
        case NodeState::kFree:
            return RecordKind::kNone;
        case NodeState::kLive:
        case NodeState::kDead:
            return node.edges <= node.capacity && node.capacity <= places.node.Capacity(bytes) &&
                           PossibleFactors(node.row)
                       ? RecordKind::kNode
                       : RecordKind::kDamaged;
        case NodeState::kTids:
            return node.edges <= node.capacity && node.capacity <= TidsView::Capacity(value_bytes, bytes)
                       ? RecordKind::kTids
                       : RecordKind::kDamaged;
    }
    return RecordKind::kDamaged;
}

Size NodePage::room() const {
    return BLCKSZ - reinterpret_cast<PageHeader>(page)->pd_lower;
}

uint32 NodePage::CapacityForNew(const NodePlaces& places, uint32 wanted, uint32 most) const {
    const Size left = room();
    const uint32 slots = places.slots_per_page - header->slots;
    if (slots == 0 || left < places.LeastRecordBytes()) return 0;
    // A large node takes what a whole page has room for.
    wanted = std::min(wanted, std::max(static_cast<uint32>(places.node.Capacity(places.area())), kFewestEdges));
    const Size nodes = std::clamp<Size>(left / places.RecordBytes(wanted), 1, slots);
    // A last node may be somewhat short of edges rather than leave its page's rest unused.
    if (left < places.RecordBytes(wanted) && left < places.RecordBytes(wanted - wanted / 4)) return 0;
    const Size bytes = left / nodes / kRecordAlignment * kRecordAlignment;
    return static_cast<uint32>(std::min<Size>(places.node.Capacity(bytes), most));
}

uint16 NodePage::Append(Size bytes) const {
    auto* page_header = reinterpret_cast<PageHeader>(page);
    const uint16 slot = header->slots++;
    directory()[slot] = page_header->pd_lower;
    page_header->pd_lower = static_cast<LocationIndex>(page_header->pd_lower + bytes);
    memset(record(slot), 0, bytes);
    return slot;
}

uint16 NodePage::FindFree(const NodePlaces& places, Size bytes) const {
    if (header->live == header->slots) return header->slots;
    for (uint16 slot = 0; slot < header->slots; slot++)
        if (PossiblePlace(places, slot) && record_bytes(slot) >= bytes &&
            reinterpret_cast<const NodeHeader*>(record(slot))->state == NodeState::kFree)
            return slot;
    return header->slots;
}

// ---- Entries and side rows ----

EntriesPage EntriesPage::Open(Relation index, BlockNumber block, Page page) {
    CheckPage(index, block, page, PageKind::kEntries);
    const EntriesPage result = EntriesPage::At(page);
    if (result.header->count > kEntriesPerPage)
        ReportCorrupted(index, block, "the count of a page of entries is impossible");
    return result;
}

SidePage SidePage::Open(Relation index, BlockNumber block, Page page, const SideLayout& layout) {
    CheckPage(index, block, page, PageKind::kSide);
    const SidePage result = SidePage::At(page);
    if (result.header->count > layout.rows_per_page())
        ReportCorrupted(index, block, "the count of a side page is impossible");
    return result;
}

}  // namespace annex::pg::hnsw

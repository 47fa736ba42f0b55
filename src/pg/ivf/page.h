// The format of an ivf index: what lies on each kind of page (README.md in this folder draws it).
//
// Every page is a standard PostgreSQL page. Its special space says what it is; everything read from it goes through a
// view whose Open() checks kind, version and every count before anything else is used. No offset arithmetic on pages
// stands anywhere else.
#pragma once

#include "pg/pg.h"

#include "annex/refinement.h"
#include "annex/sketch.h"
#include "annex/space.h"
#include "pg/index/opclass.h"
#include "pg/index/page.h"

namespace annex::pg::ivf {

inline constexpr uint32 kMagic = 0x41584956;  // "VIXA"
inline constexpr uint8 kFormatVersion = 3;
inline constexpr PageFormat kFormat{kMagic, kFormatVersion, "ivf"};
inline constexpr int kMaxDimensions = 16000;
inline constexpr int kMaxLists = 32768;

enum class PageKind : uint8 {
    kMeta = 1,         // block 0
    kMean = 2,         // the mean of the data, a chain
    kDescriptors = 3,  // list descriptors
    kList = 4,         // sketches of a list, a chain; the root's list holds the centroids
    kRows = 5,         // refinement rows
    kRowTail = 6,      // the second part of a row longer than a page
    kSide = 7,         // heap TIDs of rows without codes, a chain
    kFree = 8,         // nothing that anybody needs: may become any other page
};

// Address of a list descriptor: a page and a slot. Carried in the heap TID of the centroid's entry (offset = slot + 1).
struct ListId {
    BlockNumber block;
    uint16 slot;

    friend bool operator==(const ListId&, const ListId&) = default;
};
inline constexpr ListId kRootList{0, 0};  // described on the meta page

inline HeapTid ListTarget(ListId id) {
    return {static_cast<uint16>(id.block >> 16), static_cast<uint16>(id.block & 0xffff),
            static_cast<uint16>(id.slot + 1)};
}
inline ListId TargetList(HeapTid target) {
    return {static_cast<BlockNumber>(target.block_high) << 16 | target.block_low,
            static_cast<uint16>(target.offset - 1)};
}

// ---- List descriptors ----

// A list lives in the generations [generation, died) of the index: a scan uses the lists of the generation that it read
// from the meta page, so that one change there replaces any number of lists at once. A used descriptor whose generation
// is still to come is being built; one that has died becomes retired, and unused when nobody can need its pages.
// The lists of a build are of the first generation. Their sketches were computed from vectors, those of later
// generations from rows of 8 bits.
inline constexpr uint64 kBuiltGeneration = 1;

enum class ListState : uint8 { kUnused = 0, kUsed = 1, kRetired = 2 };

struct ListDescriptor {
    ListState state;
    uint8 level;  // 0: entries are rows of the table; 1: centroids of level 0
    uint16 flags;
    uint32 contiguous;   // pages from `first` on that lie one after the other
    uint64 generation;   // the first one that it belongs to; stamped on its pages
    uint64 died;         // the first one that it no longer belongs to; 0: none
    uint64 retired_at;   // kRetired: the next full transaction ID after that
    BlockNumber first;   // InvalidBlockNumber: the list is empty and has no page
    BlockNumber last;    // its chain's end
    BlockNumber insert;  // a hint: no page before it has room
    Place centroid;      // place of the centroid's row; unused in the root
    float rho;           // root mean square residual, an estimate
    uint32 pages;        // an estimate
    uint32 entries;      // estimates: set by build and vacuum
    uint32 reserved;

    [[nodiscard]] bool LivesAt(uint64 at) const {
        return state == ListState::kUsed && generation <= at && (died == 0 || at < died);
    }
    // The same as long as its pages have not been given to others.
    [[nodiscard]] bool LivedAt(uint64 at) const {
        return state != ListState::kUnused && generation <= at && (died == 0 || at < died);
    }
};
static_assert(sizeof(ListDescriptor) == 64);

// ---- Meta page ----

// Rows that have no codes, each kind in a chain of its own.
enum class SideChain : uint8 { kFirst = 0, kNaN = 1, kNull = 2 };
inline constexpr int kSideChains = 3;

struct ChainEnds {
    BlockNumber first;
    BlockNumber last;
    BlockNumber insert;  // a hint: no page before it has room
};

// Settings that reach a recall, measured on the index's own rows. All zero: not calibrated.
struct CalibrationEntry {
    float recall;
    float epsilon;
    float patience;
    float lists;    // that a search probes on average
    uint32 probes;  // that it probes at most
};
inline constexpr int kCalibratedKs = 3;
inline constexpr int kCalibratedRecalls = 8;
inline constexpr int kCalibratedK[kCalibratedKs] = {1, 10, 100};

// Descriptor pages that lie one after the other.
struct DescriptorExtent {
    BlockNumber first;
    uint32 pages;
};
inline constexpr uint32 kMostExtents = 24;

struct MetaPage {
    uint32 magic;
    uint32 version;
    uint32 dimensions;
    uint32 padded;
    Metric metric;
    ElementType element;
    uint8 spill;        // 1: every row has a second copy
    uint8 height;       // 1: the root's entries are the centroids of the lists
    uint32 lists;       // that live
    uint64 seed;        // of the rotation
    uint64 generation;  // of the lists: see ListState
    uint64 pending;     // the generation that maintenance is building, or 0; rows are put into its lists as well
    uint32 list_option;
    BlockNumber mean;
    BlockNumber rows;        // first block that is neither meta, mean nor one of the first descriptors
    BlockNumber row_insert;  // a hint: the row page added last
    uint32 build_sample;
    uint32 extent_count;
    DescriptorExtent extents[kMostExtents];
    double build_rows;        // rows at the build
    double listed_rows;       // rows when the lists were made, last
    double listed_residual;   // mean of their squared residuals then; 0: not known
    double listed_imbalance;  // sum of squared sizes over that of equal lists, then; 0: not known
    uint64 newest;            // the greatest generation that was ever begun
    uint64 switched_at;       // the next full transaction ID after the switch to this generation:
    uint64 switched_to;       // where it is not the current one, that is still to be noted
    double removed_rows;      // by vacuum, since the lists were looked at
    double seen_heap_rows;    // rows of the table when vacuum looked at the lists, last; 0: never
    ListDescriptor root;
    ListDescriptor pending_root;
    uint32 pending_lists;
    uint8 pending_spill;
    uint8 leftovers;  // 1: there may be pages of lists that have died or never lived
    uint8 attempts;   // at new lists, since one came to its end
    uint8 put_off;    // vacuums that have made no other attempt since
    ChainEnds side[kSideChains];
    uint32 wanted_lists;     // when the lists were made, last: where many rows are equal, there are fewer
    double calibrated_rows;  // rows at the calibration
    CalibrationEntry calibration[kCalibratedKs][kCalibratedRecalls];
    // The images' widths of the filter columns: those of the index's columns after the first.
    uint8 column_count;
    uint8 column_widths[kMaxColumns];
};

// The layouts of an index; its meta page has been checked.
[[nodiscard]] ColumnLayout ColumnsOf(const MetaPage& meta);
[[nodiscard]] SketchLayout SketchLayoutOf(const MetaPage& meta);

// The index as it will be when the pending generation has become the current one. Its pending generation is its own,
// which is so on no meta page that lies on disk.
[[nodiscard]] inline MetaPage PendingMeta(const MetaPage& meta) {
    MetaPage pending = meta;
    pending.generation = meta.pending;
    pending.lists = meta.pending_lists;
    pending.spill = meta.pending_spill;
    pending.root = meta.pending_root;
    pending.spill = meta.pending_spill;
    return pending;
}
[[nodiscard]] inline bool IsPending(const MetaPage& meta) {
    return meta.pending == meta.generation;
}

// ---- Pages ----

struct ListPageHeader {
    uint64 generation;
    BlockNumber list_block;  // the ListId
    uint16 list_slot;
    uint16 start_row;  // row of the block at which this page goes on, never one of its head
    uint16 rows;       // packed rows of 32 bytes
    uint16 entries;    // entries after them
    uint16 live;       // live slots of entries, and of blocks whose heads are on this page
    uint8 level;       // of the list: above 0 its heap TIDs address list descriptors
    uint8 unused;
};
static_assert(kHeaderOffset + sizeof(ListPageHeader) == 64);

// The list area starts on a cache line.
inline constexpr Size kListAreaOffset = 64;
inline constexpr Size kListAreaBytes = (BLCKSZ - kListAreaOffset) / kRowBytes * kRowBytes;
inline constexpr uint16 kListAreaRows = kListAreaBytes / kRowBytes;

struct DescriptorPageHeader {
    uint16 count;
    uint16 unused[3];
    uint32 reserved[4];
};
inline constexpr Size kDescriptorOffset = 64;
static_assert(kHeaderOffset + sizeof(DescriptorPageHeader) == kDescriptorOffset);
inline constexpr uint16 kDescriptorsPerPage = (BLCKSZ - kDescriptorOffset) / sizeof(ListDescriptor);
static_assert(kHeaderOffset + sizeof(MetaPage) <= BLCKSZ);

// Lists are numbered through the descriptor pages, whether a slot is used or not.
[[nodiscard]] inline uint32 DescriptorSlots(const MetaPage& meta) {
    uint32 slots = 0;
    for (uint32 i = 0; i < meta.extent_count; i++) slots += meta.extents[i].pages * kDescriptorsPerPage;
    return slots;
}
// False: there is no such descriptor.
[[nodiscard]] inline bool ListNumber(const MetaPage& meta, ListId id, uint32* number) {
    uint32 first = 0;
    for (uint32 i = 0; i < meta.extent_count; i++) {
        const DescriptorExtent& extent = meta.extents[i];
        if (id.block >= extent.first && id.block - extent.first < extent.pages) {
            *number = (first + id.block - extent.first) * kDescriptorsPerPage + id.slot;
            return id.slot < kDescriptorsPerPage;
        }
        first += extent.pages;
    }
    return false;
}
// number < DescriptorSlots(meta)
[[nodiscard]] inline ListId ListAt(const MetaPage& meta, uint32 number) {
    uint32 page = number / kDescriptorsPerPage;
    uint32 i = 0;
    while (i + 1 < meta.extent_count && page >= meta.extents[i].pages) page -= meta.extents[i++].pages;
    return {meta.extents[i].first + page, static_cast<uint16>(number % kDescriptorsPerPage)};
}

// What a row header says of a pending generation; 0 for none.
inline uint16 PendingMark(uint64 pending) {
    return pending == 0 ? 0 : static_cast<uint16>(pending % 0xffff + 1);
}

enum class RowOwner : uint8 { kHeap = 1, kCentroids = 2 };

struct RowPageHeader {
    uint16 used;  // slots at or after it were never used
    uint16 live;
    RowOwner owner;  // whether heap_tid in the rows addresses heap tuples or list descriptors
    uint8 unused[3];
};
static_assert(sizeof(RowPageHeader) == 8);
inline constexpr Size kRowAreaOffset = kHeaderOffset + sizeof(RowPageHeader);
inline constexpr Size kRowAreaBytes = BLCKSZ - kRowAreaOffset;

struct RowHeader {
    HeapTid heap_tid;  // invalid: the slot is free
    uint16 pending;    // low bits of the pending generation whose lists its insert has served, or 0
    RowFactors factors;
};
static_assert(sizeof(RowHeader) == 16);

struct SidePageHeader {
    uint16 count;
    SideChain chain;
    uint8 unused[5];
};
inline constexpr Size kSideOffset = kHeaderOffset + sizeof(SidePageHeader);

// A row of a side page: its heap TID, and then the values of its filter columns.
struct SideLayout {
    uint32 row_bytes;
    uint16 rows_per_page;

    explicit SideLayout(Size value_bytes)
        : row_bytes(static_cast<uint32>(sizeof(HeapTid) + value_bytes)),
          rows_per_page(static_cast<uint16>((BLCKSZ - kSideOffset) / row_bytes)) {}
};

// How rows lie on pages: each a header, the values of its filter columns, and its codes.
struct RowLayout {
    uint32 value_bytes;
    uint32 row_bytes;
    uint32 rows_per_page;  // 1 when a row takes more than a page
    uint32 head_codes;     // codes on the row's first page; the rest is on a kRowTail page

    RowLayout(uint32 padded, Size column_bytes)
        : value_bytes(static_cast<uint32>(column_bytes)),
          row_bytes(static_cast<uint32>(sizeof(RowHeader)) + value_bytes + padded),
          rows_per_page(row_bytes <= kRowAreaBytes ? static_cast<uint32>(kRowAreaBytes / row_bytes) : 1),
          head_codes(row_bytes <= kRowAreaBytes
                         ? padded
                         : static_cast<uint32>(kRowAreaBytes - sizeof(RowHeader)) - value_bytes) {}

    [[nodiscard]] bool TwoPages(uint32 padded) const { return head_codes < padded; }
    [[nodiscard]] BlockNumber Block(Place place) const { return place / rows_per_page; }
    [[nodiscard]] uint16 Slot(Place place) const { return static_cast<uint16>(place % rows_per_page); }
    // Places are 32 bits wide: an index cannot grow beyond the last block that they reach.
    [[nodiscard]] BlockNumber MaxBlock() const { return static_cast<BlockNumber>(UINT32_MAX / rows_per_page) - 1; }
    [[nodiscard]] Place At(BlockNumber block, uint16 slot) const { return block * rows_per_page + slot; }
};

[[nodiscard]] RowLayout RowLayoutOf(const MetaPage& meta);
[[nodiscard]] SideLayout SideLayoutOf(const MetaPage& meta);

// Reads what a page must be before it is used; ERROR with ERRCODE_INDEX_CORRUPTED, the block and the reason if it is
// not.
void CheckPage(Relation index, BlockNumber block, Page page, PageKind kind);
[[nodiscard]] inline bool PageIsOurs(Page page) {
    return PageHasFormat(page, kFormat);
}

// The codes on a kRowTail page.
inline int8* RowTailCodes(Page page) {
    return reinterpret_cast<int8*>(reinterpret_cast<char*>(page) + kHeaderOffset);
}
inline PageKind KindOf(Page page) {
    return static_cast<PageKind>(OpaqueOf(page)->kind);
}

// Makes an empty page of a kind, with pd_lower at the end of its header.
void InitPage(Page page, PageKind kind);

// A checked copy of the meta page's contents, cheap enough to take for each scan.
void ReadMeta(Relation index, MetaPage* meta);
[[nodiscard]] MetaPage* MetaOf(Page page);

struct ListPage {
    Page page;
    ListPageHeader* header;

    // Without any check, for pages that were opened or made before.
    static ListPage At(Page page) { return {page, HeaderOf<ListPageHeader>(page)}; }
    static void Init(Page page, ListId list, const ListDescriptor& descriptor);
    // Checks everything but which list it is.
    static ListPage Open(Relation index, BlockNumber block, Page page, const SketchLayout& layout);

    [[nodiscard]] ListId list() const { return {header->list_block, header->list_slot}; }
    [[nodiscard]] bool BelongsTo(ListId id, uint64 generation) const {
        return list() == id && header->generation == generation;
    }
    [[nodiscard]] uint8* area() const { return reinterpret_cast<uint8*>(page) + kListAreaOffset; }
    [[nodiscard]] uint8* entry(uint32 i, const SketchLayout& layout) const {
        return area() + header->rows * kRowBytes + i * layout.entry_bytes();
    }
    // Row of the block at which the page after this one goes on.
    [[nodiscard]] uint16 EndRow(const SketchLayout& layout) const {
        return static_cast<uint16>((header->start_row + header->rows) % layout.block_rows());
    }
    [[nodiscard]] bool HasRoom(const SketchLayout& layout) const {
        return EndRow(layout) == 0 &&
               header->rows * kRowBytes + (header->entries + 1U) * layout.entry_bytes() <= kListAreaBytes;
    }
    // The end of what is used of a page with such a header: its pd_lower.
    [[nodiscard]] static uint16 Lower(const ListPageHeader& header, const SketchLayout& layout);
    void SetLower(const SketchLayout& layout) const;

    // The first row of this page that begins a block; the end of its rows or beyond if none does.
    [[nodiscard]] uint32 FirstHead(const SketchLayout& layout) const {
        return header->start_row == 0 ? 0 : static_cast<uint32>(layout.block_rows()) - header->start_row;
    }
    // Calls visit(trailer) for every block whose head lies on this page, in order.
    template <typename Visit>
    void ForEachTrailer(const SketchLayout& layout, Visit visit) const {
        for (Size row = FirstHead(layout); row < header->rows; row += layout.block_rows())
            visit(TrailerOf(area() + row * kRowBytes));
    }
};

struct RowPage {
    Page page;
    RowPageHeader* header;

    // Without any check, for pages that were opened or made before.
    static RowPage At(Page page) { return {page, HeaderOf<RowPageHeader>(page)}; }
    static void Init(Page page, RowOwner owner);
    static RowPage Open(Relation index, BlockNumber block, Page page, const RowLayout& layout);
    [[nodiscard]] RowHeader* row(const RowLayout& layout, uint16 slot) const {
        return reinterpret_cast<RowHeader*>(reinterpret_cast<char*>(page) + kRowAreaOffset +
                                            static_cast<Size>(slot) * layout.row_bytes);
    }
    [[nodiscard]] uint8* values(const RowLayout& layout, uint16 slot) const {
        return reinterpret_cast<uint8*>(row(layout, slot) + 1);
    }
    [[nodiscard]] int8* codes(const RowLayout& layout, uint16 slot) const {
        return reinterpret_cast<int8*>(values(layout, slot) + layout.value_bytes);
    }
    // A slot that is free, or rows_per_page if there is none.
    [[nodiscard]] uint32 FreeSlot(const RowLayout& layout) const;
    // As ListPage's.
    [[nodiscard]] static uint16 Lower(const RowPageHeader& header, const RowLayout& layout);
    void SetLower(const RowLayout& layout) const;
};

struct SidePage {
    Page page;
    SidePageHeader* header;

    // Without any check, for pages that were opened or made before.
    static SidePage At(Page page) { return {page, HeaderOf<SidePageHeader>(page)}; }
    static void Init(Page page, SideChain chain);
    static SidePage Open(Relation index, BlockNumber block, Page page, const SideLayout& layout);
    [[nodiscard]] HeapTid* tid(const SideLayout& layout, uint32 i) const {
        return reinterpret_cast<HeapTid*>(reinterpret_cast<char*>(page) + kSideOffset +
                                          static_cast<Size>(i) * layout.row_bytes);
    }
    [[nodiscard]] uint8* values(const SideLayout& layout, uint32 i) const {
        return reinterpret_cast<uint8*>(tid(layout, i) + 1);
    }
    // Appends a row; the page has room. Without filter columns `values` is not looked at.
    void Append(const SideLayout& layout, HeapTid heap_tid, const uint8* values) const;
    void SetLower(const SideLayout& layout) const;
};

struct DescriptorPage {
    Page page;
    DescriptorPageHeader* header;

    // Without any check, for pages that were opened or made before.
    static DescriptorPage At(Page page) { return {page, HeaderOf<DescriptorPageHeader>(page)}; }
    static void Init(Page page);
    static DescriptorPage Open(Relation index, BlockNumber block, Page page);
    [[nodiscard]] ListDescriptor* descriptors() const {
        return reinterpret_cast<ListDescriptor*>(reinterpret_cast<char*>(page) + kDescriptorOffset);
    }
    void SetLower() const;
};

}  // namespace annex::pg::ivf

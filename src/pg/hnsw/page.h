// The format of an hnsw index: what lies on each kind of page (README.md in this folder draws it).
//
// Everything read from a page goes through a view that checks kind, version and every count before anything else is
// used. No offset arithmetic on pages stands anywhere else.
#pragma once

#include "pg/pg.h"

#include "annex/columns.h"
#include "annex/graph_node.h"
#include "annex/space.h"
#include "pg/index/opclass.h"
#include "pg/index/page.h"

namespace annex::pg::hnsw {

inline constexpr uint32 kMagic = 0x41584748;  // "HGXA"
inline constexpr uint8 kFormatVersion = 1;
inline constexpr PageFormat kFormat{kMagic, kFormatVersion, "hnsw"};

enum class PageKind : uint8 {
    kMeta = 1,     // block 0
    kMean = 2,     // the mean of the data, a chain
    kNodes = 3,    // nodes, and further heap TIDs of nodes
    kEntries = 4,  // nodes that searches start from, a chain
    kSide = 5,     // rows of which no bound holds, a chain
    kFree = 6,     // nothing that anybody needs: may become any other page
};

// ---- Meta page ----

// ef by the rows wanted and the recall, as calibrated.
inline constexpr int kCalibratedKs = 3;
inline constexpr double kCalibratedK[kCalibratedKs] = {1, 10, 100};
inline constexpr int kCalibratedRecalls = 8;
struct CalibrationEntry {
    float recall;  // that was asked for
    float ef;      // as a search's round takes it
    float visits;  // of such a search, on average
};

// A chain of pages; a chain that does not exist yet has no pages.
struct ChainEnds {
    BlockNumber first;
    BlockNumber last;
};

struct MetaPage {
    uint32 magic;
    uint32 version;
    uint32 dimensions;
    uint32 padded;
    Metric metric;
    ElementType element;
    uint8 column_count;
    uint8 unused;
    uint8 column_widths[kMaxColumns];  // of the filter columns' images
    uint16 m;                          // as the index was built
    uint16 ef_construction;
    uint16 slots_per_page;  // follows from the others, and is checked against them
    uint16 unused2;
    uint32 entry_count;  // in the chain
    uint64 seed;         // of the rotation
    BlockNumber mean;    // first page of the chain
    ChainEnds entries;
    ChainEnds side;
    BlockNumber insert;       // a hint: the node page added last
    uint32 entries_version;   // raised when an entry leaves the chain
    uint32 freed;             // raised before nodes become free
    uint32 repairing;         // 1: a vacuum repairs the graph, or was stopped at it
    double calibrated_nodes;  // at the last calibration; 0: there was none
    CalibrationEntry calibration[kCalibratedKs][kCalibratedRecalls];
};

// ---- Nodes ----

// Edges that nodes have room for at least, and that new ones get, if they fit.
inline constexpr uint32 kFewestEdges = 4;
[[nodiscard]] constexpr uint32 MostEdges(uint32 m) {
    return 2 * m;
}
[[nodiscard]] constexpr uint32 EdgesOfNewNode(uint32 m) {
    constexpr uint32 kEnough = 14;
    return m < kEnough ? std::min(2 * m, kEnough) : m + (m + 15) / 16;
}

struct NodePageHeader {
    uint16 slots;  // records, whatever their state
    uint16 live;   // of these, records that are not free
    uint16 unused[2];
};
static_assert(sizeof(NodePageHeader) == 8);
inline constexpr Size kDirectoryOffset = kHeaderOffset + sizeof(NodePageHeader);
inline constexpr Size kRecordAlignment = 4;

// How nodes lie on pages. Every page has the same number of slots, whether or not records for all of them fit; a node's
// number is its page's times that, plus its slot. A record ends where the next one begins, and its place and size never
// change.
struct NodePlaces {
    NodeLayout node;
    uint32 slots_per_page;

    [[nodiscard]] BlockNumber Block(NodeId id) const { return id / slots_per_page; }
    [[nodiscard]] uint16 Slot(NodeId id) const { return static_cast<uint16>(id % slots_per_page); }
    [[nodiscard]] NodeId At(BlockNumber block, uint16 slot) const { return block * slots_per_page + slot; }
    // Numbers are 32 bits wide: an index cannot grow beyond the last block that they reach.
    [[nodiscard]] BlockNumber MaxBlock() const { return static_cast<BlockNumber>(kNoNode / slots_per_page) - 1; }

    // Where the first record of a page begins.
    [[nodiscard]] Size records_offset() const { return RecordsOffset(slots_per_page); }
    // Bytes of a page's records.
    [[nodiscard]] Size area() const { return BLCKSZ - records_offset(); }
    [[nodiscard]] Size RecordBytes(uint32 capacity) const { return TYPEALIGN(kRecordAlignment, node.bytes(capacity)); }
    [[nodiscard]] Size LeastRecordBytes() const { return RecordBytes(kFewestEdges); }

    [[nodiscard]] static Size RecordsOffset(uint32 slots) {
        return TYPEALIGN(8, kDirectoryOffset + slots * sizeof(uint16));
    }
};

[[nodiscard]] NodeLayout NodeLayoutFor(uint32 padded, Metric metric, Size value_bytes);
// Slots of pages of such nodes; 0: not even one with kFewestEdges fits.
[[nodiscard]] uint32 SlotsPerPage(const NodeLayout& node);
[[nodiscard]] NodePlaces PlacesOf(const MetaPage& meta);
// Whether nodes have room for enough edges.
[[nodiscard]] bool NodesFit(uint32 padded, Metric metric, Size value_bytes, uint32 m);
[[nodiscard]] ColumnLayout ColumnsOf(const MetaPage& meta);

// What follows the NodeHeader of a record whose state is NodeState::kTids: `capacity` heap TIDs, each with the values
// of its filter columns; an invalid one is free. `edges` is how many are not, `more` the next record of the chain, and
// the owner and a hint stand in the place of `row`. TIDs stay in the record that they were put in.
class TidsView {
  public:
    TidsView(const NodePlaces& places, Size value_bytes, char* record)
        : record_(record), value_bytes_(value_bytes), stride_(sizeof(HeapTid) + TYPEALIGN(2, value_bytes)) {
        (void)places;
    }

    // That fit into a record of so many bytes.
    [[nodiscard]] static uint32 Capacity(Size value_bytes, Size bytes) {
        return static_cast<uint32>((bytes - sizeof(NodeHeader)) / (sizeof(HeapTid) + TYPEALIGN(2, value_bytes)));
    }
    [[nodiscard]] NodeHeader& header() const { return *reinterpret_cast<NodeHeader*>(record_); }
    // The node whose rows these are.
    [[nodiscard]] NodeId owner() const {
        NodeId owner;
        memcpy(&owner, &header().row, sizeof owner);
        return owner;
    }
    void set_owner(NodeId owner) const { memcpy(&header().row, &owner, sizeof owner); }
    // Of a chain's first record: which of the others, and those behind it, may have free places. A hint; kNoNode: none.
    [[nodiscard]] NodeId room() const {
        NodeId room;
        memcpy(&room, room_address(), sizeof room);
        return room == 0 ? kNoNode : room;
    }
    void set_room(NodeId room) const { memcpy(room_address(), &room, sizeof room); }
    [[nodiscard]] char* room_address() const { return reinterpret_cast<char*>(&header().row) + sizeof(NodeId); }
    [[nodiscard]] HeapTid* tid(uint32 i) const { return reinterpret_cast<HeapTid*>(record_ + Offset(i)); }
    [[nodiscard]] uint8* values(uint32 i) const {
        return reinterpret_cast<uint8*>(record_ + Offset(i) + sizeof(HeapTid));
    }
    [[nodiscard]] Size value_bytes() const { return value_bytes_; }

  private:
    [[nodiscard]] Size Offset(uint32 i) const { return sizeof(NodeHeader) + i * stride_; }

    char* record_;
    Size value_bytes_;
    Size stride_;
};

// What a record turns out to be.
enum class RecordKind : uint8 {
    kNone,     // free, or there is no such record
    kNode,     // live or dead: may be shown to a search
    kTids,     // further heap TIDs
    kDamaged,  // its numbers are impossible
};

// A page of nodes. At() checks nothing; Open() checks the header, Find() what it finds.
struct NodePage {
    Page page;
    NodePageHeader* header;

    [[nodiscard]] static NodePage At(Page page) { return {page, HeaderOf<NodePageHeader>(page)}; }
    [[nodiscard]] static NodePage Open(Relation index, BlockNumber block, Page page, const NodePlaces& places);
    static void Init(Page page, const NodePlaces& places);

    [[nodiscard]] uint16* directory() const {
        return reinterpret_cast<uint16*>(reinterpret_cast<char*>(page) + kDirectoryOffset);
    }
    // Without a check.
    [[nodiscard]] char* record(uint16 slot) const { return reinterpret_cast<char*>(page) + directory()[slot]; }
    [[nodiscard]] Size record_bytes(uint16 slot) const { return End(slot) - directory()[slot]; }
    [[nodiscard]] GraphNode node(const NodePlaces& places, uint16 slot) const {
        return {places.node, reinterpret_cast<uint8*>(record(slot))};
    }
    // The same after a check of its place and of its numbers.
    [[nodiscard]] RecordKind Find(const NodePlaces& places, Size value_bytes, uint16 slot) const;

    // Bytes in which another record can be made.
    [[nodiscard]] Size room() const;
    // The capacity that a new node gets on this page, so that as many nodes as fit with `wanted` edges, and at most
    // `most`, share what is left; 0: there is no room for one.
    [[nodiscard]] uint32 CapacityForNew(const NodePlaces& places, uint32 wanted, uint32 most) const;
    // Makes a record of so many bytes at the end, with nothing in it; returns its slot. The caller checked room().
    uint16 Append(Size bytes) const;
    // A free record of at least so many bytes, or `slots`.
    [[nodiscard]] uint16 FindFree(const NodePlaces& places, Size bytes) const;

  private:
    // Whether a record lies where one can.
    [[nodiscard]] bool PossiblePlace(const NodePlaces& places, uint16 slot) const;
    [[nodiscard]] uint16 End(uint16 slot) const {
        return slot + 1 < header->slots ? directory()[slot + 1] : reinterpret_cast<PageHeader>(page)->pd_lower;
    }
};

// ---- Entries: numbers of nodes ----

struct EntriesPageHeader {
    uint32 count;
    uint32 unused;
};
inline constexpr Size kEntriesOffset = kHeaderOffset + sizeof(EntriesPageHeader);
inline constexpr uint32 kEntriesPerPage = (BLCKSZ - kEntriesOffset) / sizeof(NodeId);

struct EntriesPage {
    Page page;
    EntriesPageHeader* header;

    [[nodiscard]] static EntriesPage At(Page page) { return {page, HeaderOf<EntriesPageHeader>(page)}; }
    [[nodiscard]] static EntriesPage Open(Relation index, BlockNumber block, Page page);
    [[nodiscard]] NodeId* nodes() const {
        return reinterpret_cast<NodeId*>(reinterpret_cast<char*>(page) + kEntriesOffset);
    }
    // pd_lower of a page with so many.
    [[nodiscard]] static uint16 Lower(uint32 count) {
        return static_cast<uint16>(kEntriesOffset + count * sizeof(NodeId));
    }
};

// How many rows an index of so many nodes has searches start from.
[[nodiscard]] uint32 EntriesFor(double nodes);
inline constexpr uint32 kFewestEntries = 256;
inline constexpr uint32 kMostSampledEntries = 1024;
// With those without which rows would not be found.
inline constexpr uint32 kMostEntries = 4096;

// ---- Side rows: heap TIDs with the values of their filter columns ----

struct SidePageHeader {
    uint16 count;
    uint16 unused[3];
};
inline constexpr Size kSideOffset = kHeaderOffset + sizeof(SidePageHeader);

struct SideLayout {
    Size value_bytes;
    [[nodiscard]] Size stride() const { return sizeof(HeapTid) + TYPEALIGN(2, value_bytes); }
    [[nodiscard]] uint32 rows_per_page() const { return static_cast<uint32>((BLCKSZ - kSideOffset) / stride()); }
};

struct SidePage {
    Page page;
    SidePageHeader* header;

    [[nodiscard]] static SidePage At(Page page) { return {page, HeaderOf<SidePageHeader>(page)}; }
    [[nodiscard]] static SidePage Open(Relation index, BlockNumber block, Page page, const SideLayout& layout);
    [[nodiscard]] HeapTid* tid(const SideLayout& layout, uint32 i) const {
        return reinterpret_cast<HeapTid*>(reinterpret_cast<char*>(page) + kSideOffset + i * layout.stride());
    }
    [[nodiscard]] uint8* values(const SideLayout& layout, uint32 i) const {
        return reinterpret_cast<uint8*>(tid(layout, i)) + sizeof(HeapTid);
    }
    [[nodiscard]] static uint16 Lower(const SideLayout& layout, uint32 count) {
        return static_cast<uint16>(kSideOffset + count * layout.stride());
    }
};

// ---- All pages ----

void CheckPage(Relation index, BlockNumber block, Page page, PageKind kind);
[[nodiscard]] inline bool PageIsOurs(Page page) {
    return PageHasFormat(page, kFormat);
}
[[nodiscard]] inline PageKind KindOf(Page page) {
    return static_cast<PageKind>(OpaqueOf(page)->kind);
}
// Makes an empty page of a kind, with pd_lower at the end of its header.
void InitPage(Page page, PageKind kind);

// A checked copy of the meta page's contents, cheap enough to take for each scan.
void ReadMeta(Relation index, MetaPage* meta);
// Dimensions of the space of an index with these options: its column's, or, where those of a dense vector are so many
// that nodes would not fit on pages, its images'.
[[nodiscard]] uint32 SpaceDimensions(Relation index, uint32 m, Size value_bytes, bool advise);
[[nodiscard]] inline MetaPage* MetaOf(Page page) {
    return HeaderOf<MetaPage>(page);
}
// What can be checked of it without the relation's size; ERROR where it is impossible.
void CheckMeta(Relation index, const MetaPage& meta);

}  // namespace annex::pg::hnsw

// What the pages of all our access methods have in common.
//
// Every page is a standard PostgreSQL page. What it is stands behind its page header, not in special space: one cache
// line tells everything that must be known of it. Nothing of a page is used before it has been checked.
#pragma once

#include "pg/pg.h"

#include "annex/sketch.h"

namespace annex::pg {

// How the pages of an access method are told from others.
struct PageFormat {
    uint32 magic;
    uint8 version;
    const char* method;  // in messages
};

// After the page header of every page. `kind` is one of the access method's.
struct PageOpaque {
    BlockNumber next;  // in the chain this page belongs to, or InvalidBlockNumber
    uint32 magic;
    uint8 kind;
    uint8 version;
    uint16 unused;
    BlockNumber head;  // of the second page of something longer than a page: its first page
};
static_assert(sizeof(PageOpaque) == 16);

inline constexpr Size kHeaderOffset = SizeOfPageHeaderData + sizeof(PageOpaque);

inline PageOpaque* OpaqueOf(Page page) {
    return reinterpret_cast<PageOpaque*>(reinterpret_cast<char*>(page) + SizeOfPageHeaderData);
}
// What comes after, on each kind of page.
template <typename Header>
inline Header* HeaderOf(Page page) {
    return reinterpret_cast<Header*>(reinterpret_cast<char*>(page) + kHeaderOffset);
}
inline BlockNumber NextOf(Page page) {
    return OpaqueOf(page)->next;
}

[[noreturn]] void ReportCorrupted(Relation index, BlockNumber block, const char* reason);

[[nodiscard]] bool PageHasFormat(Page page, const PageFormat& format);
// ERROR with ERRCODE_INDEX_CORRUPTED, the block and the reason if it is not of the format and kind.
void CheckPageFormat(Relation index, BlockNumber block, Page page, const PageFormat& format, uint8 kind);
// Makes an empty page with this pd_lower.
void InitPageFormat(Page page, const PageFormat& format, uint8 kind, Size lower);
inline void SetPageLower(Page page, Size lower) {
    reinterpret_cast<PageHeader>(page)->pd_lower = static_cast<LocationIndex>(lower);
}

// ---- The mean of the data: a chain of pages of floats ----

struct MeanPageHeader {
    uint32 count;
    uint32 unused;
};
inline constexpr Size kMeanOffset = kHeaderOffset + sizeof(MeanPageHeader);
inline constexpr uint32 kMeanPerPage = (BLCKSZ - kMeanOffset) / sizeof(float);

inline float* MeanValues(Page page) {
    return reinterpret_cast<float*>(reinterpret_cast<char*>(page) + kMeanOffset);
}
// The number of floats on a page that has been found to be one of the mean's, checked.
[[nodiscard]] uint32 MeanCount(Relation index, BlockNumber block, Page page);
// Makes a page of the mean with the next of `count` floats that fit on it; returns how many these are.
[[nodiscard]] uint32 FillMeanPage(Page page, const PageFormat& format, uint8 kind, const float* mean, uint32 count);
// Reads mean[dimensions] from the chain that begins at `first`.
void ReadMeanChain(Relation index, const PageFormat& format, uint8 kind, BlockNumber first, uint32 dimensions,
                   float* mean);

// ---- Heap TIDs ----

inline HeapTid FromItemPointer(const ItemPointerData& tid) {
    return {tid.ip_blkid.bi_hi, tid.ip_blkid.bi_lo, tid.ip_posid};
}
inline ItemPointerData ToItemPointer(HeapTid tid) {
    ItemPointerData result;
    result.ip_blkid.bi_hi = tid.block_high;
    result.ip_blkid.bi_lo = tid.block_low;
    result.ip_posid = tid.offset;
    return result;
}

}  // namespace annex::pg

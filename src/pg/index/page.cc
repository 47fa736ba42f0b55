// Checks of pages, their initialisation, and the pages of the mean.
#include "pg/index/page.h"

namespace annex::pg {

[[noreturn]] void ReportCorrupted(Relation index, BlockNumber block, const char* reason) {
    ereport(ERROR,
            (errcode(ERRCODE_INDEX_CORRUPTED), errmsg("index \"%s\" is corrupted", RelationGetRelationName(index)),
             errdetail("Block %u: %s.", block, reason), errhint("Please REINDEX it.")));
    pg_unreachable();
}

bool PageHasFormat(Page page, const PageFormat& format) {
    return !PageIsNew(page) && PageGetPageSize(page) == BLCKSZ && OpaqueOf(page)->magic == format.magic &&
           OpaqueOf(page)->version == format.version;
}

void CheckPageFormat(Relation index, BlockNumber block, Page page, const PageFormat& format, uint8 kind) {
    if (PageIsNew(page)) ReportCorrupted(index, block, "the page is empty");
    // GenericXLog copies by pd_upper and trusts that no pd_lower set here lies beyond it.
    const auto* header = reinterpret_cast<PageHeader>(page);
    if (PageGetPageSize(page) != BLCKSZ || header->pd_upper != BLCKSZ || header->pd_special != BLCKSZ)
        ReportCorrupted(index, block, psprintf("the page header is not that of an %s index", format.method));
    const PageOpaque* opaque = OpaqueOf(page);
    if (opaque->magic != format.magic)
        ReportCorrupted(index, block, psprintf("the page does not belong to an %s index", format.method));
    if (opaque->version != format.version) ReportCorrupted(index, block, "the page has an unknown format version");
    if (opaque->kind != kind) ReportCorrupted(index, block, "the page is of another kind than expected");
}

void InitPageFormat(Page page, const PageFormat& format, uint8 kind, Size lower) {
    PageInit(page, BLCKSZ, 0);
    PageOpaque* opaque = OpaqueOf(page);
    opaque->next = InvalidBlockNumber;
    opaque->magic = format.magic;
    opaque->kind = kind;
    opaque->version = format.version;
    SetPageLower(page, lower);
}

uint32 MeanCount(Relation index, BlockNumber block, Page page) {
    const uint32 count = HeaderOf<MeanPageHeader>(page)->count;
    if (count > kMeanPerPage) ReportCorrupted(index, block, "the count of a mean page is impossible");
    return count;
}

uint32 FillMeanPage(Page page, const PageFormat& format, uint8 kind, const float* mean, uint32 count) {
    count = count < kMeanPerPage ? count : kMeanPerPage;
    InitPageFormat(page, format, kind, kMeanOffset + count * sizeof(float));
    *HeaderOf<MeanPageHeader>(page) = {count, 0};
    memcpy(MeanValues(page), mean, count * sizeof(float));
    return count;
}

void ReadMeanChain(Relation index, const PageFormat& format, uint8 kind, BlockNumber first, uint32 dimensions,
                   float* mean) {
    BlockNumber block = first;
    for (uint32 done = 0; done < dimensions;) {
        if (block == 0 || block >= RelationGetNumberOfBlocks(index))
            ReportCorrupted(index, block, "the mean ends too early");
        Buffer buffer = ReadBuffer(index, block);
        LockBuffer(buffer, BUFFER_LOCK_SHARE);
        Page page = BufferGetPage(buffer);
        CheckPageFormat(index, block, page, format, kind);
        const uint32 count = MeanCount(index, block, page);
        if (count == 0 || count > dimensions - done) ReportCorrupted(index, block, "the mean has a wrong length");
        memcpy(mean + done, MeanValues(page), count * sizeof(float));
        done += count;
        block = NextOf(page);
        UnlockReleaseBuffer(buffer);
    }
    for (uint32 i = 0; i < dimensions; i++)
        if (!(mean[i] > -1e19F && mean[i] < 1e19F)) ReportCorrupted(index, first, "the mean is not a number");
}

}  // namespace annex::pg

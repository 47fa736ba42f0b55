// Reading an index's fixed structures: descriptors and mean.
#include "pg/ivf/ivf.h"

namespace annex::pg::ivf {

bool ReadDescriptor(Relation index, const MetaPage& meta, ListId id, ListDescriptor* descriptor) {
    uint32 number;
    if (!ListNumber(meta, id, &number))
        ReportCorrupted(index, 0, "a centroid names a list descriptor outside of the index");
    Buffer buffer = ReadBuffer(index, id.block);
    LockBuffer(buffer, BUFFER_LOCK_SHARE);
    const DescriptorPage page = DescriptorPage::Open(index, id.block, BufferGetPage(buffer));
    if (id.slot >= page.header->count)
        ReportCorrupted(index, id.block, "a centroid names a list descriptor that does not exist");
    *descriptor = page.descriptors()[id.slot];
    UnlockReleaseBuffer(buffer);
    return descriptor->LivedAt(meta.generation);
}

void CheckMoved(Relation index, const MetaPage& meta, BlockNumber block, const char* reason) {
    MetaPage now;
    ReadMeta(index, &now);
    const uint64 stands = IsPending(meta) ? now.pending : now.generation;
    if (stands == meta.generation) ReportCorrupted(index, block, reason);
}

void ReadMean(Relation index, const MetaPage& meta, float* mean) {
    BlockNumber block = meta.mean;
    for (uint32 done = 0; done < meta.dimensions;) {
        if (block == 0 || block >= RelationGetNumberOfBlocks(index))
            ReportCorrupted(index, block, "the mean ends too early");
        Buffer buffer = ReadBuffer(index, block);
        LockBuffer(buffer, BUFFER_LOCK_SHARE);
        Page page = BufferGetPage(buffer);
        const MeanPage mean_page = MeanPage::Open(index, block, page);
        const uint32 count = mean_page.header->count;
        if (count == 0 || count > meta.dimensions - done) ReportCorrupted(index, block, "the mean has a wrong length");
        memcpy(mean + done, mean_page.values(), count * sizeof(float));
        done += count;
        block = NextOf(page);
        UnlockReleaseBuffer(buffer);
    }
    for (uint32 i = 0; i < meta.dimensions; i++)
        if (!(mean[i] > -1e19F && mean[i] < 1e19F)) ReportCorrupted(index, meta.mean, "the mean is not a number");
}

}  // namespace annex::pg::ivf

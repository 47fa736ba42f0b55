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
    ReadMeanChain(index, kFormat, static_cast<uint8>(PageKind::kMean), meta.mean, meta.dimensions, mean);
}

}  // namespace annex::pg::ivf

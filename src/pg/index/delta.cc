// Generic WAL records made of known changes.
#include "pg/index/delta.h"

extern "C" {
#include "access/rmgr.h"
#include "access/xloginsert.h"
#include "miscadmin.h"
#include "utils/rel.h"
}

namespace annex::pg {

char DeltaRecord::deltas[kMostPages][kDeltaBytes];

int DeltaRecord::Add(Buffer buffer) {
    if (count_ == kMostPages) elog(ERROR, "too many pages in a record");
    buffers_[count_] = buffer;
    bytes_[count_] = 0;
    return count_++;
}

char* DeltaRecord::Reserve(int page, Size offset, Size size) {
    if (offset + size > BLCKSZ || bytes_[page] + sizeof(Fragment) + size > kDeltaBytes)
        elog(ERROR, "too many changes of a page in a record");
    const Fragment fragment{static_cast<OffsetNumber>(offset), static_cast<OffsetNumber>(size)};
    char* to = deltas[page] + bytes_[page];
    memcpy(to, &fragment, sizeof fragment);
    bytes_[page] += sizeof fragment + size;
    return to + sizeof fragment;
}

void DeltaRecord::Apply(int page) const {
    char* to = BufferGetPage(buffers_[page]);
    for (const char* from = deltas[page]; from < deltas[page] + bytes_[page];) {
        Fragment fragment;
        memcpy(&fragment, from, sizeof fragment);
        memcpy(to + fragment.offset, from + sizeof fragment, fragment.length);
        from += sizeof fragment + fragment.length;
    }
}

void DeltaRecord::Finish(Relation relation, bool logged) {
    logged = logged && RelationNeedsWAL(relation);
    if (logged) XLogBeginInsert();
    START_CRIT_SECTION();
    for (int i = 0; i < count_; i++) {
        MarkBufferDirty(buffers_[i]);
        Apply(i);
        if (!logged) continue;
        XLogRegisterBuffer(static_cast<uint8>(i), buffers_[i], REGBUF_STANDARD);
        XLogRegisterBufData(static_cast<uint8>(i), deltas[i], static_cast<int>(bytes_[i]));
    }
    if (logged) {
        const XLogRecPtr end = XLogInsert(RM_GENERIC_ID, 0);
        for (int i = 0; i < count_; i++) PageSetLSN(BufferGetPage(buffers_[i]), end);
    }
    END_CRIT_SECTION();
}

}  // namespace annex::pg

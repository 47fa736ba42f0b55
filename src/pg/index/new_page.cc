// Free pages and new ones.
#include "pg/index/new_page.h"

#include "pg/index/stop_point.h"

extern "C" {
#include "storage/freespace.h"
}

namespace annex::pg {

// A free page that the map knows, taken out of it, or InvalidBuffer.
static Buffer TakeFreePage(Relation index, const PageFormat& format, uint8 free_kind) {
    // A map that is wrong must not keep us.
    constexpr int kTries = 8;
    for (int i = 0; i < kTries; i++) {
        const BlockNumber block = GetPageWithFreeSpace(index, BLCKSZ - 32);
        if (block == InvalidBlockNumber || block >= RelationGetNumberOfBlocks(index)) return InvalidBuffer;
        Buffer buffer = ReadBuffer(index, block);
        // Whoever has it locked takes it, or is the caller: the map is wrong.
        if (!ConditionalLockBuffer(buffer)) {
            ReleaseBuffer(buffer);
            return InvalidBuffer;
        }
        RecordPageWithFreeSpace(index, block, 0);
        Page page = BufferGetPage(buffer);
        if (PageHasFormat(page, format) && OpaqueOf(page)->kind == free_kind) return buffer;
        UnlockReleaseBuffer(buffer);
    }
    return InvalidBuffer;
}

static Buffer ExtendRelation(Relation index) {
    const bool lock = !RELATION_IS_LOCAL(index);
    if (lock) LockRelationForExtension(index, ExclusiveLock);
    Buffer buffer = ReadBuffer(index, P_NEW);
    LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
    if (lock) UnlockRelationForExtension(index, ExclusiveLock);
    return buffer;
}

Buffer NewPage(Relation index, const PageFormat& format, uint8 free_kind) {
    Buffer buffer = TakeFreePage(index, format, free_kind);
    if (!BufferIsValid(buffer)) buffer = ExtendRelation(index);
    ANNEX_STOP_POINT("extend-new-page");
    return buffer;
}

BlockNumber AddedBlocks(Relation index) {
    const bool lock = !RELATION_IS_LOCAL(index);
    if (lock) LockRelationForExtension(index, ExclusiveLock);
    const BlockNumber blocks = RelationGetNumberOfBlocks(index);
    if (lock) UnlockRelationForExtension(index, ExclusiveLock);
    return blocks;
}

}  // namespace annex::pg

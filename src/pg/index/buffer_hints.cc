// A table from blocks to buffers.
#include "pg/index/buffer_hints.h"

extern "C" {
#include "pgstat.h"
#include "storage/buf_internals.h"
}

namespace annex::pg {

// Pages for which a buffer is remembered: 4 bytes each.
static constexpr BlockNumber kMostHints = 1 << 20;

static BlockNumber HintsFor(Relation index) {
    const BlockNumber blocks = RelationGetNumberOfBlocks(index);
    return blocks < kMostHints ? blocks : kMostHints;
}

Size BufferHints::BytesFor(Relation index) {
    return HintsFor(index) * sizeof(Buffer);
}

void BufferHints::Begin(Relation index) {
    const BlockNumber count = HintsFor(index);
    file_ = ANNEX_RELATION_FILE(index);
    hints_ = static_cast<Buffer*>(calloc(count, sizeof(Buffer)));
    count_ = hints_ != nullptr ? count : 0;
}

void BufferHints::Free() {
    free(hints_);
    hints_ = nullptr;
    count_ = 0;
}

// Pinning by a hint does not count as a use, and pages that are read in no other way would be the first that shared
// buffers give up. So buffers are looked up as usual until they have as many uses as are counted, and again when the
// clock's hand has taken one off.
static bool HasAllUses(Buffer buffer) {
    if (BufferIsLocal(buffer)) return true;
    const uint32 state = pg_atomic_read_u32(&GetBufferDescriptor(static_cast<uint32>(buffer - 1))->state);
    return BUF_STATE_GET_USAGECOUNT(state) >= BM_MAX_USAGE_COUNT;
}

Buffer BufferHints::Pin(Relation index, BlockNumber block) {
    if (block >= count_) return ReadBuffer(index, block);
    Buffer* hint = &hints_[block];
    if (*hint != InvalidBuffer && HasAllUses(*hint) && ReadRecentBuffer(file_, MAIN_FORKNUM, block, *hint)) {
        pgstat_count_buffer_read(index);
        pgstat_count_buffer_hit(index);
        return *hint;
    }
    *hint = ReadBuffer(index, block);
    return *hint;
}

const char* BufferHints::PrefetchPin(BlockNumber block) const {
    if (block >= count_) return nullptr;
    const Buffer buffer = hints_[block];
    if (buffer == InvalidBuffer || BufferIsLocal(buffer)) return nullptr;
    __builtin_prefetch(GetBufferDescriptor(static_cast<uint32>(buffer - 1)), 1);
    return BufferBlocks + static_cast<Size>(buffer - 1) * BLCKSZ;
}

}  // namespace annex::pg

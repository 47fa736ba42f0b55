// Asks for the memory of heap tuples ahead of time.
#include "pg/index/heap_ahead.h"

extern "C" {
#include "access/heapam.h"
#include "storage/buf_internals.h"
#include "utils/rel.h"
#include "utils/spccache.h"
}

namespace annex::pg {

static constexpr Size kCacheLine = 64;
// The processor goes on by itself once it has seen some lines in a row.
static constexpr Size kTupleLines = 4;
// Greatest offset whose line pointer lies on a page; a TID from a damaged index may have a greater one.
static constexpr OffsetNumber kGreatestOffset = (BLCKSZ - SizeOfPageHeaderData) / sizeof(ItemIdData);

static bool IsOfUse(Relation heap) {
    return heap != nullptr && heap->rd_tableam == GetHeapamTableAmRoutine() && !RelationUsesLocalBuffers(heap) &&
           get_tablespace_io_concurrency(heap->rd_rel->reltablespace) > 0;
}

void HeapAhead::Begin(Relation heap) {
    heap_ = IsOfUse(heap) ? heap : nullptr;
    rows_ = pending_ = 0;
}

void HeapAhead::Ask(ItemPointerData tid) {
    rows_++;
    const Buffer buffer = PrefetchBuffer(heap_, MAIN_FORKNUM, ItemPointerGetBlockNumberNoCheck(&tid)).recent_buffer;
    const OffsetNumber offset = ItemPointerGetOffsetNumberNoCheck(&tid);
    if (buffer <= InvalidBuffer || offset == InvalidOffsetNumber || offset > kGreatestOffset || pending_ == kRows)
        return;
    const char* page = BufferBlocks + static_cast<Size>(buffer - 1) * BLCKSZ;
    const char* line_pointer = page + SizeOfPageHeaderData + static_cast<Size>(offset - 1) * sizeof(ItemIdData);
    __builtin_prefetch(GetBufferDescriptor(static_cast<uint32>(buffer - 1)), 1);
    __builtin_prefetch(page);
    __builtin_prefetch(line_pointer);
    line_pointers_[pending_++] = line_pointer;
}

// The pages are not pinned and may be others by now: what stands there says only where to look.
void HeapAhead::AskForTuples() {
    for (uint32 i = 0; i < pending_; i++) {
        ItemIdData line_pointer;
        memcpy(&line_pointer, line_pointers_[i], sizeof(line_pointer));
        const Size page = static_cast<Size>(line_pointers_[i] - BufferBlocks) / BLCKSZ * BLCKSZ;
        const Size begin = ItemIdGetOffset(&line_pointer);
        for (Size at = begin; at < BLCKSZ && at < begin + kTupleLines * kCacheLine; at += kCacheLine)
            __builtin_prefetch(BufferBlocks + page + at);
    }
    pending_ = 0;
}

}  // namespace annex::pg

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

static bool IsOfUse(Relation heap) {
    return heap != nullptr && heap->rd_tableam == GetHeapamTableAmRoutine() && !RelationUsesLocalBuffers(heap) &&
           get_tablespace_io_concurrency(heap->rd_rel->reltablespace) > 0;
}

void HeapAhead::Begin(Relation heap) {
    heap_ = IsOfUse(heap) ? heap : nullptr;
    rows_ = 0;
    page_ = nullptr;
}

static Size LinePointerAt(OffsetNumber offset) {
    return SizeOfPageHeaderData + static_cast<Size>(offset - 1) * sizeof(ItemIdData);
}

void HeapAhead::Ask(ItemPointerData tid) {
    rows_++;
    const Buffer buffer = PrefetchBuffer(heap_, MAIN_FORKNUM, ItemPointerGetBlockNumberNoCheck(&tid)).recent_buffer;
    AskForTuple();
    page_ = nullptr;
    offset_ = ItemPointerGetOffsetNumberNoCheck(&tid);
    if (buffer <= InvalidBuffer || !OffsetNumberIsValid(offset_)) return;
    page_ = BufferBlocks + static_cast<Size>(buffer - 1) * BLCKSZ;
    __builtin_prefetch(GetBufferDescriptor(static_cast<uint32>(buffer - 1)), 1);
    __builtin_prefetch(page_);
    __builtin_prefetch(page_ + LinePointerAt(offset_));
}

// The page is not pinned and may be another by now: what stands there says only where to look.
void HeapAhead::AskForTuple() const {
    if (page_ == nullptr) return;
    ItemIdData line_pointer;
    memcpy(&line_pointer, page_ + LinePointerAt(offset_), sizeof(line_pointer));
    const Size begin = ItemIdGetOffset(&line_pointer);
    for (Size at = begin; at < BLCKSZ && at < begin + kTupleLines * kCacheLine; at += kCacheLine)
        __builtin_prefetch(page_ + at);
}

}  // namespace annex::pg

// Where the pages of an index were last found in shared buffers, so that pinning one of them again takes no look-up.
#pragma once

#include "pg/pg.h"

namespace annex::pg {

// No constructor and no destructor: it lies in memory of any kind, zeros being a table without hints.
class BufferHints {
  public:
    // The memory that hints for an index take.
    [[nodiscard]] static Size BytesFor(Relation index);

    // Begins to remember. Without memory for it, or before, every page is looked up.
    void Begin(Relation index);
    void Free();

    // Pins a page, trying the buffer where it was found before.
    [[nodiscard]] Buffer Pin(Relation index, BlockNumber block);
    // Asks for the memory in which it stands where a page was found.
    void PrefetchHint(BlockNumber block) const {
        if (block < count_) __builtin_prefetch(&hints_[block]);
    }
    // Asks for the memory that pinning a page takes, and tells where the page was found last, so that its own memory
    // can be asked for; nullptr: not known. Nothing may be read there: the buffer is not pinned and may hold another
    // page by now.
    [[nodiscard]] const char* PrefetchPin(BlockNumber block) const;

  private:
    RelationFileId file_;
    Buffer* hints_;  // malloc'd; by block
    BlockNumber count_;
};

}  // namespace annex::pg

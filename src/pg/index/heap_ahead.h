// Asks for the memory of heap tuples that an index scan is about to return.
//
// The executor reads the tuples one after the other, and each lies where the processor's cache has seldom been: the
// buffer's hash bucket and header, the page's header, the line pointer, the tuple. Asked for several rows ahead they
// come while others are worked on; and pages that are not in shared buffers are asked for from the system.
#pragma once

#include "pg/pg.h"

namespace annex::pg {

class HeapAhead {
  public:
    // How many rows to be ahead.
    static constexpr uint32 kRows = 8;

    // heap: nullptr where it is not known. Nothing is asked for where that is of no use: for a table whose TIDs mean
    // something else, or that is the session's own.
    void Begin(Relation heap);
    // Rows asked for that have not been returned; at most kRows while this is to be called for the next row.
    [[nodiscard]] bool Wants() const { return heap_ != nullptr && rows_ < kRows; }
    [[nodiscard]] uint32 rows() const { return rows_; }
    // Asks for a row's page. Pins nothing.
    void Ask(ItemPointerData tid);
    // Asks for the tuples on the pages asked for, whose line pointers may have come by now: after several of them, or
    // before the next.
    void AskForTuples();
    void Returned() {
        if (rows_ > 0) rows_--;
    }

  private:
    Relation heap_ = nullptr;
    uint32 rows_ = 0;
    const char* line_pointers_[kRows];  // of rows whose tuples are still to be asked for
    uint32 pending_ = 0;
};

}  // namespace annex::pg

// A WAL record of known changes to a few pages.
//
// GenericXLog copies every page and compares the copies byte by byte to find out what was changed, which takes longer
// than everything else that an insert does. Where one knows what one changes, the same record can be put together at
// once: blocks with fragments {offset, length, bytes}, replayed by PostgreSQL's generic resource manager (format:
// generic_xlog.c). The pages are changed in Finish(), in the critical section in which the record is inserted.
#pragma once

#include "pg/pg.h"

extern "C" {
#include "access/generic_xlog.h"
}

namespace annex::pg {

class DeltaRecord {
  public:
    static constexpr int kMostPages = MAX_GENERIC_XLOG_PAGES;

    // A backend puts one record together at a time: its bytes lie in static memory.
    DeltaRecord() = default;

    // A page that is to be changed, exclusively locked until after Finish(); returns its number in the record.
    int Add(Buffer buffer);
    [[nodiscard]] int pages() const { return count_; }
    // Room for the bytes that are to stand at `offset` of a page. All that is used of the page afterwards must lie
    // below its pd_lower or above its pd_upper, for replay makes zeros of what is between them.
    [[nodiscard]] char* Reserve(int page, Size offset, Size size);
    void Put(int page, Size offset, const void* bytes, Size size) { memcpy(Reserve(page, offset, size), bytes, size); }
    // Changes the pages and inserts the record; `logged` false: without WAL, as a build does that logs all pages at its
    // end.
    void Finish(Relation relation, bool logged = true);

  private:
    struct Fragment {
        OffsetNumber offset;
        OffsetNumber length;
    };
    // What a whole page may take, and the headers of some fragments.
    static constexpr Size kDeltaBytes = BLCKSZ + 16 * sizeof(Fragment);
    static char deltas[kMostPages][kDeltaBytes];

    void Apply(int page) const;

    Buffer buffers_[kMostPages];
    Size bytes_[kMostPages];
    int count_ = 0;
};

}  // namespace annex::pg

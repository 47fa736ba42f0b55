// Pages for an index to grow by, and what the free space map says of them.
#pragma once

#include "pg/index/page.h"

namespace annex::pg {

// What the map is told of a free page: PostgreSQL's highest category, BLCKSZ - 32 bytes and more.
inline constexpr Size kFreePageSpace = BLCKSZ - 1;
[[nodiscard]] inline bool PromisesFreePage(Size space) {
    return space >= BLCKSZ - 32;
}

// A page to be made something by the caller: exclusively locked, and either free, which is the kind `free_kind` of the
// format, or one by which the relation was just extended. No lock is waited for, so that it may be called under any
// others.
[[nodiscard]] Buffer NewPage(Relation index, const PageFormat& format, uint8 free_kind);

// The number of blocks, of which each is or was locked by whoever added it: a page of zeros among them that nobody has
// locked is one that nobody will use.
[[nodiscard]] BlockNumber AddedBlocks(Relation index);

}  // namespace annex::pg

// What an ordered index scan may know of the plan it belongs to: how many rows its LIMIT wants.
//
// An index access method never sees the plan. When the executor starts, a hook looks at the plan's nodes and notes, for
// each scan of one of our indexes, the LIMIT that it feeds without a filter or a join in between. A hint only: a wrong
// one costs time.
#pragma once

#include "pg/pg.h"

namespace annex::pg {

// Installs the hook. Ordered scans of access methods whose amgettuple was registered are looked for.
void InstallScanHints();
void RegisterOrderedScan(amgettuple_function gettuple);

// Rows that the plan's LIMIT (and OFFSET) wants of the scan that starts now on this index; 0: not known.
[[nodiscard]] double LimitHint(Relation index);

// Sets it for scans that belong to no plan, until the current memory context goes.
void NoteLimit(Relation index, double limit);

}  // namespace annex::pg

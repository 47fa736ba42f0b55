// What an ordered index scan may know of the plan it belongs to: how many rows its LIMIT wants.
//
// An index access method never sees the plan. When the executor starts, a hook looks at the plan's nodes and notes, for
// each scan of one of our indexes (pg/index/access_method.h), the LIMIT that it feeds without a join in between, and
// more if a filter is, by its estimated share of rows that pass. A hint only: a wrong one costs time.
#pragma once

#include "pg/pg.h"

extern "C" {
#include "nodes/execnodes.h"
}

namespace annex::pg {

// Installs the hook.
void InstallScanHints();

// A node of ours that scans an index for itself, and wants to know about the LIMIT that it feeds.
struct PlanLimit {
    double rows;  // with those that OFFSET skips; 0: not known
    bool exact;   // nobody will ask for more
};
// Takes note of it if the node is such a one, and returns its index scan, which then gets no hint; else nullptr.
using LimitTaker = const IndexScanState* (*)(PlanState* node, PlanLimit limit);
void SetLimitTaker(LimitTaker taker);

// Rows that the plan's LIMIT (and OFFSET) wants of the scan that starts now on this index; 0: not known.
[[nodiscard]] double LimitHint(Relation index);

// Sets it for scans that belong to no plan, until the current memory context goes.
void NoteLimit(Relation index, double limit);

}  // namespace annex::pg

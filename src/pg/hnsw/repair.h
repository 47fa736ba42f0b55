// Repairs a graph some of whose nodes have died, and frees these: what amvacuumcleanup does.
#pragma once

#include "pg/hnsw/hnsw.h"

namespace annex::pg::hnsw {

struct RepairResult {
    double live_nodes;
    double dead_nodes;  // that were found
    bool repaired;      // and are free now
};

// Does nothing to a graph of which too few nodes are dead to be worth it, unless another repair was stopped. Nobody
// else vacuums the index.
[[nodiscard]] RepairResult RepairGraph(Relation index, BufferAccessStrategy strategy);

}  // namespace annex::pg::hnsw

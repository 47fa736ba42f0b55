// What builds of all our access methods begin with: a sample of the table's blocks, and threads.
#pragma once

#include "pg/pg.h"

extern "C" {
#include "nodes/execnodes.h"
}

namespace annex::pg {

// Threads that may work on a table of this size, within max_parallel_maintenance_workers + 1.
[[nodiscard]] int BuildThreads(Relation heap);

// Whose rows are shown to `callback`, and with what.
struct BlockSample {
    Relation heap;
    Relation index;
    IndexInfo* index_info;
    IndexBuildCallback callback;
    void* arg;
};

// Blocks whose rows make a mean.
inline constexpr BlockNumber kMeanBlocks = 256;

// Visits about `wanted` random blocks in order; returns how many there were. The same seed visits the same ones.
BlockNumber SampleBlocks(const BlockSample& sample, BlockNumber wanted, uint32 seed);

}  // namespace annex::pg

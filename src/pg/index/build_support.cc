// Samples of blocks, and the number of threads.
#include "pg/index/build_support.h"

extern "C" {
#include "catalog/index.h"
#include "commands/progress.h"
#include "pgstat.h"
#include "utils/sampling.h"
}

#include <unistd.h>

namespace annex::pg {

// Tables of fewer blocks are built sooner than threads have started.
static constexpr BlockNumber kFewBlocks = 1000;

int BuildThreads(Relation heap) {
    if (RelationGetNumberOfBlocks(heap) < kFewBlocks) return 1;
    const long processors = sysconf(_SC_NPROCESSORS_ONLN);
    const int wanted = max_parallel_maintenance_workers + 1;
    return processors > 0 && processors < wanted ? static_cast<int>(processors) : wanted;
}

static void VisitRun(const BlockSample& sample, BlockNumber first, BlockNumber blocks) {
    // Rows of any visibility are as good a sample, but a concurrent build scans under an MVCC snapshot, which knows no
    // such mode.
    table_index_build_range_scan(sample.heap, sample.index, sample.index_info, false, !sample.index_info->ii_Concurrent,
                                 false, first, blocks, sample.callback, sample.arg, nullptr);
}

// Neighbours are visited together, since a scan costs something to start.
BlockNumber SampleBlocks(const BlockSample& sample, BlockNumber wanted, uint32 seed) {
    constexpr BlockNumber kLongestRun = 64;
    BlockSamplerData sampler;
    BlockSampler_Init(&sampler, RelationGetNumberOfBlocks(sample.heap), static_cast<int>(wanted), seed);
    pgstat_progress_update_param(PROGRESS_SCAN_BLOCKS_TOTAL, wanted);
    BlockNumber visited = 0;
    BlockNumber first = 0;
    BlockNumber run = 0;
    while (BlockSampler_HasMore(&sampler)) {
        const BlockNumber block = BlockSampler_Next(&sampler);
        if (run > 0 && (block != first + run || run == kLongestRun)) {
            CHECK_FOR_INTERRUPTS();
            VisitRun(sample, first, run);
            pgstat_progress_update_param(PROGRESS_SCAN_BLOCKS_DONE, visited);
            run = 0;
        }
        if (run == 0) first = block;
        run++;
        visited++;
    }
    if (run > 0) VisitRun(sample, first, run);
    pgstat_progress_update_param(PROGRESS_SCAN_BLOCKS_DONE, visited);
    return visited;
}

}  // namespace annex::pg

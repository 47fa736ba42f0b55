// The parallel part of a build: PostgreSQL's workers share the scan of the table with the leader. Each has a thread,
// the trained centroids and spools of its own; the leader reads all spools when the scan is over.
#pragma once

#include "pg/ivf/assign.h"

namespace annex::pg::ivf {

struct ParallelBuild;

// Workers that the planner allows this build, and that maintenance_work_mem has room for.
[[nodiscard]] int BuildWorkers(Relation heap, Relation index, const IndexInfo* index_info, const ListBuilder& builder);

// Starts the workers; nullptr when none could be. No thread may be running.
[[nodiscard]] ParallelBuild* BeginParallelBuild(Relation heap, Relation index, const IndexInfo* index_info,
                                                const ListBuilder& builder, const AssignPlan& plan, int workers);

[[nodiscard]] TableScanDesc ParallelScan(ParallelBuild* parallel, Relation heap);
[[nodiscard]] pg_atomic_uint64* AssignedRows(ParallelBuild* parallel);
[[nodiscard]] FileSet* WorkerFiles(ParallelBuild* parallel);
[[nodiscard]] int WorkersLaunched(const ParallelBuild* parallel);

// Waits until the workers are through and adds what they counted.
void FinishParallelScan(ParallelBuild* parallel, IndexInfo* index_info, double* heap_tuples, double* index_tuples);

// Lets go of the workers' files as well.
void EndParallelBuild(ParallelBuild* parallel);

}  // namespace annex::pg::ivf

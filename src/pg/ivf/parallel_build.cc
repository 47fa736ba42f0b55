// Workers of a build, as nbtree and others have them: everything that they share lies in one dynamic shared memory
// segment, which the leader fills before it launches them.
#include "pg/ivf/parallel_build.h"

extern "C" {
#include "access/parallel.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "executor/instrument.h"
#include "optimizer/optimizer.h"
#include "pgstat.h"
#include "storage/sharedfileset.h"
#include "storage/spin.h"
#include "tcop/tcopprot.h"
#include "utils/snapmgr.h"
}

#include "pg/guard.h"
#include "pg/ivf/build.h"

namespace annex::pg::ivf {

// Keys of the segment's table of contents.
enum SegmentKey : uint64 {
    kKeyShared = 0xA33E000000000001,
    kKeyScan,
    kKeyMean,
    kKeyScales,
    kKeyCodes,
    kKeyQuery,
    kKeyWalUsage,
    kKeyBufferUsage,
};

struct Shared {
    Oid heap;
    Oid index;
    bool concurrent;
    bool spill;
    Metric metric;
    int dimensions;
    uint32 lists;
    AssignPlan plan;
    SharedFileSet files;
    pg_atomic_uint64 assigned;

    slock_t mutex;  // of what follows
    double heap_tuples;
    double index_tuples;
    bool broken_hot_chain;
};

struct ParallelBuild {
    ParallelContext* context;
    Shared* shared;
    ParallelTableScanDesc scan;
    Snapshot snapshot;
    WalUsage* wal_usage;
    BufferUsage* buffer_usage;
};

int BuildWorkers(Relation heap, Relation index, const IndexInfo* index_info, const ListBuilder& builder) {
    int workers = ANNEX_BUILD_WORKERS(heap, index, index_info);
    // Each process has centroids of its own.
    const double memory = static_cast<double>(maintenance_work_mem) * 1024;
    const auto each = static_cast<double>(builder.CentroidMemory());
    while (workers > 0 && (workers + 1) * each > memory) workers--;
    return workers;
}

// ---- Leader ----

static void EstimateChunk(ParallelContext* context, Size bytes) {
    shm_toc_estimate_chunk(&context->estimator, bytes);
    shm_toc_estimate_keys(&context->estimator, 1);
}

static void* PutChunk(ParallelContext* context, SegmentKey key, const void* from, Size bytes) {
    void* chunk = shm_toc_allocate(context->toc, bytes);
    if (from != nullptr) memcpy(chunk, from, bytes);
    shm_toc_insert(context->toc, key, chunk);
    return chunk;
}

// What the segment holds, with sizes.
struct SegmentSizes {
    Size scan;
    Size mean;
    Size scales;
    Size codes;
    Size query;
    Size wal_usage;
    Size buffer_usage;
};

static void FillSegment(ParallelBuild* parallel, Relation heap, const ListBuilder& builder, const SegmentSizes& sizes) {
    ParallelContext* context = parallel->context;
    parallel->scan = static_cast<ParallelTableScanDesc>(PutChunk(context, kKeyScan, nullptr, sizes.scan));
    table_parallelscan_initialize(heap, parallel->scan, parallel->snapshot);
    PutChunk(context, kKeyMean, builder.space().mean().data(), sizes.mean);
    PutChunk(context, kKeyScales, builder.centroid_scales(), sizes.scales);
    PutChunk(context, kKeyCodes, builder.centroid_codes(0), sizes.codes);
    if (sizes.query > 0) PutChunk(context, kKeyQuery, debug_query_string, sizes.query);
    parallel->wal_usage = static_cast<WalUsage*>(PutChunk(context, kKeyWalUsage, nullptr, sizes.wal_usage));
    parallel->buffer_usage = static_cast<BufferUsage*>(PutChunk(context, kKeyBufferUsage, nullptr, sizes.buffer_usage));
}

static Shared* NewShared(ParallelContext* context, Relation heap, Relation index, const IndexInfo* index_info,
                         const ListBuilder& builder, const AssignPlan& plan) {
    auto* shared = static_cast<Shared*>(PutChunk(context, kKeyShared, nullptr, sizeof(Shared)));
    memset(static_cast<void*>(shared), 0, sizeof(Shared));
    shared->heap = RelationGetRelid(heap);
    shared->index = RelationGetRelid(index);
    shared->concurrent = index_info->ii_Concurrent;
    shared->spill = builder.spill();
    shared->metric = builder.space().metric();
    shared->dimensions = static_cast<int>(builder.space().dimensions());
    shared->lists = static_cast<uint32>(builder.lists());
    shared->plan = plan;
    SharedFileSetInit(&shared->files, context->seg);
    pg_atomic_init_u64(&shared->assigned, 0);
    SpinLockInit(&shared->mutex);
    return shared;
}

static void Release(ParallelBuild* parallel) {
    if (IsMVCCSnapshot(parallel->snapshot)) UnregisterSnapshot(parallel->snapshot);
    DestroyParallelContext(parallel->context);
    ExitParallelMode();
    pfree(parallel);
}

ParallelBuild* BeginParallelBuild(Relation heap, Relation index, const IndexInfo* index_info,
                                  const ListBuilder& builder, const AssignPlan& plan, int workers) {
    EnterParallelMode();
    ParallelContext* context = CreateParallelContext("$libdir/annex", "annex_ivf_build_worker", workers);
    auto* parallel = static_cast<ParallelBuild*>(palloc0(sizeof(ParallelBuild)));
    parallel->context = context;
    parallel->snapshot = index_info->ii_Concurrent ? RegisterSnapshot(GetTransactionSnapshot()) : SnapshotAny;

    const auto processes = static_cast<Size>(workers);
    const size_t padded = builder.space().padded();
    const SegmentSizes sizes{table_parallelscan_estimate(heap, parallel->snapshot),
                             builder.space().dimensions() * sizeof(float),
                             builder.lists() * sizeof(float),
                             builder.lists() * padded,
                             debug_query_string == nullptr ? 0 : strlen(debug_query_string) + 1,
                             processes * sizeof(WalUsage),
                             processes * sizeof(BufferUsage)};
    EstimateChunk(context, sizeof(Shared));
    for (const Size bytes : {sizes.scan, sizes.mean, sizes.scales, sizes.codes, sizes.wal_usage, sizes.buffer_usage})
        EstimateChunk(context, bytes);
    if (sizes.query > 0) EstimateChunk(context, sizes.query);
    InitializeParallelDSM(context);
    if (context->seg == nullptr) {  // no segment could be had
        Release(parallel);
        return nullptr;
    }
    parallel->shared = NewShared(context, heap, index, index_info, builder, plan);
    FillSegment(parallel, heap, builder, sizes);
    LaunchParallelWorkers(context);
    ereport(DEBUG1, (errmsg_internal("building index \"%s\" with %d parallel workers", RelationGetRelationName(index),
                                     context->nworkers_launched)));
    if (context->nworkers_launched == 0) {
        Release(parallel);
        return nullptr;
    }
    return parallel;
}

TableScanDesc ParallelScan(ParallelBuild* parallel, Relation heap) {
    return table_beginscan_parallel(heap, parallel->scan);
}

pg_atomic_uint64* AssignedRows(ParallelBuild* parallel) {
    return &parallel->shared->assigned;
}

FileSet* WorkerFiles(ParallelBuild* parallel) {
    return &parallel->shared->files.fs;
}

int WorkersLaunched(const ParallelBuild* parallel) {
    return parallel->context->nworkers_launched;
}

void FinishParallelScan(ParallelBuild* parallel, IndexInfo* index_info, double* heap_tuples, double* index_tuples) {
    // One that never came took no blocks from the scan; one that failed on the way raises its error here.
    WaitForParallelWorkersToFinish(parallel->context);
    const Shared* shared = parallel->shared;
    *heap_tuples += shared->heap_tuples;
    *index_tuples += shared->index_tuples;
    if (shared->broken_hot_chain) index_info->ii_BrokenHotChain = true;
    for (int i = 0; i < parallel->context->nworkers_launched; i++)
        InstrAccumParallelQuery(&parallel->buffer_usage[i], &parallel->wal_usage[i]);
}

void EndParallelBuild(ParallelBuild* parallel) {
    Release(parallel);
}

// ---- Worker ----

static ListBuilder** WorkerBuilder(const Shared& shared, shm_toc* toc, Relation index) {
    const auto* mean = static_cast<const float*>(shm_toc_lookup(toc, kKeyMean, false));
    const auto* scales = static_cast<const float*>(shm_toc_lookup(toc, kKeyScales, false));
    const auto* codes = static_cast<const int8*>(shm_toc_lookup(toc, kKeyCodes, false));
    ListBuilder** holder = NewBuilder(index, shared.metric, shared.dimensions, 1);
    Guard([&] {
        (*holder)->SetMean(mean);
        (*holder)->SetCentroids(codes, scales, shared.lists, shared.spill);
    });
    return holder;
}

static void AssignInWorker(Shared* shared, shm_toc* toc, Relation heap, Relation index) {
    ListBuilder** holder = WorkerBuilder(*shared, toc, index);
    FileSet* files = &shared->files.fs;
    Assigning assigning{*holder,
                        NewFloatReader(index, shared->dimensions),
                        FilterColumnsOf(index),
                        NewSharedSpool(shared->plan.rows, files, kRowSpool, ParallelWorkerNumber),
                        NewSharedSpool(shared->plan.sides, files, kSideSpool, ParallelWorkerNumber),
                        nullptr,
                        0,
                        &shared->assigned,
                        false};
    IndexInfo* index_info = BuildIndexInfo(index);
    index_info->ii_Concurrent = shared->concurrent;
    auto* scan = static_cast<ParallelTableScanDesc>(shm_toc_lookup(toc, kKeyScan, false));
    const double tuples = AssignRows(&assigning, heap, index, index_info, table_beginscan_parallel(heap, scan));
    ExportSpool(&assigning.rows);
    ExportSpool(&assigning.sides);
    DeleteBuilder(holder);

    SpinLockAcquire(&shared->mutex);
    shared->heap_tuples += tuples;
    shared->index_tuples += assigning.index_tuples;
    if (index_info->ii_BrokenHotChain) shared->broken_hot_chain = true;
    SpinLockRelease(&shared->mutex);
}

static void WorkerMain(dsm_segment* segment, shm_toc* toc) {
    debug_query_string = static_cast<char*>(shm_toc_lookup(toc, kKeyQuery, true));
    pgstat_report_activity(STATE_RUNNING, debug_query_string);
    auto* shared = static_cast<Shared*>(shm_toc_lookup(toc, kKeyShared, false));
    SharedFileSetAttach(&shared->files, segment);

    // The locks that the leader holds.
    const LOCKMODE heap_lock = shared->concurrent ? ShareUpdateExclusiveLock : ShareLock;
    const LOCKMODE index_lock = shared->concurrent ? RowExclusiveLock : AccessExclusiveLock;
    Relation heap = table_open(shared->heap, heap_lock);
    Relation index = index_open(shared->index, index_lock);
    InstrStartParallelQuery();
    AssignInWorker(shared, toc, heap, index);
    auto* wal_usage = static_cast<WalUsage*>(shm_toc_lookup(toc, kKeyWalUsage, false));
    auto* buffer_usage = static_cast<BufferUsage*>(shm_toc_lookup(toc, kKeyBufferUsage, false));
    InstrEndParallelQuery(&buffer_usage[ParallelWorkerNumber], &wal_usage[ParallelWorkerNumber]);
    index_close(index, index_lock);
    table_close(heap, heap_lock);
}

}  // namespace annex::pg::ivf

extern "C" PGDLLEXPORT void annex_ivf_build_worker(dsm_segment* segment, shm_toc* toc) noexcept;

// What the parallel infrastructure runs in a worker, found by its name.
extern "C" void annex_ivf_build_worker(dsm_segment* segment, shm_toc* toc) noexcept {
    annex::pg::ivf::WorkerMain(segment, toc);
}

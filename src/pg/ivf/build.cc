// ambuild: sample the table, train the lists, assign and encode every row, sort by list, write.
//
// Two sorts bring what is encoded into the order of the index: the first one the rows into that of their primary lists,
// so that they can be written and get their places; the second one the entries, which name these places, into that of
// all lists. With PostgreSQL's parallel workers, each process assigns what it scans and has spools of its own for the
// first sort; one process trains, with threads, and one writes. The order of rows is that of (list, heap TID), and
// whatever is added up is added up in that order: the index does not depend on who did what.
#include "pg/ivf/build.h"

extern "C" {
#include "access/xloginsert.h"
#include "commands/progress.h"
#include "pgstat.h"
}

#include "pg/guard.h"
#include "pg/index/build_support.h"
#include "pg/index/filter_column.h"
#include "pg/index/opclass.h"
#include "pg/index/stop_point.h"
#include "pg/ivf/assign.h"
#include "pg/ivf/calibrate.h"
#include "pg/ivf/dialect.h"
#include "pg/ivf/ivf.h"
#include "pg/ivf/maintain.h"
#include "pg/ivf/parallel_build.h"
#include "pg/ivf/writer.h"

namespace annex::pg::ivf {

static constexpr uint64 kSeed = 0x616e6e6578ULL;  // any constant: builds of the same data are the same

// What the steps of a build hand on.
struct Build {
    Relation heap;
    Relation index;
    IndexInfo* index_info;
    int dimensions;
    ListBuilder* builder;
    MetaPage meta;
    Writer writer;
    ParallelBuild* parallel;  // nullptr: without workers
    SortedRecords* rows;
    SortedRecords* sides;
    Spool entries;
    uint8* entry;  // scratch
    double heap_tuples;
    double index_tuples;
    int64 coded;  // rows that have codes
};

// ---- The engine's object, tied to a memory context ----

void DeleteBuilder(ListBuilder** builder) {
    delete *builder;
    *builder = nullptr;
    StopThreads();
}

extern "C" {
static void DeleteWithContext(void* arg) noexcept {
    DeleteBuilder(static_cast<ListBuilder**>(arg));
}
}

ListBuilder** NewBuilder(Relation index, Metric metric, int dimensions, int threads) {
    auto** holder = static_cast<ListBuilder**>(palloc0(sizeof(ListBuilder*)));
    auto* callback = static_cast<MemoryContextCallback*>(palloc0(sizeof(MemoryContextCallback)));
    callback->func = DeleteWithContext;
    callback->arg = holder;
    MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
    const ColumnLayout columns = FilterColumnsOf(index).layout;
    Guard([&] {
        if (threads > 1) StartThreads(threads);
        *holder = new ListBuilder(metric, static_cast<size_t>(dimensions), kSeed, threads);
        (*holder)->SetColumns(columns);
    });
    return holder;
}

// ---- Training ----

// Training shows as if it went once through the sampled rows.
static void ReportTraining(const ListBuilder& builder, double progress) {
    const auto total = static_cast<double>(builder.sample_size());
    pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_DONE, static_cast<int64>(progress * total));
}

static void Train(Build* build, uint32 lists, bool decide_spill, bool spill) {
    ListBuilder* builder = build->builder;
    pgstat_progress_update_param(PROGRESS_CREATEIDX_SUBPHASE, kPhaseTraining);
    pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_TOTAL, static_cast<int64>(builder->sample_size()));
    Guard([&] { builder->BeginTraining(lists, TrainingOf(build->index, lists)); });
    bool more = true;
    while (more) {
        CHECK_FOR_INTERRUPTS();
        ReportTraining(*builder, builder->training_progress());
        Guard([&] { more = builder->TrainStep(); });
    }
    ReportTraining(*builder, 1);
    decide_spill = decide_spill && builder->lists() > 1;
    more = decide_spill;
    while (more) {
        CHECK_FOR_INTERRUPTS();
        Guard([&] { more = builder->TrialStep(); });
    }
    Guard([&] { builder->FinishTraining(decide_spill ? builder->SpillPays() : spill); });
}

// ---- Assigning ----

static void AssignAll(Build* build, double rows) {
    int workers = BuildWorkers(build->heap, build->index, build->index_info, *build->builder);
    // Workers are processes with a thread each; without them, the threads that trained go on.
    if (workers > 0) StopThreads();
    const AssignPlan plan = PlanAssigning(*build->builder, rows, workers + 1);
    pg_atomic_uint64 assigned;
    pg_atomic_init_u64(&assigned, 0);
    if (workers > 0)
        build->parallel =
            BeginParallelBuild(build->heap, build->index, build->index_info, *build->builder, plan, workers);
    ParallelBuild* parallel = build->parallel;
    FileSet* files = parallel != nullptr ? WorkerFiles(parallel) : nullptr;
    workers = parallel != nullptr ? WorkersLaunched(parallel) : 0;
    if (workers > 0) ereport(DEBUG1, (errmsg_internal("using %d parallel workers", workers)));

    pgstat_progress_update_param(PROGRESS_CREATEIDX_SUBPHASE, kPhaseAssigning);
    pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_DONE, 0);
    pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_TOTAL, static_cast<int64>(rows));
    Assigning assigning{build->builder,
                        NewFloatReader(build->index, build->dimensions),
                        FilterColumnsOf(build->index),
                        NewSpool(plan.rows),
                        NewSpool(plan.sides),
                        nullptr,
                        0,
                        parallel != nullptr ? AssignedRows(parallel) : &assigned,
                        true};
    build->heap_tuples = AssignRows(&assigning, build->heap, build->index, build->index_info,
                                    parallel != nullptr ? ParallelScan(parallel, build->heap) : nullptr);
    build->index_tuples = assigning.index_tuples;
    if (parallel != nullptr) FinishParallelScan(parallel, build->index_info, &build->heap_tuples, &build->index_tuples);
    build->coded = static_cast<int64>(pg_atomic_read_u64(assigning.assigned));
    pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_TOTAL, build->coded);
    pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_DONE, build->coded);
    build->rows = SortRecords(&assigning.rows, files, kRowSpool, workers);
    build->sides = SortRecords(&assigning.sides, files, kSideSpool, workers);
    build->builder->FinishEncoding();
}

// ---- Writing ----

static void PutEntry(Build* build, uint32 list, Place place, const uint8* entry) {
    const SketchLayout& layout = build->writer.sketches;
    memcpy(build->entry, entry, layout.entry_bytes());
    memcpy(build->entry + CodeBytes(layout.padded) + offsetof(SketchTrailer, place), &place, sizeof place);
    PutRecord(&build->entries, static_cast<uint64>(list) << 48 | place, build->entry, layout.entry_bytes(), nullptr, 0);
}

// Rows in the order of their primary lists; their entries, now that they have places, go to the second sort.
static void WriteRows(Build* build) {
    const uint32 padded = build->meta.padded;
    const SketchLayout& layout = build->writer.sketches;
    const Size entry_bytes = layout.entry_bytes();
    const Size memory = static_cast<Size>(maintenance_work_mem) * 1024;
    build->entries = NewSpool(PlanSpool(entry_bytes, static_cast<double>(build->coded) * (build->meta.spill + 1),
                                        LastKey(build->meta.lists), memory, 1));
    pgstat_progress_update_param(PROGRESS_CREATEIDX_SUBPHASE, kPhaseWritingRows);
    pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_DONE, 0);
    build->entry = static_cast<uint8*>(palloc(entry_bytes));
    RowWriter rows(build->writer, RowOwner::kHeap);
    uint64 key;
    int64 done = 0;
    while (const uint8* payload = NextRecord(build->rows, &key)) {
        AssignedHead head;
        RowFactors factors;
        memcpy(&head, payload, sizeof head);
        memcpy(&factors, payload + sizeof head, sizeof factors);
        const uint8* codes = payload + sizeof head + sizeof factors;
        const uint32 list = KeyList(key);
        build->builder->CountRow(list, head.squared_residual);
        const uint8* entry = codes + padded;
        const Place place = rows.Add(KeyTid(key), factors, layout.values(entry), codes);
        PutEntry(build, list, place, entry);
        if (head.secondary != kNoList) PutEntry(build, head.secondary, place, entry + entry_bytes);
        if (++done % 1024 == 0) pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_DONE, done);
    }
    if (BufferIsValid(rows.buffer)) build->meta.row_insert = BufferGetBlockNumber(rows.buffer);
    rows.Finish();
    build->meta.listed_rows = static_cast<double>(build->coded);
    pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_DONE, done);
    EndRecords(build->rows);
}

static void WriteSides(Build* build) {
    SideWriter side(build->writer);
    uint64 key;
    while (const uint8* values = NextRecord(build->sides, &key)) {
        const uint32 chain = KeyList(key);
        if (BufferIsValid(side.buffer) && side.chain != static_cast<SideChain>(chain)) side.Finish();
        side.Begin(static_cast<SideChain>(chain), &build->meta.side[chain]);
        side.Add(KeyTid(key), values);
    }
    side.Finish();
    EndRecords(build->sides);
}

// For maintenance to compare later lists with.
static void NoteLists(MetaPage* meta, const ListDescriptor* descriptors, double squared_errors) {
    Census census{};
    census.list_sizes = static_cast<uint32*>(palloc(meta->lists * sizeof(uint32)));
    for (uint32 list = 0; list < meta->lists; list++) census.list_sizes[list] = descriptors[list].entries;
    SumUp(*meta, meta->lists, squared_errors, &census);
    pfree(census.list_sizes);
    meta->listed_imbalance = census.imbalance;
    meta->listed_residual = census.residual;
}

static void WriteLists(Build* build, ListDescriptor* descriptors) {
    pgstat_progress_update_param(PROGRESS_CREATEIDX_SUBPHASE, kPhaseWritingLists);
    pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_DONE, 0);
    SortedRecords* entries = SortRecords(&build->entries, nullptr, nullptr, 0);
    ListWriter writer(build->writer);
    uint32 current = kNoList;
    uint64 key;
    int64 done = 0;
    double squared_errors = 0;
    while (const uint8* entry = NextRecord(entries, &key)) {
        const uint32 list = KeyList(key);
        if (list != current) {
            if (current != kNoList) writer.Finish();
            writer.Begin(ListAt(build->meta, list), &descriptors[list]);
            current = list;
        }
        writer.Add(entry);
        SketchTrailer trailer;
        memcpy(&trailer, entry + CodeBytes(build->meta.padded), sizeof trailer);
        squared_errors += SquaredSketchError(build->meta, trailer.factors.f_error);
        if (++done % 4096 == 0)
            pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_DONE, done / (build->meta.spill + 1));
    }
    if (current != kNoList) writer.Finish();
    pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_DONE, build->coded);
    EndRecords(entries);
    NoteLists(&build->meta, descriptors, squared_errors);
}

// The root: a refinement row and an entry for each centroid, whose errors are the lists' rho.
static void WriteCentroids(Build* build, ListDescriptor* descriptors) {
    const ListBuilder* builder = build->builder;
    auto* entry = static_cast<uint8*>(palloc0(build->writer.sketches.entry_bytes()));
    RowWriter rows(build->writer, RowOwner::kCentroids);
    for (uint32 list = 0; list < build->meta.lists; list++) {
        const HeapTid target = ListTarget(ListAt(build->meta, list));
        descriptors[list].rho = builder->Rho(list);
        descriptors[list].centroid = rows.Add(target, RowFactors{builder->centroid_scale(list), descriptors[list].rho},
                                              nullptr, reinterpret_cast<const uint8*>(builder->centroid_codes(list)));
    }
    rows.Finish();

    ListWriter root(build->writer);
    root.Begin(kRootList, &build->meta.root);
    for (uint32 list = 0; list < build->meta.lists; list++) {
        const HeapTid target = ListTarget(ListAt(build->meta, list));
        Guard([&] { builder->EncodeCentroidEntry(list, target, descriptors[list].centroid, entry); });
        root.Add(entry);
    }
    root.Finish();
}

static ListDescriptor* NewDescriptors(Build* build) {
    auto* descriptors = static_cast<ListDescriptor*>(MemoryContextAllocExtended(
        CurrentMemoryContext, build->meta.lists * sizeof(ListDescriptor), MCXT_ALLOC_ZERO | MCXT_ALLOC_HUGE));
    for (uint32 list = 0; list < build->meta.lists; list++) {
        descriptors[list].state = ListState::kUsed;
        descriptors[list].generation = build->meta.generation;
        descriptors[list].first = descriptors[list].last = descriptors[list].insert = InvalidBlockNumber;
    }
    return descriptors;
}

// Everything but the meta page's place is known only at the end, so block 0 is reserved first and filled last.
static void WriteHead(Build* build) {
    ReleaseNewPage(build->writer, AppendPage(build->writer));
    const float* mean = build->builder->space().mean().data();
    build->meta.mean = WriteMean(build->writer, mean, build->meta.dimensions);
    build->meta.extent_count = 1;
    build->meta.extents[0] = ReserveDescriptors(build->writer, build->meta.lists);
    build->meta.rows = build->meta.extents[0].first + build->meta.extents[0].pages;
}

static void WriteMetaPage(Build* build) {
    Buffer buffer = ReopenPage(build->writer, 0);
    Page page = BufferGetPage(buffer);
    InitPage(page, PageKind::kMeta);
    *MetaOf(page) = build->meta;
    ReleaseNewPage(build->writer, buffer);
}

static void InitMeta(Build* build, const OpclassInfo& info, const ColumnLayout& columns) {
    MetaPage* meta = &build->meta;
    meta->magic = kMagic;
    meta->version = kFormatVersion;
    meta->dimensions = static_cast<uint32>(build->dimensions);
    meta->padded = static_cast<uint32>(PaddedDimensions(meta->dimensions));
    meta->metric = info.metric;
    meta->element = info.element;
    meta->height = 1;
    meta->lists = 1;
    meta->seed = kSeed;
    meta->list_option = static_cast<uint32>(ListsOption(build->index));
    meta->generation = meta->newest = meta->switched_to = kBuiltGeneration;
    meta->root.state = ListState::kUsed;
    meta->root.level = 1;
    meta->root.generation = meta->generation;
    meta->row_insert = InvalidBlockNumber;
    meta->column_count = static_cast<uint8>(columns.columns());
    for (Size i = 0; i < columns.columns(); i++) meta->column_widths[i] = static_cast<uint8>(columns.width(i));
    for (ChainEnds& chain : meta->side) chain = {InvalidBlockNumber, InvalidBlockNumber, InvalidBlockNumber};
}

static Build BeginBuild(Relation heap, Relation index, IndexInfo* index_info, ForkNumber fork) {
    const FilterColumns columns = FilterColumnsOf(index);
    const OpclassInfo& info = OpclassOf(index);
    Build build{};
    build.heap = heap;
    build.index = index;
    build.index_info = index_info;
    build.dimensions = IndexDimensions(index, kMaxDimensions, DialectOf(index) == nullptr);
    InitMeta(&build, info, columns.layout);
    build.writer = WriterOf(index, fork, build.meta, false);
    return build;
}

static void LogPages(const Build& build, ForkNumber fork) {
    if (!RelationNeedsWAL(build.index) && fork != INIT_FORKNUM) return;
    pgstat_progress_update_param(PROGRESS_CREATEIDX_SUBPHASE, kPhaseLogging);
    ANNEX_STOP_POINT("build-written");
    log_newpage_range(build.index, fork, 0, RelationGetNumberOfBlocksInFork(build.index, fork), true);
}

// One list around the origin and no rows.
static void BuildEmpty(Relation index, ForkNumber fork) {
    Build build = BeginBuild(nullptr, index, nullptr, fork);
    ListBuilder** holder = NewBuilder(index, build.meta.metric, build.dimensions, 1);
    build.builder = *holder;
    Guard([&] {
        build.builder->FinishMean();
        build.builder->BeginSample(0);
    });
    Train(&build, 1, false, false);
    build.meta.spill = SpillOptionOf(index) == kSpillOn ? 1 : 0;
    ListDescriptor* descriptors = NewDescriptors(&build);
    WriteHead(&build);
    WriteCentroids(&build, descriptors);
    WriteDescriptors(build.writer, build.meta.extents[0], descriptors, build.meta.lists);
    WriteMetaPage(&build);
    LogPages(build, fork);
    DeleteBuilder(holder);
}

// One list is made without a sample.
static void NoticeFewRows(const Build& build, const SamplePlan& plan) {
    const Dialect* dialect = DialectOf(build.index);
    const double rows = plan.lists > 1 ? static_cast<double>(build.builder->sample_size()) : plan.rows;
    if (dialect != nullptr && rows < plan.lists) dialect->few_rows();
}

static void BuildFromHeap(Build* build) {
    ListBuilder** holder = NewBuilder(build->index, build->meta.metric, build->dimensions, BuildThreads(build->heap));
    build->builder = *holder;

    pgstat_progress_update_param(PROGRESS_CREATEIDX_SUBPHASE, kPhaseSampling);
    const SamplePlan plan = SampleHeap(build->heap, build->index, build->index_info, build->builder, build->dimensions);
    build->meta.build_sample = static_cast<uint32>(build->builder->sample_size());
    NoticeFewRows(*build, plan);
    ANNEX_STOP_POINT("build-sampled");
    // For inner product second copies always pay: its neighbours are not those that training knows.
    SpillOption spill = SpillOptionOf(build->index);
    if (spill == kSpillAuto && build->meta.metric == Metric::kInnerProduct) spill = kSpillOn;
    Train(build, plan.lists, spill == kSpillAuto && plan.lists > 1, spill == kSpillOn);
    build->meta.lists = static_cast<uint32>(build->builder->lists());
    build->meta.wanted_lists = plan.lists;
    build->meta.spill = build->builder->spill() ? 1 : 0;
    ANNEX_STOP_POINT("build-trained");

    AssignAll(build, plan.rows);
    ANNEX_STOP_POINT("build-assigned");
    ListDescriptor* descriptors = NewDescriptors(build);
    WriteHead(build);
    WriteRows(build);
    WriteSides(build);
    if (build->parallel != nullptr) EndParallelBuild(build->parallel);
    ANNEX_STOP_POINT("build-rows-written");
    WriteCentroids(build, descriptors);
    DeleteBuilder(holder);
    build->builder = nullptr;

    WriteLists(build, descriptors);
    ANNEX_STOP_POINT("build-lists-written");
    WriteDescriptors(build->writer, build->meta.extents[0], descriptors, build->meta.lists);
    build->meta.build_rows = build->index_tuples;
    Calibrate(build->index, &build->meta);
    WriteMetaPage(build);
    LogPages(*build, MAIN_FORKNUM);
    ANNEX_STOP_POINT("build-logged");
}

}  // namespace annex::pg::ivf

extern "C" IndexBuildResult* ivfbuild(Relation heap, Relation index, IndexInfo* index_info) noexcept {
    using namespace annex::pg::ivf;
    if (RelationGetNumberOfBlocks(index) != 0)
        elog(ERROR, "index \"%s\" already contains data", RelationGetRelationName(index));

    // A context of its own, so that whatever ends the build frees the engine's memory as well.
    MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "ivf build", ALLOCSET_DEFAULT_SIZES);
    MemoryContext old_context = MemoryContextSwitchTo(context);
    Build build = BeginBuild(heap, index, index_info, MAIN_FORKNUM);
    BuildFromHeap(&build);
    MemoryContextSwitchTo(old_context);
    MemoryContextDelete(context);

    auto* result = static_cast<IndexBuildResult*>(palloc(sizeof(IndexBuildResult)));
    result->heap_tuples = build.heap_tuples;
    result->index_tuples = build.index_tuples;
    return result;
}

extern "C" void ivfbuildempty(Relation index) noexcept {
    using namespace annex::pg::ivf;
    MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "ivf build", ALLOCSET_DEFAULT_SIZES);
    MemoryContext old_context = MemoryContextSwitchTo(context);
    BuildEmpty(index, INIT_FORKNUM);
    MemoryContextSwitchTo(old_context);
    MemoryContextDelete(context);
}

extern "C" char* ivfbuildphasename(int64 phase) noexcept {
    using namespace annex::pg::ivf;
    static const char* const names[] = {
        "initializing", "sampling the table", "training lists", "assigning rows to lists",
        "writing rows", "writing lists",      "writing WAL",    "calibrating"};
    return phase >= 1 && phase <= static_cast<int64>(lengthof(names)) ? const_cast<char*>(names[phase - 1]) : nullptr;
}

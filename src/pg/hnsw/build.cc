// ambuild: scan the table, build the graph in memory, write its pages.
//
// The graph is built from the rows' codes by threads that call nothing of PostgreSQL. Rows that no longer fit into
// maintenance_work_mem are inserted into the pages that were written until then, one by one, without WAL. All pages are
// logged at the end.
#include "pg/hnsw/hnsw.h"

extern "C" {
#include "access/xloginsert.h"
#include "catalog/index.h"
#include "commands/progress.h"
#include "pgstat.h"
}

#include <memory>

#include "annex/clustering.h"
#include "annex/graph_builder.h"
#include "annex/mean.h"
#include "pg/guard.h"
#include "pg/hnsw/writer.h"
#include "pg/index/build_support.h"
#include "pg/index/filter_column.h"
#include "pg/index/opclass.h"
#include "pg/index/stop_point.h"

namespace annex::pg::hnsw {

static constexpr uint64 kSeed = 0x616e6e6578ULL;  // any constant: builds of the same data are the same

// ---- The meta page of a new index ----

// What is too wide for a page has an image, but for bits.
static void CheckDimensions(uint32 dimensions, Metric metric, Size value_bytes, uint32 m) {
    const auto fits = [&](uint32 count) {
        return count <= kMostDimensions &&
               NodesFit(static_cast<uint32>(PaddedDimensions(count)), metric, value_bytes, m);
    };
    if (fits(dimensions)) return;
    uint32 most = std::min(dimensions, static_cast<uint32>(kMostDimensions));
    while (most > 1 && !fits(most)) most--;
    ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                    errmsg("column cannot have more than %u dimensions for hnsw index", most),
                    most >= kMostDimensions ? 0 : errhint("An ivf index can have up to %zu.", kMostDimensions)));
}

void FillMeta(Relation index, MetaPage* meta) {
    const ColumnLayout columns = FilterColumnsOf(index).layout;  // that the first column has a class for vectors
    const OpclassInfo& info = OpclassOf(index);
    *meta = {};
    meta->magic = kMagic;
    meta->version = kFormatVersion;
    meta->m = static_cast<uint16>(MOption(index));
    meta->dimensions = SpaceDimensions(index, meta->m, columns.value_bytes(), false);
    meta->ef_construction = static_cast<uint16>(EfConstructionOption(index));
    CheckDimensions(meta->dimensions, info.metric, columns.value_bytes(), meta->m);
    if (meta->ef_construction / 2 < meta->m)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("ef_construction must be greater than or equal to 2 * m")));
    meta->padded = static_cast<uint32>(PaddedDimensions(meta->dimensions));
    meta->metric = info.metric;
    meta->element = info.element;
    meta->column_count = static_cast<uint8>(columns.columns());
    for (Size i = 0; i < columns.columns(); i++) meta->column_widths[i] = static_cast<uint8>(columns.width(i));
    meta->seed = kSeed;
    meta->slots_per_page =
        static_cast<uint16>(SlotsPerPage(NodeLayoutFor(meta->padded, meta->metric, columns.value_bytes())));
    meta->entries = meta->side = {InvalidBlockNumber, InvalidBlockNumber};
    meta->insert = InvalidBlockNumber;
}

// ---- The engine's objects, tied to a memory context ----

struct Engine {
    explicit Engine(const MetaPage& meta)
        : mean(meta.metric, meta.dimensions), y(meta.padded), row_values(kMostValueBytes) {}

    MeanOfRows mean;
    std::unique_ptr<Space> space;
    std::unique_ptr<GraphBuilder> graph;
    std::vector<float> y;
    std::vector<uint8> row_values;
    std::vector<uint8> values;  // of the rows of the graph
    std::vector<HeapTid> side_tids;
    std::vector<uint8> side_values;
};

static void EndEngine(Engine** engine) {
    delete *engine;
    *engine = nullptr;
    StopThreads();
}

extern "C" {
static void DeleteWithContext(void* arg) noexcept {
    EndEngine(static_cast<Engine**>(arg));
}
}

// What the steps of a build hand on.
struct Build {
    Relation heap;
    Relation index;
    IndexInfo* index_info;
    MetaPage meta;
    FilterColumns columns;
    Size value_bytes;
    FloatReader reader;
    Engine** engine;
    Inserter* inserter;  // once the memory is full
    Size row_bytes;      // of memory
    MemoryContext context;
    MemoryContext tuple_context;
    double heap_tuples;
    double index_tuples;
};

static void InitEngine(Build* build) {
    build->engine = static_cast<Engine**>(palloc0(sizeof(Engine*)));
    auto* callback = static_cast<MemoryContextCallback*>(palloc0(sizeof(MemoryContextCallback)));
    callback->func = DeleteWithContext;
    callback->arg = build->engine;
    MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
    Guard([&] {
        auto* engine = new Engine(build->meta);
        *build->engine = engine;
        // Without filter columns no bytes are copied, though not from a null pointer.
        engine->values.reserve(1);
        engine->side_values.reserve(1);
    });
}

// ---- The mean ----

extern "C" {
static void AddToMean(Relation, ItemPointer, Datum* values, bool* isnull, bool, void* arg) noexcept {
    auto* build = static_cast<Build*>(arg);
    if (isnull[0]) return;
    MemoryContext old_context = MemoryContextSwitchTo(build->tuple_context);
    (*build->engine)->mean.Add(IndexedFloats(build->reader, values[0]));
    MemoryContextSwitchTo(old_context);
    MemoryContextReset(build->tuple_context);
}
}

static GraphBuildOptions OptionsOf(const Build& build, int threads) {
    GraphBuildOptions options;
    options.m = build.meta.m;
    options.ef_construction = build.meta.ef_construction;
    options.threads = threads;
    return options;
}

static void PrepareGraph(Build* build) {
    SampleBlocks({build->heap, build->index, build->index_info, AddToMean, build}, kMeanBlocks, kSeed & PG_UINT32_MAX);
    const int threads = BuildThreads(build->heap);
    const GraphBuildOptions options = OptionsOf(*build, threads);
    Engine* engine = *build->engine;
    Guard([&] {
        if (threads > 1) StartThreads(threads);
        engine->space =
            std::make_unique<Space>(build->meta.metric, build->meta.dimensions, kSeed, engine->mean.Finish());
        engine->graph = std::make_unique<GraphBuilder>(*engine->space, options);
    });
    build->row_bytes = GraphBuilder::BytesPerRow(PlacesOf(build->meta).node.row_bytes(), options) + build->value_bytes +
                       WriterBytesPerRow();
}

// ---- The graph ----

// Inserts and links all rows that were added.
static void FinishGraph(Build* build) {
    GraphBuilder* graph = (*build->engine)->graph.get();
    // Insertion takes most of the time, so that it is what progress shows.
    bool more = graph->size() > 0;
    while (more) {
        CHECK_FOR_INTERRUPTS();
        Guard([&] { more = graph->Step(); });
        pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_DONE, static_cast<int64>(graph->inserted()));
    }
    const NodePlaces places = PlacesOf(build->meta);
    const Size degree = std::min<Size>(MostEdges(build->meta.m), places.node.Capacity(places.area()));
    more = true;
    while (more) {
        CHECK_FOR_INTERRUPTS();
        Guard([&] { more = graph->StepFinish(degree); });
    }
}

// Block 0 is reserved by its page, and filled when all is known.
static void WritePages(Build* build) {
    Engine* engine = *build->engine;
    FinishGraph(build);
    ANNEX_STOP_POINT("hnsw-build-linked");
    ReleasePage(AppendPage(build->index, MAIN_FORKNUM));
    build->meta.mean = WriteMean(build->index, MAIN_FORKNUM, engine->space->mean().data(), build->meta.dimensions);
    WriteGraph(build->index, engine->graph.get(), engine->values.data(), &build->meta);
    WriteSide(build->index, engine->side_tids.data(), engine->side_values.data(), engine->side_tids.size(),
              &build->meta);
    WriteMetaPage(build->index, MAIN_FORKNUM, build->meta);
    ANNEX_STOP_POINT("hnsw-build-written");
    EndEngine(build->engine);
}

// The rest of the rows goes into what is on pages.
static void GoOnOnPages(Build* build) {
    ereport(NOTICE, (errmsg("hnsw graph no longer fits into maintenance_work_mem after %lld tuples",
                            static_cast<long long>(build->index_tuples)),
                     errdetail("Building will take significantly more time."),
                     errhint("Increase maintenance_work_mem to speed up builds.")));
    WritePages(build);
    build->inserter = NewInserter(build->index, build->context, false);
}

static bool MemoryFull(const Build& build) {
    const Engine& engine = **build.engine;
    const Size rows = engine.graph->size() + 1;
    return rows * build.row_bytes + engine.side_tids.size() * (sizeof(HeapTid) + build.value_bytes) >
           static_cast<Size>(maintenance_work_mem) * 1024;
}

// The class of the row that was added.
static RowClass AddToGraph(Build* build, const float* x, ItemPointer heap_tid) {
    Engine* engine = *build->engine;
    RowClass row_class = RowClass::kNormal;
    const HeapTid tid = FromItemPointer(*heap_tid);
    Guard([&] {
        row_class = engine->space->TransformRow(x, engine->y.data());
        const uint8* values = engine->row_values.data();
        if (row_class == RowClass::kNormal) {
            engine->graph->Add(engine->y.data(), tid);
            engine->values.insert(engine->values.end(), values, values + build->value_bytes);
        } else if (row_class == RowClass::kUnbounded) {
            engine->side_tids.push_back(tid);
            engine->side_values.insert(engine->side_values.end(), values, values + build->value_bytes);
        }
    });
    return row_class;
}

extern "C" {
static void AddTuple(Relation, ItemPointer heap_tid, Datum* values, bool* isnull, bool, void* arg) noexcept {
    auto* build = static_cast<Build*>(arg);
    if (isnull[0]) return;
    if (build->inserter == nullptr && MemoryFull(*build)) GoOnOnPages(build);
    MemoryContext old_context = MemoryContextSwitchTo(build->tuple_context);
    RowClass row_class = RowClass::kNormal;
    if (build->inserter != nullptr) {
        row_class = InsertRow(build->inserter, values, isnull, heap_tid);
    } else {
        FilterValues(build->columns, values, isnull, (*build->engine)->row_values.data());
        row_class = AddToGraph(build, IndexedFloats(build->reader, values[0]), heap_tid);
    }
    MemoryContextSwitchTo(old_context);
    MemoryContextReset(build->tuple_context);
    if (row_class == RowClass::kNaN) return;
    build->index_tuples += 1;
    if (build->inserter != nullptr)
        pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_DONE, static_cast<int64>(build->index_tuples));
}
}

// ---- All of it ----

static Build BeginBuild(Relation heap, Relation index, IndexInfo* index_info) {
    Build build{};
    build.heap = heap;
    build.index = index;
    build.index_info = index_info;
    build.context = CurrentMemoryContext;
    FillMeta(index, &build.meta);
    build.columns = FilterColumnsOf(index);
    build.value_bytes = build.columns.layout.value_bytes();
    build.reader = NewFloatReader(index, static_cast<int>(build.meta.dimensions));
    build.tuple_context = AllocSetContextCreate(CurrentMemoryContext, "hnsw build tuple", ALLOCSET_DEFAULT_SIZES);
    return build;
}

static void LogPages(Relation index, ForkNumber fork) {
    if (RelationNeedsWAL(index) || fork == INIT_FORKNUM)
        log_newpage_range(index, fork, 0, RelationGetNumberOfBlocksInFork(index, fork), true);
}

static void BuildFromHeap(Build* build) {
    pgstat_progress_update_param(PROGRESS_CREATEIDX_SUBPHASE, kPhaseLoading);
    InitEngine(build);
    PrepareGraph(build);
    ANNEX_STOP_POINT("hnsw-build-prepared");
    build->heap_tuples =
        table_index_build_scan(build->heap, build->index, build->index_info, true, true, AddTuple, build, nullptr);
    if (build->inserter == nullptr) WritePages(build);
    CalibrateIndex(build->index, false);
    LogPages(build->index, MAIN_FORKNUM);
    ANNEX_STOP_POINT("hnsw-build-logged");
}

static void BuildEmpty(Relation index, ForkNumber fork) {
    Build build = BeginBuild(nullptr, index, nullptr);
    ReleasePage(AppendPage(index, fork));
    const auto* mean = static_cast<float*>(palloc0(build.meta.dimensions * sizeof(float)));
    build.meta.mean = WriteMean(index, fork, mean, build.meta.dimensions);
    WriteMetaPage(index, fork, build.meta);
    LogPages(index, fork);
}

}  // namespace annex::pg::hnsw

extern "C" IndexBuildResult* hnswbuild(Relation heap, Relation index, IndexInfo* index_info) noexcept {
    using namespace annex::pg::hnsw;
    if (RelationGetNumberOfBlocks(index) != 0)
        elog(ERROR, "index \"%s\" already contains data", RelationGetRelationName(index));

    // A context of its own, so that whatever ends the build frees the engine's memory as well.
    MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "hnsw build", ALLOCSET_DEFAULT_SIZES);
    MemoryContext old_context = MemoryContextSwitchTo(context);
    Build build = BeginBuild(heap, index, index_info);
    BuildFromHeap(&build);
    MemoryContextSwitchTo(old_context);
    MemoryContextDelete(context);

    auto* result = static_cast<IndexBuildResult*>(palloc(sizeof(IndexBuildResult)));
    result->heap_tuples = build.heap_tuples;
    result->index_tuples = build.index_tuples;
    return result;
}

extern "C" void hnswbuildempty(Relation index) noexcept {
    using namespace annex::pg::hnsw;
    MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "hnsw build", ALLOCSET_DEFAULT_SIZES);
    MemoryContext old_context = MemoryContextSwitchTo(context);
    BuildEmpty(index, INIT_FORKNUM);
    MemoryContextSwitchTo(old_context);
    MemoryContextDelete(context);
}

extern "C" char* hnswbuildphasename(int64 phase) noexcept {
    using namespace annex::pg::hnsw;
    if (phase == 1) return const_cast<char*>("initializing");
    return phase == kPhaseLoading ? const_cast<char*>("loading tuples") : nullptr;
}

// Calibration: which ef reaches a recall, measured by deep searches for a sample of the index's own rows
// (annex/graph_calibrator.h has the arithmetic), and what scans take from it.
//
// The queries are rows of nodes that lie evenly spread over the pages, so that an index calibrates itself without its
// table, in the same way each time. For a few of them the nearest rows are looked for on all pages; their searches go
// far deeper than most recalls need and tell how deep is deep enough; the others go as deep as that.
#include "pg/hnsw/hnsw.h"

extern "C" {
#include "access/generic_xlog.h"
#include "commands/vacuum.h"
}

#include <algorithm>
#include <cmath>

#include "annex/graph_calibrator.h"
#include "annex/refinement.h"
#include "pg/guard.h"
#include "pg/hnsw/walk.h"
#include "pg/index/inspect.h"
#include "pg/index/target_recall.h"

namespace annex::pg::hnsw {

// ---- What scans take ----

// Where no LIMIT is known.
static constexpr double kUnknownLimit = 10;
static constexpr double kMostEf = 1e6;

// The first recall is found with hardly any effort, and more than the last one cannot be set.
static constexpr float kRecalls[kCalibratedRecalls] = {0.5F, 0.7F, 0.8F, 0.9F, 0.95F, 0.98F, 0.99F, 0.999F};

struct Effort {
    double ef;
    double visits;
};

static Effort Between(const Effort& a, const Effort& b, double at) {
    return {a.ef + at * (b.ef - a.ef), a.visits + at * (b.visits - a.visits)};
}

static Effort EffortOf(const CalibrationEntry& entry) {
    return {static_cast<double>(entry.ef), static_cast<double>(entry.visits)};
}

// Each halving of what is missed costs about the same.
static Effort AtRecall(const CalibrationEntry* entries, double recall) {
    for (int i = 1; i < kCalibratedRecalls; i++) {
        if (recall > static_cast<double>(kRecalls[i])) continue;
        const double from = std::log(1 - static_cast<double>(kRecalls[i - 1]));
        const double to = std::log(1 - static_cast<double>(kRecalls[i]));
        return Between(EffortOf(entries[i - 1]), EffortOf(entries[i]),
                       std::clamp((std::log(1 - recall) - from) / (to - from), 0.0, 1.0));
    }
    return EffortOf(entries[kCalibratedRecalls - 1]);
}

static Effort Calibrated(const MetaPage& meta, double k, double recall) {
    for (int i = 1; i < kCalibratedKs; i++) {
        if (k > kCalibratedK[i]) continue;
        const double at = std::log(k / kCalibratedK[i - 1]) / std::log(kCalibratedK[i] / kCalibratedK[i - 1]);
        return Between(AtRecall(meta.calibration[i - 1], recall), AtRecall(meta.calibration[i], recall),
                       std::clamp(at, 0.0, 1.0));
    }
    const Effort most = AtRecall(meta.calibration[kCalibratedKs - 1], recall);
    const double more = k / kCalibratedK[kCalibratedKs - 1];
    return {most.ef * more, most.visits * more};
}

// Somewhat more than two data sets of about 100,000 rows take.
static Effort Uncalibrated(double k, double recall) {
    const double ef = k + 48 * std::pow(0.05 / (1 - recall), 0.6);
    return {ef, 2 * ef};
}

static Effort EffortAt(const MetaPage& meta, double k, double recall) {
    return meta.calibrated_nodes > 0 ? Calibrated(meta, k, recall) : Uncalibrated(k, recall);
}

// The meta page's numbers may be anything.
static SearchEffort Bounded(const Effort& effort) {
    const double ef = effort.ef >= 1 ? std::min(effort.ef, kMostEf) : 1;
    return {static_cast<uint32>(std::ceil(ef)), effort.visits >= ef ? effort.visits : ef};
}

SearchEffort EffortFor(const MetaPage& meta, double k) {
    return Bounded(EffortAt(meta, k > 0 ? k : kUnknownLimit, target_recall_setting));
}

// ef counts rows that pass. The nearest k of these are among the nearest k / share of all if they lie at random, and
// their share of the ef that those take would about do. Measured, with shares of .5 to .02 at random and along a
// direction, on two data sets: .92 to .99 of the 10 nearest where .95 are wanted, and with this .944 to .998.
SearchEffort FilteredEffortFor(const MetaPage& meta, double k, double share) {
    constexpr double kCareful = 1.15;
    const double wanted = k > 0 ? k : kUnknownLimit;
    const double passing = share > 0 ? std::clamp(share, 1e-6, 1.0) : 1;
    const Effort of_rows = EffortAt(meta, wanted, target_recall_setting);
    const Effort of_rank = EffortAt(meta, wanted / passing, target_recall_setting);
    const double ef = std::max({kCareful * of_rank.ef * passing, std::sqrt(of_rows.ef * wanted), wanted});
    const double visits_each = of_rank.ef > 0 ? of_rank.visits / of_rank.ef : 1;
    return Bounded({ef, ef / passing * visits_each});
}

// ---- Measuring ----

static constexpr double kFewestNodes = 1000;
static constexpr double kFewestQueries = 250;
static constexpr double kMostQueries = 1000;
// A query takes about as long as inserting ten rows, and what it tells of a recall of .95 is off by some .12 / sqrt(n).
static constexpr double kNodesPerQuery = 60;
// One in so many searches is one of those that tell how deep the others go, and one more finds 100 rows.
static constexpr uint32 kStrides = 8;
static constexpr Size kDeepestEf = 1500;
// Where that does not find enough of the nearest rows.
static constexpr Size kFarDeeperEf = 4 * kDeepestEf;
static constexpr double kEnoughReached = 0.995;
// Of what can be reached; what is missed beyond is nothing to speak of.
static constexpr double kDeepRecall = 0.9993;
// Of what is missed, so much less is aimed at, for what some hundred rows tell is not exact, and searches for 100 rows
// would find a little less than asked for.
static constexpr double kMargin = 0.25;
// Of what searches know; beyond it is far.
static constexpr Size kMostEntriesKnown = 1 << 20;
static constexpr BlockNumber kPagesCounted = 256;

// The engine's objects.
struct Engine {
    GraphCalibrator calibrator;
    NearestNodes exact{GraphCalibrator::kKs[GraphCalibrator::kKCount - 1]};
    std::vector<TracedVisit> trace;
};

struct Calibration {
    Relation index;
    Walker walker;
    Engine* engine;
    double nodes;
    uint8* copy;  // of the query's node
    float* row;
};

extern "C" {
static void DeleteEngine(void* arg) noexcept {
    delete static_cast<Engine*>(arg);
}
}

static Calibration Prepare(Relation index, const MetaPage& meta) {
    Calibration calibration{index, NewWalker(index, meta, CurrentMemoryContext), nullptr, 0, nullptr, nullptr};
    auto* callback = static_cast<MemoryContextCallback*>(palloc0(sizeof(MemoryContextCallback)));
    Guard([&] { calibration.engine = new Engine(); });
    callback->func = DeleteEngine;
    callback->arg = calibration.engine;
    MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
    calibration.walker.search->TraceInto(&calibration.engine->trace);
    calibration.copy = static_cast<uint8*>(palloc(BLCKSZ));
    calibration.row = static_cast<float*>(palloc(meta.padded * sizeof(float)));
    return calibration;
}

// Live nodes of a page of them, 0 for other pages.
static uint32 CountNodes(Walker* walker, BlockNumber block) {
    const LockedNodePage page = LockNodePage(walker, block, BUFFER_LOCK_SHARE);
    if (!page.valid()) return 0;
    uint32 nodes = 0;
    for (uint16 slot = 0; slot < page.nodes.header->slots; slot++)
        if (page.nodes.Find(walker->places, walker->value_bytes, slot) == RecordKind::kNode &&
            page.nodes.node(walker->places, slot).header().state == NodeState::kLive)
            nodes++;
    page.Release();
    return nodes;
}

// The index's live nodes, by some of its pages.
static double EstimateNodes(Walker* walker) {
    const BlockNumber blocks = RelationGetNumberOfBlocks(walker->index);
    const BlockNumber pages = std::min(blocks - 1, kPagesCounted);
    double nodes = 0;
    for (BlockNumber i = 0; i < pages; i++) {
        CHECK_FOR_INTERRUPTS();
        const auto block = static_cast<BlockNumber>(1 + static_cast<uint64>(i) * (blocks - 1) / pages);
        nodes += CountNodes(walker, block);
    }
    return pages == 0 ? 0 : nodes * (blocks - 1) / pages;
}

// Searches for the row that lies in calibration->row, into the trace.
static void Search(Calibration* calibration, NodeId node, Size ef) {
    Walker* walker = &calibration->walker;
    Guard([&] {
        calibration->engine->trace.clear();
        walker->search->BeginStoredRow(SpaceOf(*walker->cached), calibration->row, kMostEntriesKnown);
        walker->search->LeaveOut(node);
    });
    RunRound(walker, ef, true, nullptr, 0);
}

// The row of a node into calibration->row; false: no live node is there.
static bool ReadRow(Calibration* calibration, NodeId node) {
    const Walker& walker = calibration->walker;
    if (!CopyNode(&calibration->walker, node, calibration->copy)) return false;
    const ConstGraphNode record(walker.places.node, calibration->copy);
    if (record.header().state != NodeState::kLive) return false;
    Guard([&] {
        NodeRows(SpaceOf(*walker.cached), walker.places.node)
            .Decode(record.row(), record.header().row, calibration->row);
    });
    return true;
}

static NodeId PlaceOf(const Calibration& calibration, uint32 i, uint32 draws) {
    return DrawnPlace(calibration.walker.places, RelationGetNumberOfBlocks(calibration.index), i, draws);
}

// Searches for one in kStrides of the rows, from the first-th on; they count for the first `deepest` + 1 ks.
static void SearchStride(Calibration* calibration, uint32 draws, uint32 first, Size ef, Size deepest) {
    for (uint32 i = first; i < draws; i += kStrides) {
        ANNEX_VACUUM_DELAY_POINT();
        const NodeId node = PlaceOf(*calibration, i, draws);
        if (!ReadRow(calibration, node)) continue;
        Search(calibration, node, ef);
        Guard([&] { calibration->engine->calibrator.Add(calibration->engine->trace, deepest); });
    }
}

static uint32 Draws(const Calibration& calibration) {
    const double queries = std::clamp(calibration.nodes / kNodesPerQuery, kFewestQueries, kMostQueries);
    return DrawsFor(calibration.walker.places, RelationGetNumberOfBlocks(calibration.index), calibration.nodes,
                    queries);
}

// ---- Those whose nearest rows are known ----

// Queries that there is memory for.
static size_t MostExact(const Calibration& calibration) {
    constexpr Size kBytesPerDimension = 64;
    constexpr size_t kFewest = 8;
    const Size memory = static_cast<Size>(maintenance_work_mem) * 1024 / 2;
    return std::max(memory / (kBytesPerDimension * SpaceOf(*calibration.walker.cached).padded()), kFewest);
}

static void ChooseExact(Calibration* calibration, uint32 draws) {
    NearestNodes* exact = &calibration->engine->exact;
    const size_t most = MostExact(*calibration);
    for (uint32 i = 0; i < draws && exact->queries() < most; i += kStrides) {
        const NodeId node = PlaceOf(*calibration, i, draws);
        if (!ReadRow(calibration, node)) continue;
        const Walker& walker = calibration->walker;
        Guard([&] { exact->AddQuery(SpaceOf(*walker.cached), walker.places.node, calibration->row, node); });
    }
}

// Their nearest rows, by all pages.
static void LookAtAll(Calibration* calibration) {
    const Walker& walker = calibration->walker;
    BufferAccessStrategy strategy = GetAccessStrategy(BAS_BULKREAD);
    Page page = static_cast<Page>(palloc(BLCKSZ));
    const BlockNumber blocks = RelationGetNumberOfBlocks(calibration->index);
    for (BlockNumber block = 1; block < blocks; block++) {
        ANNEX_VACUUM_DELAY_POINT();
        CopyPage(calibration->index, block, strategy, page);
        if (PageIsNew(page) || (PageIsOurs(page) && KindOf(page) != PageKind::kNodes)) continue;
        const NodePage nodes = NodePage::Open(calibration->index, block, page, walker.places);
        for (uint16 slot = 0; slot < nodes.header->slots; slot++) {
            if (nodes.Find(walker.places, walker.value_bytes, slot) != RecordKind::kNode) continue;
            const ConstGraphNode node(walker.places.node, reinterpret_cast<const uint8*>(nodes.record(slot)));
            if (node.header().state != NodeState::kLive) continue;
            Guard([&] { calibration->engine->exact.Look(walker.places.At(block, slot), node); });
        }
    }
    pfree(page);
    FreeAccessStrategy(strategy);
}

static void SearchExact(Calibration* calibration, Size ef) {
    Engine* engine = calibration->engine;
    engine->calibrator = GraphCalibrator();
    for (size_t i = 0; i < engine->exact.queries(); i++) {
        ANNEX_VACUUM_DELAY_POINT();
        const NodeId node = engine->exact.own(i);
        if (!ReadRow(calibration, node)) continue;
        Search(calibration, node, ef);
        Guard([&] { engine->calibrator.AddExact(engine->trace, engine->exact.Nearest(i)); });
    }
}

// ---- All of it ----

static Size DeepEnough(const GraphCalibrator& calibrator, Size which) {
    const double recall = kDeepRecall * calibrator.Reached(which);
    return std::min(std::max(calibrator.Choose(which, recall).ef, 2 * GraphCalibrator::kKs[which]), kDeepestEf);
}

static bool SearchAll(Calibration* calibration) {
    const GraphCalibrator& calibrator = calibration->engine->calibrator;
    const uint32 draws = Draws(*calibration);
    const Size last = GraphCalibrator::kKCount - 1;
    ChooseExact(calibration, draws);
    LookAtAll(calibration);
    SearchExact(calibration, kDeepestEf);
    if (calibrator.queries(0) == 0) return false;
    if (calibrator.Reached(last - 1) < kEnoughReached) SearchExact(calibration, kFarDeeperEf);
    const Size for_most = DeepEnough(calibrator, last);
    const Size for_few = DeepEnough(calibrator, last - 1);
    for (uint32 first = 1; first < kStrides; first++) {
        const bool most = first == kStrides / 2;
        SearchStride(calibration, draws, first, most ? for_most : for_few, most ? last : last - 1);
    }
    return true;
}

static void FillIn(const Calibration& calibration, MetaPage* meta) {
    for (int k = 0; k < kCalibratedKs; k++) {
        for (int i = 0; i < kCalibratedRecalls; i++) {
            const double aim = 1 - (1 - kMargin) * (1 - static_cast<double>(kRecalls[i]));
            const GraphEffort effort = calibration.engine->calibrator.Choose(static_cast<Size>(k), aim);
            meta->calibration[k][i] = {kRecalls[i], static_cast<float>(effort.ef), static_cast<float>(effort.visits)};
        }
    }
}

static MetaPage CurrentMeta(Relation index) {
    MetaPage meta;
    ReadMeta(index, &meta);
    return meta;
}

// Fills in the calibration of `meta`, or clears it where there are few nodes.
static void Calibrate(Relation index, MetaPage* meta, bool logged) {
    static_assert(kCalibratedKs == GraphCalibrator::kKCount);
    memset(meta->calibration, 0, sizeof meta->calibration);
    meta->calibrated_nodes = 0;
    Calibration calibration = Prepare(index, *meta);
    calibration.nodes = EstimateNodes(&calibration.walker);
    if (calibration.nodes < kFewestNodes) return;
    CoverNodes(index, calibration.nodes, logged);
    RefreshEntries(calibration.walker.cached, index, CurrentMeta(index));
    if (!SearchAll(&calibration)) return;
    FillIn(calibration, meta);
    meta->calibrated_nodes = calibration.nodes;
}

static void WriteCalibration(Relation index, const MetaPage& meta, bool logged) {
    Buffer buffer = ReadBuffer(index, 0);
    LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
    GenericXLogState* state = logged ? GenericXLogStart(index) : nullptr;
    Page page = logged ? GenericXLogRegisterBuffer(state, buffer, 0) : BufferGetPage(buffer);
    CheckPage(index, 0, page, PageKind::kMeta);
    memcpy(MetaOf(page)->calibration, meta.calibration, sizeof meta.calibration);
    MetaOf(page)->calibrated_nodes = meta.calibrated_nodes;
    if (logged)
        GenericXLogFinish(state);
    else
        MarkBufferDirty(buffer);
    UnlockReleaseBuffer(buffer);
}

void CalibrateIndex(Relation index, bool logged) {
    MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "hnsw calibration", ALLOCSET_DEFAULT_SIZES);
    MemoryContext old_context = MemoryContextSwitchTo(context);
    MetaPage meta;
    ReadMeta(index, &meta);
    Calibrate(index, &meta, logged);
    WriteCalibration(index, meta, logged);
    MemoryContextSwitchTo(old_context);
    MemoryContextDelete(context);
}

static bool IsDue(const MetaPage& meta, double nodes) {
    constexpr double kFactor = 2;
    const double last = meta.calibrated_nodes;
    return last > 0 ? nodes > last * kFactor || nodes < last / kFactor : nodes >= kFewestNodes;
}

// A vacuum without deleted rows knows the table's rows alone, which are far more than nodes where the index is partial
// or rows are equal: what the index's own pages say counts.
void CalibrateIfDue(Relation index, double nodes) {
    MetaPage meta;
    ReadMeta(index, &meta);
    if (!IsDue(meta, nodes)) return;
    Walker walker = NewWalker(index, meta, CurrentMemoryContext);
    if (IsDue(meta, EstimateNodes(&walker))) CalibrateIndex(index, true);
}

}  // namespace annex::pg::hnsw

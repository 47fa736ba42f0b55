// Calibration: deep searches for a sample of the index's own rows, as scans make them.
//
// A few searches first probe far more lists than any recall needs and tell how deep is deep enough; the others go as
// deep as that. The queries are the 8-bit rows themselves, spread evenly over the pages, so that an index calibrates
// itself without its table, in the same way each time. A row is not counted as its own neighbour. Rows are easier
// queries than what users ask, which is why more is aimed at than asked for.
#include "pg/ivf/calibrate.h"
#include "pg/ivf/dialect.h"

extern "C" {
#include "commands/progress.h"
#include "commands/vacuum.h"
#include "pgstat.h"
}

#include <algorithm>

#include "annex/calibrator.h"
#include "annex/random.h"
#include "pg/guard.h"
#include "pg/ivf/maintain.h"
#include "pg/ivf/probe.h"

namespace annex::pg::ivf {

static constexpr double kFewestRows = 1000;
static constexpr uint32 kFewestLists = 4;
static constexpr double kMostQueries = 2000;
static constexpr double kFewestQueries = 1000;
// A query costs about as much as building the index of so many rows, which keeps calibration a small part of a build.
static constexpr double kRowsPerQuery = 400;
// One in so many searches is one of those that tell how deep the others go, and three more find 100 rows.
static constexpr uint32 kStrides = 16;
static constexpr uint32 kPilotLists = 384;
// They are few, so the others take some more patience.
static constexpr float kDeeper = 1.1F;

static constexpr float kRecalls[kCalibratedRecalls] = {0.5F, 0.7F, 0.8F, 0.9F, 0.95F, 0.98F, 0.99F, 0.999F};
// Of what is missed, so much less is aimed at. Calibrated to .95 without it, held-out queries got .941, and questions
// of another distribution .924.
static constexpr double kMargin = 0.3;
// Where rows lie in tight groups, they find each other with hardly any patience. With this much a search looks at least
// into each list that is nearer than what it has found, which queries that are unlike the rows need.
static constexpr float kLeastPatience = 1;
static constexpr float kLeastPatienceFrom = 0.9F;
// Rows beyond LIMIT that a scan is sure of, as in scan.cc.
static constexpr size_t kSpareRows = 4;
static constexpr Size kMostCandidates = 1 << 16;

// The engine's objects.
struct Engine {
    ListSearch search;
    SearchTrace trace;
    Calibrator calibrator;
};

struct Calibration {
    Relation index;
    MetaPage* meta;
    Prober prober;
    Engine* engine;
    float* row;  // of the query
    RowLayout layout;
};

extern "C" {
static void DeleteEngine(void* arg) noexcept {
    delete static_cast<Engine*>(arg);
}
}

static void Prepare(Calibration* calibration) {
    MetaPage* meta = calibration->meta;
    auto* callback = static_cast<MemoryContextCallback*>(palloc0(sizeof(MemoryContextCallback)));
    const ColumnLayout columns = ColumnsOf(*meta);
    const double entries = meta->listed_rows * (meta->spill != 0 ? 2 : 1) / meta->lists;
    Guard([&] {
        calibration->engine = new Engine{{}, {}, Calibrator(meta->metric, meta->padded, entries)};
        calibration->engine->search.TraceInto(&calibration->engine->trace);
        calibration->engine->search.SetColumns(columns);
    });
    callback->func = DeleteEngine;
    callback->arg = calibration->engine;
    MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);

    Prober* prober = &calibration->prober;
    prober->index = calibration->index;
    prober->meta = meta;
    prober->cached = AcquireIndex(calibration->index, meta, CurrentMemoryContext);
    prober->search = &calibration->engine->search;
    prober->file = IndexFile{calibration->index, 0, prober->cached};
    prober->row_scratch = static_cast<int8*>(palloc(meta->padded));
    calibration->row = static_cast<float*>(palloc(meta->padded * sizeof(float)));
}

// ---- One query ----

// Reads the row at a place into calibration->row; false if there is none.
static bool ReadRow(Calibration* calibration, Place place) {
    Relation index = calibration->index;
    const RowLayout& layout = calibration->layout;
    const BlockNumber block = layout.Block(place);
    Buffer buffer = ReadBuffer(index, block);
    LockBuffer(buffer, BUFFER_LOCK_SHARE);
    Page page = BufferGetPage(buffer);
    HeapTid heap_tid{0, 0, 0};
    if (PageIsOurs(page) && KindOf(page) == PageKind::kRows) {
        const RowPage rows = RowPage::Open(index, block, page, layout);
        if (rows.header->owner == RowOwner::kHeap && layout.Slot(place) < rows.header->used)
            heap_tid = rows.row(layout, layout.Slot(place))->heap_tid;
    }
    UnlockReleaseBuffer(buffer);
    if (!heap_tid.valid()) return false;

    RowReader reader(&calibration->prober.file, *calibration->meta, calibration->prober.row_scratch);
    RowFactors factors;
    const int8* codes = reader.Read(place, heap_tid, RowOwner::kHeap, &factors);
    const bool found = codes != nullptr && factors.scale >= 0 && factors.scale < 1e38F;
    if (found) DecodeRow(SpaceOf(*calibration->prober.cached), codes, factors.scale, calibration->row);
    reader.Finish();
    return found;
}

// How deep a search goes.
struct Depth {
    Size deepest;  // for as many rows as this number of kKs says
    float epsilon;
    float patience;
    uint32 most;  // lists
};

// False when the lists have moved.
static bool SearchDeep(Calibration* calibration, Place place, const Depth& depth) {
    Engine* engine = calibration->engine;
    const Space& space = SpaceOf(*calibration->prober.cached);
    Guard([&] {
        engine->trace.Clear();
        engine->search.BeginStoredRow(space, calibration->row, depth.epsilon, kMostCandidates);
    });
    // With the row itself.
    const auto k = static_cast<double>(Calibrator::kKs[depth.deepest] + kSpareRows + 1);
    uint32 probed;
    if (!ProbeLists(&calibration->prober, {0, 0, depth.most, k, depth.patience}, &probed)) return false;
    Guard([&] { engine->calibrator.Add(engine->trace, place, depth.epsilon, depth.deepest, kSpareRows); });
    return true;
}

// ---- All of them ----

// Searches for one in kStrides of `count` rows that lie evenly spread, from the first-th on.
static bool SearchStride(Calibration* calibration, uint32 count, uint32 first, const Depth& depth) {
    const RowLayout& layout = calibration->layout;
    const BlockNumber begin = calibration->meta->rows;
    const BlockNumber blocks = RelationGetNumberOfBlocks(calibration->index);
    if (blocks <= begin) return true;
    const double places = static_cast<double>(blocks - begin) * layout.rows_per_page;
    for (uint32 i = first; i < count; i += kStrides) {
        ANNEX_VACUUM_DELAY_POINT();
        Random random(i);
        const auto offset = static_cast<uint64>((i + random.Uniform()) / count * places);
        const auto place = static_cast<Place>(static_cast<uint64>(begin) * layout.rows_per_page + offset);
        if (!ReadRow(calibration, place)) continue;
        if (!SearchDeep(calibration, place, depth)) return false;
    }
    return true;
}

// The share of the pages' slots that hold rows, so that the sample comes out as large as wanted.
static uint32 SampleSize(const Calibration& calibration) {
    const double rows = calibration.meta->calibrated_rows;
    const double wanted = std::clamp(rows / kRowsPerQuery, kFewestQueries, kMostQueries);
    const double places = static_cast<double>(RelationGetNumberOfBlocks(calibration.index) - calibration.meta->rows) *
                          calibration.layout.rows_per_page;
    return static_cast<uint32>(std::min(wanted * places / rows, 20 * kMostQueries));
}

static Depth DeepEnough(Calibration* calibration, Size deepest) {
    Calibrator* calibrator = &calibration->engine->calibrator;
    Depth depth{deepest, 0, 0, calibration->meta->lists};
    Guard([&] {
        depth.epsilon = calibrator->DeepEnoughEpsilon(deepest);
        depth.patience = kDeeper * calibrator->DeepEnoughPatience(deepest);
    });
    return depth;
}

static bool SearchAll(Calibration* calibration) {
    const uint32 count = SampleSize(*calibration);
    const Size last = Calibrator::kKCount - 1;
    const uint32 most = std::min(calibration->meta->lists, kPilotLists);
    if (!SearchStride(calibration, count, 0, {last, Calibrator::kDeepestEpsilon, ListSearch::kEndlessPatience, most}))
        return false;
    if (calibration->engine->calibrator.queries() == 0) return false;
    const Depth for_most = DeepEnough(calibration, last);
    const Depth for_few = DeepEnough(calibration, last - 1);
    for (uint32 first = 1; first < kStrides; first++)
        if (!SearchStride(calibration, count, first, first % 4 == 0 ? for_most : for_few)) return false;
    return true;
}

static void FillIn(Calibration* calibration) {
    Calibrator* calibrator = &calibration->engine->calibrator;
    for (int k = 0; k < kCalibratedKs; k++) {
        for (int i = 0; i < kCalibratedRecalls; i++) {
            const auto recall = static_cast<double>(kRecalls[i]);
            SearchSettings settings{};
            const double aim = recall + kMargin * (1 - recall);
            const float least = kRecalls[i] >= kLeastPatienceFrom ? kLeastPatience : 0;
            Guard([&] { settings = calibrator->Choose(static_cast<Size>(k), aim, least); });
            calibration->meta->calibration[k][i] = {kRecalls[i], settings.epsilon, settings.patience, settings.lists,
                                                    settings.probes};
        }
    }
}

void Calibrate(Relation index, MetaPage* meta) {
    static_assert(kCalibratedKs == Calibrator::kKCount);
    memset(meta->calibration, 0, sizeof meta->calibration);
    meta->calibrated_rows = 0;
    if (meta->listed_rows < kFewestRows || meta->lists < kFewestLists || DialectOf(index) != nullptr) return;

    pgstat_progress_update_param(PROGRESS_CREATEIDX_SUBPHASE, kPhaseCalibrating);
    MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "ivf calibration", ALLOCSET_DEFAULT_SIZES);
    MemoryContext old_context = MemoryContextSwitchTo(context);
    MetaPage copy = *meta;
    copy.calibrated_rows = meta->listed_rows;
    Calibration calibration{index, &copy, {}, nullptr, nullptr, RowLayoutOf(*meta)};
    Prepare(&calibration);
    if (SearchAll(&calibration)) {
        FillIn(&calibration);
        memcpy(meta->calibration, copy.calibration, sizeof copy.calibration);
        meta->calibrated_rows = copy.calibrated_rows;
    }
    MemoryContextSwitchTo(old_context);
    MemoryContextDelete(context);
}

void CalibrateIndex(Relation index) {
    MetaPage meta;
    ReadMeta(index, &meta);
    Calibrate(index, &meta);
    ChangeMeta(index, [&](MetaPage* to) {
        if (to->generation != meta.generation) return;
        memcpy(to->calibration, meta.calibration, sizeof meta.calibration);
        to->calibrated_rows = meta.calibrated_rows;
    });
}

}  // namespace annex::pg::ivf

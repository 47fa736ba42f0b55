// What a scan costs, so that the planner takes it for the nearest few rows of a large table and nothing else.
//
// A scan is priced as its first round, which is to find all rows that the LIMIT wants, and as what comes after it if
// the executor goes on to the end of the index; PostgreSQL takes a share of the latter by the rows that it expects to
// read.
#include "annex/range_estimate.h"
#include "pg/guard.h"
#include "pg/index/opclass.h"
#include "pg/index/ordered_path.h"
#include "pg/index/rerank.h"
#include "pg/ivf/cache.h"
#include "pg/ivf/dialect.h"
#include "pg/ivf/ivf.h"

extern "C" {
#include "access/genam.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "utils/float.h"
#include "utils/selfuncs.h"
#include "utils/spccache.h"
}

#include <algorithm>
#include <cmath>

namespace annex::pg::ivf {

// Relative to cpu_operator_cost, from profiles: preparing a query (rotation, table, meta page); a sketch, of which 32
// are estimated at once; asking a set about a row; a row refined.
static constexpr double kPrepare = 8000;
static constexpr double kSketch = 0.1;
static constexpr double kTest = 0.4;
static constexpr double kRefine = 4;
// Rows that a first round refines for the first kFewRows rows, and for each further one.
static constexpr double kRefinedRows = 200;
static constexpr double kRefinedForRow = 5;
static constexpr double kFewRows = 10;
// Calibration says how many lists it takes for so many rows; the rows beyond these fill lists of which this share was
// not probed anyway.
static constexpr double kCalibratedRows = 100;
static constexpr double kFurtherLists = 2;
// Of the share of rows that may be found, the power by which the lists to be probed grow: measured .3 to .65.
static constexpr double kShareExponent = 0.6;

// What the index holds, in pages and lists.
struct Shape {
    MetaPage meta;
    double probes;  // that a dialect's settings ask for; 0: ivf, where it is for the search to say
    double rows;
    double entries;
    double list_pages;
    double root_pages;
    double row_pages;
    double rows_per_page;
    Cost page_cost;
    bool has_images;
};

static void ReadShape(const IndexOptInfo* info, Shape* read) {
    Shape& shape = *read;
    // The planner holds a lock on the index.
    Relation index = index_open(info->indexoid, NoLock);
    ReadMeta(index, &shape.meta);
    shape.has_images = HasImages(index);
    shape.probes = DialectOf(index) != nullptr ? SettingsOf(index, shape.meta, 0).probes : 0;
    index_close(index, NoLock);
    const MetaPage& meta = shape.meta;
    const auto entry_bytes = static_cast<double>(SketchLayoutOf(meta).entry_bytes());
    const auto lists = static_cast<double>(meta.lists);
    shape.rows = std::max(info->tuples, 1.0);
    shape.entries = shape.rows * (meta.spill != 0 ? 2 : 1);
    shape.list_pages = std::max(shape.entries * entry_bytes / BLCKSZ, lists);
    shape.root_pages = 1 + lists * entry_bytes / BLCKSZ;
    shape.rows_per_page = RowLayoutOf(meta).rows_per_page;
    shape.row_pages = shape.rows / shape.rows_per_page + 1;
    // Lists lie on contiguous pages and rows in the order of lists, so pages cost what sequential ones do.
    double random_page_cost_here;
    get_tablespace_page_costs(info->reltablespace, &random_page_cost_here, &shape.page_cost);
}

// Costs are asked for many times while one query is planned. What was read for the first is kept as long as the
// planner's own description of the index, which is that of one planning.
struct KnownShape {
    const IndexOptInfo* info;
    Shape shape;
    KnownShape* next;
    MemoryContextCallback forget;
};
static KnownShape* known_shapes = nullptr;

extern "C" {
static void ForgetShape(void* arg) noexcept {
    for (KnownShape** link = &known_shapes; *link != nullptr; link = &(*link)->next) {
        if (*link != arg) continue;
        *link = (*link)->next;
        return;
    }
}
}

static const Shape& ShapeOf(const IndexOptInfo* info) {
    for (const KnownShape* known = known_shapes; known != nullptr; known = known->next)
        if (known->info == info) return known->shape;
    MemoryContext planning = GetMemoryChunkContext(const_cast<IndexOptInfo*>(info));
    auto* known = static_cast<KnownShape*>(MemoryContextAlloc(planning, sizeof(KnownShape)));
    ReadShape(info, &known->shape);
    known->info = info;
    known->next = known_shapes;
    known->forget.func = ForgetShape;
    known->forget.arg = known;
    MemoryContextRegisterResetCallback(planning, &known->forget);
    known_shapes = known;
    return known->shape;
}

// Lists that are probed to find so many rows among a share of all.
static double ExpectedLists(const Shape& shape, const SearchEstimate& search) {
    const auto lists = static_cast<double>(shape.meta.lists);
    const double for_share = std::pow(1 / search.share, kShareExponent);
    if (shape.probes > 0) return std::min(shape.probes * for_share, lists);
    const double rows = std::clamp(search.wanted, 1.0, shape.rows);
    const double first = SettingsFor(shape.meta, std::min(rows, kCalibratedRows)).lists;
    const double further = std::max(rows - kCalibratedRows, 0.0) * lists / shape.rows;
    return std::min((first + kFurtherLists * further) * for_share, lists);
}

static Cost FirstRound(const Shape& shape, const SearchEstimate& search) {
    const auto all = static_cast<double>(shape.meta.lists);
    const double wanted = std::clamp(search.wanted, 1.0, shape.rows);
    const double lists = ExpectedLists(shape, search);
    const double probed = lists / all;
    const double ranked = std::min(2 * lists + 16, all);
    const double matching = shape.rows * search.share;
    const double refined = std::min(kRefinedRows + kRefinedForRow * std::max(wanted - kFewRows, 0.0), matching);
    const double pages = 2 + shape.root_pages + ranked / shape.rows_per_page + shape.list_pages * probed +
                         std::min(refined, shape.row_pages);
    // Blocks of which no row passes are passed over.
    const double estimated = shape.entries * probed * (1 - std::pow(1 - search.share, kBlockSize));
    const double tests = search.tested ? shape.entries * probed : 0;
    const double cpu = kPrepare + kSketch * (all + estimated) + kTest * tests + kRefine * (ranked + refined);
    return pages * shape.page_cost + cpu * cpu_operator_cost;
}

// Each further round reads the lists again: to the end, about twice everything.
static Cost FurtherRounds(const Shape& shape, double returned) {
    const double pages = 2 * shape.list_pages + shape.row_pages;
    const double cpu = kSketch * shape.entries * 2 + kRefine * shape.rows;
    return pages * shape.page_cost + cpu * cpu_operator_cost + returned * cpu_index_tuple_cost;
}

Cost SearchCost(const IndexOptInfo* index, const SearchEstimate& search) {
    const Shape& shape = ShapeOf(index);
    if (!shape.has_images) return FirstRound(shape, search);
    SearchEstimate candidates = search;
    candidates.wanted = std::clamp(RerankedFor(search.wanted), 1.0, std::max(shape.rows * search.share, 1.0));
    return FirstRound(shape, candidates) + RerankCost(index, candidates.wanted);
}

// ---- A search for all rows within a distance ----

// Where nothing is known of the query, or the centroids are too many to be kept. PostgreSQL takes a third of the rows
// for any inequality, and so little for a range with two ends, which a distance is in every dimension.
static constexpr RangeShares kUnknownRange{DEFAULT_RANGE_INEQ_SEL, 0.9};

// By the centroids that scans of this backend keep anyway.
static RangeShares SharesWithin(const IndexOptInfo* info, MetaPage* meta, const RangeSearch& search) {
    if (search.query == nullptr || search.radius == nullptr) return kUnknownRange;
    if (search.query->constisnull || search.radius->constisnull) return {0, 0};
    const double radius = DatumGetFloat8(search.radius->constvalue);
    if (std::isnan(radius)) return {1, 1};
    RangeShares shares = kUnknownRange;
    MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "ivf range estimate", ALLOCSET_SMALL_SIZES);
    MemoryContext old_context = MemoryContextSwitchTo(context);
    Relation index = index_open(info->indexoid, NoLock);
    const CachedIndex* cached = AcquireIndex(index, meta, context);
    const CentroidTable* centroids = CentroidsOf(*cached);
    const FloatReader reader = NewFloatReader(index, static_cast<int>(meta->dimensions));
    const float* query = QueryFloatsIfFit(reader, search.query->constvalue);
    if (centroids != nullptr && query != nullptr)
        Guard([&] { shares = EstimateRange(SpaceOf(*cached), *centroids, query, radius); });
    index_close(index, NoLock);
    MemoryContextSwitchTo(old_context);
    MemoryContextDelete(context);
    return shares;
}

// Every list is read once, and the rows that sketches do not rule out.
RangeEstimate EstimateRangeSearch(const IndexOptInfo* index, const RangeSearch& search) {
    const Shape& shape = ShapeOf(index);
    MetaPage meta = shape.meta;
    const RangeShares shares = SharesWithin(index, &meta, search);
    const auto lists = static_cast<double>(shape.meta.lists);
    const double refined = std::max(shape.rows * search.share * shares.passed, 1.0);
    const double estimated = shape.entries * (1 - std::pow(1 - search.share, kBlockSize));
    const double pages =
        2 + shape.root_pages + lists / shape.rows_per_page + shape.list_pages + std::min(refined, shape.row_pages);
    const double cpu = kPrepare + kSketch * (lists + estimated) + kRefine * (lists + refined);
    elog(DEBUG2, "rows within the distance: %.4f, refined: %.4f", shares.within, shares.passed);
    return {shares.within, pages * shape.page_cost + cpu * cpu_operator_cost};
}

// ---- PostgreSQL's callback ----

}  // namespace annex::pg::ivf

extern "C" void ivfcostestimate(PlannerInfo* root, IndexPath* path, double loop_count, Cost* startup_cost,
                                Cost* total_cost, Selectivity* selectivity, double* correlation,
                                double* pages) noexcept {
    using namespace annex::pg::ivf;
    (void)loop_count;
    List* conditions = annex::pg::TestedConditions(path);
    List* quals = add_predicate_to_index_quals(path->indexinfo, conditions);
    *selectivity =
        clauselist_selectivity(root, quals, static_cast<int>(path->indexinfo->rel->relid), JOIN_INNER, nullptr);
    *correlation = 0;
    *pages = path->indexinfo->pages;
    if (!annex::pg::QueryTakesOrder(root, path, StrictOrder())) {
        annex::pg::ForbidPath(path, startup_cost, total_cost);
        return;
    }
    const Shape& shape = ShapeOf(path->indexinfo);
    const Selectivity share =
        clauselist_selectivity(root, conditions, static_cast<int>(path->indexinfo->rel->relid), JOIN_INNER, nullptr);
    const double limit = annex::pg::RowsForLimit(root, path, *selectivity);
    const double wanted = limit > 0 ? limit : kFewRows;
    *startup_cost = SearchCost(path->indexinfo, {wanted, std::max(share, 1 / shape.rows), false});
    *total_cost = *startup_cost + FurtherRounds(shape, shape.rows * share);
}

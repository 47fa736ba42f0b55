// What a scan costs, so that the planner takes it for the nearest few rows of a large table and nothing else.
//
// A scan is priced as its first round, which is to find all rows that the LIMIT wants, and as what comes after it if
// the executor goes on to the end of the index; PostgreSQL takes a share of the latter by the rows that it expects to
// read. Visits go anywhere in the index; its pages are as dear as those of PostgreSQL's own random reads, unless
// effective_cache_size says that they are in memory.
#include "pg/hnsw/hnsw.h"

extern "C" {
#include "access/genam.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "utils/selfuncs.h"
#include "utils/spccache.h"
}

#include <algorithm>

#include "pg/index/ordered_path.h"
#include "pg/index/rerank.h"

namespace annex::pg::hnsw {

// Relative to cpu_operator_cost, from profiles: preparing a query (rotation, ranking the rows to start from); a visit,
// and each byte of its record; asking a set about a row; a node that a sweep looks at, and a row that it finds.
static constexpr double kPrepare = 5000;
static constexpr double kVisit = 170;
static constexpr double kVisitedByte = 0.12;
static constexpr double kTest = 10;
static constexpr double kLook = 15;
static constexpr double kFound = 100;
// A page that is in memory, as a share of seq_page_cost.
static constexpr double kCachedPage = 1.2;

struct Shape {
    MetaPage meta;
    Settings settings;
    double rows;
    double pages;
    double record_bytes;
    bool has_images;
    Cost page_cost;        // of one anywhere
    Cost swept_page_cost;  // of one in their order
};

static Shape ShapeOf(const IndexOptInfo* info) {
    Shape shape;
    // The planner holds a lock on the index.
    Relation index = index_open(info->indexoid, NoLock);
    ReadMeta(index, &shape.meta);
    shape.has_images = HasImages(index, static_cast<int>(shape.meta.dimensions));
    index_close(index, NoLock);
    shape.settings = SettingsNow();
    shape.rows = std::max(info->tuples, 1.0);
    shape.pages = std::max(static_cast<double>(info->pages), 1.0);
    shape.record_bytes = std::min(shape.pages * BLCKSZ / shape.rows, static_cast<double>(BLCKSZ));
    double random_page;
    double sequential_page;
    get_tablespace_page_costs(info->reltablespace, &random_page, &sequential_page);
    const double cached = std::min(static_cast<double>(effective_cache_size) / shape.pages, 1.0);
    const double in_memory = kCachedPage * sequential_page;
    shape.page_cost = cached * in_memory + (1 - cached) * std::max(random_page, in_memory);
    shape.swept_page_cost = sequential_page;
    return shape;
}

// Of a walk that finds the rows; by pgvector's settings it takes what they say, whatever is wanted.
static double ExpectedVisits(const Shape& shape, const SearchEstimate& search) {
    if (shape.settings.set) return 1.3 * EfFor(shape.settings.ef_search);
    const double wanted = search.wanted > 0 ? std::clamp(search.wanted, 1.0, shape.rows) : 0;
    const SearchEffort effort =
        search.share < 1 ? FilteredEffortFor(shape.meta, wanted, search.share) : EffortFor(shape.meta, wanted);
    return std::min(effort.visits, shape.rows);
}

static Cost Visits(const Shape& shape, double visits, bool tested) {
    const double cpu = kVisit + kVisitedByte * shape.record_bytes + (tested ? kTest : 0);
    return std::min(visits, shape.pages) * shape.page_cost + visits * cpu * cpu_operator_cost;
}

static Cost Sweep(const Shape& shape, double share, bool tested) {
    const double cpu = shape.rows * (kLook + (tested ? kTest : 0) + kFound * share);
    return shape.pages * shape.swept_page_cost + cpu * cpu_operator_cost;
}

static Cost Search(const Shape& shape, const SearchEstimate& search) {
    const double visits = ExpectedVisits(shape, search);
    const Cost prepare = kPrepare * cpu_operator_cost + shape.page_cost;
    const bool sweeps = !shape.settings.set && visits > kVisitsPerPage * shape.pages;
    return prepare + (sweeps ? Sweep(shape, search.share, search.tested) : Visits(shape, visits, search.tested));
}

static Cost FirstRound(const IndexOptInfo* index, const Shape& shape, const SearchEstimate& search) {
    if (!shape.has_images) return Search(shape, search);
    SearchEstimate candidates = search;
    candidates.wanted = shape.settings.set ? EfFor(shape.settings.ef_search) : RerankedFor(search.wanted);
    candidates.wanted = std::clamp(candidates.wanted, 1.0, std::max(shape.rows * search.share, 1.0));
    return Search(shape, candidates) + RerankCost(index, candidates.wanted);
}

Cost SearchCost(const IndexOptInfo* index, const SearchEstimate& search) {
    return FirstRound(index, ShapeOf(index), search);
}

// A single round is in order; of several only those that leave out what comes late.
static bool StrictOrder() {
    const Settings settings = SettingsNow();
    return settings.set && settings.iterative_scan != IterativeScan::kRelaxedOrder;
}

// Rows whose vector is NULL are not in the index.
static bool AsksForNullVectors(const IndexPath* path) {
    ListCell* cell;
    foreach (cell, path->indexclauses) {
        const auto* clause = lfirst_node(IndexClause, cell);
        if (clause->indexcol != 0) continue;
        const auto* test = reinterpret_cast<const NullTest*>(clause->rinfo->clause);
        if (!IsA(test, NullTest) || test->nulltesttype == IS_NULL) return true;
    }
    return false;
}

}  // namespace annex::pg::hnsw

extern "C" void hnswcostestimate(PlannerInfo* root, IndexPath* path, double loop_count, Cost* startup_cost,
                                 Cost* total_cost, Selectivity* selectivity, double* correlation,
                                 double* pages) noexcept {
    using namespace annex::pg::hnsw;
    (void)loop_count;
    const IndexOptInfo* info = path->indexinfo;
    List* conditions = annex::pg::TestedConditions(path);
    List* quals = add_predicate_to_index_quals(path->indexinfo, conditions);
    const auto table = static_cast<int>(info->rel->relid);
    *selectivity = clauselist_selectivity(root, quals, table, JOIN_INNER, nullptr);
    *correlation = 0;
    *pages = info->pages;
    if (!annex::pg::QueryTakesOrder(root, path, StrictOrder()) || AsksForNullVectors(path)) {
        annex::pg::ForbidPath(path, startup_cost, total_cost);
        return;
    }
    const Shape shape = ShapeOf(info);
    const Selectivity share = clauselist_selectivity(root, conditions, table, JOIN_INNER, nullptr);
    const double wanted = annex::pg::RowsForLimit(root, path, *selectivity);
    *startup_cost = FirstRound(info, shape, {wanted, std::clamp(share, 1 / shape.rows, 1.0), false});
    *total_cost = *startup_cost + Sweep(shape, share, false) + shape.rows * share * cpu_index_tuple_cost;
}

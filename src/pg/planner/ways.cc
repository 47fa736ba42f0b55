// Costs of the ways.
//
// There are two scales. Among themselves the ways are compared by what they take on this machine if the pages that
// effective_cache_size has room for are in memory; the node goes by that, and once it knows how many rows match, by the
// number of rows up to which sorting them pays. The path that competes with PostgreSQL's own paths has to be priced as
// those are: every page of the table costs random_page_cost, cached or not.
#include "pg/planner/ways.h"

extern "C" {
#include "access/genam.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "optimizer/plancat.h"
#include "utils/float.h"
#include "utils/lsyscache.h"
#include "utils/spccache.h"
}

#include <algorithm>
#include <cmath>

#include "pg/index/access_method.h"
#include "pg/index/opclass.h"
#include "pg/planner/settings.h"
#include "pg/types/dense_cost.h"

namespace annex::pg {
namespace {

// Measured on x86-64 where cpu_operator_cost stands for 3.3 ns: a page that is in memory, as a share of
// seq_page_cost, and what of that it takes if pages are visited in the table's order; a row that goes through the
// executor's queue of rows whose order is not yet certain; a row that is sorted; a row that gets into a bitmap and from
// there into a set, the latter three relative to cpu_operator_cost.
constexpr double kCachedPage = 1.2;
constexpr double kPageInOrder = 0.35;
constexpr double kQueuedRow = 150;
constexpr double kSortedRow = 100;
constexpr double kBitmapRow = 30;
constexpr double kSetRow = 5;
// The share of the rows that a bound of the distance is taken to leave. Nobody knows how distances are spread, and
// PostgreSQL takes a third; who bounds a distance wants few rows.
constexpr double kWithinBound = 0.005;
// The node itself, relative to cpu_operator_cost: running a bitmap, reading it, starting to sort. For one row or two
// PostgreSQL's own plan is cheaper by that.
constexpr double kNode = 800;
// A plan that adapts is worth more than one that costs the same if the estimates are right.
constexpr double kAdaptive = 0.98;

class Estimate {
  public:
    explicit Estimate(const FilteredScan& scan);
    void Fill(FilteredPlan* plan) const;
    [[nodiscard]] PathCost Cheapest(Way first) const;
    [[nodiscard]] PathCost Range() const;

  private:
    [[nodiscard]] double TablePages(double rows) const;
    [[nodiscard]] Cost Search(double wanted, double share, bool tested) const;
    [[nodiscard]] Cost Exact(double rows) const;
    [[nodiscard]] Cost Set(double rows) const;
    [[nodiscard]] double FetchedPlain() const;
    [[nodiscard]] Cost Plain(double fetched) const;
    [[nodiscard]] double RowsWorthSorting() const;
    [[nodiscard]] Cost AtLimit(PathCost cost) const;
    [[nodiscard]] PathCost PlainPath() const;
    [[nodiscard]] PathCost SetPath() const;
    [[nodiscard]] PathCost ExactPath() const;
    [[nodiscard]] PathCost PostgresPath(bool by_index) const;
    [[nodiscard]] PathCost BelowPostgres(PathCost cost, Way first) const;

    const FilteredScan& scan_;
    const OrderedAccessMethod* method_;
    double tuples_;    // of the table
    double searched_;  // of the index that filter columns of the index let through
    double matching_;  // rows that pass the WHERE clause, whatever their distance
    double wanted_;    // of them
    double set_rows_ = 0;
    Cost bitmap_cost_ = 0;
    Cost page_cost_;  // of a page of the table
    Cost random_page_cost_;
    Cost sequential_page_cost_;
    Cost filter_cost_;
    Cost distance_cost_;
    Cost unpriced_;  // of that, what PostgreSQL does not know of
};

double Rows(double rows) {
    return std::max(rows, 1.0);
}

ElementType ElementsOf(const IndexOptInfo* info) {
    // The planner holds a lock on the index.
    Relation index = index_open(info->indexoid, NoLock);
    const ElementType element = OpclassOf(index).element;
    index_close(index, NoLock);
    return element;
}

// Of the dense types alone it is known what a distance costs.
Cost DistanceCost(ElementType element, const OpExpr* call) {
    switch (element) {
        case ElementType::kVector:
            return VectorDistanceCost(call->args);
        case ElementType::kHalfvec:
            return HalfvecDistanceCost(call->args);
        default:
            return 0;
    }
}

// What a distance costs more than its function says. Ours say all of it, pgvector's that they are as cheap as an
// addition.
Cost UnpricedDistance(PlannerInfo* root, const IndexPath* ordered) {
    auto* distance = static_cast<Node*>(linitial(ordered->indexorderbys));
    if (!IsA(distance, OpExpr)) return 0;
    auto* call = reinterpret_cast<OpExpr*>(distance);
    set_opfuncid(call);
    if (OidIsValid(get_func_support(call->opfuncid))) return 0;
    QualCost known{0, 0};
    add_function_cost(root, call->opfuncid, distance, &known);
    return std::max(DistanceCost(ElementsOf(ordered->indexinfo), call) - known.per_tuple, 0.0);
}

Estimate::Estimate(const FilteredScan& scan)
    : scan_(scan), method_(OrderedAccessMethodOf(scan.ordered->indexinfo)), tuples_(Rows(scan.table->tuples)) {
    PlannerInfo* root = scan.root;
    const RelOptInfo* table = scan.table;
    searched_ = Rows(tuples_ * scan.ordered->indexselectivity);
    matching_ =
        Rows(tuples_ * clauselist_selectivity(root, scan.others, static_cast<int>(table->relid), JOIN_INNER, nullptr));
    const bool alone = bms_membership(root->all_baserels) == BMS_SINGLETON;
    wanted_ = alone && root->limit_tuples > 0 ? std::min(root->limit_tuples, matching_) : matching_;
    if (scan.bitmap != nullptr) {
        Selectivity selectivity;
        cost_bitmap_tree_node(scan.bitmap->bitmapqual, &bitmap_cost_, &selectivity);
        set_rows_ = std::max(Rows(tuples_ * selectivity), matching_);
    }

    get_tablespace_page_costs(table->reltablespace, &random_page_cost_, &sequential_page_cost_);
    const double pages = root->total_table_pages + static_cast<double>(scan.ordered->indexinfo->pages);
    const double cached = std::min(static_cast<double>(effective_cache_size) / Rows(pages), 1.0);
    page_cost_ = cached * kCachedPage * sequential_page_cost_ + (1 - cached) * random_page_cost_;

    QualCost cost;
    cost_qual_eval(&cost, scan.others, root);
    filter_cost_ = cost.per_tuple + cpu_tuple_cost;
    cost_qual_eval_node(&cost, static_cast<Node*>(linitial(scan.ordered->indexorderbys)), root);
    unpriced_ = UnpricedDistance(root, scan.ordered);
    distance_cost_ = cost.per_tuple + unpriced_;
}

// Of which so many rows, spread evenly, lie on.
double Estimate::TablePages(double rows) const {
    const double pages = Rows(static_cast<double>(scan_.table->pages));
    return std::min(2 * pages * rows / (2 * pages + rows), pages);
}

Cost Estimate::Search(double wanted, double share, bool tested) const {
    return method_->search_cost(scan_.ordered->indexinfo, {wanted, std::clamp(share, 1 / tuples_, 1.0), tested});
}

Cost Estimate::Exact(double rows) const {
    return TablePages(rows) * kPageInOrder * page_cost_ +
           rows * (filter_cost_ + distance_cost_ + kSortedRow * cpu_operator_cost);
}

Cost Estimate::Set(double rows) const {
    const double fetched = std::min(wanted_ * set_rows_ / matching_, rows);
    return rows * kSetRow * cpu_operator_cost + Search(fetched, rows / tuples_, true) +
           fetched * (page_cost_ + filter_cost_ + distance_cost_ + kQueuedRow * cpu_operator_cost);
}

double Estimate::FetchedPlain() const {
    return std::min(wanted_ * searched_ / matching_, searched_);
}

Cost Estimate::Plain(double fetched) const {
    return Search(fetched, searched_ / tuples_, false) +
           fetched * (page_cost_ + filter_cost_ + distance_cost_ + kQueuedRow * cpu_operator_cost);
}

// What sorting costs grows with the rows, what searching costs hardly falls, so that a few steps come close enough.
double Estimate::RowsWorthSorting() const {
    double rows = set_rows_;
    for (int i = 0; i < 3; i++) rows = std::clamp(rows * Set(rows) / Exact(rows), 1.0, tuples_);
    return rows;
}

void Estimate::Fill(FilteredPlan* plan) const {
    *plan = FilteredPlan{};
    plan->way = Way::kPlain;
    plan->plain_share = std::min(matching_ / searched_, 1.0);
    plan->column_share = std::min(searched_ / Rows(scan_.ordered->indexinfo->tuples), 1.0);
    // The search that finds a further row costs more than reading it.
    const double fetched = FetchedPlain();
    const Cost plain = Plain(fetched);
    plan->row_cost = (Plain(2 * fetched) - plain) / fetched;
    plan->rows_per_page = tuples_ / Rows(static_cast<double>(scan_.table->pages));
    if (scan_.bitmap == nullptr) return;
    const Cost bitmap = set_rows_ * kBitmapRow * cpu_operator_cost;
    const Cost set = Set(set_rows_);
    const Cost exact = Exact(set_rows_);
    plan->has_exact = true;
    plan->set_rows = set_rows_;
    plan->set_share = matching_ / set_rows_;
    plan->exact_rows = RowsWorthSorting();
    plan->set_cost = bitmap + set;
    if (bitmap + std::min(set, exact) < plain) plan->way = exact < set ? Way::kExact : Way::kSet;
    elog(DEBUG2, "filtered scan of %.0f rows: bitmap %.1f, set %.1f, exact %.1f (up to %.0f rows), plain %.1f",
         set_rows_, bitmap, set, exact, plan->exact_rows, plain);
}

// ---- As PostgreSQL prices its paths ----

Cost Estimate::AtLimit(PathCost cost) const {
    return cost.startup + (cost.total - cost.startup) * wanted_ / matching_;
}

// The scan ends at a bound of the distance, after a look into all lists.
PathCost Estimate::PlainPath() const {
    const Path& ordered = scan_.ordered->path;
    if (scan_.bounds == NIL) return {ordered.startup_cost, ordered.total_cost};
    const double within = Rows(searched_ * kWithinBound);
    const Cost fetches = within * (random_page_cost_ + filter_cost_ + distance_cost_);
    const Cost all = ordered.startup_cost + Search(within, 1 / tuples_, false) + fetches;
    return {ordered.startup_cost, std::min(all, ordered.total_cost)};
}

PathCost Estimate::SetPath() const {
    const double fetched = std::min(wanted_ * set_rows_ / matching_, set_rows_);
    const Cost startup =
        bitmap_cost_ + set_rows_ * kSetRow * cpu_operator_cost + Search(fetched, set_rows_ / tuples_, true);
    const double pages = index_pages_fetched(set_rows_, scan_.table->pages, 0, scan_.root);
    return {startup, startup + pages * random_page_cost_ + set_rows_ * (filter_cost_ + distance_cost_)};
}

PathCost Estimate::ExactPath() const {
    const Path& sort = scan_.exact->path;
    const Cost distances = matching_ * distance_cost_;
    return {(sort.startup_cost + distances) * kAdaptive, (sort.total_cost + distances) * kAdaptive};
}

// The cheapest of PostgreSQL's own ways to the rows of the WHERE clause, or of those by an index, and a sort.
PathCost Estimate::PostgresPath(bool by_index) const {
    const Path* cheapest = nullptr;
    ListCell* cell;
    foreach (cell, scan_.table->pathlist) {
        const auto* path = static_cast<const Path*>(lfirst(cell));
        if (by_index && !IsA(path, IndexPath) && !IsA(path, BitmapHeapPath)) continue;
        if (path->param_info != nullptr || path->pathkeys == scan_.ordered->path.pathkeys) continue;
        if (cheapest == nullptr || path->total_cost < cheapest->total_cost) cheapest = path;
    }
    if (cheapest == nullptr || relation_has_unique_index_for(scan_.root, scan_.table, NIL, NIL, NIL))
        return {get_float8_infinity(), get_float8_infinity()};
    const SortPath* sort = create_sort_path(scan_.root, scan_.table, const_cast<Path*>(cheapest),
                                            scan_.ordered->path.pathkeys, scan_.root->limit_tuples);
    return {sort->path.startup_cost * kAdaptive, sort->path.total_cost * kAdaptive};
}

// The node is to win against a path that takes longer in truth.
//
// Of rows that lie together an index scan reads fewer pages than a bitmap heap scan is said to. But it is bound to its
// estimate: five rows that turn out to be 20,000 are sorted all the same. The node begins with about the same work and
// can change its mind, so that it is to win, unless a unique key promises a single row.
//
// And where PostgreSQL does not know what distances cost, it sorts all rows that match for less than that takes.
PathCost Estimate::BelowPostgres(PathCost cost, Way first) const {
    if (first == Way::kPlain && unpriced_ <= 0) return cost;
    const PathCost postgres = PostgresPath(first != Way::kPlain);
    if (AtLimit(postgres) >= AtLimit(cost)) return cost;
    const bool faster = first == Way::kPlain && AtLimit(postgres) + matching_ * unpriced_ < AtLimit(cost);
    return faster ? cost : postgres;
}

PathCost Estimate::Cheapest(Way first) const {
    PathCost cheapest = PlainPath();
    if (scan_.bitmap == nullptr) return BelowPostgres(cheapest, Way::kPlain);
    for (const PathCost cost : {SetPath(), ExactPath()})
        if (AtLimit(cost) < AtLimit(cheapest)) cheapest = cost;
    const Cost node = kNode * cpu_operator_cost;
    return BelowPostgres({cheapest.startup + node, cheapest.total + node}, first);
}

// The value of an expression if it can be known now.
const Const* ValueOf(PlannerInfo* root, Node* expression) {
    Node* value = estimate_expression_value(root, expression);
    return IsA(value, Const) ? reinterpret_cast<const Const*>(value) : nullptr;
}

// The least of the bounds, NULL before any number; nullptr if one of them is not known.
const Const* LeastBound(PlannerInfo* root, List* bounds) {
    const Const* least = nullptr;
    ListCell* cell;
    foreach (cell, bounds) {
        const Const* bound = ValueOf(root, static_cast<Node*>(lfirst(cell)));
        if (bound == nullptr || bound->constisnull) return bound;
        if (least == nullptr || float8_lt(DatumGetFloat8(bound->constvalue), DatumGetFloat8(least->constvalue)))
            least = bound;
    }
    return least;
}

// Rows of the table come in the order of their pages, some hundreds or thousands at a time; pages are priced as those
// of a bitmap heap scan.
PathCost Estimate::Range() const {
    const auto* distance = reinterpret_cast<const OpExpr*>(linitial(scan_.ordered->indexorderbys));
    const RangeEstimate search = method_->range_estimate(
        scan_.ordered->indexinfo,
        {ValueOf(scan_.root, static_cast<Node*>(lsecond(distance->args))), LeastBound(scan_.root, scan_.bounds),
         std::clamp(searched_ / tuples_, 1 / tuples_, 1.0)});
    const double within = Rows(searched_ * search.within);
    const double all = Rows(static_cast<double>(scan_.table->pages));
    const double pages = TablePages(within);
    const Cost page = pages >= 2
                          ? random_page_cost_ - (random_page_cost_ - sequential_page_cost_) * std::sqrt(pages / all)
                          : random_page_cost_;
    const Cost node = kNode * cpu_operator_cost;
    const Cost fetches = pages * page + within * (filter_cost_ + distance_cost_);
    return {node, node + search.cost + fetches};
}

}  // namespace

void EstimateRangeScan(const FilteredScan& scan, FilteredPlan* plan, PathCost* cost) {
    const Estimate estimate(scan);
    *plan = FilteredPlan{};
    estimate.Fill(plan);
    plan->way = Way::kRange;
    *cost = estimate.Range();
}

void EstimateWays(const FilteredScan& scan, FilteredPlan* plan, PathCost* cost) {
    const Estimate estimate(scan);
    estimate.Fill(plan);
    *cost = estimate.Cheapest(plan->way);
    const bool possible = scan.bitmap != nullptr || forced_way == static_cast<int>(Way::kPlain);
    if (forced_way != kAutomaticWay && possible) *cost = PathCost{0, 0};
}

}  // namespace annex::pg

// Scans for the rows within a distance, where no order is asked for: WHERE v <-> q < r.
//
// PostgreSQL uses an index of ours for an ORDER BY alone. So it is asked for the scan that it would make if the query
// were ordered by the distance, with whatever conditions on filter columns the index can test; our node then tells that
// scan to look within the radius and to forget the order. The whole WHERE clause is the scan's filter.
//
// The bound may come from a user whom row security keeps from seeing all rows: the access method computes distances of
// its own from codes of hidden rows then, calls no function on them and cannot fail on one, so that nothing leaks.
#include "pg/planner/paths.h"

extern "C" {
#include "access/stratnum.h"
#include "catalog/pg_operator_d.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "utils/lsyscache.h"
}

#include "pg/index/access_method.h"
#include "pg/index/opclass.h"
#include "pg/planner/ways.h"

namespace annex::pg {

// Whether the index may order by this distance; PostgreSQL looks at its operands.
static bool OrdersBy(const IndexOptInfo* index, Node* distance) {
    if (!IsA(distance, OpExpr) || exprType(distance) != FLOAT8OID) return false;
    const Oid op = reinterpret_cast<const OpExpr*>(distance)->opno;
    const Oid commutator = get_commutator(op);
    return OidIsValid(get_op_opfamily_sortfamily(op, index->opfamily[0])) ||
           (OidIsValid(commutator) && OidIsValid(get_op_opfamily_sortfamily(commutator, index->opfamily[0])));
}

// An ascending order by the distance. Nobody else is to know of it, so it is not among the query's equivalences, where
// an expression of a partition could not be put at this point.
static List* OrderBy(const RelOptInfo* table, Node* distance) {
    Oid family;
    Oid type;
    OrderDirection direction;
    if (!get_ordering_op_properties(Float8LessOperator, &family, &type, &direction))
        elog(ERROR, "operator %u is not a valid ordering operator", Float8LessOperator);
    EquivalenceMember* member = makeNode(EquivalenceMember);
    member->em_expr = reinterpret_cast<Expr*>(distance);
    member->em_relids = table->relids;
    member->em_datatype = type;
    EquivalenceClass* order = makeNode(EquivalenceClass);
    order->ec_opfamilies = list_make1_oid(family);
    order->ec_members = list_make1(member);
    order->ec_relids = table->relids;
    PathKey* key = makeNode(PathKey);
    key->pk_eclass = order;
    key->pk_opfamily = family;
    ANNEX_SET_ASCENDING(key);
    return list_make1(key);
}

// Whether the query itself is ordered by a distance that the index gives, bounded or not: then the scan is that of
// paths.cc.
static bool HasOrderedPath(const RelOptInfo* table, const IndexOptInfo* index) {
    ListCell* cell;
    foreach (cell, table->pathlist) {
        const Path* path = static_cast<Path*>(lfirst(cell));
        if (!IsA(path, CustomPath)) continue;
        const auto* custom = reinterpret_cast<const CustomPath*>(path);
        if (custom->methods == &filtered_path_methods && path->pathkeys != NIL &&
            static_cast<IndexPath*>(linitial(custom->custom_paths))->indexinfo == index)
            return true;
    }
    return false;
}

// The scan of the index in order of the distance; nullptr if PostgreSQL knows none.
static IndexPath* OrderedPath(PlannerInfo* root, const RelOptInfo* table, IndexOptInfo* index, Node* distance) {
    RelOptInfo* asked = makeNode(RelOptInfo);
    *asked = *table;
    asked->indexlist = list_make1(index);
    asked->joininfo = NIL;
    asked->has_eclass_joins = false;
    asked->consider_parallel = false;
    asked->pathlist = NIL;
    asked->partial_pathlist = NIL;
    List* query_order = root->query_pathkeys;
    root->query_pathkeys = OrderBy(table, distance);
    create_index_paths(root, asked);
    root->query_pathkeys = query_order;
    ListCell* cell;
    foreach (cell, asked->pathlist) {
        auto* path = static_cast<IndexPath*>(lfirst(cell));
        if (IsA(path, IndexPath) && path->indexorderbys != NIL && PATH_REQ_OUTER(&path->path) == nullptr) return path;
    }
    return nullptr;
}

static void AddRangePath(PlannerInfo* root, RelOptInfo* table, IndexPath* ordered) {
    FilteredScan scan{root, table, ordered, nullptr, nullptr, NIL, NIL, LeftFilterClauses(ordered)};
    scan.bounds =
        DistanceBounds(static_cast<Node*>(linitial(ordered->indexorderbys)), table->baserestrictinfo, &scan.others);
    if (scan.bounds == NIL) return;
    FilteredPlan plan;
    PathCost cost;
    EstimateRangeScan(scan, &plan, &cost);

    // What speaks against an order, and has made the child dear, does not speak against this.
    ordered->path.startup_cost = cost.startup;
    ordered->path.total_cost = cost.total;
    ANNEX_ENABLE_PATH(&ordered->path);
    CustomPath* path = makeNode(CustomPath);
    path->path.pathtype = T_CustomScan;
    path->path.parent = table;
    path->path.pathtarget = ordered->path.pathtarget;
    path->path.parallel_safe = ordered->path.parallel_safe;
    path->path.rows = ordered->path.rows;
    path->path.startup_cost = cost.startup;
    path->path.total_cost = cost.total;
    path->flags = CUSTOMPATH_SUPPORT_PROJECTION;
    path->custom_paths = list_make1(ordered);
    path->custom_private = list_make4(PackPlan(plan), scan.bounds, scan.left.constants, scan.left.keys);
    path->methods = &filtered_path_methods;
    add_path(table, &path->path);
}

// By the first bounded distance that the index knows.
static void AddRangePathOf(PlannerInfo* root, RelOptInfo* table, IndexOptInfo* index) {
    ListCell* cell;
    foreach (cell, table->baserestrictinfo) {
        Node* distance = BoundedDistance(reinterpret_cast<Node*>(lfirst_node(RestrictInfo, cell)->clause));
        if (distance == nullptr || !OrdersBy(index, distance)) continue;
        if (contain_volatile_functions(distance) || contain_subplans(distance)) continue;
        // Images bound no distance, so that rows within it could be missed.
        if (IndexHasImages(index->indexoid)) return;
        IndexPath* ordered = OrderedPath(root, table, index, distance);
        if (ordered == nullptr) continue;
        AddRangePath(root, table, ordered);
        return;
    }
}

void AddRangePaths(PlannerInfo* root, RelOptInfo* table) {
    ListCell* cell;
    foreach (cell, table->indexlist) {
        auto* index = lfirst_node(IndexOptInfo, cell);
        const OrderedAccessMethod* method = OrderedAccessMethodOf(index);
        if (method != nullptr && method->range_estimate != nullptr && !HasOrderedPath(table, index))
            AddRangePathOf(root, table, index);
    }
}

}  // namespace annex::pg

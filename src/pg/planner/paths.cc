// Puts the filtered scan in the place of PostgreSQL's ordered index scans of our indexes, where there is a filter.
//
// The hook runs when PostgreSQL has made all paths of a table, or of a partition. Whatever gave rows in order of
// distance by one of our indexes is taken out and becomes the first child of a path that can do more. Scans without an
// order come from range.cc.
#include "pg/planner/paths.h"

extern "C" {
#include "catalog/pg_class.h"
#include "optimizer/cost.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
}

#include <cmath>

#include "pg/index/access_method.h"
#include "pg/planner/settings.h"
#include "pg/planner/ways.h"

namespace annex::pg {

static set_rel_pathlist_hook_type previous_hook = nullptr;

// An ordered scan with a filter, in a plan that may have it: its costs are infinite where it must not be used.
static bool IsFilteredScan(const Path* path) {
    if (!IsA(path, IndexPath) || path->pathtype != T_IndexScan || path->param_info != nullptr) return false;
    const auto* scan = reinterpret_cast<const IndexPath*>(path);
    return scan->indexorderbys != NIL && path->pathkeys != NIL && scan->indexinfo->indrestrictinfo != NIL &&
           std::isfinite(path->total_cost) && OrderedAccessMethodOf(scan->indexinfo) != nullptr;
}

static SortPath* ExactPath(const FilteredScan& scan) {
    return create_sort_path(scan.root, scan.table, &scan.bitmap->path, scan.ordered->path.pathkeys,
                            scan.root->limit_tuples);
}

static CustomPath* MakePath(const FilteredScan& scan) {
    FilteredPlan plan;
    PathCost cost;
    EstimateWays(scan, &plan, &cost);

    const Path& ordered = scan.ordered->path;
    CustomPath* path = makeNode(CustomPath);
    path->path.pathtype = T_CustomScan;
    path->path.parent = scan.table;
    path->path.pathtarget = ordered.pathtarget;
    path->path.parallel_safe = ordered.parallel_safe;
    path->path.rows = ordered.rows;
    path->path.startup_cost = cost.startup;
    path->path.total_cost = cost.total;
    ANNEX_COPY_DISABLED_NODES(&path->path, &ordered);
    path->path.pathkeys = ordered.pathkeys;
    path->flags = CUSTOMPATH_SUPPORT_PROJECTION;
    path->custom_paths = list_make1(scan.ordered);
    if (scan.exact != nullptr) path->custom_paths = lappend(path->custom_paths, scan.exact);
    path->custom_private = list_make4(PackPlan(plan), scan.bounds, scan.left.constants, scan.left.keys);
    path->methods = &filtered_path_methods;
    return path;
}

static void ReplaceOrderedScans(PlannerInfo* root, RelOptInfo* table) {
    List* found = NIL;
    ListCell* cell;
    foreach (cell, table->pathlist)
        if (IsFilteredScan(static_cast<Path*>(lfirst(cell)))) found = lappend(found, lfirst(cell));
    if (found == NIL) return;
    BitmapHeapPath* bitmap = BitmapForWhere(root, table);
    foreach (cell, found) {
        auto* path = static_cast<IndexPath*>(lfirst(cell));
        FilteredScan scan{root, table, path, bitmap, nullptr, NIL, NIL, LeftFilterClauses(path)};
        scan.bounds = DistanceBounds(static_cast<Node*>(linitial(scan.ordered->indexorderbys)), table->baserestrictinfo,
                                     &scan.others);
        if (bitmap != nullptr) scan.exact = ExactPath(scan);
        table->pathlist = list_delete_ptr(table->pathlist, scan.ordered);
        add_path(table, &MakePath(scan)->path);
    }
}

extern "C" {
static void FilteredPathsHook(PlannerInfo* root, RelOptInfo* table, Index index, RangeTblEntry* entry) noexcept {
    if (previous_hook != nullptr) previous_hook(root, table, index, entry);
    if (!filtered_scan_enabled || !enable_indexscan || entry->rtekind != RTE_RELATION || table->baserestrictinfo == NIL)
        return;
    ReplaceOrderedScans(root, table);
    AddRangePaths(root, table);
}
}

void InstallPathHook() {
    previous_hook = set_rel_pathlist_hook;
    set_rel_pathlist_hook = FilteredPathsHook;
}

}  // namespace annex::pg

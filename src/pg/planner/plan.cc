// From path to plan.
#include "pg/planner/plan.h"

extern "C" {
#include "nodes/makefuncs.h"
}

#include <algorithm>
#include <cfloat>
#include <cmath>

#include "pg/planner/node.h"

namespace annex::pg {

const char* WayName(Way way) {
    switch (way) {
        case Way::kSet:
            return "set";
        case Way::kExact:
            return "exact";
        case Way::kPlain:
            return "plain";
    }
    return "";
}

// ---- custom_private ----

// With an exponent, so that a parallel worker does not read it as an integer. Settings of cost can make it infinite, or
// NaN, which a worker could not read at all.
static List* AppendNumber(List* list, double number) {
    const double readable = std::isnan(number) ? 0 : std::clamp(number, -DBL_MAX, DBL_MAX);
    return lappend(list, makeFloat(psprintf("%.16e", readable)));
}

static double NumberAt(const List* list, int at) {
    return floatVal(static_cast<Float*>(list_nth(list, at)));
}

List* PackPlan(const FilteredPlan& plan) {
    List* list = list_make2(makeInteger(static_cast<int>(plan.way)), makeInteger(plan.has_exact ? 1 : 0));
    list = AppendNumber(list, plan.set_rows);
    list = AppendNumber(list, plan.exact_rows);
    list = AppendNumber(list, plan.set_share);
    list = AppendNumber(list, plan.plain_share);
    list = AppendNumber(list, plan.row_cost);
    list = AppendNumber(list, plan.set_cost);
    list = AppendNumber(list, plan.rows_per_page);
    return AppendNumber(list, plan.column_share);
}

FilteredPlan UnpackPlan(const CustomScan* scan) {
    const List* list = scan->custom_private;
    return {static_cast<Way>(intVal(list_nth(list, 0))),
            intVal(list_nth(list, 1)) != 0,
            NumberAt(list, 2),
            NumberAt(list, 3),
            NumberAt(list, 4),
            NumberAt(list, 5),
            NumberAt(list, 6),
            NumberAt(list, 7),
            NumberAt(list, 8),
            NumberAt(list, 9)};
}

List* KeysOf(const CustomScan* scan) {
    return static_cast<List*>(list_nth(scan->custom_private, 10));
}

// ---- Methods ----

extern "C" {

// The children evaluate every clause; this node projects what they give.
static Plan* PlanFilteredPath(PlannerInfo* root, RelOptInfo* table, CustomPath* path, List* targets, List* clauses,
                              List* children) noexcept {
    (void)root;
    (void)clauses;
    CustomScan* scan = makeNode(CustomScan);
    scan->scan.plan.targetlist = targets;
    scan->scan.plan.qual = NIL;
    scan->scan.scanrelid = table->relid;
    scan->flags = path->flags;
    scan->custom_plans = children;
    auto* keys = static_cast<List*>(list_nth(path->custom_private, 3));
    scan->custom_exprs = list_concat_copy(static_cast<List*>(lsecond(path->custom_private)),
                                          static_cast<List*>(lthird(path->custom_private)));
    scan->custom_private = lappend(list_copy(linitial_node(List, path->custom_private)), keys);
    scan->custom_scan_tlist = static_cast<List*>(copyObjectImpl(static_cast<Plan*>(linitial(children))->targetlist));
    scan->methods = &filtered_scan_methods;
    return &scan->scan.plan;
}

static Node* CreateFilteredState(CustomScan*) noexcept {
    return MakeFilteredState();
}

}  // extern "C"

const CustomPathMethods filtered_path_methods{kNodeName, PlanFilteredPath, nullptr};
const CustomScanMethods filtered_scan_methods{kNodeName, CreateFilteredState};

}  // namespace annex::pg

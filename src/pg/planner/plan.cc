// From path to plan.
#include "pg/planner/plan.h"

extern "C" {
#include "access/sysattr.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
}

#include <cstring>

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
        case Way::kRange:
            return "range";
    }
    return "";
}

// ---- custom_private ----

// A constant, since that can be copied and sent, whatever the numbers are, and numbers in lists are text that would be
// parsed whenever the node begins.
List* PackPlan(const FilteredPlan& plan) {
    constexpr Size bytes = VARHDRSZ + sizeof plan;
    auto* packed = static_cast<bytea*>(palloc0(bytes));
    SET_VARSIZE(packed, bytes);
    memcpy(VARDATA(packed), &plan, sizeof plan);
    return list_make1(makeConst(BYTEAOID, -1, InvalidOid, -1, PointerGetDatum(packed), false, false));
}

FilteredPlan UnpackPlan(const CustomScan* scan) {
    const auto* packed = linitial_node(Const, scan->custom_private);
    FilteredPlan plan;
    memcpy(&plan, VARDATA(DatumGetPointer(packed->constvalue)), sizeof plan);
    return plan;
}

List* KeysOf(const CustomScan* scan) {
    return static_cast<List*>(lsecond(scan->custom_private));
}

// ---- Methods ----

// The sorted rows bring their TIDs, as a last column, so that WHERE CURRENT OF finds the row of a cursor whichever way
// it came.
static void AddTid(Plan* plan, Index table) {
    for (; plan != nullptr; plan = plan->lefttree) {
        if (IsA(plan, BitmapIndexScan) || IsA(plan, BitmapAnd) || IsA(plan, BitmapOr)) return;
        Var* tid = makeVar(static_cast<int>(table), SelfItemPointerAttributeNumber, TIDOID, -1, InvalidOid, 0);
        const auto number = static_cast<AttrNumber>(list_length(plan->targetlist) + 1);
        TargetEntry* entry = makeTargetEntry(reinterpret_cast<Expr*>(tid), number, pstrdup("ctid"), true);
        plan->targetlist = lappend(list_copy(plan->targetlist), entry);
    }
}

// Of a child. Without any column of its own this node would be taken to give rows of the table.
static List* ColumnsOf(Plan* child) {
    if (child->targetlist == NIL) {
        auto* constant = reinterpret_cast<Expr*>(makeBoolConst(true, false));
        child->targetlist = list_make1(makeTargetEntry(constant, 1, nullptr, false));
    }
    return static_cast<List*>(copyObjectImpl(child->targetlist));
}

extern "C" {

// The children evaluate every clause; this node projects what they give.
static Plan* PlanFilteredPath(PlannerInfo* root, RelOptInfo* table, CustomPath* path, List* targets, List* clauses,
                              List* children) noexcept {
    (void)root;
    (void)clauses;
    if (list_length(children) > 1) AddTid(static_cast<Plan*>(lsecond(children)), table->relid);
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
    scan->custom_scan_tlist = ColumnsOf(static_cast<Plan*>(linitial(children)));
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

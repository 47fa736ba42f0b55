// The bitmap heap scan for a WHERE clause.
#include "pg/planner/paths.h"

extern "C" {
#include "optimizer/cost.h"
#include "optimizer/paths.h"
}

namespace annex::pg {

// Indexes that make bitmaps, and now do nothing else, so that no other path takes their place.
static List* BitmapIndexes(const RelOptInfo* table) {
    List* indexes = NIL;
    ListCell* cell;
    foreach (cell, table->indexlist) {
        auto* index = lfirst_node(IndexOptInfo, cell);
        if (!index->amhasgetbitmap) continue;
        IndexOptInfo* copy = makeNode(IndexOptInfo);
        *copy = *index;
        copy->amhasgettuple = false;
        indexes = lappend(indexes, copy);
    }
    return indexes;
}

// PostgreSQL has made this path before, if it could, but may have thrown it away for a better one without an order. So
// it is asked again, about a table that has no other indexes and no joins.
BitmapHeapPath* BitmapForWhere(PlannerInfo* root, RelOptInfo* table) {
    if (!enable_bitmapscan) return nullptr;
    RelOptInfo* asked = makeNode(RelOptInfo);
    *asked = *table;
    asked->indexlist = BitmapIndexes(table);
    asked->joininfo = NIL;
    asked->has_eclass_joins = false;
    asked->consider_parallel = false;
    asked->pathlist = NIL;
    asked->partial_pathlist = NIL;
    create_index_paths(root, asked);
    ListCell* cell;
    foreach (cell, asked->pathlist) {
        auto* path = static_cast<Path*>(lfirst(cell));
        if (!IsA(path, BitmapHeapPath) || PATH_REQ_OUTER(path) != nullptr) continue;
        path->parent = table;
        path->parallel_safe = table->consider_parallel;
        return reinterpret_cast<BitmapHeapPath*>(path);
    }
    return nullptr;
}

}  // namespace annex::pg

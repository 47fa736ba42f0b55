// Conditions, order and LIMIT of ordered paths.
#include "pg/index/ordered_path.h"

extern "C" {
#include "access/htup_details.h"
#include "access/sysattr.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "optimizer/optimizer.h"
#include "utils/float.h"
#include "utils/selfuncs.h"
}

#include <algorithm>

#include "pg/index/filter_clause.h"

namespace annex::pg {

// Rows wait in the executor's queue until their bounds allow them to be returned. Some releases of PostgreSQL forget
// the ctid of such rows: it reads (4294967295,0), and FOR UPDATE fails with "attempted to lock invisible tuple". What
// the executor does is tried here, once.
static bool QueueKeepsCtid() {
    static bool known = false;
    static bool keeps;
    if (known) return keeps;
    TupleDesc desc = CreateTemplateTupleDesc(1);
    TupleDescInitEntry(desc, 1, "probe", INT4OID, -1, 0);
    Datum value = 0;
    bool is_null = true;
    HeapTuple tuple = heap_form_tuple(desc, &value, &is_null);
    ItemPointerSet(&tuple->t_self, 1, 1);
    TupleTableSlot* slot = MakeSingleTupleTableSlot(desc, &TTSOpsBufferHeapTuple);
    ExecForceStoreHeapTuple(tuple, slot, false);
    keeps = ItemPointerIsValid(&slot->tts_tid) && ItemPointerEquals(&slot->tts_tid, &tuple->t_self);
    known = true;
    ExecDropSingleTupleTableSlot(slot);
    heap_freetuple(tuple);
    FreeTupleDesc(desc);
    return keeps;
}

// Whether the query wants the table's ctid, for itself or to lock rows by it.
static bool WantsCtid(const RelOptInfo* table) {
    Bitmapset* attributes = nullptr;
    pull_varattnos(reinterpret_cast<Node*>(table->reltarget->exprs), table->relid, &attributes);
    for (List* clauses : {table->baserestrictinfo, table->joininfo}) {
        ListCell* cell;
        foreach (cell, clauses)
            pull_varattnos(reinterpret_cast<Node*>(lfirst_node(RestrictInfo, cell)->clause), table->relid, &attributes);
    }
    return bms_is_member(SelfItemPointerAttributeNumber - FirstLowInvalidHeapAttributeNumber, attributes);
}

List* TestedConditions(const IndexPath* path) {
    List* conditions = get_quals_from_indexclauses(path->indexclauses);
    if (path->indexorderbys == NIL) return conditions;
    return list_concat(conditions, LeftFilterClauses(path).restrictions);
}

bool QueryTakesOrder(const PlannerInfo* root, const IndexPath* path, bool strict) {
    if (path->indexorderbys == NIL) return false;
    // Groups made of sorted input need the order to be strict: a row that comes late would open its group again.
    if (!strict && (root->parse->groupClause != NIL || root->parse->distinctClause != NIL)) return false;
    return !WantsCtid(path->indexinfo->rel) || QueueKeepsCtid();
}

double RowsForLimit(const PlannerInfo* root, const IndexPath* path, Selectivity selectivity) {
    const RelOptInfo* table = path->indexinfo->rel;
    const bool alone = bms_membership(root->all_baserels) == BMS_SINGLETON;
    if (!alone || root->limit_tuples <= 0) return 0;
    const double returned = table->tuples * selectivity;
    return root->limit_tuples * std::max(returned / std::max(table->rows, 1.0), 1.0);
}

void ForbidPath(IndexPath* path, Cost* startup, Cost* total) {
    *startup = *total = get_float8_infinity();
    ANNEX_DISABLE_PATH(path);
}

}  // namespace annex::pg

// What a scan costs, so that the planner takes it for the nearest few rows of a large table and nothing else.
#include "pg/ivf/ivf.h"

extern "C" {
#include "access/genam.h"
#include "access/htup_details.h"
#include "access/sysattr.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "utils/float.h"
#include "utils/selfuncs.h"
#include "utils/spccache.h"
}

namespace annex::pg::ivf {

// Relative to cpu_operator_cost, from profiles: preparing a query (rotation, table, meta page); a sketch, of which 32
// are estimated at once; a row refined.
static constexpr double kPrepare = 8000;
static constexpr double kSketch = 0.1;
static constexpr double kRefine = 4;
// Rows that a first round refines.
static constexpr double kRefinedRows = 200;

struct Shape {
    MetaPage meta;
    double rows;
    double pages;
};

static Shape ReadShape(const IndexPath* path) {
    Shape shape;
    // The planner holds a lock on the index.
    Relation index = index_open(path->indexinfo->indexoid, NoLock);
    ReadMeta(index, &shape.meta);
    index_close(index, NoLock);
    shape.rows = path->indexinfo->tuples > 1 ? path->indexinfo->tuples : 1;
    shape.pages = path->indexinfo->pages > 1 ? path->indexinfo->pages : 1;
    return shape;
}

// Lists lie on contiguous pages and rows in the order of lists, so pages cost what sequential ones do.
static void Estimate(const Shape& shape, double page_cost, Cost* startup, Cost* total) {
    const MetaPage& meta = shape.meta;
    const RowLayout layout(meta.padded);
    const double copies = meta.spill != 0 ? 2 : 1;
    const double entry_pages = shape.rows * copies * static_cast<double>(SketchLayoutOf(meta).entry_bytes()) / BLCKSZ;
    const double list_pages = entry_pages > meta.lists ? entry_pages : meta.lists;
    const double root_pages =
        1 + static_cast<double>(meta.lists) * static_cast<double>(SketchLayoutOf(meta).entry_bytes()) / BLCKSZ;
    const double row_pages = shape.rows / layout.rows_per_page + 1;
    const auto lists = static_cast<double>(SettingsFor(meta, 0).lists);
    const double probed = lists / meta.lists;
    const double ranked = 2.0 * lists + 16 < meta.lists ? 2.0 * lists + 16 : meta.lists;
    const double refined = kRefinedRows < shape.rows ? kRefinedRows : shape.rows;
    const double refined_pages = refined < row_pages ? refined : row_pages;

    const double first_pages = 2 + root_pages + ranked / layout.rows_per_page + list_pages * probed + refined_pages;
    const double first_cpu =
        kPrepare + kSketch * (meta.lists + shape.rows * copies * probed) + kRefine * (ranked + refined);
    *startup = first_pages * page_cost + first_cpu * cpu_operator_cost;

    // Each further round reads the lists again: to the end, about twice everything.
    const double rest_pages = 2 * list_pages + row_pages;
    const double rest_cpu = kSketch * shape.rows * copies * 2 + kRefine * shape.rows;
    *total = *startup + rest_pages * page_cost + (rest_cpu * cpu_operator_cost) + shape.rows * cpu_index_tuple_cost;
}

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

static void Forbid(IndexPath* path, Cost* startup, Cost* total) {
    *startup = *total = get_float8_infinity();
    ANNEX_DISABLE_PATH(path);
}

}  // namespace annex::pg::ivf

extern "C" void ivfcostestimate(PlannerInfo* root, IndexPath* path, double loop_count, Cost* startup_cost,
                                Cost* total_cost, Selectivity* selectivity, double* correlation,
                                double* pages) noexcept {
    using namespace annex::pg::ivf;
    (void)loop_count;
    *selectivity = 1;
    *correlation = 0;
    *pages = path->indexinfo->pages;
    if (path->indexorderbys == NIL) {
        Forbid(path, startup_cost, total_cost);
        return;
    }
    // Groups made of sorted input need the order to be strict: a row that comes late would open its group again.
    if (!StrictOrder() && (root->parse->groupClause != NIL || root->parse->distinctClause != NIL)) {
        Forbid(path, startup_cost, total_cost);
        return;
    }
    if (WantsCtid(path->indexinfo->rel) && !QueueKeepsCtid()) {
        Forbid(path, startup_cost, total_cost);
        return;
    }
    double random_page_cost_here;
    double sequential_page_cost_here;
    get_tablespace_page_costs(path->indexinfo->reltablespace, &random_page_cost_here, &sequential_page_cost_here);
    Estimate(ReadShape(path), sequential_page_cost_here, startup_cost, total_cost);
}

// The scan of the table that assigns and encodes its rows.
#include "pg/ivf/assign.h"

extern "C" {
#include "catalog/index.h"
#include "commands/progress.h"
#include "pgstat.h"
}

#include "pg/guard.h"
#include "pg/index/opclass.h"
#include "pg/index/stop_point.h"
#include "pg/ivf/dialect.h"

namespace annex::pg::ivf {

AssignPlan PlanAssigning(const ListBuilder& builder, double rows, int processes) {
    const Size memory = static_cast<Size>(maintenance_work_mem) * 1024;
    const Size payload = sizeof(AssignedHead) + builder.record_bytes();
    return {PlanSpool(payload, rows, LastKey(static_cast<uint32>(builder.lists())), memory, processes),
            PlanSpool(builder.layout().columns.value_bytes(), 0, LastKey(kSideChains), memory, processes)};
}

static void EncodeBatch(Assigning* assigning) {
    CHECK_FOR_INTERRUPTS();
    ANNEX_STOP_POINT("build-batch");
    ListBuilder* builder = assigning->builder;
    size_t rows = 0;
    Guard([&] { rows = builder->EncodeBatch(); });
    for (size_t i = 0; i < rows; i++) {
        const Assignment assignment = builder->assignment(i);
        const AssignedHead head{assignment.secondary, builder->squared_residual(i)};
        PutRecord(&assigning->rows, RowKey(assignment.primary, builder->heap_tid(i)), &head, sizeof head,
                  builder->record(i).data(), builder->record_bytes());
    }
    const uint64 assigned = pg_atomic_add_fetch_u64(assigning->assigned, static_cast<int64>(rows));
    if (assigning->report) pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_DONE, static_cast<int64>(assigned));
}

static void PutSide(Assigning* assigning, SideChain chain, HeapTid tid, const uint8* values) {
    PutRecord(&assigning->sides, RowKey(static_cast<uint32>(chain), tid), values,
              assigning->builder->layout().columns.value_bytes(), nullptr, 0);
}

extern "C" {
static void AssignTuple(Relation index, ItemPointer heap_tid, Datum* values, bool* isnull, bool, void* arg) noexcept {
    auto* assigning = static_cast<Assigning*>(arg);
    const HeapTid tid = FromItemPointer(*heap_tid);
    uint8 column_values[kMostValueBytes];
    MemoryContext old_context = MemoryContextSwitchTo(assigning->tuple_context);
    FilterValues(assigning->columns, values, isnull, column_values);
    RowClass row_class = RowClass::kNormal;
    bool full = false;
    if (!isnull[0]) {
        const float* x = IndexedFloats(assigning->reader, values[0]);
        Guard([&] {
            row_class = assigning->builder->AddRow(x, tid, column_values);
            full = assigning->builder->BatchFull();
        });
    }
    MemoryContextSwitchTo(old_context);
    MemoryContextReset(assigning->tuple_context);

    const bool without_distance = isnull[0] || row_class == RowClass::kNaN;
    if (without_distance && DialectOf(index) != nullptr) return;
    assigning->index_tuples += 1;
    if (isnull[0])
        PutSide(assigning, SideChain::kNull, tid, column_values);
    else if (row_class != RowClass::kNormal)
        PutSide(assigning, row_class == RowClass::kNaN ? SideChain::kNaN : SideChain::kFirst, tid, column_values);
    if (full) EncodeBatch(assigning);
}
}

double AssignRows(Assigning* assigning, Relation heap, Relation index, IndexInfo* index_info, TableScanDesc scan) {
    assigning->tuple_context = AllocSetContextCreate(CurrentMemoryContext, "ivf build tuple", ALLOCSET_DEFAULT_SIZES);
    const double tuples =
        table_index_build_scan(heap, index, index_info, true, assigning->report, AssignTuple, assigning, scan);
    EncodeBatch(assigning);
    MemoryContextDelete(assigning->tuple_context);
    return tuples;
}

}  // namespace annex::pg::ivf

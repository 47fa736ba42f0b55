// annex_verify, annex_index_info and annex_maintain: what they have in common for all access methods.
#include "pg/index/inspect.h"

extern "C" {
#include "access/xlog.h"
#include "commands/defrem.h"
#include "tcop/utility.h"
}

#include "pg/function.h"
#include "pg/index/opclass.h"

// Walks every page of an index and checks everything that can be checked. That compares pages with each other, so
// nobody may write: ShareLock on table and index, as bt_index_parent_check takes; inserts and vacuum wait, queries go
// on. During recovery no such lock can be had: under AccessShareLock each page is checked by itself, and heapallindexed
// still works, because rows that a snapshot sees stay on their pages.
ANNEX_FUNCTION(annex_verify) {
    using namespace annex::pg;
    const bool strict = !RecoveryInProgress();
    const InspectedIndex inspected =
        OpenInspected(PG_GETARG_OID(0), strict ? ShareLock : AccessShareLock, Privilege::kOwner, "verify");
    MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "annex_verify", ALLOCSET_DEFAULT_SIZES);
    MemoryContext caller = MemoryContextSwitchTo(context);
    if (RelationGetNumberOfBlocks(inspected.index) == 0) ReportCorrupted(inspected.index, 0, "the index has no pages");
    inspected.method->verify(inspected, PG_GETARG_BOOL(1), strict);
    MemoryContextSwitchTo(caller);
    MemoryContextDelete(context);
    CloseInspected(inspected);
    PG_RETURN_VOID();
}

// What an index consists of, counted page by page, for anybody who may read the table. It holds AccessShareLock, so
// inserts and vacuum go on and the counts are of no one moment; in an index at rest they are exact. It reads every page
// of the index once, in the order of the file.
ANNEX_FUNCTION(annex_index_info) {
    using namespace annex::pg;
    ResultRow row(fcinfo);
    const InspectedIndex inspected = OpenInspected(PG_GETARG_OID(0), AccessShareLock, Privilege::kReader, "inspect");
    row.Set("access_method", get_am_name(inspected.index->rd_rel->relam));
    row.Set("metric", OpclassOf(inspected.index).metric_name);
    inspected.method->describe(inspected.index, &row);
    CloseInspected(inspected);
    PG_RETURN_DATUM(row.Finish());
}

ANNEX_FUNCTION(annex_maintain) {
    using namespace annex::pg;
    ResultRow row(fcinfo);
    if (RecoveryInProgress())
        ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg("recovery is in progress"),
                        errhint("Maintain the index on the primary.")));
    // VACUUM may do the same there. But other lists find other rows, so a transaction that is to change nothing is not
    // to call for them.
    PreventCommandIfReadOnly("annex_maintain()");
    const InspectedIndex inspected =
        OpenInspected(PG_GETARG_OID(0), ShareUpdateExclusiveLock, Privilege::kOwner, "maintain");
    MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "annex_maintain", ALLOCSET_DEFAULT_SIZES);
    MemoryContext caller = MemoryContextSwitchTo(context);
    inspected.method->maintain(inspected, PG_GETARG_BOOL(1), &row);
    MemoryContextSwitchTo(caller);
    MemoryContextDelete(context);
    CloseInspected(inspected);
    PG_RETURN_DATUM(row.Finish());
}

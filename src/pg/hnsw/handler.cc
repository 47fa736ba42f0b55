// hnswhandler, and what PostgreSQL asks about the access method without touching an index's pages.
#include "pg/hnsw/handler.h"

extern "C" {
#include "access/amapi.h"
#include "commands/vacuum.h"
#include "fmgr.h"
}

#include "pg/hnsw/hnsw.h"
#include "pg/hnsw/inspect.h"
#include "pg/index/validate.h"

namespace annex::pg::hnsw {

// 1 distance, 2 norm, 3 what pgvector wants to know of a type, as in its operator classes; 4, which no class of
// pgvector has, is what the engine wants to know of a class (pg/index/opclass.h).
static constexpr uint16 kSupportFunctions = 4;

static bool IsHnsw(Relation index) {
    return index->rd_indam->ambuildempty == hnswbuildempty;
}

void InitHnsw() {
    DefineOptions();
    static constexpr OrderedAccessMethod method{hnswgettuple, hnswcostestimate, SearchCost, nullptr};
    RegisterOrderedAccessMethod(&method);
    static constexpr Inspection inspection{"hnsw",        IsHnsw,         VerifyIndex,
                                           DescribeIndex, DescribeSearch, MaintainInspected};
    RegisterInspection(&inspection);
}

static IndexAmRoutine* MakeRoutine() {
    IndexAmRoutine* routine = makeNode(IndexAmRoutine);
    routine->amstrategies = 0;
    routine->amsupport = kSupportFunctions;
    routine->amcanorderbyop = true;
    routine->amcanmulticol = true;
    routine->amoptionalkey = true;
    routine->amsearcharray = true;
    routine->amsearchnulls = true;
    routine->amusemaintenanceworkmem = true;  // calibration, in cleanup
    routine->amparallelvacuumoptions = VACUUM_OPTION_PARALLEL_BULKDEL | VACUUM_OPTION_PARALLEL_CLEANUP;
    routine->amkeytype = InvalidOid;
    ANNEX_AM_SINCE_17(routine);

    routine->ambuild = hnswbuild;
    routine->ambuildempty = hnswbuildempty;
    routine->aminsert = hnswinsert;
    routine->ambulkdelete = hnswbulkdelete;
    routine->amvacuumcleanup = hnswvacuumcleanup;
    routine->amcostestimate = hnswcostestimate;
    routine->amoptions = hnswoptions;
    routine->amproperty = hnswproperty;
    routine->ambuildphasename = hnswbuildphasename;
    routine->amvalidate = hnswvalidate;
    routine->ambeginscan = hnswbeginscan;
    routine->amrescan = hnswrescan;
    routine->amgettuple = hnswgettuple;
    routine->amendscan = hnswendscan;
    return routine;
}

}  // namespace annex::pg::hnsw

extern "C" {
PG_FUNCTION_INFO_V1(annex_hnswhandler);
PGDLLEXPORT Datum annex_hnswhandler(PG_FUNCTION_ARGS);

Datum annex_hnswhandler(PG_FUNCTION_ARGS) {
    (void)fcinfo;
    annex::pg::hnsw::DefineSettings();
    return PointerGetDatum(annex::pg::hnsw::MakeRoutine());
}

PG_FUNCTION_INFO_V1(annex_hnswhandler_beside_pgvector);
PGDLLEXPORT Datum annex_hnswhandler_beside_pgvector(PG_FUNCTION_ARGS);

// The handler in annex_pgvector. Settings that pgvector's library finds defined keep it out of the process, and with it
// every function of the type: it comes first. A session may well begin with a statement that needs no such function,
// but opens the table's indexes.
Datum annex_hnswhandler_beside_pgvector(PG_FUNCTION_ARGS) {
    static bool loaded = false;
    if (!loaded) load_file("$libdir/vector", false);
    loaded = true;
    return annex_hnswhandler(fcinfo);
}

PG_FUNCTION_INFO_V1(annex_hnsw_support);
PGDLLEXPORT Datum annex_hnsw_support(PG_FUNCTION_ARGS);

// Of pgvector's classes it tells what they want to know of a type. Ours know it.
Datum annex_hnsw_support(PG_FUNCTION_ARGS) {
    PG_RETURN_POINTER(nullptr);
}

bool hnswvalidate(Oid opclass_oid) noexcept {
    return annex::pg::ValidateOperatorClass(opclass_oid, annex::pg::hnsw::kSupportFunctions);
}

bool hnswproperty(Oid, int attno, IndexAMProperty property, const char*, bool* result, bool* isnull) noexcept {
    return annex::pg::TellProperty(attno, property, result, isnull);
}
}

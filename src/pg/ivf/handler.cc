// ivfhandler, and what PostgreSQL asks about the access method without touching an index's pages.
#include "pg/ivf/handler.h"

extern "C" {
#include "access/amapi.h"
#include "commands/vacuum.h"
}

#include "pg/index/opclass.h"
#include "pg/index/validate.h"
#include "pg/ivf/dialect.h"
#include "pg/ivf/inspect.h"
#include "pg/ivf/ivf.h"

namespace annex::pg::ivf {

void InitIvf() {
    DefineOptionsAndSettings();
    static constexpr OrderedAccessMethod method{ivfgettuple, ivfcostestimate, SearchCost, EstimateRangeSearch};
    RegisterOrderedAccessMethod(&method);
    static constexpr Inspection inspection{"ivf", IsIvf, VerifyIndex, DescribeIndex, DescribeSearch, MaintainInspected};
    RegisterInspection(&inspection);
}

static IndexAmRoutine* MakeRoutine() {
    IndexAmRoutine* routine = makeNode(IndexAmRoutine);
    routine->amstrategies = 0;
    routine->amsupport = kSupportProcs;
    routine->amoptsprocnum = 0;
    routine->amcanorder = false;
    routine->amcanorderbyop = true;
    routine->amcanbackward = false;
    routine->amcanunique = false;
    routine->amcanmulticol = true;
    routine->amoptionalkey = true;
    routine->amsearcharray = true;
    routine->amsearchnulls = true;
    routine->amstorage = false;
    routine->amclusterable = false;
    routine->ampredlocks = false;
    routine->amcanparallel = false;
    routine->amcaninclude = false;
    routine->amusemaintenanceworkmem = false;
    routine->amparallelvacuumoptions = VACUUM_OPTION_PARALLEL_BULKDEL;
    routine->amkeytype = InvalidOid;
    ANNEX_AM_SINCE_17(routine);

    routine->ambuild = ivfbuild;
    routine->ambuildempty = ivfbuildempty;
    routine->aminsert = ivfinsert;
    routine->ambulkdelete = ivfbulkdelete;
    routine->amvacuumcleanup = ivfvacuumcleanup;
    routine->amcanreturn = nullptr;
    routine->amcostestimate = ivfcostestimate;
    routine->amoptions = ivfoptions;
    routine->amproperty = ivfproperty;
    routine->ambuildphasename = ivfbuildphasename;
    routine->amvalidate = ivfvalidate;
    routine->ambeginscan = ivfbeginscan;
    routine->amrescan = ivfrescan;
    routine->amgettuple = ivfgettuple;
    routine->amendscan = ivfendscan;
    return routine;
}

}  // namespace annex::pg::ivf

extern "C" {
PG_FUNCTION_INFO_V1(annex_ivfhandler);
PGDLLEXPORT Datum annex_ivfhandler(PG_FUNCTION_ARGS);

Datum annex_ivfhandler(PG_FUNCTION_ARGS) {
    (void)fcinfo;
    return PointerGetDatum(annex::pg::ivf::MakeRoutine());
}

bool ivfvalidate(Oid opclass_oid) noexcept {
    return annex::pg::ValidateOperatorClass(opclass_oid, annex::pg::kSupportProcs);
}

bool ivfproperty(Oid, int attno, IndexAMProperty property, const char*, bool* result, bool* isnull) noexcept {
    return annex::pg::TellProperty(attno, property, result, isnull);
}
}

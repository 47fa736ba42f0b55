// ivfhandler, and what PostgreSQL asks about the access method without touching an index's pages.
#include "pg/ivf/handler.h"

extern "C" {
#include "access/amvalidate.h"
#include "access/htup_details.h"
#include "catalog/pg_am.h"
#include "catalog/pg_amop.h"
#include "catalog/pg_amproc.h"
#include "catalog/pg_opclass.h"
#include "catalog/pg_opfamily.h"
#include "catalog/pg_type.h"
#include "commands/vacuum.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/syscache.h"
}

#include "pg/index/opclass.h"
#include "pg/index/scan_hints.h"
#include "pg/ivf/ivf.h"

namespace annex::pg::ivf {

void InitIvf() {
    DefineOptionsAndSettings();
    RegisterOrderedScan(ivfgettuple);
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
    routine->amcanmulticol = false;
    routine->amoptionalkey = true;
    routine->amsearcharray = false;
    routine->amsearchnulls = false;
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

// ---- amvalidate ----

static bool Complain(const char* opclass, const char* what) {
    ereport(INFO, (errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
                   errmsg("operator class \"%s\" of access method ivf %s", opclass, what)));
    return false;
}

static bool ValidOperator(Form_pg_amop oper, Oid input_type, const char* opclass) {
    if (oper->amopstrategy != kDistanceStrategy) return Complain(opclass, "has an operator with an invalid strategy");
    if (oper->amoppurpose != AMOP_ORDER) return Complain(opclass, "has an operator that is not for ordering");
    if (!opfamily_can_sort_type(oper->amopsortfamily, FLOAT8OID))
        return Complain(opclass, "has an operator whose sort family cannot sort float8");
    if (!check_amop_signature(oper->amopopr, FLOAT8OID, input_type, input_type))
        return Complain(opclass, "has an operator with a wrong signature");
    return true;
}

static bool ValidProc(Form_pg_amproc proc, Oid input_type, const char* opclass) {
    if (proc->amprocnum != kInfoProc) return Complain(opclass, "has a support function with an invalid number");
    if (proc->amproclefttype != input_type || proc->amprocrighttype != input_type)
        return Complain(opclass, "has a support function for another type");
    if (!check_amproc_signature(proc->amproc, INTERNALOID, true, 1, 1, INTERNALOID))
        return Complain(opclass, "has a support function with a wrong signature");
    return true;
}

static bool Validate(Oid opclass_oid) {
    HeapTuple class_tuple = SearchSysCache1(CLAOID, ObjectIdGetDatum(opclass_oid));
    if (!HeapTupleIsValid(class_tuple)) elog(ERROR, "cache lookup failed for operator class %u", opclass_oid);
    auto* opclass = reinterpret_cast<Form_pg_opclass>(GETSTRUCT(class_tuple));
    const char* name = NameStr(opclass->opcname);
    bool valid = true;
    bool has_operator = false;
    bool has_proc = false;

    CatCList* operators = SearchSysCacheList1(AMOPSTRATEGY, ObjectIdGetDatum(opclass->opcfamily));
    for (int i = 0; i < operators->n_members; i++) {
        auto* oper = reinterpret_cast<Form_pg_amop>(GETSTRUCT(&operators->members[i]->tuple));
        if (oper->amoplefttype != opclass->opcintype) continue;
        has_operator = true;
        valid = ValidOperator(oper, opclass->opcintype, name) && valid;
    }
    CatCList* procs = SearchSysCacheList1(AMPROCNUM, ObjectIdGetDatum(opclass->opcfamily));
    for (int i = 0; i < procs->n_members; i++) {
        auto* proc = reinterpret_cast<Form_pg_amproc>(GETSTRUCT(&procs->members[i]->tuple));
        if (proc->amproclefttype != opclass->opcintype) continue;
        has_proc = true;
        valid = ValidProc(proc, opclass->opcintype, name) && valid;
    }
    if (!has_operator) valid = Complain(name, "has no ordering operator");
    if (!has_proc) valid = Complain(name, "has no support function 1");
    ReleaseCatCacheList(procs);
    ReleaseCatCacheList(operators);
    ReleaseSysCache(class_tuple);
    return valid;
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
    return annex::pg::ivf::Validate(opclass_oid);
}

// PostgreSQL cannot tell by itself that the first column can be ordered by distance.
bool ivfproperty(Oid, int attno, IndexAMProperty property, const char*, bool* result, bool* isnull) noexcept {
    if (property != AMPROP_DISTANCE_ORDERABLE || attno == 0) return false;
    *result = true;
    *isnull = false;
    return true;
}
}

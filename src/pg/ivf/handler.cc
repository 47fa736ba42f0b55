// ivfhandler, and what PostgreSQL asks about the access method without touching an index's pages.
#include "pg/ivf/handler.h"

extern "C" {
#include "access/amvalidate.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
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

#include "pg/index/filter_image.h"
#include "pg/index/opclass.h"
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

// ---- amvalidate ----
//
// Classes of two kinds: for vectors, with one ordering operator and support function 1; for filter columns, of a type
// that filter_image.h knows, with comparisons, also with other types where they can be compared.

static bool Complain(const char* opclass, const char* what) {
    ereport(INFO, (errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
                   errmsg("operator class \"%s\" of access method ivf %s", opclass, what)));
    return false;
}

static bool ValidDistance(Form_pg_amop oper, Oid input_type, const char* opclass) {
    if (oper->amopstrategy != kDistanceStrategy) return Complain(opclass, "has an operator with an invalid strategy");
    if (oper->amoppurpose != AMOP_ORDER) return Complain(opclass, "has an operator that is not for ordering");
    if (!opfamily_can_sort_type(oper->amopsortfamily, FLOAT8OID))
        return Complain(opclass, "has an operator whose sort family cannot sort float8");
    if (!check_amop_signature(oper->amopopr, FLOAT8OID, input_type, input_type))
        return Complain(opclass, "has an operator with a wrong signature");
    return true;
}

static bool ValidComparison(Form_pg_amop oper, const FilterType& type, const char* opclass) {
    if (oper->amopstrategy < BTLessStrategyNumber || oper->amopstrategy > BTGreaterStrategyNumber)
        return Complain(opclass, "has an operator with an invalid strategy");
    if (oper->amopstrategy != BTEqualStrategyNumber && !type.ordered)
        return Complain(opclass, "has an inequality, which its type does not support");
    if (oper->amoppurpose != AMOP_SEARCH) return Complain(opclass, "has an operator that is not for searching");
    if (!ComparableWith(type, oper->amoprighttype))
        return Complain(opclass, "has an operator for a type that it cannot compare with");
    if (!check_amop_signature(oper->amopopr, BOOLOID, oper->amoplefttype, oper->amoprighttype))
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

static bool ValidateOperators(Form_pg_opclass opclass, const FilterType* type, const char* name) {
    bool valid = true;
    uint32 comparisons = 0;  // of the type with itself, by strategy
    bool has_distance = false;
    CatCList* operators = SearchSysCacheList1(AMOPSTRATEGY, ObjectIdGetDatum(opclass->opcfamily));
    for (int i = 0; i < operators->n_members; i++) {
        auto* oper = reinterpret_cast<Form_pg_amop>(GETSTRUCT(&operators->members[i]->tuple));
        if (oper->amoplefttype != opclass->opcintype) continue;
        if (type == nullptr) {
            has_distance = true;
            valid = ValidDistance(oper, opclass->opcintype, name) && valid;
        } else {
            valid = ValidComparison(oper, *type, name) && valid;
            if (oper->amoprighttype == opclass->opcintype) comparisons |= 1U << (oper->amopstrategy & 31);
        }
    }
    ReleaseCatCacheList(operators);
    if (type == nullptr && !has_distance) return Complain(name, "has no ordering operator");
    if (type != nullptr && (comparisons & 1U << BTEqualStrategyNumber) == 0)
        return Complain(name, "has no operator for equality");
    return valid;
}

static bool ValidateProcs(Form_pg_opclass opclass, const FilterType* type, const char* name) {
    bool valid = true;
    bool has_proc = false;
    CatCList* procs = SearchSysCacheList1(AMPROCNUM, ObjectIdGetDatum(opclass->opcfamily));
    for (int i = 0; i < procs->n_members; i++) {
        auto* proc = reinterpret_cast<Form_pg_amproc>(GETSTRUCT(&procs->members[i]->tuple));
        if (proc->amproclefttype != opclass->opcintype) continue;
        has_proc = true;
        valid = ValidProc(proc, opclass->opcintype, name) && valid;
    }
    ReleaseCatCacheList(procs);
    if (type == nullptr && !has_proc) return Complain(name, "has no support function 1");
    if (type != nullptr && has_proc) return Complain(name, "has a support function, which is for vectors alone");
    return valid;
}

static bool Validate(Oid opclass_oid) {
    HeapTuple class_tuple = SearchSysCache1(CLAOID, ObjectIdGetDatum(opclass_oid));
    if (!HeapTupleIsValid(class_tuple)) elog(ERROR, "cache lookup failed for operator class %u", opclass_oid);
    auto* opclass = reinterpret_cast<Form_pg_opclass>(GETSTRUCT(class_tuple));
    const char* name = NameStr(opclass->opcname);
    const FilterType* type = FindFilterType(opclass->opcintype);
    bool valid = ValidateOperators(opclass, type, name);
    valid = ValidateProcs(opclass, type, name) && valid;
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

// PostgreSQL cannot tell by itself that the first column, and no other, can be ordered by distance, and that = ANY is
// for the others.
bool ivfproperty(Oid, int attno, IndexAMProperty property, const char*, bool* result, bool* isnull) noexcept {
    if (attno == 0) return false;
    *isnull = false;
    if (property == AMPROP_DISTANCE_ORDERABLE) {
        *result = attno == 1;
        return true;
    }
    if (property == AMPROP_SEARCH_ARRAY && attno == 1) {
        *result = false;
        return true;
    }
    return false;
}
}

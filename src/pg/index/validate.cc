// Checks of operator classes, by their catalog rows.
#include "pg/index/validate.h"

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
#include "commands/defrem.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/syscache.h"
}

#include "pg/index/filter_image.h"
#include "pg/index/opclass.h"

namespace annex::pg {

// Support functions of pgvector's below the info function.
static constexpr uint16 kDistanceProc = 1;
static constexpr uint16 kNormProc = 2;

struct CheckedClass {
    const char* name;
    Oid method;
    Oid input_type;
    Oid family;
    const FilterType* filter;  // nullptr: of vectors
    uint16 info_proc;
};

static bool Complain(const CheckedClass& opclass, const char* what) {
    ereport(INFO,
            (errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
             errmsg("operator class \"%s\" of access method %s %s", opclass.name, get_am_name(opclass.method), what)));
    return false;
}

static bool ValidDistance(Form_pg_amop oper, const CheckedClass& opclass) {
    if (oper->amopstrategy != kDistanceStrategy) return Complain(opclass, "has an operator with an invalid strategy");
    if (oper->amoppurpose != AMOP_ORDER) return Complain(opclass, "has an operator that is not for ordering");
    if (!opfamily_can_sort_type(oper->amopsortfamily, FLOAT8OID))
        return Complain(opclass, "has an operator whose sort family cannot sort float8");
    if (!check_amop_signature(oper->amopopr, FLOAT8OID, opclass.input_type, opclass.input_type))
        return Complain(opclass, "has an operator with a wrong signature");
    return true;
}

static bool ValidComparison(Form_pg_amop oper, const CheckedClass& opclass) {
    const FilterType& type = *opclass.filter;
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

static bool HasSignature(Form_pg_amproc proc, const CheckedClass& opclass) {
    const Oid type = opclass.input_type;
    if (proc->amprocnum == opclass.info_proc || proc->amprocnum > kNormProc)
        return check_amproc_signature(proc->amproc, INTERNALOID, true, 1, 1, INTERNALOID);
    if (proc->amprocnum == kDistanceProc)
        return check_amproc_signature(proc->amproc, FLOAT8OID, true, 2, 2, type, type);
    return check_amproc_signature(proc->amproc, FLOAT8OID, true, 1, 1, type);
}

static bool ValidProc(Form_pg_amproc proc, const CheckedClass& opclass) {
    if (proc->amprocnum > opclass.info_proc) return Complain(opclass, "has a support function with an invalid number");
    if (proc->amproclefttype != opclass.input_type || proc->amprocrighttype != opclass.input_type)
        return Complain(opclass, "has a support function for another type");
    if (!HasSignature(proc, opclass)) return Complain(opclass, "has a support function with a wrong signature");
    return true;
}

static bool ValidateOperators(const CheckedClass& opclass) {
    bool valid = true;
    uint32 comparisons = 0;  // of the type with itself, by strategy
    bool has_distance = false;
    CatCList* operators = SearchSysCacheList1(AMOPSTRATEGY, ObjectIdGetDatum(opclass.family));
    for (int i = 0; i < operators->n_members; i++) {
        auto* oper = reinterpret_cast<Form_pg_amop>(GETSTRUCT(&operators->members[i]->tuple));
        if (oper->amoplefttype != opclass.input_type) continue;
        if (opclass.filter == nullptr) {
            has_distance = true;
            valid = ValidDistance(oper, opclass) && valid;
        } else {
            valid = ValidComparison(oper, opclass) && valid;
            if (oper->amoprighttype == opclass.input_type) comparisons |= 1U << (oper->amopstrategy & 31);
        }
    }
    ReleaseCatCacheList(operators);
    if (opclass.filter == nullptr && !has_distance) return Complain(opclass, "has no ordering operator");
    if (opclass.filter != nullptr && (comparisons & 1U << BTEqualStrategyNumber) == 0)
        return Complain(opclass, "has no operator for equality");
    return valid;
}

static bool ValidateProcs(const CheckedClass& opclass) {
    bool valid = true;
    bool has_proc = false;
    bool has_info = false;
    CatCList* procs = SearchSysCacheList1(AMPROCNUM, ObjectIdGetDatum(opclass.family));
    for (int i = 0; i < procs->n_members; i++) {
        auto* proc = reinterpret_cast<Form_pg_amproc>(GETSTRUCT(&procs->members[i]->tuple));
        if (proc->amproclefttype != opclass.input_type) continue;
        has_proc = true;
        has_info |= proc->amprocnum == opclass.info_proc;
        valid = ValidProc(proc, opclass) && valid;
    }
    ReleaseCatCacheList(procs);
    if (opclass.filter == nullptr && !has_info)
        return Complain(opclass, psprintf("has no support function %d", opclass.info_proc));
    if (opclass.filter != nullptr && has_proc)
        return Complain(opclass, "has a support function, which is for vectors alone");
    return valid;
}

bool ValidateOperatorClass(Oid opclass_oid, uint16 info_proc) {
    HeapTuple tuple = SearchSysCache1(CLAOID, ObjectIdGetDatum(opclass_oid));
    if (!HeapTupleIsValid(tuple)) elog(ERROR, "cache lookup failed for operator class %u", opclass_oid);
    auto* form = reinterpret_cast<Form_pg_opclass>(GETSTRUCT(tuple));
    const CheckedClass opclass{pstrdup(NameStr(form->opcname)), form->opcmethod, form->opcintype, form->opcfamily,
                               FindFilterType(form->opcintype), info_proc};
    ReleaseSysCache(tuple);
    const bool operators_valid = ValidateOperators(opclass);
    return ValidateProcs(opclass) && operators_valid;
}

bool TellProperty(int attno, IndexAMProperty property, bool* result, bool* isnull) {
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

}  // namespace annex::pg

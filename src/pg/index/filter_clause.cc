// Finding conditions that filter columns could test.
#include "pg/index/filter_clause.h"

extern "C" {
#include "access/stratnum.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "optimizer/paths.h"
#include "optimizer/restrictinfo.h"
#include "utils/lsyscache.h"
}

namespace annex::pg {

static void Add(FilterClauses* clauses, int column, int strategy, Oid type, Oid collation, int flags, Expr* constant) {
    clauses->keys = lappend(clauses->keys, list_make5_oid(static_cast<Oid>(column + 1), static_cast<Oid>(strategy),
                                                          type, collation, static_cast<Oid>(flags)));
    clauses->constants = lappend(clauses->constants, constant);
}

static bool IsColumn(Node* operand, int column, IndexOptInfo* index) {
    if (IsA(operand, RelabelType)) operand = reinterpret_cast<Node*>(castNode(RelabelType, operand)->arg);
    return match_index_to_operand(operand, column, index);
}

static bool TakeAny(FilterClauses* clauses, const ScalarArrayOpExpr* any, int column, IndexOptInfo* index) {
    const Oid collation = index->indexcollations[column];
    if (!any->useOr || (OidIsValid(collation) && collation != any->inputcollid)) return false;
    if (!op_in_opfamily(any->opno, index->opfamily[column])) return false;
    auto* operand = static_cast<Node*>(linitial(any->args));
    auto* array = static_cast<Node*>(lsecond(any->args));
    if (!IsColumn(operand, column, index) || contain_var_clause(array) || contain_volatile_functions(array))
        return false;
    int strategy;
    Oid left;
    Oid right;
    get_op_opfamily_properties(any->opno, index->opfamily[column], false, &strategy, &left, &right);
    Add(clauses, column, strategy, right, collation, SK_SEARCHARRAY, reinterpret_cast<Expr*>(array));
    return true;
}

// A condition that is true where a boolean column has the value *value.
static Node* BooleanOperand(Node* clause, bool* value) {
    *value = true;
    if (is_notclause(clause)) {
        *value = false;
        return reinterpret_cast<Node*>(get_notclausearg(clause));
    }
    if (IsA(clause, BooleanTest)) {
        const auto* test = castNode(BooleanTest, clause);
        if (test->booltesttype != IS_TRUE && test->booltesttype != IS_FALSE) return nullptr;
        *value = test->booltesttype == IS_TRUE;
        return reinterpret_cast<Node*>(test->arg);
    }
    return clause;
}

static bool TakeBoolean(FilterClauses* clauses, Node* clause, int column, IndexOptInfo* index) {
    if (index->opcintype[column] != BOOLOID) return false;
    bool value;
    Node* operand = BooleanOperand(clause, &value);
    if (operand == nullptr || !IsColumn(operand, column, index)) return false;
    Add(clauses, column, BTEqualStrategyNumber, BOOLOID, InvalidOid, 0,
        reinterpret_cast<Expr*>(makeBoolConst(value, false)));
    return true;
}

static bool HasClause(const IndexPath* path, const RestrictInfo* restriction) {
    ListCell* cell;
    foreach (cell, path->indexclauses) {
        if (lfirst_node(IndexClause, cell)->rinfo == restriction) return true;
    }
    return false;
}

static void Take(FilterClauses* clauses, const IndexPath* path, RestrictInfo* restriction) {
    IndexOptInfo* index = path->indexinfo;
    if (restriction->pseudoconstant || HasClause(path, restriction) ||
        !restriction_is_securely_promotable(restriction, index->rel))
        return;
    auto* clause = reinterpret_cast<Node*>(restriction->clause);
    for (int column = 1; column < index->nkeycolumns; column++) {
        const bool taken = IsA(clause, ScalarArrayOpExpr)
                               ? TakeAny(clauses, castNode(ScalarArrayOpExpr, clause), column, index)
                               : TakeBoolean(clauses, clause, column, index);
        if (!taken) continue;
        clauses->restrictions = lappend(clauses->restrictions, restriction);
        return;
    }
}

FilterClauses LeftFilterClauses(const IndexPath* path) {
    FilterClauses clauses{NIL, NIL, NIL};
    if (path->indexinfo->nkeycolumns < 2) return clauses;
    ListCell* cell;
    foreach (cell, path->indexinfo->rel->baserestrictinfo) Take(&clauses, path, lfirst_node(RestrictInfo, cell));
    if (path->path.param_info != nullptr) {
        foreach (cell, path->path.param_info->ppi_clauses) Take(&clauses, path, lfirst_node(RestrictInfo, cell));
    }
    return clauses;
}

void FilterClauseKey(const List* key, Datum constant, bool isnull, ScanKeyData* out) {
    memset(out, 0, sizeof *out);
    out->sk_attno = static_cast<AttrNumber>(list_nth_oid(key, 0));
    out->sk_strategy = static_cast<StrategyNumber>(list_nth_oid(key, 1));
    out->sk_subtype = list_nth_oid(key, 2);
    out->sk_collation = list_nth_oid(key, 3);
    out->sk_flags = static_cast<int>(list_nth_oid(key, 4)) | (isnull ? SK_ISNULL : 0);
    out->sk_argument = constant;
}

}  // namespace annex::pg

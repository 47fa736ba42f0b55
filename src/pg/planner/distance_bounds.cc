// Conditions on the distance that a scan orders by: a search may stop at them.
//
// v <-> q < r, v <-> q <= r, and the same from right to left, where the distance is the one of the ORDER BY, with its
// operands in either order, and r depends on no row. The Filter tests the condition all the same, so that it does not
// matter here whether equality is allowed. Without an ORDER BY, the condition itself says which distance it is about.
#include "pg/planner/paths.h"

extern "C" {
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
}

namespace annex::pg {

// A distance with its operands the other way round; nullptr if its operator has no such twin.
static Node* Commuted(Node* distance) {
    if (!IsA(distance, OpExpr)) return nullptr;
    auto* commuted = reinterpret_cast<OpExpr*>(copyObjectImpl(distance));
    if (list_length(commuted->args) != 2) return nullptr;
    const Oid commutator = get_commutator(commuted->opno);
    if (!OidIsValid(commutator)) return nullptr;
    commuted->opno = commutator;
    commuted->opfuncid = get_opcode(commutator);
    commuted->args = list_make2(lsecond(commuted->args), linitial(commuted->args));
    return reinterpret_cast<Node*>(commuted);
}

// The index of the argument that is less than the other, if the clause says such a thing; else -1.
static int LesserArgument(const OpExpr* clause) {
    switch (get_opcode(clause->opno)) {
        case F_FLOAT8LT:
        case F_FLOAT8LE:
            return 0;
        case F_FLOAT8GT:
        case F_FLOAT8GE:
            return 1;
        default:
            return -1;
    }
}

// `compared` is less than `bound`, which depends on no row; both are nullptr if the clause says no such thing.
struct Bound {
    Node* compared;
    Node* bound;
};

static Bound BoundOf(Node* clause) {
    if (!IsA(clause, OpExpr)) return {nullptr, nullptr};
    const auto* comparison = reinterpret_cast<const OpExpr*>(clause);
    const int lesser = LesserArgument(comparison);
    if (lesser < 0) return {nullptr, nullptr};
    auto* compared = static_cast<Node*>(list_nth(comparison->args, lesser));
    auto* bound = static_cast<Node*>(list_nth(comparison->args, 1 - lesser));
    if (contain_var_clause(bound) || contain_volatile_functions(bound) || contain_subplans(bound))
        return {nullptr, nullptr};
    return {compared, bound};
}

Node* BoundedDistance(Node* clause) {
    return BoundOf(clause).compared;
}

static Node* BoundIn(Node* clause, Node* distance, Node* commuted) {
    const Bound bound = BoundOf(clause);
    if (bound.compared == nullptr) return nullptr;
    if (!equal(bound.compared, distance) && !(commuted != nullptr && equal(bound.compared, commuted))) return nullptr;
    return bound.bound;
}

List* DistanceBounds(Node* distance, List* clauses, List** others) {
    List* bounds = NIL;
    Node* commuted = Commuted(distance);
    ListCell* cell;
    *others = NIL;
    foreach (cell, clauses) {
        auto* info = lfirst_node(RestrictInfo, cell);
        Node* bound = BoundIn(reinterpret_cast<Node*>(info->clause), distance, commuted);
        if (bound != nullptr)
            bounds = lappend(bounds, bound);
        else
            *others = lappend(*others, info);
    }
    return bounds;
}

}  // namespace annex::pg

// What a distance costs, told to the planner for the dimensions at hand.
//
// One number for all (COST) would be wrong by a factor of a hundred at one end: a distance of 128 dimensions takes some
// 30 ns, one of 1,536 some 3 us, because a vector that is too large for its page has to be fetched from its TOAST table
// first. A planner that does not know runs sequential scans over such columns where an index would do.
//
// Measured in a server on x86-64 with AVX2, single-threaded, warm: `v <op> constant < limit` in a sequential scan less
// the scan alone, 2,000 rows, best of 300; int8 addition, whose cost is 1, took 3.3 ns.
//
//     dimensions         3    64   128   256   384   480 |  768  1024  1536  3072
//     <-> ns            33    18    31    48    61    71 | 2310  2470  3300  5660
//     the cost below     4     7     9    14    19    23 |  791   904  1130  1807
//     cost * 3.3 ns     13    23    30    46    63    76 | 2610  2980  3730  5960
//
// (Up to 30 dimensions a short header is unpacked first.) A distance between halfvecs costs as much, but one fits its
// page up to twice the dimensions. <#>, <=> and <+> are within a fifth of <-> at 384 dimensions.
#include "pg/types/dense_cost.h"

#include "pg/function.h"
#include "pg/types/halfvec.h"
#include "pg/types/vector.h"

extern "C" {
#include "access/heaptoast.h"
#include "nodes/nodeFuncs.h"
#include "nodes/supportnodes.h"
#include "optimizer/optimizer.h"
}

using namespace annex::pg;

namespace {

// In units of an int8 addition.
constexpr double kCallCost = 4.0;
constexpr double kCostPerDimension = 0.04;
constexpr double kToastFetchCost = 450.0;
constexpr double kToastCostPerDimension = 0.4;
// Stands for dimensions that the planner cannot know: those of embeddings most often met.
constexpr int kTypicalDimensions = 384;

// The dimensions that an argument is declared with or, as a constant, has; 0 when unknown.
template <class Value>
int ArgumentDimensions(const Node* argument) {
    const int32 typmod = exprTypmod(argument);
    if (typmod > 0) return typmod;
    if (IsA(argument, Const)) {
        const auto* constant = reinterpret_cast<const Const*>(argument);
        if (!constant->constisnull) return DatumGetDense<Value>(constant->constvalue)->dim;
    }
    return 0;
}

// Whether reading this argument fetches it from a TOAST table: a column of that many dimensions does. (A column whose
// storage was set to PLAIN is taken for one too.)
template <class Value>
bool IsToasted(const Node* argument, int dimensions) {
    return IsA(argument, Var) && DenseSize<Value>(dimensions) > TOAST_TUPLE_THRESHOLD;
}

// The arguments of a call, or NIL when the planner asks without one.
List* Arguments(Node* call) {
    if (call == nullptr) return NIL;
    if (IsA(call, OpExpr)) return reinterpret_cast<OpExpr*>(call)->args;
    if (IsA(call, FuncExpr)) return reinterpret_cast<FuncExpr*>(call)->args;
    return NIL;
}

template <class Value>
double CostOfDistance(List* arguments) {
    int dimensions = 0;
    ListCell* cell;
    foreach (cell, arguments) {
        dimensions = ArgumentDimensions<Value>(static_cast<const Node*>(lfirst(cell)));
        if (dimensions > 0) break;
    }
    if (dimensions == 0) dimensions = kTypicalDimensions;

    double cost = kCallCost + kCostPerDimension * dimensions;
    foreach (cell, arguments)
        if (IsToasted<Value>(static_cast<const Node*>(lfirst(cell)), dimensions))
            cost += kToastFetchCost + kToastCostPerDimension * dimensions;
    return cost;
}

// The support function of all distances between values of a type.
template <class Value>
Datum DistanceSupport(FunctionCallInfo fcinfo) {
    Node* request = static_cast<Node*>(static_cast<void*>(PG_GETARG_POINTER(0)));
    if (!IsA(request, SupportRequestCost)) PG_RETURN_POINTER(nullptr);

    auto* cost = reinterpret_cast<SupportRequestCost*>(request);
    cost->startup = 0;
    cost->per_tuple = CostOfDistance<Value>(Arguments(cost->node)) * cpu_operator_cost;
    PG_RETURN_POINTER(cost);
}

}  // namespace

namespace annex::pg {

Cost VectorDistanceCost(List* arguments) {
    return CostOfDistance<Vector>(arguments) * cpu_operator_cost;
}

Cost HalfvecDistanceCost(List* arguments) {
    return CostOfDistance<HalfVector>(arguments) * cpu_operator_cost;
}

}  // namespace annex::pg

ANNEX_FUNCTION(annex_vector_distance_support) {
    return DistanceSupport<Vector>(fcinfo);
}

ANNEX_FUNCTION(annex_halfvec_distance_support) {
    return DistanceSupport<HalfVector>(fcinfo);
}

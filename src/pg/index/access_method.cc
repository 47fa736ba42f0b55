// The list of our access methods.
#include "pg/index/access_method.h"

namespace annex::pg {

static constexpr int kMaxAccessMethods = 4;
static const OrderedAccessMethod* methods[kMaxAccessMethods];

void RegisterOrderedAccessMethod(const OrderedAccessMethod* method) {
    for (const OrderedAccessMethod*& slot : methods) {
        if (slot != nullptr) continue;
        slot = method;
        return;
    }
    elog(ERROR, "too many access methods");
}

// PostgreSQL declares the pointer in different ways.
const OrderedAccessMethod* OrderedAccessMethodOf(const IndexOptInfo* index) {
    for (const OrderedAccessMethod* method : methods)
        if (method != nullptr &&
            reinterpret_cast<void*>(method->cost_estimate) == reinterpret_cast<void*>(index->amcostestimate))
            return method;
    return nullptr;
}

bool IsOrderedIndexScan(const IndexScanState* state) {
    if (state->iss_RelationDesc == nullptr || state->iss_NumOrderByKeys == 0) return false;
    for (const OrderedAccessMethod* method : methods)
        if (method != nullptr && state->iss_RelationDesc->rd_indam->amgettuple == method->gettuple) return true;
    return false;
}

}  // namespace annex::pg

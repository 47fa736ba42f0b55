// annex_maintain of an hnsw index: what vacuum does, and links to nodes that no search comes to any more.
#include "pg/hnsw/inspect.h"
#include "pg/hnsw/reach.h"
#include "pg/hnsw/repair.h"

namespace annex::pg::hnsw {

void MaintainInspected(const InspectedIndex& inspected, bool force, ResultRow* row) {
    Relation index = inspected.index;
    BufferAccessStrategy strategy = GetAccessStrategy(BAS_VACUUM);
    const RepairResult result = RepairGraph(index, strategy);
    row->Set("lists_replaced", uint32{0});
    row->Set("lists_made", uint32{0});
    row->Set("pages_freed", int64{0});
    row->Set("nodes_linked", RelinkUnreached(index, strategy));
    if (force)
        CalibrateIndex(index, true);
    else
        CalibrateIfDue(index, result.live_nodes);
}

}  // namespace annex::pg::hnsw

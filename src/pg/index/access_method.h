// Our access methods whose indexes give rows in order of distance: what the planner and the executor's hooks know of
// them, so that neither names one.
#pragma once

#include "pg/pg.h"

extern "C" {
#include "nodes/execnodes.h"
#include "nodes/pathnodes.h"
}

namespace annex::pg {

// A search that the planner thinks of.
struct SearchEstimate {
    double wanted;  // rows that are to come out of it
    double share;   // of the index's rows that may come out of it, above 0 up to 1
    bool tested;    // whether each row is looked up in a set
};

// A search for all rows within a distance. What is not known while planning is nullptr.
struct RangeSearch {
    const Const* query;
    const Const* radius;
    double share;  // of the index's rows that conditions on its columns let through, above 0 up to 1
};

struct RangeEstimate {
    double within;  // of the index's rows, the share within the distance
    Cost cost;      // of the search, without the table
};

struct OrderedAccessMethod {
    amgettuple_function gettuple;
    amcostestimate_function cost_estimate;
    // What the search costs up to its last row, without the table: fetching rows is the executor's.
    Cost (*search_cost)(const IndexOptInfo* index, const SearchEstimate& search);
    // nullptr: its scans cannot find all rows within a distance.
    RangeEstimate (*range_estimate)(const IndexOptInfo* index, const RangeSearch& search);
};

// `method` must live as long as the library.
void RegisterOrderedAccessMethod(const OrderedAccessMethod* method);

// The one that an index belongs to; nullptr if it is none of ours.
[[nodiscard]] const OrderedAccessMethod* OrderedAccessMethodOf(const IndexOptInfo* index);

// Whether this is a scan of an index of ours, in order of distance.
[[nodiscard]] bool IsOrderedIndexScan(const IndexScanState* state);

}  // namespace annex::pg

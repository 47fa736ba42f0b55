// How many rows lie within a radius, and how many of them sketches cannot rule out, as far as the lists tell: for
// planners.
#pragma once

#include "annex/centroid_table.h"
#include "annex/space.h"

namespace annex {

struct RangeShares {
    double within;  // of all rows
    double passed;  // of all rows those that a search for the range has to refine, at least those within
};

// From the distances of the centroids and the spread of their rows, as if all lists had equally many; of many lists
// some stand for all. query[space.dimensions()]; radius in the operator's units, no NaN.
[[nodiscard]] RangeShares EstimateRange(const Space& space, const CentroidTable& lists, const float* query,
                                        double radius);

}  // namespace annex

// What a distance costs (dense_cost.cc), for planning with functions that do not say it themselves: pgvector's.
#pragma once

#include "pg/pg.h"

extern "C" {
#include "nodes/nodes.h"
#include "nodes/pg_list.h"
}

namespace annex::pg {

// Of a call with these arguments, without what they cost themselves.
[[nodiscard]] Cost VectorDistanceCost(List* arguments);
[[nodiscard]] Cost HalfvecDistanceCost(List* arguments);

}  // namespace annex::pg

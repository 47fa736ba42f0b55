// What hnsw has for those who look into its indexes (pg/index/inspect.h).
#pragma once

#include "pg/index/inspect.h"

namespace annex::pg::hnsw {

void VerifyIndex(const InspectedIndex& inspected, bool heapallindexed, bool strict);
void DescribeIndex(Relation index, ResultRow* row);
void DescribeSearch(Relation index, double k, ResultRow* row);
void MaintainInspected(const InspectedIndex& inspected, bool force, ResultRow* row);

}  // namespace annex::pg::hnsw

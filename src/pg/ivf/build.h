// What the parts of a build share.
#pragma once

#include "pg/pg.h"

extern "C" {
#include "nodes/execnodes.h"
}

#include "annex/list_builder.h"

namespace annex::pg::ivf {

struct SamplePlan {
    uint32 lists;
    double rows;  // estimated
};

// Feeds the builder's mean and sample from random blocks of the table and chooses the number of lists, both within
// maintenance_work_mem.
[[nodiscard]] SamplePlan SampleHeap(Relation heap, Relation index, IndexInfo* index_info, ListBuilder* builder,
                                    int dimensions);

// An engine object that ends, with its threads, when the current memory context does.
[[nodiscard]] ListBuilder** NewBuilder(Relation index, Metric metric, int dimensions, int threads);
void DeleteBuilder(ListBuilder** builder);

}  // namespace annex::pg::ivf

// Samples a table for training: first some blocks for the mean and the number of rows, then as many as training needs.
#include "pg/ivf/build.h"

#include "pg/guard.h"
#include "pg/index/build_support.h"
#include "pg/index/opclass.h"
#include "pg/ivf/ivf.h"

namespace annex::pg::ivf {

static constexpr uint32 kSeed = 20240229;

struct Sampling {
    ListBuilder* builder;
    FloatReader reader;
    bool for_mean;
    double rows;
    MemoryContext tuple_context;
};

extern "C" {
static void SampleTuple(Relation, ItemPointer, Datum* values, bool* isnull, bool, void* arg) noexcept {
    auto* sampling = static_cast<Sampling*>(arg);
    if (isnull[0]) return;
    sampling->rows += 1;
    MemoryContext old_context = MemoryContextSwitchTo(sampling->tuple_context);
    const float* x = IndexedFloats(sampling->reader, values[0]);
    Guard([&] {
        if (sampling->for_mean)
            sampling->builder->AddToMean(x);
        else
            sampling->builder->AddToSample(x);
    });
    MemoryContextSwitchTo(old_context);
    MemoryContextReset(sampling->tuple_context);
}
}

// Rows of sample that fit beside what training `lists` lists takes.
static double SampleThatFits(uint32 lists, uint32 padded) {
    const double budget = static_cast<double>(maintenance_work_mem) * 1024;
    const auto fixed = static_cast<double>(ListBuilder::TrainingMemory(0, lists, padded));
    const auto each = static_cast<double>(ListBuilder::TrainingMemory(1, lists, padded)) - fixed;
    // Scratch memory is not worth refusing a build for.
    const double room = budget - (fixed - static_cast<double>(ListBuilder::TrainingMemory(0, 0, padded)));
    return room > 0 ? room / each : 0;
}

// Fewer rows a list than this make the lists visibly worse.
static constexpr double kFewestSampleRows = 32;

static int64 TrainingMegabytes(uint32 lists, double sample_rows, uint32 padded) {
    return static_cast<int64>(ListBuilder::TrainingMemory(static_cast<size_t>(sample_rows), lists, padded) >> 20) + 1;
}

// lists = 0: what suits the table, or the most that maintenance_work_mem can train well.
static uint32 ChooseLists(Relation index, double rows, const SketchLayout& layout) {
    const auto padded = static_cast<uint32>(layout.padded);
    const auto best = static_cast<uint32>(RecommendedLists(rows, layout, kListAreaBytes, kMaxLists));
    uint32 lists = best;
    const auto enough = [&](uint32 n) {
        const double wanted = rows < kFewestSampleRows * n ? rows : kFewestSampleRows * n;
        return SampleThatFits(n, padded) >= wanted;
    };
    while (lists > 1 && !enough(lists)) lists = lists - (lists + 7) / 8;
    if (lists < best)
        ereport(NOTICE, (errmsg("index \"%s\" gets %u lists, since more do not fit into maintenance_work_mem",
                                RelationGetRelationName(index), lists),
                         errdetail("For about %.0f rows, %u lists would make searches faster.", rows, best),
                         errhint("Set maintenance_work_mem to %lld MB or more and call annex_maintain, or REINDEX.",
                                 static_cast<long long>(TrainingMegabytes(best, kSampleRowsPerList * best, padded)))));
    return lists;
}

static uint32 CheckListsOption(int lists, double rows, uint32 padded) {
    const auto n = static_cast<uint32>(lists);
    const double fewest = rows < 4.0 * n ? rows : 4.0 * n;
    if (SampleThatFits(n, padded) < fewest)
        ereport(ERROR,
                (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                 errmsg("memory required is %lld MB, maintenance_work_mem is %d MB",
                        static_cast<long long>(TrainingMegabytes(n, fewest, padded)), maintenance_work_mem / 1024),
                 errdetail("Training %u lists does not fit into maintenance_work_mem.", n),
                 errhint("Increase maintenance_work_mem, or create the index with fewer lists or with lists = 0.")));
    return n;
}

SamplePlan SampleHeap(Relation heap, Relation index, IndexInfo* index_info, ListBuilder* builder, int dimensions) {
    const auto padded = static_cast<uint32>(PaddedDimensions(static_cast<size_t>(dimensions)));
    Sampling sampling{builder, NewFloatReader(index, dimensions), true, 0,
                      AllocSetContextCreate(CurrentMemoryContext, "ivf sample tuple", ALLOCSET_DEFAULT_SIZES)};
    const BlockNumber blocks = RelationGetNumberOfBlocks(heap);
    const BlockSample sample{heap, index, index_info, SampleTuple, &sampling};
    const BlockNumber mean_blocks = SampleBlocks(sample, kMeanBlocks, kSeed);
    Guard([&] { builder->FinishMean(); });

    const double rows_per_block = mean_blocks > 0 ? sampling.rows / mean_blocks : 0;
    const double rows = rows_per_block * blocks;
    const int option = ListsOption(index);
    const uint32 lists =
        option > 0 ? CheckListsOption(option, rows, padded) : ChooseLists(index, rows, builder->layout());

    const double fits = SampleThatFits(lists, padded);
    const double wanted = static_cast<double>(TrainingOf(index, lists).sample_rows_per_list) * lists;
    const double capacity = fits < wanted ? fits : wanted;
    Guard([&] { builder->BeginSample(static_cast<size_t>(capacity)); });
    if (lists > 1 && rows_per_block > 0) {
        sampling.for_mean = false;
        // Blocks differ in how many rows they hold, so some more than the average asks for.
        const double sample_blocks = capacity / rows_per_block * 1.1 + 16;
        SampleBlocks(sample, sample_blocks < blocks ? static_cast<BlockNumber>(sample_blocks) : blocks, kSeed + 1);
    }
    MemoryContextDelete(sampling.tuple_context);
    pfree(sampling.reader.buffer);
    return {lists, rows};
}

}  // namespace annex::pg::ivf

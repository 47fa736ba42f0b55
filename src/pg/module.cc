// What happens when PostgreSQL loads the library: settings, and nothing else. No thread starts and no floating-point
// state changes here.
#include "annex/kernels.h"
#include "pg/pg.h"

#include "pg/hnsw/handler.h"
#include "pg/index/rerank.h"
#include "pg/index/scan_hints.h"
#include "pg/index/scan_statistics.h"
#include "pg/index/stop_point.h"
#include "pg/index/target_recall.h"
#include "pg/ivf/handler.h"
#include "pg/ivfflat/handler.h"
#include "pg/planner/filtered_scan.h"

extern "C" {
PG_MODULE_MAGIC;
}

namespace annex::pg {
namespace {

constexpr size_t kMaxLevels = 16;

// "auto" and the levels that this CPU can run, ended by a null name. PostgreSQL keeps the pointer.
config_enum_entry simd_levels[kMaxLevels + 2];
constexpr int kAutomatic = 0;

int simd_level = kAutomatic;

extern "C" {

static void AssignSimdLevel(int level, void*) noexcept {
    SetKernelLevel(simd_levels[level].name);
}

}  // extern "C"

void DefineSimdLevel() {
    const size_t levels = KernelLevelCount();
    Assert(levels <= kMaxLevels);
    simd_levels[kAutomatic] = {"auto", kAutomatic, false};
    for (size_t i = 0; i < levels; i++) {
        const int entry = static_cast<int>(i) + 1;
        simd_levels[entry] = {KernelLevel(i).name, entry, false};
    }

    DefineCustomEnumVariable("annex.simd_level",
                             "Sets the CPU instructions that distances and scans are computed with.",
                             "\"auto\" takes the best that the CPU has.", &simd_level, kAutomatic, simd_levels,
                             PGC_SUSET, 0, nullptr, AssignSimdLevel, nullptr);
}

}  // namespace
}  // namespace annex::pg

extern "C" PGDLLEXPORT void _PG_init(void) {
    annex::pg::DefineSimdLevel();
    annex::pg::DefineTargetRecall();
    annex::pg::DefineRerank();
    annex::pg::InstallScanHints();
    annex::pg::InitStatistics();
    annex::pg::InstallFilteredScan();
    annex::pg::ivf::InitIvf();
    annex::pg::ivfflat::InitIvfflat();
    annex::pg::hnsw::InitHnsw();
    annex::pg::DefineTestSettings();
    MarkGUCPrefixReserved("annex");
}

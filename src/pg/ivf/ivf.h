// What the files of the ivf access method share: options, settings, callbacks.
#pragma once

#include "pg/pg.h"

extern "C" {
#include "nodes/execnodes.h"
#include "nodes/pathnodes.h"
}

#include "annex/clustering.h"
#include "annex/search.h"
#include "annex/space.h"
#include "pg/index/access_method.h"
#include "pg/ivf/page.h"

namespace annex::pg::ivf {

// ---- Options of CREATE INDEX ----

enum SpillOption : int { kSpillAuto, kSpillOff, kSpillOn };

struct Options {
    int32 vl_len_;
    int lists;  // 0: chosen
    int spill;  // SpillOption
};

[[nodiscard]] int ListsOption(Relation index);
[[nodiscard]] SpillOption SpillOptionOf(Relation index);
// How so many lists of an index are trained.
[[nodiscard]] Training TrainingOf(Relation index, uint32 lists);

// ---- Settings ----

enum OrderSetting : int { kOrderRelaxed, kOrderStrict };

extern int probes_setting;      // ivf.probes; 0: chosen
extern double epsilon_setting;  // ivf.epsilon; 0: chosen
extern int ordering_setting;    // ivf.ordering
extern int order_setting;       // ivf.order, another name of it
extern int cache_size_setting;  // ivf.cache_size, kilobytes

[[nodiscard]] inline bool StrictOrder() {
    return ordering_setting == kOrderStrict || order_setting == kOrderStrict;
}

// What a scan uses where nothing is set and the index is not calibrated.
inline constexpr uint32 kDefaultProbes = 48;
inline constexpr float kDefaultEpsilon = 1.9F;
inline constexpr float kCarefulEpsilon = 2.5F;   // for a target recall above .97
inline constexpr float kDefaultPatience = 2.2F;  // annex/search.h

struct ScanSettings {
    uint32 probes;   // the most that the first round makes
    float lists;     // that it is expected to probe
    float patience;  // annex/search.h
    float epsilon;
};
// For k rows; 0: not known. What the user has set counts, then what the index's calibration says for the target recall.
[[nodiscard]] ScanSettings SettingsFor(const MetaPage& meta, double k);
// The same for the k nearest of the rows that a filter lets through, which are this share of all; 0: not known.
[[nodiscard]] ScanSettings FilteredSettingsFor(const MetaPage& meta, double k, double share);
// The same for an index of any dialect (dialect.h).
[[nodiscard]] ScanSettings SettingsOf(Relation index, const MetaPage& meta, double k);
[[nodiscard]] ScanSettings FilteredSettingsOf(Relation index, const MetaPage& meta, double k, double share);
// The share of all rows that are in a set.
[[nodiscard]] double ShareOf(const MetaPage& meta, const TidSet& rows);

// What a search costs up to its last row (pg/index/access_method.h).
[[nodiscard]] Cost SearchCost(const IndexOptInfo* index, const SearchEstimate& search);
[[nodiscard]] RangeEstimate EstimateRangeSearch(const IndexOptInfo* index, const RangeSearch& search);

void DefineOptionsAndSettings();

// ---- Reading structures ----

// A copy of a list's descriptor. False when there is no such list in meta's generation, any more: the index has gone on
// to another one, and what could be found in it has moved. That happens to nobody whose snapshot is older than `meta`,
// but for a standby, which does not wait for its snapshots before it replays the reuse of a page.
[[nodiscard]] bool ReadDescriptor(Relation index, const MetaPage& meta, ListId id, ListDescriptor* descriptor);
// Something was not as meta's generation says. Returns if the index is at another one by now, or builds another one
// than that of a PendingMeta(), so that the caller can begin again; else the index is corrupted.
void CheckMoved(Relation index, const MetaPage& meta, BlockNumber block, const char* reason);

// The mean, into mean[meta.dimensions].
void ReadMean(Relation index, const MetaPage& meta, float* mean);

// ---- Progress, as in pg_stat_progress_create_index ----

enum BuildPhase : int64 {
    kPhaseSampling = 2,  // 1 is PostgreSQL's "initializing"
    kPhaseTraining = 3,
    kPhaseAssigning = 4,
    kPhaseWritingRows = 5,
    kPhaseWritingLists = 6,
    kPhaseLogging = 7,
    kPhaseCalibrating = 8,
};

}  // namespace annex::pg::ivf

// ---- Callbacks ----

extern "C" {
IndexBuildResult* ivfbuild(Relation heap, Relation index, IndexInfo* index_info) noexcept;
void ivfbuildempty(Relation index) noexcept;
bool ivfinsert(Relation index, Datum* values, bool* isnull, ItemPointer heap_tid, Relation heap,
               IndexUniqueCheck check_unique, bool index_unchanged, IndexInfo* index_info) noexcept;
IndexBulkDeleteResult* ivfbulkdelete(IndexVacuumInfo* info, IndexBulkDeleteResult* stats,
                                     IndexBulkDeleteCallback callback, void* callback_state) noexcept;
IndexBulkDeleteResult* ivfvacuumcleanup(IndexVacuumInfo* info, IndexBulkDeleteResult* stats) noexcept;
void ivfcostestimate(PlannerInfo* root, IndexPath* path, double loop_count, Cost* startup_cost, Cost* total_cost,
                     Selectivity* selectivity, double* correlation, double* pages) noexcept;
bytea* ivfoptions(Datum reloptions, bool validate) noexcept;
bool ivfproperty(Oid index_oid, int attno, IndexAMProperty property, const char* property_name, bool* result,
                 bool* isnull) noexcept;
char* ivfbuildphasename(int64 phase) noexcept;
bool ivfvalidate(Oid opclass_oid) noexcept;
IndexScanDesc ivfbeginscan(Relation index, int keys, int orderbys) noexcept;
void ivfrescan(IndexScanDesc scan, ScanKey keys, int nkeys, ScanKey orderbys, int norderbys) noexcept;
bool ivfgettuple(IndexScanDesc scan, ScanDirection direction) noexcept;
void ivfendscan(IndexScanDesc scan) noexcept;
}

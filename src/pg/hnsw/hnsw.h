// What the files of the hnsw access method share: options, settings, reading structures, callbacks.
#pragma once

#include "pg/pg.h"

extern "C" {
#include "nodes/execnodes.h"
#include "nodes/pathnodes.h"
}

#include "annex/graph_node.h"
#include "annex/space.h"
#include "pg/hnsw/page.h"
#include "pg/index/access_method.h"

namespace annex::pg::hnsw {

// ---- Options of CREATE INDEX (options.cc) ----

inline constexpr int kDefaultM = 16;
inline constexpr int kMostM = 100;
inline constexpr int kDefaultEfConstruction = 64;

struct Options {
    int32 vl_len_;
    int m;
    int ef_construction;
};

[[nodiscard]] int MOption(Relation index);
[[nodiscard]] int EfConstructionOption(Relation index);
void DefineOptions();

// ---- Settings (settings.cc) ----

enum class IterativeScan : uint8 { kOff, kRelaxedOrder, kStrictOrder };

// pgvector's settings, as they are now.
struct Settings {
    bool set;  // one of them was set by somebody: a scan does as pgvector's would; else the others are 0
    int ef_search;
    IterativeScan iterative_scan;
    int max_scan_tuples;
    double scan_mem_multiplier;
};
[[nodiscard]] Settings SettingsNow();
// Once the access method is used, unless somebody else has defined them.
void DefineSettings();
// What a round takes to find what pgvector finds with this ef_search. (scan.cc)
[[nodiscard]] uint32 EfFor(int ef_search);

// What a round of a search for k rows takes where nothing is set: by annex.target_recall and the index's calibration.
struct SearchEffort {
    uint32 ef;
    double visits;  // of nodes, expected
};
// k = 0: not known. (calibrate.cc)
[[nodiscard]] SearchEffort EffortFor(const MetaPage& meta, double k);
// The same for the k nearest of the rows that a filter lets through, which are this share of all; 0: not known.
[[nodiscard]] SearchEffort FilteredEffortFor(const MetaPage& meta, double k, double share);
// Measures the index by its own rows and writes the result to the meta page. `logged`: with WAL. An index of few nodes
// is not calibrated. Takes about a tenth of the time of a build at most, and can be cancelled. (calibrate.cc)
void CalibrateIndex(Relation index, bool logged);
// Does so, with WAL, if the index has so many more or fewer nodes than at the last time that it matters.
void CalibrateIfDue(Relation index, double nodes);

// A scan that would make more visits than this for a page of the index reads all pages in their order instead: a page
// takes about as long as a visit.
inline constexpr double kVisitsPerPage = 1;

// What a search costs up to its last row (pg/index/access_method.h). (cost.cc)
[[nodiscard]] Cost SearchCost(const IndexOptInfo* index, const SearchEstimate& search);

// ---- Rows (build.cc, insert.cc) ----

// Everything of a new index's meta page that does not depend on the data; chains are empty. ERROR for options that
// contradict each other, and for more dimensions than a page has room for.
void FillMeta(Relation index, MetaPage* meta);

// Puts one row into the graph on pages, whether for aminsert (logged) or for a build that has outgrown its memory.
// (insert.cc)
struct Inserter;
[[nodiscard]] Inserter* NewInserter(Relation index, MemoryContext context, bool logged);
// Returns the row's class: one that is kNaN was not inserted.
RowClass InsertRow(Inserter* inserter, const Datum* values, const bool* isnull, ItemPointer heap_tid);

// Gives a live node to which no edge leads edges from its neighbours, as an insert does. The copy of its record is the
// caller's.
// Only nodes of the set are asked for an edge.
struct NodeBits;
void RelinkNode(Inserter* inserter, NodeId node, const GraphNode& copy, const NodeBits& among);

// The mean, into mean[meta.dimensions].
void ReadMean(Relation index, const MetaPage& meta, float* mean);

// ---- New pages (extend.cc) ----
//
// The free space map knows node pages by the bytes of a record that can be made there, and free pages
// (PageKind::kFree), which promise more than any node page. What it says is a hint: pages are looked at under their
// lock.

// A page to be made something by the caller (pg/index/new_page.h).
[[nodiscard]] Buffer NewPage(Relation index);
// What the map is told of a node page on which a record of so many bytes can be made.
[[nodiscard]] Size FreeSpaceFor(Size bytes);
// Makes rows that searches do not find entries (cover.cc); for a sample of the index's nodes.
void CoverNodes(Relation index, double nodes, bool logged);

// `logged` below: false in a build, which logs all pages at its end.
// An empty node page, at which new nodes are put from now on.
[[nodiscard]] BlockNumber AddNodePage(Relation index, const NodePlaces& places, bool logged);
// Adds a node to those that searches start from.
void AddEntry(Relation index, NodeId node, bool logged);
// Puts a row into the side chain.
void AddSideRow(Relation index, HeapTid heap_tid, const uint8* values, Size value_bytes, bool logged);

// ---- Progress, as in pg_stat_progress_create_index ----

enum BuildPhase : int64 {
    kPhaseLoading = 2,  // 1 is PostgreSQL's "initializing"
};

}  // namespace annex::pg::hnsw

// ---- Callbacks ----

extern "C" {
IndexBuildResult* hnswbuild(Relation heap, Relation index, IndexInfo* index_info) noexcept;
void hnswbuildempty(Relation index) noexcept;
bool hnswinsert(Relation index, Datum* values, bool* isnull, ItemPointer heap_tid, Relation heap,
                IndexUniqueCheck check_unique, bool index_unchanged, IndexInfo* index_info) noexcept;
IndexBulkDeleteResult* hnswbulkdelete(IndexVacuumInfo* info, IndexBulkDeleteResult* stats,
                                      IndexBulkDeleteCallback callback, void* callback_state) noexcept;
IndexBulkDeleteResult* hnswvacuumcleanup(IndexVacuumInfo* info, IndexBulkDeleteResult* stats) noexcept;
void hnswcostestimate(PlannerInfo* root, IndexPath* path, double loop_count, Cost* startup_cost, Cost* total_cost,
                      Selectivity* selectivity, double* correlation, double* pages) noexcept;
bytea* hnswoptions(Datum reloptions, bool validate) noexcept;
bool hnswproperty(Oid index_oid, int attno, IndexAMProperty property, const char* property_name, bool* result,
                  bool* isnull) noexcept;
char* hnswbuildphasename(int64 phase) noexcept;
bool hnswvalidate(Oid opclass_oid) noexcept;
IndexScanDesc hnswbeginscan(Relation index, int keys, int orderbys) noexcept;
void hnswrescan(IndexScanDesc scan, ScanKey keys, int nkeys, ScanKey orderbys, int norderbys) noexcept;
bool hnswgettuple(IndexScanDesc scan, ScanDirection direction) noexcept;
void hnswendscan(IndexScanDesc scan) noexcept;
}

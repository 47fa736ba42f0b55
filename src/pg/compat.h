// Differences between PostgreSQL 15, 16, 17 and 18. The only file with conditions on PG_VERSION_NUM.
#pragma once

extern "C" {
#include "nodes/tidbitmap.h"
#include "utils/guc_tables.h"
#if PG_VERSION_NUM >= 180000
#include "commands/explain_format.h"
#include "commands/explain_state.h"
#endif
#if PG_VERSION_NUM >= 160000
#include "nodes/miscnodes.h"
#include "varatt.h"
#endif
#if PG_VERSION_NUM >= 170000
#include "storage/dsm_registry.h"
#endif
}

#if PG_VERSION_NUM < 150000
#error "annex needs PostgreSQL 15 or later"
#endif

// What is known of a setting, or nullptr. Before 16 only all settings together could be asked for.
#if PG_VERSION_NUM >= 160000
#define ANNEX_FIND_SETTING(name) find_option(name, false, true, ERROR)
#else
#define ANNEX_FIND_SETTING(name) annex::pg::FindSetting(name)
namespace annex::pg {
inline const config_generic* FindSetting(const char* name) {
    config_generic** settings = get_guc_variables();
    for (int i = 0; i < GetNumConfigOptions(); i++)
        if (strcmp(settings[i]->name, name) == 0) return settings[i];
    return nullptr;
}
}  // namespace annex::pg
#endif

// Soft errors came with 16. Before, an input function can only raise its error.
#if PG_VERSION_NUM >= 160000
#define ANNEX_ESCONTEXT(fcinfo) ((fcinfo)->context)
#else
#define ANNEX_ESCONTEXT(fcinfo) (static_cast<Node*>(nullptr))
#define ereturn(context, dummy_value, ...) \
    do {                                   \
        (void)(context);                   \
        ereport(ERROR, __VA_ARGS__);       \
    } while (0)
#endif

// The next datum of a sort, freshly allocated when it is not passed by value; false at the end. In 16 the copy became a
// choice.
#if PG_VERSION_NUM >= 160000
#define ANNEX_TUPLESORT_GETDATUM(sort, datum, is_null) tuplesort_getdatum(sort, true, true, datum, is_null, nullptr)
#else
#define ANNEX_TUPLESORT_GETDATUM(sort, datum, is_null) tuplesort_getdatum(sort, true, datum, is_null, nullptr)
#endif

// What runs with the rights of a table's owner must not find the caller's functions. 17 made that a function.
#if PG_VERSION_NUM >= 170000
#define ANNEX_RESTRICT_SEARCH_PATH() RestrictSearchPath()
#else
#define ANNEX_RESTRICT_SEARCH_PATH() static_cast<void>(0)
#endif

// Whether this process is autovacuum's worker. 17 gave the question another name.
#if PG_VERSION_NUM >= 170000
#define ANNEX_IS_AUTOVACUUM_WORKER() AmAutoVacuumWorkerProcess()
#else
#define ANNEX_IS_AUTOVACUUM_WORKER() IsAutoVacuumWorkerProcess()
#endif

// Visits the children of a plan node's state. Before 16 the walker's type said nothing of its arguments.
#if PG_VERSION_NUM >= 160000
#define ANNEX_WALK_PLANSTATE(state, walker, context) planstate_tree_walker(state, walker, context)
#else
#define ANNEX_WALK_PLANSTATE(state, walker, context) \
    planstate_tree_walker(state, reinterpret_cast<bool (*)()>(reinterpret_cast<void*>(walker)), context)
#endif

// Counts one search of an index; 18 shows it in EXPLAIN as well.
#if PG_VERSION_NUM >= 180000
#define ANNEX_COUNT_SEARCH(scan)                                            \
    do {                                                                    \
        pgstat_count_index_scan((scan)->indexRelation);                     \
        if ((scan)->instrument != nullptr) (scan)->instrument->nsearches++; \
    } while (0)
#define ANNEX_VACUUM_DELAY_POINT() vacuum_delay_point(false)
// From 18 on a plan's disabled nodes count before its costs.
#define ANNEX_DISABLE_PATH(index_path) ((index_path)->path.disabled_nodes = 2)
#define ANNEX_ENABLE_PATH(path) ((path)->disabled_nodes = 0)
// Of a PathKey, and what an ordering operator says of its direction.
#define ANNEX_SET_ASCENDING(key) ((key)->pk_cmptype = COMPARE_LT)
using OrderDirection = CompareType;
#else
#define ANNEX_COUNT_SEARCH(scan) pgstat_count_index_scan((scan)->indexRelation)
#define ANNEX_VACUUM_DELAY_POINT() vacuum_delay_point()
#define ANNEX_DISABLE_PATH(index_path) static_cast<void>(index_path)
#define ANNEX_ENABLE_PATH(path) static_cast<void>(path)
#define ANNEX_SET_ASCENDING(key) ((key)->pk_strategy = BTLessStrategyNumber)
using OrderDirection = int16;
#endif

// An index scan that belongs to no plan node. From 18 on it may count for EXPLAIN.
#if PG_VERSION_NUM >= 180000
#define ANNEX_BEGIN_INDEX_SCAN(table, index, snapshot, keys, orderbys) \
    index_beginscan(table, index, snapshot, nullptr, keys, orderbys)
#else
#define ANNEX_BEGIN_INDEX_SCAN(table, index, snapshot, keys, orderbys) \
    index_beginscan(table, index, snapshot, keys, orderbys)
#endif

// The index scan of a plan node, begun before the node does so itself.
#if PG_VERSION_NUM >= 180000
#define ANNEX_BEGIN_NODE_INDEX_SCAN(node, snapshot)                                                             \
    index_beginscan((node)->ss.ss_currentRelation, (node)->iss_RelationDesc, snapshot, &(node)->iss_Instrument, \
                    (node)->iss_NumScanKeys, (node)->iss_NumOrderByKeys)
#define ANNEX_COPY_DISABLED_NODES(to, from) ((to)->disabled_nodes = (from)->disabled_nodes)
#else
#define ANNEX_BEGIN_NODE_INDEX_SCAN(node, snapshot)                                                             \
    index_beginscan((node)->ss.ss_currentRelation, (node)->iss_RelationDesc, snapshot, (node)->iss_NumScanKeys, \
                    (node)->iss_NumOrderByKeys)
#define ANNEX_COPY_DISABLED_NODES(to, from) static_cast<void>(0)
#endif

// The pages of a bitmap, in order. `block`, `lossy` and, of a page that is not lossy, `offsets` and `count` are those
// of the page that the last call of NextBitmapPage came to.
#if PG_VERSION_NUM >= 180000
struct BitmapPages {
    TBMPrivateIterator* iterator;
    TBMIterateResult result;
    OffsetNumber offsets[TBM_MAX_TUPLES_PER_PAGE];
    BlockNumber block;
    bool lossy;
    int count;
};
inline void BeginBitmapPages(BitmapPages* pages, TIDBitmap* bitmap) {
    pages->iterator = tbm_begin_private_iterate(bitmap);
}
inline bool NextBitmapPage(BitmapPages* pages) {
    if (!tbm_private_iterate(pages->iterator, &pages->result)) return false;
    pages->block = pages->result.blockno;
    pages->lossy = pages->result.lossy;
    pages->count = pages->lossy ? 0 : tbm_extract_page_tuple(&pages->result, pages->offsets, TBM_MAX_TUPLES_PER_PAGE);
    return true;
}
inline void EndBitmapPages(BitmapPages* pages) {
    tbm_end_private_iterate(pages->iterator);
}
#else
struct BitmapPages {
    TBMIterator* iterator;
    const OffsetNumber* offsets;
    BlockNumber block;
    bool lossy;
    int count;
};
inline void BeginBitmapPages(BitmapPages* pages, TIDBitmap* bitmap) {
    pages->iterator = tbm_begin_iterate(bitmap);
}
inline bool NextBitmapPage(BitmapPages* pages) {
    const TBMIterateResult* result = tbm_iterate(pages->iterator);
    if (result == nullptr) return false;
    pages->block = result->blockno;
    pages->lossy = result->ntuples < 0;
    pages->count = pages->lossy ? 0 : result->ntuples;
    pages->offsets = result->offsets;
    return true;
}
inline void EndBitmapPages(BitmapPages* pages) {
    tbm_end_iterate(pages->iterator);
}
#endif

// Lets a bitmap heap scan that has not begun read this bitmap, which becomes its own, instead of running the nodes
// below it: what its first call does otherwise.
#if PG_VERSION_NUM >= 180000
#define ANNEX_BEGIN_BITMAP_HEAP_SCAN(node, bitmap)                                                                \
    do {                                                                                                          \
        (node)->tbm = (bitmap);                                                                                   \
        if ((node)->ss.ss_currentScanDesc == nullptr)                                                             \
            (node)->ss.ss_currentScanDesc =                                                                       \
                table_beginscan_bm((node)->ss.ss_currentRelation, (node)->ss.ps.state->es_snapshot, 0, nullptr);  \
        (node)->ss.ss_currentScanDesc->st.rs_tbmiterator = tbm_begin_iterate(bitmap, nullptr, InvalidDsaPointer); \
        (node)->initialized = true;                                                                               \
    } while (0)
#else
#if PG_VERSION_NUM >= 170000
#define ANNEX_BEGIN_TABLE_SCAN_OF_BITMAP(node)    \
    if ((node)->ss.ss_currentScanDesc == nullptr) \
    (node)->ss.ss_currentScanDesc =               \
        table_beginscan_bm((node)->ss.ss_currentRelation, (node)->ss.ps.state->es_snapshot, 0, nullptr, true)
#else
#define ANNEX_BEGIN_TABLE_SCAN_OF_BITMAP(node) static_cast<void>(0)
#endif
#define ANNEX_BEGIN_BITMAP_HEAP_SCAN(node, bitmap)                 \
    do {                                                           \
        ANNEX_BEGIN_TABLE_SCAN_OF_BITMAP(node);                    \
        (node)->tbm = (bitmap);                                    \
        (node)->tbmiterator = tbm_begin_iterate(bitmap);           \
        (node)->tbmres = nullptr;                                  \
        if ((node)->prefetch_maximum > 0) {                        \
            (node)->prefetch_iterator = tbm_begin_iterate(bitmap); \
            (node)->prefetch_pages = 0;                            \
            (node)->prefetch_target = -1;                          \
        }                                                          \
        (node)->initialized = true;                                \
    } while (0)
#endif

// Members of an access method's description that came later.
#if PG_VERSION_NUM >= 170000
#define ANNEX_AM_SINCE_17(routine)            \
    do {                                      \
        (routine)->amcanbuildparallel = true; \
        (routine)->aminsertcleanup = nullptr; \
    } while (0)
#else
#define ANNEX_AM_SINCE_17(routine) static_cast<void>(0)
#endif

// Workers that the planner allows the build of an index. Before 17, PostgreSQL asked it for btree alone.
#if PG_VERSION_NUM >= 170000
#define ANNEX_BUILD_WORKERS(heap, index, index_info) ((void)(heap), (void)(index), (index_info)->ii_ParallelWorkers)
#else
#define ANNEX_BUILD_WORKERS(heap, index, index_info) \
    ((void)(index_info), plan_create_index_workers(RelationGetRelid(heap), RelationGetRelid(index)))
#endif

// The file of a relation, which changes when the relation is rewritten.
#if PG_VERSION_NUM >= 160000
using RelationFileId = RelFileLocator;
#define ANNEX_RELATION_FILE(relation) ((relation)->rd_locator)
#define ANNEX_SAME_RELATION_FILE(a, b) RelFileLocatorEquals(a, b)
#else
using RelationFileId = RelFileNode;
#define ANNEX_RELATION_FILE(relation) ((relation)->rd_node)
#define ANNEX_SAME_RELATION_FILE(a, b) RelFileNodeEquals(a, b)
#endif

// Shared memory that is made when it is first asked for, by a name; `init` fills it once. It came with 17: before,
// memory can be had only when the server starts.
#if PG_VERSION_NUM >= 170000
inline constexpr bool kNamedSegments = true;
inline void* NamedSegment(const char* name, Size size, void (*init)(void*)) {
    bool found;
    return GetNamedDSMSegment(name, size, init, &found);
}
#else
inline constexpr bool kNamedSegments = false;
inline void* NamedSegment(const char*, Size, void (*)(void*)) {
    return nullptr;
}
#endif

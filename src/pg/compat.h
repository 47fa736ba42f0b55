// Differences between PostgreSQL 15, 16, 17 and 18. The only file with conditions on PG_VERSION_NUM.
#pragma once

extern "C" {
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
#else
#define ANNEX_COUNT_SEARCH(scan) pgstat_count_index_scan((scan)->indexRelation)
#define ANNEX_VACUUM_DELAY_POINT() vacuum_delay_point()
#define ANNEX_DISABLE_PATH(index_path) static_cast<void>(index_path)
#endif

// An index scan that belongs to no plan node. From 18 on it may count for EXPLAIN.
#if PG_VERSION_NUM >= 180000
#define ANNEX_BEGIN_INDEX_SCAN(table, index, snapshot, keys, orderbys) \
    index_beginscan(table, index, snapshot, nullptr, keys, orderbys)
#else
#define ANNEX_BEGIN_INDEX_SCAN(table, index, snapshot, keys, orderbys) \
    index_beginscan(table, index, snapshot, keys, orderbys)
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

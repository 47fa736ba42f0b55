// Differences between PostgreSQL 15, 16, 17 and 18. The only file with conditions on PG_VERSION_NUM.
#pragma once

extern "C" {
#if PG_VERSION_NUM >= 160000
#include "nodes/miscnodes.h"
#include "varatt.h"
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

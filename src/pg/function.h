// How a function that SQL calls is declared.
//
//     ANNEX_FUNCTION(annex_vector_dims) {
//         PG_RETURN_INT32(DatumGetVector(PG_GETARG_DATUM(0))->dim);
//     }
//
// The library hides its symbols; these alone are exported. PostgreSQL 15's PG_FUNCTION_INFO_V1 exports only the
// function's description, so the function itself is declared first.
#pragma once

#include "pg/pg.h"

#define ANNEX_FUNCTION(name)                         \
    extern "C" {                                     \
    extern PGDLLEXPORT Datum name(PG_FUNCTION_ARGS); \
    PG_FUNCTION_INFO_V1(name);                       \
    }                                                \
    Datum name([[maybe_unused]] PG_FUNCTION_ARGS)

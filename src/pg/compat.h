// Differences between PostgreSQL 15, 16, 17 and 18. The only file with conditions on PG_VERSION_NUM.
#pragma once

extern "C" {
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif
}

#if PG_VERSION_NUM < 150000
#error "annex needs PostgreSQL 15 or later"
#endif

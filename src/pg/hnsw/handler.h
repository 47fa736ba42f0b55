// hnswhandler: see handler.cc.
#pragma once

#include "pg/pg.h"

namespace annex::pg::hnsw {

// Once, when the library is loaded.
void InitHnsw();

}  // namespace annex::pg::hnsw

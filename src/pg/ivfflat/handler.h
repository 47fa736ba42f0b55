// What the library's start needs of the ivfflat access method.
#pragma once

#include "pg/pg.h"

namespace annex::pg::ivfflat {

// The option of CREATE INDEX, and how the engine serves such indexes. Settings come with the first use of the handler.
// Called when the library is loaded.
void InitIvfflat();

}  // namespace annex::pg::ivfflat

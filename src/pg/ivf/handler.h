// What the library's start needs of the ivf access method.
#pragma once

#include "pg/pg.h"

namespace annex::pg::ivf {

// Options, settings and the registration of ordered scans. Called when the library is loaded.
void InitIvf();

}  // namespace annex::pg::ivf

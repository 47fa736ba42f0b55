// The settings ivfflat.*, which another library may have defined.
#pragma once

#include "pg/pg.h"

#include "pg/ivf/dialect.h"

namespace annex::pg::ivfflat {

// Defines what nobody has defined yet. A value that was set before counts.
void DefineSettings();

[[nodiscard]] ivf::ProbeLimits LimitsNow();

}  // namespace annex::pg::ivfflat

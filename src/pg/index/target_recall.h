// annex.target_recall: the share of the nearest rows that scans of all our indexes aim at.
#pragma once

#include "pg/pg.h"

namespace annex::pg {

extern double target_recall_setting;

// Once, when the library is loaded.
void DefineTargetRecall();

}  // namespace annex::pg

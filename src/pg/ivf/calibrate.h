// Calibration: which settings reach a recall, measured on rows of the index (annex/calibrator.h has the arithmetic).
#pragma once

#include "pg/ivf/ivf.h"

namespace annex::pg::ivf {

// Measures and fills in the calibration of `meta`, which need not be what the meta page says yet; all else of the index
// has to be on its pages. Searches one list need no calibration, few rows allow none: then it is cleared.
void Calibrate(Relation index, MetaPage* meta);

// The same for an index in use, with a record on its meta page. Nobody may replace its lists meanwhile: the caller
// holds ShareUpdateExclusiveLock on the table.
void CalibrateIndex(Relation index);

}  // namespace annex::pg::ivf

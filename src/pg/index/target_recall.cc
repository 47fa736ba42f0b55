// The setting annex.target_recall.
#include "pg/index/target_recall.h"

extern "C" {
#include "utils/guc.h"
}

namespace annex::pg {

double target_recall_setting = 0.95;

void DefineTargetRecall() {
    DefineCustomRealVariable("annex.target_recall", "Sets the share of the nearest rows that a scan should find.",
                             "Scans of calibrated indexes take from it what is not set by hand.",
                             &target_recall_setting, 0.95, 0.5, 0.999, PGC_USERSET, 0, nullptr, nullptr, nullptr);
}

}  // namespace annex::pg

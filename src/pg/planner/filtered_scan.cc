// Settings and hooks.
#include "pg/planner/filtered_scan.h"

#include "pg/planner/node.h"
#include "pg/planner/paths.h"
#include "pg/planner/settings.h"

namespace annex::pg {

bool filtered_scan_enabled = true;
int forced_way = kAutomaticWay;

static const config_enum_entry ways[] = {{"auto", kAutomaticWay, false},
                                         {"set", static_cast<int>(Way::kSet), false},
                                         {"exact", static_cast<int>(Way::kExact), false},
                                         {"plain", static_cast<int>(Way::kPlain), false},
                                         {nullptr, 0, false}};

void InstallFilteredScan() {
    DefineCustomBoolVariable("annex.enable_filtered_scan",
                             "Enables scans in order of distance that use other indexes for the WHERE clause.", nullptr,
                             &filtered_scan_enabled, true, PGC_USERSET, GUC_EXPLAIN, nullptr, nullptr, nullptr);
    DefineCustomEnumVariable("annex.filtered_way", "Forces a way upon filtered scans, for tests and measurements.",
                             "\"auto\" takes the one that costs least.", &forced_way, kAutomaticWay, ways, PGC_USERSET,
                             GUC_EXPLAIN | GUC_NOT_IN_SAMPLE, nullptr, nullptr, nullptr);
    RegisterCustomScanMethods(&filtered_scan_methods);
    SetLimitTaker(TakeLimit);
    InstallPathHook();
}

}  // namespace annex::pg

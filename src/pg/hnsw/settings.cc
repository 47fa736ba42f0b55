// The settings hnsw.ef_search, hnsw.iterative_scan, hnsw.max_scan_tuples and hnsw.scan_mem_multiplier.
//
// They are pgvector's. In a process that has loaded pgvector's library they are there and stay its own: this reads them
// by their names. A setting can be defined once only, so that they must not be defined here before they are needed.
#include "pg/hnsw/hnsw.h"

extern "C" {
#include "utils/guc.h"
#include "utils/guc_tables.h"
}

#include <algorithm>
#include <cstdlib>

namespace annex::pg::hnsw {

static constexpr const char* kEfSearchName = "hnsw.ef_search";
static constexpr const char* kIterativeScanName = "hnsw.iterative_scan";
static constexpr const char* kMaxScanTuplesName = "hnsw.max_scan_tuples";
static constexpr const char* kScanMemMultiplierName = "hnsw.scan_mem_multiplier";
static constexpr const char* kNames[] = {kEfSearchName, kIterativeScanName, kMaxScanTuplesName, kScanMemMultiplierName};
static constexpr const char* kRelaxedOrderName = "relaxed_order";
static constexpr const char* kStrictOrderName = "strict_order";

static constexpr int kMostEfSearch = 1000;
static constexpr double kMostMultiplier = 1000;

static const config_enum_entry iterative_scan_values[] = {
    {"off", static_cast<int>(IterativeScan::kOff), false},
    {kRelaxedOrderName, static_cast<int>(IterativeScan::kRelaxedOrder), false},
    {kStrictOrderName, static_cast<int>(IterativeScan::kStrictOrder), false},
    {nullptr, 0, false}};

static int ef_search = 40;
static int iterative_scan = static_cast<int>(IterativeScan::kOff);
static int max_scan_tuples = 20000;
static double scan_mem_multiplier = 1;

// Whether a setting is there, as more than a placeholder: a value for a setting to come.
static bool Defined(const char* name) {
    return GetConfigOption(name, true, false) != nullptr &&
           (GetConfigOptionFlags(name, true) & GUC_CUSTOM_PLACEHOLDER) == 0;
}

// An error in between, such as one of memory, leaves the rest to the next call.
void DefineSettings() {
    static bool done = false;
    static int ours = 0;
    if (done) return;
    if (!Defined(kEfSearchName)) {
        DefineCustomIntVariable(kEfSearchName, "Sets the size of the dynamic candidate list for search",
                                "Valid range is 1..1000.", &ef_search, 40, 1, kMostEfSearch, PGC_USERSET, 0, nullptr,
                                nullptr, nullptr);
        ours++;
    }
    if (!Defined(kIterativeScanName)) {
        DefineCustomEnumVariable(kIterativeScanName, "Sets the mode for iterative scans", nullptr, &iterative_scan,
                                 static_cast<int>(IterativeScan::kOff), iterative_scan_values, PGC_USERSET, 0, nullptr,
                                 nullptr, nullptr);
        ours++;
    }
    if (!Defined(kMaxScanTuplesName)) {
        DefineCustomIntVariable(kMaxScanTuplesName, "Sets the max number of tuples to visit for iterative scans",
                                nullptr, &max_scan_tuples, 20000, 1, PG_INT32_MAX, PGC_USERSET, 0, nullptr, nullptr,
                                nullptr);
        ours++;
    }
    if (!Defined(kScanMemMultiplierName)) {
        DefineCustomRealVariable(kScanMemMultiplierName, "Sets the multiple of work_mem to use for iterative scans",
                                 nullptr, &scan_mem_multiplier, 1, 1, kMostMultiplier, PGC_USERSET, 0, nullptr, nullptr,
                                 nullptr);
        ours++;
    }
    if (ours == static_cast<int>(lengthof(kNames))) MarkGUCPrefixReserved("hnsw");
    done = true;
}

// Whether anybody has set one of them: for the server, a database, a role, a session or a function. A setting that has
// been defined stays where it is.
static bool AnyIsSet() {
    static const config_generic* settings[lengthof(kNames)];
    for (size_t i = 0; i < lengthof(kNames); i++) {
        if (settings[i] == nullptr) settings[i] = ANNEX_FIND_SETTING(kNames[i]);
        const config_generic* setting = settings[i];
        if (setting != nullptr && setting->source != PGC_S_DEFAULT && setting->source != PGC_S_DYNAMIC_DEFAULT)
            return true;
    }
    return false;
}

static const char* Read(const char* name) {
    return GetConfigOption(name, false, false);
}

Settings SettingsNow() {
    DefineSettings();
    Settings settings{};
    settings.set = AnyIsSet();
    if (!settings.set) return settings;
    settings.ef_search = std::clamp(static_cast<int>(std::strtol(Read(kEfSearchName), nullptr, 10)), 1, kMostEfSearch);
    const char* iterative = Read(kIterativeScanName);
    if (strcmp(iterative, kRelaxedOrderName) == 0) settings.iterative_scan = IterativeScan::kRelaxedOrder;
    if (strcmp(iterative, kStrictOrderName) == 0) settings.iterative_scan = IterativeScan::kStrictOrder;
    settings.max_scan_tuples = std::max(1, static_cast<int>(std::strtol(Read(kMaxScanTuplesName), nullptr, 10)));
    settings.scan_mem_multiplier = std::clamp(std::strtod(Read(kScanMemMultiplierName), nullptr), 1.0, kMostMultiplier);
    return settings;
}

}  // namespace annex::pg::hnsw

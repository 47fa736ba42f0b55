// The settings ivfflat.probes, ivfflat.iterative_scan and ivfflat.max_probes.
//
// They are pgvector's. In a process that has loaded pgvector's library they are there and stay its own: this reads them
// by their names. A setting can be defined once only, so that they must not be defined here before they are needed.
#include "pg/ivfflat/settings.h"

#include "pg/ivf/page.h"

extern "C" {
#include "utils/guc.h"
}

#include <algorithm>
#include <cstdlib>

namespace annex::pg::ivfflat {

enum IterativeScan : int { kOff, kRelaxedOrder };

static constexpr const char* kProbesName = "ivfflat.probes";
static constexpr const char* kIterativeScanName = "ivfflat.iterative_scan";
static constexpr const char* kMaxProbesName = "ivfflat.max_probes";
static constexpr const char* kRelaxedOrderName = "relaxed_order";
static constexpr int kDefaultProbes = 1;

static const config_enum_entry iterative_scan_values[] = {
    {"off", kOff, false}, {kRelaxedOrderName, kRelaxedOrder, false}, {nullptr, 0, false}};

static int probes = kDefaultProbes;
static int iterative_scan = kOff;
static int max_probes = ivf::kMaxLists;

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
    if (!Defined(kProbesName)) {
        DefineCustomIntVariable(kProbesName, "Sets the number of probes", "Valid range is 1..lists.", &probes,
                                kDefaultProbes, 1, ivf::kMaxLists, PGC_USERSET, 0, nullptr, nullptr, nullptr);
        ours++;
    }
    if (!Defined(kIterativeScanName)) {
        DefineCustomEnumVariable(kIterativeScanName, "Sets the mode for iterative scans", nullptr, &iterative_scan,
                                 kOff, iterative_scan_values, PGC_USERSET, 0, nullptr, nullptr, nullptr);
        ours++;
    }
    if (!Defined(kMaxProbesName)) {
        DefineCustomIntVariable(kMaxProbesName, "Sets the max number of probes for iterative scans", nullptr,
                                &max_probes, ivf::kMaxLists, 1, ivf::kMaxLists, PGC_USERSET, 0, nullptr, nullptr,
                                nullptr);
        ours++;
    }
    if (ours == 3) MarkGUCPrefixReserved("ivfflat");
    done = true;
}

// By name, since a setting need not be ours.
static int ReadNumber(const char* name) {
    const char* value = GetConfigOption(name, false, false);
    return std::clamp(static_cast<int>(std::strtol(value, nullptr, 10)), 1, ivf::kMaxLists);
}

ivf::ProbeLimits LimitsNow() {
    const int first = ReadNumber(kProbesName);
    const int limit = std::max(first, ReadNumber(kMaxProbesName));
    const bool iterative = strcmp(GetConfigOption(kIterativeScanName, false, false), kRelaxedOrderName) == 0;
    return {first, iterative ? limit : first, limit};
}

}  // namespace annex::pg::ivfflat

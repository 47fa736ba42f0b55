// What EXPLAIN shows of a filtered scan beside its children.
#include "pg/planner/node.h"

extern "C" {
#include "commands/explain.h"
#include "lib/stringinfo.h"
}

#include <algorithm>
#include <iterator>

namespace annex::pg {

static uint64 LoopsInWorkers(const PlanState* node) {
    double loops = 0;
    if (node->worker_instrument != nullptr)
        for (int i = 0; i < node->worker_instrument->num_workers; i++)
            loops += node->worker_instrument->instrument[i].nloops;
    return static_cast<uint64>(loops);
}

// PostgreSQL shares memory between a node and the same one in parallel workers only where they divide its rows among
// them, which this node's never do. So its own totals stay in the workers; how often its children ran there comes home,
// and tells the ways.
static void AddWorkers(const FilteredState* state, uint64* starts) {
    const uint64 searches = LoopsInWorkers(state->ordered);
    const uint64 sorts = state->plan.has_exact ? LoopsInWorkers(state->exact) : 0;
    const uint64 bitmaps = state->plan.has_exact ? LoopsInWorkers(state->bitmap) : 0;
    const uint64 sets = std::min(searches, bitmaps - std::min(sorts, bitmaps));
    starts[static_cast<int>(Way::kExact)] += sorts;
    starts[static_cast<int>(Way::kSet)] += sets;
    const Way alone = state->plan.way == Way::kRange ? Way::kRange : Way::kPlain;
    starts[static_cast<int>(alone)] += searches - sets;
}

// The way, or, of a node that was started more than once, each one with how often it was taken.
static char* WaysTaken(const FilteredState* state) {
    uint64 starts[kWays];
    int taken = 0;
    for (int way = 0; way < kWays; way++) {
        starts[way] = state->totals.starts[way];
        if (state->started && way == static_cast<int>(state->way)) starts[way]++;
    }
    AddWorkers(state, starts);
    for (const uint64 count : starts) taken += count > 0 ? 1 : 0;
    StringInfoData text;
    initStringInfo(&text);
    for (int way = 0; way < kWays; way++) {
        if (starts[way] == 0) continue;
        appendStringInfo(&text, "%s%s", text.len > 0 ? ", " : "", WayName(static_cast<Way>(way)));
        if (taken > 1) appendStringInfo(&text, " (" UINT64_FORMAT ")", starts[way]);
    }
    return text.len > 0 ? text.data : pstrdup("none");
}

static void Show(const char* label, uint64 number, ExplainState* es) {
    ExplainPropertyUInteger(label, nullptr, number, es);
}

static void ShowSet(const NodeTotals& totals, ExplainState* es) {
    if (totals.sets == 0 && es->format == EXPLAIN_FORMAT_TEXT) return;
    Show("Set Rows", totals.set_rows, es);
    // Rows that are sorted need no set, if their number is known without it.
    if (totals.set_bytes == 0 && es->format == EXPLAIN_FORMAT_TEXT) return;
    Show("Set Exact Pages", totals.exact_pages, es);
    Show("Set Lossy Pages", totals.lossy_pages, es);
    ExplainPropertyUInteger("Set Memory", "kB", (totals.set_bytes + 1023) / 1024, es);
}

static void ShowSearch(const OrderedScan& scan, ExplainState* es) {
    const ScanCounters& counters = scan.counters;
    if (counters.rounds == 0 && counters.returned == 0 && es->format == EXPLAIN_FORMAT_TEXT) return;
    if (!scan.graph) Show("Lists Probed", counters.lists, es);
    Show(scan.graph ? "Edges Scanned" : "Vectors Scanned", counters.entries, es);
    Show("Passed the Filter", counters.passed, es);
    Show("Skipped by the Filter", counters.skipped, es);
    Show(scan.graph ? "Nodes Visited" : "Refined", counters.refined, es);
    Show("Rounds", counters.rounds, es);
    Show("Heap Tuples Fetched", counters.returned, es);
}

static bool StartedHere(const FilteredState* state) {
    return state->started || std::any_of(std::begin(state->totals.starts), std::end(state->totals.starts),
                                         [](uint64 starts) { return starts > 0; });
}

void ExplainFilteredScan(FilteredState* state, ExplainState* es) {
    if (!es->analyze) {
        ExplainPropertyText("Way", WayName(state->plan.way), es);
        return;
    }
    ExplainPropertyText("Way", WaysTaken(state), es);
    // Zeros would be wrong where others have worked.
    if (!StartedHere(state) && LoopsInWorkers(&state->custom.ss.ps) > 0) return;
    ShowSet(state->totals, es);
    static constexpr OrderedScan nothing{};
    ShowSearch(state->scan == nullptr ? nothing : *state->scan, es);
}

}  // namespace annex::pg

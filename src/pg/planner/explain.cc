// What EXPLAIN shows of a filtered scan beside its children.
#include "pg/planner/node.h"

extern "C" {
#include "commands/explain.h"
#include "lib/stringinfo.h"
}

namespace annex::pg {

// The way, or, of a node that was started more than once, each one with how often it was taken.
static char* WaysTaken(const FilteredState* state) {
    uint64 starts[kWays];
    int taken = 0;
    for (int way = 0; way < kWays; way++) {
        starts[way] = state->totals.starts[way];
        if (state->started && way == static_cast<int>(state->way)) starts[way]++;
        if (starts[way] > 0) taken++;
    }
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
    Show("Set Exact Pages", totals.exact_pages, es);
    Show("Set Lossy Pages", totals.lossy_pages, es);
    ExplainPropertyUInteger("Set Memory", "kB", (totals.set_bytes + 1023) / 1024, es);
}

static void ShowSearch(const ScanCounters& counters, ExplainState* es) {
    if (counters.rounds == 0 && counters.returned == 0 && es->format == EXPLAIN_FORMAT_TEXT) return;
    Show("Lists Probed", counters.lists, es);
    Show("Vectors Scanned", counters.entries, es);
    Show("Passed the Filter", counters.passed, es);
    Show("Skipped by the Filter", counters.skipped, es);
    Show("Refined", counters.refined, es);
    Show("Rounds", counters.rounds, es);
    Show("Heap Tuples Fetched", counters.returned, es);
}

void ExplainFilteredScan(FilteredState* state, ExplainState* es) {
    if (!es->analyze) {
        ExplainPropertyText("Way", WayName(state->plan.way), es);
        return;
    }
    ExplainPropertyText("Way", WaysTaken(state), es);
    ShowSet(state->totals, es);
    static constexpr ScanCounters nothing{};
    ShowSearch(state->scan == nullptr ? nothing : state->scan->counters, es);
}

}  // namespace annex::pg

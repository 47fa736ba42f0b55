// A round of probes: what scans and calibration share.
#pragma once

#include "annex/search.h"
#include "pg/ivf/cache.h"
#include "pg/ivf/feed.h"

namespace annex::pg::ivf {

// A search and the index that it is fed from.
struct Prober {
    Relation index;
    const MetaPage* meta;  // whose lists are searched
    CachedIndex* cached;
    ListSearch* search;
    IndexFile file;
    int8* row_scratch;  // meta->padded bytes
    ReadAhead read_ahead;
    uint32 asked;  // lists of the ranking whose pages were asked for in this round
};

// The lists of the ranking that a round probes: from `from` on, up to `least` in any case, then while they are worth
// it, up to `most`.
struct Round {
    uint32 from;
    uint32 least;
    uint32 most;
    double k;  // rows to be sure of
    float patience;
};

// Runs a round of a search that was begun; notes how many lists of the ranking have been probed. False when a list has
// moved (CheckMoved), which leaves the round unfinished.
[[nodiscard]] bool ProbeLists(Prober* prober, const Round& round, uint32* probed);

}  // namespace annex::pg::ivf

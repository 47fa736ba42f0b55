// Access methods that this engine serves beside ivf itself, with the DDL, the settings and the semantics of another
// extension's. ivf does not know them by name: each registers what it wants otherwise.
#pragma once

#include "pg/pg.h"

#include "annex/clustering.h"

namespace annex::pg::ivf {

// How many lists the settings allow a scan to probe.
struct ProbeLimits {
    int first;     // in its first round
    int most;      // in all of its rounds
    int filtered;  // in all, where the filtered scan looks for rows that pass a filter
};

// Its indexes have the lists that were asked for, one entry a row and no calibration. Rows whose distance is NULL or
// NaN whatever the query are not in them. A scan ends with the last list that it may probe.
struct Dialect {
    ambuild_function build;  // by which an index is known
    int default_lists;
    float epsilon;  // unless ivf.epsilon is set
    Training (*training)(size_t lists);
    ProbeLimits (*limits)();
    // Called by a build that found fewer rows than lists.
    void (*few_rows)();
};

// `dialect` must live as long as the library.
void RegisterDialect(const Dialect* dialect);

// nullptr: an index of ivf itself.
[[nodiscard]] const Dialect* DialectOf(Relation index);

// Whether an index has the format of this engine.
[[nodiscard]] bool IsIvf(Relation index);

}  // namespace annex::pg::ivf

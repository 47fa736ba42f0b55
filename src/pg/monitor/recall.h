// What the files of annex_recall share: the run, and where its queries come from.
#pragma once

#include "pg/pg.h"

extern "C" {
#include "nodes/execnodes.h"
#include "utils/portal.h"
}

#include "annex/random.h"
#include "pg/index/inspect.h"

namespace annex::pg {

// One measurement.
struct RecallRun {
    InspectedIndex inspected;
    Snapshot snapshot;  // of everything: sample, exact answers, the index's answers
    int64 k;
    MemoryContext context;  // ends with the run

    IndexInfo* index_info;
    EState* estate;  // evaluates the index's expressions and predicate
    ExprState* predicate;
    TupleTableSlot* slot;

    Oid value_type;
    Oid collation;
    RegProcedure distance_proc;
    FmgrInfo distance;

    // Whose rights the statement has; the index's expressions are evaluated with those of the table's owner.
    Oid user;
    int security_context;
    int settings_level;
};

void BeginOwner(RecallRun* run);
void EndOwner(RecallRun* run);

// The value that the index has for the tuple in run->slot, detoasted, valid until the next call. False: none, or NULL.
[[nodiscard]] bool IndexedValue(RecallRun* run, Datum* value);

// ---- Queries ----

struct RecallQuery {
    Datum value;           // detoasted
    ItemPointerData self;  // the row that it was taken from, which does not count as its own neighbour; or invalid
    double* nearest;       // max-heap of the k least distances of the table's rows
    int64 nearest_count;
    double* answer;  // distances of the rows that the index gave
    int64 answer_count;
};

// Hands out the queries one by one, in an order and a choice that is the same each time as long as the rows are.
struct RecallQueries {
    int64 wanted;
    int64 given = 0;
    // Rows of the table itself, by their addresses.
    ItemPointerData* tids = nullptr;
    int64 tid_count = 0;
    // A query table, read through a cursor. Each row is taken with the chance that makes `wanted` of `left` rows.
    Portal cursor = nullptr;
    int64 left = 0;
    Random random{0x616e6e6578};
};

// A uniform sample of the table's rows that have a value in the index.
void SampleTable(RecallRun* run, RecallQueries* source);
// A uniform sample of the rows of another table or view, with the rights of the caller. column: nullptr for the only
// one of the right type. Between this and EndQueryTable SPI is connected.
void BeginQueryTable(RecallRun* run, RecallQueries* source, Oid table, const char* column);
void EndQueryTable(RecallQueries* source);
// The next query, in the current memory context; false at the end.
[[nodiscard]] bool NextQuery(RecallRun* run, RecallQueries* source, RecallQuery* query);

}  // namespace annex::pg

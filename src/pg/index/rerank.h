// Rows in exact order where an index knows about how far they are and no more: candidates go in, and come out in the
// order of the operator's distances of the values in the table.
//
// Where bounds are true the executor does this with fewer rows (xs_recheckorderby). Images of values have none.
// Candidates that the scan's snapshot does not see are dropped. Of each batch, but for the last, the farther half is
// held back until the next one has come: among its rows may be nearer ones.
#pragma once

#include "pg/pg.h"

extern "C" {
#include "access/relscan.h"
#include "nodes/pathnodes.h"
}

#include "annex/tid_list.h"

namespace annex::pg {

// The setting annex.rerank; to be called once, when the library is loaded.
void DefineRerank();
// Candidates that k rows are chosen from: as the setting says, or a default.
[[nodiscard]] double RerankedFor(double k);

// What comparing so many costs.
[[nodiscard]] Cost RerankCost(const IndexOptInfo* index, double candidates);

struct RerankedRow {
    double distance;
    HeapTid heap_tid;  // as the index has it: the first of a HOT chain
    uint32 group;      // rows of equal distance come by their groups, which are the access method's
};

struct Reranker {
    MemoryContext context;  // nullptr: this scan has no use for one
    MemoryContext scratch;  // of one batch
    RerankedRow* rows;      // in order, but for those that were added since
    Size capacity;
    Size count;
    Size ordered;  // rows that have a distance
    Size ready;    // that may be returned
    Size next;
};

void InitReranker(Reranker* reranker, MemoryContext context);
// Another start of the scan.
void ForgetRows(Reranker* reranker);

// False when there is room for no more in work_mem before some are returned.
[[nodiscard]] bool AddCandidate(Reranker* reranker, HeapTid heap_tid, uint32 group = 0);
// Finds the distances of the rows that were added and puts them in order. Evaluates the index's expression and the
// operator, and returns without a pin. last: there will be no more candidates.
void OrderCandidates(Reranker* reranker, IndexScanDesc desc, bool last);
// The next row; false when more candidates are needed.
[[nodiscard]] bool NextReranked(Reranker* reranker, RerankedRow* row);

}  // namespace annex::pg

// Writes the pages of a new index one after the other, through shared buffers and without WAL: the caller logs all of
// them at the end.
#pragma once

#include "annex/graph_builder.h"
#include "pg/hnsw/page.h"

namespace annex::pg::hnsw {

// A new page at the end of the fork, exclusively locked and to be initialised; ReleasePage marks it dirty and lets go.
[[nodiscard]] Buffer AppendPage(Relation index, ForkNumber fork);
void ReleasePage(Buffer buffer);

// The mean[dimensions]; returns its first block.
BlockNumber WriteMean(Relation index, ForkNumber fork, const float* mean, uint32 dimensions);
// Reserved as block 0 first and filled last.
void WriteMetaPage(Relation index, ForkNumber fork, const MetaPage& meta);

// The nodes of a finished graph, whose rows have values[rows * value_bytes], and the chain of entries, which meta
// names from then on.
void WriteGraph(Relation index, GraphBuilder* graph, const uint8* values, MetaPage* meta);

// Rows of the side chain.
void WriteSide(Relation index, const HeapTid* tids, const uint8* values, Size count, MetaPage* meta);

// Memory that WriteGraph takes a row.
[[nodiscard]] Size WriterBytesPerRow();

}  // namespace annex::pg::hnsw

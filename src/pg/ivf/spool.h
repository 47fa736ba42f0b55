// Sorts records of one size in bounded memory.
//
// A record is a 64-bit key and a payload. Writers put records into partitions, each a range of keys and a temporary
// file; the reader loads one partition after the other, sorts its keys and yields the records in order. A partition
// that turns out too large is divided again. Keys are unique, so the order depends on nothing else, and every record is
// written and read once (a general external sort would copy it two or three times more, and compare it as a tuple).
//
//   NewSpool, PutRecord*  [in a worker: ExportSpool]  ->  SortRecords, NextRecord*, EndRecords
#pragma once

#include "pg/pg.h"

extern "C" {
#include "storage/buffile.h"
#include "storage/fileset.h"
}

namespace annex::pg::ivf {

// How keys go to partitions; the same for all processes that put records of one sort.
struct SpoolPlan {
    uint32 payload_bytes;
    uint32 partitions;
    uint64 first_key;
    uint64 width;  // keys a partition

    [[nodiscard]] Size record_bytes() const { return sizeof(uint64) + payload_bytes; }
};

// For some `records` with keys in [0, last_key], each writer buffering within `memory` bytes.
[[nodiscard]] SpoolPlan PlanSpool(Size payload_bytes, double records, uint64 last_key, Size memory, int writers);

struct Spool {
    SpoolPlan plan;
    FileSet* file_set;  // where a worker's files are, nullptr for private ones
    const char* name;   // of the file set's files
    int writer;
    MemoryContext context;
    BufFile** files;  // of each partition; nullptr: it is empty
    uint64* counts;
};

[[nodiscard]] Spool NewSpool(const SpoolPlan& plan);
// One whose files another process can read, named by `name` and the number of the writer.
[[nodiscard]] Spool NewSharedSpool(const SpoolPlan& plan, FileSet* file_set, const char* name, int writer);
// The payload is `head` and then `body`.
void PutRecord(Spool* spool, uint64 key, const void* head, Size head_bytes, const void* body, Size body_bytes);
// Ends the writing of a shared spool.
void ExportSpool(Spool* spool);

struct SortedRecords;
// `own` is read to its end and closed, and the spools of the writers 0 to writers - 1 in the file set.
[[nodiscard]] SortedRecords* SortRecords(Spool* own, FileSet* file_set, const char* name, int writers);
// The next record's payload, valid until the next call; nullptr at the end.
const uint8* NextRecord(SortedRecords* records, uint64* key);
void EndRecords(SortedRecords* records);

}  // namespace annex::pg::ivf

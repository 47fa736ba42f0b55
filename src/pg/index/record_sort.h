// Sorting records of a fixed size whose bytes compare as they are to be sorted (numbers are big-endian), within memory
// and then in temporary files.
#pragma once

#include "pg/pg.h"

extern "C" {
#include "utils/tuplesort.h"
}

namespace annex::pg {

inline constexpr Size kMostRecordBytes = 32;

// `kilobytes` of memory; options as tuplesort_begin_datum takes them.
[[nodiscard]] Tuplesortstate* BeginRecordSort(int kilobytes, int options);
void PutRecord(Tuplesortstate* sort, const uint8* bytes, Size size);
// False at the end. Can be cancelled.
[[nodiscard]] bool GetRecord(Tuplesortstate* sort, uint8* bytes, Size size);

// What comes after.
uint8* PutBigEndian(uint8* to, uint64 value, int bytes);
const uint8* GetBigEndian(const uint8* from, int bytes, uint64* value);

}  // namespace annex::pg

// Records as values of type bytea, sorted by PostgreSQL.
#include "pg/index/record_sort.h"

extern "C" {
#include "catalog/pg_operator_d.h"
#include "catalog/pg_type_d.h"
}

namespace annex::pg {

Tuplesortstate* BeginRecordSort(int kilobytes, int options) {
    return tuplesort_begin_datum(BYTEAOID, ByteaLessOperator, InvalidOid, false, kilobytes, nullptr, options);
}

void PutRecord(Tuplesortstate* sort, const uint8* bytes, Size size) {
    alignas(varlena) char datum[VARHDRSZ + kMostRecordBytes];
    Assert(size <= kMostRecordBytes);
    SET_VARSIZE(datum, VARHDRSZ + size);
    memcpy(VARDATA(datum), bytes, size);
    tuplesort_putdatum(sort, PointerGetDatum(datum), false);
}

bool GetRecord(Tuplesortstate* sort, uint8* bytes, Size size) {
    CHECK_FOR_INTERRUPTS();
    Datum datum = 0;
    bool is_null = false;
    if (!ANNEX_TUPLESORT_GETDATUM(sort, &datum, &is_null)) return false;
    memcpy(bytes, VARDATA_ANY(DatumGetPointer(datum)), size);
    pfree(DatumGetPointer(datum));
    return true;
}

uint8* PutBigEndian(uint8* to, uint64 value, int bytes) {
    for (int i = bytes - 1; i >= 0; i--, value >>= 8) to[i] = static_cast<uint8>(value);
    return to + bytes;
}

const uint8* GetBigEndian(const uint8* from, int bytes, uint64* value) {
    *value = 0;
    for (int i = 0; i < bytes; i++) *value = *value << 8 | from[i];
    return from + bytes;
}

}  // namespace annex::pg

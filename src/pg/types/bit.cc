// Distances between bit strings, PostgreSQL's own type bit:
//
//     varlena header | int32 number of bits | bits, the first in the most significant bit of its byte, then zeros
//
// A string of up to 976 bits has a one-byte header in a heap tuple. It is read where it lies: to copy it first would
// take longer than the distance.
#include <cstring>

#include "annex/kernels.h"
#include "pg/function.h"

extern "C" {
#include "utils/varbit.h"
}

using annex::ActiveKernels;

namespace {

struct BitString {
    uint32 bits;
    size_t bytes;
    const uint8_t* data;
};

inline BitString GetBits(Datum datum) {
    auto* value = reinterpret_cast<struct varlena*>(DatumGetPointer(datum));
    if (unlikely(VARATT_IS_COMPRESSED(value) || VARATT_IS_EXTERNAL(value))) value = pg_detoast_datum_packed(value);
    const size_t size = VARSIZE_ANY_EXHDR(value);
    BitString string{0, 0, reinterpret_cast<const uint8_t*>(VARDATA_ANY(value)) + sizeof(int32)};
    if (likely(size >= sizeof(int32))) {
        // nothing is aligned behind a short header
        memcpy(&string.bits, VARDATA_ANY(value), sizeof(int32));
        string.bytes = size - sizeof(int32);
    }
    if (unlikely(size < sizeof(int32) || string.bytes != (size_t{string.bits} + 7) / 8))
        ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("malformed bit string"),
                        errdetail("It has %zu bytes and claims %u bits.", size, string.bits)));
    return string;
}

// The two arguments of a function, of equal length.
struct Operands {
    const uint8_t* a;
    const uint8_t* b;
    size_t bytes;
};

inline Operands GetOperands(FunctionCallInfo fcinfo) {
    const BitString a = GetBits(PG_GETARG_DATUM(0));
    const BitString b = GetBits(PG_GETARG_DATUM(1));
    if (unlikely(a.bits != b.bits))
        ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION), errmsg("different bit lengths %u and %u", a.bits, b.bits)));
    return {a.data, b.data, a.bytes};
}

}  // namespace

ANNEX_FUNCTION(annex_hamming_distance) {
    const auto [a, b, bytes] = GetOperands(fcinfo);
    PG_RETURN_FLOAT8(static_cast<double>(ActiveKernels().hamming(a, b, bytes)));
}

// The greatest distance, 1, where no bit is set in both: also between strings without any, which pgvector has it for.
ANNEX_FUNCTION(annex_jaccard_distance) {
    const auto [a, b, bytes] = GetOperands(fcinfo);
    const annex::BitCounts counts = ActiveKernels().jaccard(a, b, bytes);
    if (counts.both == 0) PG_RETURN_FLOAT8(1.0);
    PG_RETURN_FLOAT8(1.0 - static_cast<double>(counts.both) / static_cast<double>(counts.either));
}

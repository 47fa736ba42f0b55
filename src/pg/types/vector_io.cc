// The text and binary formats of vector, and its type modifier.
//
// Text: "[1,2,3]", each number the shortest that reads back as the same float. Binary, all big-endian: int16
// dimensions, int16 zero, float4 x[dimensions].
#include <bit>
#include <cstring>

#include "pg/function.h"
#include "pg/types/vector.h"

extern "C" {
#include "common/shortest_dec.h"
#include "libpq/pqformat.h"
#include "port/pg_bswap.h"
}

using namespace annex::pg;

ANNEX_FUNCTION(annex_vector_in) {
    float x[kMaxVectorDimensions];
    const int dimensions =
        ParseDense(kVectorType, PG_GETARG_CSTRING(0), PG_GETARG_INT32(2), x, ANNEX_ESCONTEXT(fcinfo));
    if (dimensions == 0) PG_RETURN_NULL();

    Vector* result = NewVector(dimensions);
    memcpy(result->x, x, sizeof(float) * static_cast<size_t>(dimensions));
    PG_RETURN_POINTER(result);
}

ANNEX_FUNCTION(annex_vector_out) {
    const Vector* vector = DatumGetVector(PG_GETARG_DATUM(0));
    // Each number with its comma or bracket; FLOAT_SHORTEST_DECIMAL_LEN counts a terminating zero.
    const size_t room = static_cast<size_t>(vector->dim) * FLOAT_SHORTEST_DECIMAL_LEN + 2;
    char* text = static_cast<char*>(palloc(room));
    char* p = text;

    *p++ = '[';
    for (int i = 0; i < vector->dim; i++) {
        if (i > 0) *p++ = ',';
        p += float_to_shortest_decimal_bufn(vector->x[i], p);
    }
    *p++ = ']';
    *p = '\0';
    PG_RETURN_CSTRING(text);
}

ANNEX_FUNCTION(annex_vector_typmod_in) {
    PG_RETURN_INT32(DenseTypmod(kVectorType, PG_GETARG_ARRAYTYPE_P(0)));
}

ANNEX_FUNCTION(annex_vector_recv) {
    auto message = reinterpret_cast<StringInfo>(PG_GETARG_POINTER(0));
    const int dimensions = static_cast<int>(pq_getmsgint(message, sizeof(int16)));
    const int unused = static_cast<int>(pq_getmsgint(message, sizeof(int16)));
    CheckDimensions(kVectorType, dimensions);
    CheckExpectedDimensions(PG_GETARG_INT32(2), dimensions);
    if (unused != 0)
        ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION), errmsg("expected unused to be 0, not %d", unused)));

    const size_t size = sizeof(float) * static_cast<size_t>(dimensions);
    const char* bytes = pq_getmsgbytes(message, static_cast<int>(size));
    Vector* result = NewVector(dimensions);
    for (int i = 0; i < dimensions; i++) {
        uint32 bits;
        memcpy(&bits, bytes + sizeof(bits) * static_cast<size_t>(i), sizeof(bits));
        result->x[i] = std::bit_cast<float>(pg_ntoh32(bits));
    }
    CheckElements(kVectorType, result->x, dimensions);
    PG_RETURN_POINTER(result);
}

ANNEX_FUNCTION(annex_vector_send) {
    const Vector* vector = DatumGetVector(PG_GETARG_DATUM(0));
    const size_t size = sizeof(float) * static_cast<size_t>(vector->dim);
    StringInfoData message;
    pq_begintypsend(&message);
    pq_sendint16(&message, static_cast<uint16>(vector->dim));
    pq_sendint16(&message, static_cast<uint16>(vector->unused));

    // All numbers at once: a call for each would take longer than the rest.
    enlargeStringInfo(&message, static_cast<int>(size));
    char* bytes = message.data + message.len;
    for (int i = 0; i < vector->dim; i++) {
        const uint32 bits = pg_hton32(std::bit_cast<uint32>(vector->x[i]));
        memcpy(bytes + sizeof(bits) * static_cast<size_t>(i), &bits, sizeof(bits));
    }
    message.len += static_cast<int>(size);
    PG_RETURN_BYTEA_P(pq_endtypsend(&message));
}

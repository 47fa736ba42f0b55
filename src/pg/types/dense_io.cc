// The text and binary formats of the dense types, and their type modifier.
//
// Text: "[1,2,3]", each number the shortest that reads back as the same float; a half is shown as the float that it is.
// Binary, all big-endian: int16 dimensions, int16 zero, element x[dimensions].
#include <bit>
#include <cstring>

#include "pg/function.h"
#include "pg/types/dense_floats.h"
#include "pg/types/halfvec.h"
#include "pg/types/vector.h"

extern "C" {
#include "common/shortest_dec.h"
#include "libpq/pqformat.h"
#include "port/pg_bswap.h"
}

using namespace annex::pg;

namespace {

template <class Value>
Datum In(FunctionCallInfo fcinfo) {
    float x[Value::kType.max_dimensions];
    const int dimensions =
        ParseDense(Value::kType, PG_GETARG_CSTRING(0), PG_GETARG_INT32(2), x, ANNEX_ESCONTEXT(fcinfo));
    if (dimensions == 0) PG_RETURN_NULL();

    auto* result = NewDenseToFill<Value>(dimensions);
    StoreFloats(x, result->x, dimensions);
    PG_RETURN_POINTER(result);
}

template <class Value>
Datum Out(FunctionCallInfo fcinfo) {
    const auto* value = DatumGetDense<Value>(PG_GETARG_DATUM(0));
    // Each number with its comma or bracket; FLOAT_SHORTEST_DECIMAL_LEN counts a terminating zero.
    const size_t room = static_cast<size_t>(value->dim) * FLOAT_SHORTEST_DECIMAL_LEN + 2;
    char* text = static_cast<char*>(palloc(room));
    char* p = text;

    *p++ = '[';
    for (int i = 0; i < value->dim; i++) {
        if (i > 0) *p++ = ',';
        p += float_to_shortest_decimal_bufn(ToFloat(value->x[i]), p);
    }
    *p++ = ']';
    *p = '\0';
    PG_RETURN_CSTRING(text);
}

// Elements in network order, and back.
uint32 ToNetwork(float element) {
    return pg_hton32(std::bit_cast<uint32>(element));
}
uint16 ToNetwork(uint16 half) {
    return pg_hton16(half);
}
void FromNetwork(const char* bytes, float* element) {
    uint32 bits;
    memcpy(&bits, bytes, sizeof(bits));
    *element = std::bit_cast<float>(pg_ntoh32(bits));
}
void FromNetwork(const char* bytes, uint16* half) {
    memcpy(half, bytes, sizeof(*half));
    *half = pg_ntoh16(*half);
}

template <class Value>
Datum Receive(FunctionCallInfo fcinfo) {
    auto message = reinterpret_cast<StringInfo>(PG_GETARG_POINTER(0));
    const int dimensions = static_cast<int16>(pq_getmsgint(message, sizeof(int16)));
    const int unused = static_cast<int16>(pq_getmsgint(message, sizeof(int16)));
    CheckDimensions(Value::kType, dimensions);
    CheckExpectedDimensions(PG_GETARG_INT32(2), dimensions);
    if (unused != 0)
        ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION), errmsg("expected unused to be 0, not %d", unused)));

    constexpr size_t kSize = sizeof(typename Value::Element);
    const char* bytes = pq_getmsgbytes(message, static_cast<int>(kSize * static_cast<size_t>(dimensions)));
    auto* result = NewDenseToFill<Value>(dimensions);
    for (int i = 0; i < dimensions; i++) FromNetwork(bytes + kSize * static_cast<size_t>(i), &result->x[i]);
    CheckElements(Value::kType, result->x, dimensions);
    PG_RETURN_POINTER(result);
}

template <class Value>
Datum Send(FunctionCallInfo fcinfo) {
    const auto* value = DatumGetDense<Value>(PG_GETARG_DATUM(0));
    constexpr size_t kSize = sizeof(typename Value::Element);
    const size_t size = kSize * static_cast<size_t>(value->dim);
    StringInfoData message;
    pq_begintypsend(&message);
    pq_sendint16(&message, static_cast<uint16>(value->dim));
    pq_sendint16(&message, static_cast<uint16>(value->unused));

    // All numbers at once: a call for each would take longer than the rest.
    enlargeStringInfo(&message, static_cast<int>(size));
    char* bytes = message.data + message.len;
    for (int i = 0; i < value->dim; i++) {
        const auto bits = ToNetwork(value->x[i]);
        static_assert(sizeof(bits) == kSize);
        memcpy(bytes + kSize * static_cast<size_t>(i), &bits, kSize);
    }
    message.len += static_cast<int>(size);
    PG_RETURN_BYTEA_P(pq_endtypsend(&message));
}

}  // namespace

ANNEX_FUNCTION(annex_vector_in) {
    return In<Vector>(fcinfo);
}
ANNEX_FUNCTION(annex_halfvec_in) {
    return In<HalfVector>(fcinfo);
}

ANNEX_FUNCTION(annex_vector_out) {
    return Out<Vector>(fcinfo);
}
ANNEX_FUNCTION(annex_halfvec_out) {
    return Out<HalfVector>(fcinfo);
}

ANNEX_FUNCTION(annex_vector_typmod_in) {
    PG_RETURN_INT32(DenseTypmod(Vector::kType, PG_GETARG_ARRAYTYPE_P(0)));
}
ANNEX_FUNCTION(annex_halfvec_typmod_in) {
    PG_RETURN_INT32(DenseTypmod(HalfVector::kType, PG_GETARG_ARRAYTYPE_P(0)));
}

ANNEX_FUNCTION(annex_vector_recv) {
    return Receive<Vector>(fcinfo);
}
ANNEX_FUNCTION(annex_halfvec_recv) {
    return Receive<HalfVector>(fcinfo);
}

ANNEX_FUNCTION(annex_vector_send) {
    return Send<Vector>(fcinfo);
}
ANNEX_FUNCTION(annex_halfvec_send) {
    return Send<HalfVector>(fcinfo);
}

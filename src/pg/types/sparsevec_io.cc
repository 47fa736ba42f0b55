// The text and binary formats of sparsevec, and its type modifier.
//
// Text: "{1:1.5,3:3.5}/5", indices counted from 1, each number the shortest that reads back as the same float, then the
// dimensions. Input may have the elements in any order, and zeros, which are dropped. Binary, all big-endian: int32
// dimensions, int32 elements, int32 zero, int32 indices[elements] counted from 0 and ascending, float4
// values[elements].
#include <algorithm>
#include <bit>
#include <climits>
#include <cstring>

#include "pg/function.h"
#include "pg/types/number_text.h"
#include "pg/types/sparsevec.h"

extern "C" {
#include "common/shortest_dec.h"
#include "libpq/pqformat.h"
#include "port/pg_bswap.h"
}

using namespace annex::pg;

namespace {

struct Element {
    int32 index;  // counted from 0
    float value;
};

// A literal being read. A function that returns false has put its error into escontext.
struct Parser {
    const char* literal;
    const char* p;
    const char* end;
    Node* escontext;
};

bool RefuseSyntax(const Parser& parser, const char* detail = nullptr) {
    ereturn(parser.escontext, false,
            (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
             errmsg("invalid input syntax for type sparsevec: \"%s\"", parser.literal),
             detail != nullptr ? errdetail("%s", detail) : 0));
}

// An integer, clamped to the range of int32, so that what is too large is found too large by whoever checks it.
bool ParseInteger(Parser* parser, int32* result) {
    const char* p = SkipSpace(parser->p);
    const auto [stop, error] = std::from_chars(p, parser->end, *result);
    if (likely(error == std::errc())) {
        parser->p = SkipSpace(stop);
        return true;
    }
    char* strtol_stop;
    const long value = strtol(p, &strtol_stop, 10);
    if (strtol_stop == p) return RefuseSyntax(*parser);
    *result = static_cast<int32>(std::clamp<long>(value, INT_MIN, INT_MAX));
    parser->p = SkipSpace(strtol_stop);
    return true;
}

bool ParseValue(Parser* parser, float* value) {
    const char* p = SkipSpace(parser->p);
    const char* stop = ReadNumber(p, parser->end, value);
    if (stop == p) return RefuseSyntax(*parser);
    if (errno == ERANGE && (*value == 0 || std::isinf(*value)))
        ereturn(parser->escontext, false,
                (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
                 errmsg("\"%s\" is out of range for type sparsevec", pnstrdup(p, static_cast<Size>(stop - p)))));
    if (std::isnan(*value))
        ereturn(parser->escontext, false, (errcode(ERRCODE_DATA_EXCEPTION), errmsg("NaN not allowed in sparsevec")));
    if (std::isinf(*value))
        ereturn(parser->escontext, false,
                (errcode(ERRCODE_DATA_EXCEPTION), errmsg("infinite value not allowed in sparsevec")));
    parser->p = SkipSpace(stop);
    return true;
}

// "{1:1.5,3:3.5}" into elements[], without the zeros and with indices of any kind.
bool ParseElements(Parser* parser, Element* elements, int* count) {
    *count = 0;
    parser->p = SkipSpace(parser->p + 1);
    if (*parser->p == '}') {
        parser->p = SkipSpace(parser->p + 1);
        return true;
    }
    for (;;) {
        int32 index;
        float value;
        if (!ParseInteger(parser, &index)) return false;
        if (*parser->p != ':') return RefuseSyntax(*parser);
        parser->p++;
        if (!ParseValue(parser, &value)) return false;
        // What is not positive stays out of bounds.
        if (value != 0) elements[(*count)++] = {index > 0 ? index - 1 : -1, value};

        const char separator = *parser->p;
        if (separator != ',' && separator != '}') return RefuseSyntax(*parser);
        parser->p = SkipSpace(parser->p + 1);
        if (separator == '}') return true;
    }
}

// "/5", and nothing after it.
bool ParseDimensions(Parser* parser, int32* dimensions) {
    if (*parser->p != '/') return RefuseSyntax(*parser, "Unexpected end of input.");
    parser->p++;
    if (!ParseInteger(parser, dimensions)) return false;
    if (*parser->p != '\0') return RefuseSyntax(*parser, "Junk after closing.");
    return true;
}

bool SoftCheckDimensions(const Parser& parser, int32 dimensions, int32 typmod) {
    if (dimensions < 1)
        ereturn(parser.escontext, false,
                (errcode(ERRCODE_DATA_EXCEPTION), errmsg("sparsevec must have at least 1 dimension")));
    if (dimensions > kSparsevecType.max_dimensions)
        ereturn(parser.escontext, false,
                (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                 errmsg("sparsevec cannot have more than %d dimensions", kSparsevecType.max_dimensions)));
    if (typmod != -1 && typmod != dimensions)
        ereturn(parser.escontext, false,
                (errcode(ERRCODE_DATA_EXCEPTION), errmsg("expected %d dimensions, not %d", typmod, dimensions)));
    return true;
}

// Whether an index may follow the previous one, or -1; the error otherwise.
bool SoftCheckIndex(int32 index, int32 previous, int32 dimensions, Node* escontext) {
    if (index < 0 || index >= dimensions)
        ereturn(escontext, false, (errcode(ERRCODE_DATA_EXCEPTION), errmsg("sparsevec index out of bounds")));
    if (index < previous)
        ereturn(escontext, false,
                (errcode(ERRCODE_DATA_EXCEPTION), errmsg("sparsevec indices must be in ascending order")));
    if (index == previous)
        ereturn(escontext, false,
                (errcode(ERRCODE_DATA_EXCEPTION), errmsg("sparsevec indices must not contain duplicates")));
    return true;
}

void SortByIndex(Element* elements, int count) {
    const auto by_index = [](const Element& a, const Element& b) { return a.index < b.index; };
    if (!std::is_sorted(elements, elements + count, by_index)) std::sort(elements, elements + count, by_index);
}

// The value of a literal; nullptr after an error that went into escontext.
Sparsevec* ParseSparsevec(const char* literal, int32 typmod, Node* escontext) {
    Parser parser = {literal, SkipSpace(literal), literal + strlen(literal), escontext};

    // No more elements than commas leave room for, zeros included.
    const int64 room = 1 + std::count(literal, parser.end, ',');
    if (room > kMaxSparsevecElements)
        ereturn(escontext, nullptr,
                (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                 errmsg("sparsevec cannot have more than %d non-zero elements", kMaxSparsevecElements)));
    if (*parser.p != '{') {
        RefuseSyntax(parser, "Vector contents must start with \"{\".");
        return nullptr;
    }

    auto* elements = static_cast<Element*>(palloc(sizeof(Element) * static_cast<size_t>(room)));
    int count;
    int32 dimensions;
    if (!ParseElements(&parser, elements, &count) || !ParseDimensions(&parser, &dimensions) ||
        !SoftCheckDimensions(parser, dimensions, typmod))
        return nullptr;
    SortByIndex(elements, count);

    Sparsevec* result = NewSparsevec(dimensions, count);
    float* values = SparsevecValues(result);
    for (int i = 0; i < count; i++) {
        const int32 previous = i == 0 ? -1 : elements[i - 1].index;
        if (!SoftCheckIndex(elements[i].index, previous, dimensions, escontext)) return nullptr;
        result->indices[i] = elements[i].index;
        values[i] = elements[i].value;
    }
    pfree(elements);
    return result;
}

// The next four bytes of a message. Inline, since a call for each would take longer than the rest.
inline uint32 NextWord(StringInfo message) {
    uint32 word;
    if (unlikely(message->len - message->cursor < static_cast<int>(sizeof word)))
        return pq_getmsgint(message, sizeof word);  // which reports it
    memcpy(&word, message->data + message->cursor, sizeof word);
    message->cursor += static_cast<int>(sizeof word);
    return pg_ntoh32(word);
}

void CheckReceivedCount(int32 elements, int32 dimensions) {
    if (elements < 0)
        ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION), errmsg("sparsevec cannot have negative number of elements")));
    CheckElementCount(elements);
    if (elements > dimensions)
        ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                        errmsg("sparsevec cannot have more elements than dimensions")));
}

void ReceiveElements(StringInfo message, Sparsevec* result) {
    for (int i = 0; i < result->nnz; i++) {
        const auto index = static_cast<int32>(NextWord(message));
        SoftCheckIndex(index, i == 0 ? -1 : result->indices[i - 1], result->dim, nullptr);
        result->indices[i] = index;
    }
    float* values = SparsevecValues(result);
    for (int i = 0; i < result->nnz; i++) {
        const auto value = std::bit_cast<float>(NextWord(message));
        CheckElements(kSparsevecType, &value, 1);
        if (value == 0)
            ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION),
                            errmsg("binary representation of sparsevec cannot contain zero values")));
        values[i] = value;
    }
}

inline void SendWord(char** bytes, uint32 word) {
    const uint32 big_endian = pg_hton32(word);
    memcpy(*bytes, &big_endian, sizeof big_endian);
    *bytes += sizeof big_endian;
}

}  // namespace

ANNEX_FUNCTION(annex_sparsevec_in) {
    const Sparsevec* result = ParseSparsevec(PG_GETARG_CSTRING(0), PG_GETARG_INT32(2), ANNEX_ESCONTEXT(fcinfo));
    if (result == nullptr) PG_RETURN_NULL();
    PG_RETURN_POINTER(result);
}

ANNEX_FUNCTION(annex_sparsevec_out) {
    const Sparsevec* vector = DatumGetCheckedSparsevec(PG_GETARG_DATUM(0));
    const annex::SparseVector view = ViewOf(vector);
    // An index has up to 10 digits; FLOAT_SHORTEST_DECIMAL_LEN counts a terminating zero. A colon and a comma each.
    constexpr size_t kDigits = 10;
    const size_t room = view.count * (kDigits + FLOAT_SHORTEST_DECIMAL_LEN + 1) + kDigits + 4;
    char* text = static_cast<char*>(palloc(room));
    char* p = text;

    *p++ = '{';
    for (size_t i = 0; i < view.count; i++) {
        if (i > 0) *p++ = ',';
        p += pg_ultoa_n(static_cast<uint32>(view.indices[i]) + 1, p);
        *p++ = ':';
        p += float_to_shortest_decimal_bufn(view.values[i], p);
    }
    *p++ = '}';
    *p++ = '/';
    p += pg_ultoa_n(static_cast<uint32>(vector->dim), p);
    *p = '\0';
    PG_RETURN_CSTRING(text);
}

ANNEX_FUNCTION(annex_sparsevec_typmod_in) {
    PG_RETURN_INT32(DenseTypmod(kSparsevecType, PG_GETARG_ARRAYTYPE_P(0)));
}

ANNEX_FUNCTION(annex_sparsevec_recv) {
    auto message = reinterpret_cast<StringInfo>(PG_GETARG_POINTER(0));
    const auto dimensions = static_cast<int32>(pq_getmsgint(message, sizeof(int32)));
    const auto elements = static_cast<int32>(pq_getmsgint(message, sizeof(int32)));
    const auto unused = static_cast<int32>(pq_getmsgint(message, sizeof(int32)));
    CheckDimensions(kSparsevecType, dimensions);
    CheckReceivedCount(elements, dimensions);
    CheckExpectedDimensions(PG_GETARG_INT32(2), dimensions);
    if (unused != 0)
        ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION), errmsg("expected unused to be 0, not %d", unused)));

    Sparsevec* result = NewSparsevec(dimensions, elements);
    ReceiveElements(message, result);
    PG_RETURN_POINTER(result);
}

ANNEX_FUNCTION(annex_sparsevec_send) {
    const Sparsevec* vector = DatumGetCheckedSparsevec(PG_GETARG_DATUM(0));
    const annex::SparseVector view = ViewOf(vector);
    StringInfoData message;
    pq_begintypsend(&message);
    pq_sendint32(&message, static_cast<uint32>(vector->dim));
    pq_sendint32(&message, static_cast<uint32>(vector->nnz));
    pq_sendint32(&message, static_cast<uint32>(vector->unused));

    const int size = static_cast<int>(SparsevecSize(vector->nnz) - SparsevecSize(0));
    enlargeStringInfo(&message, size);
    char* bytes = message.data + message.len;
    for (size_t i = 0; i < view.count; i++) SendWord(&bytes, static_cast<uint32>(view.indices[i]));
    for (size_t i = 0; i < view.count; i++) SendWord(&bytes, std::bit_cast<uint32>(view.values[i]));
    message.len += size;
    PG_RETURN_BYTEA_P(pq_endtypsend(&message));
}

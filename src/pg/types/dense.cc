// The checks, the text parser and the array casts of the dense types.
#include "pg/types/dense_value.h"

#include <bit>
#include <cmath>
#include <cstring>

#include "pg/types/number_text.h"

extern "C" {
#include "catalog/pg_type.h"
#include "utils/lsyscache.h"
}

namespace annex::pg {

void CheckDimensions(const DenseType& type, int dimensions) {
    if (dimensions < 1)
        ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION), errmsg("%s must have at least 1 dimension", type.name)));
    if (dimensions > type.max_dimensions)
        ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                        errmsg("%s cannot have more than %d dimensions", type.name, type.max_dimensions)));
}

void CheckExpectedDimensions(int32 typmod, int dimensions) {
    if (typmod != -1 && typmod != dimensions)
        ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION), errmsg("expected %d dimensions, not %d", typmod, dimensions)));
}

void CheckSameDimensions(const DenseType& type, int a, int b) {
    if (unlikely(a != b))
        ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION), errmsg("different %s dimensions %d and %d", type.name, a, b)));
}

void ReportMalformed(const DenseType& type, const void* value) {
    const size_t size = VARSIZE(value);
    if (size < sizeof(DenseHeader))
        ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("malformed %s", type.name),
                        errdetail("It has %zu bytes.", size)));
    ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("malformed %s", type.name),
                    errdetail("It has %zu bytes and claims %d dimensions.", size,
                              static_cast<const DenseHeader*>(value)->dim)));
    pg_unreachable();
}

bool AllFinite(const float* x, int dimensions) {
    // Without a branch and on integers, so that it vectorises: NaN and infinity are the values of the highest exponent.
    constexpr uint32 kExponent = 0x7f800000;
    uint32 special = 0;
    for (int i = 0; i < dimensions; i++) special |= (std::bit_cast<uint32>(x[i]) & kExponent) == kExponent ? 1U : 0U;
    return special == 0;
}

void CheckElements(const DenseType& type, const float* x, int dimensions) {
    if (likely(AllFinite(x, dimensions))) return;
    for (int i = 0; i < dimensions; i++) {
        if (std::isnan(x[i]))
            ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION), errmsg("NaN not allowed in %s", type.name)));
        if (std::isinf(x[i]))
            ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION), errmsg("infinite value not allowed in %s", type.name)));
    }
}

// -- text --

int ParseDense(const DenseType& type, const char* literal, int32 typmod, float* x, Node* escontext) {
    const char* end = literal + strlen(literal);
    const char* p = SkipSpace(literal);
    int dimensions = 0;

    if (*p != '[')
        ereturn(escontext, 0,
                (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
                 errmsg("invalid input syntax for type %s: \"%s\"", type.name, literal),
                 errdetail("Vector contents must start with \"[\".")));
    p = SkipSpace(p + 1);
    if (*p == ']')
        ereturn(escontext, 0,
                (errcode(ERRCODE_DATA_EXCEPTION), errmsg("%s must have at least 1 dimension", type.name)));

    for (;;) {
        if (dimensions == type.max_dimensions)
            ereturn(escontext, 0,
                    (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                     errmsg("%s cannot have more than %d dimensions", type.name, type.max_dimensions)));

        p = SkipSpace(p);
        float value;
        const char* stop = ReadNumber(p, end, &value);
        if (stop == p)
            ereturn(escontext, 0,
                    (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
                     errmsg("invalid input syntax for type %s: \"%s\"", type.name, literal)));
        // A value too small is read as zero or a subnormal, as pgvector does; one too large is refused.
        const bool overflow = errno == ERANGE && std::isinf(value);
        if (overflow || (std::isfinite(value) && std::fabs(value) >= type.out_of_range))
            ereturn(escontext, 0,
                    (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
                     errmsg("\"%s\" is out of range for type %s", pnstrdup(p, stop - p), type.name)));
        if (std::isnan(value))
            ereturn(escontext, 0, (errcode(ERRCODE_DATA_EXCEPTION), errmsg("NaN not allowed in %s", type.name)));
        if (std::isinf(value))
            ereturn(escontext, 0,
                    (errcode(ERRCODE_DATA_EXCEPTION), errmsg("infinite value not allowed in %s", type.name)));
        x[dimensions++] = value;

        p = SkipSpace(stop);
        if (*p == ']') break;
        if (*p != ',')
            ereturn(escontext, 0,
                    (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
                     errmsg("invalid input syntax for type %s: \"%s\"", type.name, literal)));
        p++;
    }

    p = SkipSpace(p + 1);
    if (*p != '\0')
        ereturn(escontext, 0,
                (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
                 errmsg("invalid input syntax for type %s: \"%s\"", type.name, literal),
                 errdetail("Junk after closing right brace.")));
    if (typmod != -1 && typmod != dimensions)
        ereturn(escontext, 0,
                (errcode(ERRCODE_DATA_EXCEPTION), errmsg("expected %d dimensions, not %d", typmod, dimensions)));
    return dimensions;
}

int32 DenseTypmod(const DenseType& type, ArrayType* modifiers) {
    int count;
    const int32* values = ArrayGetIntegerTypmods(modifiers, &count);
    if (count != 1) ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("invalid type modifier")));
    if (values[0] < 1)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("dimensions for type %s must be at least 1", type.name)));
    if (values[0] > type.max_dimensions)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("dimensions for type %s cannot exceed %d", type.name, type.max_dimensions)));
    return values[0];
}

// -- arrays --

int ArrayDimensions(const DenseType& type, ArrayType* array, int32 typmod) {
    if (ARR_NDIM(array) > 1) ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION), errmsg("array must be 1-D")));
    if (ARR_HASNULL(array) && array_contains_nulls(array))
        ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("array must not contain nulls")));

    const int dimensions = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
    CheckDimensions(type, dimensions);
    CheckExpectedDimensions(typmod, dimensions);
    return dimensions;
}

// Elements of a fixed size lie one after the other in an array without nulls.
template <typename Element>
static void ConvertElements(ArrayType* array, float* x, int dimensions) {
    const auto* elements = reinterpret_cast<const Element*>(ARR_DATA_PTR(array));
    for (int i = 0; i < dimensions; i++) x[i] = static_cast<float>(elements[i]);
}

static void ConvertNumerics(ArrayType* array, float* x, int dimensions) {
    int16 length;
    bool by_value;
    char alignment;
    Datum* elements;
    int count;
    get_typlenbyvalalign(NUMERICOID, &length, &by_value, &alignment);
    deconstruct_array(array, NUMERICOID, length, by_value, alignment, &elements, nullptr, &count);
    Assert(count == dimensions);
    for (int i = 0; i < dimensions; i++) x[i] = DatumGetFloat4(DirectFunctionCall1(numeric_float4, elements[i]));
    pfree(elements);
}

void ArrayToFloats(ArrayType* array, float* x, int dimensions) {
    switch (ARR_ELEMTYPE(array)) {
        case INT4OID:
            ConvertElements<int32>(array, x, dimensions);
            break;
        case FLOAT4OID:
            ConvertElements<float4>(array, x, dimensions);
            break;
        case FLOAT8OID:
            ConvertElements<float8>(array, x, dimensions);
            break;
        case NUMERICOID:
            ConvertNumerics(array, x, dimensions);
            break;
        default:
            ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION), errmsg("unsupported array type")));
    }
}

ArrayType* NewFloatArray(int dimensions) {
    const size_t size = ARR_OVERHEAD_NONULLS(1) + sizeof(float4) * static_cast<size_t>(dimensions);
    auto* array = static_cast<ArrayType*>(palloc(size));
    SET_VARSIZE(array, size);
    array->ndim = 1;
    array->dataoffset = 0;
    array->elemtype = FLOAT4OID;
    ARR_DIMS(array)[0] = dimensions;
    ARR_LBOUND(array)[0] = 1;
    return array;
}

}  // namespace annex::pg

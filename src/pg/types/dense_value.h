// A value of a dense type: its bytes, and how code of this library gets at them.
//
// On disk and in memory, the same bytes as pgvector's:
//
//     int32 varlena header | int16 dimensions | int16 zero | element x[dimensions]
//
// Elements are finite; -0 and subnormals are kept. In a heap tuple a short value (126 bytes with its header) may have a
// one-byte header, and one that does not fit the page is TOASTed uncompressed (STORAGE external); DatumGetDense undoes
// both.
//
// A struct that describes such a value (vector.h, halfvec.h) has these members, an Element and a kType.
#pragma once

#include <cstddef>
#include <cstring>

#include "pg/types/dense.h"

namespace annex::pg {

struct DenseHeader {
    int32 vl_len_;  // not to be touched directly
    int16 dim;
    int16 unused;  // always 0
};

template <class Value>
[[nodiscard]] constexpr size_t DenseSize(int dimensions) {
    static_assert(offsetof(Value, dim) == offsetof(DenseHeader, dim));
    static_assert(offsetof(Value, x) == sizeof(DenseHeader), "the format on disk");
    return offsetof(Value, x) + sizeof(typename Value::Element) * static_cast<size_t>(dimensions);
}

// Reports that a value's size and its dimensions disagree, which only damaged data or a foreign cast can bring about.
[[noreturn]] void ReportMalformed(const DenseType& type, const void* value);

template <class Value>
[[nodiscard]] inline const Value* CheckedDense(const struct varlena* bytes) {
    const auto* value = reinterpret_cast<const Value*>(bytes);
    const size_t size = VARSIZE(bytes);
    if (unlikely(size < DenseSize<Value>(1) || value->dim < 1 || size != DenseSize<Value>(value->dim)))
        ReportMalformed(Value::kType, value);
    return value;
}

// The value behind a datum. A plain one is used where it lies; a short or TOASTed one is copied into the current memory
// context.
template <class Value>
[[nodiscard]] inline const Value* DatumGetDense(Datum datum) {
    auto* bytes = reinterpret_cast<struct varlena*>(DatumGetPointer(datum));
    if (unlikely(!VARATT_IS_4B_U(bytes))) bytes = pg_detoast_datum(bytes);
    return CheckedDense<Value>(bytes);
}

// The elements of a value where they lie, which in a short one may be any address: code that looks at them one by one
// reads them by ElementAt, and the kernels that take such elements say so.
template <class Value>
struct DenseView {
    const typename Value::Element* x;
    int dim;
};

template <class Element>
[[nodiscard]] inline Element ElementAt(const Element* x, int i) {
    Element element;
    memcpy(&element, static_cast<const void*>(x + i), sizeof element);
    return element;
}

// A plain value and a short one where they lie; a TOASTed one is copied into the current memory context. A copy of a
// short value costs the kernels that read it more than itself: they wait for bytes that have just been written.
template <class Value>
[[nodiscard]] inline DenseView<Value> ViewDense(Datum datum) {
    const auto* bytes = reinterpret_cast<const struct varlena*>(DatumGetPointer(datum));
    if (VARATT_IS_SHORT(bytes) && !VARATT_IS_EXTERNAL(bytes)) {
        const char* data = VARDATA_SHORT(bytes);
        const size_t size = VARSIZE_SHORT(bytes) - VARHDRSZ_SHORT + VARHDRSZ;
        int16 dim = 0;
        if (likely(size >= DenseSize<Value>(1))) memcpy(&dim, data + (offsetof(Value, dim) - VARHDRSZ), sizeof dim);
        if (likely(dim >= 1 && size == DenseSize<Value>(dim)))
            return {reinterpret_cast<const typename Value::Element*>(data + (offsetof(Value, x) - VARHDRSZ)), dim};
    }
    const Value* value = DatumGetDense<Value>(datum);  // which reports a short one that is malformed, too
    return {value->x, value->dim};
}

// Room for the copy of a short value. Functions that look at small values and give them away to nobody keep the copy in
// their own frame: to allocate it takes as long as a distance.
struct ShortCopy {
    alignas(int32) char bytes[VARATT_SHORT_MAX - VARHDRSZ_SHORT + VARHDRSZ];
};

// The first bytes of a copy of `size` bytes and the last, which may overlap.
template <size_t kBytes>
inline void CopyBothEnds(char* to, const char* from, size_t size) {
    memcpy(to, from, kBytes);
    memcpy(to + size - kBytes, from + size - kBytes, kBytes);
}

// memcpy for what a short value holds. GCC makes of a memcpy of at most so many bytes a string instruction, `rep movs`,
// which takes longer to start than all the rest of a function that looks at a small value.
inline void CopyShort(char* to, const char* from, size_t size) {
    static_assert(VARATT_SHORT_MAX <= 2 * 64);
    if (size >= 64) return CopyBothEnds<64>(to, from, size);
    if (size >= 32) return CopyBothEnds<32>(to, from, size);
    if (size >= 16) return CopyBothEnds<16>(to, from, size);
    if (size >= 8) return CopyBothEnds<8>(to, from, size);
    if (size >= 4) return CopyBothEnds<4>(to, from, size);
    for (size_t i = 0; i < size; i++) to[i] = from[i];
}

// A plain value where it lies, a short one in `copy`, a TOASTed one in the current memory context: the caller's only
// where it is neither in the datum nor in `copy`.
[[nodiscard]] inline struct varlena* DetoastInto(Datum datum, ShortCopy* copy) {
    auto* value = reinterpret_cast<struct varlena*>(DatumGetPointer(datum));
    if (likely(VARATT_IS_4B_U(value))) return value;
    if (!VARATT_IS_SHORT(value) || VARATT_IS_EXTERNAL(value)) return pg_detoast_datum(value);
    const size_t size = VARSIZE_SHORT(value) - VARHDRSZ_SHORT;
    SET_VARSIZE(copy->bytes, size + VARHDRSZ);
    CopyShort(VARDATA(copy->bytes), VARDATA_SHORT(value), size);
    return reinterpret_cast<struct varlena*>(copy->bytes);
}

// The value behind a datum, which lives no longer than the copy.
template <class Value>
[[nodiscard]] inline const Value* DatumGetDense(Datum datum, ShortCopy* copy) {
    return CheckedDense<Value>(DetoastInto(datum, copy));
}

inline void FreeIfCopy(const void* value, Datum datum, const ShortCopy* copy) {
    if (value != DatumGetPointer(datum) && value != copy->bytes) pfree(const_cast<void*>(value));
}

// Frees what DatumGetDense copied. Needed only in functions that may run many times in one memory context, as a
// comparison does in a sort.
inline void FreeIfCopy(const void* value, Datum datum) {
    if (value != DatumGetPointer(datum)) pfree(const_cast<void*>(value));
}

// A new value in the current memory context, whose elements are left to the caller to fill. The caller has checked the
// dimensions.
template <class Value>
[[nodiscard]] inline Value* NewDenseToFill(int dimensions) {
    const size_t size = DenseSize<Value>(dimensions);
    auto* value = static_cast<Value*>(palloc(size));
    SET_VARSIZE(value, size);
    value->dim = static_cast<int16>(dimensions);
    value->unused = 0;
    return value;
}

// A new value of zeros.
template <class Value>
[[nodiscard]] inline Value* NewDense(int dimensions) {
    auto* value = NewDenseToFill<Value>(dimensions);
    memset(value->x, 0, sizeof(typename Value::Element) * static_cast<size_t>(dimensions));
    return value;
}

}  // namespace annex::pg

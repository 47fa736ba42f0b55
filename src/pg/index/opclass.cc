// Operator class support: the constants, and access to indexed values.
#include "pg/index/opclass.h"

#include "annex/sparse_image.h"
#include "pg/function.h"
#include "pg/types/dense_floats.h"
#include "pg/types/halfvec.h"
#include "pg/types/sparsevec.h"
#include "pg/types/vector.h"

extern "C" {
#include "access/genam.h"
#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "utils/builtins.h"
#include "utils/syscache.h"
#include "utils/varbit.h"
}

namespace annex::pg {

static constexpr OpclassInfo kVectorL2{Metric::kL2, ElementType::kVector, "l2"};
static constexpr OpclassInfo kVectorInnerProduct{Metric::kInnerProduct, ElementType::kVector, "inner product"};
static constexpr OpclassInfo kVectorCosine{Metric::kCosine, ElementType::kVector, "cosine"};
static constexpr OpclassInfo kVectorL1{Metric::kL1, ElementType::kVector, "l1"};
static constexpr OpclassInfo kHalfvecL2{Metric::kL2, ElementType::kHalfvec, "l2"};
static constexpr OpclassInfo kHalfvecInnerProduct{Metric::kInnerProduct, ElementType::kHalfvec, "inner product"};
static constexpr OpclassInfo kHalfvecCosine{Metric::kCosine, ElementType::kHalfvec, "cosine"};
static constexpr OpclassInfo kSparsevecL2{Metric::kL2, ElementType::kSparsevec, "l2"};
static constexpr OpclassInfo kSparsevecInnerProduct{Metric::kInnerProduct, ElementType::kSparsevec, "inner product"};
static constexpr OpclassInfo kSparsevecCosine{Metric::kCosine, ElementType::kSparsevec, "cosine"};
static constexpr OpclassInfo kSparsevecL1{Metric::kL1, ElementType::kSparsevec, "l1"};
static constexpr OpclassInfo kHalfvecL1{Metric::kL1, ElementType::kHalfvec, "l1"};
static constexpr OpclassInfo kBitHamming{Metric::kHamming, ElementType::kBit, "hamming"};
static constexpr OpclassInfo kBitJaccard{Metric::kJaccard, ElementType::kBit, "jaccard"};

static Datum InfoDatum(const OpclassInfo& info) {
    return PointerGetDatum(&info);
}

const OpclassInfo& OpclassOf(Relation index) {
    FmgrInfo* proc = index_getprocinfo(index, 1, index->rd_indam->amsupport);
    return *reinterpret_cast<const OpclassInfo*>(DatumGetPointer(FunctionCall1(proc, PointerGetDatum(nullptr))));
}

// Without its schema, which format_type_be adds where the search path is restricted, as in builds from PostgreSQL 17
// on.
static const char* BareTypeName(Oid type) {
    HeapTuple tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
    if (!HeapTupleIsValid(tuple)) return format_type_be(type);
    const char* name = pstrdup(NameStr(reinterpret_cast<Form_pg_type>(GETSTRUCT(tuple))->typname));
    ReleaseSysCache(tuple);
    return name;
}

// -1: it has none.
static int ColumnDimensions(Relation index) {
    return TupleDescAttr(RelationGetDescr(index), 0)->atttypmod;
}

static bool HasImages(const OpclassInfo& opclass, int column_dimensions) {
    return opclass.element == ElementType::kSparsevec && column_dimensions > kSparseImageDimensions;
}

static bool IsDense(ElementType element) {
    return element == ElementType::kVector || element == ElementType::kHalfvec;
}

static bool HasImages(const OpclassInfo& opclass, int column_dimensions, int dimensions) {
    if (IsDense(opclass.element)) return dimensions == kWideImageDimensions && column_dimensions > dimensions;
    return HasImages(opclass, column_dimensions);
}

bool HasImages(Relation index, int dimensions) {
    return HasImages(OpclassOf(index), ColumnDimensions(index), dimensions);
}

bool HasImages(Relation index) {
    return HasImages(OpclassOf(index), ColumnDimensions(index));
}

bool IndexHasImages(Oid index_oid) {
    Relation index = index_open(index_oid, NoLock);
    const bool has_images = HasImages(index);
    index_close(index, NoLock);
    return has_images;
}

int IndexDimensions(Relation index, int most, bool advise) {
    const FormData_pg_attribute* column = TupleDescAttr(RelationGetDescr(index), 0);
    // It takes classes of bit, and its values differ in length.
    if (column->atttypid == VARBITOID)
        ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                        errmsg("type not supported for %s index", get_am_name(index->rd_rel->relam))));
    const int dimensions = ColumnDimensions(index);
    const char* type = dimensions < 0 ? BareTypeName(index->rd_opcintype[0]) : nullptr;
    if (dimensions < 0)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("column does not have dimensions"),
                        !advise ? 0 : errdetail("An index needs every value to have the same number of dimensions."),
                        !advise ? 0
                                : errhint("Give the column a type such as %s(384), or index an expression such as "
                                          "((embedding::%s(384))).",
                                          type, type)));
    if (HasImages(OpclassOf(index), dimensions)) return kSparseImageDimensions;
    if (dimensions > most)
        ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                        errmsg("column cannot have more than %d dimensions for this index", most)));
    return dimensions;
}

FloatReader NewFloatReader(Relation index, int dimensions) {
    const OpclassInfo& opclass = OpclassOf(index);
    const int column_dimensions = ColumnDimensions(index);
    const bool has_images = HasImages(opclass, column_dimensions, dimensions);
    if (has_images && opclass.element == ElementType::kSparsevec && dimensions != kSparseImageDimensions)
        ereport(ERROR,
                (errcode(ERRCODE_INDEX_CORRUPTED), errmsg("index \"%s\" is corrupted", RelationGetRelationName(index)),
                 errdetail("Its images have %d dimensions.", dimensions), errhint("Please REINDEX it.")));
    const auto room = [](int floats) {
        return static_cast<float*>(palloc(sizeof(float) * static_cast<size_t>(floats)));
    };
    return {&opclass, dimensions, room(dimensions), has_images ? column_dimensions : dimensions,
            has_images && IsDense(opclass.element) ? room(column_dimensions) : nullptr};
}

// What is said of a value of other dimensions than expected.
using DimensionsCheck = void (*)(const DenseType& type, int expected, int dimensions);

static void CheckIndexed(const DenseType&, int expected, int dimensions) {
    CheckExpectedDimensions(expected, dimensions);
}

static ImageKind ImageKindOf(const FloatReader& reader) {
    return reader.opclass->metric == Metric::kL1 ? ImageKind::kOneBlock : ImageKind::kFourBlocks;
}

template <class Value>
static const float* WideFloats(const FloatReader& reader, Datum datum, DimensionsCheck check) {
    const auto* value = DatumGetDense<Value>(datum);
    check(Value::kType, reader.value_dimensions, value->dim);
    const float* floats = AsFloats(value->x, reader.value_dimensions, reader.wide);
    MakeDenseImage(floats, static_cast<size_t>(reader.value_dimensions), ImageKindOf(reader),
                   static_cast<size_t>(reader.dimensions), reader.buffer);
    FreeIfCopy(value, datum);
    return reader.buffer;
}

// A value that lies in a tuple or a plan stays there; a detoasted copy is done with once its floats are in the buffer.
template <class Value>
static const float* Floats(const FloatReader& reader, Datum datum, DimensionsCheck check) {
    if (reader.wide != nullptr) return WideFloats<Value>(reader, datum, check);
    const auto* value = DatumGetDense<Value>(datum);
    check(Value::kType, reader.dimensions, value->dim);
    const float* floats = AsFloats(value->x, reader.dimensions, reader.buffer);
    const bool copied = reinterpret_cast<const char*>(value) != DatumGetPointer(datum);
    if (copied && floats != reader.buffer) {
        StoreFloats(floats, reader.buffer, reader.dimensions);
        floats = reader.buffer;
    }
    FreeIfCopy(value, datum);
    return floats;
}

static const float* SparseFloats(const FloatReader& reader, Datum datum, DimensionsCheck check) {
    const Sparsevec* value = DatumGetSparsevec(datum);
    check(kSparsevecType, reader.value_dimensions, value->dim);
    // An image that is the vector itself has its values where its indices say.
    CheckSparsevecIndices(value);
    MakeSparseImage(ViewOf(value), static_cast<size_t>(value->dim), ImageKindOf(reader),
                    static_cast<size_t>(reader.dimensions), reader.buffer);
    FreeIfCopy(value, datum);
    return reader.buffer;
}

// Of damaged data the bits might end before its number of them does.
static void CheckBitString(const VarBit* value) {
    const Size size = VARSIZE(value);
    if (likely(size >= VARBITTOTALLEN(0) && VARBITLEN(value) >= 0 && size == VARBITTOTALLEN(VARBITLEN(value)))) return;
    ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("malformed bit string"),
                    errdetail("Its %zu bytes do not fit its number of bits.", size)));
}

// Bits as coordinates of 0 and 1.
static const float* BitsAsFloats(const FloatReader& reader, Datum datum, bool query) {
    auto* value = DatumGetVarBitP(datum);
    CheckBitString(value);
    if (VARBITLEN(value) != reader.dimensions) {
        if (query)
            ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION),
                            errmsg("different bit lengths %d and %d", reader.dimensions, VARBITLEN(value))));
        ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION),
                        errmsg("expected %d dimensions, not %d", reader.dimensions, VARBITLEN(value))));
    }
    const bits8* bits = VARBITS(value);
    for (int i = 0; i < reader.dimensions; i++)
        reader.buffer[i] = static_cast<float>(bits[i / BITS_PER_BYTE] >> (BITS_PER_BYTE - 1 - i % BITS_PER_BYTE) & 1);
    FreeIfCopy(value, datum);
    return reader.buffer;
}

static const float* Read(const FloatReader& reader, Datum datum, DimensionsCheck check) {
    switch (reader.opclass->element) {
        case ElementType::kVector:
            return Floats<Vector>(reader, datum, check);
        case ElementType::kHalfvec:
            return Floats<HalfVector>(reader, datum, check);
        case ElementType::kSparsevec:
            return SparseFloats(reader, datum, check);
        case ElementType::kBit:
            return BitsAsFloats(reader, datum, check == CheckSameDimensions);
    }
    elog(ERROR, "unknown element type %d", static_cast<int>(reader.opclass->element));
}

const float* IndexedFloats(const FloatReader& reader, Datum value) {
    return Read(reader, value, CheckIndexed);
}

const float* QueryFloats(const FloatReader& reader, Datum value) {
    return Read(reader, value, CheckSameDimensions);
}

static int DimensionsOf(const FloatReader& reader, Datum datum) {
    switch (reader.opclass->element) {
        case ElementType::kVector:
            return DatumGetDense<Vector>(datum)->dim;
        case ElementType::kHalfvec:
            return DatumGetDense<HalfVector>(datum)->dim;
        case ElementType::kSparsevec:
            return DatumGetSparsevec(datum)->dim;
        case ElementType::kBit:
            return VARBITLEN(DatumGetVarBitP(datum));
    }
    elog(ERROR, "unknown element type %d", static_cast<int>(reader.opclass->element));
}

const float* QueryFloatsIfFit(const FloatReader& reader, Datum value) {
    return DimensionsOf(reader, value) == reader.value_dimensions ? QueryFloats(reader, value) : nullptr;
}

}  // namespace annex::pg

using namespace annex::pg;

ANNEX_FUNCTION(annex_vector_l2_info) {
    return InfoDatum(kVectorL2);
}

ANNEX_FUNCTION(annex_vector_ip_info) {
    return InfoDatum(kVectorInnerProduct);
}

ANNEX_FUNCTION(annex_vector_cosine_info) {
    return InfoDatum(kVectorCosine);
}

ANNEX_FUNCTION(annex_vector_l1_info) {
    return InfoDatum(kVectorL1);
}

ANNEX_FUNCTION(annex_halfvec_l2_info) {
    return InfoDatum(kHalfvecL2);
}

ANNEX_FUNCTION(annex_halfvec_ip_info) {
    return InfoDatum(kHalfvecInnerProduct);
}

ANNEX_FUNCTION(annex_halfvec_cosine_info) {
    return InfoDatum(kHalfvecCosine);
}

ANNEX_FUNCTION(annex_sparsevec_l2_info) {
    return InfoDatum(kSparsevecL2);
}

ANNEX_FUNCTION(annex_sparsevec_ip_info) {
    return InfoDatum(kSparsevecInnerProduct);
}

ANNEX_FUNCTION(annex_sparsevec_cosine_info) {
    return InfoDatum(kSparsevecCosine);
}

ANNEX_FUNCTION(annex_sparsevec_l1_info) {
    return InfoDatum(kSparsevecL1);
}

ANNEX_FUNCTION(annex_bit_hamming_info) {
    return InfoDatum(kBitHamming);
}

ANNEX_FUNCTION(annex_bit_jaccard_info) {
    return InfoDatum(kBitJaccard);
}

ANNEX_FUNCTION(annex_halfvec_l1_info) {
    return InfoDatum(kHalfvecL1);
}

// Operator class support: the constants, and access to indexed values.
#include "pg/index/opclass.h"

#include "pg/types/vector.h"

namespace annex::pg {

static constexpr OpclassInfo kVectorL2{Metric::kL2, ElementType::kVector, "l2"};
static constexpr OpclassInfo kVectorInnerProduct{Metric::kInnerProduct, ElementType::kVector, "inner product"};
static constexpr OpclassInfo kVectorCosine{Metric::kCosine, ElementType::kVector, "cosine"};

static Datum InfoDatum(const OpclassInfo& info) {
    return PointerGetDatum(&info);
}

const OpclassInfo& OpclassOf(Relation index) {
    FmgrInfo* proc = index_getprocinfo(index, 1, kInfoProc);
    return *reinterpret_cast<const OpclassInfo*>(DatumGetPointer(FunctionCall1(proc, PointerGetDatum(nullptr))));
}

int IndexDimensions(Relation index, int most) {
    const int dimensions = TupleDescAttr(RelationGetDescr(index), 0)->atttypmod;
    if (dimensions < 0)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("column does not have dimensions"),
                        errdetail("An index needs every value to have the same number of dimensions."),
                        errhint("Give the column a type such as vector(384), or index an expression such as "
                                "((embedding::vector(384))).")));
    if (dimensions > most)
        ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                        errmsg("column cannot have more than %d dimensions for this index", most)));
    return dimensions;
}

const float* IndexedFloats(Datum value, int dimensions) {
    const Vector* vector = DatumGetVector(value);
    if (vector->dim != dimensions)
        ereport(ERROR,
                (errcode(ERRCODE_DATA_EXCEPTION), errmsg("expected %d dimensions, not %d", dimensions, vector->dim)));
    return vector->x;
}

const float* QueryFloats(Datum value, int dimensions) {
    const Vector* vector = DatumGetVector(value);
    if (vector->dim != dimensions)
        ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION),
                        errmsg("different vector dimensions %d and %d", dimensions, vector->dim)));
    return vector->x;
}

}  // namespace annex::pg

extern "C" {
PG_FUNCTION_INFO_V1(annex_vector_l2_info);
PGDLLEXPORT Datum annex_vector_l2_info(PG_FUNCTION_ARGS);
PG_FUNCTION_INFO_V1(annex_vector_ip_info);
PGDLLEXPORT Datum annex_vector_ip_info(PG_FUNCTION_ARGS);
PG_FUNCTION_INFO_V1(annex_vector_cosine_info);
PGDLLEXPORT Datum annex_vector_cosine_info(PG_FUNCTION_ARGS);

Datum annex_vector_l2_info(PG_FUNCTION_ARGS) {
    (void)fcinfo;
    return annex::pg::InfoDatum(annex::pg::kVectorL2);
}
Datum annex_vector_ip_info(PG_FUNCTION_ARGS) {
    (void)fcinfo;
    return annex::pg::InfoDatum(annex::pg::kVectorInnerProduct);
}
Datum annex_vector_cosine_info(PG_FUNCTION_ARGS) {
    (void)fcinfo;
    return annex::pg::InfoDatum(annex::pg::kVectorCosine);
}
}

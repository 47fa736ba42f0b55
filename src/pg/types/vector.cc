// Making vectors, and refusing what is none.
#include "pg/types/vector.h"

namespace annex::pg {

Vector* NewVector(int dimensions) {
    const size_t size = VectorSize(dimensions);
    auto* vector = static_cast<Vector*>(palloc0(size));
    SET_VARSIZE(vector, size);
    vector->dim = static_cast<int16>(dimensions);
    return vector;
}

void ReportMalformedVector(const Vector* vector) {
    const size_t size = VARSIZE(vector);
    if (size < offsetof(Vector, x))
        ereport(ERROR,
                (errcode(ERRCODE_DATA_CORRUPTED), errmsg("malformed vector"), errdetail("It has %zu bytes.", size)));
    ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("malformed vector"),
                    errdetail("It has %zu bytes and claims %d dimensions.", size, vector->dim)));
    pg_unreachable();
}

}  // namespace annex::pg

// Rows that functions return.
#include "pg/result_row.h"

extern "C" {
#include "access/htup_details.h"
#include "catalog/pg_type_d.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
}

#include <cmath>

namespace annex::pg {

ResultRow::ResultRow(FunctionCallInfo fcinfo) : desc_(nullptr) {
    if (get_call_result_type(fcinfo, nullptr, &desc_) != TYPEFUNC_COMPOSITE)
        elog(ERROR, "function %u must return a row", fcinfo->flinfo->fn_oid);
    desc_ = BlessTupleDesc(desc_);
    const auto columns = static_cast<Size>(desc_->natts);
    values_ = static_cast<Datum*>(palloc0(columns * sizeof(Datum)));
    nulls_ = static_cast<bool*>(palloc(columns * sizeof(bool)));
    memset(nulls_, true, columns);
}

void ResultRow::SetDatum(const char* column, Oid type, Datum value) {
    for (int i = 0; i < desc_->natts; i++) {
        const Form_pg_attribute attribute = TupleDescAttr(desc_, i);
        if (strcmp(NameStr(attribute->attname), column) != 0) continue;
        if (attribute->atttypid != type) elog(ERROR, "column \"%s\" is declared with another type", column);
        values_[i] = value;
        nulls_[i] = false;
        return;
    }
    elog(ERROR, "column \"%s\" is not declared", column);
}

void ResultRow::Set(const char* column, const char* value) {
    SetDatum(column, TEXTOID, CStringGetTextDatum(value));
}
void ResultRow::Set(const char* column, bool value) {
    SetDatum(column, BOOLOID, BoolGetDatum(value));
}
void ResultRow::Set(const char* column, uint32 value) {
    SetDatum(column, INT4OID, Int32GetDatum(static_cast<int32>(value)));
}
void ResultRow::Set(const char* column, int64 value) {
    SetDatum(column, INT8OID, Int64GetDatum(value));
}
void ResultRow::Set(const char* column, double value) {
    if (std::isfinite(value)) SetDatum(column, FLOAT8OID, Float8GetDatum(value));
}
void ResultRow::SetJson(const char* column, const char* value) {
    SetDatum(column, JSONBOID, DirectFunctionCall1(jsonb_in, CStringGetDatum(value)));
}

Datum ResultRow::Finish() const {
    return HeapTupleGetDatum(heap_form_tuple(desc_, values_, nulls_));
}

}  // namespace annex::pg

// The row that a function with OUT columns returns, filled column by column by their names: those that nobody names are
// NULL. So each access method tells what it knows.
#pragma once

#include "pg/pg.h"

extern "C" {
#include "funcapi.h"
}

namespace annex::pg {

class ResultRow {
  public:
    // Of the function that is being called; in the current memory context.
    explicit ResultRow(FunctionCallInfo fcinfo);

    // ERROR if the function has no such column. Numbers that are not finite are NULL.
    void Set(const char* column, const char* value);
    void Set(const char* column, bool value);
    void Set(const char* column, uint32 value);  // of an integer column
    void Set(const char* column, int64 value);   // of a bigint column
    void Set(const char* column, double value);
    void SetJson(const char* column, const char* value);

    [[nodiscard]] Datum Finish() const;

  private:
    void SetDatum(const char* column, Oid type, Datum value);

    TupleDesc desc_;
    Datum* values_;
    bool* nulls_;
};

}  // namespace annex::pg

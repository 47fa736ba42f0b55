// Filter columns of an index: those after its vector column, whose values a scan tests before any distance.
//
// An index's first column has an operator class for vectors (opclass.h), every further one a class for a type of
// filter_image.h, with strategies 1 to 5: <, <=, =, >=, >.
#pragma once

#include "pg/pg.h"

#include "annex/columns.h"
#include "pg/index/filter_image.h"

namespace annex::pg {

struct FilterColumn {
    const FilterType* type;
    Oid collation;
};

// A plain value. Column i is the index's attribute i + 2.
struct FilterColumns {
    ColumnLayout layout;
    FilterColumn columns[kMaxColumns];
};

// What an index's definition asks for. ERROR unless its first column alone is a vector and the others are within the
// limits.
[[nodiscard]] FilterColumns FilterColumnsOf(Relation index);

// The values of a row for its index entries, layout.value_bytes() of them, from all values of its index tuple.
void FilterValues(const FilterColumns& columns, const Datum* values, const bool* isnull, uint8* out);

// What the conditions of a scan ask of its rows, beside the filter.
struct ScanConditions {
    bool nothing;          // no row can pass
    bool recheck;          // rows that pass the filter need the executor's test (xs_recheck)
    bool vector_null;      // the vector must be NULL
    bool vector_not_null;  // it must not be
};

// Adds the conditions of scan keys to the filter, which has the columns' layout, and to *conditions.
void AddScanKeys(const FilterColumns& columns, const ScanKeyData* keys, int count, ColumnFilter* filter,
                 ScanConditions* conditions);

}  // namespace annex::pg

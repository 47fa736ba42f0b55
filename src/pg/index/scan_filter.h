// The filter of one scan by filter columns: made from the scan's keys each time the scan starts.
#pragma once

#include "pg/pg.h"

#include "pg/index/filter_column.h"
#include "pg/index/ordered_scan.h"

namespace annex::pg {

// Zeros: a scan that has not started.
struct ScanFilter {
    FilterColumns columns;
    ColumnFilter* made;  // belongs to the scan's memory context
    ScanConditions conditions;

    // What is to be asked of each row's values; nullptr: nothing.
    [[nodiscard]] const ColumnFilter* filter() const {
        return made == nullptr || made->lets_all_through() ? nullptr : made;
    }
};

// Makes the filter of the keys of the descriptor and of ordered.more_keys. `context` is where the scan's state lies,
// which lives as long as the scan.
void StartScanFilter(ScanFilter* filter, IndexScanDesc desc, const OrderedScan& ordered, MemoryContext context);

}  // namespace annex::pg

// Making a scan's filter.
#include "pg/index/scan_filter.h"

#include "pg/guard.h"

namespace annex::pg {

extern "C" {
static void DeleteFilter(void* arg) noexcept {
    delete static_cast<ScanFilter*>(arg)->made;
}
}

// The filter of an earlier start makes way for this one's.
static void Replace(ScanFilter* filter, MemoryContext context) {
    if (filter->made == nullptr) {
        auto* callback =
            static_cast<MemoryContextCallback*>(MemoryContextAlloc(context, sizeof(MemoryContextCallback)));
        callback->func = DeleteFilter;
        callback->arg = filter;
        MemoryContextRegisterResetCallback(context, callback);
    }
    Guard([&] {
        auto* made = new ColumnFilter(filter->columns.layout);
        delete filter->made;
        filter->made = made;
    });
}

void StartScanFilter(ScanFilter* filter, IndexScanDesc desc, const OrderedScan& ordered, MemoryContext context) {
    filter->conditions = ScanConditions{};
    const bool wanted = desc->numberOfKeys > 0 || ordered.more_key_count > 0;
    if (!wanted && filter->made == nullptr) return;
    if (filter->made == nullptr) filter->columns = FilterColumnsOf(desc->indexRelation);
    Replace(filter, context);
    AddScanKeys(filter->columns, desc->keyData, desc->numberOfKeys, filter->made, &filter->conditions);
    AddScanKeys(filter->columns, ordered.more_keys, ordered.more_key_count, filter->made, &filter->conditions);
}

}  // namespace annex::pg

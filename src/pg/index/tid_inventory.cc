// Heap TIDs against each other and against the table.
//
// They are sorted as records (pg/index/record_sort.h):
//   heap TID (6)  block (4)  values (8)
// `values` is a hash of those of the filter columns, which is there only if the index has any.
#include "pg/index/tid_inventory.h"

extern "C" {
#include "catalog/index.h"
#include "common/hashfn.h"
#include "utils/snapmgr.h"
}

#include <algorithm>

#include "annex/columns.h"
#include "pg/index/filter_column.h"
#include "pg/index/opclass.h"
#include "pg/index/page.h"
#include "pg/index/record_sort.h"

namespace annex::pg {

// ---- Notes ----

uint64 TidNumber(HeapTid tid) {
    return static_cast<uint64>(tid.block_high) << 32 | static_cast<uint64>(tid.block_low) << 16 | tid.offset;
}

BlockNumber BlockOfTid(uint64 tid) {
    return static_cast<BlockNumber>(tid >> 16);
}

OffsetNumber OffsetOfTid(uint64 tid) {
    return static_cast<OffsetNumber>(tid & 0xffff);
}

uint64 HashOfValues(const uint8* values, Size value_bytes) {
    return value_bytes == 0 ? 0 : hash_bytes_extended(values, static_cast<int>(value_bytes), 0);
}

bool TupleIsGone(Relation table, uint64 tid) {
    ItemPointerData pointer;
    ItemPointerSet(&pointer, BlockOfTid(tid), OffsetOfTid(tid));
    SnapshotData snapshot;
    InitDirtySnapshot(snapshot);
    return !table_index_fetch_tuple_check(table, &pointer, &snapshot, nullptr);
}

struct TidRecord {
    uint64 tid;
    BlockNumber block;
    uint64 values;
};

static constexpr Size kTidRecordBytes = 10;
static constexpr Size kValueHashBytes = 8;

static Size RecordBytes(const TidInventory& inventory) {
    return kTidRecordBytes + (inventory.value_bytes > 0 ? kValueHashBytes : 0);
}

static bool GetTidRecord(TidInventory* inventory, TidRecord* record) {
    uint8 bytes[kTidRecordBytes + kValueHashBytes] = {};
    if (!GetRecord(inventory->notes, bytes, RecordBytes(*inventory))) return false;
    uint64 block = 0;
    const uint8* from = GetBigEndian(GetBigEndian(bytes, 6, &record->tid), 4, &block);
    GetBigEndian(from, kValueHashBytes, &record->values);
    record->block = static_cast<BlockNumber>(block);
    return true;
}

void BeginTids(TidInventory* inventory) {
    inventory->notes = BeginRecordSort(maintenance_work_mem / 2, TUPLESORT_RANDOMACCESS);
}

void EndTids(TidInventory* inventory) {
    if (inventory->notes != nullptr) tuplesort_end(inventory->notes);
    inventory->notes = nullptr;
}

void NoteTid(TidInventory* inventory, HeapTid tid, BlockNumber block, const uint8* values) {
    if (inventory->notes == nullptr) return;
    uint8 bytes[kTidRecordBytes + kValueHashBytes];
    uint8* to = PutBigEndian(PutBigEndian(bytes, TidNumber(tid), 6), block, 4);
    PutBigEndian(to, HashOfValues(values, inventory->value_bytes), kValueHashBytes);
    PutRecord(inventory->notes, bytes, RecordBytes(*inventory));
}

void SortTids(TidInventory* inventory) {
    if (inventory->notes != nullptr) tuplesort_performsort(inventory->notes);
}

// ---- Each other ----

void CheckTidsDiffer(TidInventory* inventory) {
    TidRecord previous;
    if (!GetTidRecord(inventory, &previous)) return;
    TidRecord record;
    while (GetTidRecord(inventory, &record)) {
        if (record.tid == previous.tid)
            ReportCorrupted(inventory->index, record.block,
                            psprintf("heap tuple (%u,%u) stands here, and in block %u", BlockOfTid(record.tid),
                                     OffsetOfTid(record.tid), previous.block));
        previous = record;
    }
}

// ---- The table ----

// Goes through the sorted TIDs beside a scan of the table. TIDs of one heap block are taken together, since a scan
// gives a block's HOT chains in another order than their roots have.
struct TableCheck {
    TidInventory* inventory;
    BlockNumber block;  // whose TIDs `present` holds, or InvalidBlockNumber
    TidRecord ahead;    // read from the sort, of a later block
    bool more;          // `ahead` is one
    uint8 present[(UINT16_MAX + 1) / 8];
    uint64* values;         // by offset: hashes of the filter columns' values; nullptr: there are none
    MemoryContext context;  // reset for each tuple
    FilterColumns columns;
    bool all_rows;       // of the table are to be in the index
    FloatReader reader;  // for those that are not, in `context`
};

// Whether a row has no distance to anything, so that an index may leave it out.
static bool HasNoDistance(const TableCheck& check, const Datum* values, const bool* isnull) {
    if (isnull[0]) return true;
    if (check.reader.opclass->metric != Metric::kCosine) return false;
    const float* x = IndexedFloats(check.reader, values[0]);
    return std::all_of(x, x + check.reader.dimensions, [](float value) { return value == 0; });
}

static void GoToBlock(TableCheck* check, BlockNumber block) {
    if (check->block == InvalidBlockNumber || block < check->block) {
        tuplesort_rescan(check->inventory->notes);
        check->more = GetTidRecord(check->inventory, &check->ahead);
    }
    memset(check->present, 0, sizeof check->present);
    check->block = block;
    for (; check->more && BlockOfTid(check->ahead.tid) <= block;
         check->more = GetTidRecord(check->inventory, &check->ahead))
        if (BlockOfTid(check->ahead.tid) == block) {
            const OffsetNumber offset = OffsetOfTid(check->ahead.tid);
            check->present[offset / 8] = static_cast<uint8>(check->present[offset / 8] | 1 << (offset % 8));
            if (check->values != nullptr) check->values[offset] = check->ahead.values;
        }
}

extern "C" {

static void CheckTuple(Relation index, ItemPointer tid, Datum* values, bool* isnull, bool, void* state) noexcept {
    auto* check = static_cast<TableCheck*>(state);
    const BlockNumber block = ItemPointerGetBlockNumber(tid);
    const OffsetNumber offset = ItemPointerGetOffsetNumber(tid);
    if (block != check->block) GoToBlock(check, block);
    const bool present = (check->present[offset / 8] & 1 << (offset % 8)) != 0;
    if (!present && !check->all_rows) {
        MemoryContext caller = MemoryContextSwitchTo(check->context);
        const bool left_out = HasNoDistance(*check, values, isnull);
        MemoryContextSwitchTo(caller);
        MemoryContextReset(check->context);
        if (left_out) return;
    }
    if (!present)
        ereport(ERROR,
                (errcode(ERRCODE_INDEX_CORRUPTED), errmsg("index \"%s\" is corrupted", RelationGetRelationName(index)),
                 errdetail("Tuple (%u,%u) of table \"%s\" is not in the index.", block, offset,
                           RelationGetRelationName(check->inventory->table)),
                 errhint("Please REINDEX it.")));
    if (check->values == nullptr) return;
    uint8 column_values[kMostValueBytes];
    MemoryContext caller = MemoryContextSwitchTo(check->context);
    FilterValues(check->columns, values, isnull, column_values);
    MemoryContextSwitchTo(caller);
    MemoryContextReset(check->context);
    if (HashOfValues(column_values, check->inventory->value_bytes) != check->values[offset])
        ereport(ERROR,
                (errcode(ERRCODE_INDEX_CORRUPTED), errmsg("index \"%s\" is corrupted", RelationGetRelationName(index)),
                 errdetail("Tuple (%u,%u) of table \"%s\" has other filter columns in the index.", block, offset,
                           RelationGetRelationName(check->inventory->table)),
                 errhint("Please REINDEX it.")));
}
}  // extern "C"
// Expressions and predicates of the index are evaluated with the rights of the table's owner, as its build does.
void CheckTableIsIndexed(TidInventory* inventory, Snapshot snapshot, const ExpectedRows& expected) {
    auto* check = static_cast<TableCheck*>(palloc0(sizeof(TableCheck)));
    check->inventory = inventory;
    check->block = InvalidBlockNumber;
    check->columns = FilterColumnsOf(inventory->index);
    check->context = AllocSetContextCreate(CurrentMemoryContext, "annex_verify tuple", ALLOCSET_SMALL_SIZES);
    check->all_rows = expected.all;
    // The column's type may have lost its number of dimensions since the build.
    check->reader = NewFloatReader(inventory->index, expected.dimensions);
    if (inventory->value_bytes > 0) check->values = static_cast<uint64*>(palloc((UINT16_MAX + 1) * sizeof(uint64)));
    Oid user = InvalidOid;
    int security_context = 0;
    GetUserIdAndSecContext(&user, &security_context);
    SetUserIdAndSecContext(inventory->table->rd_rel->relowner, security_context | SECURITY_RESTRICTED_OPERATION);
    const int settings_level = NewGUCNestLevel();
    ANNEX_RESTRICT_SEARCH_PATH();

    // With ii_Concurrent a build asks what an MVCC snapshot sees; nothing is checked for uniqueness here.
    IndexInfo* index_info = BuildIndexInfo(inventory->index);
    index_info->ii_Concurrent = true;
    index_info->ii_Unique = false;
    index_info->ii_ExclusionOps = nullptr;
    index_info->ii_ExclusionProcs = nullptr;
    index_info->ii_ExclusionStrats = nullptr;
    // In order of blocks: a scan that joins another one would start in the middle. table_index_build_scan ends it.
    TableScanDesc scan = table_beginscan_strat(inventory->table, snapshot, 0, nullptr, true, false);
    table_index_build_scan(inventory->table, inventory->index, index_info, true, false, CheckTuple, check, scan);

    AtEOXact_GUC(false, settings_level);
    SetUserIdAndSecContext(user, security_context);
    MemoryContextDelete(check->context);
    pfree(check->reader.buffer);
    if (check->values != nullptr) pfree(check->values);
    pfree(check);
}

}  // namespace annex::pg

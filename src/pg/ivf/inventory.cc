// Comparing what the pages of an index hold: rows with their entries, heap TIDs with each other and with the table.
//
// Both comparisons sort records of fixed size whose bytes compare as they should sort (numbers are big-endian):
//   entries:  place (4)  kind (1)  heap TID (6)  list (4)  values (8)
//             a row sorts before the entries that refer to its place
//   tids:     heap TID (6)  block (4)  values (8)
// `values` is a hash of those of the filter columns, which is there only if the index has any.
// Each sort may take half of maintenance_work_mem and goes on in temporary files.
#include "pg/ivf/verify.h"

extern "C" {
#include "catalog/index.h"
#include "catalog/pg_operator_d.h"
#include "catalog/pg_type_d.h"
#include "common/hashfn.h"
#include "utils/snapmgr.h"
}

#include <algorithm>

#include "pg/index/filter_column.h"
#include "pg/ivf/dialect.h"

namespace annex::pg::ivf {

// ---- Records ----

static uint64 TidNumber(HeapTid tid) {
    return static_cast<uint64>(tid.block_high) << 32 | static_cast<uint64>(tid.block_low) << 16 | tid.offset;
}

static BlockNumber BlockOfTid(uint64 tid) {
    return static_cast<BlockNumber>(tid >> 16);
}

static OffsetNumber OffsetOfTid(uint64 tid) {
    return static_cast<OffsetNumber>(tid & 0xffff);
}

enum class RecordKind : uint8 { kRow = 0, kEntry = 1 };

struct EntryRecord {
    Place place;
    RecordKind kind;
    uint64 tid;
    uint32 list;
    uint64 values;
};

static constexpr Size kEntryRecordBytes = 15;
struct TidRecord {
    uint64 tid;
    BlockNumber block;
    uint64 values;
};

static constexpr Size kTidRecordBytes = 10;
static constexpr Size kValueHashBytes = 8;

static Size HashBytes(const Inventory* inventory) {
    return inventory->value_bytes > 0 ? kValueHashBytes : 0;
}

static uint64 HashOf(const Inventory* inventory, const uint8* values) {
    return inventory->value_bytes == 0 ? 0 : hash_bytes_extended(values, static_cast<int>(inventory->value_bytes), 0);
}

static uint8* PutBigEndian(uint8* to, uint64 value, int bytes) {
    for (int i = bytes - 1; i >= 0; i--, value >>= 8) to[i] = static_cast<uint8>(value);
    return to + bytes;
}

static const uint8* GetBigEndian(const uint8* from, int bytes, uint64* value) {
    *value = 0;
    for (int i = 0; i < bytes; i++) *value = *value << 8 | from[i];
    return from + bytes;
}

static Tuplesortstate* BeginSort(int sort_options) {
    return tuplesort_begin_datum(BYTEAOID, ByteaLessOperator, InvalidOid, false, maintenance_work_mem / 2, nullptr,
                                 sort_options);
}

static void PutRecord(Tuplesortstate* sort, const uint8* bytes, Size size) {
    alignas(varlena) char datum[VARHDRSZ + kEntryRecordBytes + kValueHashBytes];
    SET_VARSIZE(datum, VARHDRSZ + size);
    memcpy(VARDATA(datum), bytes, size);
    tuplesort_putdatum(sort, PointerGetDatum(datum), false);
}

// False at the end.
static bool GetRecord(Tuplesortstate* sort, uint8* bytes, Size size) {
    CHECK_FOR_INTERRUPTS();
    Datum datum = 0;
    bool is_null = false;
    if (!ANNEX_TUPLESORT_GETDATUM(sort, &datum, &is_null)) return false;
    memcpy(bytes, VARDATA_ANY(DatumGetPointer(datum)), size);
    pfree(DatumGetPointer(datum));
    return true;
}

static void PutEntryRecord(Inventory* inventory, const EntryRecord& record) {
    uint8 bytes[kEntryRecordBytes + kValueHashBytes];
    uint8* to = PutBigEndian(bytes, record.place, 4);
    to = PutBigEndian(to, static_cast<uint64>(record.kind), 1);
    to = PutBigEndian(to, record.tid, 6);
    to = PutBigEndian(to, record.list, 4);
    PutBigEndian(to, record.values, kValueHashBytes);
    PutRecord(inventory->entries, bytes, kEntryRecordBytes + HashBytes(inventory));
}

static bool GetEntryRecord(Inventory* inventory, EntryRecord* record) {
    uint8 bytes[kEntryRecordBytes + kValueHashBytes] = {};
    if (!GetRecord(inventory->entries, bytes, kEntryRecordBytes + HashBytes(inventory))) return false;
    uint64 place = 0, kind = 0, list = 0;
    const uint8* from = GetBigEndian(bytes, 4, &place);
    from = GetBigEndian(from, 1, &kind);
    from = GetBigEndian(from, 6, &record->tid);
    from = GetBigEndian(from, 4, &list);
    GetBigEndian(from, kValueHashBytes, &record->values);
    record->place = static_cast<Place>(place);
    record->kind = static_cast<RecordKind>(kind);
    record->list = static_cast<uint32>(list);
    return true;
}

static bool GetTidRecord(Inventory* inventory, TidRecord* record) {
    uint8 bytes[kTidRecordBytes + kValueHashBytes] = {};
    if (!GetRecord(inventory->tids, bytes, kTidRecordBytes + HashBytes(inventory))) return false;
    uint64 block = 0;
    const uint8* from = GetBigEndian(GetBigEndian(bytes, 6, &record->tid), 4, &block);
    GetBigEndian(from, kValueHashBytes, &record->values);
    record->block = static_cast<BlockNumber>(block);
    return true;
}

// ---- Notes ----

void BeginInventory(Inventory* inventory, bool with_entries) {
    inventory->entries = with_entries ? BeginSort(TUPLESORT_NONE) : nullptr;
    inventory->tids = BeginSort(TUPLESORT_RANDOMACCESS);
}

void EndInventory(Inventory* inventory) {
    if (inventory->entries != nullptr) tuplesort_end(inventory->entries);
    if (inventory->tids != nullptr) tuplesort_end(inventory->tids);
    inventory->entries = inventory->tids = nullptr;
}

void NoteRow(Inventory* inventory, Place place, HeapTid tid, const uint8* values) {
    if (inventory->entries != nullptr)
        PutEntryRecord(inventory, {place, RecordKind::kRow, TidNumber(tid), 0, HashOf(inventory, values)});
}

void NoteEntry(Inventory* inventory, Place place, HeapTid tid, uint32 list, const uint8* values) {
    if (inventory->entries != nullptr)
        PutEntryRecord(inventory, {place, RecordKind::kEntry, TidNumber(tid), list, HashOf(inventory, values)});
}

void NoteTid(Inventory* inventory, HeapTid tid, BlockNumber block, const uint8* values) {
    if (inventory->tids == nullptr) return;
    uint8 bytes[kTidRecordBytes + kValueHashBytes];
    uint8* to = PutBigEndian(PutBigEndian(bytes, TidNumber(tid), 6), block, 4);
    PutBigEndian(to, HashOf(inventory, values), kValueHashBytes);
    PutRecord(inventory->tids, bytes, kTidRecordBytes + HashBytes(inventory));
}

void SortInventory(Inventory* inventory) {
    if (inventory->entries != nullptr) tuplesort_performsort(inventory->entries);
    if (inventory->tids != nullptr) tuplesort_performsort(inventory->tids);
}

// ---- Rows and their entries ----

// True when a heap tuple is gone or its transaction has failed: what is left of it in the index needs not be whole, and
// vacuum will not let its TID be used again before it has gone through the index.
static bool TupleIsGone(Relation table, uint64 tid) {
    ItemPointerData pointer;
    ItemPointerSet(&pointer, BlockOfTid(tid), OffsetOfTid(tid));
    SnapshotData snapshot;
    InitDirtySnapshot(snapshot);
    return !table_index_fetch_tuple_check(table, &pointer, &snapshot, nullptr);
}

// A place and what was found there so far.
struct PlaceGroup {
    Place place;
    bool has_row;
    uint64 tid;  // of the row
    uint64 values;
    uint32 entries;    // that carry its TID
    uint32 last_list;  // of the last of these
};

static void FinishPlace(Inventory* inventory, const PlaceGroup& group) {
    if (!group.has_row || group.entries >= inventory->entries_per_row) return;
    if (TupleIsGone(inventory->table, group.tid)) {
        inventory->leftover_rows++;
        return;
    }
    const RowLayout& layout = inventory->layout;
    ReportCorrupted(
        inventory->index, layout.Block(group.place),
        psprintf("the row in slot %u, of heap tuple (%u,%u), has %u entries in lists and should have %u or more",
                 layout.Slot(group.place), BlockOfTid(group.tid), OffsetOfTid(group.tid), group.entries,
                 inventory->entries_per_row));
}

static void AddEntry(Inventory* inventory, PlaceGroup* group, const EntryRecord& entry) {
    if (!group->has_row || group->tid != entry.tid) {
        inventory->stale_entries++;
        return;
    }
    if (group->entries > 0 && group->last_list == entry.list)
        ReportCorrupted(
            inventory->index, inventory->layout.Block(group->place),
            psprintf("the row in slot %u has two entries in one list", inventory->layout.Slot(group->place)));
    if (group->values != entry.values)
        ReportCorrupted(inventory->index, inventory->layout.Block(group->place),
                        psprintf("the row in slot %u has other filter columns than its entry in list %u",
                                 inventory->layout.Slot(group->place), entry.list));
    group->entries++;
    group->last_list = entry.list;
}

void CheckEntriesOfRows(Inventory* inventory, const Mark* marks, BlockNumber blocks) {
    PlaceGroup group{};
    EntryRecord record;
    while (GetEntryRecord(inventory, &record)) {
        if (record.place != group.place) {
            FinishPlace(inventory, group);
            group = {record.place, false, 0, 0, 0, 0};
        }
        const BlockNumber block = inventory->layout.Block(record.place);
        if (block >= blocks || marks[block] != Mark::kHeapRows)
            ReportCorrupted(
                inventory->index, block,
                psprintf("list %u has an entry whose row should be here, but this is no page of rows", record.list));
        if (record.kind == RecordKind::kRow) {
            group.has_row = true;
            group.tid = record.tid;
            group.values = record.values;
        } else {
            AddEntry(inventory, &group, record);
        }
    }
    FinishPlace(inventory, group);
}

// ---- Heap TIDs ----

void CheckTidsDiffer(Inventory* inventory) {
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
    Inventory* inventory;
    BlockNumber block;  // whose TIDs `present` holds, or InvalidBlockNumber
    TidRecord ahead;    // read from the sort, of a later block
    bool more;          // `ahead` is one
    uint8 present[(UINT16_MAX + 1) / 8];
    uint64* values;         // by offset: hashes of the filter columns' values; nullptr: there are none
    MemoryContext context;  // reset for each tuple
    FilterColumns columns;
    bool all_rows;       // of the table are to be in the index: it is none of a dialect
    FloatReader reader;  // for those that are not, in `context`
};

// Whether a row has no distance to anything, so that a dialect's index leaves it out.
static bool HasNoDistance(const TableCheck& check, const Datum* values, const bool* isnull) {
    if (isnull[0]) return true;
    if (check.reader.opclass->metric != Metric::kCosine) return false;
    const float* x = IndexedFloats(check.reader, values[0]);
    return std::all_of(x, x + check.reader.dimensions, [](float value) { return value == 0; });
}

static void GoToBlock(TableCheck* check, BlockNumber block) {
    if (check->block == InvalidBlockNumber || block < check->block) {
        tuplesort_rescan(check->inventory->tids);
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
    if (HashOf(check->inventory, column_values) != check->values[offset])
        ereport(ERROR,
                (errcode(ERRCODE_INDEX_CORRUPTED), errmsg("index \"%s\" is corrupted", RelationGetRelationName(index)),
                 errdetail("Tuple (%u,%u) of table \"%s\" has other filter columns in the index.", block, offset,
                           RelationGetRelationName(check->inventory->table)),
                 errhint("Please REINDEX it.")));
}
}  // extern "C"
// Expressions and predicates of the index are evaluated with the rights of the table's owner, as its build does.
void CheckTableIsIndexed(Inventory* inventory, Snapshot snapshot) {
    auto* check = static_cast<TableCheck*>(palloc0(sizeof(TableCheck)));
    check->inventory = inventory;
    check->block = InvalidBlockNumber;
    check->columns = FilterColumnsOf(inventory->index);
    check->context = AllocSetContextCreate(CurrentMemoryContext, "annex_verify tuple", ALLOCSET_SMALL_SIZES);
    check->all_rows = DialectOf(inventory->index) == nullptr;
    // The column's type may have lost its number of dimensions since the build.
    MetaPage meta;
    ReadMeta(inventory->index, &meta);
    check->reader = NewFloatReader(inventory->index, static_cast<int>(meta.dimensions));
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

}  // namespace annex::pg::ivf

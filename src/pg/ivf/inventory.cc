// Comparing what the pages of an index hold: rows with their entries. (pg/index/tid_inventory.h compares heap TIDs with
// each other and with the table.)
//
// Records are sorted (pg/index/record_sort.h), in half of maintenance_work_mem:
//   place (4)  kind (1)  heap TID (6)  list (4)  values (8)
// A row sorts before the entries that refer to its place. `values` is a hash of those of the filter columns, which is
// there only if the index has any.
#include "pg/ivf/verify.h"

extern "C" {
#include "utils/snapmgr.h"
}

#include "pg/index/record_sort.h"

namespace annex::pg::ivf {

// ---- Records ----

enum class RecordKind : uint8 { kRow = 0, kEntry = 1 };

struct EntryRecord {
    Place place;
    RecordKind kind;
    uint64 tid;
    uint32 list;
    uint64 values;
};

static constexpr Size kEntryRecordBytes = 15;
static constexpr Size kValueHashBytes = 8;

static Size HashBytes(const Inventory* inventory) {
    return inventory->tids.value_bytes > 0 ? kValueHashBytes : 0;
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

// ---- Notes ----

void BeginInventory(Inventory* inventory, bool with_entries) {
    inventory->entries = with_entries ? BeginRecordSort(maintenance_work_mem / 2, TUPLESORT_NONE) : nullptr;
    BeginTids(&inventory->tids);
}

void EndInventory(Inventory* inventory) {
    if (inventory->entries != nullptr) tuplesort_end(inventory->entries);
    inventory->entries = nullptr;
    EndTids(&inventory->tids);
}

static uint64 HashOf(const Inventory* inventory, const uint8* values) {
    return HashOfValues(values, inventory->tids.value_bytes);
}

void NoteRow(Inventory* inventory, Place place, HeapTid tid, const uint8* values) {
    if (inventory->entries != nullptr)
        PutEntryRecord(inventory, {place, RecordKind::kRow, TidNumber(tid), 0, HashOf(inventory, values)});
}

void NoteEntry(Inventory* inventory, Place place, HeapTid tid, uint32 list, const uint8* values) {
    if (inventory->entries != nullptr)
        PutEntryRecord(inventory, {place, RecordKind::kEntry, TidNumber(tid), list, HashOf(inventory, values)});
}

void SortInventory(Inventory* inventory) {
    if (inventory->entries != nullptr) tuplesort_performsort(inventory->entries);
    SortTids(&inventory->tids);
}

// ---- Rows and their entries ----

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
    if (TupleIsGone(inventory->tids.table, group.tid)) {
        inventory->leftover_rows++;
        return;
    }
    const RowLayout& layout = inventory->layout;
    ReportCorrupted(
        inventory->tids.index, layout.Block(group.place),
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
            inventory->tids.index, inventory->layout.Block(group->place),
            psprintf("the row in slot %u has two entries in one list", inventory->layout.Slot(group->place)));
    if (group->values != entry.values)
        ReportCorrupted(inventory->tids.index, inventory->layout.Block(group->place),
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
                inventory->tids.index, block,
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

}  // namespace annex::pg::ivf

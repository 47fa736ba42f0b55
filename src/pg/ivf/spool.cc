// Partitions in temporary files, sorted one at a time.
#include "pg/ivf/spool.h"

#include <algorithm>

namespace annex::pg::ivf {

// What a partition should have: little enough for its records to stay in the processor's caches while they are put into
// order, and for the sort to take a fraction of a second.
static constexpr Size kMostPartitionBytes = Size{32} << 20;
static constexpr Size kFewestPartitionBytes = Size{256} << 10;
static constexpr double kMostPartitionRecords = 1 << 19;
static constexpr uint32 kMostPartitions = 2048;

// A loaded record is in memory once, with its key and number beside it.
struct SortKey {
    uint64 key;
    uint32 record;
};

static double PartitionRecords(Size record_bytes, Size memory) {
    const Size bytes = std::clamp(memory / 8, kFewestPartitionBytes, kMostPartitionBytes);
    return std::min(static_cast<double>(bytes) / static_cast<double>(record_bytes), kMostPartitionRecords);
}

SpoolPlan PlanSpool(Size payload_bytes, double records, uint64 last_key, Size memory, int writers) {
    SpoolPlan plan{static_cast<uint32>(payload_bytes), 1, 0, 0};
    const double wanted = records / PartitionRecords(plan.record_bytes(), memory);
    // Every partition has a buffer of a block in every writer.
    const Size buffers = memory / 4 / BLCKSZ;
    const auto most = static_cast<double>(buffers) / writers;
    plan.partitions =
        static_cast<uint32>(std::clamp(std::min(wanted, most), 1.0, static_cast<double>(kMostPartitions)));
    plan.width = last_key / plan.partitions + 1;
    return plan;
}

// ---- Writing ----

Spool NewSpool(const SpoolPlan& plan) {
    Spool spool{plan, nullptr, nullptr, 0, CurrentMemoryContext, nullptr, nullptr};
    spool.files = static_cast<BufFile**>(palloc0(plan.partitions * sizeof(BufFile*)));
    spool.counts = static_cast<uint64*>(palloc0(plan.partitions * sizeof(uint64)));
    return spool;
}

Spool NewSharedSpool(const SpoolPlan& plan, FileSet* file_set, const char* name, int writer) {
    Spool spool = NewSpool(plan);
    spool.file_set = file_set;
    spool.name = name;
    spool.writer = writer;
    return spool;
}

struct FileName {
    char text[MAXPGPATH];

    FileName(const char* name, int writer, uint32 partition) {
        pg_snprintf(text, sizeof text, "%s.%d.%u", name, writer, partition);
    }
};

static BufFile* OpenPartition(Spool* spool, uint32 partition) {
    MemoryContext old_context = MemoryContextSwitchTo(spool->context);
    BufFile* file = spool->file_set == nullptr
                        ? BufFileCreateTemp(false)
                        : BufFileCreateFileSet(spool->file_set, FileName(spool->name, spool->writer, partition).text);
    MemoryContextSwitchTo(old_context);
    return spool->files[partition] = file;
}

void PutRecord(Spool* spool, uint64 key, const void* head, Size head_bytes, const void* body, Size body_bytes) {
    const auto partition = static_cast<uint32>((key - spool->plan.first_key) / spool->plan.width);
    Assert(partition < spool->plan.partitions && head_bytes + body_bytes == spool->plan.payload_bytes);
    BufFile* file = spool->files[partition];
    if (file == nullptr) file = OpenPartition(spool, partition);
    // The arguments became const in 16.
    BufFileWrite(file, &key, sizeof key);
    if (head_bytes > 0) BufFileWrite(file, const_cast<void*>(head), head_bytes);
    if (body_bytes > 0) BufFileWrite(file, const_cast<void*>(body), body_bytes);
    spool->counts[partition]++;
}

void ExportSpool(Spool* spool) {
    for (uint32 i = 0; i < spool->plan.partitions; i++) {
        if (spool->files[i] == nullptr) continue;
        BufFileExportFileSet(spool->files[i]);
        BufFileClose(spool->files[i]);
        spool->files[i] = nullptr;
    }
}

// ---- Reading ----

// The partitions of one division of the keys, and which comes next.
struct Division {
    Spool own;
    FileSet* file_set;
    const char* name;
    int writers;
    uint32 next;
    Division* outer;  // what goes on after this one
};

// The files of one partition.
struct Partition {
    BufFile** files;
    uint64* counts;
    int file_count;
    uint64 records;
};

struct SortedRecords {
    MemoryContext context;
    MemoryContext loaded;  // the partition being read
    Division* division;
    Size payload_bytes;
    uint8* payloads;
    SortKey* keys;
    uint64 count;
    uint64 next;
};

static Partition OpenNext(Division* division) {
    const uint32 number = division->next++;
    const auto most = static_cast<Size>(division->writers) + 1;
    Partition partition{static_cast<BufFile**>(palloc(most * sizeof(BufFile*))),
                        static_cast<uint64*>(palloc(most * sizeof(uint64))), 0, 0};
    const auto add = [&](BufFile* file, uint64 count) {
        partition.files[partition.file_count] = file;
        partition.counts[partition.file_count++] = count;
        partition.records += count;
    };
    if (division->own.files[number] != nullptr) {
        add(division->own.files[number], division->own.counts[number]);
        division->own.files[number] = nullptr;
    }
    for (int writer = 0; writer < division->writers; writer++) {
        const FileName name(division->name, writer, number);
        BufFile* file = BufFileOpenFileSet(division->file_set, name.text, O_RDONLY, true);
        if (file != nullptr) add(file, static_cast<uint64>(BufFileSize(file)) / division->own.plan.record_bytes());
    }
    return partition;
}

static void Rewind(BufFile* file) {
    if (BufFileSeek(file, 0, 0, SEEK_SET) != 0)
        ereport(ERROR, (errcode_for_file_access(), errmsg("could not rewind a temporary file")));
}

static void ReadExactly(BufFile* file, void* to, Size bytes) {
    if (BufFileRead(file, to, bytes) != bytes)
        ereport(ERROR, (errcode_for_file_access(), errmsg("could not read from a temporary file: %m")));
}

// Calls visit(key, payload) for every record, in the order of the files; the payload goes to where `place` says.
template <typename Place, typename Visit>
static void ReadPartition(const Partition& partition, Size payload_bytes, Place place, Visit visit) {
    uint64 number = 0;
    for (int i = 0; i < partition.file_count; i++) {
        Rewind(partition.files[i]);
        for (uint64 record = 0; record < partition.counts[i]; record++, number++) {
            if (number % 1024 == 0) CHECK_FOR_INTERRUPTS();
            uint64 key;
            uint8* payload = place(number);
            ReadExactly(partition.files[i], &key, sizeof key);
            if (payload_bytes > 0) ReadExactly(partition.files[i], payload, payload_bytes);
            visit(number, key, payload);
        }
    }
}

static void ClosePartition(const Partition& partition) {
    for (int i = 0; i < partition.file_count; i++) BufFileClose(partition.files[i]);
}

// Too many records for one load go to partitions of their own, in the range that their keys have.
static void Divide(SortedRecords* records, const Partition& partition, const SpoolPlan& plan, Size memory) {
    auto* scratch = static_cast<uint8*>(palloc(plan.payload_bytes + 1));
    const auto place = [scratch](uint64) { return scratch; };
    uint64 least = UINT64_MAX;
    uint64 most = 0;
    ReadPartition(partition, plan.payload_bytes, place, [&](uint64, uint64 key, const uint8*) {
        least = std::min(least, key);
        most = std::max(most, key);
    });

    MemoryContext old_context = MemoryContextSwitchTo(records->context);
    auto* division = static_cast<Division*>(palloc0(sizeof(Division)));
    SpoolPlan inner = PlanSpool(plan.payload_bytes, static_cast<double>(partition.records), most - least, memory, 1);
    // At least two: the least and the greatest key then part, and there is an end to it.
    inner.partitions = std::max<uint32>(inner.partitions, 2);
    inner.first_key = least;
    inner.width = (most - least) / inner.partitions + 1;
    division->own = NewSpool(inner);
    MemoryContextSwitchTo(old_context);
    ReadPartition(partition, plan.payload_bytes, place, [&](uint64, uint64 key, const uint8* payload) {
        PutRecord(&division->own, key, payload, plan.payload_bytes, nullptr, 0);
    });
    ClosePartition(partition);
    division->outer = records->division;
    records->division = division;
}

static void Load(SortedRecords* records, const Partition& partition) {
    const Size payload_bytes = records->payload_bytes;
    const auto allocate = [](Size bytes) { return palloc_extended(bytes, MCXT_ALLOC_HUGE); };
    records->count = partition.records;
    records->next = 0;
    records->payloads = static_cast<uint8*>(allocate(partition.records * payload_bytes + 1));
    records->keys = static_cast<SortKey*>(allocate(partition.records * sizeof(SortKey)));
    ReadPartition(
        partition, payload_bytes, [&](uint64 number) { return records->payloads + number * payload_bytes; },
        [&](uint64 number, uint64 key, const uint8*) {
            records->keys[number] = {key, static_cast<uint32>(number)};
        });
    ClosePartition(partition);
    std::sort(records->keys, records->keys + records->count,
              [](const SortKey& a, const SortKey& b) { return a.key < b.key; });
}

// Loads the next partition that has records; false when there is none.
static bool LoadNext(SortedRecords* records) {
    MemoryContextReset(records->loaded);
    records->count = records->next = 0;
    MemoryContext old_context = MemoryContextSwitchTo(records->loaded);
    while (records->count == 0 && records->division != nullptr) {
        Division* division = records->division;
        if (division->next == division->own.plan.partitions) {
            records->division = division->outer;
            continue;
        }
        const Partition partition = OpenNext(division);
        if (partition.records == 0) {
            ClosePartition(partition);
            continue;
        }
        const Size memory = static_cast<Size>(maintenance_work_mem) * 1024;
        // Partitions differ in size; twice what was planned for is still no harm.
        const double most = 2 * PartitionRecords(division->own.plan.record_bytes(), memory);
        if (static_cast<double>(partition.records) > most && partition.records > 1 && division->own.plan.width > 1)
            Divide(records, partition, division->own.plan, memory);
        else
            Load(records, partition);
    }
    MemoryContextSwitchTo(old_context);
    return records->count > 0;
}

SortedRecords* SortRecords(Spool* own, FileSet* file_set, const char* name, int writers) {
    auto* records = static_cast<SortedRecords*>(palloc0(sizeof(SortedRecords)));
    records->context = CurrentMemoryContext;
    records->loaded = AllocSetContextCreate(CurrentMemoryContext, "ivf sorted records", ALLOCSET_DEFAULT_SIZES);
    records->payload_bytes = own->plan.payload_bytes;
    records->division = static_cast<Division*>(palloc0(sizeof(Division)));
    *records->division = Division{*own, file_set, name, writers, 0, nullptr};
    return records;
}

const uint8* NextRecord(SortedRecords* records, uint64* key) {
    if (records->next == records->count && !LoadNext(records)) return nullptr;
    const SortKey& next = records->keys[records->next++];
    *key = next.key;
    return records->payloads + next.record * records->payload_bytes;
}

void EndRecords(SortedRecords* records) {
    MemoryContextDelete(records->loaded);
    pfree(records);
}

}  // namespace annex::pg::ivf

// Counters of ordered scans by index. A table of fixed size, in shared memory or the session's own:
//
//   buckets   of 16 slots, chosen by a hash of database and index
//   slot      key (database << 32 | index; 0: free), time of the last reset, the counters; two cache lines
//
// Everything is atomic and nothing is locked. A slot is claimed by exchanging its key, the first free one of a bucket
// first, so that all who look for an index meet at the same one. Where a bucket is full, the slot of an index that has
// been dropped gives way to the new one; if there is none, the new index is not counted. Whoever adds to a slot at the
// moment when another index or a reset takes it over may leave a few counts there.
#include "pg/pg.h"

extern "C" {
#include "access/htup_details.h"
#include "access/xact.h"
#include "common/hashfn.h"
#include "funcapi.h"
#include "pgstat.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/resowner.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
}

#include <atomic>
#include <new>

#include "pg/function.h"
#include "pg/index/scan_statistics.h"

namespace annex::pg {
namespace {

// In the order of the columns of annex_stat_get.
enum Counter {
    kScans,
    kSetScans,
    kColumnScans,
    kExactScans,
    kRounds,
    kLists,
    kEntries,
    kPassed,
    kSkipped,
    kRefined,
    kReturned,
    kCounters
};

using Key = uint64;
using Number = std::atomic<uint64>;
static_assert(Number::is_always_lock_free, "counters are shared among processes");

constexpr Key kFree = 0;
constexpr Key kBusy = 1;  // no database has the OID 0
constexpr uint32 kSlotsPerBucket = 16;
constexpr uint32 kSharedBuckets = 256;
constexpr uint32 kLocalBuckets = 8;

struct Slot {
    std::atomic<Key> key;
    std::atomic<int64> reset;  // TimestampTz; 0: never
    Number counters[kCounters];
};

struct Bucket {
    Slot slots[kSlotsPerBucket];
};

struct Statistics {
    Bucket* buckets;  // nullptr: not yet there
    uint32 count;
    bool shared;
};

Statistics statistics;
Bucket local_buckets[kLocalBuckets];

shmem_request_hook_type previous_request;
shmem_startup_hook_type previous_startup;

// ---- The table ----

void InitBuckets(void* memory) noexcept {
    new (memory) Bucket[kSharedBuckets]{};
}

extern "C" {

static void RequestMemory() noexcept {
    if (previous_request != nullptr) previous_request();
    RequestAddinShmemSpace(sizeof(Bucket) * kSharedBuckets);
}

static void TakeMemory() noexcept {
    if (previous_startup != nullptr) previous_startup();
    bool found;
    LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
    void* memory = ShmemInitStruct("annex_stat_indexes", sizeof(Bucket) * kSharedBuckets, &found);
    if (!found) InitBuckets(memory);
    LWLockRelease(AddinShmemInitLock);
    statistics = {static_cast<Bucket*>(memory), kSharedBuckets, true};
}

}  // extern "C"

// Shared memory on demand may be refused; no query is to fail for its counters. What the attempt leaves behind goes
// with a subtransaction, which the releases that have such memory allow in parallel mode too.
void* AttachSegment() {
    MemoryContext context = CurrentMemoryContext;
    ResourceOwner owner = CurrentResourceOwner;
    void* volatile memory = nullptr;
    BeginInternalSubTransaction(nullptr);
    PG_TRY();
    {
        memory = NamedSegment("annex_stat_indexes", sizeof(Bucket) * kSharedBuckets, InitBuckets);
        ReleaseCurrentSubTransaction();
    }
    PG_CATCH();
    {
        MemoryContextSwitchTo(context);
        ErrorData* error = CopyErrorData();
        FlushErrorState();
        RollbackAndReleaseCurrentSubTransaction();
        if (error->sqlerrcode == ERRCODE_QUERY_CANCELED) ReThrowError(error);
        memory = nullptr;
        ereport(LOG, (errmsg("annex counts the index scans of this session by itself"),
                      errdetail("The shared counters cannot be had: %s", error->message)));
        FreeErrorData(error);
    }
    PG_END_TRY();
    MemoryContextSwitchTo(context);
    CurrentResourceOwner = owner;
    return memory;
}

const Statistics& Table() {
    if (statistics.buckets != nullptr) return statistics;
    void* memory = kNamedSegments && IsUnderPostmaster ? AttachSegment() : nullptr;
    statistics = memory != nullptr ? Statistics{static_cast<Bucket*>(memory), kSharedBuckets, true}
                                   : Statistics{local_buckets, kLocalBuckets, false};
    return statistics;
}

// ---- Slots ----

Key KeyOf(Oid index) {
    return static_cast<Key>(MyDatabaseId) << 32 | index;
}

Bucket* BucketOf(const Statistics& table, Oid index) {
    return &table.buckets[murmurhash32(index ^ murmurhash32(MyDatabaseId)) % table.count];
}

Slot* Find(Bucket* bucket, Key key) {
    for (Slot& slot : bucket->slots) {
        const Key found = slot.key.load(std::memory_order_acquire);
        if (found == key) return &slot;
        if (found == kFree) break;
    }
    return nullptr;
}

bool IsDropped(Key key) {
    return key != kBusy && key >> 32 == MyDatabaseId &&
           !SearchSysCacheExists1(RELOID, ObjectIdGetDatum(static_cast<Oid>(key)));
}

void Clear(Slot* slot, TimestampTz reset) {
    for (Number& counter : slot->counters) counter.store(0, std::memory_order_relaxed);
    slot->reset.store(reset, std::memory_order_relaxed);
}

// The slot of an index, made if need be; nullptr where none can be had.
Slot* Claim(Oid index) {
    Bucket* bucket = BucketOf(Table(), index);
    const Key key = KeyOf(index);
    if (Slot* slot = Find(bucket, key)) return slot;
    for (Slot& slot : bucket->slots) {
        Key found = kFree;
        if (slot.key.compare_exchange_strong(found, key) || found == key) return &slot;
    }
    for (Slot& slot : bucket->slots) {
        Key found = slot.key.load(std::memory_order_relaxed);
        if (!IsDropped(found) || !slot.key.compare_exchange_strong(found, kBusy)) continue;
        Clear(&slot, 0);
        slot.key.store(key, std::memory_order_release);
        return &slot;
    }
    return nullptr;
}

void Add(Slot* slot, Counter counter, uint64 amount) {
    if (amount != 0) slot->counters[counter].fetch_add(amount, std::memory_order_relaxed);
}

}  // namespace

// ---- What others call ----

void InitStatistics() {
    if (!process_shared_preload_libraries_in_progress || kNamedSegments) return;
    previous_request = shmem_request_hook;
    shmem_request_hook = RequestMemory;
    previous_startup = shmem_startup_hook;
    shmem_startup_hook = TakeMemory;
}

void PrepareToCountScans() {
    if (pgstat_track_counts) (void)Table();
}

void CountScans(Oid index, const ScanCounters& counters) {
    if (!pgstat_track_counts || counters.scans == 0 || statistics.buckets == nullptr) return;
    Slot* slot = Claim(index);
    if (slot == nullptr) return;
    Add(slot, kScans, counters.scans);
    Add(slot, kSetScans, counters.set_scans);
    Add(slot, kColumnScans, counters.column_scans);
    Add(slot, kRounds, counters.rounds);
    Add(slot, kLists, counters.lists);
    Add(slot, kEntries, counters.entries);
    Add(slot, kPassed, counters.passed);
    Add(slot, kSkipped, counters.skipped);
    Add(slot, kRefined, counters.refined);
    Add(slot, kReturned, counters.returned);
}

void CountExactScan(Oid index) {
    if (!pgstat_track_counts) return;
    if (Slot* slot = Claim(index)) Add(slot, kExactScans, 1);
}

}  // namespace annex::pg

// ---- What SQL calls ----

ANNEX_FUNCTION(annex_stat_get) {
    using namespace annex::pg;
    TupleDesc desc = nullptr;
    if (get_call_result_type(fcinfo, nullptr, &desc) != TYPEFUNC_COMPOSITE || desc->natts != kCounters + 2)
        elog(ERROR, "annex_stat_get must return a row of %d columns", kCounters + 2);
    desc = BlessTupleDesc(desc);

    const Oid index = PG_GETARG_OID(0);
    const Statistics& table = Table();
    const Slot* slot = Find(BucketOf(table, index), KeyOf(index));
    const TimestampTz reset = slot != nullptr ? slot->reset.load(std::memory_order_relaxed) : 0;
    Datum values[kCounters + 2];
    bool nulls[kCounters + 2] = {};
    for (int i = 0; i < kCounters; i++)
        values[i] = UInt64GetDatum(slot != nullptr ? slot->counters[i].load(std::memory_order_relaxed) : 0);
    values[kCounters] = BoolGetDatum(table.shared);
    values[kCounters + 1] = TimestampTzGetDatum(reset);
    nulls[kCounters + 1] = reset == 0;
    PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, values, nulls)));
}

// Of one index, or without an argument of all indexes of the database.
ANNEX_FUNCTION(annex_stat_reset) {
    using namespace annex::pg;
    const TimestampTz now = GetCurrentTimestamp();
    if (!PG_ARGISNULL(0)) {
        if (Slot* slot = Claim(PG_GETARG_OID(0))) Clear(slot, now);
        PG_RETURN_VOID();
    }
    const Statistics& table = Table();
    for (uint32 bucket = 0; bucket < table.count; bucket++) {
        for (Slot& slot : table.buckets[bucket].slots) {
            const Key key = slot.key.load(std::memory_order_acquire);
            if (key >> 32 == MyDatabaseId) Clear(&slot, now);
        }
    }
    PG_RETURN_VOID();
}

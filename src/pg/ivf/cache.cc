// The backend's cache of index structures.
#include "pg/ivf/cache.h"

extern "C" {
#include "utils/inval.h"
}

#include "pg/guard.h"
#include "pg/index/buffer_hints.h"
#include "pg/ivf/feed.h"

namespace annex::pg::ivf {

int cache_size_setting = 32 * 1024;

struct CachedIndex {
    CachedIndex* next;
    RelationFileId file;
    Oid oid;
    uint64 generation;
    bool pending;  // of a PendingMeta()
    bool ready;    // loaded to the end; an error may have come in between
    bool stale;
    int pins;
    uint64 last_use;
    Size bytes;
    Space* space;
    CentroidTable* centroids;
    ListDescriptor* descriptors;  // malloc'd, with `centroids` only
    uint32 slots;                 // of them
    BufferHints hints;
};

static CachedIndex* entries = nullptr;
static uint64 uses = 0;

static void Free(CachedIndex* entry) {
    for (CachedIndex** link = &entries; *link != nullptr; link = &(*link)->next) {
        if (*link != entry) continue;
        *link = entry->next;
        break;
    }
    delete entry->space;
    delete entry->centroids;
    free(entry->descriptors);
    entry->hints.Free();
    delete entry;
}

static Size BytesHeld() {
    Size bytes = 0;
    for (const CachedIndex* entry = entries; entry != nullptr; entry = entry->next) bytes += entry->bytes;
    return bytes;
}

// Frees what nobody uses: everything stale, and the least recently used until `bytes` more fit.
static void MakeRoom(Size bytes) {
    for (CachedIndex* entry = entries; entry != nullptr;) {
        CachedIndex* next = entry->next;
        if (entry->pins == 0 && (entry->stale || !entry->ready)) Free(entry);
        entry = next;
    }
    const Size limit = static_cast<Size>(cache_size_setting) * 1024;
    while (BytesHeld() + bytes > limit) {
        CachedIndex* oldest = nullptr;
        for (CachedIndex* entry = entries; entry != nullptr; entry = entry->next)
            if (entry->pins == 0 && (oldest == nullptr || entry->last_use < oldest->last_use)) oldest = entry;
        if (oldest == nullptr) return;
        Free(oldest);
    }
}

extern "C" {
static void Invalidate(Datum, Oid relation) noexcept {
    for (CachedIndex* entry = entries; entry != nullptr; entry = entry->next)
        if (relation == InvalidOid || relation == entry->oid) entry->stale = true;
}

static void InvalidateAll() noexcept {
    for (CachedIndex* entry = entries; entry != nullptr; entry = entry->next) entry->stale = true;
}

static void Unpin(void* arg) noexcept {
    auto* entry = static_cast<CachedIndex*>(arg);
    if (--entry->pins == 0 && (entry->stale || !entry->ready)) Free(entry);
}
}

static void PinUntil(CachedIndex* entry, MemoryContext owner) {
    auto* callback = static_cast<MemoryContextCallback*>(MemoryContextAllocZero(owner, sizeof(MemoryContextCallback)));
    callback->func = Unpin;
    callback->arg = entry;
    entry->pins++;
    entry->last_use = ++uses;
    MemoryContextRegisterResetCallback(owner, callback);
}

static void LoadSpace(CachedIndex* entry, Relation index, const MetaPage& meta) {
    auto* mean = static_cast<float*>(palloc(meta.dimensions * sizeof(float)));
    ReadMean(index, meta, mean);
    Guard([&] {
        entry->space =
            new Space(meta.metric, meta.dimensions, meta.seed, std::vector<float>(mean, mean + meta.dimensions));
    });
    pfree(mean);
}

// The centroid of each list of a descriptor page. False when something has moved.
static bool LoadDescriptorPage(CachedIndex* entry, Relation index, const MetaPage& meta, uint32 first, Page copy,
                               RowReader* reader) {
    const BlockNumber block = ListAt(meta, first).block;
    Buffer buffer = ReadBuffer(index, block);
    LockBuffer(buffer, BUFFER_LOCK_SHARE);
    memcpy(copy, BufferGetPage(buffer), BLCKSZ);
    UnlockReleaseBuffer(buffer);
    const DescriptorPage page = DescriptorPage::Open(index, block, copy);
    for (uint16 slot = 0; slot < page.header->count; slot++) {
        const ListDescriptor& descriptor = page.descriptors()[slot];
        if (!descriptor.LivedAt(meta.generation)) continue;
        entry->descriptors[first + slot] = descriptor;
        const HeapTid target = ListTarget({block, slot});
        RowFactors factors;
        const int8* codes = reader->Read(descriptor.centroid, target, RowOwner::kCentroids, &factors);
        if (codes == nullptr) {
            reader->Finish();
            CheckMoved(index, meta, block, "a list has no centroid");
            return false;
        }
        if (!(factors.scale >= 0 && factors.scale < 1e38F && factors.error >= 0 && factors.error < 1e38F))
            ReportCorrupted(index, block, "the factors of a centroid are impossible");
        Guard([&] { entry->centroids->Add(target, codes, factors.scale, factors.error); });
    }
    reader->Finish();
    return true;
}

static bool LoadCentroids(CachedIndex* entry, Relation index, const MetaPage& meta) {
    const uint32 slots = DescriptorSlots(meta);
    Guard([&] {
        entry->descriptors = static_cast<ListDescriptor*>(calloc(slots, sizeof(ListDescriptor)));
        if (entry->descriptors == nullptr) throw std::bad_alloc();
        entry->slots = slots;
        entry->centroids = new CentroidTable(meta.padded, meta.lists);
    });
    auto* scratch = static_cast<int8*>(palloc(meta.padded));
    auto* copy = static_cast<Page>(palloc(BLCKSZ));
    IndexFile file{index, 0};
    RowReader reader(&file, meta, scratch);
    for (uint32 first = 0; first < slots; first += kDescriptorsPerPage) {
        CHECK_FOR_INTERRUPTS();
        if (!LoadDescriptorPage(entry, index, meta, first, copy, &reader)) return false;
    }
    if (entry->centroids->size() != meta.lists) {
        CheckMoved(index, meta, 0, "there are not as many lists as the meta page says");
        return false;
    }
    Guard([&] { entry->centroids->Finish(); });
    pfree(copy);
    pfree(scratch);
    return true;
}

// nullptr: something has moved.
static CachedIndex* Load(Relation index, const MetaPage& meta, MemoryContext owner) {
    const Size centroid_bytes = meta.lists * CentroidTable::BytesPerList(meta.padded) +
                                SketchLayoutOf(meta).block_bytes() + DescriptorSlots(meta) * sizeof(ListDescriptor);
    // One index may take half of the cache; a larger one keeps its space alone.
    const bool with_centroids = centroid_bytes <= static_cast<Size>(cache_size_setting) * 1024 / 2;
    const Size bytes =
        sizeof(CachedIndex) + meta.padded * 8 + (with_centroids ? centroid_bytes + BufferHints::BytesFor(index) : 0);
    MakeRoom(bytes);

    CachedIndex* entry = nullptr;
    Guard([&] { entry = new CachedIndex{}; });
    entry->next = entries;
    entries = entry;
    entry->file = ANNEX_RELATION_FILE(index);
    entry->oid = RelationGetRelid(index);
    entry->generation = meta.generation;
    entry->pending = IsPending(meta);
    entry->bytes = bytes;
    PinUntil(entry, owner);
    LoadSpace(entry, index, meta);
    if (with_centroids) {
        if (!LoadCentroids(entry, index, meta)) return nullptr;
        entry->hints.Begin(index);
    }
    entry->ready = true;
    return entry;
}

static CachedIndex* FindEntry(Relation index, const MetaPage& meta) {
    const RelationFileId file = ANNEX_RELATION_FILE(index);
    for (CachedIndex* entry = entries; entry != nullptr; entry = entry->next)
        if (!entry->stale && entry->ready && entry->oid == RelationGetRelid(index) &&
            entry->generation == meta.generation && entry->pending == IsPending(meta) &&
            ANNEX_SAME_RELATION_FILE(entry->file, file))
            return entry;
    return nullptr;
}

static CachedIndex* FindOrLoad(Relation index, const MetaPage& meta, MemoryContext owner) {
    static bool registered = false;
    if (!registered) {
        CacheRegisterRelcacheCallback(Invalidate, 0);
        registered = true;
    }
    CachedIndex* entry = FindEntry(index, meta);
    if (entry == nullptr) return Load(index, meta, owner);
    PinUntil(entry, owner);
    return entry;
}

CachedIndex* AcquireIndex(Relation index, MetaPage* meta, MemoryContext owner) {
    for (;;) {
        CHECK_FOR_INTERRUPTS();
        if (CachedIndex* entry = FindOrLoad(index, *meta, owner)) return entry;
        ReadMeta(index, meta);
    }
}

CachedIndex* AcquirePendingIndex(Relation index, const MetaPage& meta, MemoryContext owner) {
    return FindOrLoad(index, meta, owner);
}

uint64 GenerationOf(const CachedIndex& cached) {
    return cached.generation;
}
const Space& SpaceOf(const CachedIndex& cached) {
    return *cached.space;
}
const CentroidTable* CentroidsOf(const CachedIndex& cached) {
    return cached.centroids;
}

bool DescriptorOf(CachedIndex* cached, Relation index, const MetaPage& meta, ListId id, ListDescriptor* descriptor) {
    if (cached->descriptors == nullptr) return ReadDescriptor(index, meta, id, descriptor);
    uint32 list;
    if (!ListNumber(meta, id, &list) || list >= cached->slots || cached->descriptors[list].state == ListState::kUnused)
        ReportCorrupted(index, 0, "a centroid names a list descriptor outside of the index");
    *descriptor = cached->descriptors[list];
    if (descriptor->first != InvalidBlockNumber) return true;
    // An empty list gets its first page when a row comes.
    if (!ReadDescriptor(index, meta, id, descriptor)) return false;
    cached->descriptors[list] = *descriptor;
    return true;
}

void RememberInsertPage(CachedIndex* cached, const MetaPage& meta, ListId id, BlockNumber block) {
    uint32 list;
    if (cached->descriptors != nullptr && ListNumber(meta, id, &list) && list < cached->slots)
        cached->descriptors[list].insert = block;
}

Buffer PinPage(CachedIndex* cached, Relation index, BlockNumber block) {
    return cached == nullptr ? ReadBuffer(index, block) : cached->hints.Pin(index, block);
}

void PrefetchDescriptor(const CachedIndex* cached, const MetaPage& meta, ListId id) {
    uint32 list;
    if (cached->descriptors != nullptr && ListNumber(meta, id, &list) && list < cached->slots)
        __builtin_prefetch(&cached->descriptors[list]);
}

BlockNumber FirstPageHint(const CachedIndex* cached, const MetaPage& meta, ListId id) {
    uint32 list;
    if (cached->descriptors == nullptr || !ListNumber(meta, id, &list) || list >= cached->slots)
        return InvalidBlockNumber;
    return cached->descriptors[list].first;
}

void PrefetchHint(const CachedIndex* cached, const MetaPage& meta, ListId id) {
    cached->hints.PrefetchHint(FirstPageHint(cached, meta, id));
}

const char* PrefetchPin(const CachedIndex* cached, BlockNumber block) {
    return cached == nullptr ? nullptr : cached->hints.PrefetchPin(block);
}

}  // namespace annex::pg::ivf

// Whatever is kept was kept under the old limit.
extern "C" void AssignCacheSize(int, void*) noexcept {
    annex::pg::ivf::InvalidateAll();
}

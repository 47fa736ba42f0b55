// The backend's cache of what searches begin with.
#include "pg/hnsw/cache.h"

extern "C" {
#include "utils/inval.h"
}

#include "pg/guard.h"
#include "pg/hnsw/hnsw.h"
#include "pg/hnsw/walk.h"
#include "pg/index/buffer_hints.h"

namespace annex::pg::hnsw {

// Memory for all entries; those that are in use stay whatever they take.
static constexpr Size kMostBytes = 32 * 1024 * 1024;

struct CachedIndex {
    CachedIndex* next;
    RelationFileId file;
    Oid oid;
    bool ready;  // loaded to the end; an error may have come in between
    bool stale;
    int pins;
    uint64 last_use;
    Size bytes;
    Space* space;
    EntryTable* table;
    bool table_read;
    uint32 entries_version;  // of the table
    uint32 entry_count;
    uint32 freed;
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
    delete entry->table;
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
    while (BytesHeld() + bytes > kMostBytes) {
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

void ReadMean(Relation index, const MetaPage& meta, float* mean) {
    ReadMeanChain(index, kFormat, static_cast<uint8>(PageKind::kMean), meta.mean, meta.dimensions, mean);
}

static CachedIndex* Load(Relation index, const MetaPage& meta, MemoryContext owner) {
    const Size bytes = sizeof(CachedIndex) + meta.padded * 8 +
                       meta.entry_count * EntryTable::BytesPerEntry(meta.padded) + BufferHints::BytesFor(index);
    MakeRoom(bytes);

    CachedIndex* entry = nullptr;
    Guard([&] { entry = new CachedIndex{}; });
    entry->next = entries;
    entries = entry;
    entry->file = ANNEX_RELATION_FILE(index);
    entry->oid = RelationGetRelid(index);
    entry->bytes = bytes;
    PinUntil(entry, owner);
    auto* mean = static_cast<float*>(palloc(meta.dimensions * sizeof(float)));
    ReadMean(index, meta, mean);
    Guard([&] {
        entry->space =
            new Space(meta.metric, meta.dimensions, meta.seed, std::vector<float>(mean, mean + meta.dimensions));
    });
    pfree(mean);
    entry->hints.Begin(index);
    entry->ready = true;
    return entry;
}

CachedIndex* AcquireIndex(Relation index, const MetaPage& meta, MemoryContext owner) {
    static bool registered = false;
    if (!registered) {
        CacheRegisterRelcacheCallback(Invalidate, 0);
        registered = true;
    }
    const RelationFileId file = ANNEX_RELATION_FILE(index);
    for (CachedIndex* entry = entries; entry != nullptr; entry = entry->next) {
        if (entry->stale || !entry->ready || entry->oid != RelationGetRelid(index) ||
            !ANNEX_SAME_RELATION_FILE(entry->file, file))
            continue;
        PinUntil(entry, owner);
        return entry;
    }
    return Load(index, meta, owner);
}

// ---- The rows to start from ----

// Adds the rows of the nodes that a page of the chain names to a table; nodes that are gone are left out. Returns the
// next page.
static BlockNumber AddEntriesOf(Walker* walker, BlockNumber block, EntryTable* table, uint8* copy, NodeId* ids) {
    Buffer buffer = ReadBuffer(walker->index, block);
    LockBuffer(buffer, BUFFER_LOCK_SHARE);
    const EntriesPage page = EntriesPage::Open(walker->index, block, BufferGetPage(buffer));
    const uint32 count = page.header->count;
    memcpy(ids, page.nodes(), count * sizeof(NodeId));
    const BlockNumber next = NextOf(page.page);
    UnlockReleaseBuffer(buffer);
    for (uint32 i = 0; i < count; i++) {
        CHECK_FOR_INTERRUPTS();
        if (!CopyNode(walker, ids[i], copy)) continue;
        const ConstGraphNode node(walker->places.node, copy);
        if (node.header().state != NodeState::kLive) continue;
        Guard([&] { table->Add(ids[i], node.row(), node.header().row); });
    }
    return next;
}

extern "C" {
static void DeleteTable(void* arg) noexcept {
    delete *static_cast<EntryTable**>(arg);
}
}

static EntryTable* ReadTable(CachedIndex* cached, Relation index, const MetaPage& meta) {
    MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "hnsw entries", ALLOCSET_SMALL_SIZES);
    MemoryContext old_context = MemoryContextSwitchTo(context);
    auto** table = static_cast<EntryTable**>(palloc0(sizeof(EntryTable*)));
    auto* callback = static_cast<MemoryContextCallback*>(palloc0(sizeof(MemoryContextCallback)));
    callback->func = DeleteTable;
    callback->arg = table;
    MemoryContextRegisterResetCallback(context, callback);

    Walker walker{index, PlacesOf(meta), ColumnsOf(meta).value_bytes(), cached, nullptr, 0};
    Guard([&] { *table = new EntryTable(*cached->space, walker.places.node); });
    auto* copy = static_cast<uint8*>(palloc(BLCKSZ));
    auto* ids = static_cast<NodeId*>(palloc(BLCKSZ));
    BlockNumber pages = 0;
    for (BlockNumber block = meta.entries.first; block != InvalidBlockNumber;) {
        if (block == 0 || block >= RelationGetNumberOfBlocks(index) || pages++ >= RelationGetNumberOfBlocks(index))
            ReportCorrupted(index, block, "the chain of entries names an impossible page");
        block = AddEntriesOf(&walker, block, *table, copy, ids);
    }
    EntryTable* result = *table;
    *table = nullptr;
    MemoryContextSwitchTo(old_context);
    MemoryContextDelete(context);
    return result;
}

void RefreshEntries(CachedIndex* cached, Relation index, const MetaPage& meta) {
    if (cached->table_read && cached->entries_version == meta.entries_version &&
        cached->entry_count == meta.entry_count && cached->freed == meta.freed)
        return;
    EntryTable* table = ReadTable(cached, index, meta);
    delete cached->table;
    cached->table = table;
    cached->table_read = true;
    cached->entries_version = meta.entries_version;
    cached->entry_count = meta.entry_count;
    cached->freed = meta.freed;
}

void AddToEntries(CachedIndex* cached, NodeId node, ConstGraphNode record) {
    Guard([&] { cached->table->Add(node, record.row(), record.header().row); });
    cached->entry_count++;
}

const Space& SpaceOf(const CachedIndex& cached) {
    return *cached.space;
}
const EntryTable& EntriesOf(const CachedIndex& cached) {
    return *cached.table;
}
Buffer PinPage(CachedIndex* cached, Relation index, BlockNumber block) {
    return cached->hints.Pin(index, block);
}
const char* PrefetchPin(const CachedIndex* cached, BlockNumber block) {
    return cached->hints.PrefetchPin(block);
}
void PrefetchHint(const CachedIndex* cached, BlockNumber block) {
    cached->hints.PrefetchHint(block);
}

}  // namespace annex::pg::hnsw

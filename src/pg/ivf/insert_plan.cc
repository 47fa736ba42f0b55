// The lists of a new row.
#include "pg/ivf/insert_plan.h"

#include "pg/guard.h"
#include "pg/ivf/feed.h"
#include "pg/ivf/maintain.h"

namespace annex::pg::ivf {

// ---- The inserter ----

extern "C" {
static void DeletePlacer(void* arg) noexcept {
    delete static_cast<RowPlacer*>(arg);
}
}

static MemoryContext NewContext(const Inserter& inserter, const char* name) {
    return AllocSetContextCreateInternal(inserter.context, name, ALLOCSET_SMALL_SIZES);
}

static void Acquire(Inserter* inserter) {
    MemoryContextReset(inserter->cached_context);
    inserter->cached = AcquireIndex(inserter->index, &inserter->meta, inserter->cached_context);
}

static void ReadMetaPage(Inserter* inserter) {
    ReadMeta(inserter->index, &inserter->meta);
    if (inserter->meta.pending != 0 && EndOrphanedPending(inserter->index)) ReadMeta(inserter->index, &inserter->meta);
}

Inserter* GetInserter(Relation index, IndexInfo* index_info) {
    if (index_info->ii_AmCache != nullptr) return static_cast<Inserter*>(index_info->ii_AmCache);
    MemoryContext old_context = MemoryContextSwitchTo(index_info->ii_Context);
    auto* inserter = static_cast<Inserter*>(palloc0(sizeof(Inserter)));
    inserter->index = index;
    inserter->context = index_info->ii_Context;
    inserter->row_context = NewContext(*inserter, "ivf insert row");
    inserter->cached_context = NewContext(*inserter, "ivf insert lists");
    inserter->pending_context = NewContext(*inserter, "ivf insert pending lists");
    ReadMetaPage(inserter);
    Acquire(inserter);
    inserter->left_row_page = InvalidBlockNumber;
    inserter->pack_scratch = static_cast<uint8*>(palloc(kBlockSize * SketchLayoutOf(inserter->meta).entry_bytes()));
    inserter->row_scratch = static_cast<int8*>(palloc(inserter->meta.padded));
    auto* callback = static_cast<MemoryContextCallback*>(palloc0(sizeof(MemoryContextCallback)));
    inserter->reader = NewFloatReader(index, static_cast<int>(inserter->meta.dimensions));
    inserter->columns = FilterColumnsOf(index);
    Guard([&] {
        inserter->placer = new RowPlacer();
        inserter->placer->SetColumns(inserter->columns.layout);
    });
    callback->func = DeletePlacer;
    callback->arg = inserter->placer;
    MemoryContextRegisterResetCallback(inserter->context, callback);
    MemoryContextSwitchTo(old_context);
    index_info->ii_AmCache = inserter;
    return inserter;
}

static void ReleasePending(Inserter* inserter) {
    inserter->pending_cached = nullptr;
    MemoryContextReset(inserter->pending_context);
}

void Refresh(Inserter* inserter) {
    ReadMetaPage(inserter);
    if (GenerationOf(*inserter->cached) != inserter->meta.generation) Acquire(inserter);
    if (inserter->pending_cached != nullptr && inserter->pending_meta.generation != inserter->meta.pending)
        ReleasePending(inserter);
}

// The pending generation's meta page and cache entry. False: it is no longer pending.
static bool AcquirePending(Inserter* inserter) {
    if (inserter->pending_cached != nullptr) return true;
    ReleasePending(inserter);
    inserter->pending_meta = PendingMeta(inserter->meta);
    inserter->pending_cached = AcquirePendingIndex(inserter->index, inserter->pending_meta, inserter->pending_context);
    return inserter->pending_cached != nullptr;
}

// ---- Ranking ----

// Ranks the centroids from their pages. False: they have moved.
static bool ConsiderPages(Inserter* inserter, const MetaPage& meta, CachedIndex* cached) {
    Relation index = inserter->index;
    RowPlacer* placer = inserter->placer;
    IndexFile file{index, 0, cached};
    if (!FeedRoot(&file, meta, &placer->search())) return false;
    std::span<const Survivor> centroids;
    Guard([&] { centroids = placer->NextCentroids(); });
    RowReader reader(&file, meta, inserter->row_scratch);
    for (const Survivor& centroid : centroids) {
        RowFactors factors;
        const int8* codes = reader.Read(centroid.place, centroid.heap_tid, RowOwner::kCentroids, &factors);
        if (codes == nullptr) {
            reader.Finish();
            CheckMoved(index, meta, meta.root.first, "a centroid has no row");
            return false;
        }
        Guard([&] { placer->Consider(centroid, codes, factors.scale); });
    }
    reader.Finish();
    return true;
}

RowClass BeginRow(Inserter* inserter, const float* x) {
    RowClass row_class = RowClass::kNormal;
    Guard([&] { row_class = inserter->placer->Begin(SpaceOf(*inserter->cached), x); });
    return row_class;
}

// Places the row in the lists of one generation.
static bool PlaceAmong(Inserter* inserter, const MetaPage& meta, CachedIndex* cached, const NewRow& row) {
    RowPlacer* placer = inserter->placer;
    if (const CentroidTable* centroids = CentroidsOf(*cached)) {
        Guard([&] { placer->ConsiderTable(*centroids); });
    } else if (!ConsiderPages(inserter, meta, cached)) {
        return false;
    }
    Guard([&] { placer->Place(row.heap_tid, meta.spill != 0, row.values); });
    return true;
}

// ---- Targets ----

// Whether the row has an entry in a list already, written here or by maintenance: lists of a generation that came after
// the row's first record have all rows but those that are marked as left to their inserts.
static bool IsDone(const NewRow& row, ListId id, uint64 generation) {
    if (row.written && generation > row.written_at && row.mark != PendingMark(generation)) return true;
    for (int i = 0; i < row.done_count; i++)
        if (row.done[i].id == id && row.done[i].generation == generation) return true;
    return false;
}

// The descriptor of a row's list. That a list dies in the pending generation is not known to the cache of the current
// one.
static bool FindDescriptor(Inserter* inserter, const MetaPage& meta, CachedIndex* cached, ListId id,
                           ListDescriptor* list) {
    const bool found = inserter->meta.pending == 0 || IsPending(meta)
                           ? DescriptorOf(cached, inserter->index, meta, id, list)
                           : ReadDescriptor(inserter->index, meta, id, list);
    if (!found) CheckMoved(inserter->index, meta, id.block, "a centroid names a list that is not live");
    return found;
}

// Makes targets of the placements from the first-th on. `dying`: set if one of their lists will not live in the pending
// generation. False: a list has moved.
static bool AddTargets(Inserter* inserter, const MetaPage& meta, CachedIndex* cached, size_t first, NewRow* row,
                       bool* dying) {
    std::span<const Placement> placements = inserter->placer->placements();
    for (size_t i = first; i < placements.size(); i++) {
        const ListId id = TargetList(placements[i].list);
        ListDescriptor list;
        if (!FindDescriptor(inserter, meta, cached, id, &list)) return false;
        *dying = *dying || (inserter->meta.pending != 0 && list.died == inserter->meta.pending);
        if (!IsDone(*row, id, list.generation))
            row->targets[row->target_count++] = {id, list.generation, &meta, cached, placements[i].entry, list.insert,
                                                 0};
    }
    return true;
}

// A long statement asks again after so many rows whether there still is anybody who builds what is pending.
static constexpr uint32 kPendingRows = 256;

bool PlanTargets(Inserter* inserter, NewRow* row) {
    row->target_count = 0;
    if (!row->written) row->mark = 0;
    bool dying = false;
    if (!PlaceAmong(inserter, inserter->meta, inserter->cached, *row)) return false;
    if (!AddTargets(inserter, inserter->meta, inserter->cached, 0, row, &dying)) return false;
    if (!dying) return true;

    // Maintenance takes all rows to the pending lists but for those marked as having gone there already. A row that was
    // written before these lists were announced is found unmarked: it would be in them twice.
    const uint16 mark = PendingMark(inserter->meta.pending);
    if (row->written && row->mark != mark) return true;
    if (++inserter->pending_rows % kPendingRows == 0 && EndOrphanedPending(inserter->index)) return false;
    row->mark = mark;
    if (!AcquirePending(inserter)) return false;
    const size_t first = inserter->placer->placements().size();
    inserter->placer->BeginLists();
    if (!PlaceAmong(inserter, inserter->pending_meta, inserter->pending_cached, *row)) return false;
    bool ignored = false;
    return AddTargets(inserter, inserter->pending_meta, inserter->pending_cached, first, row, &ignored);
}

}  // namespace annex::pg::ivf

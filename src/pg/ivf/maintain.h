// List maintenance: taking stock of an index, replacing lists that no longer suit the rows, and freeing what nobody
// needs any more. README.md, "Generations", has the protocol.
//
// All of it runs under ShareUpdateExclusiveLock on the table (vacuum has it, annex_maintain takes it), beside scans and
// inserts.
#pragma once

#include "pg/ivf/ivf.h"

namespace annex::pg::ivf {

// What one pass over an index has counted.
struct Census {
    double rows;         // with codes
    double entries;      // live, in the living lists
    double imbalance;    // lists * sum of squared sizes / square of the sum: 1 where all are alike
    double residual;     // mean squared residual of the entries, an estimate
    uint32* list_sizes;  // by number
};

// Reads every page once. Memory: 4 bytes a descriptor.
[[nodiscard]] Census TakeCensus(Relation index, const MetaPage& meta, BufferAccessStrategy strategy);

// The same for who has just written the lists: entries, imbalance and residual from list_sizes[slots] and the sum of
// SquaredSketchError over all entries, which is 0 of bits: their entries have no error.
void SumUp(const MetaPage& meta, uint32 slots, double squared_errors, Census* census);
[[nodiscard]] double SquaredSketchError(const MetaPage& meta, uint16 f_error);

// What those who count page by page share. The generation of each list that lives, by number; 0 for the others.
// generations[DescriptorSlots(meta)]. Can be cancelled.
void ReadGenerations(Relation index, const MetaPage& meta, uint64* generations);
// The number of the list that a page belongs to; false if that list does not live, or holds centroids.
[[nodiscard]] bool LivingListOf(const MetaPage& meta, const ListPage& page, const uint64* generations, uint32* list);
// The sum of SquaredSketchError over the page's live entries.
[[nodiscard]] double SquaredSketchErrors(const MetaPage& meta, const ListPage& page);

// The most lists up to `wanted` whose training fits into the memory for maintenance.
[[nodiscard]] uint32 ListsThatFit(const MetaPage& meta, uint32 wanted, double rows);

// Whether new lists would pay, and how many there should be, as far as they fit: when the rows are many more or fewer
// than those that the lists were made for, when the lists have become uneven, or when the rows lie far from their
// centroids.
[[nodiscard]] bool ListsAreDue(const MetaPage& meta, const Census& census, uint32* lists);

struct MaintenanceResult {
    uint32 replaced;    // lists
    uint32 made;        // lists
    BlockNumber freed;  // pages
};

// Who calls for maintenance. Vacuum has other things to do and does without what it sees will fail; whoever asks for it
// is to learn by an error why; `kForced` makes new lists in any case.
enum class MaintenanceCall : uint8 { kVacuum, kAsked, kForced };

// Does what is due.
[[nodiscard]] MaintenanceResult MaintainIndex(Relation index, MaintenanceCall call, int threads,
                                              BufferAccessStrategy strategy);

// Ends what is pending, unless maintenance is under way: inserts need not serve what nobody builds any more. Whether it
// has ended anything. Never waits.
bool EndOrphanedPending(Relation index);

// Records what the lists are like now, for later ones to be compared with.
void NoteListing(Relation index, BufferAccessStrategy strategy);

// One record on the meta page: change(MetaPage*).
template <typename Change>
void ChangeMeta(Relation index, Change change) {
    Buffer buffer = ReadBuffer(index, 0);
    LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
    CheckPage(index, 0, BufferGetPage(buffer), PageKind::kMeta);
    GenericXLogState* state = GenericXLogStart(index);
    change(MetaOf(GenericXLogRegisterBuffer(state, buffer, 0)));
    GenericXLogFinish(state);
    UnlockReleaseBuffer(buffer);
}

// ---- Its steps ----

// Ends what an interrupted maintenance has left: nothing is pending, no list is to come or to die.
void AbandonPending(Relation index);

// Whether the sort of that many rows' entries may write the temporary files it needs, some *kilobytes of them.
[[nodiscard]] bool SortIsAllowed(const MetaPage& meta, double rows, SpillOption spill, double* kilobytes);

// Replaces all lists by `lists` new ones.
void Relist(Relation index, uint32 lists, double rows, int threads, BufferAccessStrategy strategy);

// Frees the pages of lists that have died where no snapshot can need them, and those that never came to live.
[[nodiscard]] BlockNumber FreeLeftovers(Relation index, BufferAccessStrategy strategy);

}  // namespace annex::pg::ivf

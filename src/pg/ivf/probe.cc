// Probing lists: ranking, reading, refining.
#include "pg/ivf/probe.h"

#include <algorithm>

#include "pg/guard.h"

namespace annex::pg::ivf {

// Ranks enough centroids exactly to probe `wanted` lists, of which this round has probed `kept`; false when they have
// moved.
static bool RankLists(Prober* prober, Size wanted, Size kept) {
    ListSearch* search = prober->search;
    const Size ranked = search->ranked().size();
    const Size goal = ListSearch::RankedFor(wanted);
    if (ranked >= goal) return true;
    if (const CentroidTable* centroids = CentroidsOf(*prober->cached)) {
        Guard([&] { search->RankTable(*centroids, wanted, kept); });
        return true;
    }
    if (search->centroids() == 0 && !FeedRoot(&prober->file, *prober->meta, search)) return false;

    std::span<const Survivor> centroids;
    Guard([&] { centroids = search->NextCentroids(goal - ranked); });
    if (centroids.empty()) return true;
    RowReader reader(&prober->file, *prober->meta, prober->row_scratch);
    for (const Survivor& centroid : centroids) {
        RowFactors factors;
        const int8* codes = reader.Read(centroid.place, centroid.heap_tid, RowOwner::kCentroids, &factors);
        if (codes == nullptr) {
            reader.Finish();
            CheckMoved(prober->index, *prober->meta, prober->meta->root.first, "a centroid has no row");
            return false;
        }
        Guard([&] { search->Rank(centroid, codes, factors.scale, factors.error); });
    }
    reader.Finish();
    Guard([&] { search->SortRanked(kept); });
    return true;
}

// Rows lie where the processor's cache has seldom been, so that memory sets the pace: several are asked for before the
// first is needed.
static void RefineSurvivors(Prober* prober, std::span<const Survivor> survivors) {
    static constexpr size_t kAhead = 6;
    ListSearch* search = prober->search;
    RowReader reader(&prober->file, *prober->meta, prober->row_scratch);
    if (prober->read_ahead.Wanted()) reader.ReadAheadOf(survivors, prober->read_ahead);
    const size_t first = survivors.size() < kAhead ? survivors.size() : kAhead;
    for (size_t i = 0; i < first; i++) reader.Prefetch(survivors[i].place);
    for (size_t i = 0; i < survivors.size(); i++) {
        const Survivor& survivor = survivors[i];
        if (i + kAhead < survivors.size() && search->Wants(survivors[i + kAhead]))
            reader.Prefetch(survivors[i + kAhead].place);
        if (!search->Wants(survivor)) continue;
        RowFactors factors;
        const int8* codes = reader.Read(survivor.place, survivor.heap_tid, RowOwner::kHeap, &factors);
        // A row that is gone, or whose place another row has taken since, is none that this scan can see.
        if (codes != nullptr) Guard([&] { search->Refine(survivor, codes, factors); });
    }
    reader.Finish();
}

// False when the list has moved.
static bool ProbeList(Prober* prober, const RankedList& list) {
    ListSearch* search = prober->search;
    const ListId id = TargetList(list.target);
    ListDescriptor descriptor;
    if (!DescriptorOf(prober->cached, prober->index, *prober->meta, id, &descriptor)) {
        CheckMoved(prober->index, *prober->meta, id.block, "a centroid names a list that is not live");
        return false;
    }
    const bool relisted = descriptor.generation != kBuiltGeneration;
    Guard([&] { search->BeginList(list, relisted ? SketchSource::kCodes : SketchSource::kVectors); });
    const bool complete = FeedList(&prober->file, *prober->meta, search, id, descriptor, [&] {
        if (!search->Crowded()) return;
        std::span<const Survivor> survivors;
        Guard([&] { survivors = search->TakeSurvivors(); });
        RefineSurvivors(prober, survivors);
    });
    if (!complete) return false;
    std::span<const Survivor> survivors;
    Guard([&] { survivors = search->EndList(); });
    RefineSurvivors(prober, survivors);
    return true;
}

static void PrefetchList(const Prober* prober, const RankedList& list) {
    const BlockNumber first = FirstPageHint(prober->cached, *prober->meta, TargetList(list.target));
    PrefetchPage(prober->cached, *prober->search, first, 0);
}

// Asks for the pages of the lists that come after the one at `at`, as far ahead as reading ahead goes and as they still
// seem worth it.
static void ReadListsAhead(Prober* prober, uint32 at, uint32 least) {
    const std::span<const RankedList> ranked = prober->search->ranked();
    const auto end = static_cast<uint32>(std::min<Size>(at + 1 + prober->read_ahead.pages(), ranked.size()));
    for (uint32 i = std::max(at + 1, prober->asked); i < end; i++) {
        if (i >= least && !prober->search->WorthProbing(ranked[i])) return;
        ListDescriptor descriptor;
        if (DescriptorOf(prober->cached, prober->index, *prober->meta, TargetList(ranked[i].target), &descriptor) &&
            descriptor.first != InvalidBlockNumber && prober->file.Holds(descriptor.first + descriptor.contiguous - 1))
            prober->read_ahead.Ask(prober->index, descriptor.first, std::max(descriptor.contiguous, 1U));
        prober->asked = i + 1;
    }
}

bool ProbeLists(Prober* prober, const Round& round, uint32* probed) {
    ListSearch* search = prober->search;
    // The greatest LIMIT, or its multiple by a rare filter, is no integer.
    const auto k = static_cast<size_t>(std::min(round.k, 1e9));
    Guard([&] { search->BeginRound(k, round.patience); });
    uint32 next = round.from;
    prober->asked = 0;
    for (; next < round.most; next++) {
        if (!RankLists(prober, ListSearch::RankAhead(next, round.most, round.patience), next)) return false;
        const std::span<const RankedList> ranked = search->ranked();
        if (next >= ranked.size() || (next >= round.least && !search->WorthProbing(ranked[next]))) break;
        if (prober->read_ahead.Wanted()) ReadListsAhead(prober, next, round.least);
        if (next + 1 < round.most && next + 1 < ranked.size()) PrefetchList(prober, ranked[next + 1]);
        // Each step needs what the one before it asked for: descriptor, where its page is, the page.
        if (next + 2 < ranked.size()) PrefetchHint(prober->cached, *prober->meta, TargetList(ranked[next + 2].target));
        if (next + 3 < ranked.size())
            PrefetchDescriptor(prober->cached, *prober->meta, TargetList(ranked[next + 3].target));
        if (!ProbeList(prober, ranked[next])) return false;
    }
    *probed = next;
    Guard([&] { search->EndRound(next); });
    return true;
}

}  // namespace annex::pg::ivf

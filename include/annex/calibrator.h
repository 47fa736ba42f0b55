// Which settings a search needs for a recall, from what deep searches have seen.
//
// A deep search, wide in everything that can be set, notes for every list how it ranks and what it brings
// (SearchTrace). From the notes of one such search, those of a narrower one for any k follow without searching again:
//   - The rows that it refines, in their order, give its threshold before each list, hence the patience that it takes
//     to come to that list (annex/search.h).
//   - A sketch whose bound with epsilon e is estimate - e * error passes the threshold from some e on.
// So each of a query's true neighbours has, for each epsilon, the least patience with which it is found, and the share
// of neighbours that need no more than p is the recall at (p, epsilon). Of the pairs that reach a recall, the one that
// costs least is chosen, by the lists probed and the rows refined.
//
// The queries are rows of the index. They are easier than what users ask: whoever wants a recall should aim higher.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <vector>

#include "annex/search.h"

namespace annex {

struct SearchSettings {
    float epsilon;
    float patience;
    float lists;      // that a search probes on average
    uint32_t probes;  // more than any of the queries needed
};

class Calibrator {
  public:
    static constexpr size_t kKs[] = {1, 10, 100};
    static constexpr size_t kKCount = std::size(kKs);
    // Beyond it a sketch's bound misses nothing that could be measured.
    static constexpr float kDeepestEpsilon = 3.5F;

    // entries: sketches a list holds on average, for the costs.
    Calibrator(Metric metric, size_t padded, double entries);

    // A deep search with `epsilon` for kKs[deepest] rows and `spare` more, and the query itself, which is the row at
    // `self`; it counts for that k and those below. spare: rows beyond k that any search is sure of.
    void Add(const SearchTrace& trace, Place self, float epsilon, size_t deepest, size_t spare);
    [[nodiscard]] size_t queries() const noexcept { return queries_; }

    // The cheapest settings that find this share of the kKs[which] nearest rows; the widest ones if none do. Needs at
    // least one query. least: the patience is no less.
    [[nodiscard]] SearchSettings Choose(size_t which, double recall, float least);
    // The epsilon and the patience beyond which hardly any search for kKs[which] rows finds anything more, as far as is
    // known.
    [[nodiscard]] float DeepEnoughEpsilon(size_t which);
    [[nodiscard]] float DeepEnoughPatience(size_t which);

  private:
    static constexpr float kEpsilons[] = {0.4F, 0.7F, 1.0F, 1.3F, 1.6F, 2.0F, 2.5F, kDeepestEpsilon};
    static constexpr size_t kEpsilonCount = std::size(kEpsilons);

    // A search for k as it follows from the trace.
    struct Replay {
        std::vector<float> reach;      // patience that it takes to come to each list
        std::vector<float> threshold;  // after each list
    };
    struct PerK {
        std::vector<float> found[kEpsilonCount];    // of each neighbour: the least patience; infinity: never
        std::vector<float> refined[kEpsilonCount];  // of some of the rows that would be refined
        std::vector<float> reach;                   // of some queries' lists, one query after the other
        std::vector<size_t> reach_end;              // of each of these queries
        size_t queries = 0;
    };

    void FindNeighbours(const SearchTrace& trace, Place self, size_t most);
    void Play(const SearchTrace& trace, Place self, size_t k, Replay* replay);
    void NoteFound(const SearchTrace& trace, float epsilon, size_t deepest);
    void NoteCosts(const SearchTrace& trace, float epsilon, size_t which);
    void Sort();
    [[nodiscard]] double Cost(const PerK& at, size_t epsilon, float patience, SearchSettings* settings) const;

    Metric metric_;
    double list_cost_;
    double row_cost_;
    size_t queries_ = 0;
    bool sorted_ = false;
    PerK ks_[kKCount];

    // Of the query at hand.
    std::vector<TracedRow> rows_;
    std::vector<Place> neighbours_;  // nearest first
    std::vector<uint32_t> slots_;    // hash table of numbers in neighbours_ + 1; 0: empty
    std::vector<float> best_;        // [neighbour][k][epsilon]: least patience
    std::vector<float> heap_;
    Replay replays_[kKCount];
};

}  // namespace annex

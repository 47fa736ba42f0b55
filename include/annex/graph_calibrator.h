// Which ef a search of a graph needs for a recall, from what deep searches have seen.
//
// A search visits nodes in an order that does not depend on its ef (annex/graph_search.h): with a lesser one it only
// ends sooner, before the first visit whose estimate is beyond the ef-th least distance found until then. So the visits
// of one deep search tell for each of them the least ef with which a search comes to it: that of the visit before, or
// one more than there are rows found that are nearer than its estimate, whichever is greater. The share of the k
// nearest rows that are visited with ef or less is the recall at ef, for every ef and every k at once.
//
// The queries are rows of the index, each of which its own search leaves out. (Measured, an ef that is to find .95 of
// the 10 nearest finds .958 of those of held-out SIFT descriptors, .966 of embedded descriptions and .963 of questions,
// which are of another distribution. If a search goes through its own row, whose edges tell where its neighbours are,
// it finds .887 of the first. For the 100 nearest it is .952, .947 and .947.)
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <span>
#include <vector>

#include "annex/graph_search.h"

namespace annex {

struct GraphEffort {
    size_t ef;
    double visits;  // that it takes on average
};

class GraphCalibrator {
  public:
    static constexpr size_t kKs[] = {1, 10, 100};
    static constexpr size_t kKCount = std::size(kKs);

    // The visits of the only round of a search with an ef deep enough for kKs[deepest] rows; it counts for that k and
    // those below.
    void Add(std::span<const TracedVisit> trace, size_t deepest);
    // Of searches that count for a k.
    [[nodiscard]] size_t queries(size_t which) const noexcept { return ks_[which].queries; }

    // The least ef that finds this share of the kKs[which] nearest rows, as far as the deep searches know these; the
    // greatest that they know of if none does. Needs at least one query that counts.
    [[nodiscard]] GraphEffort Choose(size_t which, double recall) const;

  private:
    // Numbers by the ef that it takes.
    struct PerK {
        std::vector<uint64_t> found;   // of nearest rows
        std::vector<uint64_t> visits;  // of all visits
        size_t queries = 0;
    };

    void Play(std::span<const TracedVisit> trace);

    PerK ks_[kKCount];

    // Of the search at hand.
    std::vector<uint32_t> reach_;  // of each visit: the ef that it takes
    std::vector<float> near_;      // max-heap of the least distances so far, as many as the ef or all there are
    std::vector<float> far_;       // min-heap of the others
    std::vector<uint32_t> order_;  // visits by distance
};

}  // namespace annex

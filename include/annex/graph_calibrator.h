// Which ef a search of a graph needs for a recall, from what deep searches have seen.
//
// A search visits nodes in an order that does not depend on its ef (annex/graph_search.h): with a lesser one it only
// ends sooner, before the first visit whose estimate is beyond the ef-th least distance found until then. So the visits
// of one deep search tell for each of them the least ef with which a search comes to it: that of the visit before, or
// one more than there are rows found that are nearer than its estimate, whichever is greater. The share of the k
// nearest rows that are visited with ef or less is the recall at ef, for every ef and every k at once.
//
// What a graph does not lead to however deep one searches it cannot know. So for a few queries the nearest rows are
// looked for among all rows (NearestNodes), and the others count for the share of these that searches as deep as theirs
// have found.
//
// The queries are rows of the index, each of which its own search leaves out. (Measured, an ef that is to find .95 of
// the 10 nearest finds .958 of those of held-out SIFT descriptors, .966 of embedded descriptions and .963 of questions,
// which are of another distribution. If a search goes through its own row, whose edges tell where its neighbours are,
// it finds .887 of the first. For the 100 nearest it is .952, .947 and .947.)
#pragma once

#include <array>
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

    // The visits of the only round of a search, and the distances of the nearest of all rows, as many as there are up
    // to the greatest of kKs, the least first.
    void AddExact(std::span<const TracedVisit> trace, std::span<const float> nearest);
    // The visits of the only round of a search with an ef deep enough for kKs[deepest] rows; it counts for that k and
    // those below.
    void Add(std::span<const TracedVisit> trace, size_t deepest);
    // Of searches that count for a k.
    [[nodiscard]] size_t queries(size_t which) const noexcept {
        return exact_[which].queries + relative_[which].queries;
    }

    // The share of the kKs[which] nearest rows that the searches of AddExact have found.
    [[nodiscard]] double Reached(size_t which) const noexcept { return exact_[which].ShareAt(SIZE_MAX); }
    // The least ef that finds this share of the kKs[which] nearest rows; the greatest that anything was found with if
    // none does. Without AddExact, of the rows that the deep searches found. Needs at least one query that counts.
    [[nodiscard]] GraphEffort Choose(size_t which, double recall) const;

  private:
    // Numbers by the ef that it takes.
    struct Tally {
        std::vector<uint64_t> found;   // of nearest rows
        std::vector<uint64_t> visits;  // of all visits
        uint64_t wanted = 0;           // nearest rows
        size_t queries = 0;

        [[nodiscard]] double ShareAt(size_t ef) const noexcept;
        [[nodiscard]] GraphEffort Choose(double recall) const;
    };

    void Play(std::span<const TracedVisit> trace);
    void SortNearest(std::span<const TracedVisit> trace, size_t count);
    void AddVisits(Tally* tally) const;

    std::array<Tally, kKCount> exact_;
    std::array<Tally, kKCount> relative_;

    // Of the search at hand.
    std::vector<uint32_t> reach_;  // of each visit: the ef that it takes
    std::vector<float> near_;      // max-heap of the least distances so far, as many as the ef or all there are
    std::vector<float> far_;       // min-heap of the others
    std::vector<uint32_t> order_;  // visits of rows that count, the nearest of them first
};

// The k nearest rows of queries, by the distances of all rows.
class NearestNodes {
  public:
    explicit NearestNodes(size_t k) : k_(k) {}

    // A query that is a row of the index, as GraphSearch::BeginStoredRow takes it; it is none of its own nearest.
    void AddQuery(const Space& space, const NodeLayout& layout, const float* y, NodeId own);
    // A node that lives; each of them once.
    void Look(NodeId node, ConstGraphNode record);

    [[nodiscard]] size_t queries() const noexcept { return queries_.size(); }
    [[nodiscard]] NodeId own(size_t query) const noexcept { return queries_[query].own; }
    // Distances as GraphSearch::DistanceOf gives them, the least first; Look may not be called any more.
    [[nodiscard]] std::span<const float> Nearest(size_t query);

  private:
    struct Query {
        GraphSearch search;
        NodeId own;
        std::vector<float> nearest;  // max-heap
    };

    size_t k_;
    std::vector<Query> queries_;
};

}  // namespace annex

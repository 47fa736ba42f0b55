// A search over inverted lists, independent of where their bytes lie.
//
// The caller owns the storage and drives: it feeds the rows of the centroids' list, hands over the centroids'
// refinement rows that the ranking asks for, then, list by list, feeds the list's rows and hands over the refinement
// rows of the survivors. No call reads storage, so pages need be locked only while they are fed.
//
//   Begin -> BeginRanking, Feed*, EndRanking / Rank*
//         -> per round: BeginRound, {WorthProbing, BeginList, Feed*, EndList, Refine*}*, EndRound -> Next*
//
// A round probes the nearest lists that are still to be probed and, again, those of earlier rounds, for rows that were
// not worth refining then: its threshold, the k'-th least upper bound, is wider. Within a round Next gives rows in
// order of their true lower bounds; a later round may give a row that is nearer than one already returned.
//
// When to stop. Queries differ: the neighbours of most lie in few lists, those of some in many. A list is worth probing
// while
//   key / threshold * (1 + 0.3 ln(1 + dry)) <= patience
// its key and the threshold being squared distances, and dry the number of lists probed since one last brought a row
// into the k' best; for inner product, whose values have no natural zero, 1 + (key - threshold) / scale stands for the
// ratio, scale being the greater magnitude of the threshold and the first key. Against a fixed number of probes of the
// same mean recall it probes a fifth to a half less, for every metric, for k of 1, 10 and 100, and the more, the higher
// the recall. The ratio alone, the number of dry lists alone, and the distance to a list in standard deviations of its
// rows' are each worse on some data.
//
// Under a filter the threshold is that of the rows that pass. It is wider, so that more lists are worth probing with
// the same patience: the k best of a random tenth of the rows lie as the 10 k best of all do. But a dry list says less.
// One in which no row passes says nothing and is not counted; and where the rows that pass lie far away from the query,
// many lists have a few of them at nearly the same distance, and runs of dry lists are long although much is left to
// find. Therefore the longer the search has been, the less a run counts: in place of dry stands
//   dry / (1 + lists in which rows pass / min(14 k', 200, a fifth of all lists))
// Without the first, searches under filters that select a region away from the query fall from a recall of .95 to .9,
// without the second those for the far half of the rows to .84. With weights by the share of rows that pass in place of
// both, searches under random filters probe two to five times as many lists as they need.
//
// Of bits the entries are not sketches but the rows themselves (annex/sketch.h): what is estimated is exact, and lists
// are ranked as for L2.
//
// For L1 lists are ranked, rows assigned and sketches made by L2. Rows have bounds of L1, and annex/norm_ratio.h takes
// the k' best of them for the threshold of sketches.
//
// All rows within a radius, in no order: a search that SearchRange begins looks into every list once, with bounds that
// hold without exception (annex/true_bounds.h), so that it misses no row. Its rounds are only as long as it takes to
// find some rows, which come in the order of their heap TIDs.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "annex/centroid_table.h"
#include "annex/least_first.h"
#include "annex/norm_ratio.h"
#include "annex/place_set.h"
#include "annex/refinement.h"
#include "annex/sketch.h"
#include "annex/space.h"
#include "annex/tid_set.h"
#include "annex/true_bounds.h"

namespace annex {

// Which rows a search may return.
struct RowFilter {
    const TidSet* rows = nullptr;           // nullptr: any
    const ColumnFilter* columns = nullptr;  // nullptr: any; of the layout that the search was told
};

// An entry whose sketch says that it may matter.
struct Survivor {
    float bound;  // of its sketch, in the sketch's units
    Place place;
    HeapTid heap_tid;
};
static_assert(sizeof(Survivor) == 16);

// A list, ranked. For an inner list `target` is the heap TID of its centroid's entry: the address of its descriptor.
struct RankedList {
    float key;  // lists are probed in this order
    float base;
    float add_scale;
    float reach;   // length of the part of the query that the sketches of this list estimate along
    float length;  // of the centroid, or more
    HeapTid target;
};

// A row with true bounds of its distance: `lower` in the operator's units, `upper` in the sketch's, or for L1, whose
// sketches estimate L2, the square of its own.
struct Candidate {
    float lower;
    float upper;
    Place place;
    HeapTid heap_tid;
};
static_assert(sizeof(Candidate) == 20);

struct SearchCounters {
    uint64_t lists = 0;
    uint64_t centroids = 0;  // estimated
    uint64_t entries = 0;    // of the lists, estimated
    uint64_t passed = 0;     // entries that the filter was asked about and let through
    uint64_t skipped = 0;    // and that it did not
    uint64_t refined = 0;
    uint64_t rounds = 0;
};

// What a search sees, for annex/calibrator.h. Lists are numbered in the order in which they are probed.
struct TracedSketch {  // that passed the threshold
    uint32_t list;
    Place place;
    float estimate;  // of the distance, in the sketch's units
    float bound;
};
struct TracedRow {  // that was refined; `upper` in the sketch's units
    uint32_t list;
    Place place;
    float upper;
};
struct SearchTrace {
    std::vector<float> keys;  // of the lists
    std::vector<TracedSketch> sketches;
    std::vector<TracedRow> rows;

    void Clear() {
        keys.clear();
        sketches.clear();
        rows.clear();
    }
};

class ListSearch {
  public:
    // Share of a list's root mean square residual by which inner product ranks it higher (measured: 0.15 to 0.3).
    static constexpr float kRhoWeight = 0.25F;
    // A patience that never ends a round.
    static constexpr float kEndlessPatience = std::numeric_limits<float>::infinity();

    // The filter columns of the indexes that are searched from now on; none to begin with.
    void SetColumns(const ColumnLayout& columns) noexcept { layout_.columns = columns; }
    // Of the entries and blocks that are fed.
    [[nodiscard]] const SketchLayout& layout() const noexcept { return layout_; }

    // Starts a search for q[space.dimensions()]; space must outlive it. epsilon: standard deviations of the sketch's
    // error that a bound allows for. max_candidates bounds the memory (each candidate takes some 40 bytes). Returns the
    // query's class; nothing below may be called unless it is kNormal.
    RowClass Begin(const Space& space, const float* query, float epsilon, size_t max_candidates);

    // Starts a search for a row of the index as if its vector were the query: y[space.padded()] as TransformRow gives
    // it, or decoded. For inner product the values of this search lack a part that is the same for all rows.
    void BeginStoredRow(const Space& space, const float* y, float epsilon, size_t max_candidates);
    // Writes down what this object's searches see from now on; nullptr: no more.
    void TraceInto(SearchTrace* trace) noexcept { trace_ = trace; }

    // From the next round on, rows that do not pass are neither refined nor returned, and the k best are the best of
    // those that do. nullptr: all pass, which is what a search begins with. The filter must outlive the search; it may
    // get or lose its rows between two rounds, which is to be told by another call.
    void SetFilter(const RowFilter* filter) noexcept {
        const TidSet* rows = filter != nullptr ? filter->rows : nullptr;
        if (rows != rows_) whole_ = seen_.size() == 0;
        filter_ = filter;
        rows_ = rows;
    }
    // From the next round on, rows farther than this, in the operator's units, are of no use: none is returned whose
    // lower bound is beyond it. A search begins with infinity.
    void SetRadius(double radius) noexcept { radius_ = radius; }
    // Before the first round: the search is for all rows within this radius.
    void SearchRange(double radius) noexcept;
    // Another epsilon from the next round on.
    void SetEpsilon(float epsilon) noexcept { epsilon_ = epsilon; }

    // Starts a search for the lists of a row: ranking alone, by L2 whatever the metric is.
    RowClass BeginRow(const Space& space, const float* x);
    // The query, or the row, in the index's space: padded() floats.
    [[nodiscard]] const float* y() const noexcept { return y_.data(); }

    // Ranking of the centroids, whose list has the origin for its centroid.
    void BeginRanking();
    void EndRanking();
    // Moves the `count` centroids that are best by their sketches among those not yet given out to the front of the
    // rest and returns them; the caller hands each one's row to Rank, then calls SortRanked.
    [[nodiscard]] std::span<const Survivor> NextCentroids(size_t count);
    void Rank(const Survivor& centroid, const int8_t* codes, float scale, float rho);
    // The first `kept` of ranked(), those that this round has probed, keep their places.
    void SortRanked(size_t kept = 0);
    // All of the above from a table in memory, so that `wanted` lists may be probed.
    void RankTable(const CentroidTable& table, size_t wanted, size_t kept = 0);
    // The `count` lists of the table that are best by their sketches among those not yet given out, in no order; fewer
    // when there are no more. Valid until the next call.
    [[nodiscard]] std::span<const uint32_t> NearestLists(const CentroidTable& table, size_t count);
    // Centroids that are to be ranked exactly when `wanted` lists are to be probed: ranking more finds nothing
    // measurable.
    [[nodiscard]] static size_t RankedFor(size_t wanted) noexcept { return 2 * wanted + 16; }
    // Forgets the ranking, because the lists have changed, and keeps the rows that were found: the next round ranks
    // again and starts at the nearest list.
    void RankAgain();
    // For how many lists to rank when `probed` have been probed of at most `most`. A round that may end early ranks by
    // and by, since most queries need few lists.
    [[nodiscard]] static size_t RankAhead(size_t probed, size_t most, float patience) noexcept {
        return patience == kEndlessPatience ? most : std::min(most, std::max<size_t>(16, std::bit_ceil(probed + 1)));
    }
    // Ranked so far; those that an earlier round has probed keep their places.
    [[nodiscard]] std::span<const RankedList> ranked() const noexcept { return ranked_; }
    [[nodiscard]] size_t centroids() const noexcept { return centroids_.size(); }

    // A round that wants at least k rows; of a search for all rows within a radius, one that ends when it has found k,
    // or the lists end.
    void BeginRound(size_t k, float patience = kEndlessPatience);
    // Whether the list, the next of the ranking, should be probed in this round. The caller that stops here says in
    // EndRound how many it has probed, and may ask for more in another round, in which the lists of this one are no
    // longer asked about.
    [[nodiscard]] bool WorthProbing(const RankedList& list) const noexcept {
        if (range_) return candidates_.size() < k_;
        return patience_ == kEndlessPatience || Demand(list) <= patience_;
    }
    // The patience that probing the list takes: the left side of the inequality above, or 0 as long as fewer than k'
    // rows have been found.
    [[nodiscard]] float Demand(const RankedList& list) const noexcept;
    // first_key: of the nearest list; dry: lists probed since one last brought a row into the k' best.
    [[nodiscard]] static float Demand(Metric metric, float key, float first_key, float threshold, double dry) noexcept;
    void BeginList(const RankedList& list, SketchSource source = SketchSource::kVectors);
    // The part of each block, in bytes from its beginning, by which the filter tells whether the rest is read; none
    // where blocks are read from front to back. What is fed next had better be in the processor's cache as far as this
    // goes.
    struct HeadPart {
        size_t begin;
        size_t end;
    };
    [[nodiscard]] HeadPart AskedFirst() const noexcept;
    // Packed rows of the list, in order; a block may be cut behind its head, at any row, between two calls. start_row
    // is the row of its block at which these rows begin, as the page says; throws kCorrupted if that is not where the
    // last call ended.
    void FeedRows(const uint8_t* rows, size_t count, size_t start_row);
    // Entries that are not packed yet.
    void FeedEntries(const uint8_t* entries, size_t count);
    // Entries that may matter, in order of place; while the threshold is open, the best first and the others in no
    // order. Throws kCorrupted if a block was not complete.
    [[nodiscard]] std::span<const Survivor> EndList();
    // The same in the middle of a list, which a caller does when Crowded() so that a long list does not hold much
    // memory.
    [[nodiscard]] std::span<const Survivor> TakeSurvivors();
    [[nodiscard]] bool Crowded() const noexcept { return survivors_.size() >= 2048; }
    // False when the row was refined before or can no longer matter: its refinement row need not be read.
    [[nodiscard]] bool Wants(const Survivor& survivor) const noexcept;
    void Refine(const Survivor& survivor, const int8_t* codes, const RowFactors& row);
    // After the round's last list. probed: how many of ranked() have been probed by now.
    void EndRound(size_t probed);

    // The next row of the round in order of lower bounds; false when the round has run dry.
    bool Next(Candidate* out);
    // The rows that Next gives next, in its order.
    [[nodiscard]] std::span<const Candidate> upcoming() const noexcept {
        return std::span(candidates_).subspan(next_, ready_ - next_);
    }
    // True when nothing that the probed lists hold is left after this round, nothing within the radius that is: beyond
    // what sketches miss with this round's epsilon. A search for all rows within a radius misses nothing; its next
    // round goes on with the lists behind those of this one, or, if this is false, from this one's first list on.
    [[nodiscard]] bool Exhausted() const noexcept { return exhausted_; }
    // True when all rows that can pass the filter have been found, so that no list holds another one.
    [[nodiscard]] bool Complete() const noexcept;

    [[nodiscard]] const SearchCounters& counters() const noexcept { return counters_; }

  private:
    void Reset(const Space& space);
    void EstimateTable(const CentroidTable& table, size_t wanted);
    uint32_t EstimateTableBlock(const CentroidTable& table, size_t block, float limit, float* estimates);
    [[nodiscard]] uint32_t Admitted(const uint8_t* block);
    [[nodiscard]] uint32_t AdmittedByStrips(const uint8_t* block);
    [[nodiscard]] uint32_t AdmittedEntries(const uint8_t* entries, size_t count);
    void CountAdmitted(uint32_t admitted, size_t slots) noexcept;
    void SumCodes(const uint8_t* codes, size_t rows);
    void FeedBlocks(const uint8_t* block, size_t count);
    void FeedBlock(const uint8_t* block, uint32_t admitted);
    void PrefetchCodes(const uint8_t* block) const noexcept;
    void Estimate(const BlockTrailer& trailer, uint32_t admitted);
    [[nodiscard]] uint32_t Passing(const BlockTrailer& trailer, uint32_t among, uint32_t admitted);
    void DropFiltered();
    static void CheckFactors(float scale, float error);
    void TraceSketches(const BlockTrailer& trailer, size_t first);
    [[nodiscard]] bool Open() const noexcept;
    [[nodiscard]] double SketchUnits(double value) const noexcept;
    [[nodiscard]] float SketchRadius() const noexcept;
    [[nodiscard]] BoundTerms TermsOf(const RankedList& list, SketchSource source) const noexcept;
    [[nodiscard]] double Dry() const noexcept;
    void UseQuery();
    uint32_t BoundsOf(const BlockTrailer& trailer, const BoundTerms& terms, float threshold,
                      float* bounds) const noexcept;
    [[nodiscard]] const SketchQuery& ListQuery() const noexcept { return feeds_bits_ ? bits_query_ : sketch_query_; }
    void Consider(float upper, double spread = 0);
    void FinishTrace() noexcept;
    void Forget();

    const Space* space_ = nullptr;
    Metric metric_ = Metric::kL2;  // of the ranking
    SketchLayout layout_;
    std::vector<float> y_;  // the query in the index's space
    std::vector<float> z_;  // for L1: the same in the space of rows
    RowQuery row_query_;
    SketchQuery sketch_query_;
    SketchQuery bits_query_;   // for bits: of the rows' entries
    bool feeds_bits_ = false;  // the list being fed is one of these
    double mean_product_ = 0;
    float epsilon_ = 0;
    size_t max_candidates_ = 0;
    const RowFilter* filter_ = nullptr;
    const TidSet* rows_ = nullptr;  // of filter_
    bool whole_ = false;            // these since the search began
    double radius_ = std::numeric_limits<double>::infinity();
    bool range_ = false;  // all rows within it are wanted
    TrueBounds true_bounds_;

    // The list being fed.
    BoundTerms terms_{};
    const RowFilter* list_filter_ = nullptr;  // filter_, or nullptr while centroids are fed
    bool matched_ = false;                    // a row of this list passes it
    bool rows_first_ = false;                 // its set of rows is asked before anything is estimated
    uint64_t asked_ = 0;                      // entries that the set was asked about in this search
    uint64_t passed_ = 0;
    size_t row_in_block_ = 0;
    BlockTrailer cut_{};         // of a block that goes on
    uint32_t cut_admitted_ = 0;  // and which of its slots may matter; 0: nothing of it is looked at
    uint32_t sums_[kBlockSize] = {};
    std::vector<Survivor> survivors_;
    std::vector<Survivor> taken_;                    // handed out by TakeSurvivors
    std::vector<std::pair<float, uint32_t>> order_;  // bounds of survivors_ and their numbers
    std::vector<uint8_t> scratch_;                   // a block made of entries

    uint64_t entries_before_ = 0;      // this ranking
    std::vector<Survivor> centroids_;  // unless they lie in a table
    LeastFirst estimates_;             // of the centroids
    std::vector<RankedList> ranked_;
    size_t sorted_ = 0;  // of ranked_, how many SortRanked has put in order
    size_t probed_ = 0;

    // The round.
    size_t k_ = 0;
    float patience_ = kEndlessPatience;
    size_t lists_begun_ = 0;
    size_t unmatched_ = 0;     // lists of these in which no row passes the filter
    size_t last_gain_ = 0;     // lists_begun_ when a row last came into best_, plus those unmatched since then
    float limit_ = 0;          // the radius, in the sketch's units
    float threshold_ = 0;      // the k'-th least upper bound or the limit, in the sketch's units
    float ceiling_ = 0;        // rows at or beyond it were forgotten to save memory, in the operator's units
    std::vector<float> best_;  // max-heap of the k' least upper bounds
    NormRatio norm_ratio_;     // for L1: of the rows that have come into it in this search
    std::vector<Candidate> candidates_;
    size_t next_ = 0;   // candidates_ before it have been returned
    size_t ready_ = 0;  // candidates_ before it may be returned in this round
    bool exhausted_ = false;
    PlaceSet seen_;
    SearchCounters counters_;
    SearchTrace* trace_ = nullptr;
    size_t traced_ = 0;  // its rows before this round
};

}  // namespace annex

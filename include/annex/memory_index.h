// An ivf index in memory: the engine's build and search over plain arrays. It is how the engine is tested and measured
// without PostgreSQL, and the shortest example of how its parts work together.
//
//   lists    blocks of 32 entries (annex/sketch.h), list after list in one array
//   rows     refinement rows in the order of their primary lists: RowFactors, then codes
//   vectors  the caller's, for exact distances: what the heap is to the access method
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <vector>

#include "annex/calibrator.h"
#include "annex/list_builder.h"
#include "annex/search.h"

namespace annex {

// A row-major matrix that belongs to somebody else.
struct VectorView {
    const float* data;
    size_t count;
    size_t dimensions;

    [[nodiscard]] const float* row(size_t i) const noexcept { return data + i * dimensions; }
};

// What the operator of a metric gives for two vectors: the distance, the negative inner product, the cosine distance.
[[nodiscard]] double ExactDistance(Metric metric, const float* a, const float* b, size_t dimensions) noexcept;

struct Neighbour {
    double distance;
    uint32_t row;
};

// The k nearest by a scan of all rows, nearest first, NaN last.
[[nodiscard]] std::vector<Neighbour> ExactSearch(const VectorView& vectors, Metric metric, const float* query,
                                                 size_t k);

enum class SpillChoice { kOff, kOn, kAuto };

struct MemoryIndexOptions {
    Metric metric = Metric::kL2;
    size_t lists = 0;  // 0: by the number of rows
    SpillChoice spill = SpillChoice::kAuto;
    uint64_t seed = 1;
    int threads = 1;  // more than one: see StartThreads
};

// The heap TID of a row: as many rows a page as those of medium length have.
[[nodiscard]] HeapTid MemoryTid(uint32_t row) noexcept;

class MemoryIndex {
  public:
    // The vectors must outlive the index.
    MemoryIndex(const VectorView& vectors, const MemoryIndexOptions& options);

    [[nodiscard]] size_t lists() const noexcept { return list_rows_.size() - 1; }
    [[nodiscard]] bool spill() const noexcept { return spill_; }
    // Of sketches, rows and centroids.
    [[nodiscard]] size_t bytes() const noexcept;
    // Rows that lie in lists; each number below is the place of one.
    [[nodiscard]] size_t places() const noexcept { return rows_.size() / row_bytes(); }
    // One for the costs of this index.
    [[nodiscard]] Calibrator NewCalibrator() const;

  private:
    friend class MemorySearcher;

    struct Row {
        RowFactors factors;
        const int8_t* codes;
    };

    void Train(ListBuilder* builder, const MemoryIndexOptions& options) const;
    void Encode(ListBuilder* builder);
    void PackCentroids(const ListBuilder& builder);
    [[nodiscard]] size_t row_bytes() const noexcept { return sizeof(RowFactors) + space_.padded(); }
    [[nodiscard]] Row row(Place place) const noexcept;
    void Prefetch(Place place) const noexcept;

    VectorView vectors_;
    Space space_;
    bool spill_ = false;
    std::vector<uint8_t> blocks_;
    std::vector<size_t> list_rows_;  // list i: rows of blocks_ from list_rows_[i] to list_rows_[i + 1]
    std::vector<uint8_t> rows_;
    std::unique_ptr<CentroidTable> centroids_;
    std::vector<uint32_t> unbounded_;  // rows whose distance no bound can tell
    std::vector<uint32_t> nan_;        // rows whose distance is NaN
};

struct MemorySearchOptions {
    size_t k = 10;
    size_t probes = 48;  // more are made while fewer than k rows have been found
    float epsilon = 1.9F;
    float patience = ListSearch::kEndlessPatience;  // finite: `probes` are the most, and many queries need fewer
    const RowFilter* filter = nullptr;              // row i has the heap TID MemoryTid(i)
    size_t filter_from_round = 0;  // before it, rows are filtered only when their bounds have been found
    double radius = std::numeric_limits<double>::infinity();  // rows beyond it are not returned
};

// How deep a search for a calibration goes: the widest settings of which the calibrator is to learn anything.
struct MemoryDepth {
    size_t deepest = Calibrator::kKCount - 1;  // it searches for Calibrator::kKs[deepest] rows
    float epsilon = Calibrator::kDeepestEpsilon;
    float patience = ListSearch::kEndlessPatience;
    size_t probes = std::numeric_limits<size_t>::max();  // at most
};

// Searches one index, keeping its memory from query to query. One for each thread.
class MemorySearcher {
  public:
    explicit MemorySearcher(const MemoryIndex& index) : index_(index) {}

    // The nearest rows with their exact distances, nearest first; valid until the next call.
    [[nodiscard]] std::span<const Neighbour> Search(const float* query, const MemorySearchOptions& options);

    // All rows whose distance is at most the radius, in no order; valid until the next call. max_candidates bounds the
    // rows that are kept at a time.
    [[nodiscard]] std::span<const Neighbour> SearchRange(const float* query, double radius,
                                                         const RowFilter* filter = nullptr,
                                                         size_t max_candidates = 100000);

    // A deep search for the row at a place, which the calibrator learns from.
    void Calibrate(Place place, const MemoryDepth& depth, Calibrator* calibrator);

    [[nodiscard]] const SearchCounters& counters() const noexcept { return search_.counters(); }
    [[nodiscard]] size_t rechecked() const noexcept { return rechecked_; }  // exact distances computed

  private:
    // Probes the lists of the ranking from `from` on, `most` in all: the first `least` in any case, the others while
    // they are worth it. Returns how many have been probed.
    size_t ProbeLists(size_t from, size_t least, size_t most, float patience);
    void ProbeList(const RankedList& list);
    void Recheck(const float* query, uint32_t row, size_t k);
    // Takes what the round has to give; stops at the first row whose bound is beyond the k-th exact distance.
    void TakeRound(const float* query, size_t k);

    const MemoryIndex& index_;
    ListSearch search_;
    SearchTrace trace_;  // of a search for a calibration
    const RowFilter* filter_ = nullptr;
    double radius_ = 0;
    std::vector<Neighbour> nearest_;  // a max-heap of at most k while searching
    size_t rechecked_ = 0;
};

}  // namespace annex

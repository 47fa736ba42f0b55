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

#include "annex/calibration.h"
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

  private:
    friend class MemorySearcher;

    struct Row {
        RowFactors factors;
        const int8_t* codes;
    };

    void Train(ListBuilder* builder, const MemoryIndexOptions& options) const;
    void Encode(ListBuilder* builder);
    void PackCentroids(const ListBuilder& builder);
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

// Searches one index, keeping its memory from query to query. One for each thread.
class MemorySearcher {
  public:
    explicit MemorySearcher(const MemoryIndex& index) : index_(index) {}

    // The nearest rows with their exact distances, nearest first; valid until the next call.
    [[nodiscard]] std::span<const Neighbour> Search(const float* query, const MemorySearchOptions& options);

    // A deep search for a calibration (annex/calibration.h): the `truth` are the k nearest rows.
    void Calibrate(const float* query, std::span<const uint32_t> truth, float epsilon, size_t deep,
                   Calibration* calibration);

    [[nodiscard]] const SearchCounters& counters() const noexcept { return search_.counters(); }
    [[nodiscard]] size_t rechecked() const noexcept { return rechecked_; }  // exact distances computed

  private:
    void ProbeList(const RankedList& list);
    void Recheck(const float* query, uint32_t row, size_t k);
    // Takes what the round has to give; stops at the first row whose bound is beyond the k-th exact distance.
    void TakeRound(const float* query, size_t k);

    const MemoryIndex& index_;
    ListSearch search_;
    const RowFilter* filter_ = nullptr;
    double radius_ = 0;
    std::vector<Neighbour> nearest_;  // a max-heap of at most k while searching
    size_t rechecked_ = 0;
};

}  // namespace annex

// Do second copies pay? A trial on the sample, since the answer depends on the data: sentence embeddings scan a third
// of the entries with them, data of few intrinsic dimensions scan no fewer.
//
// Sampled rows stand in for queries, and the sample for the table. The steps: the queries' true neighbours by brute
// force; the lists of these neighbours, first and second, and of some more rows, from which the lists' sizes are
// estimated; every list's rank for every query; from these the number of probes that finds 90 to 98 % of the
// neighbours, and the entries which that many lists hold.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>
#include <utility>
#include <vector>

#include "annex/clustering.h"
#include "annex/random.h"
#include "engine/clustering/nearest.h"
#include "engine/clustering/product.h"
#include "engine/clustering/threads.h"

namespace annex {

namespace {

constexpr size_t kQueries = 256;
constexpr size_t kNeighbours = 10;
constexpr double kLeastRecall = 0.90;
constexpr double kLargestRecall = 0.98;
// What visiting a list costs beside its entries, as a share of an average list without second copies: a page to find
// and to lock, its memory to wait for. Measured in the access method; without it SIFT would do without second copies
// (0.95 to 0.99 of the entries), though half the lists find the same neighbours.
constexpr double kVisit = 0.5;
// Of the entries alone, mean and standard deviation over seeds: sentence embeddings 0.67 +- 0.04 (256 lists),
// 0.70 +- 0.06 (512), 0.76 +- 0.05 (1,024); SIFT 0.99 +- 0.03, 0.95 +- 0.02.
constexpr double kPayingShare = 0.875;
// Rows from which sizes are estimated. The error of one list's size is large, but dozens of lists are added up for each
// of the queries.
constexpr size_t kCountedRowsPerList = 8;
constexpr size_t kLeastCountedRows = 8192;
// Rows that one task decodes; queries that one task ranks lists for.
constexpr size_t kDecodeBlock = 64;
constexpr size_t kRankBlock = 12;
// Sorting takes a list's distance about as long as this many multiplications.
constexpr size_t kSortingCost = 1000;

size_t Blocks(size_t n, size_t block) noexcept {
    return (n + block - 1) / block;
}

// What one way of assigning costs, as functions of the number of lists probed.
struct Tally {
    explicit Tally(size_t lists) : entries(lists), found(lists) {}

    std::vector<double> entries;  // [p]: in the p + 1 nearest lists, summed over the queries
    std::vector<size_t> found;    // [p]: neighbours first met in the list of rank p

    // Entries in the fewest lists that have a share t of the neighbours: the geometric mean over t from kLeastRecall to
    // kLargestRecall. One t alone would depend on few hard queries.
    // `visit` is what each list costs in addition, in entries, summed over the queries.
    [[nodiscard]] double Scanned(double visit) const noexcept {
        const auto all = static_cast<double>(std::accumulate(found.begin(), found.end(), size_t{0}));
        double logarithm = 0;
        size_t met = 0;
        for (size_t p = 0; p < found.size(); p++) {
            const double from = std::max(kLeastRecall, static_cast<double>(met) / all);
            met += found[p];
            const double to = std::min(kLargestRecall, static_cast<double>(met) / all);
            if (to > from) logarithm += (to - from) * std::log(entries[p] + visit * static_cast<double>(p + 1));
        }
        return std::exp(logarithm / (kLargestRecall - kLeastRecall));
    }
};

}  // namespace

class SpillTrial::Impl {
  public:
    Impl(const Sample& sample, const float* centroids, size_t lists, uint64_t seed, int threads)
        : sample_(sample),
          centroids_(centroids),
          lists_(lists),
          padded_(sample.padded()),
          threads_(std::max(1, threads)),
          single_(lists),
          spill_(lists) {
        if (lists < 2 || sample.size() <= 2 * kNeighbours) return;
        DrawQueries(seed);
        query_points_.emplace(queries_.size(), padded_);
        query_points_->Pack(query_rows_.get(), threads_);
        tile_rows_ = TileRows(queries_.size(), padded_);
        for (int i = 0; i < threads_; i++) workers_.emplace_back(tile_rows_, padded_, queries_.size());
        phase_ = Phase::kNeighbours;
    }

    bool Step() {
        switch (phase_) {
            case Phase::kNeighbours:
                NeighboursStep();
                break;
            case Phase::kAssign:
                AssignStep();
                break;
            case Phase::kRank:
                RankStep();
                break;
            case Phase::kDone:
                break;
        }
        return phase_ != Phase::kDone;
    }

    // Entries a query, scaled from the counted rows to the sample.
    [[nodiscard]] double scanned_single() const noexcept { return PerQuery(single_, 0); }
    [[nodiscard]] double scanned_spill() const noexcept { return PerQuery(spill_, 0); }
    [[nodiscard]] bool Pays() const noexcept {
        return PerQuery(spill_, kVisit) < kPayingShare * PerQuery(single_, kVisit);
    }

  private:
    enum class Phase { kNeighbours, kAssign, kRank, kDone };

    // One thread's part of the search for neighbours.
    struct Worker {
        Worker(size_t tile_rows, size_t padded, size_t queries)
            : rows(tile_rows * RowStride(padded)), values(tile_rows * RowStride(kQueries)), nearest(queries) {}
        AlignedFloats rows;
        AlignedFloats values;
        std::vector<Nearest> nearest;  // of each query
        std::vector<float> limits = std::vector<float>(kQueries, INFINITY);
    };

    void DrawQueries(uint64_t seed) {
        Random random(seed);
        const size_t n = sample_.size();
        std::vector<size_t> drawn(2 * kQueries);
        for (size_t& row : drawn) row = random.Below(n);
        std::sort(drawn.begin(), drawn.end());
        drawn.erase(std::unique(drawn.begin(), drawn.end()), drawn.end());
        const size_t count = std::min(kQueries, drawn.size());
        query_rows_ = AlignedFloats(count * padded_);
        for (size_t i = 0; i < count; i++) {
            queries_.push_back(drawn[i * drawn.size() / count]);
            sample_.Decode(queries_[i], query_rows_.get() + i * padded_);
        }
    }

    void NeighboursStep() {
        const size_t n = sample_.size();
        const size_t tiles = TilesPerStep(tile_rows_, queries_.size(), padded_) * static_cast<size_t>(threads_);
        const size_t rows = std::min(tiles * tile_rows_, n - next_);
        ParallelFor(threads_, Blocks(rows, tile_rows_), [&](size_t task, size_t worker) {
            const size_t start = next_ + task * tile_rows_;
            CompareTile(start, std::min(tile_rows_, n - start), workers_[worker]);
        });
        next_ += rows;
        if (next_ < n) return;
        CollectRowsToAssign();
        workers_.clear();
        query_points_.reset();
        assigner_.emplace(centroids_, lists_, padded_, threads_);
        rows_ = AlignedFloats(assigner_->batch() * padded_);
        next_ = 0;
        phase_ = Phase::kAssign;
    }

    // Offers the rows of a tile to every query. A thread takes its tiles in ascending order, so that of equally near
    // rows it keeps the first.
    void CompareTile(size_t start, size_t n, Worker& worker) const noexcept {
        const size_t row_stride = RowStride(padded_);
        const size_t value_stride = RowStride(kQueries);
        for (size_t i = 0; i < n; i++) sample_.Decode(start + i, worker.rows.get() + i * row_stride);
        query_points_->HalfDistances(worker.rows.get(), row_stride, n, 0, queries_.size(), worker.values.get(),
                                     value_stride);
        for (size_t i = 0; i < n; i++) {
            // Half the squared distance, less half the query's squared norm.
            const float row_part = HalfSquaredNorm(worker.rows.get() + i * row_stride, padded_);
            const float* values = worker.values.get() + i * value_stride;
            for (size_t q = 0; q < queries_.size(); q++) {
                const float value = values[q] + row_part;
                if (value >= worker.limits[q] || std::isnan(value)) continue;
                if (start + i == queries_[q]) continue;
                worker.nearest[q].Insert(value, static_cast<uint32_t>(start + i), kNeighbours);
                worker.limits[q] = worker.nearest[q].Limit(kNeighbours);
            }
        }
    }

    void CollectRowsToAssign() {
        const size_t n = sample_.size();
        counted_ = std::min(n, std::max(kCountedRowsPerList * lists_, kLeastCountedRows));
        for (size_t i = 0; i < counted_; i++) to_assign_.push_back(static_cast<uint32_t>(i * n / counted_));
        std::vector<std::pair<float, uint32_t>> found;
        for (size_t q = 0; q < queries_.size(); q++) {
            found.clear();
            for (const Worker& worker : workers_)
                for (size_t j = 0; j < worker.nearest[q].count; j++)
                    found.emplace_back(worker.nearest[q].value[j], worker.nearest[q].point[j]);
            std::sort(found.begin(), found.end());
            found.resize(std::min(found.size(), kNeighbours));
            for (const auto& [value, row] : found) to_assign_.push_back(row);
            neighbours_.push_back(found.size());
        }
        assignments_.resize(to_assign_.size());
    }

    void AssignStep() {
        const size_t rows = std::min(assigner_->batch(), to_assign_.size() - next_);
        ParallelFor(threads_, Blocks(rows, kDecodeBlock), [&](size_t task, size_t) {
            const size_t end = std::min((task + 1) * kDecodeBlock, rows);
            for (size_t i = task * kDecodeBlock; i < end; i++)
                sample_.Decode(to_assign_[next_ + i], rows_.get() + i * padded_);
        });
        assigner_->Assign(rows_.get(), rows, true, &assignments_[next_]);
        next_ += rows;
        if (next_ < to_assign_.size()) return;
        assigner_.reset();
        PrepareRanking();
        next_ = 0;
        phase_ = Phase::kRank;
    }

    void PrepareRanking() {
        list_points_.emplace(lists_, padded_);
        list_points_->Pack(centroids_, threads_);
        const size_t queries = RankBlocksPerStep() * kRankBlock;
        distances_ = AlignedFloats(queries * RankStride());
        ranked_.resize(queries * lists_);
        rank_of_.resize(lists_);
        single_sizes_.resize(lists_);
        spill_sizes_.resize(lists_);
        for (size_t i = 0; i < counted_; i++) {
            single_sizes_[assignments_[i].primary]++;
            spill_sizes_[assignments_[i].primary]++;
            if (assignments_[i].secondary != kNoList) spill_sizes_[assignments_[i].secondary]++;
        }
        next_neighbour_ = counted_;
    }

    [[nodiscard]] size_t RankBlocksPerStep() const noexcept {
        return std::min(Blocks(queries_.size(), kRankBlock),
                        TilesPerStep(kRankBlock, lists_, padded_ + kSortingCost) * static_cast<size_t>(threads_));
    }

    [[nodiscard]] size_t RankStride() const noexcept {
        return Blocks(lists_, PackedPoints::kPanel) * PackedPoints::kPanel;
    }

    void RankStep() {
        const size_t count = std::min(RankBlocksPerStep() * kRankBlock, queries_.size() - next_);
        ParallelFor(threads_, Blocks(count, kRankBlock), [&](size_t task, size_t) {
            const size_t start = task * kRankBlock;
            RankLists(start, std::min(kRankBlock, count - start));
        });
        for (size_t i = 0; i < count; i++) TallyQuery(next_ + i, &ranked_[i * lists_]);
        next_ += count;
        if (next_ == queries_.size()) phase_ = Phase::kDone;
    }

    // The lists in order of their distance from each of `count` queries.
    void RankLists(size_t start, size_t count) noexcept {
        list_points_->HalfDistances(query_rows_.get() + (next_ + start) * padded_, padded_, count, 0, lists_,
                                    distances_.get() + start * RankStride(), RankStride());
        for (size_t i = start; i < start + count; i++) {
            float* distance = distances_.get() + i * RankStride();
            uint32_t* ranked = &ranked_[i * lists_];
            for (size_t c = 0; c < lists_; c++)
                if (std::isnan(distance[c])) distance[c] = INFINITY;  // squares overflowed; keep the order total
            std::iota(ranked, ranked + lists_, 0U);
            std::sort(ranked, ranked + lists_, [distance](uint32_t a, uint32_t b) {
                return distance[a] < distance[b] || (distance[a] == distance[b] && a < b);
            });
        }
    }

    void TallyQuery(size_t query, const uint32_t* ranked) noexcept {
        double single = 0;
        double spill = 0;
        for (size_t p = 0; p < lists_; p++) {
            const uint32_t list = ranked[p];
            rank_of_[list] = static_cast<uint32_t>(p);
            single += single_sizes_[list];
            spill += spill_sizes_[list];
            single_.entries[p] += single;
            spill_.entries[p] += spill;
        }
        for (size_t j = 0; j < neighbours_[query]; j++) {
            const Assignment& lists = assignments_[next_neighbour_++];
            const uint32_t primary = rank_of_[lists.primary];
            const uint32_t secondary = lists.secondary == kNoList ? primary : rank_of_[lists.secondary];
            single_.found[primary]++;
            spill_.found[std::min(primary, secondary)]++;
        }
    }

    // Entries a query, with `visit` average lists without second copies for each list.
    [[nodiscard]] double PerQuery(const Tally& tally, double visit) const noexcept {
        if (counted_ == 0) return 0;
        const auto queries = static_cast<double>(queries_.size());
        const double average = static_cast<double>(counted_) / static_cast<double>(lists_);
        return tally.Scanned(visit * average * queries) / queries * static_cast<double>(sample_.size()) /
               static_cast<double>(counted_);
    }

    const Sample& sample_;
    const float* centroids_;
    size_t lists_;
    size_t padded_;
    int threads_;
    Phase phase_ = Phase::kDone;
    size_t next_ = 0;  // the row or query with which the phase goes on

    std::vector<size_t> queries_;  // rows of the sample
    AlignedFloats query_rows_;

    // Neighbours.
    std::optional<PackedPoints> query_points_;
    size_t tile_rows_ = 0;
    std::vector<Worker> workers_;

    // Assignments.
    std::optional<Assigner> assigner_;
    AlignedFloats rows_;
    size_t counted_ = 0;               // rows from which sizes are estimated
    std::vector<uint32_t> to_assign_;  // those, then the neighbours, query by query
    std::vector<size_t> neighbours_;   // how many, for each query
    std::vector<Assignment> assignments_;

    // Ranks.
    std::optional<PackedPoints> list_points_;
    AlignedFloats distances_;
    std::vector<uint32_t> ranked_;
    std::vector<uint32_t> rank_of_;
    std::vector<uint32_t> single_sizes_;
    std::vector<uint32_t> spill_sizes_;
    size_t next_neighbour_ = 0;  // in assignments_
    Tally single_;
    Tally spill_;
};

SpillTrial::SpillTrial(const Sample& sample, const float* centroids, size_t lists, uint64_t seed, int threads)
    : impl_(std::make_unique<Impl>(sample, centroids, lists, seed, threads)) {}

SpillTrial::~SpillTrial() = default;

bool SpillTrial::Step() {
    return impl_->Step();
}

bool SpillTrial::Pays() const noexcept {
    return impl_->Pays();
}

double SpillTrial::scanned_single() const noexcept {
    return impl_->scanned_single();
}

double SpillTrial::scanned_spill() const noexcept {
    return impl_->scanned_spill();
}

}  // namespace annex

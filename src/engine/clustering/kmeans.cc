// Lloyd's k-means over a sample.
//
// A pass assigns every row to its nearest centroid by products of codes, tile by tile; sorts the rows by cluster (a
// counting sort); adds them up in that order, each thread a slice of the dimensions, so that every sum has one order of
// additions whatever the number of threads; and divides. Source of the refill: Faiss, Clustering.cpp, split_clusters.
#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

#include "annex/clustering.h"
#include "annex/random.h"
#include "engine/clustering/code_finder.h"
#include "engine/clustering/inner_loops.h"
#include "engine/clustering/threads.h"

namespace annex {

namespace {

// With many lists, the first passes compare every row with all centroids, and later ones with those alone that were
// nearest in the last of these: centroids no longer move far. A first pass that goes by fewer rows or dimensions, or
// through groups of centroids, makes lists of sentences that take a tenth to a half more entries to scan.
constexpr size_t kFullPasses = 2;
constexpr size_t kCandidates = 8;
// Fewer lists are compared with quickly.
constexpr size_t kLeastListsForCandidates = 1024;
// A comparison with a candidate that lies anywhere takes so much longer than one of a product.
constexpr size_t kStepCandidates = 128;
constexpr float kPerturbation = 1.0F / 1024;
// Dimensions that one task adds up.
constexpr size_t kSliceDimensions = 64;
// Coordinates that one update step adds up for each thread: some 10 ms.
constexpr size_t kUpdateCoordinates = size_t{16} << 20;

}  // namespace

class KMeans::Impl {
  public:
    Impl(const Sample& sample, const KMeansOptions& options)
        : sample_(sample),
          lists_(options.lists),
          padded_(sample.padded()),
          passes_(options.iterations),
          threads_(std::max(1, options.threads)),
          random_(options.seed),
          centre_(options.centre),
          centroids_(lists_ * padded_),
          points_(sample.size() > lists_ ? lists_ : 0, padded_) {
        const size_t n = sample.size();
        if (n > lists_) {
            order_.resize(n);
            assigned_.assign(n, kNoList);
            sizes_.resize(lists_);
            ends_.resize(lists_);
            tile_rows_ = TileRows(lists_, padded_);
            for (int i = 0; i < threads_; i++) finders_.emplace_back(tile_rows_, padded_);
            if (lists_ >= kLeastListsForCandidates && passes_ > kFullPasses) {
                candidates_.resize(n * kCandidates);
                centroid_codes_.resize(lists_ * padded_);
            }
            DrawCentroids();
            phase_ = passes_ > 0 ? Phase::kAssign : Phase::kDone;
        } else {
            UseRowsThemselves();
        }
    }

    bool Step() {
        switch (phase_) {
            case Phase::kAssign:
                AssignStep();
                break;
            case Phase::kUpdate:
                UpdateStep();
                break;
            case Phase::kDone:
                break;
        }
        return phase_ != Phase::kDone;
    }

    [[nodiscard]] double progress() const noexcept {
        if (phase_ == Phase::kDone) return 1;
        double done = 0;
        double all = 0;
        for (size_t pass = 0; pass < passes_; pass++) {
            all += PassCost(pass);
            if (pass < pass_) done += PassCost(pass);
        }
        const double share =
            phase_ == Phase::kUpdate ? 1.0 : static_cast<double>(next_row_) / static_cast<double>(sample_.size());
        return (done + share * PassCost(pass_)) / all;
    }

    std::vector<float> TakeCentroids() noexcept { return std::move(centroids_); }

  private:
    enum class Phase { kAssign, kUpdate, kDone };

    // Different rows, drawn by the first steps of a Fisher-Yates shuffle.
    void DrawCentroids() noexcept {
        for (size_t i = 0; i < order_.size(); i++) order_[i] = static_cast<uint32_t>(i);
        for (size_t i = 0; i < lists_; i++) {
            std::swap(order_[i], order_[i + random_.Below(order_.size() - i)]);
            sample_.Decode(order_[i], &centroids_[i * padded_]);
        }
    }

    // Moves a centroid to distance 1 from the centre, if there is one. At the centre itself it has no direction.
    void PutOnSphere(float* centroid) const noexcept {
        if (centre_.empty()) return;
        double squared_length = 0;
        for (size_t d = 0; d < padded_; d++) {
            const double x = static_cast<double>(centroid[d]) - static_cast<double>(centre_[d]);
            squared_length += x * x;
        }
        if (!(squared_length > 0)) return;
        const auto factor = static_cast<float>(1 / std::sqrt(squared_length));
        for (size_t d = 0; d < padded_; d++) centroid[d] = centre_[d] + (centroid[d] - centre_[d]) * factor;
    }

    // Two lists at the same place would be one that is probed and one that has the rows.
    void UseRowsThemselves() {
        std::vector<size_t> rows(sample_.size());
        std::iota(rows.begin(), rows.end(), 0);
        const auto order = [&](size_t a, size_t b) {
            if (sample_.scale(a) != sample_.scale(b)) return sample_.scale(a) < sample_.scale(b);
            const int codes = std::memcmp(sample_.codes(a), sample_.codes(b), padded_);
            return codes != 0 ? codes < 0 : a < b;
        };
        const auto same = [&](size_t a, size_t b) {
            return sample_.scale(a) == sample_.scale(b) &&
                   std::memcmp(sample_.codes(a), sample_.codes(b), padded_) == 0;
        };
        std::sort(rows.begin(), rows.end(), order);
        rows.erase(std::unique(rows.begin(), rows.end(), same), rows.end());
        std::sort(rows.begin(), rows.end());
        lists_ = std::max<size_t>(rows.size(), 1);
        centroids_.resize(lists_ * padded_);
        for (size_t i = 0; i < rows.size(); i++) sample_.Decode(rows[i], &centroids_[i * padded_]);
    }

    void AssignStep() {
        const size_t n = sample_.size();
        if (next_row_ == 0) {
            points_.Pack(centroids_.data(), threads_);
            if (WithCandidates(pass_)) UnpackCentroids();
            changed_.store(false, std::memory_order_relaxed);
        }
        const size_t compared = WithCandidates(pass_) ? kStepCandidates : lists_;
        const size_t step_rows =
            tile_rows_ * TilesPerStep(tile_rows_, compared, padded_) * static_cast<size_t>(threads_);
        const size_t rows = std::min(step_rows, n - next_row_);
        ParallelFor(threads_, (rows + tile_rows_ - 1) / tile_rows_, [&](size_t task, size_t worker) {
            const size_t start = next_row_ + task * tile_rows_;
            if (WithCandidates(pass_))
                AssignToCandidates(start, std::min(tile_rows_, n - start));
            else
                AssignTile(start, std::min(tile_rows_, n - start), finders_[worker]);
        });
        next_row_ += rows;
        if (next_row_ < n) return;
        next_row_ = 0;
        if (!changed_.load(std::memory_order_relaxed)) {
            phase_ = Phase::kDone;  // the centroids are already the means
            CountSizes();
            DropUnused();
            return;
        }
        SortByCluster();
        phase_ = Phase::kUpdate;
    }

    void AssignTile(size_t start, size_t n, CodeFinder& finder) noexcept {
        for (size_t i = 0; i < n; i++) finder.rows().Set(i, sample_.codes(start + i), sample_.scale(start + i));
        const bool keep = !candidates_.empty() && pass_ + 1 == kFullPasses;
        finder.Find(points_, n, keep ? kCandidates : 1);
        bool changed = false;
        for (size_t i = 0; i < n; i++) {
            const Nearest& nearest = finder.nearest(i);
            const size_t row = start + i;
            if (keep) KeepCandidates(row, nearest);
            const uint32_t list = nearest.count == 0 ? 0 : nearest.point[0];
            changed |= assigned_[row] != list;
            assigned_[row] = list;
        }
        if (changed) changed_.store(true, std::memory_order_relaxed);
    }

    // Relative to a pass that compares all rows with all centroids.
    [[nodiscard]] double PassCost(size_t pass) const noexcept {
        if (!WithCandidates(pass)) return 1;
        return std::min(1.0, static_cast<double>(kStepCandidates) / static_cast<double>(lists_));
    }

    [[nodiscard]] bool WithCandidates(size_t pass) const noexcept {
        return !candidates_.empty() && pass >= kFullPasses;
    }

    void KeepCandidates(size_t row, const Nearest& nearest) noexcept {
        for (size_t j = 0; j < kCandidates; j++)
            candidates_[row * kCandidates + j] = j < nearest.count ? nearest.point[j] : 0;
    }

    void UnpackCentroids() noexcept {
        ParallelFor(threads_, lists_, [&](size_t c, size_t) { points_.Unpack(c, &centroid_codes_[c * padded_]); });
    }

    // Of equally near candidates the row takes that which was nearer before.
    void AssignToCandidates(size_t start, size_t n) noexcept {
        const internal::CodeDots dots = internal::ActiveCodeDots();
        bool changed = false;
        for (size_t i = start; i < start + n; i++) {
            const int8_t* codes = sample_.codes(i);
            const uint32_t* candidates = &candidates_[i * kCandidates];
            std::array<const int8_t*, kCandidates> points;
            std::array<int32_t, kCandidates> products;
            for (size_t j = 0; j < kCandidates; j++) points[j] = &centroid_codes_[candidates[j] * padded_];
            dots(codes, std::accumulate(codes, codes + padded_, 0), points.data(), kCandidates, padded_,
                 products.data());
            const float scale = sample_.scale(i);
            float least = std::numeric_limits<float>::infinity();
            uint32_t list = candidates[0];
            for (size_t j = 0; j < kCandidates; j++) {
                const uint32_t c = candidates[j];
                const float value = points_.half_norm(c) - scale * static_cast<float>(products[j]) * points_.scale(c);
                if (value < least) {
                    least = value;
                    list = c;
                }
            }
            changed |= assigned_[i] != list;
            assigned_[i] = list;
        }
        if (changed) changed_.store(true, std::memory_order_relaxed);
    }

    // Fills order_, and sets the centroids to zero: from here to TakeMeans they hold sums.
    void SortByCluster() noexcept {
        CountSizes();
        size_t end = 0;
        for (size_t c = 0; c < lists_; c++) {
            ends_[c] = end;
            end += sizes_[c];
        }
        for (size_t i = 0; i < assigned_.size(); i++) order_[ends_[assigned_[i]]++] = static_cast<uint32_t>(i);
        std::fill(centroids_.begin(), centroids_.end(), 0.0F);
    }

    void CountSizes() noexcept {
        std::fill(sizes_.begin(), sizes_.end(), 0);
        for (const uint32_t list : assigned_) sizes_[list]++;
    }

    // Clusters that no row of the sample is nearest to, in the end, lie where others do: most of the time because many
    // rows are equal. A search would probe them in vain.
    void DropUnused() noexcept {
        size_t kept = 0;
        for (size_t c = 0; c < lists_; c++) {
            if (sizes_[c] == 0) continue;
            if (kept != c) std::copy_n(&centroids_[c * padded_], padded_, &centroids_[kept * padded_]);
            kept++;
        }
        lists_ = kept;
        centroids_.resize(kept * padded_);
    }

    void UpdateStep() noexcept {
        const size_t n = sample_.size();
        const size_t rows =
            std::min(n - next_row_, std::max<size_t>(1, kUpdateCoordinates * static_cast<size_t>(threads_) / padded_));
        ParallelFor(threads_, (padded_ + kSliceDimensions - 1) / kSliceDimensions, [&](size_t task, size_t) {
            const size_t from = task * kSliceDimensions;
            AddRows(next_row_, next_row_ + rows, from, std::min(from + kSliceDimensions, padded_));
        });
        next_row_ += rows;
        if (next_row_ < n) return;
        next_row_ = 0;
        TakeMeans();
        pass_++;
        if (pass_ < passes_) {
            Refill();
            phase_ = Phase::kAssign;
        } else {
            DropUnused();
            phase_ = Phase::kDone;
        }
    }

    void AddRows(size_t begin, size_t end, size_t from, size_t to) noexcept {
        const auto add_decoded = internal::ActiveInnerLoops().add_decoded;
        for (size_t i = begin; i < end; i++) {
            const uint32_t row = order_[i];
            float* sum = &centroids_[assigned_[row] * padded_];
            add_decoded(sample_.codes(row) + from, sample_.scale(row), to - from, sum + from);
        }
    }

    void TakeMeans() noexcept {
        for (size_t c = 0; c < lists_; c++) {
            if (sizes_[c] == 0) continue;
            const float inverse = 1 / static_cast<float>(sizes_[c]);
            for (size_t d = 0; d < padded_; d++) centroids_[c * padded_ + d] *= inverse;
            PutOnSphere(&centroids_[c * padded_]);
        }
    }

    // Gives every empty cluster half of one that is drawn in proportion to the rows that it can spare.
    void Refill() noexcept {
        size_t spare = 0;
        for (const uint32_t size : sizes_) spare += size > 1 ? size - 1 : 0;
        size_t donor = 0;
        for (size_t c = 0; c < lists_; c++) {
            if (sizes_[c] > 0 || spare == 0) continue;
            // Faiss's walk: pass the clusters round and round, stopping at each with the probability of its share.
            for (;; donor = (donor + 1) % lists_)
                if (sizes_[donor] > 1 && random_.Uniform() * static_cast<double>(spare) < sizes_[donor] - 1.0) break;
            for (size_t d = 0; d < padded_; d++) {
                const float factor = d % 2 == 0 ? 1 + kPerturbation : 1 - kPerturbation;
                const float value = centroids_[donor * padded_ + d];
                centroids_[c * padded_ + d] = value * factor;
                centroids_[donor * padded_ + d] = value * (2 - factor);
            }
            sizes_[c] = sizes_[donor] / 2;
            sizes_[donor] -= sizes_[c];
            spare--;
        }
    }

    const Sample& sample_;
    size_t lists_;
    size_t padded_;
    size_t passes_;
    int threads_;
    Random random_;
    std::vector<float> centre_;
    Phase phase_ = Phase::kDone;
    size_t pass_ = 0;
    size_t next_row_ = 0;
    size_t tile_rows_ = 0;
    std::atomic<bool> changed_{false};
    std::vector<float> centroids_;
    CodePoints points_;
    std::vector<CodeFinder> finders_;
    std::vector<uint32_t> assigned_;    // each row's cluster
    std::vector<uint32_t> candidates_;  // each row's nearest clusters in the last full pass
    std::vector<int8_t> centroid_codes_;
    std::vector<uint32_t> order_;  // rows sorted by cluster
    std::vector<uint32_t> sizes_;  // of the clusters
    std::vector<size_t> ends_;     // of the clusters in order_
};

KMeans::KMeans(const Sample& sample, const KMeansOptions& options) : impl_(std::make_unique<Impl>(sample, options)) {}

KMeans::~KMeans() = default;

bool KMeans::Step() {
    return impl_->Step();
}

double KMeans::progress() const noexcept {
    return impl_->progress();
}

std::vector<float> KMeans::TakeCentroids() {
    return impl_->TakeCentroids();
}

// Probes and rows scanned for 95 % of the true neighbours, by iterations (64 sampled rows a list; sentences with second
// copies, SIFT without):
//
//   data, rows x dimensions       lists        2           3           4           6          10
//   sentences, 62,436 x 384         256    9  5,567    8  5,135    7  4,656    7  4,809    7  4,831
//                                   512   13  4,071   11  3,609   11  3,678   10  3,456    8  2,937
//                                 1,024   12  2,077   10  1,809    9  1,673    9  1,714    8  1,563
//   SIFT, 100,000 x 128             256   19  7,711   18  7,286   18  7,284   17  6,914   17  6,942
//                                   512   27  5,462   26  5,220   26  5,205   26  5,209   24  4,824
//                                 1,024   40  4,060   40  4,024   39  3,915   38  3,808   38  3,813
//   sentences, 546,350 x 256      4,096   42 15,741              37 14,048              34 13,526
//
// Random rows alone make it up to twice as many. An iteration's cost grows with the square of the number of lists (from
// 1,024 on, that of the first two; the others cost little). Later on the same sentences, 549,724 x 256, 7,900 lists,
// second copies: 26.0 and 4,754 after four full passes, 26.5 and 4,840 after two full ones and two with
// candidates, 32.9 and 5,749 after one and three.
//
// Where the number of lists that are probed is given, more pays. Recall of the 10 nearest, 10 and 20 lists probed:
//
//                                          62,436 sentences,      SIFT, 100,000,
//                                          250 lists, cosine      316 lists, L2
//   64 rows a list, 6 iterations           .905   .941            .880   .955
//   64 rows a list, 20 iterations                                 .883   .955
//   256 rows a list, 10 iterations         .913   .946            .889   .959
//   256 rows a list, 20 iterations         .914   .948            .890   .959
//   the same, spherical                    .917   .951
//   256 rows a list, 20, k-means++         .915   .948            .892   .959
//
// First passes over a quarter or half of the sample do not pay: as much work in passes over all of it gives as good
// lists.
static size_t RecommendedIterations(size_t lists) noexcept {
    if (lists <= 64) return 10;
    if (lists <= 512) return 6;
    return lists <= 8192 ? 4 : 3;
}

Training UsualTraining(size_t lists) noexcept {
    return {kSampleRowsPerList, RecommendedIterations(lists), false};
}

Training ThoroughTraining(size_t lists) noexcept {
    constexpr size_t kFewestRows = 32768;
    const size_t factor = lists <= 512 ? 4 : lists <= 2048 ? 2 : 1;
    const size_t rows_per_list = std::max(factor * kSampleRowsPerList, lists > 0 ? kFewestRows / lists : 0);
    return {rows_per_list, lists <= 128 ? size_t{20} : size_t{10}, true};
}

}  // namespace annex

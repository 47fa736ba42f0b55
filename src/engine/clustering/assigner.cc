// Which lists a row goes to.
#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <vector>

#include "annex/clustering.h"
#include "annex/kernels.h"
#include "engine/clustering/code_finder.h"
#include "engine/clustering/threads.h"

namespace annex {

namespace {

// The first list, and those among which the second copy's is chosen.
constexpr size_t kSpillCandidates = 8;
// What is found by codes and compared exactly, so that these and the nearest list are hardly ever missed.
constexpr size_t kCandidates = 12;
constexpr size_t kSingleCandidates = 3;

}  // namespace

class Assigner::Impl {
  public:
    Impl(const float* centroids, size_t lists, size_t padded, int threads)
        : centroids_(centroids),
          padded_(padded),
          threads_(std::max(1, threads)),
          tile_rows_(TileRows(lists, padded)),
          points_(lists, padded) {
        points_.Pack(centroids, threads_);
        for (int i = 0; i < threads_; i++) finders_.emplace_back(tile_rows_, padded);
    }

    [[nodiscard]] size_t batch() const noexcept {
        const size_t rows = tile_rows_ * TilesPerStep(tile_rows_, points_.size(), padded_);
        return rows * static_cast<size_t>(threads_);
    }

    void Assign(const float* rows, size_t n, bool spill, Assignment* out) noexcept {
        ParallelFor(threads_, (n + tile_rows_ - 1) / tile_rows_, [&](size_t task, size_t worker) {
            const size_t start = task * tile_rows_;
            AssignTile(rows + start * padded_, std::min(tile_rows_, n - start), spill, out + start, finders_[worker]);
        });
    }

  private:
    void AssignTile(const float* rows, size_t n, bool spill, Assignment* out, CodeFinder& finder) const noexcept {
        for (size_t i = 0; i < n; i++) finder.rows().Encode(i, rows + i * padded_);
        finder.Find(points_, n, spill ? kCandidates : kSingleCandidates);
        for (size_t i = 0; i < n; i++) {
            const float* row = rows + i * padded_;
            const Nearest nearest = Exactly(row, finder.nearest(i), spill ? kSpillCandidates : 1);
            // Where all squares overflow, any list will do.
            out[i].primary = nearest.count == 0 ? 0 : nearest.point[0];
            out[i].secondary = spill ? SecondList(nearest) : kNoList;
        }
    }

    // The k nearest of the candidates, by their distances as floats.
    [[nodiscard]] Nearest Exactly(const float* row, const Nearest& candidates, size_t k) const noexcept {
        const auto l2_squared = ActiveKernels().l2_squared;
        std::array<uint32_t, kMaxNearest> lists;
        std::copy_n(candidates.point.begin(), candidates.count, lists.begin());
        std::sort(lists.begin(), lists.begin() + candidates.count);  // of equally near ones the first
        Nearest nearest;
        for (size_t j = 0; j < candidates.count; j++) {
            const float distance = l2_squared(row, centroids_ + lists[j] * padded_, padded_);
            if (distance < nearest.Limit(k)) nearest.Insert(distance, lists[j], k);
        }
        return nearest;
    }

    // SOAR: averaged over the queries for which the first copy is hard to find, the second one helps most where its
    // residual r' is short and orthogonal to the first one's, r. The loss is ||r'||^2 + <r', r / ||r||>^2, with
    // 2 <r', r> = ||r||^2 + ||r'||^2 - ||c - c'||^2.
    [[nodiscard]] uint32_t SecondList(const Nearest& nearest) const noexcept {
        if (nearest.count < 2) return kNoList;
        const auto l2_squared = ActiveKernels().l2_squared;
        const float* first = centroids_ + nearest.point[0] * padded_;
        const float r = nearest.value[0];
        uint32_t best = nearest.point[1];
        float least = std::numeric_limits<float>::infinity();
        for (size_t j = 1; j < nearest.count; j++) {
            const float* centroid = centroids_ + nearest.point[j] * padded_;
            const float r_prime = nearest.value[j];
            if (r_prime >= least) continue;  // its loss is no less
            const float product = (r + r_prime - l2_squared(first, centroid, padded_)) / 2;
            const float loss = r_prime + (r > 0 ? product / r * product : 0);
            if (loss < least) {
                least = loss;
                best = nearest.point[j];
            }
        }
        return best;
    }

    const float* centroids_;
    size_t padded_;
    int threads_;
    size_t tile_rows_;
    CodePoints points_;
    std::vector<CodeFinder> finders_;
};

Assigner::Assigner(const float* centroids, size_t lists, size_t padded, int threads)
    : impl_(std::make_unique<Impl>(centroids, lists, padded, threads)) {}

Assigner::~Assigner() = default;

size_t Assigner::batch() const noexcept {
    return impl_->batch();
}

void Assigner::Assign(const float* rows, size_t n, bool spill, Assignment* out) noexcept {
    impl_->Assign(rows, n, spill, out);
}

}  // namespace annex

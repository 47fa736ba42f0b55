// Which lists a row goes to.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "annex/clustering.h"
#include "annex/kernels.h"
#include "engine/clustering/code_finder.h"
#include "engine/clustering/threads.h"

namespace annex {

namespace {

// The first list, and those among which the second copy's is chosen.
constexpr size_t kSpillCandidates = 8;
// Without second copies: the nearest as far as codes can tell, of which floats take the nearest.
constexpr size_t kCandidates = 3;
// Differences of half squared distances are doubtful up to this times the scales and the distance: four standard
// deviations of what rounding to codes changes, sqrt(1/12) of a scale in every dimension.
constexpr float kDoubt = 4 * 0.29F * 1.4F;
// Floats choose the second list too where more lists than this are in doubt, since they lie closer together than codes
// can tell, and where the first list is so near, in scales of the row, that its direction is in doubt.
constexpr size_t kFewDoubtful = 2;
constexpr float kShortResidual = 16;

}  // namespace

class Assigner::Impl {
  public:
    Impl(const float* centroids, size_t lists, size_t padded, int threads)
        : centroids_(centroids),
          padded_(padded),
          threads_(std::max(1, threads)),
          tile_rows_(TileRows(lists, padded)),
          points_(lists, padded),
          codes_(lists, padded) {
        points_.Pack(centroids, threads_);
        for (size_t i = 0; i < lists; i++) codes_.Encode(i, centroids + i * padded);
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
        finder.Find(points_, n, spill ? kSpillCandidates : kCandidates);
        for (size_t i = 0; i < n; i++) {
            Nearest nearest = finder.nearest(i);
            const Coded row{finder.rows().codes(i), finder.rows().scales()[i]};
            const size_t close = PutNearestFirst(rows + i * padded_, row, &nearest);
            // Where all squares overflow, any list will do.
            out[i].primary = nearest.count == 0 ? 0 : nearest.point[0];
            out[i].secondary = kNoList;
            if (spill && nearest.count > 1)
                out[i].secondary = SecondList(rows + i * padded_, row, nearest, close > kFewDoubtful);
        }
    }

    struct Coded {
        const int8_t* codes;
        float scale;
    };

    // Among the lists that are nearest as far as codes can tell, floats decide. Returns how many these are.
    size_t PutNearestFirst(const float* row, const Coded& coded, Nearest* nearest) const noexcept {
        if (nearest->count < 2) return 1;
        const float norm = coded.scale * coded.scale * SquaredNorm(coded.codes);
        size_t close = 1;
        for (; close < nearest->count; close++) {
            const float scales = coded.scale + points_.scale(nearest->point[0]) + points_.scale(nearest->point[close]);
            const float distance = std::sqrt(std::max(0.0F, 2 * nearest->value[close] + norm));
            if (nearest->value[close] - nearest->value[0] > kDoubt * scales * distance) break;
        }
        if (close == 1) return 1;
        const auto l2_squared = ActiveKernels().l2_squared;
        size_t best = 0;
        float least = std::numeric_limits<float>::infinity();
        for (size_t j = 0; j < close; j++) {
            const float distance = l2_squared(row, centroids_ + nearest->point[j] * padded_, padded_);
            if (distance < least || (distance == least && nearest->point[j] < nearest->point[best])) {
                least = distance;
                best = j;
            }
        }
        std::swap(nearest->point[0], nearest->point[best]);
        std::swap(nearest->value[0], nearest->value[best]);
        return close;
    }

    [[nodiscard]] float SquaredNorm(const int8_t* codes) const noexcept {
        int32_t sum = 0;
        for (size_t d = 0; d < padded_; d++) sum += codes[d] * codes[d];
        return static_cast<float>(sum);
    }

    // Squared distances of a row from its nearest lists, and of these from the first of them.
    struct Distances {
        std::array<float, kMaxNearest> row;
        std::array<float, kMaxNearest> first;
    };

    [[nodiscard]] Distances DistancesByCodes(const Coded& row, const Nearest& nearest) const noexcept {
        const float norm = row.scale * row.scale * SquaredNorm(row.codes);
        const uint32_t first = nearest.point[0];
        std::array<const int8_t*, kMaxNearest> lists;
        std::array<int32_t, kMaxNearest> products;
        for (size_t j = 0; j < nearest.count; j++) lists[j] = codes_.codes(nearest.point[j]);
        internal::ActiveCodeDots()(codes_.codes(first), codes_.sums()[first], lists.data(), nearest.count, padded_,
                                   products.data());
        Distances distances;
        for (size_t j = 0; j < nearest.count; j++) {
            const uint32_t list = nearest.point[j];
            const float product = points_.scale(first) * static_cast<float>(products[j]) * points_.scale(list);
            distances.row[j] = std::max(0.0F, 2 * nearest.value[j] + norm);
            distances.first[j] = 2 * (points_.half_norm(first) + points_.half_norm(list) - product);
        }
        return distances;
    }

    [[nodiscard]] Distances DistancesByFloats(const float* row, const Nearest& nearest) const noexcept {
        const auto l2_squared = ActiveKernels().l2_squared;
        const float* first = centroids_ + nearest.point[0] * padded_;
        Distances distances;
        for (size_t j = 0; j < nearest.count; j++) {
            const float* centroid = centroids_ + nearest.point[j] * padded_;
            distances.row[j] = l2_squared(row, centroid, padded_);
            distances.first[j] = l2_squared(first, centroid, padded_);
        }
        return distances;
    }

    [[nodiscard]] uint32_t SecondList(const float* row, const Coded& coded, const Nearest& nearest,
                                      bool doubtful) const noexcept {
        if (!doubtful) {
            const Distances distances = DistancesByCodes(coded, nearest);
            const float doubt = kShortResidual * coded.scale;
            if (distances.row[0] > doubt * doubt) return LeastLoss(nearest, distances);
        }
        return LeastLoss(nearest, DistancesByFloats(row, nearest));
    }

    // SOAR: averaged over the queries for which the first copy is hard to find, the second one helps most where its
    // residual r' is short and orthogonal to the first one's, r. The loss is ||r'||^2 + <r', r / ||r||>^2, with
    // 2 <r', r> = ||r||^2 + ||r'||^2 - ||c - c'||^2.
    [[nodiscard]] static uint32_t LeastLoss(const Nearest& nearest, const Distances& distances) noexcept {
        const float r = distances.row[0];
        uint32_t best = nearest.point[1];
        float least = std::numeric_limits<float>::infinity();
        for (size_t j = 1; j < nearest.count; j++) {
            const float r_prime = distances.row[j];
            const float product = (r + r_prime - distances.first[j]) / 2;
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
    CodeRows codes_;  // the same codes, list after list
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

// Selects the nearest from tiles of distances.
//
// A first pass over a tile's row finds the smallest value of every residue class modulo 32 of the point's number. The
// k-th smallest of these 32 minima is no less than the k-th smallest value, and only some 10 values (k = 8) lie at or
// below it. A second pass compares with that threshold and inserts those few into a short sorted array.
#include "engine/clustering/nearest.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace annex {

namespace {

constexpr size_t kClasses = 32;
constexpr size_t kTilePoints = 512;
constexpr size_t kMaxTileRows = 192;  // a multiple of every level's block of rows
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Multiplications in some 20 ms of one thread.
constexpr size_t kStepMultiplications = size_t{500} << 20;

static_assert(kTilePoints % PackedPoints::kPanel == 0 && kMaxNearest <= kClasses);

// From which value on none of values[n] is among the k smallest. NaNs count as infinite.
float Threshold(const float* values, size_t n, size_t k) noexcept {
    std::array<float, kClasses> least;
    least.fill(kInfinity);
    size_t i = 0;
    for (; i + kClasses <= n; i += kClasses)
        for (size_t c = 0; c < kClasses; c++) least[c] = values[i + c] < least[c] ? values[i + c] : least[c];
    for (size_t c = 0; i + c < n; c++) least[c] = values[i + c] < least[c] ? values[i + c] : least[c];
    std::nth_element(least.begin(), least.begin() + static_cast<ptrdiff_t>(k - 1), least.end());
    return std::nextafter(least[k - 1], kInfinity);
}

void Select(const float* values, size_t n, size_t first, size_t k, Nearest* nearest) noexcept {
    float limit = std::min(nearest->Limit(k), Threshold(values, n, k));
    for (size_t i = 0; i < n; i += kClasses) {
        const size_t end = std::min(n, i + kClasses);
        if (end - i == kClasses) {
            unsigned below = 0;
            for (size_t c = 0; c < kClasses; c++) below |= static_cast<unsigned>(values[i + c] < limit);
            if (below == 0) continue;
        }
        for (size_t j = i; j < end; j++)
            if (values[j] < limit) {
                nearest->Insert(values[j], static_cast<uint32_t>(first + j), k);
                limit = std::min(limit, nearest->Limit(k));
            }
    }
}

}  // namespace

float Nearest::Limit(size_t k) const noexcept {
    return count < k ? kInfinity : value[k - 1];
}

void Nearest::Insert(float candidate, uint32_t number, size_t k) noexcept {
    size_t i = count < k ? count++ : k - 1;
    for (; i > 0 && value[i - 1] > candidate; i--) {
        value[i] = value[i - 1];
        point[i] = point[i - 1];
    }
    value[i] = candidate;
    point[i] = number;
}

NearestFinder::NearestFinder(size_t rows, size_t padded)
    : row_stride_(RowStride(padded)), rows_(rows * row_stride_), values_(rows * kTilePoints), nearest_(rows) {}

void NearestFinder::Find(const PackedPoints& points, size_t n, size_t k) noexcept {
    for (size_t i = 0; i < n; i++) nearest_[i].count = 0;
    for (size_t first = 0; first < points.size(); first += kTilePoints) {
        const size_t count = std::min(kTilePoints, points.size() - first);
        points.HalfDistances(rows_.get(), row_stride_, n, first, count, values_.get(), kTilePoints);
        for (size_t i = 0; i < n; i++) Select(values_.get() + i * kTilePoints, count, first, k, &nearest_[i]);
    }
}

size_t TileRows(size_t points, size_t padded) noexcept {
    const size_t by_memory = (size_t{1} << 18) / padded;
    const size_t by_time = kStepMultiplications / (points * padded + 1);
    return std::clamp<size_t>(std::min(by_memory, by_time), 8, kMaxTileRows);
}

size_t TilesPerStep(size_t tile_rows, size_t points, size_t padded) noexcept {
    return std::max<size_t>(1, kStepMultiplications / (tile_rows * points * padded + 1));
}

}  // namespace annex

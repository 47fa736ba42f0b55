// Selects the nearest from tiles of distances: a first pass over the values of a row finds a threshold that few pass, a
// second pass picks these, and they alone are inserted into a short sorted array.
#include "engine/clustering/nearest.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/clustering/inner_loops.h"
#include "engine/clustering/product.h"

namespace annex {

namespace {

constexpr size_t kTilePoints = 512;
constexpr size_t kMaxTileRows = 192;  // a multiple of every level's block of rows
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Multiplications in some 20 ms of one thread.
constexpr size_t kStepMultiplications = size_t{500} << 20;

static_assert(kTilePoints % PackedPoints::kPanel == 0 && kMaxNearest <= 32);

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

void SelectNearest(const float* values, size_t n, uint32_t first, size_t k, Nearest* nearest) noexcept {
    const internal::InnerLoops& loops = internal::ActiveInnerLoops();
    float limit = nearest->Limit(k);
    // The threshold itself may be among the k smallest.
    if (nearest->count < k) limit = std::nextafter(loops.threshold(values, n, k), kInfinity);
    std::array<uint32_t, kTilePoints> indices;
    const size_t count = loops.below(values, n, limit, indices.data());
    for (size_t j = 0; j < count; j++) {
        const float value = values[indices[j]];
        if (value < nearest->Limit(k)) nearest->Insert(value, first + indices[j], k);
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

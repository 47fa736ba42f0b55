// Dense images of sparse vectors.
#include "annex/sparse_image.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "annex/random.h"

namespace annex {
namespace {

// Part of the format of indexes.
constexpr uint64_t kSeed = 0x616e6e6578696d67ULL;
constexpr unsigned kHashBits = 15;  // of the place in a block
constexpr float kShare = 0.5F;      // 1 / sqrt(blocks)

// 16 bits of hash for each block: a place and a sign.
void AddValue(uint64_t hash, float value, size_t block_size, float* image) noexcept {
    const float part = kShare * value;
    for (size_t block = 0; block < kSparseImageBlocks; ++block, hash >>= 16) {
        const size_t place = ((hash & ((1U << kHashBits) - 1)) * block_size) >> kHashBits;
        image[block * block_size + place] += (hash & (1U << kHashBits)) != 0 ? -part : part;
    }
}

double Length(const SparseVector& x) noexcept {
    double sum = 0;
    for (size_t i = 0; i < x.count; ++i) sum += static_cast<double>(x.values[i]) * static_cast<double>(x.values[i]);
    return std::sqrt(sum);
}

bool IsZero(const float* image, size_t dimensions) noexcept {
    return std::all_of(image, image + dimensions, [](float value) { return value == 0; });
}

}  // namespace

void MakeSparseImage(const SparseVector& x, size_t dimensions, size_t image_dimensions, float* image) noexcept {
    std::fill(image, image + image_dimensions, 0.0F);
    if (dimensions <= image_dimensions) {
        for (size_t i = 0; i < x.count; ++i) image[x.indices[i]] = x.values[i];
        return;
    }
    for (size_t i = 0; i < x.count; ++i) {
        Random hash(kSeed ^ static_cast<uint32_t>(x.indices[i]));
        AddValue(hash.Next(), x.values[i], image_dimensions / kSparseImageBlocks, image);
    }
    // A float that is no number would be of no class.
    for (size_t i = 0; i < image_dimensions; ++i)
        if (!std::isfinite(image[i])) image[i] = HUGE_VALF;
    if (x.count > 0 && IsZero(image, image_dimensions)) image[0] = static_cast<float>(Length(x));
}

}  // namespace annex

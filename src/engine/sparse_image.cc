// Images of vectors of few dimensions.
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

// 16 bits of hash for each block: a place and a sign.
template <size_t kBlocks>
void AddValue(size_t index, float value, size_t block_size, float* image) noexcept {
    constexpr float kShare = kBlocks == 4 ? 0.5F : 1.0F;  // 1 / sqrt(blocks)
    const float part = kShare * value;
    uint64_t hash = Random(kSeed ^ index).Next();
    for (size_t block = 0; block < kBlocks; ++block, hash >>= 16) {
        const size_t place = ((hash & ((1U << kHashBits) - 1)) * block_size) >> kHashBits;
        image[block * block_size + place] += (hash & (1U << kHashBits)) != 0 ? -part : part;
    }
}

// indices: nullptr: all of them, in their order.
template <size_t kBlocks>
void AddValues(const int32_t* indices, const float* values, size_t count, size_t image_dimensions,
               float* image) noexcept {
    const size_t block_size = image_dimensions / kBlocks;
    for (size_t i = 0; i < count; ++i)
        AddValue<kBlocks>(indices != nullptr ? static_cast<uint32_t>(indices[i]) : i, values[i], block_size, image);
}

double Length(const float* values, size_t count) noexcept {
    double sum = 0;
    for (size_t i = 0; i < count; ++i) sum += static_cast<double>(values[i]) * static_cast<double>(values[i]);
    return std::sqrt(sum);
}

bool IsZero(const float* image, size_t dimensions) noexcept {
    return std::all_of(image, image + dimensions, [](float value) { return value == 0; });
}

// The image of a vector that does not fit into it.
void MakeImage(const int32_t* indices, const float* values, size_t count, ImageKind kind, size_t image_dimensions,
               float* image) noexcept {
    std::fill(image, image + image_dimensions, 0.0F);
    if (kind == ImageKind::kFourBlocks)
        AddValues<4>(indices, values, count, image_dimensions, image);
    else
        AddValues<1>(indices, values, count, image_dimensions, image);
    // A float that is no number would be of no class.
    for (size_t i = 0; i < image_dimensions; ++i)
        if (!std::isfinite(image[i])) image[i] = HUGE_VALF;
    if (IsZero(image, image_dimensions)) image[0] = static_cast<float>(Length(values, count));
}

}  // namespace

void MakeSparseImage(const SparseVector& x, size_t dimensions, ImageKind kind, size_t image_dimensions,
                     float* image) noexcept {
    if (dimensions > image_dimensions) {
        MakeImage(x.indices, x.values, x.count, kind, image_dimensions, image);
        return;
    }
    std::fill(image, image + image_dimensions, 0.0F);
    for (size_t i = 0; i < x.count; ++i) image[x.indices[i]] = x.values[i];
}

void MakeDenseImage(const float* x, size_t dimensions, ImageKind kind, size_t image_dimensions, float* image) noexcept {
    if (dimensions > image_dimensions) {
        MakeImage(nullptr, x, dimensions, kind, image_dimensions, image);
        return;
    }
    std::copy(x, x + dimensions, image);
    std::fill(image + dimensions, image + image_dimensions, 0.0F);
}

}  // namespace annex

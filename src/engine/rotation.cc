// The stages of annex/rotation.h.
//
// Where the scale goes. The Hadamard transform of T = 2^k coordinates must be multiplied by 2^(-k/2), a Kac step by
// 2^(-1/2). The Kac steps cover all coordinates, so their two factors, 1/2 together, can wait until the end. So can
// those of the transforms when each covers all coordinates: 2^(-2k) together. When a transform leaves P - T coordinates
// alone, its factor comes right behind it; that is exact for even k, and rounds twice (the factor, the product) for odd
// k. What waits can only make intermediate values larger, at most by 2^26 (P = 8,192), so nothing overflows below a
// norm of 2^101, and only coordinates below 2^-126 lose bits: both far beyond the norms whose squares are normal
// floats.
#include "annex/rotation.h"

#include <bit>

#include "annex/error.h"
#include "annex/kernels.h"
#include "annex/random.h"

namespace annex {
namespace {

constexpr size_t kRounds = 4;
constexpr float kSqrtHalf = 0x1.6a09e6p-1F;

float PowerOfTwo(int exponent) {
    return std::bit_cast<float>(static_cast<uint32_t>(exponent + 127) << 23);
}

// After each pair of transforms, of the first and of the last coordinates.
bool KacStepFollows(size_t round) {
    return round % 2 == 1;
}

int Log2(size_t power_of_two) {
    return std::countr_zero(power_of_two);
}

// 2^(-k/2) for a transform of 2^k coordinates.
float TransformScale(size_t transform_size) {
    const int k = Log2(transform_size);
    return PowerOfTwo(-(k / 2)) * (k % 2 == 0 ? 1.0F : kSqrtHalf);
}

}  // namespace

Rotation::Rotation(size_t dimensions, uint64_t seed)
    : dimensions_(dimensions), padded_(PaddedDimensions(dimensions)), transform_size_(std::bit_floor(padded_)) {
    if (dimensions == 0) throw Error(ErrorKind::kInvalidArgument, "rotation must have at least 1 dimension");
    signs_.resize(kRounds * padded_ / 8);  // a multiple of 8 bytes a round
    Random random(seed);
    for (size_t i = 0; i < signs_.size(); i += 8) {
        const uint64_t bits = random.Next();
        for (size_t byte = 0; byte < 8; ++byte) signs_[i + byte] = static_cast<uint8_t>(bits >> (8 * byte));
    }
}

void Rotation::Apply(float* x) const noexcept {
    const Kernels& kernels = ActiveKernels();
    if (transform_size_ == padded_) {
        for (size_t round = 0; round < kRounds; ++round) {
            kernels.flip_signs(x, RoundSigns(round), padded_);
            kernels.hadamard(x, padded_);
        }
        kernels.scale(x, FinalScale(), padded_);
        return;
    }
    const float transform_scale = TransformScale(transform_size_);
    for (size_t round = 0; round < kRounds; ++round) {
        kernels.flip_signs(x, RoundSigns(round), padded_);
        kernels.hadamard(x + RoundStart(round), transform_size_);
        kernels.scale(x + RoundStart(round), transform_scale, transform_size_);
        if (KacStepFollows(round)) kernels.kac_step(x, padded_);
    }
    kernels.scale(x, FinalScale(), padded_);
}

// Each stage is its own inverse up to the scale; so the stages of Apply in the reverse order.
void Rotation::ApplyInverse(float* x) const noexcept {
    const Kernels& kernels = ActiveKernels();
    if (transform_size_ == padded_) {
        for (size_t round = kRounds; round-- > 0;) {
            kernels.hadamard(x, padded_);
            kernels.flip_signs(x, RoundSigns(round), padded_);
        }
        kernels.scale(x, FinalScale(), padded_);
        return;
    }
    const float transform_scale = TransformScale(transform_size_);
    for (size_t round = kRounds; round-- > 0;) {
        if (KacStepFollows(round)) kernels.kac_step(x, padded_);
        kernels.hadamard(x + RoundStart(round), transform_size_);
        kernels.scale(x + RoundStart(round), transform_scale, transform_size_);
        kernels.flip_signs(x, RoundSigns(round), padded_);
    }
    kernels.scale(x, FinalScale(), padded_);
}

const uint8_t* Rotation::RoundSigns(size_t round) const noexcept {
    return signs_.data() + round * padded_ / 8;
}

size_t Rotation::RoundStart(size_t round) const noexcept {
    return round % 2 == 0 ? 0 : padded_ - transform_size_;
}

float Rotation::FinalScale() const noexcept {
    return transform_size_ == padded_ ? PowerOfTwo(-2 * Log2(transform_size_)) : 0.5F;
}

}  // namespace annex

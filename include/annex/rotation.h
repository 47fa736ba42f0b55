// A random orthogonal transform in O(D log D): fast Hadamard transforms and Kac steps.
//
// Four rounds of {flip the signs by random bits, fast Hadamard transform of T = 2^floor(log2 P) coordinates: the first
// ones in rounds 1 and 3, the last ones in 2 and 4}, with a Kac step (sums and differences of the two halves) after
// rounds 2 and 4; when P is a power of two, the transform covers all of it and the Kac steps are left out. Idea: the
// fast rotators of the RaBitQ papers (arXiv 2405.12497, 2409.09913) and Kac's random walk. They take a Kac step after
// every round; it carries a part of some axes around both transforms, and at P = 768 two coordinates of such an axis
// keep a quarter of its length each. Two transforms that overlap before the first Kac step leave none out: the fourth
// moment of a rotated axis is that of a Gaussian (3.0 to 3.1 against 3.6 to 10 at P = 384 to 1,984; at most 3.5 to
// 5 against 10 to 31).
//
// Orthogonal up to rounding, and a pure function of (dimensions, seed): nothing but the seed is stored. The result is
// the same, bit for bit, on every CPU level and platform. Norms from 2^-96 to 2^100 are safe from underflow and
// overflow.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace annex {

// Dimensions after padding: the next multiple of 64.
[[nodiscard]] constexpr size_t PaddedDimensions(size_t dimensions) noexcept {
    return (dimensions + 63) / 64 * 64;
}

class Rotation {
  public:
    // dimensions from 1 on; throws kInvalidArgument for 0.
    Rotation(size_t dimensions, uint64_t seed);

    [[nodiscard]] size_t dimensions() const noexcept { return dimensions_; }
    [[nodiscard]] size_t padded() const noexcept { return padded_; }

    // Rotates in place x[padded()], whose coordinates from dimensions() on must be zero.
    void Apply(float* x) const noexcept;
    // The inverse of Apply.
    void ApplyInverse(float* x) const noexcept;

    // ||computed - exact|| <= kRelativeError * ||x|| for both, at any number of dimensions to 16,000: each of the at
    // most 4 * 13 + 2 stages of butterflies rounds every output once, and scaling rounds twice in each of 4 rounds.
    static constexpr double kRelativeError = 128.0 / (1 << 24);

  private:
    [[nodiscard]] const uint8_t* RoundSigns(size_t round) const noexcept;
    // Where the transform of a round begins: the first or the last coordinates, by turns.
    [[nodiscard]] size_t RoundStart(size_t round) const noexcept;
    [[nodiscard]] float FinalScale() const noexcept;

    size_t dimensions_;
    size_t padded_;
    size_t transform_size_;       // the power of two that one Hadamard transform covers
    std::vector<uint8_t> signs_;  // 4 rounds of padded/8 bytes
};

}  // namespace annex

// The least of many numbers, some at a time, without sorting the rest: how the nearest of many centroids are found.
//
// Those up to a limit are collected in one pass, the limit being guessed from a sample so that hardly more than are
// wanted pass it; only they are ordered. When more are wanted than were collected, a further pass takes those between
// the limit and a higher one. A caller that sees each number as it fills it in can spare the first pass: Expect gives
// it the limit beforehand.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace annex {

class LeastFirst {
  public:
    // Room for `count` numbers, which the caller fills in; memory is kept between calls. None may be a NaN.
    [[nodiscard]] std::span<float> Reset(size_t count);

    // After Reset: the limit up to which the caller must hand the place of every number to Pass, before Next. It is
    // guessed so that some more than `wanted` pass, from a sample of the numbers, which is reordered; without one it is
    // -infinity.
    [[nodiscard]] float Expect(size_t wanted, std::span<float> sample);
    void Pass(size_t i) { collected_.push_back(Ordered(i)); }

    // The places of the `count` least among those not yet given out (of equal ones, those that come first), in no
    // order; fewer when there are no more. Valid until the next call.
    [[nodiscard]] std::span<const uint32_t> Next(size_t count);

    [[nodiscard]] size_t size() const noexcept { return values_.size(); }
    [[nodiscard]] float value(size_t i) const noexcept { return values_[i]; }

  private:
    [[nodiscard]] uint64_t Ordered(size_t i) const noexcept;
    [[nodiscard]] float Limit(size_t wanted);
    void Collect(float limit);

    std::vector<float> values_;
    // Values, made comparable as integers, above their places: all values up to limit_. The first given_ have been
    // given out.
    std::vector<uint64_t> collected_;
    std::vector<uint32_t> taken_;
    std::vector<float> sample_;
    float limit_ = 0;
    size_t given_ = 0;
};

// An integer that orders as the float does, above the place.
inline uint64_t LeastFirst::Ordered(size_t i) const noexcept {
    const auto bits = std::bit_cast<uint32_t>(values_[i]);
    const uint32_t ordered = (bits & 0x80000000U) != 0 ? ~bits : bits | 0x80000000U;
    return static_cast<uint64_t>(ordered) << 32 | i;
}

}  // namespace annex

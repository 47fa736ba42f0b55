// A small deterministic generator (splitmix64): what the engine draws depends on the seed alone, on every platform.
// Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
#pragma once

#include <cstdint>

namespace annex {

class Random {
  public:
    explicit Random(uint64_t seed) noexcept : state_(seed) {}

    uint64_t Next() noexcept {
        state_ += 0x9e3779b97f4a7c15ULL;
        uint64_t z = state_;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
        return z ^ (z >> 31);
    }

    // Uniform in [0, bound), bound > 0. The bias of the multiplication is below 2^-32 for bounds to 2^32.
    uint64_t Below(uint64_t bound) noexcept {
        return static_cast<uint64_t>((static_cast<unsigned __int128>(Next()) * bound) >> 64);
    }

    // Uniform in [0, 1).
    double Uniform() noexcept { return static_cast<double>(Next() >> 11) * 0x1.0p-53; }

  private:
    uint64_t state_;
};

}  // namespace annex

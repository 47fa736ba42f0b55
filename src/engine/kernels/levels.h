// What the files of this folder show each other: the tables of the levels.
#pragma once

#include <cstddef>

#include "annex/kernels.h"

namespace annex::internal {

// The specification: plain loops, for any CPU.
extern const Kernels kScalarKernels;

// At most this many vector levels exist on one architecture.
inline constexpr size_t kMaxVectorLevels = 4;

// Fills tables[] with the vector levels that this build has and this CPU can run, the best last; returns their number.
size_t VectorLevels(const Kernels* tables[kMaxVectorLevels]) noexcept;

#if defined(__x86_64__)
// For CPUs with AVX-512 VPOPCNTDQ (bit_popcount.cc).
uint64_t HammingByPopcount(const uint8_t* a, const uint8_t* b, size_t n);
BitCounts JaccardByPopcount(const uint8_t* a, const uint8_t* b, size_t n);
#endif

}  // namespace annex::internal

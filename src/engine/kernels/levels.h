// What the files of this folder show each other: the tables of the levels.
#pragma once

#include <cstddef>

#include "annex/kernels.h"

namespace annex::internal {

// The specification: plain loops, for any CPU.
extern const Kernels kScalarKernels;

// At most this many vector levels exist on one architecture.
inline constexpr size_t kMaxVectorLevels = 3;

// Fills tables[] with the vector levels that this build has and this CPU can run, the best last; returns their number.
size_t VectorLevels(const Kernels* tables[kMaxVectorLevels]) noexcept;

}  // namespace annex::internal

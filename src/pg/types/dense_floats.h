// The elements of a dense value as floats, and back.
//
// Code that computes with elements is written once, for floats: it goes through a value in chunks. Where the elements
// are floats they are read and written where they lie; halfs go through a buffer on the stack.
#pragma once

#include <algorithm>
#include <cstring>

#include "annex/half.h"
#include "annex/kernels.h"
#include "pg/types/dense.h"

namespace annex::pg {

// Elements that are converted at once.
inline constexpr int kChunk = 512;

[[nodiscard]] inline float ToFloat(float element) {
    return element;
}
[[nodiscard]] inline float ToFloat(uint16 half) {
    return HalfToFloat(half);
}

[[nodiscard]] inline bool IsZero(float element) {
    return element == 0;
}
[[nodiscard]] inline bool IsZero(uint16 half) {
    return HalfIsZero(half);
}

// n elements as floats: themselves, or in the buffer.
[[nodiscard]] inline const float* AsFloats(const float* elements, int, float*) {
    return elements;
}
[[nodiscard]] inline const float* AsFloats(const uint16* halfs, int n, float* buffer) {
    ActiveKernels().halfs_to_floats(halfs, buffer, static_cast<size_t>(n));
    return buffer;
}

// Where floats are computed that are to become these elements: in their place, or in the buffer.
[[nodiscard]] inline float* PlaceFor(float* elements, float*) {
    return elements;
}
[[nodiscard]] inline float* PlaceFor(uint16*, float* buffer) {
    return buffer;
}

// Makes n floats the elements, rounded to the nearest; what is too large becomes infinite.
inline void StoreFloats(const float* floats, float* elements, int n) {
    if (floats != elements) memcpy(elements, floats, sizeof(float) * static_cast<size_t>(n));
}
inline void StoreFloats(const float* floats, uint16* halfs, int n) {
    ActiveKernels().floats_to_halfs(floats, halfs, static_cast<size_t>(n));
}

// The same, but a finite float that is too large is an error.
inline void StoreInRange(const DenseType&, const float* floats, float* elements, int n) {
    StoreFloats(floats, elements, n);
}
void StoreInRange(const DenseType& type, const float* floats, uint16* halfs, int n);

[[nodiscard]] bool AllFinite(const uint16* halfs, int n);
void CheckElements(const DenseType& type, const uint16* halfs, int n);

// Calls visit(first, count) for each chunk of n elements.
template <class Visit>
inline void ForEachChunk(int n, Visit visit) {
    for (int first = 0; first < n; first += kChunk) visit(first, std::min(kChunk, n - first));
}

}  // namespace annex::pg

// Dense images of sparse vectors, in which an index works that cannot keep their dimensions.
//
// A sparse Johnson-Lindenstrauss transform: the image's coordinates are four blocks of equal size, and each index of a
// vector has one coordinate and one sign in each block, by hash; a value is added there with half its size. So the
// image of a vector with one value has that value's length exactly, and for any two vectors
//   E <image(x), image(y)> = <x, y>,  standard deviation at most sqrt(2 / P) ||x|| ||y||
// for P coordinates; lengths and L2 distances are kept likewise. Two indices that meet in one block hardly ever meet in
// another, so that none stands for another. Source: Kane, Nelson, "Sparser Johnson-Lindenstrauss transforms",
// J. ACM 61 (2014), the block construction.
//
// Where the vectors have no more dimensions than the image, it is the vector itself.
#pragma once

#include <cstddef>

#include "annex/kernels.h"

namespace annex {

inline constexpr size_t kSparseImageBlocks = 4;

// Writes the image of x, whose indices are below `dimensions`, to image[image_dimensions], which is a multiple of
// kSparseImageBlocks up to 2^17, or at least `dimensions`. The same bytes on every platform: images lie in indexes. The
// image is all zero only if x is: values that cancel each other out leave x's length at one coordinate.
void MakeSparseImage(const SparseVector& x, size_t dimensions, size_t image_dimensions, float* image) noexcept;

}  // namespace annex

// Images of vectors of few dimensions, in which an index works that cannot keep the vectors' own: of sparse vectors,
// and of dense ones that are too wide.
//
// A sparse Johnson-Lindenstrauss transform: the image's coordinates are four blocks of equal size, and each index of a
// vector has one coordinate and one sign in each block, by hash; a value is added there with half its size. So the
// image of a vector with one value has that value's length exactly, and for any two vectors
//   E <image(x), image(y)> = <x, y>,  standard deviation at most sqrt(2 / P) ||x|| ||y||
// for P coordinates; lengths and L2 distances are kept likewise. Two indices that meet in one block hardly ever meet in
// another, so that none stands for another. Source: Kane, Nelson, "Sparser Johnson-Lindenstrauss transforms",
// J. ACM 61 (2014), the block construction.
//
// No such transform keeps L1 distances. For these the image is a single block, where a value is added as it is: what
// meets there may cancel out, so the image's distance is at most the true one; it comes close as long as few of the
// coordinates by which two vectors differ meet. Of dense vectors, where they do, it is by and large in proportion.
//
// Where the vectors have no more dimensions than the image, it is the vector itself.
#pragma once

#include <cstddef>
#include <cstdint>

#include "annex/kernels.h"

namespace annex {

enum class ImageKind : uint8_t {
    kFourBlocks,  // for lengths, products and L2 distances
    kOneBlock,    // for L1 distances
};

// Writes the image of x, whose indices are below `dimensions`, to image[image_dimensions], which is a multiple of
// four up to 2^15, or at least `dimensions`. The same bytes on every platform: images lie in indexes. The image is all
// zero only if x is: values that cancel each other out leave x's length at one coordinate.
void MakeSparseImage(const SparseVector& x, size_t dimensions, ImageKind kind, size_t image_dimensions,
                     float* image) noexcept;
// The same of x[dimensions]; image must not overlap it.
void MakeDenseImage(const float* x, size_t dimensions, ImageKind kind, size_t image_dimensions, float* image) noexcept;

}  // namespace annex

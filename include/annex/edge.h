// The edges of a graph: a short code of each neighbour, relative to the node that the edge leaves.
//
// A node's row, decoded, is c; a neighbour's is y, and r = y - c. As for the sketches of a list whose centroid is c
// (annex/sketch.h), the code is the signs s of r; here of its first `code_bits` coordinates alone, which a random
// rotation makes as good as any others. With k = ||r||^2 / ||r_C||_1, r_C being these coordinates, k <s, v_C> estimates
// <r, v>, exactly so where v is r itself, and
//   ||q - y||^2 = ||q - c||^2 + ||r||^2 - 2 <r, q - c> ~ base + f_add + f_rescale <s, q_C>,
//   base = ||q - c||^2,  f_add = ||r||^2 + 2 k <s, c_C>,  f_rescale = -2 k
// So one query serves all nodes, and what a node adds to it is its own distance, which is known when the node is
// visited. The error of <r, v> is about 0.75 ||r|| ||v|| / sqrt(code_bits), v = q - c: the nearer the search comes to
// the query, the finer the estimates.
//
// Edges are by L2 whatever the metric: for inner product, -<q, y> = (||q - y||^2 - ||q||^2 - ||y||^2) / 2, and an edge
// also has ||y||^2.
//
// A query is kept as bytes (Kernels::bit_sums): its rounding is an error of at most a hundredth of ||q||, in the place
// of ||v||.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "annex/kernels.h"

namespace annex {

struct EdgeFactors {
    uint16_t f_add;  // bfloat16
    uint16_t f_rescale;
};
static_assert(sizeof(EdgeFactors) == 4);

// code_bits is a multiple of 64.
[[nodiscard]] constexpr size_t EdgeCodeBytes(size_t code_bits) noexcept {
    return code_bits / 8;
}

// Encodes the edge from a node to a neighbour, both of them decoded rows of `padded` coordinates, code_bits <= padded.
// code[EdgeCodeBytes(code_bits)].
[[nodiscard]] EdgeFactors EncodeEdge(const float* node, const float* neighbour, size_t padded, size_t code_bits,
                                     uint8_t* code) noexcept;

// ||r||^2 of an edge, as its code remembers it: by the mean of ||r||_1 / ||r||, off by some hundredths.
[[nodiscard]] float SquaredLength(const EdgeFactors& factors, size_t padded, size_t code_bits) noexcept;

// ||q - y||^2 along an edge: base = ||q - c||^2, product = <s, q_C>.
[[nodiscard]] inline float EstimateAlong(const EdgeFactors& factors, float base, float product) noexcept {
    return base + Bf16ToFloat(factors.f_add) + Bf16ToFloat(factors.f_rescale) * product;
}

class EdgeQuery {
  public:
    // y[code_bits and more] as Space::TransformQuery gives it, or a decoded row. Memory is kept between calls.
    void Reset(const float* y, size_t code_bits);

    // <s, q_C> of `count` codes that begin `stride` bytes apart. Valid until the next call.
    [[nodiscard]] const float* SignProducts(const uint8_t* codes, size_t stride, size_t count);

  private:
    size_t code_bytes_ = 0;
    std::vector<uint8_t> numbers_;  // the query's coordinates, plus 128
    std::vector<int32_t> sums_;
    std::vector<float> products_;
    float scale_ = 0;  // <s, q_C> ~ scale_ * sum + offset_
    float offset_ = 0;
};

}  // namespace annex

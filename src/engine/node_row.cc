// Rows of nodes.
#include "annex/node_row.h"

#include <algorithm>
#include <cstring>

#include "annex/kernels.h"

namespace annex {

NodeRows::NodeRows(const Space& space, const NodeLayout& layout)
    : space_(&space), layout_(layout), encoder_(space), codes_(layout.of_bits() ? space.padded() : 0) {}

RowFactors NodeRows::Encode(const float* y, int8_t* row) {
    if (!layout_.of_bits()) return encoder_.Encode(y, row);
    const RowFactors factors = encoder_.Encode(y, codes_.data());
    for (size_t byte = 0; byte < layout_.row_bytes(); ++byte) {
        unsigned bits = 0;
        for (size_t bit = 0; bit < 8; ++bit) bits |= static_cast<unsigned>(codes_[byte * 8 + bit]) << bit;
        row[byte] = static_cast<int8_t>(bits);
    }
    return factors;
}

void NodeRows::Decode(const int8_t* row, const RowFactors& factors, float* y) const noexcept {
    if (!layout_.of_bits()) {
        DecodeRow(*space_, row, factors.scale, y);
        return;
    }
    for (size_t i = 0; i < layout_.padded(); ++i) y[i] = static_cast<float>(row[i / 8] >> i % 8 & 1);
    space_->FromRowSpace(y);
}

float NodeRows::SquaredDistance(const int8_t* a, const RowFactors& a_factors, const int8_t* b,
                                const RowFactors& b_factors) const noexcept {
    const Kernels& kernels = ActiveKernels();
    if (layout_.of_bits())
        return static_cast<float>(kernels.hamming(reinterpret_cast<const uint8_t*>(a),
                                                  reinterpret_cast<const uint8_t*>(b), layout_.row_bytes()));
    const auto product = [&](const int8_t* x, const int8_t* y) {
        return static_cast<float>(kernels.code_product(x, y, layout_.padded()));
    };
    const float squared = a_factors.scale * a_factors.scale * product(a, a) +
                          b_factors.scale * b_factors.scale * product(b, b) -
                          2 * a_factors.scale * b_factors.scale * product(a, b);
    return std::max(squared, 0.0F);
}

bool NodeRows::Same(const int8_t* a, const RowFactors& a_factors, const int8_t* b,
                    const RowFactors& b_factors) const noexcept {
    return a_factors.scale == b_factors.scale && a_factors.error == b_factors.error &&
           std::memcmp(a, b, layout_.row_bytes()) == 0;
}

}  // namespace annex

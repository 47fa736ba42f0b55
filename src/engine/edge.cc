// Encoding of edges, and what a query estimates along them. The estimate is derived in annex/edge.h.
#include "annex/edge.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "engine/sums.h"

namespace annex {
namespace {

// Below this, a scale would overflow; such coordinates are nothing beside any distance that a float can tell.
constexpr float kMinMagnitude = 0x1p-112F;
constexpr float kMaxNumber = 127;
constexpr uint8_t kZero = 128;  // what stands for 0 among the numbers

uint16_t Bf16(double value) noexcept {
    constexpr double kMax = std::numeric_limits<float>::max();
    return FloatToBf16Nearest(static_cast<float>(std::clamp(value, -kMax, kMax)));
}

void PackSigns(const float* node, const float* neighbour, size_t code_bits, uint8_t* code) noexcept {
    for (size_t j = 0; j < code_bits / 8; ++j) {
        unsigned bits = 0;
        for (size_t i = 0; i < 8; ++i)
            bits |= static_cast<unsigned>(neighbour[8 * j + i] - node[8 * j + i] > 0.0F) << i;
        code[j] = static_cast<uint8_t>(bits);
    }
}

}  // namespace

EdgeFactors EncodeEdge(const float* node, const float* neighbour, size_t padded, size_t code_bits,
                       uint8_t* code) noexcept {
    PackSigns(node, neighbour, code_bits, code);
    const auto residual = [node, neighbour](size_t i) { return static_cast<double>(neighbour[i] - node[i]); };
    const double squared_norm = SumInDouble(padded, [&](size_t i) { return residual(i) * residual(i); });
    const double l1_norm = SumInDouble(code_bits, [&](size_t i) { return std::fabs(residual(i)); });
    const double signs_node = SumInDouble(code_bits, [&](size_t i) {
        const auto coordinate = static_cast<double>(node[i]);
        return residual(i) > 0 ? coordinate : -coordinate;
    });
    // Where the code sees nothing of the residual, its length alone is known.
    const double k = l1_norm > 0 ? squared_norm / l1_norm : 0;
    return {Bf16(squared_norm + 2 * k * signs_node), Bf16(-2 * k)};
}

// ||r_C||_1 ~ ||r|| code_bits sqrt(2 / (pi padded)), hence ||r|| ~ k code_bits sqrt(2 / (pi padded)).
float SquaredLength(const EdgeFactors& factors, size_t padded, size_t code_bits) noexcept {
    const float k = Bf16ToFloat(factors.f_rescale) / 2;
    const auto bits = static_cast<float>(code_bits);
    return k * k * bits * bits * (2 / std::numbers::pi_v<float>) / static_cast<float>(padded);
}

void EdgeQuery::Reset(const float* y, size_t code_bits) {
    code_bytes_ = EdgeCodeBytes(code_bits);
    float largest = 0;
    for (size_t i = 0; i < code_bits; ++i) largest = std::max(largest, std::fabs(y[i]));
    numbers_.assign(code_bits, kZero);
    scale_ = offset_ = 0;
    if (largest < kMinMagnitude) return;
    const float step = largest / kMaxNumber;
    const float inverse = 1 / step;
    int32_t sum = 0;
    for (size_t i = 0; i < code_bits; ++i) {
        const float value = y[i] * inverse;
        const auto number = static_cast<int>(value + std::copysign(0.5F, value));
        numbers_[i] = static_cast<uint8_t>(number + kZero);
        sum += number;
    }
    // <s, q> = 2 <bits, q> - sum(q)
    scale_ = 2 * step;
    offset_ = -step * static_cast<float>(sum);
}

const float* EdgeQuery::SignProducts(const uint8_t* codes, size_t stride, size_t count) {
    if (sums_.size() < count) {
        sums_.resize(count);
        products_.resize(count);
    }
    ActiveKernels().bit_sums(codes, stride, count, code_bytes_, numbers_.data(), sums_.data());
    for (size_t v = 0; v < count; ++v) products_[v] = scale_ * static_cast<float>(sums_[v]) + offset_;
    return products_.data();
}

}  // namespace annex

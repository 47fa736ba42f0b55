// bfloat16: the upper half of a float. Rounding is arithmetic on the bits, since neighbouring floats of one sign are
// neighbouring integers.
#include <bit>

#include "annex/kernels.h"

namespace annex {
namespace {

constexpr uint32_t kSignBit = 0x80000000;
constexpr uint32_t kInfinity = 0x7f800000;
constexpr uint32_t kQuietBit = 0x00400000;

bool IsNan(uint32_t bits) {
    return (bits & ~kSignBit) > kInfinity;
}

// A NaN whose payload lies in the lower half only must not become an infinity.
uint16_t UpperHalfOfNan(uint32_t bits) {
    return static_cast<uint16_t>((bits | kQuietBit) >> 16);
}

uint16_t TowardsZero(uint32_t bits) {
    return static_cast<uint16_t>(bits >> 16);
}

// Adding 0xffff moves on to the next bfloat16 unless the lower half is zero; beyond the largest comes infinity.
uint16_t AwayFromZero(uint32_t bits) {
    return static_cast<uint16_t>((bits + 0xffff) >> 16);
}

}  // namespace

uint16_t FloatToBf16Down(float value) noexcept {
    const auto bits = std::bit_cast<uint32_t>(value);
    if (IsNan(bits)) return UpperHalfOfNan(bits);
    return (bits & kSignBit) != 0 ? AwayFromZero(bits) : TowardsZero(bits);
}

uint16_t FloatToBf16Up(float value) noexcept {
    const auto bits = std::bit_cast<uint32_t>(value);
    if (IsNan(bits)) return UpperHalfOfNan(bits);
    return (bits & kSignBit) != 0 ? TowardsZero(bits) : AwayFromZero(bits);
}

uint16_t FloatToBf16Nearest(float value) noexcept {
    const auto bits = std::bit_cast<uint32_t>(value);
    if (IsNan(bits)) return UpperHalfOfNan(bits);
    // Half of the last place, less one where the result is even already: ties go to even.
    const uint32_t odd = (bits >> 16) & 1;
    return static_cast<uint16_t>((bits + 0x7fff + odd) >> 16);
}

}  // namespace annex

// Numbers from bytes that lie anywhere: what kernels do behind the last whole vector.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace annex::internal {

// The number at p, which need not be aligned. It stands for *p where kernels take such pointers.
template <class Number>
inline __attribute__((always_inline)) Number At(const Number* p) {
    Number number;
    std::memcpy(&number, static_cast<const void*>(p), sizeof number);
    return number;
}

// The first eight bytes, or where there are only `count` > 0 of them, these and zeros; reads nothing beyond them.
inline uint64_t LoadWord(const uint8_t* p, size_t count) {
    if (count >= 8) {
        uint64_t word;
        std::memcpy(&word, p, 8);
        return word;
    }
    // two reads that overlap bring the same bytes twice
    if (count >= 4) {
        uint32_t first;
        uint32_t last;
        std::memcpy(&first, p, 4);
        std::memcpy(&last, p + count - 4, 4);
        return first | uint64_t{last} << (8 * (count - 4));
    }
    const size_t middle = count / 2;
    return p[0] | uint64_t{p[middle]} << (8 * middle) | uint64_t{p[count - 1]} << (8 * (count - 1));
}

// Becomes one instruction where its caller's level has it.
inline __attribute__((always_inline)) uint64_t CountWord(uint64_t word) {
    return static_cast<uint64_t>(__builtin_popcountll(word));
}

// The first bit of each byte becomes its last.
inline __attribute__((always_inline)) uint64_t ReverseBitsOfBytes(uint64_t word) {
    constexpr uint64_t kOdd = 0x5555555555555555;
    constexpr uint64_t kPairs = 0x3333333333333333;
    constexpr uint64_t kNibbles = 0x0f0f0f0f0f0f0f0f;
    word = (word & kOdd) << 1 | (word >> 1 & kOdd);
    word = (word & kPairs) << 2 | (word >> 2 & kPairs);
    return (word & kNibbles) << 4 | (word >> 4 & kNibbles);
}

}  // namespace annex::internal

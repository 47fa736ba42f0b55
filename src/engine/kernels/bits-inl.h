// A part of simd.cc: the kernels of bit strings.
//
// Set bits are counted a byte at a time, by a look-up of each half of the byte in a register (Mula, Kurz, Lemire:
// "Faster Population Counts Using AVX2 Instructions", 2016), and the counts of eight bytes are added up at once.
// Strings of the lengths that occur, 48 bytes to a few hundred, are too short for the carry-save adders of that paper
// to pay.

// Included once for each level, as Highway's own headers are.
#if defined(ANNEX_KERNELS_BITS_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef ANNEX_KERNELS_BITS_INL_H
#undef ANNEX_KERNELS_BITS_INL_H
#else
#define ANNEX_KERNELS_BITS_INL_H
#endif

#include <cstring>

#include "engine/kernels/levels.h"
#include "hwy/highway.h"

#if HWY_TARGET != HWY_SCALAR && HWY_TARGET != HWY_EMU128

HWY_BEFORE_NAMESPACE();
namespace annex::internal {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

using Bytes = hn::ScalableTag<uint8_t>;
using Counts = hn::Repartition<uint64_t, Bytes>;
using ByteVector = hn::Vec<Bytes>;
using CountVector = hn::Vec<Counts>;

constexpr Bytes kBytes;
constexpr Counts kCounts;
constexpr size_t kByteLanes = HWY_LANES(uint8_t);

HWY_INLINE CountVector CountBits(ByteVector v) {
    return hn::SumsOf8(hn::PopulationCount(v));
}

HWY_INLINE uint64_t CountWord(uint64_t word) {
    return static_cast<uint64_t>(__builtin_popcountll(word));
}

HWY_INLINE uint64_t Sum(CountVector counts) {
    return hn::GetLane(hn::SumOfLanes(kCounts, counts));
}

// The first `count` bytes, 1 to 8, then zeros. Reads of two parts that overlap bring the same bytes twice.
HWY_INLINE uint64_t LoadWord(const uint8_t* p, size_t count) {
    if (count == 8) {
        uint64_t word;
        std::memcpy(&word, p, 8);
        return word;
    }
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

// Sums over parts of two strings, vectors or words of eight bytes. The constructors are spelled out: those that the
// compiler generates lack this level's instructions.
struct Difference {
    CountVector counts;
    uint64_t words;

    HWY_INLINE Difference() : counts(hn::Zero(kCounts)), words(0) {}
    HWY_INLINE void Add(ByteVector a, ByteVector b) { counts = hn::Add(counts, CountBits(hn::Xor(a, b))); }
    HWY_INLINE void AddWord(uint64_t a, uint64_t b) { words += CountWord(a ^ b); }
};

struct Overlap {
    CountVector both;
    CountVector either;
    uint64_t both_words;
    uint64_t either_words;

    HWY_INLINE Overlap() : both(hn::Zero(kCounts)), either(hn::Zero(kCounts)), both_words(0), either_words(0) {}
    HWY_INLINE void Add(ByteVector a, ByteVector b) {
        both = hn::Add(both, CountBits(hn::And(a, b)));
        either = hn::Add(either, CountBits(hn::Or(a, b)));
    }
    HWY_INLINE void AddWord(uint64_t a, uint64_t b) {
        both_words += CountWord(a & b);
        either_words += CountWord(a | b);
    }
};

template <class Sums>
HWY_INLINE void AddUp(const uint8_t* a, const uint8_t* b, size_t n, Sums& sums) {
    size_t i = 0;
    for (; i + kByteLanes <= n; i += kByteLanes) sums.Add(hn::LoadU(kBytes, a + i), hn::LoadU(kBytes, b + i));
#if HWY_TARGET == HWY_AVX3
    if (i < n) {
        const auto rest = hn::FirstN(kBytes, n - i);
        sums.Add(hn::MaskedLoad(rest, kBytes, a + i), hn::MaskedLoad(rest, kBytes, b + i));
    }
#else
    for (; i < n; i += 8) {
        const size_t count = n - i < 8 ? n - i : 8;
        sums.AddWord(LoadWord(a + i, count), LoadWord(b + i, count));
    }
#endif
}

uint64_t Hamming(const uint8_t* a, const uint8_t* b, size_t n) {
    Difference sums;
    AddUp(a, b, n, sums);
    return Sum(sums.counts) + sums.words;
}

BitCounts Jaccard(const uint8_t* a, const uint8_t* b, size_t n) {
    Overlap sums;
    AddUp(a, b, n, sums);
    return {Sum(sums.both) + sums.both_words, Sum(sums.either) + sums.either_words};
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace annex::internal
HWY_AFTER_NAMESPACE();

#endif  // a target with vectors

#endif

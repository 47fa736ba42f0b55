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

#include "engine/kernels/levels.h"
#include "engine/kernels/words.h"
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

HWY_INLINE uint64_t Sum(CountVector counts) {
    return hn::GetLane(hn::SumOfLanes(kCounts, counts));
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
    for (; i + 8 <= n; i += 8) sums.AddWord(LoadWord(a + i, 8), LoadWord(b + i, 8));
    if (i < n) sums.AddWord(LoadWord(a + i, n - i), LoadWord(b + i, n - i));
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

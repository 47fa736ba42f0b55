// The kernels of bit strings for CPUs with AVX-512 VPOPCNTDQ, which counts the bits of a vector in one instruction. The
// level is simd.cc's for AVX-512 otherwise.
#if defined(__x86_64__)

// GCC 12 takes the registers that its own header leaves undefined for a fault of ours.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#ifndef __clang__  // which does not know the name; under sanitizers it is by this one
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

#include "engine/kernels/levels.h"
#include "engine/kernels/words.h"

#define ANNEX_POPCOUNT_LEVEL __attribute__((target("avx512f,avx512vpopcntdq,popcnt")))

namespace annex::internal {
namespace {

ANNEX_POPCOUNT_LEVEL inline __m512i AddBits(__m512i counts, __m512i bits) {
    return _mm512_add_epi64(counts, _mm512_popcnt_epi64(bits));
}

ANNEX_POPCOUNT_LEVEL inline uint64_t Sum(__m512i counts) {
    return static_cast<uint64_t>(_mm512_reduce_add_epi64(counts));
}

ANNEX_POPCOUNT_LEVEL inline void AddWord(BitCounts& counts, uint64_t a, uint64_t b) {
    counts.both += CountWord(a & b);
    counts.either += CountWord(a | b);
}

}  // namespace

ANNEX_POPCOUNT_LEVEL uint64_t HammingByPopcount(const uint8_t* a, const uint8_t* b, size_t n) {
    __m512i counts = _mm512_setzero_si512();
    size_t i = 0;
    for (; i + 64 <= n; i += 64)
        counts = AddBits(counts, _mm512_xor_si512(_mm512_loadu_si512(a + i), _mm512_loadu_si512(b + i)));
    uint64_t words = 0;
    for (; i + 8 <= n; i += 8) words += CountWord(LoadWord(a + i, 8) ^ LoadWord(b + i, 8));
    if (i < n) words += CountWord(LoadWord(a + i, n - i) ^ LoadWord(b + i, n - i));
    return Sum(counts) + words;
}

ANNEX_POPCOUNT_LEVEL BitCounts JaccardByPopcount(const uint8_t* a, const uint8_t* b, size_t n) {
    __m512i both = _mm512_setzero_si512();
    __m512i either = both;
    size_t i = 0;
    for (; i + 64 <= n; i += 64) {
        const __m512i part_a = _mm512_loadu_si512(a + i);
        const __m512i part_b = _mm512_loadu_si512(b + i);
        both = AddBits(both, _mm512_and_si512(part_a, part_b));
        either = AddBits(either, _mm512_or_si512(part_a, part_b));
    }
    BitCounts words{0, 0};
    for (; i + 8 <= n; i += 8) AddWord(words, LoadWord(a + i, 8), LoadWord(b + i, 8));
    if (i < n) AddWord(words, LoadWord(a + i, n - i), LoadWord(b + i, n - i));
    return {Sum(both) + words.both, Sum(either) + words.either};
}

}  // namespace annex::internal

#pragma GCC diagnostic pop

#endif

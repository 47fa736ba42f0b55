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

constexpr size_t kPlanes = 8;

// Of each word: the bits of the last plane count negative, and each plane before it half as much as the next.
ANNEX_POPCOUNT_LEVEL inline __m512i AddPlanes(__m512i code, const __m512i planes[kPlanes]) {
    const __m512i signs = _mm512_popcnt_epi64(_mm512_and_si512(code, planes[kPlanes - 1]));
    __m512i sums = _mm512_sub_epi64(_mm512_setzero_si512(), signs);
    for (size_t j = kPlanes - 1; j-- > 0;)
        sums = AddBits(_mm512_add_epi64(sums, sums), _mm512_and_si512(code, planes[j]));
    return sums;
}

// Codes of two words, four in a register.
ANNEX_POPCOUNT_LEVEL void SumShortCodes(const uint8_t* codes, size_t count, const uint8_t* bits, int32_t* sums) {
    __m512i planes[kPlanes];
    for (size_t j = 0; j < kPlanes; ++j)
        planes[j] = _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(bits + 16 * j)));
    alignas(64) uint64_t words[8];
    for (size_t v = 0; v < count; v += 4) {
        const size_t taken = count - v < 4 ? count - v : 4;
        const auto lanes = static_cast<__mmask8>((1U << (2 * taken)) - 1);
        _mm512_store_si512(words, AddPlanes(_mm512_maskz_loadu_epi64(lanes, codes + 16 * v), planes));
        for (size_t i = 0; i < taken; ++i)
            sums[v + i] = static_cast<int32_t>(static_cast<uint32_t>(words[2 * i] + words[2 * i + 1]));
    }
}

// Eight words or fewer of each code; adds them up.
ANNEX_POPCOUNT_LEVEL void AddWords(const uint8_t* codes, size_t count, size_t code_bytes, size_t words,
                                   const uint8_t* bits, int32_t* sums) {
    const auto lanes = static_cast<__mmask8>((1U << words) - 1);
    __m512i planes[kPlanes];
    for (size_t j = 0; j < kPlanes; ++j) planes[j] = _mm512_maskz_loadu_epi64(lanes, bits + j * code_bytes);
    for (size_t v = 0; v < count; ++v) {
        const __m512i code = _mm512_maskz_loadu_epi64(lanes, codes + v * code_bytes);
        sums[v] += static_cast<int32_t>(static_cast<uint32_t>(Sum(AddPlanes(code, planes))));
    }
}

}  // namespace

ANNEX_POPCOUNT_LEVEL void PlaneSumsByPopcount(const uint8_t* codes, size_t count, size_t code_bytes,
                                              const uint8_t* planes, int32_t* sums) {
    if (code_bytes == 16) return SumShortCodes(codes, count, planes, sums);
    for (size_t v = 0; v < count; ++v) sums[v] = 0;
    for (size_t i = 0; i < code_bytes; i += 64) {
        const size_t words = code_bytes - i < 64 ? (code_bytes - i) / 8 : 8;
        AddWords(codes + i, count, code_bytes, words, planes + i, sums);
    }
}

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

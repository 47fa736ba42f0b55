// Packs codes, and multiplies them with the instructions made for it.
//
// AVX-512 VNNI multiplies unsigned with signed bytes and adds four products to a 32-bit sum. The point's codes are made
// unsigned by adding 128, and 128 times the sum of the row's codes is taken off at the end. AVX2 and SSSE3 add two such
// products to 16 bits, which is exact for the magnitude of one factor times the other with its sign, since 2 * 127^2 <
// 2^15. Written in intrinsics: Highway 1.0 has no such products.
#include "engine/clustering/code_product.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <numeric>

#include "annex/kernels.h"
#include "engine/clustering/inner_loops.h"
#include "engine/clustering/threads.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace annex {

namespace {

constexpr size_t kPanel = CodePoints::kPanel;
constexpr size_t kStep = 4;                    // dimensions whose codes lie side by side
constexpr size_t kStepBytes = kStep * kPanel;  // of a panel

struct Tile {
    const int8_t* rows;
    size_t row_stride;
    const float* scales;
    const int32_t* sums;
    const int8_t* panel;
    const float* point_scales;
    const float* half_norms;
    size_t padded;
    float* out;
    size_t out_stride;

    void Skip(size_t count) noexcept {
        rows += count * row_stride;
        scales += count;
        sums += count;
        out += count * out_stride;
    }
};

void PlainProduct(const int8_t* rows, size_t row_stride, const float* scales, const int32_t* /*sums*/, size_t row_count,
                  const int8_t* panel, const float* point_scales, const float* half_norms, size_t padded, float* out,
                  size_t out_stride) {
    for (size_t i = 0; i < row_count; i++) {
        int32_t products[kPanel] = {};
        for (size_t d = 0; d < padded; d++)
            for (size_t j = 0; j < kPanel; j++)
                products[j] += rows[i * row_stride + d] * panel[d / kStep * kStepBytes + j * kStep + d % kStep];
        for (size_t j = 0; j < kPanel; j++)
            out[i * out_stride + j] = half_norms[j] - scales[i] * static_cast<float>(products[j]) * point_scales[j];
    }
}

void PlainDots(const int8_t* row, int32_t /*sum*/, const int8_t* const* points, size_t n, size_t padded, int32_t* out) {
    const auto product = ActiveKernels().code_product;
    for (size_t j = 0; j < n; j++) out[j] = product(row, points[j], padded);
}

#if defined(__x86_64__)

// Runs Block<kLargest> while there are so many rows, then smaller ones.
#define ANNEX_CODE_PRODUCT(name, target, largest)                                                               \
    target void name(const int8_t* rows, size_t row_stride, const float* scales, const int32_t* sums,           \
                     size_t row_count, const int8_t* panel, const float* point_scales, const float* half_norms, \
                     size_t padded, float* out, size_t out_stride) {                                            \
        Tile tile{rows, row_stride, scales, sums, panel, point_scales, half_norms, padded, out, out_stride};    \
        for (; row_count >= (largest); row_count -= (largest), tile.Skip(largest)) name##Block<largest>(tile);  \
        for (; row_count >= 4; row_count -= 4, tile.Skip(4)) name##Block<4>(tile);                              \
        for (; row_count > 0; row_count--, tile.Skip(1)) name##Block<1>(tile);                                  \
    }

int32_t Word(const int8_t* codes) noexcept {
    int32_t word;
    std::memcpy(&word, codes, sizeof(word));
    return word;
}

#define ANNEX_VNNI __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")))

// GCC 12 warns of uninitialized values in the intrinsic.
ANNEX_VNNI inline __m512 VnniFloats(__m512i integers) {
    return (__m512) __builtin_convertvector((__v16si)integers, __v16sf);
}

// With the intrinsic, GCC 12 copies every sum to another register and back, and runs out of them.
ANNEX_VNNI inline void AddProducts(__m512i& sums, __m512i panel, __m512i codes) {
    asm("vpdpbusd %2, %1, %0" : "+v"(sums) : "v"(panel), "v"(codes));
}

template <size_t kCount>
ANNEX_VNNI inline void VnniBlock(const Tile& tile) {
    __m512i sums0[kCount];
    __m512i sums1[kCount];
#pragma GCC unroll 12
    for (size_t i = 0; i < kCount; i++) {
        sums0[i] = _mm512_set1_epi32(-128 * tile.sums[i]);
        sums1[i] = sums0[i];
    }
    const __m512i flip = _mm512_set1_epi8(-128);
    const int8_t* panel = tile.panel;
    for (size_t d = 0; d < tile.padded; d += kStep, panel += kStepBytes) {
        const __m512i panel0 = _mm512_xor_si512(flip, _mm512_loadu_si512(panel));
        const __m512i panel1 = _mm512_xor_si512(flip, _mm512_loadu_si512(panel + 64));
#pragma GCC unroll 12
        for (size_t i = 0; i < kCount; i++) {
            const __m512i codes = _mm512_set1_epi32(Word(tile.rows + i * tile.row_stride + d));
            AddProducts(sums0[i], panel0, codes);
            AddProducts(sums1[i], panel1, codes);
        }
    }
    const __m512 scales0 = _mm512_loadu_ps(tile.point_scales);
    const __m512 scales1 = _mm512_loadu_ps(tile.point_scales + 16);
    const __m512 norms0 = _mm512_loadu_ps(tile.half_norms);
    const __m512 norms1 = _mm512_loadu_ps(tile.half_norms + 16);
#pragma GCC unroll 12
    for (size_t i = 0; i < kCount; i++) {
        const __m512 scale = _mm512_set1_ps(tile.scales[i]);
        const __m512 product0 = _mm512_mul_ps(_mm512_mul_ps(scale, VnniFloats(sums0[i])), scales0);
        const __m512 product1 = _mm512_mul_ps(_mm512_mul_ps(scale, VnniFloats(sums1[i])), scales1);
        _mm512_storeu_ps(tile.out + i * tile.out_stride, _mm512_sub_ps(norms0, product0));
        _mm512_storeu_ps(tile.out + i * tile.out_stride + 16, _mm512_sub_ps(norms1, product1));
    }
}

ANNEX_CODE_PRODUCT(Vnni, ANNEX_VNNI, 12)

ANNEX_VNNI inline __m512i VnniDot(const int8_t* row, const int8_t* point, size_t padded) {
    const __m512i flip = _mm512_set1_epi8(-128);
    __m512i sums = _mm512_setzero_si512();
    for (size_t d = 0; d < padded; d += 64)
        AddProducts(sums, _mm512_xor_si512(flip, _mm512_loadu_si512(point + d)), _mm512_loadu_si512(row + d));
    return sums;
}

// Four lanes after the other: a0 + a2, b0 + b2, a1 + a3, b1 + b3. (The masks let all through: without them GCC 12 warns
// of uninitialized values in the intrinsics.)
ANNEX_VNNI inline __m512i AddHalves(__m512i a, __m512i b) {
    return _mm512_add_epi32(_mm512_maskz_unpacklo_epi32(0xffff, a, b), _mm512_maskz_unpackhi_epi32(0xffff, a, b));
}

ANNEX_VNNI inline __m128i AddQuarters(__m512i a) {
    const __m512i halves = _mm512_add_epi32(a, _mm512_maskz_shuffle_i64x2(0xff, a, a, 0x4e));
    const __m512i quarters = _mm512_add_epi32(halves, _mm512_maskz_shuffle_i64x2(0xff, halves, halves, 0xb1));
    return _mm512_maskz_extracti32x4_epi32(0xf, quarters, 0);
}

// Four points at a time, whose sixteen sums each are added up together.
ANNEX_VNNI void VnniDots(const int8_t* row, int32_t sum, const int8_t* const* points, size_t n, size_t padded,
                         int32_t* out) {
    const __m128i less = _mm_set1_epi32(-128 * sum);
    for (; n >= 4; n -= 4, points += 4, out += 4) {
        const __m512i pair0 = AddHalves(VnniDot(row, points[0], padded), VnniDot(row, points[1], padded));
        const __m512i pair1 = AddHalves(VnniDot(row, points[2], padded), VnniDot(row, points[3], padded));
        const __m512i all = _mm512_add_epi32(_mm512_maskz_unpacklo_epi64(0xff, pair0, pair1),
                                             _mm512_maskz_unpackhi_epi64(0xff, pair0, pair1));
        _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm_add_epi32(less, AddQuarters(all)));
    }
    for (; n > 0; n--, points++, out++) {
        const __m512i pair = AddHalves(VnniDot(row, points[0], padded), _mm512_setzero_si512());
        const __m128i quarters = AddQuarters(pair);
        *out = _mm_extract_epi32(quarters, 0) + _mm_extract_epi32(quarters, 2) - 128 * sum;
    }
}

#define ANNEX_AVX2 __attribute__((target("avx2")))

template <size_t kCount>
ANNEX_AVX2 inline void Avx2Block(const Tile& tile) {
    const __m256i ones = _mm256_set1_epi16(1);
    for (size_t column = 0; column < kPanel; column += 16) {
        __m256i sums0[kCount];
        __m256i sums1[kCount];
#pragma GCC unroll 4
        for (size_t i = 0; i < kCount; i++) sums0[i] = sums1[i] = _mm256_setzero_si256();
        const int8_t* panel = tile.panel + column * kStep;
        for (size_t d = 0; d < tile.padded; d += kStep, panel += kStepBytes) {
            const __m256i panel0 = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(panel));
            const __m256i panel1 = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(panel + 32));
            const __m256i magnitude0 = _mm256_abs_epi8(panel0);
            const __m256i magnitude1 = _mm256_abs_epi8(panel1);
#pragma GCC unroll 4
            for (size_t i = 0; i < kCount; i++) {
                const __m256i codes = _mm256_set1_epi32(Word(tile.rows + i * tile.row_stride + d));
                const __m256i pairs0 = _mm256_maddubs_epi16(magnitude0, _mm256_sign_epi8(codes, panel0));
                const __m256i pairs1 = _mm256_maddubs_epi16(magnitude1, _mm256_sign_epi8(codes, panel1));
                sums0[i] = _mm256_add_epi32(sums0[i], _mm256_madd_epi16(pairs0, ones));
                sums1[i] = _mm256_add_epi32(sums1[i], _mm256_madd_epi16(pairs1, ones));
            }
        }
#pragma GCC unroll 4
        for (size_t i = 0; i < kCount; i++) {
            const __m256 scale = _mm256_set1_ps(tile.scales[i]);
            float* out = tile.out + i * tile.out_stride + column;
            const __m256 product0 = _mm256_mul_ps(_mm256_mul_ps(scale, _mm256_cvtepi32_ps(sums0[i])),
                                                  _mm256_loadu_ps(tile.point_scales + column));
            const __m256 product1 = _mm256_mul_ps(_mm256_mul_ps(scale, _mm256_cvtepi32_ps(sums1[i])),
                                                  _mm256_loadu_ps(tile.point_scales + column + 8));
            _mm256_storeu_ps(out, _mm256_sub_ps(_mm256_loadu_ps(tile.half_norms + column), product0));
            _mm256_storeu_ps(out + 8, _mm256_sub_ps(_mm256_loadu_ps(tile.half_norms + column + 8), product1));
        }
    }
}

ANNEX_CODE_PRODUCT(Avx2, ANNEX_AVX2, 4)

ANNEX_AVX2 void Avx2Dots(const int8_t* row, int32_t /*sum*/, const int8_t* const* points, size_t n, size_t padded,
                         int32_t* out) {
    const __m256i ones = _mm256_set1_epi16(1);
    for (size_t j = 0; j < n; j++) {
        const int8_t* point = points[j];
        __m256i sums = _mm256_setzero_si256();
        for (size_t d = 0; d < padded; d += 32) {
            const __m256i a = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(row + d));
            const __m256i b = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(point + d));
            const __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(a), _mm256_sign_epi8(b, a));
            sums = _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, ones));
        }
        alignas(32) int32_t lanes[8];
        _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), sums);
        out[j] = std::accumulate(lanes, lanes + 8, 0);
    }
}

#define ANNEX_SSE4 __attribute__((target("sse4.1")))

template <size_t kCount>
ANNEX_SSE4 inline void Sse4Block(const Tile& tile) {
    const __m128i ones = _mm_set1_epi16(1);
    for (size_t column = 0; column < kPanel; column += 8) {
        __m128i sums0[kCount];
        __m128i sums1[kCount];
#pragma GCC unroll 4
        for (size_t i = 0; i < kCount; i++) sums0[i] = sums1[i] = _mm_setzero_si128();
        const int8_t* panel = tile.panel + column * kStep;
        for (size_t d = 0; d < tile.padded; d += kStep, panel += kStepBytes) {
            const __m128i panel0 = _mm_loadu_si128(reinterpret_cast<const __m128i*>(panel));
            const __m128i panel1 = _mm_loadu_si128(reinterpret_cast<const __m128i*>(panel + 16));
            const __m128i magnitude0 = _mm_abs_epi8(panel0);
            const __m128i magnitude1 = _mm_abs_epi8(panel1);
#pragma GCC unroll 4
            for (size_t i = 0; i < kCount; i++) {
                const __m128i codes = _mm_set1_epi32(Word(tile.rows + i * tile.row_stride + d));
                const __m128i pairs0 = _mm_maddubs_epi16(magnitude0, _mm_sign_epi8(codes, panel0));
                const __m128i pairs1 = _mm_maddubs_epi16(magnitude1, _mm_sign_epi8(codes, panel1));
                sums0[i] = _mm_add_epi32(sums0[i], _mm_madd_epi16(pairs0, ones));
                sums1[i] = _mm_add_epi32(sums1[i], _mm_madd_epi16(pairs1, ones));
            }
        }
#pragma GCC unroll 4
        for (size_t i = 0; i < kCount; i++) {
            const __m128 scale = _mm_set1_ps(tile.scales[i]);
            float* out = tile.out + i * tile.out_stride + column;
            const __m128 product0 =
                _mm_mul_ps(_mm_mul_ps(scale, _mm_cvtepi32_ps(sums0[i])), _mm_loadu_ps(tile.point_scales + column));
            const __m128 product1 =
                _mm_mul_ps(_mm_mul_ps(scale, _mm_cvtepi32_ps(sums1[i])), _mm_loadu_ps(tile.point_scales + column + 4));
            _mm_storeu_ps(out, _mm_sub_ps(_mm_loadu_ps(tile.half_norms + column), product0));
            _mm_storeu_ps(out + 4, _mm_sub_ps(_mm_loadu_ps(tile.half_norms + column + 4), product1));
        }
    }
}

ANNEX_CODE_PRODUCT(Sse4, ANNEX_SSE4, 4)

ANNEX_SSE4 void Sse4Dots(const int8_t* row, int32_t /*sum*/, const int8_t* const* points, size_t n, size_t padded,
                         int32_t* out) {
    const __m128i ones = _mm_set1_epi16(1);
    for (size_t j = 0; j < n; j++) {
        const int8_t* point = points[j];
        __m128i sums = _mm_setzero_si128();
        for (size_t d = 0; d < padded; d += 16) {
            const __m128i a = _mm_loadu_si128(reinterpret_cast<const __m128i*>(row + d));
            const __m128i b = _mm_loadu_si128(reinterpret_cast<const __m128i*>(point + d));
            const __m128i pairs = _mm_maddubs_epi16(_mm_abs_epi8(a), _mm_sign_epi8(b, a));
            sums = _mm_add_epi32(sums, _mm_madd_epi16(pairs, ones));
        }
        alignas(16) int32_t lanes[4];
        _mm_store_si128(reinterpret_cast<__m128i*>(lanes), sums);
        out[j] = std::accumulate(lanes, lanes + 4, 0);
    }
}

#endif  // __x86_64__

}  // namespace

internal::CodeProduct internal::ActiveCodeProduct() noexcept {
#if defined(__x86_64__)
    // That a level has a table means that this CPU can run it.
    const InstructionSet set = ActiveKernels().instructions;
    if (set == InstructionSet::kAvx512 && __builtin_cpu_supports("avx512vnni")) return Vnni;
    if (set == InstructionSet::kAvx512 || set == InstructionSet::kAvx2) return Avx2;
    if (set == InstructionSet::kSse4) return Sse4;
#endif
    return PlainProduct;
}

internal::CodeDots internal::ActiveCodeDots() noexcept {
#if defined(__x86_64__)
    const InstructionSet set = ActiveKernels().instructions;
    if (set == InstructionSet::kAvx512 && __builtin_cpu_supports("avx512vnni")) return VnniDots;
    if (set == InstructionSet::kAvx512 || set == InstructionSet::kAvx2) return Avx2Dots;
    if (set == InstructionSet::kSse4) return Sse4Dots;
#endif
    return PlainDots;
}

CodeRows::CodeRows(size_t capacity, size_t padded)
    : padded_(padded), codes_(capacity * padded), scales_(capacity), sums_(capacity) {}

void CodeRows::Set(size_t i, const int8_t* codes, float scale) noexcept {
    std::memcpy(&codes_[i * padded_], codes, padded_);
    scales_[i] = scale;
    sums_[i] = std::accumulate(codes, codes + padded_, 0);
}

void CodeRows::Encode(size_t i, const float* row) noexcept {
    int8_t* codes = &codes_[i * padded_];
    scales_[i] = internal::ActiveInnerLoops().encode(row, padded_, codes);
    sums_[i] = std::accumulate(codes, codes + padded_, 0);
}

CodePoints::CodePoints(size_t n, size_t padded) : size_(n), padded_(padded) {
    const size_t width = (n + kPanel - 1) / kPanel * kPanel;
    panels_.resize(width * padded);
    scales_.resize(width);
    half_norms_.resize(width, std::numeric_limits<float>::infinity());
}

void CodePoints::Pack(const float* points, int threads) {
    // allocated here, since nothing may throw in a parallel region
    std::vector<int8_t> scratch(static_cast<size_t>(std::max(1, threads)) * padded_);
    ParallelFor(threads, (size_ + kPanel - 1) / kPanel, [&](size_t panel, size_t worker) {
        const size_t end = std::min(size_, (panel + 1) * kPanel);
        for (size_t i = panel * kPanel; i < end; i++) PackPoint(points + i * padded_, i, &scratch[worker * padded_]);
    });
}

void CodePoints::PackPoint(const float* point, size_t i, int8_t* codes) noexcept {
    scales_[i] = internal::ActiveInnerLoops().encode(point, padded_, codes);
    int64_t square = 0;
    for (size_t d = 0; d < padded_; d++) square += codes[d] * codes[d];
    half_norms_[i] = static_cast<float>(double{scales_[i]} * scales_[i] * static_cast<double>(square) / 2);
    int8_t* panel = &panels_[i / kPanel * kPanel * padded_ + i % kPanel * kStep];
    for (size_t d = 0; d < padded_; d += kStep) std::memcpy(panel + d / kStep * kStepBytes, codes + d, kStep);
}

void CodePoints::Unpack(size_t i, int8_t* codes) const noexcept {
    const int8_t* panel = &panels_[i / kPanel * kPanel * padded_ + i % kPanel * kStep];
    for (size_t d = 0; d < padded_; d += kStep) std::memcpy(codes + d, panel + d / kStep * kStepBytes, kStep);
}

void CodePoints::HalfDistances(const CodeRows& rows, size_t row_first, size_t row_count, size_t first, size_t n,
                               float* out, size_t out_stride) const noexcept {
    const internal::CodeProduct product = internal::ActiveCodeProduct();
    for (size_t j = 0; j < n; j += kPanel)
        product(rows.codes(row_first), padded_, rows.scales() + row_first, rows.sums() + row_first, row_count,
                &panels_[(first + j) * padded_], &scales_[first + j], &half_norms_[first + j], padded_, out + j,
                out_stride);
}

}  // namespace annex

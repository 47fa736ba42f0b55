// The vector kernels, in one source for all levels: Google Highway's foreach_target.h compiles this file, and the parts
// of it that have files of their own (*-inl.h), once for each.
//
// Only Highway's headers are used. The choice of a level is ours (dispatch.cc, and the feature tests at the end), so
// that the extension depends on no library of Highway's. Written for Highway 1.0.3 (Debian 12) and later.
#include <cstring>

#include "engine/kernels/levels.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

// The levels worth their compile time; Highway has about ten more.
#if defined(__aarch64__)
#define HWY_DISABLED_TARGETS (~(HWY_NEON | HWY_NEON_WITHOUT_AES | HWY_SCALAR | HWY_EMU128))
#else
#define HWY_DISABLED_TARGETS (~(HWY_SSE4 | HWY_AVX2 | HWY_AVX3 | HWY_SCALAR | HWY_EMU128))
#endif
// Not used here, so not asked of a CPU.
#define HWY_DISABLE_PCLMUL_AES
#include "hwy/detect_targets.h"
#ifndef HWY_NEON_WITHOUT_AES  // newer than 1.0.3
#define HWY_NEON_WITHOUT_AES 0
#endif

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/kernels/simd.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include "engine/kernels/bits-inl.h"
#include "engine/kernels/distances-inl.h"
#include "engine/kernels/edges-inl.h"
#include "engine/kernels/elements-inl.h"
#include "engine/kernels/sparse-inl.h"
#include "engine/kernels/strips-inl.h"
#include "engine/kernels/tids-inl.h"

// The baseline has no vectors of use; the scalar level serves there.
#if HWY_TARGET != HWY_SCALAR && HWY_TARGET != HWY_EMU128

HWY_BEFORE_NAMESPACE();
namespace annex::internal {
namespace HWY_NAMESPACE {
// Structs below spell their constructors out: those that the compiler generates lack this level's instructions.
namespace {

namespace hn = hwy::HWY_NAMESPACE;

using Ints = hn::RebindToSigned<Floats>;
using Words = hn::RebindToUnsigned<Floats>;

// ---- Refinement rows

HWY_INLINE FloatVector LoadCodes(const int8_t* codes) {
    const hn::Rebind<int8_t, Floats> bytes;
    return hn::ConvertTo(kFloats, hn::PromoteTo(Ints(), hn::LoadU(bytes, codes)));
}

float RowL2Squared(const float* query, const int8_t* codes, float scale, size_t n) {
    const FloatVector scales = hn::Set(kFloats, scale);
    FloatVector sum0 = hn::Zero(kFloats);
    FloatVector sum1 = sum0;
    FloatVector sum2 = sum0;
    FloatVector sum3 = sum0;
    for (size_t i = 0; i < n; i += 4 * kLanes) {
        const FloatVector d0 = hn::NegMulAdd(scales, LoadCodes(codes + i), Load(query + i));
        const FloatVector d1 = hn::NegMulAdd(scales, LoadCodes(codes + i + kLanes), Load(query + i + kLanes));
        const FloatVector d2 = hn::NegMulAdd(scales, LoadCodes(codes + i + 2 * kLanes), Load(query + i + 2 * kLanes));
        const FloatVector d3 = hn::NegMulAdd(scales, LoadCodes(codes + i + 3 * kLanes), Load(query + i + 3 * kLanes));
        sum0 = hn::MulAdd(d0, d0, sum0);
        sum1 = hn::MulAdd(d1, d1, sum1);
        sum2 = hn::MulAdd(d2, d2, sum2);
        sum3 = hn::MulAdd(d3, d3, sum3);
    }
    return Sum(hn::Add(hn::Add(sum0, sum1), hn::Add(sum2, sum3)));
}

float RowInnerProduct(const float* query, const int8_t* codes, size_t n) {
    FloatVector sum0 = hn::Zero(kFloats);
    FloatVector sum1 = sum0;
    FloatVector sum2 = sum0;
    FloatVector sum3 = sum0;
    for (size_t i = 0; i < n; i += 4 * kLanes) {
        sum0 = hn::MulAdd(Load(query + i), LoadCodes(codes + i), sum0);
        sum1 = hn::MulAdd(Load(query + i + kLanes), LoadCodes(codes + i + kLanes), sum1);
        sum2 = hn::MulAdd(Load(query + i + 2 * kLanes), LoadCodes(codes + i + 2 * kLanes), sum2);
        sum3 = hn::MulAdd(Load(query + i + 3 * kLanes), LoadCodes(codes + i + 3 * kLanes), sum3);
    }
    return Sum(hn::Add(hn::Add(sum0, sum1), hn::Add(sum2, sum3)));
}

NormSums RowNorms(const float* query, const int8_t* codes, float scale, size_t n) {
    const FloatVector scales = hn::Set(kFloats, scale);
    FloatVector l1_even = hn::Zero(kFloats);
    FloatVector l1_odd = l1_even;
    FloatVector l2_even = l1_even;
    FloatVector l2_odd = l1_even;
    for (size_t i = 0; i < n; i += 2 * kLanes) {
        const FloatVector even = hn::NegMulAdd(scales, LoadCodes(codes + i), Load(query + i));
        const FloatVector odd = hn::NegMulAdd(scales, LoadCodes(codes + i + kLanes), Load(query + i + kLanes));
        l1_even = hn::Add(l1_even, hn::Abs(even));
        l1_odd = hn::Add(l1_odd, hn::Abs(odd));
        l2_even = hn::MulAdd(even, even, l2_even);
        l2_odd = hn::MulAdd(odd, odd, l2_odd);
    }
    return {Sum(hn::Add(l1_even, l1_odd)), Sum(hn::Add(l2_even, l2_odd))};
}

// ---- The sketch scan
//
// A table look-up of 16 entries is one byte shuffle. Its results are bytes of neighbouring vectors; seen as 16-bit
// lanes, each holds an even vector's value in its low byte and an odd vector's in its high byte:
//   raw += lane          even + 256 * odd, modulo 2^16
//   odd += lane >> 8     odd
// and at the end even = raw - (odd << 8). Two values of at most 255 a row: 128 rows fit in 16 bits.
constexpr size_t kRowsUntilWidening = 128;

// One vector of 32 codes, or half of them where vectors are shorter.
using RowBytes = hn::CappedTag<uint8_t, kBlockSize>;
using RowShorts = hn::Repartition<uint16_t, RowBytes>;
constexpr size_t kRowVector = HWY_MIN(HWY_MAX_BYTES, kBlockSize);

template <class Bytes>
struct SketchSums {
    using Shorts = hn::Repartition<uint16_t, Bytes>;
    hn::Vec<Shorts> raw = hn::Zero(Shorts());
    hn::Vec<Shorts> odd = hn::Zero(Shorts());

    HWY_INLINE SketchSums() {}

    // Looks up each byte of codes in the two tables, which are 16 entries repeated in every 16 bytes.
    HWY_INLINE void Add(hn::Vec<Bytes> codes, hn::Vec<Bytes> low_table, hn::Vec<Bytes> high_table) {
        const Bytes bytes;
        const hn::Vec<Bytes> low_codes = hn::And(codes, hn::Set(bytes, 15));
        const hn::Vec<Bytes> high_codes = hn::ShiftRight<4>(codes);
        const auto low = hn::BitCast(Shorts(), hn::TableLookupBytes(low_table, low_codes));
        const auto high = hn::BitCast(Shorts(), hn::TableLookupBytes(high_table, high_codes));
        raw = hn::Add(raw, hn::Add(low, high));
        odd = hn::Add(odd, hn::Add(hn::ShiftRight<8>(low), hn::ShiftRight<8>(high)));
    }

    HWY_INLINE hn::Vec<Shorts> Even() const { return hn::Sub(raw, hn::ShiftLeft<8>(odd)); }
};

HWY_INLINE void AddRow(const uint8_t* codes, const uint8_t* table, SketchSums<RowBytes>& sums) {
    const RowBytes bytes;
    sums.Add(hn::LoadU(bytes, codes), hn::LoadDup128(bytes, table), hn::LoadDup128(bytes, table + 16));
}

// Adds four 16-bit sums and more, in the order of the vectors, to sums[].
template <class ShortVector>
HWY_INLINE void AddWidened(ShortVector shorts, uint32_t* sums) {
    const hn::Repartition<uint32_t, RowShorts> words;
    hn::StoreU(hn::Add(hn::LoadU(words, sums), hn::PromoteTo(words, shorts)), words, sums);
}

// even and odd are the sums of the even and odd vectors of one row vector.
HWY_INLINE void WidenInto(hn::Vec<RowShorts> even, hn::Vec<RowShorts> odd, uint32_t* sums) {
    const RowShorts shorts;
    const hn::Half<RowShorts> half;
    // Interleaving works within 16 bytes: below, the vectors 0..7 (and 16..23); above, 8..15 (and 24..31).
    const auto below = hn::InterleaveLower(shorts, even, odd);
    const auto above = hn::InterleaveUpper(shorts, even, odd);
    constexpr size_t kUpperHalf = kRowVector == 32 ? 16 : 4;
    AddWidened(hn::LowerHalf(half, below), sums);
    AddWidened(hn::UpperHalf(half, below), sums + kUpperHalf);
    AddWidened(hn::LowerHalf(half, above), sums + 8);
    AddWidened(hn::UpperHalf(half, above), sums + 8 + kUpperHalf);
}

#if HWY_TARGET == HWY_AVX3

// Two rows a step, one in each half of a vector.
HWY_INLINE void AccumulateChunk(const uint8_t* codes, size_t rows, const uint8_t* table, uint32_t* sums) {
    using TwoRows = hn::Full512<uint8_t>;
    const TwoRows bytes;
    SketchSums<TwoRows> pairs;
    size_t row = 0;
    for (; row + 2 <= rows; row += 2) {
        // Low and high table of one row, low and high table of the next; each is wanted twice.
        const hn::Vec<TwoRows> tables = hn::LoadU(bytes, table + 32 * row);
        const hn::Vec<TwoRows> low{_mm512_shuffle_i32x4(tables.raw, tables.raw, _MM_SHUFFLE(2, 2, 0, 0))};
        const hn::Vec<TwoRows> high{_mm512_shuffle_i32x4(tables.raw, tables.raw, _MM_SHUFFLE(3, 3, 1, 1))};
        pairs.Add(hn::LoadU(bytes, codes + 32 * row), low, high);
    }
    SketchSums<RowBytes> last;
    if (row < rows) AddRow(codes + 32 * row, table + 32 * row, last);

    const RowShorts shorts;
    const auto pairs_even = pairs.Even();
    const auto even = hn::Add(hn::LowerHalf(shorts, pairs_even), hn::UpperHalf(shorts, pairs_even));
    const auto odd = hn::Add(hn::LowerHalf(shorts, pairs.odd), hn::UpperHalf(shorts, pairs.odd));
    WidenInto(hn::Add(even, last.Even()), hn::Add(odd, last.odd), sums);
}

#else

HWY_INLINE void AccumulateChunk(const uint8_t* codes, size_t rows, const uint8_t* table, uint32_t* sums) {
    SketchSums<RowBytes> first;
    SketchSums<RowBytes> second;  // the other half of the block, where one vector does not hold it
    for (size_t row = 0; row < rows; ++row) {
        AddRow(codes + 32 * row, table + 32 * row, first);
        if constexpr (kRowVector < kBlockSize) AddRow(codes + 32 * row + kRowVector, table + 32 * row, second);
    }
    WidenInto(first.Even(), first.odd, sums);
    if constexpr (kRowVector < kBlockSize) WidenInto(second.Even(), second.odd, sums + kRowVector);
}

#endif

void SketchAccumulate(const uint8_t* codes, size_t rows, const uint8_t* table, uint32_t* sums) {
    while (rows > kRowsUntilWidening) {
        AccumulateChunk(codes, kRowsUntilWidening, table, sums);
        codes += 32 * kRowsUntilWidening;
        table += 32 * kRowsUntilWidening;
        rows -= kRowsUntilWidening;
    }
    AccumulateChunk(codes, rows, table, sums);
}

HWY_INLINE FloatVector LoadBf16(const uint16_t* p) {
    const hn::Rebind<uint16_t, Floats> shorts;
    return hn::BitCast(kFloats, hn::ShiftLeft<16>(hn::PromoteTo(Words(), hn::LoadU(shorts, p))));
}

uint32_t SketchBounds(const uint32_t* sums, const uint16_t* f_add, const uint16_t* f_rescale, const uint16_t* f_error,
                      const BoundTerms& terms, float threshold, float* bounds) {
    const FloatVector base = hn::Set(kFloats, terms.base);
    const FloatVector add_scale = hn::Set(kFloats, terms.add_scale);
    const FloatVector sum_scale = hn::Set(kFloats, terms.sum_scale);
    const FloatVector sum_offset = hn::Set(kFloats, terms.sum_offset);
    const FloatVector error_scale = hn::Set(kFloats, terms.error_scale);
    const FloatVector thresholds = hn::Set(kFloats, threshold);
    uint32_t below = 0;
    for (size_t v = 0; v < kBlockSize; v += kLanes) {
        const FloatVector sum = hn::ConvertTo(kFloats, hn::LoadU(Ints(), reinterpret_cast<const int32_t*>(sums + v)));
        FloatVector bound = hn::MulAdd(add_scale, LoadBf16(f_add + v), base);
        bound = hn::MulAdd(LoadBf16(f_rescale + v), hn::MulAdd(sum_scale, sum, sum_offset), bound);
        bound = hn::NegMulAdd(error_scale, LoadBf16(f_error + v), bound);
        hn::StoreU(bound, kFloats, bounds + v);
        uint8_t bits[8] = {};
        hn::StoreMaskBits(kFloats, hn::Lt(bound, thresholds), bits);
        below |= static_cast<uint32_t>(bits[0] | bits[1] << 8) << v;
    }
    return below;
}

// ---- The rotation

HWY_INLINE FloatVector AlternatingSigns(size_t period) {
    HWY_ALIGN float signs[kLanes];
    for (size_t i = 0; i < kLanes; ++i) signs[i] = (i & period) != 0 ? -1.0F : 1.0F;
    return hn::Load(kFloats, signs);
}

// The first butterflies happen inside a vector: each lane is added to its partner, negated where it is the upper of the
// two. Multiplying by 1 or -1 is exact, so this rounds as a sum and a difference do, fused or not.
struct LaneButterflies {
    FloatVector signs1 = AlternatingSigns(1);
    FloatVector signs2 = AlternatingSigns(2);
    FloatVector signs4 = AlternatingSigns(4);
    FloatVector signs8 = AlternatingSigns(8);

    HWY_INLINE LaneButterflies() {}

    HWY_INLINE FloatVector Do(FloatVector x) const {
        x = hn::MulAdd(x, signs1, hn::Shuffle2301(x));
        x = hn::MulAdd(x, signs2, hn::Shuffle1032(x));
#if HWY_MAX_BYTES >= 32
        x = hn::MulAdd(x, signs4, hn::SwapAdjacentBlocks(x));
#endif
#if HWY_MAX_BYTES >= 64
        x = hn::MulAdd(x, signs8, hn::ConcatLowerUpper(kFloats, x, x));
#endif
        return x;
    }
};

// Two levels of butterflies over four vectors, `half` floats apart in memory.
HWY_INLINE void StoreButterflies(FloatVector x0, FloatVector x1, FloatVector x2, FloatVector x3, float* x,
                                 size_t half) {
    const FloatVector sum01 = hn::Add(x0, x1);
    const FloatVector difference01 = hn::Sub(x0, x1);
    const FloatVector sum23 = hn::Add(x2, x3);
    const FloatVector difference23 = hn::Sub(x2, x3);
    hn::StoreU(hn::Add(sum01, sum23), kFloats, x);
    hn::StoreU(hn::Add(difference01, difference23), kFloats, x + half);
    hn::StoreU(hn::Sub(sum01, sum23), kFloats, x + 2 * half);
    hn::StoreU(hn::Sub(difference01, difference23), kFloats, x + 3 * half);
}

// One level of butterflies over x[0, half) and x[half, 2 * half).
HWY_INLINE void SumAndDifference(float* x, size_t half) {
    size_t i = 0;
    for (; i + kLanes <= half; i += kLanes) {
        const FloatVector lower = Load(x + i);
        const FloatVector upper = Load(x + half + i);
        hn::StoreU(hn::Add(lower, upper), kFloats, x + i);
        hn::StoreU(hn::Sub(lower, upper), kFloats, x + half + i);
    }
    for (; i < half; ++i) {
        const float lower = x[i];
        const float upper = x[half + i];
        x[i] = lower + upper;
        x[half + i] = lower - upper;
    }
}

void Hadamard(float* x, size_t n) {
    if (n < 4 * kLanes) {
        kScalarKernels.hadamard(x, n);
        return;
    }
    const LaneButterflies lanes;
    for (size_t i = 0; i < n; i += 4 * kLanes) {
        StoreButterflies(lanes.Do(Load(x + i)), lanes.Do(Load(x + i + kLanes)), lanes.Do(Load(x + i + 2 * kLanes)),
                         lanes.Do(Load(x + i + 3 * kLanes)), x + i, kLanes);
    }
    size_t half = 4 * kLanes;
    for (; 4 * half <= n; half *= 4) {
        for (size_t start = 0; start < n; start += 4 * half) {
            for (size_t i = start; i < start + half; i += kLanes) {
                StoreButterflies(Load(x + i), Load(x + i + half), Load(x + i + 2 * half), Load(x + i + 3 * half), x + i,
                                 half);
            }
        }
    }
    if (half < n) SumAndDifference(x, half);
}

void FlipSigns(float* x, const uint8_t* signs, size_t n) {
    HWY_ALIGN uint32_t lane_bits[kLanes];
    for (size_t i = 0; i < kLanes; ++i) lane_bits[i] = uint32_t{1} << i;
    const auto bits = hn::Load(Words(), lane_bits);
    const auto sign_bit = hn::Set(Words(), uint32_t{1} << 31);
    size_t i = 0;
    for (; i + 32 <= n; i += 32) {
        uint32_t flips = 0;
        for (size_t byte = 0; byte < 4; ++byte) flips |= static_cast<uint32_t>(signs[i / 8 + byte]) << (8 * byte);
        for (size_t j = 0; j < 32; j += kLanes) {
            const auto flip = hn::TestBit(hn::Set(Words(), flips >> j), bits);
            const auto value = hn::BitCast(Words(), Load(x + i + j));
            const auto flipped = hn::Xor(value, hn::IfThenElseZero(flip, sign_bit));
            hn::StoreU(hn::BitCast(kFloats, flipped), kFloats, x + i + j);
        }
    }
    if (i < n) kScalarKernels.flip_signs(x + i, signs + i / 8, n - i);
}

void KacStep(float* x, size_t n) {
    SumAndDifference(x, n / 2);
}

void Scale(float* x, float factor, size_t n) {
    const FloatVector factors = hn::Set(kFloats, factor);
    size_t i = 0;
    for (; i + kLanes <= n; i += kLanes) hn::StoreU(hn::Mul(Load(x + i), factors), kFloats, x + i);
    for (; i < n; ++i) x[i] *= factor;
}

#if HWY_TARGET == HWY_SSE4
#define ANNEX_LEVEL_NAME "sse4"
#define ANNEX_LEVEL_SET kSse4
#elif HWY_TARGET == HWY_AVX2
#define ANNEX_LEVEL_NAME "avx2"
#define ANNEX_LEVEL_SET kAvx2
#elif HWY_TARGET == HWY_AVX3
#define ANNEX_LEVEL_NAME "avx512"
#define ANNEX_LEVEL_SET kAvx512
#else
#define ANNEX_LEVEL_NAME "neon"
#define ANNEX_LEVEL_SET kNeon
#endif

constexpr Kernels kKernels = {
    .instructions = InstructionSet::ANNEX_LEVEL_SET,
    .name = ANNEX_LEVEL_NAME,
    .l2_squared = L2Squared,
    .inner_product = InnerProduct,
    .cosine = Cosine,
    .l1 = L1,
    .half_l2_squared = HalfL2Squared,
    .half_inner_product = HalfInnerProduct,
    .half_cosine = HalfCosine,
    .half_l1 = HalfL1,
    .halfs_to_floats = HalfsToFloats,
    .floats_to_halfs = FloatsToHalfs,
    .add = Add,
    .subtract = Subtract,
    .multiply = Multiply,
    .sum_of_squares = SumOfSquares,
    .signs = Signs,
    .hamming = Hamming,
    .jaccard = Jaccard,
    .row_l2_squared = RowL2Squared,
    .row_inner_product = RowInnerProduct,
    .row_norms = RowNorms,
    .code_product = CodeProduct,
    .bit_sums = BitSums,
    .sketch_accumulate = SketchAccumulate,
    .sketch_bounds = SketchBounds,
    .strip_between = StripBetween,
    .strip_any_of = StripAnyOf,
    .tid_pages = TidPages,
    .hadamard = Hadamard,
    .flip_signs = FlipSigns,
    .kac_step = KacStep,
    .scale = Scale,
    .sparse_l2_squared = SparseL2Squared,
    .sparse_inner_product = SparseInnerProduct,
    .sparse_l1 = SparseL1,
    .sparse_is_valid = SparseIsValid,
};

#undef ANNEX_LEVEL_NAME
#undef ANNEX_LEVEL_SET
#undef ANNEX_LEVEL_SET

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace annex::internal
HWY_AFTER_NAMESPACE();

#endif  // a target with vectors

#if HWY_ONCE

namespace annex::internal {

#if defined(__x86_64__)

namespace {

// Each asks for all that Highway lets the compiler use at that level. The operating system's support for the wide
// registers is part of the answer.
bool CpuHasSse4() {
    return __builtin_cpu_supports("ssse3") && __builtin_cpu_supports("sse4.1") && __builtin_cpu_supports("sse4.2");
}

// The compiler's list of features need not know this one.
bool CpuHasF16c() {
    unsigned eax = 0;
    unsigned ebx = 0;
    unsigned ecx = 0;
    unsigned edx = 0;
    return __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_F16C) != 0;
}

bool CpuHasAvx2() {
    return CpuHasSse4() && CpuHasF16c() && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
           __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
}

bool CpuHasAvx512() {
    return CpuHasAvx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512cd") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512bw");
}

#if HWY_TARGETS & HWY_AVX3

bool CpuCountsBits() {
    return CpuHasAvx512() && __builtin_cpu_supports("avx512vpopcntdq");
}

// The level above: the same but for the instruction that counts bits.
constexpr Kernels WithPopcount(Kernels kernels) {
    kernels.name = "avx512_popcnt";
    kernels.hamming = HammingByPopcount;
    kernels.jaccard = JaccardByPopcount;
    return kernels;
}
constexpr Kernels kPopcountKernels = WithPopcount(N_AVX3::kKernels);

#endif

}  // namespace

// Flags that raise the compiler's baseline leave out the levels below it.
size_t VectorLevels(const Kernels* tables[kMaxVectorLevels]) noexcept {
    size_t count = 0;
#if HWY_TARGETS & HWY_SSE4
    if (CpuHasSse4()) tables[count++] = &N_SSE4::kKernels;
#endif
#if HWY_TARGETS & HWY_AVX2
    if (CpuHasAvx2()) tables[count++] = &N_AVX2::kKernels;
#endif
#if HWY_TARGETS & HWY_AVX3
    if (CpuHasAvx512()) tables[count++] = &N_AVX3::kKernels;
    if (CpuCountsBits()) tables[count++] = &kPopcountKernels;
#endif
    return count;
}

#elif HWY_STATIC_TARGET == HWY_NEON || HWY_STATIC_TARGET == HWY_NEON_WITHOUT_AES

// Every CPU of this architecture has NEON.
size_t VectorLevels(const Kernels* tables[kMaxVectorLevels]) noexcept {
    tables[0] = &HWY_NAMESPACE::kKernels;
    return 1;
}

#else

size_t VectorLevels(const Kernels* /*tables*/[kMaxVectorLevels]) noexcept {
    return 0;
}

#endif

}  // namespace annex::internal

#endif  // HWY_ONCE

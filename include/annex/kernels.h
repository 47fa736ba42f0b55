// The inner loops, behind one table of functions for each CPU level.
//
// The scalar level is the specification: every other level is tested against it. A level is chosen once, by the CPU's
// features, when it is first asked for; tests and a setting may force another. No kernel allocates, throws, checks its
// arguments or needs an alignment.
//
// On all levels alike, bit for bit: halfs_to_floats, floats_to_halfs, add, subtract, multiply, signs, hamming, jaccard,
// code_product, bit_sums, sketch_accumulate, strip_between, strip_any_of, tid_pages, hadamard, flip_signs, kac_step,
// scale, sparse_is_valid. The others add floats in an order of their own and may use fused multiply-adds, so they agree
// up to rounding; infinities and NaNs come out as the sums define them.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace annex {

// Vectors in a sketch block; the width of every block kernel.
inline constexpr size_t kBlockSize = 32;

// Sums that a cosine needs, accumulated in float.
struct CosineSums {
    float inner_product;
    float norm_a_squared;
    float norm_b_squared;
};

// The norms of a difference: of all coordinates, and their squares.
struct NormSums {
    float l1;
    float l2_squared;
};

// Bits that are set in both of two bit strings, and in either of them.
struct BitCounts {
    uint64_t both;
    uint64_t either;
};

// A vector by its elements that are not zero: values[i] at coordinate indices[i], counted from 0, in ascending order.
struct SparseVector {
    const int32_t* indices;
    const float* values;
    size_t count;
};

// What is true of a vector of computed elements.
struct ElementCheck {
    bool finite;  // all are: none is infinite or NaN
    bool zero;    // at least one is
};

// What turns the sums of a block into lower bounds (see annex/sketch.h for the derivation):
//   bound[v] = base + add_scale * f_add[v] + f_rescale[v] * (sum_scale * sum[v] + sum_offset) - error_scale *
//   f_error[v]
struct BoundTerms {
    float base;
    float add_scale;
    float sum_scale;
    float sum_offset;
    float error_scale;
};

// What loops elsewhere may be compiled for where a level is in use.
enum class InstructionSet : uint8_t { kNone, kSse4, kAvx2, kAvx512, kNeon };

struct Kernels {
    InstructionSet instructions;  // of several levels, perhaps
    const char* name;             // "scalar", "sse4", "avx2", "avx512", "neon" ...

    // What the kernels up to signs read may lie at any address, as in a value that PostgreSQL has packed: to
    // copy it takes longer than the distance of short vectors. What they write is aligned.

    // Distances of float vectors a[n], b[n], accumulated in float.
    float (*l2_squared)(const float* a, const float* b, size_t n);
    float (*inner_product)(const float* a, const float* b, size_t n);
    CosineSums (*cosine)(const float* a, const float* b, size_t n);
    float (*l1)(const float* a, const float* b, size_t n);

    // The same of vectors of binary16 (annex/half.h), accumulated in float.
    float (*half_l2_squared)(const uint16_t* a, const uint16_t* b, size_t n);
    float (*half_inner_product)(const uint16_t* a, const uint16_t* b, size_t n);
    CosineSums (*half_cosine)(const uint16_t* a, const uint16_t* b, size_t n);
    float (*half_l1)(const uint16_t* a, const uint16_t* b, size_t n);

    // HalfToFloat and FloatToHalf of n numbers.
    void (*halfs_to_floats)(const uint16_t* halfs, float* floats, size_t n);
    void (*floats_to_halfs)(const float* floats, uint16_t* halfs, size_t n);

    // Vectors element by element: a[n] and b[n] into an array that is neither.
    ElementCheck (*add)(const float* a, const float* b, float* sum, size_t n);
    ElementCheck (*subtract)(const float* a, const float* b, float* difference, size_t n);
    ElementCheck (*multiply)(const float* a, const float* b, float* product, size_t n);
    // sum x[i]^2, accumulated in double.
    double (*sum_of_squares)(const float* x, size_t n);
    // Writes (n + 7) / 8 bytes: a bit is set where x[i] > 0, the first in the most significant bit; zeros behind them.
    void (*signs)(const float* x, uint8_t* bits, size_t n);

    // Bit strings of n bytes each: the bits in which they differ; the bits that a Jaccard distance is made of.
    uint64_t (*hamming)(const uint8_t* a, const uint8_t* b, size_t n);
    BitCounts (*jaccard)(const uint8_t* a, const uint8_t* b, size_t n);

    // Refinement rows: codes[n], n a multiple of 64. sum (q[i] - scale * codes[i])^2, sum q[i] * codes[i], and both
    // norms of q - scale * codes.
    float (*row_l2_squared)(const float* query, const int8_t* codes, float scale, size_t n);
    float (*row_inner_product)(const float* query, const int8_t* codes, size_t n);
    NormSums (*row_norms)(const float* query, const int8_t* codes, float scale, size_t n);

    // The product of two refinement rows' codes: sum a[i] * b[i]; n a multiple of 64, at most 2^17.
    int32_t (*code_product)(const int8_t* a, const int8_t* b, size_t n);

    // Sums of small numbers over the bits that are set in each of `count` codes, which begin `stride` bytes apart:
    // sums[v] = sum over the bits i of codes + v * stride that are set, of numbers[i] - 128. A code has code_bytes, a
    // multiple of 8, at most 2^17.
    void (*bit_sums)(const uint8_t* codes, size_t stride, size_t count, size_t code_bytes, const uint8_t* numbers,
                     int32_t* sums);

    // Adds the look-up table's values of `rows` rows of a sketch block to sums[32]. Row j holds byte j of the codes of
    // 32 vectors; table + 32 * j holds the 16 values of its low nibble, then the 16 of its high nibble. Accumulates in
    // 16 bits and widens at least every 128 rows, so any number of rows is allowed.
    void (*sketch_accumulate)(const uint8_t* codes, size_t rows, const uint8_t* table, uint32_t* sums);

    // Lower bounds of 32 vectors from their sums; factors are bfloat16. Bit v of the result is set where bound[v] <
    // threshold (never for a NaN). All 32 bounds are written. Sums must be below 2^31.
    uint32_t (*sketch_bounds)(const uint32_t* sums, const uint16_t* f_add, const uint16_t* f_rescale,
                              const uint16_t* f_error, const BoundTerms& terms, float threshold, float* bounds);

    // Strips of filter columns (annex/columns.h): 32 signed integers of `width` bytes, 1, 2, 4 or 8. Bit v of the
    // result is set where low <= strip[v] <= high, and where strip[v] is one of the members, of which there is at least
    // one. low, high and the members fit in `width` bytes.
    uint32_t (*strip_between)(const uint8_t* strip, size_t width, int64_t low, int64_t high);
    uint32_t (*strip_any_of)(const uint8_t* strip, size_t width, const int64_t* members, size_t count);

    // 32 heap TIDs, each {block / 65536, block % 65536, offset}. Bit v of the result is set where the offset is not 0
    // and, in pages[mask + 1], bit block % 32 of word (block / 32) & mask is set (annex/tid_set.h).
    uint32_t (*tid_pages)(const uint16_t* tids, const uint32_t* pages, uint32_t mask);

    // In-place fast Walsh-Hadamard transform of x[n], n a power of two, unnormalised.
    void (*hadamard)(float* x, size_t n);
    // x[i] = -x[i] where bit i of signs (least significant bit of byte 0 first) is set; n a multiple of 8.
    void (*flip_signs)(float* x, const uint8_t* signs, size_t n);
    // (x[i], x[i + n/2]) = (x[i] + x[i + n/2], x[i] - x[i + n/2]); n even.
    void (*kac_step)(float* x, size_t n);
    // x[i] *= factor.
    void (*scale)(float* x, float factor, size_t n);

    // Distances of sparse vectors, accumulated in float. The indices of both must ascend; what is read beyond that
    // rests on nothing, so vectors that do not obey get some number, and no byte outside of them is read.
    float (*sparse_l2_squared)(const SparseVector& a, const SparseVector& b);
    float (*sparse_inner_product)(const SparseVector& a, const SparseVector& b);
    float (*sparse_l1)(const SparseVector& a, const SparseVector& b);
    // Whether the indices ascend strictly from 0 or more to less than `dimensions`, and no value is zero, infinite or
    // NaN.
    bool (*sparse_is_valid)(const SparseVector& v, int32_t dimensions);
};

namespace internal {
extern std::atomic<const Kernels*> active_kernels;  // nullptr: not chosen yet
[[nodiscard]] const Kernels& ChooseKernels() noexcept;
}  // namespace internal

// The table in use: the best that the CPU has, or the one forced by SetKernelLevel.
[[nodiscard]] inline const Kernels& ActiveKernels() noexcept {
    const Kernels* kernels = internal::active_kernels.load(std::memory_order_relaxed);
    if (kernels == nullptr) [[unlikely]]
        return internal::ChooseKernels();
    return *kernels;
}

// The levels that this CPU can run, the scalar one first, the best last.
[[nodiscard]] size_t KernelLevelCount() noexcept;
[[nodiscard]] const Kernels& KernelLevel(size_t i) noexcept;

// Forces the level of that name, or the best one for "auto". False when this CPU does not have it.
bool SetKernelLevel(std::string_view name) noexcept;

// bfloat16 conversions. The encoders round towards -infinity, +infinity and to nearest even; values beyond the range
// become infinite in the rounding direction that keeps the inequality, and a NaN stays one.
[[nodiscard]] inline float Bf16ToFloat(uint16_t value) noexcept {
    union {
        uint32_t bits;
        float number;
    } u{static_cast<uint32_t>(value) << 16};
    return u.number;
}
[[nodiscard]] uint16_t FloatToBf16Down(float value) noexcept;
[[nodiscard]] uint16_t FloatToBf16Up(float value) noexcept;
[[nodiscard]] uint16_t FloatToBf16Nearest(float value) noexcept;

}  // namespace annex

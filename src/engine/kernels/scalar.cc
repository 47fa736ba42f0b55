// The scalar kernels: what each kernel means, one coordinate at a time. Every other level is tested against this file.
#include <bit>
#include <cmath>
#include <cstring>

#include "annex/half.h"
#include "engine/kernels/levels.h"
#include "engine/kernels/words.h"

namespace annex::internal {
namespace {

float L2Squared(const float* a, const float* b, size_t n) {
    float sum = 0;
    for (size_t i = 0; i < n; ++i) {
        const float difference = At(a + i) - At(b + i);
        sum += difference * difference;
    }
    return sum;
}

float InnerProduct(const float* a, const float* b, size_t n) {
    float sum = 0;
    for (size_t i = 0; i < n; ++i) sum += At(a + i) * At(b + i);
    return sum;
}

CosineSums Cosine(const float* a, const float* b, size_t n) {
    CosineSums sums{0, 0, 0};
    for (size_t i = 0; i < n; ++i) {
        sums.inner_product += At(a + i) * At(b + i);
        sums.norm_a_squared += At(a + i) * At(a + i);
        sums.norm_b_squared += At(b + i) * At(b + i);
    }
    return sums;
}

float L1(const float* a, const float* b, size_t n) {
    float sum = 0;
    for (size_t i = 0; i < n; ++i) sum += std::fabs(At(a + i) - At(b + i));
    return sum;
}

template <class Operation>
ElementCheck ElementWise(const float* a, const float* b, float* result, size_t n, const Operation& operation) {
    ElementCheck check{true, false};
    for (size_t i = 0; i < n; ++i) {
        result[i] = operation(At(a + i), At(b + i));
        check.finite &= std::isfinite(result[i]);
        check.zero |= result[i] == 0;
    }
    return check;
}

ElementCheck Add(const float* a, const float* b, float* sum, size_t n) {
    return ElementWise(a, b, sum, n, [](float x, float y) { return x + y; });
}

ElementCheck Subtract(const float* a, const float* b, float* difference, size_t n) {
    return ElementWise(a, b, difference, n, [](float x, float y) { return x - y; });
}

ElementCheck Multiply(const float* a, const float* b, float* product, size_t n) {
    return ElementWise(a, b, product, n, [](float x, float y) { return x * y; });
}

double SumOfSquares(const float* x, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; ++i) sum += static_cast<double>(At(x + i)) * static_cast<double>(At(x + i));
    return sum;
}

void Signs(const float* x, uint8_t* bits, size_t n) {
    std::memset(bits, 0, (n + 7) / 8);
    for (size_t i = 0; i < n; ++i)
        bits[i / 8] = static_cast<uint8_t>(bits[i / 8] | (At(x + i) > 0 ? 1 : 0) << (7 - i % 8));
}

uint64_t Hamming(const uint8_t* a, const uint8_t* b, size_t n) {
    uint64_t count = 0;
    for (size_t i = 0; i < n; ++i) count += static_cast<uint64_t>(std::popcount(static_cast<uint8_t>(a[i] ^ b[i])));
    return count;
}

BitCounts Jaccard(const uint8_t* a, const uint8_t* b, size_t n) {
    BitCounts counts{0, 0};
    for (size_t i = 0; i < n; ++i) {
        counts.both += static_cast<uint64_t>(std::popcount(static_cast<uint8_t>(a[i] & b[i])));
        counts.either += static_cast<uint64_t>(std::popcount(static_cast<uint8_t>(a[i] | b[i])));
    }
    return counts;
}

float HalfL2Squared(const uint16_t* a, const uint16_t* b, size_t n) {
    float sum = 0;
    for (size_t i = 0; i < n; ++i) {
        const float difference = HalfToFloat(At(a + i)) - HalfToFloat(At(b + i));
        sum += difference * difference;
    }
    return sum;
}

float HalfInnerProduct(const uint16_t* a, const uint16_t* b, size_t n) {
    float sum = 0;
    for (size_t i = 0; i < n; ++i) sum += HalfToFloat(At(a + i)) * HalfToFloat(At(b + i));
    return sum;
}

CosineSums HalfCosine(const uint16_t* a, const uint16_t* b, size_t n) {
    CosineSums sums{0, 0, 0};
    for (size_t i = 0; i < n; ++i) {
        const float x = HalfToFloat(At(a + i));
        const float y = HalfToFloat(At(b + i));
        sums.inner_product += x * y;
        sums.norm_a_squared += x * x;
        sums.norm_b_squared += y * y;
    }
    return sums;
}

float HalfL1(const uint16_t* a, const uint16_t* b, size_t n) {
    float sum = 0;
    for (size_t i = 0; i < n; ++i) sum += std::fabs(HalfToFloat(At(a + i)) - HalfToFloat(At(b + i)));
    return sum;
}

void HalfsToFloats(const uint16_t* halfs, float* floats, size_t n) {
    for (size_t i = 0; i < n; ++i) floats[i] = HalfToFloat(At(halfs + i));
}

void FloatsToHalfs(const float* floats, uint16_t* halfs, size_t n) {
    for (size_t i = 0; i < n; ++i) halfs[i] = FloatToHalf(At(floats + i));
}

float RowL2Squared(const float* query, const int8_t* codes, float scale, size_t n) {
    float sum = 0;
    for (size_t i = 0; i < n; ++i) {
        const float difference = query[i] - scale * static_cast<float>(codes[i]);
        sum += difference * difference;
    }
    return sum;
}

float RowInnerProduct(const float* query, const int8_t* codes, size_t n) {
    float sum = 0;
    for (size_t i = 0; i < n; ++i) sum += query[i] * static_cast<float>(codes[i]);
    return sum;
}

NormSums RowNorms(const float* query, const int8_t* codes, float scale, size_t n) {
    NormSums sums{0, 0};
    for (size_t i = 0; i < n; ++i) {
        const float difference = query[i] - scale * static_cast<float>(codes[i]);
        sums.l1 += std::fabs(difference);
        sums.l2_squared += difference * difference;
    }
    return sums;
}

int32_t CodeProduct(const int8_t* a, const int8_t* b, size_t n) {
    int32_t sum = 0;
    for (size_t i = 0; i < n; ++i) sum += a[i] * b[i];
    return sum;
}

void BitSums(const uint8_t* codes, size_t stride, size_t count, size_t code_bytes, const uint8_t* numbers,
             int32_t* sums) {
    for (size_t v = 0; v < count; ++v) {
        sums[v] = 0;
        for (size_t i = 0; i < 8 * code_bytes; ++i)
            sums[v] += (codes[v * stride + i / 8] >> i % 8 & 1) * (numbers[i] - 128);
    }
}

// Byte j of vector v's code holds two sub-codes; each selects one of the 16 values of its table.
void SketchAccumulate(const uint8_t* codes, size_t rows, const uint8_t* table, uint32_t* sums) {
    for (size_t row = 0; row < rows; ++row) {
        const uint8_t* low_table = table + 32 * row;
        const uint8_t* high_table = low_table + 16;
        for (size_t v = 0; v < kBlockSize; ++v) {
            const uint8_t code = codes[kBlockSize * row + v];
            sums[v] += low_table[code & 15];
            sums[v] += high_table[code >> 4];
        }
    }
}

uint32_t SketchBounds(const uint32_t* sums, const uint16_t* f_add, const uint16_t* f_rescale, const uint16_t* f_error,
                      const BoundTerms& terms, float threshold, float* bounds) {
    uint32_t below = 0;
    for (size_t v = 0; v < kBlockSize; ++v) {
        const float sum = terms.sum_scale * static_cast<float>(sums[v]) + terms.sum_offset;
        bounds[v] = terms.base + terms.add_scale * Bf16ToFloat(f_add[v]) + Bf16ToFloat(f_rescale[v]) * sum -
                    terms.error_scale * Bf16ToFloat(f_error[v]);
        if (bounds[v] < threshold) below |= uint32_t{1} << v;
    }
    return below;
}

// Calls test with each of the 32 integers.
template <class Integer, class Test>
uint32_t TestStripOf(const uint8_t* strip, const Test& test) {
    uint32_t passed = 0;
    for (size_t v = 0; v < kBlockSize; ++v) {
        Integer value;
        std::memcpy(&value, strip + v * sizeof value, sizeof value);
        if (test(int64_t{value})) passed |= uint32_t{1} << v;
    }
    return passed;
}

template <class Test>
uint32_t TestStrip(const uint8_t* strip, size_t width, const Test& test) {
    switch (width) {
        case 1:
            return TestStripOf<int8_t>(strip, test);
        case 2:
            return TestStripOf<int16_t>(strip, test);
        case 4:
            return TestStripOf<int32_t>(strip, test);
        default:
            return TestStripOf<int64_t>(strip, test);
    }
}

uint32_t StripBetween(const uint8_t* strip, size_t width, int64_t low, int64_t high) {
    return TestStrip(strip, width, [low, high](int64_t value) { return low <= value && value <= high; });
}

uint32_t StripAnyOf(const uint8_t* strip, size_t width, const int64_t* members, size_t count) {
    return TestStrip(strip, width, [members, count](int64_t value) {
        bool any = false;
        for (size_t i = 0; i < count; ++i) any |= value == members[i];
        return any;
    });
}

uint32_t TidPages(const uint16_t* tids, const uint32_t* pages, uint32_t mask) {
    uint32_t passed = 0;
    for (size_t v = 0; v < kBlockSize; ++v, tids += 3) {
        const uint32_t block = static_cast<uint32_t>(tids[0]) << 16 | tids[1];
        const bool found = tids[2] != 0 && (pages[block / 32 & mask] >> block % 32 & 1) != 0;
        passed |= (found ? 1U : 0U) << v;
    }
    return passed;
}

// The butterflies go from the nearest neighbours to the farthest. Every level keeps this order, so that all agree bit
// for bit.
void Hadamard(float* x, size_t n) {
    for (size_t half = 1; half < n; half *= 2) {
        for (size_t start = 0; start < n; start += 2 * half) {
            for (size_t i = start; i < start + half; ++i) {
                const float sum = x[i] + x[i + half];
                const float difference = x[i] - x[i + half];
                x[i] = sum;
                x[i + half] = difference;
            }
        }
    }
}

void FlipSigns(float* x, const uint8_t* signs, size_t n) {
    for (size_t i = 0; i < n; ++i) {
        if ((signs[i / 8] >> (i % 8)) & 1) x[i] = -x[i];
    }
}

void KacStep(float* x, size_t n) {
    const size_t half = n / 2;
    for (size_t i = 0; i < half; ++i) {
        const float sum = x[i] + x[i + half];
        const float difference = x[i] - x[i + half];
        x[i] = sum;
        x[i + half] = difference;
    }
}

void Scale(float* x, float factor, size_t n) {
    for (size_t i = 0; i < n; ++i) x[i] *= factor;
}

// Walks both lists together. alone(x) is what an element adds that the other vector does not have, both(x, y) what two
// at the same index add.
template <class Alone, class Both>
float SparseSum(const SparseVector& a, const SparseVector& b, const Alone& alone, const Both& both) {
    float sum = 0;
    size_t i = 0;
    size_t j = 0;
    while (i < a.count && j < b.count) {
        if (a.indices[i] == b.indices[j]) {
            sum += both(a.values[i++], b.values[j++]);
        } else if (a.indices[i] < b.indices[j]) {
            sum += alone(a.values[i++]);
        } else {
            sum += alone(b.values[j++]);
        }
    }
    for (; i < a.count; ++i) sum += alone(a.values[i]);
    for (; j < b.count; ++j) sum += alone(b.values[j]);
    return sum;
}

float SparseL2Squared(const SparseVector& a, const SparseVector& b) {
    return SparseSum(
        a, b, [](float x) { return x * x; }, [](float x, float y) { return (x - y) * (x - y); });
}

float SparseInnerProduct(const SparseVector& a, const SparseVector& b) {
    return SparseSum(
        a, b, [](float) { return 0.0F; }, [](float x, float y) { return x * y; });
}

float SparseL1(const SparseVector& a, const SparseVector& b) {
    return SparseSum(
        a, b, [](float x) { return std::fabs(x); }, [](float x, float y) { return std::fabs(x - y); });
}

bool SparseIsValid(const SparseVector& v, int32_t dimensions) {
    for (size_t i = 0; i < v.count; ++i) {
        if (v.indices[i] < 0 || v.indices[i] >= dimensions) return false;
        if (i > 0 && v.indices[i - 1] >= v.indices[i]) return false;
        if (v.values[i] == 0 || !std::isfinite(v.values[i])) return false;
    }
    return true;
}

}  // namespace

constinit const Kernels kScalarKernels = {
    .instructions = InstructionSet::kNone,
    .name = "scalar",
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

}  // namespace annex::internal

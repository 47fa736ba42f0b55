// Encoding of sketches, the block format, and a query's look-up table. The estimate is derived in annex/sketch.h
// (RaBitQ, arXiv 2405.12497); that its terms stay finite in float, in space.cc.
#include "annex/sketch.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "engine/sums.h"

namespace annex {
namespace {

static_assert(std::endian::native == std::endian::little, "codes are transposed as little-endian words");

constexpr uint16_t kBf16Infinity = 0x7F80;
constexpr HeapTid kNoHeapTid = {0xFFFF, 0xFFFF, 0};

float ClampToFloat(double value) noexcept {
    constexpr double kMax = std::numeric_limits<float>::max();
    return static_cast<float>(std::clamp(value, -kMax, kMax));
}

// Never above `value`, save at the lower end of the range.
uint16_t Bf16Below(double value) noexcept {
    float rounded = ClampToFloat(value);
    if (static_cast<double>(rounded) > value) {
        rounded = std::nextafter(rounded, -std::numeric_limits<float>::infinity());
    }
    return FloatToBf16Down(rounded);
}

// Never below `value`, save at the upper end of the range.
uint16_t Bf16Above(double value) noexcept {
    float rounded = ClampToFloat(value);
    if (static_cast<double>(rounded) < value) {
        rounded = std::nextafter(rounded, std::numeric_limits<float>::infinity());
    }
    return FloatToBf16Up(rounded);
}

// What a residual r = y - c and its signs s have in common with the centroid.
struct ResidualSums {
    double squared_norm;      // ||r||^2
    double l1_norm;           // <s, r>
    double signs_centroid;    // <s, c>
    double centroid_product;  // <c, r>
};

ResidualSums SumResidual(const float* y, const float* centroid, size_t padded) noexcept {
    const auto residual = [y, centroid](size_t i) { return y[i] - centroid[i]; };
    return {
        SumInDouble(padded,
                    [&](size_t i) {
                        const double r = static_cast<double>(residual(i));
                        return r * r;
                    }),
        SumInDouble(padded, [&](size_t i) { return static_cast<double>(std::fabs(residual(i))); }),
        SumInDouble(padded,
                    [&](size_t i) { return static_cast<double>(residual(i) > 0.0F ? centroid[i] : -centroid[i]); }),
        SumInDouble(padded,
                    [&](size_t i) { return static_cast<double>(residual(i)) * static_cast<double>(centroid[i]); }),
    };
}

void PackSigns(const float* y, const float* centroid, size_t padded, uint8_t* code) noexcept {
    for (size_t j = 0; j < padded / 8; ++j) {
        unsigned bits = 0;
        for (size_t i = 0; i < 8; ++i) {
            bits |= static_cast<unsigned>(y[8 * j + i] - centroid[8 * j + i] > 0.0F) << i;
        }
        code[j] = static_cast<uint8_t>(bits);
    }
}

// Transposes a matrix of 8 x 8 bytes, row i being words[i] and column j its byte j: halves, quarters, then single bytes
// change places across the diagonal.
void TransposeBytes8x8(uint64_t words[8]) noexcept {
    const auto exchange = [words](size_t step, uint64_t low_mask) {
        const size_t shift = 8 * step;
        for (size_t i = 0; i < 8; ++i) {
            if ((i & step) != 0) continue;
            const uint64_t differing = ((words[i] >> shift) ^ words[i + step]) & low_mask;
            words[i + step] ^= differing;
            words[i] ^= differing << shift;
        }
    };
    exchange(4, 0x00000000FFFFFFFFULL);
    exchange(2, 0x0000FFFF0000FFFFULL);
    exchange(1, 0x00FF00FF00FF00FFULL);
}

}  // namespace

SketchFactors EncodeSketch(const float* y, const float* centroid, size_t padded, bool inner_product,
                           uint8_t* code) noexcept {
    PackSigns(y, centroid, padded, code);
    const ResidualSums sums = SumResidual(y, centroid, padded);
    if (sums.squared_norm == 0) return {0, 0, 0};

    const double k = sums.squared_norm / sums.l1_norm;
    const double dimensions = static_cast<double>(padded);
    // One standard deviation of k <s, v> about <r, v>, for a v of length one.
    const double spread = std::max(0.0, dimensions * sums.squared_norm / (sums.l1_norm * sums.l1_norm) - 1);
    const double deviation = std::sqrt(sums.squared_norm * spread / (dimensions - 1));
    if (inner_product) {
        return {
            FloatToBf16Nearest(ClampToFloat(k * sums.signs_centroid - sums.centroid_product)),
            FloatToBf16Nearest(ClampToFloat(-k)),
            Bf16Above(deviation),
        };
    }
    return {
        Bf16Below(sums.squared_norm + 2 * k * sums.signs_centroid),
        FloatToBf16Nearest(ClampToFloat(-2 * k)),
        Bf16Above(2 * deviation),
    };
}

SketchFactors EncodeEntry(const Space& space, const float* y, const float* centroid, uint8_t* code) noexcept {
    constexpr uint16_t kOne = 0x3F80;  // in bfloat16
    const size_t padded = space.padded();
    if (!IsOfBits(space.metric()))
        return EncodeSketch(y, centroid, padded, space.metric() == Metric::kInnerProduct, code);
    float z[PaddedDimensions(kMostDimensions)];
    std::copy(y, y + padded, z);
    space.ToRowSpace(z);
    unsigned set = 0;
    for (size_t j = 0; j < padded / 8; ++j) {
        unsigned bits = 0;
        for (size_t i = 0; i < 8; ++i) bits |= static_cast<unsigned>(z[8 * j + i] > 0) << i;
        code[j] = static_cast<uint8_t>(bits);
        set += static_cast<unsigned>(std::popcount(bits));
    }
    return {0, kOne, static_cast<uint16_t>(set)};
}

void PackBlock(const uint8_t* entries, size_t count, const SketchLayout& layout, uint8_t* block) noexcept {
    const size_t code_bytes = CodeBytes(layout.padded);
    const size_t entry_bytes = layout.entry_bytes();
    uint8_t* code_rows = block + layout.head_rows() * kRowBytes;
    // Columns of 8 entries, in steps of 8 bytes of code. The tile is written row by row, 8 bytes a row.
    for (size_t first = 0; first < kBlockSize; first += 8) {
        const size_t present = std::min<size_t>(8, count - std::min(count, first));
        for (size_t j = 0; j < code_bytes; j += 8) {
            uint64_t words[8] = {};
            for (size_t i = 0; i < present; ++i) {
                std::memcpy(&words[i], entries + (first + i) * entry_bytes + j, sizeof(words[i]));
            }
            TransposeBytes8x8(words);
            for (size_t i = 0; i < 8; ++i) {
                std::memcpy(code_rows + (j + i) * kRowBytes + first, &words[i], sizeof(words[i]));
            }
        }
    }
    BlockTrailer trailer;
    for (size_t v = 0; v < count; ++v) {
        SketchTrailer entry;
        std::memcpy(&entry, entries + v * entry_bytes + code_bytes, sizeof(entry));
        trailer.f_add[v] = entry.factors.f_add;
        trailer.f_rescale[v] = entry.factors.f_rescale;
        trailer.f_error[v] = entry.factors.f_error;
        trailer.heap_tid[v] = entry.heap_tid;
        trailer.place[v] = entry.place;
    }
    for (size_t v = count; v < kBlockSize; ++v) {
        KillSlot(&trailer, v);
        trailer.place[v] = 0;
    }
    std::memcpy(block, &trailer, sizeof(trailer));
    if (layout.columns.columns() > 0)
        PackStrips(layout.columns, layout.values(entries), entry_bytes, count, block + sizeof(trailer));
}

void UnpackEntry(const uint8_t* block, size_t v, const SketchLayout& layout, uint8_t* entry) noexcept {
    const size_t code_bytes = CodeBytes(layout.padded);
    const uint8_t* code_rows = layout.codes(block);
    const BlockTrailer& trailer = *TrailerOf(block);
    for (size_t j = 0; j < code_bytes; ++j) entry[j] = code_rows[j * kRowBytes + v];
    const SketchTrailer last = {
        {trailer.f_add[v], trailer.f_rescale[v], trailer.f_error[v]}, trailer.heap_tid[v], trailer.place[v]};
    std::memcpy(entry + code_bytes, &last, sizeof(last));
    if (layout.columns.columns() > 0)
        LoadFromStrips(layout.columns, StripsOf(block), v, entry + layout.values_offset());
}

void KillSlot(BlockTrailer* trailer, size_t v) noexcept {
    trailer->f_add[v] = kBf16Infinity;
    trailer->f_rescale[v] = 0;
    trailer->f_error[v] = 0;
    trailer->heap_tid[v] = kNoHeapTid;
}

// A group of 4 dimensions contributes to <bits, q> a value between min = sum of its negative q_i and min + span, span =
// sum |q_i|. The table holds value - min, on a scale common to all groups, the largest span being 255. Since
//     2 (sum of all min) - sum(q) = -||q||_1,
// <s, q> = 2 <bits, q> - sum(q) ~ 2 unit * sum - ||q||_1, unit being the largest span / 255.
//
// The 16 values of a group are added up in 16-bit fixed point with 6 fractional bits (255 * 64 < 2^15), then rounded to
// nearest: a coordinate's own rounding is 1/128 of a unit.
//
// Rounding a group's value has a variance of unit^2 / 12; the P / 4 groups give <s, q> a standard deviation of 2 unit
// sqrt(P / 48). The estimate multiplies it by k, where the sketch's own error is its deviation times a length. Rotated
// residuals are nearly Gaussian: k = sqrt(pi / 2) ||r|| / sqrt(P), the deviation sqrt(pi / 2 - 1) ||r|| / sqrt(P).
void SketchQuery::ResetBits(const float* z, size_t padded) {
    table_.resize(CodeRows(padded) * kRowBytes);
    for (size_t group = 0; group < padded / 4; ++group) {
        unsigned bits = 0;
        for (size_t i = 0; i < 4; ++i) bits |= static_cast<unsigned>(z[4 * group + i] > 0) << i;
        for (unsigned m = 0; m < 16; ++m) table_[16 * group + m] = static_cast<uint8_t>(std::popcount(m ^ bits));
    }
    sum_scale_ = 1;
    sum_offset_ = 0;
    noise_ = 0;
}

void SketchQuery::Reset(const float* y, size_t padded) {
    constexpr int kFractionBits = 6;
    constexpr float kFullScale = 255 << kFractionBits;
    // Below this, a scale would overflow; such coordinates are nothing beside any distance that a float can tell.
    constexpr float kMinSpan = 0x1p-112F;
    constexpr float kRescaleToDeviation = 1.659F;  // sqrt((pi / 2) / (pi / 2 - 1))

    table_.resize(CodeRows(padded) * kRowBytes);
    float largest_span = 0;
    double l1_norm = 0;
    for (size_t i = 0; i < padded; i += 4) {
        const float span = (std::fabs(y[i]) + std::fabs(y[i + 1])) + (std::fabs(y[i + 2]) + std::fabs(y[i + 3]));
        largest_span = std::max(largest_span, span);
        l1_norm += static_cast<double>(span);
    }
    if (largest_span < kMinSpan) {
        std::fill(table_.begin(), table_.end(), uint8_t{0});
        sum_scale_ = 0;
        sum_offset_ = 0;
        noise_ = 0;
        return;
    }
    sum_scale_ = 2 * largest_span / 255;
    sum_offset_ = -static_cast<float>(l1_norm);
    noise_ = kRescaleToDeviation * sum_scale_ * std::sqrt(static_cast<float>(padded) / 48);

    // All ones where bit b of the entry's number is set.
    static constexpr int16_t kBit[4][16] = {
        {0, -1, 0, -1, 0, -1, 0, -1, 0, -1, 0, -1, 0, -1, 0, -1},
        {0, 0, -1, -1, 0, 0, -1, -1, 0, 0, -1, -1, 0, 0, -1, -1},
        {0, 0, 0, 0, -1, -1, -1, -1, 0, 0, 0, 0, -1, -1, -1, -1},
        {0, 0, 0, 0, 0, 0, 0, 0, -1, -1, -1, -1, -1, -1, -1, -1},
    };
    const float to_fixed = kFullScale / largest_span;
    uint8_t* entries = table_.data();
    for (size_t i = 0; i < padded; i += 4, entries += 16) {
        int16_t q[4];
        int negative = 0;
        for (size_t b = 0; b < 4; ++b) {
            const float value = y[i + b] * to_fixed;
            q[b] = static_cast<int16_t>(static_cast<int>(value + std::copysign(0.5F, value)));
            negative += std::min<int>(q[b], 0);
        }
        // Halves go up in one group and down in the next: they are frequent enough to bias a long sum.
        const int half = (1 << (kFractionBits - 1)) - static_cast<int>(i / 4 % 2);
        const auto start = static_cast<int16_t>(half - negative);
        for (size_t m = 0; m < 16; ++m) {
            const int sum =
                start + (kBit[0][m] & q[0]) + (kBit[1][m] & q[1]) + (kBit[2][m] & q[2]) + (kBit[3][m] & q[3]);
            entries[m] = static_cast<uint8_t>(static_cast<uint16_t>(sum) >> kFractionBits);
        }
    }
}

}  // namespace annex

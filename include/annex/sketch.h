// The sketch: one bit a dimension, in blocks of 32 vectors, with an error bound (RaBitQ at one bit, arXiv 2405.12497).
//
// For a list with (decoded) centroid c, a row's residual is r = y - c, its code the signs s of r, and k = ||r||^2 /
// ||r||_1, the factor for which k * s is the unbiased estimate of r along any direction that a random rotation makes
// independent.
//
//   ||q - y||^2 = ||q - c||^2 + ||r||^2 - 2 <q - c, r>,  <q - c, r> ~ k (<s, q> - <s, c>)
//     => base = ||q - c||^2,  f_add = ||r||^2 + 2 k <s, c>,  f_rescale = -2 k
//   -<q, y> = -<q, c> - <q, r>; for any b: <q, r> = <q - b c, r> + b <c, r> ~ k <s, q> + b (<c, r> - k <s, c>)
//     => base = -<q, c>,  f_add = k <s, c> - <c, r>,  f_rescale = -k,  add_scale = b = <q, c> / ||c||^2,
//        which makes the direction that is left to estimate, q - b c, as short as it can be
//   error (one standard deviation) = ||r|| sqrt((P ||r||^2 / ||r||_1^2 - 1) / (P - 1)) * ||q - b c||, twice that for
//   L2.
//
// Since <s, c> lies in f_add, the look-up table depends on the query alone and serves every list. With <s, q> = 2
// <bits, q> - sum(q), the table holds for each 4 dimensions the 16 partial sums of <bits, q>, in 8 bits over one common
// scale.
//
// Formats (little-endian, as in memory):
//   code        P/8 bytes; bit i of byte j is dimension 8 j + i
//   entry       code, then SketchTrailer (16 bytes), then the values of the filter columns (annex/columns.h), if there
//               are any: what an insert writes
//   block       its head: the BlockTrailer (512 bytes) and the strips of the filter columns; then P/8 rows of 32 bytes
//               (row j = byte j of the 32 codes)
// so 32 entries take no less than the bytes of a block. What tells whether a slot is wanted at all comes first. A slot
// whose heap_tid is invalid is dead or was never used.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "annex/columns.h"
#include "annex/kernels.h"
#include "annex/space.h"

namespace annex {

// A heap tuple's address, laid out as PostgreSQL's ItemPointerData. offset 0: none.
struct HeapTid {
    uint16_t block_high;
    uint16_t block_low;
    uint16_t offset;

    [[nodiscard]] bool valid() const noexcept { return offset != 0; }
    friend bool operator==(const HeapTid&, const HeapTid&) = default;
};
static_assert(sizeof(HeapTid) == 6 && alignof(HeapTid) == 2);

// Where a refinement row lies: page number * rows a page + slot.
using Place = uint32_t;

struct SketchFactors {
    uint16_t f_add;  // bfloat16
    uint16_t f_rescale;
    uint16_t f_error;
};

struct SketchTrailer {
    SketchFactors factors;
    HeapTid heap_tid;
    Place place;
};
static_assert(sizeof(SketchTrailer) == 16);

struct BlockTrailer {
    uint16_t f_add[kBlockSize];
    uint16_t f_rescale[kBlockSize];
    uint16_t f_error[kBlockSize];
    HeapTid heap_tid[kBlockSize];
    Place place[kBlockSize];
};
static_assert(sizeof(BlockTrailer) == 512);

inline constexpr size_t kRowBytes = 32;  // one row of a block, the unit in which pages are filled
inline constexpr size_t kTrailerRows = sizeof(BlockTrailer) / kRowBytes;

[[nodiscard]] constexpr size_t CodeBytes(size_t padded) noexcept {
    return padded / 8;
}
[[nodiscard]] constexpr size_t CodeRows(size_t padded) noexcept {
    return padded / 8;
}

// How the entries and blocks of an index are laid out.
struct SketchLayout {
    size_t padded = 0;  // dimensions
    ColumnLayout columns{};

    // Of an entry.
    [[nodiscard]] size_t values_offset() const noexcept { return CodeBytes(padded) + sizeof(SketchTrailer); }
    [[nodiscard]] size_t entry_bytes() const noexcept { return values_offset() + columns.value_bytes(); }
    [[nodiscard]] const uint8_t* values(const uint8_t* entry) const noexcept { return entry + values_offset(); }
    // Of a block.
    [[nodiscard]] size_t head_rows() const noexcept { return kTrailerRows + columns.strip_rows(); }
    [[nodiscard]] size_t code_rows() const noexcept { return CodeRows(padded); }
    [[nodiscard]] size_t block_rows() const noexcept { return head_rows() + code_rows(); }
    [[nodiscard]] size_t block_bytes() const noexcept { return block_rows() * kRowBytes; }
    [[nodiscard]] const uint8_t* codes(const uint8_t* block) const noexcept { return block + head_rows() * kRowBytes; }
};

// The strips of the filter columns in a block.
[[nodiscard]] inline const uint8_t* StripsOf(const uint8_t* block) noexcept {
    return block + sizeof(BlockTrailer);
}

// The trailers at the beginning of a block, which lies at a multiple of four bytes.
[[nodiscard]] inline BlockTrailer* TrailerOf(uint8_t* block) noexcept {
    return reinterpret_cast<BlockTrailer*>(block);
}
[[nodiscard]] inline const BlockTrailer* TrailerOf(const uint8_t* block) noexcept {
    return reinterpret_cast<const BlockTrailer*>(block);
}

// Sketches y[padded] against centroid[padded] (its decoded 8-bit row). `inner_product` chooses the factors' meaning.
// code[padded / 8].
[[nodiscard]] SketchFactors EncodeSketch(const float* y, const float* centroid, size_t padded, bool inner_product,
                                         uint8_t* code) noexcept;

// The entry's code of a row y[padded] of a space, in a list with this centroid. Of bits the code is the row itself,
// what a SketchQuery of bits adds up is the Hamming distance, and f_error is no float, but how many of the row's bits
// are set.
[[nodiscard]] SketchFactors EncodeEntry(const Space& space, const float* y, const float* centroid,
                                        uint8_t* code) noexcept;

// Entries and blocks. entries[count * entry_bytes], count <= 32; missing slots of the block become dead. `block` may
// lie anywhere.
void PackBlock(const uint8_t* entries, size_t count, const SketchLayout& layout, uint8_t* block) noexcept;
// Takes entry v out of a block whose rows are contiguous.
void UnpackEntry(const uint8_t* block, size_t v, const SketchLayout& layout, uint8_t* entry) noexcept;
// Makes a slot dead: an invalid heap TID and factors whose bound is +infinity for L2.
void KillSlot(BlockTrailer* trailer, size_t v) noexcept;

// A query's look-up table. One serves all lists.
class SketchQuery {
  public:
    SketchQuery() = default;
    // Builds the table from y[padded] as TransformQuery gives it; memory is kept between calls.
    void Reset(const float* y, size_t padded);

    // Builds the table of the Hamming distance from z[padded], a row of bits as Space::ToRowSpace gives it.
    void ResetBits(const float* z, size_t padded);

    [[nodiscard]] const uint8_t* table() const noexcept { return table_.data(); }
    // <s, q> ~ sum_scale * sum + sum_offset, sum being what sketch_accumulate gives.
    [[nodiscard]] float sum_scale() const noexcept { return sum_scale_; }
    [[nodiscard]] float sum_offset() const noexcept { return sum_offset_; }
    // How far the table's rounding lets an estimate stray, as a length: the error of a bound is f_error times
    // sqrt(||q - b c||^2 + noise^2) (b = 1 for L2). It matters where lists are far apart and narrow, for it grows with
    // ||q||.
    [[nodiscard]] float noise() const noexcept { return noise_; }

  private:
    std::vector<uint8_t> table_;  // 32 bytes a row of a block
    float sum_scale_ = 0;
    float sum_offset_ = 0;
    float noise_ = 0;
};

}  // namespace annex

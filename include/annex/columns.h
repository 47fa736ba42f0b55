// Filter columns: scalar values that an index keeps beside a row's codes, so that a scan can tell before any distance
// which rows a WHERE clause lets through.
//
// A value is kept as its image: a signed integer of 1, 2, 4 or 8 bytes, or a pair of two of 8 bytes, whose order is
// that of the values (a type without an order needs only equal images for equal values). What maps values to images is
// the caller's business.
//
// Formats (little-endian, as in memory):
//   values of a row     null bits (a byte for each 8 columns, column 8 j + i in bit i of byte j), the images in the
//                       order of the columns, zeros up to a multiple of 4 bytes. The image of a NULL is zeros. A pair
//                       has its high half first.
//   strips of a block   rows of 32 bytes. First the null bits: a uint32 for each column, row v of the block in bit v,
//                       8 columns in one row of bytes. Then for each column as many rows as its width: the images of
//                       the block's 32 rows side by side; of pairs all high halves, then all low halves.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "annex/kernels.h"

namespace annex {

inline constexpr size_t kMaxColumns = 16;
inline constexpr size_t kMaxImageBytes = 64;  // of all images of a row
// That the values of a row take at most.
inline constexpr size_t kMostValueBytes = (kMaxColumns / 8 + kMaxImageBytes + 3) / 4 * 4;

// Images are ordered by `high`, then `low`. Those of up to 8 bytes lie in `high`; `low` is 0 then.
struct ColumnImage {
    int64_t high = 0;
    int64_t low = 0;

    friend auto operator<=>(const ColumnImage&, const ColumnImage&) = default;
};

// Which columns there are, and where each lies. A plain value.
class ColumnLayout {
  public:
    ColumnLayout() = default;  // no columns: 0 bytes, 0 rows
    // The images' widths: 1, 2, 4, 8 or 16 bytes each. Throws Error: kLimit for more than kMaxColumns columns or
    // kMaxImageBytes bytes, kInvalidArgument for another width.
    explicit ColumnLayout(std::span<const uint8_t> widths);

    [[nodiscard]] size_t columns() const noexcept { return columns_; }
    [[nodiscard]] size_t width(size_t column) const noexcept { return widths_[column]; }
    // Bytes of the values of a row, a multiple of 4.
    [[nodiscard]] size_t value_bytes() const noexcept { return value_bytes_; }
    // Rows of 32 bytes that a block's strips take.
    [[nodiscard]] size_t strip_rows() const noexcept { return strip_rows_; }
    [[nodiscard]] size_t strip_bytes() const noexcept { return strip_rows_ * kBlockSize; }

    // Where a column's image begins in a row's values, and its strip in a block's strips.
    [[nodiscard]] size_t value_offset(size_t column) const noexcept { return value_offsets_[column]; }
    [[nodiscard]] size_t strip_offset(size_t column) const noexcept { return strip_offsets_[column]; }

    friend bool operator==(const ColumnLayout&, const ColumnLayout&) = default;

  private:
    uint8_t columns_ = 0;
    uint8_t value_bytes_ = 0;
    uint8_t strip_rows_ = 0;
    uint8_t widths_[kMaxColumns] = {};
    uint8_t value_offsets_[kMaxColumns] = {};
    uint16_t strip_offsets_[kMaxColumns] = {};
};

// ---- Values of one row: value_bytes() bytes, at any address

// All columns NULL.
void ClearValues(const ColumnLayout& layout, uint8_t* values) noexcept;
// Stores an image; what lies beyond the column's width is cut off.
void SetImage(const ColumnLayout& layout, uint8_t* values, size_t column, ColumnImage image) noexcept;
[[nodiscard]] bool IsNull(const uint8_t* values, size_t column) noexcept;
// The image of a value that is not NULL.
[[nodiscard]] ColumnImage Image(const ColumnLayout& layout, const uint8_t* values, size_t column) noexcept;
// Whether the functions above could have written this: zeros where the format asks for them.
[[nodiscard]] bool ValidValues(const ColumnLayout& layout, const uint8_t* values) noexcept;

// ---- Strips of a block: strip_bytes() bytes, at any address

// The values of rows 0 .. rows - 1 (at most 32), which lie `stride` bytes apart; the other slots become zeros.
void PackStrips(const ColumnLayout& layout, const uint8_t* values, size_t stride, size_t rows,
                uint8_t* strips) noexcept;
// The reverse, for all 32 slots.
void UnpackStrips(const ColumnLayout& layout, const uint8_t* strips, uint8_t* values, size_t stride) noexcept;
// The values of one slot.
void StoreInStrips(const ColumnLayout& layout, const uint8_t* values, size_t slot, uint8_t* strips) noexcept;
void LoadFromStrips(const ColumnLayout& layout, const uint8_t* strips, size_t slot, uint8_t* values) noexcept;

// ---- The filter

enum class Comparison { kLess, kLessEqual, kEqual, kGreaterEqual, kGreater };

// A conjunction of conditions on the columns. Conditions on one column are merged as they are added, so that in the end
// each column has at most one test. As in SQL, only IS NULL lets a NULL through.
class ColumnFilter {
  public:
    // Lets every row through. Uses the kernels that are active now.
    explicit ColumnFilter(const ColumnLayout& layout);

    // Constants may lie beyond what the column's width can hold: the order of integers decides. For columns of up to 8
    // bytes only `high` counts. The functions throw std::bad_alloc alone.
    void Compare(size_t column, Comparison comparison, ColumnImage constant);
    // One of these, in any order and any number; repetitions are allowed. None: no row.
    void AnyOf(size_t column, std::span<const ColumnImage> constants);
    void MustBeNull(size_t column);
    void MustNotBeNull(size_t column);
    // Lets no row through: a comparison with NULL, say.
    void Nothing() noexcept { nothing_ = true; }

    // Whether it is known that no row passes, or that every row does.
    [[nodiscard]] bool lets_nothing_through() const noexcept { return nothing_; }
    [[nodiscard]] bool lets_all_through() const noexcept { return !nothing_ && tests_.empty(); }

    // The rows of a block that pass, row v in bit v. Slots without a row give any bit.
    [[nodiscard]] uint32_t Matching(const uint8_t* strips) const noexcept;
    // Whether a row with these values passes.
    [[nodiscard]] bool Matches(const uint8_t* values) const noexcept;

    [[nodiscard]] const ColumnLayout& layout() const noexcept { return layout_; }
    // Memory in bytes, the object itself not included.
    [[nodiscard]] size_t bytes() const noexcept;

  private:
    enum class Kind : uint8_t { kNull, kNotNull, kRange, kSet };

    // What a column must be. kNotNull: low and high are the least and the greatest image there is.
    struct Test {
        uint8_t column;
        Kind kind;
        ColumnImage low;                   // closed range
        ColumnImage high;                  // of a set too: its least and greatest member
        std::vector<ColumnImage> members;  // of a set: ascending, each once
        std::vector<int64_t> highs;        // of a small set of single integers: for the kernel
        std::vector<uint32_t> slots;       // of a larger set: hash table of 1 + a member's place, 0 where free
    };

    Test& TestOf(size_t column);
    void Limit(Test& test, ColumnImage low, ColumnImage high);
    void Settle(Test& test);
    [[nodiscard]] uint32_t InRange(const Test& test, const uint8_t* strip) const noexcept;
    [[nodiscard]] uint32_t InSet(const Test& test, const uint8_t* strip, uint32_t among) const noexcept;
    [[nodiscard]] static bool IsMember(const Test& test, ColumnImage image) noexcept;

    ColumnLayout layout_;
    const Kernels* kernels_;
    std::vector<Test> tests_;
    bool nothing_ = false;
};

}  // namespace annex

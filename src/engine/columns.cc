// Filter columns: formats of values and strips, and the filter's tests.
#include "annex/columns.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <string>

#include "annex/error.h"

namespace annex {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr size_t kPair = 16;
constexpr size_t kHalf = 8;

// Up to here a set is compared member by member, 32 rows at a time; above, a look-up for each row is cheaper.
constexpr size_t kSmallSet = 16;

constexpr int64_t kLeast = std::numeric_limits<int64_t>::min();
constexpr int64_t kGreatest = std::numeric_limits<int64_t>::max();

size_t NullBytes(size_t columns) {
    return (columns + 7) / 8;
}

int64_t LoadInteger(const uint8_t* from, size_t width) noexcept {
    switch (width) {
        case 1:
            return static_cast<int8_t>(*from);
        case 2: {
            int16_t value;
            std::memcpy(&value, from, sizeof value);
            return value;
        }
        case 4: {
            int32_t value;
            std::memcpy(&value, from, sizeof value);
            return value;
        }
        default: {
            int64_t value;
            std::memcpy(&value, from, sizeof value);
            return value;
        }
    }
}

ColumnImage ImageInStrip(const uint8_t* strip, size_t width, size_t slot) noexcept {
    if (width < kPair) return {LoadInteger(strip + slot * width, width), 0};
    return {LoadInteger(strip + slot * kHalf, kHalf), LoadInteger(strip + (kBlockSize + slot) * kHalf, kHalf)};
}

uint32_t NullsOf(const uint8_t* strips, size_t column) noexcept {
    uint32_t nulls;
    std::memcpy(&nulls, strips + column * sizeof nulls, sizeof nulls);
    return nulls;
}

void SetNullsOf(uint8_t* strips, size_t column, uint32_t nulls) noexcept {
    std::memcpy(strips + column * sizeof nulls, &nulls, sizeof nulls);
}

// The least and the greatest image of a width.
ColumnImage LeastImage(size_t width) {
    if (width == kPair) return {kLeast, kLeast};
    return {kLeast >> (64 - 8 * width), 0};
}
ColumnImage GreatestImage(size_t width) {
    if (width == kPair) return {kGreatest, kGreatest};
    return {kGreatest >> (64 - 8 * width), 0};
}

// The image after or before this one. False where there is none.
bool Next(size_t width, ColumnImage& image) {
    if (width == kPair) {
        if (image.low != kGreatest) return ++image.low, true;
        image.low = kLeast;
    }
    if (image.high == kGreatest) return false;
    ++image.high;
    return true;
}
bool Previous(size_t width, ColumnImage& image) {
    if (width == kPair) {
        if (image.low != kLeast) return --image.low, true;
        image.low = kGreatest;
    }
    if (image.high == kLeast) return false;
    --image.high;
    return true;
}

size_t HashOf(ColumnImage image) noexcept {
    uint64_t hash = static_cast<uint64_t>(image.high) * 0x9e3779b97f4a7c15U;
    hash = (hash ^ (hash >> 32) ^ static_cast<uint64_t>(image.low)) * 0xd6e8feb86659fd93U;
    return hash ^ (hash >> 32);
}

}  // namespace

// ---- The layout

ColumnLayout::ColumnLayout(std::span<const uint8_t> widths) {
    if (widths.size() > kMaxColumns)
        throw Error(ErrorKind::kLimit, "an index cannot have more than " + std::to_string(kMaxColumns) +
                                           " filter columns, not " + std::to_string(widths.size()));
    size_t bytes = 0;
    for (const uint8_t width : widths) {
        if (!std::has_single_bit(width) || width > kPair)
            throw Error(ErrorKind::kInvalidArgument, "a filter column cannot have " + std::to_string(width) + " bytes");
        bytes += width;
    }
    if (bytes > kMaxImageBytes)
        throw Error(ErrorKind::kLimit, "filter columns cannot have more than " + std::to_string(kMaxImageBytes) +
                                           " bytes together, not " + std::to_string(bytes));

    const size_t null_rows = (widths.size() * sizeof(uint32_t) + kBlockSize - 1) / kBlockSize;
    size_t value_offset = NullBytes(widths.size());
    size_t strip_row = null_rows;
    for (size_t i = 0; i < widths.size(); ++i) {
        widths_[i] = widths[i];
        value_offsets_[i] = static_cast<uint8_t>(value_offset);
        strip_offsets_[i] = static_cast<uint16_t>(strip_row * kBlockSize);
        value_offset += widths[i];
        strip_row += widths[i];
    }
    columns_ = static_cast<uint8_t>(widths.size());
    value_bytes_ = static_cast<uint8_t>((value_offset + 3) / 4 * 4);
    strip_rows_ = static_cast<uint8_t>(strip_row);
}

// ---- Values of one row

void ClearValues(const ColumnLayout& layout, uint8_t* values) noexcept {
    std::memset(values, 0, layout.value_bytes());
    for (size_t i = 0; i < layout.columns(); ++i) values[i / 8] |= static_cast<uint8_t>(1U << (i % 8));
}

void SetImage(const ColumnLayout& layout, uint8_t* values, size_t column, ColumnImage image) noexcept {
    uint8_t* to = values + layout.value_offset(column);
    std::memcpy(to, &image.high, std::min(layout.width(column), kHalf));
    if (layout.width(column) == kPair) std::memcpy(to + kHalf, &image.low, kHalf);
    values[column / 8] &= static_cast<uint8_t>(~(1U << (column % 8)));
}

bool IsNull(const uint8_t* values, size_t column) noexcept {
    return ((values[column / 8] >> (column % 8)) & 1) != 0;
}

ColumnImage Image(const ColumnLayout& layout, const uint8_t* values, size_t column) noexcept {
    const uint8_t* from = values + layout.value_offset(column);
    const size_t width = layout.width(column);
    if (width < kPair) return {LoadInteger(from, width), 0};
    return {LoadInteger(from, kHalf), LoadInteger(from + kHalf, kHalf)};
}

bool ValidValues(const ColumnLayout& layout, const uint8_t* values) noexcept {
    const size_t columns = layout.columns();
    if (columns % 8 != 0 && values[columns / 8] >> (columns % 8) != 0) return false;
    size_t end = NullBytes(columns);
    for (size_t i = 0; i < columns; ++i) {
        if (IsNull(values, i) && Image(layout, values, i) != ColumnImage()) return false;
        end = layout.value_offset(i) + layout.width(i);
    }
    return std::all_of(values + end, values + layout.value_bytes(), [](uint8_t byte) { return byte == 0; });
}

// ---- Strips of a block

void PackStrips(const ColumnLayout& layout, const uint8_t* values, size_t stride, size_t rows,
                uint8_t* strips) noexcept {
    std::memset(strips, 0, layout.strip_bytes());
    for (size_t slot = 0; slot < rows; ++slot) StoreInStrips(layout, values + slot * stride, slot, strips);
}

void UnpackStrips(const ColumnLayout& layout, const uint8_t* strips, uint8_t* values, size_t stride) noexcept {
    for (size_t slot = 0; slot < kBlockSize; ++slot) LoadFromStrips(layout, strips, slot, values + slot * stride);
}

void StoreInStrips(const ColumnLayout& layout, const uint8_t* values, size_t slot, uint8_t* strips) noexcept {
    const uint32_t bit = uint32_t{1} << slot;
    for (size_t i = 0; i < layout.columns(); ++i) {
        const uint32_t nulls = NullsOf(strips, i);
        SetNullsOf(strips, i, IsNull(values, i) ? nulls | bit : nulls & ~bit);
        const size_t part = std::min(layout.width(i), kHalf);
        uint8_t* strip = strips + layout.strip_offset(i);
        const uint8_t* from = values + layout.value_offset(i);
        std::memcpy(strip + slot * part, from, part);
        if (layout.width(i) == kPair) std::memcpy(strip + (kBlockSize + slot) * part, from + part, part);
    }
}

void LoadFromStrips(const ColumnLayout& layout, const uint8_t* strips, size_t slot, uint8_t* values) noexcept {
    ClearValues(layout, values);
    for (size_t i = 0; i < layout.columns(); ++i) {
        if (((NullsOf(strips, i) >> slot) & 1) != 0) continue;
        SetImage(layout, values, i, ImageInStrip(strips + layout.strip_offset(i), layout.width(i), slot));
    }
}

// ---- Making a filter

ColumnFilter::ColumnFilter(const ColumnLayout& layout) : layout_(layout), kernels_(&ActiveKernels()) {}

ColumnFilter::Test& ColumnFilter::TestOf(size_t column) {
    for (Test& test : tests_) {
        if (test.column == column) return test;
    }
    const size_t width = layout_.width(column);
    return tests_.emplace_back(
        Test{static_cast<uint8_t>(column), Kind::kNotNull, LeastImage(width), GreatestImage(width), {}, {}, {}});
}

void ColumnFilter::Compare(size_t column, Comparison comparison, ColumnImage constant) {
    const size_t width = layout_.width(column);
    if (width < kPair) constant.low = 0;
    ColumnImage low = {kLeast, width < kPair ? 0 : kLeast};
    ColumnImage high = {kGreatest, width < kPair ? 0 : kGreatest};
    bool possible = true;
    switch (comparison) {
        case Comparison::kLess:
            high = constant;
            possible = Previous(width, high);
            break;
        case Comparison::kLessEqual:
            high = constant;
            break;
        case Comparison::kEqual:
            low = high = constant;
            break;
        case Comparison::kGreaterEqual:
            low = constant;
            break;
        case Comparison::kGreater:
            low = constant;
            possible = Next(width, low);
            break;
    }
    if (!possible) return Nothing();
    Limit(TestOf(column), low, high);
}

void ColumnFilter::Limit(Test& test, ColumnImage low, ColumnImage high) {
    if (test.kind == Kind::kNull) return Nothing();
    test.low = std::max(test.low, low);
    test.high = std::min(test.high, high);
    Settle(test);
}

void ColumnFilter::AnyOf(size_t column, std::span<const ColumnImage> constants) {
    Test& test = TestOf(column);
    if (test.kind == Kind::kNull) return Nothing();
    std::vector<ColumnImage> members(constants.begin(), constants.end());
    if (layout_.width(column) < kPair) {
        for (ColumnImage& member : members) member.low = 0;
    }
    std::sort(members.begin(), members.end());
    members.erase(std::unique(members.begin(), members.end()), members.end());
    if (test.kind == Kind::kSet) {
        const auto other = [&test](ColumnImage member) {
            return !std::binary_search(test.members.begin(), test.members.end(), member);
        };
        std::erase_if(members, other);
    }
    test.kind = Kind::kSet;
    test.members = std::move(members);
    Settle(test);
}

void ColumnFilter::MustBeNull(size_t column) {
    const bool known = std::any_of(tests_.begin(), tests_.end(), [column](const Test& test) {
        return test.column == column && test.kind != Kind::kNull;
    });
    if (known) return Nothing();
    TestOf(column).kind = Kind::kNull;
}

void ColumnFilter::MustNotBeNull(size_t column) {
    if (TestOf(column).kind == Kind::kNull) Nothing();
}

// Gives a test that was narrowed the form in which it is applied.
void ColumnFilter::Settle(Test& test) {
    const size_t width = layout_.width(test.column);
    if (test.kind == Kind::kSet) {
        const auto outside = [&test](ColumnImage member) { return member < test.low || member > test.high; };
        std::erase_if(test.members, outside);
        if (test.members.empty()) return Nothing();
        test.low = test.members.front();
        test.high = test.members.back();
        // Integers that follow one another are a range. (Pairs that do are too rare to look for.)
        const uint64_t span = static_cast<uint64_t>(test.high.high) - static_cast<uint64_t>(test.low.high);
        if (test.members.size() == 1 || (width < kPair && span == test.members.size() - 1)) {
            test.kind = Kind::kRange;
            test.members = {};
        }
    } else {
        if (test.low > test.high) return Nothing();
        const bool all = test.low == LeastImage(width) && test.high == GreatestImage(width);
        test.kind = all ? Kind::kNotNull : Kind::kRange;
    }

    test.highs.clear();
    test.slots.clear();
    if (test.kind != Kind::kSet) return;
    if (width < kPair && test.members.size() <= kSmallSet) {
        for (const ColumnImage& member : test.members) test.highs.push_back(member.high);
        return;
    }
    test.slots.resize(std::bit_ceil(2 * test.members.size()));
    for (size_t i = 0; i < test.members.size(); ++i) {
        size_t slot = HashOf(test.members[i]) & (test.slots.size() - 1);
        while (test.slots[slot] != 0) slot = (slot + 1) & (test.slots.size() - 1);
        test.slots[slot] = static_cast<uint32_t>(i + 1);
    }
}

size_t ColumnFilter::bytes() const noexcept {
    size_t bytes = tests_.capacity() * sizeof(Test);
    for (const Test& test : tests_)
        bytes += test.members.capacity() * sizeof(ColumnImage) + test.highs.capacity() * sizeof(int64_t) +
                 test.slots.capacity() * sizeof(uint32_t);
    return bytes;
}

// ---- Applying it

bool ColumnFilter::IsMember(const Test& test, ColumnImage image) noexcept {
    if (image < test.low || image > test.high) return false;
    if (test.slots.empty()) return std::binary_search(test.members.begin(), test.members.end(), image);
    size_t slot = HashOf(image) & (test.slots.size() - 1);
    while (test.slots[slot] != 0) {
        if (test.members[test.slots[slot] - 1] == image) return true;
        slot = (slot + 1) & (test.slots.size() - 1);
    }
    return false;
}

// Pairs in a range are those with a high half strictly between the ends', and those on either end with a fitting low
// half.
uint32_t ColumnFilter::InRange(const Test& test, const uint8_t* strip) const noexcept {
    const size_t width = layout_.width(test.column);
    if (width < kPair) return kernels_->strip_between(strip, width, test.low.high, test.high.high);
    uint32_t in = kernels_->strip_between(strip, kHalf, test.low.high, test.high.high);
    if (in == 0) return 0;
    const uint8_t* lows = strip + kBlockSize * kHalf;
    const uint32_t at_low = kernels_->strip_between(strip, kHalf, test.low.high, test.low.high);
    if ((in & at_low) != 0) in &= ~at_low | kernels_->strip_between(lows, kHalf, test.low.low, kGreatest);
    const uint32_t at_high = kernels_->strip_between(strip, kHalf, test.high.high, test.high.high);
    if ((in & at_high) != 0) in &= ~at_high | kernels_->strip_between(lows, kHalf, kLeast, test.high.low);
    return in;
}

uint32_t ColumnFilter::InSet(const Test& test, const uint8_t* strip, uint32_t among) const noexcept {
    const size_t width = layout_.width(test.column);
    if (!test.highs.empty()) return kernels_->strip_any_of(strip, width, test.highs.data(), test.highs.size());
    uint32_t in = 0;
    for (uint32_t left = among & InRange(test, strip); left != 0; left &= left - 1) {
        const auto slot = static_cast<size_t>(std::countr_zero(left));
        if (IsMember(test, ImageInStrip(strip, width, slot))) in |= uint32_t{1} << slot;
    }
    return in;
}

uint32_t ColumnFilter::Matching(const uint8_t* strips) const noexcept {
    uint32_t matching = nothing_ ? 0 : ~uint32_t{0};
    for (const Test& test : tests_) {
        const uint32_t nulls = NullsOf(strips, test.column);
        matching &= test.kind == Kind::kNull ? nulls : ~nulls;
        if (matching == 0) return 0;
        const uint8_t* strip = strips + layout_.strip_offset(test.column);
        if (test.kind == Kind::kRange) matching &= InRange(test, strip);
        if (test.kind == Kind::kSet) matching &= InSet(test, strip, matching);
    }
    return matching;
}

bool ColumnFilter::Matches(const uint8_t* values) const noexcept {
    if (nothing_) return false;
    for (const Test& test : tests_) {
        if (IsNull(values, test.column) != (test.kind == Kind::kNull)) return false;
        if (test.kind != Kind::kRange && test.kind != Kind::kSet) continue;
        const ColumnImage image = Image(layout_, values, test.column);
        if (image < test.low || image > test.high) return false;
        if (test.kind == Kind::kSet && !IsMember(test, image)) return false;
    }
    return true;
}

}  // namespace annex

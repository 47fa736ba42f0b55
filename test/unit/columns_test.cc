// Filter columns: the formats against what annex/columns.h says of them, and filters against conditions that are
// evaluated one by one over 128-bit integers. Bytes lie in heap blocks of exactly their size, at odd addresses, so that
// the address sanitizer sees any byte read beyond them.
#include "annex/columns.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "annex/error.h"
#include "annex/random.h"

namespace annex {
namespace {

using Integer = __int128;
using Value = std::optional<Integer>;  // none: NULL
using Row = std::vector<Value>;

constexpr int64_t kLeast = std::numeric_limits<int64_t>::min();
constexpr int64_t kGreatest = std::numeric_limits<int64_t>::max();

ColumnLayout Layout(const std::vector<uint8_t>& widths) {
    return ColumnLayout(widths);
}

// The integer that an image stands for; both halves of a pair are signed.
Integer IntegerOf(ColumnImage image, size_t width) {
    if (width < 16) return image.high;
    const Integer above_least = static_cast<Integer>(image.low) - kLeast;
    return static_cast<Integer>(image.high) * (static_cast<Integer>(1) << 64) + above_least;
}

// `count` bytes at an odd address, at the end of their heap block.
class Bytes {
  public:
    explicit Bytes(size_t count) : block_(new uint8_t[count + 1]), count_(count) {
        std::fill_n(data(), count, uint8_t{0xa5});
    }
    uint8_t* data() const { return block_.get() + 1; }
    std::vector<uint8_t> Copy() const { return {data(), data() + count_}; }

  private:
    std::unique_ptr<uint8_t[]> block_;
    size_t count_;
};

// Few different images, the ends of the range among them, so that comparisons meet equal ones.
ColumnImage RandomImage(Random& random, size_t width) {
    const auto integer = [&random](size_t bytes) -> int64_t {
        const int64_t greatest = kGreatest >> (64 - 8 * bytes);
        switch (random.Below(8)) {
            case 0:
                return greatest - static_cast<int64_t>(random.Below(2));
            case 1:
                return -greatest - 1 + static_cast<int64_t>(random.Below(2));
            case 2:
                return static_cast<int64_t>(random.Next()) >> (64 - 8 * bytes);
            default:
                return static_cast<int64_t>(random.Below(12)) - 6;
        }
    };
    if (width < 16) return {integer(width), 0};
    return {integer(8), integer(8)};
}

// The rows of a block, in each of their forms.
struct Block {
    ColumnLayout layout;
    std::vector<Row> rows;
    Bytes values;
    Bytes strips;

    Block(const ColumnLayout& block_layout, size_t count, Random& random, double nulls)
        : layout(block_layout), values(count * layout.value_bytes()), strips(layout.strip_bytes()) {
        for (size_t i = 0; i < count; ++i) {
            Row row(layout.columns());
            ClearValues(layout, RowValues(i));
            for (size_t column = 0; column < layout.columns(); ++column) {
                if (random.Uniform() < nulls) continue;
                const ColumnImage image = RandomImage(random, layout.width(column));
                row[column] = IntegerOf(image, layout.width(column));
                SetImage(layout, RowValues(i), column, image);
            }
            rows.push_back(row);
        }
        PackStrips(layout, values.data(), layout.value_bytes(), count, strips.data());
    }
    uint8_t* RowValues(size_t i) const { return values.data() + i * layout.value_bytes(); }
};

std::vector<uint8_t> RandomWidths(Random& random) {
    std::vector<uint8_t> widths;
    size_t bytes = 0;
    const size_t wanted = 1 + random.Below(kMaxColumns);
    while (widths.size() < wanted) {
        const auto width = static_cast<uint8_t>(1U << random.Below(5));
        if ((bytes += width) > kMaxImageBytes) break;
        widths.push_back(width);
    }
    return widths;
}

std::string ErrorOf(const std::vector<uint8_t>& widths, ErrorKind kind) {
    try {
        (void)Layout(widths);
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), kind);
        return error.what();
    }
    return "none";
}

// ---- The formats

TEST(ColumnLayoutTest, WithoutColumnsThereIsNothing) {
    for (const ColumnLayout& layout : {ColumnLayout(), Layout({})}) {
        EXPECT_EQ(layout.columns(), 0U);
        EXPECT_EQ(layout.value_bytes(), 0U);
        EXPECT_EQ(layout.strip_rows(), 0U);
    }
}

TEST(ColumnLayoutTest, PlacesFollowTheOrderOfTheColumns) {
    const ColumnLayout layout = Layout({4, 1, 16, 8});
    EXPECT_EQ(layout.value_offset(0), 1U);
    EXPECT_EQ(layout.value_offset(1), 5U);
    EXPECT_EQ(layout.value_offset(2), 6U);
    EXPECT_EQ(layout.value_offset(3), 22U);
    EXPECT_EQ(layout.value_bytes(), 32U);  // 30 and padding
    EXPECT_EQ(layout.strip_offset(0), 32U);
    EXPECT_EQ(layout.strip_offset(1), 5 * 32U);
    EXPECT_EQ(layout.strip_offset(2), 6 * 32U);
    EXPECT_EQ(layout.strip_offset(3), 22 * 32U);
    EXPECT_EQ(layout.strip_rows(), 30U);
}

TEST(ColumnLayoutTest, NineColumnsNeedASecondByteAndRowOfNulls) {
    EXPECT_EQ(Layout(std::vector<uint8_t>(8, 1)).value_bytes(), 12U);
    EXPECT_EQ(Layout(std::vector<uint8_t>(8, 1)).strip_rows(), 9U);
    EXPECT_EQ(Layout(std::vector<uint8_t>(9, 1)).value_offset(0), 2U);
    EXPECT_EQ(Layout(std::vector<uint8_t>(9, 1)).strip_offset(0), 64U);
    EXPECT_EQ(Layout(std::vector<uint8_t>(9, 1)).strip_rows(), 11U);
}

TEST(ColumnLayoutTest, LimitsAreErrors) {
    EXPECT_EQ(Layout(std::vector<uint8_t>(16, 4)).value_bytes(), 68U);
    EXPECT_EQ(ErrorOf(std::vector<uint8_t>(17, 1), ErrorKind::kLimit),
              "an index cannot have more than 16 filter columns, not 17");
    EXPECT_EQ(ErrorOf({16, 16, 16, 16, 1}, ErrorKind::kLimit),
              "filter columns cannot have more than 64 bytes together, not 65");
    for (const uint8_t width : {0, 3, 12, 32}) {
        EXPECT_THAT(ErrorOf({width}, ErrorKind::kInvalidArgument), testing::StartsWith("a filter column cannot have"));
    }
}

TEST(ColumnFormatTest, ValuesLieAsDocumented) {
    const ColumnLayout layout = Layout({2, 16, 1});
    Bytes values(layout.value_bytes());
    ClearValues(layout, values.data());
    SetImage(layout, values.data(), 0, {-2, 0});
    SetImage(layout, values.data(), 1, {1, -1});
    EXPECT_THAT(values.Copy(), testing::ElementsAre(0b100, 0xfe, 0xff, 1, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff,
                                                    0xff, 0xff, 0xff, 0xff, 0));
    EXPECT_FALSE(IsNull(values.data(), 0));
    EXPECT_TRUE(IsNull(values.data(), 2));
    EXPECT_EQ(Image(layout, values.data(), 0), (ColumnImage{-2, 0}));
    EXPECT_EQ(Image(layout, values.data(), 1), (ColumnImage{1, -1}));
}

TEST(ColumnFormatTest, StripsLieAsDocumented) {
    const ColumnLayout layout = Layout({4, 16});
    Bytes values(3 * layout.value_bytes());
    for (size_t i = 0; i < 3; ++i) ClearValues(layout, values.data() + i * layout.value_bytes());
    SetImage(layout, values.data(), 0, {7, 0});
    SetImage(layout, values.data() + 2 * layout.value_bytes(), 1, {5, 6});
    Bytes strips(layout.strip_bytes());
    PackStrips(layout, values.data(), layout.value_bytes(), 3, strips.data());

    std::vector<uint8_t> expected(layout.strip_bytes(), 0);
    expected[0] = 0b110;  // column 0 is NULL in rows 1 and 2
    expected[4] = 0b011;
    expected[32] = 7;
    expected[32 + 4 * 32 + 2 * 8] = 5;
    expected[32 + 4 * 32 + 8 * 32 + 2 * 8] = 6;
    EXPECT_EQ(strips.Copy(), expected);
}

TEST(ColumnFormatTest, WhatIsPackedComesBack) {
    Random random(1);
    for (int repeat = 0; repeat < 200; ++repeat) {
        const ColumnLayout layout(RandomWidths(random));
        const size_t count = 1 + random.Below(kBlockSize);
        const Block block(layout, count, random, 0.2);
        const size_t size = layout.value_bytes();
        const size_t stride = size + 3;
        Bytes back(kBlockSize * stride);
        UnpackStrips(layout, block.strips.data(), back.data(), stride);
        for (size_t i = 0; i < count; ++i) {
            ASSERT_TRUE(ValidValues(layout, block.RowValues(i)));
            ASSERT_EQ(std::memcmp(back.data() + i * stride, block.RowValues(i), size), 0);
            ASSERT_EQ(back.data()[i * stride + size], 0xa5);
        }
    }
}

TEST(ColumnFormatTest, ASlotIsReplacedAlone) {
    Random random(2);
    const ColumnLayout layout(std::vector<uint8_t>{1, 2, 4, 8, 16});
    const Block block(layout, kBlockSize, random, 0.3);
    const Block other(layout, kBlockSize, random, 0.3);
    for (size_t slot = 0; slot < kBlockSize; ++slot) {
        const std::vector<uint8_t> before = block.strips.Copy();
        StoreInStrips(layout, other.RowValues(slot), slot, block.strips.data());
        Bytes stored(layout.value_bytes());
        LoadFromStrips(layout, block.strips.data(), slot, stored.data());
        EXPECT_EQ(std::memcmp(stored.data(), other.RowValues(slot), layout.value_bytes()), 0);
        StoreInStrips(layout, block.RowValues(slot), slot, block.strips.data());
        EXPECT_EQ(block.strips.Copy(), before);
    }
}

TEST(ColumnFormatTest, BytesThatNobodyWroteAreFound) {
    const ColumnLayout layout = Layout({4, 2});
    Bytes values(layout.value_bytes());
    ClearValues(layout, values.data());
    SetImage(layout, values.data(), 0, {9, 0});
    ASSERT_TRUE(ValidValues(layout, values.data()));
    for (size_t i = 0; i < layout.value_bytes(); ++i) {
        if (i >= 1 && i < 5) continue;  // any image of a value that is not NULL is one
        values.data()[i] ^= 0x80;
        EXPECT_FALSE(ValidValues(layout, values.data())) << i;
        values.data()[i] ^= 0x80;
    }
}

// ---- The kernels

class ColumnKernelsTest : public testing::TestWithParam<size_t> {
  protected:
    const Kernels& kernels() const { return KernelLevel(GetParam()); }
    void SetUp() override { SetKernelLevel(kernels().name); }
    void TearDown() override { SetKernelLevel("auto"); }
};

std::string LevelName(const testing::TestParamInfo<size_t>& info) {
    return KernelLevel(info.param).name;
}

INSTANTIATE_TEST_SUITE_P(Levels, ColumnKernelsTest, testing::Range(size_t{0}, KernelLevelCount()), LevelName);

TEST_P(ColumnKernelsTest, StripsAreTestedAsIntegers) {
    Random random(3);
    for (int repeat = 0; repeat < 2000; ++repeat) {
        const size_t width = size_t{1} << (repeat % 4);
        Bytes strip(width * kBlockSize);
        std::vector<int64_t> integers;
        for (size_t v = 0; v < kBlockSize; ++v) {
            integers.push_back(RandomImage(random, width).high);
            std::memcpy(strip.data() + v * width, &integers.back(), width);
        }
        const int64_t low = RandomImage(random, width).high;
        const int64_t high = RandomImage(random, width).high;
        std::vector<int64_t> members(1 + random.Below(5));
        for (int64_t& member : members) member = RandomImage(random, width).high;

        uint32_t between = 0;
        uint32_t any_of = 0;
        for (size_t v = 0; v < kBlockSize; ++v) {
            if (integers[v] >= low && integers[v] <= high) between |= uint32_t{1} << v;
            if (std::count(members.begin(), members.end(), integers[v]) > 0) any_of |= uint32_t{1} << v;
        }
        ASSERT_EQ(kernels().strip_between(strip.data(), width, low, high), between) << width;
        ASSERT_EQ(kernels().strip_any_of(strip.data(), width, members.data(), members.size()), any_of) << width;
    }
}

// ---- Filters

// A condition in both forms.
struct Condition {
    size_t column;
    std::function<void(ColumnFilter&)> add;
    std::function<bool(Value)> holds;
};

Condition RandomComparison(Random& random, size_t column, size_t width) {
    // of integers, some beyond what the width can hold
    const bool beyond = width < 8 && random.Below(4) == 0;
    const ColumnImage constant = RandomImage(random, beyond ? 8 : width);
    const Integer right = IntegerOf(constant, width);
    const auto comparison = static_cast<Comparison>(random.Below(5));
    const auto holds = [comparison, right](Value left) {
        switch (comparison) {
            case Comparison::kLess:
                return left && *left < right;
            case Comparison::kLessEqual:
                return left && *left <= right;
            case Comparison::kEqual:
                return left && *left == right;
            case Comparison::kGreaterEqual:
                return left && *left >= right;
            case Comparison::kGreater:
                return left && *left > right;
        }
        return false;
    };
    return {column, [=](ColumnFilter& filter) { filter.Compare(column, comparison, constant); }, holds};
}

Condition RandomSet(Random& random, size_t column, size_t width) {
    const size_t sizes[] = {0, 1, 2, 5, 16, 17, 40, 300};
    std::vector<ColumnImage> constants(sizes[random.Below(8)]);
    std::vector<Integer> members;
    for (ColumnImage& constant : constants) {
        constant = RandomImage(random, random.Below(10) == 0 && width < 8 ? 8 : width);
        members.push_back(IntegerOf(constant, width));
    }
    return {column, [=](ColumnFilter& filter) { filter.AnyOf(column, constants); },
            [=](Value value) { return value && std::count(members.begin(), members.end(), *value) > 0; }};
}

Condition RandomCondition(Random& random, const ColumnLayout& layout) {
    const size_t column = random.Below(layout.columns());
    const size_t width = layout.width(column);
    switch (random.Below(12)) {
        case 0:
            return {column, [=](ColumnFilter& filter) { filter.MustBeNull(column); },
                    [](Value value) { return !value.has_value(); }};
        case 1:
            return {column, [=](ColumnFilter& filter) { filter.MustNotBeNull(column); },
                    [](Value value) { return value.has_value(); }};
        case 2:
        case 3:
        case 4:
        case 5:
            return RandomSet(random, column, width);
        default:
            return RandomComparison(random, column, width);
    }
}

void ExpectFilterToHold(const ColumnFilter& filter, const std::vector<Condition>& conditions, const Block& block,
                        size_t* passed) {
    const uint32_t matching = filter.Matching(block.strips.data());
    for (size_t i = 0; i < block.rows.size(); ++i) {
        bool expected = true;
        for (const Condition& condition : conditions) {
            expected = expected && condition.holds(block.rows[i][condition.column]);
        }
        ASSERT_EQ((matching >> i) & 1, expected ? 1U : 0U) << "row " << i;
        ASSERT_EQ(filter.Matches(block.RowValues(i)), expected) << "row " << i;
        ASSERT_FALSE(filter.lets_nothing_through() && expected);
        ASSERT_FALSE(filter.lets_all_through() && !expected);
        *passed += expected ? 1 : 0;
    }
}

TEST_P(ColumnKernelsTest, FiltersMeanTheConjunctionOfTheirConditions) {
    Random random(4);
    size_t passed = 0;
    size_t impossible = 0;
    for (int repeat = 0; repeat < 6000; ++repeat) {
        const ColumnLayout layout(RandomWidths(random));
        ColumnFilter filter(layout);
        std::vector<Condition> conditions;
        const size_t count = random.Below(5);
        for (size_t i = 0; i < count; ++i) {
            conditions.push_back(RandomCondition(random, layout));
            conditions.back().add(filter);
        }
        impossible += filter.lets_nothing_through() ? 1 : 0;
        const Block block(layout, kBlockSize, random, random.Below(2) == 0 ? 0 : 0.3);
        ASSERT_NO_FATAL_FAILURE(ExpectFilterToHold(filter, conditions, block, &passed)) << "filter " << repeat;
    }
    // neither everything nor nothing
    EXPECT_GT(passed, 6000U);
    EXPECT_LT(passed, 6000U * 20);
    EXPECT_GT(impossible, 100U);
}

// Several conditions on one column: merging them must not lose any.
TEST_P(ColumnKernelsTest, ConditionsOnOneColumnAreMerged) {
    Random random(5);
    size_t passed = 0;
    for (const uint8_t width : {1, 2, 4, 8, 16}) {
        const ColumnLayout layout = Layout({width});
        for (int repeat = 0; repeat < 2000; ++repeat) {
            ColumnFilter filter(layout);
            std::vector<Condition> conditions;
            const size_t count = 2 + random.Below(3);
            for (size_t i = 0; i < count; ++i) {
                conditions.push_back(RandomCondition(random, layout));
                conditions.back().add(filter);
            }
            const Block block(layout, kBlockSize, random, 0.1);
            ASSERT_NO_FATAL_FAILURE(ExpectFilterToHold(filter, conditions, block, &passed)) << "filter " << repeat;
        }
    }
    EXPECT_GT(passed, 1000U);
}

TEST(ColumnFilterTest, WithoutConditionsEverythingPasses) {
    Random random(6);
    const Block block(Layout({4, 16}), kBlockSize, random, 0.5);
    const ColumnFilter filter(block.layout);
    EXPECT_TRUE(filter.lets_all_through());
    EXPECT_EQ(filter.Matching(block.strips.data()), ~uint32_t{0});
    EXPECT_TRUE(filter.Matches(block.RowValues(0)));
}

TEST(ColumnFilterTest, ContradictionsAreKnown) {
    const ColumnLayout layout = Layout({2, 8});
    const auto knows = [&layout](const std::function<void(ColumnFilter&)>& add) {
        ColumnFilter filter(layout);
        add(filter);
        return filter.lets_nothing_through();
    };
    using enum Comparison;
    EXPECT_TRUE(knows([](ColumnFilter& f) { f.Compare(0, kEqual, {40000, 0}); }));
    EXPECT_FALSE(knows([](ColumnFilter& f) { f.Compare(0, kLess, {40000, 0}); }));
    EXPECT_TRUE(knows([](ColumnFilter& f) { f.Compare(1, kLess, {kLeast, 0}); }));
    EXPECT_TRUE(knows([](ColumnFilter& f) { f.Compare(1, kGreater, {kGreatest, 0}); }));
    EXPECT_TRUE(knows([](ColumnFilter& f) { f.AnyOf(1, {}); }));
    EXPECT_TRUE(knows([](ColumnFilter& f) { f.MustBeNull(1), f.MustNotBeNull(1); }));
    EXPECT_TRUE(knows([](ColumnFilter& f) { f.Compare(1, kEqual, {3, 0}), f.MustBeNull(1); }));
    EXPECT_FALSE(knows([](ColumnFilter& f) { f.Compare(1, kEqual, {3, 0}), f.MustBeNull(0); }));
    EXPECT_TRUE(knows([](ColumnFilter& f) { f.Compare(1, kEqual, {3, 0}), f.Compare(1, kEqual, {4, 0}); }));
    EXPECT_TRUE(knows([](ColumnFilter& f) { f.Nothing(); }));
}

TEST(ColumnFilterTest, WhatLimitsNothingStillWantsAValue) {
    ColumnFilter filter(Layout({2}));
    filter.Compare(0, Comparison::kLess, {1 << 20, 0});
    EXPECT_FALSE(filter.lets_all_through());
    Bytes values(filter.layout().value_bytes());
    ClearValues(filter.layout(), values.data());
    EXPECT_FALSE(filter.Matches(values.data()));
    SetImage(filter.layout(), values.data(), 0, {-32768, 0});
    EXPECT_TRUE(filter.Matches(values.data()));
}

}  // namespace
}  // namespace annex

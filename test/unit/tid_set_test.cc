// The set must answer as a sorted set of TIDs does, whatever the pages it was made of look like.
#include "annex/tid_set.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "annex/error.h"
#include "annex/random.h"

namespace annex {
namespace {

HeapTid Tid(uint32_t block, uint16_t offset) {
    return {static_cast<uint16_t>(block >> 16), static_cast<uint16_t>(block & 0xFFFF), offset};
}

void Add(TidSet* set, uint32_t block, const std::vector<uint16_t>& offsets) {
    set->AddPage(block, offsets.data(), offsets.size());
}

TEST(TidSetTest, EmptySetHoldsNothing) {
    const TidSet set;
    EXPECT_FALSE(set.Contains(Tid(0, 1)));
    EXPECT_FALSE(set.Contains(Tid(UINT32_MAX, UINT16_MAX)));
    EXPECT_EQ(set.exact_rows(), 0U);
    EXPECT_EQ(set.exact_pages(), 0U);
    EXPECT_EQ(set.lossy_pages(), 0U);
    const std::vector<HeapTid> tids(kBlockSize, Tid(7, 7));
    EXPECT_EQ(set.Matching(tids.data(), UINT32_MAX), 0U);
}

TEST(TidSetTest, HoldsWhatWasAddedAndNothingBeside) {
    TidSet set;
    Add(&set, 0, {1});
    Add(&set, 63, {2, 3});
    Add(&set, 64, {63, 64, 65});
    Add(&set, 4095, {7});
    Add(&set, 4096, {8});
    EXPECT_EQ(set.exact_rows(), 8U);
    EXPECT_EQ(set.exact_pages(), 5U);
    const std::set<std::pair<uint32_t, uint16_t>> added = {{0, 1},   {63, 2},  {63, 3},   {64, 63},
                                                           {64, 64}, {64, 65}, {4095, 7}, {4096, 8}};
    for (uint32_t block = 0; block < 9000; ++block)
        for (uint16_t offset = 1; offset < 200; ++offset)
            ASSERT_EQ(set.Contains(Tid(block, offset)), added.count({block, offset}) == 1) << block << ' ' << offset;
}

TEST(TidSetTest, OffsetsBeyondThoseOfAHeapPageAreKept) {
    TidSet set;
    Add(&set, 1, {5, 291});
    Add(&set, 2, {292});
    Add(&set, 3, {UINT16_MAX});  // every page before is made wider
    Add(&set, 4, {6});
    for (const auto& [block, offset] :
         std::vector<std::pair<uint32_t, uint16_t>>{{1, 5}, {1, 291}, {2, 292}, {3, UINT16_MAX}, {4, 6}}) {
        EXPECT_TRUE(set.Contains(Tid(block, offset)));
        EXPECT_FALSE(set.Contains(Tid(block, static_cast<uint16_t>(offset - 1))));
        EXPECT_FALSE(set.Contains(Tid(block + 4, offset)));
    }
    EXPECT_EQ(set.exact_rows(), 5U);
}

TEST(TidSetTest, LastBlocksOfTheLargestHeapAreKept) {
    TidSet set;
    Add(&set, 3, {1});
    Add(&set, UINT32_MAX - 1, {2});
    set.AddLossyPage(UINT32_MAX);
    EXPECT_TRUE(set.Contains(Tid(3, 1)));
    EXPECT_TRUE(set.Contains(Tid(UINT32_MAX - 1, 2)));
    EXPECT_FALSE(set.Contains(Tid(UINT32_MAX - 1, 1)));
    EXPECT_TRUE(set.Contains(Tid(UINT32_MAX, 1)));
    EXPECT_FALSE(set.Contains(Tid(UINT32_MAX - 2, 2)));
    EXPECT_FALSE(set.Contains(Tid(0x7FFFFFFF, 1)));
    EXPECT_LT(set.bytes(), size_t{16} << 20);
}

TEST(TidSetTest, AnyRowOfALossyPageMayMatch) {
    TidSet set;
    set.AddLossyPage(10);
    Add(&set, 11, {300});
    set.AddLossyPage(12);
    for (const uint16_t offset : {1, 63, 64, 291, 300, 400, 65535}) {
        EXPECT_TRUE(set.Contains(Tid(10, offset)));
        EXPECT_EQ(set.Contains(Tid(11, offset)), offset == 300);
        EXPECT_TRUE(set.Contains(Tid(12, offset)));
        EXPECT_FALSE(set.Contains(Tid(13, offset)));
    }
    EXPECT_EQ(set.lossy_pages(), 2U);
    EXPECT_EQ(set.exact_pages(), 1U);
    EXPECT_EQ(set.exact_rows(), 1U);
}

TEST(TidSetTest, LossyPagesCostAFewBits) {
    TidSet set;
    constexpr uint32_t kPages = 1 << 20;
    Add(&set, 0, {291});
    for (uint32_t block = 1; block <= kPages; block++) set.AddLossyPage(block);
    Add(&set, kPages + 1, {1});
    EXPECT_TRUE(set.Contains(Tid(kPages, 291)));
    EXPECT_TRUE(set.Contains(Tid(kPages + 1, 1)));
    EXPECT_FALSE(set.Contains(Tid(kPages + 1, 2)));
    EXPECT_FALSE(set.Contains(Tid(kPages + 2, 1)));
    EXPECT_LT(set.bytes(), size_t{kPages});
}

template <typename Call>
void ExpectInvalid(Call call) {
    try {
        call();
        FAIL() << "no error";
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::kInvalidArgument);
    }
}

TEST(TidSetTest, PagesOutOfOrderAreAnError) {
    TidSet set;
    Add(&set, 10, {1});
    ExpectInvalid([&] { Add(&set, 10, {2}); });
    ExpectInvalid([&] { Add(&set, 9, {2}); });
    ExpectInvalid([&] { set.AddLossyPage(10); });
    set.Clear();
    Add(&set, UINT32_MAX, {1});
    ExpectInvalid([&] { Add(&set, UINT32_MAX, {2}); });
    ExpectInvalid([&] { set.AddLossyPage(0); });
}

TEST(TidSetTest, OffsetZeroIsAnError) {
    TidSet set;
    ExpectInvalid([&] { Add(&set, 1, {3, 0}); });
}

TEST(TidSetTest, APageWithoutRowsIsNone) {
    TidSet set;
    Add(&set, 5, {});
    EXPECT_EQ(set.exact_pages(), 0U);
    EXPECT_FALSE(set.Contains(Tid(5, 1)));
    Add(&set, 5, {1});
    EXPECT_TRUE(set.Contains(Tid(5, 1)));
}

TEST(TidSetTest, ClearedSetIsAsNew) {
    TidSet set;
    Add(&set, 70000, {290});
    set.AddLossyPage(70001);
    set.Clear();
    EXPECT_FALSE(set.Contains(Tid(70000, 290)));
    EXPECT_FALSE(set.Contains(Tid(70001, 290)));
    EXPECT_EQ(set.exact_rows() + set.exact_pages() + set.lossy_pages(), 0U);
    Add(&set, 1, {2});
    EXPECT_TRUE(set.Contains(Tid(1, 2)));
    EXPECT_FALSE(set.Contains(Tid(1, 1)));
}

TEST(TidSetTest, MatchingAsksAboutTheRowsOfTheMaskAlone) {
    TidSet set;
    Add(&set, 2, {1, 3, 5});
    std::vector<HeapTid> tids;
    for (uint16_t i = 0; i < kBlockSize; ++i) tids.push_back(Tid(2, static_cast<uint16_t>(i + 1)));
    tids[31] = Tid(2, 5);
    EXPECT_EQ(set.Matching(tids.data(), UINT32_MAX), 0x80000015U);
    EXPECT_EQ(set.Matching(tids.data(), 0x80000004U), 0x80000004U);
    EXPECT_EQ(set.Matching(tids.data(), 0x0000000AU), 0U);
    EXPECT_EQ(set.Matching(tids.data(), 0), 0U);
}

// Blocks that share a bit of the marks, rows beyond the last page, slots without a row.
TEST(TidSetTest, MarksLeaveOutNoRowOfTheSet) {
    for (size_t level = 0; level < KernelLevelCount(); ++level) {
        SetKernelLevel(KernelLevel(level).name);
        Random random(static_cast<uint64_t>(level) + 1);
        TidSet set;
        std::vector<HeapTid> rows;
        for (uint32_t block = 5; block < 40000000; block += 1 + static_cast<uint32_t>(random.Uniform() * 20000)) {
            if (random.Uniform() < .1)
                set.AddLossyPage(block);
            else
                Add(&set, block, {1, 290});
            rows.push_back(Tid(block, 290));
            rows.push_back(Tid(block + 131072, 290));  // seldom of the set, but often of the same mark
            rows.push_back(Tid(block, 0));
        }
        rows.push_back(Tid(UINT32_MAX - 1, 1));
        rows.resize(rows.size() / kBlockSize * kBlockSize);
        set.Finish();
        for (size_t i = 0; i < rows.size(); i += kBlockSize) {
            uint32_t expected = 0;
            for (size_t v = 0; v < kBlockSize; ++v)
                expected |= (rows[i + v].valid() && set.Contains(rows[i + v]) ? 1U : 0U) << v;
            ASSERT_EQ(set.Matching(&rows[i], UINT32_MAX), expected) << KernelLevel(level).name;
            ASSERT_EQ(set.ContainsAny(&rows[i], 0x5555AAAA), (expected & 0x5555AAAA) != 0);
        }
    }
    SetKernelLevel("auto");
}

TEST(TidSetTest, EveryLevelAsksForThePagesAlike) {
    Random random(3);
    const auto draw = [&random](uint32_t below) { return static_cast<uint32_t>(random.Uniform() * below); };
    for (const uint32_t words : {1U, 2U, 64U, 4096U}) {
        std::vector<uint32_t> pages;
        for (uint32_t i = 0; i < words; ++i) pages.push_back(draw(UINT32_MAX));
        for (int round = 0; round < 200; ++round) {
            std::vector<uint16_t> tids;
            for (size_t i = 0; i < 3 * kBlockSize; ++i) tids.push_back(static_cast<uint16_t>(draw(65536)));
            for (size_t v = 0; v < kBlockSize; ++v)
                if (draw(4) == 0) tids[3 * v + 2] = 0;
            const uint32_t expected = KernelLevel(0).tid_pages(tids.data(), pages.data(), words - 1);
            for (size_t level = 1; level < KernelLevelCount(); ++level)
                ASSERT_EQ(KernelLevel(level).tid_pages(tids.data(), pages.data(), words - 1), expected)
                    << KernelLevel(level).name;
        }
    }
}

TEST(TidSetTest, AgreesWithASortedSetOnRandomPages) {
    Random random(7);
    for (const double density : {0.0005, 0.05, 0.9}) {
        TidSet set;
        std::vector<HeapTid> rows;
        std::vector<bool> matches;
        uint64_t exact = 0;
        for (uint32_t block = 0; block < 20000; ++block) {
            const bool lossy = random.Uniform() < density / 10;
            std::vector<uint16_t> offsets;
            for (uint16_t offset = 1; offset <= 100; offset = static_cast<uint16_t>(offset + 7)) {
                const bool match = random.Uniform() < density;
                rows.push_back(Tid(block, offset));
                matches.push_back(match || lossy);
                if (match) offsets.push_back(offset);
            }
            if (lossy)
                set.AddLossyPage(block);
            else
                Add(&set, block, offsets);
            if (!lossy) exact += offsets.size();
        }
        set.Finish();
        EXPECT_EQ(set.exact_rows(), exact);
        for (size_t i = 0; i < rows.size(); ++i) ASSERT_EQ(set.Contains(rows[i]), matches[i]) << i;
        for (size_t i = 0; i + kBlockSize <= rows.size(); i += kBlockSize) {
            uint32_t expected = 0;
            for (size_t v = 0; v < kBlockSize; ++v) expected |= (matches[i + v] ? 1U : 0U) << v;
            ASSERT_EQ(set.Matching(&rows[i], UINT32_MAX), expected);
        }
        // A word a page and 16 bytes a chunk, as a vector grows.
        EXPECT_LT(set.bytes(), 2 * ((set.exact_pages() + set.lossy_pages() + 1) * 16 + 20000 / 64 * 24 + 4096));
    }
}

}  // namespace
}  // namespace annex

// A list of TIDs in any order must become the set that those TIDs make page by page.
#include "annex/tid_list.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>
#include <vector>

#include "annex/error.h"

namespace annex {
namespace {

HeapTid Tid(uint32_t block, uint16_t offset) {
    return {static_cast<uint16_t>(block >> 16), static_cast<uint16_t>(block & 0xFFFF), offset};
}

// Adds them a few at a time, as an index gives them, and compares.
void ExpectSetOf(const std::vector<HeapTid>& tids, TidList* list) {
    list->Clear();
    for (size_t i = 0; i < tids.size(); i += 7) list->Add(&tids[i], std::min<size_t>(7, tids.size() - i));
    ASSERT_EQ(list->size(), tids.size());
    TidSet set;
    list->MakeSet(&set);
    std::set<std::pair<uint32_t, uint16_t>> distinct;
    std::set<uint32_t> pages;
    for (const HeapTid tid : tids) {
        EXPECT_TRUE(set.Contains(tid));
        distinct.insert({BlockOf(tid), tid.offset});
        pages.insert(BlockOf(tid));
    }
    EXPECT_EQ(set.exact_rows(), distinct.size());
    EXPECT_EQ(set.exact_pages(), pages.size());
    for (const auto& [block, offset] : distinct) {
        const auto next = static_cast<uint16_t>(offset + 1);
        EXPECT_EQ(set.Contains(Tid(block, next)), distinct.count({block, next}) == 1);
    }
    std::multiset<std::pair<uint32_t, uint16_t>> left;
    for (size_t i = 0; i < list->size(); i++) left.insert({BlockOf(list->tid(i)), list->tid(i).offset});
    for (const HeapTid tid : tids) {
        const auto at = left.find({BlockOf(tid), tid.offset});
        ASSERT_NE(at, left.end());
        left.erase(at);
    }
}

std::vector<HeapTid> RandomTids(size_t count, uint32_t blocks, uint16_t offsets, uint32_t seed) {
    std::mt19937 random(seed);
    std::vector<HeapTid> tids;
    for (size_t i = 0; i < count; i++)
        tids.push_back(Tid(random() % blocks, static_cast<uint16_t>(1 + random() % offsets)));
    return tids;
}

TEST(TidListTest, EmptyListMakesAnEmptySet) {
    TidList list;
    ExpectSetOf({}, &list);
}

TEST(TidListTest, AnyOrderAndAnyNumberOfRows) {
    TidList list;
    for (const size_t count : {1, 2, 511, 512, 513, 5000})
        for (const uint32_t blocks : {1U, 3U, 2047U, 2048U, 100000U, 0xFFFFFFFEU})
            ExpectSetOf(RandomTids(count, blocks, 291, blocks), &list);
}

TEST(TidListTest, RowsInOrderAndInReverse) {
    TidList list;
    std::vector<HeapTid> tids;
    for (uint32_t block = 0; block < 900; block += 3)
        for (uint16_t offset = 1; offset < 5; offset++) tids.push_back(Tid(block, offset));
    ExpectSetOf(tids, &list);
    std::reverse(tids.begin(), tids.end());
    ExpectSetOf(tids, &list);
}

TEST(TidListTest, RowsThatComeTwiceAreOne) {
    TidList list;
    std::vector<HeapTid> tids = RandomTids(600, 40, 9, 5);
    tids.insert(tids.end(), tids.begin(), tids.end());
    ExpectSetOf(tids, &list);
}

TEST(TidListTest, GreatestTid) {
    TidList list;
    ExpectSetOf({Tid(0xFFFFFFFE, 0xFFFE), Tid(0, 1)}, &list);
}

// The same rows once more must make the same set, and more rows may come afterwards.
TEST(TidListTest, MayBeMadeIntoASetAgain) {
    TidList list;
    const std::vector<HeapTid> tids = RandomTids(2000, 5000, 100, 11);
    list.Add(tids.data(), tids.size());
    TidSet first;
    list.MakeSet(&first);
    const HeapTid more = Tid(3, 200);
    list.Add(&more, 1);
    TidSet second;
    list.MakeSet(&second);
    EXPECT_EQ(second.exact_rows(), first.exact_rows() + 1);
    EXPECT_TRUE(second.Contains(more));
    for (const HeapTid tid : tids) EXPECT_TRUE(second.Contains(tid));
}

TEST(TidListTest, NoOffsetIsAnError) {
    TidList list;
    const HeapTid tid = Tid(3, 0);
    list.Add(&tid, 1);
    TidSet set;
    EXPECT_THROW(list.MakeSet(&set), Error);
}

}  // namespace
}  // namespace annex

// Filter columns in entries and blocks: what is packed comes out again, and a search under a filter sees the rows that
// pass it, with the bounds that it gives them without one, wherever blocks are cut.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <vector>

#include "annex/columns.h"
#include "annex/list_builder.h"
#include "annex/row_placer.h"
#include "annex/search.h"
#include "codec_testing.h"

namespace annex {
namespace {

using testing::GaussianVector;

constexpr size_t kDimensions = 128;

ColumnLayout LayoutOf(const std::vector<uint8_t>& widths) {
    return ColumnLayout(widths);
}

// Column i of row n: small numbers, so that filters meet equal ones, and some NULLs.
std::vector<uint8_t> ValuesOf(const ColumnLayout& columns, size_t n) {
    std::vector<uint8_t> values(columns.value_bytes());
    ClearValues(columns, values.data());
    for (size_t i = 0; i < columns.columns(); ++i) {
        if (n % 7 == i) continue;
        SetImage(columns, values.data(), i, {static_cast<int64_t>((n * (i + 3)) % 11) - 5, 0});
    }
    return values;
}

// A list of rows around a centroid, as entries.
struct List {
    List(size_t rows, const ColumnLayout& columns)
        : layout{PaddedDimensions(kDimensions), columns},
          space(Metric::kL2, kDimensions, 1, std::vector<float>(kDimensions)),
          count(rows),
          entries(rows * layout.entry_bytes()) {
        Random random(7);
        const std::vector<float> centroid = GaussianVector(&random, layout.padded);
        for (size_t n = 0; n < rows; ++n) {
            std::vector<float> y = GaussianVector(&random, layout.padded, 0.5);
            for (size_t i = 0; i < y.size(); ++i) y[i] += centroid[i];
            uint8_t* to = &entries[n * layout.entry_bytes()];
            const SketchTrailer trailer{EncodeSketch(y.data(), centroid.data(), layout.padded, false, to),
                                        {0, static_cast<uint16_t>(n), 1},
                                        static_cast<Place>(n)};
            std::memcpy(to + CodeBytes(layout.padded), &trailer, sizeof trailer);
            const std::vector<uint8_t> values = ValuesOf(columns, n);
            if (!values.empty()) std::memcpy(to + layout.values_offset(), values.data(), values.size());
        }
    }

    [[nodiscard]] const uint8_t* entry(size_t n) const { return &entries[n * layout.entry_bytes()]; }

    // The rows of the blocks that hold the first entries, each block whole.
    [[nodiscard]] std::vector<uint32_t> Blocks(size_t blocks) const {
        std::vector<uint32_t> rows(blocks * layout.block_bytes() / sizeof(uint32_t));
        for (size_t b = 0; b < blocks; ++b)
            PackBlock(entry(b * kBlockSize), std::min(kBlockSize, count - b * kBlockSize), layout,
                      reinterpret_cast<uint8_t*>(rows.data()) + b * layout.block_bytes());
        return rows;
    }

    SketchLayout layout;
    Space space;
    size_t count;
    std::vector<uint8_t> entries;
};

using Bounds = std::map<Place, float>;

Bounds Take(ListSearch* search) {
    Bounds bounds;
    for (const Survivor& survivor : search->EndList()) bounds[survivor.place] = survivor.bound;
    return bounds;
}

// Searches one list that feed(search) feeds.
template <typename Feed>
Bounds SearchList(const List& list, const RowFilter* filter, ListSearch* search, Feed feed) {
    Random random(9);
    const std::vector<float> query = GaussianVector(&random, kDimensions);
    search->SetColumns(list.layout.columns);
    EXPECT_EQ(search->Begin(list.space, query.data(), 1.9F, 1000), RowClass::kNormal);
    search->SetFilter(filter);
    search->BeginRound(10);
    search->BeginList({1, 1, 1, 1, 1, {}});
    feed(search);
    return Take(search);
}

// Feeds rows up to each cut from memory of exactly that size.
void FeedCut(ListSearch* search, const List& list, const std::vector<uint32_t>& rows, const std::vector<size_t>& cuts) {
    const auto* bytes = reinterpret_cast<const uint8_t*>(rows.data());
    const size_t total = rows.size() * sizeof(uint32_t) / kRowBytes;
    size_t from = 0;
    for (size_t i = 0; i <= cuts.size(); ++i) {
        const size_t to = i < cuts.size() ? cuts[i] : total;
        const std::vector<uint8_t> page(bytes + from * kRowBytes, bytes + to * kRowBytes);
        search->FeedRows(page.data(), to - from, from % list.layout.block_rows());
        from = to;
    }
}

ColumnFilter FilterFor(const ColumnLayout& columns) {
    ColumnFilter filter(columns);
    filter.Compare(0, Comparison::kGreaterEqual, {-1, 0});
    filter.Compare(columns.columns() - 1, Comparison::kLess, {3, 0});
    return filter;
}

ColumnFilter FilterForNothing(const ColumnLayout& columns) {
    ColumnFilter filter(columns);
    filter.Compare(0, Comparison::kGreater, {100, 0});
    return filter;
}

const std::vector<std::vector<uint8_t>> kWidths = {{4}, {1, 2, 4, 8, 16}, std::vector<uint8_t>(16, 4)};

TEST(ColumnSearchTest, EntriesComeOutOfBlocksAsTheyWent) {
    for (const auto& widths : kWidths) {
        const List list(50, LayoutOf(widths));
        const std::vector<uint32_t> rows = list.Blocks(2);
        const auto* bytes = reinterpret_cast<const uint8_t*>(rows.data());
        EXPECT_LE(list.layout.block_bytes(), kBlockSize * list.layout.entry_bytes());
        std::vector<uint8_t> entry(list.layout.entry_bytes());
        for (size_t n = 0; n < list.count; ++n) {
            UnpackEntry(bytes + n / kBlockSize * list.layout.block_bytes(), n % kBlockSize, list.layout, entry.data());
            ASSERT_EQ(std::memcmp(entry.data(), list.entry(n), entry.size()), 0) << n;
        }
    }
}

TEST(ColumnSearchTest, AFilterLeavesTheBoundsOfThoseThatPass) {
    for (const auto& widths : kWidths) {
        const ColumnLayout columns = LayoutOf(widths);
        const List list(75, columns);
        const std::vector<uint32_t> rows = list.Blocks(2);
        const ColumnFilter columns_filter = FilterFor(columns);
        const RowFilter filter{nullptr, &columns_filter};
        ListSearch search;
        const auto feed = [&](ListSearch* to) {
            FeedCut(to, list, rows, {});
            to->FeedEntries(list.entry(64), 11);
        };
        const Bounds all = SearchList(list, nullptr, &search, feed);
        ASSERT_EQ(all.size(), list.count);
        Bounds expected;
        for (const auto& [place, bound] : all)
            if (columns_filter.Matches(list.layout.values(list.entry(place)))) expected[place] = bound;
        ASSERT_GT(expected.size(), 5U);
        ASSERT_LT(expected.size(), list.count - 5);
        EXPECT_EQ(SearchList(list, &filter, &search, feed), expected);
        EXPECT_EQ(search.counters().passed, expected.size());
    }
}

TEST(ColumnSearchTest, BlocksMayBeCutBehindTheirHeads) {
    const ColumnLayout columns = LayoutOf({4, 1, 8});
    const List list(64, columns);
    const std::vector<uint32_t> rows = list.Blocks(2);
    const ColumnFilter some = FilterFor(columns);
    const ColumnFilter none = FilterForNothing(columns);
    const size_t head = list.layout.head_rows();
    const size_t block = list.layout.block_rows();
    for (const ColumnFilter* columns_filter : {&some, &none}) {
        const RowFilter filter{nullptr, columns_filter};
        ListSearch search;
        const auto with_cuts = [&](const std::vector<size_t>& cuts) {
            return SearchList(list, &filter, &search, [&](ListSearch* to) { FeedCut(to, list, rows, cuts); });
        };
        const Bounds expected = with_cuts({});
        EXPECT_EQ(expected.empty(), columns_filter == &none);
        for (size_t cut = head; cut <= block; ++cut) {
            EXPECT_EQ(with_cuts({cut}), expected) << cut;
            EXPECT_EQ(with_cuts({cut, std::min(cut + 1, block), block + cut}), expected) << cut;
        }
    }
}

TEST(ColumnSearchTest, NothingIsEstimatedWhereNothingPasses) {
    const ColumnLayout columns = LayoutOf({4});
    const List list(75, columns);
    const std::vector<uint32_t> rows = list.Blocks(2);
    const ColumnFilter none = FilterForNothing(columns);
    const RowFilter filter{nullptr, &none};
    ListSearch search;
    const Bounds bounds = SearchList(list, &filter, &search, [&](ListSearch* to) {
        FeedCut(to, list, rows, {list.layout.head_rows() + 2});
        to->FeedEntries(list.entry(64), 11);
    });
    EXPECT_TRUE(bounds.empty());
    EXPECT_EQ(search.counters().entries, 0U);
    EXPECT_EQ(search.counters().skipped, 2 * kBlockSize + 11);
}

TEST(ColumnSearchTest, ACutHeadIsCorruption) {
    const List list(32, LayoutOf({4}));
    const std::vector<uint32_t> rows = list.Blocks(1);
    ListSearch search;
    EXPECT_ANY_THROW(SearchList(list, nullptr, &search,
                                [&](ListSearch* to) { FeedCut(to, list, rows, {list.layout.head_rows() - 1}); }));
}

// Both entries of a row, made by a build and by an insert.
TEST(ColumnSearchTest, BuildersAndPlacersPutTheValuesIntoEntries) {
    const ColumnLayout columns = LayoutOf({8, 2});
    Random random(3);
    ListBuilder builder(Metric::kL2, kDimensions, 1, 1);
    builder.SetColumns(columns);
    std::vector<std::vector<float>> rows;
    for (size_t n = 0; n < 100; ++n) rows.push_back(GaussianVector(&random, kDimensions));
    for (const auto& row : rows) builder.AddToMean(row.data());
    builder.FinishMean();
    builder.BeginSample(100);
    for (const auto& row : rows) builder.AddToSample(row.data());
    builder.BeginTraining(4);
    while (builder.TrainStep()) {
    }
    builder.FinishTraining(true);
    const SketchLayout& layout = builder.layout();
    const size_t row_bytes = sizeof(RowFactors) + layout.padded;
    ASSERT_EQ(builder.record_bytes(), row_bytes + 2 * layout.entry_bytes());

    CentroidTable table(layout.padded, builder.lists());
    for (size_t list = 0; list < builder.lists(); ++list)
        table.Add({0, static_cast<uint16_t>(list), 1}, builder.centroid_codes(list), builder.centroid_scale(list), 0);
    table.Finish();
    RowPlacer placer;
    placer.SetColumns(columns);
    for (size_t n = 0; n < rows.size(); ++n) {
        const std::vector<uint8_t> values = ValuesOf(columns, n);
        const HeapTid tid{0, static_cast<uint16_t>(n), 1};
        ASSERT_EQ(builder.AddRow(rows[n].data(), tid, values.data()), RowClass::kNormal);
        ASSERT_EQ(builder.EncodeBatch(), 1U);
        ASSERT_EQ(placer.Begin(builder.space(), rows[n].data()), RowClass::kNormal);
        placer.ConsiderTable(table);
        placer.Place(tid, true, values.data());
        ASSERT_EQ(placer.placements().size(), 2U);
        for (size_t e = 0; e < 2; ++e) {
            const uint8_t* built = builder.record(0).data() + row_bytes + e * layout.entry_bytes();
            const uint8_t* placed = placer.placements()[e].entry;
            EXPECT_EQ(std::memcmp(layout.values(built), values.data(), values.size()), 0);
            EXPECT_EQ(std::memcmp(layout.values(placed), values.data(), values.size()), 0);
        }
    }
}

}  // namespace
}  // namespace annex

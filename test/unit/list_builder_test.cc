// What a build encodes, whichever way it got its mean, its sample, its centroids and its rows.
#include "annex/list_builder.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "codec_testing.h"

namespace annex {
namespace {

using testing::GaussianVector;
using testing::kMetrics;
using testing::MetricName;

constexpr size_t kDimensions = 40;
constexpr size_t kRows = 900;
constexpr size_t kLists = 12;
constexpr uint64_t kSeed = 5;

std::vector<std::vector<float>> Rows() {
    Random random(17);
    std::vector<std::vector<float>> rows;
    for (size_t i = 0; i < kRows; ++i)
        rows.push_back(GaussianVector(&random, kDimensions, 1 + static_cast<double>(i % 3)));
    return rows;
}

HeapTid Tid(size_t i) {
    return {0, static_cast<uint16_t>(i), 1};
}

void Train(ListBuilder* builder) {
    builder->BeginTraining(kLists);
    while (builder->TrainStep()) {
    }
}

ListBuilder Trained(Metric metric, const std::vector<std::vector<float>>& rows) {
    ListBuilder builder(metric, kDimensions, kSeed, 1);
    for (const auto& row : rows) builder.AddToMean(row.data());
    builder.FinishMean();
    builder.BeginSample(kRows / 2);
    for (const auto& row : rows) builder.AddToSample(row.data());
    Train(&builder);
    builder.FinishTraining(true);
    return builder;
}

struct Encoded {
    Assignment lists;
    float squared_residual;
    std::vector<uint8_t> record;
};

std::vector<uint8_t> Record(const ListBuilder& builder, size_t i) {
    const std::span<const uint8_t> record = builder.record(i);
    return {record.begin(), record.end()};
}

// Encodes all rows in the batches that the builder asks for, or in smaller ones.
std::vector<Encoded> Encode(ListBuilder* builder, const std::vector<std::vector<float>>& rows,
                            size_t batch = SIZE_MAX) {
    std::vector<Encoded> all;
    size_t waiting = 0;
    const auto flush = [&] {
        const size_t count = builder->EncodeBatch();
        for (size_t i = 0; i < count; ++i)
            all.push_back({builder->assignment(i), builder->squared_residual(i), Record(*builder, i)});
        waiting = 0;
    };
    for (size_t i = 0; i < rows.size(); ++i) {
        EXPECT_EQ(builder->AddRow(rows[i].data(), Tid(i)), RowClass::kNormal);
        if (builder->BatchFull() || ++waiting == batch) flush();
    }
    flush();
    return all;
}

void ExpectSame(const std::vector<Encoded>& a, const std::vector<Encoded>& b) {
    ASSERT_EQ(a.size(), b.size());
    for (size_t i = 0; i < a.size(); ++i) {
        EXPECT_EQ(a[i].lists.primary, b[i].lists.primary) << "row " << i;
        EXPECT_EQ(a[i].lists.secondary, b[i].lists.secondary) << "row " << i;
        EXPECT_EQ(a[i].squared_residual, b[i].squared_residual) << "row " << i;
        EXPECT_EQ(a[i].record, b[i].record) << "row " << i;
    }
}

// A worker of a parallel build has only what the leader's training came to.
TEST(ListBuilderTest, MeanAndCentroidsOfAnotherBuilderGiveTheSameRecords) {
    const auto rows = Rows();
    for (const Metric metric : kMetrics) {
        SCOPED_TRACE(MetricName(metric));
        ListBuilder leader = Trained(metric, rows);
        ListBuilder worker(metric, kDimensions, kSeed, 1);
        worker.SetMean(leader.space().mean().data());
        std::vector<float> scales;
        for (size_t list = 0; list < kLists; ++list) scales.push_back(leader.centroid_scale(list));
        worker.SetCentroids(leader.centroid_codes(0), scales.data(), kLists, true);
        ASSERT_EQ(worker.lists(), kLists);
        EXPECT_TRUE(worker.spill());
        ExpectSame(Encode(&leader, rows), Encode(&worker, rows));
    }
}

TEST(ListBuilderTest, RecordsDoNotDependOnBatches) {
    const auto rows = Rows();
    ListBuilder builder = Trained(Metric::kL2, rows);
    const std::vector<Encoded> whole = Encode(&builder, rows);
    for (const size_t batch : {1, 7, 100}) ExpectSame(whole, Encode(&builder, rows, batch));
}

TEST(ListBuilderTest, TransformedRowsTrainTheSameLists) {
    const auto rows = Rows();
    for (const Metric metric : kMetrics) {
        SCOPED_TRACE(MetricName(metric));
        const ListBuilder expected = Trained(metric, rows);
        ListBuilder builder(metric, kDimensions, kSeed, 1);
        builder.SetMean(expected.space().mean().data());
        builder.BeginSample(kRows / 2);
        std::vector<float> y(expected.space().padded());
        for (const auto& row : rows) {
            ASSERT_EQ(expected.space().TransformRow(row.data(), y.data()), RowClass::kNormal);
            builder.AddTransformedToSample(y.data());
        }
        Train(&builder);
        builder.FinishTraining(true);
        for (size_t list = 0; list < kLists; ++list) {
            EXPECT_EQ(builder.centroid_scale(list), expected.centroid_scale(list));
            EXPECT_EQ(std::memcmp(builder.centroid_codes(list), expected.centroid_codes(list), y.size()), 0);
        }
    }
}

// List maintenance makes new entries of rows that stay where they are.
TEST(ListBuilderTest, TransformedRowsGetTheEntriesAndThePlaceAlone) {
    const auto rows = Rows();
    for (const Metric metric : kMetrics) {
        SCOPED_TRACE(MetricName(metric));
        ListBuilder whole = Trained(metric, rows);
        const size_t padded = whole.space().padded();
        const size_t entry_bytes = SketchLayout{padded}.entry_bytes();
        std::vector<float> scales;
        for (size_t list = 0; list < kLists; ++list) scales.push_back(whole.centroid_scale(list));
        ListBuilder entries(metric, kDimensions, kSeed, 1);
        entries.SetMean(whole.space().mean().data());
        entries.SetCentroids(whole.centroid_codes(0), scales.data(), kLists, true, RecordKind::kEntries);
        ASSERT_EQ(entries.record_bytes(), 2 * entry_bytes);

        const std::vector<Encoded> expected = Encode(&whole, rows);
        std::vector<float> y(padded);
        size_t i = 0;
        for (const auto& row : rows) {
            ASSERT_EQ(whole.space().TransformRow(row.data(), y.data()), RowClass::kNormal);
            const Place place = static_cast<Place>(1000 + i);
            entries.AddTransformedRow(y.data(), Tid(i), place);
            ASSERT_EQ(entries.EncodeBatch(), 1U);
            EXPECT_EQ(entries.assignment(0).primary, expected[i].lists.primary);
            EXPECT_EQ(entries.assignment(0).secondary, expected[i].lists.secondary);
            EXPECT_EQ(entries.squared_residual(0), expected[i].squared_residual);
            std::vector<uint8_t> with_place(expected[i].record.begin() + sizeof(RowFactors) + padded,
                                            expected[i].record.end());
            for (size_t e = 1; e <= 2; ++e)
                std::memcpy(&with_place[e * entry_bytes - sizeof(Place)], &place, sizeof place);
            EXPECT_EQ(Record(entries, 0), with_place) << "row " << i;
            ++i;
        }
    }
}

TEST(ListBuilderTest, RhoIsTheRootMeanSquareOfWhatWasCounted) {
    const auto rows = Rows();
    ListBuilder builder = Trained(Metric::kL2, rows);
    EXPECT_EQ(builder.Rho(3), 0.0F);
    builder.CountRow(3, 4);
    builder.CountRow(3, 12);
    builder.CountRow(4, 100);
    builder.FinishEncoding();
    EXPECT_FLOAT_EQ(builder.Rho(3), std::sqrt(8.0F));
    EXPECT_FLOAT_EQ(builder.Rho(4), 10.0F);
}

}  // namespace
}  // namespace annex

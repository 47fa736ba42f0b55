// Images of sparse vectors: what they keep of lengths and products, and that they are the same everywhere.
#include "annex/sparse_image.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <vector>

#include "annex/random.h"

namespace annex {
namespace {

constexpr size_t kDimensions = 1000000;
constexpr size_t kImage = 1024;
constexpr size_t kBlocks = 4;

struct Sparse {
    std::vector<int32_t> indices;
    std::vector<float> values;
    [[nodiscard]] SparseVector view() const { return {indices.data(), values.data(), indices.size()}; }
};

Sparse Make(const std::map<int32_t, float>& elements) {
    Sparse x;
    for (const auto& [index, value] : elements) {
        x.indices.push_back(index);
        x.values.push_back(value);
    }
    return x;
}

std::vector<float> Image(const Sparse& x, size_t dimensions = kDimensions, size_t image_dimensions = kImage,
                         ImageKind kind = ImageKind::kFourBlocks) {
    std::vector<float> image(image_dimensions, -1.0F);
    MakeSparseImage(x.view(), dimensions, kind, image_dimensions, image.data());
    return image;
}

std::vector<float> Image(const std::vector<float>& x, ImageKind kind, size_t image_dimensions = kImage) {
    std::vector<float> image(image_dimensions, -1.0F);
    MakeDenseImage(x.data(), x.size(), kind, image_dimensions, image.data());
    return image;
}

double L1Distance(const std::vector<float>& a, const std::vector<float>& b) {
    double sum = 0;
    for (size_t i = 0; i < a.size(); ++i) sum += std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
    return sum;
}

std::vector<float> Dense(const Sparse& x, size_t dimensions) {
    std::vector<float> dense(dimensions);
    for (size_t i = 0; i < x.indices.size(); ++i) dense[static_cast<size_t>(x.indices[i])] = x.values[i];
    return dense;
}

double Product(const std::vector<float>& a, const std::vector<float>& b) {
    double sum = 0;
    for (size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
    return sum;
}

// Two random vectors that share half of their indices.
std::pair<Sparse, Sparse> Pair(Random* random) {
    std::map<int32_t, float> a;
    std::map<int32_t, float> b;
    for (int i = 0; i < 60; ++i) {
        const auto index = static_cast<int32_t>(random->Below(kDimensions));
        if (i < 40) a[index] = static_cast<float>(random->Uniform() + 0.1);
        if (i >= 20) b[index] = static_cast<float>(random->Uniform() + 0.1);
    }
    return {Make(a), Make(b)};
}

double Product(const Sparse& a, const Sparse& b) {
    std::map<int32_t, float> values;
    for (size_t i = 0; i < a.indices.size(); ++i) values[a.indices[i]] = a.values[i];
    double sum = 0;
    for (size_t i = 0; i < b.indices.size(); ++i)
        if (values.count(b.indices[i]) > 0)
            sum += static_cast<double>(values[b.indices[i]]) * static_cast<double>(b.values[i]);
    return sum;
}

TEST(SparseImageTest, KeepsInnerProductsOnAverageWithinTheErrorStated) {
    Random random(1);
    constexpr int kPairs = 4000;
    double sum = 0;
    double squares = 0;
    for (int i = 0; i < kPairs; ++i) {
        const auto [a, b] = Pair(&random);
        const double scale = std::sqrt(Product(a, a) * Product(b, b));
        const double error = (Product(Image(a), Image(b)) - Product(a, b)) / scale;
        sum += error;
        squares += error * error;
    }
    const double deviation = std::sqrt(squares / kPairs);
    EXPECT_LT(std::abs(sum / kPairs), 4 * deviation / std::sqrt(static_cast<double>(kPairs)));
    EXPECT_LT(deviation, std::sqrt(2.0 / kImage));
    EXPECT_GT(deviation, 0.3 * std::sqrt(1.0 / kImage));  // there is something to be averaged
}

TEST(SparseImageTest, OneValueKeepsItsLengthAndFourPlaces) {
    for (const int32_t index : {0, 1, 77, 999999}) {
        const std::vector<float> image = Image(Make({{index, -3.0F}}));
        EXPECT_EQ(Product(image, image), 9.0);
        for (size_t block = 0; block < kBlocks; ++block) {
            const auto* begin = image.data() + block * kImage / kBlocks;
            EXPECT_EQ(std::count(begin, begin + kImage / kBlocks, 0.0F),
                      static_cast<std::ptrdiff_t>(kImage / kBlocks) - 1);
        }
    }
}

TEST(SparseImageTest, IsTheVectorItselfWhereThatFits) {
    const std::vector<float> image = Image(Make({{0, 1.0F}, {5, 2.0F}, {6, -3.0F}}), 7, 7);
    EXPECT_EQ(image, (std::vector<float>{1, 0, 0, 0, 0, 2, -3}));
    for (const ImageKind kind : {ImageKind::kFourBlocks, ImageKind::kOneBlock})
        EXPECT_EQ(Image({1, 0, 2}, kind, 4), (std::vector<float>{1, 0, 2, 0}));
}

// What meets in a block can only make an L1 distance less; of few elements that differ, little less.
TEST(SparseImageTest, OneBlockKeepsL1DistancesFromBelow) {
    Random random(5);
    constexpr int kPairs = 50;
    constexpr double kRounding = 1e-5;
    double kept = 0;
    for (int i = 0; i < kPairs; ++i) {
        const auto [a, b] = Pair(&random);
        const auto image = [](const Sparse& x) { return Image(x, kDimensions, kImage, ImageKind::kOneBlock); };
        const double distance = L1Distance(Dense(a, kDimensions), Dense(b, kDimensions));
        const double of_images = L1Distance(image(a), image(b));
        EXPECT_LE(of_images, distance * (1 + kRounding));
        kept += of_images / distance;
    }
    EXPECT_GT(kept / kPairs, 0.95);
}

TEST(SparseImageTest, ADenseVectorHasTheImageOfTheSparseOneWithItsValues) {
    constexpr size_t kWide = 5000;
    Random random(7);
    std::map<int32_t, float> elements;
    for (int i = 0; i < 900; ++i)
        elements[static_cast<int32_t>(random.Below(kWide))] = static_cast<float>(random.Uniform() - 0.5);
    const Sparse x = Make(elements);
    for (const ImageKind kind : {ImageKind::kFourBlocks, ImageKind::kOneBlock})
        EXPECT_EQ(Image(Dense(x, kWide), kind), Image(x, kWide, kImage, kind));
}

// Images lie in indexes: other places for the same index would need another version of the format.
TEST(SparseImageTest, PlacesNeverChange) {
    const std::vector<float> image = Image(Make({{0, 2.0F}, {123456, 4.0F}}));
    std::map<size_t, float> places;
    for (size_t i = 0; i < image.size(); ++i)
        if (image[i] != 0) places[i] = image[i];
    EXPECT_EQ(
        places,
        (std::map<size_t, float>{
            {40, 1.0F}, {106, 2.0F}, {340, 2.0F}, {425, 1.0F}, {548, -1.0F}, {639, -2.0F}, {936, 2.0F}, {967, -1.0F}}));
}

TEST(SparseImageTest, IsZeroForNothingAlone) {
    EXPECT_EQ(Product(Image(Make({})), Image(Make({}))), 0.0);
    const float least = std::numeric_limits<float>::denorm_min();
    EXPECT_GT(Product(Image(Make({{3, least}})), std::vector<float>(kImage, 1.0F)), 0.0);
}

// Of two indices that meet in all blocks with opposite signs, equal values leave nothing. In an image of 4 coordinates
// there are many such.
TEST(SparseImageTest, WhatCancelsOutKeepsItsLength) {
    int cancelled = 0;
    for (int32_t i = 1; i < 200; ++i) {
        const std::vector<float> image = Image(Make({{0, 3.0F}, {i, 3.0F}}), kDimensions, 4);
        const double length = std::sqrt(Product(image, image));
        EXPECT_GT(length, 0.0);
        if (image[0] == static_cast<float>(std::sqrt(18.0))) ++cancelled;
    }
    EXPECT_GT(cancelled, 0);
}

TEST(SparseImageTest, WhatOverflowsIsNoNumberToCountWith) {
    const float most = std::numeric_limits<float>::max();
    std::map<int32_t, float> elements;
    for (int32_t i = 0; i < 5000; ++i) elements[i] = i % 2 == 0 ? most : -most;
    for (const float value : Image(Make(elements), kDimensions, 8)) EXPECT_FALSE(std::isnan(value));
}

}  // namespace
}  // namespace annex

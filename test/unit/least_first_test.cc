// The least numbers must be the same as sorting gives, however they are asked for.
#include "annex/least_first.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <vector>

#include "annex/random.h"

namespace annex {
namespace {

// Fills the values in; with a sample, tells the selection which of them are up to the limit that it makes of that.
void Fill(const std::vector<float>& values, size_t wanted, std::vector<float> sample, LeastFirst* least) {
    const std::span<float> room = least->Reset(values.size());
    const float limit = sample.empty() ? 0 : least->Expect(wanted, sample);
    std::copy(values.begin(), values.end(), room.begin());
    for (size_t i = 0; i < values.size() && !sample.empty(); ++i)
        if (values[i] <= limit) least->Pass(i);
}

void ExpectSorted(const std::vector<float>& values, const std::vector<size_t>& counts,
                  const std::vector<float>& sample = {}) {
    std::vector<uint32_t> order(values.size());
    std::iota(order.begin(), order.end(), 0U);
    std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return values[a] < values[b]; });
    LeastFirst least;
    for (int pass = 0; pass < 2; ++pass) {  // memory of the first is used again
        Fill(values, counts[0], sample, &least);
        size_t given = 0;
        for (const size_t count : counts) {
            const std::span<const uint32_t> next = least.Next(count);
            ASSERT_EQ(next.size(), std::min(count, values.size() - given));
            std::vector<uint32_t> got(next.begin(), next.end());
            std::vector<uint32_t> wanted(order.begin() + static_cast<ptrdiff_t>(given),
                                         order.begin() + static_cast<ptrdiff_t>(given + next.size()));
            std::sort(got.begin(), got.end());
            std::sort(wanted.begin(), wanted.end());
            ASSERT_EQ(got, wanted) << values.size() << " values, " << given << " given out before";
            given += next.size();
        }
    }
}

TEST(LeastFirstTest, GivesWhatSortingGives) {
    Random random(31);
    for (const size_t size : {0, 1, 15, 1000, 1024, 5000, 20000}) {
        std::vector<float> values(size);
        for (float& value : values) value = static_cast<float>(random.Uniform() * 3 - 1);
        ExpectSorted(values, {48, 32, 64, 0, 128, 512, 3000, 30000, 1});
        std::sort(values.begin(), values.end());
        ExpectSorted(values, {48, 32, 64, 128, 30000});
        std::reverse(values.begin(), values.end());
        ExpectSorted(values, {1, 1, 700, 30000});
    }
}

TEST(LeastFirstTest, GivesEqualNumbersInTheirOrder) {
    Random random(32);
    ExpectSorted(std::vector<float>(3000, 2.5F), {10, 100, 3000});
    std::vector<float> values(5000);
    for (float& value : values) value = static_cast<float>(random.Below(3));
    ExpectSorted(values, {10, 100, 1000, 4000});
}

TEST(LeastFirstTest, FindsWhatTheSampleDoesNotShow) {
    // The sample sees every 19th of 5000: all of the least lie in between.
    std::vector<float> values(5000, 9);
    for (size_t i = 0; i < 40; ++i) values[100 + i] = static_cast<float>(i);
    ExpectSorted(values, {20, 20, 20});
    // And here it sees nothing else.
    std::fill(values.begin(), values.end(), 9.0F);
    for (size_t i = 0; i < values.size(); i += 19) values[i] = -1.0F;
    ExpectSorted(values, {20, 300, 20});
}

TEST(LeastFirstTest, NeedsNoFirstPassWhereTheLimitIsExpected) {
    Random random(33);
    std::vector<float> values(5000);
    for (float& value : values) value = static_cast<float>(random.Uniform());
    const std::vector<size_t> counts = {48, 32, 64, 0, 128, 512, 3000, 30000};
    ExpectSorted(values, counts, {values.begin(), values.begin() + 256});
    ExpectSorted(values, counts, {values.begin(), values.begin() + 1});
    // Samples that show too little, too much and nothing.
    ExpectSorted(values, counts, std::vector<float>(128, -1.0F));
    ExpectSorted(values, counts, std::vector<float>(128, values[7]));
    ExpectSorted(values, counts, std::vector<float>(128, 2.0F));
    // A limit that few pass, but higher than the next sample would have it.
    std::fill(values.begin(), values.end(), 10.0F);
    for (size_t i = 0; i < 128; ++i) values[39 * i] = 0.001F * static_cast<float>(i);
    ExpectSorted(values, {300, 20}, std::vector<float>(128, 5.0F));
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    std::fill(values.begin() + 100, values.end(), kInfinity);
    ExpectSorted(values, {300, 20}, std::vector<float>(128, kInfinity));
    std::fill(values.begin(), values.begin() + 100, -kInfinity);
    ExpectSorted(values, {30, 300}, std::vector<float>(128, -kInfinity));
}

TEST(LeastFirstTest, TakesInfinities) {
    std::vector<float> values(2000, std::numeric_limits<float>::infinity());
    values[7] = -std::numeric_limits<float>::infinity();
    values[1999] = 0;
    ExpectSorted(values, {1, 1, 1, 1990, 100});
    std::fill(values.begin(), values.end(), -std::numeric_limits<float>::infinity());
    ExpectSorted(values, {100, 2000});
}

}  // namespace
}  // namespace annex

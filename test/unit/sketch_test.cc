// The sketch: format, factors, and an estimate with the error that its formula states.
#include "annex/sketch.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "codec_testing.h"

namespace annex {
namespace {

using testing::ForEachKernelLevel;
using testing::GaussianVector;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

double Dot(const std::vector<float>& a, const std::vector<float>& b) {
    double sum = 0;
    for (size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
    return sum;
}

// A block of one kind of metric, and what a search computes from it.
struct Block {
    explicit Block(size_t padded) : layout{padded}, words(layout.block_bytes() / sizeof(uint32_t)) {}

    SketchLayout layout;
    std::vector<uint32_t> words;

    [[nodiscard]] uint8_t* bytes() { return reinterpret_cast<uint8_t*>(words.data()); }
    [[nodiscard]] const uint8_t* bytes() const { return reinterpret_cast<const uint8_t*>(words.data()); }
    [[nodiscard]] BlockTrailer* trailer() { return TrailerOf(bytes()); }
    [[nodiscard]] const BlockTrailer* trailer() const { return TrailerOf(bytes()); }
    [[nodiscard]] uint8_t* codes() { return bytes() + layout.head_rows() * kRowBytes; }
    [[nodiscard]] const uint8_t* codes() const { return layout.codes(bytes()); }
};

void WriteEntry(const std::vector<float>& y, const std::vector<float>& centroid, bool inner_product, uint16_t number,
                uint8_t* entry) {
    const size_t padded = y.size();
    const SketchTrailer trailer = {
        EncodeSketch(y.data(), centroid.data(), padded, inner_product, entry), {0, number, 1}, number + 1000U};
    std::memcpy(entry + CodeBytes(padded), &trailer, sizeof(trailer));
}

Block MakeBlock(const std::vector<std::vector<float>>& ys, const std::vector<float>& centroid, bool inner_product) {
    const size_t padded = centroid.size();
    Block block(padded);
    const size_t entry_bytes = block.layout.entry_bytes();
    std::vector<uint8_t> entries(ys.size() * entry_bytes);
    for (size_t v = 0; v < ys.size(); ++v) {
        WriteEntry(ys[v], centroid, inner_product, static_cast<uint16_t>(v), &entries[v * entry_bytes]);
    }
    PackBlock(entries.data(), ys.size(), block.layout, block.bytes());
    return block;
}

// base, add_scale and the length along which the sketch estimates, as a search takes them from a list's centroid.
struct ListTerms {
    double base;
    double add_scale;
    double reach;
};

ListTerms TermsOf(const std::vector<float>& q, const std::vector<float>& c, bool inner_product) {
    const double product = Dot(q, c);
    if (!inner_product) {
        const double squared = Dot(q, q) + Dot(c, c) - 2 * product;
        return {squared, 1, std::sqrt(std::max(0.0, squared))};
    }
    const double b = Dot(c, c) > 0 ? product / Dot(c, c) : 0;
    return {-product, b, std::sqrt(std::max(0.0, Dot(q, q) - b * product))};
}

std::vector<float> BoundsOf(const Block& block, const SketchQuery& query, const ListTerms& list, double epsilon,
                            size_t padded, uint32_t* mask = nullptr, float threshold = kInfinity) {
    const Kernels& kernels = ActiveKernels();
    uint32_t sums[kBlockSize] = {};
    kernels.sketch_accumulate(block.codes(), CodeRows(padded), query.table(), sums);
    const double reach = std::hypot(list.reach, static_cast<double>(query.noise()));
    const BoundTerms terms = {static_cast<float>(list.base), static_cast<float>(list.add_scale), query.sum_scale(),
                              query.sum_offset(), static_cast<float>(epsilon * reach)};
    std::vector<float> bounds(kBlockSize);
    const uint32_t below = kernels.sketch_bounds(sums, block.trailer()->f_add, block.trailer()->f_rescale,
                                                 block.trailer()->f_error, terms, threshold, bounds.data());
    if (mask != nullptr) *mask = below;
    return bounds;
}

double TrueValue(const std::vector<float>& q, const std::vector<float>& y, bool inner_product) {
    if (inner_product) return -Dot(q, y);
    return Dot(q, q) + Dot(y, y) - 2 * Dot(q, y);
}

// ---- Codes, blocks ----

TEST(SketchTest, CodesAreTheSignsOfTheResidual) {
    Random random(1);
    const std::vector<float> y = GaussianVector(&random, 128);
    const std::vector<float> c = GaussianVector(&random, 128);
    std::vector<uint8_t> code(CodeBytes(128));
    (void)EncodeSketch(y.data(), c.data(), 128, false, code.data());
    for (size_t i = 0; i < 128; ++i) EXPECT_EQ((code[i / 8] >> (i % 8)) & 1, y[i] > c[i] ? 1 : 0) << i;
}

TEST(SketchTest, FactorsFollowTheirFormulas) {
    Random random(2);
    for (int trial = 0; trial < 200; ++trial) {
        const std::vector<float> y = GaussianVector(&random, 192, std::pow(10, trial % 7 - 3));
        const std::vector<float> c = GaussianVector(&random, 192);
        std::vector<uint8_t> code(CodeBytes(192));
        double l1 = 0;
        double squared = 0;
        double signs_c = 0;
        double c_r = 0;
        for (size_t i = 0; i < 192; ++i) {
            const double r = static_cast<double>(y[i] - c[i]);
            l1 += std::fabs(r);
            squared += r * r;
            signs_c += r > 0 ? static_cast<double>(c[i]) : -static_cast<double>(c[i]);
            c_r += r * static_cast<double>(c[i]);
        }
        const double k = squared / l1;
        const double deviation = std::sqrt(squared * (192 * squared / (l1 * l1) - 1) / 191);
        constexpr double kUlp = 1.0 / 128;  // of a bfloat16, relative, at most

        const SketchFactors l2 = EncodeSketch(y.data(), c.data(), 192, false, code.data());
        const double add = squared + 2 * k * signs_c;
        EXPECT_LE(Bf16ToFloat(l2.f_add), add + 1e-12 * squared);
        EXPECT_GE(Bf16ToFloat(l2.f_add), add - kUlp * std::fabs(add) - 1e-12 * squared);
        EXPECT_NEAR(Bf16ToFloat(l2.f_rescale), -2 * k, kUlp * k);
        EXPECT_GE(Bf16ToFloat(l2.f_error), 2 * deviation * (1 - 1e-9));
        EXPECT_LE(Bf16ToFloat(l2.f_error), 2 * deviation * (1 + kUlp));

        const SketchFactors ip = EncodeSketch(y.data(), c.data(), 192, true, code.data());
        const double ip_add = k * signs_c - c_r;
        EXPECT_NEAR(Bf16ToFloat(ip.f_add), ip_add, kUlp / 2 * std::fabs(ip_add) + 1e-9 * squared);
        EXPECT_NEAR(Bf16ToFloat(ip.f_rescale), -k, kUlp / 2 * k);
        EXPECT_GE(Bf16ToFloat(ip.f_error), deviation * (1 - 1e-9));
        EXPECT_LE(Bf16ToFloat(ip.f_error), deviation * (1 + kUlp));
    }
}

TEST(SketchTest, BlocksHoldEntriesTransposed) {
    Random random(3);
    for (const size_t padded : {64, 128, 448, 16000}) {
        const SketchLayout layout{padded};
        const size_t entry_bytes = layout.entry_bytes();
        std::vector<uint8_t> entries(kBlockSize * entry_bytes);
        for (uint8_t& byte : entries) byte = static_cast<uint8_t>(random.Next());
        for (size_t count = 0; count <= kBlockSize; count += padded > 1000 ? 31 : 1) {
            Block block(padded);
            std::fill(block.words.begin(), block.words.end(), 0xA5A5A5A5);
            PackBlock(entries.data(), count, layout, block.bytes());
            for (size_t v = 0; v < kBlockSize; ++v) {
                for (size_t j = 0; j < CodeRows(padded); ++j) {
                    const uint8_t expected = v < count ? entries[v * entry_bytes + j] : 0;
                    ASSERT_EQ(block.codes()[j * kRowBytes + v], expected) << padded << " " << count << " " << v;
                }
                if (v >= count) {
                    EXPECT_FALSE(block.trailer()->heap_tid[v].valid());
                    EXPECT_EQ(Bf16ToFloat(block.trailer()->f_add[v]), kInfinity);
                    EXPECT_EQ(block.trailer()->place[v], 0U);
                    continue;
                }
                std::vector<uint8_t> entry(entry_bytes);
                UnpackEntry(block.bytes(), v, layout, entry.data());
                ASSERT_EQ(std::memcmp(entry.data(), &entries[v * entry_bytes], entry.size()), 0);
            }
        }
    }
}

TEST(SketchTest, DeadSlotsNeverSurvive) {
    Random random(4);
    const std::vector<float> centroid(64, 0.0F);
    std::vector<std::vector<float>> ys(20);
    for (std::vector<float>& y : ys) y = GaussianVector(&random, 64);
    Block block = MakeBlock(ys, centroid, false);
    KillSlot(block.trailer(), 7);
    EXPECT_FALSE(block.trailer()->heap_tid[7].valid());
    const std::vector<float> q = GaussianVector(&random, 64);
    SketchQuery query;
    query.Reset(q.data(), 64);
    ForEachKernelLevel([&](const Kernels& kernels) {
        for (const float threshold : {1e30F, kInfinity}) {
            uint32_t mask = 0;
            (void)BoundsOf(block, query, TermsOf(q, centroid, false), 1.9, 64, &mask, threshold);
            EXPECT_EQ(mask, ((1U << 20) - 1) & ~(1U << 7)) << kernels.name;
        }
    });
}

// ---- The look-up table ----

TEST(SketchQueryTest, TableSumsApproximateTheProductWithTheSigns) {
    Random random(5);
    for (const size_t padded : {64, 384, 1536, 16000}) {
        for (const double magnitude : {1e-25, 1.0, 1e16}) {
            const std::vector<float> q = GaussianVector(&random, padded, magnitude, 0.2 * magnitude);
            SketchQuery query;
            query.Reset(q.data(), padded);
            const double unit = static_cast<double>(query.sum_scale()) / 2;
            double squared_difference = 0;
            double difference_sum = 0;
            const int codes = padded > 10000 ? 50 : 400;
            for (int trial = 0; trial < codes; ++trial) {
                Block block(padded);
                double exact = 0;
                for (size_t i = 0; i < padded; ++i) {
                    const bool bit = random.Below(2) == 1;
                    if (bit) block.codes()[i / 8 * kRowBytes] |= static_cast<uint8_t>(1U << (i % 8));
                    exact += bit ? static_cast<double>(q[i]) : -static_cast<double>(q[i]);
                }
                uint32_t sums[kBlockSize] = {};
                ActiveKernels().sketch_accumulate(block.codes(), CodeRows(padded), query.table(), sums);
                const double estimate =
                    static_cast<double>(query.sum_scale()) * sums[0] + static_cast<double>(query.sum_offset());
                const double difference = estimate - exact;
                // A group's value is off by half a unit, and 4/128 for its coordinates.
                ASSERT_LE(std::fabs(difference), 2 * unit * 0.54 * static_cast<double>(padded) / 4);
                squared_difference += difference * difference;
                difference_sum += difference;
            }
            const double expected = 2 * unit * std::sqrt(static_cast<double>(padded) / 48);
            EXPECT_LT(std::sqrt(squared_difference / codes), 1.5 * expected);
            EXPECT_NEAR(static_cast<double>(query.noise()), 1.659 * expected, 0.01 * expected);
            EXPECT_LT(std::fabs(difference_sum / codes), 1.2 * expected) << "biased";
        }
    }
}

TEST(SketchQueryTest, UsesTheWholeRangeOfItsBytes) {
    Random random(6);
    const std::vector<float> q = GaussianVector(&random, 256);
    SketchQuery query;
    query.Reset(q.data(), 256);
    const uint8_t* end = query.table() + 256 / 8 * kRowBytes;
    EXPECT_EQ(*std::max_element(query.table(), end), 255);
    EXPECT_EQ(*std::min_element(query.table(), end), 0);
}

TEST(SketchQueryTest, ZeroAndDenormalQueriesHaveAnEmptyTable) {
    SketchQuery query;
    const std::vector<float> ordinary(128, 1.0F);
    for (const float value : {0.0F, std::numeric_limits<float>::denorm_min()}) {
        query.Reset(ordinary.data(), 128);
        const std::vector<float> q(128, value);
        query.Reset(q.data(), 128);
        EXPECT_EQ(query.sum_scale(), 0);
        EXPECT_EQ(query.sum_offset(), 0);
        EXPECT_EQ(query.noise(), 0);
        EXPECT_TRUE(std::all_of(query.table(), query.table() + 128 / 8 * kRowBytes, [](uint8_t b) { return b == 0; }));
    }
}

// ---- The estimate ----

struct Setting {
    const char* name;
    size_t padded;
    bool inner_product;
    double centroid;     // length of a centroid's coordinate
    double residual;     // of a row's residual's
    double offset;       // of q - c
    double query_scale;  // inner product: the query is multiplied by it
};

struct ErrorStatistics {
    double mean = 0;        // of (estimate - truth) / one standard deviation
    double deviation = 0;   // of the same
    double violations = 0;  // share of rows whose bound at 1.9 deviations exceeds the truth
};

// Rows, centroids and queries are Gaussian, independent of each other: what a rotation makes of anything.
ErrorStatistics Measure(const Setting& setting, int blocks) {
    Random random(42);
    double sum = 0;
    double squared = 0;
    double violations = 0;
    double count = 0;
    SketchQuery query;
    for (int b = 0; b < blocks; ++b) {
        const std::vector<float> c = GaussianVector(&random, setting.padded, setting.centroid);
        std::vector<float> q = GaussianVector(&random, setting.padded, setting.offset);
        for (size_t i = 0; i < q.size(); ++i) q[i] = static_cast<float>(setting.query_scale) * (q[i] + c[i]);
        std::vector<std::vector<float>> ys;
        for (size_t v = 0; v < kBlockSize; ++v) {
            // Norms between half and twice the residual's.
            ys.push_back(
                GaussianVector(&random, setting.padded, setting.residual * std::pow(2, 2 * random.Uniform() - 1)));
            for (size_t i = 0; i < c.size(); ++i) ys.back()[i] += c[i];
        }
        const Block block = MakeBlock(ys, c, setting.inner_product);
        query.Reset(q.data(), setting.padded);
        const ListTerms list = TermsOf(q, c, setting.inner_product);
        const std::vector<float> estimates = BoundsOf(block, query, list, 0, setting.padded);
        const std::vector<float> one_lower = BoundsOf(block, query, list, 1, setting.padded);
        for (size_t v = 0; v < kBlockSize; ++v) {
            const double truth = TrueValue(q, ys[v], setting.inner_product);
            const double one = static_cast<double>(estimates[v]) - static_cast<double>(one_lower[v]);
            const double error = (static_cast<double>(estimates[v]) - truth) / one;
            sum += error;
            squared += error * error;
            violations += error > 1.9 ? 1 : 0;
            ++count;
        }
    }
    return {sum / count, std::sqrt(squared / count), violations / count};
}

constexpr Setting kSettings[] = {
    {"L2", 128, false, 1, 0.7, 1, 1},
    {"L2, 384 dimensions", 384, false, 1, 0.7, 1, 1},
    {"L2, query far away", 128, false, 1, 0.1, 10, 1},
    {"inner product", 128, true, 1, 0.7, 1, 1},
    {"inner product, long query", 128, true, 1, 0.7, 1, 1e6},
    {"inner product, short query", 384, true, 1, 0.7, 1, 1e-6},
    {"inner product, centroid at the origin", 128, true, 0, 1, 1, 1},
};

TEST(SketchEstimateTest, IsUnbiasedWithTheErrorThatItStates) {
    for (const Setting& setting : kSettings) {
        SCOPED_TRACE(setting.name);
        const ErrorStatistics errors = Measure(setting, 600);
        // Rounding f_add down costs up to 1/256 of it, which is what the lower side allows for.
        EXPECT_GT(errors.mean, setting.inner_product ? -0.03 : -0.15);
        EXPECT_LT(errors.mean, 0.03);
        EXPECT_GT(errors.deviation, 0.93);
        EXPECT_LT(errors.deviation, 1.07);
        // 2.9 % of a normal distribution lies beyond 1.9 deviations.
        EXPECT_GT(errors.violations, 0.015);
        EXPECT_LT(errors.violations, 0.035);
    }
}

// Where lists are narrow and far apart, the table's rounding outweighs the sketch's own error. The bound must allow for
// it, or the nearest rows are lost.
TEST(SketchEstimateTest, AllowsForTheTableWhereListsAreFarApart) {
    for (const bool inner_product : {false, true}) {
        const Setting setting = {"", 128, inner_product, 1, 0.005, 0.005, 1};
        const ErrorStatistics errors = Measure(setting, 300);
        EXPECT_LT(errors.violations, 0.04) << inner_product;
        EXPECT_LT(errors.deviation, 1.3) << inner_product;
    }
}

// The rows that a search wants point towards the query: their bounds fail far less often.
TEST(SketchEstimateTest, HardlyEverMissesARowInTheQuerysDirection) {
    Random random(9);
    const std::vector<float> c = GaussianVector(&random, 128, 0.5);
    int violations = 0;
    for (int b = 0; b < 300; ++b) {
        std::vector<std::vector<float>> ys;
        const std::vector<float> direction = GaussianVector(&random, 128);
        std::vector<float> q(128);
        for (size_t i = 0; i < 128; ++i) q[i] = c[i] + direction[i];
        for (size_t v = 0; v < kBlockSize; ++v) {  // cosine of 0.8 with q - c
            ys.push_back(GaussianVector(&random, 128, 0.75));
            for (size_t i = 0; i < 128; ++i) ys.back()[i] += c[i] + direction[i];
        }
        const Block block = MakeBlock(ys, c, false);
        SketchQuery query;
        query.Reset(q.data(), 128);
        const std::vector<float> bounds = BoundsOf(block, query, TermsOf(q, c, false), 1.9, 128);
        for (size_t v = 0; v < kBlockSize; ++v) {
            violations += static_cast<double>(bounds[v]) > TrueValue(q, ys[v], false) ? 1 : 0;
        }
    }
    EXPECT_LT(violations, 300 * 32 * 0.003);
}

TEST(SketchEstimateTest, ARowOnItsCentroidIsExact) {
    Random random(10);
    const std::vector<float> c = GaussianVector(&random, 64);
    const std::vector<float> q = GaussianVector(&random, 64);
    SketchQuery query;
    query.Reset(q.data(), 64);
    for (const bool inner_product : {false, true}) {
        const Block block = MakeBlock({c}, c, inner_product);
        EXPECT_EQ(block.trailer()->f_add[0], 0);
        EXPECT_EQ(block.trailer()->f_rescale[0], 0);
        EXPECT_EQ(block.trailer()->f_error[0], 0);
        const double truth = TrueValue(q, c, inner_product);
        EXPECT_NEAR(BoundsOf(block, query, TermsOf(q, c, inner_product), 1.9, 64)[0], truth, 1e-4);
    }
}

// With one dimension rows and queries lie on a line, along which the estimate is exact: whatever the error's formula
// says, the bound must not be above the truth by more than rounding.
TEST(SketchEstimateTest, HoldsForOneDimension) {
    const Space space(Metric::kL2, 1, 5, {0.0F});
    for (float x = -3; x <= 3; x += 0.37F) {
        for (float q = -3; q <= 3; q += 0.41F) {
            std::vector<float> y(space.padded());
            std::vector<float> y_q(space.padded());
            std::vector<float> y_c(space.padded());
            const float centroid = 0.11F;
            ASSERT_EQ(space.TransformRow(&x, y.data()), RowClass::kNormal);
            ASSERT_EQ(space.TransformRow(&centroid, y_c.data()), RowClass::kNormal);
            ASSERT_EQ(space.TransformQuery(&q, y_q.data()), RowClass::kNormal);
            SketchQuery query;
            query.Reset(y_q.data(), space.padded());
            const Block block = MakeBlock({y}, y_c, false);
            const float bound = BoundsOf(block, query, TermsOf(y_q, y_c, false), 1.9, space.padded())[0];
            EXPECT_LE(bound, TrueValue(y_q, y, false) + 0.05);
        }
    }
}

// No magnitude that the space lets through makes a bound that is not a number, which would lose the row.
TEST(SketchEstimateTest, StaysFiniteAtTheEndsOfTheRange) {
    Random random(11);
    for (const size_t n : {64, 1000, 16000}) {
        for (const Metric metric : {Metric::kL2, Metric::kInnerProduct}) {
            const bool inner_product = metric == Metric::kInnerProduct;
            const Space space(metric, n, 5, std::vector<float>(n, 0.0F));
            for (const double length : {1e-43, 1e-30, 1e-19, 1e-3, 2.8e17}) {
                const double deviation = length / std::sqrt(static_cast<double>(n)) * 0.99;
                std::vector<float> c = GaussianVector(&random, n, deviation);
                std::vector<std::vector<float>> ys(3, std::vector<float>(space.padded()));
                std::vector<float> y_c(space.padded());
                std::vector<float> y_q(space.padded());
                if (space.TransformRow(c.data(), y_c.data()) != RowClass::kNormal) continue;
                // The signs of a row can oppose the centroid entirely.
                for (size_t i = 0; i < space.padded(); ++i) {
                    ys[0][i] = -y_c[i];
                    ys[1][i] = 0;
                    ys[2][i] = y_c[i] / 2;
                }
                for (const double factor : {-1.0, 1.0}) {
                    for (size_t i = 0; i < space.padded(); ++i) y_q[i] = static_cast<float>(factor) * y_c[i];
                    SketchQuery query;
                    query.Reset(y_q.data(), space.padded());
                    const Block block = MakeBlock(ys, y_c, inner_product);
                    const std::vector<float> bounds =
                        BoundsOf(block, query, TermsOf(y_q, y_c, inner_product), 10, space.padded());
                    for (size_t v = 0; v < 3; ++v) {
                        EXPECT_TRUE(std::isfinite(bounds[v])) << n << " " << length << " " << factor << " " << v;
                    }
                }
            }
        }
    }
}

}  // namespace
}  // namespace annex

// A row's squared distance from the query is taken for normally distributed, with what its list tells: the residual r
// has the length rho on the average, and
//   ||q - y||^2 = ||v||^2 + ||r||^2 - 2 <v, r>,  v = q - c,  <v, r> having the variance ||v||^2 rho^2 / d
// in d effective dimensions, of which data have fewer than coordinates. A search for the range refines a row unless
// annex/true_bounds.h rules it out, i.e. up to a squared distance that is greater by 2 * 0.76 ||v|| rho.
//
// With the constants below the estimate is 0.3 to 6 times the true share for 8 queries of embeddings of texts (cosine)
// and of photographs (L2) and radii with 0.1 to 30 % of the rows. Radii with fewer rows are told apart less well, and
// need not be: looking into all lists is most of what they cost.
#include "annex/range_estimate.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "annex/refinement.h"

namespace annex {
namespace {

constexpr size_t kMostLists = 1000;
constexpr double kEffectiveDimensions = 80;
constexpr double kSpread = 0.2;  // of ||r||^2 about rho^2, as a share of it
constexpr double kSketchError = 0.76;

double NormalShare(double deviations) noexcept {
    return std::erfc(-deviations / std::sqrt(2.0)) / 2;
}

// How far below the radius a row of the list is on the average, how much rows vary, and what the sketches leave open,
// all in the units of sketches.
struct Margin {
    double room;
    double deviation;
    double error;
};

RangeShares SharesOf(const Margin& margin) noexcept {
    const double deviation = std::max(margin.deviation, 1e-300);
    return {NormalShare(margin.room / deviation), NormalShare((margin.room + margin.error) / deviation)};
}

// The squared distance of L2 beyond which no row is within a distance. Of bits a query has about twice the square of
// its norm, the mean being half of the bits, and no row is nearer than by h / (q + h), having at most q + h bits.
double CertainlySquared(Metric metric, double limit, double norm) noexcept {
    switch (metric) {
        case Metric::kCosine:
            return 2 * limit;
        case Metric::kHamming:
            return limit;
        case Metric::kJaccard:
            return limit < 1 ? 2 * norm * norm * limit / (1 - limit) : std::numeric_limits<float>::max();
        default:
            return limit * limit;
    }
}

}  // namespace

RangeShares EstimateRange(const Space& space, const CentroidTable& lists, const float* query, double radius) {
    std::vector<float> y(space.padded());
    if (lists.size() == 0 || space.TransformQuery(query, y.data()) != RowClass::kNormal) return {1, 1};
    const RowQuery row_query(space, query, y.data());
    const bool inner_product = space.metric() == Metric::kInnerProduct;
    const double limit = std::max(radius, 0.0);
    const double certain = CertainlySquared(space.metric(), limit, row_query.norm());
    // For L1 the radius of L2 beyond which no row can be is far from that of most rows at the distance.
    const double squared = space.metric() == Metric::kL1
                               ? certain * std::numbers::pi / 2 / static_cast<double>(space.dimensions())
                               : certain;
    double mean_product = 0;
    if (inner_product)
        for (size_t i = 0; i < space.dimensions(); ++i)
            mean_product += static_cast<double>(query[i]) * static_cast<double>(space.mean()[i]);

    const size_t step = (lists.size() + kMostLists - 1) / kMostLists;
    RangeShares sums{0, 0};
    double counted = 0;
    for (size_t list = 0; list < lists.size(); list += step, ++counted) {
        const auto rho = static_cast<double>(lists.rho(list));
        Margin margin;
        if (inner_product) {
            const double product = static_cast<double>(row_query.InnerProduct(lists.codes(list), lists.scale(list)));
            margin.room = radius + mean_product + product;
            margin.deviation = row_query.norm() * rho / std::sqrt(kEffectiveDimensions);
            margin.error = kSketchError * row_query.norm() * rho;
        } else {
            const double base = static_cast<double>(row_query.SquaredDistance(lists.codes(list), lists.scale(list)));
            margin.room = squared - base - rho * rho;
            margin.deviation = rho * std::sqrt(4 * base / kEffectiveDimensions + kSpread * kSpread * rho * rho);
            margin.error = 2 * kSketchError * std::sqrt(base) * rho + (certain - squared);
        }
        const RangeShares shares = SharesOf(margin);
        sums.within += shares.within;
        sums.passed += shares.passed;
    }
    return {sums.within / counted, sums.passed / counted};
}

}  // namespace annex

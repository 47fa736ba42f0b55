// The search over inverted lists: which lists come first.
//
// Centroids are ranked by their sketches first, and as many as may be probed by their rows. They come as a list that is
// fed like any other, or lie in a table in memory.
#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>

#include "annex/error.h"
#include "annex/kernels.h"
#include "annex/search.h"

namespace annex {

static constexpr float kInfinity = std::numeric_limits<float>::infinity();

// The root's entries are coded for L2 around the origin, whatever the metric: f_add = ||c||^2, f_rescale * <s, q> ~ -2
// <q, c>. Inner product takes half of the latter alone, and ranks a list whose rows lie far from its centroid higher:
// its rho stands in the place of the error.
void ListSearch::BeginRanking() {
    const auto norm = static_cast<float>(row_query_.norm());
    threshold_ = kInfinity;
    terms_ = metric_ == Metric::kInnerProduct
                 ? BoundTerms{0, 0, sketch_query_.sum_scale() / 2, sketch_query_.sum_offset() / 2, kRhoWeight * norm}
                 : BoundTerms{norm * norm, 1, sketch_query_.sum_scale(), sketch_query_.sum_offset(), 0};
    feeds_bits_ = false;
    list_filter_ = nullptr;
    rows_first_ = false;
    entries_before_ = counters_.entries;
    row_in_block_ = 0;
    survivors_.clear();
}

void ListSearch::EndRanking() {
    if (row_in_block_ != 0) throw Error(ErrorKind::kCorrupted, "the list of centroids ends inside a block");
    counters_.centroids += counters_.entries - entries_before_;
    counters_.entries = entries_before_;
    centroids_.swap(survivors_);
    survivors_.clear();
    const std::span<float> estimates = estimates_.Reset(centroids_.size());
    for (size_t i = 0; i < centroids_.size(); i++) estimates[i] = centroids_[i].bound;
    threshold_ = limit_;  // of the round that ranking is part of
}

std::span<const Survivor> ListSearch::NextCentroids(size_t count) {
    taken_.clear();
    for (const uint32_t number : estimates_.Next(count)) taken_.push_back(centroids_[number]);
    std::sort(taken_.begin(), taken_.end(), [](const Survivor& a, const Survivor& b) { return a.place < b.place; });
    return taken_;
}

void ListSearch::Rank(const Survivor& centroid, const int8_t* codes, float scale, float rho) {
    CheckFactors(scale, rho);
    RankedList list{};
    list.target = centroid.heap_tid;
    const double norm_squared = row_query_.norm() * row_query_.norm();
    if (metric_ == Metric::kInnerProduct) {
        const double product = row_query_.InnerProduct(codes, scale);
        int32_t codes_squared = 0;  // at most 16,000 * 127^2
        for (size_t i = 0; i < space_->padded(); i++) codes_squared += codes[i] * codes[i];
        const double centroid_squared =
            static_cast<double>(codes_squared) * static_cast<double>(scale) * static_cast<double>(scale);
        // Any multiple of the centroid may be taken off the query; one that overflows is of no use.
        double along = centroid_squared > 0 ? product / centroid_squared : 0;
        if (!(std::fabs(along) < 1e30)) along = 0;
        list.base = static_cast<float>(-product);
        list.add_scale = static_cast<float>(along);
        list.length = static_cast<float>(std::sqrt(centroid_squared));
        list.reach = static_cast<float>(std::sqrt(std::max(0.0, norm_squared - along * product)));
        list.key = static_cast<float>(-product - kRhoWeight * row_query_.norm() * static_cast<double>(rho));
    } else {
        list.base = row_query_.SquaredDistance(codes, scale);
        list.add_scale = 1;
        list.reach = std::sqrt(list.base);
        list.length = static_cast<float>(row_query_.norm()) + list.reach;
        list.key = list.base;
    }
    ranked_.push_back(list);
}

// Those that were ranked before are in order already.
void ListSearch::SortRanked(size_t kept) {
    const auto nearer = [](const RankedList& a, const RankedList& b) { return a.key < b.key; };
    const auto first = static_cast<ptrdiff_t>(std::max(probed_, kept));
    const auto fresh = std::max(first, static_cast<ptrdiff_t>(sorted_));
    std::sort(ranked_.begin() + fresh, ranked_.end(), nearer);
    std::inplace_merge(ranked_.begin() + first, ranked_.begin() + fresh, ranked_.end(), nearer);
    sorted_ = ranked_.size();
}

// Estimates of the lists of a block; returns which of them are up to the limit, which is finite or -infinity. The
// table's entries are live, and its blocks whole but for the last, in which more than there are may be returned.
uint32_t ListSearch::EstimateTableBlock(const CentroidTable& table, size_t block, float limit, float* estimates) {
    const Kernels& kernels = ActiveKernels();
    const SketchLayout& layout = table.layout();
    const uint8_t* rows = table.rows() + block * layout.block_bytes();
    std::fill(std::begin(sums_), std::end(sums_), 0);
    kernels.sketch_accumulate(layout.codes(rows), layout.code_rows(), sketch_query_.table(), sums_);
    const BlockTrailer& trailer = *TrailerOf(rows);
    const float above = std::nextafterf(limit, kInfinity);
    uint32_t mask =
        kernels.sketch_bounds(sums_, trailer.f_add, trailer.f_rescale, trailer.f_error, terms_, above, estimates);
    counters_.centroids += kBlockSize;
    uint32_t nans = 0;  // as wide as a float, so that compilers vectorise it
    for (size_t v = 0; v < kBlockSize; v++) nans |= std::isnan(estimates[v]) ? 1U : 0U;
    if (nans == 0) return mask;
    for (size_t v = 0; v < kBlockSize; v++) {
        if (!std::isnan(estimates[v])) continue;
        estimates[v] = -kInfinity;
        mask |= 1U << v;
    }
    return mask;
}

// Which lists are among the best is told by the estimates as they come, once some blocks have shown what to expect.
void ListSearch::EstimateTable(const CentroidTable& table, size_t wanted) {
    constexpr size_t kSampledBlocks = 4;
    BeginRanking();
    const size_t whole = table.size() / kBlockSize;
    float sample[kSampledBlocks * kBlockSize];
    const size_t sampled = whole < 4 * kSampledBlocks ? 0 : kSampledBlocks;
    for (size_t i = 0; i < sampled; i++)
        (void)EstimateTableBlock(table, i * whole / sampled, -kInfinity, sample + i * kBlockSize);
    const std::span<float> estimates = estimates_.Reset(table.size());
    const float limit = estimates_.Expect(wanted, std::span(sample, sampled * kBlockSize));
    for (size_t block = 0; block < whole; block++) {
        const size_t first = block * kBlockSize;
        uint32_t mask = EstimateTableBlock(table, block, limit, &estimates[first]);
        for (; mask != 0; mask &= mask - 1) estimates_.Pass(first + static_cast<size_t>(__builtin_ctz(mask)));
    }
    const size_t rest = table.size() % kBlockSize;
    if (rest == 0) return;
    float last[kBlockSize];
    const uint32_t mask = EstimateTableBlock(table, whole, limit, last);
    for (size_t v = 0; v < rest; v++) {
        const size_t list = whole * kBlockSize + v;
        estimates[list] = last[v];
        if ((mask >> v & 1) != 0) estimates_.Pass(list);
    }
}

std::span<const uint32_t> ListSearch::NearestLists(const CentroidTable& table, size_t count) {
    if (estimates_.size() != table.size()) {
        EstimateTable(table, count);
        threshold_ = limit_;  // of the round that ranking is part of
    }
    return estimates_.Next(count);
}

void ListSearch::RankTable(const CentroidTable& table, size_t wanted, size_t kept) {
    const size_t count = RankedFor(wanted);
    if (ranked_.size() >= std::min(count, table.size())) return;
    // Rows of centroids are many and wanted in no order that a processor could foresee.
    constexpr size_t kAhead = 4;
    const std::span<const uint32_t> nearest = NearestLists(table, count - ranked_.size());
    for (size_t i = 0; i < std::min(kAhead, nearest.size()); i++) table.Prefetch(nearest[i]);
    for (size_t i = 0; i < nearest.size(); i++) {
        if (i + kAhead < nearest.size()) table.Prefetch(nearest[i + kAhead]);
        const uint32_t list = nearest[i];
        Rank({0, list, table.target(list)}, table.codes(list), table.scale(list), table.rho(list));
    }
    SortRanked(kept);
}

void ListSearch::RankAgain() {
    centroids_.clear();
    (void)estimates_.Reset(0);
    ranked_.clear();
    sorted_ = 0;
    probed_ = 0;
    row_in_block_ = 0;
    survivors_.clear();
}

}  // namespace annex

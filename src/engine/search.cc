// The search over inverted lists: rounds, threshold and candidates.
#include "annex/search.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "annex/error.h"
#include "annex/kernels.h"

namespace annex {

static constexpr float kInfinity = std::numeric_limits<float>::infinity();
// More than a bound of bit strings can be.
static constexpr double kMostBits = 1e9;

// The float nearest below or above a double, so that a bound stays one.
static float RoundDown(double value) noexcept {
    const float rounded = static_cast<float>(value);
    return rounded > value ? std::nextafterf(rounded, -kInfinity) : rounded;
}
static float RoundUp(double value) noexcept {
    const float rounded = static_cast<float>(value);
    return rounded < value ? std::nextafterf(rounded, kInfinity) : rounded;
}

void ListSearch::Reset(const Space& space) {
    space_ = &space;
    layout_.padded = space.padded();
    y_.resize(space.padded());
    scratch_.resize(layout_.block_bytes());
    survivors_.clear();
    centroids_.clear();
    (void)estimates_.Reset(0);
    ranked_.clear();
    sorted_ = 0;
    probed_ = 0;
    best_.clear();
    candidates_.clear();
    next_ = ready_ = 0;
    exhausted_ = false;
    seen_.Clear();
    asked_ = passed_ = 0;
    rows_first_ = false;
    counters_ = SearchCounters{};
    filter_ = nullptr;
    rows_ = nullptr;
    whole_ = false;
    radius_ = std::numeric_limits<double>::infinity();
    range_ = false;
    norm_ratio_ = NormRatio{};
}

// Of a search for rows, once row_query_ and y_ are there.
void ListSearch::UseQuery() {
    sketch_query_.Reset(y_.data(), space_->padded());
    if (metric_ != Metric::kL1 && !IsOfBits(metric_)) return;
    z_ = y_;
    space_->ToRowSpace(z_.data());
    row_query_.UseRowSpace(z_.data());
    if (!IsOfBits(metric_)) return;
    bits_query_.ResetBits(z_.data(), space_->padded());
}

RowClass ListSearch::Begin(const Space& space, const float* query, float epsilon, size_t max_candidates) {
    Reset(space);
    metric_ = space.metric();
    epsilon_ = epsilon;
    max_candidates_ = std::max<size_t>(max_candidates, 64);
    const RowClass row_class = space.TransformQuery(query, y_.data());
    if (row_class != RowClass::kNormal) return row_class;
    row_query_ = RowQuery(space, query, y_.data());
    UseQuery();
    mean_product_ = 0;
    if (metric_ == Metric::kInnerProduct)
        for (size_t i = 0; i < space.dimensions(); i++)
            mean_product_ += static_cast<double>(query[i]) * static_cast<double>(space.mean()[i]);
    return RowClass::kNormal;
}

void ListSearch::BeginStoredRow(const Space& space, const float* y, float epsilon, size_t max_candidates) {
    Reset(space);
    metric_ = space.metric();
    epsilon_ = epsilon;
    max_candidates_ = std::max<size_t>(max_candidates, 64);
    std::fill(y_.begin(), y_.end(), 0.0F);
    // A query is not centred for inner product.
    if (metric_ == Metric::kInnerProduct && space.TransformQuery(space.mean().data(), y_.data()) != RowClass::kNormal)
        std::fill(y_.begin(), y_.end(), 0.0F);
    for (size_t i = 0; i < space.padded(); i++) y_[i] += y[i];
    row_query_ = RowQuery(space, y_.data());
    UseQuery();
    mean_product_ = 0;
}

RowClass ListSearch::BeginRow(const Space& space, const float* x) {
    Reset(space);
    metric_ = Metric::kL2;
    const RowClass row_class = space.TransformRow(x, y_.data());
    if (row_class != RowClass::kNormal) return row_class;
    row_query_ = RowQuery(space, x, y_.data());
    sketch_query_.Reset(y_.data(), space.padded());
    return RowClass::kNormal;
}

void ListSearch::SearchRange(double radius) noexcept {
    radius_ = radius;
    range_ = true;
    if (!IsOfBits(metric_)) true_bounds_ = TrueBounds(*space_, sketch_query_, row_query_.norm(), mean_product_);
}

// ---- A round ----

bool ListSearch::Open() const noexcept {
    return threshold_ == kInfinity;
}

// Operator's units to those in which sketches estimate: the squared distance of L2, or the inner product without the
// mean's part. For Hamming's distance h it is h; Jaccard's is d = 2 h / (a + q + h), a and q being the bits that are
// set in the row and in the query, which grows with d / (2 - d) = h / (a + q).
double ListSearch::SketchUnits(double value) const noexcept {
    switch (metric_) {
        case Metric::kL2:
            return value * value;
        case Metric::kCosine:
            return 2 * value;
        case Metric::kInnerProduct:
            return value + mean_product_;
        case Metric::kL1:
            return value * value * norm_ratio_.scale();
        case Metric::kHamming:
            return value;
        case Metric::kJaccard:
            return value <= 1 ? value / (2 - value) : kMostBits;
    }
    return value;
}

void ListSearch::BeginRound(size_t k, float patience) {
    // Half of the candidates must be enough for a round, so that forgetting the worse half never starves it.
    k_ = std::clamp<size_t>(k, 1, max_candidates_ / 2);
    candidates_.erase(candidates_.begin(), candidates_.begin() + static_cast<ptrdiff_t>(next_));
    next_ = ready_ = 0;
    if (filter_ != nullptr) DropFiltered();
    patience_ = patience;
    lists_begun_ = unmatched_ = last_gain_ = 0;
    ceiling_ = kInfinity;
    threshold_ = limit_ = SketchRadius();
    best_.clear();
    if (!range_)
        for (const Candidate& candidate : candidates_) Consider(candidate.upper);
    if (trace_ != nullptr) traced_ = trace_->rows.size();
    counters_.rounds++;
}

// The radius as a threshold: rounded so that a row at it passes.
float ListSearch::SketchRadius() const noexcept {
    constexpr double kRounding = 1e-5;
    if (std::isinf(radius_)) return static_cast<float>(radius_);
    if (range_ && !IsOfBits(metric_)) return true_bounds_.Threshold(radius_);
    const double at = metric_ == Metric::kInnerProduct ? radius_ : std::max(radius_, 0.0);
    // A distance of L2 is at most that of L1.
    const double units = metric_ == Metric::kL1 ? at * at : SketchUnits(at);
    return std::nextafterf(RoundUp(units + kRounding * std::fabs(units)), kInfinity);
}

bool ListSearch::Complete() const noexcept {
    if (filter_ == nullptr || !whole_ || ceiling_ != kInfinity) return false;
    const TidSet* rows = filter_->rows;
    return rows != nullptr && rows->lossy_pages() == 0 && seen_.size() >= rows->exact_rows();
}

// A filter that came between two rounds applies to what the first of them has found, too.
void ListSearch::DropFiltered() {
    if (filter_->rows == nullptr) return;
    candidates_.erase(
        std::remove_if(candidates_.begin(), candidates_.end(),
                       [this](const Candidate& candidate) { return !filter_->rows->Contains(candidate.heap_tid); }),
        candidates_.end());
}

float ListSearch::Demand(Metric metric, float key, float first_key, float threshold, double dry) noexcept {
    // What each dry list adds to what the next one demands.
    constexpr double kDryWeight = 0.3;
    const auto at = static_cast<double>(key);
    const auto limit = static_cast<double>(threshold);
    double ratio;
    if (metric == Metric::kInnerProduct) {
        const double scale = std::max(std::fabs(limit), std::fabs(static_cast<double>(first_key)));
        ratio = scale > 0 ? 1 + (at - limit) / scale : 1;
    } else {
        if (at <= 0) return 0;
        ratio = at / limit;
    }
    return static_cast<float>(ratio * (1 + kDryWeight * std::log1p(dry)));
}

// The dry lists since a row last came into the k' best, as far as they count.
double ListSearch::Dry() const noexcept {
    constexpr size_t kListsPerRow = 14;
    constexpr size_t kMostLists = 200;
    constexpr size_t kShareOfLists = 5;
    const auto dry = static_cast<double>(lists_begun_ - last_gain_);
    if (filter_ == nullptr) return dry;
    const size_t many = std::min({kListsPerRow * k_, kMostLists, estimates_.size() / kShareOfLists + 1});
    return dry / (1 + static_cast<double>(lists_begun_ - unmatched_) / static_cast<double>(many));
}

float ListSearch::Demand(const RankedList& list) const noexcept {
    if (filter_ != nullptr && Complete()) return kInfinity;
    return Open() ? 0 : Demand(metric_, list.key, ranked_.front().key, threshold_, Dry());
}

// Where no more than one entry in so many is in the set, it is asked before the codes are read: most blocks hold none
// then. With more it costs more than it saves: measured 0.45 to 1.1 times the work at 1 % and less, 1.5 times at 10 %,
// in two processes one after the other on a machine where the same work varied by 1.4 times, so that only the order of
// magnitude of this number is known.
static constexpr uint64_t kEntriesPerMatch = 50;

// The look-up table's rounding is an error of its own, which counts where a list is much nearer than the query is long.
BoundTerms ListSearch::TermsOf(const RankedList& list, SketchSource source) const noexcept {
    if (IsOfBits(metric_)) return {0, 1, bits_query_.sum_scale(), bits_query_.sum_offset(), 0};
    if (range_) return true_bounds_.Terms({list.base, list.add_scale, list.reach, list.length}, source, radius_);
    const double sigma =
        static_cast<double>(sketch_query_.sum_scale()) * std::sqrt(static_cast<double>(space_->padded()) / 48);
    const double reach = std::hypot(static_cast<double>(list.reach), 1.67 * sigma);
    return {list.base, list.add_scale, sketch_query_.sum_scale(), sketch_query_.sum_offset(),
            epsilon_ * static_cast<float>(reach)};
}

void ListSearch::BeginList(const RankedList& list, SketchSource source) {
    terms_ = TermsOf(list, source);
    feeds_bits_ = IsOfBits(metric_);
    list_filter_ = filter_;
    matched_ = false;
    rows_first_ = filter_ != nullptr && filter_->rows != nullptr && passed_ * kEntriesPerMatch <= asked_;
    row_in_block_ = 0;
    survivors_.clear();
    lists_begun_++;
    counters_.lists++;
    if (trace_ != nullptr) trace_->keys.push_back(list.key);
}

void ListSearch::FeedRows(const uint8_t* rows, size_t count, size_t start_row) {
    if (count == 0) return;
    if (start_row != row_in_block_)
        throw Error(ErrorKind::kCorrupted, "a sketch page does not go on where the page before it ended");
    const size_t block_rows = layout_.block_rows();
    if (row_in_block_ > 0) {  // the rest of a block
        const size_t taken = std::min(count, block_rows - row_in_block_);
        SumCodes(rows, taken);
        rows += taken * kRowBytes;
        count -= taken;
        if (row_in_block_ == block_rows) {
            Estimate(cut_, cut_admitted_);
            row_in_block_ = 0;
        }
    }
    FeedBlocks(rows, count / block_rows);
    rows += count / block_rows * block_rows * kRowBytes;
    count %= block_rows;
    if (count == 0) return;
    if (count < layout_.head_rows()) throw Error(ErrorKind::kCorrupted, "the head of a sketch block is cut");
    cut_admitted_ = Admitted(rows);
    if (cut_admitted_ != 0) std::memcpy(&cut_, rows, sizeof cut_);
    std::fill(std::begin(sums_), std::end(sums_), 0);
    row_in_block_ = layout_.head_rows();
    SumCodes(layout_.codes(rows), count - row_in_block_);
}

// Whole blocks. Which of them are needed is seen one block ahead, so that their codes are on their way by then.
void ListSearch::FeedBlocks(const uint8_t* block, size_t count) {
    if (count == 0) return;
    const size_t bytes = layout_.block_bytes();
    uint32_t admitted = Admitted(block);
    for (; count > 1; count--, block += bytes) {
        const uint32_t next = Admitted(block + bytes);
        if (next != 0 && list_filter_ != nullptr) PrefetchCodes(block + bytes);
        FeedBlock(block, admitted);
        admitted = next;
    }
    FeedBlock(block, admitted);
}

void ListSearch::PrefetchCodes(const uint8_t* block) const noexcept {
    constexpr size_t kCacheLine = 64;
    constexpr size_t kLinesAhead = 8;
    const uint8_t* codes = layout_.codes(block);
    const size_t end = std::min(layout_.code_rows() * kRowBytes, kLinesAhead * kCacheLine);
    for (size_t at = 0; at < end; at += kCacheLine) __builtin_prefetch(codes + at);
}

ListSearch::HeadPart ListSearch::AskedFirst() const noexcept {
    constexpr HeadPart kTids{offsetof(BlockTrailer, heap_tid), offsetof(BlockTrailer, place)};
    if (list_filter_ == nullptr) return {0, 0};
    const HeadPart strips{sizeof(BlockTrailer), sizeof(BlockTrailer) + layout_.columns.strip_bytes()};
    if (!rows_first_) return list_filter_->columns != nullptr ? strips : HeadPart{0, 0};
    return list_filter_->columns != nullptr ? HeadPart{kTids.begin, strips.end} : kTids;
}

// The slots of a block that may pass, as far as that is asked before its codes are read.
uint32_t ListSearch::Admitted(const uint8_t* block) {
    if (list_filter_ == nullptr) return UINT32_MAX;
    const uint32_t admitted = list_filter_->columns != nullptr ? AdmittedByStrips(block) : UINT32_MAX;
    return rows_first_ && admitted != 0 ? Passing(*TrailerOf(block), admitted, admitted) : admitted;
}

uint32_t ListSearch::AdmittedByStrips(const uint8_t* block) {
    const uint32_t admitted = list_filter_->columns->Matching(StripsOf(block));
    CountAdmitted(admitted, kBlockSize);
    return admitted;
}

// Slots without an entry count as well: telling them apart would take longer than the filter does.
void ListSearch::CountAdmitted(uint32_t admitted, size_t slots) noexcept {
    const auto count = static_cast<uint64_t>(std::popcount(admitted));
    counters_.skipped += slots - count;
    if (list_filter_->rows == nullptr) counters_.passed += count;
}

// Adds up the next code rows of a block that is cut.
void ListSearch::SumCodes(const uint8_t* codes, size_t rows) {
    const uint8_t* table = ListQuery().table() + (row_in_block_ - layout_.head_rows()) * kRowBytes;
    if (cut_admitted_ != 0) ActiveKernels().sketch_accumulate(codes, rows, table, sums_);
    row_in_block_ += rows;
}

void ListSearch::FeedBlock(const uint8_t* block, uint32_t admitted) {
    if (admitted == 0) return;
    // Wanted when the codes have been read; a processor foresees only what follows on them.
    constexpr size_t kCacheLine = 64;
    for (size_t line = 0; line < sizeof(BlockTrailer); line += kCacheLine) __builtin_prefetch(block + line);
    std::fill(std::begin(sums_), std::end(sums_), 0);
    ActiveKernels().sketch_accumulate(layout_.codes(block), layout_.code_rows(), ListQuery().table(), sums_);
    Estimate(*TrailerOf(block), admitted);
}

void ListSearch::FeedEntries(const uint8_t* entries, size_t count) {
    if (count == 0) return;
    if (row_in_block_ != 0) throw Error(ErrorKind::kCorrupted, "entries follow an incomplete sketch block");
    for (size_t done = 0; done < count; done += kBlockSize) {
        const uint8_t* first = entries + done * layout_.entry_bytes();
        const size_t taken = std::min(kBlockSize, count - done);
        const uint32_t admitted = AdmittedEntries(first, taken);
        if (admitted == 0) continue;
        PackBlock(first, taken, layout_, scratch_.data());
        const BlockTrailer& trailer = *TrailerOf(scratch_.data());
        FeedBlock(scratch_.data(), rows_first_ ? Passing(trailer, admitted, admitted) : admitted);
    }
}

// The same as Admitted() of entries, at most 32.
uint32_t ListSearch::AdmittedEntries(const uint8_t* entries, size_t count) {
    if (list_filter_ == nullptr || list_filter_->columns == nullptr) return UINT32_MAX;
    uint32_t admitted = 0;
    for (size_t v = 0; v < count; v++) {
        const uint8_t* values = layout_.values(entries + v * layout_.entry_bytes());
        admitted |= (list_filter_->columns->Matches(values) ? 1U : 0U) << v;
    }
    CountAdmitted(admitted, count);
    return admitted;
}

// h / (a + q) of 32 rows, rounded down, see SketchUnits; nothing is further away than where both have no bit. Bit v of
// the result is set where it is below the threshold.
static uint32_t JaccardBounds(const uint32_t* sums, const uint16_t* row_bits, float query_bits, float threshold,
                              float* bounds) noexcept {
    constexpr float kBelow = 1 - 0x1p-22F;
    for (size_t v = 0; v < kBlockSize; v++) {
        const float bits = static_cast<float>(row_bits[v]) + query_bits;
        bounds[v] = bits > 0 ? static_cast<float>(sums[v]) / bits * kBelow : kBelow;
    }
    uint32_t mask = 0;
    for (size_t v = 0; v < kBlockSize; v++) mask |= (bounds[v] < threshold ? 1U : 0U) << v;
    return mask;
}

// Bounds of the rows of a block by these terms, and which of them are below the threshold.
uint32_t ListSearch::BoundsOf(const BlockTrailer& trailer, const BoundTerms& terms, float threshold,
                              float* bounds) const noexcept {
    if (feeds_bits_ && metric_ == Metric::kJaccard)
        return JaccardBounds(sums_, trailer.f_error, static_cast<float>(row_query_.bits()), threshold, bounds);
    return ActiveKernels().sketch_bounds(sums_, trailer.f_add, trailer.f_rescale, trailer.f_error, terms, threshold,
                                         bounds);
}

// Bounds of a block whose sums are complete; what may matter becomes a survivor.
void ListSearch::Estimate(const BlockTrailer& trailer, uint32_t admitted) {
    if (admitted == 0) return;
    float bounds[kBlockSize];
    uint32_t mask = BoundsOf(trailer, terms_, threshold_, bounds);
    if (Open()) mask = UINT32_MAX;  // no live row is ever lost to a bound that overflowed
    if (range_)
        for (size_t v = 0; v < kBlockSize; v++) mask |= (std::isnan(bounds[v]) ? 1U : 0U) << v;
    mask &= admitted;
    const size_t first = survivors_.size();
    counters_.entries += kBlockSize;
    if (list_filter_ != nullptr && !rows_first_ && (mask != 0 || !matched_)) mask = Passing(trailer, mask, admitted);
    while (mask != 0) {
        const auto v = static_cast<size_t>(__builtin_ctz(mask));
        mask &= mask - 1;
        if (!trailer.heap_tid[v].valid()) continue;
        // A NaN from a damaged page must not reach a sort.
        const float bound = std::isnan(bounds[v]) ? -kInfinity : bounds[v];
        survivors_.push_back({bound, trailer.place[v], trailer.heap_tid[v]});
    }
    if (trace_ != nullptr && counters_.lists > 0) TraceSketches(trailer, first);
}

// Those of a block that may matter, `among`, and pass the filter. As long as no row of the list is known to pass, the
// others that the columns admit are asked about, too.
uint32_t ListSearch::Passing(const BlockTrailer& trailer, uint32_t among, uint32_t admitted) {
    if (list_filter_->rows == nullptr) {
        for (uint32_t left = admitted; left != 0 && !matched_; left &= left - 1)
            matched_ = trailer.heap_tid[std::countr_zero(left)].valid();
        return among;
    }
    // Slots without an entry count as asked: telling them apart would take longer than the question.
    const TidSet& rows = *list_filter_->rows;
    const uint32_t passing = rows.Matching(trailer.heap_tid, among);
    const auto passed = static_cast<uint64_t>(std::popcount(passing));
    const auto asked = static_cast<uint64_t>(std::popcount(among));
    counters_.passed += passed;
    counters_.skipped += asked - passed;
    asked_ += asked;
    passed_ += passed;
    matched_ = matched_ || passing != 0 || rows.ContainsAny(trailer.heap_tid, ~among & admitted);
    return passing;
}

// Those of a block that have become survivors, in its order.
void ListSearch::TraceSketches(const BlockTrailer& trailer, size_t first) {
    BoundTerms terms = terms_;
    terms.error_scale = 0;
    float estimates[kBlockSize];
    BoundsOf(trailer, terms, 0, estimates);
    size_t v = 0;
    for (size_t i = first; i < survivors_.size(); i++, v++) {
        while (trailer.place[v] != survivors_[i].place || !trailer.heap_tid[v].valid()) v++;
        trace_->sketches.push_back(
            {static_cast<uint32_t>(trace_->keys.size() - 1), survivors_[i].place, estimates[v], survivors_[i].bound});
    }
}

std::span<const Survivor> ListSearch::EndList() {
    if (row_in_block_ != 0) throw Error(ErrorKind::kCorrupted, "a list ends inside a sketch block");
    if (list_filter_ != nullptr && !matched_) {
        unmatched_++;
        last_gain_++;
    }
    return TakeSurvivors();
}

// While the threshold is open, the best of a list close it, so they come first; few of the others matter after that.
// Once it is closed, the order of places lets rows of one page be read together.
std::span<const Survivor> ListSearch::TakeSurvivors() {
    taken_.clear();
    const size_t best = std::min(survivors_.size(), 2 * k_);
    if (range_ || best_.size() == k_) {
        taken_.swap(survivors_);
        std::sort(taken_.begin(), taken_.end(), [](const Survivor& a, const Survivor& b) { return a.place < b.place; });
        return taken_;
    }
    order_.clear();
    for (size_t i = 0; i < survivors_.size(); i++) order_.emplace_back(survivors_[i].bound, static_cast<uint32_t>(i));
    const auto end = order_.begin() + static_cast<ptrdiff_t>(best);
    if (end != order_.end()) std::nth_element(order_.begin(), end, order_.end());
    std::sort(order_.begin(), end);
    for (const auto& [bound, number] : order_) taken_.push_back(survivors_[number]);
    survivors_.clear();
    return taken_;
}

bool ListSearch::Wants(const Survivor& survivor) const noexcept {
    return (Open() || survivor.bound < threshold_) && !seen_.Contains(survivor.place);
}

// What is read from a row must be a number before it is compared with anything.
void ListSearch::CheckFactors(float scale, float error) {
    if (!(scale >= 0 && scale < kInfinity && error >= 0 && error < kInfinity))
        throw Error(ErrorKind::kCorrupted, "the factors of a refinement row are impossible");
}

void ListSearch::Refine(const Survivor& survivor, const int8_t* codes, const RowFactors& row) {
    CheckFactors(row.scale, row.error);
    const Bounds bounds = row_query_.Bound(codes, row);
    const double upper = metric_ == Metric::kL1 ? bounds.upper * bounds.upper : SketchUnits(bounds.upper);
    const Candidate candidate{RoundDown(bounds.lower), RoundUp(upper), survivor.place, survivor.heap_tid};
    counters_.refined++;
    if (trace_ != nullptr)
        trace_->rows.push_back({static_cast<uint32_t>(trace_->keys.size() - 1), candidate.place, candidate.upper});
    if (candidate.lower >= ceiling_ || !seen_.Insert(survivor.place)) return;
    if (static_cast<double>(candidate.lower) > radius_) return;
    if (candidates_.size() >= max_candidates_) Forget();
    candidates_.push_back(candidate);
    if (!range_) Consider(candidate.upper, bounds.spread);
}

// Lets an upper bound into the k' best and tightens the threshold. spread: of the row, if it has not been counted yet.
void ListSearch::Consider(float upper, double spread) {
    if (best_.size() < k_) {
        best_.push_back(upper);
    } else {
        if (!(upper < best_.front())) return;
        std::pop_heap(best_.begin(), best_.end());
        best_.back() = upper;
    }
    std::push_heap(best_.begin(), best_.end());
    last_gain_ = lists_begun_;
    norm_ratio_.Add(spread);
    if (best_.size() < k_) return;
    const float scale = metric_ == Metric::kL1 ? static_cast<float>(norm_ratio_.scale()) : 1;
    threshold_ = std::min(best_.front() * scale, limit_);
}

// Drops the worse half of the candidates. They count as never seen, so that a later round finds them again; what is at
// or beyond the nearest of them is not returned in this round.
void ListSearch::Forget() {
    const auto half = candidates_.begin() + static_cast<ptrdiff_t>(candidates_.size() / 2);
    std::nth_element(candidates_.begin(), half, candidates_.end(),
                     [](const Candidate& a, const Candidate& b) { return a.lower < b.lower; });
    ceiling_ = std::min(ceiling_, half->lower);
    for (auto it = half; it != candidates_.end(); ++it) seen_.Erase(it->place);
    candidates_.erase(half, candidates_.end());
}

static bool InHeapOrder(const Candidate& a, const Candidate& b) noexcept {
    const auto number = [](HeapTid tid) {
        return uint64_t{tid.block_high} << 32 | uint64_t{tid.block_low} << 16 | tid.offset;
    };
    return number(a.heap_tid) < number(b.heap_tid);
}

// What a row's distance of L1 means for sketches is known best in the end.
void ListSearch::FinishTrace() noexcept {
    const float scale = metric_ == Metric::kL1 ? static_cast<float>(norm_ratio_.scale()) : 1;
    for (TracedRow& row : std::span(trace_->rows).subspan(traced_)) row.upper *= scale;
}

void ListSearch::EndRound(size_t probed) {
    if (trace_ != nullptr) FinishTrace();
    probed_ = probed;
    exhausted_ = threshold_ == limit_ && ceiling_ == kInfinity;
    const bool all = range_ || Open() || Complete();  // no row that is nearer than one of them is still to come
    const auto may_be_returned = [this, all](const Candidate& candidate) {
        return candidate.lower <= ceiling_ && (all || SketchUnits(candidate.lower) <= threshold_);
    };
    const auto end = std::partition(candidates_.begin(), candidates_.end(), may_be_returned);
    if (range_)
        std::sort(candidates_.begin(), end, InHeapOrder);
    else
        std::sort(candidates_.begin(), end, [](const Candidate& a, const Candidate& b) { return a.lower < b.lower; });
    next_ = 0;
    ready_ = static_cast<size_t>(end - candidates_.begin());
}

bool ListSearch::Next(Candidate* out) {
    if (next_ >= ready_) return false;
    *out = candidates_[next_++];
    return true;
}

}  // namespace annex

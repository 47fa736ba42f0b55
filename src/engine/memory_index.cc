// Build and search of an index in memory.
#include "annex/memory_index.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <utility>

#include "annex/error.h"
#include "annex/kernels.h"

namespace annex {
namespace {

// A list of this many bytes of entries is what RecommendedLists is asked to fill.
constexpr size_t kListBytes = 8192;
constexpr size_t kMostLists = 16384;
// Survivors lie at random places; a row is fetched while this many before it are refined.
constexpr size_t kPrefetchAhead = 6;
// A round is for this many more rows than are wanted, so that the last is known to be nearer than the next.
constexpr size_t kSpareRows = 4;

// Numbers of rows and lists take the place of heap TIDs and descriptors.
constexpr uint32_t kRowsPerPage = 16;

uint32_t NumberOf(const HeapTid& tid) noexcept {
    return BlockOf(tid) * kRowsPerPage + tid.offset - 1;
}

// By distance, NaN last, then by row.
bool Nearer(const Neighbour& a, const Neighbour& b) noexcept {
    if (std::isnan(a.distance) != std::isnan(b.distance)) return std::isnan(b.distance);
    if (a.distance != b.distance && !std::isnan(a.distance)) return a.distance < b.distance;
    return a.row < b.row;
}

// Keeps the k nearest in a max-heap.
void KeepNearest(std::vector<Neighbour>* heap, const Neighbour& candidate, size_t k) {
    if (heap->size() == k) {
        if (k == 0 || !Nearer(candidate, heap->front())) return;
        std::pop_heap(heap->begin(), heap->end(), Nearer);
        heap->back() = candidate;
    } else {
        heap->push_back(candidate);
    }
    std::push_heap(heap->begin(), heap->end(), Nearer);
}

// Packs entries that lie one after the other into blocks appended to `blocks`.
void AppendBlocks(const std::vector<uint8_t>& entries, size_t padded, std::vector<uint8_t>* blocks) {
    const SketchLayout layout{padded};
    const size_t entry_bytes = layout.entry_bytes();
    const size_t count = entries.size() / entry_bytes;
    for (size_t first = 0; first < count; first += kBlockSize) {
        const size_t start = blocks->size();
        blocks->resize(start + layout.block_bytes());
        PackBlock(&entries[first * entry_bytes], std::min(kBlockSize, count - first), layout, blocks->data() + start);
    }
}

void AppendEntry(const uint8_t* entry, size_t padded, Place place, std::vector<uint8_t>* entries) {
    SketchTrailer trailer;
    std::memcpy(&trailer, entry + CodeBytes(padded), sizeof(trailer));
    trailer.place = place;
    entries->insert(entries->end(), entry, entry + CodeBytes(padded));
    const auto* bytes = reinterpret_cast<const uint8_t*>(&trailer);
    entries->insert(entries->end(), bytes, bytes + sizeof(trailer));
}

}  // namespace

double ExactDistance(Metric metric, const float* a, const float* b, size_t dimensions) noexcept {
    const Kernels& kernels = ActiveKernels();
    if (metric == Metric::kL2) return std::sqrt(static_cast<double>(kernels.l2_squared(a, b, dimensions)));
    if (metric == Metric::kInnerProduct) return -static_cast<double>(kernels.inner_product(a, b, dimensions));
    if (metric == Metric::kL1) return static_cast<double>(kernels.l1(a, b, dimensions));
    if (metric == Metric::kHamming) return static_cast<double>(kernels.l2_squared(a, b, dimensions));
    if (metric == Metric::kJaccard) {
        const auto both = static_cast<double>(kernels.inner_product(a, b, dimensions));
        return both == 0 ? 1 : 1 - both / (both + static_cast<double>(kernels.l2_squared(a, b, dimensions)));
    }
    const CosineSums sums = kernels.cosine(a, b, dimensions);
    const double norms = static_cast<double>(sums.norm_a_squared) * static_cast<double>(sums.norm_b_squared);
    const double similarity = static_cast<double>(sums.inner_product) / std::sqrt(norms);
    return std::isnan(similarity) ? similarity : 1 - std::clamp(similarity, -1.0, 1.0);
}

std::vector<Neighbour> ExactSearch(const VectorView& vectors, Metric metric, const float* query, size_t k) {
    std::vector<Neighbour> nearest;
    for (size_t i = 0; i < vectors.count; ++i) {
        const double distance = ExactDistance(metric, vectors.row(i), query, vectors.dimensions);
        KeepNearest(&nearest, {distance, static_cast<uint32_t>(i)}, k);
    }
    std::sort_heap(nearest.begin(), nearest.end(), Nearer);
    return nearest;
}

// ---- Build ----

HeapTid MemoryTid(uint32_t row) noexcept {
    const uint32_t block = row / kRowsPerPage;
    return {static_cast<uint16_t>(block >> 16), static_cast<uint16_t>(block & 0xFFFF),
            static_cast<uint16_t>(row % kRowsPerPage + 1)};
}

MemoryIndex::MemoryIndex(const VectorView& vectors, const MemoryIndexOptions& options)
    : vectors_(vectors), space_(options.metric, vectors.dimensions, 0, std::vector<float>(vectors.dimensions)) {
    ListBuilder builder(options.metric, vectors.dimensions, options.seed, options.threads);
    Train(&builder, options);
    space_ = builder.space();
    spill_ = builder.spill();
    Encode(&builder);
    PackCentroids(builder);
}

void MemoryIndex::Train(ListBuilder* builder, const MemoryIndexOptions& options) const {
    for (size_t i = 0; i < vectors_.count; ++i) builder->AddToMean(vectors_.row(i));
    builder->FinishMean();
    const size_t padded = builder->space().padded();
    const size_t lists = options.lists > 0
                             ? options.lists
                             : RecommendedLists(static_cast<double>(vectors_.count), {padded}, kListBytes, kMostLists);
    builder->BeginSample(std::min(vectors_.count, lists * kSampleRowsPerList));
    for (size_t i = 0; i < vectors_.count; ++i) builder->AddToSample(vectors_.row(i));
    builder->BeginTraining(lists);
    while (builder->TrainStep()) {
    }
    bool spill = options.spill == SpillChoice::kOn;
    if (options.spill == SpillChoice::kAuto) {
        while (builder->TrialStep()) {
        }
        spill = builder->SpillPays();
    }
    builder->FinishTraining(spill);
}

// Rows get their places when all have been assigned: they lie in the order of their primary lists.
void MemoryIndex::Encode(ListBuilder* builder) {
    const size_t padded = space_.padded();
    const size_t row_bytes = this->row_bytes();
    const size_t record_bytes = builder->record_bytes();
    std::vector<uint8_t> records;
    std::vector<Assignment> assignments;
    const auto flush = [&] {
        const size_t count = builder->EncodeBatch();
        for (size_t i = 0; i < count; ++i) {
            const std::span<const uint8_t> record = builder->record(i);
            records.insert(records.end(), record.begin(), record.end());
            assignments.push_back(builder->assignment(i));
            builder->CountRow(builder->assignment(i).primary, builder->squared_residual(i));
        }
    };
    records.reserve(vectors_.count * record_bytes);
    for (size_t i = 0; i < vectors_.count; ++i) {
        const auto number = static_cast<uint32_t>(i);
        const RowClass row_class = builder->AddRow(vectors_.row(i), MemoryTid(number));
        if (row_class == RowClass::kUnbounded) unbounded_.push_back(number);
        if (row_class == RowClass::kNaN) nan_.push_back(number);
        if (builder->BatchFull()) flush();
    }
    flush();

    std::vector<size_t> order(assignments.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return assignments[a].primary < assignments[b].primary; });
    std::vector<std::vector<uint8_t>> entries(builder->lists());
    rows_.resize(order.size() * row_bytes);
    for (size_t place = 0; place < order.size(); ++place) {
        const uint8_t* record = &records[order[place] * record_bytes];
        const Assignment& assignment = assignments[order[place]];
        std::memcpy(&rows_[place * row_bytes], record, row_bytes);
        const uint8_t* entry = record + row_bytes;
        AppendEntry(entry, padded, static_cast<Place>(place), &entries[assignment.primary]);
        if (spill_ && assignment.secondary != kNoList) {
            AppendEntry(entry + SketchLayout{padded}.entry_bytes(), padded, static_cast<Place>(place),
                        &entries[assignment.secondary]);
        }
    }
    list_rows_.push_back(0);
    for (const std::vector<uint8_t>& list : entries) {
        AppendBlocks(list, padded, &blocks_);
        list_rows_.push_back(blocks_.size() / kRowBytes);
    }
}

void MemoryIndex::PackCentroids(const ListBuilder& builder) {
    centroids_ = std::make_unique<CentroidTable>(space_.padded(), builder.lists());
    for (size_t list = 0; list < builder.lists(); ++list) {
        centroids_->Add(MemoryTid(static_cast<uint32_t>(list)), builder.centroid_codes(list),
                        builder.centroid_scale(list), builder.Rho(list));
    }
    centroids_->Finish();
}

size_t MemoryIndex::bytes() const noexcept {
    return blocks_.size() + rows_.size() + lists() * CentroidTable::BytesPerList(space_.padded()) +
           (unbounded_.size() + nan_.size()) * sizeof(uint32_t);
}

Calibrator MemoryIndex::NewCalibrator() const {
    const double entries = static_cast<double>(places() * (spill_ ? 2 : 1)) / static_cast<double>(lists());
    return {space_.metric(), space_.padded(), entries};
}

MemoryIndex::Row MemoryIndex::row(Place place) const noexcept {
    const uint8_t* bytes = &rows_[place * row_bytes()];
    Row row;
    std::memcpy(&row.factors, bytes, sizeof(row.factors));
    row.codes = reinterpret_cast<const int8_t*>(bytes + sizeof(row.factors));
    return row;
}

void MemoryIndex::Prefetch(Place place) const noexcept {
    const uint8_t* bytes = &rows_[place * row_bytes()];
    for (size_t line = 0; line < row_bytes(); line += 64) __builtin_prefetch(bytes + line);
}

// ---- Search ----

std::span<const Neighbour> MemorySearcher::Search(const float* query, const MemorySearchOptions& options) {
    const size_t k = options.k;
    nearest_.clear();
    rechecked_ = 0;
    filter_ = options.filter;
    radius_ = options.radius;
    if (search_.Begin(index_.space_, query, options.epsilon, std::max<size_t>(4 * k, 100000)) != RowClass::kNormal) {
        for (uint32_t row = 0; row < index_.vectors_.count; ++row) Recheck(query, row, k);
        std::sort_heap(nearest_.begin(), nearest_.end(), Nearer);
        return nearest_;
    }
    search_.SetRadius(options.radius);
    for (const uint32_t row : index_.unbounded_) Recheck(query, row, k);

    size_t probed = 0;
    size_t target = std::max<size_t>(options.probes, 1);
    bool exhausted = false;
    for (size_t round = 0; !exhausted; ++round) {
        if (round == options.filter_from_round) search_.SetFilter(filter_);
        // Lists that seem to be farther away than the radius may have rows within it all the same.
        const bool sweep = round > 0 && search_.Exhausted() && radius_ < std::numeric_limits<double>::infinity();
        target = sweep ? index_.lists() : std::min(target, index_.lists());
        search_.BeginRound(k + kSpareRows, options.patience);
        // Lists of earlier rounds again: their rows may matter to the wider threshold of this round.
        const size_t least = sweep ? target : std::min(2 * probed, target);
        probed = ProbeLists(0, least, target, options.patience);
        search_.EndRound(probed);
        TakeRound(query, k);
        if (nearest_.size() == k) break;
        exhausted = search_.Complete() || (probed == index_.lists() && search_.Exhausted());
        target *= 2;
    }
    for (size_t i = 0; i < index_.nan_.size() && nearest_.size() < k; ++i) Recheck(query, index_.nan_[i], k);
    std::sort_heap(nearest_.begin(), nearest_.end(), Nearer);
    return nearest_;
}

std::span<const Neighbour> MemorySearcher::SearchRange(const float* query, double radius, const RowFilter* filter,
                                                       size_t max_candidates) {
    const size_t all = index_.vectors_.count;
    nearest_.clear();
    rechecked_ = 0;
    filter_ = filter;
    radius_ = radius;
    if (search_.Begin(index_.space_, query, 0, max_candidates) != RowClass::kNormal) {
        for (uint32_t row = 0; row < all; ++row) Recheck(query, row, all);
        return nearest_;
    }
    for (const uint32_t row : index_.unbounded_) Recheck(query, row, all);
    search_.SearchRange(radius);
    search_.SetFilter(filter_);
    for (size_t from = 0; from < index_.lists();) {
        search_.BeginRound(max_candidates);
        const size_t probed = ProbeLists(from, from, index_.lists(), 0);
        search_.EndRound(probed);
        for (Candidate candidate; search_.Next(&candidate);) Recheck(query, NumberOf(candidate.heap_tid), all);
        if (search_.Exhausted()) from = probed;
    }
    return nearest_;
}

void MemorySearcher::Calibrate(Place place, const MemoryDepth& depth, Calibrator* calibrator) {
    const MemoryIndex::Row row = index_.row(place);
    std::vector<float> y(index_.space_.padded());
    DecodeRow(index_.space_, row.codes, row.factors.scale, y.data());
    const size_t k = Calibrator::kKs[depth.deepest];
    trace_.Clear();
    search_.TraceInto(&trace_);
    search_.BeginStoredRow(index_.space_, y.data(), depth.epsilon, index_.places());
    search_.BeginRound(k + kSpareRows + 1, depth.patience);  // with the row itself
    search_.EndRound(ProbeLists(0, 0, std::min(depth.probes, index_.lists()), depth.patience));
    search_.TraceInto(nullptr);
    calibrator->Add(trace_, place, depth.epsilon, depth.deepest, kSpareRows);
}

size_t MemorySearcher::ProbeLists(size_t from, size_t least, size_t most, float patience) {
    size_t probed = from;
    for (; probed < most; ++probed) {
        search_.RankTable(*index_.centroids_, ListSearch::RankAhead(probed, most, patience), probed);
        const RankedList& list = search_.ranked()[probed];
        if (probed >= least && !search_.WorthProbing(list)) break;
        ProbeList(list);
    }
    return probed;
}

void MemorySearcher::ProbeList(const RankedList& list) {
    const uint32_t number = NumberOf(list.target);
    const size_t first = index_.list_rows_[number];
    const size_t count = index_.list_rows_[number + 1] - first;
    search_.BeginList(list);
    search_.FeedRows(index_.blocks_.data() + first * kRowBytes, count, 0);
    const std::span<const Survivor> survivors = search_.EndList();
    for (size_t i = 0; i < std::min(kPrefetchAhead, survivors.size()); ++i) index_.Prefetch(survivors[i].place);
    for (size_t i = 0; i < survivors.size(); ++i) {
        if (i + kPrefetchAhead < survivors.size() && search_.Wants(survivors[i + kPrefetchAhead]))
            index_.Prefetch(survivors[i + kPrefetchAhead].place);
        const Survivor& survivor = survivors[i];
        if (!search_.Wants(survivor)) continue;
        const MemoryIndex::Row row = index_.row(survivor.place);
        search_.Refine(survivor, row.codes, row.factors);
    }
}

void MemorySearcher::TakeRound(const float* query, size_t k) {
    Candidate candidate;
    while (search_.Next(&candidate)) {
        if (nearest_.size() == k && static_cast<double>(candidate.lower) > nearest_.front().distance) break;
        Recheck(query, NumberOf(candidate.heap_tid), k);
    }
}

void MemorySearcher::Recheck(const float* query, uint32_t row, size_t k) {
    if (filter_ != nullptr && filter_->rows != nullptr && !filter_->rows->Contains(MemoryTid(row))) return;
    const VectorView& vectors = index_.vectors_;
    const double distance = ExactDistance(index_.space_.metric(), vectors.row(row), query, vectors.dimensions);
    ++rechecked_;
    if (radius_ < std::numeric_limits<double>::infinity() && !(distance <= radius_)) return;
    KeepNearest(&nearest_, {distance, row}, k);
}

}  // namespace annex

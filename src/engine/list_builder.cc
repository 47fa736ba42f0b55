// Mean, sample, training, assignment and encoding for a build.
#include "annex/list_builder.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "annex/centroid_table.h"
#include "annex/error.h"
#include "engine/clustering/threads.h"

namespace annex {

size_t RecommendedLists(double rows, const SketchLayout& layout, size_t list_bytes, size_t most) noexcept {
    // Half of a page's entries, since with second copies each row has two; less than 60 rows a list make the ranking of
    // centroids dearer than what shorter lists save, more than 200 make every probe so.
    const double fit = static_cast<double>(list_bytes) / static_cast<double>(layout.entry_bytes()) / 2;
    const double rows_per_list = std::clamp(fit * 0.9, 60.0, 200.0);
    if (rows < 4 * rows_per_list) return 1;
    return static_cast<size_t>(std::clamp(std::ceil(rows / rows_per_list), 1.0, static_cast<double>(most)));
}

ListBuilder::ListBuilder(Metric metric, size_t dimensions, uint64_t seed, int threads)
    : metric_(metric),
      dimensions_(dimensions),
      padded_(PaddedDimensions(dimensions)),
      layout_{padded_},
      seed_(seed),
      threads_(threads),
      mean_(metric, dimensions),
      random_(seed),
      row_(padded_) {}

ListBuilder::ListBuilder(ListBuilder&&) noexcept = default;

ListBuilder::~ListBuilder() = default;

// ---- Mean and sample ----

void ListBuilder::AddToMean(const float* x) {
    mean_.Add(x);
}

void ListBuilder::FinishMean() {
    space_ = std::make_unique<Space>(metric_, dimensions_, seed_, mean_.Finish());
}

void ListBuilder::SetMean(const float* mean) {
    space_ = std::make_unique<Space>(metric_, dimensions_, seed_, std::vector<float>(mean, mean + dimensions_));
}

void ListBuilder::BeginSample(size_t capacity) {
    sample_ = std::make_unique<Sample>(padded_, capacity);
    offered_ = 0;
}

void ListBuilder::AddToSample(const float* x) {
    if (sample_->capacity() == 0 || space_->TransformRow(x, row_.data()) != RowClass::kNormal) return;
    AddTransformedToSample(row_.data());
}

void ListBuilder::AddTransformedToSample(const float* y) {
    if (sample_->capacity() == 0) return;
    offered_++;
    if (sample_->size() < sample_->capacity()) {
        sample_->Add(y);
        return;
    }
    const uint64_t slot = random_.Below(offered_);
    if (slot < sample_->capacity()) sample_->Replace(slot, y);
}

// ---- Training ----

void ListBuilder::BeginTraining(size_t lists, const Training& training) {
    lists_ = lists;
    KMeansOptions options{lists, training.iterations, random_.Next(), threads_, {}};
    if (training.spherical && metric_ == Metric::kCosine) options.centre = space_->Origin();
    kmeans_ = std::make_unique<KMeans>(*sample_, options);
}

bool ListBuilder::TrainStep() {
    if (kmeans_->Step()) return true;
    centroids_ = kmeans_->TakeCentroids();
    lists_ = centroids_.size() / padded_;
    return false;
}

bool ListBuilder::TrialStep() {
    if (trial_ == nullptr)
        trial_ = std::make_unique<SpillTrial>(*sample_, centroids_.data(), lists_, random_.Next(), threads_);
    return trial_->Step();
}

void ListBuilder::FinishTraining(bool spill, RecordKind kind) {
    trial_.reset();
    kmeans_.reset();
    sample_.reset();
    codes_.resize(lists_ * padded_);
    scales_.resize(lists_);
    for (size_t list = 0; list < lists_; list++) {
        scales_[list] = EncodeCodes(centroid(list), padded_, &codes_[list * padded_]);
        DecodeCodes(&codes_[list * padded_], scales_[list], padded_, &centroids_[list * padded_]);
    }
    BeginEncoding(spill, kind);
}

void ListBuilder::SetCentroids(const int8_t* codes, const float* scales, size_t lists, bool spill, RecordKind kind) {
    lists_ = lists;
    codes_.assign(codes, codes + lists * padded_);
    scales_.assign(scales, scales + lists);
    centroids_.resize(lists * padded_);
    for (size_t list = 0; list < lists; list++)
        DecodeCodes(&codes_[list * padded_], scales_[list], padded_, &centroids_[list * padded_]);
    BeginEncoding(spill, kind);
}

void ListBuilder::BeginEncoding(bool spill, RecordKind kind) {
    spill_ = spill && lists_ > 1;
    kind_ = kind;
    residuals_.assign(lists_, 0);
    counts_.assign(lists_, 0);
    assigner_ = std::make_unique<Assigner>(centroids_.data(), lists_, padded_, threads_);

    record_bytes_ = (kind_ == RecordKind::kRowAndEntries ? sizeof(RowFactors) + padded_ : 0) +
                    (spill_ ? 2 : 1) * layout_.entry_bytes();
    batch_capacity_ = std::clamp<size_t>((16 << 20) / (padded_ * sizeof(float) + record_bytes_), 1, assigner_->batch());
    rows_.resize(batch_capacity_ * padded_);
    tids_.resize(batch_capacity_);
    values_.resize(batch_capacity_ * layout_.columns.value_bytes());
    places_.resize(batch_capacity_);
    assignments_.resize(batch_capacity_);
    squared_residuals_.resize(batch_capacity_);
    records_.resize(batch_capacity_ * record_bytes_);
    batch_size_ = 0;
}

// ---- Encoding ----

RowClass ListBuilder::AddRow(const float* x, HeapTid heap_tid, const uint8_t* values) {
    const RowClass row_class = space_->TransformRow(x, &rows_[batch_size_ * padded_]);
    if (row_class == RowClass::kNormal) Keep(heap_tid, 0, values);
    return row_class;
}

void ListBuilder::AddTransformedRow(const float* y, HeapTid heap_tid, Place place, const uint8_t* values) {
    std::memcpy(&rows_[batch_size_ * padded_], y, padded_ * sizeof(float));
    Keep(heap_tid, place, values);
}

// Ends a row of the batch, whose vector is there.
void ListBuilder::Keep(HeapTid heap_tid, Place place, const uint8_t* values) noexcept {
    const size_t value_bytes = layout_.columns.value_bytes();
    if (value_bytes > 0) std::memcpy(&values_[batch_size_ * value_bytes], values, value_bytes);
    places_[batch_size_] = place;
    tids_[batch_size_++] = heap_tid;
}

// The record of row i of the batch.
void ListBuilder::EncodeRow(const RowEncoder& encoder, size_t i) noexcept {
    const float* y = &rows_[i * padded_];
    uint8_t* out = &records_[i * record_bytes_];
    if (kind_ == RecordKind::kRowAndEntries) {
        const RowFactors factors = encoder.Encode(y, reinterpret_cast<int8_t*>(out + sizeof(RowFactors)));
        std::memcpy(out, &factors, sizeof factors);
        out += sizeof factors + padded_;
    }
    const auto encode_entry = [&](uint32_t list) {
        const SketchTrailer trailer{EncodeEntry(*space_, y, centroid(list), out), tids_[i], places_[i]};
        std::memcpy(out + CodeBytes(padded_), &trailer, sizeof trailer);
        const size_t value_bytes = layout_.columns.value_bytes();
        if (value_bytes > 0) std::memcpy(out + layout_.values_offset(), &values_[i * value_bytes], value_bytes);
        out += layout_.entry_bytes();
    };
    const Assignment assignment = assignments_[i];
    encode_entry(assignment.primary);
    if (spill_ && assignment.secondary != kNoList) encode_entry(assignment.secondary);
    squared_residuals_[i] = ActiveKernels().l2_squared(y, centroid(assignment.primary), padded_);
}

size_t ListBuilder::EncodeBatch() {
    assigner_->Assign(rows_.data(), batch_size_, spill_, assignments_.data());
    const RowEncoder encoder(*space_);
    // Tasks of some rows each, so that threads seldom meet.
    constexpr size_t kRowsPerTask = 32;
    ParallelFor(threads_, (batch_size_ + kRowsPerTask - 1) / kRowsPerTask, [&](size_t task, size_t) {
        const size_t end = std::min(batch_size_, (task + 1) * kRowsPerTask);
        for (size_t i = task * kRowsPerTask; i < end; i++) EncodeRow(encoder, i);
    });
    return std::exchange(batch_size_, 0);
}

void ListBuilder::FinishEncoding() noexcept {
    assigner_.reset();
    centroids_ = {};
    rows_ = {};
    tids_ = {};
    values_ = {};
    places_ = {};
    assignments_ = {};
    squared_residuals_ = {};
    records_ = {};
    batch_capacity_ = 0;
}

void ListBuilder::CountRow(size_t list, float squared_residual) noexcept {
    residuals_[list] += static_cast<double>(squared_residual);
    counts_[list]++;
}

float ListBuilder::Rho(size_t list) const noexcept {
    return counts_[list] == 0 ? 0.0F
                              : static_cast<float>(std::sqrt(residuals_[list] / static_cast<double>(counts_[list])));
}

void ListBuilder::EncodeCentroidEntry(size_t list, HeapTid target, Place place, uint8_t* entry) const {
    const std::vector<float> origin(padded_);
    std::vector<float> centroid(padded_);
    DecodeCodes(centroid_codes(list), scales_[list], padded_, centroid.data());
    EncodeCentroid(centroid.data(), origin.data(), Rho(list), target, place, padded_, entry);
}

size_t ListBuilder::TrainingMemory(size_t sample, size_t lists, size_t padded) noexcept {
    // Sample, centroids and their codes while training, and the scratch of a step.
    return sample * (Sample::BytesPerRow(padded) + (lists < 1024 ? 2 : 10) * sizeof(uint32_t)) +
           3 * lists * padded * sizeof(float) + (16 << 20);
}

}  // namespace annex

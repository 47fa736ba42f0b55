// The arithmetic of building an index, without its storage: mean, sample, training, assignment and encoding.
//
//   AddToMean* FinishMean -> BeginSample AddToSample* -> BeginTraining TrainStep* [TrialStep*] FinishTraining
//     -> {AddRow* EncodeBatch, encoded rows, CountRow}*  -> rho(list)
//
// SetMean and SetCentroids stand in for the first two lines where another process has trained, or where the lists are
// those of an index. Rows that an index holds already are in its space: the functions with "Transformed" in their names
// take those.
//
// Steps and batches take some 20 ms a thread, so that the caller can serve interrupts in between.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "annex/clustering.h"
#include "annex/mean.h"
#include "annex/random.h"
#include "annex/refinement.h"
#include "annex/sketch.h"
#include "annex/space.h"

namespace annex {

// list_bytes: room for entries on one page of a list. A list and its second copies fill about one page, but hold at
// least some 60 rows and at most some 200; small tables have one list.
[[nodiscard]] size_t RecommendedLists(double rows, const SketchLayout& layout, size_t list_bytes, size_t most) noexcept;

// What EncodeBatch makes of a row: all that an index stores, or only the entries of one whose row stays where it is.
enum class RecordKind : uint8_t { kRowAndEntries, kEntries };

class ListBuilder {
  public:
    ListBuilder(Metric metric, size_t dimensions, uint64_t seed, int threads);
    ListBuilder(ListBuilder&&) noexcept;
    ~ListBuilder();

    // The filter columns that entries carry; none unless this is called, before training ends.
    void SetColumns(const ColumnLayout& columns) noexcept { layout_.columns = columns; }
    [[nodiscard]] const SketchLayout& layout() const noexcept { return layout_; }

    // The mean of the rows (of their directions, for cosine) that were added; the origin if there were none.
    void AddToMean(const float* x);
    void FinishMean();
    // A mean[dimensions] that is known already, in place of these two.
    void SetMean(const float* mean);
    [[nodiscard]] const Space& space() const noexcept { return *space_; }

    // A uniform sample of at most `capacity` of the normal rows that are added.
    void BeginSample(size_t capacity);
    void AddToSample(const float* x);
    void AddTransformedToSample(const float* y);  // y[padded]
    [[nodiscard]] size_t sample_size() const noexcept { return sample_->size(); }

    // There may be fewer, where many rows are equal: lists() says how many when training has ended.
    void BeginTraining(size_t lists, const Training& training);
    void BeginTraining(size_t lists) { BeginTraining(lists, UsualTraining(lists)); }
    bool TrainStep();  // false when done
    [[nodiscard]] double training_progress() const noexcept { return kmeans_->progress(); }
    // Whether second copies pay; asked for by spill = auto.
    bool TrialStep();  // false when done
    [[nodiscard]] bool SpillPays() const noexcept { return trial_->Pays(); }
    // Quantises the centroids and lets go of the sample.
    void FinishTraining(bool spill, RecordKind kind = RecordKind::kRowAndEntries);
    // Centroids that are known already: codes[lists * padded], scales[lists]. In place of sample and training.
    void SetCentroids(const int8_t* codes, const float* scales, size_t lists, bool spill,
                      RecordKind kind = RecordKind::kRowAndEntries);

    [[nodiscard]] size_t lists() const noexcept { return lists_; }
    [[nodiscard]] bool spill() const noexcept { return spill_; }
    [[nodiscard]] const int8_t* centroid_codes(size_t list) const noexcept { return &codes_[list * padded_]; }
    [[nodiscard]] float centroid_scale(size_t list) const noexcept { return scales_[list]; }
    [[nodiscard]] const float* centroid_scales() const noexcept { return scales_.data(); }
    // Bytes that the centroids take while rows are encoded.
    [[nodiscard]] size_t CentroidMemory() const noexcept { return lists_ * padded_ * (2 * sizeof(float) + 1); }

    // Puts a normal row into the batch, with the values of its filter columns, if there are any. Other classes are the
    // caller's to keep.
    RowClass AddRow(const float* x, HeapTid heap_tid, const uint8_t* values = nullptr);
    // The same for y[padded] in the index's space; the entries name `place`.
    void AddTransformedRow(const float* y, HeapTid heap_tid, Place place, const uint8_t* values = nullptr);
    [[nodiscard]] bool BatchFull() const noexcept { return batch_size_ == batch_capacity_; }
    // Assigns and encodes the batch and returns how many rows it had. They stay valid until the next AddRow.
    size_t EncodeBatch();

    // What storage needs of a row: its lists and one record of bytes,
    //   RowFactors | codes[padded] | entry for the primary list | entry for the secondary list
    // the first two with RecordKind::kRowAndEntries only, the second entry with spill only. Rows that came through
    // AddRow have no place yet.
    [[nodiscard]] Assignment assignment(size_t i) const noexcept { return assignments_[i]; }
    [[nodiscard]] HeapTid heap_tid(size_t i) const noexcept { return tids_[i]; }
    [[nodiscard]] std::span<const uint8_t> record(size_t i) const noexcept {
        return {&records_[i * record_bytes_], record_bytes_};
    }
    [[nodiscard]] size_t record_bytes() const noexcept { return record_bytes_; }

    // ||y - centroid||^2 for the primary list.
    [[nodiscard]] float squared_residual(size_t i) const noexcept { return squared_residuals_[i]; }

    // Root mean square residual of the rows counted so far. It depends on their order in the last bit: count them in
    // one that is always the same.
    void CountRow(size_t list, float squared_residual) noexcept;
    [[nodiscard]] float Rho(size_t list) const noexcept;
    // Lets go of all that only encoding needs.
    void FinishEncoding() noexcept;

    // The entry of a centroid in the root's list, whose error factor is rho.
    void EncodeCentroidEntry(size_t list, HeapTid target, Place place, uint8_t* entry) const;

    // Bytes that training with this plan holds at most, and that encoding holds.
    [[nodiscard]] static size_t TrainingMemory(size_t sample, size_t lists, size_t padded) noexcept;

  private:
    void BeginEncoding(bool spill, RecordKind kind);
    void Keep(HeapTid heap_tid, Place place, const uint8_t* values) noexcept;
    void EncodeRow(const RowEncoder& encoder, size_t i) noexcept;
    [[nodiscard]] const float* centroid(size_t list) const noexcept { return &centroids_[list * padded_]; }

    Metric metric_;
    size_t dimensions_;
    size_t padded_;
    SketchLayout layout_;
    uint64_t seed_;
    int threads_;
    MeanOfRows mean_;
    std::unique_ptr<Space> space_;
    std::unique_ptr<Sample> sample_;
    uint64_t offered_ = 0;
    Random random_;
    std::unique_ptr<KMeans> kmeans_;
    std::unique_ptr<SpillTrial> trial_;
    std::unique_ptr<Assigner> assigner_;
    bool spill_ = false;
    RecordKind kind_ = RecordKind::kRowAndEntries;
    size_t lists_ = 0;
    std::vector<float> centroids_;  // decoded
    std::vector<int8_t> codes_;
    std::vector<float> scales_;
    std::vector<double> residuals_;  // sums of squares, by primary list
    std::vector<uint64_t> counts_;
    size_t batch_capacity_ = 0;
    size_t batch_size_ = 0;
    size_t record_bytes_ = 0;
    std::vector<float> rows_;
    std::vector<HeapTid> tids_;
    std::vector<uint8_t> values_;  // of the filter columns
    std::vector<Place> places_;
    std::vector<float> squared_residuals_;
    std::vector<Assignment> assignments_;
    std::vector<uint8_t> records_;
    std::vector<float> row_;  // scratch for one row
};

}  // namespace annex

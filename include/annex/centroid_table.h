// The centroids of an index in memory: their sketches in blocks, their refinement rows, and what each one stands for. A
// backend keeps it for the indexes it searches, so that ranking touches no page.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "annex/sketch.h"

namespace annex {

class CentroidTable {
  public:
    CentroidTable(size_t padded, size_t lists);

    // Adds the centroid of a list; codes[padded]. Its place in what ranking sees is its number here.
    void Add(HeapTid target, const int8_t* codes, float scale, float rho);
    // After the last one.
    void Finish();

    [[nodiscard]] size_t size() const noexcept { return scales_.size(); }
    [[nodiscard]] const SketchLayout& layout() const noexcept { return layout_; }
    [[nodiscard]] const uint8_t* rows() const noexcept { return rows_.data(); }
    [[nodiscard]] const int8_t* codes(size_t list) const noexcept { return &codes_[list * padded_]; }
    [[nodiscard]] float scale(size_t list) const noexcept { return scales_[list]; }
    [[nodiscard]] float rho(size_t list) const noexcept { return rhos_[list]; }

    [[nodiscard]] HeapTid target(size_t list) const noexcept { return targets_[list]; }
    void Prefetch(size_t list) const noexcept {
        for (size_t at = 0; at < padded_; at += 64) __builtin_prefetch(codes(list) + at);
    }

    [[nodiscard]] static size_t BytesPerList(size_t padded) noexcept {
        return padded + CodeBytes(padded) + sizeof(SketchTrailer) + 2 * sizeof(float) + sizeof(HeapTid);
    }

  private:
    void PackEntries();

    size_t padded_;
    SketchLayout layout_;
    std::vector<uint8_t> rows_;  // blocks
    std::vector<uint8_t> entries_;
    std::vector<float> decoded_;
    std::vector<float> origin_;
    std::vector<int8_t> codes_;
    std::vector<float> scales_;
    std::vector<float> rhos_;
    std::vector<HeapTid> targets_;
};

// The entry of a centroid in the root's list: coded for L2 around the origin whatever the metric is, since rows are
// assigned by L2 and inner product can rank by the same factors; rho stands in the place of the error. origin[padded]
// is zero.
void EncodeCentroid(const float* centroid, const float* origin, float rho, HeapTid target, Place place, size_t padded,
                    uint8_t* entry) noexcept;

}  // namespace annex

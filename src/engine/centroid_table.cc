// Centroids in memory.
#include "annex/centroid_table.h"

#include <cstring>

#include "annex/refinement.h"

namespace annex {

void EncodeCentroid(const float* centroid, const float* origin, float rho, HeapTid target, Place place, size_t padded,
                    uint8_t* entry) noexcept {
    SketchTrailer trailer{EncodeSketch(centroid, origin, padded, false, entry), target, place};
    trailer.factors.f_error = FloatToBf16Nearest(rho);
    std::memcpy(entry + CodeBytes(padded), &trailer, sizeof trailer);
}

CentroidTable::CentroidTable(size_t padded, size_t lists)
    : padded_(padded), layout_{padded}, decoded_(padded), origin_(padded) {
    rows_.reserve((lists + kBlockSize - 1) / kBlockSize * layout_.block_bytes());
    entries_.reserve(kBlockSize * layout_.entry_bytes());
    codes_.reserve(lists * padded);
    scales_.reserve(lists);
    rhos_.reserve(lists);
    targets_.reserve(lists);
}

void CentroidTable::Add(HeapTid target, const int8_t* codes, float scale, float rho) {
    const auto number = static_cast<Place>(scales_.size());
    codes_.insert(codes_.end(), codes, codes + padded_);
    scales_.push_back(scale);
    rhos_.push_back(rho);
    targets_.push_back(target);
    DecodeCodes(codes, scale, padded_, decoded_.data());
    const size_t entry_bytes = layout_.entry_bytes();
    entries_.resize(entries_.size() + entry_bytes);
    EncodeCentroid(decoded_.data(), origin_.data(), rho, target, number, padded_,
                   entries_.data() + entries_.size() - entry_bytes);
    if (entries_.size() == kBlockSize * entry_bytes) PackEntries();
}

void CentroidTable::Finish() {
    if (!entries_.empty()) PackEntries();
    entries_.shrink_to_fit();
}

void CentroidTable::PackEntries() {
    const size_t begin = rows_.size();
    rows_.resize(begin + layout_.block_bytes());
    PackBlock(entries_.data(), entries_.size() / layout_.entry_bytes(), layout_, rows_.data() + begin);
    entries_.clear();
}

}  // namespace annex

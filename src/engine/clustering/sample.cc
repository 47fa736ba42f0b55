// Rows in 8 bits a coordinate. Training needs no more: the error is some 0.4 % of a row's largest coordinate.
#include <algorithm>
#include <cstring>

#include "annex/clustering.h"
#include "engine/clustering/inner_loops.h"

namespace annex {

Sample::Sample(size_t padded, size_t capacity) : padded_(padded), capacity_(capacity) {
    chunks_.reserve((capacity + kChunkRows - 1) / kChunkRows);
}

size_t Sample::ChunkRows(size_t i) const noexcept {
    return std::min(kChunkRows, capacity_ - i / kChunkRows * kChunkRows);
}

void Sample::Add(const float* row) {
    const size_t i = size_;
    if (i / kChunkRows == chunks_.size()) chunks_.emplace_back(new int8_t[ChunkRows(i) * BytesPerRow(padded_)]);
    size_++;
    Replace(i, row);
}

void Sample::Replace(size_t i, const float* row) noexcept {
    int8_t* chunk = chunks_[i / kChunkRows].get();
    const float scale = internal::ActiveInnerLoops().encode(row, padded_, chunk + i % kChunkRows * padded_);
    std::memcpy(chunk + ChunkRows(i) * padded_ + i % kChunkRows * sizeof(float), &scale, sizeof(float));
}

float Sample::scale(size_t i) const noexcept {
    float scale;
    std::memcpy(&scale, chunks_[i / kChunkRows].get() + ChunkRows(i) * padded_ + i % kChunkRows * sizeof(float),
                sizeof(float));
    return scale;
}

void Sample::Decode(size_t i, float* out) const noexcept {
    internal::ActiveInnerLoops().decode(codes(i), scale(i), padded_, out);
}

}  // namespace annex

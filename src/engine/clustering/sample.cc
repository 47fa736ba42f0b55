// Rows in 8 bits a coordinate. Training needs no more: the error is some 0.4 % of a row's largest coordinate.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "annex/clustering.h"

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
    float largest = 0;
    for (size_t d = 0; d < padded_; d++) largest = std::max(largest, std::fabs(row[d]));
    int8_t* chunk = chunks_[i / kChunkRows].get();
    int8_t* codes = chunk + i % kChunkRows * padded_;
    float scale = largest / 127;
    if (scale >= std::numeric_limits<float>::min()) {
        const float inverse = 1 / scale;
        for (size_t d = 0; d < padded_; d++) {
            const float code = row[d] * inverse;
            codes[d] = static_cast<int8_t>(static_cast<int>(code + (code < 0 ? -0.5F : 0.5F)));
        }
    } else {
        scale = 0;  // its inverse would overflow
        std::memset(codes, 0, padded_);
    }
    std::memcpy(chunk + ChunkRows(i) * padded_ + i % kChunkRows * sizeof(float), &scale, sizeof(float));
}

float Sample::scale(size_t i) const noexcept {
    float scale;
    std::memcpy(&scale, chunks_[i / kChunkRows].get() + ChunkRows(i) * padded_ + i % kChunkRows * sizeof(float),
                sizeof(float));
    return scale;
}

void Sample::Decode(size_t i, float* out) const noexcept {
    const int8_t* row = codes(i);
    const float factor = scale(i);
    for (size_t d = 0; d < padded_; d++) out[d] = factor * static_cast<float>(row[d]);
}

}  // namespace annex

// What a GraphBuilder knows of its rows, and what each of its threads works with.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <vector>

#include "annex/graph_builder.h"
#include "engine/clustering/code_dots.h"

namespace annex {

// In place of a number of links: the row shares the node of another, its first link.
inline constexpr uint16_t kSharedNode = UINT16_MAX;

// Beside a row's codes, all that its distances take.
struct GraphBuilder::Facts {
    RowFactors factors;
    float squared_norm;
    int32_t code_sum;
};

// What is known of some rows. Codes, facts and heap TIDs never change; links are read and written under the row's lock
// while rows are inserted.
struct GraphBuilder::Chunk {
    static constexpr size_t kRows = 1024;
    // Codes begin where a cache line does.
    static constexpr std::align_val_t kAlignment{64};
    struct Free {
        void operator()(int8_t* memory) const noexcept { ::operator delete[](memory, kAlignment); }
    };

    Chunk(size_t row_bytes, size_t most_links)
        : codes(NewCodes(row_bytes * kRows)), links(new uint32_t[kRows * most_links]) {}

    static int8_t* NewCodes(size_t bytes) { return static_cast<int8_t*>(::operator new[](bytes, kAlignment)); }

    std::unique_ptr<int8_t[], Free> codes;
    std::unique_ptr<uint32_t[]> links;
    Facts facts[kRows];
    HeapTid heap_tids[kRows];
    uint16_t link_counts[kRows];
    std::atomic<uint8_t> locks[kRows];
};

// A thread's scratch memory, all of it allocated before the thread needs it.
struct GraphBuilder::Worker {
    // A row that a search has found.
    struct Found {
        float squared_distance;
        uint32_t row;
        bool visited;
    };

    Worker(size_t ef, size_t most_links, size_t entries)
        : dots(internal::ActiveCodeDots()),
          found(ef + 1),
          links(most_links),
          codes(std::max(most_links, entries)),
          products(codes.size()),
          distances(2 * codes.size()) {
        nearest.reserve(std::max(ef, most_links));
        chosen.reserve(std::max(ef, most_links));
        chosen_rows.reserve(std::max(ef, most_links));
    }

    internal::CodeDots dots;
    std::vector<uint8_t> seen;  // by row: the number of the search that has seen it last
    uint8_t search = 0;
    std::vector<Found> found;  // the nearest first, one more than are kept
    std::vector<Near> nearest;
    std::vector<Near> chosen;
    std::vector<uint32_t> chosen_rows;
    std::vector<uint32_t> links;
    std::vector<const int8_t*> codes;
    std::vector<int32_t> products;
    std::vector<float> distances;
};

inline GraphBuilder::Chunk& GraphBuilder::ChunkOf(uint32_t row) const noexcept {
    return *chunks_[row / Chunk::kRows];
}

inline const int8_t* GraphBuilder::Codes(uint32_t row) const noexcept {
    return ChunkOf(row).codes.get() + row % Chunk::kRows * row_bytes_;
}

inline const GraphBuilder::Facts& GraphBuilder::FactsOf(uint32_t row) const noexcept {
    return ChunkOf(row).facts[row % Chunk::kRows];
}

}  // namespace annex

// Compares rows with all points, some hundreds at a time, so that their values stay in the cache until the nearest have
// been taken from them.
#include "engine/clustering/code_finder.h"

#include <algorithm>

namespace annex {

namespace {

constexpr size_t kColumns = 512;

static_assert(kColumns % CodePoints::kPanel == 0);

}  // namespace

CodeFinder::CodeFinder(size_t rows, size_t padded) : rows_(rows, padded), values_(rows * kColumns), nearest_(rows) {}

void CodeFinder::Find(const CodePoints& points, size_t n, size_t k) noexcept {
    for (size_t i = 0; i < n; i++) nearest_[i].count = 0;
    for (size_t first = 0; first < points.width(); first += kColumns) {
        const size_t columns = std::min(kColumns, points.width() - first);
        points.HalfDistances(rows_, 0, n, first, columns, values_.get(), kColumns);
        for (size_t i = 0; i < n; i++)
            SelectNearest(values_.get() + i * kColumns, columns, static_cast<uint32_t>(first), k, &nearest_[i]);
    }
}

}  // namespace annex

// The graph in memory: insertion. (graph_builder_end.cc has what comes after it.)
//
// Rows are inserted by generations, each as many as all before it. Those of a generation are sorted by the entry that
// is nearest to them, entries that are near to each other being neighbours in that order, and inserted in it: a search
// then goes where the one before it went, and finds codes and links in the cache.
#include "annex/graph_builder.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <numeric>

#include "annex/kernels.h"
#include "engine/clustering/threads.h"
#include "engine/graph_rows.h"

namespace annex {
namespace {

// That a generation is sorted by, and its searches start from.
constexpr size_t kMostEntries = 256;
// Rows that are inserted one by one before several threads do so: the first ones make the shape of the graph.
constexpr size_t kAlone = 1024;
// Rows that a thread inserts one after the other, before it may go on elsewhere.
constexpr size_t kRunRows = 16;

// Held for a few hundred nanoseconds.
class SpinLock {
  public:
    explicit SpinLock(std::atomic<uint8_t>* flag) noexcept : flag_(flag) {
        while (flag_->exchange(1, std::memory_order_acquire) != 0)
            while (flag_->load(std::memory_order_relaxed) != 0) {
            }
    }
    ~SpinLock() { flag_->store(0, std::memory_order_release); }
    SpinLock(const SpinLock&) = delete;
    SpinLock& operator=(const SpinLock&) = delete;

  private:
    std::atomic<uint8_t>* flag_;
};

}  // namespace

GraphBuilder::GraphBuilder(const Space& space, const GraphBuildOptions& options)
    : options_(options),
      row_layout_(space.padded(), 0, EdgeKindOf(space.metric())),
      rows_(space, row_layout_),
      padded_(space.padded()),
      row_bytes_(row_layout_.row_bytes()),
      most_links_(2 * options.m),
      decoded_(2 * space.padded()) {
    options_.threads = std::max(options_.threads, 1);
    for (int i = 0; i < options_.threads; ++i)
        workers_.push_back(std::make_unique<Worker>(options_.ef_construction, most_links_, kMostEntries));
}

GraphBuilder::~GraphBuilder() = default;

size_t GraphBuilder::BytesPerRow(size_t row_bytes, const GraphBuildOptions& options) noexcept {
    const size_t fixed = sizeof(Chunk) / Chunk::kRows;
    const size_t inserting =
        sizeof(uint32_t) + sizeof(uint16_t) + static_cast<size_t>(std::max(options.threads, 1)) * sizeof(uint8_t);
    const size_t at_the_end = 3 * sizeof(uint32_t);  // in-degrees, ways, and what is left to follow
    return row_bytes + 2 * options.m * sizeof(uint32_t) + fixed + std::max(at_the_end, inserting);
}

void GraphBuilder::Add(const float* y, HeapTid heap_tid) {
    if (size_ % Chunk::kRows == 0) chunks_.push_back(std::make_unique<Chunk>(row_bytes_, most_links_));
    const auto row = static_cast<uint32_t>(size_);
    Chunk& chunk = ChunkOf(row);
    const size_t i = row % Chunk::kRows;
    int8_t* codes = chunk.codes.get() + i * row_bytes_;
    Facts& facts = chunk.facts[i];
    facts = {rows_.Encode(y, codes), 0, 0};
    if (!row_layout_.of_bits()) {
        const auto product = static_cast<float>(ActiveKernels().code_product(codes, codes, padded_));
        facts.squared_norm = facts.factors.scale * facts.factors.scale * product;
        facts.code_sum = std::accumulate(codes, codes + padded_, 0);
    }
    chunk.heap_tids[i] = heap_tid;
    chunk.link_counts[i] = 0;
    chunk.locks[i] = 0;
    ++size_;
}

// Distances of a row from others, at most as many as `codes` has room for.
void GraphBuilder::SquaredDistances(uint32_t row, const uint32_t* others, size_t count, Worker* worker,
                                    float* distances) const noexcept {
    const Facts& facts = FactsOf(row);
    if (row_layout_.of_bits()) {
        for (size_t i = 0; i < count; ++i)
            distances[i] =
                rows_.SquaredDistance(Codes(row), facts.factors, Codes(others[i]), FactsOf(others[i]).factors);
        return;
    }
    for (size_t i = 0; i < count; ++i) worker->codes[i] = Codes(others[i]);
    worker->dots(Codes(row), facts.code_sum, worker->codes.data(), count, padded_, worker->products.data());
    for (size_t i = 0; i < count; ++i) {
        const Facts& other = FactsOf(others[i]);
        distances[i] = facts.squared_norm + other.squared_norm -
                       2 * facts.factors.scale * other.factors.scale * static_cast<float>(worker->products[i]);
    }
}

void GraphBuilder::Prefetch(uint32_t row) const noexcept {
    const int8_t* codes = Codes(row);
    const size_t bytes = std::min<size_t>(row_bytes_, 1024);  // the CPU itself sees to what follows
    for (size_t i = 0; i < bytes; i += 64) __builtin_prefetch(codes + i);
    __builtin_prefetch(&FactsOf(row));
}

size_t GraphBuilder::CopyLinks(uint32_t row, uint32_t* links) const noexcept {
    Chunk& chunk = ChunkOf(row);
    const size_t i = row % Chunk::kRows;
    const SpinLock lock(&chunk.locks[i]);
    const size_t count = chunk.link_counts[i] == kSharedNode ? 0 : chunk.link_counts[i];
    std::memcpy(links, chunk.links.get() + i * most_links_, count * sizeof(uint32_t));
    return count;
}

// ---- Insertion ----

// The ef_construction nearest of the rows that are linked, nearest first.
void GraphBuilder::Search(uint32_t row, uint32_t entry, Worker* worker) const noexcept {
    using Found = Worker::Found;
    Found* found = worker->found.data();
    size_t count = 0;
    size_t next = 0;  // all before it have been visited
    const auto meet = [&](float squared_distance, uint32_t other) {
        if (count == options_.ef_construction) {
            if (!(squared_distance < found[count - 1].squared_distance)) return;
            --count;
        }
        Found* end = found + count;
        Found* place = std::upper_bound(found, end, squared_distance, [](float distance, const Found& entry_found) {
            return distance < entry_found.squared_distance;
        });
        std::move_backward(place, end, end + 1);
        *place = {squared_distance, other, false};
        ++count;
        next = std::min(next, static_cast<size_t>(place - found));
    };
    if (++worker->search == 0) {
        std::fill(worker->seen.begin(), worker->seen.end(), uint8_t{0});
        worker->search = 1;
    }
    worker->seen[row] = worker->search;
    worker->seen[entry] = worker->search;
    SquaredDistances(row, &entry, 1, worker, worker->distances.data());
    meet(worker->distances[0], entry);
    while (next < count) {
        if (found[next].visited) {
            ++next;
            continue;
        }
        found[next].visited = true;
        const size_t links = CopyLinks(found[next].row, worker->links.data());
        size_t fresh = 0;
        for (size_t i = 0; i < links; ++i) {
            const uint32_t other = worker->links[i];
            if (worker->seen[other] == worker->search) continue;
            worker->seen[other] = worker->search;
            worker->links[fresh++] = other;
            Prefetch(other);
        }
        SquaredDistances(row, worker->links.data(), fresh, worker, worker->distances.data());
        for (size_t i = 0; i < fresh; ++i) meet(worker->distances[i], worker->links[i]);
    }
    worker->nearest.clear();
    for (size_t i = 0; i < count; ++i) worker->nearest.push_back({found[i].squared_distance, found[i].row});
}

// Of worker->nearest, sorted, into `chosen`: those that no chosen one is nearer to than the row is, by a factor.
void GraphBuilder::Choose(size_t most, float slack, Worker* worker) const noexcept {
    constexpr size_t kTogether = 4;
    worker->chosen.clear();
    worker->chosen_rows.clear();
    for (const Near& near : worker->nearest) {
        if (worker->chosen.size() == most) return;
        bool covered = false;
        for (size_t i = 0; i < worker->chosen.size() && !covered; i += kTogether) {
            const size_t count = std::min(kTogether, worker->chosen.size() - i);
            float apart[kTogether];
            SquaredDistances(near.row, &worker->chosen_rows[i], count, worker, apart);
            covered = std::any_of(apart, apart + count, [&](float a) { return slack * a < near.squared_distance; });
        }
        if (covered) continue;
        worker->chosen.push_back(near);
        worker->chosen_rows.push_back(near.row);
    }
}

// Gives a full node an edge only if no nearer neighbour covers it, in place of the farthest edge that it covers itself,
// or of the farthest one.
void GraphBuilder::LinkBack(uint32_t row, uint32_t to, float squared_distance, Worker* worker) noexcept {
    Chunk& chunk = ChunkOf(row);
    const size_t i = row % Chunk::kRows;
    uint32_t* links = chunk.links.get() + i * most_links_;
    const SpinLock lock(&chunk.locks[i]);
    const size_t count = chunk.link_counts[i];
    if (count == kSharedNode || std::find(links, links + count, to) != links + count) return;
    if (count < most_links_) {
        links[count] = to;
        chunk.link_counts[i]++;
        return;
    }
    float* lengths = worker->distances.data();
    float* apart = lengths + count;
    SquaredDistances(row, links, count, worker, lengths);
    SquaredDistances(to, links, count, worker, apart);
    size_t farthest = 0;
    size_t dropped = count;
    float dropped_length = -1;
    for (size_t j = 0; j < count; ++j) {
        if (lengths[j] < squared_distance && apart[j] < squared_distance) return;
        if (lengths[j] > lengths[farthest]) farthest = j;
        if (apart[j] < lengths[j] && lengths[j] > dropped_length) {
            dropped = j;
            dropped_length = lengths[j];
        }
    }
    if (dropped < count) {
        links[dropped] = to;
    } else if (squared_distance < lengths[farthest]) {
        links[farthest] = to;
    }
}

// True if the nearest row has the very same codes: then this row is found by its node.
bool GraphBuilder::Share(uint32_t row, const Near& nearest) noexcept {
    Chunk& chunk = ChunkOf(row);
    const size_t i = row % Chunk::kRows;
    const RowFactors& own = chunk.facts[i].factors;
    const RowFactors& other = FactsOf(nearest.row).factors;
    if (own.scale != other.scale || own.error != other.error ||
        std::memcmp(Codes(row), Codes(nearest.row), row_bytes_) != 0)
        return false;
    const SpinLock lock(&chunk.locks[i]);
    chunk.link_counts[i] = kSharedNode;
    chunk.links[i * most_links_] = nearest.row;
    return true;
}

void GraphBuilder::Insert(uint32_t row, Worker* worker) noexcept {
    Search(row, entries_[nearest_entry_[row - generation_]], worker);
    if (worker->nearest.empty()) return;
    if (Share(row, worker->nearest.front())) return;
    Choose(options_.m, 1, worker);
    Chunk& chunk = ChunkOf(row);
    const size_t i = row % Chunk::kRows;
    {
        const SpinLock lock(&chunk.locks[i]);
        uint32_t* links = chunk.links.get() + i * most_links_;
        for (size_t j = 0; j < worker->chosen.size(); ++j) links[j] = worker->chosen[j].row;
        chunk.link_counts[i] = static_cast<uint16_t>(worker->chosen.size());
    }
    for (const Near& near : worker->chosen) LinkBack(near.row, row, near.squared_distance, worker);
}

std::vector<uint32_t> GraphBuilder::Entries(size_t count) const {
    std::vector<uint32_t> entries;
    const size_t step = std::max<size_t>(1, inserted_ / std::max<size_t>(count, 1));
    for (size_t row = 0; row < inserted_ && entries.size() < count; row += step)
        if (SharedWith(static_cast<uint32_t>(row)) == kNoNode) entries.push_back(static_cast<uint32_t>(row));
    return entries;
}

// ---- Generations ----

// Entries, each followed by the nearest of those that are left.
void GraphBuilder::ChooseEntries() {
    entries_ = Entries(kMostEntries);
    Worker* worker = workers_.front().get();
    float* distances = worker->distances.data();
    for (size_t i = 0; i + 2 < entries_.size(); ++i) {
        const size_t left = entries_.size() - i - 1;
        SquaredDistances(entries_[i], &entries_[i + 1], left, worker, distances);
        const size_t nearest = static_cast<size_t>(std::min_element(distances, distances + left) - distances);
        std::swap(entries_[i + 1], entries_[i + 1 + nearest]);
    }
}

void GraphBuilder::BeginGeneration() {
    generation_ = inserted_;
    generation_size_ = std::min(std::max<size_t>(inserted_, 1), size_ - inserted_);
    placed_ = 0;
    ChooseEntries();
    nearest_entry_.resize(generation_size_);
    turns_.resize(generation_size_);
    for (const std::unique_ptr<Worker>& worker : workers_) worker->seen.resize(generation_ + generation_size_);
}

void GraphBuilder::FindEntry(uint32_t row, Worker* worker) noexcept {
    float* distances = worker->distances.data();
    SquaredDistances(row, entries_.data(), entries_.size(), worker, distances);
    nearest_entry_[row - generation_] =
        static_cast<uint16_t>(std::min_element(distances, distances + entries_.size()) - distances);
}

// Sorts the rows of the generation by their entries. As many threads as there are begin at places that are far from
// each other, so that they do not meet: rows that are inserted at the same time do not see each other.
void GraphBuilder::SortGeneration() {
    std::vector<uint32_t> begin(entries_.size() + 1);
    for (const uint16_t entry : nearest_entry_) ++begin[entry + 1U];
    std::partial_sum(begin.begin(), begin.end(), begin.begin());
    const size_t parts = static_cast<size_t>(generation_ < kAlone ? 1 : options_.threads);
    const size_t part_rows = generation_size_ / parts / kRunRows * kRunRows;
    for (size_t i = 0; i < generation_size_; ++i) {
        size_t turn = begin[nearest_entry_[i]]++;
        if (turn < part_rows * parts) {
            const size_t part = turn / part_rows;
            const size_t place = turn % part_rows;
            turn = (place / kRunRows * parts + part) * kRunRows + place % kRunRows;
        }
        turns_[turn] = static_cast<uint32_t>(generation_ + i);
    }
}

// Rows a thread inserts in some 20 ms.
size_t GraphBuilder::StepRows() const noexcept {
    constexpr size_t kWork = size_t{64} * 256 * 256;
    return std::clamp<size_t>(kWork / (options_.ef_construction * (row_bytes_ + 128)), 4, 256);
}

bool GraphBuilder::Step() {
    if (inserted_ == size_) return false;
    if (inserted_ == 0) {
        inserted_ = 1;  // the first row has no neighbours
        return inserted_ < size_;
    }
    if (inserted_ == generation_ + generation_size_) BeginGeneration();
    const int threads = generation_ < kAlone ? 1 : options_.threads;
    const size_t rows = StepRows() * static_cast<size_t>(threads);
    if (placed_ < generation_size_) {
        const size_t count = std::min(generation_size_ - placed_, 4 * rows);
        ParallelFor(threads, count, [this](size_t task, size_t worker) {
            FindEntry(static_cast<uint32_t>(generation_ + placed_ + task), workers_[worker].get());
        });
        placed_ += count;
        if (placed_ == generation_size_) SortGeneration();
        return true;
    }
    const size_t first = inserted_ - generation_;
    const size_t count = std::min(generation_size_ - first, rows);
    ParallelFor(threads, (count + kRunRows - 1) / kRunRows, [this, first, count](size_t run, size_t worker) {
        const size_t end = std::min(count, (run + 1) * kRunRows);
        for (size_t i = run * kRunRows; i < end; ++i) Insert(turns_[first + i], workers_[worker].get());
    });
    inserted_ += count;
    return inserted_ < size_;
}

}  // namespace annex

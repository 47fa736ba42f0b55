// The graph in memory: insertion, the cut at the end, and the order of nodes.
#include "annex/graph_builder.h"

#include <algorithm>
#include <cstring>

#include "annex/kernels.h"
#include "engine/clustering/threads.h"

namespace annex {
namespace {

constexpr size_t kChunkRows = 1024;
constexpr size_t kMostEntries = 256;
// Rows that are inserted one by one before several threads do so: the first ones make the shape of the graph.
constexpr size_t kAlone = 1024;
// Rows a thread inserts in some 20 ms.
constexpr size_t kStepRows = 256;
// An edge is left out at the end where another neighbour is nearer to its end by this factor.
constexpr float kSlack = 1.05F;
// In place of a number of links: the row shares the node of another, its first link.
constexpr uint16_t kShared = UINT16_MAX;

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

// What is known of some rows. Codes, factors, norms and heap TIDs never change; links are read and written under the
// row's lock while rows are inserted.
struct GraphBuilder::Chunk {
    Chunk(size_t row_bytes, size_t most_links)
        : codes(new int8_t[kChunkRows * row_bytes]), links(new uint32_t[kChunkRows * most_links]) {}

    std::unique_ptr<int8_t[]> codes;
    std::unique_ptr<uint32_t[]> links;
    RowFactors factors[kChunkRows];
    float squared_norms[kChunkRows];
    HeapTid heap_tids[kChunkRows];
    uint16_t link_counts[kChunkRows];
    std::atomic<uint8_t> locks[kChunkRows];
};

// A thread's scratch memory.
struct GraphBuilder::Worker {
    std::vector<uint32_t> seen;  // by row: the number of the search that has seen it last
    uint32_t search = 0;
    std::vector<Near> candidates;  // min-heap
    std::vector<Near> nearest;     // max-heap while searching, then sorted
    std::vector<Near> chosen;
    std::vector<uint32_t> links;
};

GraphBuilder::GraphBuilder(const Space& space, const GraphBuildOptions& options)
    : space_(&space),
      options_(options),
      row_layout_(space.padded(), 0, EdgeKindOf(space.metric())),
      rows_(space, row_layout_),
      padded_(space.padded()),
      row_bytes_(row_layout_.row_bytes()),
      most_links_(2 * options.m),
      decoded_(2 * space.padded()) {
    options_.threads = std::max(options_.threads, 1);
    for (int i = 0; i < options_.threads; ++i) {
        workers_.push_back(std::make_unique<Worker>());
        workers_.back()->links.resize(most_links_);
    }
}

GraphBuilder::~GraphBuilder() = default;

size_t GraphBuilder::BytesPerRow(size_t row_bytes, const GraphBuildOptions& options) noexcept {
    const size_t fixed = sizeof(Chunk) / kChunkRows;
    const size_t at_the_end = 3 * sizeof(uint32_t);  // order, ids and in-degrees
    return row_bytes + 2 * options.m * sizeof(uint32_t) + fixed +
           std::max(at_the_end, static_cast<size_t>(std::max(options.threads, 1)) * sizeof(uint32_t));
}

GraphBuilder::Chunk& GraphBuilder::ChunkOf(uint32_t row) const noexcept {
    return *chunks_[row / kChunkRows];
}

const int8_t* GraphBuilder::Codes(uint32_t row) const noexcept {
    return ChunkOf(row).codes.get() + row % kChunkRows * row_bytes_;
}

void GraphBuilder::Add(const float* y, HeapTid heap_tid) {
    if (size_ % kChunkRows == 0) chunks_.push_back(std::make_unique<Chunk>(row_bytes_, most_links_));
    const auto row = static_cast<uint32_t>(size_);
    Chunk& chunk = ChunkOf(row);
    const size_t i = row % kChunkRows;
    int8_t* codes = chunk.codes.get() + i * row_bytes_;
    chunk.factors[i] = rows_.Encode(y, codes);
    const float scale = chunk.factors[i].scale;
    chunk.squared_norms[i] =
        row_layout_.of_bits() ? 0
                              : scale * scale * static_cast<float>(ActiveKernels().code_product(codes, codes, padded_));
    chunk.heap_tids[i] = heap_tid;
    chunk.link_counts[i] = 0;
    chunk.locks[i] = 0;
    ++size_;
}

float GraphBuilder::SquaredDistance(uint32_t a, uint32_t b) const noexcept {
    const Chunk& chunk_a = ChunkOf(a);
    const Chunk& chunk_b = ChunkOf(b);
    const size_t i = a % kChunkRows;
    const size_t j = b % kChunkRows;
    if (row_layout_.of_bits()) return rows_.SquaredDistance(Codes(a), chunk_a.factors[i], Codes(b), chunk_b.factors[j]);
    const auto product = static_cast<float>(ActiveKernels().code_product(Codes(a), Codes(b), padded_));
    return chunk_a.squared_norms[i] + chunk_b.squared_norms[j] -
           2 * chunk_a.factors[i].scale * chunk_b.factors[j].scale * product;
}

size_t GraphBuilder::CopyLinks(uint32_t row, uint32_t* links) const noexcept {
    Chunk& chunk = ChunkOf(row);
    const size_t i = row % kChunkRows;
    const SpinLock lock(&chunk.locks[i]);
    const size_t count = chunk.link_counts[i] == kShared ? 0 : chunk.link_counts[i];
    std::memcpy(links, chunk.links.get() + i * most_links_, count * sizeof(uint32_t));
    return count;
}

// ---- Insertion ----

// The ef_construction nearest of the rows that are linked, nearest first.
void GraphBuilder::Search(uint32_t row, Worker* worker) const noexcept {
    const size_t ef = options_.ef_construction;
    std::vector<Near>& candidates = worker->candidates;
    std::vector<Near>& nearest = worker->nearest;
    const auto farther = [](const Near& a, const Near& b) { return a > b; };
    ++worker->search;
    candidates.clear();
    nearest.clear();
    const auto meet = [&](uint32_t other) {
        const Near near{SquaredDistance(row, other), other};
        if (nearest.size() >= ef) {
            if (!(near < nearest.front())) return;
            std::pop_heap(nearest.begin(), nearest.end());
            nearest.pop_back();
        }
        nearest.push_back(near);
        std::push_heap(nearest.begin(), nearest.end());
        candidates.push_back(near);
        std::push_heap(candidates.begin(), candidates.end(), farther);
    };
    for (const uint32_t entry : entries_) {
        worker->seen[entry] = worker->search;
        meet(entry);
    }
    while (!candidates.empty()) {
        const Near next = candidates.front();
        if (nearest.size() >= ef && next > nearest.front()) break;
        std::pop_heap(candidates.begin(), candidates.end(), farther);
        candidates.pop_back();
        const size_t count = CopyLinks(next.row, worker->links.data());
        size_t fresh = 0;
        for (size_t i = 0; i < count; ++i) {
            const uint32_t other = worker->links[i];
            if (worker->seen[other] == worker->search || other == row) continue;
            worker->seen[other] = worker->search;
            worker->links[fresh++] = other;
            __builtin_prefetch(Codes(other));
            __builtin_prefetch(Codes(other) + 64);
        }
        for (size_t i = 0; i < fresh; ++i) meet(worker->links[i]);
    }
    std::sort(nearest.begin(), nearest.end());
}

// Of worker->nearest, sorted, into `chosen`: those that no chosen one is nearer to than the row is, by a factor.
void GraphBuilder::Choose(size_t most, float slack, Worker* worker) const noexcept {
    worker->chosen.clear();
    for (const Near& near : worker->nearest) {
        if (worker->chosen.size() == most) return;
        const bool covered = std::any_of(worker->chosen.begin(), worker->chosen.end(), [&](const Near& chosen) {
            return slack * SquaredDistance(chosen.row, near.row) < near.squared_distance;
        });
        if (!covered) worker->chosen.push_back(near);
    }
}

// Gives a full node an edge only if no nearer neighbour covers it, in place of the farthest edge that it covers itself,
// or of the farthest one.
void GraphBuilder::LinkBack(uint32_t row, uint32_t to, float squared_distance) noexcept {
    Chunk& chunk = ChunkOf(row);
    const size_t i = row % kChunkRows;
    uint32_t* links = chunk.links.get() + i * most_links_;
    const SpinLock lock(&chunk.locks[i]);
    const size_t count = chunk.link_counts[i];
    if (count == kShared || std::find(links, links + count, to) != links + count) return;
    if (count < most_links_) {
        links[count] = to;
        chunk.link_counts[i]++;
        return;
    }
    size_t farthest = 0;
    float farthest_length = -1;
    size_t dropped = count;
    float dropped_length = -1;
    for (size_t j = 0; j < count; ++j) {
        const float length = SquaredDistance(row, links[j]);
        const float apart = SquaredDistance(links[j], to);
        if (length < squared_distance && apart < squared_distance) return;
        if (length > farthest_length) {
            farthest = j;
            farthest_length = length;
        }
        if (apart < length && length > dropped_length) {
            dropped = j;
            dropped_length = length;
        }
    }
    if (dropped < count) {
        links[dropped] = to;
    } else if (squared_distance < farthest_length) {
        links[farthest] = to;
    }
}

// True if the nearest row has the very same codes: then this row is found by its node.
bool GraphBuilder::Share(uint32_t row, const Near& nearest) noexcept {
    Chunk& chunk = ChunkOf(row);
    Chunk& other = ChunkOf(nearest.row);
    const size_t i = row % kChunkRows;
    const size_t j = nearest.row % kChunkRows;
    if (chunk.factors[i].scale != other.factors[j].scale || chunk.factors[i].error != other.factors[j].error ||
        std::memcmp(Codes(row), Codes(nearest.row), row_bytes_) != 0)
        return false;
    const SpinLock lock(&chunk.locks[i]);
    chunk.link_counts[i] = kShared;
    chunk.links[i * most_links_] = nearest.row;
    return true;
}

void GraphBuilder::Insert(uint32_t row, Worker* worker) noexcept {
    Search(row, worker);
    if (worker->nearest.empty()) return;
    if (Share(row, worker->nearest.front())) return;
    Choose(options_.m, 1, worker);
    Chunk& chunk = ChunkOf(row);
    const size_t i = row % kChunkRows;
    {
        const SpinLock lock(&chunk.locks[i]);
        uint32_t* links = chunk.links.get() + i * most_links_;
        for (size_t j = 0; j < worker->chosen.size(); ++j) links[j] = worker->chosen[j].row;
        chunk.link_counts[i] = static_cast<uint16_t>(worker->chosen.size());
    }
    for (const Near& near : worker->chosen) LinkBack(near.row, row, near.squared_distance);
}

void GraphBuilder::ChooseEntries() {
    if (inserted_ < 2 * entries_of_ && entries_of_ > 0) return;
    entries_ = Entries(kMostEntries);
    entries_of_ = inserted_;
}

std::vector<uint32_t> GraphBuilder::Entries(size_t count) const {
    std::vector<uint32_t> entries;
    const size_t step = std::max<size_t>(1, inserted_ / std::max<size_t>(count, 1));
    for (size_t row = 0; row < inserted_ && entries.size() < count; row += step)
        if (SharedWith(static_cast<uint32_t>(row)) == kNoNode) entries.push_back(static_cast<uint32_t>(row));
    return entries;
}

bool GraphBuilder::Step() {
    if (inserted_ == size_) return false;
    for (const std::unique_ptr<Worker>& worker : workers_)
        if (worker->seen.size() < size_) worker->seen.resize(size_ + size_ / 4);
    const int threads = inserted_ < kAlone ? 1 : options_.threads;
    const size_t limit = inserted_ < kAlone ? kStepRows : kStepRows * static_cast<size_t>(threads);
    if (inserted_ == 0) inserted_ = 1;  // the first row has no neighbours
    ChooseEntries();
    size_t count = std::min(limit, size_ - inserted_);
    if (inserted_ < kAlone) count = std::min(count, std::max<size_t>(1, inserted_));
    ParallelFor(threads, count, [this](size_t task, size_t worker) {
        Insert(static_cast<uint32_t>(inserted_ + task), workers_[worker].get());
    });
    inserted_ += count;
    return inserted_ < size_;
}

// ---- The end ----

// Leaves the edges that no kept one covers, nearest first, and at least a few.
void GraphBuilder::Cut(uint32_t row, size_t degree, Worker* worker) noexcept {
    constexpr size_t kFewest = 6;
    Chunk& chunk = ChunkOf(row);
    const size_t i = row % kChunkRows;
    if (chunk.link_counts[i] == kShared) return;
    uint32_t* links = chunk.links.get() + i * most_links_;
    std::vector<Near>& nearest = worker->nearest;
    nearest.clear();
    for (size_t j = 0; j < chunk.link_counts[i]; ++j) nearest.push_back({SquaredDistance(row, links[j]), links[j]});
    std::sort(nearest.begin(), nearest.end());
    Choose(degree, kSlack * kSlack, worker);
    std::vector<Near>& chosen = worker->chosen;
    const auto kept = static_cast<ptrdiff_t>(chosen.size());
    for (const Near& near : nearest) {
        if (chosen.size() >= std::min(kFewest, degree)) break;
        if (std::find(chosen.begin(), chosen.begin() + kept, near) == chosen.begin() + kept) chosen.push_back(near);
    }
    for (size_t j = 0; j < chosen.size(); ++j) links[j] = chosen[j].row;
    chunk.link_counts[i] = static_cast<uint16_t>(chosen.size());
}

bool GraphBuilder::StepFinish(size_t degree) {
    if (cut_ == size_) {
        if (!adopted_) {
            AdoptOrphans(degree);
            adopted_ = true;
            return true;
        }
        return StepReach(degree);
    }
    const size_t count = std::min(size_ - cut_, kChunkRows * static_cast<size_t>(options_.threads));
    ParallelFor(options_.threads, count, [this, degree](size_t task, size_t worker) {
        Cut(static_cast<uint32_t>(cut_ + task), degree, workers_[worker].get());
    });
    cut_ += count;
    return true;
}

// Gives nodes that no edge leads to one from the nearest neighbour that can spare an edge.
void GraphBuilder::AdoptOrphans(size_t degree) {
    std::vector<uint32_t> edges_to(size_);
    for (uint32_t row = 0; row < size_; ++row)
        for (const uint32_t link : Links(row)) ++edges_to[link];
    for (uint32_t row = 0; row < size_; ++row) {
        if (edges_to[row] > 0 || SharedWith(row) != kNoNode) continue;
        for (const uint32_t neighbour : Links(row)) {
            Chunk& chunk = ChunkOf(neighbour);
            const size_t i = neighbour % kChunkRows;
            uint32_t* links = chunk.links.get() + i * most_links_;
            size_t j = chunk.link_counts[i];
            if (j < degree) {
                ++chunk.link_counts[i];
            } else {
                // The last ones are the least needed.
                while (j > 0 && edges_to[links[j - 1]] < 2) --j;
                if (j == 0) continue;
                --edges_to[links[--j]];
            }
            links[j] = row;
            ++edges_to[row];
            break;
        }
    }
}

std::span<uint32_t> GraphBuilder::MutableLinks(uint32_t row) noexcept {
    const std::span<const uint32_t> links = Links(row);
    return {const_cast<uint32_t*>(links.data()), links.size()};
}

// False if the row has no room for a further link.
bool GraphBuilder::AddLink(uint32_t row, uint32_t link, size_t degree) noexcept {
    Chunk& chunk = ChunkOf(row);
    const size_t i = row % kChunkRows;
    if (chunk.link_counts[i] >= degree) return false;
    chunk.links[i * most_links_ + chunk.link_counts[i]++] = link;
    return true;
}

// Links a row that is reached to one that is not. Where it has no room the row takes the place of another one, to which
// it leads itself.
bool GraphBuilder::LinkReached(uint32_t from, uint32_t row, size_t degree) noexcept {
    if (AddLink(from, row, degree)) return true;
    const std::span<uint32_t> links = MutableLinks(from);
    for (size_t j = links.size(); j > 0; --j) {
        const std::span<const uint32_t> own = Links(row);
        const uint32_t replaced = links[j - 1];
        if (std::find(own.begin(), own.end(), replaced) == own.end() && !AddLink(row, replaced, degree)) continue;
        links[j - 1] = row;
        return true;
    }
    return false;
}

// The same from one of the row's neighbours that is reached, or else from a row near it.
bool GraphBuilder::LinkFromReached(uint32_t row, size_t degree, size_t* visits) noexcept {
    for (const uint32_t neighbour : Links(row))
        if (reached_[neighbour] && LinkReached(neighbour, row, degree)) return true;
    Worker* worker = workers_[0].get();
    Search(row, worker);
    *visits += 10 * options_.ef_construction;
    return std::any_of(worker->nearest.begin(), worker->nearest.end(), [&](const Near& near) {
        return near.row != row && reached_[near.row] && LinkReached(near.row, row, degree);
    });
}

// Follows links from row 0, and links rows that are not come to so. Returns whether there is more to do.
bool GraphBuilder::StepReach(size_t degree) {
    constexpr size_t kStepVisits = 100000;
    if (finished_ || size_ == 0) return false;
    if (reached_.empty()) {
        reached_.resize(size_);
        reached_[0] = true;
        to_follow_.push_back(0);
    }
    for (size_t visits = 0; visits < kStepVisits; ++visits) {
        if (!to_follow_.empty()) {
            const uint32_t row = to_follow_.back();
            to_follow_.pop_back();
            for (const uint32_t link : Links(row)) {
                if (reached_[link]) continue;
                reached_[link] = true;
                to_follow_.push_back(link);
            }
        } else if (unreached_from_ < size_) {
            const uint32_t row = unreached_from_++;
            if (reached_[row] || SharedWith(row) != kNoNode) continue;
            if (!LinkFromReached(row, degree, &visits)) {
                ++left_out_;
                continue;
            }
            ++linked_;
            reached_[row] = true;
            to_follow_.push_back(row);
        } else if (linked_ > 0 && left_out_ > 0) {
            // By what was linked since, others may be.
            unreached_from_ = 0;
            linked_ = left_out_ = 0;
        } else {
            finished_ = true;
            reached_ = {};
            to_follow_ = {};
            return false;
        }
    }
    return true;
}

uint32_t GraphBuilder::SharedWith(uint32_t row) const noexcept {
    const Chunk& chunk = ChunkOf(row);
    const size_t i = row % kChunkRows;
    return chunk.link_counts[i] == kShared ? chunk.links[i * most_links_] : kNoNode;
}

HeapTid GraphBuilder::heap_tid(uint32_t row) const noexcept {
    return ChunkOf(row).heap_tids[row % kChunkRows];
}

std::span<const uint32_t> GraphBuilder::Links(uint32_t row) const noexcept {
    const Chunk& chunk = ChunkOf(row);
    const size_t i = row % kChunkRows;
    const size_t count = chunk.link_counts[i] == kShared ? 0 : chunk.link_counts[i];
    return {chunk.links.get() + i * most_links_, count};
}

// A page takes a row that has no place yet, then neighbours of the rows that it has taken, in the order of these.
std::vector<uint32_t> GraphBuilder::Order(size_t nodes_per_page) const {
    std::vector<uint32_t> order;
    order.reserve(size_);
    std::vector<bool> placed(size_);
    const auto place = [&](uint32_t row) {
        if (placed[row]) return;
        placed[row] = true;
        order.push_back(row);
    };
    for (uint32_t row = 0; row < size_; ++row) {
        if (placed[row] || SharedWith(row) != kNoNode) continue;
        size_t member = order.size();
        place(row);
        for (; member < order.size() && order.size() % nodes_per_page != 0; ++member)
            for (const uint32_t link : Links(order[member]))
                if (order.size() % nodes_per_page != 0) place(link);
    }
    return order;
}

void GraphBuilder::Encode(uint32_t row, const NodeLayout& layout, size_t capacity, const std::vector<NodeId>& ids,
                          GraphNode record) {
    const Chunk& chunk = ChunkOf(row);
    const size_t i = row % kChunkRows;
    const std::span<const uint32_t> links = Links(row);
    const size_t edges = std::min(links.size(), capacity);
    record.header() = {
        chunk.heap_tids[i], NodeState::kLive, 0, static_cast<uint16_t>(edges), static_cast<uint16_t>(capacity), kNoNode,
        chunk.factors[i]};
    std::memcpy(record.row(), Codes(row), row_bytes_);
    float* from = decoded_.data();
    float* to = decoded_.data() + padded_;
    if (layout.of_bits()) {
        for (size_t edge = 0; edge < edges; ++edge) {
            std::memcpy(record.edges() + edge * layout.edge_bytes(), &ids[links[edge]], sizeof(NodeId));
            std::memcpy(record.code(edge), Codes(links[edge]), EdgeCodeBytes(layout.code_bits()));
        }
        return;
    }
    rows_.Decode(Codes(row), chunk.factors[i], from);
    for (size_t edge = 0; edge < edges; ++edge) {
        const Chunk& other = ChunkOf(links[edge]);
        const size_t j = links[edge] % kChunkRows;
        rows_.Decode(Codes(links[edge]), other.factors[j], to);
        const EdgeFactors factors = EncodeEdge(from, to, padded_, layout.code_bits(), record.code(edge));
        record.edge(edge) = {ids[links[edge]], factors};
        if (layout.with_norms()) record.norm(edge) = FloatToBf16Nearest(other.squared_norms[j]);
    }
}

}  // namespace annex

// Builds a graph of nodes (annex/graph_node.h) in memory, from the codes of the rows alone.
//
// Rows are inserted one after the other, as in HNSW (arXiv 1603.09320): a search for the ef_construction nearest rows
// so far; of these, nearest first, those become neighbours that are nearer to the row than to each neighbour chosen
// before, m of them at most; and each neighbour gets an edge back. While it is built the graph has up to 2 m edges a
// node; which of them are needed is decided at the end, when all rows are there, less strictly than before (measured:
// built with 16 edges in the first place, a graph takes 359 visits for a recall of .99 where it takes 285 when these
// are chosen at the end; edges that are covered by a twentieth more than another's length save 15 % of the visits, and
// in the build they would do harm). There are no layers above: searches start
// from the best of some rows that are looked at first, which takes less than to descend to them and no space
// (measured: 214 visits against 217, and 10 in upper layers).
//
// Distances are those of the refinement rows, by products of their codes. Rows with the very same codes share a node.
//
// Work is cut into steps of some 20 ms a thread, so that the caller can serve interrupts in between. With one thread
// the result depends on the rows and their order alone.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "annex/graph_node.h"
#include "annex/node_row.h"
#include "annex/refinement.h"
#include "annex/space.h"

namespace annex {

struct GraphBuildOptions {
    size_t m = 16;
    size_t ef_construction = 64;
    int threads = 1;  // more than one: see StartThreads
};

class GraphBuilder {
  public:
    // space must outlive the builder.
    GraphBuilder(const Space& space, const GraphBuildOptions& options);
    ~GraphBuilder();
    GraphBuilder(const GraphBuilder&) = delete;
    GraphBuilder& operator=(const GraphBuilder&) = delete;

    // Memory that a row of so many bytes of codes takes, while it is inserted and at the end.
    [[nodiscard]] static size_t BytesPerRow(size_t row_bytes, const GraphBuildOptions& options) noexcept;

    // Adds y[padded] as Space::TransformRow gives it. Rows are numbered as they come.
    void Add(const float* y, HeapTid heap_tid);
    [[nodiscard]] size_t size() const noexcept { return size_; }
    [[nodiscard]] size_t inserted() const noexcept { return inserted_; }
    // Inserts some of the rows that were added. False when all of them have been.
    bool Step();

    // When all rows are inserted: leaves each node the edges that it needs, at most `degree`, and sees to it that a
    // path from row 0, which is among the entries, leads to every node. To be repeated until it returns false.
    bool StepFinish(size_t degree);
    // Then finds order(), to be repeated likewise: the rows that are nodes, in an order in which neighbours are close
    // to each other, some nodes_per_page of them sharing a page.
    bool StepOrder(size_t nodes_per_page);
    [[nodiscard]] const std::vector<uint32_t>& order() const noexcept { return order_; }
    // kNoNode, or the row whose node this row shares.
    [[nodiscard]] uint32_t SharedWith(uint32_t row) const noexcept;
    [[nodiscard]] HeapTid heap_tid(uint32_t row) const noexcept;
    [[nodiscard]] std::span<const uint32_t> Links(uint32_t row) const noexcept;

    // Writes a row's record, with room for `capacity` edges, all but its header's `more` and its filter columns.
    // ids[row] of its neighbours are given.
    void Encode(uint32_t row, const NodeLayout& layout, size_t capacity, const std::vector<NodeId>& ids,
                GraphNode record);

    // Rows that searches of the graph had best start from.
    [[nodiscard]] std::vector<uint32_t> Entries(size_t count) const;

  private:
    struct Facts;
    struct Chunk;
    struct Worker;
    struct Near {
        float squared_distance;
        uint32_t row;

        friend auto operator<=>(const Near&, const Near&) = default;
    };

    [[nodiscard]] Chunk& ChunkOf(uint32_t row) const noexcept;
    [[nodiscard]] const int8_t* Codes(uint32_t row) const noexcept;
    [[nodiscard]] const Facts& FactsOf(uint32_t row) const noexcept;
    void SquaredDistances(uint32_t row, const uint32_t* others, size_t count, Worker* worker,
                          float* distances) const noexcept;
    void Prefetch(uint32_t row) const noexcept;
    [[nodiscard]] size_t CopyLinks(uint32_t row, uint32_t* links) const noexcept;

    void ChooseEntries();
    void BeginGeneration();
    void FindEntry(uint32_t row, Worker* worker) noexcept;
    void SortGeneration();
    [[nodiscard]] size_t StepRows() const noexcept;
    void Insert(uint32_t row, Worker* worker) noexcept;
    void Search(uint32_t row, uint32_t entry, Worker* worker) const noexcept;
    void Choose(size_t most, float slack, Worker* worker) const noexcept;
    void LinkBack(uint32_t row, uint32_t to, float squared_distance, Worker* worker) noexcept;
    bool Share(uint32_t row, const Near& nearest) noexcept;

    [[nodiscard]] size_t CutRows() const noexcept;
    void Cut(uint32_t row, size_t degree, Worker* worker) noexcept;
    void CountEdges();
    void BeginWays();
    bool StepWays(size_t degree);
    void Reach(uint32_t row, uint32_t from);
    bool AdoptByNeighbour(uint32_t row, size_t degree);
    void AdoptByEntry(uint32_t row, size_t degree);
    void GoThrough(uint32_t row, uint32_t node, size_t degree);
    [[nodiscard]] size_t SpareEdge(uint32_t row, size_t degree) const noexcept;
    void LinkTo(uint32_t row, uint32_t to, size_t degree);

    GraphBuildOptions options_;
    NodeLayout row_layout_;  // of nodes' rows
    NodeRows rows_;
    size_t padded_;
    size_t row_bytes_;
    size_t most_links_;
    size_t size_ = 0;
    size_t inserted_ = 0;
    std::vector<std::unique_ptr<Chunk>> chunks_;
    std::vector<std::unique_ptr<Worker>> workers_;
    std::vector<float> decoded_;

    // The rows that are being inserted, from this one on.
    size_t generation_ = 0;
    size_t generation_size_ = 1;
    size_t placed_ = 0;  // of these, rows whose entry is known
    std::vector<uint32_t> entries_;
    std::vector<uint16_t> nearest_entry_;  // by row of the generation
    std::vector<uint32_t> turns_;          // its rows, in the order in which they are inserted

    // Rows that the end has got through.
    size_t cut_ = 0;
    size_t counted_ = 0;
    size_t adopted_ = 0;
    size_t looked_at_ = 0;
    int ways_ = 0;  // the pass
    std::vector<uint32_t> edges_to_;
    std::vector<uint32_t> reached_from_;
    std::vector<uint32_t> to_follow_;
    std::vector<bool> placed_rows_;
    std::vector<uint32_t> order_;
};

}  // namespace annex

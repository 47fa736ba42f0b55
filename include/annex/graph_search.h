// A search over a graph of nodes (annex/graph_node.h), independent of where they lie.
//
// The caller owns the storage and drives: it names nodes to start from, then visits the nodes that the search asks for,
// one after the other, showing each one's record. No call reads storage but Visit, so a page need be locked only as
// long as that takes.
//
//   Begin -> per round: BeginRound, Start*, {NextToVisit, Visit}*, EndRound -> Next*
//
// A visit gives the node's own distance, with true bounds, and estimates of its neighbours' distances. The search goes
// to the node with the least estimate that it has not visited, until that is beyond the ef-th least distance of the
// rows found. A node that several visited ones lead to has several estimates, of which the least counts: those seen
// from nearer are finer. To take the first one alone would double the visits that a recall of .99 takes.
//
// Within a round Next gives rows in order of their true lower bounds. A further round, with a greater ef, goes on from
// where the last one ended; it may give a row that is nearer than one already returned.
//
// A sweep is a round that looks at all nodes in the order of the storage, whatever leads to them, and gives those that
// were not returned yet, the nearest first, over as many passes as memory asks for:
//
//   BeginSweep, {Look}*, EndRound -> Next*, and again while SweepsAgain
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "annex/edge.h"
#include "annex/entry_table.h"
#include "annex/graph_node.h"
#include "annex/place_set.h"
#include "annex/refinement.h"
#include "annex/space.h"

namespace annex {

// A row that was found, with a true lower bound in the operator's units.
struct FoundNode {
    float lower;
    NodeId node;
    NodeId more;  // as in its header when it was visited
    HeapTid heap_tid;
};

// A visited node that lives, for choosing neighbours: ||y_q - y^||^2 and its row.
struct VisitedNode {
    float squared_distance;
    NodeId node;
    RowFactors factors;
    const int8_t* codes;
};

// What a search did at a visit, for measuring (annex/graph_calibrator.h).
struct TracedVisit {
    float estimate;  // with which it was asked for
    float distance;  // of the row, in the same unit; infinity: it does not count among the rows found
    NodeId node;
};

struct GraphCounters {
    uint64_t visits = 0;
    uint64_t edges = 0;  // whose distance was estimated
    uint64_t passed = 0;
    uint64_t skipped = 0;  // visited rows that did not pass the filter
    uint64_t rounds = 0;
};

class GraphSearch {
  public:
    // The nodes that are searched from now on.
    void SetLayout(const NodeLayout& layout) { layout_ = layout; }
    [[nodiscard]] const NodeLayout& layout() const noexcept { return layout_; }

    // Starts a search for q[space.dimensions()]; space must outlive it. max_entries bounds the memory: of what it
    // knows of nodes that it has not visited, the farthest are forgotten first. Returns the query's class; nothing
    // below may be called unless it is kNormal.
    RowClass Begin(const Space& space, const float* query, size_t max_entries);
    // The same with a row of the index for a query, y[space.padded()] decoded; of bounds and distances the part that
    // the mean makes is left out for inner product.
    void BeginStoredRow(const Space& space, const float* y, size_t max_entries);
    // Starts a search for the neighbours of a row, y[space.padded()] decoded, by L2 whatever the metric is; its visited
    // nodes are kept with their rows.
    void BeginRow(const Space& space, const float* y, size_t max_entries);

    // Visits are noted there from now on, in their order; nullptr: nowhere. Each node must be shown before the next one
    // is asked for.
    void TraceInto(std::vector<TracedVisit>* trace) { trace_ = trace; }
    [[nodiscard]] bool traced() const noexcept { return trace_ != nullptr; }
    // After Begin*: this node is never visited.
    void LeaveOut(NodeId node) { visited_.Insert(node); }

    void BeginRound(size_t ef);
    // A node to visit, the sooner the less its estimate is: a squared distance, or -infinity.
    void Start(NodeId node, float estimate);
    // Starts from the `count` nearest rows of a table, or from all of them that have not been visited.
    void StartFromNearest(const EntryTable& entries, size_t count);
    void StartFromAll(const EntryTable& entries);
    // The node to be visited next; kNoNode when the round is over.
    [[nodiscard]] NodeId NextToVisit();
    // Nodes that are likely to be visited soon, the first ones first.
    [[nodiscard]] size_t Upcoming(NodeId* nodes, size_t count) const noexcept;
    // Shows the record of a node that NextToVisit has given. Its state is kLive or kDead, its edges are not
    // more than it has room for, and its factors finite numbers, which the caller has checked. `passes`: a filter lets
    // its row through.
    void Visit(NodeId node, ConstGraphNode record, bool passes = true);
    void EndRound();

    // The next row of the round in order of lower bounds; false when the round has run dry.
    bool Next(FoundNode* out);
    // Rows that Next gives next; there may be more.
    [[nodiscard]] std::span<const FoundNode> upcoming() const noexcept {
        return std::span(found_).subspan(next_, sorted_ - next_);
    }
    // Whether as many rows as ef says have been found.
    [[nodiscard]] bool FoundEnough() const noexcept { return best_.size() >= ef_; }
    [[nodiscard]] bool Visited(NodeId node) const noexcept { return visited_.Contains(node); }
    // True when no node is known that has not been visited, or ever was and had to be forgotten.
    [[nodiscard]] bool Exhausted();

    // Between rounds. From now on ef counts rows found from now on: another filter decides what passes.
    void ForgetDistances();
    // Between rounds. Nothing of what is known counts any more, but no row is returned twice: nodes have been freed.
    void StartOver();

    void BeginSweep();
    // As Visit, without the node's edges. Nodes that were returned are passed over.
    void Look(NodeId node, ConstGraphNode record, bool passes = true);
    // Whether the sweep's last pass had to leave rows out.
    [[nodiscard]] bool SweepsAgain() const noexcept { return left_out_; }

    // Of a row, whether visited or not: what the search orders rows by. A squared distance, or of inner product its
    // negative (Space::TransformQuery tells of which vectors).
    [[nodiscard]] float DistanceOf(ConstGraphNode record) const noexcept;

    // Of BeginRow: what was visited and lives, the nearest first. Valid until the next search begins.
    [[nodiscard]] std::span<const VisitedNode> Nearest();

    [[nodiscard]] const GraphCounters& counters() const noexcept { return counters_; }

  private:
    // A node that may be visited, in the order of estimates, and of nodes where these are equal: one number.
    class Entry {
      public:
        Entry(float estimate, NodeId node) noexcept : key_(uint64_t{Ordered(estimate)} << 32 | node) {}
        [[nodiscard]] float estimate() const noexcept { return FromOrdered(static_cast<uint32_t>(key_ >> 32)); }
        [[nodiscard]] NodeId node() const noexcept { return static_cast<NodeId>(key_); }
        friend bool operator<(Entry a, Entry b) noexcept { return a.key_ < b.key_; }
        friend bool operator>(Entry a, Entry b) noexcept { return a.key_ > b.key_; }

      private:
        static constexpr uint32_t kSign = uint32_t{1} << 31;
        // Bits of a float that are ordered as unsigned numbers.
        static uint32_t Ordered(float value) noexcept {
            const auto bits = std::bit_cast<uint32_t>(value);
            return (bits & kSign) != 0 ? ~bits : bits | kSign;
        }
        static float FromOrdered(uint32_t bits) noexcept {
            return std::bit_cast<float>((bits & kSign) != 0 ? bits & ~kSign : ~bits);
        }

        uint64_t key_;
    };
    // Of heaps with the least entry on top.
    using After = std::greater<>;

    void Reset(const Space& space, size_t max_entries);
    void UseRowSpace();
    void UseQuery();
    [[nodiscard]] float RowDistance(const int8_t* codes, float scale) const noexcept;
    [[nodiscard]] double BoundOfBits(const int8_t* row) const noexcept;
    [[nodiscard]] const float* EstimateNeighbours(ConstGraphNode record, float squared_distance);
    [[nodiscard]] double LowerBound(const int8_t* codes, const RowFactors& factors,
                                    float squared_distance) const noexcept;
    void EstimateEntries(const EntryTable& entries);
    [[nodiscard]] float Value(float squared_distance, float squared_norm) const noexcept {
        return by_product_ ? (squared_distance - query_squared_norm_ - squared_norm) / 2 : squared_distance;
    }
    void Push(Entry entry);
    void KeepLeast();
    void Forget();
    void SortMore();
    void PutAway();
    [[nodiscard]] float Threshold() const noexcept {
        return best_.size() < ef_ ? std::numeric_limits<float>::infinity() : best_.front();
    }
    void Consider(float distance);
    void AddFound(ConstGraphNode record, NodeId node, float squared_distance);
    void KeepNearest();
    void AddNeighbours(ConstGraphNode record, float squared_distance);

    NodeLayout layout_;
    const Space* space_ = nullptr;
    bool by_product_ = false;  // distances are -<q, y>, in place of ||q - y||^2
    bool keep_rows_ = false;
    size_t max_entries_ = 0;
    std::vector<float> y_;
    std::vector<float> z_;  // the same in the space of rows, where that is another one
    RowQuery row_query_;
    EdgeQuery edge_query_;
    float query_squared_norm_ = 0;
    std::vector<int8_t> query_bits_;  // of bits: the query as a node's row
    float bits_of_code_ = 1;          // how many bits of a row each of a code stands for
    std::vector<float> estimates_;

    size_t ef_ = 0;
    std::vector<Entry> frontier_;  // a heap
    std::vector<Entry> beyond_;    // not worth a visit in this round, in no order
    std::vector<uint32_t> slots_;  // of KeepLeast: places in frontier_ by node
    bool forgotten_ = false;       // entries were given up to save memory
    PlaceSet visited_;
    PlaceSet returned_;             // in earlier rounds
    bool started_over_ = false;     // nodes may be in returned_ and not in visited_
    std::vector<float> distances_;  // of the rows found
    std::vector<float> best_;       // max-heap of the ef least of them
    std::vector<FoundNode> found_;
    size_t next_ = 0;        // found_ before it have been returned
    size_t ready_ = 0;       // found_ before it may be returned in this round
    size_t sorted_ = 0;      // of these, those before it lie in order, and before all others
    bool left_out_ = false;  // by the sweep, for want of memory
    FoundNode first_left_out_{};

    std::vector<Entry> starts_;       // scratch: node() is a number in the table
    std::vector<VisitedNode> nodes_;  // of BeginRow; `codes` are set by Nearest
    std::vector<int8_t> rows_;
    GraphCounters counters_;
    std::vector<TracedVisit>* trace_ = nullptr;
};

}  // namespace annex

// Sequential writing of a graph's pages.
//
// Nodes name each other by their numbers, which follow from their places. So places are given out first: to the nodes
// in the order in which neighbours lie close to each other, page after page, each record as large as its edges make it.
// Then the pages are written; what is left of each is shared among its nodes as room for edges to come.
#include "pg/hnsw/writer.h"

#include <algorithm>
#include <vector>

#include "pg/guard.h"
#include "pg/hnsw/hnsw.h"
#include "pg/index/stop_point.h"

namespace annex::pg::hnsw {

Buffer AppendPage(Relation index, ForkNumber fork) {
    CHECK_FOR_INTERRUPTS();
    ANNEX_STOP_POINT("hnsw-build-next-page");
    Buffer buffer = ReadBufferExtended(index, fork, P_NEW, RBM_NORMAL, nullptr);
    LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
    return buffer;
}

void ReleasePage(Buffer buffer) {
    MarkBufferDirty(buffer);
    UnlockReleaseBuffer(buffer);
}

// Links a page of a chain that is being written to the one before it, which is released.
static void Link(Buffer* previous, Buffer buffer) {
    if (BufferIsValid(*previous)) {
        OpaqueOf(BufferGetPage(*previous))->next = BufferGetBlockNumber(buffer);
        ReleasePage(*previous);
    }
    *previous = buffer;
}

BlockNumber WriteMean(Relation index, ForkNumber fork, const float* mean, uint32 dimensions) {
    BlockNumber first = InvalidBlockNumber;
    Buffer previous = InvalidBuffer;
    for (uint32 done = 0; done < dimensions;) {
        Buffer buffer = AppendPage(index, fork);
        if (done == 0) first = BufferGetBlockNumber(buffer);
        done += FillMeanPage(BufferGetPage(buffer), kFormat, static_cast<uint8>(PageKind::kMean), mean + done,
                             dimensions - done);
        Link(&previous, buffer);
    }
    ReleasePage(previous);
    return first;
}

void WriteMetaPage(Relation index, ForkNumber fork, const MetaPage& meta) {
    Buffer buffer = ReadBufferExtended(index, fork, 0, RBM_NORMAL, nullptr);
    LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
    InitPage(BufferGetPage(buffer), PageKind::kMeta);
    *MetaOf(BufferGetPage(buffer)) = meta;
    ReleasePage(buffer);
}

// ---- Places ----

// A record that has its place: a node, or a part of the TIDs of the rows that share one.
struct Item {
    uint32 row;     // the node's
    uint32 shared;  // first row of those that share it; the node itself: kNodeItem
    uint32 count;   // of these
};
static constexpr uint32 kNodeItem = PG_UINT32_MAX;
static constexpr uint32 kNoRow = PG_UINT32_MAX;

Size WriterBytesPerRow() {
    return sizeof(Item) + 2 * sizeof(uint32) + sizeof(NodeId);
}

// Gives out the places, in steps of some milliseconds.
class Layouter {
  public:
    Layouter(GraphBuilder* graph, const NodePlaces& places, Size value_bytes, BlockNumber first_block)
        : graph_(graph), places_(places), value_bytes_(value_bytes), block_(first_block) {
        ids_.assign(graph_->size(), kNoNode);
        first_shared_.assign(graph_->size(), kNoRow);
        next_shared_.assign(graph_->size(), kNoRow);
        items_.reserve(graph_->size());
        // As many as a page holds, on average of the whole graph.
        nodes_per_page_ = NodesPerPage();
    }

    // To be repeated until it returns false.
    bool Step() {
        constexpr Size kRows = 10000;
        if (linked_ < graph_->size()) {
            for (Size i = 0; i < kRows && linked_ < graph_->size(); i++) LinkShared(graph_->size() - ++linked_);
            return true;
        }
        if (!ordered_) {
            ordered_ = !graph_->StepOrder(nodes_per_page_);
            return true;
        }
        const std::vector<uint32_t>& order = graph_->order();
        for (Size i = 0; i < kRows && placed_ < order.size(); i++) PlaceNode(order[placed_++]);
        if (placed_ < order.size()) return true;
        page_ends_.push_back(items_.size());
        return false;
    }

    [[nodiscard]] Size pages() const { return page_ends_.size(); }
    [[nodiscard]] std::span<const Item> items(Size page) const {
        const Size begin = page == 0 ? 0 : page_ends_[page - 1];
        return {items_.data() + begin, page_ends_[page] - begin};
    }
    [[nodiscard]] Size Bytes(const Item& item) const {
        if (item.shared == kNodeItem) return NodeBytes(item.row);
        return TidsBytes(item.count);
    }
    [[nodiscard]] const std::vector<NodeId>& ids() const { return ids_; }
    [[nodiscard]] uint32 next_shared(uint32 row) const { return next_shared_[row]; }

  private:
    // Puts a row first among those that share its node. The last row comes first, so that they are in order.
    void LinkShared(Size number) {
        const auto row = static_cast<uint32>(number);
        uint32 node = graph_->SharedWith(row);
        if (node == kNoNode) return;
        // Whose node the row shares may itself share another's.
        while (graph_->SharedWith(node) != kNoNode) node = graph_->SharedWith(node);
        next_shared_[row] = first_shared_[node];
        first_shared_[node] = row;
    }

    [[nodiscard]] Size NodesPerPage() const {
        Size bytes = 0;
        Size nodes = 0;
        constexpr uint32 kSample = 1000;
        const auto step = static_cast<uint32>(std::max<Size>(1, graph_->size() / kSample));
        for (uint32 row = 0; row < graph_->size(); row += step, nodes++) bytes += NodeBytes(row);
        return nodes == 0 ? 1 : std::clamp<Size>(places_.area() * nodes / bytes, 1, places_.slots_per_page);
    }

    [[nodiscard]] Size NodeBytes(uint32 row) const {
        const auto edges = static_cast<uint32>(graph_->Links(row).size());
        return std::max(places_.RecordBytes(edges), places_.LeastRecordBytes());
    }
    [[nodiscard]] Size TidsBytes(uint32 count) const {
        const Size bytes = TYPEALIGN(kRecordAlignment, sizeof(NodeHeader) + count * TidStride());
        return std::max(bytes, places_.LeastRecordBytes());
    }
    [[nodiscard]] Size TidStride() const { return sizeof(HeapTid) + TYPEALIGN(2, value_bytes_); }

    NodeId Place(Size bytes) {
        if (left_ < bytes || slot_ == places_.slots_per_page) NextPage();
        left_ -= bytes;
        return places_.At(block_, slot_++);
    }
    void NextPage() {
        if (slot_ > 0) {
            page_ends_.push_back(items_.size());
            block_++;
        }
        slot_ = 0;
        left_ = places_.area();
    }

    void PlaceNode(uint32 row) {
        ids_[row] = Place(NodeBytes(row));
        items_.push_back({row, kNodeItem, 0});
        uint32 left = 0;
        for (uint32 shared = first_shared_[row]; shared != kNoRow; shared = next_shared_[shared]) left++;
        for (uint32 shared = first_shared_[row]; left > 0;) {
            // A record fills what is left of a page, if that is not little.
            const Size room =
                slot_ == places_.slots_per_page || left_ < TidsBytes(std::min(left, kFewTids)) ? places_.area() : left_;
            const auto most =
                static_cast<uint32>((room / kRecordAlignment * kRecordAlignment - sizeof(NodeHeader)) / TidStride());
            const uint32 count = std::min(left, most);
            const NodeId id = Place(TidsBytes(count));
            items_.push_back({row, shared, count});
            for (uint32 i = 0; i < count; i++, shared = next_shared_[shared]) ids_[shared] = id;
            left -= count;
        }
    }
    static constexpr uint32 kFewTids = 16;

    GraphBuilder* graph_;
    NodePlaces places_;
    Size value_bytes_;
    BlockNumber block_;
    uint16 slot_ = 0;
    Size left_ = 0;
    Size nodes_per_page_ = 1;
    Size linked_ = 0;  // rows
    bool ordered_ = false;
    Size placed_ = 0;  // of the order
    // By row: the first one of those that share its node, and the one after it where it shares a node itself.
    std::vector<uint32> first_shared_;
    std::vector<uint32> next_shared_;
    std::vector<Item> items_;
    std::vector<Size> page_ends_;
    std::vector<NodeId> ids_;  // by row: of its record
};

// ---- Pages ----

struct GraphWriter {
    GraphBuilder* graph;
    NodePlaces places;
    Size value_bytes;
    const uint8* values;
    uint32 most_edges;
    const Layouter* layouter;

    // Writes a page that is in private memory. No PostgreSQL function that could report an error is called.
    void FillPage(Page page, Size number) const {
        NodePage::Init(page, places);
        const NodePage to = NodePage::At(page);
        const std::span<const Item> items = layouter->items(number);
        Size used = 0;
        uint32 nodes = 0;
        for (const Item& item : items) {
            used += layouter->Bytes(item);
            nodes += item.shared == kNodeItem ? 1 : 0;
        }
        Size spare = places.area() - used;
        for (Size i = 0; i < items.size(); i++) {
            Size bytes = layouter->Bytes(items[i]);
            if (items[i].shared == kNodeItem) {
                // Of the nodes left, each gets its share of what is left, in whole edges.
                const Size edge = places.node.edge_bytes();
                const Size share = spare / nodes-- / edge * edge;
                const Size most = std::max(places.RecordBytes(most_edges), bytes);
                const Size more = TYPEALIGN_DOWN(kRecordAlignment, std::min(share, most - bytes));
                bytes += more;
                spare -= more;
            }
            const uint16 slot = to.Append(bytes);
            to.header->live++;
            if (items[i].shared == kNodeItem)
                FillNode(to, slot, bytes, items, i);
            else
                FillTids(to, slot, bytes, items, i);
        }
    }

    void FillNode(const NodePage& to, uint16 slot, Size bytes, std::span<const Item> items, Size i) const {
        const uint32 row = items[i].row;
        const GraphNode node = to.node(places, slot);
        const Size capacity = std::min<Size>(places.node.Capacity(bytes), most_edges);
        graph->Encode(row, places.node, capacity, layouter->ids(), node);
        node.header().more = NextOfChain(&items[i]);
        memcpy(node.values(), values + row * value_bytes, value_bytes);
    }

    void FillTids(const NodePage& to, uint16 slot, Size bytes, std::span<const Item> items, Size i) const {
        const Item& item = items[i];
        const TidsView tids(places, value_bytes, to.record(slot));
        tids.header() = {};
        tids.header().state = NodeState::kTids;
        tids.header().edges = static_cast<uint16>(item.count);
        tids.header().capacity = static_cast<uint16>(TidsView::Capacity(value_bytes, bytes));
        tids.header().more = NextOfChain(&item);
        tids.set_owner(layouter->ids()[item.row]);
        uint32 row = item.shared;
        for (uint32 j = 0; j < item.count; j++, row = layouter->next_shared(row)) {
            *tids.tid(j) = graph->heap_tid(row);
            memcpy(tids.values(j), values + row * value_bytes, value_bytes);
        }
    }

    // A chain's records come right after their node, if need be on the next pages: items lie one after the other.
    [[nodiscard]] NodeId NextOfChain(const Item* item) const {
        const Item* next = item + 1;
        if (next == end || next->shared == kNodeItem) return kNoNode;
        return layouter->ids()[next->shared];
    }
    const Item* end;
};

static void WritePages(Relation index, const GraphWriter& writer) {
    auto* image = static_cast<char*>(palloc(BLCKSZ));
    for (Size page = 0; page < writer.layouter->pages(); page++) {
        Buffer buffer = AppendPage(index, MAIN_FORKNUM);
        Guard([&] { writer.FillPage(image, page); });
        memcpy(BufferGetPage(buffer), image, BLCKSZ);
        ReleasePage(buffer);
    }
    pfree(image);
}

static void WriteEntries(Relation index, const std::vector<uint32>& rows, const std::vector<NodeId>& ids,
                         MetaPage* meta) {
    Buffer previous = InvalidBuffer;
    for (Size done = 0; done < rows.size();) {
        Buffer buffer = AppendPage(index, MAIN_FORKNUM);
        Page page = BufferGetPage(buffer);
        InitPage(page, PageKind::kEntries);
        const EntriesPage to = EntriesPage::At(page);
        for (; done < rows.size() && to.header->count < kEntriesPerPage; done++)
            to.nodes()[to.header->count++] = ids[rows[done]];
        SetPageLower(page, EntriesPage::Lower(to.header->count));
        if (meta->entries.first == InvalidBlockNumber) meta->entries.first = BufferGetBlockNumber(buffer);
        meta->entries.last = BufferGetBlockNumber(buffer);
        Link(&previous, buffer);
    }
    if (BufferIsValid(previous)) ReleasePage(previous);
    meta->entry_count = static_cast<uint32>(rows.size());
}

// The engine's objects, tied to a memory context.
struct WriterState {
    Layouter layouter;
    std::vector<uint32> entries;
};

extern "C" {
static void DeleteState(void* arg) noexcept {
    delete *static_cast<WriterState**>(arg);
}
}

void WriteGraph(Relation index, GraphBuilder* graph, const uint8* values, MetaPage* meta) {
    MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "hnsw writer", ALLOCSET_DEFAULT_SIZES);
    MemoryContext old_context = MemoryContextSwitchTo(context);
    auto** state = static_cast<WriterState**>(palloc0(sizeof(WriterState*)));
    auto* callback = static_cast<MemoryContextCallback*>(palloc0(sizeof(MemoryContextCallback)));
    callback->func = DeleteState;
    callback->arg = state;
    MemoryContextRegisterResetCallback(context, callback);

    const NodePlaces places = PlacesOf(*meta);
    const Size value_bytes = ColumnsOf(*meta).value_bytes();
    const BlockNumber first = RelationGetNumberOfBlocks(index);
    Guard([&] {
        *state = new WriterState{Layouter(graph, places, value_bytes, first), {}};
        (*state)->entries = graph->Entries(EntriesFor(static_cast<double>(graph->size())));
    });
    bool more = graph->size() > 0;
    while (more) {
        CHECK_FOR_INTERRUPTS();
        Guard([&] { more = (*state)->layouter.Step(); });
    }
    const Layouter& layouter = (*state)->layouter;
    if (graph->size() > 0) {
        const std::span<const Item> last = layouter.items(layouter.pages() - 1);
        WritePages(index,
                   {graph, places, value_bytes, values, MostEdges(meta->m), &layouter, last.data() + last.size()});
        meta->insert = first + static_cast<BlockNumber>(layouter.pages()) - 1;
    }
    WriteEntries(index, (*state)->entries, layouter.ids(), meta);
    MemoryContextSwitchTo(old_context);
    MemoryContextDelete(context);
}

void WriteSide(Relation index, const HeapTid* tids, const uint8* values, Size count, MetaPage* meta) {
    const SideLayout layout{ColumnsOf(*meta).value_bytes()};
    Buffer previous = InvalidBuffer;
    for (Size done = 0; done < count;) {
        Buffer buffer = AppendPage(index, MAIN_FORKNUM);
        Page page = BufferGetPage(buffer);
        InitPage(page, PageKind::kSide);
        const SidePage to = SidePage::At(page);
        for (; done < count && to.header->count < layout.rows_per_page(); done++) {
            const uint32 i = to.header->count++;
            *to.tid(layout, i) = tids[done];
            memcpy(to.values(layout, i), values + done * layout.value_bytes, layout.value_bytes);
        }
        SetPageLower(page, SidePage::Lower(layout, to.header->count));
        if (meta->side.first == InvalidBlockNumber) meta->side.first = BufferGetBlockNumber(buffer);
        meta->side.last = BufferGetBlockNumber(buffer);
        Link(&previous, buffer);
    }
    if (BufferIsValid(previous)) ReleasePage(previous);
}

}  // namespace annex::pg::hnsw

// annex_verify's checks of single pages: everything a page says about itself.
#include <algorithm>
#include <cmath>

#include "annex/kernels.h"
#include "pg/hnsw/verify.h"

extern "C" {
#include "access/htup_details.h"
}

namespace annex::pg::hnsw {

void Verifier::CheckMetaPage() {
    Read(0);
    CheckUsed(index, 0, page, kHeaderOffset + sizeof(MetaPage));
    if (NextOf(page) != InvalidBlockNumber) Report(0, "the meta page links to another page");
    bool possible = std::isfinite(meta.calibrated_nodes) && meta.calibrated_nodes >= 0;
    for (const auto& of_k : meta.calibration)
        for (const CalibrationEntry& entry : of_k)
            possible = possible && std::isfinite(entry.ef) && entry.ef >= 0 && std::isfinite(entry.visits);
    if (!possible) Report(0, "the calibration is impossible");
}

void Verifier::CheckMeanPage(BlockNumber block, uint32* values) {
    CheckPage(index, block, page, PageKind::kMean);
    const uint32 count = MeanCount(index, block, page);
    CheckUsed(index, block, page, kMeanOffset + count * sizeof(float));
    for (uint32 i = 0; i < count; i++)
        if (!std::isfinite(MeanValues(page)[i])) Report(block, "the mean is not finite");
    *values = count;
}

// A row of the table, with the values of its filter columns.
void Verifier::CheckTid(BlockNumber block, HeapTid tid, const uint8* values) {
    if (table_blocks != InvalidBlockNumber) {
        const ItemPointerData pointer = ToItemPointer(tid);
        if (ItemPointerGetBlockNumberNoCheck(&pointer) >= table_blocks || tid.offset > MaxHeapTuplesPerPage)
            Report(block, "a heap TID lies outside of the table");
    }
    if (!ValidValues(columns, values)) Report(block, "the values of a row's filter columns are impossible");
    NoteTid(&inventory, tid, block, values);
}

// ---- Nodes ----

void Verifier::CheckCodes(BlockNumber block, const GraphNode& node) {
    if (!places.node.of_bits() && memchr(node.row(), 0x80, places.node.row_bytes()) != nullptr)
        Report(block, "a code of a row is out of range");
}

static bool PossibleFactors(const EdgeFactors& factors) {
    const float f_rescale = Bf16ToFloat(factors.f_rescale);
    return std::isfinite(Bf16ToFloat(factors.f_add)) && std::isfinite(f_rescale) && f_rescale <= 0;
}

void Verifier::CheckEdges(BlockNumber block, uint16 slot, const GraphNode& node) {
    const NodeId id = places.At(block, slot);
    const uint32 count = node.header().edges;
    for (uint32 i = 0; i < count; i++) {
        const EdgeHeader& edge = node.edge(i);
        if (!places.node.of_bits() && !PossibleFactors(edge.factors))
            Report(block, psprintf("the factors of an edge of the node in slot %u are impossible", slot));
        if (places.node.with_norms()) {
            const float norm = Bf16ToFloat(node.norm(i));
            if (!std::isfinite(norm) || norm < 0)
                Report(block, psprintf("an edge of the node in slot %u has an impossible norm", slot));
        }
        if (edge.neighbour == id) Report(block, psprintf("the node in slot %u has an edge to itself", slot));
        if (places.Block(edge.neighbour) == 0 || (strict && places.Block(edge.neighbour) >= blocks))
            Report(block, psprintf("an edge of the node in slot %u leads out of the index", slot));
        for (uint32 other = 0; other < i; other++)
            if (node.edge(other).neighbour == edge.neighbour)
                Report(block, psprintf("the node in slot %u has two edges to the same node", slot));
    }
    edges += count;
}

void Verifier::CheckNode(BlockNumber block, const NodePage& nodes, uint16 slot) {
    const GraphNode node = nodes.node(places, slot);
    const NodeHeader& header = node.header();
    CheckCodes(block, node);
    CheckEdges(block, slot, node);
    const NodeId id = places.At(block, slot);
    if (header.state == NodeState::kDead) {
        if (header.heap_tid.valid()) Report(block, psprintf("the dead node in slot %u has a row", slot));
        dead_nodes++;
        if (strict) dead.Add(id);
        return;
    }
    live_nodes++;
    if (strict) live.Add(id);
    if (!header.heap_tid.valid()) {
        if (header.more == kNoNode) Report(block, psprintf("the node in slot %u has no row", slot));
        return;
    }
    rows++;
    CheckTid(block, header.heap_tid, node.values());
}

void Verifier::CheckTids(BlockNumber block, const NodePage& nodes, uint16 slot) {
    const TidsView view(places, value_bytes(), nodes.record(slot));
    uint32 used = 0;
    for (uint32 i = 0; i < view.header().capacity; i++) {
        if (!view.tid(i)->valid()) continue;
        used++;
        CheckTid(block, *view.tid(i), view.values(i));
    }
    if (used != view.header().edges)
        Report(block, psprintf("the heap TIDs in slot %u are not as many as it says", slot));
    rows += used;
    if (strict) tids.Add(places.At(block, slot));
}

void Verifier::CheckNodePage(BlockNumber block) {
    const NodePage nodes = NodePage::Open(index, block, page, places);
    CheckUsed(index, block, page, places.records_offset());
    if (NextOf(page) != InvalidBlockNumber) Report(block, "a page of nodes links to another page");
    Size end = places.records_offset();
    uint16 used = 0;
    for (uint16 slot = 0; slot < nodes.header->slots; slot++) {
        if (nodes.directory()[slot] != end) Report(block, psprintf("the record in slot %u is out of place", slot));
        const RecordKind kind = nodes.Find(places, value_bytes(), slot);
        if (kind == RecordKind::kDamaged) Report(block, psprintf("the numbers in slot %u are impossible", slot));
        end += nodes.record_bytes(slot);
        if (kind == RecordKind::kNone) continue;
        used++;
        if (kind == RecordKind::kNode)
            CheckNode(block, nodes, slot);
        else
            CheckTids(block, nodes, slot);
    }
    if (used != nodes.header->live) Report(block, "the page's records are not as many as it says");
    if (end != reinterpret_cast<PageHeader>(page)->pd_lower) Report(block, "the page ends behind its last record");
}

// ---- Other pages ----

void Verifier::CheckEntriesPage(BlockNumber block) {
    const EntriesPage at = EntriesPage::Open(index, block, page);
    CheckUsed(index, block, page, EntriesPage::Lower(at.header->count));
    for (uint32 i = 0; i < at.header->count; i++) {
        const BlockNumber of_node = places.Block(at.nodes()[i]);
        if (of_node == 0 || (strict && of_node >= blocks)) Report(block, "an entry lies outside of the index");
    }
    entries += at.header->count;
}

void Verifier::CheckSidePage(BlockNumber block) {
    const SidePage side = SidePage::Open(index, block, page, sides);
    CheckUsed(index, block, page, SidePage::Lower(sides, side.header->count));
    for (uint32 i = 0; i < side.header->count; i++) {
        const HeapTid tid = *side.tid(sides, i);
        if (!tid.valid()) Report(block, "a heap TID of the side chain is invalid");
        CheckTid(block, tid, side.values(sides, i));
        side_rows++;
    }
}

// Where chains cannot be followed.
void Verifier::CheckAnyPage(BlockNumber block) {
    if (PageIsNew(page)) return;
    const auto kind = static_cast<PageKind>(CheckedKind(index, block, page, kFormat));
    if (NextOf(page) == 0) Report(block, "the page links to the meta page");
    uint32 values = 0;
    switch (kind) {
        case PageKind::kMeta:
            return Report(block, "there is a second meta page");
        case PageKind::kMean:
            return CheckMeanPage(block, &values);
        case PageKind::kNodes:
            return CheckNodePage(block);
        case PageKind::kEntries:
            return CheckEntriesPage(block);
        case PageKind::kSide:
            return CheckSidePage(block);
        case PageKind::kFree:
            return;
    }
    Report(block, "the page is of an unknown kind");
}

}  // namespace annex::pg::hnsw

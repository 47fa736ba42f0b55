// The rows of a condition from its index one by one, without a bitmap.
//
// A bitmap is a hash table of pages, which is sorted when it is read: for rows that lie scattered over the table that
// takes several times as long as finding them in the index. Here they go into a list, which is sorted by digits. Their
// order does not matter, as it does not to a bitmap; nor do rows that come twice.
#include "pg/guard.h"
#include "pg/planner/node.h"

extern "C" {
#include "access/genam.h"
#include "catalog/pg_am_d.h"
#include "executor/instrument.h"
#include "miscadmin.h"
}

namespace annex::pg {
namespace {

// Of work_mem a row of the list takes its place in the list while that is sorted, and as much again in the set.
constexpr Size kListedRow = 2 * TidList::kRowBytes;
constexpr int kBatch = 256;

struct Lister {
    FilteredState* state;
    TIDBitmap* bitmap;  // of all rows, once they are too many
    HeapTid tids[kBatch];
    int count;
    bool recheck;  // of the rows of the batch
};

static_assert(sizeof(HeapTid) == sizeof(ItemPointerData));

void AddToBitmap(TIDBitmap* bitmap, const HeapTid* tids, int count, bool recheck) {
    tbm_add_tuples(bitmap, reinterpret_cast<ItemPointer>(const_cast<HeapTid*>(tids)), count, recheck);
}

void PourIntoBitmap(Lister* lister) {
    lister->bitmap = BitmapOfList(lister->state);
    Guard([&] { *lister->state->list = TidList(); });
}

void Flush(Lister* lister) {
    CHECK_FOR_INTERRUPTS();
    FilteredState* state = lister->state;
    const auto count = static_cast<size_t>(lister->count);
    lister->count = 0;
    state->list_recheck |= lister->recheck;
    if (lister->bitmap == nullptr && (state->list->size() + count) * kListedRow > static_cast<Size>(work_mem) * 1024)
        PourIntoBitmap(lister);
    if (lister->bitmap != nullptr)
        AddToBitmap(lister->bitmap, lister->tids, static_cast<int>(count), state->list_recheck);
    else
        Guard([&] { state->list->Add(lister->tids, count); });
}

// What MultiExecBitmapIndexScan does, without its bitmap.
void ListIndexRows(Lister* lister, BitmapIndexScanState* node) {
    if (node->ss.ps.instrument != nullptr) InstrStartNode(node->ss.ps.instrument);
    if (!node->biss_RuntimeKeysReady && node->biss_NumRuntimeKeys != 0) ExecReScan(&node->ss.ps);
    double rows = 0;
    lister->recheck = false;
    while (const ItemPointerData* tid = index_getnext_tid(node->biss_ScanDesc, ForwardScanDirection)) {
        lister->tids[lister->count++] = {tid->ip_blkid.bi_hi, tid->ip_blkid.bi_lo, tid->ip_posid};
        lister->recheck |= node->biss_ScanDesc->xs_recheck;
        rows++;
        if (lister->count == kBatch) Flush(lister);
    }
    Flush(lister);
    if (node->ss.ps.instrument != nullptr) InstrStopNode(node->ss.ps.instrument, rows);
}

void ListNodeRows(Lister* lister, PlanState* node) {
    if (node->chgParam != nullptr) ExecReScan(node);
    if (IsA(node, BitmapIndexScanState)) {
        ListIndexRows(lister, castNode(BitmapIndexScanState, node));
        return;
    }
    const auto* either = castNode(BitmapOrState, node);
    if (node->instrument != nullptr) InstrStartNode(node->instrument);
    for (int i = 0; i < either->nplans; i++) ListNodeRows(lister, either->bitmapplans[i]);
    if (node->instrument != nullptr) InstrStopNode(node->instrument, 0);
}

}  // namespace

// Other access methods may want more of a scan than one begun for a bitmap has.
bool CanListRows(const PlanState* node) {
    if (IsA(node, BitmapOrState)) {
        const auto* either = reinterpret_cast<const BitmapOrState*>(node);
        for (int i = 0; i < either->nplans; i++)
            if (!CanListRows(either->bitmapplans[i])) return false;
        return true;
    }
    if (!IsA(node, BitmapIndexScanState)) return false;
    const auto* scan = reinterpret_cast<const BitmapIndexScanState*>(node);
    const Oid method = scan->biss_RelationDesc->rd_rel->relam;
    return (method == BTREE_AM_OID || method == HASH_AM_OID) && scan->biss_NumArrayKeys == 0;
}

TIDBitmap* ListRows(FilteredState* state) {
    auto* lister = static_cast<Lister*>(palloc0(sizeof(Lister)));
    lister->state = state;
    ListNodeRows(lister, state->bitmap);
    TIDBitmap* bitmap = lister->bitmap;
    pfree(lister);
    return bitmap;
}

TIDBitmap* BitmapOfList(const FilteredState* state) {
    const TidList& list = *state->list;
    TIDBitmap* bitmap = tbm_create(static_cast<long>(work_mem) * 1024, nullptr);
    HeapTid batch[kBatch];
    int count = 0;
    for (size_t i = 0; i < list.size(); i++) {
        batch[count++] = list.tid(i);
        if (count < kBatch && i + 1 < list.size()) continue;
        AddToBitmap(bitmap, batch, count, state->list_recheck);
        count = 0;
    }
    return bitmap;
}

}  // namespace annex::pg

// annex_verify's checks of single pages: everything a page says about itself, and what it says about others where these
// were noted before.
#include "pg/ivf/verify.h"

#include <algorithm>

extern "C" {
#include "access/htup_details.h"
}

#include <cmath>

#include "annex/kernels.h"

namespace annex::pg::ivf {

static bool IsFinite(float value) {
    return std::isfinite(value);
}

// ---- Each page by itself ----

// What is used of a page must end where its header says so, at least: WAL leaves out what follows. `stored` is what
// the header said before the view's SetLower() put there what it must say.
void Verifier::CheckUsed(BlockNumber block, Page checked, LocationIndex stored) {
    const auto* header = reinterpret_cast<PageHeader>(checked);
    if (stored < header->pd_lower || stored > header->pd_upper || header->pd_upper > header->pd_special)
        Report(block, "the page's header and its contents disagree about what is used of it");
}

static LocationIndex LowerOf(Page page) {
    return reinterpret_cast<PageHeader>(page)->pd_lower;
}

void Verifier::CheckMetaPage() {
    Read(0);
    const LocationIndex lower = LowerOf(page);
    InitPage(page, PageKind::kMeta);
    CheckUsed(0, page, lower);
    Read(0);
    if (NextOf(page) != InvalidBlockNumber) Report(0, "the meta page links to another page");
    if (!std::isfinite(meta.build_rows) || meta.build_rows < 0)
        Report(0, "the number of rows at the build is impossible");
    CheckDescriptor(0, meta.root);
    if (!meta.root.LivesAt(meta.generation) || meta.root.level != 1) Report(0, "the root is no list of centroids");
}

void Verifier::CheckMeanPage(BlockNumber block, uint32* values) {
    CheckPage(index, block, page, PageKind::kMean);
    const uint32 count = MeanCount(index, block, page);
    const LocationIndex lower = LowerOf(page);
    SetPageLower(page, kMeanOffset + count * sizeof(float));
    CheckUsed(block, page, lower);
    for (uint32 i = 0; i < count; i++)
        if (!IsFinite(MeanValues(page)[i])) Report(block, "the mean is not finite");
    *values = count;
}

void Verifier::CheckDescriptor(BlockNumber block, const ListDescriptor& list) {
    if (static_cast<uint8>(list.state) > static_cast<uint8>(ListState::kRetired))
        Report(block, "the state of a list is unknown");
    if (list.state == ListState::kUnused) return;
    if (list.generation == 0 || (list.died != 0 && list.died < list.generation))
        Report(block, "a list dies before it lives");
    if (!IsFinite(list.rho) || list.rho < 0) Report(block, "the spread of a list is impossible");
    if ((list.first == InvalidBlockNumber) != (list.last == InvalidBlockNumber))
        Report(block, "a list has one end only");
    if (list.first == InvalidBlockNumber && list.contiguous != 0)
        Report(block, "a list without pages has a contiguous run");
}

void Verifier::CheckDescriptorPage(BlockNumber block) {
    const DescriptorPage descriptors = DescriptorPage::Open(index, block, page);
    const LocationIndex lower = LowerOf(page);
    descriptors.SetLower();
    CheckUsed(block, page, lower);
    for (uint16 i = 0; i < descriptors.header->count; i++) {
        const ListDescriptor& list = descriptors.descriptors()[i];
        CheckDescriptor(block, list);
        if (list.state != ListState::kUnused && list.level != 0) Report(block, "a list has an impossible level");
    }
}

void Verifier::CheckTid(BlockNumber block, HeapTid tid) {
    if (table_blocks == InvalidBlockNumber) return;
    const ItemPointerData pointer = ToItemPointer(tid);
    if (ItemPointerGetBlockNumberNoCheck(&pointer) >= table_blocks || tid.offset > MaxHeapTuplesPerPage)
        Report(block, "a heap TID lies outside of the table");
}

// What the functions of annex/columns.h write.
void Verifier::CheckValues(BlockNumber block, const uint8* values) {
    if (!ValidValues(sketches.columns, values)) Report(block, "the values of a row's filter columns are impossible");
}

void Verifier::CheckEntry(BlockNumber block, ListId list, const SketchTrailer& entry, const uint8* values) {
    const float f_add = Bf16ToFloat(entry.factors.f_add);
    const float f_rescale = Bf16ToFloat(entry.factors.f_rescale);
    const float f_error = Bf16ToFloat(entry.factors.f_error);
    const bool bits = IsOfBits(meta.metric) && list != kRootList;
    if (bits ? f_add != 0 || f_rescale != 1 || entry.factors.f_error > meta.dimensions
             : !IsFinite(f_add) || !IsFinite(f_rescale) || f_rescale > 0 || !IsFinite(f_error) || f_error < 0)
        Report(block, "the factors of a sketch are impossible");
    if (list == kRootList) {
        CheckCentroidEntry(block, entry);
        return;
    }
    CheckTid(block, entry.heap_tid);
    CheckValues(block, values);
    if (strict) NoteEntry(&inventory, entry.place, entry.heap_tid, NumberOf(list), values);
}

void Verifier::CheckCentroidEntry(BlockNumber block, const SketchTrailer& entry) {
    if (!strict) return;
    const uint32 list = NumberOf(TargetList(entry.heap_tid));
    if (list >= list_slots || !lists[list].LivesAt(meta.generation))
        Report(block, "a centroid's entry refers to no list");
    if (list_marks[list].entry) Report(block, "a list's centroid has two entries");
    if (lists[list].centroid != entry.place) Report(block, "a centroid's entry and its list name different rows");
    list_marks[list].entry = true;
}

bool Verifier::OfLivingList(const ListPage& list) const {
    if (list.list() == kRootList) return list.header->generation == meta.root.generation;
    const uint32 number = NumberOf(list.list());
    return number < list_slots && lists[number].LivesAt(meta.generation) &&
           lists[number].generation == list.header->generation;
}

void Verifier::CheckListPage(BlockNumber block, bool entries) {
    const ListPage list = ListPage::Open(index, block, page, sketches);
    const LocationIndex lower = LowerOf(page);
    list.SetLower(sketches);
    CheckUsed(block, page, lower);
    if (list.header->level != (list.list() == kRootList ? 1 : 0))
        Report(block, "the page's list has an impossible level");

    uint32 live = 0;
    list.ForEachTrailer(sketches, [&](const BlockTrailer* trailer) {
        for (Size v = 0; v < kBlockSize; v++) {
            if (!trailer->heap_tid[v].valid()) continue;
            live++;
            if (!entries) continue;
            uint8 values[kMostValueBytes];
            LoadFromStrips(sketches.columns, StripsOf(reinterpret_cast<const uint8*>(trailer)), v, values);
            CheckEntry(block, list.list(),
                       {{trailer->f_add[v], trailer->f_rescale[v], trailer->f_error[v]},
                        trailer->heap_tid[v],
                        trailer->place[v]},
                       values);
        }
    });
    for (uint32 i = 0; i < list.header->entries; i++) {
        SketchTrailer entry;
        memcpy(&entry, list.entry(i, sketches) + CodeBytes(sketches.padded), sizeof entry);
        if (!entry.heap_tid.valid()) continue;
        live++;
        if (entries) CheckEntry(block, list.list(), entry, sketches.values(list.entry(i, sketches)));
    }
    if (live != list.header->live) Report(block, "the page's live entries are not as many as it says");
}

void Verifier::CheckCodes(BlockNumber block, const int8* codes, uint32 count) {
    if (memchr(codes, 0x80, count) != nullptr) Report(block, "a code of a row is out of range");
}

void Verifier::CheckBits(BlockNumber block, const RowHeader& row, const int8* codes, uint32 count) {
    const bool bits = std::all_of(codes, codes + count, [](int8 code) { return code == 0 || code == 1; });
    if (!bits || row.factors.scale != 1 || row.factors.error != 0) Report(block, "a row of bits has other codes");
}

void Verifier::CheckCentroidRow(BlockNumber block, Place place, HeapTid target) {
    if (!strict) return;
    const uint32 list = NumberOf(TargetList(target));
    if (list >= list_slots) Report(block, "a centroid's row belongs to no list");
    // Others are left over from lists that lived here before, or never came to live.
    if (lists[list].centroid == place) list_marks[list].row = true;
}

void Verifier::CheckRow(BlockNumber block, const RowPage& rows_page, uint16 slot) {
    const RowHeader& row = *rows_page.row(layout, slot);
    if (!IsFinite(row.factors.scale) || row.factors.scale < 0 || !IsFinite(row.factors.error) || row.factors.error < 0)
        Report(block, "the factors of a row are impossible");
    CheckCodes(block, rows_page.codes(layout, slot), layout.head_codes);

    const Place place = layout.At(block, slot);
    if (rows_page.header->owner == RowOwner::kCentroids) {
        CheckCentroidRow(block, place, row.heap_tid);
        return;
    }
    if (IsOfBits(meta.metric)) CheckBits(block, row, rows_page.codes(layout, slot), layout.head_codes);
    CheckTid(block, row.heap_tid);
    rows++;
    const uint8* values = rows_page.values(layout, slot);
    CheckValues(block, values);
    if (strict) NoteRow(&inventory, place, row.heap_tid, values);
    if (with_tids) NoteTid(&inventory.tids, row.heap_tid, block, values);
}

void Verifier::CheckTailLink(BlockNumber block, bool needed) {
    const BlockNumber tail = NextOf(page);
    if (!layout.TwoPages(meta.padded)) {
        if (tail != InvalidBlockNumber) Report(block, "a row page of whole rows links to another page");
        return;
    }
    if (tail == InvalidBlockNumber) {
        if (needed) Report(block, "a row's second part is missing");
        return;
    }
    if (!strict) return;
    if (tail >= blocks) Report(block, "a row's second part lies outside of the index");
    if (marks[tail] != Mark::kUnknown && marks[tail] != Mark::kTail)
        Report(block, psprintf("a row's second part should be in block %u, but something else is there", tail));
    marks[tail] = Mark::kLinkedTail;
    CopyPage(index, tail, strategy, tail_page);
    CheckPage(index, tail, tail_page, PageKind::kRowTail);
    if (OpaqueOf(tail_page)->head != block)
        Report(tail, psprintf("the page holds the second part of another row than block %u says", block));
    CheckTailPage(tail, tail_page);
}

void Verifier::CheckRowPage(BlockNumber block) {
    const RowPage rows_page = RowPage::Open(index, block, page, layout);
    const LocationIndex lower = LowerOf(page);
    rows_page.SetLower(layout);
    CheckUsed(block, page, lower);

    uint16 live = 0;
    for (uint16 slot = 0; slot < rows_page.header->used; slot++) {
        if (!rows_page.row(layout, slot)->heap_tid.valid()) continue;
        live++;
        CheckRow(block, rows_page, slot);
    }
    if (live != rows_page.header->live) Report(block, "the page's rows are not as many as it says");
    CheckTailLink(block, live > 0);
    if (strict) marks[block] = rows_page.header->owner == RowOwner::kCentroids ? Mark::kCentroidRows : Mark::kHeapRows;
}

void Verifier::CheckTailPage(BlockNumber block, Page tail) {
    if (!layout.TwoPages(meta.padded)) Report(block, "the page holds a row's second part, but rows have none");
    if (NextOf(tail) != InvalidBlockNumber) Report(block, "a row's second part links to another page");
    CheckCodes(block, RowTailCodes(tail), meta.padded - layout.head_codes);
    const LocationIndex lower = LowerOf(tail);
    InitPage(tail, PageKind::kRowTail);
    CheckUsed(block, tail, lower);
}

void Verifier::CheckSidePage(BlockNumber block) {
    const SidePage side = SidePage::Open(index, block, page, sides);
    const LocationIndex lower = LowerOf(page);
    side.SetLower(sides);
    CheckUsed(block, page, lower);
    for (uint16 i = 0; i < side.header->count; i++) {
        const HeapTid tid = *side.tid(sides, i);
        if (!tid.valid()) Report(block, "a heap TID of the side chain is invalid");
        CheckTid(block, tid);
        side_rows++;
        CheckValues(block, side.values(sides, i));
        if (with_tids) NoteTid(&inventory.tids, tid, block, side.values(sides, i));
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
        case PageKind::kDescriptors:
            return CheckDescriptorPage(block);
        case PageKind::kList:
            return CheckListPage(block, true);
        case PageKind::kRows:
            return CheckRowPage(block);
        case PageKind::kRowTail:
            return CheckTailPage(block, page);
        case PageKind::kSide:
            return CheckSidePage(block);
        case PageKind::kFree:
            return;
    }
    Report(block, "the page is of an unknown kind");
}

uint32 Verifier::NumberOf(ListId id) const {
    uint32 number;
    return ListNumber(meta, id, &number) ? number : list_slots;
}

}  // namespace annex::pg::ivf

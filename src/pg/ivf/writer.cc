// Sequential writing of pages.
#include "pg/ivf/writer.h"

extern "C" {
#include "access/xloginsert.h"
}

#include "pg/index/stop_point.h"
#include "pg/ivf/extend.h"

namespace annex::pg::ivf {

Buffer AppendPage(const Writer& writer) {
    CHECK_FOR_INTERRUPTS();
    ANNEX_STOP_POINT("build-next-page");
    if (writer.log_each) return NewPage(writer.index);
    Buffer buffer = ReadBufferExtended(writer.index, writer.fork, P_NEW, RBM_NORMAL, nullptr);
    LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
    return buffer;
}

Buffer ReopenPage(const Writer& writer, BlockNumber block) {
    Buffer buffer = ReadBufferExtended(writer.index, writer.fork, block, RBM_NORMAL, nullptr);
    LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
    return buffer;
}

void ReleaseNewPage(const Writer& writer, Buffer buffer) {
    START_CRIT_SECTION();
    MarkBufferDirty(buffer);
    if (writer.log_each && RelationNeedsWAL(writer.index)) log_newpage_buffer(buffer, true);
    END_CRIT_SECTION();
    UnlockReleaseBuffer(buffer);
}

// Pages that fill slowly do so in private memory. Their places are theirs meanwhile, in a kind that nobody takes for
// free, and no lock keeps interrupts from being served.
static void CompletePage(const Writer& writer, Buffer buffer, Page image) {
    LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
    memcpy(BufferGetPage(buffer), image, BLCKSZ);
    ReleaseNewPage(writer, buffer);
}

BlockNumber WriteMean(const Writer& writer, const float* mean, uint32 dimensions) {
    BlockNumber first = InvalidBlockNumber;
    Buffer previous = InvalidBuffer;
    for (uint32 done = 0; done < dimensions;) {
        Buffer buffer = AppendPage(writer);
        Page page = BufferGetPage(buffer);
        done += FillMeanPage(page, kFormat, static_cast<uint8>(PageKind::kMean), mean + done, dimensions - done);
        if (BufferIsValid(previous)) {
            OpaqueOf(BufferGetPage(previous))->next = BufferGetBlockNumber(buffer);
            ReleaseNewPage(writer, previous);
        } else {
            first = BufferGetBlockNumber(buffer);
        }
        previous = buffer;
    }
    ReleaseNewPage(writer, previous);
    return first;
}

DescriptorExtent ReserveDescriptors(const Writer& writer, uint32 lists) {
    DescriptorExtent extent{InvalidBlockNumber, (lists + kDescriptorsPerPage - 1) / kDescriptorsPerPage};
    for (uint32 i = 0; i < extent.pages; i++) {
        Buffer buffer = AppendPage(writer);
        if (i == 0) extent.first = BufferGetBlockNumber(buffer);
        DescriptorPage::Init(BufferGetPage(buffer));
        ReleaseNewPage(writer, buffer);
    }
    return extent;
}

void WriteDescriptors(const Writer& writer, const DescriptorExtent& extent, const ListDescriptor* descriptors,
                      uint32 lists) {
    for (uint32 done = 0; done < lists; done += kDescriptorsPerPage) {
        Buffer buffer = ReopenPage(writer, extent.first + done / kDescriptorsPerPage);
        Page page = BufferGetPage(buffer);
        DescriptorPage to = DescriptorPage::At(page);
        to.header->count = static_cast<uint16>(lists - done < kDescriptorsPerPage ? lists - done : kDescriptorsPerPage);
        memcpy(to.descriptors(), descriptors + done, to.header->count * sizeof(ListDescriptor));
        to.SetLower();
        ReleaseNewPage(writer, buffer);
    }
}

// ---- Rows ----

RowWriter::RowWriter(const Writer& to, RowOwner of)
    : writer(to),
      layout(to.padded, to.sketches.columns.value_bytes()),
      owner(of),
      image(static_cast<Page>(palloc(BLCKSZ))) {}

void RowWriter::NextPage() {
    Buffer next = AppendPage(writer);
    if (BufferGetBlockNumber(next) > layout.MaxBlock())
        ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                        errmsg("index \"%s\" cannot have more than %u blocks", RelationGetRelationName(writer.index),
                               layout.MaxBlock())));
    RowPage::Init(BufferGetPage(next), owner);
    LockBuffer(next, BUFFER_LOCK_UNLOCK);
    RowPage::Init(image, owner);
    buffer = next;
}

// The second page of a row that takes two.
void RowWriter::AddTail(const uint8* codes) {
    Buffer tail = AppendPage(writer);
    InitPage(BufferGetPage(tail), PageKind::kRowTail);
    memcpy(RowTailCodes(BufferGetPage(tail)), codes, writer.padded - layout.head_codes);
    OpaqueOf(BufferGetPage(tail))->head = BufferGetBlockNumber(buffer);
    OpaqueOf(image)->next = BufferGetBlockNumber(tail);
    ReleaseNewPage(writer, tail);
    ANNEX_STOP_POINT("build-tail-written");
}

Place RowWriter::Add(HeapTid heap_tid, RowFactors factors, const uint8* values, const uint8* codes) {
    if (BufferIsValid(buffer) && RowPage::At(image).header->used == layout.rows_per_page) Finish();
    if (!BufferIsValid(buffer)) NextPage();
    const RowPage page = RowPage::At(image);
    const uint16 slot = page.header->used++;
    page.header->live++;
    RowHeader* row = page.row(layout, slot);
    row->heap_tid = heap_tid;
    row->pending = 0;
    row->factors = factors;
    if (values != nullptr)
        memcpy(page.values(layout, slot), values, layout.value_bytes);
    else
        memset(page.values(layout, slot), 0, layout.value_bytes);
    memcpy(page.codes(layout, slot), codes, layout.head_codes);
    page.SetLower(layout);
    if (layout.TwoPages(writer.padded)) AddTail(codes + layout.head_codes);
    return layout.At(BufferGetBlockNumber(buffer), slot);
}

void RowWriter::Finish() {
    if (BufferIsValid(buffer)) CompletePage(writer, buffer, image);
    buffer = InvalidBuffer;
}

// ---- Lists ----

ListWriter::ListWriter(const Writer& to)
    : writer(to),
      id{},
      descriptor(nullptr),
      entries(static_cast<uint8*>(palloc(kBlockSize * to.sketches.entry_bytes()))),
      block(static_cast<uint8*>(palloc(to.sketches.block_bytes()))),
      image(static_cast<Page>(palloc(BLCKSZ))) {}

void ListWriter::Begin(ListId list, ListDescriptor* into) {
    id = list;
    descriptor = into;
    descriptor->first = descriptor->last = descriptor->insert = InvalidBlockNumber;
    staged = 0;
}

void ListWriter::Add(const uint8* entry) {
    const Size bytes = writer.sketches.entry_bytes();
    memcpy(entries + staged * bytes, entry, bytes);
    descriptor->entries++;
    if (++staged == kBlockSize) FlushBlock();
}

void ListWriter::NextPage() {
    Buffer next = AppendPage(writer);
    const BlockNumber block_number = BufferGetBlockNumber(next);
    ListPage::Init(BufferGetPage(next), id, *descriptor);
    LockBuffer(next, BUFFER_LOCK_UNLOCK);
    uint16 start_row = 0;
    if (BufferIsValid(buffer)) {
        start_row = ListPage::At(image).EndRow(writer.sketches);
        OpaqueOf(image)->next = block_number;
        CompletePage(writer, buffer, image);
    } else {
        descriptor->first = block_number;
    }
    ListPage::Init(image, id, *descriptor);
    ListPage::At(image).header->start_row = start_row;
    // Free pages may come in any order: the run ends with the first page that is elsewhere.
    if (descriptor->contiguous == descriptor->pages && block_number == descriptor->first + descriptor->contiguous)
        descriptor->contiguous++;
    descriptor->last = descriptor->insert = block_number;
    descriptor->pages++;
    buffer = next;
}

// Appends rows of 32 bytes; `whole`: all of them on one page.
void ListWriter::PutRows(const uint8* rows, Size count, bool whole) {
    while (count > 0) {
        if (!BufferIsValid(buffer)) NextPage();
        ListPage to = ListPage::At(image);
        const Size room = kListAreaRows - to.header->rows;
        if (room == 0 || (whole && room < count)) {
            NextPage();
            continue;
        }
        const Size taken = count < room ? count : room;
        memcpy(to.area() + to.header->rows * kRowBytes, rows, taken * kRowBytes);
        to.header->rows = static_cast<uint16>(to.header->rows + taken);
        to.SetLower(writer.sketches);
        rows += taken * kRowBytes;
        count -= taken;
    }
}

// Blocks are cut at the end of a page only where whole blocks would waste much of it: what is cut can never move again.
static bool CutsBlocks(const SketchLayout& layout) {
    const Size block_rows = layout.block_rows();
    return kListAreaRows % block_rows * 100 > kListAreaRows * Size{15} || block_rows > kListAreaRows;
}

void ListWriter::FlushBlock() {
    const SketchLayout& layout = writer.sketches;
    PackBlock(entries, staged, layout, block);
    const Size whole_rows = CutsBlocks(layout) ? layout.head_rows() : layout.block_rows();
    PutRows(block, whole_rows, true);
    ListPage::At(image).header->live += staged;
    PutRows(block + whole_rows * kRowBytes, layout.block_rows() - whole_rows, false);
    staged = 0;
}

// Puts what is staged behind the packed rows, on as many pages as it takes.
void ListWriter::FlushEntries() {
    const SketchLayout& layout = writer.sketches;
    const Size bytes = layout.entry_bytes();
    for (uint32 i = 0; i < staged; i++) {
        if (!BufferIsValid(buffer) || !ListPage::At(image).HasRoom(layout)) NextPage();
        const ListPage to = ListPage::At(image);
        memcpy(to.entry(to.header->entries, layout), entries + i * bytes, bytes);
        to.header->entries++;
        to.header->live++;
        to.SetLower(layout);
    }
    staged = 0;
}

// Whether what is staged stays entries: a padded block is scanned faster, but not worth a page of its own.
bool ListWriter::EntriesSaveSpace() const {
    const SketchLayout& layout = writer.sketches;
    if (layout.block_bytes() > kListAreaBytes) return !BufferIsValid(buffer) || EndsWithBlock();
    if (!BufferIsValid(buffer) || !EndsWithBlock()) return false;
    const Size room = kListAreaBytes - ListPage::At(image).header->rows * kRowBytes;
    return room < layout.block_bytes() && room >= staged * layout.entry_bytes();
}

bool ListWriter::EndsWithBlock() const {
    return ListPage::At(image).EndRow(writer.sketches) == 0;
}

void ListWriter::Finish() {
    if (staged > 0 && EntriesSaveSpace())
        FlushEntries();
    else if (staged > 0)
        FlushBlock();
    if (BufferIsValid(buffer)) CompletePage(writer, buffer, image);
    buffer = InvalidBuffer;
}

// ---- Side chains ----

SideWriter::SideWriter(const Writer& to)
    : writer(to), chain{}, ends(nullptr), image(static_cast<Page>(palloc(BLCKSZ))) {}

void SideWriter::Begin(SideChain of, ChainEnds* into) {
    chain = of;
    ends = into;
}

void SideWriter::NextPage() {
    Buffer next = AppendPage(writer);
    SidePage::Init(BufferGetPage(next), chain);
    LockBuffer(next, BUFFER_LOCK_UNLOCK);
    ends->last = ends->insert = BufferGetBlockNumber(next);
    if (BufferIsValid(buffer)) {
        OpaqueOf(image)->next = ends->last;
        CompletePage(writer, buffer, image);
    } else {
        ends->first = ends->last;
    }
    SidePage::Init(image, chain);
    buffer = next;
}

void SideWriter::Add(HeapTid tid, const uint8* values) {
    const SideLayout layout(writer.sketches.columns.value_bytes());
    if (!BufferIsValid(buffer) || SidePage::At(image).header->count == layout.rows_per_page) NextPage();
    SidePage::At(image).Append(layout, tid, values);
}

void SideWriter::Finish() {
    if (BufferIsValid(buffer)) CompletePage(writer, buffer, image);
    buffer = InvalidBuffer;
}

}  // namespace annex::pg::ivf

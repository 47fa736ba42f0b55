// Writes pages of rows, lists and side chains one after the other, through shared buffers.
//
// A build writes a new index from front to back and without WAL: the caller logs all pages at the end. With `log_each`,
// new pages of an index in use are logged as each is complete; nothing refers to them before the caller links them.
#pragma once

#include "pg/ivf/page.h"

namespace annex::pg::ivf {

struct Writer {
    Relation index;
    ForkNumber fork;
    uint32 padded;
    SketchLayout sketches;
    bool log_each;
};

[[nodiscard]] inline Writer WriterOf(Relation index, ForkNumber fork, const MetaPage& meta, bool log_each) {
    return {index, fork, meta.padded, SketchLayoutOf(meta), log_each};
}

// A new page at the end of the fork, or a free one with `log_each`, exclusively locked and to be initialised.
// ReleaseNewPage marks it dirty, logs it with `log_each` and lets go.
[[nodiscard]] Buffer AppendPage(const Writer& writer);
void ReleaseNewPage(const Writer& writer, Buffer buffer);

// The page of a block written before, exclusively locked.
[[nodiscard]] Buffer ReopenPage(const Writer& writer, BlockNumber block);

// Chain of floats; returns its first block.
BlockNumber WriteMean(const Writer& writer, const float* mean, uint32 dimensions);

// Descriptor pages for `lists` lists, all unused yet.
DescriptorExtent ReserveDescriptors(const Writer& writer, uint32 lists);
// descriptors[lists] into the reserved pages.
void WriteDescriptors(const Writer& writer, const DescriptorExtent& extent, const ListDescriptor* descriptors,
                      uint32 lists);

// Rows, packed one page after the other.
struct RowWriter {
    Writer writer;
    RowLayout layout;
    RowOwner owner;
    Buffer buffer = InvalidBuffer;  // pinned, not locked
    Page image;                     // what it is to hold

    RowWriter(const Writer& to, RowOwner of);
    // values: of the filter columns; nullptr: zeros, as centroids have
    Place Add(HeapTid heap_tid, RowFactors factors, const uint8* values, const uint8* codes);
    void Finish();

  private:
    void NextPage();
    void AddTail(const uint8* codes);
};

// A list, packed into blocks that are cut where a page ends.
struct ListWriter {
    Writer writer;
    ListId id;
    ListDescriptor* descriptor;
    Buffer buffer = InvalidBuffer;  // pinned, not locked
    uint32 staged = 0;
    uint8* entries;  // up to 32, waiting to be packed
    uint8* block;    // a packed block
    Page image;      // what the buffer is to hold

    explicit ListWriter(const Writer& to);
    void Begin(ListId list, ListDescriptor* into);
    void Add(const uint8* entry);
    void Finish();

  private:
    void NextPage();
    void FlushBlock();
    void FlushEntries();
    [[nodiscard]] bool EntriesSaveSpace() const;
    [[nodiscard]] bool EndsWithBlock() const;
    void PutRows(const uint8* rows, Size count, bool whole);
};

// Side chains, one after the other; their rows arrive one by one.
struct SideWriter {
    Writer writer;
    SideChain chain;
    ChainEnds* ends;
    Buffer buffer = InvalidBuffer;  // pinned, not locked
    Page image;                     // what it is to hold

    explicit SideWriter(const Writer& to);
    void Begin(SideChain of, ChainEnds* into);
    void Add(HeapTid tid, const uint8* values);
    void Finish();

  private:
    void NextPage();
};

}  // namespace annex::pg::ivf

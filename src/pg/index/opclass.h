// What an operator class tells the access methods: element type and metric; and the values of its type as floats.
//
// The last support function of every operator class, which is number 1 of ivf's, takes and returns `internal` and gives
// a pointer to a constant of this kind.
#pragma once

#include "pg/pg.h"

#include "annex/space.h"

namespace annex::pg {

// Numbers are stored in meta pages.
enum class ElementType : uint8 { kVector = 1, kHalfvec = 2, kBit = 3, kSparsevec = 5 };

struct OpclassInfo {
    Metric metric;
    ElementType element;
    const char* metric_name;  // as annex_index_info shows it
};

inline constexpr uint16 kSupportProcs = 1;
inline constexpr StrategyNumber kDistanceStrategy = 1;

[[nodiscard]] const OpclassInfo& OpclassOf(Relation index);

// Dimensions of the space of an index: those of its column, from its type modifier, or of their images. ERROR for a
// column without dimensions, with what to do about it if `advise`.
[[nodiscard]] int IndexDimensions(Relation index, int most, bool advise = true);

// Coordinates of the image of a sparse vector that has more dimensions (annex/sparse_image.h).
inline constexpr int kSparseImageDimensions = 1024;
// And of the image of a dense vector that is too wide for the pages of its access method: with its 32 edges a node of
// as many takes most of a page.
inline constexpr int kWideImageDimensions = 2048;

// Whether an index of so many dimensions, which its meta page says, knows its values by images alone, whose distances
// say about how far apart the values are and bound nothing.
[[nodiscard]] bool HasImages(Relation index, int dimensions);
// The same of an index whose access method has none of dense vectors.
[[nodiscard]] bool HasImages(Relation index);
[[nodiscard]] bool IndexHasImages(Oid index);

// Reads values of an index's type as floats, which the index knows alone. Unless they are images all conversions are
// exact, so that what is true of the floats' distances is true of the values'.
struct FloatReader {
    const OpclassInfo* opclass;
    int dimensions;
    float* buffer;         // room for as many
    int value_dimensions;  // of the values, where `dimensions` are those of images
    float* wide;           // room for a dense value that has an image
};

// A reader whose buffer is in the current memory context.
[[nodiscard]] FloatReader NewFloatReader(Relation index, int dimensions);

// The floats of an index value: where they lie, or in the reader's buffer until its next use. Nothing is left allocated
// for a value that was read into the buffer. ERROR when its dimensions are not the reader's, with pgvector's message.
[[nodiscard]] const float* IndexedFloats(const FloatReader& reader, Datum value);
// The same for the query of a scan, whose message differs.
[[nodiscard]] const float* QueryFloats(const FloatReader& reader, Datum value);
// The same for a planner, which leaves the error to the scan: nullptr.
[[nodiscard]] const float* QueryFloatsIfFit(const FloatReader& reader, Datum value);

}  // namespace annex::pg

// What an operator class tells the access methods: element type and metric.
//
// Support function 1 of every operator class takes and returns `internal` and gives a pointer to a constant of this
// kind.
#pragma once

#include "pg/pg.h"

#include "annex/space.h"

namespace annex::pg {

enum class ElementType : uint8 { kVector = 1 };

struct OpclassInfo {
    Metric metric;
    ElementType element;
    const char* metric_name;  // as annex_index_info shows it
};

inline constexpr uint16 kInfoProc = 1;
inline constexpr uint16 kSupportProcs = 1;
inline constexpr StrategyNumber kDistanceStrategy = 1;

[[nodiscard]] const OpclassInfo& OpclassOf(Relation index);

// Dimensions of the index's column, from its type modifier. ERROR for a column without dimensions.
[[nodiscard]] int IndexDimensions(Relation index, int most);

// The floats of an index value, detoasted into the current memory context if need be. ERROR when its dimensions are not
// those expected, with pgvector's message.
[[nodiscard]] const float* IndexedFloats(Datum value, int dimensions);
// The same for the query of a scan, whose message differs.
[[nodiscard]] const float* QueryFloats(Datum value, int dimensions);

}  // namespace annex::pg

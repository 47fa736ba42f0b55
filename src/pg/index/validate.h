// What the access methods' amvalidate and amproperty answer.
#pragma once

#include "pg/pg.h"

extern "C" {
#include "access/amapi.h"
}

namespace annex::pg {

// amvalidate. An access method's operator classes are of two kinds: for vectors, with one ordering operator and, as
// support function `info_proc`, what tells the engine of the class (pg/index/opclass.h); for filter columns, of a type
// that filter_image.h knows, with comparisons, also with other types where they can be compared. Those below
// `info_proc` are pgvector's: 1 a distance, 2 a norm, 3 what it wants to know of a type. What is wrong is told by
// messages of level INFO.
[[nodiscard]] bool ValidateOperatorClass(Oid opclass, uint16 info_proc);

// amproperty. PostgreSQL cannot tell by itself that the first column, and no other, can be ordered by distance, and
// that = ANY is for the others.
[[nodiscard]] bool TellProperty(int attno, IndexAMProperty property, bool* result, bool* isnull);

}  // namespace annex::pg

// Types that a filter column may have, and their values as the images of annex/columns.h.
//
//   type                                   bytes  image
//   boolean                                1      0 or 1
//   smallint, integer, bigint              2 4 8  the number
//   real, double precision                 4 8    sign and magnitude as one integer; -0 is 0, NaN is one and greatest
//   date                                   4      days
//   time, timestamp with and without zone  8      microseconds; infinities are the ends of the range
//   uuid                                   16     its bytes as two integers, high byte first, each with its first bit
//                                                 flipped
//   text (varchar), character              4      a hash under the column's collation: equal values have equal images
//   enum                                   4      OID of the label, which does not sort as the labels do
#pragma once

#include "pg/pg.h"

#include "annex/columns.h"

namespace annex::pg {

struct FilterType {
    Oid type;  // the operator class's
    uint8 width;
    bool ordered;  // has all comparisons; others have = alone
    bool hashed;   // different values may have the same image
};

// nullptr when a filter column cannot have this type.
[[nodiscard]] const FilterType* FindFilterType(Oid type);

// Whether a column of this type can be compared with values of the other.
[[nodiscard]] bool ComparableWith(const FilterType& type, Oid other);

// The image of a value of the type.
[[nodiscard]] ColumnImage ImageOf(const FilterType& type, Oid collation, Datum value);

// What a constant is among the images of a type: a value whose image is below `floor` is less than the constant, and
// one whose image is above `ceiling` is greater. Those from floor to ceiling
//   are equal to it, where floor = ceiling and not `vague`;
//   have no value between them, where floor < ceiling and not `vague`: floor is less than the constant, ceiling greater
//   may be anything, where `vague`.
struct ConstantImage {
    ColumnImage floor;
    ColumnImage ceiling;
    bool vague;
};

// A constant of this or of another type, with which the type can be compared.
[[nodiscard]] ConstantImage ImageOfConstant(const FilterType& type, Oid collation, Datum constant, Oid constant_type);

}  // namespace annex::pg

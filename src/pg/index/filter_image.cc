// Values and constants as images.
#include "pg/index/filter_image.h"

extern "C" {
#include "catalog/pg_type.h"
#include "port/pg_bswap.h"
#include "utils/date.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"
}

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

namespace annex::pg {

static constexpr FilterType kFilterTypes[] = {
    {BOOLOID, 1, true, false},        {INT2OID, 2, true, false},     {INT4OID, 4, true, false},
    {INT8OID, 8, true, false},        {FLOAT4OID, 4, true, false},   {FLOAT8OID, 8, true, false},
    {DATEOID, 4, true, false},        {TIMEOID, 8, true, false},     {TIMESTAMPOID, 8, true, false},
    {TIMESTAMPTZOID, 8, true, false}, {UUIDOID, 16, true, false},    {TEXTOID, 4, false, true},
    {BPCHAROID, 4, false, true},      {ANYENUMOID, 4, false, false},
};

// Types within a group can be compared with each other.
static constexpr Oid kIntegers[] = {INT2OID, INT4OID, INT8OID};
static constexpr Oid kFloats[] = {FLOAT4OID, FLOAT8OID};
static constexpr Oid kDateTimes[] = {DATEOID, TIMESTAMPOID, TIMESTAMPTZOID};

template <size_t n>
static bool Among(const Oid (&group)[n], Oid type) {
    return std::find(group, group + n, type) != group + n;
}

const FilterType* FindFilterType(Oid type) {
    for (const FilterType& known : kFilterTypes) {
        if (known.type == type) return &known;
    }
    return nullptr;
}

bool ComparableWith(const FilterType& type, Oid other) {
    return type.type == other || (Among(kIntegers, type.type) && Among(kIntegers, other)) ||
           (Among(kFloats, type.type) && Among(kFloats, other)) ||
           (Among(kDateTimes, type.type) && Among(kDateTimes, other));
}

// ---- Values ----

// The bits of a float, made to order as integers do: those of negative numbers grow with the magnitude.
template <typename Integer, typename Float>
static Integer OrderedBits(Float value) {
    if (std::isnan(value)) return std::numeric_limits<Integer>::max();
    if (value == 0) return 0;
    const auto bits = std::bit_cast<Integer>(value);
    return bits < 0 ? static_cast<Integer>(bits ^ std::numeric_limits<Integer>::max()) : bits;
}

static ColumnImage UuidImage(Datum value) {
    const pg_uuid_t* uuid = DatumGetUUIDP(value);
    uint64 halves[2];
    static_assert(sizeof halves == UUID_LEN);
    memcpy(halves, uuid->data, sizeof halves);
    constexpr uint64 kFirstBit = uint64{1} << 63;
    return {static_cast<int64>(pg_ntoh64(halves[0]) ^ kFirstBit), static_cast<int64>(pg_ntoh64(halves[1]) ^ kFirstBit)};
}

static ColumnImage Integer(int64 value) {
    return {value, 0};
}

ColumnImage ImageOf(const FilterType& type, Oid collation, Datum value) {
    switch (type.type) {
        case BOOLOID:
            return Integer(DatumGetBool(value) ? 1 : 0);
        case INT2OID:
            return Integer(DatumGetInt16(value));
        case INT4OID:
            return Integer(DatumGetInt32(value));
        case INT8OID:
            return Integer(DatumGetInt64(value));
        case FLOAT4OID:
            return Integer(OrderedBits<int32>(DatumGetFloat4(value)));
        case FLOAT8OID:
            return Integer(OrderedBits<int64>(DatumGetFloat8(value)));
        case DATEOID:
            return Integer(DatumGetDateADT(value));
        case TIMEOID:
            return Integer(DatumGetTimeADT(value));
        case TIMESTAMPOID:
            return Integer(DatumGetTimestamp(value));
        case TIMESTAMPTZOID:
            return Integer(DatumGetTimestampTz(value));
        case UUIDOID:
            return UuidImage(value);
        case TEXTOID:
            return Integer(DatumGetInt32(DirectFunctionCall1Coll(hashtext, collation, value)));
        case BPCHAROID:
            return Integer(DatumGetInt32(DirectFunctionCall1Coll(hashbpchar, collation, value)));
        case ANYENUMOID:
            return Integer(static_cast<int32>(DatumGetObjectId(value)));
        default:
            elog(ERROR, "a filter column cannot have type %u", type.type);
    }
    return {};
}

// ---- Constants of other types ----

static ConstantImage Exactly(int64 image) {
    return {Integer(image), Integer(image), false};
}
static ConstantImage Between(int64 floor) {
    return {Integer(floor), Integer(floor + 1), false};
}

static int64 IntegerConstant(Datum constant, Oid type) {
    if (type == INT2OID) return DatumGetInt16(constant);
    return type == INT4OID ? DatumGetInt32(constant) : DatumGetInt64(constant);
}

static ConstantImage AmongFloat4(double constant) {
    auto nearest = static_cast<float>(constant);
    if (std::isnan(constant) || static_cast<double>(nearest) == constant) return Exactly(OrderedBits<int32>(nearest));
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    if (static_cast<double>(nearest) > constant) nearest = std::nextafter(nearest, -kInfinity);
    return Between(OrderedBits<int32>(nearest));
}

static int64 DayOf(int64 timestamp) {
    const int64 day = timestamp / USECS_PER_DAY;
    return timestamp % USECS_PER_DAY < 0 ? day - 1 : day;
}

// A date that a timestamp cannot express lies between the infinity and all others.
static ConstantImage AmongTimestamps(int64 constant, int overflow) {
    if (overflow > 0) return Between(DT_NOEND - 1);
    if (overflow < 0) return Between(DT_NOBEGIN);
    return Exactly(constant);
}

static ConstantImage TimestampAmongDates(Timestamp constant) {
    if (TIMESTAMP_IS_NOEND(constant)) return Exactly(DATEVAL_NOEND);
    if (TIMESTAMP_IS_NOBEGIN(constant)) return Exactly(DATEVAL_NOBEGIN);
    const int64 day = DayOf(constant);
    return day * USECS_PER_DAY == constant ? Exactly(day) : Between(day);
}

// The session's time zone at a moment, in microseconds east of Greenwich. False: the calendar does not reach there.
static bool ZoneOffset(TimestampTz moment, int64* offset) {
    int seconds_west;
    struct pg_tm broken_down;
    fsec_t fraction;
    if (!IS_VALID_TIMESTAMP(moment) ||
        timestamp2tm(moment, &seconds_west, &broken_down, &fraction, nullptr, nullptr) != 0)
        return false;
    *offset = -static_cast<int64>(seconds_west) * USECS_PER_SEC;
    return true;
}

// What local time a moment is, from the earliest to the latest: a local time near a change of the zone's offset may
// mean a moment of before or after it, so all offsets of some days around count.
static ConstantImage LocalTimes(TimestampTz constant) {
    if (TIMESTAMP_NOT_FINITE(constant)) return Exactly(constant);
    int64 least = std::numeric_limits<int64>::max();
    int64 greatest = std::numeric_limits<int64>::min();
    for (const int64 days : {-2, 0, 2}) {
        int64 offset;
        if (!ZoneOffset(constant + days * USECS_PER_DAY, &offset)) {
            least = -USECS_PER_DAY;
            greatest = USECS_PER_DAY;
            break;
        }
        least = std::min(least, offset);
        greatest = std::max(greatest, offset);
    }
    return {Integer(constant + least), Integer(constant + greatest), true};
}

static ConstantImage AmongDates(Datum constant, Oid type) {
    if (type == TIMESTAMPOID) return TimestampAmongDates(DatumGetTimestamp(constant));
    const TimestampTz moment = DatumGetTimestampTz(constant);
    if (TIMESTAMP_NOT_FINITE(moment)) return TimestampAmongDates(moment);
    const ConstantImage local = LocalTimes(moment);
    return {Integer(DayOf(local.floor.high)), Integer(DayOf(local.ceiling.high) + 1), true};
}

static ConstantImage DateTimeConstant(const FilterType& type, Datum constant, Oid constant_type) {
    int overflow = 0;
    if (type.type == DATEOID) return AmongDates(constant, constant_type);
    if (type.type == TIMESTAMPOID) {
        if (constant_type == TIMESTAMPTZOID) return LocalTimes(DatumGetTimestampTz(constant));
        const Timestamp timestamp = date2timestamp_opt_overflow(DatumGetDateADT(constant), &overflow);
        return AmongTimestamps(timestamp, overflow);
    }
    const TimestampTz moment = constant_type == DATEOID
                                   ? date2timestamptz_opt_overflow(DatumGetDateADT(constant), &overflow)
                                   : timestamp2timestamptz_opt_overflow(DatumGetTimestamp(constant), &overflow);
    return AmongTimestamps(moment, overflow);
}

ConstantImage ImageOfConstant(const FilterType& type, Oid collation, Datum constant, Oid constant_type) {
    if (constant_type == type.type) {
        const ColumnImage image = ImageOf(type, collation, constant);
        return {image, image, type.hashed};
    }
    if (!ComparableWith(type, constant_type))
        elog(ERROR, "a filter column of type %u cannot be compared with type %u", type.type, constant_type);
    if (Among(kIntegers, type.type)) return Exactly(IntegerConstant(constant, constant_type));
    if (type.type == FLOAT4OID) return AmongFloat4(DatumGetFloat8(constant));
    if (type.type == FLOAT8OID) return Exactly(OrderedBits<int64>(static_cast<double>(DatumGetFloat4(constant))));
    return DateTimeConstant(type, constant, constant_type);
}

}  // namespace annex::pg

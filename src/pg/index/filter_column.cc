// Filter columns: what an index's definition asks for, values for its entries, and scan keys as a filter.
#include "pg/index/filter_column.h"

extern "C" {
#include "access/stratnum.h"
#include "commands/defrem.h"
#include "utils/array.h"
#include "utils/lsyscache.h"
}

#include <algorithm>
#include <span>

#include "pg/guard.h"
#include "pg/index/opclass.h"

namespace annex::pg {

// ---- Definition ----

// The table's name of it, where it is a column of the table.
static const char* ColumnName(Relation index, int attribute) {
    const AttrNumber column = index->rd_index->indkey.values[attribute - 1];
    if (AttributeNumberIsValid(column)) return get_attname(index->rd_index->indrelid, column, false);
    return NameStr(TupleDescAttr(RelationGetDescr(index), attribute - 1)->attname);
}

static const char* AmName(Relation index) {
    return get_am_name(index->rd_rel->relam);
}

static const FilterType* TypeOf(Relation index, int attribute) {
    return FindFilterType(index->rd_opcintype[attribute - 1]);
}

// With a class for vectors, if only one that lacks its support function (pg/index/opclass.h).
static bool IsVectorColumn(Relation index, int attribute) {
    return TypeOf(index, attribute) == nullptr &&
           (attribute == 1 ||
            OidIsValid(index_getprocid(index, static_cast<AttrNumber>(attribute), index->rd_indam->amsupport)));
}

static void CheckOrderOfColumns(Relation index) {
    if (!IsVectorColumn(index, 1))
        ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                        errmsg("the first column of an %s index must be a vector", AmName(index)),
                        errdetail("Column \"%s\" can only be a filter column.", ColumnName(index, 1)),
                        errhint("Write the vector first and filter columns after it, as in USING %s (embedding, %s).",
                                AmName(index), ColumnName(index, 1))));
    for (int attribute = 2; attribute <= IndexRelationGetNumberOfKeyAttributes(index); attribute++) {
        if (IsVectorColumn(index, attribute))
            ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                            errmsg("an %s index cannot have more than one vector column", AmName(index)),
                            errdetail("Column \"%s\" is a vector too.", ColumnName(index, attribute)),
                            errhint("Create an index for each vector column.")));
    }
}

static void CheckLimits(Relation index, const uint8* widths, int count) {
    int bytes = 0;
    for (int i = 0; i < count; i++) bytes += widths[i];
    if (bytes > static_cast<int>(kMaxImageBytes))
        ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                        errmsg("the filter columns of index \"%s\" take %d bytes a row, and cannot take more than %d",
                               RelationGetRelationName(index), bytes, static_cast<int>(kMaxImageBytes)),
                        errhint("Leave columns that are seldom filtered by to indexes of their own.")));
}

FilterColumns FilterColumnsOf(Relation index) {
    CheckOrderOfColumns(index);
    const int count = IndexRelationGetNumberOfKeyAttributes(index) - 1;
    if (count > static_cast<int>(kMaxColumns))
        ereport(ERROR, (errcode(ERRCODE_TOO_MANY_COLUMNS),
                        errmsg("index \"%s\" cannot have more than %d filter columns", RelationGetRelationName(index),
                               static_cast<int>(kMaxColumns))));
    FilterColumns columns = {};
    uint8 widths[kMaxColumns];
    for (int i = 0; i < count; i++) {
        const FilterType* known = TypeOf(index, i + 2);
        if (known == nullptr)
            ereport(ERROR,
                    (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("type %s is not supported for filter columns",
                                                                    format_type_be(index->rd_opcintype[i + 1]))));
        columns.columns[i] = {known, index->rd_indcollation[i + 1]};
        widths[i] = known->width;
    }
    CheckLimits(index, widths, count);
    Guard([&] { columns.layout = ColumnLayout({widths, static_cast<size_t>(count)}); });
    return columns;
}

// ---- Values ----

void FilterValues(const FilterColumns& columns, const Datum* values, const bool* isnull, uint8* out) {
    ClearValues(columns.layout, out);
    for (size_t i = 0; i < columns.layout.columns(); i++) {
        const FilterColumn& column = columns.columns[i];
        if (!isnull[i + 1]) SetImage(columns.layout, out, i, ImageOf(*column.type, column.collation, values[i + 1]));
    }
}

// ---- Scan keys ----

static Comparison ComparisonOf(StrategyNumber strategy) {
    switch (strategy) {
        case BTLessStrategyNumber:
            return Comparison::kLess;
        case BTLessEqualStrategyNumber:
            return Comparison::kLessEqual;
        case BTEqualStrategyNumber:
            return Comparison::kEqual;
        case BTGreaterEqualStrategyNumber:
            return Comparison::kGreaterEqual;
        case BTGreaterStrategyNumber:
            return Comparison::kGreater;
        default:
            elog(ERROR, "invalid strategy number %d of a filter column", strategy);
    }
    return Comparison::kEqual;
}

static bool IsExact(const ConstantImage& constant) {
    return !constant.vague && constant.floor == constant.ceiling;
}

// See ConstantImage for the cases. Vague constants let through whatever may pass.
static void AddComparison(ColumnFilter* filter, size_t column, Comparison comparison, const ConstantImage& constant) {
    Guard([&] {
        switch (comparison) {
            case Comparison::kLess:
                filter->Compare(column, constant.vague ? Comparison::kLessEqual : Comparison::kLess, constant.ceiling);
                break;
            case Comparison::kLessEqual:
                filter->Compare(column, Comparison::kLessEqual, constant.vague ? constant.ceiling : constant.floor);
                break;
            case Comparison::kEqual:
                if (!constant.vague && !IsExact(constant)) return filter->Nothing();
                filter->Compare(column, Comparison::kGreaterEqual, constant.floor);
                filter->Compare(column, Comparison::kLessEqual, constant.ceiling);
                break;
            case Comparison::kGreaterEqual:
                filter->Compare(column, Comparison::kGreaterEqual, constant.vague ? constant.floor : constant.ceiling);
                break;
            case Comparison::kGreater:
                filter->Compare(column, constant.vague ? Comparison::kGreaterEqual : Comparison::kGreater,
                                constant.floor);
                break;
        }
    });
}

// The constants of = ANY and its like, those that are not NULL.
static std::span<ConstantImage> ArrayConstants(const FilterColumn& column, const ScanKeyData& key) {
    ArrayType* array = DatumGetArrayTypeP(key.sk_argument);
    int16 length;
    bool by_value;
    char alignment;
    get_typlenbyvalalign(ARR_ELEMTYPE(array), &length, &by_value, &alignment);
    Datum* elements;
    bool* nulls;
    int count;
    deconstruct_array(array, ARR_ELEMTYPE(array), length, by_value, alignment, &elements, &nulls, &count);

    const Oid type = OidIsValid(key.sk_subtype) ? key.sk_subtype : column.type->type;
    auto* constants =
        static_cast<ConstantImage*>(MemoryContextAllocHuge(CurrentMemoryContext, sizeof(ConstantImage) * (count + 1)));
    size_t used = 0;
    for (int i = 0; i < count; i++) {
        if (i % 4096 == 0) CHECK_FOR_INTERRUPTS();
        if (!nulls[i]) constants[used++] = ImageOfConstant(*column.type, column.collation, elements[i], type);
    }
    return {constants, used};
}

static bool Before(const ConstantImage& a, const ConstantImage& b) {
    return a.floor != b.floor ? a.floor < b.floor : a.ceiling < b.ceiling;
}

// The range that all constants lie in.
static ConstantImage RangeOf(std::span<const ConstantImage> constants) {
    ConstantImage range = constants.front();
    for (const ConstantImage& constant : constants) {
        range.floor = std::min(range.floor, constant.floor);
        range.ceiling = std::max(range.ceiling, constant.ceiling);
    }
    range.vague = true;
    return range;
}

static void AddAnyEqual(ColumnFilter* filter, size_t column, std::span<const ConstantImage> constants) {
    // Constants whose place is not known exactly become one range; there is hardly ever more than one.
    const bool ranges = std::any_of(constants.begin(), constants.end(), [](const ConstantImage& constant) {
        return constant.vague && constant.floor != constant.ceiling;
    });
    if (ranges) return AddComparison(filter, column, Comparison::kEqual, RangeOf(constants));
    auto* images = static_cast<ColumnImage*>(
        MemoryContextAllocHuge(CurrentMemoryContext, sizeof(ColumnImage) * (constants.size() + 1)));
    size_t used = 0;
    for (const ConstantImage& constant : constants) {
        // One that lies between two images is no column's value.
        if (constant.floor == constant.ceiling) images[used++] = constant.floor;
    }
    Guard([&] { filter->AnyOf(column, {images, used}); });
}

// `column comparison ANY (constants)`: for an inequality the constant that lets most through decides. Which one that is
// cannot be told of those whose place is not known exactly.
static void AddAny(ColumnFilter* filter, size_t column, Comparison comparison,
                   std::span<const ConstantImage> constants) {
    if (constants.empty()) return filter->Nothing();
    if (comparison == Comparison::kEqual) return AddAnyEqual(filter, column, constants);
    const bool vague =
        std::any_of(constants.begin(), constants.end(), [](const ConstantImage& constant) { return constant.vague; });
    if (vague) return AddComparison(filter, column, comparison, RangeOf(constants));
    const bool upwards = comparison == Comparison::kGreater || comparison == Comparison::kGreaterEqual;
    const ConstantImage& widest = upwards ? *std::min_element(constants.begin(), constants.end(), Before)
                                          : *std::max_element(constants.begin(), constants.end(), Before);
    AddComparison(filter, column, comparison, widest);
}

static void AddKey(const FilterColumns& columns, const ScanKeyData& key, ColumnFilter* filter,
                   ScanConditions* conditions) {
    const size_t i = static_cast<size_t>(key.sk_attno) - 2;
    if (key.sk_flags & SK_SEARCHNULL) {
        Guard([&] { filter->MustBeNull(i); });
        return;
    }
    if (key.sk_flags & SK_SEARCHNOTNULL) {
        Guard([&] { filter->MustNotBeNull(i); });
        return;
    }
    // No comparison with NULL is true.
    if (key.sk_flags & SK_ISNULL) return filter->Nothing();

    const FilterColumn& column = columns.columns[i];
    const Comparison comparison = ComparisonOf(key.sk_strategy);
    if (key.sk_flags & SK_SEARCHARRAY) {
        const std::span<const ConstantImage> constants = ArrayConstants(column, key);
        for (const ConstantImage& constant : constants) conditions->recheck |= constant.vague;
        AddAny(filter, i, comparison, constants);
        return;
    }
    const Oid type = OidIsValid(key.sk_subtype) ? key.sk_subtype : column.type->type;
    const ConstantImage constant = ImageOfConstant(*column.type, column.collation, key.sk_argument, type);
    conditions->recheck |= constant.vague;
    AddComparison(filter, i, comparison, constant);
}

void AddScanKeys(const FilterColumns& columns, const ScanKeyData* keys, int count, ColumnFilter* filter,
                 ScanConditions* conditions) {
    MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "ivf scan keys", ALLOCSET_SMALL_SIZES);
    MemoryContext old_context = MemoryContextSwitchTo(context);
    for (int i = 0; i < count; i++) {
        const ScanKeyData& key = keys[i];
        if (key.sk_attno > 1) {
            AddKey(columns, key, filter, conditions);
        } else {
            conditions->vector_null |= (key.sk_flags & SK_SEARCHNULL) != 0;
            conditions->vector_not_null |= (key.sk_flags & SK_SEARCHNOTNULL) != 0;
        }
    }
    MemoryContextSwitchTo(old_context);
    MemoryContextDelete(context);
    if (filter->lets_nothing_through() || (conditions->vector_null && conditions->vector_not_null))
        conditions->nothing = true;
}

}  // namespace annex::pg

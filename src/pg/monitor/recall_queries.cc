// The queries of annex_recall: a sample of the table's own rows, or of the rows of another table.
//
// Only addresses are kept of the table's rows, so that any number of queries fits into memory; their vectors are
// fetched a batch at a time. Rows of another table come through a cursor, once it is known how many there are.
#include "pg/monitor/recall.h"

extern "C" {
#include "access/htup_details.h"
#include "catalog/pg_class.h"
#include "executor/spi.h"
#include "utils/lsyscache.h"
#include "utils/portal.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
}

#include <algorithm>

namespace annex::pg {

// ---- Rows of the table ----

static bool ComesBefore(const ItemPointerData& a, const ItemPointerData& b) {
    return ItemPointerCompare(const_cast<ItemPointer>(&a), const_cast<ItemPointer>(&b)) < 0;
}

void SampleTable(RecallRun* run, RecallQueries* source) {
    const auto wanted = static_cast<uint64>(source->wanted);
    source->tids = static_cast<ItemPointerData*>(
        MemoryContextAllocExtended(run->context, wanted * sizeof(ItemPointerData), MCXT_ALLOC_HUGE));
    uint64 seen = 0;
    BeginOwner(run);
    // In order of blocks: a scan that joins another one would start in the middle.
    TableScanDesc scan = table_beginscan_strat(run->inspected.table, run->snapshot, 0, nullptr, true, false);
    while (table_scan_getnextslot(scan, ForwardScanDirection, run->slot)) {
        CHECK_FOR_INTERRUPTS();
        Datum value;
        if (!IndexedValue(run, &value)) continue;
        // Reservoir sampling (Vitter's algorithm R).
        const uint64 at = seen < wanted ? seen : source->random.Below(seen + 1);
        if (at < wanted) source->tids[at] = run->slot->tts_tid;
        seen++;
    }
    table_endscan(scan);
    EndOwner(run);
    source->tid_count = static_cast<int64>(seen < wanted ? seen : wanted);
    std::sort(source->tids, source->tids + source->tid_count, ComesBefore);
}

static bool NextRowOfTable(RecallRun* run, RecallQueries* source, RecallQuery* query) {
    if (source->given >= source->tid_count) return false;
    query->self = source->tids[source->given++];
    Datum value;
    BeginOwner(run);
    if (!table_tuple_fetch_row_version(run->inspected.table, &query->self, run->snapshot, run->slot) ||
        !IndexedValue(run, &value))
        elog(ERROR, "a sampled row of table \"%s\" is gone", RelationGetRelationName(run->inspected.table));
    query->value = PointerGetDatum(PG_DETOAST_DATUM_COPY(value));
    ExecClearTuple(run->slot);
    EndOwner(run);
    return true;
}

// ---- Rows of another table ----

static Oid BaseTypeOf(Oid table, AttrNumber column) {
    const Oid type = get_atttype(table, column);
    return OidIsValid(type) ? getBaseType(type) : InvalidOid;  // of a dropped column
}

static AttrNumber ColumnsOf(Oid table) {
    HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(table));
    if (!HeapTupleIsValid(tuple)) elog(ERROR, "cache lookup failed for relation %u", table);
    const AttrNumber columns = reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple))->relnatts;
    ReleaseSysCache(tuple);
    return columns;
}

// The only column whose type the index has.
static AttrNumber OnlyColumn(const RecallRun* run, Oid table) {
    AttrNumber found = InvalidAttrNumber;
    const char* name = get_rel_name(table);
    const AttrNumber columns = ColumnsOf(table);
    for (AttrNumber column = 1; column <= columns; column++) {
        if (BaseTypeOf(table, column) != run->value_type) continue;
        if (found != InvalidAttrNumber)
            ereport(ERROR,
                    (errcode(ERRCODE_AMBIGUOUS_COLUMN),
                     errmsg("table \"%s\" has more than one column of type %s", name, format_type_be(run->value_type)),
                     errhint("Name the one that holds the queries: query_column => '...'.")));
        found = column;
    }
    if (found == InvalidAttrNumber)
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN),
                        errmsg("table \"%s\" has no column of type %s", name, format_type_be(run->value_type))));
    return found;
}

static AttrNumber NamedColumn(const RecallRun* run, Oid table, const char* name) {
    const AttrNumber column = get_attnum(table, name);
    if (column == InvalidAttrNumber)
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN),
                        errmsg("column \"%s\" of table \"%s\" does not exist", name, get_rel_name(table))));
    if (BaseTypeOf(table, column) != run->value_type)
        ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                        errmsg("column \"%s\" of table \"%s\" is of type %s, expected %s", name, get_rel_name(table),
                               format_type_be(get_atttype(table, column)), format_type_be(run->value_type))));
    return column;
}

static SPIPlanPtr Prepared(const char* statement) {
    SPIPlanPtr plan = SPI_prepare(statement, 0, nullptr);
    if (plan == nullptr) elog(ERROR, "SPI_prepare: %s", SPI_result_code_string(SPI_result));
    return plan;
}

// Counts what the cursor will return; both see the run's snapshot, which is the active one.
static int64 CountRows(const char* relation, const char* column) {
    const char* statement = psprintf("SELECT pg_catalog.count(%s) FROM %s", column, relation);
    const int result = SPI_execute_plan(Prepared(statement), nullptr, nullptr, true, 0);
    if (result != SPI_OK_SELECT || SPI_processed != 1) elog(ERROR, "cannot count the rows of %s", relation);
    bool is_null = false;
    return DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null));
}

void BeginQueryTable(RecallRun* run, RecallQueries* source, Oid table, const char* column) {
    if (get_rel_name(table) == nullptr)
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("relation with OID %u does not exist", table)));
    const AttrNumber number = column == nullptr ? OnlyColumn(run, table) : NamedColumn(run, table, column);
    MemoryContext context = CurrentMemoryContext;
    SPI_connect();
    const char* relation =
        quote_qualified_identifier(get_namespace_name(get_rel_namespace(table)), get_rel_name(table));
    const char* name = quote_identifier(get_attname(table, number, false));
    source->left = CountRows(relation, name);
    const char* statement = psprintf("SELECT %s FROM %s WHERE %s IS NOT NULL", name, relation, name);
    source->cursor = SPI_cursor_open(nullptr, Prepared(statement), nullptr, nullptr, true);
    MemoryContextSwitchTo(context);
}

void EndQueryTable(RecallQueries* source) {
    SPI_cursor_close(source->cursor);
    SPI_finish();
}

static bool NextRowOfQueryTable(RecallQueries* source, RecallQuery* query) {
    MemoryContext context = CurrentMemoryContext;
    while (source->given < source->wanted) {
        CHECK_FOR_INTERRUPTS();
        SPI_cursor_fetch(source->cursor, true, 1);
        if (SPI_processed == 0) break;
        // Selection sampling (Knuth, volume 2, algorithm S).
        const int64 missing = source->wanted - source->given;
        const bool taken = source->left <= missing ||
                           static_cast<int64>(source->random.Below(static_cast<uint64>(source->left))) < missing;
        source->left--;
        if (taken) {
            bool is_null = false;
            const Datum value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null);
            MemoryContextSwitchTo(context);
            query->value = PointerGetDatum(PG_DETOAST_DATUM_COPY(value));
            source->given++;
        }
        SPI_freetuptable(SPI_tuptable);
        if (taken) return true;
    }
    MemoryContextSwitchTo(context);
    return false;
}

bool NextQuery(RecallRun* run, RecallQueries* source, RecallQuery* query) {
    ItemPointerSetInvalid(&query->self);
    return source->cursor != nullptr ? NextRowOfQueryTable(source, query) : NextRowOfTable(run, source, query);
}

}  // namespace annex::pg

// Opening an index for those who look at its pages.
#include "pg/index/inspect.h"

extern "C" {
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/index.h"
#include "catalog/pg_class.h"
#include "commands/defrem.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
}

namespace annex::pg {

static constexpr int kMostMethods = 4;
static const Inspection* inspections[kMostMethods];

void RegisterInspection(const Inspection* inspection) {
    for (const Inspection*& slot : inspections) {
        if (slot != nullptr) continue;
        slot = inspection;
        return;
    }
    elog(ERROR, "too many access methods");
}

static const Inspection* InspectionOf(Relation index) {
    for (const Inspection* inspection : inspections)
        if (inspection != nullptr && inspection->owns(index)) return inspection;
    return nullptr;
}

// "an ivf", or "an ivf or hnsw".
static const char* OurMethods() {
    StringInfoData text;
    initStringInfo(&text);
    for (const Inspection* inspection : inspections)
        if (inspection != nullptr) appendStringInfo(&text, "%s %s", text.len == 0 ? "an" : " or", inspection->method);
    return text.data;
}

// Whether an access method goes by the name of one of ours, as pgvector's hnsw does.
static bool IsNameOfOurs(const char* method) {
    for (const Inspection* inspection : inspections)
        if (inspection != nullptr && strcmp(inspection->method, method) == 0) return true;
    return false;
}

// The table of what must be an index.
static Oid TableOf(Oid index_oid, const char* purpose) {
    const char* name = get_rel_name(index_oid);
    if (name == nullptr)
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("relation with OID %u does not exist", index_oid)));
    const char kind = get_rel_relkind(index_oid);
    if (kind == RELKIND_PARTITIONED_INDEX)
        ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE), errmsg("cannot %s partitioned index \"%s\"", purpose, name),
                        errdetail("It has no storage of its own."),
                        errhint("Name the indexes of its partitions: SELECT relid FROM pg_partition_tree('%s') WHERE "
                                "isleaf.",
                                quote_qualified_identifier(get_namespace_name(get_rel_namespace(index_oid)), name))));
    const Oid table = kind == RELKIND_INDEX ? IndexGetRelation(index_oid, true) : InvalidOid;
    if (!OidIsValid(table))
        ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE), errmsg("\"%s\" is not an index", name)));
    return table;
}

static Oid OwnerOf(Oid relation) {
    HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
    if (!HeapTupleIsValid(tuple))
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("relation with OID %u does not exist", relation)));
    const Oid owner = reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple))->relowner;
    ReleaseSysCache(tuple);
    return owner;
}

static void CheckPrivilege(Oid table, Privilege privilege) {
    AclResult result = ACLCHECK_OK;
    if (privilege == Privilege::kReader)
        result = pg_class_aclcheck(table, GetUserId(), ACL_SELECT);
    else if (!has_privs_of_role(GetUserId(), OwnerOf(table)))
        result = ACLCHECK_NOT_OWNER;
    if (result != ACLCHECK_OK) aclcheck_error(result, OBJECT_TABLE, get_rel_name(table));
}

static void CheckInspectable(Relation index, const char* purpose) {
    const char* name = RelationGetRelationName(index);
    if (InspectionOf(index) == nullptr) {
        const char* method = get_am_name(index->rd_rel->relam);
        ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE), errmsg("\"%s\" is not %s index", name, OurMethods()),
                        IsNameOfOurs(method) ? errdetail("Its access method \"%s\" is another extension's.", method)
                                             : errdetail("Its access method is \"%s\".", method)));
    }
    if (RELATION_IS_OTHER_TEMP(index))
        ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("cannot %s index \"%s\"", purpose, name),
                        errdetail("It belongs to a temporary table of another session.")));
    if (!index->rd_index->indisvalid)
        ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                        errmsg("cannot %s index \"%s\"", purpose, name), errdetail("The index is not valid."),
                        errhint("An unfinished CREATE INDEX CONCURRENTLY or REINDEX CONCURRENTLY leaves such an "
                                "index. REINDEX it or drop it.")));
    if (RecoveryInProgress() && !RelationIsPermanent(index))
        ereport(ERROR,
                (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                 errmsg("cannot %s index \"%s\" during recovery", purpose, name), errdetail("The index is unlogged.")));
}

InspectedIndex OpenInspected(Oid index_oid, LOCKMODE lock, Privilege privilege, const char* purpose) {
    const Oid table_oid = TableOf(index_oid, purpose);
    CheckPrivilege(table_oid, privilege);

    // The table before its index, as everyone locks them.
    InspectedIndex inspected{table_open(table_oid, lock), nullptr, lock, nullptr};
    inspected.index = index_open(index_oid, lock);
    // Neither may have been replaced while this waited for its locks.
    if (IndexGetRelation(index_oid, false) != table_oid)
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
                        errmsg("index \"%s\" was replaced", RelationGetRelationName(inspected.index))));
    CheckInspectable(inspected.index, purpose);
    inspected.method = InspectionOf(inspected.index);
    return inspected;
}

void CloseInspected(const InspectedIndex& inspected) {
    index_close(inspected.index, inspected.lock);
    table_close(inspected.table, inspected.lock);
}

void CopyPage(Relation index, BlockNumber block, BufferAccessStrategy strategy, Page copy) {
    CHECK_FOR_INTERRUPTS();
    Buffer buffer = ReadBufferExtended(index, MAIN_FORKNUM, block, RBM_NORMAL, strategy);
    LockBuffer(buffer, BUFFER_LOCK_SHARE);
    memcpy(copy, BufferGetPage(buffer), BLCKSZ);
    UnlockReleaseBuffer(buffer);
}

uint8 CheckedKind(Relation index, BlockNumber block, Page page, const PageFormat& format) {
    if (!PageHasFormat(page, format))
        ReportCorrupted(index, block, psprintf("the page does not belong to an %s index", format.method));
    CheckPageFormat(index, block, page, format, OpaqueOf(page)->kind);
    return OpaqueOf(page)->kind;
}

void CheckUsed(Relation index, BlockNumber block, Page page, Size lower) {
    const auto* header = reinterpret_cast<PageHeader>(page);
    if (header->pd_lower < lower || header->pd_lower > header->pd_upper || header->pd_upper > header->pd_special)
        ReportCorrupted(index, block, "the page's header and its contents disagree about what is used of it");
}

void CheckSnapshotFits(Relation index, Snapshot snapshot) {
    if (IsolationUsesXactSnapshot() && index->rd_index->indcheckxmin &&
        !TransactionIdPrecedes(HeapTupleHeaderGetXmin(index->rd_indextuple->t_data), snapshot->xmin))
        ereport(ERROR,
                (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
                 errmsg("cannot verify index \"%s\" with this transaction's snapshot", RelationGetRelationName(index)),
                 errdetail("The snapshot is older than the index.")));
}

}  // namespace annex::pg

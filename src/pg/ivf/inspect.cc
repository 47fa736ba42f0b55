// Opening an index for those who look at its pages.
#include "pg/ivf/inspect.h"

extern "C" {
#include "access/table.h"
#include "access/xlog.h"
#include "catalog/index.h"
#include "catalog/pg_class.h"
#include "commands/defrem.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
}

#include "pg/ivf/dialect.h"
#include "pg/ivf/ivf.h"

namespace annex::pg::ivf {

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
    if (!IsIvf(index))
        ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE), errmsg("\"%s\" is not an ivf index", name),
                        errdetail("Its access method is \"%s\".", get_am_name(index->rd_rel->relam))));
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
    InspectedIndex inspected{table_open(table_oid, lock), nullptr, lock};
    inspected.index = index_open(index_oid, lock);
    // Neither may have been replaced while this waited for its locks.
    if (IndexGetRelation(index_oid, false) != table_oid)
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
                        errmsg("index \"%s\" was replaced", RelationGetRelationName(inspected.index))));
    CheckInspectable(inspected.index, purpose);
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

PageKind CheckedKind(Relation index, BlockNumber block, Page page) {
    if (!PageIsOurs(page)) ReportCorrupted(index, block, "the page does not belong to an ivf index");
    CheckPage(index, block, page, KindOf(page));
    return KindOf(page);
}

}  // namespace annex::pg::ivf

// When and how lists are maintained: by vacuum's cleanup, and by annex_maintain(index, force).
#include "pg/ivf/maintain.h"

extern "C" {
#include "commands/defrem.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "tcop/pquery.h"
#include "utils/guc.h"
#include "utils/pg_rusage.h"
}

#include <algorithm>

#include "pg/index/build_support.h"
#include "pg/ivf/build.h"
#include "pg/ivf/calibrate.h"
#include "pg/ivf/inspect.h"

namespace annex::pg::ivf {

// What later ones are compared with.
static void NoteCensus(Relation index, const Census& census) {
    ChangeMeta(index, [&](MetaPage* to) {
        to->listed_rows = census.rows;
        to->listed_imbalance = census.imbalance;
        to->listed_residual = census.residual;
        to->removed_rows = 0;
    });
}

void NoteListing(Relation index, BufferAccessStrategy strategy) {
    MetaPage meta;
    ReadMeta(index, &meta);
    const Census census = TakeCensus(index, meta, strategy);
    pfree(census.list_sizes);
    NoteCensus(index, census);
}

// A mark that says "already served" must not outlive the 65,535 generations after which it comes again.
static void ForgetOldMarks(Relation index, const MetaPage& meta, BufferAccessStrategy strategy) {
    constexpr uint64 kEpoch = 0x8000;
    if (meta.newest / kEpoch == (meta.newest + 2) / kEpoch) return;
    const RowLayout layout = RowLayoutOf(meta);
    const BlockNumber blocks = RelationGetNumberOfBlocks(index);
    for (BlockNumber block = meta.rows; block < blocks; block++) {
        CHECK_FOR_INTERRUPTS();
        Buffer buffer = ReadBufferExtended(index, MAIN_FORKNUM, block, RBM_NORMAL, strategy);
        LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
        Page page = BufferGetPage(buffer);
        if (PageIsOurs(page) && KindOf(page) == PageKind::kRows) {
            (void)RowPage::Open(index, block, page, layout);
            GenericXLogState* state = GenericXLogStart(index);
            const RowPage rows = RowPage::At(GenericXLogRegisterBuffer(state, buffer, 0));
            for (uint16 slot = 0; slot < rows.header->used; slot++) rows.row(layout, slot)->pending = 0;
            GenericXLogFinish(state);
        }
        UnlockReleaseBuffer(buffer);
    }
}

// With the option as it is now: ALTER INDEX may have changed it.
static void ReadMetaAndOption(Relation index, MetaPage* meta) {
    ReadMeta(index, meta);
    meta->list_option = static_cast<uint32>(ListsOption(index));
}

// ---- What is told ----

// An access method is not told of VACUUM VERBOSE (IndexVacuumInfo's level is DEBUG2 in any case), so the statement is
// asked.
static bool VacuumIsVerbose() {
    if (ActivePortal == nullptr || list_length(ActivePortal->stmts) != 1) return false;
    const Node* statement = linitial_node(PlannedStmt, ActivePortal->stmts)->utilityStmt;
    if (statement == nullptr || !IsA(statement, VacuumStmt)) return false;
    const ListCell* cell;
    foreach (cell, reinterpret_cast<const VacuumStmt*>(statement)->options) {
        auto* option = lfirst_node(DefElem, cell);
        if (strcmp(option->defname, "verbose") == 0 && defGetBoolean(option)) return true;
    }
    return false;
}

static int TellingLevel(MaintenanceCall call) {
    return call == MaintenanceCall::kVacuum && VacuumIsVerbose() ? INFO : DEBUG1;
}

static void TellReplaced(Relation index, MaintenanceCall call, const MaintenanceResult& result, double rows,
                         const PGRUsage& since) {
    ereport(TellingLevel(call), (errmsg("index \"%s\" now has %u lists in place of %u", RelationGetRelationName(index),
                                        result.made, result.replaced),
                                 errdetail("They were made for %.0f rows.\n%s.", rows, pg_rusage_show(&since))));
}

// ---- Attempts ----

// An attempt that fails takes vacuum down with it, whose table is then vacuumed again and again and never done with. So
// each is counted before it begins, and after n in a row that did not come to their end 2^n - 1 vacuums make none.
static constexpr uint8 kMostAttempts = 5;

static void CountAttempt(Relation index) {
    ChangeMeta(index, [](MetaPage* to) {
        if (to->attempts < kMostAttempts) to->attempts++;
        to->put_off = 0;
    });
}

static bool PutOff(Relation index, const MetaPage& meta) {
    const int attempts = std::min(meta.attempts, kMostAttempts);
    if (meta.put_off >= (1 << attempts) - 1) return false;
    ChangeMeta(index, [](MetaPage* to) { to->put_off++; });
    ereport(TellingLevel(MaintenanceCall::kVacuum),
            (errmsg("lists of index \"%s\" are not maintained", RelationGetRelationName(index)),
             errdetail("The last attempt did not come to its end.")));
    return true;
}

static bool WouldFail(Relation index, const MetaPage& meta, double rows) {
    double kilobytes;
    if (SortIsAllowed(meta, rows, SpillOptionOf(index), &kilobytes)) return false;
    ereport(WARNING,
            (errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
             errmsg("lists of index \"%s\" are not replaced", RelationGetRelationName(index)),
             errdetail("That would take some %.0f kB of temporary files, more than \"temp_file_limit\" (%d kB) allows.",
                       kilobytes, temp_file_limit),
             errhint("Raise \"temp_file_limit\" or the memory for maintenance, or REINDEX the index.")));
    return true;
}

// ---- All of it ----

static MaintenanceResult Maintain(Relation index, MaintenanceCall call, int threads, BufferAccessStrategy strategy) {
    MaintenanceResult result{};
    MetaPage meta;
    ReadMetaAndOption(index, &meta);
    if (meta.leftovers != 0) {
        AbandonPending(index);
        result.freed = FreeLeftovers(index, strategy);
        ReadMetaAndOption(index, &meta);
    }
    if (call == MaintenanceCall::kVacuum && PutOff(index, meta)) return result;
    const Census census = TakeCensus(index, meta, strategy);
    pfree(census.list_sizes);
    uint32 lists;
    if (!ListsAreDue(meta, census, &lists) && call != MaintenanceCall::kForced) {
        // A maintenance that ended after the switch has left nothing to compare with, and an old calibration.
        if (meta.lists > 1 && meta.listed_imbalance == 0 && census.imbalance > 0) {
            NoteCensus(index, census);
            CalibrateIndex(index);
        } else if (meta.removed_rows > 0 || meta.attempts > 0) {
            ChangeMeta(index, [](MetaPage* to) { to->removed_rows = to->attempts = to->put_off = 0; });
        }
        return result;
    }
    if (call == MaintenanceCall::kVacuum && WouldFail(index, meta, census.rows)) return result;

    PGRUsage since;
    pg_rusage_init(&since);
    CountAttempt(index);
    ForgetOldMarks(index, meta, strategy);
    if (meta.leftovers == 0) AbandonPending(index);
    Relist(index, lists, census.rows, threads, strategy);
    NoteListing(index, strategy);
    CalibrateIndex(index);
    result.replaced = meta.lists;
    ReadMeta(index, &meta);
    result.made = meta.lists;
    // Dated now, what has died can go the sooner.
    AbandonPending(index);
    TellReplaced(index, call, result, census.rows, since);
    return result;
}

// The lock tells others whether there is somebody who builds what is pending: it goes with whoever holds it.
MaintenanceResult MaintainIndex(Relation index, MaintenanceCall call, int threads, BufferAccessStrategy strategy) {
    LockPage(index, 0, ExclusiveLock);
    const MaintenanceResult result = Maintain(index, call, threads, strategy);
    UnlockPage(index, 0, ExclusiveLock);
    return result;
}

bool EndOrphanedPending(Relation index) {
    if (!ConditionalLockPage(index, 0, ExclusiveLock)) return false;
    MetaPage meta;
    ReadMeta(index, &meta);
    if (meta.pending != 0) ChangeMeta(index, [](MetaPage* to) { to->pending = 0; });
    UnlockPage(index, 0, ExclusiveLock);
    return meta.pending != 0;
}

void MaintainInspected(const InspectedIndex& inspected, bool force, ResultRow* row) {
    const MaintenanceCall call = force ? MaintenanceCall::kForced : MaintenanceCall::kAsked;
    const MaintenanceResult result =
        MaintainIndex(inspected.index, call, BuildThreads(inspected.table), GetAccessStrategy(BAS_VACUUM));
    row->Set("lists_replaced", result.replaced);
    row->Set("lists_made", result.made);
    row->Set("pages_freed", static_cast<int64>(result.freed));
    row->Set("nodes_linked", int64{0});
}

}  // namespace annex::pg::ivf

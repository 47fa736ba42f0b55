// ivfflathandler: pgvector's access method ivfflat, as far as anyone sees it from outside, on the engine of ivf.
#include "pg/ivfflat/handler.h"

extern "C" {
#include "access/amapi.h"
#include "access/reloptions.h"
#include "commands/vacuum.h"
}

#include "pg/ivf/dialect.h"
#include "pg/ivf/ivf.h"
#include "pg/ivfflat/settings.h"

namespace annex::pg::ivfflat {

static constexpr int kDefaultLists = 100;
// Of bounds that are true for this many standard deviations, hardly any leaves out a row of the lists that are probed.
static constexpr float kEpsilon = 3;
// 1 distance, 2 norm, 3 and 4 the same for training, as in pgvector's operator classes; 5, which no pgvector class of
// vectors has, is what the engine wants to know of a class (pg/index/opclass.h).
static constexpr uint16 kSupportFunctions = 5;

static relopt_kind option_kind;

static void NoticeLittleData() {
    ereport(NOTICE, (errmsg("ivfflat index created with little data"), errdetail("This will cause low recall."),
                     errhint("Drop the index until the table has more data.")));
}

extern "C" {

static IndexBuildResult* ivfflatbuild(Relation heap, Relation index, IndexInfo* index_info) noexcept {
    return ivfbuild(heap, index, index_info);
}

static bytea* ivfflatoptions(Datum reloptions, bool validate) noexcept {
    using ivf::Options;
    static const relopt_parse_elt table[] = {{"lists", RELOPT_TYPE_INT, offsetof(Options, lists)}};
    return static_cast<bytea*>(
        build_reloptions(reloptions, validate, option_kind, sizeof(Options), table, lengthof(table)));
}

static char* ivfflatbuildphasename(int64 phase) noexcept {
    switch (phase) {
        case 1:
            return const_cast<char*>("initializing");
        case ivf::kPhaseSampling:
        case ivf::kPhaseTraining:
            return const_cast<char*>("performing k-means");
        case ivf::kPhaseAssigning:
            return const_cast<char*>("assigning tuples");
        case ivf::kPhaseWritingRows:
        case ivf::kPhaseWritingLists:
        case ivf::kPhaseLogging:
            return const_cast<char*>("loading tuples");
        default:
            return nullptr;
    }
}

// As with pgvector, whose checks of classes are at their use.
static bool ivfflatvalidate(Oid) noexcept {
    return true;
}

}  // extern "C"

void InitIvfflat() {
    option_kind = add_reloption_kind();
    add_int_reloption(option_kind, "lists", "Number of inverted lists", kDefaultLists, 1, ivf::kMaxLists,
                      AccessExclusiveLock);
    static constexpr ivf::Dialect dialect{ivfflatbuild,     kDefaultLists, kEpsilon,
                                          ThoroughTraining, LimitsNow,     NoticeLittleData};
    ivf::RegisterDialect(&dialect);
}

static IndexAmRoutine* MakeRoutine() {
    IndexAmRoutine* routine = makeNode(IndexAmRoutine);
    routine->amstrategies = 0;
    routine->amsupport = kSupportFunctions;
    routine->amcanorderbyop = true;
    routine->amoptionalkey = true;
    routine->amparallelvacuumoptions = VACUUM_OPTION_PARALLEL_BULKDEL;
    routine->amkeytype = InvalidOid;
    ANNEX_AM_SINCE_17(routine);

    routine->ambuild = ivfflatbuild;
    routine->ambuildempty = ivfbuildempty;
    routine->aminsert = ivfinsert;
    routine->ambulkdelete = ivfbulkdelete;
    routine->amvacuumcleanup = ivfvacuumcleanup;
    routine->amcostestimate = ivfcostestimate;
    routine->amoptions = ivfflatoptions;
    routine->ambuildphasename = ivfflatbuildphasename;
    routine->amvalidate = ivfflatvalidate;
    routine->ambeginscan = ivfbeginscan;
    routine->amrescan = ivfrescan;
    routine->amgettuple = ivfgettuple;
    routine->amendscan = ivfendscan;
    return routine;
}

}  // namespace annex::pg::ivfflat

extern "C" {
PG_FUNCTION_INFO_V1(annex_ivfflathandler);
PGDLLEXPORT Datum annex_ivfflathandler(PG_FUNCTION_ARGS);

Datum annex_ivfflathandler(PG_FUNCTION_ARGS) {
    (void)fcinfo;
    annex::pg::ivfflat::DefineSettings();
    return PointerGetDatum(annex::pg::ivfflat::MakeRoutine());
}
}

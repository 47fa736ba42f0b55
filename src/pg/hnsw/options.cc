// Options of CREATE INDEX ... USING hnsw: pgvector's.
#include "pg/hnsw/hnsw.h"

extern "C" {
#include "access/reloptions.h"
}

namespace annex::pg::hnsw {

static relopt_kind option_kind;

void DefineOptions() {
    option_kind = add_reloption_kind();
    add_int_reloption(option_kind, "m", "Max number of connections", kDefaultM, 2, kMostM, AccessExclusiveLock);
    add_int_reloption(option_kind, "ef_construction", "Size of the dynamic candidate list for construction",
                      kDefaultEfConstruction, 4, 1000, AccessExclusiveLock);
}

static const Options* OptionsOf(Relation index) {
    return reinterpret_cast<const Options*>(index->rd_options);
}

int MOption(Relation index) {
    return OptionsOf(index) != nullptr ? OptionsOf(index)->m : kDefaultM;
}

int EfConstructionOption(Relation index) {
    return OptionsOf(index) != nullptr ? OptionsOf(index)->ef_construction : kDefaultEfConstruction;
}

}  // namespace annex::pg::hnsw

extern "C" bytea* hnswoptions(Datum reloptions, bool validate) noexcept {
    using namespace annex::pg::hnsw;
    static const relopt_parse_elt table[] = {{"m", RELOPT_TYPE_INT, offsetof(Options, m)},
                                             {"ef_construction", RELOPT_TYPE_INT, offsetof(Options, ef_construction)}};
    return static_cast<bytea*>(
        build_reloptions(reloptions, validate, option_kind, sizeof(Options), table, lengthof(table)));
}

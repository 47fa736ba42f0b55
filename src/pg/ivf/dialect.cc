// Which access method an index of this engine belongs to.
#include "pg/ivf/dialect.h"

#include "pg/ivf/ivf.h"

namespace annex::pg::ivf {

static const Dialect* registered = nullptr;

void RegisterDialect(const Dialect* dialect) {
    if (registered != nullptr) elog(ERROR, "too many dialects of ivf");
    registered = dialect;
}

const Dialect* DialectOf(Relation index) {
    return registered != nullptr && index->rd_indam->ambuild == registered->build ? registered : nullptr;
}

bool IsIvf(Relation index) {
    return index->rd_indam->ambuildempty == ivfbuildempty;
}

}  // namespace annex::pg::ivf

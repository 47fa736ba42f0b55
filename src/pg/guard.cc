// Reports what a guarded engine call threw.
#include "pg/guard.h"

namespace annex::pg {

static int SqlState(ErrorKind kind) {
    switch (kind) {
        case ErrorKind::kInvalidArgument:
            return ERRCODE_INVALID_PARAMETER_VALUE;
        case ErrorKind::kLimit:
            return ERRCODE_PROGRAM_LIMIT_EXCEEDED;
        case ErrorKind::kCorrupted:
            return ERRCODE_INDEX_CORRUPTED;
        case ErrorKind::kInternal:
            return ERRCODE_INTERNAL_ERROR;
    }
    return ERRCODE_INTERNAL_ERROR;
}

[[noreturn]] void ReportGuardError(const GuardResult& result) {
    if (result.outcome == GuardResult::Outcome::kOutOfMemory)
        ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
    ereport(ERROR, (errcode(SqlState(result.kind)), errmsg("%s", result.message)));
    pg_unreachable();
}

}  // namespace annex::pg

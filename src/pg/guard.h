// The way across the wall between the engine, which throws, and PostgreSQL, which jumps.
//
// Engine code runs inside Guard(). Nothing inside it may call a PostgreSQL function that can report an error; whatever
// it throws is turned into an ereport after the catch block has ended, when the exception object and every object of
// the engine's frames are gone. Glue code outside holds no object with a non-trivial destructor (CONTRIBUTING.md, "Two
// regimes of error handling").
#pragma once

#include "pg/pg.h"

#include <cstring>
#include <exception>
#include <new>

#include "annex/error.h"

namespace annex::pg {

// What a guarded call ended with, kept free of any C++ object so that ereport may jump over it.
struct GuardResult {
    enum class Outcome { kOk, kOutOfMemory, kError };
    Outcome outcome = Outcome::kOk;
    ErrorKind kind = ErrorKind::kInternal;
    char message[256] = {0};
};

[[noreturn]] void ReportGuardError(const GuardResult& result);

// Runs engine code; an exception becomes a PostgreSQL error with a SQLSTATE that fits its kind.
template <typename Body>
inline void Guard(Body&& body) {
    GuardResult result;
    try {
        body();
        return;
    } catch (const std::bad_alloc&) {
        result.outcome = GuardResult::Outcome::kOutOfMemory;
    } catch (const Error& error) {
        result.outcome = GuardResult::Outcome::kError;
        result.kind = error.kind();
        strlcpy(result.message, error.what(), sizeof result.message);
    } catch (const std::exception& error) {
        result.outcome = GuardResult::Outcome::kError;
        strlcpy(result.message, error.what(), sizeof result.message);
    } catch (...) {
        result.outcome = GuardResult::Outcome::kError;
        strlcpy(result.message, "unknown C++ exception", sizeof result.message);
    }
    ReportGuardError(result);
}

}  // namespace annex::pg

// Numbers in the text of a vector, and the white space around them.
#pragma once

#include "pg/pg.h"

#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdlib>

namespace annex::pg {

// What PostgreSQL takes for white space, whatever the locale.
inline bool IsSpace(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

inline const char* SkipSpace(const char* p) {
    while (IsSpace(*p)) p++;
    return p;
}

// Reads one number at p; returns where it ends, which is p when there is none. errno tells a range error, as strtof's.
//
// from_chars is several times faster than strtof and rounds alike, so it takes the numbers that both read the same way.
// The rest is strtof's: a leading plus, hexadecimal digits, what overflows or underflows, infinity, NaN.
inline const char* ReadNumber(const char* p, const char* end, float* value) {
    errno = 0;
    const auto [stop, error] = std::from_chars(p, end, *value);
    const bool ended = *stop == ',' || *stop == ']' || *stop == '}' || IsSpace(*stop);
    if (likely(error == std::errc() && ended && std::isfinite(*value))) return stop;

    char* strtof_stop;
    errno = 0;
    *value = strtof(p, &strtof_stop);
    return strtof_stop;
}

}  // namespace annex::pg

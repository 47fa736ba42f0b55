#!/bin/bash
# Formatting, clang-tidy and shellcheck over our own files: scripts/lint.sh [format]
#
# `format` formats the C++ sources in place and does no more. LLVM 14, Debian 12's, decides on formatting and on
# clang-tidy's checks, since each release has opinions of its own; where another one is installed, these two are left
# out. JOBS sets the number of processes.
set -uo pipefail

cd "$(dirname "$0")/.." || exit 1
jobs=${JOBS:-$(nproc)}
status=0

cxx_files() {
    find include src gpu test \( -name '*.h' -o -name '*.cc' -o -name '*.cu' \) -print 2>/dev/null | LC_ALL=C sort
}

# The program NAME of LLVM 14, or nothing.
llvm14() {
    local program
    for program in "$1-14" "$1"; do
        if "$program" --version 2>/dev/null | grep -q 'version 14\.'; then
            echo "$program"
            return
        fi
    done
}

say_result() {
    if [ "$2" -eq 0 ]; then echo "$1: clean"; else status=1; fi
}

clang_format=$(llvm14 clang-format)
clang_tidy=$(llvm14 clang-tidy)

if [ "${1:-}" = format ]; then
    [ -n "$clang_format" ] || { echo "clang-format 14 is not installed" >&2 && exit 1; }
    cxx_files | xargs "$clang_format" -i
    exit
fi

if [ -n "$clang_format" ]; then
    cxx_files | xargs "$clang_format" --dry-run -Werror
    say_result "clang-format" $?
else
    echo "clang-format: not version 14, left out"
fi

# The engine is checked with the flags that CMake gives it, the glue with the few that matter.
tidy_one() {
    local file=$1
    if [[ $file == src/pg/* ]]; then
        "$clang_tidy" --quiet "$file" -- -std=c++20 -Wno-register -Iinclude -Isrc -isystem "$pg_include" 2>/dev/null
    else
        "$clang_tidy" --quiet -p build/engine "$file" 2>/dev/null
    fi
}

tidy_all() {
    cmake -S . -B build/engine >/dev/null || return 1
    pg_include=$("${PG_CONFIG:-pg_config}" --includedir-server)
    export clang_tidy pg_include
    export -f tidy_one
    find src test/bench -name '*.cc' | LC_ALL=C sort | xargs -P "$jobs" -I {} bash -c 'tidy_one {}'
}

if [ -n "$clang_tidy" ]; then
    tidy_all
    say_result "clang-tidy" $?
else
    echo "clang-tidy: not version 14, left out"
fi

if command -v shellcheck >/dev/null; then
    find scripts test .ci demo -type f \( -name '*.sh' -o -path .ci/run \) -print0 2>/dev/null | xargs -0 shellcheck
    say_result "shellcheck" $?
else
    echo "shellcheck: not installed, left out"
fi

# Work left undone belongs in the tracker, blanks at the end of a line nowhere.
search() {
    grep -rnE "$1" --include='*.h' --include='*.cc' --include='*.pl' --include='*.py' --include='*.sh' --include='*.md' \
        --include='*.spec' --include=Makefile --include=CMakeLists.txt --exclude-dir=build --exclude-dir=.git \
        --exclude=lint.sh .
}
search '\b(TODO|FIXME|XXX)\b'
undone=$?
search '[[:blank:]]+$'
blanks=$?
[ $undone -ne 0 ] && [ $blanks -ne 0 ]
say_result "leftovers" $?

exit $status

#!/bin/bash
# Builds the engine's static library in the folder given: scripts/build-engine.sh BUILD_DIR [TARGET...]
#
# The Makefile calls it at every build, so it is silent when nothing has changed. JOBS sets the number of compilers.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
build_dir=$1
shift
targets=("${@:-annex_engine}")

# make's job server is not for ninja
unset MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL
if [ ! -f "$build_dir/build.ninja" ]; then
    mkdir -p "$build_dir"
    cmake -S "$root" -B "$build_dir" -G Ninja -DCMAKE_BUILD_TYPE=Release >"$build_dir/configure.log" 2>&1 || {
        cat "$build_dir/configure.log" >&2
        exit 1
    }
fi
cmake --build "$build_dir" --parallel "${JOBS:-$(nproc)}" --target "${targets[@]}" -- --quiet |
    { grep -v -e '^ninja: no work to do' -e '^\[0/2\] Re-checking globbed' || true; }

#!/bin/bash
# Builds the engine: scripts/build-engine.sh BUILD_DIR [TARGET...]
#
# Without a target: the static library alone. The Makefile calls this at every build, so it is silent when nothing has
# changed. JOBS sets the number of compilers, ANNEX_SANITIZE the
# sanitizers.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
build_dir=$1
shift
targets=("${@:-annex_engine}")

# make's job server is not for CMake's tools
unset MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL
if [ ! -f "$build_dir/CMakeCache.txt" ] || [ ! -f "$build_dir/link.rsp" ]; then
    generator=()
    if command -v ninja >/dev/null; then generator=(-G Ninja); fi
    mkdir -p "$build_dir"
    cmake -S "$root" -B "$build_dir" "${generator[@]}" -DCMAKE_BUILD_TYPE=Release \
        ${ANNEX_SANITIZE:+-DANNEX_SANITIZE="$ANNEX_SANITIZE"} >"$build_dir/configure.log" 2>&1 || {
        cat "$build_dir/configure.log" >&2
        exit 1
    }
fi
cmake --build "$build_dir" --parallel "${JOBS:-$(nproc)}" --target "${targets[@]}" |
    { grep -v -e '^ninja: no work to do' -e 'Re-checking globbed' -e 'Built target' -e 'Consolidate compiler' || true; }

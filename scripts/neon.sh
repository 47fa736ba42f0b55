#!/bin/bash
# Tests the NEON kernels and the rotation on any machine: scripts/neon.sh [BUILD_DIR]
#
# Compiles them with Debian's cross compiler and runs their unit tests under qemu's user emulation. Needs the packages
# g++-aarch64-linux-gnu, qemu-user-static, libgtest-dev and libhwy-dev. JOBS sets the number of compilers.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
build_dir=${1:-$root/build/neon}
cxx=aarch64-linux-gnu-g++
for program in "$cxx" qemu-aarch64-static; do
    command -v "$program" >/dev/null || {
        echo "$program is missing: apt-get install g++-aarch64-linux-gnu qemu-user-static libgtest-dev libhwy-dev" >&2
        exit 1
    }
done

# Of the host's headers only these two may be seen.
mkdir -p "$build_dir/include"
cd "$build_dir"
ln -sfn /usr/include/hwy include/hwy
ln -sfn /usr/include/gtest include/gtest

googletest=/usr/src/googletest/googletest
flags=(-std=c++20 -O2 -g -Wall -Wextra -Wshadow -Werror -fno-math-errno -fno-trapping-math -ffp-contract=off
    "-I$root/include" "-I$root/src" -isystem include -isystem "$googletest")
sources=("$root"/src/engine/rotation.cc "$root"/src/engine/kernels/*.cc "$root"/test/unit/{half,kernels,rotation}_test.cc
    "$googletest"/src/{gtest-all,gtest_main}.cc)
printf '%s\0' "${sources[@]}" | xargs -0 -n 1 -P "${JOBS:-$(nproc)}" "$cxx" "${flags[@]}" -c

# Static, so that no library of the other architecture has to be installed; the linker warns of getaddrinfo, which
# GoogleTest would only use to report over a network.
"$cxx" -static ./*.o -o neon_test 2>/dev/null
qemu-aarch64-static ./neon_test --gtest_brief=1

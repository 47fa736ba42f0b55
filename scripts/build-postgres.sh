#!/bin/bash
# A PostgreSQL with assertions and sanitizers, built from source: scripts/build-postgres.sh PREFIX
#
# POSTGRES_SOURCE names the unpacked sources; without it they are those of Debian's package, which `apt-get source`
# fetches (a deb-src entry has to be there). It needs gcc, perl and IPC::Run, takes some minutes, and does nothing when
# PREFIX holds one already.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
prefix=$1
[ ! -x "$prefix/bin/postgres" ] || exit 0

build=$prefix.build
mkdir -p "$build"
source=${POSTGRES_SOURCE:-}
if [ -z "$source" ]; then
    version=$("${PG_CONFIG:-pg_config}" --version | grep -o '[0-9]*' | head -n 1)
    (cd "$build" && apt-get source -qq "postgresql-$version" >apt.log 2>&1) || { cat "$build/apt.log" && exit 1; }
    source=$(find "$build" -maxdepth 1 -type d -name "postgresql-$version-*" | head -n 1)
fi
source=$(cd "$source" && pwd)

# What the build runs leaks at its end, as programs do.
export ASAN_OPTIONS=detect_leaks=0
flags='-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer'
mkdir -p "$build/objects"
cd "$build/objects"
{
    "$source/configure" --prefix="$prefix" --enable-cassert --enable-debug --enable-tap-tests --without-readline \
        --without-zlib --without-icu CFLAGS="$flags" CXXFLAGS="$flags" LDFLAGS='-fsanitize=address,undefined'
    make -j "${JOBS:-$(nproc)}"
    make install
    for folder in src/test/isolation src/test/perl contrib/pg_prewarm; do make -C "$folder" install; done
} >"$build/build.log" 2>&1 || { tail -n 40 "$build/build.log" && exit 1; }
echo "built: ${prefix#"$root/"}"

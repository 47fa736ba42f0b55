#!/bin/bash
# A PostgreSQL with assertions and sanitizers, built from source: scripts/build-postgres.sh PREFIX
#
# POSTGRES_SOURCE names the unpacked sources; without it they are those of Debian's package, fetched from where the
# system's packages come from. It needs gcc, dpkg-dev, perl and IPC::Run (from 17 on bison and flex
# too), takes some minutes, and does
# nothing when PREFIX holds one already.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
prefix=$1
[ ! -x "$prefix/bin/postgres" ] || exit 0

build=$prefix.build
mkdir -p "$build"

# Debian's sources of one package, unpacked here. apt has its lists of sources in a folder of ours, so that the system's
# own settings stay as they are.
fetch_source() {
    local lists=$PWD/apt file
    mkdir -p "$lists/parts" "$lists/state/partial"
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
        if [ -e "$file" ]; then sed -n 's/^deb /deb-src /p' "$file"; fi
    done >"$lists/parts/all.list"
    for file in /etc/apt/sources.list.d/*.sources; do
        if [ -e "$file" ]; then sed 's/^Types:.*/Types: deb-src/' "$file" >"$lists/parts/${file##*/}"; fi
    done
    local options=(-qq -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$lists/parts"
        -o Dir::State::Lists="$lists/state" -o Dir::Cache::srcpkgcache= -o Dir::Cache::pkgcache=) version
    if [ "$(id -u)" -eq 0 ]; then options+=(-o APT::Sandbox::User=root); fi
    # not every place has sources, and some list a release that they do not have: the newest that comes
    apt-get "${options[@]}" update || true
    while IFS= read -r version; do
        if apt-get "${options[@]}" source "$1=$version"; then return; fi
    done < <(apt-cache "${options[@]}" showsrc "$1" | sed -n 's/^Version: //p' | sort --version-sort --reverse --unique)
    return 1
}

source=${POSTGRES_SOURCE:-}
if [ -z "$source" ]; then
    version=$("${PG_CONFIG:-pg_config}" --version | grep -o '[0-9]*' | head -n 1)
    (cd "$build" && fetch_source "postgresql-$version" >apt.log 2>&1) || { cat "$build/apt.log" && exit 1; }
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

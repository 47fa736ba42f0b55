#!/bin/bash
# The Debian packages that annex needs: scripts/packages.sh build|check|tsan|demo|bench
#
# As root it installs those that are missing, asking nothing; otherwise it says what to install and fails. On a system
# without apt it does nothing: what is missing will be missed by name.
set -euo pipefail

purpose=${1:-build}
command -v dpkg-query >/dev/null && command -v apt-get >/dev/null || exit 0

installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# The PostgreSQL to build for: the one that PG_CONFIG names, else the one that this Debian ships.
postgres_version() {
    if "${PG_CONFIG:-pg_config}" --version 2>/dev/null; then return; fi
    apt-cache depends postgresql 2>/dev/null | sed -n 's/.*Depends: postgresql-\([0-9]*\)$/\1/p'
}

missing_packages() {
    local version wanted package
    wanted="make g++ cmake ninja-build libhwy-dev"
    version=$(postgres_version | grep -o '[0-9]*' | head -n 1)
    # a PostgreSQL that does not come from packages needs none
    case $("${PG_CONFIG:-pg_config}" --bindir 2>/dev/null || echo /usr/lib/postgresql) in
        /usr/lib/postgresql*)
            wanted+=" postgresql-server-dev-${version:-all}"
            if [ "$purpose" != build ]; then wanted+=" postgresql${version:+-$version}"; fi
            ;;
    esac
    if [ "$purpose" = tsan ]; then wanted+=" clang"; fi
    if [ "$purpose" = check ] || [ "$purpose" = tsan ]; then
        wanted+=" libgtest-dev libgmock-dev libbenchmark-dev libipc-run-perl perl python3 binutils"
        wanted+=" clang-format clang-tidy shellcheck"
    fi
    if [ "$purpose" = bench ]; then wanted+=" python3"; fi
    for package in $wanted; do
        installed "$package" || printf '%s ' "$package"
    done
}

missing=$(missing_packages)
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
    echo "annex: these packages are missing; install them with:" >&2
    echo "    sudo apt-get install ${missing% }" >&2
    exit 1
fi
export DEBIAN_FRONTEND=noninteractive
echo "annex: installing what is missing"
# lists that cannot be renewed may still do
apt-get update -qq </dev/null || echo "annex: apt-get update failed, going on with the lists that are there" >&2
missing=$(missing_packages)
echo "    $missing"
# shellcheck disable=SC2086 # a list of words
apt-get install -y -qq --no-install-recommends $missing </dev/null >/dev/null

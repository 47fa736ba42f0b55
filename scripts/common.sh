# What the scripts that run a private PostgreSQL share; to be sourced. It takes PG_CONFIG from the environment.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
PG_CONFIG=${PG_CONFIG:-pg_config}
export PG_CONFIG

die() {
    echo "annex: $*" >&2
    exit 1
}

# PostgreSQL refuses to run as root: servers and tests then run as the packaged user, or as nobody.
if [ "$(id -u)" -eq 0 ]; then
    if id postgres >/dev/null 2>&1; then server_user=postgres; else server_user=nobody; fi
else
    server_user=$(id -un)
fi

# Runs a command as that user, in the current directory and environment.
as_server_user() {
    if [ "$(id -u)" -eq 0 ]; then
        runuser -u "$server_user" -- "$@"
    else
        "$@"
    fi
}

# Gives a file or folder to that user.
give_to_server_user() {
    if [ "$(id -u)" -eq 0 ]; then chown -R "$server_user" "$@"; fi
}

# Builds the extension and makes a PostgreSQL installation of its own under DIR that has it; nothing outside DIR is
# touched. PostgreSQL finds its files relative to its programs, so a copied tree is a working installation: programs are
# copied, all else is linked. Sets private_bindir.
make_private_installation() {
    local dir=$1 bindir pkglibdir sharedir
    bindir=$("$PG_CONFIG" --bindir)
    pkglibdir=$("$PG_CONFIG" --pkglibdir)
    sharedir=$("$PG_CONFIG" --sharedir)
    [ -x "$bindir/postgres" ] || die "$bindir has no postgres: install the server ($root/scripts/packages.sh check)"

    make -s -C "$root" all || return 1
    mkdir -p "$dir$bindir" "$dir$pkglibdir" "$dir$sharedir"
    if [ ! -x "$dir$bindir/postgres" ]; then
        cp -RL "$bindir/." "$dir$bindir"
        # where programs and libraries share a folder, the programs are there already
        cp -Rs "$pkglibdir/." "$dir$pkglibdir" 2>/dev/null || true
        cp -Rs "$sharedir/." "$dir$sharedir" 2>/dev/null || true
    fi
    # an annex of the system must not show through
    rm -f "$dir$pkglibdir"/annex.so "$dir$sharedir"/extension/annex[.-]* "$dir$sharedir"/extension/annex_pgvector[.-]*
    make -s -C "$root" install DESTDIR="$dir" >/dev/null || return 1
    # annex by the name of pgvector's extension, for tests, where links to pgvector's files were
    if [ -n "${ANNEX_SHIM:-}" ]; then
        rm -f "$dir$sharedir"/extension/vector[.-]*
        make -s -C "$root" install-vector-shim DESTDIR="$dir" >/dev/null || return 1
    fi
    # stop points and failing allocations, for tests
    if [ -n "${ANNEX_TESTING:-}" ]; then
        make -s -C "$root" testing || return 1
        cp "$root/build/testing/annex.so" "$dir$pkglibdir/annex.so" || return 1
    fi
    chmod -R go+rX "$dir"
    # shellcheck disable=SC2034 # for the script that sources this
    private_bindir=$dir$bindir
}

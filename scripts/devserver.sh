#!/bin/bash
# A private PostgreSQL with the annex of this tree, for work by hand:
#
#   scripts/devserver.sh start DIR [SETTING=VALUE...]   build, install under DIR, initdb if need be, start
#   scripts/devserver.sh psql DIR [ARGUMENT...]         psql in its database "dev", where the extension is created
#   scripts/devserver.sh restart DIR [SETTING=VALUE...] build and install again, restart
#   scripts/devserver.sh stop DIR                       stop; the data stays
#   scripts/devserver.sh drop DIR                       stop and remove DIR
#
# The server listens on a Unix socket in DIR alone and runs as an ordinary user, also when you are root. The server's
# log is DIR/log. eval "$(scripts/devserver.sh env DIR)" puts its programs on the PATH and sets PGHOST, PGDATABASE and
# PGUSER. To try a change: make it, `restart`, open psql again.
set -euo pipefail

# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"

usage() {
    sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2
    exit 2
}

[ $# -ge 2 ] || usage
action=$1
mkdir -p "$2"
dir=$(cd "$2" && pwd)
shift 2

data=$dir/data
private_bindir=$dir/install$("$PG_CONFIG" --bindir)
[ ${#dir} -le 80 ] || die "$dir is too long a path for a Unix socket"

control() {
    (cd / && as_server_user "$private_bindir/pg_ctl" -s -w -D "$data" "$@")
}

running() {
    [ -f "$data/postmaster.pid" ] && control status >/dev/null 2>&1
}

stop() {
    if running; then control -m fast stop; fi
    if [ -f "$data/postmaster.pid" ] && kill -0 "$(head -n 1 "$data/postmaster.pid")" 2>/dev/null; then
        die "the server in $dir does not stop"
    fi
}

start() {
    local options="-c listen_addresses= -c unix_socket_directories=$dir" setting
    for setting in "$@"; do options+=" -c $setting"; done
    make_private_installation "$dir/install"
    # on a PATH made by `env` it would pass for the pg_config to build with
    rm -f "$private_bindir/pg_config"
    if [ ! -f "$data/PG_VERSION" ]; then
        mkdir -p "$data"
        give_to_server_user "$dir"
        (cd / && as_server_user "$private_bindir/initdb" -D "$data" -A trust -U postgres -E UTF8 --no-locale >/dev/null)
    fi
    stop
    control -l "$dir/log" -o "$options" start
    if ! sql -l -A -t | grep -q '^dev|'; then
        "$private_bindir/createdb" -h "$dir" -U postgres dev
        sql -d dev -c 'CREATE EXTENSION annex'
    fi
    echo "psql -h $dir -U postgres dev"
}

sql() {
    "$private_bindir/psql" -X -q -h "$dir" -U postgres "$@"
}

case $action in
    start | restart) start "$@" ;;
    stop) stop ;;
    drop)
        [ -d "$data" ] || [ -d "$dir/install" ] || die "$dir holds no server of ours"
        stop
        rm -rf "$dir"
        ;;
    psql) exec "$private_bindir/psql" -h "$dir" -U postgres dev "$@" ;;
    env)
        echo "export PATH='$private_bindir':\"\$PATH\" PGHOST='$dir' PGDATABASE=dev PGUSER=postgres"
        ;;
    *) usage ;;
esac

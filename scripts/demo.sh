#!/bin/bash
# A private PostgreSQL with 11,533 Debian packages, their embeddings and an ivf index, to look at and to play with:
#
#   scripts/demo.sh          install what is missing, build, start, load, index, ask
#   scripts/demo.sh psql     open psql in it (starts the server again if it was stopped)
#   scripts/demo.sh clean    stop it and remove it
#
# The server runs as an ordinary user, also when you are root, and listens on a Unix socket alone. Its files lie in
# build/demo; where that user cannot get there, build/demo is a link to a folder under /var/tmp. The server goes on
# running when the demo has ended well, and does not when it is interrupted or fails.
set -euo pipefail

# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"

place=$root/build/demo
devserver=$root/scripts/devserver.sh

# The folder that `place` stands for.
demo_dir() {
    readlink -f "$place"
}

# Makes the folder: in the tree if the server's user can reach it and a socket's path is not too long for it.
make_place() {
    local dir=$place
    mkdir -p "$root/build"
    if ! (cd / && as_server_user test -x "$root/build") || [ ${#place} -gt 80 ]; then
        dir=$(mktemp -d /var/tmp/annex-demo.XXXXXX)
        chmod 755 "$dir"
        ln -s "$dir" "$place"
    else
        mkdir "$place"
    fi
}

clean() {
    local dir
    if [ -e "$place" ]; then
        dir=$(demo_dir)
        # before the server's files were there it may have been interrupted
        "$devserver" drop "$dir" 2>/dev/null || rm -rf "$dir"
    fi
    rm -rf "$place"
}

clean_after_failure() {
    local status=$?
    trap '' INT TERM HUP
    clean
    exit $status
}

enter() {
    eval "$("$devserver" env "$(demo_dir)")"
    export PGDATABASE=demo
}

heading() {
    printf '\n== %s\n' "$*"
}

# ----------------------------------------------------------------------------------------------------------- the steps

load() {
    local rows
    psql -X -q -v ON_ERROR_STOP=1 -f "$root/demo/schema.sql"
    cd "$root/demo"
    paste <(./vectors.pl data/packages.i8bin) <(zcat data/packages.tsv.gz | tail -n +2) |
        psql -X -q -c 'COPY packages (id, embedding, name, section, installed_kb, depends, architecture_all, tags,
            summary) FROM stdin'
    paste <(./vectors.pl data/questions.i8bin) data/questions.txt |
        psql -X -q -c 'COPY questions (id, embedding, question) FROM stdin'
    psql -X -q -c 'VACUUM ANALYZE'
    rows=$(psql -X -At -c "SELECT count(*) || ' packages, ' || pg_size_pretty(pg_table_size('packages')) FROM packages")
    echo "$rows, each with an embedding of 384 dimensions"
}

# Prints what pg_stat_progress_create_index says of a build while the process $1 lives: one line a phase.
show_progress() {
    local builder=$1 answer phase count total seen='' started=$EPOCHREALTIME
    coproc PROGRESS { psql -X -A -t -q -F'|'; }
    # reading the pipes by number outlives the coprocess's variables
    local from=${PROGRESS[0]} to=${PROGRESS[1]}
    while kill -0 "$builder" 2>/dev/null; do
        echo "SELECT coalesce((SELECT concat_ws('|', regexp_replace(phase, '^building index: ', ''),
            greatest(tuples_done, blocks_done), CASE WHEN tuples_total > 0 THEN tuples_total ELSE blocks_total END)
            FROM pg_stat_progress_create_index LIMIT 1), '');" >&"$to"
        IFS= read -r answer <&"$from" || break
        IFS='|' read -r phase count total <<<"$answer"
        if [ -n "$phase" ]; then
            if [ -t 1 ]; then
                if [ -n "$seen" ] && [ "$phase" != "$seen" ]; then echo; fi
                printf '\r  %5.1f s  %-40s %s\e[K' "$(seconds_since "$started")" "$phase" "$(bar "$count" "$total")"
            elif [ "$phase" != "$seen" ]; then
                printf '  %5.1f s  %s\n' "$(seconds_since "$started")" "$phase"
            fi
            seen=$phase
        fi
        sleep 0.05
    done
    if [ -t 1 ] && [ -n "$seen" ]; then echo; fi
    exec {to}>&-
    wait "$PROGRESS_PID" 2>/dev/null || true
}

bar() {
    local count=${1:-0} total=${2:-0} percent
    if [ "$total" -le 0 ]; then return; fi
    percent=$((count >= total ? 100 : 100 * count / total))
    printf '[%-20s] %3d %%' "$(printf '%*s' $((percent / 5)) '' | tr ' ' '#')" "$percent"
}

seconds_since() {
    awk -v from="$1" -v to="$EPOCHREALTIME" 'BEGIN { printf "%.1f", to - from }'
}

build_index() {
    local statement='CREATE INDEX packages_embedding ON packages USING ivf (embedding vector_cosine_ops)' builder
    local started=$EPOCHREALTIME
    echo "$statement;"
    psql -X -q -v ON_ERROR_STOP=1 -c "$statement" &
    builder=$!
    show_progress "$builder"
    wait "$builder" || die "the index could not be built"
    psql -X -At -c "SELECT 'built in $(seconds_since "$started") s, '
        || pg_size_pretty(pg_relation_size('packages_embedding')) || ', '
        || pg_relation_size('packages_embedding') / count(*) || ' bytes a row' FROM packages"
}

run() {
    export PSQL_PAGER=cat  # nothing here waits for a key
    heading "Packages that annex needs"
    "$root/scripts/packages.sh" demo
    echo "all installed"

    heading "Building the extension, starting a private PostgreSQL"
    clean
    trap clean_after_failure EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    make_place
    echo "compiling the first time takes a minute or two"
    "$devserver" start "$(demo_dir)" shared_buffers=256MB >/dev/null
    enter
    psql -X -q -d postgres -c 'CREATE DATABASE demo'
    psql -X -q -c 'CREATE EXTENSION annex'
    psql -X -At -c "SELECT 'PostgreSQL ' || current_setting('server_version') || ', annex ' || extversion || ', in '
        || '$(demo_dir)' FROM pg_extension WHERE extname = 'annex'"

    heading "Loading Debian 12's programs"
    load

    heading "Building the index"
    build_index

    heading "Asking"
    psql -X -v ON_ERROR_STOP=1 -f "$root/demo/questions.sql"

    heading "Recall and speed"
    psql -X -v ON_ERROR_STOP=1 -f "$root/demo/speed.sql"

    trap - EXIT INT TERM HUP
    heading "Yours to play with"
    cat <<END
The server goes on running in $(demo_dir)

  open psql in it   scripts/demo.sh psql
  or                psql -h $(demo_dir) -U postgres demo
  stop and remove   make demo-clean
END
}

open_psql() {
    [ -e "$place" ] || die "there is no demo yet: make demo"
    enter
    if ! psql -X -q -c '' 2>/dev/null; then
        "$devserver" start "$(demo_dir)" shared_buffers=256MB >/dev/null
        enter
    fi
    exec psql "$@"
}

case ${1:-run} in
    run) run ;;
    clean) clean ;;
    psql) shift && open_psql "$@" ;;
    *)
        sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2
        exit 2
        ;;
esac

#!/bin/bash
# Runs the tests: scripts/check.sh all, or any of: lint unit exports packaging regress isolation tap asan tsan crash
# versions pg-asan
#
# `all` is everything but asan, tsan, crash, versions and pg-asan:
#
#   crash     the tests of crashes and failures at length: hundreds of cycles (ANNEX_CRASH_CYCLES=300), every allocation
#   versions  all tests on other releases of PostgreSQL: VERSIONS="trixie sid /opt/postgres-16/bin/pg_config". The first
#             two are in a root folder of another Debian each: CHROOT_TOOL SUITE FOLDER COMMAND... makes FOLDER if need
#             be and runs COMMAND in /src there, where a clone of this tree lies; without a CHROOT_TOOL debootstrap does
#             it. CHROOTS names the place of the folders. A pg_config is that of a release in a folder of its own.
#   pg-asan   regression, isolation and TAP tests on a PostgreSQL with assertions and sanitizers, which
#             scripts/build-postgres.sh builds from a source tree (POSTGRES_SOURCE) into build/postgres-asan
#
# What the tests need is installed first. Servers run as an ordinary user from a
# private installation in a temporary folder, on Unix sockets, and are gone at the end. A part that fails does not keep
# the others from running. TESTS="a b" selects by name within a part:
#
#   TESTS=rotation_test scripts/check.sh unit        TESTS="vector ivf" scripts/check.sh regress
#
# What a part that failed wrote lies in build/check/PART; KEEP=1 keeps the temporary folder too, with the data.
set -euo pipefail

# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"

all_parts=(lint unit exports packaging regress isolation tap)
if [ "$*" = all ]; then parts=("${all_parts[@]}"); else parts=("$@"); fi
[ ${#parts[@]} -gt 0 ] || die "which part? all, ${all_parts[*]}, asan, tsan, crash, versions, pg-asan"

exec 2>&1
cd "$root"
if [[ " ${parts[*]} " == *" tsan "* ]]; then scripts/packages.sh tsan; else scripts/packages.sh check; fi

# Everything that tests write lies here; the path is short because sockets lie in it too.
scratch=$(mktemp -d "${TMPDIR:-/tmp}/annex-check.XXXXXX")
chmod 755 "$scratch"

stop_servers() {
    local pid_file pid
    while IFS= read -r pid_file; do
        pid=$(head -n 1 "$pid_file")
        # only a process that still runs in that data directory is ours
        if [ "$(readlink "/proc/$pid/cwd" 2>/dev/null)" = "$(dirname "$pid_file")" ]; then
            kill -QUIT "$pid" 2>/dev/null || true
        fi
    done < <(find "$scratch" -name postmaster.pid 2>/dev/null)
}
finish() {
    stop_servers
    if [ -n "${KEEP:-}" ]; then
        echo "kept: $scratch"
        return
    fi
    rm -rf "$scratch" 2>/dev/null || { sleep 1 && rm -rf "$scratch"; }
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# ------------------------------------------------------------------------------------------------------------ the parts

run_lint() {
    local status=0
    scripts/lint.sh || status=1
    scripts/wall.sh || status=1
    return "$status"
}

# Configures the engine in build/NAME with its tests, builds everything and runs ctest.
run_ctest() {
    local build_dir=$1
    shift
    if ! cmake -S "$root" -B "$build_dir" "$@" >"$scratch/configure.log" 2>&1; then
        cat "$scratch/configure.log"
        return 1
    fi
    scripts/build-engine.sh "$build_dir" all >"$scratch/build.log" || {
        cat "$scratch/build.log"
        return 1
    }
    local selection=()
    if [ -n "${TESTS:-}" ]; then selection=(-R "^(${TESTS// /|})\$"); fi
    ctest --test-dir "$build_dir" --output-on-failure --no-tests=error --parallel "$(nproc)" "${selection[@]}"
}


# The names of the files FOLDER/*.SUFFIX, or those of them that TESTS selects.
select_tests() {
    local folder=$1 suffix=$2 file name found=
    for file in "$folder"/*."$suffix"; do
        [ -e "$file" ] || continue
        name=$(basename "$file" ".$suffix")
        if [ -z "${TESTS:-}" ] || [[ " $TESTS " == *" $name "* ]]; then
            echo "$name"
            found=1
        fi
    done
    [ -n "$found" ] || echo "no test in $folder${TESTS:+ is named: $TESTS}" >&2
}

run_exports() {
    make -s all && scripts/exports.sh
}

# What `make install` brings, and that the extension "vector" of ours takes nothing from pgvector.
run_packaging() {
    local destination=$scratch/packaging extensions status=0
    extensions=$destination$("$PG_CONFIG" --sharedir)/extension
    expect() {
        "${@:2}" || { echo "not so: $1" && status=1; }
    }
    shim() { make -s "$1-vector-shim" DESTDIR="$destination" >"$scratch/shim.log" 2>&1; }

    make -s all && make -s install DESTDIR="$destination" >/dev/null || return 1
    expect "annex and annex_pgvector are installed" \
        test -e "$extensions/annex.control" -a -e "$extensions/annex_pgvector.control"
    expect "vector is not installed with them" test ! -e "$extensions/vector.control"

    shim install || cat "$scratch/shim.log"
    expect "vector is installed by itself" test -e "$extensions/vector.control" -a -e "$extensions/vector--0.8.0.sql"
    expect "installing it once more does no harm" shim install
    expect "its script has every statement of annex's" diff \
        <(sed -n '/the type vector/,$p' "$extensions"/annex--*.sql | grep -v '^--') \
        <(sed -n '/the type vector/,$p' "$extensions/vector--0.8.0.sql" | grep -v '^--')
    expect "it can be removed" shim uninstall
    expect "and is gone" test -z "$(find "$extensions" -name 'vector*')"

    make -s uninstall DESTDIR="$destination" >/dev/null || status=1
    expect "so can all of it" test -z "$(find "$extensions" -name 'annex*')"

    echo "comment = 'vector data type'" >"$extensions/vector.control"
    expect "pgvector is not replaced" eval '! shim install'
    expect "who tries is told what to do instead" grep -q 'CREATE EXTENSION annex_pgvector' "$scratch/shim.log"
    expect "pgvector is not removed" eval '! shim uninstall'
    expect "pgvector's file is what it was" grep -q "vector data type" "$extensions/vector.control"
    expect "no script was put beside it" test ! -e "$extensions/vector--0.8.0.sql"
    rm "$extensions/vector.control"
    echo 'CREATE TYPE vector;' >"$extensions/vector--0.7.0.sql"
    expect "nor are scripts of pgvector's" eval '! shim install'
    return "$status"
}

pg_tests=
prepare_server() {
    [ -z "$pg_tests" ] || return 0
    # by its path, since another pg_config comes first on the PATH below
    PG_CONFIG=$(command -v "$PG_CONFIG") || return 1
    make_private_installation "$scratch/install" || return 1
    pg_tests=$(dirname "$("$PG_CONFIG" --pgxs)")/../test
    mkdir "$scratch/tree" "$scratch/out" || return 1
    # the checkout may lie where the servers' user cannot read
    local folder
    for folder in sql expected test demo doc src; do
        if [ -d "$folder" ]; then cp -R "$folder" "$scratch/tree/" || return 1; fi
    done
    chmod -R go+rX "$scratch/tree"
    export PATH="$private_bindir:$PATH" HOME="$scratch/out" TMPDIR="$scratch/out"
    unset PGDATABASE PGHOST PGPORT PGUSER PGOPTIONS PGSERVICE PGDATA LANGUAGE
    give_to_server_user "$scratch/out"
    cat >"$scratch/server.conf" <<'CONF'
# settings that tests rely on
max_worker_processes = 16
max_parallel_workers = 8
wal_level = replica
# exact counts of free slots are expected
autovacuum = off
CONF
    chmod 644 "$scratch/server.conf"
}

# pg_regress, or the isolation tester, in a temporary instance of its own: run_pg_regress NAME PROGRAM INPUTDIR TEST...
run_pg_regress() {
    local name=$1 program=$2 input=$3 out=$scratch/out/$1
    shift 3
    as_server_user mkdir "$out"
    # what it writes lies beside the tests' folders, which have to exist
    (cd "$out" && as_server_user "$program" --temp-instance="$out/instance" --temp-config="$scratch/server.conf" \
        --bindir="$private_bindir" --inputdir="$input" --outputdir="$out" --no-locale --encoding=UTF8 \
        --dbname="annex_$name" --load-extension=annex "$@") && return 0
    if [ -s "$out/regression.diffs" ]; then
        echo "--- regression.diffs"
        head -n 400 "$out/regression.diffs"
    fi
    if [ -s "$out/log/postmaster.log" ]; then
        show_log_ends "$out/log/postmaster.log"
    else
        show_log_ends "$out"/log/initdb.log
    fi
    keep_results "$name" "$out/results" "$out/regression.diffs" "$out/log"
    return 1
}

# What a failed part leaves for a look at it, and results to make expected answers of.
keep_results() {
    local name=$1 kept=$root/build/check/$1
    shift
    rm -rf "$kept"
    mkdir -p "$kept"
    cp -R "$@" "$kept/" 2>/dev/null || true
    echo "--- results and logs: ${kept#"$root/"}"
}

run_regress() {
    prepare_server || return 1
    local tests
    mapfile -t tests < <(select_tests sql sql)
    [ ${#tests[@]} -gt 0 ] || return 1
    every_expected_has_a_test expected sql sql || return 1
    run_pg_regress regress "$pg_tests/regress/pg_regress" "$scratch/tree" "${tests[@]}"
}

run_isolation() {
    prepare_server || return 1
    local tests
    mapfile -t tests < <(select_tests test/isolation/specs spec)
    [ ${#tests[@]} -gt 0 ] || return 1
    every_expected_has_a_test test/isolation/expected test/isolation/specs spec || return 1
    run_pg_regress isolation "$pg_tests/isolation/pg_isolation_regress" "$scratch/tree/test/isolation" \
        "${tests[@]}"
}

# An answer without a question is a test that nobody runs.
every_expected_has_a_test() {
    local expected=$1 folder=$2 suffix=$3 file name status=0
    for file in "$expected"/*.out; do
        [ -e "$file" ] || continue
        name=$(basename "$file" .out)
        # name_1.out is another answer to name
        if [ ! -e "$folder/$name.$suffix" ] && [ ! -e "$folder/${name%_[0-9]}.$suffix" ]; then
            echo "$file answers no test"
            status=1
        fi
    done
    return "$status"
}

# A second installation, whose library has stop points: some tests take it for their servers.
testing_install=
prepare_testing() {
    [ -z "$testing_install" ] || return 0
    local bindir=$private_bindir
    ANNEX_TESTING=1 make_private_installation "$scratch/testing" || return 1
    testing_install=$(dirname "$private_bindir")
    private_bindir=$bindir
}

# A third one, where annex goes by the name of pgvector's extension too.
shim_install=
prepare_shim() {
    [ -z "$shim_install" ] || return 0
    local bindir=$private_bindir
    ANNEX_SHIM=1 make_private_installation "$scratch/shim" || return 1
    shim_install=$(dirname "$private_bindir")
    private_bindir=$bindir
}

run_tap() {
    prepare_server || return 1
    prepare_testing || return 1
    prepare_shim || return 1
    local tests name out=$scratch/out/tap
    mapfile -t tests < <(select_tests test/t pl)
    [ ${#tests[@]} -gt 0 ] || return 1
    # The last ones take the longest: they are begun first.
    mapfile -t tests < <(printf 'test/t/%s.pl\n' "${tests[@]}" | sort --reverse)
    as_server_user mkdir -p "$out/tmp_check/log" "$scratch/out/ports"
    (
        cd "$scratch/tree"
        export TESTDIR=$out TESTLOGDIR=$out/tmp_check/log TESTDATADIR=$out/tmp_check
        export ANNEX_TESTING_INSTALL=$testing_install ANNEX_SHIM_INSTALL=$shim_install
        export PG_REGRESS=$pg_tests/regress/pg_regress PG_TEST_PORT_DIR=$scratch/out/ports
        export PERL5LIB="$pg_tests/perl:$scratch/tree/test/t${PERL5LIB:+:$PERL5LIB}"
        # most of the time they wait
        as_server_user prove --jobs "$((2 * $(nproc)))" --timer "${tests[@]}" | tee "$scratch/prove.log"
    ) && return 0
    for name in "${tests[@]}"; do
        if grep -q "^$name .*Wstat" "$scratch/prove.log"; then
            name=$(basename "$name" .pl)
            show_log_ends "$out/tmp_check/log/regress_log_$name" "$out/tmp_check/log/$name"_*.log
        fi
    done
    keep_results tap "$out/tmp_check/log"
    return 1
}

run_crash() {
    local ANNEX_CRASH_CYCLES=${ANNEX_CRASH_CYCLES:-300}
    local ANNEX_CRASH_SEED=${ANNEX_CRASH_SEED:-$RANDOM} ANNEX_DIFFERENTIAL_SEED=${ANNEX_DIFFERENTIAL_SEED:-$RANDOM}
    local ANNEX_ALLOCATIONS=all ANNEX_DIFFERENTIAL_TABLES=${ANNEX_DIFFERENTIAL_TABLES:-100}
    export ANNEX_CRASH_CYCLES ANNEX_CRASH_SEED ANNEX_ALLOCATIONS ANNEX_DIFFERENTIAL_TABLES
    export ANNEX_DIFFERENTIAL_SEED
    echo "ANNEX_CRASH_SEED=$ANNEX_CRASH_SEED ANNEX_DIFFERENTIAL_SEED=$ANNEX_DIFFERENTIAL_SEED"
    TESTS=${TESTS:-$(cd test/t && echo 2*.pl 40[34]*.pl | sed 's/\.pl//g')} run_tap
}

# Runs a command in another Debian, in a clone of this tree; see the head of this file.
in_chroot() {
    local suite=$1 folder=$2
    shift 2
    if [ -n "${CHROOT_TOOL:-}" ]; then
        "$CHROOT_TOOL" "$suite" "$folder" "$@"
        return
    fi
    [ "$(id -u)" -eq 0 ] || { echo "versions: only root can make and enter another Debian" && return 1; }
    if [ ! -x "$folder/bin/sh" ]; then
        mkdir -p "$folder"
        debootstrap --variant=minbase "$suite" "$folder" >"$scratch/debootstrap.log" || return 1
    fi
    rm -rf "$folder/src"
    git clone -q "$root" "$folder/src" || return 1
    # unmounted when the namespace ends
    # shellcheck disable=SC2016 # for the shell inside
    unshare --mount --propagation private sh -c 'folder=$1; shift
        mount --rbind /proc "$folder/proc" && mount --rbind /dev "$folder/dev" &&
            exec chroot "$folder" env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
                sh -c "cd /src && exec \"\$@\"" sh "$@"' sh "$folder" "$@"
}

run_versions() {
    local version status=0
    for version in ${VERSIONS:-trixie sid}; do
        echo "-- $version"
        if [[ $version = */* ]]; then
            in_copy "$root/build/versions/$("$version" --version | tr -cd '0-9.')" env PG_CONFIG="$version" \
                scripts/check.sh regress isolation tap || status=1
        else
            in_chroot "$version" "${CHROOTS:-$root/build/chroots}/$version" sh -c 'scripts/packages.sh check &&
                scripts/check.sh unit exports regress isolation tap' || status=1
        fi
    done
    return "$status"
}

# Runs a command in a copy of the tree, so that no object of one kind meets one of the other.
in_copy() {
    local tree=$1
    shift
    mkdir -p "$tree"
    git ls-files -z | xargs -0 cp --parents --update --target-directory "$tree" || return 1
    (cd "$tree" && "$@")
}

run_pg_asan() {
    local prefix=${POSTGRES_ASAN:-$root/build/postgres-asan}
    scripts/build-postgres.sh "$prefix" || return 1
    # Leaks are not looked for: what PostgreSQL allocates at its start it never frees.
    in_copy "$root/build/pg-asan" env PG_CONFIG="$prefix/bin/pg_config" ANNEX_SANITIZE=address,undefined \
        ASAN_OPTIONS=detect_leaks=0:abort_on_error=1:detect_stack_use_after_return=0 \
        UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 scripts/check.sh regress isolation tap
}

show_log_ends() {
    local file
    for file in "$@"; do
        if [ -s "$file" ]; then
            echo "--- the end of $(basename "$file")"
            tail -n 50 "$file"
        fi
    done
}

# ----------------------------------------------------------------------------------------------------------- the report

run_part() {
    case $1 in
        lint) run_lint ;;
        unit) run_ctest "$root/build/engine" ;;
        asan) run_ctest "$root/build/asan" --preset asan ;;
        tsan) run_ctest "$root/build/tsan" --preset tsan ;;
        exports) run_exports ;;
        packaging) run_packaging ;;
        regress) run_regress ;;
        isolation) run_isolation ;;
        tap) run_tap ;;
        crash) run_crash ;;
        versions) run_versions ;;
        pg-asan) run_pg_asan ;;
        *) echo "no such part" && return 1 ;;
    esac
}

report=()
failed=0
for part in "${parts[@]}"; do
    echo "== $part"
    started=$SECONDS
    verdict=passed
    run_part "$part" || verdict=FAILED failed=1
    report+=("$(printf '%-10s %s  %3d s' "$part" "$verdict" $((SECONDS - started)))")
done
echo "== summary"
printf '%s\n' "${report[@]}"
exit "$failed"

#!/bin/bash
# Measures annex on real data beside a sequential scan, the floor of a query, the engine alone in memory, and pgvector if
# it is installed, in one private PostgreSQL, and prints Markdown tables: `make bench`.
#
#   BENCH_MODE=NAME        standard (default)  every figure: build, size, search, recall asked for, inserts, LIMIT
#                          options             lists = 0 and spill = auto beside options chosen by hand
#                          growth              an index made on an empty table beside one built afterwards
#                          drift               rows that come sorted, old ones deleted, new ones of another kind
#                          cold                shared_buffers a tenth of the index: pages read a query
#                          profile             where a query's time goes, by perf
#                          filters             WHERE clauses of every selectivity beside pgvector and the exact plan
#                          filter-grid         selectivity x LIMIT x rows: each way to answer beside the planner's choice
#                          bits                codes of the vectors (binary_quantize) beside pgvector's hnsw and ivfflat on bit
#                          graph               annex's hnsw beside pgvector's: build, search, inserts, vacuum
#                          indexes             annex's ivf beside its hnsw: the same, and rows that come later
#                          functions           functions and operators of the types beside pgvector's
#   BENCH_DATA=DIR[:DIR]   folders of data files (default: ../shared/data where that exists, else the demo's data)
#   BENCH_SETS="A B"       only these data sets of the folders; functions: only these types
#   BENCH_CALLS="A;B"      functions: only these of each type
#   BENCH_ROWS=N           only the first N rows of each (the exact answers are then computed, not read)
#   BENCH_ENGINES="A B"    of: annex pgvector (default: those that are installed)
#   BENCH_REPEAT=N         rounds, of which the fastest counts for each setting (default 3)
#   BENCH_BUILDS=N         builds of each index, of which the fastest counts (default 2)
#   BENCH_WORKERS=N        max_parallel_maintenance_workers (default: the number of CPUs less one)
#   BENCH_MEMORY=SIZE      maintenance_work_mem (default 1GB: pgvector's graph of 650,000 rows fits into it)
#   BENCH_BUFFERS=SIZE     shared_buffers (default 4GB)
#   BENCH_KEEP=DIR         the server's files lie in DIR and stay there, and so do pgvector's indexes: later runs with the
#                          same DIR take them, and the times of their builds, from there
#   PG_CONFIG=FILE         the PostgreSQL to measure in
#
# make_data.py makes large sets of real data from Debian's packages, generate.py synthetic ones of any size. The
# server's files lie in a temporary folder and are removed at the end.
set -euo pipefail

# shellcheck source=scripts/common.sh
. "$(dirname "$0")/../../scripts/common.sh"

"$root/scripts/packages.sh" bench >&2

data=${BENCH_DATA:-$root/../shared/data}
if [ -z "${BENCH_DATA:-}" ] && ! compgen -G "$data/*.base.*bin" >/dev/null; then data=$root/demo/data; fi
for folder in ${data//:/ }; do [ -d "$folder" ] || die "there is no folder $folder"; done

if [ -n "${BENCH_KEEP:-}" ]; then
    dir=$BENCH_KEEP
    mkdir -p "$dir"
else
    dir=$(mktemp -d "${TMPDIR:-/tmp}/annex-bench.XXXXXX")
fi
chmod 755 "$dir"
finish() {
    trap '' INT TERM HUP
    if [ -n "${BENCH_KEEP:-}" ]; then
        "$root/scripts/devserver.sh" stop "$dir"
    else
        "$root/scripts/devserver.sh" drop "$dir" 2>/dev/null || rm -rf "$dir"
    fi
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# One writer and few checkpoints, so that a round measures the index and not what was written before it.
start=("$root/scripts/devserver.sh" start "$dir" max_wal_size=16GB checkpoint_timeout=1h autovacuum=off
    max_worker_processes=16)
"${start[@]}" "shared_buffers=${BENCH_BUFFERS:-4GB}" >/dev/null
eval "$("$root/scripts/devserver.sh" env "$dir")"
if [ "${BENCH_MODE:-standard}" = standard ]; then "$root/scripts/build-engine.sh" "$root/build/release" engine_bench >&2; fi

python3 "$root/test/bench/bench.py" --data "$data" --mode "${BENCH_MODE:-standard}" \
    --calls "${BENCH_CALLS:-}" --rows "${BENCH_ROWS:-0}" --sets "${BENCH_SETS:-}" --engines "${BENCH_ENGINES:-}" \
    --repeat "${BENCH_REPEAT:-3}" --builds "${BENCH_BUILDS:-2}" \
    --workers "${BENCH_WORKERS:-$(($(nproc) - 1))}" --memory "${BENCH_MEMORY:-1GB}" \
    --engine-bench "$root/build/release/engine_bench" ${BENCH_KEEP:+--keep} --restart "${start[*]}"

#!/bin/bash
# Measures annex on real data beside a sequential scan, the floor of a query, and pgvector if it is installed, in one
# private PostgreSQL, and prints Markdown tables: `make bench`. bench.py says what is measured and how.
#
#   BENCH_DATA=DIR         data files (default: ../shared/data where that exists, else the demo's data)
#   BENCH_SETS="A B"       only these data sets of the folder
#   BENCH_ROWS=N           only the first N rows of each (the exact answers are then computed, not read)
#   BENCH_ENGINES="A B"    of: annex pgvector (default: those that are installed)
#   BENCH_REPEAT=N         rounds, of which the fastest counts for each setting (default 5)
#   BENCH_BUILDS=N         builds of each index, of which the fastest counts (default 2)
#   BENCH_WORKERS=N        max_parallel_maintenance_workers (default: the number of CPUs less one)
#   BENCH_MEMORY=SIZE      maintenance_work_mem (default 512MB)
#   PG_CONFIG=FILE         the PostgreSQL to measure in
#
# The server's files lie in a temporary folder and are removed at the end.
set -euo pipefail

# shellcheck source=scripts/common.sh
. "$(dirname "$0")/../../scripts/common.sh"

"$root/scripts/packages.sh" bench >&2

data=${BENCH_DATA:-$root/../shared/data}
if [ -z "${BENCH_DATA:-}" ] && ! compgen -G "$data/*.base.*bin" >/dev/null; then data=$root/demo/data; fi
[ -d "$data" ] || die "there is no folder $data"

dir=$(mktemp -d "${TMPDIR:-/tmp}/annex-bench.XXXXXX")
chmod 755 "$dir"
finish() {
    trap '' INT TERM HUP
    "$root/scripts/devserver.sh" drop "$dir" 2>/dev/null || rm -rf "$dir"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# One writer and few checkpoints, so that a round measures the index and not what was written before it.
"$root/scripts/devserver.sh" start "$dir" shared_buffers=1GB max_wal_size=16GB checkpoint_timeout=1h autovacuum=off \
    max_worker_processes=16 >/dev/null
eval "$("$root/scripts/devserver.sh" env "$dir")"

python3 "$root/test/bench/bench.py" --data "$data" --vectors "$root/demo/vectors.pl" \
    --rows "${BENCH_ROWS:-0}" --sets "${BENCH_SETS:-}" --engines "${BENCH_ENGINES:-}" \
    --repeat "${BENCH_REPEAT:-5}" --builds "${BENCH_BUILDS:-2}" \
    --workers "${BENCH_WORKERS:-$(($(nproc) - 1))}" --memory "${BENCH_MEMORY:-512MB}"

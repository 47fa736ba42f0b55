#!/bin/bash
# Measures in every mode and puts the tables into README.md and the pages under doc: `make bench-figures`. FIGURES names the
# modes (default: all); all else is chosen as for run.sh. What was printed stays in build/bench/MODE.md.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
out=$here/../../build/bench
mkdir -p "$out"

parts=()
for mode in ${FIGURES:-standard graph indexes options growth drift cold profile filters filter-grid functions}; do
    BENCH_MODE=$mode "$here/run.sh" >"$out/$mode.md"
    parts+=("$mode=$out/$mode.md")
done
python3 "$here/figures.py" "${parts[@]}"

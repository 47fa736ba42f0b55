#!/bin/bash
# Checks what annex.so shows and needs: it exports the module's entry points, that of parallel workers and the SQL
# functions that the extension scripts name, nothing else, and depends on no library beyond what a PostgreSQL server has anyway.
#
# PostgreSQL loads extensions with RTLD_GLOBAL: whatever one exports can take the place of another's functions.
set -euo pipefail

cd "$(dirname "$0")/.."
library=${1:-annex.so}
status=0

# "AS 'MODULE_PATHNAME', 'symbol'", or the function's own name where no symbol is given
sql_symbols() {
    { cat control/annex--*.sql && scripts/extension-script.sh annex_pgvector; } | python3 -c '
import re, sys
text = re.sub(r"--[^\n]*|/\*.*?\*/", " ", sys.stdin.read(), flags=re.S)
for statement in text.split(";"):
    function = re.search(r"CREATE\s+(?:OR\s+REPLACE\s+)?FUNCTION\s+([\w@.]+)", statement, re.I)
    body = re.search(r"AS\s+\x27MODULE_PATHNAME\x27(?:\s*,\s*\x27(\w+)\x27)?", statement, re.I)
    if function and body:
        print(body.group(1) or function.group(1).split(".")[-1])
' | sort -u
}

expected=$(
    {
        printf '%s\n' Pg_magic_func _PG_init annex_ivf_build_worker
        sql_symbols | sed 'p; s/^/pg_finfo_/'
    } | sort -u
)
found=$(nm -D --defined-only "$library" | awk '{print $3}' | sort -u)

extra=$(comm -13 <(echo "$expected") <(echo "$found"))
if [ -n "$extra" ]; then
    echo "$library exports what no extension script names:"
    echo "$extra" | c++filt | sed 's/^/    /'
    status=1
fi
absent=$(comm -23 <(echo "$expected") <(echo "$found"))
if [ -n "$absent" ]; then
    echo "$library lacks what the extension scripts name:"
    while IFS= read -r symbol; do echo "    $symbol"; done <<<"$absent"
    status=1
fi

# pgvector's library may be in the same process.
foreign=$(grep -vE '^(pg_finfo_)?annex_|^(Pg_magic_func|_PG_init)$' <<<"$found" || true)
if [ -n "$foreign" ]; then
    echo "$library exports names that do not begin with annex_:" "$foreign"
    status=1
fi

needed=$(readelf -d "$library" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' |
    grep -vE '^(libc|libm|libgcc_s|libstdc\+\+|ld-linux.*)\.so' || true)
if [ -n "$needed" ]; then
    echo "$library needs libraries that a server may not have:" "$needed"
    status=1
fi

if [ $status -eq 0 ]; then echo "exports: $(wc -l <<<"$found") symbols, all of them named by SQL or the module"; fi
exit $status

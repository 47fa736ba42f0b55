#!/bin/bash
# Runs clients of pgvector against annex: scripts/check-clients.sh [NAME...], `make check-clients`
#
# Programs that speak pgvector, as they are published, on a private server where annex is the extension "vector":
# pgvector-python with psycopg, psycopg2, asyncpg, SQLAlchemy and Django, LangChain's and LlamaIndex's stores. NAMEs choose
# files test/clients/test_NAME.py.
#
# Each test/clients/requirements-GROUP.txt gets a virtual environment of its own, build/clients/GROUP, which is kept; pip
# fetches what is missing there. A client whose packages cannot be had for this Python is left out, and that is said;
# that all are is a failure. PYTHON names the Python to use.
set -euo pipefail

# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"
cd "$root"
python=${PYTHON:-python3}
tests=test/clients
if [ -n "${TESTS:-}" ]; then read -ra names <<<"$TESTS"; else names=("$@"); fi
[ ${#names[@]} -gt 0 ] || names=(psycopg psycopg2 asyncpg sqlalchemy django langchain llamaindex)

group_of() {
    case $1 in
        langchain | llamaindex) echo "$1" ;;
        *) echo pgvector ;;
    esac
}

for name in "${names[@]}"; do
    [ -e "$tests/test_$name.py" ] || die "there is no $tests/test_$name.py"
done

# Makes the group's virtual environment what its file asks for, unless it was made of the same file before.
prepare_group() {
    local group=$1 environment=build/clients/$1 wanted=$tests/requirements-$1.txt line
    cmp -s "$wanted" "$environment/installed" && return
    "$python" -m venv "$environment" || die "$python cannot make virtual environments (Debian: apt install python3-venv)"
    if ! "$environment/bin/pip" install -q --disable-pip-version-check -r "$wanted"; then
        # a driver that this Python cannot have does not keep the others out
        while IFS= read -r line; do
            [[ $line = \#* ]] || "$environment/bin/pip" install -q --disable-pip-version-check "$line" ||
                echo "annex: $line cannot be installed" >&2
        done <"$wanted"
        return
    fi
    cp "$wanted" "$environment/installed"
}

server=$(mktemp -d "${TMPDIR:-/tmp}/annex-clients.XXXXXX")
chmod 755 "$server"
finish() {
    scripts/devserver.sh drop "$server" >/dev/null || true
    rm -rf "$server"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

for group in $(for name in "${names[@]}"; do group_of "$name"; done | sort -u); do prepare_group "$group"; done
ANNEX_SHIM=1 scripts/devserver.sh start "$server" >"$server/start.log" || { cat "$server/start.log"; exit 1; }
unset PGPORT PGSERVICE PGOPTIONS PGPASSWORD
eval "$(scripts/devserver.sh env "$server")"

# The number in what unittest says of a file's tests.
count() {
    sed -n "s/$1.*/\1/p" "$server/$2.log"
}

passed=0 failed=0 skipped=0
for name in "${names[@]}"; do
    echo "== $name"
    status=0
    "build/clients/$(group_of "$name")/bin/python" -B -m unittest discover -v -s "$tests" -p "test_$name.py" \
        >"$server/$name.log" 2>&1 || status=$?
    # The lines of tests that passed are of little use, and those of skipped ones say why.
    grep -vE '^$| \.\.\. ok$' "$server/$name.log" || true
    # Python 3.12 and later exit with 5 where every test was skipped.
    if [[ $status != [05] ]]; then
        failed=$((failed + 1))
    elif [ "$(count '^Ran \([0-9]*\) test' "$name")" = "$(count '.*skipped=\([0-9]*\)' "$name")" ]; then
        skipped=$((skipped + 1))
    else
        passed=$((passed + 1))
    fi
done
echo "== clients"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]

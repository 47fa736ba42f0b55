#!/bin/sh
# Installs annex's extension "vector" among a server's extensions, or removes it; `make install-vector-shim` calls this:
#
#   scripts/vector-shim.sh install|uninstall FOLDER     FOLDER holds the server's extension scripts
#
# Databases that were made with pgvector, and programs written for it, ask for an extension of that name. What they get
# is annex. Nothing of pgvector's own is ever replaced or removed.
set -eu
cd "$(dirname "$0")/.."
action=$1
folder=$2

# The objects are those of pgvector 0.8, whose releases differ in no object: each is an update of the one before, so
# that dumps and programs that name one find it.
versions='0.8.0 0.8.1 0.8.2 0.8.3 0.8.4 0.8.5 0.8.6 0.8.7'

# Every file of ours names annex.
for file in "$folder"/vector.control "$folder"/vector--*.sql; do
    if [ -e "$file" ] && ! grep -q annex "$file"; then
        echo "annex: $file is not annex's: pgvector is installed here, and stays as it is" >&2
        echo "annex: CREATE EXTENSION annex_pgvector adds ivf indexes to databases with pgvector" >&2
        exit 1
    fi
done

# Also what another release left that had other versions.
rm -f "$folder"/vector.control "$folder"/vector--*.sql
[ "$action" = install ] || exit 0

put() {
    cat >"$folder/$1"
    chmod 644 "$folder/$1"
}
mkdir -p "$folder"
last=
for version in $versions; do
    if [ -z "$last" ]; then
        scripts/extension-script.sh vector | put "vector--$version.sql"
    else
        echo "-- annex's extension vector is the same in $last and $version." | put "vector--$last--$version.sql"
    fi
    last=$version
done
sed "s/@version@/$last/" control/vector.control.in | put vector.control

#!/bin/sh
# Writes the script of an extension that is made of annex's: scripts/extension-script.sh vector|annex_pgvector
#
# It begins with control/NAME.head.sql. Then come the lines of control/annex--0.1.0.sql that belong to every extension,
# and those between "--[ NAME ..." and "--]" that name this one; for annex_pgvector, those of its tail.sql too.
#
# In annex_pgvector, types and distance operators of operator classes are pgvector's. They are found by their schema's
# name, which no attacker can get in front of: each such statement becomes a DO block that puts the name in. (Before
# PostgreSQL 16 a script has no other way to learn it.)
set -eu
cd "$(dirname "$0")/.."
name=$1

sections() {
    awk -v name="$name" '
        NR == 1, /^$/ { next }  # what the file says of itself
        /^--\[ / {
            if (inside) { print FILENAME ":" FNR ": a section in a section" > "/dev/stderr"; exit 1 }
            inside = 1
            wanted = 0
            for (i = 2; i <= NF; i++) if ($i == name) wanted = 1
            next
        }
        /^--\]/ { inside = 0; next }
        !inside || wanted' control/annex--0.1.0.sql
}

# Statements that name a type or an operator of pgvector, from their first line to the semicolon.
in_schema_of_vector() {
    awk '
        /^CREATE OPERATOR CLASS/ { statement = ""; gathering = 1 }
        !gathering { print; next }
        { statement = statement $0 "\n" }
        /;$/ {
            gathering = 0
            sub(/;\n$/, "", statement)
            if (statement !~ /FOR ORDER BY/) { print statement ";"; next }
            print "DO $annex$"
            print "BEGIN"
            print "\tEXECUTE (SELECT pg_catalog.replace($class$"
            print statement
            print "\t$class$, \"@vector@\", pg_catalog.quote_ident(n.nspname)) FROM pg_catalog.pg_extension e"
            print "\t\tJOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = \"vector\");"
            print "END $annex$;"
        }' | sed -E \
        -e "/^\t(EXECUTE|\\\$class|\tJOIN)/s/\"(@vector@|vector)\"/'\1'/g" \
        -e '/^CREATE OPERATOR CLASS/,/^\t\$class/{' \
        -e 's/([( ])(vector|halfvec|sparsevec)([,) ])/\1@vector@.\2\3/g' \
        -e 's/(OPERATOR [0-9]+ )(<[^a-zA-Z0-9 ]+>) /\1@vector@.\2 /g' \
        -e '}'
}

cat "control/$name.head.sql"
case $name in
    vector) sections ;;
    annex_pgvector)
        # pgvector has an access method hnsw of its own, and its settings
        { sections && cat control/annex_pgvector.tail.sql; } | sed -E -e 's/(USING|ACCESS METHOD) hnsw\b/\1 annex_hnsw/' \
            -e "s/'annex_hnswhandler'/'annex_hnswhandler_beside_pgvector'/; s/\bhnswhandler\b/annex_hnswhandler/" | in_schema_of_vector
        ;;
    *) echo "no such extension: $name" >&2 && exit 1 ;;
esac

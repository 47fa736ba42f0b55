# What the tests of hnsw on servers of their own share, beside IvfData: the comparison of what a graph answers with what
# sorting all rows gives.
package GraphData;

use strict;
use warnings;

use Exporter 'import';
use Test::More;

our @EXPORT = qw(prepare_graphs graph_is graphs_ok);

sub prepare_graphs
{
	my ($node) = @_;
	$node->safe_psql('postgres', <<'SQL');
-- Which rows of a table (id, v) an hnsw index has: neither those without a vector nor, under cosine, without a direction.
CREATE FUNCTION in_index(operator text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE operator WHEN '<=>' THEN 'v IS NOT NULL AND vector_norm(v) > 0' ELSE 'v IS NOT NULL' END
$$;

-- A scan to its end returns every row once with its distance, and the nearest ten of the widest search are those that
-- sorting gives: "same", or what differs.
CREATE FUNCTION compare_graph(tab regclass, operator text, query vector) RETURNS text LANGUAGE plpgsql
SET enable_bitmapscan = off SET enable_sort = off AS $$
DECLARE
	statement text := format('SELECT id, v %s %L::vector AS distance FROM %s', operator, query, tab);
	by_distance text := format(' ORDER BY v %s %L::vector ', operator, query);
	ids int[];
	distances float8[];
	exact_ids int[];
	exact_distances float8[];
	nearest float8[];
BEGIN
	EXECUTE format('SELECT array_agg(id ORDER BY id), array_agg(distance ORDER BY id, distance) FROM (%s WHERE %s) every',
		statement, in_index(operator)) INTO exact_ids, exact_distances;
	SET LOCAL enable_seqscan = off;
	IF plan_of(statement || by_distance) !~ 'Index Scan using' THEN RETURN 'not by the index'; END IF;
	EXECUTE format('SELECT array_agg(id ORDER BY id), array_agg(distance ORDER BY id, distance) FROM (%s) answer',
		statement || by_distance || 'OFFSET 0') INTO ids, distances;
	IF cardinality(ids) IS DISTINCT FROM cardinality(exact_ids) THEN
		RETURN format('%s rows instead of %s', cardinality(ids), cardinality(exact_ids));
	END IF;
	IF ids IS DISTINCT FROM exact_ids THEN RETURN 'other rows'; END IF;
	IF distances IS DISTINCT FROM exact_distances THEN RETURN 'other distances'; END IF;
	SET LOCAL hnsw.ef_search = 1000;
	EXECUTE format('SELECT array_agg(distance) FROM (%s) answer', statement || by_distance || 'LIMIT 10') INTO nearest;
	SET LOCAL hnsw.ef_search TO DEFAULT;
	SET LOCAL enable_seqscan = on;
	exact_distances := ARRAY(SELECT d FROM unnest(exact_distances) d ORDER BY d LIMIT 10);
	IF coalesce(nearest, '{}') <> exact_distances THEN
		RETURN format('the nearest are at %s instead of %s', nearest, exact_distances);
	END IF;
	RETURN 'same';
END $$;
SQL
	return;
}

# The graph answers as sorting does: graph_is($node, 'before', 't', '<->', $query)
sub graph_is
{
	my ($node, $name, $table, $operator, $query) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is($node->safe_psql('postgres', "SELECT compare_graph('$table', '$operator', $query)"), 'same',
		"$name: $table by $operator as sorted");
}

# Every index is sound and has every row. That an insert has taken the last edge to some other node is no damage, and is
# said so (annex_maintain mends it), as long as these are few.
sub graphs_ok
{
	my ($node, $name, @indexes) = @_;
	my ($ret, undef, $stderr) = $node->psql('postgres', join(' ', map { "SELECT annex_verify('$_', true);" } @indexes));
	note($1) while $stderr =~ s/^psql:\S+ WARNING:  (searches of index "\w+" do not come to \d+ of its \d+ nodes)\nDETAIL:.*\nHINT:.*\n?//m;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is("$ret $stderr", '0 ', "$name: @indexes verified");
}

1;

# What the tests of ivf on servers of their own share: data that is the same everywhere, and the comparison of what an
# index answers with what sorting all rows gives.
package IvfData;

use strict;
use warnings;

use Exporter 'import';
use Test::More;

our @EXPORT = qw(prepare compare_is verify_ok recall_of sections key same_rows honest_rows draw uniform clustered copy_vectors);

# The extension and functions in SQL that tests call.
sub prepare
{
	my ($node) = @_;
	$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION annex;

-- A vector that looks random.
CREATE FUNCTION point(i int, dimensions int) RETURNS vector LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT array_agg(sin(i * 12.9898 + j * 78.233 + i * j * 0.37)::real)::vector FROM generate_series(1, dimensions) j
$$;

-- The plan of a statement, to see that it reads the index.
CREATE FUNCTION plan_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	line text;
	plan text := '';
BEGIN
	FOR line IN EXECUTE 'EXPLAIN ' || statement LOOP
		plan := plan || line || E'\n';
	END LOOP;
	RETURN plan;
END $$;

-- All rows (or the first so many) of a table in the order of their distance to a query, by the index and by sorting.
-- With every list probed and bounds this wide nothing is left to chance: "same", and how many, or what differs.
CREATE FUNCTION compare(tab regclass, operator text, query vector, rows bigint DEFAULT NULL) RETURNS text LANGUAGE plpgsql
SET ivf.probes = 32768 SET ivf.epsilon = 10 SET enable_bitmapscan = off AS $$
DECLARE
	statement text := format('SELECT id, v %s %L::vector AS distance FROM %s ORDER BY v %s %L::vector %s',
		operator, query, tab, operator, query, 'LIMIT ' || rows);
	ids int[];
	distances float8[];
	exact_ids int[];
	exact_distances float8[];
BEGIN
	SET LOCAL enable_seqscan = off;
	IF plan_of(statement) !~ 'Index Scan using' THEN RETURN 'not by the index'; END IF;
	EXECUTE format('SELECT array_agg(id), array_agg(distance) FROM (%s) answer', statement) INTO ids, distances;
	SET LOCAL enable_seqscan = on;
	SET LOCAL enable_indexscan = off;
	IF plan_of(statement) ~ 'Index Scan using' THEN RETURN 'not by sorting'; END IF;
	EXECUTE format('SELECT array_agg(id), array_agg(distance) FROM (%s) answer', statement)
		INTO exact_ids, exact_distances;
	SET LOCAL enable_indexscan = on;
	IF cardinality(ids) IS DISTINCT FROM cardinality(exact_ids) THEN
		RETURN format('%s rows instead of %s', cardinality(ids), cardinality(exact_ids));
	END IF;
	IF distances IS DISTINCT FROM exact_distances THEN RETURN 'another order'; END IF;
	-- rows at the same distance may come in any order
	IF rows IS NULL AND ARRAY(SELECT i FROM unnest(ids) i ORDER BY i) <> ARRAY(SELECT i FROM unnest(exact_ids) i ORDER BY i)
		THEN RETURN 'other rows'; END IF;
	RETURN 'same';
END $$;

-- The share of the k nearest rows that the index finds, over all rows q of a table of queries. A row as near as the
-- k-th counts as found. What sorting all rows gives is kept in "truth"; whoever changes the rows empties that.
CREATE TABLE truth (statement text, distances float8[]);
CREATE FUNCTION recall(tab regclass, operator text, queries regclass, k int, condition text DEFAULT 'true')
RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE
	nearest text := format('SELECT v %s q AS distance FROM %s WHERE %s ORDER BY v %s q LIMIT %s', operator, tab, condition,
		operator, k);
	query text := format('SELECT array_agg(distance ORDER BY n, distance) FROM
		(SELECT n, q FROM %s) queries CROSS JOIN LATERAL (%s) nearest', queries, nearest);
	got float8[];
	exact float8[];
BEGIN
	SET LOCAL enable_seqscan = off;
	IF plan_of(query) !~ 'Index Scan using' THEN RAISE EXCEPTION 'not by the index: %', plan_of(query); END IF;
	EXECUTE query INTO got;
	SET LOCAL enable_seqscan = on;
	SELECT t.distances INTO exact FROM truth t WHERE t.statement = query;
	IF NOT FOUND THEN
		SET LOCAL enable_indexscan = off;
		EXECUTE query INTO exact;
		SET LOCAL enable_indexscan = on;
		INSERT INTO truth VALUES (query, exact);
	END IF;
	IF cardinality(got) <> cardinality(exact) THEN
		RAISE EXCEPTION '% rows instead of %', cardinality(got), cardinality(exact);
	END IF;
	RETURN (SELECT avg((distance <= exact[((i - 1) / k + 1) * k])::int) FROM unnest(got) WITH ORDINALITY u (distance, i));
END $$;
SQL
	return;
}

# The index answers as sorting does: compare_is($node, 'before', 't', '<->', $query)
sub compare_is
{
	my ($node, $name, $table, $operator, $query, $rows) = @_;
	$rows //= 'NULL';
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is($node->safe_psql('postgres', "SELECT compare('$table', '$operator', $query, $rows)"), 'same',
		"$name: $table by $operator as sorted");
}

sub verify_ok
{
	my ($node, $name, @indexes) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($ret, undef, $stderr) = $node->psql('postgres', join(' ', map { "SELECT annex_verify('$_', true);" } @indexes));
	return is("$ret $stderr", '0 ', "$name: @indexes verified");
}

# recall_of($node, 'SET ...;', arguments of recall() in SQL)
sub recall_of
{
	my ($node, $settings, $arguments) = @_;
	return $node->safe_psql('postgres', "$settings SELECT round(recall($arguments)::numeric, 4)");
}

# Answers as lines "id|distance" in the order in which the executor returns them -------------------------------------

sub rows_of
{
	my ($answer) = @_;
	return [ map { [ split /\|/, $_, -1 ] } grep { /^\d+\|/ } split /\n/, $answer ];
}

# A session's answers between marks.
sub sections { my ($output) = @_; return map { rows_of($_) } split /^== .*\n/m, "$output\n", -1 }

# NULL and NaN come last, in any order among each other: NaN before NULL as sorting has it.
sub key { my ($distance) = @_; return $distance eq '' ? 'null' : $distance eq 'NaN' ? 'nan' : $distance }

# By the index, exactly: the same distances one after the other, and the same rows wherever the distance tells them apart.
sub same_rows
{
	my ($got, $expected, $total) = @_;
	return @$got . ' rows instead of ' . @$expected if @$got != @$expected;
	my %seen;
	for my $i (0 .. $#$got)
	{
		return "row $i is at " . key($got->[$i][1]) . ' instead of ' . key($expected->[$i][1])
		  if key($got->[$i][1]) ne key($expected->[$i][1]);
		return "row $got->[$i][0] comes twice" if $seen{ $got->[$i][0] }++;
	}
	return 'a row has another distance than in the table' if grep { !exists $total->{ $_->[0] } || $total->{ $_->[0] } ne key($_->[1]) } @$got;
	return '';
}

# By the index with the settings as they come: right rows with right distances, none twice; all when all are asked for.
sub honest_rows
{
	my ($got, $total, $wanted, $strict) = @_;
	return @$got . " rows instead of $wanted" if defined $wanted && @$got != $wanted;
	my (%seen, $before);
	for my $row (@$got)
	{
		return "row $row->[0] comes twice" if $seen{ $row->[0] }++;
		return "row $row->[0] is not among those asked for" unless exists $total->{ $row->[0] };
		return "row $row->[0] has another distance than in the table" if $total->{ $row->[0] } ne key($row->[1]);
		next unless $strict && $row->[1] =~ /^-?[\d.]/;
		return "row $row->[0] is out of order" if defined $before && $row->[1] < $before;
		$before = $row->[1];
	}
	return '';
}

# Numbers ------------------------------------------------------------------------------------------------------------
#
# A generator of our own, so that a seed gives the same numbers whatever Perl's rand is: in [0, 1).

sub uniform
{
	my ($state) = @_;
	$$state = ($$state * 1103515245 + 12345) & 0x7fffffff;
	return ($$state >> 4) / (1 << 27);
}

# A whole number below a limit.
sub draw { my ($state, $limit) = @_; return int(uniform($state) * $limit) }

sub normal
{
	my ($state) = @_;
	return sqrt(-2 * log(1 - uniform($state))) * cos(6.283185307179586 * uniform($state));
}

# Vectors of clusters, each of which lies near a plane of few dimensions: a function that draws the next one.
sub clustered
{
	my ($state, $dimensions, $clusters, $intrinsic) = @_;
	my @centres = map { [ map { normal($state) } 1 .. $dimensions ] } 1 .. $clusters;
	my @maps = map {
		[ map { [ map { normal($state) / sqrt($intrinsic) } 1 .. $dimensions ] } 1 .. $intrinsic ]
	} 1 .. $clusters;
	return sub {
		my $c = draw($state, $clusters);
		my @x = map { $_ + 0.1 * normal($state) } @{ $centres[$c] };
		for my $direction (@{ $maps[$c] })
		{
			my $along = normal($state);
			$x[$_] += $along * $direction->[$_] for 0 .. $dimensions - 1;
		}
		return \@x;
	};
}

# Loads vectors of a generator as rows (first, vector), (first + 1, vector), ... of a table of two columns.
sub copy_vectors
{
	my ($node, $table, $first, $count, $next) = @_;
	my $rows = '';
	for my $i ($first .. $first + $count - 1)
	{
		$rows .= "$i\t[" . join(',', map { sprintf '%.5g', $_ } @{ $next->() }) . "]\n";
	}
	$node->safe_psql('postgres', "COPY $table FROM stdin;\n$rows\\.\n");
	return;
}

1;

# Random tables, random changes, random queries: what the executor gives with the index is what it gives without: every
# row once, in the order of its distance, under LIMIT and OFFSET, filters, cursors, savepoints and snapshots.
#
# Where every list is probed with bounds this wide, and where a graph is searched for more rows than there are, nothing is
# left to chance; with the settings as they come the rows are still rows of the table, none twice, their distances right,
# all of them when nothing limits them, and the distances of the first round in order. To try longer:
# ANNEX_DIFFERENTIAL_TABLES=200, or ANNEX_DIFFERENTIAL_METHODS=hnsw alone; a failure prints its seed.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use IvfData;
use Server;

my $tables = $ENV{ANNEX_DIFFERENTIAL_TABLES} || 12;
my @methods = split / /, $ENV{ANNEX_DIFFERENTIAL_METHODS} || 'ivf hnsw';
my $seed = $ENV{ANNEX_DIFFERENTIAL_SEED} || 4711;
my $state = $seed;
note("ANNEX_DIFFERENTIAL_SEED=$seed ANNEX_DIFFERENTIAL_TABLES=$tables ANNEX_DIFFERENTIAL_METHODS='@methods'");

my $node = new_server('main', settings => "synchronous_commit = off\nmax_parallel_workers_per_gather = 0");

sub pick { my (@from) = @_; return $from[ draw(\$state, scalar @from) ] }

# Tables -----------------------------------------------------------------------------------------------------------

my %dense = ('<->' => 'l2_ops', '<#>' => 'ip_ops', '<=>' => 'cosine_ops', '<+>' => 'l1_ops');
my %of_types = (vector => \%dense, halfvec => \%dense, bit => { '<~>' => 'hamming_ops', '<%>' => 'jaccard_ops' });
my %opclasses = (ivf => \%of_types, hnsw => \%of_types);
# what lies on several pages, or on few of a page
my %most_dimensions = (ivf => 9000, hnsw => 2000);
my @kinds = map { my $method = $_; map { [ $method, $_ ] } sort keys %{ $opclasses{$method} } } @methods;
# near the ends of a type's range
my %odd_values = (vector => [qw(1e-30 1e15 -7)], halfvec => [qw(6e-8 65504 -7)]);
my ($method, $type, $dimensions, $operator, @known);

# A vector in SQL: near one of few centres, or one that there is already, or an odd one.
sub vector
{
	my $kind = draw(\$state, 20);
	return 'NULL' if $kind == 0;
	return bits($kind) if $type eq 'bit';
	return "array_fill(0, ARRAY[$dimensions])::$type" if $kind == 1;
	return 'array_fill(' . pick(@{ $odd_values{$type} }) . "::real, ARRAY[$dimensions])::$type" if $kind == 2;
	return pick(@known) if @known && $kind < 6;
	my $vector;
	if ($dimensions > 40)
	{
		$vector = 'point(' . draw(\$state, 100_000) . ", $dimensions)::$type";
	}
	else
	{
		my $centre = draw(\$state, 5);
		my $scale = 10**(draw(\$state, 5) - 2);
		$vector = "'[" . join(',', map { sprintf '%.6g', $scale * (cos($centre * $_) + 0.3 * uniform(\$state)) } 1 .. $dimensions) . "]'";
	}
	push @known, $vector if @known < 50;
	return $vector;
}

# A bit string in SQL: no bit or all bits set, or one that there is already, or near one of few centres.
sub bits
{
	my ($kind) = @_;
	return "repeat('" . ($kind - 1) . "', $dimensions)::bit($dimensions)" if $kind < 3;
	return pick(@known) if @known && $kind < 6;
	my $centre = draw(\$state, 5);
	my $bits = "'" . join('', map { (cos($centre * $_) > 0.2) ^ (uniform(\$state) < 0.1) ? 1 : 0 } 1 .. $dimensions) . "'::bit($dimensions)";
	push @known, $bits if @known < 50;
	return $bits;
}

sub insert
{
	my ($rows) = @_;
	return 'INSERT INTO t (v, tag) VALUES ' . join(', ', map { '(' . vector() . ', ' . draw(\$state, 100) . ')' } 1 .. $rows);
}

sub new_table
{
	push @kinds, shift @kinds;
	($method, $type) = @{ $kinds[-1] };
	$dimensions = pick(1, 2, 3, 7, 16, 24, 33, 64, 65, 130, 1100, $most_dimensions{$method});
	$operator = pick(sort keys %{ $opclasses{$method}{$type} });
	@known = ();
	my $rows = $dimensions > 1000 ? draw(\$state, 30) : $dimensions > 40 ? draw(\$state, 300) : draw(\$state, $method eq 'hnsw' ? 400 : 700);
	my $with = 'WITH (' . join(', ', grep { $_ } $method eq 'hnsw' ? graph_options() : list_options()) . ')';
	my @statements = ('DROP TABLE IF EXISTS t', "CREATE TABLE t (id serial, v $type($dimensions), tag int)");
	my $index = "CREATE INDEX t_v ON t USING $method (v ${type}_$opclasses{$method}{$type}{$operator}) $with";
	push @statements, $index if draw(\$state, 3) == 0;
	push @statements, insert($rows) if $rows;
	push @statements, $index unless grep { $_ eq $index } @statements;
	return @statements;
}

sub list_options { return (pick('', 'lists = 1', 'lists = ' . (2 + draw(\$state, 20))), 'spill = ' . pick(qw(auto on off))) }
sub graph_options { my $m = 2 + draw(\$state, 20); return ("m = $m", 'ef_construction = ' . (2 * $m + draw(\$state, 30))) }

# `open`: another transaction reads, which REINDEX would wait for.
sub change
{
	my ($open) = @_;
	my $few = $dimensions > 1000 ? 3 : 60;
	my $m = 2 + draw(\$state, 9);
	my $r = draw(\$state, $m);
	return pick(
		sub { insert(1 + draw(\$state, $few)) },
		sub { insert(1 + draw(\$state, $few)) },
		sub { "DELETE FROM t WHERE id % $m = $r" },
		sub { "UPDATE t SET v = " . vector() . " WHERE id % " . 5 * $m . " = $r" },
		sub { "UPDATE t SET tag = tag + 1 WHERE id % $m = $r" },
		sub { ('BEGIN', insert(1 + draw(\$state, $few)), 'ROLLBACK') },
		sub { ('BEGIN', insert(3), 'SAVEPOINT s', "DELETE FROM t WHERE id % $m = $r", insert(2), 'ROLLBACK TO s', insert(1), 'COMMIT') },
		sub { 'VACUUM (INDEX_CLEANUP on) t' },
		sub { $method eq 'ivf' ? q{SELECT annex_maintain('t_v', true)} : 'VACUUM (INDEX_CLEANUP on) t' },
		sub { $open ? insert(1) : 'REINDEX INDEX t_v' })->();
}

# Queries ----------------------------------------------------------------------------------------------------------

sub query_vector
{
	my $vector = vector();
	return $vector eq 'NULL' ? vector_of_ones() : $vector =~ /^'\[/ ? "$vector\::$type" : $vector;
}
sub vector_of_ones { return $type eq 'bit' ? bits(2) : "array_fill(1, ARRAY[$dimensions])::$type" }

sub filter
{
	return pick('true', 'true', 'tag < 50', 'tag = ' . draw(\$state, 100), 'id % 3 = 0', 'v IS NOT NULL') . indexed();
}

# Rows without a vector or, under cosine, without a direction are in no graph: nobody asks for them.
sub indexed
{
	return '' if $method eq 'ivf';
	return ' AND v IS NOT NULL' . ($operator eq '<=>' ? " AND ${\($type eq 'vector' ? 'vector_norm' : 'l2_norm')}(v) > 0" : '');
}

# Settings by which an answer is that of sorting, comes in order, and in the order of the rounds.
my %exact = (ivf => 'SET LOCAL ivf.probes = 32768; SET LOCAL ivf.epsilon = 10;', hnsw => 'SET LOCAL hnsw.ef_search = 1000;');
my %strict = (ivf => 'SET LOCAL ivf.ordering = strict; SET LOCAL ivf.probes = 2;',
	hnsw => 'SET LOCAL hnsw.iterative_scan = strict_order; SET LOCAL hnsw.ef_search = 2;');
my %relaxed = (ivf => 'SET LOCAL ivf.ordering = relaxed; SET LOCAL ivf.probes = 1;',
	hnsw => 'SET LOCAL hnsw.iterative_scan = relaxed_order; SET LOCAL hnsw.ef_search = 1;');
my $by_index = 'SET LOCAL enable_seqscan = off; SET LOCAL enable_indexscan = on; SET LOCAL enable_sort = off;';
my $by_sorting = 'SET LOCAL enable_seqscan = on; SET LOCAL enable_indexscan = off; SET LOCAL enable_sort = on;';

# One answer as lines "id|distance" in the order in which the executor returns them. A distance that is no number says so.
sub statement
{
	my ($query, $filter, $limit) = @_;
	return "SELECT id, CASE WHEN v $operator $query = 'NaN' THEN 'NaN' ELSE (v $operator $query)::text END FROM t WHERE $filter"
	  . " ORDER BY v $operator $query $limit;";
}

sub compare_query
{
	my ($name) = @_;
	my ($query, $filter) = (query_vector(), filter());
	my ($limit, $offset) = (pick('', 1, 1, 10, 10, 100, 3000), pick(0, 0, 0, 3, 40));
	my $slice = ($limit ? "LIMIT $limit " : '') . ($offset ? "OFFSET $offset" : '');
	my $whole = statement($query, $filter, '');
	my $part = statement($query, $filter, $slice);
	my $fetch = 1 + draw(\$state, 20);
	(my $plain = $part) =~ s/;$//;
	my $script = join "\n", 'BEGIN ISOLATION LEVEL REPEATABLE READ;', "$by_sorting $whole", "\\echo == part", $part,
		"\\echo == index", "$by_index $exact{$method}", "EXPLAIN (COSTS off) $part", $part,
		"\\echo == cursor", "DECLARE c SCROLL CURSOR FOR $plain;", "FETCH $fetch FROM c;", 'SAVEPOINT s;', "FETCH ALL FROM c;",
		'ROLLBACK TO s;', 'CLOSE c;', 'COMMIT;',
		"BEGIN ISOLATION LEVEL REPEATABLE READ; $by_index",
		"\\echo == default", $part,
		"\\echo == strict", $strict{$method}, $part,
		"\\echo == relaxed", $relaxed{$method}, $whole, 'COMMIT;';
	my $output = $node->safe_psql('postgres', $script);
	my ($all, $sorted, $index, $cursor, $default, $strict, $relaxed) = sections($output);
	my %total = map { $_->[0] => key($_->[1]) } @$all;
	my $right = $output =~ /Index Scan using t_v/ ? '' : 'not by the index ';
	my $asked = "$filter, $slice, by $operator " . substr($query, 0, 60);
	is($right . same_rows($index, $sorted, \%total), '', "$name: by the index as by sorting: $asked");
	is(same_rows($cursor, $sorted, \%total), '', "$name: by a cursor: $asked");
	is(honest_rows($default, \%total, scalar @$sorted, 0), '', "$name: with the settings as they come: $asked");
	is(honest_rows($strict, \%total, undef, 1), '', "$name: in strict order: $asked");
	is(honest_rows($relaxed, \%total, scalar @$all, 0), '', "$name: every row once: $asked");
	return;
}

# Snapshots: a session that reads in one transaction sees one state of the table, whatever others do meanwhile.
sub compare_snapshots
{
	my ($name) = @_;
	my $query = query_vector();
	my $whole = statement($query, 'true' . indexed(), '');
	(my $plain = $whole) =~ s/;$//;
	my $connection = 'psql -X -q -d "' . $node->connstr('postgres') . '" -f';
	my $folder = PostgreSQL::Test::Utils::tempdir();
	my @files;
	for my $i (0 .. 1)
	{
		$files[$i] = "$folder/change.sql";
		$files[$i] =~ s/change/change$i/;
		append_to_file($files[$i], join(";\n", map { change('open') } 1 .. 6) . ";\n");
	}
	my $script = join "\n", 'BEGIN ISOLATION LEVEL REPEATABLE READ;', "$by_sorting $whole", "\\echo == first", "$by_index $exact{$method}", $whole,
		"DECLARE c CURSOR FOR $plain;", "\\echo == cursor", 'FETCH ' . (1 + draw(\$state, 10)) . ' FROM c;', "\\! $connection $files[0]",
		"\\echo == between", $whole, "\\! $connection $files[1]", "\\echo == cursor", 'FETCH ALL FROM c;', 'CLOSE c;', "\\echo == last", $whole, 'COMMIT;';
	my ($all, $first, $cursor, $between, $rest, $last) = sections($node->safe_psql('postgres', $script));
	my %total = map { $_->[0] => key($_->[1]) } @$all;
	is(same_rows($first, $all, \%total), '', "$name: before others wrote");
	is(same_rows($between, $all, \%total), '', "$name: the same while others write");
	is(same_rows([ @$cursor, @$rest ], $all, \%total), '', "$name: a cursor that was open all the time");
	is(same_rows($last, $all, \%total), '', "$name: the same after others wrote");
	return;
}

for my $table (1 .. $tables)
{
	$node->safe_psql('postgres', join('', map { "$_;\n" } new_table()));
	my $name = "table $table ($method, $type($dimensions))";
	for my $round (1 .. 3)
	{
		compare_query("$name, round $round") for 1 .. 2;
		$node->safe_psql('postgres', join('', map { "$_;\n" } map { change() } 1 .. 1 + draw(\$state, 5)));
	}
	compare_snapshots($name);
	verify_ok($node, $name, 't_v');
	last unless Test::More->builder->is_passing;
}
diag("repeat it with ANNEX_DIFFERENTIAL_SEED=$seed ANNEX_DIFFERENTIAL_TABLES=$tables ANNEX_DIFFERENTIAL_METHODS='@methods'") unless Test::More->builder->is_passing;
log_is_clean($node);
$node->stop;
done_testing();

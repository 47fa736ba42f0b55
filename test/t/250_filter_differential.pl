# Random predicates over columns with and without indexes, in every way that a filtered scan can take: the rows are those
# that sorting all matching rows gives, while rows come, change and go, and whatever the statistics say.
#
# With every list probed and bounds this wide nothing is left to chance; with the settings as they come the rows still
# satisfy the WHERE clause, none comes twice, and there are as many as the LIMIT asks for or as match. The rows within a
# distance, in no order, are always all of them. To try longer:
# ANNEX_DIFFERENTIAL_TABLES=200; a failure prints its seed.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use IvfData;

my $tables = $ENV{ANNEX_DIFFERENTIAL_TABLES} || 6;
my $seed = $ENV{ANNEX_DIFFERENTIAL_SEED} || 1957;
my $state = $seed;
note("ANNEX_DIFFERENTIAL_SEED=$seed ANNEX_DIFFERENTIAL_TABLES=$tables");

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "autovacuum = off\nsynchronous_commit = off\nmax_parallel_workers_per_gather = 0\n");
$node->start;
prepare($node);

sub pick { my (@from) = @_; return $from[ draw(\$state, scalar @from) ] }
sub number { my ($limit) = @_; return draw(\$state, $limit) }

my @ways = ('auto', split /\|/, $node->safe_psql('postgres', <<'SQL'));
SELECT '[1]'::vector \g /dev/null
SELECT string_agg(way, '|') FROM pg_settings, unnest(enumvals) AS way WHERE name = 'annex.filtered_way' AND way <> 'auto'
SQL
my %taken;

# Tables -----------------------------------------------------------------------------------------------------------
#
# a, n, c, d, e may have an index of their own, f and b never have, x, y, z may be columns of the vector index.

my %opclasses = ('<->' => 'vector_l2_ops', '<#>' => 'vector_ip_ops', '<=>' => 'vector_cosine_ops');
my ($dimensions, $operator, $wide);

sub vector { return sprintf 'point(%d, %d)', number(400), $dimensions }

sub or_null { my ($value) = @_; return number(8) == 0 ? 'NULL' : $value }

my @columns = qw(v a n b c d e f x y z filler);

sub row
{
	my %value = (
		v => number(30) == 0 ? pick('NULL', "array_fill(0, ARRAY[$dimensions])::vector") : vector(),
		a => number(20),
		n => or_null(number(1000)),
		b => number(100),
		c => or_null("'c" . number(40) . "'"),
		d => or_null("'{" . join(',', map { number(12) } 0 .. number(4)) . "}'"),
		e => "'2026-01-01'::timestamptz + " . number(5000) . " * interval '1 hour'",
		f => or_null(pick('true', 'false')),
		x => or_null(number(15) - 5),
		y => or_null("'y" . number(9) . "'"),
		z => or_null(pick(map { "'$_'" } qw(-Infinity -1.5 0 2.25 1e30 Infinity NaN))),
		filler => $wide ? "repeat('x', 3000)" : "''");
	return '(' . join(', ', @value{@columns}) . ')';
}

sub insert { my ($rows) = @_; return 'INSERT INTO t (' . join(', ', @columns) . ') VALUES ' . join(', ', map { row() } 1 .. $rows) }

my @indexes = (
	'CREATE INDEX t_a ON t (a)', 'CREATE INDEX t_n ON t (n)', 'CREATE INDEX t_an ON t (a, n)', 'CREATE INDEX t_c ON t USING hash (c)',
	'CREATE INDEX t_c_text ON t (c text_pattern_ops)', 'CREATE INDEX t_lower ON t (lower(c))', 'CREATE INDEX t_part ON t (n) WHERE f',
	'CREATE INDEX t_d ON t USING gin (d)', 'CREATE INDEX t_e ON t USING brin (e) WITH (pages_per_range = 1)');

# Filter columns, where the access method has them.
my $columns = $node->safe_psql('postgres', q{SELECT pg_indexam_has_property(oid, 'can_multi_col') FROM pg_am WHERE amname = 'ivf'}) eq 't';

sub new_table
{
	$dimensions = pick(2, 3, 16, 33, 64);
	$operator = pick(sort keys %opclasses);
	$wide = number(4) == 0;
	my $lists = pick('lists = 1', 'lists = ' . (2 + number(30)), 'lists = ' . (20 + number(30)));
	my $also = $columns ? pick('', ', x', ', x, y', ', z, x, y', ', f, e') : '';
	my $partial = number(6) == 0 ? ' WHERE b < 80' : '';
	my $vector = "CREATE INDEX t_v ON t USING ivf (v $opclasses{$operator}$also) WITH ($lists, spill = " . pick(qw(auto on off)) . ")$partial";
	my @chosen = grep { number(2) } @indexes;
	return ('DROP TABLE IF EXISTS t',
		"CREATE TABLE t (id serial, v vector($dimensions), a int, n int, b int, c text, d int[], e timestamptz, f bool, x int, y text, z float8,"
		  . ' filler text) WITH (fillfactor = 70)', 'ALTER TABLE t ALTER filler SET STORAGE plain',
		number(3) == 0 ? ($vector, insert(100)) : (insert(100), $vector), @chosen, insert($wide ? 1900 : 100 + number(900)), pick('ANALYZE t', 'SELECT 1'));
}

sub change
{
	my $m = 2 + number(9);
	my $r = number($m);
	return pick(
		sub { insert(1 + number(60)) },
		sub { "DELETE FROM t WHERE id % $m = $r" },
		# b is in no index: HOT
		sub { "UPDATE t SET b = (b + 7) % 100 WHERE id % $m = $r" },
		sub { ("UPDATE t SET b = (b + 7) % 100 WHERE id % $m = $r") x 3 },
		sub { "UPDATE t SET " . pick('a', 'n', 'x') . " = " . or_null(number(20)) . " WHERE id % $m = $r" },
		sub { "UPDATE t SET c = 'c' || a, y = 'y' || a % 9, f = NOT f, z = b WHERE id % $m = $r" },
		sub { "UPDATE t SET v = " . vector() . ", x = x + 1 WHERE id % " . 3 * $m . " = $r" },
		sub { "UPDATE t SET b = (b + 1) % 100 WHERE v $operator " . vector() . ' < 1' },
		sub { ('BEGIN', "UPDATE t SET a = a + 1, x = 3 WHERE id % $m = $r", insert(10), 'ROLLBACK') },
		sub { 'VACUUM (INDEX_CLEANUP on) t' },
		sub { 'ANALYZE t' },
		# statistics that are wrong in either direction
		sub { ('UPDATE t SET a = 1, n = 5', 'ANALYZE t', 'UPDATE t SET a = id % 20, n = id') },
		sub { ('UPDATE t SET a = id % 20, n = id', 'ANALYZE t', "UPDATE t SET a = 1, n = 5 WHERE id % $m > 0") },
		sub { "UPDATE pg_class SET reltuples = " . pick(1, 1e7) . " WHERE oid = 't'::regclass" },
		sub { q{SELECT annex_maintain('t_v', true)} },
		sub { 'REINDEX TABLE t' })->();
}

# Predicates -------------------------------------------------------------------------------------------------------

sub condition
{
	my ($query) = @_;
	my $comparison = pick('<', '<=', '=', '>=', '>', '<>');
	return pick(
		sub { "a $comparison " . number(20) },
		sub { 'a IN (' . join(', ', map { number(22) } 1 .. 1 + number(5)) . ')' },
		sub { 'a BETWEEN ' . number(10) . ' AND ' . (5 + number(15)) },
		sub { 'a = -1' },
		sub { 'a = NULL' },
		sub { "n $comparison " . number(1000) },
		sub { 'n BETWEEN ' . number(500) . ' AND ' . (300 + number(700)) },
		sub { 'n IS ' . pick('', 'NOT ') . 'NULL' },
		sub { '(a, n) < (' . number(20) . ', ' . number(1000) . ')' },
		sub { "b $comparison " . number(100) },
		sub { 'b % 3 = ' . number(3) },
		sub { "c = 'c" . number(42) . "'" },
		sub { "c IN ('c1', 'c7', 'c" . number(40) . "')" },
		sub { "c LIKE 'c" . number(4) . "%'" },
		sub { "lower(c) = 'c" . number(40) . "'" },
		sub { 'd @> ARRAY[' . number(12) . ']' },
		sub { 'd && ARRAY[' . number(12) . ', ' . number(12) . ']' },
		sub { "e $comparison '2026-01-01'::timestamptz + " . number(5000) . " * interval '1 hour'" },
		sub { pick('f', 'NOT f', 'f IS NOT TRUE', 'f IS NULL', 'f = true') },
		sub { "f AND n < " . number(1000) },
		sub { "x $comparison " . (number(15) - 5) },
		sub { 'x = ANY (ARRAY[' . join(', ', map { number(15) - 5 } 0 .. number(4)) . '])' },
		sub { 'x IN (NULL, ' . number(5) . ')' },
		sub { 'x IS ' . pick('', 'NOT ') . 'NULL' },
		sub { 'x BETWEEN ' . number(5) . ' AND ' . number(9) },
		sub { "y = 'y" . number(10) . "'" },
		sub { "y IN ('y1', 'y" . number(10) . "')" },
		sub { 'z ' . $comparison . pick(' 0', ' 2.25', " 'NaN'", " 'Infinity'", " '-Infinity'", ' 1e29') },
		sub { 'id > ' . number(500) },
		sub { "v $operator $query < " . pick('0.5', '1', '3', '-1') },
		sub { 'v IS NOT NULL' })->();
}

# A tree of AND, OR and NOT.
sub filter
{
	my ($query, $depth) = @_;
	return condition($query) if $depth == 0 || number(3) == 0;
	my $operation = pick('AND', 'AND', 'OR');
	my $filter = '(' . join(" $operation ", map { filter($query, $depth - 1) } 1 .. 2 + number(2)) . ')';
	return number(10) == 0 ? "NOT $filter" : $filter;
}

# Queries ----------------------------------------------------------------------------------------------------------

my $exact = 'SET LOCAL ivf.probes = 32768; SET LOCAL ivf.epsilon = 10;';
my $by_index = 'SET LOCAL enable_seqscan = off;';
my $by_sorting = 'SET LOCAL enable_seqscan = on; SET LOCAL enable_indexscan = off; SET LOCAL enable_bitmapscan = off;';

sub distance { my ($query) = @_; return "CASE WHEN v $operator $query = 'NaN' THEN 'NaN' ELSE (v $operator $query)::text END" }

sub statement
{
	my ($query, $filter, $slice) = @_;
	return 'SELECT id, ' . distance($query) . " FROM t WHERE $filter ORDER BY v $operator $query $slice;";
}

# The same under a join whose other side gives the filter a parameter.
sub joined
{
	my ($query, $filter, $limit) = @_;
	return "SELECT id, distance FROM generate_series(-1, 4) AS g CROSS JOIN LATERAL (SELECT id, " . distance($query)
	  . " AS distance FROM t WHERE ($filter) AND a = g ORDER BY v $operator $query LIMIT $limit) AS near ORDER BY g, distance;";
}

sub compare_query
{
	my ($name) = @_;
	my $query = vector();
	my $filter = filter($query, 1 + number(3));
	my ($limit, $offset) = (pick('', 1, 1, 10, 10, 10, 100, 3000), pick(0, 0, 0, 3, 40));
	my $slice = ($limit ? "LIMIT $limit " : '') . ($offset ? "OFFSET $offset" : '');
	my $whole = statement($query, $filter, '');
	my $part = statement($query, $filter, $slice);
	(my $prepared = $part) =~ s/;$//;
	my $joined = joined($query, $filter, $limit || 5);
	my $memory = 'SET LOCAL work_mem = ' . pick("'64kB'", "'4MB'") . ';';

	# Every way answers in a transaction of its own.
	my $script = join "\n", "BEGIN; $by_sorting $whole", "\\echo == sorted", $part, "\\echo == joined", $joined, 'COMMIT;';
	for my $way (@ways)
	{
		my $forced = $way eq 'auto' ? '' : "SET LOCAL annex.filtered_way = $way;";
		$script .= join "\n", "\n\\echo == $way, all lists", "BEGIN; $by_index $exact $memory $forced $part",
			"\\echo == $way, joined", $joined, 'COMMIT;',
			"\\echo == $way, as it comes", "BEGIN; $by_index $memory $forced $part COMMIT;",
			"\\echo == $way, generic", "BEGIN; $by_index $exact $forced SET LOCAL plan_cache_mode = force_generic_plan; PREPARE p AS $prepared; EXECUTE p; DEALLOCATE p; COMMIT;",
			"\\echo == explained", "BEGIN; $by_index $forced EXPLAIN (ANALYZE, COSTS off, TIMING off, SUMMARY off) $part COMMIT;";
	}
	my $output = $node->safe_psql('postgres', $script);
	my ($all, $sorted, $sorted_join, @answers) = sections($output);
	my %total = map { $_->[0] => key($_->[1]) } @$all;
	my $asked = "WHERE $filter ORDER BY v $operator $query $slice";
	for my $way (@ways)
	{
		my ($index, $join, $default, $generic) = splice @answers, 0, 5;
		is(same_rows($index, $sorted, \%total), '', "$name, $way: with all lists as by sorting: $asked");
		is(honest_rows($join, { %total, map { $_->[0] => key($_->[1]) } @$sorted_join }, scalar @$sorted_join, 0), '', "$name, $way: a join: $asked");
		is(honest_rows($default, \%total, scalar @$sorted, 0), '', "$name, $way: with the settings as they come: $asked");
		is(same_rows($generic, $sorted, \%total), '', "$name, $way: prepared: $asked");
	}
	$taken{$_}++ for $output =~ /^\s*Way: (\w+)/mg;
	return;
}

# Rows within a distance, in no order. Nothing of the settings for recall matters here: no row may be missing.
sub compare_range
{
	my ($name) = @_;
	my $query = vector();
	# the distance of a row, so that this row and no other decides; none at times
	my $row = "(SELECT v $operator $query FROM t WHERE id = " . (1 + number(600)) . ')';
	my $bound = pick($row, $row, $node->safe_psql('postgres', "SELECT coalesce($row, 1)") . '::float8', number(50) / 10, "'NaN'", "'-Infinity'");
	my $distance = pick("v $operator $query", "$query $operator v");
	my $range = pick("$distance < $bound", "$distance <= $bound", "$bound > $distance", "$bound >= $distance", "$distance BETWEEN 0.5 AND $bound");
	my $filter = number(2) ? '' : ' AND ' . filter($query, 1 + number(2));
	my $statement = "SELECT array_agg(id ORDER BY id) FROM t WHERE $range$filter";
	my $joined = "SELECT g, array_agg(id ORDER BY id) FROM generate_series(-1, 5) AS g CROSS JOIN LATERAL (SELECT id FROM t"
	  . " WHERE $distance < g * 0.7 $filter OFFSET 0) AS near GROUP BY g ORDER BY g";
	my $alone = "$by_index SET LOCAL enable_bitmapscan = off; SET LOCAL work_mem = " . pick("'64kB'", "'4MB'") . ';';
	my $output = $node->safe_psql('postgres', join "\n", "BEGIN; $by_sorting $statement;", '\echo ==', "$joined; COMMIT;",
		'\echo ==', "BEGIN; $alone $statement;", '\echo ==', "$joined;", '\echo ==',
		"SET LOCAL plan_cache_mode = force_generic_plan; PREPARE p AS $statement; EXECUTE p; DEALLOCATE p; COMMIT;", '\echo ==',
		"$statement;", '\echo ==', "BEGIN; $alone EXPLAIN (COSTS off) $statement; COMMIT;");
	my ($all, $all_joined, $index, $join, $generic, $default, $plan) = split /^==\n/m, $output;
	is($index, $all, "$name: the rows within a distance: $range$filter");
	is($join, $all_joined, "$name: the rows within a distance, a join: $distance$filter");
	is($generic, $all, "$name: the rows within a distance, prepared: $range$filter");
	is($default, $all, "$name: the rows within a distance, as the planner likes: $range$filter");
	$taken{range}++ if $plan =~ /Way: range/;
	return;
}

for my $table (1 .. $tables)
{
	$node->safe_psql('postgres', join('', map { "$_;\n" } new_table()));
	my $name = "table $table ($dimensions dimensions" . ($wide ? ', wide)' : ')');
	for my $round (1 .. 4)
	{
		compare_query("$name, round $round") for 1 .. 4;
		compare_range("$name, round $round") for 1 .. 4;
		$node->safe_psql('postgres', join('', map { "$_;\n" } map { change() } 1 .. 1 + number(4)));
	}
	verify_ok($node, $name, 't_v');
	last unless Test::More->builder->is_passing;
}
diag("repeat it with ANNEX_DIFFERENTIAL_SEED=$seed ANNEX_DIFFERENTIAL_TABLES=$tables") unless Test::More->builder->is_passing;
note('ways taken: ' . join ', ', map { "$_ $taken{$_}" } sort keys %taken);
for my $way ('range', grep { $_ ne 'auto' } @ways) { cmp_ok($taken{$way} || 0, '>', 0, "some scans took the way \"$way\"") }
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|terminated by signal|leaked|still referenced|refcount/, 'no crash, no leak');
$node->stop;
done_testing();

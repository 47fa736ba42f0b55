# Statistics that are wrong, in either direction: a filtered scan sees it, takes another way, and ends with the right rows
# and work that is bounded.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use IvfData;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "autovacuum = off\nmax_parallel_workers_per_gather = 0\nmaintenance_work_mem = 128MB\n");
$node->start;
prepare($node);

my $rows = 20000;
my $query = 'point(-3, 24)';
$node->safe_psql('postgres', <<"SQL");
CREATE TABLE t (id int PRIMARY KEY, v vector(24), a int) WITH (fillfactor = 50);
INSERT INTO t SELECT i, point(i, 24), 1 FROM generate_series(1, $rows) i;
CREATE INDEX t_v ON t USING ivf (v) WITH (lists = 100);
CREATE INDEX t_a ON t (a);
SQL

# What EXPLAIN says when the statement has run: the way, and rows read from the table in order of distance.
sub explained
{
	my ($statement) = @_;
	my $plan = $node->safe_psql('postgres', "EXPLAIN (ANALYZE, COSTS off, TIMING off, SUMMARY off) $statement");
	my ($way) = $plan =~ /Way: (.*)/;
	my ($fetched) = $plan =~ /Heap Tuples Fetched: (\d+)/;
	return ($way // 'none', $fetched // 0, $plan);
}

sub expected
{
	my ($statement) = @_;
	return $node->safe_psql('postgres', "SET enable_indexscan = off; SET enable_bitmapscan = off; $statement");
}

my $scattered = "id * 7919 % $rows";
my $together = 'id - 1';

# How many rows satisfy a = 1 as the planner knows it, and how many there are: those with the least values of $place.
sub with_statistics
{
	my ($known, $true, $place) = @_;
	$node->safe_psql('postgres', "UPDATE t SET a = CASE WHEN $place < $known THEN 1 ELSE id + 1 END");
	$node->safe_psql('postgres', 'VACUUM ANALYZE t');
	$node->safe_psql('postgres', "UPDATE t SET a = CASE WHEN $place < $true THEN 1 ELSE id + 1 END");
	# leaves what ANALYZE found as it is
	$node->safe_psql('postgres', 'VACUUM t');
	return;
}

sub check
{
	my ($name, $known, $true, $limit, $least_fetched, $most_fetched, $ways, $place) = @_;
	with_statistics($known, $true, $place // $scattered);
	my $statement = "SELECT id FROM t WHERE a = 1 ORDER BY v <-> $query LIMIT $limit";
	my ($way, $fetched, $plan) = explained($statement);
	like($way, $ways, "$name: the way that is taken");
	cmp_ok($fetched, '>=', $least_fetched, "$name: rows fetched in order of distance") if $least_fetched;
	cmp_ok($fetched, '<=', $most_fetched, "$name: rows fetched in order of distance are bounded") or diag($plan);
	my @got = split /\n/, $node->safe_psql('postgres', $statement);
	my @expected = split /\n/, expected($statement);
	is(scalar @got, scalar @expected, "$name: rows");
	my %expected = map { $_ => 1 } @expected;
	cmp_ok(scalar(grep { $expected{$_} } @got), '>=', 0.9 * @expected, "$name: the nearest of them");
	is($node->safe_psql('postgres', "SELECT count(*) FROM ($statement) s JOIN t USING (id) WHERE a <> 1"), '0', "$name: rows satisfy the filter");
	return;
}

# All rows pass, thinks the planner: a plain scan would read the whole table to find five, or none.
check('5 rows instead of all', $rows, 5, 10, 0, $rows / 10, qr/exact|set/);
check('no row instead of all', $rows, 0, 10, 0, $rows / 10, qr/exact|set/);
check('1 % instead of all', $rows, $rows / 100, 10, 0, $rows / 5, qr/./);

# Few rows pass, thinks the planner: sorting all of them would be most work.
check('all rows instead of 2 %', $rows / 50, $rows, 10, 10, 1000, qr/set|plain/);
check('half the rows instead of 2 %', $rows / 50, $rows / 2, 10, 10, 1000, qr/set|plain/);

# Of rows that lie together an index scan reads few pages, which makes it look cheapest.
check('all rows instead of 5 that lie together', 5, $rows, 10, 10, 1000, qr/set|plain/, $together);
check('half the rows instead of 50 that lie together', 50, $rows / 2, 10, 10, 1000, qr/set|plain/, $together);
is((explained("SELECT id FROM t WHERE id = 5 AND a = 1 ORDER BY v <-> $query LIMIT 10"))[0],
	'none', 'a unique key promises a single row');

# And where it knows.
check('5 rows as known', 5, 5, 10, 0, $rows / 10, qr/exact|none/);
check('all rows as known', $rows, $rows, 10, 10, 100, qr/plain/);

$node->stop;
done_testing();

# At every named point of hnsw a session fails once, and twice the whole server is killed. In all cases every index is
# sound, has every row and answers as sorting does, before and after the next vacuum; after an error the session works on.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use Crash;
use GraphData;
use IvfData;
use Server;

my $node = new_server('main', testing => 1, settings => <<'CONF');
max_parallel_maintenance_workers = 2
restart_after_crash = off
wal_level = replica
checkpoint_timeout = 1h
CONF
prepare_graphs($node);
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE t (id int, v vector(10), n int);
CREATE INDEX t_empty ON t USING hnsw (v vector_ip_ops) WITH (m = 2, ef_construction = 8);
INSERT INTO t SELECT i, point(i, 10), i FROM generate_series(1, 300) i;
CREATE INDEX t_l2 ON t USING hnsw (v vector_l2_ops, n) WITH (m = 3, ef_construction = 12);
-- nodes of which a page holds few
CREATE TABLE wide (id int, v vector(1500));
INSERT INTO wide SELECT i, point(i, 1500) FROM generate_series(1, 6) i;
CREATE INDEX wide_cosine ON wide USING hnsw (v vector_cosine_ops);
-- more rows than fit into the memory of a build
CREATE TABLE many (id int, v vector(40));
INSERT INTO many SELECT i, point(i, 40) FROM generate_series(1, 3000) i;
CREATE INDEX many_l2 ON many USING hnsw (v vector_l2_ops) WITH (m = 4, ef_construction = 16);
-- what is inserted, computed once
CREATE TABLE source AS SELECT i, point(1000 + i, 10) AS v FROM generate_series(1, 200) i;
CREATE TABLE wide_source AS SELECT i, point(1000 + i, 1500) AS v FROM generate_series(1, 10) i;
SQL
my @indexes = qw(t_empty t_l2 wide_cosine many_l2);

# Statements that come to every point; whoever names a new point sees to it that one of them does.
my @workload = (
	'INSERT INTO wide SELECT i, v FROM wide_source',
	'INSERT INTO t SELECT i, v, i FROM source',
	# one node of many rows, and rows of which no bound holds
	'INSERT INTO t SELECT i, point(5, 10), i FROM generate_series(1, 120) i',
	'INSERT INTO t SELECT i, array_fill(1e30, ARRAY[10])::vector, i FROM generate_series(1, 3) i',
	'UPDATE t SET v = point(id + 7, 10) WHERE id <= 40',
	'DELETE FROM t WHERE id % 3 <> 0',
	'DELETE FROM wide WHERE id % 2 = 0',
	'VACUUM (INDEX_CLEANUP on) t',
	'VACUUM (INDEX_CLEANUP on) wide',
	'INSERT INTO t SELECT i, v, i FROM source',
	# all go, and so does every row that searches start from
	'DELETE FROM wide',
	'VACUUM (INDEX_CLEANUP on) wide',
	'INSERT INTO wide SELECT i, v FROM wide_source',
	'DELETE FROM many WHERE id % 2 = 0',
	'VACUUM (INDEX_CLEANUP on) many',
	'INSERT INTO many SELECT i * 2, point(i * 2, 40) FROM generate_series(1, (SELECT 1500 - count(*) FROM many WHERE id % 2 = 0)::int) i',
	'SET maintenance_work_mem = 1024',
	'SET client_min_messages = warning',
	'REINDEX INDEX many_l2',
	'REINDEX INDEX t_l2');

# Whatever was stopped, each graph is sound before and after the next vacuum, and a scan to its end has every row.
sub check
{
	my ($name) = @_;
	graphs_ok($node, $name, @indexes);
	for (['t', '<->', 10], ['t', '<#>', 10], ['wide', '<=>', 1500], ['many', '<->', 40])
	{
		my ($table, $operator, $dimensions) = @$_;
		is($node->safe_psql('postgres', "SET enable_seqscan = off; SELECT count(*), count(DISTINCT ctid) FROM (SELECT ctid FROM $table"
				. " ORDER BY v $operator (SELECT point(-1, $dimensions))) s"),
			$node->safe_psql('postgres', "SELECT count(*), count(*) FROM $table"), "$name: all rows of $table by $operator");
	}
	$node->safe_psql('postgres', "VACUUM (INDEX_CLEANUP on) $_") for qw(t wide many);
	graphs_ok($node, "$name, vacuumed", @indexes);
	graph_is($node, $name, 't', $_, 'point(-1, 10)') for '<->', '<#>';
	graph_is($node, $name, 'wide', '<=>', 'point(-1, 1500)');
	graph_is($node, $name, 'many', '<->', 'point(-1, 40)');
	return;
}

sub run_workload
{
	my ($stop) = @_;
	my $script = join '', map { "$_;\n" } "LOAD 'annex'", "SET annex.stop_point = '$stop'", @workload;
	my ($ret, undef, $stderr) = $node->psql('postgres', $script, on_error_stop => 0);
	return ($ret, $stderr);
}

my @points = grep { /^hnsw-/ } stop_points($node);
cmp_ok(scalar @points, '>', 8, 'there are stop points');
for my $point (@points)
{
	my ($ret, $stderr) = run_workload("$point:error");
	is($ret, 0, "$point: the session goes on after an error");
	my %errors = map { $_ => 1 } $stderr =~ /(ERROR:.*)/g;
	is(join("\n", sort keys %errors), "ERROR:  stopped at \"$point\"", "$point: it was stopped there, and nothing else failed");
	check("$point, error");

	for my $count (1, 4)
	{
		($ret, $stderr) = run_workload("$point:crash:$count");
		is($ret, 2, "$point: the server was killed") if $count == 1;
		start_again($node) if $ret == 2;
		check("$point, crash $count");
	}
}

# Nothing is left behind that keeps the same work from succeeding.
my ($ret, $stderr) = run_workload('');
is("$ret$stderr", '0', 'the workload runs to its end');
check('at the end');
log_is_clean($node, killed => 1);
$node->stop;
done_testing();

# At every named point a session fails once, and once the whole server is killed. In both cases the index is sound, holds
# every row and answers as sorting does; after the error the session works on.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use Crash;
use IvfData;
use Server;

my $node = new_server('main', testing => 1, settings => <<'CONF');
max_parallel_maintenance_workers = 2
min_parallel_table_scan_size = 0
restart_after_crash = off
wal_level = replica
checkpoint_timeout = 1h
CONF
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE t (id int, v vector(10)) WITH (parallel_workers = 2);
CREATE INDEX t_empty ON t USING ivf (v vector_l2_ops);
INSERT INTO t SELECT i, point(i, 10) FROM generate_series(1, 400) i;
CREATE INDEX t_l2 ON t USING ivf (v vector_l2_ops) WITH (lists = 3, spill = on);
-- rows of two pages
CREATE TABLE wide (id int, v vector(9000));
INSERT INTO wide SELECT i, point(i, 9000) FROM generate_series(1, 4) i;
CREATE INDEX wide_ip ON wide USING ivf (v vector_ip_ops) WITH (lists = 1, spill = off);
-- lists whose descriptors leave no room on their page for as many new ones
CREATE TABLE many (id int, v vector(2));
INSERT INTO many SELECT i, point(i, 2) FROM generate_series(1, 500) i;
CREATE INDEX many_l2 ON many USING ivf (v vector_l2_ops) WITH (lists = 100, spill = off);
-- what is inserted, computed once
CREATE TABLE source AS SELECT i, point(1000 + i, 10) AS v FROM generate_series(1, 500) i;
CREATE TABLE wide_source AS SELECT i, point(1000 + i, 9000) AS v FROM generate_series(1, 8) i;
SQL
my @indexes = qw(t_empty t_l2 wide_ip many_l2);

# Statements that come to every point; whoever names a new point sees to it that one of them does.
my @workload = (
	'INSERT INTO wide SELECT i, v FROM wide_source',
	'INSERT INTO t SELECT i, v FROM source',
	'INSERT INTO t SELECT i FROM generate_series(1, 1400) i',
	'UPDATE t SET v = point(id + 7, 10) WHERE id <= 40 AND v IS NOT NULL',
	'DELETE FROM t WHERE id % 3 <> 0 OR v IS NULL',
	'DELETE FROM wide WHERE id % 2 = 0',
	'VACUUM (INDEX_CLEANUP on) t',
	'VACUUM (INDEX_CLEANUP on) wide',
	# the second one clears away what the first one has left
	map({ ("SELECT annex_maintain('$_', true)", 'UPDATE t SET id = id WHERE id = 3') } qw(t_l2 t_l2 wide_ip wide_ip)),
	'REINDEX INDEX many_l2',
	q{SELECT annex_maintain('many_l2', true)},
	'REINDEX INDEX t_l2');

sub check
{
	my ($name) = @_;
	verify_ok($node, $name, @indexes);
	compare_is($node, $name, 't', '<->', 'point(-1, 10)');
	compare_is($node, $name, 'wide', '<#>', 'point(-1, 9000)');
	compare_is($node, $name, 'many', '<->', 'point(-1, 2)');
	return;
}

sub run_workload
{
	my ($stop) = @_;
	my $script = join '', map { "$_;\n" } "LOAD 'annex'", "SET annex.stop_point = '$stop'", @workload;
	my ($ret, undef, $stderr) = $node->psql('postgres', $script, on_error_stop => 0);
	return ($ret, $stderr);
}

my @points = grep { !/^hnsw-/ } stop_points($node);
cmp_ok(scalar @points, '>', 20, 'there are stop points');
for my $point (@points)
{
	my ($ret, $stderr) = run_workload("$point:error");
	is($ret, 0, "$point: the session goes on after an error");
	# a worker and its leader come to it each for itself
	my %errors = map { $_ => 1 } $stderr =~ /(ERROR:.*)/g;
	is(join("\n", sort keys %errors), "ERROR:  stopped at \"$point\"", "$point: it was stopped there, and nothing else failed");
	check("$point, error");

	($ret, $stderr) = run_workload("$point:crash");
	is($ret, 2, "$point: the server was killed") and start_again($node);
	check("$point, crash");
}

# Nothing is left behind that keeps the same work from succeeding.
my ($ret, $stderr) = run_workload('');
is("$ret$stderr", '0', 'the workload runs to its end');
check('at the end');
log_is_clean($node, killed => 1);
$node->stop;
done_testing();

# Many sessions at a graph at once: no row is lost, none is found twice, no statement fails, and every node can be reached.
#
# So that they meet at more than the few places that chance and two processors bring about, one session after the other
# is stopped wherever it is, for long enough that the others change the pages that it has just read.
use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

use GraphData;
use IvfData;
use Server;

my $node = new_server('main', settings => <<'CONF');
shared_buffers = 16MB
synchronous_commit = off
max_parallel_maintenance_workers = 0
CONF
prepare_graphs($node);

my $state = 12;
sub hold_up
{
	my ($times) = @_;
	my (undef, $sessions) = $node->psql('postgres', "SELECT pid FROM pg_stat_activity WHERE application_name = 'pgbench'");
	my @sessions = split /\n/, $sessions // '';
	usleep(10_000) unless @sessions;
	for (1 .. $times)
	{
		last unless @sessions;
		my $session = $sessions[ draw(\$state, scalar @sessions) ];
		kill('STOP', $session) or last;
		usleep(8_000);
		kill('CONT', $session);
		usleep(1_000);
	}
	return;
}

# Runs scripts by so many clients until each has done so many transactions; any error of a client fails the test.
my $number = 0;
my $scripts = PostgreSQL::Test::Utils::tempdir();
sub bench
{
	my ($name, $clients, $transactions, %weighted) = @_;
	my @files;
	for my $script (sort keys %weighted)
	{
		my $file = "$scripts/" . ++$number . '.sql';
		append_to_file($file, "$script\n");
		push @files, '-f', "$file\@$weighted{$script}";
	}
	my ($output, $error);
	my $run = IPC::Run::start([ 'pgbench', '-n', '-c', $clients, '-j', 2, '-t', $transactions, '--random-seed', 99, @files,
			$node->connstr('postgres') ], '>', \$output, '2>', \$error);
	while ($run->pumpable)
	{
		hold_up(20);
		$run->pump_nb;
	}
	my $ok = $run->finish;
	ok($ok && $error !~ /ERROR|aborted/, "$name: no client failed") or diag($error);
	return;
}

# The first rows ------------------------------------------------------------------------------------------------------
#
# Into an index in which there is nothing that a search could start from, by all sessions at the same time; then all of
# them are taken out and the first rows come once more.

$node->safe_psql('postgres', <<'SQL');
CREATE SEQUENCE ids;
CREATE TABLE fresh (id int, v vector(10));
CREATE INDEX fresh_l2 ON fresh USING hnsw (v vector_l2_ops) WITH (m = 4, ef_construction = 16);
SQL
for my $round (1 .. 8)
{
	$node->safe_psql('postgres', $round % 2 ? 'TRUNCATE fresh' : 'DELETE FROM fresh');
	$node->safe_psql('postgres', 'VACUUM (INDEX_CLEANUP on, TRUNCATE off) fresh');
	$node->safe_psql('postgres', q{SELECT setval('ids', 1, false)});
	bench("first rows, $round", 8, 3, "INSERT INTO fresh SELECT id, point(id::int, 10) FROM nextval('ids') id;" => 1);
	is($node->safe_psql('postgres', 'SELECT count(*), max(id) FROM fresh'), '24|24', "first rows, $round: all are there");
	graph_is($node, "first rows, $round", 'fresh', '<->', 'point(-1, 10)');
	graphs_ok($node, "first rows, $round", 'fresh_l2');
}

# Inserts alone -------------------------------------------------------------------------------------------------------
#
# Rows near each other, whose neighbours are the same and soon full; rows of which a page holds few; rows that are equal.

$node->safe_psql('postgres', <<'SQL');
CREATE TABLE t (id int, v vector(10));
CREATE INDEX t_l2 ON t USING hnsw (v vector_l2_ops) WITH (m = 4, ef_construction = 16);
INSERT INTO t SELECT nextval('ids'), point(i, 10) FROM generate_series(1, 200) i;
CREATE INDEX t_cosine ON t USING hnsw (v vector_cosine_ops);
CREATE SEQUENCE wide_ids;
CREATE TABLE wide (id int, v vector(1200));
CREATE INDEX wide_ip ON wide USING hnsw (v vector_ip_ops);
CREATE TABLE wide_source AS SELECT i, point(i, 1200) AS v FROM generate_series(1, 100) i;
SQL
my $before = $node->safe_psql('postgres', 'SELECT count(*) FROM t');
$node->safe_psql('postgres', "SELECT setval('ids', 1000)");
bench('inserts', 8, 100,
	"INSERT INTO t SELECT id, point(id::int, 10) FROM nextval('ids') id;" => 6,
	"INSERT INTO t SELECT nextval('ids'), point(i, 10) + array_fill(random() * 0.001, ARRAY[10])::vector FROM generate_series(1, 10) i;" => 2,
	"INSERT INTO t SELECT nextval('ids'), point(7, 10) FROM generate_series(1, 12) i;" => 2,
	"INSERT INTO t SELECT nextval('ids'), CASE i % 2 WHEN 0 THEN array_fill(0, ARRAY[10])::vector END FROM generate_series(1, 10) i;" => 1,
	"\\set i random(1, 100)\nINSERT INTO wide SELECT nextval('wide_ids'), v FROM wide_source WHERE i = :i;" => 1);
is($node->safe_psql('postgres', "SELECT count(*) - $before = max(id) - 1000 FROM t"), 't', 'every row is there');
graph_is($node, 'after inserts', 't', $_, 'point(-1, 10)') for '<->', '<=>';
graph_is($node, 'after inserts', 'wide', '<#>', 'point(-1, 1200)');
graphs_ok($node, 'after inserts', qw(t_l2 t_cosine wide_ip));

# Everything at once ---------------------------------------------------------------------------------------------------
#
# Queries see a row once, however it is updated and however often vacuum comes by: the rows with an id below 100 only
# change, and every query must find all of them, once each. Nodes are freed under searches that remember them.

$node->safe_psql('postgres', <<'SQL');
DELETE FROM t WHERE id < 100;
INSERT INTO t SELECT i, point(i, 10) FROM generate_series(1, 99) i;
CREATE INDEX t_id ON t (id);
SQL
bench('everything', 8, 50,
	"\\set i random(1, 99)\nUPDATE t SET v = point(:i + 1000 * (random() * 1000)::int, 10) WHERE id = :i;" => 6,
	"INSERT INTO t SELECT nextval('ids'), point(i, 10) FROM generate_series(1, 20) i;" => 4,
	"\\set i random(100, 5000)\nDELETE FROM t WHERE id BETWEEN :i AND :i + 100;" => 4,
	"VACUUM (INDEX_CLEANUP on) t;" => 3,
	"VACUUM (INDEX_CLEANUP on) wide;" => 1,
	"\\set i random(1, 100)\nINSERT INTO wide SELECT nextval('wide_ids'), v FROM wide_source WHERE i = :i;" => 1,
	"\\set i random(1, 5)\nDELETE FROM wide WHERE id % 5 = :i;" => 1,
	"SELECT annex_verify('t_cosine');" => 1,
	"SELECT count(*) FROM annex_index_info('t_l2');" => 1,
	"REINDEX INDEX t_cosine;" => 1,
	join("\n", 'SET enable_seqscan = off;', 'SET enable_bitmapscan = off;', 'SET enable_sort = off;',
		"SELECT 1 / (count(*) = 99 AND count(DISTINCT id) = 99)::int FROM (SELECT id FROM t ORDER BY v <-> point(-1, 10) OFFSET 0) s WHERE id < 100;",
		"SELECT 1 / (count(*) = 99 AND count(DISTINCT id) = 99)::int FROM (SELECT id FROM t ORDER BY v <=> point(-1, 10) OFFSET 0) s WHERE id < 100;",
		"SELECT count(*) FROM (SELECT id FROM t ORDER BY v <-> point(-1, 10) LIMIT 10) s;") => 6);
graph_is($node, 'after everything', 't', $_, 'point(-1, 10)') for '<->', '<=>';
graph_is($node, 'after everything', 'wide', '<#>', 'point(-1, 1200)');
graphs_ok($node, 'after everything', qw(t_l2 t_cosine wide_ip));
$node->safe_psql('postgres', 'VACUUM (INDEX_CLEANUP on) t; ');
graphs_ok($node, 'vacuumed', qw(t_l2 t_cosine));
log_is_clean($node);
unlike(slurp_file($node->logfile), qr/ERROR:/, 'no error');
$node->stop;
done_testing();

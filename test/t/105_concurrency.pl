# Many sessions at once: no row is lost, none is found twice, no statement fails.
#
# So that they meet at more than the few places that chance and two processors bring about, one session after the other
# is stopped wherever it is, for long enough that the others fill the page that it has just chosen.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

use IvfData;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', <<'CONF');
shared_buffers = 16MB
synchronous_commit = off
autovacuum_naptime = 1s
restart_after_crash = on
max_parallel_maintenance_workers = 0
CONF
$node->start;
prepare($node);

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

# Inserts alone -------------------------------------------------------------------------------------------------------
#
# Into an index of one list, where all meet on one page, and into others; rows of which a page of a list holds few, so
# that it is full often; rows with a vector and without; rows of two pages. Ids are drawn from a sequence, so that each is there once.

$node->safe_psql('postgres', <<'SQL');
CREATE SEQUENCE ids;
CREATE TABLE t (id int, v vector(10));
CREATE INDEX t_l2 ON t USING ivf (v vector_l2_ops);
INSERT INTO t SELECT nextval('ids'), point(i, 10) FROM generate_series(1, 200) i;
CREATE INDEX t_cosine ON t USING ivf (v vector_cosine_ops) WITH (lists = 5, spill = on);
-- Wide in the index alone, so that most of the time goes there.
CREATE SEQUENCE medium_ids;
CREATE TABLE medium (id int, v real);
CREATE INDEX medium_l2 ON medium USING ivf ((array_fill(v, ARRAY[4000])::vector(4000)) vector_l2_ops);
CREATE SEQUENCE wide_ids;
CREATE TABLE wide (id int, v vector(9000));
CREATE INDEX wide_ip ON wide USING ivf (v vector_ip_ops) WITH (spill = on);
SQL
bench('inserts', 8, 120,
	"INSERT INTO t SELECT id, point(id::int, 10) FROM nextval('ids') id;" => 6,
	"INSERT INTO t SELECT nextval('ids'), point(i, 10) FROM generate_series(1, 10) i;" => 2,
	"INSERT INTO t SELECT nextval('ids'), CASE i % 2 WHEN 0 THEN array_fill(0, ARRAY[10])::vector END FROM generate_series(1, 100) i;" => 1,
	"INSERT INTO wide SELECT id, point(id::int, 9000) FROM nextval('wide_ids') id;" => 1);
# The one list of an empty index again and again: its last page is everybody's, and soon full.
for my $round (1 .. 4)
{
	$node->safe_psql('postgres', "TRUNCATE medium; SELECT setval('medium_ids', 1, false)");
	bench("inserts into pages that are soon full, $round", 8, 60,
		"INSERT INTO medium SELECT nextval('medium_ids'), sin(i) FROM generate_series(1, 20) i;" => 1);
	verify_ok($node, "soon full, $round", 'medium_l2');
}
my $expected = $node->safe_psql('postgres', "SELECT last_value, last_value FROM ids");
my $expected_medium = $node->safe_psql('postgres', "SELECT last_value, last_value FROM medium_ids");
my $expected_wide = $node->safe_psql('postgres', "SELECT last_value, last_value FROM wide_ids");
for my $operator ('<->', '<=>')
{
	is($node->safe_psql('postgres', "SET enable_seqscan = off;
		SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM t ORDER BY v $operator point(-1, 10) OFFSET 0) s"),
		$expected, "each row is once in the index of $operator");
	compare_is($node, 'after inserts', 't', $operator, 'point(-1, 10)');
}
is($node->safe_psql('postgres', "SET enable_seqscan = off; SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM medium
		ORDER BY array_fill(v, ARRAY[4000])::vector(4000) <-> point(-1, 4000) OFFSET 0) s"),
	$expected_medium, 'each row of medium width is once in its index');
is($node->safe_psql('postgres', "SET enable_seqscan = off;
	SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM wide ORDER BY v <#> point(-1, 9000) OFFSET 0) s"),
	$expected_wide, 'each wide row is once in its index');
verify_ok($node, 'after inserts', qw(t_l2 t_cosine medium_l2 wide_ip));

# Everything at once ---------------------------------------------------------------------------------------------------
#
# Queries see a row once, however it is updated and however often vacuum comes by: the rows with an id below 100 only
# change, and every query must find all of them, once each, with the vector it has in the table.

$node->safe_psql('postgres', 'CREATE INDEX t_id ON t (id)');
bench('everything', 8, 60,
	"\\set i random(1, 99)\nUPDATE t SET v = point(:i + 1000 * (random() * 1000)::int, 10) WHERE id = :i;" => 6,
	"INSERT INTO t SELECT nextval('ids'), point(i, 10) FROM generate_series(1, 20) i;" => 4,
	"\\set i random(100, 3000)\nDELETE FROM t WHERE id BETWEEN :i AND :i + 60;" => 4,
	"VACUUM (INDEX_CLEANUP on) t;" => 2,
	"SELECT annex_verify('t_cosine');" => 1,
	"SELECT rows FROM annex_index_info('t_l2');" => 1,
	"REINDEX INDEX t_l2;" => 1,
	join("\n", 'SET enable_seqscan = off;', 'SET enable_bitmapscan = off;',
		"SELECT 1 / (count(*) = 99 AND count(DISTINCT id) = 99)::int FROM (SELECT id FROM t ORDER BY v <-> point(-1, 10) OFFSET 0) s WHERE id < 100;",
		"SELECT 1 / (count(*) = 99 AND count(DISTINCT id) = 99)::int FROM (SELECT id FROM t ORDER BY v <=> point(-1, 10) OFFSET 0) s WHERE id < 100;",
		"SELECT count(*) FROM (SELECT id FROM t ORDER BY v <-> point(-1, 10) LIMIT 10) s;") => 6);
compare_is($node, 'after everything', 't', $_, 'point(-1, 10)') for '<->', '<=>';
verify_ok($node, 'after everything', qw(t_l2 t_cosine medium_l2 wide_ip));
# TRUNCATE sends autovacuum away.
unlike(slurp_file($node->logfile), qr/ERROR:(?!  canceling autovacuum task)|PANIC|TRAP|terminated by signal/,
	'no error, no crash');
$node->stop;
done_testing();

# The server dies again and again while many write: by kill -9 of one of its processes, or at once. After each recovery
# the index is sound, holds every row of the table and answers as sorting does.
#
# Commits do not wait for the log, so that recovery ends at any record, in the middle of a statement's changes too.
# To try longer: ANNEX_CRASH_ROUNDS=100
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

use IvfData;

my $rounds = $ENV{ANNEX_CRASH_ROUNDS} || 9;
my $state = 4711;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => ['--data-checksums']);
$node->append_conf('postgresql.conf', <<'CONF');
synchronous_commit = off
wal_writer_delay = 10ms
shared_buffers = 4MB
autovacuum = off
restart_after_crash = off
max_parallel_maintenance_workers = 0
CONF
$node->start;
prepare($node);
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE t (id serial, v vector(24), n int DEFAULT 0);
CREATE INDEX t_id ON t (id);
CREATE INDEX t_empty ON t USING ivf (v vector_ip_ops) WITH (spill = on);
INSERT INTO t (v) SELECT point(i, 24) FROM generate_series(1, 500) i;
CREATE INDEX t_l2 ON t USING ivf (v vector_l2_ops) WITH (lists = 4, spill = on);
CREATE INDEX t_cosine ON t USING ivf (v vector_cosine_ops) WITH (lists = 10, spill = off);
-- rows of two pages, and none
CREATE TABLE wide (id serial, v vector(9000));
CREATE INDEX wide_l2 ON wide USING ivf (v vector_l2_ops) WITH (spill = on);
INSERT INTO wide (v) SELECT point(i, 9000) FROM generate_series(1, 5) i;
SQL

my $scripts = PostgreSQL::Test::Utils::tempdir();
my %scripts = (
	'insert.sql@12' => "\\set i random(1, 100000)\nINSERT INTO t (v) VALUES (point(:i, 24)), (point(:i + 1, 24));",
	'many.sql@2' => "\\set i random(1, 100000)\nINSERT INTO t (v) SELECT point(:i + j, 24) FROM generate_series(1, 60) j;",
	'side.sql@2' => "INSERT INTO t (v) SELECT CASE j % 3 WHEN 0 THEN NULL WHEN 1 THEN array_fill(0, ARRAY[24])::vector"
	  . " ELSE array_fill(1e-30, ARRAY[24])::vector END FROM generate_series(1, 300) j;",
	'update.sql@4' => "\\set i random(1, 10000)\nUPDATE t SET v = point(:i, 24), n = n + 1 WHERE id BETWEEN :i AND :i + 10;",
	'hot.sql@2' => "\\set i random(1, 10000)\nUPDATE t SET n = n + 1 WHERE id = :i;",
	'delete.sql@4' => "\\set i random(1, 10000)\nDELETE FROM t WHERE id BETWEEN :i AND :i + 200;",
	'rollback.sql@2' => "\\set i random(1, 100000)\nBEGIN;\nINSERT INTO t (v) SELECT point(:i + j, 24) FROM generate_series(1, 20) j;\nROLLBACK;",
	'vacuum.sql@2' => "VACUUM (INDEX_CLEANUP on, TRUNCATE off) t;",
	'wide.sql@2' => "\\set i random(1, 100000)\nINSERT INTO wide (v) VALUES (point(:i, 9000));",
	'wide_vacuum.sql@1' => "DELETE FROM wide WHERE id % 3 = 0;\nVACUUM (INDEX_CLEANUP on, TRUNCATE off) wide;",
	'reindex.sql@1' => "REINDEX INDEX CONCURRENTLY t_cosine;",
	'checkpoint.sql@1' => "CHECKPOINT;",
	'select.sql@4' => "SET enable_seqscan = off;\nSELECT count(*) FROM (SELECT id FROM t ORDER BY v <-> point(-1, 24) LIMIT 100) s;");
my @scripts;
for my $name (sort keys %scripts)
{
	my ($file) = $name =~ /(.*)@/;
	append_to_file("$scripts/$file", "$scripts{$name}\n");
	push @scripts, '-f', "$scripts/$name";
}

# Processes of the server that write to its files.
sub victims
{
	return split /\n/, $node->safe_psql('postgres', q{
		SELECT pid FROM pg_stat_activity
			WHERE application_name = 'pgbench' OR backend_type IN ('checkpointer', 'background writer', 'walwriter')});
}

my $killed = 0;
for my $round (1 .. $rounds)
{
	my $output = '';
	my $pgbench = IPC::Run::start(
		[ 'pgbench', '-n', '-c', '6', '-j', '1', '-T', '120', '--random-seed', 1000 + $round, @scripts, $node->connstr('postgres') ],
		'>', \$output, '2>', \$output);
	usleep(200_000 + draw(\$state, 900_000));
	my @victims = $round % 3 == 0 ? () : victims();
	if (@victims)
	{
		my $victim = $victims[ draw(\$state, scalar @victims) ];
		kill 'KILL', $victim;
		$killed++;
		# the server ends when it sees that one of its processes has died
		for (1 .. 6000)
		{
			last unless -e $node->data_dir . '/postmaster.pid';
			usleep(10_000);
		}
		$node->stop('fast', fail_ok => 1);    # it has gone already
	}
	else
	{
		$node->stop('immediate');
	}
	$pgbench->finish;
	$node->start;

	verify_ok($node, "round $round", qw(t_empty t_l2 wide_l2));
	compare_is($node, "round $round", 't', '<->', "point($round, 24)");
	compare_is($node, "round $round", 'wide', '<->', "point($round, 9000)");
	if ($round % 3 == 1)
	{
		# What an interrupted REINDEX left behind
		my @left = split /\n/, $node->safe_psql('postgres', q{
			SELECT indexrelid::regclass FROM pg_index WHERE indrelid = 't'::regclass AND indexrelid::regclass::text LIKE '%cc%'});
		$node->safe_psql('postgres', "DROP INDEX $_") for @left;
		compare_is($node, "round $round", 't', '<#>', "point($round, 24)");
		compare_is($node, "round $round", 't', '<=>', "point($round, 24)");
		verify_ok($node, "round $round", 't_cosine');
	}
	if ($round % 4 == 0)
	{
		# What dead rows and interrupted changes have left is cleared away
		$node->safe_psql('postgres', 'VACUUM (INDEX_CLEANUP on) t');
		$node->safe_psql('postgres', 'VACUUM (INDEX_CLEANUP on) wide');
		is($node->safe_psql('postgres', q{SELECT count(*) = rows + first_rows + nan_rows + null_rows, stale_entries
			FROM t, annex_index_info('t_l2') i GROUP BY i.rows, i.first_rows, i.nan_rows, i.null_rows, i.stale_entries}),
			't|0', "round $round: vacuum leaves one place for each row");
		verify_ok($node, "round $round, vacuumed", qw(t_empty t_l2 wide_l2));
		# so that a round does not last longer than the one before
		$node->safe_psql('postgres', 'DELETE FROM t WHERE id % 4 <> 0');
	}
}
cmp_ok($killed, '>', 0, 'processes were killed');
my $log = slurp_file($node->logfile);
unlike($log, qr/PANIC|TRAP|invalid page|signal (?!9:)/, 'nothing else crashed');
unlike($log, qr/ERROR:  (?!deadlock detected)/, 'and no statement failed');
$node->stop;
system_or_bail('pg_checksums', '--check', '--pgdata', $node->data_dir);
done_testing();

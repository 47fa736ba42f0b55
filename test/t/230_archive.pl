# Copies of a server that is written to all the time: a standby that compares every page that it replays with the
# primary's and is promoted in the middle, a recovery to a point in time, a base backup. In each the indexes are sound,
# have every row and answer as sorting does, and go on working.
use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

use IvfData;

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1, has_archiving => 1, extra => ['--data-checksums']);
$primary->append_conf('postgresql.conf', <<'CONF');
autovacuum = off
wal_consistency_checking = all
max_parallel_maintenance_workers = 2
min_parallel_table_scan_size = 0
max_standby_streaming_delay = -1
synchronous_commit = off
wal_keep_size = 2GB
CONF
$primary->start;
prepare($primary);
$primary->safe_psql('postgres', <<'SQL');
CREATE TABLE t (id bigserial, v vector(24), n int DEFAULT 0) WITH (parallel_workers = 2);
CREATE INDEX t_id ON t (id);
CREATE INDEX t_empty ON t USING ivf (v vector_ip_ops) WITH (spill = on);
INSERT INTO t (v) SELECT point(i, 24) FROM generate_series(1, 500) i;
CREATE INDEX t_l2 ON t USING ivf (v vector_l2_ops) WITH (lists = 5, spill = on);
CREATE INDEX t_cosine ON t USING ivf (v vector_cosine_ops);
CREATE TABLE wide (id bigserial, v vector(9000));
CREATE INDEX wide_l2 ON wide USING ivf (v vector_l2_ops) WITH (spill = on);
CREATE TABLE wide_source AS SELECT i, point(100 + i, 9000) AS v FROM generate_series(0, 19) i;
CREATE TABLE marks (name text);
SQL
my @indexes = qw(t_empty t_l2 t_cosine wide_l2);

my $folder = PostgreSQL::Test::Utils::tempdir();
my %scripts = (
	'insert.sql@8' => "\\set i random(1, 100000)\nINSERT INTO t (v) VALUES (point(:i, 24)), (point(:i + 1, 24));",
	'many.sql@2' => "\\set i random(1, 100000)\nINSERT INTO t (v) SELECT point(:i + j, 24) FROM generate_series(1, 60) j;",
	'side.sql@1' => 'INSERT INTO t (v) SELECT CASE j % 3 WHEN 0 THEN NULL WHEN 1 THEN array_fill(0, ARRAY[24])::vector'
	  . ' ELSE array_fill(1e-30, ARRAY[24])::vector END FROM generate_series(1, 200) j;',
	'update.sql@3' => "\\set i random(1, 3000)\nUPDATE t SET v = point(:i, 24), n = n + 1 WHERE id BETWEEN :i AND :i + 10;",
	'delete.sql@3' => "\\set i random(1, 3000)\nDELETE FROM t WHERE id BETWEEN :i AND :i + 100;",
	'rollback.sql@1' => "\\set i random(1, 100000)\nBEGIN;\nINSERT INTO t (v) SELECT point(:i + j, 24) FROM generate_series(1, 20) j;\nROLLBACK;",
	'vacuum.sql@2' => 'VACUUM (INDEX_CLEANUP on, TRUNCATE off) t;',
	'wide.sql@2' => "\\set i random(0, 19)\nINSERT INTO wide (v) SELECT v FROM wide_source WHERE i = :i;",
	'wide_vacuum.sql@1' => "DELETE FROM wide WHERE id % 3 = 0;\nVACUUM (INDEX_CLEANUP on, TRUNCATE off) wide;",
	'reindex.sql@1' => 'REINDEX INDEX t_cosine;',
	'maintain.sql@2' => "SELECT annex_maintain('t_l2', true);\nSELECT annex_maintain('t_empty', true);",
	'wide_maintain.sql@1' => "SELECT annex_maintain('wide_l2', true);");
my @scripts;
for my $name (sort keys %scripts)
{
	my ($file) = $name =~ /(.*)@/;
	append_to_file("$folder/$file", "$scripts{$name}\n");
	push @scripts, '-f', "$folder/$name";
}

my ($output, $round) = ('', 0);
sub start_writing
{
	$output = '';
	return IPC::Run::start([ 'pgbench', '-n', '-c', '4', '-j', '1', '-t', $_[0], '--random-seed', ++$round, @scripts,
			$primary->connstr('postgres') ], '<', '/dev/null', '>', \$output, '2>', \$output);
}

# Deadlocks among updates of the same rows are theirs to bear.
sub finish_writing
{
	my ($writing, $name) = @_;
	$writing->finish;
	my @errors = grep { !/deadlock/ } $output =~ /(?:ERROR|FATAL|PANIC):.*/g;
	is(join("\n", @errors), '', "$name: no writer failed");
	return;
}

sub check_exact
{
	my ($node, $name) = @_;
	verify_ok($node, $name, @indexes);
	compare_is($node, $name, 't', $_, 'point(-1, 24)') for '<->', '<#>', '<=>';
	compare_is($node, $name, 'wide', '<->', 'point(-1, 9000)');
	return;
}

sub use_on
{
	my ($node, $name) = @_;
	$node->safe_psql('postgres', $_) for ('INSERT INTO t (v) SELECT point(i, 24) FROM generate_series(70000, 70300) i',
		'DELETE FROM t WHERE id % 3 = 0', 'VACUUM (INDEX_CLEANUP on) t', 'INSERT INTO wide (v) SELECT v FROM wide_source',
		q{SELECT annex_maintain('t_l2', true)}, 'INSERT INTO t (v) SELECT point(i, 24) FROM generate_series(71000, 71300) i');
	check_exact($node, "$name, used on");
	return;
}

# What both have, compared as a whole.
my $contents = q{SELECT count(*), count(v), sum(n), md5(string_agg(id || ':' || coalesce(v::text, '-'), ',' ORDER BY id)) FROM t};

# The standby begins with a backup that is taken while others write.
my $writing = start_writing(60);
$primary->backup('while_writing');
finish_writing($writing, 'backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'while_writing', has_streaming => 1);
$standby->start;

# A point in time in the middle of writing
$writing = start_writing(100);
usleep(500_000);
$primary->safe_psql('postgres', q{INSERT INTO marks VALUES ('middle'); SELECT pg_create_restore_point('middle')});
finish_writing($writing, 'middle');
$primary->safe_psql('postgres', q{INSERT INTO marks VALUES ('end'); SELECT pg_switch_wal()});

$primary->wait_for_catchup($standby);
is($standby->safe_psql('postgres', $contents), $primary->safe_psql('postgres', $contents), 'the standby has the same rows');
check_exact($standby, 'standby');

# Promoted while the primary is written to: it ends at any record.
$writing = start_writing(60);
usleep(700_000);
$standby->promote;
finish_writing($writing, 'promotion');
check_exact($standby, 'promoted');
use_on($standby, 'promoted');
unlike(slurp_file($standby->logfile), qr/PANIC|FATAL:  inconsistent page|TRAP|terminated by signal/, 'all pages replayed alike');
$standby->stop;

my $restored = PostgreSQL::Test::Cluster->new('restored');
$restored->init_from_backup($primary, 'while_writing', has_restoring => 1, standby => 0);
$restored->append_conf('postgresql.conf', "recovery_target_name = 'middle'\nrecovery_target_action = 'promote'");
$restored->start;
$restored->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()') or BAIL_OUT('recovery does not end');
is($restored->safe_psql('postgres', 'SELECT string_agg(name, $$ $$) FROM marks'), 'middle', 'recovery stopped in the middle');
check_exact($restored, 'recovered to a point in time');
use_on($restored, 'recovered to a point in time');
unlike(slurp_file($restored->logfile), qr/PANIC|FATAL:  inconsistent page|TRAP|terminated by signal/, 'all pages recovered alike');
$restored->stop;
system_or_bail('pg_checksums', '--check', '--pgdata', $restored->data_dir);

# A backup by itself, without a single record beyond its end
$writing = start_writing(60);
usleep(300_000);
$primary->backup('alone');
finish_writing($writing, 'second backup');
my $copy = PostgreSQL::Test::Cluster->new('copy');
$copy->init_from_backup($primary, 'alone');
$copy->start;
check_exact($copy, 'base backup');
$copy->stop;
check_exact($primary, 'primary');
unlike(slurp_file($primary->logfile), qr/PANIC|TRAP|terminated by signal|leaked|still referenced|refcount/, 'no crash, no leak');
$primary->stop;
done_testing();

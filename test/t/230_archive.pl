# Copies of a server that is written to all the time: a standby that compares every page that it replays with the
# primary's and is promoted in the middle, a recovery to a point in time, a base backup. In each the indexes are sound,
# have every row and answer as sorting does, and go on working.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

use IvfData;
use Server;
use Workload;

my $primary = new_primary('primary', init => { has_archiving => 1, extra => ['--data-checksums'] }, settings => <<'CONF');
max_parallel_maintenance_workers = 2
min_parallel_table_scan_size = 0
synchronous_commit = off
wal_keep_size = 2GB
CONF
create_written($primary);
$primary->safe_psql('postgres', 'ALTER TABLE t SET (parallel_workers = 2); CREATE TABLE marks (name text)');

# Four sessions write, each so much.
my $round = 0;
sub start_writing { return start_pgbench($primary, 4, $_[0], ++$round) }

sub use_on
{
	my ($node, $name) = @_;
	$node->safe_psql('postgres', $_) for ('INSERT INTO t (v) SELECT point(i, 24) FROM generate_series(70000, 70300) i',
		'DELETE FROM t WHERE id % 3 = 0', 'VACUUM (INDEX_CLEANUP on) t', 'INSERT INTO wide (v) SELECT v FROM wide_source',
		q{SELECT annex_maintain('t_l2', true)}, 'INSERT INTO t (v) SELECT point(i, 24) FROM generate_series(71000, 71300) i');
	written_ok($node, "$name, used on");
	return;
}

# What both have, compared as a whole.
my $contents = q{SELECT count(*), count(v), sum(n), md5(string_agg(id || ':' || coalesce(v::text, '-'), ',' ORDER BY id)) FROM t};

# The standby begins with a backup that is taken while others write.
my $writing = start_writing(60);
$primary->backup('while_writing');
finish_pgbench($writing, 'backup');
my $standby = standby_of($primary, 'while_writing');

# A point in time in the middle of writing
$writing = start_writing(100);
usleep(500_000);
$primary->safe_psql('postgres', q{INSERT INTO marks VALUES ('middle'); SELECT pg_create_restore_point('middle')});
finish_pgbench($writing, 'middle');
$primary->safe_psql('postgres', q{INSERT INTO marks VALUES ('end'); SELECT pg_switch_wal()});

$primary->wait_for_catchup($standby);
is($standby->safe_psql('postgres', $contents), $primary->safe_psql('postgres', $contents), 'the standby has the same rows');
written_ok($standby, 'standby');

# Promoted while the primary is written to: it ends at any record.
$writing = start_writing(60);
usleep(700_000);
$standby->promote;
finish_pgbench($writing, 'promotion');
written_ok($standby, 'promoted');
use_on($standby, 'promoted');
log_is_clean($standby);
$standby->stop;

my $restored = PostgreSQL::Test::Cluster->new('restored');
$restored->init_from_backup($primary, 'while_writing', has_restoring => 1, standby => 0);
$restored->append_conf('postgresql.conf', "recovery_target_name = 'middle'\nrecovery_target_action = 'promote'");
$restored->start;
$restored->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()') or BAIL_OUT('recovery does not end');
is($restored->safe_psql('postgres', 'SELECT string_agg(name, $$ $$) FROM marks'), 'middle', 'recovery stopped in the middle');
written_ok($restored, 'recovered to a point in time');
use_on($restored, 'recovered to a point in time');
log_is_clean($restored);
$restored->stop;
system_or_bail('pg_checksums', '--check', '--pgdata', $restored->data_dir);

# A backup by itself, without a single record beyond its end
$writing = start_writing(60);
usleep(300_000);
$primary->backup('alone');
finish_pgbench($writing, 'second backup');
my $copy = PostgreSQL::Test::Cluster->new('copy');
$copy->init_from_backup($primary, 'alone');
$copy->start;
written_ok($copy, 'base backup');
$copy->stop;
written_ok($primary, 'primary');
log_is_clean($primary);
$primary->stop;
done_testing();

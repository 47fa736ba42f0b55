# Maintenance stops at each of its points while others insert, update, delete and read, and then goes on: every row is in
# the lists that come, also where these have second copies and the earlier ones had none, or the other way round.
use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use Crash;
use IvfData;
use Server;

my $node = new_server('main', testing => 1);
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE t (id serial, v vector(10));
INSERT INTO t (v) SELECT point(i, 10) FROM generate_series(1, 400) i;
CREATE INDEX t_l2 ON t USING ivf (v vector_l2_ops) WITH (lists = 4, spill = off);
CREATE TABLE source AS SELECT i, point(1000 + i, 10) AS v FROM generate_series(1, 60) i;
SQL
my $resume = $node->data_dir . '/annex_resume';
my $spill = 'off';
# What one maintenance leaves the next one clears away.
for my $point (grep { /^(relist|maintain)-/ && $_ ne 'relist-extent-written' } stop_points($node))
{
	$spill = $spill eq 'on' ? 'off' : 'on';
	unlink $resume;
	my ($out, $err) = ('', '');
	my $script = "SELECT annex_maintain('t_l2', true); UPDATE source SET i = i; ALTER INDEX t_l2 SET (spill = $spill);"
	  . " SET annex.stop_point = '$point:wait'; SELECT annex_maintain('t_l2', true);";
	my $maintenance = IPC::Run::start([ 'psql', '-X', '-A', '-t', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'),
			map { ('-c', $_) } split /; */, $script ], '<', '/dev/null', '>', \$out, '2>', \$err);
	$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Extension'})
	  or BAIL_OUT("nobody stops at $point");
	$node->safe_psql('postgres', $_) for 'INSERT INTO t (v) SELECT v FROM source', 'UPDATE t SET v = point(id + 5, 10) WHERE id % 17 = 3',
	  'DELETE FROM t WHERE id % 7 = 5';
	compare_is($node, "stopped at $point", 't', '<->', 'point(-1, 10)');
	append_to_file($resume, '');
	$maintenance->finish;
	is($err, '', "$point: maintenance goes on");
	compare_is($node, "after $point", 't', '<->', 'point(-1, 10)');
	verify_ok($node, "after $point", 't_l2');
}
$node->stop;
done_testing();

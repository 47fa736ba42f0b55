# Inserts while VACUUM is at work on an index whose maintenance was cut off by a crash in the middle of a list: none
# comes to the pages that were written and never linked, of which the last one names a page that was never written.
use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use Crash;
use IvfData;
use Server;

my $node = new_server('main', testing => 1, settings => 'max_parallel_maintenance_workers = 0');
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE t (id int, v vector(24));
INSERT INTO t SELECT i, point(i, 24) FROM generate_series(1, 6000) i;
CREATE INDEX t_l2 ON t USING ivf (v vector_l2_ops) WITH (lists = 2, spill = off);
SQL

my $resume = $node->data_dir . '/annex_resume';
my $id = 10000;
sub insert_some
{
	my $from = $id + 1;
	$id += 400;
	return "INSERT INTO t SELECT i, point(i, 24) FROM generate_series($from, $id) i";
}

# Some of these pages are the first few of a list.
for my $page (4 .. 8)
{
	my (undef, undef, $error) = $node->psql('postgres',
		"LOAD 'annex'; SET annex.stop_point = 'build-next-page:crash:$page'; SELECT annex_maintain('t_l2', true)");
	wait_until_dead($node);
	start_again($node);
	$node->safe_psql('postgres', "DELETE FROM t WHERE id % 100 = $page");

	my ($out, $vacuum_error) = ('', '');
	my $vacuum = IPC::Run::start([ 'psql', '-XqAt', '-d', $node->connstr('postgres') . ' application_name=vacuum',
			map { ('-c', $_) } "LOAD 'annex'", "SET annex.stop_point = 'vacuum-done:wait'", 'VACUUM (INDEX_CLEANUP on) t' ],
		'<', '/dev/null', '>', \$out, '2>', \$vacuum_error);
	$node->poll_query_until('postgres',
		q{SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Extension' AND application_name = 'vacuum'})
	  or BAIL_OUT('VACUUM does not come to its point');
	(undef, undef, $error) = $node->psql('postgres', insert_some());
	is($error, '', "page $page: inserts find their pages");
	append_to_file($resume, '');
	$vacuum->finish;
	unlink $resume;
	is($vacuum_error, '', "page $page: VACUUM goes on");
}
verify_ok($node, 'in the end', 't_l2');
compare_is($node, 'in the end', 't', '<->', 'point(-1, 24)');
$node->stop;
done_testing();

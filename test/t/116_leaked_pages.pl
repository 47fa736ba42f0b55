# Pages that nobody refers to, after errors and crashes between the extension of an index and the record that would have
# linked its new page: vacuum finds them, and they are used again.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use Crash;
use IvfData;
use Server;

my $node = new_server('main', testing => 1, settings => <<'CONF');
max_parallel_maintenance_workers = 0
restart_after_crash = off
CONF
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE t (id int, v vector(10));
INSERT INTO t SELECT i, point(i, 10) FROM generate_series(1, 500) i;
CREATE INDEX t_l2 ON t USING ivf (v vector_l2_ops) WITH (lists = 2, spill = off);
-- rows and centroids of two pages
CREATE TABLE wide (id int, v vector(9000));
INSERT INTO wide SELECT i, point(i, 9000) FROM generate_series(1, 12) i;
CREATE INDEX wide_l2 ON wide USING ivf (v vector_l2_ops) WITH (lists = 3, spill = off);
SQL

sub info { my ($index, $columns) = @_; return $node->safe_psql('postgres', "SELECT $columns FROM annex_index_info('$index')") }

# A statement ends at a point in one way or another.
sub stopped_at
{
	my ($stop, $statement) = @_;
	my ($ret, undef, $stderr) = $node->psql('postgres', "LOAD 'annex';\nSET annex.stop_point = '$stop';\n$statement");
	isnt($ret, 0, "it ends: $stop");
	start_again($node) if $stop =~ /crash/;
	return;
}

my $insert = 'INSERT INTO t SELECT i, point(i, 10) FROM generate_series(1001, 2000) i';
for my $action (qw(error crash))
{
	stopped_at("extend-new-page:$action", $insert);
	is(info('t_l2', 'other_pages'), 1, "$action: there is a page of zeros");
	$node->safe_psql('postgres', 'DELETE FROM t WHERE id % 10 = ' . length $action);
	$node->safe_psql('postgres', 'VACUUM (INDEX_CLEANUP on) t');
	is(info('t_l2', 'other_pages, free_pages > 0'), '0|t', "$action: vacuum makes it a free one");
	verify_ok($node, $action, 't_l2');
	$node->safe_psql('postgres', 'INSERT INTO t SELECT i, point(i, 10) FROM generate_series(3001, 4500) i');
	is(info('t_l2', 'free_pages'), 0, "$action: and used again");
}

# The second page of a centroid has been written and the first one has not.
for my $action (qw(error crash))
{
	for my $n (1, 3)
	{
		stopped_at("build-tail-written:$action:$n", q{SELECT annex_maintain('wide_l2', true)});
		$node->safe_psql('postgres', $_) for q{SELECT annex_maintain('wide_l2')}, 'SELECT pg_current_xact_id()', q{SELECT annex_maintain('wide_l2')};
		is(info('wide_l2', 'row_pages - 2 * (rows + lists), other_pages'), '0|0', "$action, $n: no page is left over");
		verify_ok($node, "$action, $n", 'wide_l2');
	}
}
$node->safe_psql('postgres', $_) for q{SELECT annex_maintain('wide_l2', true)}, $insert;
compare_is($node, 'at the end', 't', '<->', 'point(-5, 10)');
compare_is($node, 'at the end', 'wide', '<->', 'point(-5, 9000)');
verify_ok($node, 'at the end', 't_l2', 'wide_l2');
log_is_clean($node, killed => 1);
$node->stop;
done_testing();

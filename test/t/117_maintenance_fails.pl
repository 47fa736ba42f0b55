# Maintenance that cannot succeed does not keep vacuum from its work for ever, and one that has ended in its middle does
# not cost inserts anything for long.
use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use IvfData;
use Server;

my $node = new_server('main', testing => 1, settings => <<'CONF');
max_parallel_maintenance_workers = 0
maintenance_work_mem = 2MB
CONF
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE t (id int, v vector(10));
INSERT INTO t SELECT i, point(i, 10) FROM generate_series(1, 1000) i;
CREATE INDEX t_l2 ON t USING ivf (v vector_l2_ops);
INSERT INTO t SELECT i, point(i, 10) FROM generate_series(1001, 30000) i;
SQL

sub info { my ($column) = @_; return $node->safe_psql('postgres', "SELECT $column FROM annex_index_info('t_l2')") }
my $few = info('lists');
my $vacuum = 'VACUUM t';

# What would take more temporary files than allowed is left alone by vacuum, and fails where somebody asks for it.
my $limit = "SET temp_file_limit = '100kB';";
my ($ret, $out, $err) = $node->psql('postgres', "$limit\n$vacuum");
is($ret, 0, 'vacuum comes to its end');
like($err, qr/WARNING:  lists of index "t_l2" are not replaced.*temp_file_limit/s, 'and says what it has left');
is(info('lists'), $few, 'the lists are as before');
is(info('maintenance_due'), 't', 'and have been due');
($ret, $out, $err) = $node->psql('postgres', "$limit SELECT annex_maintain('t_l2')");
like($err, qr/temporary file size exceeds/, 'maintenance fails where it is asked for');
is(info('being_replaced'), 't', 'in its middle');

# After a failure vacuum lets it be for a while, and at last it succeeds.
($ret, $out, $err) = $node->psql('postgres', 'VACUUM (VERBOSE) t');
like($err, qr/INFO:  lists of index "t_l2" are not maintained/, 'vacuum says what it does not do');
is(info('being_replaced'), 'f', 'vacuum clears away what was left');
is(info('lists'), $few, 'and nothing else at first');
my $fails = "LOAD 'annex'; SET annex.stop_point = 'relist-before-switch:error';";
my @failed;
for my $i (1 .. 6)
{
	($ret) = $node->psql('postgres', "$fails\n$vacuum");
	push @failed, $ret;
}
is("@failed", '3 0 0 0 3 0', 'of the next vacuums ever fewer fail');
my $vacuums = 0;
($ret, $out, $err) = $node->psql('postgres', $vacuum), $vacuums++ while info('lists') == $few && $vacuums < 6;
is("$vacuums $ret $err", '6 0 ', 'also when there is no reason to fail any more');
($ret, $out, $err) = $node->psql('postgres', 'VACUUM VERBOSE t');
like($err, qr/INFO:  index "t_l2" now has \d\d+ lists in place of $few\n.*30000 rows/, 'lists are made at last, and vacuum says so');
cmp_ok(info('lists'), '>', 2 * $few, 'as many as are due');
is($node->psql('postgres', "$fails\nINSERT INTO t SELECT i, point(i, 10) FROM generate_series(30001, 80000) i; $vacuum"), 3,
	'once more, rows come and vacuum fails');
is(info('being_replaced'), 't', 'in its middle');

# The first insert that comes then, and one that has begun before, no longer serve what nobody builds.
$node->safe_psql('postgres', 'INSERT INTO t VALUES (0, point(0, 10))');
is(info('being_replaced'), 'f', 'an insert ends what is pending');
my $maintenance = IPC::Run::start([ 'psql', '-XqAt', '-d', $node->connstr('postgres'), map { ('-c', $_) } "LOAD 'annex'",
		"SET annex.stop_point = 'relist-announced:wait'", q{SELECT annex_maintain('t_l2', true)} ],
	'<', '/dev/null', '>', \$out, '2>', \$err);
my $waiting = "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Extension'";
$node->poll_query_until('postgres', $waiting) or BAIL_OUT('maintenance does not stop');
$node->safe_psql('postgres', 'INSERT INTO t VALUES (-1, point(-1, 10))');
is(info('being_replaced'), 't', 'but not what somebody builds');
$node->safe_psql('postgres', <<'SQL');
CREATE FUNCTION id_after_end(i int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
	IF i = 90100 THEN
		PERFORM pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE wait_event_type = 'Extension';
	END IF;
	RETURN i;
END $$;
INSERT INTO t SELECT id_after_end(i), point(i, 10) FROM generate_series(90001, 90600) i;
SQL
$maintenance->finish;
is(info('being_replaced'), 'f', 'nor for the length of a statement');
verify_ok($node, 'served and not', 't_l2');
compare_is($node, 'served and not', 't', '<->', 'point(-5, 10)', 2000);
$node->safe_psql('postgres', $vacuum) for 1 .. 40;
cmp_ok(info('lists'), '>', 2 * $few, 'and there are new lists in the end');
verify_ok($node, 'at the end', 't_l2');
compare_is($node, 'at the end', 't', '<->', 'point(-5, 10)', 2000);
log_is_clean($node);
$node->stop;
done_testing();

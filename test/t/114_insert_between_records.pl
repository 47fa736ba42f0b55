# An insert that needs two records, since maintenance is under way, and between them stands still while the lists are
# replaced another time: each row comes into each of its lists once.
use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use IvfData;
use Server;

my $node = new_server('main', testing => 1, settings => 'max_parallel_maintenance_workers = 0');
# Rows of two pages: with two lists in each of two generations a row takes six pages, and a record four.
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE t (id int, v vector(9000));
INSERT INTO t SELECT i, point(i, 9000) FROM generate_series(1, 40) i;
CREATE INDEX t_l2 ON t USING ivf (v vector_l2_ops) WITH (lists = 4, spill = on);
SQL
my $resume = $node->data_dir . '/annex_resume';

# A session that waits at a stop point; its process can be held for as long as others go on.
sub stopped_at
{
	my ($point, $statement) = @_;
	my %session = (out => '', err => '', name => $point);
	$session{run} = IPC::Run::start([ 'psql', '-XqAt', '-d', $node->connstr("postgres") . " application_name=$point",
			map { ('-c', $_) } "LOAD 'annex'", "SET annex.stop_point = '$point:wait'", $statement ],
		'<', '/dev/null', '>', \$session{out}, '2>', \$session{err});
	$node->poll_query_until('postgres',
		"SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Extension' AND application_name = '$point'")
	  or BAIL_OUT("nobody stops at $point");
	$session{pid} = $node->safe_psql('postgres', "SELECT pid FROM pg_stat_activity WHERE application_name = '$point'");
	return \%session;
}

sub finishes
{
	my ($session, $name) = @_;
	$session->{run}->finish;
	return is($session->{err}, '', "$name: $session->{name} goes on");
}

my $maintain = q{SELECT annex_maintain('t_l2', true)};
my $id = 1000;
sub insert_statement { $id++; return "INSERT INTO t VALUES ($id, point($id, 9000))" }

sub entries_are
{
	my ($name) = @_;
	is($node->safe_psql('postgres', q{SELECT entries - 2 * rows FROM annex_index_info('t_l2')}),
		0, "$name: two entries a row");
	verify_ok($node, $name, 't_l2');
	compare_is($node, $name, 't', '<->', 'point(-1, 9000)');
	return;
}

# The generation that the insert began to serve is given up, and another one comes to its end.
my $maintenance = stopped_at('relist-announced', $maintain);
my $insert = stopped_at('insert-after-record', insert_statement());
$node->safe_psql('postgres', "SELECT pg_terminate_backend($maintenance->{pid}, 10000)");
$maintenance->{run}->finish;
$node->safe_psql('postgres', $maintain);
append_to_file($resume, '');
finishes($insert, 'given up');
unlink $resume;
entries_are('given up');

# That generation comes to its end, and the insert goes on when the next one has copied the rows and is still to come.
$maintenance = stopped_at('relist-announced', $maintain);
$insert = stopped_at('insert-after-record', insert_statement());
kill('STOP', $insert->{pid});
append_to_file($resume, '');
finishes($maintenance, 'two on the way');
unlink $resume;
my $next = stopped_at('relist-before-switch', $maintain);
kill('STOP', $next->{pid});
append_to_file($resume, '');
kill('CONT', $insert->{pid});
finishes($insert, 'two on the way');
kill('CONT', $next->{pid});
finishes($next, 'two on the way');
unlink $resume;
entries_are('two on the way');
$node->stop;
done_testing();

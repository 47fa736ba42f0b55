# A campaign of crashes: while many sessions write, vacuum, build, maintain and scan, the server or one of its processes
# is killed, at a random moment or where a session comes to a named point. After each recovery every index is sound, has
# every row of its table and answers as sorting does, and every transaction that was reported as committed is there.
#
#   ANNEX_CRASH_CYCLES=300   how often (make check-crash)
#   ANNEX_CRASH_SEED=...     another plan, or that of an earlier run, which a failure prints
use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

use Crash;
use IvfData;

my $cycles = $ENV{ANNEX_CRASH_CYCLES} || 12;
my $seed = $ENV{ANNEX_CRASH_SEED} || 4711;
my $state = $seed;
note("ANNEX_CRASH_SEED=$seed ANNEX_CRASH_CYCLES=$cycles");

my $node = testing_node('main');
$node->init(extra => ['--data-checksums']);
$node->append_conf('postgresql.conf', <<'CONF');
wal_level = replica
shared_buffers = 4MB
autovacuum = off
restart_after_crash = off
max_parallel_maintenance_workers = 2
min_parallel_table_scan_size = 0
max_worker_processes = 8
max_wal_size = 64MB
wal_writer_delay = 10ms
log_statement = none
CONF
$node->start;
prepare($node);
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE t (id bigserial, v vector(24), n int DEFAULT 0) WITH (parallel_workers = 1);
CREATE INDEX t_id ON t (id);
CREATE INDEX t_empty ON t USING ivf (v vector_ip_ops) WITH (spill = on);
INSERT INTO t (v) SELECT point(i, 24) FROM generate_series(1, 600) i;
CREATE INDEX t_l2 ON t USING ivf (v vector_l2_ops) WITH (lists = 5, spill = on);
CREATE INDEX t_cosine ON t USING ivf (v vector_cosine_ops);
-- rows of two pages
CREATE TABLE wide (id bigserial, v vector(9000));
CREATE INDEX wide_l2 ON wide USING ivf (v vector_l2_ops) WITH (spill = on);
INSERT INTO wide (v) SELECT point(i, 9000) FROM generate_series(1, 4) i;
-- What a client was told to be committed: the number of the last such transaction of each client lies outside.
CREATE TABLE journal (client int, number int, PRIMARY KEY (client, number));
-- Wide vectors are costly to compute here.
CREATE TABLE wide_source AS SELECT i, point(100 + i, 9000) AS v FROM generate_series(0, 19) i;
SQL
my @indexes = qw(t_empty t_l2 t_cosine wide_l2);
my @points = stop_points($node);

# One transaction or statement of each kind; %s is a number drawn at random.
my @work = (
	(('INSERT INTO t (v) VALUES (point(%s, 24)), (point(%s, 24))') x 6),
	(('INSERT INTO t (v) SELECT point(%s + j, 24) FROM generate_series(1, 80) j') x 3),
	(('COPY t (v) FROM stdin') x 2),
	'INSERT INTO t (v) SELECT CASE j % 3 WHEN 0 THEN NULL WHEN 1 THEN array_fill(0, ARRAY[24])::vector'
	  . ' ELSE array_fill(1e-30, ARRAY[24])::vector END FROM generate_series(1, 400) j',
	(('UPDATE t SET v = point(%s, 24), n = n + 1 WHERE id % 97 = %s % 97') x 2),
	'UPDATE t SET n = n + 1 WHERE id % 89 = %s % 89',
	(('DELETE FROM t WHERE id % 13 = %s % 13') x 2),
	'BEGIN; INSERT INTO t (v) SELECT point(%s + j, 24) FROM generate_series(1, 30) j; ROLLBACK',
	'BEGIN; INSERT INTO t (v) VALUES (point(%s, 24)); SAVEPOINT s; INSERT INTO t (v) SELECT point(%s + j, 24)'
	  . ' FROM generate_series(1, 20) j; ROLLBACK TO s; INSERT INTO t (v) VALUES (point(%s, 24)); COMMIT',
	(('INSERT INTO wide (v) SELECT v FROM wide_source WHERE i = %s % 20') x 2),
	'DELETE FROM wide WHERE id % 3 = %s % 3',
	(('VACUUM (INDEX_CLEANUP on, TRUNCATE off) t') x 2),
	'VACUUM (INDEX_CLEANUP on, TRUNCATE off) wide',
	'REINDEX INDEX t_l2', 'REINDEX INDEX wide_l2', 'CHECKPOINT',
	'SELECT count(*) FROM (SELECT id FROM t ORDER BY v <-> point(%s, 24) LIMIT 50) s',
	map({ ("SELECT annex_maintain('$_', true)") x 2 } @indexes));

# What one client does until the server is gone, as a script for psql.
sub script_of
{
	my ($client, $first, $stop) = @_;
	my $script = "SET client_min_messages = error;\nSET enable_seqscan = off;\n";
	$script .= "SET synchronous_commit = " . (draw(\$state, 2) ? 'on' : 'off') . ";\n" if $client > 0;
	$script .= "SET annex.stop_point = '$stop';\n" if $stop;
	my $number = $first;
	# A session that is to come to a point does one of each kind, in any order.
	my %kinds = map { $_ => uniform(\$state) } $stop ? sort { $a cmp $b } @work : ();
	my @kinds = sort { $kinds{$a} <=> $kinds{$b} } keys %kinds;
	for my $i (1 .. 25)
	{
		my $work = $i <= @kinds ? $kinds[ $i - 1 ] : $work[ draw(\$state, scalar @work) ];
		$work =~ s/%s/draw(\$state, 100000)/eg;
		if ($work =~ /^COPY/)
		{
			$script .= "$work;\n" . join("\n", map { '[' . join(',', map { sprintf '%.4g', uniform(\$state) } 1 .. 24) . ']' } 1 .. 20) . "\n\\.\n";
		}
		else
		{
			$script .= "$work;\n";
		}
		# client 0 keeps a journal
		$script .= "BEGIN; INSERT INTO journal VALUES ($client, " . ++$number . "); COMMIT;\n\\echo committed $number\n"
		  if $client == 0 && $work !~ /^SELECT|^CHECKPOINT/;
	}
	return $script;
}

# Processes of the server that write to its files.
sub victims
{
	my (undef, $pids) = $node->psql('postgres', q{SELECT pid FROM pg_stat_activity WHERE application_name = 'campaign'
		OR backend_type IN ('checkpointer', 'background writer', 'walwriter') ORDER BY application_name, backend_start});
	return split /\n/, $pids // '';
}

my $folder = PostgreSQL::Test::Utils::tempdir();
my %killed;
my $journal = 0;
for my $cycle (1 .. $cycles)
{
	# The plan comes first, so that the seed alone decides on it.
	my $way = (qw(point point point server backend immediate))[ draw(\$state, 6) ];
	my $point = $points[ draw(\$state, scalar @points) ];
	my $action = (qw(kill crash panic))[ draw(\$state, 3) ];
	my $stop = $way eq 'point' ? "$point:$action:" . (1 + draw(\$state, draw(\$state, 2) ? 3 : 30)) : '';
	my $pause = 100_000 + draw(\$state, 900_000);
	my $choice = uniform(\$state);
	my @scripts = map { script_of($_, $journal, $_ == 1 ? $stop : '') } 0 .. 4;

	my @outputs = ('') x @scripts;
	my @sessions;
	for my $client (0 .. $#scripts)
	{
		my $file = "$folder/$client.sql";
		unlink $file;
		append_to_file($file, $scripts[$client]);
		push @sessions, IPC::Run::start([ 'psql', '-X', '-q', '-A', '-t', '-f', $file, '-d',
				$node->connstr('postgres') . ' application_name=campaign' ],
			'<', '/dev/null', '>', \$outputs[$client], '2>&1');
	}
	if ($way eq 'point')
	{
		# It comes there, or has nothing left to do.
		$sessions[1]->finish;
	}
	else
	{
		usleep($pause);
	}
	my @victims = $way eq 'backend' ? victims() : ();
	if (@victims)
	{
		kill('KILL', $victims[ int($choice * @victims) ]);
		$killed{backend}++;
		wait_until_dead($node);
	}
	elsif ($way eq 'point' && $outputs[1] =~ /server closed|connection to server was lost|terminating connection/)
	{
		$killed{"point, $action"}++;
		wait_until_dead($node);
	}
	elsif ($way eq 'immediate')
	{
		$node->stop('immediate');
		$killed{immediate}++;
	}
	else
	{
		kill_server($node);
		$killed{server}++;
	}
	$_->finish for @sessions;
	start_again($node);
	my $name = "cycle $cycle, " . ($stop || $way);

	my @failed = grep { !/server closed|terminating connection|connection to server|deadlock detected|the database system is|postmaster exit|PANIC:  stopped at/
		&& !/current transaction is aborted/ } map { /^(?:psql:\S+ )?((?:ERROR|FATAL|PANIC):.*)/mg } @outputs;
	is(join("\n", @failed), '', "$name: nothing else failed");
	verify_ok($node, $name, @indexes);
	compare_is($node, $name, 't', $_, 'point(-1, 24)') for '<->', '<#>', '<=>';
	compare_is($node, $name, 'wide', '<->', 'point(-1, 9000)');
	my @told = $outputs[0] =~ /^committed (\d+)$/mg;
	my $promised = $told[-1] // $journal;
	$journal = $node->safe_psql('postgres', 'SELECT coalesce(max(number), 0) FROM journal');
	cmp_ok($journal, '>=', $promised, "$name: what was committed is there");
	# so that no cycle takes longer than the one before
	$node->safe_psql('postgres', 'DELETE FROM t WHERE v IS NULL OR n > 3 OR id % 4 <> 0; DELETE FROM wide WHERE id % 5 <> 0')
	  if $node->safe_psql('postgres', 'SELECT count(*) > 2500 FROM t') eq 't';
	last unless Test::More->builder->is_passing;
}
note(join ', ', map { "$_: $killed{$_}" } sort keys %killed);
$node->safe_psql('postgres', "VACUUM (INDEX_CLEANUP on) $_") for qw(t wide);
is($node->safe_psql('postgres', q{SELECT count(*) = rows + first_rows + nan_rows + null_rows, stale_entries
	FROM t, annex_index_info('t_l2') i GROUP BY i.rows, i.first_rows, i.nan_rows, i.null_rows, i.stale_entries}),
	't|0', 'vacuum leaves one place for each row');
verify_ok($node, 'at the end', @indexes);
diag("repeat it with ANNEX_CRASH_SEED=$seed ANNEX_CRASH_CYCLES=$cycles") unless Test::More->builder->is_passing;
unlike(slurp_file($node->logfile), qr/TRAP|invalid page|leaked|still referenced|refcount|PANIC:  (?!stopped at)/,
	'nothing else crashed, nothing leaked');
$node->stop;
system_or_bail('pg_checksums', '--check', '--pgdata', $node->data_dir);
done_testing();

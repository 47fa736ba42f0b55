# A campaign of crashes: while many sessions write, vacuum, build, maintain and scan, the server or one of its processes
# is killed, at a random moment or where a session comes to a named point. After each recovery every index is sound, has
# every row of its table and answers as sorting does, and every transaction that was reported as committed is there.
#
#   ANNEX_CRASH_CYCLES=300   how often (make check-crash)
#   ANNEX_CRASH_SEED=...     another plan, or that of an earlier run, which a failure prints
package Campaign;

use strict;
use warnings;

use Exporter 'import';
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

use Crash;
use IvfData;
use Server;

our @EXPORT = qw(run_campaign);

my ($node, $state, @points, %kinds, @work);

# run_campaign(
#   cycles => 16,          unless the environment says otherwise
#   create => sub { },     makes what is written to: a table t (id, v vector(24)) among others
#   points => qr/./,       names of points at which sessions are stopped
#   kinds => { name => [ how often, statements ] },   what sessions do; :i is a number drawn at random
#   sound => sub { },      checks all indexes: ($node, $name)
#   thin_out => $sql,      takes rows away, so that no cycle takes longer than the one before
#   vacuumed => sub { })   checks that vacuum clears away what the crashes have left: ($node, $name)
sub run_campaign
{
	my (%campaign) = @_;
	my $cycles = $ENV{ANNEX_CRASH_CYCLES} || $campaign{cycles};
	my $seed = $ENV{ANNEX_CRASH_SEED} || 4711;
	$state = $seed;
	note("ANNEX_CRASH_SEED=$seed ANNEX_CRASH_CYCLES=$cycles");

	$node = new_server('main', testing => 1, init => { extra => ['--data-checksums'] }, settings => <<'CONF');
wal_level = replica
shared_buffers = 4MB
restart_after_crash = off
max_parallel_maintenance_workers = 2
min_parallel_table_scan_size = 0
max_worker_processes = 8
max_wal_size = 64MB
wal_writer_delay = 10ms
CONF
	$campaign{create}->($node);
	# What a client was told to be committed: the number of the last such transaction of each client lies outside.
	$node->safe_psql('postgres', <<'SQL');
ALTER TABLE t SET (parallel_workers = 1);
CREATE TABLE journal (client int, number int, PRIMARY KEY (client, number));
SQL
	@points = grep { /$campaign{points}/ } stop_points($node);
	%kinds = %{ $campaign{kinds} };
	@work = map { ($kinds{$_}[1]) x $kinds{$_}[0] } sort keys %kinds;

	my %killed;
	my $journal = 0;
	for my $cycle (1 .. $cycles)
	{
		$killed{ break_off($cycle, \$journal, $campaign{sound}) }++;
		$node->safe_psql('postgres', $campaign{thin_out}) if $node->safe_psql('postgres', 'SELECT count(*) > 2500 FROM t') eq 't';
		last unless Test::More->builder->is_passing;
	}
	note(join ', ', map { "$_: $killed{$_}" } sort keys %killed);
	$campaign{vacuumed}->($node, 'at the end');
	diag("repeat it with ANNEX_CRASH_SEED=$seed ANNEX_CRASH_CYCLES=$cycles") unless Test::More->builder->is_passing;
	log_is_clean($node, killed => 1, panic => qr/stopped at/);
	$node->stop;
	system_or_bail('pg_checksums', '--check', '--pgdata', $node->data_dir);
	return;
}

# What one client does until the server is gone, as a script for psql.
sub script_of
{
	my ($client, $first, $stop) = @_;
	my $script = "SET client_min_messages = error;\nSET enable_seqscan = off;\n";
	$script .= "SET synchronous_commit = " . (draw(\$state, 2) ? 'on' : 'off') . ";\n" if $client > 0;
	$script .= "SET annex.stop_point = '$stop';\n" if $stop;
	my $number = $first;
	# A session that is to come to a point does one of each kind, in any order.
	my %order = map { $_ => uniform(\$state) } $stop ? sort keys %kinds : ();
	my @order = sort { $order{$a} <=> $order{$b} } keys %order;
	for my $i (1 .. 26)
	{
		my $work = $i <= @order ? $kinds{ $order[ $i - 1 ] }[1] : $work[ draw(\$state, scalar @work) ];
		$work =~ s/:i/draw(\$state, 100000)/eg;
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

# One cycle: sessions write until the server is gone, and it recovers. Returns how it went.
my $folder;
sub break_off
{
	my ($cycle, $journal, $sound) = @_;
	my $how;
	$folder //= PostgreSQL::Test::Utils::tempdir();
	# The plan comes first, so that the seed alone decides on it.
	my $way = (qw(point point point server backend immediate))[ draw(\$state, 6) ];
	my $point = $points[ draw(\$state, scalar @points) ];
	my $action = (qw(kill crash panic))[ draw(\$state, 3) ];
	my $stop = $way eq 'point' ? "$point:$action:" . (1 + draw(\$state, draw(\$state, 2) ? 3 : 30)) : '';
	my $pause = 100_000 + draw(\$state, 900_000);
	my $choice = uniform(\$state);
	my @scripts = map { script_of($_, $$journal, $_ == 1 ? $stop : '') } 0 .. 4;

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
		$how = 'backend';
		wait_until_dead($node);
	}
	elsif ($way eq 'point' && $outputs[1] =~ /server closed|connection to server was lost|terminating connection/)
	{
		$how = "point, $action";
		wait_until_dead($node);
	}
	elsif ($way eq 'immediate')
	{
		$node->stop('immediate');
		$how = 'immediate';
	}
	else
	{
		kill_server($node);
		$how = 'server';
	}
	$_->finish for @sessions;
	start_again($node);
	my $name = "cycle $cycle, " . ($stop || $way);

	my @failed = grep { !/server closed|terminating connection|connection to server|deadlock detected|the database system is|postmaster exit|PANIC:  stopped at/
		&& !/current transaction is aborted|could not open relation with OID/ } map { /^(?:psql:\S+ )?((?:ERROR|FATAL|PANIC):.*)/mg } @outputs;
	is(join("\n", @failed), '', "$name: nothing else failed");
	# what an interrupted REINDEX CONCURRENTLY left behind
	$node->safe_psql('postgres', "DROP INDEX $_") for split /\n/, $node->safe_psql('postgres',
		q{SELECT indexrelid::regclass FROM pg_index WHERE indexrelid::regclass::text ~ '_cc(new|old)'});
	$sound->($node, $name);
	my @told = $outputs[0] =~ /^committed (\d+)$/mg;
	my $promised = $told[-1] // $$journal;
	$$journal = $node->safe_psql('postgres', 'SELECT coalesce(max(number), 0) FROM journal');
	cmp_ok($$journal, '>=', $promised, "$name: what was committed is there");
	return $how;
}

1;

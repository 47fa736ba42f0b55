# A server whose sessions can be stopped at named points (src/pg/index/stop_point.h), and which is started again after
# it has been killed in one way or another.
package Crash;

use strict;
use warnings;

use Exporter 'import';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

our @EXPORT = qw(testing_node stop_points has_function kill_server wait_until_dead start_again);

# A node that runs the library with stop points.
sub testing_node
{
	my ($name) = @_;
	my $path = $ENV{ANNEX_TESTING_INSTALL} or BAIL_OUT('ANNEX_TESTING_INSTALL is not set: see scripts/check.sh');
	my $node = PostgreSQL::Test::Cluster->new($name, install_path => $path);
	return $node;
}

# The names of all points.
sub stop_points
{
	my ($node) = @_;
	my @points = sort split / /, $node->safe_psql('postgres', q{LOAD 'annex'; SHOW annex.stop_points});
	return @points;
}

sub has_function
{
	my ($node, $signature) = @_;
	return $node->safe_psql('postgres', "SELECT to_regprocedure('$signature') IS NOT NULL") eq 't';
}

# The processes of a server, the postmaster first.
sub processes_of
{
	my ($node) = @_;
	my $data = readlink($node->data_dir) // $node->data_dir;
	my ($postmaster) = split /\n/, slurp_file($node->data_dir . '/postmaster.pid');
	my @pids = grep { (readlink("/proc/$_/cwd") // '') eq $data } map { m{/proc/(\d+)} } glob('/proc/[0-9]*');
	return ($postmaster, grep { $_ != $postmaster } @pids);
}

# SIGKILL for all processes of the server at once.
sub kill_server
{
	my ($node) = @_;
	my @pids = processes_of($node);
	kill('KILL', $_) for @pids;
	wait_until_dead($node);
	return;
}

# Waits until the postmaster has gone, however that came about, and forgets it.
sub wait_until_dead
{
	my ($node) = @_;
	my $postmaster = $node->{_pid};
	for (1 .. 6000)
	{
		if (!defined $postmaster || stopped($postmaster))
		{
			$node->{_pid} = undef;
			return;
		}
		usleep(10_000);
	}
	BAIL_OUT('the server does not die');
	return;
}

# A process that has ended may wait for somebody to take notice.
sub stopped
{
	my ($pid) = @_;
	open(my $stat, '<', "/proc/$pid/stat") or return 1;
	my $line = <$stat> // '';
	close $stat;
	return $line =~ /\) [ZX]/;
}

# Starts a server that has died. Its last processes may still be about to end.
sub start_again
{
	my ($node) = @_;
	wait_until_dead($node);
	for (1 .. 100)
	{
		return if $node->start(fail_ok => 1);
		$node->{_pid} = undef;
		usleep(100_000);
	}
	BAIL_OUT('the server does not start again');
	return;
}

1;

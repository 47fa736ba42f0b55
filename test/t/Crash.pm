# A server that is killed in one way or another and started again, and the named points at which its sessions can be
# stopped (src/pg/index/stop_point.h).
package Crash;

use strict;
use warnings;

use Cwd ();
use Exporter 'import';
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

our @EXPORT = qw(stop_points kill_server wait_until_dead start_again);

# The names of all points.
sub stop_points
{
	my ($node) = @_;
	my @points = sort split / /, $node->safe_psql('postgres', q{LOAD 'annex'; SHOW annex.stop_points});
	return @points;
}

# The processes that work in a server's folder, the postmaster first. Those that have ended and whose end nobody has
# noticed yet work nowhere.
sub processes_of
{
	my ($node) = @_;
	my $data = Cwd::realpath($node->data_dir);
	my $postmaster = $node->{_pid} // 0;
	my @pids = grep { (readlink("/proc/$_/cwd") // '') eq $data } map { m{/proc/(\d+)} } glob('/proc/[0-9]*');
	return sort { ($b == $postmaster) <=> ($a == $postmaster) || $a <=> $b } @pids;
}

# SIGKILL for all processes of the server at once.
sub kill_server
{
	my ($node) = @_;
	kill('KILL', $_) for processes_of($node);
	wait_until_dead($node);
	return;
}

# Waits until all processes of the server have gone, however that came about, and forgets them.
sub wait_until_dead
{
	my ($node) = @_;
	for (1 .. 6000)
	{
		if (!processes_of($node))
		{
			# these may name a process that has ended but is still listed
			unlink $node->data_dir . '/postmaster.pid', $node->host . '/.s.PGSQL.' . $node->port . '.lock';
			$node->{_pid} = undef;
			return;
		}
		usleep(10_000);
	}
	BAIL_OUT('the server does not die');
	return;
}

# Starts a server that has died.
sub start_again
{
	my ($node) = @_;
	wait_until_dead($node);
	$node->start;
	return;
}

1;

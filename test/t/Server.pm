# Servers with the extension, as the tests want them: started, with the functions of IvfData, and autovacuum off unless a
# test asks for it; standbys of them; and what a log must not have in it.
package Server;

use strict;
use warnings;

use Exporter 'import';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use IvfData;

our @EXPORT = qw(new_server new_primary standby_of log_is_clean);

# new_server('main', settings => 'work_mem = 1MB', ...)
#   settings   lines of postgresql.conf
#   testing    true: with the library that has stop points and failing allocations (see Crash.pm)
#   init       arguments of PostgreSQL::Test::Cluster->init
sub new_server
{
	my ($name, %how) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name, installation($how{testing}));
	$node->init(%{ $how{init} // {} });
	$node->append_conf('postgresql.conf', "autovacuum = off\n" . ($how{settings} // ''));
	$node->start;
	prepare($node);
	$node->{annex_testing} = $how{testing};
	return $node;
}

# A server that a standby can follow. Each page that the standby replays is compared with the primary's, builds have no
# workers, and nothing on the primary waits for the standby's snapshots; `settings` may say otherwise.
sub new_primary
{
	my ($name, %how) = @_;
	my $settings = <<'CONF' . ($how{settings} // '');
wal_consistency_checking = all
max_parallel_maintenance_workers = 0
hot_standby_feedback = off
max_standby_streaming_delay = -1
CONF
	return new_server($name, %how, settings => $settings, init => { allows_streaming => 1, %{ $how{init} // {} } });
}

# A standby from a backup taken now, or from one that there is; it has the primary's settings.
sub standby_of
{
	my ($primary, $backup) = @_;
	$primary->backup($backup = 'base') unless $backup;
	my $standby = PostgreSQL::Test::Cluster->new('standby', installation($primary->{annex_testing}));
	$standby->init_from_backup($primary, $backup, has_streaming => 1);
	$standby->start;
	return $standby;
}

sub installation
{
	my ($testing) = @_;
	return () unless $testing;
	my $path = $ENV{ANNEX_TESTING_INSTALL} or BAIL_OUT('ANNEX_TESTING_INSTALL is not set: see scripts/check.sh');
	return (install_path => $path);
}

# No process died of itself, every page was replayed as it was written, nothing was leaked. A test that kills processes
# names what it causes: log_is_clean($node, killed => 1, panic => qr/stopped at/).
sub log_is_clean
{
	my ($node, %but) = @_;
	my @bad = (qr/TRAP/, qr/inconsistent page/, qr/invalid page/, qr/leak: |still referenced|resource was not closed/);
	push @bad, $but{panic} ? qr/PANIC:  (?!$but{panic})/ : qr/PANIC/;
	# a PANIC ends in signal 6
	my $signals = join '|', ($but{killed} ? '9:' : ()), ($but{panic} ? '6:' : ());
	push @bad, $signals ? qr/terminated by signal (?!$signals)/ : qr/terminated by signal/;
	my $bad = join '|', @bad;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return unlike(slurp_file($node->logfile), qr/$bad/, $node->name . ': a clean log');
}

1;

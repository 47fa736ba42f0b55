# Maintenance that is cancelled in the middle of a list: it ends there, what it leaves is the same on the primary and
# on a standby, and vacuum goes over it before it is cleaned up.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use IvfData;
use Server;

my $primary = new_primary('primary', testing => 1, settings => 'checkpoint_timeout = 1h');
my $standby = standby_of($primary);

sub sql { return $primary->safe_psql('postgres', shift) }

sql(<<'SQL');
CREATE TABLE t (id int, v vector(100));
INSERT INTO t SELECT i, point(i, 100) FROM generate_series(1, 6000) i;
CREATE INDEX t_l2 ON t USING ivf (v vector_l2_ops) WITH (lists = 1, spill = off);
SQL
my $size = "SELECT pg_relation_size('t_l2') / 8192";

# At the n-th page that it writes, maintenance waits until it is cancelled, or fails.
sub cancelled_at
{
	my ($n, $action) = @_;
	my ($ret, undef, $stderr) = $primary->psql('postgres', <<"SQL");
LOAD 'annex';
SET annex.stop_point = 'build-next-page:$action:$n';
SET statement_timeout = '300ms';
SELECT annex_maintain('t_l2', true);
SQL
	like($stderr, qr/canceling statement|stopped at/, "maintenance ends at page $n by $action");
	return;
}

# In a list of more than 20 pages.
my $before = sql($size);
cancelled_at(12, 'wait');
my $written = sql($size) - $before;
cmp_ok($written, '<', 20, 'it ends where it is cancelled, though it is in the middle of a list');
verify_ok($primary, 'cancelled', 't_l2');

# Free pages are used next, whose last record is not older than the last checkpoint.
sql("SELECT annex_maintain('t_l2')");
sql("SELECT annex_maintain('t_l2', true)");
sql('SELECT pg_current_xact_id()');
cmp_ok(sql("SELECT pages_freed FROM annex_maintain('t_l2')"), '>', 20, 'pages are freed');
my %action = (12 => 'wait', 16 => 'error', 20 => 'error');
for my $n (sort keys %action)
{
	cancelled_at($n, $action{$n});
	sql("DELETE FROM t WHERE id % 40 = $n");
	sql("INSERT INTO t SELECT i, point(i, 100) FROM generate_series(1000 * $n, 1000 * $n + 100) i");
	sql('VACUUM (INDEX_CLEANUP on) t');
	verify_ok($primary, "cancelled at page $n, vacuumed", 't_l2');
	compare_is($primary, "cancelled at page $n, vacuumed", 't', '<->', 'point(-1, 100)');
}
cancelled_at(15, 'wait');
sql('SELECT pg_current_xact_id()');
is(sql("SELECT lists_made FROM annex_maintain('t_l2', true)"), 1, 'at last it runs to its end');
verify_ok($primary, 'at the end', 't_l2');

# A build that is cancelled ends at once at each page that it writes, those of rows without codes among them.
sql('CREATE TABLE nulls (v vector(10))');
sql('INSERT INTO nulls SELECT CASE WHEN i <= 20 THEN point(i, 10) END FROM generate_series(1, 5000) i');
my $pages = 0;
for (my $ret = 1; $ret != 0 && $pages < 30; $pages++)
{
	my $n = $pages + 1;
	($ret, undef, my $stderr) = $primary->psql('postgres', <<"SQL");
LOAD 'annex';
SET annex.stop_point = 'build-next-page:wait:$n';
SET statement_timeout = '200ms';
CREATE INDEX nulls_l2 ON nulls USING ivf (v vector_l2_ops);
SQL
	like($stderr, qr/^psql:<stdin>:\d: ERROR:  canceling statement/, "a build ends at page $n") if $ret != 0;
}
cmp_ok($pages, '>', 8, 'there were so many pages');

$primary->wait_for_catchup($standby);
verify_ok($standby, 'on the standby', 't_l2');
compare_is($standby, 'on the standby', 't', '<->', 'point(-1, 100)');
log_is_clean($_) for $primary, $standby;
$standby->stop;
$primary->stop;
done_testing();

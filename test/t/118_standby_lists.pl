# A scan on a standby under which the primary replaces the lists, frees the old ones' pages and uses them again: it goes
# on with the new lists, and returns every row once. Nothing on the primary waits for the standby's snapshots.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use IvfData;
use Server;

my $primary = new_primary('primary');
my $standby = standby_of($primary);

$primary->safe_psql('postgres', <<'SQL');
CREATE TABLE rows (id serial, v vector(20));
INSERT INTO rows (v) SELECT point(i, 20) FROM generate_series(1, 3000) i;
CREATE INDEX rows_v ON rows USING ivf (v vector_l2_ops) WITH (lists = 40, spill = on);
SQL
$primary->wait_for_catchup($standby);

my $on_primary = 'psql -X -A -t -q -v ON_ERROR_STOP=1 -d "' . $primary->connstr('postgres') . '"';
my $on_standby = 'psql -X -A -t -q -v ON_ERROR_STOP=1 -d "' . $standby->connstr('postgres') . '"';
my $meanwhile = PostgreSQL::Test::Utils::tempdir() . '/meanwhile.sh';
# Twice over: the first time frees what dies, the second one writes over it.
append_to_file($meanwhile, <<"SHELL");
set -e
for i in 1 2 3; do
	$on_primary -c "SELECT annex_maintain('rows_v', true)" -c 'SELECT pg_current_xact_id()' >/dev/null
done
$on_primary -c "INSERT INTO rows SELECT 100000 + i, point(-1 - i % 5, 20) FROM generate_series(1, 500) i"
lsn=\$($on_primary -c 'SELECT pg_current_wal_lsn()')
$on_standby -c "DO \\\$\\\$ BEGIN WHILE pg_last_wal_replay_lsn() < '\$lsn' LOOP PERFORM pg_sleep(0.05); END LOOP; END \\\$\\\$"
SHELL

for my $cache ('32MB', '0')
{
	my $before = $primary->safe_psql('postgres', 'SELECT count(*) FROM rows');
	my $rows = $standby->safe_psql('postgres', <<"SQL");
SET enable_seqscan = off;
SET ivf.probes = 2;
SET ivf.cache_size = '$cache';
BEGIN;
DECLARE c CURSOR FOR SELECT id FROM rows ORDER BY v <-> point(-1, 20);
FETCH 5 FROM c;
\\! sh $meanwhile
FETCH ALL FROM c;
COMMIT;
SELECT 'then', count(*) FROM (SELECT id FROM rows ORDER BY v <-> point(-1, 20)) x;
SQL
	my @rows = split /\n/, $rows;
	is(pop @rows, 'then|' . ($before + 500), "cache $cache: the next scan finds all rows");
	is(scalar @rows, $before, 'the one that was open returns as many as there were');
	my %seen;
	is(scalar(grep { $seen{$_}++ } @rows), 0, 'none of them twice');
	verify_ok($primary, 'primary', 'rows_v');
	verify_ok($standby, 'standby', 'rows_v');
	compare_is($standby, 'standby', 'rows', '<->', 'point(-1, 20)');
}

log_is_clean($_) for $primary, $standby;
my ($ret, undef, $refused) = $standby->psql('postgres', "SELECT annex_maintain('rows_v', true)");
like($refused, qr/recovery is in progress.*Maintain the index on the primary/s, 'a standby maintains nothing');
$standby->stop;
$primary->stop;
done_testing();

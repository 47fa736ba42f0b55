# annex_stat_indexes: sessions share its counters where PostgreSQL gives memory on demand, or where annex is preloaded.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION annex;
CREATE TABLE t (id int, v vector(2));
INSERT INTO t SELECT i, ARRAY[cos(i), sin(i)]::vector FROM generate_series(1, 500) i;
CREATE INDEX t_v ON t USING ivf (v);
CREATE DATABASE other;
SQL

my $scan = "SET enable_seqscan = off; SELECT count(*) FROM (SELECT FROM t ORDER BY v <-> '[1,0]' LIMIT 10) a;";
my $counters = "SELECT shared, scans, rows_returned >= 10 * scans FROM annex_stat_indexes WHERE indexrelname = 't_v';";

sub counters { return $node->safe_psql('postgres', $counters) }

my $on_demand = $node->safe_psql('postgres', 'SHOW server_version_num') >= 170000;
is($node->safe_psql('postgres', $scan . $counters), $on_demand ? "10\nt|1|t" : "10\nf|1|t", 'a session counts');
is(counters(), $on_demand ? 't|1|t' : 'f|0|t', 'what another one sees of it');

# No query fails because there is no shared memory for its counters.
SKIP:
{
	skip 'shared memory on demand came with PostgreSQL 17', 3 unless $on_demand;
	$node->append_conf('postgresql.conf', "dynamic_shared_memory_type = mmap\n");
	$node->restart;
	my $segments = $node->data_dir . '/pg_dynshmem';
	chmod 0500, $segments or die $!;
	is($node->safe_psql('postgres', "BEGIN; CREATE TABLE kept (); $scan COMMIT; $counters SELECT count(*) FROM kept"),
		"10\nf|1|t\n0", 'without shared memory a session counts by itself');
	ok($node->log_contains('annex counts the index scans of this session by itself'), 'the log says so');
	chmod 0700, $segments or die $!;
	is($node->safe_psql('postgres', $scan . $counters), "10\nt|1|t", 'and the next one shares again');
}

$node->append_conf('postgresql.conf', "shared_preload_libraries = 'annex'\n");
$node->restart;
is(counters(), 't|0|t', 'preloaded: nothing yet');
$node->safe_psql('postgres', $scan);
$node->safe_psql('postgres', $scan);
is(counters(), 't|2|t', 'preloaded: of all sessions');

# Of four at once nothing is lost.
my $script = PostgreSQL::Test::Utils::tempdir() . '/scan.sql';
append_to_file($script, "SET enable_seqscan = off;\nSELECT FROM t ORDER BY v <-> '[1,0]' LIMIT 10;\n");
$node->command_ok([ 'pgbench', '-n', '-c', '4', '-t', '250', '-f', $script, 'postgres' ], 'four sessions at once');
is(counters(), 't|1002|t', 'each scan is counted');

$node->safe_psql('other', 'CREATE EXTENSION annex; SELECT annex_stat_reset()');
is(counters(), 't|1002|t', 'a reset leaves other databases alone');
$node->safe_psql('postgres', 'SELECT annex_stat_reset()');
is(counters(), 't|0|t', 'reset');

$node->stop;
done_testing();

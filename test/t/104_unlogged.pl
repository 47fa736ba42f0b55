# An unlogged index is empty and usable after a crash, and on a promoted standby; one of a table that was made logged is
# there. What a transaction wrote into an index that it created itself survives with wal_level = minimal, too.
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
CREATE UNLOGGED TABLE u (id int, v vector(40));
INSERT INTO u SELECT i, point(i, 40) FROM generate_series(1, 600) i;
CREATE INDEX u_l2 ON u USING ivf (v vector_l2_ops) WITH (lists = 4, spill = on);
CREATE INDEX u_cosine ON u USING ivf (v vector_cosine_ops);
CREATE INDEX u_ip ON u USING ivf (v vector_ip_ops) WITH (spill = off);
CREATE UNLOGGED TABLE wide (id int, v vector(9000));
CREATE INDEX wide_l2 ON wide USING ivf (v vector_l2_ops);
INSERT INTO wide SELECT i, point(i, 9000) FROM generate_series(1, 5) i;
CREATE UNLOGGED TABLE became_logged (id int, v vector(40));
CREATE INDEX became_logged_l2 ON became_logged USING ivf (v vector_l2_ops) WITH (lists = 3);
INSERT INTO became_logged SELECT i, point(i, 40) FROM generate_series(1, 300) i;
ALTER TABLE became_logged SET LOGGED;
INSERT INTO became_logged SELECT i, point(i, 40) FROM generate_series(301, 400) i;
CREATE TABLE became_unlogged (id int, v vector(40));
CREATE INDEX became_unlogged_l2 ON became_unlogged USING ivf (v vector_l2_ops) WITH (lists = 3);
INSERT INTO became_unlogged SELECT i, point(i, 40) FROM generate_series(1, 300) i;
ALTER TABLE became_unlogged SET UNLOGGED;
SQL

my @unlogged = ([ 'u', '<->', 40 ], [ 'u', '<=>', 40 ], [ 'u', '<#>', 40 ], [ 'wide', '<->', 9000 ], [ 'became_unlogged', '<->', 40 ]);
my @indexes = qw(u_l2 u_cosine u_ip wide_l2 became_unlogged_l2);

sub check_empty_and_usable
{
	my ($node, $name) = @_;
	for my $table (qw(u wide became_unlogged))
	{
		is($node->safe_psql('postgres', "SELECT count(*) FROM $table"), '0', "$name: $table is empty");
	}
	is($node->safe_psql('postgres', "SELECT rows, lists FROM annex_index_info('$_')"), '0|1', "$name: $_ has one list and no row")
	  for @indexes;
	verify_ok($node, "$name, empty", @indexes);
	compare_is($node, "$name, empty", $_->[0], $_->[1], "point(-1, $_->[2])") for @unlogged;
	$node->safe_psql('postgres', <<'SQL');
INSERT INTO u SELECT i, CASE WHEN i % 50 > 0 THEN point(i, 40) END FROM generate_series(1, 700) i;
INSERT INTO wide SELECT i, point(i, 9000) FROM generate_series(1, 6) i;
INSERT INTO became_unlogged SELECT i, point(i, 40) FROM generate_series(1, 100) i;
DELETE FROM u WHERE id % 3 = 0;
SQL
	$node->safe_psql('postgres', 'VACUUM (INDEX_CLEANUP on) u');
	compare_is($node, "$name, filled again", $_->[0], $_->[1], "point(-1, $_->[2])") for @unlogged;
	verify_ok($node, "$name, filled again", @indexes);
	return;
}

# Once right after they were made, once when they have been through a checkpoint.
for my $name ('before a checkpoint', 'after a checkpoint')
{
	$primary->safe_psql('postgres', 'CHECKPOINT') if $name =~ /after/;
	$primary->stop('immediate');
	$primary->start;
	check_empty_and_usable($primary, "crash $name");
	compare_is($primary, "crash $name", 'became_logged', '<->', 'point(-1, 40)');
	verify_ok($primary, "crash $name", 'became_logged_l2');
}

# A clean restart keeps them.
my $count = $primary->safe_psql('postgres', 'SELECT count(*) FROM u');
$primary->restart;
is($primary->safe_psql('postgres', 'SELECT count(*) FROM u'), $count, 'a clean restart keeps the rows');
compare_is($primary, 'clean restart', $_->[0], $_->[1], "point(-1, $_->[2])") for @unlogged;
verify_ok($primary, 'clean restart', @indexes);

# The standby
$primary->wait_for_catchup($standby);
compare_is($standby, 'standby', 'became_logged', '<->', 'point(-1, 40)');
my (undef, undef, $error) = $standby->psql('postgres', 'SELECT id FROM u ORDER BY v <-> point(1, 40) LIMIT 1');
like($error, qr/cannot access temporary or unlogged relations during recovery/, 'a standby has no unlogged table');
$standby->promote;
check_empty_and_usable($standby, 'promoted');
$standby->stop('immediate');
$standby->start;
check_empty_and_usable($standby, 'promoted and crashed');
$standby->stop;

# Without WAL for what is new in its transaction, files are synced instead.
$primary->append_conf('postgresql.conf', "wal_level = minimal\nmax_wal_senders = 0");
$primary->restart;
for my $threshold ('0', '1GB')
{
	$primary->safe_psql('postgres', <<"SQL");
SET wal_skip_threshold = '$threshold';
BEGIN;
DROP TABLE IF EXISTS minimal;
CREATE TABLE minimal (id int, v vector(40));
INSERT INTO minimal SELECT i, point(i, 40) FROM generate_series(1, 300) i;
CREATE INDEX minimal_l2 ON minimal USING ivf (v vector_l2_ops) WITH (lists = 3, spill = on);
INSERT INTO minimal SELECT i, CASE WHEN i % 10 > 0 THEN point(i, 40) END FROM generate_series(301, 900) i;
SAVEPOINT s;
INSERT INTO minimal SELECT i, point(i, 40) FROM generate_series(901, 1000) i;
ROLLBACK TO s;
TRUNCATE became_logged;
INSERT INTO became_logged SELECT i, point(i, 40) FROM generate_series(1, 50) i;
COMMIT;
INSERT INTO minimal SELECT i, point(i, 40) FROM generate_series(1001, 1100) i;
SQL
	$primary->stop('immediate');
	$primary->start;
	for my $table (qw(minimal became_logged))
	{
		compare_is($primary, "minimal, threshold $threshold", $table, '<->', 'point(-1, 40)');
		verify_ok($primary, "minimal, threshold $threshold", "${table}_l2");
	}
	is($primary->safe_psql('postgres', 'SELECT count(*) FROM minimal'), '1000', "minimal, threshold $threshold: all rows");
}
$primary->stop;
log_is_clean($_) for $primary, $standby;
done_testing();

# A streaming standby has the same index after each of many random steps, gives the same answers as the primary, and
# goes on when it is promoted. Every page that it replays is compared with the primary's (wal_consistency_checking).
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use IvfData;
use Server;

my $primary = new_primary('primary');
my $standby = standby_of($primary);

# Two tables: rows of which many lie on a page, and rows that take two pages each.
my %dimensions = (small => 20, large => 9000);
$primary->safe_psql('postgres', <<'SQL');
CREATE TABLE small (id serial, v vector(20));
CREATE INDEX small_empty ON small USING ivf (v vector_l2_ops);
INSERT INTO small (v) SELECT point(i, 20) FROM generate_series(1, 400) i;
CREATE INDEX small_l2 ON small USING ivf (v vector_l2_ops) WITH (lists = 6, spill = on);
CREATE INDEX small_cosine ON small USING ivf (v vector_cosine_ops) WITH (lists = 3, spill = off);
CREATE TABLE large (id serial, v vector(9000));
INSERT INTO large (v) SELECT point(i, 9000) FROM generate_series(1, 10) i;
CREATE INDEX large_ip ON large USING ivf (v vector_ip_ops) WITH (lists = 2, spill = on);
SQL

my $state = 20240607;
my $next = 1000;
my %steps = (
	insert => sub { my $n = 1 + draw(\$state, 300); $next += $n; my $first = $next - $n;
		"INSERT INTO small (v) SELECT point(i, 20) FROM generate_series($first, $next) i" },
	insert_large => sub { $next += 4; "INSERT INTO large (v) SELECT point(i, 9000) FROM generate_series($next, $next + 3) i" },
	insert_side => sub { "INSERT INTO small (v) SELECT CASE i % 3 WHEN 0 THEN NULL WHEN 1 THEN array_fill(0, ARRAY[20])::vector"
		. " ELSE array_fill(1e-30, ARRAY[20])::vector END FROM generate_series(1, 50) i" },
	rollback => sub { "BEGIN; INSERT INTO small (v) SELECT point(-i, 20) FROM generate_series(1, 100) i; ROLLBACK" },
	delete => sub { my $m = 2 + draw(\$state, 4); "DELETE FROM small WHERE id % $m = 0" },
	delete_large => sub { "DELETE FROM large WHERE id % 3 = " . draw(\$state, 3) },
	update => sub { my $m = 2 + draw(\$state, 6); "UPDATE small SET v = point(id + " . draw(\$state, 1000) . ", 20) WHERE id % $m = 1" },
	vacuum => sub { 'VACUUM (INDEX_CLEANUP on) small' },
	vacuum_large => sub { 'VACUUM (INDEX_CLEANUP on) large' },
	reindex => sub { 'REINDEX INDEX ' . (qw(small_l2 small_cosine small_empty large_ip))[ draw(\$state, 4) ] },
	new_index => sub { 'DROP INDEX small_cosine; CREATE INDEX small_cosine ON small USING ivf (v vector_cosine_ops)'
		. ' WITH (lists = ' . draw(\$state, 9) . ', spill = ' . (qw(auto on off))[ draw(\$state, 3) ] . ')' },
	maintain => sub { "SELECT annex_maintain('" . (qw(small_l2 small_cosine small_empty large_ip))[ draw(\$state, 4) ] . "', true)" },
	checkpoint => sub { 'CHECKPOINT' });
my @weighted = ((qw(insert delete update)) x 4, (qw(vacuum insert_large insert_side delete_large vacuum_large)) x 2, sort keys %steps);

# Answers as they come with default settings: the pages are the same, and so must be what is found on them.
my $answers = join ' UNION ALL ', map {
	my ($table, $operator, $limit) = @$_;
	my $query = "'" . $primary->safe_psql('postgres', "SELECT point(-1, $dimensions{$table})") . "'";
	"SELECT '$table $operator', (SELECT string_agg(id::text, ',') FROM (SELECT id FROM $table ORDER BY v $operator $query LIMIT $limit) s)"
} [ 'small', '<->', 50 ], [ 'small', '<=>', 3000 ], [ 'large', '<#>', 30 ];

# What one step did is on the standby, and the same there.
sub check
{
	my ($name) = @_;
	# a transaction that commits takes the end of one that was rolled back to the disk
	$primary->safe_psql('postgres', q{SELECT pg_logical_emit_message(true, 'test', 'flush')});
	$primary->wait_for_catchup($standby);
	my $settings = 'SET enable_seqscan = off; SET ivf.probes = 2;';
	is($standby->safe_psql('postgres', "$settings $answers"), $primary->safe_psql('postgres', "$settings $answers"),
		"$name: the same answers");
	return;
}

sub check_exact
{
	my ($node, $name) = @_;
	compare_is($node, $name, 'small', '<->', 'point(-1, 20)');
	compare_is($node, $name, 'small', '<=>', 'point(-1, 20)');
	compare_is($node, $name, 'large', '<#>', 'point(-1, 9000)');
	verify_ok($node, $name, qw(small_empty small_l2 small_cosine large_ip));
	return;
}

my $count = 36;
for my $i (1 .. $count)
{
	my $step = $weighted[ draw(\$state, scalar @weighted) ];
	# statements of one string would be one transaction
	$primary->safe_psql('postgres', join(";\n", split(/; /, $steps{$step}->())) . ';');
	check("step $i, $step");
	if ($i % 12 == 0)
	{
		check_exact($standby, "standby, step $i");
		$standby->stop($i % 24 == 0 ? 'immediate' : 'fast');
		$standby->start;
	}
}
check_exact($primary, 'primary');
check('after all steps');

# A cursor on the standby: what it has noted is vacuumed on the primary and its places are taken by others meanwhile.
# These rows are dead for the standby's snapshot too, so that nothing holds the replay up.
$primary->safe_psql('postgres', 'DELETE FROM small WHERE id % 2 = 0');
$primary->wait_for_catchup($standby);
my $left = $primary->safe_psql('postgres', 'SELECT count(*) FROM small');
my $on_primary = 'psql -X -A -t -q -d "' . $primary->connstr('postgres') . '"';
my $on_standby = 'psql -X -A -t -q -d "' . $standby->connstr('postgres') . '"';
my $meanwhile = PostgreSQL::Test::Utils::tempdir() . '/meanwhile.sh';
append_to_file($meanwhile, <<"SHELL");
set -e
$on_primary -c 'VACUUM (INDEX_CLEANUP on) small' \\
	-c "INSERT INTO small SELECT 100000 + i, point(-1 - i % 5, 20) FROM generate_series(1, 2000) i"
lsn=\$($on_primary -c 'SELECT pg_current_wal_lsn()')
$on_standby -c "DO \\\$\\\$ BEGIN WHILE pg_last_wal_replay_lsn() < '\$lsn' LOOP PERFORM pg_sleep(0.05); END LOOP; END \\\$\\\$"
SHELL
my $rows = $standby->safe_psql('postgres', <<"SQL");
SET enable_seqscan = off;
BEGIN;
DECLARE c CURSOR FOR SELECT id FROM small ORDER BY v <-> point(-1, 20);
FETCH 5 FROM c;
\\! sh $meanwhile
FETCH ALL FROM c;
COMMIT;
SELECT 'then', max(id) > 100000 FROM small;
SQL
my @rows = split /\n/, $rows;
is(pop @rows, 'then|t', 'the standby has replayed what came while its cursor was open');
is(scalar @rows, $left, 'its cursor returns every row');
is(scalar(grep { $_ > 100000 || $_ % 2 == 0 } @rows), 0, 'and none that was not there');
check('after the cursor');

# A session of the standby that has used an index finds it changed: built again with other lists, emptied and filled.
my $change = PostgreSQL::Test::Utils::tempdir() . '/change.sh';
append_to_file($change, <<"SHELL");
set -e
$on_primary -c "\$1"
lsn=\$($on_primary -c 'SELECT pg_current_wal_lsn()')
$on_standby -c "DO \\\$\\\$ BEGIN WHILE pg_last_wal_replay_lsn() < '\$lsn' LOOP PERFORM pg_sleep(0.05); END LOOP; END \\\$\\\$"
SHELL
$rows = $standby->safe_psql('postgres', <<"SQL");
SELECT compare('small', '<->', point(-1, 20)), compare('small', '<=>', point(-1, 20));
\\! sh $change 'REINDEX INDEX small_l2'
SELECT compare('small', '<->', point(-1, 20)), compare('small', '<=>', point(-1, 20));
\\! sh $change 'ALTER INDEX small_l2 SET (lists = 9); REINDEX TABLE small'
SELECT compare('small', '<->', point(-1, 20)), compare('small', '<=>', point(-1, 20));
\\! sh $change 'TRUNCATE small; INSERT INTO small (v) SELECT point(i, 20) FROM generate_series(1, 500) i'
SELECT compare('small', '<->', point(-1, 20)), compare('small', '<=>', point(-1, 20));
SQL
is($rows, join("\n", ('same|same') x 4), 'a session of the standby follows changes of an index that it has used');
check('after the changes');

# Promotion: everything is there, and writing goes on.
check_exact($standby, 'standby at the end');
$standby->promote;
check_exact($standby, 'promoted');
$standby->safe_psql('postgres', $_) for (
	'INSERT INTO small (v) SELECT point(i, 20) FROM generate_series(50000, 50500) i',
	'DELETE FROM small WHERE id % 3 = 0', 'VACUUM (INDEX_CLEANUP on) small',
	'INSERT INTO small (v) SELECT point(i, 20) FROM generate_series(51000, 51500) i',
	'INSERT INTO large (v) SELECT point(i, 9000) FROM generate_series(60000, 60005) i');
check_exact($standby, 'after promotion');

log_is_clean($_) for $primary, $standby;
$standby->stop;
$primary->stop;
done_testing();

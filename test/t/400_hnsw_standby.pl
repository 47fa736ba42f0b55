# A streaming standby has the same graphs after each of many random steps, gives the same answers as the primary, and
# goes on when it is promoted. Every page that it replays is compared with the primary's (wal_consistency_checking).
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use GraphData;
use IvfData;
use Server;

my $primary = new_primary('primary');
prepare_graphs($primary);
my $standby = standby_of($primary);

# Nodes with few edges, whose neighbours are soon full, and nodes of which a page holds few.
my %dimensions = (small => 20, large => 1500);
$primary->safe_psql('postgres', <<'SQL');
CREATE TABLE small (id serial, v vector(20), n int);
CREATE INDEX small_empty ON small USING hnsw (v vector_ip_ops) WITH (m = 4, ef_construction = 16);
INSERT INTO small (v, n) SELECT point(i, 20), i FROM generate_series(1, 400) i;
CREATE INDEX small_l2 ON small USING hnsw (v vector_l2_ops, n) WITH (m = 4, ef_construction = 20);
CREATE INDEX small_cosine ON small USING hnsw (v vector_cosine_ops);
CREATE TABLE large (id serial, v vector(1500));
INSERT INTO large (v) SELECT point(i, 1500) FROM generate_series(1, 30) i;
CREATE INDEX large_l2 ON large USING hnsw (v vector_l2_ops);
SQL
my @indexes = qw(small_empty small_l2 small_cosine large_l2);

my $state = 20241122;
my $next = 1000;
my %steps = (
	insert => sub { my $n = 1 + draw(\$state, 200); $next += $n; my $first = $next - $n;
		"INSERT INTO small (v, n) SELECT point(i, 20), i FROM generate_series($first, $next) i" },
	insert_large => sub { $next += 8; "INSERT INTO large (v) SELECT point(i, 1500) FROM generate_series($next, $next + 7) i" },
	insert_equal => sub { my $i = draw(\$state, 100); "INSERT INTO small (v, n) SELECT point($i, 20), i FROM generate_series(1, 70) i" },
	insert_odd => sub { "INSERT INTO small (v, n) SELECT CASE i % 3 WHEN 0 THEN NULL WHEN 1 THEN array_fill(0, ARRAY[20])::vector"
		. " ELSE array_fill(1e30, ARRAY[20])::vector END, i FROM generate_series(1, 30) i" },
	rollback => sub { "BEGIN; INSERT INTO small (v, n) SELECT point(-i, 20), i FROM generate_series(1, 60) i; ROLLBACK" },
	delete => sub { my $m = 2 + draw(\$state, 4); "DELETE FROM small WHERE id % $m = 0" },
	delete_most => sub { "DELETE FROM small WHERE id % 8 <> " . draw(\$state, 8) },
	delete_large => sub { "DELETE FROM large WHERE id % 3 = " . draw(\$state, 3) },
	update => sub { my $m = 3 + draw(\$state, 6); "UPDATE small SET v = point(id + " . draw(\$state, 1000) . ", 20) WHERE id % $m = 1" },
	vacuum => sub { 'VACUUM (INDEX_CLEANUP on) small' },
	vacuum_large => sub { 'VACUUM (INDEX_CLEANUP on) large' },
	reindex => sub { 'REINDEX INDEX ' . $indexes[ draw(\$state, scalar @indexes) ] },
	new_index => sub { 'DROP INDEX small_cosine; CREATE INDEX small_cosine ON small USING hnsw (v vector_cosine_ops)'
		. ' WITH (m = ' . (2 + draw(\$state, 20)) . ', ef_construction = 64)' },
	checkpoint => sub { 'CHECKPOINT' });
my @weighted = ((qw(insert delete update vacuum)) x 4, (qw(insert_large insert_equal delete_large vacuum_large)) x 2, sort keys %steps);

# Answers as they come with the settings as they come: the pages are the same, and so must be what is found on them.
my $answers = join ' UNION ALL ', map {
	my ($table, $operator, $limit) = @$_;
	my $query = "'" . $primary->safe_psql('postgres', "SELECT point(-1, $dimensions{$table})") . "'";
	"SELECT '$table $operator', (SELECT string_agg(id::text, ',') FROM (SELECT id FROM $table ORDER BY v $operator $query LIMIT $limit) s)"
} [ 'small', '<->', 50 ], [ 'small', '<=>', 3000 ], [ 'small', '<#>', 10 ], [ 'large', '<->', 30 ];

# What one step did is on the standby, and the same there.
sub check
{
	my ($name) = @_;
	# a transaction that commits takes the end of one that was rolled back to the disk
	$primary->safe_psql('postgres', q{SELECT pg_logical_emit_message(true, 'test', 'flush')});
	$primary->wait_for_catchup($standby);
	is($standby->safe_psql('postgres', "SET enable_seqscan = off; $answers"),
		$primary->safe_psql('postgres', "SET enable_seqscan = off; $answers"), "$name: the same answers");
	return;
}

sub check_exact
{
	my ($node, $name) = @_;
	graph_is($node, $name, 'small', $_, 'point(-1, 20)') for '<->', '<=>', '<#>';
	graph_is($node, $name, 'large', '<->', 'point(-1, 1500)');
	graphs_ok($node, $name, @indexes);
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

# A cursor on the standby: the nodes that its search remembers are freed on the primary and others take their places
# meanwhile. These rows are dead for the standby's snapshot too, and pruned already, so that nothing holds the replay up.
$primary->safe_psql('postgres', 'DELETE FROM small WHERE id % 2 = 0');
$primary->safe_psql('postgres', 'VACUUM (INDEX_CLEANUP off) small');
$primary->wait_for_catchup($standby);
my $left = $primary->safe_psql('postgres', 'SELECT count(*) FROM small WHERE v IS NOT NULL');
my $on_primary = 'psql -X -A -t -q -d "' . $primary->connstr('postgres') . '"';
my $on_standby = 'psql -X -A -t -q -d "' . $standby->connstr('postgres') . '"';
my $wait = <<"SHELL";
lsn=\$($on_primary -c 'SELECT pg_current_wal_lsn()')
$on_standby -c "DO \\\$\\\$ BEGIN WHILE pg_last_wal_replay_lsn() < '\$lsn' LOOP PERFORM pg_sleep(0.05); END LOOP; END \\\$\\\$"
SHELL
my $folder = PostgreSQL::Test::Utils::tempdir();
append_to_file("$folder/meanwhile.sh", <<"SHELL");
set -e
$on_primary -c 'VACUUM (INDEX_CLEANUP on) small' \\
	-c "INSERT INTO small SELECT 100000 + i, point(-1 - i % 500, 20), i FROM generate_series(1, 1500) i"
$wait
SHELL
my $rows = $standby->safe_psql('postgres', <<"SQL");
SET enable_seqscan = off;
BEGIN;
DECLARE c CURSOR FOR SELECT id FROM small ORDER BY v <-> point(-1, 20);
FETCH 5 FROM c;
\\! sh $folder/meanwhile.sh
FETCH ALL FROM c;
COMMIT;
SELECT 'then', max(id) > 100000 FROM small;
SQL
my @rows = split /\n/, $rows;
is(pop @rows, 'then|t', 'the standby has replayed what came while its cursor was open');
my %rows = map { $_ => 1 } @rows;
is(scalar @rows, scalar keys %rows, 'its cursor returns no row twice');
is(scalar @rows, $left, 'and every row');
is(scalar(grep { $_ > 100000 || $_ % 2 == 0 } @rows), 0, 'and none that was not there');
check('after the cursor');

# A session of the standby that has used an index finds it changed: built again with other options, emptied and filled.
append_to_file("$folder/change.sh", "set -e\n$on_primary -c \"\$1\"\n$wait");
my $both = "SELECT compare_graph('small', '<->', point(-1, 20)), compare_graph('small', '<=>', point(-1, 20));";
$rows = $standby->safe_psql('postgres', <<"SQL");
$both
\\! sh $folder/change.sh 'REINDEX INDEX small_l2'
$both
\\! sh $folder/change.sh 'ALTER INDEX small_l2 SET (m = 9); REINDEX TABLE small'
$both
\\! sh $folder/change.sh 'TRUNCATE small; INSERT INTO small (v, n) SELECT point(i, 20), i FROM generate_series(1, 500) i'
$both
SQL
is($rows, join("\n", ('same|same') x 4), 'a session of the standby follows changes of an index that it has used');
check('after the changes');

# Promotion: everything is there, and writing goes on.
check_exact($standby, 'standby at the end');
$standby->promote;
check_exact($standby, 'promoted');
$standby->safe_psql('postgres', $_) for (
	'INSERT INTO small (v, n) SELECT point(i, 20), i FROM generate_series(50000, 50500) i',
	'DELETE FROM small WHERE id % 3 = 0', 'VACUUM (INDEX_CLEANUP on) small',
	'INSERT INTO small (v, n) SELECT point(i, 20), i FROM generate_series(51000, 51500) i',
	'INSERT INTO large (v) SELECT point(i, 1500) FROM generate_series(60000, 60005) i');
check_exact($standby, 'after promotion');

log_is_clean($_) for $primary, $standby;
$standby->stop;
$primary->stop;
done_testing();

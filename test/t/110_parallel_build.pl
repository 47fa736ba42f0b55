# Builds with PostgreSQL's parallel workers: the same index byte by byte whatever their number, with rows of every kind;
# the errors of a worker; cancelling; concurrent builds; progress.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use IvfData;
use Server;

my $node = new_server('main', testing => 1, settings => <<'CONF');
wal_level = replica
min_parallel_table_scan_size = 0
max_worker_processes = 12
max_parallel_workers = 8
log_min_messages = debug1
CONF

# Rows as they come: inline, TOASTed, compressed by an expression, without a vector, without a direction, beyond what a
# float can square, deleted, updated in place.
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE inline (id int, v vector(48));
INSERT INTO inline SELECT i, point(i, 48) FROM generate_series(1, 6000) i;
INSERT INTO inline SELECT i, CASE i % 4 WHEN 0 THEN NULL WHEN 1 THEN array_fill(0, ARRAY[48])
	WHEN 2 THEN array_fill(1e30, ARRAY[48]) ELSE array_fill(1e-30, ARRAY[48]) END::vector FROM generate_series(6001, 8000) i;
INSERT INTO inline SELECT i, point(i, 48) FROM generate_series(8001, 12000) i;
DELETE FROM inline WHERE id % 7 = 0;
UPDATE inline SET v = point(id + 1, 48) WHERE id % 5 = 0;
CREATE TABLE toasted (id int, v vector(1200));
INSERT INTO toasted SELECT i, CASE WHEN i % 10 > 0 THEN point(i, 1200) END FROM generate_series(1, 1200) i;
CREATE TABLE same (id int, v vector(8));
INSERT INTO same SELECT i, '[1,2,3,4,5,6,7,8]' FROM generate_series(1, 20000) i;
CREATE TABLE wide (id int, v vector(9000));
INSERT INTO wide SELECT i, point(i, 9000) FROM generate_series(1, 60) i;
CREATE UNLOGGED TABLE unlogged AS SELECT * FROM inline;
ALTER TABLE unlogged ALTER v TYPE vector(48);
SQL

# The pages of an index without what tells when they were written: LSN and checksum.
sub pages_of
{
	my ($index) = @_;
	my $path = $node->safe_psql('postgres', "CHECKPOINT; SELECT pg_relation_filepath('$index')");
	my $pages = slurp_file($node->data_dir . "/$path");
	substr($pages, $_ * 8192, 10) = '0' x 10 for (0 .. length($pages) / 8192 - 1);
	return $pages;
}

# Builds an index and says by how many workers. Without an option of the table, the planner allows as many as have 32 MB
# of the memory each.
sub build
{
	my ($workers, $memory, $statement) = @_;
	my (undef, undef, $log) = $node->psql('postgres',
		"SET client_min_messages = debug1; SET max_parallel_maintenance_workers = $workers; SET maintenance_work_mem = '$memory'; $statement",
		on_error_die => 1);
	return $log =~ /with (\d+) parallel workers/ ? $1 : 0;
}

for my $case (
	[ 'inline',   'vector_l2_ops',     'lists = 40, spill = on',  '64MB' ],
	[ 'inline',   'vector_cosine_ops', 'lists = 0, spill = auto', '64MB' ],
	[ 'inline',   'vector_l2_ops, id, (nullif(id % 9, 1)), (id::text)', 'lists = 40, spill = on', '64MB' ],
	[ 'inline',   'vector_ip_ops',     'lists = 7',               '64MB' ],
	[ 'inline',   'vector_l2_ops',     'lists = 20, spill = on',  '1MB' ],
	[ 'toasted',  'vector_l2_ops',     'lists = 9, spill = on',   '64MB' ],
	[ 'same',     'vector_l2_ops',     'lists = 5, spill = on',   '1MB' ],
	[ 'wide',     'vector_cosine_ops', 'lists = 3, spill = on',   '64MB' ],
	[ 'unlogged', 'vector_l2_ops',     'lists = 12',              '64MB' ])
{
	my ($table, $opclass, $options, $memory) = @$case;
	my $name = "$table $opclass ($options) in $memory";
	my $expected;
	$node->safe_psql('postgres', "ALTER TABLE $table SET (parallel_workers = 3)");
	for my $workers (0 .. 3)
	{
		my $launched = build($workers, $memory, "CREATE INDEX i ON $table USING ivf (v $opclass) WITH ($options)");
		is($launched, $workers, "$name: $workers workers");
		my $pages = pages_of('i');
		$expected //= $pages;
		ok($pages eq $expected, "$name: the same index with $workers workers");
		verify_ok($node, $name, 'i') if $workers == 3;
		$node->safe_psql('postgres', 'DROP INDEX i');
	}
}

# The planner's choice, and the table's own option, which goes before it, as for every index.
$node->safe_psql('postgres', 'ALTER TABLE inline RESET (parallel_workers)');
is(build(3, '64MB', 'CREATE INDEX i ON inline USING ivf (v vector_l2_ops)'), 1, 'memory for one worker');
$node->safe_psql('postgres', 'DROP INDEX i; ALTER TABLE inline SET (parallel_workers = 1)');
is(build(3, '256MB', 'CREATE INDEX i ON inline USING ivf (v vector_l2_ops)'), 1, 'parallel_workers of the table');
$node->safe_psql('postgres', 'DROP INDEX i; ALTER TABLE inline SET (parallel_workers = 2)');

# Concurrently, with an expression and a predicate; temporary tables belong to one process.
is(build(2, '64MB', 'CREATE INDEX CONCURRENTLY i ON inline USING ivf (v vector_cosine_ops) WITH (lists = 11)'), 2, 'concurrently');
compare_is($node, 'concurrently', 'inline', '<=>', 'point(-1, 48)');
verify_ok($node, 'concurrently', 'i');
is(build(2, '64MB', 'REINDEX INDEX CONCURRENTLY i'), 2, 'reindex concurrently');
verify_ok($node, 'reindex concurrently', 'i');
$node->safe_psql('postgres', 'DROP INDEX i');
is(build(2, '64MB', "CREATE INDEX i ON inline USING ivf (((v + v)::vector(48)) vector_l2_ops) WHERE id % 3 = 0"),
	2, 'an expression and a predicate');
verify_ok($node, 'an expression and a predicate', 'i');
$node->safe_psql('postgres', 'DROP INDEX i');
is(build(2, '64MB', 'CREATE TEMP TABLE t AS SELECT * FROM inline; ALTER TABLE t ALTER v TYPE vector(48); CREATE INDEX i ON t USING ivf (v vector_l2_ops)'),
	0, 'a temporary table');

# What a worker stumbles over reaches the user, wherever the row lies.
$node->safe_psql('postgres', <<'SQL');
CREATE FUNCTION picky(v vector, id int) RETURNS vector LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
	IF id = 11990 THEN RAISE EXCEPTION 'no vector for %', id; END IF;
	PERFORM pg_sleep(0.00005);
	RETURN v;
END $$;
SQL
my ($ret, undef, $stderr) = $node->psql('postgres',
	'SET max_parallel_maintenance_workers = 2; CREATE INDEX i ON inline USING ivf ((picky(v, id)::vector(48)) vector_l2_ops)');
isnt($ret, 0, 'a row that fails');
like($stderr, qr/ERROR:  no vector for 11990/, 'its error reaches the user');
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_class WHERE relname = 'i'"), 0, 'no index is left');

# Progress, seen where the build waits at a named point; cancelled there, it leaves nothing behind.
my $coded = $node->safe_psql('postgres', "SELECT count(*) FROM inline WHERE v IS NOT NULL AND v <-> array_fill(0, ARRAY[48])::vector < 1e17");
my %points = (
	'build-sampled' => [ 'sampling the table', 'blocks_done = blocks_total AND blocks_done > 0' ],
	'build-trained' => [ 'training lists', "tuples_done = tuples_total AND tuples_done BETWEEN 2000 AND 40 * 64" ],
	'build-batch' => [ 'assigning rows to lists', 'tuples_done = 0 AND tuples_total BETWEEN 5000 AND 20000' ],
	'build-assigned' => [ 'assigning rows to lists', "tuples_done = $coded AND tuples_total = $coded AND blocks_done = blocks_total" ],
	'build-rows-written' => [ 'writing rows', "tuples_done = $coded AND tuples_total = $coded" ],
	'build-lists-written' => [ 'writing lists', "tuples_done = $coded AND tuples_total = $coded" ],
	'build-logged' => [ 'writing WAL', 'true' ]);
for my $point (sort keys %points)
{
	my ($phase, $condition) = @{ $points{$point} };
	my $session = $node->background_psql('postgres', on_error_stop => 0);
	$session->query_until(qr/started/, "\\echo started\nLOAD 'annex';\nSET annex.stop_point = '$point:wait';\n"
		. "CREATE INDEX i ON inline USING ivf (v vector_l2_ops) WITH (lists = 40, spill = on);\n");
	ok($node->poll_query_until('postgres', "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Extension'"), "$point: waits");
	is($node->safe_psql('postgres', "SELECT phase, CASE WHEN $condition THEN 'as it should be' ELSE p::text END FROM pg_stat_progress_create_index p"),
		"building index: $phase|as it should be", "$point: progress");
	$node->safe_psql('postgres', "SELECT pg_cancel_backend(pid) FROM pg_stat_progress_create_index");
	$session->quit;
	ok($node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'parallel worker'"),
		"$point: no worker stays behind");
	is($node->safe_psql('postgres', "SELECT count(*) FROM pg_class WHERE relname = 'i'"), 0, "$point: cancelled");
}
my @files = glob($node->data_dir . '/base/pgsql_tmp/*');
is("@files", '', 'no temporary files stay behind');

$node->stop;
done_testing();

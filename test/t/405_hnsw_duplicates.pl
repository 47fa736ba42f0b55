# Rows that are equal share nodes, and all of them are found: a few as pgvector's own tests of duplicates expect it, and
# thousands, which come, go and come back one by one and many at a time.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use GraphData;
use IvfData;
use Server;

my $node = new_server('main', settings => "synchronous_commit = off\nmax_parallel_maintenance_workers = 0\n");
prepare_graphs($node);

# As pgvector answers: elements of ten rows at most, of which a search with ef_search = 1 returns one.
my %equal = (vector => ['[1,1,1]', 'vector_l2_ops'], halfvec => ['[1,1,1]', 'halfvec_l2_ops']);
for my $type (sort keys %equal)
{
	my ($value, $class) = @{ $equal{$type} };
	my $found = "SET enable_seqscan = off; SET hnsw.ef_search = 1; SELECT count(*) FROM (SELECT * FROM few ORDER BY v <-> '$value') t";
	my $insert = join '', map { "INSERT INTO few VALUES ('$value');\n" } 1 .. 20;
	$node->safe_psql('postgres', "DROP TABLE IF EXISTS few; CREATE TABLE few (v $type(3)); $insert");
	$node->safe_psql('postgres', "CREATE INDEX few_v ON few USING hnsw (v $class)");
	is($node->safe_psql('postgres', $found), 10, "$type: ten equal rows after a build");
	$node->safe_psql('postgres', 'TRUNCATE few');
	$node->safe_psql('postgres', $insert);
	is($node->safe_psql('postgres', $found), 10, "$type: ten equal rows after inserts");
	# by many at the same time
	$node->pgbench('--no-vacuum --client=5 --transactions=40', 0, [qr{actually processed}], [qr{^$}], "$type: concurrent equal rows",
		{ "equal_$type" => "INSERT INTO few VALUES ('$value');" });
	my $all = "SET enable_seqscan = off; SELECT count(*) FROM (SELECT * FROM few ORDER BY v <-> '$value') t";
	is($node->safe_psql('postgres', $all), 220, "$type: all of them");
	graphs_ok($node, $type, 'few_v');
}

# Thousands of equal rows among others; filter columns lie beside each.
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE t (id int, v vector(16), n int);
INSERT INTO t SELECT i, point(CASE WHEN i % 4 = 0 THEN 1 ELSE i END, 16), i FROM generate_series(1, 6000) i;
CREATE INDEX t_l2 ON t USING hnsw (v vector_l2_ops, n) WITH (m = 8, ef_construction = 32);
CREATE INDEX t_cosine ON t USING hnsw (v vector_cosine_ops);
SQL
sub check
{
	my ($name) = @_;
	graph_is($node, $name, 't', $_, 'point(1, 16)') for '<->', '<=>';
	graph_is($node, $name, 't', '<->', 'point(-1, 16)');
	# of rows that are equally far a condition takes a few
	for my $condition ('n % 400 = 4', 'n BETWEEN 100 AND 103', 'n > 3000')
	{
		my $nearest = "SELECT count(*), count(DISTINCT id), max(v <-> point(1, 16)) FROM (SELECT * FROM t WHERE $condition ORDER BY v <->"
		  . ' (SELECT point(1, 16)) LIMIT 15) s;';
		my $answers = $node->safe_psql('postgres', "SET enable_seqscan = off; $nearest SET enable_seqscan = on; SET enable_indexscan = off; $nearest");
		my ($by_index, $by_sorting) = split /\n/, $answers;
		is($by_index, $by_sorting, "$name: $condition");
	}
	graphs_ok($node, $name, qw(t_l2 t_cosine));
	return;
}
check('built');
my $size = $node->safe_psql('postgres', q{SELECT pg_relation_size('t_l2')});
$node->safe_psql('postgres', 'INSERT INTO t SELECT i, point(CASE WHEN i % 2 = 0 THEN 1 ELSE i END, 16), i FROM generate_series(6001, 9000) i');
check('inserted');
$node->safe_psql('postgres', 'DELETE FROM t WHERE id % 4 = 0 AND id % 100 <> 0 AND id <= 6000');
check('most of the equal rows deleted');
$node->safe_psql('postgres', 'VACUUM (INDEX_CLEANUP on) t');
check('vacuumed');
$node->safe_psql('postgres', 'INSERT INTO t SELECT i, point(1, 16), i FROM generate_series(4, 6000, 4) i WHERE i % 100 <> 0');
check('come back');
# the node's first row goes, then all
$node->safe_psql('postgres', 'DELETE FROM t WHERE id = 4; DELETE FROM t WHERE id = 8');
$node->safe_psql('postgres', 'VACUUM (INDEX_CLEANUP on) t');
check('the first ones deleted');
my $full = $node->safe_psql('postgres', q{SELECT pg_relation_size('t_l2')});
$node->safe_psql('postgres', 'CREATE TABLE ones AS SELECT * FROM t WHERE v = point(1, 16); DELETE FROM t WHERE v = point(1, 16)');
$node->safe_psql('postgres', 'VACUUM (INDEX_CLEANUP on) t');
check('all of them deleted');
$node->safe_psql('postgres', 'INSERT INTO t SELECT * FROM ones');
check('all of them again');
cmp_ok($node->safe_psql('postgres', q{SELECT pg_relation_size('t_l2')}), '<=', 1.05 * $full, 'they take the same room');

# Nothing but equal rows, one by one.
$node->safe_psql('postgres', 'TRUNCATE t');
$node->safe_psql('postgres', 'INSERT INTO t SELECT i, point(3, 16), i FROM generate_series(1, 5000) i');
graph_is($node, 'nothing but equal rows', 't', $_, 'point(-1, 16)') for '<->', '<=>';
graphs_ok($node, 'nothing but equal rows', qw(t_l2 t_cosine));
is($node->safe_psql('postgres', q{SET enable_seqscan = off; SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM t ORDER BY v <-> point(3, 16) LIMIT 1234) s}),
	'1234|1234', 'as many of them as are asked for');
cmp_ok($node->safe_psql('postgres', q{SELECT pg_relation_size('t_l2')}), '<', 300_000, 'they take little room');
log_is_clean($node);
$node->stop;
done_testing();

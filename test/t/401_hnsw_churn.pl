# A graph through which rows come and go finds about as much as one that is built anew and does not grow without end; what
# is left of a table that was nearly emptied is found, all of it; a table emptied and filled again takes no more room.
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

my ($rows, $dimensions) = (4000, 48);
my $state = 31;
my $next = clustered(\$state, $dimensions, 40, 12);
$node->safe_psql('postgres', <<"SQL");
CREATE TABLE t (id int, v vector($dimensions));
CREATE TABLE queries (n int, q vector($dimensions));
SQL
copy_vectors($node, 't', 1, $rows, $next);
copy_vectors($node, 'queries', 1, 400, $next);
# Few edges and a narrow search, so that some rows are missed: else nothing could go wrong.
$node->safe_psql('postgres', <<'SQL');
CREATE INDEX t_l2 ON t USING hnsw (v vector_l2_ops) WITH (m = 10, ef_construction = 40);
CREATE INDEX t_cosine ON t USING hnsw (v vector_cosine_ops) WITH (m = 10, ef_construction = 40);
SQL
my @operators = ('<->', '<=>');
my @indexes = qw(t_l2 t_cosine);

sub recalls
{
	$node->safe_psql('postgres', 'TRUNCATE truth');
	return map { recall_of($node, 'SET hnsw.ef_search = 10;', "'t', '$_', 'queries', 10") } @operators;
}
sub sizes { return map { $node->safe_psql('postgres', "SELECT pg_relation_size('$_')") } @indexes }
sub vacuum { return $node->safe_psql('postgres', 'VACUUM (INDEX_CLEANUP on) t') }

my @first = recalls();
my @size = sizes();
note("built: recall @first, bytes @size");
cmp_ok($_, '>', 0.7, 'recall after the build') for @first;
cmp_ok($_, '<', 0.995, 'is not perfect') for @first;

# Each round an eighth goes, then as many come: after all of them half of the rows are new ones.
for my $round (1 .. 4)
{
	$node->safe_psql('postgres', "DELETE FROM t WHERE id <= $rows AND id % 8 = $round");
	vacuum();
	copy_vectors($node, 't', $round * 100_000, $rows / 8, $next);
	my @now = recalls();
	note("round $round: recall @now, bytes @{[sizes()]}");
	graphs_ok($node, "round $round", @indexes);
}
is($node->safe_psql('postgres', "SELECT count(*), count(*) FILTER (WHERE id > $rows) FROM t"), "$rows|" . $rows / 2,
	'half of the rows are new');
my @churned = recalls();
my @churned_size = sizes();
# a build leaves less room in nodes than inserts, which cannot know what comes
cmp_ok($churned_size[$_], '<=', 1.7 * $size[$_], "the size of $indexes[$_] stays within what inserts need") for 0, 1;
graph_is($node, 'after all', 't', $_, '(SELECT q FROM queries LIMIT 1)') for @operators;
$node->safe_psql('postgres', 'REINDEX TABLE t');
my @again = recalls();
note("churned: recall @churned; built again: @again");
cmp_ok($churned[$_], '>', $again[$_] - 0.01, "$indexes[$_] finds as much as a new one") for 0, 1;

# Rows change where they are: their neighbourhoods turn over without growing.
for my $round (1 .. 3)
{
	$node->safe_psql('postgres', "UPDATE t SET v = v + array_fill(0.05, ARRAY[$dimensions])::vector WHERE id % 3 = $round % 3");
	vacuum();
}
@churned = recalls();
@churned_size = sizes();
graphs_ok($node, 'updated', @indexes);
cmp_ok($churned_size[$_], '<', 2.6 * $size[$_], "updates do not let $indexes[$_] grow") for 0, 1;
$node->safe_psql('postgres', 'REINDEX TABLE t');
@again = recalls();
note("updated: recall @churned; built again: @again");
cmp_ok($churned[$_], '>', $again[$_] - 0.02, "$indexes[$_] of changed rows finds as much as a new one") for 0, 1;

# Emptied and filled with as many, again and again: the places of the dead are taken, and nothing of them is in the way.
$node->safe_psql('postgres', 'CREATE TABLE copy AS SELECT id, v FROM t');
my @filled_size;
for my $name ('filled', 'filled again', 'filled once more')
{
	$node->safe_psql('postgres', 'DELETE FROM t');
	vacuum();
	is($node->safe_psql('postgres', "SET enable_seqscan = off; SELECT count(*) FROM (SELECT id FROM t ORDER BY v $_ (SELECT q FROM queries LIMIT 1)) s"),
		0, "$name: nothing is found in the emptied table by $_") for @operators;
	graphs_ok($node, 'emptied', @indexes);
	$node->safe_psql('postgres', 'INSERT INTO t SELECT id, v FROM copy');
	@churned = recalls();
	my @now = sizes();
	note("$name: recall @churned, bytes @now");
	@filled_size = @now unless @filled_size;
	cmp_ok($now[$_], '<=', 1.05 * $filled_size[$_], "$name: $indexes[$_] takes as much room as before") for 0, 1;
	cmp_ok($churned[$_], '>', $again[$_] - 0.02, "$name: $indexes[$_] finds enough") for 0, 1;
	graphs_ok($node, $name, @indexes);
}

# Of 10,000 rows ten are left: one here, one there, far from each other, and every one is found.
$node->safe_psql('postgres', 'TRUNCATE t');
copy_vectors($node, 't', 1, 10_000, $next);
$node->safe_psql('postgres', 'DELETE FROM t WHERE id % 1000 <> 7');
for my $name ('before vacuum', 'after vacuum')
{
	vacuum() if $name eq 'after vacuum';
	for my $operator (@operators)
	{
		is($node->safe_psql('postgres', "SET enable_seqscan = off; SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM t"
				. " ORDER BY v $operator (SELECT q FROM queries LIMIT 1) LIMIT 10) s"),
			'10|10', "ten of ten thousand by $operator $name");
	}
}
graph_is($node, 'ten of ten thousand', 't', $_, '(SELECT q FROM queries LIMIT 1)') for @operators;
graphs_ok($node, 'ten of ten thousand', @indexes);

# One neighbourhood is left; then others come to where the rest was.
$node->safe_psql('postgres', 'TRUNCATE t');
my @centres = map { my $c = $_; [ map { 10 * cos($c * 7 + $_ * $c) } 1 .. $dimensions ] } 1 .. 20;
my $row = 0;
my $spread = sub { my $centre = $centres[ $row++ % 20 ]; return [ map { $_ + 0.3 * uniform(\$state) } @$centre ] };
copy_vectors($node, 't', 1, 3000, $spread);
$node->safe_psql('postgres', 'DELETE FROM t WHERE (id - 1) % 20 <> 3');
vacuum();
graphs_ok($node, 'one cluster', @indexes);
graph_is($node, 'one cluster', 't', $_, '(SELECT q FROM queries LIMIT 1)') for @operators;
copy_vectors($node, 't', 10_001, 3000, $spread);
graphs_ok($node, 'other clusters again', @indexes);
graph_is($node, 'other clusters again', 't', $_, '(SELECT v FROM t WHERE id = 10010)') for @operators;
log_is_clean($node);
$node->stop;
done_testing();

# An index through which rows come and go finds as much as one that is built anew, and is not much larger.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use IvfData;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "autovacuum = off\nmax_parallel_maintenance_workers = 0");
$node->start;
prepare($node);

# Neighbourhoods of 24 dimensions, repeated to 384: so that many blocks of sketches are cut between pages, which vacuum
# has to keep whole.
my ($rows, $repeated, $dimensions) = (3000, 16, 384);
my $state = 31;
my $draw = clustered(\$state, $dimensions / $repeated, 60, 8);
my $next = sub { return [ (@{ $draw->() }) x $repeated ] };
$node->safe_psql('postgres', "CREATE TABLE t (id int, v vector($dimensions)); CREATE TABLE queries (n int, q vector($dimensions))");
copy_vectors($node, 't', 1, $rows, $next);
copy_vectors($node, 'queries', 1, 200, $next);
$node->safe_psql('postgres', <<'SQL');
CREATE INDEX t_spill ON t USING ivf (v vector_l2_ops) WITH (lists = 12, spill = on);
CREATE INDEX t_single ON t USING ivf (v vector_cosine_ops) WITH (lists = 4, spill = off);
SQL

# So few lists that some rows are missed: with more, nothing could go wrong; with fewer, chance decides.
my %probes = ('<->' => 3, '<=>' => 3);
sub recalls
{
	$node->safe_psql('postgres', 'TRUNCATE truth');
	return map { recall_of($node, "SET ivf.probes = $probes{$_};", "'t', '$_', 'queries', 10") } ('<->', '<=>');
}
sub sizes { return map { $node->safe_psql('postgres', "SELECT pg_relation_size('$_')") } qw(t_spill t_single) }

my @first = recalls();
my @size = sizes();
note("built: recall @first, bytes @size");
cmp_ok($_, '>', 0.9, 'recall after the build') for @first;
cmp_ok($_, '<', 1, 'is not perfect') for @first;

for my $round (1 .. 4)
{
	# A third goes and as many others of the same kind come; some change.
	$node->safe_psql('postgres', "DELETE FROM t WHERE id % 3 = $round % 3");
	$node->safe_psql('postgres', 'VACUUM (INDEX_CLEANUP on) t');
	my $now = $node->safe_psql('postgres', 'SELECT count(*) FROM t');
	copy_vectors($node, 't', $round * 100_000, $rows - $now, $next);
	$node->safe_psql('postgres', "UPDATE t SET v = v + array_fill(0.01, ARRAY[$dimensions])::vector WHERE id % 10 = 1");
	my @now = recalls();
	note("round $round: recall @now, bytes @{[sizes()]}");
	cmp_ok($now[$_], '>', $first[$_] - 0.02, "round $round: recall of index $_ stays") for 0, 1;
}
my @last = recalls();
my @last_size = sizes();
cmp_ok($last_size[$_], '<', 1.6 * $size[$_], "the size of index $_ stays") for 0, 1;
compare_is($node, 'after all', 't', $_, '(SELECT q FROM queries LIMIT 1)') for '<->', '<=>';
verify_ok($node, 'after all', qw(t_spill t_single));

$node->safe_psql('postgres', 'REINDEX TABLE t');
my @again = recalls();
note("built again: recall @again");
cmp_ok($last[$_], '>', $again[$_] - 0.04, "index $_ found about as much as a new one") for 0, 1;
$node->stop;
done_testing();

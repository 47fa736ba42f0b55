# Recall of the ten nearest with all settings at their defaults, and what the settings add: on the demo's embeddings, when
# they are there, and on generated clusters.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use IvfData;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "autovacuum = off\nshared_buffers = 256MB\nmaintenance_work_mem = 128MB");
$node->start;
prepare($node);

# The settings, and the least recall that they must reach for each of the metrics.
sub check_recalls
{
	my ($table, $default) = @_;
	for my $operator (sort keys %$default)
	{
		my $arguments = "'$table', '$operator', '${table}_queries', 10";
		my $recall = recall_of($node, '', $arguments);
		cmp_ok($recall, '>=', $default->{$operator}, "$table by $operator: recall with default settings");
		my $probes = recall_of($node, 'SET ivf.probes = 400;', $arguments);
		cmp_ok($probes, '>=', 0.99, "$table by $operator: with more probes");
		my $all = recall_of($node, 'SET ivf.probes = 400; SET ivf.epsilon = 4;', $arguments);
		cmp_ok($all, '>=', 0.999, "$table by $operator: with more probes and a wider bound");
		my $few = recall_of($node, 'SET ivf.probes = 1;', $arguments);
		cmp_ok($few, '<', $recall, "$table by $operator: with one probe it is less");
		note("$table by $operator: default $recall, probes $probes, epsilon $all, one probe $few");
	}
	return;
}

sub create_indexes
{
	my ($table) = @_;
	$node->safe_psql('postgres', "ANALYZE $table");
	$node->safe_psql('postgres', "CREATE INDEX ${table}_$_ ON $table USING ivf (v vector_${_}_ops)") for qw(l2 ip cosine l1);
	verify_ok($node, 'built', map { "${table}_$_" } qw(l2 ip cosine l1));
	return;
}

SKIP:
{
	skip 'the demo data is not there', 1 unless -e 'demo/data/packages.i8bin' && -e 'demo/data/questions.i8bin';
	my $copy = sub {
		my ($table, $file) = @_;
		$node->safe_psql('postgres', "COPY $table FROM PROGRAM '$^X $ENV{PWD}/demo/vectors.pl $ENV{PWD}/demo/data/$file'");
	};
	$node->safe_psql('postgres', 'CREATE TABLE packages (id int, v vector(384)); CREATE TABLE packages_queries (n int, q vector(384))');
	$copy->('packages', 'packages.i8bin');
	$copy->('packages_queries', 'questions.i8bin');
	cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM packages'), '>', 10000, 'packages');
	create_indexes('packages');
	check_recalls('packages', { '<->' => 0.95, '<#>' => 0.95, '<=>' => 0.95, '<+>' => 0.95 });

	# With a filter a scan goes on until there are ten rows.
	for my $percent (50, 10, 1)
	{
		my $recall = recall_of($node, '', "'packages', '<=>', 'packages_queries', 10, 'hashint4(id) % 100 BETWEEN 0 AND $percent - 1'");
		note("packages filtered by $percent %: $recall");
		cmp_ok($recall, '>=', 0.9, "packages, of which a filter leaves fewer than $percent %");
	}
}

my $state = 7;
my $next = clustered(\$state, 48, 100, 10);
$node->safe_psql('postgres', 'CREATE TABLE clusters (id int, v vector(48)); CREATE TABLE clusters_queries (n int, q vector(48))');
copy_vectors($node, 'clusters', 1, 10000, $next);
copy_vectors($node, 'clusters_queries', 1, 60, $next);
create_indexes('clusters');
check_recalls('clusters', { '<->' => 0.95, '<#>' => 0.95, '<=>' => 0.95, '<+>' => 0.95 });

# Rows that were inserted one by one are found nearly as well as those that were there when the index was built, though
# nothing has calibrated it for twice the rows. Of L1, whose lists are those of L2, a little less.
$node->safe_psql('postgres', 'CREATE TABLE later (id int, v vector(48)); CREATE TABLE later_queries AS SELECT * FROM clusters_queries');
$node->safe_psql('postgres', 'INSERT INTO later SELECT * FROM clusters WHERE id % 2 = 0');
create_indexes('later');
$node->safe_psql('postgres', 'INSERT INTO later SELECT * FROM clusters WHERE id % 2 = 1');
check_recalls('later', { '<->' => 0.93, '<#>' => 0.93, '<=>' => 0.93, '<+>' => 0.9 });
verify_ok($node, 'after inserts', map { "later_$_" } qw(l2 ip cosine l1));
$node->stop;
done_testing();

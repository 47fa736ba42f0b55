# What the migrations of programs and ORMs do to tables with vectors, as doc/migration.md says of it: indexes made and remade
# concurrently, on partitions, of expressions; types changed; dumps with options; logical replication.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('migrations');
$node->init(allows_streaming => 'logical');
$node->append_conf('postgresql.conf', "autovacuum = off\n");
$node->start;
$node->safe_psql(
	'postgres', q{
	CREATE EXTENSION annex;
	CREATE TABLE docs (id int PRIMARY KEY, tenant int, embedding vector(4), half halfvec(4), sparse sparsevec(9), code bit(4));
	INSERT INTO docs SELECT i, i % 3, ARRAY[i, i % 7, 1, 1], ARRAY[i, 1, 1, 1], format('{%s:1}/9', 1 + i % 9)::sparsevec, (i % 16)::bit(4)
		FROM generate_series(1, 2000) i});

sub refused
{
	my ($statement, $error, $name) = @_;
	my (undef, undef, $stderr) = $node->psql('postgres', $statement);
	return like($stderr, $error, $name);
}
sub verified
{
	my ($server, $database, $table, $indexes, $name) = @_;
	return is($server->safe_psql($database, qq{SELECT count(annex_verify(i.indexrelid, true)::text) FROM annex_stat_indexes i
		WHERE indexrelid IN (SELECT indexrelid FROM pg_index WHERE indisvalid) AND relname = '$table'}), $indexes, $name);
}

# ---- Indexes

my %options = (hnsw => 'm = 8, ef_construction = 32', ivf => 'lists = 2', ivfflat => 'lists = 2');
for my $method (sort keys %options)
{
	my $with = "WITH ($options{$method})";
	for my $index (
		"${method}_plain ON docs USING $method (embedding vector_cosine_ops) $with",
		"${method}_partial ON docs USING $method (embedding vector_l2_ops) $with WHERE tenant = 1",
		"${method}_cast ON docs USING $method ((embedding::halfvec(4)) halfvec_ip_ops) $with",
		"${method}_part ON docs USING $method ((subvector(embedding, 1, 2)::vector(2)) vector_l2_ops) $with")
	{
		$node->safe_psql('postgres', "CREATE INDEX CONCURRENTLY IF NOT EXISTS $index") for 1 .. 2;
	}
}
my $uses = sub {
	my ($query) = @_;
	my $plan = $node->safe_psql('postgres', "SET enable_seqscan = off; SET enable_sort = off; EXPLAIN (COSTS off) $query LIMIT 3");
	return $plan =~ /Index Scan using \w+?_(\w+)/ ? $1 : $plan;
};
is($uses->(q{SELECT FROM docs ORDER BY embedding <=> '[1,2,3,4]'}), 'plain', 'a column');
is($uses->(q{SELECT FROM docs WHERE tenant = 1 ORDER BY embedding <-> '[1,2,3,4]'}), 'partial', 'a partial index');
is($uses->(q{SELECT FROM docs ORDER BY embedding::halfvec(4) <#> '[1,2,3,4]'}), 'cast', 'a cast');
is($uses->(q{SELECT FROM docs ORDER BY subvector(embedding, 1, 2)::vector(2) <-> '[1,2]'}), 'part', 'a subvector');
$node->safe_psql('postgres', $_) for 'REINDEX TABLE CONCURRENTLY docs', 'REINDEX INDEX CONCURRENTLY ivf_plain', 'REINDEX INDEX CONCURRENTLY hnsw_plain';
verified($node, 'postgres', 'docs', 12, 'indexes remade concurrently');

# ---- Partitions

$node->safe_psql(
	'postgres', q{
	CREATE TABLE parts (id int, tenant int, embedding vector(4)) PARTITION BY LIST (tenant);
	CREATE TABLE parts_0 PARTITION OF parts FOR VALUES IN (0);
	CREATE TABLE parts_1 PARTITION OF parts FOR VALUES IN (1, 2);
	INSERT INTO parts SELECT id, tenant, embedding FROM docs;
	CREATE INDEX parts_all ON parts USING ivf (embedding vector_cosine_ops) WITH (lists = 2);
	CREATE INDEX parts_graph ON parts USING hnsw (embedding vector_ip_ops) WITH (m = 4, ef_construction = 8)});
refused('CREATE INDEX CONCURRENTLY ON parts USING ivf (embedding)', qr/cannot create index on partitioned table "parts" concurrently/, 'not at once');
$node->safe_psql('postgres', $_)
	for 'CREATE INDEX parts_l2 ON ONLY parts USING ivf (embedding vector_l2_ops)',
	'CREATE INDEX CONCURRENTLY parts_0_l2 ON parts_0 USING ivf (embedding vector_l2_ops)',
	'CREATE INDEX CONCURRENTLY parts_1_l2 ON parts_1 USING ivf (embedding vector_l2_ops)',
	'ALTER INDEX parts_l2 ATTACH PARTITION parts_0_l2', 'ALTER INDEX parts_l2 ATTACH PARTITION parts_1_l2',
	'REINDEX INDEX CONCURRENTLY parts_l2';
is($node->safe_psql('postgres', q{SELECT indisvalid FROM pg_index WHERE indexrelid = 'parts_l2'::regclass}), 't', 'one by one');
verified($node, 'postgres', $_, 3, "the indexes of $_") for qw(parts_0 parts_1);
refused(q{SELECT annex_verify('parts_all')}, qr/cannot verify partitioned index "parts_all".*HINT:  Name the indexes of its partitions/s, 'the whole of it');

# ---- Types

$node->safe_psql('postgres', 'CREATE TABLE typed AS SELECT id, embedding FROM docs; CREATE INDEX typed_l2 ON typed USING ivf (embedding) WITH (lists = 2)');
$node->safe_psql('postgres', 'ALTER TABLE typed ALTER embedding TYPE halfvec(4)');
is($node->safe_psql('postgres', q{SELECT pg_get_indexdef('typed_l2'::regclass)}),
	q{CREATE INDEX typed_l2 ON public.typed USING ivf (embedding) WITH (lists='2')}, 'an index by the default class is made anew');
verified($node, 'postgres', 'typed', 1, 'of the other type');
$node->safe_psql('postgres', 'CREATE INDEX typed_graph ON typed USING hnsw (embedding halfvec_l2_ops)');
refused('ALTER TABLE typed ALTER embedding TYPE vector(4)', qr/operator class "halfvec_l2_ops" does not accept data type vector/,
	'hnsw has no default class, as with pgvector');
$node->safe_psql('postgres', 'DROP INDEX typed_graph');
$node->safe_psql('postgres', 'CREATE INDEX typed_cosine ON typed USING ivf (embedding halfvec_cosine_ops)');
refused('ALTER TABLE typed ALTER embedding TYPE vector(4)', qr/operator class "halfvec_cosine_ops" does not accept data type vector/, 'another class');
$node->safe_psql('postgres', 'DROP INDEX typed_cosine; ALTER TABLE typed ALTER embedding TYPE vector(4) USING embedding::vector(4)');
refused('ALTER TABLE typed ALTER embedding TYPE vector(3)', qr/expected 3 dimensions, not 4/, 'fewer dimensions');
$node->safe_psql('postgres', 'ALTER TABLE typed ALTER embedding TYPE vector(3) USING subvector(embedding, 1, 3)');
verified($node, 'postgres', 'typed', 1, 'fewer dimensions by subvector');

# ---- A dump

my $dump = $node->basedir . '/migrations.dump';
$node->command_ok([ 'pg_dump', '-Fc', '--no-sync', '-f', $dump, '-d', $node->connstr('postgres') ], 'a dump');
$node->safe_psql('postgres', 'CREATE DATABASE restored');
$node->command_ok([ 'pg_restore', '--exit-on-error', '-d', $node->connstr('restored'), $dump ], 'its restore');
my $definitions = q{SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY indexname};
is($node->safe_psql('restored', $definitions), $node->safe_psql('postgres', $definitions), 'has the indexes and their options');
verified($node, 'restored', 'docs', 12, 'which work');

# ---- Logical replication, which sends binary values when asked to

my $tables = q{CREATE TABLE %s (id int PRIMARY KEY, tenant int, embedding vector(4), half halfvec(4), sparse sparsevec(9), code bit(4))};
my $digest = q{SELECT count(*), md5(string_agg(d::text, ';' ORDER BY id)) FROM %s d};

# A table that is there already is copied, and then followed through changes of every kind.
sub replicated
{
	my ($from, $to, $table, $name) = @_;
	my $publisher = $from->connstr('postgres');
	$from->safe_psql('postgres', "CREATE PUBLICATION of_$table FOR TABLE $table");
	$to->safe_psql('postgres', sprintf($tables, $table));
	$to->safe_psql('postgres', qq{CREATE SUBSCRIPTION of_$table CONNECTION \$\$$publisher\$\$ PUBLICATION of_$table WITH (binary = true)});
	$to->poll_query_until('postgres', q{SELECT bool_and(srsubstate IN ('r', 's')) FROM pg_subscription_rel})
		or die 'the first copy does not come to its end';
	$from->safe_psql(
		'postgres', qq{
		INSERT INTO $table VALUES (3000, 1, '[1,2,3,4]', '[1,2,3,4]', '{1:1}/9', B'1010'), (3001, 1, NULL, NULL, NULL, NULL);
		UPDATE $table SET embedding = '[0.1,0.2,0.3,0.4]', half = '[5,6,7,8]' WHERE id <= 20;
		DELETE FROM $table WHERE id BETWEEN 30 AND 40});
	$from->wait_for_catchup("of_$table");
	my $there = sprintf($digest, $table);
	is($to->safe_psql('postgres', $there), $from->safe_psql('postgres', $there), $name);
	$to->safe_psql('postgres', "DROP SUBSCRIPTION of_$table");
	return;
}

my $subscriber = PostgreSQL::Test::Cluster->new('subscriber');
$subscriber->init(allows_streaming => 'logical');
$subscriber->append_conf('postgresql.conf', "autovacuum = off\n");
$subscriber->start;
$subscriber->safe_psql('postgres', 'CREATE EXTENSION annex');
replicated($node, $subscriber, 'docs', 'every value has come');
$subscriber->safe_psql('postgres', 'CREATE INDEX ON docs USING ivf (embedding vector_cosine_ops, tenant); CREATE INDEX ON docs USING ivf (half);
	CREATE INDEX ON docs USING hnsw (half halfvec_cosine_ops)');
verified($subscriber, 'postgres', 'docs', 3, 'and can be indexed there');
$node->stop;

# ... and between pgvector and annex, where that is installed
my $pgvector = PostgreSQL::Test::Cluster->new('pgvector');
$pgvector->init(allows_streaming => 'logical');
$pgvector->append_conf('postgresql.conf', "autovacuum = off\n");
$pgvector->start;
my $installed = $pgvector->safe_psql('postgres', q{SELECT count(*) FROM pg_available_extensions WHERE name = 'vector'}) eq '1';
if ($installed)
{
	$pgvector->safe_psql('postgres', 'CREATE EXTENSION vector');
	is($pgvector->safe_psql('postgres', q{SELECT probin FROM pg_proc WHERE proname = 'vector_in'}), '$libdir/vector', 'pgvector itself');
	my $rows = q{INSERT INTO %s SELECT i, i %% 3, ARRAY[i, 1.1, 1, -i]::vector, ARRAY[i, 1, 0, 1]::vector::halfvec, format('{%%s:1}/9', 1 + i %% 9)::sparsevec,
		(i %% 16)::bit(4) FROM generate_series(1, 100) i};
	$pgvector->safe_psql('postgres', sprintf($tables, 'left_pgvector') . ';' . sprintf($rows, 'left_pgvector'));
	replicated($pgvector, $subscriber, 'left_pgvector', 'from pgvector');
	$subscriber->safe_psql('postgres', sprintf($tables, 'back') . ';' . sprintf($rows, 'back'));
	replicated($subscriber, $pgvector, 'back', 'to pgvector');
}
else
{
	note('pgvector is not installed here: nothing to replicate from or to');
}

$pgvector->stop;
$subscriber->stop;
done_testing();

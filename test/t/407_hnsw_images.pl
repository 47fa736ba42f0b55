# Recall of graphs that know images of the rows alone, with all settings at their defaults: sparse rows in topics, and
# wide vectors; after a build, inserts, deletes and VACUUM, each time sound.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "autovacuum = off\nmaintenance_work_mem = 128MB");
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION annex;

-- A number below `most` that looks random.
CREATE FUNCTION draw(i int, j int, most int) RETURNS int LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT ((hashint8extended(i::bigint * 1000003 + j, 7) & 9223372036854775807) % most)::int
$$;
-- Twenty-four words of the sixty of a topic and eight of any, the frequent ones first.
CREATE FUNCTION text_of(i int) RETURNS sparsevec LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT ('{' || string_agg(word || ':' || weight, ',') || '}/30000')::sparsevec FROM (
		SELECT 1 + CASE WHEN j <= 24 THEN i % 40 * 700 + draw(i, j, 60) ELSE draw(i, j, 30000) END AS word,
			max(0.1 + draw(i, 100 + j, 1000) / 1000.0) AS weight
		FROM generate_series(1, 32) j GROUP BY 1) words
$$;
-- One of ten directions and half as much of a row's own
CREATE FUNCTION wide_of(i int) RETURNS vector LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT array_agg((sin(i % 10 * 12.9898 + j * 78.233) + 0.5 * sin(i * 1.37 + i * j * 0.61))::real)::vector
	FROM generate_series(1, 5000) j
$$;
CREATE TABLE texts (id int, v sparsevec(30000));
INSERT INTO texts SELECT i, text_of(i) FROM generate_series(1, 4000) i;
CREATE TABLE wide (id int, v vector(5000));
INSERT INTO wide SELECT i, wide_of(i) FROM generate_series(1, 500) i;
SQL

my %indexes = map { ($_ => "sparsevec_${_}_ops") } qw(l2 ip cosine);
$node->safe_psql('postgres', "CREATE INDEX texts_$_ ON texts USING hnsw (v $indexes{$_})") for sort keys %indexes;
$node->safe_psql('postgres', 'CREATE INDEX wide_l2 ON wide USING hnsw (v vector_l2_ops)');

sub check_recalls
{
	my ($when) = @_;
	for my $index ((map { "texts_$_" } sort keys %indexes), 'wide_l2')
	{
		$node->safe_psql('postgres', "SELECT annex_verify('$index', true)");
		my $recall = $node->safe_psql('postgres', "SELECT recall FROM annex_recall('$index', 10, 100)");
		cmp_ok($recall, '>=', 0.95, "$index $when: recall with default settings");
	}
	return;
}

check_recalls('after the build');
is($node->safe_psql('postgres', "SELECT calibrated_rows > 1000 FROM annex_index_info('texts_ip')"), 't', 'calibrated');
# One candidate for each row that is wanted is not enough.
my $few = $node->safe_psql('postgres', "SET annex.rerank = 1; SELECT recall FROM annex_recall('texts_ip', 10, 100)");
my $recall = $node->safe_psql('postgres', "SELECT recall FROM annex_recall('texts_ip', 10, 100)");
cmp_ok($few, '<', $recall, "fewer candidates find less: $few, $recall");

$node->safe_psql('postgres', <<'SQL');
INSERT INTO texts SELECT i, text_of(i) FROM generate_series(4001, 5000) i;
INSERT INTO wide SELECT i, wide_of(i) FROM generate_series(501, 600) i;
SQL
check_recalls('after inserts');
$node->safe_psql('postgres', $_) for 'DELETE FROM texts WHERE id % 4 = 1', 'DELETE FROM wide WHERE id % 4 = 1', 'VACUUM texts', 'VACUUM wide';
check_recalls('after VACUUM');

# A filter that knows nothing of distances
my $filtered = $node->safe_psql('postgres', <<'SQL');
CREATE INDEX ON texts (id);
ANALYZE texts;
SET enable_seqscan = off;
SELECT count(*), count(DISTINCT id), bool_and(id % 50 = 0) FROM (
	SELECT id FROM texts WHERE id % 50 = 0 ORDER BY v <#> text_of(77) LIMIT 20) found;
SQL
is($filtered, '20|20|t', 'a filter leaves as many as are wanted');

$node->stop;
done_testing();

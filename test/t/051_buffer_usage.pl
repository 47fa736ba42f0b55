# Pages that scans keep coming back to are in use for PostgreSQL too, though they are mostly pinned where they were
# found before.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "autovacuum = off\nfsync = off");
$node->start;
plan skip_all => 'pg_buffercache is not installed'
  if $node->safe_psql('postgres', q{SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_buffercache'}) == 0;

$node->safe_psql('postgres', q{
	CREATE EXTENSION annex;
	CREATE EXTENSION pg_buffercache;
	CREATE TABLE t (id serial PRIMARY KEY, v vector(64));
	INSERT INTO t (v) SELECT (SELECT array_agg(sin(i * g)) FROM generate_series(1, 64) g)::vector
		FROM generate_series(1, 2000) i;
	CREATE INDEX t_v ON t USING ivf (v vector_l2_ops) WITH (lists = 8, spill = off);
});
# A server that has just started has used nothing.
$node->restart;
my $unused = $node->safe_psql('postgres', q{
	SET enable_seqscan = off;
	SET ivf.probes = 8;
	DO $$
	DECLARE
		q vector := (SELECT v FROM t WHERE id = 7);
	BEGIN
		FOR k IN 1 .. 400 LOOP
			PERFORM id FROM t ORDER BY v <-> q LIMIT 10;
		END LOOP;
	END $$;
	-- read once, when the backend loaded its cache: mean, descriptors, the centroids' rows
	SELECT count(*) FILTER (WHERE usagecount < 3) || ' of ' || count(*) FROM pg_buffercache
		WHERE relfilenode = pg_relation_filenode('t_v') AND relforknumber = 0 AND relblocknumber > 5;
});
my ($few, $all) = $unused =~ /^(\d+) of (\d+)$/;
cmp_ok($all, '>', 5, 'the scans have read pages');
# Row pages of which one or two queries saw a row may be among them.
cmp_ok($few, '<', $all / 2, 'most of them count as used often');

done_testing();

# Crashes of every kind while many sessions work with hnsw indexes: see Campaign.pm.
use strict;
use warnings;

use Test::More;

use Campaign;
use GraphData;
use IvfData;

my @indexes = qw(t_empty t_l2 t_cosine wide_l2);

sub create
{
	my ($node) = @_;
	prepare_graphs($node);
	$node->safe_psql('postgres', <<'SQL');
CREATE TABLE t (id bigserial, v vector(24), n int DEFAULT 0, m int DEFAULT 0);
CREATE INDEX t_id ON t (id);
CREATE INDEX t_empty ON t USING hnsw (v vector_ip_ops) WITH (m = 3, ef_construction = 12);
INSERT INTO t (v) SELECT point(i, 24) FROM generate_series(1, 500) i;
CREATE INDEX t_l2 ON t USING hnsw (v vector_l2_ops, n) WITH (m = 4, ef_construction = 16);
CREATE INDEX t_cosine ON t USING hnsw (v vector_cosine_ops);
-- a page holds few of these
CREATE TABLE wide (id bigserial, v vector(1400));
CREATE INDEX wide_l2 ON wide USING hnsw (v vector_l2_ops);
CREATE TABLE wide_source AS SELECT i, point(100 + i, 1400) AS v FROM generate_series(0, 99) i;
INSERT INTO wide (v) SELECT v FROM wide_source WHERE i < 10;
SQL
	return;
}

sub sound
{
	my ($node, $name) = @_;
	graphs_ok($node, $name, @indexes);
	graph_is($node, $name, 't', $_, 'point(-1, 24)') for '<->', '<#>', '<=>';
	graph_is($node, $name, 'wide', '<->', 'point(-1, 1400)');
	return;
}

sub vacuumed
{
	my ($node, $name) = @_;
	$node->safe_psql('postgres', "VACUUM (INDEX_CLEANUP on) $_") for qw(t wide);
	sound($node, "$name, vacuumed");
	return;
}

run_campaign(
	cycles => 12,
	create => \&create,
	points => qr/^hnsw-/,
	kinds => {
		insert => [ 8, 'INSERT INTO t (v) VALUES (point(:i, 24)), (point(:i + 1, 24))' ],
		many => [ 2, 'INSERT INTO t (v) SELECT point(:i + j, 24) FROM generate_series(1, 60) j' ],
		equal => [ 2, 'INSERT INTO t (v) SELECT point(:i % 7, 24) FROM generate_series(1, 40) j' ],
		# without a vector, without a direction, and far beyond all bounds
		odd => [ 1, 'INSERT INTO t (v) SELECT CASE j % 3 WHEN 0 THEN NULL WHEN 1 THEN array_fill(0, ARRAY[24])::vector'
			  . ' ELSE array_fill(1e30, ARRAY[24])::vector END FROM generate_series(1, 30) j' ],
		copy => [ 2, 'COPY t (v) FROM stdin' ],
		update => [ 3, 'UPDATE t SET v = point(:i, 24), n = n + 1 WHERE id % 97 = :i % 97' ],
		hot => [ 1, 'UPDATE t SET m = m + 1 WHERE id % 89 = :i % 89' ],
		delete => [ 3, 'DELETE FROM t WHERE id % 7 = :i % 7' ],
		rollback => [ 1, 'BEGIN; INSERT INTO t (v) SELECT point(:i + j, 24) FROM generate_series(1, 30) j; ROLLBACK' ],
		savepoint => [ 1, 'BEGIN; INSERT INTO t (v) VALUES (point(:i, 24)); SAVEPOINT s; INSERT INTO t (v) SELECT point(:i + j, 24)'
			  . ' FROM generate_series(1, 20) j; ROLLBACK TO s; INSERT INTO t (v) VALUES (point(:i, 24)); COMMIT' ],
		wide => [ 2, 'INSERT INTO wide (v) SELECT v FROM wide_source WHERE i % 9 = :i % 9' ],
		wide_delete => [ 2, 'DELETE FROM wide WHERE id % 3 = :i % 3' ],
		vacuum => [ 3, 'VACUUM (INDEX_CLEANUP on, TRUNCATE off) t' ],
		wide_vacuum => [ 2, 'VACUUM (INDEX_CLEANUP on, TRUNCATE off) wide' ],
		checkpoint => [ 1, 'CHECKPOINT' ],
		scan => [ 1, 'SELECT count(*) FROM (SELECT id FROM t ORDER BY v <-> point(:i, 24) LIMIT 50) s' ],
		reindex => [ 1, 'REINDEX INDEX t_cosine' ],
		reindex_wide => [ 1, 'REINDEX INDEX wide_l2' ],
		reindex_concurrently => [ 1, 'REINDEX INDEX CONCURRENTLY t_l2' ]
	},
	sound => \&sound,
	thin_out => 'DELETE FROM t WHERE v IS NULL OR n > 3 OR id % 4 <> 0; DELETE FROM wide WHERE id % 5 <> 0',
	vacuumed => \&vacuumed);
done_testing();

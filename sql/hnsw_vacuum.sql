-- Deletes and vacuum of hnsw indexes: what is left is found, the graph hangs together, and room is used again.
SET client_min_messages = warning;
CREATE SCHEMA hnsw_vacuum;
SET search_path = hnsw_vacuum, public;
SET enable_seqscan = off;
SET enable_sort = off;

CREATE FUNCTION point(i int) RETURNS vector LANGUAGE sql IMMUTABLE AS $$
	SELECT array_agg((sin(i * 12.9898 + j * 78.233 + i * j * 0.37) + i % 8)::real)::vector FROM generate_series(1, 24) j
$$;
-- Rows that the index returns, and of the nearest ten of 20 rows those that are right.
CREATE FUNCTION found(OUT rows bigint, OUT right_ones bigint) LANGUAGE plpgsql AS $$
BEGIN
	SELECT count(DISTINCT id) INTO rows FROM (SELECT id FROM t ORDER BY v <-> point(1)) s;
	SELECT count(*) INTO right_ones FROM generate_series(1, 20) q, LATERAL (
		SELECT id FROM (SELECT id, v FROM t ORDER BY v <-> point(-q) LIMIT 10) by_index
		INTERSECT
		SELECT id FROM (SELECT id, v <-> point(-q) AS d FROM t OFFSET 0) every_row WHERE d <= (
			SELECT max(d) FROM (SELECT (v <-> point(-q)) + 0 AS d FROM t ORDER BY 1 LIMIT 10) nearest)) s;
END $$;

CREATE TABLE t (id int, v vector(24), kind int) WITH (autovacuum_enabled = off);
INSERT INTO t SELECT i, point(i), i % 5 FROM generate_series(1, 2000) i;
CREATE INDEX t_hnsw ON t USING hnsw (v vector_l2_ops, kind) WITH (m = 8, ef_construction = 40);
EXPLAIN (COSTS off) SELECT id FROM t ORDER BY v <-> array_fill(1, ARRAY[24])::vector;
SELECT annex_verify('t_hnsw', true);

-- A few dead nodes stay until there are more of them: searches go through them.
DELETE FROM t WHERE id % 100 = 7;
VACUUM (INDEX_CLEANUP on) t;
SELECT rows, nodes, dead_nodes, free_row_slots FROM annex_index_info('t_hnsw');
SELECT rows, right_ones > 180 AS found FROM found();

-- Many become free.
DELETE FROM t WHERE id % 3 = 1;
VACUUM (INDEX_CLEANUP on) t;
SELECT rows, nodes, dead_nodes, free_row_slots >= 660 AS free FROM annex_index_info('t_hnsw');
SELECT rows, right_ones > 180 AS found FROM found();
SELECT annex_verify('t_hnsw', true);

-- Others come into their places.
SELECT bytes AS bytes_before FROM annex_index_info('t_hnsw') \gset
INSERT INTO t SELECT i, point(i), i % 5 FROM generate_series(3001, 3500) i;
SELECT rows, nodes, free_row_slots < 500 AS taken, bytes <= 1.25 * :bytes_before AS size FROM annex_index_info('t_hnsw');
SELECT rows, right_ones > 180 AS found FROM found();
SELECT annex_verify('t_hnsw', true);

-- One here, one there is left; then none, and all others again.
DELETE FROM t WHERE id % 50 <> 0;
VACUUM (INDEX_CLEANUP on) t;
SELECT rows, right_ones FROM found();
SELECT rows, nodes, dead_nodes, entry_nodes > 0 AS entries, free_pages > 0 AS free_pages
FROM annex_index_info('t_hnsw');
SELECT annex_verify('t_hnsw', true);
DELETE FROM t;
VACUUM (INDEX_CLEANUP on) t;
SELECT rows, right_ones FROM found();
SELECT rows, nodes, dead_nodes, entry_nodes, node_pages FROM annex_index_info('t_hnsw');
INSERT INTO t SELECT i, point(i), i % 5 FROM generate_series(1, 1500) i;
SELECT bytes FROM annex_index_info('t_hnsw') \gset filled_
DELETE FROM t;
VACUUM (INDEX_CLEANUP on) t;
INSERT INTO t SELECT i, point(i), i % 5 FROM generate_series(1, 1500) i;
SELECT rows, nodes, bytes <= 1.02 * :filled_bytes AS same_size FROM annex_index_info('t_hnsw');
SELECT rows, right_ones > 180 AS found FROM found();
SELECT annex_verify('t_hnsw', true);
-- Without anything deleted since, there is nothing to be done.
VACUUM (INDEX_CLEANUP on) t;
SELECT rows, nodes, dead_nodes FROM annex_index_info('t_hnsw');

-- Rows that share a node: it lives as long as one of them does, and the room of those that have gone is used again.
CREATE TABLE equal (id int, kind int, v vector(4)) WITH (autovacuum_enabled = off);
INSERT INTO equal SELECT i, i % 4, '[1,2,3,4]' FROM generate_series(1, 3000) i;
INSERT INTO equal SELECT i, i % 4, ARRAY[i, 0, 0, 0]::vector FROM generate_series(3001, 3100) i;
CREATE INDEX equal_hnsw ON equal USING hnsw (v vector_l2_ops, kind);
CREATE FUNCTION equal_rows(OUT rows bigint, OUT of_kind bigint, OUT in_index bigint, OUT nodes bigint) LANGUAGE sql AS $$
	SELECT (SELECT count(DISTINCT id) FROM (SELECT id FROM equal ORDER BY v <-> '[1,2,3,4]') s),
		(SELECT count(DISTINCT id) FROM (SELECT id FROM equal WHERE kind = 1 ORDER BY v <-> '[1,2,3,4]') s), rows, nodes
	FROM annex_index_info('equal_hnsw') $$;
SELECT * FROM equal_rows();
UPDATE equal SET kind = kind + 1;
VACUUM (INDEX_CLEANUP on) equal;
SELECT * FROM equal_rows();
SELECT bytes AS bytes_before FROM annex_index_info('equal_hnsw') \gset
UPDATE equal SET kind = kind - 1;
VACUUM (INDEX_CLEANUP on) equal;
UPDATE equal SET kind = kind + 1 WHERE id % 2 = 0;
VACUUM (INDEX_CLEANUP on) equal;
UPDATE equal SET kind = kind - 1 WHERE id % 2 = 0;
VACUUM (INDEX_CLEANUP on) equal;
SELECT e.*, bytes = :bytes_before AS same_size FROM equal_rows() e, annex_index_info('equal_hnsw') i;
SELECT annex_verify('equal_hnsw', true);
DELETE FROM equal WHERE id <> 2500;
VACUUM (INDEX_CLEANUP on) equal;
SELECT * FROM equal_rows();
INSERT INTO equal SELECT i, i % 4, '[1,2,3,4]' FROM generate_series(1, 2499) i;
SELECT e.*, bytes = :bytes_before AS same_size FROM equal_rows() e, annex_index_info('equal_hnsw') i;
DELETE FROM equal;
VACUUM (INDEX_CLEANUP on) equal;
SELECT * FROM equal_rows();
SELECT annex_verify('equal_hnsw', true);

-- Rows without bounds.
CREATE TABLE far (id int, v vector(2)) WITH (autovacuum_enabled = off);
INSERT INTO far SELECT i, ARRAY[3e37 + i * 1e35, 1]::vector FROM generate_series(1, 1200) i;
CREATE INDEX far_hnsw ON far USING hnsw (v vector_l2_ops);
DELETE FROM far WHERE id % 4 > 0;
VACUUM (INDEX_CLEANUP on) far;
SELECT first_rows, rows, side_pages FROM annex_index_info('far_hnsw');
SELECT count(DISTINCT id), count(*) FROM (SELECT id FROM far ORDER BY v <-> '[1,1]') s;
SELECT annex_verify('far_hnsw', true);
DELETE FROM far;
VACUUM (INDEX_CLEANUP on) far;
SELECT first_rows, rows FROM annex_index_info('far_hnsw');
DROP SCHEMA hnsw_vacuum CASCADE;

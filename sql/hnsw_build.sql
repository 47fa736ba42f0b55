-- Builds of hnsw indexes: within their memory and beyond it, by several threads, of rows that are the same.
CREATE SCHEMA hnsw_build;
SET search_path = hnsw_build, public;
SET max_parallel_workers_per_gather = 0;

CREATE FUNCTION point(i int, dimensions int) RETURNS vector LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT array_agg(sin(i * 12.9898 + j * 78.233 + i * j * 0.37)::real)::vector FROM generate_series(1, dimensions) j
$$;

-- Of the ten nearest rows of some of the table's own, how many the index finds.
CREATE FUNCTION recall(rows text, OUT enough boolean) LANGUAGE plpgsql AS $$
DECLARE
	query vector;
	exact int[];
	found int[];
	good int := 0;
	total int := 0;
	plan text;
BEGIN
	FOR query IN EXECUTE format('SELECT v FROM %I WHERE id %% 300 = 7 ORDER BY id', rows) LOOP
		PERFORM set_config('enable_seqscan', 'on', true), set_config('enable_indexscan', 'off', true);
		EXECUTE format('SELECT array_agg(id) FROM (SELECT id FROM %I ORDER BY v <-> %L LIMIT 10) q', rows, query) INTO exact;
		PERFORM set_config('enable_seqscan', 'off', true), set_config('enable_indexscan', 'on', true);
		EXECUTE format('SELECT array_agg(id) FROM (SELECT id FROM %I ORDER BY v <-> %L LIMIT 10) q', rows, query) INTO found;
		good := good + (SELECT count(*) FROM unnest(exact) e WHERE e = ANY (found));
		total := total + cardinality(exact);
	END LOOP;
	PERFORM set_config('enable_seqscan', 'on', true), set_config('enable_indexscan', 'on', true);
	enough := good >= 0.9 * total;
END $$;

-- All rows come back, whatever their order.
CREATE FUNCTION returned(rows text, condition text, OUT rows_returned bigint) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('enable_seqscan', 'off', true);
	EXECUTE format('SELECT count(DISTINCT id) FROM (SELECT id FROM %I WHERE %s ORDER BY v <-> (SELECT v FROM %I WHERE id = 1)) q',
		rows, condition, rows) INTO rows_returned;
	PERFORM set_config('enable_seqscan', 'on', true);
END $$;

-- Rows that no longer fit into memory are inserted into the pages that are there by then.
CREATE TABLE many (id int, category int, v vector(64));
INSERT INTO many SELECT i, i % 10, point(i, 64) FROM generate_series(1, 7000) i;
SET maintenance_work_mem = '1MB';
CREATE INDEX many_hnsw ON many USING hnsw (v vector_l2_ops, category int4_ops) WITH (m = 8, ef_construction = 32);
RESET maintenance_work_mem;
SELECT annex_verify('many_hnsw', true);
SELECT recall('many');
SELECT returned('many', 'true'), returned('many', 'category = 3');

-- The same within memory.
REINDEX INDEX many_hnsw;
SELECT annex_verify('many_hnsw', true);
SELECT recall('many');
SELECT returned('many', 'true'), returned('many', 'category = 3');

-- Tables of many pages are built by several threads, if there are several processors.
CREATE TABLE wide (id int, v vector(64), filler text);
ALTER TABLE wide ALTER filler SET STORAGE PLAIN;
INSERT INTO wide SELECT id, v, repeat('x', 4000) FROM many WHERE id <= 3000;
CREATE INDEX wide_hnsw ON wide USING hnsw (v vector_l2_ops);
SELECT annex_verify('wide_hnsw', true);
SELECT recall('wide');
SELECT returned('wide', 'true');

-- Rows that are the same share a node, each with the values of its own filter columns.
CREATE TABLE same (id int, category int, v vector(3));
INSERT INTO same SELECT i, i % 4, ARRAY[i % 7, 1, i % 3]::vector FROM generate_series(1, 20000) i;
CREATE INDEX same_hnsw ON same USING hnsw (v vector_l2_ops, category int4_ops);
SELECT annex_verify('same_hnsw', true);
SELECT returned('same', 'true'), returned('same', 'category = 1');
SELECT pg_relation_size('same_hnsw') < 20000 * 20 AS small;

-- Nothing, one row, NULLs, and rows of which no bound of the distance holds.
CREATE TABLE few (id int, v vector(3));
CREATE INDEX few_hnsw ON few USING hnsw (v vector_l2_ops);
SELECT annex_verify('few_hnsw', true);
INSERT INTO few VALUES (1, '[1,2,3]');
REINDEX INDEX few_hnsw;
SELECT annex_verify('few_hnsw', true);
SELECT returned('few', 'true');
INSERT INTO few VALUES (2, NULL), (3, '[3e38,3e38,3e38]'), (4, '[0,0,0]');
REINDEX INDEX few_hnsw;
SELECT annex_verify('few_hnsw', true);
SELECT returned('few', 'true');

DROP SCHEMA hnsw_build CASCADE;

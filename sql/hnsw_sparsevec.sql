-- Graphs over sparsevec: what pgvector's users do with them, as vectors up to 1,024 dimensions, by images beyond.
SET client_min_messages = warning;
CREATE SCHEMA hnsw_sparsevec;
SET search_path = hnsw_sparsevec, public;
SET enable_seqscan = off;

-- What there is ------------------------------------------------------------------------------------------------------

SELECT opcname, opcdefault, amvalidate(c.oid), array_agg(p.amprocnum || ' ' || p.amproc::text ORDER BY p.amprocnum)
	FROM pg_opclass c JOIN pg_am a ON a.oid = opcmethod JOIN pg_amproc p ON p.amprocfamily = c.opcfamily
	WHERE amname = 'hnsw' AND opcintype = 'sparsevec'::regtype GROUP BY c.oid, 1, 2 ORDER BY 1;

-- Each distance ------------------------------------------------------------------------------------------------------

CREATE TABLE t (val sparsevec(3));
INSERT INTO t (val) VALUES ('{}/3'), ('{1:1,2:2,3:3}/3'), ('{1:1,2:1,3:1}/3'), (NULL);
CREATE INDEX ON t USING hnsw (val sparsevec_l2_ops);
INSERT INTO t (val) VALUES ('{1:1,2:2,3:4}/3');
EXPLAIN (COSTS OFF) SELECT * FROM t ORDER BY val <-> '{1:3,2:3,3:3}/3';
SELECT * FROM t ORDER BY val <-> '{1:3,2:3,3:3}/3';
SELECT count(*) FROM (SELECT * FROM t ORDER BY val <-> (SELECT NULL::sparsevec)) s;
SELECT count(*) FROM t;
SELECT annex_verify('t_val_idx', true);
TRUNCATE t;
SELECT * FROM t ORDER BY val <-> '{1:3,2:3,3:3}/3';
DROP TABLE t;

CREATE TABLE t (val sparsevec(3));
INSERT INTO t (val) VALUES ('{}/3'), ('{1:1,2:2,3:3}/3'), ('{1:1,2:1,3:1}/3'), (NULL);
CREATE INDEX ON t USING hnsw (val sparsevec_ip_ops);
INSERT INTO t (val) VALUES ('{1:1,2:2,3:4}/3');
SELECT * FROM t ORDER BY val <#> '{1:3,2:3,3:3}/3';
SELECT count(*) FROM (SELECT * FROM t ORDER BY val <#> (SELECT NULL::sparsevec)) s;
DROP TABLE t;

-- Zero vectors have no cosine distance: they are not in the index.
CREATE TABLE t (val sparsevec(3));
INSERT INTO t (val) VALUES ('{}/3'), ('{1:1,2:2,3:3}/3'), ('{1:1,2:1,3:1}/3'), (NULL);
CREATE INDEX ON t USING hnsw (val sparsevec_cosine_ops);
INSERT INTO t (val) VALUES ('{1:1,2:2,3:4}/3'), ('{}/3');
SELECT * FROM t ORDER BY val <=> '{1:3,2:3,3:3}/3';
SELECT count(*) FROM (SELECT * FROM t ORDER BY val <=> '{}/3') s;
SELECT count(*) FROM (SELECT * FROM t ORDER BY val <=> (SELECT NULL::sparsevec)) s;
DROP TABLE t;

CREATE TABLE t (val sparsevec(3));
INSERT INTO t (val) VALUES ('{}/3'), ('{1:1,2:2,3:3}/3'), ('{1:1,2:1,3:1}/3'), (NULL);
CREATE INDEX ON t USING hnsw (val sparsevec_l1_ops);
INSERT INTO t (val) VALUES ('{1:1,2:2,3:4}/3');
SELECT * FROM t ORDER BY val <+> '{1:3,2:3,3:3}/3';
SELECT count(*) FROM (SELECT * FROM t ORDER BY val <+> (SELECT NULL::sparsevec)) s;
DROP TABLE t;

-- More elements than pgvector's graphs take
CREATE TABLE t (val sparsevec(2000));
INSERT INTO t (val) VALUES (array_fill(1, ARRAY[2000])::vector::sparsevec);
CREATE INDEX ON t USING hnsw (val sparsevec_l2_ops);
INSERT INTO t (val) VALUES (array_fill(2, ARRAY[2000])::vector::sparsevec);
SELECT l2_norm(val) FROM t ORDER BY val <-> '{1:1}/2000';
DROP TABLE t;

-- Large ones -----------------------------------------------------------------------------------------------------------

-- eight values, of which rows of the same remainder of 50 share four indices
CREATE FUNCTION point(i int, dimensions int) RETURNS sparsevec LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT ('{' || string_agg(at || ':' || value, ',') || '}/' || dimensions)::sparsevec FROM (
		SELECT 1 + CASE WHEN j <= 4 THEN abs(i) % 50 * 17 + j * 3 ELSE abs(i) * 131 + j * 977 END % dimensions AS at,
			max(1 + sin(i * 12.9898 + j * 78.233)::numeric(6, 4)) AS value
		FROM generate_series(1, 8) j GROUP BY 1) element WHERE value <> 0
$$;

CREATE FUNCTION error_of(statement text, OUT state text, OUT message text, OUT hint text) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	message := 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
END $$;

-- The rows of a query on which the planner has no choice: by the index, or by sorting. Those without a distance are not
-- in the index.
CREATE FUNCTION answer(query text, by_index boolean, OUT ids int[], OUT distances float8[]) LANGUAGE plpgsql AS $$
DECLARE
	line text;
	plan text := '';
BEGIN
	PERFORM set_config('enable_seqscan', (NOT by_index)::text, true), set_config('enable_sort', (NOT by_index)::text, true),
		set_config('enable_bitmapscan', (NOT by_index)::text, true), set_config('enable_indexscan', by_index::text, true);
	FOR line IN EXECUTE 'EXPLAIN ' || query LOOP
		plan := plan || line;
	END LOOP;
	IF by_index <> (plan ~ 'Index Scan using \w+_hnsw') THEN RAISE EXCEPTION 'another plan: %', plan; END IF;
	EXECUTE format('SELECT array_agg(id), array_agg(distance) FROM (%s) answer WHERE distance < ''NaN''', query)
		INTO ids, distances;
END $$;

CREATE FUNCTION compare(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	found record := answer(query, true);
	exact record := answer(query, false);
BEGIN
	-- the last rows may come out of order
	IF query !~ 'LIMIT' THEN found.distances := (SELECT array_agg(d ORDER BY d) FROM unnest(found.distances) d); END IF;
	IF found.distances IS DISTINCT FROM exact.distances THEN RETURN 'other distances'; END IF;
	IF query !~ 'LIMIT' AND (SELECT array_agg(i ORDER BY i) FROM unnest(found.ids) i) IS DISTINCT FROM
		(SELECT array_agg(i ORDER BY i) FROM unnest(exact.ids) i) THEN RETURN 'other rows'; END IF;
	RETURN coalesce(cardinality(found.ids), 0) || ' rows';
END $$;

-- three queries of `source`, whose expression is that of the index, for each operator
CREATE FUNCTION compare_many(source text, expression text, dimensions int, tail text, operators text[] = '{<->,<#>,<=>,<+>}')
RETURNS TABLE (operator text, result text) LANGUAGE sql AS $$
	SELECT operator, string_agg(DISTINCT compare(format('SELECT id, %s %s %L::sparsevec AS distance FROM %s ORDER BY %s %s %L::sparsevec %s',
			expression, operator, point(-q, dimensions), source, expression, operator, point(-q, dimensions), tail)), ', ')
	FROM unnest(operators) operator, generate_series(1, 3) q GROUP BY operator ORDER BY operator
$$;

CREATE TABLE small (id int, v sparsevec(1024), grp int);
CREATE TABLE big (id int, v sparsevec(1000000), grp int);
INSERT INTO small SELECT i, CASE WHEN i % 100 = 7 THEN NULL WHEN i % 100 = 8 THEN '{}/1024' ELSE point(i, 1024) END, i % 10
	FROM generate_series(1, 1200) i;
INSERT INTO big SELECT i, CASE WHEN i % 100 = 7 THEN NULL WHEN i % 100 = 8 THEN '{}/1000000' ELSE point(i, 1000000) END, i % 10
	FROM generate_series(1, 1200) i;
CREATE INDEX small_l2_hnsw ON small USING hnsw (v sparsevec_l2_ops);
CREATE INDEX small_ip_hnsw ON small USING hnsw (v sparsevec_ip_ops);
CREATE INDEX small_cosine_hnsw ON small USING hnsw (v sparsevec_cosine_ops);
CREATE INDEX small_l1_hnsw ON small USING hnsw (v sparsevec_l1_ops);
CREATE INDEX big_l2_hnsw ON big USING hnsw (v sparsevec_l2_ops);
CREATE INDEX big_ip_hnsw ON big USING hnsw (v sparsevec_ip_ops) WITH (m = 8, ef_construction = 32);
CREATE INDEX big_cosine_hnsw ON big USING hnsw (v sparsevec_cosine_ops);
CREATE INDEX big_l1_hnsw ON big USING hnsw (v sparsevec_l1_ops);
INSERT INTO small SELECT i, CASE WHEN i % 100 = 9 THEN NULL ELSE point(i, 1024) END, i % 10 FROM generate_series(1201, 1400) i;
INSERT INTO big SELECT i, CASE WHEN i % 100 = 9 THEN NULL ELSE point(i, 1000000) END, i % 10 FROM generate_series(1201, 1400) i;
-- equal rows, which share a node
INSERT INTO big SELECT 3000 + i, point(77, 1000000), i % 10 FROM generate_series(1, 30) i;
SELECT i.relname, dimensions, rows + first_rows AS rows FROM pg_class i, annex_index_info(i.oid) x
	WHERE i.relname ~ '^(small|big)_.*_hnsw$' ORDER BY 1;
SELECT annex_verify(oid, true) FROM pg_class WHERE relname ~ '^(small|big)_.*_hnsw$';

-- Everything, in exact order, when all rows are compared
SET annex.rerank = 1000000;
SELECT * FROM compare_many('small', 'v', 1024, '');
SELECT * FROM compare_many('big', 'v', 1000000, '');
SELECT * FROM compare_many('big', 'v', 1000000, 'LIMIT 10');
SELECT * FROM compare_many('(SELECT * FROM big WHERE grp = 3) big', 'v', 1000000, 'LIMIT 50');

-- a query that is NULL, of zeros, beyond the range, of other dimensions
SELECT compare('SELECT id, v <-> (SELECT NULL::sparsevec) AS distance FROM big ORDER BY v <-> (SELECT NULL::sparsevec)');
SELECT compare('SELECT id, v <=> ''{}/1000000'' AS distance FROM big ORDER BY v <=> ''{}/1000000''');
SELECT compare('SELECT id, v <-> ''{}/1000000'' AS distance FROM big ORDER BY v <-> ''{}/1000000''');
SELECT compare('SELECT id, v <-> ''{5:1e30}/1000000'' AS distance FROM big ORDER BY v <-> ''{5:1e30}/1000000'' LIMIT 3');
SELECT message FROM error_of('SELECT id FROM big ORDER BY v <-> ''{1:1}/5'' LIMIT 1');
SELECT message FROM error_of('INSERT INTO big VALUES (0, ''{1:1}/5'')');
RESET annex.rerank;

-- With defaults: all of LIMIT, in order, no row twice, and nearly all of the nearest
CREATE FUNCTION by_defaults(operator text, k int, OUT rows int, OUT different int, OUT in_order boolean, OUT recall boolean)
LANGUAGE plpgsql AS $$
DECLARE
	query text := format('SELECT id, v %s %%L::sparsevec AS distance FROM big ORDER BY v %s %%L::sparsevec LIMIT %s', operator, operator, k);
	found record;
	exact record;
	hits int := 0;
BEGIN
	rows := 0; different := 0; in_order := true;
	FOR q IN 1..10 LOOP
		found := answer(format(query, point(-q, 1000000), point(-q, 1000000)), true);
		exact := answer(format(query, point(-q, 1000000), point(-q, 1000000)), false);
		rows := rows + cardinality(found.ids);
		different := different + (SELECT count(DISTINCT i) FROM unnest(found.ids) i);
		in_order := in_order AND found.distances = (SELECT array_agg(d ORDER BY d) FROM unnest(found.distances) d);
		hits := hits + (SELECT count(*) FROM unnest(found.distances) d WHERE d <= exact.distances[k]);
	END LOOP;
	recall := hits >= 0.9 * rows;
END $$;
SELECT operator, k, found.* FROM unnest('{<->,<#>,<=>,<+>}'::text[]) operator, unnest('{1,10,100}'::int[]) k,
	by_defaults(operator, k) found ORDER BY operator, k;
SELECT i, recall >= 0.9 AS recall, measured FROM unnest('{big_l2_hnsw,big_cosine_hnsw,big_l1_hnsw}'::regclass[]) i, annex_recall(i, 10, 50);

-- A scan that goes on has every row once; it may start again
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM big ORDER BY v <+> point(-1, 1000000)) found;
SELECT count(*), count(DISTINCT (q, id)) FROM generate_series(1, 5) q,
	LATERAL (SELECT id FROM big ORDER BY v <-> point(-q, 1000000) LIMIT 7) found;

-- pgvector's settings: no more than they say, each of the nearest rows before the next
SET hnsw.ef_search = 5;
SELECT cardinality(ids), distances = (SELECT array_agg(d ORDER BY d) FROM unnest(distances) d) AS in_order
	FROM answer('SELECT id, v <=> point(-1, 1000000) AS distance FROM big ORDER BY v <=> point(-1, 1000000)', true);
-- ... of 31 equal rows those of one element
SET hnsw.ef_search = 1;
SELECT cardinality(ids), distances[10] = 0 AS equal
	FROM answer('SELECT id, v <-> point(77, 1000000) AS distance FROM big ORDER BY v <-> point(77, 1000000)', true);
SET hnsw.iterative_scan = strict_order;
SELECT cardinality(ids) > 0 AS some, distances = (SELECT array_agg(d ORDER BY d) FROM unnest(distances) d) AS in_order
	FROM answer('SELECT id, v <-> point(-1, 1000000) AS distance FROM big ORDER BY v <-> point(-1, 1000000)', true);
SET hnsw.iterative_scan = relaxed_order;
SELECT count(*) FROM (SELECT id FROM big WHERE grp = 4 ORDER BY v <-> point(-1, 1000000) LIMIT 20) found;
RESET hnsw.iterative_scan;
RESET hnsw.ef_search;

-- Rows that have gone, changed or moved: the scan sees what its snapshot does
SET annex.rerank = 1000000;
DELETE FROM big WHERE id % 7 = 0;
UPDATE big SET grp = grp + 1 WHERE id % 7 = 1;
UPDATE big SET v = point(id + 10000, 1000000) WHERE id % 7 = 2;
SELECT * FROM compare_many('big', 'v', 1000000, '');
BEGIN ISOLATION LEVEL REPEATABLE READ;
DELETE FROM big WHERE id % 7 = 3;
SELECT * FROM compare_many('big', 'v', 1000000, '');
ROLLBACK;
VACUUM big;
SELECT * FROM compare_many('big', 'v', 1000000, '');
SELECT annex_verify(oid, true) FROM pg_class WHERE relname ~ '^(small|big)_.*_hnsw$';
INSERT INTO big SELECT i, point(i, 1000000), i % 10 FROM generate_series(4001, 4200) i;
SELECT * FROM compare_many('big', 'v', 1000000, '');
SELECT annex_verify(oid, true) FROM pg_class WHERE relname ~ '^(small|big)_.*_hnsw$';
REINDEX TABLE big;
SELECT * FROM compare_many('big', 'v', 1000000, '');

-- Expressions, partial indexes, filter columns
CREATE TABLE docs (id int, v sparsevec, tenant int);
INSERT INTO docs SELECT i, point(i, 50000), i % 3 FROM generate_series(1, 1000) i;
CREATE INDEX docs_hnsw ON docs USING hnsw ((v::sparsevec(50000)) sparsevec_cosine_ops, tenant);
SELECT * FROM compare_many('docs', 'v::sparsevec(50000)', 50000, '', '{<=>}');
SELECT * FROM compare_many('(SELECT * FROM docs WHERE tenant = 1) docs', 'v::sparsevec(50000)', 50000, 'LIMIT 20', '{<=>}');
DROP INDEX docs_hnsw;
CREATE INDEX docs_hnsw ON docs USING hnsw ((v::sparsevec(50000)) sparsevec_l2_ops) WHERE tenant = 2;
SELECT * FROM compare_many('(SELECT * FROM docs WHERE tenant = 2) docs', 'v::sparsevec(50000)', 50000, 'LIMIT 20', '{<->}');
RESET annex.rerank;
SELECT e.* FROM error_of('CREATE INDEX ON docs USING hnsw (v sparsevec_l2_ops)') e;

-- Rows within a distance
SELECT compare('SELECT id, v <-> point(-1, 1000000) AS distance FROM big WHERE v <-> point(-1, 1000000) < 2
	ORDER BY v <-> point(-1, 1000000) LIMIT 5');

-- Rows beyond the range, of no length, without a value; the table is empty at first
CREATE TABLE odd (id int, v sparsevec(100000));
CREATE INDEX odd_l2_hnsw ON odd USING hnsw (v sparsevec_l2_ops);
CREATE INDEX odd_cosine_hnsw ON odd USING hnsw (v sparsevec_cosine_ops);
INSERT INTO odd VALUES (1, '{1:1e-30}/100000'), (2, '{1:1e30,2:1e30}/100000'), (3, '{7:1}/100000'), (4, '{}/100000'), (5, NULL);
SELECT compare('SELECT id, v <-> ''{7:2}/100000'' AS distance FROM odd ORDER BY v <-> ''{7:2}/100000''');
SELECT compare('SELECT id, v <=> ''{7:2}/100000'' AS distance FROM odd ORDER BY v <=> ''{7:2}/100000''');
SELECT annex_verify(i, true) FROM unnest('{odd_l2_hnsw,odd_cosine_hnsw}'::regclass[]) i;

DROP SCHEMA hnsw_sparsevec CASCADE;

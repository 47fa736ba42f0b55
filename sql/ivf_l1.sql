-- ivf indexes by taxicab distance, on vector and halfvec: build, insert, vacuum, maintenance, order, filters, distances
-- within a bound, recall.
SET client_min_messages = warning;
CREATE SCHEMA ivf_l1;
SET search_path = ivf_l1, public;
SET max_parallel_workers_per_gather = 0;

CREATE FUNCTION point(i int, dimensions int) RETURNS vector LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT array_agg(sin(i * 12.9898 + j * 78.233 + i * j * 0.37)::real)::vector FROM generate_series(1, dimensions) j
$$;

-- The rows of a query on which the planner has no choice: by the index, or by sorting.
CREATE FUNCTION answer(query text, by_index boolean, OUT ids int[], OUT distances float8[]) LANGUAGE plpgsql AS $$
DECLARE
	line text;
	plan text := '';
BEGIN
	PERFORM set_config('enable_seqscan', (NOT by_index)::text, true),
		set_config('enable_indexscan', by_index::text, true);
	FOR line IN EXECUTE 'EXPLAIN ' || query LOOP
		plan := plan || line;
	END LOOP;
	IF by_index <> (plan ~ 'Index Scan using \w+_ivf') THEN RAISE EXCEPTION 'another plan: %', plan; END IF;
	EXECUTE format('SELECT array_agg(id), array_agg(distance) FROM (%s) answer', query) INTO ids, distances;
	PERFORM set_config('enable_seqscan', 'on', true), set_config('enable_indexscan', 'on', true);
END $$;

CREATE FUNCTION compare(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	found record := answer(query, true);
	exact record := answer(query, false);
BEGIN
	IF found.distances IS DISTINCT FROM exact.distances THEN RETURN 'other distances'; END IF;
	IF query !~ 'LIMIT' AND (SELECT array_agg(i ORDER BY i) FROM unnest(found.ids) i) IS DISTINCT FROM
		(SELECT array_agg(i ORDER BY i) FROM unnest(exact.ids) i) THEN RETURN 'other rows'; END IF;
	RETURN coalesce(cardinality(found.ids), 0) || ' rows';
END $$;

-- Five queries of `source`, by each of these columns.
CREATE FUNCTION compare_many(source text, columns text[], dimensions int, tail text) RETURNS TABLE (column_name text, result text)
LANGUAGE sql AS $$
	SELECT c, string_agg(DISTINCT compare(format('SELECT id, %s <+> %L AS distance FROM %s ORDER BY %1$s <+> %2$L %4$s',
			c, point(-q, dimensions), source, tail)), ', ')
	FROM unnest(columns) c, generate_series(1, 5) q GROUP BY c ORDER BY c
$$;

-- The classes

SELECT opcname, opcdefault, opcintype::regtype, amvalidate(c.oid) AS valid FROM pg_opclass c JOIN pg_am a ON a.oid = opcmethod
	WHERE amname = 'ivf' AND opcname ~ 'l1' ORDER BY opcname;

-- Build and insert: rows without a value, zeros, which are as good as others, and a value beyond what bounds hold for

CREATE TABLE t (id int, v vector(12), h halfvec(12), grp int);
INSERT INTO t (id, v, grp) SELECT i, CASE WHEN i % 100 = 7 THEN NULL WHEN i % 100 = 8 THEN array_fill(0, ARRAY[12])::vector
	ELSE point(i, 12) END, i % 10 FROM generate_series(1, 3000) i;
UPDATE t SET h = v::halfvec;
CREATE INDEX t_v_ivf ON t USING ivf (v vector_l1_ops) WITH (lists = 20, spill = on);
CREATE INDEX t_h_ivf ON t USING ivf (h halfvec_l1_ops) WITH (lists = 20, spill = off);
INSERT INTO t SELECT i, CASE WHEN i % 100 = 9 THEN NULL ELSE point(i, 12) END,
	CASE WHEN i % 100 = 10 THEN NULL ELSE point(i, 12)::halfvec END, i % 10 FROM generate_series(3001, 4000) i;
INSERT INTO t SELECT 4000 + i, array_fill(3e37::real * i, ARRAY[12])::vector, array_fill(65504, ARRAY[12])::real[]::halfvec, 3 FROM generate_series(1, 5) i;
SELECT metric, dimensions FROM unnest('{t_v_ivf,t_h_ivf}'::regclass[]) index, annex_index_info(index);

-- the exact order when all lists are probed and the bounds are wide
SET ivf.probes = 32768;
SET ivf.epsilon = 10;
SELECT * FROM compare_many('t', '{v,h}', 12, '');
SELECT * FROM compare_many('t', '{v,h}', 12, 'LIMIT 10');
SELECT * FROM compare_many('t', '{v,h}', 12, 'LIMIT 2000');
SELECT * FROM compare_many('(SELECT * FROM t WHERE grp = 3) t', '{v,h}', 12, 'LIMIT 50');

-- no bound is beyond its distance: the executor would object
RESET ivf.probes;
RESET ivf.epsilon;
SELECT c, cardinality((answer(format('SELECT id, %s <+> %L AS distance FROM t ORDER BY %1$s <+> %2$L', c, point(-7, 12)), true)).ids) AS rows
	FROM unnest('{v,h}'::text[]) c;

-- Another operator than that of the class does not take the index.

EXPLAIN (COSTS off) SELECT id FROM t ORDER BY v <-> '[1,2,3,4,5,6,7,8,9,10,11,12]' LIMIT 1;
SET enable_seqscan = off;
EXPLAIN (COSTS off) SELECT id FROM t ORDER BY v <+> '[1,2,3,4,5,6,7,8,9,10,11,12]' LIMIT 1;
-- NULL, zero, beyond the bounds, other dimensions
SELECT count(*) AS rows, count(distance) AS distances FROM (SELECT v <+> NULL::vector AS distance FROM t ORDER BY v <+> NULL::vector) x;
SELECT distance, count(*) FROM (SELECT v <+> array_fill(0, ARRAY[12])::vector AS distance FROM t ORDER BY v <+> array_fill(0, ARRAY[12])::vector LIMIT 30) x GROUP BY 1;
SELECT id FROM t ORDER BY v <+> array_fill(3.1e37::real, ARRAY[12])::vector LIMIT 2;
SELECT id FROM t ORDER BY v <+> '[1,2,3]' LIMIT 1;
RESET enable_seqscan;

-- Delete, vacuum, update; new lists from the index's own rows

DELETE FROM t WHERE id % 3 = 0;
VACUUM t;
UPDATE t SET v = point(id + 10000, 12), h = point(id + 10000, 12)::halfvec WHERE id % 7 = 0;
SELECT annex_verify('t_v_ivf', true), annex_verify('t_h_ivf', true);
SET ivf.probes = 32768;
SET ivf.epsilon = 10;
SELECT * FROM compare_many('t', '{v,h}', 12, '');
DO $$BEGIN PERFORM annex_maintain('t_v_ivf', true), annex_maintain('t_h_ivf', true); END$$;
SELECT annex_verify('t_v_ivf', true), annex_verify('t_h_ivf', true);
SELECT * FROM compare_many('t', '{v,h}', 12, '');
SELECT * FROM compare_many('t', '{v,h}', 12, 'LIMIT 10');
SELECT index, round(recall::numeric, 3) AS recall, measured
	FROM unnest('{t_v_ivf,t_h_ivf}'::regclass[]) index, annex_recall(index, k => 10, queries => 50);
RESET ivf.probes;
RESET ivf.epsilon;

-- New lists find what the old ones found: calibrated settings, rows of clusters.

CREATE TABLE clusters (id int, v vector(24));
INSERT INTO clusters SELECT i, point(i % 60, 24) + (point(i + 1000, 24) * array_fill(2, ARRAY[24])::vector) FROM generate_series(1, 8000) i;
CREATE INDEX clusters_ivf ON clusters USING ivf (v vector_l1_ops) WITH (lists = 80);
SELECT recall > 0.94 AS recall FROM annex_recall('clusters_ivf', k => 10, queries => 200);
DO $$BEGIN PERFORM annex_maintain('clusters_ivf', true); END$$;
SELECT recall > 0.94 AS recall FROM annex_recall('clusters_ivf', k => 10, queries => 200);
SET annex.target_recall = 0.5;
SELECT recall < 0.85 AS less FROM annex_recall('clusters_ivf', k => 10, queries => 200);
RESET annex.target_recall;

-- The ends of the range

CREATE TABLE ends (id int, v vector(6), h halfvec(6));
INSERT INTO ends SELECT i, array_agg(CASE (i * 7 + j * 5) % 6 WHEN 0 THEN 1e16 WHEN 1 THEN -1e16 WHEN 2 THEN 1e-44::real * (i % 50) WHEN 3 THEN -1e-30
	WHEN 4 THEN 0 ELSE i END ORDER BY j)::real[]::vector,
	array_agg(CASE (i * 7 + j * 5) % 6 WHEN 0 THEN 65504 WHEN 1 THEN -65504 WHEN 2 THEN 6e-8 * (i % 50) WHEN 3 THEN -6e-8
	WHEN 4 THEN 0 ELSE i END ORDER BY j)::real[]::halfvec FROM generate_series(1, 1000) i, generate_series(1, 6) j GROUP BY i;
INSERT INTO ends SELECT 1000 + i, array_fill(1e-42::real * i, ARRAY[6])::vector, array_fill(6e-8 * i, ARRAY[6])::real[]::halfvec FROM generate_series(1, 200) i;
CREATE INDEX ends_v_ivf ON ends USING ivf (v vector_l1_ops) WITH (lists = 5);
CREATE INDEX ends_h_ivf ON ends USING ivf (h halfvec_l1_ops) WITH (lists = 5);
SET ivf.probes = 32768;
SET ivf.epsilon = 10;
SELECT * FROM compare_many('ends', '{v,h}', 6, '');
SELECT c, compare(format('SELECT id, %s <+> %L AS distance FROM ends ORDER BY %1$s <+> %2$L', c, query)) AS result
	FROM unnest('{v,h}'::text[]) c, unnest(ARRAY['[65504,65504,65504,65504,65504,65504]', '[6e-8,0,6e-8,0,0,-6e-8]', '[65504,6e-8,1,0,0,0]']) query
	ORDER BY c, query;

-- Rows longer than a page, values beside the table

CREATE TABLE wide (id int, v vector(9000), h halfvec(1600));
INSERT INTO wide SELECT i, point(i, 9000), point(i, 1600)::halfvec FROM generate_series(1, 60) i;
CREATE INDEX wide_v_ivf ON wide USING ivf (v vector_l1_ops) WITH (lists = 2);
CREATE INDEX wide_h_ivf ON wide USING ivf (h halfvec_l1_ops) WITH (lists = 2);
INSERT INTO wide SELECT i, point(i, 9000), point(i, 1600)::halfvec FROM generate_series(61, 80) i;
SELECT * FROM compare_many('wide', '{v}', 9000, 'LIMIT 20');
SELECT * FROM compare_many('wide', '{h}', 1600, 'LIMIT 20');
SELECT annex_verify('wide_v_ivf', true), annex_verify('wide_h_ivf', true);
DROP TABLE wide;

-- Filter columns, and a bound of the distance, with an order and without

CREATE INDEX t_columns_ivf ON t USING ivf (v vector_l1_ops, grp) WITH (lists = 20);
DROP INDEX t_v_ivf;
SELECT * FROM compare_many('(SELECT * FROM t WHERE grp = 3) t', '{v}', 12, 'LIMIT 20');
SELECT * FROM compare_many('(SELECT * FROM t WHERE grp BETWEEN 2 AND 4) t', '{v}', 12, '');
SELECT point(-3, 12) AS q \gset
SELECT compare(format('SELECT id, v <+> %L AS distance FROM t WHERE v <+> %1$L < 5 ORDER BY v <+> %1$L LIMIT 30', :'q')),
	compare(format('SELECT id, v <+> %L AS distance FROM t WHERE v <+> %1$L < 4 ORDER BY v <+> %1$L LIMIT 1000', :'q'));
VACUUM ANALYZE t;
SET enable_seqscan = off;
-- what is within a distance by L1 is not far away by L2, which is all that sketches can tell
CREATE FUNCTION within(radius float8, by_index boolean) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	found bigint;
	line text;
	plan text := '';
	query text := format('SELECT count(*) FROM t WHERE v <+> %L < %s', ivf_l1.point(-3, 12), radius);
BEGIN
	PERFORM set_config('annex.enable_filtered_scan', by_index::text, true);
	FOR line IN EXECUTE 'EXPLAIN (COSTS off) ' || query LOOP
		plan := plan || line;
	END LOOP;
	IF by_index <> (plan ~ 'Way: range') THEN RAISE EXCEPTION 'another plan: %', plan; END IF;
	EXECUTE query INTO found;
	RETURN found;
END $$;
SELECT radius, within(radius, true) AS rows, within(radius, true) = within(radius, false) AS same FROM unnest('{0,3,4.5,7,12,100}'::float8[]) radius;
RESET enable_seqscan;

DROP SCHEMA ivf_l1 CASCADE;

-- ivf indexes on halfvec: build, insert, vacuum, order, filters, filter columns, expressions.
SET client_min_messages = warning;
CREATE SCHEMA ivf_halfvec;
SET search_path = ivf_halfvec, public;

CREATE FUNCTION point(i int, dimensions int) RETURNS halfvec LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT array_agg(sin(i * 12.9898 + j * 78.233 + i * j * 0.37)::real)::halfvec FROM generate_series(1, dimensions) j
$$;

CREATE FUNCTION error_of(statement text, OUT state text, OUT message text, OUT hint text) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	message := 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
END $$;

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

-- five queries of `source`, whose expression and operators are those of the index, for each operator
CREATE FUNCTION compare_many(source text, expression text, operators text[], dimensions int, tail text) RETURNS TABLE (operator text, result text)
LANGUAGE sql AS $$
	SELECT operator, string_agg(DISTINCT compare(format('SELECT id, %s %s %L::halfvec AS distance FROM %s ORDER BY %s %s %L::halfvec %s',
			expression, operator, point(-q, dimensions), source, expression, operator, point(-q, dimensions), tail)), ', ')
	FROM unnest(operators) operator, generate_series(1, 5) q GROUP BY operator ORDER BY operator
$$;

-- The classes

SELECT opcname, opcdefault, opcintype::regtype FROM pg_opclass c JOIN pg_am a ON a.oid = opcmethod
	WHERE amname = 'ivf' AND opcintype = 'halfvec'::regtype ORDER BY opcname;
SELECT count(*), bool_and(amvalidate(c.oid)) AS valid FROM pg_opclass c JOIN pg_am a ON a.oid = opcmethod
	WHERE amname = 'ivf' AND opcintype = 'halfvec'::regtype;

-- Build and insert: rows without a value, and zeros, which have no direction

CREATE TABLE t (id int, v halfvec(12), grp int);
INSERT INTO t SELECT i, CASE WHEN i % 100 = 7 THEN NULL WHEN i % 100 = 8 THEN array_fill(0, ARRAY[12])::halfvec
	ELSE point(i, 12) END, i % 10 FROM generate_series(1, 3000) i;
CREATE INDEX t_l2_ivf ON t USING ivf (v) WITH (lists = 20, spill = on);
CREATE INDEX t_ip_ivf ON t USING ivf (v halfvec_ip_ops) WITH (lists = 20, spill = off);
CREATE INDEX t_cosine_ivf ON t USING ivf (v halfvec_cosine_ops) WITH (lists = 20);
INSERT INTO t SELECT i, CASE WHEN i % 100 = 9 THEN NULL ELSE point(i, 12) END, i % 10 FROM generate_series(3001, 4000) i;

-- the exact order when all lists are probed and the bounds are wide
SET ivf.probes = 32768;
SET ivf.epsilon = 10;
SELECT * FROM compare_many('t', 'v', '{<->,<#>,<=>}', 12, '');
SELECT * FROM compare_many('t', 'v', '{<->,<#>,<=>}', 12, 'LIMIT 10');
SELECT * FROM compare_many('t', 'v', '{<->,<#>,<=>}', 12, 'LIMIT 2000');
SELECT * FROM compare_many('(SELECT * FROM t WHERE grp = 3) t', 'v', '{<->,<#>,<=>}', 12, 'LIMIT 50');

-- no bound is beyond its distance: the executor would object
RESET ivf.probes;
RESET ivf.epsilon;
SELECT operator, cardinality((answer(format('SELECT id, v %s %L AS distance FROM t ORDER BY v %s %L', operator, point(-7, 12), operator, point(-7, 12)), true)).ids) AS rows
	FROM unnest('{<->,<#>,<=>}'::text[]) operator;

-- Delete, vacuum, update

DELETE FROM t WHERE id % 3 = 0;
VACUUM t;
UPDATE t SET v = point(id + 10000, 12) WHERE id % 7 = 0;
SELECT annex_verify('t_l2_ivf', true), annex_verify('t_ip_ivf', true), annex_verify('t_cosine_ivf', true);
SET ivf.probes = 32768;
SET ivf.epsilon = 10;
SELECT * FROM compare_many('t', 'v', '{<->,<#>,<=>}', 12, '');
SELECT * FROM compare_many('t', 'v', '{<->,<#>,<=>}', 12, 'LIMIT 10');
SELECT index, round(recall::numeric, 3) AS recall, measured
	FROM unnest('{t_l2_ivf,t_ip_ivf,t_cosine_ivf}'::regclass[]) index, annex_recall(index, k => 10, queries => 50);
-- by queries from another table, in a column of the type
CREATE TABLE q (v halfvec(12), w vector(12));
INSERT INTO q SELECT point(-i, 12), point(-i, 12) FROM generate_series(1, 30) i;
SELECT round(recall::numeric, 3) AS recall, measured FROM annex_recall('t_l2_ivf', query_table => 'q');
RESET ivf.probes;
RESET ivf.epsilon;
SELECT metric, dimensions FROM unnest('{t_l2_ivf,t_ip_ivf,t_cosine_ivf}'::regclass[]) index, annex_index_info(index);

-- the lists are made anew from the index's own rows
DO $$BEGIN PERFORM annex_maintain('t_l2_ivf', true); END$$;
SELECT annex_verify('t_l2_ivf', true);

-- A query of each kind: NULL, zero, other dimensions; a vector becomes a halfvec

SET enable_seqscan = off;
SELECT count(*) AS rows, count(distance) AS distances FROM (SELECT v <-> NULL::halfvec AS distance FROM t ORDER BY v <-> NULL::halfvec) x;
SELECT count(*) AS rows, count(*) FILTER (WHERE distance = 'NaN') AS nan
	FROM (SELECT v <=> array_fill(0, ARRAY[12])::halfvec AS distance FROM t ORDER BY v <=> array_fill(0, ARRAY[12])::halfvec) x;
SELECT e.* FROM error_of($$SELECT id FROM t ORDER BY v <-> '[1,2,3]' LIMIT 1$$) e;
EXPLAIN (COSTS off) SELECT id FROM t ORDER BY v <-> '[1,2,3,4,5,6,7,8,9,10,11,12]'::vector LIMIT 1;
RESET enable_seqscan;
-- one query after another by the same scan
SELECT count(*), count(DISTINCT n.id) > 1 AS various FROM q, LATERAL (SELECT id FROM t ORDER BY t.v <-> q.v LIMIT 3) n;

-- Values at the ends of the range: the largest, subnormals, the smallest beside the largest

CREATE TABLE ends (id int, v halfvec(6));
INSERT INTO ends SELECT i, array_agg(CASE (i * 7 + j * 5) % 6 WHEN 0 THEN 65504 WHEN 1 THEN -65504 WHEN 2 THEN 6e-8 * (i % 50) WHEN 3 THEN -6e-8
	WHEN 4 THEN 0 ELSE i END ORDER BY j)::real[]::halfvec FROM generate_series(1, 1000) i, generate_series(1, 6) j GROUP BY i;
INSERT INTO ends SELECT 1000 + i, array_fill(6e-8 * i, ARRAY[6])::real[]::halfvec FROM generate_series(1, 200) i;
CREATE INDEX ends_l2_ivf ON ends USING ivf (v) WITH (lists = 5);
CREATE INDEX ends_ip_ivf ON ends USING ivf (v halfvec_ip_ops) WITH (lists = 5);
CREATE INDEX ends_cosine_ivf ON ends USING ivf (v halfvec_cosine_ops) WITH (lists = 5);
SET ivf.probes = 32768;
SET ivf.epsilon = 10;
SELECT * FROM compare_many('ends', 'v', '{<->,<#>,<=>}', 6, '');
SELECT operator, compare(format('SELECT id, v %s %L::halfvec AS distance FROM ends ORDER BY v %s %L::halfvec', operator, query, operator, query)) AS result
	FROM unnest('{<->,<#>,<=>}'::text[]) operator, unnest(ARRAY['[65504,65504,65504,65504,65504,65504]', '[6e-8,0,6e-8,0,0,-6e-8]', '[65504,6e-8,1,0,0,0]']) query
	ORDER BY operator, query;
DROP TABLE ends;

-- Values beside the table, and with a short header

CREATE TABLE wide (id int, v halfvec(1600), short halfvec(3));
INSERT INTO wide SELECT i, point(i, 1600), point(i, 3) FROM generate_series(1, 150) i;
CREATE INDEX wide_ivf ON wide USING ivf (v) WITH (lists = 2);
CREATE INDEX short_ivf ON wide USING ivf (short) WITH (lists = 2);
INSERT INTO wide SELECT i, point(i, 1600), point(i, 3) FROM generate_series(151, 200) i;
SELECT * FROM compare_many('wide', 'v', '{<->}', 1600, 'LIMIT 20');
SELECT * FROM compare_many('wide', 'short', '{<->}', 3, '');
DROP TABLE wide;

-- Filter columns

CREATE INDEX t_columns_ivf ON t USING ivf (v, grp) WITH (lists = 20);
DROP INDEX t_l2_ivf;
SELECT * FROM compare_many('(SELECT * FROM t WHERE grp = 3) t', 'v', '{<->}', 12, 'LIMIT 20');
SELECT * FROM compare_many('(SELECT * FROM t WHERE grp BETWEEN 2 AND 4) t', 'v', '{<->}', 12, '');
SET enable_seqscan = off;
EXPLAIN (COSTS off) SELECT id FROM t WHERE grp = 3 ORDER BY v <-> '[1,2,3,4,5,6,7,8,9,10,11,12]' LIMIT 1;
RESET enable_seqscan;

-- Half of a vector's bytes: an index on an expression, and the exact order of the vectors by a query around it

CREATE TABLE items (id int, embedding vector);
INSERT INTO items SELECT i, point(i, 3)::vector + '[1,0,0]' FROM generate_series(1, 1000) i;
INSERT INTO items VALUES (1001, NULL);
CREATE INDEX items_ivf ON items USING ivf ((embedding::halfvec(3)) halfvec_l2_ops) WITH (lists = 5);
INSERT INTO items SELECT i, point(i, 3)::vector + '[1,0,0]' FROM generate_series(1002, 1100) i;
SELECT * FROM compare_many('items', 'embedding::halfvec(3)', '{<->}', 3, '');
SELECT * FROM compare_many('items', 'embedding::halfvec(3)', '{<->}', 3, 'LIMIT 10');
SET enable_seqscan = off;
EXPLAIN (COSTS off) SELECT id FROM (SELECT * FROM items ORDER BY embedding::halfvec(3) <-> '[1,2,3]' LIMIT 20) x ORDER BY embedding <-> '[1,2,3]' LIMIT 5;
RESET enable_seqscan;
SELECT e.* FROM error_of($$INSERT INTO items VALUES (0, '[1,2]')$$) e;
SELECT e.* FROM error_of($$INSERT INTO items VALUES (0, '[1,2,65520]')$$) e;
SELECT e.* FROM error_of('CREATE INDEX ON items USING ivf ((embedding::halfvec) halfvec_l2_ops)') e;
SELECT e.* FROM error_of('CREATE INDEX ON items USING ivf (embedding halfvec_l2_ops)') e;
SELECT round(recall::numeric, 3) AS recall FROM annex_recall('items_ivf', k => 10, queries => 20);

DROP SCHEMA ivf_halfvec CASCADE;

-- What a scan of an hnsw index returns, and in which order: compared with sorting all rows.
SET client_min_messages = warning;
CREATE SCHEMA hnsw_scan;
SET search_path = hnsw_scan, public;
SET max_parallel_workers_per_gather = 0;

CREATE FUNCTION point(i int, dimensions int) RETURNS vector LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT array_agg(sin(i * 12.9898 + j * 78.233 + i * j * 0.37)::real)::vector FROM generate_series(1, dimensions) j
$$;

CREATE FUNCTION error_of(statement text, OUT state text, OUT message text) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	message := 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
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
	IF by_index <> (plan ~ 'Index Scan using \w+_hnsw') THEN RAISE EXCEPTION 'another plan: %', plan; END IF;
	EXECUTE format('SELECT array_agg(id), array_agg(distance) FROM (%s) answer', query) INTO ids, distances;
	PERFORM set_config('enable_seqscan', 'on', true), set_config('enable_indexscan', 'on', true);
END $$;

CREATE FUNCTION sorted(ids int[]) RETURNS int[] LANGUAGE sql AS $$ SELECT array_agg(i ORDER BY i) FROM unnest(ids) i $$;

-- All rows, whatever the order; or the nearest ones, exactly.
CREATE FUNCTION compare(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	found record := answer(query, true);
	exact record := answer(query, false);
BEGIN
	IF query ~ 'LIMIT' AND found.distances IS DISTINCT FROM exact.distances THEN RETURN 'other distances'; END IF;
	IF query !~ 'LIMIT' AND sorted(found.ids) IS DISTINCT FROM sorted(exact.ids) THEN RETURN 'other rows'; END IF;
	RETURN coalesce(cardinality(found.ids), 0) || ' rows';
END $$;

-- How many of the nearest rows 20 queries find, and whether they find as many rows, in order. %s: the query's vector.
CREATE FUNCTION recall(query text, OUT enough boolean, OUT in_order boolean, OUT complete boolean) LANGUAGE plpgsql AS $$
DECLARE
	found record;
	exact record;
	good int := 0;
	total int := 0;
BEGIN
	in_order := true;
	complete := true;
	FOR q IN 1..20 LOOP
		found := answer(replace(query, '%s', quote_literal(point(-q, 12)) || '::vector'), true);
		exact := answer(replace(query, '%s', quote_literal(point(-q, 12)) || '::vector'), false);
		total := total + cardinality(exact.ids);
		good := good + (SELECT count(*) FROM unnest(found.ids) i WHERE i = ANY (exact.ids));
		in_order := in_order AND (SELECT bool_and(d >= before) IS NOT FALSE
			FROM (SELECT d, lag(d) OVER (ORDER BY n) AS before FROM unnest(found.distances) WITH ORDINALITY u(d, n)) s);
		complete := complete AND cardinality(found.ids) = cardinality(exact.ids)
			AND cardinality(found.ids) = (SELECT count(DISTINCT i) FROM unnest(found.ids) i);
	END LOOP;
	enough := good >= 0.95 * total;
END $$;

CREATE TABLE t (id int, v vector(12), grp int);
INSERT INTO t SELECT i, CASE WHEN i % 100 = 7 THEN NULL WHEN i % 100 = 8 THEN array_fill(0, ARRAY[12])::vector
	ELSE point(i, 12) END, i % 10 FROM generate_series(1, 4000) i;
CREATE INDEX t_l2_hnsw ON t USING hnsw (v vector_l2_ops);
CREATE INDEX t_ip_hnsw ON t USING hnsw (v vector_ip_ops);
CREATE INDEX t_cosine_hnsw ON t USING hnsw (v vector_cosine_ops);
INSERT INTO t SELECT i, point(i, 12), i % 10 FROM generate_series(4001, 5000) i;
ANALYZE t;
SELECT point(-1, 12) AS q, point(-2, 12) AS q2 \gset

-- The nearest rows -----------------------------------------------------------------------------------------------------

CREATE FUNCTION recalls(condition text, tail text) RETURNS TABLE (operator text, enough boolean, in_order boolean,
	complete boolean) LANGUAGE sql AS $$
	SELECT operator, r.* FROM unnest(ARRAY['<->', '<#>', '<=>']) operator,
		recall(format('SELECT id, v %s %%s AS distance FROM t WHERE v IS NOT NULL AND %s ORDER BY v %s %%s %s',
			operator, condition, operator, tail)) r ORDER BY operator
$$;
SELECT * FROM recalls('true', 'LIMIT 1');
SELECT * FROM recalls('true', 'LIMIT 10');
SELECT * FROM recalls('true', 'LIMIT 100');
SELECT * FROM recalls('true', 'LIMIT 10 OFFSET 20');
SELECT * FROM recalls('grp = 3', 'LIMIT 10');
SELECT * FROM recalls('grp <> 3', 'LIMIT 10');
SELECT * FROM recalls('id % 500 = 3', 'LIMIT 5');
-- by both operands
SELECT * FROM recall('SELECT id, v <-> %s AS distance FROM t ORDER BY %s <-> v LIMIT 10');

-- All rows -------------------------------------------------------------------------------------------------------------

SELECT compare(format('SELECT id, v <-> %L AS distance FROM t WHERE v IS NOT NULL ORDER BY v <-> %1$L', :'q'));
SELECT compare(format('SELECT id, v <#> %L AS distance FROM t WHERE v IS NOT NULL ORDER BY v <#> %1$L', :'q'));
SELECT compare(format('SELECT id, v <=> %L AS distance FROM t WHERE v <=> %1$L <> ''NaN'' ORDER BY v <=> %1$L', :'q'));
SELECT compare(format('SELECT id, v <-> %L AS distance FROM t WHERE v IS NOT NULL AND grp = 3 ORDER BY v <-> %1$L', :'q'));
SELECT compare(format('SELECT id, v <-> %L AS distance FROM t WHERE grp > 10 ORDER BY v <-> %1$L LIMIT 10', :'q'));
SELECT compare(format('SELECT id, v <-> %L AS distance FROM t ORDER BY v <-> %1$L LIMIT 0', :'q'));
-- most rows at once are in order: memory makes the reading longer, not worse
SELECT compare(format('SELECT id, v <-> %L AS distance FROM t WHERE v IS NOT NULL ORDER BY v <-> %1$L LIMIT 4500', :'q'));
SET work_mem = '64kB';
SELECT compare(format('SELECT id, v <-> %L AS distance FROM t WHERE v IS NOT NULL ORDER BY v <-> %1$L LIMIT 4500', :'q'));
SELECT compare(format('SELECT id, v <-> %L AS distance FROM t WHERE v IS NOT NULL ORDER BY v <-> %1$L', :'q'));
RESET work_mem;

-- Queries without a distance -------------------------------------------------------------------------------------------

SELECT compare('SELECT id, v <-> (SELECT NULL::vector) AS distance FROM t WHERE v IS NOT NULL ORDER BY v <-> (SELECT NULL::vector)');
SELECT compare(format('SELECT id, v <=> %L AS distance FROM t WHERE v IS NOT NULL AND id %% 100 <> 8 ORDER BY v <=> %1$L',
	array_fill(0, ARRAY[12])::vector));
SELECT compare(format('SELECT id, v <-> %L AS distance FROM t WHERE v IS NOT NULL ORDER BY v <-> %1$L',
	array_fill(1e38, ARRAY[12])::vector));
SELECT * FROM error_of('SET LOCAL enable_seqscan = off; SELECT id FROM t ORDER BY v <-> ''[1,2]'' LIMIT 1');

-- Rows beyond the range of bounds: first, and wherever they belong
CREATE TABLE side (id int, v vector(4));
INSERT INTO side SELECT i, point(i, 4) FROM generate_series(1, 500) i;
CREATE INDEX side_hnsw ON side USING hnsw (v vector_l2_ops);
INSERT INTO side SELECT 1000 + i, array_fill(1e38 / i, ARRAY[4])::vector FROM generate_series(1, 3) i;
SELECT compare('SELECT id, v <-> ''[0,0,0,0]'' AS distance FROM side ORDER BY v <-> ''[0,0,0,0]''');
SELECT compare('SELECT id, v <-> ''[0,0,0,0]'' AS distance FROM side ORDER BY v <-> ''[0,0,0,0]'' LIMIT 10');
SELECT compare('SELECT id, v <-> ''[1e38,1e38,1e38,1e38]'' AS distance FROM side ORDER BY v <-> ''[1e38,1e38,1e38,1e38]''');

-- Small and empty indexes ------------------------------------------------------------------------------------------------

CREATE TABLE small (id int, v vector(3));
CREATE INDEX small_hnsw ON small USING hnsw (v vector_l2_ops);
SELECT compare('SELECT id, v <-> ''[0,0,0]'' AS distance FROM small ORDER BY v <-> ''[0,0,0]'' LIMIT 5');
INSERT INTO small VALUES (1, NULL);
INSERT INTO small VALUES (2, '[1,1,1]');
SELECT compare('SELECT id, v <-> ''[0,0,0]'' AS distance FROM small WHERE v IS NOT NULL ORDER BY v <-> ''[0,0,0]'' LIMIT 5');
INSERT INTO small SELECT i, point(i, 3) FROM generate_series(3, 40) i;
SELECT compare('SELECT id, v <-> ''[0,0,0]'' AS distance FROM small WHERE v IS NOT NULL ORDER BY v <-> ''[0,0,0]'' LIMIT 5');
SELECT compare('SELECT id, v <-> ''[0,0,0]'' AS distance FROM small WHERE v IS NOT NULL ORDER BY v <-> ''[0,0,0]''');

-- Rows with the same vector --------------------------------------------------------------------------------------------

CREATE TABLE same (id int, v vector(12), grp int);
INSERT INTO same SELECT i, point(i % 40, 12), i % 7 FROM generate_series(1, 6000) i;
CREATE INDEX same_hnsw ON same USING hnsw (v vector_l2_ops, grp);
INSERT INTO same SELECT i, point(i % 40, 12), i % 7 FROM generate_series(6001, 8000) i;
ANALYZE same;
SELECT compare(format('SELECT id, v <-> %L AS distance FROM same ORDER BY v <-> %1$L', :'q'));
SELECT compare(format('SELECT id, v <-> %L AS distance FROM same ORDER BY v <-> %1$L LIMIT 450', :'q'));
SELECT compare(format('SELECT id, v <-> %L AS distance FROM same WHERE grp = 3 ORDER BY v <-> %1$L', :'q'));
SELECT compare(format('SELECT id, v <-> %L AS distance FROM same WHERE grp = 3 ORDER BY v <-> %1$L LIMIT 100', :'q'));

-- Filter columns -------------------------------------------------------------------------------------------------------

CREATE TABLE f (id int, v vector(12), grp int, tag text);
INSERT INTO f SELECT i, point(i, 12), nullif(i % 50, 0), 'tag ' || i % 3 FROM generate_series(1, 5000) i;
CREATE INDEX f_hnsw ON f USING hnsw (v vector_l2_ops, grp, tag);
ANALYZE f;
CREATE FUNCTION filtered(condition text) RETURNS text LANGUAGE sql AS $$
	SELECT compare(format('SELECT id, v <-> %L AS distance FROM f WHERE %s ORDER BY v <-> %1$L', point(-3, 12), condition))
		|| ', nearest ' || (SELECT r.enough AND r.complete FROM recall(format(
		'SELECT id, v <-> %%s AS distance FROM f WHERE %s ORDER BY v <-> %%s LIMIT 10', condition)) r)
$$;
SELECT condition, filtered(condition) FROM unnest(ARRAY['grp = 7', 'grp > 10 AND grp <= 30', 'grp IS NULL', 'grp IS NOT NULL',
	'tag = ''tag 1''', 'grp = 7 AND tag = ''tag 2''', 'grp = ANY (''{3,4,99}'')', 'grp > 1000', 'grp > 5 AND id % 3 = 0',
	'grp < 40 AND id < 0']) condition;

-- Rows found by other indexes ------------------------------------------------------------------------------------------

CREATE INDEX f_id ON f (id);
ANALYZE f;
SET annex.filtered_way = 'set';
SELECT condition, filtered(condition) FROM unnest(ARRAY['id < 100', 'id BETWEEN 1000 AND 2500', 'id = 17', 'id < 0',
	'id > 2000 AND grp = 7']) condition;
SET work_mem = '64kB';
SELECT condition, filtered(condition) FROM unnest(ARRAY['id > 100', 'id BETWEEN 1000 AND 2500']) condition;
RESET work_mem;
SET annex.filtered_way = 'plain';
SELECT condition, filtered(condition) FROM unnest(ARRAY['id < 100', 'id BETWEEN 1000 AND 2500', 'id = 17']) condition;
RESET annex.filtered_way;

-- Bounds of the distance -----------------------------------------------------------------------------------------------

SELECT r, compare(format('SELECT id, v <-> %L AS distance FROM t WHERE v <-> %1$L < %s ORDER BY v <-> %1$L', :'q', r))
FROM unnest(ARRAY[0, 0.5, 1.5, 3, 100]) r;
SELECT compare(format('SELECT id, v <-> %L AS distance FROM t WHERE v <-> %1$L < 1.8 ORDER BY v <-> %1$L LIMIT 20', :'q'));
SELECT compare('SELECT id, 0 AS distance FROM t WHERE v <-> (SELECT NULL::vector) < 1 ORDER BY v <-> (SELECT NULL::vector)');
SELECT compare(format('SELECT id, 0 AS distance FROM t WHERE v <=> %L < 1 ORDER BY v <=> %1$L', array_fill(0, ARRAY[12])::vector));

-- How far a scan goes --------------------------------------------------------------------------------------------------

CREATE FUNCTION analyzed(query text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	plan jsonb;
BEGIN
	SET LOCAL enable_seqscan = off;
	EXECUTE 'EXPLAIN (ANALYZE, TIMING OFF, SUMMARY OFF, COSTS OFF, FORMAT JSON) ' || query INTO plan;
	RETURN jsonb_path_query_first(plan, '$.** ? (@."Custom Plan Provider" == "annex filtered scan")');
END $$;
CREATE TABLE many (id int, v vector(6), grp int);
INSERT INTO many SELECT i, point(i, 6), i FROM generate_series(1, 20000) i;
CREATE INDEX many_hnsw ON many USING hnsw (v vector_l2_ops, grp);
ANALYZE many;
CREATE VIEW visits AS SELECT (p ->> 'Nodes Visited')::int AS visits, (p ->> 'Skipped by the Filter')::int AS skipped,
	(p ->> 'Passed the Filter')::int AS passed, (p ->> 'Rounds')::int AS rounds, (p ->> 'Edges Scanned')::int AS edges,
	condition FROM unnest(ARRAY['grp > 2000', 'grp > 19999']) condition, analyzed(format(
	'SELECT id FROM many WHERE %s ORDER BY v <-> %L LIMIT 10', condition, point(-5, 6))) p;
-- most pass: a walk; one row passes: no walk, but a look at every node
SELECT condition, visits BETWEEN 10 AND 1000 AS walks, passed BETWEEN 10 AND visits AS passed,
	skipped = visits - passed AS skipped, edges > visits AS edges, rounds FROM visits WHERE condition = 'grp > 2000';
SELECT condition, visits, passed, skipped, rounds FROM visits WHERE condition = 'grp > 19999';

-- Restarts ---------------------------------------------------------------------------------------------------------------

SET enable_seqscan = off;
SELECT count(*), count(DISTINCT (q.id, n.id)), bool_and(n.place > 1 OR n.id = q.id) FROM (SELECT * FROM many WHERE id <= 50) q,
	LATERAL (SELECT m.id, row_number() OVER () AS place FROM (SELECT id FROM many ORDER BY many.v <-> q.v LIMIT 5) m) n;
BEGIN;
DECLARE c CURSOR FOR SELECT id FROM many ORDER BY v <-> '[0,0,0,0,0,0]';
MOVE 100 IN c;
DELETE FROM many WHERE id % 2 = 0;
MOVE 30000 IN c;
CLOSE c;
SELECT count(*) FROM (SELECT id FROM many ORDER BY v <-> '[0,0,0,0,0,0]') s;
ROLLBACK;
RESET enable_seqscan;

-- pgvector's settings ----------------------------------------------------------------------------------------------------

CREATE FUNCTION found(query text) RETURNS bigint LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
	n bigint;
BEGIN
	EXECUTE 'SELECT count(*) FROM (' || query || ') s' INTO n;
	RETURN n;
END $$;
CREATE TABLE equal (v vector(3));
INSERT INTO equal SELECT '[1,1,1]' FROM generate_series(1, 20);
CREATE INDEX ON equal USING hnsw (v vector_l2_ops);
SELECT format('SELECT id FROM many ORDER BY v <-> %L', point(-5, 6)) AS nearest \gset
SELECT format('SELECT id FROM many WHERE id %% 100 = 0 ORDER BY v <-> %L LIMIT 20', point(-5, 6)) AS hundredth \gset
SELECT found(:'nearest'), found(:'hundredth'), found('SELECT v FROM equal ORDER BY v <-> ''[1,1,1]''');
SET hnsw.ef_search = 1;
SELECT found(:'nearest'), found('SELECT v FROM equal ORDER BY v <-> ''[1,1,1]''');
SET hnsw.ef_search = 25;
SELECT found(:'nearest'), found(:'nearest' || ' LIMIT 10'), found(:'hundredth') < 20 AS few;
SET hnsw.iterative_scan = relaxed_order;
SET hnsw.max_scan_tuples = 1000;
SELECT found(:'nearest') BETWEEN 900 AND 1000 AS visited, found(:'hundredth') BETWEEN 5 AND 15 AS passed;
SET hnsw.max_scan_tuples = 20000;
SELECT found(:'nearest'), found(:'hundredth');
SET hnsw.iterative_scan = strict_order;
CREATE FUNCTION in_order() RETURNS boolean LANGUAGE sql SET enable_seqscan = off AS $$
	SELECT bool_and(d >= before) IS NOT FALSE FROM (SELECT d, lag(d) OVER () AS before
		FROM (SELECT v <-> point(-5, 6) AS d FROM many ORDER BY v <-> point(-5, 6)) s) s
$$;
SELECT found(:'nearest') BETWEEN 10000 AND 20000 AS most, found(:'hundredth') BETWEEN 15 AND 20 AS hundredth, in_order();
RESET hnsw.ef_search;
RESET hnsw.iterative_scan;
RESET hnsw.max_scan_tuples;
SELECT found(:'nearest'), found(:'hundredth');

-- What the planner uses the index for ------------------------------------------------------------------------------------

CREATE FUNCTION uses_index(query text) RETURNS boolean LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN ' || query LOOP
		IF line ~ 'hnsw' THEN RETURN true; END IF;
	END LOOP;
	RETURN false;
END $$;
SELECT query, uses_index(query) FROM unnest(ARRAY[
	'SELECT id FROM many ORDER BY v <-> ''[0,0,0,0,0,0]'' LIMIT 10',
	'SELECT id FROM many ORDER BY v <-> ''[0,0,0,0,0,0]'' DESC LIMIT 10',
	'SELECT id FROM many ORDER BY v <=> ''[0,0,0,0,0,0]'' LIMIT 10',
	'SELECT id FROM many ORDER BY -(v <-> ''[0,0,0,0,0,0]'') LIMIT 10',
	'SELECT id FROM many WHERE grp = 7',
	'SELECT id FROM many WHERE v IS NULL',
	'SELECT id FROM many WHERE v IS NULL ORDER BY v <-> ''[0,0,0,0,0,0]'' LIMIT 10',
	'SELECT id FROM many WHERE v <-> ''[0,0,0,0,0,0]'' < 1',
	'SELECT v <-> ''[0,0,0,0,0,0]'', count(*) FROM many GROUP BY 1 ORDER BY 1 LIMIT 10',
	'SELECT DISTINCT v <-> ''[0,0,0,0,0,0]'' FROM many ORDER BY 1 LIMIT 10']) query;

DROP SCHEMA hnsw_scan CASCADE;

-- What a scan of an ivf index returns, and in which order: compared with sorting all rows.
SET client_min_messages = warning;
CREATE SCHEMA ivf_scan;
SET search_path = ivf_scan, public;

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
	-- rows at the same distance may come in any order, and any of them be the last
	IF query !~ 'LIMIT|OFFSET' AND (SELECT array_agg(i ORDER BY i) FROM unnest(found.ids) i) IS DISTINCT FROM
		(SELECT array_agg(i ORDER BY i) FROM unnest(exact.ids) i) THEN RETURN 'other rows'; END IF;
	RETURN coalesce(cardinality(found.ids), 0) || ' rows';
END $$;

CREATE TABLE t (id int, v vector(12), grp int);
INSERT INTO t SELECT i, CASE WHEN i % 100 = 7 THEN NULL WHEN i % 100 = 8 THEN array_fill(0, ARRAY[12])::vector
	ELSE point(i, 12) END, i % 10 FROM generate_series(1, 4000) i;
CREATE INDEX t_l2_ivf ON t USING ivf (v vector_l2_ops) WITH (lists = 20, spill = on);
CREATE INDEX t_ip_ivf ON t USING ivf (v vector_ip_ops) WITH (lists = 20, spill = off);
CREATE INDEX t_cosine_ivf ON t USING ivf (v vector_cosine_ops) WITH (lists = 20);
INSERT INTO t SELECT i, point(i, 12), i % 10 FROM generate_series(4001, 5000) i;
SELECT point(-1, 12) AS q, point(-2, 12) AS q2 \gset

-- The exact order when all lists are probed and the bounds are wide ---------------------------------------------------

SET ivf.probes = 32768;
SET ivf.epsilon = 10;
CREATE FUNCTION compare_many(tail text) RETURNS TABLE (operator text, result text) LANGUAGE sql AS $$
	SELECT operator, string_agg(DISTINCT compare(format(
			'SELECT id, v %s %L::vector AS distance FROM t ORDER BY v %s %L::vector %s',
			operator, point(-q, 12), operator, point(-q, 12), tail)), ', ')
	FROM unnest(ARRAY['<->', '<#>', '<=>']) operator, generate_series(1, 5) q GROUP BY operator ORDER BY operator
$$;
SELECT * FROM compare_many('');
SELECT * FROM compare_many('LIMIT 1');
SELECT * FROM compare_many('LIMIT 10');
SELECT * FROM compare_many('LIMIT 3000');
SELECT * FROM compare_many('LIMIT 10 OFFSET 20');
SELECT * FROM compare_many('OFFSET 4950');
SELECT * FROM compare_many('LIMIT 0');
SELECT * FROM compare_many('LIMIT 10000');
SELECT compare('SELECT id, v <-> ' || quote_literal(:'q') || ' AS distance FROM t WHERE grp = 3 ORDER BY v <-> '
	|| quote_literal(:'q') || ' LIMIT 10');
SELECT compare('SELECT id, v <-> ' || quote_literal(:'q') || ' AS distance FROM t WHERE grp = 3 ORDER BY v <-> '
	|| quote_literal(:'q'));
SELECT compare('SELECT id, v <-> ' || quote_literal(:'q') || ' AS distance FROM t WHERE grp > 10 ORDER BY v <-> '
	|| quote_literal(:'q') || ' LIMIT 10');
-- by both operands, and by another expression beside
SELECT compare('SELECT id, v <-> ' || quote_literal(:'q') || ' AS distance FROM t ORDER BY ' || quote_literal(:'q') || '::vector <-> v');

-- Memory: of all rows as much is kept as work_mem allows, and the others are found again.
SET work_mem = '64kB';
SELECT * FROM compare_many('');
SELECT * FROM compare_many('LIMIT 3000');
RESET work_mem;

-- Any settings: each row once -----------------------------------------------------------------------------------------

RESET ivf.probes;
RESET ivf.epsilon;
SHOW ivf.probes;
SHOW ivf.epsilon;
SHOW ivf.ordering;
SHOW ivf.ordering;
CREATE FUNCTION all_rows(operator text) RETURNS text LANGUAGE sql AS $$
	SELECT count(id) || ' rows, ' || count(DISTINCT id) || ' of them distinct' FROM
		unnest((answer(format('SELECT id, v %s %L::vector AS distance FROM t ORDER BY v %s %L::vector',
			operator, point(-1, 12), operator, point(-1, 12)), true)).ids) id
$$;
SELECT all_rows('<->'), all_rows('<#>'), all_rows('<=>');
SET ivf.probes = 1;
SELECT all_rows('<->'), all_rows('<#>'), all_rows('<=>');
SET ivf.epsilon = 0.01;
SELECT all_rows('<->'), all_rows('<#>'), all_rows('<=>');
SET work_mem = '64kB';
SELECT all_rows('<->'), all_rows('<#>'), all_rows('<=>');
RESET work_mem;
RESET ivf.epsilon;

-- What later rounds find too late: returned out of order, or left out.
CREATE FUNCTION steps_back(distances float8[]) RETURNS bigint LANGUAGE sql AS $$
	SELECT count(*) FROM (SELECT d < lag(d) OVER (ORDER BY n) AS back FROM unnest(distances) WITH ORDINALITY u (d, n)) s
	WHERE back
$$;
CREATE FUNCTION order_of(operator text) RETURNS text LANGUAGE sql AS $$
	SELECT CASE WHEN steps_back(distances) > 0 THEN 'out of order, ' ELSE 'in order, ' END
		|| CASE WHEN cardinality(ids) < 5000 THEN 'some' ELSE 'all' END
	FROM answer(format('SELECT id, v %s %L::vector AS distance FROM t ORDER BY v %s %L::vector',
		operator, point(-1, 12), operator, point(-1, 12)), true)
$$;
SELECT order_of('<->'), order_of('<#>'), order_of('<=>');
SET ivf.ordering = strict;
SELECT order_of('<->'), order_of('<#>'), order_of('<=>');
RESET ivf.ordering;
SET ivf."order" = strict;
SELECT order_of('<->');
RESET ivf."order";
SET ivf.ordering = strict;
-- rows without a distance come last, also in strict order
SELECT count(*) FILTER (WHERE d IS NULL) AS nulls, count(*) FILTER (WHERE d = 'NaN') AS nans FROM
	unnest((answer(format('SELECT id, v <=> %L::vector AS distance FROM t ORDER BY v <=> %L::vector', :'q', :'q'), true)).distances) d;
SET ivf.probes = 32768;
SET ivf.epsilon = 10;
SELECT order_of('<->'), order_of('<#>'), order_of('<=>');
RESET ivf.ordering;

-- Queries without a distance: NULL, and zero under cosine -------------------------------------------------------------

SELECT compare('SELECT id, v <-> NULL::vector AS distance FROM t ORDER BY v <-> (SELECT NULL::vector)');
SELECT compare('SELECT id, v <=> NULL::vector AS distance FROM t ORDER BY v <=> (SELECT NULL::vector)');
SELECT compare(format('SELECT id, v <=> %L::vector AS distance FROM t ORDER BY v <=> %L::vector', z, z))
	FROM array_to_vector(array_fill(0, ARRAY[12]), 12, false) z;
SELECT compare(format('SELECT id, v <#> %L::vector AS distance FROM t ORDER BY v <#> %L::vector', z, z))
	FROM array_to_vector(array_fill(0, ARRAY[12]), 12, false) z;
SELECT compare(format('SELECT id, v <-> %L::vector AS distance FROM t ORDER BY v <-> %L::vector', z, z))
	FROM array_to_vector(array_fill(0, ARRAY[12]), 12, false) z;
SELECT compare(format('SELECT id, v <=> %L::vector AS distance FROM t ORDER BY v <=> %L::vector LIMIT 10', z, z))
	FROM array_to_vector(array_fill(0, ARRAY[12]), 12, false) z;

-- Queries of other dimensions -----------------------------------------------------------------------------------------

SET enable_seqscan = off;
SELECT * FROM error_of('SELECT id FROM t ORDER BY v <-> ''[1,2,3]'' LIMIT 1');
SELECT * FROM error_of('SELECT id FROM t ORDER BY v <#> ''[1,2,3]'' LIMIT 1');
SELECT * FROM error_of('SELECT id FROM t ORDER BY v <=> ''[1,2,3]'' LIMIT 1');
SELECT * FROM error_of('SELECT id FROM t ORDER BY ''[1,2,3]'' <-> v LIMIT 1');
RESET enable_seqscan;
SELECT * FROM error_of('SET LOCAL enable_indexscan = off; SELECT id FROM t ORDER BY v <-> ''[1,2,3]'' LIMIT 1');

-- Huge and tiny values ------------------------------------------------------------------------------------------------

CREATE TABLE extremes (id int, v vector(3));
INSERT INTO extremes SELECT i * 100 + j, ARRAY[(sin(i) + 2) * scale, (cos(i) - 3) * scale, scale]::real[]::vector
	FROM generate_series(1, 60) i,
		unnest(ARRAY[1, 8e37, 1e30, 1e19, 1e17, 1e-7, 1e-19, 1e-23, 1e-30, 1e-38, 1e-44]::float8[]) WITH ORDINALITY s (scale, j);
INSERT INTO extremes VALUES (1, '[1e-45,0,0]'), (2, '[0,-1e-45,0]'), (3, '[3.4e38,3.4e38,3.4e38]'),
	(4, '[-3.4e38,-3.4e38,-3.4e38]'), (5, '[3.4e38,0,1e-45]'), (6, '[0,0,0]'), (7, '[0,0,0]'), (8, NULL);
CREATE INDEX extremes_l2_ivf ON extremes USING ivf (v vector_l2_ops) WITH (lists = 7, spill = on);
CREATE INDEX extremes_ip_ivf ON extremes USING ivf (v vector_ip_ops) WITH (lists = 7, spill = on);
CREATE INDEX extremes_cosine_ivf ON extremes USING ivf (v vector_cosine_ops) WITH (lists = 7, spill = on);
INSERT INTO extremes SELECT id + 10000, v FROM extremes;
SELECT query, compare(format('SELECT id, v <-> %L AS distance FROM extremes ORDER BY v <-> %L', query, query)) AS l2,
	compare(format('SELECT id, v <#> %L AS distance FROM extremes ORDER BY v <#> %L', query, query)) AS ip,
	compare(format('SELECT id, v <=> %L AS distance FROM extremes ORDER BY v <=> %L', query, query)) AS cosine
FROM unnest(ARRAY['[1,2,3]', '[0,0,0]', '[1e38,1e38,-1e38]', '[3.4e38,3.4e38,3.4e38]', '[1e19,0,0]', '[1e17,1,0]',
	'[1e-7,1e-7,0]', '[1e-19,0,0]', '[1e-30,-1e-30,0]', '[1e-38,0,0]', '[1e-45,0,0]', '[0,0,-1e-45]', '[1e38,1e-45,0]'])
	WITH ORDINALITY q (query, n) ORDER BY n;
SELECT annex_verify('extremes_l2_ivf', true), annex_verify('extremes_ip_ivf', true),
	annex_verify('extremes_cosine_ivf', true);

-- Rescans -------------------------------------------------------------------------------------------------------------

CREATE TABLE queries (n int, q vector(12));
INSERT INTO queries SELECT n, CASE n % 10 WHEN 4 THEN NULL WHEN 5 THEN array_fill(0, ARRAY[12])::vector ELSE point(-n, 12) END
	FROM generate_series(1, 40) n;
CREATE VIEW nearest AS SELECT n, array_agg(distance) AS distances FROM queries
	CROSS JOIN LATERAL (SELECT v <=> q AS distance FROM t ORDER BY v <=> q LIMIT 20) s GROUP BY n;
EXPLAIN (COSTS OFF) SELECT n, distance FROM queries
	CROSS JOIN LATERAL (SELECT v <=> q AS distance FROM t ORDER BY v <=> q LIMIT 20) s;
SET enable_seqscan = off;
SET enable_sort = off;
CREATE TABLE by_index AS SELECT * FROM nearest;
SET enable_indexscan = off;
SELECT count(*), count(*) FILTER (WHERE by_index.distances = nearest.distances) AS same FROM by_index JOIN nearest USING (n);
RESET enable_indexscan;
-- more than the first round gives, sometimes, so that a restart follows scans that got far
SELECT count(*) AS all_rows, count(DISTINCT (n, id)) AS distinct_rows FROM (SELECT * FROM queries WHERE n <= 6) q
	CROSS JOIN LATERAL (SELECT id FROM t ORDER BY v <-> q.q LIMIT CASE n % 2 WHEN 0 THEN 4700 ELSE 3 END) s;
-- one index twice in one plan, with different limits
SELECT count(*), count(DISTINCT (a, b)) FROM (SELECT id AS a, v AS q FROM t ORDER BY v <-> :'q' LIMIT 5) x
	CROSS JOIN LATERAL (SELECT id AS b FROM t ORDER BY v <-> x.q LIMIT 50) y;

-- Cursors -------------------------------------------------------------------------------------------------------------

BEGIN;
DECLARE forward NO SCROLL CURSOR FOR SELECT id FROM t ORDER BY v <-> :'q' LIMIT 100;
DECLARE back SCROLL CURSOR FOR SELECT id FROM t ORDER BY v <-> :'q' LIMIT 100;
DECLARE other CURSOR FOR SELECT id FROM t ORDER BY v <-> :'q2' LIMIT 100;
DECLARE held CURSOR WITH HOLD FOR SELECT id FROM t ORDER BY v <-> :'q' LIMIT 100;
CREATE TEMP TABLE fetched (way text, n serial, id int);
CREATE FUNCTION fetch_into(cur refcursor, way text, direction text, times int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	id int;
BEGIN
	FOR i IN 1 .. times LOOP
		IF direction = 'next' THEN FETCH NEXT FROM cur INTO id; ELSE FETCH PRIOR FROM cur INTO id; END IF;
		INSERT INTO fetched (way, id) VALUES (way, id);
	END LOOP;
END $$;
SELECT fetch_into('forward', 'forward', 'next', 10);
SELECT fetch_into('other', 'other', 'next', 10);
SELECT fetch_into('forward', 'forward', 'next', 90);
SELECT fetch_into('back', 'there', 'next', 50);
SELECT fetch_into('back', 'back', 'prior', 49);
SELECT fetch_into('other', 'other', 'next', 90);
SAVEPOINT s;
DELETE FROM t;
ROLLBACK TO s;
FETCH 0 FROM held;
COMMIT;
CREATE TEMP TABLE exact AS SELECT row_number() OVER (ORDER BY v <-> :'q') AS n, id FROM t ORDER BY n LIMIT 100;
SELECT (SELECT array_agg(id ORDER BY n) FROM fetched WHERE way = 'forward') = (SELECT array_agg(id ORDER BY n) FROM exact) AS forward,
	(SELECT array_agg(id ORDER BY n) FROM fetched WHERE way = 'there') = (SELECT array_agg(id ORDER BY n) FROM exact WHERE n <= 50) AS there,
	(SELECT array_agg(id ORDER BY n) FROM fetched WHERE way = 'back') = (SELECT array_agg(id ORDER BY n DESC) FROM exact WHERE n <= 49) AS back,
	(SELECT count(DISTINCT id) FROM fetched WHERE way = 'other') AS other;
TRUNCATE fetched;
SELECT fetch_into('held', 'held', 'next', 100);
CLOSE held;
SELECT array_agg(f.id ORDER BY f.n) = (SELECT array_agg(id ORDER BY n) FROM exact) AS held FROM fetched f;

-- Prepared statements: LIMIT and the query vector as parameters -------------------------------------------------------

SET plan_cache_mode = force_generic_plan;
PREPARE nearest (vector, bigint) AS SELECT id FROM t ORDER BY v <-> $1 LIMIT $2;
EXPLAIN (COSTS OFF) EXECUTE nearest (:'q', 10);
CREATE TEMP TABLE p1 AS EXECUTE nearest (:'q', 10);
CREATE TEMP TABLE p2 AS EXECUTE nearest (:'q', 100);
CREATE TEMP TABLE p3 AS EXECUTE nearest (:'q', 5000);
CREATE TEMP TABLE p4 AS EXECUTE nearest (:'q', NULL);
CREATE TEMP TABLE p5 AS EXECUTE nearest (NULL, 7);
CREATE TEMP TABLE p6 AS EXECUTE nearest (:'q', 0);
SELECT (SELECT array_agg(id) FROM p1) = (SELECT array_agg(id ORDER BY n) FROM exact WHERE n <= 10) AS ten,
	(SELECT array_agg(id) FROM p2) = (SELECT array_agg(id ORDER BY n) FROM exact) AS hundred,
	(SELECT count(DISTINCT id) FROM p3) AS all, (SELECT count(DISTINCT id) FROM p4) AS without_limit,
	(SELECT count(*) FROM p5) AS without_query, (SELECT count(*) FROM p6) AS none;
PREPARE further (vector, bigint, bigint) AS SELECT id FROM t ORDER BY v <-> $1 OFFSET $3 LIMIT $2;
CREATE TEMP TABLE p7 AS EXECUTE further (:'q', 10, 90);
SELECT array_agg(id) = (SELECT array_agg(id ORDER BY n) FROM exact WHERE n > 90) AS offset FROM p7;
SELECT * FROM error_of('EXECUTE nearest (''[1,2]'', 10)');
DEALLOCATE ALL;
RESET plan_cache_mode;

-- In functions, subqueries, CTEs, FOR UPDATE, sets -------------------------------------------------------------------

CREATE FUNCTION nearest_ids(q vector, k int) RETURNS SETOF int LANGUAGE sql STABLE AS $$
	SELECT id FROM t ORDER BY v <-> q LIMIT k
$$;
CREATE FUNCTION nearest_id(q vector) RETURNS int LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN (SELECT id FROM t ORDER BY v <-> q LIMIT 1);
END $$;
SELECT array_agg(id) = (SELECT array_agg(id ORDER BY n) FROM exact WHERE n <= 10) AS function FROM nearest_ids(:'q', 10) id;
SELECT bool_and(nearest_id(v) = id) AS nested FROM (SELECT id, v FROM t ORDER BY v <-> :'q' LIMIT 20) s;
WITH nearest AS MATERIALIZED (SELECT id FROM t ORDER BY v <-> :'q' LIMIT 10)
	SELECT array_agg(id) = (SELECT array_agg(id ORDER BY n) FROM exact WHERE n <= 10) AS cte FROM nearest;
BEGIN;
CREATE TEMP TABLE locked ON COMMIT DROP AS
	WITH l AS (SELECT id FROM t ORDER BY v <-> :'q' LIMIT 10 FOR UPDATE) SELECT * FROM l;
SELECT array_agg(id) = (SELECT array_agg(id ORDER BY n) FROM exact WHERE n <= 10) AS for_update FROM locked;
ROLLBACK;
-- The system columns of rows that have waited for their place in the order; not every release keeps the ctid of such rows.
SELECT array_agg(t.id) = array_agg(n.id) AS ctid FROM t JOIN
	(SELECT id, ctid AS at FROM t ORDER BY v <-> :'q' LIMIT 10) n ON t.ctid = n.at;
SELECT bool_and(t.id = n.id AND t.xmin = n.xid AND n.relation = 't'::regclass) AS system_columns FROM t JOIN
	(SELECT id, xmin AS xid, tableoid AS relation FROM t ORDER BY v <-> :'q' LIMIT 10) n USING (id);
SELECT count(*) FROM (SELECT id FROM t WHERE ctid <> '(0,1)' ORDER BY v <-> :'q' LIMIT 6000) s;
SELECT count(*) FROM ((SELECT id FROM t ORDER BY v <-> :'q' LIMIT 10) UNION ALL (SELECT id FROM t ORDER BY v <=> :'q2' LIMIT 10)) u;
SELECT id = (SELECT id FROM exact WHERE n = 1) AS min FROM t
	WHERE v <-> :'q' = (SELECT min(v <-> :'q') FROM t WHERE v IS NOT NULL) LIMIT 1;

SELECT annex_verify('t_l2_ivf', true), annex_verify('t_ip_ivf', true), annex_verify('t_cosine_ivf', true);
DROP SCHEMA ivf_scan CASCADE;

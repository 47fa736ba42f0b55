-- ivf indexes on sparsevec: as vectors up to 1,024 dimensions, by images beyond.
SET client_min_messages = warning;
CREATE SCHEMA ivf_sparsevec;
SET search_path = ivf_sparsevec, public;

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

-- The rows of a query on which the planner has no choice: by the index, or by sorting.
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
	IF by_index <> (plan ~ 'Index Scan using \w+_ivf') THEN RAISE EXCEPTION 'another plan: %', plan; END IF;
	EXECUTE format('SELECT array_agg(id), array_agg(distance) FROM (%s) answer', query) INTO ids, distances;
	PERFORM set_config('enable_seqscan', 'on', true), set_config('enable_sort', 'on', true),
		set_config('enable_bitmapscan', 'on', true), set_config('enable_indexscan', 'on', true);
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
CREATE FUNCTION compare_many(source text, expression text, operators text[], dimensions int, tail text)
RETURNS TABLE (operator text, result text) LANGUAGE sql AS $$
	SELECT operator, string_agg(DISTINCT compare(format('SELECT id, %s %s %L::sparsevec AS distance FROM %s ORDER BY %s %s %L::sparsevec %s',
			expression, operator, point(-q, dimensions), source, expression, operator, point(-q, dimensions), tail)), ', ')
	FROM unnest(operators) operator, generate_series(1, 5) q GROUP BY operator ORDER BY operator
$$;

-- The classes

SELECT opcname, opcdefault, amvalidate(c.oid) FROM pg_opclass c JOIN pg_am a ON a.oid = opcmethod
	WHERE amname = 'ivf' AND opcintype = 'sparsevec'::regtype ORDER BY opcname;

CREATE TABLE small (id int, v sparsevec(1024), grp int);
CREATE TABLE big (id int, v sparsevec(1000000), grp int);
INSERT INTO small SELECT i, CASE WHEN i % 100 = 7 THEN NULL WHEN i % 100 = 8 THEN '{}/1024' ELSE point(i, 1024) END, i % 10
	FROM generate_series(1, 3000) i;
INSERT INTO big SELECT i, CASE WHEN i % 100 = 7 THEN NULL WHEN i % 100 = 8 THEN '{}/1000000' ELSE point(i, 1000000) END, i % 10
	FROM generate_series(1, 3000) i;
CREATE INDEX small_l2_ivf ON small USING ivf (v) WITH (lists = 20, spill = on);
CREATE INDEX small_ip_ivf ON small USING ivf (v sparsevec_ip_ops) WITH (lists = 20, spill = off);
CREATE INDEX small_cosine_ivf ON small USING ivf (v sparsevec_cosine_ops) WITH (lists = 20);
CREATE INDEX big_l2_ivf ON big USING ivf (v) WITH (lists = 20, spill = on);
CREATE INDEX big_ip_ivf ON big USING ivf (v sparsevec_ip_ops) WITH (lists = 20, spill = off);
CREATE INDEX big_cosine_ivf ON big USING ivf (v sparsevec_cosine_ops) WITH (lists = 20);
INSERT INTO small SELECT i, CASE WHEN i % 100 = 9 THEN NULL ELSE point(i, 1024) END, i % 10 FROM generate_series(3001, 3600) i;
INSERT INTO big SELECT i, CASE WHEN i % 100 = 9 THEN NULL ELSE point(i, 1000000) END, i % 10 FROM generate_series(3001, 3600) i;
SELECT i.relname, dimensions, rows + first_rows + nan_rows + null_rows AS rows FROM pg_class i, annex_index_info(i.oid) x
	WHERE i.relname ~ '^(small|big)_.*_ivf$' ORDER BY 1;

-- Everything, in exact order, when all lists are probed and all rows compared

SET ivf.probes = 32768;
SET ivf.epsilon = 10;
SET annex.rerank = 1000000;
SELECT * FROM compare_many('small', 'v', '{<->,<#>,<=>}', 1024, '');
SELECT * FROM compare_many('big', 'v', '{<->,<#>,<=>}', 1000000, '');
SELECT * FROM compare_many('big', 'v', '{<->,<#>,<=>}', 1000000, 'LIMIT 10');
SELECT * FROM compare_many('(SELECT * FROM big WHERE grp = 3) big', 'v', '{<->,<#>,<=>}', 1000000, 'LIMIT 50');

-- a query that is NULL, of zeros, beyond the range
SELECT compare('SELECT id, v <=> (SELECT NULL::sparsevec) AS distance FROM big ORDER BY v <=> (SELECT NULL::sparsevec)');
SELECT compare('SELECT id, v <=> ''{}/1000000'' AS distance FROM big ORDER BY v <=> ''{}/1000000''');
SELECT compare('SELECT id, v <-> ''{}/1000000'' AS distance FROM big ORDER BY v <-> ''{}/1000000''');
SELECT compare('SELECT id, v <-> ''{5:1e30}/1000000'' AS distance FROM big ORDER BY v <-> ''{5:1e30}/1000000'' LIMIT 3');
SELECT message FROM error_of('SET LOCAL enable_seqscan = off; SELECT id FROM big ORDER BY v <-> ''{1:1}/5'' LIMIT 1');
SELECT message FROM error_of('INSERT INTO big VALUES (0, ''{1:1}/5'')');
RESET ivf.probes;
RESET ivf.epsilon;
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
SELECT operator, k, found.* FROM unnest('{<->,<#>,<=>}'::text[]) operator, unnest('{1,10,100}'::int[]) k, by_defaults(operator, k) found
	ORDER BY operator, k;

-- The candidates of a scan: with one row compared for one row wanted, images decide
SELECT * FROM error_of('SET annex.rerank = -1');
SET ivf.probes = 32768;
SET annex.rerank = 1;
SELECT cardinality(ids) FROM answer('SELECT id, v <=> point(-1, 1000000) AS distance FROM big ORDER BY v <=> point(-1, 1000000) LIMIT 20', true);
RESET annex.rerank;
RESET ivf.probes;

-- A cursor goes on to the last row, also in strict order; it may start again
BEGIN;
SET LOCAL enable_seqscan = off;
SET LOCAL enable_sort = off;
DECLARE c SCROLL CURSOR FOR SELECT id FROM big ORDER BY v <-> point(-1, 1000000);
MOVE FORWARD 1000 c;
MOVE FORWARD ALL c;
ROLLBACK;
BEGIN;
SET LOCAL enable_seqscan = off;
SET LOCAL enable_sort = off;
SET LOCAL ivf.ordering = strict;
SELECT count(*) > 0 AS rows, array_agg(d) = array_agg(d ORDER BY d) AS in_order
	FROM (SELECT v <-> point(-1, 1000000) AS d FROM big WHERE v IS NOT NULL ORDER BY v <-> point(-1, 1000000)) found;
ROLLBACK;
SET enable_seqscan = off;
SELECT count(*), count(DISTINCT (q, id)) FROM generate_series(1, 5) q,
	LATERAL (SELECT id FROM big ORDER BY v <-> point(-q, 1000000) LIMIT 7) found;
RESET enable_seqscan;

-- Rows that have gone, changed or moved: the scan sees what its snapshot does
CREATE FUNCTION touched() RETURNS SETOF text LANGUAGE sql AS $$
	SELECT result FROM compare_many('big', 'v', '{<->,<#>,<=>}', 1000000, '')
$$;
SET ivf.probes = 32768;
SET ivf.epsilon = 10;
SET annex.rerank = 1000000;
DELETE FROM big WHERE id % 7 = 0;
UPDATE big SET grp = grp + 1 WHERE id % 7 = 1;	-- HOT where the page has room
UPDATE big SET v = point(id + 10000, 1000000) WHERE id % 7 = 2;
SELECT * FROM touched();
BEGIN ISOLATION LEVEL REPEATABLE READ;
DELETE FROM big WHERE id % 7 = 3;
SELECT * FROM touched();
ROLLBACK;
VACUUM big;
SELECT * FROM touched();
SELECT * FROM unnest('{big_l2_ivf,big_ip_ivf,big_cosine_ivf}'::regclass[]) i, annex_verify(i, true);
RESET ivf.probes;
RESET ivf.epsilon;
RESET annex.rerank;

-- Expressions, partial indexes, filter columns
CREATE TABLE docs (id int, v sparsevec, tenant int);
INSERT INTO docs SELECT i, point(i, 50000), i % 3 FROM generate_series(1, 2000) i;
CREATE INDEX docs_ivf ON docs USING ivf ((v::sparsevec(50000)) sparsevec_cosine_ops, tenant) WITH (lists = 10);
SET ivf.probes = 32768;
SET ivf.epsilon = 10;
SET annex.rerank = 1000000;
SELECT * FROM compare_many('docs', 'v::sparsevec(50000)', '{<=>}', 50000, '');
SELECT * FROM compare_many('(SELECT * FROM docs WHERE tenant = 1) docs', 'v::sparsevec(50000)', '{<=>}', 50000, 'LIMIT 20');
DROP INDEX docs_ivf;
CREATE INDEX docs_part_ivf ON docs USING ivf ((v::sparsevec(50000)) sparsevec_l2_ops) WITH (lists = 5);
DROP INDEX docs_part_ivf;
CREATE INDEX docs_part_ivf ON docs USING ivf ((v::sparsevec(50000)) sparsevec_l2_ops) WHERE tenant = 2;
SELECT * FROM compare_many('(SELECT * FROM docs WHERE tenant = 2) docs', 'v::sparsevec(50000)', '{<->}', 50000, 'LIMIT 20');
RESET ivf.probes;
RESET ivf.epsilon;
RESET annex.rerank;
SELECT e.* FROM error_of('CREATE INDEX ON docs USING ivf (v sparsevec_l2_ops)') e;

-- Rows within a distance: an order may be taken from the index, a search without one needs bounds, which images are not
CREATE FUNCTION plan_of(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	line text;
	plan text := '';
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
		plan := plan || trim(line) || E'\n';
	END LOOP;
	RETURN CASE WHEN plan ~ '_ivf' THEN 'by the index' ELSE 'otherwise' END;
END $$;
SET enable_seqscan = off;
SELECT plan_of('SELECT id FROM small WHERE v <-> point(-1, 1024) < 1'), plan_of('SELECT id FROM big WHERE v <-> point(-1, 1000000) < 1');
RESET enable_seqscan;
SELECT compare('SELECT id, v <-> point(-1, 1000000) AS distance FROM big WHERE v <-> point(-1, 1000000) < 2
	ORDER BY v <-> point(-1, 1000000) LIMIT 5');

-- Rows beyond the range, of no length, without a value
CREATE TABLE odd (id int, v sparsevec(100000));
INSERT INTO odd VALUES (1, '{1:1e-30}/100000'), (2, '{1:1e30,2:1e30}/100000'), (3, '{7:1}/100000'), (4, '{}/100000'), (5, NULL);
CREATE INDEX odd_l2_ivf ON odd USING ivf (v);
CREATE INDEX odd_cosine_ivf ON odd USING ivf (v sparsevec_cosine_ops);
SELECT compare('SELECT id, v <-> ''{7:2}/100000'' AS distance FROM odd ORDER BY v <-> ''{7:2}/100000''');
SELECT compare('SELECT id, v <=> ''{7:2}/100000'' AS distance FROM odd ORDER BY v <=> ''{7:2}/100000''');

-- Recall is that of the values
SELECT recall >= 0.9 AS recall, measured FROM annex_recall('big_cosine_ivf', 10, 50);

-- An index beyond the dimensions, by a cast that nobody should create: of a row and of a query
CREATE CAST (bytea AS sparsevec) WITHOUT FUNCTION;
-- numbers as little-endian machines store them
CREATE FUNCTION native(VARIADIC words int[]) RETURNS bytea LANGUAGE sql AS $$
	SELECT string_agg(substr(b, 4, 1) || substr(b, 3, 1) || substr(b, 2, 1) || substr(b, 1, 1), '' ORDER BY n)
	FROM unnest(words) WITH ORDINALITY w (word, n), int4send(word) b
$$;
SET enable_seqscan = off;
SELECT dimensions, at, statement, e.* FROM (VALUES (1024, 'small'), (1000000, 'big')) t (dimensions, name),
	unnest(ARRAY[2000000000, -2000000000]) at,
	unnest(ARRAY['INSERT INTO %s VALUES (0, %L::bytea::sparsevec)', 'SELECT FROM %s ORDER BY v <-> %L::bytea::sparsevec LIMIT 1']) statement,
	error_of(format(statement, name, native(dimensions, 1, 0, at, 1065353216))) e ORDER BY dimensions, at, statement;
RESET enable_seqscan;
DROP CAST (bytea AS sparsevec);

DROP SCHEMA ivf_sparsevec CASCADE;

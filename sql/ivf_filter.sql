-- Filtered scans: WHERE beside ORDER BY distance, in each way that there is, compared with a sequential scan.
SET client_min_messages = warning;
CREATE SCHEMA ivf_filter;
SET search_path = ivf_filter, public;
SET max_parallel_workers_per_gather = 0;

CREATE FUNCTION point(i int, dimensions int) RETURNS vector LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT array_agg(sin(i * 12.9898 + j * 78.233 + i * j * 0.37)::real)::vector FROM generate_series(1, dimensions) j
$$;

CREATE TABLE t (id int PRIMARY KEY, v vector(12), cat int, tag int, name text, doc jsonb, words tsvector, tags int[],
	during int4range, day date, many int, pad text);
INSERT INTO t SELECT i, CASE WHEN i % 1000 = 7 THEN NULL ELSE point(i, 12) END, i % 500, i % 7, 'name ' || i % 300,
	jsonb_build_object('kind', i % 50, 'deep', jsonb_build_object('x', i % 3)),
	to_tsvector('simple', 'word' || i % 40 || ' all'), ARRAY[i % 60, 100 + i % 4], int4range(i % 200, i % 200 + 5),
	date '2026-01-01' + i / 40, CASE WHEN i % 90 = 0 THEN NULL ELSE i % 10 END, 'p'
FROM generate_series(1, 6000) i;
CREATE INDEX t_ivf ON t USING ivf (v vector_l2_ops) WITH (lists = 30);
CREATE INDEX t_cat ON t (cat);
CREATE INDEX t_tag ON t USING hash (tag);
CREATE INDEX t_name ON t (name text_pattern_ops);
CREATE INDEX t_doc ON t USING gin (doc);
CREATE INDEX t_words ON t USING gin (words);
CREATE INDEX t_tags ON t USING gin (tags);
CREATE INDEX t_during ON t USING gist (during);
CREATE INDEX t_day ON t USING brin (day) WITH (pages_per_range = 4);
CREATE INDEX t_half ON t ((id % 16));
CREATE INDEX t_many ON t (many);
CREATE INDEX t_low ON t (id) WHERE cat < 20;
VACUUM ANALYZE t;

-- The plan, as text without the query's vector.
CREATE FUNCTION plan_of(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
		RETURN NEXT regexp_replace(line, '''\[.*\]''', '''[...]''', 'g');
	END LOOP;
END $$;

-- Distances by a way that is forced, or without the node, by sorting all rows. NULL if the plan has no such node.
CREATE FUNCTION answer(query text, way text, OUT ids int[], OUT distances float8[]) LANGUAGE plpgsql AS $$
BEGIN
	IF way = 'sort' THEN
		SET LOCAL enable_indexscan = off;
		SET LOCAL enable_bitmapscan = off;
	ELSE
		PERFORM set_config('annex.filtered_way', way, true);
		IF way <> 'auto' AND NOT (SELECT string_agg(line, ' ') FROM plan_of(query) line) LIKE '%annex filtered scan%'
		THEN RAISE EXCEPTION 'no filtered scan: %', query; END IF;
	END IF;
	EXECUTE format('SELECT array_agg(id), array_agg(distance) FROM (%s) answer', query) INTO ids, distances;
	SET LOCAL enable_indexscan = on;
	SET LOCAL enable_bitmapscan = on;
	PERFORM set_config('annex.filtered_way', 'auto', true);
END $$;

-- Each way beside the sequential scan. Rows at the same distance may come in any order.
CREATE FUNCTION compare(condition text, tail text DEFAULT 'LIMIT 10') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	query text := format('SELECT id, v <-> %L::vector AS distance FROM t WHERE %s ORDER BY v <-> %L::vector %s',
		point(-3, 12), condition, point(-3, 12), tail);
	exact record := answer(query, 'sort');
	found record;
	way text;
BEGIN
	FOREACH way IN ARRAY ARRAY['set', 'exact', 'plain', 'auto'] LOOP
		found := answer(query, way);
		IF found.distances IS DISTINCT FROM exact.distances THEN RETURN 'other distances: ' || way; END IF;
		IF (SELECT count(DISTINCT i) FROM unnest(found.ids) i) <> cardinality(found.ids) THEN
			RETURN 'rows twice: ' || way; END IF;
	END LOOP;
	RETURN coalesce(cardinality(exact.ids), 0) || ' rows';
END $$;

-- Plans ---------------------------------------------------------------------------------------------------------------

SELECT point(-3, 12) AS q \gset
SELECT plan_of(format('SELECT id FROM t WHERE cat < 100 ORDER BY v <-> %L LIMIT 10', :'q'));
SELECT plan_of(format('SELECT id FROM t WHERE cat = 3 AND tag = 1 ORDER BY v <-> %L LIMIT 10', :'q'));
SELECT plan_of(format('SELECT id FROM t WHERE (cat = 3 OR doc @> ''{"kind": 5}'') AND pad = ''p'' ORDER BY v <-> %L LIMIT 10', :'q'));
SELECT plan_of(format('SELECT id FROM t WHERE pad = ''p'' ORDER BY v <-> %L LIMIT 10', :'q'));
-- one row by its key is a matter for the key's index alone, and without a WHERE clause nothing is to be filtered
SELECT plan_of(format('SELECT id FROM t WHERE id = 5 ORDER BY v <-> %L LIMIT 10', :'q'));
SELECT plan_of(format('SELECT id FROM t ORDER BY v <-> %L LIMIT 10', :'q'));
SET annex.enable_filtered_scan = off;
SELECT plan_of(format('SELECT id FROM t WHERE cat < 100 ORDER BY v <-> %L LIMIT 10', :'q'));
RESET annex.enable_filtered_scan;
SET enable_bitmapscan = off;
SELECT plan_of(format('SELECT id FROM t WHERE cat < 100 ORDER BY v <-> %L LIMIT 10', :'q'));
RESET enable_bitmapscan;
SET annex.filtered_way = nonsense;

-- Answers: all lists probed and wide bounds, so that they must be those of a sequential scan --------------------------

SET ivf.probes = 32768;
SET ivf.epsilon = 10;
SELECT condition, compare(condition) FROM unnest(ARRAY[
	'cat = 3', 'cat < 100', 'cat BETWEEN 10 AND 20', 'cat IN (1, 2, 499)', 'cat = ANY (ARRAY[5, 6])', 'cat <> 4',
	'tag = 5', 'tag = 5 AND cat > 400', 'cat = 3 OR tag = 2', 'cat = 3 OR name LIKE ''name 29%''', 'name LIKE ''name 1%''',
	'name = ''name 17''', 'doc @> ''{"kind": 5}''', 'doc @> ''{"deep": {"x": 1}}'' AND cat < 250', 'doc ? ''kind''',
	'words @@ to_tsquery(''simple'', ''word3 | word30'')', 'words @@ to_tsquery(''simple'', ''all & !word7'')',
	'tags @> ARRAY[7]', 'tags && ARRAY[7, 8, 103]', 'during @> 77', 'during && int4range(10, 12)',
	'day = ''2026-02-03''', 'day BETWEEN ''2026-02-03'' AND ''2026-03-01''', 'id % 16 = 3', 'id % 16 IN (3, 4) AND tag = 1',
	'many IS NULL', 'many IS NOT NULL', 'many IS NULL OR cat = 7', 'many < 5 AND tag = 1 AND cat < 400',
	'cat < 20 AND id < 3000', 'cat < 10', 'NOT cat >= 30', 'cat = -1', 'cat >= 0',
	'cat < 100 AND length(pad) = 1', 'cat < 100 AND id % 3 = 0', 'cat < 100 AND random() >= 0',
	'cat < 50 AND id NOT IN (SELECT id / 2 FROM t WHERE tag = 4)', 'id = ANY (ARRAY(SELECT id / 2 FROM t WHERE tag = 4))',
	'cat < 50 AND (SELECT u.tag FROM t u WHERE u.id = t.id + 1) < 4', 'cat < 50 AND current_setting(''work_mem'') <> ''''',
	'current_setting(''work_mem'') = ''''',
	'cat < (SELECT max(tag) FROM t)', 'cat < 100 AND now() > ''2000-01-01''', 'v IS NULL AND cat = 7', 'v IS NOT NULL AND cat = 7',
	'(cat, tag) = (3, 3)', 'cat < 300 AND tag < 6 AND many > 0 AND during @> 5']) condition;
SELECT tail, compare('cat < 60', tail) FROM unnest(ARRAY['', 'LIMIT 1', 'LIMIT 400', 'LIMIT 10000', 'LIMIT 5 OFFSET 20',
	'FETCH FIRST 3 ROWS WITH TIES', 'LIMIT 0', 'OFFSET 700', 'LIMIT (SELECT 4)', 'LIMIT ALL',
	'LIMIT 9223372036854775807', 'LIMIT 9223372036854775807 OFFSET 9223372036854775807']) tail;

-- A LIMIT is not that of a CTE, or of a subquery in an expression, which the plan hangs on the same node.
SET annex.filtered_way = exact;
WITH c AS MATERIALIZED (SELECT id FROM t WHERE cat = 3 ORDER BY v <-> point(-3, 12)) SELECT id FROM c WHERE id > 3000 LIMIT 5;
SELECT cardinality(ARRAY(SELECT id FROM t WHERE cat = 3 ORDER BY v <-> point(-3, 12))) LIMIT 1;
RESET annex.filtered_way;

-- Bitmaps that have forgotten which rows of a page match.
CREATE TABLE wide AS SELECT id, v, cat, tag, many, repeat('x', 1500) AS filler FROM t;
ALTER TABLE wide ALTER filler SET STORAGE PLAIN;
CREATE INDEX wide_ivf ON wide USING ivf (v vector_l2_ops) WITH (lists = 30);
CREATE INDEX wide_cat ON wide (cat);
CREATE INDEX wide_tag ON wide (tag);
VACUUM ANALYZE wide;
CREATE FUNCTION compare_wide(condition text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	query text := format('SELECT id, v <-> %L::vector AS distance FROM wide WHERE %s ORDER BY v <-> %L::vector LIMIT 20',
		point(-3, 12), condition, point(-3, 12));
	exact record := answer(query, 'sort');
	found record;
	way text;
BEGIN
	FOREACH way IN ARRAY ARRAY['set', 'exact', 'plain', 'auto'] LOOP
		found := answer(query, way);
		IF found.distances IS DISTINCT FROM exact.distances THEN RETURN 'other distances: ' || way; END IF;
	END LOOP;
	RETURN cardinality(exact.ids) || ' rows';
END $$;
SET work_mem = '64kB';
SELECT condition, compare_wide(condition) FROM unnest(ARRAY['cat < 490', 'cat < 490 AND tag = 3', 'cat < 200 OR tag = 3']) condition;

-- The numbers that EXPLAIN ANALYZE shows: those that depend on nothing but the query.
CREATE FUNCTION analyzed(query text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	plan jsonb;
	node jsonb;
BEGIN
	EXECUTE 'EXPLAIN (ANALYZE, TIMING OFF, SUMMARY OFF, COSTS OFF, BUFFERS OFF, FORMAT JSON) ' || query INTO plan;
	node := jsonb_path_query_first(plan, '$.** ? (@."Custom Plan Provider" == "annex filtered scan")');
	-- from 18 on it is a mean
	node := jsonb_set(node, '{Actual Rows}', to_jsonb((node ->> 'Actual Rows')::float8::int));
	RETURN node - 'Plans' - 'Output';
END $$;
SET annex.filtered_way = set;
SELECT (plan ->> 'Set Lossy Pages')::int > 100 AS lossy, (plan ->> 'Set Rows')::int BETWEEN 5500 AND 6100 AS many,
	(plan ->> 'Set Memory')::int < 64 AS small
FROM analyzed(format('SELECT id FROM wide WHERE cat < 490 ORDER BY v <-> %L LIMIT 10', :'q')) plan;
RESET work_mem;
SELECT plan - 'Passed the Filter' - 'Skipped by the Filter' - 'Refined' - 'Heap Tuples Fetched' - 'Lists Probed'
	- 'Vectors Scanned' - 'Rounds' - 'Set Memory' - 'Async Capable' - 'Disabled' AS plan,
	(plan ->> 'Passed the Filter')::int BETWEEN 10 AND 2400 AS passed, (plan ->> 'Skipped by the Filter')::int > 100 AS skipped,
	(plan ->> 'Lists Probed')::int = 30 AS lists, (plan ->> 'Vectors Scanned')::int BETWEEN 5000 AND 13000 AS scanned,
	(plan ->> 'Refined')::int BETWEEN 10 AND 1200 AS refined, (plan ->> 'Heap Tuples Fetched')::int BETWEEN 10 AND 100 AS fetched
FROM analyzed(format('SELECT id FROM t WHERE cat < 100 ORDER BY v <-> %L LIMIT 10', :'q')) plan;
SET annex.filtered_way = exact;
SELECT plan ->> 'Way' AS way, plan ->> 'Set Rows' AS set_rows, plan ->> 'Rounds' AS rounds
FROM analyzed(format('SELECT id FROM t WHERE cat < 100 ORDER BY v <-> %L LIMIT 10', :'q')) plan;
SET annex.filtered_way = plain;
SELECT plan ->> 'Way' AS way, plan ->> 'Set Rows' AS set_rows, (plan ->> 'Heap Tuples Fetched')::int > 20 AS fetched
FROM analyzed(format('SELECT id FROM t WHERE cat < 100 ORDER BY v <-> %L LIMIT 10', :'q')) plan;
-- the greatest LIMIT is one round
SELECT plan ->> 'Rounds' AS rounds
FROM analyzed(format('SELECT id FROM t WHERE tag = 3 AND length(pad) = 1 ORDER BY v <-> %L LIMIT 9223372036854775807', :'q')) plan;
RESET annex.filtered_way;
-- how often which way
SELECT plan ->> 'Way' AS way FROM analyzed(format('SELECT * FROM generate_series(1, 5) g CROSS JOIN LATERAL
	(SELECT id FROM t WHERE cat < g * g * g * g ORDER BY v <-> %L LIMIT 2) s', :'q')) plan;

-- A set that comes to a scan which has been filtered by columns of the index: the rows found before are not all in it.
-- The first rounds find rows of which few pass, against the estimate, and those that do lie near and far.
RESET annex.filtered_way;
RESET ivf.probes;
RESET ivf.epsilon;
CREATE TABLE late (id int, v vector(12), cat int, z int) WITH (autovacuum_enabled = off, fillfactor = 40);
INSERT INTO late SELECT i, point(i % 200, 12) + (SELECT array_agg(0.15 + 0.15 * sin(i * j * 1.7))::vector
	FROM generate_series(1, 12) j), i % 500, 1 FROM generate_series(1, 20000) i;
CREATE INDEX late_ivf ON late USING ivf (v vector_l2_ops, cat) WITH (lists = 200);
CREATE INDEX late_z ON late (z, cat);
ANALYZE late;
UPDATE late SET z = 2 WHERE id % 20 <> 0;
VACUUM late;
CREATE FUNCTION near_or_far(distance float8) RETURNS boolean LANGUAGE plpgsql IMMUTABLE COST 1 AS $$
BEGIN
	RETURN distance < 0.6 OR distance > 4.4;
END $$;
SELECT count(*) AS rows FROM late WHERE z = 1 AND cat < 400 AND near_or_far(v <-> point(20, 12));
SELECT format('SELECT id FROM late WHERE z = 1 AND cat < 400 AND near_or_far(v <-> %L) ORDER BY v <-> %L LIMIT 60',
	point(20, 12), point(20, 12)) AS query \gset
SELECT plan ->> 'Way' AS way FROM analyzed(:'query') plan;
SELECT count(*) AS rows FROM (:query) answer;

-- A Sort that keeps its rows over restarts is not given a bitmap for each of them.
SET annex.filtered_way = exact;
SET enable_material = off;
SET enable_hashjoin = off;
SET enable_mergejoin = off;
BEGIN;
DECLARE restarts CURSOR FOR SELECT FROM generate_series(1, 2000) LEFT JOIN
	(SELECT id FROM late WHERE z = 1 AND cat < 400 ORDER BY v <-> point(20, 12) OFFSET 0) s ON id < 0;
MOVE 1 restarts;
SELECT sum(used_bytes) AS used FROM pg_backend_memory_contexts \gset
MOVE 1000 restarts;
SELECT sum(used_bytes) < :used + 1000000 AS restarts_cost_no_memory FROM pg_backend_memory_contexts;
DECLARE parameters CURSOR FOR SELECT FROM generate_series(1, 3000) i LEFT JOIN LATERAL
	(SELECT id FROM late WHERE z = 1 AND cat = 3 ORDER BY v <-> point(i % 200, 12) OFFSET 0) s ON id < 0;
MOVE 1 parameters;
SELECT sum(used_bytes) AS used FROM pg_backend_memory_contexts \gset
MOVE 1000 parameters;
SELECT sum(used_bytes) < :used + 1000000 AS parameters_cost_no_memory FROM pg_backend_memory_contexts;
COMMIT;
RESET enable_material;
RESET enable_hashjoin;
RESET enable_mergejoin;

-- Costs that are nothing leave estimates that are no numbers, which reach a parallel worker all the same.
SET annex.filtered_way = set;
SELECT set_config(name, 'on', false) FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query');
SET max_parallel_workers_per_gather = 2;
SET seq_page_cost = 0;
SET random_page_cost = 0;
SET cpu_tuple_cost = 0;
SET cpu_index_tuple_cost = 0;
SET cpu_operator_cost = 0;
SELECT id FROM t WHERE cat = 3 ORDER BY v <-> point(-3, 12) LIMIT 3;

DROP SCHEMA ivf_filter CASCADE;

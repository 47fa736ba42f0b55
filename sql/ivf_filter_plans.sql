-- Filtered scans inside other plans: parameters, cursors, joins, partitions, security, locks; wrong statistics; bounds of
-- the distance.
SET client_min_messages = warning;
CREATE SCHEMA ivf_filter_plans;
SET search_path = ivf_filter_plans, public;
SET max_parallel_workers_per_gather = 0;

CREATE FUNCTION point(i int, dimensions int) RETURNS vector LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT array_agg(sin(i * 12.9898 + j * 78.233 + i * j * 0.37)::real)::vector FROM generate_series(1, dimensions) j
$$;
CREATE FUNCTION analyzed(query text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	plan jsonb;
BEGIN
	EXECUTE 'EXPLAIN (ANALYZE, TIMING OFF, SUMMARY OFF, COSTS OFF, FORMAT JSON) ' || query INTO plan;
	RETURN jsonb_path_query_first(plan, '$.** ? (@."Custom Plan Provider" == "annex filtered scan")');
END $$;

CREATE TABLE t (id int PRIMARY KEY, v vector(8), cat int, grp int, owner text);
INSERT INTO t SELECT i, point(i, 8), i % 100, i % 3, 'regress_annex_' || i % 2 FROM generate_series(1, 4000) i;
CREATE INDEX t_ivf ON t USING ivf (v vector_l2_ops) WITH (lists = 20);
CREATE INDEX t_cat ON t (cat);
VACUUM ANALYZE t;
SET ivf.probes = 32768;
SET ivf.epsilon = 10;
SELECT point(-3, 8) AS q \gset

-- The same answer without and with the node, in each way.
CREATE FUNCTION compare(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	way text;
	exact text;
	found text;
	plan text;
BEGIN
	query := replace(query, '$q', quote_literal(point(-3, 8)));
	SET LOCAL enable_indexscan = off;
	EXECUTE format('SELECT coalesce(string_agg(a::text, '' '' ORDER BY a::text), ''nothing'') FROM (%s) a', query) INTO exact;
	SET LOCAL enable_indexscan = on;
	FOREACH way IN ARRAY ARRAY['set', 'exact', 'plain'] LOOP
		PERFORM set_config('annex.filtered_way', way, true);
		EXECUTE 'EXPLAIN (FORMAT JSON) ' || query INTO plan;
		IF plan NOT LIKE '%annex filtered scan%' THEN RETURN 'no filtered scan'; END IF;
		EXECUTE format('SELECT coalesce(string_agg(a::text, '' '' ORDER BY a::text), ''nothing'') FROM (%s) a', query) INTO found;
		IF found IS DISTINCT FROM exact THEN RETURN way || ': ' || found || ' instead of ' || exact; END IF;
	END LOOP;
	RETURN regexp_count(exact, '\)') || ' rows';
END $$;

SELECT query, compare(query) FROM unnest(ARRAY[
	'SELECT id FROM t WHERE cat < 20 ORDER BY v <-> $q LIMIT 5',
	'SELECT id, v <-> $q FROM t WHERE cat < 20 ORDER BY v <-> $q LIMIT 5',
	'SELECT * FROM t WHERE cat < 20 ORDER BY v <-> $q LIMIT 5',
	'SELECT t FROM t WHERE cat < 20 ORDER BY v <-> $q LIMIT 5',
	'SELECT tableoid::regclass, upper(owner) FROM t WHERE cat < 20 ORDER BY v <-> $q LIMIT 5',
	'SELECT id FROM (SELECT * FROM t WHERE cat < 20 ORDER BY v <-> $q LIMIT 50) s WHERE id % 2 = 0',
	'SELECT max(id), count(*) FROM (SELECT id FROM t WHERE cat < 20 ORDER BY v <-> $q LIMIT 7) s GROUP BY id % 2',
	'SELECT u.id, s.id FROM t u CROSS JOIN LATERAL (SELECT id FROM t WHERE cat = u.cat AND id <> u.id ORDER BY v <-> u.v LIMIT 3) s WHERE u.id < 30',
	'SELECT u.id, s.id FROM t u CROSS JOIN LATERAL (SELECT id FROM t WHERE cat = 7 ORDER BY v <-> u.v LIMIT 3) s WHERE u.id < 30',
	'SELECT u.id, s.id FROM t u CROSS JOIN LATERAL (SELECT id FROM t WHERE cat = u.cat ORDER BY v <-> $q LIMIT 3) s WHERE u.id < 30',
	'SELECT g, (SELECT array_agg(id) FROM (SELECT id FROM t WHERE cat = g ORDER BY v <-> point(-g, 8) LIMIT 2) s) FROM generate_series(1, 20) g',
	'SELECT id FROM t WHERE cat < 20 AND v <-> $q < 2 ORDER BY v <-> $q LIMIT 500',
	'SELECT id FROM t WHERE cat < 20 AND 2 >= v <-> $q ORDER BY $q::vector <-> v LIMIT 500',
	'SELECT id FROM t WHERE cat < 1000 AND v <-> $q < 1 ORDER BY v <-> $q',
	'SELECT id FROM t WHERE cat < 1000 AND v <-> $q < 1 AND $q <-> v <= 0.9 ORDER BY v <-> $q',
	'SELECT id FROM t WHERE cat < 1000 AND v <-> $q < (SELECT NULL::float8) ORDER BY v <-> $q',
	'SELECT id FROM t WHERE v <-> $q < ''NaN'' AND cat = 3 ORDER BY v <-> $q',
	'SELECT id FROM t WHERE cat < 1000 AND v <-> $q < -1 ORDER BY v <-> $q',
	'SELECT g, s.* FROM generate_series(1, 4) g CROSS JOIN LATERAL (SELECT id FROM t WHERE v <-> $q < g / 2.0::float8 AND cat < 50 ORDER BY v <-> $q) s'
	]) query;

-- rows that are as far away as the last one come with it
CREATE TABLE ties AS SELECT i AS id, point(i / 7, 8)::vector(8) AS v, i % 100 AS cat FROM generate_series(1, 4000) i;
CREATE INDEX ON ties USING ivf (v vector_l2_ops) WITH (lists = 20);
CREATE INDEX ON ties (cat);
VACUUM ANALYZE ties;
SELECT compare('SELECT id FROM ties WHERE cat < 50 ORDER BY v <-> $q FETCH FIRST 2 ROWS WITH TIES');
DROP TABLE ties;

-- A hash index finds rows that only look alike, and takes one value at a time: of a bigint it forgets which half was which.
CREATE TABLE hashed AS SELECT i AS id, point(i, 8)::vector(8) AS v, i % 100 AS cat, (i % 60)::bigint << CASE WHEN i % 3 = 0 THEN 32 ELSE 0 END AS big
	FROM generate_series(1, 4000) i;
CREATE INDEX ON hashed USING ivf (v vector_l2_ops) WITH (lists = 20);
CREATE INDEX ON hashed USING hash (big);
CREATE INDEX ON hashed (cat);
VACUUM ANALYZE hashed;
SELECT query, compare(query) FROM unnest(ARRAY[
	'SELECT id FROM hashed WHERE big = 7 ORDER BY v <-> $q LIMIT 40',
	'SELECT id FROM hashed WHERE big = 9 ORDER BY v <-> $q LIMIT 40',
	'SELECT id FROM hashed WHERE big IN (7, 8, 9) ORDER BY v <-> $q LIMIT 70',
	'SELECT id FROM hashed WHERE cat = 3 OR big = 7 ORDER BY v <-> $q LIMIT 70',
	'SELECT id FROM hashed WHERE cat = 3 OR big IN (7, 8, 9) ORDER BY v <-> $q LIMIT 70']) query;
DROP TABLE hashed;

-- Other types
CREATE TABLE others AS SELECT i AS id, binary_quantize(point(i, 64))::bit(64) AS b, point(i, 30)::vector(30)::sparsevec(30) AS s, i % 100 AS cat FROM generate_series(1, 2000) i;
CREATE INDEX ON others USING ivf (b bit_hamming_ops);
CREATE INDEX ON others USING ivf (s sparsevec_l2_ops);
CREATE INDEX ON others (cat);
VACUUM ANALYZE others;
SELECT query, compare(query) FROM unnest(ARRAY[
	'SELECT b <~> repeat(''01'', 32)::bit(64) FROM others WHERE cat < 20 ORDER BY b <~> repeat(''01'', 32)::bit(64) LIMIT 10',
	'SELECT id FROM others WHERE cat < 20 ORDER BY s <-> ''{1:1,3:1}/30''::sparsevec LIMIT 10']) query;
DROP TABLE others;

-- Few rows are kept without being sorted, many and wide ones are: what the Sort gives, and whether it has sorted.
CREATE FUNCTION sorted(query text, memory text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	plan jsonb;
BEGIN
	PERFORM set_config('work_mem', memory, true), set_config('annex.filtered_way', 'exact', true);
	plan := jsonb_path_query_first(analyzed(replace(query, '$q', quote_literal(point(-3, 8)))), '$.** ? (@."Node Type" == "Sort")');
	RETURN round((plan ->> 'Actual Rows')::numeric) || CASE WHEN plan ? 'Sort Method' THEN ' sorted' ELSE ' kept' END;
END $$;
SELECT memory, query, sorted(query, memory) FROM (VALUES
	('4MB', 'SELECT id FROM t WHERE cat < 90 ORDER BY v <-> $q LIMIT 5'),
	('4MB', 'SELECT id FROM t WHERE cat < 90 ORDER BY v <-> $q LIMIT 3 OFFSET 4'),
	('4MB', 'SELECT id FROM t WHERE cat < 90 ORDER BY v <-> $q LIMIT 10000'),
	('4MB', 'SELECT id FROM t WHERE cat < 90 ORDER BY v <-> $q LIMIT 10001'),
	('4MB', 'SELECT id FROM t WHERE cat < 90 ORDER BY v <-> $q'),
	('4MB', 'SELECT id FROM t WHERE cat < 90 ORDER BY v <-> $q FETCH FIRST 5 ROWS WITH TIES'),
	('64kB', 'SELECT id FROM t WHERE cat < 90 ORDER BY v <-> $q LIMIT 5'),
	('64kB', 'SELECT id FROM t WHERE cat < 90 ORDER BY v <-> $q LIMIT 3000')) v (memory, query);
DROP FUNCTION sorted;

-- A condition on the distance ends the scan: nothing further is looked for.
SET annex.filtered_way = plain;
SELECT (plan ->> 'Heap Tuples Fetched')::int < 200 AS bounded FROM analyzed(format('SELECT id FROM t WHERE v <-> %L < 1 ORDER BY v <-> %L', :'q', :'q')) plan;
-- of another distance, another operator, or the wrong side it does not
SELECT (plan ->> 'Heap Tuples Fetched')::int = 4000 AS all_rows FROM analyzed(format('SELECT id FROM t WHERE v <-> %L > 1 ORDER BY v <-> %L', :'q', :'q')) plan;
SELECT (plan ->> 'Heap Tuples Fetched')::int = 4000 AS all_rows FROM analyzed(format('SELECT id FROM t WHERE v <+> %L < 1 ORDER BY v <-> %L', :'q', :'q')) plan;
RESET annex.filtered_way;

-- Prepared statements with generic plans
SET plan_cache_mode = force_generic_plan;
PREPARE nearest(vector, int, float8, int) AS SELECT id FROM t WHERE cat < $2 AND v <-> $1 < $3 ORDER BY v <-> $1 LIMIT $4;
SET annex.filtered_way = set;
EXECUTE nearest(:'q', 30, 3, 3);
EXECUTE nearest(:'q', 100, 3, 1);
EXECUTE nearest(:'q', 30, 0.01, 3);
SET annex.filtered_way = exact;
EXECUTE nearest(:'q', 30, 3, 3);
RESET annex.filtered_way;
RESET plan_cache_mode;

-- Cursors
CREATE FUNCTION moves(way text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	c SCROLL CURSOR FOR SELECT id FROM t WHERE cat < 20 ORDER BY v <-> point(-3, 8);
	row record;
	seen text := '';
BEGIN
	PERFORM set_config('annex.filtered_way', way, true);
	OPEN c;
	FOR i IN 1 .. 4 LOOP FETCH c INTO row; seen := seen || row.id || ' '; END LOOP;
	FOR i IN 1 .. 2 LOOP FETCH PRIOR FROM c INTO row; seen := seen || row.id || ' '; END LOOP;
	FETCH LAST FROM c INTO row;
	FETCH FIRST FROM c INTO row;
	CLOSE c;
	RETURN seen || row.id;
END $$;
SELECT moves('set'), moves('set') = moves('exact') AND moves('set') = moves('plain') AS same;
BEGIN;
SET LOCAL annex.filtered_way = set;
DECLARE held NO SCROLL CURSOR WITH HOLD FOR SELECT id FROM t WHERE cat < 20 ORDER BY v <-> :'q';
FETCH 2 FROM held;
COMMIT;
FETCH 2 FROM held;
CLOSE held;
BEGIN;
SET LOCAL annex.filtered_way = set;
DECLARE current CURSOR FOR SELECT id FROM t WHERE cat < 20 ORDER BY v <-> :'q' FOR UPDATE;
FETCH 2 FROM current;
UPDATE t SET owner = owner WHERE CURRENT OF current RETURNING id;
ROLLBACK;
-- without FOR UPDATE as well, whichever way the row has come
CREATE FUNCTION updated_current(way text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	c CURSOR FOR SELECT id FROM t WHERE cat < 20 ORDER BY v <-> point(-3, 8);
	row record;
	updated text := '';
BEGIN
	PERFORM set_config('annex.filtered_way', way, true);
	OPEN c;
	FOR i IN 1 .. 3 LOOP
		FETCH c INTO row;
		UPDATE t SET owner = way WHERE CURRENT OF c;
		IF NOT EXISTS (SELECT FROM t WHERE id = row.id AND owner = way) THEN RETURN 'another row than ' || row.id; END IF;
		updated := updated || row.id || ' ';
	END LOOP;
	CLOSE c;
	RETURN updated;
END $$;
BEGIN;
SELECT way, updated_current(way) FROM unnest(ARRAY['set', 'exact', 'plain']) way;
ROLLBACK;

-- Partitions, a partial index, inheritance
CREATE TABLE parts (id int, v vector(8), cat int, grp int) PARTITION BY LIST (grp);
CREATE TABLE parts_0 PARTITION OF parts FOR VALUES IN (0);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES IN (1, 2);
INSERT INTO parts SELECT id, v, cat, grp FROM t;
CREATE INDEX parts_ivf ON parts USING ivf (v vector_l2_ops) WITH (lists = 10);
CREATE INDEX parts_cat ON parts (cat);
ANALYZE parts;
SELECT query, compare(query) FROM unnest(ARRAY[
	'SELECT id FROM parts WHERE cat < 20 ORDER BY v <-> $q LIMIT 5',
	'SELECT id FROM parts WHERE cat < 20 AND grp = 1 ORDER BY v <-> $q LIMIT 5',
	'SELECT id, tableoid::regclass FROM parts WHERE cat < 20 AND v <-> $q < 2 ORDER BY v <-> $q LIMIT 100']) query;
CREATE TABLE child () INHERITS (t);
INSERT INTO child SELECT 10000 + i, point(-i, 8), i % 100, 0, 'x' FROM generate_series(1, 1000) i;
CREATE INDEX child_ivf ON child USING ivf (v vector_l2_ops) WITH (lists = 10);
CREATE INDEX child_cat ON child (cat);
ANALYZE child;
SELECT compare('SELECT id FROM t WHERE cat < 20 ORDER BY v <-> $q LIMIT 5');
DROP TABLE child;
-- Core's filter leaves out what the index's predicate implies; rows from elsewhere must not come in.
CREATE TABLE partial AS SELECT * FROM t;
CREATE INDEX partial_ivf ON partial USING ivf (v vector_l2_ops) WITH (lists = 10) WHERE grp = 1;
CREATE INDEX partial_cat ON partial (cat);
ANALYZE partial;
SELECT compare('SELECT id, grp FROM partial WHERE grp = 1 AND cat < 30 ORDER BY v <-> $q LIMIT 5'),
	compare('SELECT id, grp FROM partial WHERE cat < 30 AND grp IN (1) ORDER BY v <-> $q LIMIT 400');

-- Row-level security: the policy's condition comes first, in each way
CREATE ROLE regress_annex_1;
GRANT USAGE ON SCHEMA ivf_filter_plans TO regress_annex_1;
GRANT SELECT ON t TO regress_annex_1;
ALTER TABLE t ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON t USING (owner = current_user);
CREATE FUNCTION leak(i int) RETURNS boolean COST 0.0001 LANGUAGE plpgsql AS $$
BEGIN
	IF i % 2 = 0 THEN RAISE NOTICE 'sees %', i; END IF;
	RETURN true;
END $$;
SET ROLE regress_annex_1;
SET client_min_messages = notice;
SELECT count(*), sum(id % 2) FROM (SELECT id FROM t WHERE cat < 20 AND leak(id) ORDER BY v <-> :'q' LIMIT 20) s;
SET annex.filtered_way = set;
SELECT count(*), sum(id % 2) FROM (SELECT id FROM t WHERE cat < 20 AND leak(id) ORDER BY v <-> :'q' LIMIT 20) s;
SET annex.filtered_way = exact;
SELECT count(*), sum(id % 2) FROM (SELECT id FROM t WHERE cat < 20 AND leak(id) ORDER BY v <-> :'q' LIMIT 20) s;
RESET annex.filtered_way;
RESET ROLE;
SET client_min_messages = warning;
ALTER TABLE t DISABLE ROW LEVEL SECURITY;
DROP POLICY own ON t;

-- In a parallel worker
SET max_parallel_workers_per_gather = 2;
SELECT set_config(name, 'on', false) FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query');
SELECT compare('SELECT id FROM t WHERE cat < 20 AND v <-> $q < 1000 ORDER BY v <-> $q LIMIT 5');
-- whose way is known; its counters are not
CREATE FUNCTION explained(used text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	plan jsonb;
BEGIN
	PERFORM set_config('annex.filtered_way', used, true);
	plan := analyzed(format('SELECT id FROM t WHERE cat < 20 ORDER BY v <-> %L LIMIT 5', point(-3, 8)));
	RETURN (plan ->> 'Way') || ', counters: ' || (plan ? 'Rounds');
END $$;
SELECT way, explained(way) FROM unnest(ARRAY['exact', 'set', 'plain']) way;
SET max_parallel_workers_per_gather = 0;
SELECT set_config(name, 'off', false) FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query');

SELECT way, explained(way) FROM unnest(ARRAY['exact', 'set', 'plain']) way;

-- Wrong statistics: what is found decides, and the answer is right ---------------------------------------------------

CREATE FUNCTION plan_way(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	plan jsonb;
BEGIN
	EXECUTE 'EXPLAIN (FORMAT JSON) ' || replace(query, '$q', quote_literal(point(-3, 8))) INTO plan;
	RETURN jsonb_path_query_first(plan, '$.**."Way"') #>> '{}';
END $$;
CREATE TABLE wrong (id int, v vector(8), cat int, seldom int) WITH (autovacuum_enabled = off);
CREATE INDEX wrong_cat ON wrong (cat);
CREATE INDEX wrong_seldom ON wrong (seldom);
-- said to be everywhere, and nowhere
INSERT INTO wrong SELECT i, point(i, 8), 1, i * 7919 % 20000 FROM generate_series(1, 20000) i;
ANALYZE wrong;
UPDATE wrong SET cat = CASE WHEN id > 30 THEN 2 ELSE 1 END, seldom = 5;
VACUUM wrong;
CREATE INDEX wrong_ivf ON wrong USING ivf (v vector_l2_ops) WITH (lists = 60);
SELECT plan_way('SELECT id FROM wrong WHERE cat = 1 ORDER BY v <-> $q LIMIT 5') AS planned;
SELECT plan ->> 'Way' AS way FROM analyzed(format('SELECT id FROM wrong WHERE cat = 1 ORDER BY v <-> %L LIMIT 5', :'q')) plan;
SELECT plan ->> 'Way' AS way FROM analyzed(format('SELECT id FROM wrong WHERE cat = 1 ORDER BY v <-> %L LIMIT 50', :'q')) plan;
SELECT plan_way('SELECT id FROM wrong WHERE seldom BETWEEN 1 AND 100 ORDER BY v <-> $q LIMIT 5') AS planned;
SELECT plan ->> 'Way' AS way, (plan ->> 'Set Rows')::int >= 20000 AS many FROM analyzed(format('SELECT id FROM wrong WHERE seldom BETWEEN 1 AND 100 ORDER BY v <-> %L LIMIT 5', :'q')) plan;
CREATE FUNCTION compare_auto(query text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	exact text;
	found text;
BEGIN
	query := format('SELECT string_agg(a::text, '' '') FROM (%s) a', replace(query, '$q', quote_literal(point(-3, 8))));
	EXECUTE query INTO found;
	SET LOCAL enable_indexscan = off;
	EXECUTE query INTO exact;
	SET LOCAL enable_indexscan = on;
	RETURN found = exact;
END $$;
SELECT compare_auto('SELECT id FROM wrong WHERE cat = 1 ORDER BY v <-> $q LIMIT 5'),
	compare_auto('SELECT id FROM wrong WHERE cat = 1 ORDER BY v <-> $q LIMIT 50'),
	compare_auto('SELECT id FROM wrong WHERE seldom BETWEEN 1 AND 100 ORDER BY v <-> $q LIMIT 5');

-- Distances whose functions do not say what they cost, as pgvector's, are priced as ours ---------------------------

CREATE TABLE beside (id int, v vector(512), cat int);
INSERT INTO beside SELECT i, array_fill(i::real, ARRAY[512])::vector, i % 1000 FROM generate_series(1, 5000) i;
CREATE INDEX ON beside USING ivf (v vector_l2_ops) WITH (lists = 20);
CREATE INDEX ON beside (cat);
VACUUM ANALYZE beside;
CREATE FUNCTION ways_of_shares() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	plan jsonb;
	found text := '';
BEGIN
	FOR tenths IN 0 .. 9 LOOP
		EXECUTE format('EXPLAIN (FORMAT JSON) SELECT id FROM beside WHERE cat <= %s ORDER BY v <-> %L LIMIT 10', 100 * tenths, array_fill(1, ARRAY[512])::vector) INTO plan;
		found := found || ' ' || coalesce(jsonb_path_query_first(plan, '$.**."Way"') #>> '{}', 'sort');
	END LOOP;
	RETURN found;
END $$;
SELECT ways_of_shares() AS ways \gset
SELECT :'ways' LIKE ' exact %plain' AND :'ways' NOT LIKE '%sort%' AS expected;
BEGIN;
UPDATE pg_proc SET prosupport = 0 WHERE proname = 'l2_distance' AND proargtypes = format('%s %s', 'vector'::regtype::oid, 'vector'::regtype::oid)::oidvector;
SELECT ways_of_shares() = :'ways' AS same;
ROLLBACK;

-- Planning reads an index's meta page once, however many ways are priced -------------------------------------------

CREATE FUNCTION pages_read(query text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	plan jsonb;
	least bigint;
BEGIN
	-- the first planning fills the catalogs' caches, and others may empty them
	FOR i IN 1 .. 5 LOOP
		EXECUTE 'EXPLAIN (BUFFERS, FORMAT JSON) ' || replace(query, '$q', quote_literal(point(-3, 8))) INTO plan;
		least := least(least, (plan #>> '{0,Planning,Shared Hit Blocks}')::bigint + (plan #>> '{0,Planning,Shared Read Blocks}')::bigint);
	END LOOP;
	RETURN least;
END $$;
SELECT query, pages_read(query) FROM unnest(ARRAY[
	'SELECT id FROM wrong ORDER BY v <-> $q LIMIT 5',
	'SELECT id FROM wrong WHERE seldom = 3 ORDER BY v <-> $q LIMIT 5',
	'SELECT id FROM wrong WHERE cat = 1 AND seldom = 3 AND v <-> $q < 2 ORDER BY v <-> $q LIMIT 5']) query;

DROP SCHEMA ivf_filter_plans CASCADE;
DROP ROLE regress_annex_1;

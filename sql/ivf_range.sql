-- Rows within a distance, where no order is asked for, compared with a sequential scan.
SET client_min_messages = warning;
CREATE SCHEMA ivf_range;
SET search_path = ivf_range, public;
SET max_parallel_workers_per_gather = 0;

CREATE FUNCTION point(i int, dimensions int) RETURNS vector LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT array_agg(sin(i * 12.9898 + j * 78.233 + i * j * 0.37)::real)::vector FROM generate_series(1, dimensions) j
$$;

CREATE TABLE t (id int PRIMARY KEY, v vector(12), cat int, tag int, pad text);
INSERT INTO t SELECT i, CASE WHEN i % 1000 = 7 THEN NULL WHEN i % 1000 = 8 THEN array_fill(0, ARRAY[12])::vector
		WHEN i % 1000 = 9 THEN array_fill(3e38::real, ARRAY[12])::vector ELSE point(i, 12) END,
	i % 50, i % 7, repeat('p', 300)
FROM generate_series(1, 6000) i;
CREATE INDEX t_l2 ON t USING ivf (v vector_l2_ops, cat) WITH (lists = 20);
CREATE INDEX t_cosine ON t USING ivf (v vector_cosine_ops) WITH (lists = 20);
CREATE INDEX t_ip ON t USING ivf (v vector_ip_ops) WITH (lists = 20);
CREATE INDEX t_tag ON t (tag);
VACUUM ANALYZE t;

-- The plan, as text without the query's vector.
CREATE FUNCTION plan_of(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
		RETURN NEXT regexp_replace(line, '''\[.*?\]''', '''[...]''', 'g');
	END LOOP;
END $$;

SELECT point(-3, 12) AS q \gset
SELECT plan_of(format('SELECT id FROM t WHERE v <-> %L < 1.5', :'q'));
SELECT plan_of(format('SELECT count(*) FROM t WHERE 1.5 >= %L <-> v AND cat = 3 AND tag = 1', :'q'));
SELECT plan_of(format('SELECT DISTINCT cat FROM t WHERE v <#> %L <= -5', :'q'));
SELECT plan_of(format('DELETE FROM t WHERE v <=> %L < 0.1', :'q'));
SELECT plan_of(format('UPDATE t SET tag = tag + 1 WHERE %L <-> v < 1.5', :'q'));
SELECT plan_of(format('SELECT id FROM t WHERE v <-> %L < 1.5 FOR UPDATE', :'q'));
-- none: a lower bound, one of another column, one that is not the same twice; nor where
-- there is an order by it, which the index gives, nor without the node
SELECT plan_of(format('SELECT id FROM t WHERE v <-> %L > 1.5', :'q'));
SELECT plan_of(format('SELECT id FROM t WHERE v <-> %L < tag', :'q'));
SELECT plan_of(format('SELECT id FROM t WHERE v <-> %L < random()', :'q'));
SELECT plan_of(format('SELECT id FROM t WHERE v <-> %L < 1.5 ORDER BY v <-> %1$L LIMIT 10', :'q'));
SET annex.enable_filtered_scan = off;
SELECT plan_of(format('SELECT id FROM t WHERE v <-> %L < 1.5', :'q'));
RESET annex.enable_filtered_scan;

-- Not where it would take longer than others: most rows are within the distance; few have the right tag or are the one
-- with the right id; a table of a few pages.
SELECT plan_of(format('SELECT id FROM t WHERE v <-> %L < 4.5', :'q'));
SELECT plan_of(format('SELECT id FROM t WHERE id = 5 AND v <-> %L < 1.5', :'q'));
SELECT plan_of(format('SELECT id FROM t WHERE id BETWEEN 5 AND 20 AND v <-> %L < 4', :'q'));
CREATE TABLE small AS SELECT id, v FROM t WHERE id <= 300;
CREATE INDEX ON small USING ivf (v vector_l2_ops) WITH (lists = 5);
VACUUM ANALYZE small;
SELECT plan_of(format('SELECT id FROM small WHERE v <-> %L < 1.5', :'q'));

-- What it did: it looks into every list once, and fetches few rows that are not within the distance.
CREATE FUNCTION counters(query text) RETURNS TABLE (way text, lists int, rounds int, fetched_too_many bool, refined_all bool) LANGUAGE plpgsql AS $$
DECLARE
	plan jsonb;
	rows int;
BEGIN
	EXECUTE 'EXPLAIN (ANALYZE, FORMAT JSON) ' || query INTO plan;
	plan := plan #> '{0,Plan}';
	rows := (plan ->> 'Actual Rows')::float8;
	RETURN QUERY SELECT plan ->> 'Way', (plan ->> 'Lists Probed')::int, (plan ->> 'Rounds')::int,
		(plan ->> 'Heap Tuples Fetched')::int > rows + rows / 10 + 8, (plan ->> 'Refined')::int >= 5000;
END $$;
SELECT * FROM counters(format('SELECT id FROM t WHERE v <-> %L < 0.5', :'q'));
SELECT * FROM counters(format('SELECT id FROM t WHERE v <-> %L < 1.5 AND cat = 3', :'q'));
SELECT sum(scans) > 0 AS counted, sum(lists_probed) >= 40 AS probed FROM annex_stat_indexes WHERE indexrelid = 't_l2'::regclass;

-- Answers -------------------------------------------------------------------------------------------------------------

CREATE FUNCTION compare(condition text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	-- from 16 on another index's order would suit the aggregate
	query text := format('SELECT array_agg(id ORDER BY id) FROM (SELECT id FROM t WHERE %s OFFSET 0) rows', condition);
	by_index boolean;
	expected int[];
	found int[];
BEGIN
	-- the others are too cheap beside it for some conditions
	SET LOCAL enable_seqscan = off;
	SET LOCAL enable_bitmapscan = off;
	by_index := (SELECT string_agg(line, ' ') FROM plan_of(query) line) LIKE '%Way: range%';
	EXECUTE query INTO found;
	SET LOCAL enable_seqscan = on;
	SET LOCAL enable_indexscan = off;
	EXECUTE query INTO expected;
	SET LOCAL enable_indexscan = on;
	SET LOCAL enable_bitmapscan = on;
	IF found IS DISTINCT FROM expected THEN RETURN format('%s rows instead of %s', cardinality(found), cardinality(expected)); END IF;
	RETURN coalesce(cardinality(found), 0) || CASE WHEN by_index THEN ' rows by the index' ELSE ' rows' END;
END $$;

SELECT operator, radius, compare(format('v %s %L < %L', operator, point(-3, 12), radius))
FROM (VALUES ('<->', '{-1,0,0.5,1.5,2.5,4,100,Infinity,-Infinity,NaN}'::text[]), ('<=>', '{-1,0,0.02,0.2,1,2,NaN}'),
	('<#>', '{-100,-5,-2,0,3,100}')) o (operator, radii), unnest(radii) radius
ORDER BY operator, radius::float8;
SELECT condition, compare(replace(condition, 'Q', quote_literal(point(-3, 12)))) FROM unnest(ARRAY[
	'v <-> Q <= 1.5', '1.5 > v <-> Q', '1.5 >= Q <-> v', 'Q <-> v < 1.5', 'v <-> Q < 2 AND v <-> Q < 1.5', 'v <-> Q BETWEEN 1 AND 2',
	'v <-> Q < 2 AND v <=> Q < 0.1', 'v <-> Q < 2 AND cat = 3', 'v <-> Q < 2 AND cat IN (3, 4)', 'v <-> Q < 2 AND tag = 3 AND length(pad) = 300',
	'v <-> Q < 2 AND v IS NULL', 'v <-> Q < 2 AND v IS NOT NULL', 'v <-> Q < 2 AND cat IS NULL', 'v <-> Q < 2 OR tag = 1',
	'NOT v <-> Q >= 1.5', 'v <-> Q < NULL', 'v <-> Q < (SELECT 1.5)', 'v <-> (SELECT v FROM t WHERE id = 5) < 1.5',
	'v <-> NULL < 2', 'v <-> (SELECT NULL::vector) < 2', 'v <-> Q < (SELECT NULL::float8)', 'v <-> Q < (SELECT ''NaN''::float8)',
	'v <-> (SELECT NULL::vector) < (SELECT ''NaN''::float8)', 'v <-> Q = 1 AND v <-> Q < 2',
	'v <-> Q < 1 + length(current_setting(''work_mem'')) * 0.1', 'current_setting(''work_mem'') = '''' AND v <-> Q < 2']) condition;
-- the query: zero, beyond the range of distances
SELECT operator, compare(format('v %s array_fill(%s, ARRAY[12])::vector < %s', operator, fill, radius))
FROM (VALUES ('<->', '0', '1'), ('<->', '0', '2.4'), ('<=>', '0', '2'), ('<=>', '0', '''NaN'''), ('<#>', '0', '1'), ('<#>', '0', '-1'),
	('<->', '3e38::real', '1e38'), ('<->', '3e38::real', '''Infinity'''), ('<#>', '1e37::real', '''-1e36'''), ('<#>', '3e38::real', '''-Infinity'''),
	('<=>', '3e38::real', '0.3')) o (operator, fill, radius);

-- lists that maintenance has made from the rows of the index, and rows that came after
SELECT index, (annex_maintain(index, true)).lists_made > 0 AS listed FROM unnest('{t_l2,t_cosine,t_ip}'::regclass[]) index;
INSERT INTO t SELECT 6000 + i, point(-i, 12), i % 50, i % 7, '' FROM generate_series(1, 50) i;
DELETE FROM t WHERE id % 17 = 0;
SELECT operator, radius, compare(format('v %s %L < %L', operator, point(-3, 12), radius))
FROM (VALUES ('<->', '{0.01,0.5,1.5,2.5,4}'::text[]), ('<=>', '{0.02,0.2,1}'), ('<#>', '{-5,-2,0}')) o (operator, radii), unnest(radii) radius
ORDER BY operator, radius::float8;
-- rows that come in more than one round, for want of memory, and under a strict order
SET work_mem = '64kB';
SELECT compare(format('v <-> %L < 4', point(-3, 12)));
SET ivf.ordering = strict;
SELECT compare(format('v <-> %L < 4', point(-3, 12)));
SELECT count(*), sum(c) FROM (SELECT cat, count(*) c FROM t WHERE v <-> :'q' < 2 GROUP BY cat) g;
RESET ivf.ordering;
RESET work_mem;

-- Parameters of a generic plan, which are NULL, NaN and infinite at times.
SET plan_cache_mode = force_generic_plan;
PREPARE within(vector, float8) AS SELECT count(*) FROM t WHERE v <-> $1 < $2;
EXPLAIN (COSTS OFF) EXECUTE within(NULL, 1);
EXECUTE within(:'q', 1.5);
EXECUTE within(NULL, 1.5);
EXECUTE within(:'q', NULL);
EXECUTE within(:'q', 'NaN');
EXECUTE within(:'q', 'Infinity');
EXECUTE within('[1,2]', 1);
RESET plan_cache_mode;

-- Restarts with other parameters, in a subquery of each row; columns of the table and its system columns; a cursor.
SELECT id, (SELECT count(*) FROM t u WHERE u.v <-> o.q < o.r AND u.cat <> o.id) FROM (
	SELECT i id, point(-i, 12) q, i * 0.4 r FROM generate_series(1, 6) i OFFSET 0) o ORDER BY id;
SELECT bool_and(t = u AND t.ctid = u.ctid AND t.tableoid = 't'::regclass), count(*)
FROM (SELECT t, ctid, tableoid, id FROM t WHERE v <-> :'q' < 1.7 OFFSET 0) t JOIN t u USING (id);
SELECT o.id, count(*) FROM (SELECT i id, point(-i, 12) q FROM generate_series(1, 3) i) o
	CROSS JOIN LATERAL (SELECT u.id FROM t u WHERE u.v <-> o.q < 1 + o.id * 0.1 OFFSET 0) near GROUP BY 1 ORDER BY 1;
BEGIN;
DECLARE c CURSOR FOR SELECT id FROM t WHERE v <-> :'q' < 4;
MOVE 100 IN c;
FETCH 0 IN c;
MOVE ALL IN c;
COMMIT;

-- Changes, and rows that have changed.
BEGIN;
SELECT count(*) AS before FROM t WHERE v <-> :'q' < 1.7 \gset
WITH locked AS (SELECT id FROM t WHERE v <-> :'q' < 1.7 FOR UPDATE) SELECT count(*) = :before FROM locked;
WITH changed AS (UPDATE t SET tag = -1 WHERE v <-> :'q' < 1.7 RETURNING id) SELECT count(*) = :before FROM changed;
SELECT count(*) = :before FROM t WHERE tag = -1;
UPDATE t SET v = :'q' WHERE v <-> :'q' < 1.7;
SELECT count(*) = :before FROM t WHERE v <-> :'q' < 0.001;
WITH gone AS (DELETE FROM t WHERE :'q' <-> v <= 0 RETURNING id) SELECT count(*) = :before FROM gone;
SELECT count(*) FROM t WHERE v <-> :'q' < 1.7;
ROLLBACK;

-- Partitions, a partial index, an index of an expression.
CREATE TABLE p (id int, v vector(12), pad text) PARTITION BY RANGE (id);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (3000);
CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (3000) TO (7000);
INSERT INTO p SELECT id, v, pad FROM t;
CREATE INDEX ON p USING ivf (v vector_l2_ops) WITH (lists = 10);
CREATE TABLE e (id int, a real[], pad text);
INSERT INTO e SELECT id, v::real[], pad FROM t;
CREATE INDEX ON e USING ivf ((a::vector(12)) vector_l2_ops) WITH (lists = 10);
CREATE TABLE h (id int, v vector(12), pad text);
INSERT INTO h SELECT id, v, pad FROM t;
CREATE INDEX ON h USING ivf (v vector_l2_ops) WITH (lists = 10) WHERE id > 100;
VACUUM ANALYZE p, e, h;
SELECT plan_of(format('SELECT id FROM p WHERE v <-> %L < 1.7', :'q'));
SELECT plan_of(format('SELECT id FROM e WHERE a::vector(12) <-> %L < 1.7', :'q'));
SELECT plan_of(format('SELECT id FROM h WHERE v <-> %L < 1.7', :'q'));
SELECT plan_of(format('SELECT id FROM h WHERE id > 100 AND v <-> %L < 1.7', :'q'));
SELECT (SELECT array_agg(id ORDER BY id) FROM p WHERE v <-> :'q' < 1.7) = ids,
	(SELECT array_agg(id ORDER BY id) FROM e WHERE a::vector(12) <-> :'q' < 1.7) = ids,
	(SELECT array_agg(id ORDER BY id) FROM h WHERE v <-> :'q' < 1.7 AND id > 100) = high
FROM (SELECT array_agg(id ORDER BY id) ids, array_agg(id ORDER BY id) FILTER (WHERE id > 100) high FROM t WHERE (v <-> :'q') + 0 < 1.7) all_rows;

-- A user who must not see all rows.
CREATE ROLE regress_annex_range;
GRANT USAGE ON SCHEMA ivf_range TO regress_annex_range;
GRANT SELECT ON t TO regress_annex_range;
ALTER TABLE t ENABLE ROW LEVEL SECURITY;
CREATE POLICY few ON t USING (tag = 3);
SELECT count(*) AS visible FROM t WHERE tag = 3 AND v <-> :'q' < 2 \gset
SET ROLE regress_annex_range;
SELECT count(*) = :visible AS all_visible, bool_and(tag = 3) AS none_else FROM t WHERE v <-> :'q' < 2;
SELECT plan_of(format('SELECT id FROM t WHERE v <-> %L < 2', :'q'));
RESET ROLE;
DROP OWNED BY regress_annex_range;
DROP ROLE regress_annex_range;

DROP SCHEMA ivf_range CASCADE;

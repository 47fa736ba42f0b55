-- When the planner takes an ivf index: for the nearest few rows of a large table, and for nothing else.
SET client_min_messages = warning;
CREATE SCHEMA ivf_plans;
SET search_path = ivf_plans, public;
SET max_parallel_workers_per_gather = 0;

CREATE FUNCTION point(i int, dimensions int) RETURNS vector LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT array_agg(sin(i * 12.9898 + j * 78.233 + i * j * 0.37)::real)::vector FROM generate_series(1, dimensions) j
$$;

-- The nodes of a plan that read tables, sort or merge, from the top.
CREATE FUNCTION plan_of(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	line text;
	nodes text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
		line := substring(line from '^(?: *-> *)?((?:Incremental Sort|Sort|Merge Append|Index Scan|Index Only Scan|Bitmap Heap Scan|Seq Scan)\M(?: using \w+)?(?: on \w+)?)');
		IF line IS NOT NULL THEN nodes := concat_ws(' > ', nodes, line); END IF;
	END LOOP;
	RETURN nodes;
END $$;

-- As it is after loading, without ANALYZE too ------------------------------------------------------------------------

CREATE TABLE large (id int, v vector(3), grp int, note text);
INSERT INTO large SELECT i, point(i, 3), i % 100 FROM generate_series(1, 10000) i;
CREATE INDEX large_l2 ON large USING ivf (v vector_l2_ops);
CREATE INDEX large_ip ON large USING ivf (v vector_ip_ops);
CREATE INDEX large_cosine ON large USING ivf (v vector_cosine_ops);
CREATE TABLE small (id int, v vector(3));
INSERT INTO small SELECT i, point(i, 3) FROM generate_series(1, 100) i;
CREATE INDEX small_l2 ON small USING ivf (v vector_l2_ops);

EXPLAIN (COSTS OFF) SELECT id FROM large ORDER BY v <-> '[1,2,3]' LIMIT 10;
EXPLAIN (COSTS OFF) SELECT id FROM large ORDER BY v <#> '[1,2,3]' LIMIT 10;
EXPLAIN (COSTS OFF) SELECT id FROM large ORDER BY v <=> '[1,2,3]' LIMIT 10;
ANALYZE large;
ANALYZE small;
SELECT plan_of('SELECT id FROM large ORDER BY v <-> ''[1,2,3]'' LIMIT 10');
SELECT plan_of('SELECT id FROM large ORDER BY v <#> ''[1,2,3]'' LIMIT 10');
SELECT plan_of('SELECT id FROM large ORDER BY v <=> ''[1,2,3]'' LIMIT 10');
SELECT plan_of('SELECT id FROM large ORDER BY v <-> ''[1,2,3]'' LIMIT 1');
SELECT plan_of('SELECT id FROM large ORDER BY v <-> ''[1,2,3]'' LIMIT 100');
SELECT plan_of('SELECT id FROM small ORDER BY v <-> ''[1,2,3]'' LIMIT 10');
SELECT plan_of('SELECT id FROM large ORDER BY ''[1,2,3]'' <-> v LIMIT 10');
SELECT plan_of('SELECT id FROM large WHERE grp < 50 ORDER BY v <-> ''[1,2,3]'' LIMIT 10');
SELECT plan_of('SELECT id, v <-> ''[1,2,3]'' FROM large WHERE note IS NULL ORDER BY 2 LIMIT 10');
SELECT plan_of('SELECT id FROM large ORDER BY v <-> (SELECT v FROM small LIMIT 1) LIMIT 10');
SELECT plan_of('SELECT * FROM (SELECT * FROM small LIMIT 5) s CROSS JOIN LATERAL
	(SELECT id FROM large ORDER BY large.v <-> s.v LIMIT 10) nearest');

-- Vectors so wide that they lie in TOAST: the table has few pages, but a sequential scan has to fetch the others.
CREATE TABLE wide (id int, v vector(1024));
INSERT INTO wide SELECT i, array_fill(i, ARRAY[1024])::vector FROM generate_series(1, 10000) i;
CREATE INDEX wide_l2 ON wide USING ivf (v vector_l2_ops);
ANALYZE wide;
SELECT plan_of('SELECT id FROM wide ORDER BY v <-> (SELECT v FROM wide LIMIT 1) LIMIT 10');
DROP TABLE wide;

-- Not at all, even where other scans are discouraged: without an order, with another operator, backwards, NULLs first,
-- by an expression of the distance; and what is already sorted only up to a tie is sorted on ----------------------------

CREATE FUNCTION unsuitable() RETURNS TABLE (query text, plan text) LANGUAGE sql AS $$
	SELECT query, plan_of(query) FROM unnest(ARRAY[
		'SELECT count(*) FROM large',
		'SELECT id FROM large',
		'SELECT id FROM large LIMIT 10',
		'SELECT v FROM large LIMIT 10',
		'SELECT id FROM large WHERE v = ''[1,2,3]''',
		'SELECT id FROM large WHERE v IS NULL',
		'SELECT id FROM large ORDER BY v LIMIT 10',
		'SELECT id FROM large ORDER BY id LIMIT 10',
		'SELECT id FROM large ORDER BY id, v <-> ''[1,2,3]'' LIMIT 10',
		'SELECT id FROM large ORDER BY v <+> ''[1,2,3]'' LIMIT 10',
		'SELECT id FROM small ORDER BY v <=> ''[1,2,3]'' LIMIT 10',
		'SELECT id FROM large ORDER BY v <-> ''[1,2,3]'' DESC LIMIT 10',
		'SELECT id FROM large ORDER BY v <-> ''[1,2,3]'' NULLS FIRST LIMIT 10',
		'SELECT id FROM large ORDER BY (v <-> ''[1,2,3]'') + 1 LIMIT 10',
		'SELECT id FROM large ORDER BY v <-> v LIMIT 10',
		'SELECT max(v <-> ''[1,2,3]'') FROM large',
		'UPDATE large SET id = id',
		'DELETE FROM large WHERE id = 1']) query
$$;
SELECT * FROM unsuitable();
SET enable_seqscan = off;
SELECT plan FROM unsuitable() WHERE plan LIKE '%Index%' OR plan LIKE '%Bitmap%';
SET enable_sort = off;
SET enable_bitmapscan = off;
SELECT plan FROM unsuitable() WHERE plan LIKE '%Index%' OR plan LIKE '%Bitmap%';
RESET enable_sort;
RESET enable_bitmapscan;
RESET enable_seqscan;

-- Ties are broken by a second key: the answer is that of a sort, whatever the plan.
CREATE TABLE tied (id int, v vector(3));
INSERT INTO tied SELECT i, ARRAY[i / 10 % 1000, 0, 0]::vector FROM generate_series(1, 20000) i;
CREATE INDEX tied_l2 ON tied USING ivf (v vector_l2_ops);
ANALYZE tied;
SET ivf.probes = 32768;
SELECT array_agg(id) FROM (SELECT id FROM tied ORDER BY v <-> '[3,0,0]', id DESC LIMIT 5) s;
SET enable_seqscan = off;
SELECT array_agg(id) FROM (SELECT id FROM tied ORDER BY v <-> '[3,0,0]', id DESC LIMIT 5) s;
RESET enable_seqscan;
RESET ivf.probes;

-- Groups need their rows together, which a row that comes late breaks: only in strict order.
SELECT plan_of('SELECT DISTINCT v <-> ''[1,2,3]'' FROM large ORDER BY v <-> ''[1,2,3]'' LIMIT 10') NOT LIKE '%Index%' AS no_index;
SELECT plan_of('SELECT DISTINCT ON (v <-> ''[1,2,3]'') id FROM large ORDER BY v <-> ''[1,2,3]'' LIMIT 10') NOT LIKE '%Index%' AS no_index;
SELECT plan_of('SELECT count(*) FROM large GROUP BY v <-> ''[1,2,3]'' ORDER BY v <-> ''[1,2,3]'' LIMIT 10') NOT LIKE '%Index%' AS no_index;
SELECT plan_of('SELECT DISTINCT grp FROM (SELECT grp FROM large ORDER BY v <-> ''[1,2,3]'' LIMIT 10) nearest');
SELECT plan_of('SELECT grp, count(*) FROM (SELECT grp FROM large ORDER BY v <-> ''[1,2,3]'' LIMIT 10) nearest GROUP BY grp ORDER BY grp');
SET ivf.ordering = strict;
SET enable_hashagg = off;
SELECT plan_of('SELECT DISTINCT ON (v <-> ''[1,2,3]'') id FROM large ORDER BY v <-> ''[1,2,3]'' LIMIT 10');
SELECT plan_of('SELECT count(*) FROM large GROUP BY v <-> ''[1,2,3]'' ORDER BY v <-> ''[1,2,3]'' LIMIT 10');
RESET enable_hashagg;
RESET ivf.ordering;

-- Of relations without an index of ours nothing changes; of two indexes the one that fits is taken ---------------------

CREATE INDEX large_l2_one_list ON large USING ivf (v vector_l2_ops) WITH (lists = 1);
SELECT plan_of('SELECT id FROM large ORDER BY v <-> ''[1,2,3]'' LIMIT 10');
DROP INDEX large_l2;
SELECT plan_of('SELECT id FROM large ORDER BY v <-> ''[1,2,3]'' LIMIT 10') IS NOT NULL AS planned;
DROP INDEX large_l2_one_list;
SELECT plan_of('SELECT id FROM large ORDER BY v <-> ''[1,2,3]'' LIMIT 10');
CREATE INDEX large_l2 ON large USING ivf (v vector_l2_ops);

-- Partial and expression indexes -------------------------------------------------------------------------------------

CREATE INDEX large_partial ON large USING ivf (v vector_l2_ops) WHERE grp < 30;
DROP INDEX large_l2;
SELECT plan_of('SELECT id FROM large WHERE grp < 30 ORDER BY v <-> ''[1,2,3]'' LIMIT 10');
SELECT plan_of('SELECT id FROM large WHERE grp < 20 ORDER BY v <-> ''[1,2,3]'' LIMIT 10');
SELECT plan_of('SELECT id FROM large WHERE grp < 40 ORDER BY v <-> ''[1,2,3]'' LIMIT 10');
SELECT plan_of('SELECT id FROM large ORDER BY v <-> ''[1,2,3]'' LIMIT 10');
INSERT INTO large SELECT i, point(i, 3), i % 100 FROM generate_series(10001, 12000) i;
SELECT rows FROM annex_index_info('large_partial');
SELECT count(*), count(*) FILTER (WHERE grp >= 30) AS outside FROM (SELECT * FROM large WHERE grp < 30 ORDER BY v <-> '[1,2,3]' LIMIT 3500) s;
SELECT annex_verify('large_partial', true);

CREATE TABLE expressions (id int, v vector, a real[]);
INSERT INTO expressions SELECT i, point(i, 3), point(i, 4)::real[] FROM generate_series(1, 10000) i;
INSERT INTO expressions VALUES (10001, NULL, NULL);
CREATE INDEX expressions_v ON expressions USING ivf ((v::vector(3)) vector_l2_ops);
CREATE INDEX expressions_a ON expressions USING ivf ((a::vector(4)) vector_cosine_ops);
CREATE INDEX expressions_part ON expressions USING ivf ((subvector(a::vector(4), 1, 2)::vector(2)) vector_l2_ops);
ANALYZE expressions;
SELECT plan_of('SELECT id FROM expressions ORDER BY v::vector(3) <-> ''[1,2,3]'' LIMIT 10');
SELECT plan_of('SELECT id FROM expressions ORDER BY a::vector(4) <=> ''[1,2,3,4]'' LIMIT 10');
SELECT plan_of('SELECT id FROM expressions ORDER BY subvector(a::vector(4), 1, 2)::vector(2) <-> ''[1,2]'' LIMIT 10');
SELECT plan_of('SELECT id FROM expressions ORDER BY v <-> ''[1,2,3]'' LIMIT 10');
INSERT INTO expressions SELECT i, point(i, 3), point(i, 4)::real[] FROM generate_series(10002, 10500) i;
SET ivf.probes = 32768;
CREATE TEMP TABLE by_index AS SELECT id FROM expressions ORDER BY subvector(a::vector(4), 1, 2)::vector(2) <-> '[0.5,0.25]' LIMIT 100;
SET enable_indexscan = off;
CREATE TEMP TABLE exact AS SELECT id FROM expressions ORDER BY subvector(a::vector(4), 1, 2)::vector(2) <-> '[0.5,0.25]' LIMIT 100;
RESET enable_indexscan;
RESET ivf.probes;
SELECT count(*) FROM by_index JOIN exact USING (id);
SELECT annex_verify('expressions_v', true), annex_verify('expressions_a', true), annex_verify('expressions_part', true);

-- Partitions: each by its index, merged ------------------------------------------------------------------------------

CREATE TABLE parts (id int, v vector(3), grp int) PARTITION BY LIST (grp);
CREATE INDEX parts_v ON parts USING ivf (v vector_l2_ops) WITH (spill = on);
CREATE TABLE parts_0 PARTITION OF parts FOR VALUES IN (0);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES IN (1);
CREATE TABLE parts_2 (id int, v vector(3), grp int);
INSERT INTO parts SELECT i, point(i, 3), i % 2 FROM generate_series(1, 20000) i;
INSERT INTO parts_2 SELECT i, point(i, 3), 2 FROM generate_series(20001, 30000) i;
ALTER TABLE parts ATTACH PARTITION parts_2 FOR VALUES IN (2);
ANALYZE parts;
SELECT relname, relkind, reloptions FROM pg_class WHERE relname LIKE 'parts%v%' ORDER BY relname;
SELECT plan_of('SELECT id FROM parts ORDER BY v <-> ''[1,2,3]'' LIMIT 10');
SELECT plan_of('SELECT id FROM parts WHERE grp = 1 ORDER BY v <-> ''[1,2,3]'' LIMIT 10');
SET ivf.probes = 32768;
CREATE TEMP TABLE by_parts AS SELECT id, grp FROM parts ORDER BY v <-> '[0.5,0.25,0.75]' LIMIT 300;
SET enable_indexscan = off;
CREATE TEMP TABLE exact_parts AS SELECT id, grp FROM parts ORDER BY v <-> '[0.5,0.25,0.75]' LIMIT 300;
RESET enable_indexscan;
RESET ivf.probes;
SELECT count(*), count(DISTINCT grp) AS partitions FROM by_parts JOIN exact_parts USING (id, grp);
UPDATE parts SET grp = 1 WHERE id BETWEEN 101 AND 200;
SELECT count(annex_verify(relid, true)::text) AS verified FROM pg_partition_tree('parts_v') WHERE isleaf;

-- Inheritance and temporary tables too
SELECT count(*), count(DISTINCT (part, at)) FROM (SELECT tableoid AS part, ctid AS at FROM parts ORDER BY v <-> '[0.5,0.25,0.75]' LIMIT 30) s;
CREATE TABLE child () INHERITS (large);
CREATE TEMP TABLE temporary (id int, v vector(3));
INSERT INTO temporary SELECT i, point(i, 3) FROM generate_series(1, 10000) i;
CREATE INDEX temporary_v ON temporary USING ivf (v vector_ip_ops);
SELECT plan_of('SELECT id FROM temporary ORDER BY v <#> ''[1,2,3]'' LIMIT 10');
SELECT plan_of('SELECT id FROM ONLY large ORDER BY v <=> ''[1,2,3]'' LIMIT 10');
SELECT count(*) FROM (SELECT id FROM large ORDER BY v <=> '[1,2,3]' LIMIT 20) s;

-- Of several indexes the one that can test the condition, even where the filtered scan is to hand it over ---------------

CREATE TABLE choice (id int, v vector(3), cat int, rare boolean);
INSERT INTO choice SELECT i, point(i, 3), i % 100, i % 100 = 0 FROM generate_series(1, 20000) i;
CREATE INDEX choice_cat ON choice USING ivf (v, cat);
CREATE INDEX choice_rare ON choice USING ivf (v, rare);
CREATE INDEX choice_v ON choice USING ivf (v);
ANALYZE choice;
SET enable_seqscan = off;
SET enable_sort = off;
SELECT condition, plan_of('SELECT id FROM choice WHERE ' || condition || ' ORDER BY v <-> ''[1,2,3]'' LIMIT 150')
FROM unnest(ARRAY['cat = ANY (''{3,5}'')', 'cat BETWEEN 3 AND 4', 'rare']) condition;
RESET enable_seqscan;
RESET enable_sort;

SELECT annex_verify('large_ip', true), annex_verify('large_cosine', true), annex_verify('small_l2', true),
	annex_verify('tied_l2', true), annex_verify('temporary_v', true);
DROP SCHEMA ivf_plans CASCADE;

-- The order of halfvecs: comparison, sorting, grouping, btree indexes.

-- element by element, then by dimensions
SELECT a, b, a < b AS lt, a <= b AS le, a = b AS eq, a <> b AS ne, a >= b AS ge, a > b AS gt, halfvec_cmp(a, b) AS cmp
	FROM (VALUES ('[1,2,3]', '[1,2,3]'), ('[1,2,3]', '[1,2,4]'), ('[1,2,4]', '[1,2,3]'), ('[1,2]', '[1,2,3]'), ('[1,2,3]', '[1,2]'),
		('[2]', '[1,2,3]'), ('[1,2,3]', '[2]'), ('[-0]', '[0]'), ('[6e-8]', '[0]'), ('[-6e-8]', '[-0]'), ('[-65504]', '[65504]'), ('[-2]', '[-1]')) v (x, y),
	LATERAL (SELECT x::halfvec AS a, y::halfvec AS b) p;
SELECT halfvec_lt('[1]', '[2]'), halfvec_le('[1]', '[2]'), halfvec_eq('[1]', '[2]'), halfvec_ne('[1]', '[2]'), halfvec_ge('[1]', '[2]'), halfvec_gt('[1]', '[2]');

SELECT v FROM unnest(ARRAY['[1,2]', '[0]', '[1]', NULL, '[1,1,9]', '[-5,3]', '[1,2]']::halfvec[]) v ORDER BY v;
SELECT v FROM unnest(ARRAY['[1,2]', '[0]', '[1]', NULL, '[1,1,9]', '[-5,3]', '[1,2]']::halfvec[]) v ORDER BY v DESC NULLS LAST;
SELECT DISTINCT v FROM unnest(ARRAY['[1,2]', '[0]', '[1,2]', NULL, NULL]::halfvec[]) v ORDER BY v;
SELECT v, count(*) FROM unnest(ARRAY['[1,2]', '[0]', '[1,2]', '[-0]']::halfvec[]) v GROUP BY v ORDER BY 2, v::text COLLATE "C";
SELECT greatest('[1,2]'::halfvec, '[1,3]', '[1]'), least('[1,2]'::halfvec, '[1,3]', '[1]');

-- an index
CREATE TABLE t (id int, v halfvec(3));
INSERT INTO t SELECT i, ARRAY[i % 10, i % 7, i % 3] FROM generate_series(1, 500) i;
INSERT INTO t VALUES (501, NULL);
CREATE INDEX ON t (v);
ANALYZE t;
SET enable_seqscan = off;
SET enable_bitmapscan = off;
EXPLAIN (COSTS off) SELECT id FROM t WHERE v = '[1,2,0]' ORDER BY id;
SELECT id FROM t WHERE v = '[1,2,0]' ORDER BY id;
SELECT count(*), min(v::text), max(v::text) FROM t WHERE v >= '[3,6]' AND v < '[4,1]';
EXPLAIN (COSTS off) SELECT v FROM t ORDER BY v LIMIT 3;
SELECT v FROM t ORDER BY v LIMIT 3;
SELECT id FROM t WHERE v IS NULL;
-- one and the same with the index and without
CREATE TABLE by_index AS SELECT row_number() OVER () AS n, v FROM (SELECT v FROM t ORDER BY v) x;
SET enable_indexscan = off;
SET enable_indexonlyscan = off;
SET enable_seqscan = on;
SELECT count(*) FROM by_index JOIN (SELECT row_number() OVER () AS n, v FROM (SELECT v FROM t ORDER BY v) x) by_sort USING (n)
	WHERE by_index.v IS NOT DISTINCT FROM by_sort.v;
RESET ALL;
DROP TABLE by_index;

-- unique
CREATE UNIQUE INDEX ON t (v) WHERE id <= 50;
INSERT INTO t SELECT 1, v FROM t WHERE id = 50;
DROP TABLE t;
-- a primary key, a merge join, values of all kinds of headers
CREATE TABLE k (v halfvec PRIMARY KEY);
INSERT INTO k SELECT array_fill(n, ARRAY[n])::halfvec FROM unnest(ARRAY[1, 2, 60, 61, 62, 63, 100, 1200]) n;
INSERT INTO k VALUES ('[1]');
SET enable_hashjoin = off;
SET enable_nestloop = off;
SELECT vector_dims(a.v) FROM k a JOIN k b ON a.v <= b.v AND a.v >= b.v ORDER BY 1;
RESET ALL;
SELECT vector_dims(v) FROM k WHERE v > array_fill(30, ARRAY[5])::halfvec ORDER BY v;
DROP TABLE k;
-- too long for btree
CREATE TABLE k (v halfvec PRIMARY KEY);
INSERT INTO k SELECT array_fill(1, ARRAY[2000])::halfvec;
DROP TABLE k;

SELECT opcname, opcdefault, opcintype::regtype, amname FROM pg_opclass c JOIN pg_am a ON a.oid = opcmethod
	WHERE opcintype = 'halfvec'::regtype AND amname = 'btree';
SELECT amopstrategy, amopopr::regoperator FROM pg_amop JOIN pg_am a ON a.oid = amopmethod
	WHERE amoplefttype = 'halfvec'::regtype AND amname = 'btree' ORDER BY 1;
SELECT amvalidate(c.oid) FROM pg_opclass c JOIN pg_am a ON a.oid = opcmethod WHERE opcintype = 'halfvec'::regtype AND amname = 'btree';
-- there is no hash class: grouping sorts
CREATE TABLE t (v halfvec(1));
EXPLAIN (COSTS off) SELECT v, count(*) FROM t GROUP BY v;
DROP TABLE t;

-- The order of sparse vectors: comparison, sorting, grouping, btree indexes.

-- coordinate by coordinate, as if the zeros were there, then by dimensions
CREATE TABLE pairs (x sparsevec, y sparsevec);
INSERT INTO pairs VALUES ('{1:1,3:3}/3', '{1:1,3:3}/3'), ('{1:1}/3', '{1:2}/3'), ('{1:1}/3', '{2:1}/3'), ('{1:-1}/3', '{2:1}/3'), ('{2:-1}/3', '{1:-1}/3'),
	('{1:1}/3', '{1:1,3:3}/3'), ('{1:1}/3', '{1:1,3:-3}/3'), ('{1:1}/2', '{1:1,3:3}/3'), ('{1:1}/2', '{1:1,3:-3}/3'), ('{1:1}/2', '{1:1}/3'),
	('{}/1', '{}/2'), ('{}/2', '{1:1}/1'), ('{}/2', '{1:-1}/1'), ('{}/1', '{2:-1}/2'), ('{}/1', '{1:-1}/2'), ('{2:5}/2', '{1:1}/1'), ('{1:1,2:2}/3', '{1:1,3:2}/3');
SELECT x, y, x < y AS lt, x <= y AS le, x = y AS eq, x <> y AS ne, x >= y AS ge, x > y AS gt, sparsevec_cmp(x, y) AS cmp FROM pairs;
SELECT sparsevec_lt(x, y), sparsevec_le(x, y), sparsevec_eq(x, y), sparsevec_ne(x, y), sparsevec_ge(x, y), sparsevec_gt(x, y) FROM pairs LIMIT 2;
-- both ways, and as the vectors with their zeros
SELECT count(*) AS pairs, count(*) FILTER (WHERE sparsevec_cmp(x, y) = -sparsevec_cmp(y, x)) AS antisymmetric,
	count(*) FILTER (WHERE sparsevec_cmp(x, y) = vector_cmp(x::vector, y::vector)) AS like_vectors
	FROM (SELECT a.x, b.y FROM (SELECT x FROM pairs UNION ALL SELECT y FROM pairs) a, (SELECT x AS y FROM pairs UNION ALL SELECT y FROM pairs) b) p;

SELECT v FROM (SELECT x AS v FROM pairs UNION ALL SELECT NULL) p ORDER BY v;
SELECT v FROM (SELECT DISTINCT y AS v FROM pairs UNION ALL SELECT NULL) p ORDER BY v DESC NULLS LAST;
SELECT greatest('{1:1}/2'::sparsevec, '{2:3}/2', '{}/1'), least('{1:1}/2'::sparsevec, '{2:3}/2', '{}/1');
SELECT x, count(*) FROM pairs GROUP BY x ORDER BY 2 DESC, 1 LIMIT 3;
DROP TABLE pairs;

-- an index
CREATE TABLE t (id int, v sparsevec(3));
INSERT INTO t SELECT i, ARRAY[i % 10, i % 7, i % 3]::sparsevec FROM generate_series(1, 500) i;
INSERT INTO t VALUES (501, NULL);
CREATE INDEX ON t (v);
ANALYZE t;
SET enable_seqscan = off;
SET enable_bitmapscan = off;
EXPLAIN (COSTS off) SELECT id FROM t WHERE v = '{1:1,2:2}/3' ORDER BY id;
SELECT id FROM t WHERE v = '{1:1,2:2}/3' ORDER BY id;
SELECT count(*), min(v::text), max(v::text) FROM t WHERE v >= '{1:3,2:6}/3' AND v < '{1:4,2:1}/3';
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
DROP TABLE by_index, t;

-- a primary key, a merge join, values of all kinds of headers
CREATE TABLE k (v sparsevec PRIMARY KEY);
INSERT INTO k SELECT array_fill(n, ARRAY[n])::sparsevec FROM unnest(ARRAY[1, 2, 13, 14, 15, 100, 300]) n;
INSERT INTO k VALUES ('{1:1}/1');
SET enable_hashjoin = off;
SET enable_nestloop = off;
SELECT l2_norm(a.v) FROM k a JOIN k b ON a.v <= b.v AND a.v >= b.v ORDER BY 1;
RESET ALL;
DROP TABLE k;

SELECT opcname, opcdefault, opcintype::regtype, amname FROM pg_opclass c JOIN pg_am a ON a.oid = opcmethod WHERE opcintype = 'sparsevec'::regtype AND amname = 'btree';
SELECT amopstrategy, amopopr::regoperator FROM pg_amop JOIN pg_am a ON a.oid = amopmethod
	WHERE amoplefttype = 'sparsevec'::regtype AND amname = 'btree' ORDER BY 1;
SELECT amvalidate(c.oid) FROM pg_opclass c JOIN pg_am a ON a.oid = opcmethod WHERE opcintype = 'sparsevec'::regtype AND amname = 'btree';
-- there is no hash class: grouping sorts
CREATE TABLE t (v sparsevec(1));
EXPLAIN (COSTS off) SELECT v, count(*) FROM t GROUP BY v;
DROP TABLE t;

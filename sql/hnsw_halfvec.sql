-- Graphs of halfvec: as those of vector.
CREATE SCHEMA hnsw_halfvec;
SET search_path = hnsw_halfvec, public;
SET enable_seqscan = off;

CREATE TABLE t (val halfvec(3));
INSERT INTO t (val) VALUES ('[0,0,0]'), ('[1,2,3]'), ('[1,1,1]'), (NULL);
CREATE INDEX l2 ON t USING hnsw (val halfvec_l2_ops);
CREATE INDEX ip ON t USING hnsw (val halfvec_ip_ops);
CREATE INDEX cosine ON t USING hnsw (val halfvec_cosine_ops);
CREATE INDEX l1 ON t USING hnsw (val halfvec_l1_ops);
INSERT INTO t (val) VALUES ('[1,2,4]');
SELECT * FROM t ORDER BY val <-> '[3,3,3]';
SELECT * FROM t ORDER BY val <#> '[3,3,3]';
SELECT * FROM t ORDER BY val <=> '[3,3,3]';
SELECT * FROM t ORDER BY val <+> '[3,3,3]';
EXPLAIN (COSTS OFF) SELECT * FROM t ORDER BY val <=> '[3,3,3]';
EXPLAIN (COSTS OFF) SELECT * FROM t ORDER BY val <+> '[3,3,3]';
SELECT count(*) FROM (SELECT * FROM t ORDER BY val <-> (SELECT NULL::halfvec)) s;
SELECT count(*) FROM (SELECT * FROM t ORDER BY val <=> '[0,0,0]') s;
SELECT count(*) FROM (SELECT * FROM t ORDER BY val <=> (SELECT NULL::halfvec)) s;
SELECT annex_verify(i, true) FROM unnest(array['l2', 'ip', 'cosine', 'l1']::regclass[]) i;
UPDATE t SET val = '[5,5,5]' WHERE val = '[1,1,1]';
DELETE FROM t WHERE val = '[1,2,3]';
VACUUM t;
SELECT * FROM t ORDER BY val <-> '[3,3,3]';
SELECT * FROM t ORDER BY val <#> '[3,3,3]';
SELECT * FROM t ORDER BY val <=> '[3,3,3]';
SELECT * FROM t ORDER BY val <+> '[3,3,3]';
SELECT annex_verify(i, true) FROM unnest(array['l2', 'ip', 'cosine', 'l1']::regclass[]) i;
TRUNCATE t;
SELECT * FROM t ORDER BY val <-> '[3,3,3]';
DROP TABLE t;

-- The greatest halfvec, and a vector indexed as one
CREATE TABLE t (id int, val halfvec(3));
INSERT INTO t VALUES (1, '[65504,65504,65504]'), (2, '[-65504,0,65504]'), (3, '[6e-8,0,0]'), (4, '[0,0,0]');
CREATE INDEX ON t USING hnsw (val halfvec_l2_ops);
SELECT id FROM t ORDER BY val <-> '[65504,65504,65504]';
SELECT id FROM t ORDER BY val <-> '[6e-8,0,0]';
INSERT INTO t VALUES (5, '[65520,0,0]');
DROP TABLE t;
CREATE TABLE t (id int, val vector(3));
INSERT INTO t VALUES (1, '[0,0,0]'), (2, '[1,2,3]'), (3, '[1,1,1]'), (4, NULL);
CREATE INDEX ON t USING hnsw ((val::halfvec(3)) halfvec_l2_ops);
SELECT id FROM t ORDER BY val::halfvec(3) <-> '[3,3,3]';
EXPLAIN (COSTS OFF) SELECT id FROM t ORDER BY val::halfvec(3) <-> '[3,3,3]';
INSERT INTO t VALUES (5, '[1e6,0,0]');
DROP TABLE t;

-- Scans that go on
CREATE TABLE t (id int, val halfvec(2));
INSERT INTO t SELECT i, ARRAY[i % 50, i / 50]::halfvec FROM generate_series(0, 999) i;
CREATE INDEX ON t USING hnsw (val halfvec_l2_ops);
SET hnsw.ef_search = 10;
SELECT count(*) FROM (SELECT id FROM t ORDER BY val <-> '[17.2,11.1]') s;
SELECT id FROM t ORDER BY val <-> '[17.2,11.1]' LIMIT 3;
SET hnsw.iterative_scan = strict_order;
SELECT count(*) FROM (SELECT id FROM t ORDER BY val <-> '[17.2,11.1]' LIMIT 100) s;
SET hnsw.iterative_scan = relaxed_order;
SELECT count(*) FROM (SELECT id FROM t ORDER BY val <-> '[17.2,11.1]') s;
RESET hnsw.iterative_scan;
RESET hnsw.ef_search;

-- Errors
CREATE INDEX ON t USING hnsw (val);
CREATE INDEX ON t USING hnsw (val vector_l2_ops);
CREATE INDEX ON t USING hnsw (val halfvec_l2_ops) WITH (m = 101);
CREATE INDEX ON t USING hnsw (val halfvec_l2_ops) WITH (m = 16, ef_construction = 31);
CREATE INDEX ON t USING hnsw ((val::halfvec) halfvec_l2_ops);
SELECT id FROM t ORDER BY val <-> '[1,2,3]' LIMIT 1;
DROP TABLE t;
DROP SCHEMA hnsw_halfvec CASCADE;

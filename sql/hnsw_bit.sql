-- Graphs of bit strings, by Hamming and by Jaccard distance: as those of vector.
CREATE SCHEMA hnsw_bit;
SET search_path = hnsw_bit, public;
SET enable_seqscan = off;

SELECT opcname, opcintype::regtype, opcdefault, array_agg(p.amprocnum || ' ' || p.amproc::text ORDER BY p.amprocnum)
	FROM pg_opclass c JOIN pg_am a ON a.oid = opcmethod JOIN pg_amproc p ON p.amprocfamily = c.opcfamily
	WHERE amname = 'hnsw' AND opcname ~ '^bit_' GROUP BY 1, 2, 3 ORDER BY opcname;

-- Each distance ------------------------------------------------------------------------------------------------------

CREATE TABLE t (val bit(3));
INSERT INTO t (val) VALUES (B'000'), (B'100'), (B'111'), (NULL);
CREATE INDEX t_val_idx ON t USING hnsw (val bit_hamming_ops);
INSERT INTO t (val) VALUES (B'110'), (NULL);
EXPLAIN (COSTS OFF) SELECT * FROM t ORDER BY val <~> B'111';
SELECT * FROM t ORDER BY val <~> B'111';
SELECT count(*) FROM (SELECT * FROM t ORDER BY val <~> (SELECT NULL::bit)) s;
SELECT annex_verify('t_val_idx', true);
UPDATE t SET val = B'011' WHERE val = B'111';
DELETE FROM t WHERE val = B'000';
VACUUM t;
SELECT val <~> B'111' AS distance FROM t ORDER BY val <~> B'111';
SELECT annex_verify('t_val_idx', true);
DROP TABLE t;

-- All bits clear is a value as any other, with the distance 1 to all.
CREATE TABLE t (val bit(4));
INSERT INTO t (val) VALUES (B'0000'), (B'1100'), (B'1111'), (NULL);
CREATE INDEX t_val_idx ON t USING hnsw (val bit_jaccard_ops);
INSERT INTO t (val) VALUES (B'1110');
EXPLAIN (COSTS OFF) SELECT * FROM t ORDER BY val <%> B'1111';
SELECT * FROM t ORDER BY val <%> B'1111';
SELECT count(*) FROM (SELECT * FROM t ORDER BY val <%> B'0000') s;
SELECT count(*) FROM (SELECT * FROM t ORDER BY val <%> (SELECT NULL::bit)) s;
SELECT annex_verify('t_val_idx', true);
DROP TABLE t;

-- Quantized vectors, and their rows in the order of the vectors --------------------------------------------------------

CREATE TABLE t (id int, val vector(3));
INSERT INTO t VALUES (1, '[0,0,0]'), (2, '[1,2,3]'), (3, '[1,-1,1]'), (4, NULL), (5, '[-1,-2,-3]');
CREATE INDEX ON t USING hnsw ((binary_quantize(val)::bit(3)) bit_hamming_ops) WITH (m = 4, ef_construction = 8);
INSERT INTO t VALUES (6, '[3,-2,-1]');
EXPLAIN (COSTS OFF) SELECT id FROM t ORDER BY binary_quantize(val)::bit(3) <~> binary_quantize('[1,2,4]'::vector) LIMIT 2;
SELECT id FROM t ORDER BY binary_quantize(val)::bit(3) <~> binary_quantize('[1,2,4]'::vector) LIMIT 3;
SELECT id FROM (SELECT id, val FROM t ORDER BY binary_quantize(val)::bit(3) <~> binary_quantize('[1,-2,4]'::vector) LIMIT 5) s
	ORDER BY val <-> '[1,-2,4]' LIMIT 2;
DROP TABLE t;

-- Scans that go on -----------------------------------------------------------------------------------------------------

CREATE TABLE t (id int, val bit(32));
INSERT INTO t SELECT i, i::bit(32) FROM generate_series(0, 1999) i;
CREATE INDEX t_val_idx ON t USING hnsw (val bit_hamming_ops);
SET hnsw.ef_search = 12;
SELECT count(*), min(distance) FROM (SELECT val <~> 1001::bit(32) AS distance FROM t ORDER BY val <~> 1001::bit(32)) s;
SET hnsw.iterative_scan = strict_order;
SELECT count(*), min(distance), max(distance) FROM (SELECT val <~> 1001::bit(32) AS distance FROM t ORDER BY val <~> 1001::bit(32) LIMIT 12) s;
SET hnsw.iterative_scan = relaxed_order;
SELECT count(*) FROM (SELECT id FROM t ORDER BY val <~> 1001::bit(32) LIMIT 500) s;
RESET hnsw.iterative_scan;
RESET hnsw.ef_search;
SELECT count(*), count(DISTINCT id), 'annex' AS server FROM (SELECT id FROM t ORDER BY val <~> 1001::bit(32)) s;
DELETE FROM t WHERE id % 3 = 0;
VACUUM t;
INSERT INTO t SELECT i, i::bit(32) FROM generate_series(0, 1999, 3) i;
SELECT id FROM t ORDER BY val <~> 1001::bit(32) LIMIT 1;
SELECT annex_verify('t_val_idx', true);
DROP TABLE t;

-- Rows with the same bits: a scan has them all.
CREATE TABLE t (id int, val bit(3));
INSERT INTO t SELECT i, (i % 2)::bit(3) FROM generate_series(1, 100) i;
CREATE INDEX t_val_idx ON t USING hnsw (val bit_hamming_ops);
INSERT INTO t SELECT i, (i % 2)::bit(3) FROM generate_series(101, 200) i;
SET hnsw.ef_search = 20;
SELECT count(*), sum(id % 2) FROM (SELECT id FROM t ORDER BY val <~> B'001' LIMIT 100) s;
RESET hnsw.ef_search;
SELECT annex_verify('t_val_idx', true);
DROP TABLE t;

-- Number of bits -------------------------------------------------------------------------------------------------------

CREATE TABLE t (val bit(3), more varbit(3), one bit, wide bit(64001), most bit(64000));
CREATE INDEX ON t USING hnsw (more bit_hamming_ops);
CREATE INDEX ON t USING hnsw (more bit_jaccard_ops);
CREATE INDEX ON t USING hnsw (wide bit_hamming_ops);
CREATE INDEX ON t USING hnsw (val bit_hamming_ops) WITH (m = 16, ef_construction = 31);
CREATE INDEX ON t USING hnsw (val);
CREATE INDEX ON t USING hnsw ((val || B'1') bit_hamming_ops);
CREATE INDEX ON t USING hnsw (one bit_hamming_ops);
CREATE INDEX ON t USING hnsw (val bit_hamming_ops);
INSERT INTO t (val) VALUES (B'101'), (B'01');
INSERT INTO t (val) VALUES (B'101'), (B'011');
SELECT val FROM t ORDER BY val <~> B'10';
SELECT val FROM t ORDER BY val <~> B'100' LIMIT 1;
DROP TABLE t;
DROP SCHEMA hnsw_bit CASCADE;

-- Graphs by pgvector's name, DDL, options and settings: what its users do with vectors, and what it answers.
CREATE SCHEMA hnsw_vector;
SET search_path = hnsw_vector, public;
SET enable_seqscan = off;

-- What there is ------------------------------------------------------------------------------------------------------

SELECT opcname, opcintype::regtype, opcdefault, array_agg(p.amprocnum || ' ' || p.amproc::text ORDER BY p.amprocnum)
	FROM pg_opclass c JOIN pg_am a ON a.oid = opcmethod JOIN pg_amproc p ON p.amprocfamily = c.opcfamily
	WHERE amname = 'hnsw' AND opcname ~ '^(vector|halfvec)_' GROUP BY 1, 2, 3 ORDER BY opcintype::regtype::text DESC, opcname;
SELECT name, pg_indexam_has_property(a.oid, name) FROM pg_am a,
	unnest(array['can_order', 'can_unique', 'can_exclude', 'can_include']) name WHERE amname = 'hnsw';

-- Each distance ------------------------------------------------------------------------------------------------------

CREATE TABLE t (val vector(3));
INSERT INTO t (val) VALUES ('[0,0,0]'), ('[1,2,3]'), ('[1,1,1]'), (NULL);
CREATE INDEX ON t USING hnsw (val vector_l2_ops);
INSERT INTO t (val) VALUES ('[1,2,4]'), (NULL);
EXPLAIN (COSTS OFF) SELECT * FROM t ORDER BY val <-> '[3,3,3]';
SELECT * FROM t ORDER BY val <-> '[3,3,3]';
SELECT * FROM t ORDER BY val <-> '[3,3,3]' LIMIT 2;
SELECT count(*) FROM (SELECT * FROM t ORDER BY val <-> (SELECT NULL::vector)) s;
SELECT count(*) FROM t;
SELECT annex_verify('t_val_idx', true);
TRUNCATE t;
SELECT * FROM t ORDER BY val <-> '[3,3,3]';
INSERT INTO t VALUES ('[1,2,3]');
SELECT * FROM t ORDER BY val <-> '[3,3,3]';
REINDEX INDEX t_val_idx;
REINDEX INDEX CONCURRENTLY t_val_idx;
INSERT INTO t VALUES ('[3,3,3]');
SELECT * FROM t ORDER BY val <-> '[3,3,3]';
DROP TABLE t;

CREATE TABLE t (val vector(3));
INSERT INTO t (val) VALUES ('[0,0,0]'), ('[1,2,3]'), ('[1,1,1]'), (NULL);
CREATE INDEX ON t USING hnsw (val vector_ip_ops);
INSERT INTO t (val) VALUES ('[1,2,4]');
SELECT * FROM t ORDER BY val <#> '[3,3,3]';
SELECT count(*) FROM (SELECT * FROM t ORDER BY val <#> (SELECT NULL::vector)) s;
SELECT annex_verify('t_val_idx', true);
DROP TABLE t;

-- Zero vectors have no cosine distance: they are not in the index.
CREATE TABLE t (val vector(3));
INSERT INTO t (val) VALUES ('[0,0,0]'), ('[1,2,3]'), ('[1,1,1]'), (NULL);
CREATE INDEX ON t USING hnsw (val vector_cosine_ops);
INSERT INTO t (val) VALUES ('[1,2,4]'), ('[0,0,0]');
SELECT * FROM t ORDER BY val <=> '[3,3,3]';
SELECT count(*) FROM (SELECT * FROM t ORDER BY val <=> '[0,0,0]') s;
SELECT count(*) FROM (SELECT * FROM t ORDER BY val <=> (SELECT NULL::vector)) s;
SELECT annex_verify('t_val_idx', true);
DROP TABLE t;

CREATE TABLE t (val vector(3));
INSERT INTO t (val) VALUES ('[0,0,0]'), ('[1,2,3]'), ('[1,1,1]'), (NULL);
CREATE INDEX ON t USING hnsw (val vector_l1_ops);
INSERT INTO t (val) VALUES ('[1,2,4]');
SELECT * FROM t ORDER BY val <+> '[3,3,3]';
SELECT count(*) FROM (SELECT * FROM t ORDER BY val <+> (SELECT NULL::vector)) s;
SELECT annex_verify('t_val_idx', true);
DROP TABLE t;

-- Scans that go on ---------------------------------------------------------------------------------------------------

CREATE TABLE t (val vector(3));
INSERT INTO t (val) VALUES ('[0,0,0]'), ('[1,2,3]'), ('[1,1,1]'), (NULL);
CREATE INDEX ON t USING hnsw (val vector_l2_ops);
SET hnsw.ef_search = 1;
SELECT * FROM t ORDER BY val <-> '[3,3,3]';
SET hnsw.iterative_scan = strict_order;
SELECT * FROM t ORDER BY val <-> '[3,3,3]';
SET hnsw.iterative_scan = relaxed_order;
SELECT * FROM t ORDER BY val <-> '[3,3,3]';
RESET hnsw.iterative_scan;
RESET hnsw.ef_search;
DROP TABLE t;

-- As many rows as hnsw.ef_search says, and no more unless the scan may go on: then as many as there are, or as
-- hnsw.max_scan_tuples allows.
CREATE TABLE t (id int, val vector(2));
INSERT INTO t SELECT i, ARRAY[i % 50, i / 50]::vector FROM generate_series(0, 1999) i;
CREATE INDEX t_val_idx ON t USING hnsw (val vector_l2_ops);
CREATE FUNCTION found(ef int, iterative text, most int, OUT rows bigint, OUT nearest bigint, OUT in_order boolean)
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('hnsw.ef_search', ef::text, true), set_config('hnsw.iterative_scan', iterative, true),
		set_config('hnsw.max_scan_tuples', most::text, true);
	WITH scan AS MATERIALIZED (SELECT id, val <-> '[17.2,21.1]' AS distance FROM t ORDER BY val <-> '[17.2,21.1]')
	SELECT count(*), count(*) FILTER (WHERE n <= 4 AND id IN (1067, 1068, 1117, 1017)),
		bool_and(distance >= before) INTO rows, nearest, in_order FROM
		(SELECT row_number() OVER () AS n, id, distance, lag(distance, 1, 0) OVER () AS before FROM scan) s;
END $$;
SELECT * FROM found(40, 'off', 20000);
SELECT * FROM found(100, 'off', 1);
SELECT rows > 1500 AS most, nearest, in_order FROM found(40, 'strict_order', 20000);
SELECT rows, nearest FROM found(40, 'relaxed_order', 20000);
SELECT rows >= 40 AND rows < 2000 AS some, nearest FROM found(40, 'relaxed_order', 500);
SELECT rows >= 40 AND rows < 2000 AS some, nearest, in_order FROM found(40, 'strict_order', 500);
-- Conditions are tested on the rows of the scan.
SET annex.enable_filtered_scan = off;
SET hnsw.ef_search = 40;
SELECT count(*) < 5 AS few FROM (SELECT id FROM t WHERE id > 1900 ORDER BY val <-> '[17.2,1.1]' LIMIT 5) s;
SET hnsw.iterative_scan = relaxed_order;
SELECT id FROM t WHERE id > 1900 ORDER BY val <-> '[17.2,1.1]' LIMIT 5;
SET hnsw.iterative_scan = strict_order;
SELECT id FROM t WHERE id > 1900 ORDER BY val <-> '[17.2,1.1]' LIMIT 5;
RESET annex.enable_filtered_scan;
RESET hnsw.iterative_scan;
RESET hnsw.ef_search;

-- Where none of hnsw's settings is set, annex's scans go on by themselves: all rows come, and each once.
SELECT count(*), count(DISTINCT id), 'annex' AS server FROM (SELECT id FROM t ORDER BY val <-> '[17.2,21.1]') s;
-- One that is set to its default is set: for the session, for a function, for a role, or a database.
SET hnsw.ef_search = 40;
SELECT count(*) FROM (SELECT id FROM t ORDER BY val <-> '[17.2,21.1]') s;
RESET hnsw.ef_search;
BEGIN;
SET LOCAL hnsw.max_scan_tuples = 20000;
SELECT count(*) FROM (SELECT id FROM t ORDER BY val <-> '[17.2,21.1]') s;
ROLLBACK;
CREATE FUNCTION with_setting() RETURNS bigint LANGUAGE sql SET search_path FROM CURRENT SET hnsw.ef_search = 7
SET enable_seqscan = off BEGIN ATOMIC
	SELECT count(*) FROM (SELECT id FROM t ORDER BY val <-> '[17.2,21.1]') s;
END;
SELECT with_setting();
DROP FUNCTION with_setting;

-- Rows that come and go ------------------------------------------------------------------------------------------------

INSERT INTO t SELECT 2000 + i, ARRAY[17.1 + i / 1000.0, 21.1]::vector FROM generate_series(1, 50) i;
DELETE FROM t WHERE id BETWEEN 100 AND 1060;
UPDATE t SET val = val WHERE id % 20 = 0;
SELECT annex_verify('t_val_idx', true);
SELECT id FROM t ORDER BY val <-> '[17.1101,21.1]' LIMIT 1;
VACUUM t;
SELECT annex_verify('t_val_idx', true);
SELECT id FROM t ORDER BY val <-> '[17.1101,21.1]' LIMIT 1;
SELECT id FROM t ORDER BY val <-> '[0,0.1]' LIMIT 3;
DELETE FROM t;
VACUUM t;
SELECT id FROM t ORDER BY val <-> '[0,0.1]' LIMIT 3;
INSERT INTO t SELECT i, ARRAY[i % 50, i / 50]::vector FROM generate_series(0, 199) i;
SELECT id FROM t ORDER BY val <-> '[0.1,0.3]' LIMIT 3;
SELECT annex_verify('t_val_idx', true);
DROP TABLE t;

-- Many rows with the same vector: a scan has them all.
CREATE TABLE t (id int, val vector(3));
INSERT INTO t SELECT i, ARRAY[i % 2, 1, 1]::vector FROM generate_series(1, 60) i;
CREATE INDEX t_val_idx ON t USING hnsw (val vector_l2_ops);
INSERT INTO t SELECT i, ARRAY[i % 2, 1, 1]::vector FROM generate_series(61, 100) i;
SET hnsw.ef_search = 20;
SELECT count(*), sum(id % 2) FROM (SELECT id FROM t ORDER BY val <-> '[1,1,1]' LIMIT 50) s;
-- pgvector's nodes hold ten rows.
SET hnsw.ef_search = 1;
SELECT count(*) FROM (SELECT id FROM t ORDER BY val <-> '[1,1,1]' LIMIT 50) s;
RESET hnsw.ef_search;
SELECT annex_verify('t_val_idx', true);
DROP TABLE t;

-- Tables that are not logged, partial and expression indexes ------------------------------------------------------------

CREATE UNLOGGED TABLE t (val vector(3));
INSERT INTO t (val) VALUES ('[0,0,0]'), ('[1,2,3]'), ('[1,1,1]'), (NULL);
CREATE INDEX ON t USING hnsw (val vector_l2_ops);
SELECT * FROM t ORDER BY val <-> '[3,3,3]';
DROP TABLE t;
CREATE TABLE t (id int, val vector, words text);
INSERT INTO t VALUES (1, '[1,2,3]', 'a'), (2, '[1,2,3]', 'b'), (3, '[1,2]', 'b'), (4, '[4,5,6]', 'a'), (5, '[1,2,5]', 'a');
CREATE INDEX ON t USING hnsw ((val::vector(3)) vector_l2_ops) WHERE (id <> 3);
SELECT id FROM t WHERE id <> 3 ORDER BY val::vector(3) <-> '[4,5,7]' LIMIT 2;
CREATE INDEX ON t USING hnsw ((val::vector(2)) vector_l2_ops) WHERE (id = 3);
SELECT id FROM t WHERE id = 3 ORDER BY val::vector(2) <-> '[4,5]' LIMIT 3;
DROP TABLE t;
CREATE TABLE t (id int, val vector(3)) PARTITION BY LIST (id);
CREATE TABLE t1 PARTITION OF t FOR VALUES IN (1);
CREATE INDEX ON t USING hnsw (val vector_l2_ops) WITH (m = 4, ef_construction = 8);
CREATE TABLE t2 PARTITION OF t FOR VALUES IN (2);
INSERT INTO t VALUES (1, '[1,1,1]'), (2, '[2,2,2]'), (1, '[3,3,3]'), (2, '[4,4,4]');
EXPLAIN (COSTS OFF) SELECT val FROM t ORDER BY val <-> '[5,5,5]' LIMIT 3;
SELECT val FROM t ORDER BY val <-> '[5,5,5]' LIMIT 3;
DROP TABLE t;

-- Options and settings -------------------------------------------------------------------------------------------------

CREATE TABLE t (val vector(3), dimensionless vector);
CREATE INDEX ON t USING hnsw (val vector_l2_ops) WITH (m = 1);
CREATE INDEX ON t USING hnsw (val vector_l2_ops) WITH (m = 101);
CREATE INDEX ON t USING hnsw (val vector_l2_ops) WITH (ef_construction = 3);
CREATE INDEX ON t USING hnsw (val vector_l2_ops) WITH (ef_construction = 1001);
CREATE INDEX ON t USING hnsw (val vector_l2_ops) WITH (m = 16, ef_construction = 31);
CREATE INDEX ON t USING hnsw (val vector_l2_ops) WITH (lists = 100);
CREATE INDEX ON t USING hnsw (dimensionless vector_l2_ops);
CREATE INDEX ON t USING hnsw (val);
CREATE INDEX ON t USING hnsw (val vector_l3_ops);
CREATE UNIQUE INDEX ON t USING hnsw (val vector_l2_ops);
CREATE INDEX ON t USING hnsw (val vector_l2_ops ASC);
CREATE INDEX t_val_idx ON t USING hnsw (val vector_l2_ops) WITH (m = 2, ef_construction = 4);
ALTER INDEX t_val_idx SET (ef_construction = 1000);
ALTER INDEX t_val_idx SET (m = 101);
-- Contradictions are for REINDEX to find.
ALTER INDEX t_val_idx SET (m = 64, ef_construction = 100);
REINDEX INDEX t_val_idx;
ALTER INDEX t_val_idx RESET (m);
REINDEX INDEX t_val_idx;
\d t_val_idx
INSERT INTO t (val) VALUES ('[1,2]');
SELECT val FROM t ORDER BY val <-> '[1,2]';

SHOW hnsw.ef_search;
SET hnsw.ef_search = 0;
SET hnsw.ef_search = 1001;
SHOW hnsw.iterative_scan;
SET hnsw.iterative_scan = on;
SHOW hnsw.max_scan_tuples;
SET hnsw.max_scan_tuples = 0;
SHOW hnsw.scan_mem_multiplier;
SET hnsw.scan_mem_multiplier = 0;
SET hnsw.scan_mem_multiplier = 1001;
SET hnsw.other = 1;
SELECT name, setting, unit, short_desc, extra_desc, context, vartype, min_val, max_val, enumvals, boot_val
	FROM pg_settings WHERE name LIKE 'hnsw.%' ORDER BY name;
DROP TABLE t;
DROP SCHEMA hnsw_vector CASCADE;

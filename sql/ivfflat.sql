-- Indexes by pgvector's name, DDL, options and settings: what its users do, and what it answers.
CREATE SCHEMA ivfflat;
SET search_path = ivfflat, public;
SET enable_seqscan = off;
CREATE FUNCTION error_of(statement text, OUT state text, OUT message text, OUT detail text, OUT hint text)
LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	message := 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL,
		hint = PG_EXCEPTION_HINT;
END $$;

-- What there is ------------------------------------------------------------------------------------------------------

SELECT opcname, opcintype::regtype, opcdefault, array_agg(p.amprocnum || ' ' || p.amproc::text ORDER BY p.amprocnum)
	FROM pg_opclass c JOIN pg_am a ON a.oid = opcmethod JOIN pg_amproc p ON p.amprocfamily = c.opcfamily
	WHERE amname = 'ivfflat' GROUP BY 1, 2, 3 ORDER BY opcintype::regtype::text DESC, opcname;
SELECT name, pg_indexam_has_property(a.oid, name) FROM pg_am a,
	unnest(array['can_order', 'can_unique', 'can_multi_col', 'can_exclude', 'can_include']) name WHERE amname = 'ivfflat';

-- Each distance ------------------------------------------------------------------------------------------------------

CREATE TABLE t (val vector(3));
INSERT INTO t (val) VALUES ('[0,0,0]'), ('[1,2,3]'), ('[1,1,1]'), (NULL);
CREATE INDEX ON t USING ivfflat (val vector_l2_ops) WITH (lists = 1);
INSERT INTO t (val) VALUES ('[1,2,4]'), (NULL);
EXPLAIN (COSTS OFF) SELECT * FROM t ORDER BY val <-> '[3,3,3]';
SELECT * FROM t ORDER BY val <-> '[3,3,3]';
SELECT * FROM t ORDER BY val <-> (SELECT NULL::vector);
SELECT count(*) FROM t;
SELECT annex_verify('t_val_idx', true);
TRUNCATE t;
INSERT INTO t VALUES ('[1,2,3]');
SELECT * FROM t ORDER BY val <-> '[3,3,3]';
DROP TABLE t;

CREATE TABLE t (val vector(3));
INSERT INTO t (val) VALUES ('[0,0,0]'), ('[1,2,3]'), ('[1,1,1]'), (NULL);
CREATE INDEX ON t USING ivfflat (val vector_ip_ops) WITH (lists = 1);
INSERT INTO t (val) VALUES ('[1,2,4]');
SELECT * FROM t ORDER BY val <#> '[3,3,3]';
SELECT annex_verify('t_val_idx', true);
DROP TABLE t;

CREATE TABLE t (val vector(3));
INSERT INTO t (val) VALUES ('[0,0,0]'), ('[1,2,3]'), ('[1,1,1]'), (NULL);
CREATE INDEX ON t USING ivfflat (val vector_cosine_ops) WITH (lists = 1);
INSERT INTO t (val) VALUES ('[1,2,4]'), ('[0,0,0]');
SELECT * FROM t ORDER BY val <=> '[3,3,3]';
SELECT count(*) FROM (SELECT * FROM t ORDER BY val <=> '[0,0,0]') s;
SELECT count(*) FROM (SELECT * FROM t ORDER BY val <=> (SELECT NULL::vector)) s;
SELECT annex_verify('t_val_idx', true);
SELECT access_method, metric, lists, rows, nan_rows, null_rows, entries, spill FROM annex_index_info('t_val_idx');
DROP TABLE t;

CREATE TABLE t (val halfvec(3));
INSERT INTO t (val) VALUES ('[0,0,0]'), ('[1,2,3]'), ('[1,1,1]'), (NULL);
CREATE INDEX l2 ON t USING ivfflat (val halfvec_l2_ops) WITH (lists = 1);
CREATE INDEX ip ON t USING ivfflat (val halfvec_ip_ops) WITH (lists = 1);
CREATE INDEX cosine ON t USING ivfflat (val halfvec_cosine_ops) WITH (lists = 1);
INSERT INTO t (val) VALUES ('[1,2,4]');
SELECT * FROM t ORDER BY val <-> '[3,3,3]';
SELECT * FROM t ORDER BY val <#> '[3,3,3]';
SELECT * FROM t ORDER BY val <=> '[3,3,3]';
EXPLAIN (COSTS OFF) SELECT * FROM t ORDER BY val <=> '[3,3,3]';
SELECT annex_verify(i, true) FROM unnest(array['l2', 'ip', 'cosine']::regclass[]) i;
DROP TABLE t;

-- Expressions, and tables that are not logged
CREATE TABLE t (val vector(3));
INSERT INTO t (val) VALUES ('[0,0,0]'), ('[1,2,3]'), ('[1,1,1]'), (NULL);
CREATE INDEX ON t USING ivfflat ((val::halfvec(3)) halfvec_l2_ops) WITH (lists = 1);
SELECT val FROM t ORDER BY val::halfvec(3) <-> '[3,3,3]';
DROP TABLE t;
CREATE UNLOGGED TABLE t (val vector(3));
INSERT INTO t (val) VALUES ('[0,0,0]'), ('[1,2,3]'), ('[1,1,1]'), (NULL);
CREATE INDEX ON t USING ivfflat (val) WITH (lists = 1);
SELECT * FROM t ORDER BY val <-> '[3,3,3]';
DROP TABLE t;

-- Little data --------------------------------------------------------------------------------------------------------

CREATE TABLE t (val vector(3));
CREATE INDEX ON t USING ivfflat (val);
INSERT INTO t VALUES ('[1,2,3]'), ('[3,2,1]');
CREATE INDEX few ON t USING ivfflat (val vector_l2_ops) WITH (lists = 3);
CREATE INDEX enough ON t USING ivfflat (val vector_l2_ops) WITH (lists = 2);
SELECT annex_verify(i, true) FROM unnest(array['t_val_idx', 'few', 'enough']::regclass[]) i;
DROP TABLE t;

-- An index made before its rows: all are in one list, and found with one probe, until there are lists.
CREATE TABLE t (id int, val vector(2));
CREATE INDEX t_val_idx ON t USING ivfflat (val);
INSERT INTO t SELECT i, ARRAY[i % 50, i / 50]::vector FROM generate_series(0, 1999) i;
SELECT lists FROM annex_index_info('t_val_idx');
SELECT id FROM t ORDER BY val <-> '[17.2,21.1]' LIMIT 5;
VACUUM t;
SELECT lists FROM annex_index_info('t_val_idx');
SELECT id FROM t ORDER BY val <-> '[17.2,21.1]' LIMIT 1;
SELECT annex_verify('t_val_idx', true);
DROP TABLE t;

-- No list lies where another one has the rows, whether there are fewer rows than lists or many that are equal.
CREATE TABLE t (id int, val vector(2));
INSERT INTO t SELECT i, ARRAY[1 + i % 5, i % 3]::vector FROM generate_series(0, 20) i;
CREATE INDEX few ON t USING ivfflat (val) WITH (lists = 100);
SELECT lists FROM annex_index_info('few');
SELECT count(*), min(val <-> '[3,1]'), max(val <-> '[3,1]') FROM (SELECT val FROM t ORDER BY val <-> '[3,1]' LIMIT 1) s;
DROP INDEX few;
INSERT INTO t SELECT i, ARRAY[1 + i % 5, i % 3]::vector FROM generate_series(1, 3000) i;
CREATE INDEX equal ON t USING ivfflat (val) WITH (lists = 100);
SELECT lists FROM annex_index_info('equal');
SELECT count(*), min(val <-> '[3,1]'), max(val <-> '[3,1]') FROM (SELECT val FROM t ORDER BY val <-> '[3,1]' LIMIT 100) s;
-- Vacuum does not try again before there are other rows.
SELECT * FROM annex_maintain('equal');
INSERT INTO t SELECT i, ARRAY[i % 70, i % 89]::vector FROM generate_series(1, 3000) i;
SELECT * FROM annex_maintain('equal');
SELECT lists FROM annex_index_info('equal');
SELECT annex_verify('equal', true);
DROP TABLE t;

-- Errors -------------------------------------------------------------------------------------------------------------

CREATE TABLE t (a vector(3), b vector, c int, d sparsevec(3));
\x on
SELECT * FROM error_of('CREATE INDEX ON t USING ivfflat (a) WITH (lists = 0)');
SELECT * FROM error_of('CREATE INDEX ON t USING ivfflat (a) WITH (lists = 32769)');
SELECT * FROM error_of('CREATE INDEX ON t USING ivfflat (a) WITH (spill = on)');
SELECT * FROM error_of('CREATE INDEX ON t USING ivfflat (b)');
SELECT * FROM error_of('CREATE INDEX ON t USING ivfflat (c)');
SELECT * FROM error_of('CREATE INDEX ON t USING ivfflat (d)');
SELECT * FROM error_of('CREATE INDEX ON t USING ivfflat (a, b)');
SELECT * FROM error_of('CREATE UNIQUE INDEX ON t USING ivfflat (a)');
\x off
DROP TABLE t;

-- Settings -----------------------------------------------------------------------------------------------------------

SHOW ivfflat.probes;
SHOW ivfflat.iterative_scan;
SHOW ivfflat.max_probes;
SET ivfflat.probes = 0;
SET ivfflat.probes = 32769;
SET ivfflat.iterative_scan = on;
SET ivfflat.max_probes = 0;
SET ivfflat.max_probes = 32769;
SET ivfflat.other = 1;
-- What is set before anything needs the handler is the setting's value.
\c
SET search_path = ivfflat, public;
SET enable_seqscan = off;
SET ivfflat.probes = 3;
CREATE TABLE t (id int, val vector(2));
INSERT INTO t SELECT i, ARRAY[(i % 10) * 100 + i % 7, i % 5]::vector FROM generate_series(1, 1000) i;
CREATE INDEX t_val_idx ON t USING ivfflat (val) WITH (lists = 10);
SELECT name, setting, vartype, min_val, max_val, enumvals, boot_val FROM pg_settings WHERE name LIKE 'ivfflat.%' ORDER BY name;

-- Probes -------------------------------------------------------------------------------------------------------------

SELECT lists, rows, spill, calibration FROM annex_index_info('t_val_idx');
CREATE FUNCTION found(probes int, iterative text, max_probes int, wanted int) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('ivfflat.probes', probes::text, true), set_config('ivfflat.iterative_scan', iterative, true),
		set_config('ivfflat.max_probes', max_probes::text, true);
	RETURN (SELECT count(*) FROM (SELECT id FROM t ORDER BY val <-> '[103,2]' LIMIT wanted) s);
END $$;
SELECT found(1, 'off', 32768, 10) = 10 AS few, found(1, 'off', 32768, 1000) < found(3, 'off', 32768, 1000) AS more,
	found(3, 'off', 32768, 1000) < 1000 AS not_all, found(20, 'off', 32768, 1000) = 1000 AS all;
SELECT found(1, 'relaxed_order', 32768, 1000) = 1000 AS all,
	found(1, 'relaxed_order', 4, 1000) = found(4, 'off', 32768, 1000) AS four,
	found(5, 'relaxed_order', 4, 1000) = found(5, 'off', 32768, 1000) AS five;
-- All rows of the lists, in order.
SET ivfflat.probes = 2;
WITH scan AS MATERIALIZED (SELECT id, val <-> '[103,2]' AS distance FROM t ORDER BY val <-> '[103,2]')
SELECT count(*) = found(2, 'off', 32768, 1000) AS all, bool_and(distance >= before) AS in_order FROM
	(SELECT distance, lag(distance, 1, 0) OVER () AS before FROM scan) s;
SET ivfflat.probes = 1;
-- With a filter, the filtered scan goes on for rows that pass, to ivfflat.max_probes.
SELECT count(*) FROM (SELECT id FROM t WHERE id % 10 = 5 ORDER BY val <-> '[103,2]' LIMIT 10) s;
SET ivfflat.max_probes = 2;
SELECT count(*) FROM (SELECT id FROM t WHERE id % 10 = 5 ORDER BY val <-> '[103,2]' LIMIT 10) s;
RESET ivfflat.max_probes;
-- Without it, a scan ends as pgvector's does.
SET annex.enable_filtered_scan = off;
SELECT count(*) FROM (SELECT id FROM t WHERE id % 10 = 5 ORDER BY val <-> '[103,2]' LIMIT 10) s;
SET ivfflat.iterative_scan = relaxed_order;
SELECT count(*) FROM (SELECT id FROM t WHERE id % 10 = 5 ORDER BY val <-> '[103,2]' LIMIT 10) s;
RESET annex.enable_filtered_scan;
RESET ivfflat.iterative_scan;

-- Rows that come and go
INSERT INTO t SELECT 1000 + i, ARRAY[104 + i / 1000.0, 1]::vector FROM generate_series(1, 50) i;
DELETE FROM t WHERE id BETWEEN 100 AND 300;
UPDATE t SET val = val WHERE id % 20 = 0;
SELECT annex_verify('t_val_idx', true);
VACUUM t;
SELECT annex_verify('t_val_idx', true);
SELECT id FROM t ORDER BY val <-> '[104.0101,1]' LIMIT 2;
ALTER INDEX t_val_idx SET (lists = 5);
REINDEX INDEX t_val_idx;
REINDEX INDEX CONCURRENTLY t_val_idx;
SELECT lists, list_option FROM annex_index_info('t_val_idx');
SELECT annex_verify('t_val_idx', true);
SELECT recall, probes FROM annex_recall('t_val_idx', 10, 5);

-- All rows within a distance, with or without an index, are all rows.
SELECT count(*) FROM t WHERE val <-> '[103,2]' < 201;
SET enable_seqscan = on;
SET enable_indexscan = off;
SELECT count(*) FROM t WHERE val <-> '[103,2]' < 201;
RESET enable_indexscan;
SET enable_seqscan = off;

-- The cost follows probes.
CREATE FUNCTION startup_cost(probes int) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE plan json;
BEGIN
	PERFORM set_config('ivfflat.probes', probes::text, true);
	EXECUTE 'EXPLAIN (FORMAT json) SELECT * FROM t ORDER BY val <-> ''[103,2]'' LIMIT 1' INTO plan;
	RETURN plan->0->'Plan'->'Startup Cost';
END $$;
SELECT startup_cost(1) < startup_cost(3) AS more_probes, startup_cost(5) = startup_cost(100) AS all_lists;
SELECT count(*) FROM t WHERE val IS NOT NULL;
DROP SCHEMA ivfflat CASCADE;

-- ivf indexes under everything that happens to a table: an index always answers as sorting all rows does.
SET client_min_messages = warning;
CREATE SCHEMA ivf_maintenance;
SET search_path = ivf_maintenance, public;

CREATE FUNCTION point(i int, dimensions int) RETURNS vector LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT array_agg(sin(i * 12.9898 + j * 78.233 + i * j * 0.37)::real)::vector FROM generate_series(1, dimensions) j
$$;

-- All rows of a table in the order of their distance to a point, by its ivf index and by sorting.
CREATE FUNCTION compare(tab regclass, operator text DEFAULT '<->') RETURNS text LANGUAGE plpgsql
SET ivf.probes = 32768 SET ivf.epsilon = 10 SET enable_bitmapscan = off AS $$
DECLARE
	statement text := format('SELECT id, v %s point(-1, 6) AS distance FROM %s ORDER BY v %s point(-1, 6)',
		operator, tab, operator);
	line text;
	plan text := '';
	ids int[];
	distances float8[];
	exact_ids int[];
	exact_distances float8[];
BEGIN
	SET LOCAL enable_seqscan = off;
	FOR line IN EXECUTE 'EXPLAIN ' || statement LOOP
		plan := plan || line;
	END LOOP;
	IF plan !~ 'Index Scan using \w+_ivf' THEN RETURN 'not by the index'; END IF;
	EXECUTE format('SELECT array_agg(id), array_agg(distance) FROM (%s) answer', statement) INTO ids, distances;
	SET LOCAL enable_seqscan = on;
	SET LOCAL enable_indexscan = off;
	EXECUTE format('SELECT array_agg(id), array_agg(distance) FROM (%s) answer', statement)
		INTO exact_ids, exact_distances;
	SET LOCAL enable_indexscan = on;
	IF distances IS DISTINCT FROM exact_distances THEN RETURN 'another order'; END IF;
	IF (SELECT array_agg(i ORDER BY i) FROM unnest(ids) i) IS DISTINCT FROM
		(SELECT array_agg(i ORDER BY i) FROM unnest(exact_ids) i) THEN RETURN 'other rows'; END IF;
	RETURN coalesce(cardinality(ids), 0) || ' rows';
END $$;

CREATE TABLE t (id int, v vector(6), note int);
INSERT INTO t SELECT i, CASE i % 50 WHEN 3 THEN NULL WHEN 4 THEN array_fill(0, ARRAY[6])::vector
	WHEN 5 THEN array_fill(1e-30, ARRAY[6])::vector ELSE point(i, 6) END, 0 FROM generate_series(1, 3000) i;
CREATE INDEX t_l2_ivf ON t USING ivf (v vector_l2_ops) WITH (lists = 12, spill = on);
CREATE INDEX t_cosine_ivf ON t USING ivf (v vector_cosine_ops) WITH (lists = 12, spill = off);
CREATE FUNCTION check_t() RETURNS TABLE (l2 text, cosine text) LANGUAGE sql AS $$
	SELECT compare('t'), compare('t', '<=>')
$$;

-- Delete, update, vacuum ---------------------------------------------------------------------------------------------

DELETE FROM t WHERE id % 3 = 0;
SELECT * FROM check_t();
VACUUM (INDEX_CLEANUP on) t;
SELECT * FROM check_t();
UPDATE t SET v = point(id + 10000, 6) WHERE id % 4 = 0;
SELECT * FROM check_t();
UPDATE t SET v = NULL WHERE id % 16 = 0;
UPDATE t SET v = point(id, 6) WHERE id % 50 IN (3, 4, 5);
VACUUM (INDEX_CLEANUP on) t;
SELECT * FROM check_t();
SELECT annex_verify('t_l2_ivf', true), annex_verify('t_cosine_ivf', true);

-- A row that is changed elsewhere is not indexed again, and one that is changed often is found once.
UPDATE t SET note = note + 1;
SELECT rows + first_rows + nan_rows + null_rows < 2 * (SELECT count(*) FROM t) AS hot FROM annex_index_info('t_cosine_ivf');
DO $$ BEGIN FOR i IN 1 .. 200 LOOP UPDATE t SET note = note + 1, v = point(i, 6) WHERE id = 1; END LOOP; END $$;
SELECT * FROM check_t();
VACUUM (INDEX_CLEANUP on) t;
SELECT * FROM check_t();

-- Everything is deleted, and the room used again: an index does not grow with what comes and goes.
CREATE TABLE churn (id int, v vector(6));
INSERT INTO churn SELECT i, point(i, 6) FROM generate_series(1, 2000) i;
INSERT INTO churn SELECT i, NULL FROM generate_series(2001, 3500) i;
CREATE INDEX churn_ivf ON churn USING ivf (v vector_l2_ops) WITH (lists = 5, spill = on);
SELECT pg_relation_size('churn_ivf') AS size \gset
DELETE FROM churn WHERE id % 2 = 0;
VACUUM (INDEX_CLEANUP on) churn;
INSERT INTO churn SELECT i, CASE WHEN i <= 2000 THEN point(i, 6) END FROM generate_series(2, 3500, 2) i;
DELETE FROM churn WHERE id % 2 = 1;
VACUUM (INDEX_CLEANUP on) churn;
INSERT INTO churn SELECT i, CASE WHEN i <= 2000 THEN point(i, 6) END FROM generate_series(1, 3500, 2) i;
DELETE FROM churn WHERE id % 2 = 0;
VACUUM (INDEX_CLEANUP on) churn;
INSERT INTO churn SELECT i, CASE WHEN i <= 2000 THEN point(i, 6) END FROM generate_series(2, 3500, 2) i;
DELETE FROM churn WHERE id % 2 = 1;
VACUUM (INDEX_CLEANUP on) churn;
INSERT INTO churn SELECT i, CASE WHEN i <= 2000 THEN point(i, 6) END FROM generate_series(1, 3500, 2) i;
SELECT compare('churn'), pg_relation_size('churn_ivf') < 2 * :size AS size;
DELETE FROM churn;
VACUUM (INDEX_CLEANUP on) churn;
SELECT compare('churn');
SELECT annex_verify('churn_ivf', true);
INSERT INTO churn SELECT i, point(i, 6) FROM generate_series(1, 2000) i;
SELECT compare('churn'), pg_relation_size('churn_ivf') < 2 * :size AS size;
SELECT annex_verify('churn_ivf', true);

-- Several indexes at once, by workers
SET min_parallel_index_scan_size = 0;
DELETE FROM t WHERE id % 7 = 0;
VACUUM (INDEX_CLEANUP on, PARALLEL 2) t;
RESET min_parallel_index_scan_size;
SELECT * FROM check_t();
-- ... and when there is nothing to do, and for statistics alone
VACUUM t;
ANALYZE t;
VACUUM (ANALYZE) t;
SELECT * FROM check_t();
SELECT annex_verify('t_l2_ivf', true), annex_verify('t_cosine_ivf', true);

-- Transactions that fail -----------------------------------------------------------------------------------------------

BEGIN;
INSERT INTO t SELECT i, point(i, 6) FROM generate_series(5001, 5500) i;
SELECT * FROM check_t();
SAVEPOINT a;
INSERT INTO t SELECT i, point(i, 6) FROM generate_series(5501, 6000) i;
DELETE FROM t WHERE id < 500;
ROLLBACK TO a;
SELECT * FROM check_t();
SAVEPOINT b;
INSERT INTO t SELECT i, point(i, 6) FROM generate_series(6001, 6100) i;
RELEASE b;
ROLLBACK;
SELECT * FROM check_t();
BEGIN;
INSERT INTO t SELECT i, point(i, 6) FROM generate_series(5001, 5100) i;
SAVEPOINT a;
INSERT INTO t SELECT i, point(i, 6) FROM generate_series(5501, 6000) i;
ROLLBACK TO a;
COMMIT;
VACUUM (INDEX_CLEANUP on) t;
SELECT * FROM check_t();
DO $$
BEGIN
	BEGIN
		INSERT INTO t SELECT i, point(i, 6) FROM generate_series(7001, 7100) i;
		RAISE EXCEPTION 'not this';
	EXCEPTION WHEN OTHERS THEN
		INSERT INTO t SELECT i, point(i, 6) FROM generate_series(8001, 8010) i;
	END;
END $$;
SELECT * FROM check_t();
BEGIN;
CREATE INDEX again_ivf ON t USING ivf (v vector_ip_ops);
INSERT INTO t SELECT i, point(i, 6) FROM generate_series(9001, 9010) i;
SELECT compare('t', '<#>');
ROLLBACK;
SELECT * FROM check_t();
SELECT annex_verify('t_l2_ivf', true), annex_verify('t_cosine_ivf', true);

-- Building again -------------------------------------------------------------------------------------------------------

REINDEX INDEX t_l2_ivf;
SELECT * FROM check_t();
REINDEX INDEX CONCURRENTLY t_l2_ivf;
REINDEX TABLE CONCURRENTLY t;
SELECT * FROM check_t();
CREATE INDEX CONCURRENTLY t_ip_ivf ON t USING ivf (v vector_ip_ops);
SELECT compare('t', '<#>'), annex_verify('t_ip_ivf', true);
DROP INDEX CONCURRENTLY t_ip_ivf;
VACUUM FULL t;
SELECT * FROM check_t();
CREATE INDEX t_id ON t (id);
CLUSTER t USING t_id;
SELECT * FROM check_t();
SELECT annex_verify('t_l2_ivf', true), annex_verify('t_cosine_ivf', true);

-- An index over chains of HOT updates: the transaction that made them may not use it, nor may others that are as old.
BEGIN;
UPDATE t SET note = note + 1 WHERE id % 2 = 0;
CREATE INDEX t_ip_ivf ON t USING ivf (v vector_ip_ops);
SELECT compare('t', '<#>');
COMMIT;
UPDATE t SET note = note + 1 WHERE id % 2 = 0;
REINDEX INDEX t_ip_ivf;
SELECT compare('t', '<#>') IN ('1824 rows', 'not by the index') AS same, annex_verify('t_ip_ivf', true);
DROP INDEX t_ip_ivf;

-- Other files, other kinds of tables -----------------------------------------------------------------------------------

TRUNCATE t;
SELECT * FROM check_t();
INSERT INTO t SELECT i, point(i, 6) FROM generate_series(1, 1000) i;
SELECT * FROM check_t();
BEGIN;
TRUNCATE t;
INSERT INTO t SELECT i, point(i, 6) FROM generate_series(1, 10) i;
SELECT * FROM check_t();
ROLLBACK;
SELECT * FROM check_t();
SELECT annex_verify('t_l2_ivf', true), annex_verify('t_cosine_ivf', true);

SET allow_in_place_tablespaces = on;
CREATE TABLESPACE regress_annex_space LOCATION '';
RESET allow_in_place_tablespaces;
ALTER INDEX t_l2_ivf SET TABLESPACE regress_annex_space;
ALTER TABLE t SET TABLESPACE regress_annex_space;
SELECT relname FROM pg_class JOIN pg_tablespace s ON reltablespace = s.oid WHERE spcname = 'regress_annex_space' AND relname LIKE 't%' ORDER BY 1;
INSERT INTO t SELECT i, point(i, 6) FROM generate_series(1001, 1100) i;
SELECT * FROM check_t();
REINDEX (TABLESPACE regress_annex_space) INDEX t_cosine_ivf;
SELECT * FROM check_t();
ALTER TABLE t SET TABLESPACE pg_default;
ALTER INDEX t_l2_ivf SET TABLESPACE pg_default;
ALTER INDEX t_cosine_ivf SET TABLESPACE pg_default;
DROP TABLESPACE regress_annex_space;
SELECT * FROM check_t();

ALTER TABLE t SET UNLOGGED;
INSERT INTO t SELECT i, point(i, 6) FROM generate_series(1101, 1200) i;
SELECT * FROM check_t();
ALTER TABLE t SET LOGGED;
INSERT INTO t SELECT i, point(i, 6) FROM generate_series(1201, 1300) i;
SELECT * FROM check_t();
ALTER TABLE t ADD COLUMN more int DEFAULT 1, DROP COLUMN note;
ALTER TABLE t ALTER COLUMN id TYPE bigint;
ALTER TABLE t ALTER COLUMN id TYPE int;
ALTER INDEX t_l2_ivf RENAME TO renamed_ivf;
SELECT * FROM check_t();
ALTER INDEX renamed_ivf RENAME TO t_l2_ivf;
SELECT annex_verify('t_l2_ivf', true), annex_verify('t_cosine_ivf', true);

CREATE UNLOGGED TABLE unlogged (id int, v vector(6));
CREATE INDEX unlogged_ivf ON unlogged USING ivf (v vector_l2_ops);
INSERT INTO unlogged SELECT i, point(i, 6) FROM generate_series(1, 1000) i;
REINDEX INDEX unlogged_ivf;
INSERT INTO unlogged SELECT i, point(i, 6) FROM generate_series(1001, 1100) i;
DELETE FROM unlogged WHERE id % 2 = 0;
VACUUM (INDEX_CLEANUP on) unlogged;
SELECT compare('unlogged'), annex_verify('unlogged_ivf', true);

CREATE TEMP TABLE temporary (id int, v vector(6));
INSERT INTO temporary SELECT i, point(i, 6) FROM generate_series(1, 1000) i;
CREATE INDEX temporary_ivf ON temporary USING ivf (v vector_l2_ops) WITH (spill = on, lists = 4);
INSERT INTO temporary SELECT i, point(i, 6) FROM generate_series(1001, 2000) i;
DELETE FROM temporary WHERE id % 2 = 0;
VACUUM (INDEX_CLEANUP on) temporary;
INSERT INTO temporary SELECT i, point(i, 6) FROM generate_series(2, 2000, 2) i;
SELECT compare('temporary'), annex_verify('temporary_ivf', true);
CREATE TEMP TABLE fleeting (id int, v vector(6)) ON COMMIT DELETE ROWS;
CREATE INDEX fleeting_ivf ON fleeting USING ivf (v vector_l2_ops);
BEGIN;
INSERT INTO fleeting SELECT i, point(i, 6) FROM generate_series(1, 100) i;
SELECT compare('fleeting');
COMMIT;
SELECT compare('fleeting');
BEGIN;
INSERT INTO fleeting SELECT i, point(i, 6) FROM generate_series(1, 50) i;
SELECT compare('fleeting'), annex_verify('fleeting_ivf', true);
COMMIT;

CREATE MATERIALIZED VIEW view AS SELECT id, v FROM t WHERE id <= 800;
CREATE UNIQUE INDEX ON view (id);
CREATE INDEX view_ivf ON view USING ivf (v vector_l2_ops);
SELECT compare('view');
UPDATE t SET v = point(id + 5, 6) WHERE id <= 100;
REFRESH MATERIALIZED VIEW CONCURRENTLY view;
SELECT compare('view');
REFRESH MATERIALIZED VIEW view;
SELECT compare('view'), annex_verify('view_ivf', true);

-- Other ways to write
CREATE TABLE written (id int PRIMARY KEY, v vector(6), w vector(6) GENERATED ALWAYS AS (l2_normalize(v)) STORED);
CREATE INDEX written_ivf ON written USING ivf (v vector_l2_ops);
CREATE INDEX written_w ON written USING ivf (w vector_ip_ops);
INSERT INTO written SELECT i, point(i, 6) FROM generate_series(1, 500) i;
INSERT INTO written SELECT i, point(i + 7, 6) FROM generate_series(400, 600) i ON CONFLICT (id) DO UPDATE SET v = excluded.v;
INSERT INTO written SELECT i, point(i, 6) FROM generate_series(550, 700) i ON CONFLICT DO NOTHING;
MERGE INTO written USING (SELECT i, point(i + 9, 6) AS v FROM generate_series(600, 800) i) s ON id = i
	WHEN MATCHED AND i % 2 = 0 THEN DELETE WHEN MATCHED THEN UPDATE SET v = s.v WHEN NOT MATCHED THEN INSERT VALUES (i, s.v);
COPY written (id, v) FROM stdin;
901	[1,2,3,4,5,6]
902	\N
\.
SELECT compare('written'), annex_verify('written_ivf', true), annex_verify('written_w', true);

-- An index that cannot be completed stays invalid, is refused by no other statement, and can be dropped or built again.
INSERT INTO written VALUES (903, '[0,0,0,0,0,0]');
CREATE FUNCTION inverse(v vector) RETURNS vector LANGUAGE plpgsql IMMUTABLE
SET search_path = ivf_maintenance, public AS $$
BEGIN
	IF v = '[0,0,0,0,0,0]' THEN RAISE division_by_zero; END IF;
	RETURN v;
END $$;
\set VERBOSITY terse
CREATE INDEX CONCURRENTLY written_inverse ON written USING ivf ((inverse(v)::vector(6)) vector_l2_ops);
\set VERBOSITY default
SELECT indisvalid FROM pg_index WHERE indexrelid = 'written_inverse'::regclass;
SELECT compare('written');
UPDATE written SET v = point(1, 6) WHERE id = 903;
VACUUM written;
REINDEX INDEX written_inverse;
SELECT indisvalid, annex_verify(indexrelid, true) FROM pg_index WHERE indexrelid = 'written_inverse'::regclass;

DROP INDEX t_l2_ivf;
SELECT compare('t');
SELECT compare('t', '<=>');
DROP SCHEMA ivf_maintenance CASCADE;

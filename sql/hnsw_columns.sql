-- Filter columns of hnsw indexes: every type, NULLs, changes. Answers are compared with sequential scans. The finer points
-- of the comparisons, which the access methods share, are tested by ivf_columns.
SET client_min_messages = warning;
CREATE SCHEMA hnsw_columns;
SET search_path = hnsw_columns, public;
SET timezone = 'UTC';
-- no row is missed in tables as small as these
SET annex.target_recall = 0.999;

CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE FUNCTION point(i int) RETURNS vector LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT ARRAY[i * 37 % 101, i * 53 % 97, i * 71 % 89, i % 7]::vector
$$;

-- The rows of a query, with the index alone or without it, and their distances.
CREATE FUNCTION answer(query text, indexed boolean, OUT ids integer[], OUT distances float8[])
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
	PERFORM set_config('enable_seqscan', (NOT indexed)::text, true), set_config('enable_bitmapscan', 'off', true),
		set_config('enable_sort', (NOT indexed)::text, true), set_config('enable_indexscan', indexed::text, true);
	EXECUTE format('SELECT array_agg(id ORDER BY id), array_agg(distance ORDER BY distance) FROM (%s) rows', query)
		INTO ids, distances;
END $$;

-- Conditions, the rows that meet each, whether the answers are the same: all rows, and the nearest seven; and whether the
-- index is asked. That = ANY and bare booleans are asked of it depends on the release of PostgreSQL.
CREATE FUNCTION try(tab text, VARIADIC conditions text[])
RETURNS TABLE (condition text, rows integer, same boolean, in_index boolean) LANGUAGE plpgsql AS $$
DECLARE
	query text;
	truth record;
	line text;
BEGIN
	FOREACH condition IN ARRAY conditions LOOP
		query := format('SELECT id, v <-> ''[50,40,30,3]'' AS distance FROM %I WHERE v IS NOT NULL AND (%s) ORDER BY '
			'v <-> ''[50,40,30,3]''', tab, condition);
		truth := answer(query, false);
		rows := coalesce(cardinality(truth.ids), 0);
		same := (answer(query, true)).ids IS NOT DISTINCT FROM truth.ids AND
			(answer(query || ' LIMIT 7', true)).distances IS NOT DISTINCT FROM truth.distances[:least(rows, 7)];
		in_index := false;
		SET LOCAL enable_seqscan = off;
		SET LOCAL enable_sort = off;
		FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
			IF line ~ 'Index Cond:.*AND' THEN in_index := true; END IF;
		END LOOP;
		IF condition ~* '\many\M|\min\M|\mb\M' THEN in_index := NULL; END IF;
		RETURN NEXT;
	END LOOP;
END $$;

-- Types ----------------------------------------------------------------------------------------------------------------

CREATE TABLE t (id integer PRIMARY KEY, v vector(4), b boolean, i2 smallint, i4 integer, i8 bigint, f4 real,
	f8 double precision, tx text, ch character(8), vc varchar(20), m mood);
INSERT INTO t SELECT i, CASE WHEN i % 97 > 0 THEN point(i) END,
	CASE i % 5 WHEN 0 THEN NULL ELSE i % 5 < 3 END,
	CASE i % 11 WHEN 0 THEN NULL WHEN 1 THEN -32768 WHEN 2 THEN 32767 ELSE i % 50 - 25 END,
	CASE i % 13 WHEN 0 THEN NULL WHEN 1 THEN -2147483648 WHEN 2 THEN 2147483647 ELSE i % 100 - 50 END,
	CASE i % 7 WHEN 0 THEN NULL WHEN 1 THEN -9223372036854775808 WHEN 2 THEN 9223372036854775807 ELSE i % 100 END,
	CASE i % 9 WHEN 0 THEN NULL WHEN 1 THEN 'NaN' WHEN 2 THEN 'Infinity' WHEN 3 THEN '-0' ELSE (i % 40 - 20) / 10.0 END,
	CASE i % 9 WHEN 0 THEN NULL WHEN 1 THEN 'NaN' WHEN 2 THEN '-Infinity' WHEN 3 THEN 0 ELSE (i % 40 - 20) / 10.0 END,
	CASE i % 6 WHEN 0 THEN NULL ELSE 'text ' || i % 30 END,
	CASE i % 8 WHEN 0 THEN NULL ELSE 'ch ' || i % 10 END,
	CASE i % 8 WHEN 0 THEN NULL WHEN 1 THEN '' ELSE 'vc ' || i % 10 END,
	CASE i % 4 WHEN 0 THEN NULL ELSE (enum_range(NULL::mood))[i % 4] END
	FROM generate_series(1, 1500) i;
CREATE INDEX t_v ON t USING hnsw (v vector_l2_ops, b, i2, i4, i8, f4, f8, tx, ch, vc, m);
ANALYZE t;
SELECT * FROM try('t', 'b', 'NOT b', 'b IS NULL', 'b IS NOT NULL', 'b = false', 'b >= true', 'b IS NOT TRUE');
SELECT * FROM try('t', 'i2 = 5', 'i2 < 5', 'i2 >= 5', '5 > i2', 'i2 < 40000', 'i2 = 40000', 'i2 <= -32768', 'i2 > 5::bigint',
	'i2 IS NULL', 'i2 BETWEEN 3 AND 7', 'i2 > 7 AND i2 < 3');
SELECT * FROM try('t', 'i4 = 5', 'i4 > -2147483648', 'i4 = 2147483648', 'i4 > 7::smallint', 'i4 = 7::bigint', 'i4 IS NULL');
SELECT * FROM try('t', 'i8 = 5', 'i8 < 50', 'i8 >= 9223372036854775807', 'i8 = -9223372036854775808', 'i8 IS NOT NULL');
SELECT * FROM try('t', 'f4 = 0', 'f4 = ''NaN''', 'f4 < ''NaN''', 'f4 > 1', 'f4 < 0.1::float8', 'f4 = 0.1::float8',
	'f4 = 0.1::real', 'f4 IS NULL');
SELECT * FROM try('t', 'f8 = 0', 'f8 < 0', 'f8 <= ''-Infinity''', 'f8 = 0.1', 'f8 >= 0.1::real', 'f8 IS NOT NULL');
SELECT * FROM try('t', 'tx = ''text 7''', 'tx = ''no such text''', 'tx IS NULL', 'tx < ''text 7''', 'ch = ''ch 3''',
	'ch = ''ch 3   ''::character(8)', 'vc = ''vc 4''', 'vc = ''''', 'm = ''happy''', 'm < ''happy''', 'm IS NULL');
SELECT * FROM try('t', 'i4 IN (5, 7, 2147483647)', 'i4 = ANY (''{5,NULL,7}'')', 'i4 = ANY (''{}'')',
	'i2 < ANY (''{3,-20,NULL}'')', 'tx IN (''text 1'', ''text 9'')', 'm IN (''sad'', ''ok'')', 'i8 <> ALL (''{1,2}'')');
SELECT * FROM try('t', 'b AND i4 > 0', 'i2 > 0 AND i4 > 0 AND f8 > 0 AND tx = ''text 9''', 'b OR i4 > 0', 'id < 300 AND i4 > 0',
	'i4 > i2', 'v IS NULL');

CREATE TABLE u (id integer PRIMARY KEY, v vector(4), d date, ti time, ts timestamp, tz timestamptz, uu uuid);
INSERT INTO u SELECT i, point(i),
	CASE i % 17 WHEN 0 THEN NULL WHEN 1 THEN 'infinity' ELSE date '2024-10-20' + i % 14 END,
	CASE i % 17 WHEN 0 THEN NULL WHEN 1 THEN '24:00' ELSE time '12:00' + i * interval '17 s' END,
	CASE i % 17 WHEN 0 THEN NULL WHEN 1 THEN '-infinity' ELSE timestamp '2024-10-26 20:00' + i % 100 * interval '15 min' END,
	CASE i % 17 WHEN 0 THEN NULL WHEN 1 THEN 'infinity' ELSE timestamptz '2024-10-26 20:00' + i % 100 * interval '15 min' END,
	CASE i % 17 WHEN 0 THEN NULL ELSE md5((i % 50)::text)::uuid END
	FROM generate_series(1, 1200) i;
CREATE INDEX u_v ON u USING hnsw (v vector_l2_ops, d, ti, ts, tz, uu);
ANALYZE u;
SELECT * FROM try('u', 'd = ''2024-10-27''', 'd < ''2024-10-27 01:00''::timestamp', 'd >= ''infinity''', 'd IS NULL',
	'ti < ''13:00''', 'ti >= ''24:00''', 'ts >= ''2024-10-27 02:30''', 'ts < ''2024-10-27''::date', 'ts <= ''-infinity''',
	'tz = ''2024-10-27 02:30+01''', 'tz > ''2024-10-27 02:30''::timestamp', 'uu = md5(''7'')::uuid',
	'uu >= md5(''7'')::uuid', 'uu IN (md5(''7'')::uuid, md5(''8'')::uuid)', 'uu IS NULL');

-- Changes --------------------------------------------------------------------------------------------------------------

-- The index is made of nothing, grows, and its rows change in a filter column alone. Rows with the same vector differ in
-- their columns.
CREATE TABLE g (id integer PRIMARY KEY, v vector(4), tenant integer, kind text) WITH (autovacuum_enabled = off);
CREATE INDEX g_v ON g USING hnsw (v vector_l2_ops, tenant, kind);
INSERT INTO g SELECT i, CASE WHEN i % 50 > 0 THEN point(i % 400) END, i % 10, 'kind ' || i % 3 FROM generate_series(1, 1200) i;
SELECT * FROM try('g', 'tenant = 3', 'tenant = 3 AND kind = ''kind 1''', 'tenant > 100', 'tenant IS NULL', 'kind IS NOT NULL');
UPDATE g SET tenant = tenant + 100 WHERE id % 2 = 0;
UPDATE g SET kind = NULL WHERE id % 5 = 0;
SELECT * FROM try('g', 'tenant = 4', 'tenant = 104', 'tenant > 100', 'kind = ''kind 1''', 'kind IS NULL');
DELETE FROM g WHERE id % 3 = 0;
VACUUM g;
INSERT INTO g SELECT i, point(i), NULL, 'kind ' || i % 3 FROM generate_series(2000, 2300) i;
SELECT * FROM try('g', 'tenant = 7', 'tenant = 104', 'tenant IS NULL', 'tenant IS NULL AND kind = ''kind 2''');
SELECT annex_verify('g_v', true), annex_verify('t_v', true), annex_verify('u_v', true);
REINDEX INDEX g_v;
SELECT * FROM try('g', 'tenant = 7', 'tenant IS NULL AND kind = ''kind 2''');

-- Plans and parameters -------------------------------------------------------------------------------------------------

CREATE TABLE e (id integer PRIMARY KEY, v vector(4), a integer, s text);
INSERT INTO e SELECT i, point(i), i % 20, 'word' || i % 7 FROM generate_series(1, 500) i;
CREATE INDEX e_v ON e USING hnsw (v vector_l2_ops, (a * 2), s) WHERE id > 100;
ANALYZE e;
SELECT condition, rows, same, in_index FROM try('e', 'id > 100 AND a * 2 = 10', 'id > 100 AND s = ''word3''', 'a = 5 AND id = 5');
SET enable_seqscan = off;
SET enable_sort = off;
PREPARE near (integer, text) AS SELECT id FROM t WHERE i4 = $1 AND tx = $2 ORDER BY v <-> '[1,2,3,4]' LIMIT 3;
SET plan_cache_mode = force_generic_plan;
EXPLAIN (COSTS OFF) EXECUTE near (7, 'text 27');
EXECUTE near (7, 'text 27');
EXECUTE near (7, NULL);
EXECUTE near (NULL, 'text 27');
RESET plan_cache_mode;
SELECT count(*) FROM (SELECT id FROM t WHERE i4 > 0 ORDER BY v <-> (SELECT NULL::vector)) rows;
SELECT count(*) FROM t WHERE i4 > 0 AND v IS NOT NULL;
-- pgvector's settings bound the rows that pass.
SET hnsw.ef_search = 5;
SELECT count(*) <= 5 AS few FROM (SELECT id FROM t WHERE i4 > 0 ORDER BY v <-> '[1,2,3,4]') rows;
SET hnsw.iterative_scan = relaxed_order;
SELECT count(*) FROM (SELECT id FROM t WHERE i4 > 0 ORDER BY v <-> '[1,2,3,4]') rows;
DROP SCHEMA hnsw_columns CASCADE;

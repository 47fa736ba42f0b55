-- Filter columns of ivf indexes: types, operators, NULLs, changes, errors. Answers are compared with sequential scans.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS annex;
RESET client_min_messages;
SET timezone = 'Europe/Berlin';
-- every list and every row whose bound is not far too high: a scan finds what there is
SET ivf.probes = 1000;
SET ivf.epsilon = 50;

CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');

CREATE FUNCTION random_vector(seed integer) RETURNS vector LANGUAGE sql IMMUTABLE AS $$
	SELECT array_agg(hashint4extended(seed, i)::float8 / 2 ^ 63)::vector FROM generate_series(1, 16) i;
$$;

-- What a query returns, with the index alone or without it: the rows, and their distances as they come.
CREATE FUNCTION answer(tab text, condition text, indexed boolean, lim text, OUT ids integer[], OUT distances float8[])
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
	PERFORM set_config('enable_seqscan', (NOT indexed)::text, true), set_config('enable_bitmapscan', 'off', true),
		set_config('enable_sort', (NOT indexed)::text, true), set_config('enable_indexscan', indexed::text, true);
	EXECUTE format('SELECT array_agg(id ORDER BY id), array_agg(distance ORDER BY n) FROM (SELECT *, row_number() OVER () '
		'AS n FROM (SELECT id, v <-> random_vector(-1) AS distance FROM %I WHERE %s ORDER BY v <-> random_vector(-1) %s) '
		'rows) numbered', tab, condition, lim) INTO ids, distances;
END $$;

CREATE FUNCTION uses_condition(tab text, condition text) RETURNS boolean
LANGUAGE plpgsql SET search_path FROM CURRENT SET enable_seqscan = off SET enable_sort = off SET enable_bitmapscan = off
AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE format('EXPLAIN (COSTS OFF) SELECT id FROM %I WHERE %s ORDER BY v <-> random_vector(-1)', tab,
		condition)
	LOOP
		IF line ~ 'Index Cond:' THEN RETURN true; END IF;
	END LOOP;
	RETURN false;
END $$;

-- Conditions, the number of rows that meet each, whether the answers are the same, all rows and the nearest seven, and
-- whether the index is asked. That = ANY and bare booleans are asked of it depends on the release of PostgreSQL.
CREATE FUNCTION try(tab text, VARIADIC conditions text[])
RETURNS TABLE (condition text, rows integer, same boolean, in_index boolean) LANGUAGE plpgsql AS $$
DECLARE
	truth record;
BEGIN
	FOREACH condition IN ARRAY conditions LOOP
		truth := answer(tab, condition, false, '');
		rows := coalesce(cardinality(truth.ids), 0);
		-- rows that are equally far may come in any order
		same := answer(tab, condition, true, '') IS NOT DISTINCT FROM truth AND
			(answer(tab, condition, true, 'LIMIT 7')).distances IS NOT DISTINCT FROM truth.distances[:least(rows, 7)];
		in_index := CASE WHEN condition !~* '\many\M|\min\M|\mb\M' THEN uses_condition(tab, condition) END;
		RETURN NEXT;
	END LOOP;
END $$;

-- ------------------------------------------------------------------------------------------------ numbers and booleans

CREATE TABLE t (id integer PRIMARY KEY, v vector(16), b boolean, i2 smallint, i4 integer, i8 bigint, f4 real,
	f8 double precision, tx text, ch character(8), vc varchar(20), m mood);
INSERT INTO t SELECT i,
	CASE WHEN i % 97 = 0 THEN NULL WHEN i % 101 = 0 THEN ('[1e-30' || repeat(',0', 15) || ']')::vector
		ELSE random_vector(i) END,
	CASE i % 5 WHEN 0 THEN NULL ELSE i % 5 < 3 END,
	CASE i % 11 WHEN 0 THEN NULL WHEN 1 THEN -32768 WHEN 2 THEN 32767 ELSE i % 50 - 25 END,
	CASE i % 13 WHEN 0 THEN NULL WHEN 1 THEN -2147483648 WHEN 2 THEN 2147483647 ELSE i % 100 - 50 END,
	CASE i % 7 WHEN 0 THEN NULL WHEN 1 THEN -9223372036854775808 WHEN 2 THEN 9223372036854775807 ELSE i % 100 END,
	CASE i % 9 WHEN 0 THEN NULL WHEN 1 THEN 'NaN' WHEN 2 THEN 'Infinity' WHEN 3 THEN '-Infinity' WHEN 4 THEN '-0'
		ELSE (i % 40 - 20) / 10.0 END,
	CASE i % 9 WHEN 0 THEN NULL WHEN 1 THEN 'NaN' WHEN 2 THEN 'Infinity' WHEN 3 THEN '-Infinity' WHEN 4 THEN 0
		ELSE (i % 40 - 20) / 10.0 END,
	CASE i % 6 WHEN 0 THEN NULL ELSE 'text ' || i % 30 END,
	CASE i % 8 WHEN 0 THEN NULL ELSE 'ch ' || i % 10 END,
	CASE i % 8 WHEN 0 THEN NULL WHEN 1 THEN '' ELSE 'vc ' || i % 10 END,
	CASE i % 4 WHEN 0 THEN NULL ELSE (enum_range(NULL::mood))[i % 4] END
	FROM generate_series(1, 1500) i;
CREATE INDEX t_v ON t USING ivf (v, b, i2, i4, i8, f4, f8, tx, ch, vc, m) WITH (lists = 6);
ANALYZE t;

SELECT * FROM try('t', 'b', 'NOT b', 'b IS TRUE', 'b IS NULL', 'b IS NOT NULL', 'b = false', 'b < true', 'b >= true',
	'b > true', 'b <> true', 'b IS NOT TRUE');
SELECT * FROM try('t', 'i2 = 5', 'i2 < 5', 'i2 <= 5', 'i2 >= 5', 'i2 > 5', '5 > i2', 'i2 = 5::smallint', 'i2 < 40000',
	'i2 > 40000', 'i2 = 40000', 'i2 >= -40000', 'i2 = -32768', 'i2 < -32768', 'i2 <= -32768', 'i2 > 32767',
	'i2 > 5::bigint', 'i2 < 10000000000', 'i2 IS NULL', 'i2 IS NOT NULL', 'i2 = NULL::smallint', 'i2 BETWEEN 3 AND 7',
	'i2 > 7 AND i2 < 3', 'i2 = 5 AND i2 IS NULL', 'i2 IS NULL AND i2 IS NOT NULL');
SELECT * FROM try('t', 'i4 = 5', 'i4 < 5', 'i4 >= 5 AND i4 <= 6', 'i4 > -2147483648', 'i4 < -2147483648',
	'i4 = 2147483648', 'i4 < 2147483648', 'i4 > 2147483647', 'i4 > 7::smallint', 'i4 = 7::bigint',
	'i4 < 9223372036854775807', 'i4 > -9223372036854775808', 'i4 = 9223372036854775807', 'i4 IS NULL');
SELECT * FROM try('t', 'i8 = 5', 'i8 = 5::bigint', 'i8 = 5::smallint', 'i8 < 50', 'i8 <= 9223372036854775807',
	'i8 > 9223372036854775807', 'i8 < -9223372036854775808', 'i8 >= 9223372036854775807', 'i8 = -9223372036854775808',
	'i8 IS NULL', 'i8 IS NOT NULL');
SELECT * FROM try('t', 'f4 = 0', 'f4 = ''-0''', 'f4 < 0', 'f4 > 0', 'f4 >= ''NaN''', 'f4 = ''NaN''', 'f4 > ''NaN''',
	'f4 < ''NaN''', 'f4 <= ''NaN''', 'f4 > ''Infinity''', 'f4 = ''Infinity''', 'f4 < ''-Infinity''',
	'f4 <= ''-Infinity''', 'f4 = 0.5::real', 'f4 = 0.1::float8', 'f4 = 0.1::real', 'f4 < 0.1::float8',
	'f4 <= 0.1::float8', 'f4 >= 0.1::float8', 'f4 > 0.1::float8', 'f4 > 0.5::float8', 'f4 >= 0.5::float8',
	'f4 < 1e300::float8', 'f4 > 1e300::float8', 'f4 > -1e300::float8', 'f4 <= -1e300::float8', 'f4 > 1e-300::float8',
	'f4 < -1e-300::float8', 'f4 >= -1e-300::float8', 'f4 = 1e-300::float8', 'f4 = ''NaN''::float8', 'f4 IS NULL');
SELECT * FROM try('t', 'f8 = 0', 'f8 = ''-0''', 'f8 < 0', 'f8 > 0', 'f8 = ''NaN''', 'f8 > ''NaN''', 'f8 < ''NaN''',
	'f8 > ''Infinity''', 'f8 < ''-Infinity''', 'f8 = 0.1', 'f8 > 0.1', 'f8 < 0.5::real', 'f8 = 0.5::real',
	'f8 = 0.1::real', 'f8 >= 0.1::real', 'f8 = ''NaN''::real', 'f8 IS NOT NULL');
-- equality alone
SELECT * FROM try('t', 'tx = ''text 7''', 'tx = ''no such text''', 'tx = NULL::text', 'tx IS NULL', 'tx IS NOT NULL',
	'tx < ''text 7''', 'ch = ''ch 3''', 'ch = ''ch 3   ''::character(8)', 'ch IS NULL', 'vc = ''vc 4''', 'vc = ''''',
	'vc = ''vc 4''::text', 'm = ''happy''', 'm < ''happy''', 'm IS NULL', 'tx = ''text 7'' COLLATE "C"');
-- two strings of one hash
INSERT INTO t (id, v, tx) VALUES (2001, random_vector(-1), 'key 8365'), (2002, random_vector(2002), 'key 51608');
SELECT hashtext('key 8365') = hashtext('key 51608') AS same_hash;
SELECT * FROM try('t', 'tx = ''key 8365''', 'tx = ''key 51608''', 'tx IN (''key 51608'', ''text 9'')',
	'tx = ''key 51608'' AND i4 IS NULL');
-- any of many
SELECT * FROM try('t', 'i4 IN (5)', 'i4 IN (5, 7, 2147483647)', 'i4 = ANY (''{5,NULL,7}'')', 'i4 = ANY (''{}'')',
	'i4 = ANY (NULL::integer[])', 'i4 = ANY (''{NULL,NULL}'')', 'i4 < ANY (''{3,-20,NULL}'')', 'i4 >= ANY (''{40,30}'')',
	'i4 = ANY (''{5,40000000000}''::bigint[])', 'i4 = ANY (SELECT i4 FROM t WHERE id < 5)',
	'i4 = ANY ((SELECT array_agg(x) FROM generate_series(-40, 40, 3) x)::integer[])',
	'i2 = ANY (''{1,2,3,40000}''::integer[]) AND i4 < 0', 'f4 = ANY (''{0.5,0.1,NaN}''::float8[])',
	'f4 < ANY (''{-1.5,0.1}''::float8[])', 'b = ANY (''{t}'')', 'tx = ANY (''{text 7,text 8,text 31}'')',
	'tx IN (''text 1'')', 'm IN (''sad'', ''ok'')', 'ch IN (''ch 1'', ''ch 2'')', 'i8 <> ALL (''{1,2}'')',
	'i4 = ALL (''{5}'')');
-- several columns, the vector column, what no column is asked for
SELECT * FROM try('t', 'b AND i4 > 0', 'i2 > 0 AND i4 > 0 AND f8 > 0 AND tx = ''text 9''', 'b OR i4 > 0',
	'v IS NULL', 'v IS NOT NULL', 'v IS NULL AND i4 > 0', 'v IS NOT NULL AND i4 > 0', 'v IS NULL AND v IS NOT NULL',
	'id < 100', 'id < 300 AND i4 > 0', 'i4 > i2', 'i4 + 0 = 5');

-- A NULL and a zero query, which no distance can be computed for.
SET enable_seqscan = off;
SET enable_sort = off;
SELECT count(*) FROM (SELECT id FROM t WHERE i4 > 0 ORDER BY v <-> NULL) rows;
SELECT count(*) FROM t WHERE i4 > 0;
-- parameters, of generic plans and of joins
PREPARE near (integer, text) AS SELECT id FROM t WHERE i4 = $1 AND tx = $2 ORDER BY v <-> random_vector(-1) LIMIT 3;
SET plan_cache_mode = force_generic_plan;
EXECUTE near (7, 'text 7');
EXECUTE near (7, NULL);
EXECUTE near (NULL, 'text 7');
EXECUTE near (17, 'text 7');
RESET plan_cache_mode;
SELECT k, array_agg(id) FROM generate_series(3, 6) k,
	LATERAL (SELECT id FROM t WHERE i4 = k ORDER BY v <-> random_vector(-1) LIMIT 3) rows GROUP BY k ORDER BY k;
RESET enable_seqscan;
RESET enable_sort;

-- ------------------------------------------------------------------------------------------- dates, times and the rest

CREATE TABLE u (id integer PRIMARY KEY, v vector(16), d date, ti time, ts timestamp, tz timestamptz, uu uuid);
INSERT INTO u SELECT i, random_vector(i),
	CASE i % 17 WHEN 0 THEN NULL WHEN 1 THEN 'infinity' WHEN 2 THEN '-infinity' WHEN 3 THEN '4713-01-01 BC'
		WHEN 4 THEN '5874897-12-31' ELSE date '2024-10-20' + i % 14 END,
	CASE i % 17 WHEN 0 THEN NULL WHEN 1 THEN '24:00' WHEN 2 THEN '00:00' ELSE time '12:00' + i * interval '17 s' END,
	CASE i % 17 WHEN 0 THEN NULL WHEN 1 THEN 'infinity' WHEN 2 THEN '-infinity' WHEN 3 THEN '4713-01-01 BC'
		WHEN 4 THEN '294276-12-31 23:59:59' ELSE timestamp '2024-10-26 20:00' + i % 100 * interval '15 min' END,
	CASE i % 17 WHEN 0 THEN NULL WHEN 1 THEN 'infinity' WHEN 2 THEN '-infinity' WHEN 3 THEN '4713-01-02 BC'
		WHEN 4 THEN '294276-12-30' ELSE timestamptz '2024-10-26 20:00' + i % 100 * interval '15 min' END,
	CASE i % 17 WHEN 0 THEN NULL WHEN 1 THEN '00000000-0000-0000-0000-000000000000'
		WHEN 2 THEN 'ffffffff-ffff-ffff-ffff-ffffffffffff'
		WHEN 3 THEN '80000000-0000-0000-0000-000000000000' WHEN 4 THEN '80000000-0000-0000-8000-000000000000'
		ELSE md5((i % 50)::text)::uuid END
	FROM generate_series(1, 1200) i;
CREATE INDEX u_v ON u USING ivf (v, d, ti, ts, tz, uu) WITH (lists = 5);
ANALYZE u;

SELECT * FROM try('u', 'd = ''2024-10-27''', 'd < ''2024-10-27''', 'd <= ''2024-10-27''', 'd > ''2024-10-27''',
	'd >= ''infinity''', 'd > ''infinity''', 'd < ''-infinity''', 'd <= ''-infinity''', 'd IS NULL',
	'd = ''2024-10-27''::timestamp', 'd = ''2024-10-27 01:00''::timestamp', 'd < ''2024-10-27 01:00''::timestamp',
	'd <= ''2024-10-27 01:00''::timestamp', 'd >= ''2024-10-27 01:00''::timestamp',
	'd > ''2024-10-27 01:00''::timestamp', 'd >= ''2024-10-27''::timestamp', 'd < ''2024-10-27''::timestamp',
	'd < ''infinity''::timestamp', 'd = ''infinity''::timestamp', 'd > ''-infinity''::timestamp',
	'd > ''294276-12-31''::timestamp', 'd < ''4713-06-01 BC''::timestamp', 'd = ''2024-10-27''::timestamptz',
	'd < ''2024-10-27''::timestamptz', 'd <= ''2024-10-28 00:00''::timestamptz',
	'd > ''2024-10-26 23:59:59''::timestamptz', 'd = ''-infinity''::timestamptz', 'd < ''infinity''::timestamptz',
	'd > ''294276-12-31''::timestamptz', 'd = ANY (''{2024-10-27,2024-10-29}''::timestamptz[])');
SELECT * FROM try('u', 'ti = ''12:00:17''', 'ti < ''13:00''', 'ti > ''13:00''', 'ti >= ''24:00''', 'ti > ''24:00''',
	'ti <= ''00:00''', 'ti < ''00:00''', 'ti IS NULL');
-- in this night the clocks were set back
SELECT * FROM try('u', 'ts = ''2024-10-27 02:30''', 'ts < ''2024-10-27 02:30''', 'ts >= ''2024-10-27 02:30''',
	'ts > ''infinity''', 'ts >= ''infinity''', 'ts <= ''-infinity''', 'ts = ''2024-10-27''::date',
	'ts < ''2024-10-27''::date', 'ts > ''5874897-12-31''::date', 'ts < ''5874897-12-31''::date',
	'ts = ''infinity''::date', 'ts = ''2024-10-27 02:30+01''::timestamptz', 'ts = ''2024-10-27 02:30+02''::timestamptz',
	'ts < ''2024-10-27 02:30+01''::timestamptz', 'ts < ''2024-10-27 02:30+02''::timestamptz',
	'ts > ''2024-10-27 02:30+02''::timestamptz', 'ts >= ''2024-10-27 03:30+01''::timestamptz',
	'ts <= ''2024-10-27 01:30+02''::timestamptz', 'ts > ''infinity''::timestamptz',
	'ts <= ''-infinity''::timestamptz', 'ts > ''294276-12-30''::timestamptz', 'ts IS NULL');
SELECT * FROM try('u', 'tz = ''2024-10-27 02:30+01''', 'tz < ''2024-10-27 02:30+02''', 'tz >= ''2024-10-27 02:30''',
	'tz = ''2024-10-27''::date', 'tz < ''2024-10-27''::date', 'tz > ''5874897-12-31''::date',
	'tz = ''2024-10-27 02:30''::timestamp', 'tz < ''2024-10-27 02:30''::timestamp', 'tz = ''infinity''::timestamp',
	'tz >= ''infinity''::date', 'tz > ''294276-12-31 23:59:59''::timestamp', 'tz IS NOT NULL');
SELECT * FROM try('u', 'uu = md5(''7'')::uuid', 'uu < md5(''7'')::uuid', 'uu >= md5(''7'')::uuid',
	'uu > ''80000000-0000-0000-0000-000000000000''', 'uu <= ''80000000-0000-0000-8000-000000000000''',
	'uu < ''80000000-0000-0000-7fff-ffffffffffff''', 'uu > ''7fffffff-ffff-ffff-ffff-ffffffffffff''',
	'uu < ''00000000-0000-0000-0000-000000000000''', 'uu > ''ffffffff-ffff-ffff-ffff-ffffffffffff''',
	'uu IN (md5(''7'')::uuid, md5(''8'')::uuid)', 'uu IS NULL');
SET timezone = 'Pacific/Apia';  -- has no 30 December 2011
UPDATE u SET d = date '2011-12-25' + id % 10 WHERE id % 3 = 0;
UPDATE u SET ts = timestamp '2011-12-25' + id % 240 * interval '1 hour' WHERE id % 3 = 0;
SELECT * FROM try('u', 'd = ''2011-12-31''::timestamptz', 'd < ''2011-12-31''::timestamptz',
	'd > ''2011-12-29''::timestamptz', 'd >= ''2011-12-29 23:59:59''::timestamptz',
	'ts < ''2011-12-31''::timestamptz', 'ts >= ''2011-12-31''::timestamptz', 'ts > ''2011-12-29 12:00''::timestamptz');
SET timezone = 'Europe/Berlin';
-- two days before the clocks were set back the place of a constant begins to be uncertain, by an hour
UPDATE u SET ts = timestamp '2024-10-25 03:00' + (id % 10 - 5) * interval '1 min' WHERE id % 3 = 0;
SELECT * FROM try('u', 'ts < ANY (''{2024-10-25 00:58+00,2024-10-25 01:02+00}''::timestamptz[])',
	'ts <= ANY (''{2024-10-25 01:02+00,2024-10-25 00:58+00}''::timestamptz[])',
	'ts > ANY (''{2024-10-25 00:58+00,2024-10-25 01:02+00}''::timestamptz[])');

-- ------------------------------------------------------------------------------------------------------------- changes

-- The index is made of nothing, grows, and its rows change in a filter column alone.
CREATE TABLE g (id integer PRIMARY KEY, v vector(16), tenant integer, kind text) WITH (autovacuum_enabled = off);
CREATE INDEX g_v ON g USING ivf (v, tenant, kind);
INSERT INTO g SELECT i, CASE WHEN i % 50 > 0 THEN random_vector(i) END, i % 10, 'kind ' || i % 3
	FROM generate_series(1, 800) i;
SELECT * FROM try('g', 'tenant = 3', 'tenant = 3 AND kind = ''kind 1''', 'tenant > 100', 'tenant IS NULL', 'v IS NULL');
UPDATE g SET tenant = tenant + 100 WHERE id % 2 = 0;
UPDATE g SET kind = NULL WHERE id % 5 = 0;
SELECT * FROM try('g', 'tenant = 4', 'tenant = 104', 'tenant > 100', 'kind = ''kind 1''', 'kind IS NULL');
DELETE FROM g WHERE id % 3 = 0;
VACUUM g;
INSERT INTO g SELECT i, random_vector(i), NULL, 'kind ' || i % 3 FROM generate_series(1000, 1300) i;
SELECT * FROM try('g', 'tenant = 7', 'tenant = 104', 'tenant IS NULL', 'tenant IS NULL AND kind = ''kind 2''');
SELECT annex_maintain('g_v', true) IS NOT NULL AS maintained;
SELECT * FROM try('g', 'tenant = 7', 'tenant = 104', 'tenant IS NULL', 'tenant IS NULL AND kind = ''kind 2''');
SELECT annex_verify('g_v', true);
REINDEX INDEX g_v;
SELECT * FROM try('g', 'tenant = 7', 'tenant IS NULL AND kind = ''kind 2''');

-- An expression, a partial index, a domain, and a collation that takes different strings for equal.
CREATE DOMAIN small AS integer CHECK (VALUE < 1000);
DO $$
BEGIN
	CREATE COLLATION any_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
EXCEPTION WHEN feature_not_supported THEN  -- a server without ICU has none
	CREATE COLLATION any_case FROM "C";
END $$;
CREATE TABLE e (id integer PRIMARY KEY, v vector(16), a small, s text COLLATE any_case);
INSERT INTO e SELECT i, random_vector(i), i % 20, CASE WHEN i % 2 = 0 THEN 'word' ELSE 'WORD' END || i % 7
	FROM generate_series(1, 500) i;
CREATE INDEX e_v ON e USING ivf (v, (a * 2), a, s) WHERE id > 100;
ANALYZE e;
SELECT condition, same, in_index FROM try('e', 'id > 100 AND a = 5', 'id > 100 AND a * 2 = 10', 'id > 100 AND s = ''Word3''',
	'id > 100 AND s IN (''Word3'', ''wORD4'')', 'a = 5 AND id = 5');

-- -------------------------------------------------------------------------------------------------------------- plans

-- Without an order there is no use for the index, and a scan that comes to it all the same is refused.
CREATE FUNCTION pg_temp.scans_index(statement text) RETURNS boolean LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN ' || statement LOOP
		IF line ~ 'Index|Bitmap' THEN RETURN true; END IF;
	END LOOP;
	RETURN false;
END $$;
SELECT pg_temp.scans_index('SELECT id FROM g WHERE tenant = 7');
SELECT attno, prop, pg_index_column_has_property('t_v'::regclass, attno, prop)
	FROM generate_series(1, 2) attno, unnest(ARRAY['distance_orderable', 'search_array', 'search_nulls', 'orderable',
		'returnable']) prop;
SELECT prop, pg_indexam_has_property(oid, prop) FROM pg_am, unnest(ARRAY['can_multi_col', 'can_order', 'can_unique',
	'can_include']) prop WHERE amname = 'ivf';

-- ------------------------------------------------------------------------------------------------------------- errors

SELECT amvalidate(oid), count(*) FROM pg_opclass WHERE opcmethod = (SELECT oid FROM pg_am WHERE amname = 'ivf')
	GROUP BY 1;
CREATE TABLE w (id integer, v vector(4), v2 vector(4), j jsonb, u1 uuid, u2 uuid, u3 uuid, u4 uuid, u5 uuid);
CREATE INDEX ON w USING ivf (id, v);
CREATE INDEX ON w USING ivf (id);
CREATE INDEX ON w USING ivf (v, id, v2);
CREATE INDEX ON w USING ivf (v, j);
CREATE INDEX ON w USING ivf (v, u1, u2, u3, u4, u5);
CREATE INDEX ON w USING ivf (v, id, id, id, id, id, id, id, id, id, id, id, id, id, id, id, id, id);
CREATE INDEX ON w USING ivf (v, id) INCLUDE (j);
CREATE UNIQUE INDEX ON w USING ivf (v, id);
CREATE INDEX ON w USING ivf (v, id DESC);
CREATE OPERATOR CLASS bad_ops FOR TYPE text USING ivf AS OPERATOR 1 <, OPERATOR 3 =, OPERATOR 6 >= (text, text);
SELECT amvalidate(oid) FROM pg_opclass WHERE opcname = 'bad_ops';
CREATE OPERATOR CLASS bad_int_ops FOR TYPE integer USING ivf AS OPERATOR 1 <,
	FUNCTION 1 ivf_vector_l2_info(internal);
SELECT amvalidate(oid) FROM pg_opclass WHERE opcname = 'bad_int_ops';

DROP TABLE t, u, g, e, w;
DROP OPERATOR FAMILY bad_ops USING ivf;
DROP OPERATOR FAMILY bad_int_ops USING ivf;
DROP DOMAIN small;
DROP COLLATION any_case;
DROP TYPE mood;
DROP FUNCTION try, uses_condition, answer, random_vector;

-- Filter columns on the pages of ivf indexes: built, inserted, updated, vacuumed, listed anew, verified.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS annex;
SET maintenance_work_mem = '64MB';
SET max_parallel_maintenance_workers = 0;
SET ivf.probes = 1000;
SET ivf.epsilon = 50;

CREATE FUNCTION some_vector(seed integer, dimensions integer) RETURNS vector LANGUAGE sql IMMUTABLE AS $$
	SELECT array_agg(hashint4extended(seed, i)::float8 / 2 ^ 63 ORDER BY i)::vector FROM generate_series(1, dimensions) i;
$$;

-- A table whose filter columns take `bytes` of the layouts that there are; every 50th row has no vector, every 70th none
-- that a bound can be given for.
CREATE FUNCTION fill(tab text, first integer, last integer, dimensions integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format($q$
		INSERT INTO %I SELECT i, CASE WHEN i %% 50 = 0 THEN NULL
				WHEN i %% 70 = 0 THEN ('[1e-30' || repeat(',0', $3 - 1) || ']')::vector ELSE some_vector(i, $3) END,
			nullif(i %% 9, 0), i %% 2 = 0, 'tenant ' || i %% 5, ('2026-01-01'::date + i %% 30),
			md5((i %% 12)::text)::uuid
		FROM generate_series($1, $2) i$q$, tab) USING first, last, dimensions;
END $$;

CREATE FUNCTION new_table(tab text, dimensions integer, options text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE TABLE %I (id integer, v vector(%s), n integer, b boolean, t text, d date, u uuid)', tab,
		dimensions);
	EXECUTE format('CREATE INDEX %I ON %I USING ivf (v, n, b, t, d, u) WITH (%s)', tab || '_v', tab, options);
END $$;

-- Conditions for which the index does not return what a sequential scan does.
CREATE FUNCTION wrong(tab text, dimensions integer) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	condition text;
	expected integer[];
	found integer[];
BEGIN
	FOREACH condition IN ARRAY ARRAY['n = 3', 'n IS NULL', 'n > 100', 'b', 'n > 2 AND b = false', 't = ''tenant 4''',
		'd BETWEEN ''2026-01-05'' AND ''2026-01-09''', 'u = md5(''7'')::uuid AND d < ''2026-01-20''', 'u > md5(''7'')::uuid',
		'true']
	LOOP
		PERFORM set_config('enable_seqscan', 'on', true), set_config('enable_sort', 'on', true),
			set_config('enable_indexscan', 'off', true), set_config('enable_bitmapscan', 'off', true);
		EXECUTE format('SELECT array_agg(id ORDER BY id) FROM %I WHERE %s', tab, condition) INTO expected;
		PERFORM set_config('enable_seqscan', 'off', true), set_config('enable_sort', 'off', true),
			set_config('enable_indexscan', 'on', true);
		EXECUTE format('SELECT array_agg(id ORDER BY id) FROM (SELECT id FROM %I WHERE %s ORDER BY v <-> $1) x', tab,
			condition) INTO found USING some_vector(-1, dimensions);
		IF found IS DISTINCT FROM expected THEN RETURN NEXT condition; END IF;
	END LOOP;
END $$;

-- Built from rows, with and without second copies; then changed by everything there is.
CREATE TABLE sizes (tab text, dimensions integer, options text, rows integer);
INSERT INTO sizes VALUES ('small', 3, 'lists = 5, spill = on', 1500), ('one_list', 70, 'lists = 1, spill = off', 700),
	('cut', 700, 'lists = 3, spill = on', 300), ('long_blocks', 3000, 'lists = 2, spill = off', 150),
	('two_pages', 9000, 'lists = 1, spill = off', 40);
SELECT new_table(tab, dimensions, options), fill(tab, 1, rows, dimensions) FROM sizes;
SELECT tab, wrong(tab, dimensions) FROM sizes;
SELECT tab, annex_verify((tab || '_v')::regclass, true) FROM sizes;
REINDEX TABLE small;
REINDEX TABLE one_list;
REINDEX TABLE cut;
REINDEX TABLE long_blocks;
REINDEX TABLE two_pages;
SELECT tab, wrong(tab, dimensions) FROM sizes;
SELECT tab, annex_verify((tab || '_v')::regclass, true) FROM sizes;

-- Rows that come and go, filter columns that change where the vector does not.
SELECT fill(tab, rows + 1, rows + rows / 3, dimensions) FROM sizes;
UPDATE small SET n = n + 1, t = 'tenant x' WHERE id % 3 = 0;
UPDATE one_list SET n = NULL, u = NULL WHERE id % 4 = 0;
UPDATE cut SET b = NOT b, d = d + 3 WHERE id % 5 = 1;
UPDATE long_blocks SET d = NULL WHERE id % 5 = 1;
UPDATE two_pages SET n = n * 2 WHERE id % 2 = 1;
SELECT tab, wrong(tab, dimensions) FROM sizes;
DELETE FROM small WHERE id % 7 < 2;
DELETE FROM one_list WHERE id % 7 < 2;
DELETE FROM cut WHERE id % 7 < 2;
DELETE FROM long_blocks WHERE id % 7 < 2;
DELETE FROM two_pages WHERE id % 7 < 2;
VACUUM small, one_list, cut, long_blocks, two_pages;
SELECT tab, wrong(tab, dimensions) FROM sizes;
SELECT tab, annex_verify((tab || '_v')::regclass, true) FROM sizes;
SELECT fill(tab, 2 * rows, 2 * rows + rows / 4, dimensions) FROM sizes;

-- New lists take the values from the rows of the index.
SELECT tab, (annex_maintain((tab || '_v')::regclass, true)).lists_made > 0 AS listed FROM sizes;
SELECT tab, wrong(tab, dimensions) FROM sizes;
SELECT tab, annex_verify((tab || '_v')::regclass, true) FROM sizes;

-- Sixteen columns, and the most bytes.
CREATE TABLE wide (id integer, v vector(5), c1 bigint, c2 integer, c3 integer, c4 integer, c5 integer, c6 integer,
	c7 integer, c8 integer, c9 integer, c10 integer, c11 integer, c12 integer, c13 integer, c14 integer, c15 boolean,
	c16 boolean);
INSERT INTO wide SELECT i, some_vector(i, 5), i % 3, i % 5, i, i, i, i, i, i, i, nullif(i % 4, 1), i, i, i, -i, true,
	i % 2 = 0 FROM generate_series(1, 500) i;
CREATE INDEX wide_v ON wide USING ivf (v, c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, c12, c13, c14, c15, c16)
	WITH (lists = 3);
INSERT INTO wide SELECT i, some_vector(i, 5), i % 3, i % 5, i, i, i, i, i, i, i, nullif(i % 4, 1), i, i, i, -i, true,
	i % 2 = 0 FROM generate_series(501, 700) i;
SET enable_seqscan = off;
SET enable_sort = off;
SELECT count(*) FROM (SELECT FROM wide WHERE c16 = true AND c14 < -600 AND c10 IS NULL ORDER BY v <-> '[0,0,0,0,0]') x;
SELECT count(*) FROM (SELECT FROM wide WHERE c16 = false AND c14 < -600 AND c10 IS NULL ORDER BY v <-> '[0,0,0,0,0]') x;
RESET enable_seqscan;
RESET enable_sort;
SELECT annex_verify('wide_v', true);

-- An index without filter columns is what it was.
CREATE TABLE plain (id integer, v vector(3));
INSERT INTO plain SELECT i, some_vector(i, 3) FROM generate_series(1, 1500) i;
CREATE INDEX plain_v ON plain USING ivf (v) WITH (lists = 5, spill = on);
SELECT bytes_per_row FROM annex_index_info('plain_v');

DROP TABLE sizes, small, one_list, cut, long_blocks, two_pages, wide, plain;
DROP FUNCTION some_vector, fill, new_table, wrong;

-- What a backend keeps of ivf indexes: with room for none, for some, for all of them, and when they change under it.
SET client_min_messages = warning;
CREATE SCHEMA ivf_cache;
SET search_path = ivf_cache, public;

CREATE FUNCTION point(i int, dimensions int) RETURNS vector LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT array_agg(sin(i * 12.9898 + j * 78.233 + i * j * 0.37)::real)::vector FROM generate_series(1, dimensions) j
$$;

-- All rows of a table in the order of their distance to a point, by its ivf index and by sorting.
CREATE FUNCTION compare(tab text, dimensions int) RETURNS text LANGUAGE plpgsql
SET ivf.probes = 32768 SET ivf.epsilon = 10 AS $$
DECLARE
	statement text := format('SELECT v <-> %L::vector AS distance FROM %I ORDER BY v <-> %L::vector',
		point(-1, dimensions), tab, point(-1, dimensions));
	distances float8[];
	exact float8[];
BEGIN
	SET LOCAL enable_seqscan = off;
	EXECUTE format('SELECT array_agg(distance) FROM (%s) answer', statement) INTO distances;
	SET LOCAL enable_seqscan = on;
	SET LOCAL enable_indexscan = off;
	EXECUTE format('SELECT array_agg(distance) FROM (%s) answer', statement) INTO exact;
	SET LOCAL enable_indexscan = on;
	RETURN CASE WHEN distances IS NOT DISTINCT FROM exact THEN coalesce(cardinality(exact), 0) || ' rows' ELSE 'another order' END;
END $$;

CREATE TABLE names AS SELECT 't' || i AS name, d FROM unnest(ARRAY[3, 64, 65, 200, 1000, 3]) WITH ORDINALITY u (d, i);
DO $$
DECLARE
	n record;
BEGIN
	FOR n IN SELECT * FROM names LOOP
		EXECUTE format('CREATE TABLE %I (id int, v vector(%s))', n.name, n.d);
		EXECUTE format('INSERT INTO %I SELECT i, point(i, %s) FROM generate_series(1, 300) i', n.name, n.d);
		EXECUTE format('CREATE INDEX %I ON %I USING ivf (v vector_l2_ops) WITH (lists = 20, spill = on)', n.name || '_v', n.name);
	END LOOP;
END $$;
CREATE FUNCTION compare_all() RETURNS TABLE (name text, result text) LANGUAGE sql AS $$
	SELECT name, compare(name, d) FROM names ORDER BY name
$$;
CREATE FUNCTION insert_all(first int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	n record;
BEGIN
	FOR n IN SELECT * FROM names LOOP
		EXECUTE format('INSERT INTO %I SELECT i, point(i, %s) FROM generate_series(%s, %s) i', n.name, n.d, first, first + 49);
	END LOOP;
END $$;
CREATE FUNCTION verify_all() RETURNS bigint LANGUAGE sql AS $$
	SELECT count(annex_verify((name || '_v')::regclass, true)::text) FROM names
$$;

SHOW ivf.cache_size;
SELECT * FROM compare_all();
SELECT insert_all(1001);
-- Room for one or two of them at a time
SET ivf.cache_size = '60kB';
SELECT * FROM compare_all();
SELECT insert_all(2001);
SELECT count(*), count(DISTINCT (a, b)) FROM (SELECT id AS a, v FROM t2 ORDER BY v <-> point(-1, 64) LIMIT 30) x
	CROSS JOIN LATERAL (SELECT id AS b FROM t1 ORDER BY v <-> subvector(x.v, 1, 3) LIMIT 5) y
	CROSS JOIN LATERAL (SELECT id AS c FROM t6 ORDER BY v <-> subvector(x.v, 2, 3) LIMIT 1) z;
-- Centroids are read from pages: for queries and for inserts.
SET ivf.cache_size = 0;
SELECT * FROM compare_all();
SELECT insert_all(3001);
SELECT * FROM compare_all();
SELECT verify_all();
RESET ivf.cache_size;
SELECT * FROM compare_all();

-- An open scan keeps what it uses, whatever is made room for.
SET enable_seqscan = off;
SET ivf.cache_size = '60kB';
BEGIN;
DECLARE c CURSOR FOR SELECT id FROM t5 ORDER BY v <-> point(-1, 1000);
MOVE 5 FROM c;
SELECT count(*) FROM compare_all() WHERE result = '450 rows';
SAVEPOINT s;
SELECT insert_all(4001);
SET LOCAL ivf.cache_size = 0;
SELECT count(*) FROM compare_all() WHERE result = '500 rows';
ROLLBACK TO s;
MOVE ALL FROM c;
COMMIT;
RESET ivf.cache_size;
RESET enable_seqscan;

-- Indexes that change: the same name, the same file, the same number of lists, but other rows far away. In one
-- transaction TRUNCATE uses the file again.
BEGIN;
CREATE TABLE changing (id int, v vector(3));
INSERT INTO changing SELECT i, point(i, 3) + '[1000,1000,1000]' FROM generate_series(1, 500) i;
CREATE INDEX changing_v ON changing USING ivf (v vector_l2_ops) WITH (lists = 1);
SELECT compare('changing', 3);
TRUNCATE changing;
SELECT compare('changing', 3);
INSERT INTO changing SELECT i, point(i, 3) FROM generate_series(1, 500) i;
SELECT compare('changing', 3);
TRUNCATE changing;
INSERT INTO changing SELECT i, point(i, 3) - '[1000,1000,1000]' FROM generate_series(1, 500) i;
REINDEX INDEX changing_v;
SELECT compare('changing', 3), annex_verify('changing_v', true);
COMMIT;
BEGIN;
TRUNCATE changing;
INSERT INTO changing SELECT i, point(i, 3) FROM generate_series(1, 100) i;
REINDEX INDEX changing_v;
SELECT compare('changing', 3);
SAVEPOINT s;
TRUNCATE changing;
INSERT INTO changing SELECT i, point(i, 3) + '[9,9,9]' FROM generate_series(1, 100) i;
SELECT compare('changing', 3);
ROLLBACK TO s;
SELECT compare('changing', 3);
ROLLBACK;
SELECT compare('changing', 3);
DELETE FROM changing WHERE id > 10;
VACUUM FULL changing;
SELECT compare('changing', 3);
ALTER TABLE changing ALTER v TYPE vector(4) USING (v || '[1]')::vector(4);
SELECT compare('changing', 4);
DROP INDEX changing_v;
CREATE INDEX changing_v ON changing USING ivf (v vector_l2_ops) WITH (lists = 1);
SELECT compare('changing', 4), annex_verify('changing_v', true);

-- A temporary table that is emptied at each commit keeps its file.
CREATE TEMP TABLE fleeting (id int, v vector(3)) ON COMMIT DELETE ROWS;
BEGIN;
INSERT INTO fleeting SELECT i, point(i, 3) + '[1000,1000,1000]' FROM generate_series(1, 500) i;
CREATE INDEX fleeting_v ON fleeting USING ivf (v vector_l2_ops) WITH (lists = 1);
SELECT compare('fleeting', 3);
COMMIT;
BEGIN;
INSERT INTO fleeting SELECT i, point(i, 3) FROM generate_series(1, 500) i;
SELECT compare('fleeting', 3), annex_verify('fleeting_v', true);
COMMIT;
SELECT compare('fleeting', 3);

-- ANALYZE and others that only say that something has changed
ANALYZE t1;
SELECT insert_all(5001);
SELECT count(*) FROM compare_all() WHERE result = '500 rows';
DISCARD ALL;
SET search_path = ivf_cache, public;
SELECT count(*) FROM compare_all() WHERE result = '500 rows';
SELECT verify_all();

SET client_min_messages = warning;
DROP SCHEMA ivf_cache CASCADE;

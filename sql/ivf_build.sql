-- Building ivf indexes: options, every number of dimensions, tables that are empty, tiny, full of duplicates or of
-- vectors without a direction. What an index answers is compared with what sorting all rows gives.
SET client_min_messages = warning;
CREATE SCHEMA ivf_build;
SET search_path = ivf_build, public;

-- A vector that looks random and is the same everywhere.
CREATE FUNCTION point(i int, dimensions int) RETURNS vector LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT array_agg(sin(i * 12.9898 + j * 78.233 + i * j * 0.37)::real)::vector FROM generate_series(1, dimensions) j
$$;

CREATE FUNCTION error_of(statement text, OUT state text, OUT message text, OUT detail text, OUT hint text)
LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	message := 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL,
		hint = PG_EXCEPTION_HINT;
END $$;

-- All rows in the order of their distance to `query`, by the index and by sorting: the same distances one by one, and
-- each row once. With every list probed and bounds this wide nothing is left to chance.
CREATE FUNCTION compare(tab text, operator text, query vector) RETURNS text LANGUAGE plpgsql
SET ivf.probes = 32768 SET ivf.epsilon = 10 AS $$
DECLARE
	statement text := format('SELECT id, v %s %L::vector AS distance FROM %s ORDER BY v %s %L::vector',
		operator, query, tab, operator, query);
	plan text := '';
	line text;
	ids int[];
	distances float8[];
	ids_sorted int[];
	distances_sorted float8[];
BEGIN
	SET LOCAL enable_seqscan = off;
	SET LOCAL enable_bitmapscan = off;
	FOR line IN EXECUTE 'EXPLAIN ' || statement LOOP
		plan := plan || line;
	END LOOP;
	IF plan !~ '^Index Scan using ' THEN RETURN 'not by the index'; END IF;
	EXECUTE format('SELECT array_agg(id), array_agg(distance) FROM (%s) answer', statement) INTO ids, distances;
	SET LOCAL enable_seqscan = on;
	SET LOCAL enable_indexscan = off;
	EXECUTE format('SELECT array_agg(id), array_agg(distance) FROM (%s) answer', statement)
		INTO ids_sorted, distances_sorted;
	SET LOCAL enable_indexscan = on;
	IF (SELECT array_agg(i ORDER BY i) FROM unnest(ids) i) IS DISTINCT FROM
		(SELECT array_agg(i ORDER BY i) FROM unnest(ids_sorted) i) THEN RETURN 'other rows'; END IF;
	IF distances IS DISTINCT FROM distances_sorted THEN RETURN 'another order'; END IF;
	RETURN coalesce(cardinality(ids), 0) || ' rows';
END $$;

-- Options -------------------------------------------------------------------------------------------------------------

CREATE TABLE options (id int, v vector(8));
INSERT INTO options SELECT i, point(i, 8) FROM generate_series(1, 3000) i;

CREATE INDEX plain ON options USING ivf (v vector_l2_ops);
CREATE INDEX lists_given ON options USING ivf (v vector_l2_ops) WITH (lists = 5);
CREATE INDEX spill_on ON options USING ivf (v vector_l2_ops) WITH (lists = 5, spill = on);
CREATE INDEX spill_off ON options USING ivf (v vector_l2_ops) WITH (lists = 5, spill = off);
CREATE INDEX spill_auto ON options USING ivf (v vector_l2_ops) WITH (lists = 0, spill = auto);
CREATE INDEX spill_alone ON options USING ivf (v vector_l2_ops) WITH (lists = 1, spill = on);
SELECT relname, reloptions FROM pg_class WHERE relnamespace = 'ivf_build'::regnamespace AND relkind = 'i' ORDER BY 1;

SELECT lists > 1 AS many_lists, rows, entries IN (3000, 6000) AS entries FROM annex_index_info('plain');
SELECT lists, rows FROM annex_index_info('lists_given');
SELECT lists, spill, rows, entries FROM annex_index_info('spill_on');
SELECT lists, spill, rows, entries FROM annex_index_info('spill_off');
SELECT lists > 1 AS many_lists, rows FROM annex_index_info('spill_auto');
SELECT lists, rows, entries FROM annex_index_info('spill_alone');

-- An option that changes applies from the next build on.
ALTER INDEX lists_given SET (lists = 7, spill = on);
SELECT lists, spill FROM annex_index_info('lists_given');
REINDEX INDEX lists_given;
SELECT lists, spill, entries FROM annex_index_info('lists_given');
ALTER INDEX lists_given RESET (lists, spill);
SELECT reloptions FROM pg_class WHERE relname = 'lists_given';

-- Memory bounds the number of lists: fewer where it is chosen, an error where it is given.
SET maintenance_work_mem = '1MB';
CREATE TABLE wide (id int, v vector(1024));
INSERT INTO wide SELECT i, array_fill(i, ARRAY[1024])::vector FROM generate_series(1, 2000) i;
CREATE INDEX little_memory ON wide USING ivf (v vector_l2_ops);
SELECT state, regexp_replace(message, '\d+', 'N') AS message, detail, hint
	FROM error_of('CREATE INDEX ON wide USING ivf (v vector_l2_ops) WITH (lists = 1000)');
RESET maintenance_work_mem;
CREATE INDEX more_memory ON wide USING ivf (v vector_l2_ops);
SELECT little.lists < more.lists AS fewer, little.rows, more.rows
	FROM annex_index_info('little_memory') little, annex_index_info('more_memory') more;
SELECT annex_verify('little_memory', true);
DROP TABLE wide;

DROP INDEX plain, lists_given, spill_auto, spill_on, spill_alone;
SELECT compare('options', '<->', point(-1, 8));

-- More lists than rows, and lists that stay empty because all rows are the same.
CREATE TABLE few (id int, v vector(8));
INSERT INTO few SELECT i, point(i, 8) FROM generate_series(1, 10) i;
CREATE INDEX few_v ON few USING ivf (v vector_l2_ops) WITH (lists = 100, spill = on);
SELECT lists, rows, list_size_min FROM annex_index_info('few_v');
INSERT INTO few SELECT i, point(i, 8) FROM generate_series(11, 300) i;
SELECT compare('few', '<->', point(-1, 8)), annex_verify('few_v', true);

CREATE TABLE same (id int, v vector(4));
INSERT INTO same SELECT i, '[1,2,3,4]' FROM generate_series(1, 1000) i;
CREATE INDEX same_l2 ON same USING ivf (v vector_l2_ops) WITH (lists = 10, spill = on);
CREATE INDEX same_ip ON same USING ivf (v vector_ip_ops);
CREATE INDEX same_cosine ON same USING ivf (v vector_cosine_ops) WITH (spill = off);
INSERT INTO same SELECT i, '[1,2,3,4]' FROM generate_series(1001, 2000) i;
INSERT INTO same SELECT i, '[4,3,2,1]' FROM generate_series(2001, 2010) i;
SELECT operator, compare('same', operator, query)
	FROM unnest(ARRAY['<->', '<#>', '<=>']) operator, unnest(ARRAY['[1,2,3,4]', '[9,9,9,9]', '[0,0,0,1]']::vector[]) query;
SELECT annex_verify('same_l2', true), annex_verify('same_ip', true), annex_verify('same_cosine', true);

-- From nothing --------------------------------------------------------------------------------------------------------

CREATE TABLE empty (id int, v vector(5));
CREATE INDEX empty_l2 ON empty USING ivf (v vector_l2_ops);
CREATE INDEX empty_ip ON empty USING ivf (v vector_ip_ops) WITH (spill = on);
CREATE INDEX empty_cosine ON empty USING ivf (v vector_cosine_ops) WITH (lists = 3, spill = on);
SELECT compare('empty', '<->', '[1,2,3,4,5]'), compare('empty', '<#>', '[1,2,3,4,5]'),
	compare('empty', '<=>', '[1,2,3,4,5]');
INSERT INTO empty SELECT i, point(i, 5) FROM generate_series(1, 1) i;
SELECT compare('empty', '<->', point(-1, 5)), compare('empty', '<#>', point(-1, 5)), compare('empty', '<=>', point(-1, 5));
INSERT INTO empty SELECT i, point(i, 5) FROM generate_series(2, 3000) i;
SELECT compare('empty', '<->', point(-1, 5)), compare('empty', '<#>', point(-1, 5)), compare('empty', '<=>', point(-1, 5));
SELECT annex_verify('empty_l2', true), annex_verify('empty_ip', true), annex_verify('empty_cosine', true);

CREATE TABLE one (id int, v vector(5));
INSERT INTO one VALUES (1, '[1,0,0,0,0]');
CREATE INDEX one_l2 ON one USING ivf (v vector_l2_ops);
CREATE INDEX one_cosine ON one USING ivf (v vector_cosine_ops) WITH (lists = 2, spill = on);
SELECT compare('one', '<->', point(-1, 5)), compare('one', '<=>', point(-1, 5));
SELECT annex_verify('one_l2', true), annex_verify('one_cosine', true);

-- Rows without a direction or without a vector: pgvector's indexes lose them, these return them last ------------------

CREATE TABLE gaps (id int, v vector(3));
INSERT INTO gaps SELECT i, CASE i % 5 WHEN 0 THEN NULL WHEN 1 THEN '[0,0,0]' ELSE point(i, 3) END
	FROM generate_series(1, 1500) i;
CREATE INDEX gaps_l2 ON gaps USING ivf (v vector_l2_ops);
CREATE INDEX gaps_ip ON gaps USING ivf (v vector_ip_ops);
CREATE INDEX gaps_cosine ON gaps USING ivf (v vector_cosine_ops);
INSERT INTO gaps SELECT i, CASE i % 5 WHEN 0 THEN NULL WHEN 1 THEN '[0,0,0]' ELSE point(i, 3) END
	FROM generate_series(1501, 3000) i;
SELECT rows, nan_rows, null_rows FROM annex_index_info('gaps_l2');
SELECT rows, nan_rows, null_rows FROM annex_index_info('gaps_ip');
SELECT rows, nan_rows, null_rows FROM annex_index_info('gaps_cosine');
SELECT compare('gaps', '<->', point(-1, 3)), compare('gaps', '<#>', point(-1, 3)), compare('gaps', '<=>', point(-1, 3));
SELECT annex_verify('gaps_l2', true), annex_verify('gaps_ip', true), annex_verify('gaps_cosine', true);

-- Nothing but those
CREATE TABLE void (id int, v vector(3));
INSERT INTO void SELECT i, CASE i % 2 WHEN 0 THEN NULL ELSE '[0,0,0]' END::vector FROM generate_series(1, 3000) i;
CREATE INDEX void_l2 ON void USING ivf (v vector_l2_ops);
CREATE INDEX void_cosine ON void USING ivf (v vector_cosine_ops);
SELECT rows, nan_rows, null_rows FROM annex_index_info('void_cosine');
SELECT compare('void', '<->', point(-1, 3)), compare('void', '<=>', point(-1, 3));
SELECT annex_verify('void_l2', true), annex_verify('void_cosine', true);

-- Dimensions: around a sketch's word, a page, two pages; half of the rows come by build, half by insert, a third of them
-- is deleted and replaced -----------------------------------------------------------------------------------------------

CREATE TABLE dimensions (d int, n int);
INSERT INTO dimensions VALUES (1, 500), (2, 500), (3, 500), (63, 500), (64, 500), (65, 500), (128, 500), (1024, 210),
	(2000, 120), (4000, 90), (8192, 60), (16000, 60);
CREATE FUNCTION compare_all() RETURNS TABLE (d int, l2 text, ip text, cosine text) LANGUAGE sql AS $$
	SELECT d, compare('d' || d, '<->', point(-1, d)), compare('d' || d, '<#>', point(-1, d)),
		compare('d' || d, '<=>', point(-1, d))
	FROM dimensions ORDER BY d
$$;
DO $$
DECLARE
	d int;
	n int;
BEGIN
	FOR d, n IN SELECT * FROM dimensions LOOP
		EXECUTE format('CREATE TABLE d%s (id int, v vector(%s))', d, d);
		EXECUTE format('INSERT INTO d%s SELECT i, point(i, %s) FROM generate_series(1, %s) i', d, d, n / 2);
		EXECUTE format('CREATE INDEX d%s_l2 ON d%s USING ivf (v vector_l2_ops) WITH (lists = 3, spill = on)', d, d);
		EXECUTE format('CREATE INDEX d%s_ip ON d%s USING ivf (v vector_ip_ops) WITH (lists = 3, spill = off)', d, d);
		EXECUTE format('CREATE INDEX d%s_cosine ON d%s USING ivf (v vector_cosine_ops) WITH (lists = 3)', d, d);
	END LOOP;
END $$;
SELECT * FROM compare_all();
DO $$
DECLARE
	d int;
	n int;
BEGIN
	FOR d, n IN SELECT * FROM dimensions LOOP
		EXECUTE format('INSERT INTO d%s SELECT i, point(i, %s) FROM generate_series(%s, %s) i', d, d, n / 2 + 1, n);
		EXECUTE format('DELETE FROM d%s WHERE id %% 3 = 0', d);
	END LOOP;
END $$;
SELECT format('VACUUM (INDEX_CLEANUP on) d%s', d) FROM dimensions \gexec
SELECT * FROM compare_all();
DO $$
DECLARE
	d int;
	n int;
BEGIN
	FOR d, n IN SELECT * FROM dimensions LOOP
		EXECUTE format('INSERT INTO d%s SELECT i, point(i, %s) FROM generate_series(3, %s, 3) i', d, d, n);
	END LOOP;
END $$;
SELECT * FROM compare_all();
SELECT d, count(annex_verify(format('d%s_%s', d, metric)::regclass, true)::text) AS verified
	FROM dimensions, unnest(ARRAY['l2', 'ip', 'cosine']) metric GROUP BY d ORDER BY d;

-- Two builds of the same rows give the same index.
CREATE INDEX again ON options USING ivf (v vector_l2_ops) WITH (lists = 5, spill = off);
CREATE FUNCTION same_sizes(a regclass, b regclass) RETURNS boolean LANGUAGE sql AS $$
	SELECT annex_index_info(a) IS NOT DISTINCT FROM annex_index_info(b)
$$;
SELECT same_sizes('spill_off', 'again');

DROP SCHEMA ivf_build CASCADE;

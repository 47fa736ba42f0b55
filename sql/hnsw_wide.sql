-- Graphs over vectors of more dimensions than a page has room for: by images, whose answers are put into exact order.
SET client_min_messages = warning;
CREATE SCHEMA hnsw_wide;
SET search_path = hnsw_wide, public;
SET enable_seqscan = off;

-- ten directions, and a little of a row's own
CREATE FUNCTION point(i int, dimensions int) RETURNS vector LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT array_agg((sin(abs(i) % 10 * 12.9898 + j * 78.233) + 0.7 * sin(i * 1.37 + i * j * 0.61))::real)::vector
	FROM generate_series(1, dimensions) j
$$;

CREATE FUNCTION error_of(statement text, OUT state text, OUT message text, OUT hint text) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	message := 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
END $$;

-- For some queries: do the rows by the index have the distances of those by sorting?
CREATE FUNCTION compare(relation text, expression text, operator text, tail text DEFAULT '') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	query text := format('SELECT id, %1$s %2$s q.%1$s AS distance FROM %3$s ORDER BY %1$s %2$s q.%1$s %4$s', expression, operator, relation, tail);
	statement text := format('SELECT string_agg(ids || '':'' || distances, '';'' ORDER BY q.id) FROM queries q,
		LATERAL (SELECT count(DISTINCT id) AS ids, array_agg(distance)::text AS distances FROM (%s) a) b WHERE q.relation = %L',
		query, substring(relation FROM '\w+$'));
	line text;
	plan text := '';
	found text;
	exact text;
BEGIN
	PERFORM set_config('enable_sort', 'off', true);
	FOR line IN EXECUTE 'EXPLAIN ' || statement LOOP
		plan := plan || line;
	END LOOP;
	EXECUTE statement INTO found;
	PERFORM set_config('enable_indexscan', 'off', true);
	PERFORM set_config('enable_sort', 'on', true);
	EXECUTE statement INTO exact;
	PERFORM set_config('enable_indexscan', 'on', true);
	IF plan !~ 'Index Scan using \w+_hnsw' THEN RETURN plan; END IF;
	RETURN CASE WHEN found = exact THEN 'the same' ELSE 'others' END;
END $$;

CREATE TABLE wide (id int, v vector(5000), h halfvec(5000), grp int);
CREATE TABLE widest (id int, v vector(16000), h halfvec(16000), grp int);
CREATE TABLE queries (id int, relation text, v vector, h halfvec);
INSERT INTO queries SELECT i, 'wide', v, v::halfvec FROM generate_series(1, 3) i, point(-i, 5000) v;
INSERT INTO queries SELECT i, 'widest', v, v::halfvec FROM generate_series(1, 3) i, point(-i, 16000) v;
INSERT INTO wide SELECT i, v, v::halfvec(5000), i % 4 FROM generate_series(1, 120) i, point(i, 5000) v;
INSERT INTO widest SELECT i, v, v::halfvec(16000), i % 4 FROM generate_series(1, 40) i, point(i, 16000) v;
INSERT INTO wide VALUES (1000, NULL, NULL, 0), (1001, array_fill(0, ARRAY[5000])::vector, array_fill(0, ARRAY[5000])::halfvec, 0);
CREATE INDEX wide_l2_hnsw ON wide USING hnsw (v vector_l2_ops);
CREATE INDEX wide_ip_hnsw ON wide USING hnsw (v vector_ip_ops) WITH (m = 48, ef_construction = 200);
CREATE INDEX wide_cosine_hnsw ON wide USING hnsw (v vector_cosine_ops, grp);
CREATE INDEX wide_l1_hnsw ON wide USING hnsw (v vector_l1_ops);
CREATE INDEX wide_half_hnsw ON wide USING hnsw (h halfvec_l2_ops);
CREATE INDEX widest_l2_hnsw ON widest USING hnsw (v vector_l2_ops);
CREATE INDEX widest_half_hnsw ON widest USING hnsw (h halfvec_cosine_ops);
CREATE INDEX widest_l1_hnsw ON widest USING hnsw (h halfvec_l1_ops);
INSERT INTO wide SELECT i, v, v::halfvec(5000), i % 4 FROM generate_series(121, 150) i, point(i, 5000) v;
INSERT INTO widest SELECT i, v, v::halfvec(16000), i % 4 FROM generate_series(41, 60) i, point(i, 16000) v;
SELECT i.relname, dimensions, rows + first_rows AS rows FROM pg_class i, annex_index_info(i.oid) x
	WHERE i.relname ~ '_hnsw$' AND i.relnamespace = 'hnsw_wide'::regnamespace ORDER BY 1;
SELECT count(annex_verify(oid, true)) FROM pg_class i WHERE i.relname ~ '_hnsw$' AND i.relnamespace = 'hnsw_wide'::regnamespace;

-- All rows in exact order, when all are compared
SET annex.rerank = 1000000;
SELECT operator, compare('wide', 'v', operator, 'LIMIT 100') FROM unnest('{<->,<#>,<=>,<+>}'::text[]) operator;
SELECT compare('wide', 'h', '<->', 'LIMIT 100'), compare('widest', 'v', '<->', 'LIMIT 30'), compare('widest', 'h', '<=>', 'LIMIT 30'),
	compare('widest', 'h', '<+>', 'LIMIT 30');
RESET annex.rerank;

-- With defaults nearly all of the nearest
SELECT i, recall >= 0.9 AS recall, measured FROM unnest('{wide_l2_hnsw,wide_ip_hnsw,wide_cosine_hnsw,wide_l1_hnsw,wide_half_hnsw,widest_l2_hnsw}'::regclass[]) i,
	annex_recall(i, 10, 20);
SELECT compare('(SELECT * FROM wide WHERE grp = 2) wide', 'v', '<=>', 'LIMIT 10');

-- A query of other dimensions, a row of others; a query that is NULL, of zeros, beyond the range
SELECT message FROM error_of('SELECT id FROM wide ORDER BY v <-> ''[1,2]'' LIMIT 1');
SELECT message FROM error_of('INSERT INTO wide (v) VALUES (''[1,2]'')');
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM wide ORDER BY v <-> (SELECT NULL::vector)) s;
SELECT count(*) FROM (SELECT id FROM wide ORDER BY v <=> (array_fill(0, ARRAY[5000])::vector)) s;
SELECT id FROM wide ORDER BY v <-> (array_fill(0, ARRAY[5000])::vector) LIMIT 1;
SELECT count(DISTINCT id) FROM (SELECT id FROM wide ORDER BY v <-> (array_fill(1e30, ARRAY[5000])::vector)) s;
INSERT INTO wide VALUES (2000, array_fill(1e30, ARRAY[5000])::vector, NULL, 1);
SELECT count(*), max(id) FROM (SELECT id FROM wide WHERE grp = 1 ORDER BY v <=> point(-1, 5000)) s;

-- Changes
DELETE FROM wide WHERE id % 3 = 0;
UPDATE wide SET v = point(id + 500, 5000) WHERE id % 3 = 1;
VACUUM (INDEX_CLEANUP on) wide;
SELECT count(annex_verify(oid, true)) FROM pg_class i WHERE i.relname ~ '_hnsw$' AND i.relnamespace = 'hnsw_wide'::regnamespace;
INSERT INTO wide SELECT i, v, v::halfvec(5000), i % 4 FROM generate_series(301, 330) i, point(i, 5000) v;
SELECT count(annex_verify(oid, true)) FROM pg_class i WHERE i.relname ~ '_hnsw$' AND i.relnamespace = 'hnsw_wide'::regnamespace;
SET annex.rerank = 1000000;
SELECT operator, compare('wide', 'v', operator, 'LIMIT 100') FROM unnest('{<->,<#>,<=>,<+>}'::text[]) operator;

-- Up to what fits on a page nothing changes: bounds are true, and the executor puts rows into order. Nodes have room for
-- fewer edges than they might have.
CREATE TABLE fits (id int, v vector(4800));
CREATE INDEX fits_few_hnsw ON fits USING hnsw (v vector_l2_ops) WITH (m = 16);
CREATE INDEX fits_many_hnsw ON fits USING hnsw (v vector_ip_ops) WITH (m = 100, ef_construction = 200);
INSERT INTO fits SELECT i, point(i, 4800) FROM generate_series(1, 30) i;
INSERT INTO queries SELECT i, 'fits', point(-i, 4800) FROM generate_series(1, 2) i;
SELECT i, dimensions, nodes, node_pages FROM unnest('{fits_few_hnsw,fits_many_hnsw}'::regclass[]) i, annex_index_info(i);
SELECT compare('fits', 'v', '<->'), compare('fits', 'v', '<#>');
SELECT count(annex_verify(i, true)) FROM unnest('{fits_few_hnsw,fits_many_hnsw}'::regclass[]) i;
-- beyond the limits of the types there is nothing to index
SELECT message FROM error_of('CREATE TABLE nothing (v vector(16001))');
SELECT message FROM error_of('CREATE TABLE nothing (v halfvec(16001))');

DROP SCHEMA hnsw_wide CASCADE;

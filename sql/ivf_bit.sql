-- ivf and ivfflat indexes on bit, by Hamming and by Jaccard distance: build, insert, vacuum, maintenance, order, ties, filters,
-- distances within a bound, expressions, recall, errors.
SET client_min_messages = warning;
CREATE SCHEMA ivf_bit;
SET search_path = ivf_bit, public;
SET max_parallel_workers_per_gather = 0;

CREATE FUNCTION error_of(statement text, OUT state text, OUT message text, OUT hint text) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	message := 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
END $$;

-- random bits, of which about one in 2^sparse is set
CREATE FUNCTION point(i int, bits int, sparse int DEFAULT 1) RETURNS varbit LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT string_agg((hashint8(i * 100000::bigint + j) & ((1 << sparse) - 1) = 0)::int::text, '' ORDER BY j)::varbit FROM generate_series(1, bits) j
$$;

-- near one of 40 centres: one bit in eight differs
CREATE FUNCTION near(i int, bits int) RETURNS varbit LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT point(1000000 + i % 40, bits) # point(i, bits, 3)
$$;

-- The rows of a query on which the planner has no choice: by the index, or by sorting.
CREATE FUNCTION answer(query text, by_index boolean, OUT ids int[], OUT distances float8[]) LANGUAGE plpgsql AS $$
DECLARE
	line text;
	plan text := '';
BEGIN
	PERFORM set_config('enable_seqscan', (NOT by_index)::text, true),
		set_config('enable_indexscan', by_index::text, true);
	FOR line IN EXECUTE 'EXPLAIN ' || query LOOP
		plan := plan || line;
	END LOOP;
	IF by_index <> (plan ~ 'Index Scan using \w+_ivf') THEN RAISE EXCEPTION 'another plan: %', plan; END IF;
	EXECUTE format('SELECT array_agg(id), array_agg(distance) FROM (%s) answer', query) INTO ids, distances;
	PERFORM set_config('enable_seqscan', 'on', true), set_config('enable_indexscan', 'on', true);
END $$;

-- Of rows that are equally far any may come.
CREATE FUNCTION compare(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	found record := answer(query, true);
	exact record := answer(query, false);
BEGIN
	IF found.distances IS DISTINCT FROM exact.distances THEN RETURN 'other distances'; END IF;
	IF (SELECT count(DISTINCT i) FROM unnest(found.ids) i) <> coalesce(cardinality(found.ids), 0) THEN RETURN 'a row twice'; END IF;
	IF query !~ 'LIMIT' AND (SELECT array_agg(i ORDER BY i) FROM unnest(found.ids) i) IS DISTINCT FROM
		(SELECT array_agg(i ORDER BY i) FROM unnest(exact.ids) i) THEN RETURN 'other rows'; END IF;
	RETURN coalesce(cardinality(found.ids), 0) || ' rows';
END $$;

-- Five queries of `source` by `expression` and each of these operators.
CREATE FUNCTION compare_many(source text, expression text, operators text[], bits int, tail text) RETURNS TABLE (operator text, result text)
LANGUAGE sql AS $$
	SELECT operator, string_agg(DISTINCT compare(format('SELECT id, %s %s %L::bit(%s) AS distance FROM %s ORDER BY %1$s %2$s %3$L::bit(%4$s) %6$s',
			expression, operator, near(-q, bits), bits, source, tail)), ', ')
	FROM unnest(operators) operator, generate_series(1, 5) q GROUP BY operator ORDER BY operator
$$;

-- The classes

SELECT amname, opcname, opcdefault, opcintype::regtype, amvalidate(c.oid) AS valid FROM pg_opclass c JOIN pg_am a ON a.oid = opcmethod
	WHERE amname IN ('ivf', 'ivfflat') AND opcname ~ '^bit_(hamming|jaccard)_ops' ORDER BY amname, opcname;

-- Build and insert: rows without a value, and some where no bit is set

CREATE TABLE t (id int, b bit(100), grp int);
INSERT INTO t SELECT i, CASE WHEN i % 100 = 7 THEN NULL WHEN i % 100 = 8 THEN 0::bit(100) ELSE near(i, 100)::bit(100) END, i % 10
	FROM generate_series(1, 3000) i;
CREATE INDEX t_hamming_ivf ON t USING ivf (b) WITH (lists = 20, spill = on);
CREATE INDEX t_jaccard_ivf ON t USING ivf (b bit_jaccard_ops) WITH (lists = 20, spill = off);
INSERT INTO t SELECT i, CASE WHEN i % 100 = 9 THEN NULL WHEN i % 100 = 8 THEN 0::bit(100) ELSE near(i, 100)::bit(100) END, i % 10
	FROM generate_series(3001, 4000) i;
SELECT metric, dimensions FROM unnest('{t_hamming_ivf,t_jaccard_ivf}'::regclass[]) index, annex_index_info(index);

-- the exact order when all lists are probed
SET ivf.probes = 32768;
SELECT * FROM compare_many('t', 'b', '{<~>,<%>}', 100, '');
SELECT * FROM compare_many('t', 'b', '{<~>,<%>}', 100, 'LIMIT 10');
SELECT * FROM compare_many('t', 'b', '{<~>,<%>}', 100, 'LIMIT 2000');
SELECT * FROM compare_many('(SELECT * FROM t WHERE grp = 3) t', 'b', '{<~>,<%>}', 100, 'LIMIT 50');
-- where no bit or every bit of the query is set
SELECT operator, bit_count(query) AS set, compare(format('SELECT id, b %s %L::bit(100) AS distance FROM t ORDER BY b %1$s %2$L::bit(100) LIMIT 60', operator, query))
	FROM unnest('{<~>,<%>}'::text[]) operator, unnest(ARRAY[0::bit(100), ~0::bit(100)]) query ORDER BY 1, query;
RESET ivf.probes;

-- no row twice, none left out, whatever is probed
SELECT operator, cardinality((answer(format('SELECT id, b %s %L::bit(100) AS distance FROM t ORDER BY b %1$s %2$L::bit(100)', operator, near(-7, 100)), true)).ids) AS rows
	FROM unnest('{<~>,<%>}'::text[]) operator;
-- one query after another by the same scan
SET enable_seqscan = off;
SELECT count(*), count(DISTINCT n.id) > 1 AS various FROM generate_series(1, 20) q, LATERAL (SELECT id FROM t ORDER BY b <~> near(q, 100)::bit(100) LIMIT 3) n;

-- Each class serves its own operator. A cursor goes on where it was.

PREPARE by_hamming(bit) AS SELECT id FROM t ORDER BY b <~> $1 LIMIT 1;
PREPARE by_jaccard(bit) AS SELECT id FROM t ORDER BY b <%> $1 LIMIT 1;
SET plan_cache_mode = force_generic_plan;
EXPLAIN (COSTS off) EXECUTE by_hamming(1::bit(100));
EXPLAIN (COSTS off) EXECUTE by_jaccard(1::bit(100));
RESET plan_cache_mode;
SET ivf.probes = 32768;
BEGIN;
DECLARE c CURSOR FOR SELECT b <~> 5::bit(100) AS distance FROM t ORDER BY b <~> 5::bit(100);
MOVE 1500 FROM c;
FETCH 1 FROM c \gset
COMMIT;
RESET ivf.probes;
SET enable_indexscan = off;
SELECT b <~> 5::bit(100) = :distance AS same FROM t ORDER BY b <~> 5::bit(100) OFFSET 1500 LIMIT 1;
RESET enable_indexscan;

-- NULL and other lengths as queries
SELECT count(*) AS rows, count(distance) AS distances FROM (SELECT b <~> NULL::bit(100) AS distance FROM t ORDER BY b <~> NULL::bit(100)) x;
SELECT e.* FROM error_of($$SELECT id FROM t ORDER BY b <~> B'101' LIMIT 1$$) e;
SELECT e.* FROM error_of($$SELECT id FROM t ORDER BY b <%> B'101' LIMIT 1$$) e;
RESET enable_seqscan;

-- Ties: many rows are at the very distance of the last that is wanted, and all that is nearer comes.

CREATE TABLE ties (id int, b bit(8));
INSERT INTO ties SELECT i, (i % 7)::bit(8) FROM generate_series(1, 5000) i;
CREATE INDEX ties_hamming_ivf ON ties USING ivf (b bit_hamming_ops) WITH (lists = 4);
CREATE INDEX ties_jaccard_ivf ON ties USING ivf (b bit_jaccard_ops) WITH (lists = 4);
SET ivf.probes = 32768;
SELECT operator, n, compare(format('SELECT id, b %s B''00000100'' AS distance FROM ties ORDER BY b %1$s B''00000100'' LIMIT %s', operator, n))
	FROM unnest('{<~>,<%>}'::text[]) operator, unnest('{1,10,700,716,2000,5000}'::int[]) n ORDER BY 1, 2;
-- all rows the same
UPDATE ties SET b = B'10101010';
VACUUM ties;
SELECT operator, compare(format('SELECT id, b %s B''00000100'' AS distance FROM ties ORDER BY b %1$s B''00000100'' LIMIT 500', operator)) FROM unnest('{<~>,<%>}'::text[]) operator;
REINDEX TABLE ties;
SELECT operator, compare(format('SELECT id, b %s B''00000100'' AS distance FROM ties ORDER BY b %1$s B''00000100''', operator)) FROM unnest('{<~>,<%>}'::text[]) operator;
SELECT annex_verify('ties_hamming_ivf', true), annex_verify('ties_jaccard_ivf', true);
RESET ivf.probes;
DROP TABLE ties;

-- Delete, vacuum, update; new lists from the index's own rows

DELETE FROM t WHERE id % 3 = 0;
VACUUM t;
UPDATE t SET b = near(id + 10000, 100)::bit(100) WHERE id % 7 = 0;
SELECT annex_verify('t_hamming_ivf', true), annex_verify('t_jaccard_ivf', true);
SET ivf.probes = 32768;
SELECT * FROM compare_many('t', 'b', '{<~>,<%>}', 100, '');
DO $$BEGIN PERFORM annex_maintain('t_hamming_ivf', true), annex_maintain('t_jaccard_ivf', true); END$$;
SELECT annex_verify('t_hamming_ivf', true), annex_verify('t_jaccard_ivf', true);
SELECT * FROM compare_many('t', 'b', '{<~>,<%>}', 100, '');
SELECT * FROM compare_many('t', 'b', '{<~>,<%>}', 100, 'LIMIT 10');
RESET ivf.probes;
SELECT index, recall > 0.9 AS recall, measured FROM unnest('{t_hamming_ivf,t_jaccard_ivf}'::regclass[]) index, annex_recall(index, k => 10, queries => 50);

-- An index that was made before its rows

CREATE TABLE grown (id int, b bit(64));
CREATE INDEX grown_ivf ON grown USING ivf (b bit_hamming_ops);
INSERT INTO grown SELECT i, near(i, 64)::bit(64) FROM generate_series(1, 3000) i;
DO $$BEGIN PERFORM annex_maintain('grown_ivf'); END$$;
SET ivf.probes = 32768;
SELECT * FROM compare_many('grown', 'b', '{<~>}', 64, 'LIMIT 100');
RESET ivf.probes;
SELECT annex_verify('grown_ivf', true);
DROP TABLE grown;

-- Lengths: one bit, no whole byte, a whole row of codes, rows longer than a page

CREATE TABLE lengths (id int, a bit(1), b bit(13), c bit(64), d bit(1031), e bit(16000));
INSERT INTO lengths SELECT i, near(i, 1)::bit(1), near(i, 13)::bit(13), near(i, 64)::bit(64), near(i, 1031)::bit(1031), repeat(near(i, 100)::text, 160)::bit(16000)
	FROM generate_series(1, 150) i;
CREATE INDEX a_ivf ON lengths USING ivf (a bit_hamming_ops) WITH (lists = 2);
CREATE INDEX b_ivf ON lengths USING ivf (b bit_hamming_ops) WITH (lists = 2);
CREATE INDEX c_ivf ON lengths USING ivf (c bit_hamming_ops) WITH (lists = 2);
CREATE INDEX d_ivf ON lengths USING ivf (d bit_hamming_ops) WITH (lists = 2);
CREATE INDEX e_ivf ON lengths USING ivf (e bit_hamming_ops) WITH (lists = 2);
INSERT INTO lengths SELECT i, near(i, 1)::bit(1), near(i, 13)::bit(13), near(i, 64)::bit(64), near(i, 1031)::bit(1031), repeat(near(i, 100)::text, 160)::bit(16000)
	FROM generate_series(151, 200) i;
SELECT c.name, r.result FROM (VALUES ('a', 1), ('b', 13), ('c', 64), ('d', 1031), ('e', 16000)) c(name, bits),
	compare_many('lengths', c.name, '{<~>}', c.bits, 'LIMIT 150') r ORDER BY 1;
SELECT name, annex_verify((name || '_ivf')::regclass, true) FROM unnest('{a,b,c,d,e}'::text[]) name;
DROP TABLE lengths;

-- Filter columns, and a bound of the distance

CREATE INDEX t_columns_ivf ON t USING ivf (b bit_hamming_ops, grp) WITH (lists = 20);
DROP INDEX t_hamming_ivf;
SET ivf.probes = 32768;
SELECT * FROM compare_many('(SELECT * FROM t WHERE grp = 3) t', 'b', '{<~>}', 100, 'LIMIT 20');
SELECT * FROM compare_many('(SELECT * FROM t WHERE grp BETWEEN 2 AND 4) t', 'b', '{<~>}', 100, '');
RESET ivf.probes;
VACUUM ANALYZE t;
CREATE FUNCTION within(operator text, radius float8, by_index boolean) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	found bigint;
	line text;
	plan text := '';
	query text := format('SELECT count(*) FROM t WHERE b %s %L::bit(100) < %s', operator, ivf_bit.near(-3, 100), radius);
BEGIN
	PERFORM set_config('annex.enable_filtered_scan', by_index::text, true), set_config('enable_seqscan', 'off', true);
	FOR line IN EXECUTE 'EXPLAIN (COSTS off) ' || query LOOP
		plan := plan || line;
	END LOOP;
	IF by_index <> (plan ~ 'Way: range') THEN RAISE EXCEPTION 'another plan: %', plan; END IF;
	EXECUTE query INTO found;
	RETURN found;
END $$;
SELECT operator, radius, within(operator, radius, true) = within(operator, radius, false) AS same
	FROM (SELECT '<~>' AS operator, unnest('{0,1,20,21,50,101}'::float8[]) AS radius UNION ALL SELECT '<%>', unnest('{0,0.25,0.5,1,2}'::float8[])) x ORDER BY 1, 2;

-- An expression: bits of vectors find what the vectors themselves rank

CREATE TABLE items (id int, embedding vector(48));
CREATE FUNCTION embedding(i int) RETURNS vector LANGUAGE sql IMMUTABLE AS $$
	SELECT array_agg((sin(i % 40 * 12.9898 + j * 78.233) + 0.4 * sin(i * 0.7 + j * i))::real ORDER BY j)::vector FROM generate_series(1, 48) j
$$;
INSERT INTO items SELECT i, embedding(i) FROM generate_series(1, 2000) i;
INSERT INTO items VALUES (2001, NULL);
CREATE INDEX items_ivf ON items USING ivf ((binary_quantize(embedding)::bit(48)) bit_hamming_ops);
INSERT INTO items SELECT i, embedding(i) FROM generate_series(2002, 2100) i;
SET ivf.probes = 32768;
SELECT * FROM compare_many('items', 'binary_quantize(embedding)::bit(48)', '{<~>}', 48, '');
SELECT * FROM compare_many('items', 'binary_quantize(embedding)::bit(48)', '{<~>}', 48, 'LIMIT 10');
RESET ivf.probes;
SET enable_seqscan = off;
PREPARE nearest(vector) AS SELECT id FROM (SELECT * FROM items ORDER BY binary_quantize(embedding)::bit(48) <~> binary_quantize($1) LIMIT 40) x
	ORDER BY embedding <=> $1 LIMIT 1;
SET plan_cache_mode = force_generic_plan;
EXPLAIN (COSTS off) EXECUTE nearest(embedding(5));
RESET plan_cache_mode;
EXECUTE nearest(embedding(5));
RESET enable_seqscan;
SELECT recall > 0.9 AS recall FROM annex_recall('items_ivf', k => 10, queries => 20);
DROP TABLE items;

-- ivfflat

CREATE INDEX t_flat_ivf ON t USING ivfflat (b bit_hamming_ops) WITH (lists = 20);
DROP INDEX t_columns_ivf;
INSERT INTO t SELECT i, near(i, 100)::bit(100), i % 10 FROM generate_series(5001, 5500) i;
SET ivfflat.probes = 20;
SELECT * FROM compare_many('t', 'b', '{<~>}', 100, 'LIMIT 10');
SELECT * FROM compare_many('t', 'b', '{<~>}', 100, 'LIMIT 1000');
RESET ivfflat.probes;
SELECT annex_verify('t_flat_ivf', true);

-- What cannot be indexed

CREATE TABLE bad (any_length varbit, unknown bit varying(8), one bit(3), big bit(64001), v vector(3));
SELECT statement, e.* FROM unnest(ARRAY['any_length bit_hamming_ops', 'unknown bit_jaccard_ops', '(one::varbit) bit_hamming_ops', '(binary_quantize(v)) bit_hamming_ops', 'big bit_hamming_ops']) statement,
	error_of('CREATE INDEX ON bad USING ivf (' || statement || ')') e;
SELECT statement, e.* FROM unnest(ARRAY['any_length bit_hamming_ops', 'one', 'one bit_jaccard_ops', 'big bit_hamming_ops']) statement,
	error_of('CREATE INDEX ON bad USING ivfflat (' || statement || ')') e;
SELECT e.* FROM error_of('CREATE INDEX ON bad USING ivf (one vector_l2_ops)') e;

-- How many of a row's bits are set says nothing of how far it is from its list

CREATE TABLE more (b bit(1000));
INSERT INTO more SELECT (repeat('1', i % 60) || repeat('0', i % 900))::varbit::bit(1000) FROM generate_series(1, 3000) i;
CREATE INDEX more_ivf ON more USING ivf (b bit_hamming_ops) WITH (lists = 10);
INSERT INTO more SELECT ~b FROM more LIMIT 1000;
SELECT drift FROM annex_index_info('more_ivf');
DROP TABLE more;

-- Bits that end before their number, or go on behind it, by a cast that nobody should create
CREATE CAST (bytea AS bit) WITHOUT FUNCTION;
CREATE TABLE broken (b bit(16000));
CREATE INDEX broken_ivf ON broken USING ivf (b bit_hamming_ops);
-- numbers as little-endian machines store them
SET enable_seqscan = off;
SELECT bytes, e.* FROM unnest(ARRAY['\x803e0000', '\x803e000000']) bytes,
	error_of(format('INSERT INTO broken VALUES (%L::bytea::"bit")', bytes)) e;
SELECT bytes, e.* FROM unnest(ARRAY['\x803e0000', '\x803e000000', '\x803e', '\xffffffff', '\xffffff7f00']) bytes,
	error_of(format('SELECT FROM broken ORDER BY b <~> %L::bytea::"bit"', bytes)) e;
RESET enable_seqscan;
DROP TABLE broken;
DROP CAST (bytea AS bit);

DROP SCHEMA ivf_bit CASCADE;

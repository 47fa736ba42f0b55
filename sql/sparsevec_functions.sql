-- Functions and operators of sparsevec: distances and norms.

-- What a statement fails with.
CREATE FUNCTION error_of(statement text, OUT state text, OUT message text, OUT detail text) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	message := 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
END $$;

-- Distances

SELECT l2_distance('{1:3}/2'::sparsevec, '{2:4}/2'), l2_distance('{}/2'::sparsevec, '{2:1}/2'), '{}/2'::sparsevec <-> '{1:3,2:4}/2' AS operator;
SELECT sparsevec_l2_squared_distance('{1:3}/2', '{2:4}/2'), sparsevec_l2_squared_distance('{1:3,3:1}/3', '{1:1,2:2}/3');
SELECT inner_product('{1:1,2:2}/2'::sparsevec, '{1:3,2:4}/2'), inner_product('{1:1}/2'::sparsevec, '{2:1}/2'), '{1:1,2:2}/2'::sparsevec <#> '{1:3,2:4}/2' AS operator;
SELECT sparsevec_negative_inner_product('{1:1,2:2}/3', '{2:4,3:9}/3');
SELECT l1_distance('{}/2'::sparsevec, '{1:3,2:4}/2'), l1_distance('{1:-1}/2'::sparsevec, '{2:-1}/2'), '{1:1,2:1}/3'::sparsevec <+> '{2:3,3:-4}/3' AS operator;
SELECT cosine_distance('{1:1,2:2}/2'::sparsevec, '{1:2,2:4}/2') AS same, cosine_distance('{1:1}/2'::sparsevec, '{2:2}/2') AS across,
	cosine_distance('{1:1}/2'::sparsevec, '{1:-2}/2') AS opposite, '{1:1,2:1}/2'::sparsevec <=> '{1:1,2:-1}/2' AS operator;
SELECT '{}/1'::sparsevec <-> '{}/1', '{}/1'::sparsevec <+> '{}/1', inner_product('{}/1'::sparsevec, '{}/1');
SELECT '{1000000000:3}/1000000000'::sparsevec <-> '{1:4}/1000000000' AS far_apart;

-- rounding may carry a cosine past 1; the distance stays in its range
SELECT cosine_distance('{1:1.1,2:1.1}/2'::sparsevec, '{1:1.1,2:1.1}/2') BETWEEN 0 AND 1e-6 AS same,
	cosine_distance('{1:1.1,2:1.1}/2'::sparsevec, '{1:-1.1,2:-1.1}/2') BETWEEN 2 - 1e-6 AND 2 AS opposite;
-- the direction of a zero vector is unknown
SELECT cosine_distance('{1:1}/2'::sparsevec, '{}/2'), cosine_distance('{}/2'::sparsevec, '{}/2');
-- sums are floats: what overflows is infinite, what is too small is nothing, and neither is an error
SELECT l2_distance('{1:3e38}/1'::sparsevec, '{1:-3e38}/1'), l2_distance('{1:1e-37}/1'::sparsevec, '{1:-1e-37}/1') AS underflow,
	inner_product('{1:3e38}/1'::sparsevec, '{1:3e38}/1'), '{1:3e38}/1'::sparsevec <#> '{1:3e38}/1' AS negative,
	l1_distance('{1:3e38}/1'::sparsevec, '{1:-3e38}/1'), cosine_distance('{1:3e38}/1'::sparsevec, '{1:3e38}/1');

-- the same as between the vectors with their zeros, for lists of all lengths, with many indices in common and with few
CREATE FUNCTION random_floats(elements int, dimensions int, seed int) RETURNS float8[] LANGUAGE sql AS $$
	SELECT array_agg(CASE WHEN rank <= elements THEN ((i::bigint * 7919 + seed) % 23 - 11.5)::float8 / 4 ELSE 0 END ORDER BY i)
	FROM (SELECT i, row_number() OVER (ORDER BY md5(i || ' ' || seed)) AS rank FROM generate_series(1, dimensions) i) x
$$;
CREATE TABLE pairs AS
	SELECT a, b, x::sparsevec, y::sparsevec, x::vector AS dense_x, y::vector AS dense_y
	FROM unnest(ARRAY[0, 1, 2, 3, 4, 5, 8, 13, 40]) a, unnest(ARRAY[1, 3, 4, 7, 8, 9, 31, 32, 33, 130]) b, unnest(ARRAY[130, 1000]) dimensions,
		LATERAL (SELECT random_floats(a, dimensions, a) AS x, random_floats(b, dimensions, 1000 + b) AS y) v;
CREATE FUNCTION close_to(x float8, expected float8) RETURNS bool LANGUAGE sql AS
	$$SELECT x = expected OR abs(x - expected) <= 1e-5 * (1 + abs(expected))$$;
CREATE VIEW wrong AS SELECT a, b FROM pairs WHERE NOT (
	close_to(x <-> y, dense_x <-> dense_y) AND close_to(y <-> x, dense_x <-> dense_y) AND close_to(x <#> y, dense_x <#> dense_y) AND close_to(y <#> x, dense_x <#> dense_y)
	AND close_to(x <+> y, dense_x <+> dense_y) AND close_to(y <+> x, dense_x <+> dense_y) AND close_to(x <=> y, dense_x <=> dense_y) AND close_to(y <=> x, dense_x <=> dense_y)
	AND close_to(sparsevec_l2_squared_distance(x, y), vector_l2_squared_distance(dense_x, dense_y)) AND close_to(inner_product(x, y), inner_product(dense_x, dense_y))
	AND close_to(l2_norm(y), vector_norm(dense_y)) AND close_to(l2_norm(l2_normalize(y)), 1) AND (y <-> y) = 0 AND (y <+> y) = 0);
SELECT count(*) AS checked, (SELECT count(*) FROM wrong) AS wrong FROM pairs;
-- on every level of CPU instructions that can be forced
CREATE FUNCTION wrong_at(level text) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('annex.simd_level', level, true);
	RETURN (SELECT count(*) FROM wrong);
END $$;
SELECT sum(wrong_at(level)) AS wrong, bool_or(level = 'scalar') AS scalar_tried
	FROM pg_settings, unnest(enumvals) level WHERE name = 'annex.simd_level';
DROP VIEW wrong CASCADE;
DROP TABLE pairs;
DROP FUNCTION random_floats, close_to, wrong_at;

-- Norms

SELECT l2_norm('{1:3,2:4}/2'::sparsevec), l2_norm('{2:1}/2'::sparsevec), l2_norm('{}/2'::sparsevec);
-- in double precision: neither too large nor too small
SELECT l2_norm('{1:3e37,2:4e37}/2'::sparsevec)::real, l2_norm('{1:3e-40,2:4e-40}/2'::sparsevec)::real;
SELECT l2_normalize('{1:3,2:4}/2'::sparsevec), l2_normalize('{1:3}/2'::sparsevec), l2_normalize('{2:0.1}/2'::sparsevec), l2_normalize('{}/2'::sparsevec);
-- what becomes too small to be a float is no element any more
SELECT l2_normalize('{1:3e38}/1'::sparsevec), l2_normalize('{1:1e-37,2:3e38}/9'::sparsevec), l2_normalize('{1:1e-40}/2'::sparsevec), l2_normalize('{1:1e-45}/2'::sparsevec);

-- Errors

SELECT call, e.* FROM unnest(ARRAY[
	$$l2_distance('{}/2'::sparsevec, '{}/1')$$, $$inner_product('{}/2'::sparsevec, '{}/1')$$, $$cosine_distance('{}/2'::sparsevec, '{}/1')$$,
	$$l1_distance('{}/1'::sparsevec, '{}/1000000000')$$, $$sparsevec_l2_squared_distance('{}/1', '{}/2')$$, $$sparsevec_negative_inner_product('{}/1', '{}/2')$$,
	$$'{}/2'::sparsevec <-> '{}/1'$$, $$'{}/2'::sparsevec <-> '[1]'::vector$$,
	$$vector_dims('{}/1'::sparsevec)$$, $$'{}/1'::sparsevec + '{}/1'$$, $$avg('{}/1'::sparsevec)$$, $$vector_norm('{}/1'::sparsevec)$$
]) call, LATERAL error_of('SELECT ' || call) e;

-- A GIN index on the indices finds the rows of positive inner products (doc/sparsevec.md)

CREATE FUNCTION indices(v sparsevec) RETURNS int[] LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
	SELECT ARRAY(SELECT split_part(element, ':', 1)::int
		FROM unnest(string_to_array(substring(v::text FROM '{(.+)}'), ',')) element)
$$;
SELECT indices('{1:0.5,7:2}/30000'), indices('{}/5');
CREATE TABLE docs (id int, embedding sparsevec(300));
INSERT INTO docs SELECT i, format('{%s:%s,%s:1,%s:2}/300', 1 + i * 7 % 100, 1 + i % 11, 101 + i * 13 % 100, 201 + i * 17 % 100)::sparsevec FROM generate_series(1, 2000) i;
CREATE INDEX ON docs USING gin (indices(embedding));
ANALYZE docs;
EXPLAIN (COSTS off) SELECT id FROM docs WHERE indices(embedding) && '{8,150}' ORDER BY embedding <#> '{8:1,150:2}/300', id LIMIT 5;
SELECT array_agg(id) = (SELECT array_agg(id) FROM (SELECT id FROM docs ORDER BY embedding <#> '{8:1,150:2}/300', id LIMIT 30) by_sort) AS same
	FROM (SELECT id FROM docs WHERE indices(embedding) && indices('{8:1,150:2}/300') ORDER BY embedding <#> '{8:1,150:2}/300', id LIMIT 30) by_index;
-- and of sparse vectors with few dimensions an ivf index takes the vectors that they become
CREATE INDEX ON docs USING ivf ((embedding::vector(300)) vector_ip_ops) WITH (lists = 4);
SET enable_seqscan = off;
EXPLAIN (COSTS off) SELECT id FROM docs ORDER BY embedding::vector(300) <#> '{8:1,150:2}/300'::sparsevec::vector LIMIT 5;
RESET enable_seqscan;
DROP TABLE docs;
DROP FUNCTION indices;

-- NULL in, NULL out

SELECT l2_distance(NULL, '{}/1'::sparsevec), '{}/1'::sparsevec <=> NULL, l2_norm(NULL::sparsevec), l2_normalize(NULL::sparsevec);

-- What pgvector has, we have: names, arguments, results

SELECT p.oid::regprocedure AS function, prorettype::regtype AS result
	FROM pg_proc p JOIN pg_depend d ON d.objid = p.oid AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
	JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'annex'
	WHERE 'sparsevec'::regtype = ANY (proargtypes::oid[] || prorettype) OR proname ~ 'sparsevec'
	ORDER BY p.oid::regprocedure::text COLLATE "C";
SELECT o.oid::regoperator AS operator, oprresult::regtype AS result, oprcode::oid::regprocedure AS function, oprcom::regoperator AS commutator,
	oprnegate::regoperator AS negator, oprrest AS restrict, oprjoin AS join
	FROM pg_operator o WHERE 'sparsevec'::regtype IN (oprleft, oprright) ORDER BY oprname COLLATE "C";

DROP FUNCTION error_of;

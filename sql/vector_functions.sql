-- Functions and operators of vector: distances, norms, arithmetic, parts.

-- What a statement fails with.
CREATE FUNCTION error_of(statement text, OUT state text, OUT message text, OUT detail text) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	message := 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
END $$;

-- Distances

SELECT l2_distance('[0,0]'::vector, '[3,4]'), l2_distance('[0,0]'::vector, '[0,1]'), '[0,0]'::vector <-> '[3,4]' AS operator;
SELECT vector_l2_squared_distance('[0,0]', '[3,4]');
SELECT inner_product('[1,2]'::vector, '[3,4]'), inner_product('[1,1]'::vector, '[-1,1]'), '[1,2]'::vector <#> '[3,4]' AS operator;
SELECT vector_negative_inner_product('[1,2]', '[3,4]');
SELECT l1_distance('[0,0]'::vector, '[3,4]'), l1_distance('[0,0]'::vector, '[0,-1]'), '[0,0]'::vector <+> '[3,4]' AS operator;
SELECT cosine_distance('[1,2]'::vector, '[2,4]') AS same, cosine_distance('[1,0]'::vector, '[0,2]') AS across,
	cosine_distance('[1,1]'::vector, '[-1,-1]') AS opposite, '[1,1]'::vector <=> '[1,-1]' AS operator;
SELECT vector_spherical_distance('[1,0]', '[1,0]') AS same, vector_spherical_distance('[1,0]', '[0,1]') AS across,
	vector_spherical_distance('[1,0]', '[-1,0]') AS opposite;

-- rounding may carry a cosine or a product of unit vectors past 1; the distance stays in its range
SELECT cosine_distance('[1.1,1.1]'::vector, '[1.1,1.1]') BETWEEN 0 AND 1e-6 AS same,
	cosine_distance('[1.1,1.1]'::vector, '[-1.1,-1.1]') BETWEEN 2 - 1e-6 AND 2 AS opposite;
SELECT vector_spherical_distance('[2,0]', '[2,0]'), vector_spherical_distance('[2,0]', '[-2,0]');

-- the direction of a zero vector is unknown
SELECT cosine_distance('[1,2]'::vector, '[0,0]'), cosine_distance('[0,0]'::vector, '[0,0]'), l2_distance('[0,0]'::vector, '[0,0]');

-- sums are floats: what overflows is infinite, what is too small is nothing, and neither is an error
SELECT l2_distance('[3e38]'::vector, '[-3e38]'), l2_distance('[1e-37]'::vector, '[-1e-37]') AS underflow,
	inner_product('[3e38]'::vector, '[3e38]'), '[3e38]'::vector <#> '[3e38]' AS negative,
	l1_distance('[3e38]'::vector, '[-3e38]'), cosine_distance('[3e38]'::vector, '[3e38]');

-- more dimensions than any register holds, and a remainder at each end: against plain arithmetic on arrays
CREATE TABLE pairs AS
	SELECT n, array_agg((i * 7919 % 23 - 11)::float8 / 4 ORDER BY i) AS a, array_agg((i * 104729 % 19 - 9)::float8 / 8 ORDER BY i) AS b
	FROM unnest(ARRAY[1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 1000, 16000]) n, generate_series(1, n) i
	GROUP BY n;
CREATE VIEW checked AS
	SELECT n, a::vector, b::vector,
		(SELECT sum((x - y) ^ 2) FROM unnest(a, b) u (x, y)) AS l2_squared,
		(SELECT sum(x * y) FROM unnest(a, b) u (x, y)) AS product,
		(SELECT sum(abs(x - y)) FROM unnest(a, b) u (x, y)) AS l1,
		(SELECT sqrt(sum(x * x)) FROM unnest(a) u (x)) AS norm_a,
		(SELECT sqrt(sum(y * y)) FROM unnest(b) u (y)) AS norm_b
	FROM pairs;
CREATE FUNCTION close_to(x float8, expected float8) RETURNS bool LANGUAGE sql AS
	'SELECT abs(x - expected) <= 1e-5 * (1 + abs(expected))';
CREATE VIEW wrong AS
	SELECT n FROM checked WHERE NOT (close_to(a <-> b, sqrt(l2_squared)) AND close_to(vector_l2_squared_distance(a, b), l2_squared)
		AND close_to(inner_product(a, b), product) AND close_to(a <#> b, -product) AND close_to(a <+> b, l1)
		AND close_to(a <=> b, 1 - product / (norm_a * norm_b)) AND close_to(vector_norm(a), norm_a)
		AND close_to(vector_norm(l2_normalize(a)), 1));
SELECT count(*) AS checked, (SELECT count(*) FROM wrong) AS wrong FROM checked;

-- every level of CPU instructions that can be forced gives the same
CREATE FUNCTION wrong_at(level text) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('annex.simd_level', level, true);
	RETURN (SELECT count(*) FROM wrong);
END $$;
SELECT sum(wrong_at(level)) AS wrong, bool_or(level = 'scalar') AS scalar_tried
	FROM pg_settings, unnest(enumvals) level WHERE name = 'annex.simd_level';
SHOW annex.simd_level;
SELECT e.* FROM error_of($$SET annex.simd_level = 'none'$$) e;
DROP VIEW wrong CASCADE;
DROP FUNCTION wrong_at, close_to;
DROP VIEW checked;
DROP TABLE pairs;

-- only a superuser may force a level
CREATE ROLE regress_annex_nobody;
SET ROLE regress_annex_nobody;
SET annex.simd_level = 'scalar';
RESET ROLE;
DROP ROLE regress_annex_nobody;
-- the prefix is taken
SET annex.no_such_setting = 1;

-- Norms

SELECT vector_norm('[3,4]'), vector_norm('[0,1]'), vector_norm('[0,0]'), vector_norm('[2]');
-- in double precision: neither too large nor too small
SELECT vector_norm('[3e37,4e37]')::real, vector_norm('[3e-40,4e-40]')::real;

SELECT l2_normalize('[3,4]'::vector), l2_normalize('[3,0]'::vector), l2_normalize('[0,0.1]'::vector), l2_normalize('[0,0]'::vector);
SELECT l2_normalize('[3e38]'::vector), l2_normalize('[3e38,1e-37]'::vector), l2_normalize('[2e37,3e37,4e37,5e37]'::vector), l2_normalize('[1e-40]'::vector);

-- Arithmetic

SELECT '[1,2,3]'::vector + '[4,5,6]' AS sum, '[1,2,3]'::vector - '[4,5,6]' AS difference, '[1,2,3]'::vector * '[4,5,6]' AS product,
	'[1,2]'::vector || '[3,4,5]' AS concatenation;
SELECT vector_add('[1]', '[2]'), vector_sub('[1]', '[2]'), vector_mul('[2]', '[3]'), vector_concat('[1]', '[2]');
SELECT '[0,1e-40]'::vector * '[1e-40,0]'::vector AS zero_is_no_underflow, '[1e-40]'::vector - '[1e-40]'::vector AS nor_is_this;
-- element by element at lengths around those of registers
SELECT count(*) FILTER (WHERE up + down = constant AND up - down = difference AND up * down = product) AS right, count(*) AS all
	FROM (SELECT array_agg(i ORDER BY i)::vector AS up, array_agg(n - i ORDER BY i)::vector AS down, array_agg(n)::vector AS constant,
			array_agg(2 * i - n ORDER BY i)::vector AS difference, array_agg(i * (n - i) ORDER BY i)::vector AS product
		FROM unnest(ARRAY[1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 100]) n, generate_series(1, n) i GROUP BY n) x;

SELECT vector_dims('[1,2,3]'::vector), vector_dims('[1]'::vector);

-- Parts

SELECT subvector('[1,2,3,4,5]'::vector, 1, 3), subvector('[1,2,3,4,5]'::vector, 3, 2), subvector('[1,2,3,4,5]'::vector, 5, 1),
	subvector('[1,2,3,4,5]'::vector, -1, 3), subvector('[1,2,3,4,5]'::vector, 0, 2), subvector('[1,2,3,4,5]'::vector, 3, 9),
	subvector('[1,2,3,4,5]'::vector, 1, 2147483647), subvector('[1,2,3,4,5]'::vector, 5, 2147483647),
	subvector('[1,2,3,4,5]'::vector, -2147483645, 2147483647);

-- Signs

SELECT binary_quantize('[1,0,-1]'::vector), binary_quantize('[0,0.1,-0.2,-0.3,0.4,0.5,0.6,-0.7,0.8,-0.9,1]'::vector),
	binary_quantize('[-0,1e-45]'::vector), binary_quantize('[1,1,1,1,1,1,1,-1]'::vector);
SELECT length(binary_quantize(array_fill(1, ARRAY[16000])::vector));

-- Errors

SELECT call, e.* FROM unnest(ARRAY[
	$$l2_distance('[1,2]'::vector, '[3]')$$, $$inner_product('[1,2]'::vector, '[3]')$$, $$cosine_distance('[1,2]'::vector, '[3]')$$,
	$$l1_distance('[1]'::vector, '[2,3]')$$, $$vector_l2_squared_distance('[1]', '[2,3]')$$, $$vector_negative_inner_product('[1]', '[2,3]')$$,
	$$vector_spherical_distance('[1]', '[2,3]')$$, $$'[1,2]'::vector <-> '[3]'$$,
	$$'[1,2]'::vector + '[3]'$$, $$'[1,2]'::vector - '[3]'$$, $$'[1,2]'::vector * '[3]'$$,
	$$'[3e38]'::vector + '[3e38]'$$, $$'[-3e38]'::vector - '[3e38]'$$, $$'[1,1e37]'::vector * '[1,1e37]'$$, $$'[1,1e-37]'::vector * '[1,1e-37]'$$,
	$$array_fill(1, ARRAY[16000])::vector || '[1]'$$,
	$$subvector('[1,2,3]'::vector, 1, 0)$$, $$subvector('[1,2,3]'::vector, 3, -1)$$, $$subvector('[1,2,3]'::vector, 4, 1)$$,
	$$subvector('[1,2,3]'::vector, -1, 2)$$, $$subvector('[1,2,3]'::vector, 2147483647, 2147483647)$$,
	$$subvector('[1,2,3]'::vector, -2147483648, 2147483647)$$, $$subvector('[1,2,3]'::vector, 1, -2147483648)$$
]) call, LATERAL error_of('SELECT ' || call) e;

-- NULL in, NULL out

SELECT l2_distance(NULL, '[1]'::vector), '[1]'::vector <=> NULL, NULL::vector + '[1]', vector_dims(NULL::vector), l2_normalize(NULL::vector);

-- What pgvector has, we have: names, arguments, results

SELECT p.oid::regprocedure AS function, prorettype::regtype AS result
	FROM pg_proc p JOIN pg_depend d ON d.objid = p.oid AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
	JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'annex'
	WHERE (proname IN ('vector_in', 'vector_out', 'vector_typmod_in', 'vector_recv', 'vector_send', 'vector', 'vector_dims', 'vector_norm', 'vector_combine')
	OR proname ~ '^(vector|avg|sum|array_to_vector|l[12]_distance|inner_product|cosine_distance|l2_normalize|binary_quantize|subvector)'
	AND 'vector'::regtype = ANY (proargtypes::oid[] || prorettype))
	AND p.oid::regprocedure::text !~ 'halfvec|sparsevec'
	ORDER BY p.oid::regprocedure::text COLLATE "C";
SELECT o.oid::regoperator AS operator, oprresult::regtype AS result, oprcode::oid::regprocedure AS function, oprcom::regoperator AS commutator,
	oprnegate::regoperator AS negator, oprrest AS restrict, oprjoin AS join
	FROM pg_operator o WHERE 'vector'::regtype IN (oprleft, oprright) ORDER BY oprname COLLATE "C";

DROP FUNCTION error_of;

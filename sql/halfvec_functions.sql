-- Functions and operators of halfvec: distances, norms, arithmetic, parts.

-- What a statement fails with.
CREATE FUNCTION error_of(statement text, OUT state text, OUT message text, OUT detail text) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	message := 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
END $$;

-- Distances

SELECT l2_distance('[0,0]'::halfvec, '[3,4]'), l2_distance('[0,0]'::halfvec, '[0,1]'), '[0,0]'::halfvec <-> '[3,4]' AS operator;
SELECT halfvec_l2_squared_distance('[0,0]', '[3,4]');
SELECT inner_product('[1,2]'::halfvec, '[3,4]'), inner_product('[1,1]'::halfvec, '[-1,1]'), '[1,2]'::halfvec <#> '[3,4]' AS operator;
SELECT halfvec_negative_inner_product('[1,2]', '[3,4]');
SELECT l1_distance('[0,0]'::halfvec, '[3,4]'), l1_distance('[0,0]'::halfvec, '[0,-1]'), '[0,0]'::halfvec <+> '[3,4]' AS operator;
SELECT cosine_distance('[1,2]'::halfvec, '[2,4]') AS same, cosine_distance('[1,0]'::halfvec, '[0,2]') AS across,
	cosine_distance('[1,1]'::halfvec, '[-1,-1]') AS opposite, '[1,1]'::halfvec <=> '[1,-1]' AS operator;
SELECT halfvec_spherical_distance('[1,0]', '[1,0]') AS same, halfvec_spherical_distance('[1,0]', '[0,1]') AS across,
	halfvec_spherical_distance('[1,0]', '[-1,0]') AS opposite;

-- rounding may carry a cosine or a product of unit halfvecs past 1; the distance stays in its range
SELECT cosine_distance('[1.1,1.1]'::halfvec, '[1.1,1.1]') BETWEEN 0 AND 1e-6 AS same,
	cosine_distance('[1.1,1.1]'::halfvec, '[-1.1,-1.1]') BETWEEN 2 - 1e-6 AND 2 AS opposite;
SELECT halfvec_spherical_distance('[2,0]', '[2,0]'), halfvec_spherical_distance('[2,0]', '[-2,0]');

-- the direction of a zero halfvec is unknown
SELECT cosine_distance('[1,2]'::halfvec, '[0,0]'), cosine_distance('[0,0]'::halfvec, '[0,0]'), l2_distance('[0,0]'::halfvec, '[0,0]');

-- sums are floats: nothing overflows, and subnormals count
SELECT l2_distance('[65504]'::halfvec, '[-65504]'), l2_distance('[5.9604645e-08]'::halfvec, '[-5.9604645e-08]') AS subnormal,
	inner_product('[65504]'::halfvec, '[65504]'), '[65504]'::halfvec <#> '[65504]' AS negative,
	l1_distance('[65504]'::halfvec, '[-65504]'), cosine_distance('[65504]'::halfvec, '[65504]'), cosine_distance('[5.9604645e-08]'::halfvec, '[1]') AS small;

-- more dimensions than any register holds, and a remainder at each end: against plain arithmetic on arrays
CREATE TABLE pairs AS
	SELECT n, array_agg((i * 7919 % 23 - 11)::float8 / 4 ORDER BY i) AS a, array_agg((i * 104729 % 19 - 9)::float8 / 8 ORDER BY i) AS b
	FROM unnest(ARRAY[1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 1000, 16000]) n, generate_series(1, n) i
	GROUP BY n;
CREATE VIEW checked AS
	SELECT n, a::halfvec, b::halfvec,
		(SELECT sum((x - y) ^ 2) FROM unnest(a, b) u (x, y)) AS l2_squared,
		(SELECT sum(x * y) FROM unnest(a, b) u (x, y)) AS product,
		(SELECT sum(abs(x - y)) FROM unnest(a, b) u (x, y)) AS l1,
		(SELECT sqrt(sum(x * x)) FROM unnest(a) u (x)) AS norm_a,
		(SELECT sqrt(sum(y * y)) FROM unnest(b) u (y)) AS norm_b
	FROM pairs;
CREATE FUNCTION close_to(x float8, expected float8) RETURNS bool LANGUAGE sql AS
	'SELECT abs(x - expected) <= 1e-5 * (1 + abs(expected))';
CREATE VIEW wrong AS
	SELECT n FROM checked WHERE NOT (close_to(a <-> b, sqrt(l2_squared)) AND close_to(halfvec_l2_squared_distance(a, b), l2_squared)
		AND close_to(inner_product(a, b), product) AND close_to(a <#> b, -product) AND close_to(a <+> b, l1)
		AND close_to(a <=> b, 1 - product / (norm_a * norm_b)) AND close_to(l2_norm(a), norm_a)
		AND abs(l2_norm(l2_normalize(a)) - 1) < 1e-3);
SELECT count(*) AS checked, (SELECT count(*) FROM wrong) AS wrong FROM checked;

-- every level of CPU instructions that can be forced gives the same
CREATE FUNCTION wrong_at(level text) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('annex.simd_level', level, true);
	RETURN (SELECT count(*) FROM wrong);
END $$;
SELECT sum(wrong_at(level)) AS wrong, bool_or(level = 'scalar') AS scalar_tried
	FROM pg_settings, unnest(enumvals) level WHERE name = 'annex.simd_level';
DROP VIEW wrong CASCADE;
DROP FUNCTION wrong_at, close_to;
DROP VIEW checked;
DROP TABLE pairs;

-- Norms

SELECT l2_norm('[3,4]'::halfvec), l2_norm('[0,1]'::halfvec), l2_norm('[0,0]'::halfvec), l2_norm('[2]'::halfvec);
-- in double precision: neither too large nor too small
SELECT l2_norm('[30000,40000]'::halfvec), l2_norm('[5.9604645e-08]'::halfvec);

SELECT l2_normalize('[3,4]'::halfvec), l2_normalize('[3,0]'::halfvec), l2_normalize('[0,0.1]'::halfvec), l2_normalize('[0,0]'::halfvec);
SELECT l2_normalize('[65504]'::halfvec), l2_normalize('[65504,1e-4]'::halfvec), l2_normalize('[20000,30000,40000,50000]'::halfvec), l2_normalize('[5.9604645e-08]'::halfvec);

-- Arithmetic

SELECT '[1,2,3]'::halfvec + '[4,5,6]' AS sum, '[1,2,3]'::halfvec - '[4,5,6]' AS difference, '[1,2,3]'::halfvec * '[4,5,6]' AS product,
	'[1,2]'::halfvec || '[3,4,5]' AS concatenation;
SELECT halfvec_add('[1]', '[2]'), halfvec_sub('[1]', '[2]'), halfvec_mul('[2]', '[3]'), halfvec_concat('[1]', '[2]');
SELECT '[0,1e-7]'::halfvec * '[1e-7,0]'::halfvec AS zero_is_no_underflow, '[1e-7]'::halfvec - '[1e-7]'::halfvec AS nor_is_this;
-- rounded to a half after each operation, half way to the even one
SELECT '[2048,2048,2048]'::halfvec + '[1,3,0.5]' AS sum, '[0.1]'::halfvec * '[0.1]' AS product, '[65504]'::halfvec + '[15]' AS largest;
-- element by element at lengths around those of registers
SELECT count(*) FILTER (WHERE up + down = constant AND up - down = difference AND up * down = product) AS right, count(*) AS all
	FROM (SELECT array_agg(i ORDER BY i)::halfvec AS up, array_agg(n - i ORDER BY i)::halfvec AS down, array_agg(n)::halfvec AS constant,
			array_agg(2 * i - n ORDER BY i)::halfvec AS difference, array_agg(i * (n - i) ORDER BY i)::halfvec AS product
		FROM unnest(ARRAY[1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 100]) n, generate_series(1, n) i GROUP BY n) x;

SELECT vector_dims('[1,2,3]'::halfvec), vector_dims('[1]'::halfvec);

-- Parts

SELECT subvector('[1,2,3,4,5]'::halfvec, 1, 3), subvector('[1,2,3,4,5]'::halfvec, 3, 2), subvector('[1,2,3,4,5]'::halfvec, 5, 1),
	subvector('[1,2,3,4,5]'::halfvec, -1, 3), subvector('[1,2,3,4,5]'::halfvec, 0, 2), subvector('[1,2,3,4,5]'::halfvec, 3, 9),
	subvector('[1,2,3,4,5]'::halfvec, 1, 2147483647), subvector('[1,2,3,4,5]'::halfvec, 5, 2147483647),
	subvector('[1,2,3,4,5]'::halfvec, -2147483645, 2147483647);

-- Signs

SELECT binary_quantize('[1,0,-1]'::halfvec), binary_quantize('[0,0.1,-0.2,-0.3,0.4,0.5,0.6,-0.7,0.8,-0.9,1]'::halfvec),
	binary_quantize('[-0,5.9604645e-08,-5.9604645e-08,65504]'::halfvec), binary_quantize('[1,1,1,1,1,1,1,-1]'::halfvec);
SELECT length(binary_quantize(array_fill(1, ARRAY[16000])::halfvec));

-- Errors

SELECT call, e.* FROM unnest(ARRAY[
	$$l2_distance('[1,2]'::halfvec, '[3]')$$, $$inner_product('[1,2]'::halfvec, '[3]')$$, $$cosine_distance('[1,2]'::halfvec, '[3]')$$,
	$$l1_distance('[1]'::halfvec, '[2,3]')$$, $$halfvec_l2_squared_distance('[1]', '[2,3]')$$, $$halfvec_negative_inner_product('[1]', '[2,3]')$$,
	$$halfvec_spherical_distance('[1]', '[2,3]')$$, $$'[1,2]'::halfvec <-> '[3]'$$,
	$$'[1,2]'::halfvec + '[3]'$$, $$'[1,2]'::halfvec - '[3]'$$, $$'[1,2]'::halfvec * '[3]'$$,
	$$'[65504]'::halfvec + '[16]'$$, $$'[-65504]'::halfvec - '[65504]'$$, $$'[1,1e4]'::halfvec * '[1,1e4]'$$, $$'[1,1e-7]'::halfvec * '[1,1e-7]'$$,
	$$array_fill(1, ARRAY[16000])::halfvec || '[1]'$$,
	$$subvector('[1,2,3]'::halfvec, 1, 0)$$, $$subvector('[1,2,3]'::halfvec, 3, -1)$$, $$subvector('[1,2,3]'::halfvec, 4, 1)$$,
	$$subvector('[1,2,3]'::halfvec, -1, 2)$$, $$subvector('[1,2,3]'::halfvec, 2147483647, 2147483647)$$,
	$$subvector('[1,2,3]'::halfvec, -2147483648, 2147483647)$$, $$subvector('[1,2,3]'::halfvec, 1, -2147483648)$$
]) call, LATERAL error_of('SELECT ' || call) e;

-- NULL in, NULL out

SELECT l2_distance(NULL, '[1]'::halfvec), '[1]'::halfvec <=> NULL, NULL::halfvec + '[1]', vector_dims(NULL::halfvec), l2_normalize(NULL::halfvec);

-- What pgvector has, we have: names, arguments, results

SELECT p.oid::regprocedure AS function, prorettype::regtype AS result
	FROM pg_proc p JOIN pg_depend d ON d.objid = p.oid AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
	JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'annex'
	WHERE p.oid::regprocedure::text || ' ' || prorettype::regtype::text ~ 'halfvec' AND p.oid::regprocedure::text !~ 'sparsevec|support|info'
	ORDER BY p.oid::regprocedure::text COLLATE "C";
SELECT o.oid::regoperator AS operator, oprresult::regtype AS result, oprcode::oid::regprocedure AS function, oprcom::regoperator AS commutator,
	oprnegate::regoperator AS negator, oprrest AS restrict, oprjoin AS join
	FROM pg_operator o WHERE 'halfvec'::regtype IN (oprleft, oprright) ORDER BY oprname COLLATE "C";

DROP FUNCTION error_of;

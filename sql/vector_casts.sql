-- Casts of vector: from arrays, to real[], to the dimensions of a column.

-- What a statement fails with.
CREATE FUNCTION error_of(statement text, OUT state text, OUT message text, OUT detail text) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	message := 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
END $$;

SELECT castsource::regtype AS source, casttarget::regtype AS target, castfunc::regprocedure AS function, castcontext, castmethod
	FROM pg_cast WHERE 'vector'::regtype IN (castsource, casttarget) AND castsource::regtype::text ~ '^(vector|.*\[\])$' AND casttarget::regtype::text ~ '^(vector|.*\[\])$'
	ORDER BY castsource::regtype::text COLLATE "C", casttarget::regtype::text COLLATE "C";

-- From arrays

SELECT ARRAY[1,2,3]::vector AS integers, ARRAY[1.5,2,3]::real[]::vector AS reals, ARRAY[1.5,2,3]::float8[]::vector AS doubles,
	ARRAY[1.5,2,3]::numeric[]::vector AS numerics;
SELECT ARRAY[1,2,3]::vector(3), '{1,2,3}'::real[]::vector(3);
-- rounded to the nearest float
SELECT ARRAY[16777217,-2147483648,2147483647]::vector AS integers, ARRAY[0.1,1e-46,-1e-46,3.4028235677973362e38]::float8[]::vector AS doubles,
	ARRAY[0.1,123456789.123456789]::numeric[]::vector AS numerics;
-- bounds that do not start at 1, and a null bitmap without a null
SELECT '[5:7]={1,2,3}'::integer[]::vector, ('{1,2,NULL}'::integer[])[1:2]::vector;
SELECT array_dims(a), a::vector FROM (SELECT array_remove('{1,NULL,2}'::real[], NULL) AS a) x;
-- an array from a table, compressed or beside it
CREATE TABLE arrays (a real[], b integer[], c numeric[]);
INSERT INTO arrays SELECT array_agg(i % 3), array_agg(i % 3), array_agg(i % 3) FROM generate_series(1, 16000) i;
SELECT vector_norm(a::vector)::real, a::vector = b::vector AND b::vector = c::vector AS same FROM arrays;
DROP TABLE arrays;

-- To real[]

SELECT '[1,2.5,-3]'::vector::real[], array_dims('[1,2,3]'::vector::real[]), pg_typeof('[1,2,3]'::vector::real[]);
SELECT '[0.1,1e-45,3.4028235e38]'::vector::real[]::vector = '[0.1,1e-45,3.4028235e38]' AS round_trip;
-- implicitly
CREATE FUNCTION first_of(real[]) RETURNS real LANGUAGE sql AS 'SELECT $1[1]';
SELECT first_of('[7,8]'::vector);
DROP FUNCTION first_of;
SELECT sum(x) FROM unnest('[1,2,3]'::vector::real[]) x;

-- On assignment, not in an expression

CREATE TABLE t (v vector(3));
INSERT INTO t VALUES (ARRAY[1,2,3]), (ARRAY[1,2,3]::real[]), (ARRAY[1,2,3]::float8[]), (ARRAY[1,2,3]::numeric[]);
SELECT v, count(*) FROM t GROUP BY v;
SELECT e.* FROM error_of('INSERT INTO t VALUES (ARRAY[1,2])') e;
SELECT e.* FROM error_of('SELECT count(*) FROM t WHERE v <-> ARRAY[1,2,3] = 0') e;
DROP TABLE t;

-- What cannot be cast

SELECT call, e.* FROM unnest(ARRAY[
	$$'{}'::real[]::vector$$, $$'{}'::numeric[]::vector$$, $$'{{1}}'::real[]::vector$$, $$'{{1,2},{3,4}}'::integer[]::vector$$,
	$$'{NULL}'::real[]::vector$$, $$'{1,NULL}'::integer[]::vector$$, $$'{1,NULL}'::numeric[]::vector$$,
	$$'{NaN}'::real[]::vector$$, $$'{1,NaN}'::float8[]::vector$$, $$'{NaN}'::numeric[]::vector$$,
	$$'{Infinity}'::real[]::vector$$, $$'{1,-Infinity}'::float8[]::vector$$, $$'{Infinity}'::numeric[]::vector$$,
	$$'{1,4e38}'::float8[]::vector$$, $$'{-4e38}'::float8[]::vector$$,
	$$'{1,2,3}'::real[]::vector(2)$$, $$'{1,2}'::integer[]::vector(3)$$, $$'{NaN}'::real[]::vector(2)$$, $$'{}'::real[]::vector(2)$$,
	$$array_fill(0, ARRAY[16001])::vector$$, $$array_fill(0, ARRAY[16001])::vector(3)$$,
	$$'[1,2,3]'::vector::vector(2)$$, $$'[1,2,3]'::vector(3)::vector(4)$$,
	$$'{1,2}'::text[]::vector$$, $$'{1,2}'::bigint[]::vector$$, $$'[1,2]'::vector::float8[]$$
]) call, LATERAL error_of('SELECT ' || call) e;
-- numeric is read as real first
SELECT e.state FROM error_of($$SELECT '{1,4e38}'::numeric[]::vector$$) e;
SELECT vector_dims(array_fill(0, ARRAY[16000])::vector);
SELECT '[1,2,3]'::vector::vector(3), '[1,2,3]'::vector(3)::vector;

DROP FUNCTION error_of;

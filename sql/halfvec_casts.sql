-- Casts of halfvec: from arrays, to real[], to the dimensions of a column.

-- What a statement fails with.
CREATE FUNCTION error_of(statement text, OUT state text, OUT message text, OUT detail text) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	message := 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
END $$;

SELECT castsource::regtype AS source, casttarget::regtype AS target, castfunc::regprocedure AS function, castcontext, castmethod
	FROM pg_cast WHERE 'halfvec'::regtype IN (castsource, casttarget) AND castsource::regtype::text ~ '^(vector|halfvec|.*\[\])$' AND casttarget::regtype::text ~ '^(vector|halfvec|.*\[\])$'
	ORDER BY castsource::regtype::text COLLATE "C", casttarget::regtype::text COLLATE "C";

-- From arrays

SELECT ARRAY[1,2,3]::halfvec AS integers, ARRAY[1.5,2,3]::real[]::halfvec AS reals, ARRAY[1.5,2,3]::float8[]::halfvec AS doubles,
	ARRAY[1.5,2,3]::numeric[]::halfvec AS numerics;
SELECT ARRAY[1,2,3]::halfvec(3), '{1,2,3}'::real[]::halfvec(3);
-- rounded to the nearest half
SELECT ARRAY[2049,-65504,65519]::halfvec AS integers, ARRAY[0.1,1e-46,-1e-46,65519.9]::float8[]::halfvec AS doubles,
	ARRAY[0.1,12345.6789]::numeric[]::halfvec AS numerics;
-- bounds that do not start at 1, and a null bitmap without a null
SELECT '[5:7]={1,2,3}'::integer[]::halfvec, ('{1,2,NULL}'::integer[])[1:2]::halfvec;
SELECT array_dims(a), a::halfvec FROM (SELECT array_remove('{1,NULL,2}'::real[], NULL) AS a) x;
-- an array from a table, compressed or beside it
CREATE TABLE arrays (a real[], b integer[], c numeric[]);
INSERT INTO arrays SELECT array_agg(i % 3), array_agg(i % 3), array_agg(i % 3) FROM generate_series(1, 16000) i;
SELECT l2_norm(a::halfvec)::real, a::halfvec = b::halfvec AND b::halfvec = c::halfvec AS same FROM arrays;
DROP TABLE arrays;

-- To real[]

SELECT '[1,2.5,-3]'::halfvec::real[], array_dims('[1,2,3]'::halfvec::real[]), pg_typeof('[1,2,3]'::halfvec::real[]);
SELECT '[0.1,6e-8,65504]'::halfvec::real[]::halfvec = '[0.1,6e-8,65504]' AS round_trip;
-- not implicitly
CREATE FUNCTION first_of(real[]) RETURNS real LANGUAGE sql AS 'SELECT $1[1]';
SELECT e.* FROM error_of($$SELECT first_of('[7,8]'::halfvec)$$) e;
DROP FUNCTION first_of;
SELECT sum(x) FROM unnest('[1,2,3]'::halfvec::real[]) x;

-- On assignment, not in an expression

CREATE TABLE t (v halfvec(3));
INSERT INTO t VALUES (ARRAY[1,2,3]), (ARRAY[1,2,3]::real[]), (ARRAY[1,2,3]::float8[]), (ARRAY[1,2,3]::numeric[]);
SELECT v, count(*) FROM t GROUP BY v;
SELECT e.* FROM error_of('INSERT INTO t VALUES (ARRAY[1,2])') e;
SELECT e.* FROM error_of('SELECT count(*) FROM t WHERE v <-> ARRAY[1,2,3] = 0') e;
DROP TABLE t;

-- What cannot be cast

SELECT call, e.* FROM unnest(ARRAY[
	$$'{}'::real[]::halfvec$$, $$'{}'::numeric[]::halfvec$$, $$'{{1}}'::real[]::halfvec$$, $$'{{1,2},{3,4}}'::integer[]::halfvec$$,
	$$'{NULL}'::real[]::halfvec$$, $$'{1,NULL}'::integer[]::halfvec$$, $$'{1,NULL}'::numeric[]::halfvec$$,
	$$'{NaN}'::real[]::halfvec$$, $$'{1,NaN}'::float8[]::halfvec$$, $$'{NaN}'::numeric[]::halfvec$$,
	$$'{Infinity}'::real[]::halfvec$$, $$'{1,-Infinity}'::float8[]::halfvec$$, $$'{Infinity}'::numeric[]::halfvec$$,
	$$'{1,65520}'::float8[]::halfvec$$, $$'{-65520.5}'::real[]::halfvec$$, $$'{1,100000}'::integer[]::halfvec$$, $$'{1,1e5}'::numeric[]::halfvec$$, $$'{4e38}'::float8[]::halfvec$$,
	$$'{NaN,1e6,Infinity}'::real[]::halfvec$$,
	$$'{1,2,3}'::real[]::halfvec(2)$$, $$'{1,2}'::integer[]::halfvec(3)$$, $$'{NaN}'::real[]::halfvec(2)$$, $$'{}'::real[]::halfvec(2)$$,
	$$array_fill(0, ARRAY[16001])::halfvec$$, $$array_fill(0, ARRAY[16001])::halfvec(3)$$,
	$$'[1,2,3]'::halfvec::halfvec(2)$$, $$'[1,2,3]'::halfvec(3)::halfvec(4)$$,
	$$'{1,2}'::text[]::halfvec$$, $$'{1,2}'::bigint[]::halfvec$$, $$'[1,2]'::halfvec::float8[]$$
]) call, LATERAL error_of('SELECT ' || call) e;
-- numeric is read as real first
SELECT e.state FROM error_of($$SELECT '{1,4e38}'::numeric[]::halfvec$$) e;

-- From vector, and to it

SELECT '[1,2.5,-0]'::vector::halfvec, '[1.23456,65519.99,1e-8]'::vector::halfvec AS rounded, '[1,2]'::vector::halfvec(2);
SELECT '[1,2.5,-0]'::halfvec::vector, '[1.23456,65504,6e-8]'::halfvec::vector AS the_same, '[1,2]'::halfvec::vector(2);
SELECT call, e.* FROM unnest(ARRAY[
	$$'[1,65520]'::vector::halfvec$$, $$'[-1e38]'::vector::halfvec$$, $$'[1,2]'::vector::halfvec(3)$$, $$'[1,2]'::halfvec::vector(3)$$,
	$$'[1,65520]'::vector::halfvec(3)$$
]) call, LATERAL error_of('SELECT ' || call) e;
-- all of a vector longer than a chunk of the conversion
SELECT array_agg(i)::vector::halfvec::vector = array_agg(i)::vector AS same FROM generate_series(1, 2000) i;
-- a vector becomes a halfvec where one is wanted, not the other way round
SELECT '[1,2]'::vector <-> '[1,4]'::halfvec AS distance, pg_typeof('[1]'::vector + '[2]'::halfvec);
CREATE TABLE both_types (v vector(2), h halfvec(2));
INSERT INTO both_types VALUES ('[1,2]'::halfvec, '[3,4]'::vector);
SELECT v, h, v = h AS equal FROM both_types;
DROP TABLE both_types;

-- Bounds of the type

SELECT vector_dims(array_fill(0, ARRAY[16000])::halfvec);
SELECT '[1,2,3]'::halfvec::halfvec(3), '[1,2,3]'::halfvec(3)::halfvec;

DROP FUNCTION error_of;

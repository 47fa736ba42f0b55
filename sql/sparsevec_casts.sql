-- Casts of sparsevec: from arrays, from and to vector and halfvec, to the dimensions of a column.

-- What a statement fails with.
CREATE FUNCTION error_of(statement text, OUT state text, OUT message text, OUT detail text) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	message := 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
END $$;

SELECT castsource::regtype AS source, casttarget::regtype AS target, castfunc::regprocedure AS function, castcontext, castmethod
	FROM pg_cast WHERE 'sparsevec'::regtype IN (castsource, casttarget)
	ORDER BY castsource::regtype::text COLLATE "C", casttarget::regtype::text COLLATE "C";

-- From arrays

SELECT ARRAY[1,0,3]::sparsevec AS integers, ARRAY[1.5,0,3]::real[]::sparsevec AS reals, ARRAY[0,1.5,0]::float8[]::sparsevec AS doubles,
	ARRAY[0,0,1.5]::numeric[]::sparsevec AS numerics, ARRAY[0,0]::sparsevec AS zeros;
SELECT ARRAY[1,0,3]::sparsevec(3), '{-0,0,3}'::real[]::sparsevec(3);
-- what rounds to zero is zero
SELECT '{1e-46,-1e-46,1e-45,0.1}'::float8[]::sparsevec;
-- bounds that do not start at 1, and a null bitmap without a null
SELECT '[5:7]={1,0,3}'::integer[]::sparsevec, ('{1,2,NULL}'::integer[])[1:2]::sparsevec, array_remove('{1,NULL,2}'::real[], NULL)::sparsevec;
-- more dimensions than a vector may have, and all the elements that there may be
SELECT array_fill(0, ARRAY[100000])::sparsevec;
SELECT l2_norm(array_fill(1, ARRAY[16000])::sparsevec) ^ 2 AS elements;
SELECT (array_fill(0, ARRAY[20000]) || array_fill(7, ARRAY[2]))::sparsevec;

-- From and to vector

SELECT '[1,0,-0,2.5]'::vector::sparsevec, '[0,0]'::vector::sparsevec, '{2:1.5,4:-2}/5'::sparsevec::vector, '{}/2'::sparsevec::vector;
SELECT '[1,0,2]'::vector::sparsevec(3), '{1:1,3:2}/3'::sparsevec::vector(3);
SELECT v::sparsevec::vector = v AS round_trip FROM (SELECT array_agg(i % 3)::vector AS v FROM generate_series(1, 16000) i) x;
SELECT '{16000:1e-45}/16000'::sparsevec::vector::sparsevec;
-- implicitly where a sparse vector stands, since nothing is lost
SELECT '{1:3}/2'::sparsevec <-> '[0,4]'::vector AS distance, l2_norm('[3,4]'::vector::sparsevec);

-- From and to halfvec

SELECT '[1,0,-0,2.5]'::halfvec::sparsevec, '[0,0]'::halfvec::sparsevec, '{2:1.5,4:-2}/5'::sparsevec::halfvec, '{}/2'::sparsevec::halfvec;
SELECT '[1,0,2]'::halfvec::sparsevec(3), '{1:1,3:2}/3'::sparsevec::halfvec(3);
SELECT v::sparsevec::halfvec = v AS round_trip FROM (SELECT array_agg(i % 3)::halfvec AS v FROM generate_series(1, 16000) i) x;
-- rounded to the nearest half; what is too small becomes zero
SELECT '{1:0.1,2:1e-10,3:65519,4:6e-8}/4'::sparsevec::halfvec, '{1:0.1}/1'::sparsevec::halfvec::sparsevec;
SELECT '{1:3}/2'::sparsevec <-> '[0,4]'::halfvec AS distance, l2_norm('[3,4]'::halfvec::sparsevec);

-- On assignment, not in an expression

CREATE TABLE t (v sparsevec(3), w vector(3));
INSERT INTO t (v) VALUES (ARRAY[1,0,3]), (ARRAY[1,0,3]::real[]), (ARRAY[1,0,3]::float8[]), (ARRAY[1,0,3]::numeric[]), ('[1,0,3]'::vector), ('[1,0,3]'::halfvec);
INSERT INTO t (w) VALUES ('{1:1,3:3}/3'::sparsevec);
SELECT v, w, count(*) FROM t GROUP BY v, w ORDER BY v;
SELECT e.* FROM error_of('INSERT INTO t (v) VALUES (ARRAY[1,2])') e;
SELECT e.* FROM error_of('SELECT count(*) FROM t WHERE v <-> ARRAY[1,2,3] = 0') e;
DROP TABLE t;

-- What cannot be cast

SELECT call, e.* FROM unnest(ARRAY[
	$$'{}'::real[]::sparsevec$$, $$'{}'::numeric[]::sparsevec$$, $$'{{1}}'::real[]::sparsevec$$, $$'{{1,2},{3,4}}'::integer[]::sparsevec$$,
	$$'{NULL}'::real[]::sparsevec$$, $$'{1,NULL}'::integer[]::sparsevec$$, $$'{1,NULL}'::numeric[]::sparsevec$$,
	$$'{NaN}'::real[]::sparsevec$$, $$'{0,NaN}'::float8[]::sparsevec$$, $$'{NaN}'::numeric[]::sparsevec$$,
	$$'{Infinity}'::real[]::sparsevec$$, $$'{0,-Infinity}'::float8[]::sparsevec$$, $$'{0,4e38}'::float8[]::sparsevec$$,
	$$'{1e-46}'::numeric[]::sparsevec$$,
	$$'{1,2,3}'::real[]::sparsevec(2)$$, $$'{1,2}'::integer[]::sparsevec(3)$$, $$'{NaN}'::real[]::sparsevec(2)$$, $$'{}'::real[]::sparsevec(2)$$,
	$$array_fill(1, ARRAY[16001])::sparsevec$$, $$array_fill(1, ARRAY[16001])::sparsevec(3)$$, $$array_fill('NaN'::real, ARRAY[16001])::sparsevec$$,
	$$'{1:1}/3'::sparsevec::sparsevec(2)$$, $$'{1:1}/3'::sparsevec(3)::sparsevec(4)$$,
	$$'[1,2,3]'::vector::sparsevec(2)$$, $$'{1:1}/3'::sparsevec::vector(2)$$, $$'{1:1}/16001'::sparsevec::vector$$, $$'{1:1}/16001'::sparsevec::vector(3)$$,
	$$'[1,2,3]'::halfvec::sparsevec(2)$$, $$'{1:1}/3'::sparsevec::halfvec(2)$$, $$'{1:1}/16001'::sparsevec::halfvec$$, $$'{1:1}/16001'::sparsevec::halfvec(3)$$,
	$$'{2:65520}/3'::sparsevec::halfvec$$, $$'{3:-1e38}/3'::sparsevec::halfvec(2)$$, $$'{1:1,3:-1e38}/3'::sparsevec::halfvec(3)$$,
	$$'{1,2}'::text[]::sparsevec$$, $$'{1,2}'::bigint[]::sparsevec$$, $$'{1:1}/3'::sparsevec::real[]$$, $$'{1:1}/3'::sparsevec::float8[]$$
]) call, LATERAL error_of('SELECT ' || call) e;
SELECT '{1:1}/3'::sparsevec::sparsevec(3), '{1:1}/3'::sparsevec(3)::sparsevec;

DROP FUNCTION error_of;

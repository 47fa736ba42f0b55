-- avg and sum of vectors.

-- What a statement fails with.
CREATE FUNCTION error_of(statement text, OUT state text, OUT message text, OUT detail text) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	message := 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
END $$;

SELECT avg(v), sum(v) FROM unnest(ARRAY['[1,2,3]', '[3,5,7]']::vector[]) v;
SELECT avg(v), sum(v) FROM unnest(ARRAY['[1,2,3]', NULL, '[3,5,7]', NULL]::vector[]) v;
SELECT avg(v), sum(v) FROM unnest(ARRAY['[1,2,3]']::vector[]) v;
-- of no rows, and of none but NULL
SELECT avg(v), sum(v) FROM unnest(ARRAY[]::vector[]) v;
SELECT avg(v), sum(v) FROM unnest(ARRAY[NULL]::vector[]) v;
-- avg sums in double precision and neither overflows nor loses what sum, in floats, does
SELECT avg(v) FROM unnest(ARRAY['[3e38]', '[3e38]']::vector[]) v;
SELECT avg(v), sum(v) FROM unnest(ARRAY['[16777216]', '[1]', '[1]', '[2]']::vector[]) v;
SELECT avg(v) FROM unnest(ARRAY['[3.4028235e38]', '[3.4028235e38]', '[3.4028235e38]']::vector[]) v;

SELECT statement, e.* FROM unnest(ARRAY[
	$$SELECT avg(v) FROM unnest(ARRAY['[1,2]', '[3]']::vector[]) v$$,
	$$SELECT sum(v) FROM unnest(ARRAY['[1,2]', '[3]']::vector[]) v$$,
	$$SELECT sum(v) FROM unnest(ARRAY['[3e38]', '[3e38]']::vector[]) v$$
]) statement, LATERAL error_of(statement) e;

-- Groups, windows, DISTINCT, FILTER

CREATE TABLE t (g int, v vector(3));
INSERT INTO t SELECT i % 3, ARRAY[i, -i, i * 0.5] FROM generate_series(1, 30) i;
SELECT g, avg(v), sum(v), avg(v) FILTER (WHERE v < '[10]'), avg(DISTINCT v) = avg(v) AS distinct_same FROM t GROUP BY g ORDER BY g;
-- a running state is not the result of an earlier row
SELECT v, sum(v) OVER w, avg(v) OVER w FROM t WHERE g = 0 WINDOW w AS (ORDER BY v ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) ORDER BY v;
SELECT v, sum(v) OVER w, avg(v) OVER w FROM t WHERE g = 0 WINDOW w AS (ORDER BY v ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING) ORDER BY v;

-- In parallel

CREATE TABLE large AS SELECT ARRAY[i, i % 100, 1]::vector(3) AS v FROM generate_series(1, 20000) i;
ANALYZE large;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
EXPLAIN (COSTS off) SELECT avg(v), sum(v) FROM large;
SELECT avg(v) FROM large;
-- workers that have seen no row
SELECT avg(v), sum(v) FROM large WHERE v = '[1,1,1]';
SELECT avg(v), sum(v) FROM large WHERE v = '[0]';
SET max_parallel_workers_per_gather = 0;
SELECT avg(v) FROM large;
RESET ALL;
DROP TABLE t, large;

-- The functions behind them

SELECT vector_accum('{0}', '[1,2]'), vector_accum('{1,1,2}', '[3,4]');
SELECT vector_combine('{0}', '{1,2}'), vector_combine('{1,2}', '{0}'), vector_combine('{0}', '{0}'), vector_combine('{1,2,3}', '{2,5,7}');
SELECT vector_avg('{0}'), vector_avg('{2,3,5}');
-- called by hand they leave their arguments alone
SELECT a, vector_accum(a, '[1]') AS once, vector_accum(a, '[1]') AS twice, a AS unchanged FROM (VALUES ('{1,1}'::float8[])) x (a);

SELECT call, e.* FROM unnest(ARRAY[
	$$vector_accum('{}', '[1]')$$, $$vector_accum('{{0}}', '[1]')$$, $$vector_accum('{1,NULL}', '[1]')$$, $$vector_accum('{1,2}', '[1,2]')$$,
	$$vector_accum('{1,Infinity}', '[1]')$$,
	$$vector_combine('{}', '{0}')$$, $$vector_combine('{0}', '{1,NULL}')$$, $$vector_combine('{1,2}', '{1,2,3}')$$,
	$$vector_combine('{1,1.7e308}', '{1,1.7e308}')$$,
	$$vector_avg('{}')$$, $$vector_avg('{{1,2}}')$$, $$vector_avg('{1}')$$, $$vector_avg('{1,1e39}')$$, $$vector_avg('{1,NaN}')$$,
	$$vector_avg(array_fill(1::float8, ARRAY[16002]))$$
]) call, LATERAL error_of('SELECT ' || call) e;

SELECT aggfnoid::regprocedure, aggtransfn, aggtranstype::regtype, aggfinalfn, aggcombinefn, agginitval, proparallel
	FROM pg_aggregate a JOIN pg_proc p ON p.oid = aggfnoid WHERE 'vector'::regtype = prorettype ORDER BY 1::text;

DROP FUNCTION error_of;

-- avg and sum of halfvecs.

-- What a statement fails with.
CREATE FUNCTION error_of(statement text, OUT state text, OUT message text, OUT detail text) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	message := 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
END $$;

SELECT avg(v), sum(v) FROM unnest(ARRAY['[1,2,3]', '[3,5,7]']::halfvec[]) v;
SELECT avg(v), sum(v) FROM unnest(ARRAY['[1,2,3]', NULL, '[3,5,7]', NULL]::halfvec[]) v;
SELECT avg(v), sum(v) FROM unnest(ARRAY['[1,2,3]']::halfvec[]) v;
-- of no rows, and of none but NULL
SELECT avg(v), sum(v) FROM unnest(ARRAY[]::halfvec[]) v;
SELECT avg(v), sum(v) FROM unnest(ARRAY[NULL]::halfvec[]) v;
-- avg sums in double precision and neither overflows nor loses what sum, in halfs, does
SELECT avg(v) FROM unnest(ARRAY['[65504]', '[65504]']::halfvec[]) v;
SELECT avg(v), sum(v) FROM unnest(ARRAY['[2048]', '[1]', '[1]', '[2]']::halfvec[]) v;
-- a sum in halfs stands still where the next one is half a step away
SELECT sum('[1,0.5]'::halfvec) FROM generate_series(1, 5000);

SELECT statement, e.* FROM unnest(ARRAY[
	$$SELECT avg(v) FROM unnest(ARRAY['[1,2]', '[3]']::halfvec[]) v$$,
	$$SELECT sum(v) FROM unnest(ARRAY['[1,2]', '[3]']::halfvec[]) v$$,
	$$SELECT sum(v) FROM unnest(ARRAY['[65504]', '[65504]']::halfvec[]) v$$
]) statement, LATERAL error_of(statement) e;

-- Groups, windows, DISTINCT, FILTER

CREATE TABLE t (g int, v halfvec(3));
INSERT INTO t SELECT i % 3, ARRAY[i, -i, i * 0.5] FROM generate_series(1, 30) i;
SELECT g, avg(v), sum(v), avg(v) FILTER (WHERE v < '[10]'), avg(DISTINCT v) = avg(v) AS distinct_same FROM t GROUP BY g ORDER BY g;
-- a running state is not the result of an earlier row
SELECT v, sum(v) OVER w, avg(v) OVER w FROM t WHERE g = 0 WINDOW w AS (ORDER BY v ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) ORDER BY v;
SELECT v, sum(v) OVER w, avg(v) OVER w FROM t WHERE g = 0 WINDOW w AS (ORDER BY v ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING) ORDER BY v;

-- In parallel

CREATE TABLE large AS SELECT ARRAY[i, i % 100, 1]::halfvec(3) AS v FROM generate_series(1, 20000) i;
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

SELECT halfvec_accum('{0}', '[1,2]'), halfvec_accum('{1,1,2}', '[3,4]');
SELECT halfvec_combine('{0}', '{1,2}'), halfvec_combine('{1,2}', '{0}'), halfvec_combine('{0}', '{0}'), halfvec_combine('{1,2,3}', '{2,5,7}');
SELECT halfvec_avg('{0}'), halfvec_avg('{2,3,5}');
-- called by hand they leave their arguments alone
SELECT a, halfvec_accum(a, '[1]') AS once, halfvec_accum(a, '[1]') AS twice, a AS unchanged FROM (VALUES ('{1,1}'::float8[])) x (a);

SELECT call, e.* FROM unnest(ARRAY[
	$$halfvec_accum('{}', '[1]')$$, $$halfvec_accum('{{0}}', '[1]')$$, $$halfvec_accum('{1,NULL}', '[1]')$$, $$halfvec_accum('{1,2}', '[1,2]')$$,
	$$halfvec_accum('{1,Infinity}', '[1]')$$,
	$$halfvec_combine('{}', '{0}')$$, $$halfvec_combine('{0}', '{1,NULL}')$$, $$halfvec_combine('{1,2}', '{1,2,3}')$$,
	$$halfvec_combine('{1,1.7e308}', '{1,1.7e308}')$$,
	$$halfvec_avg('{}')$$, $$halfvec_avg('{{1,2}}')$$, $$halfvec_avg('{1}')$$, $$halfvec_avg('{1,65520}')$$, $$halfvec_avg('{1,1e39}')$$, $$halfvec_avg('{1,NaN}')$$,
	$$halfvec_avg(array_fill(1::float8, ARRAY[16002]))$$
]) call, LATERAL error_of('SELECT ' || call) e;

SELECT aggfnoid::regprocedure, aggtransfn, aggtranstype::regtype, aggfinalfn, aggcombinefn, agginitval, proparallel
	FROM pg_aggregate a JOIN pg_proc p ON p.oid = aggfnoid WHERE 'halfvec'::regtype = prorettype ORDER BY 1::text;

DROP FUNCTION error_of;

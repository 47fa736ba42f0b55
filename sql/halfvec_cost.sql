-- The planner knows what a distance costs.

-- what a filter adds to the cost of a row of a table, in units of cpu_operator_cost; one of them is the comparison's
CREATE FUNCTION cost_of(expression text, source text) RETURNS numeric LANGUAGE plpgsql AS $$
DECLARE
	filtered json;
	plain json;
BEGIN
	EXECUTE format('EXPLAIN (FORMAT json) SELECT FROM %s', source) INTO plain;
	EXECUTE format('EXPLAIN (FORMAT json) SELECT FROM %s WHERE %s < 1', source, expression) INTO filtered;
	RETURN round((((filtered->0->'Plan'->>'Total Cost')::numeric - (plain->0->'Plan'->>'Total Cost')::numeric)
		/ (plain->0->'Plan'->>'Plan Rows')::numeric / current_setting('cpu_operator_cost')::numeric) - 1);
END $$;
CREATE FUNCTION literal(dimensions int) RETURNS text LANGUAGE sql AS
	$$SELECT quote_literal('[' || array_to_string(array_fill(1, ARRAY[dimensions]), ',') || ']')$$;

CREATE TABLE t (v3 halfvec(3), v128 halfvec(128), v384 halfvec(384), v1000 halfvec(1000), v1536 halfvec(1536), any_v halfvec);
INSERT INTO t SELECT FROM generate_series(1, 10000);
ANALYZE t;

-- more dimensions cost more, and far more where the halfvec lies beside the table
SELECT n, cost_of(format('v%s <-> %s', n, literal(n)), 't') AS cost FROM unnest(ARRAY[3, 128, 384, 1000, 1536]) n;
-- whatever the distance and however it is written
SELECT call, cost_of(format(call, literal(128)), 't') AS cost
	FROM unnest(ARRAY['v128 <#> %s', 'v128 <=> %s', 'v128 <+> %s', '%s <-> v128', 'l2_distance(v128, %s)', 'inner_product(v128, %s)',
		'cosine_distance(v128, %s)', 'l1_distance(v128, %s)', 'halfvec_l2_squared_distance(v128, %s)',
		'halfvec_negative_inner_product(v128, %s)', 'halfvec_spherical_distance(v128, %s)']) call;
-- two columns are fetched twice
SELECT cost_of('v1536 <-> v1536', 't') AS both, cost_of(format('v1536 <-> %s', literal(1536)), 't') AS one;
-- a column without dimensions takes them from the constant; without one, it counts as typical
SELECT cost_of(format('any_v <-> %s', literal(128)), 't') AS constant, cost_of('any_v <-> any_v', 't') AS unknown;
-- a parameter is as dear as the column
PREPARE p (halfvec) AS SELECT FROM t WHERE v1536 <-> $1 < 1;
SET plan_cache_mode = force_generic_plan;
CREATE FUNCTION cost_of_execute() RETURNS bool LANGUAGE plpgsql AS $$
DECLARE
	plan json;
BEGIN
	EXECUTE 'EXPLAIN (FORMAT json) EXECUTE p (''[1]'')' INTO plan;
	RETURN (plan->0->'Plan'->>'Total Cost')::numeric > 10000 * 1000 * current_setting('cpu_operator_cost')::numeric;
END $$;
SELECT cost_of_execute() AS dear;
RESET plan_cache_mode;

DROP FUNCTION cost_of, cost_of_execute, literal;
DROP TABLE t;

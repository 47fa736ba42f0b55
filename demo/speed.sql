-- Recall and speed: the ten nearest packages of all 120 questions, by the index and by a sequential scan.
\set QUIET on
\pset tuples_only on
\pset format unaligned
SET jit = off;
SET max_parallel_workers_per_gather = 0;  -- one process for each

CREATE TEMP VIEW answers AS
SELECT q.id AS question, a.id AS package
FROM questions AS q
CROSS JOIN LATERAL (SELECT id FROM packages ORDER BY embedding <=> q.embedding LIMIT 10) AS a;

CREATE FUNCTION pg_temp.milliseconds(statement text) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE
    started timestamptz := clock_timestamp();
BEGIN
    EXECUTE statement;
    RETURN 1000 * extract(epoch FROM clock_timestamp() - started);
END
$$;

-- The exact answers first.
SET enable_indexscan = off;
CREATE TEMP TABLE exact AS SELECT * FROM answers;
SELECT pg_temp.milliseconds('SELECT count(*) FROM answers') / 120 AS scan_ms \gset
RESET enable_indexscan;

CREATE TEMP TABLE found AS SELECT * FROM answers;
SELECT count(*) / 1200.0 AS recall FROM exact NATURAL JOIN found \gset
SELECT min(pg_temp.milliseconds('SELECT count(*) FROM answers')) / 120 AS index_ms FROM generate_series(1, 5) \gset

SELECT to_char(:recall, '0.999') AS recall, to_char(:index_ms, '9990.99') AS index_ms,
    to_char(:scan_ms, '9990.99') AS scan_ms, to_char(:scan_ms / :index_ms, '9990') AS factor \gset
\echo 'recall@10 of the index, no setting touched:   ' :recall ' of the exact answers to 120 questions'
\echo 'a question by the index:                   ' :index_ms 'ms'
\echo 'a question by a sequential scan:           ' :scan_ms 'ms'
\echo 'the index is faster by a factor of:        ' :factor

-- annex_recall: what it measures, on whose behalf, and what it refuses.
CREATE TABLE measured (id int, v vector(8), kind text);
INSERT INTO measured
	SELECT i, (SELECT array_agg((sin(i * 12.9898 + j * 78.233 + i * j * 0.37) + (i % 7) * (j % 3))::real)
		FROM generate_series(1, 8) j)::vector, CASE WHEN i % 2 = 0 THEN 'even' ELSE 'odd' END
	FROM generate_series(1, 2000) i;
CREATE INDEX measured_l2 ON measured USING ivf (v vector_l2_ops) WITH (lists = 40);
CREATE INDEX measured_ip ON measured USING ivf (v vector_ip_ops) WITH (lists = 40);
CREATE INDEX measured_cosine ON measured USING ivf (v vector_cosine_ops) WITH (lists = 40);

-- With all lists and a wide bound nothing is missed, whatever the metric; with one list much is.
SET ivf.probes = 40;
SET ivf.epsilon = 8;
SELECT recall, recall_min, recall_p05, perfect, measured, rows, probes, epsilon, query_ms > 0 AS timed, exact_ms > 0 AS timed_too
FROM annex_recall('measured_l2');
SELECT recall, measured, rows FROM annex_recall('measured_ip', 20, 50);
SELECT recall, measured, rows FROM annex_recall('measured_cosine', 100, 30);
SET ivf.probes = 1;
SELECT recall BETWEEN 0.1 AND 0.95 AS recall, recall_min <= recall_p05 AND recall_p05 <= recall AS order,
	recall_min < 1 AS worst, perfect BETWEEN 0 AND 0.9 AS perfect, probes
FROM annex_recall('measured_l2');
SELECT a = b AS same_sample FROM
	(SELECT recall, recall_min, perfect FROM annex_recall('measured_cosine', 10, 77)) a,
	(SELECT recall, recall_min, perfect FROM annex_recall('measured_cosine', 10, 77)) b;

-- Scans take what the target recall needs from the calibration of the index, unless probes or epsilon are set.
RESET ivf.probes;
RESET ivf.epsilon;
SET annex.target_recall = 0.5;
SELECT recall BETWEEN 0.5 AND 0.98 AS half, probes AS probes_half, epsilon AS epsilon_half FROM annex_recall('measured_l2', 10, 200) \gset
SET annex.target_recall = 0.99;
SELECT :'half'::bool AS half, recall >= 0.98 AS enough, probes > :probes_half AS more_probes, epsilon >= :epsilon_half AS wider
FROM annex_recall('measured_l2', 10, 200);
SET ivf.epsilon = 5;
SELECT epsilon FROM annex_recall('measured_l2', 10, 1);
RESET ivf.epsilon;
SET ivf.probes = 7;
SELECT probes, epsilon FROM annex_recall('measured_l2', 10, 1);
RESET annex.target_recall;
SELECT probes, epsilon FROM annex_recall('measured_l2', 10, 1);
-- annex_index_info shows the calibration, and what scans do for the recall that is asked for now.
RESET ivf.probes;
SELECT list_option, generation, being_replaced, listed_rows, drift BETWEEN 0.9 AND 1.1 AS no_drift, maintenance_due, free_pages,
	calibrated_rows, probes BETWEEN 1 AND 40 AS probes, epsilon > 0 AS epsilon, jsonb_array_length(calibration) AS entries
FROM annex_index_info('measured_l2');
SELECT bool_and(more) AS more_for_more FROM (
	SELECT (e ->> 'probes')::float8 >= lag((e ->> 'probes')::float8) OVER (PARTITION BY e ->> 'k' ORDER BY (e ->> 'recall')::float8) AS more
	FROM annex_index_info('measured_l2'), jsonb_array_elements(calibration) e) steps;
SET annex.target_recall = 0.4;
SET annex.target_recall = 0.9999;
SET ivf.probes = 1;
SET ivf.epsilon = 8;

-- What it says is what SQL says.
CREATE TABLE asked (id int, q vector(8), note text);
INSERT INTO asked SELECT id, (v::real[])::vector + '[.1,.2,.1,.3,.1,.2,.1,.1]', 'n' FROM measured WHERE id % 100 = 1;
INSERT INTO asked VALUES (-1, NULL, 'no vector');
CREATE FUNCTION recall_in_sql() RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE
	got float8[];
	exact float8[];
	statement text := 'SELECT array_agg(d ORDER BY n, d) FROM (SELECT id AS n, q FROM asked WHERE q IS NOT NULL) a
		CROSS JOIN LATERAL (SELECT v <-> q AS d FROM measured ORDER BY v <-> q LIMIT 10) b';
BEGIN
	SET LOCAL enable_seqscan = off;
	EXECUTE statement INTO got;
	SET LOCAL enable_seqscan = on;
	SET LOCAL enable_indexscan = off;
	EXECUTE statement INTO exact;
	RETURN (SELECT avg((d <= exact[((i - 1) / 10 + 1) * 10])::int) FROM unnest(got) WITH ORDINALITY u (d, i));
END $$;
SELECT round(recall::numeric, 6) = round(recall_in_sql()::numeric, 6) AS same, recall < 1 AS less, measured
FROM annex_recall('measured_l2', query_table => 'asked');
SELECT measured FROM annex_recall('measured_l2', 10, 7, 'asked', 'q');

-- Many batches: work_mem bounds what is held at once.
SET ivf.probes = 40;
SET work_mem = '64kB';
SELECT recall, measured, rows FROM annex_recall('measured_l2', 500, 60);
SELECT recall, measured, rows FROM annex_recall('measured_l2', 500, 60, 'asked');
RESET work_mem;

-- Fewer rows than neighbours, ties, rows without a distance, rows without a vector.
CREATE TABLE special (v vector(3));
INSERT INTO special SELECT ARRAY[1, i % 2, 0]::vector FROM generate_series(1, 40) i;
INSERT INTO special VALUES ('[0,0,0]'), ('[0,0,0]'), (NULL), (NULL), ('[1e-30,0,0]');
CREATE INDEX special_cosine ON special USING ivf (v vector_cosine_ops);
CREATE INDEX special_l2 ON special USING ivf (v vector_l2_ops);
SELECT recall, recall_min, measured, rows FROM annex_recall('special_cosine', 5, 100);
SELECT recall, recall_min, measured, rows FROM annex_recall('special_cosine', 1000, 100);
SELECT recall, recall_min, measured, rows FROM annex_recall('special_l2', 5, 100);
SELECT recall, recall_min, measured, rows FROM annex_recall('special_l2', 1000, 100);
CREATE TABLE one (v vector(3));
CREATE INDEX one_v ON one USING ivf (v vector_l2_ops);
SELECT recall, recall_min, recall_p05, perfect, measured, rows FROM annex_recall('one_v');
INSERT INTO one VALUES ('[1,2,3]');
SELECT recall, measured, rows FROM annex_recall('one_v');
INSERT INTO one VALUES ('[1,2,4]');
SELECT recall, measured, rows FROM annex_recall('one_v');

-- Partial and expression indexes answer for their own rows.
CREATE INDEX measured_partial ON measured USING ivf (v vector_l2_ops) WITH (lists = 10) WHERE kind = 'even';
CREATE INDEX measured_expression ON measured USING ivf (((v + '[1,1,1,1,1,1,1,1]'::vector)::vector(8)) vector_l2_ops) WITH (lists = 10);
SELECT recall, measured, rows FROM annex_recall('measured_partial', 10, 50);
SELECT recall, measured, rows FROM annex_recall('measured_expression', 10, 50);

-- The statement's snapshot counts: what was deleted is neither asked nor found, updated rows are one row.
BEGIN;
DELETE FROM measured WHERE id <= 1000;
UPDATE measured SET id = id + 10000 WHERE id % 10 = 0;
SELECT recall, measured, rows FROM annex_recall('measured_l2', 10, 50);
ROLLBACK;

-- Views are query tables as well; a dropped column is no column.
CREATE VIEW asked_view AS SELECT q AS vector FROM asked;
SELECT recall, measured FROM annex_recall('measured_l2', query_table => 'asked_view');
CREATE TABLE "Odd Name" (gone vector(8), "The Query" vector(8));
ALTER TABLE "Odd Name" DROP COLUMN gone;
INSERT INTO "Odd Name" SELECT q FROM asked WHERE id = 1;
SELECT recall, measured FROM annex_recall('measured_l2', query_table => '"Odd Name"');
SELECT recall, measured FROM annex_recall('measured_l2', query_table => '"Odd Name"', query_column => 'The Query');

-- Refused.
SELECT annex_recall('measured_l2', 0);
SELECT annex_recall('measured_l2', 10001);
SELECT annex_recall('measured_l2', 10, 0);
SELECT annex_recall('measured_l2', query_column => 'q');
SELECT annex_recall('measured_l2', query_table => 'asked', query_column => 'note');
SELECT annex_recall('measured_l2', query_table => 'asked', query_column => 'nothing');
SELECT annex_recall('measured_l2', query_table => 'pg_class');
SELECT annex_recall('measured_l2', query_table => 'special');
ALTER TABLE asked ADD COLUMN other vector(8);
SELECT annex_recall('measured_l2', query_table => 'asked');
SELECT annex_recall('measured');
SELECT annex_recall(0);
SELECT annex_recall('measured_l2', query_table => 0);
SELECT annex_recall(NULL) IS NULL AS null_index, annex_recall('measured_l2', NULL) IS NULL AS null_k;
CREATE INDEX measured_id ON measured (id);
SELECT annex_recall('measured_id');
CREATE TABLE recall_parts (v vector(3)) PARTITION BY LIST ((vector_dims(v)));
CREATE TABLE recall_parts_three PARTITION OF recall_parts FOR VALUES IN (3);
CREATE INDEX recall_parts_v ON recall_parts USING ivf (v vector_l2_ops);
SELECT annex_recall('recall_parts_v');
SELECT recall, rows FROM annex_recall('recall_parts_three_v_idx');

-- Who may not read the table, or not all of it, learns nothing.
CREATE ROLE regress_annex_measurer;
SET ROLE regress_annex_measurer;
SELECT annex_recall('measured_l2');
RESET ROLE;
GRANT SELECT ON measured TO regress_annex_measurer;
SET ROLE regress_annex_measurer;
SELECT measured FROM annex_recall('measured_l2');
SELECT annex_recall('measured_l2', query_table => 'asked', query_column => 'q');
RESET ROLE;
GRANT SELECT (q) ON asked TO regress_annex_measurer;
ALTER TABLE asked ENABLE ROW LEVEL SECURITY;
CREATE POLICY some_rows ON asked TO regress_annex_measurer USING (id < 500);
SET ROLE regress_annex_measurer;
SELECT measured FROM annex_recall('measured_l2', query_table => 'asked', query_column => 'q');
RESET ROLE;
ALTER TABLE measured ENABLE ROW LEVEL SECURITY;
SET ROLE regress_annex_measurer;
SELECT annex_recall('measured_l2');
RESET ROLE;
SELECT measured FROM annex_recall('measured_l2');

-- An index's expressions run with the rights of the table's owner, and nobody's search_path leads them astray.
CREATE FUNCTION whoami(vector) RETURNS vector LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	IF current_user <> 'regress_annex_measurer' THEN RAISE 'not the owner'; END IF;
	RETURN $1;
END $$;
CREATE TABLE theirs (v vector(3));
INSERT INTO theirs SELECT ARRAY[i, i % 7, 1]::vector FROM generate_series(1, 50) i;
ALTER TABLE theirs OWNER TO regress_annex_measurer;
CREATE INDEX theirs_v ON theirs USING ivf ((whoami(v)::vector(3)) vector_l2_ops);
CREATE TABLE mine AS SELECT v FROM theirs;
SELECT recall, measured FROM annex_recall('theirs_v', 3, 10);
SELECT recall, measured FROM annex_recall('theirs_v', 3, 10, 'mine');
SELECT current_user = session_user AS myself_again;

DROP TABLE measured, asked, special, one, "Odd Name", recall_parts, theirs, mine CASCADE;
DROP FUNCTION recall_in_sql, whoami;
DROP ROLE regress_annex_measurer;

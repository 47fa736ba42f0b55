-- annex_stat_indexes: what the scans of each index have done.
CREATE TABLE counted (id serial PRIMARY KEY, v vector(8), tag int) WITH (autovacuum_enabled = off);
INSERT INTO counted (v, tag)
	SELECT array_agg(sin(i * 12.9898 + j * 78.233))::vector, i FROM generate_series(1, 1000) i, generate_series(1, 8) j GROUP BY i;
CREATE INDEX counted_v ON counted USING ivf (v) WITH (lists = 10, spill = off);
CREATE INDEX counted_cosine ON counted USING ivf (v vector_cosine_ops) WITH (lists = 10);
CREATE INDEX counted_tag ON counted (tag);
ANALYZE counted;
SET enable_seqscan = off;
SET enable_sort = off;

-- One line an index of ours, none for others, all zeros before anything was scanned.
SELECT * FROM annex_stat_indexes WHERE relname = 'counted' AND false;
SELECT relid::regclass, indexrelid::regclass, schemaname = current_schema AS schema, scans, set_scans, column_scans, exact_scans,
	rounds, lists_probed, vectors_scanned, vectors_passed, vectors_skipped, vectors_refined, rows_returned, stats_reset
FROM annex_stat_indexes WHERE relname = 'counted' ORDER BY indexrelname;

-- Every start of a scan counts; what EXPLAIN does not run does not.
CREATE VIEW counts AS
	SELECT indexrelname, scans, set_scans, column_scans, exact_scans, rounds >= scans AS rounds,
		lists_probed >= rounds AS lists, vectors_scanned > rows_returned AS scanned, vectors_refined >= rows_returned AS refined,
		rows_returned >= 10 * scans AS returned
	FROM annex_stat_indexes WHERE relname = 'counted' AND scans > 0 ORDER BY indexrelname;
EXPLAIN (COSTS off) SELECT id FROM counted ORDER BY v <-> '[1,1,1,1,1,1,1,1]' LIMIT 10;
SELECT count(*) FROM (SELECT id FROM counted ORDER BY v <-> '[1,1,1,1,1,1,1,1]' LIMIT 10) a;
SELECT * FROM counts;
SELECT count(*) FROM counted q CROSS JOIN LATERAL (SELECT id FROM counted ORDER BY v <=> q.v LIMIT 10) a WHERE q.id <= 7;
SELECT * FROM counts;

-- With every list probed, every vector is scanned once and a scan without end returns them all.
SELECT annex_stat_reset('counted_v');
SET ivf.probes = 10;
SELECT count(*) FROM (SELECT id FROM counted ORDER BY v <-> '[1,1,1,1,1,1,1,1]') a;
SELECT scans, rows_returned, vectors_refined >= 1000 AS refined, stats_reset <= now() + interval '1 hour' AS reset
FROM annex_stat_indexes WHERE indexrelname = 'counted_v';
RESET ivf.probes;

-- The ways of filtered scans, and conditions on columns of the index.
SELECT annex_stat_reset();
SET annex.filtered_way = 'set';
SELECT count(*) FROM (SELECT id FROM counted WHERE tag < 100 ORDER BY v <-> '[1,1,1,1,1,1,1,1]' LIMIT 10) a;
SET annex.filtered_way = 'exact';
SELECT count(*) FROM (SELECT id FROM counted WHERE tag < 100 ORDER BY v <-> '[1,1,1,1,1,1,1,1]' LIMIT 10) a;
SET annex.filtered_way = 'plain';
SELECT count(*) FROM (SELECT id FROM counted WHERE tag < 100 ORDER BY v <-> '[1,1,1,1,1,1,1,1]' LIMIT 10) a;
RESET annex.filtered_way;
SELECT scans, set_scans, column_scans, exact_scans, vectors_passed >= 10 AS passed, vectors_skipped > vectors_passed AS skipped
FROM annex_stat_indexes WHERE indexrelname = 'counted_v';
CREATE TABLE counted_columns AS SELECT * FROM counted;
CREATE INDEX counted_columns_v ON counted_columns USING ivf (v, tag) WITH (lists = 10);
ANALYZE counted_columns;
SELECT count(*) FROM (SELECT id FROM counted_columns WHERE tag < 100 ORDER BY v <-> '[1,1,1,1,1,1,1,1]' LIMIT 10) a;
SELECT scans, set_scans, column_scans, exact_scans, vectors_passed >= 10 AS passed, vectors_skipped > vectors_passed AS skipped
FROM annex_stat_indexes WHERE indexrelname = 'counted_columns_v';
DROP TABLE counted_columns;
SELECT annex_stat_reset('counted_v');
SELECT count(*) FROM (SELECT id FROM counted ORDER BY v <-> '[1,1,1,1,1,1,1,1]' LIMIT 10) a;

-- A cursor counts when it is closed.
BEGIN;
DECLARE c CURSOR FOR SELECT id FROM counted ORDER BY v <-> '[1,1,1,1,1,1,1,1]';
FETCH 1 FROM c;
SELECT scans FROM annex_stat_indexes WHERE indexrelname = 'counted_v';
CLOSE c;
SELECT scans FROM annex_stat_indexes WHERE indexrelname = 'counted_v';
COMMIT;

-- Nothing counts without track_counts.
SET track_counts = off;
SELECT count(*) FROM (SELECT id FROM counted ORDER BY v <-> '[1,1,1,1,1,1,1,1]' LIMIT 10) a;
RESET track_counts;
SELECT scans FROM annex_stat_indexes WHERE indexrelname = 'counted_v';

-- Partitions' indexes are listed, their parents' are not; an index of another access method has no counters.
CREATE TABLE counted_parts (id int, v vector(8)) PARTITION BY RANGE (id);
CREATE TABLE counted_part PARTITION OF counted_parts FOR VALUES FROM (0) TO (10);
CREATE INDEX counted_parts_v ON counted_parts USING ivf (v);
SELECT relname FROM annex_stat_indexes WHERE relname LIKE 'counted\_%';

-- Everyone may look; who may reset is for the administrator to say.
CREATE ROLE annex_stat_reader;
SET ROLE annex_stat_reader;
SELECT scans FROM annex_stat_indexes WHERE indexrelname = 'counted_v';
SELECT annex_stat_reset('counted_v');
RESET ROLE;
GRANT EXECUTE ON FUNCTION annex_stat_reset TO annex_stat_reader;
SET ROLE annex_stat_reader;
SELECT annex_stat_reset();
RESET ROLE;
REVOKE EXECUTE ON FUNCTION annex_stat_reset FROM annex_stat_reader;
DROP ROLE annex_stat_reader;
SELECT indexrelname, scans, lists_probed, rows_returned, stats_reset IS NOT NULL AS reset
FROM annex_stat_indexes WHERE relname = 'counted' ORDER BY indexrelname;

-- The place of indexes that were dropped is used again.
DO $$
BEGIN
	FOR i IN 1 .. 300 LOOP
		CREATE TEMP TABLE passing (v vector(2));
		CREATE INDEX passing_v ON passing USING ivf (v);
		PERFORM FROM passing ORDER BY v <-> '[1,1]' LIMIT 1;
		IF (SELECT scans FROM annex_stat_indexes WHERE indexrelname = 'passing_v') <> 1 THEN
			RAISE EXCEPTION 'index % is not counted', i;
		END IF;
		DROP TABLE passing;
	END LOOP;
END $$;
DROP TABLE counted, counted_parts CASCADE;

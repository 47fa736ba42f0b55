-- List maintenance: lists follow the rows, through vacuum and annex_maintain().
SET client_min_messages = warning;
SET maintenance_work_mem = '64MB';
SET max_parallel_maintenance_workers = 0;
SET enable_seqscan = off;

-- Rows near a centre of their own group; the same ones each time.
CREATE FUNCTION near_centre(i integer, grp integer) RETURNS vector LANGUAGE sql IMMUTABLE AS $$
	SELECT array_agg((hashint8(grp * 1000 + j)::bigint & 1023) / 100.0 + (hashint8(i::bigint * 64 + j)::bigint & 255) / 100.0
		ORDER BY j)::real[]::vector
	FROM generate_series(1, 16) j
$$;

-- The share of the ten nearest rows that the index finds, over some rows as queries.
CREATE FUNCTION recall_of(tab regclass) RETURNS numeric LANGUAGE plpgsql AS $$
DECLARE
	q vector; true_ids int[]; ids int[]; found int := 0; asked int := 0;
BEGIN
	FOR q IN EXECUTE format('SELECT v FROM %s WHERE id %% 97 = 0 ORDER BY id LIMIT 40', tab) LOOP
		SET LOCAL enable_indexscan = off;
		EXECUTE format('SELECT array_agg(id) FROM (SELECT id FROM %s ORDER BY v <-> $1 LIMIT 10) x', tab) INTO true_ids USING q;
		SET LOCAL enable_indexscan = on;
		EXECUTE format('SELECT array_agg(id) FROM (SELECT id FROM %s ORDER BY v <-> $1 LIMIT 10) x', tab) INTO ids USING q;
		SELECT found + count(*) INTO found FROM unnest(true_ids) t WHERE t = ANY (ids);
		asked := asked + 10;
	END LOOP;
	RETURN round(found::numeric / asked, 2);
END $$;

-- An index made before its rows: one list, until vacuum sees them.
CREATE TABLE grown (id int, v vector(16));
CREATE INDEX grown_v ON grown USING ivf (v vector_l2_ops);
INSERT INTO grown SELECT i, near_centre(i, i % 40) FROM generate_series(1, 12000) i;
SELECT lists, rows FROM annex_index_info('grown_v');
VACUUM grown;
SELECT lists > 50 AS many_lists, rows, entries >= rows AS all_there FROM annex_index_info('grown_v');
SELECT annex_verify('grown_v', true);
SELECT recall_of('grown') >= 0.95 AS good;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM grown ORDER BY v <-> near_centre(1, 1)) x;

-- Nothing to do, twice; by force all the same. What has died is freed when no snapshot needs it, and used again.
SELECT lists_replaced, lists_made FROM annex_maintain('grown_v');
SELECT lists_replaced = lists_made AS replaced, lists_made > 50 AS many FROM annex_maintain('grown_v', true);
SELECT annex_verify('grown_v', true);
SELECT pg_current_xact_id() IS NOT NULL AS later;
SELECT pages_freed > 0 AS freed FROM annex_maintain('grown_v');
SELECT pg_relation_size('grown_v') AS size \gset
SELECT lists_made > 50 AS many FROM annex_maintain('grown_v', true);
SELECT annex_verify('grown_v', true);
SELECT pg_relation_size('grown_v') <= 1.05 * :size AS used_again;

-- Most rows go, and so do most lists.
DELETE FROM grown WHERE id > 2000;
VACUUM grown;
SELECT lists < 40 AS few_lists, rows FROM annex_index_info('grown_v');
SELECT annex_verify('grown_v', true);
SELECT recall_of('grown') >= 0.95 AS good;

-- Other data comes in the place of the old: the lists follow.
CREATE TABLE drifted (id int, v vector(16));
INSERT INTO drifted SELECT i, near_centre(i, i / 300) FROM generate_series(1, 12000) i;
CREATE INDEX drifted_v ON drifted USING ivf (v vector_l2_ops);
DELETE FROM drifted WHERE id <= 6000;
VACUUM drifted;
INSERT INTO drifted SELECT i, near_centre(i, 500 + i % 40) FROM generate_series(20001, 26000) i;
SELECT imbalance AS before FROM annex_index_info('drifted_v') \gset
VACUUM drifted;
SELECT imbalance < :before AS more_even FROM annex_index_info('drifted_v');
SELECT annex_verify('drifted_v', true);
SELECT recall_of('drifted') >= 0.95 AS good;

-- A row that comes between two statements of a cursor does not disturb it, nor do new lists.
BEGIN;
SET LOCAL ivf.probes = 48;
DECLARE c CURSOR FOR SELECT id FROM drifted ORDER BY v <-> near_centre(20001, 541);
FETCH 3 FROM c;
INSERT INTO drifted VALUES (30000, near_centre(20001, 541));
SELECT lists_made > 0 AS made FROM annex_maintain('drifted_v', true);
SELECT lists_made > 0 AS made FROM annex_maintain('drifted_v', true);
MOVE FORWARD ALL FROM c;
CLOSE c;
SELECT id FROM drifted ORDER BY v <-> near_centre(20001, 541) LIMIT 1;
COMMIT;
SELECT annex_verify('drifted_v', true);

-- An explicit number of lists holds as soon as the rows suffice for it.
CREATE TABLE wanted (id int, v vector(3));
CREATE INDEX wanted_v ON wanted USING ivf (v vector_l2_ops) WITH (lists = 30);
INSERT INTO wanted SELECT i, ARRAY[i % 17, i % 23, i % 31]::vector FROM generate_series(1, 3000) i;
VACUUM wanted;
SELECT lists FROM annex_index_info('wanted_v');
SELECT annex_verify('wanted_v', true);
ALTER INDEX wanted_v SET (lists = 90);
SELECT lists_replaced, lists_made FROM annex_maintain('wanted_v');
SELECT annex_verify('wanted_v', true);

-- Where the memory holds fewer lists than would be best, there is nothing more to be done.
CREATE TABLE cramped (id int, v vector(512));
INSERT INTO cramped SELECT i, (SELECT array_agg(sin(i * (1 + j % 7) * 0.37 + j)::real)::vector FROM generate_series(1, 512) j)
FROM generate_series(1, 5000) i;
SET maintenance_work_mem = '1MB';
CREATE INDEX cramped_v ON cramped USING ivf (v vector_l2_ops) WITH (lists = 0);
SELECT lists > 20 AND lists < 60 AS fewer FROM annex_index_info('cramped_v');
SELECT lists_made FROM annex_maintain('cramped_v');
SELECT lists_made > 0 AS made FROM annex_maintain('cramped_v', true);
SELECT lists_made FROM annex_maintain('cramped_v');
SET maintenance_work_mem = '64MB';
SELECT lists_made > 60 AS more FROM annex_maintain('cramped_v');
SET maintenance_work_mem = '1MB';
SELECT lists_made FROM annex_maintain('cramped_v');
SET maintenance_work_mem = '64MB';

-- Without rows, with rows that have no codes, and with rows that take two pages each.
CREATE TABLE odd (id int, v vector(9000));
CREATE INDEX odd_v ON odd USING ivf (v vector_cosine_ops);
SELECT lists_made FROM annex_maintain('odd_v', true);
INSERT INTO odd VALUES (1, NULL), (2, array_fill(0, ARRAY[9000])::vector);
INSERT INTO odd SELECT i, (array_fill(i, ARRAY[8999]) || 1)::vector FROM generate_series(3, 20) i;
SELECT lists_made FROM annex_maintain('odd_v', true);
SELECT annex_verify('odd_v', true);
SELECT count(*) FROM (SELECT id FROM odd ORDER BY v <=> (array_fill(1, ARRAY[8999]) || 7)::vector) x;

-- Who may, and what on.
CREATE ROLE ivf_stranger;
SET ROLE ivf_stranger;
SELECT annex_maintain('odd_v');
RESET ROLE;
DROP ROLE ivf_stranger;
SELECT annex_maintain('grown');
BEGIN READ ONLY;
SELECT annex_maintain('odd_v', true);
ROLLBACK;

DROP TABLE grown, drifted, wanted, cramped, odd;
DROP FUNCTION near_centre, recall_of;

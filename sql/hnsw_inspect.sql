-- annex_verify, annex_index_info, annex_recall and annex_maintain of hnsw indexes.
SELECT setseed(0.3);
CREATE FUNCTION random_vector(kind int) RETURNS vector LANGUAGE sql VOLATILE
	AS 'SELECT array_agg(random() + kind)::vector FROM generate_series(1, 8)';
CREATE TABLE looked_at (id serial PRIMARY KEY, v vector(8), kind int) WITH (autovacuum_enabled = off);
INSERT INTO looked_at (v, kind) SELECT random_vector(i % 20), i % 5 FROM generate_series(1, 3000) i;
INSERT INTO looked_at (v) VALUES (NULL), ('[0,0,0,0,0,0,0,0]'), (array_fill(1e25::real, '{8}')::vector);
INSERT INTO looked_at (v, kind) SELECT v, 9 FROM looked_at, generate_series(1, 300) WHERE id = 1;
CREATE INDEX looked_at_l2 ON looked_at USING hnsw (v vector_l2_ops, kind);
CREATE INDEX looked_at_ip ON looked_at USING hnsw (v vector_ip_ops) WITH (m = 6, ef_construction = 20);
CREATE INDEX looked_at_cosine ON looked_at USING hnsw (v vector_cosine_ops) WHERE kind IS NULL OR kind < 9;

SELECT relname, annex_verify(oid), annex_verify(oid, true) FROM pg_class WHERE relname LIKE 'looked_at_%' AND relkind = 'i'
	AND relname <> 'looked_at_pkey' ORDER BY relname;
SELECT relname, access_method, metric, dimensions, padded_dimensions, m, ef_construction, rows, first_rows, nodes, dead_nodes,
	free_row_slots, entry_nodes > 0 AS entries, edges_avg BETWEEN 3 AND m * 2 AS edges, edges_most_avg >= edges_avg AS room
FROM pg_class, annex_index_info(oid) WHERE relname IN ('looked_at_l2', 'looked_at_ip', 'looked_at_cosine') ORDER BY relname;
SELECT meta_pages, mean_pages, entry_pages, side_pages, other_pages, free_pages, node_pages > 10 AS node_pages,
	meta_pages + mean_pages + entry_pages + node_pages + side_pages = bytes / current_setting('block_size')::int AS pages,
	bytes = pg_relation_size('looked_at_l2') AS bytes, lists, probes, calibrated_rows
FROM annex_index_info('looked_at_l2');

-- The calibration: more ef for more rows and for a greater recall.
SELECT bool_and(ef >= before) AS grows, count(*), min(ef) >= 1 AS least FROM (
	SELECT (e ->> 'ef')::float AS ef, lag((e ->> 'ef')::float, 1, 0) OVER (PARTITION BY e ->> 'k' ORDER BY e ->> 'recall') AS before
	FROM annex_index_info('looked_at_l2'), jsonb_array_elements(calibration) e) steps;
SET annex.target_recall = 0.6;
SELECT ef AS ef_little FROM annex_index_info('looked_at_l2') \gset
SET annex.target_recall = 0.99;
SELECT ef > :ef_little AS more FROM annex_index_info('looked_at_l2');
SELECT recall >= 0.98 AS recall, measured, rows, probes, ef > :ef_little AS more, query_ms > 0 AS timed
FROM annex_recall('looked_at_l2', 10, 200);
RESET annex.target_recall;
SELECT recall >= 0.9 AS recall, ef IS NOT NULL AS ef FROM annex_recall('looked_at_cosine', 10, 200);

-- What was inserted, deleted and vacuumed.
INSERT INTO looked_at (v, kind) SELECT random_vector(i % 20), i % 5 FROM generate_series(1, 500) i;
SELECT rows, nodes FROM annex_index_info('looked_at_l2');
DELETE FROM looked_at WHERE id % 2 = 0;
SELECT rows, nodes, dead_nodes FROM annex_index_info('looked_at_l2');
VACUUM (INDEX_CLEANUP on) looked_at;
SELECT rows, first_rows, nodes, dead_nodes, free_row_slots > 1000 AS free FROM annex_index_info('looked_at_l2');
SELECT nodes_linked >= 0 AS linked, lists_made FROM annex_maintain('looked_at_l2');
SELECT annex_verify('looked_at_l2', true);
SELECT calibrated_rows AS calibrated_before FROM annex_index_info('looked_at_l2') \gset
SELECT nodes_linked FROM annex_maintain('looked_at_l2', true);
SELECT calibrated_rows < :calibrated_before AS calibrated FROM annex_index_info('looked_at_l2');

-- Bit strings.
CREATE TABLE strings (id serial PRIMARY KEY, b bit(150)) WITH (autovacuum_enabled = off);
INSERT INTO strings (b) SELECT (repeat((i % 20)::bit(5)::text, 10) || repeat((i * 7)::bit(10)::text, 10))::bit(150)
	FROM generate_series(1, 1500) i;
CREATE INDEX strings_hamming ON strings USING hnsw (b bit_hamming_ops);
CREATE INDEX strings_jaccard ON strings USING hnsw (b bit_jaccard_ops);
SELECT relname, annex_verify(oid, true), metric, dimensions, rows, nodes = rows AS alone
FROM pg_class, annex_index_info(oid) WHERE relname IN ('strings_hamming', 'strings_jaccard') ORDER BY relname;
SELECT recall >= 0.9 AS recall FROM annex_recall('strings_hamming', 10, 100);
DROP TABLE strings;

-- An empty index, and one that has become empty.
CREATE TABLE nothing (v vector(4));
CREATE INDEX nothing_v ON nothing USING hnsw (v vector_l2_ops);
SELECT rows, nodes, entry_nodes, edges_avg, bytes_per_row, calibration FROM annex_index_info('nothing_v');
SELECT annex_verify('nothing_v', true);
INSERT INTO nothing SELECT ARRAY[i, i % 7, i % 11, 1]::vector FROM generate_series(1, 200) i;
SELECT annex_verify('nothing_v', true), rows, nodes FROM annex_index_info('nothing_v');
DELETE FROM nothing;
VACUUM (INDEX_CLEANUP on) nothing;
SELECT annex_verify('nothing_v', true), rows, nodes, dead_nodes FROM annex_index_info('nothing_v');
SELECT nodes_linked FROM annex_maintain('nothing_v', true);

-- Of clusters far from each other, more than there are rows to start from, those become one that searches do not find.
CREATE TABLE clusters (id int, v vector(16));
INSERT INTO clusters SELECT i, ARRAY(SELECT (sin(i / 20 * 12.9898 + j * 78.233 + i / 20 * j * .37) * 10 + sin(i * 7.31 + j * 3.17 + i * j * .11) / 2)::real
	FROM generate_series(1, 16) j)::vector FROM generate_series(0, 19999) i;
CREATE INDEX clusters_v ON clusters USING hnsw (v vector_l2_ops) WITH (m = 4, ef_construction = 16);
SELECT entry_nodes > 256 FROM annex_index_info('clusters_v');
SELECT annex_verify('clusters_v', true);

-- Vacuum without deleted rows knows the table's rows alone: where these are far more than the nodes, it does not calibrate
-- anew each time.
CREATE TABLE few_nodes (id int, v vector(8)) WITH (autovacuum_enabled = off);
INSERT INTO few_nodes SELECT i, random_vector(i % 20) FROM generate_series(1, 6000) i;
CREATE INDEX few_nodes_v ON few_nodes USING hnsw (v vector_l2_ops) WHERE id <= 1500;
SELECT calibrated_rows FROM annex_index_info('few_nodes_v');
SELECT pg_stat_force_next_flush();
SELECT idx_blks_read + idx_blks_hit AS before FROM pg_statio_user_indexes WHERE indexrelname = 'few_nodes_v' \gset
VACUUM (DISABLE_PAGE_SKIPPING) few_nodes;
SELECT pg_stat_force_next_flush();
SELECT idx_blks_read + idx_blks_hit - :before < 1000 AS as_it_was FROM pg_statio_user_indexes WHERE indexrelname = 'few_nodes_v';
DROP TABLE few_nodes;

DROP TABLE looked_at, nothing, clusters;
DROP FUNCTION random_vector;

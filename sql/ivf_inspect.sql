-- annex_verify and annex_index_info: what they say of indexes, and whom they refuse.
CREATE TABLE inspected (id serial PRIMARY KEY, v vector(3), kind text) WITH (autovacuum_enabled = off);
INSERT INTO inspected (v, kind)
	SELECT ARRAY[cos(i), sin(i), i / 1000.0]::vector, 'kept' FROM generate_series(1, 1000) i;
INSERT INTO inspected (v) VALUES (NULL), (NULL), ('[0,0,0]'), ('[1e-30,0,0]');
CREATE INDEX inspected_v ON inspected USING ivf (v vector_cosine_ops) WITH (lists = 6, spill = on);

SELECT annex_verify('inspected_v');
SELECT annex_verify('inspected_v', true);
SELECT access_method, metric, dimensions, padded_dimensions, lists, spill, height, build_rows,
	rows, first_rows, nan_rows, null_rows, entries, stale_entries, dead_entries, free_row_slots
FROM annex_index_info('inspected_v');
SELECT list_size_min > 0 AND list_size_min <= list_size_avg AND list_size_avg <= list_size_max AS sizes,
	list_size_avg * lists = entries AS average, imbalance >= 1 AS imbalance,
	meta_pages, mean_pages, descriptor_pages, side_pages, other_pages,
	meta_pages + mean_pages + descriptor_pages + list_pages + row_pages + side_pages + other_pages + free_pages
		= bytes / current_setting('block_size')::int AS pages,
	bytes = pg_relation_size('inspected_v') AS bytes,
	bytes_per_row = bytes / 1004.0 AS bytes_per_row
FROM annex_index_info('inspected_v');

-- What was deleted is counted until vacuum has come by, and then its room is.
DELETE FROM inspected WHERE id <= 100;
SELECT rows, entries, free_row_slots FROM annex_index_info('inspected_v');
VACUUM (INDEX_CLEANUP on) inspected;
SELECT rows, entries, stale_entries, free_row_slots FROM annex_index_info('inspected_v');
INSERT INTO inspected (v) SELECT ARRAY[i, 1, 1]::vector FROM generate_series(1, 50) i;
SELECT rows, entries, stale_entries, free_row_slots < 100 AS reused FROM annex_index_info('inspected_v');
SELECT annex_verify('inspected_v', true);

-- Without spill every row has one entry; an empty index has a list.
CREATE INDEX inspected_single ON inspected USING ivf (v) WITH (lists = 3, spill = off);
SELECT metric, spill, rows, entries FROM annex_index_info('inspected_single');
SELECT annex_verify('inspected_single', true);
CREATE TABLE empty (v vector(5));
CREATE INDEX empty_v ON empty USING ivf (v vector_ip_ops);
SELECT metric, lists, rows, entries, list_size_max, imbalance, bytes_per_row FROM annex_index_info('empty_v');
SELECT annex_verify('empty_v', true);

-- A column whose type loses its number of dimensions keeps the index, which keeps that of its build.
ALTER TABLE inspected ALTER v TYPE vector;
SELECT annex_verify('inspected_single', true), dimensions FROM annex_index_info('inspected_single');
INSERT INTO inspected (v) VALUES ('[1,2]');
REINDEX INDEX inspected_single;
ALTER TABLE inspected ALTER v TYPE vector(3);

-- A partial index holds what its predicate lets in.
CREATE INDEX inspected_partial ON inspected USING ivf (v vector_l2_ops) WHERE kind = 'kept';
SELECT annex_verify('inspected_partial', true), rows FROM annex_index_info('inspected_partial');

-- In the transaction that changes the table, and after it was undone.
BEGIN;
INSERT INTO inspected (v) VALUES ('[7,8,9]');
SELECT annex_verify('inspected_v', true);
ROLLBACK;
SELECT annex_verify('inspected_v', true);

-- What is no ivf index of one's own.
SELECT annex_verify('inspected');
SELECT annex_index_info('inspected');
SELECT annex_verify('inspected_pkey');
SELECT annex_index_info('inspected_pkey');
SELECT annex_verify(0);
SELECT annex_verify(NULL) IS NULL AS null_index;
CREATE TABLE parts (v vector(3)) PARTITION BY LIST ((vector_dims(v)));
CREATE TABLE parts_three PARTITION OF parts FOR VALUES IN (3);
CREATE INDEX parts_v ON parts USING ivf (v vector_l2_ops);
SELECT annex_verify('parts_v');
SELECT annex_index_info('parts_v');
SELECT annex_verify(relid) FROM pg_partition_tree('parts_v') WHERE isleaf;
CREATE TABLE unsuitable (v vector(3));
INSERT INTO unsuitable VALUES ('[1,2,3]');
CREATE FUNCTION failing(v vector) RETURNS vector(3) LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	RAISE EXCEPTION 'no';
END $$;
\set VERBOSITY terse
CREATE INDEX CONCURRENTLY unsuitable_v ON unsuitable USING ivf ((failing(v)::vector(3)) vector_l2_ops);
\set VERBOSITY default
SELECT indisvalid FROM pg_index WHERE indexrelid = 'unsuitable_v'::regclass;
SELECT annex_verify('unsuitable_v');
SELECT annex_index_info('unsuitable_v');

-- Verification is for the table's owner, information for its readers.
CREATE ROLE regress_annex_owner;
CREATE ROLE regress_annex_member IN ROLE regress_annex_owner;
CREATE ROLE regress_annex_reader;
CREATE TABLE owned (v vector(3));
INSERT INTO owned VALUES ('[1,2,3]');
CREATE INDEX owned_v ON owned USING ivf (v vector_l2_ops);
ALTER TABLE owned OWNER TO regress_annex_owner;
GRANT SELECT ON owned TO regress_annex_reader;
SET ROLE regress_annex_member;
SELECT annex_verify('owned_v', true), rows FROM annex_index_info('owned_v');
SET ROLE regress_annex_reader;
SELECT rows FROM annex_index_info('owned_v');
SELECT annex_verify('owned_v');
RESET ROLE;
REVOKE SELECT ON owned FROM regress_annex_reader;
SET ROLE regress_annex_reader;
SELECT rows FROM annex_index_info('owned_v');
RESET ROLE;

-- Expressions are evaluated with the rights of the table's owner, whoever verifies.
CREATE FUNCTION only_owner(v vector) RETURNS vector(3) LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	IF current_user <> 'regress_annex_owner' THEN
		RAISE EXCEPTION 'evaluated as somebody else';
	END IF;
	RETURN v;
END $$;
CREATE INDEX owned_expression ON owned USING ivf ((only_owner(v)::vector(3)) vector_l2_ops);
SELECT annex_verify('owned_expression', true);
SELECT current_user <> 'regress_annex_owner' AS myself_again;

DROP TABLE inspected, empty, parts, unsuitable, owned;
DROP FUNCTION only_owner, failing;
DROP ROLE regress_annex_owner, regress_annex_member, regress_annex_reader;

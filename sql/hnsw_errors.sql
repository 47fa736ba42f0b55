-- What a user can get wrong with hnsw indexes, what is then said, and that nothing is lost by it.
SET client_min_messages = warning;
CREATE SCHEMA hnsw_errors;
SET search_path = hnsw_errors, public;

CREATE FUNCTION point(i int, dimensions int) RETURNS vector LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT array_agg(sin(i * 12.9898 + j * 78.233 + i * j * 0.37)::real)::vector FROM generate_series(1, dimensions) j
$$;
CREATE FUNCTION error_of(statement text, OUT state text, OUT message text, OUT detail text, OUT hint text)
LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	message := 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL,
		hint = PG_EXCEPTION_HINT;
END $$;
\x on

CREATE TABLE t (id int, v vector(3), w vector, other int, words text, b bit varying, j jsonb,
	u1 uuid, u2 uuid, u3 uuid, u4 uuid, u5 uuid);
INSERT INTO t (id, v, w, other, words) SELECT i, point(i, 3), point(i, 3), i, i FROM generate_series(1, 2000) i;

-- What cannot be indexed, or not so -----------------------------------------------------------------------------------

SELECT * FROM error_of('CREATE INDEX ON t USING hnsw (v)');
SELECT * FROM error_of('CREATE INDEX ON t USING hnsw (other)');
SELECT * FROM error_of('CREATE INDEX ON t USING hnsw (other, v vector_l2_ops)');
SELECT * FROM error_of('CREATE INDEX ON t USING hnsw (v vector_l2_ops, v vector_l2_ops)');
SELECT * FROM error_of('CREATE INDEX ON t USING hnsw (other vector_l2_ops)');
SELECT * FROM error_of('CREATE INDEX ON t USING hnsw (v vector_l2_ops, j)');
SELECT * FROM error_of('CREATE INDEX ON t USING hnsw (v vector_l2_ops, u1, u2, u3, u4, u5)');
SELECT * FROM error_of('CREATE INDEX ON t USING hnsw (w vector_l2_ops)');
SELECT * FROM error_of('CREATE INDEX ON t USING hnsw ((v + v) vector_l2_ops)');
SELECT state, regexp_replace(message, '\d+', 'N') AS message, hint FROM error_of('CREATE INDEX ON t USING hnsw ((b::bit(60000)) bit_hamming_ops)');
SELECT * FROM error_of('CREATE UNIQUE INDEX ON t USING hnsw (v vector_l2_ops)');
SELECT * FROM error_of('CREATE INDEX ON t USING hnsw (v vector_l2_ops) INCLUDE (id)');
SELECT * FROM error_of('CREATE INDEX ON t USING hnsw (v vector_l2_ops DESC)');
SELECT * FROM error_of('CREATE INDEX ON t USING hnsw (v vector_l2_ops NULLS FIRST)');
SELECT state, detail FROM error_of('ALTER TABLE t ADD EXCLUDE USING hnsw (v vector_l2_ops WITH =)');

-- Options ------------------------------------------------------------------------------------------------------------

SELECT * FROM error_of('CREATE INDEX ON t USING hnsw (v vector_l2_ops) WITH (m = 1)');
SELECT * FROM error_of('CREATE INDEX ON t USING hnsw (v vector_l2_ops) WITH (m = many)');
SELECT * FROM error_of('CREATE INDEX ON t USING hnsw (v vector_l2_ops) WITH (ef_construction = 1001)');
SELECT * FROM error_of('CREATE INDEX ON t USING hnsw (v vector_l2_ops) WITH (m = 33)');
SELECT * FROM error_of('CREATE INDEX ON t USING hnsw (v vector_l2_ops) WITH (fillfactor = 90)');
SELECT count(*) FROM pg_class WHERE relnamespace = 'hnsw_errors'::regnamespace AND relkind = 'i';
-- ... also where there is nothing to build, or nothing logged
CREATE UNLOGGED TABLE none (v vector(3));
SELECT * FROM error_of('CREATE INDEX ON none USING hnsw (v vector_l2_ops) WITH (m = 33)');
DROP TABLE none;

-- A value that cannot be indexed, far into a build or an insert: the statement fails and leaves nothing behind ----------

CREATE INDEX t_v ON t USING hnsw (v vector_l2_ops, other);
UPDATE t SET w = '[1,2]' WHERE id = 1000;
SELECT * FROM error_of('CREATE INDEX t_w ON t USING hnsw ((w::vector(3)) vector_l2_ops)');
SELECT count(*) FROM pg_class WHERE relname = 't_w';
UPDATE t SET w = v WHERE id = 1000;
CREATE INDEX t_w ON t USING hnsw ((w::vector(3)) vector_l2_ops);
SELECT * FROM error_of('UPDATE t SET w = ''[1,2,3,4]'' WHERE id = 7');
SELECT * FROM error_of('INSERT INTO t (id, v, w) SELECT i, point(i, 3), point(i, CASE i WHEN 3000 THEN 2 ELSE 3 END) FROM generate_series(2001, 4000) i');
SELECT * FROM error_of('INSERT INTO t (id, v) VALUES (-1, ''[1,2]'')');
SELECT * FROM error_of('ALTER TABLE t ALTER v TYPE vector(4)');
SELECT annex_verify('t_v', true), annex_verify('t_w', true);
-- The rows of the failed insert are dead: not in an answer, and gone after VACUUM.
SET enable_seqscan = off;
SELECT count(*), max(id) FROM (SELECT id FROM t ORDER BY v <-> '[1,2,3]') s;
VACUUM (INDEX_CLEANUP on) t;
SELECT count(*), max(id) FROM (SELECT id FROM t ORDER BY w::vector(3) <-> '[1,2,3]') s;
SELECT annex_verify('t_v', true), annex_verify('t_w', true);

-- An expression that fails, and one that is NULL
CREATE FUNCTION failing(v vector) RETURNS vector LANGUAGE plpgsql IMMUTABLE
SET search_path = hnsw_errors, public AS $$
BEGIN
	IF v = point(1234, 3) THEN RAISE division_by_zero; END IF;
	IF v = point(4321, 3) THEN RETURN NULL; END IF;
	RETURN v;
END $$;
SELECT state, message FROM error_of('CREATE INDEX ON t USING hnsw ((failing(v)::vector(3)) vector_ip_ops)');
CREATE INDEX t_failing ON t USING hnsw ((failing(v)::vector(3)) vector_ip_ops) WHERE id <> 1234;
SELECT state, message FROM error_of('INSERT INTO t (id, v) SELECT 10000 + i, point(i, 3) FROM generate_series(1200, 1300) i');
INSERT INTO t (id, v) SELECT i, point(i, 3) FROM generate_series(4300, 4400) i;
SELECT annex_verify('t_v', true), annex_verify('t_w', true), annex_verify('t_failing', true);

-- Queries ------------------------------------------------------------------------------------------------------------

SELECT * FROM error_of('SELECT id FROM t ORDER BY v <-> ''[1,2]'' LIMIT 5');
SELECT * FROM error_of('SELECT id FROM t ORDER BY v <-> ''[1,2,3,4]'' LIMIT 5');
SELECT * FROM error_of('SELECT (SELECT id FROM t ORDER BY t.v <-> q LIMIT 1) FROM unnest(ARRAY[''[1,2,3]'', ''[1]'']::vector[]) q');
-- ... also when there is no row to compare with
CREATE TABLE no_rows (v vector(3));
CREATE INDEX ON no_rows USING hnsw (v vector_l2_ops);
SELECT * FROM error_of('SELECT v FROM no_rows ORDER BY v <-> ''[1,2,3]'' LIMIT 5');
SELECT * FROM error_of('SELECT v FROM no_rows ORDER BY v <-> ''[1,2]'' LIMIT 5');
-- ... after which the next one works.
SELECT count(*) FROM (SELECT id FROM t ORDER BY v <-> '[1,2,3]' LIMIT 5) s;
RESET enable_seqscan;

-- Functions that are not for calling; how they are refused depends on PostgreSQL's minor release
\x off
SELECT state IN ('42883', '0A000') AS refused FROM error_of('SELECT hnswhandler(NULL)');
SELECT state IN ('42883', '0A000') AS refused FROM error_of('SELECT hnsw_halfvec_support(NULL)');

-- The catalog --------------------------------------------------------------------------------------------------------

SELECT amvalidate(pg_opclass.oid), count(*) > 20 AS many FROM pg_opclass JOIN pg_am ON opcmethod = pg_am.oid
	WHERE amname = 'hnsw' GROUP BY 1;
SELECT property, pg_index_column_has_property('t_v', 1, property) AS of_column,
	pg_index_column_has_property('t_v', 2, property) AS of_filter_column
	FROM unnest(ARRAY['asc', 'desc', 'nulls_first', 'nulls_last', 'orderable', 'distance_orderable', 'returnable',
		'search_array', 'search_nulls']) property;
SELECT property, pg_index_has_property('t_v', property) AS of_index
	FROM unnest(ARRAY['clusterable', 'index_scan', 'bitmap_scan', 'backward_scan']) property;
SELECT property, pg_indexam_has_property(oid, property) AS of_method
	FROM pg_am, unnest(ARRAY['can_order', 'can_unique', 'can_multi_col', 'can_exclude', 'can_include']) property
	WHERE amname = 'hnsw';
SELECT pg_get_indexdef('t_w'::regclass), pg_get_indexdef('t_v'::regclass);
SELECT state, message FROM error_of('CLUSTER t USING t_v');

-- Operator classes that amvalidate has something to say of
CREATE FUNCTION no_info(internal) RETURNS int LANGUAGE internal AS 'int4in' IMMUTABLE;
CREATE OPERATOR CLASS of_pgvector FOR TYPE vector USING hnsw AS
	OPERATOR 1 <-> (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 1 (vector, vector) vector_l2_squared_distance(vector, vector);
CREATE OPERATOR CLASS without_operator FOR TYPE vector USING hnsw AS
	FUNCTION 4 (vector, vector) ivf_vector_l2_info(internal);
CREATE OPERATOR CLASS wrong_info FOR TYPE vector USING hnsw AS
	OPERATOR 1 <-> (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 4 (vector, vector) no_info(internal);
CREATE OPERATOR CLASS wrong_distance FOR TYPE vector USING hnsw AS
	OPERATOR 1 <-> (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 1 (vector, vector) vector_norm(vector),
	FUNCTION 4 (vector, vector) ivf_vector_l2_info(internal);
CREATE OPERATOR CLASS wrong_norm FOR TYPE vector USING hnsw AS
	OPERATOR 1 <-> (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 2 (vector, vector) l2_distance(vector, vector),
	FUNCTION 4 (vector, vector) ivf_vector_l2_info(internal);
CREATE OPERATOR CLASS wrong_type_info FOR TYPE vector USING hnsw AS
	OPERATOR 1 <-> (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 3 (vector, vector) vector_norm(vector),
	FUNCTION 4 (vector, vector) ivf_vector_l2_info(internal);
CREATE OPERATOR CLASS other_strategy FOR TYPE vector USING hnsw AS
	OPERATOR 2 <-> (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 4 (vector, vector) ivf_vector_l2_info(internal);
CREATE OPERATOR CLASS for_search FOR TYPE vector USING hnsw AS
	OPERATOR 1 = (vector, vector) FOR SEARCH,
	FUNCTION 4 (vector, vector) ivf_vector_l2_info(internal);
CREATE OPERATOR CLASS sound FOR TYPE vector USING hnsw AS
	OPERATOR 1 <-> (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 4 (vector, vector) ivf_vector_l2_info(internal);
CREATE OPERATOR CLASS bad_text FOR TYPE text USING hnsw AS OPERATOR 1 <, OPERATOR 3 =, OPERATOR 6 >= (text, text);
CREATE OPERATOR CLASS bad_int FOR TYPE integer USING hnsw AS OPERATOR 1 <, FUNCTION 4 ivf_vector_l2_info(internal);
SELECT amvalidate(oid) AS of_pgvector FROM pg_opclass WHERE opcname = 'of_pgvector';
SELECT amvalidate(oid) AS without_operator FROM pg_opclass WHERE opcname = 'without_operator';
SELECT amvalidate(oid) AS wrong_info FROM pg_opclass WHERE opcname = 'wrong_info';
SELECT amvalidate(oid) AS wrong_distance FROM pg_opclass WHERE opcname = 'wrong_distance';
SELECT amvalidate(oid) AS wrong_norm FROM pg_opclass WHERE opcname = 'wrong_norm';
SELECT amvalidate(oid) AS wrong_type_info FROM pg_opclass WHERE opcname = 'wrong_type_info';
SELECT amvalidate(oid) AS other_strategy FROM pg_opclass WHERE opcname = 'other_strategy';
SELECT amvalidate(oid) AS for_search FROM pg_opclass WHERE opcname = 'for_search';
SELECT amvalidate(oid) AS sound FROM pg_opclass WHERE opcname = 'sound';
SELECT amvalidate(oid) AS bad_text FROM pg_opclass WHERE opcname = 'bad_text';
SELECT amvalidate(oid) AS bad_int FROM pg_opclass WHERE opcname = 'bad_int';
SELECT state, message FROM error_of('CREATE INDEX of_pgvector ON t USING hnsw (v of_pgvector)');
SELECT state, message FROM error_of('CREATE OPERATOR CLASS five FOR TYPE vector USING hnsw AS
	FUNCTION 5 (vector, vector) ivf_vector_l2_info(internal)');

DROP SCHEMA hnsw_errors CASCADE;

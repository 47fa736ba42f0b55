-- What a user can get wrong with ivf indexes, what is then said, and that nothing is lost by it.
SET client_min_messages = warning;
CREATE SCHEMA ivf_errors;
SET search_path = ivf_errors, public;

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

CREATE TABLE t (id int, v vector(3), w vector, other int, words text);
INSERT INTO t SELECT i, point(i, 3), point(i, 3), i, i FROM generate_series(1, 2000) i;

-- What cannot be indexed, or not so -----------------------------------------------------------------------------------

SELECT * FROM error_of('CREATE INDEX ON t USING ivf (other)');
SELECT * FROM error_of('CREATE INDEX ON t USING ivf (words)');
SELECT * FROM error_of('CREATE INDEX ON t USING ivf (other vector_l2_ops)');
SELECT * FROM error_of('CREATE INDEX ON t USING ivf (v vector_l3_ops)');
SELECT * FROM error_of('CREATE INDEX ON t USING btree (v vector_ip_ops)');
SELECT * FROM error_of('CREATE INDEX ON t USING ivf (w)');
SELECT * FROM error_of('CREATE INDEX ON t USING ivf ((v + v))');
SELECT * FROM error_of('CREATE INDEX ON t USING ivf (v, v)');
SELECT * FROM error_of('CREATE UNIQUE INDEX ON t USING ivf (v)');
SELECT * FROM error_of('CREATE INDEX ON t USING ivf (v) INCLUDE (id)');
SELECT * FROM error_of('CREATE INDEX ON t USING ivf (v DESC)');
SELECT * FROM error_of('CREATE INDEX ON t USING ivf (v NULLS FIRST)');
SELECT state, detail FROM error_of('ALTER TABLE t ADD EXCLUDE USING ivf (v WITH =)');
SELECT * FROM error_of('CREATE TABLE too_wide (v vector(16001))');

-- Options and settings -----------------------------------------------------------------------------------------------

SELECT * FROM error_of('CREATE INDEX ON t USING ivf (v) WITH (lists = -1)');
SELECT * FROM error_of('CREATE INDEX ON t USING ivf (v) WITH (lists = 32769)');
SELECT * FROM error_of('CREATE INDEX ON t USING ivf (v) WITH (lists = many)');
SELECT * FROM error_of('CREATE INDEX ON t USING ivf (v) WITH (spill = maybe)');
SELECT * FROM error_of('CREATE INDEX ON t USING ivf (v) WITH (m = 16)');
SELECT * FROM error_of('CREATE INDEX ON t USING ivf (v) WITH (fillfactor = 90)');
SELECT * FROM error_of('SET ivf.probes = -1');
SELECT * FROM error_of('SET ivf.probes = 32769');
SELECT * FROM error_of('SET ivf.probes = many');
SELECT * FROM error_of('SET ivf.epsilon = -0.1');
SELECT * FROM error_of('SET ivf.epsilon = 100.1');
SELECT * FROM error_of('SET ivf.epsilon = ''NaN''');
SELECT * FROM error_of('SET ivf.ordering = sorted');
SELECT * FROM error_of('SET ivf."order" = sorted');
SELECT state FROM error_of('SET ivf.cache_size = -1');
SELECT * FROM error_of('SET ivf.cache_size = ''1 acre''');
SELECT state, message FROM error_of('SET ivf.nonsense = 1');
SET ivf.probes = 32768;
SET ivf.epsilon = 100;
RESET ivf.probes;
RESET ivf.epsilon;
SELECT count(*) FROM pg_class WHERE relnamespace = 'ivf_errors'::regnamespace AND relkind = 'i';

-- A value that cannot be indexed, far into a build or an insert: the statement fails and leaves nothing behind ----------

CREATE INDEX t_v ON t USING ivf (v vector_l2_ops) WITH (lists = 4, spill = on);
UPDATE t SET w = '[1,2]' WHERE id = 1000;
SELECT * FROM error_of('CREATE INDEX t_w ON t USING ivf ((w::vector(3)) vector_l2_ops)');
SELECT count(*) FROM pg_class WHERE relname = 't_w';
UPDATE t SET w = v WHERE id = 1000;
CREATE INDEX t_w ON t USING ivf ((w::vector(3)) vector_l2_ops);
SELECT * FROM error_of('UPDATE t SET w = ''[1,2,3,4]'' WHERE id = 7');
SELECT * FROM error_of('INSERT INTO t SELECT i, point(i, 3), point(i, CASE i WHEN 3000 THEN 2 ELSE 3 END) FROM generate_series(2001, 4000) i');
SELECT * FROM error_of('INSERT INTO t SELECT i, point(i, CASE i WHEN 3000 THEN 2 ELSE 3 END) FROM generate_series(2001, 4000) i');
SELECT * FROM error_of('INSERT INTO t (v) VALUES (''[1,NaN,3]'')');
SELECT * FROM error_of('INSERT INTO t (v) VALUES (''[1,Infinity,3]'')');
SELECT * FROM error_of('INSERT INTO t (v) VALUES (''[1,1e39,3]'')');
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
SET search_path = ivf_errors, public AS $$
BEGIN
	IF v = point(1234, 3) THEN RAISE division_by_zero; END IF;
	IF v = point(4321, 3) THEN RETURN NULL; END IF;
	RETURN v;
END $$;
SELECT state, message FROM error_of('CREATE INDEX ON t USING ivf ((failing(v)::vector(3)) vector_ip_ops)');
CREATE INDEX t_failing ON t USING ivf ((failing(v)::vector(3)) vector_ip_ops) WHERE id <> 1234;
SELECT state, message FROM error_of('INSERT INTO t SELECT i, point(i, 3) FROM generate_series(1200, 1300) i');
INSERT INTO t SELECT i, point(i, 3) FROM generate_series(4300, 4400) i;
SELECT rows, null_rows FROM annex_index_info('t_failing');
SELECT annex_verify('t_v', true), annex_verify('t_w', true), annex_verify('t_failing', true);

-- Queries ------------------------------------------------------------------------------------------------------------

SELECT * FROM error_of('SELECT id FROM t ORDER BY v <-> ''[1,2]'' LIMIT 5');
SELECT * FROM error_of('SELECT id FROM t ORDER BY v <-> ''[1,2,3,4]'' LIMIT 5');
SELECT * FROM error_of('SELECT id FROM t ORDER BY v <-> ''[1,2,NaN]'' LIMIT 5');
SELECT * FROM error_of('SELECT (SELECT id FROM t ORDER BY t.v <-> q LIMIT 1) FROM unnest(ARRAY[''[1,2,3]'', ''[1]'']::vector[]) q');
-- ... also when there is no row to compare with
CREATE TABLE no_rows (v vector(3));
CREATE INDEX ON no_rows USING ivf (v vector_l2_ops);
SELECT * FROM error_of('SELECT v FROM no_rows ORDER BY v <-> ''[1,2,3]'' LIMIT 5');
SELECT * FROM error_of('SELECT v FROM no_rows ORDER BY v <-> ''[1,2]'' LIMIT 5');
-- ... after which the next one works.
SELECT count(*) FROM (SELECT id FROM t ORDER BY v <-> '[1,2,3]' LIMIT 5) s;
RESET enable_seqscan;

-- Functions that are not for calling; how they are refused depends on PostgreSQL's minor release
\x off
SELECT state IN ('42883', '0A000') AS refused FROM error_of('SELECT ivfhandler(NULL)');
SELECT state IN ('42883', '0A000') AS refused FROM error_of('SELECT ivf_vector_l2_info(NULL)');

-- The catalog --------------------------------------------------------------------------------------------------------

SELECT opcname, opcdefault, amvalidate(pg_opclass.oid) FROM pg_opclass JOIN pg_am ON opcmethod = pg_am.oid
	WHERE amname = 'ivf' ORDER BY opcname;
SELECT property, pg_index_column_has_property('t_v', 1, property) AS of_column
	FROM unnest(ARRAY['asc', 'desc', 'nulls_first', 'nulls_last', 'orderable', 'distance_orderable', 'returnable',
		'search_array', 'search_nulls']) property;
SELECT property, pg_index_has_property('t_v', property) AS of_index
	FROM unnest(ARRAY['clusterable', 'index_scan', 'bitmap_scan', 'backward_scan']) property;
SELECT property, pg_indexam_has_property(oid, property) AS of_method
	FROM pg_am, unnest(ARRAY['can_order', 'can_unique', 'can_multi_col', 'can_exclude', 'can_include']) property
	WHERE amname = 'ivf';
SELECT pg_get_indexdef('t_w'::regclass), pg_index_column_has_property('t_w', 2, 'distance_orderable') AS no_column;
SELECT state, message FROM error_of('CLUSTER t USING t_v');

-- Operator classes that amvalidate has something to say of
CREATE FUNCTION no_info(internal) RETURNS int LANGUAGE internal AS 'int4in' IMMUTABLE;
CREATE FUNCTION no_distance(vector, vector) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
CREATE OPERATOR <~~~> (FUNCTION = no_distance, LEFTARG = vector, RIGHTARG = vector);
CREATE OPERATOR CLASS without_function FOR TYPE vector USING ivf AS
	OPERATOR 1 <-> (vector, vector) FOR ORDER BY float_ops;
CREATE OPERATOR CLASS without_operator FOR TYPE vector USING ivf AS
	FUNCTION 1 (vector, vector) ivf_vector_l2_info(internal);
CREATE OPERATOR CLASS wrong_function FOR TYPE vector USING ivf AS
	OPERATOR 1 <-> (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 1 (vector, vector) no_info(internal);
CREATE OPERATOR CLASS other_strategy FOR TYPE vector USING ivf AS
	OPERATOR 2 <-> (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 1 (vector, vector) ivf_vector_l2_info(internal);
CREATE OPERATOR CLASS for_search FOR TYPE vector USING ivf AS
	OPERATOR 1 = (vector, vector) FOR SEARCH,
	FUNCTION 1 (vector, vector) ivf_vector_l2_info(internal);
CREATE OPERATOR CLASS other_order FOR TYPE vector USING ivf AS
	OPERATOR 1 <-> (vector, vector) FOR ORDER BY text_ops,
	FUNCTION 1 (vector, vector) ivf_vector_l2_info(internal);
CREATE OPERATOR CLASS other_result FOR TYPE vector USING ivf AS
	OPERATOR 1 <~~~> (vector, vector) FOR ORDER BY integer_ops,
	FUNCTION 1 (vector, vector) ivf_vector_l2_info(internal);
CREATE OPERATOR CLASS sound FOR TYPE vector USING ivf AS
	OPERATOR 1 <-> (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 1 (vector, vector) ivf_vector_l2_info(internal);
SELECT amvalidate(oid) AS without_function FROM pg_opclass WHERE opcname = 'without_function';
SELECT amvalidate(oid) AS without_operator FROM pg_opclass WHERE opcname = 'without_operator';
SELECT amvalidate(oid) AS wrong_function FROM pg_opclass WHERE opcname = 'wrong_function';
SELECT amvalidate(oid) AS other_strategy FROM pg_opclass WHERE opcname = 'other_strategy';
SELECT amvalidate(oid) AS for_search FROM pg_opclass WHERE opcname = 'for_search';
SELECT amvalidate(oid) AS other_order FROM pg_opclass WHERE opcname = 'other_order';
SELECT amvalidate(oid) AS other_result FROM pg_opclass WHERE opcname = 'other_result';
SELECT amvalidate(oid) AS sound FROM pg_opclass WHERE opcname = 'sound';
SELECT state, message FROM error_of('CREATE INDEX without ON t USING ivf (v without_function)');
SELECT state, message FROM error_of('CREATE OPERATOR CLASS two FOR TYPE vector USING ivf AS
	FUNCTION 2 (vector, vector) ivf_vector_l2_info(internal)');

DROP SCHEMA ivf_errors CASCADE;

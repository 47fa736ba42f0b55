-- The vector type: text, type modifiers, storage, and every error that input can bring.

-- What a statement fails with.
CREATE FUNCTION error_of(statement text, OUT state text, OUT message text, OUT detail text) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	message := 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
END $$;

-- pg_input_is_valid, which PostgreSQL 16 brought; an error that is not soft comes out of it.
CREATE FUNCTION input_is_valid(input text, type text) RETURNS bool LANGUAGE plpgsql AS $$
DECLARE
	valid bool;
BEGIN
	IF current_setting('server_version_num')::int >= 160000 THEN
		EXECUTE 'SELECT pg_input_is_valid($1, $2)' INTO valid USING input, type;
		RETURN valid;
	END IF;
	BEGIN
		EXECUTE format('SELECT %L::%s', input, type);
	EXCEPTION WHEN OTHERS THEN
		RETURN false;
	END;
	RETURN true;
END $$;

-- Text

SELECT '[1,2,3]'::vector;
SELECT '[-1,-2.5,+3]'::vector;
SELECT '[1.,.5,-.5,1e2,1E+2,1e-2]'::vector;
SELECT '[0x10,0x1p-1]'::vector AS hexadecimal;
SELECT E' \t\n\r\x0b\f[ \t\n\r\x0b\f1 \t\n\r\x0b\f, \t\n\r\x0b\f2 \t\n\r\x0b\f] \t\n\r\x0b\f'::vector AS white_space;

-- the shortest text that reads back as the same float
SELECT '[0.1,0.3333333333,16777217,1e20,1e-7,123456789,3.4028235e38,1.17549435e-38]'::vector;
SELECT '[-0,0,1e-45,-1e-45,1e-46,-1e-46]'::vector AS zeros_and_subnormals;
SELECT '[1.23456789]'::vector::text::vector = '[1.23456789]'::vector AS round_trip;
-- half way between two floats, exactly and by a digit far behind
SELECT '[16777217,16777219,16777217.0000000000000000000000001]'::vector AS rounding;
-- extra_float_digits has no say
SET extra_float_digits = 0;
SELECT '[0.1,0.3333333333]'::vector;
RESET extra_float_digits;

-- Text that is refused

SELECT literal, e.* FROM unnest(ARRAY[
	'', ' ', '1,2,3', '{1,2,3}', '(1)', 'x[1]',
	'[]', '[ ]',
	'[', '[1', '[1,', '[1,2', '[1,2,', '[1 ',
	'[,1]', '[1,]', '[1,,2]', '[1 2]', '[1;2]', '[a]', '[1,a]', '[1a]', '[1e]', '[1.2.3]', '[--1]', '[+-1]', '[0x]', '[[1]]',
	'[1]x', '[1] 2', '[1]]', '[1],[2]',
	'[1e39]', '[-1e39]', '[1,4e38,a]', '[1e400]', '[3.4028236e38]', '[0x1p128]',
	'[NaN]', '[nan]', '[1,NaN]', '[Infinity]', '[-Infinity]', '[inf]', '[1,-inf]'
]) literal, LATERAL error_of(format('SELECT %L::vector', literal)) e;

-- the largest float, and the largest text that rounds down to it
SELECT '[3.4028235e38,3.4028235677973365e38]'::vector;

SELECT e.* FROM error_of(format('SELECT %L::vector', '[' || repeat('0,', 16000) || '0]')) e;
SELECT vector_dims(('[' || repeat('0,', 15999) || '0]')::vector);
-- the first fault in the text is the one reported
SELECT e.* FROM error_of(format('SELECT %L::vector', '[' || repeat('0,', 16000) || 'a]')) e;
SELECT e.state, left(e.message, 50) FROM error_of(format('SELECT %L::vector', '[' || repeat('0,', 15999) || 'a]')) e;

-- Type modifiers

SELECT '[1,2,3]'::vector(3);
SELECT modifier, e.* FROM unnest(ARRAY['(2)', '(4)', '(0)', '(-1)', '(16000)', '(16001)', '(3,2)', '()', '(a)', '(''3'')']) modifier,
	LATERAL error_of(format('SELECT ''[1,2,3]''::vector%s', modifier)) e;
SELECT format_type('vector'::regtype, 3), format_type('vector'::regtype, -1);
SELECT '{"[1,2]","[3,4]"}'::vector[], '{"[1,2]","[3,4]"}'::vector(2)[];
SELECT e.* FROM error_of($$SELECT '{"[1,2,3]"}'::vector(2)[]$$) e;

CREATE TABLE t (id serial PRIMARY KEY, v vector(3), any_v vector);
INSERT INTO t (v, any_v) VALUES ('[1,2,3]', '[1]'), (NULL, '[1,2]'), ('[4,5,6]', NULL);
SELECT * FROM t ORDER BY id;
SELECT e.* FROM error_of($$INSERT INTO t (v) VALUES ('[1,2]')$$) e;
SELECT e.* FROM error_of($$INSERT INTO t (v) SELECT any_v FROM t$$) e;
SELECT e.* FROM error_of($$UPDATE t SET v = any_v$$) e;
SELECT e.* FROM error_of($$ALTER TABLE t ALTER v TYPE vector(2)$$) e;
ALTER TABLE t ALTER v TYPE vector;
ALTER TABLE t ALTER v TYPE vector(3);
DROP TABLE t;

-- Soft errors

SELECT literal, type, input_is_valid(literal, type) FROM (VALUES
	('[1,2,3]', 'vector'), ('[1,2,3]', 'vector(3)'), ('[1,2,3]', 'vector(2)'),
	('1', 'vector'), ('[]', 'vector'), ('[', 'vector'), ('[a]', 'vector'), ('[1a]', 'vector'), ('[1]2', 'vector'),
	('[1e39]', 'vector'), ('[nan]', 'vector'), ('[inf]', 'vector')) v (literal, type);
SELECT input_is_valid('[' || repeat('0,', 16000) || '0]', 'vector');

-- Storage: in the row with a short header, with a long one, and beside the table uncompressed

SELECT typstorage, typalign, typlen, typbyval, typcategory, typdelim FROM pg_type WHERE oid = 'vector'::regtype;

CREATE TABLE stored (n int, v vector);
INSERT INTO stored
	SELECT n, ('[' || array_to_string(array_agg(i % 7 ORDER BY i), ',') || ']')::vector
	FROM unnest(ARRAY[1, 2, 30, 31, 128, 480, 1536, 16000]) n, generate_series(1, n) i GROUP BY n;
SELECT n, pg_column_size(v), vector_dims(v), v::text = '[' || expected.list || ']' AS same
	FROM stored, LATERAL (SELECT string_agg((i % 7)::text, ',' ORDER BY i) AS list FROM generate_series(1, n) i) expected
	ORDER BY n;
-- a value that changes its table keeps its bytes
CREATE TABLE stored_again AS SELECT * FROM stored;
SELECT count(*) FROM stored JOIN stored_again USING (n) WHERE stored.v = stored_again.v AND vector_send(stored.v) = vector_send(stored_again.v);
DROP TABLE stored, stored_again;

-- with a short header a value of any length means what it means with a long one
CREATE FUNCTION results_of(a vector, b vector) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', vector_dims(a), a <-> b, a <#> b, a <=> b, a <+> b, l2_distance(b, a), inner_product(a, b), vector_norm(a), a + b, a - b, a * b, a || b,
		subvector(a, 2, 5), l2_normalize(a), binary_quantize(a), vector_cmp(a, b), a = a, a::real[])
$$;
CREATE TABLE stored AS
	SELECT n, '[1,2' || string_agg(',' || i * i % 11 - 5, '' ORDER BY i) || ']' AS a, '[3,-4' || string_agg(',' || i % 7 - 3, '' ORDER BY i) || ']' AS b
	FROM generate_series(1, 40) n, generate_series(1, n) i GROUP BY n;
CREATE TABLE packed AS SELECT n, a::vector, b::vector FROM stored;
SELECT count(*), count(*) FILTER (WHERE pg_column_size(packed.a) < 127) AS short
	FROM packed JOIN stored USING (n) WHERE results_of(packed.a, packed.b) = results_of(stored.a::vector, stored.b::vector);
DROP TABLE stored, packed;
DROP FUNCTION results_of(vector, vector);

-- Bytes that are no vector, by a cast that nobody should create

CREATE CAST (bytea AS vector) WITHOUT FUNCTION;
SELECT bytes, e.* FROM unnest(ARRAY['', '0', '\x0100', '\x01000000', '\x010000000000803f', '\x020000000000803f', '\x000000000000803f', '\xffff00000000803f']) bytes,
	LATERAL error_of(format('SELECT vector_dims(%L::bytea::vector)', bytes)) e;
CREATE TABLE broken (v bytea);
-- and with short headers
INSERT INTO broken SELECT unnest(ARRAY['', '0', '\x0100', '\x01000000', '\x010000000000803f', '\x020000000000803f', '\x000000000000803f', '\xffff00000000803f']::bytea[]);
SELECT v, e.*, f.message = e.message AS same FROM broken, LATERAL error_of(format('SELECT vector_dims(v::vector) FROM broken WHERE v = %L', v)) e,
	LATERAL error_of(format('SELECT l2_normalize(v::vector) FROM broken WHERE v = %L', v)) f;
DROP TABLE broken;
DROP CAST (bytea AS vector);

-- Parallel workers may use all of it

SELECT count(*) > 30 AS found, count(*) FILTER (WHERE proparallel <> 's' OR provolatile <> 'i') AS unsafe, count(*) FILTER (WHERE NOT proisstrict AND prokind = 'f') AS not_strict
	FROM pg_proc p JOIN pg_depend d ON d.objid = p.oid AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
	JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'annex'
	WHERE proname ~ '^(vector|l2_|l1_|inner_product|cosine_|binary_quantize|subvector|array_to_vector|avg|sum)'
	AND 'vector'::regtype = ANY (proargtypes::oid[] || prorettype);

DROP FUNCTION error_of, input_is_valid;

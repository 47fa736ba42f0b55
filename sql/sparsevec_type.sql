-- The sparsevec type: text, type modifiers, storage, and every error that input can bring.

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

SELECT '{1:1.5,3:3.5}/5'::sparsevec;
SELECT '{}/5'::sparsevec, '{ }/1'::sparsevec, '{}/1000000000'::sparsevec, '{1000000000:1}/1000000000'::sparsevec;
SELECT '{1:-1,2:-2.5,3:+3}/3'::sparsevec, '{+1:1,002:2}/+03'::sparsevec;
SELECT '{1:1.,2:.5,3:-.5,4:1e2,5:1E+2,6:1e-2,7:0x10,8:0x1p-1}/8'::sparsevec;
SELECT E' \t\n\r\x0b\f{ \t\n\r\x0b\f1 \t\n\r\x0b\f: \t\n\r\x0b\f2 \t\n\r\x0b\f, \t\n\r\x0b\f3:4 \t\n\r\x0b\f} \t\n\r\x0b\f/ \t\n\r\x0b\f5 \t\n\r\x0b\f'::sparsevec AS white_space;
-- in any order; zeros are dropped, wherever they claim to be
SELECT '{5:5,1:1,3:3}/5'::sparsevec, '{3:0,1:-0,2:2}/3'::sparsevec, '{99:0,-7:0,1:0,1:0,1:1}/3'::sparsevec;
-- the shortest text that reads back as the same float
SELECT '{1:0.1,2:0.3333333333,3:16777217,4:1e20,5:1e-7,6:123456789,7:3.4028235e38,8:1.17549435e-38}/8'::sparsevec;
SELECT '{1:1e-45,2:-1e-45,3:1e-40}/3'::sparsevec AS subnormals;
SELECT '{1:1.23456789}/1'::sparsevec::text::sparsevec = '{1:1.23456789}/1'::sparsevec AS round_trip;

-- Text that is refused

SELECT literal, e.* FROM unnest(ARRAY[
	'', ' ', '1:1}/1', '[1:1]/1', '(1:1)/1', 'x{1:1}/1',
	'{', '{1', '{1:', '{1:1', '{1:1,', '{1:1,2', '{1:1 ',
	'{,}/1', '{,1:1}/1', '{1:1,}/1', '{1:1,,2:1}/2', '{1:1 2:1}/2', '{1:1;2:1}/2',
	'{1}/1', '{:1}/1', '{1:}/1', '{1 1}/1', '{a:1}/1', '{1:a}/1', '{1:1a}/1', '{1.5:1}/2', '{0x1:1}/1', '{--1:1}/1', '{1::1}/1', '{{1:1}}/1',
	'{1:1}', '{1:1}x', '{1:1}}/1', '{1:1}1', '{1:1}/', '{1:1}/ ', '{1:1}/x', '{1:1}/1x', '{1:1}/1 2', '{1:1}/1.5', '{1:1}/1e5', '{1:1}/1/1', '{}',
	'{1:1e39}/1', '{1:-1e39}/1', '{1:1e400}/1', '{1:1e-46}/1', '{1:-1e-46}/1', '{1:1e-400}/1', '{1:0x1p128}/1', '{1:1,2:4e38,a}/2',
	'{1:NaN}/1', '{1:nan}/1', '{1:Infinity}/1', '{1:-inf}/1', '{1:1,2:inf}/2',
	'{}/0', '{}/-1', '{1:1}/0', '{}/-99999999999999999999', '{}/1000000001', '{}/2147483648', '{}/9223372036854775808',
	'{0:1}/3', '{-1:1}/3', '{4:1}/3', '{-2147483648:1}/3', '{2147483647:1}/3', '{2147483648:1}/1', '{-99999999999999999999:1}/1', '{1:1,4:1}/3',
	'{1:1,1:2}/3', '{2:1,1:1,2:1}/3', '{9:1,9:1}/3'
]) literal, LATERAL error_of(format('SELECT %L::sparsevec', literal)) e;

-- as many elements as commas leave room for
SELECT e.* FROM error_of(format('SELECT %L::sparsevec', '{' || repeat('1:0,', 16000) || '1:0}/1')) e;
SELECT e.* FROM error_of(format('SELECT %L::sparsevec', repeat(',', 16000))) e;
SELECT e.state, left(e.message, 50) AS message, e.detail FROM error_of(format('SELECT %L::sparsevec', repeat(',', 15999))) e;
SELECT ('{' || repeat('1:0,', 15999) || '1:1}/1')::sparsevec;
CREATE FUNCTION dense_text(elements int) RETURNS text LANGUAGE sql AS
	$$SELECT '{' || string_agg(i || ':1', ',' ORDER BY i) || '}/20000' FROM generate_series(1, elements) i$$;
SELECT l2_norm(dense_text(16000)::sparsevec) ^ 2 AS elements;
SELECT e.* FROM error_of('SELECT dense_text(16001)::sparsevec') e;

-- Type modifiers

SELECT '{1:1}/3'::sparsevec(3);
SELECT modifier, e.* FROM unnest(ARRAY['(2)', '(4)', '(0)', '(-1)', '(1000000000)', '(1000000001)', '(3,2)', '()', '(a)', '(''3'')']) modifier,
	LATERAL error_of(format('SELECT ''{1:1}/3''::sparsevec%s', modifier)) e;
-- before the indices are looked at
SELECT e.* FROM error_of($$SELECT '{"{9:1}/3"}'::sparsevec(2)[]$$) e;
SELECT format_type('sparsevec'::regtype, 3), format_type('sparsevec'::regtype, -1);
SELECT '{"{1:1}/2","{}/2"}'::sparsevec(2)[];
SELECT e.* FROM error_of($$SELECT '{"{1:1}/3"}'::sparsevec(2)[]$$) e;

CREATE TABLE t (id serial PRIMARY KEY, v sparsevec(3), any_v sparsevec);
INSERT INTO t (v, any_v) VALUES ('{1:1}/3', '{1:1}/1'), (NULL, '{1:1}/2'), ('{3:5}/3', NULL);
SELECT * FROM t ORDER BY id;
SELECT e.* FROM error_of($$INSERT INTO t (v) VALUES ('{1:1}/2')$$) e;
SELECT e.* FROM error_of($$INSERT INTO t (v) SELECT any_v FROM t$$) e;
SELECT e.* FROM error_of($$UPDATE t SET v = any_v$$) e;
SELECT e.* FROM error_of($$ALTER TABLE t ALTER v TYPE sparsevec(2)$$) e;
ALTER TABLE t ALTER v TYPE sparsevec;
ALTER TABLE t ALTER v TYPE sparsevec(3);
DROP TABLE t;

-- Soft errors

SELECT literal, type, input_is_valid(literal, type) FROM (VALUES
	('{1:1}/3', 'sparsevec'), ('{1:1}/3', 'sparsevec(3)'), ('{1:1}/3', 'sparsevec(2)'),
	('1', 'sparsevec'), ('{', 'sparsevec'), ('{a:1}/1', 'sparsevec'), ('{1:a}/1', 'sparsevec'), ('{1;1}/1', 'sparsevec'), ('{1:1;}/1', 'sparsevec'),
	('{1:1}', 'sparsevec'), ('{1:1}/a', 'sparsevec'), ('{1:1}/1 2', 'sparsevec'), ('{1:1e39}/1', 'sparsevec'), ('{1:nan}/1', 'sparsevec'),
	('{1:inf}/1', 'sparsevec'), ('{}/0', 'sparsevec'), ('{}/1000000001', 'sparsevec'), ('{2:1}/1', 'sparsevec'), ('{1:1,1:1}/1', 'sparsevec')
	) v (literal, type);
SELECT input_is_valid(repeat(',', 16000), 'sparsevec');

-- Storage: in the row with a short header, with a long one, and beside the table uncompressed

SELECT typstorage, typalign, typlen, typbyval, typcategory, typdelim FROM pg_type WHERE oid = 'sparsevec'::regtype;

CREATE FUNCTION text_of(elements int) RETURNS text LANGUAGE sql AS
	$$SELECT '{' || coalesce(string_agg(3 * i || ':' || i % 7 + 1, ',' ORDER BY i), '') || '}/50000' FROM generate_series(1, elements) i$$;
CREATE TABLE stored (n int, v sparsevec);
INSERT INTO stored SELECT n, text_of(n)::sparsevec FROM unnest(ARRAY[0, 1, 13, 14, 200, 240, 300, 16000]) n;
SELECT n, pg_column_size(v), v::text = text_of(n) AS same FROM stored ORDER BY n;
-- a value that changes its table keeps its bytes
CREATE TABLE stored_again AS SELECT * FROM stored;
SELECT count(*) FROM stored JOIN stored_again USING (n) WHERE stored.v = stored_again.v AND sparsevec_send(stored.v) = sparsevec_send(stored_again.v);
DROP TABLE stored, stored_again;

-- Bytes that are no sparse vector, by a cast that nobody should create

CREATE CAST (bytea AS sparsevec) WITHOUT FUNCTION;
-- numbers as little-endian machines store them
CREATE FUNCTION native(VARIADIC words int[]) RETURNS bytea LANGUAGE sql AS $$
	SELECT string_agg(substr(b, 4, 1) || substr(b, 3, 1) || substr(b, 2, 1) || substr(b, 1, 1), '' ORDER BY n)
	FROM unnest(words) WITH ORDINALITY w (word, n), int4send(word) b
$$;
CREATE FUNCTION real_bits(x real) RETURNS int LANGUAGE sql AS $$SELECT ('x' || encode(float4send(x), 'hex'))::bit(32)::int$$;
SELECT native(5, 2, 0, 0, 2, real_bits(1.5), real_bits(3.5))::sparsevec::text;
SELECT words, e.* FROM (VALUES
	(ARRAY[]::int[]), ('{5}'), ('{5,0}'), ('{5,1,0}'), ('{5,-1,0}'), ('{5,2147483647,0}'), ('{5,536870909,0}'), ('{5,2,0,1,2}'), ('{5,1,0,1,1065353216,0}'),
	('{0,0,0}'), ('{-5,0,0}'), ('{1000000001,0,0}'),
	('{5,1,0,5,1065353216}'), ('{5,1,0,-1,1065353216}'), ('{5,1,0,2147483647,1065353216}'),
	('{5,2,0,2,1,1065353216,1065353216}'), ('{5,2,0,1,1,1065353216,1065353216}'),
	('{5,1,0,1,0}'), ('{5,1,0,1,-2147483648}'), ('{5,1,0,1,2139095040}'), ('{5,1,0,1,2143289344}')
	) v (words), LATERAL error_of(format('SELECT (%L::bytea::sparsevec)::text', coalesce(native(VARIADIC words), ''))) e;
-- every function that reads one refuses it; of indices and values those that rely on them, and those whose result leaves the database
CREATE TABLE calls AS SELECT * FROM unnest(ARRAY['sparsevec_out(v)', 'sparsevec_send(v)', 'v::vector', 'v::halfvec', 'sparsevec(v, 5, true)', 'l2_norm(v)', 'l2_normalize(v)',
	'v <-> v', 'v <#> v', 'v <=> v', 'v <+> v', 'sparsevec_l2_squared_distance(v, v)', 'inner_product(v, v)', 'v < v', 'v = v', 'sparsevec_cmp(v, v)'])
	WITH ORDINALITY calls (call, place);
SELECT call, size.message AS wrong_size, elements.message AS wrong_elements FROM calls,
	LATERAL error_of(format('SELECT %s FROM (SELECT %L::bytea::sparsevec AS v) x', call, native(5, 3, 0, 2, 3, 1065353216, 1065353216))) size,
	LATERAL error_of(format('SELECT %s FROM (SELECT %L::bytea::sparsevec AS v) x', call, native(5, 2, 0, 2, 1000000, 1065353216, 1065353216))) elements
	ORDER BY place;
DROP TABLE calls;
CREATE TABLE broken (v bytea);
INSERT INTO broken VALUES ('\x0200');
SELECT e.* FROM error_of('SELECT l2_norm(v::sparsevec) FROM broken') e;
DROP TABLE broken;
DROP CAST (bytea AS sparsevec);

-- A class of another type does not do

CREATE TABLE t (v sparsevec(3));
CREATE INDEX ON t USING ivf (v vector_l2_ops);
DROP TABLE t;

-- Parallel workers may use all of it

SELECT count(*) AS functions, count(*) FILTER (WHERE proparallel <> 's' OR provolatile <> 'i') AS unsafe, count(*) FILTER (WHERE NOT proisstrict) AS not_strict
	FROM pg_proc p JOIN pg_depend d ON d.objid = p.oid AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
	JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'annex'
	WHERE 'sparsevec'::regtype = ANY (proargtypes::oid[] || prorettype);

DROP FUNCTION error_of, input_is_valid, dense_text, text_of, native, real_bits;

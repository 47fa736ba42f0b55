-- COPY, and the binary format: int32 dimensions, int32 elements, int32 zero, int32 indices from 0, float4 values, all
-- big-endian.

-- What a statement fails with.
CREATE FUNCTION error_of(statement text, OUT state text, OUT message text, OUT detail text) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	message := 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
END $$;

SELECT sparsevec_send('{1:1,3:-2.5}/5'), sparsevec_send('{}/1000000000'), sparsevec_send('{1000000000:1e-45}/1000000000');
SELECT length(sparsevec_send(array_fill(1, ARRAY[16000])::sparsevec));

-- Text

CREATE TABLE t (id int, v sparsevec(3));
COPY t FROM STDIN;
1	{1:1,3:3}/3
2	\N
3	 { 3 : 3.4028235e38, 1 : 1e-45 } / 3 
\.
COPY t TO STDOUT;
COPY t TO STDOUT (FORMAT csv);
COPY t FROM STDIN (FORMAT csv);
4,"{1:4,2:5,3:6}/3"
\.
SELECT * FROM t ORDER BY id;
\set VERBOSITY terse
COPY t FROM STDIN;
5	{1:1}/2
\.
COPY t FROM STDIN;
5	{1:x}/3
\.
\set VERBOSITY default

-- Binary, there and back, by a file in the server's own folder

CREATE FUNCTION copy_file() RETURNS text LANGUAGE sql AS $$SELECT current_setting('data_directory') || '/regress_annex_sparse.copy'$$;
CREATE TABLE original (id int, v sparsevec);
INSERT INTO original SELECT id, v FROM t;
INSERT INTO original SELECT 100 + n, array_agg(sin(i) * (i % 2) ORDER BY i)::sparsevec FROM unnest(ARRAY[1, 2, 26, 27, 28, 600, 16000]) n, generate_series(1, n) i GROUP BY n;
INSERT INTO original VALUES (50001, '{}/1000000000'), (50002, '{1000000000:-1}/1000000000');
CREATE TABLE copied (id int, v sparsevec);
DO $$BEGIN
	EXECUTE format('COPY original TO %L (FORMAT binary)', copy_file());
	EXECUTE format('COPY copied FROM %L (FORMAT binary)', copy_file());
END$$;
SELECT count(*) AS rows, count(*) FILTER (WHERE sparsevec_send(o.v) = sparsevec_send(c.v)) AS same_bytes, count(*) FILTER (WHERE c.v IS NULL) AS nulls
	FROM original o JOIN copied c USING (id);
DROP TABLE original, copied;

-- Bytes that are no sparse vector

-- what a column of the type becomes when it is received as these bytes
CREATE FUNCTION received(bytes bytea, type text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	object oid;
	result text;
BEGIN
	-- COPY's signature, flags and extension; a row of one field; the end
	object := lo_from_bytea(0, '\x5047434f50590aff0d0a000000000000000000'::bytea || int2send(1::int2) || int4send(length(bytes)) || bytes || int2send(-1::int2));
	PERFORM lo_export(object, copy_file());
	PERFORM lo_unlink(object);
	EXECUTE format('CREATE TEMP TABLE received (v %s) ON COMMIT DROP', type);
	EXECUTE format('COPY received FROM %L (FORMAT binary)', copy_file());
	SELECT v::text INTO result FROM received;
	DROP TABLE received;
	RETURN result;
END $$;
-- as a message holds them
CREATE FUNCTION wire(VARIADIC words int[]) RETURNS bytea LANGUAGE sql AS
	$$SELECT coalesce(string_agg(int4send(word), '' ORDER BY n), '') FROM unnest(words) WITH ORDINALITY w (word, n)$$;

-- 1065353216 is 1
SELECT received(wire(5, 2, 0, 0, 4, 1065353216, -1082130432), 'sparsevec'), received(wire(5, 0, 0), 'sparsevec(5)');
SELECT words, type, e.* FROM (VALUES
	(ARRAY[0,0,0], 'sparsevec'), ('{-1,0,0}', 'sparsevec'), ('{1000000001,0,0}', 'sparsevec'),
	('{5,-1,0}', 'sparsevec'), ('{5,-2147483648,0}', 'sparsevec'), ('{20000,16001,0}', 'sparsevec'), ('{5,6,0}', 'sparsevec'), ('{1000000000,2147483647,0}', 'sparsevec'),
	('{5,0,0}', 'sparsevec(6)'), ('{5,6,1}', 'sparsevec(6)'), ('{5,0,1}', 'sparsevec(6)'),
	('{5,0,1}', 'sparsevec'), ('{5,0,-1}', 'sparsevec'),
	('{5,1,0,-1,1065353216}', 'sparsevec'), ('{5,1,0,5,1065353216}', 'sparsevec'),
	('{5,2,0,1,0,1065353216,1065353216}', 'sparsevec'), ('{5,2,0,1,1,1065353216,1065353216}', 'sparsevec'), ('{5,3,0,2,1}', 'sparsevec'),
	('{5,1,0,1,2143289344}', 'sparsevec'), ('{5,2,0,1,2,1065353216,-8388608}', 'sparsevec'),
	('{5,1,0,1,0}', 'sparsevec'), ('{5,1,0,1,-2147483648}', 'sparsevec'),
	('{}', 'sparsevec'), ('{5}', 'sparsevec'), ('{5,1}', 'sparsevec'), ('{5,1,0}', 'sparsevec'), ('{5,1,0,1}', 'sparsevec'), ('{5,2,0,1,2,1065353216}', 'sparsevec'),
	('{5,1,0,1,1065353216,0}', 'sparsevec')
) v (words, type), LATERAL error_of(format('SELECT received(%L, %L)', wire(VARIADIC words), type)) e;
-- bytes short of a number
SELECT e.* FROM error_of($$SELECT received(wire(5, 1, 0, 1) || '\x3f80', 'sparsevec')$$) e;

-- the file goes
DO $$BEGIN
	EXECUTE format('COPY (SELECT) TO PROGRAM %L', format('rm %L', copy_file()));
END$$;
DROP TABLE t;
DROP FUNCTION received, wire, copy_file, error_of;

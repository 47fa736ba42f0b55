-- COPY, and the binary format: int16 dimensions, int16 zero, binary16 x[dimensions], all big-endian.

CREATE FUNCTION error_of(statement text, OUT state text, OUT message text, OUT detail text) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	message := 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
END $$;

SELECT halfvec_send('[1,-2.5,0]'), halfvec_send('[-0,6e-8,65504,0.1]');
SELECT length(halfvec_send(array_fill(1, ARRAY[16000])::halfvec));

-- Text

CREATE TABLE t (id int, v halfvec(3));
COPY t FROM STDIN;
1	[1,2,3]
2	\N
3	 [ -0, 6e-8, 65504 ] 
\.
COPY t TO STDOUT;
COPY t TO STDOUT (FORMAT csv);
COPY t FROM STDIN (FORMAT csv);
4,"[4,5,6]"
\.
SELECT * FROM t ORDER BY id;
\set VERBOSITY terse
COPY t FROM STDIN;
5	[1,2]
\.
COPY t FROM STDIN;
5	[1,2,x]
\.
\set VERBOSITY default

-- Binary, there and back, by a file in the server's own folder

CREATE FUNCTION copy_file() RETURNS text LANGUAGE sql AS $$SELECT current_setting('data_directory') || '/regress_annex.copy'$$;
CREATE TABLE original (id int, v halfvec);
INSERT INTO original SELECT id, v FROM t;
INSERT INTO original SELECT 100 + n, array_agg(sin(i) ORDER BY i)::halfvec FROM unnest(ARRAY[1, 61, 62, 1200, 16000]) n, generate_series(1, n) i GROUP BY n;
CREATE TABLE copied (id int, v halfvec);
DO $$BEGIN
	EXECUTE format('COPY original TO %L (FORMAT binary)', copy_file());
	EXECUTE format('COPY copied FROM %L (FORMAT binary)', copy_file());
END$$;
SELECT count(*) AS rows, count(*) FILTER (WHERE halfvec_send(o.v) = halfvec_send(c.v)) AS same_bytes, count(*) FILTER (WHERE c.v IS NULL) AS nulls
	FROM original o JOIN copied c USING (id);
DROP TABLE original, copied;

-- Bytes that are no halfvec

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

SELECT received('\x000200003c00c100', 'halfvec'), received('\x000200003c00c100', 'halfvec(2)'), received('\x00040000000180017bff0400', 'halfvec') AS extremes;
SELECT bytes, type, e.* FROM (VALUES
	('\x00000000', 'halfvec'),
	('\xffff00003c00', 'halfvec'),
	('\x3e8100003c00', 'halfvec'),
	('\x000100003c00', 'halfvec(2)'),
	('\x000100013c00', 'halfvec'),
	('\x0001ffff3c00', 'halfvec'),
	('\x000200010000', 'halfvec(1)'),
	('\x000100007e00', 'halfvec'),
	('\x000100007c01', 'halfvec'),
	('\x000200003c00fc00', 'halfvec'),
	('\x000200007c007e00', 'halfvec'),
	('\x000200003c00', 'halfvec'),
	('\x0001', 'halfvec'),
	('\x', 'halfvec'),
	('\x000100003c0000', 'halfvec')
) v (bytes, type), LATERAL error_of(format('SELECT received(%L, %L)', bytes, type)) e;

-- the file goes
DO $$BEGIN
	EXECUTE format('COPY (SELECT) TO PROGRAM %L', format('rm %L', copy_file()));
END$$;
DROP TABLE t;
DROP FUNCTION received, copy_file, error_of;

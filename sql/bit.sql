-- Functions and operators of bit, PostgreSQL's own type.

-- What a statement fails with.
CREATE FUNCTION error_of(statement text, OUT state text, OUT message text, OUT detail text) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	message := 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
END $$;

SELECT hamming_distance('111', '111') AS same, hamming_distance('111', '110') AS one, hamming_distance('111', '000') AS all,
	hamming_distance('10101010101', '01010101010') AS two_bytes;
SELECT jaccard_distance('1111', '1111') AS same, jaccard_distance('1111', '1110') AS three_of_four,
	jaccard_distance('1111', '1000') AS one_of_four, jaccard_distance('1100', '1010') AS one_of_three;
SELECT B'1010' <~> B'1001' AS hamming, B'1010' <%> B'1001' AS jaccard;

-- nothing in common is the greatest distance, even where nothing is set
SELECT jaccard_distance('1111', '0000') AS one_empty, jaccard_distance('0000', '0000') AS both_empty, jaccard_distance('1100', '0011') AS apart;
SELECT hamming_distance('', '') AS hamming, jaccard_distance('', '') AS jaccard;
SELECT hamming_distance(NULL, '1'), '1'::bit <%> NULL;

SELECT e.* FROM unnest(ARRAY[$$SELECT hamming_distance('111', '00')$$, $$SELECT jaccard_distance('111', '00')$$,
	$$SELECT B'1' <~> B''$$, $$SELECT B'' <%> B'10101010'$$, $$SELECT hamming_distance('12', '00')$$]) statement, error_of(statement) e;

-- bit varying is read as bit
SELECT '101'::varbit <~> '110'::varbit AS hamming, '101'::varbit <%> B'110' AS jaccard;

-- any number of bits, on every level of instructions, with headers of one byte and of four and out of line: against
-- PostgreSQL's own arithmetic
CREATE TABLE strings AS
	SELECT n, string_agg((i * 7919 % 23 % 2)::text, '' ORDER BY i)::varbit AS a, string_agg((i * 104729 % 19 % 2)::text, '' ORDER BY i)::varbit AS b
	FROM unnest(ARRAY[1, 7, 8, 9, 63, 64, 65, 127, 128, 129, 255, 256, 257, 384, 511, 512, 513, 768, 976, 977, 1000, 1536, 4095, 4096, 4097]) n,
		generate_series(1, n) i GROUP BY n;
INSERT INTO strings SELECT 128 * 1000, string_agg(('x' || md5(i::text))::bit(128)::text, '' ORDER BY i)::varbit,
	string_agg(('x' || md5((-i)::text))::bit(128)::text, '' ORDER BY i)::varbit FROM generate_series(1, 1000) i;
CREATE FUNCTION mismatches(level text) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('annex.simd_level', level, true);
	RETURN (SELECT count(*) FROM strings WHERE (a <~> b) <> bit_count(a # b) OR (b <~> a) <> bit_count(a # b) OR (a <~> a) <> 0
		OR (a <%> b) <> CASE WHEN bit_count(a & b) = 0 THEN 1 ELSE 1 - bit_count(a & b)::float8 / bit_count(a | b) END
		OR (a <%> b) <> (b <%> a));
END $$;
SELECT level, mismatches(level) FROM pg_settings, unnest(enumvals) level WHERE name = 'annex.simd_level' AND mismatches(level) > 0;
SELECT count(*) AS strings, count(*) FILTER (WHERE a <~> b > 0) AS that_differ, sum(a <~> b) AS bits FROM strings;

-- as users write them: nearest first, and codes of vectors ranked before the vectors are
CREATE TABLE codes (id int PRIMARY KEY, code bit(4), v vector(4));
INSERT INTO codes SELECT i, i::bit(4), ARRAY[i & 8, i & 4, i & 2, i & 1]::real[]::vector FROM generate_series(0, 15) i;
SELECT id, code <~> B'1011' AS distance FROM codes ORDER BY code <~> B'1011', id LIMIT 6;
SELECT id, round((code <%> B'1011')::numeric, 4) AS distance FROM codes ORDER BY code <%> B'1011', id LIMIT 6;
SELECT count(*) FROM codes WHERE binary_quantize(v) <> code;
SELECT id FROM (SELECT * FROM codes ORDER BY binary_quantize(v)::bit(4) <~> binary_quantize('[1,-1,1,1]'::vector), id LIMIT 4) c
	ORDER BY v <-> '[8,0,2,1]', id LIMIT 2;

DROP TABLE strings, codes;
DROP FUNCTION mismatches, error_of;

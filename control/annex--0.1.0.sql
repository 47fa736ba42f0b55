-- annex 0.1.0: what CREATE EXTENSION annex runs.
--
-- Names, signatures, operators, casts and classes of the vector type are pgvector's, so that what was written for it
-- runs unchanged. Nothing here names a schema: the extension can be created in any and moved to another.
--
-- Two more extensions are made of this file by scripts/extension-script.sh: vector, and annex_pgvector, which has the
-- access methods alone. Lines between "--[ NAME ..." and "--]" belong to the extensions named.

--[ annex

\echo Use "CREATE EXTENSION annex" to load this file. \quit

DO $annex$
DECLARE
	ours bool;
BEGIN
	SELECT EXISTS (SELECT FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_proc p ON p.oid = d.objid
			WHERE d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.refobjid = e.oid
				AND d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND p.probin = 'MODULE_PATHNAME')
		INTO ours FROM pg_catalog.pg_extension e WHERE e.extname = 'vector';
	IF ours THEN
		RAISE EXCEPTION USING ERRCODE = 'duplicate_object',
			MESSAGE = 'extension "annex" cannot be created where extension "vector" is',
			DETAIL = 'The extension "vector" of this database is annex''s own: it has the same objects.';
	ELSIF NOT ours THEN
		RAISE EXCEPTION USING ERRCODE = 'duplicate_object',
			MESSAGE = 'extension "annex" cannot be created where extension "vector" is',
			DETAIL = 'Both have a type "vector".',
			HINT = 'CREATE EXTENSION annex_pgvector adds the access method ivf for the types of pgvector.';
	END IF;
END $annex$;

--]
--[ annex vector

-- ------------------------------------------------------------------------------------------------ the type vector

CREATE TYPE vector;

CREATE FUNCTION vector_in(cstring, oid, integer) RETURNS vector
	AS 'MODULE_PATHNAME', 'annex_vector_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION vector_in(cstring, oid, integer) IS 'I/O';

CREATE FUNCTION vector_out(vector) RETURNS cstring
	AS 'MODULE_PATHNAME', 'annex_vector_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION vector_out(vector) IS 'I/O';

CREATE FUNCTION vector_typmod_in(cstring[]) RETURNS integer
	AS 'MODULE_PATHNAME', 'annex_vector_typmod_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION vector_typmod_in(cstring[]) IS 'I/O typmod';

CREATE FUNCTION vector_recv(internal, oid, integer) RETURNS vector
	AS 'MODULE_PATHNAME', 'annex_vector_recv' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION vector_recv(internal, oid, integer) IS 'I/O';

CREATE FUNCTION vector_send(vector) RETURNS bytea
	AS 'MODULE_PATHNAME', 'annex_vector_send' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION vector_send(vector) IS 'I/O';

-- Floats do not compress: a vector too large for its page is stored beside the table as it is.
CREATE TYPE vector (
	INPUT = vector_in,
	OUTPUT = vector_out,
	TYPMOD_IN = vector_typmod_in,
	RECEIVE = vector_recv,
	SEND = vector_send,
	STORAGE = external
);
COMMENT ON TYPE vector IS 'vector of 32-bit floating-point numbers';

-- ---------------------------------------------------------------------------------------------- functions: distances

-- A distance costs from a few additions to a thousand, as its dimensions have it: the support function tells the
-- planner. COST, a distance of 384 dimensions in units of an addition, is what the planner takes where it does not ask.
CREATE FUNCTION vector_distance_support(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'annex_vector_distance_support' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION vector_distance_support(internal) IS 'planner support for distances between vectors';

CREATE FUNCTION l2_distance(vector, vector) RETURNS float8
	AS 'MODULE_PATHNAME', 'annex_l2_distance' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	COST 20 SUPPORT vector_distance_support;
COMMENT ON FUNCTION l2_distance(vector, vector) IS 'Euclidean distance';

CREATE FUNCTION inner_product(vector, vector) RETURNS float8
	AS 'MODULE_PATHNAME', 'annex_inner_product' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	COST 20 SUPPORT vector_distance_support;
COMMENT ON FUNCTION inner_product(vector, vector) IS 'inner product';

CREATE FUNCTION cosine_distance(vector, vector) RETURNS float8
	AS 'MODULE_PATHNAME', 'annex_cosine_distance' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	COST 20 SUPPORT vector_distance_support;
COMMENT ON FUNCTION cosine_distance(vector, vector) IS 'cosine distance';

CREATE FUNCTION l1_distance(vector, vector) RETURNS float8
	AS 'MODULE_PATHNAME', 'annex_l1_distance' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	COST 20 SUPPORT vector_distance_support;
COMMENT ON FUNCTION l1_distance(vector, vector) IS 'taxicab distance';

CREATE FUNCTION vector_l2_squared_distance(vector, vector) RETURNS float8
	AS 'MODULE_PATHNAME', 'annex_vector_l2_squared_distance' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	COST 20 SUPPORT vector_distance_support;
COMMENT ON FUNCTION vector_l2_squared_distance(vector, vector) IS 'square of the Euclidean distance';

CREATE FUNCTION vector_negative_inner_product(vector, vector) RETURNS float8
	AS 'MODULE_PATHNAME', 'annex_vector_negative_inner_product' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	COST 20 SUPPORT vector_distance_support;
COMMENT ON FUNCTION vector_negative_inner_product(vector, vector) IS 'implementation of <#> operator';

CREATE FUNCTION vector_spherical_distance(vector, vector) RETURNS float8
	AS 'MODULE_PATHNAME', 'annex_vector_spherical_distance' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	COST 20 SUPPORT vector_distance_support;
COMMENT ON FUNCTION vector_spherical_distance(vector, vector) IS
	'angle between two vectors of norm 1, as a fraction of a half turn';

-- --------------------------------------------------------------------------------------- functions: parts and values

CREATE FUNCTION vector_dims(vector) RETURNS integer
	AS 'MODULE_PATHNAME', 'annex_vector_dims' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION vector_dims(vector) IS 'number of dimensions';

CREATE FUNCTION vector_norm(vector) RETURNS float8
	AS 'MODULE_PATHNAME', 'annex_vector_norm' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION vector_norm(vector) IS 'Euclidean norm';

CREATE FUNCTION l2_normalize(vector) RETURNS vector
	AS 'MODULE_PATHNAME', 'annex_l2_normalize' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION l2_normalize(vector) IS 'vector of Euclidean norm 1 in the same direction';

CREATE FUNCTION binary_quantize(vector) RETURNS bit
	AS 'MODULE_PATHNAME', 'annex_binary_quantize' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION binary_quantize(vector) IS 'a bit for each element, set where it is positive';

CREATE FUNCTION subvector(vector, int, int) RETURNS vector
	AS 'MODULE_PATHNAME', 'annex_subvector' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION subvector(vector, int, int) IS 'elements of a vector, from a position counted from 1, so many';

CREATE FUNCTION vector_add(vector, vector) RETURNS vector
	AS 'MODULE_PATHNAME', 'annex_vector_add' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION vector_add(vector, vector) IS 'implementation of + operator';

CREATE FUNCTION vector_sub(vector, vector) RETURNS vector
	AS 'MODULE_PATHNAME', 'annex_vector_sub' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION vector_sub(vector, vector) IS 'implementation of - operator';

CREATE FUNCTION vector_mul(vector, vector) RETURNS vector
	AS 'MODULE_PATHNAME', 'annex_vector_mul' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION vector_mul(vector, vector) IS 'implementation of * operator';

CREATE FUNCTION vector_concat(vector, vector) RETURNS vector
	AS 'MODULE_PATHNAME', 'annex_vector_concat' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION vector_concat(vector, vector) IS 'implementation of || operator';

-- ---------------------------------------------------------------------------------------------- functions: comparison

CREATE FUNCTION vector_lt(vector, vector) RETURNS bool
	AS 'MODULE_PATHNAME', 'annex_vector_lt' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION vector_lt(vector, vector) IS 'implementation of < operator';

CREATE FUNCTION vector_le(vector, vector) RETURNS bool
	AS 'MODULE_PATHNAME', 'annex_vector_le' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION vector_le(vector, vector) IS 'implementation of <= operator';

CREATE FUNCTION vector_eq(vector, vector) RETURNS bool
	AS 'MODULE_PATHNAME', 'annex_vector_eq' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION vector_eq(vector, vector) IS 'implementation of = operator';

CREATE FUNCTION vector_ne(vector, vector) RETURNS bool
	AS 'MODULE_PATHNAME', 'annex_vector_ne' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION vector_ne(vector, vector) IS 'implementation of <> operator';

CREATE FUNCTION vector_ge(vector, vector) RETURNS bool
	AS 'MODULE_PATHNAME', 'annex_vector_ge' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION vector_ge(vector, vector) IS 'implementation of >= operator';

CREATE FUNCTION vector_gt(vector, vector) RETURNS bool
	AS 'MODULE_PATHNAME', 'annex_vector_gt' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION vector_gt(vector, vector) IS 'implementation of > operator';

CREATE FUNCTION vector_cmp(vector, vector) RETURNS int4
	AS 'MODULE_PATHNAME', 'annex_vector_cmp' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION vector_cmp(vector, vector) IS 'less-equal-greater';

-- --------------------------------------------------------------------------------------------------------- aggregates

CREATE FUNCTION vector_accum(double precision[], vector) RETURNS double precision[]
	AS 'MODULE_PATHNAME', 'annex_vector_accum' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION vector_accum(double precision[], vector) IS 'aggregate transition function';

CREATE FUNCTION vector_combine(double precision[], double precision[]) RETURNS double precision[]
	AS 'MODULE_PATHNAME', 'annex_vector_combine' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION vector_combine(double precision[], double precision[]) IS 'aggregate combine function';

CREATE FUNCTION vector_avg(double precision[]) RETURNS vector
	AS 'MODULE_PATHNAME', 'annex_vector_avg' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION vector_avg(double precision[]) IS 'aggregate final function';

CREATE AGGREGATE avg(vector) (
	SFUNC = vector_accum,
	STYPE = double precision[],
	FINALFUNC = vector_avg,
	COMBINEFUNC = vector_combine,
	INITCOND = '{0}',
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE avg(vector) IS 'the average (arithmetic mean) as vector of all vector values';

CREATE AGGREGATE sum(vector) (
	SFUNC = vector_add,
	STYPE = vector,
	COMBINEFUNC = vector_add,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE sum(vector) IS 'sum as vector across all vector input values';

-- -------------------------------------------------------------------------------------------------------------- casts

CREATE FUNCTION vector(vector, integer, boolean) RETURNS vector
	AS 'MODULE_PATHNAME', 'annex_vector' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION vector(vector, integer, boolean) IS 'checks a vector against its declared dimensions';

CREATE FUNCTION array_to_vector(integer[], integer, boolean) RETURNS vector
	AS 'MODULE_PATHNAME', 'annex_array_to_vector' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION array_to_vector(integer[], integer, boolean) IS 'convert integer[] to vector';

CREATE FUNCTION array_to_vector(real[], integer, boolean) RETURNS vector
	AS 'MODULE_PATHNAME', 'annex_array_to_vector' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION array_to_vector(real[], integer, boolean) IS 'convert real[] to vector';

CREATE FUNCTION array_to_vector(double precision[], integer, boolean) RETURNS vector
	AS 'MODULE_PATHNAME', 'annex_array_to_vector' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION array_to_vector(double precision[], integer, boolean) IS 'convert double precision[] to vector';

CREATE FUNCTION array_to_vector(numeric[], integer, boolean) RETURNS vector
	AS 'MODULE_PATHNAME', 'annex_array_to_vector' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION array_to_vector(numeric[], integer, boolean) IS 'convert numeric[] to vector';

CREATE FUNCTION vector_to_float4(vector, integer, boolean) RETURNS real[]
	AS 'MODULE_PATHNAME', 'annex_vector_to_float4' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION vector_to_float4(vector, integer, boolean) IS 'convert vector to real[]';

CREATE CAST (vector AS vector)
	WITH FUNCTION vector(vector, integer, boolean) AS IMPLICIT;

CREATE CAST (vector AS real[])
	WITH FUNCTION vector_to_float4(vector, integer, boolean) AS IMPLICIT;

CREATE CAST (integer[] AS vector)
	WITH FUNCTION array_to_vector(integer[], integer, boolean) AS ASSIGNMENT;

CREATE CAST (real[] AS vector)
	WITH FUNCTION array_to_vector(real[], integer, boolean) AS ASSIGNMENT;

CREATE CAST (double precision[] AS vector)
	WITH FUNCTION array_to_vector(double precision[], integer, boolean) AS ASSIGNMENT;

CREATE CAST (numeric[] AS vector)
	WITH FUNCTION array_to_vector(numeric[], integer, boolean) AS ASSIGNMENT;

-- ---------------------------------------------------------------------------------------------------------- operators

CREATE OPERATOR <-> (
	LEFTARG = vector, RIGHTARG = vector, FUNCTION = l2_distance,
	COMMUTATOR = '<->'
);
COMMENT ON OPERATOR <-> (vector, vector) IS 'Euclidean distance';

CREATE OPERATOR <#> (
	LEFTARG = vector, RIGHTARG = vector, FUNCTION = vector_negative_inner_product,
	COMMUTATOR = '<#>'
);
COMMENT ON OPERATOR <#> (vector, vector) IS 'negative inner product';

CREATE OPERATOR <=> (
	LEFTARG = vector, RIGHTARG = vector, FUNCTION = cosine_distance,
	COMMUTATOR = '<=>'
);
COMMENT ON OPERATOR <=> (vector, vector) IS 'cosine distance';

CREATE OPERATOR <+> (
	LEFTARG = vector, RIGHTARG = vector, FUNCTION = l1_distance,
	COMMUTATOR = '<+>'
);
COMMENT ON OPERATOR <+> (vector, vector) IS 'taxicab distance';

CREATE OPERATOR + (
	LEFTARG = vector, RIGHTARG = vector, FUNCTION = vector_add,
	COMMUTATOR = +
);
COMMENT ON OPERATOR + (vector, vector) IS 'add, element by element';

CREATE OPERATOR - (
	LEFTARG = vector, RIGHTARG = vector, FUNCTION = vector_sub
);
COMMENT ON OPERATOR - (vector, vector) IS 'subtract, element by element';

CREATE OPERATOR * (
	LEFTARG = vector, RIGHTARG = vector, FUNCTION = vector_mul,
	COMMUTATOR = *
);
COMMENT ON OPERATOR * (vector, vector) IS 'multiply, element by element';

CREATE OPERATOR || (
	LEFTARG = vector, RIGHTARG = vector, FUNCTION = vector_concat
);
COMMENT ON OPERATOR || (vector, vector) IS 'concatenate';

CREATE OPERATOR < (
	LEFTARG = vector, RIGHTARG = vector, FUNCTION = vector_lt,
	COMMUTATOR = >, NEGATOR = >=,
	RESTRICT = scalarltsel, JOIN = scalarltjoinsel
);
COMMENT ON OPERATOR < (vector, vector) IS 'less than';

CREATE OPERATOR <= (
	LEFTARG = vector, RIGHTARG = vector, FUNCTION = vector_le,
	COMMUTATOR = >=, NEGATOR = >,
	RESTRICT = scalarlesel, JOIN = scalarlejoinsel
);
COMMENT ON OPERATOR <= (vector, vector) IS 'less than or equal';

CREATE OPERATOR = (
	LEFTARG = vector, RIGHTARG = vector, FUNCTION = vector_eq,
	COMMUTATOR = =, NEGATOR = <>,
	RESTRICT = eqsel, JOIN = eqjoinsel
);
COMMENT ON OPERATOR = (vector, vector) IS 'equal';

CREATE OPERATOR <> (
	LEFTARG = vector, RIGHTARG = vector, FUNCTION = vector_ne,
	COMMUTATOR = <>, NEGATOR = =,
	RESTRICT = eqsel, JOIN = eqjoinsel
);
COMMENT ON OPERATOR <> (vector, vector) IS 'not equal';

CREATE OPERATOR >= (
	LEFTARG = vector, RIGHTARG = vector, FUNCTION = vector_ge,
	COMMUTATOR = <=, NEGATOR = <,
	RESTRICT = scalargesel, JOIN = scalargejoinsel
);
COMMENT ON OPERATOR >= (vector, vector) IS 'greater than or equal';

CREATE OPERATOR > (
	LEFTARG = vector, RIGHTARG = vector, FUNCTION = vector_gt,
	COMMUTATOR = <, NEGATOR = <=,
	RESTRICT = scalargtsel, JOIN = scalargtjoinsel
);
COMMENT ON OPERATOR > (vector, vector) IS 'greater than';

-- ------------------------------------------------------------------------------------------ btree: order and equality

CREATE OPERATOR CLASS vector_ops
	DEFAULT FOR TYPE vector USING btree AS
	OPERATOR 1 <,
	OPERATOR 2 <=,
	OPERATOR 3 =,
	OPERATOR 4 >=,
	OPERATOR 5 >,
	FUNCTION 1 vector_cmp(vector, vector);
COMMENT ON OPERATOR CLASS vector_ops USING btree IS 'order element by element, then by dimensions';

-- ------------------------------------------------------------------------------------------------ the type halfvec

CREATE TYPE halfvec;

CREATE FUNCTION halfvec_in(cstring, oid, integer) RETURNS halfvec
	AS 'MODULE_PATHNAME', 'annex_halfvec_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION halfvec_in(cstring, oid, integer) IS 'I/O';

CREATE FUNCTION halfvec_out(halfvec) RETURNS cstring
	AS 'MODULE_PATHNAME', 'annex_halfvec_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION halfvec_out(halfvec) IS 'I/O';

CREATE FUNCTION halfvec_typmod_in(cstring[]) RETURNS integer
	AS 'MODULE_PATHNAME', 'annex_halfvec_typmod_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION halfvec_typmod_in(cstring[]) IS 'I/O typmod';

CREATE FUNCTION halfvec_recv(internal, oid, integer) RETURNS halfvec
	AS 'MODULE_PATHNAME', 'annex_halfvec_recv' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION halfvec_recv(internal, oid, integer) IS 'I/O';

CREATE FUNCTION halfvec_send(halfvec) RETURNS bytea
	AS 'MODULE_PATHNAME', 'annex_halfvec_send' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION halfvec_send(halfvec) IS 'I/O';

CREATE TYPE halfvec (
	INPUT = halfvec_in,
	OUTPUT = halfvec_out,
	TYPMOD_IN = halfvec_typmod_in,
	RECEIVE = halfvec_recv,
	SEND = halfvec_send,
	STORAGE = external
);
COMMENT ON TYPE halfvec IS 'vector of 16-bit floating-point numbers';

-- -------------------------------------------------------------------------------------------------- halfvec: distances

-- As with vector, the support function tells the planner what a distance costs.
CREATE FUNCTION halfvec_distance_support(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'annex_halfvec_distance_support' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION halfvec_distance_support(internal) IS 'planner support for distances between halfvecs';

CREATE FUNCTION l2_distance(halfvec, halfvec) RETURNS float8
	AS 'MODULE_PATHNAME', 'annex_halfvec_l2_distance' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	COST 20 SUPPORT halfvec_distance_support;
COMMENT ON FUNCTION l2_distance(halfvec, halfvec) IS 'Euclidean distance';

CREATE FUNCTION inner_product(halfvec, halfvec) RETURNS float8
	AS 'MODULE_PATHNAME', 'annex_halfvec_inner_product' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	COST 20 SUPPORT halfvec_distance_support;
COMMENT ON FUNCTION inner_product(halfvec, halfvec) IS 'inner product';

CREATE FUNCTION cosine_distance(halfvec, halfvec) RETURNS float8
	AS 'MODULE_PATHNAME', 'annex_halfvec_cosine_distance' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	COST 20 SUPPORT halfvec_distance_support;
COMMENT ON FUNCTION cosine_distance(halfvec, halfvec) IS 'cosine distance';

CREATE FUNCTION l1_distance(halfvec, halfvec) RETURNS float8
	AS 'MODULE_PATHNAME', 'annex_halfvec_l1_distance' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	COST 20 SUPPORT halfvec_distance_support;
COMMENT ON FUNCTION l1_distance(halfvec, halfvec) IS 'taxicab distance';

CREATE FUNCTION halfvec_l2_squared_distance(halfvec, halfvec) RETURNS float8
	AS 'MODULE_PATHNAME', 'annex_halfvec_l2_squared_distance' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	COST 20 SUPPORT halfvec_distance_support;
COMMENT ON FUNCTION halfvec_l2_squared_distance(halfvec, halfvec) IS 'square of the Euclidean distance';

CREATE FUNCTION halfvec_negative_inner_product(halfvec, halfvec) RETURNS float8
	AS 'MODULE_PATHNAME', 'annex_halfvec_negative_inner_product' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	COST 20 SUPPORT halfvec_distance_support;
COMMENT ON FUNCTION halfvec_negative_inner_product(halfvec, halfvec) IS 'implementation of <#> operator';

CREATE FUNCTION halfvec_spherical_distance(halfvec, halfvec) RETURNS float8
	AS 'MODULE_PATHNAME', 'annex_halfvec_spherical_distance' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	COST 20 SUPPORT halfvec_distance_support;
COMMENT ON FUNCTION halfvec_spherical_distance(halfvec, halfvec) IS
	'angle between two halfvecs of norm 1, as a fraction of a half turn';

-- ------------------------------------------------------------------------------------------- halfvec: parts and values

CREATE FUNCTION vector_dims(halfvec) RETURNS integer
	AS 'MODULE_PATHNAME', 'annex_halfvec_vector_dims' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION vector_dims(halfvec) IS 'number of dimensions';

CREATE FUNCTION l2_norm(halfvec) RETURNS float8
	AS 'MODULE_PATHNAME', 'annex_halfvec_l2_norm' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION l2_norm(halfvec) IS 'Euclidean norm';

CREATE FUNCTION l2_normalize(halfvec) RETURNS halfvec
	AS 'MODULE_PATHNAME', 'annex_halfvec_l2_normalize' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION l2_normalize(halfvec) IS 'halfvec of Euclidean norm 1 in the same direction';

CREATE FUNCTION binary_quantize(halfvec) RETURNS bit
	AS 'MODULE_PATHNAME', 'annex_halfvec_binary_quantize' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION binary_quantize(halfvec) IS 'a bit for each element, set where it is positive';

CREATE FUNCTION subvector(halfvec, int, int) RETURNS halfvec
	AS 'MODULE_PATHNAME', 'annex_halfvec_subvector' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION subvector(halfvec, int, int) IS 'elements of a halfvec, from a position counted from 1, so many';

CREATE FUNCTION halfvec_add(halfvec, halfvec) RETURNS halfvec
	AS 'MODULE_PATHNAME', 'annex_halfvec_add' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION halfvec_add(halfvec, halfvec) IS 'implementation of + operator';

CREATE FUNCTION halfvec_sub(halfvec, halfvec) RETURNS halfvec
	AS 'MODULE_PATHNAME', 'annex_halfvec_sub' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION halfvec_sub(halfvec, halfvec) IS 'implementation of - operator';

CREATE FUNCTION halfvec_mul(halfvec, halfvec) RETURNS halfvec
	AS 'MODULE_PATHNAME', 'annex_halfvec_mul' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION halfvec_mul(halfvec, halfvec) IS 'implementation of * operator';

CREATE FUNCTION halfvec_concat(halfvec, halfvec) RETURNS halfvec
	AS 'MODULE_PATHNAME', 'annex_halfvec_concat' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION halfvec_concat(halfvec, halfvec) IS 'implementation of || operator';

-- ------------------------------------------------------------------------------------------------- halfvec: comparison

CREATE FUNCTION halfvec_lt(halfvec, halfvec) RETURNS bool
	AS 'MODULE_PATHNAME', 'annex_halfvec_lt' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION halfvec_lt(halfvec, halfvec) IS 'implementation of < operator';

CREATE FUNCTION halfvec_le(halfvec, halfvec) RETURNS bool
	AS 'MODULE_PATHNAME', 'annex_halfvec_le' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION halfvec_le(halfvec, halfvec) IS 'implementation of <= operator';

CREATE FUNCTION halfvec_eq(halfvec, halfvec) RETURNS bool
	AS 'MODULE_PATHNAME', 'annex_halfvec_eq' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION halfvec_eq(halfvec, halfvec) IS 'implementation of = operator';

CREATE FUNCTION halfvec_ne(halfvec, halfvec) RETURNS bool
	AS 'MODULE_PATHNAME', 'annex_halfvec_ne' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION halfvec_ne(halfvec, halfvec) IS 'implementation of <> operator';

CREATE FUNCTION halfvec_ge(halfvec, halfvec) RETURNS bool
	AS 'MODULE_PATHNAME', 'annex_halfvec_ge' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION halfvec_ge(halfvec, halfvec) IS 'implementation of >= operator';

CREATE FUNCTION halfvec_gt(halfvec, halfvec) RETURNS bool
	AS 'MODULE_PATHNAME', 'annex_halfvec_gt' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION halfvec_gt(halfvec, halfvec) IS 'implementation of > operator';

CREATE FUNCTION halfvec_cmp(halfvec, halfvec) RETURNS int4
	AS 'MODULE_PATHNAME', 'annex_halfvec_cmp' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION halfvec_cmp(halfvec, halfvec) IS 'less-equal-greater';

-- ------------------------------------------------------------------------------------------------- halfvec: aggregates

CREATE FUNCTION halfvec_accum(double precision[], halfvec) RETURNS double precision[]
	AS 'MODULE_PATHNAME', 'annex_halfvec_accum' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION halfvec_accum(double precision[], halfvec) IS 'aggregate transition function';

CREATE FUNCTION halfvec_combine(double precision[], double precision[]) RETURNS double precision[]
	AS 'MODULE_PATHNAME', 'annex_vector_combine' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION halfvec_combine(double precision[], double precision[]) IS 'aggregate combine function';

CREATE FUNCTION halfvec_avg(double precision[]) RETURNS halfvec
	AS 'MODULE_PATHNAME', 'annex_halfvec_avg' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION halfvec_avg(double precision[]) IS 'aggregate final function';

CREATE AGGREGATE avg(halfvec) (
	SFUNC = halfvec_accum,
	STYPE = double precision[],
	FINALFUNC = halfvec_avg,
	COMBINEFUNC = halfvec_combine,
	INITCOND = '{0}',
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE avg(halfvec) IS 'the average (arithmetic mean) as halfvec of all halfvec values';

CREATE AGGREGATE sum(halfvec) (
	SFUNC = halfvec_add,
	STYPE = halfvec,
	COMBINEFUNC = halfvec_add,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE sum(halfvec) IS 'sum as halfvec across all halfvec input values';

-- ------------------------------------------------------------------------------------------------------ halfvec: casts

CREATE FUNCTION halfvec(halfvec, integer, boolean) RETURNS halfvec
	AS 'MODULE_PATHNAME', 'annex_halfvec' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION halfvec(halfvec, integer, boolean) IS 'checks a halfvec against its declared dimensions';

CREATE FUNCTION halfvec_to_vector(halfvec, integer, boolean) RETURNS vector
	AS 'MODULE_PATHNAME', 'annex_halfvec_to_vector' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION halfvec_to_vector(halfvec, integer, boolean) IS 'convert halfvec to vector';

CREATE FUNCTION vector_to_halfvec(vector, integer, boolean) RETURNS halfvec
	AS 'MODULE_PATHNAME', 'annex_vector_to_halfvec' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION vector_to_halfvec(vector, integer, boolean) IS 'convert vector to halfvec';

CREATE FUNCTION array_to_halfvec(integer[], integer, boolean) RETURNS halfvec
	AS 'MODULE_PATHNAME', 'annex_array_to_halfvec' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION array_to_halfvec(integer[], integer, boolean) IS 'convert integer[] to halfvec';

CREATE FUNCTION array_to_halfvec(real[], integer, boolean) RETURNS halfvec
	AS 'MODULE_PATHNAME', 'annex_array_to_halfvec' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION array_to_halfvec(real[], integer, boolean) IS 'convert real[] to halfvec';

CREATE FUNCTION array_to_halfvec(double precision[], integer, boolean) RETURNS halfvec
	AS 'MODULE_PATHNAME', 'annex_array_to_halfvec' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION array_to_halfvec(double precision[], integer, boolean) IS 'convert double precision[] to halfvec';

CREATE FUNCTION array_to_halfvec(numeric[], integer, boolean) RETURNS halfvec
	AS 'MODULE_PATHNAME', 'annex_array_to_halfvec' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION array_to_halfvec(numeric[], integer, boolean) IS 'convert numeric[] to halfvec';

CREATE FUNCTION halfvec_to_float4(halfvec, integer, boolean) RETURNS real[]
	AS 'MODULE_PATHNAME', 'annex_halfvec_to_float4' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION halfvec_to_float4(halfvec, integer, boolean) IS 'convert halfvec to real[]';

CREATE CAST (halfvec AS halfvec)
	WITH FUNCTION halfvec(halfvec, integer, boolean) AS IMPLICIT;

CREATE CAST (halfvec AS vector)
	WITH FUNCTION halfvec_to_vector(halfvec, integer, boolean) AS ASSIGNMENT;

CREATE CAST (vector AS halfvec)
	WITH FUNCTION vector_to_halfvec(vector, integer, boolean) AS IMPLICIT;

CREATE CAST (halfvec AS real[])
	WITH FUNCTION halfvec_to_float4(halfvec, integer, boolean) AS ASSIGNMENT;

CREATE CAST (integer[] AS halfvec)
	WITH FUNCTION array_to_halfvec(integer[], integer, boolean) AS ASSIGNMENT;

CREATE CAST (real[] AS halfvec)
	WITH FUNCTION array_to_halfvec(real[], integer, boolean) AS ASSIGNMENT;

CREATE CAST (double precision[] AS halfvec)
	WITH FUNCTION array_to_halfvec(double precision[], integer, boolean) AS ASSIGNMENT;

CREATE CAST (numeric[] AS halfvec)
	WITH FUNCTION array_to_halfvec(numeric[], integer, boolean) AS ASSIGNMENT;

-- -------------------------------------------------------------------------------------------------- halfvec: operators

CREATE OPERATOR <-> (
	LEFTARG = halfvec, RIGHTARG = halfvec, FUNCTION = l2_distance,
	COMMUTATOR = '<->'
);
COMMENT ON OPERATOR <-> (halfvec, halfvec) IS 'Euclidean distance';

CREATE OPERATOR <#> (
	LEFTARG = halfvec, RIGHTARG = halfvec, FUNCTION = halfvec_negative_inner_product,
	COMMUTATOR = '<#>'
);
COMMENT ON OPERATOR <#> (halfvec, halfvec) IS 'negative inner product';

CREATE OPERATOR <=> (
	LEFTARG = halfvec, RIGHTARG = halfvec, FUNCTION = cosine_distance,
	COMMUTATOR = '<=>'
);
COMMENT ON OPERATOR <=> (halfvec, halfvec) IS 'cosine distance';

CREATE OPERATOR <+> (
	LEFTARG = halfvec, RIGHTARG = halfvec, FUNCTION = l1_distance,
	COMMUTATOR = '<+>'
);
COMMENT ON OPERATOR <+> (halfvec, halfvec) IS 'taxicab distance';

CREATE OPERATOR + (
	LEFTARG = halfvec, RIGHTARG = halfvec, FUNCTION = halfvec_add,
	COMMUTATOR = +
);
COMMENT ON OPERATOR + (halfvec, halfvec) IS 'add, element by element';

CREATE OPERATOR - (
	LEFTARG = halfvec, RIGHTARG = halfvec, FUNCTION = halfvec_sub
);
COMMENT ON OPERATOR - (halfvec, halfvec) IS 'subtract, element by element';

CREATE OPERATOR * (
	LEFTARG = halfvec, RIGHTARG = halfvec, FUNCTION = halfvec_mul,
	COMMUTATOR = *
);
COMMENT ON OPERATOR * (halfvec, halfvec) IS 'multiply, element by element';

CREATE OPERATOR || (
	LEFTARG = halfvec, RIGHTARG = halfvec, FUNCTION = halfvec_concat
);
COMMENT ON OPERATOR || (halfvec, halfvec) IS 'concatenate';

CREATE OPERATOR < (
	LEFTARG = halfvec, RIGHTARG = halfvec, FUNCTION = halfvec_lt,
	COMMUTATOR = >, NEGATOR = >=,
	RESTRICT = scalarltsel, JOIN = scalarltjoinsel
);
COMMENT ON OPERATOR < (halfvec, halfvec) IS 'less than';

CREATE OPERATOR <= (
	LEFTARG = halfvec, RIGHTARG = halfvec, FUNCTION = halfvec_le,
	COMMUTATOR = >=, NEGATOR = >,
	RESTRICT = scalarlesel, JOIN = scalarlejoinsel
);
COMMENT ON OPERATOR <= (halfvec, halfvec) IS 'less than or equal';

CREATE OPERATOR = (
	LEFTARG = halfvec, RIGHTARG = halfvec, FUNCTION = halfvec_eq,
	COMMUTATOR = =, NEGATOR = <>,
	RESTRICT = eqsel, JOIN = eqjoinsel
);
COMMENT ON OPERATOR = (halfvec, halfvec) IS 'equal';

CREATE OPERATOR <> (
	LEFTARG = halfvec, RIGHTARG = halfvec, FUNCTION = halfvec_ne,
	COMMUTATOR = <>, NEGATOR = =,
	RESTRICT = eqsel, JOIN = eqjoinsel
);
COMMENT ON OPERATOR <> (halfvec, halfvec) IS 'not equal';

CREATE OPERATOR >= (
	LEFTARG = halfvec, RIGHTARG = halfvec, FUNCTION = halfvec_ge,
	COMMUTATOR = <=, NEGATOR = <,
	RESTRICT = scalargesel, JOIN = scalargejoinsel
);
COMMENT ON OPERATOR >= (halfvec, halfvec) IS 'greater than or equal';

CREATE OPERATOR > (
	LEFTARG = halfvec, RIGHTARG = halfvec, FUNCTION = halfvec_gt,
	COMMUTATOR = <, NEGATOR = <=,
	RESTRICT = scalargtsel, JOIN = scalargtjoinsel
);
COMMENT ON OPERATOR > (halfvec, halfvec) IS 'greater than';

-- ----------------------------------------------------------------------------------------- halfvec: order and equality

CREATE OPERATOR CLASS halfvec_ops
	DEFAULT FOR TYPE halfvec USING btree AS
	OPERATOR 1 <,
	OPERATOR 2 <=,
	OPERATOR 3 =,
	OPERATOR 4 >=,
	OPERATOR 5 >,
	FUNCTION 1 halfvec_cmp(halfvec, halfvec);
COMMENT ON OPERATOR CLASS halfvec_ops USING btree IS 'order element by element, then by dimensions';

-- --------------------------------------------------------------------------------------- bit: distances of bit strings

-- The type is PostgreSQL's own. A distance of some hundred bits costs little more than its call.
CREATE FUNCTION hamming_distance(bit, bit) RETURNS float8
	AS 'MODULE_PATHNAME', 'annex_hamming_distance' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5;
COMMENT ON FUNCTION hamming_distance(bit, bit) IS 'number of bits in which two bit strings differ';

CREATE FUNCTION jaccard_distance(bit, bit) RETURNS float8
	AS 'MODULE_PATHNAME', 'annex_jaccard_distance' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5;
COMMENT ON FUNCTION jaccard_distance(bit, bit) IS 'share of the bits set in either of two bit strings that are not set in both';

CREATE OPERATOR <~> (
	LEFTARG = bit, RIGHTARG = bit, FUNCTION = hamming_distance,
	COMMUTATOR = '<~>'
);
COMMENT ON OPERATOR <~> (bit, bit) IS 'Hamming distance';

CREATE OPERATOR <%> (
	LEFTARG = bit, RIGHTARG = bit, FUNCTION = jaccard_distance,
	COMMUTATOR = '<%>'
);
COMMENT ON OPERATOR <%> (bit, bit) IS 'Jaccard distance';

-- ------------------------------------------------------------------------------------------------- the type sparsevec

CREATE TYPE sparsevec;

CREATE FUNCTION sparsevec_in(cstring, oid, integer) RETURNS sparsevec
	AS 'MODULE_PATHNAME', 'annex_sparsevec_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION sparsevec_in(cstring, oid, integer) IS 'I/O';

CREATE FUNCTION sparsevec_out(sparsevec) RETURNS cstring
	AS 'MODULE_PATHNAME', 'annex_sparsevec_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION sparsevec_out(sparsevec) IS 'I/O';

CREATE FUNCTION sparsevec_typmod_in(cstring[]) RETURNS integer
	AS 'MODULE_PATHNAME', 'annex_sparsevec_typmod_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION sparsevec_typmod_in(cstring[]) IS 'I/O typmod';

CREATE FUNCTION sparsevec_recv(internal, oid, integer) RETURNS sparsevec
	AS 'MODULE_PATHNAME', 'annex_sparsevec_recv' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION sparsevec_recv(internal, oid, integer) IS 'I/O';

CREATE FUNCTION sparsevec_send(sparsevec) RETURNS bytea
	AS 'MODULE_PATHNAME', 'annex_sparsevec_send' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION sparsevec_send(sparsevec) IS 'I/O';

CREATE TYPE sparsevec (
	INPUT = sparsevec_in,
	OUTPUT = sparsevec_out,
	TYPMOD_IN = sparsevec_typmod_in,
	RECEIVE = sparsevec_recv,
	SEND = sparsevec_send,
	STORAGE = external
);
COMMENT ON TYPE sparsevec IS 'sparse vector of 32-bit floating-point numbers';

-- ----------------------------------------------------------------------------------------------- sparsevec: functions

-- COST is that of a distance between vectors with 100 elements each, in units of an addition.

CREATE FUNCTION l2_distance(sparsevec, sparsevec) RETURNS float8
	AS 'MODULE_PATHNAME', 'annex_sparsevec_l2_distance' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	COST 50;
COMMENT ON FUNCTION l2_distance(sparsevec, sparsevec) IS 'Euclidean distance';

CREATE FUNCTION inner_product(sparsevec, sparsevec) RETURNS float8
	AS 'MODULE_PATHNAME', 'annex_sparsevec_inner_product' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	COST 50;
COMMENT ON FUNCTION inner_product(sparsevec, sparsevec) IS 'inner product';

CREATE FUNCTION cosine_distance(sparsevec, sparsevec) RETURNS float8
	AS 'MODULE_PATHNAME', 'annex_sparsevec_cosine_distance' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	COST 50;
COMMENT ON FUNCTION cosine_distance(sparsevec, sparsevec) IS 'cosine distance';

CREATE FUNCTION l1_distance(sparsevec, sparsevec) RETURNS float8
	AS 'MODULE_PATHNAME', 'annex_sparsevec_l1_distance' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	COST 50;
COMMENT ON FUNCTION l1_distance(sparsevec, sparsevec) IS 'taxicab distance';

CREATE FUNCTION sparsevec_l2_squared_distance(sparsevec, sparsevec) RETURNS float8
	AS 'MODULE_PATHNAME', 'annex_sparsevec_l2_squared_distance' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	COST 50;
COMMENT ON FUNCTION sparsevec_l2_squared_distance(sparsevec, sparsevec) IS 'square of the Euclidean distance';

CREATE FUNCTION sparsevec_negative_inner_product(sparsevec, sparsevec) RETURNS float8
	AS 'MODULE_PATHNAME', 'annex_sparsevec_negative_inner_product' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	COST 50;
COMMENT ON FUNCTION sparsevec_negative_inner_product(sparsevec, sparsevec) IS 'implementation of <#> operator';

CREATE FUNCTION l2_norm(sparsevec) RETURNS float8
	AS 'MODULE_PATHNAME', 'annex_sparsevec_l2_norm' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION l2_norm(sparsevec) IS 'Euclidean norm';

CREATE FUNCTION l2_normalize(sparsevec) RETURNS sparsevec
	AS 'MODULE_PATHNAME', 'annex_sparsevec_l2_normalize' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION l2_normalize(sparsevec) IS 'sparsevec of Euclidean norm 1 in the same direction';

CREATE FUNCTION sparsevec_lt(sparsevec, sparsevec) RETURNS bool
	AS 'MODULE_PATHNAME', 'annex_sparsevec_lt' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION sparsevec_lt(sparsevec, sparsevec) IS 'implementation of < operator';

CREATE FUNCTION sparsevec_le(sparsevec, sparsevec) RETURNS bool
	AS 'MODULE_PATHNAME', 'annex_sparsevec_le' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION sparsevec_le(sparsevec, sparsevec) IS 'implementation of <= operator';

CREATE FUNCTION sparsevec_eq(sparsevec, sparsevec) RETURNS bool
	AS 'MODULE_PATHNAME', 'annex_sparsevec_eq' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION sparsevec_eq(sparsevec, sparsevec) IS 'implementation of = operator';

CREATE FUNCTION sparsevec_ne(sparsevec, sparsevec) RETURNS bool
	AS 'MODULE_PATHNAME', 'annex_sparsevec_ne' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION sparsevec_ne(sparsevec, sparsevec) IS 'implementation of <> operator';

CREATE FUNCTION sparsevec_ge(sparsevec, sparsevec) RETURNS bool
	AS 'MODULE_PATHNAME', 'annex_sparsevec_ge' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION sparsevec_ge(sparsevec, sparsevec) IS 'implementation of >= operator';

CREATE FUNCTION sparsevec_gt(sparsevec, sparsevec) RETURNS bool
	AS 'MODULE_PATHNAME', 'annex_sparsevec_gt' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION sparsevec_gt(sparsevec, sparsevec) IS 'implementation of > operator';

CREATE FUNCTION sparsevec_cmp(sparsevec, sparsevec) RETURNS int4
	AS 'MODULE_PATHNAME', 'annex_sparsevec_cmp' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION sparsevec_cmp(sparsevec, sparsevec) IS 'less-equal-greater';

-- --------------------------------------------------------------------------------------------------- sparsevec: casts

CREATE FUNCTION sparsevec(sparsevec, integer, boolean) RETURNS sparsevec
	AS 'MODULE_PATHNAME', 'annex_sparsevec' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION sparsevec(sparsevec, integer, boolean) IS 'checks a sparsevec against its declared dimensions';

CREATE FUNCTION vector_to_sparsevec(vector, integer, boolean) RETURNS sparsevec
	AS 'MODULE_PATHNAME', 'annex_vector_to_sparsevec' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION vector_to_sparsevec(vector, integer, boolean) IS 'convert vector to sparsevec';

CREATE FUNCTION sparsevec_to_vector(sparsevec, integer, boolean) RETURNS vector
	AS 'MODULE_PATHNAME', 'annex_sparsevec_to_vector' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION sparsevec_to_vector(sparsevec, integer, boolean) IS 'convert sparsevec to vector';

CREATE FUNCTION halfvec_to_sparsevec(halfvec, integer, boolean) RETURNS sparsevec
	AS 'MODULE_PATHNAME', 'annex_halfvec_to_sparsevec' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION halfvec_to_sparsevec(halfvec, integer, boolean) IS 'convert halfvec to sparsevec';

CREATE FUNCTION sparsevec_to_halfvec(sparsevec, integer, boolean) RETURNS halfvec
	AS 'MODULE_PATHNAME', 'annex_sparsevec_to_halfvec' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION sparsevec_to_halfvec(sparsevec, integer, boolean) IS 'convert sparsevec to halfvec';

CREATE FUNCTION array_to_sparsevec(integer[], integer, boolean) RETURNS sparsevec
	AS 'MODULE_PATHNAME', 'annex_array_to_sparsevec' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION array_to_sparsevec(integer[], integer, boolean) IS 'convert integer[] to sparsevec';

CREATE FUNCTION array_to_sparsevec(real[], integer, boolean) RETURNS sparsevec
	AS 'MODULE_PATHNAME', 'annex_array_to_sparsevec' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION array_to_sparsevec(real[], integer, boolean) IS 'convert real[] to sparsevec';

CREATE FUNCTION array_to_sparsevec(double precision[], integer, boolean) RETURNS sparsevec
	AS 'MODULE_PATHNAME', 'annex_array_to_sparsevec' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION array_to_sparsevec(double precision[], integer, boolean) IS 'convert double precision[] to sparsevec';

CREATE FUNCTION array_to_sparsevec(numeric[], integer, boolean) RETURNS sparsevec
	AS 'MODULE_PATHNAME', 'annex_array_to_sparsevec' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION array_to_sparsevec(numeric[], integer, boolean) IS 'convert numeric[] to sparsevec';

CREATE CAST (sparsevec AS sparsevec)
	WITH FUNCTION sparsevec(sparsevec, integer, boolean) AS IMPLICIT;

CREATE CAST (sparsevec AS vector)
	WITH FUNCTION sparsevec_to_vector(sparsevec, integer, boolean) AS ASSIGNMENT;

CREATE CAST (vector AS sparsevec)
	WITH FUNCTION vector_to_sparsevec(vector, integer, boolean) AS IMPLICIT;

CREATE CAST (sparsevec AS halfvec)
	WITH FUNCTION sparsevec_to_halfvec(sparsevec, integer, boolean) AS ASSIGNMENT;

CREATE CAST (halfvec AS sparsevec)
	WITH FUNCTION halfvec_to_sparsevec(halfvec, integer, boolean) AS IMPLICIT;

CREATE CAST (integer[] AS sparsevec)
	WITH FUNCTION array_to_sparsevec(integer[], integer, boolean) AS ASSIGNMENT;

CREATE CAST (real[] AS sparsevec)
	WITH FUNCTION array_to_sparsevec(real[], integer, boolean) AS ASSIGNMENT;

CREATE CAST (double precision[] AS sparsevec)
	WITH FUNCTION array_to_sparsevec(double precision[], integer, boolean) AS ASSIGNMENT;

CREATE CAST (numeric[] AS sparsevec)
	WITH FUNCTION array_to_sparsevec(numeric[], integer, boolean) AS ASSIGNMENT;

-- ------------------------------------------------------------------------------------- sparsevec: operators and order

CREATE OPERATOR <-> (
	LEFTARG = sparsevec, RIGHTARG = sparsevec, FUNCTION = l2_distance,
	COMMUTATOR = '<->'
);
COMMENT ON OPERATOR <-> (sparsevec, sparsevec) IS 'Euclidean distance';

CREATE OPERATOR <#> (
	LEFTARG = sparsevec, RIGHTARG = sparsevec, FUNCTION = sparsevec_negative_inner_product,
	COMMUTATOR = '<#>'
);
COMMENT ON OPERATOR <#> (sparsevec, sparsevec) IS 'negative inner product';

CREATE OPERATOR <=> (
	LEFTARG = sparsevec, RIGHTARG = sparsevec, FUNCTION = cosine_distance,
	COMMUTATOR = '<=>'
);
COMMENT ON OPERATOR <=> (sparsevec, sparsevec) IS 'cosine distance';

CREATE OPERATOR <+> (
	LEFTARG = sparsevec, RIGHTARG = sparsevec, FUNCTION = l1_distance,
	COMMUTATOR = '<+>'
);
COMMENT ON OPERATOR <+> (sparsevec, sparsevec) IS 'taxicab distance';

CREATE OPERATOR < (
	LEFTARG = sparsevec, RIGHTARG = sparsevec, FUNCTION = sparsevec_lt,
	COMMUTATOR = >, NEGATOR = >=,
	RESTRICT = scalarltsel, JOIN = scalarltjoinsel
);
COMMENT ON OPERATOR < (sparsevec, sparsevec) IS 'less than';

CREATE OPERATOR <= (
	LEFTARG = sparsevec, RIGHTARG = sparsevec, FUNCTION = sparsevec_le,
	COMMUTATOR = >=, NEGATOR = >,
	RESTRICT = scalarlesel, JOIN = scalarlejoinsel
);
COMMENT ON OPERATOR <= (sparsevec, sparsevec) IS 'less than or equal';

CREATE OPERATOR = (
	LEFTARG = sparsevec, RIGHTARG = sparsevec, FUNCTION = sparsevec_eq,
	COMMUTATOR = =, NEGATOR = <>,
	RESTRICT = eqsel, JOIN = eqjoinsel
);
COMMENT ON OPERATOR = (sparsevec, sparsevec) IS 'equal';

CREATE OPERATOR <> (
	LEFTARG = sparsevec, RIGHTARG = sparsevec, FUNCTION = sparsevec_ne,
	COMMUTATOR = <>, NEGATOR = =,
	RESTRICT = eqsel, JOIN = eqjoinsel
);
COMMENT ON OPERATOR <> (sparsevec, sparsevec) IS 'not equal';

CREATE OPERATOR >= (
	LEFTARG = sparsevec, RIGHTARG = sparsevec, FUNCTION = sparsevec_ge,
	COMMUTATOR = <=, NEGATOR = <,
	RESTRICT = scalargesel, JOIN = scalargejoinsel
);
COMMENT ON OPERATOR >= (sparsevec, sparsevec) IS 'greater than or equal';

CREATE OPERATOR > (
	LEFTARG = sparsevec, RIGHTARG = sparsevec, FUNCTION = sparsevec_gt,
	COMMUTATOR = <, NEGATOR = <=,
	RESTRICT = scalargtsel, JOIN = scalargtjoinsel
);
COMMENT ON OPERATOR > (sparsevec, sparsevec) IS 'greater than';

CREATE OPERATOR CLASS sparsevec_ops
	DEFAULT FOR TYPE sparsevec USING btree AS
	OPERATOR 1 <,
	OPERATOR 2 <=,
	OPERATOR 3 =,
	OPERATOR 4 >=,
	OPERATOR 5 >,
	FUNCTION 1 sparsevec_cmp(sparsevec, sparsevec);
COMMENT ON OPERATOR CLASS sparsevec_ops USING btree IS 'order coordinate by coordinate, then by dimensions';

--]
-- --------------------------------------------------------------------------------------------- the access method ivf

CREATE FUNCTION ivfhandler(internal) RETURNS index_am_handler
	AS 'MODULE_PATHNAME', 'annex_ivfhandler' LANGUAGE C;
COMMENT ON FUNCTION ivfhandler(internal) IS 'handler of the ivf access method';

CREATE ACCESS METHOD ivf TYPE INDEX HANDLER ivfhandler;
COMMENT ON ACCESS METHOD ivf IS 'nearest neighbours by inverted lists with quantized codes';

CREATE FUNCTION ivf_vector_l2_info(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'annex_vector_l2_info' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION ivf_vector_l2_info(internal) IS 'metric and element type of vector_l2_ops';

CREATE FUNCTION ivf_vector_ip_info(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'annex_vector_ip_info' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION ivf_vector_ip_info(internal) IS 'metric and element type of vector_ip_ops';

CREATE FUNCTION ivf_vector_cosine_info(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'annex_vector_cosine_info' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION ivf_vector_cosine_info(internal) IS 'metric and element type of vector_cosine_ops';

CREATE FUNCTION ivf_vector_l1_info(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'annex_vector_l1_info' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION ivf_vector_l1_info(internal) IS 'metric and element type of vector_l1_ops';

CREATE OPERATOR CLASS vector_l2_ops
	DEFAULT FOR TYPE vector USING ivf AS
	OPERATOR 1 <-> (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 1 (vector, vector) ivf_vector_l2_info(internal);
COMMENT ON OPERATOR CLASS vector_l2_ops USING ivf IS 'order by L2 distance';

CREATE OPERATOR CLASS vector_ip_ops
	FOR TYPE vector USING ivf AS
	OPERATOR 1 <#> (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 1 (vector, vector) ivf_vector_ip_info(internal);
COMMENT ON OPERATOR CLASS vector_ip_ops USING ivf IS 'order by negative inner product';

CREATE OPERATOR CLASS vector_cosine_ops
	FOR TYPE vector USING ivf AS
	OPERATOR 1 <=> (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 1 (vector, vector) ivf_vector_cosine_info(internal);
COMMENT ON OPERATOR CLASS vector_cosine_ops USING ivf IS 'order by cosine distance';

CREATE OPERATOR CLASS vector_l1_ops
	FOR TYPE vector USING ivf AS
	OPERATOR 1 <+> (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 1 (vector, vector) ivf_vector_l1_info(internal);
COMMENT ON OPERATOR CLASS vector_l1_ops USING ivf IS 'order by taxicab distance';

CREATE FUNCTION ivf_halfvec_l2_info(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'annex_halfvec_l2_info' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION ivf_halfvec_l2_info(internal) IS 'metric and element type of halfvec_l2_ops';

CREATE FUNCTION ivf_halfvec_ip_info(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'annex_halfvec_ip_info' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION ivf_halfvec_ip_info(internal) IS 'metric and element type of halfvec_ip_ops';

CREATE FUNCTION ivf_halfvec_cosine_info(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'annex_halfvec_cosine_info' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION ivf_halfvec_cosine_info(internal) IS 'metric and element type of halfvec_cosine_ops';

CREATE FUNCTION ivf_halfvec_l1_info(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'annex_halfvec_l1_info' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION ivf_halfvec_l1_info(internal) IS 'metric and element type of halfvec_l1_ops';

CREATE OPERATOR CLASS halfvec_l2_ops
	DEFAULT FOR TYPE halfvec USING ivf AS
	OPERATOR 1 <-> (halfvec, halfvec) FOR ORDER BY float_ops,
	FUNCTION 1 (halfvec, halfvec) ivf_halfvec_l2_info(internal);
COMMENT ON OPERATOR CLASS halfvec_l2_ops USING ivf IS 'order by L2 distance';

CREATE OPERATOR CLASS halfvec_ip_ops
	FOR TYPE halfvec USING ivf AS
	OPERATOR 1 <#> (halfvec, halfvec) FOR ORDER BY float_ops,
	FUNCTION 1 (halfvec, halfvec) ivf_halfvec_ip_info(internal);
COMMENT ON OPERATOR CLASS halfvec_ip_ops USING ivf IS 'order by negative inner product';

CREATE OPERATOR CLASS halfvec_cosine_ops
	FOR TYPE halfvec USING ivf AS
	OPERATOR 1 <=> (halfvec, halfvec) FOR ORDER BY float_ops,
	FUNCTION 1 (halfvec, halfvec) ivf_halfvec_cosine_info(internal);
COMMENT ON OPERATOR CLASS halfvec_cosine_ops USING ivf IS 'order by cosine distance';

CREATE FUNCTION ivf_sparsevec_l2_info(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'annex_sparsevec_l2_info' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION ivf_sparsevec_l2_info(internal) IS 'metric and element type of sparsevec_l2_ops';

CREATE FUNCTION ivf_sparsevec_ip_info(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'annex_sparsevec_ip_info' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION ivf_sparsevec_ip_info(internal) IS 'metric and element type of sparsevec_ip_ops';

CREATE FUNCTION ivf_sparsevec_cosine_info(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'annex_sparsevec_cosine_info' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION ivf_sparsevec_cosine_info(internal) IS 'metric and element type of sparsevec_cosine_ops';

CREATE FUNCTION ivf_sparsevec_l1_info(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'annex_sparsevec_l1_info' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION ivf_sparsevec_l1_info(internal) IS 'metric and element type of sparsevec_l1_ops';

CREATE OPERATOR CLASS sparsevec_l2_ops
	DEFAULT FOR TYPE sparsevec USING ivf AS
	OPERATOR 1 <-> (sparsevec, sparsevec) FOR ORDER BY float_ops,
	FUNCTION 1 (sparsevec, sparsevec) ivf_sparsevec_l2_info(internal);
COMMENT ON OPERATOR CLASS sparsevec_l2_ops USING ivf IS 'order by L2 distance';

CREATE OPERATOR CLASS sparsevec_ip_ops
	FOR TYPE sparsevec USING ivf AS
	OPERATOR 1 <#> (sparsevec, sparsevec) FOR ORDER BY float_ops,
	FUNCTION 1 (sparsevec, sparsevec) ivf_sparsevec_ip_info(internal);
COMMENT ON OPERATOR CLASS sparsevec_ip_ops USING ivf IS 'order by negative inner product';

CREATE OPERATOR CLASS sparsevec_cosine_ops
	FOR TYPE sparsevec USING ivf AS
	OPERATOR 1 <=> (sparsevec, sparsevec) FOR ORDER BY float_ops,
	FUNCTION 1 (sparsevec, sparsevec) ivf_sparsevec_cosine_info(internal);
COMMENT ON OPERATOR CLASS sparsevec_cosine_ops USING ivf IS 'order by cosine distance';

CREATE OPERATOR CLASS halfvec_l1_ops
	FOR TYPE halfvec USING ivf AS
	OPERATOR 1 <+> (halfvec, halfvec) FOR ORDER BY float_ops,
	FUNCTION 1 (halfvec, halfvec) ivf_halfvec_l1_info(internal);
COMMENT ON OPERATOR CLASS halfvec_l1_ops USING ivf IS 'order by taxicab distance';

CREATE FUNCTION ivf_bit_hamming_info(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'annex_bit_hamming_info' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION ivf_bit_hamming_info(internal) IS 'metric and element type of bit_hamming_ops';

CREATE FUNCTION ivf_bit_jaccard_info(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'annex_bit_jaccard_info' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION ivf_bit_jaccard_info(internal) IS 'metric and element type of bit_jaccard_ops';

CREATE OPERATOR CLASS bit_hamming_ops
	DEFAULT FOR TYPE bit USING ivf AS
	OPERATOR 1 <~> (bit, bit) FOR ORDER BY float_ops,
	FUNCTION 1 (bit, bit) ivf_bit_hamming_info(internal);
COMMENT ON OPERATOR CLASS bit_hamming_ops USING ivf IS 'order by Hamming distance';

CREATE OPERATOR CLASS bit_jaccard_ops
	FOR TYPE bit USING ivf AS
	OPERATOR 1 <%> (bit, bit) FOR ORDER BY float_ops,
	FUNCTION 1 (bit, bit) ivf_bit_jaccard_info(internal);
COMMENT ON OPERATOR CLASS bit_jaccard_ops USING ivf IS 'order by Jaccard distance';

-- Filter columns: scalar columns after the vector, by which a scan passes over rows before it computes any distance.
-- Strategies are btree's. Types that do not sort in the index have = alone.

CREATE OPERATOR CLASS bool_ops
	DEFAULT FOR TYPE boolean USING ivf AS
	OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >;
COMMENT ON OPERATOR CLASS bool_ops USING ivf IS 'filter by boolean';

CREATE OPERATOR CLASS int2_ops
	DEFAULT FOR TYPE smallint USING ivf AS
	OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >,
	OPERATOR 1 < (smallint, integer), OPERATOR 2 <= (smallint, integer), OPERATOR 3 = (smallint, integer),
	OPERATOR 4 >= (smallint, integer), OPERATOR 5 > (smallint, integer),
	OPERATOR 1 < (smallint, bigint), OPERATOR 2 <= (smallint, bigint), OPERATOR 3 = (smallint, bigint),
	OPERATOR 4 >= (smallint, bigint), OPERATOR 5 > (smallint, bigint);
COMMENT ON OPERATOR CLASS int2_ops USING ivf IS 'filter by smallint';

CREATE OPERATOR CLASS int4_ops
	DEFAULT FOR TYPE integer USING ivf AS
	OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >,
	OPERATOR 1 < (integer, smallint), OPERATOR 2 <= (integer, smallint), OPERATOR 3 = (integer, smallint),
	OPERATOR 4 >= (integer, smallint), OPERATOR 5 > (integer, smallint),
	OPERATOR 1 < (integer, bigint), OPERATOR 2 <= (integer, bigint), OPERATOR 3 = (integer, bigint),
	OPERATOR 4 >= (integer, bigint), OPERATOR 5 > (integer, bigint);
COMMENT ON OPERATOR CLASS int4_ops USING ivf IS 'filter by integer';

CREATE OPERATOR CLASS int8_ops
	DEFAULT FOR TYPE bigint USING ivf AS
	OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >,
	OPERATOR 1 < (bigint, smallint), OPERATOR 2 <= (bigint, smallint), OPERATOR 3 = (bigint, smallint),
	OPERATOR 4 >= (bigint, smallint), OPERATOR 5 > (bigint, smallint),
	OPERATOR 1 < (bigint, integer), OPERATOR 2 <= (bigint, integer), OPERATOR 3 = (bigint, integer),
	OPERATOR 4 >= (bigint, integer), OPERATOR 5 > (bigint, integer);
COMMENT ON OPERATOR CLASS int8_ops USING ivf IS 'filter by bigint';

CREATE OPERATOR CLASS float4_ops
	DEFAULT FOR TYPE real USING ivf AS
	OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >,
	OPERATOR 1 < (real, double precision), OPERATOR 2 <= (real, double precision), OPERATOR 3 = (real, double precision),
	OPERATOR 4 >= (real, double precision), OPERATOR 5 > (real, double precision);
COMMENT ON OPERATOR CLASS float4_ops USING ivf IS 'filter by real';

CREATE OPERATOR CLASS float8_ops
	DEFAULT FOR TYPE double precision USING ivf AS
	OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >,
	OPERATOR 1 < (double precision, real), OPERATOR 2 <= (double precision, real), OPERATOR 3 = (double precision, real),
	OPERATOR 4 >= (double precision, real), OPERATOR 5 > (double precision, real);
COMMENT ON OPERATOR CLASS float8_ops USING ivf IS 'filter by double precision';

CREATE OPERATOR CLASS date_ops
	DEFAULT FOR TYPE date USING ivf AS
	OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >,
	OPERATOR 1 < (date, timestamp), OPERATOR 2 <= (date, timestamp), OPERATOR 3 = (date, timestamp),
	OPERATOR 4 >= (date, timestamp), OPERATOR 5 > (date, timestamp),
	OPERATOR 1 < (date, timestamptz), OPERATOR 2 <= (date, timestamptz), OPERATOR 3 = (date, timestamptz),
	OPERATOR 4 >= (date, timestamptz), OPERATOR 5 > (date, timestamptz);
COMMENT ON OPERATOR CLASS date_ops USING ivf IS 'filter by date';

CREATE OPERATOR CLASS time_ops
	DEFAULT FOR TYPE time USING ivf AS
	OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >;
COMMENT ON OPERATOR CLASS time_ops USING ivf IS 'filter by time';

CREATE OPERATOR CLASS timestamp_ops
	DEFAULT FOR TYPE timestamp USING ivf AS
	OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >,
	OPERATOR 1 < (timestamp, date), OPERATOR 2 <= (timestamp, date), OPERATOR 3 = (timestamp, date),
	OPERATOR 4 >= (timestamp, date), OPERATOR 5 > (timestamp, date),
	OPERATOR 1 < (timestamp, timestamptz), OPERATOR 2 <= (timestamp, timestamptz), OPERATOR 3 = (timestamp, timestamptz),
	OPERATOR 4 >= (timestamp, timestamptz), OPERATOR 5 > (timestamp, timestamptz);
COMMENT ON OPERATOR CLASS timestamp_ops USING ivf IS 'filter by timestamp';

CREATE OPERATOR CLASS timestamptz_ops
	DEFAULT FOR TYPE timestamptz USING ivf AS
	OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >,
	OPERATOR 1 < (timestamptz, date), OPERATOR 2 <= (timestamptz, date), OPERATOR 3 = (timestamptz, date),
	OPERATOR 4 >= (timestamptz, date), OPERATOR 5 > (timestamptz, date),
	OPERATOR 1 < (timestamptz, timestamp), OPERATOR 2 <= (timestamptz, timestamp), OPERATOR 3 = (timestamptz, timestamp),
	OPERATOR 4 >= (timestamptz, timestamp), OPERATOR 5 > (timestamptz, timestamp);
COMMENT ON OPERATOR CLASS timestamptz_ops USING ivf IS 'filter by timestamptz';

CREATE OPERATOR CLASS uuid_ops
	DEFAULT FOR TYPE uuid USING ivf AS
	OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >;
COMMENT ON OPERATOR CLASS uuid_ops USING ivf IS 'filter by uuid';

CREATE OPERATOR CLASS text_ops
	DEFAULT FOR TYPE text USING ivf AS
	OPERATOR 3 =;
COMMENT ON OPERATOR CLASS text_ops USING ivf IS 'filter by equal text';

CREATE OPERATOR CLASS bpchar_ops
	DEFAULT FOR TYPE character USING ivf AS
	OPERATOR 3 =;
COMMENT ON OPERATOR CLASS bpchar_ops USING ivf IS 'filter by equal character strings';

CREATE OPERATOR CLASS enum_ops
	DEFAULT FOR TYPE anyenum USING ivf AS
	OPERATOR 3 =;
COMMENT ON OPERATOR CLASS enum_ops USING ivf IS 'filter by equal enum values';

--[ annex vector
-- ----------------------------------------------------------------------------------------- the access method ivfflat

CREATE FUNCTION ivfflathandler(internal) RETURNS index_am_handler
	AS 'MODULE_PATHNAME', 'annex_ivfflathandler' LANGUAGE C;
COMMENT ON FUNCTION ivfflathandler(internal) IS 'handler of the ivfflat access method';

CREATE ACCESS METHOD ivfflat TYPE INDEX HANDLER ivfflathandler;
COMMENT ON ACCESS METHOD ivfflat IS 'pgvector''s inverted lists, kept as ivf keeps them';

CREATE OPERATOR CLASS vector_l2_ops
	DEFAULT FOR TYPE vector USING ivfflat AS
	OPERATOR 1 <-> (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 1 (vector, vector) vector_l2_squared_distance(vector, vector),
	FUNCTION 3 (vector, vector) l2_distance(vector, vector),
	FUNCTION 5 (vector, vector) ivf_vector_l2_info(internal);
COMMENT ON OPERATOR CLASS vector_l2_ops USING ivfflat IS 'order by L2 distance';

CREATE OPERATOR CLASS vector_ip_ops
	FOR TYPE vector USING ivfflat AS
	OPERATOR 1 <#> (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 1 (vector, vector) vector_negative_inner_product(vector, vector),
	FUNCTION 3 (vector, vector) vector_spherical_distance(vector, vector),
	FUNCTION 4 (vector, vector) vector_norm(vector),
	FUNCTION 5 (vector, vector) ivf_vector_ip_info(internal);
COMMENT ON OPERATOR CLASS vector_ip_ops USING ivfflat IS 'order by negative inner product';

CREATE OPERATOR CLASS vector_cosine_ops
	FOR TYPE vector USING ivfflat AS
	OPERATOR 1 <=> (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 1 (vector, vector) vector_negative_inner_product(vector, vector),
	FUNCTION 2 (vector, vector) vector_norm(vector),
	FUNCTION 3 (vector, vector) vector_spherical_distance(vector, vector),
	FUNCTION 4 (vector, vector) vector_norm(vector),
	FUNCTION 5 (vector, vector) ivf_vector_cosine_info(internal);
COMMENT ON OPERATOR CLASS vector_cosine_ops USING ivfflat IS 'order by cosine distance';

CREATE OPERATOR CLASS halfvec_l2_ops
	FOR TYPE halfvec USING ivfflat AS
	OPERATOR 1 <-> (halfvec, halfvec) FOR ORDER BY float_ops,
	FUNCTION 1 (halfvec, halfvec) halfvec_l2_squared_distance(halfvec, halfvec),
	FUNCTION 3 (halfvec, halfvec) l2_distance(halfvec, halfvec),
	FUNCTION 5 (halfvec, halfvec) ivf_halfvec_l2_info(internal);
COMMENT ON OPERATOR CLASS halfvec_l2_ops USING ivfflat IS 'order by L2 distance';

CREATE OPERATOR CLASS halfvec_ip_ops
	FOR TYPE halfvec USING ivfflat AS
	OPERATOR 1 <#> (halfvec, halfvec) FOR ORDER BY float_ops,
	FUNCTION 1 (halfvec, halfvec) halfvec_negative_inner_product(halfvec, halfvec),
	FUNCTION 3 (halfvec, halfvec) halfvec_spherical_distance(halfvec, halfvec),
	FUNCTION 4 (halfvec, halfvec) l2_norm(halfvec),
	FUNCTION 5 (halfvec, halfvec) ivf_halfvec_ip_info(internal);
COMMENT ON OPERATOR CLASS halfvec_ip_ops USING ivfflat IS 'order by negative inner product';

CREATE OPERATOR CLASS halfvec_cosine_ops
	FOR TYPE halfvec USING ivfflat AS
	OPERATOR 1 <=> (halfvec, halfvec) FOR ORDER BY float_ops,
	FUNCTION 1 (halfvec, halfvec) halfvec_negative_inner_product(halfvec, halfvec),
	FUNCTION 2 (halfvec, halfvec) l2_norm(halfvec),
	FUNCTION 3 (halfvec, halfvec) halfvec_spherical_distance(halfvec, halfvec),
	FUNCTION 4 (halfvec, halfvec) l2_norm(halfvec),
	FUNCTION 5 (halfvec, halfvec) ivf_halfvec_cosine_info(internal);
COMMENT ON OPERATOR CLASS halfvec_cosine_ops USING ivfflat IS 'order by cosine distance';

CREATE OPERATOR CLASS bit_hamming_ops
	FOR TYPE bit USING ivfflat AS
	OPERATOR 1 <~> (bit, bit) FOR ORDER BY float_ops,
	FUNCTION 1 (bit, bit) hamming_distance(bit, bit),
	FUNCTION 3 (bit, bit) hamming_distance(bit, bit),
	FUNCTION 5 (bit, bit) ivf_bit_hamming_info(internal);
COMMENT ON OPERATOR CLASS bit_hamming_ops USING ivfflat IS 'order by Hamming distance';

--]
-- -------------------------------------------------------------------------------------------- the access method hnsw
-- Beside pgvector, whose access method has this name, it is annex_hnsw.

CREATE FUNCTION hnswhandler(internal) RETURNS index_am_handler
	AS 'MODULE_PATHNAME', 'annex_hnswhandler' LANGUAGE C;
COMMENT ON FUNCTION hnswhandler(internal) IS 'handler of the hnsw access method';

CREATE ACCESS METHOD hnsw TYPE INDEX HANDLER hnswhandler;
COMMENT ON ACCESS METHOD hnsw IS 'a graph over vectors, with codes inside its nodes';

--[ annex vector
CREATE FUNCTION hnsw_halfvec_support(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'annex_hnsw_support' LANGUAGE C;
COMMENT ON FUNCTION hnsw_halfvec_support(internal) IS 'stands where pgvector''s operator classes have a function of this name';

CREATE FUNCTION hnsw_bit_support(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'annex_hnsw_support' LANGUAGE C;
COMMENT ON FUNCTION hnsw_bit_support(internal) IS 'stands where pgvector''s operator classes have a function of this name';

CREATE FUNCTION hnsw_sparsevec_support(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'annex_hnsw_support' LANGUAGE C;
COMMENT ON FUNCTION hnsw_sparsevec_support(internal) IS 'stands where pgvector''s operator classes have a function of this name';

CREATE OPERATOR CLASS vector_l2_ops
	FOR TYPE vector USING hnsw AS
	OPERATOR 1 <-> (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 1 (vector, vector) vector_l2_squared_distance(vector, vector),
	FUNCTION 4 (vector, vector) ivf_vector_l2_info(internal);
COMMENT ON OPERATOR CLASS vector_l2_ops USING hnsw IS 'order by L2 distance';

CREATE OPERATOR CLASS vector_ip_ops
	FOR TYPE vector USING hnsw AS
	OPERATOR 1 <#> (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 1 (vector, vector) vector_negative_inner_product(vector, vector),
	FUNCTION 4 (vector, vector) ivf_vector_ip_info(internal);
COMMENT ON OPERATOR CLASS vector_ip_ops USING hnsw IS 'order by negative inner product';

CREATE OPERATOR CLASS vector_cosine_ops
	FOR TYPE vector USING hnsw AS
	OPERATOR 1 <=> (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 1 (vector, vector) vector_negative_inner_product(vector, vector),
	FUNCTION 2 (vector, vector) vector_norm(vector),
	FUNCTION 4 (vector, vector) ivf_vector_cosine_info(internal);
COMMENT ON OPERATOR CLASS vector_cosine_ops USING hnsw IS 'order by cosine distance';

CREATE OPERATOR CLASS vector_l1_ops
	FOR TYPE vector USING hnsw AS
	OPERATOR 1 <+> (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 1 (vector, vector) l1_distance(vector, vector),
	FUNCTION 4 (vector, vector) ivf_vector_l1_info(internal);
COMMENT ON OPERATOR CLASS vector_l1_ops USING hnsw IS 'order by taxicab distance';

CREATE OPERATOR CLASS halfvec_l2_ops
	FOR TYPE halfvec USING hnsw AS
	OPERATOR 1 <-> (halfvec, halfvec) FOR ORDER BY float_ops,
	FUNCTION 1 (halfvec, halfvec) halfvec_l2_squared_distance(halfvec, halfvec),
	FUNCTION 3 (halfvec, halfvec) hnsw_halfvec_support(internal),
	FUNCTION 4 (halfvec, halfvec) ivf_halfvec_l2_info(internal);
COMMENT ON OPERATOR CLASS halfvec_l2_ops USING hnsw IS 'order by L2 distance';

CREATE OPERATOR CLASS halfvec_ip_ops
	FOR TYPE halfvec USING hnsw AS
	OPERATOR 1 <#> (halfvec, halfvec) FOR ORDER BY float_ops,
	FUNCTION 1 (halfvec, halfvec) halfvec_negative_inner_product(halfvec, halfvec),
	FUNCTION 3 (halfvec, halfvec) hnsw_halfvec_support(internal),
	FUNCTION 4 (halfvec, halfvec) ivf_halfvec_ip_info(internal);
COMMENT ON OPERATOR CLASS halfvec_ip_ops USING hnsw IS 'order by negative inner product';

CREATE OPERATOR CLASS halfvec_cosine_ops
	FOR TYPE halfvec USING hnsw AS
	OPERATOR 1 <=> (halfvec, halfvec) FOR ORDER BY float_ops,
	FUNCTION 1 (halfvec, halfvec) halfvec_negative_inner_product(halfvec, halfvec),
	FUNCTION 2 (halfvec, halfvec) l2_norm(halfvec),
	FUNCTION 3 (halfvec, halfvec) hnsw_halfvec_support(internal),
	FUNCTION 4 (halfvec, halfvec) ivf_halfvec_cosine_info(internal);
COMMENT ON OPERATOR CLASS halfvec_cosine_ops USING hnsw IS 'order by cosine distance';

CREATE OPERATOR CLASS halfvec_l1_ops
	FOR TYPE halfvec USING hnsw AS
	OPERATOR 1 <+> (halfvec, halfvec) FOR ORDER BY float_ops,
	FUNCTION 1 (halfvec, halfvec) l1_distance(halfvec, halfvec),
	FUNCTION 3 (halfvec, halfvec) hnsw_halfvec_support(internal),
	FUNCTION 4 (halfvec, halfvec) ivf_halfvec_l1_info(internal);
COMMENT ON OPERATOR CLASS halfvec_l1_ops USING hnsw IS 'order by taxicab distance';

CREATE OPERATOR CLASS bit_hamming_ops
	FOR TYPE bit USING hnsw AS
	OPERATOR 1 <~> (bit, bit) FOR ORDER BY float_ops,
	FUNCTION 1 (bit, bit) hamming_distance(bit, bit),
	FUNCTION 3 (bit, bit) hnsw_bit_support(internal),
	FUNCTION 4 (bit, bit) ivf_bit_hamming_info(internal);
COMMENT ON OPERATOR CLASS bit_hamming_ops USING hnsw IS 'order by Hamming distance';

CREATE OPERATOR CLASS bit_jaccard_ops
	FOR TYPE bit USING hnsw AS
	OPERATOR 1 <%> (bit, bit) FOR ORDER BY float_ops,
	FUNCTION 1 (bit, bit) jaccard_distance(bit, bit),
	FUNCTION 3 (bit, bit) hnsw_bit_support(internal),
	FUNCTION 4 (bit, bit) ivf_bit_jaccard_info(internal);
COMMENT ON OPERATOR CLASS bit_jaccard_ops USING hnsw IS 'order by Jaccard distance';

CREATE OPERATOR CLASS sparsevec_l2_ops
	FOR TYPE sparsevec USING hnsw AS
	OPERATOR 1 <-> (sparsevec, sparsevec) FOR ORDER BY float_ops,
	FUNCTION 1 (sparsevec, sparsevec) sparsevec_l2_squared_distance(sparsevec, sparsevec),
	FUNCTION 3 (sparsevec, sparsevec) hnsw_sparsevec_support(internal),
	FUNCTION 4 (sparsevec, sparsevec) ivf_sparsevec_l2_info(internal);
COMMENT ON OPERATOR CLASS sparsevec_l2_ops USING hnsw IS 'order by L2 distance';

CREATE OPERATOR CLASS sparsevec_ip_ops
	FOR TYPE sparsevec USING hnsw AS
	OPERATOR 1 <#> (sparsevec, sparsevec) FOR ORDER BY float_ops,
	FUNCTION 1 (sparsevec, sparsevec) sparsevec_negative_inner_product(sparsevec, sparsevec),
	FUNCTION 3 (sparsevec, sparsevec) hnsw_sparsevec_support(internal),
	FUNCTION 4 (sparsevec, sparsevec) ivf_sparsevec_ip_info(internal);
COMMENT ON OPERATOR CLASS sparsevec_ip_ops USING hnsw IS 'order by negative inner product';

CREATE OPERATOR CLASS sparsevec_cosine_ops
	FOR TYPE sparsevec USING hnsw AS
	OPERATOR 1 <=> (sparsevec, sparsevec) FOR ORDER BY float_ops,
	FUNCTION 1 (sparsevec, sparsevec) sparsevec_negative_inner_product(sparsevec, sparsevec),
	FUNCTION 2 (sparsevec, sparsevec) l2_norm(sparsevec),
	FUNCTION 3 (sparsevec, sparsevec) hnsw_sparsevec_support(internal),
	FUNCTION 4 (sparsevec, sparsevec) ivf_sparsevec_cosine_info(internal);
COMMENT ON OPERATOR CLASS sparsevec_cosine_ops USING hnsw IS 'order by cosine distance';

CREATE OPERATOR CLASS sparsevec_l1_ops
	FOR TYPE sparsevec USING hnsw AS
	OPERATOR 1 <+> (sparsevec, sparsevec) FOR ORDER BY float_ops,
	FUNCTION 1 (sparsevec, sparsevec) l1_distance(sparsevec, sparsevec),
	FUNCTION 3 (sparsevec, sparsevec) hnsw_sparsevec_support(internal),
	FUNCTION 4 (sparsevec, sparsevec) ivf_sparsevec_l1_info(internal);
COMMENT ON OPERATOR CLASS sparsevec_l1_ops USING hnsw IS 'order by taxicab distance';

--]
CREATE OPERATOR CLASS bool_ops
	DEFAULT FOR TYPE boolean USING hnsw AS
	OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >;
COMMENT ON OPERATOR CLASS bool_ops USING hnsw IS 'filter by boolean';

CREATE OPERATOR CLASS int2_ops
	DEFAULT FOR TYPE smallint USING hnsw AS
	OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >,
	OPERATOR 1 < (smallint, integer), OPERATOR 2 <= (smallint, integer), OPERATOR 3 = (smallint, integer),
	OPERATOR 4 >= (smallint, integer), OPERATOR 5 > (smallint, integer),
	OPERATOR 1 < (smallint, bigint), OPERATOR 2 <= (smallint, bigint), OPERATOR 3 = (smallint, bigint),
	OPERATOR 4 >= (smallint, bigint), OPERATOR 5 > (smallint, bigint);
COMMENT ON OPERATOR CLASS int2_ops USING hnsw IS 'filter by smallint';

CREATE OPERATOR CLASS int4_ops
	DEFAULT FOR TYPE integer USING hnsw AS
	OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >,
	OPERATOR 1 < (integer, smallint), OPERATOR 2 <= (integer, smallint), OPERATOR 3 = (integer, smallint),
	OPERATOR 4 >= (integer, smallint), OPERATOR 5 > (integer, smallint),
	OPERATOR 1 < (integer, bigint), OPERATOR 2 <= (integer, bigint), OPERATOR 3 = (integer, bigint),
	OPERATOR 4 >= (integer, bigint), OPERATOR 5 > (integer, bigint);
COMMENT ON OPERATOR CLASS int4_ops USING hnsw IS 'filter by integer';

CREATE OPERATOR CLASS int8_ops
	DEFAULT FOR TYPE bigint USING hnsw AS
	OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >,
	OPERATOR 1 < (bigint, smallint), OPERATOR 2 <= (bigint, smallint), OPERATOR 3 = (bigint, smallint),
	OPERATOR 4 >= (bigint, smallint), OPERATOR 5 > (bigint, smallint),
	OPERATOR 1 < (bigint, integer), OPERATOR 2 <= (bigint, integer), OPERATOR 3 = (bigint, integer),
	OPERATOR 4 >= (bigint, integer), OPERATOR 5 > (bigint, integer);
COMMENT ON OPERATOR CLASS int8_ops USING hnsw IS 'filter by bigint';

CREATE OPERATOR CLASS float4_ops
	DEFAULT FOR TYPE real USING hnsw AS
	OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >,
	OPERATOR 1 < (real, double precision), OPERATOR 2 <= (real, double precision), OPERATOR 3 = (real, double precision),
	OPERATOR 4 >= (real, double precision), OPERATOR 5 > (real, double precision);
COMMENT ON OPERATOR CLASS float4_ops USING hnsw IS 'filter by real';

CREATE OPERATOR CLASS float8_ops
	DEFAULT FOR TYPE double precision USING hnsw AS
	OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >,
	OPERATOR 1 < (double precision, real), OPERATOR 2 <= (double precision, real), OPERATOR 3 = (double precision, real),
	OPERATOR 4 >= (double precision, real), OPERATOR 5 > (double precision, real);
COMMENT ON OPERATOR CLASS float8_ops USING hnsw IS 'filter by double precision';

CREATE OPERATOR CLASS date_ops
	DEFAULT FOR TYPE date USING hnsw AS
	OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >,
	OPERATOR 1 < (date, timestamp), OPERATOR 2 <= (date, timestamp), OPERATOR 3 = (date, timestamp),
	OPERATOR 4 >= (date, timestamp), OPERATOR 5 > (date, timestamp),
	OPERATOR 1 < (date, timestamptz), OPERATOR 2 <= (date, timestamptz), OPERATOR 3 = (date, timestamptz),
	OPERATOR 4 >= (date, timestamptz), OPERATOR 5 > (date, timestamptz);
COMMENT ON OPERATOR CLASS date_ops USING hnsw IS 'filter by date';

CREATE OPERATOR CLASS time_ops
	DEFAULT FOR TYPE time USING hnsw AS
	OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >;
COMMENT ON OPERATOR CLASS time_ops USING hnsw IS 'filter by time';

CREATE OPERATOR CLASS timestamp_ops
	DEFAULT FOR TYPE timestamp USING hnsw AS
	OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >,
	OPERATOR 1 < (timestamp, date), OPERATOR 2 <= (timestamp, date), OPERATOR 3 = (timestamp, date),
	OPERATOR 4 >= (timestamp, date), OPERATOR 5 > (timestamp, date),
	OPERATOR 1 < (timestamp, timestamptz), OPERATOR 2 <= (timestamp, timestamptz), OPERATOR 3 = (timestamp, timestamptz),
	OPERATOR 4 >= (timestamp, timestamptz), OPERATOR 5 > (timestamp, timestamptz);
COMMENT ON OPERATOR CLASS timestamp_ops USING hnsw IS 'filter by timestamp';

CREATE OPERATOR CLASS timestamptz_ops
	DEFAULT FOR TYPE timestamptz USING hnsw AS
	OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >,
	OPERATOR 1 < (timestamptz, date), OPERATOR 2 <= (timestamptz, date), OPERATOR 3 = (timestamptz, date),
	OPERATOR 4 >= (timestamptz, date), OPERATOR 5 > (timestamptz, date),
	OPERATOR 1 < (timestamptz, timestamp), OPERATOR 2 <= (timestamptz, timestamp), OPERATOR 3 = (timestamptz, timestamp),
	OPERATOR 4 >= (timestamptz, timestamp), OPERATOR 5 > (timestamptz, timestamp);
COMMENT ON OPERATOR CLASS timestamptz_ops USING hnsw IS 'filter by timestamptz';

CREATE OPERATOR CLASS uuid_ops
	DEFAULT FOR TYPE uuid USING hnsw AS
	OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >;
COMMENT ON OPERATOR CLASS uuid_ops USING hnsw IS 'filter by uuid';

CREATE OPERATOR CLASS text_ops
	DEFAULT FOR TYPE text USING hnsw AS
	OPERATOR 3 =;
COMMENT ON OPERATOR CLASS text_ops USING hnsw IS 'filter by equal text';

CREATE OPERATOR CLASS bpchar_ops
	DEFAULT FOR TYPE character USING hnsw AS
	OPERATOR 3 =;
COMMENT ON OPERATOR CLASS bpchar_ops USING hnsw IS 'filter by equal character strings';

CREATE OPERATOR CLASS enum_ops
	DEFAULT FOR TYPE anyenum USING hnsw AS
	OPERATOR 3 =;
COMMENT ON OPERATOR CLASS enum_ops USING hnsw IS 'filter by equal enum values';

-- ---------------------------------------------------------------------------------------------- functions on indexes

-- They check the caller's rights on the table themselves.
CREATE FUNCTION annex_verify(index regclass, heapallindexed boolean DEFAULT false) RETURNS void
	AS 'MODULE_PATHNAME', 'annex_verify' LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION annex_verify(regclass, boolean) IS 'checks every page of an index, and on demand that it holds every row of its table';

CREATE FUNCTION annex_maintain(
	index regclass,
	force boolean DEFAULT false,
	OUT lists_replaced integer,
	OUT lists_made integer,
	OUT pages_freed bigint,
	OUT nodes_linked bigint)
	AS 'MODULE_PATHNAME', 'annex_maintain' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION annex_maintain(regclass, boolean) IS 'replaces the lists of an ivf index if they no longer suit its rows, or by force; repairs the graph of an hnsw index';

CREATE FUNCTION annex_index_info(
	index regclass,
	OUT access_method text,
	OUT metric text,
	OUT dimensions integer,
	OUT padded_dimensions integer,
	OUT lists integer,
	OUT spill boolean,
	OUT height integer,
	OUT build_rows double precision,
	OUT rows bigint,
	OUT first_rows bigint,
	OUT nan_rows bigint,
	OUT null_rows bigint,
	OUT entries bigint,
	OUT stale_entries bigint,
	OUT dead_entries bigint,
	OUT free_row_slots bigint,
	OUT list_size_min bigint,
	OUT list_size_avg double precision,
	OUT list_size_max bigint,
	OUT imbalance double precision,
	OUT meta_pages bigint,
	OUT mean_pages bigint,
	OUT descriptor_pages bigint,
	OUT list_pages bigint,
	OUT row_pages bigint,
	OUT side_pages bigint,
	OUT other_pages bigint,
	OUT bytes bigint,
	OUT bytes_per_row double precision,
	OUT free_pages bigint,
	OUT list_option integer,
	OUT recommended_lists integer,
	OUT generation bigint,
	OUT being_replaced boolean,
	OUT listed_rows double precision,
	OUT drift double precision,
	OUT maintenance_due boolean,
	OUT calibrated_rows double precision,
	OUT probes double precision,
	OUT epsilon double precision,
	OUT calibration jsonb,
	OUT m integer,
	OUT ef_construction integer,
	OUT nodes bigint,
	OUT dead_nodes bigint,
	OUT edges_avg double precision,
	OUT edges_most_avg double precision,
	OUT entry_nodes bigint,
	OUT node_pages bigint,
	OUT entry_pages bigint,
	OUT ef double precision
) RETURNS record
	AS 'MODULE_PATHNAME', 'annex_index_info' LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION annex_index_info(regclass) IS 'what an index consists of';

CREATE FUNCTION annex_recall(
	index regclass,
	k integer DEFAULT 10,
	queries integer DEFAULT 100,
	query_table regclass DEFAULT NULL,
	query_column name DEFAULT NULL,
	OUT recall double precision,
	OUT recall_min double precision,
	OUT recall_p05 double precision,
	OUT perfect double precision,
	OUT measured bigint,
	OUT rows bigint,
	OUT probes double precision,
	OUT epsilon double precision,
	OUT query_ms double precision,
	OUT exact_ms double precision,
	OUT ef double precision
) RETURNS record
	AS 'MODULE_PATHNAME', 'annex_recall' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION annex_recall(regclass, integer, integer, regclass, name) IS 'measures the share of the true nearest rows that an index finds with the current settings';

-- ---------------------------------------------------------------------------------------------- what scans have done

CREATE FUNCTION annex_stat_get(
	index oid,
	OUT scans bigint,
	OUT set_scans bigint,
	OUT column_scans bigint,
	OUT exact_scans bigint,
	OUT rounds bigint,
	OUT lists_probed bigint,
	OUT vectors_scanned bigint,
	OUT vectors_passed bigint,
	OUT vectors_skipped bigint,
	OUT vectors_refined bigint,
	OUT rows_returned bigint,
	OUT shared boolean,
	OUT stats_reset timestamptz
) RETURNS record
	AS 'MODULE_PATHNAME', 'annex_stat_get' LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION annex_stat_get(oid) IS 'counters of the scans of an index; see annex_stat_indexes';

CREATE VIEW annex_stat_indexes AS
	SELECT i.indrelid AS relid, i.indexrelid, n.nspname AS schemaname, t.relname, x.relname AS indexrelname, s.*
	FROM pg_catalog.pg_index i
		JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
		JOIN pg_catalog.pg_class t ON t.oid = i.indrelid
		JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
		JOIN pg_catalog.pg_am a ON a.oid = x.relam
		JOIN pg_catalog.pg_proc h ON h.oid = a.amhandler
		CROSS JOIN LATERAL annex_stat_get(i.indexrelid) s
	WHERE h.probin = 'MODULE_PATHNAME' AND x.relkind = 'i';
COMMENT ON VIEW annex_stat_indexes IS 'what the scans of each vector index have done';
GRANT SELECT ON annex_stat_indexes TO PUBLIC;

CREATE FUNCTION annex_stat_reset(index regclass DEFAULT NULL) RETURNS void
	AS 'MODULE_PATHNAME', 'annex_stat_reset' LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION annex_stat_reset(regclass) IS 'sets the counters of annex_stat_indexes to zero, of one index or of all of the database';
REVOKE EXECUTE ON FUNCTION annex_stat_reset(regclass) FROM PUBLIC;

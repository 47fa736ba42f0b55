-- The extension in a schema of its own choice, and moved to another.

SELECT current_database() AS main_database \gset
CREATE DATABASE regression_annex_schema;
\c regression_annex_schema
CREATE SCHEMA regress_annex;
CREATE SCHEMA regress_annex_other;
CREATE EXTENSION annex SCHEMA regress_annex;
-- nothing is found by accident
SELECT '[1]'::vector;
SELECT count(*) AS elsewhere FROM pg_proc p JOIN pg_depend d ON d.objid = p.oid AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
	JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'annex'
	WHERE pronamespace <> 'regress_annex'::regnamespace;

CREATE TABLE public.t (v regress_annex.vector(2));
INSERT INTO t VALUES ('[0,0]'), ('[3,4]'), (NULL);
SELECT v, v OPERATOR(regress_annex.<->) '[3,4]' AS distance FROM t ORDER BY v USING OPERATOR(regress_annex.<);
SELECT regress_annex.avg(v), regress_annex.sum(v), regress_annex.avg(v) OPERATOR(regress_annex.+) '[1,1]' FROM t;
SELECT ARRAY[1,2]::regress_annex.vector(2);

ALTER EXTENSION annex SET SCHEMA regress_annex_other;
SELECT v, v OPERATOR(regress_annex_other.<->) '[3,4]' AS distance FROM t ORDER BY v;
SELECT regress_annex_other.avg(v) FROM t;
SELECT count(*) AS left_behind FROM pg_proc WHERE pronamespace = 'regress_annex'::regnamespace;
\d t

-- what is used holds it; what is not goes without a trace
DROP EXTENSION annex;
DROP TABLE t;
DROP EXTENSION annex;
SELECT count(*) AS left_behind FROM pg_proc WHERE pronamespace = 'regress_annex_other'::regnamespace;
DROP SCHEMA regress_annex, regress_annex_other;

CREATE EXTENSION annex;

-- every object has a description
SELECT pg_describe_object(d.classid, d.objid, 0) FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'annex'
	WHERE d.deptype = 'e' AND d.classid IN ('pg_proc'::regclass, 'pg_operator'::regclass, 'pg_type'::regclass, 'pg_opclass'::regclass)
	AND obj_description(d.objid, d.classid::regclass::name) IS NULL
	AND NOT (d.classid = 'pg_type'::regclass AND d.objid IN (SELECT typarray FROM pg_type UNION SELECT reltype FROM pg_class))
	ORDER BY 1;

\c :main_database
DROP DATABASE regression_annex_schema;

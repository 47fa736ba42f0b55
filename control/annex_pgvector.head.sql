-- annex_pgvector: what CREATE EXTENSION annex_pgvector runs. Made by scripts/extension-script.sh from this file and the
-- sections of annex's script that have nothing to do with types.
--
-- Types and operators are those of the extension vector, in the schema where it lies; all else is made in the schema of
-- this extension, which comes first on the search path while this runs.

\echo Use "CREATE EXTENSION annex_pgvector" to load this file. \quit

DO $annex$
BEGIN
	IF EXISTS (SELECT FROM pg_catalog.pg_extension e WHERE e.extname = 'annex') THEN
		RAISE EXCEPTION USING ERRCODE = 'duplicate_object',
			MESSAGE = 'extension "annex_pgvector" cannot be created where extension "annex" is',
			DETAIL = 'The access method ivf, which both of them make, is there already.';
	END IF;
	IF EXISTS (SELECT FROM pg_catalog.pg_extension e
			JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.refobjid = e.oid
				AND d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass
			JOIN pg_catalog.pg_proc p ON p.oid = d.objid
			WHERE e.extname = 'vector' AND p.probin = 'MODULE_PATHNAME') THEN
		RAISE EXCEPTION USING ERRCODE = 'duplicate_object',
			MESSAGE = 'extension "annex_pgvector" is of no use here',
			DETAIL = 'The extension "vector" of this database is annex''s own and has the access method ivf.';
	END IF;
	IF NOT EXISTS (SELECT FROM pg_catalog.pg_extension e
			JOIN pg_catalog.pg_type t ON t.typnamespace = e.extnamespace WHERE e.extname = 'vector' AND t.typname = 'sparsevec') THEN
		RAISE EXCEPTION USING ERRCODE = 'feature_not_supported',
			MESSAGE = 'extension "annex_pgvector" needs pgvector 0.7.0 or later',
			HINT = 'Install it, then ALTER EXTENSION vector UPDATE.';
	END IF;
END $annex$;


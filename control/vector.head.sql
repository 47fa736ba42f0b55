-- vector: what CREATE EXTENSION vector runs where annex takes the place of pgvector (make install-vector-shim). Made by
-- scripts/extension-script.sh from this file and annex's script; the objects are the same.

\echo Use "CREATE EXTENSION vector" to load this file. \quit

DO $annex$
BEGIN
	IF EXISTS (SELECT FROM pg_catalog.pg_extension e WHERE e.extname = 'annex') THEN
		RAISE EXCEPTION USING ERRCODE = 'duplicate_object',
			MESSAGE = 'extension "vector" cannot be created where extension "annex" is',
			DETAIL = 'They make the same objects, so that there is nothing to add.';
	END IF;
END $annex$;


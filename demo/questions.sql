-- Questions in natural language, with ordinary WHERE clauses. The embedding of a question comes from a table here; an
-- application sends the vector that its model returned.
\set QUIET on
\set ECHO queries
\pset footer off
\pset null ''

\echo '--- No condition: the five nearest.\n'
SELECT name, section, left(summary, 55) AS summary
FROM packages
ORDER BY embedding <=> (SELECT embedding FROM questions WHERE question = 'recover deleted photos from a damaged disk')
LIMIT 5;

\echo '--- Only in one section, and small.\n'
SELECT name, installed_kb, left(summary, 55) AS summary
FROM packages
WHERE section = 'sound' AND installed_kb < 2000
ORDER BY embedding <=> (SELECT embedding FROM questions WHERE question = 'edit audio recordings')
LIMIT 5;

\echo '--- For the terminal: by Debian''s tags.\n'
SELECT name, section, left(summary, 55) AS summary
FROM packages
WHERE tags @> '{interface::text-mode}'
ORDER BY embedding <=> (SELECT embedding FROM questions WHERE question = 'capture and analyse network packets')
LIMIT 5;

\echo '--- Few dependencies, any architecture.\n'
SELECT name, depends, left(summary, 55) AS summary
FROM packages
WHERE depends <= 3 AND architecture_all
ORDER BY embedding <=> (SELECT embedding FROM questions WHERE question = 'teach mathematics to primary school pupils')
LIMIT 5;

\echo '--- Joined, grouped, whatever SQL can do: the best game for each of three questions.\n'
SELECT question, name, left(summary, 55) AS summary
FROM questions AS q
CROSS JOIN LATERAL (
    SELECT name, summary FROM packages
    WHERE section = 'games' AND tags @> '{interface::x11}'
    ORDER BY embedding <=> q.embedding
    LIMIT 1) AS best
WHERE question IN ('play chess against the computer', 'flight simulator', 'puzzle game for children');

\echo '--- How PostgreSQL ran the second one.\n'
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF)
SELECT name, installed_kb, left(summary, 55) AS summary
FROM packages
WHERE section = 'sound' AND installed_kb < 2000
ORDER BY embedding <=> (SELECT embedding FROM questions WHERE question = 'edit audio recordings')
LIMIT 5;

# annex_pgvector: ivf and annex_hnsw indexes on pgvector's own types, in databases that keep pgvector. Needs pgvector.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "autovacuum = off\n");
$node->start;

# Whether a statement fails with this.
sub refused
{
	my ($database, $statement, $error, $name) = @_;
	my ($status, undef, $stderr) = $node->psql($database, $statement);
	isnt($status, 0, "$name: refused");
	return like($stderr, $error, $name);
}

if ($node->safe_psql('postgres', "SELECT count(*) FROM pg_available_extensions WHERE name = 'vector'") eq '0')
{
	refused('postgres', 'CREATE EXTENSION annex_pgvector', qr/required extension "vector" is not installed/,
		'annex_pgvector without vector');
	note('pgvector is not installed here: all else is left out');
	done_testing();
	exit;
}
$node->safe_psql('postgres', 'CREATE EXTENSION vector');
if ($node->safe_psql('postgres', "SELECT DISTINCT probin FROM pg_proc WHERE proname = 'vector_in'") eq '$libdir/annex')
{
	plan skip_all => 'the extension vector here is annex by another name';
}
note('pgvector ' . $node->safe_psql('postgres', "SELECT extversion FROM pg_extension WHERE extname = 'vector'"));

# ---- One of them in a database

refused('postgres', 'CREATE EXTENSION annex', qr/cannot be created where extension "vector" is.*HINT: .*annex_pgvector/s,
	'annex where pgvector is');
$node->safe_psql('postgres', 'CREATE DATABASE ours');
$node->safe_psql('ours', 'CREATE EXTENSION annex');
refused('ours', 'CREATE EXTENSION vector', qr/type "vector" already exists/, 'pgvector where annex is');
$node->safe_psql('ours', 'CREATE SCHEMA other');
refused('ours', 'CREATE EXTENSION vector SCHEMA other', qr/access method "ivfflat" already exists/, 'in another schema, too');
refused('ours', 'CREATE EXTENSION annex_pgvector', qr/required extension "vector" is not installed/,
	'annex_pgvector where annex is');

# ---- The settings of ivfflat, which both libraries define

$node->safe_psql(
	'ours', q{CREATE TABLE flat (id int, v vector(2));
	INSERT INTO flat SELECT i, ARRAY[(i % 10) * 100 + i % 7, i % 5]::vector FROM generate_series(1, 1000) i;
	CREATE INDEX ON flat USING ivfflat (v) WITH (lists = 10)});
my $all_of_flat = q{SET enable_seqscan = off; SELECT count(*) FROM (SELECT id FROM flat ORDER BY v <-> '[103,2]') s};
my $alone = $node->safe_psql('ours', "SET ivfflat.probes = 3; $all_of_flat");
cmp_ok($alone, '<', 1000, 'three lists are not all');
is($node->safe_psql('ours', "LOAD 'vector'; SET ivfflat.probes = 3; $all_of_flat"), $alone, 'pgvector\'s settings serve annex');
is($node->safe_psql('ours', "LOAD 'vector'; SET ivfflat.iterative_scan = relaxed_order; $all_of_flat"),
	'1000', 'each of them') if $node->safe_psql('ours', "LOAD 'vector'; SELECT current_setting('ivfflat.iterative_scan', true) IS NOT NULL") eq 't';
is($node->safe_psql('ours', "SET ivfflat.probes = 3; LOAD 'vector'; $all_of_flat"), $alone, 'with a value from before');
refused('ours', "SELECT count(*) FROM flat; $all_of_flat; LOAD 'vector'", qr/attempt to redefine parameter "(ivfflat.probes|hnsw.ef_search)"/,
	'pgvector\'s library after the handler of annex');
# The session is none the worse for it.
my (undef, $after) = $node->psql('ours', "SET ivfflat.probes = 1; $all_of_flat;\nLOAD 'vector';\nLOAD 'vector';
	SET ivfflat.probes = 3; $all_of_flat; SHOW ivfflat.probes", on_error_stop => 0);
like($after, qr/\b$alone\n3$/, 'which goes on with its own settings');

# ---- Schemas: whatever is named alike in the schemas that come first on the search path

$node->safe_psql('postgres', 'CREATE DATABASE schemas');
$node->safe_psql(
	'schemas', q{
	CREATE SCHEMA "Types"; CREATE SCHEMA tools; CREATE SCHEMA moved;
	CREATE EXTENSION vector SCHEMA "Types";
	CREATE TYPE tools.vector AS (x int);
	CREATE FUNCTION tools.trap(tools.vector, tools.vector) RETURNS float8 LANGUAGE sql IMMUTABLE AS 'SELECT 0::float8';
	CREATE FUNCTION tools.trap("Types".vector, "Types".vector) RETURNS float8 LANGUAGE sql IMMUTABLE AS 'SELECT 0::float8';
	CREATE OPERATOR tools.<-> (LEFTARG = tools.vector, RIGHTARG = tools.vector, FUNCTION = tools.trap);
	CREATE OPERATOR tools.<=> (LEFTARG = "Types".vector, RIGHTARG = "Types".vector, FUNCTION = tools.trap);
	CREATE EXTENSION annex_pgvector SCHEMA tools;
});
my $foreign = q{
	SELECT o.oid::regoperator FROM pg_amop p JOIN pg_am a ON a.oid = p.amopmethod JOIN pg_operator o ON o.oid = p.amopopr
		WHERE a.amname = 'ivf' AND p.amoppurpose = 'o' AND NOT EXISTS (SELECT FROM pg_depend d
			JOIN pg_extension e ON e.oid = d.refobjid WHERE d.objid = o.oid AND d.deptype = 'e' AND e.extname = 'vector')
	UNION ALL
	SELECT opcintype FROM pg_opclass c JOIN pg_am a ON a.oid = c.opcmethod JOIN pg_type t ON t.oid = c.opcintype
		WHERE a.amname = 'ivf' AND t.typnamespace NOT IN ('"Types"'::regnamespace, 'pg_catalog'::regnamespace)};
is($node->safe_psql('schemas', $foreign), '', 'operator classes are made of what is pgvector\'s alone');
is($node->safe_psql('schemas', q{SELECT count(*) > 0 FROM pg_opclass c JOIN pg_am a ON a.oid = c.opcmethod
	WHERE a.amname = 'ivf' AND opcintype = '"Types".vector'::regtype}), 't', 'and there are some');
$node->safe_psql(
	'schemas', q{
	CREATE TABLE t (id int, v "Types".vector(3));
	INSERT INTO t SELECT i, ARRAY[i, i % 7, i % 11]::real[]::"Types".vector FROM generate_series(1, 500) i;
	ALTER EXTENSION annex_pgvector SET SCHEMA moved;
	CREATE INDEX ON t USING ivf (v moved.vector_l2_ops);
});
is( $node->safe_psql(
		'schemas', q{
	SET enable_seqscan = off; SET enable_sort = off;
	SELECT id FROM t ORDER BY v OPERATOR("Types".<->) '[250,5,8]' LIMIT 1}),
	'250', 'an index in schemas that are on no search path');
refused('schemas', 'DROP EXTENSION vector', qr/other objects depend on it/, 'pgvector stays while annex_pgvector is there');
refused('schemas', 'DROP EXTENSION annex_pgvector', qr/other objects depend on it/, 'annex_pgvector stays while an index is there');
$node->safe_psql('schemas', 'DROP EXTENSION annex_pgvector CASCADE');
is($node->safe_psql('schemas', 'SELECT count(*) FROM t'), '500', 'the table does not go with it');

is( $node->safe_psql(
		'postgres', q{
	CREATE DATABASE cascade;
	\c cascade
	SET client_min_messages = error;
	CREATE EXTENSION annex_pgvector CASCADE;
	SELECT count(*) FROM pg_extension WHERE extname IN ('vector', 'annex_pgvector')}),
	'2', 'CASCADE brings pgvector too');

# ---- Both libraries in one session, whichever comes first

my $both = q{
	LOAD '%s'; LOAD '%s';
	SET ivf.probes = 7; SET annex.target_recall = 0.9; SET hnsw.ef_search = 77; SET ivfflat.probes = 3;
	SELECT current_setting('ivf.probes'), current_setting('hnsw.ef_search'), current_setting('ivfflat.probes'),
		'[1,2]'::vector <-> '[4,6]' AS distance;
};
for my $order ([ 'vector', 'annex' ], [ 'annex', 'vector' ])
{
	my ($status, $out, $err) = $node->psql('postgres', sprintf($both, @$order));
	is("$status $out $err", '0 7|77|3|5 ', "$order->[0], then $order->[1]");
}

# ---- Answers: the executor computes distances with pgvector's operators, and the bounds are ours. Vectors of all
# magnitudes, far from the origin, equal to one another and to the query.

$node->safe_psql(
	'postgres', q{
	CREATE EXTENSION annex_pgvector;
	CREATE FUNCTION point(i int, dimensions int) RETURNS vector LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
		SELECT array_agg((sin(i * 12.9898 + j * 78.233 + i * j * 0.37) * CASE i % 5 WHEN 0 THEN 1e-3 WHEN 1 THEN 1e3 ELSE 1 END
			+ CASE WHEN i % 7 = 0 THEN 500 ELSE 0 END)::real)::vector FROM generate_series(1, dimensions) j
	$$;
	-- all rows in the order of their distance, by the index and by sorting
	CREATE FUNCTION compare(tab regclass, operator text, query vector, type text) RETURNS text LANGUAGE plpgsql
	SET ivf.probes = 32768 SET ivf.epsilon = 10 SET annex.rerank = 1000000 AS $$
	DECLARE
		statement text := format('SELECT id, v %s %L::vector::%s AS distance FROM %s ORDER BY v %s %L::vector::%s', operator, query, type, tab,
			operator, query, type);
		line text;
		plan text := '';
		by_index float8[];
		ids int[];
		sorted float8[];
	BEGIN
		SET LOCAL enable_seqscan = off;
		SET LOCAL enable_sort = off;
		FOR line IN EXECUTE 'EXPLAIN ' || statement LOOP
			plan := plan || line;
		END LOOP;
		IF plan !~ 'Index Scan using' THEN RETURN plan; END IF;
		EXECUTE format('SELECT array_agg(id), array_agg(distance) FROM (%s) s', statement) INTO ids, by_index;
		SET LOCAL enable_seqscan = on;
		SET LOCAL enable_sort = on;
		SET LOCAL enable_indexscan = off;
		EXECUTE format('SELECT array_agg(distance) FROM (%s) s', statement) INTO sorted;
		IF by_index IS DISTINCT FROM sorted THEN RETURN 'another order'; END IF;
		IF cardinality(ARRAY(SELECT DISTINCT unnest(ids))) <> cardinality(sorted) THEN RETURN 'other rows'; END IF;
		RETURN 'same';
	END $$;
});

for my $type (qw(vector halfvec sparsevec))
{
	# of more than 1,024 an index on sparsevec has images
	for my $dimensions (1, 3, 65, 384, $type eq 'sparsevec' ? 1500 : 1000)
	{
		my $rows = $dimensions > 300 ? 300 : 900;
		$node->safe_psql(
			'postgres', qq{
			DROP TABLE IF EXISTS t;
			CREATE TABLE t (id int, v $type($dimensions));
			INSERT INTO t SELECT i, point(i, $dimensions) FROM generate_series(1, $rows) i;
			INSERT INTO t SELECT i + $rows, point(i, $dimensions) FROM generate_series(1, $rows / 10) i;
			INSERT INTO t VALUES (0, array_fill(0, ARRAY[$dimensions])::vector), (-1, NULL);
		});
		for my $class (qw(l2 ip cosine))
		{
			my $operator = { l2 => '<->', ip => '<#>', cosine => '<=>' }->{$class};
			my $name = "$type($dimensions) $operator";
			$node->safe_psql('postgres', "CREATE INDEX i ON t USING ivf (v ${type}_${class}_ops) WITH (lists = 10)");
			is( $node->safe_psql(
					'postgres', qq{
				SELECT DISTINCT compare('t', '$operator', point(i, $dimensions), '$type') FROM generate_series(1, 15) i}),
				'same', "$name: the order is that of pgvector's distances");
			$node->safe_psql('postgres', "INSERT INTO t SELECT 100000 + i, point(1000 + i, $dimensions) FROM generate_series(1, 50) i");
			is($node->safe_psql('postgres', "SELECT compare('t', '$operator', point(1007, $dimensions), '$type')"),
				'same', "$name: also of rows inserted");
			$node->safe_psql('postgres', 'DELETE FROM t WHERE id > 100000; VACUUM t');
			is($node->safe_psql('postgres', "SELECT annex_verify('i', true)"), '', "$name: the index is sound");
			$node->safe_psql('postgres', 'DROP INDEX i');
		}
	}
}

# ---- Filters, beside pgvector's own indexes on the same column

$node->safe_psql(
	'postgres', q{
	CREATE TABLE docs (id int PRIMARY KEY, tenant int, published date, embedding vector(64));
	INSERT INTO docs SELECT i, i % 50, date '2026-01-01' + i % 100, point(i, 64) FROM generate_series(1, 6000) i;
	CREATE INDEX docs_hnsw ON docs USING hnsw (embedding vector_l2_ops);
	CREATE INDEX docs_ivfflat ON docs USING ivfflat (embedding vector_cosine_ops) WITH (lists = 20);
	CREATE INDEX docs_tenant ON docs (tenant);
	CREATE INDEX docs_ivf ON docs USING ivf (embedding vector_cosine_ops, published);
	VACUUM ANALYZE docs;
});
my $nearest = q{SELECT id FROM docs WHERE %s ORDER BY embedding <=> point(70001, 64) LIMIT 10};
for my $condition ('tenant = 7', q{published >= '2026-03-01'}, q{tenant IN (1, 2, 3) AND published < '2026-02-01'}, 'id % 3 = 0')
{
	my $query = sprintf($nearest, $condition);
	my $plan = $node->safe_psql('postgres', "DROP INDEX IF EXISTS docs_ivfflat; SET enable_seqscan = off; SET enable_sort = off; EXPLAIN $query");
	like($plan, qr/docs_ivf\b/, "$condition: by the index");
	my $exact = $node->safe_psql('postgres', "SET enable_indexscan = off; SET enable_bitmapscan = off; $query");
	is($node->safe_psql('postgres', "SET ivf.probes = 32768; SET ivf.epsilon = 10; SET enable_seqscan = off; SET enable_sort = off; $query"),
		$exact, "$condition: the nearest rows that match");
}
like($node->safe_psql('postgres', "EXPLAIN SELECT id FROM docs WHERE tenant = 7 ORDER BY embedding <=> '" . '[1' . ',0' x 63 . "]' LIMIT 10"),
	qr/FilteredScan|Custom Scan/, 'the planner knows the filtered scan for pgvector\'s type');
like($node->safe_psql('postgres', 'SET enable_seqscan = off; SET enable_sort = off; EXPLAIN SELECT id FROM docs ORDER BY embedding <-> point(1, 64) LIMIT 5'),
	qr/docs_hnsw/, 'pgvector\'s own indexes stay in use');

is($node->safe_psql('postgres', q{SELECT access_method, metric, dimensions, rows FROM annex_index_info('docs_ivf')}),
	'ivf|cosine|64|6000', 'annex_index_info');
is($node->safe_psql('postgres', q{SELECT recall > 0.8 AND measured = 50 FROM annex_recall('docs_ivf', 10, 50)}), 't', 'annex_recall');
is($node->safe_psql('postgres', q{SET ivf.probes = 3; SET enable_seqscan = off; SET enable_sort = off;
	SELECT count(*) FROM (SELECT FROM docs ORDER BY embedding <=> point(1, 64) LIMIT 3) s;
	SELECT scans > 0 FROM annex_stat_indexes WHERE indexrelname = 'docs_ivf'}), "3\nt", 'annex_stat_indexes');
refused('postgres', q{SELECT annex_verify('docs_hnsw')}, qr/docs_hnsw.*not an ivf or hnsw index.*"hnsw" is another extension's/s, 'annex_verify of an index of pgvector\'s');

# ---- Graphs: pgvector's hnsw and annex_hnsw on one column, each in its turn

$node->safe_psql(
	'postgres', q{
	DROP INDEX docs_ivf;
	CREATE INDEX docs_graph ON docs USING annex_hnsw (embedding vector_l2_ops) WITH (m = 8, ef_construction = 32);
	-- how many of 200 nearest rows an index finds
	CREATE FUNCTION hits(index text, condition text) RETURNS text LANGUAGE plpgsql AS $$
	DECLARE
		statement text := format('SELECT array_agg(id) FROM (SELECT id FROM docs WHERE %s ORDER BY embedding <-> $1 LIMIT 10) s', condition);
		line text;
		plan text := '';
		found int[];
		nearest int[];
		hits int := 0;
	BEGIN
		FOR i IN 1..20 LOOP
			SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off; SET LOCAL enable_indexscan = on; SET LOCAL enable_bitmapscan = off;
			IF i = 1 THEN
				FOR line IN EXECUTE 'EXPLAIN ' || replace(statement, '$1', quote_literal(point(80000 + i, 64))) LOOP plan := plan || line; END LOOP;
				IF plan !~ index THEN RETURN plan; END IF;
			END IF;
			EXECUTE statement INTO found USING point(80000 + i, 64);
			SET LOCAL enable_seqscan = on; SET LOCAL enable_sort = on; SET LOCAL enable_indexscan = off;
			EXECUTE statement INTO nearest USING point(80000 + i, 64);
			hits := hits + (SELECT count(*) FROM (SELECT unnest(found) INTERSECT SELECT unnest(nearest)) s);
		END LOOP;
		RETURN hits;
	END $$;
});
# an index that a transaction drops and takes back is there for the others
my $graph = sub {
	my ($index, $other, $condition) = @_;
	return $node->safe_psql('postgres', "BEGIN; DROP INDEX $other; SELECT hits('$index', '$condition'); ROLLBACK");
};
for my $when ('', ' after changes')
{
	cmp_ok($graph->(qw(docs_hnsw docs_graph true)), '>', 100, "pgvector's graph answers$when");
	cmp_ok($graph->(qw(docs_graph docs_hnsw true)), '>=', 180, "and that of annex$when");
	cmp_ok($graph->('docs_graph', 'docs_hnsw', 'tenant = 7'), '>=', 180, "also under a condition$when");
	$node->safe_psql('postgres', 'INSERT INTO docs SELECT 6000 + i, i % 50, NULL, point(6000 + i, 64) FROM generate_series(1, 500) i') if $when eq '';
	$node->safe_psql('postgres', $_) for 'DELETE FROM docs WHERE id % 5 = 0', 'VACUUM docs';
}
is($node->safe_psql('postgres', q{SELECT annex_verify('docs_graph', true)}), '', 'which is sound');
is($node->safe_psql('postgres', q{SELECT access_method, metric, dimensions, rows FROM annex_index_info('docs_graph')}),
	'annex_hnsw|l2|64|5200', 'annex_index_info of a graph');
# pgvector's settings, which its library has defined, serve both
for my $method ([ 'docs_graph', 'docs_hnsw' ], [ 'docs_hnsw', 'docs_graph' ])
{
	my ($dropped, $left) = @$method;
	is( $node->safe_psql(
			'postgres', qq{
		SET enable_seqscan = off; SET enable_sort = off; SET hnsw.ef_search = 25;
		BEGIN;
		DROP INDEX $dropped;
		SELECT count(*) FROM (SELECT id FROM docs ORDER BY embedding <-> point(1, 64)) s;
		SET hnsw.iterative_scan = strict_order;
		SELECT count(*) > 1000 FROM (SELECT id FROM docs ORDER BY embedding <-> point(1, 64) LIMIT 2000) s;
		ROLLBACK}), "25\nt", "$left: hnsw.ef_search and hnsw.iterative_scan");
}
# A session that first opens the indexes, and then needs pgvector's library
is( $node->safe_psql(
		'postgres', q{SELECT tenant FROM docs WHERE id = 7; SELECT '[1,2]'::vector <-> '[4,6]'; SHOW hnsw.ef_search}),
	"7\n5\n40", 'the library of annex does not keep that of pgvector out');
# the classes of either method for each type
$node->safe_psql(
	'postgres', q{
	CREATE TABLE kinds (id int, v vector(4), h halfvec(4), b bit(4), s sparsevec(4));
	INSERT INTO kinds SELECT i, ARRAY[i, i % 7, 1, 1]::vector, ARRAY[i, i % 7, 1, 1]::vector::halfvec, (i % 16)::bit(4), ARRAY[i, i % 7, 1, 1]::vector::sparsevec FROM generate_series(1, 300) i});
for my $kind ([ 'v', 'vector', qw(l2 ip cosine l1) ], [ 'h', 'halfvec', qw(l2 ip cosine l1) ], [ 'b', 'bit', qw(hamming jaccard) ], [ 's', 'sparsevec', qw(l2 ip cosine l1) ])
{
	my ($column, $type, @classes) = @$kind;
	for my $class (map { "${type}_${_}_ops" } @classes)
	{
		$node->safe_psql('postgres', "CREATE INDEX ON kinds USING $_ ($column $class)") for qw(hnsw annex_hnsw);
	}
}
is( $node->safe_psql(
		'postgres', q{SELECT count(*), count(annex_verify(indexrelid, true)::text) FROM pg_index i JOIN pg_class c ON c.oid = indexrelid
	JOIN pg_am a ON a.oid = relam WHERE indrelid = 'kinds'::regclass AND amname = 'annex_hnsw'}),
	'14|14', 'graphs of each class that pgvector has for these types');
$node->safe_psql('postgres', 'CREATE INDEX docs_ivf ON docs USING ivf (embedding vector_cosine_ops, published)');

# ---- Dump and restore of such a database

my $dump = $node->basedir . '/beside.sql';
$node->command_ok([ 'pg_dump', '--no-sync', '-f', $dump, '-d', $node->connstr('postgres') ], 'a dump');
$node->safe_psql('postgres', 'CREATE DATABASE restored');
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $dump, '-d', $node->connstr('restored') ], 'restored');
is($node->safe_psql('restored', qq{SELECT annex_verify('$_', true)}), '', "with its index $_") for qw(docs_ivf docs_graph);

# ---- COPY BINARY, both ways

$node->safe_psql('ours', 'CREATE FUNCTION point(i int, dimensions int) RETURNS vector LANGUAGE sql AS $$
	SELECT array_agg(sin(i * 12.9898 + j * 78.233)::real)::vector FROM generate_series(1, dimensions) j $$');
my %values = (
	vector   => q{(SELECT array_agg(sin(i * 12.9898 + j * 78.233)::real)::vector FROM generate_series(1, 1 + i * 7) j)},
	bit      => q{('x' || md5(i::text))::bit(128)},
	halfvec  => q{(SELECT array_agg(sin(i * 12.9898 + j * 78.233)::real)::halfvec FROM generate_series(1, 1 + i * 7) j)},
	sparsevec => q{format('{%s:0.1,%s:-2.5}/1000000', i, i * 17 + 1)::sparsevec});
for my $type (sort keys %values)
{
	if ($node->safe_psql('ours', "SELECT to_regtype('$type') IS NULL") eq 't')
	{
		note("annex has no type $type yet");
		next;
	}
	my $column = $type eq 'bit' ? 'bit(128)' : $type;
	for my $way ([ 'postgres', 'ours' ], [ 'ours', 'postgres' ])
	{
		my ($from, $to) = @$way;
		my $file = $node->basedir . "/$type.$from";
		$node->safe_psql($from, "CREATE TABLE from_$type (i int, v $column);
			INSERT INTO from_$type SELECT i, $values{$type} FROM generate_series(1, 200) i; INSERT INTO from_$type VALUES (0, NULL);
			COPY from_$type TO '$file' (FORMAT binary)");
		$node->safe_psql($to, "CREATE TABLE to_$type (LIKE from_$type); COPY to_$type FROM '$file' (FORMAT binary)")
			if $node->safe_psql($to, "SELECT to_regclass('from_$type') IS NOT NULL") eq 't';
		$node->safe_psql($to, "CREATE TABLE to_$type (i int, v $column); COPY to_$type FROM '$file' (FORMAT binary)")
			if $node->safe_psql($to, "SELECT to_regclass('to_$type') IS NULL") eq 't';
		my $digest = "SELECT count(*), md5(string_agg(i || ' ' || v::text, ';' ORDER BY i)) FROM";
		is($node->safe_psql($to, "$digest to_$type"), $node->safe_psql($from, "$digest from_$type"),
			"$type: COPY BINARY from $from to $to");
	}
}

$node->stop;
done_testing();

# annex by the name of pgvector's extension: CREATE EXTENSION vector where `make install-vector-shim` was run. What a
# database made with pgvector holds is restored into it with its schema unchanged.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $install = $ENV{ANNEX_SHIM_INSTALL} or BAIL_OUT('ANNEX_SHIM_INSTALL is not set: see scripts/check.sh');
my $node = PostgreSQL::Test::Cluster->new('shim', install_path => $install);
$node->init;
$node->append_conf('postgresql.conf', "autovacuum = off\n");
$node->start;

sub refused
{
	my ($database, $statement, $error, $name) = @_;
	my ($status, undef, $stderr) = $node->psql($database, $statement);
	isnt($status, 0, "$name: refused");
	return like($stderr, $error, $name);
}

# ---- The same objects under either name

$node->safe_psql('postgres', "CREATE DATABASE $_") for qw(by_vector by_annex);
$node->safe_psql('by_vector', 'CREATE EXTENSION vector');
$node->safe_psql('by_annex', 'CREATE EXTENSION annex');
my $objects = q{
	SELECT pg_describe_object(d.classid, d.objid, 0) COLLATE "C", obj_description(d.objid, d.classid::regclass::name)
		FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
		WHERE d.deptype = 'e' AND e.extname IN ('vector', 'annex') ORDER BY 1};
my $by_vector = $node->safe_psql('by_vector', $objects);
is($by_vector, $node->safe_psql('by_annex', $objects), 'vector has the objects of annex');
like($by_vector, qr/function hamming_distance\(bit,bit\)/, 'and these are many');
is($node->safe_psql('by_vector', "SELECT DISTINCT probin FROM pg_proc WHERE proname IN ('vector_in', 'annex_verify')"),
	'$libdir/annex', 'in the library of annex');

refused('by_vector', 'CREATE EXTENSION annex', qr/cannot be created where extension "vector" is.*it has the same objects/s, 'annex beside it');
refused('by_annex', 'CREATE EXTENSION vector', qr/cannot be created where extension "annex" is/, 'it beside annex');
refused('by_vector', 'CREATE EXTENSION annex_pgvector', qr/is of no use here/, 'annex_pgvector on top of it');

$node->safe_psql('by_vector', q{DROP EXTENSION vector; CREATE SCHEMA extensions; CREATE EXTENSION vector VERSION '0.8.0' SCHEMA extensions});
is($node->safe_psql('by_vector', q{ALTER EXTENSION vector UPDATE; SELECT extversion >= '0.8.7', extnamespace::regnamespace FROM pg_extension
	WHERE extname = 'vector'}), 't|extensions', 'a version that a program may name, in a schema of its own, and the update');

# ---- A dump, as pg_dump writes it of a database with pgvector

my $schema = q{
	CREATE TABLE items (
		id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
		tenant int NOT NULL DEFAULT 1,
		embedding vector(3) NOT NULL,
		anything vector,
		history vector(2)[],
		code bit(3) GENERATED ALWAYS AS (binary_quantize(embedding)::bit(3)) STORED,
		CONSTRAINT near CHECK ((embedding <-> '[0,0,0]'::vector) < 100));
	CREATE VIEW nearest AS SELECT id, embedding <=> '[1,2,3]'::vector AS distance FROM items ORDER BY embedding <=> '[1,2,3]'::vector LIMIT 5;
	CREATE MATERIALIZED VIEW centre AS SELECT tenant, avg(embedding) AS mean, sum(embedding) AS total FROM items GROUP BY tenant;
	CREATE FUNCTION closest(query vector) RETURNS SETOF items LANGUAGE sql STABLE AS 'SELECT * FROM items ORDER BY embedding <-> query LIMIT 2';
	CREATE INDEX items_btree ON items USING btree (embedding);
	CREATE INDEX items_norm ON items (vector_norm(embedding), l2_distance(embedding, '[1,1,1]'::vector));
};
my $data = q{
	INSERT INTO items (tenant, embedding, anything, history)
		SELECT i % 3, ARRAY[i % 10, -i % 7, i / 10.0]::real[]::vector, array_fill(i, ARRAY[i])::vector, ARRAY['[1,2]', '[3,4.5]']::vector[]
		FROM generate_series(1, 200) i;
	INSERT INTO items (embedding) VALUES ('[1.1754944e-38,-3.4e1,-0]');
	REFRESH MATERIALIZED VIEW centre;
};
# access method, class or type that pgvector has, and an index on it
my @indexes = (
	[ 'ivfflat', 'vector', q{CREATE INDEX items_ivfflat ON items USING ivfflat (embedding vector_cosine_ops) WITH (lists = 5)} ],
	[ 'hnsw', 'vector', q{CREATE INDEX items_hnsw ON items USING hnsw (embedding vector_l2_ops) WITH (m = 8, ef_construction = 32)} ],
	[ 'ivfflat', 'halfvec', q{CREATE INDEX items_half ON items USING ivfflat (((embedding)::halfvec(3)) halfvec_l2_ops) WITH (lists = 5)} ],
	[ 'hnsw', 'halfvec', q{CREATE INDEX items_half_graph ON items USING hnsw (((embedding)::halfvec(3)) halfvec_cosine_ops) WHERE (tenant = 1)} ],
	[ 'hnsw', 'bit', q{CREATE INDEX items_bits ON items USING hnsw (code bit_hamming_ops)} ]);

# A dump without what differs from run to run (\restrict has a random key).
sub dump_of
{
	my ($server, $database) = @_;
	my $file = $server->basedir . "/$database.sql";
	$server->command_ok([ 'pg_dump', '--no-sync', '--no-owner', '-f', $file, '-d', $server->connstr($database) ], "a dump of $database");
	return $file;
}
sub comparable
{
	my ($file) = @_;
	return join '', grep { !/^--|^\\(un)?restrict|^$/ } split /^/, slurp_file($file);
}

# Restores a dump with a program and compares with its text: whatever failed is an access method that annex does not have.
sub restore
{
	my ($name, $file, @program) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $name");
	my ($out, $err) = ('', '');
	IPC::Run::run([ @program, '-d', $node->connstr($name) ], '>', \$out, '2>', \$err);
	my @errors = grep { /ERROR/ } split /\n/, $err;
	my %missing = map { $_ => 1 } $err =~ /access method "(\w+)" does not exist/g;
	is(scalar(grep { !/access method "(ivfflat|hnsw)" does not exist/ } @errors), 0, "$name: no other error") or diag($err);
	for my $method (sort keys %missing)
	{
		is($node->safe_psql($name, "SELECT count(*) FROM pg_am WHERE amname = '$method'"), '0', "annex has no access method $method yet");
	}
	my $again = comparable(dump_of($node, $name));
	my $before = comparable($file);
	# indexes of a method that is missing
	$before =~ s/^CREATE INDEX .* USING $_ .*\n//gm for keys %missing;
	is($again, $before, "$name: a dump of it is what was restored");
	is( $node->safe_psql(
			$name, q{SELECT count(*), count(*) FILTER (WHERE code = binary_quantize(embedding)::bit(3)) FROM items;
		SELECT count(*) FROM nearest; SELECT count(*) FROM closest('[1,2,3]')}),
		"201|201\n5\n2", "$name: everything works");
	# what reads one of the indexes, and the number of rows that it knows
	for my $query ([ 'items_hnsw', q{TRUE ORDER BY embedding <-> '[1,2,3]'} ], [ 'items_ivfflat', q{TRUE ORDER BY embedding <=> '[1,2,3]'} ],
		[ 'items_half_graph', q{tenant = 1 ORDER BY embedding::halfvec(3) <=> '[1,2,3]'} ], [ 'items_bits', q{TRUE ORDER BY code <~> B'101'} ])
	{
		my ($index, $rest) = @$query;
		my $plan = $node->safe_psql($name, "SET enable_seqscan = off; SET enable_sort = off; EXPLAIN (COSTS OFF) SELECT id FROM items WHERE $rest LIMIT 3");
		like($plan, qr/Index Scan using $index on items/, "$name: $index is used");
		is($node->safe_psql($name, "SELECT annex_verify('$index', true)"), '', "$name: and sound");
	}
	is($node->safe_psql($name, q{SET enable_seqscan = off; SET enable_sort = off; SET hnsw.ef_search = 7;
		SELECT count(*) FROM (SELECT FROM items ORDER BY embedding <-> '[1,2,3]') s}), '7', "$name: hnsw.ef_search is what it was");
	$node->safe_psql($name, 'CREATE INDEX items_ivf ON items USING ivf (embedding vector_cosine_ops, tenant)');
	is($node->safe_psql($name, q{SELECT annex_verify('items_ivf', true)}), '', "$name: an ivf index is made there");
	return;
}

$node->safe_psql('postgres', 'CREATE DATABASE source');
$node->safe_psql('source', "CREATE EXTENSION vector; $schema $data");
$node->safe_psql('source', $_->[2]) for @indexes;
my $own = dump_of($node, 'source');
restore('of_its_own', $own, 'psql', '-X', '-q', '-f', $own);

# ---- A database of pgvector itself, where that is installed

my $pgvector = PostgreSQL::Test::Cluster->new('pgvector');
$pgvector->init;
$pgvector->start;
if ($pgvector->safe_psql('postgres', "SELECT count(*) FROM pg_available_extensions WHERE name = 'vector'") eq '0'
	|| $pgvector->safe_psql('postgres', "CREATE EXTENSION vector; SELECT DISTINCT probin FROM pg_proc WHERE proname = 'vector_in'") ne
	'$libdir/vector')
{
	note('pgvector is not installed here: no database of its own to restore');
}
else
{
	$pgvector->safe_psql('postgres', 'CREATE DATABASE source');
	$pgvector->safe_psql('source', "CREATE EXTENSION vector; $schema $data");
	for my $index (@indexes)
	{
		my ($method, $type, $statement) = @$index;
		next if $node->safe_psql('by_annex', "SELECT to_regtype('$type') IS NULL") eq 't';
		$pgvector->safe_psql('source', "SET client_min_messages = error; $statement");
	}
	my $archive = $pgvector->basedir . '/source.dump';
	$pgvector->command_ok([ 'pg_dump', '-Fc', '--no-sync', '-f', $archive, '-d', $pgvector->connstr('source') ], 'an archive');
	# every object of pgvector, and what programs can tell of it
	my $surface = q{
		SELECT pg_describe_object(d.classid, d.objid, 0) COLLATE "C" || ' ' || coalesce(
			(SELECT row(provolatile, proisstrict, proparallel, proretset, prorettype::regtype)::text FROM pg_proc WHERE oid = d.objid AND d.classid = 'pg_proc'::regclass),
			(SELECT row(oprcom::regoperator, oprnegate::regoperator, oprrest, oprjoin, oprresult::regtype, oprcanhash, oprcanmerge)::text
				FROM pg_operator WHERE oid = d.objid AND d.classid = 'pg_operator'::regclass),
			(SELECT row(castcontext, castmethod)::text FROM pg_cast WHERE oid = d.objid AND d.classid = 'pg_cast'::regclass),
			(SELECT row(typlen, typbyval, typcategory, typispreferred, typdelim, typalign, typstorage)::text
				FROM pg_type WHERE oid = d.objid AND d.classid = 'pg_type'::regclass), '')
		FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid WHERE d.deptype = 'e' AND e.extname = 'vector' ORDER BY 1};
	my $has = sub { $node->safe_psql('source', "SELECT count(*) FROM pg_am WHERE amname = '$_[0]'") };
	my @absent = grep { !$has->($_) } qw(ivfflat hnsw);
	note("annex has no access method $_ yet") for @absent;
	my %ours = map { $_ => 1 } split /\n/, $node->safe_psql('source', $surface);
	my @lacking = grep { !$ours{$_} } split /\n/, $pgvector->safe_psql('source', $surface);
	for my $method (@absent)
	{
		@lacking = grep { !/access method $method|^function $method(handler|_\w+_support)\(/ } @lacking;
	}
	# what pgvector's library tells itself, and what ivfflat does not serve
	@lacking = grep { !/^function ivfflat_\w+_support\(internal\)|operator (class|family) bit_hamming_ops .*ivfflat/ } @lacking;
	is(join("\n", @lacking), '', 'annex lacks no object of pgvector');

	restore('of_pgvector', dump_of($pgvector, 'source'), 'pg_restore', '--no-owner', '--jobs=3', $archive);
	my $digest = q{SELECT md5(string_agg(i::text, ';' ORDER BY id)) FROM items i; SELECT md5(string_agg(c::text, ';' ORDER BY tenant)) FROM centre c};
	is($node->safe_psql('of_pgvector', $digest), $pgvector->safe_psql('source', $digest), 'every value is what it was');
}
$pgvector->stop;
$node->stop;
done_testing();

# The same statements to annex, as the extension vector, and to pgvector itself: each must answer as the other does, to the
# letter: rows, notices, errors with their codes, details and hints. Where they differ, the reason stands below and in
# doc/migration.md.
#
# The statements are those of the tests in sql/. With PGVECTOR_SOURCE=FOLDER, the sources of pgvector, they are also those
# of pgvector's own tests, FOLDER/test/sql.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $install = $ENV{ANNEX_SHIM_INSTALL} or BAIL_OUT('ANNEX_SHIM_INSTALL is not set: see scripts/check.sh');

my $pgvector = PostgreSQL::Test::Cluster->new('pgvector');
$pgvector->init;
$pgvector->start;
if ($pgvector->safe_psql('postgres', "SELECT count(*) FROM pg_available_extensions WHERE name = 'vector'") eq '0'
	|| $pgvector->safe_psql('postgres', "CREATE EXTENSION vector; SELECT DISTINCT probin FROM pg_proc WHERE proname = 'vector_in'") ne
	'$libdir/vector')
{
	$pgvector->stop;
	plan skip_all => 'pgvector is not installed here';
}
my $version = $pgvector->safe_psql('postgres', "SELECT extversion FROM pg_extension WHERE extname = 'vector'");
note("pgvector $version");
my $annex = PostgreSQL::Test::Cluster->new('annex', install_path => $install);
$annex->init;
$annex->start;
$annex->safe_psql('postgres', 'CREATE EXTENSION vector');

# What is of annex alone, or tested by means of pgvector's absence.
my $own = qr/annex|\bivf\b|wrong_at/;
# Statements that are answered otherwise, and why.
my @known = (
	[ qr/input_is_valid/, 'pgvector: an error in place of "false" for what is wrong in a vector as a whole' ],
	[ qr/ARRAY\[16001\]\)::sparsevec/, 'pgvector 0.8.0: arrays of more than 16,000 elements that are not zero' ],
	[ qr/EXPLAIN.*FROM docs/, 'plans that take an index of ivf' ],
	[ qr/WHERE id % 10 = 5 ORDER BY/, 'annex: the filtered scan goes on for rows that pass' ],
	[ qr/pg_opclass.*opcintype|amvalidate/s, 'operator classes: annex has those of ivf besides, with a support function more' ],
	[ qr/USING ivfflat \(b\)|ARRAY\[2001\]|vector\(2001\)|halfvec\(4001\)/, 'annex: up to 16,000 dimensions in an index' ],
	[ qr/USING hnsw \(wide|bit\(64001\)/, 'bits in an index: another limit' ],
	[ qr/amprocnum/, 'operator classes of hnsw: a support function more' ],
	[ qr/ORDER BY val (<->|<~>) ('\[1,2\]'|'\[1,2,3\]' LIMIT 1|B'10');/, 'a query of other dimensions: the two numbers change places; annex says so of an empty index, too' ],
	[ qr/'\[1,1,1\]' LIMIT 50/, 'pgvector: equal rows in several nodes, of which a search with hnsw.ef_search = 1 finds one' ]);
# Costs of functions.
my @left_out = qw(vector_cost halfvec_cost);

# A file's statements with an echo before each of its lines that begins one: the answers come in sections.
sub with_marks
{
	my ($file) = @_;
	my ($text, $number, $inside, $copying, $open) = ('', 0, 0, 0, 0);
	my %statements;
	for my $line (split /^/, slurp_file($file))
	{
		$number++;
		# Damaged values come next, which pgvector uses unchecked: its process may end.
		last if $line =~ /^CREATE CAST \(bytea AS/;
		unless ($open || $inside || $copying)
		{
			$text .= "\\echo ==$number\n";
			$open = $number;
		}
		$statements{$open} .= $line;
		$text .= $line;
		if ($copying) { $copying = $open = 0 if $line =~ /^\\\.$/; next }
		$inside ^= (() = $line =~ /\$\$/g) % 2;
		next if $inside;
		if ($line =~ /^\s*COPY\b.*\bFROM stdin\b.*;\s*$/i) { $copying = 1; next }
		$open = 0 if $line =~ /;\s*(--.*)?$/ || $line =~ /^\s*(--.*|\\.*)?$/;
	}
	return ($text, \%statements);
}

sub answers
{
	my ($node, $text) = @_;
	$node->safe_psql('postgres', 'DROP DATABASE IF EXISTS statements');
	$node->safe_psql('postgres', 'CREATE DATABASE statements');
	$node->safe_psql('statements', 'CREATE EXTENSION vector');
	my $output = '';
	my $run = IPC::Run::start([ 'psql', '-X', '-q', '-v', 'VERBOSITY=verbose', '-d', $node->connstr('statements') ], '<', \$text,
		'>&', \$output);
	$run->finish;
	$output =~ s/^(psql:<stdin>:\d+: )?LOCATION:.*\n//gm;
	return { map { /^(\d+)\n(.*)/s ? ($1 => $2) : () } split /^==(?=\d+$)/m, $output };
}

sub compare_file
{
	my ($file, $name) = @_;
	my ($text, $statements) = with_marks($file);
	my ($expected, $got) = map { answers($_, $text) } $pgvector, $annex;
	my ($same, $known, @different) = (0, 0);
	for my $number (sort { $a <=> $b } keys %$statements)
	{
		my $statement = $statements->{$number};
		my ($of_pgvector, $of_annex) = map { $_->{$number} // 'no answer' } $expected, $got;
		next if $of_pgvector eq $of_annex && $statement =~ /^\s*(--.*|\\.*)?$/;
		if ($of_pgvector eq $of_annex) { $same++ }
		elsif ($statement =~ $own || grep { $statement =~ $_->[0] } @known) { $known++ }
		else { push @different, "line $number: $statement--- pgvector\n$of_pgvector--- annex\n$of_annex" }
	}
	cmp_ok($same, '>', 0, "$name: statements were compared");
	is(scalar @different, 0, "$name: $same statements answered alike, $known known not to be") or diag(join "\n", map { substr $_, 0, 3000 } @different);
	return;
}

for my $file (sort glob 'sql/{vector,halfvec,sparsevec}_*.sql sql/bit.sql sql/ivfflat.sql sql/hnsw_{vector,halfvec,bit}.sql')
{
	my ($name) = $file =~ m{([^/]+)\.sql$};
	compare_file($file, $name) unless grep { $_ eq $name } @left_out;
}
if (my $source = $ENV{PGVECTOR_SOURCE})
{
	my %has = map { $_ => 1 } split /\n/, $annex->safe_psql('postgres', q{SELECT amname FROM pg_am UNION ALL
		SELECT DISTINCT amname || '_' || opcintype::regtype FROM pg_opclass c JOIN pg_am a ON a.oid = opcmethod});
	for my $file (sort glob "$source/test/sql/*.sql")
	{
		my ($name) = $file =~ m{([^/]+)\.sql$};
		if ($name =~ /^(hnsw|ivfflat)_/ && !$has{$name}) { note("annex serves no $name yet"); next }
		compare_file($file, "pgvector's $name");
	}
}

$pgvector->stop;
$annex->stop;
done_testing();

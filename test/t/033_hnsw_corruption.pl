# Random damage to pages of hnsw indexes never brings the server down or hangs it: whatever is asked of a damaged index
# ends with an error or an answer.
#
# Each round flips bits and overwrites numbers in sound indexes while the server is stopped, then queries, inserts,
# vacuums and verifies. Writes are undone, so that the files of the first round fit the tables in every round.
#
# To search for more: ANNEX_CORRUPTION_ROUNDS=500 ANNEX_CORRUPTION_SEED=7
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use HnswFile;

my $rounds = $ENV{ANNEX_CORRUPTION_ROUNDS} || 16;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
# PostgreSQL's own checksums would find all of it first; from 18 on they are the default.
$node->append_conf('postgresql.conf', <<'CONF');
autovacuum = off
max_parallel_maintenance_workers = 0
fsync = off
restart_after_crash = off
statement_timeout = 20s
CONF
system_log('pg_checksums', '--disable', '--pgdata', $node->data_dir);
$node->start;

my %tables = (
	tiny => { dimensions => 3, rows => 2000, operator => '<->', class => 'l2', columns => ', n' },
	text => { dimensions => 128, rows => 1200, operator => '<=>', class => 'cosine', columns => '' },
	wide => { dimensions => 1000, rows => 150, operator => '<#>', class => 'ip', columns => '' });

sub vectors
{
	my ($dimensions, $first, $count) = @_;
	my $last = $first + $count - 1;
	return "(SELECT array_agg(random() - 0.4 + 0 * (i + g)) FROM generate_series(1, $dimensions) g)::vector, i % 7"
	  . " FROM generate_series($first, $last) i";
}

$node->safe_psql('postgres', 'CREATE EXTENSION annex');
my %paths;
for my $name (sort keys %tables)
{
	my %t = %{ $tables{$name} };
	my $late = int($t{rows} / 10);
	$node->safe_psql('postgres', qq{
		SELECT setseed(0.25);
		CREATE TABLE $name (id serial PRIMARY KEY, v vector($t{dimensions}), n int);
		INSERT INTO $name (v, n) SELECT @{[vectors($t{dimensions}, 1, $t{rows})]};
		INSERT INTO $name (v, n) SELECT v, i FROM $name, generate_series(1, 400) i WHERE id = 1;
		INSERT INTO $name (v) VALUES (NULL), (array_fill(1e25::real, '{$t{dimensions}}')::vector);
		CREATE INDEX ${name}_v ON $name USING hnsw (v vector_$t{class}_ops$t{columns});
		INSERT INTO $name (v, n) SELECT @{[vectors($t{dimensions}, 1, $late)]};
		DELETE FROM $name WHERE id % 9 = 0;
		VACUUM (INDEX_CLEANUP on) $name;
		INSERT INTO $name (v, n) SELECT @{[vectors($t{dimensions}, 1, $late)]};
		DELETE FROM $name WHERE id % 97 = 0;
		VACUUM (INDEX_CLEANUP on) $name;
		SELECT annex_verify('${name}_v', true);
	});
	$paths{$name} = $node->data_dir . '/' . $node->safe_psql('postgres', "SELECT pg_relation_filepath('${name}_v')");
}
$node->stop;
my %sound = map { $_ => slurp_file($paths{$_}) } keys %paths;

# A generator of our own: the same damage everywhere, whatever Perl's rand is.
my $state = $ENV{ANNEX_CORRUPTION_SEED} || 20240607;

sub number_below
{
	my ($limit) = @_;
	$state = ($state * 1103515245 + 12345) & 0x7fffffff;
	return ($state >> 8) % $limit;
}

sub one_of { return $_[ number_below(scalar @_) ] }

# Somewhere on a page: in the header, the directory, or what a record begins with, where its numbers are; magic and
# kind, which hide all else, seldom.
sub place_on
{
	my ($file, $block) = @_;
	my $kind = $file->get($block, HnswFile::KIND, 'C', 1);
	my $slots = $kind == HnswFile::NODES ? $file->u16($block, HnswFile::NODES_SLOTS) : 0;
	my $choice = number_below(16);
	return $file->record($block, number_below($slots)) + number_below(24) if $choice < 6 && $slots > 0 && $slots < 1000;
	return number_below(HnswFile::PAGE) if $choice < 10;
	return HnswFile::HEAD + number_below(124) if $choice < 14;
	return $choice == 14 ? HnswFile::NEXT + number_below(4) : number_below(HnswFile::HEAD);
}

# Pages of all kinds are hit equally often, however many there are.
sub damage
{
	my ($file) = @_;
	for (0 .. number_below(4))
	{
		my $block = one_of($file->pages(one_of(grep { $file->pages($_) } HnswFile::META .. HnswFile::SIDE)));
		my $offset = place_on($file, $block);
		$offset = HnswFile::PAGE - 4 if $offset > HnswFile::PAGE - 4;
		if (number_below(2) == 0)
		{
			$file->flip($block * HnswFile::PAGE + $offset, 1 << number_below(8));
		}
		else
		{
			$file->put_u32($block, $offset & ~3, one_of(0, 1, 2, 255, 65535, 1 << 31, 0xffffffff, number_below(1 << 22)));
		}
	}
	return;
}

sub statements
{
	my ($name) = @_;
	my %t = %{ $tables{$name} };
	my $query = "(SELECT v FROM $name WHERE id = 5)";
	return (
		"SELECT count(*) FROM (SELECT id FROM $name ORDER BY v $t{operator} $query LIMIT 10) q",
		"SELECT count(*) FROM (SELECT id FROM $name ORDER BY v $t{operator} $query LIMIT 100000) q",
		"SELECT count(*) FROM (SELECT id FROM $name WHERE n = 3 ORDER BY v $t{operator} $query LIMIT 5) q",
		"SELECT nodes FROM annex_index_info('${name}_v')",
		"SELECT annex_verify('${name}_v', true)",
		"BEGIN; INSERT INTO $name (v, n) SELECT @{[vectors($t{dimensions}, 1, 8)]}; ROLLBACK",
		"BEGIN; INSERT INTO $name (v, n) SELECT v, n FROM $name WHERE id = 1; ROLLBACK",
		"BEGIN; DELETE FROM $name WHERE id % 5 = 0; ROLLBACK",
		"VACUUM (INDEX_CLEANUP on) $name",
		"SELECT annex_maintain('${name}_v', true)",
		"SELECT count(*) FROM (SELECT id FROM $name ORDER BY v $t{operator} $query LIMIT 20) q",
		"SELECT annex_verify('${name}_v')");
}

my $script = "SET enable_seqscan = off;\nSET enable_sort = off;\n\\set VERBOSITY verbose\n";
my ($errors, $corruptions) = (0, 0);
for my $round (1 .. $rounds)
{
	for my $name (sort keys %paths)
	{
		my $file = HnswFile->new($paths{$name});
		$file->{bytes} = $sound{$name};
		damage($file);
		$file->save;
	}
	$node->start;
	my @bad;
	for my $name (sort keys %tables)
	{
		my $timed_out = 0;
		my ($ret, $stdout, $stderr) = $node->psql('postgres', $script . join(";\n", statements($name)) . ";\n",
			on_error_stop => 0, timeout => 120, timed_out => \$timed_out);
		push @bad, "$name: psql hangs" if $timed_out;
		push @bad, "$name: psql ended with $ret" if $ret != 0 && !$timed_out;
		$errors += () = $stderr =~ /^psql:<stdin>:\d+: ERROR:/mg;
		$corruptions += () = $stderr =~ /ERROR:  XX002:/g;
		# cancelled by the timeout; out of memory; a size that nobody checked; a lost connection
		push @bad, map { "$name: $_" }
		  grep { /57014|53200|invalid memory alloc|server closed the connection|terminating connection/ } split /\n/, $stderr;
	}
	is(join("\n", @bad), '', "round $round: errors or answers");
	if (!-e $node->data_dir . '/postmaster.pid')
	{
		fail('the server has gone');
		last;
	}
	$node->stop;
}
note("$errors errors, $corruptions of them say that an index is corrupted");
cmp_ok($corruptions, '>', $rounds, 'damage is found');
unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC|TRAP/, 'no process crashed');

done_testing();

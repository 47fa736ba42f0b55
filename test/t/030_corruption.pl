# Random damage to index pages never brings the server down or hangs it: whatever is asked of a damaged index ends with
# an error or an answer.
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

use IvfFile;

my $rounds = $ENV{ANNEX_CORRUPTION_ROUNDS} || 24;

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
	tiny => { dimensions => 3, rows => 3000, operator => '<->', options => "lists = 8, spill = on", class => 'l2' },
	text => { dimensions => 128, rows => 1500, operator => '<=>', options => "lists = 12, spill = on", class => 'cosine' },
	wide => { dimensions => 2000, rows => 150, operator => '<#>', options => "lists = 4, spill = off", class => 'ip' },
	long => { dimensions => 9000, rows => 30, operator => '<->', options => "lists = 2, spill = on", class => 'l2' });

sub vectors
{
	my ($dimensions, $first, $count) = @_;
	my $last = $first + $count - 1;
	return "(SELECT array_agg(random() - 0.4 + 0 * (i + g)) FROM generate_series(1, $dimensions) g)::vector"
	  . " FROM generate_series($first, $last) i";
}

$node->safe_psql('postgres', 'CREATE EXTENSION annex');
my %paths;
for my $name (sort keys %tables)
{
	my %t = %{ $tables{$name} };
	my $null_and_zero = "SELECT NULL UNION ALL SELECT array_fill(0, ARRAY[$t{dimensions}])::vector";
	my $late = int($t{rows} / 10);
	$node->safe_psql('postgres', qq{
		SELECT setseed(0.25);
		CREATE TABLE $name (id serial PRIMARY KEY, v vector($t{dimensions}));
		INSERT INTO $name (v) SELECT @{[vectors($t{dimensions}, 1, $t{rows})]};
		INSERT INTO $name (v) $null_and_zero;
		CREATE INDEX ${name}_v ON $name USING ivf (v vector_$t{class}_ops) WITH ($t{options});
		INSERT INTO $name (v) SELECT @{[vectors($t{dimensions}, 1, $late)]};
		DELETE FROM $name WHERE id % 9 = 0;
		VACUUM (INDEX_CLEANUP on) $name;
		INSERT INTO $name (v) SELECT @{[vectors($t{dimensions}, 1, $late)]};
		VACUUM $name;
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

# Pages of all kinds are hit equally often, however many there are; magic and kind, which hide all else, seldom.
sub damage
{
	my ($file) = @_;
	for (0 .. number_below(4))
	{
		my $block = one_of($file->pages(one_of(grep { $file->pages($_) } IvfFile::META .. IvfFile::SIDE)));
		my $place = number_below(16);
		my $offset = $place < 6 ? number_below(IvfFile::PAGE) : $place < 14 ? IvfFile::HEAD + number_below(124)
		  : $place == 14 ? IvfFile::NEXT + number_below(4) : number_below(IvfFile::HEAD);
		if (number_below(2) == 0)
		{
			$file->flip($block * IvfFile::PAGE + $offset, 1 << number_below(8));
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
		"SELECT lists FROM annex_index_info('${name}_v')",
		"SELECT annex_verify('${name}_v', true)",
		"BEGIN; INSERT INTO $name (v) SELECT @{[vectors($t{dimensions}, 1, 8)]}; ROLLBACK",
		"VACUUM (INDEX_CLEANUP on) $name",
		"SELECT count(*) FROM (SELECT id FROM $name ORDER BY v $t{operator} $query LIMIT 20) q",
		"SELECT annex_verify('${name}_v')");
}

my $script = "SET enable_seqscan = off;\nSET enable_sort = off;\n\\set VERBOSITY verbose\n";
my ($errors, $corruptions) = (0, 0);
for my $round (1 .. $rounds)
{
	for my $name (sort keys %paths)
	{
		my $file = IvfFile->new($paths{$name});
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

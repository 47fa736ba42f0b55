# Indexes of ivfflat while their tables change: a standby has the same index after each of many random steps, a server that
# is killed has it again when it has recovered, and sessions that write, read and vacuum at once lose and double no row.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

use Crash;
use IvfData;
use Server;

my $primary = new_primary('primary');
$primary->safe_psql('postgres', <<'SQL');
ALTER FUNCTION compare SET ivfflat.probes = 32768;
CREATE TABLE t (id serial, v vector(20));
CREATE INDEX t_empty ON t USING ivfflat (v vector_ip_ops) WITH (lists = 7);
INSERT INTO t (v) SELECT point(i, 20) FROM generate_series(1, 2000) i;
CREATE INDEX t_l2 ON t USING ivfflat (v vector_l2_ops) WITH (lists = 30);
CREATE INDEX t_cosine ON t USING ivfflat (v vector_cosine_ops) WITH (lists = 10);
CREATE TABLE large (id serial, v vector(9000));
INSERT INTO large (v) SELECT point(i, 9000) FROM generate_series(1, 20) i;
CREATE INDEX large_l2 ON large USING ivfflat (v) WITH (lists = 3);
SQL
my $standby = standby_of($primary);
my @indexes = qw(t_empty t_l2 t_cosine large_l2);

# Random steps ---------------------------------------------------------------------------------------------------------

my $state = 41;
my $next = 10_000;
my %steps = (
	insert => sub { my $n = 1 + draw(\$state, 400); $next += $n; my $first = $next - $n;
		"INSERT INTO t (v) SELECT point(i, 20) FROM generate_series($first, $next) i" },
	insert_large => sub { $next += 4; "INSERT INTO large (v) SELECT point(i, 9000) FROM generate_series($next, $next + 3) i" },
	# neither of these is in the index of cosine, and the first one in none
	insert_odd => sub { 'INSERT INTO t (v) SELECT CASE i % 2 WHEN 0 THEN array_fill(0, ARRAY[20])::vector END FROM generate_series(1, 20) i' },
	rollback => sub { 'BEGIN; INSERT INTO t (v) SELECT point(-i, 20) FROM generate_series(1, 100) i; ROLLBACK' },
	delete => sub { my $m = 3 + draw(\$state, 4); "DELETE FROM t WHERE id % $m = 0" },
	update => sub { my $m = 2 + draw(\$state, 6); "UPDATE t SET v = point(id + " . draw(\$state, 1000) . ", 20) WHERE id % $m = 1" },
	vacuum => sub { 'VACUUM (INDEX_CLEANUP on) t' },
	vacuum_large => sub { 'DELETE FROM large WHERE id % 5 = ' . draw(\$state, 5) . '; VACUUM (INDEX_CLEANUP on) large' },
	maintain => sub { "SELECT annex_maintain('" . $indexes[ draw(\$state, 4) ] . "', true)" },
	new_lists => sub { 'ALTER INDEX t_l2 SET (lists = ' . (1 + draw(\$state, 60)) . '); REINDEX INDEX t_l2' });
my @weighted = ((qw(insert delete update vacuum)) x 3, sort keys %steps);

my %exact = (t => [ '<->', '<=>', '<#>' ], large => ['<->']);
my %dimensions = (t => 20, large => 9000);

# Every row that an index has, in the order of its distance: all but those without a direction.
sub check_exact
{
	my ($node, $name) = @_;
	for my $table (sort keys %exact)
	{
		for my $operator (@{ $exact{$table} })
		{
			my $query = "point(-1, $dimensions{$table})";
			my $distances = sub {
				my ($settings) = @_;
				return $node->safe_psql('postgres', "$settings; SELECT count(*), md5(string_agg(d::text, ' ')) FROM
					(SELECT v $operator $query AS d FROM $table WHERE v IS NOT NULL" . ($operator eq '<=>' ? ' AND vector_norm(v) > 0' : '')
					. " ORDER BY v $operator $query) s");
			};
			is($distances->('SET enable_seqscan = off; SET enable_bitmapscan = off; SET annex.enable_filtered_scan = off; SET ivfflat.probes = 32768; SET ivf.epsilon = 10'),
				$distances->('SET enable_indexscan = off'), "$name: $table by $operator as sorted");
		}
	}
	verify_ok($node, $name, @indexes);
	return;
}

# As few lists as usual: the pages are the same, and so must be what is found on them.
my $answers = join ' UNION ALL ', map {
	my ($table, $operator) = @$_;
	"SELECT '$table $operator', (SELECT string_agg(id::text, ',') FROM (SELECT id FROM $table ORDER BY v $operator point(-1, $dimensions{$table})) s)"
} [ 't', '<->' ], [ 't', '<=>' ], [ 't', '<#>' ], [ 'large', '<->' ];

my $count = 24;
for my $i (1 .. $count)
{
	my $step = $weighted[ draw(\$state, scalar @weighted) ];
	$primary->safe_psql('postgres', join(";\n", split(/; /, $steps{$step}->())) . ';');
	$primary->safe_psql('postgres', q{SELECT pg_logical_emit_message(true, 'test', 'flush')});
	$primary->wait_for_catchup($standby);
	my $settings = 'SET enable_seqscan = off; SET ivfflat.probes = 2;';
	is($standby->safe_psql('postgres', "$settings $answers"), $primary->safe_psql('postgres', "$settings $answers"),
		"step $i, $step: the same answers");
	next if $i % 8 != 0;
	check_exact($standby, "standby, step $i");
	$standby->stop($i == 8 ? 'immediate' : 'fast');
	$standby->start;
}
check_exact($primary, 'after all steps');
log_is_clean($standby);
$standby->stop;

# Killed while clients write -------------------------------------------------------------------------------------------

my $scripts = PostgreSQL::Test::Utils::tempdir();
my $number = 0;

sub start_bench
{
	my ($clients, @how) = @_;
	my @files;
	while (ref $how[-1])
	{
		my ($script, $weight) = @{ pop @how };
		my $file = "$scripts/" . ++$number . '.sql';
		append_to_file($file, "$script\n");
		push @files, '-f', "$file\@$weight";
	}
	my %bench = (out => '', err => '');
	$bench{run} = IPC::Run::start([ 'pgbench', '-n', '-c', $clients, '-j', 2, '--random-seed', 3, @how, @files,
			$primary->connstr('postgres') ], '>', \$bench{out}, '2>', \$bench{err});
	return \%bench;
}

$primary->safe_psql('postgres', 'DELETE FROM large WHERE id > 30; CREATE INDEX t_id ON t (id); VACUUM t');
my @writers = (
	[ "\\set i random(1, 100000)\nINSERT INTO t (v) SELECT point(:i + i, 20) FROM generate_series(1, 20) i;", 6 ],
	[ "\\set i random(1, 5000)\nDELETE FROM t WHERE id BETWEEN :i AND :i + 20;", 3 ],
	[ 'INSERT INTO large (v) SELECT point((random() * 1000)::int, 9000);', 1 ],
	[ 'VACUUM (INDEX_CLEANUP on) t;', 1 ],
	[ "SELECT annex_maintain('t_l2', true);", 1 ]);
for my $cycle (1 .. 3)
{
	my $bench = start_bench(6, '-T', 60, @writers);
	my $until = time + 30;
	my $start = $primary->safe_psql('postgres', 'SELECT max(id) FROM t');
	# in the midst of it, however fast the machine is
	usleep(20_000) while time < $until && $primary->safe_psql('postgres', 'SELECT max(id) FROM t') < $start + 1500;
	kill_server($primary);
	eval { $bench->{run}->finish };
	$primary->start;
	check_exact($primary, "after crash $cycle");
}

# Everything at once ---------------------------------------------------------------------------------------------------
#
# The rows with an id of at most 100 only change: each query finds all of them, once each, with the vector they have.

$primary->safe_psql('postgres', 'DELETE FROM t WHERE v IS NULL OR vector_norm(v) = 0; DELETE FROM t WHERE id <= 100;
	INSERT INTO t SELECT i, point(i, 20) FROM generate_series(1, 100) i; VACUUM t');
my $all_there = "SELECT 1 / (count(*) = 100 AND count(DISTINCT id) = 100)::int FROM (SELECT id FROM t ORDER BY v %s point(-1, 20) OFFSET 0) s WHERE id <= 100;";
my $bench = start_bench(8, '-t', 40,
	[ "\\set i random(1, 100)\nUPDATE t SET v = point(:i + 1000 * (random() * 1000)::int, 20) WHERE id = :i;", 6 ],
	[ 'INSERT INTO t (v) SELECT point(i, 20) FROM generate_series(1, 20) i;', 4 ],
	[ "\\set i random(101, 30000)\nDELETE FROM t WHERE id BETWEEN :i AND :i + 60;", 3 ],
	[ 'VACUUM (INDEX_CLEANUP on) t;', 2 ],
	[ "SELECT annex_maintain('t_cosine', true);", 1 ],
	[ "SELECT annex_verify('t_l2');", 1 ],
	[ join("\n", 'SET enable_seqscan = off; SET enable_bitmapscan = off; SET ivfflat.probes = 32768;', map { sprintf $all_there, $_ } '<->', '<=>', '<#>'), 4 ],
	[ join("\n", 'SET enable_seqscan = off; SET ivfflat.probes = 2;', 'SELECT count(*) FROM (SELECT id FROM t ORDER BY v <-> point(-1, 20) LIMIT 10) s;'), 4 ]);
my $ok = $bench->{run}->finish;
ok($ok && $bench->{err} !~ /ERROR|aborted/, 'no client failed') or diag($bench->{err});
check_exact($primary, 'after everything');

log_is_clean($primary, killed => 1);
$primary->stop;
done_testing();

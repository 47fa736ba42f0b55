# Writers while the lists are replaced again and again: no row is lost or found twice, no statement fails, and at the end
# the index answers as sorting does.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

use IvfData;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', <<'CONF');
shared_buffers = 16MB
synchronous_commit = off
autovacuum = off
max_parallel_maintenance_workers = 0
CONF
$node->start;
prepare($node);

# Rows that a page holds many of, in lists that everybody meets on; and rows of two pages, for which an insert into two
# lists of each of two generations needs more pages than one record can take.
$node->safe_psql('postgres', <<'SQL');
CREATE SEQUENCE ids;
CREATE TABLE t (id int PRIMARY KEY, v vector(10));
INSERT INTO t SELECT nextval('ids'), array_agg(random()::real)::vector(10) FROM generate_series(1, 200000) i GROUP BY i % 20000;
CREATE INDEX t_l2 ON t USING ivf (v vector_l2_ops) WITH (lists = 20, spill = on);
CREATE INDEX t_cosine ON t USING ivf (v vector_cosine_ops);
CREATE SEQUENCE wide_ids;
CREATE TABLE wide (id int, v vector(9000));
INSERT INTO wide SELECT nextval('wide_ids'), point(i, 9000) FROM generate_series(1, 40) i;
CREATE INDEX wide_ip ON wide USING ivf (v vector_ip_ops) WITH (lists = 3, spill = on);
SQL
my @indexes = qw(t_l2 t_cosine wide_ip);

my $scripts = PostgreSQL::Test::Utils::tempdir();
my $number = 0;

# Clients that run these scripts for some seconds.
sub start_bench
{
	my ($clients, $seconds, @statements) = @_;
	my @files;
	for my $statement (@statements)
	{
		my $file = "$scripts/" . ++$number . '.sql';
		append_to_file($file, "$statement\n");
		push @files, '-f', $file;
	}
	my %run = (out => '', err => '');
	$run{run} = IPC::Run::start([ 'pgbench', '-n', '-c', $clients, '-j', 2, '-T', $seconds, '--random-seed', 7, @files,
			$node->connstr('postgres') ], '>', \$run{out}, '2>', \$run{err});
	return \%run;
}

# COPY from the server's own files, one row after the other on the way of a statement.
my $rows = join '', map { "$_\t[" . join(',', map { sin($_) } $_ .. $_ + 9) . "]\n" } 1_000_001 .. 1_000_800;
append_to_file("$scripts/rows", $rows);
chmod 0644, "$scripts/rows";
chmod 0755, $scripts;

my $writers = start_bench(16, 12,
	"INSERT INTO t SELECT nextval('ids'), array_agg(random()::real)::vector(10) FROM generate_series(1, 10) i;",
	"INSERT INTO t SELECT nextval('ids'), array_agg(random()::real)::vector(10) FROM generate_series(1, 80) i GROUP BY i % 8;",
	"\\set i random(1, 900)\nUPDATE t SET v = point(:i + 7, 10) WHERE id = :i;",
	"INSERT INTO wide SELECT id, point(id::int, 9000) FROM nextval('wide_ids') id;");
my $copier = start_bench(1, 12, "DELETE FROM t WHERE id > 1000000;\nCOPY t FROM '$scripts/rows';");

# Maintenance is stopped every few milliseconds for a while, so that there are writes at every step of it. What it leaves
# is looked at at once, for the next time it would put a row into lists that was in none.
my $rounds = 0;
my $maintain = join '', map { "SELECT annex_maintain('$_', true);\nSELECT annex_verify('$_');\n" } @indexes;
while ($writers->{run}->pumpable || $copier->{run}->pumpable)
{
	my ($out, $error) = ('', '');
	my $run = IPC::Run::start([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres') ],
		'<', \"SELECT pg_backend_pid();\n$maintain\\q\n", '>', \$out, '2>', \$error);
	$run->pump until $out =~ /^(\d+)\n/;
	my ($backend) = $out =~ /^(\d+)\n/;
	while ($run->pumpable)
	{
		usleep(30_000);
		if (kill('STOP', $backend))
		{
			usleep(15_000);
			kill('CONT', $backend);
		}
		$run->pump_nb;
	}
	ok($run->finish, 'lists are replaced, and sound') or diag($error);
	last if $error;
	$rounds++;
	$_->{run}->pump_nb for grep { $_->{run}->pumpable } $writers, $copier;
}
for my $run ($writers, $copier)
{
	ok($run->{run}->finish && $run->{err} !~ /ERROR|aborted/, 'no client failed') or diag($run->{err});
}
cmp_ok($rounds, '>', 1, 'and that several times');

verify_ok($node, 'after maintenance among writers', @indexes);
compare_is($node, 'after maintenance among writers', 't', '<->', 'point(-1, 10)', 2000);
compare_is($node, 'after maintenance among writers', 't', '<=>', 'point(-1, 10)', 2000);
for my $operator ('<->', '<=>')
{
	is($node->safe_psql('postgres', "SET enable_seqscan = off; SELECT count(*), count(DISTINCT id) FROM
			(SELECT id FROM t ORDER BY v $operator point(-1, 10) OFFSET 0) s"),
		$node->safe_psql('postgres', 'SET enable_indexscan = off; SELECT count(*), count(*) FROM t'),
		"each row is once in the index of $operator");
}
compare_is($node, 'after maintenance among writers', 'wide', '<#>', 'point(-1, 9000)');
unlike(slurp_file($node->logfile), qr/ERROR:|PANIC|TRAP|terminated by signal/, 'no error, no crash');
$node->stop;
done_testing();

# Whatever runs on a graph can be cancelled or terminated at any moment, and leaves the index sound.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

use GraphData;
use IvfData;
use Server;

my $node = new_server('main', settings => "work_mem = 256kB\nmaintenance_work_mem = 8MB\nsynchronous_commit = off");
prepare_graphs($node);
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE t (id int, v vector(64));
INSERT INTO t SELECT i, point(i, 64) FROM generate_series(1, 4000) i;
CREATE INDEX t_l2 ON t USING hnsw (v vector_l2_ops);
CREATE TABLE wide (id int, v vector(1500));
INSERT INTO wide SELECT i, point(i, 1500) FROM generate_series(1, 60) i;
CREATE INDEX wide_cosine ON wide USING hnsw (v vector_cosine_ops);
CREATE TABLE source AS SELECT i AS id, point(i, 64) AS v, point(i % 50, 1500) AS w FROM generate_series(6001, 6300) i;
SQL
my $started = $node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()');

my %statements = (
	build => 'CREATE INDEX cancelled ON t USING hnsw (v vector_cosine_ops)',
	'build past its memory' => 'SET maintenance_work_mem = 1024; CREATE INDEX cancelled ON t USING hnsw (v vector_ip_ops) WITH (m = 4, ef_construction = 16)',
	'concurrent build' => 'CREATE INDEX CONCURRENTLY cancelled ON t USING hnsw (v vector_l1_ops) WITH (m = 8)',
	insert => 'INSERT INTO t SELECT id, v FROM source',
	'insert of wide rows' => 'INSERT INTO wide SELECT id, w FROM source',
	scan => 'SELECT count(*) FROM (SELECT id FROM t ORDER BY v <-> point(-1, 64) OFFSET 0) s',
	'deep scan' => 'SET hnsw.ef_search = 1000; SELECT count(*) FROM (SELECT id FROM t ORDER BY v <-> point(-1, 64) LIMIT 1000) s; RESET hnsw.ef_search',
	'scan of wide rows' => 'SELECT count(*) FROM (SELECT id FROM wide ORDER BY v <=> point(-1, 1500) OFFSET 0) s',
	rescans => 'SELECT count(*) FROM source CROSS JOIN LATERAL (SELECT id FROM t ORDER BY t.v <-> source.v LIMIT 10) s',
	vacuum => 'VACUUM (INDEX_CLEANUP on) t',
	reindex => 'REINDEX INDEX t_l2',
	maintenance => "SELECT annex_maintain('t_l2', true)",
	verify => "SELECT annex_verify('t_l2', true)",
	info => "SELECT annex_index_info('t_l2')",
	recall => "SELECT annex_recall('t_l2', 10, 1000)");

# By statement_timeout, from "almost at once" to "almost never".
my ($cancelled, $completed) = (0, 0);
for my $timeout (1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 377)
{
	my $script = '';
	for my $name (sort keys %statements)
	{
		$script .= "SET statement_timeout = 0;\nRESET maintenance_work_mem;\nRESET hnsw.ef_search;\nDROP INDEX IF EXISTS cancelled;\n";
		$script .= "DELETE FROM t WHERE id % 20 = $timeout % 20;\n" if $name eq 'vacuum';
		$script .= "SET statement_timeout = $timeout;\n$statements{$name};\n\\echo done :SQLSTATE\n";
	}
	my ($ret, $stdout, $stderr) = $node->psql('postgres', "SET enable_seqscan = off;\nSET client_min_messages = error;\n$script",
		on_error_stop => 0);
	my @states = $stdout =~ /^done (\w+)/mg;
	is(scalar @states, scalar keys %statements, "timeout $timeout ms: the session goes on");
	is(join(' ', grep { !/^(57014|00000)$/ } @states), '', "timeout $timeout ms: completed or cancelled");
	$cancelled += grep { $_ eq '57014' } @states;
	$completed += grep { $_ eq '00000' } @states;
}
note("$cancelled cancelled, $completed completed");
cmp_ok($cancelled, '>', 10, 'statements were cancelled');
cmp_ok($completed, '>', 10, 'statements completed');
$node->safe_psql('postgres', 'DROP INDEX IF EXISTS cancelled');
graph_is($node, 'after cancelling', 't', '<->', 'point(-1, 64)');
graph_is($node, 'after cancelling', 'wide', '<=>', 'point(-1, 1500)');
graphs_ok($node, 'after cancelling', qw(t_l2 wide_cosine));

# Sessions that are terminated
my $state = 5;
my $terminated = 0;
for my $name (sort keys %statements)
{
	my ($in, $out, $err) = ("SET enable_seqscan = off;\n" . "$statements{$name};\n" x 200, '', '');
	my $session = IPC::Run::start([ 'psql', '-X', '-A', '-t', '-q', '-d', $node->connstr('postgres') . ' application_name=victim' ],
		'<', \$in, '>', \$out, '2>', \$err);
	usleep(50_000 + draw(\$state, 200_000));
	$terminated += $node->safe_psql('postgres',
		"SELECT count(pg_terminate_backend(pid, 180000)) FROM pg_stat_activity WHERE application_name = 'victim'");
	$session->finish;
	$node->safe_psql('postgres', 'SET client_min_messages = error; DROP INDEX IF EXISTS cancelled');
}
cmp_ok($terminated, '>', 5, 'sessions were terminated');
$node->safe_psql('postgres', 'VACUUM (INDEX_CLEANUP on) t');
graph_is($node, 'after terminating', 't', '<->', 'point(-1, 64)');
graph_is($node, 'after terminating', 'wide', '<=>', 'point(-1, 1500)');
graphs_ok($node, 'after terminating', qw(t_l2 wide_cosine));

# No room for the index: files of the server may not grow beyond a limit, which is what a full disk looks like.
SKIP:
{
	skip 'prlimit is not there', 1 if system('prlimit --version >/dev/null 2>&1') != 0;
	my ($postmaster) = split /\n/, slurp_file($node->data_dir . '/postmaster.pid');
	my $limit = 20 << 20;    # segments of the log need 16 MB
	$node->safe_psql('postgres', <<'SQL');
CREATE TABLE narrow (id int, v vector(2));
CREATE FUNCTION widened(v vector) RETURNS vector LANGUAGE sql IMMUTABLE SET search_path = public AS $$
	SELECT (array_fill((v::real[])[1], ARRAY[1500]) || array_fill((v::real[])[2], ARRAY[1500]))::vector
$$;
CREATE INDEX narrow_wide ON narrow USING hnsw ((public.widened(v)::vector(3000)) vector_l2_ops);
INSERT INTO narrow SELECT i, ARRAY[i, 1]::vector FROM generate_series(1, 900) i;
SQL
	system_or_bail('prlimit', '--pid', $postmaster, "--fsize=$limit:");
	my ($ret, $out, $err) = $node->psql('postgres', 'INSERT INTO narrow SELECT i, ARRAY[i, 1]::vector FROM generate_series(1001, 6000) i');
	like($err, qr/could not (extend|write)[^\n]*(File too large|No space)/, 'an insert that finds no room fails');
	my $query = "(SELECT id FROM narrow ORDER BY public.widened(v)::vector(3000) <-> public.widened('[500,1]')::vector(3000) LIMIT 1)";
	is($node->safe_psql('postgres', "SET enable_seqscan = off; SELECT (SELECT count(*) FROM narrow), $query"), '900|500',
		'the rows are as they were, and found');
	system_or_bail('prlimit', '--pid', $postmaster, '--fsize=unlimited:');
	graphs_ok($node, 'after a full disk', 'narrow_wide');
	$node->safe_psql('postgres', 'VACUUM (INDEX_CLEANUP on) narrow');
	$node->safe_psql('postgres', 'INSERT INTO narrow SELECT i, ARRAY[i, 1]::vector FROM generate_series(1001, 1500) i');
	graphs_ok($node, 'with room again', 'narrow_wide');
	is($node->safe_psql('postgres', "SELECT rows FROM annex_index_info('narrow_wide')"), '1400', 'all rows are there');
}

is($node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()'), $started, 'the server was up all the time');
log_is_clean($node, killed => 1);
$node->stop;
done_testing();

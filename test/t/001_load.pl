# Loading the library leaves the process as it was: no thread is started and arithmetic stays the same. A build uses
# threads and gives them back.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'counts the tasks under /proc' unless -d '/proc/self/task';

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->start;

# psql runs a shell command between two statements of one session; $BACKEND is the session's process.
my $tasks = "\\! ls /proc/\$BACKEND/task | wc -l\n";
my $arithmetic = q{
	SELECT '1e-310'::float8 * 1, '2.5e-308'::float8 / 3, '1e-40'::float4 * '1'::float4, '1e-38'::float4 / '4'::float4;
};
my $prelude = q{
	SELECT pg_backend_pid() AS pid \gset
	\setenv BACKEND :pid
};

# A session that loads the library explicitly.
my $out = $node->safe_psql('postgres', "$prelude $tasks $arithmetic LOAD 'annex';\n $tasks $arithmetic");
my @lines = split /\n/, $out;
is(scalar @lines, 4, 'two counts and two results');
is($lines[0], '1', 'the session has one task before LOAD');
is($lines[2], '1', 'LOAD starts no thread');
like($lines[1], qr/^1e-310\|8\.3\d*e-309\|1e-40\|2\.5e-39$/, 'denormal numbers are exact before LOAD');
is($lines[3], $lines[1], 'LOAD changes no floating-point state');

# A session that builds an index with as many threads as it may, and then uses it.
my $build = q{
	CREATE EXTENSION annex;
	CREATE TABLE t (v vector(16));
	SELECT setseed(0.5) \gset ignored_
	INSERT INTO t SELECT ARRAY(SELECT random() FROM generate_series(1, 16) WHERE i > 0)::real[]::vector
		FROM generate_series(1, 5000) i;
	SET max_parallel_maintenance_workers = 4;
	CREATE INDEX ON t USING ivf (v vector_l2_ops) WITH (lists = 50);
	SET enable_seqscan = off;
	SELECT count(*) FROM (SELECT FROM t ORDER BY v <-> (SELECT v FROM t LIMIT 1) LIMIT 10) x;
};
$out = $node->safe_psql('postgres', "$prelude $build $tasks $arithmetic");
is($out, "10\n1\n$lines[1]", 'a build gives its threads back and leaves arithmetic as it was');

# The whole server loads it before it forks.
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'annex'");
$node->restart;
my ($postmaster) = split /\n/, slurp_file($node->data_dir . '/postmaster.pid');
my @postmaster_tasks = glob("/proc/$postmaster/task/*");
is(scalar @postmaster_tasks, 1, 'the postmaster stays without threads');
$out = $node->safe_psql('postgres', "$prelude $tasks $arithmetic");
is($out, "1\n$lines[1]", 'so does a session of it');

$node->stop;
done_testing();

# Allocations that our code asks for fail, one or that one and all after it, in building, inserting,
# scanning and vacuuming: each time an error for want of memory and a session that works on, until the statement succeeds.
#
# To try each single one: ANNEX_ALLOCATIONS=all
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use IvfData;
use Server;

my $every_one = ($ENV{ANNEX_ALLOCATIONS} // '') eq 'all';
my $state = 99;

my $node = new_server('main', testing => 1, settings => <<'CONF');
max_parallel_maintenance_workers = 2
min_parallel_table_scan_size = 0
work_mem = 1MB
CONF
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE t (id int, v vector(10)) WITH (parallel_workers = 2);
INSERT INTO t SELECT i, point(i, 10) FROM generate_series(1, 300) i;
INSERT INTO t SELECT i, NULL FROM generate_series(301, 310) i;
CREATE INDEX t_l2 ON t USING ivf (v vector_l2_ops) WITH (lists = 3, spill = on);
CREATE TABLE wide (id int, v vector(9000));
INSERT INTO wide SELECT i, point(i, 9000) FROM generate_series(1, 4) i;
CREATE INDEX wide_ip ON wide USING ivf (v vector_ip_ops) WITH (lists = 1, spill = off);
-- of more than 1,000 blocks, so that threads train the lists
CREATE TABLE large (id int, v vector(10), filler char(1900));
INSERT INTO large SELECT i, point(i, 10), '' FROM generate_series(1, 4100) i;
CREATE TABLE nothing (v vector(10));
CREATE TABLE source AS SELECT i, point(1000 + i, 10) AS v FROM generate_series(1, 3) i;
CREATE TABLE wide_source AS SELECT i, point(1000 + i, 9000) AS v FROM generate_series(1, 2) i;
SQL
my $started = $node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()');

# name => [statement before that is not counted, the statement]
my %statements = (
	'1 build' => [ '', 'CREATE INDEX failed ON t USING ivf (v vector_cosine_ops) WITH (lists = 4, spill = on)' ],
	'1 build choosing' => [ '', 'CREATE INDEX failed ON t USING ivf (v vector_l2_ops)' ],
	'1 build of wide rows' => [ '', 'CREATE INDEX failed ON wide USING ivf (v vector_l2_ops) WITH (lists = 2)' ],
	'1 build of nothing' => [ '', 'CREATE INDEX failed ON nothing USING ivf (v vector_ip_ops)' ],
	'1 build by threads' => [ '', 'CREATE INDEX failed ON large USING ivf (v vector_l2_ops) WITH (lists = 5)' ],
	'2 insert' => [ '', 'INSERT INTO t SELECT i, v FROM source' ],
	'2 insert of wide rows' => [ '', 'INSERT INTO wide SELECT i, v FROM wide_source' ],
	'3 scan' => [ '', 'SELECT count(*) FROM (SELECT id FROM t ORDER BY v <-> point(-1, 10) OFFSET 0) s' ],
	'3 scan of few' => [ '', 'SELECT id FROM t ORDER BY v <-> point(-1, 10) LIMIT 5' ],
	'3 scan without a cache' => [ 'SET ivf.cache_size = 0', 'SELECT id FROM t ORDER BY v <-> point(-1, 10) LIMIT 5' ],
	'3 scan of wide rows' => [ '', 'SELECT count(*) FROM (SELECT id FROM wide ORDER BY v <#> point(-1, 9000) OFFSET 0) s' ],
	'4 vacuum' => [ 'DELETE FROM t WHERE id % 7 = 3', 'VACUUM (INDEX_CLEANUP on) t' ],
	'4 maintenance' => [ 'DELETE FROM t WHERE id % 7 = 3', q{SELECT annex_maintain('t_l2', true)} ],
	'4 maintenance of wide rows' => [ '', q{SELECT annex_maintain('wide_ip', true)} ],
	'5 verify' => [ '', q{SELECT annex_verify('t_l2', true)} ],
	'5 info' => [ '', q{SELECT annex_index_info('t_l2')} ],
	'5 values' => [ '', q{SELECT count(v), avg(v), sum(v), array_agg(v::text::vector + v)::text FROM t} ]);

# What happens with the N-th allocation failing: by one session that has used nothing yet.
#	error: 53200, and the same session then reads and writes as before
sub try_allocation
{
	my ($name, $n) = @_;
	my ($before, $statement) = @{ $statements{$name} };
	$before .= ';' if $before;
	my $script = <<"SQL";
LOAD 'annex';
SET client_min_messages = error;
SET enable_seqscan = off;
$before
SET annex.fail_allocation = $n;
$statement;
\\echo state :SQLSTATE
SHOW annex.fail_allocation;
SET annex.fail_allocation = 0;
SELECT 'healthy', count(*) > 0 FROM (SELECT id FROM t ORDER BY v <-> point(-2, 10) LIMIT 3) s;
BEGIN; INSERT INTO t SELECT i, v FROM source; INSERT INTO wide SELECT i, v FROM wide_source; ROLLBACK;
DROP INDEX IF EXISTS failed;
SQL
	my ($ret, $stdout, $stderr) = $node->psql('postgres', $script, on_error_stop => 0);
	my ($sqlstate, $left) = $stdout =~ /^state (\w+)\n(\d+)$/m;
	my @errors = $stderr =~ /ERROR:/g;
	my $healthy = $ret == 0 && $stdout =~ /^healthy\|t$/m && @errors == (($sqlstate // '') eq '00000' ? 0 : 1);
	return ($sqlstate // 'no state', $left // 0, $healthy, $stderr);
}

for my $name (sort keys %statements)
{
	my ($failed, @wrong) = (0);
	my $step = 0;
	for (my $n = 1; ; $n += $every_one || $n < 6 ? 1 : 1 + draw(\$state, $n))
	{
		my $still = 0;
		for my $signed ($every_one ? ($n, -$n) : ++$step % 3 ? $n : -$n)
		{
			my ($sqlstate, $left, $healthy, $stderr) = try_allocation($name, $signed);
			push @wrong, "allocation $signed: $sqlstate, " . ($healthy ? 'healthy' : 'not healthy') . " $stderr"
			  if !$healthy || $sqlstate !~ /^(00000|53200)$/;
			$failed++ if $sqlstate eq '53200';
			# a statement may do without what it did not get
			$still = 1 if $sqlstate ne '00000' || $left < ($signed < 0 ? 2 : 1);
		}
		last if @wrong || !$still;
	}
	is(join("\n", @wrong), '', "$name: $failed allocations failed, with an error and a healthy session");
	cmp_ok($failed, '>', 3, "$name: allocations failed");
}
compare_is($node, 'afterwards', 't', '<->', 'point(-1, 10)');
compare_is($node, 'afterwards', 'wide', '<#>', 'point(-1, 9000)');
verify_ok($node, 'afterwards', qw(t_l2 wide_ip));
is($node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()'), $started, 'the server was up all the time');
log_is_clean($node);
$node->stop;
done_testing();

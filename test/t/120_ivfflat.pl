# What an index of ivfflat finds: exactly the rows of as many lists as are to be probed, more where the scan may go on, and
# among them the nearest ones; and what CREATE INDEX shows of itself while it runs.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use IvfData;
use Server;

my $node = new_server('main', settings => "shared_buffers = 128MB\nmax_parallel_maintenance_workers = 0");
$node->safe_psql('postgres', 'ALTER FUNCTION compare SET ivfflat.probes = 32768');

my ($rows, $lists, $dimensions) = (6000, 40, 32);
my $state = 5;
my $next = clustered(\$state, $dimensions, 80, 8);
$node->safe_psql('postgres', "CREATE TABLE t (id int, v vector($dimensions)); CREATE TABLE queries (n int, q vector($dimensions))");
copy_vectors($node, 't', 1, $rows, $next);
copy_vectors($node, 'queries', 1, 50, $next);
# pairs of rows that have the same distance from everything
$node->safe_psql('postgres', "INSERT INTO t SELECT id + $rows, v FROM t WHERE id % 20 = 0; ANALYZE t");
my $total = $node->safe_psql('postgres', 'SELECT count(*) FROM t');

# The ids that a scan returns without LIMIT.
sub scan
{
	my ($operator, $query, $settings) = @_;
	return split /\n/, $node->safe_psql('postgres',
		"SET enable_seqscan = off; $settings; SELECT id FROM t ORDER BY v $operator (SELECT q FROM queries WHERE n = $query)");
}

# Probes -----------------------------------------------------------------------------------------------------------
#
# Each probe more adds one list: the rows that the list has. So the steps of any query divide the table in the same way.

sub lists_by_probing
{
	my ($operator, $query) = @_;
	my $script = join '', map {
		"SET ivfflat.probes = $_; SELECT id FROM t ORDER BY v $operator (SELECT q FROM queries WHERE n = $query);\n\\echo ==\n"
	} 1 .. $lists;
	my @scans = split /^==\n?/m, $node->safe_psql('postgres', "SET enable_seqscan = off;\n$script");
	my %list_of;
	for my $probes (1 .. $lists)
	{
		my @ids = split /\n/, $scans[ $probes - 1 ];
		my %seen;
		return "a row comes twice with $probes probes" if grep { $seen{$_}++ } @ids;
		return "a row is lost with $probes probes" if grep { !$seen{$_} } keys %list_of;
		my @new = sort { $a <=> $b } grep { !exists $list_of{$_} } @ids;
		return "no row in list $probes" unless @new;
		$list_of{$_} = $new[0] for @new;
	}
	return keys %list_of == $total ? \%list_of : 'a row is in no list';
}

for my $case ([ '<->', 'l2' ], [ '<=>', 'cosine' ], [ '<#>', 'ip' ])
{
	my ($operator, $class) = @$case;
	$node->safe_psql('postgres', "CREATE INDEX flat ON t USING ivfflat (v vector_${class}_ops) WITH (lists = $lists)");
	is($node->safe_psql('postgres', q{SELECT lists, rows, entries FROM annex_index_info('flat')}), "$lists|$total|$total",
		"$operator: as many lists as asked for, each row in one");
	my ($one, $other) = map { lists_by_probing($operator, $_) } 1, 2;
	is_deeply($other, $one, "$operator: each probe adds one list");
	is(ref $one ? 'lists' : $one, 'lists', "$operator: to all rows");

	# Recall of the ten nearest.
	my $before = 0;
	$node->safe_psql('postgres', 'TRUNCATE truth');
	for my $least ([ 1, 0.35 ], [ 4, 0.75 ], [ 10, 0.93 ], [ $lists, 0.999 ])
	{
		my ($probes, $recall) = @$least;
		my $got = recall_of($node, "SET ivfflat.probes = $probes;", "'t', '$operator', 'queries', 10");
		note("$operator, $probes probes: $got");
		cmp_ok($got, '>=', $recall, "$operator: recall with $probes probes");
		cmp_ok($got, '>', $before, "$operator: more probes find more") if $probes < $lists;
		$before = $got;
	}
	compare_is($node, 'every list', 't', $operator, '(SELECT q FROM queries WHERE n = 3)');

	# What the settings allow.
	my $count = sub { my ($settings) = @_; return scalar(my @ids = scan($operator, 4, $settings)) };
	my $three = $count->('SET ivfflat.probes = 3');
	cmp_ok($three, '<', $total, "$operator: three lists are not all");
	is($count->('SET ivfflat.iterative_scan = relaxed_order'), $total, "$operator: a scan that may go on returns all");
	is($count->('SET ivfflat.iterative_scan = relaxed_order; SET ivfflat.max_probes = 3'), $three, "$operator: to as many lists as it may");
	is($count->('SET ivfflat.iterative_scan = relaxed_order; SET ivfflat.max_probes = 2; SET ivfflat.probes = 3'), $three,
		"$operator: which are no fewer than it begins with");
	is($count->('SET ivfflat.max_probes = 2; SET ivfflat.probes = 3'), $three, "$operator: a scan that may not go on knows no such limit");

	# Filters: by themselves they are applied to what the lists have; the filtered scan looks for more.
	my $filtered = sub {
		my ($settings) = @_;
		return $node->safe_psql('postgres', "SET enable_seqscan = off; $settings; SELECT count(*) FROM
			(SELECT id FROM t WHERE id % 200 = 7 ORDER BY v $operator (SELECT q FROM queries WHERE n = 4) LIMIT 25) s");
	};
	cmp_ok($filtered->('SET annex.enable_filtered_scan = off'), '<', 25, "$operator: one list has too few rows that pass");
	is($filtered->('SET annex.enable_filtered_scan = off; SET ivfflat.iterative_scan = relaxed_order'), 25, "$operator: going on finds more");
	is($filtered->(''), 25, "$operator: so does the filtered scan");
	verify_ok($node, $operator, 'flat');
	$node->safe_psql('postgres', 'DROP INDEX flat');
}

# Rows that come one by one are in the lists that they would be in had they been there before: neither recall nor the
# order suffers, and vacuum takes away what has gone.
$node->safe_psql('postgres', <<"SQL");
CREATE TABLE later (id int, v vector($dimensions));
INSERT INTO later SELECT * FROM t WHERE id % 2 = 0;
CREATE INDEX later_flat ON later USING ivfflat (v) WITH (lists = $lists);
INSERT INTO later SELECT * FROM t WHERE id % 2 = 1;
CREATE INDEX flat ON t USING ivfflat (v) WITH (lists = $lists);
TRUNCATE truth;
SQL
my ($at_once, $one_by_one) = map { recall_of($node, 'SET ivfflat.probes = 4;', "'$_', '<->', 'queries', 10") } qw(t later);
note("recall of a build $at_once, after inserts $one_by_one");
cmp_ok($one_by_one, '>', $at_once - 0.05, 'rows that were inserted are found as well as others');
$node->safe_psql('postgres', 'DELETE FROM later WHERE id % 3 = 0');
my $left = $node->safe_psql('postgres', 'VACUUM later; SELECT count(*) FROM later');
is($node->safe_psql('postgres', q{SELECT rows FROM annex_index_info('later_flat')}), $left, 'vacuum removes what was deleted');
$node->safe_psql('postgres', 'TRUNCATE truth');
cmp_ok(recall_of($node, 'SET ivfflat.probes = 4;', "'later', '<->', 'queries', 10"), '>', $at_once - 0.05, 'and nothing else');
compare_is($node, 'after vacuum', 'later', '<->', '(SELECT q FROM queries WHERE n = 5)');
verify_ok($node, 'after vacuum', 'later_flat');

# The statistics of scans know of them.
is( $node->safe_psql(
		'postgres', q{SET enable_seqscan = off; SET ivfflat.probes = 7; SELECT annex_stat_reset('flat');
		SELECT count(*) FROM (SELECT FROM t ORDER BY v <-> (SELECT q FROM queries WHERE n = 1) LIMIT 5) s;
		SELECT scans, lists_probed FROM annex_stat_indexes WHERE indexrelname = 'flat'}),
	"\n5\n1|7", 'a scan has probed as many lists as it was told to');

# What CREATE INDEX shows ----------------------------------------------------------------------------------------------
#
# pgvector's phases in their order, as a session sees them that looks as often as it can.

$node->safe_psql('postgres', "CREATE TABLE many AS SELECT a.id, a.v FROM t a, generate_series(1, 5) i");
my ($watched, $err) = ('', '');
my $watch = PostgreSQL::Test::Utils::tempdir() . '/watch.sql';
append_to_file($watch, <<'SQL');
DO $$ DECLARE
	seen text;
	phases text[];
	began timestamptz := clock_timestamp();
	built bool := false;
BEGIN
	WHILE clock_timestamp() < began + interval '180 s' AND NOT (built AND seen IS NULL) LOOP
		PERFORM pg_stat_clear_snapshot();
		seen := (SELECT phase FROM pg_stat_progress_create_index WHERE relid = 'many'::regclass);
		built := built OR seen IS NOT NULL;
		IF seen IS DISTINCT FROM phases[cardinality(phases)] AND seen IS NOT NULL THEN phases := phases || seen; END IF;
		PERFORM pg_sleep(0.001);
	END LOOP;
	PERFORM set_config('test.phases', array_to_string(phases, ','), false);
END $$;
SELECT current_setting('test.phases');
SQL
my $watcher = IPC::Run::start([ 'psql', '-X', '-A', '-t', '-q', '-d', $node->connstr('postgres'), '-f', $watch ], '>', \$watched, '2>', \$err);
$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE query LIKE 'DO %' AND state = 'active'});
$node->safe_psql('postgres', 'CREATE INDEX many_flat ON many USING ivfflat (v vector_cosine_ops) WITH (lists = 300)');
ok($watcher->finish, 'somebody has watched a build') or diag($err);
chomp $watched;
my @phases = split /,/, $watched;
note("phases: @phases");
my @known = map { "building index: $_" } 'initializing', 'performing k-means', 'assigning tuples', 'loading tuples';
my %number = map { $known[$_] => $_ } 0 .. $#known;
is(join(', ', grep { !exists $number{$_} && !/^(initializing|building index)$/ } @phases), '', 'no other phases than pgvector\'s');
my @numbers = grep { defined } map { $number{$_} } @phases;
is("@numbers", join(' ', sort { $a <=> $b } @numbers), 'in their order');
ok((grep { $_ == 1 } @numbers) && (grep { $_ == 2 } @numbers), 'training and assigning among them');
verify_ok($node, 'built under a watchful eye', 'many_flat');

log_is_clean($node);
$node->stop;
done_testing();

# The free space map is not written to the log: after a crash it may promise room on any page, or on pages that are not
# there, or be gone. It is a hint, and inserts check what it says.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use IvfData;
use IvfFile;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "autovacuum = off\nmax_parallel_maintenance_workers = 0");
system_log('pg_checksums', '--disable', '--pgdata', $node->data_dir);    # the default from 18 on
$node->start;
prepare($node);
my %dimensions = (small => 16, wide => 9000);
my %rows = (small => 2000, wide => 30);
for my $table (sort keys %dimensions)
{
	my ($d, $n) = ($dimensions{$table}, $rows{$table});
	$node->safe_psql('postgres', "CREATE TABLE $table (id int, v vector($d));
		INSERT INTO $table SELECT i, point(i, $d) FROM generate_series(1, $n) i;
		CREATE INDEX ${table}_l2 ON $table USING ivf (v vector_l2_ops) WITH (lists = 2, spill = on);
		INSERT INTO $table SELECT i, CASE WHEN i % 7 > 0 THEN point(i, $d) END FROM generate_series(1, $n) i;
		DELETE FROM $table WHERE id % 4 = 0");
	$node->safe_psql('postgres', "VACUUM (INDEX_CLEANUP on) $table");
}

# A map that promises all the room of a page on some, and none on others: PostgreSQL's format
# (storage/freespace/README), a tree of bytes on each of three pages, the root's, its first child's and the leaves'.
my $nodes_at = 24 + 4;
my $leaf = 8192 / 2 - 1;

sub lie
{
	my ($path, @blocks) = @_;
	my $bytes = slurp_file($path);
	for my $page (0 .. 2)
	{
		my $start = $page * 8192 + $nodes_at;
		substr($bytes, $start, 8192 - $nodes_at) = "\0" x (8192 - $nodes_at);
		for my $slot ($page == 2 ? @blocks : 0)
		{
			# the leaf and all nodes above it
			for (my $node = $leaf + $slot;; $node = ($node - 1) >> 1)
			{
				substr($bytes, $start + $node, 1) = "\xff";
				last if $node == 0;
			}
		}
	}
	open my $file, '>:raw', $path or die "cannot write $path: $!";
	print $file $bytes;
	close $file or die "cannot write $path: $!";
	return;
}

# Waiting for a page that one holds oneself would never end, and cannot be cancelled.
sub insert_ok
{
	my ($name, $statement) = @_;
	my $timed_out = 0;
	my ($ret, undef, $stderr) = $node->psql('postgres', $statement, timeout => $PostgreSQL::Test::Utils::timeout_default,
		timed_out => \$timed_out);
	return if is(($timed_out ? 'hangs' : $ret) . " $stderr", '0 ', $name);
	$node->stop('immediate');
	BAIL_OUT('an insert hangs') if $timed_out;
	die $name;
}

for my $case ('promises room everywhere', 'promises room on the pages of lists', 'is gone')
{
	my %path = map { $_ => $node->data_dir . '/' . $node->safe_psql('postgres', "SELECT pg_relation_filepath('${_}_l2')") . '_fsm' }
	  keys %dimensions;
	$node->stop;
	for my $table (sort keys %dimensions)
	{
		ok(-s $path{$table}, "$table has a map");
		my ($index) = $path{$table} =~ /(.*)_fsm$/;
		if ($case =~ /everywhere/) { lie($path{$table}, 0 .. 4000) }
		elsif ($case =~ /lists/) { lie($path{$table}, IvfFile->new($index)->list_pages(1)) }
		else { unlink $path{$table} or die "cannot remove $path{$table}: $!" }
	}
	$node->start;
	for my $table (sort keys %dimensions)
	{
		my ($d, $n) = ($dimensions{$table}, $rows{$table});
		insert_ok("a map that $case: rows are inserted into $table",
			"INSERT INTO $table SELECT i, CASE WHEN i % 7 > 0 THEN point(i, $d) END FROM generate_series($n, 2 * $n) i");
		compare_is($node, "a map that $case", $table, '<->', "point(-1, $d)");
		$node->safe_psql('postgres', "DELETE FROM $table WHERE id % 5 = 0");
		$node->safe_psql('postgres', "VACUUM (INDEX_CLEANUP on) $table");
		insert_ok("a map that $case: rows are inserted into $table after vacuum",
			"INSERT INTO $table SELECT i, point(i, $d) FROM generate_series(1, $n) i");
		compare_is($node, "a map that $case, after vacuum", $table, '<->', "point(-1, $d)");
		verify_ok($node, "a map that $case", "${table}_l2");
	}
}

# Pages that maintenance has freed are found again by the next vacuum.
$node->safe_psql('postgres', 'CREATE TABLE freed (id int, v vector(16));
	INSERT INTO freed SELECT i, point(i, 16) FROM generate_series(1, 3000) i;
	CREATE INDEX freed_l2 ON freed USING ivf (v vector_l2_ops) WITH (lists = 40, spill = on)');
sub sql { return $node->safe_psql('postgres', shift) }
sql("SELECT annex_maintain('freed_l2', true)");
sql('SELECT pg_current_xact_id()');
cmp_ok(sql("SELECT pages_freed FROM annex_maintain('freed_l2')"), '>', 30, 'maintenance frees pages');
my $map = $node->data_dir . '/' . sql("SELECT pg_relation_filepath('freed_l2')") . '_fsm';
$node->stop;
unlink $map or die "cannot remove $map: $!";
$node->start;
sql('DELETE FROM freed WHERE id % 100 = 0');
sql('VACUUM (INDEX_CLEANUP on) freed');
my $size = sql("SELECT pg_relation_size('freed_l2')");
sql("SELECT annex_maintain('freed_l2', true)");
is(sql("SELECT pg_relation_size('freed_l2')"), $size, 'vacuum finds free pages that the map has lost, and they are used again');
verify_ok($node, 'a map that was lost', 'freed_l2');
$node->stop;
done_testing();

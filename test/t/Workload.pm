# Two tables that many sessions write to at the same time, with indexes of every kind, and what these sessions do: for
# tests that break off at any moment, or copy the server meanwhile.
package Workload;

use strict;
use warnings;

use Exporter 'import';
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;

use IvfData;

our @EXPORT = qw(@written_indexes %kinds_of_work create_written written_ok vacuumed_ok start_pgbench finish_pgbench);

our @written_indexes = qw(t_empty t_l2 t_cosine t_bits wide_l2);

sub create_written
{
	my ($node) = @_;
	$node->safe_psql('postgres', <<'SQL');
CREATE TABLE t (id bigserial, v vector(24), n int DEFAULT 0, m int DEFAULT 0);
CREATE INDEX t_id ON t (id);
CREATE INDEX t_empty ON t USING ivf (v vector_ip_ops) WITH (spill = on);
INSERT INTO t (v) SELECT point(i, 24) FROM generate_series(1, 500) i;
CREATE INDEX t_l2 ON t USING ivf (v vector_l2_ops, n) WITH (lists = 5, spill = on);
CREATE INDEX t_cosine ON t USING ivf (v vector_cosine_ops);
CREATE INDEX t_bits ON t USING ivf ((binary_quantize(v)::bit(24)) bit_jaccard_ops) WITH (lists = 4, spill = on);
-- rows of two pages, and none; they are costly to compute, which is done once here
CREATE TABLE wide (id bigserial, v vector(9000));
CREATE INDEX wide_l2 ON wide USING ivf (v vector_l2_ops, id) WITH (spill = on);
CREATE TABLE wide_source AS SELECT i, point(100 + i, 9000) AS v FROM generate_series(0, 19) i;
INSERT INTO wide (v) SELECT v FROM wide_source WHERE i < 4;
SQL
	return;
}

# Every index is sound and has every row, and answers as sorting does.
sub written_ok
{
	my ($node, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	verify_ok($node, $name, @written_indexes);
	compare_is($node, $name, 't', $_, 'point(-1, 24)') for '<->', '<#>', '<=>';
	compare_is($node, $name, 'wide', '<->', 'point(-1, 9000)');
	filtered_is($node, $name, 't_l2', 't WHERE n > 0', 'v <->', 'point(-1, 24)');
	filtered_is($node, $name, 'wide_l2', 'wide WHERE id % 2 = 0 AND id > 10', 'v <->', 'point(-1, 9000)');
	filtered_is($node, $name, 't_bits', 't WHERE n > 0', 'binary_quantize(v)::bit(24) <%>', 'binary_quantize(point(-1, 24))');
	return;
}

# The rows that satisfy a condition come in the order in which sorting gives them.
sub filtered_is
{
	my ($node, $name, $index, $rows, $distance_to, $query) = @_;
	my $nearest = "'" . $node->safe_psql('postgres', "SELECT $query") . "'";
	my $distances = "SELECT coalesce(array_agg(distance)::text, '{}') FROM (SELECT $distance_to $nearest AS distance FROM $rows"
	  . " ORDER BY $distance_to $nearest) s;";
	my $answers = $node->safe_psql('postgres', 'SET ivf.probes = 32768; SET ivf.epsilon = 10; SET enable_bitmapscan = off;'
		. "SET enable_seqscan = off; EXPLAIN $distances $distances SET enable_indexscan = off; SET enable_seqscan = on; $distances");
	my @answers = $answers =~ /^(\{.*\})$/mg;
	local $Test::Builder::Level = $Test::Builder::Level + 2;
	like($answers, qr/using $index/, "$name: $rows by $index");
	return is($answers[0], $answers[1], "$name: $rows as sorted");
}

# What dead rows and interrupted changes have left is cleared away.
sub vacuumed_ok
{
	my ($node, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$node->safe_psql('postgres', "VACUUM (INDEX_CLEANUP on) $_") for qw(t wide);
	is($node->safe_psql('postgres', q{SELECT count(*) = rows + first_rows + nan_rows + null_rows, stale_entries
		FROM t, annex_index_info('t_l2') i GROUP BY i.rows, i.first_rows, i.nan_rows, i.null_rows, i.stale_entries}),
		't|0', "$name: vacuum leaves one place for each row");
	verify_ok($node, "$name, vacuumed", @written_indexes);
	return;
}

# What one session does at a time: how often among others, and statements in which :i is a number drawn at random.
our %kinds_of_work = (
	insert => [ 8, 'INSERT INTO t (v) VALUES (point(:i, 24)), (point(:i + 1, 24))' ],
	many => [ 2, 'INSERT INTO t (v) SELECT point(:i + j, 24) FROM generate_series(1, 60) j' ],
	# without a vector, without a direction, and nearly so
	odd => [ 1, 'INSERT INTO t (v) SELECT CASE j % 3 WHEN 0 THEN NULL WHEN 1 THEN array_fill(0, ARRAY[24])::vector'
		  . ' ELSE array_fill(1e-30, ARRAY[24])::vector END FROM generate_series(1, 300) j' ],
	update => [ 3, 'UPDATE t SET v = point(:i, 24), n = n + 1 WHERE id % 97 = :i % 97' ],
	hot => [ 2, 'UPDATE t SET m = m + 1 WHERE id % 89 = :i % 89' ],
	delete => [ 2, 'DELETE FROM t WHERE id % 13 = :i % 13' ],
	rollback => [ 1, 'BEGIN; INSERT INTO t (v) SELECT point(:i + j, 24) FROM generate_series(1, 30) j; ROLLBACK' ],
	savepoint => [ 1, 'BEGIN; INSERT INTO t (v) VALUES (point(:i, 24)); SAVEPOINT s; INSERT INTO t (v) SELECT point(:i + j, 24)'
		  . ' FROM generate_series(1, 20) j; ROLLBACK TO s; INSERT INTO t (v) VALUES (point(:i, 24)); COMMIT' ],
	wide => [ 2, 'INSERT INTO wide (v) SELECT v FROM wide_source WHERE i = :i % 20' ],
	wide_delete => [ 1, 'DELETE FROM wide WHERE id % 3 = :i % 3' ],
	vacuum => [ 2, 'VACUUM (INDEX_CLEANUP on, TRUNCATE off) t' ],
	wide_vacuum => [ 1, 'VACUUM (INDEX_CLEANUP on, TRUNCATE off) wide' ],
	checkpoint => [ 1, 'CHECKPOINT' ],
	scan => [ 1, 'SELECT count(*) FROM (SELECT id FROM t ORDER BY v <-> point(:i, 24) LIMIT 50) s' ],
	reindex => [ 1, 'REINDEX INDEX t_cosine' ],
	map { ("maintain_$_" => [ 1, "SELECT annex_maintain('$_', true)" ]) } @written_indexes);

# pgbench with so many sessions, each of which does so many pieces of work; they and their order follow from the seed.
my ($folder, @scripts, $output);
sub start_pgbench
{
	my ($node, $sessions, $transactions, $seed) = @_;
	if (!$folder)
	{
		$folder = PostgreSQL::Test::Utils::tempdir();
		for my $kind (sort keys %kinds_of_work)
		{
			my ($weight, $statements) = @{ $kinds_of_work{$kind} };
			append_to_file("$folder/$kind.sql", "\\set i random(1, 100000)\n$statements;\n");
			push @scripts, '-f', "$folder/$kind.sql\@$weight";
		}
	}
	$output = '';
	return IPC::Run::start([ 'pgbench', '-n', '-c', $sessions, '-j', '1', '-t', $transactions, '--random-seed', $seed, @scripts,
			$node->connstr('postgres') ], '<', '/dev/null', '>', \$output, '2>', \$output);
}

# Deadlocks among updates of the same rows are theirs to bear.
sub finish_pgbench
{
	my ($writing, $name) = @_;
	$writing->finish;
	my @errors = grep { !/deadlock/ } $output =~ /(?:ERROR|FATAL|PANIC):.*/g;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is(join("\n", @errors), '', "$name: no writer failed");
}

1;

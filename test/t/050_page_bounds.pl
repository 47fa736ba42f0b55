# Numbers of the page header and of chains that PostgreSQL's own checks let pass, but that its WAL code or its
# ReadBuffer would stumble over, are found before anything is written.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use IvfFile;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
# PostgreSQL's own checksums would find all of it first; from 18 on they are the default.
$node->append_conf('postgresql.conf', <<'CONF');
autovacuum = off
max_parallel_maintenance_workers = 0
fsync = off
restart_after_crash = off
CONF
system_log('pg_checksums', '--disable', '--pgdata', $node->data_dir);
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION annex;
	CREATE TABLE t (id serial PRIMARY KEY, v vector(3));
	INSERT INTO t (v) SELECT ARRAY[i % 37, i % 41, i % 43]::vector FROM generate_series(1, 400) i;
	INSERT INTO t (v) SELECT NULL FROM generate_series(1, 1357);
	CREATE INDEX t_v ON t USING ivf (v vector_l2_ops) WITH (lists = 1, spill = off);
});
my $path = $node->data_dir . '/' . $node->safe_psql('postgres', q{SELECT pg_relation_filepath('t_v')});
$node->stop;
my $sound = IvfFile->new($path)->{bytes};

# Damages the sound index, runs a statement on it and returns what psql wrote and how large the index is then.
sub run_on_damaged
{
	my ($damage, $statement) = @_;
	my $file = IvfFile->new($path);
	$file->{bytes} = $sound;
	$damage->($file);
	$file->save;
	$node->start;
	my ($stdout, $stderr);
	$node->psql('postgres', $statement, stdout => \$stdout, stderr => \$stderr);
	my $size = $node->safe_psql('postgres', q{SELECT pg_relation_size('t_v')});
	$node->stop;
	return ($stderr, $size);
}

my $insert = q{INSERT INTO t (v) VALUES ('[1,2,3]')};
for my $case (['list page', sub { ($_[0]->list_pages(1))[-1] }], ['row page', sub { ($_[0]->row_pages(1))[-1] }])
{
	my ($name, $block_of) = @$case;
	my ($stderr) = run_on_damaged(
		sub {
			my ($file) = @_;
			my $block = $block_of->($file);
			# The free space begins and ends where the page's contents do.
			$file->put_u16($block, 14, $file->u16($block, IvfFile::LOWER));
		},
		$insert);
	like($stderr, qr/the page header is not that of an ivf index/, "$name with no room by its header");
}

# 0xffffffff asks ReadBuffer for a new page.
my ($stderr, $size) = run_on_damaged(
	sub {
		my ($file) = @_;
		my ($block) = $file->pages(IvfFile::DESCRIPTORS);
		$file->put_u32($block, IvfFile::DESCRIPTOR_INSERT, 0xffffffff);
		$file->put_u32($block, IvfFile::DESCRIPTOR_LAST, 0xffffffff);
	},
	$insert);
like($stderr, qr/a list ends at an impossible page/, 'list that ends nowhere');
# The insert may have added a row page before, and no other.
cmp_ok($size, '<=', length($sound) + IvfFile::PAGE, 'the index has not grown');

($stderr) = run_on_damaged(
	sub { $_[0]->put_u32(($_[0]->pages(IvfFile::SIDE))[0], IvfFile::NEXT, 4000000) },
	q{SET enable_seqscan = off; SET enable_sort = off;
	  SELECT count(*) FROM (SELECT 1 FROM t ORDER BY v <-> '[1,2,3]' LIMIT 100000) q});
like($stderr, qr/a side chain names an impossible page/, 'side chain that leads out of the index, in a scan');

done_testing();

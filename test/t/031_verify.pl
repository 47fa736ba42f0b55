# annex_verify finds damage, says where and what, and lets sound indexes pass.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use IvfFile;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "autovacuum = off\nfsync = off\nmax_parallel_maintenance_workers = 0");
# PostgreSQL's own checksums would find damage first; from 18 on they are the default.
system_log('pg_checksums', '--disable', '--pgdata', $node->data_dir);
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION annex;
	SELECT setseed(0.5);

	-- Small rows, many on a page; two copies of each sketch; rows for each side chain.
	CREATE TABLE small (id serial PRIMARY KEY, v vector(3));
	INSERT INTO small (v) SELECT ARRAY[random(), random(), random()]::vector FROM generate_series(1, 2000);
	INSERT INTO small (v) SELECT NULL FROM generate_series(1, 5);
	INSERT INTO small (v) SELECT '[0,0,0]' FROM generate_series(1, 6);
	INSERT INTO small (v) SELECT '[1e-30,0,0]' FROM generate_series(1, 7);

	-- Rows that take two pages each.
	CREATE TABLE large (id serial PRIMARY KEY, v vector(9000));
	INSERT INTO large (v) SELECT
		(SELECT array_agg(random() + 0 * (i + g)) FROM generate_series(1, 9000) g)::vector FROM generate_series(1, 12) i;

	-- Filter columns.
	CREATE TABLE filtered (id serial PRIMARY KEY, v vector(3), n integer, flag boolean);
	INSERT INTO filtered (v, n, flag) SELECT ARRAY[random(), random(), i]::vector, i, i % 2 = 0 FROM generate_series(1, 400) i;
	INSERT INTO filtered (v, n) SELECT NULL, i FROM generate_series(1, 5) i;
});

# Each kind of damage: to which table's index, what, and what annex_verify must say of it.
my $lists = 5;
my @damage = (
	['meta page: dimensions', 'small', sub { $_[0]->put_u32(0, IvfFile::META_DIMENSIONS, 4000000) },
		qr/Block 0: the number of dimensions is impossible/],
	['meta page: lists', 'small', sub { $_[0]->put_u32(0, IvfFile::META_LISTS, $lists - 1) },
		qr/Block 0: there are not as many lists as the meta page says/],
	['meta page: calibration', 'small', sub { $_[0]->put_u32(0, IvfFile::META_LAST_PATIENCE, 0x7fc00000) },
		qr/Block 0: the calibration is impossible/],
	['magic', 'small', sub { $_[0]->put_u32(($_[0]->pages(IvfFile::ROWS))[0], IvfFile::MAGIC, 1) },
		qr/the page does not belong to an ivf index/],
	['kind', 'small', sub { $_[0]->put_u8(($_[0]->list_pages(1))[0], IvfFile::KIND, IvfFile::SIDE) },
		qr/the page is of another kind than expected/],
	['unknown kind', 'small', sub { $_[0]->put_u8(($_[0]->pages(IvfFile::ROWS))[0], IvfFile::KIND, 77) },
		qr/no chain leads to this page/],
	['version', 'small', sub { $_[0]->put_u8(($_[0]->pages(IvfFile::ROWS))[0], IvfFile::VERSION, 99) },
		qr/the page does not belong to an ivf index/],
	['mean: NaN', 'small',
		sub { $_[0]->put_u32(($_[0]->pages(IvfFile::MEAN))[0], IvfFile::MEAN_VALUES, 0x7fc00000) },
		qr/the mean is not finite/],
	['mean: a value too few', 'small', sub { $_[0]->put_u32(($_[0]->pages(IvfFile::MEAN))[0], IvfFile::MEAN_COUNT, 2) },
		qr/the mean has not as many dimensions as the index/],
	['descriptor: state', 'small',
		sub { $_[0]->put_u8(($_[0]->pages(IvfFile::DESCRIPTORS))[0], IvfFile::DESCRIPTOR_LIST, 9) },
		qr/the state of a list is unknown/],
	['descriptor: last page', 'small', sub { $_[0]->put_u32(
				($_[0]->pages(IvfFile::DESCRIPTORS))[0], IvfFile::DESCRIPTOR_LAST, ($_[0]->pages(IvfFile::ROWS))[0]) },
		qr/the list ends here, but its descriptor says elsewhere/],
	['descriptor: first page is another list\'s', 'small', sub {
			my ($file) = @_;
			my ($block) = $file->pages(IvfFile::DESCRIPTORS);
			my $second = $file->u32($block, IvfFile::DESCRIPTOR_FIRST + IvfFile::DESCRIPTOR_SIZE);
			$file->put_u32($block, IvfFile::DESCRIPTOR_FIRST, $second);
		},
		qr/the page belongs to another list than its chain/],
	['descriptor: contiguous run', 'small',
		sub { $_[0]->put_u32(($_[0]->pages(IvfFile::DESCRIPTORS))[0], IvfFile::DESCRIPTOR_CONTIGUOUS, 1000) },
		qr/contiguous/],
	['descriptor: centroid', 'small',
		sub { $_[0]->put_u32(($_[0]->pages(IvfFile::DESCRIPTORS))[0], IvfFile::DESCRIPTOR_CENTROID, 7) },
		qr/a centroid's entry and its list name different rows/],
	['descriptor: rho', 'small',
		sub { $_[0]->put_float(($_[0]->pages(IvfFile::DESCRIPTORS))[0], IvfFile::DESCRIPTOR_RHO, -1) },
		qr/the spread of a list is impossible/],
	['list: a page that leads to itself', 'small',
		sub { my ($block) = $_[0]->list_pages(1); $_[0]->put_u32($block, IvfFile::NEXT, $block) },
		qr/two pages link to this one|contiguous/],
	['list: a page that leads out of the file', 'small',
		sub { $_[0]->put_u32(($_[0]->list_pages(1))[-1], IvfFile::NEXT, 1000000) },
		qr/the page links to a block outside of the index/],
	['list: generation', 'small', sub { $_[0]->put_u32(($_[0]->list_pages(1))[1], IvfFile::LIST_GENERATION, 77) },
		qr/the page belongs to another list than its chain/],
	['list: rows', 'small', sub { $_[0]->put_u16(($_[0]->list_pages(1))[0], IvfFile::LIST_ROWS, 60000) },
		qr/the counts of a sketch page are impossible/],
	['list: a cut head', 'small', sub {
			my ($file) = @_;
			my ($block) = $file->list_pages(1);
			$file->put_u16($block, IvfFile::LIST_ROWS, $file->u16($block, IvfFile::LIST_ROWS) - 9);
		},
		qr/a sketch page is cut where it must not be/],
	['list: live', 'small', sub {
			my ($file) = @_;
			my ($block) = $file->list_pages(1);
			$file->put_u16($block, IvfFile::LIST_LIVE, $file->u16($block, IvfFile::LIST_LIVE) + 1);
		},
		qr/the page's live entries are not as many as it says/],
	['list: end of what is used', 'small',
		sub { $_[0]->put_u16(($_[0]->list_pages(1))[0], IvfFile::LOWER, IvfFile::LIST_AREA) },
		qr/disagree about what is used of it/],
	['entry: factor', 'small', sub {
			my ($file) = @_;
			my ($block) = $file->list_pages(1);
			$file->put_u16($block, $file->trailer($block, 64), 0x7fc0);
		},
		qr/the factors of a sketch are impossible/],
	['entry: heap TID beyond the table', 'small', sub {
			my ($file) = @_;
			my ($block) = $file->list_pages(1);
			$file->put_u16($block, $file->trailer($block, 64) + 192, 9);
		},
		qr/a heap TID lies outside of the table/],
	['entry: heap TID of another row', 'small', sub {
			my ($file) = @_;
			my ($block) = $file->list_pages(1);
			my $tids = $file->trailer($block, 64) + 192;
			$file->put($block, $tids, $file->get($block, $tids + 6, 'a6', 6));
		},
		qr/the row in slot \d+, of heap tuple \(\d+,\d+\), has 1 entries in lists and should have 2/],
	['entry: place on a page of another kind', 'small', sub {
			my ($file) = @_;
			my ($block) = $file->list_pages(1);
			$file->put_u32($block, $file->trailer($block, 64) + 384, 0);
		},
		qr/Block 0: list \d+ has an entry whose row should be here, but this is no page of rows/],
	['entry: killed, though its row lives', 'small', sub {
			my ($file) = @_;
			my ($block) = $file->list_pages(1);
			$file->put_u16($block, $file->trailer($block, 64) + 192 + 4, 0);
			$file->put_u16($block, IvfFile::LIST_LIVE, $file->u16($block, IvfFile::LIST_LIVE) - 1);
		},
		qr/has 1 entries in lists and should have 2/],
	['root: an entry that leads to no list', 'small', sub {
			my ($file) = @_;
			my ($block) = $file->list_pages(0);
			$file->put_u16($block, $file->trailer($block, 64) + 192 + 4, 99);
		},
		qr/a centroid's entry refers to no list/],
	['root: two entries of one list', 'small', sub {
			my ($file) = @_;
			my ($block) = $file->list_pages(0);
			my $tids = $file->trailer($block, 64) + 192;
			$file->put($block, $tids + 6, $file->get($block, $tids, 'a6', 6));
		},
		qr/a list's centroid has two entries/],
	['centroid row: of no list', 'small',
		sub { $_[0]->put_u16(($_[0]->row_pages(2))[0], IvfFile::ROWS_AREA + IvfFile::ROW_TID_OFFSET, 99) },
		qr/the centroid of the list in slot 0 has no row/],
	['centroid row: free', 'small', sub {
			my ($file) = @_;
			my ($block) = $file->row_pages(2);
			$file->put_u16($block, IvfFile::ROWS_AREA + IvfFile::ROW_TID_OFFSET, 0);
			$file->put_u16($block, IvfFile::ROWS_LIVE, $file->u16($block, IvfFile::ROWS_LIVE) - 1);
		},
		qr/the centroid of the list in slot 0 has no row/],
	['rows: live', 'small', sub {
			my ($file) = @_;
			my ($block) = $file->row_pages(1);
			$file->put_u16($block, IvfFile::ROWS_LIVE, $file->u16($block, IvfFile::ROWS_LIVE) - 1);
		},
		qr/the page's rows are not as many as it says/],
	['rows: used', 'small', sub { $_[0]->put_u16(($_[0]->row_pages(1))[0], IvfFile::ROWS_USED, 5000) },
		qr/the counts of a row page are impossible/],
	['row: scale', 'small', sub { $_[0]->put_u32(
				($_[0]->row_pages(1))[0], IvfFile::ROWS_AREA + IvfFile::ROW_SCALE, 0x7f800000) },
		qr/the factors of a row are impossible/],
	['row: error', 'small',
		sub { $_[0]->put_float(($_[0]->row_pages(1))[0], IvfFile::ROWS_AREA + IvfFile::ROW_ERROR, -1) },
		qr/the factors of a row are impossible/],
	['row: code', 'small',
		sub { $_[0]->put_u8(($_[0]->row_pages(1))[0], IvfFile::ROWS_AREA + IvfFile::ROW_CODES, 0x80) },
		qr/a code of a row is out of range/],
	['side chain: end', 'small', sub { $_[0]->put_u32(($_[0]->pages(IvfFile::SIDE))[0], IvfFile::NEXT, 0) },
		qr/two pages link to this one/],
	['side chain: count', 'small', sub { $_[0]->put_u16(($_[0]->pages(IvfFile::SIDE))[0], IvfFile::SIDE_COUNT, 5000) },
		qr/the counts of a side page are impossible/],
	['side chain: chain', 'small', sub {
			my ($file) = @_;
			my ($block) = $file->pages(IvfFile::SIDE);
			$file->put_u8($block, IvfFile::SIDE_CHAIN, 2);
		},
		qr/the page belongs to another side chain/],
	['side chain: a heap TID of a row that has codes', 'small', sub {
			my ($file) = @_;
			my ($rows) = $file->row_pages(1);
			$file->put(($file->pages(IvfFile::SIDE))[0], IvfFile::SIDE_TIDS, $file->get($rows, IvfFile::ROWS_AREA, 'a6', 6));
		},
		qr/heap tuple \(\d+,\d+\) stands here, and in block \d+/],
	['a page of zeros in a list', 'small',
		sub { $_[0]->put(($_[0]->list_pages(1))[0], 0, "\0" x IvfFile::PAGE) },
		qr/the page is empty/],
	['a page of zeros among the rows', 'small',
		sub { $_[0]->put(($_[0]->row_pages(1))[0], 0, "\0" x IvfFile::PAGE) },
		qr/has an entry whose row should be here, but this is no page of rows/],
	['a list page that nothing leads to', 'small', sub {
			my ($file) = @_;
			my ($list) = $file->list_pages(1);
			$file->{bytes} .= substr($file->{bytes}, $list * IvfFile::PAGE, IvfFile::PAGE);
		},
		qr/no chain leads to this page/],
	['a file that ends early', 'small',
		sub { substr($_[0]{bytes}, -(IvfFile::PAGE)) = '' },
		qr/outside of the index/],
	['an empty file', 'small', sub { $_[0]{bytes} = '' }, qr/Block 0: the index has no pages/],
	['second part: of another row', 'large', sub {
			my ($file) = @_;
			my ($one, $two) = $file->row_pages(1);
			$file->put_u32($one, IvfFile::NEXT, $file->u32($two, IvfFile::NEXT));
		},
		qr/the page holds the second part of another row/],
	['second part: missing', 'large',
		sub { $_[0]->put_u32(($_[0]->row_pages(1))[0], IvfFile::NEXT, 0xffffffff) },
		qr/a row's second part is missing/],
	['second part: something else', 'large', sub { $_[0]->put_u32(($_[0]->row_pages(1))[0], IvfFile::NEXT, 0) },
		qr/something else is there/],
	['second part: code', 'large', sub { $_[0]->put_u8(($_[0]->pages(IvfFile::ROW_TAIL))[-1], IvfFile::TAIL_CODES, 0x80) },
		qr/a code of a row is out of range/],

	# A row's values are null bits (1), n (4), flag (1), zeros (2); a block's strips begin behind 512 bytes of trailers,
	# with 32 bytes of null bits.
	['filter columns: widths', 'filtered', sub { $_[0]->put_u8(0, IvfFile::META_COLUMN_WIDTHS, 8) },
		qr/Block 0: the filter columns are not those of the index/],
	['filter columns: a value of a row', 'filtered',
		sub { $_[0]->put_u32(($_[0]->row_pages(1))[0], IvfFile::ROWS_AREA + IvfFile::ROW_CODES + 1, 77777) },
		qr/the row in slot 0 has other filter columns than its entry in list 0/],
	['filter columns: a value of a block', 'filtered',
		sub { $_[0]->put_u32(($_[0]->list_pages(1))[0], IvfFile::LIST_AREA + 512 + 32 + 4 * 7, 77777) },
		qr/the row in slot \d+ has other filter columns than its entry in list 0/],
	['filter columns: a null bit of a block', 'filtered', sub {
			my ($file) = @_;
			$file->put_u8(($file->list_pages(1))[0], IvfFile::LIST_AREA + 512 + 4, 1);
		},
		qr/the values of a row's filter columns are impossible|has other filter columns than its entry/],
	['filter columns: what no value leaves', 'filtered',
		sub { $_[0]->put_u8(($_[0]->row_pages(1))[0], IvfFile::ROWS_AREA + IvfFile::ROW_CODES + 7, 1) },
		qr/the values of a row's filter columns are impossible/],
	['filter columns: other values than in the table', 'filtered',
		sub { $_[0]->put_u32(($_[0]->pages(IvfFile::SIDE))[0], IvfFile::SIDE_TIDS + 6 + 1, 77777) },
		qr/Tuple \(\d+,\d+\) of table "filtered" has other filter columns in the index/],

	# What crashes leave behind is no damage.
	['pages of zeros at the end', 'small', sub { $_[0]{bytes} .= "\0" x (2 * IvfFile::PAGE) }, undef],
	['a second part that no row links to', 'large', sub {
			my ($file) = @_;
			my ($tail) = $file->pages(IvfFile::ROW_TAIL);
			$file->{bytes} .= substr($file->{bytes}, $tail * IvfFile::PAGE, IvfFile::PAGE);
		},
		undef],
	['an empty row page', 'small', sub {
			my ($file) = @_;
			my ($rows) = $file->row_pages(1);
			my $added = $file->blocks;
			$file->{bytes} .= substr($file->{bytes}, $rows * IvfFile::PAGE, IvfFile::PAGE);
			$file->put_u16($added, IvfFile::ROWS_USED, 0);
			$file->put_u16($added, IvfFile::ROWS_LIVE, 0);
		},
		undef],
	['an entry whose row was freed', 'small', sub {
			my ($file) = @_;
			my ($block) = $file->row_pages(1);
			$file->put_u16($block, IvfFile::ROWS_AREA + IvfFile::ROW_TID_OFFSET, 0);
			$file->put_u16($block, IvfFile::ROWS_LIVE, $file->u16($block, IvfFile::ROWS_LIVE) - 1);
		},
		undef]);

# One index for each, all of them damaged at once.
my %options = (
	small => "(v vector_cosine_ops) WITH (lists = $lists, spill = on)",
	large => '(v vector_l2_ops) WITH (lists = 2, spill = off)',
	filtered => '(v vector_l2_ops, n, flag) WITH (lists = 1, spill = off)');
$node->safe_psql('postgres',
	join '', map { "CREATE INDEX damaged_$_ ON $damage[$_][1] USING ivf $options{$damage[$_][1]};\n" } 0 .. $#damage);
my @paths = split /\n/, $node->safe_psql('postgres',
	"SELECT pg_relation_filepath('damaged_' || i) FROM generate_series(0, $#damage) i ORDER BY i");

# And some that miss a row, whose files are of the time before it was inserted; one whose entry for a row is gone;
# and one whose hints will mislead.
$node->safe_psql('postgres', q{
	CREATE TABLE missing (id serial PRIMARY KEY, v vector(3), active bool);
	INSERT INTO missing (v, active) SELECT ARRAY[random(), random(), i]::vector, i % 2 = 0 FROM generate_series(1, 300) i;
	CREATE INDEX missing_all ON missing USING ivf (v vector_l2_ops) WITH (lists = 3);
	CREATE INDEX missing_active ON missing USING ivf ((v::vector(3)) vector_l2_ops) WITH (lists = 3) WHERE active;
	CREATE TABLE vacuumed (id serial PRIMARY KEY, v vector(3));
	INSERT INTO vacuumed (v) SELECT ARRAY[random(), random(), i]::vector FROM generate_series(1, 300) i;
	CREATE INDEX vacuumed_v ON vacuumed USING ivf (v vector_l2_ops) WITH (lists = 1, spill = off);
	CREATE TABLE hinted (id serial PRIMARY KEY, v vector(3));
	INSERT INTO hinted (v) SELECT ARRAY[random(), random(), i]::vector FROM generate_series(1, 300) i;
	INSERT INTO hinted (v) VALUES (NULL);
	CREATE INDEX hinted_v ON hinted USING ivf (v vector_l2_ops) WITH (lists = 1, spill = off);
});
my %files;
for my $name (qw(missing_all missing_active vacuumed_v hinted_v))
{
	$files{$name} = $node->data_dir . '/' . $node->safe_psql('postgres', "SELECT pg_relation_filepath('$name')");
}
$node->stop;
my %before = map { $_ => slurp_file($files{$_}) } keys %files;
$node->start;

for my $i (0 .. $#damage)
{
	is($node->psql('postgres', "SELECT annex_verify('damaged_$i', true)"), 0, "sound: $damage[$i][0]")
	  if $i < 1 || $damage[$i][1] ne $damage[ $i - 1 ][1];
}
for my $name (qw(missing_all missing_active))
{
	is($node->psql('postgres', "SELECT annex_verify('$name', true)"), 0, "sound: $name");
}
$node->safe_psql('postgres', q{
	INSERT INTO missing (v, active) VALUES ('[1,2,3]', false);
	-- Leaves a line pointer for vacuum, as vacuum itself does before it comes to the indexes.
	DELETE FROM vacuumed WHERE id = 10;
	SELECT count(*) FROM vacuumed;
});
is($node->safe_psql('postgres', q{SELECT annex_verify('missing_all', true)}), '', 'sound after an insert');
my $gone = $node->safe_psql('postgres', q{SELECT ctid FROM missing WHERE active IS FALSE ORDER BY id DESC LIMIT 1});
$node->stop;

for my $i (0 .. $#damage)
{
	my $file = IvfFile->new($node->data_dir . '/' . $paths[$i]);
	$damage[$i][2]->($file);
	$file->save;
}
for my $name (qw(missing_all missing_active))
{
	my $file = IvfFile->new($files{$name});
	$file->{bytes} = $before{$name};
	$file->save;
}
# Takes the entry of a heap tuple of block 0 out of an index of one list of whole blocks.
sub kill_entry
{
	my ($file, $offset) = @_;
	for my $block ($file->list_pages(1))
	{
		for (my $trailer = $file->trailer($block, 64);
			$trailer < IvfFile::LIST_AREA + 32 * $file->u16($block, IvfFile::LIST_ROWS);
			$trailer += 768)
		{
			for my $v (0 .. 31)
			{
				my $tid = $trailer + 192 + 6 * $v;
				next if $file->u32($block, $tid) != 0 || $file->u16($block, $tid + 4) != $offset;
				$file->put_u16($block, $tid + 4, 0);
				$file->put_u16($block, IvfFile::LIST_LIVE, $file->u16($block, IvfFile::LIST_LIVE) - 1);
				return 1;
			}
		}
	}
	return 0;
}
my $vacuumed = IvfFile->new($files{vacuumed_v});
ok(kill_entry($vacuumed, 10), 'the entry of the deleted tuple is there');
$vacuumed->save;

# Rows are said to have room where the list has its own, lists and side chains to have none.
my $hinted = IvfFile->new($files{hinted_v});
$hinted->put_u32(0, IvfFile::META_ROW_INSERT, ($hinted->list_pages(1))[-1]);
$hinted->put_u32(0, IvfFile::META_SIDE_INSERT + 2 * IvfFile::META_SIDE_SIZE, 0xffffffff);
$hinted->put_u32(($hinted->pages(IvfFile::DESCRIPTORS))[0], IvfFile::DESCRIPTOR_INSERT, 0xffffffff);
$hinted->save;
$node->start;

for my $i (0 .. $#damage)
{
	my ($name, undef, undef, $expected) = @{ $damage[$i] };
	my $with_table = $damage[$i][1] eq 'filtered' ? 'true' : 'false';
	my ($ret, $stdout, $stderr) = $node->psql('postgres',
		"\\set VERBOSITY verbose\nSELECT annex_verify('damaged_$i', $with_table)", timeout => 60);
	if (defined $expected)
	{
		like($stderr, qr/ERROR:  XX002: index "damaged_$i" is corrupted\nDETAIL:  [^\n]*$expected/s, "found: $name");
	}
	else
	{
		is($stderr, '', "no damage: $name");
	}
}

is($node->psql('postgres', q{SELECT annex_verify('missing_all')}), 0, 'a missing row is no damage to the pages');
my ($ret, $stdout, $stderr) = $node->psql('postgres', q{SELECT annex_verify('missing_all', true)});
like($stderr, qr/index "missing_all" is corrupted\nDETAIL:  Tuple \Q$gone\E of table "missing" is not in the index/,
	'heapallindexed finds it');
is($node->psql('postgres', q{SELECT annex_verify('missing_active', true)}),
	0, 'a row that the predicate leaves out is not missed');
is($node->psql('postgres', q{SELECT annex_verify('vacuumed_v')}),
	0, 'an entry may be gone while vacuum has yet to free its row');

for my $vector ("'[1,2,3]'", 'NULL')
{
	is($node->psql('postgres', "INSERT INTO hinted (v) VALUES ($vector)", timeout => 60),
		0, "wrong hints do no harm to an insert of $vector");
}
is($node->safe_psql('postgres', q{SELECT annex_verify('hinted_v', true)}), '', 'nor to the index');

$node->stop;
ok(kill_entry($vacuumed, 11), 'the entry of a live tuple is there');
$vacuumed->save;
$node->start;
(undef, undef, $stderr) = $node->psql('postgres', q{SELECT annex_verify('vacuumed_v')});
like($stderr, qr/of heap tuple \(0,11\), has 0 entries in lists and should have 1/, 'but not the entry of a live tuple');

$node->stop;
done_testing();

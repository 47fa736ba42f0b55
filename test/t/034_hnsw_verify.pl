# annex_verify finds damage of hnsw indexes, says where and what, and lets sound ones pass.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use HnswFile;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "autovacuum = off\nfsync = off\nmax_parallel_maintenance_workers = 0");
# PostgreSQL's own checksums would find damage first; from 18 on they are the default.
system_log('pg_checksums', '--disable', '--pgdata', $node->data_dir);
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION annex;
	SELECT setseed(0.5);
	CREATE FUNCTION random_vector(kind int) RETURNS vector LANGUAGE sql VOLATILE
		AS 'SELECT array_agg(random() + kind)::vector FROM generate_series(1, 8)';

	-- Rows that share nodes, more of them than a record takes, and rows of the side chain.
	CREATE TABLE plain (id serial PRIMARY KEY, v vector(8));
	INSERT INTO plain (v) SELECT random_vector(i % 10) FROM generate_series(1, 1000) i;
	INSERT INTO plain (v) SELECT v FROM plain, generate_series(1, 2000) WHERE id = 1;
	INSERT INTO plain (v) SELECT array_fill(1e25::real, '{8}')::vector FROM generate_series(1, 3);

	-- Filter columns.
	CREATE TABLE filtered (id serial PRIMARY KEY, v vector(8), n integer);
	INSERT INTO filtered (v, n) SELECT random_vector(i % 10), i FROM generate_series(1, 400) i;
});

# A record's edges begin behind 64 bytes of codes, and take 16 bytes: neighbour, two factors, 64 signs.
use constant { CODES => 24, EDGES => 88, EDGE => 16, FILTERED_EDGES => 96 };

# The bytes of a field of the n-th record in a state.
sub at
{
	my ($file, $state, $number, $field) = @_;
	my ($block, $slot) = @{ ($file->records($state))[$number] };
	return ($block, $file->record($block, $slot) + $field);
}
my ($free, $live, $dead, $tids) = (HnswFile::STATE_FREE, HnswFile::STATE_LIVE, HnswFile::STATE_DEAD, HnswFile::STATE_TIDS);

# The number of a node, of an index with so many slots a page.
sub number_of { my ($block, $slot, $slots) = @_; return $block * $slots + $slot }
use constant META_SLOTS => 80;

# A node whose number is a multiple of 16, which annex_verify looks at more closely.
sub sampled
{
	my ($file) = @_;
	my $slots = $file->u16(0, META_SLOTS);
	my ($found) = grep { ($_->[0] * $slots + $_->[1]) % 16 == 0 } $file->records($live);
	return @$found;
}

# Each kind of damage: to which table's index, what, and what annex_verify must say of it.
my @damage = (
	['meta page: dimensions', 'plain', sub { $_[0]->put_u32(0, HnswFile::META_DIMENSIONS, 4000000) },
		qr/Block 0: the dimensions are not those of the index/],
	['meta page: options', 'plain', sub { $_[0]->put_u16(0, HnswFile::META_M, 1) }, qr/Block 0: the options are impossible/],
	['meta page: slots', 'plain', sub { $_[0]->put_u16(0, META_SLOTS, 3) }, qr/Block 0: the size of nodes is impossible/],
	['meta page: entries', 'plain', sub { $_[0]->put_u32(0, HnswFile::META_ENTRY_COUNT, 3) },
		qr/Block 0: the entries are not as many as the meta page says/],
	['meta page: chain of entries', 'plain', sub { $_[0]->put_u32(0, HnswFile::META_ENTRIES, ($_[0]->pages(HnswFile::NODES))[0]) },
		qr/the page is of another kind than expected/],
	['meta page: end of the side chain', 'plain', sub { $_[0]->put_u32(0, HnswFile::META_SIDE + 4, 1) },
		qr/the side chain ends here, but the meta page says elsewhere/],
	['meta page: calibration', 'plain', sub { $_[0]->put_u32(0, HnswFile::META_CALIBRATION + 4, 0x7fc00000) },
		qr/Block 0: the calibration is impossible/],
	['magic', 'plain', sub { $_[0]->put_u32(($_[0]->pages(HnswFile::NODES))[0], HnswFile::MAGIC, 1) },
		qr/the page does not belong to an hnsw index/],
	['version', 'plain', sub { $_[0]->put_u8(($_[0]->pages(HnswFile::NODES))[0], HnswFile::VERSION, 99) },
		qr/the page does not belong to an hnsw index/],
	['unknown kind', 'plain', sub { $_[0]->put_u8(($_[0]->pages(HnswFile::NODES))[-1], HnswFile::KIND, 77) },
		qr/no chain leads to this page/],
	['mean: NaN', 'plain',
		sub { $_[0]->put_u32(($_[0]->pages(HnswFile::MEAN))[0], HnswFile::MEAN_VALUES, 0x7fc00000) },
		qr/the mean is not finite|the mean is not a number/],
	['nodes: used bytes', 'plain', sub { $_[0]->put_u16(($_[0]->pages(HnswFile::NODES))[0], HnswFile::LOWER, 9000) },
		qr/the counts of a node page are impossible|invalid page|disagree/],
	['nodes: slots', 'plain', sub { $_[0]->put_u16(($_[0]->pages(HnswFile::NODES))[0], HnswFile::NODES_SLOTS, 1000) },
		qr/the counts of a node page are impossible/],
	['nodes: live ones', 'plain', sub {
			my ($file) = @_;
			my ($block) = $file->pages(HnswFile::NODES);
			$file->put_u16($block, HnswFile::NODES_LIVE, $file->u16($block, HnswFile::NODES_LIVE) - 1);
		},
		qr/the page's records are not as many as it says/],
	['nodes: directory', 'plain', sub { $_[0]->put_u16(($_[0]->pages(HnswFile::NODES))[0], HnswFile::DIRECTORY + 2, 8000) },
		qr/is out of place|are impossible/],
	['a page of nodes that leads elsewhere', 'plain', sub { $_[0]->put_u32(($_[0]->pages(HnswFile::NODES))[0], HnswFile::NEXT, 3) },
		qr/a page of nodes links to another page/],
	['node: state', 'plain', sub { my ($file) = @_; $file->put_u8(at($file, $live, 3, HnswFile::STATE), 9) },
		qr/the numbers in slot \d+ are impossible/],
	['node: more edges than it has room for', 'plain', sub { my ($file) = @_; $file->put_u16(at($file, $live, 3, HnswFile::EDGES), 500) },
		qr/the numbers in slot \d+ are impossible/],
	['node: more room than the record has', 'plain', sub { my ($file) = @_; $file->put_u16(at($file, $live, 3, HnswFile::CAPACITY), 500) },
		qr/the numbers in slot \d+ are impossible/],
	['node: scale', 'plain', sub { my ($file) = @_; $file->put_u32(at($file, $live, 3, HnswFile::SCALE), 0x7fc00000) },
		qr/the numbers in slot \d+ are impossible/],
	['node: code', 'plain', sub { my ($file) = @_; $file->put_u8(at($file, $live, 3, CODES + 5), 0x80) },
		qr/a code of a row is out of range/],
	['node: no row', 'plain', sub { my ($file) = @_; $file->put_u16(at($file, $live, 10, HnswFile::TID_OFFSET), 0) },
		qr/the node in slot \d+ has no row/],
	['node: a row out of the table', 'plain', sub { my ($file) = @_; $file->put_u16(at($file, $live, 3, HnswFile::TID_BLOCK), 1) },
		qr/a heap TID lies outside of the table/],
	['node: a row of another node', 'plain', sub {
			my ($file) = @_;
			my $tid = $file->u32(at($file, $live, 3, HnswFile::TID_BLOCK));
			my $offset = $file->u16(at($file, $live, 3, HnswFile::TID_OFFSET));
			$file->put_u32(at($file, $live, 4, HnswFile::TID_BLOCK), $tid);
			$file->put_u16(at($file, $live, 4, HnswFile::TID_OFFSET), $offset);
		},
		qr/heap tuple \(\d+,\d+\) stands here, and in block \d+/],
	['node: dead with a row', 'plain', sub { my ($file) = @_; $file->put_u8(at($file, $live, 3, HnswFile::STATE), $dead) },
		qr/the dead node in slot \d+ has a row/],
	['node: free, but edges lead to it', 'plain', sub {
			my ($file) = @_;
			my ($block, $slot) = @{ ($file->records($live))[20] };
			$file->put_u8(at($file, $live, 20, HnswFile::STATE), $free);
			$file->put_u16($block, HnswFile::NODES_LIVE, $file->u16($block, HnswFile::NODES_LIVE) - 1);
		},
		qr/leads to block \d+, slot \d+, where there is no node/],
	['edge: to the node itself', 'plain', sub {
			my ($file) = @_;
			my ($block, $slot) = @{ ($file->records($live))[3] };
			$file->put_u32(at($file, $live, 3, EDGES), number_of($block, $slot, $file->u16(0, META_SLOTS)));
		},
		qr/the node in slot \d+ has an edge to itself/],
	['edge: out of the index', 'plain', sub { my ($file) = @_; $file->put_u32(at($file, $live, 3, EDGES), 4000000000) },
		qr/an edge of the node in slot \d+ leads out of the index/],
	['edge: twice', 'plain', sub {
			my ($file) = @_;
			$file->put_u32(at($file, $live, 3, EDGES), $file->u32(at($file, $live, 3, EDGES + EDGE)));
		},
		qr/the node in slot \d+ has two edges to the same node/],
	['edge: factor', 'plain', sub { my ($file) = @_; $file->put_u16(at($file, $live, 3, EDGES + 4), 0x7fc0) },
		qr/the factors of an edge of the node in slot \d+ are impossible/],
	['edge: to a place without a node', 'plain', sub {
			my ($file) = @_;
			my $block = ($file->pages(HnswFile::NODES))[-1];
			$file->put_u32(at($file, $live, 3, EDGES), number_of($block + 1, 0, $file->u16(0, META_SLOTS)));
		},
		qr/an edge of the node in slot \d+ leads to block \d+, slot 0, where there is no node/],
	['edge: of another row', 'plain', sub {
			my ($file) = @_;
			my ($block, $slot) = sampled($file);
			$file->put($block, $file->record($block, $slot) + EDGES + 8, "\xaa\x55\xaa\x55\xaa\x55\xaa\x55");
		},
		qr/an edge of the node in slot \d+ has not the code of the node in block \d+, slot \d+/],
	['entry: out of the index', 'plain',
		sub { $_[0]->put_u32(($_[0]->pages(HnswFile::ENTRIES))[0], HnswFile::ENTRIES_NODES, 4000000000) },
		qr/an entry lies outside of the index/],
	['entry: heap TIDs', 'plain', sub {
			my ($file) = @_;
			my ($block, $slot) = @{ ($file->records($tids))[0] };
			$file->put_u32(($file->pages(HnswFile::ENTRIES))[0], HnswFile::ENTRIES_NODES,
				number_of($block, $slot, $file->u16(0, META_SLOTS)));
		},
		qr/an entry names block \d+, slot \d+, where there is no node/],
	['a chain that leads to its node', 'plain', sub {
			my ($file) = @_;
			$file->put_u32(at($file, $tids, 0, HnswFile::MORE), $file->u32(at($file, $tids, 0, HnswFile::SCALE)));
		},
		qr/the chain of the node in slot \d+ leads to block \d+, slot \d+, where there are no heap TIDs/],
	['a chain that leads to itself', 'plain', sub {
			my ($file) = @_;
			my ($block, $slot) = @{ ($file->records($tids))[0] };
			$file->put_u32(at($file, $tids, 0, HnswFile::MORE), number_of($block, $slot, $file->u16(0, META_SLOTS)));
		},
		qr/two chains lead to the same heap TIDs/],
	['heap TIDs of another node', 'plain', sub { my ($file) = @_; $file->put_u32(at($file, $tids, 0, HnswFile::SCALE), 99) },
		qr/heap TIDs belong to another node/],
	['heap TIDs: their number', 'plain', sub { my ($file) = @_; $file->put_u16(at($file, $tids, 0, HnswFile::EDGES), 1) },
		qr/the heap TIDs in slot \d+ are not as many as it says/],
	['heap TIDs that no node names', 'plain', sub {
			my ($file) = @_;
			$file->put_u32(at($file, $tids, 0, HnswFile::MORE), 0xffffffff);
		},
		qr/the heap TIDs in slot \d+ belong to no node/],
	['side rows: no TID', 'plain',
		sub { $_[0]->put_u16(($_[0]->pages(HnswFile::SIDE))[0], HnswFile::SIDE_TIDS + HnswFile::TID_OFFSET, 0) },
		qr/a heap TID of the side chain is invalid/],
	['a chain of pages that leads to itself', 'plain',
		sub { my ($block) = $_[0]->pages(HnswFile::ENTRIES); $_[0]->put_u32($block, HnswFile::NEXT, $block) },
		qr/two pages link to this one/],
	['a chain of pages that leads out of the file', 'plain',
		sub { my ($block) = $_[0]->pages(HnswFile::SIDE); $_[0]->put_u32($block, HnswFile::NEXT, 1000000) },
		qr/the page links to a block outside of the index/],
	['a page of entries that nothing leads to', 'plain', sub {
			my ($file) = @_;
			my ($block) = $file->pages(HnswFile::ENTRIES);
			$file->{bytes} .= substr($file->{bytes}, $block * HnswFile::PAGE, HnswFile::PAGE);
		},
		qr/no chain leads to this page/],
	['an empty file', 'plain', sub { $_[0]{bytes} = '' }, qr/Block 0: the index has no pages/],
	['no edges', 'plain', sub {
			my ($file) = @_;
			$file->put_u16(at($file, $live, $_, HnswFile::EDGES), 0) for 0 .. scalar($file->records($live)) - 1;
		},
		qr/no edges lead to \d+ of \d+ nodes/],

	# A row's values are null bits (1) and n (4).
	['filter columns: widths', 'filtered', sub { $_[0]->put_u8(0, HnswFile::META_COLUMN_WIDTHS, 8) },
		qr/Block 0: the filter columns are not those of the index/],
	['filter columns: other values than in the table', 'filtered',
		sub { my ($file) = @_; $file->put_u32(at($file, $live, 5, HnswFile::VALUES + 1), 77777) },
		qr/Tuple \(\d+,\d+\) of table "filtered" has other filter columns in the index/],
	['filter columns: a null bit', 'filtered',
		sub { my ($file) = @_; $file->put_u8(at($file, $live, 5, HnswFile::VALUES), 0xf0) },
		qr/the values of a row's filter columns are impossible|has other filter columns/],

	# What crashes leave behind is no damage.
	['pages of zeros at the end', 'plain', sub { $_[0]{bytes} .= "\0" x (2 * HnswFile::PAGE) }, undef],
	['a dead node', 'plain', sub {
			my ($file) = @_;
			$file->put_u8(at($file, $live, 20, HnswFile::STATE), $dead);
			my ($block, $offset) = at($file, $dead, 0, HnswFile::TID_OFFSET);
			$file->put_u16($block, $offset, 0);
		},
		undef]);

# One index for each, all of them damaged at once.
my %columns = (plain => '(v vector_l2_ops)', filtered => '(v vector_l2_ops, n)');
$node->safe_psql('postgres',
	join '', map { "CREATE INDEX damaged_$_ ON $damage[$_][1] USING hnsw $columns{$damage[$_][1]};\n" } 0 .. $#damage);
my @paths = split /\n/, $node->safe_psql('postgres',
	"SELECT pg_relation_filepath('damaged_' || i) FROM generate_series(0, $#damage) i ORDER BY i");
for my $table (sort keys %columns)
{
	my ($i) = grep { $damage[$_][1] eq $table } 0 .. $#damage;
	my ($ret, undef, $stderr) = $node->psql('postgres', "SELECT annex_verify('damaged_$i', true)");
	is($stderr, '', "sound: $table");
}

# One from which all edges to a node will be taken.
$node->safe_psql('postgres', q{CREATE INDEX cut_off ON plain USING hnsw (v vector_l2_ops)});
my $cut_off = $node->data_dir . '/' . $node->safe_psql('postgres', q{SELECT pg_relation_filepath('cut_off')});

# Takes them; the node is one that searches do not start from.
sub cut_off
{
	my ($file) = @_;
	my $slots = $file->u16(0, META_SLOTS);
	my %entry;
	for my $block ($file->pages(HnswFile::ENTRIES))
	{
		$entry{ $file->u32($block, HnswFile::ENTRIES_NODES + 4 * $_) } = 1 for 0 .. $file->u32($block, HnswFile::ENTRIES_COUNT) - 1;
	}
	my ($node) = grep { !$entry{$_} } map { number_of(@$_, $slots) } $file->records($live);
	for my $of ($file->records($live))
	{
		my ($block, $record) = ($of->[0], $file->record(@$of));
		my $edges = $file->u16($block, $record + HnswFile::EDGES);
		for my $edge (0 .. $edges - 1)
		{
			my $at = $record + EDGES + EDGE * $edge;
			next if $file->u32($block, $at) != $node;
			$file->put($block, $at, $file->get($block, $record + EDGES + EDGE * ($edges - 1), 'a16', EDGE));
			$file->put_u16($block, $record + HnswFile::EDGES, $edges - 1);
			last;
		}
	}
	return;
}

# An index whose file is of the time before a row was inserted.
$node->safe_psql('postgres', q{
	CREATE TABLE missing (id serial PRIMARY KEY, v vector(8));
	INSERT INTO missing (v) SELECT random_vector(i) FROM generate_series(1, 300) i;
	CREATE INDEX missing_v ON missing USING hnsw (v vector_cosine_ops);
});
my $missing = $node->data_dir . '/' . $node->safe_psql('postgres', q{SELECT pg_relation_filepath('missing_v')});
$node->stop;
my $before = slurp_file($missing);
$node->start;
# Neither of the last two is in an index by cosine.
$node->safe_psql('postgres',
	q{INSERT INTO missing (v) VALUES ('[1,2,3,4,5,6,7,8]'), (NULL), ('[0,0,0,0,0,0,0,0]')});
is($node->safe_psql('postgres', q{SELECT annex_verify('missing_v', true)}), '', 'sound after an insert');
my $gone = $node->safe_psql('postgres', q{SELECT ctid FROM missing WHERE id = 301});
$node->stop;

for my $i (0 .. $#damage)
{
	my $file = HnswFile->new($node->data_dir . '/' . $paths[$i]);
	$damage[$i][2]->($file);
	$file->save;
}
my $file = HnswFile->new($missing);
$file->{bytes} = $before;
$file->save;
$file = HnswFile->new($cut_off);
cut_off($file);
$file->save;
$node->start;

for my $i (0 .. $#damage)
{
	my ($name, $table, undef, $expected) = @{ $damage[$i] };
	my $with_table = $table eq 'filtered' ? 'true' : 'false';
	my ($ret, $stdout, $stderr) = $node->psql('postgres',
		"\\set VERBOSITY verbose\nSELECT annex_verify('damaged_$i', $with_table)", timeout => 60);
	if (defined $expected)
	{
		like($stderr, qr/ERROR:  XX00[12]: [^\n]*(\nDETAIL:  [^\n]*)?$expected/s, "found: $name");
	}
	else
	{
		is($stderr, '', "no damage: $name");
	}
}

is($node->psql('postgres', q{SELECT annex_verify('missing_v')}), 0, 'a missing row is no damage to the pages');
my (undef, undef, $stderr) = $node->psql('postgres', q{SELECT annex_verify('missing_v', true)});
like($stderr, qr/index "missing_v" is corrupted\nDETAIL:  Tuple \Q$gone\E of table "missing" is not in the index/,
	'heapallindexed finds it');

(undef, undef, $stderr) = $node->psql('postgres', q{SELECT annex_verify('cut_off', true)});
like($stderr, qr/WARNING:  searches of index "cut_off" do not come to 1 of its 1000 nodes/, 'a node that no edge leads to');
is($node->safe_psql('postgres', q{SELECT nodes_linked FROM annex_maintain('cut_off')}), '1', 'annex_maintain links it');
(undef, undef, $stderr) = $node->psql('postgres', q{SELECT annex_verify('cut_off', true)});
is($stderr, '', 'and it is reached');

$node->stop;
done_testing();

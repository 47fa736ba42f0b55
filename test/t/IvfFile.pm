# The pages of an ivf index as a file of a stopped server, for tests that damage them. Offsets as in src/pg/ivf/page.h.
package IvfFile;
use strict;
use warnings;

use constant {
	PAGE => 8192,
	META => 1,
	MEAN => 2,
	DESCRIPTORS => 3,
	LIST => 4,
	ROWS => 5,
	ROW_TAIL => 6,
	SIDE => 7,
	FREE => 8,
};

# Offsets of fields, in bytes from the page's beginning.
use constant {
	LOWER => 12,
	NEXT => 24,
	MAGIC => 28,
	KIND => 32,
	VERSION => 33,
	HEAD => 36,
	META_DIMENSIONS => 48,
	META_LISTS => 60,
	META_ROW_INSERT => 100,
	META_SIDE_INSERT => 520,  # of the first chain
	META_SIDE_SIZE => 12,
	META_LAST_PATIENCE => 1028,  # of the last entry of the calibration
	META_COLUMN_WIDTHS => 1041,
	MEAN_COUNT => 40,
	MEAN_VALUES => 48,
	DESCRIPTOR_SIZE => 64,
	DESCRIPTOR_LIST => 64,    # the first descriptor
	DESCRIPTOR_CONTIGUOUS => 68,
	DESCRIPTOR_FIRST => 96,
	DESCRIPTOR_LAST => 100,
	DESCRIPTOR_INSERT => 104,
	DESCRIPTOR_CENTROID => 108,
	DESCRIPTOR_RHO => 112,
	LIST_GENERATION => 40,
	LIST_BLOCK => 48,
	LIST_SLOT => 52,
	LIST_START_ROW => 54,
	LIST_ROWS => 56,
	LIST_ENTRIES => 58,
	LIST_LIVE => 60,
	LIST_AREA => 64,
	ROWS_USED => 40,
	ROWS_LIVE => 42,
	ROWS_OWNER => 44,
	ROWS_AREA => 48,
	ROW_TID_OFFSET => 4,      # from the row's beginning
	ROW_SCALE => 8,
	ROW_ERROR => 12,
	ROW_CODES => 16,          # and the values of the filter columns before them
	TAIL_CODES => 40,
	SIDE_COUNT => 40,
	SIDE_CHAIN => 42,
	SIDE_TIDS => 48,
};

sub new
{
	my ($class, $path) = @_;
	open my $file, '<:raw', $path or die "cannot open $path: $!";
	local $/;
	my $bytes = <$file>;
	close $file;
	return bless { path => $path, bytes => $bytes }, $class;
}

sub save
{
	my ($self) = @_;
	open my $file, '>:raw', $self->{path} or die "cannot write $self->{path}: $!";
	print $file $self->{bytes};
	close $file or die "cannot write $self->{path}: $!";
	return;
}

sub blocks { return length($_[0]{bytes}) / PAGE }

sub get
{
	my ($self, $block, $offset, $template, $size) = @_;
	return unpack($template, substr($self->{bytes}, $block * PAGE + $offset, $size));
}

sub u16 { my ($self, $block, $offset) = @_; return $self->get($block, $offset, 'S<', 2) }
sub u32 { my ($self, $block, $offset) = @_; return $self->get($block, $offset, 'L<', 4) }

sub put
{
	my ($self, $block, $offset, $bytes) = @_;
	substr($self->{bytes}, $block * PAGE + $offset, length $bytes) = $bytes;
	return;
}

sub put_u8 { my ($self, $block, $offset, $value) = @_; return $self->put($block, $offset, pack('C', $value)) }
sub put_u16 { my ($self, $block, $offset, $value) = @_; return $self->put($block, $offset, pack('S<', $value)) }
sub put_u32 { my ($self, $block, $offset, $value) = @_; return $self->put($block, $offset, pack('L<', $value)) }
sub put_float { my ($self, $block, $offset, $value) = @_; return $self->put($block, $offset, pack('f<', $value)) }

# Blocks of a kind.
sub pages
{
	my ($self, $kind) = @_;
	return grep { $self->get($_, KIND, 'C', 1) == $kind } 0 .. $self->blocks - 1;
}

# Pages of lists: of the root (0) or of the others (1).
sub list_pages
{
	my ($self, $level) = @_;
	return grep { ($self->u32($_, LIST_BLOCK) == 0 ? 0 : 1) == $level } $self->pages(LIST);
}

# Pages of rows: of the table (1) or of the centroids (2).
sub row_pages
{
	my ($self, $owner) = @_;
	return grep { $self->get($_, ROWS_OWNER, 'C', 1) == $owner } $self->pages(ROWS);
}

# Where the first block that begins on a list page does so: with its trailers.
sub trailer
{
	my ($self, $block, $padded) = @_;
	my $start = $self->u16($block, LIST_START_ROW);
	return LIST_AREA + 32 * ($start == 0 ? 0 : $padded / 8 + 16 - $start);
}

sub flip
{
	my ($self, $offset, $mask) = @_;
	substr($self->{bytes}, $offset, 1) = chr(ord(substr($self->{bytes}, $offset, 1)) ^ $mask);
	return;
}

1;

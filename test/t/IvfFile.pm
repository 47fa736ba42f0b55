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
};

# Offsets of fields, in bytes from the page's beginning.
use constant {
	LOWER => 12,
	NEXT => 8176,
	MAGIC => 8180,
	KIND => 8184,
	VERSION => 8185,
	HEAD => 8188,
	META_DIMENSIONS => 32,
	META_LISTS => 44,
	MEAN_VALUES => 32,
	DESCRIPTOR_SIZE => 64,
	DESCRIPTOR_LIST => 64,         # the first descriptor
	DESCRIPTOR_CONTIGUOUS => 68,
	DESCRIPTOR_FIRST => 80,
	DESCRIPTOR_LAST => 84,
	DESCRIPTOR_CENTROID => 92,
	DESCRIPTOR_RHO => 96,
	LIST_BLOCK => 24,
	LIST_SLOT => 28,
	LIST_START_ROW => 30,
	LIST_GENERATION => 32,
	LIST_ROWS => 40,
	LIST_ENTRIES => 42,
	LIST_LIVE => 44,
	LIST_AREA => 64,
	ROWS_USED => 24,
	ROWS_LIVE => 26,
	ROWS_OWNER => 28,
	ROWS_AREA => 32,
	ROW_SCALE => 8,                # from the row's beginning
	ROW_ERROR => 12,
	ROW_CODES => 16,
	SIDE_COUNT => 24,
	SIDE_CHAIN => 26,
	SIDE_TIDS => 32,
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

# Where the first trailer of a list page begins.
sub trailer
{
	my ($self, $block, $padded) = @_;
	my $rows = $padded / 8 - $self->u16($block, LIST_START_ROW);
	$rows += $padded / 8 + 16 if $rows < 0;
	return LIST_AREA + $rows * 32;
}

sub flip
{
	my ($self, $offset, $mask) = @_;
	substr($self->{bytes}, $offset, 1) = chr(ord(substr($self->{bytes}, $offset, 1)) ^ $mask);
	return;
}

1;

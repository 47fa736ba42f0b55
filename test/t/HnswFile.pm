# The pages of an hnsw index as a file of a stopped server, for tests that damage them. Offsets as in
# src/pg/hnsw/page.h.
package HnswFile;
use strict;
use warnings;

use IvfFile;
our @ISA = ('IvfFile');

use constant {
	PAGE => 8192,
	META => 1,
	MEAN => 2,
	NODES => 3,
	ENTRIES => 4,
	SIDE => 5,
	FREE => 6,
};

# States of records.
use constant { STATE_FREE => 0, STATE_LIVE => 1, STATE_DEAD => 2, STATE_TIDS => 3 };

# Offsets of fields, in bytes from the page's beginning.
use constant {
	LOWER => 12,
	NEXT => 24,
	MAGIC => 28,
	KIND => 32,
	VERSION => 33,
	HEAD => 36,
	META_DIMENSIONS => 48,
	META_COLUMN_WIDTHS => 60,
	META_M => 76,
	META_ENTRY_COUNT => 84,
	META_ENTRIES => 100,      # first and last page
	META_SIDE => 108,
	META_CALIBRATION => 144,  # recall, ef, visits: floats
	MEAN_VALUES => 48,
	NODES_SLOTS => 40,
	NODES_LIVE => 42,
	DIRECTORY => 48,
	ENTRIES_COUNT => 40,
	ENTRIES_NODES => 48,
	SIDE_COUNT => 40,
	SIDE_TIDS => 48,
};

# Of fields of a record, from its beginning.
use constant {
	TID_BLOCK => 0,
	TID_OFFSET => 4,
	STATE => 6,
	EDGES => 8,
	CAPACITY => 10,
	MORE => 12,
	SCALE => 16,  # of heap TIDs: their owner
	ERROR => 20,
	VALUES => 24,
	TIDS => 24,
};

# Where a record begins on its page.
sub record { my ($self, $block, $slot) = @_; return $self->u16($block, DIRECTORY + 2 * $slot) }

# [block, slot] of the records in a state.
sub records
{
	my ($self, $state) = @_;
	my @found;
	for my $block ($self->pages(NODES))
	{
		for my $slot (0 .. $self->u16($block, NODES_SLOTS) - 1)
		{
			push @found, [ $block, $slot ] if $self->get($block, $self->record($block, $slot) + STATE, 'C', 1) == $state;
		}
	}
	return @found;
}

1;

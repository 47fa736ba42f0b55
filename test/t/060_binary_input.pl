# Any bytes as the binary form of a value: what follows the format is taken and comes back the same, everything else is
# refused with the error that fits, and no backend dies of it. The rules of each format stand here a second time.
#
#   ANNEX_BINARY_SEED=...      other messages, or those of an earlier run, which a failure prints
#   ANNEX_BINARY_MESSAGES=...  how many for each type
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;

use Server;
use Wire;

plan skip_all => 'needs Unix sockets' unless $use_unix_sockets;

my $seed = $ENV{ANNEX_BINARY_SEED} || 4711;
my $messages = $ENV{ANNEX_BINARY_MESSAGES} || 100_000;
note("ANNEX_BINARY_SEED=$seed ANNEX_BINARY_MESSAGES=$messages");
srand($seed);

use constant {
	TAKEN => '',
	BAD_DATA => '22000',
	TOO_MUCH => '54000',
	TOO_SHORT => '08P01',
	TOO_LONG => '22P03',
};

# Words that a format may stumble over: limits, signs, floats that are special.
my @words = (
	0, 1, 2, 3, 0xffff, 0x10000, 16000, 16001, 1_000_000_000, 1_000_000_001, 0x7fffffff, 0x80000000, 0xffffffff,
	0x3f800000, 0x7f800000, 0xff800000, 0x7fc00000, 0x7f7fffff, 0x00800000, 0x007fffff);

# int16 dimensions, int16 zero, then the elements, of which `special` are not finite.
sub judge_dense
{
	my ($bytes, $width, $special) = @_;
	return TOO_SHORT if length $bytes < 4;
	my ($dimensions, $unused) = unpack 's> s>', $bytes;
	return BAD_DATA if $dimensions < 1;
	return TOO_MUCH if $dimensions > 16000;
	return BAD_DATA if $unused != 0;
	my $end = 4 + $width * $dimensions;
	return TOO_SHORT if length $bytes < $end;
	return BAD_DATA if grep { $special->($_) } unpack $width == 4 ? 'x4 N*' : 'x4 n*', substr $bytes, 0, $end;
	return length $bytes > $end ? TOO_LONG : TAKEN;
}

sub float_is_special { return ($_[0] & 0x7f800000) == 0x7f800000 }

sub judge_vector { return judge_dense($_[0], 4, \&float_is_special) }
sub judge_halfvec { return judge_dense($_[0], 2, sub { ($_[0] & 0x7c00) == 0x7c00 }) }

# int32 dimensions, int32 elements, int32 zero, ascending indices, values that are not zero.
sub judge_sparsevec
{
	my ($bytes) = @_;
	return TOO_SHORT if length $bytes < 12;
	my ($dimensions, $elements, $unused, @rest) = unpack 'l> l> l> l>*', $bytes;
	return BAD_DATA if $dimensions < 1;
	return TOO_MUCH if $dimensions > 1_000_000_000;
	return BAD_DATA if $elements < 0;
	return TOO_MUCH if $elements > 16000 || $elements > $dimensions;
	return BAD_DATA if $unused != 0;
	my $previous = -1;
	for my $i (0 .. $elements - 1)
	{
		return TOO_SHORT if $i > $#rest;
		return BAD_DATA if $rest[$i] <= $previous || $rest[$i] >= $dimensions;
		$previous = $rest[$i];
	}
	for my $i ($elements .. 2 * $elements - 1)
	{
		return TOO_SHORT if $i > $#rest;
		return BAD_DATA if float_is_special($rest[$i]) || ($rest[$i] & 0x7fffffff) == 0;
	}
	return length $bytes > 12 + 8 * $elements ? TOO_LONG : TAKEN;
}

sub random_word { return rand() < 0.2 ? $words[ rand @words ] : int(rand 0x10000) << 16 | int rand 0x10000 }

# A float that is neither special nor zero.
sub random_float
{
	my $word = random_word();
	$word &= 0xbfffffff if float_is_special($word);
	return ($word & 0x7fffffff) == 0 ? 1 : $word;
}

# Now and then as long as can be.
sub random_count { my ($least) = @_; return rand() < 0.0002 ? 16000 : $least + int rand rand 40 }

sub make_vector { my $n = random_count(1); return pack 'n n N*', $n, 0, map { random_float() } 1 .. $n }

sub make_halfvec
{
	my $n = random_count(1);
	return pack 'n n n*', $n, 0, map { my $half = int rand 0x10000; ($half & 0x7c00) == 0x7c00 ? 0x3c00 : $half } 1 .. $n;
}

sub make_sparsevec
{
	my $n = random_count(0);
	my $index = -1;
	my @indices = map { $index += 1 + int rand rand 1000 } 1 .. $n;
	my $dimensions = rand() < 0.1 ? 1_000_000_000 : $index + 1 + int rand 3;
	return pack 'N*', $dimensions || 1, $n, 0, @indices, map { random_float() } 1 .. $n;
}

# Bytes that are near a message, in place.
my @mutations = (
	sub { my $at = int rand length $_[0]; substr $_[0], $at, 1, chr(ord(substr $_[0], $at, 1) ^ 1 << int rand 8) },
	sub { my $at = int rand length $_[0]; substr $_[0], $at, 1, chr int rand 256 },
	sub { $_[0] = substr $_[0], 0, int rand length $_[0] },
	sub { $_[0] .= join '', map { chr int rand 256 } 0 .. rand 9 },
	sub { my $at = int rand length $_[0]; substr $_[0], $at, rand 9, '' },
	# a word of the header or of the rest
	sub { my $at = 4 * int rand(rand() < 0.5 ? 3 : length($_[0]) / 4); $at + 4 <= length $_[0] and substr $_[0], $at, 4, pack 'N', random_word() },
	# two neighbours change their places
	sub { my $at = 4 * int rand(length($_[0]) / 4); $at + 8 <= length $_[0] and substr $_[0], $at, 8, substr($_[0], $at + 4, 4) . substr $_[0], $at, 4 },
	# or are the same
	sub { my $at = 4 * int rand(length($_[0]) / 4); $at + 8 <= length $_[0] and substr $_[0], $at + 4, 4, substr $_[0], $at, 4 });

sub make_message
{
	my ($make) = @_;
	my $kind = rand;
	return join '', map { pack 'N', random_word() } 0 .. rand 8 if $kind < 0.1;
	my $message = $make->();
	return $message if $kind < 0.3;
	for (0 .. rand rand 3)
	{
		$mutations[ rand @mutations ]->($message) if length $message;
	}
	return $message;
}

# One line an error in the log would be most of the work.
my $node = new_server('main', settings => "log_min_messages = fatal\nplan_cache_mode = force_generic_plan\n");
my %types = (
	vector => [ \&make_vector, \&judge_vector ],
	halfvec => [ \&make_halfvec, \&judge_halfvec ],
	sparsevec => [ \&make_sparsevec, \&judge_sparsevec ]);

for my $type (sort keys %types)
{
	my ($make, $judge) = @{ $types{$type} };
	my $wire = Wire->new($node, 'postgres');
	$wire->prepare('SELECT $1, $1 = $1', $type);
	my %seen;
	my @wrong;
	for (my $sent = 0; $sent < $messages; $sent += 1000)
	{
		my @batch = map { make_message($make) } 1 .. 1000;
		for my $answer ($wire->execute(@batch))
		{
			my $message = shift @batch;
			my $expected = $judge->($message);
			my $state = $answer->{state} // TAKEN;
			$seen{$state}++;
			my $right = $state eq $expected && ($state || $answer->{columns}[0] eq $message && $answer->{columns}[1] eq "\1");
			push @wrong, unpack('H80', $message) . ": '$state', not '$expected'" unless $right;
		}
	}
	is("@wrong[0 .. ($#wrong > 4 ? 4 : $#wrong)]", '', "$type: $messages messages get the answers that fit");
	cmp_ok($seen{$_} // 0, '>', $messages / 200, "$type: '$_' is among them") for TAKEN, BAD_DATA, TOO_MUCH, TOO_SHORT, TOO_LONG;
}
is($node->safe_psql('postgres', 'SELECT 1'), 1, 'the server is alive');
log_is_clean($node);
diag("repeat it with ANNEX_BINARY_SEED=$seed ANNEX_BINARY_MESSAGES=$messages") unless Test::More->builder->is_passing;
done_testing();

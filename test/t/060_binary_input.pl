# Values in the binary format: random and mutated messages are either refused with an error that the format knows, or
# accepted and sent back as they came. Never does the session end.
#
# The messages go through the protocol as parameters, many at once, by the few lines of a client below: psql sends text
# alone, and COPY ends at the first error.
use strict;
use warnings;

use IO::Socket::UNIX;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use Server;

my $messages = 100_000;    # of each type
my $at_once = 200;

plan skip_all => 'needs Unix sockets' unless $use_unix_sockets;

my $node = new_server('main');

# ---- A client

my $socket = IO::Socket::UNIX->new($node->host . '/.s.PGSQL.' . $node->port) or die "cannot connect: $!";

sub send_message { my ($type, $body) = @_; return $type . pack('N', 4 + length $body) . $body; }

sub read_bytes
{
	my ($count) = @_;
	my $bytes = '';
	while (length $bytes < $count)
	{
		my $got = $socket->sysread($bytes, $count - length $bytes, length $bytes);
		die 'the server has closed the connection' unless $got;
	}
	return $bytes;
}

sub read_message
{
	my ($type, $length) = unpack 'a N', read_bytes(5);
	return ($type, read_bytes($length - 4));
}

sub read_until_ready
{
	for (;;)
	{
		my ($type) = read_message();
		return if $type eq 'Z';
		die 'an error while connecting' if $type eq 'E';
	}
	return;
}

my $user = getpwuid $<;
my $startup = pack('N', 3 << 16) . "user\0$user\0database\0postgres\0\0";
$socket->syswrite(pack('N', 4 + length $startup) . $startup);
read_until_ready();

# The answer to each message: the value's bytes as they come back, or the error's SQLSTATE.
sub receive_all
{
	my (@values) = @_;
	my $out = '';
	foreach my $value (@values)
	{
		# the unnamed portal of the statement "s", one parameter and all results in binary
		$out .= send_message('B', "\0s\0" . pack('nn n N', 1, 1, 1, length $value) . $value . pack('nn', 1, 1));
		$out .= send_message('E', "\0" . pack('N', 0)) . send_message('S', '');
	}
	while (length $out)
	{
		my $written = $socket->syswrite($out) or die "cannot write: $!";
		substr($out, 0, $written, '');
	}
	return map { receive_one() } @values;
}

sub receive_one
{
	my $answer;
	for (;;)
	{
		my ($type, $body) = read_message();
		return $answer if $type eq 'Z';
		if ($type eq 'D') { $answer = { bytes => unpack 'x2 N/a*', $body }; }
		elsif ($type eq 'E') { $answer = { state => ($body =~ /(?:^|\0)C([^\0]+)/)[0] }; }
	}
	return;
}

sub prepare_for
{
	my ($type) = @_;
	my $oid = $node->safe_psql('postgres', "SELECT '$type'::regtype::oid");
	$socket->syswrite(send_message('P', "s\0SELECT \$1\0" . pack('n N', 1, $oid)) . send_message('S', ''));
	read_until_ready();
	return;
}

sub forget
{
	$socket->syswrite(send_message('C', "Ss\0") . send_message('S', ''));
	read_until_ready();
	return;
}

# ---- Messages

sub random_bytes { my ($count) = @_; return join '', map { chr int rand 256 } 1 .. $count; }

sub dense_message
{
	my ($template, @values) = @_;
	my $dimensions = 1 + int rand 24;
	return pack "nn$template*", $dimensions, 0, map { $values[rand @values] } 1 .. $dimensions;
}

sub sparse_message
{
	my $dimensions = 1 + int rand 1000;
	my %indexes = map { int(rand $dimensions) => 1 } 1 .. rand 20;
	my @indexes = sort { $a <=> $b } keys %indexes;
	return pack 'NNN N* f>*', $dimensions, scalar @indexes, 0, @indexes, map { 1 + rand } @indexes;
}

my %valid = (
	vector => sub { return dense_message('f>', 0, 1, -2.5, 1e-45, 3e38, -0.0) },
	halfvec => sub { return dense_message('n', 0, 0x3c00, 0xc100, 1, 0x7bff, 0x8000) },
	sparsevec => \&sparse_message);

# Values at the ends of ranges, where checks go wrong.
my @ends = (
	pack('n', 0), pack('n', 1), pack('n', 16000), pack('n', 16001), pack('n', 0x7fff), pack('n', 0x8000), pack('n', 0xffff),
	pack('n', 0x7c00), pack('n', 0x7c01), pack('n', 0xfe00), pack('f>', 9**9**9), pack('f>', -sin 9**9**9),
	pack('N', 0), pack('N', 1_000_000_000), pack('N', 1_000_000_001), pack('N', 0x7fffffff), pack('N', 0x80000000), pack('N', 0xffffffff));

sub mutated
{
	my ($message) = @_;
	foreach (1 .. 1 + rand 3)
	{
		my $how = int rand 5;
		my $at = int rand length $message;
		if ($how == 0) { substr($message, $at, 1) ^= chr(1 << int rand 8); }
		elsif ($how == 1) { substr($message, $at, 1) = random_bytes(1); }
		elsif ($how == 2) { substr($message, $at, length $message, ''); }
		elsif ($how == 3) { $message .= random_bytes(1 + int rand 8); }
		else
		{
			my $end = $ends[rand @ends];
			$at -= $at % 2;
			substr($message, $at, length $end) = $end;
		}
		last unless length $message;
	}
	return $message;
}

sub message_of
{
	my ($type) = @_;
	my $kind = rand;
	return $valid{$type}->() if $kind < 0.1;
	return random_bytes(int rand 40) if $kind < 0.2;
	return mutated($valid{$type}->());
}

# ---- The types

srand 20240229;
foreach my $type (sort keys %valid)
{
	prepare_for($type);
	my (%states, $accepted, @changed);
	for (my $sent = 0; $sent < $messages; $sent += $at_once)
	{
		my @batch = map { message_of($type) } 1 .. $at_once;
		my @answers = receive_all(@batch);
		foreach my $i (0 .. $#batch)
		{
			if (defined $answers[$i]{state}) { $states{ $answers[$i]{state} }++; }
			elsif ($answers[$i]{bytes} eq $batch[$i]) { $accepted++; }
			else { push @changed, unpack 'H*', $batch[$i]; }
		}
	}
	forget();
	is_deeply(\@changed, [], "$type: what is accepted comes back as it came");
	cmp_ok($accepted, '>', $messages / 20, "$type: many messages are accepted");
	# data_exception, program_limit_exceeded, protocol_violation (too short), invalid_binary_representation (too long)
	my @unknown = grep { !/^(22000|54000|08P01|22P03)$/ } sort keys %states;
	is_deeply(\@unknown, [], "$type: errors are those of the format");
	is(scalar(keys %states), 4, "$type: each of them comes up");
}

log_is_clean($node);
done_testing();

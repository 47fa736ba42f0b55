# A client that speaks PostgreSQL's protocol itself: it sends values in binary as any bytes at all, and many messages
# without waiting for each answer.
#
#   my $wire = Wire->new($node, 'postgres');
#   $wire->prepare('SELECT $1', 'bytea');
#   my @answers = $wire->execute(@messages);   # each { columns => [...] } or { state => '22000', message => '...' }
package Wire;

use strict;
use warnings;

use IO::Socket::UNIX;

# Statements under way before their answers are read: few enough that neither side waits for the other to read.
use constant BATCH => 50;

sub new
{
	my ($class, $node, $database) = @_;
	my $path = $node->host . '/.s.PGSQL.' . $node->port;
	my $socket = IO::Socket::UNIX->new(Peer => $path) or die "could not connect to $path: $!";
	my $self = bless { socket => $socket, buffer => '', node => $node, database => $database }, $class;
	my $startup = pack 'N Z* Z* Z* Z* x', 196608, user => scalar getpwuid($>), database => $database;
	$self->send_bytes(pack('N', 4 + length $startup) . $startup);
	my $answer = $self->answer;
	die $answer->{message} if $answer->{state};
	return $self;
}

# The statement that execute() runs, with one parameter of this type.
sub prepare
{
	my ($self, $query, $type) = @_;
	my $oid = $self->{node}->safe_psql($self->{database}, "SELECT '$type'::regtype::oid");
	$self->send_bytes(message('P', pack('x Z* n N', $query, 1, $oid)) . message('S', ''));
	my $answer = $self->answer;
	die $answer->{message} if $answer->{state};
	return;
}

# Runs the statement for each of these values in binary, each in a transaction of its own.
sub execute
{
	my ($self, @values) = @_;
	my @answers;
	while (my @batch = splice @values, 0, BATCH)
	{
		$self->send_bytes(
			join '', map { message('B', pack('x x n n n N/a* n n', 1, 1, 1, $_, 1, 1)) . message('E', pack('x N', 0)) . message('S', '') }
			  @batch);
		push @answers, map { $self->answer } @batch;
	}
	return @answers;
}

sub message
{
	my ($kind, $body) = @_;
	return $kind . pack('N', 4 + length $body) . $body;
}

sub send_bytes
{
	my ($self, $bytes) = @_;
	while (length $bytes)
	{
		my $sent = syswrite $self->{socket}, $bytes;
		die "the server does not listen any more: $!" unless defined $sent;
		substr $bytes, 0, $sent, '';
	}
	return;
}

# What came up to the next ReadyForQuery.
sub answer
{
	my ($self) = @_;
	my %answer;
	while (1)
	{
		my ($kind, $length) = unpack 'a N', $self->bytes(5);
		my $body = $self->bytes($length - 4);
		return \%answer if $kind eq 'Z';
		$answer{columns} = [ unpack 'x2 (N/a*)*', $body ] if $kind eq 'D';
		next unless $kind eq 'E';
		my %field = map { substr($_, 0, 1) => substr($_, 1) } grep { length } split /\0/, $body;
		@answer{qw(state message)} = @field{qw(C M)};
		die "the server ends: $answer{message}" if $field{V} =~ /FATAL|PANIC/;
	}
	return;
}

sub bytes
{
	my ($self, $count) = @_;
	while (length $self->{buffer} < $count)
	{
		my $read = sysread $self->{socket}, $self->{buffer}, 65536, length $self->{buffer};
		die 'the server has closed the connection' unless $read;
	}
	return substr $self->{buffer}, 0, $count, '';
}

1;

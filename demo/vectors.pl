#!/usr/bin/perl
# Prints the rows of a vector file as PostgreSQL's COPY reads them: vectors.pl FILE [ROWS [FIRST]]
#
# A file starts with two little-endian 32-bit integers, rows and dimensions; the rows follow (the format of
# big-ann-benchmarks). Its name says what a coordinate is: .u8bin uint8, .i8bin int8, .ibin int32, .fbin float32.
# A line is the row's number, from 0, a tab, and the row as a vector literal, or as an array literal for .ibin:
#
#   vectors.pl data/packages.i8bin 1000 | psql -c 'COPY packages (id, embedding) FROM stdin'
#
# Perl, because every Debian has it.
use strict;
use warnings;

# suffix => [template of a coordinate, bytes, opening and closing bracket]
my %formats = (
    u8bin => [ 'C',  1, '[', ']' ],
    i8bin => [ 'c',  1, '[', ']' ],
    fbin  => [ 'f<', 4, '[', ']' ],
    ibin  => [ 'l<', 4, '{', '}' ],
);

my ($path, $wanted, $first) = @ARGV;
die "usage: vectors.pl FILE [ROWS [FIRST]]\n" unless defined $path;
my ($suffix) = $path =~ /\.(\w+)$/;
my $format = $formats{ $suffix // '' } or die "$path: the name should end in one of: ", join(' ', sort keys %formats), "\n";
my ($template, $width, $open, $close) = @$format;

open(my $file, '<:raw', $path) or die "$path: $!\n";
read($file, my $header, 8) == 8 or die "$path: no header\n";
my ($rows, $dimensions) = unpack('l<2', $header);
die "$path: $rows rows of $dimensions dimensions\n" if $rows < 0 || $dimensions < 1;
my $size = 8 + $rows * $dimensions * $width;
die "$path: ", -s $file, " bytes where $rows rows of $dimensions dimensions make $size\n" if -s $file != $size;

$first //= 0;
my $end = defined $wanted && $first + $wanted < $rows ? $first + $wanted : $rows;
my $row_bytes = $dimensions * $width;
seek($file, 8 + $first * $row_bytes, 0) or die "$path: $!\n";
for my $row ($first .. $end - 1) {
    read($file, my $bytes, $row_bytes) == $row_bytes or die "$path: ends in row $row\n";
    print $row, "\t", $open, join(',', unpack("$template*", $bytes)), $close, "\n";
}
close(STDOUT) or die "writing: $!\n";

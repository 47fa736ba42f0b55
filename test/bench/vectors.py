"""Vector files (big-ann-benchmarks: two little-endian int32, rows and dimensions, then the rows) as tables.

.fbin is float32, .u8bin and .i8bin are bytes with and without sign, .ibin int32: answers rather than vectors. Rows go
through COPY in its binary format, in which a vector is its dimension, an unused 16-bit zero, and its elements.
"""

import array
import itertools
import struct
import subprocess
import sys

TYPES = {"fbin": "f", "u8bin": "B", "i8bin": "b", "ibin": "i"}
COPY_HEADER = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
COPY_END = struct.pack(">h", -1)
INT4 = 23


def shape(path):
    """Rows and dimensions of a file."""
    with open(path, "rb") as file:
        return struct.unpack("<ii", file.read(8))


def read(path, first=0, count=None):
    """The rows of a file from `first`, each as an array."""
    kind = TYPES[path.rsplit(".", 1)[1]]
    rows, dimensions = shape(path)
    width = dimensions * array.array(kind).itemsize
    with open(path, "rb") as file:
        file.seek(8 + first * width)
        for _ in range(rows - first if count is None else min(count, rows - first)):
            row = array.array(kind)
            row.frombytes(file.read(width))
            if sys.byteorder != "little":
                row.byteswap()
            yield row


def write(path, rows):
    """A file of arrays that all have one type and length."""
    rows = list(rows)
    with open(path, "wb") as file:
        file.write(struct.pack("<ii", len(rows), len(rows[0])))
        for row in rows:
            file.write(row.tobytes())


def _vector(row):
    values = array.array("f", row)
    if sys.byteorder == "little":
        values.byteswap()
    return struct.pack(">hh", len(values), 0) + values.tobytes()


def _integers(row):
    """An array of integers as PostgreSQL sends it: one dimension that starts at 1."""
    elements = b"".join(struct.pack(">ii", 4, each) for each in row)
    return struct.pack(">iiiii", 1, 0, INT4, len(row), 1) + elements


def tuples(numbered, encode):
    """The bytes of COPY's binary format for pairs of a number and a row, in pieces."""
    yield COPY_HEADER
    for number, row in numbered:
        field = encode(row)
        yield struct.pack(">hiii", 2, 4, number, len(field)) + field
    yield COPY_END


def copy(database, target, numbered, encode=_vector):
    """Copies pairs of a number and an array into `target`, a table with columns for both."""
    client = subprocess.Popen(["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", database,
                               "-c", f"COPY {target} FROM stdin (FORMAT binary)"], stdin=subprocess.PIPE)
    pieces = tuples(numbered, encode)
    while batch := b"".join(itertools.islice(pieces, 1000)):
        client.stdin.write(batch)
    client.stdin.close()
    if client.wait() != 0:
        raise RuntimeError(f"COPY {target} failed")


def copy_file(database, target, path, count=None):
    """Copies a file's first `count` rows (default all), numbered from 0."""
    copy(database, target, enumerate(read(path, 0, count)), _integers if path.endswith(".ibin") else _vector)

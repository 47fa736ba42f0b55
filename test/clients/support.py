"""What the tests of clients share: databases of their own, points, and the right order of these by each distance.

The server is the one that PGHOST and PGUSER name, where annex is installed as the extension vector
(scripts/check-clients.sh). Orders are computed here by the definitions of the distances, and not asked of a server.
"""

import importlib
import math
import os
import subprocess
import unittest

# Every value is exact in half precision. Each distance below gives an order of its own, without ties.
POINTS = {
    1: [1.0, 2.0, 3.0, 0.0],
    2: [-1.0, 0.5, 2.0, 0.0],
    3: [4.0, -2.0, 0.25, 0.0],
    4: [0.5, 0.5, -3.0, 0.0],
    5: [8.0, 12.0, 16.5, 0.0],
    6: [21.0, 0.0, 0.0, 1.5],
}
QUERY = [1.0, 1.5, 2.0, 0.0]

# Their length is no multiple of 8.
BITS = {1: "1110000000", 2: "0000000000", 3: "1111111110", 4: "1100000111", 5: "1111000000"}
BITS_QUERY = "1111100000"


def l2(a, b):
    return math.dist(a, b)


def negative_inner_product(a, b):
    return -sum(x * y for x, y in zip(a, b))


def cosine(a, b):
    return 1 + negative_inner_product(a, b) / (math.hypot(*a) * math.hypot(*b))


def l1(a, b):
    return sum(abs(x - y) for x, y in zip(a, b))


def hamming(a, b):
    return sum(x != y for x, y in zip(a, b))


def jaccard(a, b):
    both = sum(x == y == "1" for x, y in zip(a, b))
    either = sum("1" in pair for pair in zip(a, b))
    return 1 - both / either if both else 1


DISTANCES = {"<->": l2, "<#>": negative_inner_product, "<=>": cosine, "<+>": l1}
BIT_DISTANCES = {"<~>": hamming, "<%>": jaccard}


def by_distance(distance, points=None, query=None):
    """The points' numbers, the nearest to the query first."""
    points = points or (BITS if distance in BIT_DISTANCES.values() else POINTS)
    query = query or (BITS_QUERY if distance in BIT_DISTANCES.values() else QUERY)
    distances = {number: distance(point, query) for number, point in points.items()}
    if len(set(distances.values())) != len(points):
        raise ValueError(f"{distance.__name__} has ties")
    return sorted(points, key=distances.get)


def require(*modules):
    """Skips the file where a client's packages could not be installed. An error inside a package is none of these."""
    for module in modules:
        try:
            importlib.import_module(module)
        except ModuleNotFoundError as error:
            raise unittest.SkipTest(f"{error.name} is not installed for this Python") from error


def ask(database, statement):
    """What psql prints: for looks at the server that do not go through the client."""
    command = ["psql", "-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", statement]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def fresh_database(name):
    """An empty database, without extensions; its name."""
    name = f"clients_{name}"
    for statement in (f"DROP DATABASE IF EXISTS {name} WITH (FORCE)", f"CREATE DATABASE {name}"):
        ask("postgres", statement)
    return name


# Options of an index on a few points, by its access method: pgvector's two and annex's own.
OPTIONS = {"hnsw": {"m": 4, "ef_construction": 8}, "ivf": {"lists": 1}, "ivfflat": {"lists": 1}}


def with_options(method):
    return "WITH (" + ", ".join(f"{name} = {value}" for name, value in OPTIONS[method].items()) + ")"


def access_methods(database, operator_class="vector_l2_ops"):
    """Those access methods that have this operator class."""
    methods = ", ".join(f"'{method}'" for method in OPTIONS)
    return ask(database, f"""
        SELECT a.amname FROM pg_am a JOIN pg_opclass o ON o.opcmethod = a.oid
            WHERE a.amname IN ({methods}) AND o.opcname = '{operator_class}' ORDER BY 1""").split()


def index_of(database, index):
    """Access method and operator class of an index."""
    return ask(database, f"""
        SELECT a.amname || ' ' || o.opcname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
            JOIN pg_am a ON a.oid = c.relam JOIN pg_opclass o ON o.oid = i.indclass[0] WHERE c.relname = '{index}'""")


def url(driver, database):
    """SQLAlchemy's name of a database."""
    return f"postgresql+{driver}://{os.environ['PGUSER']}@/{database}?host={os.environ['PGHOST']}"

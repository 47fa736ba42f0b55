"""pgvector-python with psycopg 3: values in text and in binary, COPY BINARY, order by each distance."""

import unittest

import support

support.require("pgvector", "psycopg", "numpy")
import numpy
import psycopg
from pgvector import Bit, HalfVector, SparseVector, Vector
from pgvector.psycopg import register_vector

KINDS = {"vector": Vector, "halfvec": HalfVector, "sparsevec": SparseVector}


class Psycopg(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.database = support.fresh_database("psycopg")
        cls.connection = psycopg.connect(dbname=cls.database, autocommit=True)
        cls.addClassCleanup(cls.connection.close)
        cls.connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        register_vector(cls.connection)
        for kind, make in KINDS.items():
            cls.connection.execute(f"CREATE TABLE {kind}s (id bigserial PRIMARY KEY, embedding {kind}(4))")
            for number, point in support.POINTS.items():
                cls.connection.execute(f"INSERT INTO {kind}s VALUES (%s, %s)", (number, make(point)))
        cls.connection.execute("CREATE TABLE bits (id bigserial PRIMARY KEY, embedding bit(10))")
        for number, bits in support.BITS.items():
            cls.connection.execute("INSERT INTO bits VALUES (%s, %s)", (number, Bit(bits)))

    def column(self, query, parameters=(), **options):
        with self.connection.cursor(**options) as cursor:
            return [row[0] for row in cursor.execute(query, parameters)]

    def test_values_come_back(self):
        for kind, make in KINDS.items():
            for binary in (False, True):
                with self.subTest(kind=kind, binary=binary):
                    values = self.column(f"SELECT embedding FROM {kind}s ORDER BY id", binary=binary)
                    self.assertEqual(values, [make(point) for point in support.POINTS.values()])

    def test_values_sent_in_binary(self):
        for kind, make in KINDS.items():
            with self.subTest(kind=kind):
                text = self.column(f"SELECT %b::{kind}(4)::text", (make(support.POINTS[3]),))
                self.assertEqual(text, ["{1:4,2:-2,3:0.25}/4" if kind == "sparsevec" else "[4,-2,0.25,0]"])
        self.assertEqual(self.column("SELECT %b::bit(10)::text", (Bit(support.BITS[4]),)), [support.BITS[4]])

    def test_numpy_array(self):
        query = numpy.array(support.QUERY, dtype=numpy.float32)
        self.assertEqual(self.column("SELECT id FROM vectors ORDER BY embedding <-> %s", (query,)),
                         support.by_distance(support.l2))

    def test_order_by_each_distance(self):
        for kind, make in KINDS.items():
            for operator, distance in support.DISTANCES.items():
                for placeholder in ("%t", "%b"):
                    with self.subTest(kind=kind, operator=operator, placeholder=placeholder):
                        ids = self.column(f"SELECT id FROM {kind}s ORDER BY embedding {operator} {placeholder}",
                                          (make(support.QUERY),))
                        self.assertEqual(ids, support.by_distance(distance))

    def test_order_by_distances_of_bits(self):
        for operator, distance in support.BIT_DISTANCES.items():
            with self.subTest(operator=operator):
                # psycopg's own sign of a parameter is doubled
                ids = self.column(f"SELECT id FROM bits ORDER BY embedding {operator.replace('%', '%%')} %s",
                                  (Bit(support.BITS_QUERY),))
                self.assertEqual(ids, support.by_distance(distance))

    def test_copy_binary(self):
        for kind, make in KINDS.items():
            with self.subTest(kind=kind), self.connection.cursor() as cursor:
                cursor.execute(f"CREATE TEMP TABLE copied_{kind} (id bigint, embedding {kind}(4))")
                with cursor.copy(f"COPY copied_{kind} FROM STDIN WITH (FORMAT BINARY)") as copy:
                    copy.set_types(["int8", kind])
                    for number, point in support.POINTS.items():
                        copy.write_row([number, make(point)])
                with cursor.copy(f"COPY copied_{kind} TO STDOUT WITH (FORMAT BINARY)") as copy:
                    copy.set_types(["int8", kind])
                    self.assertEqual(list(copy.rows()), [(n, make(point)) for n, point in support.POINTS.items()])
        with self.connection.cursor() as cursor:
            cursor.execute("CREATE TEMP TABLE copied_bit (embedding bit(10))")
            with cursor.copy("COPY copied_bit FROM STDIN WITH (FORMAT BINARY)") as copy:
                copy.set_types(["bit"])
                for bits in support.BITS.values():
                    copy.write_row([Bit(bits)])
        self.assertEqual(self.column("SELECT embedding::text FROM copied_bit"), list(support.BITS.values()))

    def test_aggregates(self):
        columns = list(zip(*support.POINTS.values()))
        self.assertEqual(self.column("SELECT sum(embedding) FROM vectors"), [Vector([sum(c) for c in columns])])
        average = self.column("SELECT avg(embedding) FROM halfvecs")[0].to_list()
        numpy.testing.assert_allclose(average, [sum(c) / len(c) for c in columns], rtol=1e-3)

    def test_indexes(self):
        for method in support.access_methods(self.database):
            for kind, make in (("vector", Vector), ("halfvec", HalfVector)):
                with self.subTest(method=method, kind=kind), self.connection.transaction(force_rollback=True):
                    self.connection.execute(f"CREATE INDEX ON {kind}s USING {method} (embedding {kind}_cosine_ops) "
                                            + support.with_options(method))
                    self.connection.execute("SET LOCAL enable_seqscan = off")
                    query = f"SELECT id FROM {kind}s ORDER BY embedding <=> %s LIMIT 3"
                    parameters = (make(support.QUERY),)
                    self.assertIn("Index Scan", self.column("EXPLAIN " + query, parameters)[1])
                    self.assertEqual(self.column(query, parameters), support.by_distance(support.cosine)[:3])

    def test_hnsw_settings(self):
        with self.connection.transaction(force_rollback=True):
            self.connection.execute("CREATE INDEX ON vectors USING hnsw (embedding vector_l2_ops)")
            self.connection.execute("SET LOCAL enable_seqscan = off")
            query = "SELECT id FROM vectors ORDER BY embedding <-> %s"
            parameters = (Vector(support.QUERY),)
            nearest = support.by_distance(support.l2)
            self.connection.execute("SET LOCAL hnsw.ef_search = 2")
            self.assertEqual(self.column(query, parameters), nearest[:2])
            self.connection.execute("SET LOCAL hnsw.iterative_scan = strict_order")
            self.assertEqual(self.column(query, parameters), nearest)

    def test_hnsw_indexes_of_bits(self):
        for operator, distance in support.BIT_DISTANCES.items():
            name = distance.__name__
            with self.subTest(name=name), self.connection.transaction(force_rollback=True):
                self.connection.execute(f"CREATE INDEX ON bits USING hnsw (embedding bit_{name}_ops)")
                self.connection.execute("SET LOCAL enable_seqscan = off")
                query = f"SELECT id FROM bits ORDER BY embedding {operator.replace('%', '%%')} %s LIMIT 3"
                parameters = (Bit(support.BITS_QUERY),)
                self.assertIn("Index Scan", self.column("EXPLAIN " + query, parameters)[1])
                self.assertEqual(self.column(query, parameters), support.by_distance(distance)[:3])


if __name__ == "__main__":
    unittest.main()

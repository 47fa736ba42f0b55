"""pgvector-python with psycopg2: values, arrays of values, order by each distance."""

import unittest

import support

support.require("pgvector", "psycopg2", "numpy")
import numpy
import psycopg2
from pgvector import HalfVector, SparseVector, Vector
from pgvector.psycopg2 import register_vector

KINDS = {"vector": Vector, "halfvec": HalfVector, "sparsevec": SparseVector}


class Psycopg2(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.database = support.fresh_database("psycopg2")
        cls.connection = psycopg2.connect(dbname=cls.database)
        cls.addClassCleanup(cls.connection.close)
        cls.connection.autocommit = True
        cls.cursor = cls.connection.cursor()
        cls.cursor.execute("CREATE EXTENSION IF NOT EXISTS vector")
        register_vector(cls.connection)
        for kind, make in KINDS.items():
            cls.cursor.execute(f"CREATE TABLE {kind}s (id bigserial PRIMARY KEY, embedding {kind}(4), more {kind}[])")
            for number, point in support.POINTS.items():
                value = make(point)
                cls.cursor.execute(f"INSERT INTO {kind}s VALUES (%s, %s, %s::{kind}[])",
                                   (number, value, [value, make(support.QUERY)]))
        cls.cursor.execute("CREATE TABLE bits (id bigserial PRIMARY KEY, embedding bit(10))")
        cls.cursor.executemany("INSERT INTO bits VALUES (%s, %s)", support.BITS.items())

    def column(self, query, parameters=()):
        self.cursor.execute(query, parameters)
        return [row[0] for row in self.cursor.fetchall()]

    def test_values_come_back(self):
        for kind, make in KINDS.items():
            with self.subTest(kind=kind):
                values = [make(point) for point in support.POINTS.values()]
                self.assertEqual(self.column(f"SELECT embedding FROM {kind}s ORDER BY id"), values)
                self.assertEqual(self.column(f"SELECT more FROM {kind}s ORDER BY id"),
                                 [[value, make(support.QUERY)] for value in values])
                self.assertEqual(self.column(f"SELECT NULL::{kind}"), [None])

    def test_order_by_each_distance(self):
        for kind, make in KINDS.items():
            for operator, distance in support.DISTANCES.items():
                with self.subTest(kind=kind, operator=operator):
                    query = f"SELECT id FROM {kind}s ORDER BY embedding {operator} %s"
                    self.assertEqual(self.column(query, (make(support.QUERY),)), support.by_distance(distance))

    def test_numpy_array(self):
        query = numpy.array(support.QUERY)
        self.assertEqual(self.column("SELECT id FROM vectors ORDER BY embedding <=> %s", (query,)),
                         support.by_distance(support.cosine))

    def test_order_by_distances_of_bits(self):
        for operator, distance in support.BIT_DISTANCES.items():
            with self.subTest(operator=operator):
                query = f"SELECT id FROM bits ORDER BY embedding {operator.replace('%', '%%')} %s"
                self.assertEqual(self.column(query, (support.BITS_QUERY,)), support.by_distance(distance))

    def test_indexes(self):
        for method in support.access_methods(self.database):
            for kind, make in (("vector", Vector), ("halfvec", HalfVector)):
                with self.subTest(method=method, kind=kind):
                    self.cursor.execute(f"CREATE INDEX by_{method} ON {kind}s USING {method} "
                                        f"(embedding {kind}_l2_ops) {support.with_options(method)}")
                    self.cursor.execute("SET enable_seqscan = off")
                    query = f"SELECT id FROM {kind}s ORDER BY embedding <-> %s LIMIT 3"
                    parameters = (make(support.QUERY),)
                    self.assertIn("Index Scan", self.column("EXPLAIN " + query, parameters)[1])
                    self.assertEqual(self.column(query, parameters), support.by_distance(support.l2)[:3])
                    self.cursor.execute(f"RESET enable_seqscan; DROP INDEX by_{method}")


if __name__ == "__main__":
    unittest.main()

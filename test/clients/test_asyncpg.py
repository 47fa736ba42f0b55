"""pgvector-python with asyncpg, which sends and takes every value in binary and prepares every statement."""

import logging
import unittest

import support

support.require("pgvector", "asyncpg")
import asyncpg
from pgvector import HalfVector, SparseVector, Vector
from pgvector.asyncpg import register_vector

# unittest has asyncio tell of steps that take long
logging.getLogger("asyncio").setLevel(logging.ERROR)

KINDS = {"vector": Vector, "halfvec": HalfVector, "sparsevec": SparseVector}


class Asyncpg(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.connection = await asyncpg.connect(database=support.fresh_database("asyncpg"))
        self.addAsyncCleanup(self.connection.close)
        await self.connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        await register_vector(self.connection)
        for kind, make in KINDS.items():
            await self.connection.execute(f"CREATE TABLE {kind}s (id bigserial PRIMARY KEY, embedding {kind}(4))")
            await self.connection.executemany(f"INSERT INTO {kind}s VALUES ($1, $2)",
                                              [(n, make(point)) for n, point in support.POINTS.items()])
        await self.connection.execute("CREATE TABLE bits (id bigserial PRIMARY KEY, embedding bit(10))")
        await self.connection.executemany("INSERT INTO bits VALUES ($1, $2)",
                                          [(n, asyncpg.BitString(bits)) for n, bits in support.BITS.items()])

    async def column(self, query, *parameters):
        return [row[0] for row in await self.connection.fetch(query, *parameters)]

    async def test_values_come_back(self):
        for kind, make in KINDS.items():
            with self.subTest(kind=kind):
                values = [make(point) for point in support.POINTS.values()]
                self.assertEqual(await self.column(f"SELECT embedding FROM {kind}s ORDER BY id"), values)
                self.assertEqual(await self.column(f"SELECT array_agg(embedding ORDER BY id) FROM {kind}s"), [values])
        bits = await self.column("SELECT embedding FROM bits ORDER BY id")
        self.assertEqual([b.as_string().replace(" ", "") for b in bits], list(support.BITS.values()))

    async def test_order_by_each_distance(self):
        for kind, make in KINDS.items():
            for operator, distance in support.DISTANCES.items():
                with self.subTest(kind=kind, operator=operator):
                    query = f"SELECT id FROM {kind}s ORDER BY embedding {operator} $1"
                    self.assertEqual(await self.column(query, make(support.QUERY)), support.by_distance(distance))

    async def test_order_by_distances_of_bits(self):
        for operator, distance in support.BIT_DISTANCES.items():
            with self.subTest(operator=operator):
                ids = await self.column(f"SELECT id FROM bits ORDER BY embedding {operator} $1",
                                        asyncpg.BitString(support.BITS_QUERY))
                self.assertEqual(ids, support.by_distance(distance))

    async def test_copy_of_records(self):
        for kind, make in KINDS.items():
            with self.subTest(kind=kind):
                await self.connection.execute(f"TRUNCATE {kind}s")
                records = [(n, make(point)) for n, point in support.POINTS.items()]
                await self.connection.copy_records_to_table(f"{kind}s", records=records)
                self.assertEqual([tuple(r) for r in await self.connection.fetch(f"SELECT * FROM {kind}s")], records)

    async def test_prepared_query_by_index(self):
        for method in ("ivf", "hnsw"):
            with self.subTest(method=method):
                await self.connection.execute(f"CREATE INDEX by_{method} ON vectors USING {method} "
                                              "(embedding vector_l2_ops)")
                await self.connection.execute("SET enable_seqscan = off")
                query = await self.connection.prepare("SELECT id FROM vectors ORDER BY embedding <-> $1 LIMIT 4")
                # more often than PostgreSQL makes plans for single values
                for _ in range(8):
                    for point in support.POINTS.values():
                        ids = [row[0] for row in await query.fetch(Vector(point))]
                        self.assertEqual(ids, support.by_distance(support.l2, query=point)[:4])
                await self.connection.execute(f"DROP INDEX by_{method}")

    async def test_wrong_dimensions(self):
        with self.assertRaisesRegex(asyncpg.DataError, "expected 4 dimensions, not 3"):
            await self.connection.execute("INSERT INTO vectors (embedding) VALUES ($1)", Vector([1, 2, 3]))


if __name__ == "__main__":
    unittest.main()

"""LangChain's stores, PGVector and PGVectorStore: add, search by each distance and with filters on metadata, delete."""

import unittest
from dataclasses import dataclass

import support

support.require("langchain_postgres", "langchain_core", "psycopg")
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_postgres import Column, PGEngine, PGVector, PGVectorStore
from langchain_postgres.v2.indexes import (BaseIndex, DistanceStrategy, HNSWIndex, HNSWQueryOptions, IVFFlatIndex,
                                           IVFFlatQueryOptions)
from langchain_postgres.vectorstores import DistanceStrategy as OlderStrategy

IDS = {number: f"00000000-0000-0000-0000-{number:012}" for number in support.POINTS}
DOCUMENTS = [Document(page_content=f"point {n}", metadata={"number": n, "parity": "odd" if n % 2 else "even"}, id=IDS[n])
             for n in support.POINTS]
ODD_BY_COSINE = [n for n in support.by_distance(support.cosine) if n % 2]


class Points(Embeddings):
    """Embeds "point N" as that point and any other text as the query."""

    def embed_query(self, text):
        word, _, number = text.partition(" ")
        return support.POINTS[int(number)] if word == "point" else support.QUERY

    def embed_documents(self, texts):
        return [self.embed_query(text) for text in texts]


def numbers(documents):
    return [document.metadata["number"] for document in documents]


class PGVectorTest(unittest.TestCase):
    def store(self, strategy=OlderStrategy.COSINE):
        database = support.fresh_database("langchain_pgvector")
        store = PGVector(Points(), connection=support.url("psycopg", database), distance_strategy=strategy,
                         embedding_length=4)
        self.addCleanup(store._engine.dispose)
        store.add_documents(DOCUMENTS, ids=list(IDS.values()))
        return store

    def test_search_by_each_distance(self):
        for strategy, distance in ((OlderStrategy.COSINE, support.cosine), (OlderStrategy.EUCLIDEAN, support.l2),
                                   (OlderStrategy.MAX_INNER_PRODUCT, support.negative_inner_product)):
            with self.subTest(strategy=strategy):
                found = self.store(strategy).similarity_search_with_score("near what", k=4)
                self.assertEqual(numbers(d for d, _ in found), support.by_distance(distance)[:4])
                for document, score in found:
                    expected = distance(support.POINTS[document.metadata["number"]], support.QUERY)
                    self.assertAlmostEqual(score, expected, places=5)

    def test_search_with_filters(self):
        store = self.store()
        for condition, expected in (({"parity": "odd"}, ODD_BY_COSINE),
                                    ({"number": {"$in": [2, 3]}}, [2, 3]),
                                    ({"$and": [{"parity": {"$eq": "odd"}}, {"number": {"$lt": 5}}]}, [1, 3])):
            with self.subTest(condition=condition):
                self.assertEqual(numbers(store.similarity_search("near what", k=6, filter=condition)), expected)

    def test_marginal_relevance(self):
        found = self.store().max_marginal_relevance_search("near what", k=2, fetch_k=6, lambda_mult=1.0)
        self.assertEqual(numbers(found), support.by_distance(support.cosine)[:2])

    def test_delete(self):
        store = self.store()
        store.delete(ids=[IDS[5], IDS[1]])
        self.assertEqual(numbers(store.similarity_search("near what", k=2)), support.by_distance(support.cosine)[2:4])


@dataclass
class IvfIndex(BaseIndex):
    """What a program writes to have annex's own access method."""

    index_type: str = "ivf"

    def index_options(self):
        return "(lists = 1)"


class PGVectorStoreTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.database = support.fresh_database("langchain_store")
        cls.engine = PGEngine.from_connection_string(support.url("psycopg", cls.database))
        cls.addClassCleanup(lambda: cls.engine._run_as_sync(cls.engine.close()))

    def store(self, strategy=DistanceStrategy.COSINE_DISTANCE, **options):
        self.engine.init_vectorstore_table("points", 4, overwrite_existing=True, id_column="langchain_id",
                                           metadata_columns=[Column("parity", "text"), Column("number", "int")])
        store = PGVectorStore.create_sync(self.engine, Points(), "points", metadata_columns=["parity", "number"],
                                          distance_strategy=strategy, **options)
        store.add_documents(DOCUMENTS, ids=list(IDS.values()))
        return store

    def test_search_by_each_distance(self):
        for strategy, distance in ((DistanceStrategy.COSINE_DISTANCE, support.cosine),
                                   (DistanceStrategy.EUCLIDEAN, support.l2),
                                   (DistanceStrategy.INNER_PRODUCT, support.negative_inner_product)):
            with self.subTest(strategy=strategy.name):
                found = self.store(strategy).similarity_search("near what", k=4)
                self.assertEqual(numbers(found), support.by_distance(distance)[:4])

    def test_search_with_filters(self):
        store = self.store()
        for condition, expected in (({"parity": "odd"}, ODD_BY_COSINE), ({"number": {"$in": [2, 3]}}, [2, 3]),
                                    ({"$and": [{"parity": "odd"}, {"number": {"$lt": 5}}]}, [1, 3])):
            with self.subTest(condition=condition):
                self.assertEqual(numbers(store.similarity_search("near what", k=6, filter=condition)), expected)

    def test_delete(self):
        store = self.store()
        store.delete([IDS[5], IDS[1]])
        self.assertEqual(numbers(store.similarity_search("near what", k=2)), support.by_distance(support.cosine)[2:4])

    def check_index(self, store, index, method):
        store.apply_vector_index(index)
        self.assertEqual(support.index_of(self.database, index.name), f"{method} vector_cosine_ops")
        self.assertTrue(store.is_valid_index(index.name))
        support.ask(self.database, f"ALTER DATABASE {self.database} SET enable_seqscan = off")
        self.addCleanup(support.ask, self.database, f"ALTER DATABASE {self.database} RESET enable_seqscan")
        self.engine._run_as_sync(self.engine.close())
        self.assertEqual(numbers(store.similarity_search("near what", k=3)), support.by_distance(support.cosine)[:3])
        self.assertEqual(numbers(store.similarity_search("near what", k=3, filter={"parity": "odd"})), ODD_BY_COSINE)
        store.reindex(index.name)
        store.drop_vector_index(index.name)
        self.assertEqual(support.index_of(self.database, index.name), "")

    def test_index_of_annex(self):
        self.check_index(self.store(), IvfIndex(name="by_ivf"), "ivf")

    def test_ivfflat_index(self):
        if "ivfflat" not in support.access_methods(self.database):
            self.skipTest("there is no access method ivfflat in this annex")
        self.check_index(self.store(index_query_options=IVFFlatQueryOptions(probes=1)),
                         IVFFlatIndex(name="by_ivfflat", lists=1), "ivfflat")

    def test_hnsw_index(self):
        self.check_index(self.store(index_query_options=HNSWQueryOptions(ef_search=10)),
                         HNSWIndex(name="by_hnsw", m=4, ef_construction=8), "hnsw")


if __name__ == "__main__":
    unittest.main()

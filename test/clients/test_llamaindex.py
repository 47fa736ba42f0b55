"""LlamaIndex's store: add, search with filters on metadata, hybrid search, delete; with vector and with halfvec."""

import asyncio
import unittest

import support

support.require("llama_index.vector_stores.postgres", "psycopg2", "asyncpg")
from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode
from llama_index.core.vector_stores import (FilterCondition, FilterOperator, MetadataFilter, MetadataFilters,
                                            VectorStoreQuery)
from llama_index.core.vector_stores.types import VectorStoreQueryMode
from llama_index.vector_stores.postgres import PGVectorStore

COSINE = [str(n) for n in support.by_distance(support.cosine)]


def nodes():
    """A node for each point; two points to a document."""
    return [TextNode(id_=str(n), text=f"point {'ab'[n % 2]}", embedding=point,
                     metadata={"number": n, "parity": "odd" if n % 2 else "even"},
                     relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id=f"document {(n + 1) // 2}")})
            for n, point in support.POINTS.items()]


def query(k=6, filters=None, **options):
    return VectorStoreQuery(query_embedding=support.QUERY, similarity_top_k=k, filters=filters, **options)


def filters(*conditions):
    return MetadataFilters(filters=[MetadataFilter(key=key, value=value, operator=operator)
                                    for key, operator, value in conditions], condition=FilterCondition.AND)


class Store:
    """The tests, for the element type that a class below names."""

    use_halfvec = False

    def setUp(self):
        self.database = support.fresh_database("llamaindex")
        self.store = self.make_store("points", hybrid_search=True)
        self.assertEqual(self.store.add(nodes()), [str(n) for n in support.POINTS])

    def make_store(self, table, **options):
        return PGVectorStore.from_params(
            connection_string=support.url("psycopg2", self.database),
            async_connection_string=support.url("asyncpg", self.database), table_name=table, embed_dim=4,
            use_halfvec=self.use_halfvec, use_jsonb=True, **options)

    def tearDown(self):
        asyncio.run(self.store.close())

    def test_type_of_column(self):
        self.assertEqual(support.ask(self.database, "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE "
                                     "attrelid = 'data_points'::regclass AND attname = 'embedding'"),
                         "halfvec(4)" if self.use_halfvec else "vector(4)")

    def test_search(self):
        result = self.store.query(query())
        self.assertEqual(result.ids, COSINE)
        for number, similarity in zip(result.ids, result.similarities):
            expected = 1 - support.cosine(support.POINTS[int(number)], support.QUERY)
            self.assertAlmostEqual(similarity, expected, places=5)

    def test_search_without_waiting(self):
        async def search():
            try:
                return await self.store.aquery(query(k=3))
            finally:
                # connections belong to the loop that made them
                await self.store.close()

        self.assertEqual(asyncio.run(search()).ids, COSINE[:3])

    def test_search_with_filters(self):
        for conditions, expected in (([("parity", FilterOperator.EQ, "odd")], [n for n in COSINE if int(n) % 2]),
                                     ([("number", FilterOperator.IN, [2, 3])], ["2", "3"]),
                                     ([("parity", FilterOperator.EQ, "odd"), ("number", FilterOperator.LT, 5)],
                                      ["1", "3"])):
            with self.subTest(conditions=conditions):
                self.assertEqual(self.store.query(query(filters=filters(*conditions))).ids, expected)

    def test_hybrid_search(self):
        result = self.store.query(query(k=1, query_str="point a", mode=VectorStoreQueryMode.HYBRID, sparse_top_k=6,
                                        hybrid_top_k=6))
        self.assertIn(COSINE[0], result.ids)
        self.assertLessEqual({"2", "4", "6"}, set(result.ids))

    def test_marginal_relevance(self):
        result = self.store.query(query(k=2, mode=VectorStoreQueryMode.MMR), mmr_threshold=1.0)
        self.assertEqual(result.ids, COSINE[:2])

    def test_search_by_index(self):
        kind = "halfvec" if self.use_halfvec else "vector"
        for method in support.access_methods(self.database, f"{kind}_cosine_ops"):
            with self.subTest(method=method):
                support.ask(self.database, f"CREATE INDEX by_{method} ON data_points USING {method} "
                            f"(embedding {kind}_cosine_ops) {support.with_options(method)}")
                support.ask(self.database, f"ALTER DATABASE {self.database} SET enable_seqscan = off")
                asyncio.run(self.store.close())
                self.assertEqual(self.store.query(query(k=3), ivfflat_probes=1).ids, COSINE[:3])
                support.ask(self.database, f"DROP INDEX by_{method}")

    def test_hnsw_index_of_its_own(self):
        operator_class = "halfvec_cosine_ops" if self.use_halfvec else "vector_cosine_ops"
        store = self.make_store("graph", hnsw_kwargs={"hnsw_m": 4, "hnsw_ef_construction": 8, "hnsw_ef_search": 3,
                                                      "hnsw_dist_method": operator_class})
        try:
            # the index is made before there are rows
            store.add(nodes())
            self.assertEqual(support.index_of(self.database, "data_graph_embedding_idx"), f"hnsw {operator_class}")
            support.ask(self.database, f"ALTER DATABASE {self.database} SET enable_seqscan = off")
            asyncio.run(store.close())
            self.assertEqual(store.query(query()).ids, COSINE[:3])
            self.assertEqual(store.query(query(), hnsw_ef_search=10).ids, COSINE)
        finally:
            asyncio.run(store.close())

    def test_delete(self):
        # the document of points 5 and 6
        self.store.delete("document 3")
        self.assertEqual(self.store.query(query()).ids, [n for n in COSINE if n not in ("5", "6")])
        self.store.delete_nodes(node_ids=["1"])
        self.assertEqual(self.store.query(query()).ids, [n for n in COSINE if n not in ("1", "5", "6")])
        self.store.clear()
        self.assertEqual(self.store.query(query()).ids, [])


class WithVector(Store, unittest.TestCase):
    pass


class WithHalfvec(Store, unittest.TestCase):
    use_halfvec = True


if __name__ == "__main__":
    unittest.main()

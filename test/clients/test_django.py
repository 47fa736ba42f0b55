"""pgvector-python's Django fields: migrations with indexes of its own classes, models, distances."""

import os
import unittest

import support

support.require("pgvector", "django", "psycopg")
import django
from django.conf import settings

DATABASE = support.fresh_database("django")
settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", "NAME": DATABASE, "USER": os.environ["PGUSER"],
                           "HOST": os.environ["PGHOST"]}},
    INSTALLED_APPS=["django.contrib.postgres"], DEFAULT_AUTO_FIELD="django.db.models.BigAutoField")
django.setup()

from django.contrib.postgres.indexes import OpClass, PostgresIndex
from django.db import connection, migrations, models, transaction
from django.db.migrations.state import ProjectState
from django.db.models import Avg, Sum
from django.db.models.functions import Cast
from pgvector import HalfVector, SparseVector
from pgvector.django import (BitField, CosineDistance, HalfVectorField, HammingDistance, HnswIndex, IvfflatIndex,
                             JaccardDistance, L1Distance, L2Distance, MaxInnerProduct, SparseVectorField, VectorExtension, VectorField)

FUNCTIONS = {"<->": L2Distance, "<#>": MaxInnerProduct, "<=>": CosineDistance, "<+>": L1Distance}


class Item(models.Model):
    vector = VectorField(dimensions=4, null=True)
    half = HalfVectorField(dimensions=4, null=True)
    sparse = SparseVectorField(dimensions=4, null=True)
    bits = BitField(length=10, null=True)

    class Meta:
        app_label = "clients"


class IvfIndex(PostgresIndex):
    """What a program writes to have annex's own access method."""

    suffix = "ivf"


def fields():
    return [(f.name, f.clone()) for f in Item._meta.get_fields()]


class FirstMigration(migrations.Migration):
    operations = [VectorExtension(), migrations.CreateModel("Item", fields())]


class Django(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.addClassCleanup(connection.close)
        with connection.schema_editor() as editor:
            cls.state = FirstMigration("0001", "clients").apply(ProjectState(), editor)
        for number, point in support.POINTS.items():
            Item(id=number, vector=point, half=point, sparse=SparseVector(point), bits=support.BITS.get(number)).save()

    def test_values_come_back(self):
        for item in Item.objects.all():
            point = support.POINTS[item.id]
            self.assertEqual(list(item.vector), point)
            self.assertEqual(list(item.half), point)
            self.assertEqual(item.sparse, SparseVector(point))
            self.assertEqual(item.bits, support.BITS.get(item.id))

    def test_order_by_each_distance(self):
        for operator, distance in support.DISTANCES.items():
            for column, query in (("vector", support.QUERY), ("half", HalfVector(support.QUERY)),
                                  ("sparse", SparseVector(support.QUERY))):
                with self.subTest(operator=operator, column=column):
                    ordered = Item.objects.order_by(FUNCTIONS[operator](column, query))
                    self.assertEqual([item.id for item in ordered], support.by_distance(distance))

    def test_order_by_distances_of_bits(self):
        for function, distance in ((HammingDistance, support.hamming), (JaccardDistance, support.jaccard)):
            with self.subTest(function=function.__name__):
                ordered = Item.objects.exclude(bits=None).order_by(function("bits", support.BITS_QUERY))
                self.assertEqual([item.id for item in ordered], support.by_distance(distance))

    def test_filter_by_distance(self):
        near = Item.objects.alias(distance=L2Distance("vector", support.QUERY)).filter(distance__lt=3)
        self.assertEqual(sorted(item.id for item in near), [1, 2])

    def test_aggregates(self):
        columns = list(zip(*support.POINTS.values()))
        totals = Item.objects.aggregate(total=Sum("vector"), mean=Avg("half"))
        self.assertEqual(list(totals["total"]), [sum(c) for c in columns])
        for got, column in zip(totals["mean"], columns):
            self.assertAlmostEqual(got, sum(column) / len(column), places=2)

    def add_index(self, index, description):
        """In a transaction of the caller's, as a migration does it."""
        with connection.schema_editor(atomic=False) as editor:
            migrations.AddIndex("item", index).database_forwards("clients", editor, self.state, self.with_index(index))
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_get_indexdef(%s::regclass)", [index.name])
                self.assertIn(description, cursor.fetchone()[0])

    def with_index(self, index):
        state = self.state.clone()
        migrations.AddIndex("item", index).state_forwards("clients", state)
        return state

    def nearest_by_index(self, column, query):
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
        ordered = Item.objects.order_by(CosineDistance(column, query))[:3]
        self.assertIn("Index Scan", ordered.explain())
        return [item.id for item in ordered]

    def test_index_of_annex(self):
        for column, query in (("vector", support.QUERY), ("half", HalfVector(support.QUERY))):
            kind = "vector" if column == "vector" else "halfvec"
            with self.subTest(column=column), transaction.atomic():
                self.add_index(IvfIndex(fields=[column], name=f"ivf_{column}", opclasses=[f"{kind}_cosine_ops"]),
                               f"USING ivf ({column} {kind}_cosine_ops)")
                self.assertEqual(self.nearest_by_index(column, query), support.by_distance(support.cosine)[:3])
                transaction.set_rollback(True)

    def test_ivfflat_index(self):
        if "ivfflat" not in support.access_methods(DATABASE):
            self.skipTest("there is no access method ivfflat in this annex")
        for column, kind in (("vector", "vector"), ("half", "halfvec")):
            with self.subTest(column=column), transaction.atomic():
                self.add_index(IvfflatIndex(fields=[column], name=f"flat_{column}", lists=1,
                                            opclasses=[f"{kind}_cosine_ops"]),
                               f"USING ivfflat ({column} {kind}_cosine_ops) WITH (lists='1')")
                query = support.QUERY if kind == "vector" else HalfVector(support.QUERY)
                self.assertEqual(self.nearest_by_index(column, query), support.by_distance(support.cosine)[:3])
                transaction.set_rollback(True)

    def test_hnsw_index(self):
        for column, kind in (("vector", "vector"), ("half", "halfvec")):
            with self.subTest(column=column), transaction.atomic():
                self.add_index(HnswIndex(fields=[column], name=f"hnsw_{column}", m=4, ef_construction=8,
                                         opclasses=[f"{kind}_cosine_ops"]),
                               f"USING hnsw ({column} {kind}_cosine_ops) WITH (m='4', ef_construction='8')")
                query = support.QUERY if kind == "vector" else HalfVector(support.QUERY)
                self.assertEqual(self.nearest_by_index(column, query), support.by_distance(support.cosine)[:3])
                transaction.set_rollback(True)

    def test_hnsw_index_of_bits(self):
        with transaction.atomic():
            self.add_index(HnswIndex(fields=["bits"], name="hnsw_bits", opclasses=["bit_hamming_ops"]),
                           "USING hnsw (bits bit_hamming_ops)")
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL enable_seqscan = off")
            ordered = Item.objects.order_by(HammingDistance("bits", support.BITS_QUERY))[:3]
            self.assertIn("Index Scan", ordered.explain())
            self.assertEqual([item.id for item in ordered], support.by_distance(support.hamming)[:3])
            transaction.set_rollback(True)

    def test_index_on_an_expression(self):
        for make in (IvfIndex, HnswIndex):
            with self.subTest(index=make.__name__), transaction.atomic():
                cast = OpClass(Cast("vector", HalfVectorField(dimensions=4)), name="halfvec_ip_ops")
                self.add_index(make(cast, name="of_cast"), "((vector)::halfvec(4)) halfvec_ip_ops")
                transaction.set_rollback(True)


if __name__ == "__main__":
    unittest.main()

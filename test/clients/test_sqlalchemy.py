"""pgvector-python's SQLAlchemy types, by each of its drivers: models, distances, indexes made from a model."""

import unittest

import support

support.require("pgvector", "sqlalchemy", "psycopg", "psycopg2")
from pgvector import HalfVector, SparseVector
from pgvector.sqlalchemy import BIT, HALFVEC, SPARSEVEC, VECTOR, avg, sum as total
from sqlalchemy import Index, Integer, MetaData, Table, cast, create_engine, event, func, select, text
from sqlalchemy.orm import DeclarativeBase, Session, mapped_column

METHODS = {"<->": "l2_distance", "<#>": "max_inner_product", "<=>": "cosine_distance", "<+>": "l1_distance"}


class Base(DeclarativeBase):
    pass


class Item(Base):
    __tablename__ = "item"
    id = mapped_column(Integer, primary_key=True)
    vector = mapped_column(VECTOR(4))
    half = mapped_column(HALFVEC(4))
    sparse = mapped_column(SPARSEVEC(4))


class Code(Base):
    __tablename__ = "code"
    id = mapped_column(Integer, primary_key=True)
    bits = mapped_column(BIT(10))


class Models:
    """The tests, for the driver that a class below names."""

    driver = None

    @classmethod
    def setUpClass(cls):
        cls.database = support.fresh_database(f"sqlalchemy_{cls.driver}")
        cls.engine = create_engine(support.url(cls.driver, cls.database))
        cls.addClassCleanup(cls.engine.dispose)
        with cls.engine.begin() as connection:
            connection.execute(text("CREATE EXTENSION IF NOT EXISTS vector"))
        # connections from here on find the types
        cls.engine.dispose()
        cls.after_extension()
        Base.metadata.create_all(cls.engine)
        with Session(cls.engine) as session:
            for number, point in support.POINTS.items():
                session.add(Item(id=number, vector=point, half=HalfVector(point), sparse=SparseVector(point)))
            session.add_all(Code(id=number, bits=bits) for number, bits in support.BITS.items())
            session.commit()

    @classmethod
    @classmethod
    def after_extension(cls):
        pass

    def test_types_of_columns(self):
        types = support.ask(self.database, "SELECT string_agg(format_type(atttypid, atttypmod), ' ' ORDER BY attnum) "
                            "FROM pg_attribute WHERE attrelid IN ('item'::regclass, 'code'::regclass) AND attnum > 1")
        self.assertEqual(sorted(types.split()), ["bit(10)", "halfvec(4)", "sparsevec(4)", "vector(4)"])

    def test_values_come_back(self):
        with Session(self.engine) as session:
            for item in session.scalars(select(Item)):
                point = support.POINTS[item.id]
                self.assertEqual(list(item.vector), point)
                self.assertEqual(list(item.half), point)
                self.assertEqual(item.sparse, SparseVector(point))

    def test_order_by_each_distance(self):
        with Session(self.engine) as session:
            for operator, distance in support.DISTANCES.items():
                for column, query in ((Item.vector, support.QUERY), (Item.half, HalfVector(support.QUERY)),
                                      (Item.sparse, SparseVector(support.QUERY))):
                    with self.subTest(operator=operator, column=column.key):
                        ordered = select(Item.id).order_by(getattr(column, METHODS[operator])(query))
                        self.assertEqual(list(session.scalars(ordered)), support.by_distance(distance))

    def test_order_by_distances_of_bits(self):
        with Session(self.engine) as session:
            for method, distance in (("hamming_distance", support.hamming), ("jaccard_distance", support.jaccard)):
                with self.subTest(method=method):
                    ordered = select(Code.id).order_by(getattr(Code.bits, method)(support.BITS_QUERY))
                    self.assertEqual(list(session.scalars(ordered)), support.by_distance(distance))

    def test_filter_by_distance(self):
        with Session(self.engine) as session:
            near = select(Item.id).filter(Item.vector.l2_distance(support.QUERY) < 3)
            self.assertEqual(sorted(session.scalars(near)), [1, 2])

    def test_aggregates(self):
        columns = list(zip(*support.POINTS.values()))
        with Session(self.engine) as session:
            self.assertEqual(list(session.scalar(select(total(Item.vector)))), [sum(c) for c in columns])
            for got, column in zip(session.scalar(select(avg(Item.half))), columns):
                self.assertAlmostEqual(got, sum(column) / len(column), places=2)

    def test_reflection(self):
        table = Table("item", MetaData(), autoload_with=self.engine)
        self.assertIsInstance(table.c.vector.type, VECTOR)
        self.assertIsInstance(table.c.half.type, HALFVEC)
        self.assertIsInstance(table.c.sparse.type, SPARSEVEC)

    def test_indexes(self):
        for method in support.access_methods(self.database):
            for name, classes in (("vector", "vector_cosine_ops"), ("half", "halfvec_l2_ops")):
                with self.subTest(method=method, column=name):
                    index = Index(f"by_{method}_{name}", getattr(Item, name), postgresql_using=method,
                                  postgresql_with=support.OPTIONS[method], postgresql_ops={name: classes})
                    self.addCleanup(Item.__table__.indexes.discard, index)
                    index.create(self.engine)
                    self.addCleanup(index.drop, self.engine)
                    self.assertEqual(support.index_of(self.database, index.name), f"{method} {classes}")

    def test_index_on_an_expression(self):
        methods = support.access_methods(self.database, "bit_hamming_ops")
        if not methods:
            self.skipTest("no access method of this annex has operator classes for bit")
        for method in methods:
            with self.subTest(method=method):
                quantized = cast(func.binary_quantize(Item.vector), BIT(4)).label("code")
                index = Index(f"by_{method}_code", quantized, postgresql_using=method, postgresql_with=support.OPTIONS[method],
                              postgresql_ops={"code": "bit_hamming_ops"})
                self.addCleanup(Item.__table__.indexes.discard, index)
                index.create(self.engine)
                self.addCleanup(index.drop, self.engine)
                self.assertEqual(support.index_of(self.database, index.name), f"{method} bit_hamming_ops")
                with Session(self.engine) as session:
                    near = cast(func.binary_quantize(Item.vector), BIT(4)).hamming_distance("1110")
                    session.execute(text("SET LOCAL enable_seqscan = off"))
                    self.assertEqual(session.scalar(select(func.count()).select_from(
                        select(Item.id).order_by(near).limit(3).subquery())), 3)
                    self.assertIn(session.scalar(select(Item.id).order_by(near).limit(1)), (1, 5))


class WithPsycopg(Models, unittest.TestCase):
    driver = "psycopg"


class WithPsycopgBinary(Models, unittest.TestCase):
    """With values in binary, as pgvector-python's register_vector has it."""

    driver = "psycopg"

    @classmethod
    def after_extension(cls):
        from pgvector.psycopg import register_vector

        event.listen(cls.engine, "connect", lambda connection, _: register_vector(connection))


class WithPsycopg2(Models, unittest.TestCase):
    driver = "psycopg2"


if __name__ == "__main__":
    unittest.main()

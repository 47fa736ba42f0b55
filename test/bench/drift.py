"""What becomes of an index whose data changes: annex alone.

The rows come sorted by cluster (the nearest of CLUSTERS of them), the index is built when the first tenth is there. Then
the older half is deleted and a quarter as many rows of another distribution come: the same vectors with their coordinates
in reverse order. VACUUM follows each step. Recall and speed are measured after each with queries of both distributions,
and at last with the index built anew; the exact answers of each stage come from a sequential scan.
"""

import array

import vectors
from datasets import QuerySet
from engines import annex
from growth import Stage, report, vacuum_until_settled
from instance import Instance, note

CLUSTERS = 64
QUERIES = 200


class Drift(Instance):
    """Its sets of queries are kept as tables: queries0 of the data's distribution, queries1 of the other."""

    def load_sorted(self):
        self.create()
        self.session.run("ALTER TABLE items RENAME TO unsorted")
        vectors.copy_file(self.database, "unsorted (id, v)", self.data.base, self.rows)
        self.create_table("items")
        self.session.run(
            f"CREATE TABLE centres AS SELECT id, v FROM unsorted WHERE id % {max(1, self.rows // CLUSTERS)} = 0; "
            f"CREATE TABLE places AS SELECT id, row_number() OVER (ORDER BY (SELECT c.id FROM centres AS c "
            f"ORDER BY c.v {self.operator} u.v LIMIT 1), id) AS place FROM unsorted AS u; ANALYZE places, unsorted; "
            "CREATE TABLE arriving AS SELECT place::integer AS id, v FROM unsorted JOIN places USING (id) ORDER BY place; "
            "DROP TABLE unsorted, places; CREATE INDEX ON arriving (id); ANALYZE arriving")
        path = self.data.query_sets[0].path
        other = [reversed_(row) for row in vectors.read(path, 0, QUERIES)]
        for position, rows in enumerate((vectors.read(path, 0, QUERIES), other)):
            self.create_table(f"queries{position}")
            vectors.copy(self.database, f"queries{position} (id, v)", enumerate(rows))
        self.session.run("CREATE TABLE scan_queries AS SELECT * FROM queries0 LIMIT 20")

    def arrive(self, first, last):
        self.session.run(f"INSERT INTO items SELECT id, v FROM arriving WHERE id BETWEEN {first} AND {last} ORDER BY id")

    def arrive_other(self, count):
        numbered = ((2 * self.rows + i, reversed_(row)) for i, row in enumerate(vectors.read(self.data.base, 0, count)))
        vectors.copy(self.database, "items (id, v)", numbered)

    def renew_truth(self):
        self.rows = int(self.session.value("SELECT count(*) FROM items"))
        for position in (0, 1):
            self.session.run(f"DROP TABLE IF EXISTS truth{position}; "
                             f"CREATE TABLE truth{position} (id integer, near integer[])")
            self.store_truth(f"truth{position}", f"queries{position}", 10)


def reversed_(row):
    return array.array("f", reversed(row))


def run(data, options):
    instance = Drift(data, annex(), options)
    note(f"{data.name}: sorting by cluster")
    instance.load_sorted()
    rows = instance.rows
    instance.data.query_sets = [QuerySet("queries of the first distribution", data.query_sets[0].path),
                                QuerySet("queries of the other distribution", "")]
    stages = []

    def stage(label):
        instance.renew_truth()
        stages.append(Stage(label, instance, options))

    instance.arrive(0, rows // 10)
    instance.build("")
    instance.arrive(rows // 10 + 1, rows)
    vacuum_until_settled(instance)
    stage("all rows came, sorted")
    instance.session.run(f"DELETE FROM items WHERE id <= {rows // 2}")
    vacuum_until_settled(instance)
    stage("older half deleted")
    instance.arrive_other(rows // 4)
    stage("other rows came, no VACUUM yet")
    vacuum_until_settled(instance)
    stage("after VACUUM")
    instance.build("")
    stage("built anew")

    print(f"\n### {data.name}: drift\n")
    report(instance.data, stages, stages[-1])
    instance.drop()

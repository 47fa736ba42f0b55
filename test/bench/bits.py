"""Bit strings: codes of the data sets' vectors (binary_quantize), by Hamming and by Jaccard distance, beside pgvector's
hnsw and ivfflat indexes on bit.

Distances of bit strings are often the same, and of rows that are equally far any may be returned: recall is the share of
the rows that come which are no farther than the k-th nearest is. Data whose numbers are all positive is left out, since
its codes are all the same. pgvector's ivfflat has rows / 1000 lists, as its documentation advises.
"""

from dataclasses import replace

import vectors
from engines import PROBES, Engine, Setting, installed_engines
from instance import K, Instance, measure_rounds, note
from report import heading, number, qps_at, ratio, row, share, speed_ratio, table

METRICS = {"hamming": ("<~>", "bit_hamming_ops"), "jaccard": ("<%>", "bit_jaccard_ops")}
RECALLS = (.9, .95, .99)


def ivfflat(rows):
    probes = [each for each in PROBES if each != "all"]
    lists = max(10, rows // 1000)
    settings = [Setting(f"probes = {each}", {"ivfflat.probes": each}) for each in [1, 2, *probes] if each <= lists]
    return Engine("pgvector", "vector", "ivfflat", f"WITH (lists = {lists})", settings)


def contenders(metric, rows, wanted):
    for engine in installed_engines(wanted):
        settings = [each for each in engine.settings if "ivf.epsilon" not in each.values]  # codes are exact
        if engine.method == "hnsw":
            settings = [Setting(f"ef_search = {ef}", {"hnsw.ef_search": ef}) for ef in (10, 20)] + settings
        yield replace(engine, fixed=False, settings=settings)
        if engine.name == "pgvector" and metric == "hamming":
            yield ivfflat(rows)


class BitsInstance(Instance):
    def __init__(self, data, engine, options, metric):
        super().__init__(data, engine, options)
        self.operator, self.operator_class = METRICS[metric]
        self.database = f"bench_{engine.name}_{engine.method}"

    def create_table(self, name):
        """Filled from the vectors that are copied into a table of their own."""
        self.session.run(f"CREATE TABLE {name} (id integer, v bit({self.data.dimensions}))")

    def quantize(self, name, path, count=None):
        self.session.run(f"CREATE TABLE dense (id integer, v vector({self.data.dimensions}))")
        vectors.copy_file(self.database, "dense (id, v)", path, count)
        self.session.run(f"INSERT INTO {name} SELECT id, binary_quantize(v)::bit({self.data.dimensions}) FROM dense "
                         "ORDER BY id; DROP TABLE dense")

    def load(self):
        note(f"{self.data.name}: loading into {self.engine.title}")
        self.create()
        self.quantize("items", self.data.base, self.rows)
        for position, queries in enumerate(self.data.query_sets):
            self.create_table(f"queries{position}")
            self.quantize(f"queries{position}", queries.path)
        self.session.run("CREATE TABLE scan_queries AS SELECT * FROM queries0 ORDER BY id LIMIT 20; VACUUM ANALYZE")

    def varied(self):
        return self.session.value("SELECT count(DISTINCT v) > count(*) / 10 FROM queries0") == "t"

    def find_truth(self):
        """The distance of the k-th nearest row to each query, by a sequential scan."""
        for position, _ in enumerate(self.data.query_sets):
            self.session.run(f"CREATE TABLE truth{position} AS SELECT q.id, (SELECT max(d) FROM (SELECT v {self.operator} q.v "
                             f"AS d FROM items ORDER BY 1 LIMIT {K}) AS near) AS distance FROM queries{position} AS q")

    def measure_recall(self, queries, truth, k=K):
        started = self.session.cpu_seconds()
        recall = float(self.session.value(
            f"SELECT sum((SELECT count(*) FROM (SELECT v {self.operator} q.v AS d FROM items ORDER BY v {self.operator} q.v "
            f"LIMIT {k}) AS a WHERE d <= t.distance)) / (count(*) * {k}) FROM {queries} AS q JOIN {truth} AS t USING (id)"))
        self.expected[queries, k, "items", 0, self.setting] = self.session.cpu_seconds() - started
        return recall


def run(data, options):
    for metric in METRICS:
        run_metric(data, options, metric)


def run_metric(data, options, metric):
    rows = min(options.rows or data.rows, data.rows)
    engines = contenders(metric, rows, options.engines.split())
    instances = [BitsInstance(data, engine, options, metric) for engine in engines]
    for instance in instances:
        instance.load()
    if instances[0].varied():
        measure(instances, options)
        report(instances, metric)
    else:
        note(f"{data.name}: its codes do not differ")
    for instance in instances:
        instance.drop()


def measure(instances, options):
    for instance in instances:
        instance.find_truth()
    for _ in range(options.builds):
        for instance in instances:
            instance.build()
    for instance in instances:
        instance.prepare()
        instance.apply(instance.engine.settings[-1])
        instance.require_index()
        instance.measure_all_recalls()
    for _ in measure_rounds(instances, options.repeat):
        pass


def report(instances, metric):
    ours, *others = instances
    data = ours.data
    print(f"\n### {data.name}: {ours.rows:,} codes of {data.dimensions} bits, {metric}\n")
    table(["", ours.engine.title, *(cell for each in others for cell in (each.engine.title, "ratio"))])

    def line(label, value, show=number):
        row(label, show(value(ours)),
            *(cell for each in others for cell in (show(value(each)), ratio(value(each), value(ours)))))

    line("build, seconds of processors", lambda each: each.build_cost.cpu_seconds, lambda value: number(value, 1))
    line("build, seconds", lambda each: each.build_cost.seconds, lambda value: number(value, 1))
    line("index, bytes a row", lambda each: each.index_bytes / each.rows)
    for position, queries in enumerate(data.query_sets):
        for recall in RECALLS:
            cells = [number(qps_at(recall, ours.points(position)))]
            for each in others:
                points = each.points(position)
                cells += [number(qps_at(recall, points)), speed_ratio(recall, ours.points(position), points)]
            row(f"{queries.name}: QPS at recall {recall}", *cells)
    heading("Settings")
    table(["queries", "index", "setting", f"recall@{K}", "QPS"], 3)
    for position, queries in enumerate(data.query_sets):
        for each in instances:
            for setting in each.engine.settings:
                row(queries.name, each.engine.title, setting.label, share(each.recall[position, setting.label]),
                    number(each.qps[position, setting.label]))

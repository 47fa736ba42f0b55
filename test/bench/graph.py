"""Graphs: annex's hnsw beside pgvector's, made with the same m and ef_construction and the same default settings.

Build, size, speed at a recall and inserts are measured as in standard.py and inserts.py. annex is tried with the recalls
that annex.target_recall can be asked for and with pgvector's own setting, hnsw.ef_search; at each recall the faster one
counts. Vacuum: in a copy of the database a fifth of the rows is deleted, then VACUUM, by the processor time of its
backend, less what it takes where there is no index; the recall after it is that among the rows that are left.
"""

from dataclasses import replace

from engines import Setting, annex, installed_engines
from inserts import Inserts
from instance import K, Instance, measure_rounds, note, on_postgres
from report import Comparison, heading, number, row, share, speed_ratio, table

RECALLS = (.9, .95, .99, .995)
ASKED = (.8, .9, .95, .97, .99, .995, .999)
EFS = (10, 20, 40, 60, 80, 120, 160, 240, 320, 480, 640, 1000)
OPTIONS = "WITH (m = 16, ef_construction = 64)"
DEAD = 5  # every so manieth row
AFTER = Setting("ef_search = 80", {"hnsw.ef_search": 80})


def engines(wanted):
    by_ef = [Setting(f"ef_search = {ef}", {"hnsw.ef_search": ef}) for ef in EFS]
    asked = [Setting(f"target_recall = {recall}", {"annex.target_recall": recall}) for recall in ASKED]
    for engine in installed_engines(wanted):
        if engine.name == annex().name:
            yield replace(engine, method="hnsw", options=OPTIONS, settings=asked + list(by_ef))
        else:
            yield replace(engine, options=OPTIONS, settings=list(by_ef))


class Vacuum:
    """VACUUM of a fifth of the rows, in a copy of the database, and the recall by a setting before and after it."""

    def __init__(self, instance, setting):
        self.instance = instance
        self.setting = setting
        self.seconds = self.wal = 0
        self.recalls = {}  # (query set, before or after) -> share
        self.bytes = 0

    def measure(self):
        instance = self.instance
        note(f"{instance.data.name}: vacuum of {instance.engine.title}")
        for position, _ in enumerate(instance.data.query_sets):
            self.recalls[position, "before"] = instance.recall[position, self.setting.label]
        instance.session.close()
        kept, instance.database = instance.database, f"{instance.database}_vacuum"
        on_postgres(f"DROP DATABASE IF EXISTS {instance.database}")
        on_postgres(f"CREATE DATABASE {instance.database} TEMPLATE {kept} STRATEGY file_copy")
        instance.reconnect()
        bare, _ = self.vacuum("CREATE TABLE bare AS SELECT * FROM items; VACUUM ANALYZE bare", "bare")
        self.seconds, self.wal = self.vacuum("DROP TABLE bare", "items")
        self.seconds -= bare
        self.bytes = int(instance.session.value("SELECT pg_relation_size('items_index')"))
        self.recall_after()
        instance.drop()
        instance.database = kept
        instance.reconnect()

    def vacuum(self, first, name):
        session = self.instance.session
        for statement in (first, f"DELETE FROM {name} WHERE id % {DEAD} = 0", "CHECKPOINT"):
            for each in statement.split("; "):
                session.run(each)
        before = session.value("SELECT pg_current_wal_insert_lsn()")
        started = session.cpu_seconds()
        session.run(f"VACUUM (INDEX_CLEANUP on, PARALLEL 0) {name}")
        seconds = session.cpu_seconds() - started
        return seconds, float(session.value(f"SELECT pg_current_wal_insert_lsn() - '{before}'"))

    def recall_after(self):
        """Of the hundred nearest rows that are known some are left: the first K of these are the nearest now."""
        instance = self.instance
        instance.apply(self.setting)
        for position, _ in enumerate(instance.data.query_sets):
            left = f"ARRAY(SELECT i FROM unnest(near) WITH ORDINALITY n (i, o) WHERE i % {DEAD} <> 0 ORDER BY o)"
            instance.session.run(f"UPDATE truth{position} SET near = {left}")
            self.recalls[position, "after"] = instance.measure_recall(f"queries{position}", f"truth{position}")


def run(data, options):
    instances = [Instance(data, engine, options) for engine in engines(options.engines.split())]
    measure(instances, options, AFTER, OPTIONS)
    if len(instances) == 2:
        by_same_setting(instances)
        list_settings(instances[:1], instances[0].engine.settings[:len(ASKED)])
    else:
        list_settings(instances)
    for instance in instances:
        instance.drop()


def measure(instances, options, setting, built_with):
    """Builds, measures and reports what both have in common; vacuum is judged by the setting."""
    for instance in instances:
        instance.load()
        instance.find_truth()
    for _ in range(options.builds):
        for instance in instances:
            if not instance.kept():
                instance.build()
    for instance in instances:
        instance.keep()
        instance.prepare()
        instance.apply(instance.engine.settings[-1])
        instance.require_index()
        instance.measure_all_recalls()
    for _ in measure_rounds(instances, options.repeat):
        pass
    vacuums = [Vacuum(instance, setting) for instance in instances]
    for vacuum in vacuums:
        vacuum.measure()
    inserts = Inserts(instances)
    inserts.measure()
    report(instances, vacuums, inserts, built_with)


def report(instances, vacuums, inserts, built_with):
    data = instances[0].data
    print(f"\n### {data.name}: {instances[0].rows:,} rows of {data.dimensions} dimensions, {data.metric}; {built_with}\n")
    comparison = Comparison([each.engine for each in instances])

    def line(label, value, show=number):
        comparison.line(label, [value(each) for each in instances], show, less_is_better=True)

    def with_tenth(value):
        return number(value, 1)

    line("build, seconds of processors", lambda each: each.build_cost.cpu_seconds, with_tenth)
    line("build, seconds", lambda each: each.build_cost.seconds, with_tenth)
    line("peak memory of the build, MB", lambda each: each.build_cost.memory / 2**20)
    line("index, bytes a row", lambda each: each.index_bytes / each.rows)
    for position, queries in enumerate(data.query_sets):
        for recall in RECALLS:
            comparison.recall_line(f"{queries.name}: QPS at recall {recall}", recall,
                                   [each.points(position) for each in instances])
    inserts.summarize(comparison)
    comparison.line(f"vacuum of one row in {DEAD}, seconds of the index", [each.seconds for each in vacuums],
                    lambda value: number(value, 2), less_is_better=True)
    comparison.line("WAL of that vacuum, MB", [each.wal / 2**20 for each in vacuums], with_tenth, less_is_better=True)
    for position, queries in enumerate(data.query_sets):
        for when in ("before", "after"):
            comparison.line(f"{queries.name}: recall@{K} {when} it, {vacuums[0].setting.label}",
                            [each.recalls[position, when] for each in vacuums], share)
    inserts.report()


def by_same_setting(instances):
    """The same hnsw.ef_search for both: what a user who changes nothing gets."""
    heading("The same ef_search")
    ours, theirs = instances
    table(["queries", "ef_search", *(f"{each.engine.title}: {what}" for each in instances for what in ("recall@10", "QPS")), "faster"])
    for position, queries in enumerate(ours.data.query_sets):
        for ef in EFS:
            label = f"ef_search = {ef}"
            cells = [cell for each in instances for cell in (share(each.recall[position, label]), number(each.qps[position, label]))]
            row(queries.name, str(ef), *cells,
                speed_ratio(0, [(1, ours.qps[position, label])], [(1, theirs.qps[position, label])]))


def list_settings(instances, some=None):
    """Some settings or all."""
    heading("Settings")
    table(["queries", "index", "setting", f"recall@{K}", "QPS"], 3)
    for position, queries in enumerate(instances[0].data.query_sets):
        for each in instances:
            for setting in some or each.engine.settings:
                row(queries.name, each.engine.title, setting.label, share(each.recall[position, setting.label]),
                    number(each.qps[position, setting.label]))

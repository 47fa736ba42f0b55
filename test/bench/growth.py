"""An index made on an empty table and filled by COPY, beside one built afterwards: annex alone.

After COPY comes VACUUM, and again until it changes nothing more (at most ROUNDS), as autovacuum would do it. In each state
recall and speed are measured with all settings.
"""

import time

import vectors
from engines import annex
from instance import Instance, measure_rounds, note
from report import number, qps_at, ratio, row, share, table

RECALLS = (.95, .99)
ROUNDS = 4
SHAPE = "SELECT lists, list_size_max, bytes FROM annex_index_info('items_index')"


class Stage:
    """An index at one moment: what it looks like, and what its search does."""

    def __init__(self, label, instance, options):
        self.label = label
        note(f"{instance.data.name}: {label}")
        instance.recall, instance.qps = {}, {}
        instance.session.run("ANALYZE items")
        instance.prepare()
        instance.require_index()
        instance.measure_all_recalls()
        for _ in measure_rounds([instance], options.repeat):
            pass
        self.lists, self.longest, size = (int(each) for each in instance.session.rows(SHAPE)[0])
        self.bytes_per_row = size / instance.rows
        self.defaults = [(instance.recall[position, "defaults"], instance.qps[position, "defaults"])
                         for position, _ in enumerate(instance.data.query_sets)]
        self.speeds = {(position, recall): qps_at(recall, instance.points(position))
                       for position, _ in enumerate(instance.data.query_sets) for recall in RECALLS}


def report(data, stages, beside):
    """Stages with the speed at a recall, and how much faster `beside` is."""
    for position, queries in enumerate(data.query_sets):
        titles = [queries.name, "lists", "longest list", "bytes a row", "recall with defaults", "QPS with defaults"]
        for recall in RECALLS:
            titles += [f"QPS at {recall}", f"{beside.label} is faster by"]
        table(titles)
        for stage in stages:
            recall, qps = stage.defaults[position]
            cells = [stage.label, number(stage.lists), number(stage.longest), number(stage.bytes_per_row), share(recall),
                     number(qps)]
            for target in RECALLS:
                cells += [number(stage.speeds[position, target]),
                          ratio(beside.speeds[position, target], stage.speeds[position, target])]
            row(*cells)
        print()


def vacuum_until_settled(instance):
    """Returns the seconds of each VACUUM."""
    seconds = []
    shape = instance.session.rows(SHAPE)
    for _ in range(ROUNDS):
        started = time.monotonic()
        instance.session.run("VACUUM items")
        seconds.append(time.monotonic() - started)
        note(f"    VACUUM: {seconds[-1]:.1f} s, {instance.session.rows(SHAPE)[0]}")
        if instance.session.rows(SHAPE) == shape:
            break
        shape = instance.session.rows(SHAPE)
    return seconds


def run(data, options):
    instance = Instance(data, annex(), options)
    instance.create()
    instance.session.run(f"CREATE INDEX items_index ON items USING ivf (v {instance.operator_class})")
    started = time.monotonic()
    vectors.copy_file(instance.database, "items (id, v)", data.base, instance.rows)
    copied = time.monotonic() - started
    instance.load_queries()
    instance.find_truth()

    stages = [Stage("after COPY", instance, options)]
    seconds = vacuum_until_settled(instance)
    stages.append(Stage("after VACUUM", instance, options))
    instance.build("")
    stages.append(Stage("built afterwards", instance, options))

    print(f"\n### {data.name}: growth from an empty table\n")
    print(f"COPY of {instance.rows:,} rows into the table with its index took {copied:.0f} s, VACUUM "
          f"{', '.join(f'{each:.1f}' for each in seconds)} s, CREATE INDEX {instance.build_cost.seconds:.1f} s.\n")
    report(data, stages, stages[-1])
    instance.drop()

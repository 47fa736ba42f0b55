"""The benchmark itself: every figure for each data set and engine, beside the floor, a sequential scan and the engine
alone in memory.

All settings of all engines are measured in turn, round after round, and the fastest round of each counts. The floor is
the same statement on a table of 60 rows with the same kind of index: what PostgreSQL itself costs. "QPS at a recall" lies
between the two neighbouring settings, log QPS linear in recall; where one never reaches it, the ratio is a lower bound.
"""

from engine_alone import EngineAlone
from engines import installed_engines
from inserts import Inserts
from instance import FLOOR, SCAN, Instance, keep_best, measure_rounds, note
from limits import Limits
from report import Comparison, heading, number, quotient, ratio, row, share, speed_ratio, table
from target_recall import TargetRecall

RECALLS = (.95, .99, .999)


def run(data, options):
    instances = [Instance(data, engine, options) for engine in installed_engines(options.engines.split())]
    for instance in instances:
        instance.load()
        instance.find_truth()
    for _ in range(options.builds):
        for instance in instances:
            if not instance.kept():
                instance.build()
    for instance in instances:
        instance.keep()
    targets = TargetRecall(instances[0])
    floor, scan = measure(instances, targets, options)
    limits = Limits(instances, options)
    limits.measure()
    alone = EngineAlone(instances[0], options)
    alone.measure()
    inserts = Inserts(instances)
    inserts.measure()

    print(f"\n### {data.name}: {instances[0].rows:,} rows of {data.dimensions} dimensions, {data.metric}\n")
    summarize(instances, floor, scan, inserts)
    targets.report()
    alone.report(floor)
    inserts.report()
    limits.report()
    list_settings(instances, floor, scan)
    cells = summary_cells(instances, inserts)
    for instance in instances:
        instance.drop()
    return cells


SUMMARY = ["", "QPS at .95", "QPS at .99", "questions: at .95", "at .99", "build", "bytes a row", "inserts, 1 client"]


def summary_cells(instances, inserts):
    """A data set's line in the table of all: what pgvector takes beside annex; nothing where one of them is missing."""
    if len(instances) < 2:
        return None
    ours, theirs = instances
    cells = [f"{ours.data.name}, {ours.rows:,} × {ours.data.dimensions}"]
    for position in (0, 1):
        for target in RECALLS[:2]:
            known = position < len(ours.data.query_sets)
            cells.append(speed_ratio(target, *(each.points(position) for each in instances)) if known else "")
    rates = [inserts.rate_of_one(each) for each in instances]
    return cells + [ratio(theirs.build_cost.seconds, ours.build_cost.seconds),
                    ratio(ours.index_bytes, theirs.index_bytes), ratio(*rates)]


def summarize_sets(lines):
    """All data sets at a glance, after the tables of each."""
    lines = [line for line in lines if line]
    if lines:
        print("\n### Summary: annex beside pgvector\n")
        table(SUMMARY)
        for line in lines:
            row(*line)


def measure(instances, targets, options):
    """Recall and QPS of all settings; returns the QPS of the floor and of a sequential scan, by engine."""
    floor, scan = {}, {}
    for instance in instances:
        instance.prepare()
    targets.add_settings()
    for instance in instances:
        instance.require_index()
        instance.measure_all_recalls()
    for turn in measure_rounds(instances, options.repeat):
        for instance in instances:
            instance.apply(FLOOR)
            keep_best(floor, instance.engine.name, instance.measure_qps("queries0", table="tiny"))
            if turn < 2:
                instance.apply(SCAN)
                keep_best(scan, instance.engine.name, instance.measure_qps("scan_queries"))
    note(f"{instances[0].data.name}: searches measured")
    return floor, scan


def summarize(instances, floor, scan, inserts):
    comparison = Comparison([each.engine for each in instances])
    builds = [each.build_cost for each in instances]
    comparison.line("build, seconds", [each.seconds for each in builds], lambda value: number(value, 1), True)
    comparison.line("build, seconds of processors", [each.cpu_seconds for each in builds],
                    lambda value: number(value, 1), True)
    comparison.line("peak memory of the build, MB", [each.memory / 2**20 for each in builds])
    comparison.line("index, bytes a row", [each.index_bytes / each.rows for each in instances])
    inserts.summarize(comparison)
    comparison.line("floor: QPS on 60 rows", [floor[each.engine.name] for each in instances])
    comparison.line("sequential scan: QPS", [scan[each.engine.name] for each in instances], lambda v: number(v, 1))
    for position, queries in enumerate(instances[0].data.query_sets):
        for target in RECALLS:
            comparison.recall_line(f"{queries.name}: QPS at recall {target}", target,
                                   [each.points(position, target) for each in instances])


def list_settings(instances, floor, scan):
    heading("Settings")
    best_floor, best_scan = max(floor.values()), max(scan.values())
    table(["queries", "index", "setting", "recall@10", "QPS", "of the floor", "beside a sequential scan"], 3)
    for position, queries in enumerate(instances[0].data.query_sets):
        for instance in instances:
            for setting in instance.engine.settings:
                qps = instance.qps[position, setting.label]
                row(queries.name, instance.engine.title, setting.label,
                    share(instance.recall[position, setting.label]), number(qps),
                    f"{quotient(qps, best_floor):.2f}", ratio(qps, best_scan))
